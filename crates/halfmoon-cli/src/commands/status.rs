//! `halfmoon status`: what a project holds.

use std::collections::BTreeMap;
use std::io::Write;

use halfmoon_journal::agreement::{Agreement, Alone, agreement};
use halfmoon_journal::dawid_skene::{Config, Skills, dawid_skene};
use halfmoon_journal::duplicates::{Copies, copies};
use halfmoon_journal::{EventId, Journal, Labels, Project, Round, Split, Verdict};
use halfmoon_pool::labels::grouped;
use serde_json::{Value, json};

use crate::Failure;
use crate::args::Status;
use crate::table::{Table, number};

/// Pairs of annotators, and rounds, that are shown.
const MOST: usize = 20;

pub(crate) fn run(args: &Status) -> Result<(), Failure> {
    let mut journal = Journal::open(&args.project)?;
    if args.rebuild {
        journal.rebuild()?;
        eprintln!("note: what stands was made anew from the events");
    }
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
    labels: Labels,
    verdicts: Vec<Verdict>,
    agreement: Agreement,
    skills: Option<Skills>,
    copies: Vec<Copies>,
    models: usize,
    rounds: Vec<Round>,
}

impl Found {
    fn of(journal: &Journal) -> Result<Found, Failure> {
        let _now = journal.snapshot()?;
        let (classes, labels, items) = (journal.classes()?, journal.labels()?, journal.items()?);
        let verdicts = labels.majority();
        let agreement = agreement(&labels);
        // Alone, an annotator is right by definition.
        let skills = (agreement.items > 0).then(|| dawid_skene(&labels, classes.len(), &Config::default())).flatten();
        Ok(Found {
            project: journal.project()?,
            splits: journal.items_by_split()?,
            events: journal.last_event()?,
            copies: copies(&items, &verdicts),
            models: journal.models()?.len(),
            rounds: journal.rounds()?,
            classes,
            labels,
            verdicts,
            agreement,
            skills,
        })
    }

    fn items(&self) -> usize {
        self.splits.iter().map(|(_, count)| count).sum()
    }

