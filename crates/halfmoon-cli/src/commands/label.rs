//! `halfmoon label`: the labelling page, and a model that learns from each few labels.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use halfmoon::Checkpoint;
use halfmoon::config::{Config, set};
use halfmoon::fit::{Entry, Task};
use halfmoon::loss::Loss;
use halfmoon::models::MODELS;
use halfmoon::ops::in_pool_of;
use halfmoon::run;
use halfmoon::train::{Then, Watch};
use halfmoon_journal::Journal;
use halfmoon_pool::read::{self, is_built_in};
use halfmoon_pool::scores::Predictor;
use halfmoon_pool::{Error, Result};
use halfmoon_web::guard::{self, interrupted};
use halfmoon_web::label::{self, Lesson, Settings, Trainer};
use toml::Table;

use crate::Failure;
use crate::args::Label;

/// Steps of a training between labels, where nothing else was said: people wait for nothing, but the queue does.
const STEPS: i64 = 600;

/// The model of a folder of pictures, where nobody chose one, and that of other data. With a hundred labels of 5,000 digits of 28 × 28, given in two
/// minutes, `vat` as below was right about 90 % of the others (`supervised` 89 %, `m2` 72 %); of one digit against the other nine about 98 % (98 %, 20 %: `m2`
/// takes classes to be equally frequent). On Adult `vat` falls behind `supervised`, 58 to 76 %.
const OF_PICTURES: &str = "vat";
const OF_OTHERS: &str = "supervised";

/// Settings, where nothing else was said. `vat` without its two terms that assume something of how frequent the classes are, which nobody knows as long
/// as a rule chooses what is labelled; and with few rows a step, so that a training takes seconds.
const SETTINGS: [&str; 4] = ["vat.entropy=0", "vat.balance=0", "vat.train.unlabelled_rows=64", "vat.train.steps=200"];

/// Pixels of the longer side from which on pictures go through convolutions and are moved a little.
const LARGE: usize = 16;
const OF_LARGE_PICTURES: [&str; 4] =
    ["supervised.net=\"conv\"", "supervised.augment=\"shift\"", "vat.net=\"conv\"", "vat.augment=\"shift\""];

/// Bytes of a request: files of labels that are imported are the largest.
const MAX_BODY: usize = 64 << 20;

pub(crate) fn run(args: &Label) -> std::result::Result<(), Failure> {
    let Found { project, data, reading } = find(args)?;
    let kept = serde_json::to_value(&reading).expect("plain settings");
    let of_large_pictures = config(args, &data, reading.clone(), &OF_LARGE_PICTURES)?;
    let config = config(args, &data, reading, &[])?;
    let options = config.options();
    // What is no data at all is told of when it is read.
    let usual = if read::is_of_pictures(&data, &options).unwrap_or(false) { OF_PICTURES } else { OF_OTHERS };
    let teacher = Teacher { config, of_large_pictures, seed: args.seed, before: HashMap::new() };
    let models = MODELS.iter().map(|entry| (entry.name.to_owned(), entry.about.to_owned())).collect();
    let settings = Settings {
        project,
        data,
        options,
        about: serde_json::Map::from_iter([("data".to_owned(), kept)]),
        classes: args.reading.classes.clone().unwrap_or_default(),
        rule: args.rule.clone(),
        model: args.model.clone().unwrap_or_else(|| usual.to_owned()),
        models,
        judge: args.judge,
        twice: args.twice,
        first: args.first.get(),
        every: args.every.get(),
        candidates: args.candidates.get(),
        seed: args.seed,
    };
    let bound = guard::bind(&super::serve::door(&args.listening, args.port, MAX_BODY))?;
    let (router, running) = label::open(settings, teacher)?;
    let router = router.fallback(halfmoon_web::page::page);
    println!("label at {}  (Ctrl-C ends it; nothing is lost)", bound.url());
    // With a token in it the address is no argument for others to see.
    if !args.no_browser && !bound.url().contains("?token=") {
        browse(&bound.url());
    }
    let end = bound.serve(router, interrupted());
    running.stop();
    Ok(end?)
}

/// Where the project and its data are, and how the data are read.
struct Found {
    project: PathBuf,
    data: PathBuf,
    /// The section `[data]`.
    reading: Table,
}

