//! The rows of the table, from `data/ssl_mnist.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use halfmoon::config::merge;
use halfmoon_pool::Error;
use halfmoon_pool::error::did_you_mean;
use serde::Deserialize;
use toml::Table;

/// The data file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// The fingerprint of MNIST.
    pub(super) mnist: String,
    pub(super) rows: Vec<Row>,
}

/// A method; the fields are explained in the data file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) model: Option<String>,
    pub(super) source: Option<String>,
    #[serde(default)]
    published: BTreeMap<String, String>,
    #[serde(default)]
    seconds: f64,
    #[serde(default)]
    settings: Table,
    #[serde(default)]
    settings_at: BTreeMap<String, Table>,
    quick: Option<Quick>,
    #[serde(default)]
    on_request: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quick {
    seconds: f64,
    settings: Table,
}

/// What was compiled in.
pub(super) static FILE: LazyLock<File> =
    LazyLock::new(|| toml::from_str(include_str!("../../data/ssl_mnist.toml")).expect("a test reads this file"));

/// The ids of the rows that were typed, in the table's order; without any, of all that are not left out by default.
pub(crate) fn choose(typed: Option<&[String]>, quick: bool) -> Result<Vec<String>, Error> {
    let possible = || FILE.rows.iter().filter(|row| !quick || row.quick.is_some());
    let Some(typed) = typed else {
        return Ok(possible().filter(|row| !row.on_request).map(|row| row.id.clone()).collect());
    };
    for id in typed {
        if !possible().any(|row| row.id == *id) {
            let of = if quick { "the quick table" } else { "the table" };
            let hint = did_you_mean(id, possible().map(|row| row.id.as_str()));
            return Err(Error::usage(format!("`{id}` is not a row of {of}"), hint));
        }
    }
    Ok(possible().filter(|row| typed.contains(&row.id)).map(|row| row.id.clone()).collect())
}

/// Name, test error in % and source of a row, as published for so many labels.
pub(crate) fn published(id: &str, labels: usize) -> Option<(&'static str, f64, &'static str)> {
    let row = row(id)?;
    Some((&row.name, numbers(row.published(labels)?).0?, row.source.as_deref()?))
}

/// A row by its id.
pub(super) fn row(id: &str) -> Option<&'static Row> {
    FILE.rows.iter().find(|row| row.id == id)
}

impl Row {
    /// Settings of the model that differ from its defaults.
    pub(super) fn settings(&self, labels: usize, quick: bool) -> Table {
        let mut settings = self.settings.clone();
        let at = self.settings_at.get(&labels.to_string());
        let quick = self.quick.as_ref().filter(|_| quick).map(|quick| &quick.settings);
        for over in [at, quick].into_iter().flatten() {
            merge(&mut settings, over.clone());
        }
        settings
    }

    /// A run's time on two cores, roughly.
    pub(super) fn seconds(&self, quick: bool) -> f64 {
        self.quick.as_ref().filter(|_| quick).map_or(self.seconds, |quick| quick.seconds)
    }

    /// The test error in %, as printed.
    pub(super) fn published(&self, labels: usize) -> Option<&str> {
        self.published.get(&labels.to_string()).map(String::as_str)
    }
}

/// `3.33 ± 0.14` as its two numbers.
pub(super) fn numbers(published: &str) -> (Option<f64>, Option<f64>) {
    let (error, spread) = published.split_once('±').unwrap_or((published, ""));
    (error.trim().parse().ok(), spread.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_typed_shown_and_compared() {
        assert_eq!(FILE.mnist.len(), 64, "BLAKE3 in hexadecimal digits");
        for (at, row) in FILE.rows.iter().enumerate() {
            assert!(row.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{}", row.id);
            assert!(FILE.rows[..at].iter().all(|other| other.id != row.id && other.name != row.name), "{}", row.id);
            assert!(row.model.is_some() || !row.published.is_empty(), "{}: nothing to show", row.id);
            assert!(row.model.is_none() || row.seconds > 0.0, "{}: no time", row.id);
            assert_eq!(row.published.is_empty(), row.source.is_none(), "{}: a figure has a source", row.id);
            for (labels, figure) in &row.published {
                assert!(labels.parse::<usize>().is_ok(), "{}: {labels}", row.id);
                let (error, spread) = numbers(figure);
                assert!(error.is_some() && spread.is_some() == figure.contains('±'), "{}: {figure}", row.id);
            }
            assert!(row.settings_at.keys().all(|labels| labels.parse::<usize>().is_ok()), "{}", row.id);
        }
    }

    #[test]
    fn rows_come_in_the_order_of_the_table_whatever_the_order_in_which_they_are_typed() {
        let typed = ["m2", "nn"].map(str::to_owned);
        assert_eq!(choose(Some(&typed), false).expect("known"), ["nn", "m2"]);
        let all = choose(None, false).expect("no name can be wrong");
        assert!(all.contains(&"m1m2".to_owned()) && !all.contains(&"m1_knn".to_owned()));
    }

    #[test]
    fn a_name_that_is_no_row_is_answered_with_the_nearest_one() {
        let error = choose(Some(&["m1_m2".to_owned()]), false).expect_err("not a row");
        assert_eq!(error.hint(), Some("did you mean `m1m2`?"));
        assert!(choose(Some(&["mtc".to_owned()]), true).is_err(), "not a row of --quick");
    }
}
