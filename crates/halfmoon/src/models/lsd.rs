//! An energy that is trained against a critic and without samples: the learned Stein discrepancy.
//!
//! Grathwohl, Wang, Jacobsen, Duvenaud, Zemel. *Learning the Stein Discrepancy for Training and Evaluating Energy-Based Models without Sampling*. ICML 2020,
//! arXiv:2002.05616.
//!
//! ```text
//! 𝓢(θ, φ) = E_u[∇_u log p_θ(u) · φ(u) + tr ∂φ/∂u]                                                   equation 7
//! 𝓙 = E_(x,y)[−log p(y | x)] + w max_φ (𝓢(θ, φ) − λ E_u[‖φ(u)‖²])        log p_θ(x) = LSE_y f(x)_y − log Z
//! ```
//!
//! The best critic is φ* = (∇ log p_θ − ∇ log p_data) / 2λ, so the second term is w/4λ times the squared distance of both scores: where it is 0, log p_θ is that of
//! the data, with their noise.
//!
//! The engine differentiates once, so both derivatives along a direction are differences: ∇ log p · φ = (log p(u + h φ) − log p(u − h φ)) / 2h, and
//! ε · (φ(u + h ε) − φ(u − h ε)) / 2h with ε ~ 𝒩(0, I) has the trace for its mean (Hutchinson 1990).

use burn::module::Module;
use burn::tensor::Tensor;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::supervised::{Net, Supervised, SupervisedConfig};
use crate::dist::Categorical;
use crate::energy::{Langevin, Of, input_gradient, log_density, seen, unseen};
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Complete, LogDensity, MakeByChains, Makes, Model, ModelConfig};
use crate::nets::{Activation, CategoricalNet, Hidden, Norm, WideResNetConfig};
use crate::noise::Noise;
use crate::ops::Index;
use crate::train::{Decay, Plan, Update};

/// Hyper-parameters of [`Lsd`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LsdConfig {
    /// `mlp` for any rows, `conv` and `wide_resnet` for pictures. The critic is an `mlp`.
    pub net: Net,
    /// Widths of the hidden layers of both networks. The paper has two of 1000 for MNIST.
    pub hidden: Vec<usize>,
    /// What stands between them. The paper has silu.
    pub activation: Activation,
    /// Outputs of each convolution of `conv`.
    pub channels: Vec<usize>,
    /// Size of `wide_resnet`.
    pub wide: WideResNetConfig,
    /// w: how heavy the discrepancy weighs beside the classes.
    pub density: f64,
    /// λ: how heavy the critic's squared length weighs. The paper has 10 for MNIST.
    pub critic_length: f64,
    /// Steps of the critic before each of the model. The paper has 5.
    pub critic_steps: usize,
    /// h: how far apart the two places are, halved, whose difference stands for a derivative.
    pub difference: f64,
    /// Standard deviation of the noise on the rows of a step. Without any, data that lie in few dimensions have no score.
    pub data_noise: f64,
    /// Chains that make examples; the training has none.
    pub langevin: Langevin,
}

impl Default for LsdConfig {
    fn default() -> Self {
        LsdConfig {
            net: Net::Mlp,
            hidden: vec![128, 128],
            activation: Activation::Silu,
            channels: vec![16, 32],
            wide: WideResNetConfig::default(),
            density: 0.1,
            critic_length: 0.5,
            critic_steps: 5,
            difference: 0.01,
            data_noise: 0.3,
            langevin: Langevin { steps: 200, step_size: 0.005, noise: 0.1, clip: 0.0, clamp: false },
        }
    }
}

impl ModelConfig for LsdConfig {
    type Model = Lsd;
    const NAME: &'static str = "lsd";
    const ABOUT: &'static str = "a classifier whose logits are an energy too, trained against a critic";
    const PAPER: &'static str = "grathwohl2020lsd";
    const MAKES: Makes = Makes::InputsByChains;
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
        self.wide.check()?;
        self.langevin.check()?;
        for (name, value) in [("density", self.density), ("data_noise", self.data_noise)] {
            if !value.is_finite() || value < 0.0 {
                return Err(format!("`{name}` must be 0 or more"));
            }
        }
        for (name, value) in [("critic_length", self.critic_length), ("difference", self.difference)] {
            if !value.is_finite() || value <= 0.0 {
                return Err(format!("`{name}` must be more than 0"));
            }
        }
        if self.critic_steps == 0 { Err("`critic_steps` must be at least 1".into()) } else { Ok(()) }
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Lsd {
        let network = SupervisedConfig {
            net: self.net,
            hidden: self.hidden.clone(),
            activation: self.activation,
            channels: self.channels.clone(),
            wide: self.wide,
            ..SupervisedConfig::default()
        };
        let hidden = Hidden { widths: &self.hidden, activation: self.activation, norm: Norm::None };
        let width = layout.width();
        Lsd {
            network: network.init(layout, classes, noise),
            critic: CategoricalNet::new(&[width], &hidden, width, noise),
            layout: layout.clone(),
            config: self.clone(),
        }
    }
}

/// f and φ.
#[derive(Module, Debug)]
pub struct Lsd {
    network: Supervised,
    /// Its logits are the numbers of φ.
    critic: CategoricalNet,
    #[module(skip)]
    layout: Layout,
    #[module(skip)]
    config: LsdConfig,
}

