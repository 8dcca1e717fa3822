//! Projects: items and labels kept in one file, and files of labels from and for other programs.

use serde_json::Value;

use crate::support::Place;

fn place() -> Place {
    let place = Place::with("pets.csv", "weight,colour,label\n3.5,red,cat\n9,blue,dog\n4,red,\n8,blue,\n3.5,red,cat\n");
    place
        .run("init pets.csv")
        .exits(0)
        .prints(&["project.db: 5 items (train 5), 2 classes, 3 labels", "halfmoon status"]);
    place
}

fn status(place: &Place, project: &str) -> Value {
    serde_json::from_str(&place.run(&format!("status {project} --json --check")).exits(0).out).unwrap()
}

#[test]
fn a_project_begins_with_what_the_data_say_and_is_never_written_over() {
    let place = place();
    place.run("status").exits(0).prints(&[
        "pets: 5 items",
        "3 labelled, 2 not",
        "1 group of exact copies, 2 items in all",
    ]);
    let told = status(&place, "project.db");
    assert_eq!((told["items"].as_u64(), told["labelled"].as_u64()), (Some(5), Some(3)));
    assert_eq!(told["classes"][0], serde_json::json!({"class": "cat", "items": 2}));
    place.run("init pets.csv").exits(2).tells(&["project.db is there already"]);
    place.run("init nowhere.csv --out other.db").exits(3);
    assert!(!place.path("other.db").exists());
    place.run("status pets.csv").exits(3).tells(&["pets.csv"]);
}

#[test]
fn labels_go_out_and_come_into_another_project_as_they_were() {
    let place = place();
    place.write("more.csv", "id,label,annotator\n3,cat,ann\n4,dog,ann\n2,cat,bo\n2,dog,ann\n99,cat,ann\n1,bird,ann\n");
    let said = place.run("import more.csv").exits(0);
    said.prints(&["6 records: 4 labels new, 2 left out"]).tells(&["row 6", "row 7", "annotators disagree on 1 item:"]);
    place.run("import more.csv --strict").exits(3);
    for (file, again) in [("all.jsonl", "again.db"), ("all.json", "studio.db")] {
        place.run(&format!("export -o {file}")).exits(0);
        place.run(&format!("init pets.csv --out {again}")).exits(0);
        place.run(&format!("import {file} --project {again}")).exits(0);
        let (before, after) = (status(&place, "project.db"), status(&place, again));
        for what in ["labelled", "classes", "annotators", "conflicts", "agreement"] {
            assert_eq!(before[what], after[what], "{what} by {file}");
        }
    }
    let csv = place.run("export").exits(0).out;
    assert!(csv.starts_with("id,") && csv.contains("ann"), "{csv}");
    place.run("export -o project.db --format csv").exits(2).tells(&["would overwrite the project"]);
    place.run("import more.csv --new-classes").exits(0).prints(&["new classes: bird"]);
}

