//! `halfmoon predict`: one line an input, whatever happens to it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

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
    let mut lines = Lines::new(args.output.as_deref(), &asked.data.schema.classes)?;
    let mut counts = Counts::default();
    // A reader's sink can only fail with the reader's error, so what the output said waits here.
    let mut broken = None;
    let end = read::stream(&args.input, &asked.data.schema, &options, &mut |chunk| {
        counts.add(&chunk);
        answer(&asked, &chunk, &mut lines).map_err(|source| {
            broken = Some(Failure::from(source));
            Error::usage("the output ended", "")
        })
    });
    if let Some(broken) = broken {
        return Err(broken);
    }
    end?;
    lines.finish()?;
    eprintln!("{counts}");
    match args.strict && counts.unreadable > 0 {
        true => Err(Error::data(
            args.input.as_path(),
            format!("{} inputs could not be read", counts.unreadable),
            "their lines say why",
        )
        .into()),
        false => Ok(()),
    }
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
    Csv { out: csv::Writer<Box<dyn Write>>, classes: &'a [String] },
    Json { out: Box<dyn Write>, classes: &'a [String] },
}

impl<'a> Lines<'a> {
    fn new(path: Option<&Path>, classes: &'a [String]) -> Result<Lines<'a>, Failure> {
        let out: Box<dyn Write> = match path {
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
        Ok(Lines::Csv { out, classes })
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
