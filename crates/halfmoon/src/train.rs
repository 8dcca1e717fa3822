//! The training loop, and what it is told.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Gradients, Tensor};
use halfmoon_pool::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::batches::{Batches, TrainingRows};
use crate::checkpoint::{Best, Checkpoint, number_parameters};
use crate::loss::Loss;
use crate::model::Model;
use crate::noise::Noise;
use crate::ops::Adam;
use crate::vitals::{Guard, Setback};

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
    /// Gradients longer than this, all of a step's taken together, are shortened to it. 0: none are.
    pub max_norm: f64,
    /// Whether each step draws grey pixels (and other values from 0 to 1) as 0 or 1 afresh, with the value as the
    /// probability of 1. Otherwise they are taken as they are. Answers are always for values as they are.
    pub binarise: bool,
    /// Early stopping: after this many checks without gain, one every [`CHECK_EVERY`] steps. A fifth of the labelled
    /// rows is held out for it, and the best parameters are kept. 0: none is held out, and all steps are done.
    pub patience: u64,
}

/// Steps between two looks at the rows that early stopping holds out.
pub const CHECK_EVERY: u64 = 25;

/// What becomes of the learning rate over the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// It stays.
    Constant,
    /// It stays for three fifths of the steps and then falls to zero in a line.
    Linear,
    /// It falls along half a cosine from its start to zero.
    Cosine,
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
            max_norm: 0.0,
            binarise: false,
            patience: 0,
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
        if !self.max_norm.is_finite() || self.max_norm < 0.0 {
            return Err("`max_norm` must be 0 or more".into());
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
            Decay::Cosine => {
                let done = step.min(self.steps) as f64 / self.steps as f64;
                self.rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "parameters are f32")]
    fn optimizer(&self) -> ModuleOptimizer {
        Adam { weight_decay: self.weight_decay as f32, ..Adam::default() }.init()
    }
}

/// One update of all of a model's parameters.
pub struct Update<'a> {
    /// What makes a step of a gradient.
    pub optimizer: &'a mut ModuleOptimizer,
    /// How long the step is.
    pub rate: f64,
    /// [`Plan::max_norm`].
    pub max_norm: f64,
}

impl Update<'_> {
    /// The model after a step against these gradients.
    pub fn apply<M: Module>(&mut self, model: M, gradients: Gradients) -> M {
        let gradients = GradientsParams::from_grads(gradients, &model);
        self.apply_parameters(model, gradients)
    }

    /// The same where each parameter's gradient is known by its id.
    pub fn apply_parameters<M: Module>(&mut self, model: M, mut gradients: GradientsParams) -> M {
        if self.max_norm > 0.0 {
            let norm = norm(&model, &gradients);
            if norm > self.max_norm {
                model.visit(&mut Scale { gradients: &mut gradients, by: self.max_norm / norm });
            }
        }
        self.optimizer.step(self.rate, model, gradients)
    }
}

/// Length of all gradients as one vector.
pub(crate) fn norm<M: Module>(model: &M, gradients: &GradientsParams) -> f64 {
    struct Sum<'a> {
        gradients: &'a GradientsParams,
        squares: f64,
    }
    impl ModuleVisitor for Sum<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                self.squares += f64::from(gradient.square().sum().into_scalar::<f32>());
            }
        }
    }
    let mut sum = Sum { gradients, squares: 0.0 };
    model.visit(&mut sum);
    sum.squares.sqrt()
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    by: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.by);
        }
    }
}

/// Who looks on while a model trains: shows progress, asks for checkpoints, stops it.
pub trait Watch {
    /// After a step, which counts from 1. The loss's values wait for the device, so not every step
    /// should ask for them.
    fn step(&mut self, step: u64, loss: &Loss) -> Result<Then>;

    /// When `step` did not answer [`Then::Continue`], and after the last step.
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()>;

    /// When a training ran away and went back.
    fn setback(&mut self, setback: &Setback) -> Result<()> {
        let _ = setback;
        Ok(())
    }

    /// Share of the time that may be spent that is spent; 0 where there is no limit.
    fn spent(&self) -> f64 {
        0.0
    }
}

/// Nobody looks on.
pub struct Unwatched;

impl Watch for Unwatched {
    fn step(&mut self, _: u64, _: &Loss) -> Result<Then> {
        Ok(Then::Continue)
    }

    fn checkpoint(&mut self, _: &Checkpoint) -> Result<()> {
        Ok(())
    }
}

/// What to do after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The next one.
    Continue,
    /// Hand over a checkpoint, then the next one.
    Save,
    /// Hand over a checkpoint and return it: somebody will go on later.
    Stop,
    /// Hand over a checkpoint and make do with it: time is up.
    Finish,
}

/// A training: its stages, and what happens between them.
pub struct Course<'a, M> {
    /// Name of the model, for what is said of it.
    pub name: &'static str,
    /// A plan a stage.
    pub plans: Vec<Plan>,
    /// The model that a stage begins with.
    pub begin_stage: &'a dyn Fn(usize, M) -> M,
    /// What early stopping looks at, if the last plan asks for it: the smaller, the better.
    pub validate: Option<&'a dyn Fn(&M) -> f64>,
}

impl<M> Course<'_, M> {
    fn steps_before(&self, stage: usize) -> u64 {
        self.plans[..stage].iter().map(|plan| plan.steps).sum()
    }
}

