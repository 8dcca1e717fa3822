//! Independent Gaussians: a sample of them, and their distance from the standard ones.

use crate::math::exp;
use crate::parallel::{Shared, split};

/// z = μ + e^(v/2) ε, number by number; all of z is overwritten. Its gradients need no further
/// exponential: d_μ = d_z and d_v = d_z (z − μ) / 2, which is [`rsample_log_var_gradient`].
pub fn rsample(mean: &[f32], log_var: &[f32], noise: &[f32], z: &mut [f32]) {
    assert_eq!([mean.len(), log_var.len(), noise.len()], [z.len(); 3]);
    let count = z.len();
    let z = Shared::new(z);
    split(count, 1024, count, |run| {
        // SAFETY: runs are apart.
        let z = unsafe { z.part(run.clone()) };
        let (mean, log_var, noise) = (&mean[run.clone()], &log_var[run.clone()], &noise[run]);
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for (((z, m), v), e) in z.iter_mut().zip(mean).zip(log_var).zip(noise) {
                    *z = m + exp(0.5 * v) * e;
                }
            },
        );
    });
}

/// d_v = d_z (z − μ) / 2; all of `d_log_var` is overwritten.
pub fn rsample_log_var_gradient(mean: &[f32], z: &[f32], d_z: &[f32], d_log_var: &mut [f32]) {
    assert_eq!([mean.len(), z.len(), d_z.len()], [d_log_var.len(); 3]);
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for (((d, m), z), d_z) in d_log_var.iter_mut().zip(mean).zip(z).zip(d_z) {
                *d = 0.5 * d_z * (z - m);
            }
        },
    );
}

/// KL(𝒩(μ, e^v) ‖ 𝒩(0, I)) = ½ Σ μ² + e^v − 1 − v of each row `[p, width]`: `[p]`.
pub fn kl_to_standard(width: usize, mean: &[f32], log_var: &[f32], out: &mut [f32]) {
    assert_eq!([mean.len(), log_var.len()], [out.len() * width; 2]);
    let rows = out.len();
    let out = Shared::new(out);
    split(rows, 1, rows * width, |run| {
        for row in run {
            // SAFETY: runs of rows are apart.
            let out = unsafe { out.part(row..row + 1) };
            let here = row * width..(row + 1) * width;
            out[0] = pulp::Arch::new().dispatch(
                #[inline(always)]
                || of_row(&mean[here.clone()], &log_var[here]),
            );
        }
    });
}

#[inline(always)]
fn of_row(mean: &[f32], log_var: &[f32]) -> f32 {
    const LANES: usize = 16;
    let term = |m: f32, v: f32| m * m + (exp(v) - 1.0 - v);
    let mut sum = [0.0; LANES];
    let (m, v) = (mean.chunks_exact(LANES), log_var.chunks_exact(LANES));
    for (lane, (&m, &v)) in m.remainder().iter().zip(v.remainder()).enumerate() {
        sum[lane] = term(m, v);
    }
    for (m, v) in m.zip(v) {
        for lane in 0..LANES {
            sum[lane] += term(m[lane], v[lane]);
        }
    }
    0.5 * sum.iter().sum::<f32>()
}

/// d_μ = d_kl μ and d_v = d_kl (e^v − 1) / 2 for d_kl `[p]`; both are overwritten.
pub fn kl_gradient(
    width: usize,
    mean: &[f32],
    log_var: &[f32],
    d_kl: &[f32],
    d_mean: &mut [f32],
    d_log_var: &mut [f32],
) {
    assert_eq!([mean.len(), log_var.len(), d_mean.len(), d_log_var.len()], [d_kl.len() * width; 4]);
    let (d_mean, d_log_var) = (Shared::new(d_mean), Shared::new(d_log_var));
    split(d_kl.len(), 1, mean.len(), |run| {
        for row in run {
            let here = row * width..(row + 1) * width;
            // SAFETY: runs of rows are apart.
            let (d_mean, d_log_var) = unsafe { (d_mean.part(here.clone()), d_log_var.part(here.clone())) };
            let (mean, log_var, d) = (&mean[here.clone()], &log_var[here], d_kl[row]);
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || {
                    d_mean.iter_mut().zip(mean).for_each(|(d_mean, m)| *d_mean = d * m);
                    d_log_var.iter_mut().zip(log_var).for_each(|(d_v, &v)| *d_v = 0.5 * d * (exp(v) - 1.0));
                },
            );
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_near, numbers};

    #[test]
    fn samples_distances_and_gradients_agree_with_double_precision() {
        for (rows, width) in [(0, 4), (1, 1), (7, 5), (3, 50), (900, 50)] {
            let count = rows * width;
            let (mean, noise, d_z) = (numbers(count, 1), numbers(count, 2), numbers(count, 3));
            let log_var: Vec<f32> = numbers(count, 4).iter().map(|v| 3.0 * v).collect();
            let exact = |numbers: &[f32], at: usize| f64::from(numbers[at]);
            let mut z = vec![f32::NAN; count];
            rsample(&mean, &log_var, &noise, &mut z);
            let scaled = |at: usize| (0.5 * exact(&log_var, at)).exp() * exact(&noise, at);
            assert_near(&z, 1e-6, |at| exact(&mean, at) + scaled(at));
            let mut d_log_var = vec![f32::NAN; count];
            rsample_log_var_gradient(&mean, &z, &d_z, &mut d_log_var);
            assert_near(&d_log_var, 1e-6, |at| 0.5 * exact(&d_z, at) * scaled(at));

            let (mut kl, d_kl) = (vec![f32::NAN; rows], numbers(rows, 5));
            kl_to_standard(width, &mean, &log_var, &mut kl);
            assert_near(&kl, 1e-6, |row| {
                let terms = (row * width..(row + 1) * width).map(|at| {
                    let (m, v) = (exact(&mean, at), exact(&log_var, at));
                    0.5 * (m * m + v.exp_m1() - v)
                });
                terms.sum()
            });
            let mut d_mean = vec![f32::NAN; count];
            kl_gradient(width, &mean, &log_var, &d_kl, &mut d_mean, &mut d_log_var);
            assert_near(&d_mean, 1e-6, |at| exact(&d_kl, at / width) * exact(&mean, at));
            assert_near(&d_log_var, 1e-6, |at| 0.5 * exact(&d_kl, at / width) * exact(&log_var, at).exp_m1());
        }
    }
}
