//! Real data: the 8×8 digits that every build carries. A12 of the reference: nothing leaks.

use std::path::Path;

use burn::tensor::Device;
use halfmoon::config::Config;
use halfmoon::fit::{Entry, Task};
use halfmoon::models::MODELS;
use halfmoon_pool::dataset::{Class, Dataset};
use halfmoon_pool::encode::{Encoding, Pixels};
use halfmoon_pool::{read, split};

use crate::support::{Trace, accuracy, fit, settings};

/// Fewer steps than the defaults: enough for the facts below.
const SHORT: [&str; 5] = ["hidden=[64]", "coder=[64]", "sampler=[64, 64]", "train.steps=300", "landmarks=200"];

struct Split {
    train: Dataset,
    test: Dataset,
}

/// 50 labels, a fifth set aside.
fn digits(seed: u64) -> Split {
    let data = read::read(Path::new("digits"), &read::Options::default()).unwrap().train;
    let parts = split::hold_out(&data.labels, &split::groups(&data.inputs), 0.2, seed);
    let (mut train, test) = (data.select(&parts.train), data.select(&parts.test));
    split::keep_labels(&mut train.labels, &data.schema.classes, 50, seed).unwrap();
    Split { train, test }
}

fn m2() -> &'static Entry {
    MODELS.iter().find(|entry| entry.name == "m2").unwrap()
}

