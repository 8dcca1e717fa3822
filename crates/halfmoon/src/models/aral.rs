//! A classifier that is the discriminator of a conditional generative network, whose encoder tells what is unlike the labelled rows.
//!
//! Mottaghi, Yeung. *Adversarial Representation Active Learning*. 2019, arXiv:1912.09720.
//!
//! ```text
//! h(x), f(x)            one network: the last hidden layer, and K logits
//! C(x) = softmax f(x)   the classifier         D(x) = σ(LSE_y f_y(x))   the discriminator: is x from the data?
//! G(z, y), E(x, y)      generator and encoder  D₂(x, z) = σ(head of [h(x), z])   is the pair (x, z) from the data?
//! S(z)                  the sampler: is z of a labelled row?
//!
//! (a)  𝓙_trd = rec + β KL of (x, y), and of (u, ŷ)                     ŷ = argmax f(u)
//!      𝓙_adv = −log S(μ(x, ŷ)) − log S(μ(u, ŷ))
//! (b)  𝓙_S   = −log S(μ(x, ŷ)) − log(1 − S(μ(u, ŷ)))
//! (c)  𝓙_C   = −log C(x)_y        𝓙_D = −½ log D(u) − ½ log(1 − D(G(z, y)))
//! (d)  𝓙_G   = mean_j (E[h_j(G(z, y))] − E[h_j(u)])²
//! (e)  𝓥     = log D₂(u, E(u, ŷ)) + log(1 − D₂(G(z, y), z))            D₂ maximises it, E and G do so with the two exchanged
//! (f)  𝓙_aug = −log C(G(z, y))_y
//!
//! C, D, D₂ minimise 𝓙_C + w_gan 𝓙_D − w_pair 𝓥        G  𝓙_G + w_trd 𝓙_trd + w_pair (e)
//! S minimises 𝓙_S                                       E  w_trd 𝓙_trd + w_adv 𝓙_adv + w_pair (e)
//! ```
//!
//! Rows with the lowest S(μ(u, ŷ)) are asked about first (rule `aral`).
//!
//! What is published of it: the parts, what is shared between them and that S asks for the lowest (authors' slides); (b), (c), (d) and w_gan (authors' program). Derived
//! here: w_trd, w_adv and w_pair (the settings say from what); 𝓙_trd of labelled rows and with a reconstruction that has a gradient, (e) from the BiGAN (Donahue et al. 2017), and that S and 𝓙_adv see every row with ŷ: the program
//! gives labelled rows their label and unlabelled ones raw logits, so that S can read from the label's form which ones are labelled. The program also scores shuffled
//! items and asks for the highest S. No published figure is made anew here.
//!
//! One step moves all networks at once, each against the others as they were. z ~ 𝒩(0, I) throughout, where the program draws from 𝒰(0, 1) and has its encoder
//! near 𝒩(0, I).
//!
//! The authors' ablations are presets. `no_active_learning` has no sampler and asks at random; `no_encoder` is a generative network without one, and asks by
//! `bald`; `no_co_training` trains the generative network first, and then a classifier of its own with (f) and VAAL's sampler beside it ([`Vaal`]);
//! asking at random with `supervised` is the fourth.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::softplus;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::supervised::{Net, Supervised, SupervisedConfig};
use super::vaal::{Vaal, VaalConfig, parted, rows_of, taken_for_labelled, taken_for_unlabelled};
use crate::augment::Augment;
use crate::dist::{Categorical, Normal, log_mean_exp, log_sum_exp};
use crate::energy;
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Generate, LogDensity, Makes, Model, ModelConfig};
use crate::nets::Given::{Class, Pair, Row};
use crate::nets::{Activation, CategoricalNet, Hidden, MixedNet, Norm, NormalNet, WideResNetConfig};
use crate::noise::Noise;
use crate::ops::Index;
use crate::pairs::Pairs;
use crate::train::{Decay, Plan, Update};

