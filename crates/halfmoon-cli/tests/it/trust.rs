//! How far answers may be trusted: temperature, sets, outliers.

use std::fmt::Write;
use std::path::Path;

use halfmoon_pool::dataset::Inputs;
use halfmoon_pool::read::{Options, read};
use serde_json::Value;

use crate::support::{Place, pets, wobble};

/// The built-in digits as a table, shuffled, these of the rows; with their labels or without.
fn digits(rows: std::ops::Range<usize>, labelled: bool) -> String {
    let digits = read(Path::new("digits"), &Options::default()).unwrap().train;
    let Inputs::Bytes(pixels) = &digits.inputs else { panic!("the digits are bytes") };
    let header: Vec<String> = (0..64).map(|pixel| format!("x{pixel}")).collect();
    let mut text = format!("{},digit\n", header.join(","));
    for row in rows {
        // 1,000 and 1,797 have no common divisor, so every digit comes once.
        let row = row * 1000 % 1797;
        for pixel in pixels.row(row) {
            write!(text, "{pixel},").unwrap();
        }
        let label = digits.labels[row].filter(|_| labelled).map_or(String::new(), |class| class.0.to_string());
        writeln!(text, "{label}").unwrap();
    }
    text
}

/// A run on 600 digits, judged on 600 others.
fn trained() -> Place {
    let place = Place::with("digits.csv", digits(0..600, true));
    place.write("test.csv", digits(600..1200, true));
    place.write("new.csv", digits(1200..1797, true));
    place.train("digits.csv --label digit --labels 100 --test test.csv --steps 300");
    place
}

fn trust(place: &Place, model: &str) -> Value {
    serde_json::from_str(&place.read(&format!("run/{model}/trust.json"))).unwrap()
}

/// ± 3 standard deviations of how many of 597 new items fall where a share of the 600 held-out ones does. That share itself
/// is known to within as much, which the factor is for.
fn about(share: f64) -> std::ops::RangeInclusive<f64> {
    let (mean, reach) = (597.0 * share, 3.0 * (597.0 * share * (1.0 - share) * (1.0 + 597.0 / 602.0)).sqrt());
    mean - reach..=mean + reach
}

#[test]
fn false_alarms_and_sets_are_as_frequent_on_new_items_as_was_asked() {
    let place = trained();
    let truth: Vec<String> =
        place.read("new.csv").lines().skip(1).map(|line| line.rsplit(',').next().unwrap().to_owned()).collect();
    for (model, scores) in [
        ("m2", &["mahalanobis", "log_density", "energy", "max_prob", "typicality"][..]),
        ("supervised", &["mahalanobis", "energy"][..]),
    ] {
        for score in scores {
            let line = format!("new.csv --model {model} --flag-outliers 0.1 --outlier-score {score} --coverage 0.8");
            let answers = place.predict(&line);
            assert_eq!(answers.len(), 597);
            let flagged = answers.named("flag").iter().filter(|flag| **flag == "yes").count() as f64;
            assert!(about(0.1).contains(&flagged), "{model} {score}: {flagged}");
            for (p, flag) in answers.named("outlier_p").iter().zip(answers.named("flag")) {
                assert_eq!(p.parse::<f64>().unwrap() <= 0.1, flag == "yes", "{p} {flag}");
            }
            let holds = |(set, truth): &(&str, &String)| set.split('|').any(|class| class == *truth);
            let held = answers.named("set").into_iter().zip(&truth).filter(holds).count() as f64;
            // The most probable class is always in it, so a good model may exceed what was asked.
            assert!(held >= *about(0.8).start(), "{model}: {held}");
        }
    }
}

#[test]
fn rows_of_noise_are_flagged_and_told_apart() {
    let place = trained();
    let mut noise = digits(0..0, false);
    for row in 0..200 {
        for pixel in 0..64 {
            write!(noise, "{:.0},", 16.0 * wobble(row, pixel + 1)).unwrap();
        }
        writeln!(noise, "no digit at all").unwrap();
    }
    place.write("noise.csv", noise);
    let said = place.run("predict run noise.csv --flag-outliers 0.01").exits(0);
    let said =
        said.tells(&["flagged as outliers by mahalanobis at 0.01", "log-probabilities are divided by temperature"]);
    let flagged = said.out.lines().filter(|line| line.contains(",yes,")).count();
    assert!(flagged > 150, "{flagged}");

    // A class that the run does not know is no obstacle: no label of these data is read.
    let line = "eval run new.csv --ood noise.csv --ood digits.csv";
    let judged = place.run(&format!("{line} --json")).exits(0).json();
    let (noise, same) = (&judged["ood"][0], &judged["ood"][1]);
    assert_eq!((&noise["inliers"], &noise["outliers"]), (&597.into(), &200.into()));
    assert_eq!(noise["data"], "noise.csv");
    for score in ["mahalanobis", "log_density"] {
        let area = |of: &Value| of["scores"][score]["auroc"].as_f64().unwrap();
        assert!(area(noise) > 0.95, "{score}: {noise}");
        assert!((0.35..0.65).contains(&area(same)), "{score}: {same}");
        for figure in ["auroc", "aupr_in", "aupr_out", "fpr_at_tpr95_id_positive"] {
            let (value, of) = (same["scores"][score][figure].as_f64().unwrap(), &same["scores"][score]["intervals"]);
            let (low, high) = (of[figure][0].as_f64().unwrap(), of[figure][1].as_f64().unwrap());
            assert!(low <= value && value <= high, "{score} {figure}: {same}");
        }
    }
    place.run(line).exits(0).prints(&["597 items against 200 of noise.csv", "aupr_in", "typicality", "at temperature"]);
    // Without a density there is none of its scores.
    let other = place.run(&format!("{line} --json --model supervised")).exits(0).json();
    assert!(other["ood"][0]["scores"]["log_density"].is_null(), "{other}");
}

