//! Items that come one a line, as a table or as JSON lines.
//!
//! Nothing is read ahead of a line, so whoever writes one may wait for what becomes of it before writing the next. The
//! first line that is not empty says what they are: JSON lines if it begins with `{`, else a table, with a header or not.
//!
//! | a line of JSON | |
//! |---|---|
//! | `{"id": 7, "size": 24.5, "food": null}` | a value a column, by name; `null` is missing |
//! | `{"id": 7, "x": [0, 12.5]}` | a number a pixel, or a value a column in the schema's order |
//! | `{"id": 7, "path": "a.png"}` | a picture's file |
//!
//! Other keys are not looked at, and `id` may be left out.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::csv::{self, BYTE_ORDER_MARK, Filler, LineTable, refuse_utf_16, unpacked};
use super::picture::{Failed, load};
use super::{FORMATS, Options};
use crate::dataset::{Column, ColumnKind, Features, ImageShape, Inputs, Schema, Table};
use crate::error::{Error, Result, did_you_mean};
use crate::labels::grouped;

/// Bytes in one line.
const LONGEST_LINE: usize = 1 << 26;

/// Whether what lies at a path comes line by line: standard input, which is `-`, a pipe, a text table, JSON lines.
pub fn come_by_line(path: &Path, options: &Options) -> bool {
    if let Some(format) = &options.format {
        return format == csv::FORMAT.name;
    }
    if let Some(format) = FORMATS.iter().find(|format| (format.claims)(path)) {
        return format.name == csv::FORMAT.name;
    }
    let name = path.to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let is_pipe = || path.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir());
    [".jsonl", ".ndjson"].iter().any(|end| name.ends_with(end)) || is_pipe()
}

/// Items of a text, line by line.
pub struct Lines {
    name: PathBuf,
    schema: Schema,
    options: Options,
    /// Whether a picture may be named by its file, which is then opened.
    opens_files: bool,
    /// Known to be one: a line that begins with `{` is no JSON.
    is_table: bool,
    /// What is opened with the first line: even its first byte may have to be waited for.
    unopened: Option<Box<dyn Read>>,
    input: Box<dyn BufRead>,
    number: u64,
    form: Option<Form>,
    fillers: Vec<Filler>,
}

enum Form {
    Json,
    Table(LineTable),
}

/// A line of a text that is no header.
#[derive(Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    /// What the item calls itself: its `id`, or its file.
    pub id: Option<String>,
    /// The item, or why it cannot be read.
    pub item: std::result::Result<Item, String>,
}

/// What was read of a line.
#[derive(Debug, PartialEq)]
pub struct Item {
    /// One row.
    pub inputs: Inputs,
    /// What training never saw, such as a new category: what, and where.
    pub unseen: Option<String>,
}

