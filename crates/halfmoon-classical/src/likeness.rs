//! How like real rows made ones are: rows that a generator made, held against rows that it was or was not taught with.
//!
//! Kynkäänniemi, Karras, Laine, Lehtinen, Aila. *Improved Precision and Recall Metric for Assessing Generative Models*.
//! NeurIPS 2019. Naeem, Oh, Uh, Choi, Yoo. *Reliable Fidelity and Diversity Metrics for Generative Models*. ICML 2020.
//! Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter. *GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
//! Equilibrium*. NeurIPS 2017. Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen. *Improved Techniques for Training GANs*.
//! NeurIPS 2016.
//!
//! Published figures look at the codes of a network that learned ImageNet. Here rows are what the caller says, so figures
//! compare only where rows, and their number, are of one kind. All rows are finite, and as wide as each other.

#![allow(clippy::needless_pass_by_value, reason = "a view is a reference")]

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

use crate::knn::balls_around;
use crate::nearest;

/// The k of [`prdc`] with which Naeem et al. work; Kynkäänniemi et al. have 3.
pub const BALL_NEIGHBOURS: usize = 5;

/// What [`prdc`] says, each a share but for the density.
///
/// A ball lies around each row of a set and reaches to the k-th nearest other row of that set, which it does not hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prdc {
    /// Made rows that some real ball holds: how many are plausible.
    pub precision: f64,
    /// Real rows that some made ball holds: how many could have been made.
    pub recall: f64,
    /// Real balls that hold a made row, on average, over k: about 1 for rows of one distribution, above it where made rows
    /// lie where real ones are dense.
    pub density: f64,
    /// Real balls that hold a made row. Not the coverage of answers.
    pub coverage: f64,
}

/// Precision, recall, density and coverage of the rows `[m, d]` that were made, beside real ones `[n, d]`. `None` where a
/// set has no k-th nearest other row.
///
/// Balls are open, as in Naeem et al.'s program: their surface, where the k-th neighbour lies, is not in them. So
/// equal sets of distinct rows have 1 everywhere, but for a density that is less where several rows are equally far from one.
pub fn prdc(real: ArrayView2<f32>, made: ArrayView2<f32>, k: usize) -> Option<Prdc> {
    if k == 0 || real.nrows() <= k || made.nrows() <= k {
        return None;
    }
    let (real_radii, made_radii) = (squared_radii(real, k), squared_radii(made, k));
    let (n, m) = (real.nrows() as f64, made.nrows() as f64);
    let around_made = balls_around(real, &real_radii, made);
    let around_real = balls_around(made, &made_radii, real);
    let to_made = nearest(made, real, 1, false).squared;
    let covered = real_radii.iter().zip(&to_made).filter(|(radius, distance)| distance < radius).count();
    let held = |balls: &[usize]| balls.iter().filter(|&&balls| balls > 0).count() as f64;
    Some(Prdc {
        precision: held(&around_made) / m,
        recall: held(&around_real) / n,
        density: around_made.iter().sum::<usize>() as f64 / (k as f64 * m),
        coverage: covered as f64 / n,
    })
}

/// From each row to the k-th nearest other one: `[n]`, squared.
fn squared_radii(rows: ArrayView2<f32>, k: usize) -> Vec<f64> {
    nearest(rows, rows, k, true).squared.column(k - 1).to_vec()
}

/// Mean and covariance of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// `[d]`.
    pub mean: Array1<f64>,
    /// `[d, d]`, symmetric, no variance below 0.
    pub covariance: Array2<f64>,
}

impl Moments {
    /// Of rows `[n, d]`, the covariance with the divisor n − 1. `None` with fewer than two rows, and
    /// with a number that is not finite, on which eigenvalues would never settle.
    pub fn of(rows: ArrayView2<f32>) -> Option<Moments> {
        if rows.nrows() < 2 || !rows.iter().all(|x| x.is_finite()) {
            return None;
        }
        let mut centred = rows.mapv(f64::from);
        let mean = centred.mean_axis(Axis(0))?;
        centred -= &mean;
        let covariance = centred.t().dot(&centred) / (rows.nrows() - 1) as f64;
        Some(Moments { mean, covariance })
    }

