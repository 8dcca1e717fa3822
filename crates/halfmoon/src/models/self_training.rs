//! Self-training around any model: it labels what it is sure of and learns again.
//!
//! Yarowsky. *Unsupervised Word Sense Disambiguation Rivaling Supervised Methods*. ACL 1995.
//!
//! ```text
//! 1  train on the labelled rows
//! 2  label the unlabelled rows that the model is sure of, and add them
//! 3  repeat until nothing new is added or all rounds are done
//! ```
//!
//! A label that was added stays; those that somebody gave are never touched. A wrong label that is added teaches the model
//! to be wrong: that is the method's known weakness.

use burn::tensor::Device;
use halfmoon_classical::Arrays;
use halfmoon_pool::encode::Layout;
use halfmoon_pool::metric::predicted;
use halfmoon_pool::scores::Predictor;
use halfmoon_pool::{Class, Dataset, Result};
use ndarray::Array1;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::BASELINE;
use super::base::base;
use crate::checkpoint::Checkpoint;
use crate::experiment::probs;
use crate::fit::{Entry, Learner, Task};
use crate::loss::Loss;
use crate::train::{Ended, Then, Watch};
use crate::vitals::Setback;

/// Settings of self-training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelfTraining {
    /// The model that is trained again and again.
    pub base: String,
    /// How it is chosen what to add.
    pub rule: Rule,
    /// Probability from which on a row is added by the rule `threshold`. scikit-learn has 0.75; a network that saw few labels
    /// is surer than it should be.
    pub threshold: f64,
    /// Rows that the rule `top_k` adds a round, for each class on average.
    pub top_k: usize,
    /// Whether classes are added in the proportion in which they are labelled.
    pub balanced: bool,
    /// Trainings at most, the first included.
    pub rounds: u64,
    /// Settings of the base that differ from its defaults.
    pub settings: Table,
}

/// How it is chosen what to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// All rows that are sure enough.
    Threshold,
    /// So many of the surest.
    TopK,
}

impl Default for SelfTraining {
    fn default() -> Self {
        SelfTraining {
            base: BASELINE.name.into(),
            rule: Rule::Threshold,
            threshold: 0.95,
            top_k: 100,
            balanced: true,
            rounds: 5,
            settings: Table::new(),
        }
    }
}

impl SelfTraining {
    fn base(&self) -> std::result::Result<(&'static Entry, Table), String> {
        base(&self.base, &self.settings, Self::NAME)
    }

    fn base_steps(&self) -> u64 {
        self.base().ok().and_then(|(entry, settings)| Some((entry.check)(&settings).ok()?.steps)).unwrap_or(1)
    }

    /// Positions and classes of what is added, of unlabelled `rows` with these probabilities.
    fn choose(&self, rows: &[usize], probs: &ndarray::Array2<f32>, labelled: &[usize]) -> Vec<(usize, Class)> {
        let mut sure: Vec<(f32, usize, Class)> = rows
            .iter()
            .zip(probs.rows())
            .map(|(&row, probs)| {
                let likeliest = predicted(probs);
                (probs[likeliest.index()], row, likeliest)
            })
            .collect();
        sure.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let total = match self.rule {
            #[expect(clippy::cast_possible_truncation, reason = "a probability")]
            Rule::Threshold => {
                sure.retain(|&(p, ..)| p >= self.threshold as f32);
                sure.len()
            }
            Rule::TopK => self.top_k * labelled.len(),
        };
        let given: usize = labelled.iter().sum();
        let share = |class: usize| total as f64 * labelled[class] as f64 / given as f64;
        let mut added = vec![0_usize; labelled.len()];
        sure.retain(|&(_, _, class)| {
            let class = class.index();
            let is_added = !self.balanced || (added[class] as f64) < share(class);
            added[class] += usize::from(is_added);
            is_added
        });
        sure.truncate(total);
        sure.into_iter().map(|(_, row, class)| (row, class)).collect()
    }
}

impl Learner for SelfTraining {
    const NAME: &'static str = "self_training";
    const ABOUT: &'static str = "any model, trained again and again on what it was sure of";
    const PAPER: &'static str = "yarowsky1995";
    const NEEDS_LABELS: bool = true;

    fn steps(&self) -> u64 {
        self.base_steps() * self.rounds
    }