impl Lines {
    /// Of a path, or of standard input where that is `-`. `schema` is the run's. Nothing is read yet.
    pub fn open(path: &Path, schema: &Schema, options: &Options) -> Result<Lines> {
        let stdin = path == Path::new("-");
        let input: Box<dyn Read> = if stdin {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|source| Error::io(path, source))?)
        };
        Ok(Lines::of(input, if stdin { Path::new("standard input") } else { path }, schema, options))
    }

    /// Of a table, by somebody who may not have files of this machine opened.
    pub(super) fn of_strangers_table(input: Box<dyn Read>, name: &Path, schema: &Schema, options: &Options) -> Lines {
        Lines { opens_files: false, is_table: true, ..Lines::of(input, name, schema, options) }
    }

    fn of(input: Box<dyn Read>, name: &Path, schema: &Schema, options: &Options) -> Lines {
        Lines {
            name: name.to_owned(),
            schema: schema.clone(),
            options: options.clone(),
            opens_files: true,
            is_table: false,
            unopened: Some(input),
            input: Box::new(io::empty()),
            number: 0,
            form: None,
            fillers: Vec::new(),
        }
    }

    /// Waits for the next line; `None` at the end. An error ends the stream: the input cannot be read any more, or its
    /// header lacks a column.
    pub fn next_line(&mut self) -> Result<Option<Line>> {
        if let Some(unopened) = self.unopened.take() {
            self.input = unpacked(unopened).map_err(|source| Error::io(&self.name, source))?;
        }
        while let Some(text) = self.read_line()? {
            let is_empty = text.as_ref().is_ok_and(|text| text.iter().all(u8::is_ascii_whitespace));
            if let Ok(text) = &text
                && !is_empty
                && self.form.is_none()
                && self.begin(text)?
            {
                continue;
            }
            let (id, item) = match text {
                Ok(_) if is_empty => (None, Err("the line is empty".to_owned())),
                Ok(text) => self.read(&text),
                Err(problem) => (None, Err(problem)),
            };
            let number = self.number;
            let (id, item) = match id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()) {
                Some(id) if id.contains(char::is_control) => (None, Err("its id is not one line of text".to_owned())),
                id => (id, item),
            };
            let item = item.map_err(|problem| format!("line {number}: {problem}"));
            return Ok(Some(Line { number, id, item }));
        }
        Ok(None)
    }

    /// Learns from the first line what the lines are; whether it is a header.
    fn begin(&mut self, text: &[u8]) -> Result<bool> {
        refuse_utf_16(text, &self.name)?;
        let is_json = !self.is_table && text.trim_ascii_start().starts_with(b"{");
        let (form, is_header) = if is_json {
            (Form::Json, false)
        } else {
            let (table, is_header) = LineTable::begin(text, &self.name, &self.schema, &self.options)?;
            (Form::Table(table), is_header)
        };
        if let Features::Columns(columns) = &self.schema.features {
            let comma = matches!(&form, Form::Table(table) if table.comma());
            self.fillers = columns.iter().map(|column| Filler::known(&column.kind, comma)).collect();
        }
        self.form = Some(form);
        Ok(is_header)
    }

    fn read(&mut self, text: &[u8]) -> (Option<String>, std::result::Result<Item, String>) {
        if text.contains(&0) {
            return (None, Err("there are zero bytes: this is no text".to_owned()));
        }
        let Some(form) = &mut self.form else { return (None, Err("the line is empty".to_owned())) };
        match form {
            Form::Table(table) => {
                let taken = table.take(text);
                let path = table.path().map(str::to_owned);
                let id = table.id().map(str::to_owned).or_else(|| path.clone());
                let item = taken.and_then(|()| match (&self.schema.features, path) {
                    (Features::Columns(columns), _) => {
                        let cells = table.positions.iter().map(|at| Cow::Borrowed(table.field(*at)));
                        Ok(row(columns, &mut self.fillers, cells))
                    }
                    (Features::Image(shape), Some(path)) if self.opens_files => picture(shape, &path),
                    (Features::Image(_), Some(_)) => Err(NO_FILES.to_owned()),
                    (Features::Image(shape), None) => {
                        let comma = table.comma();
                        pixels(shape, table.positions.iter().map(|at| csv::finite(table.field(*at), comma)))
                    }
                });
                (id, item)
            }
            Form::Json => match object(text) {
                Ok(object) => self.of_object(&object),
                Err(problem) => (None, Err(problem)),
            },
        }
    }

    fn of_object(&mut self, object: &Map<String, Value>) -> (Option<String>, std::result::Result<Item, String>) {
        let (id, content) = object_content(&self.schema, object);
        let item = content.and_then(|content| match (content, &self.schema.features) {
            (Content::Pixels(pixels), _) => Ok(Item { inputs: Inputs::Floats(one_row(pixels)), unseen: None }),
            (Content::File(path), Features::Image(shape)) if self.opens_files => picture(shape, path),
            (Content::Cells(cells), Features::Columns(columns)) => {
                Ok(row(columns, &mut self.fillers, cells.into_iter()))
            }
            (Content::File(_) | Content::Cells(_), _) => Err(NO_FILES.to_owned()),
        });
        (id, item)
    }

    /// The next line without its end; inside, why it is too long to be one.
    fn read_line(&mut self) -> Result<Option<std::result::Result<Vec<u8>, String>>> {
        let (mut line, mut is_any, mut is_whole) = (Vec::new(), false, true);
        loop {
            let bytes = match self.input.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(Error::io(&self.name, source)),
            };
            is_any |= !bytes.is_empty();
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let some = &bytes[..end.unwrap_or(bytes.len())];
            is_whole &= line.len() + some.len() <= LONGEST_LINE;
            if is_whole {
                line.extend_from_slice(some);
            }
            let (taken, is_end) = (some.len() + usize::from(end.is_some()), end.is_some() || bytes.is_empty());
            self.input.consume(taken);
            if is_end {
                break;
            }
        }
        if !is_any {
            return Ok(None);
        }
        self.number += 1;
        if !is_whole {
            return Ok(Some(Err("it has more than 64 MB".to_owned())));
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if self.number == 1 && line.starts_with(&BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Some(Ok(line)))
    }
}

