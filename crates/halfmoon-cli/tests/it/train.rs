//! Training: figures, repeatability, splits, and the folder that is left.

use std::fmt::Write;

use crate::support::{Place, pets, wobble};
use serde_json::Value;

#[test]
fn json_is_one_object_with_the_figures_of_both_models() {
    let figures = Place::new().figures("digits --labels 50");
    for key in ["run", "model", "labels", "steps", "seconds", "test", "baseline"] {
        assert!(figures.get(key).is_some(), "`{key}` is not in {figures}");
    }
    assert_eq!((&figures["run"], &figures["model"]), (&"run".into(), &"m2".into()));
    assert_eq!((&figures["labels"], &figures["steps"]), (&50.into(), &20.into()));
    assert_eq!(figures["baseline"]["model"], "supervised");
    for test in [&figures["test"], &figures["baseline"]["test"]] {
        assert_eq!(test["n"], 359, "a fifth of 1,797");
        for figure in ["accuracy", "brier", "ece", "nll"] {
            assert!(test[figure].as_f64().is_some_and(|value| value >= 0.0), "`{figure}` in {test}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_figures_and_another_seed_others() {
    let test = |seed: &str| Place::new().figures(&format!("digits --labels 50 --seed {seed}"));
    let (once, again, other) = (test("3"), test("3"), test("4"));
    assert_eq!(once["test"], again["test"]);
    assert_eq!(once["baseline"]["test"], again["baseline"]["test"]);
    assert_ne!(once["test"], other["test"]);
}

#[test]
fn a_run_folder_has_a_name_of_its_own_and_is_never_overwritten() {
    let place = Place::new();
    let line = "train digits --labels 50 --steps 2 --model supervised";
    place.run(line).exits(0).prints(&["halfmoon predict runs/"]);
    let run = "runs/digits-50-supervised-seed1";
    assert!(place.path(run).join("result.json").is_file());
    place.run(line).fails(2).tells(&[run, "--resume"]);
    place.run(&format!("{line} --out {run} --set supervised.hidden=[8]")).fails(2).tells(&[run, "--out"]);
    place.run(&format!("train --resume {run} --json")).exits(0).json();
}

#[test]
fn result_json_is_what_was_printed() {
    let place = Place::new();
    let printed = place.figures("digits --labels 50 --model supervised");
    assert_eq!(serde_json::from_str::<Value>(&place.read("run/result.json")).unwrap(), printed);
}

#[test]
fn balanced_accuracy_stands_beside_accuracy() {
    // 36 common and 4 rare rows that nothing tells apart: always `common` is right 9 times of 10
    let mut text = "x,y\n".to_owned();
    for row in 0..40 {
        writeln!(text, "{:.3},{}", wobble(row, 1), if row % 10 == 0 { "rare" } else { "common" }).unwrap();
    }
    let place = Place::with("rare.csv", text);
    let said = place.train("rare.csv --label y --steps 100").prints(&["accuracy  ", "balanced_accuracy"]);
    let header = said.out.lines().find(|line| line.starts_with("model")).unwrap();
    let columns: Vec<&str> = header.split_whitespace().collect();
    let at = columns.iter().position(|column| *column == "accuracy").unwrap();
    assert_eq!(columns[at + 1], "balanced_accuracy");
    let figures: Value = serde_json::from_str(&place.read("run/result.json")).unwrap();
    let figure = |name: &str| figures["baseline"]["test"][name].as_f64().unwrap();
    assert!(figure("accuracy") > figure("balanced_accuracy") + 0.2, "{figures}");
}

/// Every row twice; labels at random, so that only who has seen a row knows its label.
fn twice(rows: usize) -> String {
    let columns = 12;
    let header: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
    let mut text = format!("{},label\n", header.join(","));
    for row in (0..rows).chain(0..rows) {
        for column in 0..columns {
            write!(text, "{:.3},", wobble(row, column)).unwrap();
        }
        writeln!(text, "{}", if wobble(row, 50) < 0.5 { "heads" } else { "tails" }).unwrap();
    }
    text
}

#[test]
fn copies_never_straddle_train_and_test() {
    let place = Place::with("twice.csv", twice(60));
    let line = "twice.csv --model supervised --steps 300 --set supervised.hidden=[64]";
    // A learner that saw the copies would be right always; this one can only guess.
    for (split, labels) in [("fifth", " --labels 90"), ("folds", "")] {
        let figures = place.figures(&format!("{line}{labels} --out {split}"));
        let accuracy = figures["test"]["accuracy"].as_f64().unwrap();
        assert!(accuracy < 0.8, "{split}: {figures}");
        let n = figures["test"]["n"].as_u64().unwrap();
        assert!(n > 20 && n.is_multiple_of(2), "{split}: {figures}");
    }
    // and it has learned by heart what it was given
    let known = place.run("eval folds twice.csv --json").exits(0).json();
    assert!(known["test"]["accuracy"].as_f64().unwrap() > 0.95, "{known}");
}

#[test]
fn held_out_data_can_be_given() {
    let place = Place::with("pets.csv", pets(20));
    place.write("more.csv", pets(31));
    let figures = place.figures("pets.csv --label species --test more.csv");
    assert_eq!(figures["test"]["n"], 31);
    place.write("cows.csv", pets(9).replace("dog", "cow"));
    place
        .try_train("pets.csv --label species --test cows.csv --out other")
        .fails(3)
        .tells(&["cows.csv, row 3, column species", "`cow`"]);
}

#[test]
fn more_labels_than_there_are_is_a_mistake() {
    let place = Place::with("pets.csv", pets(20));
    place.try_train("pets.csv --label species --labels 1000").fails(2).tells(&["1000"]);
    place.try_train("pets.csv --label species --labels 0").fails(2).tells(&["0"]);
}

#[test]
fn a_loss_that_leaves_the_finite_numbers_ends_the_training_with_advice() {
    let place = Place::with("pets.csv", pets(20));
    let said = place.try_train("pets.csv --label species --set m2.train.rate=1e30");
    said.fails(2).tells(&["m2: the loss", "--set m2.train.rate=3e-4"]);
}

#[test]
fn eval_judges_a_run_on_other_data() {
    let place = Place::with("pets.csv", pets(20));
    place.train("pets.csv --label species --steps 100");
    place.write("more.csv", pets(30));
    let judged = place.run("eval run more.csv --json").exits(0).json();
    assert_eq!((&judged["model"], &judged["test"]["n"]), (&"m2".into(), &30.into()));
    let counts = judged["confusion"]["rows_true_columns_predicted"].as_array().unwrap();
    let total: u64 = counts.iter().flat_map(|row| row.as_array().unwrap()).map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(total, 30);
    let other = place.run("eval run more.csv --model supervised --json").exits(0).json();
    assert_eq!(other["model"], "supervised");
    place.run("eval run more.csv").exits(0).prints(&["30 labelled items", "precision", "true \\ predicted", "dog"]);
    place.write("bare.csv", "size,barks,food\n25,no,fish\n");
    place.run("eval run bare.csv").fails(3).tells(&["bare.csv", "no labelled item"]);
}

#[test]
fn progress_goes_to_standard_error_and_figures_to_standard_output() {
    let said = Place::new().train("digits --labels 50");
    assert!(said.out.contains("50 labels") && !said.err.contains("50 labels;"), "{}", said.out);
    said.tells(&["1797 items", "m2: trained", "supervised: trained"]);
}

#[test]
fn a_time_limit_ends_the_training_with_figures() {
    let place = Place::new();
    let figures = place.figures("digits --labels 50 --steps 100000000 --time 1s");
    assert!(figures["test"]["n"] == 359 && figures["steps"].as_u64().unwrap() < 100_000_000, "{figures}");
}

#[test]
fn a_folder_that_holds_anything_is_not_written_into() {
    let place = Place::with("pets.csv", pets(40));
    std::fs::create_dir(place.path("mine")).unwrap();
    place.write("mine/data.json", "{\"precious\":1}");
    place.run("train pets.csv --label species --labels 20 --steps 5 --out mine").fails(2).tells(&["mine", "--out"]);
    assert_eq!(place.read("mine/data.json"), "{\"precious\":1}");
}

#[test]
fn copies_of_test_items_among_the_training_items_are_counted() {
    let place = Place::with("pets.csv", pets(40));
    place.train("pets.csv --label species --model m2 --test pets.csv").tells(&["40 training items are exact copies"]);
}

#[test]
fn test_data_without_labels_are_refused() {
    let place = Place::with("pets.csv", pets(40));
    place.write("blank.csv", pets(4).replace("cat", "").replace("dog", ""));
    place.run("train pets.csv --label species --steps 5 --test blank.csv --out run").fails(3).tells(&["blank.csv"]);
}

#[test]
fn settings_that_make_no_sense_are_mistakes_and_no_panics() {
    let place = Place::with("pets.csv", pets(40));
    for setting in
        ["run.time=1e30", "m2.train.unlabelled_rows=1000000000000", "run.repeats=100000000000", "data.delimiter=→"]
    {
        place.run(&format!("train pets.csv --label species --set {setting} --out run")).exits(2);
    }
    place.train("pets.csv --label species --labels 20 --model m2 --set m2.train.unlabelled_rows=0");
}

/// Resident memory of a running program, in MB, where the system says so.
fn resident_mb(process: &std::process::Child) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

/// What stayed behind of every step, a few kilobytes even, would be tens of megabytes after ten thousand.
#[test]
fn ten_thousand_steps_need_no_more_memory_than_two_thousand() {
    if !cfg!(target_os = "linux") {
        eprintln!("SKIPPED: memory is read from /proc, which only Linux has");
        return;
    }
    let place = Place::new();
    let line = "train digits --labels 50 --model m2 --steps 10000 --out run --set m2.hidden=[8] --set m2.latent=2 \
                --set m2.train.unlabelled_rows=10";
    let mut process = place.command(line.split_whitespace()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let steps = || {
        let log = std::fs::read_to_string(place.path("run/m2/log.jsonl")).unwrap_or_default();
        let last = log.lines().last().and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        last.and_then(|line| line["step"].as_u64()).unwrap_or(0)
    };
    let mut early = None;
    let mut late = 0.0;
    while process.try_wait().unwrap().is_none() {
        let step = steps();
        if let Some(now) = resident_mb(&process) {
            if step >= 2000 {
                early.get_or_insert(now);
            }
            if step >= 9000 {
                late = now;
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let early = early.expect("the log shows steps as they are made");
    assert!(late > 0.0, "the last steps were seen");
    assert!(late - early < 4.0, "{early} MB after 2,000 steps, {late} MB after 9,000");
}
