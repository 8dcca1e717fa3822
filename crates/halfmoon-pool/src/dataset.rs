//! Items, their labels and what is known of their features.

use ndarray::{Array2, Axis, concatenate};
use serde::{Deserialize, Serialize};

/// Index of a class in [`Schema::classes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Class(pub u16);

impl Class {
    /// The index, for slices.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Items with the labels that somebody gave to some of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// What the features and the classes are.
    pub schema: Schema,
    /// One row an item.
    pub inputs: Inputs,
    /// `None`: nobody has said yet.
    pub labels: Vec<Option<Class>>,
    /// How the user knows the items.
    pub ids: Ids,
}

/// The names of the classes and the shape or the columns of an input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// In the order that [`Class`] counts.
    pub classes: Vec<String>,
    /// What one input consists of.
    pub features: Features,
}

/// What one input consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Features {
    /// Pixels, row by row, channels innermost.
    Image(ImageShape),
    /// Columns, in the order of [`Table::columns`] or of the columns of [`Inputs::Floats`].
    Columns(Vec<Column>),
}

/// Size of every picture of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ImageShape {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// 1 grey, 3 red-green-blue.
    pub channels: usize,
    /// The value that stands for full brightness: 255 for bytes, 65,535 for 16 bits, 16 for `digits`.
    pub white: f32,
}

impl ImageShape {
    /// Numbers in one picture.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// A picture without a pixel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// From the header, or its number counted from 1 where there is no header.
    pub name: String,
    /// How its values are meant.
    pub kind: ColumnKind,
}

/// How the values of a column are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// A quantity.
    Numeric,
    /// One of two words that say no and yes.
    YesNo {
        /// The text that means 0.
        no: String,
        /// The text that means 1.
        yes: String,
    },
    /// One of several names without an order.
    Category {
        /// The names, in the order of their codes.
        values: Vec<String>,
    },
}

impl ColumnKind {
    /// As the user types it: `numeric`, `yes_no`, `category`.
    pub fn name(&self) -> &'static str {
        match self {
            ColumnKind::Numeric => "numeric",
            ColumnKind::YesNo { .. } => "yes_no",
            ColumnKind::Category { .. } => "category",
        }
    }
}

/// The items' numbers, in the smallest type they came in.
#[derive(Debug, Clone, PartialEq)]
pub enum Inputs {
    /// 8-bit pixels: `[item, pixel]`.
    Bytes(Array2<u8>),
    /// 16-bit pixels: `[item, pixel]`.
    Words(Array2<u16>),
    /// Pixels or columns of an array file, all finite: `[item, feature]`.
    Floats(Array2<f32>),
    /// Columns of a table, which may have gaps.
    Table(Table),
}

/// A table by columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Number of items; a table without feature columns still has items.
    pub rows: usize,
    /// In the schema's order, each `rows` long.
    pub columns: Vec<Cells>,
}

/// One column's values. `None`: missing in the file (or infinite, which counts as missing).
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Finite quantities.
    Numeric(Vec<Option<f32>>),
    /// Yes is `true`.
    YesNo(Vec<Option<bool>>),
    /// Codes into [`ColumnKind::Category`]'s values.
    Category(Vec<Option<u32>>),
}

impl Cells {
    fn bytes(&self, take: &mut dyn FnMut(&[u8])) {
        match self {
            Cells::Numeric(cells) => cells.iter().for_each(|cell| take(&cell.unwrap_or(f32::NAN).to_le_bytes())),
            Cells::YesNo(cells) => cells.iter().for_each(|cell| take(&[cell.map_or(2, u8::from)])),
            Cells::Category(cells) => cells.iter().for_each(|cell| take(&cell.unwrap_or(u32::MAX).to_le_bytes())),
        }
    }

    fn chain(&self, others: &Cells) -> Option<Cells> {
        match (self, others) {
            (Cells::Numeric(a), Cells::Numeric(b)) => Some(Cells::Numeric([&a[..], b].concat())),
            (Cells::YesNo(a), Cells::YesNo(b)) => Some(Cells::YesNo([&a[..], b].concat())),
            (Cells::Category(a), Cells::Category(b)) => Some(Cells::Category([&a[..], b].concat())),
            _ => None,
        }
    }

    /// The cells of these rows.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Cells {
        fn pick<T: Copy>(cells: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&row| cells[row]).collect()
        }
        match self {
            Cells::Numeric(cells) => Cells::Numeric(pick(cells, rows)),
            Cells::YesNo(cells) => Cells::YesNo(pick(cells, rows)),
            Cells::Category(cells) => Cells::Category(pick(cells, rows)),
        }
    }
}

