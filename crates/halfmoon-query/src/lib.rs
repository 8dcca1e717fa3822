//! What to ask next: rules that choose, from what a model says of unlabelled items, those whose labels it should have.
//!
//! A [`Pool`] holds all that a rule may see of the candidates, and no label of theirs. [`RULES`] lists the rules by name;
//! [`Rule::query`] gives the items with a reason each. [`stream`] decides item by item within a budget, [`curve`] says what
//! labels brought and what more of them are expected to bring, [`duplicates`] finds items that are as good as copies.
//! [`Ensemble`] makes one model with several draws of several models.

#![allow(clippy::needless_pass_by_value, reason = "a view is a reference")]

mod badge;
mod bait;
mod bald;
mod batch_bald;
mod cold_start;
mod committee;
pub mod curve;
mod density;
pub mod duplicates;
mod energy;
mod error_reduction;
mod gradient;
mod k_center;
mod last_layer;
mod picks;
mod places;
mod pointwise;
mod pool;
mod rule;
mod said;
mod sampler;
pub mod stream;
#[cfg(test)]
mod testing;

pub use committee::{Ensemble, together};
pub use picks::Picks;
pub use pool::{Labelled, Need, Pool, keys_of_ids, keys_of_rows};
pub use rule::{Ask, Judge, Pick, Query, RULES, Rule, rule};
pub use said::{Questions, Said};
