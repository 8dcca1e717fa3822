//! Text to records.
//!
//! The `csv` crate does not say where a quote opened, reads on to the end of the file where one is
//! never closed, and takes the quote in `1, "a, b"` for text.

use std::io::{self, BufRead};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::{Error, Place, Result};

/// Bytes in one line.
const LONGEST_LINE: usize = 1 << 26;
/// Bytes in one quoted field: more means that a quote is not closed.
const LONGEST_QUOTE: usize = 1 << 20;
/// Lines in one quoted field.
const MOST_QUOTED_LINES: usize = 1000;

/// Splits text into records: RFC 4180, any line end, blanks around fields dropped, empty lines skipped.
pub(super) struct Records<R> {
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
pub(super) struct Record {
    text: String,
    fields: Vec<Range<usize>>,
    /// Where it begins, counted from 1.
    pub(super) line: u64,
    /// Fields that were not UTF-8.
    pub(super) recoded: usize,
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(super) fn field(&self, position: usize) -> &str {
        &self.text[self.fields[position].clone()]
    }

    pub(super) fn get(&self, position: usize) -> Option<&str> {
        (position < self.len()).then(|| self.field(position))
    }

    pub(super) fn fields(&self) -> Vec<String> {
        (0..self.len()).map(|position| self.field(position).to_owned()).collect()
    }
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R, delimiter: u8, name: &Path) -> Records<R> {
        Records { input, name: name.to_owned(), delimiter, lines: 0, line: Vec::new(), after_return: false }
    }

    /// Lines read so far.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Reads the next record, if there is one.
    pub(super) fn next(&mut self, record: &mut Record) -> Result<bool> {
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
            // Without the quotes, the last byte of one field and the first of the next may look like a character.
            Ok(text) if record.fields.iter().all(|field| text.get(field.clone()).is_some()) => text,
            Ok(text) => recode(text.as_bytes(), &mut record.fields, &mut record.recoded),
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

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_note, cells, columns, failure, table};
    use crate::dataset::{Cells, ColumnKind};
    use crate::read::Options;

    #[test]
    fn quotes_hold_delimiters_line_ends_and_quotes() {
        let source =
            table("x,name,label\r\n1, \"a, b\" ,x\r\n2,\"say \"\"hi\"\"\nthere\",y\r\n3,\"\",x\r\n4\",c\"d,y\r\n");
        let ColumnKind::Category { values } = &columns(&source)[1].kind else { panic!("a category") };
        assert_eq!(values, &["a, b", "c\"d", "say \"hi\"\nthere"]);
        assert_eq!(cells(&source, 1), &Cells::Category(vec![Some(0), Some(2), None, Some(1)]));
    }

    #[test]
    fn bytes_of_two_fields_never_join_to_a_character() {
        // Without the quotes, 0xDE and 0xBE stand side by side, and are one character in UTF-8.
        let mut records = super::Records::new(&b"r\xde,\"\xbe\"\n"[..], b',', "pets.csv".as_ref());
        let mut record = super::Record::default();
        assert!(records.next(&mut record).unwrap_or(false));
        assert_eq!(record.fields(), ["r\u{de}", "\u{be}"]);
        assert_eq!(record.recoded, 2);
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
    fn other_encodings_are_read_as_windows_1252_with_a_note() {
        let source = table(b"x,town,label\n1,K\xf6ln,a\n2,caf\xe9 \x80,b\n3,K\xc3\xb6ln,a\n");
        let ColumnKind::Category { values } = &columns(&source)[1].kind else { panic!("a category") };
        assert_eq!(values, &["Köln", "café €"]);
        assert_note(&source, "2 cells are not UTF-8 and read as Windows-1252 (first in row 2)");
    }
}
