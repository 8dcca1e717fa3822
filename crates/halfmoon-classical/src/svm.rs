//! Support vector machines.
//!
//! Cortes, Vapnik. *Support-vector networks*. Machine Learning 20, 1995. One machine a class, against the rest:
//!
//! ```text
//! f_c(x) = Σ_i β_ci k(x_i, x) + b_c
//! minimised ½ |f_c|² + C Σ_i max(0, 1 − y_ci f_c(x_i))        y_ci = 1 where row i has class c, else −1
//! p(y = c | x) = softmax_c(s f_c(x))
//! ```
//!
//! The sharpness s is the likeliest for rows held out in five stratified folds. Two classes share one machine.

#![allow(clippy::needless_pass_by_value, reason = "a view is a reference")]

pub(crate) mod calibrate;
pub(crate) mod gram;
mod smo;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Ix0, Ix1, Ix2, arr0};
use serde::{Deserialize, Serialize};

use crate::seen::{Labelled, Seen, take};
use crate::{Arrays, Fitted, GoOn, Method, Rows};
use gram::{Function, Gram, by_blocks, squares};

/// A kernel by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// x · x′: planes.
    Linear,
    /// exp(−γ |x − x′|²).
    #[default]
    Rbf,
}

/// A machine for each class, of the labelled rows alone.
///
/// Time grows with the square of the number of labels: 3,000 of them take seconds, 60,000 many minutes. Columns are
/// taken as they are: those with large numbers weigh more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Svm {
    /// Weight of the errors against the width of the margin. scikit-learn's default is 1.
    pub c: f64,
    /// RBF, as scikit-learn has it.
    pub kernel: Kernel,
    /// γ. `None`: 1/(d · variance of all the labelled rows' numbers), scikit-learn's "scale".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// How far from optimal a machine may stay, in units of f. LIBSVM's default is 0.001.
    pub tolerance: f64,
}

impl Default for Svm {
    fn default() -> Svm {
        Svm { c: 1.0, kernel: Kernel::Rbf, gamma: None, tolerance: 1e-3 }
    }
}

/// f and what makes it probabilities. Also of a transductive machine.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedSvm {
    pub(crate) function: Function,
    /// Subtracted from every row, so that f32 is exact enough: `[d]`.
    pub(crate) centre: Array1<f32>,
    /// Rows that f consists of, less the centre: `[m, d]`. None for a linear kernel.
    pub(crate) support: Array2<f32>,
    /// `[m, k]`; `[d, k]` for a linear kernel.
    pub(crate) weight: Array2<f32>,
    /// `[k]`.
    pub(crate) bias: Array1<f32>,
    pub(crate) sharpness: f32,
    pub(crate) seen: Seen,
}

impl Kernel {
    /// With γ, or the one that scikit-learn calls "scale" for these rows.
    pub(crate) fn function(self, gamma: Option<f64>, x: ArrayView2<f32>) -> Function {
        match self {
            Kernel::Linear => Function::Linear,
            Kernel::Rbf => Function::Rbf(narrow(gamma.unwrap_or_else(|| scale(x)))),
        }
    }
}

/// 1/(d · variance), and 1 where all numbers are equal.
fn scale(x: ArrayView2<f32>) -> f64 {
    let count = x.len().max(1) as f64;
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    if variance > 0.0 { 1.0 / (x.ncols() as f64 * variance) } else { 1.0 }
}

pub(crate) fn check_kernel(c: f64, gamma: Option<f64>) -> Result<(), String> {
    let positive = |x: f64| x > 0.0 && x.is_finite();
    match () {
        () if !positive(c) => Err("`c` must be above 0".to_owned()),
        () if !gamma.is_none_or(positive) => Err("`gamma` must be above 0".to_owned()),
        () => Ok(()),
    }
}

/// The mean row, in f32.
pub(crate) fn mean_row(x: ArrayView2<f32>) -> Array1<f32> {
    let mut sums: Array1<f64> = Array1::zeros(x.ncols());
    x.rows().into_iter().for_each(|row| sums.zip_mut_with(&row, |sum, &x| *sum += f64::from(x)));
    sums.mapv(|sum| narrow(sum / x.nrows().max(1) as f64))
}

impl Method for Svm {
    type Fitted = FittedSvm;

    fn check(&self) -> Result<(), String> {
        check_kernel(self.c, self.gamma)?;
        if !(self.tolerance > 0.0 && self.tolerance.is_finite()) {
            return Err("`tolerance` must be above 0".to_owned());
        }
        Ok(())
    }

