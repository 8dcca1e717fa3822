//! One subcommand a file.

mod analogy;
mod annotators;
mod bench;
mod cite;
mod codes;
mod complete;
mod config;
mod eval;
mod export;
mod get;
mod import;
mod init;
mod label;
mod lists;
mod making;
mod manifold;
mod predict;
mod query;
mod reconstruct;
mod report;
mod review;
mod robust;
mod sample;
mod serve;
mod simulate;
mod status;
mod stream;
mod synthesise;
mod temper;
mod train;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use halfmoon::config::{merge, set};
use halfmoon_journal::{Journal, Project};
use halfmoon_pool::Error;
use halfmoon_pool::labels::grouped;
use halfmoon_pool::read::Options;
use toml::{Table, Value};

use crate::Failure;
use crate::args::{Command, MinusOne, PriorFrom, Reading, Settings, YesNo};

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Train(args) => train::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Codes(args) => codes::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Review(args) => review::run(&args),
        Command::Sample(args) => sample::run(&args),
        Command::Complete(args) => complete::run(&args),
        Command::Robust(args) => robust::run(&args),
        Command::Analogy(args) => analogy::run(&args),
        Command::Manifold(args) => manifold::run(&args),
        Command::Reconstruct(args) => reconstruct::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Label(args) => label::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Synthesise(args) => synthesise::run(&args),
        Command::Stream(args) => stream::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Get(args) => get::run(&args),
        Command::Models => lists::models(),
        Command::Formats => lists::formats(),
        Command::Metrics => lists::metrics(),
        Command::Cite { run } => cite::run(run.as_deref()),
        Command::Config(settings) => config::run(&settings),
        Command::Bench(bench) => bench::run(&bench),
    }
}

/// What was typed, as a part of a configuration: a file first, `--set` over it, flags over both.
fn overlay(data: Option<&Path>, settings: &Settings) -> Result<Table, Error> {
    let mut table = match &settings.config {
        Some(path) => halfmoon::config::read(path)?,
        None => Table::new(),
    };
    for assignment in &settings.set {
        set(&mut table, assignment)?;
    }
    let mut typed = Table::new();
    let mut run = Table::new();
    put(&mut run, "models", settings.model.as_ref().map(|name| vec![name.clone()]));
    put(
        &mut run,
        "seed",
        settings.seed.map(i64::try_from).transpose().map_err(|_| Error::usage("--seed is too large", ""))?,
    );
    put(&mut run, "time", settings.time.map(|time| time.as_secs_f64()));
    put(&mut run, "device", settings.device.clone());
    typed.insert("run".into(), run.into());
    let mut section = match data.filter(|data| Journal::is_at(data)) {
        Some(project) => kept_reading(&Journal::open_to_read(project)?.project()?)?,
        None => Table::new(),
    };
    merge(&mut section, reading(&settings.reading)?);
    put(&mut section, "path", data.map(text).transpose()?);
    put(&mut section, "test", settings.test.as_deref().map(text).transpose()?);
    put(&mut section, "test_labels_from", settings.test_labels_from.as_deref().map(text).transpose()?);
    put(&mut section, "labels", settings.labels.map(|count| i64::try_from(count).unwrap_or(i64::MAX)));
    typed.insert("data".into(), section.into());
    if let Some(prior) = settings.prior {
        let name = match prior {
            PriorFrom::Uniform => "uniform",
            PriorFrom::Labelled => "labelled",
            PriorFrom::Estimate => "estimate",
        };
        for key in priors() {
            set(&mut typed, &format!("{key}=\"{name}\""))?;
        }
    }
    if let Some(steps) = settings.steps {
        let steps = i64::try_from(steps).map_err(|_| Error::usage("--steps is too large", ""))?;
        set_steps(&mut typed, steps)?;
    }
    merge(&mut table, typed);
    Ok(table)
}

/// So many steps for every model that an optimiser trains: those that have a plan.
fn set_steps(table: &mut Table, steps: i64) -> Result<(), Error> {
    let has_plan = |entry: &&halfmoon::fit::Entry| (entry.defaults)().contains_key("train");
    halfmoon::models::MODELS
        .iter()
        .filter(has_plan)
        .try_for_each(|entry| set(table, &format!("{}.train.steps={steps}", entry.name)))
}

/// Every setting called `prior`: a model's own, or that of its head.
fn priors() -> Vec<String> {
    let of_model = |entry: &halfmoon::fit::Entry| {
        let settings = (entry.defaults)();
        let own = settings.contains_key("prior").then(|| format!("{}.prior", entry.name));
        let inner = settings.into_iter().filter(|(_, value)| value.get("prior").is_some());
        own.into_iter().chain(inner.map(|(key, _)| format!("{}.{key}.prior", entry.name))).collect::<Vec<_>>()
    };
    halfmoon::models::MODELS.iter().flat_map(of_model).collect()
}

