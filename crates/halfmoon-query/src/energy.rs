//! Rules that look at log p(x), such as that of an energy model: log p(x) = −E(x) up to a constant.
//!
//! Grathwohl, Wang, Jacobsen, Duvenaud, Norouzi, Swersky. *Your Classifier is Secretly an Energy Based Model and You Should Treat
//! it Like One*. ICLR 2020, arXiv:1912.03263, for the density of a classifier.

use ndarray::Array1;

use crate::pointwise::{each, nats, undecided};
use crate::pool::Pool;
use crate::rule::Ask;

/// −log p(x).
pub(crate) fn novelty(pool: &Pool, _: &Ask) -> Array1<f64> {
    -log_density(pool)
}

/// H[p] exp(β r), which no paper has, with r from 0, the least plausible of the candidates, to 1: what is strange has a high entropy, too, and is
/// not worth a label.
pub(crate) fn plausible_entropy(pool: &Pool, ask: &Ask) -> Array1<f64> {
    let ranks = ranks(&log_density(pool));
    each(pool.scores, |_, p| nats(p)) * ranks.mapv(|rank| (ask.plausibility * rank).exp())
}

pub(crate) fn unlike(pool: &Pool, _: usize, utility: f64) -> String {
    // A classifier's logits say log p(x) up to a constant that nobody knows.
    let what = if pool.scores.log_density.is_some() { "log p(x) is" } else { "log p(x) is, up to a constant," };
    format!("unlike what the model has seen: {what} {:.1}", -utility)
}

pub(crate) fn plausible(pool: &Pool, item: usize, _: f64) -> String {
    let density = log_density(pool);
    let below = density.iter().filter(|&&other| other < density[item]).count();
    let undecided = undecided(pool, item, 0.0);
    format!("{undecided}; more plausible than {:.0} % of the candidates", 100.0 * below as f64 / density.len() as f64)
}

fn log_density(pool: &Pool) -> Array1<f64> {
    let scores = pool.scores;
    let from_energy = || scores.energy.as_ref().map(|energy| energy.mapv(|energy| -f64::from(energy)));
    scores
        .log_density
        .as_ref()
        .map(|density| density.mapv(f64::from))
        .or_else(from_energy)
        .expect("the rule needs one of them")
}

/// From 0 for the lowest to 1 for the highest; equals share the mean of their ranks, and a single one has ½.
fn ranks(values: &Array1<f64>) -> Array1<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = Array1::from_elem(values.len(), 0.5);
    let last = values.len().saturating_sub(1).max(1) as f64;
    let mut first = 0;
    for equals in order.chunk_by(|&a, &b| values[a].total_cmp(&values[b]).is_eq()) {
        if values.len() > 1 {
            for &item in equals {
                ranks[item] = (first as f64 + 0.5 * (equals.len() - 1) as f64) / last;
            }
        }
        first += equals.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{E, LN_2};

    use halfmoon_pool::scores::Scores;
    use ndarray::array;

    use super::*;
    use crate::testing::{draws, keys};

    #[test]
    fn ranks_of_equals_are_their_mean() {
        let expected = array![0.625, 0.0, 0.625, 0.25, 1.0];
        assert_eq!(ranks(&array![2.0, f64::NEG_INFINITY, 2.0, -1.0, 7.0]), expected);
        assert_eq!(ranks(&array![3.0, 3.0]), array![0.5, 0.5]);
        assert_eq!(ranks(&array![3.0]), array![0.5]);
    }

    #[test]
    fn of_two_that_are_as_undecided_the_plausible_one_is_asked() {
        let scores = Scores {
            energy: Some(array![90.0, 10.0, 20.0]),
            ..draws(&[&[&[0.5, 0.5]], &[&[0.5, 0.5]], &[&[0.99, 0.01]]])
        };
        let keys = keys(3);
        let pool = Pool::new(&scores, &keys);
        assert_eq!(novelty(&pool, &Ask::default()), array![90.0, 10.0, 20.0]);
        let found = plausible_entropy(&pool, &Ask::default());
        // H(0.01) is 0.056.
        let expected = [LN_2, LN_2 * E, 0.056_002 * E.sqrt()];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found}");
        let plain = plausible_entropy(&pool, &Ask { plausibility: 0.0, ..Ask::default() });
        assert!((plain[0] - plain[1]).abs() < 1e-12);
    }

    #[test]
    fn a_density_is_preferred_to_an_energy() {
        let scores = Scores { energy: Some(array![1.0]), log_density: Some(array![-7.0]), ..draws(&[&[&[0.5, 0.5]]]) };
        assert_eq!(novelty(&Pool::new(&scores, &keys(1)), &Ask::default()), array![7.0]);
    }
}
