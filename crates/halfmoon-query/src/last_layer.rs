//! The last layer as a model of its own: its inputs, and the inverse of its information as items are added.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::places::single;

/// Codes `[n, h]` in units of `unit`, with a 1 for the bias behind each: `[n, h + 1]`.
pub(crate) fn inputs(codes: ArrayView2<f32>, unit: f64) -> Array2<f32> {
    let h = codes.ncols();
    Array2::from_shape_fn((codes.nrows(), h + 1), |(row, column)| {
        if column < h { single(f64::from(codes[[row, column]]) / unit) } else { 1.0 }
    })
}

/// The root mean square length of codes `[n, h]`; 1 where all are 0.
pub(crate) fn unit(codes: ArrayView2<f32>) -> f64 {
    let sum: f64 = codes.iter().map(|&x| f64::from(x).powi(2)).sum();
    let mean = (sum / codes.nrows().max(1) as f64).sqrt();
    if mean > 0.0 { mean } else { 1.0 }
}

/// A⁻¹ of A = λI + Σ s h hᵀ: `[d, d]`.
#[derive(Clone)]
pub(crate) struct Inverse(pub(crate) Array2<f64>);

impl Inverse {
    /// Of λI.
    pub(crate) fn new(d: usize, lambda: f64) -> Inverse {
        Inverse(Array2::from_diag_elem(d, 1.0 / lambda))
    }

    /// A⁻¹ h.
    pub(crate) fn times(&self, h: ArrayView1<f32>) -> Array1<f64> {
        self.0.dot(&h.mapv(f64::from))
    }

    /// A ← A + s h hᵀ, by the formula of Sherman and Morrison: A⁻¹ ← A⁻¹ − τ v vᵀ. Gives v = A⁻¹ h and
    /// τ = s / (1 + s hᵀ v), of the old A.
    pub(crate) fn add(&mut self, s: f64, h: ArrayView1<f32>) -> (Array1<f64>, f64) {
        let v = self.times(h);
        let through: f64 = h.iter().zip(&v).map(|(&h, v)| f64::from(h) * v).sum();
        // What is taken away again was in A: rounding must not make it more than all.
        let tau = s / (1.0 + s * through).max(1e-9);
        for (mut row, &of_row) in self.0.rows_mut().into_iter().zip(&v) {
            row.scaled_add(-tau * of_row, &v);
        }
        (v, tau)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::testing::random_codes;

    #[test]
    fn what_was_added_is_in_the_inverse_and_can_be_taken_away() {
        let rows = random_codes(9, 4, 1);
        let mut inverse = Inverse::new(4, 0.1);
        let mut matrix = Array2::<f64>::from_diag_elem(4, 0.1);
        for (i, row) in rows.rows().into_iter().enumerate() {
            let s = 0.25 / (i + 1) as f64;
            inverse.add(s, row);
            let row = row.mapv(f64::from);
            matrix += &(s * &row.view().insert_axis(ndarray::Axis(1)).dot(&row.view().insert_axis(ndarray::Axis(0))));
        }
        let error = matrix.dot(&inverse.0) - Array2::<f64>::eye(4);
        assert!(error.iter().all(|x| x.abs() < 1e-9), "{error}");
        let before = inverse.0.clone();
        inverse.add(0.2, rows.row(3));
        inverse.add(-0.2, rows.row(3));
        assert!((&inverse.0 - &before).iter().all(|x| x.abs() < 1e-9));
    }

    #[test]
    fn inputs_have_unit_length_on_average_and_a_one_behind() {
        let codes = array![[3.0_f32, 4.0], [0.0, 5.0]];
        assert!((unit(codes.view()) - 5.0).abs() < 1e-12);
        assert_eq!(inputs(codes.view(), 5.0), array![[0.6, 0.8, 1.0], [0.0, 1.0, 1.0]]);
        assert!((unit(Array2::zeros((2, 2)).view()) - 1.0).abs() < 1e-12);
    }
}
