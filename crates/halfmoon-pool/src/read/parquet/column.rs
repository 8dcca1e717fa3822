//! The values of one column of a row group, some rows at a time.

use std::fmt::Write;

use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::column::page::PageReader;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray};
use parquet::schema::types::ColumnDescPtr;

use super::file::Kind;
use crate::read::npy::half;

/// What went wrong while a column was read.
type Result<T> = std::result::Result<T, String>;

/// The next rows of a column.
pub(super) struct ColumnRows {
    reader: ColumnReader,
    kind: Kind,
    number: Number,
    levels: Levels,
}

/// Where a value is there, by its definition level.
struct Levels {
    /// It is.
    value: i16,
    /// There is a place for it in a list.
    element: i16,
    /// Per value.
    definition: Vec<i16>,
    /// Per value: 0 where a row begins.
    repetition: Vec<i16>,
}

/// How a stored number is meant.
#[derive(Clone, Copy, PartialEq)]
enum Number {
    Plain,
    Unsigned,
    /// Divided by a power of ten.
    Decimal(i32),
}

/// Values of some rows.
pub(super) enum Values {
    Texts(Texts),
    Lists(Lists),
}

/// A text or nothing for each row.
#[derive(Default)]
pub(super) struct Texts {
    text: String,
    /// Where each row's text ends, and whether it is one.
    ends: Vec<(usize, bool)>,
}

/// A list of numbers or nothing for each row. A number that is null is NaN.
#[derive(Default)]
pub(super) struct Lists {
    numbers: Vec<f32>,
    /// Where each row's list ends, and whether it is one.
    ends: Vec<(usize, bool)>,
}

impl Texts {
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let start = if row == 0 { 0 } else { self.ends[row - 1].0 };
        let (end, is_there) = self.ends[row];
        is_there.then(|| &self.text[start..end])
    }

    fn push(&mut self, is_there: bool) {
        self.ends.push((self.text.len(), is_there));
    }
}

impl Lists {
    pub(super) fn get(&self, row: usize) -> Option<&[f32]> {
        let start = if row == 0 { 0 } else { self.ends[row - 1].0 };
        let (end, is_there) = self.ends[row];
        is_there.then(|| &self.numbers[start..end])
    }

    /// Ends a row. A list without a number is as good as none.
    fn end(&mut self) {
        let start = self.ends.last().map_or(0, |(end, _)| *end);
        self.ends.push((self.numbers.len(), self.numbers.len() > start));
    }
}

impl Values {
    pub(super) fn text(&self, row: usize) -> Option<&str> {
        match self {
            Values::Texts(texts) => texts.get(row),
            Values::Lists(_) => unreachable!("a column of plain values was asked for"),
        }
    }

    pub(super) fn list(&self, row: usize) -> Option<&[f32]> {
        match self {
            Values::Lists(lists) => lists.get(row),
            Values::Texts(_) => unreachable!("a column of lists was asked for"),
        }
    }
}

impl ColumnRows {
    pub(super) fn new(descriptor: &ColumnDescPtr, pages: Box<dyn PageReader>, kind: Kind) -> Result<ColumnRows> {
        if descriptor.physical_type() == Physical::FIXED_LEN_BYTE_ARRAY && descriptor.type_length() != 2 {
            return Err("half floats of other than two bytes".to_owned());
        }
        let is_unsigned = match descriptor.logical_type_ref() {
            Some(LogicalType::Integer(integer)) => !integer.is_signed,
            _ => matches!(
                descriptor.converted_type(),
                ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
            ),
        };
        let is_decimal = matches!(descriptor.logical_type_ref(), Some(LogicalType::Decimal(_)))
            || descriptor.converted_type() == ConvertedType::DECIMAL;
        let number = match (is_unsigned, is_decimal) {
            (true, _) => Number::Unsigned,
            (_, true) => Number::Decimal(descriptor.type_scale()),
            _ => Number::Plain,
        };
        let element = if descriptor.max_rep_level() > 0 { descriptor.repeated_ancestor_def_level() } else { 0 };
        let value = descriptor.max_def_level();
        let levels = Levels { value, element, definition: Vec::new(), repetition: Vec::new() };
        Ok(ColumnRows { reader: get_column_reader(descriptor.clone(), pages), kind, number, levels })
    }

    /// For [`ColumnRows::next`] to fill.
    pub(super) fn empty(&self) -> Values {
        if self.kind == Kind::Embedding { Values::Lists(Lists::default()) } else { Values::Texts(Texts::default()) }
    }

