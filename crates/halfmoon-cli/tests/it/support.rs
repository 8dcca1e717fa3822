//! What several tests need: a folder to work in, the program, and its answers.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// So little training that a test takes about a second.
const TINY: [&str; 6] = [
    "m2.train.steps=20",
    "supervised.train.steps=20",
    "m2.hidden=[16]",
    "supervised.hidden=[16]",
    "run.folds=2",
    "run.repeats=1",
];

/// A temporary folder in which commands run. It goes when the test ends.
pub struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Place {
    pub fn new() -> Place {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("halfmoon-it-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Place(folder)
    }

    /// A folder with a table in it.
    pub fn with(name: &str, content: impl AsRef<[u8]>) -> Place {
        let place = Place::new();
        place.write(name, content);
        place
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halfmoon"));
        command.args(args).current_dir(&self.0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program with what a shell without quotes would make of `line`.
    #[track_caller]
    pub fn run(&self, line: &str) -> Said {
        self.run_args(&line.split_whitespace().collect::<Vec<_>>())
    }

    #[track_caller]
    pub fn run_args(&self, args: &[&str]) -> Said {
        Said::new(&self.command(args).output().unwrap())
    }

    #[track_caller]
    pub fn run_with_input(&self, line: &str, input: &str) -> Said {
        let mut child = self.command(line.split_whitespace()).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Said::new(&child.wait_with_output().unwrap())
    }

    /// A tiny training into the folder `run`, whatever comes of it. What `line` sets goes first.
    #[track_caller]
    pub fn try_train(&self, line: &str) -> Said {
        let mut args = vec!["train"];
        args.extend(TINY.iter().flat_map(|setting| ["--set", setting]));
        if !line.contains("--out ") {
            args.extend(["--out", "run"]);
        }
        args.extend(line.split_whitespace());
        self.run_args(&args)
    }

    /// A tiny training into the folder `run`, which works.
    #[track_caller]
    pub fn train(&self, line: &str) -> Said {
        self.try_train(line).exits(0)
    }

    /// The same with `--json`: what it printed.
    #[track_caller]
    pub fn figures(&self, line: &str) -> Value {
        self.train(&format!("{line} --json")).json()
    }

    /// What the run in the folder `run` says of an input, as CSV.
    #[track_caller]
    pub fn predict(&self, line: &str) -> Answers {
        Answers::of(&self.run(&format!("predict run {line}")).exits(0).out)
    }

    /// Starts a training that is to be interrupted and waits until a model's log has a line.
    #[track_caller]
    pub fn start(&self, line: &str, model: &str) -> Child {
        let mut child = self.command(line.split_whitespace()).spawn().unwrap();
        let log = self.path(format!("run/{model}/log.jsonl"));
        let lines = |log: &Path| fs::read_to_string(log).unwrap_or_default().lines().count();
        let (before, started) = (lines(&log), Instant::now());
        while lines(&log) <= before {
            assert!(child.try_wait().unwrap().is_none(), "the training ended before it could be interrupted");
            assert!(started.elapsed() < Duration::from_mins(1), "the training does not get going");
            std::thread::sleep(Duration::from_millis(5));
        }
        child
    }
}

/// Sends Ctrl-C and waits for the end.
#[track_caller]
pub fn interrupt(child: Child) -> Said {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    Said::new(&child.wait_with_output().unwrap())
}

/// `kill -9`.
pub fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What a command said.
pub struct Said {
    code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Whatever happens, the program does not panic and its output is text.
    #[track_caller]
    fn new(output: &Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let said = Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) };
        assert!(!said.all().contains("panicked"), "{}", said.all());
        said
    }

    fn all(&self) -> String {
        format!("exit code {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.out, self.err)
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Said {
        assert_eq!(self.code, Some(code), "{}", self.all());
        self
    }

    /// A mistake of the user's, with a hint.
    #[track_caller]
    pub fn fails(self, code: i32) -> Said {
        let said = self.exits(code);
        assert!(said.err.contains("error: ") && said.err.contains("\nhint: "), "{}", said.all());
        said
    }

    /// Every one of these is somewhere in what was said beside the results.
    #[track_caller]
    pub fn tells(self, parts: &[&str]) -> Said {
        for part in parts {
            assert!(self.err.contains(part), "`{part}` is not in\n{}", self.all());
        }
        self
    }

    #[track_caller]
    pub fn tells_not(self, part: &str) -> Said {
        assert!(!self.err.contains(part), "`{part}` is in\n{}", self.all());
        self
    }

    /// Every one of these is somewhere in the results.
    #[track_caller]
    pub fn prints(self, parts: &[&str]) -> Said {
        for part in parts {
            assert!(self.out.contains(part), "`{part}` is not in\n{}", self.all());
        }
        self
    }

    /// The one JSON object on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}", self.all()));
        assert!(value.is_object() && self.out.lines().count() == 1, "{}", self.all());
        value
    }
}

/// The lines that `predict` wrote as CSV, checked for what holds of all of them.
pub struct Answers {
    pub classes: Vec<String>,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Answers {
    #[track_caller]
    pub fn of(text: &str) -> Answers {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        assert_eq!(header[..6], ["id", "label", "confidence", "log_density", "status", "set"]);
        let columns = if header[6] == "outlier_p" { &header[..8] } else { &header[..6] };
        let class = |column: &String| column.strip_prefix("p(").unwrap().strip_suffix(')').unwrap().to_owned();
        let classes: Vec<String> = header[columns.len()..].iter().map(class).collect();
        let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        let answers = Answers { classes, columns: columns.to_vec(), rows };
        answers.rows.iter().for_each(|row| answers.check(row));
        answers
    }

    /// A readable input has probabilities that sum to 1, and the likeliest class as its label.
    #[track_caller]
    fn check(&self, row: &[String]) {
        if row[4].starts_with("unreadable: ") {
            let answer = row[1..4].iter().chain(&row[5..]);
            return assert!(answer.clone().all(String::is_empty), "{row:?}");
        }
        assert!(row[4] == "ok" || row[4].starts_with("unseen: "), "{row:?}");
        let probs = &row[self.columns.len()..];
        let sure = &probs[self.classes.iter().position(|class| *class == row[1]).unwrap()];
        assert_eq!(row[2], *sure);
        let probs: Vec<f64> = probs.iter().map(|p| p.parse().unwrap()).collect();
        assert!((probs.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{row:?}");
        let label = self.classes.iter().position(|class| *class == row[1]).unwrap();
        assert!(probs.iter().all(|p| *p <= probs[label]), "{row:?}");
        assert!(row[3].is_empty() || row[3].parse::<f64>().unwrap().is_finite(), "{row:?}");
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    fn column(&self, at: usize) -> Vec<&str> {
        self.rows.iter().map(|row| row[at].as_str()).collect()
    }

    pub fn ids(&self) -> Vec<&str> {
        self.column(0)
    }

    pub fn labels(&self) -> Vec<&str> {
        self.column(1)
    }

    pub fn densities(&self) -> Vec<f64> {
        self.column(3).iter().map(|density| density.parse().unwrap()).collect()
    }

    pub fn status(&self) -> Vec<&str> {
        self.column(4)
    }

    /// What stands in a column of this name.
    pub fn named(&self, column: &str) -> Vec<&str> {
        self.column(self.columns.iter().position(|name| name == column).unwrap())
    }

    /// The probabilities of each row.
    pub fn probs(&self) -> Vec<Vec<f64>> {
        let probs = |row: &Vec<String>| row[self.columns.len()..].iter().map(|p| p.parse().unwrap()).collect();
        self.rows.iter().map(probs).collect()
    }

    /// The rows without their ids.
    pub fn answers(&self) -> Vec<&[String]> {
        self.rows.iter().map(|row| &row[1..]).collect()
    }
}

/// A number from 0 to 1 that looks random, another one for each of a thousand `row`s.
pub fn wobble(row: usize, column: usize) -> f64 {
    ((row * 7919 + column * 104_729 + row * row * 31 * column) % 1000) as f64 / 1000.0
}

/// Cats, which are small, and dogs, which are large, in turn: a number, a yes/no and a category column.
pub fn pets(rows: usize) -> String {
    let mut text = "size,barks,food,species\n".to_owned();
    for row in 0..rows {
        let (species, size, barks) = if row % 2 == 0 { ("cat", 25.0, "no") } else { ("dog", 60.0, "yes") };
        let food = ["fish", "meat", "cake"][row % 3];
        writeln!(text, "{:.3},{barks},{food},{species}", size + 10.0 * wobble(row, 1)).unwrap();
    }
    text
}

/// A table of two numeric columns and these labels, class by class apart; quoted as CSV wants it.
pub fn labelled(labels: &[&str]) -> String {
    let mut distinct = labels.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let mut text = "a,b,label\n".to_owned();
    for (row, label) in labels.iter().enumerate() {
        let centre = distinct.iter().position(|known| known == label).unwrap() as f64 * 5.0;
        let quoted = label.replace('"', "\"\"");
        writeln!(text, "{:.3},{:.3},\"{quoted}\"", centre + wobble(row, 1), centre - wobble(row, 2)).unwrap();
    }
    text
}
