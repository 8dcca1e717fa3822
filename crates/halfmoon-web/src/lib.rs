//! The labelling page and the prediction service.
//!
//! A model is a [`Predictor`](halfmoon_pool::scores::Predictor) here and nothing more: how one is trained or opened, the caller says.

pub mod guard;
pub mod label;
pub mod page;
mod problem;
pub mod serve;
