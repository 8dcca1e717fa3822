//! The table: as Markdown and JSON in its folder, and for the terminal.

use std::path::{Path, PathBuf};
use std::time::Duration;

use halfmoon::run::write_aside;
use halfmoon_pool::Result;
use serde_json::{Value, json};

use super::Options;
use super::cell::Cell;
use super::results::Results;
use super::rows::{Row, numbers, row};
use crate::duration::show;
use crate::table::Table as Columns;

/// What is known so far.
pub(crate) struct Table {
    pub(super) options: Options,
    /// The table's folder.
    pub(super) out: PathBuf,
    /// What the runs read.
    pub(super) path: String,
    /// The published figures are of these data.
    pub(super) is_mnist: bool,
    /// What was left out.
    pub(super) notes: Vec<String>,
    pub(super) results: Results,
    /// `false` when it was stopped.
    pub(super) finished: bool,
}

/// Over every table of --quick.
const SANITY: &str = "sanity check, not a result";

/// An empty place.
const NOTHING: &str = "–";

impl Table {
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Runs that failed.
    pub(crate) fn failures(&self) -> usize {
        self.results.failed.len()
    }

    /// The file that a person reads.
    pub(crate) fn path(&self) -> PathBuf {
        self.out.join("table.md")
    }

    pub(super) fn write(&self) -> Result<()> {
        write_aside(&self.path(), self.markdown().as_bytes())?;
        let json = serde_json::to_vec_pretty(&self.to_json()).expect("a table is plain data");
        write_aside(&self.out.join("table.json"), &json)
    }

    /// Errors alone, for the terminal.
    pub(crate) fn columns(&self) -> String {
        let mut header = vec!["test error in %".to_owned()];
        for labels in &self.options.labels {
            header.push(format!("{labels} labels"));
            header.extend(self.is_mnist.then(|| "published".to_owned()));
        }
        let mut columns = Columns::new(header.iter().map(String::as_str));
        for row in self.rows() {
            columns.row(std::iter::once(row.name.clone()).chain(self.places(row, |cell| self.short(cell))));
        }
        let mark = if self.options.quick { format!("{SANITY}\n\n") } else { String::new() };
        format!("{mark}{columns}")
    }

