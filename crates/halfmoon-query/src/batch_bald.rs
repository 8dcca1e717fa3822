//! What the labels of a whole query tell of the parameters.
//!
//! Kirsch, van Amersfoort, Gal. *BatchBALD: Efficient and Diverse Batch Acquisition for Deep Bayesian Active Learning*. NeurIPS
//! 2019, arXiv:1906.08158.
//!
//! ```text
//! I[y₁ … y_b; θ] = Σ_j I[y_j; θ | y₁ … y_(j−1)]
//! I[y; θ | s] = H[E_(θ|s) p(y | θ)] − E_θ H[p(y | θ)]      averaged over the answers s to those chosen before
//! ```
//!
//! A draw is one θ for the whole pool: draws with a mask of their own for each item would make all of this mean nothing. An answer
//! s weighs the draws anew, p(θ_k | s) ∝ p(s | θ_k), so a candidate needs a product of those weights with its own
//! probabilities and no joint distribution. While there are few answers all are kept; then as many are drawn, and
//! each goes on by drawing its next label from p(y | s). The expectation over that next label is never drawn.
//!
//! The gain of a candidate only falls as others are chosen (it is submodular), so a candidate is looked at again only where its
//! last gain is above the best new one: the choice is that of looking at all, but for the noise of what is drawn.

use std::cmp::Ordering;

