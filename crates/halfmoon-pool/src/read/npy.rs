//! `.npy` and `.npz`, as numpy writes them: arrays with a header that says type, order and shape.
//!
//! What an array means follows from its shape: `[n, h, w]`, `[n, h, w, c]` and `[n, c, h, w]` are
//! pictures, `[n, d]` is columns. Which array is which follows from its name: see [`SPLITS`].

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayD, IxDyn, ShapeBuilder};
use zip::ZipArchive;

use super::idx::{LARGEST, Part, Parts, assemble, code, emit, fill, fit_shape, unlabelled};
use super::{Format, Options, Problem, Sink, Source, Status};
use crate::dataset::{Cells, Column, ColumnKind, Features, Ids, ImageShape, Inputs, Schema, Table};
use crate::error::{Error, Place, Result};
use crate::labels::Texts;

pub(super) const FORMAT: Format = Format {
    name: "npy",
    about: "NumPy arrays: an .npz (x_train, y_train, …), X.npy with y.npy beside it, or a folder of such",
    claims,
    read,
    stream,
};

/// Names of arrays, in lower case: the inputs and the labels of each split. The first that is there
/// is taken.
const SPLITS: [Names; 3] = [
    Names {
        x: &["x_train", "train_images", "x", "images", "data"],
        y: &["y_train", "train_labels", "y", "labels", "target"],
    },
    Names { x: &["x_val", "x_valid", "val_images"], y: &["y_val", "y_valid", "val_labels"] },
    Names { x: &["x_test", "test_images"], y: &["y_test", "test_labels"] },
];

struct Names {
    x: &'static [&'static str],
    y: &'static [&'static str],
}

fn claims(path: &Path) -> bool {
    if path.is_dir() {
        return folder_arrays(path).iter().any(|array| SPLITS[0].x.contains(&array.key.as_str()));
    }
    path.is_file() && (has_ending(path, "npy") || has_ending(path, "npz"))
}

fn read(path: &Path, options: &Options) -> Result<Source> {
    let mut store = Store::open(path)?;
    let mut notes = Vec::new();
    let mut problems = Vec::new();
    let mut wanted = options.schema.as_ref().map(|schema| schema.features.clone());
    let mut parts = Vec::new();
    for split in store.splits()? {
        let part = match split {
            Some(Split { x, y }) => {
                let (part, features) = read_part(&x, y.as_ref(), wanted.as_ref(), &mut notes, &mut problems)?;
                wanted = Some(features);
                Some(part)
            }
            None => None,
        };
        parts.push(part);
    }
    let test = parts.pop().flatten();
    let validation = parts.pop().flatten();
    let train = parts.pop().flatten();
    let (parts, only) = match (train, validation, test) {
        (Some(train), validation, test) => (Parts { train, validation, test }, ""),
        (None, validation, Some(test)) => (Parts { train: test, validation, test: None }, "test"),
        (None, Some(validation), None) => (Parts { train: validation, validation: None, test: None }, "validation"),
        (None, None, None) => return Err(store.unknown()),
    };
    if !only.is_empty() {
        notes.push(format!("there is no training split; the {only} split is taken as the data"));
    }
    if !store.arrays.is_empty() {
        notes.push(format!("arrays that are not read: {}", store.names()));
    }
    let features = wanted.expect("one split at least was read");
    assemble(&features, parts, options, notes, problems)
}

/// The inputs of the test split where there is one, else of the only split.
fn stream(path: &Path, schema: &Schema, _: &Options, sink: Sink) -> Result<()> {
    let mut store = Store::open(path)?;
    let [train, validation, test] = store.splits()?;
    let Some(Split { x, .. }) = test.or(train).or(validation) else { return Err(store.unknown()) };
    let mut loaded = load_inputs(x.load()?, false, Some(&schema.features), &mut Vec::new())?;
    if let Inputs::Floats(pixels) = &mut loaded.inputs {
        for &row in &loaded.unusable {
            pixels.row_mut(row).fill(0.0);
        }
    }
    let status = |row| match loaded.unusable.binary_search(&row) {
        Ok(_) => Status::Unreadable(NOT_FINITE.to_owned()),
        Err(_) => Status::Ok,
    };
    emit(&loaded.inputs, status, sink)
}

const NOT_FINITE: &str = "a pixel is NaN or infinite";

