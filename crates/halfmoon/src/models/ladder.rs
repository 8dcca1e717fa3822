//! The ladder network: a classifier that has to find back, layer by layer, what noise has blurred.
//!
//! Rasmus, Valpola, Honkala, Berglund, Raiko. *Semi-Supervised Learning with Ladder Networks*. NIPS 2015,
//! arXiv:1507.02672.
//!
//! ```text
//! up, clean      z⁰ = x        zˡ = BN(hˡ⁻¹ Wˡ)        hˡ = act(γˡ (zˡ + βˡ)), at the top l = L a softmax
//! up, corrupted  z̃ the same way, with noise 𝒩(0, σ²) on the input and on every z̃ˡ
//! down           uᴸ = BN(h̃ᴸ)        uˡ = BN(ẑˡ⁺¹ Vˡ⁺¹)        ẑˡ = g(z̃ˡ, uˡ)
//!
//! g(z̃, u) = (z̃ − μ(u)) v(u) + μ(u)
//! μ(u) = a₁ sigmoid(a₂ u + a₃) + a₄ u + a₅        v(u) = a₆ sigmoid(a₇ u + a₈) + a₉ u + a₁₀
//!
//! 𝓙 = E_(x,y)[−log p(y | x) on the corrupted way] + Σ_l λ_l E_u[‖zˡ − ẑˡ_BN‖²] / d_l
//! ```
//!
//! ẑˡ_BN is ẑˡ normalised by the moments of the clean way, and d_l the width of the layer; the squares of the input are
//! over its mean variance, so that λ₀ means the same for pictures and for tables. BN takes its moments from the rows of
//! u; the authors' program normalises the labelled rows among themselves. Answers come from the clean way. The Γ-model
//! has λ at the top alone and no way down.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, softmax};
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::batch_norm::{Moments, NormalisedNet, Path};
use crate::dist::Categorical;
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Model, ModelConfig};
use crate::nets::Activation;
use crate::noise::Noise;
use crate::ops::linear;
use crate::train::{Decay, Plan, Update};

/// Hyper-parameters of [`Ladder`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LadderConfig {
    /// Widths of the hidden layers: the paper's.
    pub hidden: Vec<usize>,
    /// What stands between them: the paper's.
    pub activation: Activation,
    /// σ of the noise on the input and on every layer. The paper has 0.3 for 100 labels of MNIST.
    pub noise: f64,
    /// λ of the input, the first layer and so on up to the logits; the last one stands for all layers above. The
    /// paper's for 100 labels of MNIST: 67 for a share of the input's variance, which is 0.067 a pixel there, is its
    /// 1000 for squares. The paper's Γ-model, cheaper and not as good, is `[0, 0, 0, 0, 0, 0, 0.5]`.
    pub denoise: Vec<f64>,
}

impl Default for LadderConfig {
    fn default() -> Self {
        LadderConfig {
            hidden: vec![1000, 500, 250, 250, 250],
            activation: Activation::Relu,
            noise: 0.3,
            denoise: vec![67.0, 10.0, 0.1],
        }
    }
}

impl ModelConfig for LadderConfig {
    type Model = Ladder;
    const NAME: &'static str = "ladder";
    const ABOUT: &'static str = "a classifier that learns to find every layer back under noise";
    const PAPER: &'static str = "rasmus2015ladder";
    const NEEDS_LABELS: bool = true;

    /// Rows and rate of the authors' program, which makes 90,000 steps.
    fn plan() -> Plan {
        Plan { steps: 5000, rate: 2e-3, decay: Decay::Linear, ..Plan::default() }
    }

    fn check(&self, _: &Layout) -> Result<(), String> {
        super::check_hidden("hidden", &self.hidden)?;
        if !self.noise.is_finite() || self.noise < 0.0 {
            return Err("`noise` must be 0 or more".into());
        }
        let most = self.hidden.len() + 2;
        if self.denoise.is_empty() || self.denoise.len() > most {
            return Err(format!(
                "`denoise` has {} weights and needs 1 to {most}: of the input, of each hidden layer and of the logits",
                self.denoise.len()
            ));
        }
        if self.denoise.iter().any(|weight| !weight.is_finite() || *weight < 0.0) {
            return Err("`denoise` must hold weights of 0 or more".into());
        }
        Ok(())
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Ladder {
        let up = NormalisedNet::new(layout.width(), &self.hidden, self.activation, classes, noise);
        let widths = [&[layout.width()], &self.hidden[..], &[classes]].concat();
        let last = self.denoise.len() - 1;
        let weights: Vec<f64> = (0..widths.len()).map(|layer| self.denoise[layer.min(last)]).collect();
        // Below the lowest layer that is denoised there is no way down.
        let lowest = weights.iter().position(|&weight| weight > 0.0).unwrap_or(widths.len());
        let down = (lowest..widths.len()).rev();
        let down = down.map(|layer| Denoiser::new(widths.get(layer + 1).copied(), widths[layer], noise)).collect();
        Ladder { up, down, weights, noise: self.noise }
    }
}

/// One layer of the way down.
#[derive(Module, Debug)]
pub struct Denoiser {
    from_above: Option<Param<Tensor<2>>>, // V: [width above, width], but at the top
    a: Param<Tensor<2>>,                  // a₁ … a₁₀: [10, width]
}

/// Standard deviation of what the combinators' parameters differ by at the start from what lets z̃ through.
const NEAR_ZERO: f64 = 1e-3;

impl Denoiser {
    /// `above`: width of the layer above, if there is one.
    pub fn new(above: Option<usize>, width: usize, noise: &mut Noise) -> Denoiser {
        let from_above = above.map(|above| {
            let std_dev = (1.0 / above as f64).sqrt();
            Param::from_tensor(noise.normal([above, width]) * std_dev)
        });
        // μ = 0 and v = 1 let z̃ through, as it is; but without a trace of u no gradient would reach the layers above.
        let through: Tensor<1> = Tensor::from_floats([0., 1., 0., 0., 0., 0., 1., 0., 0., 1.], noise.device());
        let a = noise.normal([10, width]) * NEAR_ZERO + through.unsqueeze_dim(1);
        Denoiser { from_above, a: Param::from_tensor(a) }
    }

