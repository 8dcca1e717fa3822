//! Answers that are surely wrong, and labels that may be.

use halfmoon_pool::Class;
use halfmoon_pool::metric::predicted;
use halfmoon_pool::scores::Predictions;

/// An item that was given a wrong class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mistake {
    pub(crate) item: usize,
    pub(crate) answer: Class,
    pub(crate) label: Class,
    pub(crate) p_answer: f32,
    pub(crate) p_label: f32,
}

/// The surest mistakes, at most so many, the surest first.
pub(crate) fn mistakes(predictions: &Predictions, most: usize) -> Vec<Mistake> {
    let rows = predictions.probs.rows().into_iter().zip(&predictions.classes).enumerate();
    let mut mistakes: Vec<Mistake> = rows
        .filter_map(|(item, (probs, &label))| {
            let answer = predicted(probs);
            let (p_answer, p_label) = (probs[answer.index()], probs[label.index()]);
            (answer != label).then_some(Mistake { item, answer, label, p_answer, p_label })
        })
        .collect();
    mistakes.sort_by(|a, b| b.p_answer.total_cmp(&a.p_answer).then(a.item.cmp(&b.item)));
    mistakes.truncate(most);
    mistakes
}

/// An item whose label is probably wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Suspect {
    pub(crate) item: usize,
    pub(crate) label: Class,
    /// What it probably is.
    pub(crate) likely: Class,
    pub(crate) p_label: f32,
    pub(crate) p_likely: f32,
}

/// Labels that the answers speak against, the least credible first: confident learning (Northcutt, Jiang & Chuang,
/// Journal of Artificial Intelligence Research 70, 2021).
///
/// A class is credible for an item whose probability of it reaches its mean over the items that are labelled so. Where
/// the most probable of the credible classes is another one than the label, the label is in doubt. The order is that of
/// p(label) − the highest p of another class.
pub(crate) fn likely_label_errors(predictions: &Predictions) -> Vec<Suspect> {
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
    use ndarray::array;

    use super::*;

    fn predictions() -> Predictions {
        let probs = array![[0.9, 0.1], [0.8, 0.2], [0.05, 0.95], [0.3, 0.7], [0.2, 0.8], [0.45, 0.55]];
        Predictions { probs, classes: [0, 0, 0, 1, 1, 0].map(Class).to_vec() }
    }

    #[test]
    fn the_surest_mistake_comes_first() {
        let found = mistakes(&predictions(), 9);
        assert_eq!(found.iter().map(|mistake| mistake.item).collect::<Vec<_>>(), [2, 5]);
        assert_eq!((found[0].answer, found[0].label), (Class(1), Class(0)));
        assert_eq!(mistakes(&predictions(), 1).len(), 1);
    }

    #[test]
    fn a_label_is_in_doubt_where_another_class_is_as_probable_as_for_its_own_items() {
        // Means: class 0 (0.9 + 0.8 + 0.05 + 0.45)/4 = 0.55, class 1 (0.7 + 0.8)/2 = 0.75. Item 2 has 0.95 of class 1;
        // item 5 has 0.55 of it, which is a mistake but no reason to doubt the label.
        let found = likely_label_errors(&predictions());
        assert_eq!(found.iter().map(|suspect| suspect.item).collect::<Vec<_>>(), [2]);
        assert_eq!((found[0].label, found[0].likely), (Class(0), Class(1)));
    }

    #[test]
    fn nobody_is_told_that_an_item_is_of_a_class_without_items() {
        let predictions = Predictions { probs: array![[0.1, 0.9], [0.2, 0.8]], classes: vec![Class(0); 2] };
        assert_eq!(likely_label_errors(&predictions), []);
    }
}
