//! Large and differing gradients.
//!
//! Ash, Zhang, Krishnamurthy, Langford, Agarwal. *Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds*. ICLR
//! 2020, arXiv:1906.03671.
//!
//! ```text
//! g = (p − e_ŷ) ⊗ h      the last layer's gradient, were ŷ = argmax p the label
//! |g_i − g_j|² = |a_i|² |h_i|² + |a_j|² |h_j|² − 2 (a_i · a_j)(h_i · h_j)      a = p − e_ŷ
//! ```
//!
//! The query is the start of k-means++ (Arthur & Vassilvitskii 2007): the longest g, then each with a probability in
//! proportion to its squared distance from the nearest one chosen. No g is ever written out.

use ndarray::ArrayView2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::picks::Picks;
use crate::places::{products, single};
use crate::pointwise::{mean_rows, top_two};
use crate::pool::Pool;
use crate::rule::Ask;

pub(crate) fn badge(pool: &Pool, ask: &Ask, picks: &mut Picks) {
    let codes = pool.scores.codes.as_ref().expect("the rule needs codes");
    let mut rng = ChaCha8Rng::seed_from_u64(ask.seed);
    let mut gradients = Gradients::new(mean_rows(pool.scores), pool.classes(), codes.view());
    let mut nearest = gradients.squares.clone();
    while !picks.is_full() {
        let next = if picks.chosen().is_empty() {
            picks.best(|candidate| gradients.squares[candidate])
        } else {
            draw(picks, &nearest, rng.random()).or_else(|| picks.best(|_| 0.0))
        };
        let Some(next) = next else { break };
        let distance = f64::from(nearest[next]).sqrt() * gradients.scale;
        let is_first = picks.chosen().is_empty();
        if picks.offer(next, distance) {
            if is_first {
                nearest.fill(f32::INFINITY);
            }
            gradients.lower(next, &mut nearest);
        }
    }
}

/// A candidate that is open, in proportion to its squared distance. `None` where all of those are 0.
fn draw(picks: &Picks, nearest: &[f32], share: f64) -> Option<usize> {
    let weight = |candidate: usize| if picks.is_open(candidate) { f64::from(nearest[candidate]) } else { 0.0 };
    let total: f64 = (0..nearest.len()).map(weight).sum();
    let mut left = share * total;
    let passes = |&candidate: &usize| {
        left -= weight(candidate);
        left < 0.0
    };
    let last = || (0..nearest.len()).rev().find(|&candidate| weight(candidate) > 0.0);
    (0..nearest.len()).find(passes).or_else(last)
}

/// The factors of every g, and |g|².
struct Gradients {
    a: Vec<f32>, // [n, class]
    h: Vec<f32>, // [n, h], brought into −1…1
    classes: usize,
    width: usize,
    squares: Vec<f32>,
    scale: f64,
    products: [Vec<f32>; 2],
}

impl Gradients {
    fn new(mut a: Vec<f64>, classes: usize, codes: ArrayView2<f32>) -> Gradients {
        for a in a.chunks_mut(classes) {
            let [(top, _), _] = top_two(a);
            a[top] -= 1.0;
        }
        let most = codes.iter().fold(0.0_f64, |most, &x| most.max(f64::from(x).abs()));
        let scale = if most > 0.0 { most } else { 1.0 };
        let n = codes.nrows();
        let mut gradients = Gradients {
            a: a.into_iter().map(single).collect(),
            h: codes.iter().map(|&x| single(f64::from(x) / scale)).collect(),
            classes,
            width: codes.ncols(),
            squares: vec![],
            scale,
            products: [vec![0.0; n], vec![0.0; n]],
        };
        gradients.squares = (0..n).map(|row| gradients.square(row)).collect();
        gradients
    }

    /// |g|², by the same sums as the products of rows have: between copies nothing is left over.
    fn square(&self, row: usize) -> f32 {
        let of = |rows: &[f32], width: usize| {
            let mut square = [0.0];
            products(&rows[row * width..(row + 1) * width], width, 0, &mut square);
            square[0]
        };
        of(&self.a, self.classes) * of(&self.h, self.width)
    }

