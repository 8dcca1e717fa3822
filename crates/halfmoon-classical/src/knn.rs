//! The nearest rows of others, exactly, and the classifier that asks them.

#![allow(clippy::needless_pass_by_value, reason = "a view is a reference")]

use std::ops::Range;

use halfmoon_kernels::linear;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Zip};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Arrays, Fitted, GoOn, Method, Rows};

/// The `k` nearest rows of each query; all rows, where there are fewer than `k`.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// `[q, k]`, nearest first; of two at the same distance the one with the lower index comes first.
    pub index: Array2<usize>,
    /// Squared Euclidean distances: `[q, k]`.
    pub squared: Array2<f64>,
}

/// The rows `[n, d]` nearest to each query `[q, d]`. With `leave_self_out` the queries are the rows themselves, and
/// none is its own neighbour.
pub fn nearest(rows: ArrayView2<f32>, queries: ArrayView2<f32>, k: usize, leave_self_out: bool) -> Neighbours {
    search(rows, queries, k, leave_self_out, &mut |_| true).expect("nobody tells it to stop")
}

/// [`nearest`], which can be stopped.
///
/// A matrix product gives a lower bound of every distance, and rows are measured, in double precision, only where
/// that is below the k-th distance so far. So the answer is the one of measuring all of them, whatever a product
/// rounds and however threads share the work; memory grows with n + q.
pub(crate) fn search(
    rows: ArrayView2<f32>,
    queries: ArrayView2<f32>,
    k: usize,
    leave_self_out: bool,
    go_on: GoOn,
) -> Option<Neighbours> {
    let (rows, queries) = (rows.as_standard_layout(), queries.as_standard_layout());
    let (n, q) = (rows.nrows(), queries.nrows());
    let k = k.min(n.saturating_sub(usize::from(leave_self_out)));
    let mut neighbours = Neighbours { index: Array2::zeros((q, k)), squared: Array2::zeros((q, k)) };
    if k == 0 || q == 0 {
        return Some(neighbours);
    }
    let searched = Searched::new(rows.view(), queries.view());
    let wave = QUERIES * rayon::current_num_threads();
    for first in (0..q).step_by(wave) {
        let end = (first + wave).min(q);
        let blocks: Vec<Range<usize>> =
            (first..end).step_by(QUERIES).map(|first| first..(first + QUERIES).min(end)).collect();
        let found: Vec<Nearest> = blocks
            .into_par_iter()
            .flat_map_iter(|block| {
                let queries = queries.slice_axis(Axis(0), block.clone().into());
                searched.nearest(queries, k, |query| leave_self_out.then_some(block.start + query))
            })
            .collect();
        for (query, nearest) in (first..end).zip(found) {
            for (place, (squared, row)) in nearest.found.into_iter().enumerate() {
                neighbours.index[[query, place]] = row;
                neighbours.squared[[query, place]] = squared;
            }
        }
        if !go_on(end as f64 / q as f64) {
            return None;
        }
    }
    Some(neighbours)
}

/// In how many balls each query `[q, d]` lies: those around the rows `[n, d]` with these squared radii `[n]`, without
/// their surfaces. Exact in the way of [`search`].
pub(crate) fn balls_around(rows: ArrayView2<f32>, squared_radii: &[f64], queries: ArrayView2<f32>) -> Vec<usize> {
    let (rows, queries) = (rows.as_standard_layout(), queries.as_standard_layout());
    let q = queries.nrows();
    let searched = Searched::new(rows.view(), queries.view());
    let blocks: Vec<Range<usize>> = (0..q).step_by(QUERIES).map(|first| first..(first + QUERIES).min(q)).collect();
    let balls = |block: Range<usize>| searched.balls_around(squared_radii, queries.slice_axis(Axis(0), block.into()));
    blocks.into_par_iter().flat_map_iter(balls).collect()
}

