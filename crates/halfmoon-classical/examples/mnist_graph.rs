//! Label spreading, label propagation and the nearest neighbour on all 70,000 digits of MNIST, most of them without
//! a label: seconds, memory and the error on those.
//!
//! ```text
//! cargo run --release -p halfmoon-classical --example mnist_graph -- path/to/mnist [labels] [seed]
//! ```
//!
//! With 100 labels and seed 0 expect 28.4 % for the nearest neighbour, 5.9 % for label spreading and 6.1 % for label
//! propagation, in 0.6 GB, most of it for the rows.

#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use halfmoon_classical::{Fitted, Knn, LabelPropagation, LabelSpreading, Method, Rows};
use halfmoon_pool::dataset::Dataset;
use halfmoon_pool::encode::{Encoding, Pixels};
use halfmoon_pool::metric::predicted;
use halfmoon_pool::read::{Options, read};
use halfmoon_pool::split::keep_labels;
use halfmoon_pool::{Class, Result};
use ndarray::{ArrayView2, Axis, concatenate};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().expect("the folder with MNIST's four files"));
    let mut number = |default: usize| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (count, seed) = (number(100), number(0) as u64);

    let source = read(&path, &Options::default())?;
    let test = source.test.expect("MNIST has a test split");
    let encoding = Encoding::fit(&source.train, Pixels::Grey);
    let encode = |data: &Dataset| encoding.encode(&data.inputs, &(0..data.labels.len()).collect::<Vec<_>>());
    let x = concatenate(Axis(0), &[encode(&source.train).view(), encode(&test).view()]).expect("as many pixels");
    let truth: Vec<Option<Class>> = source.train.labels.iter().chain(&test.labels).copied().collect();
    let mut labels = truth.clone();
    keep_labels(&mut labels, &test.schema.classes, count, seed)?;
    let rows = Rows { x: x.view(), labels: &labels, classes: 10, seed };
    println!("{} rows, {count} labels, seed {seed}, peak memory {}", x.nrows(), peak());

    let error = |probs: ArrayView2<f32>| {
        let hidden: Vec<usize> = (0..labels.len()).filter(|&row| labels[row].is_none()).collect();
        let wrong = hidden.iter().filter(|&&row| Some(predicted(probs.row(row))) != truth[row]).count();
        100.0 * wrong as f64 / hidden.len() as f64
    };
    let knn = tell(&Knn::default(), &rows);
    println!("1 nearest neighbour: error {:.2} %", error(knn.probs(x.view()).view()));
    let spreading = tell(&LabelSpreading::default(), &rows);
    println!("label spreading: error {:.2} %", error(spreading.soft()));
    drop(spreading);
    let propagation = tell(&LabelPropagation::default(), &rows);
    println!("label propagation: error {:.2} %", error(propagation.soft()));
    Ok(())
}

fn tell<M: Method>(method: &M, rows: &Rows) -> M::Fitted {
    let start = Instant::now();
    let mut searched = Duration::ZERO;
    let mut go_on = |share: f64| {
        if share <= 0.9 {
            searched = start.elapsed();
        }
        true
    };
    let fitted = method.fit(rows, &mut go_on).expect("it was not told to stop");
    let all = start.elapsed();
    println!(
        "{:.1} s to fit, {:.1} s of them to look for neighbours; peak memory {}",
        all.as_secs_f64(),
        searched.as_secs_f64(),
        peak()
    );
    fitted
}

/// Where the system tells.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".to_owned(), |kb| kb.trim().to_owned())
}
