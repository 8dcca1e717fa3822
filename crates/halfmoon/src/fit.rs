//! What the rest of the system knows of a model: its name, its settings, how to train and load it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use halfmoon_pool::encode::{Encoding, Layout};
use halfmoon_pool::error::did_you_mean;
use halfmoon_pool::scores::Predictor;
use halfmoon_pool::{Dataset, Error, Result, split};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

use crate::batches::TrainingRows;
use crate::checkpoint::{Checkpoint, number_parameters};
use crate::config;
use crate::dist::Categorical;
use crate::model::{Classifier, Makes, ModelConfig};
use crate::noise::Noise;
use crate::predict::Trained;
use crate::train::{Course, Ended, Plan, Watch, train};

/// A model by name, its types erased: what the command line and the conformance tests know of it.
pub struct Entry {
    /// What the user types.
    pub name: &'static str,
    /// One line for `halfmoon models`.
    pub about: &'static str,
    /// Key into `references.bib`.
    pub paper: &'static str,
    /// What it makes beside answers.
    pub makes: Makes,
    /// Whether it is trained in steps, and does not look at all rows at once.
    pub is_stepwise: bool,
    /// Whether there is nothing to learn from without a single label.
    pub needs_labels: bool,
    /// The default settings. Those of the optimiser, where there is one, are the table `train`.
    pub defaults: fn() -> Table,
    /// The same for the preset that these settings name, where they name one.
    pub preset: fn(&Table) -> Result<Table>,
    /// Whether these settings can be used, with every key known.
    pub check: fn(&Table) -> Result<Settings>,
    /// Trains from fresh parameters or from a checkpoint.
    pub fit: fn(&Table, &Task, Option<Checkpoint>, &mut dyn Watch) -> Result<Ended>,
    /// A trained model that can be asked.
    pub load: fn(&Table, &Layout, usize, &Checkpoint, &Device) -> Result<Box<dyn Predictor>>,
    /// Its logits as a function that gradients of the input flow through. `None` for a model that is no such function.
    pub logits: fn(&Table, &Layout, usize, &Checkpoint, &Device) -> Result<Option<Logits>>,
}

/// Logits `[n, c]` of rows `[n, d]`, without gradients for parameters.
pub type Logits = Box<dyn Fn(&Tensor<2>) -> Tensor<2>>;

/// What a model's settings come to.
pub struct Settings {
    /// Steps of all stages, or what progress is counted in where there are no steps.
    pub steps: u64,
    /// Whether the settings fit rows of a layout.
    pub fits: Box<dyn Fn(&Layout) -> Result<()>>,
}

/// What is learned from.
pub struct Task<'a> {
    /// Training items. Hidden labels are not in it.
    pub dataset: &'a Dataset,
    /// Fitted on these items.
    pub encoding: &'a Encoding,
    /// Decides parameters, rows and noise.
    pub seed: u64,
    /// Where the tensors live.
    pub device: &'a Device,
}

/// A model that is not, or not only, trained by an optimiser. Its fields are its settings.
pub trait Learner: Default + Serialize + DeserializeOwned + 'static {
    /// What the user types.
    const NAME: &'static str;
    /// One line for `halfmoon models`.
    const ABOUT: &'static str;
    /// Key into `references.bib`.
    const PAPER: &'static str;
    /// What it makes beside answers.
    const MAKES: Makes = Makes::Nothing;
    /// Whether it is trained in steps, and does not look at all rows at once.
    const IS_STEPWISE: bool = true;
    /// Whether there is nothing to learn from without a single label.
    const NEEDS_LABELS: bool;

    /// What its progress is counted in.
    fn steps(&self) -> u64;

    /// Says what is wrong with a value that type-checks. `None`: before the data are known.
    fn check(&self, layout: Option<&Layout>) -> std::result::Result<(), String>;

    /// Trains from the beginning or from a checkpoint.
    fn fit(&self, task: &Task, resume: Option<Checkpoint>, watch: &mut dyn Watch) -> Result<Ended>;

    /// A trained model that can be asked.
    fn load(&self, layout: &Layout, classes: usize, stored: &Checkpoint, device: &Device)
    -> Result<Box<dyn Predictor>>;
}

