//! Tables for the terminal: columns as wide as they must be, numbers to the right.

use std::fmt;
use std::io::Write;

use halfmoon_pool::metric::Estimate;

use crate::Failure;

/// A header and rows.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<'a>(header: impl IntoIterator<Item = &'a str>) -> Table {
        Table { rows: vec![header.into_iter().map(str::to_owned).collect()] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let columns = self.rows[0].len();
        let width = |column: usize| self.rows.iter().map(|row| shown(&row[column]).chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let cell = shown(cell);
                let padding = " ".repeat(width - cell.chars().count());
                // The first column names the row.
                let parts = if column == 0 { [&cell, &padding, ""] } else { ["  ", &padding, &cell] };
                line.extend(parts);
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Characters that are shown of a cell.
const WIDEST: usize = 120;

/// A class name may hold a line break or a whole text, a table's cell may not.
fn shown(cell: &str) -> String {
    let mut shown: String = cell.chars().take(WIDEST).map(|c| if c.is_control() { '␤' } else { c }).collect();
    if cell.chars().nth(WIDEST).is_some() {
        shown.push('…');
    }
    shown
}

/// `0.9210 [0.9012, 0.9371]`, or `–` where it is undefined.
pub(crate) fn figure(estimate: Option<&Estimate>) -> String {
    match estimate {
        None => "–".into(),
        // Adding 0 turns −0 into 0.
        Some(Estimate { value, interval: None }) => format!("{:.4} [–]", value + 0.0),
        Some(Estimate { value, interval: Some((low, high)) }) => {
            format!("{:.4} [{:.4}, {:.4}]", value + 0.0, low + 0.0, high + 0.0)
        }
    }
}

/// `0.9210`, or `–` where it is undefined.
pub(crate) fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.4}"))
}

/// Names and what they are, to standard output.
pub(crate) fn two_columns<'a>(rows: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), Failure> {
    let rows: Vec<_> = rows.collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut out = std::io::stdout().lock();
    for (name, about) in rows {
        writeln!(out, "{name:width$}  {about}")?;
    }
    Ok(())
}
