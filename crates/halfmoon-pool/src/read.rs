//! Files to data sets. One format a file below `read/`, one line each in [`FORMATS`].

mod arrays;
mod caught;
mod cifar;
mod crowd;
mod csv;
mod digits;
mod idx;
mod image_folder;
mod labels_from;
pub mod lines;
pub mod memory;
mod npy;
mod parquet;
pub mod picture;
#[cfg(test)]
mod testing;
mod texts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, Inputs, Schema};
use crate::error::{Error, Result};

pub use self::csv::is_called_id;
pub use self::image_folder::{Listed, Listing};

/// Every format, in the order in which they are asked whether a path is theirs.
pub const FORMATS: &[Format] =
    &[digits::FORMAT, idx::FORMAT, cifar::FORMAT, npy::FORMAT, parquet::FORMAT, csv::FORMAT, image_folder::FORMAT];

/// A way in which data lies on disk.
pub struct Format {
    /// What the user types after `--format`.
    pub name: &'static str,
    /// One line for `halfmoon formats`.
    pub about: &'static str,
    /// Whether a path looks like this format. Cheap: names and a folder listing, not contents.
    pub claims: fn(&Path) -> bool,
    /// Whether labels may come from a second file: see [`Options::labels_from`].
    pub takes_labels: bool,
    /// Reads everything, for training and evaluation.
    pub read: fn(&Path, &Options) -> Result<Source>,
    /// Reads inputs chunk by chunk, for prediction. The schema is the run's: see [`stream`].
    pub stream: fn(&Path, &Schema, &Options, Sink) -> Result<()>,
}

/// Takes one chunk of a stream; an error from it ends the stream and is passed on.
pub type Sink<'a> = &'a mut dyn FnMut(Chunk) -> Result<()>;

/// What a path held.
#[derive(Debug, Clone)]
pub struct Source {
    /// Items to learn from, labelled or not.
    pub train: Dataset,
    /// The data's own validation split.
    pub validation: Option<Dataset>,
    /// The data's own test split.
    pub test: Option<Dataset>,
    /// What a reader should know: how columns were understood, which folder holds the unlabelled
    /// items, what was resized. One sentence each, printed in the summary.
    pub notes: Vec<String>,
    /// Items that could not be used, each with its place and the reason. Nothing is dropped that is
    /// not in this list.
    pub problems: Vec<Problem>,
}

/// An item that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The item's file, or file and row.
    pub place: String,
    /// Why it is left out.
    pub reason: String,
}

/// Some inputs of a stream: one entry an input, whatever happened to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// How the user knows each input: what a column `id` says of it, its position counted from 1, or its path.
    pub ids: Vec<String>,
    /// What happened to each.
    pub status: Vec<Status>,
    /// A row for each entry; rows of unreadable inputs hold zeros (or gaps, in a table).
    pub inputs: Inputs,
}

/// What happened to one input of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It was read.
    Ok,
    /// It was read, but holds something that training never saw, such as a new category: what, and where.
    Unseen(String),
    /// It could not be read: why.
    Unreadable(String),
}

impl Status {
    /// Whether there is an input to answer.
    pub fn is_readable(&self) -> bool {
        !matches!(self, Status::Unreadable(_))
    }
}

/// `ok`, `unseen: …`, `unreadable: …`.
impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Status::Ok => f.write_str("ok"),
            Status::Unseen(what) => write!(f, "unseen: {what}"),
            Status::Unreadable(why) => write!(f, "unreadable: {why}"),
        }
    }
}

/// Whether this names data that are part of the program, and no file.
pub fn is_built_in(path: &Path) -> bool {
    (digits::FORMAT.claims)(path)
}

/// Items in one chunk of a stream.
pub const CHUNK: usize = 1024;

