//! Labels to files and back.

use std::path::{Path, PathBuf};

use halfmoon_journal::exchange::{FORMATS, Format, Imported, Options, export, import};
use halfmoon_journal::{Action, Asked, Event, EventId, Item, Journal, Key, Labels, Model, Moment, Project};
use halfmoon_journal::{Content, ItemId, Round, Said, Split};
use halfmoon_pool::Class;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use crate::support::{Scratch, at, empty, label, standing};

fn options() -> Options {
    Options { format: None, label: None, annotator: "import".into(), new_classes: false, now: at(1000) }
}

fn read(journal: &mut Journal, folder: &Scratch, name: &str, content: &str) -> Imported {
    read_with(journal, folder, name, content, &options())
}

fn read_with(journal: &mut Journal, folder: &Scratch, name: &str, content: &str, options: &Options) -> Imported {
    std::fs::write(folder.path(name), content).unwrap();
    let imported = import(journal, &folder.path(name), options).unwrap();
    journal.check().unwrap();
    let Imported { records, new, already, repeated, older, unlabelled, problems, conflicts, .. } = &imported;
    let counted = new + already + repeated + older + unlabelled + problems.len() + conflicts.len();
    assert_eq!(*records, counted, "every record is counted once");
    imported
}

/// Problems without the folder's name.
fn problems(imported: &Imported) -> Vec<String> {
    let file = |place: &str| place.rsplit('/').next().unwrap_or_default().to_owned();
    imported.problems.iter().map(|problem| format!("{}: {}", file(&problem.place), problem.reason)).collect()
}

fn written(journal: &Journal, format: &Format) -> String {
    let mut out = Vec::new();
    export(journal, format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn by_name(name: &str) -> &'static Format {
    FORMATS.iter().find(|format| format.name == name).unwrap()
}

#[test]
fn a_table_says_who_labelled_what_and_all_that_is_wrong_is_counted() {
    let folder = Scratch::new("csv");
    let mut journal = folder.pets(4);
    let table = "\u{feff}id,label,annotator,created_at,mood\n\
                 a,cat,ann,2026-11-26T09:00:00Z,good\n\
                 b, dog ,bo,,\n\
                 zebra,dog,bo,,\n\
                 c,cow,bo,,\n\
                 c,,bo,,\n\
                 d,NA,bo,,\n\
                 b,dog,bo,,\n\
                 b,cat,bo,,\n\
                 d,cat\n\
                 \n\
                 d,dogg,,,\n\
                 d,dog,,yesterday,\n";
    let imported = read(&mut journal, &folder, "labels.csv", table);
    assert_eq!(
        problems(&imported),
        [
            "labels.csv, row 4: there is no item `zebra`: items are called such as `a`",
            "labels.csv, row 5: `cow` is not a class (known: cat, dog); `--new-classes` makes it one",
            "labels.csv, row 10: has 2 fields, the header has 5",
            "labels.csv, row 12: `dogg` is not a class (did you mean `dog`?); `--new-classes` makes it one",
        ]
    );
    assert_eq!((imported.records, imported.new, imported.unlabelled, imported.repeated), (11, 3, 2, 1));
    assert_eq!(imported.conflicts.len(), 1);
    assert!(imported.conflicts[0].place.ends_with("labels.csv, row 8"), "{:?}", imported.conflicts);
    assert_eq!(imported.conflicts[0].reason, "`b` has another label by bo in row 9, which counts");
    assert!(imported.notes[0].contains("`created_at` is not understood in 1 record "), "{:?}", imported.notes);
    assert_eq!(
        standing(&journal),
        [(1, "ann".into(), Some(0)), (2, "bo".into(), Some(0)), (4, "import".to_owned(), Some(1))]
    );
    let events = journal.events(EventId(2)).unwrap();
    assert_eq!((events[0].1.at, &events[0].1.extra["mood"]), (at(3600), &json!("good")));
    assert_eq!((events[2].1.at, &events[2].1.extra["created_at"]), (at(1000), &json!("yesterday")));

    // a second time, nothing is new
    let again = read_with(&mut journal, &folder, "labels.csv", table, &Options { now: at(2000), ..options() });
    assert_eq!((again.new, again.already, again.repeated), (0, 3, 1));
}

#[test]
fn other_tables_are_read_where_they_are_clear() {
    let folder = Scratch::new("csv-dialects");
    let mut journal = folder.pets(4);
    let class = Options { label: Some("class".into()), ..options() };
    let imported = read_with(&mut journal, &folder, "a.csv", "file_name;class\r\na;cat\r\nb;dog\r\n", &class);
    assert_eq!(imported.new, 2);
    assert_eq!(read(&mut journal, &folder, "b.tsv", "label\tid\ndog\tc").new, 1);
    for (name, id) in [("file", "a"), ("filename", "b"), ("image", "c")] {
        assert_eq!(read(&mut journal, &folder, "c.csv", &format!("{name},label,annotator\n{id},dog,bo\n")).new, 1);
    }
    for (table, part) in [
        ("", "is empty"),
        ("id,klass\na,cat\n", "row 1: has no column `label`"),
        ("label\ncat\n", "row 1: has no column `id`"),
        ("picture,label\na,cat\n", "row 1: has no column `id`"),
        ("id,label,id\na,cat,b\n", "row 1: names the column `id` twice"),
        ("id,label\na,cat\nb,\"dog\nc,cat\n", "row 3: a quote opens here and does not close"),
    ] {
        std::fs::write(folder.path("bad.csv"), table).unwrap();
        let before = journal.last_event().unwrap();
        let error = import(&mut journal, &folder.path("bad.csv"), &options()).expect_err(table);
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.hint().is_some_and(|hint| !hint.contains("did you mean `label`")), "{error:?}");
        assert_eq!(journal.last_event().unwrap(), before, "nothing of a broken file is taken");
    }
    std::fs::write(folder.path("latin.csv"), b"id,label\na,cat\nb,d\xf6g\n").unwrap();
    let imported = import(&mut journal, &folder.path("latin.csv"), &options()).unwrap();
    assert_eq!(problems(&imported), ["latin.csv, row 3: is not UTF-8"]);
}