    /// |m₁ − m₂|² + tr(S₁ + S₂ − 2 (S₁^½ S₂ S₁^½)^½): the squared Fréchet distance of two Gaussians.
    ///
    /// For any factors S = F Fᵀ the last trace is the sum of the singular values of F₁ᵀ F₂. These are not taken as roots of
    /// eigenvalues: the root of what rounds to 1e-16 is 1e-8, for every direction without variance.
    pub fn frechet(&self, other: &Moments) -> f64 {
        let apart: f64 = Zip::from(&self.mean).and(&other.mean).fold(0.0, |sum, a, b| sum + (a - b).powi(2));
        let traces = self.covariance.diag().sum() + other.covariance.diag().sum();
        let shared = (self.factor().transpose() * other.factor()).singular_values().sum();
        (apart + traces - 2.0 * shared).max(0.0)
    }

    /// F = V Λ^½ of S = V Λ Vᵀ, eigenvalues that rounding made negative as 0.
    fn factor(&self) -> DMatrix<f64> {
        let d = self.mean.len();
        let SymmetricEigen { mut eigenvectors, eigenvalues } =
            DMatrix::from_iterator(d, d, self.covariance.iter().copied()).symmetric_eigen();
        for (mut vector, value) in eigenvectors.column_iter_mut().zip(&eigenvalues) {
            vector *= value.max(0.0).sqrt();
        }
        eigenvectors
    }
}

/// The squared Fréchet distance of rows `[n, d]` and `[m, d]`, each taken for a Gaussian: [`Moments::frechet`]. `None`
/// where a set has no [`Moments`]. Few rows look farther apart than many of the same kind.
pub fn frechet(a: ArrayView2<f32>, b: ArrayView2<f32>) -> Option<f64> {
    Some(Moments::of(a)?.frechet(&Moments::of(b)?))
}

/// exp(E KL(p(y | x) ‖ p(y))) of probabilities `[n, classes]`, p(y) being their mean: from 1, where every row has the same
/// ones, to the number of classes, where each row is sure of one and all occur alike. `None` without rows.
///
/// The inception score, of any classifier.
pub fn inception_like(probs: ArrayView2<f32>) -> Option<f64> {
    let probs = probs.mapv(f64::from);
    let p_y = probs.mean_axis(Axis(0))?;
    let divergence = |p: &f64, p_y: &f64| if *p > 0.0 { p * (p / p_y).ln() } else { 0.0 };
    let sum: f64 = probs
        .rows()
        .into_iter()
        .map(|p| Zip::from(p).and(&p_y).fold(0.0, |sum, p, p_y| sum + divergence(p, p_y)))
        .sum();
    Some((sum / probs.nrows() as f64).exp())
}

/// The mean distance of made rows to the nearest training row, over that of test rows: far below 1 where training rows were
/// copied, far above it where what was made is like none. `None` where a set is empty, or all test rows are training rows.
pub fn nearest_ratio(made: ArrayView2<f32>, real_train: ArrayView2<f32>, real_test: ArrayView2<f32>) -> Option<f64> {
    if real_train.is_empty() {
        return None;
    }
    let mean = |queries| nearest(real_train, queries, 1, false).squared.mapv(f64::sqrt).mean();
    let (made, test) = (mean(made)?, mean(real_test)?);
    (test > 0.0).then_some(made / test)
}

