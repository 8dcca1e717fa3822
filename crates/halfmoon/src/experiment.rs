//! From data to a run folder and its figures: read, split, train, judge.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use burn::tensor::Device;
use halfmoon_pool::encode::Encoding;
use halfmoon_pool::metric::{Measured, measure, predicted};
use halfmoon_pool::read::{self, Source};
pub use halfmoon_pool::scores::probs;
use halfmoon_pool::scores::{Predictions, Predictor};
use halfmoon_pool::split::{self, Split};
use halfmoon_pool::trust::{HeldOut, MOST_ITEMS, Trust};
use halfmoon_pool::two_sample;
use halfmoon_pool::{Dataset, Error, Result};
use ndarray::Axis;
use serde_json::json;

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::data::{self, Read};
use crate::fit::{Entry, Task};
use crate::loss::Loss;
use crate::ops::cpu_seconds;
use crate::run::{self, DataRecord, Folder, Versions};
use crate::tensorboard::EventFile;
use crate::train::{Ended, Then, Watch, diverged};
use crate::trust::{self, Tempered};
use crate::vitals::{MOST_SETBACKS, Setback};

/// Who is told how things go, and may stop them.
pub trait Progress {
    /// One sentence about the data, the split or the run.
    fn note(&mut self, sentence: &str);

    /// A model begins, or goes on after `done` steps.
    fn begin(&mut self, what: &str, done: u64, steps: u64);

