//! Labels for other programs, and from them. One format a file below `exchange/`, one line each in [`FORMATS`].
//!
//! | | CSV | JSON lines | Label Studio |
//! |---|---|---|---|
//! | labels that stand, with who, when, how long, what the model said and why it was asked | yes | yes | yes |
//! | skips that stand | | yes | yes |
//! | fields of other programs | | yes | yes |
//! | labels and skips that were replaced or undone, classes without a label, models, rounds | | yes | |
//!
//! A record is an event by ids and names: see `exchange/record.rs`. Its key comes along, so what is exported and imported again, or
//! imported twice, is there once.

mod csv;
mod jsonl;
mod label_studio;
mod names;
mod receive;
mod record;

use std::io::Write;
use std::path::Path;

use halfmoon_pool::error::did_you_mean;
use halfmoon_pool::read::Problem;
use halfmoon_pool::{Error, Result};

use self::receive::Receiver;
use crate::journal::Journal;
use crate::moment::Moment;

/// Every format, in the order in which they are asked whether a path is theirs.
pub const FORMATS: &[Format] = &[csv::FORMAT, jsonl::FORMAT, label_studio::FORMAT];

/// A way in which labels lie on disk.
pub struct Format {
    /// What the user types after `--format`.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Endings of its files.
    pub endings: &'static [&'static str],
    /// Writes what the format can hold of the journal, and returns how many records that were.
    write: fn(&Journal, &mut dyn Write) -> Result<usize>,
    /// Passes each record of the file to the receiver.
    read: fn(&Path, &Options, &mut Receiver) -> Result<()>,
}

/// What the user said about a file to be imported.
#[derive(Debug, Clone)]
pub struct Options {
    /// Format by name, where the path does not tell.
    pub format: Option<String>,
    /// The column or field that holds the label, in place of `label`; in Label Studio's files, which question (`from_name`)
    /// of a task is meant.
    pub label: Option<String>,
    /// Whose labels these are, where a record does not say.
    pub annotator: String,
    /// Whether labels that are no classes become some.
    pub new_classes: bool,
    /// The time of import: when a label was given, where a record does not say.
    pub now: Moment,
}

/// What became of the records of a file. Every one is counted once: as new, there before, repeated, without a label or left
/// out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// Records in the file.
    pub records: usize,
    /// Those that the journal did not have.
    pub new: usize,
    /// Those that it has already, so that nothing was written.
    pub already: usize,
    /// Those that an earlier record of the file says as well.
    pub repeated: usize,
    /// Those that name an item and no label.
    pub unlabelled: usize,
    /// Those that were left out, each with its place and the reason.
    pub problems: Vec<Problem>,
    /// Labels that contradict an earlier record of the same annotator in the same file, without a time to tell which came
    /// first. They are counted above: the later one stands.
    pub conflicts: Vec<Problem>,
    /// Classes that were added.
    pub new_classes: Vec<String>,
    /// What a reader should know, one sentence each.
    pub notes: Vec<String>,
}

/// The format of this name, or the one that the path's ending tells.
pub fn format(name: Option<&str>, path: &Path) -> Result<&'static Format> {
    if let Some(name) = name {
        return FORMATS.iter().find(|format| format.name == name).ok_or_else(|| {
            let hint = did_you_mean(name, FORMATS.iter().map(|format| format.name));
            Error::usage(format!("`{name}` is not a format of labels"), hint)
        });
    }
    let file = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    FORMATS.iter().find(|format| format.endings.iter().any(|ending| file.ends_with(ending))).ok_or_else(|| {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        Error::usage(
            format!("{}: the name does not tell the format", path.display()),
            format!("say which: `--format` {}", names.join(", ")),
        )
    })
}

/// Writes what the format can hold of the journal as it is at one moment, and returns how many records that were.
pub fn export(journal: &Journal, format: &Format, out: &mut dyn Write) -> Result<usize> {
    let _now = journal.snapshot()?;
    (format.write)(journal, out)
}

/// Appends what a file says to the journal. An error leaves the journal as it was.
///
/// A record without a key has one made of what it says, so a file that is imported twice adds nothing the second time: also
/// where a label that it holds was changed in the journal meanwhile.
pub fn import(journal: &mut Journal, path: &Path, options: &Options) -> Result<Imported> {
    let format = format(options.format.as_deref(), path)?;
    // Items only grow, so those that are there stay as they are read.
    let items = journal.items()?;
    journal.write(|writer| {
        let mut receiver = Receiver::new(writer, &items, options);
        (format.read)(path, options, &mut receiver)?;
        Ok(receiver.finish())
    })
}

/// An error of the output, which has no name here.
fn broken(source: std::io::Error) -> Error {
    Error::io(Path::new("output"), source)
}
