//! The file format: a magic number, a header that is a Python dictionary, then cells.

use std::io::Read;
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn, ShapeBuilder};

use crate::error::{Error, Result};
use crate::read::arrays::{LARGEST, fill};

/// An array as it lies in its file: what its header says, and its cells, yet to be read.
pub(super) struct Raw<'r> {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) big_endian: bool,
    /// The first index runs fastest.
    fortran: bool,
    pub(super) shape: Vec<usize>,
    /// Bytes of all cells.
    length: usize,
    /// The file is as long as that, so room can be made before a cell is read.
    is_there: bool,
    reader: &'r mut dyn Read,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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

/// Bytes that are read and turned into numbers at a time; a multiple of every number's size.
const PIECE: usize = 1 << 20;

/// Bytes that columns take on their way to rows.
const COLUMNS: usize = 64 << 20;

impl<'r> Raw<'r> {
    /// The array of a file, or of a member of an archive of this file.
    pub(super) fn open(mut reader: &'r mut dyn Read, path: &Path, name: String) -> Result<Raw<'r>> {
        let damaged =
            |problem: String| Error::data(path, format!("{name} {problem}"), "write it again with numpy.save");

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
        let Some(length) = bytes else {
            return Err(damaged(format!("promises the shape {:?}, more than 16 GiB", header.shape)));
        };
        let is_there = path.metadata().is_ok_and(|file| file.len() >= length as u64);
        let Header { fortran, shape, .. } = header;
        Ok(Raw { path: path.to_owned(), name, kind, big_endian, fortran, shape, length, is_there, reader })
    }

    /// All cells at once, for arrays that are small or are bytes anyway.
    pub(super) fn bytes(&mut self) -> Result<Vec<u8>> {
        let bytes = fill(self.reader, self.length, &self.path)?;
        self.end(bytes.len())?;
        Ok(bytes)
    }

    /// The array must end where its header says.
    fn end(&mut self, found: usize) -> Result<()> {
        let more = !fill(self.reader, 1, &self.path)?.is_empty();
        if found == self.length && !more {
            return Ok(());
        }
        let found = if more { format!("more than {}", self.length) } else { found.to_string() };
        let problem = format!("promises the shape {:?}, {} bytes, but holds {found}", self.shape, self.length);
        Err(self.error(problem, "write it again with numpy.save"))
    }

    /// The cells as numbers in file order, `take` turning some bytes into some numbers: never all bytes at once.
    fn cells<T>(&mut self, take: impl Fn(&[u8], &mut Vec<T>)) -> Result<Vec<T>> {
        let mut cells = Vec::new();
        if self.is_there {
            let count = self.length / self.kind.size();
            if cells.try_reserve_exact(count).is_err() {
                return Err(self.error(format!("does not fit into memory: {count} numbers"), "give fewer rows"));
            }
        }
        let mut done = 0;
        while done < self.length {
            let piece = fill(self.reader, PIECE.min(self.length - done), &self.path)?;
            if piece.is_empty() {
                break;
            }
            take(&piece, &mut cells);
            done += piece.len();
        }
        self.end(done)?;
        Ok(cells)
    }

    /// Floats in the order of the indices: a second index that runs slowest is turned to run fastest on the way.
    fn floats(&mut self, take: impl Fn(&[u8], &mut Vec<f32>)) -> Result<Vec<f32>> {
        let [items, width] = self.shape[..] else { return self.cells(take) };
        if !self.fortran || !self.is_there || items == 0 || width == 0 {
            return self.cells(take);
        }
        let mut rows = Vec::new();
        if rows.try_reserve_exact(items * width).is_err() {
            return Err(self.error(format!("does not fit into memory: {items} × {width}"), "give fewer rows"));
        }
        rows.resize(items * width, 0.0);
        let at_once = (COLUMNS / 4 / items).clamp(1, width);
        let mut columns = Vec::with_capacity(at_once * items);
        let mut done = 0;
        for first in (0..width).step_by(at_once) {
            columns.clear();
            let some = at_once.min(width - first);
            let mut wanted = some * items * self.kind.size();
            while wanted > 0 {
                let piece = fill(self.reader, PIECE.min(wanted), &self.path)?;
                if piece.is_empty() {
                    break;
                }
                take(&piece, &mut columns);
                wanted -= piece.len();
                done += piece.len();
            }
            if wanted > 0 {
                break;
            }
            for (item, row) in rows.chunks_exact_mut(width).enumerate() {
                for (column, cell) in row[first..first + some].iter_mut().enumerate() {
                    *cell = columns[column * items + item];
                }
            }
        }
        self.end(done)?;
        self.fortran = false;
        Ok(rows)
    }

    pub(super) fn error(&self, problem: impl std::fmt::Display, hint: impl Into<String>) -> Error {
        Error::data(self.path.as_path(), format!("{} {problem}", self.name), hint)
    }

    /// Cells in file order as an array in the order of its indices.
    pub(super) fn array<T>(&self, cells: Vec<T>) -> ArrayD<T> {
        let shape = IxDyn(&self.shape).set_f(self.fortran);
        ArrayD::from_shape_vec(shape, cells).expect("the length was checked against the shape")
    }
}

impl Kind {
    /// Bytes of a cell.
    pub(super) fn size(self) -> usize {
        match self {
            Kind::Bool | Kind::U8 | Kind::I8 => 1,
            Kind::U16 | Kind::I16 | Kind::F16 => 2,
            Kind::U32 | Kind::I32 | Kind::F32 => 4,
            Kind::U64 | Kind::I64 | Kind::F64 => 8,
            Kind::Unicode(characters) => characters.saturating_mul(4),
            Kind::Text(bytes) => bytes,
        }
    }

