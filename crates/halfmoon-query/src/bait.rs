//! The candidates whose labels leave the least variance.
//!
//! Ash, Goel, Krishnamurthy, Kakade. *Gone Fishing: Neural Active Learning with Fisher Embeddings*. NeurIPS 2021, arXiv:2106.09675.
//!
//! ```text
//! argmin_S tr(I_U (λI + I_L + Σ_(x in S) I_x)⁻¹)      I_x = (diag p − p pᵀ) ⊗ h hᵀ, of the last layer
//! ```
//!
//! Here I_x is its blocks on the diagonal, a class each: ⊕_c s_c h hᵀ with s_c = p_c (1 − p_c), the information of one classifier
//! a class. (For two classes that ranks as the whole does: both blocks are that of the one logit.) Then with A a class's inverse,
//! F its block of I_U and v = A h, adding x lowers the trace by
//!
//! ```text
//! Σ_c s g / (1 + s a)      a = hᵀ A h      g = hᵀ A F A h
//! a' = a − τ (h·v)²      g' = g − 2τ (h·v)(h·AFv) + τ² (v·Fv) (h·v)²      τ = s / (1 + s a of x)
//! ```
//!
//! for every other candidate: a product of 2C columns a pick. Twice as many as asked for are chosen, and then those are taken
//! away that raise the trace the least.

use halfmoon_kernels::linear;
use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

use crate::last_layer::{Inverse, inputs, unit};
use crate::picks::Picks;
use crate::places::single;
use crate::pointwise::mean_rows;
use crate::pool::Pool;
use crate::rule::Ask;

/// λ, where codes have length 1 on average.
const LAMBDA: f64 = 0.1;

/// Items chosen before the worst are taken away, for each that is asked for. The paper has 2.
const OVERSAMPLING: usize = 2;

pub(crate) fn bait(pool: &Pool, _: &Ask, picks: &mut Picks) {
    let mut information = Information::new(pool);
    let mut many = picks.empty(picks.budget().saturating_mul(OVERSAMPLING));
    while !many.is_full() {
        let gains = information.gains();
        let Some(best) = many.best(|candidate| gains[candidate]) else { break };
        if many.offer(best, gains[best]) {
            information.add(best, 1.0);
        }
    }
    let chosen = many.chosen();
    let mut information = information.select(&chosen.iter().map(|&(item, _)| item).collect::<Vec<_>>());
    let mut is_kept = vec![true; chosen.len()];
    for _ in picks.budget()..chosen.len() {
        let losses = information.losses();
        let kept = (0..chosen.len()).filter(|&place| is_kept[place]);
        let worst = kept.reduce(|worst, next| if losses[next] <= losses[worst] { next } else { worst });
        let worst = worst.expect("more are chosen than asked for");
        is_kept[worst] = false;
        information.add(worst, -1.0);
    }
    // Those turned down among the many count once: whoever is offered here is none of them.
    for (&(item, gain), _) in chosen.iter().zip(&is_kept).filter(|(_, is_kept)| **is_kept) {
        picks.offer(item, gain);
    }
    picks.count_too_near(many.too_near());
}

/// What each candidate would do to the trace.
struct Information {
    h: Array2<f32>, // inputs of the last layer: [n, d]
    s: Array2<f64>, // p (1 − p): [n, class]
    blocks: Vec<Block>,
}

/// That of one class.
struct Block {
    inverse: Inverse, // A: [d, d]
    f: Array2<f64>,   // F: [d, d]
    a: Array1<f64>,   // hᵀ A h: [n]
    g: Array1<f64>,   // hᵀ A F A h: [n]
}

impl Information {
    fn new(pool: &Pool) -> Information {
        let codes = pool.scores.codes.as_ref().expect("the rule needs codes");
        let unit = unit(codes.view());
        let h = inputs(codes.view(), unit);
        let s = variances(mean_rows(pool.scores), pool.classes());
        let labelled = pool.labelled.map(|labelled| {
            let codes = labelled.scores.codes.as_ref().expect("labelled items have codes where candidates have");
            (inputs(codes.view(), unit), variances(mean_rows(labelled.scores), pool.classes()))
        });
        let block = |class: usize| {
            let mut inverse = Inverse::new(h.ncols(), LAMBDA);
            for (h, s) in labelled.iter().flat_map(|(h, s)| h.rows().into_iter().zip(s.column(class))) {
                inverse.add(*s, h);
            }
            let f = moment(&h, s.column(class).mapv(|s| s / h.nrows() as f64));
            let a = forms(&h, &inverse.0);
            let g = forms(&h, &inverse.0.dot(&f).dot(&inverse.0));
            Block { inverse, f, a, g }
        };
        let blocks = (0..pool.classes()).map(block).collect();
        Information { h, s, blocks }
    }

    /// By how much each candidate lowers the trace: `[n]`.
    fn gains(&self) -> Vec<f64> {
        self.sums(|s, a, g| s * g / (1.0 + s * a.max(0.0)))
    }

