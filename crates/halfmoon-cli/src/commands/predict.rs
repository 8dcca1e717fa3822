//! `halfmoon predict`: one line an input, whatever happens to it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use halfmoon::experiment::probs;
use halfmoon::run::{self, Asked};
use halfmoon_pool::Error;
use halfmoon_pool::metric::predicted;
use halfmoon_pool::read::{self, Chunk, Status};
use serde_json::json;

use crate::Failure;
use crate::args::Predict;

pub(crate) fn run(args: &Predict) -> Result<(), Failure> {
    let asked = run::open(&args.run, args.model.as_deref(), &run::device("cpu")?)?;
    if !asked.finished {
        eprintln!("note: this run was stopped before its last step");
    }
    let options = super::options(&asked, &args.reading)?;
    if args.output.as_deref().is_some_and(|output| same_file(output, &args.input)) {
        return Err(Error::usage("the output would overwrite the input", "choose another file with --output").into());
    }
    // What stands at the output's place stays until all is answered; a pipe or a device has nothing to keep.
    let aside = args.output.as_deref().map(|output| match output.symlink_metadata() {
        Ok(there) if !there.is_file() => output.to_owned(),
        _ => with_ending(output, &format!("{}.partial", std::process::id())),
    });
    let open = || Lines::new(args.output.as_deref(), aside.as_deref(), &asked.data.schema.classes);
    let mut lines = None;
    let mut counts = Counts::default();
    // A reader's sink can only fail with the reader's error, so what the output said waits here.
    let mut broken = None;
    let end = read::stream(&args.input, &asked.data.schema, &options, &mut |chunk| {
        counts.add(&chunk);
        let mut write = || {
            // Opened with the first answers: an input that cannot be read leaves no trace.
            if lines.is_none() {
                lines = Some(open()?);
            }
            let lines = lines.as_mut().expect("opened above");
            answer(&asked, &chunk, lines).map_err(Failure::from)
        };
        write().map_err(|failure| {
            broken = Some(failure);
            Error::usage("the output ended", "")
        })
    });
    if let Some(broken) = broken {
        return Err(broken);
    }
    if lines.is_none() && end.is_ok() {
        lines = Some(open()?);
    }
    if let Some(lines) = lines {
        lines.finish()?;
        if let (Some(output), Some(aside)) =
            (&args.output, aside.as_ref().filter(|aside| Some(*aside) != args.output.as_ref()))
        {
            if end.is_ok() {
                std::fs::rename(aside, output).map_err(|source| Error::io(output, source))?;
            } else {
                eprintln!("note: the answers so far are in {}", aside.display());
            }
        }
    }
    end?;
    eprintln!("{counts}");
    if args.strict && counts.unreadable > 0 {
        let problem = format!("{} inputs could not be read", counts.unreadable);
        return Err(Error::data(args.input.as_path(), problem, "their lines say why").into());
    }
    Ok(())
}

#[derive(Default)]
struct Counts {
    ok: usize,
    unseen: usize,
    unreadable: usize,
}

impl Counts {
    fn add(&mut self, chunk: &Chunk) {
        for status in &chunk.status {
            match status {
                Status::Ok => self.ok += 1,
                Status::Unseen(_) => self.unseen += 1,
                Status::Unreadable(_) => self.unreadable += 1,
            }
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} inputs answered", self.ok + self.unseen)?;
        if self.unseen > 0 {
            write!(f, ", {} of them hold something that training never saw", self.unseen)?;
        }
        if self.unreadable > 0 {
            write!(f, "; {} could not be read", self.unreadable)?;
        }
        Ok(())
    }
}

