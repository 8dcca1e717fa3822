//! Error on the MNIST test rows after a few class-balanced labels, on pixels and on the first 50 principal components.
//!
//! ```text
//! cargo run --release -p halfmoon-classical --example mnist_svm -- FOLDER SEED LABELS [NAME=VALUE …]
//! ```
//!
//! Published with 100 labels and pixels: SVM 23.44 %, TSVM 16.81 %. Settings are the transductive machine's.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::time::Instant;

use halfmoon_classical::{Fitted, Logistic, Method, Rows, Svm, Tsvm};
use halfmoon_pool::dataset::{Dataset, Inputs};
use halfmoon_pool::read::{Options, read};
use halfmoon_pool::split::keep_labels;
use halfmoon_pool::{Class, Result};
use ndarray::{Array1, Array2, Axis};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, seed, count, settings @ ..] = &arguments[..] else {
        panic!("mnist_svm FOLDER SEED LABELS [NAME=VALUE …]");
    };
    let seed = seed.parse().expect("a seed is a number");
    let count = count.parse().expect("a number of labels");
    let tsvm: Tsvm = toml::from_str(&settings.join("\n")).expect("settings of the transductive machine");

    let source = read(Path::new(folder), &Options::default())?;
    let test = source.test.expect("MNIST has test rows");
    let truth: Vec<Class> = test.labels.iter().map(|label| label.expect("all test rows have labels")).collect();
    let (x, test) = (pixels(&source.train), pixels(&test));
    let mut labels = source.train.labels.clone();
    keep_labels(&mut labels, &source.train.schema.classes, count, seed)?;

    let components = principal_components(&x, 50);
    let mean = x.mean_axis(Axis(0)).expect("there are rows");
    let [z, z_test] = [&x, &test].map(|x| (x - &mean).dot(&components));
    for (name, x, test) in [("pixels", &x, &test), ("PCA 50", &z, &z_test)] {
        let rows = Rows { x: x.view(), labels: &labels, classes: 10, seed };
        judge(&format!("{name}, logistic"), &Logistic::default(), &rows, test, &truth);
        judge(&format!("{name}, SVM"), &Svm::default(), &rows, test, &truth);
        judge(&format!("{name}, TSVM"), &tsvm, &rows, test, &truth);
    }
    Ok(())
}

fn judge<M: Method>(name: &str, method: &M, rows: &Rows, test: &Array2<f32>, truth: &[Class]) {
    let start = Instant::now();
    let fitted = method.fit(rows, &mut |_| true).expect("not told to stop");
    let fit = start.elapsed().as_secs_f64();
    let probs = fitted.probs(test.view());
    let mut wrong = 0;
    let mut nll = 0.0;
    for (probs, class) in probs.rows().into_iter().zip(truth) {
        let highest = probs.iter().copied().fold(0.0, f32::max);
        wrong += usize::from(probs[class.index()] < highest);
        nll -= f64::from(probs[class.index()].ln());
    }
    let n = truth.len() as f64;
    let all = start.elapsed().as_secs_f64();
    println!(
        "{name:18} error {:5.2} %  nll {:.3}  fit {fit:.1} s, with answers {all:.1} s",
        100.0 * wrong as f64 / n,
        nll / n
    );
}

fn pixels(data: &Dataset) -> Array2<f32> {
    match &data.inputs {
        Inputs::Bytes(pixels) => pixels.mapv(|pixel| f32::from(pixel) / 255.0),
        _ => panic!("MNIST's pixels are bytes"),
    }
}

/// By subspace iteration: `[d, count]`.
fn principal_components(x: &Array2<f32>, count: usize) -> Array2<f32> {
    let mean = x.mean_axis(Axis(0)).expect("there are rows");
    let centred = x - &mean;
    let covariance = centred.t().dot(&centred) / x.nrows() as f32;
    let mut basis = Array2::from_shape_fn((x.ncols(), count), |(i, j)| ((i * 31 + j * 17 + i * j) % 101) as f32 - 50.0);
    for _ in 0..60 {
        basis = covariance.dot(&basis);
        // Gram–Schmidt, column by column.
        for j in 0..count {
            let (before, mut column) = basis.view_mut().split_at(Axis(1), j);
            let mut column = column.column_mut(0);
            let shares: Array1<f32> = before.t().dot(&column);
            column -= &before.dot(&shares);
            let length = column.dot(&column).sqrt();
            column /= length;
        }
    }
    basis
}
