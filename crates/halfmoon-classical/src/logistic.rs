//! Logistic regression.
//!
//! ```text
//! p(y = c | x) = softmax_c(w_c · s(x) + b_c)        s: every column shifted to mean 0 and scaled to variance 1
//! minimised      Σ_i −log p(y_i | x_i) + penalty/2 Σ_c |w_c|²
//! ```

#![allow(clippy::needless_pass_by_value, reason = "a view is a reference")]

use halfmoon_pool::split::Split;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Ix1, Ix2, azip};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::lbfgs::{Stop, minimise};
use crate::seen::{Labelled, Seen, take};
use crate::svm::narrow;
use crate::{Arrays, Fitted, GoOn, Method, Rows};

/// Multinomial logistic regression with an L2 penalty on all but the intercepts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Logistic {
    /// Weight of the penalty against the sum over the labelled rows: scikit-learn's 1/C. `None`: the one of
    /// 0.001, 0.01, …, 10,000 with the best log-likelihood over five folds of the labelled rows (over one held-out
    /// fifth where there are more than 8,192), and 1, as scikit-learn has it, where no class has two rows to divide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<f64>,
}

/// What is tried, strongest first: each fit starts where the last one ended.
const PENALTIES: [f64; 8] = [1e4, 1e3, 1e2, 1e1, 1.0, 1e-1, 1e-2, 1e-3];

/// Where nothing can be compared.
const UNTRIED: f64 = 1.0;

/// Where a comparison of penalties stops, and the fit with the chosen one. In units of the mean loss.
const ROUGH: Stop = Stop { gradient: 1e-5, gain: 0.0, steps: 500 };
const TIGHT: Stop = Stop { gradient: 1e-9, gain: 0.0, steps: 5000 };

/// Weights for standardised columns.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedLogistic {
    /// `[d]`.
    mean: Array1<f32>,
    /// The columns' scales are inside: `[d, k]`.
    weight: Array2<f32>,
    /// `[k]`.
    bias: Array1<f32>,
    seen: Seen,
}

impl Method for Logistic {
    type Fitted = FittedLogistic;

    fn check(&self) -> Result<(), String> {
        match self.penalty {
            Some(penalty) if !(penalty > 0.0 && penalty.is_finite()) => Err("`penalty` must be above 0".to_owned()),
            _ => Ok(()),
        }
    }

    fn fit(&self, rows: &Rows, go_on: GoOn) -> Option<FittedLogistic> {
        let seen = Seen::new(rows);
        let labelled = Labelled::new(rows, &seen);
        let x = labelled.x(rows);
        let (mean, scale) = standardisation(rows.x);
        let problem =
            Problem { x: x.view(), places: &labelled.places, k: seen.classes().len(), mean: &mean, scale: &scale };

        let all: Vec<usize> = (0..x.nrows()).collect();
        let penalty = match self.penalty {
            Some(penalty) => penalty,
            None => problem.choose(&labelled.folds(&x, rows.seed), &mut |done| go_on(0.8 * done))?,
        };
        let found = problem.minimise(&all, penalty, problem.start(), TIGHT, &mut || go_on(0.8))?;
        go_on(1.0).then_some(())?;

        let (weight, bias) = problem.split(&found);
        let weight = &weight.t() * &scale.view().insert_axis(Axis(1));
        Some(FittedLogistic { mean: mean.mapv(narrow), weight: weight.mapv(narrow), bias: bias.mapv(narrow), seen })
    }
}

impl Fitted for FittedLogistic {
    fn probs(&self, x: ArrayView2<f32>) -> Array2<f32> {
        let mut logits = Array2::zeros((x.nrows(), self.bias.len()));
        for (x, mut logits) in x.rows().into_iter().zip(logits.rows_mut()) {
            logits.assign(&self.bias);
            for ((x, mean), weight) in x.iter().zip(&self.mean).zip(self.weight.rows()) {
                logits.scaled_add(x - mean, &weight);
            }
        }
        self.seen.probs(&logits)
    }

    fn into_arrays(self) -> Arrays {
        Arrays::from([
            ("mean".to_owned(), self.mean.into_dyn()),
            ("weight".to_owned(), self.weight.into_dyn()),
            ("bias".to_owned(), self.bias.into_dyn()),
            ("labels".to_owned(), self.seen.into_array()),
        ])
    }

