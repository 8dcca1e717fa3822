//! The log-likelihood of yes/no features, from logits.

use crate::math::{exp, ln, positive, sigmoid_given};
use crate::parallel::{Shared, split};

/// Numbers that are worked on side by side.
const LANES: usize = 16;

/// Factors from 1 to 2 whose product still fits an `f32`, and so shares one logarithm.
const FACTORS: usize = 64;

/// out_i = Σ_d x_d l_d − ln(1 + e^(l_d)) for logits l `[p, d]` and targets x `[r, d]`; `index` says which
/// row of x each of the p rows is compared with, the i-th with the i-th where there is none.
///
/// With `residual` the logits become x − σ(l), the derivative by each logit, which costs no second
/// exponential.
///
/// Σ ln(1 + e^(−|l|)) is taken as the logarithm of products of up to 64 factors; a result is right to
/// about 1e-7 times d, or 1e-6 of its size.
pub fn log_prob(
    width: usize,
    logits: &mut [f32],
    x: &[f32],
    index: Option<&[u32]>,
    residual: bool,
    out: &mut [f32],
) {
    let rows = out.len();
    assert_eq!(logits.len(), rows * width);
    assert!(index.is_none_or(|index| index.len() == rows));
    let numbers = logits.len();
    let (logits, out) = (Shared::new(logits), Shared::new(out));
    split(rows, 1, numbers, |run| {
        for row in run {
            let of = index.map_or(row, |index| index[row] as usize);
            let x = &x[of * width..(of + 1) * width];
            // SAFETY: runs of rows are apart.
            let (logits, out) = unsafe { (logits.part(row * width..(row + 1) * width), out.part(row..row + 1)) };
            out[0] = pulp::Arch::new().dispatch(
                #[inline(always)]
                || if residual { of_row::<true>(logits, x) } else { of_row::<false>(logits, x) },
            );
        }
    });
}

#[inline(always)]
fn of_row<const RESIDUAL: bool>(logits: &mut [f32], x: &[f32]) -> f32 {
    let mut sum = [0.0f32; LANES];
    let blocks = logits.chunks_mut(LANES * FACTORS).zip(x.chunks(LANES * FACTORS));
    for (logits, x) in blocks {
        let mut product = [1.0f32; LANES];
        let mut logits = logits.chunks_exact_mut(LANES);
        let mut x = x.chunks_exact(LANES);
        for (l, x) in (&mut logits).zip(&mut x) {
            for lane in 0..LANES {
                let (gain, factor, residual) = of_number(l[lane], x[lane]);
                sum[lane] += gain;
                product[lane] *= factor;
                if RESIDUAL {
                    l[lane] = residual;
                }
            }
        }
        for (lane, (l, &x)) in logits.into_remainder().iter_mut().zip(x.remainder()).enumerate() {
            let (gain, factor, residual) = of_number(*l, x);
            sum[lane] += gain;
            product[lane] *= factor;
            if RESIDUAL {
                *l = residual;
            }
        }
        for lane in 0..LANES {
            sum[lane] -= ln(product[lane]);
        }
    }
    sum.iter().sum()
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
            let index: Vec<u32> = (0..rows as u32).map(|row| row % 2).collect();
            let (mut kept, mut plain) = (logits.clone(), logits.clone());
            let (mut out, mut again) = (vec![f32::NAN; rows], vec![f32::NAN; rows]);
            log_prob(width, &mut kept, &x, Some(&index), true, &mut out);
            log_prob(width, &mut plain, &x, Some(&index), false, &mut again);
            assert_eq!(out, again);
            assert_eq!(plain, logits, "without `residual` the logits stay");
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
        let mut out = [0.0];
        log_prob(40, &mut logits, &[0.5; 40], None, true, &mut out);
        assert!(out[0].is_nan() && logits[17].is_nan());
    }
}