/// ∇ log p · φ + tr ∂φ/∂u of rows u `[n, d]`: `[n]`, by differences over 2 h, with one ε a row for the trace; and ‖φ‖².
pub fn stein(
    log_p: impl Fn(&Tensor<2>) -> Tensor<1>,
    phi: impl Fn(&Tensor<2>) -> Tensor<2>,
    u: &Tensor<2>,
    h: f64,
    noise: &mut Noise,
) -> (Tensor<1>, Tensor<1>) {
    let n = u.dims()[0];
    let probe = noise.normal(u.dims());
    let step = probe.clone() * h;
    let at = phi(&Tensor::cat(vec![u.clone(), u.clone() + step.clone(), u.clone() - step], 0));
    let [here, ahead, behind] = [0, 1, 2].map(|part| at.clone().slice_dim(0, part * n..(part + 1) * n));
    let trace: Tensor<1> = (probe * (ahead - behind)).sum_dim(1).squeeze_dim(1) / (2.0 * h);
    let along = here.clone() * h;
    let log_p = log_p(&Tensor::cat(vec![u.clone() + along.clone(), u.clone() - along], 0));
    let ascent = (log_p.clone().slice_dim(0, 0..n) - log_p.slice_dim(0, n..2 * n)) / (2.0 * h);
    (ascent + trace, here.square().sum_dim(1).squeeze_dim(1))
}

impl Lsd {
    /// 𝓢(θ, φ) − λ E‖φ‖², and 𝓢, each `[1]`, of rows as the network sees them.
    fn discrepancy(
        &self,
        network: &Supervised,
        critic: &CategoricalNet,
        rows: &Tensor<2>,
        noise: &mut Noise,
    ) -> [Tensor<1>; 2] {
        let log_p = |u: &Tensor<2>| log_density(network.classify(u));
        let (stein, length) = stein(log_p, |u| critic.of(u).logits, rows, self.config.difference, noise);
        let stein = stein.mean();
        [stein.clone() - length.mean() * self.config.critic_length, stein]
    }

    /// Rows that the density is of: the unlabelled ones of a step, or the labelled ones where there are no others, with their noise.
    fn rows(&self, Batch { x, u, .. }: &Batch, noise: &mut Noise) -> Tensor<2> {
        let rows = seen(&self.layout, if u.dims()[0] == 0 { x } else { u });
        let drawn = noise.normal(rows.dims()) * self.config.data_noise;
        rows + drawn
    }

    fn objective(&self, batch: &Batch, critic: &CategoricalNet, noise: &mut Noise) -> Loss {
        let logits = self.network.classify(&seen(&self.layout, &batch.x));
        let rows = self.rows(batch, noise);
        let [bounded, stein] = self.discrepancy(&self.network, critic, &rows, noise);
        Loss::default()
            .add("classify", -Categorical { logits }.log_prob(&batch.y).mean())
            .weigh("discrepancy", self.config.density, bounded)
            .observe("stein", stein)
    }

    fn fixed_logits(&self) -> impl Fn(&Tensor<2>) -> Tensor<2> + use<> {
        let fixed = self.network.clone().no_grad();
        move |x| fixed.classify(x)
    }
}

impl Model for Lsd {
    type Memory = ();

    /// 𝓙 at φ, which `step` makes larger and everything else smaller.
    fn loss(&self, batch: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        self.objective(batch, &self.critic, noise)
    }

    fn step(mut self, batch: &Batch, (): &mut (), noise: &mut Noise, update: &mut Update) -> (Self, Loss) {
        for _ in 0..self.config.critic_steps {
            let network = self.network.clone().no_grad();
            let rows = self.rows(batch, noise);
            let [bounded, _] = self.discrepancy(&network, &self.critic, &rows, noise);
            self = update.apply(self, bounded.neg().backward());
        }
        let critic = self.critic.clone().no_grad();
        let loss = self.objective(batch, &critic, noise);
        (update.apply(self, loss.total().backward()), loss)
    }
}

impl Classifier for Lsd {
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        self.network.classify(&seen(&self.layout, x))
    }

    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        self.network.codes(&seen(&self.layout, x))
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

impl LogDensity for Lsd {
    /// log p(x) + log Z.
    fn log_density(&self, x: &Tensor<2>, _: &mut Noise) -> Tensor<1> {
        log_density(self.classify(x))
    }

    fn importance_bound(&self, _: &Tensor<2>, _: usize, _: &mut Noise) -> Option<Tensor<1>> {
        None
    }
}

impl MakeByChains for Lsd {
    fn follow(&self, of: &Of, classes: &Index, steps: usize, noise: &mut Noise) -> Tensor<2> {
        let start = noise.uniform([classes.len(), self.layout.width()]) * 2.0 - 1.0;
        let (langevin, logits) = (Langevin { steps, ..self.config.langevin }, self.fixed_logits());
        let climbed = langevin.run(start, |x| input_gradient(&logits, x, of), noise);
        unseen(&self.layout, climbed.at)
    }

    fn waiting(&self) -> Option<Tensor<2>> {
        None
    }
}

impl Complete for Lsd {
    /// By chains on log p(x) whose known numbers are put back after each step.
    fn complete(&self, x: &Tensor<2>, known: &Tensor<2>, steps: usize, noise: &mut Noise) -> Tensor<2> {
        let (langevin, logits) = (Langevin { steps, ..self.config.langevin }, self.fixed_logits());
        let begun = noise.uniform(x.dims()) * 2.0 - 1.0;
        let gradient = |x: &Tensor<2>| input_gradient(&logits, x, &Of::Density);
        let at = langevin.fill_in(&seen(&self.layout, x), known, begun, gradient, noise);
        let unknown = known.clone().neg() + 1.0;
        x.clone() * known.clone() + unseen(&self.layout, at) * unknown
    }
}