#[test]
fn a_path_that_several_items_have_names_none_of_them() {
    let folder = Scratch::new("paths");
    let mut journal = empty(&folder.path("project.db"), &["cat"]);
    let item = |id: &str, path: &str| Item {
        id: id.into(),
        path: Some(path.into()),
        content: Content::of(id.as_bytes()),
        split: Split::Train,
    };
    journal
        .add_items(&[item("1", "scan.png"), item("2", "scan.png"), item("3", "x.png"), item("x.png", "y.png")])
        .unwrap();
    let table = "path,label,when\nscan.png,cat,\nx.png,cat,2026-11-26T09:00:00+01:00\ny.png,cat,\n";
    let imported = read(&mut journal, &folder, "labels.csv", table);
    assert_eq!(
        problems(&imported),
        ["labels.csv, row 2: `scan.png` is the path of several items, such as `1` and `2`: an `id` tells them apart"]
    );
    // an id is meant before a path
    assert_eq!(standing(&journal), [(4, "import".to_owned(), Some(0))]);
    assert_eq!(journal.events(EventId(1)).unwrap()[0].1.at, at(0));
}

#[test]
fn classes_can_come_with_a_file() {
    let folder = Scratch::new("new-classes");
    let mut journal = folder.pets(3);
    let new = Options { new_classes: true, ..options() };
    let table = "id,label\na,cow\nb,\"cat, \"\"big\"\"\"\nc,NaN\n";
    let imported = read_with(&mut journal, &folder, "labels.csv", table, &new);
    assert_eq!((&imported.new_classes[..], &imported.notes[..]), (&["cow".into(), "cat, \"big\"".into()][..], &[][..]));
    assert_eq!((imported.new, imported.unlabelled), (2, 1));
    assert_eq!(journal.classes().unwrap(), ["cat", "dog", "cow", "cat, \"big\""]);
}

#[test]
fn a_new_class_that_may_be_an_old_one_is_told() {
    let folder = Scratch::new("twins");
    let mut journal = empty(&folder.path("project.db"), &["b", "caf\u{e9}", "big cat"]);
    let ids: Vec<Item> = ["1", "2", "3", "4", "5", "6"]
        .map(|id| Item { id: id.into(), path: None, content: Content::of(id.as_bytes()), split: Split::Train })
        .into();
    journal.add_items(&ids).unwrap();
    let new = Options { new_classes: true, ..options() };
    let table = "id,label\n1,b \n2,B\n3, B\n4,cafe\u{301}\n5,Big  Cat\n6,dog\n";
    let imported = read_with(&mut journal, &folder, "labels.csv", table, &new);
    assert_eq!(journal.classes().unwrap(), ["b", "caf\u{e9}", "big cat", "B", "cafe\u{301}", "Big  Cat", "dog"]);
    assert_eq!(
        imported.notes,
        [
            "`B` (2 labels) is a new class beside `b`: did you mean the same class?",
            "`Big  Cat` (1 label) is a new class beside `big cat`: did you mean the same class?",
            "`cafe\u{301}` (1 label) is a new class beside `caf\u{e9}`: did you mean the same class?",
        ]
    );
}

/// What stands of the first item.
fn first(journal: &Journal) -> Option<u16> {
    standing(journal).first().and_then(|(_, _, class)| *class)
}

