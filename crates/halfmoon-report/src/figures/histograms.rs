//! How a score is spread over usual items, filled, and over others, outlined.

use super::plot::{Axis, Plot};
use crate::markup::percent;

/// Bars over the range that both have.
const BARS: usize = 40;

/// Two histograms over one axis, each bar a share of its own items. The outermost bars also hold what lies beyond them.
/// `None` where there is nothing finite on one of the sides.
pub(crate) fn histograms(usual: &[f64], others: &[f64], score: &str, threshold: Option<f64>) -> Option<String> {
    let (low, high) = range(usual, others)?;
    let width = (high - low) / BARS as f64;
    let (usual, others) = (shares(usual, low, width), shares(others, low, width));
    let most = usual.iter().chain(&others).copied().fold(0.0, f64::max);
    let overlap: f64 = usual.iter().zip(&others).map(|(a, b)| a.min(*b)).sum();
    let label = format!("histograms of {score}: {} of their areas overlap", percent(overlap));
    let x = Axis::over(low, high, &format!("{score} → stranger"));
    let mut plot = Plot::new(240.0, &label, x, Axis::shares_up_to(most * 1.05, "share of the items"));
    for (at, &share) in usual.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        let from = low + at as f64 * width;
        plot.bar("usual", (from, from + width), share);
    }
    let mut outline = vec![(low, 0.0)];
    for (at, &share) in others.iter().enumerate() {
        let from = low + at as f64 * width;
        outline.extend([(from, share), (from + width, share)]);
    }
    outline.push((high, 0.0));
    plot.line("others", &outline);
    if let Some(threshold) = threshold {
        plot.upright("target", threshold);
    }
    Some(plot.finish())
}

/// The middle 99 % of both, but no more than three times as wide as the usual items are on either side: a few others
/// that are extremely far away shall not press all the rest into one bar.
fn range(usual: &[f64], others: &[f64]) -> Option<(f64, f64)> {
    let (a, b) = middle(usual)?;
    let (c, d) = middle(others)?;
    let reach = 3.0 * (b - a).max(1e-9);
    let (low, high) = (a.min(c.max(a - reach)), b.max(d.min(b + reach)));
    Some(if low < high { (low, high) } else { (low - 0.5, high + 0.5) })
}

/// The 0.5 % and the 99.5 % quantile of what is finite.
fn middle(values: &[f64]) -> Option<(f64, f64)> {
    let mut values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let beyond = last / 200;
    Some((values[beyond], values[last - beyond]))
}

fn shares(values: &[f64], low: f64, width: f64) -> Vec<f64> {
    let mut counts = vec![0.0; BARS];
    let mut n = 0.0;
    for value in values.iter().filter(|v| !v.is_nan()) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clipped to the bars")]
        let bar = ((value - low) / width).clamp(0.0, (BARS - 1) as f64) as usize;
        counts[bar] += 1.0;
        n += 1.0;
    }
    counts.iter().map(|count| count / n).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_in_a_bar_also_one_that_is_infinitely_far() {
        let shares = shares(&[0.0, 1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN], 0.0, 0.1);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((shares[0] - 0.5).abs() < 1e-12 && (shares[BARS - 1] - 0.25).abs() < 1e-12);
    }

    #[test]
    fn far_items_do_not_press_the_usual_ones_together() {
        let usual: Vec<f64> = (0..1001).map(|n| f64::from(n) / 1000.0).collect();
        let (low, high) = range(&usual, &[1e9; 10]).unwrap();
        assert!(low >= 0.0 && high < 4.1, "{low} to {high}");
    }

    #[test]
    fn nothing_is_drawn_where_a_side_is_empty_and_equal_scores_have_a_bar() {
        assert_eq!(histograms(&[], &[1.0], "s", None), None);
        assert_eq!(histograms(&[f64::NAN], &[1.0], "s", None), None);
        let svg = histograms(&[1.0; 5], &[1.0; 3], "energy", Some(1.0)).unwrap();
        assert!(svg.contains("class=\"usual\"") && svg.contains("class=\"target\"") && !svg.contains("NaN"));
    }
}
