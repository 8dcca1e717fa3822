//! `halfmoon predict`: one line an input, whatever happens to it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use halfmoon::run::{self, Asked};
use halfmoon_pool::answer::{Answer, Extras, Flags, answers};
use halfmoon_pool::calibration::Temperature;
use halfmoon_pool::outlier::outlier_score;
use halfmoon_pool::read::{self, Chunk, Status};
use halfmoon_pool::{Class, Error};
use serde_json::json;

use crate::Failure;
use crate::args::Predict;

pub(crate) fn run(args: &Predict) -> Result<(), Failure> {
    let asked = run::open(&args.run, args.model.as_deref(), &run::device("cpu")?)?;
    if !asked.finished {
        eprintln!("note: this run was stopped before its last step");
    }
    let options = super::options(&asked, &args.reading)?;
    if let Some(output) = &args.output {
        let data = Path::new(&asked.config.data.path);
        super::refuse_to_overwrite(output, &[("the input", &args.input), ("the run's data", data)])?;
    }
    let extras = extras(&asked, args)?;
    // What stands at the output's place stays until all is answered; a pipe or a device has nothing to keep.
    let aside = args.output.as_deref().map(|output| match output.symlink_metadata() {
        Ok(there) if !there.is_file() => output.to_owned(),
        _ => super::partial(output),
    });
    let flags = extras.flags.is_some();
    let open = || Lines::new(args.output.as_deref(), aside.as_deref(), &asked.data.schema.classes, flags);
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
            counts.flagged += answer(&asked, &extras, &chunk, lines)?;
            Ok(())
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
    if let Some(Flags { score, share, .. }) = &extras.flags {
        eprintln!("{} flagged as outliers by {} at {share}", counts.flagged, score.name);
    }
    if args.strict && counts.unreadable > 0 {
        let problem = format!("{} inputs could not be read", counts.unreadable);
        return Err(Error::data(args.input.as_path(), problem, "their lines say why").into());
    }
    Ok(())
}

/// From what the run keeps of its held-out items; with notes of what is done and what cannot be.
fn extras(asked: &Asked, args: &Predict) -> Result<Extras, Error> {
    let Some(trust) = &asked.trust else {
        eprintln!("note: this run keeps no held-out items: probabilities are the model's own, and there are no sets");
        if args.flag_outliers.is_some() {
            let hint = "train with labels to hold out, or with --test DATA";
            return Err(Error::usage("there are no held-out items to say what is normal", hint));
        }
        return Ok(Extras { temperature: None, coverage: args.coverage, flags: None });
    };
    let n = trust.n;
    let temperature = trust.temperature.filter(|_| !args.no_temperature);
    match (temperature, trust.not_estimable.get("temperature")) {
        (Some(Temperature(t)), _) => {
            eprintln!("note: log-probabilities are divided by temperature {t:.3}, fitted on {n} held-out items");
        }
        (None, Some(reason)) if !args.no_temperature => {
            eprintln!("note: probabilities are the model's own, without a temperature: {reason}");
        }
        (None, _) => {}
    }
    if trust.conformal.threshold(args.coverage).is_none() {
        eprintln!("note: {n} held-out items are too few for sets of coverage {}: they hold all classes", args.coverage);
    }
    let flags = args.flag_outliers.map(|share| {
        let named = args.outlier_score.as_deref().and_then(outlier_score);
        let score = named.or_else(|| trust.preferred_score()).filter(|score| trust.p_value(score, 0.0).is_some());
        let score = score.ok_or_else(|| {
            let name = named.map_or("outlier", |score| score.name);
            let reason = trust.not_estimable.get(name).map_or("it is not estimable", String::as_str);
            let known: Vec<&str> =
                trust.normal.iter().filter(|(_, of)| of.is_some()).map(|(name, _)| &**name).collect();
            Error::usage(
                format!("`{}` has no {name} score: {reason}", asked.entry.name),
                format!("it has {}", known.join(", ")),
            )
        })?;
        let least = 1.0 / (n + 1) as f64;
        if share < least {
            eprintln!("note: nothing can be flagged at {share}: the least p-value of {n} held-out items is {least:.4}");
        }
        Ok(Flags { score, share })
    });
    Ok(Extras { temperature, coverage: args.coverage, flags: flags.transpose()? })
}