    fn fit(&self, rows: &Rows, go_on: GoOn) -> Option<FittedSvm> {
        let seen = Seen::new(rows);
        let labelled = Labelled::new(rows, &seen);
        let mut x = labelled.x(rows);
        let function = self.kernel.function(self.gamma, x.view());
        let folds = labelled.folds(&x, rows.seed);
        let centre = mean_row(x.view());
        x -= &centre;

        let k = seen.classes().len();
        let mut gram = Gram::new(function, x.view());
        let mut machines = |c: &[f64], from: usize, go_on: &mut dyn FnMut(f64) -> bool| {
            let rounds = (folds.len() + 1) as f64;
            self.machines(&mut gram, &labelled.places, k, c, &mut |done| go_on((from as f64 + done) / rounds))
        };
        let (mut held_out, mut places) = (vec![], vec![]);
        for (fold, split) in folds.iter().enumerate() {
            let mut c = vec![self.c; x.nrows()];
            split.test.iter().for_each(|&row| c[row] = 0.0);
            let found = machines(&c, fold, go_on)?;
            for &row in &split.test {
                held_out.extend(found.decisions.row(row));
                places.push(labelled.places[row]);
            }
        }
        let found = machines(&vec![self.c; x.nrows()], folds.len(), go_on)?;
        go_on(1.0).then_some(())?;
        let held_out = Array2::from_shape_vec((places.len(), k), held_out).expect("k numbers for each row held out");

        let support: Vec<usize> = (0..x.nrows()).filter(|&row| found.beta.row(row).iter().any(|&b| b != 0.0)).collect();
        let (x, beta) = (x.select(Axis(0), &support), found.beta.select(Axis(0), &support));
        let (support, weight) = match function {
            Function::Linear => (Array2::zeros((0, x.ncols())), x.mapv(f64::from).t().dot(&beta)),
            Function::Rbf(_) => (x, beta),
        };
        let sharpness = narrow(calibrate::sharpness(&held_out, &places));
        let bias = found.bias.mapv(narrow);
        Some(FittedSvm { function, centre, support, weight: weight.mapv(narrow), bias, sharpness, seen })
    }
}

/// What all the machines together are.
struct Machines {
    /// `[n, k]`.
    beta: Array2<f64>,
    /// `[k]`.
    bias: Array1<f64>,
    /// `[n, k]`.
    decisions: Array2<f64>,
}

impl Svm {
    /// One machine for each of `k` classes, with C for each row.
    fn machines(
        &self,
        gram: &mut Gram,
        places: &[usize],
        k: usize,
        c: &[f64],
        go_on: &mut dyn FnMut(f64) -> bool,
    ) -> Option<Machines> {
        let n = places.len();
        let mut found =
            Machines { beta: Array2::zeros((n, k)), bias: Array1::zeros(k), decisions: Array2::zeros((n, k)) };
        // One class needs no machine, and of two the first has the second's with its sign turned.
        let first = usize::from(k <= 2);
        for class in first..k {
            let y: Vec<f64> = places.iter().map(|&place| if place == class { 1.0 } else { -1.0 }).collect();
            let done = (class - first) as f64 / (k - first) as f64;
            let machine = smo::solve(gram, &y, c, self.tolerance, &mut || go_on(done))?;
            found.beta.column_mut(class).assign(&ArrayView1::from(&machine.beta));
            found.bias[class] = machine.bias;
            found.decisions.column_mut(class).assign(&ArrayView1::from(&machine.decisions));
        }
        if k == 2 {
            let turned = |columns: &mut Array2<f64>| {
                let second = columns.column(1).to_owned();
                columns.column_mut(0).assign(&-second);
            };
            turned(&mut found.beta);
            turned(&mut found.decisions);
            found.bias[0] = -found.bias[1];
        }
        Some(found)
    }
}

impl FittedSvm {
    /// f of rows `[n, d]`: `[n, k]`, a column for each class with labels.
    pub(crate) fn decisions(&self, x: ArrayView2<f32>) -> Array2<f32> {
        let squares = squares(self.support.view());
        by_blocks(x, self.bias.len(), |x| {
            let x = &x - &self.centre;
            let features = match self.function {
                Function::Linear => x,
                Function::Rbf(_) => self.function.between(x.view(), self.support.view(), &squares),
            };
            features.dot(&self.weight) + &self.bias
        })
    }
}

impl Fitted for FittedSvm {
    fn probs(&self, x: ArrayView2<f32>) -> Array2<f32> {
        let mut logits = self.decisions(x);
        logits *= self.sharpness;
        self.seen.probs(&logits)
    }

    fn into_arrays(self) -> Arrays {
        let mut arrays = Arrays::from([
            ("centre".to_owned(), self.centre.into_dyn()),
            ("support".to_owned(), self.support.into_dyn()),
            ("weight".to_owned(), self.weight.into_dyn()),
            ("bias".to_owned(), self.bias.into_dyn()),
            ("sharpness".to_owned(), arr0(self.sharpness).into_dyn()),
            ("labels".to_owned(), self.seen.into_array()),
        ]);
        if let Function::Rbf(gamma) = self.function {
            arrays.insert("gamma".to_owned(), arr0(gamma).into_dyn());
        }
        arrays
    }