    /// nearest_i ← min(nearest_i, |g_i − g|²) for g, one of them.
    fn lower(&mut self, row: usize, nearest: &mut [f32]) {
        let [of_a, of_h] = &mut self.products;
        products(&self.a, self.classes, row, of_a);
        products(&self.h, self.width, row, of_h);
        let square = self.squares[row];
        let terms = self.squares.par_iter().zip(of_a.par_iter().zip(of_h));
        nearest.par_iter_mut().with_min_len(4096).zip(terms).for_each(|(nearest, (of_it, (a, h)))| {
            *nearest = nearest.min((of_it + square - 2.0 * *a * *h).max(0.0));
        });
        nearest[row] = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use halfmoon_pool::scores::Scores;

    use super::*;
    use crate::testing::{keys, random_codes, random_draws};

    #[test]
    fn distances_from_factors_are_those_of_the_whole_gradients() {
        // A28.
        let (scores, codes) = (random_draws(30, 1, 4, 1), random_codes(30, 5, 2));
        let probs = mean_rows(&scores);
        let whole: Vec<Vec<f64>> = (0..30)
            .map(|i| {
                let p = &probs[i * 4..(i + 1) * 4];
                let top = top_two(p)[0].0;
                let a = p.iter().enumerate().map(|(c, p)| if c == top { p - 1.0 } else { *p });
                a.flat_map(|a| codes.row(i).iter().map(move |&h| a * f64::from(h)).collect::<Vec<_>>()).collect()
            })
            .collect();
        let mut gradients = Gradients::new(probs, 4, codes.view());
        let unit = gradients.scale * gradients.scale;
        for j in 0..30 {
            let mut nearest = vec![f32::INFINITY; 30];
            gradients.lower(j, &mut nearest);
            for i in 0..30 {
                let expected: f64 = whole[i].iter().zip(&whole[j]).map(|(a, b)| (a - b).powi(2)).sum();
                assert!((f64::from(nearest[i]) * unit - expected).abs() < 1e-5, "{i} {j}");
            }
        }
    }

    #[test]
    fn the_longest_gradient_comes_first_and_nothing_comes_twice() {
        // A28.
        let scores = Scores { codes: Some(random_codes(50, 6, 3)), ..random_draws(50, 1, 3, 4) };
        let keys = keys(50);
        let pool = Pool::new(&scores, &keys);
        let lengths = Gradients::new(mean_rows(&scores), 3, scores.codes.as_ref().expect("set above").view()).squares;
        let longest = (0..50).max_by(|&a, &b| lengths[a].total_cmp(&lengths[b])).expect("fifty");
        for seed in 0..10 {
            let mut picks = Picks::new(&pool, 50, 0.0);
            badge(&pool, &Ask { seed, ..Ask::default() }, &mut picks);
            let chosen: Vec<usize> = picks.chosen().iter().map(|&(item, _)| item).collect();
            assert_eq!(chosen[0], longest);
            assert_eq!(chosen.iter().collect::<HashSet<_>>().len(), 50);
        }
    }

    #[test]
    fn the_second_is_drawn_in_proportion_to_its_squared_distance() {
        // a is (−½, ½) for all; h is 5, 4 and 3: after the longest the squared distances are as 1 to 4.
        let codes = ndarray::array![[5.0_f32], [4.0], [3.0]];
        let scores =
            Scores { codes: Some(codes), ..crate::testing::draws(&[&[&[0.5, 0.5]], &[&[0.5, 0.5]], &[&[0.5, 0.5]]]) };
        let keys = keys(3);
        let pool = Pool::new(&scores, &keys);
        let last = (0..2000).filter(|&seed| {
            let mut picks = Picks::new(&pool, 2, 0.0);
            badge(&pool, &Ask { seed, ..Ask::default() }, &mut picks);
            picks.chosen()[1].0 == 2
        });
        let share = last.count() as f64 / 2000.0;
        // The standard deviation is 0.009.
        assert!((share - 0.8).abs() < 0.03, "{share}");
    }
}
