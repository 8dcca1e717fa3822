//! Principal components: the two directions along which codes spread most.
//!
//! Eigenvectors of the covariance come from subspace iteration: a block of directions is multiplied with the
//! covariance, made orthonormal, and turned to the eigenvectors within the block (Rayleigh–Ritz), which Jacobi rotations
//! find. Up to 128 dimensions the block is the whole space, and the first turn is the answer.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::page::narrow;

/// Up to this width the block is the whole space.
const WHOLE: usize = 128;
/// Directions that are carried along in wider ones.
const BLOCK: usize = 24;
/// Multiplications with the covariance. What is not told apart by then spreads equally for the eye.
const MOST_TURNS: usize = 300;
/// Rows that are brought to `f64` at a time.
const ROWS: usize = 4096;

/// Codes in two dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    /// `[n, 2]`, centred; NaN for a code that has a component which is not finite.
    pub points: Array2<f32>,
    /// The share of the codes' variance that each direction has. `None` where nothing varies.
    pub shares: Option<[f64; 2]>,
}

/// Projects codes `[n, m]` to their first two principal components, the one with more variance first.
///
/// A direction's largest component is positive. Codes of one or two components are only centred: their own axes
/// say more than turned ones, and the second is zero where there is none. A code that is not finite has no say.
#[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
pub fn project(codes: ArrayView2<f32>) -> Projection {
    let m = codes.ncols();
    let finite: Vec<bool> = codes.outer_iter().map(|code| code.iter().all(|v| v.is_finite())).collect();
    let rows: Vec<usize> = (0..codes.nrows()).filter(|&row| finite[row]).collect();
    let mean = rows.iter().fold(Array1::zeros(m), |sum: Array1<f64>, &row| sum + codes.row(row).mapv(f64::from))
        / rows.len().max(1) as f64;

    let centred = |rows: &[usize]| codes.select(Axis(0), rows).mapv(f64::from) - &mean;
    let mut scatter = Array2::<f64>::zeros((m, m));
    for rows in rows.chunks(ROWS) {
        let x = centred(rows);
        scatter += &x.t().dot(&x);
    }
    let directions =
        if m > 2 { first_two(&scatter) } else { Array2::from_shape_fn((m, 2), |(row, k)| f64::from(row == k)) };

    let mut points = Array2::from_elem((codes.nrows(), 2), f32::NAN);
    for rows in rows.chunks(ROWS) {
        for (&row, point) in rows.iter().zip(centred(rows).dot(&directions).outer_iter()) {
            points.row_mut(row).assign(&point.mapv(narrow));
        }
    }
    let total = scatter.diag().sum();
    let along = |direction: usize| {
        let v = directions.column(direction);
        (v.dot(&scatter.dot(&v)) / total).clamp(0.0, 1.0)
    };
    Projection { points, shares: (total > 0.0 && total.is_finite()).then(|| [along(0), along(1)]) }
}

/// `[m, 2]`: eigenvectors of the two largest eigenvalues of a symmetric matrix, m of 2 or more.
fn first_two(matrix: &Array2<f64>) -> Array2<f64> {
    let m = matrix.nrows();
    let mut block = orthonormal(&start(m, if m <= WHOLE { m } else { BLOCK }));
    for _ in 0..MOST_TURNS {
        let image = matrix.dot(&block);
        let turn = eigenvectors(block.t().dot(&image));
        let (found, image) = (block.dot(&turn), image.dot(&turn));
        // What the matrix adds to a multiple of the vector itself: zero for an eigenvector.
        let rest = |k: usize| {
            let (v, image) = (found.column(k), image.column(k));
            (&image - &(&v * v.dot(&image))).mapv(|e| e * e).sum().sqrt()
        };
        let largest = found.column(0).dot(&image.column(0));
        let done = rest(0).max(rest(1)) <= 1e-8 * largest;
        block = if done { found } else { orthonormal(&image) };
        if done {
            break;
        }
    }
    let mut two = block.select(Axis(1), &[0, 1]);
    for mut direction in two.columns_mut() {
        let largest = direction.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        // Equal but for rounding counts as equal: the first of them decides.
        let decides = direction.iter().find(|v| v.abs() > largest * (1.0 - 1e-6));
        if decides.is_some_and(|&v| v < 0.0) {
            direction.mapv_inplace(|v| -v);
        }
    }
    two
}

/// Entries of ±1 as if by chance: no direction of the data can be at right angles to all of them.
fn start(rows: usize, columns: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(row, column)| {
        if crate::scatter::mix((row * columns + column) as u64) & 1 == 0 { -1.0 } else { 1.0 }
    })
}