fn answer(asked: &Asked, chunk: &Chunk, lines: &mut Lines) -> std::io::Result<()> {
    let rows: Vec<usize> = (0..chunk.ids.len()).collect();
    let scores = asked.predictor.scores(asked.data.encoding.encode(&chunk.inputs, &rows).view());
    let probs = probs(&scores.log_probs);
    for row in rows {
        let (id, status) = (&chunk.ids[row], &chunk.status[row]);
        if let Status::Unreadable(_) = status {
            lines.unanswered(id, status)?;
            continue;
        }
        let probs: Vec<f32> = probs.row(row).to_vec();
        let density = scores.log_density.as_ref().map(|density| density[row]);
        lines.answered(id, predicted(probs[..].into()).index(), density, status, &probs)?;
    }
    Ok(())
}

/// The output, as CSV or as JSON lines.
enum Lines<'a> {
    Csv { out: Box<csv::Writer<Box<dyn Write>>>, classes: &'a [String] },
    Json { out: Box<dyn Write>, classes: &'a [String] },
}

impl<'a> Lines<'a> {
    /// `path` tells the format; the file that is written is `aside`, so that what was there stays until all
    /// is done.
    fn new(path: Option<&Path>, aside: Option<&Path>, classes: &'a [String]) -> Result<Lines<'a>, Failure> {
        let out: Box<dyn Write> = match aside {
            None => Box::new(BufWriter::new(std::io::stdout())),
            Some(path) => Box::new(BufWriter::new(File::create(path).map_err(|source| Error::io(path, source))?)),
        };
        if path.is_some_and(|path| path.extension().is_some_and(|ending| ending == "jsonl" || ending == "ndjson")) {
            return Ok(Lines::Json { out, classes });
        }
        let mut out = csv::Writer::from_writer(out);
        let columns = ["id", "label", "confidence", "log_density", "status"];
        // A class may be called `label`: its column says what it is.
        let probs = classes.iter().map(|class| format!("p({class})"));
        out.write_record(columns.iter().map(|&column| column.to_owned()).chain(probs)).map_err(csv_io)?;
        Ok(Lines::Csv { out: Box::new(out), classes })
    }

    fn answered(
        &mut self,
        id: &str,
        label: usize,
        density: Option<f32>,
        status: &Status,
        probs: &[f32],
    ) -> std::io::Result<()> {
        match self {
            Lines::Csv { out, classes } => {
                let answer = [
                    id,
                    &classes[label],
                    &probs[label].to_string(),
                    &density.map_or(String::new(), |d| d.to_string()),
                    &say(status),
                ]
                .map(str::to_owned);
                out.write_record(answer.into_iter().chain(probs.iter().map(f32::to_string))).map_err(csv_io)
            }
            Lines::Json { out, classes } => {
                let probs: serde_json::Map<_, _> =
                    classes.iter().cloned().zip(probs.iter().map(|&p| json!(p))).collect();
                let line = json!({
                    "id": id, "label": classes[label], "confidence": probs[&classes[label]],
                    "log_density": density, "status": say(status), "probs": probs,
                });
                writeln!(out, "{line}")
            }
        }
    }

    fn unanswered(&mut self, id: &str, status: &Status) -> std::io::Result<()> {
        match self {
            Lines::Csv { out, classes } => {
                let empty = std::iter::repeat_n("", classes.len());
                let status = say(status);
                out.write_record([id, "", "", "", &status].into_iter().chain(empty)).map_err(csv_io)
            }
            Lines::Json { out, .. } => {
                let line = json!({ "id": id, "label": null, "confidence": null, "log_density": null, "status": say(status), "probs": null });
                writeln!(out, "{line}")
            }
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Lines::Csv { mut out, .. } => out.flush(),
            Lines::Json { mut out, .. } => out.flush(),
        }
    }
}

/// `answers.csv.partial` for `answers.csv`.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn say(status: &Status) -> String {
    match status {
        Status::Ok => "ok".into(),
        Status::Unseen(what) => format!("unseen: {what}"),
        Status::Unreadable(why) => format!("unreadable: {why}"),
    }
}

fn csv_io(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => std::io::Error::other(format!("{kind:?}")),
    }
}