#[derive(Default)]
struct Counts {
    ok: usize,
    unseen: usize,
    unreadable: usize,
    flagged: usize,
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

/// Writes the lines of a chunk; how many of them are flagged.
fn answer(asked: &Asked, extras: &Extras, chunk: &Chunk, lines: &mut Lines) -> std::io::Result<usize> {
    let rows: Vec<usize> = (0..chunk.ids.len()).collect();
    let scores = asked.predictor.scores(asked.data.encoding.encode(&chunk.inputs, &rows).view());
    let mut flagged = 0;
    for (row, answer) in answers(&scores, asked.trust.as_ref(), extras).iter().enumerate() {
        let (id, status) = (&chunk.ids[row], &chunk.status[row]);
        if let Status::Unreadable(_) = status {
            lines.unanswered(id, status)?;
            continue;
        }
        flagged += usize::from(answer.outlier.is_some_and(|outlier| outlier.flag));
        lines.answered(id, status, answer)?;
    }
    Ok(flagged)
}

/// The output, as CSV or as JSON lines. `flags`: whether somebody asked for outliers.
enum Lines<'a> {
    Csv { out: Box<csv::Writer<Box<dyn Write>>>, classes: &'a [String], flags: bool },
    Json { out: Box<dyn Write>, classes: &'a [String], flags: bool },
}

impl<'a> Lines<'a> {
    /// `path` tells the format; the file that is written is `aside`, so that what was there stays until all
    /// is done.
    fn new(
        path: Option<&Path>,
        aside: Option<&Path>,
        classes: &'a [String],
        flags: bool,
    ) -> Result<Lines<'a>, Failure> {
        let out: Box<dyn Write> = match aside {
            None => Box::new(BufWriter::new(std::io::stdout())),
            Some(path) => Box::new(BufWriter::new(File::create(path).map_err(|source| Error::io(path, source))?)),
        };
        if path.is_some_and(|path| path.extension().is_some_and(|ending| ending == "jsonl" || ending == "ndjson")) {
            return Ok(Lines::Json { out, classes, flags });
        }
        let mut out = csv::Writer::from_writer(out);
        let mut columns: Vec<String> =
            ["id", "label", "confidence", "log_density", "status", "set"].map(str::to_owned).to_vec();
        if flags {
            columns.extend(["outlier_p", "flag"].map(str::to_owned));
        }
        // A class may be called `label`: its column says what it is.
        columns.extend(classes.iter().map(|class| format!("p({class})")));
        out.write_record(columns).map_err(csv_io)?;
        Ok(Lines::Csv { out: Box::new(out), classes, flags })
    }

    fn answered(&mut self, id: &str, status: &Status, answer: &Answer) -> std::io::Result<()> {
        let Answer { label, probs, log_density, set, outlier } = answer;
        match self {
            Lines::Csv { out, classes, flags } => {
                let mut record = vec![
                    id.to_owned(),
                    classes[label.index()].clone(),
                    probs[label.index()].to_string(),
                    log_density.map_or(String::new(), |density| density.to_string()),
                    status.to_string(),
                    set.as_ref().map_or(String::new(), |set| joined(set, classes)),
                ];
                if *flags {
                    record.push(outlier.as_ref().map_or(String::new(), |outlier| format!("{:.6}", outlier.p)));
                    let flag = outlier.as_ref().map_or("", |outlier| if outlier.flag { "yes" } else { "no" });
                    record.push(flag.to_owned());
                }
                record.extend(probs.iter().map(f32::to_string));
                out.write_record(record).map_err(csv_io)
            }
            Lines::Json { out, classes, flags } => {
                let of_classes: serde_json::Map<_, _> =
                    classes.iter().cloned().zip(probs.iter().map(|&p| json!(p))).collect();
                let set = set.as_ref().map(|set| set.iter().map(|class| &classes[class.index()]).collect::<Vec<_>>());
                let mut line = json!({
                    "id": id, "label": classes[label.index()], "confidence": probs[label.index()],
                    "log_density": log_density, "status": status.to_string(), "set": set, "probs": of_classes,
                });
                if *flags {
                    line["outlier_p"] = outlier.as_ref().map(|outlier| outlier.p).into();
                    line["flag"] = outlier.as_ref().map(|outlier| outlier.flag).into();
                }
                writeln!(out, "{line}")
            }
        }
    }

    fn unanswered(&mut self, id: &str, status: &Status) -> std::io::Result<()> {
        match self {
            Lines::Csv { out, classes, flags } => {
                let behind = 1 + if *flags { 2 } else { 0 } + classes.len();
                let empty = std::iter::repeat_n("", behind);
                let status = status.to_string();
                out.write_record([id, "", "", "", &status].into_iter().chain(empty)).map_err(csv_io)
            }
            Lines::Json { out, flags, .. } => {
                let mut line = json!({
                    "id": id, "label": null, "confidence": null, "log_density": null, "status": status.to_string(),
                    "set": null, "probs": null,
                });
                if *flags {
                    line["outlier_p"] = json!(null);
                    line["flag"] = json!(null);
                }
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

/// `cat|dog`. A `|` or `\` of a name has a `\` before it, so that names can be told apart again.
fn joined(set: &[Class], classes: &[String]) -> String {
    let name = |class: &Class| classes[class.index()].replace('\\', r"\\").replace('|', r"\|");
    set.iter().map(name).collect::<Vec<_>>().join("|")
}

fn csv_io(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => std::io::Error::other(format!("{kind:?}")),
    }
}