pub(super) const NO_FILES: &str = "files of this machine are not opened: send the picture itself";

/// What a JSON object holds of an item.
pub(super) enum Content<'a> {
    /// As many as the shape has.
    Pixels(Vec<f32>),
    /// Where a picture is.
    File(&'a str),
    /// A text a column, as it would stand in a table.
    Cells(Vec<Cow<'a, str>>),
}

/// The item's id, if it has one, and what else is said of it.
pub(super) fn object_content<'a>(
    schema: &Schema,
    object: &'a Map<String, Value>,
) -> (Option<String>, std::result::Result<Content<'a>, String>) {
    let columns: &[Column] = match &schema.features {
        Features::Columns(columns) => columns,
        Features::Image(_) => &[],
    };
    // A column may be called `id` or `x`.
    let beside = |key: &str| object.get(key).filter(|_| columns.iter().all(|column| column.name != key));
    let path = beside("path").and_then(Value::as_str).filter(|_| columns.is_empty());
    let id = match beside("id") {
        Some(Value::String(id)) => Some(id.clone()),
        Some(Value::Number(id)) => Some(id.to_string()),
        _ => path.map(str::to_owned),
    };
    let x = beside("x").and_then(Value::as_array);
    let content = match (&schema.features, x, path) {
        (Features::Image(shape), Some(x), _) => pixels_of(shape, x.iter().map(finite)).map(Content::Pixels),
        (Features::Image(_), None, Some(path)) => Ok(Content::File(path)),
        (Features::Image(_), None, None) => {
            Err("it holds neither `x`, an array of pixels, nor `path`, a picture's file".to_owned())
        }
        (Features::Columns(columns), x, _) => cells(columns, object, x).map(Content::Cells),
    };
    (id, content)
}

/// What a JSON array holds of an item: a number a pixel, or a value a column.
pub(super) fn array_content<'a>(schema: &Schema, x: &'a [Value]) -> std::result::Result<Content<'a>, String> {
    match &schema.features {
        Features::Image(shape) => pixels_of(shape, x.iter().map(finite)).map(Content::Pixels),
        Features::Columns(columns) => in_order(columns, x).map(Content::Cells),
    }
}

fn in_order<'a>(columns: &[Column], x: &'a [Value]) -> std::result::Result<Vec<Cow<'a, str>>, String> {
    if x.len() != columns.len() {
        return Err(format!("{} values instead of {}", grouped(x.len()), grouped(columns.len())));
    }
    columns.iter().zip(x).map(|(column, value)| text(column, value)).collect()
}

fn object(text: &[u8]) -> std::result::Result<Map<String, Value>, String> {
    serde_json::from_slice(text).map_err(|error| {
        let said = error.to_string();
        // The line that it names would be that of this text alone.
        let what = said.split(" at line ").next().unwrap_or_default();
        format!("no JSON object: {what}, at byte {}", error.column())
    })
}

/// One row of a table. What says nothing in its column counts as missing.
fn row<'a>(columns: &[Column], fillers: &mut [Filler], cells: impl Iterator<Item = Cow<'a, str>>) -> Item {
    let unseen = fill(columns, fillers, cells);
    let table = Table { rows: 1, columns: fillers.iter_mut().map(Filler::take).collect() };
    Item { inputs: Inputs::Table(table), unseen }
}

/// Adds a row to the columns; what in it training never saw.
pub(super) fn fill<'a>(
    columns: &[Column],
    fillers: &mut [Filler],
    cells: impl Iterator<Item = Cow<'a, str>>,
) -> Option<String> {
    let mut odd = Vec::new();
    for ((filler, column), text) in fillers.iter_mut().zip(columns).zip(cells) {
        if !filler.push(&text) {
            odd.push(filler.doubt(&text, &column.name));
        }
    }
    (!odd.is_empty()).then(|| odd.join("; "))
}

/// The texts of the columns, from values by name or from an array.
fn cells<'a>(
    columns: &[Column],
    object: &'a Map<String, Value>,
    x: Option<&'a Vec<Value>>,
) -> std::result::Result<Vec<Cow<'a, str>>, String> {
    let by_name = columns.iter().any(|column| object.contains_key(&column.name));
    if let (false, Some(x)) = (by_name, x) {
        return in_order(columns, x);
    }
    let missing = |column: &Column| {
        let close = did_you_mean(&column.name, object.keys().map(String::as_str));
        let close = if close.starts_with("did") { close } else { "`null` says that nothing is known".to_owned() };
        format!("column {} is missing: {close}", column.name)
    };
    let of = |column: &Column| text(column, object.get(&column.name).ok_or_else(|| missing(column))?);
    columns.iter().map(of).collect()
}