/// Gram–Schmidt, twice, so that nothing is left of the columns before. A column that lies within them gives way to an
/// axis that doesn't.
fn orthonormal(block: &Array2<f64>) -> Array2<f64> {
    let (m, width) = block.dim();
    // As rows: numbers that are used together lie together.
    let mut done = Array2::<f64>::zeros((width, m));
    let mut axis = 0;
    for k in 0..width {
        let mut v = block.column(k).to_owned();
        loop {
            let before = v.dot(&v).sqrt();
            for other in done.outer_iter().take(k).chain(done.outer_iter().take(k)) {
                let along = other.dot(&v);
                v.scaled_add(-along, &other);
            }
            let left = v.dot(&v).sqrt();
            if left > before * 1e-10 && left > 0.0 {
                v /= left;
                break;
            }
            v = Array1::zeros(m);
            v[axis] = 1.0;
            axis += 1;
        }
        done.row_mut(k).assign(&v);
    }
    done.reversed_axes()
}

/// Eigenvectors of a symmetric matrix as columns, that of the largest eigenvalue first: cyclic Jacobi rotations.
fn eigenvectors(mut a: Array2<f64>) -> Array2<f64> {
    let m = a.nrows();
    let mut vectors = Array2::<f64>::eye(m);
    let size = a.iter().map(|v| v * v).sum::<f64>().sqrt();
    // Each sweep squares what is left beside the diagonal, so a handful do.
    for _ in 0..40 {
        let beside = a.indexed_iter().filter(|((p, q), _)| p < q).map(|(_, v)| v * v).sum::<f64>().sqrt();
        if beside <= 1e-13 * size {
            break;
        }
        for p in 0..m {
            for q in p + 1..m {
                let (c, s) = rotation(a[[p, p]], a[[q, q]], a[[p, q]]);
                for k in 0..m {
                    (a[[k, p]], a[[k, q]]) = (c * a[[k, p]] - s * a[[k, q]], s * a[[k, p]] + c * a[[k, q]]);
                }
                for k in 0..m {
                    (a[[p, k]], a[[q, k]]) = (c * a[[p, k]] - s * a[[q, k]], s * a[[p, k]] + c * a[[q, k]]);
                    (vectors[[k, p]], vectors[[k, q]]) =
                        (c * vectors[[k, p]] - s * vectors[[k, q]], s * vectors[[k, p]] + c * vectors[[k, q]]);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|&p, &q| a[[q, q]].total_cmp(&a[[p, p]]));
    vectors.select(Axis(1), &order)
}

/// Cosine and sine of the smaller angle that brings a symmetric 2 × 2 matrix with this diagonal to diagonal form.
fn rotation(pp: f64, qq: f64, pq: f64) -> (f64, f64) {
    if pq == 0.0 {
        return (1.0, 0.0);
    }
    let theta = (qq - pp) / (2.0 * pq);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    (c, t * c)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// Numbers as if by chance, about normal.
    fn noise(n: usize, m: usize) -> Array2<f64> {
        let uniform = |k: usize| (crate::scatter::mix(k as u64) >> 11) as f64 / (1_u64 << 53) as f64;
        Array2::from_shape_fn((n, m), |(row, column)| {
            (0..12).map(|k| uniform((row * m + column) * 12 + k)).sum::<f64>() - 6.0
        })
    }

    fn close(a: &Array2<f32>, b: &Array2<f64>, most: f64) {
        assert_eq!(a.dim(), b.dim());
        let gap = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        assert!(gap < most, "{gap}");
    }

    #[test]
    fn one_and_two_components_are_only_centred() {
        let one = project(array![[1.0], [2.0], [6.0]].view());
        assert_eq!(one.points, array![[-2.0, 0.0], [-1.0, 0.0], [3.0, 0.0]]);
        assert_eq!(one.shares, Some([1.0, 0.0]));
        // Squares about the mean: 2 · 1 and 2 · 9. Not turned, though the second has more.
        let two = project(array![[1.0, 8.0], [3.0, 2.0]].view());
        assert_eq!(two.points, array![[-1.0, 3.0], [1.0, -3.0]]);
        assert_eq!(two.shares, Some([0.1, 0.9]));
    }

    #[test]
    fn constant_codes_and_no_codes_have_no_direction() {
        for m in [0, 1, 2, 3, 70] {
            let constant = project(Array2::from_elem((5, m), 3.25).view());
            assert_eq!((constant.points, constant.shares), (Array2::zeros((5, 2)), None), "{m} components");
            let none = project(Array2::zeros((0, m)).view());
            assert_eq!((none.points, none.shares), (Array2::zeros((0, 2)), None), "{m} components");
        }
    }

    #[test]
    fn a_line_in_space_is_one_direction() {
        // Along (1, −2, 2)/3, whose largest component is the second: the sign makes it positive.
        let codes = array![[1.0, -2.0, 2.0], [2.0, -4.0, 4.0], [3.0, -6.0, 6.0]];
        let line = project(codes.view());
        close(&line.points, &array![[3.0, 0.0], [0.0, 0.0], [-3.0, 0.0]], 1e-6);
        let [first, second] = line.shares.unwrap();
        assert!((first - 1.0).abs() < 1e-12 && second.abs() < 1e-12);
    }

    #[test]
    fn the_cross_of_two_lines_has_a_closed_form() {
        // Points ±3 (1, 1, 0)/√2 and ±1 (0, 0, 1): scatter 18 and 2 in these directions, nothing in the third.
        let r = 3.0 / 2.0_f64.sqrt();
        let codes = array![[r, r, 0.0], [-r, -r, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]].mapv(narrow);
        let cross = project(codes.view());
        close(&cross.points, &array![[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]], 1e-6);
        let [first, second] = cross.shares.unwrap();
        assert!((first - 0.9).abs() < 1e-7 && (second - 0.1).abs() < 1e-7, "{first}, {second}");
    }

    /// Codes that have a scatter of exactly these values along orthonormal directions, which come with them.
    fn with_spectrum(n: usize, values: &[f64]) -> (Array2<f64>, Array2<f64>, Array2<f64>) {
        let m = values.len();
        // Orthonormal columns at right angles to the column of ones, so that they are centred.
        let mut columns = noise(n, m + 1);
        columns.column_mut(0).fill(1.0);
        let scores = orthonormal(&columns).slice_axis(Axis(1), (1..).into()).to_owned()
            * Array1::from(values.to_vec()).mapv(f64::sqrt);
        let directions = orthonormal(&noise(m, m));
        (scores.dot(&directions.t()), scores, directions)
    }

    #[test]
    fn directions_that_were_put_in_are_found() {
        for m in [3, 10, 128, 129, 150] {
            // 9, 4, 1 and then a slow fall: 1/2, 1/3, …
            let values: Vec<f64> = [9.0, 4.0].into_iter().chain((1..).map(|k| 1.0 / f64::from(k))).take(m).collect();
            let (codes, scores, directions) = with_spectrum(200, &values);
            let found = project(codes.mapv(narrow).view());
            let signs: Array1<f64> = (0..2)
                .map(|k| {
                    let largest = directions.column(k).iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
                    largest.unwrap().signum()
                })
                .collect();
            close(&found.points, &(scores.select(Axis(1), &[0, 1]) * &signs), 1e-5);
            let total: f64 = values.iter().sum();
            let shares = found.shares.unwrap();
            assert!((shares[0] - 9.0 / total).abs() < 1e-6 && (shares[1] - 4.0 / total).abs() < 1e-6, "{shares:?}");
        }
    }

    #[test]
    fn many_weak_components_together_are_found_beside_strong_ones() {
        // 64 components vary by themselves, and 100 more, each less, all together: λ is 100 · 0.25 against 1.
        let own = noise(400, 65);
        let codes =
            Array2::from_shape_fn(
                (400, 164),
                |(row, column)| {
                    if column < 64 { own[[row, column]] } else { 0.5 * own[[row, 64]] }
                },
            );
        let shares = project(codes.mapv(narrow).view()).shares.unwrap();
        // 25 of 64 + 25, up to what 400 rows tell of a variance: one part in ten.
        assert!((shares[0] - 25.0 / 89.0).abs() < 0.03, "{shares:?}");
    }

    #[test]
    fn codes_that_are_not_finite_have_no_place_and_no_say() {
        let (codes, ..) = with_spectrum(20, &[5.0, 3.0, 1.0]);
        let codes = codes.mapv(narrow);
        let mut broken = ndarray::concatenate![Axis(0), codes, codes.select(Axis(0), &[0, 1])];
        broken[[20, 0]] = f32::INFINITY;
        broken[[21, 2]] = f32::NAN;
        let (whole, found) = (project(codes.view()), project(broken.view()));
        assert_eq!(found.points.slice_axis(Axis(0), (..20).into()), whole.points);
        assert!(found.points.slice_axis(Axis(0), (20..).into()).iter().all(|v| v.is_nan()));
        assert_eq!(found.shares, whole.shares);
    }

    #[test]
    fn fewer_codes_than_components_are_enough() {
        // Two codes differ in one direction: half their distance, √(4 · 100)/2 = 10, on either side.
        let codes = Array2::from_shape_fn((2, 100), |(row, _)| if row == 0 { 1.0 } else { 3.0 });
        let two = project(codes.view());
        close(&two.points, &array![[-10.0, 0.0], [10.0, 0.0]], 1e-5);
    }
}
