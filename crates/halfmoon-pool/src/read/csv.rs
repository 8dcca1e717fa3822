//! Tables as text: CSV, TSV and their relatives, plain or gzipped.
//!
//! A file is read twice: once to learn what each column is, over all rows and without keeping a text,
//! once to fill the columns. Prediction knows the columns and reads once, in constant memory.
//!
//! The way of a byte: [`origin`] unpacks it, [`dialect`] finds delimiter and header, [`records`]
//! splits into fields, [`rows`] names the columns and sets ragged rows aside, [`ids`] names the rows, [`kinds`]
//! says what a column is, [`columns`] holds its cells. [`lines`] is for tables that are answered line by line.

mod cell;
mod columns;
mod dialect;
mod files;
mod ids;
mod items;
mod kinds;
mod lines;
mod origin;
mod records;
mod rows;
#[cfg(test)]
mod testing;
mod words;

use std::io::Cursor;
use std::path::Path;

pub(super) use columns::{Filler, columns_note};
pub(super) use files::{FileLabel, file_labels};
pub(super) use ids::id_column;
pub use ids::is_called_id;
pub(super) use items::{LabelTable, label_table};
pub(super) use kinds::{Forced, Plan, Seen, forced_kinds, notes as column_notes};
pub(super) use lines::{LineTable, finite};
pub(super) use origin::{BYTE_ORDER_MARK, refuse_gzip, refuse_utf_16, unpacked};
pub(super) use rows::Layout;
pub(super) use words::{Found, shortened};

use self::ids::{RowIds, id_of};
use self::origin::{Origin, display_name, input, is_stdin};
use self::records::Record;
use self::rows::Rows;
use self::words::plural_are;
use super::texts::{Interner, locate};
use super::{CHUNK, Chunk, Format, Options, Sink, Source, Status};
use crate::dataset::{Cells, Column, ColumnKind, Dataset, Features, Ids, Inputs, Schema, Table};
use crate::error::{Error, Place, Result};
use crate::labels::{self, Resolved};

pub(super) const FORMAT: Format = Format {
    name: "csv",
    about: "text table: .csv .tsv .data .txt, also .gz, `-` for standard input; delimiter and header are guessed; a column `id` names the items",
    claims,
    takes_labels: false,
    read,
    stream,
};

fn claims(path: &Path) -> bool {
    if is_stdin(path) {
        return true;
    }
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    [".csv", ".tsv", ".data", ".txt"].iter().any(|end| name.ends_with(end)) && !path.is_dir()
}

fn read(path: &Path, options: &Options) -> Result<Source> {
    let origin = Origin::new(path)?;
    match &options.schema {
        None => learn(&origin, options),
        Some(schema) => apply(&origin, schema, options),
    }
}

fn stream(path: &Path, schema: &Schema, options: &Options, sink: Sink) -> Result<()> {
    // Not `options` alone: whoever streams need not repeat the schema there.
    stream_rows(Rows::open(input(path)?, &display_name(path), options, Some(schema))?, schema, options, sink)
}

/// [`stream`] of a text in memory. A packed one could become any size and is none.
pub(super) fn stream_text(text: Vec<u8>, name: &Path, schema: &Schema, options: &Options, sink: Sink) -> Result<()> {
    refuse_gzip(&text, name)?;
    stream_rows(Rows::open(Box::new(Cursor::new(text)), name, options, Some(schema))?, schema, options, sink)
}

/// See [`why_counted`](super::why_counted). Standard input and pipes can be read only once.
pub(super) fn why_counted(path: &Path, schema: &Schema, options: &Options) -> Result<Option<String>> {
    if !path.is_file() {
        return Ok(None);
    }
    let mut rows = Rows::open(input(path)?, path, options, Some(schema))?;
    let positions = rows.match_columns(table_columns(schema, path)?)?;
    let Some(id) = stream_ids(&rows.layout, &positions, options) else { return Ok(None) };
    let mut ids = RowIds::new(&rows.layout, Some(id));
    let mut record = Record::default();
    while rows.next_regular(&mut record)? {
        ids.push(&record, rows.number);
    }
    let (ids, note) = ids.finish();
    Ok(note.filter(|_| matches!(ids, Ids::Positions(_))))
}

