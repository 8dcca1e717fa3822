//! The kernel between rows, and its matrix row by row.

#![allow(clippy::needless_pass_by_value, reason = "a view is a reference")]

use std::collections::VecDeque;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Slice};
use rayon::prelude::*;

/// Rows that are multiplied at a time. Every product has this many, so that a row's answer is the same alone and
/// among others.
pub(crate) const BLOCK: usize = 128;

/// Numbers of the matrix that are kept, 4 bytes each: up to 16,384 rows are a whole matrix.
const KEPT: usize = 1 << 28;

/// Up to this many rows the whole matrix is computed at once.
const WHOLE: usize = 8192;

/// k(x, x′), with its parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Function {
    /// x · x′
    Linear,
    /// exp(−γ |x − x′|²), with γ
    Rbf(f32),
}

impl Function {
    /// Between rows `[n, d]` and `[m, d]`: `[n, m]`. Squared norms are those of `squares`.
    pub(crate) fn between(
        self,
        x: ArrayView2<f32>,
        other: ArrayView2<f32>,
        other_squares: &Array1<f32>,
    ) -> Array2<f32> {
        let mut products = x.dot(&other.t());
        if let Function::Rbf(gamma) = self {
            let x_squares = squares(x);
            for (mut row, x_square) in products.rows_mut().into_iter().zip(x_squares) {
                row.zip_mut_with(other_squares, |product, other| *product = rbf(gamma, x_square, *other, *product));
            }
        }
        products
    }
}

fn rbf(gamma: f32, x_square: f32, other_square: f32, product: f32) -> f32 {
    // Rounding makes a distance of 0 a little negative; numbers too large for f32 make it NaN, which `max` drops.
    let exponent = gamma * (x_square + other_square - 2.0 * product).max(0.0);
    // Numbers too small for all the digits of an f32 make products ten times as slow.
    if exponent > 80.0 { 0.0 } else { (-exponent).exp() }
}

/// |x|² of every row.
pub(crate) fn squares(x: ArrayView2<f32>) -> Array1<f32> {
    x.rows().into_iter().map(|row| row.dot(&row)).collect()
}

/// What `give` makes of blocks of [`BLOCK`] rows, the last one filled up with zeros, one below the other:
/// `[n, width]`.
pub(crate) fn by_blocks(
    x: ArrayView2<f32>,
    width: usize,
    give: impl Fn(ArrayView2<f32>) -> Array2<f32> + Sync,
) -> Array2<f32> {
    let mut all = Array2::zeros((x.nrows(), width));
    let blocks: Vec<_> = all.axis_chunks_iter_mut(Axis(0), BLOCK).zip(x.axis_chunks_iter(Axis(0), BLOCK)).collect();
    blocks.into_par_iter().for_each(|(mut to, x)| {
        let mut block = Array2::zeros((BLOCK, x.ncols()));
        block.slice_axis_mut(Axis(0), Slice::from(..x.nrows())).assign(&x);
        to.assign(&give(block.view()).slice_axis(Axis(0), Slice::from(..x.nrows())));
    });
    all
}

/// k(x_i, x_j) for the rows of one matrix. Keeps rows that were asked for, at most 1 GiB of them.
pub(crate) struct Gram<'a> {
    function: Function,
    x: ArrayView2<'a, f32>,
    squares: Array1<f32>,
    diagonal: Vec<f64>,
    rows: Vec<Option<Arc<[f32]>>>,
    /// Which rows are kept, the oldest first.
    order: VecDeque<usize>,
}

impl<'a> Gram<'a> {
    pub(crate) fn new(function: Function, x: ArrayView2<'a, f32>) -> Gram<'a> {
        let squares = squares(x);
        let diagonal = match function {
            Function::Linear => squares.iter().map(|&square| f64::from(square)).collect(),
            Function::Rbf(_) => vec![1.0; x.nrows()],
        };
        let mut rows = vec![None; x.nrows()];
        if x.nrows() <= WHOLE {
            let all = by_blocks(x, x.nrows(), |block| function.between(block, x, &squares));
            rows = all.rows().into_iter().map(|row| Some(row.iter().copied().collect())).collect();
        }
        Gram { function, x, squares, diagonal, rows, order: VecDeque::new() }
    }

    /// k(x_i, x_i).
    pub(crate) fn diagonal(&self, i: usize) -> f64 {
        self.diagonal[i]
    }

    /// k(x_i, ·): `[n]`.
    pub(crate) fn row(&mut self, i: usize) -> Arc<[f32]> {
        if let Some(row) = &self.rows[i] {
            return Arc::clone(row);
        }
        let row: Arc<[f32]> = self.compute(i).into();
        if self.order.len() >= (KEPT / self.x.nrows()).max(2)
            && let Some(oldest) = self.order.pop_front()
        {
            self.rows[oldest] = None;
        }
        self.order.push_back(i);
        self.rows[i] = Some(Arc::clone(&row));
        row
    }

    fn compute(&self, i: usize) -> Vec<f32> {
        let (x, x_square) = (self.x.row(i), self.squares[i]);
        let product = |(other, &square): (ArrayView1<f32>, &f32)| match self.function {
            Function::Linear => x.dot(&other),
            Function::Rbf(gamma) => rbf(gamma, x_square, square, x.dot(&other)),
        };
        let blocks: Vec<_> =
            self.x.axis_chunks_iter(Axis(0), 1024).zip(self.squares.axis_chunks_iter(Axis(0), 1024)).collect();
        let parts: Vec<Vec<f32>> = blocks
            .into_par_iter()
            .map(|(x, squares)| x.rows().into_iter().zip(&squares).map(product).collect())
            .collect();
        parts.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_computed_alone_is_the_one_of_the_whole_matrix() {
        let x = Array2::from_shape_fn((300, 5), |(i, j)| ((i * 7 + j * 3) as f32).sin());
        for function in [Function::Linear, Function::Rbf(0.3)] {
            let mut gram = Gram::new(function, x.view());
            for i in [0, 17, 299] {
                let alone = gram.compute(i);
                assert!(gram.row(i).iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-5));
            }
        }
    }

    #[test]
    fn the_oldest_row_makes_room() {
        let x = Array2::zeros((WHOLE + 1, 1));
        let mut gram = Gram::new(Function::Linear, x.view());
        let room = KEPT / (WHOLE + 1);
        (0..room.min(3)).for_each(|i| drop(gram.row(i)));
        assert_eq!(gram.order, [0, 1, 2]);
        // As if the room had been used up.
        gram.order.extend(vec![3; room - 3]);
        gram.row(4);
        assert!(gram.rows[0].is_none() && gram.rows[4].is_some());
    }
}
