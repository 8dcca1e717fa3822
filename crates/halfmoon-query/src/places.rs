//! Distances between many rows and one, in single precision and as fast as memory allows.

#![allow(clippy::inline_always, reason = "vector instructions that are found at run time reach only what is inlined")]

use ndarray::{Array1, ArrayView1, ArrayView2, Zip};
use rayon::prelude::*;

/// Rows that a thread takes at a time.
const RUN: usize = 512;

/// Rows moved to their mean and brought into −1…1, so that no square overflows.
pub(crate) struct Places {
    rows: Vec<f32>,
    n: usize,
    width: usize,
    mean: Array1<f64>,
    scale: f64,
}

impl Places {
    /// Of rows `[n, d]`, all finite.
    pub(crate) fn new(rows: ArrayView2<f32>) -> Places {
        let mean = mean_row(rows);
        let most =
            |row: ArrayView1<f32>| row.iter().zip(&mean).map(|(&x, m)| (f64::from(x) - m).abs()).fold(0.0, f64::max);
        let most = rows.rows().into_iter().map(most).fold(0.0, f64::max);
        let n = rows.nrows();
        let mut places =
            Places { rows: vec![], n, width: rows.ncols(), mean, scale: if most > 0.0 { 1.0 / most } else { 1.0 } };
        places.rows = rows.rows().into_iter().flat_map(|row| places.moved(row)).collect();
        places
    }

    fn moved(&self, row: ArrayView1<f32>) -> Vec<f32> {
        row.iter().zip(&self.mean).map(|(&x, mean)| single((f64::from(x) - mean) * self.scale)).collect()
    }

    /// A squared distance of the rows as they came, as one of those here.
    pub(crate) fn scaled(&self, squared: f64) -> f32 {
        single(squared * self.scale * self.scale)
    }

    /// The other way round.
    pub(crate) fn distance(&self, squared: f32) -> f64 {
        f64::from(squared).sqrt() / self.scale
    }

    /// Moved rows, one after another.
    pub(crate) fn rows(&self) -> &[f32] {
        &self.rows
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.rows[row * self.width..(row + 1) * self.width]
    }

    /// Squared distance of every row from the mean: `[n]`.
    pub(crate) fn squared_to_mean(&self) -> Vec<f32> {
        let mut found = vec![f32::INFINITY; self.len()];
        self.lower_to(&vec![0.0; self.width], &mut found);
        found
    }

    pub(crate) fn len(&self) -> usize {
        self.n
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// nearest_i ← min(nearest_i, |x_i − x|²) for x, one of the rows.
    pub(crate) fn lower(&self, row: usize, nearest: &mut [f32]) {
        self.lower_to(self.row(row), nearest);
    }

    /// Of every row the mean of a function of its squared distance from the first `others` rows, itself apart; 1 where there is
    /// no other row: `[n]`.
    pub(crate) fn mean_over_others(&self, others: usize, of: impl Fn(f32) -> f32 + Sync) -> Vec<f64> {
        let others = others.min(self.len());
        let mean = |row: usize| {
            let mut sum = 0.0;
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || {
                    for other in (0..others).filter(|&other| other != row) {
                        sum += f64::from(of(squared(self.row(row), self.row(other))));
                    }
                },
            );
            let counted = others - usize::from(row < others);
            if counted > 0 { sum / counted as f64 } else { 1.0 }
        };
        (0..self.len()).into_par_iter().map(mean).collect()
    }

    fn lower_to(&self, to: &[f32], nearest: &mut [f32]) {
        if self.width == 0 {
            return nearest.fill(0.0);
        }
        nearest.par_chunks_mut(RUN).zip(self.rows.par_chunks(RUN * self.width)).for_each(|(nearest, rows)| {
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || {
                    for (nearest, row) in nearest.iter_mut().zip(rows.chunks_exact(self.width)) {
                        *nearest = nearest.min(squared(row, to));
                    }
                },
            );
        });
    }
}

