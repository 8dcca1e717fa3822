//! An array of labels to texts: integers, whole floats, texts, or one-hot rows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use ndarray::Array2;

use super::inputs::rows;
use super::raw::{Kind, Raw, real_cells, whole_cells};
use crate::error::{Error, Place, Result};
use crate::labels::Texts;
use crate::read::texts::Interner;

pub(super) fn load_labels(raw: &mut Raw, notes: &mut Vec<String>) -> Result<Texts> {
    let bytes = raw.bytes()?;
    let (raw, bytes) = (&*raw, &bytes[..]);
    match (&raw.shape[..], raw.kind) {
        ([_] | [_, 1], Kind::Unicode(_) | Kind::Text(_)) => {
            intern(bytes.chunks_exact(raw.kind.size()), |cell, row| label_text(raw, cell, row))
        }
        ([_] | [_, 1], Kind::F16 | Kind::F32 | Kind::F64) => {
            let labels: Vec<f64> = real_cells(raw, bytes);
            intern(labels.iter().map(|label| label.to_bits()), |bits, row| float_text(raw, f64::from_bits(bits), row))
        }
        ([_] | [_, 1], _) => intern(whole_cells(raw, bytes), |label, _| Ok(label.to_string())),
        ([_, classes], kind) if *classes > 1 && !kind.is_text() => {
            let cells = if kind.is_whole() {
                whole_cells(raw, bytes).into_iter().map(|cell| cell as f64).collect()
            } else {
                real_cells(raw, bytes)
            };
            notes.push(format!("{}: one-hot labels of {classes} classes, which are named by their index", raw.name));
            one_hot(raw, &rows(raw.array(cells), false), notes)
        }
        _ => Err(raw.error(
            format!("has the shape {:?}, which are no labels", raw.shape),
            "labels have the shape [n], or one-hot [n, classes]",
        )),
    }
}

/// Texts of cells, each distinct cell looked at once.
fn intern<T: Hash + Eq + Copy>(
    cells: impl IntoIterator<Item = T>,
    text: impl Fn(T, usize) -> Result<String>,
) -> Result<Texts> {
    let mut labels = Interner::default();
    let mut codes: HashMap<T, u32> = HashMap::new();
    for (row, cell) in cells.into_iter().enumerate() {
        let code = match codes.entry(cell) {
            Entry::Occupied(known) => *known.get(),
            // 0.0 and −0.0 are two cells and one text
            Entry::Vacant(new) => *new.insert(labels.code(&text(cell, row)?)),
        };
        labels.texts.codes.push(code);
    }
    Ok(labels.texts)
}

fn float_text(raw: &Raw, label: f64, row: usize) -> Result<String> {
    if label.is_nan() {
        return Ok("NaN".to_owned());
    }
    if label.fract().abs() > 0.0 || label.is_infinite() {
        return Err(Error::data(
            Place::row(&raw.path, row as u64 + 1),
            format!("the label {label} is not a whole number"),
            "labels are classes; cut a quantity into ranges first, such as with np.digitize",
        ));
    }
    Ok(format!("{:.0}", label + 0.0))
}

/// A text without the zeros that fill it up.
fn label_text(raw: &Raw, cell: &[u8], row: usize) -> Result<String> {
    let text = if let Kind::Unicode(_) = raw.kind {
        let (letters, _) = cell.as_chunks::<4>();
        let read = if raw.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        letters.iter().map(|&letter| char::from_u32(read(letter))).collect::<Option<String>>()
    } else {
        String::from_utf8(cell.to_vec()).ok()
    };
    let text = text.ok_or_else(|| {
        Error::data(
            Place::row(&raw.path, row as u64 + 1),
            "the label is not valid text",
            "write labels as str: labels.astype(str)",
        )
    })?;
    Ok(text.trim_end_matches('\0').to_owned())
}