/// Queries that a thread takes at a time, and rows that they are multiplied with at once: their products stay in
/// the cache.
const QUERIES: usize = 256;
const ROWS: usize = 512;

/// Rows whose bounds are compared before a branch.
const RUN: usize = 32;

/// Rows to search, also moved to their mean and brought into −1…1, where products round less and no square
/// overflows.
struct Searched<'a> {
    rows: ArrayView2<'a, f32>,
    mean: Array1<f64>,
    scale: f64,
    moved: Vec<f32>,
    /// Of every moved row: [`Searched::square`].
    squares: Vec<f32>,
}

impl<'a> Searched<'a> {
    fn new(rows: ArrayView2<'a, f32>, queries: ArrayView2<f32>) -> Searched<'a> {
        let mut mean = Array1::<f64>::zeros(rows.ncols());
        for row in rows.rows() {
            Zip::from(&mut mean).and(row).for_each(|sum, &x| *sum += f64::from(x));
        }
        mean /= rows.nrows() as f64;
        let farthest = |most: f64, row: ArrayView1<f32>| {
            row.iter().zip(&mean).map(|(&x, mean)| (f64::from(x) - mean).abs()).fold(most, f64::max)
        };
        let most = rows.rows().into_iter().chain(queries.rows()).fold(0.0, farthest);
        let scale = if most > 0.0 { 1.0 / most } else { 1.0 };
        let mut searched = Searched { rows, mean, scale, moved: vec![], squares: vec![] };
        searched.moved = searched.moved(rows);
        searched.squares = (0..rows.nrows()).map(|row| searched.square(&searched.moved, row)).collect();
        searched
    }

    fn moved(&self, rows: ArrayView2<f32>) -> Vec<f32> {
        let mut moved = Vec::with_capacity(rows.len());
        for row in rows.rows() {
            moved.extend(row.iter().zip(&self.mean).map(|(&x, mean)| single((f64::from(x) - mean) * self.scale)));
        }
        moved
    }

    /// |b|² less what rounding may add to |a − b|² on b's behalf.
    ///
    /// A product of d terms errs by d·u·|a||b| in whatever order it sums, u being ε/2; the sixteen stand for the
    /// rounding of coordinates, squares and their sum, and ε itself leaves room. The last term is for what
    /// underflows.
    fn square(&self, moved: &[f32], row: usize) -> f32 {
        let d = self.rows.ncols();
        let square: f64 = moved[row * d..(row + 1) * d].iter().map(|&x| f64::from(x).powi(2)).sum();
        let slack = (d + 16) as f64 * f64::from(f32::EPSILON);
        single(square * (1.0 - slack) - d as f64 * f64::from(f32::MIN_POSITIVE))
    }

    fn nearest(&self, queries: ArrayView2<f32>, k: usize, itself: impl Fn(usize) -> Option<usize>) -> Vec<Nearest> {
        let moved = self.moved(queries);
        let start = |query| Nearest { k, square: self.square(&moved, query), found: Vec::with_capacity(k + 1) };
        let mut nearest: Vec<Nearest> = (0..queries.nrows()).map(start).collect();
        self.multiply(&moved, queries.nrows(), |query, rows, products| {
            self.look(&mut nearest[query], queries.row(query), rows, products, itself(query));
        });
        nearest
    }

    /// In how many balls each query lies.
    fn balls_around(&self, squared_radii: &[f64], queries: ArrayView2<f32>) -> Vec<usize> {
        let moved = self.moved(queries);
        let squares: Vec<f32> = (0..queries.nrows()).map(|query| self.square(&moved, query)).collect();
        // What r² rounds by has room as well: near a surface it is no more than 2|a|² + 2|b|².
        let shrunk = |(&square, radius): (&f32, &f64)| single(f64::from(square) - radius * self.scale * self.scale);
        let shrunk: Vec<f32> = self.squares.iter().zip(squared_radii).map(shrunk).collect();
        let mut balls = vec![0; queries.nrows()];
        self.multiply(&moved, queries.nrows(), |query, rows, products| {
            for (row, &product) in rows.zip(products) {
                // |a|² + |b|² − 2ab is not below r². What is not a number has to be measured, too.
                let outside = shrunk[row] - 2.0 * product > -squares[query];
                if !outside && squared_distance(queries.row(query), self.rows.row(row)) < squared_radii[row] {
                    balls[query] += 1;
                }
            }
        });
        balls
    }

    /// Passes on each query's products with some rows at a time.
    fn multiply(&self, moved: &[f32], queries: usize, mut take: impl FnMut(usize, Range<usize>, &[f32])) {
        let (n, d) = self.rows.dim();
        for first in (0..n).step_by(ROWS) {
            let rows = first..(first + ROWS).min(n);
            // The gradient of another product is a bᵀ for queries a and rows b.
            let products =
                linear::input_gradient([queries, rows.len(), d], moved, &self.moved[rows.start * d..rows.end * d]);
            for (query, products) in products.chunks(rows.len()).enumerate() {
                take(query, rows.clone(), products);
            }
        }
    }

    /// Measures those of these rows that may be near.
    fn look(
        &self,
        nearest: &mut Nearest,
        query: ArrayView1<f32>,
        rows: Range<usize>,
        products: &[f32],
        itself: Option<usize>,
    ) {
        let mut limit = nearest.limit(self.scale);
        // |a − b|² = |a|² + |b|² − 2ab. What is not a number has to be measured, too.
        let may_be_near = |product: f32, square: f32, limit: f32| {
            let far = square - 2.0 * product > limit;
            !far
        };
        for (run, products) in products.chunks(RUN).enumerate() {
            let first = rows.start + run * RUN;
            let squares = &self.squares[first..first + products.len()];
            let near = products
                .iter()
                .zip(squares)
                .fold(false, |any, (&product, &square)| any | may_be_near(product, square, limit));
            if !near {
                continue;
            }
            for (row, (&product, &square)) in (first..).zip(products.iter().zip(squares)) {
                if may_be_near(product, square, limit) && itself != Some(row) {
                    nearest.offer(squared_distance(query, self.rows.row(row)), row);
                    limit = nearest.limit(self.scale);
                }
            }
        }
    }
}

/// The nearest rows of one query so far.
struct Nearest {
    k: usize,
    /// [`Searched::square`] of the query.
    square: f32,
    /// Squared distances and rows, nearest first.
    found: Vec<(f64, usize)>,
}

impl Nearest {
    /// A row comes in where |b|² − 2ab is not above this.
    fn limit(&self, scale: f64) -> f32 {
        match self.found.get(self.k - 1) {
            None => f32::INFINITY,
            // Rows come in the order of their index: no later one is before these.
            Some(&(squared, _)) if squared <= 0.0 => f32::NEG_INFINITY,
            Some(&(squared, _)) => single(squared * scale * scale - f64::from(self.square)),
        }
    }

