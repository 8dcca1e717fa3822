//! `halfmoon import`: labels from other programs.

use std::io::Write;

use halfmoon_journal::exchange::{Imported, Options, import};
use halfmoon_journal::{Journal, Moment};
use halfmoon_pool::Error;
use halfmoon_pool::labels::grouped;
use halfmoon_pool::read::Problem;

use super::counted;
use crate::Failure;
use crate::args::Import;

pub(crate) fn run(args: &Import) -> Result<(), Failure> {
    let mut journal = Journal::open(&args.project)?;
    let options = Options {
        format: args.format.clone(),
        label: args.label.clone(),
        annotator: args.annotator.clone(),
        new_classes: args.new_classes,
        now: Moment::now(),
    };
    let (mut left_out, mut unusable) = (0, None);
    let mut out = std::io::stdout().lock();
    for file in &args.files {
        let imported = import(&mut journal, file, &options)?;
        for note in &imported.notes {
            eprintln!("note: {note}");
        }
        tell(&imported.conflicts, "contradicted by a later record of the same file, which counts");
        tell(&imported.problems, "left out");
        if imported.older > 0 {
            eprintln!(
                "note: {} older than what the same annotator says of the item: kept, and the later word stands",
                counted(imported.older, "label")
            );
        }
        writeln!(out, "{}: {}", file.display(), counts(&imported))?;
        left_out += imported.problems.len();
        if let Some(first) = imported.problems.first().filter(|_| imported.problems.len() == imported.records) {
            unusable.get_or_insert((file, first.reason.clone()));
        }
    }
    let conflicts = journal.labels()?.conflicts();
    if conflicts > 0 {
        eprintln!("note: annotators disagree on {}: `halfmoon status` says who", counted(conflicts, "item"));
    }
    if let Some((file, reason)) = unusable {
        let hint = "the records have to name items and classes of the project; `halfmoon export` writes how";
        return Err(Error::data(file.as_path(), format!("no record can be used (the first: {reason})"), hint).into());
    }
    if args.strict && left_out > 0 {
        let problem = format!("left out: {}", counted(left_out, "record"));
        return Err(Error::data(args.project.as_path(), problem, "the others are in the project").into());
    }
    Ok(())
}

/// `9 tasks, 12 records: 2 labels and 1 skip new, 4 there before, 5 left out`. The parts add up to the records.
fn counts(imported: &Imported) -> String {
    let Imported { new, labels, skips, undos, .. } = *imported;
    let kinds = [(labels, "label"), (skips, "skip"), (undos, "undo"), (new - labels - skips - undos, "other record")];
    let kinds: Vec<String> =
        kinds.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| counted(*count, kind)).collect();
    let new = Some(kinds.join(" and ")).filter(|kinds| !kinds.is_empty()).map(|kinds| format!("{kinds} new"));
    let others = [
        (imported.already, "there before"),
        (imported.repeated, "repeated"),
        (imported.conflicts.len(), "contradicted later"),
        (imported.older, "older than what stands"),
        (imported.unlabelled, "without a label"),
        (imported.problems.len(), "left out"),
    ];
    let others =
        others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", grouped(*count)));
    let parts: Vec<String> = new.into_iter().chain(others).collect();
    let tasks = if imported.tasks > 0 { counted(imported.tasks, "task") + ", " } else { String::new() };
    let colon = if parts.is_empty() { "" } else { ": " };
    let fields = if imported.fields > 0 {
        format!("; fields of {} kept with their items", counted(imported.fields, "task"))
    } else {
        String::new()
    };
    let classes = Some(&imported.new_classes).filter(|classes| !classes.is_empty());
    let classes = classes.map(|classes| format!("; new classes: {}", classes.join(", "))).unwrap_or_default();
    format!("{tasks}{}{colon}{}{fields}{classes}", counted(imported.records, "record"), parts.join(", "))
}

/// What they are, how many and the first ones, to standard error.
pub(super) fn tell(problems: &[Problem], what: &str) {
    const MOST: usize = 20;
    if problems.is_empty() {
        return;
    }
    eprintln!("note: {what}: {}", grouped(problems.len()));
    for Problem { place, reason } in problems.iter().take(MOST) {
        eprintln!("  {place}: {reason}");
    }
    if problems.len() > MOST {
        eprintln!("  … and {} more", grouped(problems.len() - MOST));
    }
}
