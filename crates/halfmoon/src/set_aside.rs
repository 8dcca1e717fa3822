//! Items that a run's models have not learned from, and those models, made anew from the run's folder.
//!
//! What was held out follows from the data, the settings and the seed, so nothing of it is kept: it is divided again as
//! it was for the training. Where it was held out in folds, each item is asked of the model that had not seen it.

use std::path::Path;

use burn::tensor::Device;
use halfmoon_pool::encode::Encoding;
use halfmoon_pool::read::{Problem, Source};
use halfmoon_pool::scores::{Predictions, Predictor, Scores};
use halfmoon_pool::{Dataset, Error, Result};

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::data;
use crate::experiment::{Divided, Judge, Progress, divide, fingerprint, probs, read_test};
use crate::fit::Entry;
use crate::run::{self, DataRecord, Folder};

/// Labelled items and the models that are to be asked about them.
pub struct SetAside {
    /// All labelled.
    pub items: Dataset,
    /// Items without a label that were there beside them.
    pub unlabelled: usize,
    /// How they came to be held out, in a sentence.
    pub protocol: String,
    /// What came up on the way.
    pub notes: Vec<String>,
    /// Items that could not be read.
    pub problems: Vec<Problem>,
    lots: Vec<Lot>,
}

/// Items that are asked of the same models.
struct Lot {
    /// Positions in [`SetAside::items`].
    rows: Vec<usize>,
    encoding: Encoding,
    /// One for each entry that was asked for.
    predictors: Vec<Box<dyn Predictor>>,
}

/// The items that a run learned from, with the labels that it was given.
pub fn learned_from(folder: &Path) -> Result<Dataset> {
    let (config, source) = read_again(folder)?;
    Ok(divide(&config, source, &mut Notes(Vec::new()))?.train)
}

/// All data of a run with all their labels, hidden or not; its own test data are the test split.
pub fn data_of_run(folder: &Path) -> Result<Source> {
    let (config, mut source) = read_again(folder)?;
    if let Some(path) = &config.data.test {
        let mut notes = Notes(Vec::new());
        source.test = Some(read_test(&config, &source.train, Path::new(path), &mut notes)?);
        source.notes.extend(notes.0);
    }
    Ok(source)
}

fn read_again(folder: &Path) -> Result<(Config, Source)> {
    let run = Folder(folder.to_owned());
    let (config, record) = (run.read_config()?, run.read_data()?);
    let path = Path::new(&config.data.path);
    let source = data::read_again(&config, &record)?.source;
    if fingerprint(&source) != record.fingerprint {
        return Err(Error::data(path, "is not what this run was trained on", "restore it, or train anew"));
    }
    Ok((config, source))
}