#[test]
fn a_correction_back_to_an_earlier_label_counts() {
    let folder = Scratch::new("back");
    let mut journal = folder.pets(2);
    let choice = |class: &str| json!([{"from_name": "k", "type": "choices", "value": {"choices": [class]}}]);
    let day = |class: &str| format!("id,label,created_at\nb,{class},2026-11-26\n");
    let studio = |class: &str| {
        json!([{"data": {"text": "a"}, "annotations": [
            {"completed_by": "ann", "created_at": "2026-11-26T09:00:00Z", "result": choice(class)}]}])
        .to_string()
    };
    let table = |class: &str| format!("id,label,annotator\na,{class},bo\n");
    let whose = |journal: &Journal, who: &str| standing(journal).iter().find(|(_, by, _)| by == who).unwrap().2;
    for (file, of, who) in
        [("a.csv", &table as &dyn Fn(&str) -> String, "bo"), ("a.json", &studio, "ann"), ("day.csv", &day, "import")]
    {
        for (class, number) in [("cat", 0), ("dog", 1), ("cat", 0), ("dog", 1)] {
            assert_eq!(read(&mut journal, &folder, file, &of(class)).new, 1, "{file}");
            assert_eq!(whose(&journal, who), Some(number), "{file}");
            // the same again is no more
            let last = journal.last_event().unwrap();
            assert_eq!(read(&mut journal, &folder, file, &of(class)).already, 1, "{file}");
            assert_eq!(journal.last_event().unwrap(), last);
        }
    }
}

#[test]
fn a_file_says_what_it_says_last() {
    let folder = Scratch::new("last");
    let mut journal = folder.pets(2);
    let table = "id,label\na,cat\na,dog\na,cat\n";
    let imported = read(&mut journal, &folder, "labels.csv", table);
    assert_eq!((imported.new, first(&journal)), (1, Some(0)));
    let told: Vec<&str> = imported.conflicts.iter().map(|problem| problem.reason.as_str()).collect();
    assert_eq!(told, ["`a` has another label by import in row 4, which counts"; 2]);
    assert!(imported.conflicts[0].place.ends_with("row 2") && imported.conflicts[1].place.ends_with("row 3"));
    let again = read(&mut journal, &folder, "labels.csv", table);
    assert_eq!((again.new, again.already, again.conflicts.len()), (0, 1, 2));
    // undone meanwhile, it is said anew
    journal.undo("import", at(2000), Key::of(&["undo"])).unwrap();
    assert_eq!(read(&mut journal, &folder, "labels.csv", table).new, 1);
    assert_eq!(first(&journal), Some(0));
    // but who says when, says only once that it was so then
    let then = "id,label,created_at\nb,cat,2026-11-26T09:00:00Z\n";
    assert_eq!(read(&mut journal, &folder, "then.csv", then).new, 1);
    journal.undo("import", at(3000), Key::of(&["undo 2"])).unwrap();
    assert_eq!(read(&mut journal, &folder, "then.csv", then).already, 1);
    assert_eq!(standing(&journal).len(), 1);
}

#[test]
fn of_labels_with_a_time_the_latest_stands_whatever_their_order() {
    let folder = Scratch::new("older");
    let line = |class: &str, second: i64| {
        json!({"id": "a", "label": class, "annotator": "ann", "created_at": at(second).to_string()}).to_string()
    };
    // in one file
    let mut journal = folder.pets(1);
    let both = [line("dog", 5), line("cat", 1)].join("\n");
    assert_eq!(read(&mut journal, &folder, "both.jsonl", &both).new, 2);
    assert_eq!(first(&journal), Some(1));
    journal.undo("ann", at(9), Key::of(&["undo"])).unwrap();
    assert_eq!(first(&journal), Some(0), "the earlier one stands again");

    // in two files, and by a journal's own lines
    let mut journal = empty(&folder.path("other.db"), &["cat", "dog"]);
    let item = Item { id: "a".into(), path: None, content: Content::of(b"a"), split: Split::Train };
    journal.add_items(&[item]).unwrap();
    read(&mut journal, &folder, "late.jsonl", &line("dog", 5));
    let early = read(&mut journal, &folder, "early.jsonl", &line("cat", 1));
    assert_eq!((early.new, early.older, first(&journal)), (0, 1, Some(1)));
    let last = journal.last_event().unwrap();
    let again = read(&mut journal, &folder, "early.jsonl", &line("cat", 1));
    assert_eq!((again.older, again.already, journal.last_event().unwrap()), (0, 1, last));
    let keyed = line("cat", 2).replace("{\"annotator", &format!("{{\"key\":\"{}\",\"annotator", Key::of(&["k"])));
    let keyed = read(&mut journal, &folder, "keyed.jsonl", &keyed);
    assert_eq!((keyed.new, keyed.older, first(&journal)), (0, 1, Some(1)));
    // at the same time, the later in the journal stands
    assert_eq!(read(&mut journal, &folder, "tie.jsonl", &line("cat", 5)).new, 1);
    assert_eq!(first(&journal), Some(0));
    let labels = |journal: &Journal| {
        let events = journal.events(EventId(0)).unwrap();
        events.iter().filter(|(_, event)| matches!(event.action, Action::Label(..))).count()
    };
    assert_eq!(labels(&journal), 4, "all are kept");
    journal.check().unwrap();
}