/// A value as it would stand in a table.
fn text<'a>(column: &Column, value: &'a Value) -> std::result::Result<Cow<'a, str>, String> {
    Ok(match (value, &column.kind) {
        (Value::Null, _) => Cow::Borrowed(""),
        (Value::String(text), _) => Cow::Borrowed(text.trim()),
        (Value::Bool(holds), ColumnKind::YesNo { no, yes }) => Cow::Owned(if *holds { yes } else { no }.clone()),
        (Value::Bool(_) | Value::Number(_), _) => Cow::Owned(value.to_string()),
        (Value::Array(_) | Value::Object(_), _) => {
            return Err(format!("column {} holds more than one value", column.name));
        }
    })
}

#[expect(clippy::cast_possible_truncation, reason = "what f32 cannot hold is not finite")]
fn finite(value: &Value) -> Option<f32> {
    value.as_f64().map(|number| number as f32).filter(|number| number.is_finite())
}

fn pixels(
    shape: &ImageShape,
    numbers: impl ExactSizeIterator<Item = Option<f32>>,
) -> std::result::Result<Item, String> {
    Ok(Item { inputs: Inputs::Floats(one_row(pixels_of(shape, numbers)?)), unseen: None })
}

fn pixels_of(
    shape: &ImageShape,
    numbers: impl ExactSizeIterator<Item = Option<f32>>,
) -> std::result::Result<Vec<f32>, String> {
    if numbers.len() != shape.len() {
        return Err(format!("{} pixels instead of {}", grouped(numbers.len()), grouped(shape.len())));
    }
    let pixels = numbers.enumerate().map(|(at, number)| number.ok_or_else(|| format!("pixel {} is no number", at + 1)));
    pixels.collect()
}

fn one_row(pixels: Vec<f32>) -> ndarray::Array2<f32> {
    ndarray::Array2::from_shape_vec((1, pixels.len()), pixels).expect("a row has its own length")
}

