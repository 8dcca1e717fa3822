//! An array of inputs to pictures or columns, as its shape says.

use ndarray::{Array2, ArrayD, ArrayView1, IxDyn};

use super::raw::{Kind, Numbers, Raw, numbers};
use crate::dataset::{Cells, Column, ColumnKind, Features, ImageShape, Inputs, Table};
use crate::error::Result;
use crate::read::arrays::{brightest, fit_shape};

pub(super) struct Loaded {
    pub(super) inputs: Inputs,
    pub(super) features: Features,
    /// Rows of pictures with a pixel that is no number, and rows of columns without a single number; ascending.
    pub(super) unusable: Vec<usize>,
}

impl Loaded {
    /// Why rows are unusable.
    pub(super) fn reason(&self) -> &'static str {
        match self.features {
            Features::Image(_) => "a pixel is NaN or infinite",
            Features::Columns(_) => "all its numbers are NaN or infinite",
        }
    }
}

/// How the sizes after the first are meant.
enum Layout {
    Picture { height: usize, width: usize, channels: usize, channels_first: bool },
    Columns(usize),
}

pub(super) fn load_inputs(
    mut raw: Raw<'_>,
    labelled: bool,
    wanted: Option<&Features>,
    notes: &mut Vec<String>,
) -> Result<Loaded> {
    if raw.kind.is_text() {
        return Err(
            raw.error("holds texts where numbers are needed", "encode them as numbers, or give the table as CSV")
        );
    }
    let layout = layout(&raw, labelled, wanted, notes)?;
    if raw.shape[1..].contains(&0) {
        return Err(raw.error(format!("has the shape {:?}: items without a number", raw.shape), "write it again"));
    }
    let is_whole = raw.kind.is_whole();
    let numbers = numbers(&mut raw)?;
    match layout {
        Layout::Picture { height, width, channels, channels_first } => {
            let found = ImageShape { height, width, channels, white: 0.0 };
            match numbers {
                Numbers::Bytes(cells) => {
                    let pixels = rows(raw.array(cells), channels_first);
                    let brightest = brightest(&pixels);
                    let white = if brightest <= 1.0 { 1.0 } else { 255.0 };
                    pictures(&raw, found, white, brightest, wanted, Inputs::Bytes(pixels))
                }
                Numbers::Words(cells) => {
                    let pixels = rows(raw.array(cells), channels_first);
                    let brightest = brightest(&pixels);
                    let white = if brightest <= 255.0 { white(brightest) } else { 65_535.0 };
                    pictures(&raw, found, white, brightest, wanted, Inputs::Words(pixels))
                }
                Numbers::Floats(cells) => {
                    float_pictures(&raw, found, is_whole, rows(raw.array(cells), channels_first), wanted)
                }
            }
        }
        Layout::Columns(d) => {
            let features = column_features(&raw, d, wanted)?;
            let cells = match numbers {
                Numbers::Bytes(cells) => cells.into_iter().map(f32::from).collect(),
                Numbers::Words(cells) => cells.into_iter().map(f32::from).collect(),
                Numbers::Floats(cells) => cells,
            };
            let (inputs, unusable) = columns(&raw, rows(raw.array(cells), false), notes);
            Ok(Loaded { inputs, features, unusable })
        }
    }
}

fn layout(raw: &Raw, labelled: bool, wanted: Option<&Features>, notes: &mut Vec<String>) -> Result<Layout> {
    let picture = |height, width, channels| Layout::Picture { height, width, channels, channels_first: false };
    match raw.shape[..] {
        [_] => Ok(Layout::Columns(1)),
        [_, d] => {
            if let Some(Features::Image(shape)) = wanted {
                if shape.len() == d {
                    return Ok(picture(shape.height, shape.width, shape.channels));
                }
                return Err(raw.error(
                    format!(
                        "holds {d} numbers an item where pictures of {}×{}×{} are needed",
                        shape.height, shape.width, shape.channels
                    ),
                    "give data of the kind that the run was trained on",
                ));
            }
            let side = d.isqrt();
            if wanted.is_none() && labelled && raw.kind == Kind::U8 && d >= 64 && side * side == d {
                notes.push(format!("{}: {d} bytes an item are taken as a picture of {side}×{side}", raw.name));
                return Ok(picture(side, side, 1));
            }
            Ok(Layout::Columns(d))
        }
        [_, height, width] => Ok(picture(height, width, 1)),
        [_, a, b, c] => {
            let last = matches!(c, 1 | 3);
            let first = matches!(a, 1 | 3);
            let first_is_wanted = matches!(wanted, Some(Features::Image(shape)) if (shape.channels, shape.height, shape.width) == (a, b, c));
            if first && (!last || first_is_wanted) {
                Ok(Layout::Picture { height: b, width: c, channels: a, channels_first: true })
            } else if last {
                Ok(picture(a, b, c))
            } else {
                Err(raw.error(
                    format!("has the shape {:?}, whose last or second size should be 1 or 3 channels", raw.shape),
                    "leave transparency out: array[..., :3]",
                ))
            }
        }
        _ => Err(raw.error(
            format!("has the shape {:?}", raw.shape),
            "inputs have the shape [n, d], [n, height, width] or [n, height, width, channels]",
        )),
    }
}

