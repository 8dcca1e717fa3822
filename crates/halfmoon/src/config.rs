//! The one description of a run: what was read, how it was trained, with which settings.
//!
//! Defaults, then a TOML file, then `--set key=value`, then flags, each over the one before. What
//! comes out is written into the run folder and is all that is needed to do the same again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use halfmoon_pool::encode::Pixels;
use halfmoon_pool::error::did_you_mean;
use halfmoon_pool::read::{MinusOne, Options};
use halfmoon_pool::{Error, Result};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::fit::{Entry, parse_table};
use crate::models::{BASELINE, MODELS};

/// A resolved configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The section `[data]`.
    pub data: Data,
    /// The section `[run]`.
    pub run: Run,
    /// One section a model, with every default filled in.
    pub models: BTreeMap<String, Table>,
}

/// What is read, and how.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// File, folder or built-in data.
    pub path: String,
    /// Held-out data of the same kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// The labels of `test`, where they are in a second file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_labels_from: Option<String>,
    /// How many labels are kept; the rest are hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<usize>,
    /// See [`Options`], as all that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The label column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The labels, where they are in a second file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels_from: Option<String>,
    /// The classes, where they are known in advance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// More texts that mean "no label".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_labels: Vec<String>,
    /// What the label −1 means: `ask`, `unlabelled`, `class`.
    pub minus_one: MinusOne,
    /// Column kinds that override what was found.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
    /// Items of a table are known by the numbers of their rows, even where a column is called `id`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub count_rows: bool,
    /// Field delimiter of a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether a table has a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Height and width that pictures are brought to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_size: Option<(usize, usize)>,
    /// How pixels are modelled: `grey` (Bernoulli on grey values) or `gaussian`.
    pub pixels: Pixels,
}

/// What is trained, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Run {
    /// Models by name; the first is the one that `predict` and `eval` ask.
    pub models: Vec<String>,
    /// Decides the split, which labels are kept, parameters, rows and noise.
    pub seed: u64,
    /// Seconds after which training stops, shared by all models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
    /// Held-out folds of the labelled rows, where there are no test data.
    pub folds: usize,
    /// How often the labelled rows are cut into folds anew.
    pub repeats: usize,
    /// Where the numbers are crunched.
    pub device: String,
}

impl Default for Run {
    fn default() -> Run {
        Run {
            models: vec![MODELS[0].name.to_owned(), BASELINE.name.to_owned()],
            seed: 1,
            time: None,
            folds: 5,
            repeats: 2,
            device: "cpu".into(),
        }
    }
}

impl Config {
    /// Defaults overlaid with a table that may hold any part of a configuration.
    pub fn resolve(overlay: Table) -> Result<Config> {
        let mut table = defaults(&overlay)?;
        merge(&mut table, overlay);
        let mut section = |name: &str| match table.remove(name) {
            Some(Value::Table(section)) => Ok(section),
            _ => Err(Error::usage(format!("`{name}` must be a section"), format!("write [{name}], then its settings"))),
        };
        let data = parse_table(section("data")?, "data")?;
        let run: Run = parse_table(section("run")?, "run")?;
        let mut models = BTreeMap::new();
        for entry in MODELS {
            let settings = section(entry.name)?;
            (entry.check)(&settings)?;
            models.insert(entry.name.to_owned(), settings);
        }
        if let Some(unknown) = table.keys().next() {
            let known = ["data", "run"].into_iter().chain(MODELS.iter().map(|entry| entry.name));
            return Err(Error::usage(format!("`{unknown}` is not a section"), did_you_mean(unknown, known)));
        }
        let config = Config { data, run, models };
        config.entries()?;
        match () {
            () if config.run.models.is_empty() => {
                Err(Error::usage("`run.models` names no model", "`halfmoon models` lists them"))
            }
            () if config.run.folds < 2 => Err(Error::usage("`run.folds` must be at least 2", "")),
            () if config.run.repeats < 1 => Err(Error::usage("`run.repeats` must be at least 1", "")),
            () if config.run.repeats > 100 => Err(Error::usage("`run.repeats` must be at most 100", "")),
            () if config.run.time.is_some_and(|time| !(time > 0.0 && time < 1e9)) => {
                Err(Error::usage("`run.time` must be more than 0 seconds, and less than 30 years", ""))
            }
            () if config.data.delimiter.is_some_and(|character| !character.is_ascii()) => {
                Err(Error::usage("`data.delimiter` must be an ASCII character", "such as , or ; or \t"))
            }
            () if (1..config.run.models.len()).any(|at| config.run.models[..at].contains(&config.run.models[at])) => {
                Err(Error::usage("`run.models` names a model twice", ""))
            }
            () => Ok(config),
        }
    }

