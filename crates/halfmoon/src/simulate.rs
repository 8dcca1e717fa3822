//! Active learning played through on data whose labels are known: an oracle answers, each rule asks, and the curves say which rule was worth it.
//!
//! ```text
//! OUT/simulation.json              what was asked for: a folder goes on with the same, and refuses anything else
//! OUT/points.csv                   a line a round, appended as it is known
//! OUT/cells/SEED-CONTENDER.db      the journal of the oracle's answers; `halfmoon status` reads it
//! OUT/cells/SEED-CONTENDER.MEMBER.ROUND.safetensors   the last models, where the next ones begin with them; SUCCESSOR.MEMBER likewise
//! ```
//!
//! All state is in these files. A round is a function of the labels before it, the settings and the seed, so one that was interrupted is done
//! again and comes to the same. Contenders share their initial labels, seed by seed, and the held-out items: they differ in nothing but rule and model.

mod cell;
mod points;
pub mod summary;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use halfmoon_pool::encode::Encoding;
use halfmoon_pool::read::Source;
use halfmoon_pool::{Class, Dataset, Error, Result, split};
use halfmoon_query::{Ask, Judge, Need, Rule, rule};
use serde_json::{Value, json};
use toml::Table;

use crate::config::{self, Config};
use crate::data;
use crate::experiment::{Progress, fingerprint, fingerprint_of, read_test, tell};
use crate::fit::Entry;
use crate::ops::in_pool_of;
use crate::run;

use cell::Cell;
pub use points::Point;
use points::Points;

/// What is played through.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// Any part of a configuration: the data, and settings of models.
    pub overlay: Table,
    /// What is compared, each `RULE`, `RULE@MODEL` or `RULE@MODEL:PRESET`. `random` is added where it is missing.
    pub contenders: Vec<String>,
    /// The model of contenders that name none.
    pub model: String,
    /// A model that learns from what each contender asked for, and is measured in its place.
    pub successor: Option<String>,
    /// Labels at first, equally many a class.
    pub start: usize,
    /// The classes that these are of; all, if empty.
    pub start_classes: Vec<String>,
    /// How the first items are chosen instead: a rule that needs no model, such as `cold_start`.
    pub start_rule: Option<String>,
    /// Items that are asked about in a round.
    pub add: usize,
    /// Rounds of questions.
    pub rounds: usize,
    /// How often all of it is played, each time with other initial labels.
    pub seeds: usize,
    /// Candidates of a round: so many of the unlabelled items, drawn anew. 0: all.
    pub candidates: usize,
    /// Draws of the network that rules get which need them.
    pub draws: usize,
    /// Models that are trained in place of one, with seeds of their own, for rules that need draws. 1: no committee.
    pub committee: usize,
    /// Whether a round's training goes on from the model before it; else it begins anew.
    pub warm: bool,
    /// Two items of a query are at least this far apart: [`Ask::apart`].
    pub apart: f64,
    /// Cells that are played at once.
    pub jobs: usize,
}

/// A rule, and the model that it asks.
#[derive(Clone)]
pub struct Contender {
    /// As typed: `margin`, `bald@m2`, `bald@aral:no_encoder`.
    pub name: String,
    /// How it chooses.
    pub rule: &'static Rule,
    /// What is trained in each round, and asked.
    asks: Recipe,
}

/// A model and its settings.
#[derive(Clone)]
struct Recipe {
    entry: &'static Entry,
    settings: Table,
}

impl Recipe {
    /// Reads the part `MODEL` or `MODEL:PRESET` of a text.
    fn parse(text: &str, of: &str, overlay: &Table) -> Result<Recipe> {
        let (model, preset) = of.split_once(':').map_or((of, None), |(model, preset)| (model, Some(preset)));
        let entry = config::model(model)?;
        let mut overlay = overlay.clone();
        if let Some(preset) = preset {
            if !(entry.defaults)().contains_key("preset") {
                let hint = format!("leave :{preset} out, and give its settings with --set {model}.…");
                return Err(Error::usage(format!("`{text}`: {model} has no presets"), hint));
            }
            config::set(&mut overlay, &format!("{model}.preset={preset}"))?;
        }
        let config = Config::resolve(overlay)?;
        Ok(Recipe { entry, settings: config.settings(entry).clone() })
    }

