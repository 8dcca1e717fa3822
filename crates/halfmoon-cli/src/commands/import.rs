//! `halfmoon import`: labels from other programs.

use std::io::Write;

use halfmoon_journal::exchange::{Imported, Options, import};
use halfmoon_journal::{Journal, Moment};
use halfmoon_pool::Error;
use halfmoon_pool::labels::grouped;
use halfmoon_pool::read::Problem;

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
    let mut left_out = 0;
    let mut out = std::io::stdout().lock();
    for file in &args.files {
        let imported = import(&mut journal, file, &options)?;
        for note in &imported.notes {
            eprintln!("note: {note}");
        }
        tell(&imported.conflicts, "labels contradict earlier ones of the same file; the later ones stand");
        tell(&imported.problems, "records are left out");
        writeln!(out, "{}: {}", file.display(), counts(&imported))?;
        left_out += imported.problems.len();
    }
    let conflicts = journal.labels()?.conflicts();
    if conflicts > 0 {
        eprintln!("note: annotators disagree on {} items: `halfmoon status` says who", grouped(conflicts));
    }
    if args.strict && left_out > 0 {
        let problem = format!("{} records were left out", grouped(left_out));
        return Err(Error::data(args.project.as_path(), problem, "the others are in the project").into());
    }
    Ok(())
}

/// `120 records: 100 new, 15 there before, 5 left out`. The parts add up.
fn counts(imported: &Imported) -> String {
    let parts = [
        (imported.new, "new"),
        (imported.already, "there before"),
        (imported.repeated, "repeated"),
        (imported.unlabelled, "without a label"),
        (imported.problems.len(), "left out"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    let classes = Some(&imported.new_classes).filter(|classes| !classes.is_empty());
    let classes = classes.map(|classes| format!("; new classes: {}", classes.join(", "))).unwrap_or_default();
    let colon = if parts.is_empty() { "" } else { ": " };
    format!("{} records{colon}{}{classes}", grouped(imported.records), parts.join(", "))
}

/// How many there are and the first ones, to standard error.
pub(super) fn tell(problems: &[Problem], what: &str) {
    const MOST: usize = 20;
    if problems.is_empty() {
        return;
    }
    eprintln!("note: {} {what}:", grouped(problems.len()));
    for Problem { place, reason } in problems.iter().take(MOST) {
        eprintln!("  {place}: {reason}");
    }
    if problems.len() > MOST {
        eprintln!("  … and {} more", grouped(problems.len() - MOST));
    }
}