/// Reads a table whose columns are not known yet.
fn learn(origin: &Origin, options: &Options) -> Result<Source> {
    let mut rows = origin.rows(options, None)?;
    let (label, mut notes) = rows.layout.label(options)?;
    let forced = forced_kinds(&rows.layout, label, options)?;
    let id = own_ids(&rows.layout, options, |at| Some(at) == label);
    let is_input = |at: usize| Some(at) != label && Some(at) != id;
    let seen = kinds::look(&mut rows, is_input)?;
    rows.check()?;

    notes.extend(rows.layout.notes());
    notes.extend(rows.recoded_note());
    notes.extend(kinds::notes(&seen));
    let mut fillers = Vec::new();
    for position in (0..seen.len()).filter(|position| is_input(*position)) {
        match seen[position].plan(forced[position], &origin.name)? {
            Plan::Drop(note) => notes.push(note),
            Plan::Keep(filler, note) => {
                notes.extend(note);
                fillers.push((position, filler));
            }
        }
    }

    let mut ids = RowIds::new(&rows.layout, id);
    let labels = fill_columns(origin.rows(options, None)?, label, &mut ids, &mut fillers)?;
    if ids.count() != rows.regular {
        return Err(Error::data(origin.name.as_path(), "changed while it was read", "try again when it is complete"));
    }
    let (ids, note) = ids.finish();
    notes.extend(note);

    let (mut columns, mut cells) = (Vec::new(), Vec::new());
    for (position, filler) in fillers {
        let (kept, note) = filler.finish(&seen[position], forced[position].is_some());
        notes.extend(note);
        if let Some((column, its_cells)) = kept {
            columns.push(column);
            cells.push(its_cells);
        }
    }
    if columns.is_empty() {
        let why = format!("has no column to learn from{}", if notes.is_empty() { "" } else { ": " });
        return Err(Error::data(
            origin.name.as_path(),
            why + &notes.join("; "),
            "`--column NAME=numeric` (or `category`) keeps a column; `--delimiter` if the columns ran together",
        ));
    }
    notes.push(columns_note(&columns));
    let of = label.map_or("label", |label| &rows.layout.names[label]);
    let mut resolved = labels.resolve(origin, of, options)?;
    notes.append(&mut resolved.notes);
    let train = dataset(columns, cells, ids, resolved);
    Ok(Source { train, validation: None, test: None, notes, problems: rows.ragged })
}

/// The second pass: fills the ids and the columns at these positions, and returns the labels.
fn fill_columns(
    mut rows: Rows,
    label: Option<usize>,
    ids: &mut RowIds,
    fillers: &mut [(usize, Filler)],
) -> Result<Labels> {
    let mut labels = Labels::default();
    let mut record = Record::default();
    while rows.next_regular(&mut record)? {
        ids.push(&record, rows.number);
        // `get`: the file may have changed since the first pass.
        labels.push(label.and_then(|label| record.get(label)).unwrap_or_default(), record.line);
        for (position, filler) in fillers.iter_mut() {
            filler.push(record.get(*position).unwrap_or_default());
        }
    }
    Ok(labels)
}

/// The column that may name the items, unless rows are counted whatever there is.
fn own_ids(layout: &Layout, options: &Options, is_taken: impl Fn(usize) -> bool) -> Option<usize> {
    if options.count_rows { None } else { id_column(layout, options, is_taken) }
}

