//! What can be labelled.

use std::fmt;

/// Number of an item in its journal, from 1 in the order of adding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub i64);

/// One thing that can be labelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// How the user knows it, such as a path relative to the data's folder or a position in a file; no two items share
    /// one.
    pub id: String,
    /// Its file, relative to the data's folder. `None`: a row of a table or of an array.
    pub path: Option<String>,
    /// What it holds.
    pub content: Content,
    /// What the data say it is for.
    pub split: Split,
}

/// BLAKE3 of what an item holds: two items with the same one are copies of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content(pub [u8; 32]);

impl Content {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Content {
        Content(*blake3::hash(bytes).as_bytes())
    }
}

/// Hexadecimal.
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What the data say an item is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// To learn from; candidates are of this split.
    Train,
    /// To choose settings by.
    Validation,
    /// To judge by.
    Test,
}

impl Split {
    /// Every split.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }

    /// The split of this name.
    pub fn named(name: &str) -> Option<Split> {
        Split::ALL.into_iter().find(|split| split.name() == name)
    }
}

/// What became of items that were to be added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Added {
    /// How many were not there before.
    pub new: usize,
    /// How many were there as they are.
    pub already: usize,
    /// Ids of those that are there with another content, path or split, which they keep: an item is never changed.
    pub differ: Vec<String>,
}
