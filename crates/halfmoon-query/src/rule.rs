//! The rules, by name, and how a query comes out of one.

use std::cmp::Ordering;

use halfmoon_pool::{Error, Result, error};
use ndarray::Array1;
use rayon::prelude::*;

use crate::picks::Picks;
use crate::pool::{Need, Pool, mix};
use crate::{
    badge, bait, bald, batch_bald, cold_start, committee, density, energy, error_reduction, gradient, k_center,
    pointwise, sampler,
};

/// A rule for choosing what to ask.
pub struct Rule {
    /// What the user types.
    pub name: &'static str,
    /// One line for help.
    pub about: &'static str,
    /// Key into `references.bib`; `None` for what needs no paper.
    pub paper: Option<&'static str>,
    /// What the candidates must come with.
    pub needs: &'static [Need],
    /// How it chooses.
    pub judge: Judge,
    /// Why this candidate, which has that utility.
    pub(crate) reason: fn(&Pool, usize, f64) -> String,
}

/// How a rule chooses. A utility is higher for what is to be asked sooner, and never a NaN.
pub enum Judge {
    /// A utility each, by its own scores: of any part of the pool, and of a stream, it says the same.
    Alone(fn(&Pool, &Ask) -> Array1<f64>),
    /// A utility each, by how it stands among the others.
    Among(fn(&Pool, &Ask) -> Array1<f64>),
    /// One after another, each with a view to those before.
    Together(fn(&Pool, &Ask, &mut Picks)),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Items to choose.
    pub budget: usize,
    /// Breaks ties, and decides whatever is drawn.
    pub seed: u64,
    /// Two items of a query are at least this far apart, in units of the root mean square distance of the candidates from their
    /// mean; 0 keeps only exact copies apart.
    pub apart: f64,
    /// β of `power_bald`: 1, as in its paper; the lower, the more is left to chance.
    pub power: f64,
    /// β of `density_weighted`: 1, as in its paper.
    pub density: f64,
    /// β of `plausible_entropy`.
    pub plausibility: f64,
    /// Answers of all chosen items together that `batch_bald` tells apart: exactly as long as there are no more, and by that many
    /// drawn ones then. Its paper draws 10,000 and takes each for one term of a sum; here each stands for a whole distribution.
    pub configurations: usize,
}

impl Default for Ask {
    fn default() -> Ask {
        Ask { budget: 10, seed: 0, apart: 0.05, power: 1.0, density: 1.0, plausibility: 1.0, configurations: 2_000 }
    }
}

/// What is to be asked, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What to ask first comes first. Fewer than the budget, where no more are left that are no copies.
    pub picks: Vec<Pick>,
    /// The utility of every candidate: `[n]`. `None` for a rule that judges candidates together.
    pub utilities: Option<Array1<f64>>,
    /// Candidates that were passed over since they are as good as copies of chosen ones.
    pub too_near: usize,
}

/// A chosen candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Pick {
    /// Its position in the pool.
    pub item: usize,
    /// Compare only within a rule; of a rule that judges candidates together it is what it was worth when it was chosen.
    pub utility: f64,
    /// Why it was chosen, in words.
    pub reason: String,
}

