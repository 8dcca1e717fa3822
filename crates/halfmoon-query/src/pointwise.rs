//! Rules that look at the probabilities of one candidate, averaged over draws: p below.
//!
//! Settles, *Active Learning Literature Survey*, 2009, section 3.1.

use halfmoon_pool::metric;
use halfmoon_pool::scores::Scores;
use ndarray::{Array1, ArrayView2, Axis};
use rayon::prelude::*;

use crate::pool::{Pool, mix, unit};
use crate::rule::{Ask, place_in_line};

/// u ~ 𝒰(0, 1), by key and seed.
pub(crate) fn random(pool: &Pool, ask: &Ask) -> Array1<f64> {
    pool.keys.iter().map(|&key| unit(mix(place_in_line(key, ask.seed)))).collect()
}

/// 1 − max p.
pub(crate) fn least_confident(pool: &Pool, _: &Ask) -> Array1<f64> {
    each(pool.scores, |_, p| 1.0 - top_two(p)[0].1)
}

/// −(p₍₁₎ − p₍₂₎), the two highest. With one class only: −1.
pub(crate) fn margin(pool: &Pool, _: &Ask) -> Array1<f64> {
    each(pool.scores, |_, p| {
        let [first, second] = top_two(p);
        second.1 - first.1
    })
}

/// H[p], in nats.
pub(crate) fn entropy(pool: &Pool, _: &Ask) -> Array1<f64> {
    each(pool.scores, |_, p| nats(p))
}

pub(crate) fn likeliest(pool: &Pool, item: usize, _: f64) -> String {
    let [(class, p), _] = top_two(&mean_of(pool, item));
    let likely = if p < 0.5 { "no class is likely" } else { "the likeliest class is not certain" };
    format!("{likely}: {} has the most, {p:.2}", pool.class_name(class))
}

pub(crate) fn two_alike(pool: &Pool, item: usize, utility: f64) -> String {
    let [(first, p), (second, q)] = top_two(&mean_of(pool, item));
    let alike = if utility > -0.2 { "two classes nearly alike" } else { "the two likeliest classes" };
    format!("{alike}: {} {p:.2}, {} {q:.2}", pool.class_name(first), pool.class_name(second))
}

pub(crate) fn undecided(pool: &Pool, item: usize, _: f64) -> String {
    let p = mean_of(pool, item);
    let [(first, highest), (second, next)] = top_two(&p);
    let (nats, most) = (nats(&p), (p.len() as f64).ln());
    // With two classes that is where one of them has nine tenths.
    let undecided = if nats < most / 2.0 { "a little undecided" } else { "undecided" };
    format!(
        "{undecided}: {nats:.2} of at most {most:.2} nats, {} {highest:.2}, {} {next:.2}",
        pool.class_name(first),
        pool.class_name(second)
    )
}

/// Of every candidate what a function says of its draws, `[draw, class]`, and of p, `[class]`.
pub(crate) fn each(scores: &Scores, of: impl Fn(ArrayView2<f32>, &[f64]) -> f64 + Sync) -> Array1<f64> {
    let judged = |p: &mut Vec<f64>, item: usize| {
        let draws = scores.log_probs.index_axis(Axis(0), item);
        mean_probs(draws, p);
        of(draws, p)
    };
    let n = scores.log_probs.len_of(Axis(0));
    (0..n).into_par_iter().with_min_len(1024).map_init(Vec::new, judged).collect::<Vec<f64>>().into()
}

/// p of every candidate: `[n, class]`.
pub(crate) fn mean_rows(scores: &Scores) -> Vec<f64> {
    let mut p = vec![];
    let rows = scores.log_probs.outer_iter().flat_map(|draws| {
        mean_probs(draws, &mut p);
        p.clone()
    });
    rows.collect()
}

pub(crate) fn mean_of(pool: &Pool, item: usize) -> Vec<f64> {
    let mut p = vec![];
    mean_probs(pool.scores.log_probs.index_axis(Axis(0), item), &mut p);
    p
}