    /// After a step. `terms` is filled every few steps.
    fn step(&mut self, step: u64, terms: &[(&'static str, f64)]);

    /// A model ended: at its last step, or stopped.
    fn end(&mut self, finished: bool);

    /// Whether somebody asked to stop.
    fn stop(&self) -> bool;

    /// `Some(self)` if it wants to know how a model does while it is trained.
    fn as_onlooker(&mut self) -> Option<&mut dyn Onlooker> {
        None
    }
}

/// Who wants to know how a model does on the held-out items while it is trained. Nothing is chosen by it, and the time
/// that it takes is no training time.
pub trait Onlooker {
    /// Whether to look, after so many seconds of training.
    fn is_due(&mut self, seconds: f64) -> bool;

    /// What a look showed; the last one, of the model that is kept, comes unasked. Where no item is held out for all
    /// of a training, and as long as a model has no answers yet, there is none.
    fn look(&mut self, look: &Look) -> Result<()>;
}

/// A model in the midst of its training, tried on the held-out items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Steps done.
    pub step: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Seconds that the processor spent since [`Progress::begin`] on anything but looks, where the system tells.
    pub cpu_seconds: Option<f64>,
    /// Share of the held-out items that are given a wrong class.
    pub error: f64,
    /// The loss of the last step, all terms together.
    pub loss: Option<f64>,
}

/// What a run came to.
pub struct Outcome {
    /// The run folder.
    pub run: PathBuf,
    /// `false` when it was stopped: `--resume` goes on.
    pub finished: bool,
    /// Labels that were learned from.
    pub labels: usize,
    /// How the figures were made, in a sentence.
    pub protocol: String,
    /// One a model, in the configuration's order; empty when stopped.
    pub models: Vec<Figures>,
}

/// A trained model's figures.
pub struct Figures {
    /// Its name.
    pub name: &'static str,
    /// Steps of the model that is kept; `None` if it was not made in steps.
    pub steps: Option<u64>,
    /// Seconds that all its training took, folds included.
    pub seconds: f64,
    /// `None` where no item was held out.
    pub test: Option<Measured>,
    /// What a temperature is worth. `None` where the held-out items do not tell.
    pub tempered: Option<Tempered>,
    /// What the run keeps of the held-out items. `None` where there are none.
    pub trust: Option<Trust>,
}

/// Data, divided: what is learned from, and what the figures are made on.
pub(crate) struct Divided {
    pub(crate) train: Dataset,
    pub(crate) judge: Judge,
}

/// What figures are made on.
pub(crate) enum Judge {
    Items {
        test: Dataset,
        protocol: String,
    },
    /// Positions in the training data.
    Folds {
        folds: Vec<Split>,
        protocol: String,
    },
    Nothing {
        protocol: String,
    },
}

impl Judge {
    /// How the figures are made, in a sentence.
    fn protocol(&self) -> &str {
        match self {
            Judge::Items { protocol, .. } | Judge::Folds { protocol, .. } | Judge::Nothing { protocol } => protocol,
        }
    }

    fn folds(&self) -> &[Split] {
        match self {
            Judge::Items { .. } | Judge::Nothing { .. } => &[],
            Judge::Folds { folds, .. } => folds,
        }
    }
}

/// Trains what `config` says into `folder`; goes on with what is there when `resume`.
pub fn train(config: &Config, folder: &Path, resume: bool, progress: &mut dyn Progress) -> Result<Outcome> {
    let run = Folder(folder.to_owned());
    let device = run::device(&config.run.device)?;
    let mut entries = config.entries()?;

    let before = if resume && run.data().is_file() { Some(run.read_data()?) } else { None };
    let Read { source, learned } = match &before {
        Some(before) => data::read_again(config, before)?,
        None => data::read(config, None)?,
    };
    let fingerprint = fingerprint(&source);
    if before.is_some_and(|before| before.fingerprint != fingerprint) {
        let hint = "restore the data, or train anew into another folder";
        return Err(Error::data(Path::new(&config.data.path), "is not what this run was started with", hint));
    }
    tell(&source, progress);
    let Divided { train, judge } = divide(config, source, progress)?;
    let labels = train.labelled().len();
    progress.note(&format!("learning from {labels} labelled and {} unlabelled items", train.len() - labels));
    if train.schema.classes.len() < 2 {
        let problem = match train.schema.classes.first() {
            None => "holds no label, so the classes are unknown".to_owned(),
            Some(only) => format!("knows one class only, `{only}`: there is nothing to tell apart"),
        };
        let hint = "name all classes with --classes a,b,c, or the label column with --label";
        return Err(Error::data(Path::new(&config.data.path), problem, hint));
    }
    if labels == 0 {
        for entry in entries.extract_if(.., |entry| entry.needs_labels) {
            progress.note(&format!("{} is left out: it has nothing to learn from without a label", entry.name));
        }
        if entries.is_empty() {
            return Err(Error::usage(
                "there is not a single label",
                "label an item, or train m2, which can do without",
            ));
        }
    }

    let encoding = Encoding::fit(&train, config.data.pixels);
    encoding.notes().iter().for_each(|note| progress.note(note));
    for entry in &entries {
        ((entry.check)(config.settings(entry))?.fits)(&encoding.layout())?;
    }
    if let Some(warning) = labels_are_no_fair_sample(&train, &encoding, config.run.seed) {
        progress.note(&warning);
    }

    run::make_folder(folder)?;
    run::write_aside(&run.config(), config.to_table().to_string().as_bytes())?;
    let record = DataRecord {
        schema: train.schema.clone(),
        encoding: encoding.clone(),
        fingerprint,
        items: train.len(),
        labels,
        learned,
        from: std::env::current_dir().ok(),
        versions: Versions::current(),
    };
    run::write_aside(&run.data(), &serde_json::to_vec_pretty(&record).expect("a record is plain data"))?;

    let (folds, protocol) = (judge.folds(), judge.protocol().to_owned());
    progress.note(&protocol);
    let fits = u32::try_from(entries.len() * (1 + folds.len())).expect("a handful");
    let limit = config.time().map(|time| time / fits);
    let mut outcome = Outcome { run: folder.to_owned(), finished: false, labels, protocol, models: Vec::new() };
    let mut judged = Vec::new();
    for entry in entries {
        let test = match &judge {
            Judge::Items { test, .. } => Some(test),
            Judge::Folds { .. } | Judge::Nothing { .. } => None,
        };
        let fitter = Fitter { config, entry, device: &device, limit, test };
        let Some(figures) = fitter.figures(&train, &judge, &encoding, &run, progress)? else {
            return Ok(outcome);
        };
        if let Some(trust) = &figures.trust {
            trust::write(trust, &run.model(entry))?;
        }
        judged.push(figures);
    }
    outcome.finished = true;
    outcome.models = judged;
    let text = serde_json::to_vec_pretty(&outcome.to_json()).expect("a result is plain data");
    run::write_aside(&run.result(), &text)?;
    Ok(outcome)
}

impl Outcome {
    /// What `--json` prints. Undefined figures are `null`.
    pub fn to_json(&self) -> serde_json::Value {
        let one = |judged: &Figures| {
            json!({
                "model": judged.name,
                "steps": judged.steps,
                "seconds": judged.seconds,
                "test": judged.test.as_ref().map(Measured::to_json),
                "temperature": judged.trust.as_ref().and_then(|trust| trust.temperature),
                "test_at_temperature": judged.tempered.as_ref().map(Tempered::to_json),
            })
        };
        let mut result = json!({
            "run": self.run.to_string_lossy(),
            "finished": self.finished,
            "labels": self.labels,
            "protocol": self.protocol,
        });
        let object = result.as_object_mut().expect("made as an object");
        if let Some(first) = self.models.first() {
            object.extend(one(first).as_object().expect("made as an object").clone());
        }
        if let Some(second) = self.models.get(1) {
            object.insert("baseline".into(), one(second));
        }
        result
    }
}

/// p(y | x) of labelled items, beside their classes. Items without a label are left out.
pub fn predictions(predictor: &dyn Predictor, encoding: &Encoding, items: &Dataset) -> Predictions {
    let rows = items.labelled();
    let log_probs = predictor.log_probs(encoding.encode(&items.inputs, &rows).view());
    Predictions {
        probs: probs(&log_probs),
        classes: rows.iter().map(|&row| items.labels[row].expect("taken from the labelled ones")).collect(),
    }
}

/// Share of the items that are given a wrong class. `None` without items.
fn error(predictions: &Predictions) -> Option<f64> {
    let classes = &predictions.classes;
    let wrong =
        predictions.probs.rows().into_iter().zip(classes).filter(|(probs, class)| predicted(probs.view()) != **class);
    (!classes.is_empty()).then(|| wrong.count() as f64 / classes.len() as f64)
}

/// A p-value from which on labelled items count as like the others: a fair choice of labels is warned of once in a hundred times.
const FAIR: f64 = 0.01;

/// A warning where the labelled items are unlike the others. Inputs are compared, not a model's codes: a model that learned
/// from labels has other codes for the items that it learned them from.
fn labels_are_no_fair_sample(train: &Dataset, encoding: &Encoding, seed: u64) -> Option<String> {
    let (items, labelled) = two_sample::rows_to_compare(train.labels.iter().map(Option::is_some), seed)?;
    let p = two_sample::p_value(encoding.encode(&train.inputs, &items).view(), labelled, seed);
    (p <= FAIR).then(|| {
        format!(
            "warning: the labelled items differ from the others (p {} {p:.3}), so figures on labelled items may flatter; \
             a model that learns from all items, such as gc_vae, and --prior estimate lose less by it",
            if p <= 0.001 { "≤" } else { "=" }
        )
    })
}

/// Items left out that are named one by one.
const SHOWN: usize = 10;

pub(crate) fn tell(source: &Source, progress: &mut dyn Progress) {
    let train = &source.train;
    let counts = train.class_counts();
    let with_labels = counts.iter().filter(|&&count| count > 0).count();
    progress.note(&format!(
        "{} items, {} labelled in {with_labels} of {} classes, {} unlabelled",
        train.len(),
        train.labelled().len(),
        counts.len(),
        train.len() - train.labelled().len()
    ));
    for (class, &count) in train.schema.classes.iter().zip(&counts) {
        if count == 1 {
            progress.note(&format!("class `{class}`: 1 label, so its figures cannot be estimated"));
        }
    }
    source.notes.iter().for_each(|note| progress.note(note));
    for problem in source.problems.iter().take(SHOWN) {
        progress.note(&format!("left out: {}: {}", problem.place, problem.reason));
    }
    if source.problems.len() > SHOWN {
        progress.note(&format!("left out: {} more of the same kind", source.problems.len() - SHOWN));
    }
}

/// The same for the same data, settings and seed.
pub(crate) fn divide(config: &Config, source: Source, progress: &mut dyn Progress) -> Result<Divided> {
    let Source { train: mut data, validation, test, .. } = source;
    if let Some(validation) = validation {
        progress.note(&format!("validation split: {} items, set aside and not used", validation.len()));
    }
    let seed = config.run.seed;
    let groups = split::groups(&data.inputs);
    for conflict in split::conflicts(&data.labels, &groups).iter().take(5) {
        let ids: Vec<String> = conflict.iter().take(4).map(|&row| data.ids.get(row)).collect();
        progress.note(&format!("equal inputs with different labels: {}", ids.join(", ")));
    }
    let test = match &config.data.test {
        Some(path) => Some(read_test(config, &data, Path::new(path), progress)?),
        None => test,
    };
    if let Some(test) = &test {
        let copies = split::copies(&data.inputs, &test.inputs);
        if copies > 0 {
            progress.note(&format!(
                "warning: {copies} training items are exact copies of held-out ones: the figures flatter"
            ));
        }
    }
    let judge = if let Some(test) = test.filter(|test| !test.labelled().is_empty()) {
        let origin = if config.data.test.is_some() { "from --test" } else { "the data's own test split" };
        let protocol = format!("figures on {} held-out items, {origin}", test.labelled().len());
        Judge::Items { test, protocol }
    } else if config.data.labels.is_some() {
        let parts = split::hold_out(&data.labels, &groups, 0.2, seed);
        let test = data.select(&parts.test);
        data = data.keep(&parts.train);
        if test.is_empty() {
            let protocol = "no figures: no class has two labels, so none can be held out".to_owned();
            return keep(config, data, Judge::Nothing { protocol }, progress);
        }
        let protocol = format!("figures on {} held-out items: a stratified fifth, set aside by the seed", test.len());
        if !parts.dropped.is_empty() {
            progress.note(&format!("{} unlabelled copies of held-out items are not used", parts.dropped.len()));
        }
        Judge::Items { test, protocol }
    } else {
        fold(config, &data, &groups)
    };
    keep(config, data, judge, progress)
}

/// Hides the labels beyond `data.labels`; without that setting, lets copies take over labels.
fn keep(config: &Config, mut data: Dataset, judge: Judge, progress: &mut dyn Progress) -> Result<Divided> {
    if let Some(count) = config.data.labels {
        if let Some(note) = split::keep_labels(&mut data.labels, &data.schema.classes, count, config.run.seed)? {
            progress.note(&note);
        }
    } else {
        // Labels that somebody chose to hide must not come back through copies, so only here.
        let groups = split::groups(&data.inputs);
        let spread = split::spread_labels(&mut data.labels, &groups);
        if spread > 0 {
            progress.note(&format!("{spread} exact copies of labelled items take over their label"));
        }
    }
    Ok(Divided { train: data, judge })
}

pub(crate) fn read_test(config: &Config, data: &Dataset, path: &Path, progress: &mut dyn Progress) -> Result<Dataset> {
    // The other file's labels are those of the training data.
    let labels_from = config.data.test_labels_from.as_ref().map(PathBuf::from);
    let options = read::Options { labels_from, schema: Some(data.schema.clone()), ..config.options() };
    let source = read::read(path, &options)?;
    source.notes.iter().for_each(|note| progress.note(&format!("test data: {note}")));
    if !source.problems.is_empty() {
        progress.note(&format!("test data: {} items left out", source.problems.len()));
    }
    let test = source.test.unwrap_or(source.train);
    if test.labelled().is_empty() {
        return Err(Error::data(path, "holds no labelled item", "`--test` compares answers with labels"));
    }
    Ok(test)
}

fn fold(config: &Config, data: &Dataset, groups: &[u32]) -> Judge {
    let (folds, repeats) = (config.run.folds, config.run.repeats);
    let folds = split::folds(&data.labels, groups, folds, repeats as u64, config.run.seed);
    let labelled = data.labelled().len();
    if folds.is_empty() {
        let protocol = format!("no figures: {labelled} labels are too few to hold any out, and there are no test data");
        return Judge::Nothing { protocol };
    }
    let wide = if labelled < 1000 { ": the intervals are wide" } else { "" };
    let protocol = format!(
        "figures by {} held-out folds of the {labelled} labelled items, since there are no test data{wide}",
        folds.len()
    );
    Judge::Folds { folds, protocol }
}

/// Answers of folds as those of one model. The figures of repeated folds are values over all answers, with intervals as
/// wide as for one repeat, since asking about the same item again tells little more.
fn join(all: &[Predictions]) -> Predictions {
    let probs: Vec<_> = all.iter().map(|part| part.probs.view()).collect();
    Predictions {
        probs: ndarray::concatenate(Axis(0), &probs).expect("folds have the same classes"),
        classes: all.iter().flat_map(|part| part.classes.clone()).collect(),
    }
}

/// In which half each item is that is judged by these folds, in the order of their answers.
fn fold_halves(folds: &[Split], train: &Dataset, seed: u64) -> Vec<bool> {
    let halves = trust::halves(&train.inputs, seed);
    let judged = folds.iter().flat_map(|fold| &fold.test).filter(|&&row| train.labels[row].is_some());
    judged.map(|&row| halves[row]).collect()
}

struct Fitter<'a> {
    config: &'a Config,
    entry: &'static Entry,
    device: &'a Device,
    limit: Option<Duration>,
    /// What looks are made on.
    test: Option<&'a Dataset>,
}

struct Fitted {
    predictor: Box<dyn Predictor>,
    steps: u64,
    seconds: f64,
}

impl Fitter<'_> {
    /// Trains the model that is kept, and says how good it is. `None`: it was stopped.
    fn figures(
        &self,
        train: &Dataset,
        judge: &Judge,
        encoding: &Encoding,
        run: &Folder,
        progress: &mut dyn Progress,
    ) -> Result<Option<Figures>> {
        let Fitter { config, entry, .. } = *self;
        let Some(kept) = self.fit(train, encoding, &run.model(entry), entry.name, progress)? else {
            return Ok(None);
        };
        let steps = entry.is_stepwise.then_some(kept.steps);
        let mut figures =
            Figures { name: entry.name, steps, seconds: kept.seconds, test: None, tempered: None, trust: None };
        match judge {
            Judge::Nothing { .. } => {}
            Judge::Items { test, protocol } => {
                let predictions = predictions(&*kept.predictor, encoding, test);
                let halves = trust::halves(&test.select(&test.labelled()).inputs, config.run.seed);
                let (held_out, fitted) = trust::held_out(&*kept.predictor, encoding, train, test, MOST_ITEMS);
                figures.trust = Some(Trust::fit(&held_out, predictions.classes.len(), fitted, protocol.clone()));
                figures.tempered = Tempered::measure(&predictions, &halves);
                figures.test = measure(&predictions);
            }
            Judge::Folds { folds, protocol } => {
                // Folds of the first repeat: each item is held out in one of them, and the next repeat says of it again.
                let once = folds.len() / config.run.repeats;
                let (mut all, mut held_out) = (Vec::new(), Vec::new());
                for (number, fold) in folds.iter().enumerate() {
                    let part = train.select(&fold.train);
                    let encoding = Encoding::fit(&part, config.data.pixels);
                    let model = run.fold(number + 1, entry);
                    let what = format!("{}, fold {} of {}", entry.name, number + 1, folds.len());
                    let Some(fitted) = self.fit(&part, &encoding, &model, &what, progress)? else {
                        return Ok(None);
                    };
                    figures.seconds += fitted.seconds;
                    let test = train.select(&fold.test);
                    all.push(predictions(&*fitted.predictor, &encoding, &test));
                    if number < once {
                        let most = MOST_ITEMS.div_ceil(once);
                        held_out.push(trust::held_out(&*fitted.predictor, &encoding, &part, &test, most).0);
                    }
                }
                let all_once = join(&all[..once]);
                let halves = fold_halves(&folds[..once], train, config.run.seed);
                figures.trust = HeldOut::join(&held_out).map(|held_out| {
                    let fitted = trust::fitted(&*kept.predictor, encoding, train, &held_out);
                    Trust::fit(&held_out, all_once.classes.len(), fitted, protocol.clone())
                });
                figures.tempered = Tempered::measure(&all_once, &halves);
                figures.test = measure(&join(&all)).map(|measured| measured.of_repeats(config.run.repeats));
            }
        }
        Ok(Some(figures))
    }

