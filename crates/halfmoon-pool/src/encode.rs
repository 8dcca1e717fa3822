//! Items to the numbers that a model sees.
//!
//! An [`Encoding`] is fitted once, on all training items, labelled or not: what is typical of an
//! input needs no label. Items to judge on are encoded by it but have no say in it.

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayViewMut1, ArrayViewMut2, Axis};
use serde::{Deserialize, Serialize};

use crate::dataset::{Cells, Column, ColumnKind, Dataset, Features, ImageShape, Inputs, Table};

/// What a model's input consists of, in this order: numeric columns (a Gaussian each), yes/no columns
/// (a Bernoulli each), one block of columns for each category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// Columns of standardised quantities.
    pub numeric: usize,
    /// Columns of values from 0 to 1.
    pub yes_no: usize,
    /// Columns of each block; in a row of a block at most one column is 1, the others are 0.
    pub categories: Vec<usize>,
    /// For models that need to know which columns are neighbours.
    pub image: Option<ImageShape>,
}

impl Layout {
    /// Columns in all.
    pub fn width(&self) -> usize {
        self.numeric + self.yes_no + self.categories.iter().sum::<usize>()
    }
}

/// How pixels are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Pixels {
    /// Shares of white from 0 to 1, as yes/no columns: x / white. Values outside are clipped.
    #[default]
    Grey,
    /// Quantities, as numeric columns: (x / white − mean) / sd, with one mean and sd of all pixels.
    Gaussian,
}

/// How inputs become numbers, and what the training data had to say about it.
///
/// | column | encoded as |
/// |---|---|
/// | numeric | (x − mean) / sd, gaps being filled with the median first; sd is 1 if x never varies |
/// | yes/no | 0 or 1, gaps being filled with the more frequent of the two (a tie: 0) |
/// | category | a 1 in the column of its value; all 0 for a value that training never saw |
/// | of an array, and never varies | not at all; the first column stays where that is so of all |
///
/// Where training had gaps, a model is told of them: a numeric or yes/no column gets a yes/no column
/// of its own, 1 for missing, after those of the table and in the same order; a category gets a
/// last column in its block. Where training had none, a gap later on leaves no other trace than the
/// filling, or all 0.
///
/// Standardised values beyond ±10,000 count as that, so that no square overflows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Encoding {
    notes: Vec<String>,
    plan: Plan,
}

impl Encoding {
    /// Learns from all rows of the training data, labelled and unlabelled; `pixels` matters for
    /// pictures only.
    pub fn fit(dataset: &Dataset, pixels: Pixels) -> Encoding {
        let mut notes = vec![];
        let plan = match (&dataset.schema.features, &dataset.inputs) {
            (Features::Image(shape), Inputs::Bytes(x)) => fit_image(*shape, pixels, x, &mut notes),
            (Features::Image(shape), Inputs::Words(x)) => fit_image(*shape, pixels, x, &mut notes),
            (Features::Image(shape), Inputs::Floats(x)) => fit_image(*shape, pixels, x, &mut notes),
            (Features::Columns(columns), Inputs::Table(table)) => {
                let fit_one =
                    |(column, cells): (&Column, &Cells)| fit_column(&column.name, &column.kind, cells, &mut notes);
                Plan::Columns(columns.iter().zip(&table.columns).map(fit_one).collect())
            }
            (Features::Columns(columns), Inputs::Floats(x)) => Plan::Columns(fit_floats(columns, x, &mut notes)),
            (Features::Image(_), Inputs::Table(_)) => panic!("a picture is not a table"),
            (Features::Columns(_), Inputs::Bytes(_) | Inputs::Words(_)) => panic!("{NOT_PIXELS}"),
        };
        Encoding { notes, plan }
    }

    /// What the columns of [`Encoding::encode`] are.
    pub fn layout(&self) -> Layout {
        match &self.plan {
            Plan::Image { shape, standard } => Layout {
                numeric: if standard.is_some() { shape.len() } else { 0 },
                yes_no: if standard.is_some() { 0 } else { shape.len() },
                categories: vec![],
                image: Some(*shape),
            },
            Plan::Columns(columns) => {
                let numeric = columns.iter().filter(|column| matches!(column, Code::Numeric { .. })).count();
                let yes_no = columns.iter().filter(|column| matches!(column, Code::YesNo { .. })).count();
                let gaps = columns.iter().filter(|column| column.tells_gaps()).count();
                let categories = columns.iter().filter_map(Code::block).collect();
                Layout { numeric, yes_no: yes_no + gaps, categories, image: None }
            }
        }
    }

