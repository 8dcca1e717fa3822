//! Where the codes of each class lie: a Gaussian a class, all of one covariance.
//!
//! Lee, Lee, Lee & Shin, *A simple unified framework for detecting out-of-distribution samples and adversarial attacks*,
//! NeurIPS 2018, equations 1 and 2.

use ndarray::{Array1, Array2, ArrayView1, Axis, Slice};
use serde::{Deserialize, Serialize};

use crate::metric::LEAST_ITEMS;

/// Share of the covariance that is replaced by its mean variance in every direction. Fewer rows than numbers in a code
/// leave directions in which nothing varies.
const SHRINKAGE: f64 = 0.05;

/// Class means and the covariance around them, as what makes it the identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mahalanobis {
    /// L⁻¹ row by row up to its diagonal, where L Lᵀ is the covariance: h (h + 1) / 2 numbers.
    whitening: Vec<f32>,
    /// L⁻¹ μ of each class that has rows.
    means: Vec<Vec<f32>>,
}

impl Mahalanobis {
    /// From codes `[item, h]` of training rows and how much of each belongs to which class `[item, class]`: one-hot where the
    /// class is known, p(y | x) where it is not.
    ///
    /// μ_k = Σ_i r_ik x_i / Σ_i r_ik, Σ = Σ_ik r_ik (x_i − μ_k)(x_i − μ_k)ᵀ / n, then (1 − γ) Σ + γ tr(Σ)/h I with γ = 0.05.
    /// A class of less than one row in all has no mean. `None` for fewer than [`LEAST_ITEMS`] rows, and where the codes do
    /// not vary or are not finite.
    pub fn fit(codes: &Array2<f32>, shares: &Array2<f32>) -> Option<Mahalanobis> {
        let (n, h) = codes.dim();
        if n < LEAST_ITEMS || h == 0 {
            return None;
        }
        // Around the mean of all, so that little is lost where codes lie far from 0.
        let x = codes.mapv(f64::from);
        let centre = x.mean_axis(Axis(0))?;
        let x = x - &centre;
        let r = shares.mapv(f64::from);
        let weights = r.sum_axis(Axis(0));
        let mut means = r.t().dot(&x); // [class, h]
        for (mut mean, &weight) in means.rows_mut().into_iter().zip(&weights) {
            mean /= weight.max(f64::MIN_POSITIVE);
        }
        // Σ_i x xᵀ − Σ_k r_k μ_k μ_kᵀ, since every row's shares sum to 1.
        let weighted = &means * &weights.view().insert_axis(Axis(1));
        let mut covariance = (x.t().dot(&x) - weighted.t().dot(&means)) / n as f64;
        let variance = covariance.diag().sum() / h as f64;
        if !variance.is_finite() || variance <= 0.0 {
            return None;
        }
        covariance *= 1.0 - SHRINKAGE;
        covariance.diag_mut().mapv_inplace(|of_one| of_one + SHRINKAGE * variance);
        let inverse = inverse_of_lower(&cholesky(covariance)?);
        let whitened = |(mean, &weight): (ArrayView1<f64>, &f64)| {
            (weight >= 1.0).then(|| inverse.dot(&(&mean + &centre)).mapv(single).to_vec())
        };
        let means: Vec<_> = means.rows().into_iter().zip(&weights).filter_map(whitened).collect();
        let whitening = (0..h).flat_map(|row| (0..=row).map(move |column| (row, column)));
        let whitening = whitening.map(|at| single(inverse[at])).collect();
        (!means.is_empty()).then_some(Mahalanobis { whitening, means })
    }

    /// Numbers in a code.
    pub fn width(&self) -> usize {
        self.means.first().map_or(0, Vec::len)
    }

