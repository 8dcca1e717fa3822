//! What every model is: a loss, a classifier, and what else it can do.

use burn::module::Module;
use burn::tensor::Tensor;
use halfmoon_pool::encode::Layout;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batches::TrainingRows;
use crate::checkpoint::Checkpoint;
use crate::dist::Normal;
use crate::energy::Of;
use crate::loss::Loss;
use crate::noise::Noise;
use crate::ops::Index;
use crate::train::{Plan, Update};
use crate::vitals::Vital;

/// One step's data: (x, y) from the labelled items, u from all of them.
pub struct Batch {
    /// Labelled inputs: `[n, d]`.
    pub x: Tensor<2>,
    /// Their classes: `[n]`.
    pub y: Index,
    /// Inputs whose labels, if any, are not looked at: `[m, d]`.
    pub u: Tensor<2>,
    /// Which rows of `u` have no label: for what tells labelled from unlabelled ones, and for nothing else.
    pub open: Index,
    /// Size of the training set.
    pub counts: Counts,
    /// How far the training is.
    pub moment: Moment,
}

/// Size of the training set, by which the papers weigh the terms of a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// N_l: labelled items.
    pub labelled: usize,
    /// N_u: items that `u` is drawn from; the labelled ones are among them.
    pub unlabelled: usize,
}

/// How far a training is. What changes over a training, such as a warm-up, is a function of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Which of the stages of the training, from 0.
    pub stage: usize,
    /// Steps of this stage that are done.
    pub step: u64,
    /// How often the training went back because it ran away.
    pub setbacks: u32,
}

impl Moment {
    /// A factor that rises from near 0 to 1 within the first `steps` steps of a stage; 1 at once for 0 steps.
    pub fn warm_up(self, steps: u64) -> f64 {
        if self.step >= steps { 1.0 } else { (self.step + 1) as f64 / steps as f64 }
    }
}

/// What is trained step by step.
pub trait Model: Module {
    /// What a run carries from step to step besides parameters. `()` for most.
    type Memory: Default;

    /// What is minimised.
    fn loss(&self, batch: &Batch, memory: &mut Self::Memory, noise: &mut Noise) -> Loss;

    /// What of the loss shows that a training runs away. Empty for models whose training does not.
    fn vitals() -> &'static [Vital] {
        &[]
    }

    /// One optimiser step. Override only where one gradient is not enough.
    fn step(self, batch: &Batch, memory: &mut Self::Memory, noise: &mut Noise, update: &mut Update) -> (Self, Loss) {
        let loss = self.loss(batch, memory, noise);
        (update.apply(self, loss.total().backward()), loss)
    }
}

/// A model that says which class a row is of, and perhaps more.
pub trait Classifier: Model {
    /// Logits of p(y | x): `[n, c]`.
    fn classify(&self, x: &Tensor<2>) -> Tensor<2>;

    /// The same for each draw of what an answer depends on by chance, `[n, s, c]`; the answer is the mean of their
    /// probabilities. For most models there is no such thing, and one draw.
    fn draws(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<3> {
        let _ = noise;
        self.classify(x).unsqueeze_dim(1)
    }

    /// Logits by draws of the network itself, such as what dropout leaves of it, each draw the same one for every row: `[n, draws, c]`. They say how
    /// much the answer depends on what was not learned well. `None` for a model that is one network.
    fn networks(&self, x: &Tensor<2>, draws: usize, noise: &mut Noise) -> Option<Tensor<3>> {
        let _ = (x, draws, noise);
        None
    }

    /// Logits of S(z), how probably a row is one that has a label, by a sampler that was trained to tell: `[n, 1]`, or `[n, c]` where z is that of the
    /// row under each class. `None` for a model without a sampler.
    fn sampler(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        let _ = x;
        None
    }

    /// What the answer is made from, the last hidden layer or a code, without noise: `[n, h]`. `None` where there is
    /// nothing such.
    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        let _ = x;
        None
    }

    /// `Some(self)` if the model has a density.
    fn as_log_density(&self) -> Option<&dyn LogDensity> {
        None
    }

    /// `Some(self)` if the model makes inputs from codes.
    fn as_generate(&self) -> Option<&dyn Generate> {
        None
    }

    /// `Some(self)` if chains of the model make inputs.
    fn as_chains(&self) -> Option<&dyn MakeByChains> {
        None
    }

    /// `Some(self)` if the model fills in what of an input is missing.
    fn as_complete(&self) -> Option<&dyn Complete> {
        None
    }
}

/// log p(x), a lower bound on it, or it up to a constant. Compare only within one model.
pub trait LogDensity {
    /// `[n, d]` → `[n]`, in nats.
    fn log_density(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<1>;

    /// log (1/K) Σ_k p(x, z_k) / q(z_k | x), z_k ~ q(z | x): a lower bound on log p(x) that K = `samples` makes
    /// tighter (Burda et al. 2016, equation 8). `[n, d]` → `[n]`, in nats.
    ///
    /// `None` where the density needs no bound.
    fn importance_bound(&self, x: &Tensor<2>, samples: usize, noise: &mut Noise) -> Option<Tensor<1>>;
}

/// Inputs from codes, and codes of inputs.
pub trait Generate {
    /// Numbers in a code z. Its prior is 𝒩(0, I).
    fn latent(&self) -> usize;

