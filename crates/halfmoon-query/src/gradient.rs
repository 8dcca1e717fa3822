//! How far a label is expected to move the last layer.
//!
//! Settles, Craven, Ray. *Multiple-Instance Active Learning*. NeurIPS 2008.
//!
//! ```text
//! Σ_y p_y |∂ −ln p_y / ∂W|      ∂ −ln p_y / ∂W = (p − e_y) ⊗ h      |p − e_y|² = 1 − 2 p_y + |p|²
//! ```

use ndarray::Array1;

use crate::pointwise::each;
use crate::pool::Pool;
use crate::rule::Ask;

/// |h| Σ_y p_y √(1 − 2 p_y + |p|²).
pub(crate) fn expected_length(pool: &Pool, _: &Ask) -> Array1<f64> {
    let codes = pool.scores.codes.as_ref().expect("the rule needs codes");
    let of_probs = each(pool.scores, |_, p| {
        let square: f64 = p.iter().map(|p| p * p).sum();
        p.iter().map(|p| p * (1.0 - 2.0 * p + square).max(0.0).sqrt()).sum()
    });
    let lengths = codes.rows().into_iter().map(|h| h.iter().map(|&h| f64::from(h).powi(2)).sum::<f64>().sqrt());
    of_probs.iter().zip(lengths).map(|(of_probs, length)| of_probs * length).collect()
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::scores::Scores;

    use super::*;
    use crate::pointwise::mean_rows;
    use crate::testing::{keys, random_codes, random_draws};

    #[test]
    fn the_closed_form_is_the_mean_length_of_the_written_out_gradients() {
        // A29.
        let scores = Scores { codes: Some(random_codes(20, 7, 5)), ..random_draws(20, 1, 4, 6) };
        let keys = keys(20);
        let found = expected_length(&Pool::new(&scores, &keys), &Ask::default());
        let (probs, codes) = (mean_rows(&scores), scores.codes.as_ref().expect("set above"));
        for (i, p) in probs.chunks(4).enumerate() {
            let length = |y: usize| {
                let gradient = p.iter().enumerate().flat_map(|(c, p)| {
                    let a = if c == y { p - 1.0 } else { *p };
                    codes.row(i).iter().map(move |&h| a * f64::from(h)).collect::<Vec<f64>>()
                });
                gradient.map(|g| g * g).sum::<f64>().sqrt()
            };
            let expected: f64 = (0..4).map(|y| p[y] * length(y)).sum();
            assert!((found[i] - expected).abs() < 1e-6, "{} is not {expected}", found[i]);
        }
    }
}
