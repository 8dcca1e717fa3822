//! A table whose lines come one by one: nothing is known of it but its first line.

use std::path::Path;

use super::dialect::{has_header, sniff, usable_delimiter};
use super::ids::is_called_id;
use super::kinds::is_id_name;
use super::records::{Record, Records};
use super::rows::{LABEL_NAMES, Layout, is_numbered};
use super::{Filler, cell};
use crate::dataset::{Column, Features, Schema};
use crate::error::{Error, Result};
use crate::labels::grouped;
use crate::read::Options;

/// How the lines of a table are to be understood. A record ends with its line, even within quotes.
pub(in crate::read) struct LineTable {
    layout: Layout,
    /// Where each column, or each pixel, is.
    pub(in crate::read) positions: Vec<usize>,
    /// Where an item's own name is: a column `id` that the run does not learn from.
    id: Option<usize>,
    /// Where a picture's file is.
    path: Option<usize>,
    record: Record,
}

impl LineTable {
    /// From the first line, and whether that is a header. A header that lacks a column is an error.
    pub(in crate::read) fn begin(
        first: &[u8],
        name: &Path,
        schema: &Schema,
        options: &Options,
    ) -> Result<(LineTable, bool)> {
        let delimiter = match options.delimiter {
            Some(given) => usable_delimiter(given)?,
            None => sniff(first, true),
        };
        let mut record = Record::default();
        let fields = match split(first, delimiter, &mut record) {
            Ok(()) => record.fields(),
            Err(problem) => {
                let hint = "the first line names the columns, or is an item as the run knows it";
                return Err(Error::data(name, format!("line 1: {problem}"), hint));
            }
        };
        let is_header = match (options.header, &schema.features) {
            (Some(said), _) => said,
            // There is nothing below it to compare it with: a header is what makes no sense as an item.
            (None, Features::Columns(columns)) if is_numbered(columns) => !is_item(columns, &fields, delimiter != b','),
            (None, Features::Columns(_)) => has_header(std::slice::from_ref(&fields), options, Some(schema)),
            (None, Features::Image(_)) => fields.iter().any(|field| cell::number(field, delimiter != b',').is_none()),
        };
        let layout = Layout::of_first_line(delimiter, options.delimiter.is_some(), is_header, fields);
        let named = |wanted: &dyn Fn(&str) -> bool| {
            let known = |name: &str| match &schema.features {
                Features::Columns(columns) => columns.iter().any(|column| column.name == name),
                Features::Image(_) => false,
            };
            layout.names.iter().position(|name| is_header && wanted(name) && !known(name))
        };
        let id = named(&is_called_id).or_else(|| named(&is_id_name));
        let path = named(&|known| known == "path").filter(|_| matches!(schema.features, Features::Image(_)));
        let positions = match &schema.features {
            Features::Columns(columns) => layout.match_columns(name, columns)?,
            Features::Image(_) if path.is_some() => Vec::new(),
            Features::Image(shape) => {
                let label = named(&|known| LABEL_NAMES.iter().any(|label| known.eq_ignore_ascii_case(label)));
                let others = |at: &usize| Some(*at) != id && Some(*at) != label;
                let pixels: Vec<usize> = (0..layout.names.len()).filter(others).collect();
                if pixels.len() != shape.len() {
                    let problem = format!(
                        "has {} columns of pixels, but the run was trained on pictures of {}×{}, which have {}",
                        grouped(pixels.len()),
                        shape.height,
                        shape.width,
                        grouped(shape.len())
                    );
                    let hint =
                        "give a column a pixel, or the pictures' files in a column `path`; `id` may stand beside them";
                    return Err(Error::data(name, problem, hint));
                }
                pixels
            }
        };
        Ok((LineTable { layout, positions, id, path, record }, is_header))
    }

    /// Takes a line; why it is no record of this table. What can be told of its id and file is told all the same.
    pub(in crate::read) fn take(&mut self, line: &[u8]) -> std::result::Result<(), String> {
        split(line, self.layout.delimiter(), &mut self.record)?;
        self.layout.raggedness(&self.record).map_or(Ok(()), Err)
    }

    /// A field of a line that was taken.
    pub(in crate::read) fn field(&self, position: usize) -> &str {
        self.record.field(position)
    }

    /// What the item is called.
    pub(in crate::read) fn id(&self) -> Option<&str> {
        self.record.get(self.id?)
    }

    /// Where the picture is.
    pub(in crate::read) fn path(&self) -> Option<&str> {
        self.record.get(self.path?)
    }

    /// Whether `1,5` may be a number.
    pub(in crate::read) fn comma(&self) -> bool {
        self.layout.comma()
    }
}

/// A number of a field, if it is a finite one.
pub(in crate::read) fn finite(text: &str, comma: bool) -> Option<f32> {
    cell::number(text, comma).filter(|number| number.is_finite())
}

fn split(line: &[u8], delimiter: u8, record: &mut Record) -> std::result::Result<(), String> {
    *record = Record::default();
    let mut records = Records::new(line, delimiter, Path::new(""));
    match records.next(record) {
        Err(_) => {
            // What was split so far is no record: its fields lie in a text that is gone.
            *record = Record::default();
            Err("a quote opens and does not close on this line".to_owned())
        }
        Ok(false) => Err("the line is empty".to_owned()),
        Ok(true) if records.next(&mut Record::default()).unwrap_or(true) => {
            Err("there is a carriage return within the line".to_owned())
        }
        Ok(true) => Ok(()),
    }
}

/// Whether any of the fields says something in its column.
fn is_item(columns: &[Column], fields: &[String], comma: bool) -> bool {
    columns.iter().any(|column| {
        let position = column.name.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let field = position.and_then(|position| fields.get(position));
        field.is_some_and(|field| !cell::is_missing(field) && Filler::known(&column.kind, comma).push(field))
    })
}
