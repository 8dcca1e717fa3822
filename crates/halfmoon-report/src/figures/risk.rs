//! What is gained by leaving the least sure answers to somebody else: the share of wrong answers among those that are
//! given, over the share that is given.

use halfmoon_pool::selective::Point;

use super::plot::{Axis, Plot};
use super::thinned;
use crate::markup::{percent, probability};

const MOST_POINTS: usize = 400;

/// The curve, by rising coverage, with a level for the errors that are accepted and a mark where they are reached.
pub(crate) fn risk_coverage(curve: &[Point], accepted: f64, reached: Option<Point>) -> String {
    let last = curve.last().map_or(0.0, |point| point.risk);
    // A single wrong answer among the surest few would press all the rest to the lower edge.
    let most = curve.iter().filter(|point| point.coverage > 0.05).map(|point| point.risk).fold(last, f64::max);
    let label = match reached {
        Some(point) => format!(
            "errors over coverage: {} of all answers are wrong; of the surest {}, {} are",
            percent(last),
            percent(point.coverage),
            percent(point.risk)
        ),
        None => format!("errors over coverage: {} of all answers are wrong", percent(last)),
    };
    let high = (most * 1.1).max(accepted * 1.3);
    let x = Axis::shares("share of the items that is answered, surest first");
    let mut plot = Plot::new(310.0, &label, x, Axis::shares_up_to(high, "answered wrongly"));
    plot.level("target", accepted);
    let points: Vec<(f64, f64)> = curve.iter().map(|point| (point.coverage, point.risk)).collect();
    plot.line("curve", &thinned(&points, MOST_POINTS));
    if let Some(point) = reached {
        let place = plot.at(point.coverage, point.risk);
        plot.svg.circle("dot", place, 4.5);
        // Clear of the dashed line, which the dot is near to.
        let above = point.risk.max(accepted) + high * 0.07;
        plot.note((point.coverage, above), &format!("confidence ≥ {}", probability(point.threshold.into())));
    }
    plot.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(n: u16) -> Vec<Point> {
        let point = |k: u16| {
            let coverage = f64::from(k) / f64::from(n);
            Point { coverage, risk: 0.1 * coverage, threshold: 0.5 }
        };
        (1..=n).map(point).collect()
    }

    #[test]
    fn a_long_curve_is_thinned_and_the_wanted_point_is_marked() {
        let curve = curve(10_000);
        let svg = risk_coverage(&curve, 0.05, Some(curve[4999]));
        assert!(svg.len() < 12_000, "{}", svg.len());
        assert!(svg.contains("10.0 % of all answers are wrong; of the surest 50.0 %, 5.0 % are"));
        assert!(svg.contains("class=\"target\"") && svg.contains("class=\"dot\""));
    }

    #[test]
    fn a_curve_without_errors_and_none_at_all_are_drawn() {
        let flat = [Point { coverage: 1.0, risk: 0.0, threshold: 1.0 }];
        for curve in [&flat[..], &[]] {
            assert!(!risk_coverage(curve, 0.05, None).contains("NaN"));
        }
    }
}
