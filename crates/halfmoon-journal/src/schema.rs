//! The tables of `project.db`.
//!
//! | table | a row is | changes |
//! |---|---|---|
//! | `project` | the project: there is one | never |
//! | `items` | something that can be labelled | grows |
//! | `events` | something that somebody did | grows |
//! | `models`, `rounds` | a trained model; a turn of asking | grow |
//! | `standing` | what an annotator says of an item | a cache: triggers keep it in step with `events`, in the same transaction |
//!
//! Triggers refuse to change or remove a row of the others, whichever program tries. Without `standing`, a million events
//! would be folded at every opening; [`Journal::check`](crate::Journal::check) folds them and compares.

/// `hMon`, in the head of the file: tells a project from other programs' databases.
pub(crate) const APPLICATION: i32 = 0x684d_6f6e;

/// Number of this layout. A file with a higher one was written by a later halfmoon.
pub(crate) const VERSION: i32 = 1;

pub(crate) const TABLES: &str = "
CREATE TABLE project (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL,
    data TEXT,
    at INTEGER NOT NULL,
    about TEXT NOT NULL
);

CREATE TABLE items (
    item INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    path TEXT,
    content BLOB NOT NULL CHECK (length(content) = 32),
    split TEXT NOT NULL CHECK (split IN ('train', 'validation', 'test'))
);

CREATE TABLE events (
    event INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE CHECK (length(key) = 16),
    at INTEGER NOT NULL,
    annotator TEXT NOT NULL CHECK (annotator <> ''),
    action TEXT NOT NULL CHECK (action IN ('label', 'skip', 'undo', 'class', 'fields')),
    item INTEGER REFERENCES items,
    class INTEGER CHECK (class BETWEEN 0 AND 65534),
    name TEXT CHECK (name <> ''),
    undoes INTEGER REFERENCES events,
    seconds REAL CHECK (seconds >= 0),
    model TEXT,
    said INTEGER,
    confidence REAL CHECK (confidence BETWEEN 0 AND 1),
    rule TEXT,
    why TEXT,
    round INTEGER,
    extra TEXT,
    CHECK ((item IS NOT NULL) = (action IN ('label', 'skip', 'fields'))),
    CHECK ((class IS NOT NULL) = (action IN ('label', 'class'))),
    CHECK ((name IS NOT NULL) = (action = 'class')),
    CHECK ((undoes IS NOT NULL) = (action = 'undo'))
);
CREATE INDEX events_of_item ON events (item) WHERE item IS NOT NULL;
CREATE INDEX undone_events ON events (undoes) WHERE undoes IS NOT NULL;
CREATE UNIQUE INDEX classes_by_number ON events (class) WHERE action = 'class';
CREATE UNIQUE INDEX classes_by_name ON events (name) WHERE action = 'class';

CREATE TABLE models (
    name TEXT PRIMARY KEY CHECK (name <> ''),
    run TEXT,
    learned INTEGER REFERENCES events,
    at INTEGER NOT NULL,
    about TEXT NOT NULL
);

CREATE TABLE rounds (
    round INTEGER PRIMARY KEY CHECK (round > 0),
    model TEXT,
    rule TEXT NOT NULL,
    size INTEGER NOT NULL,
    seed TEXT,
    at INTEGER NOT NULL,
    about TEXT NOT NULL
);

CREATE TABLE standing (
    item INTEGER NOT NULL,
    annotator TEXT NOT NULL,
    event INTEGER NOT NULL,
    class INTEGER,
    PRIMARY KEY (item, annotator)
) WITHOUT ROWID;
CREATE INDEX standing_by_annotator ON standing (annotator, event);
";

pub(crate) const TRIGGERS: &str = "
CREATE TRIGGER events_must_fit BEFORE INSERT ON events BEGIN
    SELECT RAISE(ABORT, 'there is no such class')
    WHERE NEW.action = 'label'
        AND NOT EXISTS (SELECT 1 FROM events WHERE action = 'class' AND class = NEW.class);
    SELECT RAISE(ABORT, 'there is no such class')
    WHERE NEW.said IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM events WHERE action = 'class' AND class = NEW.said);
    SELECT RAISE(ABORT, 'classes are numbered without gaps')
    WHERE NEW.action = 'class' AND NEW.class <> (SELECT count(*) FROM events WHERE action = 'class');
    SELECT RAISE(ABORT, 'only a label or a skip can be undone')
    WHERE NEW.action = 'undo'
        AND NOT EXISTS (SELECT 1 FROM events WHERE event = NEW.undoes AND action IN ('label', 'skip'));
END;

CREATE TRIGGER events_come_last AFTER INSERT ON events
WHEN NEW.event < (SELECT max(event) FROM events)
    OR NEW.event <> 1 + coalesce((SELECT max(event) FROM events WHERE event < NEW.event), 0) BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only: an event goes to its end');
END;

CREATE TRIGGER said_stands AFTER INSERT ON events WHEN NEW.action IN ('label', 'skip') BEGIN
    DELETE FROM standing WHERE item = NEW.item AND annotator = NEW.annotator;
    INSERT INTO standing (item, annotator, event, class) VALUES (NEW.item, NEW.annotator, NEW.event, NEW.class);
END;

CREATE TRIGGER undone_stands_no_longer AFTER INSERT ON events WHEN NEW.action = 'undo' BEGIN
    DELETE FROM standing
    WHERE (item, annotator) = (SELECT item, annotator FROM events WHERE event = NEW.undoes);
    INSERT INTO standing (item, annotator, event, class)
    SELECT said.item, said.annotator, said.event, said.class
    FROM events AS undone JOIN events AS said ON said.item = undone.item AND said.annotator = undone.annotator
    WHERE undone.event = NEW.undoes AND said.action IN ('label', 'skip')
        AND NOT EXISTS (SELECT 1 FROM events AS later WHERE later.undoes = said.event)
    ORDER BY said.event DESC LIMIT 1;
END;
";

/// Tables that only grow, with what tells their rows apart.
pub(crate) const APPEND_ONLY: [(&str, &str); 5] = [
    ("project", "one = NEW.one"),
    ("items", "item = NEW.item OR id = NEW.id"),
    ("events", "event = NEW.event OR key = NEW.key"),
    ("models", "name = NEW.name"),
    ("rounds", "round = NEW.round"),
];

/// Triggers that keep a table from any change but growth. `REPLACE` removes rows without asking triggers for removals, so
/// a row that is there is refused as well.
pub(crate) fn append_only(table: &str, same: &str) -> String {
    let refuse = |what: &str| format!("SELECT RAISE(ABORT, 'the journal is append-only: {what} of {table}')");
    format!(
        "CREATE TRIGGER {table}_are_never_changed BEFORE UPDATE ON {table} BEGIN {}; END;
         CREATE TRIGGER {table}_are_never_removed BEFORE DELETE ON {table} BEGIN {}; END;
         CREATE TRIGGER {table}_are_never_replaced BEFORE INSERT ON {table}
         WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) BEGIN {}; END;",
        refuse("no row is changed"),
        refuse("no row is removed"),
        refuse("no row is replaced"),
    )
}

/// What `standing` is by definition, from the events alone.
pub(crate) const FOLD: &str = "
INSERT INTO standing (item, annotator, event, class)
SELECT item, annotator, max(event), class FROM events AS said
WHERE action IN ('label', 'skip')
    AND NOT EXISTS (SELECT 1 FROM events AS later WHERE later.undoes = said.event)
GROUP BY item, annotator;
";
