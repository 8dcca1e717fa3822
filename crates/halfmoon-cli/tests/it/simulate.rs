//! What rules for queries would have been worth.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::support::Place;

/// 120 rows of two overlapping groups, 40 of them held out in a file of their own.
fn place() -> Place {
    let row = |n: u32| {
        let side = if n.is_multiple_of(2) { -1.0 } else { 1.0 };
        let (shift, other) = (f64::from(n * 7919 % 101) / 40.0, f64::from(n * 104_729 % 97) / 40.0);
        format!("{:.4},{:.4},{}\n", side + shift - 1.2, other - 1.2 - side, if side < 0.0 { "left" } else { "right" })
    };
    let table = |range: std::ops::Range<u32>| range.map(row).fold("a,b,side\n".to_owned(), |all, row| all + &row);
    let place = Place::with("train.csv", table(0..120));
    place.write("test.csv", table(500..540));
    place
}

const SMALL: &str = "simulate train.csv --label side --test test.csv --start 4 --add 4 --rounds 3 --seeds 2 \
     --set supervised.hidden=[8] --set supervised.dropout=0.2 --set supervised.train.steps=40";

/// The points without the seconds, in the order of seed, contender and labels.
fn points(place: &Place, out: &str) -> Vec<String> {
    let text = place.read(&format!("{out}/points.csv"));
    let cut = |line: &str| line.rsplitn(3, ',').last().unwrap().to_owned();
    let mut lines: Vec<String> = text.lines().skip(1).map(cut).collect();
    lines.sort();
    lines
}

#[test]
fn random_is_always_there_and_every_contender_has_a_curve_for_each_seed() {
    let place = place();
    let said = place
        .run(&format!("{SMALL} --rules margin,bald,margin@m2 --set m2.hidden=[8] --set m2.train.steps=20 --out s"));
    said.exits(0).prints(&[
        "contender",
        "random ",
        "margin ",
        "bald ",
        "margin@m2 ",
        "40 held-out items",
        "fewer than 5 seeds",
        "an accuracy on 40 items is known to about ± 16 points",
        "labels to 90 %",
    ]);
    // Four contenders, two seeds, 4 + 4 + 4 + 4 labels.
    let points = points(&place, "s");
    assert_eq!(points.len(), 4 * 2 * 4, "{points:?}");
    let at_first = |contender: &str| {
        let line = points.iter().find(|line| line.starts_with(&format!("1,{contender},4,"))).unwrap();
        line.split(',').nth(3).unwrap().to_owned()
    };
    // They share their first labels, and those of one model their first answer.
    assert_eq!(at_first("random"), at_first("margin"));
    assert_eq!(at_first("random"), at_first("bald"));
    assert!(place.read("s/curves.svg").contains("</svg>"));
    let summary: Value = serde_json::from_str(&place.read("s/summary.json")).unwrap();
    assert_eq!(summary["contenders"][0]["contender"], "random");
    assert_eq!(summary["contenders"][0]["beside_random"], Value::Null);
    assert_eq!(summary["contenders"][1]["beside_random"]["seeds"], 2);
    // The oracle's journal is one like any other.
    place.run("status s/cells/1-margin.db").exits(0).prints(&["16", "oracle"]);
    place.run("export s/cells/1-margin.db").exits(0).prints(&["oracle"]);
}

#[test]
fn a_successor_is_measured_in_place_of_what_asked() {
    let place = place();
    let m2 = "--set m2.hidden=[8] --set m2.train.steps=20";
    place.run(&format!("{SMALL} {m2} --rules margin@supervised,margin --successor m2 --out s")).exits(0).prints(&[
        "of m2, trained on what each contender asked for",
        "margin@supervised ",
        "margin ",
    ]);
    // What the successor asks itself is what it would ask alone, and so are its answers.
    place.run(&format!("{SMALL} {m2} --rules margin@m2,random@m2 --model m2 --out alone")).exits(0);
    let of = |out: &str, contender: &str| -> Vec<String> {
        let all = points(&place, out);
        let own = all.iter().filter(|line| line.split(',').nth(1) == Some(contender));
        own.map(|line| line.replace(contender, "")).collect()
    };
    assert_eq!(of("s", "margin"), of("alone", "margin@m2"));
    assert_eq!(of("s", "random"), of("alone", "random@m2"));
    // What another model asks is what it would ask alone, and it is not what is measured.
    place.run(&format!("{SMALL} --rules margin --out other")).exits(0);
    let asked = |out: &str, contender: &str| {
        let text = place.run(&format!("export {out}/cells/1-{contender}.db")).exits(0).out.clone();
        text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect::<Vec<String>>()
    };
    assert_eq!(asked("s", "margin@supervised"), asked("other", "margin"));
    assert_ne!(of("s", "margin@supervised"), of("other", "margin"));
    let at_first = |contender: &str| of("s", contender).into_iter().find(|line| line.starts_with("1,,4,"));
    assert_eq!(at_first("margin@supervised"), at_first("margin"), "the same labels at first");
    place.run(&format!("{SMALL} --rules margin --out other --successor m2")).exits(3).tells(&["`successor` differs"]);
    place.run(&format!("{SMALL} --out x --successor magic")).exits(2).tells(&["`magic` is not a model"]);
}