    fn from_arrays(arrays: &Arrays) -> Result<FittedLogistic, String> {
        let mean = take::<Ix1>(arrays, "mean")?;
        let weight = take::<Ix2>(arrays, "weight")?;
        let bias = take::<Ix1>(arrays, "bias")?;
        if weight.dim() != (mean.len(), bias.len()) {
            let [d, k] = [mean.len(), bias.len()];
            return Err(format!("`weight` is {:?} and should be ({d}, {k})", weight.dim()));
        }
        let seen = Seen::from_arrays(arrays, bias.len())?;
        Ok(FittedLogistic { mean, weight, bias, seen })
    }
}

/// Mean of every column and what makes its deviation 1: 0 where all its numbers are equal.
fn standardisation(x: ArrayView2<f32>) -> (Array1<f64>, Array1<f64>) {
    let n = x.nrows() as f64;
    let mut mean: Array1<f64> = Array1::zeros(x.ncols());
    x.rows().into_iter().for_each(|row| mean.zip_mut_with(&row, |sum, &x| *sum += f64::from(x) / n));
    let mut variance: Array1<f64> = Array1::zeros(x.ncols());
    for row in x.rows() {
        azip!((sum in &mut variance, &x in &row, &mean in &mean) *sum += (f64::from(x) - mean).powi(2) / n);
    }
    #[expect(clippy::float_cmp, reason = "a column of one number, and nothing near it")]
    let constant = |column: usize| x.column(column).iter().all(|&other| other == x[[0, column]]);
    // The mean of one number many times differs from it by rounding, and so the variance from 0.
    variance.iter_mut().enumerate().for_each(|(column, v)| *v = if constant(column) { 0.0 } else { v.sqrt().recip() });
    (mean, variance)
}

/// The labelled rows.
struct Problem<'a> {
    /// `[l, d]`.
    x: ArrayView2<'a, f32>,
    /// Each row's class, among `k`.
    places: &'a [usize],
    k: usize,
    mean: &'a Array1<f64>,
    scale: &'a Array1<f64>,
}

