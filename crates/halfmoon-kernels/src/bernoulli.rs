//! The log-likelihood of yes/no features, from logits.

use std::mem::MaybeUninit;

use crate::math::{exp, ln, positive, sigmoid_given};
use crate::parallel::{Shared, filled, split};

/// Numbers that are worked on side by side.
const LANES: usize = 16;

/// Factors from 1 to 2 whose product still fits an `f32`, and so shares one logarithm.
const FACTORS: usize = 64;

/// Σ_d x_d l_d − ln(1 + e^(l_d)) for logits l `[p, d]` and targets x `[r, d]`: `[p]`. `index` says which row
/// of x each of the p rows is compared with, the i-th with the i-th where there is none.
///
/// Σ ln(1 + e^(−|l|)) is taken as the logarithm of products of up to 64 factors; a result is right to
/// about 1e-7 times d, or 1e-6 of its size.
pub fn log_prob(width: usize, logits: &[f32], x: &[f32], index: Option<&[u32]>) -> Vec<f32> {
    let rows = rows(width, logits, x, index);
    let mut out = vec![0.0; rows];
    let shared = Shared::new(&mut out);
    each_row::<false>(width, logits, x, index, shared, Shared::new(&mut []));
    out
}

/// The same, and x − σ(l) `[p, d]`, the derivative by each logit: it costs no second exponential.
pub fn log_prob_and_residual(width: usize, logits: &[f32], x: &[f32], index: Option<&[u32]>) -> (Vec<f32>, Vec<f32>) {
    let rows = rows(width, logits, x, index);
    let mut out = vec![0.0; rows];
    let shared = Shared::new(&mut out);
    // SAFETY: every row is written, and a row is written whole.
    let residual =
        unsafe { filled(logits.len(), |residual| each_row::<true>(width, logits, x, index, shared, residual)) };
    (out, residual)
}

/// How many rows of logits there are.
fn rows(width: usize, logits: &[f32], x: &[f32], index: Option<&[u32]>) -> usize {
    assert!(width > 0, "a likelihood is of at least one feature");
    assert!(logits.len().is_multiple_of(width) && x.len().is_multiple_of(width));
    let rows = logits.len() / width;
    assert_eq!(index.map_or(x.len() / width, <[u32]>::len), rows);
    rows
}

fn each_row<const RESIDUAL: bool>(
    width: usize,
    logits: &[f32],
    x: &[f32],
    index: Option<&[u32]>,
    out: Shared,
    residual: Shared,
) {
    split(logits.len() / width, 1, logits.len(), |run| {
        for row in run {
            let here = row * width..(row + 1) * width;
            let of = index.map_or(row, |index| index[row] as usize);
            let x = &x[of * width..(of + 1) * width];
            // SAFETY: runs of rows are apart, and `out` was written when it was made.
            let out = unsafe { out.part(row..row + 1) };
            // SAFETY: runs of rows are apart.
            let residual = unsafe { residual.unwritten(if RESIDUAL { here.clone() } else { 0..0 }) };
            out[0] = pulp::Arch::new().dispatch(
                #[inline(always)]
                || of_row::<RESIDUAL>(&logits[here], x, residual),
            );
        }
    });
}

#[inline(always)]
fn of_row<const RESIDUAL: bool>(logits: &[f32], x: &[f32], residual: &mut [MaybeUninit<f32>]) -> f32 {
    let (mut sum, mut product) = ([0.0f32; LANES], [1.0f32; LANES]);
    let mut ignored = [MaybeUninit::uninit(); LANES];
    for (group, (logits, x)) in logits.chunks(LANES).zip(x.chunks(LANES)).enumerate() {
        let (first, count) = (group * LANES, logits.len());
        let residual = if RESIDUAL { &mut residual[first..first + count] } else { &mut ignored[..count] };
        if count == LANES {
            // The same work with a length that the compiler knows.
            of_group(&logits[..LANES], &x[..LANES], &mut residual[..LANES], &mut sum, &mut product);
        } else {
            of_group(logits, x, residual, &mut sum, &mut product);
        }
        if group % FACTORS == FACTORS - 1 {
            for lane in 0..LANES {
                sum[lane] -= ln(product[lane]);
            }
            product = [1.0; LANES];
        }
    }
    for lane in 0..LANES {
        sum[lane] -= ln(product[lane]);
    }
    sum.iter().sum()
}

#[inline(always)]
fn of_group(
    logits: &[f32],
    x: &[f32],
    residual: &mut [MaybeUninit<f32>],
    sum: &mut [f32; LANES],
    product: &mut [f32; LANES],
) {
    for lane in 0..logits.len() {
        let (gain, factor, slope) = of_number(logits[lane], x[lane]);
        sum[lane] += gain;
        product[lane] *= factor;
        residual[lane].write(slope);
    }
}

/// x l − max(l, 0), 1 + e^(−|l|) and x − σ(l).
#[inline(always)]
fn of_number(l: f32, x: f32) -> (f32, f32, f32) {
    let e = exp(-l.abs());
    (x * l - positive(l), 1.0 + e, x - sigmoid_given(e, l))
}

/// Each row of `numbers` `[p, width]` times its factor `[p]`.
pub fn scale_rows(width: usize, numbers: &mut [f32], factors: &[f32]) {
    assert_eq!(numbers.len(), factors.len() * width);
    let count = numbers.len();
    let numbers = Shared::new(numbers);
    split(factors.len(), 1, count, |run| {
        for row in run {
            // SAFETY: runs of rows are apart.
            let numbers = unsafe { numbers.part(row * width..(row + 1) * width) };
            let factor = factors[row];
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || numbers.iter_mut().for_each(|number| *number *= factor),
            );
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_near, numbers};

    #[test]
    fn likelihood_and_residual_agree_with_double_precision() {
        for (rows, width) in [(0, 3), (1, 1), (3, 15), (2, 16), (5, 784), (30, 2071)] {
            let mut logits: Vec<f32> = numbers(rows * width, 1).iter().map(|l| l * 8.0).collect();
            if let [first, second, ..] = &mut logits[..] {
                (*first, *second) = (300.0, -1000.0);
            }
            // Grey targets, and two rows of x for all.
            let x: Vec<f32> = numbers(2 * width, 2).iter().map(|x| (x + 1.0) / 2.0).collect();
            let index: Vec<u32> = (0..rows).map(|row| u32::from(row % 2 == 1)).collect();
            let (out, mut kept) = log_prob_and_residual(width, &logits, &x, Some(&index));
            assert_eq!((out.len(), kept.len()), (rows, rows * width));
            assert_eq!(out, log_prob(width, &logits, &x, Some(&index)));
            let x_of = |at: usize| f64::from(x[at / width % 2 * width + at % width]);
            assert_near(&out, 2e-6, |row| {
                let each = (row * width..(row + 1) * width).map(|at| {
                    let l = f64::from(logits[at]);
                    x_of(at) * l - l.max(0.0) - (-l.abs()).exp().ln_1p()
                });
                each.sum()
            });
            assert_near(&kept, 1e-6, |at| x_of(at) - 1.0 / (1.0 + (-f64::from(logits[at])).exp()));
            scale_rows(width, &mut kept, &vec![0.0; rows]);
            assert!(kept.iter().all(|&number| number == 0.0));
        }
    }

    #[test]
    fn a_logit_that_is_not_a_number_shows() {
        let mut logits = [0.0; 40];
        logits[17] = f32::NAN;
        let (out, residual) = log_prob_and_residual(40, &logits, &[0.5; 40], None);
        assert!(out[0].is_nan() && residual[17].is_nan());
    }
}
