//! Pages that are compressed by what the `parquet` crate can only unpack with a C compiler: Zstandard; and gzip.
//!
//! A page is a header, a struct in Thrift's compact protocol, and so many compressed bytes.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Take};

use flate2::read::MultiGzDecoder;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use ruzstd::decoding::StreamingDecoder;

/// Compression of pages that are unpacked here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Codec {
    Zstd,
    Gzip,
}

/// The pages of a column of a row group, in their order.
pub(super) struct Pages {
    bytes: Take<BufReader<File>>,
    codec: Codec,
    /// Values that the column is said to have, and that were passed on.
    values: (u64, u64),
}

impl Pages {
    pub(super) fn new(mut file: File, start: u64, length: u64, values: u64, codec: Codec) -> Result<Pages> {
        file.seek(SeekFrom::Start(start))?;
        Ok(Pages { bytes: BufReader::new(file).take(length), codec, values: (values, 0) })
    }

    fn page(&mut self) -> Result<Option<Page>> {
        while self.values.1 < self.values.0 {
            let header = Struct::read(&mut self.bytes, 0)?;
            let size = |id| header.number(id).and_then(|size| usize::try_from(size).ok()).ok_or_else(damaged);
            let (unpacked, packed) = (size(2)?, size(3)?);
            let bytes = exactly(&mut self.bytes, packed)?;
            let kinds = (header.inner(5), header.inner(7), header.inner(8));
            let page = match (header.number(1), kinds) {
                (Some(0), (Some(data), _, _)) => Page::DataPage {
                    buf: self.unpack(&bytes, unpacked)?.into(),
                    num_values: data.count(1)?,
                    encoding: data.encoding(2)?,
                    def_level_encoding: data.encoding(3)?,
                    rep_level_encoding: data.encoding(4)?,
                    statistics: None,
                },
                (Some(2), (_, Some(dictionary), _)) => Page::DictionaryPage {
                    buf: self.unpack(&bytes, unpacked)?.into(),
                    num_values: dictionary.count(1)?,
                    encoding: dictionary.encoding(2)?,
                    is_sorted: false,
                },
                (Some(3), (_, _, Some(data))) => {
                    let (definition, repetition) = (data.count(5)?, data.count(6)?);
                    // The levels are not compressed.
                    let levels = definition as usize + repetition as usize;
                    if levels > bytes.len() || levels > unpacked {
                        return Err(damaged());
                    }
                    let is_packed = data.number(7) != Some(0) && unpacked > levels;
                    let mut buffer = bytes[..levels].to_vec();
                    if is_packed {
                        buffer.extend(self.unpack(&bytes[levels..], unpacked - levels)?);
                    } else {
                        buffer.extend(&bytes[levels..]);
                    }
                    Page::DataPageV2 {
                        buf: buffer.into(),
                        num_values: data.count(1)?,
                        encoding: data.encoding(4)?,
                        num_nulls: data.count(2)?,
                        num_rows: data.count(3)?,
                        def_levels_byte_len: definition,
                        rep_levels_byte_len: repetition,
                        is_compressed: false,
                        statistics: None,
                    }
                }
                // an index
                (Some(1), _) => continue,
                _ => return Err(damaged()),
            };
            if page.is_data_page() {
                self.values.1 += u64::from(page.num_values());
                // pyarrow writes such pages at times
                if page.num_values() == 0 {
                    continue;
                }
            }
            return Ok(Some(page));
        }
        Ok(None)
    }

    fn unpack(&self, packed: &[u8], length: usize) -> Result<Vec<u8>> {
        if length == 0 {
            return Ok(Vec::new());
        }
        match self.codec {
            Codec::Zstd => {
                let mut decoder = StreamingDecoder::new(packed).map_err(|error| said(&error.to_string()))?;
                exactly(&mut decoder, length)
            }
            Codec::Gzip => exactly(&mut MultiGzDecoder::new(packed), length),
        }
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.page()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Err(said("pages are read in their order"))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        Err(said("pages are read in their order"))
    }

