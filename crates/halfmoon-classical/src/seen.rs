//! Classes that have labels and classes that have none.

use halfmoon_pool::Class;
use halfmoon_pool::dataset::Inputs;
use halfmoon_pool::split::{Split, folds, groups};
use ndarray::{Array1, Array2, ArrayD, Axis, Dimension};

use crate::{Arrays, Rows};

/// How many labels each class has. A classifier is fitted to the classes that have some; each of the others
/// has the probability of Laplace's rule of succession, 1/(labels + classes), whatever the row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    counts: Vec<f32>,
}

impl Seen {
    pub(crate) fn new(rows: &Rows) -> Seen {
        let mut counts = vec![0.0; rows.classes];
        rows.labelled().iter().for_each(|&(_, class)| counts[class] += 1.0);
        Seen { counts }
    }

    /// The classes with labels, ascending: `k` of them.
    pub(crate) fn classes(&self) -> Vec<usize> {
        (0..self.counts.len()).filter(|&class| self.counts[class] > 0.0).collect()
    }

    /// Each seen class's share of the labels: `[k]`.
    pub(crate) fn shares(&self) -> Vec<f64> {
        let sum: f32 = self.counts.iter().sum();
        self.counts.iter().filter(|&&count| count > 0.0).map(|&count| f64::from(count / sum)).collect()
    }

    /// softmax of the seen classes' logits `[n, k]`, and the others' share: `[n, classes]`.
    pub(crate) fn probs(&self, logits: &Array2<f32>) -> Array2<f32> {
        let classes = self.classes();
        let unseen = 1.0 / (self.counts.iter().sum::<f32>() + self.counts.len() as f32);
        let rest = 1.0 - unseen * (self.counts.len() - classes.len()) as f32;
        let mut probs = Array2::from_elem((logits.nrows(), self.counts.len()), unseen);
        for (logits, mut probs) in logits.rows().into_iter().zip(probs.rows_mut()) {
            // Numbers beyond f32 make infinite logits and, by their difference, NaN: no answer may follow from it.
            let finite = |logit: f32| if logit.is_nan() { 0.0 } else { logit.clamp(-1e30, 1e30) };
            let highest = logits.iter().copied().map(finite).fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = logits.iter().map(|&logit| (finite(logit) - highest).exp()).sum();
            for (&class, &logit) in classes.iter().zip(logits) {
                // A tiny share stays: a logarithm follows.
                probs[class] = (rest * (finite(logit) - highest).exp() / sum).max(f32::MIN_POSITIVE);
            }
        }
        probs
    }

    pub(crate) fn into_array(self) -> ArrayD<f32> {
        Array1::from(self.counts).into_dyn()
    }

    /// `k` must be the number of classes with labels.
    pub(crate) fn from_arrays(arrays: &Arrays, k: usize) -> Result<Seen, String> {
        let seen = Seen { counts: take::<ndarray::Ix1>(arrays, "labels")?.to_vec() };
        match seen.classes().len() {
            found if found == k => Ok(seen),
            found => Err(format!("`labels` tells of {found} classes with labels, and there are weights for {k}")),
        }
    }
}

/// Labelled rows with their places among the `k` seen classes.
pub(crate) struct Labelled {
    /// Positions among all rows, ascending.
    pub(crate) rows: Vec<usize>,
    /// Which of the seen classes.
    pub(crate) places: Vec<usize>,
}

impl Labelled {
    pub(crate) fn new(rows: &Rows, seen: &Seen) -> Labelled {
        let classes = seen.classes();
        let place = |class| classes.binary_search(&class).expect("a labelled row's class is seen");
        let (rows, places) = rows.labelled().into_iter().map(|(row, class)| (row, place(class))).unzip();
        Labelled { rows, places }
    }

    /// `[l, d]`.
    pub(crate) fn x(&self, rows: &Rows) -> Array2<f32> {
        rows.x.select(Axis(0), &self.rows)
    }

    /// Up to five stratified folds of positions among the labelled rows, copies on one side; none where no class
    /// has two different rows. Beyond 8,192 labels one fold says enough, and only the first is there.
    pub(crate) fn folds(&self, x: &Array2<f32>, seed: u64) -> Vec<Split> {
        let labels: Vec<_> =
            self.places.iter().map(|&place| Some(Class(u16::try_from(place).expect("a class is a u16")))).collect();
        let mut folds = folds(&labels, &groups(&Inputs::Floats(x.clone())), 5, 1, seed);
        if labels.len() > 8192 {
            folds.truncate(1);
        }
        folds
    }
}

/// An array that was kept.
pub(crate) fn take<D: Dimension>(arrays: &Arrays, name: &str) -> Result<ndarray::Array<f32, D>, String> {
    let found = arrays.get(name).ok_or_else(|| format!("`{name}` is missing"))?;
    let axes = D::NDIM.expect("these arrays have a fixed number of axes");
    found
        .clone()
        .into_dimensionality()
        .map_err(|_| format!("`{name}` has {} axes and should have {axes}", found.ndim()))
}
