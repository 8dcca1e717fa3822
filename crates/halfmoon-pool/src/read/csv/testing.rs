//! What the tests of tables need: a table is a text, its file is called pets.csv.

use std::path::PathBuf;

use super::origin::Origin;
use super::{apply, learn};
use crate::dataset::{Cells, Column, Features, Inputs};
use crate::error::Result;
use crate::read::{Options, Source};

pub(super) fn origin(bytes: impl AsRef<[u8]>) -> Origin {
    Origin { name: PathBuf::from("pets.csv"), bytes: Some(bytes.as_ref().into()) }
}

pub(super) fn try_table(bytes: impl AsRef<[u8]>, options: &Options) -> Result<Source> {
    match &options.schema {
        None => learn(&origin(bytes), options),
        Some(schema) => apply(&origin(bytes), schema, options),
    }
}

pub(super) fn table_with(bytes: impl AsRef<[u8]>, options: &Options) -> Source {
    try_table(bytes, options).expect("a table")
}

pub(super) fn table(bytes: impl AsRef<[u8]>) -> Source {
    table_with(bytes, &Options::default())
}

pub(super) fn failure(bytes: impl AsRef<[u8]>, options: &Options) -> (String, String) {
    let error = try_table(bytes, options).expect_err("no table");
    (error.to_string(), error.hint().unwrap_or_default().to_owned())
}

pub(super) fn labelled_by(label: &str) -> Options {
    Options { label: Some(label.to_owned()), ..Options::default() }
}

pub(super) fn kind(name: &str, kind: &str) -> Options {
    Options { columns: [(name.to_owned(), kind.to_owned())].into(), ..Options::default() }
}

pub(super) fn columns(source: &Source) -> &[Column] {
    match &source.train.schema.features {
        Features::Columns(columns) => columns,
        Features::Image(_) => panic!("a table has columns"),
    }
}

pub(super) fn kinds(source: &Source) -> Vec<String> {
    columns(source).iter().map(|column| format!("{} {}", column.name, column.kind.name())).collect()
}

pub(super) fn cells(source: &Source, column: usize) -> &Cells {
    match &source.train.inputs {
        Inputs::Table(table) => &table.columns[column],
        _ => panic!("a table has cells"),
    }
}

pub(super) fn numeric(values: &[f32]) -> Cells {
    Cells::Numeric(values.iter().map(|&x| (!x.is_nan()).then_some(x)).collect())
}

#[track_caller]
pub(super) fn assert_note(source: &Source, part: &str) {
    assert!(source.notes.iter().any(|note| note.contains(part)), "{part} is not in {:#?}", source.notes);
}

/// `x,label` and these values, labelled a and b in turn.
pub(super) fn one_column(values: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let rows = values.into_iter().enumerate();
    let rows: Vec<String> =
        rows.map(|(n, value)| format!("{},{}\n", value.as_ref(), if n % 2 == 0 { "a" } else { "b" })).collect();
    format!("x,label\n{}", rows.concat())
}

/// Passes 20,000 texts of odd pieces on, the same ones each time.
pub(super) fn for_many_texts(mut take: impl FnMut(&[u8])) {
    let mut state: u64 = 88_172_645_463_325_252;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("below a usize")
    };
    let pieces: [&[u8]; 24] = [
        b",",
        b";",
        b"\t",
        b"|",
        b"\"",
        b"\n",
        b"\r",
        b"\r\n",
        b" ",
        b"1",
        b"-1",
        b"2,5",
        b"inf",
        b"NaN",
        b"?",
        b"label",
        b"yes",
        b"no",
        b"\xff",
        b"\xc3\xb6",
        b"\xef\xbb\xbf",
        b"9999999999999999999",
        b"id",
        b"-9223372036854775808",
    ];
    for _ in 0..20_000 {
        let text: Vec<u8> = (0..random(60)).flat_map(|_| pieces[random(pieces.len())]).copied().collect();
        take(&text);
    }
}
