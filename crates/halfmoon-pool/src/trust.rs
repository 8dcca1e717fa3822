//! What a run keeps of its held-out items, so that its answers to new ones can be trusted as far as they deserve.

use std::collections::BTreeMap;

use ndarray::{Array1, Axis, concatenate};
use serde::{Deserialize, Serialize};

use crate::calibration::Temperature;
use crate::conformal::Conformal;
use crate::dataset::Class;
use crate::metric::{LEAST_ITEMS, judge};
use crate::outlier::{Fitted, Mahalanobis, OUTLIER_SCORES, OutlierScore, outlier_scores, p_value, rounded};
use crate::scores::{Predictions, Scores, probs};

/// Held-out items that are looked at, see [`evenly`]: more of them tell hardly more and make a run's folder large.
pub const MOST_ITEMS: usize = 10_000;

/// What labelled items that a model has not learned from say of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Items that all of this comes from.
    pub n: usize,
    /// Items that were held out: more than `n` where those were too many to keep.
    pub held_out: usize,
    /// Which items they are, in a sentence.
    pub origin: String,
    /// What makes the probabilities calibrated. `None` where that is not estimable.
    pub temperature: Option<Temperature>,
    /// For sets of classes. From the plain probabilities, so that their promise does not rest on the temperature.
    pub conformal: Conformal,
    /// The items' outlier scores, ascending, by the name of each score. `None` where the model has no such score.
    pub normal: BTreeMap<String, Option<Vec<f32>>>,
    /// What those scores take.
    pub fitted: Fitted,
    /// Why something is `None`, by its name.
    pub not_estimable: BTreeMap<String, String>,
}

impl Trust {
    /// From items that `held_out` says something of, of `all` that were held out.
    pub fn fit(held_out: &HeldOut, all: usize, fitted: Fitted, origin: String) -> Trust {
        let mut not_estimable = BTreeMap::new();
        let temperature = match temperature(&held_out.predictions) {
            Ok(temperature) => Some(temperature),
            Err(reason) => {
                not_estimable.insert("temperature".to_owned(), reason);
                None
            }
        };
        let mut normal = BTreeMap::new();
        for score in OUTLIER_SCORES {
            let of_items = held_out.outliers.iter().find(|(name, _)| *name == score.name);
            let ascending = of_items.map(|(_, values)| {
                let mut values: Vec<f32> = values.iter().copied().map(rounded).collect();
                values.sort_unstable_by(f32::total_cmp);
                values
            });
            if ascending.is_none() {
                not_estimable.insert(score.name.to_owned(), format!("the model has no {}", score.takes));
            }
            normal.insert(score.name.to_owned(), ascending);
        }
        Trust {
            n: held_out.predictions.classes.len(),
            held_out: all,
            origin,
            temperature,
            conformal: Conformal::fit(&held_out.predictions),
            normal,
            fitted,
            not_estimable,
        }
    }

    /// See [`p_value`]. `None` for a score that this model does not have.
    pub fn p_value(&self, score: &OutlierScore, value: f64) -> Option<f64> {
        Some(p_value(self.normal.get(score.name)?.as_ref()?, value))
    }

    /// The score that flags outliers if none is named: what looks at the code before what looks at the density, and what
    /// looks at the answer alone last.
    pub fn preferred_score(&self) -> Option<&'static OutlierScore> {
        ["mahalanobis", "log_density", "energy", "max_prob"]
            .into_iter()
            .filter(|name| self.normal.get(*name).is_some_and(Option::is_some))
            .find_map(crate::outlier::outlier_score)
    }
}

/// The temperature, or why there is none.
fn temperature(predictions: &Predictions) -> Result<Temperature, String> {
    let n = predictions.classes.len();
    if n < LEAST_ITEMS {
        return Err(format!("{n} held-out items, where {LEAST_ITEMS} are needed"));
    }
    let items = judge(predictions);
    match Temperature::fit(predictions) {
        None => Err("the probabilities are all alike".to_owned()),
        Some(temperature) if !temperature.is_bound() => Ok(temperature),
        Some(_) if items.iter().all(|item| item.right) => {
            Err(format!("all {n} held-out items are right, so that surer is always better"))
        }
        Some(temperature) => Err(format!("the best one is beyond {:.2}, where the search ends", temperature.0)),
    }
}