    /// Puts the next rows in the place of what was there.
    pub(super) fn next(&mut self, rows: usize, values: &mut Values) -> Result<()> {
        let ColumnRows { reader, number, levels, .. } = self;
        let unsigned = *number == Number::Unsigned;
        let scale = if let Number::Decimal(scale) = *number { 10_f64.powi(scale) } else { 1.0 };
        let is_decimal = matches!(number, Number::Decimal(_));
        match (reader, values) {
            (ColumnReader::BoolColumnReader(reader), Values::Texts(texts)) => {
                levels.texts(reader, rows, texts, |value, text| text.push_str(if *value { "true" } else { "false" }))
            }
            (ColumnReader::Int32ColumnReader(reader), Values::Texts(texts)) => {
                levels.texts(reader, rows, texts, |&value, text| match (unsigned, is_decimal) {
                    (true, _) => say(text, value.cast_unsigned()),
                    (_, true) => say(text, f64::from(value) / scale),
                    _ => say(text, value),
                })
            }
            (ColumnReader::Int64ColumnReader(reader), Values::Texts(texts)) => {
                levels.texts(reader, rows, texts, |&value, text| match (unsigned, is_decimal) {
                    (true, _) => say(text, value.cast_unsigned()),
                    (_, true) => say(text, value as f64 / scale),
                    _ => say(text, value),
                })
            }
            (ColumnReader::FloatColumnReader(reader), Values::Texts(texts)) => {
                levels.texts(reader, rows, texts, |&value, text| {
                    if value.abs() < 1e16 && value.abs() > 1e-5 { say(text, value) } else { say_briefly(text, value) }
                })
            }
            (ColumnReader::DoubleColumnReader(reader), Values::Texts(texts)) => {
                levels.texts(reader, rows, texts, |&value, text| {
                    if value.abs() < 1e16 && value.abs() > 1e-5 { say(text, value) } else { say_briefly(text, value) }
                })
            }
            (ColumnReader::ByteArrayColumnReader(reader), Values::Texts(texts)) => {
                levels.texts(reader, rows, texts, |value: &ByteArray, text| {
                    text.push_str(&String::from_utf8_lossy(value.data()));
                })
            }
            (ColumnReader::FixedLenByteArrayColumnReader(reader), Values::Texts(texts)) => {
                levels.texts(reader, rows, texts, |value, text| say(text, half_of(value)))
            }
            (ColumnReader::Int32ColumnReader(reader), Values::Lists(lists)) => {
                levels.lists(reader, rows, lists, |&value| match (unsigned, is_decimal) {
                    (true, _) => value.cast_unsigned() as f32,
                    (_, true) => narrow(f64::from(value) / scale),
                    _ => value as f32,
                })
            }
            (ColumnReader::Int64ColumnReader(reader), Values::Lists(lists)) => {
                levels.lists(reader, rows, lists, |&value| match (unsigned, is_decimal) {
                    (true, _) => value.cast_unsigned() as f32,
                    (_, true) => narrow(value as f64 / scale),
                    _ => value as f32,
                })
            }
            (ColumnReader::FloatColumnReader(reader), Values::Lists(lists)) => {
                levels.lists(reader, rows, lists, |&value| value)
            }
            (ColumnReader::DoubleColumnReader(reader), Values::Lists(lists)) => {
                levels.lists(reader, rows, lists, |&value| narrow(value))
            }
            (ColumnReader::FixedLenByteArrayColumnReader(reader), Values::Lists(lists)) => {
                levels.lists(reader, rows, lists, half_of)
            }
            _ => Err("its type is not the one that the schema names".to_owned()),
        }
    }
}

impl Levels {
    /// The stored values of the next rows, and the levels that say where they belong.
    fn read<T: DataType>(&mut self, reader: &mut ColumnReaderImpl<T>, rows: usize) -> Result<Vec<T::T>> {
        self.definition.clear();
        self.repetition.clear();
        let mut values = Vec::new();
        let (mut found, mut idle) = (0, 0);
        // A page without a value, which pyarrow writes at times, ends a call early.
        while found < rows && idle < 2 {
            let (more, _, levels) = reader
                .read_records(rows - found, Some(&mut self.definition), Some(&mut self.repetition), &mut values)
                .map_err(|error| error.to_string())?;
            found += more;
            idle = if levels == 0 { idle + 1 } else { 0 };
        }
        if found < rows { Err(format!("{rows} rows are promised here and {found} are there")) } else { Ok(values) }
    }

    fn texts<T: DataType>(
        &mut self,
        reader: &mut ColumnReaderImpl<T>,
        rows: usize,
        texts: &mut Texts,
        say: impl Fn(&T::T, &mut String),
    ) -> Result<()> {
        let values = self.read(reader, rows)?;
        texts.text.clear();
        texts.ends.clear();
        let mut values = values.iter();
        for row in 0..rows {
            let is_there = self.value == 0 || self.definition.get(row) == Some(&self.value);
            if is_there {
                say(values.next().ok_or("there are fewer values than levels")?, &mut texts.text);
            }
            texts.push(is_there);
        }
        Ok(())
    }

    fn lists<T: DataType>(
        &mut self,
        reader: &mut ColumnReaderImpl<T>,
        rows: usize,
        lists: &mut Lists,
        number: impl Fn(&T::T) -> f32,
    ) -> Result<()> {
        let values = self.read(reader, rows)?;
        lists.numbers.clear();
        lists.ends.clear();
        let mut values = values.iter();
        for (at, &repetition) in self.repetition.iter().enumerate() {
            let definition = self.definition.get(at).copied().unwrap_or(self.value);
            if repetition == 0 && at > 0 {
                lists.end();
            }
            if definition == self.value {
                lists.numbers.push(number(values.next().ok_or("there are fewer values than levels")?));
            } else if definition >= self.element {
                lists.numbers.push(f32::NAN);
            }
        }
        if !self.repetition.is_empty() {
            lists.end();
        }
        if lists.ends.len() == rows { Ok(()) } else { Err("rows and lists do not belong together".to_owned()) }
    }
}

fn say(text: &mut String, value: impl std::fmt::Display) {
    write!(text, "{value}").expect("a text takes all");
}

/// Without a row of zeros.
fn say_briefly<T: std::fmt::LowerExp + Into<f64> + Copy + std::fmt::Display>(text: &mut String, value: T) {
    let number: f64 = value.into();
    if number.is_finite() && number.abs() > 0.0 {
        write!(text, "{value:e}").expect("a text takes all");
    } else {
        say(text, value);
    }
}

fn half_of(value: &FixedLenByteArray) -> f32 {
    match value.data() {
        &[low, high] => half(u16::from_le_bytes([low, high])),
        _ => f32::NAN,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "too large for f32 becomes infinite, which is told")]
fn narrow(number: f64) -> f32 {
    number as f32
}
