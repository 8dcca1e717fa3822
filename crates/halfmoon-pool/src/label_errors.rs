//! Labels that are probably wrong, by what a model says that has not learned from them.

use crate::dataset::Class;
use crate::metric::LEAST_ITEMS;
use crate::scores::Predictions;

/// An item whose label is probably wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspect {
    /// Its position among the predictions.
    pub item: usize,
    /// What somebody said.
    pub label: Class,
    /// What it probably is.
    pub likely: Class,
    /// p(label | x).
    pub p_label: f32,
    /// p(likely | x).
    pub p_likely: f32,
}

/// Labels that the answers speak against, the least credible first: confident learning (Northcutt, Jiang & Chuang,
/// Journal of Artificial Intelligence Research 70, 2021). `None` for fewer than [`LEAST_ITEMS`] items.
///
/// A class is credible for an item whose probability of it reaches its mean over the items that are labelled so. Where
/// the most probable of the credible classes is another one than the label, the label is in doubt. The order is that of
/// p(label) − the highest p of another class.
///
/// The predictions must be those of a model that has not learned from these labels: one that has repeats them.
pub fn likely_label_errors(predictions: &Predictions) -> Option<Vec<Suspect>> {
    (predictions.classes.len() >= LEAST_ITEMS).then(|| suspects(predictions))
}

fn suspects(predictions: &Predictions) -> Vec<Suspect> {
    let classes = predictions.probs.ncols();
    let (mut sums, mut counts) = (vec![0.0_f64; classes], vec![0_usize; classes]);
    for (probs, label) in predictions.probs.rows().into_iter().zip(&predictions.classes) {
        sums[label.index()] += f64::from(probs[label.index()]);
        counts[label.index()] += 1;
    }
    // A class that no item is labelled as has no mean, and nobody is told that an item is of it.
    let thresholds: Vec<f64> =
        sums.iter().zip(&counts).map(|(sum, &n)| if n > 0 { sum / n as f64 } else { f64::INFINITY }).collect();
    let rows = predictions.probs.rows().into_iter().zip(&predictions.classes).enumerate();
    let mut suspects: Vec<(f32, Suspect)> = rows
        .filter_map(|(item, (probs, &label))| {
            let credible = probs.iter().enumerate().filter(|(class, p)| f64::from(**p) >= thresholds[*class]);
            let (likely, &p_likely) = credible.reduce(|top, next| if next.1 > top.1 { next } else { top })?;
            let likely = Class(u16::try_from(likely).expect("a class index fits into 16 bits"));
            let p_label = probs[label.index()];
            let others = probs.iter().enumerate().filter(|(class, _)| *class != label.index());
            let highest = others.map(|(_, &p)| p).fold(0.0, f32::max);
            (likely != label).then_some((p_label - highest, Suspect { item, label, likely, p_label, p_likely }))
        })
        .collect();
    suspects.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.item.cmp(&b.1.item)));
    suspects.into_iter().map(|(_, suspect)| suspect).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_label_is_in_doubt_where_another_class_is_as_probable_as_for_its_own_items() {
        // Means: class 0 (0.9 + 0.8 + 0.05 + 0.45)/4 = 0.55, class 1 (0.7 + 0.8)/2 = 0.75. Item 2 has 0.95 of class 1;
        // item 5 has 0.55 of it, which is a mistake but no reason to doubt the label.
        let probs = array![[0.9, 0.1], [0.8, 0.2], [0.05, 0.95], [0.3, 0.7], [0.2, 0.8], [0.45, 0.55]];
        let found = suspects(&Predictions { probs, classes: [0, 0, 0, 1, 1, 0].map(Class).to_vec() });
        assert_eq!(found.iter().map(|suspect| suspect.item).collect::<Vec<_>>(), [2]);
        assert_eq!((found[0].label, found[0].likely), (Class(0), Class(1)));
    }

    #[test]
    fn nobody_is_told_that_an_item_is_of_a_class_without_items() {
        let predictions = Predictions { probs: array![[0.1, 0.9], [0.2, 0.8]], classes: vec![Class(0); 2] };
        assert_eq!(suspects(&predictions), []);
    }

    #[test]
    fn flipped_labels_of_a_model_that_knows_better_are_found_and_hardly_any_other() {
        // 1,000 items of three classes, right answers with 0.5 to 1.0, and every twentieth label another one.
        let mut chance = ChaCha8Rng::seed_from_u64(3);
        let mut probs = Array2::<f32>::zeros((1000, 3));
        let mut classes = vec![];
        let mut flipped = vec![];
        for item in 0..1000 {
            let (truth, top) = (item % 3, chance.random_range(0.5..1.0));
            probs.row_mut(item).fill((1.0 - top) / 2.0);
            probs[[item, truth]] = top;
            let is_flipped = item % 20 == 0;
            flipped.extend(is_flipped.then_some(item));
            let label = if is_flipped { (truth + chance.random_range(1..3)) % 3 } else { truth };
            classes.push(Class(u16::try_from(label).expect("three classes")));
        }
        let found = likely_label_errors(&Predictions { probs, classes }).expect("a thousand items");
        // The mean of a class is about 0.95 · 0.75 + 0.05 · 0.125 = 0.72. The right class of a flipped item reaches it with
        // probability 0.56, so 28 of 50 are expected, with a standard deviation of 3.5.
        assert!(found.iter().all(|suspect| flipped.contains(&suspect.item)));
        assert!((18..=38).contains(&found.len()), "{} of 50", found.len());
    }

    #[test]
    fn few_items_say_nothing() {
        let of = |n: usize| Predictions { probs: Array2::from_elem((n, 2), 0.5), classes: vec![Class(0); n] };
        assert_eq!(likely_label_errors(&of(LEAST_ITEMS - 1)), None);
        assert!(likely_label_errors(&of(LEAST_ITEMS)).is_some());
    }
}
