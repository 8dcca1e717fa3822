//! What the runs of a table came to.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use halfmoon::run::Folder;
use halfmoon_pool::{Error, Result};
use serde_json::Value;

use super::cell::Cell;
use super::interval;
use super::rows::Row;

/// Runs by the names of their cells.
#[derive(Default)]
pub(super) struct Results {
    pub(super) runs: BTreeMap<String, Run>,
    /// What those said that failed while this program ran.
    pub(super) failed: BTreeMap<String, String>,
}

/// A finished run.
pub(super) struct Run {
    /// Test error in %.
    pub(super) error: f64,
    /// Training time.
    pub(super) seconds: f64,
    /// How its figures were made.
    pub(super) protocol: String,
}

/// The draws of a row with a number of labels.
pub(super) struct Draws<'a> {
    /// Test errors in %.
    pub(super) errors: Vec<f64>,
    /// Training times.
    pub(super) seconds: Vec<f64>,
    /// Draw and message.
    pub(super) failed: Vec<(u64, &'a str)>,
}

impl Results {
    pub(super) fn draws(&self, row: &'static Row, labels: usize, draws: u64) -> Draws<'_> {
        let mut found = Draws { errors: vec![], seconds: vec![], failed: vec![] };
        for draw in 1..=draws {
            let name = Cell { row, labels, draw }.name();
            if let Some(run) = self.runs.get(&name) {
                found.errors.push(run.error);
                found.seconds.push(run.seconds);
            } else if let Some(message) = self.failed.get(&name) {
                found.failed.push((draw, message));
            }
        }
        found
    }
}

impl Draws<'_> {
    /// Mean error, and half the width of its 95 % interval.
    pub(super) fn error(&self) -> Option<(f64, Option<f64>)> {
        interval::mean(&self.errors)
    }

    /// Mean training time.
    pub(super) fn time(&self) -> Option<f64> {
        interval::mean(&self.seconds).map(|(mean, _)| mean)
    }

    /// Runs that ended because their time was up.
    pub(super) fn cut_short(&self, time_per_run: f64) -> usize {
        self.seconds.iter().filter(|&&seconds| seconds >= time_per_run).count()
    }
}

/// A run that finished, from its folder; `None` where none did.
pub(super) fn read(folder: &Path) -> Result<Option<Run>> {
    let path = Folder(folder.to_owned()).result();
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).map_err(|source| Error::io(&path, source))?;
    let result: Value = serde_json::from_str(&text).unwrap_or_default();
    let figures = (result["test"]["accuracy"].as_f64(), result["seconds"].as_f64(), result["protocol"].as_str());
    let (Some(accuracy), Some(seconds), Some(protocol)) = figures else {
        let hint = "remove the run's folder, and it is trained again";
        return Err(Error::data(path.as_path(), "holds no accuracy on held-out items", hint));
    };
    Ok(Some(Run { error: 100.0 * (1.0 - accuracy), seconds, protocol: protocol.to_owned() }))
}
