//! What the rest of the system knows of a model: its name, its settings, how to train and load it.

use burn::tensor::Device;
use halfmoon_pool::encode::{Encoding, Layout};
use halfmoon_pool::error::did_you_mean;
use halfmoon_pool::scores::Predictor;
use halfmoon_pool::{Dataset, Error, Result};
use toml::Table;

use crate::batches::Batches;
use crate::checkpoint::{Checkpoint, number_parameters};
use crate::model::ModelConfig;
use crate::noise::Noise;
use crate::predict::Trained;
use crate::train::{Plan, Watch, train};

/// A model by name, its types erased: what the command line and the conformance tests know of it.
pub struct Entry {
    /// What the user types.
    pub name: &'static str,
    /// One line for `halfmoon models`.
    pub about: &'static str,
    /// Key into `references.bib`.
    pub paper: &'static str,
    /// Whether there is nothing to learn from without a single label.
    pub needs_labels: bool,
    /// The default settings, with the plan as the table `train`.
    pub defaults: fn() -> Table,
    /// Whether these settings can be used, with every key known.
    pub check: fn(&Table) -> Result<Settings>,
    /// Trains from fresh parameters or from a checkpoint.
    pub fit: fn(&Table, &Task, Option<Checkpoint>, &mut dyn Watch) -> Result<Checkpoint>,
    /// A trained model that can be asked.
    pub load: fn(&Table, &Layout, usize, &Checkpoint, &Device) -> Result<Box<dyn Predictor>>,
}

/// What a model's settings come to.
pub struct Settings {
    /// How it is trained.
    pub plan: Plan,
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

/// The registry's line for a model.
pub const fn entry<C: ModelConfig>() -> Entry {
    Entry {
        name: C::NAME,
        about: C::ABOUT,
        paper: C::PAPER,
        needs_labels: C::NEEDS_LABELS,
        defaults: defaults::<C>,
        check: check::<C>,
        fit: fit::<C>,
        load: load::<C>,
    }
}

fn defaults<C: ModelConfig>() -> Table {
    let mut table = Table::try_from(C::default()).expect("a model's settings are a table");
    let plan = Table::try_from(C::plan()).expect("a plan is a table");
    table.insert("train".into(), plan.into());
    table
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

fn check<C: ModelConfig>(settings: &Table) -> Result<Settings> {
    let (config, plan) = parse::<C>(settings)?;
    plan.check().map_err(|problem| Error::usage(format!("{}.train: {problem}", C::NAME), ""))?;
    let fits = move |layout: &Layout| {
        config.check(layout).map_err(|problem| Error::usage(format!("{}: {problem}", C::NAME), ""))
    };
    Ok(Settings { plan, fits: Box::new(fits) })
}

fn fit<C: ModelConfig>(
    settings: &Table,
    task: &Task,
    resume: Option<Checkpoint>,
    watch: &mut dyn Watch,
) -> Result<Checkpoint> {
    let (config, plan) = parse::<C>(settings)?;
    if plan.unlabelled_rows == 0 && task.dataset.labelled().is_empty() {
        let hint = format!("set {}.train.unlabelled_rows to 1 or more", C::NAME);
        return Err(Error::usage("no label, and no unlabelled rows a step: there is nothing to learn from", hint));
    }
    let device = task.device.clone().autodiff();
    let classes = task.dataset.schema.classes.len();
    let mut noise = Noise::new(task.seed, INIT, &device);
    let model = number_parameters(config.init(&task.encoding.layout(), classes, &mut noise));
    let rows = (plan.labelled_rows, plan.unlabelled_rows);
    let batches = Batches::new(task.dataset, task.encoding, rows, task.seed, &device);
    train(model, batches, &plan, task.seed, resume, watch)
}

/// The noise stream that fresh parameters are drawn from: one that no step reaches.
const INIT: u64 = u64::MAX;

fn load<C: ModelConfig>(
    settings: &Table,
    layout: &Layout,
    classes: usize,
    checkpoint: &Checkpoint,
    device: &Device,
) -> Result<Box<dyn Predictor>> {
    let (config, _) = parse::<C>(settings)?;
    let model = config.init(layout, classes, &mut Noise::new(0, INIT, device));
    Ok(Box::new(Trained::new(&checkpoint.parameters_into(model)?, device)))
}