    /// The items at these positions, in this order: `[rows.len(), layout.width()]`.
    ///
    /// `inputs` has the columns, or the picture size, of the data that the encoding was fitted on.
    pub fn encode(&self, inputs: &Inputs, rows: &[usize]) -> Array2<f32> {
        let layout = self.layout();
        let mut encoded = Array2::zeros((rows.len(), layout.width()));
        // Column by column within blocks of rows that fit into the cache.
        for (block, rows) in encoded.axis_chunks_iter_mut(Axis(0), 256).zip(rows.chunks(256)) {
            match (&self.plan, inputs) {
                (Plan::Image { shape, standard }, Inputs::Bytes(x)) => pixels(block, rows, x, *shape, *standard),
                (Plan::Image { shape, standard }, Inputs::Words(x)) => pixels(block, rows, x, *shape, *standard),
                (Plan::Image { shape, standard }, Inputs::Floats(x)) => pixels(block, rows, x, *shape, *standard),
                (Plan::Columns(columns), Inputs::Table(x)) => cells(block, rows, x, columns, &layout),
                (Plan::Columns(columns), Inputs::Floats(x)) => numbers(block, rows, x, columns),
                (Plan::Image { .. }, Inputs::Table(_)) => panic!("a picture is not a table"),
                (Plan::Columns(_), Inputs::Bytes(_) | Inputs::Words(_)) => panic!("{NOT_PIXELS}"),
            }
        }
        encoded
    }

    /// Where in an encoded row each column of a table is, in the schema's order. Empty for pictures.
    pub fn places(&self) -> Vec<Place> {
        match &self.plan {
            Plan::Image { .. } => Vec::new(),
            Plan::Columns(columns) => places(columns, &self.layout()),
        }
    }

    /// What an encoded row says of a column of a table, in the column's own units. `None` where the column never varied.
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
    pub fn cell(&self, row: ArrayView1<f32>, column: usize) -> Option<Cell> {
        let (Plan::Columns(columns), place) = (&self.plan, self.places().into_iter().nth(column)?) else { return None };
        let of = row.slice_axis(Axis(0), place.numbers.into());
        match columns.get(column)? {
            Code::Numeric { standard, .. } => Some(Cell::Number(of[0] * standard.sd + standard.mean)),
            Code::YesNo { .. } => Some(Cell::YesNo(of[0] > 0.5)),
            Code::Category { seen, .. } => {
                let known = of.iter().take(seen.len()).enumerate();
                let (slot, _) = known.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
                Some(Cell::Category(seen[slot]))
            }
            Code::Constant => None,
        }
    }

    /// Encoded pictures as shares of white, 0 to 1 and clipped to that: `[item, pixel]`. `None` for tables.
    pub fn pixels(&self, mut encoded: Array2<f32>) -> Option<Array2<f32>> {
        let Plan::Image { standard, .. } = &self.plan else { return None };
        if let Some(Standard { mean, sd }) = standard {
            encoded.mapv_inplace(|x| x * sd + mean);
        }
        Some(encoded.mapv_into(|share| share.clamp(0.0, 1.0)))
    }

    /// Encoded rows as they are once they are written down and read again: pixels in 255 steps from black to white, each yes/no column yes or no, each
    /// category the one of its values that is largest, no gap anywhere.
    pub fn settled(&self, mut rows: Array2<f32>) -> Array2<f32> {
        let byte = |share: f32| (share.clamp(0.0, 1.0) * 255.0).round() / 255.0;
        match &self.plan {
            Plan::Image { standard: None, .. } => rows.mapv_inplace(byte),
            Plan::Image { standard: Some(standard), .. } => {
                rows.mapv_inplace(|x| standard.of(byte(x * standard.sd + standard.mean)));
            }
            Plan::Columns(columns) => {
                for (code, Place { numbers, gap }) in columns.iter().zip(self.places()) {
                    for mut row in rows.rows_mut() {
                        if let Some(gap) = gap {
                            row[gap] = 0.0;
                        }
                        let mut of = row.slice_axis_mut(Axis(0), numbers.clone().into());
                        match code {
                            Code::Numeric { .. } | Code::Constant => {}
                            Code::YesNo { .. } => of[0] = one_if(of[0] > 0.5),
                            Code::Category { seen, .. } => {
                                let known = of.iter().take(seen.len()).enumerate();
                                let largest = known.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(slot, _)| slot);
                                of.fill(0.0);
                                if let Some(slot) = largest {
                                    of[slot] = 1.0;
                                }
                            }
                        }
                    }
                }
            }
        }
        rows
    }

    /// What a reader should know of the training data: how gaps were filled, which columns tell
    /// nothing. One sentence each.
    pub fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

/// Where in an encoded row a column of a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it is encoded as; empty for a column that never varied.
    pub numbers: Range<usize>,
    /// What says that it has a gap, where the training data had gaps. A category's is the last of its numbers.
    pub gap: Option<usize>,
}

