//! From a table's head to its rows: the names of the columns, and rows that have a field for each.

use std::collections::HashSet;
use std::io::{BufRead, Cursor, Read};
use std::path::{Path, PathBuf};

use super::dialect::{delimiter_name, has_header, sample, sniff, usable_delimiter, usual_width};
use super::origin::Head;
use super::records::{Record, Records};
use super::words::{Found, excerpt, plural, plural_are, shortened};
use crate::dataset::{Column, Schema};
use crate::error::{Error, Place, Result, did_you_mean};
use crate::labels::grouped;
use crate::read::{Options, Problem};

/// Names of a label column, where the user names none.
pub(super) const LABEL_NAMES: [&str; 4] = ["label", "class", "target", "y"];

/// A table of which the header, if any, has been read.
pub(super) struct Rows {
    pub(super) name: PathBuf,
    pub(super) layout: Layout,
    records: Records<Box<dyn BufRead>>,
    /// Records below the header so far: the number of the last one.
    pub(super) number: u64,
    /// Rows that [`Rows::next_regular`] gave.
    pub(super) regular: usize,
    /// Rows with too few or too many fields that it left out.
    pub(super) ragged: Vec<Problem>,
    /// The first of them: its line, and its number of fields.
    first_ragged: Option<(u64, usize)>,
    /// Cells that were not UTF-8.
    recoded: Found,
}

/// How a table's text is laid out.
pub(in crate::read) struct Layout {
    delimiter: u8,
    delimiter_is_given: bool,
    pub(super) has_header: bool,
    /// Of the columns: from the header, else their numbers.
    pub(in crate::read) names: Vec<String>,
    /// Names that the header has twice.
    renamed: Vec<String>,
    /// The first record: without a header, it shows what the columns hold.
    first: Vec<String>,
}

impl Rows {
    pub(super) fn open(input: Box<dyn Read>, name: &Path, options: &Options, schema: Option<&Schema>) -> Result<Rows> {
        let Head { bytes, is_all, rest } = Head::read(input, name)?;
        let delimiter = match options.delimiter {
            Some(given) => usable_delimiter(given)?,
            None => sniff(&bytes, is_all),
        };
        let sample = sample(&bytes, is_all, delimiter);
        let has_header = has_header(&sample, options, schema);
        let mut records = Records::new(Box::new(Cursor::new(bytes).chain(rest)) as Box<dyn BufRead>, delimiter, name);
        let mut recoded = Found::default();
        let (names, renamed) = if has_header {
            let mut header = Record::default();
            if !records.next(&mut header)? {
                return Err(Error::data(name, "is empty", "a table has at least one row"));
            }
            recoded.more(header.recoded, header.line, "");
            column_names(header.fields())
        } else {
            ((1..=usual_width(&sample)).map(|number| number.to_string()).collect(), Vec::new())
        };
        let first = sample.into_iter().next().unwrap_or_default();
        let delimiter_is_given = options.delimiter.is_some();
        let layout = Layout { delimiter, delimiter_is_given, has_header, names, renamed, first };
        let name = name.to_owned();
        Ok(Rows { name, layout, records, number: 0, regular: 0, ragged: Vec::new(), first_ragged: None, recoded })
    }

    /// Lines read so far; before the first record, those of the header.
    pub(super) fn lines(&self) -> u64 {
        self.records.lines()
    }

    /// Reads the next record, if there is one, with however many fields.
    pub(super) fn next(&mut self, record: &mut Record) -> Result<bool> {
        let is_one = self.records.next(record)?;
        if is_one {
            self.number += 1;
            self.recoded.more(record.recoded, record.line, "");
        }
        Ok(is_one)
    }

    /// Reads the next record that has a field for every column.
    pub(super) fn next_regular(&mut self, record: &mut Record) -> Result<bool> {
        while self.next(record)? {
            let Some(reason) = self.raggedness(record) else {
                self.regular += 1;
                return Ok(true);
            };
            self.first_ragged.get_or_insert((record.line, record.len()));
            self.ragged.push(Problem { place: Place::row(&self.name, record.line).to_string(), reason });
        }
        Ok(false)
    }

