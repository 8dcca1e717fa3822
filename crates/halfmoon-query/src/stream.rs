//! Ask or skip, item by item, within a budget.
//!
//! A manager sees a utility after the other, higher for what is to be asked sooner, and answers at once. All that it
//! remembers is a [`Stream`], which is written and read as it is: one that was stopped in the middle goes on with the same answers.
//!
//! Žliobaitė, Bifet, Pfahringer, Holmes. *Active Learning with Drifting Streaming Data*. IEEE TNNLS 25, 2014. Kottke, Krempl,
//! Spiliopoulou. *Probabilistic Active Learning in Datastreams*. IDA 2015, for the quantile filter.
//!
//! ```text
//! û ← û (w − 1)/w + asked      û/w: the estimated spending over the last w items
//! ```
//!
//! The papers compare a threshold with a confidence. Here a utility of any scale becomes one: the share of the last w items
//! that had a higher utility. And û begins at B w, as if the budget B had been kept before; the papers begin at 0 and ask
//! the first B w items in a row. Whatever the manager, a question waits until all of them together stay within B n of the n items so far
//! and three standard deviations of as many random ones; and where B is 1, all are asked.

use std::collections::VecDeque;
use std::f64::consts::TAU;

use halfmoon_pool::{Error, Result, error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::places::single;
use crate::pool::{mix, unit};

/// Every manager, in the order in which help shows them.
pub const MANAGERS: &[Manager] = &[
    Manager {
        name: "quantile",
        about: "those above a quantile of the last ones, balanced: the balanced incremental quantile filter",
        paper: "kottke2015",
        most: 1.0,
        wants: quantile,
    },
    Manager {
        name: "variable",
        about: "a threshold that falls with every question and rises with every skip",
        paper: "zliobaite2014",
        most: 0.5,
        wants: variable,
    },
    Manager {
        name: "random_variable",
        about: "that threshold times a random number, so that nothing is never asked",
        paper: "zliobaite2014",
        most: 0.5,
        wants: random_variable,
    },
    Manager {
        name: "split",
        about: "a tenth of the items at random, the others by the variable threshold",
        paper: "zliobaite2014",
        most: 0.5,
        wants: split,
    },
    Manager {
        name: "fixed",
        about: "a threshold that never changes; it may spend less than the budget",
        paper: "zliobaite2014",
        most: 0.0,
        wants: fixed,
    },
    Manager {
        name: "estimated",
        about: "whatever comes while the budget lasts: what the others must beat",
        paper: "zliobaite2014",
        most: 1.0,
        wants: |_, _| true,
    },
];

/// A way to keep within a budget.
pub struct Manager {
    /// What the user types.
    pub name: &'static str,
    /// One line for help.
    pub about: &'static str,
    /// Key into `references.bib`.
    pub paper: &'static str,
    /// The largest budget that it spends. A threshold that falls with every question and rises as fast with every skip is in balance where half are
    /// asked; with one that never changes, nothing is sure.
    pub most: f64,
    /// Whether it would ask, were there no budget.
    wants: fn(&mut Stream, f64) -> bool,
}

/// The manager of this name.
pub fn manager(name: &str) -> Result<&'static Manager> {
    MANAGERS.iter().find(|manager| manager.name == name).ok_or_else(|| {
        let known = MANAGERS.iter().map(|manager| manager.name);
        Error::usage(format!("there is no budget manager `{name}`"), error::did_you_mean(name, known))
    })
}

/// What a stream is asked within.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// B: the share of the items that may be asked, above 0 and at most 1.
    pub budget: f64,
    /// w: items that are remembered.
    pub window: usize,
    /// By which part of itself a variable threshold moves. 0.01, as in its paper.
    pub step: f64,
    /// Of `fixed`, in units of the utility: it asks above this. `None`: after w items the (1 − B) quantile of those, of
    /// which B at random are asked.
    pub threshold: Option<f64>,
    /// Of `quantile`: questions in which a lack or an excess of as many is made good. 50, as in its paper.
    pub tolerance: f64,
    /// Decides whatever is drawn.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { budget: 0.05, window: 250, step: 0.01, threshold: None, tolerance: 50.0, seed: 0 }
    }
}