    fn check(&self, layout: Option<&Layout>) -> std::result::Result<(), String> {
        if self.rounds == 0 || self.rounds > 1000 {
            return Err("`rounds` must be 1 to 1000".into());
        }
        if !(self.threshold > 0.0 && self.threshold <= 1.0) {
            return Err("`threshold` must be a probability: more than 0, at most 1".into());
        }
        if self.top_k == 0 {
            return Err("`top_k` must be at least 1".into());
        }
        let (entry, settings) = self.base()?;
        let settings = (entry.check)(&settings).map_err(|error| error.to_string())?;
        match layout {
            Some(layout) => (settings.fits)(layout).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    fn fit(&self, task: &Task, resume: Option<Checkpoint>, watch: &mut dyn Watch) -> Result<Ended> {
        let (entry, settings) = self.base().map_err(|problem| halfmoon_pool::Error::usage(problem, ""))?;
        let (steps, given) = (self.base_steps(), task.dataset.class_counts());
        let mut dataset: Dataset = task.dataset.clone();
        let (mut round, mut resume) = match resume {
            None => (0, None),
            Some(mut checkpoint) => {
                restore_labels(&mut dataset, &checkpoint);
                let round = checkpoint.step.saturating_sub(1) / steps;
                checkpoint.step -= round * steps;
                (round, Some(checkpoint))
            }
        };
        loop {
            let inner = Task { dataset: &dataset, ..*task };
            let mut shifted = Shifted { watch, before: round * steps, labels: labels(&dataset) };
            let mut ended = (entry.fit)(&settings, &inner, resume.take(), &mut shifted)?;
            let is_over = shifted.watch.spent() >= 1.0;
            ended.checkpoint.step += round * steps;
            if ended.stopped {
                return Ok(Ended { checkpoint: with_labels(ended.checkpoint, labels(&dataset)), stopped: true });
            }
            round += 1;
            if round == self.rounds || is_over {
                ended.checkpoint.step = self.steps();
                return Ok(ended);
            }
            let classes = dataset.schema.classes.len();
            let predictor = (entry.load)(&settings, &task.encoding.layout(), classes, &ended.checkpoint, task.device)?;
            let unlabelled: Vec<usize> = (0..dataset.len()).filter(|&row| dataset.labels[row].is_none()).collect();
            let scores = predictor.scores(task.encoding.encode(&dataset.inputs, &unlabelled).view());
            let chosen = self.choose(&unlabelled, &probs(&scores.log_probs), &given);
            if chosen.is_empty() {
                ended.checkpoint.step = self.steps();
                return Ok(ended);
            }
            for (row, class) in chosen {
                dataset.labels[row] = Some(class);
            }
        }
    }

    fn load(
        &self,
        layout: &Layout,
        classes: usize,
        stored: &Checkpoint,
        device: &Device,
    ) -> Result<Box<dyn Predictor>> {
        let (entry, settings) = self.base().map_err(|problem| halfmoon_pool::Error::usage(problem, ""))?;
        (entry.load)(&settings, layout, classes, stored, device)
    }
}

/// Name of the labels that a round learns from, in a checkpoint: a class each, or −1.
const LABELS: &str = "self_training.labels";

fn labels(dataset: &Dataset) -> Array1<f32> {
    dataset.labels.iter().map(|label| label.map_or(-1.0, |class| f32::from(class.0))).collect()
}

fn with_labels(checkpoint: Checkpoint, labels: Array1<f32>) -> Checkpoint {
    checkpoint.with_arrays("", Arrays::from([(LABELS.to_owned(), labels.into_dyn())]))
}

fn restore_labels(dataset: &mut Dataset, checkpoint: &Checkpoint) {
    for (label, &stored) in dataset.labels.iter_mut().zip(checkpoint.arrays(LABELS).values().flatten()) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a class")]
        let class = Class(stored as u16);
        *label = (stored >= 0.0).then_some(class);
    }
}

/// Shows the steps of a round behind those of the rounds before.
struct Shifted<'a> {
    watch: &'a mut dyn Watch,
    before: u64,
    labels: Array1<f32>,
}

impl Watch for Shifted<'_> {
    fn step(&mut self, step: u64, loss: &Loss) -> Result<Then> {
        self.watch.step(self.before + step, loss)
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let mut checkpoint = with_labels(checkpoint.clone(), self.labels.clone());
        checkpoint.step += self.before;
        self.watch.checkpoint(&checkpoint)
    }

    fn setback(&mut self, setback: &Setback) -> Result<()> {
        let Setback { at, to, .. } = setback;
        self.watch.setback(&Setback { at: self.before + at, to: self.before + to, ..setback.clone() })
    }

    fn spent(&self) -> f64 {
        self.watch.spent()
    }
}
