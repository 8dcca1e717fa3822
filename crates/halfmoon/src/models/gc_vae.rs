//! A variational autoencoder whose code has the class Gaussians of a coupled softmax layer as its prior.
//!
//! The layer: Hayashi. *A Hybrid of Generative and Discriminative Models Based on the Gaussian-coupled Softmax Layer*.
//! IEEE TNNLS 2024, arXiv:2305.05912. The bound is derived here; the nearest published one is VaDE (Jiang et al. 2017,
//! arXiv:1611.05148), which has a covariance a class.
//!
//! ```text
//! generative   p(x, c, h, s) = π_c 𝒩(h; μ_c, I) 𝒩(s; 0, I) p(x | h, s)
//! inference    q(h, s | x) q(c | x)       the best q(c | x) is the coupled softmax at E[h | x]: softmax_c(w_c · h + b_c)
//!
//! −𝓛(x, y) = E_q[log p(x | h, s)] − KL(q(h, s | x) ‖ 𝒩(0, I)) + w_y · h + b_y
//! −𝓤(x)    = E_q[log p(x | h, s)] − KL(q(h, s | x) ‖ 𝒩(0, I)) + LSE_c(w_c · h + b_c)  =  −𝓛(x, y) − log q(y | x)
//! ```
//!
//! No sum over classes goes through a network. With h a sample of q(h | x) in place of its mean both are tighter bounds
//! and q(c | x) is softmax at that sample. A density of features alone could be driven to infinity, by features that
//! shrink to a point; here whatever h forgets of x is paid for in log p(x | h, s).

use burn::module::Module;
use burn::tensor::Tensor;
use halfmoon_classical::Prior;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::weights::{Instead, Preset};
use crate::dist::{Categorical, Normal, log_mean_exp, log_sum_exp};
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Generate, LogDensity, Makes, Model, ModelConfig};
use crate::nets::{Activation, GaussianSoftmax, Hidden, MixedNet, Norm, NormalNet};
use crate::noise::Noise;
use crate::ops::Index;
use crate::train::{Decay, Plan};

/// Hyper-parameters of [`GcVae`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GcVaeConfig {
    /// Size of h, which the class Gaussians are on.
    pub latent: usize,
    /// Size of s, which no class has a say in.
    pub style: usize,
    /// Widths of each network's hidden layers.
    pub hidden: Vec<usize>,
    /// What stands between them.
    pub activation: Activation,
    /// What comes before it.
    pub norm: Norm,
    /// Where the softmax looks in training.
    pub softmax_at: SoftmaxAt,
    /// Length of each μ at the start.
    pub radius: f64,
    /// Where π comes from.
    pub prior: Prior,
    /// Weight of KL(mean of q(c | x) over the unlabelled rows of a step ‖ π), which keeps classes from swallowing one another.
    pub balance: f64,
    /// Whose weights of the three terms.
    pub preset: Preset,
    /// Weight of the labelled bound, in place of the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labelled: Option<f64>,
    /// Weight of the unlabelled bound, in place of the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlabelled: Option<f64>,
    /// Weight of the classification term, in place of the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classify: Option<f64>,
}

/// Where the softmax looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoftmaxAt {
    /// E[h | x].
    Mean,
    /// A sample of q(h | x).
    Sample,
}

impl Default for GcVaeConfig {
    fn default() -> Self {
        GcVaeConfig {
            latent: 20,
            style: 30,
            hidden: vec![300, 300],
            activation: Activation::Relu,
            norm: Norm::Layer,
            softmax_at: SoftmaxAt::Sample,
            radius: 4.0,
            prior: Prior::Uniform,
            balance: 5.0,
            preset: Preset::Musyoku,
            labelled: Some(0.1),
            unlabelled: None,
            classify: Some(10.0),
        }
    }
}