/// Hyper-parameters of [`Aral`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "switches of an ablation, each by itself")]
pub struct AralConfig {
    /// What the other settings are unless they are given: all of it, or one of the authors' ablations.
    pub preset: Ablation,
    /// Kind of the network with C, D and D₂: `mlp` for any rows, `conv` and `wide_resnet` for pictures. The program has `mlp` for MNIST.
    pub net: Net,
    /// Widths of its hidden layers. The program has 1000, 500, 250, 250, 250 for MNIST.
    pub hidden: Vec<usize>,
    /// What stands between the layers of every network.
    pub activation: Activation,
    /// Outputs of each convolution of `conv`.
    pub channels: Vec<usize>,
    /// Size of `wide_resnet`.
    pub wide: WideResNetConfig,
    /// Dropout of that network. The program has it for SVHN and CIFAR-10, and Gaussian noise between the layers for MNIST.
    pub dropout: f64,
    /// Standard deviation of the noise on what that network sees. The program has 0.3 for MNIST.
    pub data_noise: f64,
    /// How the pictures of that network are changed.
    pub augment: Augment,
    /// Numbers in a code. The program has 100.
    pub latent: usize,
    /// Widths of the hidden layers of E and G. The program has 500, 500 for MNIST.
    pub coder: Vec<usize>,
    /// Widths of the hidden layers of S. The program has four of 512.
    pub sampler: Vec<usize>,
    /// Whether there are E, 𝓙_trd and D₂, and with them S.
    pub encoder: bool,
    /// Whether there are S and 𝓙_adv.
    pub acquisition: bool,
    /// Whether C is D's network and S sees E's codes. If not, D, G and E are trained first, and then a classifier with VAAL's autoencoder and sampler.
    pub co_training: bool,
    /// Whether S is given the class, too: the class-conditional acquisition of the authors' appendix, for the rule `aral_by_class`.
    pub sampler_sees_class: bool,
    /// w_gan, as in the program.
    pub gan: f64,
    /// w_trd, by the row. The program has 0.001 on a sum of the KL over a step of 100 rows; its reconstruction has no gradient.
    pub trd: f64,
    /// β.
    pub beta: f64,
    /// w_adv. The program has that of w_trd; with a fifth of it S finds more of the classes that have no label (of 50 digits asked about 40, and 34 with as much).
    pub adversarial: f64,
    /// w_pair, which no source has.
    pub pair: f64,
    /// Weight of (f). Not in the program: C and G through one network pull its logits apart. `no_co_training` has 0.3.
    pub of_generated: f64,
    /// Steps of D, G and E that come first, where nothing is trained together.
    pub generative_steps: u64,
}

/// What is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ablation {
    /// Nothing.
    Full,
    /// S and 𝓙_adv.
    NoActiveLearning,
    /// E, and all that needs it.
    NoEncoder,
    /// That networks are shared.
    NoCoTraining,
}

impl Default for AralConfig {
    fn default() -> Self {
        AralConfig {
            preset: Ablation::Full,
            net: Net::Mlp,
            hidden: vec![256, 128],
            activation: Activation::Relu,
            channels: vec![16, 32],
            wide: WideResNetConfig::default(),
            dropout: 0.3,
            data_noise: 0.3,
            augment: Augment::None,
            latent: 16,
            coder: vec![256],
            sampler: vec![256, 256],
            encoder: true,
            acquisition: true,
            co_training: true,
            sampler_sees_class: false,
            gan: 1.0,
            trd: 0.1,
            beta: 1.0,
            adversarial: 0.02,
            pair: 0.1,
            of_generated: 0.0,
            generative_steps: 1500,
        }
    }
}

impl AralConfig {
    /// The settings of an ablation.
    pub fn of(preset: Ablation) -> AralConfig {
        let full = AralConfig { preset, ..AralConfig::default() };
        match preset {
            Ablation::Full => full,
            Ablation::NoActiveLearning => AralConfig { acquisition: false, ..full },
            Ablation::NoEncoder => AralConfig { encoder: false, acquisition: false, ..full },
            Ablation::NoCoTraining => AralConfig { co_training: false, acquisition: false, of_generated: 0.3, ..full },
        }
    }

    /// The network with C, D and D₂.
    fn network(&self) -> SupervisedConfig {
        self.apart().classifier()
    }

