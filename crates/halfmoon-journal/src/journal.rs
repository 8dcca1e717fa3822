//! The file, and all that is written to it or read from it.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use halfmoon_pool::labels::grouped;
use halfmoon_pool::{Class, Error, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Statement, Transaction, TransactionBehavior, params};
use serde_json::{Map, Value};

use crate::event::{Action, Appended, Asked, Event, EventId, Key, Model, Round, Said};
use crate::fold::{Fold, Labels, Vote};
use crate::item::{Added, Content, Item, ItemId, Split};
use crate::moment::Moment;
use crate::schema::{self, APPEND_ONLY, APPLICATION, VERSION};
use crate::sqlite::{damaged, fault, foreign};

/// How long a process waits for the others to finish writing.
const PATIENCE: Duration = Duration::from_secs(30);

/// What may not stand for itself in an address of a file.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/');

/// Most classes of a project, so that a [`Class`] holds them.
const MOST_CLASSES: usize = u16::MAX as usize;

/// What a project is.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Where its data lie.
    pub data: Option<String>,
    /// When it was made.
    pub at: Moment,
    /// How the data are read, and whatever else is to be kept.
    pub about: Map<String, Value>,
}

impl Project {
    /// Whether the items of its table are known by the numbers of their rows, even where a column is called `id`: so they are in a
    /// project that does not say otherwise.
    pub fn counts_rows(&self) -> bool {
        let said = self.about.get("data").and_then(|data| data.get("count_rows"));
        said.and_then(Value::as_bool).unwrap_or(true)
    }
}

/// An open `project.db`. Several of them, in several processes, may read and write at once.
///
/// What a function that writes has returned is on the disk. When it returns an error, nothing of that call is.
#[derive(Debug)]
pub struct Journal {
    pub(crate) connection: Connection,
    path: PathBuf,
}

/// See [`Journal::snapshot`].
#[derive(Debug)]
pub struct Snapshot<'a>(#[expect(dead_code, reason = "it lives for its end")] Option<Transaction<'a>>);

