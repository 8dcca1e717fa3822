//! One or several Parquet files of the same columns: what they hold, and their rows a batch at a time.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Type as Physical};
use parquet::column::page::PageReader;
use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{SerializedFileReader, SerializedPageReader};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};

use super::column::{ColumnRows, Values};
use super::pages::{Codec, Pages};
use crate::error::{Error, Place, did_you_mean};
use crate::read::CHUNK;
use crate::read::caught::caught;

/// A column of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FileColumn {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Its place among the columns of plain values that the file consists of.
    leaf: usize,
}

/// What a column of a file holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Number,
    YesNo,
    Name,
    /// A list of numbers.
    Embedding,
    /// Nothing that can be used, and why.
    Other(&'static str),
}

/// Files that are read one after the other as one.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) columns: Vec<FileColumn>,
    /// In all files.
    pub(super) rows: usize,
    /// The files, and the rows of each.
    parts: Vec<(PathBuf, usize)>,
    /// Text beside the schema, by its key.
    pub(super) remarks: Vec<(String, String)>,
}

/// Some rows of the wanted columns.
pub(super) struct Batch<'a> {
    /// One entry a wanted column.
    pub(super) columns: &'a [Values],
    pub(super) rows: usize,
    /// Rows before, in all files.
    pub(super) before: usize,
    file: &'a Path,
    /// Rows before, in this file.
    before_in_file: usize,
}

impl Batch<'_> {
    /// Where a row of the batch stands: its file, and its number there, counted from 1.
    pub(super) fn place(&self, row: usize) -> Place {
        Place::row(self.file, (self.before_in_file + row) as u64 + 1)
    }
}

impl Files {
    pub(super) fn open(paths: &[PathBuf]) -> crate::Result<Files> {
        let mut all: Option<Files> = None;
        for path in paths {
            let reader = open(path)?;
            let metadata = reader.metadata().file_metadata();
            let columns = columns(metadata.schema_descr());
            let groups = reader.metadata().row_groups();
            let mut counted = groups.iter().map(|group| usize::try_from(group.num_rows()).ok());
            let rows = counted
                .try_fold(0_usize, |rows, more| rows.checked_add(more?))
                .ok_or_else(|| damaged(path, "it promises rows without end"))?;
            match &mut all {
                None => {
                    let remarks = metadata.key_value_metadata().into_iter().flatten();
                    let remarks = remarks.filter_map(|remark| Some((remark.key.clone(), remark.value.clone()?)));
                    all = Some(Files { columns, rows, parts: vec![(path.clone(), rows)], remarks: remarks.collect() });
                }
                Some(all) => {
                    all.same_columns(path, &columns)?;
                    all.rows += rows;
                    all.parts.push((path.clone(), rows));
                }
            }
        }
        Ok(all.expect("a path that is claimed has a file"))
    }

    /// The first file.
    pub(super) fn first(&self) -> &Path {
        &self.parts[0].0
    }

    fn same_columns(&self, path: &Path, columns: &[FileColumn]) -> crate::Result<()> {
        let hint = format!("all files of a folder must have the columns of the first, {}", self.first().display());
        for column in &self.columns {
            let Some(other) = columns.iter().find(|other| other.name == column.name) else {
                return Err(Error::data(path, format!("has no column {}", column.name), hint));
            };
            if other != column {
                let place = Place::from(path).column(column.name.clone());
                return Err(Error::data(place, "is of another type or at another place than in the first file", hint));
            }
        }
        match columns.iter().find(|column| self.columns.iter().all(|known| known.name != column.name)) {
            None => Ok(()),
            Some(more) => Err(Error::data(path, format!("has one column more: {}", more.name), hint)),
        }
    }

