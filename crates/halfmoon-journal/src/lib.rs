//! The journal of a project: which items there are, who said what of them and when, which models were trained and which
//! rounds were asked.
//!
//! ```text
//!  data ──scan──► items ─┐                         ┌─► labels ─► majority, skill, agreement
//!                        ├─► project.db ──fold──►──┤
//!  people, programs ─────┘     (grows only)        └─► files of other programs, and back
//! ```
//!
//! Nothing in it is ever changed or removed: a label is an event, and so is taking it back. What stands is a fold over the
//! events. Several processes may write at once; what was acknowledged survives a crash.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests: a panic says where"))]

pub mod agreement;
pub mod dawid_skene;
pub mod duplicates;
pub mod event;
pub mod exchange;
pub mod fold;
pub mod item;
mod journal;
pub mod moment;
pub mod moved;
pub mod scan;
mod schema;
mod sqlite;

pub use event::{Action, Appended, Asked, DATA, Event, EventId, Key, Model, Round, Said};
pub use fold::{Labels, Verdict, Vote};
pub use item::{Added, Content, Item, ItemId, Split};
pub use journal::{Journal, Project, Snapshot};
pub use moment::Moment;