#[test]
fn a_project_is_trained_on_with_the_labels_that_people_gave() {
    let row = |number: usize| format!("{},{}\n", number % 2 * 10 + number / 20, number % 2 * 7);
    let place = Place::with("loads.csv", "a,b\n".to_owned() + &(0..40).map(row).collect::<String>());
    place.run("init loads.csv --classes light,heavy").exits(0);
    let label = |number: usize| format!("{},{}\n", number + 1, ["light", "heavy"][number % 2]);
    place.write("some.csv", "id,label\n".to_owned() + &(0..20).map(label).collect::<String>());
    place.run("import some.csv").exits(0);
    place
        .run("train project.db --model supervised --steps 200 --out run")
        .exits(0)
        .tells(&["20 labels are those of project.db", "learning from 20 labelled and 20 unlabelled items"]);
    let answers = place.run("predict run loads.csv").exits(0).out;
    assert_eq!(answers.lines().skip(1).filter(|line| line.contains(",heavy,")).count(), 20, "{answers}");
    // What is said later is no part of that run, whose data are still what they were.
    place.write("more.csv", "id,label\n".to_owned() + &(20..40).map(label).collect::<String>());
    place.run("import more.csv").exits(0);
    place.run("review run").exits(0);
    let trained = std::fs::read_to_string(place.path("run/data.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&trained).unwrap()["labels"], 20);
    place.run("train project.db --model supervised --steps 20 --out later").exits(0).tells(&["40 labels are those"]);
}

#[test]
fn an_import_of_which_nothing_can_be_used_fails_with_the_reason() {
    let place = place();
    place.write("wrong.csv", "id,label\n99,cat\n98,dog\n");
    let said = place.run("import wrong.csv").fails(3).prints(&["2 records: 2 left out"]);
    said.tells(&["wrong.csv: no record can be used (the first: there is no item `99`"]);
    place.write("none.csv", "id,label\n");
    place.run("import none.csv").exits(0).prints(&["0 records"]);
    place.write("names.csv", "picture,label\n1,cat\n");
    place.run("import names.csv").fails(3).tells(&["has no column `id`", "call the column that names the items `id`"]);
    place.run("import none.csv --project other.db").fails(3).tells(&["other.db: there is no project", "halfmoon init"]);
}

#[test]
fn labels_come_from_standard_input_and_label_studios_tasks_are_counted_apart() {
    let place = place();
    let table = "id,label,annotator\n3,cat,ann\n4,cat,ann\n";
    place.run_with_input("import - --format csv", table).exits(0).prints(&["-: 2 records: 2 labels new"]);
    place.run_with_input("import -", "").fails(2).tells(&["--format"]);
    let said = place.run("export -o all.json").exits(0);
    said.tells(&["5 records in 5 tasks as label-studio"]);
    let choice = r#"[{"from_name": "k", "type": "choices", "value": {"choices": ["dog"]}}]"#;
    let task = |id: u32, annotation: String| {
        format!(r#"{{"id": 7, "data": {{"id": {id}, "note": "dark"}}, "annotations": [{annotation}]}}"#)
    };
    let label = format!(r#"{{"completed_by": "bo", "result": {choice}}}"#);
    let skip = r#"{"completed_by": "bo", "was_cancelled": true, "result": []}"#.to_owned();
    place.write("tasks.json", format!("[{},{},{}]", task(3, label), task(4, skip), task(5, String::new())));
    let told = "tasks.json: 3 tasks, 2 records: 1 label and 1 skip new; fields of 3 tasks kept with their items";
    place.run("import tasks.json").exits(0).prints(&[told]);
    place.run("import tasks.json").exits(0).prints(&["tasks.json: 3 tasks, 2 records: 2 there before\n"]);
}

#[test]
fn classes_that_may_be_one_class_are_told_and_long_names_are_cut() {
    let place = Place::with("loads.csv", "a,b\n1,2\n3,4\n5,6\n");
    let said = place.run_args(&["init", "loads.csv", "--classes", "a, A,b "]).exits(0);
    said.tells(&["classes `a` and `A`: did you mean the same class?"]);
    let classes = status(&place, "project.db")["classes"].clone();
    let names: Vec<&str> = classes.as_array().unwrap().iter().map(|class| class["class"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "A", "b"]);
    place.write("more.csv", format!("id,label\n1,B\n2,B\n3,{}\n", "x".repeat(10_000)));
    place.run("import more.csv --new-classes").exits(0).tells(&["`B` (2 labels) is a new class beside `b`"]);
    let table = place.run("status").exits(0).out;
    assert!(table.lines().all(|line| line.chars().count() < 200), "{table}");
}

/// Small things are cats and large ones are dogs, in turn; they are called `ids`.
fn with_ids(ids: impl Fn(usize) -> String) -> Place {
    let row = |number: usize| format!("{},{}.5\n", ids(number), number % 2 * 100 + number);
    Place::with("pets.csv", "id,size\n".to_owned() + &(0..40).map(row).collect::<String>())
}

/// The labels of a project that was given the first 20 of such things by their ids.
fn labelled_by_id(place: &Place, ids: impl Fn(usize) -> String) -> String {
    let label = |number: usize| format!("{},{}\n", ids(number), ["cat", "dog"][number % 2]);
    place.write("labels.csv", "id,label\n".to_owned() + &(0..20).map(label).collect::<String>());
    place.run("import labels.csv --strict").exits(0).prints(&["20 records: 20 labels new"]);
    place.run("export").exits(0).out
}

#[test]
fn labels_by_id_go_to_the_rows_of_those_ids() {
    let kinds: [fn(usize) -> String; 2] = [|number| number.to_string(), |number| format!("r{number}")];
    for ids in kinds {
        let place = with_ids(ids);
        let said = place.run("init pets.csv --classes cat,dog").exits(0).tells(&["column `id` names the items"]);
        assert_eq!(said.err.matches("names the items").count(), 1, "{}", said.err);
        let exported = labelled_by_id(&place, ids);
        for number in 0..20 {
            let line = format!("{},,{},", ids(number), ["cat", "dog"][number % 2]);
            assert!(exported.lines().any(|exported| exported.starts_with(&line)), "{line} is not in\n{exported}");
        }
        place
            .run("train project.db --model supervised --steps 200 --out run")
            .exits(0)
            .tells(&["20 labels are those of project.db", "learning from 20 labelled and 20 unlabelled items"]);
        let answers = place.predict("pets.csv");
        let right = |number: usize| (ids(number), ["cat", "dog"][number % 2].to_owned());
        let answered =
            answers.ids().into_iter().zip(answers.labels()).map(|(id, label)| (id.to_owned(), label.to_owned()));
        assert_eq!(answered.collect::<Vec<_>>(), (0..40).map(right).collect::<Vec<_>>());
    }
}

#[test]
fn rows_are_counted_where_two_share_an_id() {
    let place = with_ids(|number| (number / 2).to_string());
    place
        .run("init pets.csv --classes cat,dog")
        .exits(0)
        .tells(&["column `id` does not name the items, since rows 2 and 3 share `0`", "--column id=category"]);
    place.write("labels.csv", "id,label\n40,dog\n0,cat\n");
    place.run("import labels.csv").exits(0).prints(&["1 label new, 1 left out"]).tells(&["there is no item `0`"]);
}

#[test]
fn a_project_that_was_moved_with_its_data_finds_them_beside_it() {
    let place = with_ids(|number| format!("r{number}"));
    place.run("init pets.csv --classes cat,dog").exits(0);
    labelled_by_id(&place, |number| format!("r{number}"));
    std::fs::create_dir(place.path("elsewhere")).unwrap();
    for file in ["pets.csv", "project.db"] {
        std::fs::rename(place.path(file), place.path(format!("elsewhere/{file}"))).unwrap();
    }
    place.run("train elsewhere/project.db --model supervised --steps 20 --out run").exits(0).tells(&["20 labels are"]);
    std::fs::remove_file(place.path("elsewhere/pets.csv")).unwrap();
    let said = place.run("train elsewhere/project.db --model supervised --steps 20 --out gone").exits(3);
    said.tells(&["its data are gone", "pets.csv", "beside the project under the same name"]);
}

#[test]
fn labels_go_to_no_other_item_when_the_data_call_their_items_otherwise() {
    let place = with_ids(|number| ((number * 7 + 3) % 40).to_string());
    place.run("init pets.csv --classes cat,dog").exits(0);
    labelled_by_id(&place, |number| ((number * 7 + 3) % 40).to_string());
    let train = || place.run("train project.db --model supervised --steps 20 --out run");
    train().exits(0);
    std::fs::remove_dir_all(place.path("run")).unwrap();
    let whole = place.read("pets.csv");
    let (_, last) = whole.trim_end().rsplit_once('\n').unwrap();
    for changed in [format!("{whole}{last}\n"), format!("{whole},1.5\n")] {
        place.write("pets.csv", changed);
        train().exits(3).tells(&["labelled items are called otherwise in the data now", "put the data back"]);
    }
    // An item that was edited keeps its label, and so do the others when one is added at the end.
    place.write("pets.csv", format!("{}new,77.5\n", whole.replace(",0.5\n", ",0.25\n")));
    train().exits(0).tells(&["20 labels are those of project.db"]);
}

#[test]
fn a_row_between_others_takes_no_label_from_them() {
    let place =
        Place::with("rows.csv", (0..40).fold("size\n".to_owned(), |all, n| format!("{all}{}.5\n", n % 2 * 100 + n)));
    place.run("init rows.csv --classes cat,dog").exits(0);
    let labels = (0..20).map(|n| format!("{},{}", n + 1, ["cat", "dog"][n % 2]));
    place.write("labels.csv", ["ID,Label".to_owned()].into_iter().chain(labels).collect::<Vec<_>>().join("\n"));
    place.run("import labels.csv").exits(0).prints(&["20 labels new"]);
    let whole = place.read("rows.csv");
    place.write("rows.csv", whole.replacen("size\n", "size\n7.75\n", 1));
    let said = place.run("train project.db --model supervised --steps 20 --out run").exits(3);
    said.tells(&["20 of its 20 labelled items are called otherwise", "`1`, which is `2`"]);
}
