//! What `adgm` and `sdgm` have in common: five networks, one bound. The equations stand in their files.

use burn::module::Module;
use burn::tensor::Tensor;
use halfmoon_pool::dataset::ImageShape;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::supervised::Net;
use super::weights::{Instead, Preset};
use crate::augment::{Augment, inconsistency};
use crate::branches::{ClassSum, SumOverClasses};
use crate::dist::{Categorical, Mixed, Normal, log_mean_exp, log_sum_exp};
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Generate, LogDensity, Model, Moment};
use crate::nets::Given::{self, At, Class, Pair, Row};
use crate::nets::{Activation, CategoricalNet, ConvFeatures, ConvPicture, Hidden, MixedNet, Norm, NormalNet};
use crate::noise::Noise;
use crate::ops::{Index, pick};
use crate::pairs::Pairs;
use crate::train::{Decay, Plan};

/// Hyper-parameters of `adgm` and `sdgm`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuxiliaryConfig {
    /// Size of z. The paper's runs have 100; half of it, and narrower layers, cost a third of the time.
    pub latent: usize,
    /// Size of a. The paper's runs have 100.
    pub auxiliary: usize,
    /// `mlp` for any rows. `conv` for pictures: what the networks see of x goes through convolutions that they have in
    /// common, and p(x | …) ends with convolutions.
    pub net: Net,
    /// Outputs of each convolution of `conv`.
    pub channels: Vec<usize>,
    /// Widths of each network's hidden layers. The paper has two of 500.
    pub hidden: Vec<usize>,
    /// What stands between them. The paper has ReLU.
    pub activation: Activation,
    /// What comes before it. The paper has batch normalisation, whose statistics over rows under every class are those of
    /// rows that are no data; layer normalisation knows no other row.
    pub norm: Norm,
    /// What the inference networks are given. With less than the paper gives them the error falls faster: 7.2 % in place
    /// of 9.5 % after a minute on MNIST with 100 labels.
    pub inference: Inference,
    /// S: samples of a for each row of a step. The paper has 1 and 10, its program 5.
    pub n_mc: usize,
    /// Samples of a for each row that is asked about. The paper's program has 100. 0: none, but one answer at E[a | x].
    pub n_mc_answer: usize,
    /// Whose weights of the three terms.
    pub preset: Preset,
    /// How the sum over classes is made.
    pub sum_over_classes: SumOverClasses,
    /// Temperature of a relaxed sample.
    pub temperature: f64,
    /// An exact sum leaves out classes less likely than this. 1e-12 leaves out what `f32` loses anyway; more is another
    /// bound, that of q(y | a, x) without these classes.
    pub skip_below: f64,
    /// Steps within which the weight of log p(a | …) − log q(a | x) − KL(z) rises to 1. The paper has one, its program none.
    pub warm_up: u64,
    /// Weight of KL(mean of q(y | a, x) over the unlabelled rows of a step ‖ p(y)), which keeps classes from swallowing one
    /// another. The paper has none.
    pub balance: f64,
    /// How pictures are changed for the consistency term. Not the paper's.
    pub augment: Augment,
    /// Weight of KL(q(y | a, x) ‖ the same of the changed picture), where pictures are changed.
    pub consistency: f64,
    /// For `adgm`: a first stage in which it is an SDGM, whose x depends on a less and less and in the end no longer. 0 steps:
    /// none, as in the paper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pretrain: Option<Plan>,
    /// Weight of the labelled bound, in place of the preset's. 0.1 with 20 labelled rows and 180 others a step: a row is a
    /// row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labelled: Option<f64>,
    /// Weight of the unlabelled bound, in place of the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlabelled: Option<f64>,
    /// Weight of the classification term, in place of the preset's: 60 or more in the paper's program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classify: Option<f64>,
}

impl Default for AuxiliaryConfig {
    fn default() -> Self {
        AuxiliaryConfig {
            latent: 50,
            auxiliary: 50,
            net: Net::Mlp,
            channels: vec![16, 32],
            hidden: vec![300, 300],
            activation: Activation::Relu,
            norm: Norm::Layer,
            inference: Inference::Chain,
            n_mc: 1,
            n_mc_answer: 0,
            preset: Preset::Musyoku,
            sum_over_classes: SumOverClasses::TopAndOne,
            temperature: 0.66, // Maddison et al. 2017
            skip_below: 1e-12,
            warm_up: 0,
            balance: 5.0,
            augment: Augment::None,
            consistency: 10.0, // as heavy as the classification term
            pretrain: None,
            labelled: Some(0.1),
            unlabelled: None,
            classify: Some(10.0),
        }
    }
}