impl Journal {
    /// Makes a file with no items yet. Its classes are the first events, by `annotator`.
    pub fn create(path: &Path, project: &Project, classes: &[String], annotator: &str) -> Result<Journal> {
        File::create_new(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => Error::usage(
                format!("{}: there is a file already, and it is kept", path.display()),
                "choose another name, or remove it",
            ),
            _ => Error::io(path, source),
        })?;
        let made = Journal::connect(path).and_then(|mut journal| {
            journal.lay_out(project)?;
            journal.write(|writer| {
                for class in classes {
                    writer.append(&Event::new(annotator, project.at, Action::NewClass(class.clone())))?;
                }
                Ok(())
            })?;
            Ok(journal)
        });
        if made.is_err() {
            let _ = std::fs::remove_file(path);
        }
        made
    }

    /// Whether what lies there is one, whatever it is called: looks at the head of the file alone.
    pub fn is_at(path: &Path) -> bool {
        let mut head = [0; 72];
        let is_read = path.is_file() && File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok();
        // Where SQLite keeps its own name, and the number of the program whose file it is.
        is_read && head.starts_with(b"SQLite format 3\0") && head[68..] == APPLICATION.to_be_bytes()
    }

    /// Opens a file that [`Journal::create`] made.
    pub fn open(path: &Path) -> Result<Journal> {
        let there = path.metadata().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                Error::data(path, "there is no project", "make one with: halfmoon init DATA --out FILE")
            }
            _ => Error::io(path, source),
        })?;
        if !there.is_file() {
            return Err(foreign(path));
        }
        if there.len() == 0 {
            return Err(Error::data(path, "is empty: making it was cut short", "remove it and make it anew"));
        }
        Journal::connect(path)?.known()
    }

    /// The same for who only reads, and perhaps may do no more: there, whatever writes is an error.
    ///
    /// Where SQLite may not make the files that it shares with writers, the file is read as it is, which shows all of it
    /// unless a log lies beside it: that is an error.
    pub fn open_to_read(path: &Path) -> Result<Journal> {
        // What may not be written is an error of the system; all others would be the same again.
        let refused = match Journal::open(path) {
            Err(error @ Error::Io { .. }) => error,
            opened => return opened,
        };
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        if Path::new(&log).metadata().is_ok_and(|log| log.len() > 0) {
            return Err(Error::data(
                path,
                format!("may only be read, and {} holds labels that are not in it yet", Path::new(&log).display()),
                "let somebody who may write it look once (`halfmoon status PROJECT`), or copy both files to a folder of yours",
            ));
        }
        // Who may not even read hears what the system said first.
        Journal::connect_as_it_is(path).and_then(Journal::known).map_err(|_| refused)
    }

    /// Closes the file. With the last one to close, all is in one file again.
    pub fn close(self) -> Result<()> {
        self.connection.close().map_err(|(_, error)| fault(&self.path, error))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// While this lives, all that is read is of one moment, whatever others write meanwhile.
    pub fn snapshot(&self) -> Result<Snapshot<'_>> {
        // Within another one, that one's moment is meant.
        let begun = self.connection.is_autocommit().then(|| self.connection.unchecked_transaction()).transpose();
        begun.map(Snapshot).map_err(|error| self.fault(error))
    }

    /// What it is of.
    pub fn project(&self) -> Result<Project> {
        let project = self.connection.query_row("SELECT name, data, at, about FROM project", [], |row| {
            Ok(Project { name: row.get(0)?, data: row.get(1)?, at: moment(row, 2)?, about: map(row, 3)? })
        });
        project.map_err(|error| self.fault(error))
    }

    /// Where its data lie: where they lay when it was begun or, where nothing is any more, beside the project under the same name.
    pub fn data(&self) -> Result<PathBuf> {
        let path = self.path.as_path();
        let kept = self.project()?.data.map(PathBuf::from).ok_or_else(|| {
            let hint = "begin a project with: halfmoon init DATA";
            Error::data(path, "does not say where its data are", hint)
        })?;
        // Built-in data have a name and no place.
        if kept.exists() || kept.is_relative() {
            return Ok(kept);
        }
        let beside = kept.file_name().map(|name| path.with_file_name(name));
        beside.filter(|beside| beside.exists()).ok_or_else(|| {
            let hint = "put them back, or beside the project under the same name";
            Error::data(path, format!("its data are gone: {}", kept.display()), hint)
        })
    }

    /// The names of the classes, in the order that [`Class`] counts.
    pub fn classes(&self) -> Result<Vec<String>> {
        classes(&self.connection).map_err(|error| self.fault(error))
    }

    /// The class of this name, added where there is none.
    pub fn add_class(&mut self, name: &str, annotator: &str, at: Moment) -> Result<Class> {
        self.write(|writer| {
            writer.append(&Event::new(annotator, at, Action::NewClass(name.to_owned())))?;
            Ok(writer.class(name.trim()).expect("there before, or appended"))
        })
    }

    /// Adds what is not there yet, all or nothing.
    pub fn add_items(&mut self, items: &[Item]) -> Result<Added> {
        self.write(|writer| writer.add_items(items))
    }

    /// Every item, in the order of adding.
    pub fn items(&self) -> Result<Vec<(ItemId, Item)>> {
        self.items_after(ItemId(0))
    }

    /// Every item that was added after this one, in the order of adding.
    pub fn items_after(&self, after: ItemId) -> Result<Vec<(ItemId, Item)>> {
        let sql = "SELECT item, id, path, content, split FROM items WHERE item > ?1 ORDER BY item";
        let mut found = self.connection.prepare(sql).map_err(|error| self.fault(error))?;
        let rows = found.query_map([after.0], item).map_err(|error| self.fault(error))?;
        rows.collect::<rusqlite::Result<_>>().map_err(|error| self.fault(error))
    }

    /// How many items there are of each split.
    pub fn items_by_split(&self) -> Result<Vec<(Split, usize)>> {
        let mut counts = self.all("SELECT split, count(*) FROM items GROUP BY split", |row| {
            let split = Split::named(row.get_ref(0)?.as_str()?).ok_or_else(|| odd(row, 0))?;
            Ok((split, row.get::<_, u32>(1)? as usize))
        })?;
        counts.sort_unstable();
        Ok(counts)
    }

    /// The item that the user knows by this id.
    pub fn find(&self, id: &str) -> Result<Option<ItemId>> {
        let found = self.connection.query_row("SELECT item FROM items WHERE id = ?1", [id], |row| row.get(0));
        Ok(found.optional().map_err(|error| self.fault(error))?.map(ItemId))
    }

    /// What the items hold that somebody has labelled, by id.
    pub(crate) fn labelled_contents(&self) -> Result<HashMap<String, Content>> {
        let sql = "SELECT id, content FROM items WHERE item IN (SELECT item FROM standing WHERE class IS NOT NULL)";
        let all = self.all(sql, |row| Ok((row.get(0)?, Content(row.get(1)?))))?;
        Ok(all.into_iter().collect())
    }

    /// Whether it has an item of this id and content.
    pub(crate) fn holds(&self, id: &str, content: Content) -> Result<bool> {
        let sql = "SELECT 1 FROM items WHERE id = ?1 AND content = ?2";
        let mut statement = self.connection.prepare(sql).map_err(|error| self.fault(error))?;
        statement.exists(params![id, content.0.as_slice()]).map_err(|error| self.fault(error))
    }

    /// Writes an event to the end of the journal, unless one of its key is there.
    pub fn append(&mut self, event: &Event) -> Result<Appended> {
        self.write(|writer| writer.append(event))
    }

    /// Writes these events in this order, all or nothing.
    pub fn append_all(&mut self, events: &[Event]) -> Result<Vec<Appended>> {
        self.write(|writer| events.iter().map(|event| writer.append(event)).collect())
    }

    /// Takes back the annotator's latest label or skip that stands, and returns it with the event that does so. `None`
    /// where nothing is left to take back. With a key that is there already, nothing more is taken back.
    pub fn undo(&mut self, annotator: &str, at: Moment, key: Key) -> Result<Option<(Appended, EventId)>> {
        self.write(|writer| {
            let before = writer.event_of_key(key)?;
            let undone = match &before {
                Some((_, Event { action: Action::Undo(undone), .. })) => Some(*undone),
                Some(_) => return Err(another_event(key)),
                None => writer.latest(annotator)?,
            };
            let Some(undone) = undone else { return Ok(None) };
            let event = Event { key, ..Event::new(annotator, at, Action::Undo(undone)) };
            Ok(Some((writer.append(&event)?, undone)))
        })
    }

    /// The number of the last event; 0 where there is none.
    pub fn last_event(&self) -> Result<EventId> {
        self.one("SELECT coalesce(max(event), 0) FROM events").map(EventId)
    }

    /// Passes every event behind this one to `take`, in the order of the journal: all of them from `EventId(0)` on.
    pub fn each_event(&self, after: EventId, take: &mut dyn FnMut(EventId, Event) -> Result<()>) -> Result<()> {
        let sql = format!("SELECT {EVENT} FROM events WHERE event > ?1 ORDER BY event");
        let mut statement = self.connection.prepare(&sql).map_err(|error| self.fault(error))?;
        let mut rows = statement.query([after.0]).map_err(|error| self.fault(error))?;
        while let Some(row) = rows.next().map_err(|error| self.fault(error))? {
            let (id, event) = event(row).map_err(|error| self.fault(error))?;
            take(id, event)?;
        }
        Ok(())
    }

    /// Every event behind this one, in the order of the journal.
    pub fn events(&self, after: EventId) -> Result<Vec<(EventId, Event)>> {
        let mut events = Vec::new();
        self.each_event(after, &mut |id, event| {
            events.push((id, event));
            Ok(())
        })?;
        Ok(events)
    }

    /// What stands: see [`fold`](crate::fold). Read from the cache; a million votes take a fraction of a second.
    pub fn labels(&self) -> Result<Labels> {
        let labels = standing(&self.connection).map_err(|error| self.fault(error))?;
        // Asked afterwards: classes only grow.
        let classes: i64 = self.one("SELECT count(*) FROM events WHERE action = 'class'")?;
        match labels.votes.iter().filter_map(|vote| vote.class).find(|class| i64::from(class.0) >= classes) {
            Some(class) => Err(damaged(&self.path, &format!("a label names class {}, which is not there", class.0))),
            None => Ok(labels),
        }
    }

    /// What stands of one item.
    pub fn labels_of(&self, of: ItemId) -> Result<Labels> {
        let sql = "SELECT annotator, event, class FROM standing WHERE item = ?1 ORDER BY annotator";
        let votes = || -> rusqlite::Result<Labels> {
            let mut found = self.connection.prepare(sql)?;
            let mut rows = found.query([of.0])?;
            let mut labels = Labels::default();
            while let Some(row) = rows.next()? {
                let (annotator, class) = (labels.annotators.len(), row.get::<_, Option<u16>>(2)?.map(Class));
                labels.annotators.push(row.get(0)?);
                labels.votes.push(Vote { item: of, annotator, class, event: EventId(row.get(1)?) });
            }
            Ok(labels)
        };
        votes().map_err(|error| self.fault(error))
    }

    /// The event of this number.
    pub fn event(&self, id: EventId) -> Result<Option<Event>> {
        let sql = format!("SELECT {EVENT} FROM events WHERE event = ?1");
        let found = self.connection.query_row(&sql, [id.0], event).optional();
        Ok(found.map_err(|error| self.fault(error))?.map(|(_, event)| event))
    }

    /// Keeps a model's record; true where it is new. Another model of the same name is an error.
    pub fn add_model(&mut self, model: &Model) -> Result<bool> {
        self.write(|writer| writer.add_model(model))
    }

    /// Every model, in the order of adding.
    pub fn models(&self) -> Result<Vec<Model>> {
        self.all("SELECT name, run, learned, at, about FROM models ORDER BY rowid", model)
    }

    /// Keeps a round's record; true where it is new. Another round of the same number is an error.
    pub fn add_round(&mut self, round: &Round) -> Result<bool> {
        self.write(|writer| writer.add_round(round))
    }

    /// Writes the answers to a round, in this order, and the round's record: all or nothing, so that a round that is there
    /// is answered. Another round of the same number is an error.
    pub fn answer_round(&mut self, events: &[Event], round: &Round) -> Result<Vec<Appended>> {
        self.write(|writer| {
            let appended = events.iter().map(|event| writer.append(event)).collect::<Result<_>>()?;
            writer.add_round(round)?;
            Ok(appended)
        })
    }

    /// Every round, by number.
    pub fn rounds(&self) -> Result<Vec<Round>> {
        self.all("SELECT round, model, rule, size, seed, at, about FROM rounds ORDER BY round", round)
    }

    /// Reads the whole file, folds all events and compares: an error says what is wrong.
    pub fn check(&self) -> Result<()> {
        let _now = self.snapshot()?;
        let said: String = self.one("PRAGMA integrity_check")?;
        if said != "ok" {
            return Err(damaged(&self.path, &said));
        }
        let strays: i64 = self.one("SELECT count(*) FROM pragma_foreign_key_check")?;
        if strays > 0 {
            return Err(damaged(&self.path, &format!("{strays} rows name another one that is not there")));
        }
        let mut fold = Fold::default();
        self.each_event(EventId(0), &mut |id, event| {
            fold.apply(id, &event);
            Ok(())
        })?;
        if fold.labels() == self.labels()? {
            return Ok(());
        }
        Err(Error::data(
            self.path.as_path(),
            "the table `standing` is not what the events say: another program changed it",
            "no label is lost: `halfmoon status PROJECT --rebuild` makes it anew",
        ))
    }

    /// Makes the cache of what stands anew from the events.
    pub fn rebuild(&mut self) -> Result<()> {
        self.write(|writer| {
            let made = writer.transaction.execute_batch(&format!("DELETE FROM standing; {}", schema::FOLD));
            made.map_err(|error| writer.fault(error))
        })
    }

    /// Runs `work` in one transaction: all that it wrote is on the disk when this returns, or nothing is.
    pub(crate) fn write<T>(&mut self, work: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        let path = self.path.as_path();
        // From the beginning for writing: who reads first and then writes can only fail when another was faster.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(|error| fault(path, error))?;
        let done = work(&mut Writer::new(path, &transaction)?)?;
        transaction.commit().map_err(|error| fault(path, error))?;
        Ok(done)
    }

    /// An error where it is no project, or one of a later version.
    fn known(self) -> Result<Journal> {
        let number = |pragma: &str| self.one::<i32>(&format!("PRAGMA {pragma}"));
        if number("application_id")? != APPLICATION {
            return Err(foreign(&self.path));
        }
        let version = number("user_version")?;
        if version > VERSION {
            return Err(Error::data(
                self.path.as_path(),
                format!("is of a later halfmoon: its layout is {version}, and this one knows {VERSION}"),
                "update halfmoon",
            ));
        }
        Ok(self)
    }

    /// Without locks and without the files that writers share.
    fn connect_as_it_is(path: &Path) -> Result<Journal> {
        let name = percent_encode(path.as_os_str().as_encoded_bytes(), ESCAPED);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(format!("file:{name}?immutable=1"), flags);
        Ok(Journal { connection: connection.map_err(|error| fault(path, error))?, path: path.to_owned() })
    }

    fn connect(path: &Path) -> Result<Journal> {
        let fault = |error| fault(path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(fault)?;
        connection.busy_timeout(PATIENCE).map_err(fault)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(fault)?;
        // FULL: a commit waits until the disk has it, so that an acknowledged event outlives a loss of power.
        connection.pragma_update(None, "synchronous", "FULL").map_err(fault)?;
        // 64 MiB, where they are needed: keys come in no order, so their index must be at hand to write many events.
        connection.pragma_update(None, "cache_size", -65_536).map_err(fault)?;
        Ok(Journal { connection, path: path.to_owned() })
    }

    fn lay_out(&mut self, project: &Project) -> Result<()> {
        let path = self.path.as_path();
        let fault = |error| fault(path, error);
        // WAL: readers do not wait for the writer, nor it for them.
        let mode: String =
            self.connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(fault)?;
        if mode != "wal" {
            return Err(Error::data(
                path,
                "lies where several processes cannot share a file",
                "put the project on a local disk",
            ));
        }
        let transaction = self.connection.transaction().map_err(fault)?;
        let guards: String = APPEND_ONLY.iter().map(|(table, same)| schema::append_only(table, same)).collect();
        let head = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};");
        let all = [head.as_str(), schema::TABLES, &guards, schema::TRIGGERS].concat();
        transaction.execute_batch(&all).map_err(fault)?;
        transaction
            .execute(
                "INSERT INTO project (one, name, data, at, about) VALUES (1, ?1, ?2, ?3, ?4)",
                params![project.name, project.data, project.at.micros(), json(&project.about)],
            )
            .map_err(fault)?;
        transaction.commit().map_err(fault)
    }

    fn one<T: rusqlite::types::FromSql>(&self, sql: &str) -> Result<T> {
        self.connection.query_row(sql, [], |row| row.get(0)).map_err(|error| self.fault(error))
    }

    fn all<T>(&self, sql: &str, of: fn(&Row) -> rusqlite::Result<T>) -> Result<Vec<T>> {
        let rows = || self.connection.prepare(sql)?.query_map([], of)?.collect::<rusqlite::Result<_>>();
        rows().map_err(|error| self.fault(error))
    }

    fn fault(&self, error: rusqlite::Error) -> Error {
        fault(&self.path, error)
    }
}