    /// By how much the trace rises without each, all being in it: `[n]`.
    fn losses(&self) -> Vec<f64> {
        self.sums(|s, a, g| s * g / (1.0 - s * a).max(1e-9))
    }

    fn sums(&self, of: impl Fn(f64, f64, f64) -> f64 + Sync) -> Vec<f64> {
        let sum = |item: usize| {
            let s = self.s.row(item);
            self.blocks.iter().zip(s).map(|(block, &s)| of(s, block.a[item], block.g[item].max(0.0))).sum()
        };
        (0..self.h.nrows()).into_par_iter().with_min_len(1024).map(sum).collect()
    }

    /// Adds a candidate's information, or with −1 takes it away.
    fn add(&mut self, item: usize, sign: f64) {
        let ((n, d), classes) = (self.h.dim(), self.blocks.len());
        let mut columns = Vec::with_capacity(2 * classes * d);
        let mut steps = vec![];
        for (block, &s) in self.blocks.iter_mut().zip(self.s.row(item)) {
            let before = block.inverse.clone();
            let (v, tau) = block.inverse.add(sign * s, self.h.row(item));
            let f_v = block.f.dot(&v);
            let u = before.0.dot(&f_v);
            steps.push((tau, v.dot(&f_v)));
            columns.extend(v.iter().chain(&u).map(|&x| single(x)));
        }
        let h = self.h.as_slice().expect("made in rows");
        // The gradient of another product is h wᵀ.
        let products = linear::input_gradient([n, 2 * classes, d], h, &columns);
        for (class, (block, (tau, v_f_v))) in self.blocks.iter_mut().zip(steps).enumerate() {
            for ((a, g), products) in block.a.iter_mut().zip(&mut block.g).zip(products.chunks(2 * classes)) {
                let (h_v, h_u) = (f64::from(products[2 * class]), f64::from(products[2 * class + 1]));
                *a -= tau * h_v * h_v;
                *g += tau * h_v * (tau * v_f_v * h_v - 2.0 * h_u);
            }
        }
    }

    /// The same of some candidates.
    fn select(&self, items: &[usize]) -> Information {
        let of = |block: &Block| Block {
            inverse: block.inverse.clone(),
            f: block.f.clone(),
            a: block.a.select(Axis(0), items),
            g: block.g.select(Axis(0), items),
        };
        Information {
            h: self.h.select(Axis(0), items),
            s: self.s.select(Axis(0), items),
            blocks: self.blocks.iter().map(of).collect(),
        }
    }
}

/// p (1 − p): `[n, class]`.
fn variances(probs: Vec<f64>, classes: usize) -> Array2<f64> {
    let rows = probs.len() / classes.max(1);
    let variances = probs.into_iter().map(|p| p * (1.0 - p).max(0.0)).collect();
    Array2::from_shape_vec((rows, classes), variances).expect("a row an item")
}

/// Σ_i w_i h_i h_iᵀ: `[d, d]`.
fn moment(h: &Array2<f32>, weights: Array1<f64>) -> Array2<f64> {
    let (n, d) = h.dim();
    let weighted = h * &weights.mapv(single).insert_axis(Axis(1));
    let h = h.as_slice().expect("made in rows");
    let moment = linear::weight_gradient([n, d, d], h, weighted.as_slice().expect("made in rows"));
    Array2::from_shape_vec((d, d), moment).expect("as wide as long").mapv(f64::from)
}

