//! How good each annotator is, and what each item is, found from their labels alone.
//!
//! A. P. Dawid and A. M. Skene, Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm, Applied
//! Statistics 28(1), 1979. Item i is of class k with probability p(k); annotator a says l of an item of class k with
//! probability π(a, k, l), whatever the others say:
//!
//! log 𝓛 = Σ_i log Σ_k p(k) Π_a π(a, k, l(a, i))
//!
//! Expectation: T(i, k) ∝ p(k) Π_a π(a, k, l(a, i)) (2.5). Maximisation: p and π are the shares that T makes likely (2.3,
//! 2.4). The first T are the shares of voices.
//!
//! An item with one label says nothing of who gave it: the first sum is over items with two labels or more, as T of the
//! others would follow from p alone, and p of the classes that happened to be labelled twice. Their T stay the share of the
//! one voice: nobody contradicts it.

use halfmoon_pool::Class;

use crate::fold::{Labels, Verdict, Vote};
use crate::item::ItemId;

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// Labels that each annotator is thought to have given to each class before the first one, four fifths of them right, and
    /// items that are thought to be there, of all classes alike. The paper has 0: then who gave one label never errs, and few
    /// labels can settle where a class is nobody's.
    pub prior: f64,
    /// Steps at most.
    pub steps: usize,
    /// A step that gains less an item is the last one.
    pub tolerance: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config { prior: 1.0, steps: 200, tolerance: 1e-7 }
    }
}

/// Share of the labels that are thought to be right before anything is known.
const RIGHT: f64 = 0.8;

/// What the labels say of items and annotators.
#[derive(Debug, Clone, PartialEq)]
pub struct Skills {
    /// p(k).
    pub priors: Vec<f64>,
    /// π(a, k, l), as `[annotator][class of the item][class that was said]`, in the order of [`Labels::annotators`]: of who
    /// shares no item with others, what [`Config::prior`] thinks.
    pub skill: Vec<Vec<Vec<f64>>>,
    /// Whether an annotator shares an item with others.
    pub is_compared: Vec<bool>,
    /// Items that somebody labelled.
    pub items: Vec<ItemId>,
    /// T(i, k), in the order of `items`.
    pub probs: Vec<Vec<f64>>,
    /// log 𝓛 with what [`Config::prior`] adds to it, after each step: it rises.
    pub objective: Vec<f64>,
}

impl Skills {
    /// Probability that the annotator is right about an item of which nothing is known. `None` for who shares no item with
    /// others.
    pub fn accuracy(&self, annotator: usize) -> Option<f64> {
        let right = || self.priors.iter().enumerate().map(|(k, p)| p * self.skill[annotator][k][k]).sum();
        self.is_compared[annotator].then(right)
    }

    /// The likeliest class of each item, and its probability as the weight; `None` where two are equally likely.
    pub fn verdicts(&self, labels: &Labels) -> Vec<Verdict> {
        let given = labels.by_item().filter(|votes| votes.iter().any(|vote| vote.class.is_some()));
        let verdict = |(votes, probs): (&[Vote], &Vec<f64>)| {
            let weight = probs.iter().copied().fold(0.0, f64::max);
            let mut likeliest = (0..=u16::MAX).zip(probs).filter(|(_, p)| weight - **p < 1e-9);
            let class = likeliest.next().map(|(class, _)| Class(class)).filter(|_| likeliest.next().is_none());
            let mut classes: Vec<Class> = votes.iter().filter_map(|vote| vote.class).collect();
            classes.sort_unstable();
            classes.dedup();
            Verdict { item: votes[0].item, class, weight, classes: classes.len() }
        };
        given.zip(&self.probs).map(verdict).collect()
    }
}

/// Finds skills from what stands, in a project with so many classes. `None` where no item has labels by several annotators.
pub fn dawid_skene(labels: &Labels, classes: usize, config: &Config) -> Option<Skills> {
    let given: Vec<Given> = labels.by_item().filter_map(Given::of).collect();
    let compared = given.iter().filter(|given| given.by_several()).count();
    if compared == 0 || classes == 0 {
        return None;
    }
    let (items, annotators) = (given.iter().map(|given| given.item).collect(), labels.annotators.len());
    let mut is_compared = vec![false; annotators];
    for (annotator, _) in given.iter().filter(|given| given.by_several()).flat_map(|given| &given.labels) {
        is_compared[*annotator] = true;
    }
    let probs = given.iter().map(|given| given.shares(classes)).collect();
    let (priors, skill, objective) = (Vec::new(), Vec::new(), Vec::new());
    let mut skills = Skills { priors, skill, is_compared, items, probs, objective };
    for _ in 0..config.steps.max(1) {
        maximise(&mut skills, &given, classes, annotators, config.prior);
        let now = expect(&mut skills, &given) + log_prior(&skills, config.prior);
        let before = skills.objective.last().copied();
        skills.objective.push(now);
        if before.is_some_and(|before| now - before < config.tolerance * compared as f64) {
            break;
        }
    }
    Some(skills)
}