fn read_part(
    x: &Entry,
    y: Option<&Entry>,
    wanted: Option<&Features>,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Result<(Part, Features)> {
    let Loaded { inputs, features, unusable } = load_inputs(x.load()?, y.is_some(), wanted, notes)?;
    let items = inputs.rows();
    let texts = if let Some(y) = y {
        let labels = load_labels(&y.load()?, notes)?;
        if labels.codes.len() != items {
            return Err(Error::data(
                x.path.as_path(),
                format!("{} holds {items} items, but {} holds {} labels", x.name(), y.name(), labels.codes.len()),
                "the two arrays must have the same first size",
            ));
        }
        labels
    } else {
        notes.push(format!("no labels go with {}: its items are unlabelled", x.name()));
        unlabelled(items)
    };
    let labels = y.unwrap_or(x);
    let column = labels.index.map(|_| labels.key.clone());
    let origin = Place { path: labels.path.clone(), row: None, column };
    let part = Part { inputs, ids: Ids::first(items), texts, origin };
    if unusable.is_empty() {
        return Ok((part, features));
    }
    problems.extend(
        unusable.iter().map(|&row| Problem {
            place: Place::row(&x.path, row as u64 + 1).to_string(),
            reason: NOT_FINITE.to_owned(),
        }),
    );
    let usable: Vec<usize> = (0..items).filter(|row| unusable.binary_search(row).is_err()).collect();
    let texts =
        Texts { codes: usable.iter().map(|&row| part.texts.codes[row]).collect(), distinct: part.texts.distinct };
    let part = Part { inputs: part.inputs.select(&usable), ids: part.ids.select(&usable), texts, origin: part.origin };
    Ok((part, features))
}

/// Where the arrays of a path lie.
struct Store {
    path: PathBuf,
    arrays: Vec<Entry>,
}

/// One array, not yet read.
struct Entry {
    /// Its name in lower case, by which it is known.
    key: String,
    path: PathBuf,
    /// Its index in the archive, where `path` is an `.npz`.
    index: Option<usize>,
}

struct Split {
    x: Entry,
    y: Option<Entry>,
}

impl Store {
    fn open(path: &Path) -> Result<Store> {
        let arrays = if path.is_dir() {
            folder_arrays(path)
        } else if has_ending(path, "npz") {
            archive_arrays(path)?
        } else {
            let mut arrays = vec![Entry { key: "x".to_owned(), path: path.to_owned(), index: None }];
            let labels = labels_beside(path).map(|path| Entry { key: "y".to_owned(), path, index: None });
            arrays.extend(labels);
            arrays
        };
        Ok(Store { path: path.to_owned(), arrays })
    }

    /// Takes the arrays of the splits out of the store; what stays is unknown.
    fn splits(&mut self) -> Result<[Option<Split>; 3]> {
        let [train, validation, test] = SPLITS;
        let splits = [train, validation, test].map(|names| {
            let x = self.take(names.x)?;
            Some(Split { x, y: self.take(names.y) })
        });
        if splits.iter().all(Option::is_none) { Err(self.unknown()) } else { Ok(splits) }
    }

    fn take(&mut self, names: &[&str]) -> Option<Entry> {
        let at = names.iter().find_map(|name| self.arrays.iter().position(|array| array.key == *name))?;
        Some(self.arrays.remove(at))
    }

    fn names(&self) -> String {
        self.arrays.iter().map(|array| array.key.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn unknown(&self) -> Error {
        let accepted: Vec<String> =
            SPLITS.iter().flat_map(|names| [names.x, names.y]).map(|names| names.join(" or ")).collect();
        Error::data(
            self.path.as_path(),
            format!("holds no array of inputs under a known name, but: {}", self.names()),
            format!("known names: {}", accepted.join("; ")),
        )
    }
}

impl Entry {
    /// For messages.
    fn name(&self) -> String {
        match self.index {
            Some(_) => format!("`{}`", self.key),
            None => self.path.display().to_string(),
        }
    }

    fn load(&self) -> Result<Raw> {
        let file = BufReader::new(File::open(&self.path).map_err(|error| Error::io(&self.path, error))?);
        let Some(index) = self.index else { return Raw::read(file, self) };
        let mut archive = ZipArchive::new(file).map_err(|error| damaged_archive(&self.path, &error))?;
        let member = archive.by_index(index).map_err(|error| damaged_archive(&self.path, &error))?;
        Raw::read(member, self)
    }
}

fn folder_arrays(folder: &Path) -> Vec<Entry> {
    let entries = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let mut arrays: Vec<Entry> = entries
        .filter(|path| has_ending(path, "npy") && path.is_file())
        .filter_map(|path| Some(Entry { key: path.file_stem()?.to_str()?.to_lowercase(), path, index: None }))
        .collect();
    arrays.sort_by(|a, b| a.path.cmp(&b.path));
    arrays
}

fn archive_arrays(path: &Path) -> Result<Vec<Entry>> {
    let file = BufReader::new(File::open(path).map_err(|error| Error::io(path, error))?);
    let archive = ZipArchive::new(file).map_err(|error| damaged_archive(path, &error))?;
    let names = (0..archive.len()).filter_map(|index| Some((index, archive.name_for_index(index)?.ok()?)));
    Ok(names
        .map(|(index, name)| Entry {
            key: name.strip_suffix(".npy").unwrap_or(&name).to_lowercase(),
            path: path.to_owned(),
            index: Some(index),
        })
        .collect())
}

fn damaged_archive(path: &Path, error: &zip::result::ZipError) -> Error {
    Error::data(path, format!("is not an .npz that can be read: {error}"), "write it again with numpy.savez")
}

/// `y.npy` or `labels.npy` beside `X.npy`, `y_train.npy` beside `x_train.npy`, and so on.
fn labels_beside(inputs: &Path) -> Option<PathBuf> {
    let stem = inputs.file_stem()?.to_str()?;
    let key = stem.to_lowercase();
    let mut names: Vec<&str> = Vec::new();
    for split in &SPLITS {
        if let Some(at) = split.x.iter().position(|name| *name == key) {
            names.extend(split.y.get(at));
            names.extend(split.y);
        }
    }
    let of_a_split = ["train", "test", "val"].iter().any(|split| key.contains(split));
    if !of_a_split {
        names.extend(["y", "labels"]);
    }
    let upper = names.iter().map(|name| name.to_uppercase());
    let capital = names.iter().map(|name| name.replacen('y', "Y", 1));
    let spellings = names.iter().map(|name| (*name).to_owned()).chain(capital).chain(upper);
    spellings.map(|name| inputs.with_file_name(format!("{name}.npy"))).find(|path| path.is_file() && path != inputs)
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending))
}

/// An array as it lies in its file.
struct Raw {
    path: PathBuf,
    name: String,
    kind: Kind,
    big_endian: bool,
    /// The first index runs fastest.
    fortran: bool,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    F32,
    F64,
    /// Unicode of so many characters, 4 bytes each.
    Unicode(usize),
    /// So many bytes of text.
    Text(usize),
}

impl Raw {
    fn read(mut reader: impl Read, entry: &Entry) -> Result<Raw> {
        let (path, name) = (&entry.path, entry.name());
        let damaged = |problem: String| {
            Error::data(path.as_path(), format!("{name} {problem}"), "write it again with numpy.save")
        };

        let start = fill(&mut reader, 8, path)?;
        let length_bytes = match start[..] {
            [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => 2,
            [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _] => 4,
            _ => return Err(damaged("is not in the .npy format".to_owned())),
        };
        let length = fill(&mut reader, length_bytes, path)?;
        let length = length.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
        if length > 1 << 20 {
            return Err(damaged(format!("has a header of {length} bytes")));
        }
        let header = fill(&mut reader, length, path)?;
        let header = String::from_utf8_lossy(&header).into_owned();
        let header =
            Header::parse(&header).ok_or_else(|| damaged(format!("has a damaged header: {}", header.trim())))?;
        let (kind, big_endian) = header.kind(path, &name)?;

        let cells = header.shape.iter().try_fold(1_usize, |cells, &size| cells.checked_mul(size));
        let bytes = cells.and_then(|cells| cells.checked_mul(kind.size())).filter(|&bytes| bytes <= LARGEST);
        let Some(expected) = bytes else {
            return Err(damaged(format!("promises the shape {:?}, more than 16 GiB", header.shape)));
        };
        let bytes = fill(&mut reader, expected, path)?;
        let more = !fill(&mut reader, 1, path)?.is_empty();
        if bytes.len() < expected || more {
            let found = if more { format!("more than {expected}") } else { bytes.len().to_string() };
            return Err(damaged(format!("promises the shape {:?}, {expected} bytes, but holds {found}", header.shape)));
        }
        Ok(Raw { path: path.clone(), name, kind, big_endian, fortran: header.fortran, shape: header.shape, bytes })
    }

    fn error(&self, problem: impl std::fmt::Display, hint: impl Into<String>) -> Error {
        Error::data(self.path.as_path(), format!("{} {problem}", self.name), hint)
    }

    /// Cells in file order as an array in the order of its indices.
    fn array<T>(&self, cells: Vec<T>) -> ArrayD<T> {
        let shape = IxDyn(&self.shape).set_f(self.fortran);
        ArrayD::from_shape_vec(shape, cells).expect("the length was checked against the shape")
    }
}

impl Kind {
    /// Bytes of a cell.
    fn size(self) -> usize {
        match self {
            Kind::Bool | Kind::U8 | Kind::I8 => 1,
            Kind::U16 | Kind::I16 | Kind::F16 => 2,
            Kind::U32 | Kind::I32 | Kind::F32 => 4,
            Kind::U64 | Kind::I64 | Kind::F64 => 8,
            Kind::Unicode(characters) => characters.saturating_mul(4),
            Kind::Text(bytes) => bytes,
        }
    }

    fn is_text(self) -> bool {
        matches!(self, Kind::Unicode(_) | Kind::Text(_))
    }

    fn is_whole(self) -> bool {
        !self.is_text() && !matches!(self, Kind::F16 | Kind::F32 | Kind::F64)
    }
}

/// The header's Python dictionary: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }`.
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> Option<Header> {
        let value = |key: &str| {
            let at = text.find(&format!("'{key}'")).or_else(|| text.find(&format!("\"{key}\"")))?;
            Some(text[at + key.len() + 2..].trim_start().strip_prefix(':')?.trim_start())
        };
        let descr = value("descr")?;
        let quote = descr.chars().next()?;
        let descr = match quote {
            '\'' | '"' => descr[1..].split(quote).next()?.to_owned(),
            // a list of fields
            _ => String::new(),
        };
        let fortran = value("fortran_order")?.starts_with("True");
        let shape = value("shape")?.strip_prefix('(')?.split_once(')')?.0;
        // Python 2 wrote `3L`
        let sizes = shape.split(',').map(|size| size.trim().trim_end_matches('L')).filter(|size| !size.is_empty());
        let shape = sizes.map(|size| size.parse().ok()).collect::<Option<_>>()?;
        Some(Header { descr, fortran, shape })
    }

    /// The type of a cell, and whether its high byte comes first.
    fn kind(&self, path: &Path, name: &str) -> Result<(Kind, bool)> {
        let refuse = |what: &str, hint: &str| Err(Error::data(path, format!("{name} {what}"), hint));
        let big_endian = self.descr.starts_with('>');
        let kind = match self.descr.trim_start_matches(['<', '>', '|', '=']) {
            "b1" | "?" => Kind::Bool,
            "u1" | "B" => Kind::U8,
            "i1" | "b" => Kind::I8,
            "u2" => Kind::U16,
            "i2" => Kind::I16,
            "u4" => Kind::U32,
            "i4" => Kind::I32,
            "u8" => Kind::U64,
            "i8" => Kind::I64,
            "f2" => Kind::F16,
            "f4" => Kind::F32,
            "f8" => Kind::F64,
            text if text.starts_with(['U', 'S']) => {
                let length = text[1..].parse().ok().filter(|&length: &usize| length > 0);
                match length {
                    Some(length) if text.starts_with('U') => Kind::Unicode(length),
                    Some(length) => Kind::Text(length),
                    None => return refuse("holds texts without a character", "write the labels again"),
                }
            }
            "O" => {
                return refuse(
                    "holds Python objects (a pickle), which could run any code and are not read",
                    "save it with a plain type: np.save(path, array.astype(np.float32)), or astype(str) for labels",
                );
            }
            "" => return refuse("holds records of several fields", "save each field as an array of its own"),
            other => {
                return refuse(
                    &format!("holds cells of type `{other}`, which is not read"),
                    "save it as integers, floats, or texts for labels: np.save(path, array.astype(np.float32))",
                );
            }
        };
        Ok((kind, big_endian))
    }
}

/// The cells of an array of a number type, each passed through a function.
macro_rules! cells {
    ($raw:expr, $type:ty, $each:expr) => {{
        let (cells, _) = $raw.bytes.as_chunks::<{ size_of::<$type>() }>();
        let read = if $raw.big_endian { <$type>::from_be_bytes } else { <$type>::from_le_bytes };
        cells.iter().map(|&cell| $each(read(cell))).collect()
    }};
}

/// Numbers in the smallest type that they came in.
enum Numbers {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
    Floats(Vec<f32>),
}

fn numbers(raw: &mut Raw) -> Numbers {
    match raw.kind {
        Kind::Bool => Numbers::Bytes(raw.bytes.iter().map(|&byte| u8::from(byte != 0)).collect()),
        Kind::U8 => Numbers::Bytes(std::mem::take(&mut raw.bytes)),
        Kind::U16 => Numbers::Words(cells!(raw, u16, |cell| cell)),
        Kind::I8 => Numbers::Floats(cells!(raw, i8, f32::from)),
        Kind::I16 => Numbers::Floats(cells!(raw, i16, f32::from)),
        Kind::U32 => Numbers::Floats(cells!(raw, u32, |cell| cell as f32)),
        Kind::I32 => Numbers::Floats(cells!(raw, i32, |cell| cell as f32)),
        Kind::U64 => Numbers::Floats(cells!(raw, u64, |cell| cell as f32)),
        Kind::I64 => Numbers::Floats(cells!(raw, i64, |cell| cell as f32)),
        Kind::F16 => Numbers::Floats(cells!(raw, u16, half)),
        Kind::F32 => Numbers::Floats(cells!(raw, f32, |cell| cell)),
        Kind::F64 => Numbers::Floats(cells!(raw, f64, narrow)),
        Kind::Unicode(_) | Kind::Text(_) => unreachable!("inputs of text are refused before"),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "too large for f32 becomes infinite, which counts as missing")]
fn narrow(number: f64) -> f32 {
    number as f32
}

/// IEEE 754 binary16: 1 sign bit, 5 of exponent, 10 of fraction.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(bits & 0x3ff);
    sign * match bits >> 10 & 0x1f {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction > 0.0 => f32::NAN,
        31 => f32::INFINITY,
        exponent => (1024.0 + fraction) * 2_f32.powi(i32::from(exponent) - 25),
    }
}

