//! Tables as text: CSV, TSV and their relatives, plain or gzipped.
//!
//! A file is read twice: once to learn what each column is, over all rows and without keeping a text,
//! once to fill the columns. Prediction knows the columns and reads once, in constant memory.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use super::{CHUNK, Chunk, Format, Options, Problem, Sink, Source, Status};
use crate::dataset::{Cells, Column, ColumnKind, Dataset, Features, Ids, Inputs, Schema, Table};
use crate::error::{Error, Place, Result, did_you_mean};
use crate::labels::{self, Resolved, Texts, grouped};

pub(super) const FORMAT: Format = Format {
    name: "csv",
    about: "text table: .csv .tsv .data .txt, also .gz, `-` for standard input; delimiter and header are guessed",
    claims,
    read,
    stream,
};

/// One row of a table that names pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileLabel {
    /// Line of the table, counted from 1.
    pub(super) row: u64,
    pub(super) file_name: String,
    /// `None` where the table has no label column or the row ends before it.
    pub(super) label: Option<String>,
}

/// The columns `file_name` and `label` (or `options.label`) of a table such as `metadata.csv`.
pub(super) fn file_labels(path: &Path, options: &Options) -> Result<Vec<FileLabel>> {
    Origin::new(path)?.file_labels(options)
}