#[test]
fn paths_of_other_programs_name_items_and_unclear_ones_are_told() {
    let folder = Scratch::new("names");
    let mut journal = empty(&folder.path("project.db"), &["cat"]);
    let item = |path: &str| Item {
        id: path.into(),
        path: Some(path.into()),
        content: Content::of(path.as_bytes()),
        split: Split::Train,
    };
    let paths = ["i110.png", "i111.png", "p47.png", "p48.png", "p49.png", "x/1.png", "y/1.png"];
    journal.add_items(&paths.map(item)).unwrap();
    let result = json!([{"from_name": "k", "type": "choices", "value": {"choices": ["cat"]}}]);
    let task =
        |image: &str| json!({"data": {"image": image}, "annotations": [{"completed_by": 1, "result": result.clone()}]});
    let tasks = json!([
        task("/data/upload/3/1a2b3c4d-i110.png"),
        task("/data/local-files/?d=photos/unlabelled/i111.png"),
        task("/data/upload/3/1a2b3c4d-1.png"),
        task("/data/upload/3/1a2b3c4d-2.png"),
    ]);
    let imported = read(&mut journal, &folder, "tasks.json", &tasks.to_string());
    assert_eq!((imported.tasks, imported.labels), (4, 2));
    let said = problems(&imported);
    assert!(said[0].contains("is the path of several items, such as `x/1.png` and `y/1.png`"), "{said:?}");
    assert!(said[1].contains("name no item (`/data/upload/3/1a2b3c4d-2.png`): items are called such as `i110.png`"));
    assert_eq!(
        imported.notes,
        ["2 names of items are understood by the end of a path \
          (first: `/data/upload/3/1a2b3c4d-i110.png` is `i110.png`)"]
    );
    let table = "file,label\n./p47.png,cat\n/abs/path/of/pool/p48.png,cat\npool/p49.png,cat\n";
    assert_eq!(read(&mut journal, &folder, "labels.csv", table).new, 3);
    let items: Vec<i64> = standing(&journal).iter().map(|(item, ..)| *item).collect();
    assert_eq!(items, [1, 2, 3, 4, 5]);
    // and so it is there when it comes again
    assert_eq!(read(&mut journal, &folder, "labels.csv", table).already, 3);
}

#[test]
fn an_export_says_how_much_it_is() {
    let folder = Scratch::new("exported");
    let mut journal = folder.pets(3);
    journal.append_all(&[label("ann", 1, 1, 0), label("bo", 2, 2, 0)]).unwrap();
    let count = |name: &str| {
        let exported = export(&journal, by_name(name), &mut Vec::new()).unwrap();
        (exported.records, exported.tasks)
    };
    assert_eq!([count("csv"), count("label-studio")], [(2, None), (2, Some(3))]);
}

#[test]
fn json_lines_of_others_are_read() {
    let folder = Scratch::new("jsonl");
    let mut journal = folder.pets(4);
    let lines = "{\"id\": \"a\", \"label\": \"cat\", \"meta\": {\"n\": 1}}\n\
                 \n\
                 not json\n\
                 [1]\n\
                 {\"id\": \"b\", \"label\": [\"cat\", \"dog\"]}\n\
                 {\"id\": \"c\", \"label\": null}\n\
                 {\"id\": \"d\", \"action\": \"skip\", \"annotator\": 7}\n\
                 {\"action\": \"undo\", \"undoes\": \"00000000000000000000000000000000\"}\n\
                 {\"action\": \"dance\", \"id\": \"a\"}\n\
                 {\"label\": \"cat\"}";
    let imported = read(&mut journal, &folder, "labels.jsonl", lines);
    let said = problems(&imported);
    assert!(said[0].starts_with("labels.jsonl, row 3: is not JSON"), "{said:?}");
    assert!(said[1].starts_with("labels.jsonl, row 4: is not an object"), "{said:?}");
    assert_eq!(said[2], "labels.jsonl, row 5: the label is a list or an object, and halfmoon has one class an item");
    assert_eq!(said[3], "labels.jsonl, row 8: there is no event 00000000000000000000000000000000 to undo");
    assert_eq!(said[4], "labels.jsonl, row 9: `dance` is not an action");
    assert_eq!(said[5], "labels.jsonl, row 10: names no item: a record has an `id` or a `path`");
    assert_eq!((imported.new, imported.unlabelled), (2, 1));
    assert_eq!(standing(&journal), [(1, "import".to_owned(), Some(0)), (4, "7".to_owned(), None)]);
    assert_eq!(journal.events(EventId(2)).unwrap()[0].1.extra["meta"], json!({"n": 1}));
}