struct Loaded {
    inputs: Inputs,
    features: Features,
    /// Rows of pictures with a pixel that is no number, ascending.
    unusable: Vec<usize>,
}

/// How the sizes after the first are meant.
enum Layout {
    Picture { height: usize, width: usize, channels: usize, channels_first: bool },
    Columns(usize),
}

fn load_inputs(mut raw: Raw, labelled: bool, wanted: Option<&Features>, notes: &mut Vec<String>) -> Result<Loaded> {
    if raw.kind.is_text() {
        return Err(
            raw.error("holds texts where numbers are needed", "encode them as numbers, or give the table as CSV")
        );
    }
    let layout = layout(&raw, labelled, wanted, notes)?;
    if raw.shape[1..].contains(&0) {
        return Err(raw.error(format!("has the shape {:?}: items without a number", raw.shape), "write it again"));
    }
    let is_whole = raw.kind.is_whole();
    let numbers = numbers(&mut raw);
    match layout {
        Layout::Picture { height, width, channels, channels_first } => {
            let found = ImageShape { height, width, channels, white: 0.0 };
            match numbers {
                Numbers::Bytes(cells) => {
                    let pixels = rows(raw.array(cells), channels_first);
                    let brightest = f32::from(pixels.iter().copied().max().unwrap_or(0));
                    let white = if brightest <= 1.0 { 1.0 } else { 255.0 };
                    pictures(&raw, found, white, brightest, wanted, Inputs::Bytes(pixels))
                }
                Numbers::Words(cells) => {
                    let pixels = rows(raw.array(cells), channels_first);
                    let brightest = f32::from(pixels.iter().copied().max().unwrap_or(0));
                    let white = if brightest <= 255.0 { white(brightest) } else { 65_535.0 };
                    pictures(&raw, found, white, brightest, wanted, Inputs::Words(pixels))
                }
                Numbers::Floats(cells) => {
                    float_pictures(&raw, found, is_whole, rows(raw.array(cells), channels_first), wanted)
                }
            }
        }
        Layout::Columns(d) => {
            let features = column_features(&raw, d, wanted)?;
            let cells = match numbers {
                Numbers::Bytes(cells) => cells.into_iter().map(f32::from).collect(),
                Numbers::Words(cells) => cells.into_iter().map(f32::from).collect(),
                Numbers::Floats(cells) => cells,
            };
            let inputs = columns(&raw, rows(raw.array(cells), false), notes);
            Ok(Loaded { inputs, features, unusable: Vec::new() })
        }
    }
}

