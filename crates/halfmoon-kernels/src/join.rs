//! Sums of vectors found by index, with an activation: what a first layer does with its inputs' shares.

use std::ops::Range;

use crate::Activation;
use crate::linear::add;
use crate::parallel::{Shared, filled, split};

/// Rows `[r, width]`, and which of them each of `p` results uses; without an index the i-th uses the i-th.
#[derive(Clone, Copy)]
pub struct Picked<'a> {
    /// The rows.
    pub rows: &'a [f32],
    /// For each result, the row.
    pub index: Option<&'a [u32]>,
}

impl Picked<'_> {
    fn row(&self, result: usize, width: usize, columns: &Range<usize>) -> &[f32] {
        let start = place(self.index, result) * width;
        &self.rows[start + columns.start..start + columns.end]
    }
}

fn place(index: Option<&[u32]>, result: usize) -> usize {
    index.map_or(result, |index| index[result] as usize)
}

/// act(a_i + b_i) for each of the results: `[results, width]`.
pub fn forward(results: usize, width: usize, a: Picked, b: Picked, activation: Activation) -> Vec<f32> {
    let fill = |y: Shared| {
        split(results, 1, results * width, |run| {
            for i in run {
                let here = i * width..(i + 1) * width;
                let (a, b) = (a.row(i, width, &(0..width)), b.row(i, width, &(0..width)));
                // SAFETY: runs of rows are apart.
                let row = unsafe { y.unwritten(here.clone()) };
                pulp::Arch::new().dispatch(
                    #[inline(always)]
                    || {
                        for ((y, a), b) in row.iter_mut().zip(a).zip(b) {
                            y.write(a + b);
                        }
                    },
                );
                // SAFETY: as above, and the row is written: a and b are as wide as it is.
                activation.apply(unsafe { y.part(here) });
            }
        });
    };
    // SAFETY: the runs cover the results, and each row is written.
    unsafe { filled(results * width, fill) }
}

/// The gradient of a [`Picked`]'s rows.
pub struct Into<'a> {
    /// The sum over the results that used a row: `[r, width]`, all of it overwritten.
    pub rows: &'a mut [f32],
    /// For each result, the row.
    pub index: &'a [u32],
}

/// d_y becomes d_y · act′ by the values y, in place, and is summed into the rows that were picked.
///
/// # Panics
/// Where the slope does not follow from the output.
pub fn backward(width: usize, activation: Activation, y: &[f32], d_y: &mut [f32], into: &mut [Into]) {
    if width == 0 {
        return;
    }
    let numbers = d_y.len();
    let d_y = Shared::new(d_y);
    let into: Vec<(Shared, &[u32])> = into
        .iter_mut()
        .map(|Into { rows, index }| {
            assert_eq!(index.len(), numbers / width);
            rows.fill(0.0);
            (Shared::new(rows), *index)
        })
        .collect();
    // By columns, so that each sum is made by one thread, in the order of the results.
    split(width, 16, numbers, |columns| {
        for i in 0..numbers / width {
            let here = i * width + columns.start..i * width + columns.end;
            // SAFETY: runs of columns are apart, in the results as in the rows below.
            let d = unsafe { d_y.part(here.clone()) };
            if activation != Activation::Identity {
                activation.slope_at_output(d, &y[here]);
            }
            for (rows, index) in &into {
                let start = index[i] as usize * width;
                // SAFETY: as above.
                add(unsafe { rows.part(start + columns.start..start + columns.end) }, d);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_near, numbers};

    #[test]
    fn sums_are_gathered_and_their_gradients_scattered() {
        for (rows, classes, width) in [(0, 3, 5), (1, 1, 1), (4, 3, 17), (40, 10, 500)] {
            let row: Vec<u32> = (0..rows * classes).map(|i| i / classes).collect();
            let class: Vec<u32> = (0..rows * classes).map(|i| (i * 7) % classes).collect();
            let results = row.len();
            let a = numbers(rows as usize * width, 1);
            let b = numbers(classes as usize * width, 2);
            let dense = numbers(results * width, 3);
            let picked_b = Picked { rows: &b, index: Some(&class) };
            let b_of = |at: usize| f64::from(b[class[at / width] as usize * width + at % width]);
            let a_of = |at: usize| f64::from(a[row[at / width] as usize * width + at % width]);

            let y = forward(results, width, Picked { rows: &dense, index: None }, picked_b, Activation::Identity);
            assert_near(&y, 1e-6, |at| f64::from(dense[at]) + b_of(at));
            let picked_a = Picked { rows: &a, index: Some(&row) };
            let y = forward(results, width, picked_a, picked_b, Activation::Relu);
            assert_eq!(y.len(), results * width);
            assert_near(&y, 1e-6, |at| (a_of(at) + b_of(at)).max(0.0));

            let mut d = dense.clone();
            let (mut d_a, mut d_b) = (vec![f32::NAN; a.len()], vec![f32::NAN; b.len()]);
            let into = &mut [Into { rows: &mut d_a, index: &row }, Into { rows: &mut d_b, index: &class }];
            backward(width, Activation::Relu, &y, &mut d, into);
            let exact = |at: usize| if y[at] > 0.0 { f64::from(dense[at]) } else { 0.0 };
            assert_near(&d, 1e-6, exact);
            for (found, index) in [(&d_a, &row), (&d_b, &class)] {
                assert_near(found, 1e-5, |at| {
                    let used = (0..results).filter(|&i| index[i] as usize == at / width);
                    used.map(|i| exact(i * width + at % width)).sum()
                });
            }
        }
    }
}
