//! Draws one picture of every kind, to be looked at:
//!
//! ```text
//! cargo run -p halfmoon-draw --example look -- shared/data/mnist /tmp/look
//! ```
//!
//! The first path is MNIST, the second a folder, in which the pictures are then.

use std::path::{Path, PathBuf};

use halfmoon_draw::{Captions, Contender, Layout, Learning, Reference, grid, learning, project, scatter, write_png};
use halfmoon_pool::dataset::{Features, ImageShape, Inputs};
use halfmoon_pool::read::{Options, read};
use halfmoon_pool::{Class, Error, Result};
use image::RgbImage;
use ndarray::{Array1, Array2, Axis};

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(data), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err(Error::usage("two paths are needed", "MNIST and a folder to write to"));
    };
    std::fs::create_dir_all(&folder).map_err(|source| Error::io(&folder, source))?;
    draw_digits(&data, &folder)?;
    draw_points(&folder)?;
    draw_learning(&folder)
}

fn draw_digits(data: &Path, folder: &Path) -> Result<()> {
    let source = read(data, &Options::default())?;
    let (Inputs::Bytes(bytes), Features::Image(shape)) = (&source.train.inputs, &source.train.schema.features) else {
        return Err(Error::usage("these are no pictures of bytes", "give the folder of MNIST"));
    };
    let pictures = |items: &[usize]| bytes.select(Axis(0), items).mapv(|byte| f32::from(byte) / shape.white);
    let draw = |items: &[usize], layout: &Layout, name: &str| -> Result<()> {
        write_png(&grid(pictures(items).view(), *shape, layout)?, &folder.join(name))
    };
    let first = |n: usize| (0..n).collect::<Vec<_>>();
    draw(&first(64), &Layout { title: "64 samples".into(), ..Layout::default() }, "samples.png")?;
    draw(&first(225), &Layout { columns: 15, ..Layout::default() }, "manifold.png")?;

    // A row: an item, then one of every class.
    let of = |class: u16, nth: usize| {
        let labels = source.train.labels.iter().enumerate();
        labels.filter(|(_, label)| **label == Some(Class(class))).nth(nth).map_or(0, |(item, _)| item)
    };
    let analogy: Vec<usize> =
        (0..8).flat_map(|row| std::iter::once(row).chain((0..10).map(move |class| of(class, row)))).collect();
    let layout = Layout {
        columns: 11,
        title: "The style of an item under every class".into(),
        column_names: std::iter::once("item".into()).chain(source.train.schema.classes.iter().cloned()).collect(),
        row_names: (0..8).map(|row| format!("item {row}")).collect(),
        wide_after_columns: vec![1],
        ..Layout::default()
    };
    draw(&analogy, &layout, "analogy.png")?;

    let clothes = ["item", "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag"];
    let layout = Layout {
        column_names: clothes.iter().map(ToString::to_string).chain(["Ankle boot with laces".into()]).collect(),
        row_names: ["a.png", "train/class/0001.png", "", "a very long name of a file that somebody has/12.jpeg", "猫"]
            .map(Into::into)
            .into(),
        ..layout
    };
    draw(&analogy, &layout, "names.png")?;

    let layout = Layout {
        columns: 10,
        row_names: ["item", "reconstruction"].iter().cycle().take(4).map(ToString::to_string).collect(),
        wide_after_rows: vec![2],
        ..Layout::default()
    };
    draw(&first(40), &layout, "reconstruct.png")?;

    let bright = pictures(&first(24)).mapv(|v| 1.0 - v);
    let shape = ImageShape { height: 28, width: 28, channels: 1, white: 1.0 };
    let layout = Layout { columns: 12, ..Layout::default() };
    write_png(&grid(bright.view(), shape, &layout)?, &folder.join("bright.png"))
}

