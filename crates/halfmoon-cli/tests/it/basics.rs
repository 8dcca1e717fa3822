//! Help, lists, settings, and what is said to a mistake in the command.

use crate::support::{Place, pets};

#[test]
fn help_and_version_are_no_failure() {
    let place = Place::new();
    place.run("--help").exits(0).prints(&["halfmoon train digits --labels 50", "Exit codes"]);
    place.run("train --help").exits(0).prints(&["--labels", "--resume", "--minus-one"]);
    assert_eq!(place.run("--version").exits(0).out, format!("halfmoon {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_command_explains_itself() {
    let place = Place::new();
    for command in [
        "train",
        "predict",
        "eval",
        "sample",
        "analogy",
        "manifold",
        "reconstruct",
        "get",
        "bench",
        "models",
        "formats",
        "metrics",
        "cite",
        "config",
    ] {
        place.run(&format!("{command} --help")).exits(0).prints(&["Usage: halfmoon"]);
    }
}

#[test]
fn an_unknown_flag_or_command_exits_with_2() {
    let place = Place::new();
    place.run("train digits --lables 50").exits(2).tells(&["--lables", "--labels"]);
    place.run("tarin digits").exits(2).tells(&["tarin", "train"]);
    place.run("").exits(2);
    place.run("train").exits(2);
}

#[test]
fn the_lists_have_a_line_an_entry() {
    let place = Place::new();
    place.run("models").exits(0).prints(&["m2 ", "supervised "]);
    place.run("formats").exits(0).prints(&["digits ", "idx ", "npy ", "csv ", "images "]);
    place.run("metrics").exits(0).prints(&[
        "accuracy ",
        "balanced_accuracy ",
        "nll ",
        "ece ",
        "ece_mass ",
        "mce ",
        "auroc ",
    ]);
    for list in ["models", "formats", "metrics"] {
        let said = place.run(list).exits(0);
        assert!(said.out.lines().all(|line| line.split_once("  ").is_some_and(|(_, about)| !about.trim().is_empty())));
    }
}

#[test]
fn cite_prints_the_papers_of_a_run() {
    let place = Place::with("pets.csv", pets(20));
    let all = place.run("cite").exits(0).out;
    assert!(all.matches("\n@").count() > 3 && all.starts_with('@'), "{all}");
    place.train("pets.csv --label species --model m2");
    let used = place.run("cite run").exits(0).prints(&["{kingma2014ssl,", "{kingma2015adam,"]).out;
    assert!(used.len() < all.len());
    place.run("cite nowhere").exits(3).tells(&["nowhere"]);
}

#[test]
fn config_prints_what_train_would_use_and_train_takes_it_back() {
    let place = Place::with("pets.csv", pets(20));
    let printed = place.run("config --seed 7 --steps 20 --set m2.latent=3 --label species").exits(0).out;
    place.write("mine.toml", printed.replace("path = \"\"", "path = \"pets.csv\""));
    place.run("train --config mine.toml --model supervised --out run").exits(0);
    let used = place.read("run/config.toml");
    assert!(used.contains("seed = 7") && used.contains("latent = 3") && used.contains("steps = 20"), "{used}");
}

#[test]
fn flags_go_before_set_and_set_before_the_file() {
    let place = Place::with("mine.toml", "[m2]\nlatent = 11\nhidden = [12]\n[m2.train]\nsteps = 13\n");
    let said = place.run("config --config mine.toml --set m2.hidden=[14] --set m2.train.steps=15 --steps 16");
    said.exits(0).prints(&["latent = 11", "hidden = [14]", "steps = 16"]);
}

#[test]
fn an_unknown_setting_is_answered_with_the_nearest_one() {
    let place = Place::with("bad.toml", "[m2]\nlatant = 3\n");
    place.run("config --set m2.latant=3").fails(2).tells(&["`m2.latant`", "did you mean `latent`?"]);
    place.run("config --set m2.train.step=3").fails(2).tells(&["`m2.train.step`", "did you mean `steps`?"]);
    place.run("config --set rum.seed=3").fails(2).tells(&["`rum`", "did you mean `run`?"]);
    place.run("config --config bad.toml").fails(2).tells(&["`m2.latant`", "did you mean `latent`?"]);
    place.run("train digits --set m2.latant=3").fails(2).tells(&["did you mean `latent`?"]);
    place.run("train digits --model m3").fails(2).tells(&["`m3`", "known: m2, supervised"]);
}

#[test]
fn a_setting_of_the_wrong_kind_is_refused_by_name() {
    let place = Place::with("bad.toml", "[m2]\nlatent 3\n");
    place.run("config --set m2.latent=many").fails(2).tells(&["m2"]);
    place.run("train digits --set m2.latent=0").exits(2).tells(&["m2", "latent"]);
    place.run("train digits --set m2.hidden=[]").exits(2).tells(&["m2", "hidden"]);
    place.run("config --set run.folds=1").exits(2).tells(&["run.folds"]);
    place.run("config --steps 0").exits(2).tells(&["steps"]);
    place.run("config --set latent").fails(2).tells(&["`--set latent`"]);
    place.run("config --config bad.toml").fails(3).tells(&["bad.toml, row 2"]);
    place.run("config --time 3parsecs").exits(2).tells(&["90s"]);
}

#[test]
fn what_is_not_there_is_named() {
    let place = Place::new();
    place.run("train nowhere.csv").exits(3).tells(&["nowhere.csv"]);
    place.run("predict nowhere digits").fails(3).tells(&["nowhere"]);
    place.run("eval nowhere digits").fails(3).tells(&["nowhere"]);
    place.run("train --resume nowhere").fails(3).tells(&["nowhere"]);
    place.run("config --config nowhere.toml").exits(3).tells(&["nowhere.toml"]);
    place.run("train digits --format csvs").fails(2).tells(&["`csvs`", "did you mean `csv`?"]);
}
