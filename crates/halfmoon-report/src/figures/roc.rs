//! Others found, against usual items taken for others, over every threshold of a score.

use super::plot::{Axis, Plot};
use super::thinned;

/// Of each curve.
const MOST_POINTS: usize = 300;
/// Ways in which a line is drawn, in order: the page's style knows as many.
pub(crate) const LINES: usize = 6;

/// A curve a score: shares of usual items taken for others (x) and of others found (y).
pub(crate) fn roc(curves: &[(&str, Vec<(f64, f64)>)]) -> String {
    let names: Vec<&str> = curves.iter().map(|(name, _)| *name).collect();
    let label = format!("ROC curves of {}", names.join(", "));
    let mut plot = Plot::new(300.0, &label, Axis::shares("usual items taken for others"), Axis::shares("others found"));
    plot.line("diagonal", &[(0.0, 0.0), (1.0, 1.0)]);
    for (at, (_, points)) in curves.iter().enumerate() {
        plot.line(&style(at), &thinned(points, MOST_POINTS));
    }
    plot.finish()
}

/// A short piece of a curve, for a legend.
pub(crate) fn sign(at: usize) -> String {
    format!(
        "<svg class=\"stroke\" aria-hidden=\"true\" viewBox=\"0 0 28 8\"><path class=\"{}\" d=\"M0,4L28,4\"/></svg>",
        style(at)
    )
}

/// How a line is drawn.
pub(crate) fn style(at: usize) -> String {
    format!("way w{}", at % LINES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_has_a_line_that_looks_like_no_other() {
        let curves: Vec<(&str, Vec<(f64, f64)>)> =
            ["a", "b", "c"].map(|name| (name, vec![(0.0, 0.0), (0.1, 0.9), (1.0, 1.0)])).into();
        let svg = roc(&curves);
        for at in 0..3 {
            assert_eq!(svg.matches(&format!("class=\"way w{at}\"")).count(), 1);
        }
        assert!(svg.contains("ROC curves of a, b, c"));
    }
}
