//! What the array formats share: from the splits that a file held to a [`Source`] with one list of
//! classes, and from bytes on disk to rows in chunks.

use std::io::{self, Read};
use std::path::Path;

use ndarray::Array2;

use super::texts::{Interner, locate};
use super::{CHUNK, Chunk, MinusOne, Options, Problem, Sink, Source, Status};
use crate::dataset::{Dataset, Features, Ids, ImageShape, Inputs, Schema};
use crate::error::{Error, Place, Result};
use crate::labels::{self, Texts};

/// Bytes that one array may take, whatever its header promises.
pub(super) const LARGEST: usize = 16 << 30;

/// One split: its items, with the labels still as texts.
pub(super) struct Part {
    pub(super) inputs: Inputs,
    pub(super) ids: Ids,
    pub(super) texts: Texts,
    /// Where the labels came from, without a row.
    pub(super) origin: Place,
    /// For each distinct text, the row in which it first stands, where rows are not the items' numbers.
    pub(super) lines: Option<Vec<u64>>,
}

/// The splits of one source.
pub(super) struct Parts {
    pub(super) train: Part,
    pub(super) validation: Option<Part>,
    pub(super) test: Option<Part>,
}

/// Splits with one schema: their labels are resolved together, so that a class that only the test
/// split holds is a class of all.
///
/// Labels that are the indices 0 … C − 1 of classes known by name become those names.
pub(super) fn assemble(
    features: &Features,
    parts: Parts,
    options: &Options,
    mut notes: Vec<String>,
    problems: Vec<Problem>,
) -> Result<Source> {
    let Parts { train, validation, test } = parts;
    let parts = [Some(train), validation, test];
    let mut all = Interner::default();
    for texts in parts.iter().flatten().map(|part| &part.texts) {
        let merged: Vec<u32> = texts.distinct.iter().map(|text| all.code(text)).collect();
        all.texts.codes.extend(texts.codes.iter().map(|&code| merged[code as usize]));
    }
    let mut all = all.texts;
    let known = options.schema.as_ref().map(|schema| &schema.classes).or(options.classes.as_ref());
    if known.is_some_and(|classes| name_indices(&mut all.distinct, classes, options)) {
        notes.push("labels are indices of the classes, counted from 0".to_owned());
    }

    let place = parts.iter().flatten().map(|part| part.origin.clone()).next().expect("there is a train split");
    let resolved = labels::resolve(&all, place, options).map_err(|error| {
        let mut rows = parts.iter().flatten().flat_map(|part| (0..part.inputs.rows()).map(move |row| (part, row)));
        locate(error, |item| {
            let (part, row) = rows.nth(item)?;
            let line = match &part.lines {
                Some(lines) => lines.get(*part.texts.codes.get(row)? as usize).copied(),
                None => part.ids.get(row).parse().ok(),
            };
            Some(Place { row: line, ..part.origin.clone() })
        })
    })?;
    notes.extend(resolved.notes);
    let schema = Schema { classes: resolved.classes, features: features.clone() };
    let mut labels = resolved.labels.into_iter();
    let [train, validation, test] = parts.map(|part| {
        part.map(|Part { inputs, ids, .. }| Dataset {
            schema: schema.clone(),
            labels: labels.by_ref().take(inputs.rows()).collect(),
            inputs,
            ids,
        })
    });
    Ok(Source { train: train.expect("the train split is not optional"), validation, test, notes, problems })
}

/// Replaces indices by the names that they stand for, unless the texts are such names already. True
/// if it did; −1 is then no label, unless the user made it a class.
///
/// A −1 whose only partner is 1 is left to [`labels::resolve`], which does not guess.
fn name_indices(texts: &mut [String], classes: &[String], options: &Options) -> bool {
    let index = |text: &String| text.parse().ok().filter(|index: &usize| index.to_string() == *text);
    let numbers: Vec<(usize, usize)> = texts
        .iter()
        .enumerate()
        .filter(|(_, text)| !options.missing_labels.contains(text))
        .filter_map(|(at, text)| Some((at, index(text)?)))
        .collect();
    let are_names = numbers.iter().all(|&(at, _)| classes.contains(&texts[at]));
    let minus_one = texts.iter().position(|text| text == "-1");
    let is_doubtful = options.minus_one == MinusOne::Ask && minus_one.is_some() && matches!(numbers[..], [(_, 1)]);
    if are_names || is_doubtful || numbers.iter().any(|&(_, index)| index >= classes.len()) {
        return false;
    }
    for (at, index) in numbers {
        texts[at].clone_from(&classes[index]);
    }
    if let Some(at) = minus_one.filter(|_| options.minus_one != MinusOne::Class) {
        texts[at].clear();
    }
    true
}

/// The shape that the caller needs, where there is one and `found` has its height, width and
/// channels; else `found`. `brightest` tells pixels apart that are meant on another scale.
pub(super) fn fit_shape(
    found: ImageShape,
    brightest: f32,
    path: &Path,
    wanted: Option<&Features>,
) -> Result<ImageShape> {
    let size = |shape: &ImageShape| format!("{}×{}×{}", shape.height, shape.width, shape.channels);
    let wanted = match wanted {
        None => return Ok(found),
        Some(Features::Image(wanted)) => *wanted,
        Some(Features::Columns(columns)) => {
            return Err(Error::data(
                path,
                format!("holds pictures of {} where {} columns are needed", size(&found), columns.len()),
                "give data of the kind that the run was trained on",
            ));
        }
    };
    if size(&found) != size(&wanted) {
        return Err(Error::data(
            path,
            format!("holds pictures of {} where {} is needed (height × width × channels)", size(&found), size(&wanted)),
            "bring the pictures to that shape, or lay them out as an image folder, whose pictures are resized",
        ));
    }
    let own_scale = found.white.total_cmp(&wanted.white).is_eq();
    if !own_scale && (brightest > 2.0 * wanted.white || (brightest > 0.0 && brightest * 100.0 < wanted.white)) {
        return Err(Error::data(
            path,
            format!("holds pixels up to {brightest} where {} is white", wanted.white),
            format!("scale the pixels so that full brightness is {}", wanted.white),
        ));
    }
    Ok(wanted)
}

/// The largest pixel; 0 where there is none.
pub(super) fn brightest<T: Copy + Ord + Into<f32>>(pixels: &Array2<T>) -> f32 {
    pixels.iter().copied().max().map_or(0.0, Into::into)
}

/// Passes the rows on, [`CHUNK`] at a time, with their positions counted from 1 as ids.
pub(super) fn emit(inputs: &Inputs, status: impl Fn(usize) -> Status, sink: Sink) -> Result<()> {
    let rows: Vec<usize> = (0..inputs.rows()).collect();
    for rows in rows.chunks(CHUNK) {
        sink(Chunk {
            ids: rows.iter().map(|row| (row + 1).to_string()).collect(),
            status: rows.iter().map(|&row| status(row)).collect(),
            inputs: inputs.select(rows),
        })?;
    }
    Ok(())
}

/// At most `wanted` bytes: fewer where the data ends before. Memory follows what is there, not what
/// a header promised.
pub(super) fn fill(reader: &mut dyn Read, wanted: usize, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(wanted.min(64 << 20));
    match reader.take(wanted as u64).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        // a compressed file that was cut off
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(bytes),
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
            Err(Error::data(path, format!("is damaged: {error}"), "copy or download it again"))
        }
        Err(error) => Err(Error::io(path, error)),
    }
}