    /// Passes the rows of these columns on, at most [`CHUNK`] at a time.
    pub(super) fn each_batch(
        &self,
        wanted: &[usize],
        take: &mut dyn FnMut(Batch) -> crate::Result<()>,
    ) -> crate::Result<()> {
        let mut before = 0;
        for (path, promised) in &self.parts {
            let reader = open(path)?;
            let mut before_in_file = 0;
            for group in 0..reader.metadata().num_row_groups() {
                let mut columns = wanted
                    .iter()
                    .map(|&at| Self::column_rows(path, &reader, group, &self.columns[at]))
                    .collect::<crate::Result<Vec<_>>>()?;
                let rows = usize::try_from(reader.metadata().row_group(group).num_rows()).unwrap_or(0);
                let mut values: Vec<Values> = columns.iter().map(ColumnRows::empty).collect();
                let mut done = 0;
                while done < rows {
                    let some = CHUNK.min(rows - done);
                    for ((column, values), &at) in columns.iter_mut().zip(&mut values).zip(wanted) {
                        caught(|| column.next(some, values)).map_err(|problem| {
                            Error::data(
                                Place::row(path, (before_in_file + 1) as u64).column(self.columns[at].name.clone()),
                                format!("the rows from here on are damaged: {problem}"),
                                DAMAGED,
                            )
                        })?;
                    }
                    take(Batch { columns: &values, rows: some, before, file: path, before_in_file })?;
                    done += some;
                    before += some;
                    before_in_file += some;
                }
            }
            if before_in_file != *promised {
                return Err(Error::data(path.as_path(), "changed while it was read", "try again when it is complete"));
            }
        }
        Ok(())
    }

    fn column_rows(
        path: &Path,
        reader: &SerializedFileReader<File>,
        group: usize,
        column: &FileColumn,
    ) -> crate::Result<ColumnRows> {
        let metadata = reader.metadata().row_group(group);
        if column.leaf >= metadata.num_columns() {
            return Err(damaged(path, "its row groups have fewer columns than its schema"));
        }
        let chunk = metadata.column(column.leaf);
        let codec = match chunk.compression() {
            Compression::UNCOMPRESSED | Compression::SNAPPY => None,
            Compression::ZSTD(_) => Some(Codec::Zstd),
            Compression::GZIP(_) => Some(Codec::Gzip),
            other => {
                let name = other.to_string();
                let name = name.split('(').next().unwrap_or_default().to_owned();
                return Err(Error::data(
                    Place::from(path).column(column.name.clone()),
                    format!("is compressed by {name}, which is not read"),
                    "write the file with the compression `zstd` or `snappy`",
                ));
            }
        };
        let rows = usize::try_from(metadata.num_rows()).unwrap_or(0);
        caught(|| {
            let file = File::open(path).map_err(|error| error.to_string())?;
            let (start, length) = chunk.byte_range();
            let end = start.checked_add(length);
            if end.is_none_or(|end| file.metadata().is_ok_and(|file| end > file.len())) {
                return Err("a column ends after the end of the file: was it cut off?".to_owned());
            }
            let values = u64::try_from(chunk.num_values()).unwrap_or(0);
            let pages: Result<Box<dyn PageReader>, ParquetError> = match codec {
                Some(codec) => Pages::new(file, start, length, values, codec).map(|pages| Box::new(pages) as Box<_>),
                None => {
                    SerializedPageReader::new(Arc::new(file), chunk, rows, None).map(|pages| Box::new(pages) as Box<_>)
                }
            };
            ColumnRows::new(&chunk.column_descr_ptr(), pages.map_err(|error| error.to_string())?, column.kind)
        })
        .map_err(|problem| damaged(path, &problem))
    }

    /// A column by name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// What the user may have meant.
    pub(super) fn guess(&self, name: &str) -> String {
        did_you_mean(name, self.columns.iter().map(|column| column.name.as_str()))
    }
}

const DAMAGED: &str = "copy or download it again, or write it again";

fn damaged(path: &Path, problem: &str) -> Error {
    Error::data(path, format!("is damaged: {problem}"), DAMAGED)
}