    fn rows(&self) -> impl Iterator<Item = &'static Row> {
        let rows = self.options.models.iter().filter_map(|id| row(id));
        rows.filter(|row| row.model.is_some() || self.is_mnist)
    }

    /// What `ours` says of each number of labels, each beside what was published.
    fn places(&self, row: &'static Row, ours: impl Fn(&Cell) -> String) -> Vec<String> {
        let mut places = Vec::new();
        for &labels in &self.options.labels {
            places.push(ours(&Cell { row, labels, draw: 1 }));
            places.extend(self.is_mnist.then(|| row.published(labels).unwrap_or(NOTHING).to_owned()));
        }
        places
    }

    /// `6.81 ± 0.52`.
    fn short(&self, cell: &Cell) -> String {
        let draws = self.results.draws(cell.row, cell.labels, self.options.draws);
        match draws.error() {
            Some((mean, Some(half))) => format!("{mean:.2} ± {half:.2}"),
            Some((mean, None)) => format!("{mean:.2}"),
            None if draws.failed.is_empty() => NOTHING.into(),
            None => "failed".into(),
        }
    }

    /// `6.81 ± 0.52 (4 draws, 1 failed) †`.
    fn long(&self, cell: &Cell) -> String {
        let draws = self.results.draws(cell.row, cell.labels, self.options.draws);
        let failed = match draws.failed.len() {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        let counts = match draws.errors.len() {
            0 => String::new(),
            1 => format!(" (1 draw{failed})"),
            many => format!(" ({many} draws{failed})"),
        };
        let mark = if draws.cut_short(self.options.time_per_run) > 0 { " †" } else { "" };
        format!("{}{counts}{mark}", self.short(cell))
    }

    /// Mean training time of a row's runs.
    fn time(&self, row: &'static Row) -> String {
        let of = |&labels: &usize| self.results.draws(row, labels, self.options.draws).seconds;
        let seconds: Vec<f64> = self.options.labels.iter().flat_map(of).collect();
        match seconds.len() {
            0 => NOTHING.into(),
            runs => show(Duration::from_secs_f64(seconds.iter().sum::<f64>() / runs as f64)),
        }
    }

    /// How the figures were made, a sentence each.
    fn protocol(&self) -> Vec<String> {
        let Options { seed, draws, time_per_run, .. } = self.options;
        let mut lines = Vec::new();
        let mut judged: Vec<&str> = self.results.runs.values().map(|run| run.protocol.as_str()).collect();
        judged.sort_unstable();
        judged.dedup();
        lines.extend(judged.into_iter().map(str::to_owned));
        lines.push("error: 100 % less the accuracy; mean over the draws of the labels".to_owned());
        lines.push("±: half the width of the 95 % t interval of that mean; for one draw there is none".to_owned());
        let seeds = if draws == 1 { format!("seed {seed}") } else { format!("seeds {seed} to {}", seed + draws - 1) };
        lines.push(format!(
            "a draw: equally many labels a class, chosen by the seed, which also decides parameters, batches and noise; \
            {seeds}"
        ));
        lines.push("labelled items stay among the unlabelled ones".to_owned());
        let early = self.rows_that(|key, value| key == "patience" && value.as_integer() != Some(0));
        lines.push(match early.as_str() {
            "" => "validation: none; settings are the same for every draw, those of M1+M2 and TSVM chosen by the test error of other draws".to_owned(),
            rows => format!(
                "validation: none; settings are the same for every draw, those of M1+M2 and TSVM chosen by the test error of other draws; of their labels, these \
                rows keep a fifth to know when to stop: {rows}"
            ),
        });
        let bits = self.rows_that(|key, value| key == "binarise" && value.as_bool() == Some(true));
        lines.push(match bits.as_str() {
            "" => "pixels: grey values as they are, not binarised".to_owned(),
            rows => format!("pixels: grey values as they are; drawn as 0 or 1 afresh each training step by: {rows}"),
        });
        lines.push(format!(
            "a run's training ends after {} at the latest; † marks places with a run that this ended",
            show(Duration::from_secs_f64(time_per_run))
        ));
        if self.is_mnist {
            let mut sources: Vec<&str> = self.rows().filter_map(|row| row.source.as_deref()).collect();
            sources.dedup();
            lines.push(format!("published: as printed in {}, ± included", sources.join("; ")));
        } else if self.options.quick {
            lines.push("published figures are left out: a cut and a few steps are not compared with them".to_owned());
        } else {
            lines.push("published figures are left out: these data are not MNIST, which they are of".to_owned());
        }
        lines.extend(self.notes.iter().cloned());
        lines
    }

    /// Names of the rows that have such a setting anywhere.
    fn rows_that(&self, has: impl Fn(&str, &toml::Value) -> bool) -> String {
        let says = |cell: &Cell| {
            let model = cell.row.model.as_deref()?;
            let config = cell.config(&self.options, &self.path)?.ok()?;
            Some(holds(&config.models[model], &has))
        };
        let is_one = |row: &&'static Row| {
            self.options.labels.iter().any(|&labels| says(&Cell { row, labels, draw: 1 }).unwrap_or(false))
        };
        self.rows().filter(is_one).map(|row| row.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn markdown(&self) -> String {
        let mut lines = vec![format!("# Few labels on {}", name(&self.options.data)), String::new()];
        if self.options.quick {
            lines.extend([format!("**{SANITY}**"), String::new()]);
        }
        lines.extend(self.protocol().iter().map(|line| format!("- {line}")));
        lines.extend(["", "Test error in %:", ""].map(str::to_owned));

        let published = if self.is_mnist { " | published" } else { "" };
        let head: Vec<String> = self.options.labels.iter().map(|n| format!("{n} labels{published}")).collect();
        let columns = self.options.labels.len() * (1 + usize::from(self.is_mnist)) + 1;
        lines.push(format!("| method | {} | mean training time |", head.join(" | ")));
        lines.push(format!("|---|{}", "---:|".repeat(columns)));
        for row in self.rows() {
            let places = self.places(row, |cell| self.long(cell)).join(" | ");
            lines.push(format!("| {} | {places} | {} |", row.name, self.time(row)));
        }

        let cells = self.cells();
        let failed: Vec<String> = cells.iter().flat_map(|cell| self.messages(cell)).collect();
        if !failed.is_empty() {
            lines.extend(["", "## Failed", ""].map(str::to_owned));
            lines.extend(failed);
        }
        lines.extend(["", "## Commands", "", "Of the first draw; the next has the next seed.", ""].map(str::to_owned));
        lines.extend(cells.iter().filter_map(|cell| {
            let command = cell.command(&self.options, &self.path)?;
            Some(format!("- {}, {} labels: `{command}`", cell.row.name, cell.labels))
        }));
        lines.push(String::new());
        lines.join("\n")
    }

    /// The first draw of each place.
    fn cells(&self) -> Vec<Cell> {
        let of = |row| self.options.labels.iter().map(move |&labels| Cell { row, labels, draw: 1 });
        self.rows().flat_map(of).collect()
    }

    fn messages(&self, cell: &Cell) -> Vec<String> {
        let draws = self.results.draws(cell.row, cell.labels, self.options.draws);
        let one = |&(draw, message): &(u64, &str)| format!("- {}: {message}", Cell { draw, ..*cell }.title());
        draws.failed.iter().map(one).collect()
    }

    /// What `--json` prints. Places without a run are `null`.
    pub(crate) fn to_json(&self) -> Value {
        let Options { data, quick, seed, time_per_run, labels, draws, .. } = &self.options;
        let rows: Vec<Value> = self.rows().map(|row| self.row_json(row)).collect();
        json!({
            "bench": "ssl-mnist",
            "kind": if *quick { SANITY } else { "result" },
            "data": data,
            "is_mnist": self.is_mnist,
            "finished": self.finished,
            "protocol": self.protocol(),
            "labels": labels,
            "draws": draws,
            "seed": seed,
            "time_per_run": time_per_run,
            "rows": rows,
        })
    }

    fn row_json(&self, row: &'static Row) -> Value {
        let place = |&labels: &usize| {
            let cell = Cell { row, labels, draw: 1 };
            let draws = self.results.draws(row, labels, self.options.draws);
            let published = row.published(labels).filter(|_| self.is_mnist).map(|text| {
                let (error, spread) = numbers(text);
                json!({ "text": text, "error": error, "spread": spread })
            });
            let failed: Vec<Value> =
                draws.failed.iter().map(|(draw, message)| json!({ "draw": draw, "message": message })).collect();
            json!({
                "labels": labels,
                "error": draws.error().map(|(mean, _)| mean),
                "half_width": draws.error().and_then(|(_, half)| half),
                "draws": draws.errors.len(),
                "errors": draws.errors,
                "seconds": draws.time(),
                "cut_short": draws.cut_short(self.options.time_per_run),
                "failed": failed,
                "published": published,
                "command": cell.command(&self.options, &self.path),
            })
        };
        json!({
            "id": row.id,
            "name": row.name,
            "model": row.model,
            "source": row.source.as_ref().filter(|_| self.is_mnist),
            "cells": self.options.labels.iter().map(place).collect::<Vec<_>>(),
        })
    }
}

/// Whether a setting of a table, or of a table in it, is such a one.
fn holds(table: &toml::Table, has: &impl Fn(&str, &toml::Value) -> bool) -> bool {
    table.iter().any(|(key, value)| match value {
        toml::Value::Table(inner) => holds(inner, has),
        value => has(key, value),
    })
}

/// `mnist` of `/data/mnist/`.
pub(crate) fn name(data: &str) -> String {
    Path::new(data).file_stem().map_or_else(|| "data".into(), |stem| stem.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::results::Run;
    use super::*;

    /// A table of M1+M2 and AtlasRBF with these errors for the draws of 100 labels.
    fn table(is_mnist: bool, errors: &[f64]) -> Table {
        let mut results = Results::default();
        let row = row("m1m2").expect("a row");
        for (draw, &error) in (1..).zip(errors) {
            let run = Run { error, seconds: 60.0, protocol: "figures on 10000 held-out items".into() };
            results.runs.insert(Cell { row, labels: 100, draw }.name(), run);
        }
        let options = Options {
            data: "data/mnist".into(),
            quick: false,
            seed: 1,
            time_per_run: 90.0,
            models: vec!["atlas_rbf".into(), "m1m2".into()],
            labels: vec![100, 1000],
            draws: 5,
        };
        let (path, out) = (options.data.clone(), "out".into());
        Table { options, out, path, is_mnist, notes: vec![], results, finished: false }
    }

    fn line<'a>(text: &'a str, start: &str) -> Option<&'a str> {
        text.lines().find(|line| line.starts_with(start))
    }

    #[test]
    fn published_figures_stand_beside_ours_as_they_were_printed() {
        let text = table(true, &[1.0, 2.0, 3.0]).markdown();
        let expected = "| M1+M2 | 2.00 ± 2.48 (3 draws) | 3.33 ± 0.14 | – | 2.40 ± 0.02 | 1m 00s |";
        assert_eq!(line(&text, "| M1+M2"), Some(expected), "{text}");
        assert_eq!(line(&text, "| Atlas"), Some("| AtlasRBF | – | 8.10 ± 0.95 | – | 3.68 ± 0.12 | – |"));
        assert!(text.contains("Kingma et al. 2014, table 1"), "{text}");
        let json = table(true, &[1.0, 2.0, 3.0]).to_json();
        assert_eq!(json["rows"][1]["cells"][1]["published"]["error"], 2.40);
        assert_eq!(json["rows"][1]["cells"][1]["error"], Value::Null, "nobody's figure but ours");
    }

    #[test]
    fn figures_of_mnist_do_not_stand_beside_other_data() {
        let table = table(false, &[1.0]);
        let text = table.markdown();
        assert_eq!(line(&text, "| M1+M2"), Some("| M1+M2 | 1.00 (1 draw) | – | 1m 00s |"), "{text}");
        assert!(text.contains("not MNIST") && line(&text, "| Atlas").is_none(), "{text}");
        for text in [text, table.columns(), table.to_json().to_string()] {
            assert!(!text.contains("3.33") && !text.contains("Kingma"), "{text}");
        }
    }

    #[test]
    fn a_place_says_what_failed_and_what_was_cut_short() {
        let mut table = table(false, &[1.0, 2.0]);
        table.results.runs.get_mut("m1m2-100-1").expect("made above").seconds = 90.0;
        table.results.failed.insert("m1m2-100-3".into(), "the loss is no longer finite".into());
        table.results.failed.insert("m1m2-1000-1".into(), "as above".into());
        let text = table.markdown();
        // s = √½, t of one degree of freedom 12.706205: 12.706205 · √½ / √2
        let expected = "| M1+M2 | 1.50 ± 6.35 (2 draws, 1 failed) † | failed | 1m 15s |";
        assert_eq!(line(&text, "| M1+M2"), Some(expected), "{text}");
        assert!(text.contains("- M1+M2, 100 labels, draw 3: the loss is no longer finite\n"), "{text}");
    }
}