/// Every rule, in the order in which help shows them.
pub const RULES: &[Rule] = &[
    Rule {
        name: "random",
        about: "any: what all others must beat",
        paper: None,
        needs: &[],
        judge: Judge::Alone(pointwise::random),
        reason: |_, _, _| "drawn at random".to_owned(),
    },
    Rule {
        name: "least_confident",
        about: "1 − max p(y | x)",
        paper: Some("lewis1994"),
        needs: &[],
        judge: Judge::Alone(pointwise::least_confident),
        reason: pointwise::likeliest,
    },
    Rule {
        name: "margin",
        about: "the likeliest class is hardly likelier than the next",
        paper: Some("scheffer2001"),
        needs: &[],
        judge: Judge::Alone(pointwise::margin),
        reason: pointwise::two_alike,
    },
    Rule {
        name: "entropy",
        about: "H[p(y | x)]: undecided among all classes",
        paper: Some("settles2009"),
        needs: &[],
        judge: Judge::Alone(pointwise::entropy),
        reason: pointwise::undecided,
    },
    Rule {
        name: "variation_ratio",
        about: "share of the draws that vote for another class than most",
        paper: Some("gal2017dbal"),
        needs: &[Need::Draws],
        judge: Judge::Alone(committee::variation_ratio),
        reason: committee::divided,
    },
    Rule {
        name: "mean_std",
        about: "standard deviation over the draws of p(y | x), mean over the classes",
        paper: Some("gal2017dbal"),
        needs: &[Need::Draws],
        judge: Judge::Alone(committee::mean_std),
        reason: |_, _, utility| format!("a class's probability differs by {utility:.2} from draw to draw"),
    },
    Rule {
        name: "vote_entropy",
        about: "query by committee: entropy of the draws' votes",
        paper: Some("dagan1995"),
        needs: &[Need::Draws],
        judge: Judge::Alone(committee::vote_entropy),
        reason: committee::divided,
    },
    Rule {
        name: "soft_vote_entropy",
        about: "query by committee: entropy of the draws' mean",
        paper: Some("settles2009"),
        needs: &[Need::Draws],
        judge: Judge::Alone(pointwise::entropy),
        reason: pointwise::undecided,
    },
    Rule {
        name: "committee_kl",
        about: "query by committee: mean KL(draw ‖ mean of the draws)",
        paper: Some("mccallum1998"),
        needs: &[Need::Draws],
        judge: Judge::Alone(committee::kl),
        reason: bald::disagree,
    },
    Rule {
        name: "bald",
        about: "I[y; θ | x]: each draw is sure and they differ",
        paper: Some("houlsby2011bald"),
        needs: &[Need::Draws],
        judge: Judge::Alone(bald::bald),
        reason: bald::disagree,
    },
    Rule {
        name: "power_bald",
        about: "bald left partly to chance, so that a query's items differ",
        paper: Some("kirsch2023powerbald"),
        needs: &[Need::Draws],
        judge: Judge::Alone(bald::power_bald),
        reason: bald::drawn,
    },
    Rule {
        name: "batch_bald",
        about: "I[y₁, …, y_b; θ]: what the whole query tells",
        paper: Some("kirsch2019batchbald"),
        needs: &[Need::Draws],
        judge: Judge::Together(batch_bald::batch_bald),
        reason: |_, _, utility| format!("tells {utility:.3} nats that the ones before it don't"),
    },
    Rule {
        name: "k_center",
        about: "farthest from everything labelled or chosen: a core-set",
        paper: Some("sener2018coreset"),
        needs: &[Need::Places],
        judge: Judge::Together(k_center::k_center),
        reason: |_, _, utility| format!("far from anything labelled or chosen: {utility:.3}"),
    },
    Rule {
        name: "badge",
        about: "large and differing gradients of the last layer, by k-means++",
        paper: Some("ash2020badge"),
        needs: &[Need::Codes],
        judge: Judge::Together(badge::badge),
        reason: |_, _, utility| format!("would move the last layer otherwise than the chosen ones: {utility:.3}"),
    },
    Rule {
        name: "gradient_length",
        about: "expected length of the last layer's gradient",
        paper: Some("settles2008multiple"),
        needs: &[Need::Codes],
        judge: Judge::Alone(gradient::expected_length),
        reason: |_, _, utility| format!("its label is expected to move the last layer by {utility:.3}"),
    },
    Rule {
        name: "error_reduction",
        about: "expected entropy of the others after its label, the last layer adapted; judges 5,000 candidates",
        paper: Some("roy2001"),
        needs: &[Need::Codes],
        judge: Judge::Among(error_reduction::error_reduction),
        reason: error_reduction::expected,
    },
    Rule {
        name: "bait",
        about: "variance reduction: Fisher information of the last layer",
        paper: Some("ash2021bait"),
        needs: &[Need::Codes],
        judge: Judge::Together(bait::bait),
        reason: |_, _, utility| format!("lowers the variance over all candidates by {utility:.3}"),
    },
    Rule {
        name: "density_weighted",
        about: "entropy times how many candidates are like it",
        paper: Some("settles2008"),
        needs: &[Need::Places],
        judge: Judge::Among(density::density_weighted),
        reason: density::typical,
    },
    Rule {
        name: "cold_start",
        about: "the middles of clusters: for no labels at all",
        paper: Some("zhu2008"),
        needs: &[Need::Places],
        judge: Judge::Together(cold_start::cold_start),
        reason: cold_start::middle,
    },
    Rule {
        name: "novelty",
        about: "−log p(x): unlike what the model has seen; finds outliers, too",
        paper: Some("grathwohl2020jem"),
        needs: &[Need::Density],
        judge: Judge::Alone(energy::novelty),
        reason: energy::unlike,
    },
    Rule {
        name: "plausible_entropy",
        about: "entropy times plausibility, by the rank of log p(x)",
        paper: None,
        needs: &[Need::Density],
        judge: Judge::Among(energy::plausible_entropy),
        reason: energy::plausible,
    },
    Rule {
        name: "vaal",
        about: "1 − S(z): its code looks unlike a labelled one's",
        paper: Some("sinha2019vaal"),
        needs: &[Need::Sampler],
        judge: Judge::Alone(sampler::unlabelled),
        reason: sampler::unlike,
    },
    Rule {
        name: "aral",
        about: "1 − S(z), z by the encoder of the generative network",
        paper: Some("mottaghi2019aral"),
        needs: &[Need::Sampler],
        judge: Judge::Alone(sampler::unlabelled),
        reason: sampler::unlike,
    },
    Rule {
        name: "aral_by_class",
        about: "1 − S(z), z of the input under its likeliest class",
        paper: Some("mottaghi2019aral"),
        needs: &[Need::SamplerByClass],
        judge: Judge::Alone(sampler::unlabelled_by_class),
        reason: sampler::unlike,
    },
];

