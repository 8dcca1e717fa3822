//! All that is derived from answers, once.

use halfmoon_pool::calibration::{BINNING, Bin, reliability};
use halfmoon_pool::label_errors::{Suspect, likely_label_errors};
use halfmoon_pool::metric::{Estimate, LEAST_ITEMS, METRICS, Metric, estimate, judge};
use halfmoon_pool::scores::Predictions;
use halfmoon_pool::selective::{Point, Thresholds, risk_coverage, threshold_for};
use ndarray::Axis;

use crate::Answers;
use crate::mistakes::{Mistake, mistakes};

/// Mistakes, and labels in doubt, that are shown.
pub(crate) const SHOWN: usize = 20;

/// How accurate answers are wanted.
pub(crate) const WANTED: f64 = 0.95;

/// Items from which on a bootstrap takes a part of them.
const MANY: usize = 10_000;

/// Answers, judged.
pub(crate) struct Trust<'a> {
    pub(crate) answers: &'a Answers,
    pub(crate) n: usize,
    /// Every metric on all items.
    pub(crate) figures: Vec<(&'static Metric, Option<Estimate>)>,
    /// What follows is `None` for fewer than [`LEAST_ITEMS`] items.
    pub(crate) calibration: Option<Calibration>,
    pub(crate) selection: Option<Selection>,
    pub(crate) suspects: Option<Vec<Suspect>>,
    /// The surest ones.
    pub(crate) mistakes: Vec<Mistake>,
}

/// Confidence against accuracy.
pub(crate) struct Calibration {
    pub(crate) bins: Vec<Bin>,
    pub(crate) confidence: f64,
    pub(crate) accuracy: f64,
    /// 95 % interval of mean confidence − accuracy.
    pub(crate) gap: (f64, f64),
}

/// Answering the surest items alone.
pub(crate) struct Selection {
    pub(crate) curve: Vec<Point>,
    pub(crate) thresholds: Thresholds,
}

impl<'a> Trust<'a> {
    /// `None` without items.
    pub(crate) fn of(answers: &'a Answers) -> Option<Trust<'a>> {
        let predictions = &answers.predictions;
        let n = predictions.classes.len();
        let is_enough = n >= LEAST_ITEMS;
        (n > 0).then(|| Trust {
            answers,
            n,
            figures: figures(predictions),
            calibration: is_enough.then(|| calibration(predictions)),
            selection: threshold_for(WANTED, predictions)
                .map(|thresholds| Selection { curve: risk_coverage(predictions), thresholds }),
            suspects: likely_label_errors(predictions),
            mistakes: mistakes(predictions, SHOWN),
        })
    }

    /// A metric by name; `None` where it is undefined.
    pub(crate) fn figure(&self, name: &str) -> Option<Estimate> {
        self.figures.iter().find(|(metric, _)| metric.name == name).and_then(|(_, estimate)| *estimate)
    }

    /// The name of a class.
    pub(crate) fn class(&self, class: halfmoon_pool::Class) -> &str {
        &self.answers.items.schema.classes[class.index()]
    }
}

/// Every metric with its interval.
///
/// Of more than [`MANY`] items, the intervals that a bootstrap gives are those of every k-th item, narrowed by the root
/// of how many more there are: at that size they shrink so, and a bootstrap of millions would take minutes.
pub(crate) fn figures(predictions: &Predictions) -> Vec<(&'static Metric, Option<Estimate>)> {
    let n = predictions.classes.len();
    let whole = |metric: &'static Metric| (metric, estimate(metric, predictions, 0));
    if n <= MANY {
        return METRICS.iter().map(whole).collect();
    }
    let rows: Vec<usize> = (0..n).step_by(n.div_ceil(MANY)).collect();
    let part = Predictions {
        probs: predictions.probs.select(Axis(0), &rows),
        classes: rows.iter().map(|&row| predictions.classes[row]).collect(),
    };
    let narrower = (rows.len() as f64 / n as f64).sqrt();
    let judged = judge(predictions);
    let of = |metric: &'static Metric| {
        // Wilson's intervals cost nothing.
        if matches!(metric.name, "accuracy" | "balanced_accuracy") {
            return whole(metric);
        }
        let interval = estimate(metric, &part, 0).and_then(|Estimate { value, interval }| {
            interval.map(|(low, high)| ((value - low) * narrower, (high - value) * narrower))
        });
        let value = (metric.of)(&judged);
        let estimate = value.map(|value| Estimate {
            value,
            interval: interval.map(|(below, above)| ((value - below).max(0.0), value + above)),
        });
        (metric, estimate)
    };
    METRICS.iter().map(of).collect()
}