impl ModelConfig for GcVaeConfig {
    type Model = GcVae;
    const NAME: &'static str = "gc_vae";
    const ABOUT: &'static str =
        "an autoencoder whose codes have a Gaussian a class: answers, density and examples from one layer";
    const PAPER: &'static str = "hayashi2024gcs";
    const MAKES: Makes = Makes::InputsOfAClass;
    const NEEDS_LABELS: bool = false;

    fn plan() -> Plan {
        Plan {
            steps: 60_000,
            rate: 3e-3,
            decay: Decay::Linear,
            labelled_rows: 20,
            unlabelled_rows: 180,
            max_norm: 20.0,
            binarise: true,
            ..Plan::default()
        }
    }

    fn check(&self, _: &Layout) -> Result<(), String> {
        super::check_hidden("hidden", &self.hidden)?;
        if self.latent == 0 {
            return Err("`latent` must be at least 1".into());
        }
        for (name, value) in [("radius", self.radius), ("balance", self.balance)] {
            if !value.is_finite() || value < 0.0 {
                return Err(format!("`{name}` must be 0 or more"));
            }
        }
        self.instead().check()
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> GcVae {
        let hidden = Hidden { widths: &self.hidden, activation: self.activation, norm: self.norm };
        let code = self.latent + self.style;
        let p_h = GaussianSoftmax::new(self.latent, classes, self.radius, noise);
        GcVae {
            q_h: NormalNet::new(&[layout.width()], &hidden, code, noise),
            p_x: MixedNet::new(&[code], &hidden, layout, noise),
            p_h: match self.prior {
                Prior::Uniform => p_h.with_fixed_prior(),
                Prior::Labelled | Prior::Estimate => p_h,
            },
            config: self.clone(),
        }
    }
}

impl GcVaeConfig {
    fn instead(&self) -> Instead {
        Instead { labelled: self.labelled, unlabelled: self.unlabelled, classify: self.classify }
    }
}

/// Two networks and the layer.
#[derive(Module, Debug)]
pub struct GcVae {
    q_h: NormalNet,       // q(h, s | x)
    p_x: MixedNet,        // p(x | h, s)
    p_h: GaussianSoftmax, // p(h, c)
    #[module(skip)]
    config: GcVaeConfig,
}

/// What both bounds are made of.
struct Sides {
    /// E_q[log p(x | h, s)] − KL(q(h, s | x) ‖ 𝒩(0, I)): `[n]`.
    shared: Tensor<1>,
    /// w_c · h + b_c − ln π_c: `[n, c]`.
    log_ratios: Tensor<2>,
}

impl GcVae {
    /// The coordinates of a code that the class Gaussians are on: `[n, latent]`.
    fn h(&self, code: &Tensor<2>) -> Tensor<2> {
        code.clone().slice_dim(1, 0..self.config.latent)
    }

    fn sides(&self, x: &Tensor<2>, noise: &mut Noise) -> Sides {
        let q = self.q_h.of(x);
        let code = q.rsample(noise);
        let h = match self.config.softmax_at {
            SoftmaxAt::Mean => self.h(&q.mean),
            SoftmaxAt::Sample => self.h(&code),
        };
        let shared = self.p_x.of(&code).log_prob(x, None) - q.kl_to_standard();
        Sides { shared, log_ratios: self.p_h.log_ratios(&h) }
    }

    /// −𝓛(x, y): a lower bound on log p(x, y), `[n]`.
    pub fn elbo_xy(&self, x: &Tensor<2>, y: &Index, noise: &mut Noise) -> Tensor<1> {
        let Sides { shared, log_ratios } = self.sides(x, noise);
        let q_c = Categorical { logits: log_ratios + self.p_h.log_prior() };
        shared + log_sum_exp::<2, 1>(q_c.logits.clone()) + q_c.log_prob(y)
    }