/// Reads a table with the columns and classes of a trained run.
fn apply(origin: &Origin, schema: &Schema, options: &Options) -> Result<Source> {
    let mut rows = origin.rows(options, Some(schema))?;
    let columns = table_columns(schema, &origin.name)?;
    let positions = rows.match_columns(columns)?;
    let mut notes = rows.layout.notes();
    let label = rows.layout.known_label(columns, options, &mut notes);
    let is_used = |at: usize| positions.contains(&at) || Some(at) == label;
    let id = own_ids(&rows.layout, options, is_used);
    let extra: Vec<String> = (rows.layout.names.iter().enumerate())
        .filter(|(position, _)| !is_used(*position) && Some(*position) != id)
        .map(|(_, name)| name.clone())
        .collect();
    if !extra.is_empty() {
        notes.push(format!("columns that the trained run does not use: {}", shortened(extra.into_iter(), 8)));
    }

    let mut fillers = fillers(columns, &rows);
    let mut odd: Vec<Found> = vec![Found::default(); columns.len()];
    let (mut labels, mut ids) = (Labels::default(), RowIds::new(&rows.layout, id));
    let mut record = Record::default();
    while rows.next_regular(&mut record)? {
        ids.push(&record, rows.number);
        labels.push(label.map_or("", |label| record.field(label)), record.line);
        for ((filler, position), odd) in fillers.iter_mut().zip(&positions).zip(&mut odd) {
            let text = record.field(*position);
            if !filler.push(text) {
                odd.more(1, record.line, text);
            }
        }
    }
    rows.check()?;

    let (ids, note) = ids.finish();
    // That there are ids was said of the training data.
    notes.extend(note.filter(|_| matches!(ids, Ids::Positions(_))));
    notes.extend(rows.recoded_note());
    notes.extend(columns.iter().zip(&odd).filter_map(|(column, odd)| odd_note(column, odd)));
    let column = label.map_or("label", |label| rows.layout.names[label].as_str());
    let with_schema = Options { schema: Some(schema.clone()), ..options.clone() };
    let mut resolved = labels.resolve(origin, column, &with_schema)?;
    notes.append(&mut resolved.notes);
    let cells = fillers.iter_mut().map(Filler::take).collect();
    let train = dataset(columns.to_vec(), cells, ids, resolved);
    Ok(Source { train, validation: None, test: None, notes, problems: rows.ragged })
}

/// Passes rows on in chunks, in constant memory and one entry a record.
fn stream_rows(mut rows: Rows, schema: &Schema, options: &Options, sink: Sink) -> Result<()> {
    let columns = table_columns(schema, &rows.name)?;
    let positions = rows.match_columns(columns)?;
    let id = stream_ids(&rows.layout, &positions, options);
    let mut fillers = fillers(columns, &rows);
    let (mut ids, mut status) = (Vec::new(), Vec::new());
    let mut record = Record::default();
    loop {
        let more = rows.next(&mut record)?;
        if more {
            ids.push(id_of(&record, id).map_or_else(|| rows.number.to_string(), str::to_owned));
            status.push(fill(&mut fillers, columns, &positions, &record, &rows));
        }
        if ids.len() == CHUNK || (!more && !ids.is_empty()) {
            let table = Table { rows: ids.len(), columns: fillers.iter_mut().map(Filler::take).collect() };
            sink(Chunk {
                ids: std::mem::take(&mut ids),
                status: std::mem::take(&mut status),
                inputs: Inputs::Table(table),
            })?;
        }
        if !more {
            return Ok(());
        }
    }
}

/// The column that may name the items of a table of which these columns are inputs.
fn stream_ids(layout: &Layout, inputs: &[usize], options: &Options) -> Option<usize> {
    let label = options.label.as_ref().and_then(|label| layout.find(label));
    own_ids(layout, options, |at| inputs.contains(&at) || Some(at) == label)
}

/// Adds one record to the columns.
fn fill(fillers: &mut [Filler], columns: &[Column], positions: &[usize], record: &Record, rows: &Rows) -> Status {
    if let Some(reason) = rows.raggedness(record) {
        fillers.iter_mut().for_each(Filler::gap);
        return Status::Unreadable(format!("row {}: {reason}", record.line));
    }
    let mut odd = Vec::new();
    for ((filler, column), position) in fillers.iter_mut().zip(columns).zip(positions) {
        let text = record.field(*position);
        if !filler.push(text) {
            odd.push(filler.doubt(text, &column.name));
        }
    }
    if odd.is_empty() { Status::Ok } else { Status::Unseen(odd.join("; ")) }
}

fn table_columns<'a>(schema: &'a Schema, name: &Path) -> Result<&'a [Column]> {
    match &schema.features {
        Features::Columns(columns) => Ok(columns),
        Features::Image(_) => Err(Error::data(
            name,
            "is a table, but the run was trained on pictures",
            "give pictures like those of the training data",
        )),
    }
}

