//! M2, the semi-supervised variational autoencoder.
//!
//! Kingma, Mohamed, Rezende, Welling. *Semi-supervised Learning with Deep Generative Models*.
//! NeurIPS 2014, arXiv:1406.5298. Equation numbers are the paper's.
//!
//! ```text
//! generative   p(x, y, z) = p(y) p(z) p(x | y, z)        p(y) uniform, p(z) = 𝒩(0, I)
//! inference    q(y, z | x) = q(y | x) q(z | x, y)
//!
//! (6)  −𝓛(x, y) = E_q(z|x,y)[log p(x | y, z)] + log p(y) − KL(q(z | x, y) ‖ p(z))
//! (7)  −𝓤(x)    = Σ_y q(y | x) (−𝓛(x, y)) + H[q(y | x)]
//! (9)  𝓙        = Σ_(x,y) 𝓛(x, y) + Σ_u 𝓤(u) + α E_(x,y)[−log q(y | x)]
//! ```
//!
//! `loss` takes each term as a mean over its rows and weighs the three as a [`Preset`] says: the
//! published programs differ by a factor of 600 in what one of them calls α.

use burn::module::Module;
use burn::tensor::Tensor;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::weights::{Instead, Preset};
use crate::branches::{ClassSum, SumOverClasses};
use crate::dist::{Categorical, Normal, log_mean_exp, log_sum_exp};
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Generate, LogDensity, Makes, Model, ModelConfig};
use crate::nets::Given::{self, Class, Pair, Row};
use crate::nets::{Activation, CategoricalNet, Hidden, MixedNet, Norm, NormalNet};
use crate::noise::Noise;
use crate::ops::Index;
use crate::pairs::Pairs;
use crate::train::{Decay, Plan};

/// Hyper-parameters of [`M2`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct M2Config {
    /// Size of z. The paper's MNIST runs use 50.
    pub latent: usize,
    /// Widths of each network's hidden layers. The paper's code has one of 500, for 28×28 pixels; 128 is
    /// as good on `digits` and on tables, at a third of the time.
    pub hidden: Vec<usize>,
    /// What stands between them. The paper has softplus; ReLU is no worse on `digits` and far cheaper.
    pub activation: Activation,
    /// Whose weights of the three terms. With the paper's own, a run needs some 100,000 steps to learn
    /// what these show after a thousand: they let the few labelled rows anchor the classes.
    pub preset: Preset,
    /// How the sum over classes in equation 7 is made.
    pub sum_over_classes: SumOverClasses,
    /// Temperature of a relaxed sample.
    pub temperature: f64,
    /// An exact sum leaves out classes less likely than this: several times as fast once the classifier is sure. 1e-12
    /// leaves out what `f32` loses anyway; more is another bound, that of q(y | x) without these classes.
    pub skip_below: f64,
    /// Steps within which the weight of the KL term rises to 1. The paper has none.
    pub warm_up: u64,
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

impl Default for M2Config {
    fn default() -> Self {
        M2Config {
            latent: 50,
            hidden: vec![128],
            activation: Activation::Relu,
            preset: Preset::Musyoku,
            sum_over_classes: SumOverClasses::Exact,
            temperature: 0.66, // Maddison et al. 2017
            skip_below: 0.0,
            warm_up: 0,
            labelled: None,
            unlabelled: None,
            classify: None,
        }
    }
}

impl M2Config {
    fn instead(&self) -> Instead {
        Instead { labelled: self.labelled, unlabelled: self.unlabelled, classify: self.classify }
    }

    fn class_sum(&self) -> ClassSum {
        ClassSum { how: self.sum_over_classes, temperature: self.temperature, skip_below: self.skip_below }
    }
}

impl ModelConfig for M2Config {
    type Model = M2;
    const NAME: &'static str = "m2";
    const ABOUT: &'static str = "a classifier and a generator in one, learning from labelled and unlabelled rows";
    const PAPER: &'static str = "kingma2014ssl";
    const MAKES: Makes = Makes::InputsOfAClass;
    const NEEDS_LABELS: bool = false;

    fn plan() -> Plan {
        Plan { steps: 3000, rate: 3e-3, decay: Decay::Linear, ..Plan::default() }
    }

    fn check(&self, _: &Layout) -> Result<(), String> {
        super::check_hidden("hidden", &self.hidden)?;
        if self.latent == 0 {
            return Err("`latent` must be at least 1".into());
        }
        self.class_sum().check()?;
        self.instead().check()
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> M2 {
        let (d, c, m) = (layout.width(), classes, self.latent);
        let hidden = Hidden { widths: &self.hidden, activation: self.activation, norm: Norm::None };
        M2 {
            q_y: CategoricalNet::new(&[d], &hidden, c, noise),
            q_z: NormalNet::new(&[d, c], &hidden, m, noise),
            p_x: MixedNet::new(&[c, m], &hidden, layout, noise),
            classes,
            latent: m,
            config: self.clone(),
        }
    }
}

/// The three networks.
#[derive(Module, Debug)]
pub struct M2 {
    q_y: CategoricalNet, // q(y | x)
    q_z: NormalNet,      // q(z | x, y)
    p_x: MixedNet,       // p(x | y, z)
    #[module(skip)]
    classes: usize,
    #[module(skip)]
    latent: usize,
    #[module(skip)]
    config: M2Config,
}

impl Model for M2 {
    type Memory = ();

