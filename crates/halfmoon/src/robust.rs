//! How a classifier's accuracy falls as its inputs are changed against it, and whether the attacks can be believed.
//!
//! An attack that follows gradients says nothing of a classifier whose gradients lead nowhere. So beside the attacks stand two controls that should do
//! less harm than they: noise of the same length, and changes that were found against another classifier.

use burn::tensor::Tensor;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use crate::attack::{Apgd, Attacked, Ball, Norm, Pgd, Target};
use crate::fit::Logits;
use crate::noise::Noise;
use crate::ops::Index;

/// What is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// What a radius is measured in.
    pub norm: Norm,
    /// Rising, in units of a row's numbers.
    pub radii: Vec<f64>,
    /// Steps of an attack from each start.
    pub steps: usize,
    /// Random starts of projected gradient ascent.
    pub starts: usize,
    /// Other classes that the targeted attack goes for.
    pub targets: usize,
    /// The least and the largest value that a number may have.
    pub range: Option<(f64, f64)>,
    /// Decides the starts and the noise.
    pub seed: u64,
}

/// Share of right answers under each of the attacks within a radius.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AtRadius {
    /// In units of a row's numbers.
    pub radius: f64,
    /// One step of the whole radius: FGSM, along the gradient for L2.
    pub fgsm: f64,
    /// Projected gradient ascent.
    pub pgd: f64,
    /// APGD on −log p(y | x).
    pub apgd: f64,
    /// APGD on the targeted difference of logits ratio.
    pub apgd_targeted: f64,
    /// Under the worst of all attacks, within this radius and the ones before it.
    pub worst: f64,
    /// Noise of this length, evenly from the ball. A control.
    pub noise: f64,
    /// What projected gradient ascent found against another classifier. A control.
    pub transferred: Option<f64>,
}

/// What a trial came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Robustness {
    /// `linf` or `l2`.
    pub norm: String,
    /// Items that were tried.
    pub items: usize,
    /// Share of right answers to what nobody changed.
    pub clean: f64,
    /// By rising radius.
    pub at: Vec<AtRadius>,
    /// Why the attacks may not be believed. Empty where nothing speaks against them.
    pub doubts: Vec<String>,
}

impl Norm {
    /// As a person types it.
    pub fn name(self) -> &'static str {
        match self {
            Norm::LInf => "linf",
            Norm::L2 => "l2",
        }
    }
}

/// How the attacks do against `logits` on rows `[n, d]` of classes y, and against it with what was found against `other`. `say` is told of each radius.
pub fn measure(
    logits: &Logits,
    other: Option<&Logits>,
    x: &Tensor<2>,
    y: &Index,
    trial: &Trial,
    say: &mut dyn FnMut(&AtRadius),
) -> Robustness {
    let n = y.len();
    let share = |is_wrong: &[bool]| is_wrong.iter().filter(|&&wrong| !wrong).count() as f64 / n.max(1) as f64;
    let nothing = |radius| Pgd { ball: Ball { norm: trial.norm, radius, range: None }, steps: 0, step: 0.0, starts: 0 };
    let asked = |at: &Tensor<2>| nothing(0.0).attack(logits, at, y, &mut noise(trial, 0, x)).is_wrong;
    let mut broken = asked(x);
    let clean = share(&broken);
    let mut all = Vec::new();
    for (&radius, number) in trial.radii.iter().zip(1..) {
        let ball = Ball { norm: trial.norm, radius, range: trial.range };
        let step = 2.5 / trial.steps as f64;
        let pgd = Pgd { ball, steps: trial.steps, step, starts: trial.starts };
        let apgd = |target| Apgd { ball, steps: trial.steps, starts: 1, target };
        let mut drawn = noise(trial, number, x);
        let mut tried = |attacked: Attacked| {
            for (broken, wrong) in broken.iter_mut().zip(&attacked.is_wrong) {
                *broken |= wrong;
            }
            share(&attacked.is_wrong)
        };
        let fgsm = tried(Pgd::fgsm(ball).attack(logits, x, y, &mut drawn));
        let by_pgd = tried(pgd.attack(logits, x, y, &mut drawn));
        let by_apgd = tried(apgd(Target::Mistake).attack(logits, x, y, &mut drawn));
        let apgd_targeted = tried(apgd(Target::Towards(trial.targets)).attack(logits, x, y, &mut drawn));
        let transferred = other.map(|other| share(&asked(&pgd.attack(other, x, y, &mut drawn).at)));
        let noisy = share(&asked(&ball.anywhere(x, &mut drawn)));
        let at = AtRadius {
            radius,
            fgsm,
            pgd: by_pgd,
            apgd: by_apgd,
            apgd_targeted,
            worst: share(&broken),
            noise: noisy,
            transferred,
        };
        say(&at);
        all.push(at);
    }
    let doubts = doubts(&all, n);
    Robustness { norm: trial.norm.name().into(), items: n, clean, at: all, doubts }
}

/// Logits that see no change of what has no small changes, yes or no and categories: those are as in `x` `[n, d]`, whatever they are asked about.
pub fn numbers_only(logits: Logits, x: &Tensor<2>, layout: &Layout) -> Logits {
    let numeric = layout.numeric;
    if layout.image.is_some() || numeric == layout.width() {
        return logits;
    }
    let others = x.clone().slice_dim(1, numeric..layout.width());
    Box::new(move |x| {
        let numbers = x.clone().slice_dim(1, 0..numeric);
        logits(&Tensor::cat(vec![numbers, others.clone()], 1))
    })
}

fn noise(trial: &Trial, stream: u64, x: &Tensor<2>) -> Noise {
    Noise::new(trial.seed, stream, &x.device()).with_dtype(x.dtype())
}

/// What should not be, if gradients lead to mistakes: a control that does more harm than the attacks by more than two of the items, or one step that does
/// more than many.
fn doubts(all: &[AtRadius], items: usize) -> Vec<String> {
    let slack = 2.0 / items.max(1) as f64;
    let mut doubts = Vec::new();
    let masked = "so gradients may hide mistakes that are there";
    let mut doubt = |holds: bool, text: &str, radius: f64| {
        if holds {
            doubts.push(format!("within {radius:?}, {text}: {masked}"));
        }
    };
    for at in all {
        doubt(at.noise + slack < at.worst, "noise does more harm than any attack", at.radius);
        doubt(
            at.transferred.is_some_and(|transferred| transferred + slack < at.worst),
            "what was found against another classifier does more harm than any attack",
            at.radius,
        );
        let best = at.pgd.min(at.apgd).min(at.apgd_targeted);
        doubt(at.fgsm + slack < best, "one step does more harm than many", at.radius);
    }
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_that_do_more_harm_than_attacks_are_doubts() {
        let sound = AtRadius {
            radius: 0.1,
            fgsm: 0.5,
            pgd: 0.4,
            apgd: 0.4,
            apgd_targeted: 0.3,
            worst: 0.3,
            noise: 0.9,
            transferred: Some(0.6),
        };
        assert!(doubts(&[sound], 100).is_empty());
        let masked = AtRadius { noise: 0.2, transferred: Some(0.1), fgsm: 0.2, ..sound };
        assert_eq!(doubts(&[masked], 100).len(), 3);
        // Two of a hundred are chance.
        assert!(doubts(&[AtRadius { noise: 0.285, ..sound }], 100).is_empty());
    }
}
