//! Variants of MNIST that the figures on biased labels and on outliers are of, as arrays that `halfmoon` reads.
//!
//! ```text
//! cargo run --release -p halfmoon-pool --example mnist_variants -- MNIST slanted 100 SEED FOLDER
//! cargo run --release -p halfmoon-pool --example mnist_variants -- MNIST strange FOLDER
//! ```
//!
//! `slanted`: labels that are no fair sample. Of each class, only pictures from the tenth that leans furthest to the right may keep
//! a label; 100 do.
//!
//! `strange`: the test pictures turned by a quarter, and with their pixels in an order that is the same for all; and as many
//! pictures of uniform noise.

#![allow(clippy::unwrap_used, reason = "an example: a panic says where")]

use std::fs;
use std::path::Path;

use halfmoon_pool::dataset::{Dataset, Inputs};
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
        _ => {
            eprintln!(
                "usage: mnist_variants MNIST slanted LABELS SEED FOLDER\n       mnist_variants MNIST strange FOLDER"
            );
            std::process::exit(2);
        }
    }
}

fn slanted(mnist: &str, labels: usize, seed: u64, folder: &Path) {
    let mut source = read(Path::new(mnist), &Options::default()).unwrap();
    keep_slanted(&mut source.train, labels, seed);
    for (split, items) in [("train", &source.train), ("test", &source.test.unwrap())] {
        let classes: Vec<u8> = items
            .labels
            .iter()
            .flat_map(|label| label.map_or(-1, |class| i8::try_from(class.index()).unwrap()).to_le_bytes())
            .collect();
        write_pictures(folder, &format!("x_{split}"), pixels(items));
        write(folder, &format!("y_{split}"), "|i1", &format!("({},)", items.len()), &classes);
    }
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
