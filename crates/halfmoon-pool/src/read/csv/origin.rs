//! Where the bytes of a table come from.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use super::dialect::SAMPLE;
use super::rows::Rows;
use crate::dataset::Schema;
use crate::error::{Error, Result};
use crate::read::Options;

/// Bytes of a file looked at to find the delimiter and the header, at least.
const HEAD: usize = 1 << 16;
/// Bytes of a file looked at, at most.
const LONGEST_HEAD: usize = 1 << 24;

/// Bytes that can be read more than once.
pub(super) struct Origin {
    pub(super) name: PathBuf,
    /// What cannot be opened twice, such as a pipe, is held here.
    pub(super) bytes: Option<Arc<[u8]>>,
}

impl Origin {
    pub(super) fn new(path: &Path) -> Result<Origin> {
        let name = display_name(path);
        if !is_stdin(path) && path.metadata().map_err(|source| Error::io(path, source))?.is_file() {
            return Ok(Origin { name, bytes: None });
        }
        let mut held = Vec::new();
        input(path)?.read_to_end(&mut held).map_err(|source| Error::io(&name, source))?;
        Ok(Origin { name, bytes: Some(held.into()) })
    }

    /// From the first record below the header.
    pub(super) fn rows(&self, options: &Options, schema: Option<&Schema>) -> Result<Rows> {
        let input = match &self.bytes {
            Some(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
            None => input(&self.name)?,
        };
        Rows::open(input, &self.name, options, schema)
    }
}

/// A file, or standard input where the path is `-`.
pub(super) fn input(path: &Path) -> Result<Box<dyn Read>> {
    if is_stdin(path) {
        return Ok(Box::new(io::stdin()));
    }
    Ok(Box::new(File::open(path).map_err(|source| Error::io(path, source))?))
}

pub(super) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

pub(super) fn display_name(path: &Path) -> PathBuf {
    if is_stdin(path) { PathBuf::from("standard input") } else { path.to_owned() }
}

/// The beginning of a text: unpacked, and without a byte order mark.
pub(super) struct Head {
    pub(super) bytes: Vec<u8>,
    pub(super) is_all: bool,
    pub(super) rest: Box<dyn BufRead>,
}

impl Head {
    pub(super) fn read(input: Box<dyn Read>, name: &Path) -> Result<Head> {
        let failed = |source| Error::io(name, source);
        let mut rest = unpacked(input).map_err(failed)?;

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
        refuse_utf_16(&bytes, name)?;
        if bytes.contains(&0) {
            return Err(Error::data(
                name,
                "holds zero bytes: this is no text",
                "`halfmoon formats` lists what can be read",
            ));
        }
        if bytes.starts_with(&BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Head { bytes, is_all, rest })
    }
}

/// May stand at the beginning of UTF-8 text.
pub(in crate::read) const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Bytes as they come, out of gzip where the first ones say so.
pub(in crate::read) fn unpacked(mut input: Box<dyn Read>) -> io::Result<Box<dyn BufRead>> {
    let mut magic = Vec::new();
    // One byte at a time: a first line may be an empty one, and its writer may wait for what becomes of it.
    input.by_ref().take(1).read_to_end(&mut magic)?;
    if magic == [0x1f] {
        input.by_ref().take(1).read_to_end(&mut magic)?;
    }
    let is_gzip = magic == [0x1f, 0x8b];
    let input = Cursor::new(magic).chain(BufReader::with_capacity(HEAD, input));
    Ok(if is_gzip { Box::new(BufReader::with_capacity(HEAD, MultiGzDecoder::new(input))) } else { Box::new(input) })
}

/// Bytes that [`unpacked`] would unpack.
pub(in crate::read) fn refuse_gzip(bytes: &[u8], name: &Path) -> Result<()> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Err(Error::data(name, "is packed by gzip", "send it unpacked"));
    }
    Ok(())
}

/// Text that begins like UTF-16 is none that can be read.
pub(in crate::read) fn refuse_utf_16(bytes: &[u8], name: &Path) -> Result<()> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Error::data(
            name,
            "is UTF-16 text",
            "save it as UTF-8, for instance with `iconv -f UTF-16 -t UTF-8 old.csv > new.csv`",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::testing::{failure, kinds, table, try_table};
    use super::*;

    #[test]
    fn a_byte_order_mark_is_dropped_and_utf_16_refused() {
        assert_eq!(kinds(&table("\u{feff}a,label\n1,x\n2,y\n")), ["a numeric"]);
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain("a,b\n".bytes().flat_map(|byte| [byte, 0])).collect();
        let (problem, hint) = failure(utf16, &Options::default());
        assert!(problem.contains("UTF-16") && hint.contains("iconv"), "{problem} {hint}");
        assert!(failure(b"a,b\n\0\x01,2\n", &Options::default()).0.contains("zero bytes"));
    }

    #[test]
    fn gzip_is_known_by_its_first_bytes() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(b"a,label\n1,x\n2,y\n").expect("memory");
        let packed = packer.finish().expect("memory");
        assert_eq!(table(&packed).train.len(), 2);
        assert!(try_table(&packed[..packed.len() - 12], &Options::default()).is_err());
    }
}
