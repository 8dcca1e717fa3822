//! The few-label table of Kingma, Mohamed, Rezende and Welling, *Semi-supervised Learning with Deep Generative
//! Models*, NeurIPS 2014, table 1: every row trained here, with several draws of the labels, beside what was published.
//!
//! ```text
//! OUT/bench.toml             the options that the table was started with
//! OUT/runs/ROW-LABELS-DRAW/  a run folder as `halfmoon train` writes it
//! OUT/cut/                   the cut that --quick trains on
//! OUT/table.md, table.json   written anew whenever a run finishes
//! ```
//!
//! All state is in the run folders: a command that was stopped or killed goes on when it is given again. The first draw
//! of all rows and numbers of labels comes first, few labels before many, so that a table that is not finished yet has
//! something in every place before it has a second draw in any.

mod cell;
mod cut;
mod interval;
mod results;
mod rows;
mod table;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use halfmoon::config;
use halfmoon::experiment::{self, Progress};
use halfmoon::run::{Folder, make_folder, write_aside};
use halfmoon_pool::read::{self, Source};
use halfmoon_pool::{Error, Result, split};
use serde::{Deserialize, Serialize};

use crate::duration::show;
use cell::Cell;
pub(crate) use cell::{assignments, quoted};
use results::Results;
use rows::FILE;
pub(crate) use rows::{choose, published};
pub(crate) use table::{Table, name};

/// Whether data with this fingerprint, of which the first digits will do, are MNIST.
pub(crate) fn is_mnist(fingerprint: &str) -> bool {
    fingerprint.len() >= 16 && FILE.mnist.starts_with(fingerprint)
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// As typed.
    pub(crate) data: String,
    pub(crate) quick: bool,
    /// Of the first draw; the next has the next one.
    pub(crate) seed: u64,
    /// Seconds after which a run's training ends.
    pub(crate) time_per_run: f64,
    /// Ids of rows.
    pub(crate) models: Vec<String>,
    /// Numbers of labels, ascending.
    pub(crate) labels: Vec<usize>,
    pub(crate) draws: u64,
}

/// `bench.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Started {
    /// Of the data that the runs are trained on.
    fingerprint: String,
    options: Options,
}

/// Trains what is missing in the table in the folder `out`, and writes the table there.
pub(crate) fn run(asked: &Options, out: &Path, progress: &mut dyn Progress) -> Result<Table> {
    let before = started(out)?;
    if let Some(before) = &before {
        refuse_others(&before.options, asked, out)?;
    }
    let (path, source) = data(asked, out)?;
    let fingerprint = experiment::fingerprint(&source);
    if before.as_ref().is_some_and(|before| before.fingerprint != fingerprint) {
        let hint = "restore the data, or choose another folder with --out";
        return Err(Error::data(Path::new(&path), "is not what this table was started with", hint));
    }
    let available = available(&source, asked.seed);
    let mut labels = asked.labels.clone();
    labels.retain(|&count| count <= available);
    let mut notes = Vec::new();
    for count in asked.labels.iter().filter(|&&count| count > available) {
        notes.push(format!("{count} labels are left out: only {available} of the items to learn from have a label"));
    }
    if labels.is_empty() {
        return Err(Error::usage(
            format!("there are not as many labels as {}", asked.labels[0]),
            format!("{available} of the items to learn from have a label: --labels takes up to {available}"),
        ));
    }
    drop(source);

    make_folder(out)?;
    let together = before.map_or_else(|| asked.clone(), |before| together(&before.options, asked));
    let started = Started { fingerprint, options: together.clone() };
    let text = toml::to_string(&started).expect("options are plain data");
    write_aside(&out.join("bench.toml"), text.as_bytes())?;
    let mut table = Table {
        is_mnist: !asked.quick && started.fingerprint == FILE.mnist,
        options: together,
        out: out.to_owned(),
        path,
        notes,
        results: Results::default(),
        finished: false,
    };
    for cell in cells(&table.options) {
        if let Some(run) = results::read(&cell.folder(out))? {
            table.results.runs.insert(cell.name(), run);
        }
    }
    let wanted = cells(&Options { labels, ..asked.clone() });
    check(&wanted, &table)?;
    train(&wanted, &mut table, progress)?;
    table.write()?;
    Ok(table)
}

