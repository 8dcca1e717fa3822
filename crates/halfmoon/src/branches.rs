//! How E_q(y | x)[·] is made: which rows a step looks at under which classes, and how the bounds of these pairs become one
//! number a row.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::dist::Categorical;
use crate::nets::Given;
use crate::noise::Noise;
use crate::ops::{Index, one_hot, pick};
use crate::pairs::Pairs;

/// How an expectation under q(y | x) is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SumOverClasses {
    /// Every class, weighed by its probability: what the equations say.
    Exact,
    /// The likeliest class, weighed by its probability, and one drawn from the others, which stands for all of them:
    /// unbiased, value and gradient, at the cost of two classes (a sum partly drawn, as in Liu et al. 2019).
    TopAndOne,
    /// One relaxed sample, y = softmax((s + g) / τ) with Gumbel noise g (Jang et al. 2017, equation 2): biased, at the
    /// cost of one class.
    Gumbel,
    /// The same, rounded to the class that it is nearest to, with the gradient of the relaxed one (Jang et al. 2017,
    /// section 2.2).
    StraightThrough,
}

/// A way to sum over classes, and what it is told.
#[derive(Debug, Clone, Copy)]
pub struct ClassSum {
    /// The way.
    pub how: SumOverClasses,
    /// τ of a relaxed sample.
    pub temperature: f64,
    /// An exact sum leaves out classes less likely than this. What is left is a bound still: that of q(y | x) without
    /// them.
    pub skip_below: f64,
}

/// The pairs that a step looks at.
pub struct Branches {
    pairs: Pairs,
    soft: Option<Tensor<2>>, // what stands for each pair's class: [p, c]
    labelled: usize,
    rest: Rest,
}

/// How the pairs after the labelled ones are put together.
#[expect(clippy::large_enum_variant, reason = "there is one of them a step")]
enum Rest {
    Nothing,
    /// `slot`: for each row and class its pair, or one past the last where it has none. Without it every one has one.
    Sum {
        q_y: Categorical,
        slot: Option<Index>,
    },
    Sample {
        q_y: Categorical,
    },
    /// Two pairs a row; what each weighs.
    TopAndOne {
        q_y: Categorical,
        other: Index,
        top_weight: Tensor<1>,
        other_weight: Tensor<1>,
    },
}

impl ClassSum {
    /// Says what is wrong with a value that type-checks.
    pub fn check(&self) -> Result<(), String> {
        if !self.temperature.is_finite() || self.temperature <= 0.0 {
            return Err("`temperature` must be more than 0".into());
        }
        if !(0.0..=0.5).contains(&self.skip_below) {
            return Err("`skip_below` is a probability from 0 to 0.5".into());
        }
        Ok(())
    }

    /// Rows with the classes `y`, each under its own, then the rows that `q_y` is of.
    pub fn branches(self, y: &Index, classes: usize, q_y: Option<&Categorical>, noise: &mut Noise) -> Branches {
        let labelled = Pairs::own(y);
        let branches = |pairs: Pairs, rest| Branches { pairs, soft: None, labelled: y.len(), rest };
        let Some(Categorical { logits }) = q_y else { return branches(labelled, Rest::Nothing) };
        let (q_y, rows) = (Categorical { logits: logits.clone() }, logits.dims()[0]);
        match self.how {
            SumOverClasses::Exact if self.skip_below > 0.0 => {
                let live = live_classes(&q_y, self.skip_below);
                let (slot, q_y) = (slots(&live, classes), without_the_others(&q_y, &live));
                branches(labelled.then(&Pairs::some_classes(&live)), Rest::Sum { q_y, slot: Some(slot) })
            }
            SumOverClasses::Exact => {
                branches(labelled.then(&Pairs::every_class(rows, classes)), Rest::Sum { q_y, slot: None })
            }
            SumOverClasses::TopAndOne => {
                let chosen = top_and_one(&q_y, noise);
                let two: Vec<Vec<u32>> = chosen.iter().map(|chosen| vec![chosen.top, chosen.other]).collect();
                let weights = |of: fn(&TopAndOne) -> f64| {
                    let weights: Vec<f64> = chosen.iter().map(of).collect();
                    Tensor::from_data(TensorData::new(weights, [rows]), (&logits.device(), logits.dtype()))
                };
                let rest = Rest::TopAndOne {
                    q_y,
                    other: chosen.iter().map(|chosen| chosen.other).collect(),
                    top_weight: weights(|chosen| chosen.top_weight),
                    other_weight: weights(|chosen| chosen.other_weight),
                };
                branches(labelled.then(&Pairs::some_classes(&two)), rest)
            }
            SumOverClasses::Gumbel | SumOverClasses::StraightThrough => {
                let relaxed = q_y.relaxed(self.temperature, noise);
                let soft = if self.how == SumOverClasses::Gumbel {
                    relaxed
                } else {
                    let nearest = Categorical { logits: relaxed.clone().detach() }.mode();
                    one_hot(&nearest, classes, &relaxed) + relaxed.clone() - relaxed.detach()
                };
                let soft = Tensor::cat(vec![one_hot(y, classes, &soft), soft], 0);
                let pairs = Pairs::alone(y.len() + rows);
                Branches { pairs, soft: Some(soft), labelled: y.len(), rest: Rest::Sample { q_y } }
            }
        }
    }
}

