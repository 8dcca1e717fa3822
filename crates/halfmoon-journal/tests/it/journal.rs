//! Writing and reading.

use halfmoon_journal::{Action, Appended, Asked, Event, EventId, ItemId, Journal, Key, Model, Project};
use halfmoon_journal::{Added, Content, DATA, Item, Round, Said, Split};
use halfmoon_pool::Class;
use serde_json::{Map, json};

use crate::support::{Scratch, at, empty, label, standing};

#[test]
fn rows_are_counted_in_a_project_that_does_not_say_otherwise() {
    let project = |about: serde_json::Value| {
        let about = about.as_object().cloned().unwrap();
        Project { name: "pets".into(), data: None, at: at(0), about }
    };
    assert!(project(json!({})).counts_rows());
    assert!(project(json!({"data": {"label": "species"}})).counts_rows());
    assert!(!project(json!({"data": {"count_rows": false}})).counts_rows());
}

#[test]
fn all_that_was_written_is_read_again() {
    let folder = Scratch::new("again");
    let about = json!({"label": "genus", "n": 3, "odd": 0.1}).as_object().cloned().unwrap();
    let project = Project { name: "vögel".into(), data: Some("a b/č".into()), at: at(0), about: about.clone() };
    let path = folder.path("project.db");
    let mut journal = Journal::create(&path, &project, &["cat".into(), "dog".into()], DATA).unwrap();
    let items = [
        Item { id: "ä.png".into(), path: Some("ä.png".into()), content: Content::of(b"1"), split: Split::Train },
        Item { id: "2".into(), path: None, content: Content::of(b"2"), split: Split::Test },
    ];
    journal.add_items(&items).unwrap();
    let event = Event {
        key: Key::of(&["click 7"]),
        seconds: Some(0.1 + 0.2),
        said: Said { model: Some("m2".into()), class: Some(Class(0)), confidence: Some(0.7) },
        asked: Asked { rule: Some("bald".into()), why: Some("the draws\n\"disagree\"".into()), round: Some(3) },
        extra: about.clone(),
        ..label("Änn 🦆", 5, 2, 1)
    };
    journal.append(&event).unwrap();
    let model = Model { name: "m2".into(), run: Some("runs/1".into()), learned: Some(EventId(3)), at: at(6), about };
    assert!(journal.add_model(&model).unwrap());
    let round = Round {
        round: 1,
        model: Some("m2".into()),
        rule: "bald".into(),
        size: 50,
        seed: Some(u64::MAX),
        at: at(7),
        about: Map::new(),
    };
    assert!(journal.add_round(&round).unwrap());
    journal.close().unwrap();

    let mut journal = Journal::open(&path).unwrap();
    assert_eq!(journal.project().unwrap(), project);
    assert_eq!(journal.classes().unwrap(), ["cat", "dog"]);
    assert_eq!(journal.items().unwrap(), [(ItemId(1), items[0].clone()), (ItemId(2), items[1].clone())]);
    assert_eq!(journal.items_by_split().unwrap(), [(Split::Train, 1), (Split::Test, 1)]);
    assert_eq!(journal.events(EventId(2)).unwrap(), [(EventId(3), event)]);
    assert_eq!(journal.last_event().unwrap(), EventId(3));
    assert_eq!(journal.models().unwrap(), std::slice::from_ref(&model));
    assert_eq!(journal.rounds().unwrap(), std::slice::from_ref(&round));
    assert_eq!(journal.find("ä.png").unwrap(), Some(ItemId(1)));
    assert_eq!(journal.find("a.png").unwrap(), None);
    // the same again is no second one, and no other one
    assert!(!journal.add_model(&model).unwrap());
    assert!(!journal.add_round(&round).unwrap());
    assert!(journal.add_model(&Model { run: None, ..model }).is_err());
    assert!(journal.add_round(&Round { size: 1, ..round }).is_err());
}

#[test]
fn the_same_key_is_written_once() {
    let folder = Scratch::new("key");
    let mut journal = folder.pets(2);
    let click = Event { key: Key::of(&["click"]), ..label("ann", 1, 1, 0) };
    let first = journal.append(&click).unwrap();
    assert_eq!(first, Appended { event: EventId(3), is_new: true });
    // the second try of a client bears a later time
    let again = journal.append(&Event { at: at(9), ..click.clone() }).unwrap();
    assert_eq!(again, Appended { event: EventId(3), is_new: false });
    assert_eq!(journal.last_event().unwrap(), EventId(3));

    let error = journal.append(&Event { key: click.key, ..label("ann", 1, 2, 0) }).expect_err("another event");
    assert!(error.to_string().contains("another event has the key"), "{error}");
}