fn error(entry: &Entry, dataset: &Dataset, test: &Dataset, seed: u64) -> f64 {
    let (predictor, encoding, _) = fit(entry, &settings(entry, &SHORT), dataset, seed);
    1.0 - accuracy(&*predictor, &encoding, test)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn unlabelled_rows_help() {
    let errors = |name: &str, changes: &[&str]| {
        let entry = MODELS.iter().find(|entry| entry.name == name).unwrap();
        let each = (11..14).map(|seed| {
            let Split { train, test } = digits(seed);
            let (predictor, encoding, _) = fit(entry, &settings(entry, changes), &train, seed);
            1.0 - accuracy(&*predictor, &encoding, &test)
        });
        mean(&each.collect::<Vec<f64>>())
    };
    let (m2, supervised) = (errors("m2", &["hidden=[100]", "train.steps=1000"]), errors("supervised", &[]));
    assert!(m2 < supervised, "error {m2} with unlabelled rows, {supervised} without");
    assert!(supervised < 0.2, "a baseline with error {supervised} is no baseline");
}

#[test]
fn hidden_labels_are_never_read() {
    let hidden = |classes: &dyn Fn(usize) -> u16| {
        let mut data = read::read(Path::new("digits"), &read::Options::default()).unwrap().train;
        let kept = digits(1).train;
        // The same labels are kept; those that are about to be hidden are replaced first.
        let ids: Vec<String> =
            (0..kept.len()).filter(|&row| kept.labels[row].is_some()).map(|row| kept.ids.get(row)).collect();
        for row in 0..data.len() {
            if !ids.contains(&data.ids.get(row)) {
                data.labels[row] = Some(Class(classes(row)));
            }
        }
        let rows: Vec<usize> = (0..kept.len()).map(|row| kept.ids.get(row).parse::<usize>().unwrap() - 1).collect();
        let mut train = data.select(&rows);
        for (label, kept) in train.labels.iter_mut().zip(&kept.labels) {
            if kept.is_none() {
                *label = None;
            }
        }
        train
    };
    let (one, other) = (hidden(&|row| (row % 10) as u16), hidden(&|row| (row % 7) as u16));
    for entry in MODELS {
        let settings = settings(entry, &["hidden=[16]", "train.steps=20"]);
        let trained = |dataset: &Dataset| {
            let (encoding, device) = (Encoding::fit(dataset, Pixels::Grey), Device::flex());
            let task = Task { dataset, encoding: &encoding, seed: 1, device: &device };
            (entry.fit)(&settings, &task, None, &mut Trace::default()).unwrap().checkpoint.finished()
        };
        assert!(trained(&one) == trained(&other), "{}", entry.name);
    }
}

#[test]
fn sorting_the_items_by_class_changes_nothing_beyond_the_seed() {
    let run = |entry: &Entry, sorted: bool, seed: u64| {
        let Split { train, test } = digits(21);
        let truth = read::read(Path::new("digits"), &read::Options::default()).unwrap().train.labels;
        let mut order: Vec<usize> = (0..train.len()).collect();
        if sorted {
            order.sort_by_key(|&row| truth[train.ids.get(row).parse::<usize>().unwrap() - 1]);
        }
        error(entry, &train.select(&order), &test, seed)
    };
    for entry in MODELS {
        let (plain, sorted): (Vec<f64>, Vec<f64>) =
            (31..34).map(|seed| (run(entry, false, seed), run(entry, true, seed))).unzip();
        // Five points are about three standard deviations of a mean of three seeds.
        let gap = (mean(&plain) - mean(&sorted)).abs();
        assert!(gap < 0.05, "{}: {plain:?} as in the file, {sorted:?} sorted by class", entry.name);
    }
}

#[test]
fn the_error_on_unlabelled_training_rows_is_that_on_test_rows() {
    for entry in MODELS {
        let (mut seen, mut held_out, mut variance) = (Vec::new(), Vec::new(), 0.0);
        for seed in 41..44 {
            let Split { train, test } = digits(seed);
            let truth = read::read(Path::new("digits"), &read::Options::default()).unwrap().train.labels;
            let mut unlabelled = train.clone();
            for (row, label) in unlabelled.labels.iter_mut().enumerate() {
                *label = match train.labels[row] {
                    Some(_) => None,
                    None => truth[train.ids.get(row).parse::<usize>().unwrap() - 1],
                };
            }
            let (predictor, encoding, _) = fit(entry, &settings(entry, &SHORT), &train, seed);
            seen.push(1.0 - accuracy(&*predictor, &encoding, &unlabelled));
            let error = 1.0 - accuracy(&*predictor, &encoding, &test);
            held_out.push(error);
            let per_item = 1.0 / test.len() as f64 + 1.0 / unlabelled.labelled().len() as f64;
            variance += error * (1.0 - error) * per_item / 9.0;
        }
        let gap = (mean(&seen) - mean(&held_out)).abs();
        let allowed = 0.01 + 2.0 * variance.sqrt();
        assert!(
            gap < allowed,
            "{}: error {seen:?} on unlabelled training rows, {held_out:?} on test rows; {allowed} is allowed",
            entry.name
        );
    }
}

#[test]
fn renaming_the_classes_gives_the_same_error() {
    let swap = |dataset: &Dataset| {
        let mut swapped = dataset.clone();
        for label in swapped.labels.iter_mut().flatten() {
            *label = Class((label.0 + 3) % 10);
        }
        swapped
    };
    for entry in MODELS {
        let run = |seed: u64| {
            let Split { train, test } = digits(seed);
            (error(entry, &train, &test, 1), error(entry, &swap(&train), &swap(&test), 1))
        };
        let (plain, renamed): (Vec<f64>, Vec<f64>) = (51..54).map(run).unzip();
        // Parameters are drawn class by class, so renaming acts like another seed.
        let gap = (mean(&plain) - mean(&renamed)).abs();
        assert!(gap < 0.05, "{}: error {plain:?}, {renamed:?} with renamed classes", entry.name);
    }
}

#[test]
fn test_rows_enter_no_statistic() {
    let Split { train, test } = digits(1);
    let before = Encoding::fit(&train, Pixels::Gaussian);
    let all: Vec<usize> = (0..test.len()).collect();
    before.encode(&test.inputs, &all);
    assert_eq!(before, Encoding::fit(&train, Pixels::Gaussian));
    let ids: std::collections::BTreeSet<String> = (0..train.len()).map(|row| train.ids.get(row)).collect();
    assert!((0..test.len()).all(|row| !ids.contains(&test.ids.get(row))), "no item is on both sides");
}

#[test]
fn a_configuration_survives_being_written_and_read() {
    let mut table = toml::Table::new();
    for assignment in
        ["data.path=digits", "data.labels=50", "m2.latent=7", "m2.classify=2.5", "run.seed=3", "data.delimiter=;"]
    {
        halfmoon::config::set(&mut table, assignment).unwrap();
    }
    let config = Config::resolve(table).unwrap();
    let again = Config::resolve(config.to_table().to_string().parse().unwrap()).unwrap();
    assert_eq!(again, config);
    assert_eq!(config.settings(m2())["latent"].as_integer(), Some(7));
}