/// Every item at the temperature that the other half of the items has: what a temperature is worth, judged on items that
/// it was not fitted on. `None` where it is not estimable from a half.
pub fn cross_fitted(predictions: &Predictions, is_in_first_half: &[bool]) -> Option<Predictions> {
    let mut probs = predictions.probs.clone();
    for half in [true, false] {
        let rows = |of_half: bool| -> Vec<usize> {
            (0..is_in_first_half.len()).filter(|&row| is_in_first_half[row] == of_half).collect()
        };
        let (these, others) = (rows(half), rows(!half));
        let temperature = temperature(&predictions.select(&others)).ok()?;
        let tempered = temperature.apply(&predictions.probs.select(Axis(0), &these));
        for (row, tempered) in these.iter().zip(tempered.rows()) {
            probs.row_mut(*row).assign(&tempered);
        }
    }
    Some(Predictions { probs, classes: predictions.classes.clone() })
}

/// What a model says of labelled items that it has not learned from.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    /// Its probabilities, beside the truth.
    pub predictions: Predictions,
    /// The items' outlier scores, by name, of those that the model has.
    pub outliers: Vec<(&'static str, Array1<f64>)>,
}

impl HeldOut {
    /// From the scores of these items; with what new items are to be scored with.
    pub fn of(scores: &Scores, classes: Vec<Class>, mahalanobis: Option<Mahalanobis>) -> (HeldOut, Fitted) {
        let mean = |density: &Array1<f32>| density.iter().copied().map(f64::from).sum::<f64>() / density.len() as f64;
        let mean_log_density = scores.log_density.as_ref().map(mean).filter(|mean| mean.is_finite());
        let fitted = Fitted { mahalanobis, mean_log_density };
        let outliers = outlier_scores(scores, Some(&fitted));
        let predictions = Predictions { probs: probs(&scores.log_probs), classes };
        (HeldOut { predictions, outliers }, fitted)
    }

    /// One after the other, as of folds. Outlier scores that not all of them have are left out. `None` of nothing.
    pub fn join(parts: &[HeldOut]) -> Option<HeldOut> {
        let (first, others) = parts.split_first()?;
        let rows: Vec<_> = parts.iter().map(|part| part.predictions.probs.view()).collect();
        let joined = |(name, of_first): &(&'static str, Array1<f64>)| {
            let mut all = of_first.to_vec();
            for other in others {
                let (_, values) = other.outliers.iter().find(|(of_other, _)| of_other == name)?;
                all.extend(values);
            }
            Some((*name, Array1::from(all)))
        };
        Some(HeldOut {
            predictions: Predictions {
                probs: concatenate(Axis(0), &rows).ok()?,
                classes: parts.iter().flat_map(|part| part.predictions.classes.clone()).collect(),
            },
            outliers: first.outliers.iter().filter_map(joined).collect(),
        })
    }

    /// Mean of log p(x). `None` for a model without one.
    pub fn mean_log_density(&self) -> Option<f64> {
        let (_, scores) = self.outliers.iter().find(|(name, _)| *name == "log_density")?;
        scores.mean().map(|mean| -mean).filter(|mean| mean.is_finite())
    }
}