/// What is minimised over is W `[k, d]`, row by row, and b `[k]` behind it.
impl Problem<'_> {
    fn start(&self) -> Vec<f64> {
        vec![0.0; self.k * (self.x.ncols() + 1)]
    }

    fn minimise(
        &self,
        rows: &[usize],
        penalty: f64,
        start: Vec<f64>,
        stop: Stop,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Option<Vec<f64>> {
        minimise(start, stop, |at, gradient| go_on().then(|| self.loss(rows, penalty, at, gradient)))
    }

    /// The penalty with the lowest loss on the rows held out; the strongest of equals.
    fn choose(&self, folds: &[Split], go_on: GoOn) -> Option<f64> {
        let mut losses = [0.0; PENALTIES.len()];
        for (fold, Split { train, test, .. }) in folds.iter().enumerate() {
            let mut at = self.start();
            for (turn, (&penalty, loss)) in PENALTIES.iter().zip(&mut losses).enumerate() {
                let done = (fold * PENALTIES.len() + turn) as f64 / (folds.len() * PENALTIES.len()) as f64;
                at = self.minimise(train, penalty, at, ROUGH, &mut || go_on(done))?;
                let mut unused = self.start();
                *loss += self.loss(test, 0.0, &at, &mut unused) * test.len() as f64;
            }
        }
        let tried = PENALTIES.into_iter().zip(losses).min_by(|a, b| a.1.total_cmp(&b.1));
        Some(tried.filter(|_| !folds.is_empty()).map_or(UNTRIED, |(penalty, _)| penalty))
    }

    fn split<'a>(&self, at: &'a [f64]) -> (ArrayView2<'a, f64>, ArrayView1<'a, f64>) {
        let (weight, bias) = at.split_at(self.k * self.x.ncols());
        let weight = ArrayView2::from_shape((self.k, self.x.ncols()), weight).expect("k rows of d numbers");
        (weight, ArrayView1::from(bias))
    }

    /// The penalised loss over the number of rows, and its gradient.
    fn loss(&self, rows: &[usize], penalty: f64, at: &[f64], gradient: &mut [f64]) -> f64 {
        let n = rows.len() as f64;
        // Each block's sums, added up in the order of the blocks.
        let parts: Vec<(f64, Vec<f64>)> = rows.par_chunks(256).map(|block| self.loss_of_block(block, at)).collect();
        let mut value = 0.0;
        gradient.fill(0.0);
        for (loss, part) in parts {
            value += loss / n;
            gradient.iter_mut().zip(part).for_each(|(sum, part)| *sum += part / n);
        }
        let weights = self.k * self.x.ncols();
        for (sum, w) in gradient[..weights].iter_mut().zip(&at[..weights]) {
            value += penalty / n * w * w / 2.0;
            *sum += penalty / n * w;
        }
        value
    }

    fn loss_of_block(&self, rows: &[usize], at: &[f64]) -> (f64, Vec<f64>) {
        let (weight, bias) = self.split(at);
        let mut x = Array2::zeros((rows.len(), self.x.ncols()));
        for (mut to, &row) in x.rows_mut().into_iter().zip(rows) {
            azip!((to in &mut to, &x in self.x.row(row), &mean in self.mean, &scale in self.scale)
                *to = (f64::from(x) - mean) * scale);
        }
        let mut logits = x.dot(&weight.t());
        logits += &bias;
        let mut loss = 0.0;
        for (mut logits, &row) in logits.rows_mut().into_iter().zip(rows) {
            let highest = logits.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            let log_sum = highest + logits.fold(0.0, |sum, logit| sum + (logit - highest).exp()).ln();
            loss += log_sum - logits[self.places[row]];
            // The logits give way to their gradient, p(y | x) − [y].
            logits.mapv_inplace(|logit| (logit - log_sum).exp());
            logits[self.places[row]] -= 1.0;
        }
        let mut gradient = logits.t().dot(&x).into_iter().collect::<Vec<_>>();
        gradient.extend(logits.sum_axis(Axis(0)));
        (loss, gradient)
    }
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::Class;
    use ndarray::array;

    use super::*;
    use crate::testing::{Golden, all_labels};

    #[test]
    fn coefficients_and_probabilities_are_scikit_learns() {
        let golden = Golden::read();
        let labels = all_labels(&golden.y3);
        let rows = Rows { x: golden.x.view(), labels: &labels, classes: 3, seed: 0 };
        for case in &golden.logistic {
            let penalty = Some(1.0 / case.c);
            let found = Logistic { penalty }.fit(&rows, &mut |_| true).expect("not told to stop");
            let (_, scale) = standardisation(rows.x);
            for ((i, class), weight) in found.weight.indexed_iter() {
                assert!((f64::from(*weight) / scale[i] - case.coefficients[class][i]).abs() < 1e-5);
            }
            for (bias, expected) in found.bias.iter().zip(&case.intercepts) {
                assert!((f64::from(*bias) - expected).abs() < 1e-5);
            }
            for (probs, expected) in found.probs(golden.at.view()).rows().into_iter().zip(&case.probabilities) {
                assert!(probs.iter().zip(expected).all(|(p, expected)| (f64::from(*p) - expected).abs() < 1e-5));
            }
        }
    }

    #[test]
    fn without_a_penalty_given_noise_gets_a_strong_one_and_order_a_weak_one() {
        let x = Array2::from_shape_fn((60, 1), |(i, _)| i as f32);
        let order = all_labels(&(0..60).map(|i| u16::from(i >= 30)).collect::<Vec<_>>());
        let noise = all_labels(&(0..60).map(|i| u16::from((i * 7 + i / 5) % 3 == 0)).collect::<Vec<_>>());
        let slope = |labels: &[Option<Class>]| {
            let rows = Rows { x: x.view(), labels, classes: 2, seed: 1 };
            let found = Logistic::default().fit(&rows, &mut |_| true).expect("not told to stop");
            found.weight[[0, 1]].abs() * 17.3 // the column's deviation
        };
        assert!(slope(&order) > 5.0, "{}", slope(&order));
        assert!(slope(&noise) < 0.3, "{}", slope(&noise));
    }

    #[test]
    fn a_class_without_labels_gets_laplaces_share() {
        let x = array![[-1.0f32], [1.0]];
        let labels = [Some(Class(0)), Some(Class(2))];
        let rows = Rows { x: x.view(), labels: &labels, classes: 3, seed: 0 };
        let probs = Logistic::default().fit(&rows, &mut |_| true).expect("not told to stop").probs(x.view());
        assert!(probs.column(1).iter().all(|p| (p - 0.2).abs() < 1e-6), "{probs}");
        assert!(probs[[0, 0]] > probs[[0, 2]] && probs[[1, 2]] > probs[[1, 0]]);
    }

    #[test]
    fn what_is_kept_answers_the_same_and_what_is_missing_is_named() {
        let x = array![[-1.0f32, 3.0], [1.0, 2.0]];
        let labels = [Some(Class(0)), Some(Class(1))];
        let rows = Rows { x: x.view(), labels: &labels, classes: 2, seed: 0 };
        let found = Logistic::default().fit(&rows, &mut |_| true).expect("not told to stop");
        let mut arrays = found.clone().into_arrays();
        assert_eq!(FittedLogistic::from_arrays(&arrays), Ok(found));
        arrays.remove("bias");
        assert_eq!(FittedLogistic::from_arrays(&arrays), Err("`bias` is missing".to_owned()));
    }
}