fn calibration(predictions: &Predictions) -> Calibration {
    let judged = judge(predictions);
    let n = judged.len() as f64;
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        judged.iter().map(|item| of(item.confidence.into(), f64::from(u8::from(item.right)))).sum::<f64>() / n
    };
    let confidence = mean(&|confidence, _| confidence);
    let accuracy = mean(&|_, right| right);
    let gap = confidence - accuracy;
    let variance = mean(&|confidence, right| (confidence - right - gap).powi(2));
    let half = 1.96 * (variance / n).sqrt();
    Calibration { bins: reliability(predictions, BINNING), confidence, accuracy, gap: (gap - half, gap + half) }
}

/// How much more often the first is right than the second on the same items, with its 95 % interval: only items on
/// which one of them alone is right tell.
pub(crate) fn difference(first: &Predictions, second: &Predictions) -> Option<(f64, (f64, f64))> {
    let (first, second) = (judge(first), judge(second));
    if first.len() != second.len() || first.is_empty() {
        return None;
    }
    let n = first.len() as f64;
    let each = || first.iter().zip(&second).map(|(a, b)| f64::from(i8::from(a.right) - i8::from(b.right)));
    let mean = each().sum::<f64>() / n;
    let variance = each().map(|d| (d - mean).powi(2)).sum::<f64>() / n;
    let half = 1.96 * (variance / n).sqrt();
    Some((mean, (mean - half, mean + half)))
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::sections::testing::binary;

    #[test]
    fn answers_that_are_right_less_often_than_they_say_have_a_positive_gap() {
        // 1,000 answers of confidence 0.9, of which 800 are right: a gap of 0.1 ± 1.96 √(0.16/1000).
        let items: Vec<(f32, u16)> = (0..1000).map(|n| (0.9, u16::from(n >= 200))).collect();
        let Calibration { bins, confidence, accuracy, gap } = calibration(&binary(&items));
        assert_eq!(bins.len(), 1);
        assert!((confidence - 0.9).abs() < 1e-6 && (accuracy - 0.8).abs() < 1e-12);
        assert!((gap.0 - (0.1 - 0.024_79)).abs() < 1e-4 && (gap.1 - (0.1 + 0.024_79)).abs() < 1e-4, "{gap:?}");
    }

    #[test]
    fn a_difference_counts_the_items_on_which_one_alone_is_right() {
        // The first is right on all four, the second on two: 0.5, and each item's difference is 0.5 away from it.
        let first = binary(&[(0.9, 1), (0.9, 1), (0.1, 0), (0.1, 0)]);
        let second = binary(&[(0.1, 1), (0.9, 1), (0.9, 0), (0.1, 0)]);
        let (mean, (low, high)) = difference(&first, &second).unwrap();
        assert!((mean - 0.5).abs() < 1e-12 && (high - 0.99).abs() < 1e-9 && (low - 0.01).abs() < 1e-9);
        assert_eq!(difference(&first, &binary(&[(0.1, 1)])), None);
    }

    #[test]
    fn the_intervals_of_many_items_come_from_a_part_and_are_as_narrow_as_all_make_them() {
        // nll of 0.5 is ln 2 and of 0.8 is −ln 0.8: half of each, so a standard deviation of half their distance.
        let n = 60_000;
        let items: Vec<(f32, u16)> = (0..n).map(|k| (if k % 7 < 3 { 0.8 } else { 0.55 }, 1)).collect();
        let figures = figures(&binary(&items));
        let nll = figures.iter().find(|(metric, _)| metric.name == "nll").unwrap().1.unwrap();
        let (a, b) = (-(0.8_f64.ln()), -(0.55_f64.ln()));
        let share = 3.0 / 7.0;
        let mean = share * a + (1.0 - share) * b;
        let half = 1.96 * (b - a) * (share * (1.0 - share) / f64::from(n)).sqrt();
        assert!((nll.value - mean).abs() < 1e-4, "{nll:?}");
        let (low, high) = nll.interval.unwrap();
        assert!(((high - low) / 2.0 / half - 1.0).abs() < 0.1, "{low} to {high}, and half of it should be {half}");
    }

    #[test]
    fn no_items_give_no_figures_and_few_give_some() {
        let answers = crate::sections::testing::answers(&binary(&[(0.9, 1), (0.2, 1)]));
        let trust = Trust::of(&answers).unwrap();
        assert!(trust.calibration.is_none() && trust.selection.is_none() && trust.suspects.is_none());
        assert_eq!(trust.mistakes.len(), 1);
        let nothing = Predictions { probs: Array2::zeros((0, 2)), classes: vec![] };
        assert!(Trust::of(&crate::sections::testing::answers(&nothing)).is_none());
    }
}