/// The labels of one item.
struct Given {
    item: ItemId,
    /// Annotator and class.
    labels: Vec<(usize, usize)>,
}

impl Given {
    fn of(votes: &[Vote]) -> Option<Given> {
        let labels = votes.iter().filter_map(|vote| Some((vote.annotator, vote.class?.index()))).collect::<Vec<_>>();
        (!labels.is_empty()).then(|| Given { item: votes[0].item, labels })
    }

    fn by_several(&self) -> bool {
        self.labels.len() > 1
    }

    fn shares(&self, classes: usize) -> Vec<f64> {
        let mut shares = vec![0.0; classes];
        for (_, class) in &self.labels {
            shares[*class] += 1.0 / self.labels.len() as f64;
        }
        shares
    }
}

/// p and π from T: equations 2.3 and 2.4.
fn maximise(skills: &mut Skills, given: &[Given], classes: usize, annotators: usize, prior: f64) {
    let mut priors = vec![prior / classes as f64; classes];
    let mut skill = vec![thought(classes, prior); annotators];
    for (given, probs) in given.iter().zip(&skills.probs).filter(|(given, _)| given.by_several()) {
        for (k, t) in probs.iter().enumerate() {
            priors[k] += t;
            for (annotator, l) in &given.labels {
                skill[*annotator][k][*l] += t;
            }
        }
    }
    normalise(&mut priors);
    skill.iter_mut().flatten().for_each(|row| normalise(row));
    (skills.priors, skills.skill) = (priors, skill);
}

/// T from p and π: equation 2.5. Returns log 𝓛.
fn expect(skills: &mut Skills, given: &[Given]) -> f64 {
    let logs = |row: &Vec<f64>| row.iter().map(|p| p.ln()).collect::<Vec<_>>();
    let log_priors = logs(&skills.priors);
    let log_skill: Vec<Vec<Vec<f64>>> = skills.skill.iter().map(|rows| rows.iter().map(logs).collect()).collect();
    let mut log_likelihood = 0.0;
    for (given, probs) in given.iter().zip(&mut skills.probs).filter(|(given, _)| given.by_several()) {
        for (k, t) in probs.iter_mut().enumerate() {
            *t = log_priors[k] + given.labels.iter().map(|(annotator, l)| log_skill[*annotator][k][*l]).sum::<f64>();
        }
        let most = probs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = probs.iter().map(|log| (log - most).exp()).sum();
        for t in probs.iter_mut() {
            *t = (*t - most).exp() / sum;
        }
        log_likelihood += most + sum.ln();
    }
    log_likelihood
}

/// Labels that are thought to be there: `[class of the item][class that was said]`.
fn thought(classes: usize, prior: f64) -> Vec<Vec<f64>> {
    let wrong = (1.0 - RIGHT) / (classes as f64 - 1.0);
    let cell = |k: usize, l: usize| prior * if k == l { RIGHT } else { wrong };
    (0..classes).map(|k| (0..classes).map(|l| cell(k, l)).collect()).collect()
}

/// Logarithm of the density of p and π, up to a constant: what is thought to be there counts as what is there.
fn log_prior(skills: &Skills, prior: f64) -> f64 {
    if prior <= 0.0 {
        return 0.0;
    }
    let classes = skills.priors.len();
    let of_priors: f64 = skills.priors.iter().map(|p| prior / classes as f64 * p.ln()).sum();
    let thought = thought(classes, prior);
    let of_rows = |rows: &Vec<Vec<f64>>| -> f64 {
        rows.iter().flatten().zip(thought.iter().flatten()).map(|(p, count)| count * p.ln()).sum()
    };
    of_priors + skills.skill.iter().map(of_rows).sum::<f64>()
}

