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
//! `sharpness` is the radius of sharpness-aware steps, which with `preset = "proximal"` is SADA-JEM (Yang, Su, Ji 2023).
//!
//! Rows are seen as 2x − 1 where they are shares of white or categories, from −1 to 1; standardised numbers as they are.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::activation::softplus;
use burn::tensor::{Int, Tensor};
use halfmoon_pool::Class;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::supervised::{Net, Supervised, SupervisedConfig};
use crate::augment::Augment;
use crate::batches::TrainingRows;
use crate::checkpoint::Checkpoint;
use crate::dist::Categorical;
use crate::energy::{Climbed, Langevin, Of, input_gradient, log_density, seen, unseen};
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Complete, LogDensity, MakeByChains, Makes, Model, ModelConfig};
use crate::nets::{Activation, GaussianSoftmax, WideResNetConfig};
use crate::noise::Noise;
use crate::ops::Index;
use crate::replay_buffer::{Chains, ReplayBuffer};
use crate::sharpness::uphill;
use crate::train::{Decay, Plan, Update};
use crate::vitals::{self, Most, Vital};

/// Hyper-parameters of [`Jem`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JemConfig {
    /// What the other settings are unless they are given. `small` is for small networks and few labels; `jem`, `proximal` and `logistic` are published
    /// recipes, without their networks.
    pub preset: Recipe,
    /// `mlp` for any rows, `conv` and `wide_resnet` for pictures.
    pub net: Net,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// What stands between them. Smooth ones keep the chains steady.
    pub activation: Activation,
    /// Outputs of each convolution of `conv`.
    pub channels: Vec<usize>,
    /// Size of `wide_resnet`. The paper's is of depth 28 and width 10, for pictures of 32×32.
    pub wide: WideResNetConfig,
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
    /// How the pictures of a step are changed. The paper has `crop_flip`, for CIFAR-10.
    pub augment: Augment,
    /// ρ of adaptive sharpness-aware steps: where the gradient is taken. 0: at the parameters themselves, as in the paper. SADA-JEM has 2.
    pub sharpness: f64,
    /// The chains.
    pub langevin: Langevin,
    /// Chains that wait. The paper has 10,000.
    pub buffer: usize,
    /// Share of the chains that begin anew in a step. The paper has 0.05.
    pub fresh: f64,
    /// Where chains begin.
    pub start: Start,
}

/// Published recipes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipe {
    /// For small networks and few labels: w = 0.1 and short, clipped steps.
    Small,
    /// Grathwohl et al. (2020): w = 1, steps of length 1, neither clip nor clamp.
    Jem,
    /// The sampler of SADA-JEM, which JEM++ comes to as well: five clipped and clamped steps of length 1 without noise, from class Gaussians.
    Proximal,
    /// `small` with the bounded difference of energies of *Dual Adversarial Training*.
    Logistic,
}

/// Where chains begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// 𝒰(−1, 1), as in the paper.
    Noise,
    /// A Gaussian a class, of its labelled rows, as in JEM++.
    Classes,
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
            preset: Recipe::Small,
            net: Net::Mlp,
            hidden: vec![128, 128],
            activation: Activation::Silu,
            channels: vec![16, 32],
            wide: WideResNetConfig::default(),
            head: EnergyHead::Linear,
            density: 0.1,
            gap: Gap::Linear,
            magnitude: 0.0,
            of_classes: 0.0,
            data_noise: 0.03,
            augment: Augment::None,
            sharpness: 0.0,
            langevin: Langevin::default(),
            buffer: 2000,
            fresh: 0.05,
            start: Start::Noise,
        }
    }
}

impl JemConfig {
    /// The settings of a recipe.
    pub fn of(preset: Recipe) -> JemConfig {
        let small = JemConfig { preset, ..JemConfig::default() };
        match preset {
            Recipe::Small => small,
            Recipe::Jem => JemConfig {
                density: 1.0,
                langevin: Langevin { step_size: 1.0, clip: 0.0, ..Langevin::default() },
                buffer: 10_000,
                ..small
            },
            Recipe::Proximal => JemConfig {
                density: 1.0,
                data_noise: 0.0,
                langevin: Langevin { steps: 5, step_size: 1.0, noise: 0.0, clip: 1.0, clamp: true },
                buffer: 10_000,
                start: Start::Classes,
                ..small
            },
            Recipe::Logistic => JemConfig { gap: Gap::Logistic, ..small },
        }
    }
}

impl ModelConfig for JemConfig {
    type Model = Jem;
    const NAME: &'static str = "jem";
    const ABOUT: &'static str = "a classifier whose logits are an energy too: calibrated, and a density";
    const PAPER: &'static str = "grathwohl2020jem";
    const MAKES: Makes = Makes::InputsByChains;
    const NEEDS_LABELS: bool = true;