fn draw_points(folder: &Path) -> Result<()> {
    let write = |(image, name): (RgbImage, &str)| write_png(&image, &folder.join(name));
    let names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "a truck on its way"];
    let names = names.map(String::from);
    for (n, file) in [(160, "few.png"), (5000, "codes.png"), (70_000, "many.png")] {
        let (codes, classes) = clusters(n, 10);
        let labels: Vec<_> =
            classes.iter().enumerate().map(|(item, class)| (item % 4 != 0).then_some(*class)).collect();
        let found = project(codes.view());
        let shares = found.shares.unwrap_or_default().map(|share| 100.0 * share);
        let captions = Captions {
            title: format!("{n} codes of m2, projected from 8 dimensions"),
            x: format!("first direction ({:.0} % of the variance)", shares[0]),
            y: format!("second direction ({:.0} %)", shares[1]),
        };
        write((scatter(found.points.view(), &labels, &names, &captions)?.image, file))?;
    }
    let (codes, classes) = clusters(6000, 120);
    let labels: Vec<_> = classes.into_iter().map(Some).collect();
    let names: Vec<_> = (0..120).map(|class| format!("species {class}")).collect();
    write((scatter(project(codes.view()).points.view(), &labels, &names, &Captions::default())?.image, "classes.png"))
}

/// Ten contenders with three runs each, as if by chance: some alike, one stopped at its target, one that begins badly.
fn draw_learning(folder: &Path) -> Result<()> {
    let mut normal = normal(7);
    // Accuracy with 20 labels, accuracy at the end, and labels for most of the way.
    let mut contender = |name: &str, from: f64, to: f64, pace: f64, last: i32| {
        let mut run = |_| {
            let shift = 0.5 * f64::from(normal());
            let mut accuracy = |labels: f64| {
                let learned = to - (to - from) * (-(labels - 20.0) / pace).exp();
                (learned + shift + (12.0 / labels.sqrt()).min(2.0) * f64::from(normal())).clamp(0.0, 100.0)
            };
            (2..=last).map(|n| 10.0 * f64::from(n)).map(|labels| (labels, accuracy(labels))).collect()
        };
        Contender { name: name.into(), is_baseline: name == "random", runs: (0..3).map(&mut run).collect() }
    };
    let lines = vec![
        contender("random", 62.0, 93.0, 130.0, 50),
        contender("margin", 61.5, 96.4, 90.0, 50),
        contender("entropy", 62.5, 96.1, 120.0, 50),
        contender("least_confident", 62.0, 95.9, 110.0, 50),
        contender("bald", 61.0, 96.6, 85.0, 50),
        contender("batch_bald", 63.0, 96.9, 75.0, 50),
        contender("badge", 62.0, 97.1, 70.0, 28),
        contender("k_center", 60.0, 94.2, 150.0, 50),
        contender("bait", 62.5, 96.8, 80.0, 50),
        contender("energy density, weighted by similarity", 48.0, 95.2, 60.0, 50),
    ];
    let reference = |name: &str, labels: Option<f64>, accuracy: f64| Reference { name: name.into(), labels, accuracy };
    let figure = Learning {
        title: "mnist, m2: accuracy over labels".into(),
        y: "accuracy in %".into(),
        x: "number of labels".into(),
        lines,
        targets: vec![90.0, 95.0],
        references: vec![
            reference("98.2, all 60000 labels", None, 98.2),
            reference("Somebody et al. 2021: 100 to 90 %", Some(100.0), 90.0),
        ],
    };
    let path = folder.join("learning.svg");
    std::fs::write(&path, learning(&figure)?).map_err(|source| Error::io(&path, source))
}

/// Round clouds in eight dimensions, from numbers as if by chance.
fn clusters(n: usize, classes: u16) -> (Array2<f32>, Vec<Class>) {
    let mut normal = normal(1);
    let centres = Array2::from_shape_simple_fn((usize::from(classes), 8), || normal() * 3.0);
    let of: Vec<Class> = (0..classes).flat_map(|class| vec![Class(class); n / usize::from(classes)]).collect();
    let mut codes = Array2::zeros((0, 8));
    for class in &of {
        let code = &centres.row(class.index()) + &Array1::from_shape_simple_fn(8, &mut normal);
        codes.push_row(code.view()).expect("eight numbers");
    }
    (codes, of)
}

fn normal(mut state: u64) -> impl FnMut() -> f32 {
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    // Twelve uniform numbers less six have variance 1 and a shape that is good enough for the eye.
    move || (0..12).map(|_| uniform()).sum::<f32>() - 6.0
}
