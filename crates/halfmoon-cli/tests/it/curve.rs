//! `halfmoon bench curve`, on the built-in digits and on a small table.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::support::{Place, interrupt, kill, labelled};

/// Two tiny models: one in steps, with several points, and one that is fitted at once.
const LINE: &str = "bench curve --data digits --labels 50 --models m2,label_spreading --out run \
    --set m2.hidden=[16] --every 0.02s --set m2.train.steps=";

/// The rows of a curve.csv, as its columns.
fn points(place: &Place, file: &str) -> Vec<Vec<String>> {
    let text = place.read(file);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// Column `at` of those of a model.
fn numbers(points: &[Vec<String>], model: &str, at: usize) -> Vec<f64> {
    points.iter().filter(|row| row[0] == model).filter_map(|row| row[at].parse().ok()).collect()
}

const STEP: usize = 6;
const SECONDS: usize = 7;
const ERROR: usize = 9;

/// Starts a training and waits until its curve has so many lines.
fn start(place: &Place, line: &str, lines: usize) -> Child {
    let mut child = place.command(line.split_whitespace()).spawn().unwrap();
    let (file, started) = (place.path("run/curve.csv"), Instant::now());
    while fs::read_to_string(&file).unwrap_or_default().lines().count() < lines {
        assert!(child.try_wait().unwrap().is_none(), "the training ended before it could be interrupted");
        assert!(started.elapsed() < Duration::from_mins(1), "the training does not get going");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn a_curve_has_points_in_order_ends_where_training_ends_and_is_drawn() {
    let place = Place::new();
    let said = place.run(&format!("{LINE}60")).exits(0).tells(&["m2, seed 1: trained after", "total"]);
    said.prints(&["m2", "label_spreading", "picture: run/curve.svg", "how it was made: run/curve.md"]);
    let all = points(&place, "run/curve.csv");
    let (steps, seconds) = (numbers(&all, "m2", STEP), numbers(&all, "m2", SECONDS));
    assert!(steps.len() >= 2 && steps.is_sorted() && seconds.is_sorted(), "{all:?}");
    assert_eq!(steps.last(), Some(&60.0));
    assert!(numbers(&all, "m2", ERROR).iter().all(|error| (0.0..=100.0).contains(error)));
    // Fitted at once: one point, without a step.
    assert_eq!((numbers(&all, "label_spreading", STEP), numbers(&all, "label_spreading", ERROR).len()), (vec![], 1));

    // The last point is the error of the model that is kept.
    let eval: serde_json::Value = serde_json::from_str(&place.read("run/runs/m2-50-1/result.json")).unwrap();
    let error = 100.0 * (1.0 - eval["test"]["accuracy"].as_f64().unwrap());
    assert!((numbers(&all, "m2", ERROR).last().unwrap() - error).abs() < 1e-4);

    let svg = place.read("run/curve.svg");
    assert!(svg.starts_with("<svg ") && svg.contains(">m2</text>") && svg.contains(">label_spreading</text>"));
    assert!(!svg.contains("class=\"mark\""), "digits are not MNIST");
    let text = place.read("run/curve.md");
    for part in
        ["no step, setting or end of a training was chosen by it", "`hidden=[16] train.steps=60`", "are left out"]
    {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }

    // Given again, there is nothing left to do; another model joins the picture.
    place.run(&format!("{LINE}60")).exits(0).tells(&["m2, seed 1: trained before"]).tells_not("trained after");
    assert_eq!(points(&place, "run/curve.csv"), all);
    let more = LINE.replace("label_spreading", "supervised --set supervised.train.steps=5");
    place.run(&format!("{more}60")).exits(0).tells_not("m2, seed 1: trained after");
    assert!(place.read("run/curve.svg").contains(">label_spreading</text>"));
    assert_eq!(points(&place, "run/curve.csv")[..all.len()], all);

    // Other settings would make another curve of the same name.
    place.run(&format!("{LINE}61")).fails(2).tells(&["run/runs/m2-50-1 was trained with other data or settings"]);
    let said = place.run(&format!("{LINE}60 --time-per-run 9s")).fails(2);
    said.tells(&["was trained with --time-per-run 1800s", "--out"]);
    place.run(&format!("{LINE}60 --labels 40")).exits(2);
}

#[test]
fn a_curve_that_was_stopped_or_killed_goes_on_from_its_last_point() {
    let line = format!("{LINE}400");
    let place = Place::new();
    let said = interrupt(start(&place, &line, 3)).exits(0).tells(&["stopped; the same command goes on"]);
    said.prints(&["m2"]);
    let before = points(&place, "run/curve.csv");
    assert!(place.path("run/curve.svg").is_file());
    kill(start(&place, &line, before.len() + 3));
    place.run(&line).exits(0);
    let all = points(&place, "run/curve.csv");
    assert_eq!(all[..before.len()], before, "what was known stays");
    let (steps, seconds) = (numbers(&all, "m2", STEP), numbers(&all, "m2", SECONDS));
    assert!(steps.windows(2).all(|pair| pair[0] < pair[1]) && seconds.is_sorted(), "{steps:?} {seconds:?}");
    assert_eq!(steps.last(), Some(&400.0));

    // The parameters are those of a training that nobody interrupted, and nobody looked at.
    let whole = Place::new();
    let figures = whole
        .run(
            "train digits --labels 50 --model m2 --set m2.hidden=[16] --set m2.train.steps=400 --json --time 30m \
            --out run",
        )
        .exits(0)
        .json();
    let accuracy = figures["test"]["accuracy"].as_f64().unwrap();
    assert!((numbers(&all, "m2", ERROR).last().unwrap() - 100.0 * (1.0 - accuracy)).abs() < 1e-4);
}

#[test]
fn files_of_different_days_are_drawn_in_one_picture() {
    let place = Place::new();
    for seed in [1, 2] {
        let line =
            format!("bench curve --data digits --labels 50 --models label_spreading --seed {seed} --out seed{seed}");
        place.run(&line).exits(0);
    }
    let files = "--from seed1/curve.csv --from seed2/curve.csv";
    place.run(&format!("bench curve {files} --out both")).exits(0).prints(&["label_spreading", "both/curve.svg"]);
    let svg = place.read("both/curve.svg");
    assert_eq!((svg.matches("class=\"line\"").count(), svg.matches("class=\"name\"").count()), (2, 1));
    assert!(place.read("both/curve.md").contains("points of `seed1/curve.csv`, `seed2/curve.csv`"));
    assert!(!place.path("both/curve.csv").exists() && !place.path("both/runs").exists(), "nothing was trained");

    place.run(&format!("bench curve {files} --out seed1")).fails(2).tells(&["seed1 holds curves of its own"]);
    place.run(&format!("bench curve {files}")).exits(2).tells(&["--out"]);
    place.run(&format!("bench curve {files} --data digits --out x")).exits(2).tells(&["--from"]);
    place.run("bench curve --from nowhere.csv --out x").exits(3).tells(&["nowhere.csv"]);
    place.write("other.csv", place.read("seed2/curve.csv").replace(",50,", ",60,"));
    place.run("bench curve --from seed1/curve.csv --from other.csv --out x").fails(3).tells(&["with 60 labels"]);
    place.write("odd.csv", "a,b\n1,2\n");
    place.run("bench curve --from odd.csv --out x").fails(3).tells(&["odd.csv, row 2"]);
    assert!(!place.path("x").exists());
}

#[test]
fn published_errors_stand_beside_mnist_alone() {
    let point = "model,settings,data,fingerprint,labels,seed,step,seconds,cpu_seconds,error,loss\n\
        m2,,mnist,a9e6c0a8924354fd,100,1,10,2.5,,40,\n";
    let place = Place::with("a.csv", point);
    place.run("bench curve --from a.csv --out a").exits(0);
    assert!(place.read("a/curve.svg").contains("0.96 ADGM, Maaløe et al. 2016"));
    assert!(place.read("a/curve.md").contains("| M1+M2 | 3.33 | Kingma et al. 2014 |"));
    place.write("b.csv", point.replace(",100,", ",1000,"));
    place.run("bench curve --from b.csv --out b").exits(0);
    assert!(!place.read("b/curve.svg").contains("ADGM"));
}

#[test]
fn what_is_wrong_with_the_request_is_said_before_anything_is_written() {
    let place = Place::with("table.csv", labelled(&["a", "b"].repeat(20)));
    place.run("bench curve --data digits --models m22,supervised").fails(2).tells(&["did you mean `m2`?"]);
    place.run("bench curve --data digits --labels 0").exits(2).tells(&["--labels"]);
    place.run("bench curve --data digits --labels 5000").fails(2).tells(&["5000"]);
    place.run("bench curve --data digits --set m2.hiden=[3]").fails(2).tells(&["did you mean `hidden`?"]);
    place.run("bench curve --data digits --models m2 --set m1.latent=3").fails(2).tells(&["not trained"]);
    place.run("bench curve --data digits --every 0s").exits(2).tells(&["--every"]);
    place.run("bench curve --data nowhere").exits(3).tells(&["nowhere"]);
    place.run("bench curve").exits(2).tells(&["--data"]);
    assert!(!place.path("bench-curve-digits").exists() && !place.path("bench-curve-nowhere").exists());
    place.write("bench-curve-table/note.txt", "mine");
    place.run("bench curve --data table.csv --labels 10").fails(2).tells(&["bench-curve-table is not empty", "--out"]);
}

#[test]
fn a_model_that_fails_does_not_keep_the_others_from_their_curves() {
    let place = Place::with("table.csv", labelled(&["a", "b"].repeat(40)));
    let line = "bench curve --data table.csv --labels 10 --models m2,label_spreading --set m2.train.rate=1e30 \
        --set m2.hidden=[16] --out run";
    let said = place.run(line).exits(1).tells(&["m2, seed 1: failed: ", "error: m2 could not be trained to the end"]);
    said.prints(&["label_spreading"]);
    assert!(place.read("run/curve.svg").contains(">label_spreading</text>"));
}