/// To a sum of 1. A row of zeros, of a class that no item is likely to be of, says nothing: all alike.
fn normalise(row: &mut [f64]) {
    let (sum, n) = (row.iter().sum::<f64>(), row.len() as f64);
    for p in row {
        *p = if sum > 0.0 { *p / sum } else { 1.0 / n };
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::event::EventId;

    /// A row an item: what each annotator says, in order; `None` is silence.
    fn labels(rows: &[Vec<Option<u16>>]) -> Labels {
        let annotators = (0..rows[0].len()).map(|n| format!("annotator {n}")).collect();
        let vote = |item: i64, annotator: usize, class: u16| Vote {
            item: ItemId(item),
            annotator,
            class: Some(Class(class)),
            event: EventId(1),
        };
        let votes = (1..).zip(rows).flat_map(|(item, row)| {
            row.iter().enumerate().filter_map(move |(annotator, class)| Some(vote(item, annotator, (*class)?)))
        });
        Labels { annotators, votes: votes.collect() }
    }

    /// Labels of items of known classes by annotators who are right this often and else say any other class.
    fn simulated(accuracies: &[f64], items: usize, classes: u16, seed: u64) -> (Vec<u16>, Labels) {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let truth: Vec<u16> = (0..items).map(|_| chance.random_range(0..classes)).collect();
        let mut say = |truth: u16, accuracy: f64| {
            let wrong = (truth + chance.random_range(1..classes)) % classes;
            Some(if chance.random_bool(accuracy) { truth } else { wrong })
        };
        let rows: Vec<Vec<_>> =
            truth.iter().map(|&class| accuracies.iter().map(|&accuracy| say(class, accuracy)).collect()).collect();
        (truth, labels(&rows))
    }

    /// Likelihoods by products, as the header has them.
    fn log_likelihood(skills: &Skills, labels: &Labels) -> f64 {
        let of_item = |votes: &[Vote]| {
            let of_class = |k: usize| {
                let said = votes.iter().map(|vote| skills.skill[vote.annotator][k][vote.class.unwrap().index()]);
                skills.priors[k] * said.product::<f64>()
            };
            (0..skills.priors.len()).map(of_class).sum::<f64>().ln()
        };
        labels.by_item().map(of_item).sum()
    }

    #[test]
    fn one_step_by_hand() {
        // item 1: 0 0 1, item 2: 1 1 1. Shares of voices: T = (2/3, 1/3) and (0, 1), so p = (1/3, 2/3); the first two
        // say 0 of class 0 always and of class 1 with (1/3) / (4/3) = 1/4; the third says 1 always.
        let labels = labels(&[vec![Some(0), Some(0), Some(1)], vec![Some(1), Some(1), Some(1)]]);
        let config = Config { prior: 0.0, steps: 1, tolerance: 0.0 };
        let skills = dawid_skene(&labels, 2, &config).unwrap();
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(skills.priors[0], 1.0 / 3.0);
        near(skills.skill[0][0][0], 1.0);
        near(skills.skill[1][1][0], 0.25);
        near(skills.skill[2][0][1], 1.0);
        // item 1: 1/3 against 2/3 · 1/16 = 1/24; item 2: 0 against 2/3 · 9/16 = 3/8
        near(skills.probs[0][0], 8.0 / 9.0);
        near(skills.probs[1][1], 1.0);
        near(skills.objective[0], 2.0 * (3.0f64 / 8.0).ln());
        near(skills.accuracy(0).unwrap(), 1.0 / 3.0 + 2.0 / 3.0 * 0.75);
    }

    #[test]
    fn every_step_rises_to_a_point_from_which_no_way_leads_up() {
        let (_, labels) = simulated(&[0.9, 0.7, 0.5, 0.4], 60, 3, 5);
        let config = Config { tolerance: 0.0, steps: 3000, ..Config::default() };
        let skills = dawid_skene(&labels, 3, &config).unwrap();
        let last = *skills.objective.last().unwrap();
        assert!(skills.objective.windows(2).all(|two| two[1] > two[0] - 1e-9), "{:?}", skills.objective);
        let objective = |skills: &Skills| log_likelihood(skills, &labels) + log_prior(skills, config.prior);
        assert!((objective(&skills) - last).abs() < 1e-8);

        let mut chance = ChaCha8Rng::seed_from_u64(6);
        for _ in 0..2000 {
            let mut other = skills.clone();
            let mut shake = |row: &mut Vec<f64>| {
                for p in row.iter_mut() {
                    *p *= 1.0 + chance.random_range(-0.05..0.05);
                }
                normalise(row);
            };
            shake(&mut other.priors);
            other.skill.iter_mut().flatten().for_each(&mut shake);
            assert!(objective(&other) < last);
        }
    }

    #[test]
    fn skills_are_found_without_the_truth_and_beat_the_majority() {
        let accuracies = [0.95, 0.9, 0.45, 0.45, 0.45];
        let (truth, labels) = simulated(&accuracies, 1000, 3, 7);
        let skills = dawid_skene(&labels, 3, &Config::default()).unwrap();
        for (annotator, accuracy) in accuracies.iter().enumerate() {
            // three standard errors of 1,000 items, and a little for not knowing the truth
            let found = skills.accuracy(annotator).unwrap();
            assert!((found - accuracy).abs() < 0.06, "{annotator}: {found} for {accuracy}");
        }
        let wrong = |verdicts: &[Verdict]| {
            verdicts.iter().zip(&truth).filter(|(verdict, truth)| verdict.class != Some(Class(**truth))).count()
        };
        let (ours, majority) = (wrong(&skills.verdicts(&labels)), wrong(&labels.majority()));
        assert!(ours * 2 < majority, "{ours} wrong, the majority {majority}");
    }

    #[test]
    fn who_gave_one_label_is_not_thought_perfect() {
        let labels = labels(&[vec![Some(0), Some(0)], vec![Some(1), None], vec![Some(1), None]]);
        let skills = dawid_skene(&labels, 2, &Config::default()).unwrap();
        assert!(skills.accuracy(1).unwrap() < 0.95, "{:?}", skills.accuracy(1));
        assert_eq!(skills.verdicts(&labels).iter().map(|v| v.class.unwrap().0).collect::<Vec<_>>(), [0, 1, 1]);
    }

    /// `rows` more items with a label by one annotator alone.
    fn and_alone(mut rows: Vec<Vec<Option<u16>>>, more: usize) -> Vec<Vec<Option<u16>>> {
        for row in &mut rows {
            row.push(None);
        }
        let annotators = rows[0].len();
        rows.extend((0..more).map(|item| {
            let mut row = vec![None; annotators];
            row[annotators - 1] = Some(u16::try_from(item % 10).unwrap());
            row
        }));
        rows
    }

    #[test]
    fn who_shares_no_item_has_no_skill_and_moves_nobodys() {
        // two annotators on 7 items, who disagree on 2 of them; a third one labels 60 others
        let rows: Vec<_> = (0..7).map(|item| vec![Some(item), Some(if item < 2 { item + 1 } else { item })]).collect();
        let of_two = dawid_skene(&labels(&rows), 10, &Config::default()).unwrap();
        let with_third = labels(&and_alone(rows, 60));
        let skills = dawid_skene(&with_third, 10, &Config::default()).unwrap();
        assert_eq!(skills.accuracy(2), None);
        assert_eq!((skills.accuracy(0), skills.accuracy(1)), (of_two.accuracy(0), of_two.accuracy(1)));
        assert!(skills.accuracy(0).unwrap() > 0.7 && skills.accuracy(1).unwrap() > 0.7, "{:?}", skills.accuracy(0));
        let alone = &skills.verdicts(&with_third)[7..];
        assert_eq!(alone, &with_third.majority()[7..], "a single label stands");
        // nor is anybody compared where all items are labelled once
        assert_eq!(dawid_skene(&labels(&and_alone(vec![vec![Some(0)]], 9)), 10, &Config::default()), None);
    }

    #[test]
    fn three_labels_of_a_stranger_do_not_overturn_a_skill() {
        let (_, two) = simulated(&[0.9, 0.85], 100, 4, 11);
        let before = dawid_skene(&two, 4, &Config::default()).unwrap();
        let mut three = two.clone();
        three.annotators.push("stranger".into());
        for item in 1..=3 {
            let place = three.votes.iter().rposition(|vote| vote.item == ItemId(item)).unwrap();
            let wrong = Class((three.votes[place].class.unwrap().0 + 1) % 4);
            let vote = Vote { item: ItemId(item), annotator: 2, class: Some(wrong), event: EventId(1) };
            three.votes.insert(place + 1, vote);
        }
        let after = dawid_skene(&three, 4, &Config::default()).unwrap();
        for annotator in 0..2 {
            let (before, after) = (before.accuracy(annotator).unwrap(), after.accuracy(annotator).unwrap());
            assert!((before - after).abs() < 0.05, "{annotator}: {before} to {after}");
        }
    }

    #[test]
    fn two_who_contradict_each_other_leave_the_question_open() {
        let labels = labels(&[vec![Some(0), Some(1)], vec![Some(1), Some(0)]]);
        let skills = dawid_skene(&labels, 2, &Config::default()).unwrap();
        assert!(skills.verdicts(&labels).iter().all(|verdict| verdict.class.is_none() && verdict.classes == 2));
        assert_eq!(dawid_skene(&Labels::default(), 2, &Config::default()), None);
    }

    #[test]
    fn a_class_that_nobody_named_breaks_nothing() {
        let labels = labels(&[vec![Some(0), Some(0)], vec![Some(2), Some(0)]]);
        let skills = dawid_skene(&labels, 4, &Config { prior: 0.0, ..Config::default() }).unwrap();
        assert!(skills.probs.iter().flatten().all(|p| p.is_finite()));
        assert!(skills.probs.iter().all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
    }
}