    fn labelled(&self) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.class.is_some()).count()
    }

    /// Items on which those whose vote counts disagree.
    fn conflicts(&self) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.classes > 1).count()
    }

    /// Labelled items of each class.
    fn of_classes(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for class in self.verdicts.iter().filter_map(|verdict| verdict.class) {
            counts[class.index()] += 1;
        }
        counts
    }

    /// Labels and skips of each annotator.
    fn of_annotators(&self) -> Vec<(usize, usize)> {
        let mut counts = vec![(0, 0); self.labels.annotators.len()];
        for vote in &self.labels.votes {
            let (labels, skips) = &mut counts[vote.annotator];
            *if vote.class.is_some() { labels } else { skips } += 1;
        }
        counts
    }

    fn print(&self, out: &mut impl Write) -> Result<(), Failure> {
        let splits: Vec<String> =
            self.splits.iter().map(|(split, count)| format!("{} {}", split.name(), grouped(*count))).collect();
        let events = usize::try_from(self.events.0).unwrap_or_default();
        writeln!(out, "{}: {} items ({})", self.project.name, grouped(self.items()), splits.join(", "))?;
        writeln!(
            out,
            "{} labelled, {} not; {} events since {}\n",
            grouped(self.labelled()),
            grouped(self.items() - self.labelled()),
            grouped(events),
            self.project.at
        )?;

        let mut table = Table::new(["class", "items"]);
        for (class, count) in self.classes.iter().zip(self.of_classes()) {
            table.row([class.clone(), grouped(count)]);
        }
        write!(out, "{table}")?;
        if !self.labels.annotators.is_empty() {
            writeln!(out)?;
            write!(out, "{}", self.annotators())?;
        }
        self.print_agreement(out)?;
        self.print_copies(out)?;
        self.print_rounds(out)
    }

    fn annotators(&self) -> Table {
        let mut table = Table::new(["annotator", "labels", "skips", "agrees with the others", "skill"]);
        let rows = self.labels.annotators.iter().zip(self.of_annotators()).zip(&self.agreement.annotators);
        for (at, ((name, (labels, skips)), alone)) in rows.enumerate() {
            let skill = number(self.skills.as_ref().map(|skills| skills.accuracy(at)));
            table.row([name.clone(), grouped(labels), grouped(skips), share(alone), skill]);
        }
        table
    }

    fn print_agreement(&self, out: &mut impl Write) -> Result<(), Failure> {
        let Agreement { items, unanimous, pairs, alpha, fleiss, .. } = &self.agreement;
        if *items == 0 {
            return Ok(());
        }
        writeln!(
            out,
            "\n{} items have labels by several annotators, who agree on {}; Krippendorff's alpha {}, Fleiss' kappa {}",
            grouped(*items),
            grouped(*unanimous),
            number(*alpha),
            number(*fleiss)
        )?;
        if self.conflicts() > 0 {
            let open = self.verdicts.iter().filter(|verdict| verdict.class.is_none()).count();
            writeln!(
                out,
                "{} items are in dispute: most voices decide, labels of the data give way to a person's, and {} are ties \
                 and have no label",
                grouped(self.conflicts()),
                grouped(open)
            )?;
        }
        let mut table = Table::new(["pair", "items", "agree", "Cohen's kappa"]);
        for pair in pairs.iter().take(MOST) {
            let name = |annotator: usize| &self.labels.annotators[annotator];
            let names = format!("{}, {}", name(pair.first), name(pair.second));
            table.row([names, grouped(pair.items), grouped(pair.agree), number(pair.kappa)]);
        }
        write!(out, "\n{table}")?;
        if pairs.len() > MOST {
            writeln!(out, "… {} pairs in all", grouped(pairs.len()))?;
        }
        Ok(())
    }

    fn print_copies(&self, out: &mut impl Write) -> Result<(), Failure> {
        if self.copies.is_empty() {
            return Ok(());
        }
        let count = |is: fn(&Copies) -> bool| grouped(self.copies.iter().filter(|copies| is(copies)).count());
        writeln!(
            out,
            "\n{} groups of exact copies, {} items in all; {} groups have labels that disagree, {} are in several splits",
            grouped(self.copies.len()),
            grouped(self.copies.iter().map(|copies| copies.items.len()).sum()),
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
        writeln!(out, "\n{} rounds{before}; {} models", grouped(self.rounds.len()), grouped(self.models))?;
        write!(out, "{table}")?;
        Ok(())
    }

    fn to_json(&self) -> Value {
        let splits: BTreeMap<&str, usize> = self.splits.iter().map(|(split, count)| (split.name(), *count)).collect();
        let classes: Vec<Value> = (self.classes.iter().zip(self.of_classes()))
            .map(|(class, items)| json!({"class": class, "items": items}))
            .collect();
        let name = |annotator: usize| &self.labels.annotators[annotator];
        let annotators: Vec<Value> = (self.of_annotators().iter().zip(&self.agreement.annotators).enumerate())
            .map(|(at, ((labels, skips), alone))| {
                let skill = self.skills.as_ref().map(|skills| skills.accuracy(at));
                json!({
                    "annotator": name(at), "labels": labels, "skips": skips, "skill": skill,
                    "others": {"items": alone.items, "agree": alone.agree, "interval": alone.interval},
                })
            })
            .collect();
        let pairs: Vec<Value> = (self.agreement.pairs.iter())
            .map(|pair| {
                json!({
                    "annotators": [name(pair.first), name(pair.second)], "items": pair.items, "agree": pair.agree,
                    "kappa": pair.kappa,
                })
            })
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
            "items": self.items(), "splits": splits, "labelled": self.labelled(), "events": self.events.0,
            "classes": classes, "annotators": annotators, "conflicts": self.conflicts(),
            "agreement": {
                "items": self.agreement.items, "unanimous": self.agreement.unanimous, "alpha": self.agreement.alpha,
                "fleiss": self.agreement.fleiss, "pairs": pairs,
            },
            "copies": {
                "groups": self.copies.len(),
                "disagree": self.copies.iter().filter(|copies| copies.classes.len() > 1).count(),
                "in_several_splits": self.copies.iter().filter(|copies| copies.splits.len() > 1).count(),
            },
            "models": self.models, "rounds": rounds,
        })
    }
}

/// `45 of 50, 0.9000 [0.7864, 0.9565]`
fn share(alone: &Alone) -> String {
    let Some((low, high)) = alone.interval else { return "–".into() };
    let share = alone.agree as f64 / alone.items as f64;
    format!("{} of {}, {share:.4} [{low:.4}, {high:.4}]", grouped(alone.agree), grouped(alone.items))
}
