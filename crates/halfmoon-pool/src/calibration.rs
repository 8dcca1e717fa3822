//! Whether a confidence of 0.9 means nine right answers of ten, and what makes it so.
//!
//! Naeini, Cooper & Hauskrecht, *Obtaining well calibrated probabilities using Bayesian binning*, AAAI 2015 (ece, mce);
//! Guo, Pleiss, Sun & Weinberger, *On calibration of modern neural networks*, ICML 2017 (temperature).

use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use crate::dataset::Class;
use crate::metric::{Judged, LEAST_ITEMS, judge, wilson};
use crate::scores::Predictions;

/// How items are put into bins by their confidence, the highest of their probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binning {
    /// So many bins of equal width: (lo, hi], the first one with 0.
    EqualWidth(u16),
    /// So many bins of as equally many items as can be, by rank. Equal confidences keep the order of the items, and may
    /// so come into two bins.
    EqualMass(u16),
}

/// What is shown of `ece`, `mce` and the reliability diagram if nothing else is asked.
pub const BINNING: Binning = Binning::EqualWidth(15);

/// Items below which a bin does not count for [`mce`].
pub const LEAST_IN_BIN: usize = 10;

/// Items of like confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Of bins of equal width the lower edge, of bins of equal mass the lowest confidence.
    pub low: f64,
    /// Of bins of equal width the upper edge, of bins of equal mass the highest confidence.
    pub high: f64,
    /// Items; at least one.
    pub n: usize,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that are right.
    pub accuracy: f64,
    /// Wilson's 95 % interval of the accuracy.
    pub interval: (f64, f64),
}

/// The bins of a reliability diagram, by rising confidence. Bins without items are left out.
pub fn reliability(predictions: &Predictions, binning: Binning) -> Vec<Bin> {
    bins(&judge(predictions), binning)
}

/// Σ over the bins B of |B|/n · |accuracy(B) − confidence(B)|: the expected calibration error. `None` without items.
///
/// Chance alone makes it larger than 0: by about Σ √(2 a(1 − a)|B|/π) / n for bins of accuracy a that are calibrated.
pub fn ece(bins: &[Bin]) -> Option<f64> {
    let n: usize = bins.iter().map(|bin| bin.n).sum();
    (n > 0).then(|| bins.iter().map(|bin| bin.n as f64 * bin.gap().abs()).sum::<f64>() / n as f64)
}

/// The largest |accuracy(B) − confidence(B)| of the bins that hold at least `least` items. `None` if none does.
pub fn mce(bins: &[Bin], least: usize) -> Option<f64> {
    bins.iter().filter(|bin| bin.n >= least).map(|bin| bin.gap().abs()).max_by(f64::total_cmp)
}

impl Bin {
    /// accuracy − confidence: below 0 where the answers were too sure.
    pub fn gap(&self) -> f64 {
        self.accuracy - self.confidence
    }
}

/// [`reliability`] of items that are reduced already.
pub(crate) fn bins(items: &[Judged], binning: Binning) -> Vec<Bin> {
    let kept = |content: &Content| {
        let n = content.n as f64;
        let interval = wilson(content.right as u64, content.n as u64)?;
        Some(Bin {
            low: content.low,
            high: content.high,
            n: content.n,
            confidence: content.confidence / n,
            accuracy: content.right as f64 / n,
            interval,
        })
    };
    contents(items, binning).iter().filter_map(kept).collect()
}

/// What is in a bin, which may be nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Content {
    low: f64,
    high: f64,
    pub(crate) n: usize,
    right: usize,
    /// Sum over the items.
    confidence: f64,
}

impl Content {
    /// Sum over the bin's items of (right − confidence).
    pub(crate) fn gaps(&self) -> f64 {
        self.right as f64 - self.confidence
    }

    fn add(&mut self, item: &Judged) {
        self.n += 1;
        self.right += usize::from(item.right);
        self.confidence += f64::from(item.confidence);
    }
}

