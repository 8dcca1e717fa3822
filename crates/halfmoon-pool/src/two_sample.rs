//! Whether labelled and unlabelled rows could come from one distribution.
//!
//! Székely, Rizzo. *Testing for Equal Distributions in High Dimension*. InterStat 2004: the energy distance of two samples,
//!
//! ```text
//! 2 E|X − Y| − E|X − X'| − E|Y − Y'|
//! ```
//!
//! is 0 for one distribution and more for two. How large it gets by chance is seen by handing the labels to other rows.

use ndarray::{Array2, ArrayView2, Axis};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Rows of each kind that are looked at; where there are more, so many are drawn.
const MOST: usize = 500;

/// Fewer labelled rows than this say nothing.
const LEAST: usize = 10;

/// How often the labels are handed to other rows.
const PERMUTATIONS: usize = 999;

/// Rows to compare: some that have a label, then some that have none, and how many are of the first kind. `None` with fewer than
/// ten of either.
pub fn rows_to_compare(is_labelled: impl Iterator<Item = bool>, seed: u64) -> Option<(Vec<usize>, usize)> {
    let (labelled, others): (Vec<_>, Vec<_>) = is_labelled.enumerate().partition(|&(_, is_labelled)| is_labelled);
    if labelled.len() < LEAST || others.len() < LEAST {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = |all: &[(usize, bool)]| -> Vec<usize> {
        sample(&mut rng, all.len(), all.len().min(MOST)).into_iter().map(|at| all[at].0).collect()
    };
    let first = drawn(&labelled);
    let count = first.len();
    Some((first.into_iter().chain(drawn(&others)).collect(), count))
}

/// The share of random assignments of the labels under which labelled and unlabelled rows are as far apart as they are, the given
/// assignment counted in: 1/1000 at the least. The first `labelled` of the rows `[n, d]` are the labelled ones; columns are
/// brought to unit variance first. The same seed gives the same answer.
#[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
pub fn p_value(rows: ArrayView2<f32>, labelled: usize, seed: u64) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let distances = distances(&standardised(rows.to_owned()));
    let of_row: Vec<f64> = distances.sum_axis(Axis(1)).to_vec();
    let apart = |first: &[usize]| energy(&distances, &of_row, first);
    let mut order: Vec<usize> = (0..rows.nrows()).collect();
    let found = apart(&order[..labelled]);
    let shuffled: Vec<Vec<usize>> = (0..PERMUTATIONS)
        .map(|_| {
            let (first, _) = order.partial_shuffle(&mut rng, labelled);
            first.to_vec()
        })
        .collect();
    let as_far = shuffled.par_iter().filter(|first| apart(first) >= found).count();
    (1 + as_far) as f64 / (1 + PERMUTATIONS) as f64
}

/// Columns with variance 1; those that do not vary are 0.
fn standardised(mut rows: Array2<f32>) -> Array2<f32> {
    for mut column in rows.columns_mut() {
        let mean = column.mean().unwrap_or(0.0);
        column -= mean;
        let deviation = (column.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / column.len() as f64).sqrt();
        #[expect(clippy::cast_possible_truncation, reason = "rows are f32")]
        let scale = if deviation > 1e-12 { (1.0 / deviation) as f32 } else { 0.0 };
        column *= scale;
    }
    rows
}

/// |x_i − x_j|: `[n, n]`.
fn distances(rows: &Array2<f32>) -> Array2<f64> {
    let n = rows.nrows();
    let of_row = |i: usize| -> Vec<f64> {
        let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
        (0..n).map(|j| rows.row(i).iter().zip(rows.row(j)).map(square).sum::<f64>().sqrt()).collect()
    };
    let all: Vec<f64> = (0..n).into_par_iter().flat_map_iter(of_row).collect();
    Array2::from_shape_vec((n, n), all).expect("n numbers a row")
}

/// The energy distance of the rows `first` and all others; `of_row` holds each row's sum of distances.
fn energy(distances: &Array2<f64>, of_row: &[f64], first: &[usize]) -> f64 {
    let (m, n) = (first.len() as f64, (of_row.len() - first.len()) as f64);
    let within: f64 = first.iter().map(|&i| first.iter().map(|&j| distances[[i, j]]).sum::<f64>()).sum();
    let across = first.iter().map(|&i| of_row[i]).sum::<f64>() - within;
    let others = of_row.iter().sum::<f64>() - 2.0 * across - within;
    2.0 * across / (m * n) - within / (m * m) - others / (n * n)
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use rand::RngExt;

    use super::*;

    #[test]
    fn the_energy_distance_is_that_of_its_definition() {
        // X = {0, 2}, Y = {1, 4}: E|X − Y| = (1 + 4 + 1 + 2)/4 = 2, E|X − X'| = 4/4 = 1, E|Y − Y'| = 6/4.
        let distances = distances(&array![[0.0_f32], [2.0], [1.0], [4.0]]);
        let of_row = distances.sum_axis(Axis(1)).to_vec();
        assert!((energy(&distances, &of_row, &[0, 1]) - (4.0 - 1.0 - 1.5)).abs() < 1e-12);
    }

    fn compared(rows: &Array2<f32>, is_labelled: &[bool], seed: u64) -> Option<f64> {
        let (chosen, labelled) = rows_to_compare(is_labelled.iter().copied(), seed)?;
        Some(p_value(rows.select(Axis(0), &chosen).view(), labelled, seed))
    }

    #[test]
    fn labels_from_one_corner_are_noticed_and_fair_ones_are_not() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let rows = Array2::from_shape_fn((600, 3), |_| rng.random::<f32>());
        let corner: Vec<bool> = rows.rows().into_iter().map(|row| row[0] > 0.9).collect();
        assert!(compared(&rows, &corner, 1).is_some_and(|p| p <= 0.001));
        // Of a hundred fair draws five are expected below 0.05, and more than 12 once in a thousand times.
        let below = (0..100).filter(|&draw| {
            let mut fair = vec![false; 600];
            sample(&mut ChaCha8Rng::seed_from_u64(100 + draw), 600, 40).into_iter().for_each(|row| fair[row] = true);
            compared(&rows, &fair, draw).is_some_and(|p| p <= 0.05)
        });
        assert!(below.count() <= 12);
    }

    #[test]
    fn few_rows_say_nothing_and_rows_that_are_all_equal_are_alike() {
        let rows = Array2::zeros((30, 2));
        let of_first = |count: usize| compared(&rows, &(0..30).map(|row| row < count).collect::<Vec<_>>(), 1);
        assert_eq!((of_first(9), of_first(15)), (None, Some(1.0)));
    }
}
