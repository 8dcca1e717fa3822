//! Logits as an energy: densities, gradients of the input, and Langevin chains that follow them.
//!
//! Grathwohl, Wang, Jacobsen, Duvenaud, Norouzi, Swersky. *Your Classifier is Secretly an Energy Based Model and You Should Treat it
//! Like One*. ICLR 2020, arXiv:1912.03263.
//!
//! ```text
//! log p(x, y) = f(x)_y − log Z        log p(x) = LSE_y f(x)_y − log Z        E(x) = −LSE_y f(x)_y        equations 4 to 6
//! ∂ LSE / ∂ f = softmax(f)            ∂ f_y / ∂ f = onehot(y)                ∂ −log p(y | x) / ∂ f = softmax(f) − onehot(y)
//! ∂ H[p(y | x)] / ∂ f_y = −p_y (log p_y + H),  p = softmax(f)
//! ```
//!
//! The gradient of the input is in each case one backward pass that starts with one of these. So whatever lives on logits, a chain,
//! an outlier score or an attack, is [`input_gradient`] with another start, and no parameter gets a gradient for it.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use crate::dist::log_sum_exp;
use crate::noise::Noise;
use crate::ops::{Index, one_hot};

/// Rows as networks of energies see them, about −1 to 1: shares of white and categories doubled and moved, standardised numbers as they are.
pub fn seen(layout: &Layout, x: &Tensor<2>) -> Tensor<2> {
    change_shares(layout, x.clone(), |shares| shares * 2.0 - 1.0)
}

/// The way back.
pub fn unseen(layout: &Layout, seen: Tensor<2>) -> Tensor<2> {
    change_shares(layout, seen, |shares| (shares + 1.0) * 0.5)
}

/// Rows with their shares of white and their categories changed, and their standardised numbers as they are.
fn change_shares(layout: &Layout, rows: Tensor<2>, change: impl Fn(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
    let (numeric, width) = (layout.numeric, layout.width());
    match numeric {
        0 => change(rows),
        _ if numeric == width => rows,
        _ => {
            let numbers = rows.clone().slice_dim(1, 0..numeric);
            Tensor::cat(vec![numbers, change(rows.slice_dim(1, numeric..width))], 1)
        }
    }
}

/// log p(x) + log Z of rows with these logits `[n, c]`: `[n]`.
pub fn log_density(logits: Tensor<2>) -> Tensor<1> {
    log_sum_exp::<2, 1>(logits)
}

/// What the gradient of the input is of: ∂ / ∂ f of it for logits `[n, c]`.
#[derive(Clone)]
pub enum Of<'a> {
    /// log p(x).
    Density,
    /// log p(x, y) of the first rows' classes, as many as there are, and log p(x) of the others.
    Classes(&'a Index),
    /// −log p(y | x).
    Mistake(&'a Index),
    /// log p(x) + λ H[p(y | x)] for this λ.
    Doubt(f64),
}

impl Of<'_> {
    /// ∂ / ∂ f.
    pub fn start(&self, logits: Tensor<2>) -> Tensor<2> {
        let [n, c] = logits.dims();
        let probs = softmax(logits.clone(), 1);
        match self {
            Of::Density => probs,
            Of::Classes(classes) if classes.is_empty() => probs,
            Of::Classes(classes) if classes.len() == n => one_hot(classes, c, &probs),
            Of::Classes(classes) => {
                Tensor::cat(vec![one_hot(classes, c, &probs), probs.slice_dim(0, classes.len()..n)], 0)
            }
            Of::Mistake(classes) => {
                let onehot = one_hot(classes, c, &probs);
                probs - onehot
            }
            Of::Doubt(weight) => {
                let log_probs = log_softmax(logits, 1);
                let entropy = -(probs.clone() * log_probs.clone()).sum_dim(1);
                probs.clone() - probs * (log_probs + entropy) * *weight
            }
        }
    }
}

/// The gradient at each row x of what `of` says, `[n, d]`, a constant. `logits` maps rows to `[n, c]` row by row; its parameters should
/// be without gradients, which would be worked out and thrown away.
pub fn input_gradient(logits: impl Fn(&Tensor<2>) -> Tensor<2>, x: &Tensor<2>, of: &Of) -> Tensor<2> {
    gradient_from(logits, x, |f| of.start(f)).1
}

/// The logits f `[n, c]` of each row x, and the gradient `[n, d]` of whatever has the gradient `start` of f for logits. Constants.
pub fn gradient_from(
    logits: impl Fn(&Tensor<2>) -> Tensor<2>,
    x: &Tensor<2>,
    start: impl FnOnce(Tensor<2>) -> Tensor<2>,
) -> (Tensor<2>, Tensor<2>) {
    let x = x.clone().detach().require_grad();
    let f = logits(&x);
    let known = f.clone().detach();
    let gradients = (f * start(known.clone())).sum().backward();
    (known, x.grad(&gradients).expect("logits depend on rows").autodiff())
}

/// Langevin dynamics on rows: x ← x + `step_size` · g + `noise` · ε, ε ~ 𝒩(0, I).
///
/// True to the density would be `noise`² = 2 · `step_size`. JEM's chains, as published, are colder by orders of magnitude, nearly an ascent; the
/// scale of the logits settles with it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Langevin {
    /// Steps.
    pub steps: usize,
    /// Length of a step for a gradient of length 1. The paper has 1 for its convolutional network; on the 8×8 digits 0.3 is steadier.
    pub step_size: f64,
    /// Standard deviation of the noise of a step.
    pub noise: f64,
    /// No number of the gradient counts as larger than this. 0: all count as they are, as in the paper. 1 as in JEM++ (Yang & Ji 2021) and
    /// SADA-JEM (Yang et al. 2023) changes nothing on a course that goes well, and a chain that meets a cliff is not thrown out of sight.
    pub clip: f64,
    /// Whether rows stay within −1 and 1, as in JEM++.
    pub clamp: bool,
}

