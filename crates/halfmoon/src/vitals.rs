//! Trainings that can run away: what shows it, and the way back.
//!
//! Energies are trained against chains that follow them, and at times one of the two leaves the other behind: the gap between data and chains grows
//! without end and the classes are forgotten. Grathwohl et al. (2020, appendix H.3) restart such a run by hand from its last checkpoint. Here the
//! loop does: it looks at a model's [`Vital`]s every [`LOOK_EVERY`] steps, and on trouble goes back to the older of the two states that it keeps, draws
//! other noise from there on and halves the rate, [`MOST_SETBACKS`] times at most.

use std::collections::BTreeMap;

use halfmoon_pool::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::loss::Loss;

/// Steps between two looks.
pub const LOOK_EVERY: u64 = 10;

/// Steps between two states that are kept. The older one is that much before the trouble, at least.
pub const KEEP_EVERY: u64 = 100;

/// After so many ways back the next trouble ends the training.
pub const MOST_SETBACKS: u32 = 5;

/// Looks that the usual size of a vital is the median of, at most and at least.
const USUAL: usize = 100;
const LEAST_USUAL: usize = 5;

/// Something in a loss that shows whether the training holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vital {
    /// Name of the term, or of what is observed beside the terms.
    pub name: &'static str,
    /// What it is, in words that a sentence can begin with.
    pub about: &'static str,
    /// How large it may be, whatever its sign.
    pub most: Most,
    /// What helps where the way back does not; `MODEL` stands for the model's name.
    pub advice: &'static str,
}

/// How large a [`Vital`] may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Most {
    /// This large.
    Size(f64),
    /// So many times its usual size, which counts as 1 where it is less. Before a few looks nothing is usual, and anything is sound.
    TimesUsual(f64),
}

/// Trouble that was seen, and where the training goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setback {
    /// The step after which it was seen.
    pub at: u64,
    /// The step that the training went back to.
    pub to: u64,
    /// How many there were, this one included.
    pub number: u32,
    /// What was seen.
    pub why: String,
}

/// What a training remembers of its vitals. Part of a checkpoint, so that a resumed run sees the same trouble.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Health {
    /// How often the training went back.
    pub setbacks: u32,
    /// The last sizes of each vital.
    sizes: BTreeMap<String, Vec<f32>>,
}

impl Health {
    /// What the rate is multiplied by: a half for each setback.
    pub fn caution(&self) -> f64 {
        caution(self.setbacks)
    }