    /// √((x − μ)ᵀ Σ⁻¹ (x − μ)) to the nearest class, of each code: `[item, h]` → `[item]`.
    pub fn distances(&self, codes: &Array2<f32>) -> Array1<f64> {
        let h = self.width();
        assert_eq!(codes.ncols(), h, "codes of another model");
        let mut whitening = Array2::zeros((h, h));
        let mut numbers = self.whitening.iter();
        for row in 0..h {
            for column in 0..=row {
                whitening[[row, column]] = numbers.next().map_or(0.0, |&number| f64::from(number));
            }
        }
        let whitened = codes.mapv(f64::from).dot(&whitening.t());
        let squared = |code: ArrayView1<f64>, mean: &[f32]| -> f64 {
            code.iter().zip(mean).map(|(code, &mean)| (code - f64::from(mean)).powi(2)).sum()
        };
        let nearest = |code: ArrayView1<f64>| {
            self.means.iter().map(|mean| squared(code, mean)).fold(f64::INFINITY, f64::min).sqrt()
        };
        whitened.rows().into_iter().map(nearest).collect()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "kept as codes are, in f32")]
fn single(number: f64) -> f32 {
    number as f32
}

/// L with L Lᵀ = a, lower triangular. `None` if a is not positive definite.
fn cholesky(mut a: Array2<f64>) -> Option<Array2<f64>> {
    let h = a.nrows();
    for row in 0..h {
        for column in 0..=row {
            let rest = a[[row, column]] - first(a.row(row), column).dot(&first(a.row(column), column));
            a[[row, column]] = if column == row {
                Some(rest.sqrt()).filter(|root| root.is_finite() && *root > 0.0)?
            } else {
                rest / a[[column, column]]
            };
        }
        a.row_mut(row).iter_mut().skip(row + 1).for_each(|above| *above = 0.0);
    }
    Some(a)
}

/// L⁻¹, lower triangular too: row by row from L L⁻¹ = I.
fn inverse_of_lower(lower: &Array2<f64>) -> Array2<f64> {
    let h = lower.nrows();
    let mut inverse = Array2::zeros((h, h));
    for row in 0..h {
        let above = inverse.slice_axis(Axis(0), Slice::from(..row));
        let mut of_row: Array1<f64> = -first(lower.row(row), row).dot(&above);
        of_row[row] += 1.0;
        inverse.row_mut(row).assign(&(of_row / lower[[row, row]]));
    }
    inverse
}