#[cfg(test)]
mod tests {
    use ndarray::{arr1, arr2, array, concatenate};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn random(n: usize, d: usize, seed: u64) -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_fn((n, d), |_| rng.random_range(-1.0..1.0))
    }

    fn whole(n: usize, d: usize, seed: u64) -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_fn((n, d), |_| f32::from(rng.random_range(0..4_u8)))
    }

    /// The definitions, pair by pair.
    fn by_all_pairs(real: &Array2<f32>, made: &Array2<f32>, k: usize) -> Prdc {
        let squared = |a: &Array2<f32>, i: usize, b: &Array2<f32>, j: usize| -> f64 {
            (0..a.ncols()).map(|at| (f64::from(a[[i, at]]) - f64::from(b[[j, at]])).powi(2)).sum()
        };
        let radii = |rows: &Array2<f32>| -> Vec<f64> {
            let mut reach = vec![];
            for i in 0..rows.nrows() {
                let others = (0..rows.nrows()).filter(|&j| j != i);
                let mut distances: Vec<f64> = others.map(|j| squared(rows, i, rows, j)).collect();
                distances.sort_by(f64::total_cmp);
                reach.push(distances[k - 1]);
            }
            reach
        };
        let (n, m) = (real.nrows(), made.nrows());
        let (real_radii, made_radii) = (radii(real), radii(made));
        // In the ball around a real row; in the ball around a made one.
        let in_real = Array2::from_shape_fn((n, m), |(i, j)| squared(real, i, made, j) < real_radii[i]);
        let in_made = Array2::from_shape_fn((n, m), |(i, j)| squared(real, i, made, j) < made_radii[j]);
        let any = |held: &Array2<bool>, axis| {
            let lanes: Vec<bool> =
                held.lanes(Axis(axis)).into_iter().map(|lane| lane.iter().any(|&held| held)).collect();
            lanes.iter().filter(|&&any| any).count() as f64 / lanes.len() as f64
        };
        Prdc {
            precision: any(&in_real, 0),
            recall: any(&in_made, 1),
            density: in_real.iter().filter(|&&held| held).count() as f64 / (k * m) as f64,
            coverage: any(&in_real, 1),
        }
    }

    #[test]
    fn a_set_beside_itself_has_ones() {
        // Each open ball holds its centre and k − 1 others, whatever k: k n of k n.
        let ones = Prdc { precision: 1.0, recall: 1.0, density: 1.0, coverage: 1.0 };
        for (n, d, k) in [(2, 1, 1), (60, 3, 5), (700, 20, 5), (300, 2, 1), (30, 7, 29)] {
            let rows = random(n, d, 1);
            assert_eq!(prdc(rows.view(), rows.view(), k), Some(ones), "{n} {d} {k}");
        }
    }

    #[test]
    fn of_rows_that_are_equally_far_none_is_in_the_ball() {
        let line = array![[0.0_f32], [1.0], [2.0], [3.0], [4.0]];
        // The ends reach 2 and hold two rows, the three between reach 1 and hold themselves: 7 of 2 × 5.
        let found = prdc(line.view(), line.view(), 2);
        assert_eq!(found, Some(Prdc { precision: 1.0, recall: 1.0, density: 0.7, coverage: 1.0 }));
        // Copies leave a ball no room.
        let copies = array![[0.0_f32], [0.0], [5.0], [5.0]];
        let nothing = Prdc { precision: 0.0, recall: 0.0, density: 0.0, coverage: 0.0 };
        assert_eq!(prdc(copies.view(), copies.view(), 1), Some(nothing));
    }

    #[test]
    fn four_points_beside_three_by_hand() {
        let real = array![[0.0_f32], [1.0], [3.0], [10.0]];
        let made = array![[0.5_f32], [4.0], [40.0]];
        // Real balls reach 1, 1, 2 and 7. 0.5 is in the first two, 4 in the last two, 40 in none; 10 − 4 < 7.
        // Made balls reach 3.5, 3.5 and 36: 0, 1 and 3 are in the first, 10 in the last.
        let expected = Prdc { precision: 2.0 / 3.0, recall: 1.0, density: 4.0 / 3.0, coverage: 1.0 };
        assert_eq!(prdc(real.view(), made.view(), 1), Some(expected));
    }

    #[test]
    fn sets_far_from_each_other_have_nothing_in_common() {
        let (real, made) = (random(80, 4, 2), random(70, 4, 3) + 100.0);
        let nothing = Prdc { precision: 0.0, recall: 0.0, density: 0.0, coverage: 0.0 };
        assert_eq!(prdc(real.view(), made.view(), BALL_NEIGHBOURS), Some(nothing));
    }

    #[test]
    fn balls_are_those_of_looking_at_all_pairs() {
        let holds = |real: &Array2<f32>, made: &Array2<f32>, k: usize| {
            assert_eq!(prdc(real.view(), made.view(), k), Some(by_all_pairs(real, made, k)), "{:?} {k}", real.dim());
        };
        for (n, m, d, k) in [(9, 7, 1, 3), (120, 90, 5, 5), (140, 600, 3, 1), (50, 40, 70, 5)] {
            let (real, made) = (random(n, d, 4), random(m, d, 5) * 0.7 + 0.2);
            holds(&real, &made, k);
            holds(&(&real * 1e30), &(&made * 1e30), k);
            holds(&(&real * 1e-30), &(&made * 1e-30), k);
        }
        // Ties and copies: whole numbers, and offsets that leave few distinct ones. Differences are exact in double precision.
        for (n, m, d, k) in [(100, 80, 2, 3), (150, 150, 4, 5), (60, 200, 6, 1)] {
            let (real, made) = (whole(n, d, 6), whole(m, d, 7));
            holds(&real, &made, k);
            holds(&real, &real, k);
            holds(&(random(n, d, 8) * 0.01 + 3e4), &(random(m, d, 9) * 0.01 + 3e4), k);
        }
        let half = concatenate(Axis(0), &[random(40, 3, 4).view(), random(30, 3, 5).view()]).expect("as wide");
        holds(&random(40, 3, 4), &half, 5);
        let mut outlier = random(40, 3, 4);
        outlier.row_mut(7).fill(1e25);
        holds(&outlier, &half, 5);
    }

    #[test]
    fn without_a_kth_neighbour_there_is_no_ball() {
        let (five, six) = (random(5, 2, 1), random(6, 2, 2));
        assert!(prdc(six.view(), six.view(), 5).is_some());
        assert_eq!(prdc(five.view(), six.view(), 5), None);
        assert_eq!(prdc(six.view(), five.view(), 5), None);
        assert_eq!(prdc(six.view(), six.view(), 0), None);
        assert_eq!(prdc(Array2::zeros((0, 2)).view(), six.view(), 1), None);
    }

    fn gaussian<const D: usize>(mean: [f64; D], covariance: [[f64; D]; D]) -> Moments {
        Moments { mean: arr1(&mean), covariance: arr2(&covariance) }
    }

    fn assert_near(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() <= within, "{found} is not {expected}");
    }

    #[test]
    fn two_gaussians_on_a_line_are_as_far_apart_as_their_means_and_deviations() {
        // (0 − 2)² + (1 − 3)².
        let (a, b) = (gaussian([0.0], [[1.0]]), gaussian([2.0], [[9.0]]));
        assert_near(a.frechet(&b), 8.0, 1e-12);
        assert_near(b.frechet(&a), 8.0, 1e-12);
    }

    #[test]
    fn covariances_that_do_not_commute_have_the_closed_form_of_two_by_two() {
        let (a, b) = (gaussian([1.0, 0.0], [[2.0, 0.5], [0.5, 1.0]]), gaussian([0.0, 3.0], [[1.0, -0.9], [-0.9, 4.0]]));
        // tr M^½ = √(tr M + 2 √(det M)), where tr M = tr S₁ S₂ = 5.1 and det M = 1.75 × 3.19.
        let root = (5.1 + 2.0 * (1.75_f64 * 3.19).sqrt()).sqrt();
        let expected = 10.0 + 8.0 - 2.0 * root;
        assert_near(a.frechet(&b), expected, 1e-12);
        assert_near(b.frechet(&a), expected, 1e-12);
    }

    #[test]
    fn moments_of_three_rows_by_hand() {
        // Mean (2, 1); deviations (−2, −1), (0, 2), (2, −1): sums of products 8, 0 and 6 over two.
        let found = Moments::of(array![[0.0_f32, 0.0], [2.0, 3.0], [4.0, 0.0]].view());
        assert_eq!(found, Some(gaussian([2.0, 1.0], [[4.0, 0.0], [0.0, 3.0]])));
        assert_eq!(Moments::of(array![[1.0_f32, 2.0]].view()), None);
        assert_eq!(Moments::of(array![[1.0_f32], [f32::NAN]].view()), None);
    }

    #[test]
    fn equal_sets_have_no_distance_also_with_fewer_rows_than_columns() {
        const SCALES: [f32; 7] = [1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 0.0];
        for (n, d) in [(200, 5), (30, 60), (2, 10)] {
            let mut rows = random(n, d, 1);
            for (at, mut column) in rows.columns_mut().into_iter().enumerate() {
                column *= SCALES[at % 7];
            }
            assert_near(frechet(rows.view(), rows.view()).expect("two rows"), 0.0, 1e-12);
            let mut turned = rows.clone();
            turned.invert_axis(Axis(0));
            assert_near(frechet(rows.view(), turned.view()).expect("two rows"), 0.0, 1e-12);
        }
    }

    #[test]
    fn the_distance_is_symmetric_and_knows_no_rotation() {
        let (a, b) = (random(300, 3, 1), random(250, 3, 2) * 0.5 + 0.3);
        let distance = |a: &Array2<f32>, b: &Array2<f32>| frechet(a.view(), b.view()).expect("two rows");
        assert_near(distance(&a, &b), distance(&b, &a), 1e-12);
        let rotation = array![[0.6_f32, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]];
        let swap = array![[0.0_f32, 1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]];
        for turn in [&rotation, &swap, &rotation.dot(&swap)] {
            assert_near(distance(&a.dot(turn), &b.dot(turn)), distance(&a, &b), 1e-6);
        }
        // One set turned alone is another set.
        assert!((distance(&a, &b.dot(&rotation)) - distance(&a, &b)).abs() > 1e-3);
    }

    #[test]
    fn sure_answers_of_all_classes_count_the_classes_and_equal_answers_one() {
        for classes in [1_usize, 2, 10] {
            let sure = Array2::from_shape_fn((3 * classes, classes), |(row, class)| f32::from(row % classes == class));
            assert_near(inception_like(sure.view()).expect("rows"), classes as f64, 1e-12);
        }
        let equal = Array2::from_shape_fn((17, 3), |(_, class)| [0.2_f32, 0.5, 0.3][class]);
        assert_near(inception_like(equal.view()).expect("rows"), 1.0, 1e-12);
        assert_eq!(inception_like(Array2::zeros((0, 3)).view()), None);
    }

    #[test]
    fn two_unsure_answers_by_hand() {
        // p(y) is ½, ½: KL = ¾ ln 1.5 + ¼ ln 0.5 of either.
        let probs = array![[0.75_f32, 0.25], [0.25, 0.75]];
        let expected = (0.75 * 1.5_f64.ln() + 0.25 * 0.5_f64.ln()).exp();
        assert_near(inception_like(probs.view()).expect("rows"), expected, 1e-12);
    }

    #[test]
    fn the_ratio_is_that_of_mean_distances_to_training_rows() {
        let (train, test) = (array![[0.0_f32, 0.0], [10.0, 0.0]], array![[0.0_f32, 1.0], [10.0, 3.0]]);
        // Made rows are 0 and 5 away, test rows 1 and 3.
        let made = array![[10.0_f32, 0.0], [3.0, 4.0]];
        assert_eq!(nearest_ratio(made.view(), train.view(), test.view()), Some(1.25));
        assert_eq!(nearest_ratio(train.view(), train.view(), test.view()), Some(0.0));
        assert_eq!(nearest_ratio(made.view(), train.view(), train.view()), None);
        let none = Array2::zeros((0, 2));
        for [made, train, test] in [[&none, &train, &test], [&made, &none, &test], [&made, &train, &none]] {
            assert_eq!(nearest_ratio(made.view(), train.view(), test.view()), None);
        }
    }
}
