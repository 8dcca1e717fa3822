//! A table: a row for each label that stands, whoever gave it.
//!
//! The first seven columns are `id,path,label,annotator,created_at,source,confidence`; what follows them may grow. See
//! [`record`](super::record) for what they hold. A text that is not there and an empty one are the same empty cell.
//!
//! Any table with a column `id` (or `path`, `file_name`, `file`, `filename`, `image`) and one `label` is read; other columns are
//! kept with the event.
//! Delimiters are commas, semicolons or tabs.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use halfmoon_pool::error::{Error, Place, Result, did_you_mean};
use serde_json::{Map, Value};

use super::names::Names;
use super::receive::Receiver;
use super::record::{NAMES, OTHER_NAMES, Record, fields};
use super::{Exported, Format, Options, broken};
use crate::event::{Action, EventId};
use crate::journal::Journal;

pub(super) const FORMAT: Format = Format {
    name: "csv",
    about: "a table, a row a label: id,path,label,annotator,created_at,source,confidence,…; holds what stands, and no skips",
    endings: &[".csv", ".tsv"],
    write,
    read,
};

/// What follows `id`, `path` and `label`.
const COLUMNS: [&str; 10] =
    ["annotator", "created_at", "source", "confidence", "model_label", "model", "seconds", "why", "round", "key"];

fn write(journal: &Journal, out: &mut dyn Write) -> Result<Exported> {
    let (names, labels) = (Names::of(journal)?, journal.labels()?);
    let standing: HashSet<EventId> = labels.votes.iter().map(|vote| vote.event).collect();
    let mut out = csv::Writer::from_writer(out);
    out.write_record(["id", "path", "label"].iter().chain(&COLUMNS)).map_err(|error| broken(io(error)))?;
    let mut rows = 0;
    journal.each_event(EventId(0), &mut |id, event| {
        let Action::Label(item, class) = event.action else { return Ok(()) };
        if !standing.contains(&id) {
            return Ok(());
        }
        let item = names.item(item)?;
        let path = item.path.as_deref().unwrap_or_default();
        let mut row = vec![item.id.clone(), path.to_owned(), names.class(class)?.to_owned()];
        let known = fields(&event, &names)?;
        row.extend(COLUMNS.iter().map(|column| match known.iter().find(|(name, _)| name == column) {
            Some((_, Value::String(text))) => text.clone(),
            Some((_, value)) => value.to_string(),
            None => String::new(),
        }));
        rows += 1;
        out.write_record(row).map_err(|error| broken(io(error)))
    })?;
    out.flush().map_err(broken)?;
    Ok(Exported { records: rows, tasks: None })
}

fn io(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => std::io::Error::other(format!("{kind:?}")),
    }
}

fn read(path: &Path, bytes: &[u8], options: &Options, receiver: &mut Receiver) -> Result<()> {
    let label = options.label.as_deref().unwrap_or("label");
    let delimiter = delimiter(bytes, label);
    let mut rows = Rows { bytes, delimiter, at: 0, line: 1, path };
    let Some((_, header)) = rows.next()? else {
        return Err(Error::data(path, "is empty", "a table of labels has a header: id,label"));
    };
    let names = header.into_iter().map(|name| String::from_utf8(name).map(|name| name.trim().to_owned()));
    let names: Vec<String> = names
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Error::data(Place::row(path, 1), "is not UTF-8", "save the table as UTF-8: labels are texts"))?;
    // As readers of data take a column `ID`.
    let known =
        |name: &String| [label].into_iter().chain(NAMES).chain(OTHER_NAMES).find(|k| k.eq_ignore_ascii_case(name));
    let names: Vec<String> = names.into_iter().map(|name| known(&name).map_or(name, str::to_owned)).collect();
    refuse_header(path, &names, label)?;
    while let Some((line, cells)) = rows.next()? {
        let place = Place::row(path, line);
        if cells.len() != names.len() {
            receiver.problem(&place, format!("has {} fields, the header has {}", cells.len(), names.len()));
            continue;
        }
        let mut fields = Map::new();
        let mut is_text = true;
        for (name, cell) in names.iter().zip(cells) {
            match String::from_utf8(cell) {
                Ok(cell) if cell.is_empty() => {}
                Ok(cell) => drop(fields.insert(name.clone(), cell.into())),
                Err(_) => is_text = false,
            }
        }
        if is_text {
            receiver.take(Record::of(place, fields, label))?;
        } else {
            receiver.problem(&place, "is not UTF-8");
        }
    }
    Ok(())
}