impl Inputs {
    /// Number of items.
    pub fn rows(&self) -> usize {
        match self {
            Inputs::Bytes(pixels) => pixels.nrows(),
            Inputs::Words(pixels) => pixels.nrows(),
            Inputs::Floats(numbers) => numbers.nrows(),
            Inputs::Table(table) => table.rows,
        }
    }

    /// Passes every number's bytes to `take`, in pieces: for a fingerprint.
    pub fn bytes(&self, take: &mut dyn FnMut(&[u8])) {
        match self {
            Inputs::Bytes(pixels) => pixels.rows().into_iter().for_each(|row| take(&row.to_vec())),
            Inputs::Words(pixels) => bytes_of_rows(pixels, u16::to_le_bytes, take),
            Inputs::Floats(numbers) => bytes_of_rows(numbers, f32::to_le_bytes, take),
            Inputs::Table(table) => table.columns.iter().for_each(|cells| cells.bytes(take)),
        }
    }

    /// The items of these positions, which ascend, without a second copy of the numbers.
    #[must_use]
    pub fn keep(self, rows: &[usize]) -> Inputs {
        match self {
            Inputs::Bytes(pixels) => Inputs::Bytes(keep(pixels, rows)),
            Inputs::Words(pixels) => Inputs::Words(keep(pixels, rows)),
            Inputs::Floats(numbers) => Inputs::Floats(keep(numbers, rows)),
            Inputs::Table(Table { columns, .. }) => Inputs::Table(Table {
                rows: rows.len(),
                columns: columns.into_iter().map(|cells| cells.select(rows)).collect(),
            }),
        }
    }

    /// The items of one behind those of the other. `None` where they are of different types or widths.
    pub fn chain(&self, others: &Inputs) -> Option<Inputs> {
        fn rows<T: Copy>(a: &Array2<T>, b: &Array2<T>) -> Option<Array2<T>> {
            concatenate(Axis(0), &[a.view(), b.view()]).ok()
        }
        match (self, others) {
            (Inputs::Bytes(a), Inputs::Bytes(b)) => rows(a, b).map(Inputs::Bytes),
            (Inputs::Words(a), Inputs::Words(b)) => rows(a, b).map(Inputs::Words),
            (Inputs::Floats(a), Inputs::Floats(b)) => rows(a, b).map(Inputs::Floats),
            (Inputs::Table(a), Inputs::Table(b)) if a.columns.len() == b.columns.len() => {
                let columns = a.columns.iter().zip(&b.columns).map(|(a, b)| a.chain(b));
                Some(Inputs::Table(Table { rows: a.rows + b.rows, columns: columns.collect::<Option<_>>()? }))
            }
            _ => None,
        }
    }

    /// The items of these positions, in this order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Inputs {
        match self {
            Inputs::Bytes(pixels) => Inputs::Bytes(pixels.select(Axis(0), rows)),
            Inputs::Words(pixels) => Inputs::Words(pixels.select(Axis(0), rows)),
            Inputs::Floats(numbers) => Inputs::Floats(numbers.select(Axis(0), rows)),
            Inputs::Table(table) => Inputs::Table(Table {
                rows: rows.len(),
                columns: table.columns.iter().map(|cells| cells.select(rows)).collect(),
            }),
        }
    }

    /// A cell in the words of the file; of a picture the number of a pixel. `None` where it is missing.
    pub fn text(&self, row: usize, column: usize, kind: &ColumnKind) -> Option<String> {
        match self {
            Inputs::Bytes(numbers) => Some(numbers[[row, column]].to_string()),
            Inputs::Words(numbers) => Some(numbers[[row, column]].to_string()),
            Inputs::Floats(numbers) => Some(numbers[[row, column]].to_string()),
            Inputs::Table(table) => match (&table.columns[column], kind) {
                (Cells::Numeric(cells), _) => cells[row].map(|number| number.to_string()),
                (Cells::YesNo(cells), ColumnKind::YesNo { no, yes }) => {
                    cells[row].map(|is_yes| if is_yes { yes.clone() } else { no.clone() })
                }
                (Cells::YesNo(cells), _) => cells[row].map(|is_yes| is_yes.to_string()),
                (Cells::Category(cells), ColumnKind::Category { values }) => values.get(cells[row]? as usize).cloned(),
                (Cells::Category(cells), _) => cells[row].map(|code| code.to_string()),
            },
        }
    }
}

/// The bytes of each row, of `N` bytes a number.
fn bytes_of_rows<T: Copy, const N: usize>(
    numbers: &Array2<T>,
    bytes: impl Fn(T) -> [u8; N],
    take: &mut dyn FnMut(&[u8]),
) {
    let mut row_bytes = vec![[0; N]; numbers.ncols()];
    for row in numbers.rows() {
        row_bytes.iter_mut().zip(row).for_each(|(to, &number)| *to = bytes(number));
        take(row_bytes.as_flattened());
    }
}