fn layout(raw: &Raw, labelled: bool, wanted: Option<&Features>, notes: &mut Vec<String>) -> Result<Layout> {
    let picture = |height, width, channels| Layout::Picture { height, width, channels, channels_first: false };
    match raw.shape[..] {
        [_] => Ok(Layout::Columns(1)),
        [_, d] => {
            if let Some(Features::Image(shape)) = wanted {
                if shape.len() == d {
                    return Ok(picture(shape.height, shape.width, shape.channels));
                }
                return Err(raw.error(
                    format!(
                        "holds {d} numbers an item where pictures of {}×{}×{} are needed",
                        shape.height, shape.width, shape.channels
                    ),
                    "give data of the kind that the run was trained on",
                ));
            }
            let side = d.isqrt();
            if wanted.is_none() && labelled && raw.kind == Kind::U8 && d >= 64 && side * side == d {
                notes.push(format!("{}: {d} bytes an item are taken as a picture of {side}×{side}", raw.name));
                return Ok(picture(side, side, 1));
            }
            Ok(Layout::Columns(d))
        }
        [_, height, width] => Ok(picture(height, width, 1)),
        [_, a, b, c] => {
            let last = matches!(c, 1 | 3);
            let first = matches!(a, 1 | 3);
            let first_is_wanted = matches!(wanted, Some(Features::Image(shape)) if (shape.channels, shape.height, shape.width) == (a, b, c));
            if first && (!last || first_is_wanted) {
                Ok(Layout::Picture { height: b, width: c, channels: a, channels_first: true })
            } else if last {
                Ok(picture(a, b, c))
            } else {
                Err(raw.error(
                    format!("has the shape {:?}, whose last or second size should be 1 or 3 channels", raw.shape),
                    "leave transparency out: array[..., :3]",
                ))
            }
        }
        _ => Err(raw.error(
            format!("has the shape {:?}", raw.shape),
            "inputs have the shape [n, d], [n, height, width] or [n, height, width, channels]",
        )),
    }
}

/// One row an item, channels innermost.
fn rows<T: Clone>(array: ArrayD<T>, channels_first: bool) -> Array2<T> {
    let array = if channels_first { array.permuted_axes(IxDyn(&[0, 2, 3, 1])) } else { array };
    let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
    let (items, d): (usize, usize) = (array.shape()[0], array.shape()[1..].iter().product());
    array.into_shape_with_order((items, d)).expect("as many cells, in standard order")
}

/// Brightness that is meant by 1, where the data does not say it: of data up to 1, 255, or itself.
fn white(brightest: f32) -> f32 {
    if brightest <= 1.0 {
        1.0
    } else if brightest <= 255.0 {
        255.0
    } else {
        brightest
    }
}

fn pictures(
    raw: &Raw,
    found: ImageShape,
    white: f32,
    brightest: f32,
    wanted: Option<&Features>,
    inputs: Inputs,
) -> Result<Loaded> {
    let shape = fit_shape(ImageShape { white, ..found }, brightest, &raw.path, wanted)?;
    Ok(Loaded { inputs, features: Features::Image(shape), unusable: Vec::new() })
}

/// Pixels that came as floats or wide integers; integers that fit are kept as bytes.
fn float_pictures(
    raw: &Raw,
    found: ImageShape,
    is_whole: bool,
    pixels: Array2<f32>,
    wanted: Option<&Features>,
) -> Result<Loaded> {
    let finite = pixels.iter().copied().filter(|pixel| pixel.is_finite());
    let (darkest, brightest) = finite.fold((0.0_f32, 0.0_f32), |(low, high), pixel| (low.min(pixel), high.max(pixel)));
    if darkest < 0.0 {
        return Err(raw.error(
            format!("holds pixels down to {darkest}"),
            "pixels start at 0; bring them there with (x - x.min()) / (x.max() - x.min()), or flatten them to columns",
        ));
    }
    if is_whole && brightest <= 255.0 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers of 0 to 255")]
        let bytes = pixels.mapv(|pixel| pixel as u8);
        return pictures(raw, found, white(brightest), brightest, wanted, Inputs::Bytes(bytes));
    }
    let unusable = (0..pixels.nrows()).filter(|&row| pixels.row(row).iter().any(|pixel| !pixel.is_finite())).collect();
    let loaded = pictures(raw, found, white(brightest), brightest, wanted, Inputs::Floats(pixels))?;
    Ok(Loaded { unusable, ..loaded })
}