    /// ẑ = g(z̃, u) with u = BN(what comes from above): `[n, width]`.
    pub fn denoise(&self, corrupted: &Tensor<2>, above: Tensor<2>) -> Tensor<2> {
        let from_above = match &self.from_above {
            Some(weight) => linear(above, weight.val(), None, Activation::Identity),
            None => above,
        };
        let u = Moments::of(&from_above).normalise(from_above);
        let a = |i: usize| self.a.val().slice_dim(0, i - 1..i);
        let mean = a(1) * sigmoid(a(2) * u.clone() + a(3)) + a(4) * u.clone() + a(5);
        let share = a(6) * sigmoid(a(7) * u.clone() + a(8)) + a(9) * u + a(10);
        (corrupted.clone() - mean.clone()) * share + mean
    }
}

/// The classifier, and the way down from its logits.
#[derive(Module, Debug)]
pub struct Ladder {
    up: NormalisedNet,
    down: Vec<Denoiser>, // from the logits to the lowest layer that is denoised
    #[module(skip)]
    weights: Vec<f64>, // λ of the input and of each layer
    #[module(skip)]
    noise: f64,
}

impl Ladder {
    /// The clean way up of rows `[n, d]`.
    pub fn clean(&self, rows: &Tensor<2>) -> Path {
        self.up.path(rows, 0, None)
    }

    /// The corrupted way up, normalised by the moments of the rows from `first` on.
    pub fn corrupted(&self, rows: &Tensor<2>, first: usize, noise: &mut Noise) -> Path {
        self.up.path(rows, first, Some((self.noise, noise)))
    }

    /// Logits on a way up: `[n, c]`.
    pub fn logits(&self, path: &Path) -> Tensor<2> {
        self.up.logits(path)
    }

    /// Σ_l λ_l ‖zˡ − ẑˡ_BN‖² / d_l, as a mean over the rows on the clean way, the last ones of those on the corrupted
    /// way with its logits: one number.
    pub fn denoising(&self, clean: &Path, corrupted: &Path, logits: &Tensor<2>) -> Tensor<1> {
        let (n, all) = (clean.z[0].dims()[0], logits.dims()[0]);
        let own = |rows: &Tensor<2>| rows.clone().slice_dim(0, all - n..all);
        let mut above = softmax(own(logits), 1);
        let mut sum: Option<Tensor<1>> = None;
        for (layer, denoiser) in (0..clean.z.len()).rev().zip(&self.down) {
            above = denoiser.denoise(&own(&corrupted.z[layer]), above);
            let (target, moments) = (&clean.z[layer], layer.checked_sub(1).map(|below| &clean.moments[below]));
            let estimate = moments.map_or(above.clone(), |moments| moments.normalise(above.clone()));
            let square = (target.clone() - estimate).square().mean();
            // The variance of the layers above is 1 already.
            let variance = (layer == 0).then(|| Moments::of(target).variance.mean().clamp_min(1e-6));
            let cost = variance.map_or(square.clone(), |variance| square / variance) * self.weights[layer];
            sum = Some(sum.map_or(cost.clone(), |sum| sum + cost));
        }
        sum.expect("asked where at least one layer is denoised")
    }

    /// 𝓙, and the moments of the clean way.
    fn objective(&self, Batch { x, y, u, .. }: &Batch, noise: &mut Noise) -> (Loss, Vec<Moments>) {
        let u = if u.dims()[0] == 0 { x } else { u };
        let n = x.dims()[0];
        let corrupted = self.corrupted(&Tensor::cat(vec![x.clone(), u.clone()], 0), n, noise);
        let clean = if self.down.is_empty() { self.clone().no_grad().clean(u) } else { self.clean(u) };
        let logits = self.logits(&corrupted);
        let p_x = Categorical { logits: logits.clone().slice_dim(0, 0..n) };
        let mut loss = Loss::default().add("classify", -p_x.log_prob(y).mean());
        if !self.down.is_empty() {
            loss = loss.add("denoising", self.denoising(&clean, &corrupted, &logits));
        }
        (loss, clean.moments)
    }
}

impl Model for Ladder {
    type Memory = ();

    fn loss(&self, batch: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        self.objective(batch, noise).0
    }

    fn step(self, batch: &Batch, (): &mut (), noise: &mut Noise, update: &mut Update) -> (Self, Loss) {
        let (loss, moments) = self.objective(batch, noise);
        let Ladder { up, down, weights, noise } = update.apply(self, loss.total().backward());
        (Ladder { up: up.update(&moments, batch.moment.step), down, weights, noise }, loss)
    }
}

impl Classifier for Ladder {
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        self.up.classify(x)
    }

    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        Some(self.up.codes(x))
    }
}