    fn preset(settings: &Self) -> Self {
        JemConfig::of(settings.preset)
    }

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
        self.wide.check()?;
        self.augment.check(layout)?;
        self.langevin.check()?;
        if self.langevin.clamp && layout.numeric > 0 {
            return Err("`langevin.clamp` is for pictures and categories: a column of numbers goes beyond 1".into());
        }
        if self.head == EnergyHead::Gaussian && self.net == Net::WideResnet {
            return Err("`head = \"gaussian\"` stands on `mlp` or `conv`".into());
        }
        let weights = [
            ("density", self.density),
            ("magnitude", self.magnitude),
            ("data_noise", self.data_noise),
            ("sharpness", self.sharpness),
        ];
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
            wide: self.wide,
            ..SupervisedConfig::default()
        };
        let buffer = ReplayBuffer::new(self.buffer, layout.width(), self.of_classes, classes, noise);
        Jem {
            network: network.init(layout, outputs, noise),
            gaussians: (self.head == EnergyHead::Gaussian)
                .then(|| GaussianSoftmax::new(outputs, classes, RADIUS, noise)),
            buffer: if self.start == Start::Classes { buffer.at_classes(layout.numeric == 0) } else { buffer },
            layout: layout.clone(),
            config: self.clone(),
            caution: 1.0,
        }
    }

    fn begin_stage(&self, _: usize, model: Jem, rows: &TrainingRows, noise: &mut Noise) -> Jem {
        if self.start == Start::Noise {
            return model;
        }
        let TrainingRows { dataset, encoding, .. } = *rows;
        let classes = u16::try_from(dataset.schema.classes.len()).expect("a class is a u16");
        let of_class: Vec<Tensor<2>> = (0..classes)
            .map(|class| {
                let own: Vec<usize> =
                    (0..dataset.len()).filter(|&row| dataset.labels[row] == Some(Class(class))).collect();
                // Of a class without a label nothing is known but that it is among the rows.
                let step = (dataset.len() / 64).max(1);
                let own = if own.is_empty() { (0..dataset.len()).step_by(step).collect() } else { own };
                model.seen(&crate::batches::tensor(encoding.encode(&dataset.inputs, &own), noise.device()))
            })
            .collect();
        Jem { buffer: model.buffer.begin(&of_class, noise), ..model }
    }

    fn init_like(&self, stored: &Checkpoint, layout: &Layout, classes: usize, noise: &mut Noise) -> Jem {
        Jem { caution: stored.health.caution(), ..self.init(layout, classes, noise) }
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
    /// What a step of a chain is multiplied by: less than 1 where the training had to go back.
    #[module(skip)]
    caution: f64,
}

/// Where the chains of a step began, and where they came to.
pub struct Step {
    /// What was taken out of the buffer.
    pub chains: Chains,
    /// x⁻, and how steep it is there.
    pub ends: Climbed,
}

impl Jem {
    /// Rows as the network sees them, about −1 to 1: `[n, d]`.
    pub fn seen(&self, x: &Tensor<2>) -> Tensor<2> {
        seen(&self.layout, x)
    }

    /// f of rows that are seen so: `[n, d]` → `[n, c]`.
    pub fn logits(&self, seen: &Tensor<2>) -> Tensor<2> {
        let outputs = self.network.classify(seen);
        match &self.gaussians {
            None => outputs,
            Some(gaussians) => gaussians.logits(&outputs) - outputs.square().sum_dim(1) * 0.5,
        }
    }

    /// The chains' settings, each step so many times as long.
    fn langevin(&self, caution: f64) -> Langevin {
        let langevin = self.config.langevin;
        Langevin { step_size: langevin.step_size * caution, ..langevin }
    }

    /// Where chains up what `of` says come to that begin at these rows, as the network sees rows.
    fn climb(&self, langevin: &Langevin, start: Tensor<2>, of: &Of, noise: &mut Noise) -> Climbed {
        let fixed = self.clone().no_grad();
        langevin.run(start, |x| input_gradient(|x| fixed.logits(x), x, of), noise)
    }

    /// Chains of a step.
    pub fn chains(&self, n: usize, setbacks: u32, noise: &mut Noise) -> Step {
        let chains = self.buffer.draw(n, self.config.fresh, noise);
        let langevin = self.langevin(vitals::caution(setbacks));
        let ends = self.climb(&langevin, chains.at.clone(), &Of::Classes(&chains.classes), noise);
        Step { chains, ends }
    }

    /// 𝓙 with these x⁻ `[m, d]`.
    pub fn objective(&self, batch: &Batch, ends: &Tensor<2>, noise: &mut Noise) -> Loss {
        let JemConfig { density, gap, magnitude, data_noise, augment, .. } = self.config;
        let Batch { x, y, .. } = batch;
        let u = rows_of_density(batch);
        let (n, m) = (x.dims()[0], u.dims()[0]);
        let rows = Tensor::cat(vec![x.clone(), u.clone()], 0);
        let changed = augment.changed(&rows, self.layout.image, noise);
        let rows = self.seen(&changed.unwrap_or(rows));
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
        let energy_gap = of_chains.clone().mean() - of_data.clone().mean();
        loss = loss.observe(ENERGY_GAP, energy_gap);
        let gap = match gap {
            Gap::Linear => of_chains.mean() - of_data.mean(),
            Gap::Logistic => softplus(-of_data, 1.0).mean() + softplus(of_chains, 1.0).mean(),
        };
        loss.weigh("gap", density, gap)
    }

