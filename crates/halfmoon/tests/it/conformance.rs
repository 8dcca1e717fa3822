//! What must hold for every model, by walking the registry.

use std::collections::BTreeSet;
use std::sync::Arc;

use burn::tensor::Device;
use halfmoon::fit::{Entry, Task};
use halfmoon::model::{Batch, Classifier, Counts, Makes, Model, ModelConfig, Moment};
use halfmoon::models::{BASELINE, MODELS, ModelVisitor, visit_models};
use halfmoon::noise::Noise;
use halfmoon::ops::{Index, without_kernels};
use halfmoon::predict::Trained;
use halfmoon::{Checkpoint, tensor};
use halfmoon_pool::encode::{Encoding, Pixels};
use halfmoon_pool::scores::Predictor;
use halfmoon_pool::{Class, Dataset};
use ndarray::{Array2, Axis};

use crate::support::{Trace, accuracy, device, fit, gradients, numbers, parameters, pictures, settings, table, truth};

const SMALL: [&str; 4] = ["hidden=[24]", "coder=[24]", "sampler=[24, 24]", "train.steps=60"];

fn both() -> [Dataset; 2] {
    [pictures(120, 3, 1), table(120, 3, 2)]
}

fn everywhere(check: impl Fn(&Entry, &Dataset)) {
    for entry in MODELS {
        for dataset in both() {
            println!("{} on {:?}", entry.name, dataset.schema.classes);
            check(entry, &dataset);
        }
    }
}

