//! A page to look at: the built-in digits, told apart by the nearest mean of 100 labelled ones.
//!
//! ```text
//! cargo run -p halfmoon-report --example page -- report.html [DATA]
//! ```

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example talks, and stops at the first trouble")]

use std::path::Path;

use halfmoon_pool::dataset::{Features, Inputs};
use halfmoon_pool::read::{self, Options};
use halfmoon_pool::scores::Predictions;
use halfmoon_report::{Answers, Baseline, Codes, Found, Others, OutlierScore, Report, Samples, Term, html};
use ndarray::{Array2, Axis};

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "report.html".into());
    let data = args.next().unwrap_or_else(|| "digits".into());
    let source = read::read(Path::new(&data), &Options::default()).unwrap();
    let train = source.train.select(&(0..100).collect::<Vec<_>>());
    let test = source.test.unwrap_or_else(|| source.train.select(&(100..source.train.len()).collect::<Vec<_>>()));
    let Features::Image(shape) = test.schema.features else { panic!("pictures, please") };
    let (few, x) = (shares(&train.inputs, shape.white), shares(&test.inputs, shape.white));

    let k = test.schema.classes.len();
    let means = Array2::from_shape_fn((k, x.ncols()), |(class, at)| {
        let of: Vec<f32> =
            (0..100).filter(|&row| train.labels[row].unwrap().index() == class).map(|row| few[[row, at]]).collect();
        of.iter().sum::<f32>() / of.len().max(1) as f32
    });
    let answers = |sharpness: f32| {
        let mut probs = Array2::zeros((x.nrows(), k));
        for (row, mut p) in x.outer_iter().zip(probs.outer_iter_mut()) {
            p.assign(&means.map_axis(Axis(1), |mean| -sharpness * (&row - &mean).mapv(|v| v * v).sum()));
            let most = p.fold(f32::MIN, |a, &b| a.max(b));
            p.mapv_inplace(|v| (v - most).exp());
            let sum = p.sum();
            p /= sum;
        }
        Predictions { probs, classes: test.labels.iter().flatten().copied().collect() }
    };
    let distance = |x: &Array2<f32>| -> Vec<f64> {
        let nearest =
            |row| means.outer_iter().map(|mean| (&row - &mean).mapv(|v: f32| v * v).sum()).fold(f32::MAX, f32::min);
        x.outer_iter().map(|row| f64::from(nearest(row))).collect()
    };
    let turned = x.mapv(|v| 1.0 - v);
    let shifted = Array2::from_shape_fn(x.dim(), |(row, at)| x[[row, (at + shape.width * 3 + 3) % x.ncols()]]);
    let score = |name: &str, others: &Array2<f32>| OutlierScore {
        name: name.into(),
        about: "squared distance to the nearest mean".into(),
        usual: distance(&x),
        others: distance(others),
    };
    let step = |step: u32| f64::from(step * 10);
    let noise = |step: u32| f64::from(step.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
    let report = Report {
        attacks: Vec::new(),
        chains: None,
        title: format!("How far can means of {data} be trusted?"),
        about: vec![
            ("model".into(), "nearest mean".into()),
            ("data".into(), data),
            ("learned from".into(), "100 labelled items".into()),
        ],
        answers: Some(Answers {
            name: "the nearest mean".into(),
            predictions: answers(0.5),
            unlabelled: 0,
            protocol: "all items but the first hundred".into(),
            codes: Some(Codes { items: (0..test.len()).collect(), codes: x.clone() }),
            items: test.clone(),
        }),
        baseline: Some(Baseline { name: "one that is less sure".into(), predictions: answers(0.05) }),
        others: vec![
            Others { data: "negatives".into(), scores: vec![score("distance", &turned)] },
            Others { data: "shifted".into(), scores: vec![score("distance", &shifted), score("again", &turned)] },
        ],
        learning: ["total", "labelled", "unlabelled"]
            .map(|name| Term {
                name: name.into(),
                points: (1..2000).map(|n| (step(n), 100.0 + 500.0 / f64::from(n).sqrt() + 20.0 * noise(n))).collect(),
            })
            .into(),
        samples: Some(Samples {
            shape,
            pixels: Array2::from_shape_fn((k * 10, x.ncols()), |(row, at)| {
                let noise = noise(u32::try_from(row * 784 + at).unwrap());
                #[allow(clippy::cast_possible_truncation)]
                let noise = noise as f32;
                means[[row / 10, at]] * (0.7 + 0.6 * noise)
            }),
            classes: Some((0..k * 10).map(|row| halfmoon_pool::Class(u16::try_from(row / 10).unwrap())).collect()),
            names: test.schema.classes.clone(),
        }),
        data: Some(Found { notes: source.notes, left_out: vec![("a/broken.png".into(), "holds no picture".into())] }),
        commands: vec!["cargo run -p halfmoon-report --example page".into()],
        citations: vec![
            "@misc{key,\n  title = {A title},\n  author = {Somebody, A.},\n  year = {2001},\n  doi = {10.1/2},\n}"
                .into(),
        ],
    };
    let page = html(&report);
    std::fs::write(&path, &page).unwrap();
    println!("{path}: {} bytes", page.len());
}

fn shares(inputs: &Inputs, white: f32) -> Array2<f32> {
    match inputs {
        Inputs::Bytes(pixels) => pixels.mapv(|v| f32::from(v) / white),
        Inputs::Words(pixels) => pixels.mapv(|v| f32::from(v) / white),
        Inputs::Floats(pixels) => pixels / white,
        Inputs::Table(_) => panic!("pictures, please"),
    }
}
