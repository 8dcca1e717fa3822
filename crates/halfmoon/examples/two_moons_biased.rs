//! Two moons whose labels all come from one end: what a classifier of the labelled rows sees, and what the coupled softmax makes
//! of the others. Mean errors over ten draws, and the first draw as a picture.
//!
//! ```text
//! cargo run --release -p halfmoon --example two_moons_biased -- two_moons_biased.svg
//! ```

#![allow(clippy::print_stdout, reason = "the table goes to standard output")]
#![allow(clippy::unwrap_used, reason = "an example: a panic says where")]

use std::f32::consts::PI;
use std::fmt::Write;

use burn::tensor::Device;
use halfmoon::experiment::probs;
use halfmoon::fit::Task;
use halfmoon::models::MODELS;
use halfmoon::train::Unwatched;
use halfmoon_pool::Class;
use halfmoon_pool::dataset::{Column, ColumnKind, Dataset, Features, Ids, Inputs, Schema};
use halfmoon_pool::encode::{Encoding, Pixels};
use halfmoon_pool::scores::Predictor;
use halfmoon_pool::two_sample::{p_value, rows_to_compare};
use ndarray::{Array2, ArrayView2};
use rand::seq::index::sample;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Points of each moon.
const POINTS: usize = 500;
/// Labels of each moon.
const LABELS: usize = 5;
const DRAWS: u64 = 10;
/// Draws that only say how often labels are taken for no fair sample.
const TESTED: u64 = 100;

/// Models and the settings that differ from their defaults.
const TRIED: [(&str, &str); 3] = [
    ("supervised", ""),
    ("gc_head", "head.components = 8\nhead.prior = \"uniform\""),
    ("gc_vae", "latent = 2\nstyle = 0\nhidden = [100, 100]\n[train]\nsteps = 4000"),
];

fn main() {
    let mut svg = String::new();
    let mut errors = [const { Vec::new() }; TRIED.len()];
    let mut warned = [0, 0];
    for seed in 1..=TESTED {
        let truth = moons(seed);
        for (is_fair, warned) in [false, true].into_iter().zip(&mut warned) {
            let labels = keep(&truth, is_fair, seed);
            let encoding = Encoding::fit(&labels, Pixels::Grey);
            let compared = rows_to_compare(labels.labels.iter().map(Option::is_some), seed);
            let (rows, labelled) = compared.unwrap();
            *warned += i32::from(p_value(encoding.encode(&labels.inputs, &rows).view(), labelled, seed) <= 0.01);
        }
    }
    for seed in 1..=DRAWS {
        let truth = moons(seed);
        let labels = keep(&truth, false, seed);
        for (at, (name, settings)) in TRIED.iter().enumerate() {
            let (predictor, encoding) = fit(name, settings, &labels, seed);
            let all: Vec<usize> = (0..truth.len()).collect();
            let answers = probs(&predictor.log_probs(encoding.encode(&truth.inputs, &all).view()));
            let wrong = all.iter().filter(|&&row| (answers[[row, 1]] > 0.5) != (truth.labels[row] == Some(Class(1))));
            errors[at].push(100.0 * wrong.count() as f64 / truth.len() as f64);
            if seed == 1 {
                panel(&mut svg, at, name, errors[at][0], &*predictor, &encoding, &labels);
            }
        }
    }
    println!("error on all {} points, {LABELS} labels a moon from one end, {DRAWS} draws", 2 * POINTS);
    for ((name, _), errors) in TRIED.iter().zip(&errors) {
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let each: Vec<String> = errors.iter().map(|error| format!("{error:.1}")).collect();
        println!("{name:12} {mean:5.1} %   ({})", each.join(", "));
    }
    println!("labels noticed as no fair sample: {} of {TESTED}; fair ones: {} of {TESTED}", warned[0], warned[1]);
    if let Some(path) = std::env::args().nth(1) {
        let width = 300 * TRIED.len();
        let page = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} 230\" font-family=\"sans-serif\" font-size=\"13\">\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>{svg}</svg>\n"
        );
        std::fs::write(path, page).unwrap();
    }
}

/// Two half circles, noise of standard deviation 0.1.
fn moons(seed: u64) -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut inputs = Array2::zeros((2 * POINTS, 2));
    for (row, mut point) in inputs.rows_mut().into_iter().enumerate() {
        let angle = PI * rng.random::<f32>();
        let (x, y) = if row < POINTS { (angle.cos(), angle.sin()) } else { (1.0 - angle.cos(), 0.5 - angle.sin()) };
        point[0] = x + 0.1 * rng.sample::<f32, _>(StandardNormal);
        point[1] = y + 0.1 * rng.sample::<f32, _>(StandardNormal);
    }
    let column = |name: &str| Column { name: name.into(), kind: ColumnKind::Numeric };
    Dataset {
        schema: Schema {
            classes: vec!["upper".into(), "lower".into()],
            features: Features::Columns(vec![column("x"), column("y")]),
        },
        labels: (0..2 * POINTS).map(|row| Some(Class(u16::from(row >= POINTS)))).collect(),
        inputs: Inputs::Floats(inputs),
        ids: Ids::first(2 * POINTS),
    }
}

