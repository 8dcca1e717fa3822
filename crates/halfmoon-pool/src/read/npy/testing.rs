//! What the tests of arrays need.

use std::path::Path;

use ndarray::Array2;

use super::read;
use crate::dataset::{Features, Inputs};
use crate::read::testing::Scratch;
use crate::read::{Options, Source};

pub(super) fn npy(descr: &str, fortran: bool, shape: &[usize], body: &[u8]) -> Vec<u8> {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let sizes = sizes.join(",") + if sizes.len() == 1 { "," } else { "" };
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({sizes}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).expect("short").to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(body);
    bytes
}

pub(super) fn floats(shape: &[usize], cells: &[f32]) -> Vec<u8> {
    npy("<f4", false, shape, &cells.iter().flat_map(|cell| cell.to_le_bytes()).collect::<Vec<_>>())
}

pub(super) fn bytes(shape: &[usize]) -> Vec<u8> {
    let body: Vec<u8> = (0..=255).cycle().take(shape.iter().product()).collect();
    npy("|u1", false, shape, &body)
}

pub(super) fn load(path: &Path) -> Source {
    read(path, &Options::default()).expect("readable")
}

pub(super) fn problem(path: &Path) -> String {
    let error = read(path, &Options::default()).expect_err("the file is wrong");
    format!("{error} ({})", error.hint().expect("says what to do"))
}

/// The matrix of an `X.npy`.
pub(super) fn matrix(name: &str, bytes: Vec<u8>) -> Array2<f32> {
    let folder = Scratch::new(name);
    match load(&folder.write("X.npy", bytes)).train.inputs {
        Inputs::Floats(numbers) => numbers,
        other => panic!("{other:?}"),
    }
}

pub(super) fn image(source: &Source) -> (usize, usize, usize, f32) {
    match source.train.schema.features {
        Features::Image(shape) => (shape.height, shape.width, shape.channels, shape.white),
        Features::Columns(_) => panic!("pictures"),
    }
}