/// One row an item, channels innermost.
pub(super) fn rows<T: Clone>(array: ArrayD<T>, channels_first: bool) -> Array2<T> {
    let array = if channels_first { array.permuted_axes(IxDyn(&[0, 2, 3, 1])) } else { array };
    let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
    let (items, d): (usize, usize) = (array.shape()[0], array.shape()[1..].iter().product());
    array.into_shape_with_order((items, d)).expect("as many cells, in standard order")
}

/// Brightness that is meant by 1, where the data does not say it: of data up to 1, 255, or itself.
fn white(brightest: f32) -> f32 {
    if brightest <= 1.0 {
        1.0
    } else if brightest <= 255.0 {
        255.0
    } else {
        brightest
    }
}

fn pictures(
    raw: &Raw,
    found: ImageShape,
    white: f32,
    brightest: f32,
    wanted: Option<&Features>,
    inputs: Inputs,
) -> Result<Loaded> {
    let shape = fit_shape(ImageShape { white, ..found }, brightest, &raw.path, wanted)?;
    Ok(Loaded { inputs, features: Features::Image(shape), unusable: Vec::new() })
}

/// Pixels that came as floats or wide integers; integers that fit are kept as bytes.
fn float_pictures(
    raw: &Raw,
    found: ImageShape,
    is_whole: bool,
    pixels: Array2<f32>,
    wanted: Option<&Features>,
) -> Result<Loaded> {
    let finite = pixels.iter().copied().filter(|pixel| pixel.is_finite());
    let (darkest, brightest) = finite.fold((0.0_f32, 0.0_f32), |(low, high), pixel| (low.min(pixel), high.max(pixel)));
    if darkest < 0.0 {
        return Err(raw.error(
            format!("holds pixels down to {darkest}"),
            "pixels start at 0; bring them there with (x - x.min()) / (x.max() - x.min()), or flatten them to columns",
        ));
    }
    if is_whole && brightest <= 255.0 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers of 0 to 255")]
        let bytes = pixels.mapv(|pixel| pixel as u8);
        return pictures(raw, found, white(brightest), brightest, wanted, Inputs::Bytes(bytes));
    }
    let unusable = (0..pixels.nrows()).filter(|&row| pixels.row(row).iter().any(|pixel| !pixel.is_finite())).collect();
    let loaded = pictures(raw, found, white(brightest), brightest, wanted, Inputs::Floats(pixels))?;
    Ok(Loaded { unusable, ..loaded })
}

fn column_features(raw: &Raw, d: usize, wanted: Option<&Features>) -> Result<Features> {
    let Some(wanted) = wanted else {
        let column = |number: usize| Column { name: number.to_string(), kind: ColumnKind::Numeric };
        return Ok(Features::Columns((1..=d).map(column).collect()));
    };
    let problem = match wanted {
        Features::Columns(columns) if columns.len() != d => {
            format!("holds {d} columns where {} are needed", columns.len())
        }
        Features::Columns(columns) => match columns.iter().find(|column| column.kind != ColumnKind::Numeric) {
            None => return Ok(wanted.clone()),
            Some(column) => format!("holds numbers, but the column {} is of kind {}", column.name, column.kind.name()),
        },
        Features::Image(shape) => {
            format!(
                "holds {d} numbers an item where pictures of {}×{}×{} are needed",
                shape.height, shape.width, shape.channels
            )
        }
    };
    Err(raw.error(problem, "give data of the kind that the run was trained on"))
}

