use pulp::Arch;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::math::{exp_m1, positive, sigmoid, softplus};
use crate::parallel::run_of;

/// What stands between two layers: a function of one number, with its derivative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// t
    Identity,
    /// max(t, 0)
    Relu,
    /// t where t > 0, 0.2 t else, as JEM (Grathwohl et al. 2020) and its successors have it.
    LeakyRelu,
    /// ln(1 + eᵗ), as Kingma et al. (2014) have it.
    Softplus,
    /// t where t > 0, eᵗ − 1 else (Clevert et al. 2016).
    Elu,
    /// t / (1 + e⁻ᵗ), also known as swish.
    Silu,
}

/// Slope of [`Activation::LeakyRelu`] below 0.
pub const LEAK: f32 = 0.2;

impl Activation {
    /// Every one of them.
    pub const ALL: [Activation; 6] = [
        Activation::Identity,
        Activation::Relu,
        Activation::LeakyRelu,
        Activation::Softplus,
        Activation::Elu,
        Activation::Silu,
    ];

    /// t becomes its value, in place. On the calling thread.
    pub fn apply(self, values: &mut [f32]) {
        match self {
            Activation::Identity => {}
            Activation::Relu => each(values, positive),
            Activation::LeakyRelu => each(values, |t| if t < 0.0 { LEAK * t } else { t }),
            Activation::Softplus => each(values, softplus),
            Activation::Elu => each(values, |t| if t < 0.0 { exp_m1(t) } else { t }),
            Activation::Silu => each(values, |t| t * sigmoid(t)),
        }
    }

    /// [`Activation::apply`] on all threads.
    pub fn apply_to_all(self, values: &mut [f32]) {
        let each = run_of(values.len());
        values.par_chunks_mut(each).for_each(|values| self.apply(values));
    }

    /// Multiplies a gradient by the slope at `t`, what the function was given. On the calling thread.
    pub fn slope_at_input(self, gradient: &mut [f32], t: &[f32]) {
        match self {
            Activation::Identity => {}
            Activation::Relu => each_with(gradient, t, |g, t| if t > 0.0 { g } else { 0.0 }),
            Activation::LeakyRelu => each_with(gradient, t, |g, t| if t > 0.0 { g } else { LEAK * g }),
            Activation::Softplus => each_with(gradient, t, |g, t| g * sigmoid(t)),
            Activation::Elu => each_with(gradient, t, |g, t| if t > 0.0 { g } else { g * (exp_m1(t) + 1.0) }),
            Activation::Silu => each_with(gradient, t, |g, t| {
                let s = sigmoid(t);
                g * s * (1.0 + t * (1.0 - s))
            }),
        }
    }

    /// [`Activation::slope_at_input`] on all threads.
    pub fn slopes_at_input(self, gradient: &mut [f32], t: &[f32]) {
        assert_eq!(gradient.len(), t.len());
        let each = run_of(t.len());
        let runs = gradient.par_chunks_mut(each).zip(t.par_chunks(each));
        runs.for_each(|(gradient, t)| self.slope_at_input(gradient, t));
    }

    /// Whether the slope follows from the value, so that what the function was given need not be kept.
    pub fn slope_follows_from_output(self) -> bool {
        self != Activation::Silu
    }

    /// Multiplies a gradient by the slope where the value is `y`. On the calling thread.
    ///
    /// # Panics
    /// Where [`Activation::slope_follows_from_output`] says no.
    pub fn slope_at_output(self, gradient: &mut [f32], y: &[f32]) {
        match self {
            // These keep the sign, and their slope depends on nothing else.
            Activation::Identity | Activation::Relu | Activation::LeakyRelu => self.slope_at_input(gradient, y),
            // y = ln(1 + eᵗ) gives σ(t) = 1 − e⁻ʸ.
            Activation::Softplus => each_with(gradient, y, |g, y| -g * exp_m1(-y)),
            Activation::Elu => each_with(gradient, y, |g, y| if y > 0.0 { g } else { g * (y + 1.0) }),
            Activation::Silu => unreachable!("two inputs of silu have the same value"),
        }
    }
}

#[inline(always)]
fn each(values: &mut [f32], of: impl Fn(f32) -> f32) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for value in values {
                *value = of(*value);
            }
        },
    );
}

#[inline(always)]
fn each_with(gradient: &mut [f32], at: &[f32], of: impl Fn(f32, f32) -> f32) {
    assert_eq!(gradient.len(), at.len());
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (gradient, &at) in gradient.iter_mut().zip(at) {
                *gradient = of(*gradient, at);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(activation: Activation, t: f64) -> f64 {
        match activation {
            Activation::Identity => t,
            Activation::Relu => t.max(0.0),
            Activation::LeakyRelu => t.max(0.2 * t),
            Activation::Softplus => t.max(0.0) + (-t.abs()).exp().ln_1p(),
            Activation::Elu => t.max(0.0) + t.min(0.0).exp_m1(),
            Activation::Silu => t / (1.0 + (-t).exp()),
        }
    }

    #[test]
    fn values_and_slopes_agree_with_double_precision() {
        // 101 numbers: no multiple of any vector's length, and 0 is not among them.
        let t: Vec<f32> = (0..101).map(|i| 0.37 * (i as f32 - 50.3)).collect();
        for activation in Activation::ALL {
            let mut y = t.clone();
            activation.apply(&mut y);
            let mut by_input = vec![2.0; t.len()];
            activation.slope_at_input(&mut by_input, &t);
            let mut by_output = vec![2.0; t.len()];
            if activation.slope_follows_from_output() {
                activation.slope_at_output(&mut by_output, &y);
            } else {
                by_output.clone_from(&by_input);
            }
            for i in 0..t.len() {
                let at = f64::from(t[i]);
                let value = exact(activation, at);
                let slope = 2.0 * (exact(activation, at + 1e-5) - exact(activation, at - 1e-5)) / 2e-5;
                assert!((f64::from(y[i]) - value).abs() <= 1e-6 * value.abs() + 1e-9, "{activation:?} at {at}");
                for found in [by_input[i], by_output[i]] {
                    assert!((f64::from(found) - slope).abs() < 2e-6, "{activation:?} at {at}: {found} for {slope}");
                }
            }
        }
    }

    #[test]
    fn a_value_that_is_not_a_number_stays_one() {
        for activation in Activation::ALL {
            let mut y = [f32::NAN; 20];
            activation.apply(&mut y);
            assert!(y.iter().all(|y| y.is_nan()), "{activation:?}");
        }
    }
}
