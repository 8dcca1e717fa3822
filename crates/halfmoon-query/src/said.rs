//! What a model says of rows, as far as somebody wants to know, and what a rule is shown of it.

use halfmoon_pool::scores::{Predictor, Scores, joined};
use ndarray::{Array2, Array3, ArrayView2, Axis};

use crate::pool::{Labelled, Need, Pool, keys_of_rows};
use crate::rule::{Ask, Rule};

/// What a model says of some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// With draws, densities and codes where they are needed, and nothing else that costs something.
    pub scores: Scores,
    /// See [`Pool::labelled_probs`].
    pub labelled_probs: Option<Array2<f32>>,
    /// See [`Pool::copies`].
    pub copies: Vec<u64>,
    /// The rows, where near copies are to be told, or where it is needed where rows are and the model has no codes.
    pub inputs: Option<Array2<f32>>,
}

impl Said {
    /// Of rows `[n, d]` that no model was asked about: every class is as likely.
    pub fn nothing(inputs: Array2<f32>, classes: usize) -> Said {
        let log_probs = Array3::from_elem((inputs.nrows(), 1, classes), -(classes as f32).ln());
        let scores = Scores { log_probs, log_density: None, energy: None, codes: None };
        Said { scores, labelled_probs: None, copies: keys_of_rows(inputs.view()), inputs: Some(inputs) }
    }

    /// Of several lots of rows, a lot at least, as that of all of them.
    pub fn join(parts: Vec<Said>) -> Said {
        let labelled_probs = joined(&parts, |part| part.labelled_probs.as_ref());
        let inputs = joined(&parts, |part| part.inputs.as_ref());
        let copies = parts.iter().flat_map(|part| part.copies.iter().copied()).collect();
        let scores: Vec<Scores> = parts.into_iter().map(|part| part.scores).collect();
        Said { scores: Scores::join(&scores), labelled_probs, copies, inputs }
    }

    /// These rows as candidates that are known by these keys, beside what the same model says of labelled ones.
    pub fn pool<'a>(&'a self, keys: &'a [u64], labelled: Option<&'a Said>, class_names: &'a [String]) -> Pool<'a> {
        let view = |rows: &'a Option<Array2<f32>>| rows.as_ref().map(|rows| rows.view());
        Pool {
            copies: Some(&self.copies),
            inputs: view(&self.inputs),
            labelled: labelled.map(|said| Labelled { scores: &said.scores, inputs: view(&said.inputs) }),
            labelled_probs: view(&self.labelled_probs),
            class_names,
            ..Pool::new(&self.scores, keys)
        }
    }
}

/// What is to be asked of a model.
#[derive(Debug, Clone, Copy)]
pub struct Questions<'a> {
    /// What somebody cannot do without, such as [`Rule::needs`].
    pub needs: &'a [Need],
    /// Whether near copies are to be told, whatever the rule needs: then the rows are kept.
    pub near: bool,
    /// Where draws are needed and the model's answers do not hold several already, as a committee's do: so many of the network itself
    /// ([`Predictor::networks`]), from a model that has any.
    pub draws: usize,
    /// Decides these draws.
    pub seed: u64,
}

impl Questions<'_> {
    /// What a query by this rule has to know.
    pub fn of(rule: &Rule, ask: &Ask, draws: usize) -> Questions<'static> {
        Questions { needs: rule.needs, near: ask.apart > 0.0, draws, seed: ask.seed }
    }

    /// Whether rows may be kept.
    pub fn keeps_inputs(&self) -> bool {
        self.near || self.needs.contains(&Need::Places)
    }

    /// Asks a model about encoded rows `[n, d]`. What is needed and the model does not have is missing: [`Rule::query`] says so.
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
        let keeps_inputs = self.near || (needs(Need::Places) && scores.codes.is_none());
        let copies = keys_of_rows(inputs);
        Said { scores, labelled_probs, copies, inputs: keeps_inputs.then(|| inputs.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ndarray::{Array1, array};

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

    fn questions(name: &str, apart: f64) -> Questions<'static> {
        Questions::of(rule(name).expect("a rule"), &Ask { apart, ..Ask::default() }, 7)
    }

    #[test]
    fn whatever_the_rule_copies_are_told_and_near_ones_where_they_are_to_be_kept_apart() {
        let rows = array![[0.0_f32, 1.0], [2.0, 1.0], [0.0, 1.0]];
        for name in ["random", "margin", "bald", "novelty", "vaal", "k_center"] {
            let said = questions(name, 0.1).ask(&Told::default(), rows.view());
            assert_eq!((said.copies[0] == said.copies[2], said.copies[0] == said.copies[1]), (true, false), "{name}");
            assert_eq!(said.inputs.as_ref(), Some(&rows), "{name}");
            let said = questions(name, 0.0).ask(&Told::default(), rows.view());
            assert_eq!(said.inputs, None, "{name}");
        }
    }

    #[test]
    fn what_is_said_of_several_lots_is_joined_in_their_order() {
        let rows = Array2::from_shape_fn((7, 2), |(i, j)| (3 * i + j) as f32);
        for name in ["margin", "bald", "novelty", "vaal", "k_center"] {
            let ask = |rows: ArrayView2<f32>| questions(name, 0.1).ask(&Told::default(), rows);
            let parts = rows.axis_chunks_iter(Axis(0), 3).map(ask).collect();
            assert_eq!(Said::join(parts), ask(rows.view()), "{name}");
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
            let said = questions(name, 0.0).ask(&told, rows.view());
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
        let said = Questions::of(rule, &Ask::default(), 0).ask(&Told::default(), rows.view());
        let keys = [1, 2, 3];
        let error = rule.query(&crate::Pool::new(&said.scores, &keys), &crate::Ask::default()).expect_err("no draws");
        assert!(error.to_string().contains("several draws"), "{error}");
    }
}