    /// 𝓙, with what shows how the chains do.
    fn watched(&self, batch: &Batch, ends: &Climbed, noise: &mut Noise) -> Loss {
        self.objective(batch, &ends.at, noise)
            .observe(CHAIN_REACH, ends.at.clone().abs().mean())
            .observe("chain_slope", ends.slope.clone().mean())
    }

    /// The chains that wait, as the network sees rows: `[slots, d]`.
    pub fn buffer(&self) -> &ReplayBuffer {
        &self.buffer
    }
}

/// E(u) − E(x⁻), whichever gap is minimised.
const ENERGY_GAP: &str = "energy_gap";
/// Mean size of a chain's numbers. Those of data are below 1, or near it.
const CHAIN_REACH: &str = "chain_reach";

/// Chains of which the nearest one is where a row begins to be filled in: few enough for draws to differ.
const NEAR: usize = 64;

/// Which of some rows `[m, d]` is nearest to each of x `[n, d]` in the numbers that are known: `[n]`.
fn nearest(x: &Tensor<2>, known: &Tensor<2>, some: &Tensor<2>) -> Tensor<1, Int> {
    // |k (x − s)|² less what does not depend on s.
    let squares = known.clone().matmul(some.clone().square().transpose());
    let apart = squares - (x.clone() * known.clone()).matmul(some.clone().transpose()) * 2.0;
    apart.argmin(1).squeeze_dim(1)
}

/// The unlabelled rows of a step; the labelled ones where there are no others.
fn rows_of_density(Batch { x, u, .. }: &Batch) -> &Tensor<2> {
    if u.dims()[0] == 0 { x } else { u }
}

impl Model for Jem {
    type Memory = ();

    fn loss(&self, batch: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        let Step { ends, .. } = self.chains(rows_of_density(batch).dims()[0], batch.moment.setbacks, noise);
        self.watched(batch, &ends, noise)
    }

    fn step(self, batch: &Batch, (): &mut (), noise: &mut Noise, update: &mut Update) -> (Self, Loss) {
        let Step { chains, ends } = self.chains(rows_of_density(batch).dims()[0], batch.moment.setbacks, noise);
        let loss = self.watched(batch, &ends, noise);
        let mut gradients = GradientsParams::from_grads(loss.total().backward(), &self);
        if self.config.sharpness > 0.0 {
            // The same chains serve again: where they came to is no function of the parameters.
            let uphill = uphill(&self, &gradients, self.config.sharpness);
            let there = uphill.objective(batch, &ends.at, noise);
            gradients = GradientsParams::from_grads(there.total().backward(), &uphill);
        }
        let jem = update.apply_parameters(self, gradients);
        (Jem { buffer: jem.buffer.put(&chains.slots, ends.at), ..jem }, loss)
    }

    fn vitals() -> &'static [Vital] {
        const ADVICE: &str = "shorter steps of the chains (--set MODEL.langevin.step_size=0.1), a bounded loss (--set MODEL.gap=logistic) or a penalty on \
             energies (--set MODEL.magnitude=0.1) keep it steady";
        &[
            Vital {
                name: ENERGY_GAP,
                about: "the energy gap between data and chains",
                most: Most::TimesUsual(20.0),
                advice: ADVICE,
            },
            Vital {
                name: CHAIN_REACH,
                about: "the mean size of a chain's numbers",
                most: Most::Size(3.0),
                advice: ADVICE,
            },
        ]
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

    fn as_chains(&self) -> Option<&dyn MakeByChains> {
        Some(self)
    }

    fn as_complete(&self) -> Option<&dyn Complete> {
        Some(self)
    }
}

impl MakeByChains for Jem {
    fn follow(&self, of: &Of, classes: &Index, steps: usize, noise: &mut Noise) -> Tensor<2> {
        let start = self.buffer.beginnings(classes, noise);
        let langevin = Langevin { steps, ..self.langevin(self.caution) };
        unseen(&self.layout, self.climb(&langevin, start, of, noise).at)
    }

    fn waiting(&self) -> Option<Tensor<2>> {
        Some(unseen(&self.layout, self.buffer.all()))
    }
}

impl Complete for Jem {
    /// By chains on log p(x) whose known numbers are put back after each step. Each begins at the chain that is nearest to it in what is known, of
    /// some that waited when the training ended: from noise they end at what is likely anywhere.
    fn complete(&self, x: &Tensor<2>, known: &Tensor<2>, steps: usize, noise: &mut Noise) -> Tensor<2> {
        let fixed = self.clone().no_grad();
        let seen = self.seen(x);
        let some = self.buffer.draw(NEAR, 0.0, noise).at;
        let begun = some.clone().select(0, nearest(&seen, known, &some));
        let langevin = Langevin { steps, ..self.langevin(self.caution) };
        let gradient = |x: &Tensor<2>| input_gradient(|x| fixed.logits(x), x, &Of::Density);
        let at = langevin.fill_in(&seen, known, begun, gradient, noise);
        let unknown = known.clone().neg() + 1.0;
        x.clone() * known.clone() + unseen(&self.layout, at) * unknown
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