/// Trains what is missing of `wanted`; ends early when it is told to.
fn train(wanted: &[Cell], table: &mut Table, progress: &mut dyn Progress) -> Result<()> {
    let mut pace = Pace::new(wanted, table);
    table.notes.iter().for_each(|note| progress.note(note));
    progress.note(&format!(
        "{} runs, {} of them done; about {} left on two cores, by a rough estimate",
        wanted.len(),
        wanted.len() - missing(wanted, table).len(),
        show(pace.left(&missing(wanted, table))),
    ));
    progress.note("order: all methods with the fewest labels, then with more, then the next draw of labels");
    let mut said = HashSet::new();
    for cell in wanted {
        if table.results.runs.contains_key(&cell.name()) {
            continue;
        }
        if progress.stop() {
            return Ok(());
        }
        let began = Instant::now();
        let mut one = OneRun { name: cell.name(), said: &mut said, progress };
        let config = cell.config(&table.options, &table.path).expect("wanted cells have a model")?;
        let folder = cell.folder(&table.out);
        match experiment::train(&config, &folder, true, &mut one) {
            Ok(outcome) if !outcome.finished => return Ok(()),
            Ok(_) => {
                let run = results::read(&folder)?
                    .ok_or_else(|| Error::data(folder.as_path(), "lost its result.json", "give the command again"))?;
                pace.add(cell, began.elapsed().as_secs_f64());
                table.results.runs.insert(cell.name(), run);
            }
            // What happens to this run alone is reported, and the others go on.
            Err(error @ Error::Usage { .. }) => {
                table.results.failed.insert(cell.name(), error.to_string());
            }
            Err(error) => return Err(error),
        }
        table.write()?;
        let left = missing(wanted, table);
        progress.note(&format!(
            "{}: {}; {} of {} runs to go, about {}",
            cell.title(),
            match (table.results.runs.get(&cell.name()), table.results.failed.get(&cell.name())) {
                (Some(run), _) => format!("error {:.2} %", run.error),
                (None, message) => format!("failed: {}", message.map_or("", String::as_str)),
            },
            left.len(),
            wanted.len(),
            show(pace.left(&left)),
        ));
    }
    table.finished = true;
    Ok(())
}

/// What is still to be trained.
fn missing<'a>(wanted: &'a [Cell], table: &Table) -> Vec<&'a Cell> {
    let is_done = |name: &String| table.results.runs.contains_key(name) || table.results.failed.contains_key(name);
    wanted.iter().filter(|cell| !is_done(&cell.name())).collect()
}

/// Every run of these options, in the order in which they are made.
fn cells(options: &Options) -> Vec<Cell> {
    let rows = || options.models.iter().filter_map(|id| rows::row(id)).filter(|row| row.model.is_some());
    let of_draw =
        |draw| options.labels.iter().flat_map(move |&labels| rows().map(move |row| Cell { row, labels, draw }));
    (1..=options.draws).flat_map(of_draw).collect()
}

/// What was kept of the options with which the table in a folder was started. `None`: an empty or no folder.
fn started(out: &Path) -> Result<Option<Started>> {
    let path = out.join("bench.toml");
    if path.is_file() {
        let unreadable = |problem: String| Error::data(path.as_path(), problem, "choose another folder with --out");
        let started = config::read(&path)?.try_into();
        return started.map(Some).map_err(|error: toml::de::Error| unreadable(error.message().to_owned()));
    }
    // A cut may be all that there was time for.
    let others = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| !["cut", "cut.aside"].iter().any(|name| entry.file_name() == *name))
    };
    if out.read_dir().is_ok_and(|mut entries| entries.any(others)) {
        let problem = format!("{} is not empty, and holds no table", out.display());
        return Err(Error::usage(problem, "choose another folder with --out"));
    }
    Ok(None)
}

