//! A plain classifier, and beside it a sampler that tells labelled rows from unlabelled ones by their codes.
//!
//! Sinha, Ebrahimi, Darrell. *Variational Adversarial Active Learning*. ICCV 2019, arXiv:1904.00370. Equation numbers are the paper's.
//!
//! ```text
//! q(z | x) = 𝒩(μ(x), diag σ²(x)), p(x | z)      a variational autoencoder of labelled rows x and unlabelled ones u
//!
//! (1)  𝓙_trd = −𝓛_β(x) − 𝓛_β(u)            𝓛_β(x) = E_q(z|x)[log p(x | z)] − β KL(q(z | x) ‖ 𝒩(0, I))
//! (2)  𝓙_adv = −log S(μ(x)) − log S(μ(u))         the encoder makes all rows look labelled
//! (3)  𝓙_VAE = 𝓙_trd + λ 𝓙_adv
//! (4)  𝓙_S   = −log S(μ(x)) − log(1 − S(μ(u)))    the sampler finds the unlabelled ones out
//! ```
//!
//! Rows with the lowest S are asked about first (rule `vaal`): what is least like anything labelled.
//!
//! Both terms of 𝓛 are sums over a row. The published program sums the second one over the rows of a step, too, and averages the first one over
//! pixels, which weighs the KL term some 200,000 times as heavy: its codes carry nothing. Likewise u are here those rows of a step that have no label.
//! One step moves all networks at once, each against the others as they were; the program takes two steps of the autoencoder to one of the others.

use burn::module::Module;
use burn::tensor::activation::softplus;
use burn::tensor::{Int, Tensor};
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::supervised::{Net, Supervised, SupervisedConfig, check_dropout};
use super::vae::Vae;
use crate::augment::Augment;
use crate::dist::{Categorical, Normal};
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Generate, LogDensity, Makes, Model, ModelConfig};
use crate::nets::{Activation, CategoricalNet, Hidden, Norm, WideResNetConfig};
use crate::noise::Noise;
use crate::ops::{Index, index_tensor};
use crate::train::{Decay, Plan, Update};

/// Hyper-parameters of [`Vaal`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VaalConfig {
    /// The classifier: `mlp` for any rows, `conv` and `wide_resnet` for pictures. The paper has VGG16.
    pub net: Net,
    /// Widths of the classifier's hidden layers.
    pub hidden: Vec<usize>,
    /// What stands between the layers of every network.
    pub activation: Activation,
    /// Outputs of each convolution of `conv`.
    pub channels: Vec<usize>,
    /// Size of `wide_resnet`.
    pub wide: WideResNetConfig,
    /// How the classifier's pictures are changed.
    pub augment: Augment,
    /// Dropout of the classifier.
    pub dropout: f64,
    /// Numbers in a code. The paper has 32 for CIFAR-10.
    pub latent: usize,
    /// Widths of the autoencoder's hidden layers. The paper's are convolutions.
    pub coder: Vec<usize>,
    /// Widths of the sampler's hidden layers, as in the paper.
    pub sampler: Vec<usize>,
    /// β, as in the paper.
    pub beta: f64,
    /// λ, as in the paper.
    pub adversarial: f64,
}

impl Default for VaalConfig {
    fn default() -> Self {
        VaalConfig {
            net: Net::Mlp,
            hidden: vec![500],
            activation: Activation::Relu,
            channels: vec![16, 32],
            wide: WideResNetConfig::default(),
            augment: Augment::None,
            dropout: 0.0,
            latent: 32,
            coder: vec![256],
            sampler: vec![512, 512],
            beta: 1.0,
            adversarial: 1.0,
        }
    }
}

impl VaalConfig {
    pub(super) fn classifier(&self) -> SupervisedConfig {
        SupervisedConfig {
            net: self.net,
            hidden: self.hidden.clone(),
            activation: self.activation,
            channels: self.channels.clone(),
            wide: self.wide,
            augment: self.augment,
            dropout: self.dropout,
        }
    }
}

impl ModelConfig for VaalConfig {
    type Model = Vaal;
    const NAME: &'static str = "vaal";
    const ABOUT: &'static str = "a plain classifier with a sampler that knows what is unlike the labelled rows";
    const PAPER: &'static str = "sinha2019vaal";
    const MAKES: Makes = Makes::Inputs;
    const NEEDS_LABELS: bool = true;

    fn plan() -> Plan {
        Plan { steps: 1500, rate: 1e-3, decay: Decay::Linear, weight_decay: 1e-3, ..Plan::default() }
    }