    fn offer(&mut self, squared: f64, row: usize) {
        let place = self.found.partition_point(|(other, _)| other.total_cmp(&squared).is_le());
        if place < self.k {
            self.found.truncate(self.k - 1);
            self.found.insert(place, (squared, row));
        }
    }
}

/// |a − b|², in double precision. Terms are summed in eight lanes, so that a processor can add them side by side.
#[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
pub fn squared_distance(a: ArrayView1<f32>, b: ArrayView1<f32>) -> f64 {
    match (a.as_slice(), b.as_slice()) {
        (Some(a), Some(b)) => {
            let mut lanes = [0.0; 8];
            let (a, a_rest) = a.as_chunks::<8>();
            let (b, b_rest) = b.as_chunks::<8>();
            for (a, b) in a.iter().zip(b) {
                for lane in 0..8 {
                    lanes[lane] += (f64::from(a[lane]) - f64::from(b[lane])).powi(2);
                }
            }
            let rest = a_rest.iter().zip(b_rest).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
            lanes.into_iter().chain(rest).sum()
        }
        _ => a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to single precision is what is asked for")]
pub(crate) fn single(x: f64) -> f32 {
    x as f32
}

/// Asks the nearest labelled rows; unlabelled ones teach it nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knn {
    /// How many rows are asked. One needs no choice, and suits few labels.
    pub k: usize,
}

impl Default for Knn {
    fn default() -> Self {
        Knn { k: 1 }
    }
}

/// Labelled rows, to be asked.
///
/// A class's probability is its share of the votes of the `k` nearest rows and of one more vote that is divided
/// among all classes: a class that nobody votes for is improbable and not impossible. Of classes with equally
/// many votes the one with the nearest row is ahead, by a thousandth of a vote.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedKnn {
    /// `[m, d]`.
    rows: Array2<f32>,
    /// One-hot: `[m, classes]`.
    labels: Array2<f32>,
    k: usize,
}

impl Method for Knn {
    type Fitted = FittedKnn;

