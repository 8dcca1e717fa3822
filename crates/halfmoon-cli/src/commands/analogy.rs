//! `halfmoon analogy`: the style of an item, held, under every class.

use halfmoon_draw::Layout;
use ndarray::{Axis, concatenate};
use serde_json::json;

use super::making::{Maker, code};
use crate::Failure;
use crate::args::FromItems;

pub(crate) fn run(args: &FromItems) -> Result<(), Failure> {
    let maker = Maker::open(&args.making, "analogy")?;
    maker.shape()?;
    maker.needs_classes()?;
    let items = maker.items(&args.from, &args.ids, args.number.get(), &args.reading)?;
    let (generator, classes) = (maker.generator(), maker.classes());
    let likeliest = maker.likeliest(&items.inputs);
    let codes = generator.encode(items.inputs.view(), &likeliest);

    let mut rows = Vec::new();
    for item in 0..items.ids.len() {
        let style = codes.select(Axis(0), &vec![item; classes.len()]);
        rows.push(items.inputs.select(Axis(0), &[item]));
        rows.push(generator.decode(style.view(), &classes));
    }
    let views: Vec<_> = rows.iter().map(|row| row.view()).collect();
    let pictures = concatenate(Axis(0), &views).expect("rows of one width");
    let layout = Layout {
        columns: 1 + classes.len(),
        column_names: std::iter::once("item".to_owned())
            .chain(classes.iter().map(|&class| maker.caption(class)))
            .collect(),
        row_names: items.ids.clone(),
        wide_after_columns: vec![1],
        ..Layout::default()
    };
    let told: Vec<_> = (0..items.ids.len())
        .map(|item| json!({ "id": items.ids[item], "label": maker.name(likeliest[item]), "code": code(&codes, item) }))
        .collect();
    let columns: Vec<&str> = classes.iter().map(|&class| maker.name(class)).collect();
    maker.write_grid(
        pictures,
        &layout,
        json!({ "from": args.from.to_string_lossy(), "columns": columns, "items": told }),
    )
}
