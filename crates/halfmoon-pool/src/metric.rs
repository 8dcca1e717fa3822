//! How good predictions are: one function a metric, one line each in [`METRICS`].

use ndarray::{Array2, ArrayView1};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::calibration::{self, BINNING, Binning, LEAST_IN_BIN};
use crate::dataset::Class;
use crate::scores::Predictions;
use crate::selective;

/// Items below which a thing that is fitted on held-out items, or read off them one by one, is not estimable.
pub const LEAST_ITEMS: usize = 50;

/// Every metric, in the order in which tables show them.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "accuracy",
        about: "share of items whose most probable class is the true one",
        better: Better::Higher,
        of: accuracy,
        is_headline: true,
        interval: Interval::Recalls,
    },
    Metric {
        name: "balanced_accuracy",
        about: "mean over the classes of the share of their items that were found",
        better: Better::Higher,
        of: balanced_accuracy,
        is_headline: true,
        interval: Interval::BalancedRecalls,
    },
    Metric {
        name: "nll",
        about: "mean of −ln p(true class), in nats",
        better: Better::Lower,
        of: nll,
        is_headline: true,
        interval: Interval::Percentile,
    },
    Metric {
        name: "brier",
        about: "mean squared distance between probabilities and truth, 0 to 2",
        better: Better::Lower,
        of: brier,
        is_headline: true,
        interval: Interval::Percentile,
    },
    Metric {
        name: "ece",
        about: "how far confidence is from accuracy, in 15 bins of equal width",
        better: Better::Lower,
        of: ece,
        is_headline: true,
        interval: Interval::Gaps(BINNING),
    },
    Metric {
        name: "ece_mass",
        about: "how far confidence is from accuracy, in 15 bins of equally many items",
        better: Better::Lower,
        of: |items| calibration::ece(&calibration::bins(items, MASS_BINNING)),
        is_headline: false,
        interval: Interval::Gaps(MASS_BINNING),
    },
    Metric {
        name: "mce",
        about: "the largest gap of the bins of ece that hold at least 10 items",
        better: Better::Lower,
        of: |items| calibration::mce(&calibration::bins(items, BINNING), LEAST_IN_BIN),
        is_headline: false,
        interval: Interval::WorstGap,
    },
    Metric {
        name: "aurc",
        about: "share of errors where only the surest are answered, averaged over how many",
        better: Better::Lower,
        of: selective::area_of,
        is_headline: false,
        interval: Interval::RankedPercentile,
    },
];

const MASS_BINNING: Binning = Binning::EqualMass(15);

/// A number that judges predictions.
pub struct Metric {
    /// What the user types, and the head of a table's column.
    pub name: &'static str,
    /// One line for help.
    pub about: &'static str,
    /// Which of two values is the better one.
    pub better: Better,
    /// The value; `None` where it is undefined, which is so without items. For items see [`judge`].
    pub of: fn(&[Judged]) -> Option<f64>,
    /// Whether it stands in the table that `train` prints; all others are for who asks further.
    pub is_headline: bool,
    interval: Interval,
}

/// Which of two values is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// As for accuracy.
    Higher,
    /// As for a loss.
    Lower,
}

/// All that the metrics need of one item, small so that resampling a thousand times is cheap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// The true class.
    pub class: Class,
    /// The most probable class is the true one, see [`predicted`].
    pub right: bool,
    /// The highest probability.
    pub confidence: f32,
    /// −ln p(true class).
    pub nll: f64,
    /// Sum over the classes of (p − 1[true class])².
    pub brier: f64,
}

/// Reduces each row of probabilities to what [`Metric::of`] takes.
///
/// A true class of probability 0 would make nll infinite: probabilities below the smallest normal
/// `f32` count as that, so no item's nll exceeds 87.34.
pub fn judge(predictions: &Predictions) -> Vec<Judged> {
    let judge_one = |(probs, &class): (ArrayView1<f32>, &Class)| {
        let top = predicted(probs);
        let p_true = probs[class.index()];
        let squares: f64 = probs.iter().map(|&p| f64::from(p).powi(2)).sum();
        Judged {
            class,
            right: top == class,
            confidence: probs[top.index()],
            nll: -f64::from(p_true.max(f32::MIN_POSITIVE)).ln(),
            // (p − 1)² = p² − 2p + 1 for the true class
            brier: (squares - 2.0 * f64::from(p_true) + 1.0).max(0.0),
        }
    };
    predictions.probs.rows().into_iter().zip(&predictions.classes).map(judge_one).collect()
}