/// The rule of this name.
pub fn rule(name: &str) -> Result<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name).ok_or_else(|| {
        let known = RULES.iter().map(|rule| rule.name);
        Error::usage(format!("there is no rule `{name}`"), error::did_you_mean(name, known))
    })
}

impl Rule {
    /// Whether one item can be judged without the others, as a stream asks.
    pub fn is_for_streams(&self) -> bool {
        matches!(self.judge, Judge::Alone(_))
    }

    /// Chooses from the candidates.
    ///
    /// The choice follows the candidates into any other order: chance and ties look at their keys and never at their positions.
    pub fn query(&self, pool: &Pool, ask: &Ask) -> Result<Query> {
        if pool.is_empty() {
            return Ok(Query { picks: vec![], utilities: None, too_near: 0 });
        }
        pool.check(self.name, self.needs)?;
        let places: Vec<u64> = pool.keys.iter().map(|&key| place_in_line(key, ask.seed)).collect();
        let utilities = match self.judge {
            Judge::Alone(judge) => judge(pool, ask),
            Judge::Among(judge) => {
                let order = sorted(pool.len(), |a, b| places[a].cmp(&places[b]));
                let found = pool.reordered(&order, |pool| judge(pool, ask));
                let mut utilities = Array1::zeros(pool.len());
                for (&item, &utility) in order.iter().zip(&found) {
                    utilities[item] = utility;
                }
                utilities
            }
            Judge::Together(judge) => {
                let order = sorted(pool.len(), |a, b| places[a].cmp(&places[b]));
                let (chosen, too_near) = pool.reordered(&order, |pool| {
                    let mut picks = Picks::new(pool, ask.budget, ask.apart);
                    judge(pool, ask, &mut picks);
                    (picks.chosen().to_vec(), picks.too_near())
                });
                let chosen = chosen.into_iter().map(|(place, utility)| self.pick(pool, order[place], utility));
                return Ok(Query { picks: chosen.collect(), utilities: None, too_near });
            }
        };
        let mut picks = Picks::new(pool, ask.budget, ask.apart);
        // Adding 0 turns −0 into 0: the two are a tie.
        let utility = |item: usize| utilities[item] + 0.0;
        let ranking = sorted(pool.len(), |a, b| utility(b).total_cmp(&utility(a)).then(places[a].cmp(&places[b])));
        for item in ranking {
            if picks.is_full() {
                break;
            }
            picks.offer(item, utilities[item]);
        }
        let chosen = picks.chosen().iter().map(|&(item, utility)| self.pick(pool, item, utility)).collect();
        Ok(Query { picks: chosen, utilities: Some(utilities), too_near: picks.too_near() })
    }

    fn pick(&self, pool: &Pool, item: usize, utility: f64) -> Pick {
        Pick { item, utility, reason: (self.reason)(pool, item, utility) }
    }
}

/// Where an item stands in the line that a seed makes.
pub(crate) fn place_in_line(key: u64, seed: u64) -> u64 {
    mix(key ^ mix(seed))
}

/// Positions in order; equals keep theirs.
fn sorted(n: usize, by: impl Fn(usize, usize) -> Ordering + Sync) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.par_sort_unstable_by(|&a, &b| by(a, b).then(a.cmp(&b)));
    order
}
