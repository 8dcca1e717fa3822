//! Tables as they come: odd columns, odd cells, odd bytes.

use std::fmt::Write;

use crate::support::{Place, pets, wobble};

/// Rows of a good column `x`, two classes and another column that a test fills.
fn beside(name: &str, cell: impl Fn(usize) -> String) -> Place {
    let mut text = format!("x,{name},label\n");
    for row in 0..40 {
        let label = if row % 2 == 0 { "a" } else { "b" };
        writeln!(text, "{:.3},{},{label}", wobble(row, 1), cell(row)).unwrap();
    }
    Place::with("table.csv", text)
}

#[test]
fn infinite_cells_count_as_missing_and_are_named() {
    let place = beside("height", |row| if row == 7 { "inf".into() } else { format!("{:.3}", wobble(row, 2)) });
    place.train("table.csv").tells(&["column height: 1 value", "not finite", "`inf` in row 9", "median"]);
}

#[test]
fn nan_cells_count_as_missing_and_are_counted() {
    let place = beside("height", |row| if row < 3 { "NaN".into() } else { format!("{:.3}", wobble(row, 2)) });
    place.train("table.csv").tells(&["missing cells: height 3", "height: 3 missing, filled with the median"]);
}

#[test]
fn a_text_among_numbers_is_named_with_its_row() {
    let place = beside("height", |row| if row == 5 { "tall".into() } else { format!("{:.3}", wobble(row, 2)) });
    place.train("table.csv").tells(&["column height: 1 value", "first `tall` in row 7", "--column height=category"]);
    place.write("new.csv", "x,height\n0.5,0.5\n0.5,tiny\n");
    assert_eq!(place.predict("new.csv").status(), ["ok", "unseen: `tiny` in column height is not a number"]);
}

#[test]
fn empty_constant_and_id_columns_are_left_out_by_name() {
    let place = beside("nothing", |_| String::new());
    place.train("table.csv").tells(&["column nothing is left out: all its cells are missing"]);
    let place = beside("planet", |_| "Earth".into());
    place.train("table.csv").tells(&["column planet is left out: it is always `Earth`"]);
    let place = beside("zero", |_| "0".into());
    place.train("table.csv").tells(&["column zero is left out: it is always `0`"]);
    let place = beside("number", |row| (row + 1).to_string());
    place.train("table.csv").tells(&["column number is left out"]);
    let place = beside("patient_id", |row| format!("P{}", row * 37));
    place.train("table.csv").tells(&["column patient_id is left out", "--column patient_id=category"]);
}

#[test]
fn a_column_can_be_kept_or_left_out_by_hand() {
    let place = beside("number", |row| (row + 1).to_string());
    place.train("table.csv --column number=numeric").tells(&["2 numeric (x, number)"]);
    place.try_train("table.csv --column x=ignore --out other").fails(3).tells(&["table.csv", "column number"]);
    place.try_train("table.csv --column y=ignore --out other").fails(2).tells(&["`y`"]);
    place.try_train("table.csv --column x=number --out other").fails(2).tells(&["numeric"]);
}

#[test]
fn a_byte_order_mark_semicolons_and_decimal_commas_are_understood() {
    let text: String = pets(30).replace(',', ";").replace('.', ",");
    let place = Place::with("pets.csv", format!("\u{feff}{text}"));
    let said = place.train("pets.csv --label species");
    said.tells(&["30 items, 30 labelled", "delimiter `;`", "decimal comma", "1 numeric (size)"]);
    let plain = Place::with("pets.csv", pets(30));
    plain.train("pets.csv --label species");
    assert_eq!(place.predict("pets.csv").answers(), plain.predict("pets.csv").answers());
}

#[test]
fn ragged_rows_are_counted_with_their_lines() {
    let text = pets(30).replace("\n25.", "\n25.1,25.").lines().take(31).collect::<Vec<_>>().join("\n");
    let ragged: Vec<usize> =
        text.lines().zip(1..).filter(|(line, _)| line.matches(',').count() > 3).map(|(_, at)| at).collect();
    assert!(!ragged.is_empty() && ragged.len() < 10, "{text}");
    let place = Place::with("pets.csv", &text);
    let mut said = place.train("pets.csv --label species");
    for line in &ragged {
        said = said.tells(&[&format!("left out: pets.csv, row {line}: 5 fields instead of 4")]);
    }
    said.tells(&[&format!("{} items", 30 - ragged.len())]);
}