impl AuxiliaryConfig {
    pub(super) fn plan() -> Plan {
        Plan {
            steps: 30_000,
            rate: 3e-3,
            decay: Decay::Linear,
            labelled_rows: 20,
            unlabelled_rows: 180,
            max_norm: 20.0,
            binarise: true,
            ..Plan::default()
        }
    }

    pub(super) fn check(&self, layout: &Layout) -> Result<(), String> {
        self.net.check(&self.hidden, &self.channels, layout)?;
        let sizes = [("latent", self.latent), ("auxiliary", self.auxiliary), ("n_mc", self.n_mc)];
        for (name, size) in sizes {
            if size == 0 {
                return Err(format!("`{name}` must be at least 1"));
            }
        }
        for (name, weight) in [("balance", self.balance), ("consistency", self.consistency)] {
            if !weight.is_finite() || weight < 0.0 {
                return Err(format!("`{name}` must be a weight of 0 or more"));
            }
        }
        self.augment.check(layout)?;
        self.class_sum().check()?;
        self.instead().check()
    }

    pub(super) fn init(&self, structure: Structure, layout: &Layout, classes: usize, noise: &mut Noise) -> Auxiliary {
        let (c, m, k) = (classes, self.latent, self.auxiliary);
        let shape = layout.image.filter(|_| self.net == Net::Conv);
        let features = shape.map(|shape| ConvFeatures::new(shape, &self.channels, Activation::Relu, noise));
        let d = features.as_ref().map_or(layout.width(), ConvFeatures::width);
        let hidden = &Hidden { widths: &self.hidden, activation: self.activation, norm: self.norm };
        let q_y = if self.inference.q_y_sees_x() { &[k, d][..] } else { &[k] };
        let q_z = if self.inference.q_z_sees_x() { &[k, c, d][..] } else { &[k, c] };
        let (p_a, p_x) = match structure {
            Structure::Adgm => (&[d, c, m][..], &[c, m][..]),
            Structure::Sdgm => (&[c, m][..], &[k, c, m][..]),
        };
        let p_x = match shape.map(|shape| ConvPicture::new(shape, &self.channels, noise)) {
            Some(picture) => MixedNet::of_pictures(p_x, hidden, layout, picture, noise),
            None => MixedNet::new(p_x, hidden, layout, noise),
        };
        Auxiliary {
            features,
            q_a: NormalNet::near_standard(&[d], hidden, k, noise),
            q_y: CategoricalNet::new(q_y, hidden, c, noise),
            q_z: NormalNet::near_standard(q_z, hidden, m, noise),
            p_a: NormalNet::near_standard(p_a, hidden, k, noise),
            p_x,
            image: layout.image,
            structure,
            classes,
            config: self.clone(),
        }
    }

    pub(super) fn earlier_stages(&self) -> Vec<Plan> {
        self.pretrain.iter().filter(|plan| plan.steps > 0).cloned().collect()
    }

    fn instead(&self) -> Instead {
        Instead { labelled: self.labelled, unlabelled: self.unlabelled, classify: self.classify }
    }

    fn class_sum(&self) -> ClassSum {
        ClassSum { how: self.sum_over_classes, temperature: self.temperature, skip_below: self.skip_below }
    }
}

/// What q(y | …) and q(z | …) are given. Less than the paper's makes a bound of the same kind, of the same model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inference {
    /// q(y | a, x) and q(z | a, x, y), as the paper has them.
    Full,
    /// q(y | a, x) and q(z | a, y).
    ZFromA,
    /// q(y | a) and q(z | a, y): all that they know of x they know from a.
    Chain,
}

impl Inference {
    fn q_y_sees_x(self) -> bool {
        self != Inference::Chain
    }

    fn q_z_sees_x(self) -> bool {
        self == Inference::Full
    }
}

/// What makes a and x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// p(a | x, y, z) p(x | y, z)
    Adgm,
    /// p(a | y, z) p(x | a, y, z)
    Sdgm,
}

