//! Prediction: one line an input, whatever the input is like.

use std::io::{BufRead, BufReader, Write};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::support::{Answers, Place, pets};

fn trained() -> Place {
    let place = Place::with("pets.csv", pets(40));
    place.train("pets.csv --label species --labels 30 --steps 60");
    place
}

#[test]
fn every_input_has_a_line_in_the_order_of_the_file() {
    let place = trained();
    let answers = place.predict("pets.csv");
    assert_eq!(answers.classes, ["cat", "dog"]);
    assert_eq!(answers.ids(), (1..=40).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(answers.labels()[..4], ["cat", "dog", "cat", "dog"]);
    assert!(answers.status().iter().all(|status| *status == "ok"));
    let digits = Place::new();
    digits.train("digits --labels 50");
    assert_eq!(digits.predict("digits").len(), 1797);
}

#[test]
fn ragged_rows_and_unseen_categories_have_lines_too() {
    let place = trained();
    place.write(
        "new.csv",
        "size,barks,food\n24,no,fish\n70,yes\n30,no,caviar\n,,\n62,yes,meat,and more\n61,maybe,meat\n",
    );
    let said = place.run("predict run new.csv").exits(0).tells(&["4 inputs answered", "2 could not be read"]);
    let answers = Answers::of(&said.out);
    assert_eq!(answers.ids(), ["1", "2", "3", "4", "5", "6"]);
    let status = answers.status();
    assert_eq!((status[0], status[3]), ("ok", "ok"));
    assert_eq!(status[1], "unreadable: row 3: 2 fields instead of 3");
    assert_eq!(status[2], "unseen: `caviar` in column food");
    assert_eq!(status[4], "unreadable: row 6: 4 fields instead of 3");
    assert_eq!(status[5], "unseen: `maybe` in column barks");
    place.run("predict run new.csv --strict").exits(3).tells(&["new.csv: 2 inputs could not be read"]);
}

#[test]
fn a_dash_is_standard_input() {
    let place = trained();
    let said = place.run_with_input("predict run -", &pets(40)).exits(0);
    assert_eq!(Answers::of(&said.out).answers(), place.predict("pets.csv").answers());
    place.run_with_input("predict run -", "size,barks\n24,no\n").fails(3).tells(&["standard input", "food"]);
    place.run_with_input("predict run -", "").exits(3).tells(&["standard input"]);
}

#[test]
fn a_file_name_chooses_csv_or_json_lines() {
    let place = trained();
    place.write("new.csv", "size,barks,food\n24,no,fish\n70,yes\n");
    let csv = place.run("predict run new.csv").exits(0).out;
    assert!(place.run("predict run new.csv -o out.csv").exits(0).out.is_empty());
    assert_eq!(place.read("out.csv"), csv);
    place.run("predict run new.csv --output out.jsonl").exits(0);
    let lines: Vec<Value> = place.read("out.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["id"], &lines[0]["label"], &lines[0]["status"]), (&"1".into(), &"cat".into(), &"ok".into()));
    let probs = lines[0]["probs"].as_object().unwrap();
    assert_eq!(probs.keys().collect::<Vec<_>>(), ["cat", "dog"]);
    assert!((probs.values().map(|p| p.as_f64().unwrap()).sum::<f64>() - 1.0).abs() < 1e-5);
    assert_eq!(lines[0]["confidence"], probs["cat"]);
    assert!(lines[0]["log_density"].is_number());
    assert!(lines[1]["label"].is_null() && lines[1]["probs"].is_null());
    assert_eq!(lines[1]["status"], "unreadable: row 3: 2 fields instead of 3");
}

#[test]
fn a_missing_column_is_named() {
    let place = trained();
    place.write("new.csv", "size,foods\n24,fish\n");
    place.run("predict run new.csv").fails(3).tells(&["new.csv", "column barks is missing"]);
    place.write("new.csv", "size,barks,foods\n24,no,fish\n");
    place.run("predict run new.csv").fails(3).tells(&["column food is missing", "did you mean `foods`?"]);
}

#[test]
fn columns_may_come_in_any_order_and_beside_others() {
    let place = trained();
    place.write("plain.csv", "size,barks,food\n24,no,fish\n66,yes,meat\n");
    place.write("other.csv", "food;owner;size;barks\nfish;Ada;24;no\nmeat;Bob;66;yes\n");
    assert_eq!(place.predict("other.csv").answers(), place.predict("plain.csv").answers());
}

#[test]
fn far_away_rows_have_probabilities_that_sum_to_1() {
    let place = trained();
    place
        .write("far.csv", "size,barks,food\n30,no,fish\n1e4,no,fish\n-1e12,yes,meat\n3.4e38,yes,cake\n1e300,no,fish\n");
    let answers = place.predict("far.csv");
    assert_eq!(answers.len(), 5);
    let density = answers.densities();
    assert!(density[1] < density[0] && density[2] < density[0] && density[3] < density[0], "{density:?}");
    assert_eq!(answers.status()[4], "unseen: `1e300` in column size is not finite");
}

#[test]
fn the_answer_for_a_row_does_not_depend_on_its_neighbours() {
    let place = trained();
    place.write("one.csv", pets(40).lines().take(2).collect::<Vec<_>>().join("\n"));
    assert_eq!(place.predict("one.csv").answers()[0], place.predict("pets.csv").answers()[0]);
}

#[test]
fn the_baseline_can_be_asked_and_has_no_density() {
    let place = trained();
    let line = "predict run pets.csv --model supervised -o out.jsonl";
    place.run(line).exits(0);
    let first: Value = serde_json::from_str(place.read("out.jsonl").lines().next().unwrap()).unwrap();
    assert!(first["log_density"].is_null() && first["label"] == "cat", "{first}");
    place.run("predict run pets.csv --model m3").fails(2).tells(&["`m3`"]);
}

#[test]
fn a_gzipped_table_is_read() {
    let place = trained();
    let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
    zipped.write_all(pets(40).as_bytes()).unwrap();
    place.write("pets.csv.gz", zipped.finish().unwrap());
    assert_eq!(place.predict("pets.csv.gz").answers(), place.predict("pets.csv").answers());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let place = Place::new();
    place.train("digits --labels 50");
    let mut child = place.command(["predict", "run", "digits"]).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("id,label,"), "{first}");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let place = trained();
    place.run("predict run pets.csv -o nowhere/out.csv").exits(3).tells(&["nowhere/out.csv"]);
}

#[test]
fn an_output_that_is_there_survives_an_input_that_cannot_be_read() {
    let place = trained();
    for (input, content) in [("bad.csv", Some("size\n24\n")), ("nowhere.csv", None)] {
        if let Some(content) = content {
            place.write(input, content);
        }
        place.write("out.csv", "yesterday's answers");
        place.run(&format!("predict run {input} -o out.csv")).exits(3).tells(&[input]);
        assert_eq!(place.read("out.csv"), "yesterday's answers", "{input}");
    }
}

#[test]
fn the_input_is_never_overwritten() {
    let place = trained();
    place.run("predict run pets.csv -o pets.csv");
    let left = place.read("pets.csv");
    assert!(left == pets(40) || Answers::of(&left).len() == 40, "{left}");
}

#[test]
fn a_run_folder_can_be_moved() {
    let place = trained();
    let before = place.run("predict run pets.csv").exits(0).out;
    let moved = Command::new("mv").args([place.path("run"), place.path("else where")]).status().unwrap();
    assert!(moved.success());
    assert_eq!(place.run_args(&["predict", "else where", "pets.csv"]).exits(0).out, before);
}

#[test]
fn a_damaged_run_is_named() {
    let place = trained();
    place.write("run/m2/weights.safetensors", b"garbage, not tensors");
    place.run("predict run pets.csv").fails(3).tells(&["run/m2/weights.safetensors"]);
    place.write("run/data.json", "{");
    place.run("predict run pets.csv").fails(3).tells(&["run/data.json"]);
}

#[test]
fn only_the_named_output_is_touched() {
    let place = trained();
    place.write("out.csv.partial", "my notes");
    place.run("predict run pets.csv -o out.csv").exits(0);
    assert_eq!(place.read("out.csv.partial"), "my notes");
    assert_eq!(Answers::of(&place.read("out.csv")).len(), 40);
    // Without a row there is a header all the same, and nothing older is left standing.
    place.write("empty.csv", pets(40).lines().next().unwrap());
    place.run("predict run empty.csv -o out.csv").exits(0);
    assert_eq!(place.read("out.csv").lines().count(), 1);
}