/// A label or a skip that stands.
pub(crate) struct Standing {
    pub(crate) event: EventId,
    /// `None`: skipped.
    pub(crate) class: Option<Class>,
    pub(crate) at: Moment,
}

/// What writes within one transaction.
pub(crate) struct Writer<'a> {
    path: &'a Path,
    transaction: &'a Transaction<'a>,
    insert: Statement<'a>,
    of_key: Statement<'a>,
    has_item: Statement<'a>,
    standing: Statement<'a>,
    classes: HashMap<String, Class>,
}

impl<'a> Writer<'a> {
    fn new(path: &'a Path, transaction: &'a Transaction<'a>) -> Result<Writer<'a>> {
        let fault = |error| fault(path, error);
        let of_key = format!("SELECT {EVENT} FROM events WHERE key = ?1");
        let names = classes(transaction).map_err(fault)?;
        Ok(Writer {
            path,
            transaction,
            insert: transaction.prepare(INSERT).map_err(fault)?,
            of_key: transaction.prepare(&of_key).map_err(fault)?,
            has_item: transaction.prepare("SELECT 1 FROM items WHERE item = ?1").map_err(fault)?,
            standing: transaction.prepare(STANDING).map_err(fault)?,
            classes: names.into_iter().zip((0..).map(Class)).collect(),
        })
    }

    /// The class of this name.
    pub(crate) fn class(&self, name: &str) -> Option<Class> {
        self.classes.get(name).copied()
    }

    /// The names of the classes, in the order that [`Class`] counts.
    pub(crate) fn class_names(&self) -> Vec<&str> {
        let mut names: Vec<(&str, Class)> = self.classes.iter().map(|(name, class)| (name.as_str(), *class)).collect();
        names.sort_by_key(|(_, class)| *class);
        names.into_iter().map(|(name, _)| name).collect()
    }

    pub(crate) fn append(&mut self, event: &Event) -> Result<Appended> {
        if let Some((id, before)) = self.event_of_key(event.key)? {
            if before.annotator != event.annotator || before.action != event.action {
                return Err(another_event(event.key));
            }
            return Ok(Appended { event: id, is_new: false });
        }
        if let Action::NewClass(name) = &event.action {
            return self.append_class(name, event);
        }
        self.refuse(event)?;
        self.insert(event, None)
    }

    /// The event of this key.
    pub(crate) fn event_of_key(&mut self, key: Key) -> Result<Option<(EventId, Event)>> {
        let found = self.of_key.query_row([key.0.as_slice()], event).optional();
        found.map_err(|error| self.fault(error))
    }

    /// What an annotator says of an item, if anything.
    pub(crate) fn standing(&mut self, item: ItemId, annotator: &str) -> Result<Option<Standing>> {
        let found = self.standing.query_row(params![item.0, annotator], |row| {
            Ok(Standing {
                event: EventId(row.get(0)?),
                class: row.get::<_, Option<u16>>(1)?.map(Class),
                at: moment(row, 2)?,
            })
        });
        found.optional().map_err(|error| self.fault(error))
    }

    /// The number of the last event; 0 where there is none.
    pub(crate) fn last_event(&self) -> Result<EventId> {
        let sql = "SELECT coalesce(max(event), 0) FROM events";
        self.transaction.query_row(sql, [], |row| row.get(0)).map(EventId).map_err(|error| self.fault(error))
    }

    pub(crate) fn add_items(&mut self, items: &[Item]) -> Result<Added> {
        let mut added = Added::default();
        let fault = |error| fault(self.path, error);
        let sql = "SELECT item, id, path, content, split FROM items WHERE id = ?1";
        let mut of_id = self.transaction.prepare(sql).map_err(fault)?;
        let sql = "INSERT INTO items (id, path, content, split) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = self.transaction.prepare(sql).map_err(fault)?;
        for new in items {
            if new.id.is_empty() {
                return Err(Error::usage("an item has no id", "an id is how people know it: name it"));
            }
            match of_id.query_row([&new.id], item).optional().map_err(fault)? {
                Some((_, before)) if before == *new => added.already += 1,
                Some(_) => added.differ.push(new.id.clone()),
                None => {
                    let row = params![new.id, new.path, new.content.0.as_slice(), new.split.name()];
                    insert.execute(row).map_err(fault)?;
                    added.new += 1;
                }
            }
        }
        Ok(added)
    }

    pub(crate) fn add_model(&mut self, new: &Model) -> Result<bool> {
        if new.name.is_empty() {
            return Err(Error::usage("a model has no name", "name it"));
        }
        let fault = |error| fault(self.path, error);
        let sql = "SELECT name, run, learned, at, about FROM models WHERE name = ?1";
        match self.transaction.query_row(sql, [&new.name], model).optional().map_err(fault)? {
            Some(before) if before == *new => Ok(false),
            Some(_) => Err(Error::usage(
                format!("there is another model `{}`, and it is kept", new.name),
                "choose another name",
            )),
            None => {
                let row =
                    params![new.name, new.run, new.learned.map(|event| event.0), new.at.micros(), json(&new.about)];
                let sql = "INSERT INTO models (name, run, learned, at, about) VALUES (?1, ?2, ?3, ?4, ?5)";
                self.transaction.execute(sql, row).map_err(fault)?;
                Ok(true)
            }
        }
    }

    pub(crate) fn add_round(&mut self, new: &Round) -> Result<bool> {
        if new.round == 0 {
            return Err(Error::usage("rounds are numbered from 1", "take the number after the last one"));
        }
        let fault = |error| fault(self.path, error);
        let sql = "SELECT round, model, rule, size, seed, at, about FROM rounds WHERE round = ?1";
        match self.transaction.query_row(sql, [new.round], round).optional().map_err(fault)? {
            Some(before) if before == *new => Ok(false),
            Some(_) => Err(Error::usage(
                format!("there is another round {}, and it is kept", new.round),
                "take the number after the last one",
            )),
            None => {
                let seed = new.seed.map(|seed| seed.to_string());
                let (at, about) = (new.at.micros(), json(&new.about));
                let row = params![new.round, new.model, new.rule, new.size, seed, at, about];
                let sql = "INSERT INTO rounds (round, model, rule, size, seed, at, about) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
                self.transaction.execute(sql, row).map_err(fault)?;
                Ok(true)
            }
        }
    }

    /// The annotator's latest label or skip that stands.
    fn latest(&self, annotator: &str) -> Result<Option<EventId>> {
        let sql = "SELECT max(event) FROM standing WHERE annotator = ?1";
        let latest = self.transaction.query_row(sql, [annotator], |row| row.get::<_, Option<i64>>(0));
        Ok(latest.map_err(|error| self.fault(error))?.map(EventId))
    }

    fn append_class(&mut self, name: &str, new: &Event) -> Result<Appended> {
        let name = name.trim();
        if name.is_empty() {
            return Err(Error::usage("a class has no name", "name it"));
        }
        if self.classes.contains_key(name) {
            let sql = "SELECT event FROM events WHERE action = 'class' AND name = ?1";
            let event = self.transaction.query_row(sql, [name], |row| row.get(0)).map(EventId);
            return Ok(Appended { event: event.map_err(|error| self.fault(error))?, is_new: false });
        }
        let class = u16::try_from(self.classes.len()).ok().filter(|_| self.classes.len() < MOST_CLASSES).map(Class);
        let class = class.ok_or_else(|| {
            let problem = format!("there are {} classes, and no more fit", grouped(MOST_CLASSES));
            Error::usage(problem, "is this a class?")
        })?;
        let new = Event { action: Action::NewClass(name.to_owned()), ..new.clone() };
        self.refuse(&new)?;
        let appended = self.insert(&new, Some(class))?;
        self.classes.insert(name.to_owned(), class);
        Ok(appended)
    }

    /// An error where the event makes no sense; the tables' own rules would say so in fewer words.
    fn refuse(&mut self, event: &Event) -> Result<()> {
        if event.annotator.is_empty() {
            return Err(Error::usage("an event says not who did it", "name the annotator"));
        }
        if event.seconds.is_some_and(|seconds| !(seconds.is_finite() && seconds >= 0.0)) {
            return Err(Error::usage("nobody looks for less than no time, or for ever", "give seconds from 0 up"));
        }
        if event.said.confidence.is_some_and(|confidence| !(0.0..=1.0).contains(&confidence)) {
            return Err(Error::usage("a confidence is a probability", "give a number from 0 to 1"));
        }
        let labelled = match &event.action {
            Action::Label(_, class) => Some(*class),
            _ => None,
        };
        if let Some(class) =
            [labelled, event.said.class].into_iter().flatten().find(|c| c.index() >= self.classes.len())
        {
            return Err(Error::usage(
                format!("there is no class number {}: there are {}", class.0, self.classes.len()),
                "add the class first",
            ));
        }
        if let Some(item) = event.action.item()
            && !self.has_item.exists([item.0]).map_err(|error| self.fault(error))?
        {
            return Err(Error::usage(format!("there is no item number {}", item.0), "add the item first"));
        }
        if let Action::Undo(undone) = event.action {
            let sql = "SELECT action IN ('label', 'skip') FROM events WHERE event = ?1";
            let found = self.transaction.query_row(sql, [undone.0], |row| row.get::<_, bool>(0)).optional();
            if !found.map_err(|error| self.fault(error))?.unwrap_or(false) {
                return Err(Error::usage(
                    format!("event {} is no label and no skip, so it cannot be undone", undone.0),
                    "to take back an undo, label again",
                ));
            }
        }
        Ok(())
    }

    fn insert(&mut self, event: &Event, new_class: Option<Class>) -> Result<Appended> {
        let Event { key, annotator, at, action, seconds, said, asked, extra } = event;
        let (mut class, mut name, mut undoes) = (new_class, None, None);
        match action {
            Action::Label(_, given) => class = Some(*given),
            Action::NewClass(given) => name = Some(given),
            Action::Undo(event) => undoes = Some(event.0),
            Action::Skip(_) | Action::Fields(_) => {}
        }
        let row = params![
            key.0.as_slice(),
            at.micros(),
            annotator,
            action.name(),
            action.item().map(|item| item.0),
            class.map(|class| class.0),
            name,
            undoes,
            seconds,
            said.model,
            said.class.map(|class| class.0),
            said.confidence,
            asked.rule,
            asked.why,
            asked.round,
            (!extra.is_empty()).then(|| json(extra)),
        ];
        self.insert.execute(row).map_err(|error| fault(self.path, error))?;
        Ok(Appended { event: EventId(self.transaction.last_insert_rowid()), is_new: true })
    }

    fn fault(&self, error: rusqlite::Error) -> Error {
        fault(self.path, error)
    }
}

fn another_event(key: Key) -> Error {
    Error::usage(
        format!("another event has the key {key} already"),
        "a key is for one event and its repetitions: make a new one",
    )
}

const INSERT: &str = "
INSERT INTO events (key, at, annotator, action, item, class, name, undoes, seconds, model, said, confidence, rule, why,
    round, extra)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";

const STANDING: &str = "
SELECT standing.event, standing.class, events.at FROM standing JOIN events USING (event)
WHERE standing.item = ?1 AND standing.annotator = ?2";

/// The columns that [`event`] reads.
const EVENT: &str = "event, key, at, annotator, action, item, class, name, undoes, seconds, model, said, confidence, \
                     rule, why, round, extra";

fn event(row: &Row) -> rusqlite::Result<(EventId, Event)> {
    let item = || row.get(5).map(ItemId);
    let action = match row.get_ref(4)?.as_str()? {
        "label" => Action::Label(item()?, Class(row.get(6)?)),
        "skip" => Action::Skip(item()?),
        "undo" => Action::Undo(EventId(row.get(8)?)),
        "class" => Action::NewClass(row.get(7)?),
        "fields" => Action::Fields(item()?),
        _ => return Err(odd(row, 4)),
    };
    let event = Event {
        key: Key(row.get(1)?),
        at: moment(row, 2)?,
        annotator: row.get(3)?,
        action,
        seconds: row.get(9)?,
        said: Said { model: row.get(10)?, class: row.get::<_, Option<u16>>(11)?.map(Class), confidence: row.get(12)? },
        asked: Asked { rule: row.get(13)?, why: row.get(14)?, round: row.get(15)? },
        extra: if row.get_ref(16)?.as_str_or_null()?.is_some() { map(row, 16)? } else { Map::new() },
    };
    Ok((EventId(row.get(0)?), event))
}

fn item(row: &Row) -> rusqlite::Result<(ItemId, Item)> {
    let split = Split::named(row.get_ref(4)?.as_str()?).ok_or_else(|| odd(row, 4))?;
    Ok((ItemId(row.get(0)?), Item { id: row.get(1)?, path: row.get(2)?, content: Content(row.get(3)?), split }))
}

fn model(row: &Row) -> rusqlite::Result<Model> {
    let learned = row.get::<_, Option<i64>>(2)?.map(EventId);
    Ok(Model { name: row.get(0)?, run: row.get(1)?, learned, at: moment(row, 3)?, about: map(row, 4)? })
}

fn round(row: &Row) -> rusqlite::Result<Round> {
    let seed: Option<String> = row.get(4)?;
    Ok(Round {
        round: row.get(0)?,
        model: row.get(1)?,
        rule: row.get(2)?,
        size: row.get(3)?,
        seed: seed.map(|seed| seed.parse().map_err(|_| odd(row, 4))).transpose()?,
        at: moment(row, 5)?,
        about: map(row, 6)?,
    })
}

fn classes(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut names = connection.prepare("SELECT name FROM events WHERE action = 'class' ORDER BY class")?;
    names.query_map([], |row| row.get(0))?.collect()
}

fn standing(connection: &Connection) -> rusqlite::Result<Labels> {
    let mut all = connection.prepare("SELECT item, annotator, event, class FROM standing ORDER BY item, annotator")?;
    let mut rows = all.query([])?;
    let (mut votes, mut places) = (Vec::<Vote>::new(), HashMap::<String, usize>::new());
    while let Some(row) = rows.next()? {
        let name = row.get_ref(1)?.as_str()?;
        let annotator = places.get(name).copied().unwrap_or_else(|| {
            places.insert(name.to_owned(), places.len());
            places.len() - 1
        });
        let class = row.get::<_, Option<u16>>(3)?.map(Class);
        votes.push(Vote { item: ItemId(row.get(0)?), annotator, class, event: EventId(row.get(2)?) });
    }
    // From the order of appearance to the alphabet's, which the votes of an item are in already.
    let mut names: Vec<(String, usize)> = places.into_iter().collect();
    names.sort_unstable();
    let mut ranks = vec![0; names.len()];
    for (rank, (_, place)) in names.iter().enumerate() {
        ranks[*place] = rank;
    }
    for vote in &mut votes {
        vote.annotator = ranks[vote.annotator];
    }
    Ok(Labels { annotators: names.into_iter().map(|(name, _)| name).collect(), votes })
}

fn moment(row: &Row, column: usize) -> rusqlite::Result<Moment> {
    Moment::from_micros(row.get(column)?).ok_or_else(|| odd(row, column))
}

fn map(row: &Row, column: usize) -> rusqlite::Result<Map<String, Value>> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|_| odd(row, column))
}

