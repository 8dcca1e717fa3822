//! Labels: missing, too few, oddly named, and the −1 that may mean two things.

use serde_json::Value;

use crate::support::{Place, labelled};

/// This many rows of each label, in turn.
fn each(labels: &[&str], times: usize) -> String {
    labelled(&labels.repeat(times))
}

#[test]
fn minus_one_against_plus_one_is_asked_for() {
    let place = Place::with("signs.csv", each(&["-1", "1"], 10));
    let said = place.try_train("signs.csv").fails(3);
    said.tells(&["signs.csv", "column label", "--minus-one class", "--minus-one unlabelled"]);
    assert!(!place.path("run").exists(), "nothing is trained before the answer");
}

#[test]
fn minus_one_may_be_a_class() {
    let place = Place::with("signs.csv", each(&["-1", "1"], 10));
    place.train("signs.csv --minus-one class").tells(&["20 items, 20 labelled in 2 of 2 classes, 0 unlabelled"]);
    assert_eq!(place.predict("signs.csv").classes, ["-1", "1"]);
}

#[test]
fn minus_one_may_mean_no_label() {
    let place = Place::with("signs.csv", each(&["-1", "1"], 10));
    let said = place.train("signs.csv --minus-one unlabelled --classes 0,1");
    said.tells(&["20 items, 10 labelled in 1 of 2 classes, 10 unlabelled", "10 labels are -1"]);
    assert_eq!(place.predict("signs.csv").classes, ["0", "1"]);
}

#[test]
fn the_meaning_of_minus_one_has_the_names_of_the_python_world() {
    let place = Place::with("signs.csv", each(&["-1", "1"], 10));
    for (flag, counts) in [
        ("--unlabeled=-1", "10 labelled in 1 of 2 classes, 10 unlabelled"),
        ("--unlabelled -1", "10 labelled in 1 of 2 classes, 10 unlabelled"),
        ("--unlabeled none", "20 labelled in 2 of 2 classes, 0 unlabelled"),
    ] {
        let classes = if flag.ends_with("none") { "-1,1" } else { "0,1" };
        let line = format!("signs.csv --model supervised --classes={classes} --out {} {flag}", flag.len());
        place.train(&line).tells(&[counts]);
    }
}

#[test]
fn minus_one_beside_other_numbers_means_no_label_and_is_counted() {
    let place = Place::with("numbers.csv", each(&["-1", "0", "1"], 8));
    place.train("numbers.csv").tells(&["24 items, 16 labelled in 2 of 2 classes, 8 unlabelled", "8 labels are -1"]);
}

#[test]
fn every_marker_for_no_label_is_taken_and_counted() {
    let labels = ["a", "b", "", "NaN", "NA", "null", "None", "?"];
    let place = Place::with("marks.csv", each(&labels, 6));
    let said = place.train("marks.csv --missing-label ?");
    said.tells(&["48 items, 12 labelled in 2 of 2 classes, 36 unlabelled", "`None` 6", "empty 6", "`?` 6"]);
}

#[test]
fn a_class_with_one_label_is_trained_on() {
    let mut labels = ["a", "b"].repeat(8);
    labels.push("rare");
    let place = Place::with("rare.csv", labelled(&labels));
    let figures = place.figures("rare.csv");
    assert_eq!(figures["test"]["n"], 16, "the one of the rare class is never held out");
    assert_eq!(place.predict("rare.csv").classes, ["a", "b", "rare"]);
    place.figures("rare.csv --labels 6 --out kept");
}

#[test]
fn one_label_a_class_is_too_few_for_figures_but_not_for_training() {
    let labels = ["a", "b", "", "", "", "", "", ""];
    let place = Place::with("few.csv", labelled(&labels));
    let figures = place.figures("few.csv");
    assert!(figures["test"].is_null() && figures["baseline"]["test"].is_null(), "{figures}");
    assert!(figures["protocol"].as_str().unwrap().contains("no figures"), "{figures}");
    assert_eq!(place.predict("few.csv").len(), 8);
}

