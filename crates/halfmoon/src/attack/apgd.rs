//! Attacks that choose the length of their steps by themselves.
//!
//! Croce, Hein. *Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free Attacks*. ICML 2020, arXiv:2003.01690,
//! algorithm 1 and section 4.
//!
//! ```text
//! DLR_t(x, y) = −(f_y − f_t) / (f_(1) − (f_(3) + f_(4)) / 2)        f_(k): the k-th largest logit
//! ```

use burn::tensor::{Tensor, TensorData};

use super::{Attacked, Ball, Found, mask};
use crate::dist::Categorical;
use crate::energy::{Of, gradient_from};
use crate::noise::Noise;
use crate::ops::{Index, one_hot};

/// Projected gradient ascent with momentum whose steps halve where they stop to help: APGD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Apgd {
    /// Where it may go.
    pub ball: Ball,
    /// Steps from each start. The paper has 100.
    pub steps: usize,
    /// Random starts, of each target.
    pub starts: usize,
    /// What is climbed.
    pub target: Target,
}

/// What an attack climbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// −log p(y | x): APGD-CE.
    Mistake,
    /// DLR_t towards each of the so many likeliest other classes t in turn: APGD-T, for which the paper has 9. With three classes or fewer the plain
    /// difference f_t − f_y.
    Towards(usize),
}

/// Share of the steps between two checks that must gain something for the step to stay as long as it is.
const GAINS: f64 = 0.75;
/// How much of a move is new; the rest goes on as the one before.
const MOMENTUM: f64 = 0.75;

impl Apgd {
    /// Attacks rows `[n, d]` of class `y`.
    pub fn attack(
        &self,
        logits: impl Fn(&Tensor<2>) -> Tensor<2>,
        x: &Tensor<2>,
        y: &Index,
        noise: &mut Noise,
    ) -> Attacked {
        let mut found = Found::new(&logits, x, y);
        let clean = logits(x).detach();
        let targets = match self.target {
            Target::Mistake => vec![y.clone()],
            Target::Towards(targets) => others(&clean, y, targets),
        };
        for towards in targets {
            for _ in 0..self.starts.max(1) {
                self.climb(&logits, x, y, &towards, &mut found, noise);
            }
        }
        found.checked(&logits, y)
    }

    /// From one random start. Rows that are answered wrongly somewhere on the way are taken into `found`.
    fn climb(
        &self,
        logits: &impl Fn(&Tensor<2>) -> Tensor<2>,
        x: &Tensor<2>,
        y: &Index,
        towards: &Index,
        found: &mut Found,
        noise: &mut Noise,
    ) {
        let [n, _] = x.dims();
        let look = |at: &Tensor<2>| {
            let mut values = Vec::new();
            let (f, up) = gradient_from(logits, at, |f| {
                let (value, start) = self.target.value(&f, y, towards);
                values = value;
                start
            });
            (f, up, values)
        };
        let within = |at: Tensor<2>| self.ball.within(at, x);
        let mut at = self.ball.anywhere(x, noise);
        let (mut before, mut best) = (at.clone(), at.clone());
        let mut rows = vec![Row::new(2.0 * self.ball.radius); n];
        let checks = checks(self.steps);
        for step in 0..self.steps {
            let (f, mut up, values) = look(&at);
            found.take(&at, &f, y);
            let is_best: Vec<bool> = rows.iter_mut().zip(&values).map(|(row, &value)| row.take(value)).collect();
            best = best.mask_where(mask(&is_best, x), at.clone());
            if let Some(check) = checks.iter().position(|&check| check == step) {
                let since = step - check.checked_sub(1).map_or(0, |before| checks[before]);
                let halved: Vec<bool> = rows.iter_mut().map(|row| row.check(since)).collect();
                if halved.contains(&true) {
                    // A shorter step goes on from the best place so far.
                    let halved = mask(&halved, x);
                    at = at.mask_where(halved.clone(), best.clone());
                    before = before.mask_where(halved, best.clone());
                    up = look(&at).1;
                }
            }
            let lengths: Vec<f64> = rows.iter().map(|row| row.length).collect();
            let lengths: Tensor<2> = Tensor::from_data(TensorData::new(lengths, [n, 1]), (&x.device(), x.dtype()));
            let ahead = within(at.clone() + self.ball.steepest(up) * lengths);
            let momentum = if step == 0 { 1.0 } else { MOMENTUM };
            let moved = (ahead - at.clone()) * momentum + (at.clone() - before) * (1.0 - momentum);
            before = at.clone();
            at = within(at + moved);
        }
        found.take(&at, &logits(&at), y);
    }
}