/// Every bin, those without items too: so that bins of two resamples can be held beside each other.
pub(crate) fn contents(items: &[Judged], binning: Binning) -> Vec<Content> {
    match binning {
        Binning::EqualWidth(bins) => by_width(items, bins),
        Binning::EqualMass(bins) => by_mass(items, bins),
    }
}

fn by_width(items: &[Judged], bins: u16) -> Vec<Content> {
    let edge = |bin: u16| f64::from(bin) / f64::from(bins);
    let empty = |bin: u16| Content { low: edge(bin), high: edge(bin + 1), ..Content::default() };
    let mut contents: Vec<Content> = (0..bins).map(empty).collect();
    for item in items {
        // In f32, where 0.6 · 15 is 9 and not 9.000000357. `as` turns the −1 of confidence 0 into 0.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bin's number")]
        let bin = ((item.confidence * f32::from(bins)).ceil() - 1.0) as usize;
        contents[bin.min(usize::from(bins) - 1)].add(item);
    }
    contents
}

fn by_mass(items: &[Judged], bins: u16) -> Vec<Content> {
    let mut ranked: Vec<&Judged> = items.iter().collect();
    ranked.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
    let mut contents = vec![Content::default(); usize::from(bins)];
    for (rank, item) in ranked.iter().enumerate() {
        let content = &mut contents[rank * usize::from(bins) / items.len()];
        if content.n == 0 {
            content.low = f64::from(item.confidence);
        }
        content.high = f64::from(item.confidence);
        content.add(item);
    }
    contents
}

/// Probabilities p become p^(1/T), normalised: above 1 less sure, below 1 surer. The most probable class stays it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Temperature(
    /// T.
    pub f64,
);

/// What [`Temperature::fit`] looks at: T from 1/20 to 20.
const LOG_TEMPERATURES: (f64, f64) = (-3.0, 3.0);

impl Temperature {
    /// The T of the lowest mean −ln p(true class), ln T from −3 to 3.
    ///
    /// `None` for fewer than [`LEAST_ITEMS`] items, and where every T is as good as any other, as for probabilities that
    /// are all alike. Where all items are right, the lower T the better: that gives the lowest one, see [`Temperature::is_bound`].
    pub fn fit(predictions: &Predictions) -> Option<Temperature> {
        if predictions.classes.len() < LEAST_ITEMS {
            return None;
        }
        let log_probs = predictions.probs.mapv(log_prob);
        // The loss is convex in β = 1/T, so its slope rises from one end to the other.
        let slope = |beta: f64| slope(&log_probs, &predictions.classes, beta);
        let (mut low, mut high) = ((-LOG_TEMPERATURES.1).exp(), (-LOG_TEMPERATURES.0).exp());
        let (at_low, at_high) = (slope(low), slope(high));
        if at_low.curvature <= 0.0 && at_high.curvature <= 0.0 {
            return None;
        }
        if at_high.slope <= 0.0 {
            return Some(Temperature(high.recip()));
        }
        if at_low.slope >= 0.0 {
            return Some(Temperature(low.recip()));
        }
        // Newton's steps, and the middle of what is left where one would leave it.
        let mut beta = 1.0;
        for _ in 0..100 {
            let Slope { slope, curvature } = slope(beta);
            if slope.abs() * beta * beta < 1e-9 || high - low < 1e-12 * high {
                break;
            }
            if slope < 0.0 {
                low = beta;
            } else {
                high = beta;
            }
            let newton = beta - slope / curvature;
            beta = if newton > low && newton < high { newton } else { (low * high).sqrt() };
        }
        Some(Temperature(beta.recip()))
    }

    /// Whether it is one of the two that [`Temperature::fit`] ends at, so that the items would have it lower or higher still.
    pub fn is_bound(self) -> bool {
        let (low, high) = LOG_TEMPERATURES;
        self.0.ln() < low + 1e-9 || self.0.ln() > high - 1e-9
    }