impl SetAside {
    /// What a run held out itself, for these of its models.
    pub fn of_run(folder: &Path, entries: &[&'static Entry], device: &Device) -> Result<SetAside> {
        let run = Folder(folder.to_owned());
        let (config, record) = (run.read_config()?, run.read_data()?);
        let path = Path::new(&config.data.path);
        let hint = "judge it on labelled data of your own with --data DATA";
        let source = data::read_again(&config, &record)
            .map_err(|error| Error::data(folder, format!("its data cannot be read again: {error}"), hint))?
            .source;
        if fingerprint(&source) != record.fingerprint {
            return Err(Error::data(path, "is not what this run was trained on", hint));
        }
        let mut notes = Notes(source.notes.clone());
        let problems = source.problems.clone();
        let load = |folder: &Path, encoding: &Encoding, entry: &Entry| {
            let classes = record.schema.classes.len();
            (entry.load)(config.settings(entry), &encoding.layout(), classes, &stored(folder)?, device)
        };
        let Divided { train, judge } = divide(&config, source, &mut notes)?;
        let (items, unlabelled, protocol, lots) = match judge {
            Judge::Nothing { protocol } => return Err(Error::data(folder, protocol, hint)),
            Judge::Items { test, protocol } => {
                let predictors: Result<Vec<_>> =
                    entries.iter().map(|entry| load(&run.model(entry), &record.encoding, entry)).collect();
                let (items, unlabelled) = labelled(&test);
                let rows = (0..items.len()).collect();
                let lot = Lot { rows, encoding: record.encoding.clone(), predictors: predictors? };
                (items, unlabelled, protocol, vec![lot])
            }
            Judge::Folds { folds, .. } => {
                // Within a repeat each item is held out once.
                let folds = &folds[..folds.len() / config.run.repeats];
                let mut positions = Vec::new();
                let mut lots = Vec::new();
                for (number, fold) in folds.iter().enumerate() {
                    let encoding = Encoding::fit(&train.select(&fold.train), config.data.pixels);
                    let predictors: Result<Vec<_>> =
                        entries.iter().map(|entry| load(&run.fold(number + 1, entry), &encoding, entry)).collect();
                    let rows = (positions.len()..positions.len() + fold.test.len()).collect();
                    positions.extend(&fold.test);
                    lots.push(Lot { rows, encoding, predictors: predictors? });
                }
                let protocol = format!(
                    "each item was asked of one of {} models, which learned from the folds that it is not in",
                    folds.len()
                );
                let items = train.select(&positions);
                (items, train.len() - positions.len(), protocol, lots)
            }
        };
        Ok(SetAside { items, unlabelled, protocol, notes: notes.0, problems, lots })
    }

    /// Other data, read with the run's schema, for these of its models. Their own test split where they have one.
    pub fn of_data(
        folder: &Path,
        path: &Path,
        source: Source,
        entries: &[&'static Entry],
        device: &Device,
    ) -> Result<SetAside> {
        let predictors: Result<Vec<_>> =
            entries.iter().map(|entry| Ok(run::open(folder, Some(entry.name), device)?.predictor)).collect();
        let DataRecord { encoding, .. } = Folder(folder.to_owned()).read_data()?;
        let (items, unlabelled) = labelled(&source.test.unwrap_or(source.train));
        if items.is_empty() {
            return Err(Error::data(path, "holds no labelled item", "answers are compared with labels"));
        }
        let lot = Lot { rows: (0..items.len()).collect(), encoding, predictors: predictors? };
        let protocol = format!("figures on {}", path.display());
        Ok(SetAside { items, unlabelled, protocol, notes: source.notes, problems: source.problems, lots: vec![lot] })
    }

    /// p(y | x) of the model with this number among those that were asked for.
    pub fn predictions(&self, model: usize) -> Predictions {
        let each = |lot: &Lot| {
            let log_probs = lot.predictors[model].log_probs(lot.encoding.encode(&self.items.inputs, &lot.rows).view());
            Scores { log_probs, log_density: None, energy: None, codes: None }
        };
        let parts: Vec<Scores> = self.lots.iter().map(each).collect();
        let classes = self.items.labels.iter().flatten().copied().collect();
        Predictions { probs: probs(&Scores::join(&parts).log_probs), classes }
    }

    /// All that the model with this number says. Codes of models of folds say nothing beside each other's.
    pub fn scores(&self, model: usize) -> Scores {
        let each = |lot: &Lot| lot.predictors[model].scores(lot.encoding.encode(&self.items.inputs, &lot.rows).view());
        let parts: Vec<Scores> = self.lots.iter().map(each).collect();
        let all = Scores::join(&parts);
        Scores { codes: all.codes.filter(|_| parts.len() == 1), ..all }
    }
}

/// The models of a run that can be asked: `first`, and another one, which is the plain one where there is one.
pub fn with_baseline(folder: &Path, config: &Config, first: &'static Entry) -> Result<Vec<&'static Entry>> {
    let run = Folder(folder.to_owned());
    let mut others = config.entries()?;
    others.retain(|entry| entry.name != first.name && run::weights(&run.model(entry)).is_file());
    others.sort_by_key(|entry| entry.name != "supervised");
    Ok(std::iter::once(first).chain(others.into_iter().take(1)).collect())
}

fn stored(folder: &Path) -> Result<Checkpoint> {
    let (weights, checkpoint) = (run::weights(folder), run::checkpoint(folder));
    if !weights.is_file() && !checkpoint.is_file() {
        let hint =
            "end the training with `halfmoon train --resume RUN`, or judge the run on labelled data with --data DATA";
        return Err(Error::data(folder, "has not been trained yet", hint));
    }
    Checkpoint::read(if weights.is_file() { &weights } else { &checkpoint })
}

/// Those with a label, and how many have none.
fn labelled(items: &Dataset) -> (Dataset, usize) {
    let rows = items.labelled();
    (items.select(&rows), items.len() - rows.len())
}

/// Keeps what is noted.
struct Notes(Vec<String>);

impl Progress for Notes {
    fn note(&mut self, sentence: &str) {
        self.0.push(sentence.to_owned());
    }

    fn begin(&mut self, _: &str, _: u64, _: u64) {}

    fn step(&mut self, _: u64, _: &[(&'static str, f64)]) {}

    fn end(&mut self, _: bool) {}

    fn stop(&self) -> bool {
        false
    }
}
