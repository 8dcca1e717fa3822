//! How the test error falls with training time: models trained on the same labels, each tried on the held-out items
//! as it learns.
//!
//! ```text
//! OUT/runs/MODEL-LABELS-SEED/  a run folder as `halfmoon train` writes it
//! OUT/curve.csv                a line a point, appended as it is known
//! OUT/curve.svg, curve.md      the picture and how it was made, written whenever a model ends
//! ```
//!
//! All state is in these files: a command that was stopped or killed goes on when it is given again, each model from its
//! last checkpoint, which is written with every point.

mod figure;
mod points;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use halfmoon::Checkpoint;
use halfmoon::config::{self, Config};
use halfmoon::experiment::{self, Look, Onlooker, Progress};
use halfmoon::fit::Entry;
use halfmoon::run::{self, Folder};
use halfmoon_pool::{Error, Result};
use toml::{Table, Value};

use crate::ssl::{assignments, name, quoted};
use figure::Figure;
pub(crate) use figure::redraw;
use points::{Point, Points};

/// What was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// As typed.
    pub(crate) data: String,
    pub(crate) labels: usize,
    pub(crate) models: Vec<String>,
    /// As typed after `--set`.
    pub(crate) set: Vec<String>,
    pub(crate) seed: u64,
    /// Seconds after which a model's training ends.
    pub(crate) time_per_run: f64,
    /// Seconds of training from one point to the next, at most.
    pub(crate) every: f64,
}

/// What came of it.
pub(crate) struct Drawn {
    /// For the terminal.
    pub(crate) shown: String,
    /// `false` when it was stopped.
    pub(crate) finished: bool,
    /// Models whose training failed.
    pub(crate) failed: Vec<String>,
}

/// Trains what is missing in the folder `out`, and draws all that is there.
pub(crate) fn run(options: &Options, out: &Path, progress: &mut dyn Progress) -> Result<Drawn> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for model in &options.models {
        let model = Wanted::new(model, options, out)?;
        if wanted.iter().all(|other| other.entry.name != model.entry.name) {
            wanted.push(model);
        }
    }
    refuse_others(out)?;
    let mut points = Points::open(&out.join("curve.csv"))?;
    if let Some(other) = points.all().iter().find(|point| point.labels != options.labels) {
        return Err(Error::usage(
            format!("{} holds curves with {} labels, not {}", out.display(), other.labels, options.labels),
            "choose another folder with --out",
        ));
    }
    let mut drawn = Drawn { shown: String::new(), finished: true, failed: Vec::new() };
    let mut said = HashSet::new();
    let command = options.command(out);
    for model in &wanted {
        if progress.stop() {
            drawn.finished = false;
            break;
        }
        match model.train(options, &mut points, &mut said, progress) {
            Ok(true) => {}
            Ok(false) => drawn.finished = false,
            // What happens to this model alone is reported, and the others go on.
            Err(error @ Error::Usage { .. }) if model.folder.config().is_file() => {
                progress.note(&format!("{}: failed: {error}", model.title));
                drawn.failed.push(model.entry.name.to_owned());
            }
            Err(error) => return Err(error),
        }
        if !points.all().is_empty() {
            let figure = Figure::new(points.all().to_vec(), &command);
            figure.write(out)?;
            drawn.shown = figure.shown(out);
        }
        if !drawn.finished {
            break;
        }
    }
    Ok(drawn)
}