/// The five networks.
#[derive(Module, Debug)]
pub struct Auxiliary {
    features: Option<ConvFeatures>, // what the networks see in the place of x
    q_a: NormalNet,                 // q(a | x)
    q_y: CategoricalNet,            // q(y | a, x)
    q_z: NormalNet,                 // q(z | a, x, y)
    p_a: NormalNet,                 // p(a | x, y, z) or p(a | y, z)
    p_x: MixedNet,                  // p(x | y, z) or p(x | a, y, z)
    #[module(skip)]
    image: Option<ImageShape>,
    #[module(skip)]
    structure: Structure,
    #[module(skip)]
    classes: usize,
    #[module(skip)]
    config: AuxiliaryConfig,
}

/// Samples of a: S of the first row, then S of the next. Every class of a row sees the same ones.
pub struct Draws {
    seen: Tensor<2>,  // what the networks see of each row: [r, d]
    row: Index,       // for each draw its row: [r S]
    a: Tensor<2>,     // [r S, k]
    q_a: Normal,      // q(a | x): [r S, k]
    q_y: Categorical, // q(y | a, x): [r S, c]
}

impl Draws {
    /// The samples: `[r S, k]`.
    pub fn a(&self) -> &Tensor<2> {
        &self.a
    }

    /// q(y | a, x) of each: `[r S, c]`.
    pub fn q_y(&self) -> &Categorical {
        &self.q_y
    }
}

/// The generative side of each pair, and the posterior of z that it was sampled from.
struct Sides<'a> {
    q_z: Normal,
    z: Tensor<2>,
    p_a: Normal,
    p_x: Mixed<'a>,
    row: Index, // for each pair its row
}

impl Auxiliary {
    /// The same networks, trained from here on as `config` says. It must make networks of the same shapes.
    #[must_use]
    pub fn with(self, config: &AuxiliaryConfig) -> Auxiliary {
        Auxiliary { config: config.clone(), ..self }
    }

    /// An SDGM whose x no longer depends on a, as the ADGM that it is: the same p(a | y, z), which may see x from here on,
    /// and the same p(x | y, z).
    #[must_use]
    pub fn into_adgm(self) -> Auxiliary {
        let seen = self.q_a.given_width();
        Auxiliary { p_a: self.p_a.given_also(0, seen), p_x: self.p_x.without(0), structure: Structure::Adgm, ..self }
    }

    /// Share of a that p(x | a, y, z) is given. In the first stage of `adgm` it falls to 0.
    fn share_of_a(&self, moment: Moment) -> f64 {
        match self.config.earlier_stages().first() {
            Some(plan) if moment.stage == 0 => {
                let done = moment.step as f64 / plan.steps as f64;
                ((FADED - done) / (FADED - FADES)).clamp(0.0, 1.0)
            }
            _ => 1.0,
        }
    }

    /// S = `samples` draws of a for each row `[r, d]`, and what they say of the class.
    pub fn draw(&self, x: &Tensor<2>, samples: usize, noise: &mut Noise) -> Draws {
        let rows = x.dims()[0];
        let row: Index = repeat(0..u32::try_from(rows).expect("few rows"), samples);
        let seen = self.seen(x);
        let q_a = bounded(self.q_a.of(&seen));
        let q_a = Normal { mean: pick(q_a.mean, Some(&row)), log_var: pick(q_a.log_var, Some(&row)) };
        let a = q_a.rsample(noise);
        let q_y = self.q_y(&Pairs::alone(rows * samples), Pair(&a), At(&seen, &row));
        Draws { seen, row, a, q_a, q_y }
    }

    /// A lower bound on log p(x, y), f of the paper's equations for each pair of a draw and whatever stands for its class:
    /// `[p]`. KL(q(z) ‖ p(z)) is exact, all else sampled.
    pub fn bound(
        &self,
        x: &Tensor<2>,
        draws: &Draws,
        pairs: &Pairs,
        y: Given,
        moment: Moment,
        noise: &mut Noise,
    ) -> Tensor<1> {
        let kl_weight = moment.warm_up(self.config.warm_up);
        let Sides { q_z, p_a, p_x, row, .. } = self.sides(draws, pairs, y, self.share_of_a(moment), noise);
        let kl = q_z.kl_to_standard() + log_ratio(draws, pairs, &p_a);
        let kl = if kl_weight < 1.0 { kl * kl_weight } else { kl };
        p_x.log_prob(x, Some(&row)) + self.log_p_y() - kl
    }

