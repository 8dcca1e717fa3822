//! What every model is: a loss, a classifier, and what else it can do.

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use halfmoon_pool::encode::Layout;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::loss::Loss;
use crate::noise::Noise;
use crate::ops::Index;
use crate::train::Plan;

/// One step's data: (x, y) from the labelled items, u from all of them.
pub struct Batch {
    /// Labelled inputs: `[n, d]`.
    pub x: Tensor<2>,
    /// Their classes: `[n]`.
    pub y: Index,
    /// Inputs whose labels, if any, are not looked at: `[m, d]`.
    pub u: Tensor<2>,
    /// Size of the training set.
    pub counts: Counts,
}

/// Size of the training set, by which the papers weigh the terms of a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// N_l: labelled items.
    pub labelled: usize,
    /// N_u: items that `u` is drawn from; the labelled ones are among them.
    pub unlabelled: usize,
}

/// A classifier that learns from labelled and unlabelled rows.
pub trait Model: Module {
    /// What a run carries from step to step besides parameters. `()` for most.
    type Memory: Default;

    /// What is minimised.
    fn loss(&self, batch: &Batch, memory: &mut Self::Memory, noise: &mut Noise) -> Loss;

    /// Logits of p(y | x): `[n, c]`.
    fn classify(&self, x: &Tensor<2>) -> Tensor<2>;

    /// One optimiser step. Override only where one gradient is not enough.
    fn step(
        self,
        batch: &Batch,
        memory: &mut Self::Memory,
        noise: &mut Noise,
        optimizer: &mut ModuleOptimizer,
        rate: f64,
    ) -> (Self, Loss) {
        let loss = self.loss(batch, memory, noise);
        let gradients = GradientsParams::from_grads(loss.total().backward(), &self);
        (optimizer.step(rate, self, gradients), loss)
    }

    /// `Some(self)` if the model has a density.
    fn as_log_density(&self) -> Option<&dyn LogDensity> {
        None
    }

    /// `Some(self)` if the model generates inputs.
    fn as_sample(&self) -> Option<&dyn Sample> {
        None
    }

    /// `Some(self)` if the model has codes.
    fn as_encode(&self) -> Option<&dyn Encode> {
        None
    }
}

/// log p(x), a lower bound on it, or it up to a constant. Compare only within one model.
pub trait LogDensity {
    /// `[n, d]` → `[n]`, in nats.
    fn log_density(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<1>;
}

/// x ~ p(x | y).
pub trait Sample {
    /// Classes `[n]` → inputs `[n, d]`, as a model sees them: grey values in [0, 1], standardised numbers.
    fn sample(&self, y: &Index, noise: &mut Noise) -> Tensor<2>;
}

/// E[z | x].
pub trait Encode {
    /// `[n, d]` → `[n, latent]`.
    fn encode(&self, x: &Tensor<2>) -> Tensor<2>;
}

/// A model's hyper-parameters: a plain struct whose `Default` is stated with its source.
pub trait ModelConfig: Default + Clone + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// What it configures.
    type Model: Model + 'static;
    /// What the user types.
    const NAME: &'static str;
    /// One line for `halfmoon models`.
    const ABOUT: &'static str;
    /// Key into `references.bib`.
    const PAPER: &'static str;

    /// Whether there is nothing to learn from without a single label. If not, `loss` copes with
    /// `counts.labelled == 0`, where `x` and `y` have no rows.
    const NEEDS_LABELS: bool;

    /// How it is trained unless the user says otherwise.
    fn plan() -> Plan;

    /// Says what is wrong with a value that type-checks, such as a width of 0.
    fn check(&self, layout: &Layout) -> Result<(), String>;

    /// Fresh parameters for rows of this layout, drawn from `noise` on its device.
    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Self::Model;
}
