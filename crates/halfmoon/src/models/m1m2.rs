//! M1+M2: M2 on the codes of a variational autoencoder.
//!
//! Kingma, Mohamed, Rezende, Welling. *Semi-supervised Learning with Deep Generative Models*.
//! NeurIPS 2014, arXiv:1406.5298, section 2.3. Equation numbers are the paper's.
//!
//! ```text
//! generative   p(x, y, z₁, z₂) = p(y) p(z₂) p(z₁ | y, z₂) p(x | z₁)
//! stage 1      q(z₁ | x) and p(x | z₁) as a variational autoencoder, then frozen
//! stage 2      M2 with z₁ ~ q(z₁ | x) in the place of x, drawn afresh each step; answers are for E[z₁ | x]
//! ```
//!
//! Units of z₁ that the first stage left unused are not passed on.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::m2::{M2, M2Config};
use super::vae::{Vae, columns, stored_units};
use super::weights::Preset;
use crate::batches::TrainingRows;
use crate::checkpoint::Checkpoint;
use crate::dist::{Normal, log_mean_exp};
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Generate, LogDensity, Makes, Model, ModelConfig};
use crate::nets::{Activation, Hidden, Norm};
use crate::noise::Noise;
use crate::ops::{Index, index_tensor};
use crate::train::{Decay, Plan};

/// Hyper-parameters of [`M1M2`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct M1M2Config {
    /// Size of z₁. The paper's MNIST runs use 50.
    pub latent: usize,
    /// Widths of the hidden layers of the first stage. The paper's code has two of 500.
    pub hidden: Vec<usize>,
    /// What stands between them. The paper has softplus; ReLU is cheaper.
    pub activation: Activation,
    /// Steps within which the weight of the first stage's KL term rises to 1.
    pub warm_up: u64,
    /// How the first stage is trained.
    pub pretrain: Plan,
    /// The second stage's model.
    pub top: M2Config,
}

impl Default for M1M2Config {
    fn default() -> Self {
        M1M2Config {
            latent: 50,
            hidden: vec![500, 500],
            activation: Activation::Relu,
            warm_up: 0,
            pretrain: Plan {
                steps: 12_000,
                labelled_rows: 1,
                unlabelled_rows: 200,
                binarise: true,
                decay: Decay::Linear,
                ..Plan::default()
            },
            top: M2Config {
                hidden: vec![300],
                activation: Activation::Softplus,
                preset: Preset::Musyoku,
                labelled: Some(0.01),
                ..M2Config::default()
            },
        }
    }
}

impl M1M2Config {
    fn hidden(&self) -> Hidden<'_> {
        Hidden { widths: &self.hidden, activation: self.activation, norm: Norm::None }
    }

    /// The second stage's model for so many units of z₁.
    fn top(&self, units: usize, classes: usize, noise: &mut Noise) -> M2 {
        self.top.init(&codes(units), classes, noise)
    }
}

/// Rows of this many numbers.
fn codes(units: usize) -> Layout {
    Layout { numeric: units, yes_no: 0, categories: Vec::new(), image: None }
}

impl ModelConfig for M1M2Config {
    type Model = M1M2;
    const NAME: &'static str = "m1m2";
    const ABOUT: &'static str = "m2 on the codes of an autoencoder: for few labels and many pictures";
    const PAPER: &'static str = "kingma2014ssl";
    const MAKES: Makes = Makes::InputsOfAClass;
    const NEEDS_LABELS: bool = false;

    fn plan() -> Plan {
        Plan { steps: 40_000, rate: 3e-3, decay: Decay::Linear, ..Plan::default() }
    }

    fn earlier_stages(&self) -> Vec<Plan> {
        vec![self.pretrain.clone()]
    }

    fn check(&self, layout: &Layout) -> Result<(), String> {
        super::check_hidden("hidden", &self.hidden)?;
        if self.latent == 0 {
            return Err("`latent` must be at least 1".into());
        }
        if self.pretrain.unlabelled_rows == 0 {
            return Err("`pretrain.unlabelled_rows` must be at least 1".into());
        }
        self.top.check(layout).map_err(|problem| format!("top: {problem}"))
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> M1M2 {
        let m1 = Vae::new(layout, &self.hidden(), self.latent, self.warm_up, noise);
        let units = Tensor::arange(0..i64::try_from(self.latent).expect("few units"), noise.device()).float();
        M1M2 { m1, units: Param::from_tensor(units).no_grad(), m2: self.top(self.latent, classes, noise) }
    }

    fn begin_stage(&self, stage: usize, model: M1M2, rows: &TrainingRows, noise: &mut Noise) -> M1M2 {
        if stage == 0 {
            return model;
        }
        let M1M2 { m1, m2, .. } = model;
        let units = m1.active(rows);
        let m2 = self.top(units.len(), m2.classes(), noise);
        M1M2 { m1: m1.no_grad(), units: stored(&units, noise), m2 }
    }

    fn init_like(&self, stored: &Checkpoint, layout: &Layout, classes: usize, noise: &mut Noise) -> M1M2 {
        let fresh = self.init(layout, classes, noise);
        match stored.shape("units") {
            Some(&[units]) if units < self.latent => M1M2 {
                m1: fresh.m1.no_grad(),
                units: Param::from_tensor(Tensor::zeros([units], noise.device())).no_grad(),
                m2: self.top(units, classes, noise),
            },
            _ => fresh,
        }
    }
}

fn stored(units: &Index, noise: &Noise) -> Param<Tensor<1>> {
    let units: Vec<f32> = units.iter().map(|&unit| unit as f32).collect();
    Param::from_tensor(Tensor::from_floats(&units[..], noise.device())).no_grad()
}

/// The autoencoder, and M2 on its codes.
#[derive(Module, Debug)]
pub struct M1M2 {
    m1: Vae,
    units: Param<Tensor<1>>, // which coordinates of z₁ are passed on: [units]
    m2: M2,
}

impl M1M2 {
    fn units(&self) -> Index {
        let units: Vec<f32> = self.units.val().into_data().convert::<f32>().try_to_vec().expect("converted");
        stored_units(units)
    }