    fn sides(&self, draws: &Draws, pairs: &Pairs, y: Given, share_of_a: f64, noise: &mut Noise) -> Sides<'_> {
        let row: Index = pairs.row().iter().map(|&draw| draws.row[draw as usize]).collect();
        let (a, x) = (Row(&draws.a), At(&draws.seen, &row));
        let q_z = bounded(self.q_z(pairs, a, y, x));
        let z = q_z.rsample_by_row(pairs, noise);
        let (p_a, p_x) = match self.structure {
            Structure::Adgm => (self.p_a.given(pairs, [x, y, Pair(&z)]), self.p_x.given(pairs, [y, Pair(&z)])),
            Structure::Sdgm => {
                let less = (share_of_a < 1.0).then(|| draws.a.clone() * share_of_a);
                let a = less.as_ref().map_or(a, Row);
                (self.p_a.given(pairs, [y, Pair(&z)]), self.p_x.given(pairs, [a, y, Pair(&z)]))
            }
        };
        Sides { q_z, z, p_a: bounded(p_a), p_x, row }
    }

    fn log_p_y(&self) -> f64 {
        -(self.classes as f64).ln()
    }

    /// What the networks see of rows x.
    fn seen(&self, x: &Tensor<2>) -> Tensor<2> {
        self.features.as_ref().map_or_else(|| x.clone(), |features| features.of(x))
    }

    /// q(y | a, x), or without x.
    fn q_y(&self, pairs: &Pairs, a: Given, x: Given) -> Categorical {
        if self.config.inference.q_y_sees_x() { self.q_y.given(pairs, [a, x]) } else { self.q_y.given(pairs, [a]) }
    }

    /// q(z | a, x, y), or without x.
    fn q_z(&self, pairs: &Pairs, a: Given, y: Given, x: Given) -> Normal {
        if self.config.inference.q_z_sees_x() {
            self.q_z.given(pairs, [a, y, x])
        } else {
            self.q_z.given(pairs, [a, y])
        }
    }

    /// Of q(y | a, x), for a row of a and one of x each.
    fn logits(&self, seen: &Tensor<2>, a: &Tensor<2>) -> Tensor<2> {
        self.q_y(&Pairs::alone(seen.dims()[0]), Pair(a), Pair(seen)).logits
    }
}

/// From this share of the first stage of `adgm` on, p(x | a, y, z) is given less of a.
const FADES: f64 = 0.6;

/// From this share on, it is given nothing of it.
const FADED: f64 = 0.9;

/// log q(a | x) − log p(a | …) of each pair: `[p]`.
fn log_ratio(draws: &Draws, pairs: &Pairs, p_a: &Normal) -> Tensor<1> {
    let a = pick(draws.a.clone(), Some(pairs.row()));
    let log_q: Tensor<2> = draws.q_a.log_prob(&draws.a).unsqueeze_dim(1);
    pick(log_q, Some(pairs.row())).squeeze_dim::<1>(1) - p_a.log_prob(&a)
}

/// Each of these `times` times.
fn repeat(each: impl Iterator<Item = u32>, times: usize) -> Index {
    each.flat_map(|one| std::iter::repeat_n(one, times)).collect()
}

/// The distribution with ln σ² within [−8, 4]. q(a | x) and p(a | …) may shrink together at no cost, until `f32` ends.
fn bounded(Normal { mean, log_var }: Normal) -> Normal {
    Normal { mean, log_var: log_var.clamp(-8.0, 4.0) }
}

impl Model for Auxiliary {
    type Memory = ();