    /// p^(1/T), every row summing to 1 again: `[item, class]`.
    pub fn apply(self, probs: &Array2<f32>) -> Array2<f32> {
        let mut scaled = probs.clone();
        for mut row in scaled.rows_mut() {
            let tempered = tempered(row.iter().map(|&p| log_prob(p)), self.0.recip());
            row.iter_mut().zip(&tempered).for_each(|(to, &p)| *to = single(p));
        }
        scaled
    }
}

/// ln p, of 0 too: probabilities below the smallest normal `f32` count as that, as in [`judge`].
fn log_prob(p: f32) -> f64 {
    f64::from(p.max(f32::MIN_POSITIVE)).ln()
}

#[expect(clippy::cast_possible_truncation, reason = "what a model says is f32")]
fn single(p: f64) -> f32 {
    p as f32
}

/// p^β normalised, of ln p.
fn tempered(log_probs: impl Iterator<Item = f64> + Clone, beta: f64) -> Vec<f64> {
    let top = log_probs.clone().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_probs.map(|log_prob| (beta * (log_prob - top)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// First and second derivative by β of the mean −ln p(true class) at p^β.
struct Slope {
    slope: f64,
    curvature: f64,
}

/// With l = ln p and p_β ∝ p^β: the slope is the mean of E[l] − l(true class), the curvature that of Var[l], under p_β.
fn slope(log_probs: &Array2<f64>, classes: &[Class], beta: f64) -> Slope {
    let of_one = |(l, class): (ArrayView1<f64>, &Class)| {
        let p = tempered(l.iter().copied(), beta);
        let mean: f64 = p.iter().zip(l).map(|(p, l)| p * l).sum();
        let variance: f64 = p.iter().zip(l).map(|(p, l)| p * (l - mean).powi(2)).sum();
        (mean - l[class.index()], variance)
    };
    let (slope, curvature) = log_probs
        .rows()
        .into_iter()
        .zip(classes)
        .map(of_one)
        .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let n = classes.len() as f64;
    Slope { slope: slope / n, curvature: curvature / n }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::metric::measure;

    /// Ten classes; the true one is the most probable, of this confidence, or it is not.
    fn answers(items: &[(f32, bool)]) -> Predictions {
        let probs =
            Array2::from_shape_fn(
                (items.len(), 10),
                |(i, k)| {
                    if k == 0 { items[i].0 } else { (1.0 - items[i].0) / 9.0 }
                },
            );
        Predictions { probs, classes: items.iter().map(|&(_, right)| Class(u16::from(!right))).collect() }
    }

    fn ten() -> Predictions {
        let confidences = [0.95, 0.95, 0.85, 0.85, 0.75, 0.65, 0.65, 0.55, 0.35, 0.25];
        let right = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1];
        answers(&confidences.into_iter().zip(right.map(|right| right == 1)).collect::<Vec<_>>())
    }

    /// Softmax of logits that are drawn, and classes drawn from it: calibrated as can be.
    fn calibrated(n: usize, seed: u64) -> (Array2<f64>, Vec<Class>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let logits = Array2::from_shape_simple_fn((n, 4), || 6.0 * rng.random::<f64>());
        let drawn = |row: ArrayView1<f64>| {
            let (mut left, mut class) = (rng.random::<f64>(), 0);
            for p in tempered(row.iter().copied(), 1.0) {
                left -= p;
                if left <= 0.0 {
                    break;
                }
                class += 1;
            }
            Class(class.min(3))
        };
        let classes = logits.rows().into_iter().map(drawn).collect();
        (logits, classes)
    }

    fn softmax(logits: &Array2<f64>, classes: &[Class]) -> Predictions {
        let mut probs = Array2::zeros(logits.dim());
        for (mut to, row) in probs.rows_mut().into_iter().zip(logits.rows()) {
            to.assign(&ndarray::aview1(&tempered(row.iter().copied(), 1.0)).mapv(single));
        }
        Predictions { probs, classes: classes.to_vec() }
    }

    fn nll(predictions: &Predictions) -> f64 {
        measure(predictions).and_then(|measured| measured.get("nll").copied()).expect("there are items").value
    }

    #[test]
    fn ece_and_mce_of_ten_answers() {
        // ten bins: (2·.05 + 2·.35 + .25 + 2·.15 + .55 + .35 + .75) / 10, and the last one's .75
        let cases = [
            (Binning::EqualWidth(10), 0.3, Some(0.75)),
            (Binning::EqualWidth(5), 0.16, Some(0.55)),
            (Binning::EqualWidth(2), 0.16, Some(0.2)),
            (Binning::EqualMass(5), 0.3, None),
            (Binning::EqualMass(2), 0.08, None),
        ];
        for (binning, expected, worst) in cases {
            let bins = reliability(&ten(), binning);
            let value = ece(&bins).expect("ten items");
            assert!((value - expected).abs() < 1e-6, "{binning:?}: {value}");
            if let Some(worst) = worst {
                let value = mce(&bins, 1).expect("ten items");
                assert!((value - worst).abs() < 1e-6, "{binning:?}: {value}");
            }
        }
    }

    #[test]
    fn a_bin_of_few_items_is_none_that_the_worst_is_chosen_from() {
        // the bin (.2, .3] has the gap .75 and one item, (.8, .9] the gap .35 and two
        let bins = reliability(&ten(), Binning::EqualWidth(10));
        assert!(mce(&bins, 2).is_some_and(|worst| (worst - 0.35).abs() < 1e-6));
        assert_eq!(mce(&bins, 3), None);
        assert_eq!((ece(&[]), mce(&[], 0)), (None, None));
    }

    #[test]
    fn an_edge_belongs_to_the_bin_below_it_and_bins_without_items_are_left_out() {
        let bins =
            reliability(&answers(&[(0.5, true), (0.6, true), (0.61, false), (1.0, true)]), Binning::EqualWidth(5));
        let seen: Vec<_> = bins.iter().map(|bin| (bin.low, bin.high, bin.n)).collect();
        assert_eq!(seen, [(0.4, 0.6, 2), (0.6, 0.8, 1), (0.8, 1.0, 1)]);
        assert_eq!(bins[0].interval, wilson(2, 2).expect("two items"));
    }

    #[test]
    fn bins_of_equal_mass_differ_by_one_item_at_most() {
        let items: Vec<_> = (0_u8..23).map(|i| (0.3 + f32::from(i) / 40.0, i % 3 > 0)).collect();
        for bins in [1, 4, 7, 23, 40] {
            let sizes: Vec<_> =
                reliability(&answers(&items), Binning::EqualMass(bins)).iter().map(|bin| bin.n).collect();
            assert_eq!(sizes.iter().sum::<usize>(), 23);
            let (least, most) = (sizes.iter().min().expect("bins"), sizes.iter().max().expect("bins"));
            assert!(most - least <= 1, "{sizes:?}");
        }
    }

    #[test]
    fn a_calibrated_model_has_temperature_1_and_one_that_is_twice_as_sure_2() {
        let (logits, classes) = calibrated(100_000, 3);
        for factor in [1.0, 2.0, 0.5] {
            let fitted = Temperature::fit(&softmax(&(&logits * factor), &classes)).expect("many items");
            assert!((fitted.0 / factor - 1.0).abs() < 0.02, "{factor}: {fitted:?}");
        }
    }

    #[test]
    fn at_the_fitted_temperature_the_loss_is_level_and_no_higher_and_the_answers_are_the_same() {
        let (logits, classes) = calibrated(500, 7);
        for factor in [0.1, 0.7, 1.0, 3.0, 12.0] {
            let plain = softmax(&(&logits * factor), &classes);
            let temperature = Temperature::fit(&plain).expect("many items");
            let scaled = Predictions { probs: temperature.apply(&plain.probs), ..plain.clone() };
            let loss = |t: f64| nll(&Predictions { probs: Temperature(t).apply(&plain.probs), ..plain.clone() });
            let t = temperature.0;
            let by_t = slope(&plain.probs.mapv(log_prob), &classes, t.recip()).slope / (t * t);
            assert!(by_t.abs() < 1e-4, "{factor}: {by_t}");
            assert!(nll(&scaled) <= nll(&plain) + 1e-7, "{factor}");
            assert!(loss(1.1 * t) > loss(t) && loss(t / 1.1) > loss(t), "{factor}: {t}");
            for (before, after) in judge(&plain).iter().zip(judge(&scaled)) {
                assert_eq!(before.right, after.right);
            }
            for row in scaled.probs.rows() {
                assert!((row.sum() - 1.0).abs() < 1e-5, "{row}");
            }
        }
    }

    #[test]
    fn where_all_are_right_the_temperature_is_the_lowest_and_says_so() {
        let fitted = Temperature::fit(&answers(&[(0.8, true); 60])).expect("sixty items");
        assert!(fitted.is_bound() && (fitted.0 - (-3.0_f64).exp()).abs() < 1e-9, "{fitted:?}");
        // always wrong: the less sure the better
        let fitted = Temperature::fit(&answers(&[(0.8, false); 60])).expect("sixty items");
        assert!(fitted.is_bound() && fitted.0 > 20.0, "{fitted:?}");
        assert!(!Temperature(1.0).is_bound());
    }

    #[test]
    fn few_items_and_probabilities_that_are_all_alike_have_no_temperature() {
        let mixed: Vec<_> = (0..49).map(|i| (0.8, i % 4 > 0)).collect();
        assert_eq!(Temperature::fit(&answers(&mixed)), None);
        let alike = Predictions { probs: Array2::from_elem((80, 4), 0.25), classes: vec![Class(1); 80] };
        assert_eq!(Temperature::fit(&alike), None);
    }

    #[test]
    fn impossible_classes_stay_finite() {
        let probs = ndarray::array![[1.0_f32, 0.0], [0.0, 1.0]];
        for t in [0.05, 1.0, 20.0] {
            let scaled = Temperature(t).apply(&probs);
            assert!(scaled.iter().all(|p| p.is_finite()), "{scaled}");
            assert!(scaled[[0, 0]] > 0.98, "{scaled}");
        }
    }

    #[derive(Deserialize)]
    struct Golden {
        answers: Vec<Case>,
    }

    /// What scikit-learn says; see `tests/golden/trust.py`.
    #[derive(Deserialize)]
    struct Case {
        probs: Vec<Vec<f32>>,
        classes: Vec<u16>,
        nll: f64,
        brier: f64,
        accuracy: Vec<f64>,
        confidence: Vec<f64>,
        temperature: f64,
    }

    #[test]
    fn scikit_learn_gives_the_same_losses_bins_and_temperatures() {
        let golden: Golden =
            serde_json::from_str(include_str!("../tests/golden/trust.json")).expect("written by trust.py");
        assert_eq!(golden.answers.len(), 3);
        for case in golden.answers {
            let shape = (case.probs.len(), case.probs[0].len());
            let probs = Array2::from_shape_vec(shape, case.probs.concat()).expect("rows of one length");
            let predictions = Predictions { probs, classes: case.classes.into_iter().map(Class).collect() };
            let measured = measure(&predictions).expect("there are items");
            for (name, expected) in [("nll", case.nll), ("brier", case.brier)] {
                let value = measured.get(name).expect("there are items").value;
                assert!((value - expected).abs() < 1e-6, "{name}: {value} {expected}");
            }
            let bins = reliability(&predictions, Binning::EqualWidth(10));
            assert_eq!(bins.len(), case.accuracy.len());
            for (bin, (accuracy, confidence)) in bins.iter().zip(case.accuracy.iter().zip(&case.confidence)) {
                assert!(
                    (bin.accuracy - accuracy).abs() < 1e-12 && (bin.confidence - confidence).abs() < 1e-6,
                    "{bin:?}"
                );
            }
            let fitted = Temperature::fit(&predictions).expect("enough items");
            assert!((fitted.0 / case.temperature - 1.0).abs() < 1e-4, "{fitted:?} {}", case.temperature);
        }
    }
}