impl Options {
    /// The command that was typed, or one that means the same.
    fn command(&self, out: &Path) -> String {
        let mut words: Vec<String> = ["halfmoon", "bench", "curve"].map(str::to_owned).to_vec();
        let flags = [
            ("--data", quoted(&self.data)),
            ("--labels", self.labels.to_string()),
            ("--models", quoted(&self.models.join(","))),
            ("--seed", self.seed.to_string()),
            ("--time-per-run", format!("{}s", self.time_per_run)),
            ("--every", format!("{}s", self.every)),
        ];
        words.extend(flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
        words.extend(self.set.iter().flat_map(|set| ["--set".to_owned(), quoted(set)]));
        words.extend(["--out".to_owned(), quoted(&out.to_string_lossy())]);
        words.join(" ")
    }

    /// What was typed for a model, as its section and those of the data.
    fn overlay(&self, model: &str) -> Result<Table> {
        let mut overlay = Table::new();
        for assignment in &self.set {
            let mut one = Table::new();
            config::set(&mut one, assignment)?;
            let section = one.keys().next().map(String::as_str).unwrap_or_default().to_owned();
            let is_known = halfmoon::models::MODELS.iter().any(|entry| entry.name == section);
            if section == "run" {
                let hint = "--seed, --time-per-run and --models say how it is run";
                return Err(Error::usage(format!("`--set {assignment}` would make other runs"), hint));
            }
            if is_known && !self.models.contains(&section) {
                let problem = format!("`--set {assignment}` is about a model that is not trained");
                return Err(Error::usage(problem, format!("trained are {}: see --models", self.models.join(", "))));
            }
            // What is unknown stays, so that the configuration says so.
            if !is_known || section == model {
                config::merge(&mut overlay, one);
            }
        }
        Ok(overlay)
    }
}

/// A model to be trained.
struct Wanted {
    entry: &'static Entry,
    config: Config,
    /// Settings that differ from the defaults, as they are typed, without the model's name.
    settings: String,
    folder: Folder,
    /// As a person reads it.
    title: String,
}

impl Wanted {
    fn new(model: &str, options: &Options, out: &Path) -> Result<Wanted> {
        let entry = config::model(model)?;
        let mut overlay = options.overlay(model)?;
        let settings = match overlay.get(model) {
            Some(Value::Table(settings)) => assignments("", settings).iter().map(|text| text[1..].to_owned()).collect(),
            _ => Vec::new(),
        };
        let whole = |number: u64| Value::from(i64::try_from(number).expect("the command line takes no larger numbers"));
        let data = Table::from_iter([
            ("path".to_owned(), Value::from(options.data.as_str())),
            ("labels".to_owned(), whole(options.labels as u64)),
        ]);
        let run = Table::from_iter([
            ("models".to_owned(), Value::from(vec![model])),
            ("seed".to_owned(), whole(options.seed)),
            ("time".to_owned(), Value::from(options.time_per_run)),
        ]);
        let flags = [("data", data), ("run", run)].map(|(name, section)| (name.to_owned(), Value::from(section)));
        config::merge(&mut overlay, Table::from_iter(flags));
        let folder = Folder(out.join("runs").join(format!("{model}-{}-{}", options.labels, options.seed)));
        let config = Config::resolve(overlay)?;
        check(&folder, &config)?;
        let title = format!("{model}, seed {}", options.seed);
        Ok(Wanted { entry, config, settings: settings.join(" "), folder, title })
    }

    /// Trains to the end, unless that was done before. `false`: it was stopped.
    fn train(
        &self,
        options: &Options,
        points: &mut Points,
        said: &mut HashSet<String>,
        progress: &mut dyn Progress,
    ) -> Result<bool> {
        if self.folder.result().is_file() && points.all().iter().any(|point| self.is_own(point, options)) {
            progress.note(&format!("{}: trained before, to the end", self.title));
            return Ok(true);
        }
        let checkpoint = run::checkpoint(&self.folder.model(self.entry));
        let weights = run::weights(&self.folder.model(self.entry));
        let step = match (weights.is_file(), checkpoint.is_file()) {
            (true, _) => u64::MAX,
            (false, true) => Checkpoint::read(&checkpoint)?.step,
            (false, false) => 0,
        };
        points.retain(|point| !self.is_own(point, options) || point.step.is_some_and(|at| at <= step))?;
        let last = points.all().iter().rfind(|point| self.is_own(point, options)).cloned();
        let mut curve = OneCurve {
            wanted: self,
            options,
            next: last.as_ref().map_or_else(|| FIRST.min(options.every), |last| after(last.seconds, options.every)),
            asked: None,
            cpu_before: last.as_ref().and_then(|last| last.cpu_seconds).unwrap_or(0.0),
            error: last.map(|last| last.error),
            fingerprint: None,
            points,
            said,
            progress,
        };
        let outcome = experiment::train(&self.config, &self.folder.0, true, &mut curve)?;
        if !outcome.finished {
            return Ok(false);
        }
        let error = curve.error;
        let [figures] = outcome.models.as_slice() else { unreachable!("one model was asked for") };
        let accuracy = figures.test.as_ref().and_then(|test| test.get("accuracy")).map(|accuracy| accuracy.value);
        let Some(accuracy) = accuracy else {
            return Err(Error::data(
                Path::new(&options.data),
                "leaves no item to judge on, so there is no curve",
                "give more labelled items, or data with a test split",
            ));
        };
        // A kill between the last step and the last point leaves a run without that point.
        if !error.is_some_and(|error| is_same(error, 1.0 - accuracy)) {
            let step = figures.steps.unwrap_or_default();
            curve.add(&Look {
                step,
                seconds: figures.seconds,
                cpu_seconds: None,
                error: 1.0 - accuracy,
                loss: None,
            })?;
        }
        Ok(true)
    }