impl Branches {
    /// The labelled rows under their class, then the other rows.
    pub fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// What networks are given for the class.
    pub fn class(&self) -> Given<'_> {
        self.soft.as_ref().map_or(Given::Class, Given::Pair)
    }

    /// From a bound on log p(x, y) of each pair, `[p]`: those of the labelled rows, `[n]`, and for the other rows
    /// the mean of the bound under q(y) and the entropy of q(y), together a bound on log p(x), `[m]`.
    pub fn gather(&self, bound: Tensor<1>) -> (Option<Tensor<1>>, Option<Tensor<1>>) {
        let (n, p) = (self.labelled, bound.dims()[0]);
        // Not even nothing is cut out where there is nothing: what leads to no loss would stay in the engine's graph.
        let own = (n > 0).then(|| bound.clone().slice_dim(0, 0..n));
        let bound = (p > n).then(|| bound.slice_dim(0, n..p));
        let elbo_x = bound.and_then(|bound| match &self.rest {
            Rest::Nothing => None,
            Rest::Sum { q_y, slot } => {
                let [rows, classes] = q_y.logits.dims();
                let bound = match slot {
                    None => bound,
                    Some(slot) => {
                        let nothing = Tensor::<1>::zeros([1], &bound.device()).cast(bound.dtype());
                        let all: Tensor<2> = Tensor::cat(vec![bound, nothing], 0).unsqueeze_dim(1);
                        pick(all, Some(slot)).squeeze_dim(1)
                    }
                };
                Some(elbo_x(q_y, bound.reshape([rows, classes])))
            }
            Rest::Sample { q_y } => Some(bound + q_y.entropy()),
            Rest::TopAndOne { q_y, other, top_weight, other_weight } => {
                let bound: Tensor<2> = bound.reshape([other.len(), 2]);
                let column = |at: usize| -> Tensor<1> { bound.clone().slice_dim(1, at..at + 1).squeeze_dim(1) };
                let (top, one) = (column(0), column(1));
                // Σ_y ∇q(y) = 0 lets the top class's bound be the baseline of the other's.
                let lead = one.clone().detach() - top.clone().detach();
                let score = q_y.log_prob(other) * lead * other_weight.clone();
                let gradient_alone = score.clone() - score.detach();
                Some(top * top_weight.clone() + one * other_weight.clone() + gradient_alone + q_y.entropy())
            }
        });
        (own, elbo_x)
    }
}

/// Σ_y q(y) bound(y) + H[q(y)]: a lower bound on log p(x), `[n]`, from one on log p(x, y) of every class, `[n, c]`.
pub fn elbo_x(q_y: &Categorical, elbo_xy: Tensor<2>) -> Tensor<1> {
    q_y.expect(elbo_xy) + q_y.entropy()
}

/// q(y) as numbers, a row after the other.
fn probs(q_y: &Categorical) -> Vec<f64> {
    // Without the graph: what is built on parameters and never goes backward would stay in it.
    let constant = Categorical { logits: q_y.logits.clone().detach() };
    constant.log_probs().exp().into_data().iter::<f64>().collect()
}

/// The classes of each row that are at least this likely, and the likeliest.
fn live_classes(q_y: &Categorical, least: f64) -> Vec<Vec<u32>> {
    let classes = q_y.logits.dims()[1];
    let row = |probs: &[f64]| {
        let top = likeliest(probs);
        (0..).zip(probs).filter(|&(class, &q)| q >= least || class == top).map(|(class, _)| class).collect()
    };
    probs(q_y).chunks(classes).map(row).collect()
}

fn likeliest(probs: &[f64]) -> u32 {
    let larger = |best: (u32, f64), (class, &q): (u32, &f64)| if q > best.1 { (class, q) } else { best };
    (0..).zip(probs).fold((0, f64::NEG_INFINITY), larger).0
}

/// For each row and class the number of its pair, or one past the last.
fn slots(live: &[Vec<u32>], classes: usize) -> Index {
    let none = u32::try_from(live.iter().map(Vec::len).sum::<usize>()).expect("few pairs");
    let mut slots = vec![none; live.len() * classes];
    let mut next = 0..;
    for (row, classes_of_row) in live.iter().enumerate() {
        for &class in classes_of_row {
            slots[row * classes + class as usize] = next.next().expect("endless");
        }
    }
    slots.into()
}

/// q(y) given that y is one of the live classes.
fn without_the_others(q_y: &Categorical, live: &[Vec<u32>]) -> Categorical {
    let [rows, classes] = q_y.logits.dims();
    let mut penalty = vec![-1e9; rows * classes];
    for (row, classes_of_row) in live.iter().enumerate() {
        for &class in classes_of_row {
            penalty[row * classes + class as usize] = 0.0;
        }
    }
    let (device, dtype) = (q_y.logits.device(), q_y.logits.dtype());
    let penalty = Tensor::from_data(TensorData::new(penalty, [rows, classes]), (&device, dtype));
    Categorical { logits: q_y.logits.clone() + penalty }
}

struct TopAndOne {
    top: u32,
    top_weight: f64,
    other: u32,
    other_weight: f64,
}

/// For each row the likeliest class and one of the others, drawn in proportion to their probability.
fn top_and_one(q_y: &Categorical, noise: &mut Noise) -> Vec<TopAndOne> {
    let [rows, classes] = q_y.logits.dims();
    let draws: Vec<f64> = noise.uniform([rows]).into_data().iter::<f64>().collect();
    let of_row = |(probs, draw): (&[f64], f64)| {
        let top = likeliest(probs);
        let others = || (0..).zip(probs).filter(|&(class, _)| class != top);
        let other_weight: f64 = others().map(|(_, q)| q).sum();
        let mut left = draw * other_weight;
        let drawn = others().find(|&(_, q)| {
            left -= q;
            left <= 0.0
        });
        // Rounding may leave a little after the last one.
        let other = drawn.or_else(|| others().last()).map_or(top, |(class, _)| class);
        TopAndOne { top, top_weight: 1.0 - other_weight, other, other_weight }
    };
    probs(q_y).chunks(classes).zip(draws).map(of_row).collect()
}