fn column_features(raw: &Raw, d: usize, wanted: Option<&Features>) -> Result<Features> {
    let Some(wanted) = wanted else {
        let column = |number: usize| Column { name: number.to_string(), kind: ColumnKind::Numeric };
        return Ok(Features::Columns((1..=d).map(column).collect()));
    };
    let problem = match wanted {
        Features::Columns(columns) if columns.len() != d => {
            format!("holds {d} columns where {} are needed", columns.len())
        }
        Features::Columns(columns) => match columns.iter().find(|column| column.kind != ColumnKind::Numeric) {
            None => return Ok(wanted.clone()),
            Some(column) => format!("holds numbers, but the column {} is of kind {}", column.name, column.kind.name()),
        },
        Features::Image(shape) => {
            format!(
                "holds {d} numbers an item where pictures of {}×{}×{} are needed",
                shape.height, shape.width, shape.channels
            )
        }
    };
    Err(raw.error(problem, "give data of the kind that the run was trained on"))
}

/// Floats where all are finite, else a table with gaps.
fn columns(raw: &Raw, numbers: Array2<f32>, notes: &mut Vec<String>) -> Inputs {
    let mut gaps = numbers.indexed_iter().filter(|(_, number)| !number.is_finite()).map(|(at, _)| at);
    let Some((row, column)) = gaps.next() else { return Inputs::Floats(numbers) };
    notes.push(format!(
        "{}: {} cells that are NaN or infinite count as missing; the first is row {}, column {}",
        raw.name,
        gaps.count() + 1,
        row + 1,
        column + 1
    ));
    let cells = |column: ndarray::ArrayView1<f32>| {
        column.iter().map(|&cell| Some(cell).filter(|cell| cell.is_finite())).collect()
    };
    Inputs::Table(Table {
        rows: numbers.nrows(),
        columns: numbers.columns().into_iter().map(|column| Cells::Numeric(cells(column))).collect(),
    })
}

fn load_labels(raw: &Raw, notes: &mut Vec<String>) -> Result<Texts> {
    match (&raw.shape[..], raw.kind) {
        ([_] | [_, 1], Kind::Unicode(_) | Kind::Text(_)) => {
            intern(raw.bytes.chunks_exact(raw.kind.size()), |cell, row| label_text(raw, cell, row))
        }
        ([_] | [_, 1], Kind::F16 | Kind::F32 | Kind::F64) => {
            let labels: Vec<f64> = real_cells(raw);
            intern(labels.iter().map(|label| label.to_bits()), |bits, row| float_text(raw, f64::from_bits(bits), row))
        }
        ([_] | [_, 1], _) => intern(whole_cells(raw), |label, _| Ok(label.to_string())),
        ([_, classes], kind) if *classes > 1 && !kind.is_text() => {
            let cells = if kind.is_whole() {
                whole_cells(raw).into_iter().map(|cell| cell as f64).collect()
            } else {
                real_cells(raw)
            };
            notes.push(format!("{}: one-hot labels of {classes} classes, which are named by their index", raw.name));
            one_hot(raw, &rows(raw.array(cells), false), notes)
        }
        _ => Err(raw.error(
            format!("has the shape {:?}, which are no labels", raw.shape),
            "labels have the shape [n], or one-hot [n, classes]",
        )),
    }
}

/// Numbers of an integer type or bools.
fn whole_cells(raw: &Raw) -> Vec<i128> {
    match raw.kind {
        Kind::Bool => raw.bytes.iter().map(|&byte| i128::from(byte != 0)).collect(),
        Kind::U8 => raw.bytes.iter().copied().map(i128::from).collect(),
        Kind::I8 => cells!(raw, i8, i128::from),
        Kind::U16 => cells!(raw, u16, i128::from),
        Kind::I16 => cells!(raw, i16, i128::from),
        Kind::U32 => cells!(raw, u32, i128::from),
        Kind::I32 => cells!(raw, i32, i128::from),
        Kind::U64 => cells!(raw, u64, i128::from),
        Kind::I64 => cells!(raw, i64, i128::from),
        Kind::F16 | Kind::F32 | Kind::F64 | Kind::Unicode(_) | Kind::Text(_) => unreachable!("not whole numbers"),
    }
}

fn real_cells(raw: &Raw) -> Vec<f64> {
    match raw.kind {
        Kind::F16 => cells!(raw, u16, |bits| f64::from(half(bits))),
        Kind::F32 => cells!(raw, f32, f64::from),
        Kind::F64 => cells!(raw, f64, |cell| cell),
        _ => unreachable!("not floats"),
    }
}

/// Texts of cells, each distinct cell looked at once.
fn intern<T: std::hash::Hash + Eq + Copy>(
    cells: impl IntoIterator<Item = T>,
    text: impl Fn(T, usize) -> Result<String>,
) -> Result<Texts> {
    let mut texts = Texts::default();
    let mut of_cell: HashMap<T, u32> = HashMap::new();
    let mut of_text: HashMap<String, u32> = HashMap::new();
    for (row, cell) in cells.into_iter().enumerate() {
        let found = if let Some(&found) = of_cell.get(&cell) {
            found
        } else {
            let text = text(cell, row)?;
            // 0.0 and −0.0 are two cells and one text
            let found = *of_text.entry(text).or_insert_with_key(|text| {
                texts.distinct.push(text.clone());
                code(texts.distinct.len() - 1)
            });
            of_cell.insert(cell, found);
            found
        };
        texts.codes.push(found);
    }
    Ok(texts)
}

fn float_text(raw: &Raw, label: f64, row: usize) -> Result<String> {
    if label.is_nan() {
        return Ok("NaN".to_owned());
    }
    if label.fract().abs() > 0.0 || label.is_infinite() {
        return Err(Error::data(
            Place::row(&raw.path, row as u64 + 1),
            format!("the label {label} is not a whole number"),
            "labels are classes; cut a quantity into ranges first, such as with np.digitize",
        ));
    }
    Ok(format!("{:.0}", label + 0.0))
}

/// A text without the zeros that fill it up.
fn label_text(raw: &Raw, cell: &[u8], row: usize) -> Result<String> {
    let text = if let Kind::Unicode(_) = raw.kind {
        let (letters, _) = cell.as_chunks::<4>();
        let read = if raw.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        letters.iter().map(|&letter| char::from_u32(read(letter))).collect::<Option<String>>()
    } else {
        String::from_utf8(cell.to_vec()).ok()
    };
    let text = text.ok_or_else(|| {
        Error::data(
            Place::row(&raw.path, row as u64 + 1),
            "the label is not valid text",
            "write labels as str: labels.astype(str)",
        )
    })?;
    Ok(text.trim_end_matches('\0').to_owned())
}

