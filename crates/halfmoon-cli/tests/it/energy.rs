//! Commands around energies: samples by chains, what is missing filled in, attacks; and trainings that run away.

use serde_json::Value;

use crate::support::Place;

const TINY: &str = "--set jem.hidden=[16] --set jem.train.steps=30 --set jem.buffer=50 --set jem.langevin.steps=3";

/// A small `jem` on digits in `run`.
fn digits() -> Place {
    let place = Place::new();
    place.run(&format!("train digits --labels 50 --model jem {TINY} --out run")).exits(0);
    place
}

fn json(place: &Place, file: &str) -> Value {
    serde_json::from_str(&place.read(file)).unwrap()
}

#[test]
fn chains_and_doubt_make_pictures_of_every_class() {
    let place = digits();
    place.run("sample run -n 20 --steps 5 --compare digits").exits(0).prints(&["precision", "frechet"]);
    let told = json(&place, "run/sample.json");
    assert_eq!(told["how"], "by chains of 5 steps");
    assert_eq!(told["pictures"].as_array().unwrap().len(), 20);
    assert_eq!(told["pictures"][3]["class"], "3");
    assert!(std::fs::read(place.path("run/sample.png")).unwrap().starts_with(b"\x89PNG"));

    place.run("sample run --distal --class 7 -n 3 --steps 2 -o far.png").exits(0).prints(&["far.png"]);
    let told = json(&place, "far.json");
    assert!(
        told["pictures"]
            .as_array()
            .unwrap()
            .iter()
            .all(|picture| picture["class"] == "7" && picture["probability"].is_f64())
    );

    place.run("manifold run").exits(2).tells(&["`jem` makes nothing from codes"]);
    place.run("sample run --class 12").exits(2).tells(&["`12` is not a class"]);
    place.run("train digits --labels 50 --model supervised --set supervised.train.steps=20 --out plain").exits(0);
    place.run("sample plain").exits(2).tells(&["`supervised` answers and makes nothing", "--distal"]);
    place.run("sample plain --distal -n 10 --steps 3").exits(0);
    place.run("sample run -n 10 --steps 2 --judge plain").exits(0).prints(&["agreed", "inception"]);
}

#[test]
fn a_hidden_half_is_filled_in_and_what_is_known_stays() {
    let place = digits();
    let said = place.run("complete run digits --missing lower -n 4 --draws 3 --steps 5").exits(0);
    said.prints(&["jem, mean of 3 draws", "the mean picture of the likeliest class"]);
    let told = json(&place, "run/complete.json");
    assert_eq!(told["items"].as_array().unwrap().len(), 4);
    assert!(told["mean_squared_error"].as_f64().unwrap() > 0.0);
    place.run("complete run digits").exits(2).tells(&["a picture has no empty cells", "--missing lower"]);
    place.run("complete run digits --missing 0:9,0:8").exits(2).tells(&["no part of a picture of 8 × 8"]);
    place.run("complete run nowhere --missing lower").exits(3);
    place.run("train digits --labels 50 --model supervised --set supervised.train.steps=20 --out plain").exits(0);
    place.run("complete plain digits --missing lower").exits(2).tells(&["answers and fills nothing in", "jem"]);
}

#[test]
fn empty_cells_are_filled_in_with_values_that_columns_have() {
    let row = |row: u32| {
        let (colour, size, vip, label) =
            if row.is_multiple_of(2) { ("red", 10.0, "yes", "a") } else { ("blue", 20.0, "no", "b") };
        format!("{colour},{},{vip},{label}\n", size + f64::from(row % 5) / 10.0)
    };
    let rows: String = std::iter::once("colour,size,vip,label\n".to_owned()).chain((0..80).map(row)).collect();
    let place = Place::with("t.csv", rows);
    place.run("train t.csv --label label --model jem --set jem.hidden=[16] --set jem.train.steps=30 --set jem.buffer=50 --set run.folds=2 --set run.repeats=1 --out run").exits(0);
    place.write("gaps.csv", "colour,size,vip,label\n,10.2,yes,\nblue,,no,\nred,10.1,,\nred,10.0,yes,\n");
    place.run("complete run gaps.csv --draws 4 --steps 20").exits(0).tells(&["3 cells of 4 items filled in"]);
    let lines: Vec<String> = place.read("run/complete.csv").lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "id,colour,colour spread,size,size spread,vip,vip spread");
    let cells: Vec<Vec<&str>> = lines[1..].iter().map(|line| line.split(',').collect()).collect();
    assert!(["red", "blue"].contains(&cells[0][1]) && !cells[0][2].is_empty(), "{lines:?}");
    assert!(cells[1][3].parse::<f64>().is_ok() && cells[1][4].parse::<f64>().is_ok(), "{lines:?}");
    // What was there is as it was, and says of no spread.
    assert_eq!(&cells[3][1..], ["red", "", "10", "", "yes", ""]);
    place.run("complete run gaps.csv --missing weight").exits(2).tells(&["`weight` is not a column"]);
}