    /// The classifier that shares nothing.
    fn apart(&self) -> VaalConfig {
        VaalConfig {
            net: self.net,
            hidden: self.hidden.clone(),
            activation: self.activation,
            channels: self.channels.clone(),
            wide: self.wide,
            augment: self.augment,
            dropout: self.dropout,
            coder: self.coder.clone(),
            sampler: self.sampler.clone(),
            latent: self.latent,
            beta: self.beta,
            adversarial: self.adversarial,
        }
    }
}

impl ModelConfig for AralConfig {
    type Model = Aral;
    const NAME: &'static str = "aral";
    const ABOUT: &'static str =
        "a classifier that is a generative network's discriminator, with a sampler on its codes";
    const PAPER: &'static str = "mottaghi2019aral";
    const MAKES: Makes = Makes::InputsOfAClass;
    const NEEDS_LABELS: bool = true;

    fn preset(settings: &Self) -> Self {
        AralConfig::of(settings.preset)
    }

    fn plan() -> Plan {
        Plan { steps: 2000, rate: 1e-3, decay: Decay::Linear, ..Plan::default() }
    }

    fn earlier_stages(&self) -> Vec<Plan> {
        let first = Plan { steps: self.generative_steps, ..AralConfig::plan() };
        if self.co_training { Vec::new() } else { vec![first] }
    }

    fn check(&self, layout: &Layout) -> Result<(), String> {
        self.network().check(layout)?;
        super::check_hidden("coder", &self.coder)?;
        super::check_hidden("sampler", &self.sampler)?;
        let weights = [
            ("data_noise", self.data_noise),
            ("gan", self.gan),
            ("trd", self.trd),
            ("beta", self.beta),
            ("adversarial", self.adversarial),
            ("pair", self.pair),
            ("of_generated", self.of_generated),
        ];
        for (name, value) in weights {
            if !value.is_finite() || value < 0.0 {
                return Err(format!("`{name}` must be 0 or more"));
            }
        }
        match () {
            () if self.latent == 0 => Err("`latent` must be at least 1".into()),
            () if self.acquisition && !self.encoder => Err("`acquisition` needs the codes of `encoder`".into()),
            () if self.acquisition && !self.co_training => {
                Err("without `co_training` the sampler is VAAL's: set `acquisition` to false".into())
            }
            () if !self.co_training && self.generative_steps == 0 => {
                Err("`generative_steps` must be at least 1".into())
            }
            () => Ok(()),
        }
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Aral {
        let of = |widths| Hidden { widths, activation: self.activation, norm: Norm::None };
        let (width, last) = (layout.width(), self.hidden[self.hidden.len() - 1]);
        let sampler_inputs: &[usize] = if self.sampler_sees_class { &[self.latent, classes] } else { &[self.latent] };
        Aral {
            network: self.network().init(layout, classes, noise),
            generator: MixedNet::new(&[self.latent, classes], &of(&self.coder), layout, noise),
            coding: self.encoder.then(|| Coding {
                q_z: NormalNet::new(&[width, classes], &of(&self.coder), self.latent, noise),
                pair: CategoricalNet::new(&[last, self.latent], &of(&self.sampler[..1]), 1, noise),
            }),
            sampler: self.acquisition.then(|| CategoricalNet::new(sampler_inputs, &of(&self.sampler), 1, noise)),
            apart: (!self.co_training).then(|| self.apart().init(layout, classes, noise)),
            classes,
            config: self.clone(),
        }
    }
}

/// The networks of one model.
#[derive(Module, Debug)]
pub struct Aral {
    network: Supervised,             // h(x), f(x)
    generator: MixedNet,             // G(z, y) is its mean
    coding: Option<Coding>,          // what there is with an encoder
    sampler: Option<CategoricalNet>, // the logit of S(z), or of S(z, y)
    apart: Option<Vaal>,             // a classifier of its own, where nothing is trained together
    #[module(skip)]
    classes: usize,
    #[module(skip)]
    config: AralConfig,
}

/// E, and the discriminator of pairs.
#[derive(Module, Debug)]
struct Coding {
    q_z: NormalNet,       // E(x, y)
    pair: CategoricalNet, // the logit of D₂, given h(x) and z
}

/// Generated rows, and what they were made from.
struct Generated {
    x: Tensor<2>,
    z: Tensor<2>,
    y: Index,
}

/// −½ log D(u) − ½ log(1 − D(g)) of logits `[m, c]` of rows and `[k, c]` of generated ones: `[1]`.
pub fn real_or_generated(rows: Tensor<2>, generated: Tensor<2>) -> Tensor<1> {
    (softplus(-energy::log_density(rows), 1.0).mean() + softplus(energy::log_density(generated), 1.0).mean()) * 0.5
}

/// mean_j (E a_j − E b_j)² of hidden values `[n, h]` and `[m, h]`: `[1]`.
pub fn feature_distance(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
    (a.mean_dim(0) - b.mean_dim(0)).square().mean()
}

impl Aral {
    /// Rows of every class in turn, from codes of the prior.
    fn generated(&self, rows: usize, noise: &mut Noise) -> Generated {
        let z = noise.normal([rows, self.config.latent]);
        let y: Index = (0..u32::try_from(self.classes).expect("few classes")).cycle().take(rows).collect();
        Generated { x: self.made_of(&z, &y), z, y }
    }