    pub(super) fn raggedness(&self, record: &Record) -> Option<String> {
        self.layout.raggedness(record)
    }

    /// A table without rows, or with more ragged rows than others, is not usable.
    pub(super) fn check(&self) -> Result<()> {
        let (regular, ragged) = (self.regular, self.ragged.len());
        if let Some((line, fields)) = self.first_ragged.filter(|_| ragged > regular) {
            return Err(Error::data(
                Place::row(&self.name, line),
                format!(
                    "{} instead of {}; {} of {} rows are like that",
                    plural(fields, "field"),
                    self.layout.names.len(),
                    grouped(ragged),
                    grouped(regular + ragged)
                ),
                format!(
                    "the delimiter was taken to be {}: `--delimiter` sets another",
                    delimiter_name(self.layout.delimiter)
                ),
            ));
        }
        if regular == 0 {
            return Err(Error::data(
                self.name.as_path(),
                "holds a header and no row",
                "`--header no` if the first line is data",
            ));
        }
        Ok(())
    }

    pub(super) fn recoded_note(&self) -> Option<String> {
        let (line, _) = self.recoded.first.as_ref()?;
        let cells = plural_are(self.recoded.count, "cell");
        Some(format!("{cells} not UTF-8 and read as Windows-1252 (first in row {line})"))
    }

    /// Where each column of a trained run stands in this file.
    pub(super) fn match_columns(&self, columns: &[Column]) -> Result<Vec<usize>> {
        self.layout.match_columns(&self.name, columns)
    }
}

impl Layout {
    /// Of a file that names its columns.
    pub(in crate::read) fn named(names: Vec<String>) -> Layout {
        Layout {
            delimiter: b',',
            delimiter_is_given: true,
            has_header: true,
            names,
            renamed: Vec::new(),
            first: Vec::new(),
        }
    }

    /// Of a table of which nothing but the first line is known.
    pub(super) fn of_first_line(
        delimiter: u8,
        delimiter_is_given: bool,
        has_header: bool,
        first: Vec<String>,
    ) -> Layout {
        let (names, renamed) = if has_header {
            column_names(first.clone())
        } else {
            ((1..=first.len()).map(|number| number.to_string()).collect(), Vec::new())
        };
        Layout { delimiter, delimiter_is_given, has_header, names, renamed, first }
    }

    /// What stands between two fields.
    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Why a record that has not one field a column cannot be read.
    pub(super) fn raggedness(&self, record: &Record) -> Option<String> {
        let width = self.names.len();
        (record.len() != width).then(|| format!("{} instead of {}", plural(record.len(), "field"), grouped(width)))
    }

    /// Where each column of a trained run stands in the file of this name.
    pub(super) fn match_columns(&self, name: &Path, columns: &[Column]) -> Result<Vec<usize>> {
        let numbered = is_numbered(columns);
        let find = |column: &str| match self.names.iter().position(|known| known == column) {
            None if numbered => self.by_number(column),
            found => found,
        };
        columns
            .iter()
            .map(|column| find(&column.name).ok_or_else(|| self.missing_column(name, &column.name, numbered)))
            .collect()
    }

    fn missing_column(&self, name: &Path, column: &str, numbered: bool) -> Error {
        let hint = if numbered {
            format!(
                "the trained run knows columns by number, and rows have {} here: keep the layout of the training data",
                plural(self.names.len(), "field")
            )
        } else if self.has_header {
            format!("{}; the delimiter is {}", self.guess(column), delimiter_name(self.delimiter))
        } else {
            let first = shortened(self.first.iter().map(|field| excerpt(field)), 8);
            format!("the first line must hold the names of the columns; it holds: {first}")
        };
        Error::data(name, format!("column {column} is missing"), hint)
    }

    /// Whether `1,5` may be a number.
    pub(super) fn comma(&self) -> bool {
        self.delimiter != b','
    }