    fn is_own(&self, point: &Point, options: &Options) -> bool {
        point.model == self.entry.name && point.seed == options.seed && point.labels == options.labels
    }
}

/// A run that is there was trained as it would be trained here.
fn check(folder: &Folder, config: &Config) -> Result<()> {
    if !folder.config().is_file() {
        return Ok(());
    }
    let there = folder.read_config().ok();
    if there.as_ref() == Some(config) {
        return Ok(());
    }
    let how = match there.map(|there| there.run.time).filter(|time| *time != config.run.time) {
        Some(Some(time)) => format!("with --time-per-run {time}s"),
        _ => "with other data or settings".into(),
    };
    Err(Error::usage(
        format!("{} was trained {how}", folder.0.display()),
        "go on with the options that it was started with, or choose another folder with --out",
    ))
}

/// Nothing is written among the files of somebody else.
fn refuse_others(out: &Path) -> Result<()> {
    let is_ours = out.join("curve.csv").is_file() || out.join("runs").is_dir();
    if !is_ours && out.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let problem = format!("{} is not empty, and holds no curves", out.display());
        return Err(Error::usage(problem, "choose another folder with --out"));
    }
    Ok(())
}

/// Seconds of training before the first point.
const FIRST: f64 = 0.2;

/// When the point after one at `seconds` is due. On a logarithmic axis equal factors are equal lengths, until the longest
/// distance is reached.
fn after(seconds: f64, every: f64) -> f64 {
    seconds + (0.1 * seconds).max(FIRST).min(every)
}

/// An error in %, without what binary fractions add to it.
fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

/// Whether an error in % is this share.
fn is_same(error: f64, share: f64) -> bool {
    (error - percent(share)).abs() < 1e-6
}

/// Shows a training under its model's name, and keeps its points.
struct OneCurve<'a> {
    wanted: &'a Wanted,
    options: &'a Options,
    /// Seconds at which the next point is due.
    next: f64,
    /// When the last one was asked for, and at how many seconds of training.
    asked: Option<(Instant, f64)>,
    /// CPU time of what was trained before this program was started.
    cpu_before: f64,
    /// The last that is known.
    error: Option<f64>,
    fingerprint: Option<String>,
    points: &'a mut Points,
    said: &'a mut HashSet<String>,
    progress: &'a mut dyn Progress,
}

impl OneCurve<'_> {
    fn add(&mut self, look: &Look) -> Result<()> {
        let fingerprint = match &self.fingerprint {
            Some(fingerprint) => fingerprint.clone(),
            // The first digits tell data apart.
            None => self.wanted.folder.read_data()?.fingerprint[..16].to_owned(),
        };
        if self.points.all().iter().any(|point| point.fingerprint != fingerprint) {
            let hint = "choose another folder with --out";
            return Err(Error::data(
                Path::new(&self.options.data),
                "is not what the curves there were made with",
                hint,
            ));
        }
        self.fingerprint = Some(fingerprint.clone());
        let error = percent(look.error);
        self.error = Some(error);
        self.points.add(Point {
            model: self.wanted.entry.name.to_owned(),
            settings: self.wanted.settings.clone(),
            data: name(&self.options.data),
            fingerprint,
            labels: self.options.labels,
            seed: self.options.seed,
            step: Some(look.step).filter(|&step| self.wanted.entry.is_stepwise && step > 0),
            // No training takes no time, and an axis of magnitudes has no place for 0.
            seconds: thousandths(look.seconds).max(1e-3),
            cpu_seconds: look.cpu_seconds.map(|seconds| thousandths(self.cpu_before + seconds)),
            error,
            loss: look.loss,
        })
    }
}