#[test]
fn a_temperature_changes_probabilities_and_no_answer() {
    let place = trained();
    let fitted = trust(&place, "m2");
    let t = fitted["temperature"].as_f64().unwrap();
    assert_eq!((&fitted["n"], &fitted["held_out"]), (&600.into(), &600.into()));
    assert!(fitted["origin"].as_str().unwrap().contains("from --test"), "{}", fitted["origin"]);
    let (with, without) = (place.predict("new.csv"), place.predict("new.csv --no-temperature"));
    assert_eq!((with.labels(), with.named("set")), (without.labels(), without.named("set")));
    assert_ne!(with.probs(), without.probs());
    for (with, without) in with.probs().iter().zip(without.probs()) {
        let powers: Vec<f64> = without.iter().map(|p| p.powf(1.0 / t)).collect();
        let sum: f64 = powers.iter().sum();
        assert!(with.iter().zip(powers).all(|(p, power)| (p - power / sum).abs() < 1e-5));
    }
    // On the items that it was fitted on, no temperature has a lower nll.
    let judged = place.run("eval run test.csv --json").exits(0).json();
    assert!((judged["temperature"].as_f64().unwrap() - t).abs() < 1e-12, "{judged}");
    let nll = |test: &str| judged[test]["nll"].as_f64().unwrap();
    assert!(nll("test_at_temperature") <= nll("test") + 1e-6, "{judged}");
    for figure in ["accuracy", "aurc", "mce", "ece_mass"] {
        assert!(judged["test"][figure].is_number(), "`{figure}` in {judged}");
    }
    assert_eq!(judged["test"]["accuracy"], judged["test_at_temperature"]["accuracy"]);
}

#[test]
fn train_shows_what_a_temperature_is_worth_beside_figures_that_it_does_not_change() {
    let place = Place::new();
    let said = place.train("digits --labels 50 --steps 200");
    let shown =
        said.out.lines().filter(|line| line.starts_with("with a temperature, each half of the held-out")).count();
    assert_eq!(shown, 1, "{}", said.out);
    let header = said.out.lines().find(|line| line.starts_with("model ")).unwrap();
    assert!(header.contains("ece") && !header.contains("ece_mass") && !header.contains("mce"), "{header}");
    let result: Value = serde_json::from_str(&place.read("run/result.json")).unwrap();
    let (test, tempered) = (&result["test"], &result["test_at_temperature"]);
    assert!(tempered["nll"].is_number() && tempered["ece"].is_number(), "{result}");
    assert_ne!(test["nll"], tempered["nll"]);
    assert_eq!(result["temperature"], trust(&place, "m2")["temperature"]);
    assert!(result["baseline"]["temperature"].is_number(), "{result}");
}

#[test]
fn held_out_folds_say_as_much_as_held_out_items() {
    let place = Place::with("pets.csv", pets(80));
    place.train("pets.csv --label species --set run.repeats=2");
    let fitted = trust(&place, "m2");
    assert_eq!((&fitted["n"], &fitted["held_out"]), (&80.into(), &80.into()), "each item once, for all repeats");
    assert_eq!(fitted["normal"]["mahalanobis"].as_array().map(Vec::len), None, "a fold has too few rows");
    assert!(fitted["not_estimable"]["mahalanobis"].is_string());
    assert_eq!(fitted["normal"]["log_density"].as_array().map(Vec::len), Some(80));
    let said = place.run("predict run pets.csv --flag-outliers 0.05").exits(0).tells(&["by log_density at 0.05"]);
    assert!(said.out.starts_with("id,label,confidence,log_density,status,set,outlier_p,flag,p(cat),p(dog)\n"));
    let named = "predict run pets.csv --flag-outliers 0.05 --outlier-score mahalanobis";
    place.run(named).fails(2).tells(&["`m2` has no mahalanobis score", "log_density"]);
}

