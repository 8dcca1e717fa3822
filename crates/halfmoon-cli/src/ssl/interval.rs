//! The mean of a few draws, and how far it is known.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// The mean, and half the width of its 95 % t interval: `None` for a single value. Without values, nothing.
pub(super) fn mean(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let n = values.len() as f64;
    let degrees = values.len().checked_sub(1)?;
    let mean = values.iter().sum::<f64>() / n;
    if degrees == 0 {
        return Some((mean, None));
    }
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / degrees as f64;
    Some((mean, Some(t_quantile(degrees) * (variance / n).sqrt())))
}

/// t with P(|T| < t) = 0.95.
fn t_quantile(degrees: usize) -> f64 {
    // P(|T| < t) grows with θ = atan(t/√ν).
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if within(middle, degrees) < 0.95 {
            low = middle;
        } else {
            high = middle;
        }
    }
    (degrees as f64).sqrt() * low.tan()
}

/// P(|T| < √ν tan θ): Abramowitz and Stegun, *Handbook of Mathematical Functions*, 26.7.3 and 26.7.4.
fn within(theta: f64, degrees: usize) -> f64 {
    let (sin, cos) = theta.sin_cos();
    let is_odd = degrees % 2 == 1;
    let (mut power, mut term) = if is_odd { (1, cos) } else { (0, 1.0) };
    let mut sum = 0.0;
    while power + 2 <= degrees {
        sum += term;
        term *= cos * cos * (power + 1) as f64 / (power + 2) as f64;
        power += 2;
    }
    if is_odd { FRAC_2_PI * (theta + sin * sum) } else { sin * sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_1_2_3_is_that_of_two_degrees_of_freedom() {
        // s = 1; for ν = 2, P(|T| < t) = t/√(2 + t²), so t = 0.95 √(2/(1 − 0.95²)) = 4.302653
        let (mean, half) = mean(&[1.0, 2.0, 3.0]).expect("there are values");
        let t = 0.95 * (2.0 / (1.0 - 0.95_f64.powi(2))).sqrt();
        assert!((mean - 2.0).abs() < 1e-12);
        assert!((half.expect("three values") - t / 3.0_f64.sqrt()).abs() < 1e-9);
        assert!((half.expect("three values") - 2.484_138).abs() < 1e-6);
    }

    #[test]
    fn the_quantiles_are_those_of_the_tables() {
        // ν = 1 is Cauchy's: tan(0.475 π). The others: scipy.stats.t.ppf(0.975, ν)
        for (degrees, t) in [
            (1, (0.475 * std::f64::consts::PI).tan()),
            (3, 3.182_446_305),
            (4, 2.776_445_105),
            (9, 2.262_157_163),
            (100, 1.983_971_519),
        ] {
            assert!((t_quantile(degrees) - t).abs() < 1e-8, "{degrees}: {}", t_quantile(degrees));
        }
    }

    #[test]
    fn one_value_has_no_interval_and_none_no_mean() {
        assert_eq!(mean(&[7.0]), Some((7.0, None)));
        assert_eq!(mean(&[]), None);
    }
}