fn claims(path: &Path) -> bool {
    if path == Path::new("-") {
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
    let name = display_name(path);
    let input: Box<dyn Read> = if is_stdin(path) { Box::new(io::stdin()) } else { Box::new(open(path)?) };
    // Not `options` alone: whoever streams need not repeat the schema there.
    let rows = Rows::open(input, &name, options, Some(schema))?;
    stream_rows(rows, schema, sink)
}

/// Bytes of a file looked at to find the delimiter and the header, at least.
const HEAD: usize = 1 << 16;
/// Bytes of a file looked at, at most.
const LONGEST_HEAD: usize = 1 << 24;
/// Records looked at to find the delimiter and the header.
const SAMPLE: usize = 100;
/// Bytes in one line.
const LONGEST_LINE: usize = 1 << 26;
/// Bytes in one quoted field: more means that a quote is not closed.
const LONGEST_QUOTE: usize = 1 << 20;
/// Lines in one quoted field.
const MOST_QUOTED_LINES: usize = 1000;
/// Values of a category column that are told apart.
const MOST_VALUES: usize = 1000;
/// Names of a label column, where the user names none.
const LABEL_NAMES: [&str; 4] = ["label", "class", "target", "y"];
/// No and yes.
const YES_NO: [(&str, &str); 6] = [("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"), ("0", "1"), ("off", "on")];

// ---- Two passes: a data set to learn from ----

/// Reads a table whose columns are not known yet.
fn learn(origin: &Origin, options: &Options) -> Result<Source> {
    let mut rows = origin.rows(options, None)?;
    let (label, mut notes) = label_column(&rows.layout, options)?;
    let forced = forced_kinds(&rows.layout, label, options)?;
    let scan = Scan::of(&mut rows, label)?;
    scan.check(&rows)?;

    notes.extend(rows.layout.notes());
    notes.extend(scan.notes(&rows.layout));
    let mut fillers = Vec::new();
    for (position, seen) in scan.columns.iter().enumerate().filter(|(position, _)| *position != label) {
        let name = &rows.layout.names[position];
        let place = || Place::from(origin.name.as_path()).column(name);
        match seen.plan(name, &scan, forced[position], &place)? {
            Plan::Drop(note) => notes.push(note),
            Plan::Keep(filler, note) => {
                notes.extend(note);
                fillers.push((position, filler));
            }
        }
    }

    let (labels, ids) = fill_columns(origin, options, label, &mut fillers)?;
    if ids.len() != scan.rows {
        return Err(Error::data(origin.name.as_path(), "changed while it was read", "try again when it is complete"));
    }

    let mut columns = Vec::new();
    let mut cells = Vec::new();
    for (position, filler) in fillers {
        let seen = &scan.columns[position];
        let (kept, note) = filler.finish(&rows.layout.names[position], seen, forced[position].is_some());
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
    let resolved = labels.resolve(origin, &rows.layout.names[label], options)?;
    Ok(source(columns, cells, resolved, Items { ids, notes, problems: scan.ragged }))
}

/// The second pass: fills the columns at these positions, and returns the labels and the records'
/// numbers.
fn fill_columns(
    origin: &Origin,
    options: &Options,
    label: usize,
    fillers: &mut [(usize, Filler)],
) -> Result<(Interner, Vec<u64>)> {
    let mut rows = origin.rows(options, None)?;
    let (mut labels, mut ids) = (Interner::default(), Vec::new());
    let mut record = Record::default();
    let mut number = 0;
    while rows.records.next(&mut record)? {
        number += 1;
        if record.len() != rows.layout.names.len() {
            continue;
        }
        ids.push(number);
        labels.push(record.get(label).unwrap_or_default(), record.line);
        for (position, filler) in fillers.iter_mut() {
            filler.push(record.get(*position).unwrap_or_default());
        }
    }
    Ok((labels, ids))
}

/// What a table holds besides its cells.
struct Items {
    ids: Vec<u64>,
    notes: Vec<String>,
    problems: Vec<Problem>,
}

fn source(columns: Vec<Column>, cells: Vec<Cells>, resolved: Resolved, items: Items) -> Source {
    let Items { ids, mut notes, problems } = items;
    notes.extend(resolved.notes);
    let train = Dataset {
        schema: Schema { classes: resolved.classes, features: Features::Columns(columns) },
        inputs: Inputs::Table(Table { rows: ids.len(), columns: cells }),
        labels: resolved.labels,
        ids: Ids::Positions(ids),
    };
    Source { train, validation: None, test: None, notes, problems }
}

/// The position of the label column, with a note where the user did not choose it.
fn label_column(layout: &Layout, options: &Options) -> Result<(usize, Vec<String>)> {
    if let Some(label) = &options.label {
        let position = layout.find(label).ok_or_else(|| {
            Error::usage(format!("there is no column `{label}` to take labels from"), layout.guess(label))
        })?;
        return Ok((position, Vec::new()));
    }
    match layout.usual_label() {
        Some(position) => {
            let name = &layout.names[position];
            Ok((position, vec![format!("labels are in column {name} (`--label NAME` chooses another)")]))
        }
        None => {
            Err(Error::usage("which column holds the labels?", format!("`--label NAME`, one of: {}", layout.listing())))
        }
    }
}

/// What the user said of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forced {
    Numeric,
    YesNo,
    Category,
    Ignore,
}

/// For each column, what the user said of it.
fn forced_kinds(layout: &Layout, label: usize, options: &Options) -> Result<Vec<Option<Forced>>> {
    const KINDS: [(&str, Forced); 4] = [
        ("numeric", Forced::Numeric),
        ("yes_no", Forced::YesNo),
        ("category", Forced::Category),
        ("ignore", Forced::Ignore),
    ];
    let mut forced = vec![None; layout.names.len()];
    for (name, kind) in &options.columns {
        let position = layout
            .find(name)
            .ok_or_else(|| Error::usage(format!("there is no column `{name}`"), layout.guess(name)))?;
        let (_, kind) = KINDS.iter().find(|(known, _)| known == kind).ok_or_else(|| {
            Error::usage(
                format!("`{kind}` is no kind of column, for column {name}"),
                did_you_mean(kind, KINDS.iter().map(|(known, _)| *known)),
            )
        })?;
        if position == label {
            return Err(Error::usage(
                format!("column {name} holds the labels and cannot be an input as well"),
                format!("leave out `--column {name}=…`, or choose another `--label`"),
            ));
        }
        forced[position] = Some(*kind);
    }
    Ok(forced)
}

/// `columns: 6 numeric (age, …), 1 yes/no (member), 2 categories (job 8 values, town 31 values)`.
fn columns_note(columns: &[Column]) -> String {
    let of = |kind: &str| columns.iter().filter(|column| column.kind.name() == kind).collect::<Vec<_>>();
    let mut parts = Vec::new();
    for (kind, one, many) in
        [("numeric", "numeric", "numeric"), ("yes_no", "yes/no", "yes/no"), ("category", "category", "categories")]
    {
        let these = of(kind);
        if these.is_empty() {
            continue;
        }
        let names = these.iter().map(|column| match &column.kind {
            ColumnKind::Category { values } => format!("{} {}", column.name, plural(values.len(), "value")),
            _ => column.name.clone(),
        });
        let noun = if these.len() == 1 { one } else { many };
        parts.push(format!("{} {noun} ({})", grouped(these.len()), shortened(names, 8)));
    }
    format!("columns: {}", parts.join(", "))
}

/// What the first pass learns of all rows.
struct Scan {
    rows: usize,
    /// Whether `1,5` may be a number.
    comma: bool,
    columns: Vec<Seen>,
    ragged: Vec<Problem>,
    /// The line of the first ragged record, and its number of fields.
    first_ragged: Option<(u64, usize)>,
    recoded: Found,
}

impl Scan {
    fn of(rows: &mut Rows, label: usize) -> Result<Scan> {
        let width = rows.layout.names.len();
        let mut scan = Scan {
            rows: 0,
            comma: rows.layout.comma(),
            columns: rows.layout.names.iter().map(|name| Seen::new(name)).collect(),
            ragged: Vec::new(),
            first_ragged: None,
            recoded: rows.layout.recoded.clone(),
        };
        let mut record = Record::default();
        let mut number = 0;
        while rows.records.next(&mut record)? {
            number += 1;
            scan.recoded.more(record.recoded, record.line, "");
            if record.len() != width {
                scan.first_ragged.get_or_insert((record.line, record.len()));
                scan.ragged.push(rows.ragged(&record));
                continue;
            }
            scan.rows += 1;
            for (position, seen) in scan.columns.iter_mut().enumerate() {
                if position != label {
                    seen.look(record.field(position), Row { line: record.line, number }, scan.comma);
                }
            }
        }
        Ok(scan)
    }

    /// A table without rows, or with more ragged rows than others, is not usable.
    fn check(&self, rows: &Rows) -> Result<()> {
        check_rows(self.rows, self.ragged.len(), self.first_ragged, rows)
    }

    fn notes(&self, layout: &Layout) -> Vec<String> {
        let mut notes = Vec::new();
        notes.extend(recoded_note(&self.recoded));
        let with_comma: Vec<(&Seen, &String)> = (self.columns.iter().zip(&layout.names))
            .filter(|(seen, _)| seen.commas > 0 && seen.is_mostly_numeric())
            .collect();
        if let Some((seen, _)) = with_comma.first() {
            let names = shortened(with_comma.iter().map(|(_, name)| (*name).clone()), 8);
            notes.push(format!("decimal comma, as in `{}`: {names}", seen.comma_sample));
        }
        let gaps = self.columns.iter().zip(&layout.names).filter(|(seen, _)| seen.missing > 0);
        let gaps: Vec<String> = gaps.map(|(seen, name)| format!("{name} {}", grouped(seen.missing))).collect();
        if !gaps.is_empty() {
            notes.push(format!("missing cells: {}", shortened(gaps.into_iter(), 12)));
        }
        notes
    }
}

fn check_rows(rows: usize, ragged: usize, first_ragged: Option<(u64, usize)>, table: &Rows) -> Result<()> {
    let width = table.layout.names.len();
    if let Some((line, fields)) = first_ragged.filter(|_| ragged > rows) {
        return Err(Error::data(
            Place::row(&table.name, line),
            format!(
                "{} instead of {width}; {} of {} rows are like that",
                plural(fields, "field"),
                grouped(ragged),
                grouped(rows + ragged)
            ),
            format!(
                "the delimiter was taken to be {}: `--delimiter` sets another",
                delimiter_name(table.layout.delimiter)
            ),
        ));
    }
    if rows == 0 {
        return Err(Error::data(
            table.name.as_path(),
            "holds a header and no row",
            "`--header false` if the first line is data",
        ));
    }
    Ok(())
}

fn recoded_note(recoded: &Found) -> Option<String> {
    let (line, _) = recoded.first.as_ref()?;
    Some(format!("{} not UTF-8 and read as Windows-1252 (first in row {line})", plural_are(recoded.count, "cell")))
}

/// How often something was found, and the first time: line and text.
#[derive(Debug, Clone, Default)]
struct Found {
    count: usize,
    first: Option<(u64, String)>,
}

impl Found {
    fn more(&mut self, count: usize, line: u64, text: &str) {
        if count > 0 {
            self.count += count;
            self.first.get_or_insert_with(|| (line, excerpt(text)));
        }
    }
}

/// Where a record stands: its line, and its number among the records below the header.
#[derive(Clone, Copy)]
struct Row {
    line: u64,
    number: u64,
}

/// What the first pass knows of a column: never more than a few of its texts.
struct Seen {
    missing: usize,
    numbers: usize,
    infinite: Found,
    texts: Found,
    commas: usize,
    comma_sample: String,
    /// The first three texts that differ in more than case.
    words: Vec<String>,
    /// The first number, and whether another one follows.
    first: Option<f32>,
    varies: bool,
    /// Whole numbers that rise by one from record to record: the number that record 0 would have.
    serial: Serial,
    /// The whole numbers of a column that is called an id, until one comes twice.
    ids: Option<HashSet<i64>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Serial {
    Unknown,
    From(i64),
    No,
}

/// What becomes of a column.
enum Plan {
    Drop(String),
    Keep(Filler, Option<String>),
}

impl Seen {
    fn new(name: &str) -> Seen {
        Seen {
            missing: 0,
            numbers: 0,
            infinite: Found::default(),
            texts: Found::default(),
            commas: 0,
            comma_sample: String::new(),
            words: Vec::new(),
            first: None,
            varies: false,
            serial: Serial::Unknown,
            ids: is_id_name(name).then(HashSet::new),
        }
    }

    fn look(&mut self, text: &str, row: Row, comma: bool) {
        if is_missing(text) {
            self.missing += 1;
            return;
        }
        if self.words.len() < 3 && !self.words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
            self.words.push(text.to_owned());
        }
        if self.serial != Serial::No || self.ids.is_some() {
            self.look_for_ids(text, row);
        }
        match number(text, comma) {
            None => self.texts.more(1, row.line, text),
            Some(x) if !x.is_finite() => self.infinite.more(1, row.line, text),
            Some(x) => {
                self.numbers += 1;
                if comma && text.contains(',') {
                    self.commas += 1;
                    if self.commas == 1 {
                        text.trim().clone_into(&mut self.comma_sample);
                    }
                }
                let first = *self.first.get_or_insert(x);
                self.varies |= first.total_cmp(&x).is_ne();
            }
        }
    }

    fn look_for_ids(&mut self, text: &str, row: Row) {
        let whole = text.trim().parse::<i64>().ok();
        let start = whole.and_then(|n| n.checked_sub_unsigned(row.number));
        self.serial = match (self.serial, start) {
            (Serial::Unknown, Some(start)) => Serial::From(start),
            (Serial::From(known), Some(start)) if known == start => self.serial,
            _ => Serial::No,
        };
        let is_another = self.ids.as_mut().zip(whole).is_some_and(|(ids, whole)| ids.insert(whole));
        if !is_another {
            self.ids = None;
        }
    }

    fn present(&self) -> usize {
        self.numbers + self.infinite.count + self.texts.count
    }

    /// At least 95 in 100 values are numbers, and there are enough to say so.
    fn is_mostly_numeric(&self) -> bool {
        self.texts.count == 0 || (self.present() >= 20 && self.texts.count * 20 <= self.present())
    }

    fn plan(&self, name: &str, scan: &Scan, forced: Option<Forced>, place: &dyn Fn() -> Place) -> Result<Plan> {
        let drop = |why: &str, kind: &str| {
            Ok(Plan::Drop(format!("column {name} is left out: {why} (`--column {name}={kind}` keeps it)")))
        };
        match forced {
            Some(Forced::Ignore) => return Ok(Plan::Drop(format!("column {name} is left out, as asked"))),
            Some(Forced::Category) => return Ok(Plan::Keep(Filler::category(usize::MAX), None)),
            Some(Forced::YesNo) => return self.as_yes_no(place),
            Some(Forced::Numeric) => {
                if self.numbers == 0 && self.present() > 0 {
                    let sample = self.words.first().map_or("", String::as_str);
                    return Err(Error::data(
                        place(),
                        format!("no value is a number; the first is `{}`", excerpt(sample)),
                        format!("`--column {name}=category`, or `ignore`"),
                    ));
                }
                return Ok(self.as_numbers(name, scan.comma));
            }
            None => {}
        }
        if self.present() == 0 {
            return drop("all its cells are missing", "numeric");
        }
        if let [a, b] = self.words.as_slice()
            && let Some((no, yes)) = yes_no_pair(a, b)
        {
            return Ok(Plan::Keep(Filler::yes_no(no, yes), None));
        }
        if self.numbers == 0 && self.infinite.count > 0 && self.texts.count == 0 {
            return drop("none of its values is finite", "numeric");
        }
        if !self.is_mostly_numeric() {
            // More values than this are an id or prose; they need not all be kept to know it.
            let limit = if self.present() > 50 { self.present() / 2 } else { usize::MAX };
            return Ok(Plan::Keep(Filler::category(limit), None));
        }
        let whole = self.texts.count == 0 && self.infinite.count == 0;
        let is_complete = self.missing == 0 && whole;
        if !self.varies && is_complete && scan.rows > 1 {
            return drop(&format!("it is always `{}`", excerpt(&self.words[0])), "numeric");
        }
        if whole && matches!(self.serial, Serial::From(_)) && self.present() >= 10 {
            return drop("its whole numbers count the rows, like an id", "numeric");
        }
        if whole && self.ids.is_some() && self.present() > 1 {
            return drop("its name and its values, no two alike, are those of an id", "numeric");
        }
        Ok(self.as_numbers(name, scan.comma))
    }

    fn as_numbers(&self, name: &str, comma: bool) -> Plan {
        let mut notes = Vec::new();
        if let Some((line, text)) = &self.texts.first {
            notes.push(format!(
                "column {name}: {} no number and counted as missing (first `{text}` in row {line}); \
                 `--column {name}=category` takes all as names",
                plural_are(self.texts.count, "value"),
            ));
        }
        if let Some((line, text)) = &self.infinite.first {
            notes.push(format!(
                "column {name}: {} not finite and counted as missing (first `{text}` in row {line})",
                plural_are(self.infinite.count, "value"),
            ));
        }
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Plan::Keep(Filler::Numeric { comma, cells: Vec::new() }, note)
    }

    fn as_yes_no(&self, place: &dyn Fn() -> Place) -> Result<Plan> {
        let [a, b] = self.words.as_slice() else {
            let some = self.words.iter().map(|word| format!("`{}`", excerpt(word)));
            let number = if self.words.len() > 2 { "more than two".to_owned() } else { self.words.len().to_string() };
            return Err(Error::data(
                place(),
                format!("a yes/no column has two values; this has {number}: {}", shortened(some, 3)),
                "leave out `yes_no`, or correct the values",
            ));
        };
        let (no, yes) = yes_no_pair(a, b).unwrap_or_else(|| {
            let mut pair = [a.as_str(), b.as_str()];
            labels::in_order(&mut pair);
            (pair[0].to_owned(), pair[1].to_owned())
        });
        Ok(Plan::Keep(Filler::yes_no(no, yes), None))
    }
}

/// The two words as (no, yes), where they say so.
fn yes_no_pair(a: &str, b: &str) -> Option<(String, String)> {
    let is = |word: &str, known: &str| word.eq_ignore_ascii_case(known);
    YES_NO.iter().find_map(|(no, yes)| {
        if is(a, no) && is(b, yes) {
            Some((a.to_owned(), b.to_owned()))
        } else if is(a, yes) && is(b, no) {
            Some((b.to_owned(), a.to_owned()))
        } else {
            None
        }
    })
}

/// `id`, `user_id`, `user-id`, `user id`, `userId`.
fn is_id_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    lower == "id"
        || ["_id", "-id", " id", ".id"].iter().any(|end| lower.ends_with(end))
        || name
            .strip_suffix("Id")
            .or(name.strip_suffix("ID"))
            .is_some_and(|stem| stem.ends_with(|c: char| c.is_lowercase()))
}

