//! What a project's labels say of those who gave them: for `halfmoon status` and `halfmoon review`.

use std::io::Write;

use halfmoon_journal::agreement::{Agreement, Alone, agreement};
use halfmoon_journal::dawid_skene::{Config, Skills, dawid_skene};
use halfmoon_journal::{Labels, Verdict};
use halfmoon_pool::labels::grouped;
use serde_json::{Value, json};

use super::counted;
use crate::Failure;
use crate::table::{Table, number};

/// Pairs of annotators that are shown.
const MOST: usize = 20;

/// The labels that stand, and what follows from them alone.
pub(super) struct Annotators {
    pub(super) labels: Labels,
    /// What most say.
    pub(super) verdicts: Vec<Verdict>,
    pub(super) agreement: Agreement,
    /// `None` where no item has labels by several: alone, nobody can be judged.
    pub(super) skills: Option<Skills>,
}

impl Annotators {
    /// In a project with so many classes.
    pub(super) fn of(labels: Labels, classes: usize) -> Annotators {
        let agreement = agreement(&labels);
        let skills = dawid_skene(&labels, classes, &Config::default());
        Annotators { verdicts: labels.majority(), labels, agreement, skills }
    }

    /// Items that have a label.
    pub(super) fn labelled(&self) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.class.is_some()).count()
    }

    /// Items on which those whose vote counts disagree.
    pub(super) fn conflicts(&self) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.classes > 1).count()
    }

    fn name(&self, annotator: usize) -> &str {
        &self.labels.annotators[annotator]
    }

    /// `None` for who shares no item with others.
    fn skill(&self, annotator: usize) -> Option<f64> {
        self.skills.as_ref()?.accuracy(annotator)
    }

    /// Labels and skips of each annotator.
    fn counts(&self) -> Vec<(usize, usize)> {
        let mut counts = vec![(0, 0); self.labels.annotators.len()];
        for vote in &self.labels.votes {
            let (labels, skips) = &mut counts[vote.annotator];
            *if vote.class.is_some() { labels } else { skips } += 1;
        }
        counts
    }

    /// A row an annotator.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(["annotator", "labels", "skips", "agrees with the others", "skill"]);
        for (at, ((labels, skips), alone)) in self.counts().into_iter().zip(&self.agreement.annotators).enumerate() {
            let skill = number(self.skill(at));
            table.row([self.name(at).to_owned(), grouped(labels), grouped(skips), share(alone), skill]);
        }
        table
    }

    /// Figures of agreement, and a table of the pairs; nothing where no item has labels by several.
    pub(super) fn print_agreement(&self, out: &mut impl Write) -> Result<(), Failure> {
        let Agreement { items, unanimous, pairs, alpha, fleiss, .. } = &self.agreement;
        if *items == 0 {
            return Ok(());
        }
        writeln!(
            out,
            "\n{} with labels by several annotators, who agree on {}; Krippendorff's alpha {}, Fleiss' kappa {}",
            counted(*items, "item"),
            grouped(*unanimous),
            number(*alpha),
            number(*fleiss)
        )?;
        if self.conflicts() > 0 {
            let open = self.verdicts.iter().filter(|verdict| verdict.class.is_none()).count();
            writeln!(
                out,
                "{} in dispute, of which {} without a label: most voices decide, labels of the data give way to a \
                 person's, and a tie is no label",
                counted(self.conflicts(), "item"),
                grouped(open)
            )?;
        }
        let mut table = Table::new(["pair", "items", "agree", "Cohen's kappa"]);
        for pair in pairs.iter().take(MOST) {
            let names = format!("{}, {}", self.name(pair.first), self.name(pair.second));
            table.row([names, grouped(pair.items), grouped(pair.agree), number(pair.kappa)]);
        }
        write!(out, "\n{table}")?;
        if pairs.len() > MOST {
            writeln!(out, "… {} pairs in all", grouped(pairs.len()))?;
        }
        Ok(())
    }

    /// One object an annotator.
    pub(super) fn to_json(&self) -> Value {
        let of = |(at, ((labels, skips), alone)): (usize, ((usize, usize), &Alone))| {
            let skill = self.skill(at);
            json!({
                "annotator": self.name(at), "labels": labels, "skips": skips, "skill": skill,
                "others": {"items": alone.items, "agree": alone.agree, "interval": alone.interval},
            })
        };
        self.counts().into_iter().zip(&self.agreement.annotators).enumerate().map(of).collect()
    }

    pub(super) fn agreement_to_json(&self) -> Value {
        let pairs: Vec<Value> = (self.agreement.pairs.iter())
            .map(|pair| {
                json!({
                    "annotators": [self.name(pair.first), self.name(pair.second)], "items": pair.items,
                    "agree": pair.agree, "kappa": pair.kappa,
                })
            })
            .collect();
        json!({
            "items": self.agreement.items, "unanimous": self.agreement.unanimous, "alpha": self.agreement.alpha,
            "fleiss": self.agreement.fleiss, "pairs": pairs,
        })
    }
}

/// `45 of 50, 0.9000 [0.7864, 0.9565]`
fn share(alone: &Alone) -> String {
    let Some((low, high)) = alone.interval else { return "–".into() };
    let share = alone.agree as f64 / alone.items as f64;
    format!("{} of {}, {share:.4} [{low:.4}, {high:.4}]", grouped(alone.agree), grouped(alone.items))
}
