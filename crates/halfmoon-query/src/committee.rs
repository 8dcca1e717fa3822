//! Draws as a committee that votes, and committees made of models.
//!
//! Any model has draws where it is asked several times with something of it drawn, such as dropout's masks; where several
//! models are asked, each is a draw ([`Ensemble`]).

use halfmoon_pool::scores::{Predictor, Scores};
use halfmoon_pool::{Error, Result};
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, concatenate};

use crate::bald::bald;
use crate::pointwise::{each, nats};
use crate::pool::Pool;
use crate::rule::Ask;

/// 1 − the share of the commonest vote.
pub(crate) fn variation_ratio(pool: &Pool, _: &Ask) -> Array1<f64> {
    each(pool.scores, |draws, _| 1.0 - votes(draws).into_iter().fold(0.0, f64::max))
}

/// H of the shares of the votes, in nats.
pub(crate) fn vote_entropy(pool: &Pool, _: &Ask) -> Array1<f64> {
    each(pool.scores, |draws, _| nats(&votes(draws)))
}

/// mean_k KL(p_k ‖ p̄), in nats. It equals BALD, mean_k Σ_c p_kc ln(p_kc / p̄_c) being H[p̄] − mean_k H[p_k].
pub(crate) fn kl(pool: &Pool, ask: &Ask) -> Array1<f64> {
    bald(pool, ask)
}

/// mean_c √(mean_k (p_kc − p̄_c)²).
pub(crate) fn mean_std(pool: &Pool, _: &Ask) -> Array1<f64> {
    each(pool.scores, |draws, mean| {
        let of_class = |(log_probs, mean): (ndarray::ArrayView1<f32>, &f64)| {
            let squares = log_probs.iter().map(|log_prob| (f64::from(log_prob.exp()) - mean).powi(2)).sum::<f64>();
            (squares / log_probs.len() as f64).sqrt()
        };
        draws.columns().into_iter().zip(mean).map(of_class).sum::<f64>() / mean.len() as f64
    })
}

pub(crate) fn divided(pool: &Pool, item: usize, _: f64) -> String {
    let mut votes: Vec<(usize, f64)> =
        votes(pool.scores.log_probs.index_axis(Axis(0), item)).into_iter().enumerate().collect();
    votes.retain(|&(_, share)| share > 0.0);
    votes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let shares = votes.iter().take(3).map(|&(class, share)| format!("{} {share:.2}", pool.class_name(class)));
    format!("votes of the draws: {}", shares.collect::<Vec<_>>().join(", "))
}

/// Shares of the draws that have each class as their likeliest; of equally likely ones the first.
fn votes(draws: ArrayView2<f32>) -> Vec<f64> {
    let mut votes = vec![0.0; draws.ncols()];
    for draw in draws.rows() {
        let top = draw.iter().enumerate().reduce(|top, next| if next.1 > top.1 { next } else { top });
        if let Some((class, _)) = top {
            votes[class] += 1.0 / draws.nrows() as f64;
        }
    }
    votes
}

/// Several models as one that has all of their draws.
pub struct Ensemble {
    members: Vec<Box<dyn Predictor>>,
}

impl Ensemble {
    /// Of at least one model. All know the same classes.
    pub fn new(members: Vec<Box<dyn Predictor>>) -> Result<Ensemble> {
        if members.is_empty() {
            return Err(Error::usage("a committee without members", "name at least one run"));
        }
        Ok(Ensemble { members })
    }
}

impl Predictor for Ensemble {
    fn scores(&self, inputs: ArrayView2<f32>) -> Scores {
        let scores = self.members.iter().map(|member| member.scores(inputs)).collect();
        together(scores).expect("there is a member, and all of them know the same classes")
    }

    fn log_probs(&self, inputs: ArrayView2<f32>) -> Array3<f32> {
        let log_probs: Vec<Array3<f32>> = self.members.iter().map(|member| member.log_probs(inputs)).collect();
        let views: Vec<_> = log_probs.iter().map(|log_probs| log_probs.view()).collect();
        concatenate(Axis(1), &views).expect("all members know the same classes")
    }

    fn codes(&self, inputs: ArrayView2<f32>) -> Option<Array2<f32>> {
        self.members.first()?.codes(inputs)
    }

    fn labelled_probs(&self, inputs: ArrayView2<f32>) -> Option<Array2<f32>> {
        // Whoever has one sampler more has not another opinion of the same: S is averaged, as densities are.
        let all: Vec<_> = self.members.iter().map(|member| member.labelled_probs(inputs)).collect::<Option<_>>()?;
        let n = all.len() as f32;
        all.into_iter().reduce(|a, b| a + b).map(|sum| sum / n)
    }
}

