//! How one term of the loss went, step by step: its mean over a few steps, and the band between its least and its most.

use super::plot::{Axis, Plot};
use super::svg::way;
use crate::markup::short_number;

/// Stretches of steps that are drawn; of each the mean and both ends are.
const STRETCHES: usize = 160;

/// Points of step and value, in order of steps. `None` without two that are finite.
pub(crate) fn learning(name: &str, points: &[(f64, f64)]) -> Option<String> {
    let points: Vec<(f64, f64)> = points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let (first, last) = (points.first()?, points.last()?);
    if points.len() < 2 {
        return None;
    }
    let stretches: Vec<Stretch> = points.chunks(points.len().div_ceil(STRETCHES)).map(Stretch::of).collect();
    // The first steps often lie far above all others: the axis ends where the band is after a fiftieth of the way.
    let calm = stretches.len() / 50;
    let low = stretches.iter().map(|stretch| stretch.low).fold(f64::INFINITY, f64::min);
    let high = stretches[calm..].iter().map(|stretch| stretch.high).fold(f64::NEG_INFINITY, f64::max);
    let room = (high - low).max(1e-12) * 0.04;
    let label = format!(
        "{name} over {} steps: from {} to {}",
        short_number(last.0),
        short_number(first.1),
        short_number(stretches.last()?.mean)
    );
    let mut plot =
        Plot::new(190.0, &label, Axis::over(0.0, last.0, "steps"), Axis::over(low - room, high + room, name));
    let upper = stretches.iter().map(|stretch| plot.at(stretch.step, stretch.high));
    let lower = stretches.iter().rev().map(|stretch| plot.at(stretch.step, stretch.low));
    let band: Vec<(f64, f64)> = upper.chain(lower).collect();
    plot.svg.path("band", &format!("{}Z", way(&band)));
    let means: Vec<(f64, f64)> = stretches.iter().map(|stretch| (stretch.step, stretch.mean)).collect();
    plot.line("curve", &means);
    Some(plot.finish())
}

struct Stretch {
    step: f64,
    mean: f64,
    low: f64,
    high: f64,
}

impl Stretch {
    fn of(points: &[(f64, f64)]) -> Stretch {
        let n = points.len() as f64;
        Stretch {
            step: points.iter().map(|(step, _)| step).sum::<f64>() / n,
            mean: points.iter().map(|(_, value)| value).sum::<f64>() / n,
            low: points.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min),
            high: points.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_training_is_thinned_and_its_peaks_stay() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|step| (f64::from(step), 1.0)).collect();
        points[60_000].1 = 9.0;
        let stretches: Vec<Stretch> = points.chunks(points.len().div_ceil(STRETCHES)).map(Stretch::of).collect();
        assert!(stretches.len() <= STRETCHES);
        assert!((stretches.iter().map(|stretch| stretch.high).fold(0.0, f64::max) - 9.0).abs() < 1e-12);
        assert!(learning("total", &points).unwrap().len() < 12_000);
    }

    #[test]
    fn one_point_is_no_curve_and_a_constant_is_one() {
        assert_eq!(learning("total", &[(1.0, 2.0)]), None);
        assert_eq!(learning("total", &[(1.0, f64::NAN), (2.0, f64::NAN), (3.0, 1.0)]), None);
        let svg = learning("total", &[(1.0, 2.0), (2.0, 2.0)]).unwrap();
        assert!(svg.contains("class=\"curve\"") && !svg.contains("NaN"), "{svg}");
    }
}