fn picture(shape: &ImageShape, path: &str) -> std::result::Result<Item, String> {
    let (inputs, failures) =
        load(Path::new(""), &[Path::new(path)], shape, Failed::Zero).map_err(|error| error.to_string())?;
    match failures.into_iter().next().flatten() {
        Some(problem) => Err(format!("{path}: {problem}")),
        None => Ok(Item { inputs, unseen: None }),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Cursor;
    use std::rc::Rc;

    use ndarray::array;

    use super::*;
    use crate::dataset::Cells;

    fn column(name: &str, kind: ColumnKind) -> Column {
        Column { name: name.to_owned(), kind }
    }

    fn pets() -> Schema {
        let values = ["cake", "fish"].map(str::to_owned).to_vec();
        let yes_no = ColumnKind::YesNo { no: "no".to_owned(), yes: "yes".to_owned() };
        Schema {
            classes: vec!["cat".to_owned(), "dog".to_owned()],
            features: Features::Columns(vec![
                column("size", ColumnKind::Numeric),
                column("barks", yes_no),
                column("food", ColumnKind::Category { values }),
            ]),
        }
    }

    fn numbered() -> Schema {
        let columns = ["1", "2"].map(|name| column(name, ColumnKind::Numeric)).to_vec();
        Schema { classes: vec!["a".to_owned()], features: Features::Columns(columns) }
    }

    fn pictures() -> Schema {
        let shape = ImageShape { height: 1, width: 2, channels: 1, white: 255.0 };
        Schema { classes: vec!["a".to_owned()], features: Features::Image(shape) }
    }

    fn read(text: impl AsRef<[u8]>, schema: &Schema) -> Result<Vec<Line>> {
        let text = Box::new(Cursor::new(text.as_ref().to_vec()));
        let mut lines = Lines::of(text, Path::new("pipe"), schema, &Options::default());
        std::iter::from_fn(|| lines.next_line().transpose()).collect()
    }

    fn items(text: impl AsRef<[u8]>, schema: &Schema) -> Vec<Line> {
        read(text, schema).expect("lines")
    }

    fn problem(line: &Line) -> &str {
        line.item.as_ref().expect_err("a problem")
    }

    fn pet(size: f32, barks: bool, food: Option<u32>) -> Inputs {
        let columns =
            vec![Cells::Numeric(vec![Some(size)]), Cells::YesNo(vec![Some(barks)]), Cells::Category(vec![food])];
        Inputs::Table(Table { rows: 1, columns })
    }

    #[test]
    fn a_table_and_json_lines_say_the_same() {
        for text in [
            "id,size,barks,food\na,24.5,no,fish\nb,60,yes,\n",
            "food;barks;owner;size;id\r\nfish;no;Ada;24,5;a\r\n;yes;Bob;60;b",
            "\u{feff}{\"id\": \"a\", \"size\": 24.5, \"barks\": false, \"food\": \"fish\"}\n{\"id\": \"b\", \"food\": null, \"barks\": \"Yes\", \"size\": \"60\", \"owner\": [1]}\n",
            "{\"id\": \"a\", \"x\": [24.5, \"no\", \"fish\"]}\n{\"id\": \"b\", \"x\": [60, true, null]}\n",
        ] {
            let lines = items(text, &pets());
            let ids: Vec<_> = lines.iter().map(|line| line.id.as_deref()).collect();
            assert_eq!(ids, [Some("a"), Some("b")], "{text}");
            let inputs: Vec<_> = lines.into_iter().map(|line| line.item.expect("an item")).collect();
            let item = |inputs| Item { inputs, unseen: None };
            assert_eq!(inputs, [item(pet(24.5, false, Some(1))), item(pet(60.0, true, None))], "{text}");
        }
    }

    #[test]
    fn every_line_but_a_header_is_an_entry_with_its_number() {
        let lines = items("\nid,size,barks,food\nb,1,no,fish\nc,2\n\nd,3,\"no,fish\ne,4,maybe,fish\n", &pets());
        let numbers: Vec<u64> = lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [1, 3, 4, 5, 6, 7]);
        assert_eq!(problem(&lines[0]), "line 1: the line is empty");
        assert_eq!(problem(&lines[2]), "line 4: 2 fields instead of 4");
        assert_eq!(problem(&lines[3]), "line 5: the line is empty");
        assert_eq!(problem(&lines[4]), "line 6: a quote opens and does not close on this line");
        let last = lines[5].item.as_ref().expect("an item");
        assert_eq!(last.unseen.as_deref(), Some("`maybe` in column barks"));
    }

    #[test]
    fn a_broken_line_of_json_is_told_and_the_next_is_read() {
        let good = r#"{"id":7,"size":1,"barks":true,"food":"fish"}"#;
        let text = format!(
            "{good}\n{{\"size\": 1,\n[1]\n{}\n{}\n{}\n{good}\n",
            r#"{"id":"a","size":1,"barks":true,"foods":"fish"}"#,
            r#"{"size":{},"barks":true,"food":"fish"}"#,
            r#"{"x":[1,true]}"#
        );
        let lines = items(text, &pets());
        assert_eq!(problem(&lines[1]), "line 2: no JSON object: EOF while parsing a value, at byte 11");
        assert!(problem(&lines[2]).starts_with("line 3: no JSON object: "), "{}", problem(&lines[2]));
        assert_eq!(problem(&lines[3]), "line 4: column food is missing: did you mean `foods`?");
        assert_eq!(lines[3].id.as_deref(), Some("a"));
        assert_eq!(problem(&lines[4]), "line 5: column size holds more than one value");
        assert_eq!(problem(&lines[5]), "line 6: 2 values instead of 3");
        assert_eq!((lines[6].id.as_deref(), lines[6].item.is_ok()), (Some("7"), true));
    }

    #[test]
    fn a_first_line_is_a_header_where_it_says_nothing_as_an_item() {
        let sizes = |text: &str| {
            let lines = items(text, &numbered());
            lines.iter().map(|line| line.item.as_ref().expect("an item").inputs.clone()).collect::<Vec<_>>()
        };
        let numbers = |a, b| {
            let columns = vec![Cells::Numeric(vec![Some(a)]), Cells::Numeric(vec![Some(b)])];
            Inputs::Table(Table { rows: 1, columns })
        };
        assert_eq!(sizes("1.5,2\n3,4\n"), [numbers(1.5, 2.0), numbers(3.0, 4.0)]);
        assert_eq!(sizes("width,height\n3,4\n"), [numbers(3.0, 4.0)]);
        let error = read("size,barks\n1,no\n", &pets()).expect_err("no food");
        assert_eq!(error.to_string(), "pipe: column food is missing");
    }

    #[test]
    fn pictures_come_as_pixels_or_as_files() {
        for text in ["0,255\n", "id,a,b,label\nq,0,255,3\n", "{\"x\": [0, 255.0]}\n"] {
            let lines = items(text, &pictures());
            assert_eq!(lines[0].item.as_ref().expect("pixels").inputs, Inputs::Floats(array![[0.0, 255.0]]), "{text}");
        }
        assert_eq!(problem(&items("{\"x\": [0, null]}", &pictures())[0]), "line 1: pixel 2 is no number");
        assert_eq!(problem(&items("{\"x\": [0]}", &pictures())[0]), "line 1: 1 pixels instead of 2");
        assert!(read("1,2,3\n", &pictures()).expect_err("too wide").to_string().contains("has 3 columns"));
        let folder = std::env::temp_dir().join(format!("halfmoon-lines-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let path = folder.join("a.png");
        image::GrayImage::from_raw(2, 1, vec![9, 200]).expect("two pixels").save(&path).expect("a picture");
        let lines = items(format!("path,owner\n{},Ada\nnowhere.png,Bob\n", path.display()), &pictures());
        std::fs::remove_dir_all(&folder).expect("the folder was made");
        assert_eq!(lines[0].id.as_deref(), path.to_str());
        assert_eq!(lines[0].item.as_ref().expect("pixels").inputs, Inputs::Bytes(array![[9, 200]]));
        assert!(problem(&lines[1]).starts_with("line 3: nowhere.png: "), "{}", problem(&lines[1]));
    }

    /// A pipe that holds one line at a time, and counts those that were taken.
    struct Pipe(Vec<&'static str>, Rc<Cell<usize>>);

    impl Read for Pipe {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let Some(line) = self.0.get(self.1.get()) else { return Ok(0) };
            let (now, later) = line.split_at(line.len().min(to.len()));
            to[..now.len()].copy_from_slice(now.as_bytes());
            if later.is_empty() {
                self.1.set(self.1.get() + 1);
            } else {
                let at = self.1.get();
                self.0[at] = later;
            }
            Ok(now.len())
        }
    }

    #[test]
    fn no_line_is_read_before_the_one_before_it_is_answered() {
        for text in [
            vec!["size,barks,food\n", "1,no,fish\n", "2,no,fish\n", "3,no,fish\n"],
            vec!["\n", "{\"x\":[1,true,\"fish\"]}\n", "{\"x\":[2,true,\"fish\"]}\n", "no\n"],
        ] {
            let taken = Rc::new(Cell::new(0));
            let pipe = Box::new(Pipe(text.clone(), Rc::clone(&taken)));
            let mut lines = Lines::of(pipe, Path::new("pipe"), &pets(), &Options::default());
            while let Some(line) = lines.next_line().expect("a line") {
                assert_eq!(taken.get() as u64, line.number, "{text:?}");
            }
        }
    }

    #[test]
    fn gzip_is_read_and_utf_16_refused() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut packer, b"size,barks,food\n1,no,fish\n").expect("memory");
        let lines = items(packer.finish().expect("memory"), &pets());
        assert_eq!(lines[0].item.as_ref().expect("an item").inputs, pet(1.0, false, Some(1)));
        assert!(read(b"\xff\xfea\0,\0", &pets()).expect_err("UTF-16").to_string().contains("UTF-16"));
        assert!(problem(&items("size,barks,food\n1,\0,fish\n", &pets())[0]).contains("zero bytes"));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let pieces =
            ["{", "}", "\"", "\n", "\r", ",", ":", "x", "[", "1e999", "id", "size", "barks,food", "\0", "é", " "];
        for seed in 0..3_000_usize {
            let text: String = (0..seed % 23).map(|at| pieces[(seed * 31 + at * at * 17 + at * seed) % 16]).collect();
            for schema in [pets(), numbered(), pictures()] {
                let _ = read(&text, &schema);
            }
        }
    }

    #[test]
    fn paths_say_whether_they_hold_lines() {
        let lines = |path: &str| come_by_line(Path::new(path), &Options::default());
        assert!(["-", "a.csv", "b.tsv.gz", "c.jsonl", "d.NDJSON"].into_iter().all(lines));
        assert!(!["a.npy", "digits", "a.parquet", "nowhere"].into_iter().any(lines));
    }
}