#[test]
fn a_class_without_a_label_is_kept() {
    let place = Place::with("two.csv", each(&["a", "b", ""], 8));
    let said = place.train("two.csv --classes a,b,c").tells(&["16 labelled in 2 of 3 classes"]);
    assert!(said.out.contains("m2"), "{}", said.out);
    assert_eq!(place.predict("two.csv").classes, ["a", "b", "c"]);
}

#[test]
fn without_any_label_the_classes_must_be_named() {
    let place = Place::with("none.csv", each(&[""], 20));
    place.try_train("none.csv").fails(3).tells(&["none.csv", "--classes"]);
}

#[test]
fn without_any_label_m2_is_trained_alone() {
    let place = Place::with("none.csv", each(&[""], 20));
    let said = place.train("none.csv --classes a,b --json").tells(&["supervised is left out"]);
    let figures = said.json();
    assert_eq!((&figures["model"], &figures["labels"]), (&"m2".into(), &0.into()));
    assert!(figures["test"].is_null() && figures.get("baseline").is_none(), "{figures}");
    assert_eq!(place.predict("none.csv").len(), 20);
    place.try_train("none.csv --classes a,b --model supervised --out other").fails(2).tells(&["label"]);
}

#[test]
fn a_label_that_is_no_class_is_named_with_its_place() {
    let place = Place::with("pets.csv", each(&["cat", "dog", "dogg"], 4));
    let said = place.try_train("pets.csv --classes cat,dog").fails(3);
    said.tells(&["pets.csv, row 4, column label: `dogg` is not a class", "did you mean `dog`?"]);
}

#[test]
fn odd_class_names_come_back_as_they_were() {
    let names = ["a, b", "say \"hi\"", "two\nlines", "007", "7", "7.0", "Ünïcode 🦊", "true", "label"];
    let place = Place::with("odd.csv", each(&names, 6));
    place.train("odd.csv").tells(&["did you mean the same class?", "`007`"]);
    let answers = place.predict("odd.csv");
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(answers.classes, sorted);
    assert!(answers.labels().iter().all(|label| names.contains(label)));
    place.run("predict run odd.csv -o out.jsonl").exits(0);
    let text = place.read("out.jsonl");
    assert_eq!(text.lines().count(), 54);
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["probs"].as_object().unwrap().len(), names.len());
        assert!(names.contains(&line["label"].as_str().unwrap()));
    }
    let judged = place.run("eval run odd.csv --json").exits(0).json();
    assert_eq!(judged["test"]["n"], 54);
    let table = place.run("eval run odd.csv").exits(0).out;
    assert!(table.contains("two␤lines"), "{table}");
}

#[test]
fn none_is_no_label_unless_it_is_named_as_a_class() {
    let place = Place::with("fields.csv", each(&["weed", "crop", "None"], 8));
    place.train("fields.csv").tells(&["16 labelled in 2 of 2 classes, 8 unlabelled", "`None` 8"]);
    place.train("fields.csv --classes weed,None,crop --out named").tells(&["24 labelled in 3 of 3 classes"]);
    let said = place.run("predict named fields.csv").exits(0);
    assert_eq!(crate::support::Answers::of(&said.out).classes, ["weed", "None", "crop"]);
}

#[test]
fn a_single_class_is_either_trained_on_or_refused() {
    let place = Place::with("signs.csv", each(&["-1", "1"], 10));
    let said = place.try_train("signs.csv --minus-one unlabelled");
    said.tells(&["10 labelled in 1 of 1 classes"]);
    place.write("same.csv", each(&["same"], 10));
    place.try_train("same.csv --out other");
    place.try_train("same.csv --model supervised --out third");
}

#[test]
fn equal_rows_with_different_labels_are_named() {
    let mut text = each(&["a", "b"], 8);
    text += "9,9,a\n9,9,b\n";
    let place = Place::with("two.csv", text);
    place.train("two.csv").tells(&["equal inputs with different labels: 17, 18"]);
}