/// More methods, numbers of labels and draws may be asked of a table; anything else makes other runs.
fn refuse_others(before: &Options, asked: &Options, out: &Path) -> Result<()> {
    let flags = [
        ("--data", before.data.clone(), asked.data.clone()),
        ("--seed", before.seed.to_string(), asked.seed.to_string()),
        ("--time-per-run", format!("{}s", before.time_per_run), format!("{}s", asked.time_per_run)),
    ];
    let mut differences: Vec<String> = flags
        .iter()
        .filter(|(_, before, asked)| before != asked)
        .map(|(flag, before, asked)| format!("with {flag} {before}, not {asked}"))
        .collect();
    if before.quick != asked.quick {
        differences.push(if before.quick { "with --quick" } else { "without --quick" }.to_owned());
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::usage(
        format!("{} holds a table that was started {}", out.display(), differences.join(" and ")),
        "go on with the options that it was started with, or choose another folder with --out",
    ))
}

/// A table that holds all methods, numbers of labels and draws of both.
fn together(before: &Options, asked: &Options) -> Options {
    let is_there = |id: &str| before.models.iter().chain(&asked.models).any(|model| model == id);
    let mut labels = [before.labels.as_slice(), &asked.labels].concat();
    labels.sort_unstable();
    labels.dedup();
    Options {
        models: FILE.rows.iter().map(|row| row.id.clone()).filter(|id| is_there(id)).collect(),
        labels,
        draws: before.draws.max(asked.draws),
        ..asked.clone()
    }
}

/// What the runs read: the data as typed, or for --quick the cut of them.
fn data(asked: &Options, out: &Path) -> Result<(String, Source)> {
    let read = |path: &str| read::read(Path::new(path), &read::Options::default());
    let utf8 = |path: PathBuf| {
        path.into_os_string().into_string().map_err(|_| Error::usage("--out is not UTF-8", "a configuration is text"))
    };
    if asked.quick && out.join("cut").is_dir() {
        let path = utf8(out.join("cut"))?;
        return read(&path).map(|source| (path, source));
    }
    let source = read(&asked.data)?;
    if asked.quick
        && let Some(folder) = cut::cut(&source, asked.seed, out)?
    {
        let path = utf8(folder)?;
        return read(&path).map(|source| (path, source));
    }
    Ok((asked.data.clone(), source))
}

/// Labels that can be kept. Without a test split a fifth is held out first, as [`experiment::train`] does it.
fn available(source: &Source, seed: u64) -> usize {
    let data = &source.train;
    if source.test.as_ref().is_some_and(|test| !test.labelled().is_empty()) {
        return data.labelled().len();
    }
    let parts = split::hold_out(&data.labels, &split::groups(&data.inputs), 0.2, seed);
    parts.train.iter().filter(|&&item| data.labels[item].is_some()).count()
}

/// Whether the runs that are there were trained with today's settings.
fn check(wanted: &[Cell], table: &Table) -> Result<()> {
    for cell in wanted {
        let config = cell.config(&table.options, &table.path).expect("wanted cells have a model")?;
        let run = Folder(cell.folder(&table.out));
        if run.config().is_file() && run.read_config().ok().is_none_or(|there| there != config) {
            let problem = format!("{} was trained with other settings", run.0.display());
            return Err(Error::usage(problem, "another version of halfmoon did it: choose another folder with --out"));
        }
    }
    Ok(())
}

/// How long runs take: what the data file says, corrected by what was measured.
struct Pace {
    quick: bool,
    most: f64,
    /// Measured seconds and runs, by row.
    measured: BTreeMap<&'static str, (f64, f64)>,
}

impl Pace {
    fn new(wanted: &[Cell], table: &Table) -> Pace {
        let Options { quick, time_per_run: most, .. } = table.options;
        let mut pace = Pace { quick, most, measured: BTreeMap::new() };
        for cell in wanted {
            if let Some(run) = table.results.runs.get(&cell.name()) {
                pace.add(cell, run.seconds);
            }
        }
        pace
    }