/// Floats where all are finite, else a table with gaps. A row of several numbers, none of them finite, is unusable.
fn columns(raw: &Raw, numbers: Array2<f32>, notes: &mut Vec<String>) -> (Inputs, Vec<usize>) {
    let (mut unusable, mut gaps, mut first_gap) = (Vec::new(), 0, None);
    for (row, cells) in numbers.rows().into_iter().enumerate() {
        let missing = cells.iter().filter(|cell| !cell.is_finite()).count();
        if missing == cells.len() && missing > 1 {
            unusable.push(row);
        } else if missing > 0 {
            gaps += missing;
            first_gap = first_gap.or(cells.iter().position(|cell| !cell.is_finite()).map(|column| (row, column)));
        }
    }
    let Some((row, column)) = first_gap else { return (Inputs::Floats(numbers), unusable) };
    notes.push(format!(
        "{}: {gaps} cells that are NaN or infinite count as missing; the first is row {}, column {}",
        raw.name,
        row + 1,
        column + 1
    ));
    let cells =
        |column: ArrayView1<f32>| column.iter().map(|&cell| Some(cell).filter(|cell| cell.is_finite())).collect();
    let table = Table {
        rows: numbers.nrows(),
        columns: numbers.columns().into_iter().map(|column| Cells::Numeric(cells(column))).collect(),
    };
    (Inputs::Table(table), unusable)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bytes, floats, image, load, npy, problem};
    use super::*;
    use crate::read::testing::Scratch;

    #[test]
    fn channels_first_become_innermost() {
        let folder = Scratch::new("npy-channels");
        // one picture of 1×2 pixels: red 0 1, green 2 3, blue 4 5
        let source = load(&folder.write("X.npy", npy("|u1", false, &[1, 3, 1, 2], &[0, 1, 2, 3, 4, 5])));
        assert_eq!(image(&source), (1, 2, 3, 255.0));
        assert_eq!(source.train.inputs, Inputs::Bytes(ndarray::array![[0, 2, 4, 1, 3, 5]]));
        assert!(problem(&folder.write("X.npy", bytes(&[1, 4, 4, 4]))).contains("[..., :3]"));
    }

    #[test]
    fn white_follows_type_and_range() {
        let folder = Scratch::new("npy-white");
        let white = |bytes| image(&load(&folder.write("X.npy", bytes))).3.to_string();
        assert_eq!(
            [
                white(floats(&[1, 1, 2], &[0.0, 0.9])),
                white(floats(&[1, 1, 2], &[0.0, 200.0])),
                white(floats(&[1, 1, 2], &[0.0, 4095.0])),
                white(npy("|b1", false, &[1, 1, 2], &[0, 1])),
                white(npy("<u2", false, &[1, 1, 2], &[0, 0, 0, 9])),
                white(npy("<i4", false, &[1, 1, 2], &[0, 0, 0, 0, 200, 0, 0, 0])),
            ],
            ["1", "255", "4095", "1", "65535", "255"]
        );
        assert!(problem(&folder.write("X.npy", floats(&[1, 1, 2], &[-0.5, 0.5]))).contains("down to -0.5"));
    }

    #[test]
    fn flat_bytes_of_a_square_number_are_pictures_when_labelled() {
        let folder = Scratch::new("npy-square");
        let path = folder.write("X.npy", bytes(&[2, 784]));
        assert!(matches!(load(&path).train.schema.features, Features::Columns(_)));
        folder.write("y.npy", bytes(&[2]));
        let source = load(&path);
        assert_eq!(image(&source), (28, 28, 1, 255.0));
        assert!(source.notes[0].contains("28×28"));
    }

    #[test]
    fn gaps_in_columns_become_a_table_with_a_counted_note() {
        let folder = Scratch::new("npy-gaps");
        let source = load(&folder.write("X.npy", floats(&[2, 2], &[1.0, f32::NAN, f32::INFINITY, 4.0])));
        let columns = vec![Cells::Numeric(vec![Some(1.0), None]), Cells::Numeric(vec![None, Some(4.0)])];
        assert_eq!(source.train.inputs, Inputs::Table(Table { rows: 2, columns }));
        assert!(
            source.notes[0].contains("2 cells") && source.notes[0].contains("row 1, column 2"),
            "{:?}",
            source.notes
        );
    }
}