/// What several models say of the same items, as scores of one: the draws of all. Densities and energies are means, since their
/// constants differ from model to model, where all members have them, and so are the samplers' S(z); codes are those of the first member, since no two
/// models' codes are alike.
pub fn together(members: Vec<Scores>) -> Result<Scores> {
    let views: Vec<_> = members.iter().map(|scores| scores.log_probs.view()).collect();
    let log_probs = concatenate(Axis(1), &views).map_err(|_| {
        let shapes: Vec<String> = members.iter().map(|scores| format!("{:?}", scores.log_probs.dim())).collect();
        let hint = "take models of the same classes, and ask them about the same items";
        Error::usage(format!("a committee's answers do not fit together: {}", shapes.join(", ")), hint)
    })?;
    let mean = |of: fn(&Scores) -> Option<&Array1<f32>>| {
        let all: Option<Vec<_>> =
            members.iter().map(|scores| of(scores).map(|values| values / members.len() as f32)).collect();
        all?.into_iter().reduce(|a, b| a + b)
    };
    let log_density = mean(|scores| scores.log_density.as_ref());
    let energy = mean(|scores| scores.energy.as_ref());
    Ok(Scores { log_probs, log_density, energy, codes: members.into_iter().next().and_then(|first| first.codes) })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::pointwise::entropy;
    use crate::testing::{draws, keys, random_draws};

    #[test]
    fn votes_of_four_draws_by_hand() {
        let one = [[0.8, 0.1, 0.1], [0.6, 0.4, 0.0], [0.2, 0.5, 0.3], [0.5, 0.3, 0.2]];
        let one: Vec<&[f32]> = one.iter().map(<[f32; 3]>::as_slice).collect();
        let (scores, keys) = (draws(&[&one]), keys(1));
        let pool = Pool::new(&scores, &keys);
        let ask = Ask::default();
        assert!((variation_ratio(&pool, &ask)[0] - 0.25).abs() < 1e-12);
        // ¾ ln 4/3 + ¼ ln 4.
        assert!((vote_entropy(&pool, &ask)[0] - 0.562_335).abs() < 1e-6);
        // Columns 0.8 0.6 0.2 0.5, 0.1 0.4 0.5 0.3 and 0.1 0 0.3 0.2 have the variances 0.046875, 0.021875, 0.0125.
        let expected = (0.046_875_f64.sqrt() + 0.021_875_f64.sqrt() + 0.0125_f64.sqrt()) / 3.0;
        assert!((mean_std(&pool, &ask)[0] - expected).abs() < 1e-6);
        assert_eq!(divided(&pool, 0, 0.25), "votes of the draws: 0 0.75, 1 0.25");
    }

    #[test]
    fn the_mean_divergence_from_the_mean_is_bald() {
        // A24, by the definition of the divergence.
        let (scores, keys) = (random_draws(40, 7, 4, 1), keys(40));
        let pool = Pool::new(&scores, &keys);
        let found = kl(&pool, &Ask::default());
        for (item, draws) in scores.log_probs.outer_iter().enumerate() {
            let p = draws.mapv(|log_prob| f64::from(log_prob).exp());
            let mean = p.mean_axis(Axis(0)).expect("seven draws");
            let divergence =
                p.rows().into_iter().map(|p| p.iter().zip(&mean).map(|(p, m)| p * (p / m).ln()).sum::<f64>());
            assert!((divergence.sum::<f64>() / 7.0 - found[item]).abs() < 1e-7);
        }
    }

    #[test]
    fn a_committee_has_the_draws_of_all_members_and_the_codes_of_the_first() {
        let one = Scores {
            log_density: Some(array![-1.0, -2.0]),
            codes: Some(array![[1.0], [2.0]]),
            ..draws(&[&[&[0.9, 0.1]], &[&[0.4, 0.6]]])
        };
        let two = Scores { log_density: Some(array![-3.0, -6.0]), ..draws(&[&[&[0.1, 0.9]], &[&[0.4, 0.6]]]) };
        let both = together(vec![one.clone(), two]).expect("the same classes");
        assert_eq!(both.log_probs.dim(), (2, 2, 2));
        assert_eq!((both.log_density, both.codes), (Some(array![-2.0, -4.0]), one.codes.clone()));
        let keys = keys(2);
        let scores = Scores { log_probs: both.log_probs, log_density: None, energy: None, codes: None };
        let pool = Pool::new(&scores, &keys);
        let ask = Ask::default();
        assert!((entropy(&pool, &ask)[0] - 2.0_f64.ln()).abs() < 1e-6);
        assert!(kl(&pool, &ask)[1].abs() < 1e-7);
        let other = together(vec![one, draws(&[&[&[0.2, 0.3, 0.5]], &[&[1.0, 0.0, 0.0]]])]);
        assert!(other.is_err_and(|error| error.to_string().contains("(2, 1, 3)")));
    }

    struct Sure(f32);

    impl Predictor for Sure {
        fn scores(&self, inputs: ArrayView2<f32>) -> Scores {
            let log_probs = Array3::from_shape_fn((inputs.nrows(), 1, 2), |(_, _, class)| {
                if class == 0 { self.0.ln() } else { (1.0 - self.0).ln() }
            });
            Scores { log_probs, log_density: None, energy: None, codes: Some(inputs.to_owned()) }
        }
    }

    #[test]
    fn any_models_are_a_committee() {
        let ensemble = Ensemble::new(vec![Box::new(Sure(0.9)), Box::new(Sure(0.1))]).expect("two members");
        let (scores, keys) = (ensemble.scores(array![[1.0_f32], [2.0]].view()), keys(2));
        assert_eq!(ensemble.log_probs(array![[1.0_f32], [2.0]].view()), scores.log_probs);
        assert_eq!(ensemble.codes(array![[1.0_f32], [2.0]].view()), scores.codes);
        // A23.
        assert!((kl(&Pool::new(&scores, &keys), &Ask::default())[0] - 0.368_064).abs() < 1e-6);
        assert!(Ensemble::new(vec![]).is_err());
    }
}
