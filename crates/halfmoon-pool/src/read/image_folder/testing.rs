//! What the tests of pictures need.

use super::read;
use crate::dataset::{Class, Dataset, Features, Inputs};
use crate::read::testing::Scratch;
use crate::read::{Options, Source};

pub(in crate::read) fn load(folder: &Scratch) -> Source {
    read(&folder.0, &Options::default()).expect("readable")
}

pub(in crate::read) fn shape(source: &Source) -> (usize, usize, usize, f32) {
    let Features::Image(shape) = source.train.schema.features else { panic!("pictures") };
    (shape.height, shape.width, shape.channels, shape.white)
}

pub(in crate::read) fn names(dataset: &Dataset) -> Vec<String> {
    (0..dataset.len()).map(|row| dataset.ids.get(row)).collect()
}

/// Each picture's name with its class.
pub(in crate::read) fn labelled(dataset: &Dataset) -> Vec<(String, Option<&str>)> {
    let class = |class: &Class| dataset.schema.classes[class.index()].as_str();
    names(dataset).into_iter().zip(dataset.labels.iter().map(|label| label.as_ref().map(class))).collect()
}

pub(in crate::read) fn says(notes: &[String], text: &str) -> bool {
    notes.iter().any(|note| note.contains(text))
}

pub(in crate::read) fn bytes_of(source: &Source) -> Vec<u8> {
    let Inputs::Bytes(pixels) = &source.train.inputs else { panic!("{:?}", source.train.inputs) };
    pixels.iter().copied().collect()
}