    fn check(&self) -> Result<(), String> {
        if self.k == 0 { Err("k is 0: it takes at least one neighbour".to_owned()) } else { Ok(()) }
    }

    fn fit(&self, rows: &Rows, _: GoOn) -> Option<FittedKnn> {
        let labelled = rows.labelled();
        let kept: Vec<usize> = labelled.iter().map(|&(row, _)| row).collect();
        let mut labels = Array2::zeros((kept.len(), rows.classes));
        for (kept, &(_, class)) in labelled.iter().enumerate() {
            labels[[kept, class]] = 1.0;
        }
        Some(FittedKnn { rows: rows.x.select(Axis(0), &kept), labels, k: self.k.min(kept.len()) })
    }
}

/// Votes by which the nearest of equals is ahead.
const AHEAD: f32 = 1e-3;

impl Fitted for FittedKnn {
    fn probs(&self, x: ArrayView2<f32>) -> Array2<f32> {
        let neighbours = nearest(self.rows.view(), x, self.k, false);
        let classes = self.labels.ncols();
        let mut probs = Array2::from_elem((x.nrows(), classes), 1.0 / classes as f32);
        for (mut votes, voters) in probs.rows_mut().into_iter().zip(neighbours.index.rows()) {
            for &voter in voters {
                votes += &self.labels.row(voter);
            }
            let most = votes.fold(0.0, |most: f32, &votes| most.max(votes));
            let is_top = |class: &usize| votes[*class] >= most;
            if let Some(top) = voters.iter().map(|&voter| top_class(self.labels.row(voter))).find(is_top) {
                votes[top] += AHEAD;
            }
            let sum = votes.sum();
            votes /= sum;
        }
        probs
    }

    fn into_arrays(self) -> Arrays {
        let k = Array1::from_elem(1, self.k as f32).into_dyn();
        [("rows", self.rows.into_dyn()), ("labels", self.labels.into_dyn()), ("k", k)]
            .map(|(name, array)| (name.to_owned(), array))
            .into()
    }