use halfmoon_kernels::linear;
use ndarray::{ArrayView2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::bald::{bald, mean_nats};
use crate::picks::Picks;
use crate::places::single;
use crate::pool::Pool;
use crate::rule::Ask;

/// Candidates that are looked at at once, before the order is looked at again.
const BLOCK: usize = 128;

/// Answers whose entropies a thread adds up.
const RUN: usize = 64;

pub(crate) fn batch_bald(pool: &Pool, ask: &Ask, picks: &mut Picks) {
    let draws = |candidate: usize| pool.scores.log_probs.index_axis(Axis(0), candidate);
    let mut answers =
        Answers::new(pool.scores.log_probs.len_of(Axis(1)), ask.configurations, ask.configurations, ask.seed);
    let mut gains = bald(pool, ask).to_vec();
    // How many were chosen when a gain was worked out.
    let mut known_at = vec![0; pool.len()];
    let mut order: Vec<usize> = (0..pool.len()).collect();
    while !picks.is_full() {
        order.retain(|&candidate| picks.is_open(candidate));
        order.sort_by(|&a, &b| gains[b].total_cmp(&gains[a]).then(a.cmp(&b)));
        let Some(&first) = order.first() else { break };
        let chosen = picks.chosen().len();
        if known_at[first] == chosen {
            if picks.offer(first, gains[first]) {
                answers.extend(draws(first));
            }
            continue;
        }
        let old: Vec<usize> =
            order.iter().copied().take(BLOCK).filter(|&candidate| known_at[candidate] < chosen).collect();
        let new = answers.gains(&old.iter().map(|&candidate| draws(candidate)).collect::<Vec<_>>());
        for (candidate, gain) in old.into_iter().zip(new) {
            gains[candidate] = gain;
            known_at[candidate] = chosen;
        }
    }
}

/// Answers to what was chosen, and what each says of the draws.
struct Answers {
    /// p(s), or equal shares once they are drawn: `[s]`.
    shares: Vec<f64>,
    /// p(θ_k | s): `[s, draw]`.
    posterior: Vec<f32>,
    draws: usize,
    /// All are kept up to so many.
    exact: usize,
    /// Then so many are drawn.
    drawn: usize,
    rng: ChaCha8Rng,
}

impl Answers {
    fn new(draws: usize, exact: usize, drawn: usize, seed: u64) -> Answers {
        let posterior = vec![1.0 / draws as f32; draws];
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Answers { shares: vec![1.0], posterior, draws, exact, drawn: drawn.max(1), rng }
    }

    /// I[y; θ | s] in nats, of candidates by their draws `[draw, class]`.
    fn gains(&self, candidates: &[ArrayView2<f32>]) -> Vec<f64> {
        let entropies = self.entropies(candidates).into_iter().zip(candidates);
        entropies.map(|(entropy, draws)| (entropy - mean_nats(draws.view())).max(0.0)).collect()
    }

    /// H[y | s] of each.
    fn entropies(&self, candidates: &[ArrayView2<f32>]) -> Vec<f64> {
        let (answers, classes) = (self.shares.len(), candidates.first().map_or(1, ArrayView2::ncols));
        let by_class = |draws: &ArrayView2<f32>| draws.t().iter().map(|log_prob| log_prob.exp()).collect::<Vec<f32>>();
        let probs: Vec<f32> = candidates.iter().flat_map(by_class).collect();
        let columns = candidates.len() * classes;
        // The gradient of another product is a bᵀ: p(y | s) = Σ_k p(θ_k | s) p(y | θ_k), `[s, candidate, class]`.
        let predictive = linear::input_gradient([answers, columns, self.draws], &self.posterior, &probs);
        let of_run = |(shares, predictive): (&[f64], &[f32])| {
            let mut sums = vec![0.0; candidates.len()];
            for (share, predictive) in shares.iter().zip(predictive.chunks(columns)) {
                for (sum, p) in sums.iter_mut().zip(predictive.chunks(classes)) {
                    let nats: f32 = p.iter().map(|&p| if p > 0.0 { p * p.ln() } else { 0.0 }).sum();
                    *sum -= share * f64::from(nats);
                }
            }
            sums
        };
        let runs = self.shares.par_chunks(RUN).zip(predictive.par_chunks(RUN * columns)).map(of_run);
        let mut entropies = vec![0.0; candidates.len()];
        for sums in runs.collect::<Vec<Vec<f64>>>() {
            entropies.iter_mut().zip(sums).for_each(|(entropy, sum)| *entropy += sum);
        }
        entropies
    }

    /// Every answer is followed by every label of the candidate, or by one that is drawn.
    fn extend(&mut self, draws: ArrayView2<f32>) {
        let probs = probs(draws);
        let classes = draws.ncols();
        let is_exact = self.shares.len().saturating_mul(classes) <= self.exact;
        if !is_exact && self.shares.len() != self.drawn {
            self.resample();
        }
        let mut next = Answers { shares: vec![], posterior: vec![], rng: self.rng.clone(), ..*self };
        let mut p = vec![0.0; classes];
        for (share, posterior) in self.shares.iter().zip(self.posterior.chunks(self.draws)) {
            predictive(posterior, &probs, &mut p);
            if is_exact {
                (0..classes).for_each(|class| next.add(share * p[class], posterior, &probs[class..], classes));
            } else {
                let class = draw(&p, next.rng.random::<f64>());
                next.add(*share, posterior, &probs[class..], classes);
            }
        }
        // Nothing follows where a candidate has no possible label.
        if !next.shares.is_empty() {
            *self = next;
        }
    }

    /// An answer, with p(θ_k | s, y) ∝ p(θ_k | s) p(y | θ_k). What is impossible is left out.
    fn add(&mut self, share: f64, posterior: &[f32], probs_of_class: &[f64], classes: usize) {
        let probs = probs_of_class.iter().step_by(classes);
        let weights = posterior.iter().zip(probs).map(|(&weight, p)| f64::from(weight) * p);
        let sum: f64 = weights.clone().sum();
        if share > 0.0 && sum > 0.0 {
            self.shares.push(share);
            self.posterior.extend(weights.map(|weight| single(weight / sum)));
        }
    }

    /// As many as are drawn from now on, in proportion to their shares, spread evenly over them.
    fn resample(&mut self) {
        let total: f64 = self.shares.iter().sum();
        let step = total / self.drawn as f64;
        let start = self.rng.random::<f64>();
        let (mut posterior, mut at, mut passed) = (Vec::with_capacity(self.drawn * self.draws), 0, self.shares[0]);
        for i in 0..self.drawn {
            while passed < (i as f64 + start) * step && at + 1 < self.shares.len() {
                at += 1;
                passed += self.shares[at];
            }
            posterior.extend_from_slice(&self.posterior[at * self.draws..(at + 1) * self.draws]);
        }
        self.shares = vec![1.0 / self.drawn as f64; self.drawn];
        self.posterior = posterior;
    }
}

/// `[draw, class]`, one after another.
fn probs(draws: ArrayView2<f32>) -> Vec<f64> {
    draws.iter().map(|&log_prob| f64::from(log_prob).exp()).collect()
}

/// p(y | s) = Σ_k p(θ_k | s) p(y | θ_k): `[class]`.
fn predictive(posterior: &[f32], probs: &[f64], p: &mut [f64]) {
    p.fill(0.0);
    for (&weight, probs) in posterior.iter().zip(probs.chunks_exact(p.len())) {
        p.iter_mut().zip(probs).for_each(|(p, prob)| *p += f64::from(weight) * prob);
    }
}

/// The class at which the sum of the probabilities passes this share of it.
fn draw(p: &[f64], share: f64) -> usize {
    let mut left = share * p.iter().sum::<f64>();
    let passes = |p: &f64| {
        left -= p;
        left < 0.0
    };
    let last = || p.iter().rposition(|&p| p.partial_cmp(&0.0) == Some(Ordering::Greater)).unwrap_or_default();
    p.iter().position(passes).unwrap_or_else(last)
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::scores::Scores;

    use super::*;
    use crate::pointwise::nats;
    use crate::testing::{draws, keys, random_draws};

    /// H[y₁ … y_b] and I[y₁ … y_b; θ], answer by answer.
    fn by_enumeration(scores: &Scores, items: &[usize]) -> (f64, f64) {
        let (_, k, c) = scores.log_probs.dim();
        let (mut joint, mut conditional) = (0.0, 0.0);
        for answer in 0..c.pow(u32::try_from(items.len()).expect("few")) {
            let labels =
                items.iter().enumerate().map(|(j, &item)| (item, answer / c.pow(u32::try_from(j).expect("few")) % c));
            let of_draw =
                |draw| labels.clone().map(|(item, y)| f64::from(scores.log_probs[[item, draw, y]])).sum::<f64>().exp();
            let each: Vec<f64> = (0..k).map(of_draw).collect();
            joint += nats(&[each.iter().sum::<f64>() / k as f64]);
            conditional += each.iter().map(|&p| nats(&[p])).sum::<f64>() / k as f64;
        }
        (joint, joint - conditional)
    }

    fn information(answers: &mut Answers, scores: &Scores, items: &[usize]) -> f64 {
        let gain = |&item: &usize| {
            let draws = scores.log_probs.index_axis(Axis(0), item);
            let gain = answers.gains(&[draws])[0];
            answers.extend(draws);
            gain
        };
        items.iter().map(gain).sum()
    }

    #[test]
    fn a_copy_tells_less_than_the_original() {
        // A25.
        let scores = draws(&[&[&[0.9, 0.1], &[0.1, 0.9]], &[&[0.8, 0.2], &[0.3, 0.7]]]);
        let both = |items: &[usize]| information(&mut Answers::new(2, 1000, 1000, 0), &scores, items);
        assert!((both(&[0]) - 0.368_064).abs() < 1e-6);
        assert!((both(&[0, 0]) - 0.514_375).abs() < 1e-6);
        assert!((both(&[0, 1]) - 0.417_322).abs() < 1e-6);
        assert!((both(&[0]) + both(&[1]) - 0.500_570).abs() < 1e-6);
    }

    #[test]
    fn what_answers_tell_is_that_of_enumerating_them() {
        let scores = random_draws(5, 6, 3, 2);
        for items in [&[3][..], &[0, 1], &[4, 2, 2], &[0, 1, 2, 3, 4]] {
            let found = information(&mut Answers::new(6, 1000, 1000, 0), &scores, items);
            assert!((found - by_enumeration(&scores, items).1).abs() < 5e-6, "{items:?}");
        }
    }

    #[test]
    fn a_drawn_joint_entropy_is_within_a_hundredth_of_the_exact_one() {
        // A26.
        let scores = random_draws(6, 5, 3, 3);
        let items = [0, 1, 2, 3, 4, 5];
        let mut answers = Answers::new(5, 1, 100_000, 4);
        let mut entropy = 0.0;
        for item in items {
            let draws = scores.log_probs.index_axis(Axis(0), item);
            entropy += answers.entropies(&[draws])[0];
            answers.extend(draws);
        }
        let expected = by_enumeration(&scores, &items).0;
        assert!((entropy / expected - 1.0).abs() < 0.01, "{entropy} is not {expected}");
        // From exact answers to drawn ones in the middle.
        let expected = by_enumeration(&scores, &items).1;
        let found = information(&mut Answers::new(5, 100, 100_000, 4), &scores, &items);
        assert!((found / expected - 1.0).abs() < 0.01, "{found} is not {expected}");
    }

    #[test]
    fn a_pair_of_eight_is_the_best_one_with_its_first_and_mostly_the_best_of_all() {
        // A26. Greedy is optimal given the first, and never below ¾ of the best pair (Nemhauser, Wolsey & Fisher 1978).
        let mut best_of_all = 0;
        for seed in 0..40 {
            let (scores, keys) = (random_draws(8, 4, 3, seed), keys(8));
            let pool = Pool::new(&scores, &keys);
            let mut picks = Picks::new(&pool, 2, 0.0);
            batch_bald(&pool, &Ask::default(), &mut picks);
            let [first, second] = [0, 1].map(|place| picks.chosen()[place].0);
            let information = |a: usize, b: usize| by_enumeration(&scores, &[a, b]).1;
            let found = information(first, second);
            assert!((picks.chosen()[0].1 + picks.chosen()[1].1 - found).abs() < 5e-6);
            let best_with = |a: usize| (0..8).filter(|&b| b != a).map(|b| information(a, b)).fold(0.0, f64::max);
            assert!(found > best_with(first) - 1e-6, "{seed}");
            let best = (0..8).map(best_with).fold(0.0, f64::max);
            assert!(found >= 0.75 * best, "{seed}: {found} of {best}");
            best_of_all += usize::from(found > best - 1e-6);
        }
        assert!(best_of_all > 20, "{best_of_all} of 40");
    }

    #[test]
    fn looking_again_only_where_it_can_matter_chooses_the_same() {
        let (scores, keys) = (random_draws(120, 6, 3, 9), keys(120));
        let pool = Pool::new(&scores, &keys);
        let mut picks = Picks::new(&pool, 6, 0.0);
        batch_bald(&pool, &Ask::default(), &mut picks);
        let mut answers = Answers::new(6, 10_000, 10_000, 0);
        let draws = |item: usize| scores.log_probs.index_axis(Axis(0), item);
        let mut chosen = vec![];
        for _ in 0..6 {
            let open = (0..120).filter(|item| !chosen.contains(item));
            let best =
                open.map(|item| (answers.gains(&[draws(item)])[0], item)).reduce(|a, b| if b.0 > a.0 { b } else { a });
            let (_, best) = best.expect("114 are open");
            answers.extend(draws(best));
            chosen.push(best);
        }
        assert_eq!(picks.chosen().iter().map(|&(item, _)| item).collect::<Vec<_>>(), chosen);
    }
}
