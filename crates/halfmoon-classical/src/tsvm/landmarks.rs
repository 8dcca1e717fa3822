//! Rows by their kernel with a few of them.
//!
//! Williams, Seeger. *Using the Nyström method to speed up kernel machines*. NeurIPS 2001. With the rows S and
//! k(S, S) = L Lᵀ, inner products of φ(x) = L⁻¹ k(S, x) are those of the kernel wherever S spans its space.

#![allow(clippy::needless_pass_by_value, reason = "a view is a reference")]

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Slice};

use crate::svm::gram::{Function, by_blocks, squares};
use crate::svm::narrow;

/// A row that the others explain up to this share of its length adds nothing but rounding.
const EXPLAINED: f64 = 1e-5;

/// S and what makes φ of it.
pub(crate) struct Landmarks {
    function: Function,
    /// S: `[m, d]`.
    pub(crate) rows: Array2<f32>,
    squares: Array1<f32>,
    /// L⁻¹: `[m, m]`.
    inverse: Array2<f64>,
}

impl Landmarks {
    /// Of these rows, the ones that the others don't explain.
    pub(crate) fn new(function: Function, rows: ArrayView2<f32>) -> Landmarks {
        let all = squares(rows);
        let k = by_blocks(rows, rows.nrows(), |block| function.between(block, rows, &all));
        let (chosen, lower) = pivoted_cholesky(&k.mapv(f64::from));
        let rows = rows.select(Axis(0), &chosen);
        let squares = squares(rows.view());
        Landmarks { function, rows, squares, inverse: inverse(&lower) }
    }

    /// φ of rows `[n, d]`: `[n, m]`.
    pub(crate) fn features(&self, x: ArrayView2<f32>) -> Array2<f32> {
        let inverse = self.inverse.t().mapv(narrow);
        by_blocks(x, self.rows.nrows(), |x| self.function.between(x, self.rows.view(), &self.squares).dot(&inverse))
    }

    /// What k(x, S) is multiplied with where φ(x) is multiplied with `weight` `[m, k]`.
    pub(crate) fn weight(&self, weight: &Array2<f64>) -> Array2<f64> {
        self.inverse.t().dot(weight)
    }
}

/// Which rows, in which order, and L of them. Always takes the row that is explained least.
fn pivoted_cholesky(k: &Array2<f64>) -> (Vec<usize>, Array2<f64>) {
    let n = k.nrows();
    let mut left = k.diag().to_owned();
    let enough = EXPLAINED * left.iter().fold(0.0, |a: f64, &b| a.max(b));
    let mut columns: Array2<f64> = Array2::zeros((n, n));
    let mut chosen: Vec<usize> = vec![];
    while chosen.len() < n {
        let step = chosen.len();
        let (row, &most) = left.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("rows are left");
        if most <= enough {
            break;
        }
        let done = columns.slice_axis(Axis(1), Slice::from(..step));
        let explained = done.dot(&done.row(row));
        let column = (&k.row(row) - &explained) / most.sqrt();
        left.zip_mut_with(&column, |left, part| *left -= part * part);
        left[row] = f64::NEG_INFINITY;
        columns.column_mut(step).assign(&column);
        chosen.push(row);
    }
    let lower = columns.select(Axis(0), &chosen).slice_axis(Axis(1), Slice::from(..chosen.len())).to_owned();
    (chosen, lower)
}

/// The inverse of a lower triangle.
fn inverse(lower: &Array2<f64>) -> Array2<f64> {
    let n = lower.nrows();
    let mut inverse: Array2<f64> = Array2::zeros((n, n));
    for i in 0..n {
        let (above, mut row) = inverse.view_mut().split_at(Axis(0), i);
        let mut row = row.row_mut(0);
        row.assign(&-first(lower.row(i), i).dot(&above));
        row[i] = 1.0;
        row /= lower[[i, i]];
    }
    inverse
}

fn first(row: ArrayView1<f64>, count: usize) -> ArrayView1<f64> {
    row.split_at(Axis(0), count).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn products_of_features_are_the_kernel() {
        let x = array![[0.0f32, 1.0], [1.0, 0.5], [-1.0, 0.3], [0.2, -2.0]];
        let landmarks = Landmarks::new(Function::Rbf(0.5), x.view());
        let features = landmarks.features(x.view());
        let products = features.dot(&features.t());
        for (i, a) in x.rows().into_iter().enumerate() {
            for (j, b) in x.rows().into_iter().enumerate() {
                let distance: f32 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
                assert!((products[[i, j]] - (-0.5 * distance).exp()).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn copies_are_taken_once() {
        let x = array![[0.0f32], [1.0], [0.0], [1.0], [1.0]];
        assert_eq!(Landmarks::new(Function::Rbf(1.0), x.view()).rows.nrows(), 2);
    }
}