    fn from_arrays(arrays: &Arrays) -> Result<Self, String> {
        let [rows, labels] = matrices(arrays, ["rows", "labels"])?;
        let k = numbers(arrays, "k", 1)?[0];
        let k = count(k).filter(|k| *k <= rows.nrows()).ok_or("`k` is no number of rows")?;
        if labels.iter().any(|label| ![0.0, 1.0].contains(label)) {
            return Err("`labels` are not all 0 or 1".to_owned());
        }
        Ok(FittedKnn { rows, labels, k })
    }
}

fn top_class(label: ArrayView1<f32>) -> usize {
    label.iter().position(|&is| is > 0.5).unwrap_or_default()
}

/// Matrices by name, all finite and with equally many rows.
pub(crate) fn matrices<const N: usize>(arrays: &Arrays, names: [&str; N]) -> Result<[Array2<f32>; N], String> {
    let mut found = [const { None }; N];
    let mut rows = None;
    for (place, name) in found.iter_mut().zip(names) {
        let array = arrays.get(name).ok_or(format!("`{name}` is missing"))?;
        let matrix: Array2<f32> = array.clone().into_dimensionality().map_err(|_| format!("`{name}` is no matrix"))?;
        if *rows.get_or_insert(matrix.nrows()) != matrix.nrows() || matrix.nrows() == 0 {
            return Err(format!("`{name}` has {} rows", matrix.nrows()));
        }
        if matrix.iter().any(|x| !x.is_finite()) {
            return Err(format!("`{name}` holds what is not a number"));
        }
        *place = Some(matrix);
    }
    Ok(found.map(|matrix| matrix.expect("each name was looked up")))
}

/// A list of so many numbers, all finite.
pub(crate) fn numbers(arrays: &Arrays, name: &str, count: usize) -> Result<Vec<f32>, String> {
    let array = arrays.get(name).ok_or(format!("`{name}` is missing"))?;
    if array.shape() != [count] || array.iter().any(|x| !x.is_finite()) {
        return Err(format!("`{name}` is not {count} numbers"));
    }
    Ok(array.iter().copied().collect())
}

/// A whole number that went through single precision, from 1 on.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
pub(crate) fn count(x: f32) -> Option<usize> {
    (x >= 1.0 && x.fract() == 0.0).then_some(x as usize)
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::Class;
    use ndarray::{array, concatenate};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn random(n: usize, d: usize, seed: u64) -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_fn((n, d), |_| rng.random_range(-1.0..1.0))
    }

    /// Every distance, sorted.
    fn by_sorting(rows: &Array2<f32>, queries: &Array2<f32>, k: usize, leave_self_out: bool) -> Vec<(usize, f64)> {
        let mut all = vec![];
        for (query, a) in queries.rows().into_iter().enumerate() {
            let distance =
                |b: ArrayView1<f32>| a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
            let mut found: Vec<(usize, f64)> = rows.rows().into_iter().map(distance).enumerate().collect();
            found.retain(|(row, _)| !(leave_self_out && *row == query));
            found.sort_by(|a, b| a.1.total_cmp(&b.1));
            all.extend(found.into_iter().take(k));
        }
        all
    }

    fn assert_is_sorting(rows: &Array2<f32>, queries: &Array2<f32>, k: usize, leave_self_out: bool) {
        let found = nearest(rows.view(), queries.view(), k, leave_self_out);
        let expected = by_sorting(rows, queries, k, leave_self_out);
        assert_eq!(found.index.len(), expected.len());
        for ((&row, &squared), (expected_row, expected)) in found.index.iter().zip(&found.squared).zip(expected) {
            assert_eq!(row, expected_row);
            assert!((squared - expected).abs() <= 1e-12 * expected, "{squared} is not {expected}");
        }
    }

    #[test]
    fn the_nearest_of_four_points_on_a_line() {
        let rows = array![[0.0_f32], [1.0], [3.0], [10.0]];
        let found = nearest(rows.view(), array![[2.5_f32], [0.0]].view(), 2, false);
        assert_eq!(found, Neighbours { index: array![[2, 1], [0, 1]], squared: array![[0.25, 2.25], [0.0, 1.0]] });
        let others = nearest(rows.view(), rows.view(), 1, true);
        assert_eq!(
            others,
            Neighbours { index: array![[1], [0], [1], [2]], squared: array![[1.0], [1.0], [4.0], [49.0]] }
        );
    }

    #[test]
    fn neighbours_are_those_of_sorting_all_distances() {
        for (n, d) in [(1, 1), (5, 3), (40, 1), (300, 17), (700, 64), (1100, 5)] {
            let rows = random(n, d, 1);
            assert_is_sorting(&rows, &random(n / 2 + 1, d, 2), 7, false);
            assert_is_sorting(&rows, &rows, 7, true);
        }
    }