/// The most probable class; among equals the one with the lowest index.
#[allow(clippy::needless_pass_by_value)] // a view is a reference
pub fn predicted(probs: ArrayView1<f32>) -> Class {
    let higher = |top: (usize, f32), (class, &p): (usize, &f32)| if p > top.1 { (class, p) } else { top };
    let (top, _) = probs.into_iter().enumerate().fold((0, f32::NEG_INFINITY), higher);
    Class(u16::try_from(top).expect("a class index fits into 16 bits"))
}

/// The two highest of some values, such as probabilities of classes, and where they stand; of equal ones the first. A single one is followed by itself at 0.
pub fn two_highest(values: impl IntoIterator<Item = f64>) -> [(usize, f64); 2] {
    let (mut first, mut second) = (None, None);
    for (at, value) in values.into_iter().enumerate() {
        let is_higher = |top: &Option<(usize, f64)>| top.is_none_or(|(_, highest)| value > highest);
        if is_higher(&first) {
            (first, second) = (Some((at, value)), first);
        } else if is_higher(&second) {
            second = Some((at, value));
        }
    }
    let first = first.unwrap_or((0, 0.0));
    [first, second.unwrap_or((first.0, 0.0))]
}

/// −Σ p ln p, in nats, with 0 ln 0 = 0.
pub fn entropy(probs: impl IntoIterator<Item = f64>) -> f64 {
    -probs.into_iter().map(|p| if p > 0.0 { p * p.ln() } else { 0.0 }).sum::<f64>()
}

/// A metric's value and how far chance in the choice of items may have moved it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// On exactly these items.
    pub value: f64,
    /// 95 % interval, which contains `value`. `None` where the items cannot tell: a bootstrap of one
    /// item, or of items that are all alike, knows nothing of other items.
    pub interval: Option<(f64, f64)>,
}

/// Every metric on the same items.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Items judged; repeated judgements of an item count once.
    pub n: usize,
    /// In the order of [`METRICS`].
    estimates: Vec<(&'static str, Option<Estimate>)>,
}

/// Every metric on these predictions; `None` without any. The bootstrap's seed is fixed, so the same
/// predictions give the same digits.
pub fn measure(predictions: &Predictions) -> Option<Measured> {
    let estimates = METRICS.iter().map(|metric| (metric.name, estimate(metric, predictions, 0))).collect();
    Some(Measured { n: predictions.classes.len(), estimates }).filter(|measured| measured.n > 0)
}

impl Measured {
    /// The estimate of a metric by name; `None` where it is undefined or unknown.
    pub fn get(&self, metric: &str) -> Option<&Estimate> {
        self.estimates.iter().find(|(name, _)| *name == metric).and_then(|(_, estimate)| estimate.as_ref())
    }

    /// For predictions that judge every item `times` times: as many items, and intervals √times as wide.
    #[must_use]
    pub fn of_repeats(mut self, times: usize) -> Measured {
        self.n /= times;
        let factor = (times as f64).sqrt();
        for (name, estimate) in &mut self.estimates {
            let highest = match *name {
                "nll" => f64::INFINITY,
                "brier" => 2.0,
                _ => 1.0,
            };
            if let Some(Estimate { value, interval: Some((low, high)) }) = estimate {
                *low = (*value - factor * (*value - *low)).max(0.0);
                *high = (*value + factor * (*high - *value)).min(highest);
            }
        }
        self
    }

    /// `{"n", "accuracy", …, "intervals": {"accuracy": [low, high], …}}`, undefined figures `null`.
    pub fn to_json(&self) -> serde_json::Value {
        let mut object = serde_json::Map::from_iter([("n".to_owned(), self.n.into())]);
        let mut intervals = serde_json::Map::new();
        for (name, estimate) in &self.estimates {
            object.insert((*name).to_owned(), estimate.map(|estimate| estimate.value).into());
            let interval = estimate.and_then(|estimate| estimate.interval).map(|(low, high)| vec![low, high]);
            intervals.insert((*name).to_owned(), interval.into());
        }
        object.insert("intervals".to_owned(), intervals.into());
        object.into()
    }
}

