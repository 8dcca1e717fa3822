//! `halfmoon review`: what a person should look at again, most doubtful first.

mod copies;
mod of_project;
mod of_run;

use std::io::Write;
use std::path::{Path, PathBuf};

use halfmoon_pool::Error;
use halfmoon_pool::labels::grouped;
use serde_json::{Map, Value};

use super::counted;
use crate::Failure;
use crate::args::Review;

/// Items, or groups of copies, in a table where nothing else is asked for.
const SHOWN: usize = 20;

pub(crate) fn run(args: &Review) -> Result<(), Failure> {
    let found = if args.of.is_dir() {
        of_run::review(args)?
    } else if args.of.exists() {
        of_project::review(args)?
    } else {
        let hint = "name the folder that `halfmoon train` wrote, or the project.db that `halfmoon init` wrote";
        return Err(Error::data(args.of.as_path(), "does not exist", hint).into());
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut object = found.about;
        object.extend(found.sections.iter().map(|section| (section.name.to_owned(), section.json.clone())));
        writeln!(out, "{}", Value::from(object))?;
    } else {
        writeln!(out, "{}", found.heading)?;
        for section in &found.sections {
            write!(out, "\n{}", section.text)?;
        }
    }
    if let Some(output) = &args.output {
        super::write(output, &csv(&found.sections)?)?;
        if !args.json {
            writeln!(out, "\n{}", output.display())?;
        }
    }
    Ok(())
}

/// Refuses to write over what is being reviewed, before any work is done.
fn guard(args: &Review, kept: &[(&str, PathBuf)]) -> Result<(), Error> {
    let Some(output) = &args.output else { return Ok(()) };
    let kept: Vec<(&str, &Path)> = kept.iter().map(|(what, path)| (*what, path.as_path())).collect();
    super::refuse_to_overwrite(output, &kept)
}

/// All that was found.
struct Found {
    heading: String,
    /// Of the JSON object, beside the sections.
    about: Map<String, Value>,
    sections: Vec<Section>,
}

/// One kind of doubt.
struct Section {
    /// Its key in the JSON object.
    name: &'static str,
    /// A sentence and a table.
    text: String,
    lines: Vec<Line>,
    json: Value,
}

/// An item in the table that is written.
struct Line {
    kind: &'static str,
    id: String,
    label: Option<String>,
    proposed: Option<String>,
    /// Of what is proposed.
    probability: Option<f64>,
    why: String,
}

fn csv(sections: &[Section]) -> Result<Vec<u8>, Failure> {
    let broken = |error: csv::Error| Failure::Message(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["kind", "id", "label", "proposed", "probability", "why"]).map_err(broken)?;
    for Line { kind, id, label, proposed, probability, why } in sections.iter().flat_map(|section| &section.lines) {
        let probability = probability.map(|p| format!("{p:.4}"));
        let [label, proposed, probability] =
            [label, proposed, &probability].map(|text| text.as_deref().unwrap_or_default());
        writer.write_record([kind, id.as_str(), label, proposed, probability, why]).map_err(broken)?;
    }
    writer.into_inner().map_err(|error| Failure::Message(error.to_string()))
}

/// The first ones of a list: of a table, and of what is written for programs.
struct Most {
    shown: usize,
    written: usize,
}

impl Most {
    fn of(args: &Review) -> Most {
        let asked = args.number.map(std::num::NonZeroUsize::get);
        Most { shown: asked.unwrap_or(SHOWN), written: asked.unwrap_or(usize::MAX) }
    }

    /// What is said below a table that does not hold all of so many of these: ` groups`, or nothing for items.
    fn more(&self, all: usize, what: &str) -> String {
        let written = if self.written == usize::MAX { ", -o FILE.csv writes them" } else { "" };
        match all.saturating_sub(self.shown) {
            0 => String::new(),
            more => format!("… and {} more{what}: -n {all} shows all{written}\n", grouped(more)),
        }
    }
}
