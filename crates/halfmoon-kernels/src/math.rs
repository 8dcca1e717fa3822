//! Elementary functions that a compiler can vectorise: no table, no call, selections in place of
//! branches. NaN stays NaN. Errors are a few units in the last place, checked against `f64` below.
//!
//! No fused multiply-add: the same numbers come out of AVX-512 and of plain code.

use std::f32::consts::{LN_2, LOG2_E};

/// Adding and taking away 1.5 · 2²³ rounds to an integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts, the first with zeros at its end, so that its multiples are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// Below this eᵗ would no longer be a normal number, and arithmetic on the others is slow.
const LOWEST: f32 = -87.3;
/// Above this eᵗ would be infinite.
const HIGHEST: f32 = 88.3;

/// eᵗ = (1 + p) · 2ⁿ as (p, 2ⁿ), |p| ≤ 0.42. From t = −87.3 to 88.3; beyond, the value at the end.
#[inline(always)]
fn exp_parts(t: f32) -> (f32, f32) {
    let t = t.clamp(LOWEST, HIGHEST);
    let rounded = t * LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = t - n * LN_2_HIGH - n * LN_2_LOW;
    // (eʳ − 1 − r) / r² on |r| ≤ ln 2 / 2: the coefficients of Cephes' expf (Moshier 1989).
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_6e-1;
    let p = p * r + 0.5;
    let scale = f32::from_bits(rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    (p * r * r + r, scale)
}

/// eᵗ: 0 below −87.3, and above 88.3 the value there.
#[inline(always)]
pub(crate) fn exp(t: f32) -> f32 {
    let (p, scale) = exp_parts(t);
    if t < LOWEST { 0.0 } else { p * scale + scale }
}

/// eᵗ − 1, exact to the last digits near 0 too.
#[inline(always)]
pub(crate) fn exp_m1(t: f32) -> f32 {
    let (p, scale) = exp_parts(t);
    p * scale + (scale - 1.0)
}

/// ln t for a normal number t > 0.
#[inline(always)]
pub(crate) fn ln(t: f32) -> f32 {
    const HALF_SQRT: u32 = 0x3f35_04f3; // √½
    // t = m 2ⁿ with m from √½ to √2. The shift is of a signed number: n may be negative.
    let shifted = t.to_bits().wrapping_sub(HALF_SQRT);
    let n = shifted.cast_signed() >> 23;
    let m = f32::from_bits(t.to_bits().wrapping_sub(n.cast_unsigned() << 23));
    let n = n as f32;
    // ln m by s = (m − 1)/(m + 1): the coefficients of FreeBSD's logf (Sun Microsystems 1993).
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (0.400_009_72 + w * 0.242_790_79);
    let odd = z * (0.666_666_6 + w * 0.284_987_87);
    let half = 0.5 * f * f;
    let ln_m = s * (half + even + odd) - half + f;
    // NaN has bits that would pass for a number.
    if t.is_nan() { t } else { n * LN_2_LOW + ln_m + n * LN_2_HIGH }
}

/// ln(1 + t) for t from 0 to 1.
#[inline(always)]
pub(crate) fn ln_1p(t: f32) -> f32 {
    // ln(1 + t) = 2 artanh s = 2 s (1 + s²/3 + s⁴/5 + …) with s = t/(2 + t) ≤ 1/3: the term left out is
    // below 1.4e-9 of the sum.
    let s = t / (2.0 + t);
    let z = s * s;
    let p = 2.0 / 15.0;
    let p = p * z + 2.0 / 13.0;
    let p = p * z + 2.0 / 11.0;
    let p = p * z + 2.0 / 9.0;
    let p = p * z + 2.0 / 7.0;
    let p = p * z + 2.0 / 5.0;
    let p = p * z + 2.0 / 3.0;
    2.0 * s + s * z * p
}

/// max(t, 0), and NaN of NaN.
#[inline(always)]
pub(crate) fn positive(t: f32) -> f32 {
    if t < 0.0 { 0.0 } else { t }
}

/// ln(1 + eᵗ).
#[inline(always)]
pub(crate) fn softplus(t: f32) -> f32 {
    positive(t) + ln_1p(exp(-t.abs()))
}

/// 1 / (1 + e⁻ᵗ), given e^(−|t|).
#[inline(always)]
pub(crate) fn sigmoid_given(e: f32, t: f32) -> f32 {
    (if t < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

/// 1 / (1 + e⁻ᵗ).
#[inline(always)]
pub(crate) fn sigmoid(t: f32) -> f32 {
    sigmoid_given(exp(-t.abs()), t)
}

const _: () = assert!(LN_2_HIGH + LN_2_LOW == LN_2);

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest error over a grid, in units of the last place of the result.
    #[expect(clippy::cast_possible_truncation, reason = "to find the last place of an f32")]
    fn worst(of: fn(f32) -> f32, exact: fn(f64) -> f64, from: f32, to: f32) -> f64 {
        let steps = 200_000;
        (0..=steps)
            .map(|step| {
                let t = from + (to - from) * (step as f32 / steps as f32);
                let exact = exact(f64::from(t));
                let unit = f64::from((exact as f32).abs().max(f32::MIN_POSITIVE)) * f64::from(f32::EPSILON);
                (f64::from(of(t)) - exact).abs() / unit
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn elementary_functions_are_right_to_a_few_units_in_the_last_place() {
        assert!(worst(exp, f64::exp, -87.0, 88.0) < 1.5);
        assert!(worst(exp_m1, f64::exp_m1, -80.0, 80.0) < 2.0);
        assert!(worst(exp_m1, f64::exp_m1, -1e-3, 1e-3) < 2.0);
        assert!(worst(ln, f64::ln, 1e-30, 1.0) < 2.0);
        assert!(worst(ln, f64::ln, 1.0, 1e30) < 2.0);
        assert!(worst(ln_1p, f64::ln_1p, 0.0, 1.0) < 2.0);
        assert!(worst(ln_1p, f64::ln_1p, 0.0, 1e-6) < 2.0);
        assert!(worst(softplus, |t| t.max(0.0) + (-t.abs()).exp().ln_1p(), -80.0, 80.0) < 3.0);
        assert!(worst(sigmoid, |t| 1.0 / (1.0 + (-t).exp()), -80.0, 80.0) < 3.0);
    }

    #[test]
    fn nothing_turns_nan_into_a_number_or_a_number_into_nan() {
        for of in [exp, exp_m1, ln, ln_1p, softplus, sigmoid, positive] {
            assert!(of(f32::NAN).is_nan());
        }
        for t in [f32::MIN, -1e4, 1e4, f32::MAX, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(exp(t).is_finite() && exp(t) >= 0.0, "{t}");
            assert!((0.0..=1.0).contains(&sigmoid(t)), "{t}");
        }
        assert!(softplus(f32::MAX) >= f32::MAX);
    }
}