/// A column being filled.
enum Filler {
    Numeric {
        /// Whether `1,5` may be a number.
        comma: bool,
        cells: Vec<Option<f32>>,
    },
    YesNo {
        no: String,
        yes: String,
        cells: Vec<Option<bool>>,
    },
    Category {
        codes: HashMap<String, u32>,
        /// How many values may join `codes`; `None`: they are complete.
        limit: Option<usize>,
        cells: Vec<Option<u32>>,
    },
}

/// Why a cell that is not empty counts as missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Odd {
    NoNumber,
    NotFinite,
    NotYesOrNo,
    Unseen,
}

impl Odd {
    fn of(self, text: &str, column: &str) -> String {
        let text = excerpt(text);
        match self {
            Odd::NoNumber => format!("`{text}` in column {column} is not a number"),
            Odd::NotFinite => format!("`{text}` in column {column} is not finite"),
            Odd::NotYesOrNo | Odd::Unseen => format!("`{text}` in column {column}"),
        }
    }
}

impl Filler {
    fn yes_no(no: String, yes: String) -> Filler {
        Filler::YesNo { no, yes, cells: Vec::new() }
    }

    /// A column whose values are not known yet.
    fn category(limit: usize) -> Filler {
        Filler::Category { codes: HashMap::new(), limit: Some(limit), cells: Vec::new() }
    }

    fn known(kind: &ColumnKind, comma: bool) -> Filler {
        match kind {
            ColumnKind::Numeric => Filler::Numeric { comma, cells: Vec::new() },
            ColumnKind::YesNo { no, yes } => Filler::yes_no(no.clone(), yes.clone()),
            ColumnKind::Category { values } => {
                Filler::Category { codes: values.iter().cloned().zip(0..).collect(), limit: None, cells: Vec::new() }
            }
        }
    }

    fn push(&mut self, text: &str) -> Option<Odd> {
        if is_missing(text) {
            self.gap();
            return None;
        }
        match self {
            Filler::Numeric { comma, cells } => {
                let value = number(text, *comma);
                let finite = value.filter(|x| x.is_finite());
                cells.push(finite);
                match value {
                    None => Some(Odd::NoNumber),
                    Some(_) if finite.is_none() => Some(Odd::NotFinite),
                    Some(_) => None,
                }
            }
            Filler::YesNo { no, yes, cells } => {
                let value = if same_word(text, no) {
                    Some(false)
                } else if same_word(text, yes) {
                    Some(true)
                } else {
                    None
                };
                cells.push(value);
                value.is_none().then_some(Odd::NotYesOrNo)
            }
            Filler::Category { codes, limit, cells } => {
                let known = codes.get(text).copied();
                let code = match (known, *limit) {
                    (None, Some(limit)) if codes.len() <= limit => {
                        let code = u32::try_from(codes.len()).ok();
                        codes.extend(code.map(|code| (text.to_owned(), code)));
                        code
                    }
                    _ => known,
                };
                cells.push(code);
                code.is_none().then_some(Odd::Unseen)
            }
        }
    }

    fn gap(&mut self) {
        match self {
            Filler::Numeric { cells, .. } => cells.push(None),
            Filler::YesNo { cells, .. } => cells.push(None),
            Filler::Category { cells, .. } => cells.push(None),
        }
    }

    /// The cells so far; the column goes on empty.
    fn take(&mut self) -> Cells {
        match self {
            Filler::Numeric { cells, .. } => Cells::Numeric(std::mem::take(cells)),
            Filler::YesNo { cells, .. } => Cells::YesNo(std::mem::take(cells)),
            Filler::Category { cells, .. } => Cells::Category(std::mem::take(cells)),
        }
    }

    /// The column of a data set, unless its values are of no use.
    fn finish(self, name: &str, seen: &Seen, is_forced: bool) -> (Option<(Column, Cells)>, Option<String>) {
        let column = |kind| Column { name: name.to_owned(), kind };
        match self {
            Filler::Numeric { cells, .. } => (Some((column(ColumnKind::Numeric), Cells::Numeric(cells))), None),
            Filler::YesNo { no, yes, cells } => {
                (Some((column(ColumnKind::YesNo { no, yes }), Cells::YesNo(cells))), None)
            }
            Filler::Category { codes, cells, .. } => {
                let why = if is_forced { None } else { useless(&codes, seen, name, cells.len()) };
                if let Some(why) = why {
                    let note = format!("column {name} is left out: {why} (`--column {name}=category` keeps it)");
                    return (None, Some(note));
                }
                let (values, cells, note) = frequent(codes, cells, name);
                (Some((column(ColumnKind::Category { values }), Cells::Category(cells))), note)
            }
        }
    }
}

/// Why a category column has nothing to say, where that is so.
fn useless(codes: &HashMap<String, u32>, seen: &Seen, name: &str, rows: usize) -> Option<String> {
    let (distinct, present) = (codes.len(), seen.present());
    if distinct == 1 && seen.missing == 0 && rows > 1 {
        return Some(format!("it is always `{}`", excerpt(&seen.words[0])));
    }
    if present > 50 && distinct > present / 2 {
        return Some(format!("more than half of its {} values differ, as in ids and free text", grouped(present)));
    }
    (is_id_name(name) && distinct == present && present > 1)
        .then(|| "its name and its values, no two alike, are those of an id".to_owned())
}

/// The values that are told apart, in order, and the cells as codes into them.
fn frequent(
    codes: HashMap<String, u32>,
    mut cells: Vec<Option<u32>>,
    name: &str,
) -> (Vec<String>, Vec<Option<u32>>, Option<String>) {
    let mut counts = vec![0_usize; codes.len()];
    for code in cells.iter().flatten() {
        counts[*code as usize] += 1;
    }
    // By frequency; among equals, the first to appear.
    let mut by_count: Vec<(String, u32)> = codes.into_iter().collect();
    by_count.sort_by_key(|(_, code)| (std::cmp::Reverse(counts[*code as usize]), *code));
    let rest: usize = by_count.iter().skip(MOST_VALUES).map(|(_, code)| counts[*code as usize]).sum();
    let distinct = by_count.len();
    by_count.truncate(MOST_VALUES);

    let old: HashMap<&str, u32> = by_count.iter().map(|(value, code)| (value.as_str(), *code)).collect();
    let mut values: Vec<&str> = old.keys().copied().collect();
    labels::in_order(&mut values);
    let mut new_codes = vec![None; distinct];
    for (value, new) in values.iter().zip(0..) {
        new_codes[old[value] as usize] = Some(new);
    }
    for cell in &mut cells {
        *cell = cell.and_then(|code| new_codes[code as usize]);
    }
    let note = (distinct > MOST_VALUES).then(|| {
        format!(
            "column {name} has {} values: the {} most frequent are told apart, the others count as missing ({})",
            grouped(distinct),
            grouped(MOST_VALUES),
            plural(rest, "cell")
        )
    });
    (values.into_iter().map(str::to_owned).collect(), cells, note)
}

/// Label texts as they come, each distinct one kept once with the line of its first appearance.
#[derive(Default)]
struct Interner {
    index: HashMap<String, u32>,
    texts: Texts,
    lines: Vec<u64>,
}

impl Interner {
    fn push(&mut self, text: &str, line: u64) {
        let code = self.index.get(text).copied().unwrap_or_else(|| {
            // More than 2³² distinct labels do not fit in memory; they are refused far below that.
            let code = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
            self.index.insert(text.to_owned(), code);
            self.texts.distinct.push(text.to_owned());
            self.lines.push(line);
            code
        });
        self.texts.codes.push(code);
    }

