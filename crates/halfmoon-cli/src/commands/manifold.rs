//! `halfmoon manifold`: what the codes look like. A code of two numbers is walked through, a class a grid; of longer ones
//! the means of real items are projected.

use std::path::{Path, PathBuf};

use halfmoon_draw::{Captions, Layout, project, scatter};
use halfmoon_pool::read;
use halfmoon_pool::{Class, Error};
use ndarray::Array2;
use serde_json::json;

use super::making::{Maker, code};
use crate::Failure;
use crate::args::Manifold;

/// Steps along each of two numbers, from −[`REACH`] to [`REACH`].
const STEPS: usize = 15;

/// Standard deviations of the codes' prior that a walk reaches to.
const REACH: f32 = 2.0;

pub(crate) fn run(args: &Manifold) -> Result<(), Failure> {
    let maker = Maker::open(&args.making, "manifold")?;
    let only = args.class.as_deref().map(|name| maker.class(name)).transpose()?;
    if maker.generator().latent() == 2 && args.from.is_none() { walk(&maker, only) } else { plot(&maker, args, only) }
}

/// A square of codes for each class, one below the other.
fn walk(maker: &Maker, only: Option<Class>) -> Result<(), Failure> {
    maker.shape()?;
    let generator = maker.generator();
    let classes = match only {
        Some(class) => vec![class],
        None if generator.knows_classes() => maker.classes(),
        None => vec![Class(0)],
    };
    let at = |step: usize| (2.0 * step as f32 / (STEPS - 1) as f32 - 1.0) * REACH;
    let square = STEPS * STEPS;
    let codes = Array2::from_shape_fn((square * classes.len(), 2), |(row, of)| {
        let place = row % square;
        // The second number grows upwards, as on a plot.
        if of == 0 { at(place % STEPS) } else { -at(place / STEPS) }
    });
    let each: Vec<Class> = (0..codes.nrows()).map(|row| classes[row / square]).collect();
    let made = generator.decode(codes.view(), &each);
    let mut row_names = vec![String::new(); STEPS * classes.len()];
    if generator.knows_classes() {
        classes.iter().enumerate().for_each(|(at, &class)| row_names[at * STEPS] = maker.caption(class));
    }
    let layout = Layout {
        columns: STEPS,
        row_names,
        wide_after_rows: (1..classes.len()).map(|class| class * STEPS).collect(),
        ..Layout::default()
    };
    let pictures: Vec<_> = (0..codes.nrows())
        .map(|row| {
            let class = generator.knows_classes().then(|| maker.name(each[row]));
            json!({ "class": class, "code": code(&codes, row) })
        })
        .collect();
    maker.write_grid(made, &layout, json!({ "columns": STEPS, "pictures": pictures }))
}

/// The mean codes of items, in the two directions in which they vary most.
fn plot(maker: &Maker, args: &Manifold, only: Option<Class>) -> Result<(), Failure> {
    let from = args.from.clone().unwrap_or_else(|| PathBuf::from(&maker.asked.config.data.path));
    let mut options = super::options(&maker.asked, &args.reading)?;
    if args.from.is_none() {
        // the run's own data, with their own labels
        let labels_from = maker.asked.config.data.labels_from.as_ref().map(PathBuf::from);
        options.labels_from = options.labels_from.or(labels_from);
    }
    let source = read::read(&from, &options)?;
    let items = source.test.unwrap_or(source.train);
    let rows: Vec<usize> =
        (0..items.len()).filter(|&row| only.is_none() || items.labels[row] == only).take(args.number.get()).collect();
    if rows.is_empty() {
        return Err(Error::data(from.as_path(), "holds no such item", "leave --class out, or name other data").into());
    }
    let inputs = maker.asked.data.encoding.encode(&items.inputs, &rows);
    let generator = maker.generator();
    let likeliest = maker.likeliest(&inputs);
    let codes = generator.encode(inputs.view(), &likeliest);
    let projection = project(codes.view());
    let percent = |direction: usize, word: &str| match projection.shares {
        Some(shares) => format!("{word} direction ({:.0} % of the variance)", 100.0 * shares[direction]),
        None => format!("{word} direction"),
    };
    let captions = Captions {
        title: format!("{} codes of {}, {} numbers each", rows.len(), maker.asked.entry.name, generator.latent()),
        x: percent(0, "first"),
        y: percent(1, "second"),
    };
    let labels: Vec<Option<Class>> = rows.iter().map(|&row| items.labels[row]).collect();
    let plot = scatter(projection.points.view(), &labels, &maker.asked.data.schema.classes, &captions)?;
    if plot.left_out > 0 {
        eprintln!("{} items have codes that are not finite: left out", plot.left_out);
    }
    let told: Vec<_> = (0..rows.len())
        .map(|at| {
            json!({
                "id": items.ids.get(rows[at]),
                "label": labels[at].map(|class| maker.name(class)),
                "predicted": maker.name(likeliest[at]),
                "point": projection.points.row(at).to_vec(),
                "code": code(&codes, at),
            })
        })
        .collect();
    maker.write(&plot.image, json!({ "from": Path::new(&from).to_string_lossy(), "items": told }))
}
