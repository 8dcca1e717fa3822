//! How unlike the training data an input is: one line a score in [`OUTLIER_SCORES`], and how scores are judged.

mod judge;
mod mahalanobis;

use ndarray::Array1;
use serde::{Deserialize, Serialize};

pub use self::judge::{OUTLIER_FIGURES, OutlierFigure, aupr_in, aupr_out, auroc, fpr_at_tpr95_id_positive, roc};
pub use self::mahalanobis::Mahalanobis;
use crate::scores::{Scores, probs};

/// Every outlier score, in the order in which tables show them.
pub const OUTLIER_SCORES: &[OutlierScore] = &[
    OutlierScore {
        name: "log_density",
        about: "−log p(x) or the bound on it, in nats",
        takes: "log p(x)",
        of: |scores, _| scores.log_density.as_ref().map(|log_density| log_density.mapv(|nats| -f64::from(nats))),
    },
    OutlierScore {
        name: "max_prob",
        about: "−max p(y | x) (Hendrycks & Gimpel 2017)",
        takes: "probabilities",
        of: |scores, _| Some(-max_prob(scores)),
    },
    OutlierScore {
        name: "energy",
        about: "−log Σ exp of the logits (Liu et al. 2020)",
        takes: "logits",
        of: |scores, _| scores.energy.as_ref().map(|energy| energy.mapv(f64::from)),
    },
    OutlierScore {
        name: "mahalanobis",
        about: "distance of the code from the nearest class (Lee et al. 2018)",
        takes: "codes that were seen to vary",
        of: |scores, fitted| Some(fitted?.mahalanobis.as_ref()?.distances(scores.codes.as_ref()?)),
    },
    OutlierScore {
        name: "typicality",
        about: "|−log p(x) − its mean on held-out normal items| (Nalisnick et al. 2019)",
        takes: "log p(x)",
        of: |scores, fitted| {
            let mean = fitted?.mean_log_density?;
            scores.log_density.as_ref().map(|log_density| log_density.mapv(|nats| (f64::from(nats) - mean).abs()))
        },
    },
];

/// A number for each item, higher for one that is more of an outlier.
pub struct OutlierScore {
    /// What the user types, and what stands in a table's row.
    pub name: &'static str,
    /// One line for help.
    pub about: &'static str,
    /// What it is made from, for a sentence that says that a model has none.
    pub takes: &'static str,
    /// `[item]`; `None` where the model does not say what it takes, or what it takes was not fitted.
    pub of: fn(&Scores, Option<&Fitted>) -> Option<Array1<f64>>,
}

/// What some scores learn from a run's own data before they can judge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// Where the codes of each class lie; from training rows.
    pub mahalanobis: Option<Mahalanobis>,
    /// Mean of [`Scores::log_density`] over held-out normal items.
    pub mean_log_density: Option<f64>,
}

/// The score of this name.
pub fn outlier_score(name: &str) -> Option<&'static OutlierScore> {
    OUTLIER_SCORES.iter().find(|score| score.name == name)
}

/// Every score of these items that their model has, by name.
pub fn outlier_scores(scores: &Scores, fitted: Option<&Fitted>) -> Vec<(&'static str, Array1<f64>)> {
    OUTLIER_SCORES.iter().filter_map(|score| Some((score.name, (score.of)(scores, fitted)?))).collect()
}

/// The share of normal items that look at least as strange, with the asked item among them: (1 + #{normal ≥ score}) / (n + 1).
/// `normal` are scores of held-out normal items, [`rounded`], ascending.
///
/// Who flags an item where this is at most α raises, for a normal item, a false alarm with a probability of at most α.
pub fn p_value(normal: &[f32], score: f64) -> f64 {
    let score = rounded(score);
    let below = normal.partition_point(|normal| normal.total_cmp(&score).is_lt());
    (1 + normal.len() - below) as f64 / (normal.len() + 1) as f64
}

