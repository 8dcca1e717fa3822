//! Adam (Kingma and Ba 2015) in one pass over a parameter.

use crate::parallel::{Shared, split};

/// What a step of Adam is told.
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    /// Learning rate.
    pub rate: f32,
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// L2: this times the parameter is added to its gradient.
    pub weight_decay: f32,
}

impl Adam {
    /// The update number `time`, which counts from 1: moments and parameter in place.
    pub fn step(&self, time: i32, gradient: &[f32], parameter: &mut [f32], first: &mut [f32], second: &mut [f32]) {
        assert_eq!([gradient.len(), first.len(), second.len()], [parameter.len(); 3]);
        let Adam { beta_1, beta_2, weight_decay, .. } = *self;
        let correction = (1.0 - f64::from(beta_2).powi(time)).sqrt();
        let rate = narrow(f64::from(self.rate) * correction / (1.0 - f64::from(beta_1).powi(time)));
        let epsilon = narrow(f64::from(self.epsilon) * correction);
        let count = parameter.len();
        let (parameter, first, second) = (Shared::new(parameter), Shared::new(first), Shared::new(second));
        split(count, 1024, count, |run| {
            let gradient = &gradient[run.clone()];
            // SAFETY: runs are apart.
            let (parameter, first, second) =
                unsafe { (parameter.part(run.clone()), first.part(run.clone()), second.part(run)) };
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || {
                    for (((g, p), m), v) in gradient.iter().zip(parameter).zip(first).zip(second) {
                        let g = g + weight_decay * *p;
                        *m = beta_1 * *m + (1.0 - beta_1) * g;
                        *v = beta_2 * *v + (1.0 - beta_2) * g * g;
                        *p -= rate * *m / (v.sqrt() + epsilon);
                    }
                },
            );
        });
    }
}

#[expect(clippy::cast_possible_truncation, reason = "parameters are f32")]
fn narrow(number: f64) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_near, numbers};

    #[test]
    fn three_steps_agree_with_the_algorithm_of_the_paper_in_double_precision() {
        for count in [0, 1, 37, 20_001] {
            let adam = Adam { rate: 0.01, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 0.1 };
            let mut parameter = numbers(count, 1);
            let (mut first, mut second) = (vec![0.0; count], vec![0.0; count]);
            let mut exact: Vec<[f64; 3]> = parameter.iter().map(|&p| [f64::from(p), 0.0, 0.0]).collect();
            for time in 1..=3i32 {
                let gradient = numbers(count, 10 + u64::from(time.cast_unsigned()));
                adam.step(time, &gradient, &mut parameter, &mut first, &mut second);
                for (at, [p, m, v]) in exact.iter_mut().enumerate() {
                    // Algorithm 1, with the parameter's share of L2.
                    let g = f64::from(gradient[at]) + 0.1 * *p;
                    *m = 0.9 * *m + 0.1 * g;
                    *v = 0.999 * *v + 0.001 * g * g;
                    let (m_hat, v_hat) = (*m / (1.0 - 0.9f64.powi(time)), *v / (1.0 - 0.999f64.powi(time)));
                    *p -= 0.01 * m_hat / (v_hat.sqrt() + 1e-8);
                }
            }
            assert_near(&parameter, 1e-5, |at| exact[at][0]);
        }
    }
}
