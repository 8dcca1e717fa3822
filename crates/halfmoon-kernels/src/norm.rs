//! Layer normalisation: each row to mean 0 and variance 1, then a gain and a shift a column, then an activation.

use crate::Activation;
use crate::parallel::{Shared, filled, split};

/// Added to a row's variance, so that a row of equal numbers stays finite.
pub const EPSILON: f32 = 1e-5;

/// What the gradients need.
#[derive(Debug, Clone)]
pub struct Normalised {
    /// t̂ = (t − mean) / sd of each row: `[n, width]`.
    pub rows: Vec<f32>,
    /// 1 / sd: `[n]`.
    pub inverse: Vec<f32>,
}

/// act(g t̂ + s) of rows t `[n, width]`, gain g and shift s `[width]`: `[n, width]`.
pub fn forward(width: usize, t: &[f32], gain: &[f32], shift: &[f32], activation: Activation) -> (Vec<f32>, Normalised) {
    assert_eq!([gain.len(), shift.len()], [width; 2]);
    let n = t.len().checked_div(width).unwrap_or(0);
    let mut rows = vec![0.0; t.len()];
    let mut inverse = vec![0.0; n];
    let (rows_, inverse_) = (Shared::new(&mut rows), Shared::new(&mut inverse));
    let fill = |y: Shared| {
        split(n, 1, 4 * t.len(), |run| {
            for i in run {
                let here = i * width..(i + 1) * width;
                // SAFETY: runs of rows are apart, here and below.
                let (row, inverse) = unsafe { (rows_.part(here.clone()), inverse_.part(i..i + 1)) };
                // SAFETY: as above.
                let out = unsafe { y.unwritten(here.clone()) };
                pulp::Arch::new().dispatch(
                    #[inline(always)]
                    || {
                        let t = &t[here.clone()];
                        let mean = sum(t, t, |t, _| t) / width as f32;
                        let variance = sum(t, t, |t, _| (t - mean) * (t - mean)) / width as f32;
                        inverse[0] = 1.0 / (variance + EPSILON).sqrt();
                        for ((((y, row), t), g), s) in out.iter_mut().zip(row).zip(t).zip(gain).zip(shift) {
                            *row = (t - mean) * inverse[0];
                            y.write(g * *row + s);
                        }
                    },
                );
                // SAFETY: as above, and the row is written: gain and shift are as wide as it is.
                activation.apply(unsafe { y.part(here) });
            }
        });
    };
    // SAFETY: the runs cover the rows, and each is written.
    let y = unsafe { filled(t.len(), fill) };
    (y, Normalised { rows, inverse })
}

/// d_y becomes d_t, in place; the results are d_g and d_s, `[width]` each. y is what `forward` returned.
///
/// # Panics
/// Where the activation's slope does not follow from its output.
pub fn backward(
    gain: &[f32],
    activation: Activation,
    y: &[f32],
    normalised: &Normalised,
    d_y: &mut [f32],
) -> [Vec<f32>; 2] {
    let width = gain.len();
    let (mut d_gain, mut d_shift) = (vec![0.0; width], vec![0.0; width]);
    if width == 0 {
        return [d_gain, d_shift];
    }
    let Normalised { rows, inverse } = normalised;
    assert_eq!([y.len(), rows.len(), inverse.len() * width], [d_y.len(); 3]);
    let numbers = d_y.len();
    let d = Shared::new(d_y);
    let (d_gain_, d_shift_) = (Shared::new(&mut d_gain), Shared::new(&mut d_shift));
    // By columns, so that each sum is made by one thread, in the order of the rows.
    split(width, 16, 2 * numbers, |columns| {
        // SAFETY: runs of columns are apart, in the sums as in the rows below.
        let (d_gain, d_shift) = unsafe { (d_gain_.part(columns.clone()), d_shift_.part(columns.clone())) };
        for i in 0..inverse.len() {
            let here = i * width + columns.start..i * width + columns.end;
            // SAFETY: as above.
            let d = unsafe { d.part(here.clone()) };
            if activation != Activation::Identity {
                activation.slope_at_output(d, &y[here.clone()]);
            }
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || {
                    let sums = d_gain.iter_mut().zip(d_shift.iter_mut());
                    for (((d_gain, d_shift), d), row) in sums.zip(d).zip(&rows[here]) {
                        *d_gain += *d * row;
                        *d_shift += *d;
                    }
                },
            );
        }
    });
    split(inverse.len(), 1, 2 * numbers, |run| {
        for i in run {
            let here = i * width..(i + 1) * width;
            // SAFETY: runs of rows are apart.
            let d = unsafe { d.part(here.clone()) };
            let row = &rows[here];
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || {
                    for (d, g) in d.iter_mut().zip(gain) {
                        *d *= g;
                    }
                    let mean = sum(d, d, |d, _| d) / width as f32;
                    let along = sum(d, row, |d, t| d * t) / width as f32;
                    for (d, t) in d.iter_mut().zip(row) {
                        *d = inverse[i] * (*d - mean - t * along);
                    }
                },
            );
        }
    });
    [d_gain, d_shift]
}

/// Σ f(a, b) in lanes, which a compiler can vectorise, in an order that the length alone decides.
#[inline(always)]
fn sum(a: &[f32], b: &[f32], of: impl Fn(f32, f32) -> f32) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(&a, &b)| of(a, b)).sum::<f32>();
    for (a, b) in a_chunks.zip(b_chunks) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += of(a, b);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_near, numbers};

    #[test]
    fn rows_and_gradients_agree_with_double_precision() {
        for (n, width) in [(0, 5), (1, 1), (3, 17), (40, 500)] {
            let (t, d_y) = (numbers(n * width, 1), numbers(n * width, 2));
            let (gain, shift) = (numbers(width, 3), numbers(width, 4));
            let (y, kept) = forward(width, &t, &gain, &shift, Activation::Relu);
            let of = |slice: &[f32], at: usize| f64::from(slice[at]);
            let row_mean =
                |f: &dyn Fn(usize) -> f64, i: usize| (i * width..(i + 1) * width).map(f).sum::<f64>() / width as f64;
            let normal = |at: usize| {
                let mean = row_mean(&|k| of(&t, k), at / width);
                let variance = row_mean(&|k| (of(&t, k) - mean).powi(2), at / width);
                (of(&t, at) - mean) / (variance + f64::from(EPSILON)).sqrt()
            };
            assert_near(&kept.rows, 1e-5, normal);
            assert_near(&y, 1e-5, |at| (of(&gain, at % width) * normal(at) + of(&shift, at % width)).max(0.0));

            let mut d = d_y.clone();
            let [d_gain, d_shift] = backward(&gain, Activation::Relu, &y, &kept, &mut d);
            let d_pre = |at: usize| if y[at] > 0.0 { of(&d_y, at) } else { 0.0 };
            assert_near(&d_shift, 1e-5, |j| (0..n).map(|i| d_pre(i * width + j)).sum());
            assert_near(&d_gain, 1e-5, |j| (0..n).map(|i| d_pre(i * width + j) * normal(i * width + j)).sum());
            assert_near(&d, 1e-5, |at| {
                let d_normal = |k: usize| d_pre(k) * of(&gain, k % width);
                let i = at / width;
                let along = row_mean(&|k| d_normal(k) * normal(k), i);
                of(&kept.inverse, i) * (d_normal(at) - row_mean(&d_normal, i) - normal(at) * along)
            });
        }
    }
}