/// Mean over the draws, summing to 1.
fn mean_probs(draws: ArrayView2<f32>, p: &mut Vec<f64>) {
    p.clear();
    p.resize(draws.ncols(), 0.0);
    for draw in draws.rows() {
        for (p, &log_prob) in p.iter_mut().zip(draw) {
            *p += f64::from(log_prob.exp());
        }
    }
    let sum: f64 = p.iter().sum();
    if sum > 0.0 {
        for p in p {
            *p /= sum;
        }
    }
}

/// −Σ p ln p, in nats.
pub(crate) fn nats(p: &[f64]) -> f64 {
    metric::entropy(p.iter().copied())
}

/// The two likeliest classes with their probabilities.
pub(crate) fn top_two(p: &[f64]) -> [(usize, f64); 2] {
    metric::two_highest(p.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::single;
    use crate::testing::{draws, keys};

    #[test]
    fn three_candidates_by_hand() {
        let scores = draws(&[&[&[0.5, 0.3, 0.2]], &[&[1.0, 0.0, 0.0]], &[&[0.25, 0.25, 0.5]]]);
        let keys = keys(3);
        let pool = Pool::new(&scores, &keys);
        let near = |found: Array1<f64>, expected: [f64; 3]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found} is not {expected:?}");
        };
        near(least_confident(&pool, &Ask::default()), [0.5, 0.0, 0.5]);
        near(margin(&pool, &Ask::default()), [-0.2, -1.0, -0.25]);
        // −0.5 ln 0.5 − 0.3 ln 0.3 − 0.2 ln 0.2; 1.5 ln 2.
        near(entropy(&pool, &Ask::default()), [1.029_653, 0.0, 1.039_721]);
    }

    #[test]
    fn probabilities_are_averaged_before_they_are_judged() {
        let scores = draws(&[&[&[0.9, 0.1], &[0.1, 0.9]]]);
        let keys = keys(1);
        let found = entropy(&Pool::new(&scores, &keys), &Ask::default());
        assert!((found[0] - 2.0_f64.ln()).abs() < 1e-7);
    }

    #[test]
    fn of_two_classes_least_confident_margin_and_entropy_rank_alike() {
        // A24.
        let rows: Vec<[f32; 2]> = keys(500).iter().map(|&key| single(unit(key))).map(|p| [p, 1.0 - p]).collect();
        let rows: Vec<[&[f32]; 1]> = rows.iter().map(|row| [row.as_slice()]).collect();
        let rows: Vec<&[&[f32]]> = rows.iter().map(<[&[f32]; 1]>::as_slice).collect();
        let (scores, keys) = (draws(&rows), keys(500));
        let pool = Pool::new(&scores, &keys);
        let rank = |utilities: Array1<f64>| {
            let mut order: Vec<usize> = (0..500).collect();
            order.sort_by(|&a, &b| utilities[b].total_cmp(&utilities[a]));
            order
        };
        let expected = rank(entropy(&pool, &Ask::default()));
        assert_eq!(rank(margin(&pool, &Ask::default())), expected);
        assert_eq!(rank(least_confident(&pool, &Ask::default())), expected);
    }

    #[test]
    fn reasons_name_the_classes() {
        let names = ["cat", "dog", "owl"].map(str::to_owned);
        let (scores, keys) = (draws(&[&[&[0.48, 0.07, 0.45]]]), keys(1));
        let pool = Pool { class_names: &names, ..Pool::new(&scores, &keys) };
        assert_eq!(two_alike(&pool, 0, -0.03), "two classes nearly alike: cat 0.48, owl 0.45");
        assert_eq!(likeliest(&pool, 0, 0.52), "no class is likely: cat has the most, 0.48");
        let pool = Pool::new(&scores, &keys);
        assert_eq!(undecided(&pool, 0, 0.9), "undecided: 0.90 of at most 1.10 nats, 0 0.48, 2 0.45");
    }
}