    fn is(&self, other: &Recipe) -> bool {
        self.entry.name == other.entry.name && self.settings == other.settings
    }
}

impl Contender {
    /// Reads `RULE`, `RULE@MODEL` or `RULE@MODEL:PRESET`.
    fn parse(text: &str, model: &str, overlay: &Table) -> Result<Contender> {
        let text = text.trim();
        let (name, of) = text.split_once('@').map_or((text, model), |(rule, of)| (rule, of));
        Ok(Contender { name: text.to_owned(), rule: rule(name)?, asks: Recipe::parse(text, of, overlay)? })
    }

    /// Whether it is what all others must beat.
    pub fn is_random(&self) -> bool {
        self.rule.name == "random"
    }

    /// Whether both ask one model, of the same settings.
    pub fn asks_as(&self, other: &Contender) -> bool {
        self.asks.is(&other.asks)
    }
}

/// What came of it.
pub struct Outcome {
    /// In the order in which they were given, `random` before all where it was not.
    pub contenders: Vec<Contender>,
    /// All rounds that are done.
    pub points: Vec<Point>,
    /// How it was measured, in a sentence.
    pub protocol: String,
    /// Whether one model is measured, whatever was asked.
    pub one_model: bool,
    /// Items that every accuracy is measured on.
    pub held_out: usize,
    /// Items that could be asked about, and have a label.
    pub pool: usize,
    /// `false` when it was stopped: the same command goes on.
    pub finished: bool,
}

/// The data, as every cell sees them.
struct Ground {
    /// What is measured in place of the models that ask.
    successor: Option<Recipe>,
    /// Items to learn from, no label among them.
    train: Dataset,
    /// The labels that the oracle knows.
    truth: Vec<Option<Class>>,
    ids: Vec<String>,
    /// Where the item of an id stands.
    row_of: HashMap<String, usize>,
    contents: Vec<halfmoon_journal::Content>,
    test: Dataset,
    encoding: Encoding,
}

impl Simulation {
    /// The contenders, `random` first where it was not named.
    fn contenders(&self) -> Result<Vec<Contender>> {
        let mut all = Vec::new();
        for text in &self.contenders {
            let contender = Contender::parse(text, &self.model, &self.overlay)?;
            if all.iter().all(|other: &Contender| other.name != contender.name) {
                all.push(contender);
            }
        }
        if !all.iter().any(Contender::is_random) {
            all.insert(0, Contender::parse("random", &self.model, &self.overlay)?);
        }
        Ok(all)
    }

    fn check(&self, contenders: &[Contender], successor: Option<&Recipe>) -> Result<()> {
        let positive = [
            ("--start", self.start),
            ("--add", self.add),
            ("--seeds", self.seeds),
            ("--committee", self.committee),
            ("--jobs", self.jobs),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(Error::usage(format!("{name} must be at least 1"), ""));
        }
        if let Some(name) = &self.start_rule
            && !needs_no_model(rule(name)?)
        {
            let hint = "cold_start, k_center and random need none";
            return Err(Error::usage(format!("--start-by {name}: there is no model before the first label"), hint));
        }
        let mut trained = contenders.iter().map(|contender| &contender.asks).chain(successor);
        if let Some(recipe) = trained.find(|recipe| self.warm && !recipe.entry.is_stepwise) {
            let problem =
                format!("{} is fitted at once, and there is nothing that --warm could go on from", recipe.entry.name);
            return Err(Error::usage(problem, "leave --warm out"));
        }
        if let Some(contender) = contenders
            .iter()
            .find(|contender| contender.rule.needs.contains(&Need::Draws) && self.draws < 2 && self.committee < 2)
        {
            let problem = format!("`{}` needs several draws", contender.rule.name);
            return Err(Error::usage(problem, "give --draws 20 with a model that has dropout, or --committee 5"));
        }
        Ok(())
    }