fn refuse_header(path: &Path, names: &[String], label: &str) -> Result<()> {
    let has = |name: &str| names.iter().any(|known| known == name);
    let hint = if !has(label) {
        let close = did_you_mean(label, names.iter().map(String::as_str));
        format!("`--label COLUMN` says which one holds the labels; {close}")
    } else if !NAMES.into_iter().chain(OTHER_NAMES).any(has) {
        format!(
            "call the column that names the items `id`; {} will do, too",
            OTHER_NAMES.map(|name| format!("`{name}`")).join(", ")
        )
    } else if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        return Err(Error::data(Place::row(path, 1), format!("names the column `{}` twice", twice.1), "rename one"));
    } else {
        return Ok(());
    };
    let missing = if has(label) { "id" } else { label };
    Err(Error::data(Place::row(path, 1), format!("has no column `{missing}`"), hint))
}

/// The one that divides the header so that the label's column is there.
fn delimiter(bytes: &[u8], label: &str) -> u8 {
    let header = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let header = String::from_utf8_lossy(header);
    let has_label = |delimiter: &u8| {
        header.split(char::from(*delimiter)).any(|name| name.trim().trim_matches('"').eq_ignore_ascii_case(label))
    };
    [b',', b';', b'\t'].into_iter().find(has_label).unwrap_or(b',')
}

/// Splits a table into records exactly: no space and no line end inside a quote is changed.
struct Rows<'a> {
    bytes: &'a [u8],
    delimiter: u8,
    at: usize,
    line: u64,
    path: &'a Path,
}

impl Rows<'_> {
    /// The next record and the line where it begins; blank lines are none.
    fn next(&mut self) -> Result<Option<(u64, Vec<Vec<u8>>)>> {
        while self.end_of_line() {}
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let line = self.line;
        let mut cells = vec![self.cell()?];
        while self.at < self.bytes.len() && !self.end_of_line() {
            // Otherwise a delimiter: a cell ends at nothing else.
            self.at += 1;
            cells.push(self.cell()?);
        }
        Ok(Some((line, cells)))
    }

    /// Steps over a line end, if there is one.
    fn end_of_line(&mut self) -> bool {
        let rest = &self.bytes[self.at..];
        let length =
            if rest.starts_with(b"\r\n") { 2 } else { usize::from(matches!(rest.first(), Some(b'\n' | b'\r'))) };
        self.at += length;
        self.line += u64::from(length > 0);
        length > 0
    }

    fn cell(&mut self) -> Result<Vec<u8>> {
        let mut cell = Vec::new();
        if self.bytes.get(self.at) == Some(&b'"') {
            self.at += 1;
            self.quoted(&mut cell)?;
        }
        let rest = &self.bytes[self.at..];
        let ends = |byte: &u8| *byte == self.delimiter || matches!(byte, b'\n' | b'\r');
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        cell.extend_from_slice(&rest[..end]);
        self.at += end;
        Ok(cell)
    }

    fn quoted(&mut self, cell: &mut Vec<u8>) -> Result<()> {
        let opened = self.line;
        loop {
            let rest = &self.bytes[self.at..];
            let Some(length) = rest.iter().position(|&byte| byte == b'"') else {
                return Err(Error::data(
                    Place::row(self.path, opened),
                    "a quote opens here and does not close before the end of the file",
                    "close it, or double it (`\"\"`) if it belongs to the text",
                ));
            };
            let (text, rest) = (&rest[..length], &rest[length + 1..]);
            let mut before = 0;
            for &byte in text {
                self.line += u64::from(byte == b'\r' || byte == b'\n' && before != b'\r');
                before = byte;
            }
            cell.extend_from_slice(text);
            self.at += length + 1;
            if rest.first() != Some(&b'"') {
                return Ok(());
            }
            cell.push(b'"');
            self.at += 1;
        }
    }
}
