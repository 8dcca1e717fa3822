//! What a model says of items, and what is compared with the truth.

use ndarray::{Array1, Array2, Array3, ArrayView2};

use crate::dataset::Class;

/// What a model says of every item: one row an item, in the order asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// log p(y | x): `[item, draw, class]`. One draw unless the model is stochastic.
    pub log_probs: Array3<f32>,
    /// log p(x), a bound on it, or it up to a constant: `[item]`. Compare only within one model.
    pub log_density: Option<Array1<f32>>,
}

/// All that the rest of the system sees of a trained model.
pub trait Predictor: Send {
    /// Scores of encoded inputs `[item, feature]`, see [`crate::encode::Encoding`].
    fn scores(&self, inputs: ArrayView2<f32>) -> Scores;
}

/// Probabilities and true classes of held-out items.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// p(y | x), averaged over draws, every row summing to 1: `[item, class]`.
    pub probs: Array2<f32>,
    /// The true class of each item.
    pub classes: Vec<Class>,
}