    /// The labels as classes; errors name lines of the file.
    fn resolve(&self, origin: &Origin, column: &str, options: &Options) -> Result<Resolved> {
        let place = Place::from(origin.name.as_path()).column(column);
        labels::resolve(&self.texts, place, options).map_err(|error| match error {
            Error::Data { mut place, problem, hint } => {
                let item = place.row.and_then(|row| usize::try_from(row).ok()?.checked_sub(1));
                place.row = item
                    .and_then(|item| self.texts.codes.get(item))
                    .and_then(|code| self.lines.get(*code as usize).copied());
                Error::Data { place, problem, hint }
            }
            other => other,
        })
    }
}

// ---- One pass: the columns of a trained run ----

/// Reads a table with the columns and classes of a trained run.
fn apply(origin: &Origin, schema: &Schema, options: &Options) -> Result<Source> {
    let mut rows = origin.rows(options, Some(schema))?;
    let columns = table_columns(schema, &origin.name)?;
    let positions = rows.match_columns(columns)?;
    let mut notes = rows.layout.notes();
    let label = rows.layout.known_label(columns, options, &mut notes);
    let extra: Vec<String> = (rows.layout.names.iter().enumerate())
        .filter(|(position, _)| !positions.contains(position) && Some(*position) != label)
        .map(|(_, name)| name.clone())
        .collect();
    if !extra.is_empty() {
        notes.push(format!("columns that the trained run does not use: {}", shortened(extra.into_iter(), 8)));
    }

    let mut fillers: Vec<Filler> =
        columns.iter().map(|column| Filler::known(&column.kind, rows.layout.comma())).collect();
    let mut odd: Vec<Found> = vec![Found::default(); columns.len()];
    let mut recoded = rows.layout.recoded.clone();
    let mut labels = Interner::default();
    let (mut ids, mut problems, mut first_ragged) = (Vec::new(), Vec::new(), None);
    let mut record = Record::default();
    let mut number = 0;
    while rows.records.next(&mut record)? {
        number += 1;
        recoded.more(record.recoded, record.line, "");
        if record.len() != rows.layout.names.len() {
            first_ragged.get_or_insert((record.line, record.len()));
            problems.push(rows.ragged(&record));
            continue;
        }
        ids.push(number);
        labels.push(label.map_or("", |label| record.field(label)), record.line);
        for ((filler, position), odd) in fillers.iter_mut().zip(&positions).zip(&mut odd) {
            let text = record.field(*position);
            if filler.push(text).is_some() {
                odd.more(1, record.line, text);
            }
        }
    }
    check_rows(ids.len(), problems.len(), first_ragged, &rows)?;

    notes.extend(recoded_note(&recoded));
    notes.extend(columns.iter().zip(&odd).filter_map(|(column, odd)| odd_note(column, odd)));
    let column = label.map_or("label", |label| rows.layout.names[label].as_str());
    let with_schema = Options { schema: Some(schema.clone()), ..options.clone() };
    let resolved = labels.resolve(origin, column, &with_schema)?;
    let cells = fillers.iter_mut().map(Filler::take).collect();
    Ok(source(columns.to_vec(), cells, resolved, Items { ids, notes, problems }))
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

/// Passes rows on in chunks, in constant memory and one entry a record.
fn stream_rows(mut rows: Rows, schema: &Schema, sink: Sink) -> Result<()> {
    let columns = table_columns(schema, &rows.name)?;
    let positions = rows.match_columns(columns)?;
    let mut fillers: Vec<Filler> =
        columns.iter().map(|column| Filler::known(&column.kind, rows.layout.comma())).collect();
    let (mut ids, mut status) = (Vec::new(), Vec::new());
    let mut record = Record::default();
    let mut number: u64 = 0;
    loop {
        let more = rows.records.next(&mut record)?;
        if more {
            number += 1;
            ids.push(number.to_string());
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

/// Adds one record to the columns.
fn fill(fillers: &mut [Filler], columns: &[Column], positions: &[usize], record: &Record, rows: &Rows) -> Status {
    if record.len() != rows.layout.names.len() {
        fillers.iter_mut().for_each(Filler::gap);
        return Status::Unreadable(format!("row {}: {}", record.line, rows.raggedness(record)));
    }
    let mut odd = Vec::new();
    for ((filler, column), position) in fillers.iter_mut().zip(columns).zip(positions) {
        let text = record.field(*position);
        odd.extend(filler.push(text).map(|why| why.of(text, &column.name)));
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

/// The columns had no header in training: they are called by their numbers.
fn is_numbered(columns: &[Column]) -> bool {
    columns.iter().all(|column| column.name.parse::<usize>().is_ok_and(|number| number > 0))
}

// ---- Pictures named by a table ----

impl Origin {
    fn file_labels(&self, options: &Options) -> Result<Vec<FileLabel>> {
        let with_header = Options { header: Some(true), ..options.clone() };
        let mut rows = self.rows(&with_header, None)?;
        let layout = &rows.layout;
        let file_name = layout.names.iter().position(|name| name == "file_name").ok_or_else(|| {
            Error::data(
                self.name.as_path(),
                format!("has no column `file_name` among {}", layout.listing()),
                "name the column that holds each picture's path `file_name`",
            )
        })?;
        let label = match &options.label {
            None => layout.names.iter().position(|name| name == "label"),
            Some(label) => Some(layout.find(label).ok_or_else(|| {
                Error::data(self.name.as_path(), format!("has no column `{label}`"), layout.guess(label))
            })?),
        };
        let mut out = Vec::new();
        let mut record = Record::default();
        while rows.records.next(&mut record)? {
            let name = record.get(file_name).unwrap_or_default();
            if name.is_empty() {
                return Err(Error::data(
                    Place::row(&self.name, record.line).column("file_name"),
                    "names no file",
                    "fill the cell or delete the row",
                ));
            }
            out.push(FileLabel {
                row: record.line,
                file_name: name.to_owned(),
                label: label.and_then(|label| record.get(label)).map(str::to_owned),
            });
        }
        Ok(out)
    }
}

// ---- From bytes to a table's head ----

/// Bytes that can be read more than once.
struct Origin {
    name: PathBuf,
    /// What cannot be opened twice, such as a pipe, is held here.
    bytes: Option<Arc<[u8]>>,
}

impl Origin {
    fn new(path: &Path) -> Result<Origin> {
        let name = display_name(path);
        let mut held = Vec::new();
        if is_stdin(path) {
            io::stdin().read_to_end(&mut held).map_err(|source| Error::io(&name, source))?;
        } else if path.metadata().map_err(|source| Error::io(path, source))?.is_file() {
            return Ok(Origin { name, bytes: None });
        } else {
            open(path)?.read_to_end(&mut held).map_err(|source| Error::io(path, source))?;
        }
        Ok(Origin { name, bytes: Some(held.into()) })
    }

    /// From the first record below the header.
    fn rows(&self, options: &Options, schema: Option<&Schema>) -> Result<Rows> {
        let input: Box<dyn Read> = match &self.bytes {
            Some(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
            None => Box::new(open(&self.name)?),
        };
        Rows::open(input, &self.name, options, schema)
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| Error::io(path, source))
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn display_name(path: &Path) -> PathBuf {
    if is_stdin(path) { PathBuf::from("standard input") } else { path.to_owned() }
}

/// A table of which the header, if any, has been read.
struct Rows {
    name: PathBuf,
    layout: Layout,
    records: Records<Box<dyn BufRead>>,
}

/// How a table's text is laid out.
struct Layout {
    delimiter: u8,
    delimiter_is_given: bool,
    has_header: bool,
    /// Of the columns: from the header, else their numbers.
    names: Vec<String>,
    /// Names that the header has twice.
    renamed: Vec<String>,
    /// The first record, to show the user what a column holds.
    first: Vec<String>,
    /// Cells of the header that were not UTF-8.
    recoded: Found,
}

impl Rows {
    fn open(input: Box<dyn Read>, name: &Path, options: &Options, schema: Option<&Schema>) -> Result<Rows> {
        let Head { bytes, is_all, rest } = Head::read(input, name)?;
        let delimiter = match options.delimiter {
            Some(given) => usable_delimiter(given)?,
            None => sniff(&bytes, is_all),
        };
        let sample = sample(&bytes, is_all, delimiter);
        let mut records = Records::new(Box::new(Cursor::new(bytes).chain(rest)) as Box<dyn BufRead>, delimiter, name);
        let has_header = has_header(&sample, options, schema);
        let mut first = Record::default();
        let mut recoded = Found::default();
        // Without a sample, the first record is broken or very long: reading it tells.
        let has_header = has_header || sample.is_empty();
        if has_header {
            if !records.next(&mut first)? {
                return Err(Error::data(name, "is empty", "a table has at least one row"));
            }
            recoded.more(first.recoded, first.line, "");
        }
        let first = if has_header { first.fields() } else { sample.first().cloned().unwrap_or_default() };
        let width = if has_header { first.len() } else { usual_width(&sample) };
        let (names, renamed) = if has_header { column_names(&first) } else { (numbers(width), Vec::new()) };
        let delimiter_is_given = options.delimiter.is_some();
        let layout = Layout { delimiter, delimiter_is_given, has_header, names, renamed, first, recoded };
        Ok(Rows { name: name.to_owned(), layout, records })
    }

    /// Where each column of a trained run stands in this file.
    fn match_columns(&self, columns: &[Column]) -> Result<Vec<usize>> {
        let numbered = is_numbered(columns);
        let find = |name: &str| match self.layout.names.iter().position(|known| known == name) {
            None if numbered => self.layout.by_number(name),
            found => found,
        };
        columns
            .iter()
            .map(|column| find(&column.name).ok_or_else(|| self.missing_column(&column.name, numbered)))
            .collect()
    }

    fn missing_column(&self, name: &str, numbered: bool) -> Error {
        let hint = if numbered {
            format!(
                "the trained run knows columns by number, and rows have {} here: keep the layout of the training data",
                plural(self.layout.names.len(), "field")
            )
        } else if self.layout.has_header {
            format!("{}; the delimiter is {}", self.layout.guess(name), delimiter_name(self.layout.delimiter))
        } else {
            let first = shortened(self.layout.first.iter().map(|field| excerpt(field)), 8);
            format!("the first line must hold the names of the columns; it holds: {first}")
        };
        Error::data(self.name.as_path(), format!("column {name} is missing"), hint)
    }

    fn raggedness(&self, record: &Record) -> String {
        format!("{} instead of {}", plural(record.len(), "field"), grouped(self.layout.names.len()))
    }

    fn ragged(&self, record: &Record) -> Problem {
        Problem { place: Place::row(&self.name, record.line).to_string(), reason: self.raggedness(record) }
    }
}

impl Layout {
    /// Whether `1,5` may be a number.
    fn comma(&self) -> bool {
        self.delimiter != b','
    }

    /// A column by its name, else by its number.
    fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name).or_else(|| self.by_number(name))
    }

    fn by_number(&self, name: &str) -> Option<usize> {
        name.parse::<usize>().ok()?.checked_sub(1).filter(|position| *position < self.names.len())
    }

    fn guess(&self, name: &str) -> String {
        let close = did_you_mean(name, self.names.iter().map(String::as_str));
        if close.starts_with("did") { close } else { format!("the columns are: {}", self.listing()) }
    }

    /// The columns; without a header, with what they hold.
    fn listing(&self) -> String {
        let value = |position: usize| self.first.get(position).map_or(String::new(), |field| excerpt(field));
        let names = self.names.iter().enumerate().map(|(position, name)| {
            if self.has_header { name.clone() } else { format!("{name} (`{}`)", value(position)) }
        });
        shortened(names, 30)
    }

    fn usual_label(&self) -> Option<usize> {
        let position = |label: &str| self.names.iter().position(|name| name.eq_ignore_ascii_case(label));
        if self.has_header { LABEL_NAMES.iter().find_map(|label| position(label)) } else { None }
    }

    /// The label column of data for a trained run, which may have none.
    fn known_label(&self, columns: &[Column], options: &Options, notes: &mut Vec<String>) -> Option<usize> {
        let label = match &options.label {
            Some(label) => self.find(label),
            None => self.usual_label(),
        };
        let label = label.filter(|at| columns.iter().all(|column| column.name != self.names[*at]));
        if label.is_none() {
            let named = options.label.as_ref().map_or(String::new(), |label| format!(" `{label}`"));
            notes.push(format!("no label column{named}: no item counts as labelled"));
        }
        label
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.delimiter != b',' && !self.delimiter_is_given {
            notes.push(format!("delimiter {}", delimiter_name(self.delimiter)));
        }
        if !self.has_header {
            notes.push("no header: columns are named by number".to_owned());
        }
        if !self.renamed.is_empty() {
            let renamed = shortened(self.renamed.iter().cloned(), 8);
            notes.push(format!("the header has names twice; the later columns are called {renamed}"));
        }
        notes
    }
}

/// The names of the columns, each once, and those that had to change for it.
fn column_names(header: &[String]) -> (Vec<String>, Vec<String>) {
    let mut names: Vec<String> = Vec::new();
    let mut renamed = Vec::new();
    let mut taken: HashSet<String> = header.iter().cloned().collect();
    let mut seen = HashSet::new();
    for (position, name) in header.iter().enumerate() {
        let plain = if name.is_empty() { (position + 1).to_string() } else { name.clone() };
        if seen.insert(plain.clone()) {
            taken.insert(plain.clone());
            names.push(plain);
            continue;
        }
        let mut free = format!("{plain}.2");
        let mut next = 3;
        while taken.contains(&free) {
            free = format!("{plain}.{next}");
            next += 1;
        }
        taken.insert(free.clone());
        seen.insert(free.clone());
        renamed.push(free.clone());
        names.push(free);
    }
    (names, renamed)
}

fn numbers(width: usize) -> Vec<String> {
    (1..=width).map(|number| number.to_string()).collect()
}

/// The beginning of a text: unpacked, and without a byte order mark.
struct Head {
    bytes: Vec<u8>,
    is_all: bool,
    rest: Box<dyn BufRead>,
}

impl Head {
    fn read(mut input: Box<dyn Read>, name: &Path) -> Result<Head> {
        let failed = |source| Error::io(name, source);
        let mut magic = Vec::new();
        input.by_ref().take(2).read_to_end(&mut magic).map_err(failed)?;
        let is_gzip = magic == [0x1f, 0x8b];
        let input = Cursor::new(magic).chain(BufReader::with_capacity(HEAD, input));
        let mut rest: Box<dyn BufRead> = if is_gzip {
            Box::new(BufReader::with_capacity(HEAD, MultiGzDecoder::new(input)))
        } else {
            Box::new(input)
        };

        let mut bytes = Vec::new();
        let mut is_all = false;
        let mut lines = 0;
        // A pipe that trickles is not waited for longer than it takes to see some lines.
        while !is_all && bytes.len() < LONGEST_HEAD && lines <= SAMPLE {
            let read = match rest.fill_buf() {
                Ok(some) => some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            is_all = read.is_empty();
            lines += read.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
            bytes.extend_from_slice(read);
            let length = read.len();
            rest.consume(length);
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(Error::data(
                name,
                "is UTF-16 text",
                "save it as UTF-8, for instance with `iconv -f UTF-16 -t UTF-8 old.csv > new.csv`",
            ));
        }
        if bytes.contains(&0) {
            return Err(Error::data(
                name,
                "holds zero bytes: this is no text",
                "`halfmoon formats` lists what can be read",
            ));
        }
        if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
            bytes.drain(..3);
        }
        Ok(Head { bytes, is_all, rest })
    }
}

fn usable_delimiter(given: u8) -> Result<u8> {
    if given.is_ascii() && !matches!(given, b'"' | b'\n' | b'\r' | b' ' | 0) {
        return Ok(given);
    }
    Err(Error::usage(
        format!("{} cannot separate fields", delimiter_name(given)),
        "take a character such as `,` `;` `|` or a tab",
    ))
}

fn delimiter_name(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tab".to_owned(),
        b' ' => "space".to_owned(),
        other => format!("`{}`", char::from(other).escape_debug()),
    }
}

/// The delimiter under which the first records have equally many fields, and fields that hold no
/// other delimiter.
fn sniff(head: &[u8], is_all: bool) -> u8 {
    const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
    let mut best = (0.0, b',');
    for delimiter in DELIMITERS {
        let rows = sample(head, is_all, delimiter);
        let width = usual_width(&rows);
        if width < 2 {
            continue;
        }
        let regular: Vec<&Vec<String>> = rows.iter().filter(|row| row.len() == width).collect();
        let fields = regular.len() * width;
        let is_clean = |field: &&String| {
            number(field, delimiter != b',').is_some()
                || !field.bytes().any(|byte| byte != delimiter && DELIMITERS.contains(&byte))
        };
        let clean = regular.iter().flat_map(|row| row.iter()).filter(is_clean).count();
        let score = regular.len() as f64 / rows.len() as f64 * (clean as f64 / fields as f64);
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    best.1
}

/// The first records, without one that the head may cut.
fn sample(head: &[u8], is_all: bool, delimiter: u8) -> Vec<Vec<String>> {
    let mut records = Records::new(head, delimiter, Path::new(""));
    let mut record = Record::default();
    let mut rows = Vec::new();
    while rows.len() <= SAMPLE && records.next(&mut record).unwrap_or(false) {
        rows.push(record.fields());
    }
    if rows.len() > SAMPLE || (!is_all && rows.len() > 1) {
        rows.pop();
    }
    rows
}

/// The most frequent number of fields; among equals, the larger.
fn usual_width(rows: &[Vec<String>]) -> usize {
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for row in rows {
        *counts.entry(row.len()).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(width, count)| (*count, *width)).map_or(0, |(width, _)| width)
}

fn has_header(sample: &[Vec<String>], options: &Options, schema: Option<&Schema>) -> bool {
    if let Some(said) = options.header {
        return said;
    }
    let Some((first, rest)) = sample.split_first() else {
        return false;
    };
    if let Some(Schema { features: Features::Columns(columns), .. }) = schema
        && !is_numbered(columns)
    {
        let names: HashSet<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        return first.iter().any(|field| names.contains(field.as_str()));
    }
    let named = options.label.iter().chain(options.columns.keys());
    if named.into_iter().any(|name| name.parse::<usize>().is_err() && first.contains(name)) {
        return true;
    }
    looks_like_header(first, rest)
}

/// Names stand above numbers; values recur below.
fn looks_like_header(first: &[String], rest: &[Vec<String>]) -> bool {
    let is_number = |text: &str| number(text, true).is_some();
    let mut votes = 0;
    for (column, top) in first.iter().enumerate().filter(|(_, top)| !is_missing(top)) {
        let below: Vec<&str> = rest
            .iter()
            .filter_map(|row| row.get(column))
            .map(String::as_str)
            .filter(|text| !is_missing(text))
            .collect();
        if !below.is_empty() && below.iter().all(|text| is_number(text)) {
            votes += if is_number(top) { -1 } else { 1 };
        } else if below.contains(&top.as_str()) {
            votes -= 1;
        } else if !below.is_empty() && top.len() > 1 && LABEL_NAMES.iter().any(|label| top.eq_ignore_ascii_case(label))
        {
            // A lone `y` may well be a value.
            return true;
        }
    }
    let distinct: HashSet<&String> = first.iter().collect();
    match votes {
        0 => distinct.len() == first.len() && first.iter().all(|text| !is_number(text)),
        votes => votes > 0,
    }
}

// ---- Records ----

// The `csv` crate does not say where a quote opened, reads on to the end of the file where one is
// never closed, and takes the quote in `1, "a, b"` for text.

/// Splits text into records: RFC 4180, any line end, blanks around fields dropped, empty lines skipped.
struct Records<R> {
    input: R,
    name: PathBuf,
    delimiter: u8,
    /// Lines read.
    lines: u64,
    line: Vec<u8>,
    /// The line before ended in a carriage return: a line feed that follows belongs to it.
    after_return: bool,
}

/// One record: its fields lie one after the other in one text.
#[derive(Default)]
struct Record {
    text: String,
    fields: Vec<Range<usize>>,
    /// Where it begins, counted from 1.
    line: u64,
    /// Fields that were not UTF-8.
    recoded: usize,
}

impl Record {
    fn len(&self) -> usize {
        self.fields.len()
    }

    fn field(&self, position: usize) -> &str {
        &self.text[self.fields[position].clone()]
    }

    fn get(&self, position: usize) -> Option<&str> {
        (position < self.len()).then(|| self.field(position))
    }

    fn fields(&self) -> Vec<String> {
        (0..self.len()).map(|position| self.field(position).to_owned()).collect()
    }
}

impl<R: BufRead> Records<R> {
    fn new(input: R, delimiter: u8, name: &Path) -> Records<R> {
        Records { input, name: name.to_owned(), delimiter, lines: 0, line: Vec::new(), after_return: false }
    }

    /// Reads the next record, if there is one.
    fn next(&mut self, record: &mut Record) -> Result<bool> {
        loop {
            self.line.clear();
            if !self.read_line()? {
                return Ok(false);
            }
            if !self.line.iter().all(|&byte| self.is_blank(byte)) {
                break;
            }
        }
        record.line = self.lines;
        record.fields.clear();
        let mut bytes = std::mem::take(&mut record.text).into_bytes();
        bytes.clear();
        if self.line.contains(&b'"') {
            self.split_quoted(&mut bytes, &mut record.fields)?;
        } else {
            std::mem::swap(&mut bytes, &mut self.line);
            self.split(&bytes, &mut record.fields);
        }
        record.recoded = 0;
        record.text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => recode(error.as_bytes(), &mut record.fields, &mut record.recoded),
        };
        Ok(true)
    }

    fn is_blank(&self, byte: u8) -> bool {
        matches!(byte, b' ' | b'\t') && byte != self.delimiter
    }

    /// Where the text of a range of the line begins and ends.
    fn trim(&self, line: &[u8], mut range: Range<usize>) -> Range<usize> {
        while range.start < range.end && self.is_blank(line[range.start]) {
            range.start += 1;
        }
        while range.start < range.end && self.is_blank(line[range.end - 1]) {
            range.end -= 1;
        }
        range
    }

    fn split(&self, line: &[u8], fields: &mut Vec<Range<usize>>) {
        let mut start = 0;
        for (at, &byte) in line.iter().enumerate() {
            if byte == self.delimiter {
                fields.push(self.trim(line, start..at));
                start = at + 1;
            }
        }
        fields.push(self.trim(line, start..line.len()));
    }

    fn split_quoted(&mut self, out: &mut Vec<u8>, fields: &mut Vec<Range<usize>>) -> Result<()> {
        let mut at = 0;
        loop {
            while self.line.get(at).is_some_and(|&byte| self.is_blank(byte)) {
                at += 1;
            }
            let start = out.len();
            if self.line.get(at) == Some(&b'"') {
                at = self.quoted(at + 1, out)?;
            }
            // The field, or what follows its closing quote.
            let end = (at..self.line.len()).find(|&end| self.line[end] == self.delimiter).unwrap_or(self.line.len());
            let text = self.trim(&self.line, at..end);
            out.extend_from_slice(&self.line[text]);
            fields.push(start..out.len());
            if end == self.line.len() {
                return Ok(());
            }
            at = end + 1;
        }
    }

    /// Copies a quoted text, over line ends, and returns the position behind its closing quote.
    fn quoted(&mut self, mut at: usize, out: &mut Vec<u8>) -> Result<usize> {
        let (opened, start) = (self.lines, out.len());
        let unclosed = |name: &Path, how: &str| {
            Error::data(
                Place::row(name, opened),
                format!("a quote opens here and does not close {how}"),
                "close it, or double it (`\"\"`) if it belongs to the text",
            )
        };
        let mut lines = 0;
        loop {
            if let Some(length) = self.line[at..].iter().position(|&byte| byte == b'"') {
                out.extend_from_slice(&self.line[at..at + length]);
                at += length + 1;
                if self.line.get(at) != Some(&b'"') {
                    return Ok(at);
                }
                out.push(b'"');
                at += 1;
            } else {
                out.extend_from_slice(&self.line[at..]);
                out.push(b'\n');
                lines += 1;
                if lines > MOST_QUOTED_LINES || out.len() - start > LONGEST_QUOTE {
                    return Err(unclosed(&self.name, "within a thousand lines or a megabyte"));
                }
                self.line.clear();
                at = 0;
                if !self.read_line()? {
                    return Err(unclosed(&self.name, "before the end of the file"));
                }
            }
        }
    }

    /// Reads a line without its end into `self.line`; false at the end of the text.
    fn read_line(&mut self) -> Result<bool> {
        let mut is_any = false;
        loop {
            let bytes = match self.input.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(Error::io(&self.name, source)),
            };
            if bytes.is_empty() {
                self.lines += u64::from(is_any);
                return Ok(is_any);
            }
            if std::mem::take(&mut self.after_return) && bytes[0] == b'\n' {
                self.input.consume(1);
                continue;
            }
            is_any = true;
            let Some(length) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.line.extend_from_slice(bytes);
                let length = bytes.len();
                self.input.consume(length);
                if self.line.len() > LONGEST_LINE {
                    return Err(Error::data(
                        Place::row(&self.name, self.lines + 1),
                        "a line of more than 64 MB",
                        "is this a text table? `halfmoon formats` lists what can be read",
                    ));
                }
                continue;
            };
            self.line.extend_from_slice(&bytes[..length]);
            self.after_return = bytes[length] == b'\r';
            self.input.consume(length + 1);
            self.lines += 1;
            return Ok(true);
        }
    }
}

/// Text in which each field that is not UTF-8 is read as Windows-1252.
fn recode(bytes: &[u8], fields: &mut [Range<usize>], recoded: &mut usize) -> String {
    let mut text = String::new();
    for field in fields {
        let start = text.len();
        if let Ok(valid) = std::str::from_utf8(&bytes[field.clone()]) {
            text.push_str(valid);
        } else {
            *recoded += 1;
            text.extend(bytes[field.clone()].iter().map(|&byte| windows_1252(byte)));
        }
        *field = start..text.len();
    }
    text
}

fn windows_1252(byte: u8) -> char {
    // Undefined bytes keep their number, as browsers do.
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        other => char::from(other),
    }
}

// ---- Cells ----

/// An empty cell, or a usual word for one.
fn is_missing(text: &str) -> bool {
    if text.len() > 6 {
        return text.trim().is_empty();
    }
    let text = text.trim();
    matches!(text, "" | "?" | "None" | "#N/A")
        || (text.starts_with(['n', 'N'])
            && ["nan", "na", "n/a", "null"].iter().any(|token| text.eq_ignore_ascii_case(token)))
}

/// A number, maybe infinite; with a decimal comma only where that is no delimiter.
fn number(text: &str, comma: bool) -> Option<f32> {
    let text = text.trim();
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) if comma && text.bytes().filter(|&byte| byte == b',').count() == 1 && !text.contains('.') => {
            text.replacen(',', ".", 1).parse().ok()
        }
        Err(_) => None,
    }
}