    fn loss(&self, batch: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        let Batch { x, y, u, counts, moment, .. } = batch;
        let weights = self.config.instead().of(self.config.preset.weights(*counts));
        let samples = self.config.n_mc;
        let rows = Tensor::cat(vec![x.clone(), u.clone()], 0);
        let draws = self.draw(&rows, samples, noise);
        let y = repeat(y.iter().copied(), samples);
        let (labelled, all) = (y.len(), draws.row.len());
        let logits = |draws: &Draws, of| Categorical { logits: draws.q_y.logits.clone().slice_dim(0, of) };
        let q_y = (all > labelled).then(|| logits(&draws, labelled..all));
        let branches = self.config.class_sum().branches(&y, self.classes, q_y.as_ref(), noise);
        let bound = self.bound(&rows, &draws, branches.pairs(), branches.class(), *moment, noise);
        let (elbo_xy, elbo_x) = branches.gather(bound);
        let mut loss = weights.loss(elbo_x, elbo_xy.map(|elbo_xy| (elbo_xy, logits(&draws, 0..labelled).log_prob(&y))));
        let Some(q_y) = q_y else { return loss };
        if self.config.balance > 0.0 {
            loss = loss.weigh("balance", self.config.balance, q_y.imbalance());
        }
        if let Some(changed) = self.config.augment.changed(u, self.image, noise) {
            let Draws { q_y: changed, .. } = self.draw(&changed, samples, noise);
            loss = loss.weigh("consistency", self.config.consistency, inconsistency(&q_y, &changed));
        }
        loss
    }
}

impl Classifier for Auxiliary {
    /// At a = E[a | x].
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        let seen = self.seen(x);
        self.logits(&seen, &self.q_a.of(&seen).mean)
    }

    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        Some(self.q_a.of(&self.seen(x)).mean)
    }

    fn draws(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<3> {
        if self.config.n_mc_answer == 0 {
            return self.classify(x).unsqueeze_dim(1);
        }
        let seen = self.seen(x);
        let q_a = bounded(self.q_a.of(&seen));
        let logits = (0..self.config.n_mc_answer).map(|_| self.logits(&seen, &q_a.rsample(noise)).unsqueeze_dim(1));
        Tensor::cat(logits.collect(), 1)
    }

    fn as_log_density(&self) -> Option<&dyn LogDensity> {
        Some(self)
    }

    fn as_generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }
}

/// After all stages and warm-ups.
const TRAINED: Moment = Moment { stage: usize::MAX, step: u64::MAX, setbacks: 0 };

impl LogDensity for Auxiliary {
    /// The bound on log p(x, ŷ) for one a and its likeliest class ŷ: a lower bound on log p(x) as well.
    fn log_density(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<1> {
        let draws = self.draw(x, 1, noise);
        let pairs = Pairs::own(&draws.q_y.mode());
        self.bound(x, &draws, &pairs, Class, TRAINED, noise)
    }

    /// Importance sampling for a and, under every class, z; the classes are summed exactly.
    fn importance_bound(&self, x: &Tensor<2>, samples: usize, noise: &mut Noise) -> Option<Tensor<1>> {
        let n = x.dims()[0];
        let pairs = Pairs::every_class(n, self.classes);
        let log_weights = (0..samples).map(|_| {
            let draws = self.draw(x, 1, noise);
            let Sides { q_z, z, p_a, p_x, row } = self.sides(&draws, &pairs, Class, 1.0, noise);
            let log_weight = p_x.log_prob(x, Some(&row)) + self.log_p_y() - log_ratio(&draws, &pairs, &p_a)
                + Normal::standard_log_prob(&z)
                - q_z.log_prob(&z);
            log_sum_exp(log_weight.reshape([n, self.classes]))
        });
        Some(log_mean_exp(log_weights))
    }
}

impl Generate for Auxiliary {
    fn latent(&self) -> usize {
        self.config.latent
    }

    fn knows_classes(&self) -> bool {
        true
    }

    /// At a = E[a | x].
    fn code_of(&self, x: &Tensor<2>, y: &Index) -> Normal {
        let seen = self.seen(x);
        self.q_z(&Pairs::own(y), Row(&self.q_a.of(&seen).mean), Class, Row(&seen))
    }

    /// Where x depends on a, at a = E[a | y, z].
    fn decode(&self, z: &Tensor<2>, y: &Index) -> Tensor<2> {
        let pairs = Pairs::own(y);
        match self.structure {
            Structure::Adgm => self.p_x.given(&pairs, [Class, Pair(z)]).mean(),
            Structure::Sdgm => {
                let a = self.p_a.given(&pairs, [Class, Pair(z)]).mean;
                self.p_x.given(&pairs, [Row(&a), Class, Pair(z)]).mean()
            }
        }
    }
}
