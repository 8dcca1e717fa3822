//! What a user can get wrong, each with its place and what to do about it.

use std::any::Any;
use std::fmt;
use std::path::{Path, PathBuf};

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Something outside the program is not as it must be. Bugs panic instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file was read but does not hold what it should.
    #[error("{place}: {problem}")]
    Data {
        /// Where it is.
        place: Place,
        /// What is wrong there.
        problem: String,
        /// What to do about it.
        hint: String,
    },
    /// The request itself is at fault, or needs a choice that only the user can make.
    #[error("{problem}")]
    Usage {
        /// What is wrong.
        problem: String,
        /// What to do about it.
        hint: String,
    },
}

impl Error {
    /// A file could not be opened, read or written.
    pub fn io(path: &Path, source: std::io::Error) -> Error {
        Error::Io { path: path.to_owned(), source }
    }

    /// A file was read but does not hold what it should.
    pub fn data(place: impl Into<Place>, problem: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Data { place: place.into(), problem: problem.into(), hint: hint.into() }
    }

    /// The request itself is at fault.
    pub fn usage(problem: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Usage { problem: problem.into(), hint: hint.into() }
    }

    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Io { .. } => None,
            Error::Data { hint, .. } | Error::Usage { hint, .. } => {
                Some(hint).filter(|h| !h.is_empty()).map(String::as_str)
            }
        }
    }
}

/// What a panic that was caught said.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given")
}

/// A position in the user's files: `pets.csv, row 7, column age`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file or folder.
    pub path: PathBuf,
    /// Line of a text file, item of an array file; both count from 1.
    pub row: Option<u64>,
    /// A column's name, or its number from 1.
    pub column: Option<String>,
}

impl Place {
    /// This row of a file, counted from 1.
    pub fn row(path: &Path, row: u64) -> Place {
        Place { path: path.to_owned(), row: Some(row), column: None }
    }

    /// The same row, at a column.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Place {
        self.column = Some(column.into());
        self
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Place {
        Place { path: path.to_owned(), row: None, column: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        Ok(())
    }
}

/// ``did you mean `label`?`` when one of the known names is close to what was typed, else
/// `known: a, b, c`.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let close = known
        .iter()
        .map(|name| (strsim::jaro_winkler(&typed.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match close {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("known: {}", known.join(", ")),
    }
}