#[test]
fn few_held_out_items_say_what_they_cannot_tell() {
    let place = Place::with("pets.csv", pets(40));
    place.train("pets.csv --label species --labels 30");
    let said = place.run("predict run pets.csv --flag-outliers 0.05 --coverage 0.95").exits(0);
    said.tells(&["held-out items, where 50 are needed", "too few for sets of coverage 0.95", "nothing can be flagged"]);
    let fitted = trust(&place, "m2");
    assert!(fitted["temperature"].is_null() && fitted["not_estimable"]["temperature"].is_string(), "{fitted}");
}

#[test]
fn a_run_without_held_out_items_answers_plainly() {
    let mut text = String::new();
    for (number, line) in pets(40).lines().enumerate() {
        // A label of each class is one too few to hold any out.
        let shown = if number < 3 { line } else { line.trim_end_matches(char::is_alphabetic) };
        writeln!(text, "{shown}").unwrap();
    }
    let bare = Place::with("pets.csv", text);
    bare.train("pets.csv --label species");
    assert!(!bare.path("run/m2/trust.json").exists());
    // as is one that an older version trained
    let old = Place::with("pets.csv", pets(40));
    old.train("pets.csv --label species --labels 30");
    std::fs::remove_file(old.path("run/m2/trust.json")).unwrap();
    for place in [bare, old] {
        place.run("predict run pets.csv").exits(0).tells(&["keeps no held-out items"]);
        assert!(place.predict("pets.csv").named("set").iter().all(|set| set.is_empty()));
        place.run("predict run pets.csv -o out.jsonl").exits(0);
        let first: Value = serde_json::from_str(place.read("out.jsonl").lines().next().unwrap()).unwrap();
        assert!(first["set"].is_null() && first["label"].is_string(), "{first}");
        place.run("predict run pets.csv --flag-outliers 0.01").fails(2).tells(&["no held-out items", "--test DATA"]);
        place.write("far.csv", pets(25).replace("cat\n", "\n").replace(",no,", ",yes,"));
        let judged = place.run("eval run pets.csv --ood far.csv --json").exits(0).json();
        assert!(judged["test_at_temperature"].is_null(), "{judged}");
        assert!(judged["ood"][0]["scores"]["mahalanobis"].is_null(), "{judged}");
        assert!(judged["ood"][0]["scores"]["max_prob"]["auroc"].is_number(), "{judged}");
    }
}

#[test]
fn names_in_a_set_can_be_told_apart_whatever_they_are() {
    let text = pets(80).replace(",cat", ",\"a|b\"").replace(",dog", ",\"c\\d, \"\"e\"\"\"");
    let place = Place::with("pets.csv", text);
    place.train("pets.csv --label species --labels 60 --model supervised");
    let answers = place.predict("pets.csv --coverage 0.99");
    // sixteen held-out items are too few for 0.99, so every set holds both classes
    let sets = answers.named("set");
    assert!(sets.iter().all(|set| *set == r#"a\|b|c\\d, "e""# || *set == r#"c\\d, "e"|a\|b"#), "{sets:?}");
    place.run("predict run pets.csv --coverage 0.99 -o out.jsonl --flag-outliers 0.2").exits(0);
    for line in place.read("out.jsonl").lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let mut set: Vec<&str> = line["set"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        set.sort_unstable();
        assert_eq!(set, ["a|b", "c\\d, \"e\""]);
        assert!(line["flag"].is_boolean() && line["outlier_p"].as_f64().unwrap() > 0.0, "{line}");
    }
}

#[test]
fn an_input_that_cannot_be_read_has_a_line_without_set_or_flag() {
    let place = Place::with("pets.csv", pets(80));
    place.train("pets.csv --label species --labels 60");
    place.write("new.csv", "size,barks,food\n24,no,fish\n70,yes\n1e9,no,fish\n");
    let answers = place.predict("new.csv --flag-outliers 0.1 --outlier-score log_density");
    assert_eq!((answers.len(), answers.named("flag")[1], answers.named("set")[1]), (3, "", ""));
    assert_eq!(answers.named("flag")[2], "yes", "a size of 1e9 is strange");
    let counted = place.run("predict run new.csv --flag-outliers 0.1 --outlier-score log_density").exits(0);
    counted.tells(&["1 could not be read", "flagged as outliers by log_density"]);
}

#[test]
fn shares_and_scores_that_make_no_sense_are_mistakes() {
    let place = Place::with("pets.csv", pets(40));
    place.train("pets.csv --label species --labels 30");
    for flags in
        ["--coverage 1", "--coverage 0", "--flag-outliers nan", "--flag-outliers 1.5", "--outlier-score energy"]
    {
        place.run(&format!("predict run pets.csv {flags}")).exits(2);
    }
    place.run("predict run pets.csv --flag-outliers 0.1 --outlier-score enrgy").exits(2).tells(&["energy"]);
    place.write("run/m2/trust.json", "{");
    place.run("predict run pets.csv").fails(3).tells(&["run/m2/trust.json", "--resume"]);
    place.run("train --resume run --json").exits(0);
    place.run("predict run pets.csv").exits(0);
}