/// The registry's line for a model that an optimiser trains.
pub const fn entry<C: ModelConfig>() -> Entry {
    Entry {
        name: C::NAME,
        about: C::ABOUT,
        paper: C::PAPER,
        makes: C::MAKES,
        is_stepwise: true,
        needs_labels: C::NEEDS_LABELS,
        defaults: defaults::<C>,
        preset: preset::<C>,
        check: check::<C>,
        fit: fit::<C>,
        load: load::<C>,
        logits: logits::<C>,
    }
}

/// The registry's line for any other model.
pub const fn learner<L: Learner>() -> Entry {
    Entry {
        name: L::NAME,
        about: L::ABOUT,
        paper: L::PAPER,
        makes: L::MAKES,
        is_stepwise: L::IS_STEPWISE,
        needs_labels: L::NEEDS_LABELS,
        defaults: || Table::try_from(L::default()).expect("a model's settings are a table"),
        preset: |_| Ok(Table::try_from(L::default()).expect("a model's settings are a table")),
        check: |settings| {
            let learner: L = parse_table(settings.clone(), L::NAME)?;
            let said = |problem: String| Error::usage(format!("{}: {problem}", L::NAME), "");
            learner.check(None).map_err(said)?;
            let steps = learner.steps();
            Ok(Settings { steps, fits: Box::new(move |layout| learner.check(Some(layout)).map_err(said)) })
        },
        fit: |settings, task, resume, watch| parse_table::<L>(settings.clone(), L::NAME)?.fit(task, resume, watch),
        load: |settings, layout, classes, stored, device| {
            parse_table::<L>(settings.clone(), L::NAME)?.load(layout, classes, stored, device)
        },
        logits: |_, _, _, _, _| Ok(None),
    }
}

fn defaults<C: ModelConfig>() -> Table {
    let mut table = Table::try_from(C::default()).expect("a model's settings are a table");
    let plan = Table::try_from(C::plan()).expect("a plan is a table");
    table.insert("train".into(), plan.into());
    table
}

fn preset<C: ModelConfig>(settings: &Table) -> Result<Table> {
    let mut table = defaults::<C>();
    let Some(name) = settings.get("preset") else { return Ok(table) };
    let named: C = parse_table(Table::from_iter([("preset".to_owned(), name.clone())]), C::NAME)?;
    config::merge(&mut table, Table::try_from(C::preset(&named)).expect("a model's settings are a table"));
    Ok(table)
}

fn parse<C: ModelConfig>(settings: &Table) -> Result<(C, Plan)> {
    let mut settings = settings.clone();
    let plan = match settings.remove("train") {
        Some(toml::Value::Table(plan)) => parse_table(plan, &format!("{}.train", C::NAME))?,
        Some(_) => return Err(Error::usage(format!("`{}.train` must be a table", C::NAME), "")),
        None => C::plan(),
    };
    Ok((parse_table(settings, C::NAME)?, plan))
}

/// `table` as a `T`, or an error that names the key and the nearest known one.
pub(crate) fn parse_table<T: serde::de::DeserializeOwned>(table: Table, section: &str) -> Result<T> {
    table.try_into().map_err(|error: toml::de::Error| {
        let message = error.message().trim();
        let mut quoted = message.split('`').skip(1).step_by(2);
        match (message.contains("unknown field"), quoted.next()) {
            (true, Some(key)) => Error::usage(format!("`{section}.{key}` is not a setting"), did_you_mean(key, quoted)),
            _ => Error::usage(
                format!("`{section}`: {message}"),
                "`halfmoon config` shows every setting with its default",
            ),
        }
    })
}

/// The plans of all stages.
fn plans<C: ModelConfig>(config: &C, last: Plan) -> Vec<Plan> {
    let mut plans = config.earlier_stages();
    plans.push(last);
    plans
}

fn check<C: ModelConfig>(settings: &Table) -> Result<Settings> {
    let (config, plan) = parse::<C>(settings)?;
    let plans = plans(&config, plan);
    for plan in &plans {
        plan.check().map_err(|problem| Error::usage(format!("{}: {problem}", C::NAME), ""))?;
    }
    let fits = move |layout: &Layout| {
        config.check(layout).map_err(|problem| Error::usage(format!("{}: {problem}", C::NAME), ""))
    };
    Ok(Settings { steps: plans.iter().map(|plan| plan.steps).sum(), fits: Box::new(fits) })
}

