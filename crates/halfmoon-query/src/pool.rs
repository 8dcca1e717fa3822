//! What a rule may see of the candidates.

use halfmoon_pool::dataset::Ids;
use halfmoon_pool::scores::Scores;
use halfmoon_pool::{Error, Result};
use ndarray::{ArrayView1, ArrayView2, Axis};

/// The candidates, and what is known beside them. A rule sees nothing else: a candidate's label is no part of it.
#[derive(Clone, Copy)]
pub struct Pool<'a> {
    /// What the model says of each candidate.
    pub scores: &'a Scores,
    /// What a candidate is known by, wherever it stands: `[n]`. Ties are broken by it, and candidates with equal keys count
    /// as copies of each other. See [`keys_of_ids`] and [`keys_of_rows`].
    pub keys: &'a [u64],
    /// Equal for candidates whose inputs are, whatever they are known by: `[n]`, see [`keys_of_rows`]. Of copies one is chosen.
    pub copies: Option<&'a [u64]>,
    /// Encoded inputs: `[n, d]`. They say which candidates are near copies, and where a candidate is if the model has no codes.
    pub inputs: Option<ArrayView2<'a, f32>>,
    /// The items that have a label, by the same model.
    pub labelled: Option<Labelled<'a>>,
    /// S(z): how probably the sampler takes the candidate for a labelled one. `[n, 1]`, or `[n, class]` where the latent is
    /// that of the input under each class.
    pub labelled_probs: Option<ArrayView2<'a, f32>>,
    /// Names for reasons: `[class]`. Without them classes are numbered from 0.
    pub class_names: &'a [String],
}

/// Items that have a label. Which one no rule asks.
#[derive(Clone, Copy)]
pub struct Labelled<'a> {
    /// What the model says of each.
    pub scores: &'a Scores,
    /// Encoded as those of the candidates: `[m, d]`.
    pub inputs: Option<ArrayView2<'a, f32>>,
}

/// What some rules cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// More than one draw of the probabilities.
    Draws,
    /// log p(x), or logits to make it from.
    Density,
    /// Codes: the last hidden layer.
    Codes,
    /// Codes or inputs.
    Places,
    /// S(z), one a candidate.
    Sampler,
    /// S(z), one a candidate and class.
    SamplerByClass,
}

impl Need {
    /// What is missing, and what to do about it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Need::Draws => (
                "several draws",
                "use a model that was trained with dropout, such as --set supervised.dropout=0.3, or several models: --committee",
            ),
            Need::Density => ("log p(x)", "use a model that has a density, such as m2, gc_vae or jem"),
            Need::Codes => ("codes, the last hidden layer of the model", "use a model that has one; `supervised` does"),
            Need::Places => ("codes or inputs of the candidates", "use a model that has codes, or hand in the inputs"),
            Need::Sampler => ("a sampler S(z) that was trained with the model", "use `vaal` or `aral` as the model"),
            Need::SamplerByClass => (
                "a sampler S(z) for every class",
                "use `aral` as the model, trained with --set aral.sampler_sees_class=true",
            ),
        }
    }
}

