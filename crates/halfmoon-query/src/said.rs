//! What a model says of rows, as far as somebody wants to know.

use halfmoon_pool::scores::{Predictor, Scores};
use ndarray::{Array2, ArrayView2, Axis};

use crate::pool::Need;

/// What a model says of some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// With draws, densities and codes where they are needed, and nothing else that costs something.
    pub scores: Scores,
    /// See [`crate::Pool::labelled_probs`].
    pub labelled_probs: Option<Array2<f32>>,
}

/// What is to be asked of a model.
#[derive(Debug, Clone, Copy)]
pub struct Questions<'a> {
    /// What somebody cannot do without, such as [`Rule::needs`](crate::Rule).
    pub needs: &'a [Need],
    /// Where draws are needed and the model's answers do not hold several already, as a committee's do: so many of the network itself
    /// ([`Predictor::networks`]), from a model that has any.
    pub draws: usize,
    /// Decides these draws.
    pub seed: u64,
}

impl Questions<'_> {
    /// Asks a model about encoded rows `[n, d]`. What is needed and the model does not have is missing: [`Rule::query`](crate::Rule::query) says so.
    pub fn ask(&self, predictor: &dyn Predictor, inputs: ArrayView2<f32>) -> Said {
        let needs = |need: Need| self.needs.contains(&need);
        let wants_codes = needs(Need::Codes) || needs(Need::Places);
        let mut scores = if needs(Need::Density) {
            predictor.scores(inputs)
        } else {
            Scores { log_probs: predictor.log_probs(inputs), log_density: None, energy: None, codes: None }
        };
        scores.codes = if wants_codes { scores.codes.take().or_else(|| predictor.codes(inputs)) } else { None };
        if needs(Need::Draws) && self.draws > 1 && scores.log_probs.len_of(Axis(1)) == 1 {
            scores.log_probs = predictor.networks(inputs, self.draws, self.seed).unwrap_or(scores.log_probs);
        }
        let wants_sampler = needs(Need::Sampler) || needs(Need::SamplerByClass);
        let labelled_probs = if wants_sampler { predictor.labelled_probs(inputs) } else { None };
        Said { scores, labelled_probs }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ndarray::{Array1, Array3};

    use super::*;
    use crate::rule::rule;

    /// Notes what it is asked for.
    #[derive(Default)]
    struct Told(Mutex<Vec<&'static str>>);

    impl Told {
        fn note(&self, what: &'static str) {
            self.0.lock().expect("nobody panicked").push(what);
        }
    }

    impl Predictor for Told {
        fn scores(&self, inputs: ArrayView2<f32>) -> Scores {
            self.note("density");
            let log_probs = Array3::from_elem((inputs.nrows(), 1, 2), 0.5_f32.ln());
            let codes = Some(inputs.to_owned());
            Scores { log_probs, log_density: Some(Array1::zeros(inputs.nrows())), energy: None, codes }
        }

        fn log_probs(&self, inputs: ArrayView2<f32>) -> Array3<f32> {
            Array3::from_elem((inputs.nrows(), 1, 2), 0.5_f32.ln())
        }

        fn codes(&self, inputs: ArrayView2<f32>) -> Option<Array2<f32>> {
            self.note("codes");
            Some(inputs.to_owned())
        }

        fn networks(&self, inputs: ArrayView2<f32>, draws: usize, _: u64) -> Option<Array3<f32>> {
            self.note("networks");
            Some(Array3::from_elem((inputs.nrows(), draws, 2), 0.5_f32.ln()))
        }

        fn labelled_probs(&self, inputs: ArrayView2<f32>) -> Option<Array2<f32>> {
            self.note("sampler");
            Some(Array2::zeros((inputs.nrows(), 1)))
        }
    }

    #[test]
    fn nothing_is_asked_for_that_the_rule_does_not_need() {
        let rows = Array2::zeros((3, 2));
        for (name, expected) in [
            ("margin", &[][..]),
            ("bald", &["networks"]),
            ("k_center", &["codes"]),
            ("novelty", &["density"]),
            ("vaal", &["sampler"]),
        ] {
            let told = Told::default();
            let said =
                Questions { needs: rule(name).expect("a rule").needs, draws: 7, seed: 1 }.ask(&told, rows.view());
            assert_eq!(told.0.into_inner().expect("nobody panicked"), expected, "{name}");
            assert_eq!(said.scores.log_probs.len_of(Axis(1)), if name == "bald" { 7 } else { 1 });
            assert_eq!(said.scores.codes.is_some(), name == "k_center");
            assert_eq!(said.labelled_probs.is_some(), name == "vaal");
        }
    }

    #[test]
    fn without_draws_a_rule_that_needs_them_is_told_so() {
        let rows = Array2::zeros((3, 2));
        let rule = rule("bald").expect("a rule");
        let said = Questions { needs: rule.needs, draws: 0, seed: 1 }.ask(&Told::default(), rows.view());
        let keys = [1, 2, 3];
        let error = rule.query(&crate::Pool::new(&said.scores, &keys), &crate::Ask::default()).expect_err("no draws");
        assert!(error.to_string().contains("several draws"), "{error}");
    }
}