    fn check(&self, layout: &Layout) -> Result<(), String> {
        self.classifier().check(layout)?;
        super::check_hidden("coder", &self.coder)?;
        super::check_hidden("sampler", &self.sampler)?;
        check_dropout(self.dropout)?;
        for (name, value) in [("beta", self.beta), ("adversarial", self.adversarial)] {
            if !value.is_finite() || value < 0.0 {
                return Err(format!("`{name}` must be 0 or more"));
            }
        }
        if self.latent == 0 { Err("`latent` must be at least 1".into()) } else { Ok(()) }
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Vaal {
        let of = |widths| Hidden { widths, activation: self.activation, norm: Norm::None };
        Vaal {
            classifier: self.classifier().init(layout, classes, noise),
            coder: Vae::new(layout, &of(&self.coder), self.latent, 0, noise),
            sampler: CategoricalNet::new(&[self.latent], &of(&self.sampler), 1, noise),
            beta: self.beta,
            adversarial: self.adversarial,
        }
    }
}

/// The classifier, the autoencoder and the sampler.
#[derive(Module, Debug)]
pub struct Vaal {
    pub(super) classifier: Supervised,  // p(y | x)
    pub(super) coder: Vae,              // q(z | x), p(x | z)
    pub(super) sampler: CategoricalNet, // the logit of S(z)
    #[module(skip)]
    beta: f64,
    #[module(skip)]
    adversarial: f64,
}

/// −log S of logits `[n, 1]`, its mean: what taking rows for labelled ones costs. 0 of no rows.
pub(super) fn taken_for_labelled(logits: Tensor<2>) -> Tensor<1> {
    mean(softplus(-logits, 1.0))
}

/// −log(1 − S) of logits `[n, 1]`, its mean: what taking rows for unlabelled ones costs. 0 of no rows.
pub(super) fn taken_for_unlabelled(logits: Tensor<2>) -> Tensor<1> {
    mean(softplus(logits, 1.0))
}

fn mean(costs: Tensor<2>) -> Tensor<1> {
    let n = costs.dims()[0].max(1);
    costs.sum() / n as f64
}

/// These rows of `[m, d]`.
pub(super) fn rows_of(rows: &Tensor<2>, which: &Index) -> Tensor<2> {
    if which.is_empty() {
        return rows.clone().slice_dim(0, 0..0);
    }
    let which: Tensor<1, Int> = index_tensor(which, &rows.device());
    rows.clone().select(0, which)
}

/// The first n of some rows, and the others.
pub(super) fn parted(rows: &Tensor<2>, n: usize) -> [Tensor<2>; 2] {
    let all = rows.dims()[0];
    [rows.clone().slice_dim(0, 0..n), rows.clone().slice_dim(0, n..all)]
}

/// Codes of the labelled rows of a step and of those without a label, and what the autoencoder loses by them.
struct Coded {
    /// μ of labelled rows, then of unlabelled ones: `[n + m, latent]`.
    mean: Tensor<2>,
    labelled: usize,
    /// −𝓛_β, its mean over the labelled rows and over the others.
    lost: [Tensor<1>; 2],
}

impl Vaal {
    fn coded(&self, Batch { x, u, open, .. }: &Batch, noise: &mut Noise) -> Coded {
        let rows = Tensor::cat(vec![x.clone(), rows_of(u, open)], 0);
        let labelled = x.dims()[0];
        let q_z = self.coder.posterior(&rows);
        let lost = q_z.kl_to_standard() * self.beta - self.coder.log_likelihood(&rows, &q_z.rsample(noise));
        let lost = parted(&lost.unsqueeze_dim(1), labelled).map(mean);
        Coded { mean: q_z.mean, labelled, lost }
    }

    /// Equation 3, by this sampler.
    fn of_coder(&self, loss: Loss, coded: &Coded, sampler: &CategoricalNet) -> Loss {
        let [x, u] = parted(&sampler.of(&coded.mean).logits, coded.labelled);
        let [lost_x, lost_u] = coded.lost.clone();
        loss.add("elbo_labelled", lost_x).add("elbo_unlabelled", lost_u).weigh(
            "adversarial",
            self.adversarial,
            taken_for_labelled(x) + taken_for_labelled(u),
        )
    }

    /// Equation 4, of codes `[n + m, latent]` of which the first n are of labelled rows: `[1]`.
    pub fn of_sampler(&self, codes: &Tensor<2>, labelled: usize) -> Tensor<1> {
        let [x, u] = parted(&self.sampler.of(codes).logits, labelled);
        taken_for_labelled(x) + taken_for_unlabelled(u)
    }

    /// What each network minimises, the others being as they are.
    pub(super) fn against(&self, batch: &Batch, noise: &mut Noise) -> Loss {
        let loss = self.of_classifier(batch, noise);
        let coded = self.coded(batch, noise);
        let loss = self.of_coder(loss, &coded, &self.sampler.clone().no_grad());
        loss.add("sampler", self.of_sampler(&coded.mean.clone().detach(), coded.labelled))
    }

    /// −log p(y | x) of the labelled rows.
    fn of_classifier(&self, batch: &Batch, noise: &mut Noise) -> Loss {
        let logits = self.classifier.classify_in_training(&batch.x, noise);
        Loss::default().add("classify", -Categorical { logits }.log_prob(&batch.y).mean())
    }
}

impl Model for Vaal {
    type Memory = ();

    /// What the classifier and the autoencoder minimise. `step` trains the sampler against it.
    fn loss(&self, batch: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        let loss = self.of_classifier(batch, noise);
        self.of_coder(loss, &self.coded(batch, noise), &self.sampler)
    }

    fn step(self, batch: &Batch, (): &mut (), noise: &mut Noise, update: &mut Update) -> (Self, Loss) {
        let loss = self.against(batch, noise);
        (update.apply(self, loss.total().backward()), loss)
    }
}

impl Classifier for Vaal {
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        self.classifier.classify(x)
    }

    fn networks(&self, x: &Tensor<2>, draws: usize, noise: &mut Noise) -> Option<Tensor<3>> {
        self.classifier.networks(x, draws, noise)
    }

    fn sampler(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        Some(self.sampler.of(&self.coder.posterior(x).mean).logits)
    }

    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        self.classifier.codes(x)
    }

    fn as_log_density(&self) -> Option<&dyn LogDensity> {
        Some(&self.coder)
    }

    fn as_generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }
}

impl Generate for Vaal {
    fn latent(&self) -> usize {
        self.coder.latent()
    }

    fn knows_classes(&self) -> bool {
        false
    }

    fn code_of(&self, x: &Tensor<2>, y: &Index) -> Normal {
        self.coder.code_of(x, y)
    }

    fn decode(&self, z: &Tensor<2>, y: &Index) -> Tensor<2> {
        self.coder.decode(z, y)
    }
}
