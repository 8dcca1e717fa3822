//! The Cholesky factor of a covariance.

use std::f64::consts::TAU;

use ndarray::Array2;

/// Σ = L Lᵀ.
pub(crate) struct Cholesky {
    factor: Array2<f64>, // L, lower triangular: [d, d]
}

impl Cholesky {
    /// Of a symmetric matrix `[d, d]` that is positive but for rounding: a pivot that rounding made negative or tiny counts
    /// as 1e-12 of the largest variance.
    pub(crate) fn of(matrix: &Array2<f64>) -> Cholesky {
        let d = matrix.nrows();
        let least = 1e-12 * matrix.diag().iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let mut factor = Array2::<f64>::zeros((d, d));
        for row in 0..d {
            for column in 0..=row {
                let done = factor.row(row).iter().zip(factor.row(column)).take(column).map(|(a, b)| a * b).sum::<f64>();
                let left = matrix[[row, column]] - done;
                factor[[row, column]] =
                    if row == column { left.max(least).sqrt() } else { left / factor[[column, column]] };
            }
        }
        Cholesky { factor }
    }

    /// L⁻ᵀ: rows times this have the covariance I. `[d, d]`, upper triangular.
    pub(crate) fn whiten(&self) -> Array2<f64> {
        let (d, factor) = (self.factor.nrows(), &self.factor);
        let mut inverse = Array2::<f64>::zeros((d, d)); // L⁻¹, row by row
        for row in 0..d {
            let mut sum = ndarray::Array1::<f64>::zeros(d);
            for above in 0..row {
                sum.scaled_add(-factor[[row, above]], &inverse.row(above));
            }
            sum[row] += 1.0;
            inverse.row_mut(row).assign(&(sum / factor[[row, row]]));
        }
        inverse.reversed_axes()
    }

    /// −½ ln |2πΣ|.
    pub(crate) fn log_volume(&self) -> f64 {
        -self.factor.diag().iter().map(|pivot| pivot.ln()).sum::<f64>() - 0.5 * self.factor.nrows() as f64 * TAU.ln()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;

    #[test]
    fn whitened_rows_have_no_covariance_left_and_the_volume_is_that_of_the_determinant() {
        let covariance = arr2(&[[4.0, 1.0, 0.5], [1.0, 2.0, -0.3], [0.5, -0.3, 1.0]]);
        let factored = Cholesky::of(&covariance);
        let white = factored.whiten().t().dot(&covariance).dot(&factored.whiten());
        assert!((&white - &Array2::<f64>::eye(3)).iter().all(|difference| difference.abs() < 1e-12), "{white}");
        // By the rule of Sarrus.
        let determinant: f64 = 8.0 - 0.15 - 0.15 - 0.5 - 0.36 - 1.0;
        let expected = -0.5 * (determinant.ln() + 3.0 * TAU.ln());
        assert!((factored.log_volume() - expected).abs() < 1e-12);
    }
}