/// Rows moved up in place.
fn keep<T: Copy>(numbers: Array2<T>, rows: &[usize]) -> Array2<T> {
    assert!(rows.is_sorted(), "rows ascend");
    let width = numbers.ncols();
    if !numbers.is_standard_layout() {
        return numbers.select(Axis(0), rows);
    }
    let (mut cells, offset) = numbers.into_raw_vec_and_offset();
    let offset = offset.unwrap_or(0);
    for (to, from) in rows.iter().enumerate() {
        cells.copy_within(offset + from * width..offset + (from + 1) * width, to * width);
    }
    cells.truncate(rows.len() * width);
    cells.shrink_to_fit();
    Array2::from_shape_vec((rows.len(), width), cells).expect("whole rows were kept")
}

/// How the user knows the items: what `predict` writes into the column `id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ids {
    /// By position in the file, counted from 1.
    Positions(Vec<u64>),
    /// By name, such as a path relative to the data's folder, or what a column `id` says.
    Names(Vec<String>),
}

impl Ids {
    /// The id of the item at this position (which counts from 0).
    pub fn get(&self, position: usize) -> String {
        match self {
            Ids::Positions(positions) => positions[position].to_string(),
            Ids::Names(names) => names[position].clone(),
        }
    }

    /// The first `rows` positions of a file.
    pub fn first(rows: usize) -> Ids {
        Ids::Positions((1..=rows as u64).collect())
    }

    /// The ids of these positions (which count from 0), in this order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Ids {
        match self {
            Ids::Positions(positions) => Ids::Positions(rows.iter().map(|&row| positions[row]).collect()),
            Ids::Names(names) => Ids::Names(rows.iter().map(|&row| names[row].clone()).collect()),
        }
    }
}

impl Dataset {
    /// Number of items.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// No items at all.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The items of these positions, in this order. Ids keep naming the items of the file.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Dataset {
        Dataset {
            schema: self.schema.clone(),
            inputs: self.inputs.select(rows),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            ids: self.ids.select(rows),
        }
    }

    /// The items of these positions, which ascend, without a second copy of the numbers.
    #[must_use]
    pub fn keep(self, rows: &[usize]) -> Dataset {
        Dataset {
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            ids: self.ids.select(rows),
            inputs: self.inputs.keep(rows),
            schema: self.schema,
        }
    }

    /// Positions of the items that have a label.
    pub fn labelled(&self) -> Vec<usize> {
        (0..self.len()).filter(|&row| self.labels[row].is_some()).collect()
    }

    /// Labelled items of each class.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.schema.classes.len()];
        for class in self.labels.iter().flatten() {
            counts[class.index()] += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn rows_are_kept_in_place() {
        let all = Inputs::Floats(array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]);
        assert_eq!(all.clone().keep(&[1, 3]), all.select(&[1, 3]));
        assert_eq!(all.clone().keep(&[]).rows(), 0);
        assert_eq!(Inputs::Bytes(array![[1, 2, 3]].reversed_axes()).keep(&[0, 2]), Inputs::Bytes(array![[1], [3]]));
    }

    #[test]
    fn items_of_one_type_and_width_are_chained() {
        let floats = |rows: Array2<f32>| Inputs::Floats(rows);
        let (a, b) = (floats(array![[1.0, 2.0]]), floats(array![[3.0, 4.0], [5.0, 6.0]]));
        assert_eq!(a.chain(&b), Some(floats(array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])));
        assert_eq!(a.chain(&floats(array![[1.0]])), None, "another width");
        assert_eq!(a.chain(&Inputs::Bytes(array![[1, 2]])), None, "another type");
        let table = |cells: Cells, rows| Inputs::Table(Table { rows, columns: vec![cells] });
        let (a, b) = (table(Cells::Category(vec![Some(0), None]), 2), table(Cells::Category(vec![Some(1)]), 1));
        assert_eq!(a.chain(&b), Some(table(Cells::Category(vec![Some(0), None, Some(1)]), 3)));
        assert_eq!(a.chain(&table(Cells::YesNo(vec![None]), 1)), None);
        let empty = |rows| Inputs::Table(Table { rows, columns: vec![] });
        assert_eq!(empty(2).chain(&empty(3)), Some(empty(5)));
    }

    #[test]
    fn the_bytes_for_a_fingerprint_are_those_of_the_numbers_row_by_row() {
        let mut bytes = Vec::new();
        Inputs::Words(array![[1, 256], [2, 0]]).bytes(&mut |some| bytes.extend_from_slice(some));
        assert_eq!(bytes, [1, 0, 0, 1, 2, 0, 0, 0]);
    }
}
