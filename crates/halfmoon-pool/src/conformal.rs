//! Sets of classes that hold the true one as often as is asked, whatever the model is like.
//!
//! Split conformal prediction with the least ambiguous sets of Sadinle, Lei & Wasserman, *Least ambiguous set-valued
//! classifiers with bounded error levels*, JASA 114, 2019.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use crate::dataset::Class;
use crate::metric::predicted;
use crate::scores::Predictions;

/// What held-out items say of how improbable a true class may seem.
///
/// For new items that are like the held-out ones (exchangeable), [`Conformal::set`] holds the true class with a
/// probability of at least the coverage that is asked: over new items and over the choice of the held-out ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conformal {
    /// p(true class) of each held-out item, falling. The published score is 1 − p(true class), which sorts the same and
    /// rounds the smallest ones away.
    p_true: Vec<f32>,
}

impl Conformal {
    /// From items that the model has not learned from.
    pub fn fit(predictions: &Predictions) -> Conformal {
        let rows = predictions.probs.rows();
        let p_true = rows.into_iter().zip(&predictions.classes).map(|(probs, class)| probs[class.index()]);
        Conformal::of(p_true.collect())
    }

    /// From the probabilities that held-out items' true classes were given.
    pub fn of(mut p_true: Vec<f32>) -> Conformal {
        p_true.sort_unstable_by(|a, b| b.total_cmp(a));
        Conformal { p_true }
    }

    /// Held-out items.
    pub fn n(&self) -> usize {
        self.p_true.len()
    }

    /// The probability from which on a class belongs to the set: that of the held-out item of rank ⌈(n + 1)·coverage⌉. `None`
    /// where that is more than n, as for 8 items and a coverage of 0.9: then no set but that of all classes will do.
    pub fn threshold(&self, coverage: f64) -> Option<f32> {
        // So much is lost where (19 + 1)·0.95 is to be 19.
        let rank = ((self.n() + 1) as f64 * coverage - 1e-9).ceil().max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1; too large is no rank")]
        let rank = rank as usize;
        self.p_true.get(rank - 1).copied()
    }

    /// The classes that may be the true one, the most probable first. That one always belongs to the set, which so is never
    /// empty and holds the true class no less often. All classes, where there are too few held-out items for this coverage.
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
    pub fn set(&self, probs: ArrayView1<f32>, coverage: f64) -> Vec<Class> {
        let least = self.threshold(coverage).unwrap_or(0.0);
        let top = predicted(probs);
        let belongs = |(class, p): &(Class, f32)| *p >= least || *class == top;
        let mut set: Vec<(Class, f32)> = (0..).map(Class).zip(probs.iter().copied()).filter(belongs).collect();
        // Stable, so among equals the one with the lowest index comes first, as in `predicted`.
        set.sort_by(|a, b| b.1.total_cmp(&a.1));
        set.into_iter().map(|(class, _)| class).collect()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis, aview1};
    use rand::seq::SliceRandom;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn the_threshold_is_that_of_the_rank_with_one_more_item() {
        let conformal = Conformal::of((1_u8..=9).map(|i| f32::from(i) / 10.0).collect());
        // ⌈10 · 0.9⌉ = 9: the least probable of nine; ⌈10 · 0.85⌉ = 9; ⌈10 · 0.8⌉ = 8
        assert_eq!(conformal.threshold(0.9), Some(0.1));
        assert_eq!(conformal.threshold(0.85), Some(0.1));
        assert_eq!(conformal.threshold(0.8), Some(0.2));
        // ⌈10 · 0.95⌉ = 10 of 9
        assert_eq!(conformal.threshold(0.95), None);
    }

    #[test]
    fn a_set_comes_by_falling_probability_and_never_empty() {
        let conformal = Conformal::of(vec![0.2; 99]);
        let set = |probs: &[f32]| conformal.set(aview1(probs), 0.9).iter().map(|class| class.0).collect::<Vec<_>>();
        assert_eq!(set(&[0.2, 0.5, 0.3]), [1, 2, 0]);
        assert_eq!(set(&[0.19, 0.5, 0.31]), [1, 2]);
        let strict = Conformal::of(vec![0.9; 99]);
        assert_eq!(strict.set(aview1(&[0.3, 0.4, 0.3]), 0.9), [Class(1)]);
    }

    #[test]
    fn too_few_items_for_a_coverage_leave_all_classes_possible() {
        let conformal = Conformal::of(vec![1.0; 8]);
        assert_eq!(conformal.set(aview1(&[1.0, 0.0, 0.0]), 0.9).len(), 3);
        assert_eq!(Conformal::of(vec![1.0; 9]).set(aview1(&[1.0, 0.0, 0.0]), 0.9), [Class(0)]);
        assert_eq!(Conformal::of(vec![]).set(aview1(&[0.5, 0.5]), 0.5).len(), 2);
    }

    /// A model of six classes that is wrong of a third of the items, and does not know how sure it may be.
    fn model(n: usize, rng: &mut ChaCha8Rng) -> Predictions {
        let mut probs = Array2::from_shape_simple_fn((n, 6), || rng.random::<f32>().powi(4) + 1e-3);
        let classes: Vec<Class> = (0..n).map(|_| Class(rng.random_range(0..6))).collect();
        for (mut row, class) in probs.rows_mut().into_iter().zip(&classes) {
            row[class.index()] += 0.9 * rng.random::<f32>();
            let sum = row.sum();
            row /= sum;
        }
        Predictions { probs, classes }
    }

    #[test]
    fn the_true_class_is_in_the_set_as_often_as_is_asked() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let all = model(600, &mut rng);
        let (held_out, splits) = (200_u16, 200_u16);
        let (n, m) = (f64::from(held_out), f64::from(600 - held_out));
        for coverage in [0.8, 0.9, 0.95] {
            let mut hits = Vec::new();
            for _ in 0..splits {
                let mut rows: Vec<usize> = (0..600).collect();
                rows.shuffle(&mut rng);
                let part = |rows: &[usize]| Predictions {
                    probs: all.probs.select(Axis(0), rows),
                    classes: rows.iter().map(|&row| all.classes[row]).collect(),
                };
                let (first, second) = (part(&rows[..held_out.into()]), part(&rows[held_out.into()..]));
                let conformal = Conformal::fit(&first);
                let right = second.probs.rows().into_iter().zip(&second.classes);
                hits.push(right.filter(|(probs, class)| conformal.set(probs.view(), coverage).contains(class)).count());
            }
            // With rank k of n the coverage is a draw of Beta(k, n + 1 − k), and the hits of m new items are binomial
            // given it: mean m k/(n + 1), variance m p(1 − p)(n + 1 + m)/(n + 2).
            let p = ((n + 1.0) * coverage).ceil() / (n + 1.0);
            let sd = (m * p * (1.0 - p) * (n + 1.0 + m) / (n + 2.0)).sqrt();
            let within = hits.iter().filter(|&&hit| (hit as f64 - m * p).abs() <= 1.96 * sd).count();
            assert!(within >= 180, "{coverage}: {within} of {splits} splits");
            let mean = hits.iter().sum::<usize>() as f64 / f64::from(splits);
            assert!(
                (mean - m * p).abs() < 3.0 * sd / f64::from(splits).sqrt() + 0.5,
                "{coverage}: {mean} of {}",
                m * p
            );
        }
    }
}
