//! Scores to test on, and what must hold for every rule.

use std::collections::HashSet;

use halfmoon_pool::scores::Scores;
use ndarray::{Array1, Array2, Array3, Axis, array, concatenate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::pool::mix;
use crate::{Ask, Judge, Labelled, Need, Pool, Query, RULES, Rule, rule};

/// Probabilities by candidate, draw and class.
pub(crate) fn draws(probs: &[&[&[f32]]]) -> Scores {
    let shape = (probs.len(), probs[0].len(), probs[0][0].len());
    bare(Array3::from_shape_fn(shape, |(i, k, c)| probs[i][k][c].ln()))
}

/// Log-probabilities alone: `[n, draw, class]`.
pub(crate) fn bare(log_probs: Array3<f32>) -> Scores {
    Scores { log_probs, log_density: None, energy: None, codes: None }
}

/// Candidates at these places, `[n, h]`, of which the model says nothing.
pub(crate) fn at(places: &Array2<f32>) -> Scores {
    Scores { codes: Some(places.clone()), ..bare(Array3::from_elem((places.nrows(), 1, 2), 0.5_f32.ln())) }
}

/// Probabilities from doubtful to sure: `[n, draws, classes]`.
pub(crate) fn random_draws(n: usize, draws: usize, classes: usize, seed: u64) -> Scores {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut log_probs = Array3::from_shape_fn((n, draws, classes), |_| rng.random_range(-4.0_f32..4.0));
    for mut row in log_probs.lanes_mut(ndarray::Axis(2)) {
        let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
        row -= sum.ln();
    }
    bare(log_probs)
}

/// Uniform in −1…1: `[n, h]`.
pub(crate) fn random_codes(n: usize, h: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_fn((n, h), |_| rng.random_range(-1.0..1.0))
}

/// 𝒩(0, I) as sums of twelve uniform numbers: `[n, d]`.
pub(crate) fn normal(n: usize, d: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_fn((n, d), |_| (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0)
}

/// All different.
pub(crate) fn keys(n: usize) -> Vec<u64> {
    (0..n as u64).map(mix).collect()
}

/// Candidates that come with all that any rule needs, and items that have a label.
#[derive(Clone)]
struct Whole {
    scores: Scores,
    keys: Vec<u64>,
    copies: Option<Vec<u64>>,
    inputs: Option<Array2<f32>>,
    labelled: Scores,
    labelled_probs: Array2<f32>, // [n, class]
}

impl Whole {
    fn new(n: usize, classes: usize, seed: u64) -> Whole {
        let whole = |n: usize, seed: u64| Scores {
            log_density: Some(random_codes(n, 1, seed + 1).column(0).to_owned() * 100.0),
            energy: Some(random_codes(n, 1, seed + 2).column(0).to_owned()),
            codes: Some(random_codes(n, 5, seed + 3)),
            ..random_draws(n, 4, classes, seed)
        };
        Whole {
            scores: whole(n, seed),
            keys: keys(n),
            copies: None,
            inputs: None,
            labelled: whole(6, seed + 10),
            labelled_probs: random_codes(n, classes, seed + 4).mapv(f32::abs),
        }
    }

    /// All candidates are the first one, under keys of their own.
    fn of_copies(n: usize) -> Whole {
        let Whole { scores, labelled, labelled_probs, .. } = Whole::new(1, 3, 7);
        let first = vec![0; n];
        let of = |values: &Option<Array1<f32>>| values.as_ref().map(|values| values.select(Axis(0), &first));
        Whole {
            scores: Scores {
                log_probs: scores.log_probs.select(Axis(0), &first),
                log_density: of(&scores.log_density),
                energy: of(&scores.energy),
                codes: scores.codes.map(|codes| codes.select(Axis(0), &first)),
            },
            keys: keys(n),
            copies: None,
            inputs: None,
            labelled,
            labelled_probs: labelled_probs.select(Axis(0), &first),
        }
    }

    fn select(&self, order: &[usize]) -> Whole {
        Pool::new(&self.scores, &self.keys).reordered(order, |pool| Whole {
            scores: pool.scores.clone(),
            keys: pool.keys.to_vec(),
            copies: self.copies.as_ref().map(|copies| order.iter().map(|&item| copies[item]).collect()),
            inputs: self.inputs.as_ref().map(|inputs| inputs.select(Axis(0), order)),
            labelled: self.labelled.clone(),
            labelled_probs: self.labelled_probs.select(Axis(0), order),
        })
    }

    /// As a rule wants to see it: a sampler has one answer or one a class.
    fn pool(&self, rule: &Rule) -> Pool<'_> {
        let columns = if rule.needs.contains(&Need::Sampler) { 1 } else { self.labelled_probs.ncols() };
        Pool {
            copies: self.copies.as_deref(),
            inputs: self.inputs.as_ref().map(|inputs| inputs.view()),
            labelled: Some(Labelled { scores: &self.labelled, inputs: None }),
            labelled_probs: Some(self.labelled_probs.slice_axis(Axis(1), (..columns).into())),
            ..Pool::new(&self.scores, &self.keys)
        }
    }

    fn query(&self, rule: &Rule, ask: &Ask) -> Query {
        rule.query(&self.pool(rule), ask).expect(rule.name)
    }
}

fn items(query: &Query) -> Vec<usize> {
    query.picks.iter().map(|pick| pick.item).collect()
}

fn of_budget(budget: usize, seed: u64) -> Ask {
    Ask { budget, seed, ..Ask::default() }
}

#[test]
fn names_are_what_can_be_typed_and_papers_are_known() {
    let references = include_str!("../../halfmoon/src/references.bib");
    let papers =
        RULES.iter().filter_map(|rule| rule.paper).chain(crate::stream::MANAGERS.iter().map(|manager| manager.paper));
    for paper in papers {
        assert!(references.contains(&format!("{{{paper},")), "{paper} is not in references.bib");
    }
    for found in RULES {
        assert!(found.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", found.name);
        assert_eq!(rule(found.name).map(|rule| rule.about).ok(), Some(found.about));
    }
    assert_eq!(RULES.iter().map(|rule| rule.name).collect::<HashSet<_>>().len(), RULES.len());
    let error = rule("entropie").err().expect("there is no such rule");
    assert_eq!(error.hint(), Some("did you mean `entropy`?"));
}

#[test]
fn a_reordered_pool_gives_the_same_query() {
    // A17: the same items in the same order, and the same utilities to the last bit.
    let n = 60;
    let whole = Whole::new(n, 3, 1);
    let reversed: Vec<usize> = (0..n).rev().collect();
    let mut shuffled: Vec<usize> = (0..n).collect();
    shuffled.sort_by_key(|&item| mix(item as u64 ^ 0xabc));
    for rule in RULES {
        for seed in 0..3 {
            let query = whole.query(rule, &of_budget(9, seed));
            assert_eq!(query.picks.len(), 9, "{}", rule.name);
            for order in [&reversed, &shuffled] {
                let again = whole.select(order).query(rule, &of_budget(9, seed));
                assert_eq!(
                    items(&query),
                    items(&again).iter().map(|&place| order[place]).collect::<Vec<_>>(),
                    "{}",
                    rule.name
                );
                for (pick, other) in query.picks.iter().zip(&again.picks) {
                    assert_eq!(
                        (pick.utility.to_bits(), &pick.reason),
                        (other.utility.to_bits(), &other.reason),
                        "{}",
                        rule.name
                    );
                }
                let utilities = query.utilities.as_ref().map(|utilities| utilities.select(Axis(0), order));
                assert_eq!(utilities, again.utilities, "{}", rule.name);
            }
        }
    }
}

#[test]
fn a_candidates_label_is_nowhere_in_what_a_rule_sees() {
    // A17: without `..`, so that a field which is added has to be looked at here. Labels would be a `Class` or an `Option` of one.
    let whole = Whole::new(3, 3, 1);
    let Pool { scores, keys: _, copies: _, inputs: _, labelled, labelled_probs: _, class_names: _ } =
        whole.pool(&RULES[0]);
    let Scores { log_probs: _, log_density: _, energy: _, codes: _ } = scores;
    let Labelled { scores: _, inputs: _ } = labelled.expect("there are some");
}

#[test]
fn every_rule_answers_whatever_the_pool() {
    let sure = |whole: Whole, impossible: usize| {
        let mut whole = whole;
        for (i, mut row) in whole.scores.log_probs.outer_iter_mut().enumerate() {
            for (k, mut draw) in row.outer_iter_mut().enumerate() {
                let top = (i + k * (i % 2)) % draw.len();
                draw.iter_mut().enumerate().for_each(|(c, p)| *p = if c == top { 0.0 } else { f32::NEG_INFINITY });
            }
        }
        // Rows that sum to 0 are no distribution, and still no reason to panic.
        whole.scores.log_probs.slice_axis_mut(Axis(0), (..impossible).into()).fill(f32::NEG_INFINITY);
        whole
    };
    let scaled = |unit: f32| {
        let mut whole = Whole::new(30, 3, 2);
        whole.scores.codes = whole.scores.codes.map(|codes| codes * unit);
        whole.labelled.codes = whole.labelled.codes.map(|codes| codes * unit);
        whole
    };
    let mut impossible = Whole::new(30, 3, 3);
    impossible.scores.log_density = Some(Array1::from_shape_fn(30, |i| [f32::NEG_INFINITY, 3e38, -3e38][i % 3]));
    let mut outlier = scaled(1.0);
    outlier.scores.codes.as_mut().expect("set above").row_mut(4).fill(1e25);
    let cases = [
        ("none", Whole::new(30, 3, 2).select(&[])),
        ("one", Whole::new(1, 3, 2)),
        ("two", Whole::new(2, 3, 2)),
        ("two classes", Whole::new(30, 2, 2)),
        ("one class", Whole::new(30, 1, 2)),
        ("sure", sure(Whole::new(30, 3, 2), 0)),
        ("impossible", sure(Whole::new(30, 3, 2), 3)),
        ("huge codes", scaled(1e30)),
        ("tiny codes", scaled(1e-30)),
        ("codes of 0", scaled(0.0)),
        ("an outlier", outlier),
        ("impossible inputs", impossible),
        ("copies", Whole::of_copies(30)),
    ];
    for (case, whole) in &cases {
        for rule in RULES {
            for budget in [0, 1, 5, 30, 1000] {
                let query = whole.query(rule, &Ask { apart: 0.0, ..of_budget(budget, 1) });
                let chosen = items(&query);
                let name = format!("{} of {budget}, {case}", rule.name);
                assert_eq!(chosen.len(), budget.min(whole.keys.len()), "{name}");
                assert_eq!(chosen.iter().collect::<HashSet<_>>().len(), chosen.len(), "{name}");
                assert!(query.picks.iter().all(|pick| !pick.utility.is_nan() && !pick.reason.is_empty()), "{name}");
                assert!(query.utilities.iter().flatten().all(|utility| !utility.is_nan()), "{name}");
                assert!(!query.picks.iter().any(|pick| pick.reason.contains("NaN")), "{name}");
            }
        }
    }
}

#[test]
fn where_all_are_alike_the_seed_decides_and_not_the_order_of_the_file() {
    let whole = Whole::of_copies(100);
    for rule in RULES {
        let first: Vec<usize> = (0..30).map(|seed| items(&whole.query(rule, &of_budget(1, seed)))[0]).collect();
        // Of 30 draws from 100 some 26 are different; their mean is 49.5, with a standard deviation of 5.3.
        assert!(first.iter().collect::<HashSet<_>>().len() > 18, "{}: {first:?}", rule.name);
        let mean = first.iter().sum::<usize>() as f64 / 30.0;
        assert!((mean - 49.5).abs() < 21.0, "{}: {mean}", rule.name);
    }
}

#[test]
fn a_query_holds_no_two_near_copies() {
    // Each candidate has a near copy, which is 30 places further on.
    let first = Whole::new(30, 3, 5);
    let mut whole = first.select(&(0..60).map(|item| item % 30).collect::<Vec<_>>());
    whole.keys = keys(60);
    let codes = whole.scores.codes.as_mut().expect("all that is needed");
    codes.slice_axis_mut(Axis(0), (30..).into()).mapv_inplace(|x| x + 1e-3);
    for rule in RULES {
        let query = whole.query(rule, &of_budget(60, 1));
        let originals: HashSet<usize> = items(&query).iter().map(|item| item % 30).collect();
        assert_eq!((query.picks.len(), originals.len(), query.too_near), (30, 30, 30), "{}", rule.name);
        assert_eq!(whole.query(rule, &Ask { apart: 0.0, ..of_budget(60, 1) }).picks.len(), 60, "{}", rule.name);
    }
}

#[test]
fn without_codes_near_copies_are_told_by_their_inputs() {
    let first = Whole::new(30, 3, 5);
    let mut whole = first.select(&(0..60).map(|item| item % 30).collect::<Vec<_>>());
    whole.keys = keys(60);
    whole.inputs = whole.scores.codes.take();
    whole.labelled.codes = None;
    whole.inputs.as_mut().expect("set above").slice_axis_mut(Axis(0), (30..).into()).mapv_inplace(|x| x + 1e-3);
    for rule in RULES.iter().filter(|rule| !rule.needs.contains(&Need::Codes)) {
        let query = whole.query(rule, &of_budget(60, 1));
        let originals: HashSet<usize> = items(&query).iter().map(|item| item % 30).collect();
        assert_eq!((query.picks.len(), originals.len(), query.too_near), (30, 30, 30), "{}", rule.name);
    }
}

#[test]
fn where_all_are_alike_one_is_asked() {
    let whole = Whole::of_copies(12);
    for rule in RULES {
        assert_eq!(whole.query(rule, &of_budget(9, 1)).picks.len(), 1, "{}", rule.name);
    }
}

#[test]
fn exact_copies_are_kept_apart_always() {
    let mut whole = Whole::of_copies(12);
    whole.copies = Some((0..12).map(|i| i / 4).collect());
    let by_key = Whole { keys: (0..12).map(|i| i / 4).collect(), copies: None, ..whole.clone() };
    for rule in RULES {
        for whole in [&whole, &by_key] {
            let query = whole.query(rule, &Ask { apart: 0.0, ..of_budget(9, 1) });
            assert_eq!(items(&query).iter().map(|item| item / 4).collect::<HashSet<_>>().len(), 3, "{}", rule.name);
            assert_eq!(query.picks.len(), 3, "{}", rule.name);
        }
    }
}

#[test]
fn what_a_rule_needs_and_lacks_is_named_with_what_to_do() {
    let bare = bare(random_draws(5, 1, 3, 1).log_probs);
    let keys = keys(5);
    for rule in RULES {
        let found = rule.query(&Pool::new(&bare, &keys), &Ask::default());
        assert_eq!(found.is_ok(), rule.needs.is_empty(), "{}", rule.name);
        if let Err(error) = found {
            assert!(error.to_string().starts_with(&format!("`{}` needs ", rule.name)), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.starts_with("use ")), "{error}");
        }
    }
    let error = rule("bald").and_then(|rule| rule.query(&Pool::new(&bare, &keys), &Ask::default())).err();
    assert_eq!(error.map(|error| error.to_string()).as_deref(), Some("`bald` needs several draws"));
}

#[test]
fn inputs_do_where_there_are_no_codes() {
    let mut whole = Whole::new(40, 3, 6);
    whole.inputs = whole.scores.codes.take();
    whole.labelled.codes = None;
    for rule in RULES.iter().filter(|rule| !rule.needs.contains(&Need::Codes)) {
        assert_eq!(whole.query(rule, &Ask { apart: 0.0, ..of_budget(7, 1) }).picks.len(), 7, "{}", rule.name);
    }
}

#[test]
fn what_is_no_number_is_told() {
    let mut whole = Whole::new(5, 3, 1);
    whole.scores.log_probs[[2, 0, 1]] = f32::NAN;
    for rule in RULES {
        let error = rule.query(&whole.pool(rule), &Ask::default()).expect_err("a NaN");
        assert!(error.to_string().contains("probabilities are not numbers"), "{error}");
    }
    let mut whole = Whole::new(5, 3, 1);
    whole.scores.codes.as_mut().expect("set above")[[0, 0]] = f32::INFINITY;
    assert!(RULES[1].query(&whole.pool(&RULES[1]), &Ask::default()).is_err());
}

#[test]
fn rules_for_streams_judge_an_item_as_they_judge_it_among_others() {
    let whole = Whole::new(20, 3, 8);
    let streamed = RULES.iter().filter(|rule| rule.is_for_streams());
    assert!(streamed.clone().any(|rule| rule.name == "margin"));
    for rule in streamed {
        let Judge::Alone(judge) = rule.judge else { unreachable!("a rule for streams") };
        let all = judge(&whole.pool(rule), &Ask::default());
        for item in 0..20 {
            let one = whole.select(&[item]);
            let alone = judge(&one.pool(rule), &Ask::default());
            assert_eq!(alone[0].to_bits(), all[item].to_bits(), "{}", rule.name);
        }
    }
}

#[test]
fn every_rule_finds_the_half_of_the_classes_that_nobody_labelled_or_says_why_not() {
    // Two clouds; all labels are in the left one, where the model is sure. In the right one its draws differ, and it finds
    // what is there implausible.
    let codes = concatenate![Axis(0), normal(50, 2, 1) * 0.3, normal(50, 2, 2) * 0.3 + array![6.0, 0.0]];
    let log_probs = Array3::from_shape_fn((100, 4, 2), |(i, k, c)| {
        let p: f32 = if i < 50 { 0.98 - 0.001 * (i % 7) as f32 } else { 0.3 + 0.1 * k as f32 };
        if c == 0 { p.ln() } else { (1.0 - p).ln() }
    });
    let scores = Scores {
        log_density: Some(Array1::from_shape_fn(100, |i| if i < 50 { -10.0 } else { -30.0 } - (i % 9) as f32)),
        codes: Some(codes),
        ..bare(log_probs)
    };
    let labelled = Scores { codes: Some(normal(10, 2, 3) * 0.3), ..random_draws(10, 4, 2, 4) };
    let labelled_probs = Array2::from_shape_fn((100, 2), |(i, _)| if i < 50 { 0.8 } else { 0.3 });
    let whole = Whole { scores, keys: keys(100), copies: None, inputs: None, labelled, labelled_probs };
    for rule in RULES {
        let query = whole.query(rule, &Ask { apart: 0.0, ..of_budget(10, 1) });
        let found = items(&query).iter().filter(|&&item| item >= 50).count();
        // Some look at no model; `cold_start` divides its query evenly; `k_center` and `bait` go back once the right is covered.
        let least = match rule.name {
            "random" => 1,
            "k_center" | "bait" | "cold_start" => 4,
            _ => 8,
        };
        assert!(found >= least, "{}: {found} of 10", rule.name);
    }
}