/// A project knows its data; data are given a project.
fn find(args: &Label) -> Result<Found> {
    let typed = super::reading(&args.reading)?;
    let of_project = |project: &Path| -> Result<Found> {
        let journal = Journal::open(project)?;
        let mut reading = super::kept_reading(&journal.project()?)?;
        halfmoon::config::merge(&mut reading, typed.clone());
        Ok(Found { project: project.to_owned(), data: journal.data()?, reading })
    };
    if Journal::is_at(&args.data) {
        return of_project(&args.data);
    }
    if args.project.exists() {
        let found = of_project(&args.project)?;
        if found.data != args.data && !super::same_file(&found.data, &args.data) {
            let problem = format!("{} is a project of other data: {}", args.project.display(), found.data.display());
            return Err(Error::usage(problem, "name another file with --project, or that data"));
        }
        return Ok(found);
    }
    // The server would wait for the data to appear.
    if !args.data.exists() && !is_built_in(&args.data) {
        return Err(Error::data(args.data.as_path(), "does not exist", "name a folder of pictures, a table or arrays"));
    }
    Ok(Found {
        project: args.project.clone(),
        data: super::absolute(&args.data),
        reading: super::reading_of_project(&args.reading)?,
    })
}

/// What was said, over these settings, over those for any data.
fn config(args: &Label, data: &Path, mut reading: Table, settings: &[&str]) -> Result<Config> {
    super::put(&mut reading, "path", Some(super::text(data)?));
    let mut table = Table::from_iter([("data".to_owned(), reading.into())]);
    super::set_steps(&mut table, STEPS)?;
    for assignment in SETTINGS.iter().chain(settings).copied().chain(args.set.iter().map(String::as_str)) {
        set(&mut table, assignment)?;
    }
    if let Some(name) = &args.model {
        set(&mut table, &format!("run.models=[{name:?}]"))?;
    }
    Config::resolve(table)
}

/// Trains a model each time that there are a few labels more.
struct Teacher {
    config: Config,
    of_large_pictures: Config,
    seed: u64,
    /// Where the last training of each model ended, for as many classes.
    before: HashMap<(&'static str, usize), Checkpoint>,
}

impl Trainer for Teacher {
    fn train(
        &mut self,
        lesson: &Lesson,
        watch: &mut (dyn FnMut(u64, u64) -> bool + Send),
    ) -> Result<Option<Box<dyn Predictor>>> {
        let entry = halfmoon::config::model(lesson.model)?;
        // One core is left to those who wait for the next picture.
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1)).max(1);
        in_pool_of(threads, || self.teach(entry, lesson, watch))
    }
}

impl Teacher {
    fn teach(
        &mut self,
        entry: &'static Entry,
        lesson: &Lesson,
        watch: &mut (dyn FnMut(u64, u64) -> bool + Send),
    ) -> Result<Option<Box<dyn Predictor>>> {
        let (layout, classes) = (lesson.encoding.layout(), lesson.items.schema.classes.len());
        let are_large = layout.image.is_some_and(|shape| shape.height.max(shape.width) >= LARGE);
        let settings = if are_large { &self.of_large_pictures } else { &self.config }.settings(entry);
        let checked = (entry.check)(settings)?;
        (checked.fits)(&layout)?;
        let device = run::device("cpu")?;
        let task = Task {
            dataset: lesson.items,
            encoding: lesson.encoding,
            seed: self.seed.wrapping_add(u64::from(lesson.round)),
            device: &device,
        };
        let before = self.before.remove(&(entry.name, classes)).map(Checkpoint::as_a_start);
        let ended = (entry.fit)(settings, &task, before, &mut Seen { watch, steps: checked.steps })?;
        if ended.stopped {
            return Ok(None);
        }
        let kept = ended.checkpoint.at_its_best();
        let predictor = (entry.load)(settings, &layout, classes, &kept, &device)?;
        if entry.is_stepwise {
            self.before.insert((entry.name, classes), kept);
        }
        Ok(Some(predictor))
    }
}

/// Tells how far a training is.
struct Seen<'a> {
    watch: &'a mut (dyn FnMut(u64, u64) -> bool + Send),
    steps: u64,
}

impl Watch for Seen<'_> {
    fn step(&mut self, step: u64, _: &Loss) -> Result<Then> {
        Ok(if (self.watch)(step, self.steps) { Then::Continue } else { Then::Stop })
    }

    fn checkpoint(&mut self, _: &Checkpoint) -> Result<()> {
        Ok(())
    }
}

/// Opens the page, where there is a desktop to do so.
fn browse(url: &str) {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "explorer"
    } else {
        "xdg-open"
    };
    let quiet = std::process::Stdio::null;
    let started = std::process::Command::new(opener).arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    if started.is_err() {
        eprintln!("note: no browser could be started; open the address above in one");
    }
}