    fn made_of(&self, z: &Tensor<2>, y: &Index) -> Tensor<2> {
        self.generator.given(&Pairs::own(y), [Pair(z), Class]).mean()
    }

    /// What a density and codes need: who asks for them is refused where there is no encoder.
    fn coding(&self) -> &Coding {
        self.coding.as_ref().expect("`as_log_density` and `as_generate` refuse this without an encoder")
    }

    /// log p(y) of the even prior.
    fn log_p_y(&self) -> f64 {
        -(self.classes as f64).ln()
    }

    /// h of rows in a step of training.
    fn features(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<2> {
        let drawn = noise.normal(x.dims()) * self.config.data_noise;
        self.network.codes_in_training(&(x.clone() + drawn), noise)
    }

    /// The logit of S of codes `[n, latent]` under classes `[n]`: `[n, 1]`.
    fn sampler_logits(&self, sampler: &CategoricalNet, z: &Tensor<2>, y: &Index) -> Tensor<2> {
        if self.config.sampler_sees_class {
            sampler.given(&Pairs::own(y), [Pair(z), Class]).logits
        } else {
            sampler.of(z).logits
        }
    }

    /// All that is minimised. `others` are the networks as each other one sees them, and `still` makes a constant of what comes from them: without
    /// either, it is one function of all parameters, as the tests of gradients want it.
    fn objective(
        &self,
        batch: &Batch,
        others: &Aral,
        still: impl Fn(&Tensor<2>) -> Tensor<2>,
        noise: &mut Noise,
    ) -> Loss {
        let Batch { x, y, u, open, .. } = batch;
        let AralConfig { gan, trd, beta, adversarial, pair, of_generated, .. } = self.config;
        // Where no step has unlabelled rows, the labelled ones stand for them.
        let u = if u.dims()[0] == 0 { x } else { u };
        let (n, m) = (x.dims()[0], u.dims()[0]);
        let made = self.generated(m, noise);
        // (c)
        let rows = Tensor::cat(vec![x.clone(), u.clone(), still(&made.x)], 0);
        let h = self.features(&rows, noise);
        let [f_x, f_rest] = parted(&self.network.of_codes(h.clone()), n);
        let [f_u, f_made] = parted(&f_rest, m);
        let mut loss = Loss::default().add("classify", -Categorical { logits: f_x.clone() }.log_prob(y).mean()).weigh(
            "real",
            gan,
            real_or_generated(f_u.clone(), f_made.clone()),
        );
        if of_generated > 0.0 {
            let cost = -Categorical { logits: f_made }.log_prob(&made.y).mean();
            loss = loss.weigh("of_generated", of_generated, cost);
        }
        // (d)
        let [_, h_rest] = parted(&h, n);
        let [h_u, h_made] = parted(&h_rest, m);
        let h_of_made = others.features(&made.x, noise);
        loss = loss.add("features", feature_distance(h_of_made.clone(), still(&h_u)));
        let Some(coding) = &self.coding else { return loss };

        // (a) of (x, y) and (u, ŷ); S sees x with ŷ, too.
        let [likeliest_x, likeliest_u] = [f_x, f_u].map(|logits| Categorical { logits }.mode());
        let own: Index = y.iter().chain(likeliest_u.iter()).copied().collect();
        let pairs = Pairs::own(&own);
        let rows = Tensor::cat(vec![x.clone(), u.clone()], 0);
        let q_z = coding.q_z.given(&pairs, [Row(&rows), Class]);
        let z = q_z.rsample(noise);
        let lost = q_z.kl_to_standard() * beta - self.generator.given(&pairs, [Pair(&z), Class]).log_prob(&rows, None);
        let [lost_x, lost_u] = parted(&lost.unsqueeze_dim(1), n).map(Tensor::mean);
        loss = loss.weigh("trd", trd, lost_x + lost_u);

        // (e)
        let [_, z_u] = parted(&z, n);
        let logits = |coding: &Coding, h: &Tensor<2>, z: &Tensor<2>| {
            coding.pair.given(&Pairs::alone(m), [Row(h), Pair(z)]).logits
        };
        let found = taken_for_labelled(logits(coding, &h_u, &still(&z_u)))
            + taken_for_unlabelled(logits(coding, &h_made, &made.z));
        let seen = others.coding.as_ref().expect("the same model");
        let hidden = taken_for_unlabelled(logits(seen, &still(&h_u), &z_u))
            + taken_for_labelled(logits(seen, &h_of_made, &made.z));
        loss = loss.weigh("pairs_found", pair, found).weigh("pairs_hidden", pair, hidden);
        let Some(sampler) = &self.sampler else { return loss };

        // (a) and (b), every row with ŷ.
        let u = rows_of(u, open);
        let of_open: Index = open.iter().map(|&row| likeliest_u[row as usize]).collect();
        let likeliest: Index = likeliest_x.iter().chain(of_open.iter()).copied().collect();
        let rows = Tensor::cat(vec![x.clone(), u], 0);
        let codes = coding.q_z.given(&Pairs::own(&likeliest), [Row(&rows), Class]).mean;
        let seen = others.sampler.as_ref().expect("the same model");
        let [of_x, of_u] = parted(&others.sampler_logits(seen, &codes, &likeliest), n);
        loss = loss.weigh("adversarial", adversarial, taken_for_labelled(of_x) + taken_for_labelled(of_u));
        let [of_x, of_u] = parted(&self.sampler_logits(sampler, &still(&codes), &likeliest), n);
        loss.add("sampler", taken_for_labelled(of_x) + taken_for_unlabelled(of_u))
    }

    /// (f) of the classifier that shares nothing.
    fn with_generated(&self, apart: &Vaal, loss: Loss, batch: &Batch, noise: &mut Noise) -> Loss {
        if self.config.of_generated <= 0.0 {
            return loss;
        }
        let made = self.clone().no_grad().generated(batch.x.dims()[0].max(self.classes), noise);
        let logits = apart.classify(&made.x.detach());
        let cost = -Categorical { logits }.log_prob(&made.y).mean();
        loss.weigh("of_generated", self.config.of_generated, cost)
    }

    /// The classifier that is trained in this stage, where it is one that shares nothing.
    fn apart_in(&self, stage: usize) -> Option<&Vaal> {
        self.apart.as_ref().filter(|_| stage > 0)
    }
}

impl Model for Aral {
    type Memory = ();