fn thousandths(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

impl Onlooker for OneCurve<'_> {
    fn is_due(&mut self, seconds: f64) -> bool {
        // What passed and was no training was the look: no more time goes to looks than to training, if --every allows.
        if let Some((when, then)) = self.asked.take() {
            let look = when.elapsed().as_secs_f64() - (seconds - then);
            self.next = self.next.max(then + look.min(self.options.every));
        }
        let is_due = seconds >= self.next;
        if is_due {
            self.next = after(seconds, self.options.every);
            self.asked = Some((Instant::now(), seconds));
        }
        is_due
    }

    fn look(&mut self, look: &Look) -> Result<()> {
        let last = self.points.all().iter().rfind(|point| self.wanted.is_own(point, self.options));
        // The last step may have been looked at as a step and as the last one.
        let is_known = last.is_some_and(|last| last.step == Some(look.step) && is_same(last.error, look.error));
        if is_known { Ok(()) } else { self.add(look) }
    }
}

impl Progress for OneCurve<'_> {
    fn note(&mut self, sentence: &str) {
        if self.said.insert(sentence.to_owned()) {
            self.progress.note(sentence);
        }
    }

    fn begin(&mut self, _: &str, done: u64, steps: u64) {
        self.progress.begin(&self.wanted.title, done, steps);
    }

    fn step(&mut self, step: u64, terms: &[(&'static str, f64)]) {
        match self.error.filter(|_| !terms.is_empty()) {
            Some(error) => self.progress.step(step, &[terms, &[("test error in %", error)]].concat()),
            None => self.progress.step(step, terms),
        }
    }

    fn end(&mut self, finished: bool) {
        self.progress.end(finished);
    }

    fn stop(&self) -> bool {
        self.progress.stop()
    }

    fn as_onlooker(&mut self) -> Option<&mut dyn Onlooker> {
        Some(self)
    }
}

/// Where a picture is, and how it was made.
fn paths(out: &Path) -> (PathBuf, PathBuf) {
    (out.join("curve.svg"), out.join("curve.md"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_a_tenth_apart_until_the_longest_distance_is_reached() {
        let mut at = FIRST;
        let mut times = vec![at];
        while at < 1800.0 {
            at = after(at, 18.0);
            times.push(at);
        }
        // ln(180 / 2) / ln 1.1 = 47 from 2 s to 180 s, 90 from there at 18 s each, and 9 before.
        assert!((140..155).contains(&times.len()), "{}", times.len());
        assert!(times.windows(2).all(|pair| (0.19..=18.01).contains(&(pair[1] - pair[0]))));
        assert!((after(1.0, 0.05) - 1.05).abs() < 1e-9, "nearer together where that was asked for");
    }

    #[test]
    fn a_setting_goes_to_its_own_model() {
        let options = Options {
            data: "digits".into(),
            labels: 50,
            models: vec!["m2".into(), "supervised".into()],
            set: vec!["m2.hidden=[16]".into(), "supervised.train.steps=7".into(), "data.pixels=gaussian".into()],
            seed: 3,
            time_per_run: 9.0,
            every: 1.0,
        };
        let wanted = |model: &str| Wanted::new(model, &options, Path::new("nowhere"));
        let m2 = wanted("m2").expect("known");
        assert_eq!((m2.settings.as_str(), m2.config.run.seed, m2.config.run.time), ("hidden=[16]", 3, Some(9.0)));
        assert_eq!(wanted("supervised").expect("known").settings, "train.steps=7");
        assert_eq!(
            m2.config.models["supervised"],
            Config::resolve(Table::new()).expect("defaults").models["supervised"]
        );
        assert_eq!(m2.folder.0, Path::new("nowhere/runs/m2-50-3"));
        for (set, hint) in
            [("m1.latent=3", "not trained"), ("run.seed=2", "other runs"), ("m3.latent=3", "not a section")]
        {
            let options = Options { set: vec![set.into()], ..options.clone() };
            let error = Wanted::new("m2", &options, Path::new("nowhere")).err().expect("not to be used").to_string();
            assert!(error.contains(hint), "{error}");
        }
        let command = options.command(Path::new("a b"));
        let end = "--set 'm2.hidden=[16]' --set supervised.train.steps=7 --set data.pixels=gaussian --out 'a b'";
        assert!(command.starts_with("halfmoon bench curve --data digits --labels 50") && command.ends_with(end));
    }
}