    /// The models to train, by their registry entries.
    pub fn entries(&self) -> Result<Vec<&'static Entry>> {
        self.run.models.iter().map(|name| model(name)).collect()
    }

    /// The settings of a model of the registry.
    pub fn settings(&self, entry: &Entry) -> &Table {
        &self.models[entry.name]
    }

    /// Time for everything that is trained.
    pub fn time(&self) -> Option<Duration> {
        self.run.time.map(Duration::from_secs_f64)
    }

    /// What the readers want to know.
    pub fn options(&self) -> Options {
        let Data {
            format,
            label,
            labels_from,
            classes,
            missing_labels,
            minus_one,
            columns,
            count_rows,
            delimiter,
            header,
            image_size,
            ..
        } = self.data.clone();
        let delimiter = delimiter.and_then(|character| u8::try_from(character).ok());
        Options {
            format,
            label,
            labels_from: labels_from.map(PathBuf::from),
            classes,
            missing_labels,
            minus_one,
            columns,
            count_rows,
            delimiter,
            header,
            image_size,
            schema: None,
        }
    }

    /// Everything as a table, for the run folder and for `halfmoon config`.
    pub fn to_table(&self) -> Table {
        let mut table = Table::new();
        table.insert("data".into(), Table::try_from(&self.data).expect("settings are a table").into());
        table.insert("run".into(), Table::try_from(&self.run).expect("settings are a table").into());
        for (name, settings) in &self.models {
            table.insert(name.clone(), settings.clone().into());
        }
        table
    }
}

/// The registry's entry for a name that somebody typed.
pub fn model(name: &str) -> Result<&'static Entry> {
    let names = MODELS.iter().map(|entry| entry.name);
    MODELS
        .iter()
        .find(|entry| entry.name == name)
        .ok_or_else(|| Error::usage(format!("`{name}` is not a model"), did_you_mean(name, names)))
}

/// Reads a TOML file that holds any part of a configuration.
pub fn read(path: &Path) -> Result<Table> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
    text.parse::<Table>().map_err(|error| {
        let row = error.span().map(|span| text[..span.start].matches('\n').count() as u64 + 1);
        let place = halfmoon_pool::error::Place { path: path.to_owned(), row, column: None };
        Error::data(
            place,
            error.message().trim().to_owned(),
            "the file must be TOML; `halfmoon config` prints an example",
        )
    })
}

/// Puts `key=value`, as typed after `--set`, into a table. The value is TOML, or else a plain word.
pub fn set(table: &mut Table, assignment: &str) -> Result<()> {
    let Some((key, value)) = assignment.split_once('=') else {
        return Err(Error::usage(format!("`--set {assignment}` has no `=`"), "write --set m2.latent=20"));
    };
    let value = value.trim();
    let value = format!("value = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    let mut parts: Vec<&str> = key.trim().split('.').collect();
    let last = parts.pop().expect("split yields at least one part");
    let mut section = table;
    for part in parts {
        let entry = section.entry(part).or_insert_with(|| Table::new().into());
        let Value::Table(inner) = entry else {
            return Err(Error::usage(format!("`--set {assignment}`: `{part}` is a value, not a section"), ""));
        };
        section = inner;
    }
    section.insert(last.to_owned(), value);
    Ok(())
}

/// Puts `over` over `table`, section by section.
pub fn merge(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(over)) => merge(inner, over),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// What holds where nothing else is said, under the presets that an overlay names.
fn defaults(overlay: &Table) -> Result<Table> {
    let mut table = Table::new();
    table.insert("data".into(), Table::try_from(Data::default()).expect("settings are a table").into());
    table.insert("run".into(), Table::try_from(Run::default()).expect("settings are a table").into());
    for entry in MODELS {
        let settings = match overlay.get(entry.name) {
            Some(Value::Table(given)) => (entry.preset)(given)?,
            _ => (entry.defaults)(),
        };
        table.insert(entry.name.into(), settings.into());
    }
    Ok(table)
}
