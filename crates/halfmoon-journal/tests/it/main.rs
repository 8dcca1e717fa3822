//! The journal on disk.

#![allow(clippy::unwrap_used, reason = "tests: a panic says where")]

mod append_only;
mod exchange;
mod faults;
mod journal;
mod support;