impl Default for Langevin {
    /// The paper's, with a step that is right for small networks.
    fn default() -> Langevin {
        Langevin { steps: 20, step_size: 0.3, noise: 0.01, clip: 1.0, clamp: false }
    }
}

impl Langevin {
    /// Says what is wrong with a value that type-checks.
    pub fn check(&self) -> Result<(), String> {
        for (name, value) in [("step_size", self.step_size), ("noise", self.noise), ("clip", self.clip)] {
            if !value.is_finite() || value < 0.0 {
                return Err(format!("`langevin.{name}` must be 0 or more"));
            }
        }
        if self.steps == 0 { Err("`langevin.steps` must be at least 1".into()) } else { Ok(()) }
    }

    /// Where chains that start at `x` `[n, d]` come to; `gradient` says which way is up.
    pub fn run(&self, x: Tensor<2>, gradient: impl Fn(&Tensor<2>) -> Tensor<2>, noise: &mut Noise) -> Climbed {
        let mut x = x.detach();
        let mut slope = x.clone();
        for _ in 0..self.steps {
            let mut up = gradient(&x);
            slope = up.clone();
            if self.clip > 0.0 {
                up = up.clamp(-self.clip, self.clip);
            }
            x = x + up * self.step_size;
            if self.noise > 0.0 {
                let drawn = noise.normal(x.dims());
                x = x + drawn * self.noise;
            }
            if self.clamp {
                x = x.clamp(-1.0, 1.0);
            }
        }
        Climbed { at: x, slope: slope.square().sum_dim(1).sqrt() }
    }

    /// Chains from `begun` whose numbers are put back after each step to those of `x` where `known` is 1: where they come to. `[n, d]`
    pub fn fill_in(
        &self,
        x: &Tensor<2>,
        known: &Tensor<2>,
        begun: Tensor<2>,
        gradient: impl Fn(&Tensor<2>) -> Tensor<2>,
        noise: &mut Noise,
    ) -> Tensor<2> {
        let (kept, unknown) = (x.clone() * known.clone(), known.clone().neg() + 1.0);
        let once = Langevin { steps: 1, ..*self };
        let put_back = |at: Tensor<2>| kept.clone() + at * unknown.clone();
        let mut at = put_back(begun);
        for _ in 0..self.steps {
            at = put_back(once.run(at, &gradient, noise).at);
        }
        at
    }
}

/// Where chains came to. Constants.
pub struct Climbed {
    /// `[n, d]`.
    pub at: Tensor<2>,
    /// Length of the gradient before the last step, `[n, 1]`.
    pub slope: Tensor<2>,
}