    /// A distribution of z₁ without the units that are not passed on.
    fn seen(&self, q: &Normal) -> Normal {
        let units = self.units();
        Normal { mean: columns(q.mean.clone(), &units), log_var: columns(q.log_var.clone(), &units) }
    }

    /// q(z₁ | x), without the units that are not passed on.
    fn q_z1(&self, x: &Tensor<2>) -> Normal {
        let Normal { mean, log_var } = self.m1.posterior(x);
        self.seen(&Normal { mean: mean.detach(), log_var: log_var.detach() })
    }

    /// What M2 sees of a row when it is asked, E[z₁ | x]: `[n, d]` → `[n, units]`. Gradients reach the row.
    fn code(&self, x: &Tensor<2>) -> Tensor<2> {
        columns(self.m1.posterior(x).mean, &self.units())
    }
}

impl Model for M1M2 {
    type Memory = ();

    fn loss(&self, batch: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        if batch.moment.stage == 0 {
            return self.m1.loss(batch, &mut (), noise);
        }
        let Batch { x, y, u, .. } = batch;
        let (x, u) = (self.q_z1(x).rsample(noise), self.q_z1(u).rsample(noise));
        self.m2.loss(
            &Batch { x, y: y.clone(), u, open: batch.open.clone(), counts: batch.counts, moment: batch.moment },
            &mut (),
            noise,
        )
    }
}

impl Classifier for M1M2 {
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        self.m2.classify(&self.code(x))
    }

    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        self.m2.codes(&self.code(x))
    }

    fn as_log_density(&self) -> Option<&dyn LogDensity> {
        Some(self)
    }

    fn as_generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }
}

impl LogDensity for M1M2 {
    /// E[log p(x | z₁) + log p(z₁) − log q(z₁ | x)] for one z₁, with M2's bound in the place of log p(z₁): a lower bound
    /// on log p(x). Units that M2 does not see keep their own prior.
    fn log_density(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<1> {
        let q = self.m1.posterior(x);
        let (z1, q_seen) = (q.rsample(noise), self.seen(&q));
        let seen = columns(z1.clone(), &self.units());
        let unseen_kl = q.kl_to_standard() - q_seen.kl_to_standard();
        self.m1.log_likelihood(x, &z1) + self.m2.log_density(&seen, noise) - q_seen.log_prob(&seen) - unseen_kl
    }

    /// Each z₁ is weighed with an unbiased estimate of p(z₁), one z₂ under every class, so that the mean weight is p(x).
    fn importance_bound(&self, x: &Tensor<2>, samples: usize, noise: &mut Noise) -> Option<Tensor<1>> {
        let (q, units) = (self.m1.posterior(x), self.units());
        let log_weights: Option<Vec<_>> = (0..samples)
            .map(|_| {
                let z1 = q.rsample(noise);
                let seen = columns(z1.clone(), &units);
                let unseen = Normal::standard_log_prob(&z1) - Normal::standard_log_prob(&seen);
                let log_p_z1 = self.m2.importance_bound(&seen, 1, noise)? + unseen;
                Some(self.m1.log_likelihood(x, &z1) + log_p_z1 - q.log_prob(&z1))
            })
            .collect();
        Some(log_mean_exp(log_weights?.into_iter()))
    }
}

impl Generate for M1M2 {
    /// Of z₂.
    fn latent(&self) -> usize {
        self.m2.latent()
    }

    fn knows_classes(&self) -> bool {
        true
    }

    fn code_of(&self, x: &Tensor<2>, y: &Index) -> Normal {
        self.m2.code_of(&self.code(x), y)
    }

    /// E[x | z₁] at z₁ = E[z₁ | y, z₂]; units that M2 does not see are at their prior's mean.
    fn decode(&self, z: &Tensor<2>, y: &Index) -> Tensor<2> {
        let seen = self.m2.decode(z, y);
        let place = Tensor::<2>::eye(self.m1.latent(), &seen.device())
            .cast(seen.dtype())
            .select(0, index_tensor(&self.units(), &seen.device()));
        self.m1.mean(&seen.matmul(place))
    }
}