    /// Everything that some network minimises, as if each minimised all of it. `step` keeps them apart.
    fn loss(&self, batch: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        match self.apart_in(batch.moment.stage) {
            None => self.objective(batch, self, Tensor::clone, noise),
            Some(apart) => {
                let loss = apart.loss(batch, &mut (), noise);
                self.with_generated(apart, loss, batch, noise)
            }
        }
    }

    fn step(self, batch: &Batch, (): &mut (), noise: &mut Noise, update: &mut Update) -> (Self, Loss) {
        let loss = match self.apart_in(batch.moment.stage) {
            None => {
                let others = self.clone().no_grad();
                self.objective(batch, &others, |tensor| tensor.clone().detach(), noise)
            }
            Some(apart) => {
                let loss = apart.against(batch, noise);
                self.with_generated(apart, loss, batch, noise)
            }
        };
        (update.apply(self, loss.total().backward()), loss)
    }
}

impl Classifier for Aral {
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        match &self.apart {
            None => self.network.classify(x),
            Some(apart) => apart.classify(x),
        }
    }

    fn networks(&self, x: &Tensor<2>, draws: usize, noise: &mut Noise) -> Option<Tensor<3>> {
        match &self.apart {
            None => self.network.networks(x, draws, noise),
            Some(apart) => apart.networks(x, draws, noise),
        }
    }

