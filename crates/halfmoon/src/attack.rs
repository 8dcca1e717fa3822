//! Small changes of a row that make a classifier err, as far as gradients find them.
//!
//! Madry, Makelov, Schmidt, Tsipras, Vladu. *Towards Deep Learning Models Resistant to Adversarial Attacks*. ICLR 2018, arXiv:1706.06083. One
//! step of the whole radius without a random start is the fast gradient sign method of Goodfellow, Shlens, Szegedy (ICLR 2015,
//! arXiv:1412.6572).

use burn::tensor::{Bool, Tensor};

use crate::dist::Categorical;
use crate::energy::{Of, input_gradient};
use crate::noise::Noise;
use crate::ops::Index;

/// What the length of a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// The largest change of a number.
    LInf,
    /// The root of the sum of the squares of all changes.
    L2,
}

/// Projected gradient ascent of −log p(y | x) within a ball around each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Pgd {
    /// What the radius is measured in.
    pub norm: Norm,
    /// Radius of the ball, in units of a row's numbers.
    pub radius: f64,
    /// Steps from each start.
    pub steps: usize,
    /// Length of a step, as a share of the radius. 2.5 / steps reaches the edge from everywhere, as Madry et al. have it.
    pub step: f64,
    /// Random starts; 0: one from the row itself.
    pub starts: usize,
    /// The least and the largest value that a number may have.
    pub range: Option<(f64, f64)>,
}

impl Pgd {
    /// One step to the edge, from the row itself.
    pub fn fgsm(radius: f64, range: Option<(f64, f64)>) -> Pgd {
        Pgd { norm: Norm::LInf, radius, steps: 1, step: 1.0, starts: 0, range }
    }

    /// For each row `[n, d]` of class `y` the first row in the ball, the row itself included, that is not answered with `y`; where there is none,
    /// the last one that was tried. `[n, d]`, and whether the answer is wrong, each as a fresh look at the row says.
    pub fn attack(
        &self,
        logits: impl Fn(&Tensor<2>) -> Tensor<2>,
        x: &Tensor<2>,
        y: &Index,
        noise: &mut Noise,
    ) -> (Tensor<2>, Vec<bool>) {
        let mut found = Best { at: x.clone(), is_wrong: wrong(&logits, x, y) };
        for _ in 0..self.starts.max(1) {
            let mut at = if self.starts == 0 { x.clone() } else { self.start(x, noise) };
            found.take(&at, wrong(&logits, &at, y));
            for _ in 0..self.steps {
                let up = input_gradient(&logits, &at, &Of::Mistake(y));
                at = self.within(at + self.direction(up) * (self.step * self.radius), x);
                found.take(&at, wrong(&logits, &at, y));
            }
        }
        let is_wrong = wrong(&logits, &found.at, y).into_data().iter::<bool>().collect();
        (found.at, is_wrong)
    }

    /// Anywhere in the ball.
    fn start(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<2> {
        let change = match self.norm {
            Norm::LInf => (noise.uniform(x.dims()) * 2.0 - 1.0) * self.radius,
            Norm::L2 => {
                let [n, d] = x.dims();
                let share = noise.uniform([n, 1]).powf_scalar(1.0 / d as f64);
                unit(noise.normal(x.dims())) * share * self.radius
            }
        };
        self.within(x.clone() + change.cast(x.dtype()), x)
    }

    /// Steepest ascent by a length of 1.
    fn direction(&self, gradient: Tensor<2>) -> Tensor<2> {
        match self.norm {
            Norm::LInf => gradient.sign(),
            Norm::L2 => unit(gradient),
        }
    }

    /// The nearest rows in the ball around x, then in the range, which keeps them in the ball.
    fn within(&self, at: Tensor<2>, x: &Tensor<2>) -> Tensor<2> {
        let change = at - x.clone();
        let change = match self.norm {
            Norm::LInf => change.clamp(-self.radius, self.radius),
            Norm::L2 => {
                let length = change.clone().square().sum_dim(1).sqrt();
                change * (length.clamp_min(1e-30).recip() * self.radius).clamp_max(1.0)
            }
        };
        let at = x.clone() + change;
        match self.range {
            Some((low, high)) => at.clamp(low, high),
            None => at,
        }
    }
}

/// The first wrong answers so far.
struct Best {
    at: Tensor<2>,
    is_wrong: Tensor<2, Bool>, // [n, 1]
}

impl Best {
    fn take(&mut self, at: &Tensor<2>, is_wrong: Tensor<2, Bool>) {
        let kept = self.is_wrong.clone().expand(at.dims());
        self.at = at.clone().mask_where(kept, self.at.clone());
        self.is_wrong = self.is_wrong.clone().bool_or(is_wrong);
    }
}

/// Whether each row is answered with another class than y: `[n, 1]`.
fn wrong(logits: &impl Fn(&Tensor<2>) -> Tensor<2>, x: &Tensor<2>, y: &Index) -> Tensor<2, Bool> {
    let mode = Categorical { logits: logits(x) }.mode();
    let is_wrong: Vec<bool> = mode.iter().zip(y.iter()).map(|(found, y)| found != y).collect();
    let n = is_wrong.len();
    Tensor::from_data(burn::tensor::TensorData::new(is_wrong, [n, 1]), &x.device())
}

/// Each row `[n, d]` to length 1; a row of zeros stays.
pub fn unit(rows: Tensor<2>) -> Tensor<2> {
    // By the largest number first: squares of what is tiny are 0.
    let rows = rows.clone() / rows.abs().max_dim(1).clamp_min(1e-30);
    let length = rows.clone().square().sum_dim(1).sqrt();
    rows / length.clamp_min(1e-30)
}
