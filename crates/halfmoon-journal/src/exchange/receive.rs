//! From records to events: which item and class is meant, what is there already, what cannot be.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use halfmoon_pool::error::{Place, did_you_mean};
use halfmoon_pool::labels::grouped;
use halfmoon_pool::read::Problem;
use halfmoon_pool::{Class, Error, Result};

use super::record::{Done, Record};
use super::{Imported, Options};
use crate::event::{Action, Event, EventId, Key, Model, Round, Said};
use crate::item::{Item, ItemId};
use crate::journal::Writer;

/// Takes the records of a file, one after the other.
pub(super) struct Receiver<'a, 'b> {
    writer: &'a mut Writer<'b>,
    all: &'a [(ItemId, Item)],
    /// By id and, where that is nobody's id, by path. `None`: the path of several.
    items: HashMap<&'a str, Option<ItemId>>,
    options: &'a Options,
    imported: Imported,
    /// What the file said of an item before, in the name of an annotator: the class, and the row.
    before: HashMap<(ItemId, String), (Option<Class>, Option<u64>)>,
    /// Fields that are not what they should be, each with how many and the first place.
    odd: Vec<(String, usize, Place)>,
}

impl<'a, 'b> Receiver<'a, 'b> {
    pub(super) fn new(writer: &'a mut Writer<'b>, items: &'a [(ItemId, Item)], options: &'a Options) -> Self {
        let mut names: HashMap<&str, Option<ItemId>> = HashMap::new();
        for (number, item) in items {
            if let Some(path) = &item.path {
                names.entry(path).and_modify(|of| *of = None).or_insert(Some(*number));
            }
        }
        names.extend(items.iter().map(|(number, item)| (item.id.as_str(), Some(*number))));
        let (before, odd) = (HashMap::new(), Vec::new());
        Receiver { writer, all: items, items: names, options, imported: Imported::default(), before, odd }
    }

    /// The item of this id or path.
    pub(super) fn find(&self, name: &str) -> Option<ItemId> {
        self.items.get(name).copied().flatten()
    }