    /// Trains into a folder, or takes what an earlier call finished there. `None`: it was stopped.
    fn fit(
        &self,
        dataset: &Dataset,
        encoding: &Encoding,
        folder: &Path,
        what: &str,
        progress: &mut dyn Progress,
    ) -> Result<Option<Fitted>> {
        let Fitter { config, entry, device, limit, test } = *self;
        let settings = config.settings(entry);
        let classes = dataset.schema.classes.len();
        let load = |checkpoint: &Checkpoint| (entry.load)(settings, &encoding.layout(), classes, checkpoint, device);
        if run::weights(folder).is_file() {
            let weights = Checkpoint::read(&run::weights(folder))?;
            let seconds = log_before(folder, weights.step)?.seconds;
            return Ok(Some(Fitted { predictor: load(&weights)?, steps: weights.step, seconds }));
        }
        run::make_folder(folder)?;
        let unfinished = run::checkpoint(folder);
        let resume = if unfinished.is_file() { Some(Checkpoint::read(&unfinished)?) } else { None };
        let done = resume.as_ref().map_or(0, |checkpoint| checkpoint.step);
        let log = log_before(folder, done)?;
        let steps = (entry.check)(settings)?.steps;
        progress.begin(what, done, steps);
        // A model that cannot be loaded yet, such as M1 before it has its classifier, has no answers to judge.
        let judge = |checkpoint: &Checkpoint| {
            let predictor = load(checkpoint).ok()?;
            error(&predictions(&*predictor, encoding, test?))
        };
        let mut recorder = Recorder {
            name: entry.name,
            folder,
            steps,
            log: log.file,
            events: EventFile::create(folder, now()).map_err(|source| Error::io(folder, source))?,
            before: log.seconds,
            started: Instant::now(),
            saved: Instant::now(),
            limit,
            looks: Looks {
                judge: &judge,
                are_possible: test.is_some(),
                is_due: false,
                loss: None,
                paused: Duration::ZERO,
                cpu: cpu_seconds(),
            },
            progress,
        };
        let task = Task { dataset, encoding, seed: config.run.seed, device };
        let Ended { checkpoint, stopped } = (entry.fit)(settings, &task, resume, &mut recorder)?;
        let seconds = recorder.seconds();
        if !stopped {
            recorder.log_line(checkpoint.step, seconds, &[])?;
            recorder.look(&checkpoint, seconds)?;
        }
        progress.end(!stopped);
        if stopped {
            return Ok(None);
        }
        let weights = checkpoint.finished();
        weights.write(&run::weights(folder))?;
        if unfinished.is_file() {
            fs::remove_file(&unfinished).map_err(|source| Error::io(&unfinished, source))?;
        }
        Ok(Some(Fitted { predictor: load(&weights)?, steps: weights.step, seconds }))
    }
}