/// Σ a b of every row of `[n, d]` and one of them: `[n]`. A row and its copy have the same.
pub(crate) fn products(rows: &[f32], width: usize, with: usize, found: &mut [f32]) {
    if width == 0 {
        return found.fill(0.0);
    }
    let with = &rows[with * width..(with + 1) * width];
    found.par_chunks_mut(RUN).zip(rows.par_chunks(RUN * width)).for_each(|(found, rows)| {
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for (found, row) in found.iter_mut().zip(rows.chunks_exact(width)) {
                    *found = product(row, with);
                }
            },
        );
    });
}

/// Numbers that are summed side by side.
const LANES: usize = 16;

#[inline(always)]
fn squared(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |a, b| (a - b) * (a - b))
}

#[inline(always)]
fn product(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |a, b| a * b)
}

#[inline(always)]
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += term(a[lane], b[lane]);
        }
    }
    for (lane, (&a, &b)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[lane] += term(a, b);
    }
    lanes.iter().sum()
}

/// When two rows are as good as copies: where they are less than a distance apart, and always where they are alike.
#[derive(Clone, Copy)]
pub(crate) struct Near {
    least: f64, // the square of that distance
}

impl Near {
    /// Of rows `[n, d]`; `apart` as in [`crate::Ask::apart`].
    pub(crate) fn of(rows: ArrayView2<f32>, apart: f64) -> Near {
        Near { least: apart * apart * spread(rows) }
    }

    /// Whether rows of this squared distance are.
    pub(crate) fn is(self, squared: f64) -> bool {
        squared < self.least || squared <= 0.0
    }
}

/// Mean squared distance of rows `[n, d]` from their mean; 0 of no row.
pub(crate) fn spread(rows: ArrayView2<f32>) -> f64 {
    let mean = mean_row(rows);
    let of = |row: ArrayView1<f32>| row.iter().zip(&mean).map(|(&x, mean)| (f64::from(x) - mean).powi(2)).sum::<f64>();
    rows.rows().into_iter().map(of).sum::<f64>() / rows.nrows().max(1) as f64
}

fn mean_row(rows: ArrayView2<f32>) -> Array1<f64> {
    let mut mean = Array1::<f64>::zeros(rows.ncols());
    for row in rows.rows() {
        Zip::from(&mut mean).and(row).for_each(|sum, &x| *sum += f64::from(x));
    }
    mean / rows.nrows().max(1) as f64
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to single precision is what is asked for")]
pub(crate) fn single(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use halfmoon_classical::squared_distance;

    use super::*;

    #[test]
    fn distances_and_products_are_those_of_adding_up() {
        for d in [1, 2, 15, 16, 17, 40] {
            let rows = Array2::from_shape_fn((1100, d), |(i, j)| ((i * 31 + j * 17) % 101) as f32);
            let places = Places::new(rows.view());
            let mut nearest = vec![f32::INFINITY; 1100];
            places.lower(7, &mut nearest);
            let mut found = vec![0.0; 1100];
            products(rows.as_slice().expect("in rows"), d, 7, &mut found);
            for i in 0..1100 {
                let expected = squared_distance(rows.row(i), rows.row(7)).sqrt();
                assert!((places.distance(nearest[i]) - expected).abs() < 1e-3, "{d}: {i}");
                let expected = rows.row(i).dot(&rows.row(7));
                assert!((found[i] - expected).abs() <= 1e-5 * expected, "{d}: {i}");
            }
        }
    }

    #[test]
    fn neither_huge_nor_tiny_numbers_lose_their_distances() {
        for unit in [1e30_f32, 1e-30] {
            let places = Places::new((array![[0.0_f32], [3.0], [7.0]] * unit).view());
            let mut nearest = vec![f32::INFINITY; 3];
            places.lower(0, &mut nearest);
            let ratio = places.distance(nearest[2]) / places.distance(nearest[1]);
            assert!((ratio - 7.0 / 3.0).abs() < 1e-5);
            assert!((f64::from(places.scaled(places.distance(nearest[1]).powi(2)) / nearest[1]) - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn the_spread_is_the_mean_squared_distance_from_the_mean() {
        // The mean is (1, 0); the squared distances are 1, 1, 4, 4.
        let rows = array![[0.0_f32, 0.0], [2.0, 0.0], [1.0, 2.0], [1.0, -2.0]];
        assert!((spread(rows.view()) - 2.5).abs() < 1e-12);
        assert!(spread(Array2::zeros((0, 2)).view()) == 0.0);
    }
}
