//! `halfmoon status`: what a project holds.

use std::collections::BTreeMap;
use std::io::Write;

use halfmoon_journal::duplicates::{Copies, copies};
use halfmoon_journal::{EventId, Journal, Project, Round, Split};
use halfmoon_pool::labels::grouped;
use serde_json::{Value, json};

use super::annotators::Annotators;
use super::counted;
use crate::Failure;
use crate::args::Status;
use crate::table::Table;

/// Rounds that are shown.
const MOST: usize = 20;

pub(crate) fn run(args: &Status) -> Result<(), Failure> {
    if args.rebuild {
        Journal::open(&args.project)?.rebuild()?;
        eprintln!("note: what stands was made anew from the events");
    }
    let journal = Journal::open_to_read(&args.project)?;
    if args.check {
        journal.check()?;
        eprintln!("note: the file is whole, and what stands is what the events say");
    }
    let found = Found::of(&journal)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", found.to_json())?;
        return Ok(());
    }
    found.print(&mut out)
}

/// All that is shown, of one moment.
struct Found {
    project: Project,
    classes: Vec<String>,
    splits: Vec<(Split, usize)>,
    events: EventId,
    annotators: Annotators,
    copies: Vec<Copies>,
    models: usize,
    rounds: Vec<Round>,
}

impl Found {
    fn of(journal: &Journal) -> Result<Found, Failure> {
        let _now = journal.snapshot()?;
        let (classes, items) = (journal.classes()?, journal.items()?);
        let annotators = Annotators::of(journal.labels()?, classes.len());
        Ok(Found {
            project: journal.project()?,
            splits: journal.items_by_split()?,
            events: journal.last_event()?,
            copies: copies(&items, &annotators.verdicts),
            models: journal.models()?.len(),
            rounds: journal.rounds()?,
            classes,
            annotators,
        })
    }

    fn items(&self) -> usize {
        self.splits.iter().map(|(_, count)| count).sum()
    }

    /// Labelled items of each class.
    fn of_classes(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for class in self.annotators.verdicts.iter().filter_map(|verdict| verdict.class) {
            counts[class.index()] += 1;
        }
        counts
    }

    fn print(&self, out: &mut impl Write) -> Result<(), Failure> {
        let splits: Vec<String> =
            self.splits.iter().map(|(split, count)| format!("{} {}", split.name(), grouped(*count))).collect();
        let events = usize::try_from(self.events.0).unwrap_or_default();
        writeln!(out, "{}: {} ({})", self.project.name, counted(self.items(), "item"), splits.join(", "))?;
        writeln!(
            out,
            "{} labelled, {} not; {} since {}\n",
            grouped(self.annotators.labelled()),
            grouped(self.items() - self.annotators.labelled()),
            counted(events, "event"),
            self.project.at
        )?;

        let mut table = Table::new(["class", "items"]);
        for (class, count) in self.classes.iter().zip(self.of_classes()) {
            table.row([class.clone(), grouped(count)]);
        }
        write!(out, "{table}")?;
        if !self.annotators.labels.annotators.is_empty() {
            writeln!(out)?;
            write!(out, "{}", self.annotators.table())?;
        }
        self.annotators.print_agreement(out)?;
        self.print_copies(out)?;
        self.print_rounds(out)
    }

    fn print_copies(&self, out: &mut impl Write) -> Result<(), Failure> {
        if self.copies.is_empty() {
            return Ok(());
        }
        let count = |is: fn(&Copies) -> bool| grouped(self.copies.iter().filter(|copies| is(copies)).count());
        writeln!(
            out,
            "\n{} of exact copies, {} in all; with labels that disagree: {}, in several splits: {}",
            counted(self.copies.len(), "group"),
            counted(self.copies.iter().map(|copies| copies.items.len()).sum(), "item"),
            count(|copies| copies.classes.len() > 1),
            count(|copies| copies.splits.len() > 1)
        )?;
        Ok(())
    }

    fn print_rounds(&self, out: &mut impl Write) -> Result<(), Failure> {
        if self.rounds.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(["round", "rule", "items", "model", "when"]);
        let hidden = self.rounds.len().saturating_sub(MOST);
        for round in &self.rounds[hidden..] {
            let model = round.model.clone().unwrap_or_else(|| "–".into());
            let size = grouped(round.size as usize);
            table.row([round.round.to_string(), round.rule.clone(), size, model, round.at.to_string()]);
        }
        let before = if hidden > 0 { format!(", the last {MOST} of them") } else { String::new() };
        writeln!(out, "\n{}{before}; {}", counted(self.rounds.len(), "round"), counted(self.models, "model"))?;
        write!(out, "{table}")?;
        Ok(())
    }

    fn to_json(&self) -> Value {
        let splits: BTreeMap<&str, usize> = self.splits.iter().map(|(split, count)| (split.name(), *count)).collect();
        let classes: Vec<Value> = (self.classes.iter().zip(self.of_classes()))
            .map(|(class, items)| json!({"class": class, "items": items}))
            .collect();
        let rounds: Vec<Value> = (self.rounds.iter())
            .map(|round| {
                json!({
                    "round": round.round, "rule": round.rule, "items": round.size, "model": round.model,
                    "at": round.at.to_string(),
                })
            })
            .collect();
        json!({
            "project": self.project.name, "data": self.project.data, "at": self.project.at.to_string(),
            "items": self.items(), "splits": splits, "labelled": self.annotators.labelled(), "events": self.events.0,
            "classes": classes, "annotators": self.annotators.to_json(), "conflicts": self.annotators.conflicts(),
            "agreement": self.annotators.agreement_to_json(),
            "copies": {
                "groups": self.copies.len(),
                "disagree": self.copies.iter().filter(|copies| copies.classes.len() > 1).count(),
                "in_several_splits": self.copies.iter().filter(|copies| copies.splits.len() > 1).count(),
            },
            "models": self.models, "rounds": rounds,
        })
    }
}