    fn sampler(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        if let Some(apart) = &self.apart {
            return apart.sampler(x);
        }
        let (coding, sampler) = (self.coding.as_ref()?, self.sampler.as_ref()?);
        if self.config.sampler_sees_class {
            let n = x.dims()[0];
            let pairs = Pairs::every_class(n, self.classes);
            let codes = coding.q_z.given(&pairs, [Row(x), Class]).mean;
            return Some(self.sampler_logits(sampler, &codes, pairs.class()).reshape([n, self.classes]));
        }
        let likeliest = Categorical { logits: self.network.classify(x) }.mode();
        let codes = coding.q_z.given(&Pairs::own(&likeliest), [Row(x), Class]).mean;
        Some(self.sampler_logits(sampler, &codes, &likeliest))
    }

    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        match &self.apart {
            None => self.network.codes(x),
            Some(apart) => apart.codes(x),
        }
    }

    fn as_log_density(&self) -> Option<&dyn LogDensity> {
        self.coding.as_ref().map(|_| self as &dyn LogDensity)
    }

    fn as_generate(&self) -> Option<&dyn Generate> {
        self.coding.as_ref().map(|_| self as &dyn Generate)
    }
}

/// That of E and G alone: a conditional autoencoder with p(y) even and p(z) = 𝒩(0, I). S, D and D₂ are no densities.
impl LogDensity for Aral {
    /// log p(y) + E log p(x | z, y) − KL(q(z | x, y) ‖ p(z)) at the class ŷ that E is trained with, a lower bound on log p(x).
    fn log_density(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<1> {
        let likeliest = Categorical { logits: self.network.classify(x) }.mode();
        let pairs = Pairs::own(&likeliest);
        let q_z = self.coding().q_z.given(&pairs, [Row(x), Class]);
        let z = q_z.rsample(noise);
        self.generator.given(&pairs, [Pair(&z), Class]).log_prob(x, None) + self.log_p_y() - q_z.kl_to_standard()
    }

    /// Importance sampling for z under every class, and the classes summed exactly.
    fn importance_bound(&self, x: &Tensor<2>, samples: usize, noise: &mut Noise) -> Option<Tensor<1>> {
        let n = x.dims()[0];
        let pairs = Pairs::every_class(n, self.classes);
        let q_z = self.coding().q_z.given(&pairs, [Row(x), Class]);
        let log_weights = (0..samples).map(|_| {
            let z = q_z.rsample(noise);
            let log_p_x = self.generator.given(&pairs, [Pair(&z), Class]).log_prob(x, Some(pairs.row()));
            log_p_x + self.log_p_y() + Normal::standard_log_prob(&z) - q_z.log_prob(&z)
        });
        let log_p_xy: Tensor<2> = log_mean_exp(log_weights).reshape([n, self.classes]);
        Some(log_sum_exp(log_p_xy))
    }
}

impl Generate for Aral {
    fn latent(&self) -> usize {
        self.config.latent
    }

    fn knows_classes(&self) -> bool {
        true
    }

    fn code_of(&self, x: &Tensor<2>, y: &Index) -> Normal {
        self.coding().q_z.given(&Pairs::own(y), [Row(x), Class])
    }