/// A few labels of each moon: those furthest to the left among a hundred of its points, or any.
fn keep(truth: &Dataset, is_fair: bool, seed: u64) -> Dataset {
    let Inputs::Floats(points) = &truth.inputs else { unreachable!("made so") };
    let mut kept = truth.clone();
    kept.labels.fill(None);
    let mut rng = ChaCha8Rng::seed_from_u64(100 + seed);
    for moon in 0..2 {
        let mut rows: Vec<usize> = sample(&mut rng, POINTS, 100).iter().map(|point| moon * POINTS + point).collect();
        if !is_fair {
            rows.sort_by(|&a, &b| points[[a, 0]].total_cmp(&points[[b, 0]]));
        }
        rows[..LABELS].iter().for_each(|&row| kept.labels[row] = truth.labels[row]);
    }
    kept
}

fn fit(name: &str, settings: &str, dataset: &Dataset, seed: u64) -> (Box<dyn Predictor>, Encoding) {
    let entry = MODELS.iter().find(|entry| entry.name == name).unwrap();
    let mut table = (entry.defaults)();
    halfmoon::config::merge(&mut table, settings.parse().unwrap());
    let (encoding, device) = (Encoding::fit(dataset, Pixels::Grey), Device::flex());
    let task = Task { dataset, encoding: &encoding, seed, device: &device };
    let checkpoint = (entry.fit)(&table, &task, None, &mut Unwatched).unwrap().checkpoint;
    let predictor = (entry.load)(&table, &encoding.layout(), 2, &checkpoint, &device).unwrap();
    (predictor, encoding)
}

/// What a model answers over the plane, the points, and the labelled ones as large marks.
fn panel(
    svg: &mut String,
    at: usize,
    name: &str,
    error: f64,
    predictor: &dyn Predictor,
    encoding: &Encoding,
    data: &Dataset,
) {
    let (columns, rows, cell) = (56_usize, 40_usize, 5.0);
    let place = |x: f32, y: f32| (300.0 * at as f32 + 10.0 + (x + 1.4) / 3.8 * 280.0, 225.0 - (y + 1.0) / 2.6 * 200.0);
    let plane = Array2::from_shape_fn((columns * rows, 2), |(at, axis)| {
        let (column, row) = ((at % columns) as f32 + 0.5, (at / columns) as f32 + 0.5);
        if axis == 0 { column / columns as f32 * 3.8 - 1.4 } else { row / rows as f32 * 2.6 - 1.0 }
    });
    let Inputs::Floats(points) = &data.inputs else { unreachable!("made so") };
    let rows_of = |points: ArrayView2<f32>| {
        let all: Vec<usize> = (0..points.nrows()).collect();
        encoding.encode(&Inputs::Floats(points.to_owned()), &all)
    };
    let answers = probs(&predictor.log_probs(rows_of(plane.view()).view()));
    for (point, probs) in plane.rows().into_iter().zip(answers.rows()) {
        let (x, y) = place(point[0], point[1]);
        let (colour, sure) = if probs[1] > 0.5 { ("#d55e00", probs[1]) } else { ("#0072b2", probs[0]) };
        let opacity = 0.05 + 0.6 * (sure - 0.5);
        let (left, top) = (x - 2.5, y - 2.5);
        write!(svg, "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{cell}\" height=\"{cell}\" fill=\"{colour}\" fill-opacity=\"{opacity:.2}\"/>")
            .unwrap();
    }
    for (point, label) in points.rows().into_iter().zip(&data.labels) {
        let (x, y) = place(point[0], point[1]);
        match label {
            None => write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1\" fill=\"#333\"/>").unwrap(),
            Some(Class(0)) => {
                write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"#0072b2\" stroke=\"#fff\"/>")
                    .unwrap();
            }
            Some(_) => {
                let (left, top) = (x - 4.0, y - 4.0);
                write!(
                    svg,
                    "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"8\" height=\"8\" fill=\"#d55e00\" stroke=\"#fff\"/>"
                )
                .unwrap();
            }
        }
    }
    let left = 300 * at + 12;
    write!(svg, "<text x=\"{left}\" y=\"18\">{name}: {error:.1} % wrong</text>").unwrap();
}
