//! The built-in data set `digits`: 1,797 handwritten digits of 8×8 pixels, for a first try without
//! any file. Its source and licence: `data/README.md`.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use ndarray::Array2;

use super::arrays::{Part, Parts, assemble, emit, fit_shape};
use super::{Format, Options, Sink, Source, Status};
use crate::dataset::{Features, Ids, ImageShape, Inputs, Schema};
use crate::error::Result;
use crate::labels::Texts;

pub(super) const FORMAT: Format = Format {
    name: "digits",
    about: "built in, no file needed: 1,797 handwritten digits of 8×8 pixels; the path is `digits`",
    claims,
    takes_labels: false,
    read,
    stream,
};

const DATA: &[u8] = include_bytes!("../../data/digits.csv.gz");
const SHAPE: ImageShape = ImageShape { height: 8, width: 8, channels: 1, white: 16.0 };
const SOURCE: &str = "digits: UCI Optical Recognition of Handwritten Digits, the 1,797 test digits \
    (E. Alpaydin and C. Kaynak, 1998, CC BY 4.0, doi:10.24432/C50P49)";

/// A file or folder of that name goes before the built-in data.
fn claims(path: &Path) -> bool {
    path == Path::new("digits") && !path.exists()
}

fn read(path: &Path, options: &Options) -> Result<Source> {
    let features = Features::Image(fit(path, options.schema.as_ref())?);
    let (pixels, classes) = digits();
    let texts = Texts {
        distinct: (0..10).map(|digit| digit.to_string()).collect(),
        codes: classes.into_iter().map(u32::from).collect(),
    };
    let train = Part {
        ids: Ids::first(pixels.nrows()),
        inputs: Inputs::Bytes(pixels),
        texts,
        origin: path.into(),
        lines: None,
    };
    let parts = Parts { train, validation: None, test: None };
    assemble(&features, parts, options, vec![SOURCE.to_owned()], Vec::new())
}

fn stream(path: &Path, schema: &Schema, _: &Options, sink: Sink) -> Result<()> {
    fit(path, Some(schema))?;
    emit(&Inputs::Bytes(digits().0), |_| Status::Ok, sink)
}

fn fit(path: &Path, schema: Option<&Schema>) -> Result<ImageShape> {
    fit_shape(SHAPE, SHAPE.white, path, schema.map(|schema| &schema.features))
}

/// Pixels `[1797, 64]` of 0 to 16, and the digit of each row.
fn digits() -> (Array2<u8>, Vec<u8>) {
    let mut csv = String::new();
    GzDecoder::new(DATA).read_to_string(&mut csv).expect("the file in data/ is whole");
    let mut pixels = Vec::with_capacity(1797 * SHAPE.len());
    let mut classes = Vec::with_capacity(1797);
    for line in csv.lines() {
        pixels.extend(line.split(',').map(|cell| cell.parse::<u8>().expect("the file in data/ holds small numbers")));
        classes.extend(pixels.pop());
    }
    let pixels = Array2::from_shape_vec((classes.len(), SHAPE.len()), pixels);
    (pixels.expect("every line of the file in data/ has 64 pixels and a class"), classes)
}

#[cfg(test)]
mod tests {
    use super::super::testing::chunks;
    use super::*;

    #[test]
    fn digits_are_the_published_ones() {
        let source = read(Path::new("digits"), &Options::default()).expect("built in");
        let train = source.train;
        // counts of the UCI page's test set
        assert_eq!(train.class_counts(), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert_eq!(train.schema.classes, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        let Inputs::Bytes(pixels) = &train.inputs else { panic!("bytes") };
        assert_eq!(pixels.row(0).iter().take(8).copied().collect::<Vec<_>>(), [0, 0, 5, 13, 9, 1, 0, 0]);
        assert_eq!(pixels.iter().max(), Some(&16));
        assert!(source.test.is_none() && source.notes[0].contains("CC BY 4.0"));
    }

    #[test]
    fn only_the_literal_path_is_claimed() {
        assert!(claims(Path::new("digits")));
        assert!(!claims(Path::new("data/digits")));
        assert!(!claims(Path::new("./digits.csv")));
    }

    #[test]
    fn the_stream_is_the_same_rows() {
        let train = read(Path::new("digits"), &Options::default()).expect("built in").train;
        let chunks = chunks(&FORMAT, Path::new("digits"), &train.schema).expect("built in");
        assert_eq!(chunks.iter().map(|chunk| chunk.ids.len()).collect::<Vec<_>>(), [1024, 773]);
        assert_eq!(chunks[1].ids[0], "1025");
        assert_eq!(chunks[0].inputs, train.inputs.select(&(0..1024).collect::<Vec<_>>()));
    }

    #[test]
    fn a_run_on_other_pictures_is_refused() {
        let shape = ImageShape { height: 28, width: 28, channels: 1, white: 255.0 };
        let schema = Schema { classes: Vec::new(), features: Features::Image(shape) };
        assert!(chunks(&FORMAT, Path::new("digits"), &schema).is_err());
    }
}
