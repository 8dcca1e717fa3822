//! Small changes of a row that make a classifier err, as far as gradients find them.
//!
//! Madry, Makelov, Schmidt, Tsipras, Vladu. *Towards Deep Learning Models Resistant to Adversarial Attacks*. ICLR 2018, arXiv:1706.06083. One
//! step of the whole radius without a random start is the fast gradient sign method of Goodfellow, Shlens, Szegedy (ICLR 2015,
//! arXiv:1412.6572).

mod apgd;

use burn::tensor::{Bool, Tensor, TensorData};

pub use apgd::{Apgd, Target};

use crate::dist::Categorical;
use crate::energy::{Of, gradient_from};
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

/// Rows that an attack may go to: those near a row, with numbers in a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ball {
    /// What the radius is measured in.
    pub norm: Norm,
    /// In units of a row's numbers.
    pub radius: f64,
    /// The least and the largest value that a number may have.
    pub range: Option<(f64, f64)>,
}

/// Projected gradient ascent of −log p(y | x) within a ball around each row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pgd {
    /// Where it may go.
    pub ball: Ball,
    /// Steps from each start.
    pub steps: usize,
    /// Length of a step, as a share of the radius. 2.5 / steps reaches the edge from everywhere, as Madry et al. have it.
    pub step: f64,
    /// Random starts; 0: one from the row itself.
    pub starts: usize,
}

/// What an attack came to.
pub struct Attacked {
    /// For each row the first row in the ball, itself included, that is answered wrongly; where there is none, the last one that was tried. `[n, d]`
    pub at: Tensor<2>,
    /// Whether the answer to it is wrong, as a fresh look says.
    pub is_wrong: Vec<bool>,
}

impl Pgd {
    /// One step to the edge, from the row itself.
    pub fn fgsm(ball: Ball) -> Pgd {
        Pgd { ball, steps: 1, step: 1.0, starts: 0 }
    }

    /// Attacks rows `[n, d]` of class `y`.
    pub fn attack(
        &self,
        logits: impl Fn(&Tensor<2>) -> Tensor<2>,
        x: &Tensor<2>,
        y: &Index,
        noise: &mut Noise,
    ) -> Attacked {
        let mut found = Found::new(&logits, x, y);
        for _ in 0..self.starts.max(1) {
            let mut at = if self.starts == 0 { x.clone() } else { self.ball.anywhere(x, noise) };
            for _ in 0..self.steps {
                let (f, up) = gradient_from(&logits, &at, |f| Of::Mistake(y).start(f));
                found.take(&at, &f, y);
                at = self.ball.within(at + self.ball.steepest(up) * (self.step * self.ball.radius), x);
            }
            found.take(&at, &logits(&at), y);
        }
        found.checked(&logits, y)
    }
}

impl Ball {
    /// Rows anywhere in the balls around these.
    pub fn anywhere(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<2> {
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
    fn steepest(&self, gradient: Tensor<2>) -> Tensor<2> {
        match self.norm {
            Norm::LInf => gradient.sign(),
            Norm::L2 => unit(gradient),
        }
    }

    /// The nearest rows in the balls around x, then in the range, which keeps them in the ball.
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

/// Rows that are given a class surely, begun anywhere between 0 and 1: steps of this length up log p(y | x), for so many steps and until p(y | x) > 0.9.
/// What they look like tells what a classifier takes its classes to be (Grathwohl et al. 2020, section 5.4). The rows `[n, d]` and their p(y | x).
pub fn distal(
    logits: impl Fn(&Tensor<2>) -> Tensor<2>,
    y: &Index,
    width: usize,
    steps: usize,
    length: f64,
    noise: &mut Noise,
) -> (Tensor<2>, Vec<f64>) {
    let mut at = noise.uniform([y.len(), width]);
    let mut probs = vec![0.0; y.len()];
    for step in 0..=steps {
        let (f, up) = gradient_from(&logits, &at, |f| -Of::Mistake(y).start(f));
        probs = Categorical { logits: f }.log_prob(y).exp().into_data().iter::<f64>().collect();
        let is_sure: Vec<bool> = probs.iter().map(|&p| p > SURE).collect();
        if step == steps || !is_sure.contains(&false) {
            break;
        }
        let moved = (at.clone() + unit(up) * length).clamp(0.0, 1.0);
        at = moved.mask_where(mask(&is_sure, &at), at.clone());
    }
    (at, probs)
}

/// From where on a row is given a class surely.
const SURE: f64 = 0.9;

/// The first wrong answers so far.
struct Found {
    at: Tensor<2>,
    is_wrong: Vec<bool>,
}

impl Found {
    fn new(logits: &impl Fn(&Tensor<2>) -> Tensor<2>, x: &Tensor<2>, y: &Index) -> Found {
        Found { at: x.clone(), is_wrong: wrong(&logits(x), y) }
    }

    /// Rows with these logits, where nothing was found before.
    fn take(&mut self, at: &Tensor<2>, logits: &Tensor<2>, y: &Index) {
        self.at = at.clone().mask_where(mask(&self.is_wrong, at), self.at.clone());
        for (was, is) in self.is_wrong.iter_mut().zip(wrong(logits, y)) {
            *was |= is;
        }
    }

    fn checked(self, logits: &impl Fn(&Tensor<2>) -> Tensor<2>, y: &Index) -> Attacked {
        let is_wrong = wrong(&logits(&self.at), y);
        Attacked { at: self.at, is_wrong }
    }
}

/// Whether each row is answered with another class than y.
fn wrong(logits: &Tensor<2>, y: &Index) -> Vec<bool> {
    let mode = Categorical { logits: logits.clone() }.mode();
    mode.iter().zip(y.iter()).map(|(found, y)| found != y).collect()
}

/// Rows, chosen: in the shape of `like`.
fn mask(rows: &[bool], like: &Tensor<2>) -> Tensor<2, Bool> {
    let column: Tensor<2, Bool> = Tensor::from_data(TensorData::new(rows.to_vec(), [rows.len(), 1]), &like.device());
    column.expand(like.dims())
}

/// Each row `[n, d]` to length 1; a row of zeros stays.
pub fn unit(rows: Tensor<2>) -> Tensor<2> {
    // By the largest number first: squares of what is tiny are 0.
    let rows = rows.clone() / rows.abs().max_dim(1).clamp_min(1e-30);
    let length = rows.clone().square().sum_dim(1).sqrt();
    rows / length.clamp_min(1e-30)
}
