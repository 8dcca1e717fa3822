//! One run of the table: its folder, its configuration, and the command that does the same.

use std::path::{Path, PathBuf};

use halfmoon::config::Config;
use halfmoon_pool::Result;
use toml::{Table, Value};

use super::Options;
use super::rows::Row;

/// A row with a number of labels and a draw of them, which counts from 1.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub(super) row: &'static Row,
    pub(super) labels: usize,
    pub(super) draw: u64,
}

impl Cell {
    /// `m2-100-1`.
    pub(super) fn name(&self) -> String {
        format!("{}-{}-{}", self.row.id, self.labels, self.draw)
    }

    /// As a person reads it.
    pub(super) fn title(&self) -> String {
        format!("{}, {} labels, draw {}", self.row.name, self.labels, self.draw)
    }

    pub(super) fn folder(&self, out: &Path) -> PathBuf {
        out.join("runs").join(self.name())
    }

    /// The first draw has the seed that was typed.
    pub(super) fn seed(&self, options: &Options) -> u64 {
        options.seed + self.draw - 1
    }

    /// What is trained, on the data at `path`. A row without a model has none.
    pub(super) fn config(&self, options: &Options, path: &str) -> Option<Result<Config>> {
        let model = self.row.model.as_deref()?;
        let data = Table::from_iter([
            ("path".to_owned(), Value::from(path)),
            ("labels".to_owned(), whole(self.labels as u64)),
        ]);
        let run = Table::from_iter([
            ("models".to_owned(), Value::from(vec![model])),
            ("seed".to_owned(), whole(self.seed(options))),
            ("time".to_owned(), Value::from(options.time_per_run)),
        ]);
        let settings = self.row.settings(self.labels, options.quick);
        let sections = [("data", data), ("run", run), (model, settings)];
        let overlay = sections.map(|(name, section)| (name.to_owned(), Value::from(section)));
        Some(Config::resolve(Table::from_iter(overlay)))
    }

    /// The command that trains the same by itself. A row without a model has none.
    pub(super) fn command(&self, options: &Options, path: &str) -> Option<String> {
        let model = self.row.model.as_deref()?;
        let mut words = vec!["halfmoon".to_owned(), "train".to_owned(), quoted(path)];
        let flags = [
            ("--labels", self.labels.to_string()),
            ("--model", model.to_owned()),
            ("--seed", self.seed(options).to_string()),
            ("--time", format!("{}s", options.time_per_run)),
        ];
        words.extend(flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
        for assignment in assignments(model, &self.row.settings(self.labels, options.quick)) {
            words.extend(["--set".to_owned(), quoted(&assignment)]);
        }
        Some(words.join(" "))
    }
}

fn whole(number: u64) -> Value {
    Value::from(i64::try_from(number).expect("the command line takes no larger numbers"))
}

/// `m1.train.steps=300` and so on: a table as what is typed after `--set`.
pub(crate) fn assignments(prefix: &str, table: &Table) -> Vec<String> {
    let one = |(key, value): (&String, &Value)| match value {
        Value::Table(inner) => assignments(&format!("{prefix}.{key}"), inner),
        Value::String(word) if is_plain(word) => vec![format!("{prefix}.{key}={word}")],
        value => vec![format!("{prefix}.{key}={value}")],
    };
    table.iter().flat_map(one).collect()
}

/// A word that TOML would not take for anything else.
fn is_plain(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !["true", "false", "inf", "nan"].contains(&word)
}

/// As a shell takes it for one word.
pub(crate) fn quoted(word: &str) -> String {
    let is_safe = |c: char| c.is_alphanumeric() || "-_./=,+:".contains(c);
    if !word.is_empty() && word.chars().all(is_safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::super::rows::FILE;
    use super::*;

    fn options(quick: bool) -> Options {
        Options { data: "data".into(), quick, seed: 7, time_per_run: 90.0, models: vec![], labels: vec![100], draws: 2 }
    }

    /// What a shell makes of a command in which no quoted word holds a quote.
    fn words(command: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut is_quoted = false;
        for c in command.chars() {
            match c {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(String::new()),
                c => words.last_mut().expect("there is one").push(c),
            }
        }
        words
    }

    #[test]
    fn every_row_has_settings_that_its_model_knows_and_a_command_that_means_them() {
        for (quick, labels) in [(false, 100), (false, 600), (false, 1000), (false, 3000), (true, 100)] {
            for row in FILE.rows.iter().filter(|row| row.model.is_some()) {
                let cell = Cell { row, labels, draw: 2 };
                let config = cell.config(&options(quick), "data").expect("a model").expect("settings that are known");
                let mut typed = Table::new();
                let words = words(&cell.command(&options(quick), "data").expect("a model"));
                for pair in words.windows(2).filter(|pair| pair[0] == "--set") {
                    halfmoon::config::set(&mut typed, &pair[1]).expect("an assignment");
                }
                let flags = format!(
                    "[data]\npath = 'data'\nlabels = {labels}\n[run]\nmodels = ['{}']\nseed = 8\ntime = 90.0",
                    row.model.as_deref().expect("filtered")
                );
                halfmoon::config::merge(&mut typed, flags.parse().expect("TOML"));
                assert_eq!(Config::resolve(typed).expect("settings that are known"), config, "{}", row.id);
            }
        }
    }

    #[test]
    fn a_word_with_blanks_is_quoted_and_a_plain_one_is_not() {
        assert_eq!(quoted("m2.hidden=[500, 500]"), "'m2.hidden=[500, 500]'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("m1.head=tsvm"), "m1.head=tsvm");
    }

    #[test]
    fn a_text_that_reads_like_a_number_keeps_its_quotes() {
        let table = Table::from_iter([("a".to_owned(), Value::from("1")), ("b".to_owned(), Value::from("conv"))]);
        assert_eq!(assignments("m", &table), ["m.a=\"1\"", "m.b=conv"]);
    }
}
