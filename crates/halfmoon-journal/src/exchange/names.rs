//! Names for numbers.

use std::path::PathBuf;

use halfmoon_pool::{Class, Result};

use crate::item::{Item, ItemId};
use crate::journal::Journal;
use crate::sqlite::damaged;

/// All names of a journal. A number without one is an error: the file is damaged.
pub(super) struct Names {
    path: PathBuf,
    classes: Vec<String>,
    pub(super) items: Vec<(ItemId, Item)>,
}

impl Names {
    pub(super) fn of(journal: &Journal) -> Result<Names> {
        Ok(Names { path: journal.path().to_owned(), classes: journal.classes()?, items: journal.items()? })
    }

    pub(super) fn class(&self, class: Class) -> Result<&str> {
        let name = self.classes.get(class.index()).map(String::as_str);
        name.ok_or_else(|| damaged(&self.path, &format!("an event names class {}, which is not there", class.0)))
    }

    pub(super) fn item(&self, number: ItemId) -> Result<&Item> {
        let found = self.items.binary_search_by_key(&number, |(number, _)| *number);
        let item = found.ok().map(|at| &self.items[at].1);
        item.ok_or_else(|| damaged(&self.path, &format!("an event names item {}, which is not there", number.0)))
    }
}