    /// Whether the class has a say in what is made.
    fn knows_classes(&self) -> bool;

    /// q(z | x, y) of inputs `[n, d]` and classes `[n]`: `[n, latent]`.
    fn code_of(&self, x: &Tensor<2>, y: &Index) -> Normal;

    /// E[z | x, y] of inputs `[n, d]` and classes `[n]`: `[n, latent]`.
    fn encode(&self, x: &Tensor<2>, y: &Index) -> Tensor<2> {
        self.code_of(x, y).mean
    }

    /// E[x | y, z] of codes `[n, latent]` and classes `[n]`: `[n, d]`, as a model sees inputs: grey values in
    /// [0, 1], standardised numbers.
    fn decode(&self, z: &Tensor<2>, y: &Index) -> Tensor<2>;
}

/// Inputs that chains come to, without a code.
pub trait MakeByChains {
    /// Where chains of so many steps up what `of` says come to that begin where those of these classes do, in units of inputs: `[n, d]`.
    fn follow(&self, of: &Of, classes: &Index, steps: usize, noise: &mut Noise) -> Tensor<2>;

    /// Where chains of so many steps towards these classes come to, in units of inputs: `[n, d]`.
    fn examples(&self, classes: &Index, steps: usize, noise: &mut Noise) -> Tensor<2> {
        self.follow(&Of::Classes(classes), classes, steps, noise)
    }

    /// Chains that waited for the next step of the training when it ended, in units of inputs: `[chains, d]`. `None` where it was trained without chains.
    fn waiting(&self) -> Option<Tensor<2>>;
}

/// Fills in what is missing.
pub trait Complete {
    /// Inputs `[n, d]`, of which `known` is 1 where a number is known and 0 where it is to be found, after so many steps: a draw, or nearly, of p(missing | known).
    fn complete(&self, x: &Tensor<2>, known: &Tensor<2>, steps: usize, noise: &mut Noise) -> Tensor<2>;
}

/// What a model makes beside answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Makes {
    /// Nothing.
    Nothing,
    /// Inputs from codes.
    Inputs,
    /// Inputs of a class that is asked for, from codes.
    InputsOfAClass,
    /// Inputs of a class that is asked for, by chains and from no code.
    InputsByChains,
}

impl Makes {
    /// Whether it makes them from codes.
    pub fn is_from_codes(self) -> bool {
        matches!(self, Makes::Inputs | Makes::InputsOfAClass)
    }

    /// Whether a class can be asked for.
    pub fn is_of_a_class(self) -> bool {
        matches!(self, Makes::InputsOfAClass | Makes::InputsByChains)
    }
}

/// A model's hyper-parameters: a plain struct whose `Default` is stated with its source.
pub trait ModelConfig: Default + Clone + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// What it configures.
    type Model: Classifier + 'static;
    /// What the user types.
    const NAME: &'static str;
    /// One line for `halfmoon models`.
    const ABOUT: &'static str;
    /// Key into `references.bib`.
    const PAPER: &'static str;

    /// What it makes beside answers.
    const MAKES: Makes = Makes::Nothing;

    /// Whether there is nothing to learn from without a single label. If not, `loss` copes with
    /// `counts.labelled == 0`, where `x` and `y` have no rows.
    const NEEDS_LABELS: bool;

    /// The settings that are meant by the preset that these name; what a user gives himself goes over them. For most models there is no preset.
    fn preset(settings: &Self) -> Self {
        let _ = settings;
        Self::default()
    }

    /// How it is trained unless the user says otherwise: the last stage, for most the only one.
    fn plan() -> Plan;

    /// The stages before the last one.
    fn earlier_stages(&self) -> Vec<Plan> {
        Vec::new()
    }

    /// Says what is wrong with a value that type-checks, such as a width of 0.
    fn check(&self, layout: &Layout) -> Result<(), String>;

    /// Fresh parameters for rows of this layout, drawn from `noise` on its device.
    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Self::Model;

    /// The model that a stage begins with: of the first one a fresh model, of a later one what the stage before it came to.
    fn begin_stage(&self, stage: usize, model: Self::Model, rows: &TrainingRows, noise: &mut Noise) -> Self::Model {
        let _ = (stage, rows, noise);
        model
    }

    /// A model whose parameters have the shapes of the stored ones. To be overridden where training decides a shape.
    fn init_like(&self, stored: &Checkpoint, layout: &Layout, classes: usize, noise: &mut Noise) -> Self::Model {
        let _ = stored;
        self.init(layout, classes, noise)
    }
}
