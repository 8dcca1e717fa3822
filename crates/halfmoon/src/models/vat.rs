//! Virtual adversarial training: a classifier whose answers barely change where a small step in the inputs changes them
//! most.
//!
//! Miyato, Maeda, Koyama, Ishii. *Virtual Adversarial Training: A Regularization Method for Supervised and
//! Semi-Supervised Learning*. IEEE TPAMI 2019, arXiv:1704.03976. First in *Distributional Smoothing with Virtual
//! Adversarial Training*, ICLR 2016.
//!
//! ```text
//! D(r)   = KL(p(y | x) ‖ p(y | x + r)), where the first is a constant
//! LDS(x) = D(r_vadv) with r_vadv = argmax D(r) over ‖r‖ ≤ ε
//! 𝓙      = E_(x,y)[−log p(y | x)] + α E_u[LDS(u)] + β E_u[H[p(y | u)]]
//!
//! r_vadv ≈ ε d with d ← ∇_r D(r) / ‖∇_r D(r)‖ at r = ξ d, `iterations` times, from a random direction d
//! ```
//!
//! β > 0 is the paper's VAT+EntMin. ε and ξ are shares of how far rows are from their mean, so that they mean the same
//! for pictures of any size and for tables, where r moves standardised numbers and the ones of categories alike.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::Tensor;
use halfmoon_pool::dataset::ImageShape;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::batch_norm::{Moments, NormalisedNet};
use super::supervised::Net;
use crate::attack::unit;
use crate::augment::Augment;
use crate::dist::Categorical;
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Model, ModelConfig};
use crate::nets::{Activation, ConvNet};
use crate::noise::Noise;
use crate::train::{Decay, Plan, Update};

/// Hyper-parameters of [`Vat`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VatConfig {
    /// `mlp` for any rows, with batch normalisation as the paper's networks have it; `conv` for pictures, without.
    pub net: Net,
    /// Widths of the hidden layers. The authors' program for MNIST with 100 labels has two of 1200.
    pub hidden: Vec<usize>,
    /// What stands between them.
    pub activation: Activation,
    /// Outputs of each convolution of `conv`.
    pub channels: Vec<usize>,
    /// How pictures are changed each time that they are learned from, labelled ones and others. The paper has this for CIFAR-10 and SVHN.
    pub augment: Augment,
    /// ε, as a share of the rows' spread: the root of their mean squared distance from their mean, 7.3 for MNIST. There
    /// the authors' programs have ε = 0.3 with 100 labels and 2.1 with all; beside the entropy term 2.5 learns faster
    /// than 1.5.
    pub radius: f64,
    /// ξ, as a share of the spread too. The papers' 1e-6 is lost in the rounding of `f32`.
    pub xi: f64,
    /// How often the direction is improved. The paper has 1.
    pub iterations: usize,
    /// α: how heavy LDS weighs. The paper has 1.
    pub smoothness: f64,
    /// β: how heavy the entropy of the answers weighs. The paper has 0, or 1 for its VAT+EntMin. On one draw of 100
    /// labels of MNIST a thousand steps came to 8 % error with 1 and to 14 % with 0.
    pub entropy: f64,
    /// How heavy KL(p̄ ‖ uniform) weighs, p̄ the mean answer for a step's unlabelled rows: without it the entropy term
    /// lets two classes that look alike become one. The paper has 0.
    pub balance: f64,
    /// Steps within which α, β and this rise to these values, so that labelled rows say first which class is where. The paper
    /// has none.
    pub warm_up: u64,
}

impl Default for VatConfig {
    fn default() -> Self {
        VatConfig {
            net: Net::Mlp,
            hidden: vec![500, 500],
            activation: Activation::Relu,
            channels: vec![16, 32],
            augment: Augment::None,
            radius: 0.35,
            xi: 0.1,
            iterations: 1,
            smoothness: 1.0,
            entropy: 1.0,
            balance: 1.0,
            warm_up: 300,
        }
    }
}

impl ModelConfig for VatConfig {
    type Model = Vat;
    const NAME: &'static str = "vat";
    const ABOUT: &'static str = "a classifier whose answers stay the same where a small step would change them most";
    const PAPER: &'static str = "miyato2019vat";
    const NEEDS_LABELS: bool = true;

    /// Rows and rate of the authors' program, which makes 50,000 steps.
    fn plan() -> Plan {
        Plan { steps: 5000, rate: 2e-3, unlabelled_rows: 250, decay: Decay::Linear, ..Plan::default() }
    }

