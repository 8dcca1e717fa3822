//! From records to events: which item and class is meant, what is there already, what cannot be.
//!
//! Whether a label or a skip is new, and whether it stands:
//!
//! | the record | in the journal | |
//! |---|---|---|
//! | has a key | an event of this key says something else | an edit: new, and stands |
//! | | an event of this key says the same, what stands is an edit of it, and the file has no more of it | new, and stands |
//! | | an event of this key says the same | there before |
//! | has a time | the same at this time, also where it was replaced or undone since | there before |
//! | has one of them | the annotator said something later of the item before this file | kept, and does not stand |
//! | | neither | new, and stands |
//! | has neither | it is what stands for the annotator | there before |
//! | | else | new, and stands |
//!
//! Of records without a key that are about the same item, annotator and time, the last one counts, and they are written by
//! time. So a file says as often as one likes what it says at its end, and a file that says something else in between is no
//! hindrance. Records with a key are halfmoon's own and keep their order, which is that of a journal.

use std::collections::{BTreeMap, HashMap, HashSet};

use halfmoon_pool::error::{Place, did_you_mean};
use halfmoon_pool::labels::{SAME_CLASS, alike, grouped};
use halfmoon_pool::read::Problem;
use halfmoon_pool::{Class, Error, Result};

use super::find::{Found, Items};
use super::record::{Done, Record};
use super::{Imported, Options};
use crate::event::{Action, Event, EventId, Key, Model, Round, Said};
use crate::item::{Item, ItemId};
use crate::journal::{Standing, Writer};
use crate::moment::Moment;

/// Takes the records of a file, one after the other.
pub(super) struct Receiver<'a, 'b> {
    writer: &'a mut Writer<'b>,
    items: Items<'a>,
    options: &'a Options,
    imported: Imported,
    /// The last event before this file.
    before: EventId,
    /// Labels and skips without a key, until the file is known; `None`: a later one says something else.
    waiting: Vec<Option<Waiting>>,
    places: HashMap<Subject, usize>,
    /// What records with a key are about.
    keyed: HashSet<(ItemId, String)>,
    /// Those of them that may take an edit back, until the file is known.
    edited_back: BTreeMap<(ItemId, String), Event>,
    /// Fields that are not what they should be, each with how many and the first place.
    odd: Vec<(String, usize, Place)>,
    /// Names of items that were understood though they are no id and no path: how many, and the first one with its item.
    guessed: Option<(usize, String)>,
    /// New classes that may be old ones: the old one, and how many labels.
    twins: BTreeMap<String, (String, usize)>,
    /// A class by [`alike`]: none until a new one comes.
    by_likeness: HashMap<String, String>,
}

/// Of what, by whom and when: of two records that share it, the later one counts.
type Subject = (ItemId, String, Option<Moment>);

/// A label or a skip whose record has no key.
struct Waiting {
    event: Event,
    /// What the record itself says.
    at: Option<Moment>,
    place: Place,
    /// Places of those that said something else before.
    replaced: Vec<Place>,
}

impl<'a, 'b> Receiver<'a, 'b> {
    pub(super) fn new(writer: &'a mut Writer<'b>, items: &'a [(ItemId, Item)], options: &'a Options) -> Result<Self> {
        Ok(Receiver {
            before: writer.last_event()?,
            writer,
            items: Items::new(items),
            options,
            imported: Imported::default(),
            waiting: Vec::new(),
            places: HashMap::new(),
            keyed: HashSet::new(),
            edited_back: BTreeMap::new(),
            odd: Vec::new(),
            guessed: None,
            twins: BTreeMap::new(),
            by_likeness: HashMap::new(),
        })
    }

    /// The item that a name means, if any; or why it is not known which.
    pub(super) fn find(&mut self, name: &str) -> std::result::Result<Option<ItemId>, String> {
        match self.items.find(name) {
            Found::Item { item, is_exact } => {
                if !is_exact {
                    let first = || (0, format!("`{}` is `{}`", excerpt(name), excerpt(&self.items.item(item).id)));
                    self.guessed.get_or_insert_with(first).0 += 1;
                }
                Ok(Some(item))
            }
            Found::Several(first, second) => Err(self.several(name, first, second)),
            Found::Nothing => Ok(None),
        }
    }

    /// The item whose id or path this is.
    pub(super) fn find_exactly(&self, name: &str) -> Option<ItemId> {
        match self.items.find(name) {
            Found::Item { item, is_exact: true } => Some(item),
            _ => None,
        }
    }