/// Columns to fill, as the trained run knows them.
fn fillers(columns: &[Column], rows: &Rows) -> Vec<Filler> {
    columns.iter().map(|column| Filler::known(&column.kind, rows.layout.comma())).collect()
}

fn dataset(columns: Vec<Column>, cells: Vec<Cells>, ids: Ids, resolved: Resolved) -> Dataset {
    Dataset {
        schema: Schema { classes: resolved.classes, features: Features::Columns(columns) },
        inputs: Inputs::Table(Table { rows: resolved.labels.len(), columns: cells }),
        labels: resolved.labels,
        ids,
    }
}

/// What was found in a column that training never saw there.
fn odd_note(column: &Column, odd: &Found) -> Option<String> {
    let (line, text) = odd.first.as_ref()?;
    let what = match column.kind {
        ColumnKind::Numeric => "no finite number",
        ColumnKind::YesNo { .. } | ColumnKind::Category { .. } => "unknown to the trained run",
    };
    Some(format!(
        "column {}: {} {what} and counted as missing (first `{text}` in row {line})",
        column.name,
        plural_are(odd.count, "value"),
    ))
}

/// Label texts, and the line on which each distinct one first stands.
#[derive(Default)]
struct Labels {
    interner: Interner,
    lines: Vec<u64>,
}

impl Labels {
    fn push(&mut self, text: &str, line: u64) {
        self.interner.push(text);
        self.lines.resize(self.interner.texts.distinct.len(), line);
    }

