//! Label texts on their way to [`labels::resolve`](crate::labels::resolve).

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use crate::error::{Error, Place, Result};
use crate::labels::Texts;

/// Label texts as they come, each distinct one kept once.
#[derive(Default)]
pub(super) struct Interner {
    codes: HashMap<String, u32>,
    pub(super) texts: Texts,
}

impl Interner {
    /// The label of one more item.
    pub(super) fn push(&mut self, text: &str) {
        let code = self.code(text);
        self.texts.codes.push(code);
    }

    /// The text's index in [`Texts::distinct`].
    pub(super) fn code(&mut self, text: &str) -> u32 {
        self.codes.get(text).copied().unwrap_or_else(|| {
            let code = u32::try_from(self.codes.len()).expect("fewer than 4 billion distinct labels");
            self.codes.insert(text.to_owned(), code);
            self.texts.distinct.push(text.to_owned());
            code
        })
    }
}

/// Texts of items that nobody has labelled.
pub(super) fn unlabelled(items: usize) -> Texts {
    Texts { distinct: vec![String::new()], codes: vec![0; items] }
}

/// The classes that a text file names, one a line, in its order. Empty lines do not count.
pub(super) fn class_names(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let classes: Vec<String> = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let mut seen = HashSet::new();
    match classes.iter().find(|class| !seen.insert(*class)) {
        Some(twice) => Err(Error::data(path, format!("names the class `{twice}` twice"), "name each class once")),
        None => Ok(classes),
    }
}

/// An error of [`labels::resolve`](crate::labels::resolve), whose row is an item's position, at the
/// place of that item.
pub(super) fn locate(mut error: Error, place_of: impl FnOnce(usize) -> Option<Place>) -> Error {
    if let Error::Data { place, .. } = &mut error
        && let Some(row) = place.row.and_then(|row| usize::try_from(row).ok())
        && let Some(found) = place_of(row.saturating_sub(1))
    {
        *place = found;
    }
    error
}