/// What Label Studio's own export looks like.
const TASKS: &str = r#"[
  {"id": 11, "data": {"image": "/data/local-files/?d=a%20b.png", "note": "dark"}, "meta": {"site": 3},
   "created_at": "2024-05-01T10:00:00.000000Z", "total_annotations": 2,
   "predictions": [{"id": 5, "model_version": "m1", "score": 0.25, "result": []}],
   "annotations": [
     {"id": 101, "completed_by": {"id": 1, "email": "ann@example.org", "first_name": "Änn"}, "was_cancelled": false,
      "created_at": "2024-05-01T10:11:12.131415Z", "updated_at": "2024-05-01T10:11:13Z", "lead_time": 3.25,
      "ground_truth": false, "prediction": {},
      "result": [{"id": "x1", "from_name": "kind", "to_name": "picture", "type": "choices", "origin": "manual",
                  "value": {"choices": ["cat"]}}]},
     {"id": 102, "completed_by": 2, "was_cancelled": true, "created_at": "2024-05-02T10:11:12Z", "lead_time": 1,
      "result": []}]},
  {"id": 12, "data": {"text": "b"}, "annotations": [
     {"id": 103, "completed_by": 2, "result": [
        {"from_name": "kind", "to_name": "t", "type": "choices", "value": {"choices": ["dog"]}},
        {"from_name": "box", "to_name": "t", "type": "rectanglelabels", "value": {"x": 1, "rectanglelabels": ["eye"]}}]},
     {"id": 104, "completed_by": 3, "result": [
        {"from_name": "kind", "to_name": "t", "type": "choices", "value": {"choices": ["dog", "cat"]}}]},
     {"id": 105, "completed_by": 3, "result": []},
     {"id": 106, "completed_by": 3, "result": [
        {"from_name": "kind", "to_name": "t", "type": "choices", "value": {"choices": ["ox"]}}]}]},
  {"id": 13, "data": {"text": "zebra"}, "annotations": [{"id": 107, "result": []}, {"id": 108, "result": []}]},
  {"id": 14, "image": "a b.png", "label": "cat"}
]"#;

#[test]
fn label_studios_export_is_read_and_all_its_fields_come_back() {
    let folder = Scratch::new("label-studio");
    let mut journal = empty(&folder.path("project.db"), &["cat", "dog"]);
    let item = |id: &str, path: Option<&str>| Item {
        id: id.into(),
        path: path.map(str::to_owned),
        content: Content::of(id.as_bytes()),
        split: Split::Train,
    };
    journal.add_items(&[item("1", Some("a b.png")), item("b", None), item("c", None)]).unwrap();
    let imported = read(&mut journal, &folder, "tasks.json", TASKS);
    let said = problems(&imported);
    assert!(said[0].starts_with("tasks.json, row 2, column annotation 2: it has 2 choices"), "{said:?}");
    assert!(said[1].starts_with("tasks.json, row 2, column annotation 4: `ox` is not a class"), "{said:?}");
    assert!(said[2].starts_with("tasks.json, row 3: its `data` name no item (`zebra`)"), "{said:?}");
    assert_eq!(said[2], said[3], "one for each of its two annotations");
    assert!(said[4].starts_with("tasks.json, row 4: is no task") && said[4].contains("not as JSON-MIN"), "{said:?}");
    assert_eq!((imported.records, imported.new, imported.unlabelled), (9, 3, 1));
    assert_eq!((imported.tasks, imported.fields, imported.labels, imported.skips), (4, 2, 2, 1));
    assert_eq!(
        standing(&journal),
        [(1, "2".to_owned(), None), (1, "ann@example.org".into(), Some(0)), (2, "2".into(), Some(1))]
    );
    let events = journal.events(EventId(3)).unwrap();
    let ann = &events.iter().find(|(_, event)| event.annotator == "ann@example.org").unwrap().1;
    // when it was changed last
    assert_eq!((ann.seconds, ann.at), (Some(3.25), Moment::parse("2024-05-01T10:11:13Z").unwrap()));

    let there: Value = serde_json::from_str(TASKS).unwrap();
    let mut back: Value = serde_json::from_str(&written(&journal, by_name("label-studio"))).unwrap();
    assert_eq!(back.as_array().unwrap().len(), 3, "a task an item, labelled or not");
    let own = back[0]["data"].as_object_mut().unwrap().remove("halfmoon_id");
    assert_eq!(own, Some(json!("1")));
    // every field that was there is there, with its value
    for (path, value) in leaves(&there[0]) {
        assert_eq!(back[0].pointer(&path), Some(&value), "{path}");
    }
    for (path, value) in leaves(&there[1]["annotations"][0]) {
        assert_eq!(back[1]["annotations"][0].pointer(&path), Some(&value), "{path}");
    }
    // what was exported adds nothing
    let text = written(&journal, by_name("label-studio"));
    let again = read(&mut journal, &folder, "again.json", &text);
    assert_eq!((again.new, again.already, again.fields), (0, 3, 0));
}

/// Every value that holds no others, with its path.
fn leaves(value: &Value) -> Vec<(String, Value)> {
    let below = |name: String, value: &Value| {
        leaves(value).into_iter().map(move |(path, value)| (format!("/{name}{path}"), value)).collect::<Vec<_>>()
    };
    match value {
        Value::Object(object) if !object.is_empty() => {
            object.iter().flat_map(|(name, value)| below(name.clone(), value)).collect()
        }
        Value::Array(list) if !list.is_empty() => {
            list.iter().enumerate().flat_map(|(at, value)| below(at.to_string(), value)).collect()
        }
        value => vec![(String::new(), value.clone())],
    }
}

