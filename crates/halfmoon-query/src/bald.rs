//! How far the draws disagree: what the label would tell of the parameters.
//!
//! Houlsby, Huszár, Ghahramani, Lengyel. *Bayesian Active Learning for Classification and Preference Learning*. 2011,
//! arXiv:1112.5745. Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron, Gal. *Stochastic Batch Acquisition*. TMLR 2023,
//! arXiv:2106.12059, for the power.
//!
//! ```text
//! I[y; θ | x] = H[E_θ p(y | x, θ)] − E_θ H[p(y | x, θ)]
//! ```

use ndarray::{Array1, ArrayView2};

use crate::pointwise::{each, mean_of, nats, top_two};
use crate::pool::{Pool, mix, unit};
use crate::rule::{Ask, place_in_line};

/// I[y; θ | x], in nats.
pub(crate) fn bald(pool: &Pool, _: &Ask) -> Array1<f64> {
    each(pool.scores, gained)
}

/// H[p̄] − mean_k H[p_k] of draws `[draw, class]` and their mean.
fn gained(draws: ArrayView2<f32>, mean: &[f64]) -> f64 {
    (nats(mean) - mean_nats(draws)).max(0.0)
}

/// β ln I + g with g ~ Gumbel: the b highest are b draws without replacement with probabilities as I^β.
pub(crate) fn power_bald(pool: &Pool, ask: &Ask) -> Array1<f64> {
    let mut utilities = bald(pool, ask);
    for (utility, &key) in utilities.iter_mut().zip(pool.keys) {
        // Another number than the one that breaks ties.
        let uniform = unit(mix(place_in_line(key, ask.seed))).max(f64::MIN_POSITIVE);
        let gumbel = -(-uniform.ln()).ln();
        *utility = if ask.power > 0.0 { ask.power * utility.ln() } else { 0.0 } + gumbel;
    }
    utilities
}

/// E_θ H[p(y | x, θ)].
pub(crate) fn mean_nats(draws: ArrayView2<f32>) -> f64 {
    // With ln p at hand this is faster than `nats`.
    let of = |draw: ndarray::ArrayView1<f32>| {
        let terms = draw.iter().map(|&log_prob| {
            let log_prob = f64::from(log_prob);
            if log_prob > f64::NEG_INFINITY { -log_prob * log_prob.exp() } else { 0.0 }
        });
        terms.sum::<f64>()
    };
    draws.rows().into_iter().map(of).sum::<f64>() / draws.nrows() as f64
}

pub(crate) fn disagree(_: &Pool, _: usize, utility: f64) -> String {
    format!("the draws disagree: its label tells {utility:.3} nats of the model")
}

pub(crate) fn drawn(pool: &Pool, item: usize, _: f64) -> String {
    let draws = pool.scores.log_probs.index_axis(ndarray::Axis(0), item);
    let p = mean_of(pool, item);
    let [(class, _), _] = top_two(&p);
    let nats = gained(draws, &p);
    format!("drawn among those on which the draws disagree: {nats:.3} nats, most are for {}", pool.class_name(class))
}

#[cfg(test)]
mod tests {
    use std::f64::consts::LN_2;

    use super::*;
    use crate::testing::{draws, keys};

    #[test]
    fn bald_of_four_candidates_is_that_of_the_reference() {
        // A23.
        let two = draws(&[&[&[1.0, 0.0], &[0.0, 1.0]], &[&[0.5, 0.5], &[0.5, 0.5]], &[&[0.9, 0.1], &[0.1, 0.9]]]);
        let keys = keys(3);
        let found = bald(&Pool::new(&two, &keys), &Ask::default());
        for (found, expected) in found.iter().zip([LN_2, 0.0, 0.368_064]) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
        let three = draws(&[&[&[0.7, 0.2, 0.1], &[0.1, 0.8, 0.1], &[0.2, 0.2, 0.6]]]);
        let found = bald(&Pool::new(&three, &keys[..1]), &Ask::default());
        assert!((found[0] - 0.288_148).abs() < 1e-6, "{found}");
    }

    #[test]
    fn power_bald_draws_in_proportion_to_bald() {
        // 0.368 against 0.693: the first of two is drawn first in 0.368 / 1.061 = 0.347 of the seeds; β = 0 tosses a coin.
        let scores = draws(&[&[&[0.9, 0.1], &[0.1, 0.9]], &[&[1.0, 0.0], &[0.0, 1.0]]]);
        let keys = keys(2);
        let pool = Pool::new(&scores, &keys);
        let share = |power| {
            let first = (0..4000).filter(|&seed| {
                let utilities = power_bald(&pool, &Ask { seed, power, ..Ask::default() });
                utilities[0] > utilities[1]
            });
            first.count() as f64 / 4000.0
        };
        // The standard deviation of a share of 4,000 is below 0.008.
        assert!((share(1.0) - 0.346_83).abs() < 0.025, "{}", share(1.0));
        assert!((share(0.0) - 0.5).abs() < 0.025);
        assert!(share(50.0) < 0.001);
    }

    #[test]
    fn where_all_draws_agree_power_bald_never_asks_first() {
        let scores = draws(&[&[&[1.0, 0.0], &[1.0, 0.0]], &[&[0.6, 0.4], &[0.5, 0.5]]]);
        let keys = keys(2);
        let found = power_bald(&Pool::new(&scores, &keys), &Ask::default());
        assert!(found[0] == f64::NEG_INFINITY && found[1].is_finite());
    }
}
