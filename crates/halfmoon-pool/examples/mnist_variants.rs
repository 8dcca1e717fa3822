//! Variants of MNIST that the figures on biased labels, on outliers and on repeated items are of, as arrays that `halfmoon` reads.
//!
//! ```text
//! cargo run --release -p halfmoon-pool --example mnist_variants -- MNIST slanted 100 SEED FOLDER
//! cargo run --release -p halfmoon-pool --example mnist_variants -- MNIST strange FOLDER
//! cargo run --release -p halfmoon-pool --example mnist_variants -- MNIST repeated TIMES FOLDER
//! ```
//!
//! `slanted`: labels that are no fair sample. Of each class, only pictures from the tenth that leans furthest to the right may keep
//! a label; 100 do.
//!
//! `strange`: the test pictures turned by a quarter, and with their pixels in an order that is the same for all; and as many
//! pictures of uniform noise.
//!
//! `repeated`: every training picture several times over, each time with noise of a standard deviation of 0.1 on its pixels, as in the
//! experiments on BatchBALD (Kirsch, van Amersfoort, Gal 2019). A rule that judges items one by one asks about the same one again.

#![allow(clippy::unwrap_used, reason = "an example: a panic says where")]

use std::fs;
use std::path::Path;

use halfmoon_pool::dataset::{Class, Dataset, Inputs};
use halfmoon_pool::read::{Options, read};
use ndarray::{Array2, ArrayView2};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIDE: usize = 28;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [mnist, "slanted", labels, seed, folder] => {
            slanted(mnist, labels.parse().unwrap(), seed.parse().unwrap(), Path::new(folder));
        }
        [mnist, "strange", folder] => strange(mnist, Path::new(folder)),
        [mnist, "repeated", times, folder] => repeated(mnist, times.parse().unwrap(), Path::new(folder)),
        _ => {
            eprintln!(
                "usage: mnist_variants MNIST slanted LABELS SEED FOLDER\n       mnist_variants MNIST strange FOLDER\n       \
                 mnist_variants MNIST repeated TIMES FOLDER"
            );
            std::process::exit(2);
        }
    }
}

fn slanted(mnist: &str, labels: usize, seed: u64, folder: &Path) {
    let mut source = read(Path::new(mnist), &Options::default()).unwrap();
    keep_slanted(&mut source.train, labels, seed);
    write_items(folder, "train", pixels(&source.train), &source.train);
    let test = source.test.unwrap();
    write_items(folder, "test", pixels(&test), &test);
}

fn repeated(mnist: &str, times: usize, folder: &Path) {
    let source = read(Path::new(mnist), &Options::default()).unwrap();
    let n = source.train.len();
    let train = source.train.select(&(0..n * times).map(|row| row % n).collect::<Vec<_>>());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let noisy = pixels(&train).mapv(|grey| {
        // Box and Muller.
        let (u, v) = (1.0 - rng.random::<f32>(), rng.random::<f32>());
        let drawn = (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 to 255")]
        let grey = (f32::from(grey) + 25.5 * drawn).round().clamp(0.0, 255.0) as u8;
        grey
    });
    write_items(folder, "train", &noisy, &train);
    let test = source.test.unwrap();
    write_items(folder, "test", pixels(&test), &test);
}

/// `x_SPLIT.npy`, and `y_SPLIT.npy` with −1 where there is no label.
fn write_items(folder: &Path, split: &str, pictures: &Array2<u8>, items: &Dataset) {
    let class = |label: &Option<Class>| label.map_or(-1, |class| i8::try_from(class.index()).unwrap());
    let classes: Vec<u8> = items.labels.iter().flat_map(|label| class(label).to_le_bytes()).collect();
    write_pictures(folder, &format!("x_{split}"), pictures);
    write(folder, &format!("y_{split}"), "|i1", &format!("({},)", items.len()), &classes);
}

fn strange(mnist: &str, folder: &Path) {
    let test = read(Path::new(mnist), &Options::default()).unwrap().test.unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut order: Vec<usize> = (0..SIDE * SIDE).collect();
    order.shuffle(&mut rng);
    let from = |place: &dyn Fn(usize) -> usize| {
        Array2::from_shape_fn(pixels(&test).dim(), |(item, pixel)| pixels(&test)[[item, place(pixel)]])
    };
    // Row r of the turned picture is column r from the right.
    write_pictures(folder, "rotated", &from(&|pixel| pixel % SIDE * SIDE + SIDE - 1 - pixel / SIDE));
    write_pictures(folder, "permuted", &from(&|pixel| order[pixel]));
    write_pictures(folder, "noise", &Array2::from_shape_simple_fn(pixels(&test).dim(), || rng.random::<u8>()));
}

fn pixels(items: &Dataset) -> &Array2<u8> {
    let Inputs::Bytes(pixels) = &items.inputs else { unreachable!("MNIST is of bytes") };
    pixels
}

/// Of each class, as many labels as of any other, drawn from the tenth of it with the largest slant.
fn keep_slanted(train: &mut Dataset, labels: usize, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let slants: Vec<f64> =
        pixels(train).rows().into_iter().map(|row| slant(&row.to_shape((SIDE, SIDE)).unwrap().view())).collect();
    let classes = train.schema.classes.len();
    let mut kept = vec![None; train.len()];
    for class in 0..classes {
        let mut rows: Vec<usize> =
            (0..train.len()).filter(|&row| train.labels[row].is_some_and(|label| label.index() == class)).collect();
        rows.sort_by(|&a, &b| slants[b].total_cmp(&slants[a]));
        rows.truncate(rows.len() / 10);
        let (drawn, _) = rows.partial_shuffle(&mut rng, labels / classes);
        for &mut row in drawn {
            kept[row] = train.labels[row];
        }
    }
    train.labels = kept;
}

/// How far the ink leans to the right, in columns a row upwards: the slope of the line through it.
fn slant(picture: &ArrayView2<u8>) -> f64 {
    let ink = |power: &dyn Fn(f64, f64) -> f64| -> f64 {
        picture.indexed_iter().map(|((row, column), &ink)| f64::from(ink) * power(row as f64, column as f64)).sum()
    };
    let (all, row, column) = (ink(&|_, _| 1.0), ink(&|row, _| row), ink(&|_, column| column));
    let (row, column) = (row / all, column / all);
    -ink(&|r, c| (r - row) * (c - column)) / ink(&|r, _| (r - row).powi(2))
}

fn write_pictures(folder: &Path, name: &str, pixels: &Array2<u8>) {
    write(folder, name, "|u1", &format!("({}, {SIDE}, {SIDE})", pixels.nrows()), pixels.as_slice().unwrap());
}

/// An array in NumPy's format, version 1.0.
fn write(folder: &Path, name: &str, descr: &str, shape: &str, bytes: &[u8]) {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend(format!("{header:<117}\n").bytes());
    file.extend(bytes);
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(format!("{name}.npy")), file).unwrap();
}