/// The same word but for case, or the same number.
fn same_word(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim(), b.trim());
    a.eq_ignore_ascii_case(b) || number(a, false).zip(number(b, false)).is_some_and(|(a, b)| a.total_cmp(&b).is_eq())
}

// ---- Words for messages ----

/// `1 value`, `2,000 values`.
fn plural(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `1 value is`, `2,000 values are`.
fn plural_are(count: usize, noun: &str) -> String {
    format!("{} {}", plural(count, noun), if count == 1 { "is" } else { "are" })
}

/// The first texts, and how many there are.
fn shortened(texts: impl Iterator<Item = String>, most: usize) -> String {
    let mut shown: Vec<String> = texts.collect();
    let all = shown.len();
    if all > most {
        shown.truncate(most);
        shown.push(format!("… {} in all", grouped(all)));
    }
    shown.join(", ")
}

/// The beginning of a text, on one line.
fn excerpt(text: &str) -> String {
    let text = text.trim();
    let mut short: String = text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Class;
    use std::io::Write;

    fn origin(bytes: impl AsRef<[u8]>) -> Origin {
        Origin { name: PathBuf::from("pets.csv"), bytes: Some(bytes.as_ref().into()) }
    }

    fn try_table(bytes: impl AsRef<[u8]>, options: &Options) -> Result<Source> {
        match &options.schema {
            None => learn(&origin(bytes), options),
            Some(schema) => apply(&origin(bytes), schema, options),
        }
    }

    fn table_with(bytes: impl AsRef<[u8]>, options: &Options) -> Source {
        try_table(bytes, options).expect("a table")
    }

    fn table(bytes: impl AsRef<[u8]>) -> Source {
        table_with(bytes, &Options::default())
    }

    fn failure(bytes: impl AsRef<[u8]>, options: &Options) -> (String, String) {
        let error = try_table(bytes, options).expect_err("no table");
        (error.to_string(), error.hint().unwrap_or_default().to_owned())
    }

    fn labelled_by(label: &str) -> Options {
        Options { label: Some(label.to_owned()), ..Options::default() }
    }

    fn kind(name: &str, kind: &str) -> Options {
        Options { columns: [(name.to_owned(), kind.to_owned())].into(), ..Options::default() }
    }

    fn columns(source: &Source) -> &[Column] {
        match &source.train.schema.features {
            Features::Columns(columns) => columns,
            Features::Image(_) => panic!("a table has columns"),
        }
    }

    fn kinds(source: &Source) -> Vec<String> {
        columns(source).iter().map(|column| format!("{} {}", column.name, column.kind.name())).collect()
    }

    fn cells(source: &Source, column: usize) -> &Cells {
        match &source.train.inputs {
            Inputs::Table(table) => &table.columns[column],
            _ => panic!("a table has cells"),
        }
    }

    fn numeric(values: &[f32]) -> Cells {
        Cells::Numeric(values.iter().map(|&x| (!x.is_nan()).then_some(x)).collect())
    }

    #[track_caller]
    fn assert_note(source: &Source, part: &str) {
        assert!(source.notes.iter().any(|note| note.contains(part)), "{part} is not in {:#?}", source.notes);
    }

    /// `x,label` and these values, labelled a and b in turn.
    fn one_column(values: impl IntoIterator<Item = impl AsRef<str>>) -> String {
        let rows = values.into_iter().enumerate();
        let rows: Vec<String> =
            rows.map(|(n, value)| format!("{},{}\n", value.as_ref(), if n % 2 == 0 { "a" } else { "b" })).collect();
        format!("x,label\n{}", rows.concat())
    }

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
    fn the_delimiter_is_sniffed() {
        for (text, delimiter) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,5\n3,5;1,5\n", b';'),
            ("1,5;2,5\n3,5;1,5\n", b';'),
            ("a\tb c, d\n1\t2\n", b'\t'),
            ("a|b\n1|2\n", b'|'),
            ("a,b\n\"x;y;z\",2\n\"u;v;w\",3\n", b','),
            ("a,b\nx;y,2\nu;v,3\n", b','),
            ("one\ntwo\n", b','),
            ("", b','),
        ] {
            assert_eq!(char::from(sniff(text.as_bytes(), true)), char::from(delimiter), "{text}");
        }
        let given = Options { delimiter: Some(b';'), ..Options::default() };
        assert_eq!(kinds(&table_with("a,b;label\n1,2;x\n3,4;y\n", &given)), ["a,b numeric"]);
        let odd = Options { delimiter: Some(b'"'), ..Options::default() };
        assert!(failure("a,label\n1,x\n", &odd).0.contains("cannot separate"));
    }

    #[test]
    fn a_decimal_comma_is_read_and_noted() {
        let source = table("a;b;label\n1,5;2;x\n-3,25;4;y\n");
        assert_eq!(cells(&source, 0), &numeric(&[1.5, -3.25]));
        assert_note(&source, "delimiter `;`");
        assert_note(&source, "decimal comma, as in `1,5`: a");
    }

    #[test]
    fn a_quoted_comma_between_commas_is_no_decimal_comma() {
        let source = table("a,b,label\n\"1,5\",1,x\n\"2,5\",2,y\n");
        assert_eq!(kinds(&source), ["a category", "b numeric"]);
    }

    #[test]
    fn headers_are_told_from_data() {
        let is_header = |text: &str| has_header(&sample(text.as_bytes(), true, b','), &Options::default(), None);
        assert!(is_header("age,job\n39,clerk\n50,farmer\n"));
        assert!(is_header("job,town\nclerk,Rome\nfarmer,Oslo\n"));
        assert!(is_header("label\nx\nx\n"));
        assert!(!is_header("39,clerk\n50,farmer\n"));
        assert!(!is_header("clerk,Rome\nfarmer,Oslo\nclerk,Rome\n"));
        assert!(!is_header("1,2\n"));
        assert!(is_header("2001,2002,label\n1,2,x\n3,4,x\n"));
    }

    #[test]
    fn without_a_header_columns_are_numbers() {
        let source = table_with("1.5,red,x\n2.5,blue,y\n3.5,red,x\n", &labelled_by("3"));
        assert_eq!(kinds(&source), ["1 numeric", "2 category"]);
        assert_note(&source, "no header");
        let (problem, hint) = failure("1.5,red\n2.5,blue\n3.5,red\n", &Options::default());
        assert!(problem.contains("which column") && hint.contains("--label") && hint.contains("2 (`red`)"), "{hint}");
    }

    #[test]
    fn the_user_decides_about_the_header() {
        let with = Options { header: Some(true), ..labelled_by("2") };
        assert_eq!(table_with("1,2\n3,a\n4,b\n", &with).train.len(), 2);
        let without = Options { header: Some(false), ..labelled_by("2") };
        assert_eq!(table_with("a,b\nc,d\na,e\n", &without).train.len(), 3);
    }

    #[test]
    fn an_unknown_label_column_names_its_neighbours() {
        let (problem, hint) = failure("size,animal\n1,cat\n2,dog\n", &labelled_by("anmal"));
        assert!(problem.contains("`anmal`") && hint == "did you mean `animal`?", "{problem} {hint}");
        let (_, hint) = failure("size,animal\n1,cat\n2,dog\n", &labelled_by("zzz"));
        assert!(hint.contains("size, animal"), "{hint}");
        let (_, hint) = failure("size,animal\n1,cat\n2,dog\n", &Options::default());
        assert!(hint.contains("--label") && hint.contains("size, animal"), "{hint}");
    }

    #[test]
    fn yes_and_no_are_recognised_in_any_case() {
        let source = table("m,n,label\nYes,0,a\nno,1,b\nyes,1,a\n,0,b\n");
        assert_eq!(kinds(&source), ["m yes_no", "n yes_no"]);
        assert_eq!(cells(&source, 0), &Cells::YesNo(vec![Some(true), Some(false), Some(true), None]));
        let pair = table("sex,label\nmale,a\nfemale,b\nmale,b\n");
        assert_eq!(kinds(&pair), ["sex category"]);
    }

    #[test]
    fn gaps_in_columns_are_missing_cells() {
        let source = table(one_column(["1", "", "NaN", "?", "NA", "n/a", "NULL", "None", "2"]));
        let n = f32::NAN;
        assert_eq!(cells(&source, 0), &numeric(&[1.0, n, n, n, n, n, n, n, 2.0]));
        assert_note(&source, "missing cells: x 7");
    }

    #[test]
    fn infinite_values_are_missing_and_counted() {
        let source = table(one_column(["1", "inf", "-Infinity", "1e99", "2"]));
        assert_eq!(cells(&source, 0), &numeric(&[1.0, f32::NAN, f32::NAN, f32::NAN, 2.0]));
        assert_note(&source, "column x: 3 values are not finite and counted as missing (first `inf` in row 3)");
    }

    #[test]
    fn a_few_texts_among_numbers_are_missing_with_their_place() {
        let mut values: Vec<String> = (0..40).map(|n| format!("{n}.5")).collect();
        values[6] = "abc".to_owned();
        let source = table(one_column(&values));
        assert_eq!(kinds(&source), ["x numeric"]);
        assert_note(&source, "column x: 1 value is no number and counted as missing (first `abc` in row 8)");
        assert_note(&source, "--column x=category");
        let few = table(one_column(["1", "2", "abc", "1"]));
        assert_eq!(kinds(&few), ["x category"]);
        let forced = table_with(one_column(["1", "2", "abc", "1"]), &kind("x", "numeric"));
        assert_eq!(cells(&forced, 0), &numeric(&[1.0, 2.0, f32::NAN, 1.0]));
    }

    #[test]
    fn the_user_overrides_kinds() {
        assert_eq!(kinds(&table_with(one_column(["1", "2", "3"]), &kind("x", "category"))), ["x category"]);
        let pair = table_with(one_column(["2", "1", "2"]), &kind("1", "yes_no"));
        assert_eq!(columns(&pair)[0].kind, ColumnKind::YesNo { no: "1".into(), yes: "2".into() });
        let ignored = table_with("x,z,label\n1,3,a\n2,4,b\n", &kind("z", "ignore"));
        assert_eq!(kinds(&ignored), ["x numeric"]);
        assert!(failure(one_column(["1", "2", "3"]), &kind("x", "yes_no")).0.contains("two values"));
        assert!(failure(one_column(["a", "b"]), &kind("x", "numeric")).0.contains("column x: no value is a number"));
        assert!(failure(one_column(["1", "2"]), &kind("z", "numeric")).0.contains("no column `z`"));
        assert!(failure(one_column(["1", "2"]), &kind("x", "number")).1.contains("numeric"));
        assert!(failure(one_column(["1", "2"]), &kind("label", "numeric")).0.contains("holds the labels"));
    }

    #[test]
    fn constants_ids_and_empty_columns_are_dropped_with_a_note() {
        let rows: Vec<String> = (1..=60)
            .map(|n| format!("{n},{},u{n},7,same,,{},{}\n", n * 37 % 101, n % 7, if n % 2 == 0 { "a" } else { "b" }))
            .collect();
        let text = format!("row,user_id,name,seven,word,gap,x,label\n{}", rows.concat());
        let source = table(&text);
        assert_eq!(kinds(&source), ["x numeric"]);
        for note in [
            "column row is left out: its whole numbers count",
            "column user_id is left out",
            "column name is left out: more than half",
            "column seven is left out: it is always `7`",
            "column word is left out: it is always `same`",
            "column gap is left out: all its cells are missing (`--column gap=numeric` keeps it)",
        ] {
            assert_note(&source, note);
        }
        for name in ["row", "user_id", "seven", "gap"] {
            assert_eq!(columns(&table_with(&text, &kind(name, "numeric"))).len(), 2, "{name}");
        }
        assert_eq!(columns(&table_with(&text, &kind("name", "category"))).len(), 2);
    }

    #[test]
    fn a_constant_with_gaps_says_something() {
        assert_eq!(kinds(&table(one_column(["x", "", "x", ""]))), ["x category"]);
    }

    #[test]
    fn a_table_without_a_useful_column_is_refused() {
        let (problem, _) = failure(one_column(["5", "5", "5"]), &Options::default());
        assert!(problem.contains("no column to learn from") && problem.contains("always `5`"), "{problem}");
    }

    #[test]
    fn rare_values_of_long_categories_count_as_missing() {
        // 1,100 values: v0 to v999 three times, the others twice.
        let values = (0..3200).map(|n| if n < 3000 { format!("v{}", n % 1000) } else { format!("w{}", n % 100) });
        let source = table(one_column(values));
        let ColumnKind::Category { values } = &columns(&source)[0].kind else { panic!("a category") };
        assert_eq!(values.len(), 1000);
        assert!(values.iter().all(|value| value.starts_with('v')));
        assert_note(
            &source,
            "column x has 1,100 values: the 1,000 most frequent are told apart, the others count as missing (200 cells)",
        );
        let Cells::Category(cells) = cells(&source, 0) else { panic!("a category") };
        assert_eq!(cells.iter().filter(|cell| cell.is_none()).count(), 200);
    }

    #[test]
    fn ragged_rows_are_listed_and_ids_keep_counting() {
        let source = table("a,b,label\n1,2,x\n3,4\n\n5,6,y\n7,8,9,z\n1,9,x\n");
        assert_eq!(source.train.ids, Ids::Positions(vec![1, 3, 5]));
        let problem = |row: u64, reason: &str| Problem { place: format!("pets.csv, row {row}"), reason: reason.into() };
        assert_eq!(source.problems, [problem(3, "2 fields instead of 3"), problem(6, "4 fields instead of 3")]);
    }

    #[test]
    fn mostly_ragged_rows_are_an_error_about_the_delimiter() {
        let (problem, hint) = failure("a,b,label\n1,2,x\n3,4\n5,6\n", &Options::default());
        assert!(problem.starts_with("pets.csv, row 3: ") && hint.contains("--delimiter"), "{problem} {hint}");
    }

    #[test]
    fn quotes_hold_delimiters_line_ends_and_quotes() {
        let source =
            table("x,name,label\r\n1, \"a, b\" ,x\r\n2,\"say \"\"hi\"\"\nthere\",y\r\n3,\"\",x\r\n4\",c\"d,y\r\n");
        let ColumnKind::Category { values } = &columns(&source)[1].kind else { panic!("a category") };
        assert_eq!(values, &["a, b", "c\"d", "say \"hi\"\nthere"]);
        assert_eq!(cells(&source, 1), &Cells::Category(vec![Some(0), Some(2), None, Some(1)]));
    }

    #[test]
    fn rows_are_physical_lines_under_any_line_end() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a,label", "", "1,\"x", "y\"", "2,z", "3", "4,z", ""].join(end);
            let source = table(text);
            assert_eq!(source.problems[0].place, "pets.csv, row 6", "{end:?}");
            assert_eq!(source.train.len(), 3, "{end:?}");
        }
    }

    #[test]
    fn an_unclosed_quote_names_the_row_where_it_opens() {
        let (problem, _) = failure("a,label\n1,x\n2,\"y\n3,z\n", &Options::default());
        assert_eq!(problem, "pets.csv, row 3: a quote opens here and does not close before the end of the file");
        let long = format!("a,label\n1,x\n2,\"y\n{}", "3,z\n".repeat(5000));
        let (problem, _) = failure(long, &Options::default());
        assert!(problem.starts_with("pets.csv, row 3: a quote opens here and does not close within"), "{problem}");
        let (problem, _) = failure("\"a,label\n1,x\n", &Options::default());
        assert!(problem.starts_with("pets.csv, row 1: a quote opens"), "{problem}");
    }

    #[test]
    fn a_byte_order_mark_is_dropped_and_utf_16_refused() {
        assert_eq!(kinds(&table("\u{feff}a,label\n1,x\n2,y\n")), ["a numeric"]);
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain("a,b\n".bytes().flat_map(|byte| [byte, 0])).collect();
        let (problem, hint) = failure(utf16, &Options::default());
        assert!(problem.contains("UTF-16") && hint.contains("iconv"), "{problem} {hint}");
        assert!(failure(b"a,b\n\0\x01,2\n", &Options::default()).0.contains("zero bytes"));
    }

    #[test]
    fn other_encodings_are_read_as_windows_1252_with_a_note() {
        let source = table(b"x,town,label\n1,K\xf6ln,a\n2,caf\xe9 \x80,b\n3,K\xc3\xb6ln,a\n");
        let ColumnKind::Category { values } = &columns(&source)[1].kind else { panic!("a category") };
        assert_eq!(values, &["Köln", "café €"]);
        assert_note(&source, "2 cells are not UTF-8 and read as Windows-1252 (first in row 2)");
    }

    #[test]
    fn empty_tables_are_errors() {
        assert!(failure("", &Options::default()).0.contains("is empty"));
        assert!(failure("\n \n", &Options::default()).0.contains("is empty"));
        assert!(failure("a,label\n", &Options::default()).0.contains("a header and no row"));
    }

    #[test]
    fn gzip_is_known_by_its_first_bytes() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(b"a,label\n1,x\n2,y\n").expect("memory");
        let packed = packer.finish().expect("memory");
        assert_eq!(table(&packed).train.len(), 2);
        assert!(try_table(&packed[..packed.len() - 12], &Options::default()).is_err());
    }

    #[test]
    fn equal_names_are_told_apart() {
        let source = table("a,a,,label\n1,2,3,x\n2,3,5,y\n");
        assert_eq!(kinds(&source), ["a numeric", "a.2 numeric", "3 numeric"]);
        assert_note(&source, "a.2");
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
        stream_rows(rows, schema, &mut |chunk| {
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
        let stopped = stream_rows(rows, &schema, &mut |_| Err(Error::usage("stop", "")));
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
    fn pictures_are_named_by_file_name() {
        let labels = |text: &str, options: &Options| origin(text).file_labels(options);
        let row = |row, name: &str, label: Option<&str>| FileLabel {
            row,
            file_name: name.into(),
            label: label.map(str::to_owned),
        };
        assert_eq!(
            labels("\u{feff}label;file_name\ncat;a.png\n;\"b;c.png\"\n", &Options::default()).expect("labels"),
            [row(2, "a.png", Some("cat")), row(3, "b;c.png", Some(""))]
        );
        assert_eq!(labels("file_name\na.png\n", &Options::default()).expect("names"), [row(2, "a.png", None)]);
        assert_eq!(
            labels("file_name,animal\na.png,cat\n", &labelled_by("animal")).expect("labels"),
            [row(2, "a.png", Some("cat"))]
        );
        assert!(labels("file,label\na.png,cat\n", &Options::default()).is_err());
        assert!(labels("file_name,label\n,cat\n", &Options::default()).is_err());
        assert!(labels("file_name,label\na,cat\n", &labelled_by("zzz")).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic() {
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
        let schema = trained().train.schema;
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..random(60)).flat_map(|_| pieces[random(pieces.len())]).copied().collect();
            for options in [
                labelled_by("1"),
                Options::default(),
                for_run(&trained()),
                Options { header: Some(false), ..labelled_by("2") },
            ] {
                let _ = try_table(&text, &options);
            }
            let _ = origin(&text).file_labels(&Options::default());
            let rows =
                Rows::open(Box::new(Cursor::new(text)), Path::new("new.csv"), &Options::default(), Some(&schema));
            let _ = rows.and_then(|rows| stream_rows(rows, &schema, &mut |_| Ok(())));
        }
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