    pub(super) fn is_text(self) -> bool {
        matches!(self, Kind::Unicode(_) | Kind::Text(_))
    }

    pub(super) fn is_whole(self) -> bool {
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

/// The numbers of some cells of a type, each passed through a function.
macro_rules! cells {
    ($big_endian:expr, $bytes:expr, $type:ty, $each:expr) => {{
        let (cells, _) = $bytes.as_chunks::<{ size_of::<$type>() }>();
        let read = if $big_endian { <$type>::from_be_bytes } else { <$type>::from_le_bytes };
        cells.iter().map(move |&cell| $each(read(cell)))
    }};
}

/// Numbers in the smallest type that they came in.
pub(super) enum Numbers {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
    Floats(Vec<f32>),
}

pub(super) fn numbers(raw: &mut Raw) -> Result<Numbers> {
    let big = raw.big_endian;
    Ok(match raw.kind {
        Kind::Bool => {
            let mut bytes = raw.bytes()?;
            for byte in &mut bytes {
                *byte = u8::from(*byte != 0);
            }
            Numbers::Bytes(bytes)
        }
        Kind::U8 => Numbers::Bytes(raw.bytes()?),
        Kind::U16 => Numbers::Words(raw.cells(|some, all| all.extend(cells!(big, some, u16, |cell| cell)))?),
        kind => Numbers::Floats(raw.floats(|some, all| match kind {
            Kind::I8 => all.extend(cells!(big, some, i8, f32::from)),
            Kind::I16 => all.extend(cells!(big, some, i16, f32::from)),
            Kind::U32 => all.extend(cells!(big, some, u32, |cell| cell as f32)),
            Kind::I32 => all.extend(cells!(big, some, i32, |cell| cell as f32)),
            Kind::U64 => all.extend(cells!(big, some, u64, |cell| cell as f32)),
            Kind::I64 => all.extend(cells!(big, some, i64, |cell| cell as f32)),
            Kind::F16 => all.extend(cells!(big, some, u16, half)),
            Kind::F32 => all.extend(cells!(big, some, f32, |cell| cell)),
            Kind::F64 => all.extend(cells!(big, some, f64, narrow)),
            _ => unreachable!("bytes and words were taken above, and inputs of text are refused before"),
        })?),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "too large for f32 becomes infinite, which counts as missing")]
fn narrow(number: f64) -> f32 {
    number as f32
}

/// IEEE 754 binary16: 1 sign bit, 5 of exponent, 10 of fraction.
pub(in crate::read) fn half(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    match exponent {
        // below the smallest normal number: a multiple of 2⁻²⁴
        0 => f32::from_bits(sign | (fraction as f32 / 16_777_216.0).to_bits()),
        31 => f32::from_bits(sign | 0xff << 23 | fraction << 13),
        // the exponent of binary32 counts from −127, this one from −15
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// Numbers of an integer type or bools.
pub(super) fn whole_cells(raw: &Raw, bytes: &[u8]) -> Vec<i128> {
    let big = raw.big_endian;
    match raw.kind {
        Kind::Bool => bytes.iter().map(|&byte| i128::from(byte != 0)).collect(),
        Kind::U8 => bytes.iter().copied().map(i128::from).collect(),
        Kind::I8 => cells!(big, bytes, i8, i128::from).collect(),
        Kind::U16 => cells!(big, bytes, u16, i128::from).collect(),
        Kind::I16 => cells!(big, bytes, i16, i128::from).collect(),
        Kind::U32 => cells!(big, bytes, u32, i128::from).collect(),
        Kind::I32 => cells!(big, bytes, i32, i128::from).collect(),
        Kind::U64 => cells!(big, bytes, u64, i128::from).collect(),
        Kind::I64 => cells!(big, bytes, i64, i128::from).collect(),
        Kind::F16 | Kind::F32 | Kind::F64 | Kind::Unicode(_) | Kind::Text(_) => unreachable!("not whole numbers"),
    }
}

pub(super) fn real_cells(raw: &Raw, bytes: &[u8]) -> Vec<f64> {
    let big = raw.big_endian;
    match raw.kind {
        Kind::F16 => cells!(big, bytes, u16, |bits| f64::from(half(bits))).collect(),
        Kind::F32 => cells!(big, bytes, f32, f64::from).collect(),
        Kind::F64 => cells!(big, bytes, f64, |cell| cell).collect(),
        _ => unreachable!("not floats"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{matrix, npy, problem};
    use super::*;
    use crate::read::testing::Scratch;

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
}