    /// A column by its name, else by its number.
    pub(in crate::read) fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name).or_else(|| self.by_number(name))
    }

    fn by_number(&self, name: &str) -> Option<usize> {
        name.parse::<usize>().ok()?.checked_sub(1).filter(|position| *position < self.names.len())
    }

    pub(in crate::read) fn guess(&self, name: &str) -> String {
        let close = did_you_mean(name, self.names.iter().map(String::as_str));
        if close.starts_with("did") { close } else { format!("the columns are: {}", self.listing()) }
    }

    /// The columns; without a header, with what they hold.
    pub(in crate::read) fn listing(&self) -> String {
        let value = |position: usize| self.first.get(position).map_or(String::new(), |field| excerpt(field));
        let names = self.names.iter().enumerate().map(|(position, name)| {
            if self.has_header { name.clone() } else { format!("{name} (`{}`)", value(position)) }
        });
        shortened(names, 30)
    }

    /// The position of the label column, with a note where the user did not choose it. Where the user says what the classes are and
    /// no column has a label's usual name, nobody has labelled anything yet.
    pub(in crate::read) fn label(&self, options: &Options) -> Result<(Option<usize>, Vec<String>)> {
        if let Some(label) = &options.label {
            let position = self.find(label).ok_or_else(|| {
                Error::usage(format!("there is no column `{label}` to take labels from"), self.guess(label))
            })?;
            return Ok((Some(position), Vec::new()));
        }
        match self.usual_label() {
            Some(position) => {
                let name = &self.names[position];
                Ok((Some(position), vec![format!("labels are in column {name} (`--label NAME` chooses another)")]))
            }
            None if options.classes.is_some() => Ok((
                None,
                vec!["no column is taken for labels: nothing is labelled yet (`--label NAME` takes one)".to_owned()],
            )),
            None => Err(Error::usage(
                "which column holds the labels?",
                format!(
                    "`--label NAME`, one of: {}; or `--classes A,B,…` where nothing is labelled yet",
                    self.listing()
                ),
            )),
        }
    }

    pub(in crate::read) fn usual_label(&self) -> Option<usize> {
        let position = |label: &str| self.names.iter().position(|name| name.eq_ignore_ascii_case(label));
        if self.has_header { LABEL_NAMES.iter().find_map(|label| position(label)) } else { None }
    }

    /// The label column of data for a trained run, which may have none.
    pub(in crate::read) fn known_label(
        &self,
        columns: &[Column],
        options: &Options,
        notes: &mut Vec<String>,
    ) -> Option<usize> {
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

    pub(super) fn notes(&self) -> Vec<String> {
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

/// The columns had no header in training: they are called by their numbers.
pub(super) fn is_numbered(columns: &[Column]) -> bool {
    columns.iter().all(|column| column.name.parse::<usize>().is_ok_and(|number| number > 0))
}

/// The names of the columns, each once, and those that had to change for it.
fn column_names(header: Vec<String>) -> (Vec<String>, Vec<String>) {
    let numbered = |(name, number): (String, usize)| if name.is_empty() { number.to_string() } else { name };
    let mut names: Vec<String> = header.into_iter().zip(1..).map(numbered).collect();
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    let mut seen = HashSet::new();
    let mut renamed = Vec::new();
    for name in &mut names {
        if !seen.insert(name.clone()) {
            let mut others = (2_u64..).map(|number| format!("{name}.{number}"));
            let free = others.find(|other| taken.insert(other.clone())).expect("numbers do not end");
            renamed.push(free.clone());
            *name = free;
        }
    }
    (names, renamed)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_note, failure, kinds, labelled_by, table, table_with};
    use super::*;
    use crate::dataset::Ids;

    #[test]
    fn without_a_header_columns_are_numbers() {
        let source = table_with("1.5,red,x\n2.5,blue,y\n3.5,red,x\n", &labelled_by("3"));
        assert_eq!(kinds(&source), ["1 numeric", "2 category"]);
        assert_note(&source, "no header");
        let (problem, hint) = failure("1.5,red\n2.5,blue\n3.5,red\n", &Options::default());
        assert!(problem.contains("which column") && hint.contains("--label") && hint.contains("2 (`red`)"), "{hint}");
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
    fn equal_names_are_told_apart() {
        let source = table("a,a,,label\n1,2,3,x\n2,3,5,y\n");
        assert_eq!(kinds(&source), ["a numeric", "a.2 numeric", "3 numeric"]);
        assert_note(&source, "a.2");
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
}