impl<'a> Pool<'a> {
    /// Scores and keys alone.
    pub fn new(scores: &'a Scores, keys: &'a [u64]) -> Pool<'a> {
        Pool { scores, keys, copies: None, inputs: None, labelled: None, labelled_probs: None, class_names: &[] }
    }

    /// Number of candidates.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Nothing to ask about.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether it has what a rule needs.
    pub fn has(&self, need: Need) -> bool {
        match need {
            Need::Draws => self.scores.log_probs.len_of(Axis(1)) > 1,
            Need::Density => self.scores.log_density.is_some() || self.scores.energy.is_some(),
            Need::Codes => self.scores.codes.is_some(),
            Need::Places => self.places().is_some(),
            Need::Sampler => self.labelled_probs.is_some_and(|probs| probs.ncols() == 1),
            Need::SamplerByClass => self.labelled_probs.is_some_and(|probs| probs.ncols() == self.classes()),
        }
    }

    /// Says what a rule of this name lacks, or which numbers are none.
    pub(crate) fn check(&self, rule: &str, needs: &[Need]) -> Result<()> {
        self.assert_shapes();
        if let Some(need) = needs.iter().find(|need| !self.has(**need)) {
            let (what, hint) = need.words();
            return Err(Error::usage(format!("`{rule}` needs {what}"), hint));
        }
        let hint = "has the training diverged? a lower rate may help";
        let of = |scores: &Scores| {
            let codes = scores.codes.as_ref().is_none_or(|codes| codes.iter().all(|x| x.is_finite()));
            let is_number = |x: &f32| !x.is_nan();
            let densities = scores.log_density.iter().chain(&scores.energy).flatten().all(is_number);
            [
                ("probabilities", scores.log_probs.iter().all(|log_prob| *log_prob < f32::INFINITY)),
                ("codes", codes),
                ("densities", densities),
            ]
        };
        let is_finite = |rows: Option<ArrayView2<f32>>| rows.is_none_or(|rows| rows.iter().all(|x| x.is_finite()));
        let labelled = self.labelled.map(|labelled| of(labelled.scores)).into_iter().flatten();
        let labelled_inputs = self.labelled.and_then(|labelled| labelled.inputs);
        let rest = [
            ("inputs", is_finite(self.inputs) && is_finite(labelled_inputs)),
            ("sampler's answers", is_finite(self.labelled_probs)),
        ];
        match of(self.scores).into_iter().chain(labelled).chain(rest).find(|(_, is_sound)| !is_sound) {
            Some((what, _)) => Err(Error::usage(format!("some of the {what} are not numbers"), hint)),
            None => Ok(()),
        }
    }

    fn assert_shapes(&self) {
        let n = self.len();
        let of = |scores: &Scores, n: usize| {
            assert_eq!(scores.log_probs.len_of(Axis(0)), n, "a row of probabilities an item");
            assert!(scores.log_density.as_ref().is_none_or(|density| density.len() == n), "a density an item");
            assert!(scores.energy.as_ref().is_none_or(|energy| energy.len() == n), "an energy an item");
            assert!(scores.codes.as_ref().is_none_or(|codes| codes.nrows() == n), "a code an item");
        };
        of(self.scores, n);
        assert!(self.copies.is_none_or(|copies| copies.len() == n), "a key of its input an item");
        assert!(self.inputs.is_none_or(|inputs| inputs.nrows() == n), "an input an item");
        assert!(self.labelled_probs.is_none_or(|probs| probs.nrows() == n), "an answer of the sampler an item");
        if let Some(labelled) = &self.labelled {
            let m = labelled.scores.log_probs.len_of(Axis(0));
            of(labelled.scores, m);
            let has_codes = |scores: &Scores| scores.codes.is_some();
            assert_eq!(has_codes(self.scores), has_codes(labelled.scores), "codes of all items, or of none");
            assert!(labelled.inputs.is_none_or(|inputs| inputs.nrows() == m), "an input a labelled item");
            if let Some((places, Some(others))) = self.places() {
                assert_eq!(
                    places.ncols(),
                    others.ncols(),
                    "labelled items and candidates are placed by the same model"
                );
            }
        }
    }

    /// C.
    pub fn classes(&self) -> usize {
        self.scores.log_probs.len_of(Axis(2))
    }

    /// What a class is called in a reason.
    pub(crate) fn class_name(&self, class: usize) -> String {
        self.class_names.get(class).cloned().unwrap_or_else(|| class.to_string())
    }

    /// Where the candidates are, `[n, h]`, and where the labelled items are, `[m, h]`: their codes, or else their inputs.
    pub(crate) fn places(&self) -> Option<(ArrayView2<'a, f32>, Option<ArrayView2<'a, f32>>)> {
        match &self.scores.codes {
            Some(codes) => {
                let labelled = self.labelled.and_then(|labelled| labelled.scores.codes.as_ref());
                Some((codes.view(), labelled.map(|codes| codes.view())))
            }
            None => Some((self.inputs?, self.labelled.and_then(|labelled| labelled.inputs))),
        }
    }

    /// What a function says of the same candidates in another order.
    pub(crate) fn reordered<R>(&self, order: &[usize], then: impl FnOnce(&Pool) -> R) -> R {
        let scores = Scores {
            log_probs: self.scores.log_probs.select(Axis(0), order),
            log_density: self.scores.log_density.as_ref().map(|density| density.select(Axis(0), order)),
            energy: self.scores.energy.as_ref().map(|energy| energy.select(Axis(0), order)),
            codes: self.scores.codes.as_ref().map(|codes| codes.select(Axis(0), order)),
        };
        let keys: Vec<u64> = order.iter().map(|&item| self.keys[item]).collect();
        let copies: Option<Vec<u64>> = self.copies.map(|copies| order.iter().map(|&item| copies[item]).collect());
        let inputs = self.inputs.map(|inputs| inputs.select(Axis(0), order));
        let labelled_probs = self.labelled_probs.map(|probs| probs.select(Axis(0), order));
        // A view keeps to its lifetime: this makes one that is as short as the others here.
        let labelled = self.labelled.map(|Labelled { scores, inputs }| {
            let inputs = inputs.map(ArrayView2::reborrow);
            Labelled { scores, inputs }
        });
        then(&Pool {
            scores: &scores,
            keys: &keys,
            copies: copies.as_deref(),
            inputs: inputs.as_ref().map(|inputs| inputs.view()),
            labelled,
            labelled_probs: labelled_probs.as_ref().map(|probs| probs.view()),
            class_names: self.class_names,
        })
    }
}

