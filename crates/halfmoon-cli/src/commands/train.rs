//! `halfmoon train`.

use std::io::Write;
use std::path::{Path, PathBuf};

use halfmoon::config::Config;
use halfmoon::experiment::{self, Figures, Outcome};
use halfmoon::run::Folder;
use halfmoon_pool::Error;
use halfmoon_pool::metric::METRICS;

use crate::Failure;
use crate::args::{Settings, Train};
use crate::progress::Terminal;
use crate::table::{Table, figure, number};

pub(crate) fn run(args: &Train) -> Result<(), Failure> {
    let (config, folder) = if let Some(folder) = &args.resume {
        (resumed(folder, &args.settings)?, folder.clone())
    } else {
        let config = Config::resolve(super::overlay(args.data.as_deref(), &args.settings)?)?;
        if config.data.path.is_empty() {
            return Err(Error::usage("no data given", "halfmoon train DATA, or `path` in the section [data]").into());
        }
        let folder = args.out.clone().unwrap_or_else(|| default_folder(&config));
        refuse_to_overwrite(&folder, &config)?;
        (config, folder)
    };
    let mut progress = Terminal::new();
    let outcome = experiment::train(&config, &folder, args.resume.is_some(), &mut progress)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", outcome.to_json())?;
    }
    if !outcome.finished {
        eprintln!("stopped; go on with: halfmoon train --resume {}", folder.display());
        return Ok(());
    }
    if !args.json {
        print(&mut out, &outcome)?;
    }
    Ok(())
}

/// A stopped run's settings. More time may be asked of it; anything else would make it another run.
fn resumed(folder: &Path, typed: &Settings) -> Result<Config, Error> {
    let run = Folder(folder.to_owned());
    if !run.config().is_file() {
        return Err(Error::data(folder, "is not a run: it holds no config.toml", "name the folder that `train` wrote"));
    }
    let mut before = run.read_config()?;
    let mut table = before.to_table();
    halfmoon::config::merge(&mut table, super::overlay(None, typed)?);
    let config = Config::resolve(table)?;
    before.run.time = config.run.time;
    if config != before {
        return Err(Error::usage(
            "a run goes on with the settings that it was started with; only --time may be given anew",
            "for other settings, train anew into another folder",
        ));
    }
    Ok(config)
}

/// `runs/digits-m2-seed1`, in the folder where the command was typed.
fn default_folder(config: &Config) -> PathBuf {
    let stem = match Path::new(&config.data.path).file_stem() {
        Some(stem) if stem != "-" => stem.to_string_lossy().into_owned(),
        _ => "data".into(),
    };
    let labels = config.data.labels.map(|labels| format!("-{labels}")).unwrap_or_default();
    PathBuf::from("runs").join(format!("{stem}{labels}-{}-seed{}", config.run.models.join("+"), config.run.seed))
}

/// A folder with anything in it is kept: nobody's run, data or results are written over.
fn refuse_to_overwrite(folder: &Path, config: &Config) -> Result<(), Error> {
    let is_empty = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if !folder.exists() || is_empty {
        return Ok(());
    }
    let run = Folder(folder.to_owned());
    if run.read_config().is_ok_and(|there| there == *config) {
        return Err(Error::usage(
            format!("{} holds this very run already", folder.display()),
            format!(
                "see it or go on with: halfmoon train --resume {}; or choose another folder with --out",
                folder.display()
            ),
        ));
    }
    let what = if run.config().is_file() { "holds another run" } else { "is not empty" };
    Err(Error::usage(format!("{} {what}", folder.display()), "choose another folder with --out, or remove that one"))
}

fn print(out: &mut impl Write, outcome: &Outcome) -> Result<(), Failure> {
    let headlines = || METRICS.iter().filter(|metric| metric.is_headline);
    let mut table = Table::new(["model", "steps", "time"].into_iter().chain(headlines().map(|metric| metric.name)));
    for Figures { name, steps, seconds, test, .. } in &outcome.models {
        let figures = headlines().map(|metric| figure(test.as_ref().and_then(|test| test.get(metric.name))));
        let time = crate::duration::show(std::time::Duration::from_secs_f64(*seconds));
        let steps = steps.map_or_else(|| "–".into(), |steps| steps.to_string());
        table.row([(*name).to_owned(), steps, time].into_iter().chain(figures));
    }
    writeln!(out, "{} labels; {} (95 % intervals in brackets)\n", outcome.labels, outcome.protocol)?;
    write!(out, "{table}")?;
    let at_temperature: Vec<String> = outcome.models.iter().filter_map(at_temperature).collect();
    if !at_temperature.is_empty() {
        let half = "with a temperature, each half of the held-out items at the other half's";
        writeln!(out, "\n{half}: {}", at_temperature.join("; "))?;
    }
    writeln!(out, "\nask it with: halfmoon predict {} INPUT", outcome.run.display())?;
    Ok(())
}

/// `m2 nll 0.4012, ece 0.0310`; `None` where there is nothing to tell.
fn at_temperature(figures: &Figures) -> Option<String> {
    let tempered = figures.tempered.as_ref()?;
    let value = |metric: &str| number(tempered.get(metric).map(|estimate| estimate.value));
    Some(format!("{} nll {}, ece {}", figures.name, value("nll"), value("ece")))
}