    /// Only of the last page is it known: a row may go on in the next one.
    fn at_record_boundary(&mut self) -> Result<bool> {
        Ok(self.values.1 >= self.values.0)
    }
}

/// So many bytes; memory follows what is there.
fn exactly(from: &mut dyn Read, length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length.min(1 << 20));
    from.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length { Err(damaged()) } else { Ok(bytes) }
}

fn damaged() -> ParquetError {
    said("a page is not what its header says")
}

fn said(problem: &str) -> ParquetError {
    ParquetError::General(problem.to_owned())
}

/// A struct in Thrift's compact protocol: numbers and structs by their ids, all else skipped.
#[derive(Default)]
struct Struct {
    numbers: Vec<(i16, i64)>,
    structs: Vec<(i16, Struct)>,
}

/// Structs within structs; a page's header has three.
const DEEPEST: usize = 8;

impl Struct {
    fn read(from: &mut dyn Read, depth: usize) -> Result<Struct> {
        let (mut read, mut id) = (Struct::default(), 0_i16);
        loop {
            let head = byte(from)?;
            if head == 0 {
                return Ok(read);
            }
            id = match head >> 4 {
                0 => i16::try_from(zigzag(from)?).map_err(|_| damaged())?,
                step => id.checked_add(i16::from(step)).ok_or_else(damaged)?,
            };
            match head & 0xf {
                1 => read.numbers.push((id, 1)),
                2 => read.numbers.push((id, 0)),
                4..=6 => read.numbers.push((id, zigzag(from)?)),
                12 if depth < DEEPEST => read.structs.push((id, Struct::read(from, depth + 1)?)),
                kind => skip(from, kind, depth)?,
            }
        }
    }

    fn number(&self, id: i16) -> Option<i64> {
        self.numbers.iter().find(|(known, _)| *known == id).map(|(_, number)| *number)
    }

    fn inner(&self, id: i16) -> Option<&Struct> {
        self.structs.iter().find(|(known, _)| *known == id).map(|(_, inner)| inner)
    }

    fn count(&self, id: i16) -> Result<u32> {
        self.number(id).and_then(|count| u32::try_from(count).ok()).ok_or_else(damaged)
    }

    fn encoding(&self, id: i16) -> Result<Encoding> {
        Ok(match self.number(id) {
            Some(0) => Encoding::PLAIN,
            Some(2) => Encoding::PLAIN_DICTIONARY,
            Some(3) => Encoding::RLE,
            Some(5) => Encoding::DELTA_BINARY_PACKED,
            Some(6) => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            Some(7) => Encoding::DELTA_BYTE_ARRAY,
            Some(8) => Encoding::RLE_DICTIONARY,
            Some(9) => Encoding::BYTE_STREAM_SPLIT,
            _ => return Err(said("an encoding of values that is not known")),
        })
    }
}

/// Passes over what is of no use: statistics are texts.
fn skip(from: &mut dyn Read, kind: u8, depth: usize) -> Result<()> {
    if depth >= DEEPEST {
        return Err(damaged());
    }
    match kind {
        3 => byte(from).map(|_| ()),
        4..=6 => zigzag(from).map(|_| ()),
        7 => exactly(from, 8).map(|_| ()),
        8 => {
            let length = usize::try_from(varint(from)?).map_err(|_| damaged())?;
            exactly(from, length).map(|_| ())
        }
        9 | 10 => {
            let head = byte(from)?;
            let length = if head >> 4 == 15 { varint(from)? } else { u64::from(head >> 4) };
            let of_bytes = matches!(head & 0xf, 1 | 2);
            (0..length).try_for_each(|_| skip(from, if of_bytes { 3 } else { head & 0xf }, depth + 1))
        }
        12 => Struct::read(from, depth + 1).map(|_| ()),
        _ => Err(damaged()),
    }
}

fn byte(from: &mut dyn Read) -> Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn varint(from: &mut dyn Read) -> Result<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = byte(from)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(damaged())
}

/// Small numbers of either sign in few bytes.
fn zigzag(from: &mut dyn Read) -> Result<i64> {
    let number = varint(from)?;
    Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}
