//! Inputs that a model makes up and cannot tell the class of.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::support::{Place, pets, wobble};

/// A small `m2` on digits, which knows a little.
fn digits() -> Place {
    let place = Place::new();
    place.train("digits --labels 100 --model m2 --set m2.hidden=[64] --set m2.train.steps=500");
    place
}

fn json(place: &Place, name: &str) -> Value {
    serde_json::from_str(&place.read(name)).unwrap()
}

fn rows(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
    (header, reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect())
}

#[test]
fn examples_are_a_picture_with_what_is_said_of_them_beside_it() {
    let place = digits();
    let said = place.run("synthesise run -n 6 -o doubt.png").exits(0).prints(&["doubt.png", "doubt.json"]);
    said.tells(&["6 examples from "]);
    let told = json(&place, "doubt.json");
    let examples = told["examples"].as_array().unwrap();
    assert_eq!(examples.len(), 6);
    for example in examples {
        let number = |key: &str| example[key].as_f64().unwrap();
        assert_eq!(example["generated"], true);
        assert!((0.0..=0.2).contains(&number("margin")), "{example}");
        assert!((number("probability") - number("next_probability") - number("margin")).abs() < 1e-6, "{example}");
        assert!((0.05..=1.0).contains(&number("plausibility")), "{example}");
        assert!(number("entropy") > 0.6 && number("log_density").is_finite(), "{example}");
        assert_ne!(example["likeliest"], example["next"]);
        assert_eq!(example["code"].as_array().unwrap().len(), 50);
    }
    let count = |key: &str| told[key].as_u64().unwrap();
    assert!(count("candidates") >= 6 + count("implausible") + count("decided") + count("near_copies"), "{told}");

    // The same seed gives the same files, another one others.
    place.run("synthesise run -n 6 -o again.png").exits(0);
    place.run("synthesise run -n 6 -o other.png --seed 2").exits(0);
    let bytes = |name: &str| fs::read(place.path(name)).unwrap();
    assert_eq!((bytes("doubt.png"), bytes("doubt.json")), (bytes("again.png"), bytes("again.json")));
    assert_ne!(bytes("doubt.png"), bytes("other.png"));
    place.run("synthesise run -n 2").exits(0).prints(&["run/synthetic.png"]);
}

#[test]
fn a_folder_of_examples_is_read_again_and_still_in_doubt() {
    let place = digits();
    place.run("synthesise run -n 5 -o made").exits(0).prints(&["made", "synthetic.csv"]);
    let (header, told) = rows(&place.read("made/synthetic.csv"));
    assert_eq!(header[..4], ["file", "id", "generated", "likeliest"]);
    assert_eq!(told.len(), 5);
    assert_eq!(told[0][..3], ["synthetic-001.png", "synthetic-001", "yes"]);
    assert!(told.iter().all(|row| image::image_dimensions(place.path(format!("made/{}", row[0]))).unwrap() == (8, 8)));
    for row in told.iter().take(2) {
        let answers = place.predict(&format!("made/{} --no-temperature", row[0]));
        let most = answers.probs()[0].iter().copied().fold(0.0, f64::max);
        assert!((most - row[4].parse::<f64>().unwrap()).abs() < 1e-4, "{most}, {row:?}");
    }
    place.run("synthesise run -o made").fails(3).tells(&["not an empty folder"]);
    place.run("synthesise run -o made.csv").fails(2).tells(&["one PNG or into a folder"]);
}

/// Two groups that overlap in every column.
fn overlapping() -> String {
    let mut text = "size,barks,food,side\n".to_owned();
    for row in 0..120 {
        let (side, shift) = if row % 2 == 0 { ("left", 0.0) } else { ("right", 0.4) };
        let barks = if wobble(row, 2) + shift > 0.7 { "yes" } else { "no" };
        let food = ["fish", "meat", "cake"][row % 3];
        writeln!(text, "{:.3},{barks},{food},{side}", wobble(row, 1) + shift).unwrap();
    }
    text
}

