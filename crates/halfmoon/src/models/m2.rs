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

use crate::dist::Categorical;
use crate::loss::Loss;
use crate::model::{Batch, Counts, Encode, LogDensity, Model, ModelConfig, Sample};
use crate::nets::Given::{Class, Pair, Row};
use crate::nets::{Activation, CategoricalNet, Hidden, MixedNet, NormalNet};
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

/// Published weights of the mean labelled bound, the mean unlabelled bound and the mean
/// classification term, with N_l labelled rows and N_u rows in the unlabelled stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// N_l/N_u, 1, 0.1 (N_l + N_u)/N_u: the paper's α = 0.1 N, as dpkingma/nips14-ssl computes it.
    Kingma,
    /// N_l/N_u, 1, 46 N_l/N_u: Pyro's tutorial with its multiplier 46.
    Pyro,
    /// 1, 1, 1: musyoku/variational-autoencoder.
    Musyoku,
    /// 1, 1, 60: wohlert/semi-supervised-pytorch.
    Wohlert,
    /// 1, 1, 0.1 N_u/N_l: larsmaaloee/auxiliary-deep-generative-models (60 for 100 labels of 60,000).
    Maaloe,
    /// 1, 1, 1200: the 2015 workshop program of the same authors, and zhusuan.
    Maaloe2015,
}

/// One number for each term of equation 9.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Of the mean of 𝓛(x, y).
    pub labelled: f64,
    /// Of the mean of 𝓤(u).
    pub unlabelled: f64,
    /// Of the mean of −log q(y | x).
    pub classify: f64,
}

impl Preset {
    /// The weights for a training set of this size.
    pub fn weights(self, Counts { labelled, unlabelled }: Counts) -> Weights {
        let (n_l, n_u) = (labelled as f64, unlabelled as f64);
        let (labelled, classify) = match self {
            Preset::Kingma => (n_l / n_u, 0.1 * (n_l + n_u) / n_u),
            Preset::Pyro => (n_l / n_u, 46.0 * n_l / n_u),
            Preset::Musyoku => (1.0, 1.0),
            Preset::Wohlert => (1.0, 60.0),
            Preset::Maaloe => (1.0, 0.1 * n_u / n_l),
            Preset::Maaloe2015 => (1.0, 1200.0),
        };
        Weights { labelled, unlabelled: 1.0, classify }
    }
}

impl Default for M2Config {
    fn default() -> Self {
        M2Config {
            latent: 50,
            hidden: vec![128],
            activation: Activation::Relu,
            preset: Preset::Musyoku,
            labelled: None,
            unlabelled: None,
            classify: None,
        }
    }
}

impl M2Config {
    fn weights(&self, counts: Counts) -> Weights {
        let preset = self.preset.weights(counts);
        Weights {
            labelled: self.labelled.unwrap_or(preset.labelled),
            unlabelled: self.unlabelled.unwrap_or(preset.unlabelled),
            classify: self.classify.unwrap_or(preset.classify),
        }
    }
}

impl ModelConfig for M2Config {
    type Model = M2;
    const NAME: &'static str = "m2";
    const ABOUT: &'static str = "a classifier and a generator in one, learning from labelled and unlabelled rows";
    const PAPER: &'static str = "kingma2014ssl";
    const NEEDS_LABELS: bool = false;

    fn plan() -> Plan {
        Plan { steps: 3000, rate: 3e-3, decay: Decay::Linear, ..Plan::default() }
    }

