//! How sure the model would be of the others, had it the label.
//!
//! Roy, McCallum. *Toward Optimal Active Learning through Sampling Estimation of Error Reduction*. ICML 2001.
//!
//! ```text
//! utility(x) = −Σ_y p(y | x) mean_u H[p⁺(· | u)]      p⁺: the model after (x, y)
//! ```
//!
//! The paper trains a model for each label of each candidate. Here only the last layer is adapted, by one step of Newton's method with Böhning's
//! bound on the curvature (*Multinomial logistic regression algorithm*, 1992), which never overshoots: with inputs h,
//!
//! ```text
//! A = λI + ½ Σ_(labelled) h hᵀ
//! Δ logits(u) = k(u, x) / (1 + ½ k(x, x)) · (e_y − p(x))      k(u, x) = h_uᵀ A⁻¹ h_x
//! ```
//!
//! so a candidate needs no training, and the other classes' entropies follow from one pass over its classes.

use halfmoon_pool::scores::Scores;
use ndarray::{Array1, Array2, ArrayView1, Axis};
use rayon::prelude::*;

use crate::last_layer::{Inverse, inputs, unit};
use crate::pointwise::mean_rows;
use crate::pool::Pool;
use crate::rule::Ask;

/// Items u that a candidate is judged by: the first in line.
const JUDGES: usize = 1_000;

/// Candidates that are judged, the first in line; the others come after them.
const JUDGED: usize = 5_000;

/// λ, where codes have length 1 on average: a logit then varies by about ±3 before anything is labelled.
const LAMBDA: f64 = 0.1;

pub(crate) fn error_reduction(pool: &Pool, _: &Ask) -> Array1<f64> {
    let judged = pool.len().min(JUDGED);
    let model = Adapted::new(pool, judged);
    let mut utilities = Array1::from_elem(pool.len(), f64::NEG_INFINITY);
    let found: Vec<f64> = (0..judged).into_par_iter().map(|candidate| -model.expected_nats(candidate)).collect();
    utilities.iter_mut().zip(found).for_each(|(utility, found)| *utility = found);
    utilities
}

pub(crate) fn expected(_: &Pool, _: usize, utility: f64) -> String {
    if utility > f64::NEG_INFINITY {
        format!("its label is expected to leave {:.3} nats of doubt an item", -utility)
    } else {
        format!("asked since there are more questions than the {JUDGED} candidates that were judged")
    }
}

/// The last layer as the first candidates see it.
struct Adapted {
    h: Array2<f32>,         // inputs: [judged, d]
    inverse: Inverse,       // A⁻¹
    through: Array2<f64>,   // A⁻¹ h_u: [judges, d]
    log_probs: Array2<f64>, // [judged, class]
}

impl Adapted {
    fn new(pool: &Pool, judged: usize) -> Adapted {
        let codes = |scores: &'_ Scores| scores.codes.clone().expect("the rule needs codes");
        let codes_of_pool = pool.scores.codes.as_ref().expect("the rule needs codes");
        let unit = unit(codes_of_pool.view());
        let h = inputs(codes_of_pool.slice_axis(Axis(0), (0..judged).into()), unit);
        let mut inverse = Inverse::new(h.ncols(), LAMBDA);
        if let Some(labelled) = &pool.labelled {
            for h in inputs(codes(labelled.scores).view(), unit).rows() {
                inverse.add(0.5, h);
            }
        }
        let judges = judged.min(JUDGES);
        let mut through = Array2::zeros((judges, h.ncols()));
        for (mut through, h) in through.rows_mut().into_iter().zip(h.rows()) {
            through.assign(&inverse.times(h));
        }
        let classes = pool.classes();
        let probs: Vec<f64> = mean_rows(pool.scores).into_iter().take(judged * classes).map(f64::ln).collect();
        let log_probs = Array2::from_shape_vec((judged, classes), probs).expect("a row a candidate");
        Adapted { h, inverse, through, log_probs }
    }