/// At most `most` of the rows, taken at even distances, in their order.
pub fn evenly(rows: &[usize], most: usize) -> Vec<usize> {
    let kept = rows.len().min(most);
    (0..kept).map(|number| rows[number * rows.len() / kept]).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3};

    use super::*;

    /// Answers that are too sure, four of five right, and a density and codes that depend on the item.
    fn scores(n: usize) -> (Scores, Vec<Class>) {
        let sure = |item: usize| 0.9 + 0.09 * (item % 7) as f32 / 7.0;
        let log_probs = Array3::from_shape_fn((n, 1, 3), |(item, _, class)| {
            (if class == item % 3 { sure(item) } else { (1.0 - sure(item)) / 2.0 }).ln()
        });
        let classes = (0..n).map(|item| Class([0, 1, 2][(item + usize::from(item % 5 == 0)) % 3])).collect();
        let density = (0..n).map(|item| -50.0 - ((item * 13) % 29) as f32).collect();
        let codes = Array2::from_shape_fn((n, 2), |(item, j)| ((item * (j + 3)) % 11) as f32);
        (Scores { log_probs, log_density: Some(density), energy: None, codes: Some(codes) }, classes)
    }

    fn trust(n: usize) -> Trust {
        let (scores, classes) = scores(n);
        let mahalanobis = Mahalanobis::fit(scores.codes.as_ref().expect("made with codes"), &Array2::ones((n, 1)));
        let (held_out, fitted) = HeldOut::of(&scores, classes, mahalanobis);
        Trust::fit(&held_out, n, fitted, "made up".into())
    }

    #[test]
    fn it_survives_being_written_and_read() {
        for n in [20, 200] {
            let trust = trust(n);
            let text = serde_json::to_string(&trust).expect("plain data");
            let read: Trust = serde_json::from_str(&text).expect("it was just written");
            assert_eq!((read.n, &read.conformal, &read.normal), (trust.n, &trust.conformal, &trust.normal));
            assert_eq!(
                (&read.fitted.mahalanobis, &read.not_estimable),
                (&trust.fitted.mahalanobis, &trust.not_estimable)
            );
        }
    }

    #[test]
    fn what_is_missing_has_a_reason() {
        let (large, small) = (trust(200), trust(20));
        assert!(large.temperature.is_some_and(|temperature| temperature.0 > 1.0), "{large:?}");
        assert_eq!(small.temperature, None);
        for trust in [large, small] {
            let nothing = trust.normal.iter().filter(|(_, scores)| scores.is_none()).map(|(name, _)| name.as_str());
            let nothing: Vec<&str> = nothing.chain(trust.temperature.is_none().then_some("temperature")).collect();
            assert_eq!(trust.not_estimable.keys().map(String::as_str).collect::<Vec<_>>(), nothing);
            assert!(trust.normal["energy"].is_none() && trust.normal["typicality"].is_some());
        }
    }

    #[test]
    fn a_model_that_is_never_wrong_has_no_temperature() {
        let predictions = Predictions { probs: Array2::from_elem((60, 1), 1.0), classes: vec![Class(0); 60] };
        assert!(temperature(&predictions).is_err());
        let probs = Array2::from_shape_fn((60, 2), |(_, class)| [0.8, 0.2][class]);
        let all_right = Predictions { probs, classes: vec![Class(0); 60] };
        assert!(temperature(&all_right).is_err_and(|reason| reason.contains("all 60 held-out items are right")));
    }

    #[test]
    fn the_code_is_preferred_to_the_density_and_that_to_the_answer() {
        let mut trust = trust(200);
        for name in ["mahalanobis", "log_density", "max_prob"] {
            assert_eq!(trust.preferred_score().map(|score| score.name), Some(name));
            trust.normal.insert(name.into(), None);
        }
        assert!(trust.preferred_score().is_none());
    }

    #[test]
    fn at_most_a_tenth_of_the_items_themselves_have_a_p_value_of_a_tenth() {
        let (scores, _) = scores(200);
        let trust = trust(200);
        for (name, values) in outlier_scores(&scores, Some(&trust.fitted)) {
            let score = crate::outlier::outlier_score(name).expect("it has a name");
            let p = |value: &f64| trust.p_value(score, *value).expect("the model has it");
            let flagged = values.iter().filter(|value| p(value) <= 0.1).count();
            assert!(flagged <= 20, "{name}: {flagged}");
        }
    }

    #[test]
    fn a_half_is_judged_at_the_temperature_of_the_other() {
        let (scores, classes) = scores(400);
        let predictions = Predictions { probs: probs(&scores.log_probs), classes };
        let first: Vec<bool> = (0..400).map(|item| item % 4 < 2).collect();
        let tempered = cross_fitted(&predictions, &first).expect("enough items");
        let others: Vec<usize> = (0..400).filter(|item| item % 4 >= 2).collect();
        let theirs = Temperature::fit(&predictions.select(&others)).expect("enough items");
        assert_eq!(tempered.probs.row(0), theirs.apply(&predictions.probs).row(0));
        assert_ne!(tempered.probs.row(2), theirs.apply(&predictions.probs).row(2));
        assert_eq!(cross_fitted(&predictions.select(&others[..90]), &first[..90]), None);
    }

    #[test]
    fn folds_are_joined_one_after_the_other() {
        let (scores, classes) = scores(60);
        let (whole, fitted) = HeldOut::of(&scores, classes.clone(), None);
        let joined = HeldOut::join(&[whole.clone(), whole.clone()]).expect("two folds");
        assert_eq!(joined.predictions.classes, [classes.clone(), classes.clone()].concat());
        assert!(joined.outliers.iter().all(|(_, values)| values.len() == 120));
        let mean = joined.mean_log_density().expect("there is a density");
        assert!((mean - fitted.mean_log_density.expect("there is a density")).abs() < 1e-9);
        let bare = HeldOut { outliers: Vec::new(), ..whole.clone() };
        assert!(HeldOut::join(&[whole, bare]).expect("two folds").outliers.is_empty());
        assert_eq!(HeldOut::join(&[]), None);
    }

    #[test]
    fn rows_are_taken_at_even_distances() {
        assert_eq!(evenly(&[4, 5, 6, 7, 8, 9], 3), [4, 6, 8]);
        assert_eq!(evenly(&[4, 5], 3), [4, 5]);
        assert!(evenly(&[], 3).is_empty());
    }
}
