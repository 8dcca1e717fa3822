//! Lines of the journal.

use std::fmt;

use halfmoon_pool::Class;
use serde_json::{Map, Value};

use crate::item::ItemId;
use crate::moment::Moment;

/// Number of an event in its journal, from 1. The order of these numbers is the order of the journal, whatever the clocks
/// of those who wrote say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub i64);

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Tells a repetition from a second event: of two with the same key, one is kept.
    pub key: Key,
    /// Who did it. Labels that came with the data are by [`DATA`].
    pub annotator: String,
    /// When, by the clock of whoever did it.
    pub at: Moment,
    /// What was done.
    pub action: Action,
    /// How long the annotator looked, in seconds: finite and not negative.
    pub seconds: Option<f64>,
    /// What a model said of the item when the annotator was asked.
    pub said: Said,
    /// Why the annotator was asked.
    pub asked: Asked,
    /// Fields of other programs, kept as they are for an export.
    pub extra: Map<String, Value>,
}

/// The annotator whose labels came with the data.
pub const DATA: &str = "data";

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// The item is of the class.
    Label(ItemId, Class),
    /// The annotator would not say. An earlier label by the same annotator stands no longer.
    Skip(ItemId),
    /// A label or a skip is taken back: what the same annotator said of the item before it stands again.
    Undo(EventId),
    /// There is one class more, of this name. Classes are numbered in the order of these events.
    NewClass(String),
    /// Fields of another program that belong to the item and to no label; they are in [`Event::extra`].
    Fields(ItemId),
}

impl Action {
    /// As it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Label(..) => "label",
            Action::Skip(_) => "skip",
            Action::Undo(_) => "undo",
            Action::NewClass(_) => "class",
            Action::Fields(_) => "fields",
        }
    }

    /// The item that it is about, where it names one.
    pub fn item(&self) -> Option<ItemId> {
        match self {
            Action::Label(item, _) | Action::Skip(item) | Action::Fields(item) => Some(*item),
            Action::Undo(_) | Action::NewClass(_) => None,
        }
    }

    /// The class that it gives an item.
    pub fn class(&self) -> Option<Class> {
        match self {
            Action::Label(_, class) => Some(*class),
            _ => None,
        }
    }
}

/// What a model said of an item.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Said {
    /// Which model: a name in [`Journal::models`](crate::Journal::models).
    pub model: Option<String>,
    /// Its likeliest class.
    pub class: Option<Class>,
    /// Its probability of that class.
    pub confidence: Option<f64>,
}

/// Why an annotator was asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// The acquisition rule, by name.
    pub rule: Option<String>,
    /// Its reason, for people.
    pub why: Option<String>,
    /// The round: a number in [`Journal::rounds`](crate::Journal::rounds).
    pub round: Option<u32>,
}

impl Event {
    /// An event whose key is made of these three: the same annotator does the same only once in a microsecond.
    pub fn new(annotator: &str, at: Moment, action: Action) -> Event {
        let at_text = at.to_string();
        let what = match &action {
            Action::Label(ItemId(item), Class(class)) => format!("{item} {class}"),
            Action::Skip(ItemId(item)) | Action::Fields(ItemId(item)) => item.to_string(),
            Action::Undo(EventId(event)) => event.to_string(),
            Action::NewClass(name) => name.clone(),
        };
        Event {
            key: Key::of(&[annotator, &at_text, action.name(), &what]),
            annotator: annotator.to_owned(),
            at,
            action,
            seconds: None,
            said: Said::default(),
            asked: Asked::default(),
            extra: Map::new(),
        }
    }
}

/// Tells events apart. A client makes one a click, and sends the same one again when it does not know whether the first
/// try arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 16]);

impl Key {
    /// The key of these texts, such as the one that a client sent.
    pub fn of(texts: &[&str]) -> Key {
        let mut hasher = blake3::Hasher::new();
        for text in texts {
            // The length keeps `ab`, `c` from `a`, `bc`.
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Key(key)
    }

    /// Reads 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Key> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u128::from_str_radix(text, 16).ok())??;
        Some(Key(number.to_be_bytes()))
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// What became of an event that was to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its number.
    pub event: EventId,
    /// Whether it was written; else it was there before, with the same key.
    pub is_new: bool,
}

/// A trained model that was asked what it thinks of the items.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// No two models of a journal share one.
    pub name: String,
    /// Its run folder.
    pub run: Option<String>,
    /// The last event that it could learn from.
    pub learned: Option<EventId>,
    /// When it was done.
    pub at: Moment,
    /// Figures, settings: whatever is to be kept of it.
    pub about: Map<String, Value>,
}

/// Train, score, query, label, once.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// From 1; no two rounds of a journal share one.
    pub round: u32,
    /// Which model scored.
    pub model: Option<String>,
    /// The acquisition rule.
    pub rule: String,
    /// How many items were asked for.
    pub size: u32,
    /// What decided its chance.
    pub seed: Option<u64>,
    /// When it was made.
    pub at: Moment,
    /// Whatever else is to be kept of it.
    pub about: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_from_their_text() {
        let key = Key::of(&["ann", "x"]);
        assert_eq!(Key::parse(&key.to_string()), Some(key));
        assert_eq!(Key::parse(&Key([0; 16]).to_string()), Some(Key([0; 16])));
        for text in ["", "12", "+1234567890123456789012345678901", "g2345678901234567890123456789012"] {
            assert_eq!(Key::parse(text), None, "{text}");
        }
    }

    #[test]
    fn texts_that_only_join_to_the_same_have_different_keys() {
        assert_ne!(Key::of(&["ab", "c"]), Key::of(&["a", "bc"]));
        assert_ne!(Key::of(&["a"]), Key::of(&["a", ""]));
    }
}