#[test]
fn attacks_are_tried_controlled_and_shown_in_the_report() {
    let place = Place::new();
    place.write(
        "both.toml",
        "[run]\nmodels = [\"jem\", \"supervised\"]\n[jem]\nhidden = [16]\nbuffer = 50\n[jem.train]\nsteps = 30\n[supervised.train]\nsteps = 30\n",
    );
    place.run("train digits --labels 50 --config both.toml --out run").exits(0);
    let said = place.run("robust run digits -n 30 --steps 4 --starts 1 --norm linf --radii 8/255,0.3 --json").exits(0);
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let of = &told["robustness"][0];
    assert_eq!((of["norm"].as_str(), of["items"].as_u64()), (Some("linf"), Some(30)));
    let at = of["at"].as_array().unwrap();
    assert_eq!(at.len(), 2);
    assert!((at[0]["radius"].as_f64().unwrap() - 8.0 / 255.0).abs() < 1e-9);
    let share = |row: &Value, name: &str| row[name].as_f64().unwrap();
    for row in at {
        for attack in ["fgsm", "pgd", "apgd", "apgd_targeted", "noise", "transferred"] {
            assert!((0.0..=1.0).contains(&share(row, attack)));
        }
        assert!(share(row, "worst") <= share(row, "pgd") && share(row, "worst") <= of["clean"].as_f64().unwrap());
    }
    assert!(share(&at[1], "worst") <= share(&at[0], "worst"));
    place.run("report run").exits(0);
    let page = place.read("run/report.html");
    assert!(page.contains("Changed against it") && page.contains("Its chains") && page.contains("energy_gap"));

    place.run("robust run digits --radii 0").exits(2).tells(&["a length above 0"]);
    place.run("train digits --labels 50 --model label_spreading --out graph").exits(0);
    place.run("robust graph digits").exits(2).tells(&["no network that gradients go through"]);
}

#[test]
fn a_training_that_runs_away_says_so_and_leaves_its_last_sound_state() {
    let place = Place::new();
    let wild = "--set jem.langevin.step_size=1e6 --set jem.langevin.clip=0";
    let said = place.run(&format!("train digits --labels 50 --model jem {TINY} {wild} --out run"));
    said.exits(2).tells(&["step 1:", "back to step 0", "(5 of 5 times)", "runs away", "jem.gap=logistic"]);
    place.run("predict run digits").exits(0).tells(&["this run was stopped before its last step"]);
    let log = place.read("run/jem/log.jsonl");
    assert_eq!(log.lines().filter(|line| line.contains("setback")).count(), 5, "{log}");
}

#[test]
fn a_preset_changes_what_is_not_said_otherwise() {
    let place = Place::new();
    let said = place.run("config --set jem.preset=proximal --set jem.langevin.steps=7").exits(0);
    let config: toml::Table = said.out.parse().unwrap();
    let jem = &config["jem"];
    assert_eq!(jem["preset"].as_str(), Some("proximal"));
    assert_eq!(jem["start"].as_str(), Some("classes"));
    assert_eq!(jem["langevin"]["steps"].as_integer(), Some(7));
    assert_eq!(jem["langevin"]["clamp"].as_bool(), Some(true));
    assert_eq!(config["gc_jem"]["preset"].as_str(), Some("small"));
    place.write("again.toml", &said.out);
    assert_eq!(place.run("config --config again.toml").exits(0).out, said.out);
    place.run("config --set jem.preset=proximale").exits(2).tells(&["jem", "proximal"]);
    place.run("config --set m2.preset=jem").exits(2);
}

#[test]
fn a_device_that_this_build_has_not_is_told_how_to_get() {
    let place = Place::new();
    place.run("train digits --device gpu").exits(2).tells(&["known: cpu, cuda, vulkan, metal"]);
    if !cfg!(feature = "metal") {
        place.run("train digits --device metal").exits(2).tells(&["without `metal`", "--features metal"]);
    }
}
