//! What the tests share.

use std::path::{Path, PathBuf};

use halfmoon_journal::{Action, Content, Event, Item, ItemId, Journal, Moment, Project, Split};
use halfmoon_pool::Class;
use serde_json::Map;

/// A folder of its own for one test, removed when the test ends.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Scratch {
        Scratch::below(&std::env::temp_dir(), name)
    }

    /// In memory where the system offers that as a folder: for tests that write much and wait for no disk.
    pub(crate) fn in_memory(name: &str) -> Scratch {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Scratch::below(memory, name) } else { Scratch::new(name) }
    }

    fn below(parent: &Path, name: &str) -> Scratch {
        let folder = parent.join(format!("halfmoon-journal-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Scratch(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A journal of items `a`, `b`, … and the classes `cat` and `dog`.
    pub(crate) fn pets(&self, items: u8) -> Journal {
        let mut journal = empty(&self.path("project.db"), &["cat", "dog"]);
        journal.add_items(&(0..items).map(item).collect::<Vec<_>>()).unwrap();
        journal
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn empty(path: &Path, classes: &[&str]) -> Journal {
    let project = Project { name: "pets".into(), data: None, at: at(0), about: Map::new() };
    Journal::create(path, &project, &classes.iter().map(|&name| name.to_owned()).collect::<Vec<_>>(), "ann").unwrap()
}

fn item(number: u8) -> Item {
    let id = char::from(b'a' + number).to_string();
    Item { content: Content::of(id.as_bytes()), id, path: None, split: Split::Train }
}

/// So many seconds after a morning in November.
pub(crate) fn at(seconds: i64) -> Moment {
    let morning = Moment::parse("2026-11-26T08:00:00Z").unwrap();
    Moment::from_micros(morning.micros() + seconds * 1_000_000).unwrap()
}

pub(crate) fn label(annotator: &str, seconds: i64, item: i64, class: u16) -> Event {
    Event::new(annotator, at(seconds), Action::Label(ItemId(item), Class(class)))
}

/// Item, annotator and class of all that stands.
pub(crate) fn standing(journal: &Journal) -> Vec<(i64, String, Option<u16>)> {
    let labels = journal.labels().unwrap();
    let name = |annotator: usize| labels.annotators[annotator].clone();
    labels.votes.iter().map(|vote| (vote.item.0, name(vote.annotator), vote.class.map(|class| class.0))).collect()
}