/// Writes the log, saves a checkpoint a minute, and passes the steps on.
struct Recorder<'a> {
    name: &'static str,
    folder: &'a Path,
    steps: u64,
    log: fs::File,
    events: EventFile,
    before: f64,
    started: Instant,
    saved: Instant,
    limit: Option<Duration>,
    looks: Looks<'a>,
    progress: &'a mut dyn Progress,
}

/// What looks at a model in training need, and what they cost.
struct Looks<'a> {
    judge: &'a dyn Fn(&Checkpoint) -> Option<f64>,
    are_possible: bool,
    /// Whether the next checkpoint is to be looked at.
    is_due: bool,
    /// The last that is known.
    loss: Option<f64>,
    /// Time that looks took, which is no training time.
    paused: Duration,
    /// CPU time of the process when the training began, and later by what looks took.
    cpu: Option<f64>,
}

/// Steps between two lines of the log.
const LOG_EVERY: u64 = 10;

/// Time between two checkpoints.
const SAVE_EVERY: Duration = Duration::from_mins(1);

impl Recorder<'_> {
    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().saturating_sub(self.looks.paused).as_secs_f64()
    }

    /// Shows how this checkpoint does to who wants to know.
    fn look(&mut self, checkpoint: &Checkpoint, seconds: f64) -> Result<()> {
        let cpu_seconds = cpu_seconds().zip(self.looks.cpu).map(|(now, start)| now - start);
        if let Some(onlooker) = self.progress.as_onlooker()
            && let Some(error) = (self.looks.judge)(checkpoint)
        {
            onlooker.look(&Look { step: checkpoint.step, seconds, cpu_seconds, error, loss: self.looks.loss })?;
        }
        Ok(())
    }

    /// Shows how a checkpoint does, and keeps it, at no cost of training time.
    fn pause(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let (began, cpu, seconds) = (Instant::now(), cpu_seconds(), self.seconds());
        // With this line a run that is resumed here knows its time to the step.
        self.log_line(checkpoint.step, seconds, &[])?;
        self.look(checkpoint, seconds)?;
        checkpoint.write(&run::checkpoint(self.folder))?;
        self.saved = Instant::now();
        self.looks.paused += began.elapsed();
        if let (Some(start), Some(before), Some(now)) = (&mut self.looks.cpu, cpu, cpu_seconds()) {
            *start += now - before;
        }
        Ok(())
    }

    fn log_line(&mut self, step: u64, seconds: f64, terms: &[(&'static str, f64)]) -> Result<()> {
        let mut line =
            serde_json::Map::from_iter([("step".to_owned(), json!(step)), ("seconds".to_owned(), json!(seconds))]);
        line.extend(terms.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        let text = format!("{}\n", serde_json::Value::from(line));
        self.log.write_all(text.as_bytes()).map_err(|source| Error::io(&run::log(self.folder), source))
    }
}

impl Watch for Recorder<'_> {
    fn step(&mut self, step: u64, loss: &Loss) -> Result<Then> {
        let terms =
            if step.is_multiple_of(LOG_EVERY) || step == 1 || step == self.steps { loss.values() } else { Vec::new() };
        if !terms.is_empty() {
            if terms.iter().any(|(_, value)| !value.is_finite()) {
                return Err(diverged(self.name, step));
            }
            self.log_line(step, self.seconds(), &terms)?;
            let at = i64::try_from(step).expect("fewer steps than 2^63");
            self.events.scalars(at, now(), &terms).map_err(|source| Error::io(self.folder, source))?;
        }
        self.progress.step(step, &terms);
        if self.progress.stop() {
            return Ok(Then::Stop);
        }
        let seconds = self.seconds();
        let is_due = self.progress.as_onlooker().is_some_and(|onlooker| onlooker.is_due(seconds));
        self.looks.is_due |= is_due && self.looks.are_possible;
        let values = if is_due && terms.is_empty() { loss.values() } else { terms };
        if let Some((_, total)) = values.iter().find(|(name, _)| *name == "total") {
            self.looks.loss = Some(*total);
        }
        if self.spent() >= 1.0 {
            return Ok(Then::Finish);
        }
        if self.looks.is_due {
            return Ok(Then::Save);
        }
        if self.saved.elapsed() < SAVE_EVERY {
            return Ok(Then::Continue);
        }
        self.saved = Instant::now();
        Ok(Then::Save)
    }

    fn setback(&mut self, setback: &Setback) -> Result<()> {
        let Setback { at, to, number, why } = setback;
        let seconds = self.seconds();
        let sentence = format!(
            "{}: step {at}: {why}; back to step {to}, with other noise and half the rate ({number} of {MOST_SETBACKS} times)",
            self.name
        );
        self.progress.note(&sentence);
        self.log = log_before(self.folder, *to)?.file;
        let line = json!({ "step": to, "seconds": seconds, "setback": sentence });
        self.log.write_all(format!("{line}\n").as_bytes()).map_err(|source| Error::io(&run::log(self.folder), source))
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        if !checkpoint.is_finite() {
            return Err(diverged(self.name, checkpoint.step));
        }
        if std::mem::take(&mut self.looks.is_due) {
            return self.pause(checkpoint);
        }
        checkpoint.write(&run::checkpoint(self.folder))
    }

    fn spent(&self) -> f64 {
        self.limit.map_or(0.0, |limit| self.seconds() / limit.as_secs_f64())
    }
}

/// A log that ends where a checkpoint stands.
struct Log {
    file: fs::File,
    /// Training time up to there.
    seconds: f64,
}

/// Cuts the log behind a step, so that a resumed run's log reads like an uninterrupted one's.
fn log_before(folder: &Path, step: u64) -> Result<Log> {
    let path = run::log(folder);
    let io = |source| Error::io(&path, source);
    let text = if path.is_file() { fs::read_to_string(&path).map_err(io)? } else { String::new() };
    let (mut kept, mut seconds) = (String::new(), 0.0);
    for line in text.lines() {
        // A kill can leave half a line at the end; it is behind the checkpoint anyway.
        let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { break };
        if value["step"].as_u64().is_none_or(|at| at > step) {
            break;
        }
        seconds = value["seconds"].as_f64().unwrap_or(seconds);
        kept += line;
        kept.push('\n');
    }
    if kept != text {
        run::write_aside(&path, kept.as_bytes())?;
    }
    let file = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(io)?;
    Ok(Log { file, seconds })
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

/// BLAKE3 of inputs and labels: what [`DataRecord`] keeps to tell whether data are still the same.
pub fn fingerprint(source: &Source) -> String {
    fingerprint_of([Some(&source.train), source.test.as_ref()].into_iter().flatten())
}

/// That of these data alone.
pub(crate) fn fingerprint_of<'a>(datasets: impl IntoIterator<Item = &'a Dataset>) -> String {
    let mut hasher = blake3::Hasher::new();
    for dataset in datasets {
        dataset.inputs.bytes(&mut |bytes| {
            hasher.update(bytes);
        });
        for label in &dataset.labels {
            hasher.update(&label.map_or(u16::MAX, |class| class.0).to_le_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}
