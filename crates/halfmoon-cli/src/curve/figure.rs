//! The picture of curves, and what is said of it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use halfmoon::run::{make_folder, write_aside};
use halfmoon_draw::{Curves, Line, Mark, curves};
use halfmoon_pool::{Error, Result};
use serde::Deserialize;

use super::paths;
use super::points::{self, Point};
use crate::duration::show;
use crate::ssl::{is_mnist, published, quoted};
use crate::table::Table as Columns;

/// Curves of one data set with one number of labels.
pub(super) struct Figure {
    points: Vec<Point>,
    command: String,
    /// Where the points come from, if not from the runs in the same folder.
    files: Vec<PathBuf>,
    /// The points of one run, by their place in `points`.
    runs: Vec<Vec<usize>>,
}

/// Draws the points of files that are there.
pub(crate) fn redraw(files: &[PathBuf], out: &Path) -> Result<String> {
    let mut all: Vec<Point> = Vec::new();
    let mut runs = Vec::new();
    for file in files {
        let points = points::read(file)?;
        let (first, other) = (all.first().unwrap_or(&points[0]).clone(), |point: &&Point| {
            let first = all.first().unwrap_or(&points[0]);
            (&point.fingerprint, point.labels) != (&first.fingerprint, first.labels)
        });
        if let Some(point) = points.iter().find(other) {
            let name = |point: &Point| format!("{} with {} labels", point.data, point.labels);
            let problem = format!("is of {}, and others are of {}", name(point), name(&first));
            return Err(Error::data(file.as_path(), problem, "errors on other data or labels are not to be compared"));
        }
        runs.extend(runs_of(&points, all.len()));
        all.extend(points);
    }
    if out.join("curve.csv").exists() {
        let problem = format!("{} holds curves of its own", out.display());
        return Err(Error::usage(problem, "choose another folder with --out"));
    }
    let mut words = vec!["halfmoon bench curve".to_owned()];
    words.extend(files.iter().map(|file| format!("--from {}", quoted(&file.to_string_lossy()))));
    words.push(format!("--out {}", quoted(&out.to_string_lossy())));
    let figure = Figure { points: all, command: words.join(" "), files: files.to_vec(), runs };
    figure.write(out)?;
    Ok(figure.shown(out))
}

/// The places of the points of each run, in the order in which the runs come.
fn runs_of(points: &[Point], before: usize) -> Vec<Vec<usize>> {
    let mut runs: Vec<(&Point, Vec<usize>)> = Vec::new();
    for (n, point) in points.iter().enumerate() {
        let is_same =
            |first: &Point| (&first.model, &first.settings, first.seed) == (&point.model, &point.settings, point.seed);
        match runs.iter_mut().find(|(first, _)| is_same(first)) {
            Some((_, run)) => run.push(before + n),
            None => runs.push((point, vec![before + n])),
        }
    }
    runs.into_iter().map(|(_, run)| run).collect()
}

impl Figure {
    /// Of points from the folder in which it is written.
    pub(super) fn new(points: Vec<Point>, command: &str) -> Figure {
        let runs = runs_of(&points, 0);
        Figure { points, command: command.to_owned(), files: Vec::new(), runs }
    }

    pub(super) fn write(&self, out: &Path) -> Result<()> {
        make_folder(out)?;
        let (svg, text) = paths(out);
        write_aside(&svg, curves(&self.curves())?.as_bytes())?;
        write_aside(&text, self.markdown().as_bytes())
    }

    /// For the terminal.
    pub(super) fn shown(&self, out: &Path) -> String {
        let mut columns = Columns::new(["model", "seed", "points", "time", "test error in %"]);
        for run in self.runs() {
            let last = run.last();
            columns.row([
                self.name(last),
                last.seed.to_string(),
                run.points.len().to_string(),
                shown_time(last.seconds),
                format!("{:.2}", last.error),
            ]);
        }
        let (svg, text) = paths(out);
        format!("{columns}\npicture: {}\nhow it was made: {}\n", svg.display(), text.display())
    }

    fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.runs.iter().map(|run| Run { points: run.iter().map(|&n| &self.points[n]).collect() })
    }

    /// `m2`, with its settings where there are runs of it with others.
    fn name(&self, point: &Point) -> String {
        let is_alone = self.points.iter().all(|other| other.model != point.model || other.settings == point.settings);
        match (is_alone, point.settings.as_str()) {
            (true, _) => point.model.clone(),
            (false, "") => format!("{} as it comes", point.model),
            (false, settings) => format!("{} {settings}", point.model),
        }
    }

    /// Published figures, where the points may stand beside them.
    fn published(&self) -> Vec<Published> {
        let first = &self.points[0];
        if is_mnist(&first.fingerprint) && first.labels == FILE.labels { FILE.all() } else { Vec::new() }
    }

    fn curves(&self) -> Curves {
        let mut lines: Vec<Line> = Vec::new();
        for run in self.runs() {
            let name = self.name(run.last());
            let path = run.points.iter().map(|point| (point.seconds, point.error)).collect();
            match lines.iter_mut().find(|line| line.name == name) {
                Some(line) => line.runs.push(path),
                None => lines.push(Line { name, runs: vec![path] }),
            }
        }
        let mark = |published: Published| Mark {
            name: format!("{:.2} {}, {}", published.error, published.name, published.source),
            error: published.error,
        };
        let marks: Vec<Mark> = self.published().into_iter().map(mark).collect();
        let dashed = if marks.is_empty() { "" } else { "; dashed: published" };
        Curves {
            title: format!("{}, {} labels: test error over training time", self.points[0].data, self.points[0].labels),
            y: format!("test error in %{dashed}"),
            x: "training time".into(),
            lines,
            marks,
        }
    }

    fn markdown(&self) -> String {
        let first = &self.points[0];
        let mut text = format!("# {}\n\n![](curve.svg)\n\n```\n{}\n```\n\n", self.curves().title, self.command);
        let mut say = |line: &str| {
            let _ = writeln!(text, "- {line}");
        };
        if self.files.is_empty() {
            say(&format!("machine: {}; time depends on it, and on what else it does", machine()));
        } else {
            let names: Vec<String> = self.files.iter().map(|file| format!("`{}`", file.display())).collect();
            say(&format!("points of {}; how those were made stands in the curve.md beside each", names.join(", ")));
        }
        say(&format!(
            "data: {} (fingerprint {}…), {} labels, equally many a class, chosen by the seed, which also decides \
            parameters, batches and noise",
            first.data, first.fingerprint, first.labels
        ));
        say(
            "test error: share of the held-out items that are given a wrong class; it is a monitor: no step, setting or \
            end of a training was chosen by it here",
        );
        say("time: wall clock of training alone; reading data and looking at the held-out items are not counted");
        say("CPU time: the same, summed over all threads");
        say("points: after each tenth of the time so far, or as long as a look takes, but no further apart than \
            --every; the last one is of the parameters that are kept");
        say("a model that learns in stages guesses until the stage in which it sees labels");
        if self.runs().any(|run| run.points.len() == 1) {
            say("a single point: the model is fitted at once, or has no answers before its end");
        }
        let published = self.published();
        if published.is_empty() {
            say("published errors are left out: they are of MNIST with 100 labels");
        }
        let _ = write!(
            text,
            "\n| model | settings | seed | points | steps | training time | CPU time | test error in % |\n\
            |---|---|---:|---:|---:|---:|---:|---:|\n"
        );
        let time = |seconds: Option<f64>| seconds.map_or("–".into(), shown_time);
        for run in self.runs() {
            let last = run.last();
            let settings = if last.settings.is_empty() { "–".into() } else { format!("`{}`", last.settings) };
            let _ = writeln!(
                text,
                "| {} | {settings} | {} | {} | {} | {} | {} | {:.2} |",
                last.model,
                last.seed,
                run.points.len(),
                last.step.map_or("–".into(), |step| step.to_string()),
                time(Some(last.seconds)),
                time(last.cpu_seconds),
                last.error,
            );
        }
        if !published.is_empty() {
            text.push_str("\nPublished, for 100 labels:\n\n| method | test error in % | source |\n|---|---:|---|\n");
            for Published { name, error, source } in published {
                let _ = writeln!(text, "| {name} | {error:.2} | {source} |");
            }
        }
        text
    }
}

/// A model's points.
struct Run<'a> {
    points: Vec<&'a Point>,
}

impl<'a> Run<'a> {
    fn last(&self) -> &'a Point {
        self.points.last().expect("a run has a point")
    }
}