    /// Plays what is missing in the folder `out`.
    pub fn run(&self, out: &Path, progress: &mut dyn Progress) -> Result<Outcome> {
        let contenders = self.contenders()?;
        let successor = self.successor.as_deref().map(|text| Recipe::parse(text, text, &self.overlay)).transpose()?;
        self.check(&contenders, successor.as_ref())?;
        let config = Config::resolve(self.overlay.clone())?;
        let device = run::device(&config.run.device)?;
        let source = data::read(&config, None)?.source;
        let fingerprint = fingerprint(&source);
        tell(&source, progress);
        let (ground, protocol) = self.ground(&config, source, successor, progress)?;
        for Recipe { entry, settings } in contenders.iter().map(|contender| &contender.asks).chain(&ground.successor) {
            ((entry.check)(settings)?.fits)(&ground.encoding.layout())?;
        }
        let held_out = ground.test.len();
        let pool = ground.truth.iter().flatten().count();
        if pool < self.start {
            let hint = "give fewer with --start";
            return Err(Error::usage(format!("{} initial labels of {pool} that there are", self.start), hint));
        }
        let asked_before = out.join("simulation.json");
        // A kill can leave what was about to become that file.
        let is_foreign = |name: &std::ffi::OsStr| name != "simulation.aside";
        let mut files = std::fs::read_dir(out).into_iter().flatten().flatten();
        let holds_something = files.any(|file| is_foreign(&file.file_name()));
        if holds_something && !asked_before.is_file() {
            return Err(Error::usage(
                format!("{} holds other files", out.display()),
                "choose another folder with --out",
            ));
        }
        run::make_folder(out)?;
        remember(&asked_before, self.asked(&config, &contenders, &ground, &fingerprint))?;
        run::make_folder(&out.join("cells"))?;
        let points = Mutex::new(Points::open(&out.join("points.csv"))?);

        let seeds: Vec<u64> = (0..self.seeds as u64).map(|number| config.run.seed + number).collect();
        // Seed by seed, so that a part of the whole already compares all contenders.
        let cells: Vec<Cell> = (seeds.iter())
            .flat_map(|&seed| contenders.iter().map(move |contender| (seed, contender)))
            .map(|(seed, contender)| Cell { simulation: self, ground: &ground, contender, seed, device: &device, out })
            .collect();
        let finished = play(&cells, &points, self.jobs, self.rounds + 1, progress)?;
        // The folder may hold more than was asked for this time.
        let most = self.start + self.rounds * self.add;
        let wanted = |point: &Point| {
            seeds.contains(&point.seed)
                && point.labels <= most
                && contenders.iter().any(|contender| contender.name == point.contender)
        };
        let points = points.into_inner().expect("nobody panicked with it").all.into_iter().filter(wanted).collect();
        let one_model = ground.successor.is_some();
        Ok(Outcome { contenders, points, protocol, one_model, held_out, pool, finished })
    }