    /// The first trouble in these values of a loss, whose sizes are remembered if there is none.
    fn trouble(&mut self, vitals: &[Vital], values: &[(&'static str, f64)]) -> Option<(String, &'static str)> {
        let broken = values.iter().find(|(_, value)| !value.is_finite());
        if let Some((name, _)) = broken {
            let advice = vitals.first().map_or("", |vital| vital.advice);
            return Some((format!("`{name}` is no longer a finite number"), advice));
        }
        let sizes: Vec<(&Vital, f64)> = vitals
            .iter()
            .filter_map(|vital| values.iter().find(|(name, _)| *name == vital.name).map(|(_, value)| (vital, *value)))
            .collect();
        for &(vital, value) in &sizes {
            let (most, of) = match vital.most {
                Most::Size(most) => (most, format!("at most {most} is sound")),
                Most::TimesUsual(times) => {
                    let sizes = self.sizes.get(vital.name).map_or(&[][..], Vec::as_slice);
                    let usual = if sizes.len() < LEAST_USUAL { f64::INFINITY } else { median(sizes).max(1.0).into() };
                    (times * usual, format!("more than {times} times as much as usual"))
                }
            };
            if value.abs() > most {
                return Some((format!("{} is {value:.2}, {of}", vital.about), vital.advice));
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "a loss is f32, which text gives back digit by digit")]
        for (vital, value) in sizes {
            let sizes = self.sizes.entry(vital.name.to_owned()).or_default();
            sizes.push(value.abs() as f32);
            if sizes.len() > USUAL {
                sizes.remove(0);
            }
        }
        None
    }
}

/// What the rate, and the length of a chain's step, are multiplied by after so many setbacks.
pub fn caution(setbacks: u32) -> f64 {
    0.5_f64.powi(setbacks.try_into().unwrap_or(i32::MAX))
}

/// The middle one; 0 of none.
fn median(sizes: &[f32]) -> f32 {
    let mut sorted = sizes.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Watches over a training whose model has vitals; of any other it wants nothing.
pub(crate) struct Guard {
    vitals: &'static [Vital],
    pub(crate) health: Health,
    /// The last two states that were sound, the older one first.
    kept: Vec<Checkpoint>,
}

impl Guard {
    /// One that goes on where a checkpoint's was.
    pub(crate) fn new(vitals: &'static [Vital], before: Option<&mut Checkpoint>) -> Guard {
        let (health, kept) =
            before.map(|before| (before.health.clone(), std::mem::take(&mut before.earlier))).unwrap_or_default();
        Guard { vitals, health, kept }
    }

    /// Forgets earlier states: those of another stage.
    pub(crate) fn begin_stage(&mut self) {
        self.kept.clear();
    }

    /// What is wrong after this step.
    pub(crate) fn look(&mut self, step: u64, loss: &Loss) -> Option<Trouble> {
        let is_due = step.is_multiple_of(LOOK_EVERY) || step == 1;
        if self.vitals.is_empty() || !is_due {
            return None;
        }
        let (why, advice) = self.health.trouble(self.vitals, &loss.values())?;
        Some(Trouble { at: step, why, advice })
    }

    /// What is wrong with a state that is to be handed over.
    pub(crate) fn look_at(&self, state: &Checkpoint) -> Option<Trouble> {
        let advice = self.vitals.first()?.advice;
        let why = "a parameter is no longer a finite number".to_owned();
        (!state.is_finite()).then_some(Trouble { at: state.step, why, advice })
    }

    /// Keeps the state after this step, if it is time to and none of it is kept yet.
    pub(crate) fn keep(&mut self, step: u64, state: impl FnOnce() -> Checkpoint) {
        let is_due = self.kept.is_empty() || step.is_multiple_of(KEEP_EVERY);
        if self.vitals.is_empty() || !is_due || self.kept.last().is_some_and(|last| last.step >= step) {
            return;
        }
        let mut state = state();
        state.health = self.health.clone();
        if state.is_finite() {
            self.kept.push(state);
        }
        if self.kept.len() > 2 {
            self.kept.remove(0);
        }
    }

    /// The state to go on with. An error after too many setbacks.
    pub(crate) fn go_back(&mut self, trouble: Trouble) -> std::result::Result<(Checkpoint, Setback), Trouble> {
        if self.health.setbacks >= MOST_SETBACKS || self.kept.is_empty() {
            return Err(trouble);
        }
        self.kept.truncate(1);
        let number = self.health.setbacks + 1;
        self.kept[0].health.setbacks = number;
        let state = self.kept[0].clone();
        self.health = state.health.clone();
        let setback = Setback { at: trouble.at, to: state.step, number, why: trouble.why };
        Ok((state, setback))
    }

    /// The last state that was sound.
    pub(crate) fn last_sound(&self) -> Option<&Checkpoint> {
        self.kept.last()
    }

    /// The checkpoint with what this guard needs to go on.
    pub(crate) fn remembered(&self, mut checkpoint: Checkpoint) -> Checkpoint {
        checkpoint.health = self.health.clone();
        checkpoint.earlier.clone_from(&self.kept);
        checkpoint
    }
}

/// That a training runs away.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trouble {
    at: u64,
    why: String,
    advice: &'static str,
}

impl Trouble {
    /// The end of a training that does not hold.
    pub(crate) fn give_up<T>(self, name: &str, setbacks: u32) -> Result<T> {
        let Trouble { at, why, advice } = self;
        let tried = match setbacks {
            0 => String::new(),
            times => format!(", after {times} ways back with other noise and a lower rate"),
        };
        let problem = format!("{name}: the training runs away at step {at}{tried}: {why}");
        Err(Error::usage(problem, advice.replace("MODEL", name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VITALS: &[Vital] = &[
        Vital { name: "gap", about: "the gap", most: Most::TimesUsual(20.0), advice: "MODEL, wait" },
        Vital { name: "reach", about: "the reach", most: Most::Size(3.0), advice: "" },
    ];

    #[test]
    fn trouble_is_what_is_far_from_usual_too_large_or_no_number() {
        let mut health = Health::default();
        let mut trouble = |gap, reach| health.trouble(VITALS, &[("gap", gap), ("reach", reach)]).map(|(why, _)| why);
        // Nothing is usual yet.
        for _ in 0..LEAST_USUAL {
            assert_eq!(trouble(-19.0, 1.0), None);
        }
        assert!(trouble(-381.0, 1.0).expect("as asked").contains("-381.00, more than 20 times"));
        // The trouble itself did not become usual: the median is still 19.
        assert_eq!(trouble(379.0, 1.0), None);
        assert!(trouble(1.0, 3.1).expect("as asked").contains("at most 3"));
        assert!(trouble(f64::NAN, 1.0).expect("as asked").contains("`gap` is no longer a finite number"));
    }

    #[test]
    fn the_way_back_leads_to_the_older_of_two_states_five_times() {
        let state = |step| Checkpoint::of_arrays(BTreeMap::new(), step);
        let trouble = |at| Trouble { at, why: "gone".into(), advice: "" };
        let mut guard = Guard::new(VITALS, None);
        guard.keep(0, || state(0));
        guard.keep(50, || panic!("not yet"));
        for step in [100, 200, 300] {
            guard.keep(step, || state(step));
        }
        let (back, setback) = guard.go_back(trouble(310)).expect("as asked");
        assert_eq!((back.step, setback.to, setback.at, setback.number), (200, 200, 310, 1));
        // What was kept after it is forgotten, and the same state serves again.
        guard.keep(200, || panic!("kept already"));
        for number in 2..=MOST_SETBACKS {
            let (back, setback) = guard.go_back(trouble(210)).expect("as asked");
            assert_eq!((back.step, setback.number, back.health.setbacks), (200, number, number));
        }
        assert!((guard.health.caution() - 1.0 / 32.0).abs() < 1e-12);
        let end = guard.go_back(trouble(220)).expect_err("the sixth");
        assert!(
            end.give_up::<()>("jem", 5)
                .expect_err("as asked")
                .to_string()
                .contains("jem: the training runs away at step 220")
        );
    }
}
