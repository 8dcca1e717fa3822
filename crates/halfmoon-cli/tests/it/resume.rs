//! Ctrl-C and `kill -9` in the middle of a training.

use serde_json::Value;

use crate::support::{Place, interrupt, kill};

/// Long enough to be interrupted after its first steps.
const LINE: &str = "train digits --labels 50 --steps 400 --set m2.hidden=[32] --set supervised.hidden=[32] --out run";

/// The figures of a training that nobody interrupted.
fn uninterrupted() -> (Place, Value) {
    let place = Place::new();
    let figures = place.run(&format!("{LINE} --json")).exits(0).json();
    (place, figures)
}

#[track_caller]
fn assert_same(figures: &Value, expected: &Value) {
    assert_eq!(figures["test"], expected["test"]);
    assert_eq!(figures["baseline"]["test"], expected["baseline"]["test"]);
    assert_eq!((&figures["steps"], &figures["labels"]), (&400.into(), &50.into()));
}

fn steps(place: &Place) -> Vec<u64> {
    let log = place.read("run/m2/log.jsonl");
    log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["step"].as_u64().unwrap()).collect()
}

#[test]
fn a_run_that_was_stopped_or_killed_and_resumed_ends_as_if_it_had_not_been() {
    let (whole, expected) = uninterrupted();

    let place = Place::new();
    let said = interrupt(place.start(LINE, "m2"));
    said.exits(0).tells(&["stopped; go on with: halfmoon train --resume run"]);
    assert!(place.path("run/m2/checkpoint.safetensors").is_file());
    assert!(!place.path("run/result.json").exists());
    place.run("predict run digits").exits(0).tells(&["stopped before its last step"]);
    // Killed behind a checkpoint: the steps since are done again.
    kill(place.start("train --resume run", "m2"));
    assert!(place.path("run/m2/checkpoint.safetensors").is_file());
    let resumed = place.run("train --resume run --json").exits(0).json();
    assert_same(&resumed, &expected);
    assert_eq!(steps(&place), steps(&whole), "the log reads like an uninterrupted one's");
    assert!(!place.path("run/m2/checkpoint.safetensors").exists());

    // Resumed when there is nothing left to do, a run is shown.
    assert_same(&place.run("train --resume run --json").exits(0).json(), &expected);
}

#[test]
fn a_run_that_was_killed_before_its_first_checkpoint_starts_over() {
    let (_, expected) = uninterrupted();
    let place = Place::new();
    kill(place.start(LINE, "m2"));
    assert!(!place.path("run/m2/checkpoint.safetensors").exists());
    place.run("predict run digits").fails(3).tells(&["run", "--resume"]);
    let resumed = place.run("train --resume run --json").exits(0).json();
    assert_same(&resumed, &expected);
}

#[test]
fn a_run_that_was_killed_in_its_second_model_keeps_the_first() {
    let (_, expected) = uninterrupted();
    let place = Place::new();
    kill(place.start(LINE, "supervised"));
    assert!(place.path("run/m2/weights.safetensors").is_file());
    assert!(!place.path("run/supervised/weights.safetensors").exists());
    let said = place.run("train --resume run --json").exits(0).tells_not("m2: trained");
    assert_same(&said.json(), &expected);
}

#[test]
fn a_run_whose_data_changed_is_not_resumed() {
    let place = Place::with("pets.csv", crate::support::pets(20));
    let line = "train pets.csv --label species --steps 100000 --out run";
    interrupt(place.start(line, "m2")).exits(0);
    place.write("pets.csv", crate::support::pets(22));
    place.run("train --resume run").fails(3).tells(&["pets.csv", "started with"]);
}

#[test]
fn a_resumed_run_may_go_on_for_longer_but_not_become_another() {
    let place = Place::new();
    place.run("train --resume run --seed 3").exits(2);
    place.run("train --resume run digits").exits(2);
}