/// A metric with its 95 % interval; `None` where the metric is undefined.
///
/// - accuracy: [`wilson`].
/// - `balanced_accuracy`: each class's Wilson interval, the distances from the value added in
///   quadrature and divided by the number of classes (MOVER; Zou & Donner, Statistics in Medicine
///   27, 2008). A bootstrap of five items that are all right would say that chance played no part.
/// - nll, brier, aurc: percentile bootstrap, 1,000 resamples of the items.
/// - ece, `ece_mass`: value ± the distance Σ |gap of the resample − gap of the items| over the bins that 95 % of
///   1,000 resamples stay within, clipped to 0…1. Noise in a bin's gap, either way, adds to ece, so
///   resamples lie above the value, as the value lies above the truth, and their percentiles would
///   tell a perfectly calibrated model that it isn't. By the triangle inequality the true ece is no
///   further from the value than the true gaps are from the items', so this errs by being wide.
/// - mce: the same with the largest of those distances in place of their sum.
///
/// Bootstrap intervals are too narrow for fewer than about 20 items. The same seed gives the same
/// interval, whatever the number of threads.
pub fn estimate(metric: &Metric, predictions: &Predictions, seed: u64) -> Option<Estimate> {
    let items = judge(predictions);
    let value = (metric.of)(&items)?;
    let interval = match metric.interval {
        Interval::Recalls => wilson(items.iter().filter(|item| item.right).count() as u64, items.len() as u64),
        Interval::BalancedRecalls => balanced_interval(&items),
        Interval::Percentile => bootstrap(&items, seed, metric.of).map(|values| (values[24], values[975])),
        Interval::RankedPercentile => bootstrap_ranked(&items, seed, metric.of).map(|values| (values[24], values[975])),
        Interval::Gaps(binning) => {
            let gaps = bin_gaps(&items, binning);
            let distance = |resample: &[Judged]| {
                let gaps_again = bin_gaps(resample, binning);
                Some(gaps_again.iter().zip(&gaps).map(|(again, gap)| (again - gap).abs()).sum())
            };
            let distances = match binning {
                Binning::EqualWidth(_) => bootstrap(&items, seed, distance),
                Binning::EqualMass(_) => bootstrap_ranked(&items, seed, distance),
            };
            distances.map(|distances| around(value, distances[949]))
        }
        Interval::WorstGap => {
            let contents = calibration::contents(&items, BINNING);
            let distance = |resample: &[Judged]| {
                let again = calibration::contents(resample, BINNING);
                let both = contents.iter().zip(&again).filter(|(bin, again)| bin.n >= LEAST_IN_BIN && again.n > 0);
                let distances =
                    both.map(|(bin, again)| (bin.gaps() / bin.n as f64 - again.gaps() / again.n as f64).abs());
                Some(distances.fold(0.0, f64::max))
            };
            bootstrap(&items, seed, distance).map(|distances| around(value, distances[949]))
        }
    };
    Some(Estimate { value, interval: interval.map(|(low, high)| (low.min(value), high.max(value))) })
}

fn around(value: f64, reach: f64) -> (f64, f64) {
    ((value - reach).max(0.0), (value + reach).min(1.0))
}

/// Wilson's 95 % interval of a share; `None` for a share of nothing.
pub fn wilson(successes: u64, n: u64) -> Option<(f64, f64)> {
    if n == 0 {
        return None;
    }
    let (n, p) = (n as f64, successes as f64 / n as f64);
    let z = 1.959_964; // the normal distribution's 97.5 % point
    let centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let reach = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / (1.0 + z * z / n);
    Some(((centre - reach).clamp(0.0, p), (centre + reach).clamp(p, 1.0)))
}

/// Items counted by true class and predicted class: `[true, predicted]`.
pub fn confusion(predictions: &Predictions) -> Array2<u32> {
    let classes = predictions.probs.ncols();
    let mut counts = Array2::zeros((classes, classes));
    for (probs, class) in predictions.probs.rows().into_iter().zip(&predictions.classes) {
        counts[[class.index(), predicted(probs).index()]] += 1;
    }
    counts
}

/// How one class fares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerClass {
    /// Which class.
    pub class: Class,
    /// Items that are truly of this class.
    pub n: usize,
    /// Share of the items predicted as this class that are of it; `None` if none was so predicted.
    pub precision: Option<f64>,
    /// Share of the class's items that were predicted as it; `None` if it has no items.
    pub recall: Option<f64>,
    /// 2·right / (items + predicted); `None` if the class has no items, 0 if none was found.
    pub f1: Option<f64>,
}