/// A stream as far as it has come. Numbers are kept in single precision, which text gives back exactly.
#[derive(Clone, Serialize, Deserialize)]
pub struct Stream {
    #[serde(serialize_with = "write_name", deserialize_with = "read_name")]
    manager: &'static Manager,
    settings: Settings,
    seen: u64,
    asked: u64,
    /// û.
    estimate: f32,
    /// Of a variable threshold, in shares; of `fixed` in units of the utility, where it is known.
    threshold: Option<f32>,
    /// The last w utilities.
    last: VecDeque<f32>,
}

impl Stream {
    /// Before the first item.
    pub fn new(manager: &'static Manager, settings: Settings) -> Result<Stream> {
        let Settings { budget, window, step, tolerance, .. } = settings;
        let wrong = match () {
            () if !(budget > 0.0 && budget <= 1.0) => format!("a budget of {budget}"),
            () if window == 0 => "a window of no items".to_owned(),
            () if !(step > 0.0 && step < 1.0) => format!("a step of {step}"),
            () if !(tolerance > 0.0 && tolerance.is_finite()) => format!("a tolerance of {tolerance}"),
            () => {
                let estimate = single(budget * window as f64);
                let threshold = settings.threshold.map(single).filter(|_| manager.name == "fixed");
                return Ok(Stream { manager, settings, seen: 0, asked: 0, estimate, threshold, last: VecDeque::new() });
            }
        };
        let hint =
            "the budget is above 0 and at most 1, the window and the tolerance above 0, the step between 0 and 1";
        Err(Error::usage(wrong, hint))
    }

    /// Whether the next item, of this utility, is asked. What is no number is skipped.
    pub fn decide(&mut self, utility: f64) -> bool {
        let asks = !utility.is_nan() && {
            let utility = f64::from(single(utility.clamp(-1e30, 1e30)));
            let asks = self.settings.budget >= 1.0 || (self.may_ask() && (self.manager.wants)(self, utility));
            self.remember(utility);
            asks
        };
        let w = self.settings.window.max(1) as f64;
        self.estimate = single(f64::from(self.estimate) * (w - 1.0) / w + f64::from(u8::from(asks)));
        self.seen += 1;
        self.asked += u64::from(asks);
        asks
    }

    /// Items so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Those that were asked. Never more than the budget's share of those seen, and three standard deviations of a random choice.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// Its name.
    pub fn manager(&self) -> &'static str {
        self.manager.name
    }

    /// What it is asked within.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether what was asked in all leaves room for a question, and what was asked lately does, too.
    fn may_ask(&self) -> bool {
        let Settings { budget, window, .. } = self.settings;
        let due = budget * (self.seen + 1) as f64;
        let leaves_room = (self.asked + 1) as f64 <= due + 3.0 * (due * (1.0 - budget)).sqrt();
        // The quantile filter makes good for itself what it asked before.
        let makes_good = self.manager.name == "quantile";
        leaves_room && (makes_good || f64::from(self.estimate) < budget * window as f64 && (self.asked as f64) < due)
    }

    fn remember(&mut self, utility: f64) {
        self.last.push_back(single(utility));
        while self.last.len() > self.settings.window.max(1) {
            self.last.pop_front();
        }
    }

    /// The share of the last items with a higher utility; equals count half.
    fn confidence(&self, utility: f64) -> f64 {
        let of = |&last: &f32| match f64::from(last).total_cmp(&utility) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        };
        if self.last.is_empty() { 0.5 } else { self.last.iter().map(of).sum::<f64>() / self.last.len() as f64 }
    }

    /// The utility that the share B of the last items reaches.
    fn upper_quantile(&self) -> Option<f64> {
        let mut sorted: Vec<f32> = self.last.iter().copied().collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among those remembered")]
        let place = (self.settings.budget * sorted.len() as f64) as usize;
        sorted.get(place.min(sorted.len().saturating_sub(1))).map(|&utility| f64::from(utility))
    }

    /// A number from 0 to below 1: another for each item and purpose.
    fn random(&self, purpose: u64) -> f64 {
        unit(mix(mix(mix(self.settings.seed) ^ self.seen) ^ purpose))
    }
}