/// A score as it is kept: in `f32`, so that scores that were equal are so when they have been written and read; what is too
/// large, or no number, as the largest one.
pub fn rounded(score: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "rounding is what it is for")]
    let single = (score + 0.0) as f32;
    if single.is_nan() { f32::MAX } else { single.clamp(f32::MIN, f32::MAX) }
}

/// The highest of the probabilities, which are averaged over draws.
fn max_prob(scores: &Scores) -> Array1<f64> {
    let probs = probs(&scores.log_probs);
    probs.rows().into_iter().map(|row| f64::from(row.iter().copied().fold(0.0, f32::max))).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    /// Three items, two classes, one draw; the last item is strange in every respect.
    fn scores() -> Scores {
        Scores {
            log_probs: array![[[0.9_f32, 0.1]], [[0.2, 0.8]], [[0.5, 0.5]]].mapv(f32::ln),
            log_density: Some(array![-10.0, -12.0, -90.0]),
            energy: Some(array![-5.0, -4.0, 1.0]),
            codes: Some(array![[0.0, 0.1], [1.0, 0.9], [30.0, -30.0]]),
        }
    }

    fn fitted() -> Fitted {
        let codes = Array2::from_shape_fn((80, 2), |(i, j)| (i % 2) as f32 + 0.1 * ((i * (j + 3)) % 7) as f32);
        let shares = Array2::from_shape_fn((80, 2), |(i, k)| f32::from(u8::from(i % 2 == k)));
        let mahalanobis = Mahalanobis::fit(&codes, &shares);
        Fitted { mahalanobis, mean_log_density: Some(-11.0) }
    }

    #[test]
    fn every_score_is_highest_for_the_strangest_item() {
        for score in OUTLIER_SCORES {
            let values = (score.of)(&scores(), Some(&fitted())).expect(score.name);
            assert_eq!(values.len(), 3, "{}", score.name);
            assert!(values.iter().all(|value| value.is_finite()), "{}: {values}", score.name);
            assert!(values[2] > values[0] && values[2] > values[1], "{}: {values}", score.name);
        }
    }

    #[test]
    fn a_score_is_undefined_where_the_model_does_not_say_what_it_takes() {
        let bare = Scores { log_density: None, energy: None, codes: None, ..scores() };
        for score in OUTLIER_SCORES {
            assert_eq!((score.of)(&bare, Some(&fitted())).is_some(), score.name == "max_prob", "{}", score.name);
        }
        for name in ["mahalanobis", "typicality"] {
            assert_eq!((outlier_score(name).expect("a score").of)(&scores(), None), None, "{name}");
        }
    }

    #[test]
    fn typicality_counts_an_item_that_is_too_probable_as_strange() {
        let likely = Scores { log_density: Some(array![-11.0, 60.0, -82.0]), ..scores() };
        let typicality = outlier_score("typicality").expect("a score");
        let values = (typicality.of)(&likely, Some(&fitted())).expect("there is a density");
        assert_eq!(values, array![0.0, 71.0, 71.0]);
    }

    #[test]
    fn probabilities_are_averaged_over_draws_before_the_highest_is_taken() {
        let log_probs = array![[[0.9_f32, 0.1], [0.1, 0.9]]].mapv(f32::ln);
        let value = max_prob(&Scores { log_probs, log_density: None, energy: None, codes: None });
        assert!((value[0] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_p_value_counts_the_item_itself_and_those_that_tie_with_it() {
        let normal = [1.0_f32, 2.0, 2.0, 3.0];
        let cases = [(0.0, 1.0), (2.0, 0.8), (2.5, 0.4), (3.0, 0.4), (4.0, 0.2), (f64::INFINITY, 0.2), (f64::NAN, 0.2)];
        for (score, expected) in cases {
            assert!((p_value(&normal, score) - expected).abs() < 1e-12, "{score}");
        }
        assert!((p_value(&[], 1.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn names_are_what_can_be_typed() {
        for score in OUTLIER_SCORES {
            assert_eq!(outlier_score(score.name).map(|found| found.about), Some(score.about));
            assert!(score.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", score.name);
        }
        assert!(outlier_score("entropy").is_none());
    }
}