/// Precision, recall and F1 of every class, also of those without items.
pub fn per_class(predictions: &Predictions) -> Vec<PerClass> {
    let counts = confusion(predictions);
    let of_class = |(k, &class): (usize, &Class)| {
        let right = f64::from(counts[[k, k]]);
        let n = counts.row(k).sum();
        let guesses = counts.column(k).sum();
        let share = |numerator: f64, of: u32| (of > 0).then(|| numerator / f64::from(of));
        PerClass {
            class,
            n: n as usize,
            precision: share(right, guesses),
            recall: share(right, n),
            f1: share(2.0 * right, n + guesses).filter(|_| n > 0),
        }
    };
    let classes: Vec<Class> = (0..=u16::MAX).take(counts.nrows()).map(Class).collect();
    classes.iter().enumerate().map(of_class).collect()
}

/// Where a metric's 95 % interval comes from, see [`estimate`].
enum Interval {
    Recalls,
    BalancedRecalls,
    Percentile,
    /// Of what sorts the items by their confidence.
    RankedPercentile,
    Gaps(Binning),
    WorstGap,
}

fn accuracy(items: &[Judged]) -> Option<f64> {
    mean(items, |item| f64::from(u8::from(item.right)))
}

fn nll(items: &[Judged]) -> Option<f64> {
    mean(items, |item| item.nll)
}

fn brier(items: &[Judged]) -> Option<f64> {
    mean(items, |item| item.brier)
}

/// Mean recall of the classes that occur among the true classes.
fn balanced_accuracy(items: &[Judged]) -> Option<f64> {
    let recalls = recalls(items);
    let sum: f64 = recalls.iter().map(|&(right, n)| right as f64 / n as f64).sum();
    (!recalls.is_empty()).then(|| sum / recalls.len() as f64)
}

fn ece(items: &[Judged]) -> Option<f64> {
    calibration::ece(&calibration::bins(items, BINNING))
}

/// 1/n · Σ over each bin's items of (right − confidence): ece is the sum of their amounts.
fn bin_gaps(items: &[Judged], binning: Binning) -> Vec<f64> {
    calibration::contents(items, binning).iter().map(|content| content.gaps() / items.len() as f64).collect()
}

fn mean(items: &[Judged], of: impl Fn(&Judged) -> f64) -> Option<f64> {
    (!items.is_empty()).then(|| items.iter().map(of).sum::<f64>() / items.len() as f64)
}

/// (right, items) of each class that has items.
fn recalls(items: &[Judged]) -> Vec<(u64, u64)> {
    let classes = items.iter().map(|item| item.class.index() + 1).max().unwrap_or(0);
    let mut counts = vec![(0, 0); classes];
    for item in items {
        let (right, n) = &mut counts[item.class.index()];
        *right += u64::from(item.right);
        *n += 1;
    }
    counts.retain(|&(_, n)| n > 0);
    counts
}

fn balanced_interval(items: &[Judged]) -> Option<(f64, f64)> {
    let value = balanced_accuracy(items)?;
    let recalls = recalls(items);
    let (mut below, mut above) = (0.0, 0.0);
    for &(right, n) in &recalls {
        let recall = right as f64 / n as f64;
        let (low, high) = wilson(right, n)?;
        below += (recall - low).powi(2);
        above += (high - recall).powi(2);
    }
    let classes = recalls.len() as f64;
    Some(((value - below.sqrt() / classes).max(0.0), (value + above.sqrt() / classes).min(1.0)))
}

/// A number of each of 1,000 resamples, ascending; `None` if they are all the same.
fn bootstrap(items: &[Judged], seed: u64, of: impl Fn(&[Judged]) -> Option<f64> + Sync) -> Option<Vec<f64>> {
    let resampled = |buffer: &mut Vec<Judged>, resample: u64| {
        let mut rng = stream(seed, resample);
        buffer.clear();
        buffer.extend((0..items.len()).map(|_| items[rng.random_range(0..items.len())]));
        of(buffer)
    };
    ascending((0..1000_u64).into_par_iter().map_init(Vec::new, resampled).collect::<Option<_>>()?)
}