/// The reading flags as part of the section `[data]`.
fn reading(reading: &Reading) -> Result<Table, Error> {
    let mut table = Table::new();
    put(&mut table, "label", reading.label.clone());
    put(&mut table, "labels_from", reading.labels_from.as_deref().map(text).transpose()?);
    put(&mut table, "classes", reading.classes.clone());
    put(&mut table, "missing_labels", Some(reading.missing_label.clone()).filter(|texts| !texts.is_empty()));
    let minus_one = reading.minus_one.map(|meaning| match meaning {
        MinusOne::Unlabelled => "unlabelled",
        MinusOne::Class => "class",
    });
    put(&mut table, "minus_one", minus_one);
    let columns = columns(&reading.column)?;
    put(&mut table, "columns", Some(columns).filter(|columns| !columns.is_empty()));
    put(&mut table, "delimiter", reading.delimiter.map(String::from));
    put(&mut table, "header", reading.header.map(|header| matches!(header, YesNo::Yes)));
    put(&mut table, "image_size", reading.image_size.map(|(height, width)| vec![height, width]));
    put(&mut table, "format", reading.format.clone());
    Ok(table)
}

/// How the data of a new project are read: as was typed, and by ids where a table has a column for them.
fn reading_of_project(typed: &Reading) -> Result<Table, Error> {
    let mut table = reading(typed)?;
    put(&mut table, "count_rows", Some(false));
    Ok(table)
}

/// How the data of a project are read: the section `[data]` that `init` put into it.
fn kept_reading(project: &Project) -> Result<Table, Error> {
    let mut table = match project.about.get("data") {
        None => Table::new(),
        Some(kept) => serde_json::from_value(kept.clone()).map_err(|error| {
            Error::usage(format!("the project `{}` says how its data are read, but: {error}", project.name), "")
        })?,
    };
    put(&mut table, "count_rows", Some(project.counts_rows()));
    Ok(table)
}

/// What a run's data were read with, overlaid with what was typed.
fn options(run: &halfmoon::run::Asked, typed: &Reading) -> Result<Options, Error> {
    let mut table = run.config.to_table();
    merge(&mut table, Table::from_iter([("data".to_owned(), Value::from(reading(typed)?))]));
    let config = halfmoon::config::Config::resolve(table)?;
    // The format of the training data says nothing of the new data's, nor are their labels the new data's.
    let (format, labels_from) = (typed.format.clone(), typed.labels_from.clone());
    Ok(Options { format, labels_from, schema: Some(run.data.schema.clone()), ..config.options() })
}

/// `1 item`, `2 items`.
fn counted(n: usize, one: &str) -> String {
    format!("{} {one}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// `answers.csv.4711.partial` for `answers.csv`: what is not whole yet has another name.
fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    PathBuf::from(name)
}

/// Writes a file, so that at every moment the old one or the new one is there; a pipe or a device is written to as it is.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    halfmoon::run::refuse_project(path)?;
    match path.symlink_metadata() {
        Ok(there) if !there.is_file() => std::fs::write(path, bytes).map_err(|source| Error::io(path, source)),
        _ => halfmoon::run::write_aside(path, bytes),
    }
}

/// Where data are, whoever asks later and from where; built-in data have a name and no place.
fn absolute(data: &Path) -> PathBuf {
    data.canonicalize().unwrap_or_else(|_| data.to_owned())
}

/// Refuses to write over any of these files, each with what it is, or over a project.
fn refuse_to_overwrite(output: &Path, kept: &[(&str, &Path)]) -> Result<(), Error> {
    match kept.iter().find(|(_, kept)| same_file(output, kept)) {
        Some((what, _)) => {
            Err(Error::usage(format!("the output would overwrite {what}"), "choose another file with --output"))
        }
        None => halfmoon::run::refuse_project(output),
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn columns(typed: &[String]) -> Result<BTreeMap<String, String>, Error> {
    const KINDS: [&str; 4] = ["numeric", "yes_no", "category", "ignore"];
    typed
        .iter()
        .map(|column| match column.rsplit_once('=') {
            Some((name, kind)) if KINDS.contains(&kind) => Ok((name.to_owned(), kind.to_owned())),
            _ => Err(Error::usage(
                format!("`--column {column}` is not NAME=KIND"),
                format!("the kinds are {}", KINDS.join(", ")),
            )),
        })
        .collect()
}

fn put(table: &mut Table, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        table.insert(key.into(), value.into());
    }
}

fn text(path: &Path) -> Result<String, Error> {
    let problem = || {
        Error::usage(
            format!("{}: the path is not UTF-8", path.display()),
            "a run's configuration is text: rename the folder",
        )
    };
    path.to_str().map(str::to_owned).ok_or_else(problem)
}
