//! `halfmoon reconstruct`: items, and what is left of them when they are made again from their codes.

use halfmoon_draw::Layout;
use ndarray::{Axis, concatenate};
use serde_json::json;

use super::making::{Maker, code};
use crate::Failure;
use crate::args::FromItems;

/// Items in a line of the grid.
const COLUMNS: usize = 10;

pub(crate) fn run(args: &FromItems) -> Result<(), Failure> {
    let maker = Maker::open(&args.making, "reconstruct")?;
    maker.shape()?;
    let items = maker.items(&args.from, &args.ids, args.number.get(), &args.reading)?;
    let generator = maker.generator();
    let likeliest = maker.likeliest(&items.inputs);
    let codes = generator.encode(items.inputs.view(), &likeliest);
    let made = generator.decode(codes.view(), &likeliest);
    let error = |item: usize| {
        let difference = &items.inputs.row(item) - &made.row(item);
        f64::from(difference.mapv(|x| x * x).mean().unwrap_or(0.0))
    };
    let told: Vec<_> = (0..items.ids.len())
        .map(|item| {
            json!({
                "id": items.ids[item],
                "label": maker.name(likeliest[item]),
                "mean_squared_error": error(item),
                "code": code(&codes, item),
            })
        })
        .collect();

    // A line of items above a line of what was made of them; the last lines are filled up with black.
    let (count, width) = (items.ids.len(), items.inputs.ncols());
    let columns = count.min(COLUMNS);
    let black = ndarray::Array2::zeros((count.div_ceil(columns) * columns - count, width));
    let full = |rows| concatenate(Axis(0), &[rows, black.view()]).expect("rows of one width");
    let (above, below) = (full(items.inputs.view()), full(made.view()));
    let mut lines = Vec::new();
    let mut names = Vec::new();
    for line in (0..above.nrows()).collect::<Vec<_>>().chunks(columns) {
        lines.extend([above.select(Axis(0), line), below.select(Axis(0), line)]);
        names.extend(["item".to_owned(), "made".to_owned()]);
    }
    let views: Vec<_> = lines.iter().map(|line| line.view()).collect();
    let layout = Layout {
        columns,
        wide_after_rows: (1..names.len() / 2).map(|pair| 2 * pair).collect(),
        row_names: names,
        ..Layout::default()
    };
    let pictures = concatenate(Axis(0), &views).expect("rows of one width");
    maker.write_grid(pictures, &layout, json!({ "from": args.from.to_string_lossy(), "items": told }))
}