/// Keys from what the user knows the items by. Copies have different ids, so these tell nothing of copies.
pub fn keys_of_ids(ids: &Ids) -> Vec<u64> {
    let of = |id: &[u8]| id.iter().fold(id.len() as u64, |hash, &byte| mix(hash ^ u64::from(byte)));
    match ids {
        Ids::Positions(positions) => positions.iter().map(|&position| mix(position)).collect(),
        Ids::Names(names) => names.iter().map(|name| of(name.as_bytes())).collect(),
    }
}

/// Keys from the inputs `[n, d]`: equal where two inputs are. Two different ones share a key about once in 2⁶⁴ pairs.
pub fn keys_of_rows(rows: ArrayView2<f32>) -> Vec<u64> {
    // Adding 0 turns −0 into 0.
    let of = |row: ArrayView1<f32>| row.iter().fold(0, |hash, x| mix(hash ^ u64::from((x + 0.0).to_bits())));
    rows.rows().into_iter().map(of).collect()
}

/// Scatters 64 bits, one to one: the finaliser of `SplitMix64` (Steele, Lea & Flood 2014).
pub(crate) fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A number from 0 to below 1 that 64 bits stand for.
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ndarray::array;

    use super::*;

    #[test]
    fn equal_rows_have_equal_keys_and_no_others_have() {
        let keys = keys_of_rows(array![[0.0_f32, 1.0], [-0.0, 1.0], [1.0, 0.0], [0.0, 1.5]].view());
        assert_eq!(keys[0], keys[1]);
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 3);
    }

    #[test]
    fn ids_have_keys_of_their_own() {
        let names = ["a", "aa", "", "b", "ab", "ba"].map(str::to_owned).to_vec();
        let keys: HashSet<u64> = keys_of_ids(&Ids::Names(names)).into_iter().collect();
        assert_eq!(keys.len(), 6);
        let keys: HashSet<u64> = keys_of_ids(&Ids::first(1000)).into_iter().collect();
        assert_eq!(keys.len(), 1000);
    }

    #[test]
    fn scattered_bits_are_spread_evenly_over_the_unit_interval() {
        let mean = (0..10_000).map(|i| unit(mix(i))).sum::<f64>() / 1e4;
        // Of 10,000 uniform numbers the mean has a standard deviation of 0.0029.
        assert!((mean - 0.5).abs() < 0.012, "{mean}");
        assert!(unit(u64::MAX) < 1.0);
    }
}