    fn check(&self, _: &Layout) -> Result<(), String> {
        super::check_hidden("hidden", &self.hidden)?;
        if self.latent == 0 {
            return Err("`latent` must be at least 1".into());
        }
        for (name, weight) in
            [("labelled", self.labelled), ("unlabelled", self.unlabelled), ("classify", self.classify)]
        {
            if weight.is_some_and(|weight| !weight.is_finite() || weight < 0.0) {
                return Err(format!("`{name}` must be a weight of 0 or more"));
            }
        }
        Ok(())
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> M2 {
        let (d, c, m) = (layout.width(), classes, self.latent);
        let hidden = Hidden { widths: &self.hidden, activation: self.activation };
        M2 {
            q_y: CategoricalNet::new(d, &hidden, c, noise),
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

    fn loss(&self, Batch { x, y, u, counts }: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        let weights = self.config.weights(*counts);
        let ([n, _], [m, _]) = (x.dims(), u.dims());
        // One pass for all rows: the labelled ones under their class, the others under every class.
        let pairs = Pairs::own(y).then(&Pairs::every_class(m, self.classes));
        let rows = Tensor::cat(vec![x.clone(), u.clone()], 0);
        let elbo_xy = self.elbo_xy(&rows, &pairs, noise);
        let logits = self.classify(&rows);
        let mut loss = Loss::default();
        if m > 0 {
            let q_y = Categorical { logits: logits.clone().slice_dim(0, n..n + m) };
            let elbo_xy = elbo_xy.clone().slice_dim(0, n..n + m * self.classes).reshape([m, self.classes]);
            loss = loss.weigh("unlabelled", weights.unlabelled, -elbo_x(&q_y, elbo_xy).mean());
        }
        if n > 0 {
            let q_y = Categorical { logits: logits.slice_dim(0, 0..n) };
            loss = loss.weigh("labelled", weights.labelled, -elbo_xy.slice_dim(0, 0..n).mean()).weigh(
                "classify",
                weights.classify,
                -q_y.log_prob(y).mean(),
            );
        }
        loss
    }

    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        self.q_y.of(x).logits
    }

    fn as_log_density(&self) -> Option<&dyn LogDensity> {
        Some(self)
    }

    fn as_sample(&self) -> Option<&dyn Sample> {
        Some(self)
    }

    fn as_encode(&self) -> Option<&dyn Encode> {
        Some(self)
    }
}

impl M2 {
    /// −𝓛(x, y), equation 6: a lower bound on log p(x, y) of each pair of a row x `[r, d]` and a class: `[p]`.
    pub fn elbo_xy(&self, x: &Tensor<2>, pairs: &Pairs, noise: &mut Noise) -> Tensor<1> {
        let q_z = self.q_z.given(pairs, [Row(x), Class]);
        let p_x = self.p_x.given(pairs, [Class, Pair(&q_z.rsample(noise))]);
        p_x.log_prob(x, Some(pairs.row())) + self.log_p_y() - q_z.kl_to_standard()
    }

    fn log_p_y(&self) -> f64 {
        -(self.classes as f64).ln()
    }
}

/// −𝓤(x), equation 7: a lower bound on log p(x), `[n]`, from −𝓛(x, y) of every class `[n, c]`.
pub fn elbo_x(q_y: &Categorical, elbo_xy: Tensor<2>) -> Tensor<1> {
    q_y.expect(elbo_xy) + q_y.entropy()
}

impl LogDensity for M2 {
    /// −𝓛(x, ŷ) at the likeliest class ŷ: equation 7 with all of q(y) on ŷ, so a lower bound on
    /// log p(x) as well, at a c-th of the cost.
    fn log_density(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<1> {
        let likeliest = self.q_y.of(x).mode();
        self.elbo_xy(x, &Pairs::own(&likeliest), noise)
    }
}

impl Sample for M2 {
    fn sample(&self, y: &Index, noise: &mut Noise) -> Tensor<2> {
        let z = noise.normal([y.len(), self.latent]);
        self.p_x.given(&Pairs::own(y), [Class, Pair(&z)]).mean()
    }
}

impl Encode for M2 {
    /// Σ_y q(y | x) E[z | x, y].
    fn encode(&self, x: &Tensor<2>) -> Tensor<2> {
        let n = x.dims()[0];
        let q_y = self.q_y.of(x).log_probs().exp().unsqueeze_dim::<3>(2);
        let means = self.q_z.given(&Pairs::every_class(n, self.classes), [Row(x), Class]).mean;
        (means.reshape([n, self.classes, self.latent]) * q_y).sum_dim(1).squeeze_dim(1)
    }
}