fn open(path: &Path) -> crate::Result<SerializedFileReader<File>> {
    let failed = |error| Error::io(path, error);
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length == 0 {
        return Err(Error::data(path, "is empty", DAMAGED));
    }
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).map_err(failed)?;
    let mut end = Vec::new();
    if length >= 8 {
        file.seek(SeekFrom::End(-4)).map_err(failed)?;
        file.by_ref().take(4).read_to_end(&mut end).map_err(failed)?;
    }
    match (&start[..], &end[..]) {
        (b"PARE", _) | (_, b"PARE") => {
            return Err(Error::data(path, "is encrypted", "write it without encryption"));
        }
        (b"PAR1", b"PAR1") => {}
        (b"PAR1", _) => return Err(damaged(path, "it does not end as a Parquet file does: it was cut off")),
        _ => return Err(Error::data(path, "is no Parquet file", "`halfmoon formats` lists what can be read")),
    }
    caught(|| SerializedFileReader::new(file).map_err(|error| error.to_string()))
        .map_err(|problem| damaged(path, &problem))
}

/// The fields of a schema.
fn columns(schema: &SchemaDescriptor) -> Vec<FileColumn> {
    let mut columns: Vec<FileColumn> = Vec::new();
    let mut last = None;
    for leaf in 0..schema.num_columns() {
        let root = schema.get_column_root_idx(leaf);
        if last == Some(root) {
            // a field of several leaves
            if let Some(column) = columns.last_mut() {
                column.kind = Kind::Other("it holds records of several fields");
            }
            continue;
        }
        last = Some(root);
        let field = schema.get_column_root(leaf);
        let kind = kind(field, &schema.column(leaf));
        columns.push(FileColumn { name: field.name().to_owned(), kind, leaf });
    }
    columns
}

fn kind(field: &Type, leaf: &ColumnDescriptor) -> Kind {
    if field.name().starts_with("__index_level_") {
        return Kind::Other("it is the index of a data frame");
    }
    let plain = plain_kind(leaf);
    match (field.is_group(), leaf.max_rep_level()) {
        (false, 0) => plain,
        (false, 1) => {
            if plain == Kind::Number {
                Kind::Embedding
            } else {
                Kind::Other("it holds lists of no numbers")
            }
        }
        (true, 0) => Kind::Other("it holds records"),
        (true, 1) if is_list(field) && plain == Kind::Number => Kind::Embedding,
        (true, 1) if is_list(field) => Kind::Other("it holds lists of no numbers"),
        _ => Kind::Other("it holds lists of lists, or records"),
    }
}

fn is_list(field: &Type) -> bool {
    let info = field.get_basic_info();
    matches!(info.logical_type_ref(), Some(LogicalType::List)) || info.converted_type() == ConvertedType::LIST
}

fn plain_kind(leaf: &ColumnDescriptor) -> Kind {
    let of_time = Kind::Other("it holds times or dates");
    match leaf.logical_type_ref() {
        Some(LogicalType::Date | LogicalType::Time(_) | LogicalType::Timestamp(_)) => return of_time,
        Some(LogicalType::String | LogicalType::Enum) => return Kind::Name,
        Some(LogicalType::Float16) => return Kind::Number,
        Some(LogicalType::Unknown) => return Kind::Other("all its cells are null"),
        _ => {}
    }
    match (leaf.physical_type(), leaf.converted_type()) {
        (
            _,
            ConvertedType::DATE
            | ConvertedType::TIME_MILLIS
            | ConvertedType::TIME_MICROS
            | ConvertedType::TIMESTAMP_MILLIS
            | ConvertedType::TIMESTAMP_MICROS
            | ConvertedType::INTERVAL,
        )
        | (Physical::INT96, _) => of_time,
        (Physical::BYTE_ARRAY, ConvertedType::UTF8 | ConvertedType::ENUM) => Kind::Name,
        (Physical::BOOLEAN, _) => Kind::YesNo,
        (Physical::INT32 | Physical::INT64 | Physical::FLOAT | Physical::DOUBLE, _) => Kind::Number,
        (Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY, ConvertedType::DECIMAL) => {
            Kind::Other("it holds decimals as bytes")
        }
        (Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY, _) => Kind::Other("it holds bytes"),
    }
}