    /// The item of this number, which [`Receiver::find`] found.
    pub(super) fn item(&self, number: ItemId) -> &'a Item {
        let found = self.all.binary_search_by_key(&number, |(number, _)| *number).expect("found before");
        &self.all[found].1
    }

    /// Whether a text is a class.
    pub(super) fn has_class(&self, name: &str) -> bool {
        self.writer.class(name).is_some()
    }

    /// A record that cannot be used.
    pub(super) fn problem(&mut self, place: &Place, reason: impl Into<String>) {
        self.imported.records += 1;
        self.imported.problems.push(Problem { place: place.to_string(), reason: reason.into() });
    }

    /// One more record.
    pub(super) fn take(&mut self, record: Record) -> Result<()> {
        let annotator = record.annotator.clone().unwrap_or_else(|| self.options.annotator.clone());
        let action = match self.action(&record, &annotator)? {
            Ok(Some(action)) => action,
            Ok(None) => {
                self.imported.records += 1;
                self.imported.unlabelled += 1;
                return Ok(());
            }
            Err(reason) => {
                self.problem(&record.place, reason);
                return Ok(());
            }
        };
        self.imported.records += 1;
        if self.repeats(&record, &action, &annotator) {
            self.imported.repeated += 1;
            return Ok(());
        }
        let model_class = record.model_label.as_deref().and_then(|name| self.writer.class(name));
        let content = content_key(&record, &annotator);
        let mut event = Event {
            key: record.key.unwrap_or(content),
            annotator,
            at: record.at.unwrap_or(self.options.now),
            action,
            seconds: record.seconds,
            said: Said { model: record.model, class: model_class, confidence: record.confidence },
            asked: record.asked,
            extra: record.extra,
        };
        for field in record.odd {
            match self.odd.iter_mut().find(|(name, ..)| *name == field) {
                Some((_, count, _)) => *count += 1,
                None => self.odd.push((field, 1, record.place.clone())),
            }
        }
        if let (Some(name), None) = (record.model_label, model_class) {
            event.extra.insert("model_label".into(), name.into());
        }
        // A key that stands for something else: somebody edited the record, so it says something new. The new key holds the
        // old one, so that an edit can be taken back by another.
        if let Some((_, before)) = self.writer.event_of_key(event.key)?
            && (before.action != event.action || before.annotator != event.annotator)
        {
            event.key = Key::of(&["edited", &event.key.to_string(), &content.to_string()]);
        }
        let is_new = self.writer.append(&event)?.is_new;
        *if is_new { &mut self.imported.new } else { &mut self.imported.already } += 1;
        Ok(())
    }

    /// One more model.
    pub(super) fn take_model(&mut self, place: &Place, model: &Model) -> Result<()> {
        let added = self.writer.add_model(model);
        self.count(place, added)
    }

    /// One more round.
    pub(super) fn take_round(&mut self, place: &Place, round: &Round) -> Result<()> {
        let added = self.writer.add_round(round);
        self.count(place, added)
    }

    /// The event of this key.
    pub(super) fn event_of_key(&mut self, key: Key) -> Result<Option<EventId>> {
        Ok(self.writer.event_of_key(key)?.map(|(id, _)| id))
    }

    pub(super) fn finish(mut self) -> Imported {
        for (field, count, first) in self.odd {
            let instead = if field == "created_at" { "the time of import stands for it" } else { "nothing does" };
            self.imported.notes.push(format!(
                "`{field}` is not understood in {} records (first: {first}): it is kept as it is, and {instead}",
                grouped(count)
            ));
        }
        self.imported
    }

    fn count(&mut self, place: &Place, added: Result<bool>) -> Result<()> {
        match added {
            Ok(is_new) => {
                self.imported.records += 1;
                *if is_new { &mut self.imported.new } else { &mut self.imported.already } += 1;
            }
            // The record is at fault. Else the disk is, and there is no going on.
            Err(Error::Usage { problem, .. }) => self.problem(place, problem),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What a record does, or why it cannot be. `None`: it names an item and no label.
    fn action(&mut self, record: &Record, annotator: &str) -> Result<std::result::Result<Option<Action>, String>> {
        let done = match &record.done {
            Done::Odd => return Ok(Err("the label is a list or an object, and halfmoon has one class an item".into())),
            Done::Unknown(name) => return Ok(Err(format!("`{name}` is not an action"))),
            Done::NewClass(name) if name.trim().is_empty() => return Ok(Err("a class has no name".into())),
            Done::NewClass(name) => return Ok(Ok(Some(Action::NewClass(name.trim().to_owned())))),
            Done::Undo(key) => return Ok(self.undone(*key)?.map(Some)),
            done => done,
        };
        let Some(item) = record.names.iter().find_map(|name| self.find(name)) else {
            return Ok(Err(match record.names.first() {
                Some(name) if self.items.contains_key(name.as_str()) => {
                    format!("`{}` is the path of several items: an `id` tells them apart", excerpt(name))
                }
                Some(name) => format!("there is no item `{}`", excerpt(name)),
                None => "names no item: a record has an `id` or a `path`".into(),
            }));
        };
        Ok(match done {
            Done::Skip => Ok(Some(Action::Skip(item))),
            Done::Fields => Ok(Some(Action::Fields(item))),
            Done::Label(text) => match self.class(text, record, annotator)? {
                Ok(class) => Ok(class.map(|class| Action::Label(item, class))),
                Err(reason) => Err(reason),
            },
            _ => Ok(None),
        })
    }

    fn undone(&mut self, key: Option<Key>) -> Result<std::result::Result<Action, String>> {
        let Some(key) = key else {
            return Ok(Err("does not say what is undone: `undoes` is the key of an event".into()));
        };
        Ok(match self.writer.event_of_key(key)? {
            Some((id, Event { action: Action::Label(..) | Action::Skip(_), .. })) => Ok(Action::Undo(id)),
            Some(_) => Err(format!("the event {key} is no label and no skip, so it cannot be undone")),
            None => Err(format!("there is no event {key} to undo")),
        })
    }

    /// The class of a text: `None` where it says that there is none.
    fn class(
        &mut self,
        text: &str,
        record: &Record,
        annotator: &str,
    ) -> Result<std::result::Result<Option<Class>, String>> {
        let name = text.trim();
        if let Some(class) = self.writer.class(name) {
            return Ok(Ok(Some(class)));
        }
        if is_missing(name) {
            return Ok(Ok(None));
        }
        if !self.options.new_classes {
            return Ok(Err(self.no_class(name)));
        }
        let at = record.at.unwrap_or(self.options.now);
        let added = self.writer.append(&Event::new(annotator, at, Action::NewClass(name.to_owned())));
        match added {
            Ok(_) => {
                self.imported.new_classes.push(name.to_owned());
                Ok(Ok(self.writer.class(name)))
            }
            Err(Error::Usage { problem, .. }) => Ok(Err(problem)),
            Err(error) => Err(error),
        }
    }

    fn no_class(&self, name: &str) -> String {
        let classes = self.writer.class_names();
        // A sentence for each row of a long file: neither slow nor long.
        let hint = if classes.len() <= 20 {
            did_you_mean(name, classes)
        } else {
            format!("there are {} classes", grouped(classes.len()))
        };
        format!("`{}` is not a class ({hint}); `--new-classes` makes it one", excerpt(name))
    }

    /// Whether the file said the same before. What contradicts it is told.
    fn repeats(&mut self, record: &Record, action: &Action, annotator: &str) -> bool {
        let (item, class) = match action {
            Action::Label(item, class) => (*item, Some(*class)),
            Action::Skip(item) => (*item, None),
            Action::Undo(_) | Action::NewClass(_) | Action::Fields(_) => return false,
        };
        let has_time = record.key.is_some() || record.at.is_some();
        match self.before.entry((item, annotator.to_owned())) {
            Entry::Vacant(entry) => {
                entry.insert((class, record.place.row));
                false
            }
            Entry::Occupied(mut entry) => {
                let (before, row) = entry.insert((class, record.place.row));
                if !has_time && before != class {
                    let name = record.names.first().map(|name| excerpt(name)).unwrap_or_default();
                    let row = row.map(|row| format!(" in row {row}")).unwrap_or_default();
                    let reason = format!("`{name}` has another label by {}{row}: this one stands", excerpt(annotator));
                    self.imported.conflicts.push(Problem { place: record.place.to_string(), reason });
                }
                !has_time && before == class
            }
        }
    }
}

/// What tells a record from another one that has no key: all but where it stands and when it was read.
fn content_key(record: &Record, annotator: &str) -> Key {
    let at = record.at.map(|at| at.to_string()).unwrap_or_default();
    let name = record.names.first().map(String::as_str).unwrap_or_default();
    let (action, what) = match &record.done {
        Done::Label(text) => ("label", text.trim().to_owned()),
        Done::NewClass(text) => ("class", text.trim().to_owned()),
        Done::Undo(key) => ("undo", key.map(|key| key.to_string()).unwrap_or_default()),
        Done::Fields => ("fields", serde_json::to_string(&record.extra).expect("a map of plain values")),
        Done::Skip | Done::Nothing | Done::Odd | Done::Unknown(_) => ("skip", String::new()),
    };
    Key::of(&["import", action, name, annotator, &what, &at])
}

/// As when data are read: these texts say that there is no label, unless a class is called so.
fn is_missing(name: &str) -> bool {
    matches!(name, "" | "None") || ["nan", "na", "null"].iter().any(|token| name.eq_ignore_ascii_case(token))
}

/// The beginning of a text, on one line.
pub(super) fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}