/// h_iᵀ M h_i of every row, M symmetric: `[n]`.
fn forms(h: &Array2<f32>, matrix: &Array2<f64>) -> Array1<f64> {
    let (n, d) = h.dim();
    let matrix: Vec<f32> = matrix.iter().map(|&x| single(x)).collect();
    let rows = h.as_slice().expect("made in rows");
    let products = linear::input_gradient([n, d, d], rows, &matrix);
    let of = |(h, m): (&[f32], &[f32])| h.iter().zip(m).map(|(&h, &m)| f64::from(h) * f64::from(m)).sum::<f64>();
    rows.chunks(d).zip(products.chunks(d)).map(of).collect()
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::scores::Scores;

    use super::*;
    use crate::pool::Labelled;
    use crate::testing::{keys, random_codes, random_draws};

    fn with_codes(n: usize, classes: usize, seed: u64) -> Scores {
        Scores { codes: Some(random_codes(n, 3, seed)), ..random_draws(n, 1, classes, seed + 50) }
    }

    /// tr(I_U M⁻¹) by elimination: of a matrix M and I_U.
    fn trace(mut m: Array2<f64>, mut f: Array2<f64>) -> f64 {
        let d = m.nrows();
        for column in 0..d {
            let pivot = m[[column, column]];
            for row in (0..d).filter(|&row| row != column) {
                let factor = m[[row, column]] / pivot;
                let (of_m, of_f) = (m.row(column).to_owned(), f.row(column).to_owned());
                m.row_mut(row).scaled_add(-factor, &of_m);
                f.row_mut(row).scaled_add(-factor, &of_f);
            }
        }
        (0..d).map(|i| f[[i, i]] / m[[i, i]]).sum()
    }

    /// Σ_c of the traces with these candidates added.
    fn trace_with(pool: &Pool, items: &[usize]) -> f64 {
        let codes = pool.scores.codes.as_ref().expect("with codes");
        let unit = unit(codes.view());
        let labelled = pool.labelled.expect("with labelled items").scores;
        let (h, other) =
            (inputs(codes.view(), unit), inputs(labelled.codes.as_ref().expect("with codes").view(), unit));
        let (s, of_other) =
            (variances(mean_rows(pool.scores), pool.classes()), variances(mean_rows(labelled), pool.classes()));
        let outer = |h: ndarray::ArrayView1<f32>, s: f64| {
            Array2::from_shape_fn((4, 4), |(i, j)| s * f64::from(h[i]) * f64::from(h[j]))
        };
        let of_class = |class: usize| {
            let mut m = Array2::from_diag_elem(4, LAMBDA);
            (0..other.nrows()).for_each(|i| m += &outer(other.row(i), of_other[[i, class]]));
            for &i in items {
                m += &outer(h.row(i), s[[i, class]]);
            }
            let mut f = Array2::zeros((4, 4));
            (0..h.nrows()).for_each(|i| f += &outer(h.row(i), s[[i, class]] / h.nrows() as f64));
            trace(m, f)
        };
        (0..pool.classes()).map(of_class).sum()
    }

    #[test]
    fn gains_and_losses_are_differences_of_traces() {
        let (scores, labelled, keys) = (with_codes(25, 3, 1), with_codes(4, 3, 2), keys(25));
        let pool = Pool { labelled: Some(Labelled { scores: &labelled, inputs: None }), ..Pool::new(&scores, &keys) };
        let mut information = Information::new(&pool);
        let mut chosen = vec![];
        for next in [3, 17, 8] {
            let (gains, before) = (information.gains(), trace_with(&pool, &chosen));
            for (item, gain) in gains.iter().enumerate() {
                let after = trace_with(&pool, &[&chosen[..], &[item]].concat());
                assert!((gain - (before - after)).abs() < 1e-4 * before, "{item}: {gain} is not {}", before - after);
            }
            information.add(next, 1.0);
            chosen.push(next);
        }
        let (losses, with_all) = (information.losses(), trace_with(&pool, &chosen));
        for &gone in &chosen {
            let others: Vec<usize> = chosen.iter().copied().filter(|&item| item != gone).collect();
            let expected = trace_with(&pool, &others) - with_all;
            assert!((losses[gone] - expected).abs() < 1e-4 * with_all, "{} is not {expected}", losses[gone]);
        }
        information.add(17, -1.0);
        let gains = information.gains();
        let expected = trace_with(&pool, &[3, 8]) - trace_with(&pool, &[3, 8, 11]);
        assert!((gains[11] - expected).abs() < 1e-4 * with_all);
    }

    #[test]
    fn of_two_classes_the_best_is_that_of_the_whole_information() {
        // One logit: I_x = p (1 − p) h hᵀ, and both blocks are that.
        let (scores, labelled, keys) = (with_codes(30, 2, 3), with_codes(5, 2, 4), keys(30));
        let pool = Pool { labelled: Some(Labelled { scores: &labelled, inputs: None }), ..Pool::new(&scores, &keys) };
        let mut picks = Picks::new(&pool, 1, 0.0);
        bait(&pool, &Ask::default(), &mut picks);
        let one_of_two = |items: &[usize]| trace_with(&pool, items) / 2.0;
        // Two are chosen and one is taken away: what stays is the better one of those two.
        let first = (0..30).min_by(|&a, &b| one_of_two(&[a]).total_cmp(&one_of_two(&[b]))).expect("thirty");
        let second = (0..30).filter(|&item| item != first);
        let second = second.min_by(|&a, &b| one_of_two(&[first, a]).total_cmp(&one_of_two(&[first, b]))).expect("29");
        let better = if one_of_two(&[first]) <= one_of_two(&[second]) { first } else { second };
        assert_eq!(picks.chosen()[0].0, better);
    }

    #[test]
    fn a_query_leaves_less_variance_than_any_of_a_hundred_random_ones() {
        let (scores, labelled, keys) = (with_codes(60, 4, 5), with_codes(3, 4, 6), keys(60));
        let pool = Pool { labelled: Some(Labelled { scores: &labelled, inputs: None }), ..Pool::new(&scores, &keys) };
        let mut picks = Picks::new(&pool, 5, 0.0);
        bait(&pool, &Ask::default(), &mut picks);
        let chosen: Vec<usize> = picks.chosen().iter().map(|&(item, _)| item).collect();
        assert_eq!(chosen.len(), 5);
        for seed in 0..100_u64 {
            let random: Vec<usize> = (0..5).map(|i| (crate::pool::mix(seed * 5 + i) % 60) as usize).collect();
            assert!(trace_with(&pool, &chosen) < trace_with(&pool, &random));
        }
    }
}