fn fit<C: ModelConfig>(
    settings: &Table,
    task: &Task,
    resume: Option<Checkpoint>,
    watch: &mut dyn Watch,
) -> Result<Ended> {
    let (config, plan) = parse::<C>(settings)?;
    if plan.unlabelled_rows == 0 && task.dataset.labelled().is_empty() {
        let hint = format!("set {}.train.unlabelled_rows to 1 or more", C::NAME);
        return Err(Error::usage("no label, and no unlabelled rows a step: there is nothing to learn from", hint));
    }
    let Task { dataset, encoding, seed, .. } = *task;
    let device = task.device.clone().autodiff();
    let classes = dataset.schema.classes.len();
    let layout = encoding.layout();
    let noise = |stage: usize| Noise::new(seed, INIT - stage as u64, &device);
    let held = (plan.patience > 0).then(|| HeldOut::of(dataset, seed)).transpose()?;
    let rows = TrainingRows { dataset: held.as_ref().map_or(dataset, |held| &held.rest), encoding, device: &device };
    let begin_stage =
        |stage, model| config.begin_stage(stage, model, &rows, &mut noise(if stage == 0 { AT_FIRST } else { stage }));
    let validate = |model: &C::Model| held.as_ref().map_or(0.0, |held| held.nll(model, encoding, &device));
    let course = Course {
        name: C::NAME,
        plans: plans(&config, plan),
        begin_stage: &begin_stage,
        validate: held.as_ref().map(|_| &validate as &dyn Fn(&C::Model) -> f64),
    };
    let model = match &resume {
        None => config.init(&layout, classes, &mut noise(0)),
        Some(stored) => config.init_like(stored, &layout, classes, &mut noise(0)),
    };
    train(number_parameters(model), &course, &rows, seed, resume, watch)
}

/// Labelled rows that early stopping looks at, and the data without their labels.
struct HeldOut {
    rest: Dataset,
    held: Dataset,
}

impl HeldOut {
    fn of(dataset: &Dataset, seed: u64) -> Result<HeldOut> {
        let groups = split::groups(&dataset.inputs);
        let test = split::hold_out(&dataset.labels, &groups, 0.2, seed).test;
        if test.is_empty() {
            return Err(Error::usage(
                "early stopping needs two different labelled items of a class, to hold one of them out",
                "set `patience` to 0",
            ));
        }
        let held = dataset.select(&test);
        let mut rest = dataset.clone();
        for item in test {
            rest.labels[item] = None;
        }
        Ok(HeldOut { rest, held })
    }

    /// Mean −log p(y | x).
    fn nll<M: Classifier>(&self, model: &M, encoding: &Encoding, device: &Device) -> f64 {
        let items: Vec<usize> = (0..self.held.len()).collect();
        let x = crate::batches::tensor(encoding.encode(&self.held.inputs, &items), &device.clone().inner());
        let y = self.held.labels.iter().flatten().map(|class| u32::from(class.0)).collect();
        let logits = model.valid().classify(&x);
        f64::from(-Categorical { logits }.log_prob(&y).mean().into_scalar::<f32>())
    }
}

/// The noise stream that fresh parameters are drawn from, less the stage: none that a step reaches.
pub(crate) const INIT: u64 = u64::MAX;

/// The first stage begins with other noise than what its parameters were drawn from.
const AT_FIRST: usize = 1 << 20;

fn logits<C: ModelConfig>(
    settings: &Table,
    layout: &Layout,
    classes: usize,
    checkpoint: &Checkpoint,
    device: &Device,
) -> Result<Option<Logits>> {
    let (config, _) = parse::<C>(settings)?;
    let model = config.init_like(checkpoint, layout, classes, &mut Noise::new(0, INIT, &device.clone().autodiff()));
    let model = checkpoint.parameters_into(model)?.no_grad();
    Ok(Some(Box::new(move |x| model.classify(x))))
}

fn load<C: ModelConfig>(
    settings: &Table,
    layout: &Layout,
    classes: usize,
    checkpoint: &Checkpoint,
    device: &Device,
) -> Result<Box<dyn Predictor>> {
    let (config, _) = parse::<C>(settings)?;
    let model = config.init_like(checkpoint, layout, classes, &mut Noise::new(0, INIT, device));
    Ok(Box::new(Trained::new(&checkpoint.parameters_into(model)?, device)))
}