/// The same for what sorts the items by their confidence: resamples come sorted, and sorting those takes no time.
fn bootstrap_ranked(items: &[Judged], seed: u64, of: impl Fn(&[Judged]) -> Option<f64> + Sync) -> Option<Vec<f64>> {
    let mut items = items.to_vec();
    items.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
    let resampled = |(counts, buffer): &mut (Vec<usize>, Vec<Judged>), resample: u64| {
        let mut rng = stream(seed, resample);
        counts.clear();
        counts.resize(items.len(), 0);
        for _ in 0..items.len() {
            counts[rng.random_range(0..items.len())] += 1;
        }
        buffer.clear();
        buffer.extend(items.iter().zip(&*counts).flat_map(|(item, &count)| std::iter::repeat_n(*item, count)));
        of(buffer)
    };
    ascending((0..1000_u64).into_par_iter().map_init(Default::default, resampled).collect::<Option<_>>()?)
}

fn stream(seed: u64, resample: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(resample);
    rng
}

/// `None` if they are all the same.
fn ascending(mut values: Vec<f64>) -> Option<Vec<f64>> {
    values.sort_unstable_by(f64::total_cmp);
    (values[0] < values[999]).then_some(values)
}

#[cfg(test)]
mod tests {
    use ndarray::{array, aview1};

    use super::*;

    /// Two classes: the probability of class 1, and the true class.
    fn binary(items: &[(f32, u16)]) -> Predictions {
        let probs =
            Array2::from_shape_fn((items.len(), 2), |(i, k)| if k == 1 { items[i].0 } else { 1.0 - items[i].0 });
        Predictions { probs, classes: items.iter().map(|&(_, class)| Class(class)).collect() }
    }