/// A cell of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    /// A quantity.
    Number(f32),
    /// Yes is `true`.
    YesNo(bool),
    /// A code into the column's values.
    Category(u32),
}

const NOT_PIXELS: &str = "columns of numbers come as floats";
const OTHER_COLUMNS: &str = "the inputs have the columns that the encoding was fitted on";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Plan {
    /// Grey pixels where there is nothing to standardise with.
    Image { shape: ImageShape, standard: Option<Standard> },
    /// In the schema's order.
    Columns(Vec<Code>),
}

/// How one column is encoded. `missing` counts its gaps in the training data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Code {
    Numeric {
        fill: f32,
        standard: Standard,
        missing: usize,
    },
    YesNo {
        fill: bool,
        missing: usize,
    },
    /// Not at all, since it never varied.
    Constant,
    /// `seen`: the codes that occur, ascending; a value's place here is its column in the block.
    Category {
        seen: Vec<u32>,
        missing: usize,
    },
}

impl Code {
    /// Whether a yes/no column says where this column has gaps.
    fn tells_gaps(&self) -> bool {
        matches!(self, Code::Numeric { missing, .. } | Code::YesNo { missing, .. } if *missing > 0)
    }

    /// Columns of a category's block.
    fn block(&self) -> Option<usize> {
        match self {
            Code::Category { seen, missing } => Some(seen.len() + usize::from(*missing > 0)),
            _ => None,
        }
    }
}

/// x to (x − mean) / sd. In f32, which text formats give back digit by digit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Standard {
    mean: f32,
    sd: f32,
}

