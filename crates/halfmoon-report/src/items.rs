//! An item as a person can look at it: its picture, or its cells.

use std::fmt::Write as _;

use halfmoon_pool::Dataset;
use halfmoon_pool::dataset::{Cells, Column, Features, Inputs, Table};

use crate::markup::{name, plain_name, short_number};
use crate::pictures::{Sheet, shares};

/// Cells that are shown of an item.
const CELLS: usize = 12;

/// Shows items one after the other; their pictures share a sheet.
pub(crate) struct Gallery<'a> {
    items: &'a Dataset,
    sheet: Option<Sheet>,
}

impl<'a> Gallery<'a> {
    pub(crate) fn new(id: &'static str, items: &'a Dataset) -> Gallery<'a> {
        let sheet = match items.schema.features {
            Features::Image(shape) => Sheet::new(id, shape),
            Features::Columns(_) => None,
        };
        Gallery { items, sheet }
    }

    /// Markup of an item: a picture, a list of cells, or nothing where the item has neither.
    pub(crate) fn show(&mut self, row: usize) -> String {
        match (&self.items.schema.features, &mut self.sheet) {
            (Features::Image(shape), Some(sheet)) => shares(&self.items.inputs, row, shape.white)
                .map(|pixels| sheet.show(&pixels, *shape, &format!("item {}", plain_name(&self.items.ids.get(row)))))
                .unwrap_or_default(),
            (Features::Image(_), None) => String::new(),
            (Features::Columns(columns), _) => cells(&self.items.inputs, columns, row),
        }
    }

    /// The sheet of the pictures that were shown.
    pub(crate) fn finish(self) -> String {
        self.sheet.map(Sheet::finish).unwrap_or_default()
    }
}

/// Up to [`CELLS`] cells: of more, the least usual ones.
fn cells(inputs: &Inputs, columns: &[Column], row: usize) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let mut places: Vec<usize> = (0..columns.len()).collect();
    if places.len() > CELLS {
        let usual: Vec<f64> = places.iter().map(|&at| usualness(inputs, at, row)).collect();
        places.sort_by(|&a, &b| usual[a].total_cmp(&usual[b]));
        places.truncate(CELLS);
    }
    let mut cells = String::new();
    for &at in &places {
        let (column, cell) = (name(&columns[at].name), cell(inputs, &columns[at], at, row));
        let _ = write!(cells, "<div><dt>{column}</dt><dd>{cell}</dd></div>");
    }
    let rest = match columns.len() - places.len() {
        0 => String::new(),
        more => format!("<p class=\"fine\">the least usual of {} cells</p>", places.len() + more),
    };
    format!("<dl class=\"cells\">{cells}</dl>{rest}")
}

/// A cell as markup.
fn cell(inputs: &Inputs, column: &Column, at: usize, row: usize) -> String {
    let shown = match inputs {
        Inputs::Floats(numbers) => Some(short_number(numbers[[row, at]].into())),
        Inputs::Table(Table { columns, .. }) if let Cells::Numeric(cells) = &columns[at] => {
            cells[row].map(|value| short_number(value.into()))
        }
        _ => inputs.text(row, at, &column.kind),
    };
    shown.map_or_else(|| "<i>missing</i>".into(), |text: String| name(&text))
}

/// The share of the items whose cell is the same, or of a quantity at least as far out on its side, both sides counted.
fn usualness(inputs: &Inputs, at: usize, row: usize) -> f64 {
    fn same<T: PartialEq>(cells: &[T], row: usize) -> f64 {
        cells.iter().filter(|cell| **cell == cells[row]).count() as f64 / cells.len() as f64
    }
    fn tail(values: impl Iterator<Item = f64> + Clone, value: f64) -> f64 {
        let n = values.clone().count() as f64;
        let (below, above) =
            values.fold((0.0, 0.0), |(below, above), v| (below + f64::from(v <= value), above + f64::from(v >= value)));
        (2.0 * f64::min(below, above) / n).min(1.0)
    }
    match inputs {
        Inputs::Bytes(numbers) => tail(numbers.column(at).iter().map(|&v| v.into()), numbers[[row, at]].into()),
        Inputs::Words(numbers) => tail(numbers.column(at).iter().map(|&v| v.into()), numbers[[row, at]].into()),
        Inputs::Floats(numbers) => tail(numbers.column(at).iter().map(|&v| v.into()), numbers[[row, at]].into()),
        Inputs::Table(table) => match &table.columns[at] {
            Cells::Numeric(cells) => match cells[row] {
                Some(value) => tail(cells.iter().flatten().map(|&v| v.into()), value.into()),
                None => same(cells, row),
            },
            Cells::YesNo(cells) => same(cells, row),
            Cells::Category(cells) => same(cells, row),
        },
    }
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::Schema;
    use halfmoon_pool::dataset::{Ids, Table};
    use ndarray::Array2;

    use halfmoon_pool::dataset::ColumnKind;

    use super::*;

    fn column(name: &str, kind: ColumnKind) -> Column {
        Column { name: name.into(), kind }
    }

    fn items(inputs: Inputs, columns: Vec<Column>) -> Dataset {
        let rows = inputs.rows();
        let schema = Schema { classes: vec!["a".into()], features: Features::Columns(columns) };
        Dataset { schema, inputs, labels: vec![None; rows], ids: Ids::first(rows) }
    }

    #[test]
    fn cells_are_shown_in_the_words_of_the_file() {
        let table = Table {
            rows: 2,
            columns: vec![
                Cells::Numeric(vec![Some(1.5), None]),
                Cells::YesNo(vec![Some(true), Some(false)]),
                Cells::Category(vec![Some(1), None]),
            ],
        };
        let kinds = vec![
            column("<size>", ColumnKind::Numeric),
            column("barks", ColumnKind::YesNo { no: "nein".into(), yes: "ja".into() }),
            column("food", ColumnKind::Category { values: vec!["fish".into(), "a & b".into()] }),
        ];
        let items = items(Inputs::Table(table), kinds);
        let mut gallery = Gallery::new("g", &items);
        let first = gallery.show(0);
        for part in ["<bdi>&lt;size&gt;</bdi>", "<bdi>1.5</bdi>", "<bdi>ja</bdi>", "<bdi>a &amp; b</bdi>"] {
            assert!(first.contains(part), "{part} is not in {first}");
        }
        assert_eq!(gallery.show(1).matches("<i>missing</i>").count(), 2);
        assert_eq!(gallery.finish(), "");
    }

    #[test]
    fn of_many_cells_the_least_usual_are_shown() {
        // In row 0 all columns are as in the other rows, but column 17.
        let mut numbers = Array2::<f32>::ones((50, 30));
        numbers[[0, 17]] = 9.0;
        let columns = (0..30).map(|n| column(&format!("c{n}"), ColumnKind::Numeric)).collect();
        let items = items(Inputs::Floats(numbers), columns);
        let shown = Gallery::new("g", &items).show(0);
        assert!(shown.starts_with("<dl class=\"cells\"><div><dt><bdi>c17</bdi></dt><dd><bdi>9</bdi>"), "{shown}");
        assert_eq!(shown.matches("<dt>").count(), CELLS);
        assert!(shown.contains("the least usual of 30 cells"));
    }

    #[test]
    fn an_item_without_features_shows_nothing() {
        let items = items(Inputs::Table(Table { rows: 1, columns: vec![] }), vec![]);
        assert_eq!(Gallery::new("g", &items).show(0), "");
    }
}