/// Least value of a variable threshold: from 0 it could not rise.
const LEAST: f64 = 1e-3;

fn variable(stream: &mut Stream, utility: f64) -> bool {
    below_threshold(stream, utility, 1.0)
}

fn random_variable(stream: &mut Stream, utility: f64) -> bool {
    // 1 + 𝒩(0, 1), as in the paper, by Box and Muller.
    let radius = (-2.0 * stream.random(1).max(f64::MIN_POSITIVE).ln()).sqrt();
    let factor = 1.0 + radius * (TAU * stream.random(2)).cos();
    below_threshold(stream, utility, factor)
}

fn below_threshold(stream: &mut Stream, utility: f64, factor: f64) -> bool {
    let threshold = f64::from(stream.threshold.unwrap_or(1.0));
    let asks = stream.confidence(utility) < threshold * factor;
    let moved = threshold * (1.0 + if asks { -stream.settings.step } else { stream.settings.step });
    stream.threshold = Some(single(moved.max(LEAST)));
    asks
}

/// The share of the items that `split` decides at random.
const AT_RANDOM: f64 = 0.1;

fn split(stream: &mut Stream, utility: f64) -> bool {
    if stream.random(3) < AT_RANDOM { stream.random(4) < stream.settings.budget } else { variable(stream, utility) }
}

fn fixed(stream: &mut Stream, utility: f64) -> bool {
    if stream.threshold.is_none() && stream.last.len() >= stream.settings.window {
        stream.threshold = stream.upper_quantile().map(single);
    }
    match stream.threshold {
        Some(threshold) => utility > f64::from(threshold),
        None => stream.random(5) < stream.settings.budget,
    }
}

