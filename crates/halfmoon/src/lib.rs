//! What halfmoon learns with: distributions, networks, models, training, and the folder of a run.
//!
//! A model is one file below [`models`] and one line in [`models::MODELS`]. [`experiment`] is the way from
//! data to a run folder and its figures; [`run`] reads such a folder back.

pub mod ais;
pub mod attack;
pub mod augment;
mod batches;
pub mod branches;
mod checkpoint;
pub mod cite;
pub mod config;
mod data;
pub mod dist;
pub mod energy;
pub mod experiment;
pub mod fit;
pub mod hybrid;
pub mod loss;
pub mod model;
pub mod models;
pub mod nets;
pub mod noise;
pub mod ops;
pub mod pairs;
pub mod predict;
pub mod replay_buffer;
pub mod robust;
pub mod run;
pub mod set_aside;
pub mod sharpness;
pub mod simulate;
pub mod synthesis;
mod tensorboard;
pub mod train;
pub mod trust;
pub mod vitals;

pub use batches::{TrainingRows, tensor};
pub use checkpoint::{Checkpoint, number_parameters};
