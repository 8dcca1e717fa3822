//! The labelling page's server: digits as PNG files, a model that is made up, and people that are.

#![allow(clippy::unwrap_used, reason = "tests: a panic says where")]

mod answers;
mod asking;
mod data;
mod exchange;
mod judging;
mod keeping;
pub(crate) mod made_up;
mod site;