    /// The item of this number, which was found.
    pub(super) fn item(&self, number: ItemId) -> &'a Item {
        self.items.item(number)
    }

    /// How an item may be called.
    pub(super) fn example(&self) -> String {
        self.items.example().map(|id| format!(": items are called such as `{}`", excerpt(id))).unwrap_or_default()
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

    /// One more task, whose annotations are records.
    pub(super) fn task(&mut self) {
        self.imported.tasks += 1;
    }

    /// Fields of a task that belong to its item, which are no record.
    pub(super) fn keep_fields(&mut self, item: &Item, record: Record) -> Result<()> {
        let Some(item) = self.find_exactly(&item.id) else { return Ok(()) };
        let annotator = self.options.annotator.clone();
        let content = content_key(&record, &annotator);
        let event = self.event(record, content, annotator, Action::Fields(item));
        self.imported.fields += usize::from(self.writer.append(&event)?.is_new);
        Ok(())
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
        let content = content_key(&record, &annotator);
        let (place, at, has_key) = (record.place.clone(), record.at, record.key.is_some());
        let event = self.event(record, content, annotator, action);
        match event.action {
            Action::Label(item, _) | Action::Skip(item) if !has_key => {
                self.wait(item, Waiting { event, at, place, replaced: Vec::new() });
                Ok(())
            }
            _ => self.write(event, content),
        }
    }

    fn event(&mut self, record: Record, content: Key, annotator: String, action: Action) -> Event {
        let model_class = record.model_label.as_deref().and_then(|name| self.writer.class(name));
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
        event
    }

    /// Keeps a label or a skip until the file is known. What contradicts it is told.
    fn wait(&mut self, item: ItemId, mut said: Waiting) {
        let place = self.waiting.len();
        let before = self.places.insert((item, said.event.annotator.clone(), said.at), place);
        if let Some(before) = before.and_then(|before| self.waiting[before].take()) {
            said.replaced = before.replaced;
            if before.event.action == said.event.action {
                self.imported.repeated += 1;
            } else {
                said.replaced.push(before.place);
            }
        }
        self.waiting.push(Some(said));
    }

    /// Writes what waits, by time; what has none is said when it is imported, which is last.
    fn write_waiting(&mut self) -> Result<()> {
        let mut waiting: Vec<Waiting> = std::mem::take(&mut self.waiting).into_iter().flatten().collect();
        waiting.sort_by_key(|said| (said.at.is_none(), said.at));
        for Waiting { event, at, place, replaced } in waiting {
            let (Action::Label(item, _) | Action::Skip(item)) = event.action else { unreachable!("only these wait") };
            let row = place.row.map(|row| format!(" in row {row}")).unwrap_or_default();
            let name = excerpt(&self.item(item).id);
            for place in replaced {
                let reason = format!("`{name}` has another label by {}{row}, which counts", excerpt(&event.annotator));
                self.imported.conflicts.push(Problem { place: place.to_string(), reason });
            }
            let standing = self.writer.standing(item, &event.annotator)?;
            let is_of_now = |standing: &&Standing| at.is_none_or(|at| at == standing.at);
            let standing = standing.as_ref().filter(is_of_now);
            let is_known = self.writer.event_of_key(event.key)?.is_some();
            if standing.is_some_and(|standing| standing.class == event.action.class())
                || is_known && at.is_some() && standing.is_none()
            {
                self.imported.already += 1;
                continue;
            }
            if is_known {
                self.say_again(event)?;
            } else {
                self.append(&event, at.is_some())?;
            }
        }
        Ok(())
    }

    /// Writes a record with a key, or one of something else than labels and skips.
    fn write(&mut self, mut event: Event, content: Key) -> Result<()> {
        // A key that stands for something else: somebody edited the record, so it says something new. The new key holds the
        // old one, so that an edit can be taken back by another.
        let is_edited = self
            .writer
            .event_of_key(event.key)?
            .is_some_and(|(_, before)| before.action != event.action || before.annotator != event.annotator);
        if is_edited {
            event.key = Key::of(&["edited", &event.key.to_string(), &content.to_string()]);
        }
        self.note_edited_back(&event)?;
        self.append(&event, !is_edited)
    }

    /// Whether a record says what it said before somebody edited it: an edit bears the time of what it replaced. A journal's
    /// own lines have both, one after the other.
    fn note_edited_back(&mut self, event: &Event) -> Result<()> {
        let (Action::Label(item, _) | Action::Skip(item)) = event.action else { return Ok(()) };
        let of = (item, event.annotator.clone());
        let is_replaced = self.writer.standing(item, &event.annotator)?.is_some_and(|standing| {
            standing.event <= self.before && standing.at == event.at && standing.class != event.action.class()
        });
        if !self.keyed.insert(of.clone()) {
            self.edited_back.remove(&of);
        } else if is_replaced && self.writer.event_of_key(event.key)?.is_some() {
            self.edited_back.insert(of, event.clone());
        }
        Ok(())
    }

    /// What was edited back is said again.
    fn write_edited_back(&mut self) -> Result<()> {
        for event in std::mem::take(&mut self.edited_back).into_values() {
            self.imported.already -= 1;
            self.say_again(event)?;
        }
        Ok(())
    }

    /// Appends what was said before, and something else after it.
    fn say_again(&mut self, mut event: Event) -> Result<()> {
        let last = self.writer.last_event()?.0.to_string();
        event.key = Key::of(&["again", &event.key.to_string(), &last]);
        self.append(&event, false)
    }

    /// Appends an event. What is older than what the same annotator said of the item before this file is taken back at once,
    /// so that the later word stands again; an edit is as late as the file.
    fn append(&mut self, event: &Event, may_be_older: bool) -> Result<()> {
        let later = match event.action {
            Action::Label(item, _) | Action::Skip(item) if may_be_older => {
                self.writer.standing(item, &event.annotator)?
            }
            _ => None,
        };
        let is_older = later.is_some_and(|later| later.event <= self.before && event.at < later.at);
        let appended = self.writer.append(event)?;
        if !appended.is_new {
            self.imported.already += 1;
        } else if is_older {
            self.writer.append(&Event::new(&event.annotator, self.options.now, Action::Undo(appended.event)))?;
            self.imported.older += 1;
        } else {
            self.imported.new += 1;
            match event.action {
                Action::Label(..) => self.imported.labels += 1,
                Action::Skip(_) => self.imported.skips += 1,
                Action::Undo(_) => self.imported.undos += 1,
                Action::NewClass(_) | Action::Fields(_) => {}
            }
        }
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

    pub(super) fn finish(mut self) -> Result<Imported> {
        self.write_edited_back()?;
        self.write_waiting()?;
        let notes = &mut self.imported.notes;
        if let Some((count, first)) = self.guessed {
            let names = if count == 1 {
                "1 name of an item is".into()
            } else {
                format!("{} names of items are", grouped(count))
            };
            notes.push(format!("{names} understood by the end of a path (first: {first})"));
        }
        for (new, (known, labels)) in self.twins {
            let labels = if labels == 1 { "1 label".into() } else { format!("{} labels", grouped(labels)) };
            notes.push(format!(
                "`{}` ({labels}) is a new class beside `{}`: {SAME_CLASS}",
                excerpt(&new),
                excerpt(&known)
            ));
        }
        for (field, count, first) in self.odd {
            let instead = if field == "created_at" { "the time of import stands for it" } else { "nothing does" };
            let records = if count == 1 { "1 record".into() } else { format!("{} records", grouped(count)) };
            notes.push(format!(
                "`{field}` is not understood in {records} (first: {first}): it is kept as it is, and {instead}"
            ));
        }
        Ok(self.imported)
    }

    fn several(&self, name: &str, first: ItemId, second: ItemId) -> String {
        let id = |item| excerpt(&self.items.item(item).id);
        format!(
            "`{}` is the path of several items, such as `{}` and `{}`: an `id` tells them apart",
            excerpt(name),
            id(first),
            id(second)
        )
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
        let item = match self.item_of(&record.names) {
            Ok(item) => item,
            Err(reason) => return Ok(Err(reason)),
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

    /// The item that the first name means which means one.
    fn item_of(&mut self, names: &[String]) -> std::result::Result<ItemId, String> {
        let mut unclear = None;
        for name in names {
            match self.find(name) {
                Ok(Some(item)) => return Ok(item),
                Ok(None) => {}
                Err(reason) => drop(unclear.get_or_insert(reason)),
            }
        }
        Err(match (unclear, names.first()) {
            (Some(reason), _) => reason,
            (None, Some(name)) => format!("there is no item `{}`{}", excerpt(name), self.example()),
            (None, None) => "names no item: a record has an `id` or a `path`".into(),
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
            if let Some((_, labels)) = self.twins.get_mut(name) {
                *labels += 1;
            }
            return Ok(Ok(Some(class)));
        }
        if is_missing(name) {
            return Ok(Ok(None));
        }
        if !self.options.new_classes {
            return Ok(Err(self.no_class(name)));
        }
        let twin = self.by_likeness().insert(alike(name), name.to_owned());
        let at = record.at.unwrap_or(self.options.now);
        let added = self.writer.append(&Event::new(annotator, at, Action::NewClass(name.to_owned())));
        match added {
            Ok(_) => {
                self.imported.new_classes.push(name.to_owned());
                self.twins.extend(twin.map(|known| (name.to_owned(), (known, 1))));
                Ok(Ok(self.writer.class(name)))
            }
            Err(Error::Usage { problem, .. }) => Ok(Err(problem)),
            Err(error) => Err(error),
        }
    }

    fn by_likeness(&mut self) -> &mut HashMap<String, String> {
        if self.by_likeness.is_empty() {
            let classes = self.writer.class_names();
            self.by_likeness = classes.into_iter().map(|name| (alike(name), name.to_owned())).collect();
        }
        &mut self.by_likeness
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
