//! What halfmoon knows without a tensor engine: data sets and the formats they come in, how a
//! row becomes numbers, how items are split, what a model says of them, and how that is judged.
//!
//! Data moves one way: [`read`] makes a [`dataset::Dataset`], [`split`] divides it,
//! [`encode::Encoding`] turns rows into numbers for a model, [`scores`] holds the model's answer and
//! [`metric`] judges it. How far an answer may be trusted is [`calibration`], [`selective`] prediction,
//! [`conformal`] sets and [`outlier`] scores; [`trust`] is what a run keeps for them, and an [`answer`] is what is said of an input by all of these. [`label_errors`] are labels that
//! answers speak against; [`two_sample`] says whether labelled rows are like the others. Nothing here knows what a tensor is, so
//! the crate builds in seconds.

pub mod answer;
pub mod calibration;
pub mod conformal;
pub mod dataset;
pub mod encode;
pub mod error;
pub mod label_errors;
pub mod labels;
pub mod metric;
pub mod outlier;
pub mod read;
pub mod scores;
pub mod selective;
pub mod split;
pub mod trust;
pub mod two_sample;

pub use dataset::{Class, Dataset, Schema};
pub use error::{Error, Result};
