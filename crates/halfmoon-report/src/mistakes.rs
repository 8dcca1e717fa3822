//! Answers that are surely wrong.

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
}