    /// The labels as classes; errors name lines of the file.
    fn resolve(&self, origin: &Origin, column: &str, options: &Options) -> Result<Resolved> {
        let place = Place::from(origin.name.as_path()).column(column);
        let texts = &self.interner.texts;
        labels::resolve(texts, place.clone(), options).map_err(|error| {
            locate(error, |item| {
                let code = *texts.codes.get(item)?;
                Some(Place { row: Some(self.lines[code as usize]), ..place })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::testing::{
        assert_note, cells, columns, failure, for_many_texts, kinds, labelled_by, numeric, one_column, origin, table,
        table_with, try_table,
    };
    use super::*;
    use crate::dataset::Class;

    #[test]
    fn a_plain_table_is_read() {
        let source = table("size,colour,label\n1.5,red,cat\n2,blue,dog\n3,red,\n");
        assert_eq!(kinds(&source), ["size numeric", "colour category"]);
        assert_eq!(cells(&source, 0), &numeric(&[1.5, 2.0, 3.0]));
        assert_eq!(cells(&source, 1), &Cells::Category(vec![Some(1), Some(0), Some(1)]));
        assert_eq!(source.train.schema.classes, ["cat", "dog"]);
        assert_eq!(source.train.labels, [Some(Class(0)), Some(Class(1)), None]);
        assert_eq!(source.train.ids, Ids::first(3));
        assert_note(&source, "labels are in column label");
        assert_note(&source, "columns: 1 numeric (size), 1 category (colour 2 values)");
    }

    #[test]
    fn paths_are_claimed_by_their_ends() {
        for path in ["a.csv", "b.TSV", "c.data", "d.txt.gz", "-", "dir/e.csv.gz"] {
            assert!(claims(Path::new(path)), "{path}");
        }
        for path in ["a.npy", "csv", "b.gz", "x.png"] {
            assert!(!claims(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_table_without_a_useful_column_is_refused() {
        let (problem, _) = failure(one_column(["5", "5", "5"]), &Options::default());
        assert!(problem.contains("no column to learn from") && problem.contains("always `5`"), "{problem}");
    }

    #[test]
    fn empty_tables_are_errors() {
        assert!(failure("", &Options::default()).0.contains("is empty"));
        assert!(failure("\n \n", &Options::default()).0.contains("is empty"));
        assert!(failure("a,label\n", &Options::default()).0.contains("a header and no row"));
    }

    #[test]
    fn a_label_that_is_no_class_is_named_with_its_line() {
        let options = Options { classes: Some(vec!["cat".into(), "dog".into()]), ..Options::default() };
        let (problem, _) = failure("a,label\n\n1,\"cat\"\n2,dog\n3,cow\n", &options);
        assert_eq!(problem, "pets.csv, row 5, column label: `cow` is not a class; the classes are cat, dog");
    }

    fn trained() -> Source {
        table("age,planet,member,label\n10.5,Earth,yes,a\n20,Venus,no,b\n30,Earth,yes,a\n")
    }

    fn for_run(run: &Source) -> Options {
        Options { schema: Some(run.train.schema.clone()), ..Options::default() }
    }

    #[test]
    fn columns_of_a_trained_run_are_found_by_name() {
        let run = trained();
        let source = table_with("label,extra,planet,member,age\nb,9,Venus,NO,40\n,9,Mars,maybe,old\n", &for_run(&run));
        assert_eq!(source.train.schema, run.train.schema);
        assert_eq!(cells(&source, 0), &numeric(&[40.0, f32::NAN]));
        assert_eq!(cells(&source, 1), &Cells::Category(vec![Some(1), None]));
        assert_eq!(cells(&source, 2), &Cells::YesNo(vec![Some(false), None]));
        assert_eq!(source.train.labels, [Some(Class(1)), None]);
        assert_note(&source, "does not use: extra");
        assert_note(&source, "column age: 1 value is no finite number and counted as missing (first `old` in row 3)");
        assert_note(
            &source,
            "column planet: 1 value is unknown to the trained run and counted as missing (first `Mars` in row 3)",
        );
    }

    #[test]
    fn a_missing_column_is_named() {
        let (problem, _) = failure("planet,member,label\nEarth,yes,a\n", &for_run(&trained()));
        assert_eq!(problem, "pets.csv: column age is missing");
        let (_, hint) = failure("1,Earth,yes,a\n", &for_run(&trained()));
        assert!(hint.contains("first line must hold the names"), "{hint}");
    }

    #[test]
    fn labels_are_optional_for_a_trained_run() {
        let source = table_with("age,planet,member\n1,Earth,yes\n", &for_run(&trained()));
        assert_eq!(source.train.labels, [None]);
        assert_note(&source, "no label column");
    }

    fn streamed(text: &str, schema: &Schema) -> Result<Vec<Chunk>> {
        let input: Box<dyn Read> = Box::new(Cursor::new(text.to_owned().into_bytes()));
        let mut chunks = Vec::new();
        let rows = Rows::open(input, Path::new("new.csv"), &Options::default(), Some(schema))?;
        stream_rows(rows, schema, &Options::default(), &mut |chunk| {
            chunks.push(chunk);
            Ok(())
        })?;
        Ok(chunks)
    }

    #[test]
    fn a_stream_has_an_entry_for_every_record() {
        let text = "planet,age,member\nEarth,1,yes\nMars,abc,no\nVenus,2\nVenus,,maybe\n";
        let chunks = streamed(text, &trained().train.schema).expect("a stream");
        let [chunk] = chunks.as_slice() else { panic!("one chunk") };
        assert_eq!(chunk.ids, ["1", "2", "3", "4"]);
        assert_eq!(
            chunk.status,
            [
                Status::Ok,
                Status::Unseen("`abc` in column age is not a number; `Mars` in column planet".into()),
                Status::Unreadable("row 4: 2 fields instead of 3".into()),
                Status::Unseen("`maybe` in column member".into()),
            ]
        );
        let Inputs::Table(table) = &chunk.inputs else { panic!("a table") };
        assert_eq!(table.columns[0], numeric(&[1.0, f32::NAN, f32::NAN, f32::NAN]));
        assert_eq!(table.columns[1], Cells::Category(vec![Some(0), None, None, Some(1)]));
        assert_eq!(table.columns[2], Cells::YesNo(vec![Some(true), Some(false), None, None]));
    }

    #[test]
    fn a_stream_comes_in_chunks_and_ends_with_the_sink() {
        let text = format!("age,planet,member\n{}", "1,Earth,no\n".repeat(CHUNK * 2 + 5));
        let schema = trained().train.schema;
        let sizes: Vec<usize> =
            streamed(&text, &schema).expect("a stream").iter().map(|chunk| chunk.ids.len()).collect();
        assert_eq!(sizes, [CHUNK, CHUNK, 5]);
        assert_eq!(streamed("age,planet,member\n", &schema).expect("a stream"), []);
        let input: Box<dyn Read> = Box::new(Cursor::new(text.into_bytes()));
        let rows = Rows::open(input, Path::new("new.csv"), &Options::default(), Some(&schema)).expect("a table");
        let stopped = stream_rows(rows, &schema, &Options::default(), &mut |_| Err(Error::usage("stop", "")));
        assert!(stopped.is_err_and(|error| error.to_string() == "stop"));
    }

    #[test]
    fn numbered_columns_are_found_by_position() {
        let run = table_with("1,2.5,red,x\n1,3.5,blue,y\n1,4.5,red,x\n", &labelled_by("4"));
        assert_eq!(kinds(&run), ["2 numeric", "3 category"]);
        let schema = &run.train.schema;
        let chunks = streamed("2,7.5,blue\n3,8.5,red\n", schema).expect("a stream");
        let Inputs::Table(table) = &chunks[0].inputs else { panic!("a table") };
        assert_eq!(table.columns[0], numeric(&[7.5, 8.5]));
        let error = streamed("1,2\n3,4\n", schema).expect_err("too narrow");
        assert_eq!(error.to_string(), "new.csv: column 3 is missing");
        let evaluation = Options { label: Some("4".into()), ..for_run(&run) };
        assert_eq!(table_with("2,7.5,blue,y\n", &evaluation).train.labels, [Some(Class(1))]);
    }

    #[test]
    fn where_the_classes_are_given_a_table_may_have_no_column_of_labels() {
        let named = |classes: &[&str]| Options {
            classes: Some(classes.iter().map(|&class| class.to_owned()).collect()),
            ..Options::default()
        };
        let source = table_with("size,food\n1.5,hay\n2,oats\n", &named(&["cat", "dog"]));
        assert_eq!(kinds(&source), ["size numeric", "food category"]);
        assert_eq!(source.train.schema.classes, ["cat", "dog"]);
        assert_eq!(source.train.labels, [None, None]);
        assert_note(&source, "no column is taken for labels");
        // A column with a usual name holds labels all the same.
        let source = table_with("size,label\n1.5,dog\n2,\n", &named(&["cat", "dog"]));
        assert_eq!(source.train.labels, [Some(Class(1)), None]);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let schema = trained().train.schema;
        for_many_texts(|text| {
            for options in [
                labelled_by("1"),
                Options::default(),
                Options { schema: Some(schema.clone()), ..Options::default() },
                Options { header: Some(false), ..labelled_by("2") },
            ] {
                let _ = try_table(text, &options);
            }
            let rows = origin(text).rows(&Options::default(), Some(&schema));
            let _ = rows.and_then(|rows| stream_rows(rows, &schema, &Options::default(), &mut |_| Ok(())));
        });
    }

    #[test]
    fn the_adult_data_are_understood() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/adult/adult.data");
        if !path.exists() {
            eprintln!("SKIPPED: {} is not there", path.display());
            return;
        }
        let source = read(&path, &labelled_by("15")).expect("the Adult data");
        assert_eq!(source.train.len(), 32_561);
        assert_eq!(source.train.schema.classes, ["<=50K", ">50K"]);
        assert_eq!(source.train.class_counts(), [24_720, 7_841]);
        assert_eq!(source.problems, []);
        let number = |name: &str| format!("{name} numeric");
        let numbers: Vec<String> = kinds(&source).into_iter().filter(|kind| kind.ends_with("numeric")).collect();
        assert_eq!(numbers, ["1", "3", "5", "11", "12", "13"].map(number));
        assert_eq!(columns(&source).len(), 14);
        let ColumnKind::Category { values } = &columns(&source)[9].kind else { panic!("sex is a category") };
        assert_eq!(values, &["Female", "Male"]);
        assert_note(&source, "missing cells: 2 1,836, 7 1,843, 14 583");
        assert_note(&source, "no header");
    }
}