#[test]
fn names_and_papers_are_known() {
    for entry in MODELS {
        assert!(
            halfmoon::cite::entry(entry.paper).is_some(),
            "{}: no entry {} in references.bib",
            entry.name,
            entry.paper
        );
        assert!(entry.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{}", entry.name);
        assert_eq!(MODELS.iter().filter(|other| other.name == entry.name).count(), 1);
        assert!((entry.check)(&(entry.defaults)()).is_ok(), "{}: the defaults do not pass their own check", entry.name);
    }
    assert_eq!(BASELINE.name, "supervised");
}

#[test]
fn every_term_is_finite_from_the_first_step_and_the_loss_falls() {
    everywhere(|entry, dataset| {
        let (_, _, trace) = fit(entry, &settings(entry, &SMALL), dataset, 1);
        assert!(trace.terms.iter().flatten().all(|(_, value)| value.is_finite()), "{}", entry.name);
        let mean = |steps: &[f64]| steps.iter().sum::<f64>() / steps.len() as f64;
        let of = |name: &str| -> Vec<f64> {
            let term = |terms: &Vec<(&str, f64)>| terms.iter().find(|(of, _)| *of == name).map(|(_, value)| *value);
            trace.terms.iter().filter_map(term).collect()
        };
        // What one network makes as large as it can against another need not fall.
        let falls = if ["lsd", "vaal", "aral"].contains(&entry.name) { of("classify") } else { trace.totals };
        // Every stage, or round, has 60 steps; what is fitted at once has none.
        assert_eq!(falls.len() % 60, 0, "{}", entry.name);
        for stage in falls.chunks(60) {
            let (start, end) = (mean(&stage[..5]), mean(&stage[55..]));
            assert!(end < start, "{}: {start} at the start, {end} at the end", entry.name);
        }
    });
}

#[test]
fn two_clusters_are_told_apart_with_one_label_each() {
    for entry in MODELS {
        for mut dataset in [pictures(200, 1, 3), table(200, 1, 4)] {
            let (predictor, encoding, _) =
                fit(entry, &settings(entry, &["hidden=[24]", "train.steps=500"]), &dataset, 1);
            truth(&mut dataset);
            let accuracy = accuracy(&*predictor, &encoding, &dataset);
            // On a graph, rows of the table whose yes/no cell is turned over lie between the clusters, and one label a
            // class does not say where between them the classes part.
            let least = if entry.name.starts_with("label_") { 0.75 } else { 0.85 };
            assert!(accuracy > least, "{}: {accuracy}", entry.name);
        }
    }
}

#[test]
fn answers_are_one_row_an_item_and_sum_to_one_even_far_away() {
    everywhere(|entry, dataset| {
        let (predictor, encoding, _) = fit(entry, &settings(entry, &SMALL), dataset, 1);
        let width = encoding.layout().width();
        let far = Array2::from_shape_fn((5, width), |(row, column)| if (row + column) % 2 == 0 { 1e4 } else { -1e4 });
        let near = encoding.encode(&dataset.inputs, &[0, 1, 2, 3, 4]);
        for inputs in [near, far] {
            let scores = predictor.scores(inputs.view());
            assert_eq!(scores.log_probs.dim(), (5, 1, 2));
            for row in scores.log_probs.mapv(f32::exp).sum_axis(Axis(2)) {
                assert!((row - 1.0).abs() < 1e-5, "{}: a row sums to {row}", entry.name);
            }
        }
    });
}

#[test]
fn a_rows_answer_does_not_depend_on_its_neighbours() {
    everywhere(|entry, dataset| {
        let (predictor, encoding, _) = fit(entry, &settings(entry, &SMALL), dataset, 1);
        let all: Vec<usize> = (0..dataset.len()).collect();
        let together = predictor.scores(encoding.encode(&dataset.inputs, &all).view());
        for row in [0, 7, 119] {
            let alone = predictor.scores(encoding.encode(&dataset.inputs, &[row]).view());
            let close = |a: f32, b: f32| (a - b).abs() <= 1e-4 * b.abs().max(1.0);
            assert!(
                alone.log_probs.iter().zip(together.log_probs.index_axis(Axis(0), row)).all(|(&a, &b)| close(a, b))
            );
            if let (Some(alone), Some(together)) = (&alone.log_density, &together.log_density) {
                assert!(
                    close(alone[0], together[row]),
                    "{}: {} alone, {} together",
                    entry.name,
                    alone[0],
                    together[row]
                );
            }
        }
    });
}

#[test]
fn a_checkpoint_read_back_answers_bit_for_bit_the_same() {
    let folder = std::env::temp_dir().join(format!("halfmoon-conformance-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    everywhere(|entry, dataset| {
        let (settings, device) = (settings(entry, &SMALL), Device::flex());
        let encoding = Encoding::fit(dataset, Pixels::Grey);
        let task = Task { dataset, encoding: &encoding, seed: 1, device: &device };
        let checkpoint = (entry.fit)(&settings, &task, None, &mut Trace::default()).unwrap().checkpoint;
        let path = folder.join(entry.name);
        checkpoint.write(&path).unwrap();
        let read = Checkpoint::read(&path).unwrap();
        assert_eq!(read, checkpoint);
        let rows = encoding.encode(&dataset.inputs, &[0, 1, 2]);
        let answer = |checkpoint: &Checkpoint| {
            let predictor = (entry.load)(&settings, &encoding.layout(), 2, checkpoint, &device).unwrap();
            predictor.scores(rows.view())
        };
        assert_eq!(answer(&read), answer(&checkpoint));
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn one_seed_gives_one_result_and_another_seed_another() {
    everywhere(|entry, dataset| {
        let settings = settings(entry, &SMALL);
        let trace = |seed| fit(entry, &settings, dataset, seed).2.totals;
        assert_eq!(trace(5), trace(5), "{}", entry.name);
        // What is fitted at once need not draw anything.
        assert!(trace(5).is_empty() || trace(5) != trace(6), "{}", entry.name);
    });
}

/// A hundred, which two stages share; rounding may turn over which class is drawn, where one is. Networks that are trained against each other answer to
/// what the other's rounding has made of it, and soon go ways of their own.
fn steps_of_one_rounding(entry: &Entry) -> &'static str {
    match entry.name {
        "vaal" | "aral" => "train.steps=10",
        _ if (entry.defaults)().contains_key("pretrain") => "train.steps=50",
        _ => "train.steps=100",
    }
}

#[test]
fn the_number_of_threads_changes_nothing_but_rounding() {
    everywhere(|entry, dataset| {
        let steps = steps_of_one_rounding(entry);
        let settings = settings(entry, &["hidden=[64]", steps, "sum_over_classes=exact"]);
        let trace = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(entry, &settings, dataset, 1).2.totals)
        };
        let (one, two) = (trace(1), trace(2));
        for (step, (one, two)) in one.iter().zip(&two).enumerate() {
            // Of a loss near 0 what is left is the rounding of the terms that it is a difference of.
            assert!((one - two).abs() <= 1e-4 * one.abs().max(1.0), "{} step {step}: {one} and {two}", entry.name);
        }
    });
}

#[test]
fn kernels_change_nothing_but_rounding_in_a_hundred_steps() {
    everywhere(|entry, dataset| {
        let steps = steps_of_one_rounding(entry);
        let settings = settings(entry, &["hidden=[64]", steps, "sum_over_classes=exact"]);
        let trace = || fit(entry, &settings, dataset, 1).2.totals;
        let (by_kernels, by_engine) = (trace(), without_kernels(trace));
        for (step, (one, two)) in by_kernels.iter().zip(&by_engine).enumerate() {
            // Of a loss near 0 what is left is the rounding of the terms that it is a difference of.
            assert!((one - two).abs() <= 1e-4 * one.abs().max(1.0), "{} step {step}: {one} and {two}", entry.name);
        }
    });
}

#[test]
fn an_interrupted_run_ends_with_the_numbers_of_an_uninterrupted_one() {
    everywhere(|entry, dataset| {
        let (settings, device) = (settings(entry, &SMALL), Device::flex());
        let encoding = Encoding::fit(dataset, Pixels::Grey);
        let task = Task { dataset, encoding: &encoding, seed: 3, device: &device };
        let whole = (entry.fit)(&settings, &task, None, &mut Trace::default()).unwrap().checkpoint;
        // In the first stage, at its end and in the last one, where there are several.
        for at in [23, 60, 83] {
            let mut first = Trace { stop_at: Some(at), ..Trace::default() };
            let stopped = (entry.fit)(&settings, &task, None, &mut first).unwrap();
            if !stopped.stopped {
                continue;
            }
            let is_resumable = stopped.checkpoint.step == at;
            assert!(is_resumable || first.totals.is_empty(), "{}: {} for {at}", entry.name, stopped.checkpoint.step);
            let resume = is_resumable.then_some(stopped.checkpoint);
            let resumed = (entry.fit)(&settings, &task, resume, &mut Trace::default()).unwrap().checkpoint;
            // The optimiser's state is written in no particular order; what it did shows in the parameters.
            assert_eq!(resumed.finished(), whole.clone().finished(), "{} stopped at {at}", entry.name);
        }
    });
}

#[test]
fn nothing_breaks_when_every_item_is_labelled() {
    everywhere(|entry, dataset| {
        let mut dataset = dataset.clone();
        truth(&mut dataset);
        let (predictor, encoding, _) = fit(entry, &settings(entry, &["hidden=[24]", "train.steps=300"]), &dataset, 1);
        let accuracy = accuracy(&*predictor, &encoding, &dataset);
        assert!(accuracy > 0.9, "{}: {accuracy}", entry.name);
    });
}

#[test]
fn a_class_without_a_label_is_no_obstacle() {
    everywhere(|entry, dataset| {
        let mut dataset = dataset.clone();
        dataset.schema.classes.push("never seen".into());
        let (predictor, encoding, _) = fit(entry, &settings(entry, &SMALL), &dataset, 1);
        let scores = predictor.scores(encoding.encode(&dataset.inputs, &[0]).view());
        assert_eq!(scores.log_probs.dim(), (1, 1, 3));
        assert!(scores.log_probs.iter().all(|p| p.is_finite()), "{}", entry.name);
    });
}

#[test]
fn a_model_that_can_do_without_labels_does() {
    everywhere(|entry, dataset| {
        if entry.needs_labels {
            return;
        }
        let mut dataset = dataset.clone();
        dataset.labels.fill(None);
        let (_, _, trace) = fit(entry, &settings(entry, &SMALL), &dataset, 1);
        assert!(
            trace.totals.iter().all(|total| total.is_finite())
                && trace.totals.last() < trace.totals.get(trace.totals.len() - 60),
            "{}",
            entry.name
        );
    });
}

#[test]
fn every_parameter_gets_a_gradient_and_capabilities_keep_their_promises() {
    struct Check;
    impl ModelVisitor for Check {
        fn visit<C: ModelConfig>(&mut self) {
            for dataset in both() {
                capabilities::<C>(&dataset);
            }
        }
    }
    visit_models(&mut Check);
}

fn capabilities<C: ModelConfig>(dataset: &Dataset) {
    let device = device();
    let encoding = Encoding::fit(dataset, Pixels::Grey);
    let layout = encoding.layout();
    let model = C::default().init(&layout, 2, &mut Noise::new(1, 0, &device));
    let rows: Vec<usize> = (0..dataset.len()).collect();
    let inputs = encoding.encode(&dataset.inputs, &rows);
    let x = tensor(inputs.clone(), &device);
    let y: Index = (0..120).map(|row| row % 2).collect();
    let counts = Counts { labelled: 120, unlabelled: 120 };
    let mut moved: BTreeSet<String> = BTreeSet::new();
    for stage in 0..=C::default().earlier_stages().len() {
        let moment = Moment { stage, step: 0, setbacks: 0 };
        let batch = Batch { x: x.clone(), y: Arc::clone(&y), u: x.clone(), open: Arc::from([0, 1]), counts, moment };
        let loss = model.loss(&batch, &mut Default::default(), &mut Noise::new(1, 1, &device));
        let gradients = gradients(&model, &loss.total().backward());
        moved.extend(gradients.into_iter().filter(|(_, of)| of.iter().any(|&g| g != 0.0)).map(|(name, _)| name));
    }
    for (name, _) in parameters(&model).iter().filter(|(_, values)| !values.is_empty()) {
        assert!(moved.contains(name), "{}: {name} has no effect on the loss of any stage", C::NAME);
    }
    assert_eq!(model.classify(&x).dims(), [120, 2]);
    let makes = match (model.as_generate(), model.as_chains()) {
        (Some(codes), _) if codes.knows_classes() => Makes::InputsOfAClass,
        (Some(_), _) => Makes::Inputs,
        (None, Some(_)) => Makes::InputsByChains,
        (None, None) => Makes::Nothing,
    };
    assert_eq!(makes, C::MAKES, "{}", C::NAME);
    let known = Array2::from_shape_fn(inputs.dim(), |(row, column)| (row + column) % 3 > 0);
    if let Some(completer) = Trained::new(&model, &device).completer() {
        let full = completer.complete(inputs.view(), known.view(), 2, 1);
        assert!(full.iter().all(|value| value.is_finite()), "{}", C::NAME);
        let kept =
            full.indexed_iter().filter(|(at, _)| known[*at]).all(|(at, value)| (value - inputs[at]).abs() < 1e-6);
        assert!(kept, "{}: what is known has changed", C::NAME);
        assert_eq!(full, completer.complete(inputs.view(), known.view(), 2, 1), "{}", C::NAME);
        assert_ne!(full, completer.complete(inputs.view(), known.view(), 2, 2), "{}", C::NAME);
    }
    if let Some(chains) = Trained::new(&model, &device).chains() {
        let made = chains.examples(&[Class(0), Class(1), Class(1)], 3, 1);
        assert_eq!(made.dim(), (3, layout.width()), "{}", C::NAME);
        assert!(made.iter().all(|value| value.is_finite()), "{}", C::NAME);
        assert!(chains.waiting().is_none_or(|waiting| waiting.ncols() == layout.width()), "{}", C::NAME);
    }
    if let Some(codes) = model.as_generate() {
        let of_data = codes.encode(&x, &y);
        assert_eq!(of_data.dims(), [120, codes.latent()], "{}", C::NAME);
        let z = Noise::new(1, 2, &device).normal([3, codes.latent()]);
        let drawn = codes.decode(&z, &[0, 1, 1].into());
        assert_eq!(drawn.dims(), [3, layout.width()], "{}", C::NAME);
        assert!(numbers(&drawn).iter().chain(&numbers(&of_data)).all(|value| value.is_finite()));
        let other_class = codes.decode(&z, &[1, 0, 0].into());
        assert_eq!(numbers(&drawn) != numbers(&other_class), codes.knows_classes(), "{}", C::NAME);
    }
    if model.as_log_density().is_some() {
        let entry = MODELS.iter().find(|entry| entry.name == C::NAME).unwrap();
        let (predictor, _, _) = fit(entry, &settings(entry, &["hidden=[24]", "train.steps=600"]), dataset, 1);
        let mean = |inputs: &Array2<f32>| predictor.scores(inputs.view()).log_density.unwrap().mean().unwrap();
        // As far away as a cell can be: a pixel ends at black and white.
        let noise = Array2::from_shape_fn(inputs.dim(), |(row, column)| {
            let is_grey = (layout.numeric..layout.numeric + layout.yes_no).contains(&column);
            match (is_grey, (row * 7 + column * 3) % 5 < 2) {
                (true, is_high) => f32::from(is_high),
                (false, true) => 6.0,
                (false, false) => -6.0,
            }
        });
        let (data, far) = (mean(&inputs), mean(&noise));
        assert!(data > far, "{}: log-density {data} of the data, {far} far away", C::NAME);
    }
    // The untrained model, as the rest of the system sees it.
    let asked = Trained::new(&model, &device).scores(inputs.view());
    let (items, draws, classes) = asked.log_probs.dim();
    assert_eq!((items, classes), (120, 2));
    assert!(draws > 0);
}
