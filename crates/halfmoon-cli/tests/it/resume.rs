//! Ctrl-C and `kill -9` in the middle of a training.

use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Place, interrupt, kill, pets};

/// Long enough to be interrupted after its first steps.
const LINE: &str = "train digits --labels 50 --steps 150 --set m2.hidden=[16] --set supervised.hidden=[16] --out run";

/// The figures and the steps in the log of a training that nobody interrupted.
fn uninterrupted() -> &'static (Value, Vec<u64>) {
    static DONE: OnceLock<(Value, Vec<u64>)> = OnceLock::new();
    DONE.get_or_init(|| {
        let place = Place::new();
        (place.run(&format!("{LINE} --json")).exits(0).json(), steps(&place))
    })
}

#[track_caller]
fn assert_as_uninterrupted(figures: &Value) {
    let (expected, _) = uninterrupted();
    assert_eq!(figures["test"], expected["test"]);
    assert_eq!(figures["baseline"]["test"], expected["baseline"]["test"]);
    assert_eq!((&figures["steps"], &figures["labels"]), (&150.into(), &50.into()));
}

fn steps(place: &Place) -> Vec<u64> {
    let log = place.read("run/m2/log.jsonl");
    log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["step"].as_u64().unwrap()).collect()
}

#[test]
fn a_run_that_was_stopped_or_killed_and_resumed_ends_as_if_it_had_not_been() {
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
    assert_as_uninterrupted(&resumed);
    assert_eq!(steps(&place), uninterrupted().1, "the log reads like an uninterrupted one's");
    assert!(!place.path("run/m2/checkpoint.safetensors").exists());

    // Resumed when there is nothing left to do, a run is shown.
    assert_as_uninterrupted(&place.run("train --resume run --json").exits(0).json());
}

#[test]
fn a_run_that_was_killed_before_its_first_checkpoint_starts_over() {
    let place = Place::new();
    kill(place.start(LINE, "m2"));
    assert!(!place.path("run/m2/checkpoint.safetensors").exists());
    place.run("predict run digits").fails(3).tells(&["run", "--resume"]);
    place.run(LINE).fails(2).tells(&["run", "--resume"]);
    let resumed = place.run("train --resume run --json").exits(0).json();
    assert_as_uninterrupted(&resumed);
}

#[test]
fn a_run_that_was_killed_in_its_second_model_keeps_the_first() {
    let place = Place::new();
    kill(place.start(LINE, "supervised"));
    assert!(place.path("run/m2/weights.safetensors").is_file());
    assert!(!place.path("run/supervised/weights.safetensors").exists());
    let said = place.run("train --resume run --json").exits(0).tells_not("m2: trained");
    assert_as_uninterrupted(&said.json());
}

#[test]
fn a_run_that_was_killed_in_a_fold_keeps_the_folds_before() {
    let line = "train pets.csv --label species --model m2 --steps 200 --set m2.hidden=[16] \
        --set run.folds=2 --set run.repeats=1 --out run";
    let place = Place::with("pets.csv", pets(40));
    kill(place.start(line, "folds/2/m2"));
    let said = place.run("train --resume run --json").exits(0).tells_not("fold 1 of 2").tells(&["fold 2 of 2"]);
    let whole = Place::with("pets.csv", pets(40));
    assert_eq!(said.json()["test"], whole.run(&format!("{line} --json")).exits(0).json()["test"]);
}

#[test]
fn a_run_whose_data_changed_is_not_resumed() {
    let place = Place::with("pets.csv", pets(20));
    let line = "train pets.csv --label species --steps 100000 --out run";
    interrupt(place.start(line, "m2")).exits(0);
    place.write("pets.csv", pets(22));
    place.run("train --resume run").fails(3).tells(&["pets.csv", "started with"]);
}

#[test]
fn a_stopped_run_keeps_its_steps() {
    let place = Place::with("pets.csv", pets(40));
    let line = "train pets.csv --label species --labels 30 --model m2 --steps 5000 --set m2.hidden=[16] --out run";
    interrupt(place.start(line, "m2")).exits(0);
    // The learning rate falls over the steps, so other steps would be another run.
    place.run("train --resume run --steps 500").fails(2).tells(&["--time"]);
    assert!(place.read("run/config.toml").contains("steps = 5000"));
}

#[test]
fn a_finished_run_never_claims_steps_that_it_did_not_take() {
    let place = Place::with("pets.csv", pets(40));
    place.train("pets.csv --label species --labels 30 --model m2");
    let said = place.run("train --resume run --steps 60");
    let steps = if place.read("run/config.toml").contains("steps = 60\n") { 60 } else { 20 };
    let figures: Value = serde_json::from_str(&place.read("run/result.json")).unwrap();
    assert_eq!(figures["steps"], steps, "{}\n{}", said.out, said.err);
}

#[test]
fn a_resumed_run_does_not_become_another() {
    let place = Place::with("pets.csv", pets(40));
    place.run("train --resume run --seed 3").exits(2);
    place.run("train --resume run digits").exits(2);
    place.train("pets.csv --label species --labels 20 --model m2");
    let config = place.read("run/config.toml");
    // Another seed would judge on items that were learned from; other widths leave no model to ask.
    for change in ["run.seed=5", "data.labels=30", "m2.hidden=[8]"] {
        place.run(&format!("train --resume run --set {change}")).exits(2);
        assert_eq!(place.read("run/config.toml"), config, "{change}");
    }
    place.predict("pets.csv");
}