#[test]
fn one_of_several_questions_can_be_chosen() {
    let folder = Scratch::new("questions");
    let mut journal = folder.pets(2);
    let answer =
        |question: &str, class: &str| json!({"from_name": question, "type": "choices", "value": {"choices": [class]}});
    let tasks = json!([{"data": {"text": "a"}, "annotations": [
        {"completed_by": "ann", "result": [answer("kind", "cat"), answer("mood", "grim")]},
    ]}]);
    let imported = read(&mut journal, &folder, "tasks.json", &tasks.to_string());
    assert!(problems(&imported)[0].contains("`--label FROM_NAME`"), "{imported:?}");
    let kind = Options { label: Some("kind".into()), ..options() };
    assert_eq!(read_with(&mut journal, &folder, "tasks.json", &tasks.to_string(), &kind).new, 1);
    // an export has both answers and is understood without being told again
    let exported = written(&journal, by_name("label-studio"));
    assert!(exported.contains("grim"), "{exported}");
    let mut other = empty(&folder.path("other.db"), &["cat", "dog"]);
    other.add_items(&journal.items().unwrap().into_iter().map(|(_, item)| item).collect::<Vec<_>>()).unwrap();
    let imported = read(&mut other, &folder, "exported.json", &exported);
    assert_eq!((imported.new, imported.fields), (1, 1), "the label, and the task's own text");
    assert_eq!(standing(&other), standing(&journal));
}

#[test]
fn an_edited_export_says_something_new() {
    let folder = Scratch::new("edited");
    let mut journal = folder.pets(2);
    journal.append_all(&[label("ann", 1, 1, 0), label("bo", 2, 2, 0)]).unwrap();
    for name in ["csv", "jsonl", "label-studio"] {
        let mut journal = Journal::open(journal.path()).unwrap();
        let (from, to) = if standing(&journal)[0].2 == Some(0) { ("cat", "dog") } else { ("dog", "cat") };
        let text = written(&journal, by_name(name));
        let place = text.rfind(&format!("{from}\"")).or_else(|| text.find(&format!("a,,{from}"))).unwrap();
        let edited = if name == "csv" {
            text.replace(&format!("a,,{from}"), &format!("a,,{to}"))
        } else {
            // the label of the first item, where it stands first behind that item
            let first = text.find(if name == "jsonl" { "\"id\":\"a\"" } else { "\"choices\":" }).unwrap();
            let at = first + text[first..].find(from).unwrap();
            format!("{}{to}{}", &text[..at], &text[at + 3..])
        };
        assert!(place > 0 && edited != text);
        let file = format!("edited{}", by_name(name).endings[0]);
        let imported = read(&mut journal, &folder, &file, &edited);
        assert_eq!(imported.new, 1, "{name}: {imported:?}\n{edited}");
        assert_eq!(standing(&journal)[0].2, Some(u16::from(to == "dog")), "{name}");
    }
}

#[test]
fn an_edit_of_an_export_can_be_edited_back() {
    let folder = Scratch::new("edited-back");
    let mut journal = folder.pets(1);
    journal.append(&label("ann", 1, 1, 0)).unwrap();
    let cat = written(&journal, by_name("csv"));
    let dog = cat.replace("a,,cat", "a,,dog");
    for (table, class) in [(&dog, 1), (&cat, 0), (&dog, 1), (&cat, 0)] {
        assert_eq!(read(&mut journal, &folder, "labels.csv", table).new, 1);
        assert_eq!(first(&journal), Some(class));
        assert_eq!(read(&mut journal, &folder, "labels.csv", table).already, 1);
    }
    // who labelled anew meanwhile is not contradicted by an old file
    journal.append(&label("ann", 7, 1, 1)).unwrap();
    assert_eq!(read(&mut journal, &folder, "labels.csv", &cat).already, 1);
    assert_eq!(first(&journal), Some(1));
    let lines = written(&journal, by_name("jsonl"));
    assert_eq!(read(&mut journal, &folder, "all.jsonl", &lines).new, 0);
}

#[test]
fn paths_that_tell_no_format_are_asked_about() {
    let folder = Scratch::new("format");
    let mut journal = folder.pets(1);
    let error = import(&mut journal, &folder.path("labels"), &options()).expect_err("no ending");
    assert!(error.hint().unwrap().contains("csv, jsonl, label-studio"), "{error}");
    let typo = Options { format: Some("labelstudio".into()), ..options() };
    let error = import(&mut journal, &folder.path("labels"), &typo).expect_err("a typo");
    assert_eq!(error.hint(), Some("did you mean `label-studio`?"));
    std::fs::write(folder.path("labels"), "id,label\na,cat\n").unwrap();
    let csv = Options { format: Some("csv".into()), ..options() };
    assert_eq!(import(&mut journal, &folder.path("labels"), &csv).unwrap().new, 1);
}

// Round trips of projects that nobody would make and somebody has.

const NASTY: [&str; 24] = [
    "a",
    "quote \" and 'quote'",
    "comma, semicolon; tab\t",
    "two\nlines",
    "carriage\rreturn",
    "\r\n",
    " spaces around ",
    "עברית וגם العربية",
    "🦆🏳️‍🌈",
    "e\u{301} is not é",
    "\u{feff}mark",
    "=SUM(A1)",
    "null",
    "NaN",
    "-1",
    "007",
    "1.0",
    "\\ \\n",
    "{\"a\": 1}",
    "%20?d=x",
    "<b>&amp;",
    "\u{202e}drawkcab",
    "a/b/../c",
    "\u{1}\u{7f}",
];

