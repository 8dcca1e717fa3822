//! What a model says of items, and what is compared with the truth.

use ndarray::{Array, Array1, Array2, Array3, ArrayView2, Axis, RemoveAxis, concatenate};

use crate::dataset::Class;

/// What a model says of every item: one row an item, in the order asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// log p(y | x): `[item, draw, class]`. One draw unless the model is stochastic.
    pub log_probs: Array3<f32>,
    /// log p(x), a bound on it, or it up to a constant: `[item]`. Compare only within one model.
    pub log_density: Option<Array1<f32>>,
    /// E(x) = −ln Σ_y exp f_y(x) of the logits f, averaged over draws: `[item]`. `None` where there are no logits.
    pub energy: Option<Array1<f32>>,
    /// What the answer is made from, the last hidden layer or a code: `[item, h]`. `None` where there is nothing such.
    pub codes: Option<Array2<f32>>,
}

impl Scores {
    /// Of several lots of items, a lot at least, as those of all of them.
    pub fn join(parts: &[Scores]) -> Scores {
        Scores {
            log_probs: joined(parts, |part| Some(&part.log_probs)).expect("every part has some"),
            log_density: joined(parts, |part| part.log_density.as_ref()),
            energy: joined(parts, |part| part.energy.as_ref()),
            codes: joined(parts, |part| part.codes.as_ref()),
        }
    }
}

/// One array of all parts' rows, where every part has one.
pub fn joined<T, D: RemoveAxis>(parts: &[T], array: impl Fn(&T) -> Option<&Array<f32, D>>) -> Option<Array<f32, D>> {
    let arrays: Option<Vec<_>> = parts.iter().map(|part| array(part).map(|array| array.view())).collect();
    arrays.map(|arrays| concatenate(Axis(0), &arrays).expect("parts have the same columns"))
}

/// All that the rest of the system sees of a trained model.
pub trait Predictor: Send {
    /// Scores of encoded inputs `[item, feature]`, see [`crate::encode::Encoding`].
    fn scores(&self, inputs: ArrayView2<f32>) -> Scores;

    /// [`Scores::log_probs`] alone. To be overridden where the density is the dearer part.
    fn log_probs(&self, inputs: ArrayView2<f32>) -> Array3<f32> {
        self.scores(inputs).log_probs
    }

    /// [`Scores::codes`] alone.
    fn codes(&self, inputs: ArrayView2<f32>) -> Option<Array2<f32>> {
        self.scores(inputs).codes
    }

    /// log p(y | x, θ) by draws θ of the network itself, such as what dropout leaves of it: `[item, draw, class]`. A draw is the same network for every
    /// item, and for every call with the same seed. `None` for a model that is one network.
    fn networks(&self, inputs: ArrayView2<f32>, draws: usize, seed: u64) -> Option<Array3<f32>> {
        let _ = (inputs, draws, seed);
        None
    }

    /// S(z): how probably a sampler that was trained with the model takes each item for a labelled one. `[item, 1]`, or `[item, class]` where z is that of
    /// the item under each class. `None` for a model without one.
    fn labelled_probs(&self, inputs: ArrayView2<f32>) -> Option<Array2<f32>> {
        let _ = inputs;
        None
    }

    /// A lower bound on log p(x), `[item]` in nats, that more importance samples make tighter. `None` for a model that
    /// has no such bound.
    fn importance_bound(&self, inputs: ArrayView2<f32>, samples: usize) -> Option<Array1<f32>> {
        let _ = (inputs, samples);
        None
    }

    /// The model as one that makes inputs from codes. `None` for a model that makes none.
    fn generator(&self) -> Option<Box<dyn Generator + '_>> {
        None
    }

    /// The model as one whose chains make inputs. `None` for a model without chains.
    fn chains(&self) -> Option<Box<dyn ChainGenerator + '_>> {
        None
    }

    /// The model as one that fills in what is missing. `None` for a model that answers and no more.
    fn completer(&self) -> Option<Box<dyn Completer + '_>> {
        None
    }

    /// The model as one whose gradients lead to inputs that it is in doubt about. `None` for a model that makes no inputs, or whose answers have no
    /// gradients.
    fn synthesiser(&self) -> Option<Box<dyn Synthesiser + '_>> {
        None
    }
}

/// Inputs that a model makes and cannot tell the class of. Inputs are encoded, `[item, feature]`.
pub trait Synthesiser {
    /// Inputs that are begun under these classes and moved to where the likeliest classes are alike. `steps` is as many as are usual unless it is
    /// given; `doubt` says how much an entropy of a nat counts beside log p(x), where inputs come by chains. The same for the same seed.
    fn doubtful(&self, classes: &[Class], steps: Option<usize>, doubt: f64, seed: u64) -> Doubtful;
}

/// What a [`Synthesiser`] made.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubtful {
    /// `[item, feature]`.
    pub inputs: Array2<f32>,
    /// What they are made from: `[item, latent]`. `None` where they come by chains.
    pub codes: Option<Array2<f32>>,
}

/// Inputs that chains come to. Inputs are encoded, `[item, feature]`.
pub trait ChainGenerator {
    /// Where chains of so many steps towards these classes come to. The same for the same seed.
    fn examples(&self, classes: &[Class], steps: usize, seed: u64) -> Array2<f32>;

    /// Chains that waited for the next step of the training when it ended. `None` where it was trained without chains.
    fn waiting(&self) -> Option<Array2<f32>>;
}

/// Fills in what is missing. Inputs are encoded, `[item, feature]`.
pub trait Completer {
    /// The inputs, each number that is not known (`false`) replaced by one that may be: a draw, after so many steps. The same for the same seed.
    fn complete(&self, inputs: ArrayView2<f32>, known: ArrayView2<bool>, steps: usize, seed: u64) -> Array2<f32>;
}

/// Inputs from codes, and codes of inputs. Inputs are encoded, `[item, feature]`.
pub trait Generator {
    /// Numbers in a code. Codes of what is typical are distributed as 𝒩(0, I).
    fn latent(&self) -> usize;

    /// Whether the class has a say in what is made.
    fn knows_classes(&self) -> bool;

    /// The mean code of each input under its class: `[item, latent]`.
    fn encode(&self, inputs: ArrayView2<f32>, classes: &[Class]) -> Array2<f32>;

    /// The mean input of each code under its class: `[item, feature]`.
    fn decode(&self, codes: ArrayView2<f32>, classes: &[Class]) -> Array2<f32>;
}

/// Probabilities and true classes of held-out items.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// p(y | x), averaged over draws, every row summing to 1: `[item, class]`.
    pub probs: Array2<f32>,
    /// The true class of each item.
    pub classes: Vec<Class>,
}

impl Predictions {
    /// Those of some items, in the order asked.
    #[must_use]
    pub fn select(&self, items: &[usize]) -> Predictions {
        Predictions {
            probs: self.probs.select(Axis(0), items),
            classes: items.iter().map(|&item| self.classes[item]).collect(),
        }
    }
}

/// p(y | x), averaged over draws: `[item, draw, class]` → `[item, class]`.
pub fn probs(log_probs: &Array3<f32>) -> Array2<f32> {
    log_probs.mapv(f32::exp).mean_axis(Axis(1)).expect("a model gives at least one draw")
}
