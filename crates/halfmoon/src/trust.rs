//! What a model says of items in ways beyond its answers, and what a run keeps of its held-out items for that.

use std::path::Path;

use halfmoon_pool::dataset::Inputs;
use halfmoon_pool::encode::Encoding;
use halfmoon_pool::metric::{Estimate, METRICS, estimate};
use halfmoon_pool::outlier::{Fitted, Mahalanobis, outlier_scores};
use halfmoon_pool::scores::{Predictions, Predictor, Scores, probs};
use halfmoon_pool::split;
use halfmoon_pool::trust::{HeldOut, MOST_ITEMS, Trust, cross_fitted, evenly};
use halfmoon_pool::{Class, Dataset, Result};
use ndarray::{Array1, Array2, Axis, concatenate};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::run::{self, Asked};

/// Rows that are encoded at once.
const ROWS: usize = 5000;

/// What a model says of items beyond the most probable class.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// p(y | x), as the model gives it: `[item, class]`. For what is calibrated apply [`Trust::temperature`].
    pub probs: Array2<f32>,
    /// The items' outlier scores, by name, of those that the model has.
    pub outliers: Vec<(&'static str, Vec<f64>)>,
}

impl Asked {
    /// What the model says of all of these items, read with the run's schema.
    pub fn answers(&self, inputs: &Inputs) -> Answers {
        let rows: Vec<usize> = (0..inputs.rows()).collect();
        let fitted = self.trust.as_ref().map(|trust| &trust.fitted);
        let of_piece = |rows: &[usize]| {
            let scores = self.predictor.scores(self.data.encoding.encode(inputs, rows).view());
            (probs(&scores.log_probs), outlier_scores(&scores, fitted))
        };
        // An empty piece tells which scores there are.
        let pieces: Vec<_> =
            if rows.is_empty() { vec![of_piece(&rows)] } else { rows.chunks(ROWS).map(of_piece).collect() };
        let of_all: Vec<_> = pieces.iter().map(|(probs, _)| probs.view()).collect();
        let of_name = |(number, (name, _)): (usize, &(&'static str, Array1<f64>))| {
            (*name, pieces.iter().flat_map(|(_, outliers)| outliers[number].1.to_vec()).collect())
        };
        Answers {
            probs: concatenate(Axis(0), &of_all).expect("pieces have the same classes"),
            outliers: pieces[0].1.iter().enumerate().map(of_name).collect(),
        }
    }
}

impl Answers {
    /// Those of the items that have a label, beside it.
    pub fn predictions(&self, labels: &[Option<Class>]) -> Predictions {
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row].is_some()).collect();
        Predictions { probs: self.probs.select(Axis(0), &rows), classes: labels.iter().flatten().copied().collect() }
    }
}

/// What a model says of at most `most` labelled items of `test`, evenly taken, and what it scores outliers with.
pub fn held_out(
    predictor: &dyn Predictor,
    encoding: &Encoding,
    train: &Dataset,
    test: &Dataset,
    most: usize,
) -> (HeldOut, Fitted) {
    let rows = evenly(&test.labelled(), most);
    let scores = predictor.scores(encoding.encode(&test.inputs, &rows).view());
    let classes = rows.iter().filter_map(|&row| test.labels[row]).collect();
    let mahalanobis = scores.codes.is_some().then(|| mahalanobis(predictor, encoding, train)).flatten();
    HeldOut::of(&scores, classes, mahalanobis)
}

/// What a model of all rows scores outliers with, where models of folds have said something of the held-out items.
pub fn fitted(predictor: &dyn Predictor, encoding: &Encoding, train: &Dataset, held_out: &HeldOut) -> Fitted {
    let has_codes = held_out.outliers.iter().any(|(name, _)| *name == "mahalanobis");
    Fitted {
        mahalanobis: has_codes.then(|| mahalanobis(predictor, encoding, train)).flatten(),
        mean_log_density: held_out.mean_log_density(),
    }
}

/// Where the codes of each class lie: labelled rows in their class, the others as p(y | x) has it. At most half of
/// [`MOST_ITEMS`] of either, evenly taken. `None` where the codes do not tell.
fn mahalanobis(predictor: &dyn Predictor, encoding: &Encoding, train: &Dataset) -> Option<Mahalanobis> {
    let (labelled, others): (Vec<usize>, Vec<usize>) = (0..train.len()).partition(|&row| train.labels[row].is_some());
    let rows = [evenly(&labelled, MOST_ITEMS / 2), evenly(&others, MOST_ITEMS / 2)].concat();
    let Scores { log_probs, codes, .. } = predictor.scores(encoding.encode(&train.inputs, &rows).view());
    let mut shares = probs(&log_probs);
    for (mut share, &row) in shares.rows_mut().into_iter().zip(&rows) {
        if let Some(class) = train.labels[row] {
            share.fill(0.0);
            share[class.index()] = 1.0;
        }
    }
    Mahalanobis::fit(&codes?, &shares)
}

/// Whether each item is in the first of two halves that the seed decides; copies are in the same half.
pub fn halves(inputs: &Inputs, seed: u64) -> Vec<bool> {
    let groups = split::groups(inputs);
    let mut order: Vec<u32> = groups.clone();
    order.sort_unstable();
    order.dedup();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut is_first = vec![false; groups.iter().max().map_or(0, |&last| last as usize + 1)];
    for &group in &order[..order.len() / 2] {
        is_first[group as usize] = true;
    }
    groups.iter().map(|&group| is_first[group as usize]).collect()
}

/// What a temperature is worth: figures on held-out items, each half of them at the temperature of the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Tempered {
    /// In the order of [`METRICS`], of those that a temperature is there to change.
    estimates: Vec<(&'static str, Estimate)>,
}

/// What is shown with a temperature.
const CHANGED: [&str; 2] = ["nll", "ece"];

impl Tempered {
    /// `None` where a half is too small or too easy for a temperature.
    pub fn measure(predictions: &Predictions, is_in_first_half: &[bool]) -> Option<Tempered> {
        let tempered = cross_fitted(predictions, is_in_first_half)?;
        let changed = METRICS.iter().filter(|metric| CHANGED.contains(&metric.name));
        let estimates = changed.filter_map(|metric| Some((metric.name, estimate(metric, &tempered, 0)?)));
        Some(Tempered { estimates: estimates.collect() })
    }

    /// The estimate of a metric by name. `None` for one that a temperature is not there to change.
    pub fn get(&self, metric: &str) -> Option<&Estimate> {
        self.estimates.iter().find(|(name, _)| *name == metric).map(|(_, estimate)| estimate)
    }

    /// `{"nll": …, "ece": …, "intervals": {"nll": [low, high], …}}`.
    pub fn to_json(&self) -> serde_json::Value {
        let values = self.estimates.iter().map(|(name, estimate)| ((*name).to_owned(), json!(estimate.value)));
        let mut object: serde_json::Map<_, _> = values.collect();
        let interval = |estimate: &Estimate| json!(estimate.interval.map(|(low, high)| [low, high]));
        let intervals: serde_json::Map<_, _> =
            self.estimates.iter().map(|(name, estimate)| ((*name).to_owned(), interval(estimate))).collect();
        object.insert("intervals".to_owned(), intervals.into());
        object.into()
    }
}

/// Writes what a model's folder keeps.
pub fn write(trust: &Trust, model: &Path) -> Result<()> {
    run::write_aside(&run::trust(model), &serde_json::to_vec(trust).expect("plain data"))
}