/// What a training came to.
#[derive(Debug)]
pub struct Ended {
    /// The state after the last step that was done.
    pub checkpoint: Checkpoint,
    /// Whether it was told to stop, so that somebody will go on later.
    pub stopped: bool,
}

/// Trains `model` to the end of the course or until `watch` stops it. With the same seed the result is
/// the same whether or not it was interrupted: a step's rows and noise depend on seed and step alone.
pub fn train<M: Model>(
    mut model: M,
    course: &Course<M>,
    rows: &TrainingRows,
    seed: u64,
    resume: Option<Checkpoint>,
    watch: &mut dyn Watch,
) -> Result<Ended> {
    let mut memory = M::Memory::default();
    // Steps of all stages, of which earlier ones may have been cut short.
    let mut done = 0;
    let mut best = None;
    let mut kept = None;
    let mut guard = Guard::new(M::vitals(), None);
    if let Some(mut checkpoint) = resume {
        done = checkpoint.step;
        best = checkpoint.best.take();
        guard = Guard::new(M::vitals(), Some(&mut checkpoint));
        kept = Some(checkpoint);
    }
    for (stage, plan) in course.plans.iter().enumerate() {
        let first = course.steps_before(stage);
        if done >= first + plan.steps && stage + 1 < course.plans.len() {
            continue;
        }
        let mut optimizer = plan.optimizer();
        match kept.take() {
            // In the middle of this stage, or where an earlier one ended.
            Some(checkpoint) if done > first || stage == 0 => {
                (model, optimizer) = checkpoint.restore(model, optimizer)?;
            }
            Some(checkpoint) => model = checkpoint.parameters_into(model)?,
            None => {}
        }
        if done == first {
            guard.begin_stage();
            model = number_parameters((course.begin_stage)(stage, model));
        }
        let is_last = stage + 1 == course.plans.len();
        let share = (first + plan.steps) as f64 / course.steps_before(course.plans.len()) as f64;
        let mut batches = Batches::new(rows, plan, stage, seed, rows.device);
        while done < first + plan.steps {
            guard.keep(done, || Checkpoint::of(&model, &optimizer, done));
            let setbacks = guard.health.setbacks;
            let mut noise = Noise::new(seed, done + (u64::from(setbacks) << SETBACK), rows.device);
            let batch = batches.at(done - first, setbacks, &mut noise);
            let mut loss;
            let rate = plan.rate_at(done - first) * guard.health.caution();
            let mut update = Update { optimizer: &mut optimizer, rate, max_norm: plan.max_norm };
            (model, loss) = model.step(&batch, &mut memory, &mut noise, &mut update);
            done += 1;
            let mut exhausted = false;
            if let Some(validate) = course.validate.filter(|_| is_last && done.is_multiple_of(CHECK_EVERY)) {
                let value = validate(&model);
                loss = loss.note("validation", value);
                let best = best.get_or_insert_with(|| Best::of(&model, done, f64::INFINITY));
                if value < best.value {
                    *best = Best::of(&model, done, value);
                }
                exhausted = done - best.step >= plan.patience * CHECK_EVERY;
            }
            let mut trouble = guard.look(done, &loss);
            let mut checkpoint = None;
            if trouble.is_none() {
                let then = watch.step(done, &loss)?;
                // This stage has had its share of the time; the next one has not.
                let is_spent = !is_last && then != Then::Stop && (then == Then::Finish || watch.spent() >= share);
                if is_spent || exhausted {
                    done = first + plan.steps;
                    break;
                }
                if then == Then::Continue {
                    continue;
                }
                let state = Checkpoint::of(&model, &optimizer, done).with_best(best.clone());
                trouble = guard.look_at(&state);
                checkpoint = Some((then, guard.remembered(state)));
            }
            if let Some(trouble) = trouble {
                let (state, setback) = match guard.go_back(trouble) {
                    Ok(back) => back,
                    Err(trouble) => {
                        if let Some(sound) = guard.last_sound() {
                            watch.checkpoint(&guard.remembered(sound.clone()))?;
                        }
                        return trouble.give_up(course.name, guard.health.setbacks);
                    }
                };
                (model, optimizer) = state.restore(model, plan.optimizer())?;
                done = state.step;
                best = best.filter(|best: &Best| best.step <= done);
                watch.setback(&setback)?;
                continue;
            }
            let Some((then, checkpoint)) = checkpoint else { continue };
            watch.checkpoint(&checkpoint)?;
            match then {
                Then::Stop => return Ok(Ended { checkpoint, stopped: true }),
                Then::Finish => return Ok(Ended { checkpoint: checkpoint.at_its_best(), stopped: false }),
                Then::Continue | Then::Save => {}
            }
        }
        let checkpoint = guard.remembered(Checkpoint::of(&model, &optimizer, done).with_best(best.clone()));
        if is_last {
            let checkpoint = checkpoint.at_its_best();
            watch.checkpoint(&checkpoint)?;
            return Ok(Ended { checkpoint, stopped: false });
        }
        watch.checkpoint(&checkpoint)?;
    }
    unreachable!("a course has a last stage")
}

/// Bits of a noise stream's number below those that count setbacks: more than any run has steps.
const SETBACK: u32 = 40;

/// The error for a loss that is not a number any more.
pub fn diverged(name: &str, step: u64) -> Error {
    Error::usage(
        format!("{name}: the loss is no longer a finite number at step {step}"),
        format!("a lower learning rate often helps: --set {name}.train.rate=3e-4"),
    )
}
