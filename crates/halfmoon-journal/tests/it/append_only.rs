//! What another program may not do to the file.

use halfmoon_journal::{Action, Event, EventId, Journal, Model, Round};
use rusqlite::Connection;
use serde_json::Map;

use crate::support::{Scratch, at, label, standing};

fn refused(connection: &Connection, sql: &str) -> String {
    connection.execute_batch(sql).expect_err(sql).to_string()
}

#[test]
fn no_row_can_be_changed_removed_or_replaced() {
    let folder = Scratch::new("append-only");
    let mut journal = folder.pets(2);
    journal.append(&label("ann", 1, 1, 0)).unwrap();
    let model = Model { name: "m2".into(), run: None, learned: None, at: at(2), about: Map::new() };
    journal.add_model(&model).unwrap();
    let round = Round { round: 1, model: None, rule: "bald".into(), size: 5, seed: None, at: at(3), about: Map::new() };
    journal.add_round(&round).unwrap();
    let before = journal.events(EventId(0)).unwrap();

    let other = Connection::open(journal.path()).unwrap();
    for table in ["project", "items", "events", "models", "rounds"] {
        let columns: String =
            other.query_row("SELECT group_concat(name) FROM pragma_table_info(?1)", [table], |row| row.get(0)).unwrap();
        let first = columns.split(',').next().unwrap();
        for sql in [
            format!("UPDATE {table} SET {first} = {first}"),
            format!("DELETE FROM {table}"),
            format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table} ORDER BY 1 DESC LIMIT 1"),
            format!("INSERT OR IGNORE INTO {table} SELECT * FROM {table} ORDER BY 1 DESC LIMIT 1"),
        ] {
            assert!(refused(&other, &sql).contains("append-only"), "{sql}");
        }
    }
    assert_eq!(journal.events(EventId(0)).unwrap(), before);
    journal.check().unwrap();
}

#[test]
fn events_that_make_no_sense_are_refused_whoever_writes_them() {
    let folder = Scratch::new("sense");
    let mut journal = folder.pets(2);
    let undo = Event::new("ann", at(2), Action::Undo(journal.append(&label("ann", 1, 1, 0)).unwrap().event));
    journal.append(&undo).unwrap();
    let other = Connection::open(journal.path()).unwrap();
    other.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    let insert = |columns: &str, values: &str| {
        let sql =
            format!("INSERT INTO events (key, at, annotator, action{columns}) VALUES (randomblob(16), 0, {values})");
        refused(&other, &sql)
    };
    assert!(insert(", item, class", "'bo', 'label', 1, 7").contains("no such class"));
    assert!(insert(", item, class", "'bo', 'label', 9, 0").contains("FOREIGN KEY"));
    assert!(insert(", item, said", "'bo', 'skip', 1, 7").contains("no such class"));
    assert!(insert(", class, name", "'bo', 'class', 5, 'cow'").contains("without gaps"));
    assert!(insert(", class, name", "'bo', 'class', 2, 'cat'").contains("UNIQUE"));
    assert!(insert(", undoes", "'bo', 'undo', 4").contains("only a label or a skip"));
    assert!(insert(", item", "'bo', 'label', 1").contains("no such class"));
    assert!(insert(", item, class", "'bo', 'skip', 1, 0").contains("CHECK"));
    assert!(insert(", item", "'', 'skip', 1").contains("CHECK"));
    // before the first one, and with a gap behind the last one
    for number in [-5, 0, 6] {
        let columns = "event, key, at, annotator, action, item";
        let sql = format!("INSERT INTO events ({columns}) VALUES ({number}, randomblob(16), 0, 'bo', 'skip', 1)");
        assert!(refused(&other, &sql).contains("goes to its end"), "{number}");
    }
}

#[test]
fn a_label_that_another_program_appends_stands() {
    let folder = Scratch::new("other-program");
    let journal = folder.pets(2);
    let other = Connection::open(journal.path()).unwrap();
    let columns = "key, at, annotator, action, item, class";
    let sql = format!("INSERT INTO events ({columns}) VALUES (randomblob(16), 0, 'script', 'label', 2, 1)");
    other.execute_batch(&sql).unwrap();
    assert_eq!(standing(&journal), [(2, "script".to_owned(), Some(1))]);
}

#[test]
fn a_changed_cache_is_found_and_made_anew() {
    let folder = Scratch::new("cache");
    let mut journal = folder.pets(3);
    journal.append_all(&[label("ann", 1, 1, 0), label("bo", 2, 1, 1), label("ann", 3, 2, 1)]).unwrap();
    let undone = journal.append(&label("bo", 4, 3, 1)).unwrap().event;
    journal.append(&Event::new("bo", at(5), Action::Undo(undone))).unwrap();
    journal.check().unwrap();
    let before = journal.labels().unwrap();

    let other = Connection::open(journal.path()).unwrap();
    other.execute_batch("UPDATE standing SET class = 1 WHERE item = 1 AND annotator = 'ann'").unwrap();
    let error = journal.check().expect_err("a changed cache");
    assert!(error.to_string().contains("`standing` is not what the events say"), "{error}");
    assert!(error.hint().unwrap().contains("--rebuild"));
    journal.rebuild().unwrap();
    journal.check().unwrap();
    assert_eq!(journal.labels().unwrap(), before);

    other.execute_batch("UPDATE standing SET class = 7 WHERE item = 1").unwrap();
    let error = journal.labels().expect_err("no such class").to_string();
    assert!(error.ends_with("is damaged: a label names class 7, which is not there"), "{error}");
}

#[test]
fn a_file_of_a_later_version_is_left_alone() {
    let folder = Scratch::new("later");
    let path = folder.pets(1).path().to_owned();
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
    let error = Journal::open(&path).expect_err("a later version");
    assert!(error.to_string().ends_with("is of a later halfmoon: its layout is 2, and this one knows 1"), "{error}");
    assert_eq!(error.hint(), Some("update halfmoon"));
}