/// What the user said about the data.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Format by name, where the path does not tell.
    pub format: Option<String>,
    /// Label column of a table: its name, or its number counted from 1.
    pub label: Option<String>,
    /// A second file that holds the labels: a table, of which `label` names a column, or a `.npy`.
    pub labels_from: Option<PathBuf>,
    /// The classes, where some may have no label yet. Fixes their order.
    pub classes: Option<Vec<String>>,
    /// Texts that mean "no label", besides the empty cell, NaN, NA, null and None.
    pub missing_labels: Vec<String>,
    /// What the label −1 means.
    pub minus_one: MinusOne,
    /// Column kinds that override what was found: column name (or number) → `numeric`, `yes_no`,
    /// `category` or `ignore`.
    pub columns: BTreeMap<String, String>,
    /// Items of a text table are known by the numbers of their rows, and a column `id` is one like any other.
    pub count_rows: bool,
    /// Field delimiter of a table, where sniffing is wrong.
    pub delimiter: Option<u8>,
    /// Whether a table's first line is a header, where guessing is wrong.
    pub header: Option<bool>,
    /// Size that pictures of an image folder are brought to: (height, width).
    pub image_size: Option<(usize, usize)>,
    /// The schema of a trained run: columns are matched by name, classes and picture size are its.
    pub schema: Option<Schema>,
}

/// What the label −1 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MinusOne {
    /// Unlabelled in a whole-number column, unless its only partner is +1: then the user is asked.
    #[default]
    Ask,
    /// No label.
    Unlabelled,
    /// A class like any other.
    Class,
}

/// Reads a data set from a path, a folder or the name of built-in data.
pub fn read(path: &Path, options: &Options) -> Result<Source> {
    let format = format(path, options)?;
    if options.labels_from.is_some() && !format.takes_labels {
        let takers = FORMATS.iter().filter(|format| format.takes_labels).map(|format| format.name);
        let takers = takers.collect::<Vec<_>>().join(", ");
        return Err(Error::usage(
            format!("data in the format {} have their labels with them: `--labels-from` is of no use", format.name),
            format!("it is for data in the formats {takers}"),
        ));
    }
    let source = (format.read)(path, options)?;
    if source.train.is_empty() {
        return Err(Error::data(path, "holds no usable item", "see `halfmoon formats` for how data may lie on disk"));
    }
    Ok(source)
}

/// Passes a path's inputs to `sink`, about [`CHUNK`] at a time and in the file's order. `-` is
/// standard input, as a table.
///
/// Columns are matched by name: a missing one is an error, an extra one is ignored, the order is free. Ids are what the rows
/// have in the column `id`, though two may have the same; [`read`] takes them only where no two have: see [`why_counted`].
pub fn stream(path: &Path, schema: &Schema, options: &Options, sink: Sink) -> Result<()> {
    (format(path, options)?.stream)(path, schema, options, sink)
}

/// Why [`read`] would know the items of a text table by the numbers of their rows, though it has a column `id`. The file is read
/// through. Who streams and needs the same ids sets [`Options::count_rows`] then.
pub fn why_counted(path: &Path, schema: &Schema, options: &Options) -> Result<Option<String>> {
    if format(path, options)?.name == csv::FORMAT.name { csv::why_counted(path, schema, options) } else { Ok(None) }
}

/// What a folder of pictures holds by its names alone, before a picture is opened. `None` for data in another format, whose items are known
/// when they are read.
pub fn list(path: &Path, options: &Options) -> Result<Option<Listing>> {
    is_of_pictures(path, options)?.then(|| image_folder::list(path, options)).transpose()
}

/// Whether it is a folder of pictures, or one picture: nothing is opened.
pub fn is_of_pictures(path: &Path, options: &Options) -> Result<bool> {
    Ok(format(path, options)?.name == image_folder::FORMAT.name)
}

fn format(path: &Path, options: &Options) -> Result<&'static Format> {
    if let Some(name) = &options.format {
        return FORMATS.iter().find(|format| format.name == name).ok_or_else(|| {
            Error::usage(
                format!("`{name}` is not a format"),
                crate::error::did_you_mean(name, FORMATS.iter().map(|format| format.name)),
            )
        });
    }
    if let Some(format) = FORMATS.iter().find(|format| (format.claims)(path)) {
        return Ok(format);
    }
    match path.metadata() {
        Err(source) => Err(Error::io(path, source)),
        Ok(_) => Err(Error::data(
            path,
            "is in no known format",
            "`halfmoon formats` lists them; `--format NAME` chooses one where the name does not tell",
        )),
    }
}
