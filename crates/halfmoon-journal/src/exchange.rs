//! Labels for other programs, and from them. One format a file below `exchange/`, one line each in [`FORMATS`].
//!
//! | | CSV | JSON lines | Label Studio |
//! |---|---|---|---|
//! | labels that stand, with who, when, how long, what the model said and why it was asked | yes | yes | yes |
//! | skips that stand | | yes | yes |
//! | fields of other programs | | yes | yes |
//! | labels and skips that were replaced or undone, classes without a label, models, rounds | | yes | |
//!
//! A record is an event by ids and names: see `exchange/record.rs`. Its key comes along, so what is exported and imported again
//! is there once. What is new of a file of another program, and what of it stands: see `exchange/receive.rs`; which items its
//! names mean: `exchange/find.rs`.

mod csv;
mod find;
mod jsonl;
mod label_studio;
mod names;
mod receive;
mod record;

use std::io::{Read, Write};
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
    /// Writes what the format can hold of the journal.
    write: fn(&Journal, &mut dyn Write) -> Result<Exported>,
    /// Passes each record of the file, which is called so and holds this, to the receiver.
    read: fn(&Path, &[u8], &Options, &mut Receiver) -> Result<()>,
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

/// How much was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Labels, skips and whatever else the format has of the journal.
    pub records: usize,
    /// Of Label Studio's tasks, how many there are: one for each item, labelled or not.
    pub tasks: Option<usize>,
}

/// What became of the records of a file. Every one is counted once: as new, there before, repeated, older, without a label,
/// left out or in conflict.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// Records in the file.
    pub records: usize,
    /// Of Label Studio's tasks, how many there are; their annotations are the records.
    pub tasks: usize,
    /// Those that the journal did not have.
    pub new: usize,
    /// New labels.
    pub labels: usize,
    /// New skips.
    pub skips: usize,
    /// What is taken back anew.
    pub undos: usize,
    /// Tasks with new fields of their own, which are kept with their items and are no records.
    pub fields: usize,
    /// New to the journal, too, but their annotator said something later of the item, which stands.
    pub older: usize,
    /// Those that it has already, so that nothing was written.
    pub already: usize,
    /// Those that an earlier record of the file says as well.
    pub repeated: usize,
    /// Those that name an item and no label.
    pub unlabelled: usize,
    /// Those that were left out, each with its place and the reason.
    pub problems: Vec<Problem>,
    /// Those that a later record of the same annotator in the same file contradicts, without another time to tell which was
    /// first: the later one counts.
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

/// Writes what the format can hold of the journal as it is at one moment.
pub fn export(journal: &Journal, format: &Format, out: &mut dyn Write) -> Result<Exported> {
    let _now = journal.snapshot()?;
    (format.write)(journal, out)
}

/// Appends what a file says to the journal; the path `-` is standard input. An error leaves the journal as it was.
///
/// A file that is imported twice adds nothing the second time. What a file says last of an item, in the name of an annotator,
/// stands afterwards, unless the same annotator said something later: see the table in `exchange/receive.rs`.
pub fn import(journal: &mut Journal, path: &Path, options: &Options) -> Result<Imported> {
    let format = format(options.format.as_deref(), path)?;
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    let bytes = bytes.map_err(|source| Error::io(path, source))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    // Items only grow, so those that are there stay as they are read.
    let items = journal.items()?;
    journal.write(|writer| {
        let mut receiver = Receiver::new(writer, &items, options)?;
        (format.read)(path, bytes, options, &mut receiver)?;
        receiver.finish()
    })
}

/// An error of the output, which has no name here.
fn broken(source: std::io::Error) -> Error {
    Error::io(Path::new("output"), source)
}
