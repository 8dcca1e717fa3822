//! The server behind the labelling page: what is asked, what people answer, and the model that learns from it meanwhile.
//!
//! ```text
//!             ┌────────── requests ──────────┐
//!             ▼                              ▼
//!  data ─► reader ─► desk: items, votes, queue, figures ◄─ trainer: train, judge, score, query
//!                        ▲
//!                        └─ clerk: the one who writes ─► project.db ◄─ other processes
//! ```
//!
//! Three threads work beside the requests, each alone at its task:
//!
//! - the *reader* lists a folder, so that questions are possible before a picture is opened, and then reads everything, which
//!   training needs;
//! - the *clerk* owns the journal, writes what people say and reads what other processes wrote;
//! - the *trainer* owns the model, and whatever is computed with it.
//!
//! They meet at the *desk*, which is behind a lock that is held for microseconds to a few milliseconds and never while
//! something is trained, decoded or written. No request waits for a training.
//!
//! # What is judged by, and what is learned from
//!
//! A share of all items, drawn by a hash of their ids and the seed, is for judging: a restart draws the same ones. They are asked about in
//! between, in an order of chance and not by the rule; no lesson holds their labels; and whoever is asked about them is not
//! told what the model thinks, so that it cannot lead. Labels that came with the data count there, too.
//!
//! # Generated examples
//!
//! Examples that a model made up and people looked at are items of the journal with the id `generated/ROUND-NUMBER` and no
//! path; their content is the hash of their numbers. An event of the kind `fields`, by the model's name, keeps the numbers, so that they can be
//! drawn again or learned from by whoever reads the journal. The answer is a label, or a skip; a refusal is a skip with `refused` in its `extra`.
//! They are never asked about as items are, never judge, and the lessons here leave them out.
//!
//! # Memory
//!
//! An item takes about 250 bytes beside its numbers; answers of the model take 4 bytes a class for each of the candidates of a round. With
//! 100,000 pictures of 28 × 28 grey pixels, 78 MB of pixels, the process comes to 200 MB at most; with a table of 1,000,000 rows and 20 columns
//! to 2.2 GB while it is read, and to 0.7 GB afterwards.

mod clerk;
mod desk;
mod examples;
mod figures;
mod items;
mod picture;
mod queue;
mod reader;
mod routes;
mod scoring;
mod trainer;
mod view;
mod why;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use halfmoon_journal::{DATA, Journal, Moment, Project};
use halfmoon_pool::encode::Encoding;
use halfmoon_pool::scores::Predictor;
use halfmoon_pool::{Dataset, Error, Result, read};
use halfmoon_query::rule;
use serde_json::{Map, Value};

use self::clerk::Clerk;
use self::desk::{Desk, Shared};

/// What is labelled, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `project.db`; made where there is none.
    pub project: PathBuf,
    /// The data, as [`read::read`] takes them. A new project keeps this path, so it is to be absolute, or the name of built-in data.
    pub data: PathBuf,
    /// How they are read.
    pub options: read::Options,
    /// What a new project keeps beside its name, such as how its data are read: who opens it later reads them so, too.
    pub about: Map<String, Value>,
    /// Classes to begin with, besides those of the data and of the project. There may be none: the page makes them.
    pub classes: Vec<String>,
    /// The rule that asks, by name.
    pub rule: String,
    /// The model that is trained, by name.
    pub model: String,
    /// Every model that may be chosen: name, and a line for people. Holds [`Settings::model`].
    pub models: Vec<(String, String)>,
    /// Share of the items that are drawn at random to judge by, and never learned from. 0.2 is usual.
    pub judge: f64,
    /// Share of the items that a second person is asked about as well. 0.1 is usual.
    pub twice: f64,
    /// Labels before the first training. 10 is usual.
    pub first: usize,
    /// New labels between trainings. 5 is usual.
    pub every: usize,
    /// Most items that are scored in a round, drawn anew each time. 20,000 is usual.
    pub candidates: usize,
    /// Decides whatever is drawn.
    pub seed: u64,
}

/// What trains, on a thread that belongs to it alone.
pub trait Trainer: Send + 'static {
    /// Trains on a lesson. `watch` is told how far it is and says whether to go on; it is to be asked several times a second, or stopping
    /// takes longer. `None`: it was stopped.
    fn train(
        &mut self,
        lesson: &Lesson,
        watch: &mut (dyn FnMut(u64, u64) -> bool + Send),
    ) -> Result<Option<Box<dyn Predictor>>>;
}

/// What there is to learn.
#[derive(Debug, Clone, Copy)]
pub struct Lesson<'a> {
    /// All items. A label is what most annotators say; items to judge by are among them, without theirs.
    pub items: &'a Dataset,
    /// Fitted on all items, once.
    pub encoding: &'a Encoding,
    /// The model that was chosen, by name.
    pub model: &'a str,
    /// Of this training, from 1.
    pub round: u32,
}

/// What goes on behind the router.
pub struct Running {
    shared: Arc<Shared>,
    clerk: Option<Clerk>,
    threads: Vec<JoinHandle<()>>,
}

/// How long those who work are waited for when all is to end.
const GRACE: Duration = Duration::from_secs(1);

/// The routes of the page's API and what works behind them. Returns at once: listing, reading and training go on behind.
pub fn open(settings: Settings, trainer: impl Trainer) -> Result<(axum::Router, Running)> {
    check(&settings)?;
    let rule = rule(&settings.rule)?;
    let journal = journal(&settings)?;
    let name = journal.project()?.name;
    let shared = Arc::new(Shared::new(settings, name, Desk::new(rule)));
    let (clerk, writes) = Clerk::start(journal, &shared);
    let reader = reader::start(&shared, &clerk);
    let trainer = trainer::start(&shared, &clerk, Box::new(trainer));
    let router = routes::router(routes::App { shared: shared.clone(), clerk: clerk.clone() });
    Ok((router, Running { shared, clerk: Some(clerk), threads: vec![writes, reader, trainer] }))
}

impl Running {
    /// Ends training within a second and closes the journal. What was acknowledged is on the disk.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(clerk) = self.clerk.take() else { return };
        self.shared.stop();
        clerk.stop();
        let until = Instant::now() + GRACE;
        for thread in self.threads.drain(..) {
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            // A trainer that does not ask whether to go on, or a reader within a long file, is left to itself: neither writes any more.
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn check(settings: &Settings) -> Result<()> {
    let shares = [("judge", settings.judge), ("twice", settings.twice)];
    if let Some((name, share)) = shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
        return Err(Error::usage(format!("{share} is no share of the items: `{name}`"), "give a number from 0 to 1"));
    }
    if settings.models.iter().all(|(name, _)| *name != settings.model) {
        let known = settings.models.iter().map(|(name, _)| name.as_str());
        let hint = halfmoon_pool::error::did_you_mean(&settings.model, known);
        return Err(Error::usage(format!("there is no model `{}`", settings.model), hint));
    }
    Ok(())
}

/// The project's journal, made where there is none, with the classes that were named.
fn journal(settings: &Settings) -> Result<Journal> {
    let now = Moment::now();
    if settings.project.symlink_metadata().is_ok() {
        let mut journal = Journal::open(&settings.project)?;
        for class in &settings.classes {
            journal.add_class(class, DATA, now)?;
        }
        return Ok(journal);
    }
    let data = &settings.data;
    let name = data.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let data = Some(data.to_string_lossy().into_owned());
    Journal::create(
        &settings.project,
        &Project { name, data, at: now, about: settings.about.clone() },
        &settings.classes,
        DATA,
    )
}
