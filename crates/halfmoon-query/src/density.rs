//! Doubt that is shared by many.
//!
//! Settles, Craven. *An Analysis of Active Learning Strategies for Sequence Labeling Tasks*. EMNLP 2008: information density.
//!
//! ```text
//! H[p(y | x)] (mean_u exp(−|x − u|² / r²))^β      r²: the mean squared distance between two candidates
//! ```

use ndarray::Array1;

use crate::places::{Places, spread};
use crate::pointwise::entropy;
use crate::pool::Pool;
use crate::rule::Ask;

/// Candidates u that each is compared with: the first in line.
const OTHERS: usize = 1_000;

pub(crate) fn density_weighted(pool: &Pool, ask: &Ask) -> Array1<f64> {
    let (candidates, _) = pool.places().expect("the rule needs places");
    let places = Places::new(candidates);
    // |x − u|² is twice the spread on average.
    let squared = places.scaled(2.0 * spread(candidates));
    let alike = |distance: f32| if squared > 0.0 { (-distance / squared).exp() } else { 1.0 };
    let density: Array1<f64> = places.mean_over_others(OTHERS, alike).into();
    entropy(pool, ask) * density.mapv(|density| density.powf(ask.density))
}

pub(crate) fn typical(_: &Pool, _: usize, utility: f64) -> String {
    format!("undecided, and many are like it: {utility:.3}")
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::scores::Scores;
    use ndarray::array;

    use super::*;
    use crate::testing::{draws, keys};

    #[test]
    fn three_on_a_line_by_hand() {
        let half: &[&[f32]] = &[&[0.5, 0.5]];
        let scores = Scores { codes: Some(array![[0.0], [1.0], [3.0]]), ..draws(&[half, half, half]) };
        let keys = keys(3);
        let pool = Pool::new(&scores, &keys);
        let found = density_weighted(&pool, &Ask::default());
        // The spread is (16/9 + 1/9 + 25/9)/3 = 14/9, r² = 28/9.
        let alike = |squared: f64| (-squared / (28.0 / 9.0)).exp();
        let expected = [alike(1.0) + alike(9.0), alike(1.0) + alike(4.0), alike(9.0) + alike(4.0)];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - 2.0_f64.ln() * expected / 2.0).abs() < 1e-6, "{found}");
        }
        let plain = density_weighted(&pool, &Ask { density: 0.0, ..Ask::default() });
        assert!(plain.iter().all(|utility| (utility - 2.0_f64.ln()).abs() < 1e-7));
    }

    #[test]
    fn a_single_candidate_is_as_typical_as_can_be() {
        let scores = Scores { codes: Some(array![[7.0]]), ..draws(&[&[&[0.5, 0.5]]]) };
        let found = density_weighted(&Pool::new(&scores, &keys(1)), &Ask::default());
        assert!((found[0] - 2.0_f64.ln()).abs() < 1e-7);
    }
}
