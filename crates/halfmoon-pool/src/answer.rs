//! What is said of an input: the model's scores, as far as its held-out items let them be trusted.

use ndarray::Axis;

use crate::calibration::Temperature;
use crate::dataset::Class;
use crate::metric::predicted;
use crate::outlier::OutlierScore;
use crate::scores::{Scores, probs};
use crate::trust::Trust;

/// What is said of an input beside the model's own answer.
pub struct Extras {
    /// Makes the probabilities calibrated.
    pub temperature: Option<Temperature>,
    /// How often sets hold the true class.
    pub coverage: f64,
    /// `None`: outliers are not looked for.
    pub flags: Option<Flags>,
}

/// By which score, and at which p-value or below, an input is flagged as an outlier.
pub struct Flags {
    /// One that the model has.
    pub score: &'static OutlierScore,
    /// From 0 to 1: the share of normal inputs that are flagged too.
    pub share: f64,
}

impl Extras {
    /// All that the held-out items allow: their temperature, and flags by the score that is preferred. Without them nothing.
    pub fn of(trust: Option<&Trust>, coverage: f64, share: f64) -> Extras {
        let flags = trust.and_then(Trust::preferred_score).map(|score| Flags { score, share });
        Extras { temperature: trust.and_then(|trust| trust.temperature), coverage, flags }
    }
}

/// What is said of a readable input.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The most probable class.
    pub label: Class,
    /// Of each class, after the temperature.
    pub probs: Vec<f32>,
    /// log p(x), where the model has one: see [`Scores::log_density`].
    pub log_density: Option<f32>,
    /// `None` where no item was held out.
    pub set: Option<Vec<Class>>,
    /// `None` where outliers are not looked for.
    pub outlier: Option<Outlier>,
}

impl Answer {
    /// The probability of the label.
    pub fn confidence(&self) -> f32 {
        self.probs[self.label.index()]
    }
}

/// How strange an input looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlier {
    /// The share of held-out items that look at least as strange: see [`p_value`](crate::outlier::p_value).
    pub p: f64,
    /// Whether that is so few that it is flagged.
    pub flag: bool,
}

/// One answer an item of the scores.
pub fn answers(scores: &Scores, trust: Option<&Trust>, extras: &Extras) -> Vec<Answer> {
    let plain = probs(&scores.log_probs);
    let shown = extras.temperature.map_or_else(|| plain.clone(), |temperature| temperature.apply(&plain));
    let strangeness =
        extras.flags.as_ref().and_then(|flags| (flags.score.of)(scores, trust.map(|trust| &trust.fitted)));
    let of_row = |row: usize| {
        let outlier = |Flags { score, share }: &Flags| {
            let p = trust?.p_value(score, strangeness.as_ref()?[row])?;
            Some(Outlier { p, flag: p <= *share })
        };
        Answer {
            label: predicted(plain.row(row)),
            probs: shown.row(row).to_vec(),
            log_density: scores.log_density.as_ref().map(|density| density[row]),
            set: trust.map(|trust| trust.conformal.set(plain.row(row), extras.coverage)),
            outlier: extras.flags.as_ref().and_then(outlier),
        }
    };
    (0..scores.log_probs.len_of(Axis(0))).map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ndarray::{Array3, array};

    use super::*;
    use crate::conformal::Conformal;
    use crate::outlier::{Fitted, outlier_score};

    fn scores() -> Scores {
        let probs = [[0.8_f32, 0.2], [0.4, 0.6]];
        Scores {
            log_probs: Array3::from_shape_fn((2, 1, 2), |(item, _, class)| probs[item][class].ln()),
            log_density: Some(array![-1.0, -9.0]),
            energy: None,
            codes: None,
        }
    }

    /// Ninety-nine items of densities −0.1, −0.2 … −9.9, whose true classes had probabilities 0.5 or more.
    fn trust() -> Trust {
        let normal = (1_u16..=99).map(|item| f32::from(item) / 10.0).collect();
        Trust {
            n: 99,
            held_out: 99,
            origin: String::new(),
            temperature: Some(Temperature(0.5)),
            conformal: Conformal::of(vec![0.5; 99]),
            normal: BTreeMap::from([("log_density".to_owned(), Some(normal))]),
            fitted: Fitted::default(),
            not_estimable: BTreeMap::new(),
        }
    }

    #[test]
    fn held_out_items_temper_bound_and_flag_an_answer() {
        let trust = trust();
        let answers = answers(&scores(), Some(&trust), &Extras::of(Some(&trust), 0.9, 0.1));
        assert_eq!((answers[0].label, answers[1].label), (Class(0), Class(1)));
        // at a temperature of a half probabilities are squared: 0.64 / (0.64 + 0.04), 0.36 / (0.36 + 0.16)
        assert!((answers[0].confidence() - 0.941_176).abs() < 1e-5, "{answers:?}");
        assert!((answers[1].confidence() - 0.692_308).abs() < 1e-5, "{answers:?}");
        assert_eq!(answers[0].set, Some(vec![Class(0)]));
        // of −log densities 0.1 to 9.9, ninety are 1 or more and ten are 9 or more
        assert_eq!(answers[0].outlier, Some(Outlier { p: 0.91, flag: false }));
        assert_eq!(answers[1].outlier, Some(Outlier { p: 0.11, flag: false }));
        let more = Extras {
            flags: outlier_score("log_density").map(|score| Flags { score, share: 0.11 }),
            ..Extras::of(None, 0.9, 0.0)
        };
        let flagged = super::answers(&scores(), Some(&trust), &more);
        assert_eq!(
            flagged.iter().map(|answer| answer.outlier.map(|outlier| outlier.flag)).collect::<Vec<_>>(),
            [Some(false), Some(true)]
        );
    }

    #[test]
    fn without_held_out_items_an_answer_is_the_models_own() {
        let answers = answers(&scores(), None, &Extras::of(None, 0.9, 0.1));
        assert!((answers[0].confidence() - 0.8).abs() < 1e-6);
        assert_eq!((&answers[0].set, answers[0].outlier, answers[1].log_density), (&None, None, Some(-9.0)));
    }
}