fn quantile(stream: &mut Stream, utility: f64) -> bool {
    let left = stream.settings.budget * stream.seen as f64 - stream.asked as f64;
    let Some(threshold) = stream.upper_quantile() else { return stream.random(6) < stream.settings.budget };
    let ends = |(low, high): (f32, f32), &utility: &f32| (low.min(utility), high.max(utility));
    let (low, high) = stream.last.iter().fold((f32::INFINITY, f32::NEG_INFINITY), ends);
    let balanced = threshold - (f64::from(high) - f64::from(low)) * left / stream.settings.tolerance;
    // Where all are alike the threshold moves by nothing, and what is left decides.
    utility > balanced || (utility >= balanced && left > 0.0)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference to the field")]
fn write_name<S: Serializer>(manager: &&'static Manager, to: S) -> std::result::Result<S::Ok, S::Error> {
    manager.name.serialize(to)
}

fn read_name<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<&'static Manager, D::Error> {
    let name = String::deserialize(from)?;
    manager(&name).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(manager: &'static Manager, budget: f64) -> Stream {
        Stream::new(manager, Settings { budget, ..Settings::default() }).expect("a budget between 0 and 1")
    }

    fn uniform(i: u64) -> f64 {
        unit(mix(i ^ 0x5eed))
    }

    #[test]
    fn those_that_claim_to_spend_the_budget_do() {
        // A40, for utilities of every kind: uniform, mostly 0, all alike, negative and skewed.
        let kinds: [fn(u64) -> f64; 4] =
            [uniform, |i| if i % 20 == 0 { uniform(i) } else { 0.0 }, |_| 0.7, |i| -uniform(i).ln().abs().exp()];
        for manager in MANAGERS {
            for budget in [0.01, 0.05, 0.1, 0.3, 0.8, 1.0].into_iter().filter(|&budget| budget <= manager.most) {
                for (kind, utility) in kinds.iter().enumerate() {
                    let mut stream = stream(manager, budget);
                    (0..10_000).for_each(|i| {
                        stream.decide(utility(i));
                    });
                    let spent = stream.asked() as f64 / 10_000.0;
                    // The first is the check's; of a budget of 0.01 nothing at all would pass it.
                    let least = if budget < 1.0 { budget / 2.0 } else { 1.0 };
                    assert!((spent - budget).abs() <= 0.01, "{} of {budget}, kind {kind}: {spent}", manager.name);
                    assert!(spent >= least, "{} of {budget}, kind {kind}: {spent}", manager.name);
                }
            }
        }
    }

    #[test]
    fn at_no_time_is_more_asked_than_the_budget_and_three_standard_deviations() {
        for manager in MANAGERS {
            for budget in [0.01, 0.05, 0.3] {
                let mut stream = stream(manager, budget);
                for i in 0..5_000 {
                    // Rising: every item is the most useful so far.
                    stream.decide(i as f64 + uniform(i));
                    let due = budget * (i + 1) as f64;
                    let most = due + 3.0 * (due * (1.0 - budget)).sqrt();
                    assert!(stream.asked() as f64 <= most, "{} at {i}: {} asked", manager.name, stream.asked());
                }
            }
        }
    }

    #[test]
    fn a_stream_that_was_stopped_goes_on_with_the_same_answers() {
        for manager in MANAGERS {
            let mut whole = stream(manager, 0.1);
            let mut stopped = whole.clone();
            for i in 0..1_500 {
                if i % 97 == 0 {
                    let text = serde_json::to_string(&stopped).expect("plain values");
                    stopped = serde_json::from_str(&text).expect("what was written is read");
                }
                let utility = uniform(i).ln();
                assert_eq!(whole.decide(utility), stopped.decide(utility), "{} at {i}", manager.name);
            }
            assert_eq!((whole.seen(), whole.asked()), (stopped.seen(), stopped.asked()));
        }
    }

    #[test]
    fn what_is_asked_is_more_useful_than_what_is_skipped() {
        for manager in MANAGERS.iter().filter(|manager| manager.name != "estimated") {
            let mut stream = stream(manager, 0.1);
            let asked: Vec<f64> = (0..5_000).map(uniform).filter(|&utility| stream.decide(utility)).collect();
            let mean = asked.iter().sum::<f64>() / asked.len() as f64;
            // `random_variable` asks some 59 of a hundred times for the upper half.
            assert!(mean > 0.55, "{}: {mean}", manager.name);
        }
        // The tenth that is highest has a mean of 0.95.
        let mut stream = stream(manager("quantile").expect("a manager"), 0.1);
        let asked: Vec<f64> = (0..5_000).map(uniform).filter(|&utility| stream.decide(utility)).collect();
        assert!(asked.iter().sum::<f64>() / asked.len() as f64 > 0.92);
    }

    #[test]
    fn a_fixed_threshold_asks_above_itself() {
        let settings = Settings { budget: 0.5, threshold: Some(0.9), ..Settings::default() };
        let mut stream = Stream::new(manager("fixed").expect("a manager"), settings).expect("sound settings");
        let asked: Vec<f64> = (0..2_000).map(uniform).filter(|&utility| stream.decide(utility)).collect();
        assert!(asked.iter().all(|&utility| utility > 0.9));
        // A tenth of 2,000, give or take three standard deviations.
        assert!((160..=240).contains(&asked.len()), "{}", asked.len());
    }

    #[test]
    fn what_is_no_number_is_skipped_and_infinity_is_a_utility() {
        for manager in MANAGERS {
            let mut stream = stream(manager, 0.2);
            for i in 0..1_000 {
                let utility = [f64::NAN, f64::NEG_INFINITY, uniform(i), f64::INFINITY][(i % 4) as usize];
                assert!(!(stream.decide(utility) && utility.is_nan()), "{}", manager.name);
            }
            assert!(stream.asked() > 0, "{}", manager.name);
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        let with = |settings| Stream::new(&MANAGERS[0], settings).err().map(|error| error.to_string());
        assert_eq!(with(Settings { budget: 0.0, ..Settings::default() }).as_deref(), Some("a budget of 0"));
        assert_eq!(with(Settings { window: 0, ..Settings::default() }).as_deref(), Some("a window of no items"));
        assert!(with(Settings::default()).is_none());
        let error = manager("quantil").err().expect("unknown");
        assert_eq!(error.hint(), Some("did you mean `quantile`?"));
        assert!(serde_json::from_str::<Stream>(r#"{"manager":"none"}"#).is_err());
    }
}