fn json(map: &Map<String, Value>) -> String {
    serde_json::to_string(map).expect("a map of plain values")
}

/// A value that halfmoon does not write.
fn odd(row: &Row, column: usize) -> rusqlite::Error {
    let kind = row.get_ref(column).map_or(rusqlite::types::Type::Null, |value| value.data_type());
    let name = row.as_ref().column_name(column).unwrap_or("?").to_owned();
    rusqlite::Error::InvalidColumnType(column, name, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_an_error_the_file_stays_intact_and_it_goes_on_with_room() {
        let folder = std::env::temp_dir().join(format!("halfmoon-journal-room-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let at = Moment::parse("2026-11-26").unwrap();
        let project = Project { name: "pets".into(), data: None, at, about: Map::new() };
        let mut journal = Journal::create(&folder.join("project.db"), &project, &["cat".into()], "ann").unwrap();
        let item = Item { id: "a".into(), path: None, content: Content::of(b"a"), split: Split::Train };
        journal.add_items(&[item]).unwrap();
        let room = |journal: &Journal, pages: u32| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            journal.connection.query_row(&sql, [], |row| row.get::<_, u32>(0)).unwrap()
        };
        // SQLite takes no fewer pages than there are.
        let pages = room(&journal, 1);
        room(&journal, pages + 2);
        let label = |n: i64| {
            let at = Moment::from_micros(at.micros() + n).unwrap();
            Event::new("ann", at, Action::Label(ItemId(1), Class(0)))
        };
        let mut written = 0;
        let error = loop {
            match journal.append(&label(written)) {
                Ok(_) => written += 1,
                Err(error) => break error,
            }
        };
        assert!(written > 0, "there was room for some");
        assert!(error.to_string().ends_with("there is no room for more: nothing of this was written"), "{error}");
        assert!(error.hint().unwrap().contains("make room"));
        journal.check().unwrap();
        assert_eq!(journal.last_event().unwrap(), EventId(1 + written));

        room(&journal, 1_000_000);
        assert!(journal.append(&label(written)).unwrap().is_new);
        journal.check().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