    fn metric(name: &str) -> &'static Metric {
        METRICS.iter().find(|metric| metric.name == name).expect("the tests name metrics that exist")
    }

    fn value(name: &str, predictions: &Predictions) -> Option<f64> {
        (metric(name).of)(&judge(predictions))
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[track_caller]
    fn assert_value(name: &str, predictions: &Predictions, expected: f64) {
        let value = value(name, predictions);
        assert!(value.is_some_and(|value| close(value, expected)), "{name}: {value:?} is not {expected}");
    }

    #[test]
    fn the_two_highest_come_in_order_and_of_equal_ones_the_first() {
        assert_eq!(two_highest([0.2, 0.5, 0.3]), [(1, 0.5), (2, 0.3)]);
        assert_eq!(two_highest([0.3, 0.4, 0.3]), [(1, 0.4), (0, 0.3)]);
        assert_eq!(two_highest([0.4, 0.2, 0.4]), [(0, 0.4), (2, 0.4)]);
        let never = f64::NEG_INFINITY;
        assert_eq!(two_highest([never, never, -2.0]), [(2, -2.0), (0, never)]);
        assert_eq!(two_highest([1.0]), [(0, 1.0), (0, 0.0)]);
        assert_eq!(two_highest([]), [(0, 0.0), (0, 0.0)]);
    }

    #[test]
    fn entropies_of_none_and_of_two_and_of_four_alike() {
        assert!(entropy([1.0, 0.0]).abs() < 1e-15);
        assert!((entropy([0.5, 0.5]) - 2.0_f64.ln()).abs() < 1e-15);
        assert!((entropy([0.25; 4]) - 4.0_f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn every_metric_is_undefined_without_items() {
        let nothing = Predictions { probs: Array2::zeros((0, 3)), classes: vec![] };
        for metric in METRICS {
            assert_eq!((metric.of)(&judge(&nothing)), None, "{}", metric.name);
            assert_eq!(estimate(metric, &nothing, 1), None, "{}", metric.name);
        }
    }

    #[test]
    fn every_metric_prefers_confident_and_right_to_confident_and_wrong() {
        let right = judge(&binary(&[(0.9, 1), (0.1, 0), (0.8, 1)].repeat(10)));
        let wrong = judge(&binary(&[(0.9, 0), (0.1, 1), (0.8, 0)].repeat(10)));
        for metric in METRICS {
            let (right, wrong) = ((metric.of)(&right), (metric.of)(&wrong));
            let good = match metric.better {
                Better::Higher => right > wrong,
                Better::Lower => right < wrong,
            };
            assert!(good, "{}: {right:?} {wrong:?}", metric.name);
        }
    }

    #[test]
    fn every_interval_contains_the_value_and_depends_on_the_seed_alone() {
        let mixed: Vec<(f32, u16)> = (0..60).map(|i| (0.2 + 0.01 * i as f32, u16::from(i % 3 == 0))).collect();
        let mixed = binary(&mixed);
        for metric in METRICS {
            let first = estimate(metric, &mixed, 7).expect("there are items");
            let (low, high) = first.interval.expect("there are many items");
            assert!(
                0.0 <= low && low <= first.value && first.value <= high && low < high,
                "{}: {first:?}",
                metric.name
            );
            assert_eq!(estimate(metric, &mixed, 7), Some(first), "{}", metric.name);
        }
    }

    #[test]
    fn every_metric_ignores_the_order_of_the_items() {
        let items = [(0.9, 1), (0.4, 1), (0.2, 0), (0.7, 0)].repeat(10);
        let mut turned = items.clone();
        turned.reverse();
        for metric in METRICS {
            let there = (metric.of)(&judge(&binary(&items))).expect("there are items");
            let back = (metric.of)(&judge(&binary(&turned))).expect("there are items");
            assert!(close(there, back), "{}", metric.name);
        }
    }

    #[test]
    fn ties_go_to_the_class_with_the_lowest_index() {
        assert_eq!(predicted(aview1(&[0.2, 0.4, 0.4])), Class(1));
        assert_eq!(predicted(aview1(&[0.25; 4])), Class(0));
    }

    #[test]
    fn accuracy_counts_items_and_balanced_accuracy_counts_classes() {
        // class 0: 3 of 4 found; class 1: 0 of 1 found; class 2 does not occur
        let probs = array![[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]];
        let predictions = Predictions { probs, classes: [0, 0, 0, 0, 1].map(Class).to_vec() };
        assert_value("accuracy", &predictions, 0.6);
        assert_value("balanced_accuracy", &predictions, 0.375);
    }

    #[test]
    fn nll_is_in_nats() {
        // −(ln ½ + ln ¼) / 2 = 1.5 · ln 2
        assert_value("nll", &binary(&[(0.5, 1), (0.75, 0)]), 1.5 * 2.0_f64.ln());
    }

    #[test]
    fn nll_of_an_impossible_truth_is_large_but_finite() {
        // the smallest normal f32 is 2^−126
        assert_value("nll", &binary(&[(1.0, 0)]), 126.0 * 2.0_f64.ln());
    }

    #[test]
    fn brier_adds_up_over_the_classes() {
        // (0.7 − 1)² + 0.2² + 0.1² = 0.14
        let predictions = Predictions { probs: array![[0.7, 0.2, 0.1]], classes: vec![Class(0)] };
        assert_value("brier", &predictions, 0.14);
        assert_value("brier", &binary(&[(1.0, 0)]), 2.0);
    }

    #[test]
    fn ece_weighs_the_gap_of_each_bin() {
        // each item in its own bin: (|1 − .95| + |0 − .85| + |1 − .65| + |0 − .55|) / 4 = 0.45
        let items = judge(&binary(&[(0.95, 1), (0.85, 0), (0.65, 1), (0.55, 0)]));
        let of_bins = |bins| bin_gaps(&items, Binning::EqualWidth(bins)).iter().map(|gap| gap.abs()).sum::<f64>();
        assert!(close(of_bins(10), 0.45));
        // one bin: |2 − (.95 + .85 + .65 + .55)| / 4 = 0.25
        assert!(close(of_bins(1), 0.25));
    }

    #[test]
    fn a_bin_of_ece_contains_its_upper_edge() {
        // 0.6 is the upper edge of (8/15, 9/15], so 0.59 and 0.6 share a bin: |1 − 1.19| / 2
        assert_value("ece", &binary(&[(0.6, 1), (0.59, 0)]), 0.095);
        // 0.61 is in the next bin: (|1 − 0.61| + |0 − 0.6|) / 2
        assert_value("ece", &binary(&[(0.61, 1), (0.6, 0)]), 0.495);
    }

    #[test]
    fn wilson_gives_the_published_intervals() {
        let shows = |successes, n| wilson(successes, n).map(|(low, high)| format!("{low:.4} {high:.4}"));
        assert_eq!(shows(8, 10).as_deref(), Some("0.4902 0.9433"));
        assert_eq!(shows(0, 10).as_deref(), Some("0.0000 0.2775"));
        assert_eq!(shows(10, 10).as_deref(), Some("0.7225 1.0000"));
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn balanced_accuracy_of_one_class_has_wilsons_interval() {
        let predictions = binary(&[(0.9, 1), (0.9, 1), (0.9, 1), (0.2, 1)]);
        let (low, high) = wilson(3, 4).expect("four items");
        let interval = estimate(metric("balanced_accuracy"), &predictions, 1).and_then(|estimate| estimate.interval);
        assert!(interval.is_some_and(|(l, h)| close(l, low) && close(h, high)), "{interval:?}");
    }

    #[test]
    fn a_few_items_that_are_all_right_leave_room_for_doubt() {
        let predictions = binary(&[(0.9, 1), (0.9, 1), (0.1, 0), (0.1, 0)]);
        for name in ["accuracy", "balanced_accuracy"] {
            let (low, high) = estimate(metric(name), &predictions, 1).and_then(|e| e.interval).expect("four items");
            assert!(low < 0.7 && close(high, 1.0), "{name}: {low} {high}");
        }
    }

    #[test]
    fn the_bootstrap_agrees_with_the_normal_interval_of_a_mean() {
        // half the items cost ln 2 and half ln 4: standard error ½ ln 2 / √400
        let items: Vec<(f32, u16)> = (0..400).map(|i| if i % 2 == 0 { (0.5, 1) } else { (0.75, 0) }).collect();
        let estimate = estimate(metric("nll"), &binary(&items), 3).expect("there are items");
        let (low, high) = estimate.interval.expect("there are many items");
        let reach = 1.96 * 0.5 * 2.0_f64.ln() / 20.0;
        assert!((estimate.value - low - reach).abs() < 0.1 * reach, "{low}");
        assert!((high - estimate.value - reach).abs() < 0.1 * reach, "{high}");
    }

    #[test]
    fn where_resamples_cannot_differ_there_is_no_interval() {
        let one = estimate(metric("nll"), &binary(&[(0.5, 1)]), 1).expect("one item");
        let alike = estimate(metric("ece"), &binary(&[(1.0, 1); 30]), 1).expect("thirty items");
        assert_eq!((one.interval, alike.interval), (None, None));
        assert!(close(one.value, 2.0_f64.ln()) && close(alike.value, 0.0));
    }

    #[test]
    fn the_interval_of_a_calibrated_models_ece_reaches_down_to_zero() {
        // a hundred items at each confidence
        let ece_of_hits = |hits: [i32; 4]| {
            let levels = [57, 64, 75, 90].into_iter().zip(hits);
            let items = levels.flat_map(|(p, hits)| (0..100).map(move |i| (p as f32 / 100.0, u16::from(i < hits))));
            estimate(metric("ece"), &binary(&items.collect::<Vec<_>>()), 5).expect("there are items")
        };
        // as many right as the confidence says, but for chance: (3 + 2 + 3 + 1) / 400
        let calibrated = ece_of_hits([60, 62, 78, 89]);
        assert!(close(calibrated.value, 0.0225), "{calibrated:?}");
        assert!(calibrated.interval.is_some_and(|(low, high)| low == 0.0 && high < 0.15), "{calibrated:?}");
        // 20 fewer right than said at each: that is no chance
        let overconfident = ece_of_hits([37, 44, 55, 70]);
        assert!(close(overconfident.value, 0.2), "{overconfident:?}");
        assert!(overconfident.interval.is_some_and(|(low, high)| low > 0.1 && high < 0.3), "{overconfident:?}");
    }

    #[test]
    fn classes_without_items_or_guesses_have_undefined_numbers() {
        // truth 0 0 1, predicted 0 2 0: class 1 is never predicted, class 2 never true
        let probs = array![[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]];
        let predictions = Predictions { probs, classes: [0, 0, 1].map(Class).to_vec() };
        assert_eq!(confusion(&predictions), array![[1, 0, 1], [1, 0, 0], [0, 0, 0]]);
        let per_class = per_class(&predictions);
        let expected = [
            PerClass { class: Class(0), n: 2, precision: Some(0.5), recall: Some(0.5), f1: Some(0.5) },
            PerClass { class: Class(1), n: 1, precision: None, recall: Some(0.0), f1: Some(0.0) },
            PerClass { class: Class(2), n: 0, precision: Some(0.0), recall: None, f1: None },
        ];
        assert_eq!(per_class, expected);
    }
}