#[test]
fn undo_takes_back_one_label_after_another_and_stops_at_the_first() {
    let folder = Scratch::new("undo");
    let mut journal = folder.pets(3);
    journal
        .append_all(&[
            label("ann", 1, 1, 0),
            label("bo", 2, 1, 0),
            label("ann", 3, 2, 1),
            label("ann", 4, 1, 1),
            Event::new("ann", at(5), Action::Skip(ItemId(3))),
        ])
        .unwrap();
    let mut undone = Vec::new();
    for n in 0..5 {
        let key = Key::of(&["undo", &n.to_string()]);
        undone.push(journal.undo("ann", at(10 + n), key).unwrap().map(|(_, event)| event.0));
        // asked again with the same key, nothing more is undone
        let again = journal.undo("ann", at(20 + n), key).unwrap();
        assert_eq!(again.map(|(_, event)| event.0), undone[undone.len() - 1]);
    }
    // events 1 and 2 are the classes
    assert_eq!(undone, [Some(7), Some(6), Some(5), Some(3), None]);
    assert_eq!(standing(&journal), [(1, "bo".to_owned(), Some(0))]);
    journal.check().unwrap();

    let error = journal.append(&Event::new("ann", at(30), Action::Undo(EventId(8)))).expect_err("an undo");
    assert!(error.to_string().contains("event 8 is no label and no skip"), "{error}");
}

#[test]
fn a_class_is_added_once_whoever_asks() {
    let folder = Scratch::new("class");
    let mut journal = folder.pets(1);
    assert_eq!(journal.add_class("cow", "ann", at(1)).unwrap(), Class(2));
    assert_eq!(journal.add_class(" cow ", "bo", at(2)).unwrap(), Class(2));
    assert_eq!(journal.add_class("dog", "bo", at(3)).unwrap(), Class(1));
    assert_eq!(journal.classes().unwrap(), ["cat", "dog", "cow"]);
    assert!(journal.add_class(" ", "bo", at(4)).is_err());
    journal.append(&label("bo", 5, 1, 2)).unwrap();
    assert!(journal.append(&label("bo", 6, 1, 3)).expect_err("no class").to_string().contains("no class number 3"));
}

#[test]
fn items_keep_what_they_are() {
    let folder = Scratch::new("items");
    let mut journal = empty(&folder.path("project.db"), &[]);
    let item = |id: &str, content: &[u8]| Item {
        id: id.into(),
        path: None,
        content: Content::of(content),
        split: Split::Train,
    };
    let added = journal.add_items(&[item("a", b"1"), item("b", b"2")]).unwrap();
    assert_eq!(added, Added { new: 2, already: 0, differ: vec![] });
    let added = journal.add_items(&[item("a", b"1"), item("b", b"3"), item("c", b"4")]).unwrap();
    assert_eq!(added, Added { new: 1, already: 1, differ: vec!["b".into()] });
    assert_eq!(journal.items().unwrap()[1].1, item("b", b"2"));
}

#[test]
fn all_events_of_a_call_are_written_or_none() {
    let folder = Scratch::new("all-or-none");
    let mut journal = folder.pets(2);
    let error = journal.append_all(&[label("ann", 1, 1, 0), label("ann", 2, 99, 0)]).expect_err("no item 99");
    assert!(error.to_string().contains("no item number 99"), "{error}");
    assert_eq!(journal.last_event().unwrap(), EventId(2));
    for wrong in [
        Event { seconds: Some(f64::NAN), ..label("ann", 1, 1, 0) },
        Event { seconds: Some(-1.0), ..label("ann", 1, 1, 0) },
        Event { said: Said { confidence: Some(1.5), ..Said::default() }, ..label("ann", 1, 1, 0) },
        Event { said: Said { class: Some(Class(7)), ..Said::default() }, ..label("ann", 1, 1, 0) },
        label("", 1, 1, 0),
    ] {
        journal.append(&wrong).expect_err("makes no sense");
    }
    assert_eq!(standing(&journal), []);
}

#[test]
fn a_round_is_written_with_its_answers_or_not_at_all() {
    let folder = Scratch::new("round");
    let mut journal = folder.pets(2);
    let round = Round { round: 1, model: None, rule: "bald".into(), size: 2, seed: None, at: at(3), about: Map::new() };
    let answers = [label("ann", 1, 1, 0), label("ann", 2, 2, 1)];
    journal.answer_round(&[label("ann", 1, 1, 0), label("ann", 2, 9, 0)], &round).expect_err("no item 9");
    journal.answer_round(&answers, &Round { round: 0, ..round.clone() }).expect_err("no round 0");
    assert_eq!((standing(&journal), journal.rounds().unwrap()), (vec![], vec![]));
    let appended = journal.answer_round(&answers, &round).unwrap();
    assert!(appended.len() == 2 && appended.iter().all(|one| one.is_new));
    // a second try is no second round, and another round is not answered
    assert!(journal.answer_round(&answers, &round).unwrap().iter().all(|one| !one.is_new));
    journal.answer_round(&[label("bo", 1, 1, 0)], &Round { size: 1, ..round.clone() }).expect_err("another round 1");
    assert_eq!((standing(&journal).len(), journal.rounds().unwrap()), (2, vec![round]));
}