    fn add(&mut self, cell: &Cell, seconds: f64) {
        let (sum, runs) = self.measured.entry(&cell.row.id).or_default();
        *sum += seconds;
        *runs += 1.0;
    }

    fn left(&self, missing: &[&Cell]) -> Duration {
        let told = |id: &str| rows::row(id).map_or(0.0, |row| row.seconds(self.quick).min(self.most));
        let measured: f64 = self.measured.values().map(|(sum, _)| sum).sum();
        let estimated: f64 = self.measured.iter().map(|(id, (_, runs))| told(id) * runs).sum();
        // A machine that was twice as slow in other rows will be so in the rest.
        let factor = if estimated > 0.0 { measured / estimated } else { 1.0 };
        let one = |cell: &&Cell| match self.measured.get(cell.row.id.as_str()) {
            Some((sum, runs)) => sum / runs,
            None => (told(&cell.row.id) * factor).min(self.most),
        };
        Duration::from_secs_f64(missing.iter().map(one).sum())
    }
}

/// Shows a run under its cell's name, and says what all runs have in common once.
struct OneRun<'a> {
    name: String,
    said: &'a mut HashSet<String>,
    progress: &'a mut dyn Progress,
}

impl Progress for OneRun<'_> {
    fn note(&mut self, sentence: &str) {
        if self.said.insert(sentence.to_owned()) {
            self.progress.note(sentence);
        }
    }

    fn begin(&mut self, _: &str, done: u64, steps: u64) {
        self.progress.begin(&self.name, done, steps);
    }

    fn step(&mut self, step: u64, terms: &[(&'static str, f64)]) {
        self.progress.step(step, terms);
    }

    fn end(&mut self, finished: bool) {
        self.progress.end(finished);
    }

    fn stop(&self) -> bool {
        self.progress.stop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(models: &[&str], labels: &[usize], draws: u64) -> Options {
        Options {
            data: "data".into(),
            quick: false,
            seed: 1,
            time_per_run: 90.0,
            models: models.iter().map(|&id| id.to_owned()).collect(),
            labels: labels.to_vec(),
            draws,
        }
    }

    #[test]
    fn the_first_draw_of_everything_comes_before_the_second_of_anything() {
        let names: Vec<String> =
            cells(&options(&["nn", "atlas_rbf", "m2"], &[100, 600], 2)).iter().map(Cell::name).collect();
        let expected = "nn-100-1 m2-100-1 nn-600-1 m2-600-1 nn-100-2 m2-100-2 nn-600-2 m2-600-2";
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn a_table_may_grow_but_not_change() {
        let (before, asked) = (options(&["m2"], &[600], 3), options(&["nn"], &[100, 600], 1));
        refuse_others(&before, &asked, Path::new("out")).expect("only more of the same");
        assert_eq!(together(&before, &asked), options(&["nn", "m2"], &[100, 600], 3));
        let error = refuse_others(&before, &Options { seed: 2, ..asked }, Path::new("out")).expect_err("other runs");
        assert_eq!(error.to_string(), "out holds a table that was started with --seed 1, not 2");
    }

    #[test]
    fn what_was_measured_goes_before_what_the_data_file_says() {
        let (nn, m2) = (rows::row("nn").expect("a row"), rows::row("m2").expect("a row"));
        let cell = |row| Cell { row, labels: 100, draw: 1 };
        let mut pace = Pace { quick: false, most: 1e6, measured: BTreeMap::new() };
        let seconds = |pace: &Pace| pace.left(&[&cell(nn), &cell(m2)]).as_secs_f64();
        assert!((seconds(&pace) - nn.seconds(false) - m2.seconds(false)).abs() < 1e-6);
        pace.add(&cell(nn), 2.0 * nn.seconds(false));
        assert!((seconds(&pace) - 2.0 * (nn.seconds(false) + m2.seconds(false))).abs() < 1e-6, "twice as slow");
        pace.most = 1.0;
        assert!((seconds(&pace) - 2.0 * nn.seconds(false) - 1.0).abs() < 1e-6, "no run takes longer than it may");
    }
}
