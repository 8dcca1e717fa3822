//! Which delimiter a table has, and whether it has a header.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::cell::{is_missing, number};
use super::records::{Record, Records};
use super::rows::{LABEL_NAMES, is_numbered};
use crate::dataset::{Features, Schema};
use crate::error::{Error, Result};
use crate::read::Options;

/// Records looked at to find the delimiter and the header.
pub(super) const SAMPLE: usize = 100;

pub(super) fn usable_delimiter(given: u8) -> Result<u8> {
    if given.is_ascii() && !matches!(given, b'"' | b'\n' | b'\r' | b' ' | 0) {
        return Ok(given);
    }
    Err(Error::usage(
        format!("{} cannot separate fields", delimiter_name(given)),
        "take a character such as `,` `;` `|` or a tab",
    ))
}

pub(super) fn delimiter_name(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tab".to_owned(),
        b' ' => "space".to_owned(),
        other => format!("`{}`", char::from(other).escape_debug()),
    }
}

/// The delimiter under which the first records have equally many fields, and fields that hold no
/// other delimiter.
pub(super) fn sniff(head: &[u8], is_all: bool) -> u8 {
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
pub(super) fn sample(head: &[u8], is_all: bool, delimiter: u8) -> Vec<Vec<String>> {
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
pub(super) fn usual_width(rows: &[Vec<String>]) -> usize {
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for row in rows {
        *counts.entry(row.len()).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(width, count)| (*count, *width)).map_or(0, |(width, _)| width)
}

pub(super) fn has_header(sample: &[Vec<String>], options: &Options, schema: Option<&Schema>) -> bool {
    // Without a sample, the first record is broken or very long: reading it as a header tells.
    let Some((first, rest)) = sample.split_first() else { return true };
    if let Some(said) = options.header {
        return said;
    }
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
        let below = rest.iter().filter_map(|row| row.get(column)).map(String::as_str);
        let below: Vec<&str> = below.filter(|text| !is_missing(text)).collect();
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

#[cfg(test)]
mod tests {
    use super::super::testing::{failure, kinds, labelled_by, table_with};
    use super::*;

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
    fn the_user_decides_about_the_header() {
        let with = Options { header: Some(true), ..labelled_by("2") };
        assert_eq!(table_with("1,2\n3,a\n4,b\n", &with).train.len(), 2);
        let without = Options { header: Some(false), ..labelled_by("2") };
        assert_eq!(table_with("a,b\nc,d\na,e\n", &without).train.len(), 3);
    }
}