struct Chance(ChaCha8Rng);

impl Chance {
    fn one_in(&mut self, n: u32) -> bool {
        self.0.random_range(0..n) == 0
    }

    fn text(&mut self) -> String {
        match self.0.random_range(0..10) {
            0 => "long ".repeat(self.0.random_range(1..2000)),
            1..=3 => (0..self.0.random_range(1..8)).map(|_| self.0.random::<char>()).collect(),
            _ => NASTY[self.0.random_range(0..NASTY.len())].to_owned(),
        }
    }

    fn maybe<T>(&mut self, some: impl FnOnce(&mut Chance) -> T) -> Option<T> {
        if self.one_in(2) { Some(some(self)) } else { None }
    }

    fn value(&mut self, depth: u32) -> Value {
        match self.0.random_range(0..if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.0.random::<bool>()),
            2 => json!(self.0.random::<i64>()),
            3 => json!(self.0.random::<f64>() * 1e10),
            4 | 5 => json!(self.text()),
            6 => (0..self.0.random_range(0..3)).map(|_| self.value(depth - 1)).collect(),
            _ => self.map(depth - 1).into(),
        }
    }

    fn map(&mut self, depth: u32) -> Map<String, Value> {
        (0..self.0.random_range(0..4)).map(|_| (self.text(), self.value(depth))).collect()
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.0.random_range(0..of.len())]
    }
}

fn distinct(chance: &mut Chance, count: usize) -> Vec<String> {
    let mut texts: Vec<String> = (0..count).map(|_| chance.text()).collect();
    texts.sort();
    texts.dedup();
    texts
}

fn items(chance: &mut Chance) -> Vec<Item> {
    let ids = distinct(chance, 8);
    let item = |(n, id): (usize, String)| Item {
        path: chance.maybe(Chance::text),
        content: Content::of(&n.to_le_bytes()),
        split: *chance.pick(&Split::ALL),
        id,
    };
    ids.into_iter().enumerate().map(item).collect()
}

/// A journal of chance, and its items.
fn any(path: &Path, chance: &mut Chance) -> (Journal, Vec<Item>) {
    let mut journal = empty(path, &[]);
    let items = items(chance);
    journal.add_items(&items).unwrap();
    let mut classes: Vec<String> = distinct(chance, 5).iter().map(|name| name.trim().to_owned()).collect();
    classes.retain(|name| !name.is_empty());
    let annotators: Vec<String> = distinct(chance, 4);
    let mut names: Vec<String> = vec![];
    let mut undoable = vec![];
    for n in 0..chance.0.random_range(1..40i64) {
        let item = ItemId(chance.0.random_range(1..=i64::try_from(items.len()).unwrap()));
        let action = match chance.0.random_range(0..10) {
            0 | 1 => match classes.pop() {
                Some(name) if !names.contains(&name) => {
                    names.push(name.clone());
                    Action::NewClass(name)
                }
                _ => continue,
            },
            2 => Action::Skip(item),
            3 if !undoable.is_empty() => Action::Undo(*chance.pick(&undoable)),
            4 => Action::Fields(item),
            _ if !names.is_empty() => Action::Label(item, any_class(chance, &names)),
            _ => continue,
        };
        let is_fields = matches!(action, Action::Fields(_));
        let known = names.len() - usize::from(matches!(action, Action::NewClass(_)));
        let time = Moment::from_micros(at(0).micros() + chance.0.random_range(0..i64::from(u32::MAX))).unwrap();
        let annotator: &String = chance.pick(&annotators);
        let mut event = Event::new(annotator, time, action);
        event.key = Key::of(&["test", &n.to_string()]);
        if !is_fields {
            event.seconds = chance.maybe(|chance| chance.0.random::<f64>() * 100.0);
            event.said = Said {
                model: chance.maybe(Chance::text),
                class: chance.maybe(|_| ()).filter(|()| known > 0).map(|()| any_class(chance, &names[..known])),
                confidence: chance.maybe(|chance| chance.0.random()),
            };
            event.asked = Asked {
                rule: chance.maybe(Chance::text),
                why: chance.maybe(Chance::text),
                round: chance.maybe(|chance| chance.0.random_range(0..9)),
            };
        }
        event.extra = chance.map(3);
        if chance.one_in(3) {
            let there = chance.map(2);
            event.extra.extend((!there.is_empty()).then(|| ("label_studio".to_owned(), there.into())));
        }
        let undo = matches!(event.action, Action::Label(..) | Action::Skip(_));
        let id = journal.append(&event).unwrap().event;
        undoable.extend(undo.then_some(id));
    }
    for n in 0..chance.0.random_range(0..3u32) {
        let (run, about) = (chance.maybe(Chance::text), chance.map(2));
        let learned = journal.last_event().ok().filter(|event| event.0 > 0);
        journal.add_model(&Model { name: format!("m{n}"), run, learned, at: at(n.into()), about }).unwrap();
        let round = Round {
            round: n + 1,
            model: chance.maybe(Chance::text),
            rule: chance.text(),
            size: chance.0.random(),
            seed: chance.maybe(|chance| chance.0.random()),
            at: at(n.into()),
            about: chance.map(2),
        };
        journal.add_round(&round).unwrap();
    }
    journal.check().unwrap();
    (journal, items)
}

