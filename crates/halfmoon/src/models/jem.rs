//! A classifier whose logits are also the energy of its inputs.
//!
//! Grathwohl, Wang, Jacobsen, Duvenaud, Norouzi, Swersky. *Your Classifier is Secretly an Energy Based Model and You Should Treat it
//! Like One*. ICLR 2020, arXiv:1912.03263.
//!
//! ```text
//! log p(x) = LSE_y f(x)_y − log Z        p(y | x) = softmax_y f(x)_y                                equations 5, 6
//! 𝓙 = E_(x,y)[−log p(y | x)] + w (E_u[E(u)] − E_(x⁻)[E(x⁻)])        E(x) = −LSE_y f(x)_y
//! ```
//!
//! The bracket has the gradient of E_u[−log p(u)] (equation 3) if the x⁻ are from the model. They come from Langevin chains ([`Langevin`]) that
//! go on from step to step ([`ReplayBuffer`]) and are constants; the bracket's value says nothing but how far the chains are from the data.
//! Unlabelled rows take part in it as labelled ones do, so that the model is semi-supervised.
//!
//! `gap = "logistic"` has −log σ(LSE f(u)) − log σ(−LSE f(x⁻)) in place of the bracket, whose gradients are bounded, as in *Dual Adversarial
//! Training* and in the discriminators of ARAL. With `head = "gaussian"` the logits are log π_y − ½|h(x) − μ_y|² of a Gaussian-coupled softmax
//! (Hayashi 2024), and log p(x) + log Z cannot be above 0.
//!
//! Rows are seen as 2x − 1 where they are shares of white or categories, from −1 to 1; standardised numbers as they are.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::softplus;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::supervised::{Net, Supervised, SupervisedConfig};
use crate::dist::Categorical;
use crate::energy::{Langevin, Of, input_gradient, log_density};
use crate::loss::Loss;
use crate::model::{Batch, Classifier, LogDensity, Model, ModelConfig};
use crate::nets::{Activation, GaussianSoftmax};
use crate::noise::Noise;
use crate::ops::Index;
use crate::replay_buffer::{Chains, ReplayBuffer};
use crate::train::{Decay, Plan, Update};

/// Hyper-parameters of [`Jem`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JemConfig {
    /// `mlp` for any rows, `conv` for pictures.
    pub net: Net,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// What stands between them. Smooth ones keep the chains steady.
    pub activation: Activation,
    /// Outputs of each convolution of `conv`.
    pub channels: Vec<usize>,
    /// What makes the logits of the last layer. `gaussian` wants `gap = "logistic"`: under the linear gap nothing keeps the chains' log p(x) from falling
    /// for ever, and on one draw of 100 digits it errs in 31 %, with the logistic one in 8 %.
    pub head: EnergyHead,
    /// w: how heavy the density weighs beside the classes. The paper has 1; with few labels and a small network 0.1 is calibrated and 1 is not sure
    /// enough of itself.
    pub density: f64,
    /// Which difference of energies is minimised.
    pub gap: Gap,
    /// How heavy E(u)² + E(x⁻)² weighs, which keeps energies near 0. The paper has 0; IGEBM (Du & Mordatch 2019) has 1.
    pub magnitude: f64,
    /// Share of the chains that climb towards a class. The paper has 0; such chains make better examples.
    pub of_classes: f64,
    /// Standard deviation of the noise on the rows of a step. The paper has 0.03.
    pub data_noise: f64,
    /// The chains.
    pub langevin: Langevin,
    /// Chains that wait. The paper has 10,000.
    pub buffer: usize,
    /// Share of the chains that begin anew in a step. The paper has 0.05.
    pub fresh: f64,
}

/// What makes the logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnergyHead {
    /// A linear layer.
    Linear,
    /// Class Gaussians.
    Gaussian,
}

/// Which difference of energies is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// E(u) − E(x⁻).
    Linear,
    /// −log σ(−E(u)) − log σ(E(x⁻)).
    Logistic,
}