#[test]
fn what_was_stopped_goes_on_as_if_it_had_not_been() {
    for warm in ["", " --warm", " --warm --successor supervised --model m2 --set m2.hidden=[8] --set m2.train.steps=20"]
    {
        let place = place();
        let command = |out: &str| format!("{SMALL}{warm} --rules margin,badge --out {out}");
        place.run(&command("whole")).exits(0);
        let mut kills = 0;
        for millis in [10, 30, 60, 100, 150, 250, 400, 600, 900, 1300] {
            let mut child = place.command(command("cut").split_whitespace()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(millis));
            kills += u32::from(child.try_wait().unwrap().is_none());
            drop(child.kill());
            child.wait().unwrap();
        }
        // Half a line is no point.
        let path = place.path("cut/points.csv");
        if path.is_file() {
            let mut text = std::fs::read_to_string(&path).unwrap();
            write!(text, "1,margin,16,0.").unwrap();
            std::fs::write(&path, text).unwrap();
        }
        place.run(&command("cut")).exits(0);
        assert!(kills > 0, "it was never interrupted");
        assert_eq!(points(&place, "cut"), points(&place, "whole"), "{warm}");
        // More seeds and other rules go on in the same folder; what is there stays.
        place.run(&format!("{SMALL}{warm} --rules margin,entropy --out cut")).exits(0);
        assert_eq!(points(&place, "cut").len(), points(&place, "whole").len() + 2 * 4);
        let said = place.run(&format!("{}{warm} --rules margin --out cut", SMALL.replace("--add 4", "--add 5")));
        said.exits(3).tells(&["`add` was 4 and is 5", "another folder"]);
        let said = place.run(&format!("{SMALL}{warm} --rules margin --out cut --set supervised.train.rate=0.5"));
        said.exits(3).tells(&["train.rate` was ", " and is 0.5"]);
    }
}

#[test]
fn a_point_that_is_lost_is_played_again_and_others_are_left_out() {
    let place = place();
    let command = format!("{SMALL} --rules margin --out s");
    let whole = place.run(&command).exits(0).out.clone();
    let text = place.read("s/points.csv");
    let without: String = text.split_inclusive('\n').filter(|line| !line.starts_with("1,margin,8,")).collect();
    assert_eq!(without.lines().count() + 1, text.lines().count());
    let before = points(&place, "s");
    place.write("s/points.csv", without);
    assert_eq!(place.run(&command).exits(0).out, whole);
    assert_eq!(points(&place, "s"), before);
    // Fewer rounds than the folder holds: as if they were all.
    let fewer = command.replace("--rounds 3", "--rounds 2");
    assert_eq!(place.run(&fewer).exits(0).out.replace("/s/", "/"), {
        let fresh = fewer.replace("--out s", "--out fresh");
        place.run(&fresh).exits(0).out.replace("fresh/", "s/")
    });
    // What judges is another one.
    place.write("other.csv", place.read("test.csv").lines().take(20).collect::<Vec<_>>().join("\n"));
    let said = place.run(&command.replace("--test test.csv", "--test other.csv"));
    said.exits(3).tells(&["other held-out items, by --test or by --seed"]);
}

#[test]
fn labels_that_nobody_asked_for_change_nothing() {
    let place = place();
    let run = |data: &str| {
        place.run(&format!("simulate {data} --label side --classes left,right --test test.csv --start 4 --start-by cold_start --add 4 --rounds 3 --seeds 1 --rules margin,badge --set supervised.hidden=[8] --set supervised.train.steps=40 --out {data}.out")).exits(0);
        ["random", "margin", "badge"].map(|contender| {
            let text = place.run(&format!("export {data}.out/cells/1-{contender}.db")).exits(0).out.clone();
            text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect::<Vec<String>>()
        })
    };
    let asked = run("train.csv");
    assert!(asked.iter().all(|ids| ids.len() == 16));
    // All that no contender asked about is turned over.
    let is_asked = |id: &str| asked.iter().flatten().any(|other| other == id);
    let train = place.read("train.csv");
    let (header, rows) = train.split_once('\n').unwrap();
    let mut poisoned = format!("{header}\n");
    for (line, id) in rows.lines().zip(1..) {
        let (rest, label) = line.rsplit_once(',').unwrap();
        let turned = if label == "left" { "right" } else { "left" };
        writeln!(poisoned, "{rest},{}", if is_asked(&id.to_string()) { label } else { turned }).unwrap();
    }
    assert_ne!(train, poisoned);
    place.write("poisoned.csv", poisoned);
    assert_eq!(asked, run("poisoned.csv"));
    assert_eq!(points(&place, "train.csv.out"), points(&place, "poisoned.csv.out"));
}

#[test]
fn what_cannot_be_played_is_refused_before_anything_is_trained() {
    let place = place();
    let refused = |line: &str, told: &str| {
        place.run(&format!("{SMALL} --out x {line}")).exits(2).tells(&[told]);
        assert!(!place.path("x/points.csv").is_file());
    };
    refused("--rules magic", "there is no rule `magic`");
    refused("--rules margin@magic", "`magic` is not a model");
    refused("--rules margin@supervised:small", "supervised has no presets");
    refused("--rules bald --draws 1", "`bald` needs several draws");
    refused("--rules margin --targets 95", "95 is no accuracy");
    refused("--rules margin --labels 5", "a simulation does that itself");
    refused("--rules margin --start-classes up", "`up` is not a class");
    refused("--rules margin --start-by margin", "there is no model before the first label");
    refused("--rules margin@label_spreading --warm", "fitted at once");
    place.run(&format!("{SMALL} --rules margin --out .")).exits(2).tells(&["holds other files"]);
    place.run("simulate digits --start 5000 --out x").exits(2).tells(&["5000 initial labels"]);
    place.write("none.csv", "a,b,side\n1,2,\n3,4,\n5,6,\n");
    place.run("simulate none.csv --label side --classes left,right --out x").exits(3).tells(&["labelled already"]);
    // A pool that is used up ends the play.
    let long = SMALL.replace("--add 4", "--add 50").replace("--rounds 3", "--rounds 9");
    place.run(&format!("{long} --rules margin --out y")).exits(0).tells(&["no candidate is left after 120 labels"]);
}