#[test]
fn what_is_no_journal_is_an_error() {
    let folder = Scratch::new("foreign");
    let open = |name: &str| {
        let error = Journal::open(&folder.path(name)).expect_err(name);
        (error.to_string(), error.hint().map(str::to_owned))
    };
    assert!(open("absent").0.ends_with("absent: there is no project"), "{:?}", open("absent"));
    assert!(open("absent").1.unwrap().contains("halfmoon init"));
    std::fs::write(folder.path("empty"), "").unwrap();
    assert!(open("empty").0.ends_with("is empty: making it was cut short"));
    std::fs::write(folder.path("text"), "id,label\n".repeat(1000)).unwrap();
    assert!(open("text").0.ends_with("is not a halfmoon project"), "{:?}", open("text"));
    assert!(open("text").1.unwrap().contains("halfmoon init"));
    rusqlite::Connection::open(folder.path("other.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(open("other.db").0.ends_with("is not a halfmoon project"));
    std::fs::create_dir(folder.path("folder")).unwrap();
    assert!(open("folder").0.ends_with("is not a halfmoon project"), "{:?}", open("folder"));
}

#[test]
fn a_damaged_file_is_an_error_and_no_panic() {
    let folder = Scratch::new("damaged");
    let mut journal = folder.pets(26);
    let events: Vec<Event> = (0..2000).map(|n| label("ann", n, n % 26 + 1, 0)).collect();
    journal.append_all(&events).unwrap();
    let path = journal.path().to_owned();
    journal.close().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let pages = whole.len() / 4096;
    let mut found = 0;
    for page in 1..pages {
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0x5a);
        std::fs::write(&path, bytes).unwrap();
        // each page belongs to something: whoever reads it all finds it out
        let Ok(journal) = Journal::open(&path) else { continue };
        let error = journal.check().expect_err("a damaged page");
        let _ = (journal.labels(), journal.items(), journal.classes(), journal.project());
        assert!(error.hint().is_some(), "{error}");
        found += 1;
    }
    assert!(found > pages / 2, "{found} of {pages}");
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(Journal::open(&path).and_then(|journal| journal.check()).is_err());
}

#[test]
fn a_snapshot_is_of_one_moment() {
    let folder = Scratch::new("snapshot");
    let journal = folder.pets(2);
    let mut other = Journal::open(journal.path()).unwrap();
    {
        let _now = journal.snapshot().unwrap();
        assert_eq!(journal.last_event().unwrap(), EventId(2));
        other.append(&label("bo", 1, 1, 0)).unwrap();
        assert_eq!(journal.last_event().unwrap(), EventId(2));
        // what takes a snapshot of its own stays within this one
        journal.check().unwrap();
        assert_eq!(standing(&journal), []);
    }
    assert_eq!(standing(&journal).len(), 1);
}

#[test]
fn creating_never_overwrites() {
    let folder = Scratch::new("create");
    let path = folder.pets(1).path().to_owned();
    let project = Project { name: String::new(), data: None, at: at(0), about: Map::new() };
    let error = Journal::create(&path, &project, &[], "ann").expect_err("is there");
    assert!(error.to_string().contains("there is a file already"), "{error}");
    assert_eq!(Journal::open(&path).unwrap().items().unwrap().len(), 1);
    // what cannot be made leaves nothing behind
    let path = folder.path("bad.db");
    Journal::create(&path, &project, &[" ".into()], "ann").expect_err("a class without a name");
    assert!(!path.exists());
}

#[test]
fn one_item_one_event_and_what_came_later_are_read_alone() {
    let folder = Scratch::new("alone");
    let mut journal = folder.pets(3);
    let first = journal.append(&label("bo", 1, 2, 0)).unwrap().event;
    journal.append(&label("ann", 2, 2, 1)).unwrap();
    journal.append(&label("bo", 3, 1, 1)).unwrap();
    journal.undo("bo", at(4), Key::of(&["u"])).unwrap();
    let of_second = journal.labels_of(ItemId(2)).unwrap();
    let all = journal.labels().unwrap();
    assert_eq!(of_second, all, "the other item's label was undone");
    assert_eq!(of_second.annotators, ["ann", "bo"]);
    assert!(journal.labels_of(ItemId(1)).unwrap().votes.is_empty());
    assert_eq!(journal.event(first).unwrap().unwrap().action, Action::Label(ItemId(2), Class(0)));
    assert_eq!(journal.event(EventId(99)).unwrap(), None);
    let later: Vec<_> = journal.items_after(ItemId(2)).unwrap().into_iter().map(|(id, item)| (id, item.id)).collect();
    assert_eq!(later, [(ItemId(3), "c".to_owned())]);
}