    fn check(&self, layout: &Layout) -> Result<(), String> {
        self.net.check(&self.hidden, &self.channels, layout)?;
        self.augment.check(layout)?;
        if self.net == Net::WideResnet {
            return Err("`net` is `mlp` or `conv` here".into());
        }
        for (name, value) in [("radius", self.radius), ("xi", self.xi)] {
            if !value.is_finite() || value <= 0.0 {
                return Err(format!("`{name}` must be more than 0"));
            }
        }
        for (name, weight) in [("smoothness", self.smoothness), ("entropy", self.entropy), ("balance", self.balance)] {
            if !weight.is_finite() || weight < 0.0 {
                return Err(format!("`{name}` must be a weight of 0 or more"));
            }
        }
        if self.iterations == 0 {
            return Err("`iterations` must be at least 1".into());
        }
        Ok(())
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Vat {
        let (mlp, conv) = match self.net {
            Net::Mlp => {
                let net = NormalisedNet::new(layout.width(), &self.hidden, self.activation, classes, noise);
                (Some(net), None)
            }
            Net::Conv | Net::WideResnet => {
                let shape = layout.image.expect("`check` refuses `conv` without pictures");
                (None, Some(ConvNet::new(shape, &self.channels, self.hidden[0], Activation::Relu, classes, noise)))
            }
        };
        Vat { mlp, conv, shape: layout.image, config: self.clone() }
    }
}

/// p(y | x) by one network: one of the two is there.
#[derive(Module, Debug)]
pub struct Vat {
    mlp: Option<NormalisedNet>,
    conv: Option<ConvNet>,
    #[module(skip)]
    shape: Option<ImageShape>,
    #[module(skip)]
    config: VatConfig,
}

impl Vat {
    /// p(y | x) of rows `[n, d]` as training sees it, normalised by the moments of those from `first` on, and these
    /// moments.
    pub fn learn(&self, rows: &Tensor<2>, first: usize) -> (Categorical, Vec<Moments>) {
        match &self.mlp {
            Some(mlp) => {
                let path = mlp.path(rows, first, None);
                (Categorical { logits: mlp.logits(&path) }, path.moments)
            }
            None => (Categorical { logits: self.classify(rows) }, Vec::new()),
        }
    }

    /// D(r) of each row `[n, d]`, for p(y | x) as `p` says: `[n]`.
    pub fn distance(&self, x: &Tensor<2>, p: &Categorical, r: &Tensor<2>) -> Tensor<1> {
        p.kl(&self.learn(&(x.clone() + r.clone()), 0).0)
    }

    /// r_vadv of each row: `[n, d]`, a constant.
    pub fn adversarial(&self, x: &Tensor<2>, p: &Categorical, noise: &mut Noise) -> Tensor<2> {
        let VatConfig { radius, xi, iterations, .. } = self.config;
        let spread = spread(x);
        // Parameters without gradients: otherwise each would get one here, only to be thrown away.
        let fixed = self.clone().no_grad();
        let mut d = noise.normal(x.dims()).cast(x.dtype());
        for _ in 0..iterations {
            d = steepest(|r| fixed.distance(x, p, r), unit(d) * spread.clone() * xi);
        }
        unit(d) * spread * radius
    }

    /// 𝓙, and the moments that `classify` needs.
    fn objective(&self, Batch { x, y, u, moment, .. }: &Batch, noise: &mut Noise) -> (Loss, Vec<Moments>) {
        let VatConfig { smoothness, entropy, balance, warm_up, augment, .. } = self.config;
        let share = moment.warm_up(warm_up);
        // Without unlabelled rows this is the supervised case of the paper.
        let u = if u.dims()[0] == 0 { x } else { u };
        let ([n, _], [m, _]) = (x.dims(), u.dims());
        let rows = Tensor::cat(vec![x.clone(), u.clone()], 0);
        let rows = augment.changed(&rows, self.shape, noise).unwrap_or(rows);
        let (p, moments) = self.learn(&rows, n);
        let of = |logits: Tensor<2>, rows: Range<usize>| Categorical { logits: logits.slice_dim(0, rows) };
        let mut loss = Loss::default().add("classify", -of(p.logits.clone(), 0..n).log_prob(y).mean());
        if smoothness > 0.0 {
            let constant = of(p.logits.clone().detach(), n..n + m);
            let u = rows.slice_dim(0, n..n + m);
            let r = self.adversarial(&u, &constant, noise);
            loss = loss.weigh("smoothness", share * smoothness, self.distance(&u, &constant, &r).mean());
        }
        if entropy > 0.0 {
            loss = loss.weigh("entropy", share * entropy, of(p.logits.clone(), n..n + m).entropy().mean());
        }
        if balance > 0.0 {
            loss = loss.weigh("balance", share * balance, of(p.logits, n..n + m).imbalance());
        }
        (loss, moments)
    }
}

/// ∇_r Σ D(r) at `r`: each row of D depends on a row of r, or nearly so where rows are normalised together.
pub fn steepest(distance: impl Fn(&Tensor<2>) -> Tensor<1>, r: Tensor<2>) -> Tensor<2> {
    let r = r.detach().require_grad();
    let gradients = distance(&r).sum().backward();
    r.grad(&gradients).expect("the distance depends on r").autodiff()
}

/// The root of the mean squared distance of rows `[n, d]` from their mean: `[1, 1]`.
fn spread(rows: &Tensor<2>) -> Tensor<2> {
    Moments::of(rows).variance.sum_dim(1).sqrt()
}

impl Model for Vat {
    type Memory = ();

    fn loss(&self, batch: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        self.objective(batch, noise).0
    }

    fn step(self, batch: &Batch, (): &mut (), noise: &mut Noise, update: &mut Update) -> (Self, Loss) {
        let (loss, moments) = self.objective(batch, noise);
        let vat = update.apply(self, loss.total().backward());
        (Vat { mlp: vat.mlp.map(|net| net.update(&moments, batch.moment.step)), ..vat }, loss)
    }
}

impl Classifier for Vat {
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        match (&self.mlp, &self.conv) {
            (Some(mlp), _) => mlp.classify(x),
            (None, Some(conv)) => conv.forward(x),
            (None, None) => unreachable!("`init` makes one of the two"),
        }
    }

    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        self.mlp.as_ref().map(|mlp| mlp.codes(x)).or_else(|| self.conv.as_ref().map(|conv| conv.codes(x)))
    }
}