    /// −𝓤(x): a lower bound on log p(x), `[n]`.
    pub fn elbo_x(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<1> {
        let Sides { shared, log_ratios } = self.sides(x, noise);
        shared + log_sum_exp::<2, 1>(log_ratios + self.p_h.log_prior())
    }

    /// ln π as unlabelled rows see it: they have a say in it where it is estimated.
    fn log_prior_of_unlabelled(&self) -> Tensor<2> {
        match self.config.prior {
            Prior::Estimate => self.p_h.log_prior(),
            Prior::Uniform | Prior::Labelled => self.p_h.fixed_log_prior(),
        }
    }
}

impl Model for GcVae {
    type Memory = ();

    fn loss(&self, batch: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        let Batch { x, y, u, counts, .. } = batch;
        let weights = self.config.instead().of(self.config.preset.weights(*counts));
        let ([n, _], [m, _]) = (x.dims(), u.dims());
        let rows = Tensor::cat(vec![x.clone(), u.clone()], 0);
        let Sides { shared, log_ratios } = self.sides(&rows, noise);
        let part = |from: usize, to: usize, log_prior: Tensor<2>| {
            let q_c = Categorical { logits: log_ratios.clone().slice_dim(0, from..to) + log_prior };
            let elbo_x = shared.clone().slice_dim(0, from..to) + log_sum_exp::<2, 1>(q_c.logits.clone());
            (q_c, elbo_x)
        };
        let labelled = (n > 0).then(|| part(0, n, self.p_h.log_prior()));
        let unlabelled = (m > 0).then(|| part(n, n + m, self.log_prior_of_unlabelled()));
        let labelled = labelled.map(|(q_c, elbo_x)| {
            let log_q_y = q_c.log_prob(y);
            (elbo_x + log_q_y.clone(), log_q_y)
        });
        let mut loss = weights.loss(unlabelled.as_ref().map(|(_, elbo_x)| elbo_x.clone()), labelled);
        if let Some((q_c, _)) = unlabelled.filter(|_| self.config.balance > 0.0) {
            let imbalance = q_c.imbalance_beside(self.p_h.fixed_log_prior());
            loss = loss.weigh("balance", self.config.balance, imbalance);
        }
        loss
    }
}

impl Classifier for GcVae {
    /// At E[h | x].
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        self.p_h.logits(&self.h(&self.q_h.of(x).mean))
    }

    /// E[h | x].
    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        Some(self.h(&self.q_h.of(x).mean))
    }

    fn as_log_density(&self) -> Option<&dyn LogDensity> {
        Some(self)
    }

    fn as_generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }
}

impl LogDensity for GcVae {
    fn log_density(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<1> {
        self.elbo_x(x, noise)
    }

    fn importance_bound(&self, x: &Tensor<2>, samples: usize, noise: &mut Noise) -> Option<Tensor<1>> {
        let q = self.q_h.of(x);
        Some(log_mean_exp((0..samples).map(|_| {
            let code = q.rsample(noise);
            let log_p_h = log_sum_exp::<2, 1>(self.p_h.logits(&self.h(&code)));
            self.p_x.of(&code).log_prob(x, None) + log_p_h + Normal::standard_log_prob(&code) - q.log_prob(&code)
        })))
    }
}

impl Generate for GcVae {
    /// h − μ_c, then s.
    fn latent(&self) -> usize {
        self.config.latent + self.config.style
    }

    fn knows_classes(&self) -> bool {
        true
    }

    fn code_of(&self, x: &Tensor<2>, y: &Index) -> Normal {
        let Normal { mean, log_var } = self.q_h.of(x);
        Normal { mean: mean - self.beside(y), log_var }
    }

    fn decode(&self, z: &Tensor<2>, y: &Index) -> Tensor<2> {
        self.p_x.of(&(z.clone() + self.beside(y))).mean()
    }
}

impl GcVae {
    /// μ of each class, and 0 for s: `[n, latent + style]`.
    fn beside(&self, y: &Index) -> Tensor<2> {
        let means = self.p_h.mean_of(y);
        let zeros = Tensor::zeros([y.len(), self.config.style], (&means.device(), means.dtype()));
        Tensor::cat(vec![means, zeros], 1)
    }
}