fn one_hot(raw: &Raw, cells: &Array2<f64>, notes: &mut Vec<String>) -> Result<Texts> {
    let mut labels = Vec::with_capacity(cells.nrows());
    for (row, cells) in cells.rows().into_iter().enumerate() {
        let ones: Vec<usize> = (0..cells.len()).filter(|&class| cells[class].total_cmp(&1.0).is_eq()).collect();
        let zeros = cells.iter().filter(|cell| cell.abs().total_cmp(&0.0).is_eq()).count();
        if ones.len() > 1 || ones.len() + zeros < cells.len() {
            return Err(Error::data(
                Place::row(&raw.path, row as u64 + 1),
                format!("{} has the shape {:?}, but this row is not one 1 among zeros", raw.name, raw.shape),
                "labels have the shape [n], or one-hot [n, classes]; give probabilities as their argmax",
            ));
        }
        labels.push(ones.first().copied());
    }
    let none = labels.iter().filter(|label| label.is_none()).count();
    if none > 0 {
        notes.push(format!("{}: {none} rows of zeros only are unlabelled", raw.name));
    }
    intern(labels, |label, _| Ok(label.map(|class| class.to_string()).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::super::testing::{floats, npy};
    use crate::error::Result;
    use crate::read::testing::Scratch;
    use crate::read::{MinusOne, Options};

    /// The class names of the labels in a `y.npy`, `None` where there is no label.
    fn labels(name: &str, items: usize, y: Vec<u8>) -> Result<(Vec<Option<String>>, Vec<String>)> {
        let folder = Scratch::new(name);
        folder.write("y.npy", y);
        let path = folder.write("X.npy", floats(&[items, 1], &vec![0.5; items]));
        let source = read(&path, &Options { minus_one: MinusOne::Unlabelled, ..Options::default() })?;
        let name = |class: &crate::Class| source.train.schema.classes[class.index()].clone();
        Ok((source.train.labels.iter().map(|label| label.as_ref().map(name)).collect(), source.notes))
    }

    #[test]
    fn labels_come_as_integers_floats_texts_or_one_hot() {
        let some = |names: &[&str]| names.iter().map(|name| Some((*name).to_owned())).collect::<Vec<_>>();
        let of = |y| labels("npy-labels", 2, y).expect("readable").0;
        assert_eq!(of(npy(">i2", false, &[2], &[0, 3, 1, 0])), some(&["3", "256"]));
        assert_eq!(of(floats(&[2, 1], &[3.0, -0.0])), some(&["3", "0"]));
        assert_eq!(of(npy("|b1", false, &[2], &[1, 0])), some(&["1", "0"]));
        assert_eq!(of(npy("|S3", false, &[2], b"catox\0")), some(&["cat", "ox"]));
        assert_eq!(of(npy("<U1", false, &[2], &[b'a', 0, 0, 0, 0xe9, 0, 0, 0])), some(&["a", "é"]));
        assert_eq!(of(npy(">U1", false, &[2], &[0, 0, 0, b'a', 0, 0, 0, 0xe9])), some(&["a", "é"]));
        assert_eq!(of(npy("|u1", false, &[2, 3], &[0, 0, 1, 1, 0, 0])), some(&["2", "0"]));
        assert_eq!(of(npy("|u1", true, &[2, 3], &[0, 1, 0, 0, 1, 0])), some(&["2", "0"]));
    }

    #[test]
    fn missing_labels_are_nan_minus_one_or_a_row_of_zeros() {
        let missing_second = |y| {
            let labels = labels("npy-missing", 3, y).expect("readable").0;
            labels.iter().map(Option::is_none).collect::<Vec<_>>() == [false, true, false]
        };
        assert!(missing_second(floats(&[3], &[1.0, f32::NAN, 0.0])));
        assert!(missing_second(npy("|i1", false, &[3], &[1, 255, 0])));
        assert!(missing_second(npy("|u1", false, &[3, 2], &[1, 0, 0, 0, 0, 1])));
    }

    #[test]
    fn labels_that_are_no_classes_are_refused_with_their_row() {
        let said = |y| labels("npy-wrong", 2, y).expect_err("wrong").to_string();
        assert!(said(floats(&[2], &[1.0, 0.5])).contains("row 2: the label 0.5 is not a whole number"));
        assert!(said(floats(&[2, 2], &[1.0, 0.0, 0.3, 0.7])).contains("row 2"));
        assert!(said(npy("|u1", false, &[3], &[0, 1, 2])).contains("2 items, but"));
        assert!(said(npy("|u1", false, &[2, 1, 2], &[0, 1, 2, 3])).contains("no labels"));
        assert!(said(npy("<U1", false, &[2], &[0, 0xd8, 0, 0, 0, 0, 0, 0])).contains("not valid text"));
    }
}
