//! Answering only where one is sure: what it costs in answers and buys in accuracy.
//!
//! Geifman & El-Yaniv, *Selective classification for deep neural networks*, NeurIPS 2017.

use crate::metric::{Judged, LEAST_ITEMS, judge, wilson};
use crate::scores::Predictions;

/// What comes of answering the items of at least this confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Share of the items that are answered.
    pub coverage: f64,
    /// Share of the answered items that are wrong.
    pub risk: f64,
    /// The lowest confidence that is answered.
    pub threshold: f32,
}

/// Every threshold that makes a difference, by rising coverage: the surest items alone first, all of them last. Items of
/// the same confidence are answered together.
pub fn risk_coverage(predictions: &Predictions) -> Vec<Point> {
    let answered = answered(&judge(predictions));
    let all = answered.last().map_or(0, |last| last.n);
    answered.iter().map(|answered| answered.point(all)).collect()
}

/// The area under [`risk_coverage`]: the mean risk over all coverages. 0 is an order of all right answers before all wrong
/// ones only if none is wrong. `None` without items.
pub fn area(curve: &[Point]) -> Option<f64> {
    let before = std::iter::once(0.0).chain(curve.iter().map(|point| point.coverage));
    (!curve.is_empty()).then(|| curve.iter().zip(before).map(|(to, from)| to.risk * (to.coverage - from)).sum())
}

/// [`area`] of items that are reduced already.
pub(crate) fn area_of(items: &[Judged]) -> Option<f64> {
    let answered = answered(items);
    area(&answered.iter().map(|answered| answered.point(items.len())).collect::<Vec<_>>())
}

/// From which confidence on the answers are as accurate as is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// The lowest confidence at which the accuracy on these items is reached. `None` if no confidence is enough.
    pub on_these: Option<Point>,
    /// The lowest confidence at which the lower end of Wilson's 95 % interval of that accuracy reaches it too. `None` if
    /// no confidence is enough, or if items are too few to tell.
    pub surely: Option<Point>,
}

/// The lowest confidence from which on the answered items are as accurate as is wanted. Not estimable (`None`) for fewer
/// than [`LEAST_ITEMS`] items.
pub fn threshold_for(accuracy: f64, predictions: &Predictions) -> Option<Thresholds> {
    let items = judge(predictions);
    if items.len() < LEAST_ITEMS {
        return None;
    }
    let answered = answered(&items);
    // So much is lost where 19 of 20 are compared with 0.95.
    let reaches = |share: f64| share >= accuracy - 1e-12;
    let lowest = |enough: &dyn Fn(&Answered) -> bool| {
        answered.iter().rev().find(|answered| enough(answered)).map(|answered| answered.point(items.len()))
    };
    Some(Thresholds {
        on_these: lowest(&|answered| reaches(answered.right as f64 / answered.n as f64)),
        surely: lowest(&|answered| {
            wilson(answered.right as u64, answered.n as u64).is_some_and(|(low, _)| reaches(low))
        }),
    })
}

/// Items of at least a confidence.
struct Answered {
    threshold: f32,
    n: usize,
    right: usize,
}

impl Answered {
    fn point(&self, all: usize) -> Point {
        Point {
            coverage: self.n as f64 / all as f64,
            risk: (self.n - self.right) as f64 / self.n as f64,
            threshold: self.threshold,
        }
    }
}

/// For each confidence that occurs, falling.
fn answered(items: &[Judged]) -> Vec<Answered> {
    let mut ranked: Vec<(f32, bool)> = items.iter().map(|item| (item.confidence, item.right)).collect();
    // Rising, as a bootstrap's resamples come.
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut n, mut right) = (0, 0);
    let of_group = |group: &[(f32, bool)]| {
        n += group.len();
        right += group.iter().filter(|(_, right)| *right).count();
        Answered { threshold: group[0].0, n, right }
    };
    ranked.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()).rev().map(of_group).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::dataset::Class;

    /// Two classes; confidences of at least ½, and whether they were right.
    fn answers(items: &[(f32, bool)]) -> Predictions {
        let probs =
            Array2::from_shape_fn((items.len(), 2), |(i, k)| if k == 0 { items[i].0 } else { 1.0 - items[i].0 });
        Predictions { probs, classes: items.iter().map(|&(_, right)| Class(u16::from(!right))).collect() }
    }

    #[test]
    fn items_of_the_same_confidence_are_answered_together() {
        let curve = risk_coverage(&answers(&[(0.7, false), (0.9, true), (0.7, true), (0.6, false)]));
        let expected = [(0.25, 0.0, 0.9), (0.75, 1.0 / 3.0, 0.7), (1.0, 0.5, 0.6)]
            .map(|(coverage, risk, threshold)| Point { coverage, risk, threshold });
        assert_eq!(curve, expected);
        // ¼·0 + ½·⅓ + ¼·½
        let area = area(&curve).expect("four items");
        assert!((area - 7.0 / 24.0).abs() < 1e-12, "{area}");
    }

    #[test]
    fn without_ties_the_area_is_the_mean_risk_of_the_k_surest() {
        // right, wrong, right: risks 0, 1/2, 1/3
        let curve = risk_coverage(&answers(&[(0.6, true), (0.9, true), (0.8, false)]));
        assert!(area(&curve).is_some_and(|area| (area - (0.5 + 1.0 / 3.0) / 3.0).abs() < 1e-12));
        assert_eq!(area(&[]), None);
    }

    #[test]
    fn the_threshold_is_the_lowest_that_reaches_the_accuracy() {
        // of a hundred, the 60 surest are all right, and of the rest every other one
        let items: Vec<_> = (0..100_u8).map(|i| (0.995 - f32::from(i) / 250.0, i < 60 || i % 2 == 0)).collect();
        let found = threshold_for(0.9, &answers(&items)).expect("a hundred items");
        let on_these = found.on_these.expect("the 60 surest are right");
        // of the 75 surest 67 are right, of the 74 surest 67; of 76 still 67, of 77 68 and 68/77 < 0.9
        let share = 1.0 - on_these.risk;
        assert!(share >= 0.9 && on_these.coverage >= 0.74, "{on_these:?}");
        for further in risk_coverage(&answers(&items)).iter().filter(|point| point.coverage > on_these.coverage) {
            assert!(1.0 - further.risk < 0.9, "{further:?}");
        }
        let surely = found.surely.expect("60 right of 60 have the lower bound 0.94");
        assert!(surely.coverage < on_these.coverage && surely.threshold > on_these.threshold, "{found:?}");
        let (n, right) = (surely.coverage * 100.0, (1.0 - surely.risk) * surely.coverage * 100.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of a hundred")]
        let (low, _) = wilson(right.round() as u64, n.round() as u64).expect("some are answered");
        assert!(low >= 0.9, "{low}");
    }

    #[test]
    fn a_share_that_is_just_reached_is_reached() {
        let items: Vec<_> = (0..100).map(|i| (0.8, i >= 5)).collect();
        let found = threshold_for(0.95, &answers(&items)).expect("a hundred items");
        assert!(found.on_these.is_some_and(|point| (point.coverage - 1.0).abs() < 1e-12));
        assert_eq!(found.surely, None);
    }

    #[test]
    fn few_items_and_an_accuracy_out_of_reach_have_no_threshold() {
        assert_eq!(threshold_for(0.5, &answers(&[(0.9, true); 49])), None);
        let wrong = threshold_for(0.9, &answers(&[(0.9, false); 60]));
        assert_eq!(wrong, Some(Thresholds { on_these: None, surely: None }));
    }
}