    fn from_arrays(arrays: &Arrays) -> Result<FittedSvm, String> {
        let centre = take::<Ix1>(arrays, "centre")?;
        let support = take::<Ix2>(arrays, "support")?;
        let weight = take::<Ix2>(arrays, "weight")?;
        let bias = take::<Ix1>(arrays, "bias")?;
        let sharpness = take::<Ix0>(arrays, "sharpness")?.into_scalar();
        let (function, features) = if arrays.contains_key("gamma") {
            (Function::Rbf(take::<Ix0>(arrays, "gamma")?.into_scalar()), support.nrows())
        } else {
            (Function::Linear, centre.len())
        };
        if support.ncols() != centre.len() {
            return Err(format!("`support` has {} columns and should have {}", support.ncols(), centre.len()));
        }
        if weight.dim() != (features, bias.len()) {
            return Err(format!("`weight` is {:?} and should be ({features}, {})", weight.dim(), bias.len()));
        }
        let seen = Seen::from_arrays(arrays, bias.len())?;
        Ok(FittedSvm { function, centre, support, weight, bias, sharpness, seen })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "what is kept is f32")]
pub(crate) fn narrow(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::Class;
    use ndarray::array;

    use super::*;
    use crate::testing::{Golden, all_labels};

    #[test]
    fn decisions_are_scikit_learns() {
        let golden = Golden::read();
        let labels = all_labels(&golden.y);
        let rows = Rows { x: golden.x.view(), labels: &labels, classes: 2, seed: 0 };
        for case in &golden.svc {
            let svm = Svm { c: case.c, kernel: case.kernel, gamma: case.gamma, tolerance: 1e-7 };
            let found = svm.fit(&rows, &mut |_| true).expect("not told to stop").decisions(golden.at.view());
            for (found, expected) in found.rows().into_iter().zip(&case.decisions) {
                assert!((f64::from(found[1]) - expected).abs() < 1e-4, "{svm:?}: {found} {expected}");
                assert_eq!(found[0].to_bits(), (-found[1]).to_bits());
            }
        }
        assert!((scale(golden.x.view()) - golden.scale).abs() < 1e-9);
    }

    #[test]
    fn of_several_classes_each_has_the_machine_of_itself_against_the_rest() {
        let golden = Golden::read();
        let labels = all_labels(&golden.y3);
        let rows = Rows { x: golden.x.view(), labels: &labels, classes: 3, seed: 0 };
        let svm = Svm { tolerance: 1e-7, ..Svm::default() };
        let found = svm.fit(&rows, &mut |_| true).expect("not told to stop").decisions(golden.at.view());
        for class in 0..3 {
            let against = all_labels(&golden.y3.iter().map(|&y| u16::from(y == class)).collect::<Vec<_>>());
            let rows = Rows { labels: &against, classes: 2, ..rows };
            let alone = svm.fit(&rows, &mut |_| true).expect("not told to stop").decisions(golden.at.view());
            for (found, alone) in found.column(usize::from(class)).iter().zip(alone.column(1)) {
                assert!((found - alone).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn a_row_has_the_same_answer_alone_and_among_others() {
        let golden = Golden::read();
        let labels = all_labels(&golden.y3);
        let rows = Rows { x: golden.x.view(), labels: &labels, classes: 3, seed: 0 };
        let found = Svm::default().fit(&rows, &mut |_| true).expect("not told to stop");
        let together = found.probs(golden.x.view());
        for (x, together) in golden.x.rows().into_iter().zip(together.rows()) {
            assert_eq!(found.probs(x.insert_axis(Axis(0))).row(0), together);
        }
        let many = ndarray::concatenate![Axis(0), golden.x, golden.x, golden.at, golden.x, golden.x];
        assert_eq!(found.probs(many.view()).select(Axis(0), &(130..170).collect::<Vec<_>>()), together);
    }

    #[test]
    fn far_columns_do_not_cost_digits() {
        let golden = Golden::read();
        let labels = all_labels(&golden.y);
        let svm = Svm { gamma: Some(0.25), ..Svm::default() };
        let decisions = |shift: f32| {
            let (x, at) = (&golden.x + shift, &golden.at + shift);
            let rows = Rows { x: x.view(), labels: &labels, classes: 2, seed: 0 };
            svm.fit(&rows, &mut |_| true).expect("not told to stop").decisions(at.view())
        };
        // 2¹⁵ leaves room for multiples of 1/64, which all the numbers are
        for (near, far) in decisions(0.0).iter().zip(&decisions(32_768.0)) {
            assert!((near - far).abs() < 2e-3, "{near} {far}");
        }
    }

    #[test]
    fn what_is_kept_answers_the_same_and_what_does_not_fit_is_named() {
        let x = array![[-1.0f32, 3.0], [1.0, 2.0], [0.0, 1.0]];
        let labels = [Some(Class(0)), Some(Class(1)), None];
        let rows = Rows { x: x.view(), labels: &labels, classes: 2, seed: 0 };
        for kernel in [Kernel::Linear, Kernel::Rbf] {
            let found = Svm { kernel, ..Svm::default() }.fit(&rows, &mut |_| true).expect("not told to stop");
            let mut arrays = found.clone().into_arrays();
            assert_eq!(FittedSvm::from_arrays(&arrays), Ok(found));
            arrays.insert("weight".to_owned(), Array2::zeros((7, 2)).into_dyn());
            let complaint = FittedSvm::from_arrays(&arrays).expect_err("7 rows of weights");
            assert!(complaint.starts_with("`weight` is (7, 2)"), "{complaint}");
        }
    }
}