impl Default for JemConfig {
    fn default() -> Self {
        JemConfig {
            net: Net::Mlp,
            hidden: vec![128, 128],
            activation: Activation::Silu,
            channels: vec![16, 32],
            head: EnergyHead::Linear,
            density: 0.1,
            gap: Gap::Linear,
            magnitude: 0.0,
            of_classes: 0.0,
            data_noise: 0.03,
            langevin: Langevin::default(),
            buffer: 2000,
            fresh: 0.05,
        }
    }
}

impl ModelConfig for JemConfig {
    type Model = Jem;
    const NAME: &'static str = "jem";
    const ABOUT: &'static str = "a classifier whose logits are an energy too: calibrated, and a density";
    const PAPER: &'static str = "grathwohl2020jem";
    const NEEDS_LABELS: bool = true;

    fn plan() -> Plan {
        Plan {
            steps: 1500,
            rate: 1e-3,
            decay: Decay::Linear,
            labelled_rows: 64,
            unlabelled_rows: 64,
            ..Plan::default()
        }
    }

    fn check(&self, layout: &Layout) -> Result<(), String> {
        self.net.check(&self.hidden, &self.channels, layout)?;
        self.langevin.check()?;
        let weights = [("density", self.density), ("magnitude", self.magnitude), ("data_noise", self.data_noise)];
        for (name, value) in weights {
            if !value.is_finite() || value < 0.0 {
                return Err(format!("`{name}` must be 0 or more"));
            }
        }
        for (name, share) in [("of_classes", self.of_classes), ("fresh", self.fresh)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("`{name}` must be a share from 0 to 1"));
            }
        }
        if self.buffer == 0 || self.buffer > 1_000_000 {
            return Err("`buffer` must be 1 to 1,000,000".into());
        }
        Ok(())
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Jem {
        let last = self.hidden[self.hidden.len() - 1];
        let outputs = if self.head == EnergyHead::Gaussian { last } else { classes };
        let network = SupervisedConfig {
            net: self.net,
            hidden: self.hidden.clone(),
            activation: self.activation,
            channels: self.channels.clone(),
        };
        Jem {
            network: network.init(layout, outputs, noise),
            gaussians: (self.head == EnergyHead::Gaussian)
                .then(|| GaussianSoftmax::new(outputs, classes, RADIUS, noise)),
            buffer: ReplayBuffer::new(self.buffer, layout.width(), self.of_classes, classes, noise),
            layout: layout.clone(),
            config: self.clone(),
        }
    }
}

/// Length of the means of class Gaussians at the start: far enough apart to tell classes from one another.
const RADIUS: f64 = 4.0;

/// One network, and chains that follow its energy.
#[derive(Module, Debug)]
pub struct Jem {
    network: Supervised,
    gaussians: Option<GaussianSoftmax>,
    buffer: ReplayBuffer,
    #[module(skip)]
    layout: Layout,
    #[module(skip)]
    config: JemConfig,
}

impl Jem {
    /// Rows as the network sees them, about −1 to 1: `[n, d]`.
    pub fn seen(&self, x: &Tensor<2>) -> Tensor<2> {
        self.change_shares(x.clone(), |shares| shares * 2.0 - 1.0)
    }