#[test]
fn a_table_of_ragged_rows_names_the_delimiter() {
    let place = Place::with("pets.csv", "a,b,label\n1,2,3,4\n1,2,3,4\n1,2,3,4\n1,2,x\n");
    place.try_train("pets.csv").fails(3).tells(&["pets.csv, row 2", "--delimiter"]);
}

#[test]
fn an_unclosed_quote_is_named_with_its_row() {
    let place = Place::with("pets.csv", format!("{}30,no,\"fish,cat\n", pets(20)));
    place.try_train("pets.csv --label species").fails(3).tells(&["pets.csv, row 22", "quote"]);
}

#[test]
fn bytes_that_are_not_utf_8_are_read_as_windows_1252() {
    let mut bytes = pets(20).into_bytes();
    bytes.extend(b"30,no,caf\xe9,cat\n");
    let place = Place::with("pets.csv", bytes);
    place.train("pets.csv --label species").tells(&["not UTF-8", "row 22"]);
    place.write("new.csv", "size,barks,food\n30,no,café\n");
    assert_eq!(place.predict("new.csv").status(), ["ok"]);
}

#[test]
fn windows_line_ends_and_a_missing_last_one_change_nothing() {
    let place = Place::with("pets.csv", pets(20).trim_end().replace('\n', "\r\n"));
    place.train("pets.csv --label species").tells(&["20 items"]);
    let plain = Place::with("pets.csv", pets(20));
    plain.train("pets.csv --label species");
    assert_eq!(place.predict("pets.csv").answers(), plain.predict("pets.csv").answers());
}

#[test]
fn the_label_column_is_asked_for_with_the_columns_there_are() {
    let place = Place::with("pets.csv", pets(20));
    place.try_train("pets.csv").fails(2).tells(&["--label", "size", "barks", "food", "species"]);
    place.try_train("pets.csv --label specis").fails(2).tells(&["`specis`", "did you mean `species`?"]);
}

#[test]
fn a_table_without_a_header_has_numbered_columns() {
    let text = pets(20).lines().skip(1).collect::<Vec<_>>().join("\n");
    let place = Place::with("pets.csv", &text);
    place.train("pets.csv --label 4").tells(&["no header", "20 items, 20 labelled in 2 of 2 classes"]);
    assert_eq!(place.predict("pets.csv").len(), 20);
}

#[test]
fn an_empty_table_is_an_error_at_any_stage() {
    let place = Place::with("empty.csv", "");
    place.try_train("empty.csv").fails(3).tells(&["empty.csv"]);
    place.write("header.csv", "a,b,label\n");
    place.try_train("header.csv").fails(3).tells(&["header.csv", "--header no"]);
    place.write("zip.csv", b"PK\x03\x04\0\0\0\0\0\0");
    place.try_train("zip.csv").fails(3).tells(&["zip.csv"]);
    place.write("wide.csv", "a\0b\0".as_bytes());
    place.try_train("wide.csv").fails(3).tells(&["wide.csv"]);
}

#[test]
fn a_table_under_any_name_is_read() {
    let place = Place::with("мои данные, 100% 🦊.csv", pets(20));
    let name = "мои данные, 100% 🦊.csv";
    place.run_args(&["train", name, "--label", "species", "--steps", "5", "--out", "my run"]).exits(0);
    place.run_args(&["predict", "my run", name]).exits(0).tells(&["20 inputs answered"]);
}

#[test]
fn a_column_id_names_the_items_and_is_no_input() {
    let place = beside("id", |row| format!("r{row}"));
    place.train("table.csv").tells(&["column `id` names the items", "1 numeric (x)"]);
    let expected: Vec<String> = (0..40).map(|row| format!("r{row}")).collect();
    assert_eq!(place.predict("table.csv").ids(), expected);
    // A row that cannot be read has an id all the same; one without an id is counted.
    place.write("new.csv", "x,ID\n0.5,a\n0.5,a,b\n0.5,\n");
    assert_eq!(place.predict("new.csv").ids(), ["a", "a", "3"]);
    // What the user says of the column goes first.
    let place = beside("id", |row| row.to_string());
    place.train("table.csv --column id=numeric").tells(&["2 numeric (x, id)"]);
    assert_eq!(place.predict("table.csv").ids()[0], "1");
}
