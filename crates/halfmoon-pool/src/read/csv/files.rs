//! Labels of pictures, in a table such as `metadata.csv`.

use std::path::Path;

use super::origin::Origin;
use super::records::Record;
use crate::error::{Error, Place, Result};
use crate::read::Options;

/// One row of a table that names pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::read) struct FileLabel {
    /// Line of the table, counted from 1.
    pub(in crate::read) row: u64,
    pub(in crate::read) file_name: String,
    /// `None` where the table has no label column or the row ends before it.
    pub(in crate::read) label: Option<String>,
}

/// The columns `file_name` and `label` (or `options.label`) of a table.
pub(in crate::read) fn file_labels(path: &Path, options: &Options) -> Result<Vec<FileLabel>> {
    labels_of(&Origin::new(path)?, options)
}

fn labels_of(origin: &Origin, options: &Options) -> Result<Vec<FileLabel>> {
    let with_header = Options { header: Some(true), ..options.clone() };
    let mut rows = origin.rows(&with_header, None)?;
    let layout = &rows.layout;
    let file_name = layout.names.iter().position(|name| name == "file_name").ok_or_else(|| {
        Error::data(
            origin.name.as_path(),
            format!("has no column `file_name` among {}", layout.listing()),
            "name the column that holds each picture's path `file_name`",
        )
    })?;
    let label = match &options.label {
        None => layout.names.iter().position(|name| name == "label"),
        Some(label) => Some(layout.find(label).ok_or_else(|| {
            Error::data(origin.name.as_path(), format!("has no column `{label}`"), layout.guess(label))
        })?),
    };
    let mut out = Vec::new();
    let mut record = Record::default();
    while rows.next(&mut record)? {
        let name = record.get(file_name).unwrap_or_default();
        if name.is_empty() {
            return Err(Error::data(
                Place::row(&origin.name, record.line).column("file_name"),
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

#[cfg(test)]
mod tests {
    use super::super::testing::{labelled_by, origin};
    use super::*;

    #[test]
    fn pictures_are_named_by_file_name() {
        let labels = |text: &str, options: &Options| labels_of(&origin(text), options);
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
        super::super::testing::for_many_texts(|text| {
            let _ = labels_of(&origin(text), &Options::default());
        });
    }
}