fn any_class(chance: &mut Chance, names: &[String]) -> Class {
    Class(u16::try_from(chance.0.random_range(0..names.len())).unwrap())
}

/// What stands, by names: events have other numbers in another journal.
fn by_names(journal: &Journal, skips: bool) -> Vec<(i64, String, Option<String>)> {
    let (classes, Labels { annotators, votes }) = (journal.classes().unwrap(), journal.labels().unwrap());
    votes
        .into_iter()
        .filter(|vote| skips || vote.class.is_some())
        .map(|vote| (vote.item.0, annotators[vote.annotator].clone(), vote.class.map(|c| classes[c.index()].clone())))
        .collect()
}

/// The events that stand, by key, their classes by name.
fn standing_events(journal: &Journal, keep: impl Fn(&Event) -> bool) -> Vec<(Event, Option<String>)> {
    let classes = journal.classes().unwrap();
    let stands: Vec<EventId> = journal.labels().unwrap().votes.iter().map(|vote| vote.event).collect();
    let mut events: Vec<(Event, Option<String>)> = (journal.events(EventId(0)).unwrap().into_iter())
        .filter(|(id, event)| stands.contains(id) && keep(event))
        .map(|(_, mut event)| {
            let said = event.said.class.take().map(|class| classes[class.index()].clone());
            if let Action::Label(item, _) = event.action {
                // the name is compared by `by_names`
                event.action = Action::Label(item, Class(0));
            }
            (event, said)
        })
        .collect();
    events.sort_by_key(|(event, _)| event.key);
    events
}

/// Exports, imports into a journal of the same items and, where the file needs it, classes; exports again.
fn round_trip(folder: &Scratch, journal: &Journal, items: &[Item], format: &Format, classes: &[String]) -> Journal {
    let path: PathBuf = folder.path(&format!("back-{}.db", format.name));
    let _ = std::fs::remove_file(&path);
    let project = Project { name: "pets".into(), data: None, at: at(0), about: Map::new() };
    let mut back = Journal::create(&path, &project, classes, "ann").unwrap();
    back.add_items(items).unwrap();
    let text = written(journal, format);
    let imported = read(&mut back, folder, &format!("trip{}", format.endings[0]), &text);
    assert_eq!(imported.problems, [], "{}", format.name);
    assert_eq!((imported.already, imported.repeated, imported.unlabelled), (0, 0, 0), "{}", format.name);
    // the file that comes out is the file that went in
    assert_eq!(written(&back, format), text, "{}", format.name);
    // and what is there already is not taken twice
    let again = read(&mut back, folder, &format!("trip{}", format.endings[0]), &text);
    assert_eq!((again.new, again.already), (0, imported.new), "{}", format.name);
    assert_eq!((imported.older, again.fields), (0, 0), "{}", format.name);
    back
}

#[test]
fn nothing_is_lost_in_a_round_trip() {
    let folder = Scratch::in_memory("round-trip");
    for seed in 0..100 {
        let mut chance = Chance(ChaCha8Rng::seed_from_u64(seed));
        let path = folder.path("project.db");
        let _ = std::fs::remove_file(&path);
        let (journal, items) = any(&path, &mut chance);
        let classes = journal.classes().unwrap();

        let back = round_trip(&folder, &journal, &items, by_name("jsonl"), &[]);
        assert_eq!(back.events(EventId(0)).unwrap(), journal.events(EventId(0)).unwrap(), "seed {seed}");
        assert_eq!(back.labels().unwrap(), journal.labels().unwrap(), "seed {seed}");
        assert_eq!(back.models().unwrap(), journal.models().unwrap(), "seed {seed}");
        assert_eq!(back.rounds().unwrap(), journal.rounds().unwrap(), "seed {seed}");

        let back = round_trip(&folder, &journal, &items, by_name("label-studio"), &classes);
        assert_eq!(by_names(&back, true), by_names(&journal, true), "seed {seed}");
        assert_eq!(standing_events(&back, |_| true), standing_events(&journal, |_| true), "seed {seed}");

        let back = round_trip(&folder, &journal, &items, by_name("csv"), &classes);
        assert_eq!(by_names(&back, false), by_names(&journal, false), "seed {seed}");
        let is_label = |event: &Event| matches!(event.action, Action::Label(..));
        let mut expected = standing_events(&journal, is_label);
        for (event, _) in &mut expected {
            // what a table does not hold
            event.extra.clear();
            for text in [&mut event.said.model, &mut event.asked.rule, &mut event.asked.why] {
                *text = text.take().filter(|text| !text.is_empty());
            }
        }
        assert_eq!(standing_events(&back, is_label), expected, "seed {seed}");
    }
}
