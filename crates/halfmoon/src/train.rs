//! The training loop, and what it is told.

use burn::optim::ModuleOptimizer;
use halfmoon_pool::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::batches::Batches;
use crate::checkpoint::Checkpoint;
use crate::loss::Loss;
use crate::model::Model;
use crate::noise::Noise;
use crate::ops::Adam;

/// How to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Optimiser updates.
    pub steps: u64,
    /// Learning rate of Adam, at the start.
    pub rate: f64,
    /// What becomes of the rate.
    pub decay: Decay,
    /// Labelled rows a step; all of them where there are fewer.
    pub labelled_rows: usize,
    /// Rows a step whose labels are not looked at.
    pub unlabelled_rows: usize,
    /// L2 added to the gradient: 1/N is a standard normal prior on the weights.
    pub weight_decay: f64,
}

/// What becomes of the learning rate over the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// It stays.
    Constant,
    /// It stays for three fifths of the steps and then falls to zero in a line.
    Linear,
}

impl Default for Plan {
    /// 100 + 100 rows a step is what most published programs use; the rate is Adam's own default.
    fn default() -> Plan {
        Plan {
            steps: 3000,
            rate: 1e-3,
            decay: Decay::Linear,
            labelled_rows: 100,
            unlabelled_rows: 100,
            weight_decay: 0.0,
        }
    }
}

impl Plan {
    /// Says what is wrong with a value that type-checks.
    pub fn check(&self) -> std::result::Result<(), String> {
        let positive =
            [("steps", self.steps as f64), ("rate", self.rate), ("labelled_rows", self.labelled_rows as f64)];
        for (name, value) in positive {
            if !value.is_finite() || value <= 0.0 {
                return Err(format!("`{name}` must be more than 0"));
            }
        }
        if self.labelled_rows.max(self.unlabelled_rows) > 1_000_000 {
            return Err("a step takes at most 1,000,000 rows".into());
        }
        if !self.weight_decay.is_finite() || self.weight_decay < 0.0 {
            return Err("`weight_decay` must be 0 or more".into());
        }
        Ok(())
    }

    /// The rate of a step, which counts from 0.
    pub fn rate_at(&self, step: u64) -> f64 {
        match self.decay {
            Decay::Constant => self.rate,
            Decay::Linear => {
                let left = (self.steps.saturating_sub(step)) as f64 / self.steps as f64;
                self.rate * (left / 0.4).min(1.0)
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "parameters are f32")]
    fn optimizer(&self) -> ModuleOptimizer {
        Adam { weight_decay: self.weight_decay as f32, ..Adam::default() }.init()
    }
}

/// Who looks on while a model trains: shows progress, asks for checkpoints, stops it.
pub trait Watch {
    /// After a step, which counts from 1. The loss's values wait for the device, so not every step
    /// should ask for them.
    fn step(&mut self, step: u64, loss: &Loss) -> Result<Then>;

    /// When `step` answered [`Then::Save`] or [`Then::Stop`], and after the last step.
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()>;
}

/// What to do after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The next one.
    Continue,
    /// Hand over a checkpoint, then the next one.
    Save,
    /// Hand over a checkpoint and return it.
    Stop,
}

/// Trains `model` to the end of the plan or until `watch` stops it. With the same seed the result is
/// the same whether or not it was interrupted: a step's rows and noise depend on seed and step alone.
pub fn train<M: Model>(
    mut model: M,
    mut batches: Batches,
    plan: &Plan,
    seed: u64,
    resume: Option<Checkpoint>,
    watch: &mut dyn Watch,
) -> Result<Checkpoint> {
    let mut optimizer = plan.optimizer();
    let mut memory = M::Memory::default();
    let mut done = 0;
    if let Some(checkpoint) = resume {
        done = checkpoint.step;
        (model, optimizer) = checkpoint.restore(model, optimizer)?;
    }
    while done < plan.steps {
        let (batch, mut noise) = (batches.at(done), Noise::new(seed, done, batches.device()));
        let loss;
        (model, loss) = model.step(&batch, &mut memory, &mut noise, &mut optimizer, plan.rate_at(done));
        done += 1;
        let then = watch.step(done, &loss)?;
        if then == Then::Continue {
            continue;
        }
        let checkpoint = Checkpoint::of(&model, &optimizer, done);
        watch.checkpoint(&checkpoint)?;
        if then == Then::Stop {
            return Ok(checkpoint);
        }
    }
    let checkpoint = Checkpoint::of(&model, &optimizer, done);
    watch.checkpoint(&checkpoint)?;
    Ok(checkpoint)
}

/// The error for a loss that is not a number any more.
pub fn diverged(name: &str, step: u64) -> Error {
    Error::usage(
        format!("{name}: the loss is no longer a finite number at step {step}"),
        format!("a lower learning rate often helps: --set {name}.train.rate=3e-4"),
    )
}
