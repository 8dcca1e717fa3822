//! Rules that ask a sampler S which was trained to tell labelled codes, S(z) = 1, from unlabelled ones, 0.
//!
//! Sinha, Ebrahimi, Darrell. *Variational Adversarial Active Learning*. ICCV 2019, arXiv:1904.00370. Mottaghi, Yeung. *Adversarial
//! Representation Active Learning*. 2019, arXiv:1912.09720. The lowest S is asked first: the published program of the latter
//! sorts the other way.

use ndarray::{Array1, ArrayView2};

use crate::pointwise::{mean_rows, top_two};
use crate::pool::Pool;
use crate::rule::Ask;

/// 1 − S(z).
pub(crate) fn unlabelled(pool: &Pool, _: &Ask) -> Array1<f64> {
    labelled_probs(pool).column(0).mapv(|labelled| 1.0 - f64::from(labelled))
}

/// 1 − S(z(x, ŷ)), ŷ = argmax p(y | x).
pub(crate) fn unlabelled_by_class(pool: &Pool, _: &Ask) -> Array1<f64> {
    let probs = mean_rows(pool.scores);
    let of = |(labelled, p): (ndarray::ArrayView1<f32>, &[f64])| 1.0 - f64::from(labelled[top_two(p)[0].0]);
    labelled_probs(pool).rows().into_iter().zip(probs.chunks(pool.classes())).map(of).collect()
}

pub(crate) fn unlike(_: &Pool, _: usize, utility: f64) -> String {
    format!("the sampler takes it for an unlabelled one with {utility:.2}")
}

fn labelled_probs<'a>(pool: &Pool<'a>) -> ArrayView2<'a, f32> {
    pool.labelled_probs.expect("the rule needs a sampler")
}

#[cfg(test)]
mod tests {
    use halfmoon_classical::{Fitted, Logistic, Method, Rows};
    use halfmoon_pool::Class;
    use halfmoon_pool::scores::Scores;
    use ndarray::{Array2, Axis, array, concatenate};

    use super::*;
    use crate::rule::rule;
    use crate::testing::{draws, keys, normal, random_draws};

    #[test]
    fn codes_from_where_no_label_is_are_asked_first() {
        // A16: labelled codes are 𝒩(0, I), half of the pool is 𝒩(4, I). The sampler is a logistic regression.
        let labelled = normal(200, 2, 1);
        let pool_codes = concatenate![Axis(0), normal(200, 2, 2), normal(200, 2, 3) + 4.0];
        let rows = concatenate![Axis(0), labelled, pool_codes];
        let is_labelled: Vec<Option<Class>> = (0..600).map(|row| Some(Class(u16::from(row < 200)))).collect();
        let sampler = Logistic { penalty: Some(1.0) };
        let sampler = sampler
            .fit(&Rows { x: rows.view(), labels: &is_labelled, classes: 2, seed: 0 }, &mut |_| true)
            .expect("nobody stops it");
        let probs: Array2<f32> = sampler.probs(pool_codes.view()).select(Axis(1), &[1]);
        let scores: Scores = random_draws(400, 1, 3, 4);
        let keys = keys(400);
        let pool = Pool { labelled_probs: Some(probs.view()), ..Pool::new(&scores, &keys) };
        for name in ["vaal", "aral"] {
            let query =
                rule(name).expect("a rule").query(&pool, &Ask { budget: 200, ..Ask::default() }).expect("a sampler");
            let shifted = query.picks.iter().filter(|pick| pick.item >= 200).count();
            assert!(shifted >= 190, "{name}: {shifted} of 200");
        }
    }

    #[test]
    fn the_likeliest_class_decides_which_latent_is_judged() {
        let scores = draws(&[&[&[0.9, 0.1]], &[&[0.2, 0.8]]]);
        let keys = keys(2);
        let probs = array![[0.75_f32, 0.25], [0.5, 0.125]];
        let pool = Pool { labelled_probs: Some(probs.view()), ..Pool::new(&scores, &keys) };
        assert_eq!(unlabelled_by_class(&pool, &Ask::default()), array![0.25, 0.875]);
    }
}
