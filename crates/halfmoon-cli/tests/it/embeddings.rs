//! Vectors that something else made, as inputs: NumPy and Parquet, with labels of their own or in a second file.

use std::fmt::Write;
use std::path::Path;

use crate::support::{Place, wobble};

/// An array of so many rows of six numbers: cats and dogs in turn, which lie apart.
fn array(rows: usize) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 6), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    for row in 0..rows {
        for column in 0..6 {
            #[allow(clippy::cast_possible_truncation)] // a few digits are enough
            let number = (wobble(row, column + 1) + (row % 2 * 3) as f64) as f32;
            // the last number never varies
            bytes.extend(if column == 5 { 1.0_f32 } else { number }.to_le_bytes());
        }
    }
    bytes
}

fn species(row: usize) -> &'static str {
    ["cat", "dog"][row % 2]
}

/// Every second pair of rows has a label, by its number.
fn labels(rows: usize) -> String {
    let mut text = "id,species\n".to_owned();
    for row in (0..rows).rev().filter(|row| row / 2 % 2 == 0) {
        writeln!(text, "{},{}", row + 1, species(row)).unwrap();
    }
    text
}

fn place() -> Place {
    let place = Place::with("embeddings.npy", array(60));
    place.write("labels.csv", labels(60));
    place
}

#[test]
fn embeddings_take_their_labels_from_a_second_file() {
    let place = place();
    let said = place.train("embeddings.npy --labels-from labels.csv");
    said.tells(&[
        "60 items, 30 labelled in 2 of 2 classes, 30 unlabelled",
        "matched by its column id: 30 rows name an item, 0 name none; 30 items have no row and are unlabelled",
        "1 of 6 columns never vary and tell nothing: 6",
    ]);
    assert!(place.read("run/config.toml").contains("labels_from = \"labels.csv\""));
    let answers = place.predict("embeddings.npy");
    assert_eq!((answers.len(), answers.classes.as_slice()), (60, &["cat".to_owned(), "dog".to_owned()][..]));
    assert!(answers.status().iter().all(|status| *status == "ok"));

    // the training data's labels are not those of other data
    place.run("eval run embeddings.npy").fails(3).tells(&["holds no labelled item"]);
    let judged = place.run("eval run embeddings.npy --labels-from labels.csv --json").exits(0).json();
    assert_eq!(judged["test"]["n"], 30);
}

#[test]
fn test_data_have_a_second_file_of_their_own() {
    let place = place();
    place.write("test.npy", array(20));
    place.write("test.csv", (0..20).fold("label\n".to_owned(), |text, row| text + species(row) + "\n"));
    let figures = place.figures("embeddings.npy --labels-from labels.csv --test test.npy --test-labels-from test.csv");
    assert_eq!(figures["test"]["n"], 20);
    let line = "embeddings.npy --labels-from labels.csv --test test.npy --out other";
    place.try_train(line).fails(3).tells(&["test.npy", "holds no labelled item"]);
}

#[test]
fn labels_that_do_not_fit_are_refused_before_anything_is_trained() {
    let place = place();
    place.write("short.csv", "label\ncat\ndog\n");
    let said = place.try_train("embeddings.npy --labels-from short.csv").fails(3);
    said.tells(&["short.csv: holds 2 rows, but embeddings.npy holds 60 items", "a column `id`"]);
    place.try_train("embeddings.npy --labels-from nowhere.csv").exits(3).tells(&["nowhere.csv"]);
    place.try_train("labels.csv --label species --labels-from labels.csv").fails(2).tells(&["npy, parquet"]);
    place.try_train("embeddings.npy --labels-from labels.csv --label specie").fails(3).tells(&["`species`?"]);
    assert!(!place.path("run").exists());
}

#[test]
fn a_parquet_file_is_learned_from_and_answered_by_its_ids() {
    let place = Place::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../halfmoon-pool/tests/golden/embeddings.parquet");
    std::fs::copy(golden, place.path("photos.parquet")).unwrap();
    let said = place.train("photos.parquet");
    said.tells(&[
        "10 items, 9 labelled in 2 of 2 classes, 1 unlabelled",
        "column image is an embedding: 3 numbers an item",
        "left out: photos.parquet, row 6: column image is null or empty",
    ]);
    let answers = place.predict("photos.parquet");
    assert_eq!((answers.len(), answers.ids()[11]), (12, "photo-11"));
    assert_eq!(answers.status()[5], "unreadable: row 6: column image is null or empty");
    place.run("formats").exits(0).prints(&["parquet"]);
}