#[test]
fn rows_of_a_table_have_the_tables_columns_and_can_be_predicted() {
    let place = Place::with("rows.csv", overlapping());
    place.train("rows.csv --label side --model m2 --set m2.train.steps=200");
    let said = place.run("synthesise run -n 4 --margin 0.95 --plausible 0.01");
    said.exits(0).prints(&["run/synthetic.csv"]);
    let text = place.read("run/synthetic.csv");
    let (header, told) = rows(&text);
    assert_eq!(header[..3], ["id", "generated", "likeliest"]);
    assert_eq!(header[header.len() - 3..], ["size", "barks", "food"]);
    for row in &told {
        let [size, barks, food] = &row[row.len() - 3..] else { panic!("{row:?}") };
        assert!(size.parse::<f64>().unwrap().is_finite());
        assert!(
            ["yes", "no"].contains(&barks.as_str()) && ["fish", "meat", "cake"].contains(&food.as_str()),
            "{row:?}"
        );
    }
    // What stands there is what was judged.
    place.write("made.csv", &text);
    let answers = place.predict("made.csv --no-temperature");
    assert_eq!(answers.len(), told.len());
    for (probs, row) in answers.probs().iter().zip(&told) {
        let most = probs.iter().copied().fold(0.0, f64::max);
        assert!((most - row[3].parse::<f64>().unwrap()).abs() < 1e-4, "{most}, {row:?}");
    }
    place.run("synthesise run -o made.png").fails(2).tells(&["written as CSV"]);
}

#[test]
fn the_nearest_real_items_are_listed_as_query_lists_them_and_none_twice() {
    let place = digits();
    let said = place.run("synthesise run -n 8 --nearest digits --explain").exits(0);
    let (header, listed) = rows(&said.out);
    assert_eq!(header, ["rank", "id", "likeliest", "probability", "utility", "reason"]);
    assert_eq!(listed.len(), 8);
    let ids: HashSet<&str> = listed.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(ids.len(), 8);
    assert!(ids.iter().all(|id| id.parse::<usize>().unwrap() < 1797), "{ids:?}");
    assert!(listed.iter().all(|row| row[5].starts_with("nearest to an example that was made up: ")));
    let utilities: Vec<f64> = listed.iter().map(|row| row[4].parse().unwrap()).collect();
    assert!(utilities.is_sorted_by(|a, b| a >= b), "{utilities:?}");

    place.run("synthesise run -n 8 --nearest digits --as label-studio -o tasks.json").exits(0).prints(&["tasks.json"]);
    let tasks = json(&place, "tasks.json");
    assert_eq!(tasks.as_array().unwrap().len(), 8);
    assert_eq!(
        (&tasks[0]["data"]["halfmoon_id"], &tasks[0]["meta"]["rule"]),
        (&Value::from(&*listed[0][1]), &Value::from("synthesis"))
    );
    place.run("synthesise run --as label-studio").exits(2);
    place.run("synthesise run --nearest nowhere").exits(3);
}

#[test]
fn what_cannot_be_made_is_said() {
    let place = digits();
    place
        .run("synthesise run -n 3 --margin 0.0000001 --steps 0 --candidates 20")
        .fails(3)
        .tells(&["0 examples from 20", "both plausible and in doubt"]);
    place.run("synthesise run -n 50 --candidates 20").exits(0).tells(&["fewer than the 50"]);
    place.run("synthesise run --margin 2").exits(2);
    place.run("synthesise run --doubt -1").exits(2);
    place.run("train digits --labels 50 --model supervised --set supervised.train.steps=20 --out plain").exits(0);
    place.run("synthesise plain").fails(2).tells(&["`supervised` answers and makes no inputs", "m2, m1m2", "jem"]);

    let place = Place::with("pets.csv", pets(40));
    place.train("pets.csv --label species --model m2");
    fs::remove_file(place.path("pets.csv")).unwrap();
    place.run("synthesise run").fails(3).tells(&["cannot be read again"]);
}

#[test]
fn chains_make_examples_too() {
    let place = Place::new();
    let tiny = "--set jem.hidden=[32] --set jem.train.steps=150 --set jem.buffer=100 --set jem.langevin.steps=5";
    place.run(&format!("train digits --labels 100 --model jem {tiny} --out run")).exits(0);
    place.run("synthesise run -n 3 --steps 60 --margin 0.5 -o doubt.png").exits(0).prints(&["doubt.png"]);
    let told = json(&place, "doubt.json");
    assert!(told["examples"].as_array().unwrap().iter().all(|example| example["code"].is_null()));
}