impl Standard {
    /// `None` when the values are all the same, or there are none.
    #[allow(clippy::cast_possible_truncation)] // the mean of f32 values lies between them
    #[allow(clippy::float_cmp)] // exactly equal is what is meant
    fn fit(values: impl Iterator<Item = f32> + Clone) -> Option<Standard> {
        let first = values.clone().next()?;
        // Not by sd = 0: the mean of many equal values is not exactly their value.
        if values.clone().all(|x| x == first) {
            return None;
        }
        let (n, sum) = values.clone().fold((0.0, 0.0), |(n, sum), x| (n + 1.0, sum + f64::from(x)));
        let mean: f64 = sum / n;
        let variance = values.map(|x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
        // Values that differ, but by less than the smallest float, are no reason to divide by 0.
        Some(Standard { mean: mean as f32, sd: (variance.sqrt() as f32).max(f32::MIN_POSITIVE) })
    }

    #[allow(clippy::cast_possible_truncation)] // clamped
    fn of(self, x: f32) -> f32 {
        ((f64::from(x) - f64::from(self.mean)) / f64::from(self.sd)).clamp(-1e4, 1e4) as f32
    }
}

fn fit_image<T: Copy + Into<f32>>(shape: ImageShape, pixels: Pixels, x: &Array2<T>, notes: &mut Vec<String>) -> Plan {
    let shares = x.iter().map(|&x| x.into() / shape.white);
    let standard = match pixels {
        Pixels::Grey => {
            let outside = shares.filter(|share| !(0.0..=1.0).contains(share)).count();
            if outside > 0 {
                notes.push(format!("{outside} pixels are outside 0 to {}, which is white: clipped", shape.white));
            }
            None
        }
        Pixels::Gaussian => Some(Standard::fit(shares.clone()).unwrap_or_else(|| {
            notes.push("all pixels have the same value".into());
            Standard { mean: shares.clone().next().unwrap_or(0.0), sd: 1.0 }
        })),
    };
    Plan::Image { shape, standard }
}

fn fit_column(name: &str, kind: &ColumnKind, cells: &Cells, notes: &mut Vec<String>) -> Code {
    match (kind, cells) {
        (ColumnKind::Numeric, Cells::Numeric(cells)) => fit_numeric(name, cells.iter().copied(), notes),
        (ColumnKind::YesNo { no, yes }, Cells::YesNo(cells)) => {
            let ayes = cells.iter().filter(|&&cell| cell == Some(true)).count();
            let missing = cells.iter().filter(|cell| cell.is_none()).count();
            let fill = 2 * ayes > cells.len() - missing;
            if missing > 0 {
                notes.push(format!("{name}: {missing} missing, filled with `{}`", if fill { yes } else { no }));
            }
            Code::YesNo { fill, missing }
        }
        (ColumnKind::Category { values }, Cells::Category(cells)) => {
            let mut occurs = vec![false; values.len()];
            for &value in cells.iter().flatten() {
                occurs[value as usize] = true;
            }
            let missing = cells.iter().filter(|cell| cell.is_none()).count();
            if missing > 0 {
                notes.push(format!("{name}: {missing} missing, which counts as a value of its own"));
            }
            let seen = (0..).zip(&occurs).filter_map(|(value, &occurs)| occurs.then_some(value)).collect();
            Code::Category { seen, missing }
        }
        _ => panic!("a column's cells are of the kind that the schema says"),
    }
}

fn fit_numeric(name: &str, cells: impl Iterator<Item = Option<f32>> + Clone, notes: &mut Vec<String>) -> Code {
    let missing = cells.clone().filter(Option::is_none).count();
    let median = median(cells.clone().flatten().collect());
    if missing > 0 {
        notes.push(match median {
            Some(median) => format!("{name}: {missing} missing, filled with the median {median}"),
            None => format!("{name}: no value at all, all 0"),
        });
    }
    // Also where none is missing: new data may have a gap.
    let fill = median.unwrap_or(0.0);
    let standard = Standard::fit(cells.map(|cell| cell.unwrap_or(fill))).unwrap_or_else(|| {
        if median.is_some() || missing == 0 {
            notes.push(format!("{name}: always {fill}, tells nothing"));
        }
        Standard { mean: fill, sd: 1.0 }
    });
    Code::Numeric { fill, standard, missing }
}

/// The columns of an array, row by row in two passes: a column's numbers lie far apart.
#[allow(clippy::cast_possible_truncation)] // the mean of f32 values lies between them
#[allow(clippy::float_cmp)] // exactly equal is what is meant
fn fit_floats(columns: &[Column], x: &Array2<f32>, notes: &mut Vec<String>) -> Vec<Code> {
    let Some(first) = (x.nrows() > 0).then(|| x.row(0).to_vec()) else {
        let of_nothing = Code::Numeric { fill: 0.0, standard: Standard { mean: 0.0, sd: 1.0 }, missing: 0 };
        return vec![of_nothing; columns.len()];
    };
    let n = x.nrows() as f64;
    let (mut varies, mut sums) = (vec![false; columns.len()], vec![0.0; columns.len()]);
    for row in x.rows() {
        for (((sum, varies), first), x) in sums.iter_mut().zip(&mut varies).zip(&first).zip(row) {
            *sum += f64::from(*x);
            *varies |= x != first;
        }
    }
    let means: Vec<f64> = sums.into_iter().map(|sum: f64| sum / n).collect();
    let mut squares = vec![0.0; columns.len()];
    for row in x.rows() {
        for ((square, mean), x) in squares.iter_mut().zip(&means).zip(row) {
            *square += (f64::from(*x) - mean).powi(2);
        }
    }
    let constant: Vec<&str> =
        columns.iter().zip(&varies).filter(|(_, varies)| !**varies).map(|(column, _)| column.name.as_str()).collect();
    if !constant.is_empty() {
        let of = format!("{} of {} columns never vary and tell nothing", constant.len(), columns.len());
        let more = if constant.len() > 8 { ", …" } else { "" };
        notes.push(format!("{of}: {}{more}", constant[..constant.len().min(8)].join(", ")));
    }
    let code = |at: usize| {
        let standard = if varies[at] {
            Standard { mean: means[at] as f32, sd: ((squares[at] / n).sqrt() as f32).max(f32::MIN_POSITIVE) }
        } else if at == 0 && constant.len() == columns.len() {
            Standard { mean: first[at], sd: 1.0 }
        } else {
            return Code::Constant;
        };
        Code::Numeric { fill: first[at], standard, missing: 0 }
    };
    (0..columns.len()).map(code).collect()
}

/// The middle value, or the mean of the two in the middle; `None` of nothing.
fn median(mut values: Vec<f32>) -> Option<f32> {
    if values.is_empty() {
        return None;
    }
    let half = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(half, f32::total_cmp);
    let lower = if even { below.iter().copied().max_by(f32::total_cmp)? } else { upper };
    Some(lower.midpoint(upper))
}

fn pixels<T: Copy + Into<f32>>(
    mut encoded: ArrayViewMut2<f32>,
    rows: &[usize],
    x: &Array2<T>,
    shape: ImageShape,
    standard: Option<Standard>,
) {
    let white = shape.white;
    for (mut line, &row) in encoded.rows_mut().into_iter().zip(rows) {
        match standard {
            None => line.zip_mut_with(&x.row(row), |to, &x| *to = (x.into() / white).clamp(0.0, 1.0)),
            Some(standard) => line.zip_mut_with(&x.row(row), |to, &x| *to = standard.of(x.into() / white)),
        }
    }
}

fn numbers(mut encoded: ArrayViewMut2<f32>, rows: &[usize], x: &Array2<f32>, columns: &[Code]) {
    assert_eq!(columns.len(), x.ncols(), "{OTHER_COLUMNS}");
    let standard_of = |(at, code): (usize, &Code)| match code {
        Code::Numeric { standard, .. } => Some((at, *standard)),
        Code::Constant => None,
        _ => panic!("{OTHER_COLUMNS}"),
    };
    let standards: Vec<(usize, Standard)> = columns.iter().enumerate().filter_map(standard_of).collect();
    for (mut line, &row) in encoded.rows_mut().into_iter().zip(rows) {
        let x = x.row(row);
        for (to, (at, standard)) in line.iter_mut().zip(&standards) {
            *to = standard.of(x[*at]);
        }
    }
}

fn cells(mut encoded: ArrayViewMut2<f32>, rows: &[usize], table: &Table, columns: &[Code], layout: &Layout) {
    assert_eq!(columns.len(), table.columns.len(), "{OTHER_COLUMNS}");
    for ((code, place), cells) in columns.iter().zip(places(columns, layout)).zip(&table.columns) {
        let Place { numbers, gap } = place;
        match (code, cells) {
            (Code::Numeric { fill, standard, .. }, Cells::Numeric(cells)) => {
                let known = |row: usize| standard.of(cells[row].unwrap_or(*fill));
                write(encoded.column_mut(numbers.start), rows, known);
                if let Some(gap) = gap {
                    write(encoded.column_mut(gap), rows, |row| one_if(cells[row].is_none()));
                }
            }
            (Code::YesNo { fill, .. }, Cells::YesNo(cells)) => {
                write(encoded.column_mut(numbers.start), rows, |row| one_if(cells[row].unwrap_or(*fill)));
                if let Some(gap) = gap {
                    write(encoded.column_mut(gap), rows, |row| one_if(cells[row].is_none()));
                }
            }
            (Code::Category { seen, missing }, Cells::Category(cells)) => {
                for (line, &row) in rows.iter().enumerate() {
                    let slot = match cells[row] {
                        Some(value) => seen.binary_search(&value).ok(),
                        None => (*missing > 0).then_some(seen.len()),
                    };
                    if let Some(slot) = slot {
                        encoded[[line, numbers.start + slot]] = 1.0;
                    }
                }
            }
            (Code::Constant, _) => {}
            _ => panic!("{OTHER_COLUMNS}"),
        }
    }
}

/// Where each column is: numbers first, then what is yes or no, then where there are gaps, then a block a category.
fn places(columns: &[Code], layout: &Layout) -> Vec<Place> {
    let (mut numeric, mut yes_no) = (0, layout.numeric);
    let mut gap = yes_no + columns.iter().filter(|code| matches!(code, Code::YesNo { .. })).count();
    let mut block = layout.numeric + layout.yes_no;
    let mut next = |code: &Code| {
        let (at, width) = match code {
            Code::Numeric { .. } => (&mut numeric, 1),
            Code::YesNo { .. } => (&mut yes_no, 1),
            Code::Constant => return Place { numbers: 0..0, gap: None },
            Code::Category { .. } => (&mut block, code.block().unwrap_or(0)),
        };
        let numbers = *at..*at + width;
        *at += width;
        let own = code.tells_gaps().then_some(gap);
        gap += usize::from(code.tells_gaps());
        Place { numbers, gap: own }
    };
    columns.iter().map(&mut next).collect()
}

fn write(column: ArrayViewMut1<f32>, rows: &[usize], value: impl Fn(usize) -> f32) {
    for (to, &row) in column.into_iter().zip(rows) {
        *to = value(row);
    }
}

fn one_if(holds: bool) -> f32 {
    f32::from(u8::from(holds))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::dataset::{Ids, Schema};

    fn dataset(features: Features, inputs: Inputs) -> Dataset {
        let rows = inputs.rows();
        Dataset {
            schema: Schema { classes: vec!["no".into(), "yes".into()], features },
            inputs,
            labels: vec![None; rows],
            ids: Ids::first(rows),
        }
    }

    fn table(columns: Vec<(&str, Cells)>) -> Dataset {
        let rows = match &columns[0].1 {
            Cells::Numeric(cells) => cells.len(),
            Cells::YesNo(cells) => cells.len(),
            Cells::Category(cells) => cells.len(),
        };
        let kind = |cells: &Cells| match cells {
            Cells::Numeric(_) => ColumnKind::Numeric,
            Cells::YesNo(_) => ColumnKind::YesNo { no: "no".into(), yes: "yes".into() },
            Cells::Category(_) => ColumnKind::Category { values: ["red", "green", "blue"].map(String::from).to_vec() },
        };
        let schema = columns.iter().map(|(name, cells)| Column { name: (*name).into(), kind: kind(cells) }).collect();
        let columns = columns.into_iter().map(|(_, cells)| cells).collect();
        dataset(Features::Columns(schema), Inputs::Table(Table { rows, columns }))
    }

    #[test]
    fn settled_rows_are_those_that_are_read_again() {
        let data = mixed();
        let encoding = Encoding::fit(&data, Pixels::Grey);
        let rows: Vec<usize> = (0..data.len()).collect();
        let encoded = encoding.encode(&data.inputs, &rows);
        let blurred = encoded.mapv(|x| x * 0.8 + 0.05);
        let settled = encoding.settled(blurred.clone());
        assert_eq!(encoding.settled(settled.clone()), settled, "once is enough");
        let Features::Columns(columns) = &data.schema.features else { panic!("a table") };
        for (row, (was, is)) in blurred.rows().into_iter().zip(settled.rows()).enumerate() {
            for (column, place) in encoding.places().into_iter().enumerate() {
                assert_eq!(encoding.cell(was, column), encoding.cell(is, column), "row {row}, column {column}");
                assert!(place.gap.is_none_or(|gap| is[gap] == 0.0));
                if matches!(columns[column].kind, ColumnKind::Category { .. }) {
                    assert!((is.slice_axis(Axis(0), place.numbers.into()).sum() - 1.0).abs() < 1e-6);
                }
            }
        }
        let shape = ImageShape { height: 1, width: 3, channels: 1, white: 16.0 };
        let picture = dataset(Features::Image(shape), Inputs::Bytes(array![[0, 8, 16]]));
        let settled = Encoding::fit(&picture, Pixels::Grey).settled(array![[-0.2, 0.501, 1.3]]);
        assert_eq!(settled, array![[0.0, 128.0 / 255.0, 1.0]]);
        let standardised = Encoding::fit(&picture, Pixels::Gaussian);
        let settled = standardised.settled(array![[-9.0, 0.0, 9.0]]);
        let shares = standardised.pixels(settled).expect("pictures have pixels");
        assert!((&shares - &array![[0.0, 128.0 / 255.0, 1.0]]).iter().all(|off| off.abs() < 1e-5), "{shares}");
    }

    /// Every kind of column, with and without gaps.
    fn mixed() -> Dataset {
        table(vec![
            ("colour", Cells::Category(vec![Some(2), Some(0), None, Some(2)])),
            ("vip", Cells::YesNo(vec![Some(true), None, Some(true), Some(false)])),
            ("age", Cells::Numeric(vec![Some(1.0), None, Some(3.0), None])),
            ("size", Cells::Numeric(vec![Some(-1.0), Some(1.0), Some(-1.0), Some(1.0)])),
            ("paid", Cells::YesNo(vec![Some(false), Some(true), Some(true), Some(true)])),
        ])
    }

    fn image(white: f32) -> Features {
        Features::Image(ImageShape { height: 1, width: 2, channels: 1, white })
    }

    fn all(dataset: &Dataset) -> Vec<usize> {
        (0..dataset.len()).collect()
    }

    fn encoded(dataset: &Dataset, pixels: Pixels) -> Array2<f32> {
        Encoding::fit(dataset, pixels).encode(&dataset.inputs, &all(dataset))
    }

    #[test]
    fn columns_come_by_kind_then_gaps_then_blocks() {
        let data = mixed();
        let encoding = Encoding::fit(&data, Pixels::Grey);
        let layout = Layout { numeric: 2, yes_no: 4, categories: vec![3], image: None };
        assert_eq!(encoding.layout(), layout);
        let r = 2.0_f32.sqrt();
        // age is 1 2 3 2 once filled: mean 2, sd √½
        let expected = array![
            // age, size, vip, paid, vip is missing, age is missing, red, blue, colour is missing
            [-r, -1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0],
            [r, -1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
        ];
        let difference = (encoding.encode(&data.inputs, &all(&data)) - expected).mapv(f32::abs).sum();
        assert!(difference < 1e-6, "{difference}");
        assert_eq!(layout.width(), 9);
    }

    #[test]
    fn notes_tell_how_gaps_were_filled() {
        let expected = [
            "colour: 1 missing, which counts as a value of its own",
            "vip: 1 missing, filled with `yes`",
            "age: 2 missing, filled with the median 2",
        ];
        assert_eq!(Encoding::fit(&mixed(), Pixels::Grey).notes(), expected);
    }

    #[test]
    fn the_rows_asked_come_in_the_order_asked() {
        let data = mixed();
        let encoding = Encoding::fit(&data, Pixels::Grey);
        let whole = encoding.encode(&data.inputs, &[0, 1, 2, 3]);
        let some = encoding.encode(&data.inputs, &[3, 1, 3]);
        assert_eq!(some.dim(), (3, 9));
        for (line, row) in [3, 1, 3].into_iter().enumerate() {
            assert_eq!(some.row(line), whole.row(row));
        }
    }

    #[test]
    fn a_fitted_encoding_survives_being_written_and_read() {
        let thirds: Vec<_> = (0_u8..40).map(|i| (i % 7 != 0).then(|| f32::from(i).sqrt() / 3.0)).collect();
        let pictures = dataset(image(255.0), Inputs::Bytes(array![[3, 140], [20, 255], [7, 1]]));
        for data in [mixed(), table(vec![("thirds", Cells::Numeric(thirds))]), pictures] {
            let encoding = Encoding::fit(&data, Pixels::Gaussian);
            let text = serde_json::to_string(&encoding).expect("an encoding holds no map keys but names");
            let read: Encoding = serde_json::from_str(&text).expect("it was just written");
            assert_eq!(read, encoding);
            assert_eq!(read.encode(&data.inputs, &all(&data)), encoding.encode(&data.inputs, &all(&data)));
        }
    }

    #[test]
    fn items_to_judge_on_are_measured_by_the_training_data() {
        let train = table(vec![("age", Cells::Numeric(vec![Some(10.0), Some(30.0)]))]);
        let test = table(vec![("age", Cells::Numeric(vec![Some(40.0), None, Some(20.0)]))]);
        let encoding = Encoding::fit(&train, Pixels::Grey);
        // mean 20, sd 10; a gap gets no column, as training had none
        assert_eq!(encoding.encode(&test.inputs, &[0, 2]), array![[2.0], [0.0]]);
        assert_eq!(encoding.encode(&test.inputs, &[1]).ncols(), 1);
    }

    #[test]
    fn a_gap_that_training_never_had_is_filled_all_the_same() {
        let train = table(vec![
            ("age", Cells::Numeric(vec![Some(7.0), Some(1.0), Some(1.0)])),
            ("vip", Cells::YesNo(vec![Some(true), Some(true), Some(false)])),
            ("colour", Cells::Category(vec![Some(0), Some(1), Some(1)])),
        ]);
        let gaps = Inputs::Table(Table {
            rows: 1,
            columns: vec![Cells::Numeric(vec![None]), Cells::YesNo(vec![None]), Cells::Category(vec![None])],
        });
        // 7 1 1: median 1, mean 3, sd √8
        let row = Encoding::fit(&train, Pixels::Grey).encode(&gaps, &[0]);
        assert!((row[[0, 0]] + 1.0 / 2.0_f32.sqrt()).abs() < 1e-6, "{row}");
        assert_eq!(row.iter().skip(1).copied().collect::<Vec<_>>(), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_value_that_training_never_saw_leaves_its_block_empty() {
        let train = table(vec![("colour", Cells::Category(vec![Some(0), Some(2), Some(0)]))]);
        let encoding = Encoding::fit(&train, Pixels::Grey);
        assert_eq!(encoding.layout().categories, [2]);
        let later = Inputs::Table(Table { rows: 3, columns: vec![Cells::Category(vec![Some(1), Some(9), Some(2)])] });
        assert_eq!(encoding.encode(&later, &[0, 1, 2]), array![[0.0, 0.0], [0.0, 0.0], [0.0, 1.0]]);
    }

    #[test]
    fn constant_and_empty_columns_are_zeros_with_a_note() {
        // 0.1 a thousand times: its mean is not exactly 0.1
        let data =
            table(vec![("same", Cells::Numeric(vec![Some(0.1); 1000])), ("none", Cells::Numeric(vec![None; 1000]))]);
        let encoding = Encoding::fit(&data, Pixels::Grey);
        assert_eq!(encoding.encode(&data.inputs, &[0, 999]), array![[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]);
        assert_eq!(encoding.notes(), ["same: always 0.1, tells nothing", "none: no value at all, all 0"]);
    }

    #[test]
    fn far_away_values_stay_finite() {
        let train = table(vec![("age", Cells::Numeric(vec![Some(10.0), Some(30.0)]))]);
        let far = Inputs::Table(Table { rows: 2, columns: vec![Cells::Numeric(vec![Some(f32::MAX), Some(f32::MIN)])] });
        assert_eq!(Encoding::fit(&train, Pixels::Grey).encode(&far, &[0, 1]), array![[1e4], [-1e4]]);
        let tiny = table(vec![("tiny", Cells::Numeric(vec![Some(0.0), Some(1e-45)]))]);
        assert!(encoded(&tiny, Pixels::Grey).iter().all(|x| x.is_finite()));
        let huge = table(vec![("huge", Cells::Numeric(vec![Some(f32::MAX), Some(f32::MIN)]))]);
        assert_eq!(encoded(&huge, Pixels::Grey), array![[1.0], [-1.0]]);
    }

    #[test]
    fn a_table_without_columns_still_has_rows() {
        let data = dataset(Features::Columns(vec![]), Inputs::Table(Table { rows: 2, columns: vec![] }));
        assert_eq!(encoded(&data, Pixels::Grey).dim(), (2, 0));
    }

    #[test]
    fn columns_of_an_array_are_standardised_like_those_of_a_table() {
        let data = array_of(array![[1.0, 5.0], [3.0, 9.0]]);
        assert_eq!(encoded(&data, Pixels::Gaussian), array![[-1.0, -1.0], [1.0, 1.0]]);
    }

    /// Columns called a, b, …
    fn array_of(numbers: Array2<f32>) -> Dataset {
        let names = ('a'..).take(numbers.ncols());
        let columns = names.map(|name| Column { name: name.into(), kind: ColumnKind::Numeric }).collect();
        dataset(Features::Columns(columns), Inputs::Floats(numbers))
    }

    #[test]
    fn columns_of_an_array_that_never_vary_are_left_out_with_one_note() {
        // 0.1 a thousand times: its mean is not exactly 0.1
        let rows =
            Array2::from_shape_fn((1000, 12), |(row, column)| if column == 1 { f32::from(row % 2 == 0) } else { 0.1 });
        let data = array_of(rows);
        let encoding = Encoding::fit(&data, Pixels::Grey);
        assert_eq!(encoding.layout().width(), 1);
        assert_eq!(encoding.encode(&data.inputs, &[0, 1]), array![[1.0], [-1.0]]);
        assert_eq!(encoding.notes(), ["11 of 12 columns never vary and tell nothing: a, c, d, e, f, g, h, i, …"]);
        // with gaps later on, the array is a table
        let mut columns = vec![Cells::Numeric(vec![Some(7.0)]); 12];
        columns[1] = Cells::Numeric(vec![Some(0.5)]);
        assert_eq!(encoding.encode(&Inputs::Table(Table { rows: 1, columns }), &[0]), array![[0.0]]);
    }

    #[test]
    fn an_array_without_a_column_that_varies_keeps_its_first() {
        let data = array_of(array![[7.0, 5.0], [7.0, 5.0]]);
        assert_eq!(encoded(&data, Pixels::Grey), array![[0.0], [0.0]]);
    }

    #[test]
    fn grey_pixels_are_shares_of_white() {
        let bytes = dataset(image(255.0), Inputs::Bytes(array![[0, 255], [51, 102]]));
        let words = dataset(image(65535.0), Inputs::Words(array![[0, 65535], [13107, 26214]]));
        let floats = dataset(image(16.0), Inputs::Floats(array![[0.0, 16.0], [3.2, 6.4]]));
        for data in [bytes, words, floats] {
            assert_eq!(encoded(&data, Pixels::Grey), array![[0.0, 1.0], [0.2, 0.4]]);
            let layout = Encoding::fit(&data, Pixels::Grey).layout();
            assert_eq!((layout.numeric, layout.yes_no, layout.width()), (0, 2, 2));
        }
    }

    #[test]
    fn pixels_brighter_than_white_are_clipped_with_a_note() {
        let data = dataset(image(1.0), Inputs::Floats(array![[0.5, 1.5], [-0.5, 1.0]]));
        assert_eq!(encoded(&data, Pixels::Grey), array![[0.5, 1.0], [0.0, 1.0]]);
        let notes = Encoding::fit(&data, Pixels::Grey).notes();
        assert_eq!(notes, ["2 pixels are outside 0 to 1, which is white: clipped"]);
    }

    #[test]
    fn gaussian_pixels_share_one_mean_and_one_sd() {
        // 1 1 3 3: mean 2, sd 1, though the first pixel is always 1
        let data = dataset(image(16.0), Inputs::Bytes(array![[16, 48], [16, 48]]));
        assert_eq!(encoded(&data, Pixels::Gaussian), array![[-1.0, 1.0], [-1.0, 1.0]]);
        let layout = Encoding::fit(&data, Pixels::Gaussian).layout();
        assert_eq!((layout.numeric, layout.yes_no), (2, 0));
        let flat = dataset(image(255.0), Inputs::Bytes(array![[7, 7]]));
        assert_eq!(encoded(&flat, Pixels::Gaussian), array![[0.0, 0.0]]);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        assert_eq!(median(vec![9.0, 1.0, 4.0, 2.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 4.0]), Some(4.0));
        assert_eq!(median(vec![]), None);
    }
}