    /// Σ_y p(y | x) mean_u H[p⁺(· | u)] over all u but x itself; 0 where there are no others.
    fn expected_nats(&self, candidate: usize) -> f64 {
        let h = self.h.row(candidate);
        let own = self.inverse.times(h).iter().zip(h).map(|(a, &b)| a * f64::from(b)).sum::<f64>();
        let p: Vec<f64> = self.log_probs.row(candidate).iter().map(|log_prob| log_prob.exp()).collect();
        let mut nats = vec![0.0; p.len()];
        for (u, through) in self.through.rows().into_iter().enumerate().filter(|&(u, _)| u != candidate) {
            let between: f64 = through.iter().zip(h).map(|(a, &b)| a * f64::from(b)).sum();
            add_nats_after(self.log_probs.row(u), &p, between / (1.0 + 0.5 * own), &mut nats);
        }
        let judges = self.through.nrows() - usize::from(candidate < self.through.nrows());
        p.iter().zip(nats).map(|(p, nats)| p * nats).sum::<f64>() / judges.max(1) as f64
    }
}

/// nats_y += H[softmax(log p_u + step (e_y − p))], for every y.
fn add_nats_after(log_probs: ArrayView1<f64>, p: &[f64], step: f64, nats: &mut [f64]) {
    let logit = |class: usize| log_probs[class] - step * p[class];
    let most = (0..p.len()).map(logit).fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return;
    }
    // z e^−most and Σ e^z z, z the logits without the +step of y.
    let term = |z: f64| if z > f64::NEG_INFINITY { (z.exp(), z.exp() * z) } else { (0.0, 0.0) };
    let (sum, weighted) =
        (0..p.len()).map(|class| term(logit(class) - most)).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
    for (y, nats) in nats.iter_mut().enumerate() {
        let (without, with) = (logit(y) - most, logit(y) - most + step);
        // All logits are moved by −shift, so that the highest stays at 0 or below.
        let shift = with.max(0.0);
        let scale = (-shift).exp();
        let (old, new) = (term(without), term(with - shift));
        let (others, others_weighted) = ((sum - old.0).max(0.0), weighted - old.1);
        let sum = others * scale + new.0;
        let weighted = (others_weighted - shift * others) * scale + new.1;
        // H = ln Σ e^z − Σ z e^z / Σ e^z.
        *nats += if sum > 0.0 { (sum.ln() - weighted / sum).max(0.0) } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::scores::Scores;
    use ndarray::array;

    use super::*;
    use crate::pointwise::nats;
    use crate::pool::Labelled;
    use crate::testing::{draws, keys, random_codes, random_draws};

    fn entropy_after(log_probs: &[f64], p: &[f64], step: f64, y: usize) -> f64 {
        let logits = log_probs.iter().zip(p).enumerate();
        let weights: Vec<f64> =
            logits.map(|(c, (l, p))| (l + step * (if c == y { 1.0 } else { 0.0 } - p)).exp()).collect();
        let sum: f64 = weights.iter().sum();
        nats(&weights.iter().map(|weight| weight / sum).collect::<Vec<_>>())
    }

    #[test]
    fn one_pass_over_the_classes_gives_the_entropies_after_every_label() {
        for step in [0.0, 0.3, -2.0, 8.0, 30.0] {
            let log_probs = array![0.5_f64, 0.2, 0.25, 0.05].mapv(f64::ln);
            let p = [0.1, 0.6, 0.1, 0.2];
            let mut found = vec![0.0; 4];
            add_nats_after(log_probs.view(), &p, step, &mut found);
            for (y, found) in found.iter().enumerate() {
                let expected = entropy_after(&log_probs.to_vec(), &p, step, y);
                assert!((found - expected).abs() < 1e-9, "{step} {y}: {found} is not {expected}");
            }
        }
    }

    #[test]
    fn the_step_is_newtons_on_the_bound() {
        // With W = 0 as the prior, A ΔW = h (e_y − p)ᵀ after h is added with weight ½: solved by elimination in two dimensions.
        let (scores, labelled) = (random_draws(4, 1, 3, 1), random_draws(2, 1, 3, 2));
        let scores = Scores { codes: Some(array![[1.0], [-1.0], [1.0], [-1.0]]), ..scores };
        let labelled = Scores { codes: Some(array![[1.0], [0.5]]), ..labelled };
        let keys = keys(4);
        let pool = Pool { labelled: Some(Labelled { scores: &labelled, inputs: None }), ..Pool::new(&scores, &keys) };
        let found = error_reduction(&pool, &Ask::default());
        let h = [[1.0, 1.0], [-1.0, 1.0], [1.0, 1.0], [-1.0, 1.0]];
        // λI + ½ (1, 1)(1, 1)ᵀ + ½ (½, 1)(½, 1)ᵀ.
        let a = [[0.1 + 0.5 + 0.125, 0.5 + 0.25], [0.5 + 0.25, 0.1 + 1.0]];
        let probs = mean_rows(&scores);
        for x in 0..4 {
            let a = [
                [a[0][0] + 0.5 * h[x][0] * h[x][0], a[0][1] + 0.5 * h[x][0] * h[x][1]],
                [a[1][0] + 0.5 * h[x][1] * h[x][0], a[1][1] + 0.5 * h[x][1] * h[x][1]],
            ];
            let determinant = a[0][0] * a[1][1] - a[0][1] * a[1][0];
            let p = &probs[x * 3..x * 3 + 3];
            let mut expected = 0.0;
            for u in (0..4).filter(|&u| u != x) {
                let solved = [
                    (a[1][1] * h[x][0] - a[0][1] * h[x][1]) / determinant,
                    (a[0][0] * h[x][1] - a[1][0] * h[x][0]) / determinant,
                ];
                let step = h[u][0] * solved[0] + h[u][1] * solved[1];
                let log_probs: Vec<f64> = probs[u * 3..u * 3 + 3].iter().map(|p| p.ln()).collect();
                expected += (0..3).map(|y| p[y] * entropy_after(&log_probs, p, step, y)).sum::<f64>() / 3.0;
            }
            assert!((found[x] + expected).abs() < 1e-6, "{} is not {}", found[x], -expected);
        }
    }

    #[test]
    fn a_label_in_a_doubtful_crowd_beats_one_of_a_doubtful_loner_and_one_in_a_sure_crowd() {
        let rows: Vec<[f32; 2]> = (0..21).map(|i| if i < 11 { [0.5, 0.5] } else { [0.999, 0.001] }).collect();
        let rows: Vec<[&[f32]; 1]> = rows.iter().map(|row| [row.as_slice()]).collect();
        let scores = draws(&rows.iter().map(<[&[f32]; 1]>::as_slice).collect::<Vec<_>>());
        // Ten doubtful ones lie to the right, one above, ten sure ones to the left.
        let codes = Array2::from_shape_fn((21, 2), |(i, j)| match (i, j) {
            (0..10, 0) | (10, 1) => 1.0,
            (11.., 0) => -1.0,
            _ => 0.0,
        });
        let (scores, keys) = (Scores { codes: Some(codes), ..scores }, keys(21));
        let found = error_reduction(&Pool::new(&scores, &keys), &Ask::default());
        assert!(found[0] > found[10] && found[10] > found[11], "{found}");
    }

    #[test]
    fn what_is_not_judged_comes_last() {
        let scores = Scores { codes: Some(random_codes(JUDGED + 5, 2, 3)), ..random_draws(JUDGED + 5, 1, 2, 4) };
        let keys = keys(JUDGED + 5);
        let found = error_reduction(&Pool::new(&scores, &keys), &Ask::default());
        assert_eq!(found.iter().filter(|utility| utility.is_finite()).count(), JUDGED);
    }
}