    #[test]
    fn neither_an_offset_nor_the_unit_nor_an_outlier_costs_precision() {
        let rows = random(600, 8, 3);
        let mut outlier = rows.clone();
        outlier.row_mut(17).fill(1e25);
        let flat = |x: f32| if x > 0.0 { x } else { 0.0 };
        for rows in [rows.mapv(|x| x + 3e4), &rows * 1e30, &rows * 1e-30, outlier, rows.mapv(flat)] {
            assert_is_sorting(&rows, &rows, 10, true);
        }
    }

    #[test]
    fn of_rows_at_the_same_distance_the_first_come_first() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let corners = Array2::from_shape_fn((1300, 6), |_| f32::from(rng.random_range(0..2_u8)));
        assert_is_sorting(&corners, &corners, 10, true);
        let alike = Array2::from_elem((600, 3), 0.1_f32);
        let found = nearest(alike.view(), alike.view(), 3, true);
        assert_eq!(found.index.row(0), array![1, 2, 3]);
        assert_eq!(found.index.row(599), array![0, 1, 2]);
        assert!(found.squared.iter().all(|&squared| squared == 0.0));
    }

    #[test]
    fn there_are_no_more_neighbours_than_rows() {
        let rows = random(4, 2, 5);
        assert_eq!(nearest(rows.view(), rows.view(), 9, false).index.dim(), (4, 4));
        assert_eq!(nearest(rows.view(), rows.view(), 9, true).index.dim(), (4, 3));
        let one = random(1, 2, 5);
        assert_eq!(nearest(one.view(), one.view(), 9, true).index.dim(), (1, 0));
        assert_eq!(nearest(one.view(), rows.view(), 9, false).index, array![[0], [0], [0], [0]]);
        let none = Array2::<f32>::zeros((0, 2));
        assert_eq!(nearest(rows.view(), none.view(), 2, false).index.dim(), (0, 2));
        let without_columns = Array2::<f32>::zeros((3, 0));
        assert_eq!(nearest(without_columns.view(), without_columns.view(), 1, true).index, array![[1], [0], [0]]);
    }

    #[test]
    fn what_is_not_a_number_still_has_neighbours() {
        let found = nearest(random(50, 2, 6).view(), array![[f32::NAN, 0.0], [f32::INFINITY, 0.0]].view(), 3, false);
        assert_eq!(found.index.row(0), array![0, 1, 2]);
    }

    #[test]
    fn neither_threads_nor_other_queries_change_what_is_found() {
        let (rows, queries) = (random(1500, 33, 7), random(777, 33, 8));
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| nearest(rows.view(), queries.view(), 6, false))
        };
        let all = with(1);
        assert_eq!(all, with(3));
        let far = Array2::from_elem((1, 33), 1e20_f32);
        let some =
            concatenate(Axis(0), &[far.view(), queries.slice_axis(Axis(0), (500..503).into())]).expect("as wide");
        let some = nearest(rows.view(), some.view(), 6, false);
        for query in 0..3 {
            assert_eq!(some.index.row(query + 1), all.index.row(query + 500));
            assert_eq!(some.squared.row(query + 1), all.squared.row(query + 500));
        }
    }

    #[test]
    fn a_search_says_how_far_it_is_and_stops_when_told() {
        let (rows, mut shares) = (random(4000, 2, 9), vec![]);
        let found = search(rows.view(), rows.view(), 2, true, &mut |share| {
            shares.push(share);
            share < 0.3
        });
        assert_eq!(found, None);
        assert!(shares.is_sorted() && shares.last().is_some_and(|&share| share >= 0.3));
        assert!(shares.iter().rev().skip(1).all(|&share| share < 0.3));
    }

    fn fitted(x: &Array2<f32>, labels: &[Option<u16>], classes: usize, k: usize) -> FittedKnn {
        let labels: Vec<Option<Class>> = labels.iter().map(|label| label.map(Class)).collect();
        Knn { k }.fit(&Rows { x: x.view(), labels: &labels, classes, seed: 0 }, &mut |_| true).expect("not stopped")
    }

    fn assert_near(found: ArrayView1<f32>, expected: &[f32]) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3), "{found} is not {expected:?}");
    }

    #[test]
    fn a_class_gets_its_votes_and_its_part_of_one_more() {
        let x = array![[0.0_f32], [1.0], [2.0], [9.0], [0.1]];
        let labels = [Some(0), Some(0), Some(1), Some(1), None];
        let probs = fitted(&x, &labels, 4, 3).probs(array![[0.2_f32]].view());
        // Two votes for the first class, one for the second, a quarter more for each of four; four votes in all.
        assert_near(probs.row(0), &[2.25 / 4.0, 1.25 / 4.0, 0.25 / 4.0, 0.25 / 4.0]);
        let probs = fitted(&x, &labels, 4, 1).probs(array![[0.2_f32], [8.0]].view());
        assert_near(probs.row(0), &[1.25 / 2.0, 0.25 / 2.0, 0.25 / 2.0, 0.25 / 2.0]);
        assert_near(probs.row(1), &[0.25 / 2.0, 1.25 / 2.0, 0.25 / 2.0, 0.25 / 2.0]);
    }

    #[test]
    fn of_equally_many_votes_the_nearest_decides() {
        let x = array![[1.0_f32], [2.0], [3.0], [4.0], [5.0]];
        // From 0 on: one vote for the third class, then two each for the second and the first.
        let labels = [Some(2), Some(1), Some(0), Some(0), Some(1)];
        let probs = fitted(&x, &labels, 3, 5).probs(array![[0.0_f32], [9.0]].view());
        assert!(probs[[0, 1]] > probs[[0, 0]] && probs[[0, 0]] > probs[[0, 2]]);
        assert!(probs[[1, 1]] > probs[[1, 0]]);
        let probs = fitted(&x, &labels, 3, 4).probs(array![[2.6_f32]].view());
        assert!(probs[[0, 0]] > probs[[0, 1]], "{probs}");
    }

    #[test]
    fn probabilities_are_above_zero_and_sum_to_one() {
        let x = random(30, 3, 10);
        let labels: Vec<Option<u16>> = (0..30).map(|row| (row % 3 > 0).then_some(row % 3)).collect();
        for k in [1, 4, 1000] {
            let probs = fitted(&x, &labels, 5, k).probs(random(20, 3, 11).view());
            assert!(probs.iter().all(|&p| p > 0.0 && p.ln().is_finite()));
            assert!(probs.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-6));
        }
    }

    #[test]
    fn what_was_kept_answers_the_same() {
        let x = random(9, 3, 12);
        let before = fitted(&x, &[Some(0), None, Some(2), Some(1), Some(0), None, Some(2), Some(2), None], 3, 2);
        let arrays = before.clone().into_arrays();
        assert_eq!(FittedKnn::from_arrays(&arrays), Ok(before));
        for name in ["rows", "labels", "k"] {
            let mut less = arrays.clone();
            less.remove(name);
            assert_eq!(FittedKnn::from_arrays(&less), Err(format!("`{name}` is missing")));
            let mut misshapen = arrays.clone();
            misshapen.insert(name.to_owned(), Array2::zeros((2, 2)).into_dyn());
            assert!(FittedKnn::from_arrays(&misshapen).is_err());
        }
    }

    #[test]
    fn settings_are_read_and_checked() {
        let read = |text| toml::from_str::<Knn>(text);
        assert_eq!(read(""), Ok(Knn { k: 1 }));
        assert_eq!(read("k = 5"), Ok(Knn { k: 5 }));
        assert!(read("n = 5").is_err());
        assert!(Knn { k: 0 }.check().is_err() && Knn::default().check().is_ok());
    }
}