    fn ground(
        &self,
        config: &Config,
        source: Source,
        successor: Option<Recipe>,
        progress: &mut dyn Progress,
    ) -> Result<(Ground, String)> {
        let Source { train, test, .. } = source;
        let test = match &config.data.test {
            Some(path) => Some(read_test(config, &train, Path::new(path), progress)?),
            None => test,
        };
        let (mut train, test, protocol) = if let Some(test) = test.filter(|test| !test.labelled().is_empty()) {
            let rows = test.labelled();
            let origin = if config.data.test.is_some() { "from --test" } else { "the data's own test split" };
            (train, test.select(&rows), format!("accuracy on {} held-out items, {origin}", rows.len()))
        } else {
            let groups = split::groups(&train.inputs);
            let parts = split::hold_out(&train.labels, &groups, 0.2, config.run.seed);
            if parts.test.is_empty() {
                let hint = "a simulation needs labels to hide: it is for data that are labelled already";
                return Err(Error::data(Path::new(&config.data.path), "no item can be held out", hint));
            }
            let test = train.select(&parts.test);
            let protocol =
                format!("accuracy on {} held-out items: a stratified fifth, set aside by the seed", test.len());
            (train.keep(&parts.train), test, protocol)
        };
        let classes = &train.schema.classes;
        if let Some(unknown) = self.start_classes.iter().find(|name| !classes.contains(name)) {
            let hint = halfmoon_pool::error::did_you_mean(unknown, classes.iter().map(String::as_str));
            return Err(Error::usage(format!("--start-classes: `{unknown}` is not a class"), hint));
        }
        let encoding = Encoding::fit(&train, config.data.pixels);
        encoding.notes().iter().for_each(|note| progress.note(note));
        let contents = halfmoon_journal::scan::contents(&train);
        let truth = std::mem::replace(&mut train.labels, vec![None; contents.len()]);
        let ids = unique_ids(&train);
        let row_of = ids.iter().cloned().zip(0..).collect();
        let protocol = match &self.successor {
            Some(model) => format!("{protocol}; of {model}, trained on what each contender asked for"),
            None => format!("{protocol}; of {}, unless a contender names another model", self.model),
        };
        progress.note(&protocol);
        Ok((Ground { successor, train, truth, ids, row_of, contents, test, encoding }, protocol))
    }

    /// What two commands must have in common to share a folder.
    fn asked(
        &self,
        config: &Config,
        contenders: &[Contender],
        Ground { successor, test: held_out, .. }: &Ground,
        fingerprint: &str,
    ) -> Value {
        let settings = |contender: &Contender| (contender.name.clone(), json!(contender.asks.settings));
        let models: serde_json::Map<String, Value> = contenders.iter().map(settings).collect();
        json!({
            "data": fingerprint,
            "held_out": fingerprint_of([held_out]),
            "pixels": config.data.pixels,
            "contenders": models,
            "successor": successor.as_ref().map(|recipe| json!({ "model": recipe.entry.name, "settings": recipe.settings })),
            "start": self.start,
            "start_classes": self.start_classes,
            "start_rule": self.start_rule,
            "add": self.add,
            "candidates": self.candidates,
            "draws": self.draws,
            "committee": self.committee,
            "warm": self.warm,
            "apart": self.apart,
        })
    }

    /// What a rule is asked for in a round.
    fn ask(&self, seed: u64, round: usize) -> Ask {
        Ask { budget: self.add, seed: seed_of(seed, round, 0), apart: self.apart, ..Ask::default() }
    }
}

/// Decides what is drawn in a round of a seed; members of a committee differ in `member`.
fn seed_of(seed: u64, round: usize, member: usize) -> u64 {
    (seed << 32) | ((round as u64) << 8) | member as u64
}

/// What items are known by; positions where names are used twice.
fn unique_ids(items: &Dataset) -> Vec<String> {
    let ids: Vec<String> = (0..items.len()).map(|row| items.ids.get(row)).collect();
    let distinct: std::collections::HashSet<&String> = ids.iter().collect();
    if distinct.len() == ids.len() { ids } else { (1..=items.len()).map(|row| row.to_string()).collect() }
}