    fn loss(&self, batch: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        let Batch { x, y, u, counts, moment, .. } = batch;
        let weights = self.config.instead().of(self.config.preset.weights(*counts));
        let kl_weight = moment.warm_up(self.config.warm_up);
        let ([n, _], [m, _]) = (x.dims(), u.dims());
        // One pass for all rows: the labelled ones under their class, the others under every class.
        let rows = Tensor::cat(vec![x.clone(), u.clone()], 0);
        let logits = self.classify(&rows);
        let q_y = (m > 0).then(|| Categorical { logits: logits.clone().slice_dim(0, n..n + m) });
        let branches = self.config.class_sum().branches(y, self.classes, q_y.as_ref(), noise);
        let (elbo_xy, elbo_x) =
            branches.gather(self.bound(&rows, branches.pairs(), branches.class(), kl_weight, noise));
        let log_q_y = || Categorical { logits: logits.slice_dim(0, 0..n) }.log_prob(y);
        weights.loss(elbo_x, elbo_xy.map(|elbo_xy| (elbo_xy, log_q_y())))
    }
}

impl Classifier for M2 {
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        self.q_y.of(x).logits
    }

    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        Some(self.q_y.codes(x))
    }

    fn as_log_density(&self) -> Option<&dyn LogDensity> {
        Some(self)
    }

    fn as_generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }
}

impl M2 {
    /// −𝓛(x, y), equation 6: a lower bound on log p(x, y) of each pair of a row x `[r, d]` and a class: `[p]`.
    pub fn elbo_xy(&self, x: &Tensor<2>, pairs: &Pairs, noise: &mut Noise) -> Tensor<1> {
        self.bound(x, pairs, Class, 1.0, noise)
    }

    /// The same for whatever stands for the class, with the KL term as heavy as asked.
    fn bound(&self, x: &Tensor<2>, pairs: &Pairs, y: Given, kl_weight: f64, noise: &mut Noise) -> Tensor<1> {
        let q_z = self.q_z.given(pairs, [Row(x), y]);
        let p_x = self.p_x.given(pairs, [y, Pair(&q_z.rsample(noise))]);
        let kl = q_z.kl_to_standard();
        let kl = if kl_weight < 1.0 { kl * kl_weight } else { kl };
        p_x.log_prob(x, Some(pairs.row())) + self.log_p_y() - kl
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    fn log_p_y(&self) -> f64 {
        -(self.classes as f64).ln()
    }
}

impl LogDensity for M2 {
    /// −𝓛(x, ŷ) at the likeliest class ŷ: equation 7 with all of q(y) on ŷ, so a lower bound on
    /// log p(x) as well, at a c-th of the cost.
    fn log_density(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<1> {
        let likeliest = self.q_y.of(x).mode();
        self.elbo_xy(x, &Pairs::own(&likeliest), noise)
    }

    /// Importance sampling for z under every class, and the classes summed exactly.
    fn importance_bound(&self, x: &Tensor<2>, samples: usize, noise: &mut Noise) -> Option<Tensor<1>> {
        let n = x.dims()[0];
        let pairs = Pairs::every_class(n, self.classes);
        let q_z = self.q_z.given(&pairs, [Row(x), Class]);
        let log_weights = (0..samples).map(|_| {
            let z = q_z.rsample(noise);
            let log_p_x = self.p_x.given(&pairs, [Class, Pair(&z)]).log_prob(x, Some(pairs.row()));
            log_p_x + self.log_p_y() + Normal::standard_log_prob(&z) - q_z.log_prob(&z)
        });
        let log_p_xy: Tensor<2> = log_mean_exp(log_weights).reshape([n, self.classes]);
        Some(log_sum_exp(log_p_xy))
    }
}

impl Generate for M2 {
    fn latent(&self) -> usize {
        self.latent
    }

    fn knows_classes(&self) -> bool {
        true
    }

    fn code_of(&self, x: &Tensor<2>, y: &Index) -> Normal {
        self.q_z.given(&Pairs::own(y), [Row(x), Class])
    }

    fn decode(&self, z: &Tensor<2>, y: &Index) -> Tensor<2> {
        self.p_x.given(&Pairs::own(y), [Class, Pair(z)]).mean()
    }
}