#[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
fn first(row: ArrayView1<'_, f64>, count: usize) -> ArrayView1<'_, f64> {
    row.split_at(Axis(0), count).0
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn the_triangular_factor_times_itself_is_the_matrix_and_its_inverse_undoes_it() {
        let a = array![[4.0, 2.0, 0.4], [2.0, 5.0, 1.0], [0.4, 1.0, 3.0]];
        let lower = cholesky(a.clone()).expect("positive definite");
        assert!((lower.dot(&lower.t()) - &a).iter().all(|difference| difference.abs() < 1e-12));
        let identity = inverse_of_lower(&lower).dot(&lower);
        assert!((identity - Array2::<f64>::eye(3)).iter().all(|difference| difference.abs() < 1e-12));
        assert_eq!(cholesky(array![[1.0, 2.0], [2.0, 1.0]]), None);
    }

    #[test]
    fn distances_are_in_standard_deviations_of_a_direction() {
        // two classes around (0, 5) and (10, 5), ±1 in the first number and ±2 in the second
        let codes = Array2::from_shape_fn((80, 2), |(i, j)| {
            let sign = |bit: usize| if (i >> bit).is_multiple_of(2) { 1.0 } else { -1.0 };
            if j == 0 { 10.0 * (i % 2) as f32 + sign(1) } else { 5.0 + 2.0 * sign(2) }
        });
        let shares = Array2::from_shape_fn((80, 2), |(i, k)| f32::from(u8::from(i % 2 == k)));
        let fitted = Mahalanobis::fit(&codes, &shares).expect("eighty rows");
        // the covariance is diag(1, 4), its mean variance 2.5: shrunk to diag(1.075, 3.925)
        let distances = fitted.distances(&array![[0.0, 5.0], [10.0, 9.0], [13.0, 5.0]]);
        let expected = [0.0, 4.0 / 3.925_f64.sqrt(), 3.0 / 1.075_f64.sqrt()];
        for (distance, expected) in distances.iter().zip(expected) {
            assert!((distance - expected).abs() < 1e-5, "{distances} {expected:?}");
        }
    }

    #[test]
    fn shares_of_rows_count_as_shares() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let codes = Array2::from_shape_simple_fn((60, 3), || rng.random::<f32>());
        let shares = Array2::from_elem((60, 2), 0.5);
        // both classes have the mean of all, as one class would
        let (two, one) = (Mahalanobis::fit(&codes, &shares), Array2::ones((60, 1)));
        let one = Mahalanobis::fit(&codes, &one);
        let distances = |fitted: Option<Mahalanobis>| fitted.expect("sixty rows").distances(&codes);
        let difference = (distances(two) - distances(one)).mapv(f64::abs).sum();
        assert!(difference < 1e-3, "{difference}");
    }

    #[test]
    fn a_class_without_rows_is_near_to_nothing() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let codes = Array2::from_shape_simple_fn((60, 2), || 20.0 + rng.random::<f32>());
        let shares = Array2::from_shape_fn((60, 3), |(_, k)| f32::from(u8::from(k == 1)));
        let fitted = Mahalanobis::fit(&codes, &shares).expect("sixty rows");
        assert_eq!(fitted.means.len(), 1);
        assert!(fitted.distances(&array![[0.0, 0.0]])[0] > 20.0);
    }

    #[test]
    fn few_rows_and_codes_that_do_not_vary_cannot_be_fitted() {
        let shares = |n| Array2::<f32>::ones((n, 1));
        assert_eq!(Mahalanobis::fit(&Array2::eye(49), &shares(49)), None);
        assert_eq!(Mahalanobis::fit(&Array2::ones((80, 3)), &shares(80)), None);
        // more numbers than rows, one of which never varies, is no obstacle
        let wide = Array2::from_shape_fn((60, 100), |(i, j)| if j == 7 { 1.0 } else { ((i * j) % 13) as f32 });
        assert!(Mahalanobis::fit(&wide, &shares(60)).is_some());
    }

    #[test]
    fn it_survives_being_written_and_read() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let codes = Array2::from_shape_simple_fn((60, 4), || rng.random::<f32>());
        let fitted = Mahalanobis::fit(&codes, &Array2::ones((60, 1))).expect("sixty rows");
        let text = serde_json::to_string(&fitted).expect("plain numbers");
        assert_eq!(serde_json::from_str::<Mahalanobis>(&text).expect("it was just written"), fitted);
    }

    #[derive(Deserialize)]
    struct Golden {
        codes: Codes,
    }

    /// What scikit-learn says; see `tests/golden/trust.py`.
    #[derive(Deserialize)]
    struct Codes {
        x: Vec<[f32; 4]>,
        classes: Vec<usize>,
        others: Vec<[f32; 4]>,
        distances: Vec<f64>,
    }

    #[test]
    fn scikit_learns_shrunk_covariance_gives_the_same_distances() {
        let Golden { codes } =
            serde_json::from_str(include_str!("../../tests/golden/trust.json")).expect("written by trust.py");
        let shares = Array2::from_shape_fn((60, 3), |(i, k)| f32::from(u8::from(codes.classes[i] == k)));
        let fitted = Mahalanobis::fit(&Array2::from(codes.x), &shares).expect("sixty rows");
        let distances = fitted.distances(&Array2::from(codes.others));
        for (ours, theirs) in distances.iter().zip(&codes.distances) {
            assert!((ours / theirs - 1.0).abs() < 1e-5, "{ours} {theirs}");
        }
    }
}