fn one_hot(raw: &Raw, cells: &Array2<f64>, notes: &mut Vec<String>) -> Result<Texts> {
    let mut labels = Vec::with_capacity(cells.nrows());
    for (row, cells) in cells.rows().into_iter().enumerate() {
        let ones: Vec<usize> = (0..cells.len()).filter(|&class| cells[class].total_cmp(&1.0).is_eq()).collect();
        let zeros = cells.iter().filter(|cell| cell.abs().total_cmp(&0.0).is_eq()).count();
        if ones.len() > 1 || ones.len() + zeros < cells.len() {
            return Err(Error::data(
                Place::row(&raw.path, row as u64 + 1),
                format!("{} has the shape {:?}, but this row is not one 1 among zeros", raw.name, raw.shape),
                "labels have the shape [n], or one-hot [n, classes]; give probabilities as their argmax",
            ));
        }
        labels.push(ones.first().copied());
    }
    let none = labels.iter().filter(|label| label.is_none()).count();
    if none > 0 {
        notes.push(format!("{}: {none} rows of zeros only are unlabelled", raw.name));
    }
    intern(labels, |label, _| Ok(label.map(|class| class.to_string()).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::idx::tests::{Scratch, chunks};
    use super::super::{Chunk, MinusOne};
    use super::*;

    fn npy(descr: &str, fortran: bool, shape: &[usize], body: &[u8]) -> Vec<u8> {
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

    fn floats(shape: &[usize], cells: &[f32]) -> Vec<u8> {
        npy("<f4", false, shape, &cells.iter().flat_map(|cell| cell.to_le_bytes()).collect::<Vec<_>>())
    }

    fn bytes(shape: &[usize]) -> Vec<u8> {
        let body: Vec<u8> = (0..=255).cycle().take(shape.iter().product()).collect();
        npy("|u1", false, shape, &body)
    }

    fn npz(folder: &Scratch, arrays: &[(&str, Vec<u8>)]) -> PathBuf {
        let path = folder.0.join("data.npz");
        let mut archive = zip::ZipWriter::new(File::create(&path).expect("writable"));
        for (at, (name, bytes)) in arrays.iter().enumerate() {
            let method = if at % 2 == 0 { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
            let options = zip::write::SimpleFileOptions::default().compression_method(method);
            archive.start_file(format!("{name}.npy"), options).expect("writable");
            archive.write_all(bytes).expect("writable");
        }
        archive.finish().expect("writable");
        path
    }

    fn load(path: &Path) -> Source {
        read(path, &Options::default()).expect("readable")
    }

    fn problem(path: &Path) -> String {
        let error = read(path, &Options::default()).expect_err("the file is wrong");
        format!("{error} ({})", error.hint().expect("says what to do"))
    }

    /// The matrix of an `X.npy`.
    fn matrix(name: &str, bytes: Vec<u8>) -> Array2<f32> {
        let folder = Scratch::new(name);
        match load(&folder.write("X.npy", bytes)).train.inputs {
            Inputs::Floats(numbers) => numbers,
            other => panic!("{other:?}"),
        }
    }

    /// The class names of the labels in a `y.npy`, `None` where there is no label.
    fn labels(name: &str, items: usize, y: Vec<u8>) -> Result<(Vec<Option<String>>, Vec<String>)> {
        let folder = Scratch::new(name);
        folder.write("y.npy", y);
        let path = folder.write("X.npy", floats(&[items, 1], &vec![0.5; items]));
        let source = read(&path, &Options { minus_one: MinusOne::Unlabelled, ..Options::default() })?;
        let name = |class: &crate::Class| source.train.schema.classes[class.index()].clone();
        Ok((source.train.labels.iter().map(|label| label.as_ref().map(name)).collect(), source.notes))
    }

    fn image(source: &Source) -> (usize, usize, usize, f32) {
        match source.train.schema.features {
            Features::Image(shape) => (shape.height, shape.width, shape.channels, shape.white),
            Features::Columns(_) => panic!("pictures"),
        }
    }

    #[test]
    fn keras_and_medmnist_archives_have_their_splits() {
        let folder = Scratch::new("npz-keras");
        let (x, y) = (bytes(&[3, 4, 4]), npy("<i8", false, &[3], &[[0; 8], [1, 0, 0, 0, 0, 0, 0, 0], [0; 8]].concat()));
        let path = npz(
            &folder,
            &[("x_train", x.clone()), ("y_train", y.clone()), ("x_test", x.clone()), ("y_test", y.clone())],
        );
        let source = load(&path);
        assert_eq!(image(&source), (4, 4, 1, 255.0));
        assert_eq!(source.train.class_counts(), [2, 1]);
        assert_eq!(source.test.map(|test| test.len()), Some(3));

        // medmnist's labels are [n, 1]
        let column = npy("|u1", false, &[3, 1], &[5, 6, 6]);
        let names = ["train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"];
        let arrays: Vec<_> = names
            .iter()
            .map(|name| (*name, if name.ends_with("images") { x.clone() } else { column.clone() }))
            .collect();
        let source = load(&npz(&folder, &arrays));
        assert_eq!(source.train.schema.classes, ["5", "6"]);
        assert!(source.validation.is_some() && source.test.is_some());
    }

    #[test]
    fn names_are_known_in_capitals_and_others_are_told() {
        let folder = Scratch::new("npz-names");
        let source = load(&npz(&folder, &[("X", bytes(&[2, 5])), ("y", bytes(&[2])), ("extra", bytes(&[1]))]));
        assert_eq!(source.train.labelled().len(), 2);
        assert!(source.notes.iter().any(|note| note.contains("extra")), "{:?}", source.notes);

        let problem = problem(&npz(&folder, &[("features", bytes(&[2, 5])), ("weights", bytes(&[2]))]));
        assert!(problem.contains("features, weights") && problem.contains("x_train"), "{problem}");
    }

    #[test]
    fn an_npy_finds_its_labels_beside_it() {
        for (x, y) in
            [("X", "y"), ("x_train", "y_train"), ("images", "labels"), ("embeddings", "labels"), ("X_test", "Y_test")]
        {
            let folder = Scratch::new("npy-beside");
            folder.write(&format!("{y}.npy"), bytes(&[2]));
            let path = folder.write(&format!("{x}.npy"), bytes(&[2, 5]));
            assert_eq!(load(&path).train.labelled(), [0, 1], "{x}");
        }
        let folder = Scratch::new("npy-alone");
        folder.write("y.npy", bytes(&[7]));
        let source = load(&folder.write("x_test.npy", bytes(&[2, 5])));
        assert_eq!(source.train.labels, [None, None]);
        assert!(source.notes[0].contains("unlabelled"));
    }

    #[test]
    fn a_folder_of_arrays_is_claimed_and_read() {
        let folder = Scratch::new("npy-folder");
        folder.write("y_train.npy", bytes(&[2]));
        assert!(!claims(&folder.0));
        folder.write("X_train.npy", bytes(&[2, 5]));
        assert!(claims(&folder.0));
        assert_eq!(load(&folder.0).train.labelled(), [0, 1]);
    }

    #[test]
    fn every_number_type_is_read_in_both_byte_orders() {
        let expected = ndarray::array![[1.0_f32, 2.0], [3.0, 4.0]];
        let cases: [(&str, Vec<u8>); 13] = [
            ("|u1", vec![1, 2, 3, 4]),
            ("|i1", vec![1, 2, 3, 4]),
            ("<u2", [1_u16, 2, 3, 4].map(u16::to_le_bytes).concat()),
            (">u2", [1_u16, 2, 3, 4].map(u16::to_be_bytes).concat()),
            (">i2", [1_i16, 2, 3, 4].map(i16::to_be_bytes).concat()),
            (">u4", [1_u32, 2, 3, 4].map(u32::to_be_bytes).concat()),
            ("<i4", [1_i32, 2, 3, 4].map(i32::to_le_bytes).concat()),
            (">u8", [1_u64, 2, 3, 4].map(u64::to_be_bytes).concat()),
            (">i8", [1_i64, 2, 3, 4].map(i64::to_be_bytes).concat()),
            (">f4", [1_f32, 2.0, 3.0, 4.0].map(f32::to_be_bytes).concat()),
            ("<f8", [1_f64, 2.0, 3.0, 4.0].map(f64::to_le_bytes).concat()),
            (">f8", [1_f64, 2.0, 3.0, 4.0].map(f64::to_be_bytes).concat()),
            ("<f2", [0x3c00_u16, 0x4000, 0x4200, 0x4400].map(u16::to_le_bytes).concat()),
        ];
        for (descr, body) in cases {
            assert_eq!(matrix("npy-types", npy(descr, false, &[2, 2], &body)), expected, "{descr}");
        }
    }

    #[test]
    fn half_floats_are_exact() {
        assert_eq!(
            [0x0001, 0x03ff, 0x7bff, 0xc248].map(half).map(f32::to_bits),
            [2_f32.powi(-24), 1023.0 * 2_f32.powi(-24), 65_504.0, -3.140_625].map(f32::to_bits)
        );
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }

    #[test]
    fn fortran_order_is_brought_into_rows() {
        let body = [1_f32, 4.0, 2.0, 5.0, 3.0, 6.0].map(f32::to_le_bytes).concat();
        let expected = ndarray::array![[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
        assert_eq!(matrix("npy-fortran", npy("<f4", true, &[2, 3], &body)), expected);
    }

    #[test]
    fn channels_first_become_innermost() {
        let folder = Scratch::new("npy-channels");
        // one picture of 1×2 pixels: red 0 1, green 2 3, blue 4 5
        let source = load(&folder.write("X.npy", npy("|u1", false, &[1, 3, 1, 2], &[0, 1, 2, 3, 4, 5])));
        assert_eq!(image(&source), (1, 2, 3, 255.0));
        assert_eq!(source.train.inputs, Inputs::Bytes(ndarray::array![[0, 2, 4, 1, 3, 5]]));
        assert!(problem(&folder.write("X.npy", bytes(&[1, 4, 4, 4]))).contains("[..., :3]"));
    }

    #[test]
    fn white_follows_type_and_range() {
        let folder = Scratch::new("npy-white");
        let white = |bytes| image(&load(&folder.write("X.npy", bytes))).3.to_string();
        assert_eq!(
            [
                white(floats(&[1, 1, 2], &[0.0, 0.9])),
                white(floats(&[1, 1, 2], &[0.0, 200.0])),
                white(floats(&[1, 1, 2], &[0.0, 4095.0])),
                white(npy("|b1", false, &[1, 1, 2], &[0, 1])),
                white(npy("<u2", false, &[1, 1, 2], &[0, 0, 0, 9])),
                white(npy("<i4", false, &[1, 1, 2], &[0, 0, 0, 0, 200, 0, 0, 0])),
            ],
            ["1", "255", "4095", "1", "65535", "255"]
        );
        assert!(problem(&folder.write("X.npy", floats(&[1, 1, 2], &[-0.5, 0.5]))).contains("down to -0.5"));
    }

    #[test]
    fn flat_bytes_of_a_square_number_are_pictures_when_labelled() {
        let folder = Scratch::new("npy-square");
        let path = folder.write("X.npy", bytes(&[2, 784]));
        assert!(matches!(load(&path).train.schema.features, Features::Columns(_)));
        folder.write("y.npy", bytes(&[2]));
        let source = load(&path);
        assert_eq!(image(&source), (28, 28, 1, 255.0));
        assert!(source.notes[0].contains("28×28"));
    }

    #[test]
    fn gaps_in_columns_become_a_table_with_a_counted_note() {
        let folder = Scratch::new("npy-gaps");
        let source = load(&folder.write("X.npy", floats(&[2, 2], &[1.0, f32::NAN, f32::INFINITY, 4.0])));
        let columns = vec![Cells::Numeric(vec![Some(1.0), None]), Cells::Numeric(vec![None, Some(4.0)])];
        assert_eq!(source.train.inputs, Inputs::Table(Table { rows: 2, columns }));
        assert!(
            source.notes[0].contains("2 cells") && source.notes[0].contains("row 1, column 2"),
            "{:?}",
            source.notes
        );
    }

    #[test]
    fn a_picture_with_a_nan_is_a_problem_and_the_others_are_kept() {
        let folder = Scratch::new("npy-nan");
        folder.write("y.npy", bytes(&[3]));
        let path = folder.write("X.npy", floats(&[3, 1, 1], &[0.5, f32::NAN, 1.0]));
        let source = load(&path);
        assert_eq!((source.train.len(), source.train.ids.get(1)), (2, "3".to_owned()));
        assert!(source.problems[0].place.ends_with("row 2"), "{:?}", source.problems);
        let chunks: Vec<Chunk> = chunks(&FORMAT, &path, &source.train.schema).expect("readable");
        assert_eq!(chunks[0].status[1], Status::Unreadable(NOT_FINITE.to_owned()));
        assert_eq!(chunks[0].inputs, Inputs::Floats(ndarray::array![[0.5], [0.0], [1.0]]));
    }

    #[test]
    fn labels_come_as_integers_floats_texts_or_one_hot() {
        let some = |names: &[&str]| names.iter().map(|name| Some((*name).to_owned())).collect::<Vec<_>>();
        let of = |y| labels("npy-labels", 2, y).expect("readable").0;
        assert_eq!(of(npy(">i2", false, &[2], &[0, 3, 1, 0])), some(&["3", "256"]));
        assert_eq!(of(floats(&[2, 1], &[3.0, -0.0])), some(&["3", "0"]));
        assert_eq!(of(npy("|b1", false, &[2], &[1, 0])), some(&["1", "0"]));
        assert_eq!(of(npy("|S3", false, &[2], b"catox\0")), some(&["cat", "ox"]));
        assert_eq!(of(npy("<U1", false, &[2], &[b'a', 0, 0, 0, 0xe9, 0, 0, 0])), some(&["a", "é"]));
        assert_eq!(of(npy(">U1", false, &[2], &[0, 0, 0, b'a', 0, 0, 0, 0xe9])), some(&["a", "é"]));
        assert_eq!(of(npy("|u1", false, &[2, 3], &[0, 0, 1, 1, 0, 0])), some(&["2", "0"]));
        assert_eq!(of(npy("|u1", true, &[2, 3], &[0, 1, 0, 0, 1, 0])), some(&["2", "0"]));
    }

    #[test]
    fn missing_labels_are_nan_minus_one_or_a_row_of_zeros() {
        let missing_second = |y| {
            let labels = labels("npy-missing", 3, y).expect("readable").0;
            labels.iter().map(Option::is_none).collect::<Vec<_>>() == [false, true, false]
        };
        assert!(missing_second(floats(&[3], &[1.0, f32::NAN, 0.0])));
        assert!(missing_second(npy("|i1", false, &[3], &[1, 255, 0])));
        assert!(missing_second(npy("|u1", false, &[3, 2], &[1, 0, 0, 0, 0, 1])));
    }

    #[test]
    fn labels_that_are_no_classes_are_refused_with_their_row() {
        let said = |y| labels("npy-wrong", 2, y).expect_err("wrong").to_string();
        assert!(said(floats(&[2], &[1.0, 0.5])).contains("row 2: the label 0.5 is not a whole number"));
        assert!(said(floats(&[2, 2], &[1.0, 0.0, 0.3, 0.7])).contains("row 2"));
        assert!(said(npy("|u1", false, &[3], &[0, 1, 2])).contains("2 items, but"));
        assert!(said(npy("|u1", false, &[2, 1, 2], &[0, 1, 2, 3])).contains("no labels"));
        assert!(said(npy("<U1", false, &[2], &[0, 0xd8, 0, 0, 0, 0, 0, 0])).contains("not valid text"));
    }

    #[test]
    fn indices_become_the_names_of_known_classes() {
        let folder = Scratch::new("npy-classes");
        folder.write("y.npy", npy("|i1", false, &[3], &[1, 255, 1]));
        let path = folder.write("X.npy", floats(&[3, 1], &[0.0; 3]));
        let classes = ["cat", "dog"].map(str::to_owned).to_vec();
        let options = Options { classes: Some(classes.clone()), ..Options::default() };
        // −1 and 1 may as well be the two classes: nobody guesses
        assert!(read(&path, &options).is_err());
        folder.write("y.npy", npy("|i1", false, &[3], &[1, 255, 0]));
        let train = read(&path, &options).expect("readable").train;
        assert_eq!((train.class_counts(), train.schema.classes), (vec![1, 1], classes));
    }

    #[test]
    fn objects_records_and_other_types_are_refused() {
        let folder = Scratch::new("npy-objects");
        assert!(problem(&folder.write("X.npy", npy("|O", false, &[1], &[0; 8]))).contains("pickle"));
        assert!(problem(&folder.write("X.npy", npy("<c8", false, &[1], &[0; 8]))).contains("`c8`"));
        assert!(problem(&folder.write("X.npy", npy("<U0", false, &[usize::MAX], &[]))).contains("without a character"));
        assert!(problem(&folder.write("X.npy", npy("<U2", false, &[1], &[0; 8]))).contains("texts where numbers"));
        let mut records = b"\x93NUMPY\x01\x00\x4a\x00".to_vec();
        records
            .extend(format!("{:<74}", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }").as_bytes());
        assert!(problem(&folder.write("X.npy", records)).contains("several fields"));
    }

    #[test]
    fn a_header_that_lies_is_an_error_and_allocates_nothing() {
        let folder = Scratch::new("npy-lies");
        let huge = usize::MAX / 2;
        let cases = [
            (npy("<f4", false, &[3, 2], &[0; 23]), "24 bytes, but holds 23"),
            (npy("<f4", false, &[3, 2], &[0; 25]), "but holds more than 24"),
            (npy("<f4", false, &[huge, huge], &[0; 8]), "more than 16 GiB"),
            (npy("<f4", false, &[1_000_000, 1000], &[0; 8]), "but holds 8"),
            (npy("<f4", false, &[huge, 0], &[]), "items without a number"),
            (npy("<f4", false, &[], &[0; 4]), "inputs have the shape"),
            (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(), "header of 4294967295 bytes"),
            (b"\x93NUMPY\x01\x00\x05\x00{'a':".to_vec(), "damaged header"),
            (b"\x93NUM".to_vec(), "not in the .npy format"),
            (Vec::new(), "not in the .npy format"),
        ];
        for (bytes, said) in cases {
            let problem = problem(&folder.write("X.npy", bytes));
            assert!(problem.contains(said), "{problem}");
        }
        assert!(problem(&folder.write("X.npz", b"PK\x03\x04 and so on")).contains("not an .npz"));
    }

    #[test]
    fn data_of_another_kind_than_the_runs_is_refused() {
        let folder = Scratch::new("npy-schema");
        let columns = load(&folder.write("X.npy", bytes(&[2, 3]))).train.schema;
        let pictures = load(&folder.write("X.npy", bytes(&[2, 3, 3]))).train.schema;
        let said = |schema: &Schema, bytes| {
            let path = folder.write("new.npy", bytes);
            chunks(&FORMAT, &path, schema).expect_err("another shape").to_string()
        };
        assert!(said(&columns, bytes(&[2, 4])).contains("4 columns where 3 are needed"));
        assert!(said(&columns, bytes(&[2, 3, 3])).contains("pictures of 3×3×1 where 3 columns"));
        assert!(said(&pictures, bytes(&[2, 4, 4])).contains("4×4×1 where 3×3×1"));
        assert!(said(&pictures, floats(&[1, 3, 3], &[0.9; 9])).contains("255 is white"));
        let flat = folder.write("new.npy", bytes(&[2, 9]));
        assert_eq!(chunks(&FORMAT, &flat, &pictures).expect("as pictures")[0].inputs.rows(), 2);
    }

    #[test]
    fn an_archive_streams_its_test_split() {
        let folder = Scratch::new("npz-stream");
        let path = npz(&folder, &[("x_train", bytes(&[3, 2])), ("x_test", bytes(&[2, 2]))]);
        let schema = load(&path).train.schema;
        assert_eq!(chunks(&FORMAT, &path, &schema).expect("readable")[0].ids, ["1", "2"]);
    }
}