/// As others are shown, but for short ones, where a second is too coarse.
fn shown_time(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.1}s") } else { show(Duration::from_secs_f64(seconds)) }
}

/// `Intel Xeon, 2 cores, RAYON_NUM_THREADS=1`.
fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let mut facts: Vec<String> = model.map(|(_, name)| name.trim().to_owned()).into_iter().collect();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    facts.push(if cores == 1 { "1 core".into() } else { format!("{cores} cores") });
    facts.extend(std::env::var("RAYON_NUM_THREADS").ok().map(|threads| format!("RAYON_NUM_THREADS={threads}")));
    facts.join(", ")
}

/// The data file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    labels: usize,
    rows: Vec<String>,
    published: Vec<Published>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Published {
    name: String,
    error: f64,
    source: String,
}

/// What was compiled in.
static FILE: LazyLock<File> =
    LazyLock::new(|| toml::from_str(include_str!("../../data/curve_mnist.toml")).expect("a test reads this file"));

impl File {
    /// All, the largest error first.
    fn all(&self) -> Vec<Published> {
        let row = |id: &String| {
            let (name, error, source) = published(id, self.labels)?;
            // The picture has no room for the number of the table.
            let source = source.split(", table").next().unwrap_or(source);
            Some(Published { name: name.to_owned(), error, source: source.to_owned() })
        };
        let mut all: Vec<Published> = self.rows.iter().filter_map(row).chain(self.published.iter().cloned()).collect();
        all.sort_by(|a, b| b.error.total_cmp(&a.error));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(model: &str, settings: &str, seed: u64, seconds: f64) -> Point {
        Point {
            model: model.into(),
            settings: settings.into(),
            data: "mnist".into(),
            fingerprint: "a9e6c0a8924354fd".into(),
            labels: 100,
            seed,
            step: Some(1),
            seconds,
            cpu_seconds: Some(seconds),
            error: 50.0 / seconds,
            loss: None,
        }
    }

    #[test]
    fn published_errors_are_those_of_the_table_and_further_ones() {
        let all: Vec<(String, f64)> = FILE.all().into_iter().map(|p| (p.name, p.error)).collect();
        let expected = [
            ("NN", 25.81),
            ("M2", 11.97),
            ("M1+M2", 3.33),
            ("VAT", 2.12),
            ("VAT", 1.36),
            ("SDGM", 1.32),
            ("ladder", 1.06),
            ("ADGM", 0.96),
        ];
        assert_eq!(all, expected.map(|(name, error)| (name.to_owned(), error)));
        assert!(FILE.all().iter().all(|p| p.source.ends_with(|c: char| c.is_ascii_digit())));
    }

    #[test]
    fn published_errors_stand_beside_mnist_with_100_labels_and_nothing_else() {
        let points = vec![point("m2", "", 1, 1.0)];
        assert_eq!(Figure::new(points.clone(), "").curves().marks.len(), 8);
        let text = Figure::new(points.clone(), "the command").markdown();
        assert!(text.contains("| ADGM | 0.96 | Maaløe et al. 2016 |") && text.contains("the command"), "{text}");
        for other in [
            Point { labels: 600, ..points[0].clone() },
            Point { fingerprint: "a9e6c0a8924354fe".into(), ..points[0].clone() },
            Point { fingerprint: "a9".into(), ..points[0].clone() },
        ] {
            let figure = Figure::new(vec![other], "");
            assert!(figure.curves().marks.is_empty() && figure.markdown().contains("are left out"));
        }
    }

    #[test]
    fn seeds_of_a_model_are_one_line_and_other_settings_another() {
        let points = vec![
            point("m2", "", 1, 1.0),
            point("m2", "", 1, 2.0),
            point("supervised", "", 1, 1.0),
            point("m2", "", 2, 1.0),
            point("m2", "hidden=[500]", 1, 1.0),
        ];
        let lines = Figure::new(points, "").curves().lines;
        let shape: Vec<(&str, Vec<usize>)> =
            lines.iter().map(|line| (line.name.as_str(), line.runs.iter().map(Vec::len).collect())).collect();
        assert_eq!(shape, [("m2 as it comes", vec![2, 1]), ("supervised", vec![1]), ("m2 hidden=[500]", vec![1])]);
    }
}