    fn decode(&self, z: &Tensor<2>, y: &Index) -> Tensor<2> {
        self.made_of(z, y)
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::GradientsParams;
    use burn::tensor::Device;
    use halfmoon_pool::dataset::{Column, ColumnKind, Dataset, Features, Ids, Inputs, Schema};
    use halfmoon_pool::encode::{Encoding, Pixels};
    use ndarray::Array2;

    use super::*;
    use crate::model::{Counts, Moment};
    use crate::train::norm;

    /// Whether any number of a module has a gradient other than 0.
    fn moves<M: Module>(module: &M, gradients: &GradientsParams) -> bool {
        norm(module, gradients) > 0.0
    }

    fn layout() -> Layout {
        let column = |name: &str| Column { name: name.into(), kind: ColumnKind::Numeric };
        let schema = Schema {
            classes: ["a", "b", "c"].map(str::to_owned).into(),
            features: Features::Columns(["u", "v", "w"].map(column).into()),
        };
        let inputs = Inputs::Floats(Array2::from_shape_fn((8, 3), |(i, j)| ((i * 3 + j) % 7) as f32));
        let dataset = Dataset { schema, inputs, labels: vec![None; 8], ids: Ids::first(8) };
        Encoding::fit(&dataset, Pixels::default()).layout()
    }

    fn batch(device: &Device) -> Batch {
        let mut noise = Noise::new(5, 0, device);
        Batch {
            x: noise.normal([4, 3]),
            y: [0, 1, 2, 0].into(),
            u: noise.normal([6, 3]),
            open: [0, 1, 3, 5].into(),
            counts: Counts { labelled: 4, unlabelled: 10 },
            moment: Moment::default(),
        }
    }

    /// For each term the names of the modules that its gradient moves. A backward pass uses its graph up, so each has a loss of its own.
    fn moved<'a, M: Module, const N: usize>(
        model: &M,
        loss: impl Fn() -> Loss,
        moves: impl Fn(&GradientsParams) -> [(&'a str, bool); N],
    ) -> Vec<(&'static str, Vec<&'a str>)> {
        let of = |term: usize| {
            let loss = loss();
            let (name, value) = loss.terms().nth(term).expect("as many as there are");
            let gradients = GradientsParams::from_grads(value.clone().backward(), model);
            let moved = moves(&gradients).into_iter().filter(|(_, moves)| *moves);
            (name, moved.map(|(module, _)| module).collect())
        };
        (0..loss().terms().count()).map(of).collect()
    }

    #[test]
    fn each_term_moves_the_networks_that_minimise_it_and_no_other() {
        let device = Device::flex().autodiff();
        let config = AralConfig { hidden: vec![8, 6], coder: vec![7], sampler: vec![5, 5], ..AralConfig::default() };
        let aral = config.init(&layout(), 3, &mut Noise::new(1, 0, &device));
        let others = aral.clone().no_grad();
        let still = |tensor: &Tensor<2>| tensor.clone().detach();
        let loss = || aral.objective(&batch(&device), &others, still, &mut Noise::new(2, 0, &device));
        let (coding, sampler) = (aral.coding.as_ref().expect("all of it"), aral.sampler.as_ref().expect("all of it"));
        let found = moved(&aral, loss, |gradients| {
            [
                ("C, D", moves(&aral.network, gradients)),
                ("G", moves(&aral.generator, gradients)),
                ("E", moves(&coding.q_z, gradients)),
                ("D₂", moves(&coding.pair, gradients)),
                ("S", moves(sampler, gradients)),
            ]
        });
        let expected = [
            ("classify", vec!["C, D"]),
            ("real", vec!["C, D"]),
            ("features", vec!["G"]),
            ("trd", vec!["G", "E"]),
            ("pairs_found", vec!["C, D", "D₂"]),
            ("pairs_hidden", vec!["G", "E"]),
            ("adversarial", vec!["E"]),
            ("sampler", vec!["S"]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn vaals_sampler_and_its_encoder_move_against_each_other_and_not_themselves() {
        let device = Device::flex().autodiff();
        let config = VaalConfig { hidden: vec![8], coder: vec![7], sampler: vec![5, 5], ..VaalConfig::default() };
        let vaal = config.init(&layout(), 3, &mut Noise::new(1, 0, &device));
        let loss = || vaal.against(&batch(&device), &mut Noise::new(2, 0, &device));
        let found = moved(&vaal, loss, |gradients| {
            [
                ("classifier", moves(&vaal.classifier, gradients)),
                ("coder", moves(&vaal.coder, gradients)),
                ("sampler", moves(&vaal.sampler, gradients)),
            ]
        });
        let expected = [
            ("classify", vec!["classifier"]),
            ("elbo_labelled", vec!["coder"]),
            ("elbo_unlabelled", vec!["coder"]),
            ("adversarial", vec!["coder"]),
            ("sampler", vec!["sampler"]),
        ];
        assert_eq!(found, expected);
    }
}