/// Writes what was asked for, beside contenders that were there before; or refuses a folder that holds something else.
fn remember(path: &Path, mut asked: Value) -> Result<()> {
    if path.is_file() {
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        let before: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let refused = |what: String| {
            let hint =
                "give the same command to go on, or another folder with --out; rules, rounds and seeds may change";
            Err(Error::data(path, format!("holds a simulation with other settings: {what}"), hint))
        };
        let object = asked.as_object_mut().expect("made as an object");
        for (key, value) in &*object {
            let what = difference(key, before.get(key).unwrap_or(&Value::Null), value);
            match (key.as_str(), what) {
                ("contenders", _) | (_, None) => {}
                ("held_out", _) => return refused("other held-out items, by --test or by --seed".to_owned()),
                ("data", _) => return refused("other data".to_owned()),
                (_, Some(what)) => return refused(what),
            }
        }
        let contenders = object["contenders"].as_object_mut().expect("made as an object");
        for (name, settings) in before["contenders"].as_object().into_iter().flatten() {
            if let Some(what) = contenders.get(name).and_then(|asked| difference(name, settings, asked)) {
                return refused(what);
            }
            contenders.insert(name.clone(), settings.clone());
        }
    }
    run::write_aside(path, &serde_json::to_vec_pretty(&asked).expect("plain data"))
}

/// What differs first between two values of this name, with both.
fn difference(name: &str, before: &Value, now: &Value) -> Option<String> {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) if before.keys().eq(now.keys()) => {
            before.iter().find_map(|(key, value)| difference(&format!("{name}.{key}"), value, &now[key]))
        }
        _ if before == now => None,
        (Value::Null | Value::Object(_), _) | (_, Value::Null | Value::Object(_)) => Some(format!("`{name}` differs")),
        _ => Some(format!("`{name}` was {before} and is {now}")),
    }
}

/// What a worker tells.
enum Told {
    /// A point was written down.
    Point {
        accuracy: f64,
    },
    Note(String),
    /// Nothing is left to play of a cell.
    Whole,
    Failed(Error),
}

/// Plays the cells, some at once, and writes each point down as it comes. Whether nothing is left to play.
fn play(
    cells: &[Cell],
    points: &Mutex<Points>,
    jobs: usize,
    rounds: usize,
    progress: &mut dyn Progress,
) -> Result<bool> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done_of = |cell: &Cell| cell.known(points).len().min(rounds) as u64;
    let mut count: u64 = cells.iter().map(done_of).sum();
    progress.begin("rounds", count, (cells.len() * rounds) as u64);
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let mut whole = 0;
    let jobs = jobs.min(cells.len());
    let threads = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / jobs.max(1)).max(1));
    let failed = std::thread::scope(|scope| {
        for _ in 0..jobs {
            let sender = sender.lock().expect("nobody panics with it").clone();
            let (next, stop) = (&next, &stop);
            let work = move || {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let tell = |told: Told| drop(sender.send(told));
                    match cell.play(points, stop, &tell) {
                        Ok(true) => tell(Told::Whole),
                        Ok(false) => {}
                        Err(error) => {
                            stop.store(true, Ordering::Relaxed);
                            tell(Told::Failed(error));
                        }
                    }
                }
            };
            // Workers that shared a pool would hand each other the small operations that a step consists of.
            scope.spawn(move || in_pool_of(threads, work));
        }
        drop(sender.into_inner());
        let mut failed = None;
        loop {
            let told = receiver.recv_timeout(Duration::from_millis(100));
            if progress.stop() {
                stop.store(true, Ordering::Relaxed);
            }
            match told {
                Ok(Told::Point { accuracy }) => {
                    count += 1;
                    progress.step(count, &[("accuracy", accuracy)]);
                }
                Ok(Told::Note(sentence)) => progress.note(&sentence),
                Ok(Told::Whole) => whole += 1,
                Ok(Told::Failed(error)) => {
                    failed.get_or_insert(error);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        failed
    });
    let finished = whole == cells.len();
    progress.end(finished);
    failed.map_or(Ok(finished), Err)
}

/// Rules that need no model can choose the first items.
fn needs_no_model(rule: &Rule) -> bool {
    rule.needs.iter().all(|need| *need == Need::Places)
        && (rule.name == "random" || matches!(rule.judge, Judge::Together(_)))
}
