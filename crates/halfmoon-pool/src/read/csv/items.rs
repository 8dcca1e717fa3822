//! Labels of the items of another file.

use std::path::{Path, PathBuf};

use super::ids::is_called_id;
use super::origin::Origin;
use super::records::Record;
use crate::error::{Error, Result};
use crate::labels::Texts;
use crate::read::texts::Interner;
use crate::read::{Options, Problem};

/// A table that gives the items of another file their labels.
pub(in crate::read) struct LabelTable {
    pub(in crate::read) name: PathBuf,
    /// The name of the label column.
    pub(in crate::read) column: String,
    /// The label of each row.
    pub(in crate::read) texts: Texts,
    /// The line on which each row begins.
    pub(in crate::read) lines: Vec<u64>,
    /// What may say whose label a row holds.
    pub(in crate::read) ids: Option<IdColumn>,
    pub(in crate::read) has_header: bool,
    /// The header calls the label column by a usual name.
    pub(in crate::read) is_called_label: bool,
    /// Lines above the first row.
    pub(in crate::read) header_lines: u64,
    /// Lines in the file.
    pub(in crate::read) all_lines: u64,
    /// Whether the labels are the only column.
    pub(in crate::read) is_alone: bool,
    pub(in crate::read) notes: Vec<String>,
    /// Rows with too few or too many fields.
    pub(in crate::read) ragged: Vec<Problem>,
}

/// The column `id`, else the first one.
pub(in crate::read) struct IdColumn {
    pub(in crate::read) name: String,
    /// It is called `id`.
    pub(in crate::read) is_id: bool,
    /// The header has a name for it, or there is no header.
    pub(in crate::read) is_named: bool,
    pub(in crate::read) cells: Vec<String>,
}

/// The label column of a table, and the column that names the items.
pub(in crate::read) fn label_table(path: &Path, options: &Options) -> Result<LabelTable> {
    labels_of(&Origin::new(path)?, options)
}

fn labels_of(origin: &Origin, options: &Options) -> Result<LabelTable> {
    let mut rows = origin.rows(options, None)?;
    let header_lines = rows.lines();
    let layout = &rows.layout;
    let id = layout.names.iter().position(|name| is_called_id(name));
    let label = match (&options.label, &layout.names[..]) {
        (Some(label), _) => layout.find(label).ok_or_else(|| {
            Error::data(origin.name.as_path(), format!("has no column `{label}`"), layout.guess(label))
        })?,
        (None, [_]) => 0,
        (None, [_, _]) => layout.usual_label().unwrap_or(usize::from(id != Some(1))),
        (None, _) => layout.usual_label().ok_or_else(|| {
            Error::data(
                origin.name.as_path(),
                "has several columns, none of which is called `label`",
                format!("`--label NAME`, one of: {}", layout.listing()),
            )
        })?,
    };
    let id = id.filter(|&id| id != label);
    let position = id.or((label != 0).then_some(0));
    let mut ids = position.map(|position| IdColumn {
        name: layout.names[position].clone(),
        is_id: id.is_some(),
        // a column without a name is called by its number
        is_named: !layout.has_header || layout.names[position] != (position + 1).to_string(),
        cells: Vec::new(),
    });
    let is_called_label = layout.usual_label() == Some(label);
    let (column, has_header, is_alone) = (layout.names[label].clone(), layout.has_header, layout.names.len() == 1);

    let mut labels = Interner::default();
    let mut lines = Vec::new();
    let mut record = Record::default();
    while rows.next_regular(&mut record)? {
        labels.push(record.field(label));
        lines.push(record.line);
        if let Some((ids, position)) = ids.as_mut().zip(position) {
            ids.cells.push(record.field(position).trim().to_owned());
        }
    }
    rows.check()?;
    Ok(LabelTable {
        name: origin.name.clone(),
        column,
        texts: labels.texts,
        lines,
        ids,
        has_header,
        is_called_label,
        header_lines,
        all_lines: rows.lines(),
        is_alone,
        notes: rows.recoded_note().into_iter().collect(),
        ragged: rows.ragged,
    })
}