impl Target {
    /// What is climbed, and its gradient for logits f `[n, c]`.
    fn value(self, f: &Tensor<2>, y: &Index, towards: &Index) -> (Vec<f64>, Tensor<2>) {
        let [_, classes] = f.dims();
        let numbers = |value: Tensor<1>| value.into_data().iter::<f64>().collect::<Vec<f64>>();
        match self {
            Target::Mistake => {
                let value = -Categorical { logits: f.clone() }.log_prob(y);
                (numbers(value), Of::Mistake(y).start(f.clone()))
            }
            Target::Towards(_) => {
                let difference = one_hot(towards, classes, f) - one_hot(y, classes, f);
                let value: Tensor<2> = (f.clone() * difference.clone()).sum_dim(1);
                if classes < 4 {
                    return (numbers(value.squeeze_dim(1)), difference);
                }
                // The classes that are 1st, 3rd and 4th are constants for the gradient.
                let ranked = ranked(f);
                let rank = |k: usize| one_hot(&ranked.iter().map(|row| row[k]).collect(), classes, f);
                let spread_of = rank(0) - (rank(2) + rank(3)) * 0.5;
                let spread = (f.clone() * spread_of.clone()).sum_dim(1).clamp_min(1e-12);
                let ratio = value / spread.clone();
                let start = (difference - spread_of * ratio.clone()) / spread;
                (numbers(ratio.squeeze_dim(1)), start)
            }
        }
    }
}

/// One row's way.
#[derive(Debug, Clone)]
struct Row {
    length: f64,
    value: f64,
    best: f64,
    /// Steps that gained something since the last check.
    gains: usize,
    /// The best value, and whether the step was halved, at the last check.
    before: (f64, bool),
}

impl Row {
    fn new(length: f64) -> Row {
        let none = f64::NEG_INFINITY;
        Row { length, value: none, best: none, gains: 0, before: (none, true) }
    }

    /// Takes the value after a step: whether it is the best so far.
    fn take(&mut self, value: f64) -> bool {
        self.gains += usize::from(value > self.value);
        self.value = value;
        let is_best = value > self.best;
        self.best = self.best.max(value);
        is_best
    }

    /// Halves the step if it has stopped to help in the `since` steps after the last check: whether it did.
    fn check(&mut self, since: usize) -> bool {
        let (best, was_halved) = self.before;
        let is_stuck = !was_halved && self.best <= best;
        let halved = (self.gains as f64) < GAINS * since as f64 || is_stuck;
        self.before = (self.best, halved);
        self.gains = 0;
        if halved {
            self.length /= 2.0;
        }
        halved
    }
}

/// The steps before which the length is looked at: 0.22 of all of them, then stretches that are each 0.03 shorter than the one before, and not below 0.06.
fn checks(steps: usize) -> Vec<usize> {
    let (mut before, mut at) = (0.0_f64, 0.22_f64);
    let mut checks = Vec::new();
    while at < 1.0 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the steps")]
        checks.push((at * steps as f64 - 1e-9).ceil() as usize);
        (before, at) = (at, at + (at - before - 0.03).max(0.06));
    }
    checks.dedup();
    checks
}

/// The classes of each row by falling logit.
fn ranked(f: &Tensor<2>) -> Vec<Vec<u32>> {
    let [_, classes] = f.dims();
    let numbers: Vec<f64> = f.clone().into_data().iter::<f64>().collect();
    let rank = |row: &[f64]| {
        let mut ranked: Vec<u32> = (0..u32::try_from(classes).expect("few classes")).collect();
        ranked.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]));
        ranked
    };
    numbers.chunks(classes).map(rank).collect()
}

/// For each of the so many likeliest other classes than y, which class that is in each row.
fn others(f: &Tensor<2>, y: &Index, most: usize) -> Vec<Index> {
    let [_, classes] = f.dims();
    let ranked: Vec<Vec<u32>> = ranked(f)
        .into_iter()
        .zip(y.iter())
        .map(|(ranked, own)| ranked.into_iter().filter(|class| class != own).collect())
        .collect();
    (0..most.min(classes - 1)).map(|at| ranked.iter().map(|row| row[at]).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_steps_are_checked_where_the_paper_has_it() {
        // 0.22, then + 0.19, 0.16, 0.13, 0.10, 0.07, 0.06, 0.06.
        assert_eq!(checks(100), [22, 41, 57, 70, 80, 87, 93, 99]);
        assert_eq!(checks(1), [1]);
    }

    #[test]
    fn a_step_halves_where_few_steps_gain_and_where_the_best_stays() {
        let mut row = Row::new(1.0);
        for value in [1.0, 2.0, 3.0, 4.0] {
            assert!(row.take(value));
        }
        assert!(!row.check(4));
        // All of four steps gain, but none on the best so far.
        for value in [0.1, 0.2, 0.3, 0.4] {
            assert!(!row.take(value));
        }
        row.gains = 4;
        assert!(row.check(4));
        assert!((row.length - 0.5).abs() < 1e-12);
        // Two of four gain.
        for value in [5.0, 4.0, 6.0, 5.0] {
            row.take(value);
        }
        assert!(row.check(4));
        assert!((row.length - 0.25).abs() < 1e-12);
    }
}