    /// Rows with their shares of white and their categories changed, and their standardised numbers as they are.
    fn change_shares(&self, rows: Tensor<2>, change: impl Fn(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
        let (numeric, width) = (self.layout.numeric, self.layout.width());
        match numeric {
            0 => change(rows),
            _ if numeric == width => rows,
            _ => {
                let numbers = rows.clone().slice_dim(1, 0..numeric);
                Tensor::cat(vec![numbers, change(rows.slice_dim(1, numeric..width))], 1)
            }
        }
    }

    /// f of rows that are seen so: `[n, d]` → `[n, c]`.
    pub fn logits(&self, seen: &Tensor<2>) -> Tensor<2> {
        let outputs = self.network.classify(seen);
        match &self.gaussians {
            None => outputs,
            Some(gaussians) => gaussians.logits(&outputs) - outputs.square().sum_dim(1) * 0.5,
        }
    }

    /// Where chains come to that begin at these rows, as the network sees rows; the first of them climb towards these classes.
    fn climb(&self, langevin: &Langevin, start: Tensor<2>, classes: &Index, noise: &mut Noise) -> Tensor<2> {
        let fixed = self.clone().no_grad();
        langevin.run(start, |x| input_gradient(|x| fixed.logits(x), x, &Of::Classes(classes)), noise)
    }

    /// Chains of a step, and where they come to.
    pub fn chains(&self, n: usize, noise: &mut Noise) -> (Chains, Tensor<2>) {
        let chains = self.buffer.draw(n, self.config.fresh, noise);
        let ends = self.climb(&self.config.langevin, chains.at.clone(), &chains.classes, noise);
        (chains, ends)
    }

    /// Rows of these classes, in units of inputs: where chains of so many steps come to that begin at 𝒰(−1, 1). `[n, d]`.
    pub fn examples(&self, classes: &Index, steps: usize, noise: &mut Noise) -> Tensor<2> {
        let start = noise.uniform([classes.len(), self.layout.width()]) * 2.0 - 1.0;
        let langevin = Langevin { steps, ..self.config.langevin };
        let seen = self.climb(&langevin, start, classes, noise);
        self.change_shares(seen, |shares| (shares + 1.0) * 0.5)
    }

    /// 𝓙 with these x⁻ `[m, d]`.
    pub fn objective(&self, batch: &Batch, ends: &Tensor<2>, noise: &mut Noise) -> Loss {
        let JemConfig { density, gap, magnitude, data_noise, .. } = self.config;
        let Batch { x, y, .. } = batch;
        let u = rows_of_density(batch);
        let (n, m) = (x.dims()[0], u.dims()[0]);
        let rows = self.seen(&Tensor::cat(vec![x.clone(), u.clone()], 0));
        let drawn = noise.normal(rows.dims()) * data_noise;
        let logits = self.logits(&Tensor::cat(vec![rows + drawn, ends.clone()], 0));
        let all = logits.dims()[0];
        let classify = -Categorical { logits: logits.clone().slice_dim(0, 0..n) }.log_prob(y).mean();
        let mut loss = Loss::default().add("classify", classify);
        let log_p = log_density(logits);
        let (of_data, of_chains) = (log_p.clone().slice_dim(0, n..n + m), log_p.slice_dim(0, n + m..all));
        if magnitude > 0.0 {
            let squares = of_data.clone().square().mean() + of_chains.clone().square().mean();
            loss = loss.weigh("magnitude", magnitude, squares);
        }
        let gap = match gap {
            Gap::Linear => of_chains.mean() - of_data.mean(),
            Gap::Logistic => softplus(-of_data, 1.0).mean() + softplus(of_chains, 1.0).mean(),
        };
        loss.weigh("gap", density, gap)
    }

    /// The chains that wait, as the network sees rows: `[slots, d]`.
    pub fn buffer(&self) -> &ReplayBuffer {
        &self.buffer
    }
}

/// The unlabelled rows of a step; the labelled ones where there are no others.
fn rows_of_density(Batch { x, u, .. }: &Batch) -> &Tensor<2> {
    if u.dims()[0] == 0 { x } else { u }
}

impl Model for Jem {
    type Memory = ();

    fn loss(&self, batch: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        let (_, ends) = self.chains(rows_of_density(batch).dims()[0], noise);
        self.objective(batch, &ends, noise)
    }

    fn step(self, batch: &Batch, (): &mut (), noise: &mut Noise, update: &mut Update) -> (Self, Loss) {
        let (chains, ends) = self.chains(rows_of_density(batch).dims()[0], noise);
        let loss = self.objective(batch, &ends, noise);
        let jem = update.apply(self, loss.total().backward());
        (Jem { buffer: jem.buffer.put(&chains.slots, ends), ..jem }, loss)
    }
}

impl Classifier for Jem {
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        self.logits(&self.seen(x))
    }

    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        self.network.codes(&self.seen(x))
    }

    fn as_log_density(&self) -> Option<&dyn LogDensity> {
        Some(self)
    }
}

impl LogDensity for Jem {
    /// log p(x) + log Z.
    fn log_density(&self, x: &Tensor<2>, _: &mut Noise) -> Tensor<1> {
        log_density(self.classify(x))
    }

    fn importance_bound(&self, _: &Tensor<2>, _: usize, _: &mut Noise) -> Option<Tensor<1>> {
        None
    }
}
