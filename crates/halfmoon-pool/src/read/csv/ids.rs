//! What the items of a table are called.
//!
//! A column `id`, in upper or lower case, names them where every row has a value there and no two are equal; else they are known
//! by the numbers of their rows. Either way it is no input: `--column id=numeric` (or another kind) makes it one, and then no id.
//!
//! Who streams cannot know of equal ids before the end, and is given what each row has: equal ids as they stand, a row's number
//! where it has none, and the id of a row that cannot be read where that cell can.

use std::collections::HashMap;

use super::records::Record;
use super::rows::Layout;
use super::words::excerpt;
use crate::dataset::Ids;
use crate::read::Options;

/// Whether a column of this name may hold the items' ids.
pub fn is_called_id(name: &str) -> bool {
    name.eq_ignore_ascii_case("id")
}

/// The column that may name the items: neither the user nor the trained run takes it for anything else.
pub(in crate::read) fn id_column(
    layout: &Layout,
    options: &Options,
    is_taken: impl Fn(usize) -> bool,
) -> Option<usize> {
    let is_spoken_of = |at: usize| options.columns.keys().any(|name| layout.find(name) == Some(at));
    let is_free = |at: &usize| is_called_id(&layout.names[*at]) && !is_taken(*at) && !is_spoken_of(*at);
    (0..layout.names.len()).find(is_free)
}

/// What a record calls its item, as far as it can be read.
pub(super) fn id_of(record: &Record, column: Option<usize>) -> Option<&str> {
    record.get(column?).map(str::trim).filter(|id| !id.is_empty() && !id.contains(char::is_control))
}

/// Ids of records, as they come.
pub(super) struct RowIds {
    /// The name of the column, and its place.
    column: Option<(String, usize)>,
    numbers: Vec<u64>,
    names: Vec<String>,
    /// The line on which each record begins.
    lines: Vec<u64>,
    /// Why the column names no items.
    fault: Option<String>,
}

impl RowIds {
    pub(super) fn new(layout: &Layout, column: Option<usize>) -> RowIds {
        let column = column.map(|at| (layout.names[at].clone(), at));
        RowIds { column, numbers: Vec::new(), names: Vec::new(), lines: Vec::new(), fault: None }
    }

    pub(super) fn push(&mut self, record: &Record, number: u64) {
        self.numbers.push(number);
        let Some((_, at)) = self.column.as_ref().filter(|_| self.fault.is_none()) else { return };
        if let Some(name) = id_of(record, Some(*at)) {
            self.names.push(name.to_owned());
            self.lines.push(record.line);
        } else {
            let is_empty = record.get(*at).is_none_or(|text| text.trim().is_empty());
            let why = if is_empty { "has none" } else { "has one that is not one line of text" };
            self.fault = Some(format!("row {} {why}", record.line));
            (self.names, self.lines) = (Vec::new(), Vec::new());
        }
    }

    pub(super) fn count(&self) -> usize {
        self.numbers.len()
    }

    /// The ids, and what to say of them.
    pub(super) fn finish(self) -> (Ids, Option<String>) {
        let Some((name, _)) = &self.column else { return (Ids::Positions(self.numbers), None) };
        match self.fault.clone().or_else(|| self.twice()) {
            None => (Ids::Names(self.names), Some(format!("column `{name}` names the items"))),
            Some(fault) => {
                let note = format!(
                    "column `{name}` does not name the items, since {fault}: they are known by the numbers of their rows \
                     (`--column {name}=category`, or `numeric`, takes it as a value)"
                );
                (Ids::Positions(self.numbers), Some(note))
            }
        }
    }

    /// The first two rows that share an id.
    fn twice(&self) -> Option<String> {
        let mut first = HashMap::with_capacity(self.names.len());
        self.names.iter().zip(&self.lines).find_map(|(name, line)| {
            let before = first.insert(name.as_str(), line)?;
            Some(format!("rows {before} and {line} share `{}`", excerpt(name)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::super::testing::{
        assert_note, cells, columns, failure, kind, kinds, labelled_by, numeric, table, table_with,
    };
    use super::super::{CHUNK, stream_text};
    use super::*;
    use crate::dataset::{Class, ColumnKind, Schema};
    use crate::read::testing::Scratch;
    use crate::read::{Source, Status};

    fn names(names: &[&str]) -> Ids {
        Ids::Names(names.iter().map(|&name| name.to_owned()).collect())
    }

    /// These ids as the first of three columns.
    fn with_ids(ids: impl IntoIterator<Item = impl AsRef<str>>) -> String {
        let rows = ids.into_iter().zip(1..);
        let row =
            |(id, n): (_, i32)| format!("{},{n}.5,{}\n", AsRef::<str>::as_ref(&id), if n % 2 == 0 { "b" } else { "a" });
        format!("id,size,label\n{}", rows.map(row).collect::<String>())
    }

    fn streamed(text: &str, schema: &Schema, options: &Options) -> (Vec<String>, Vec<Status>) {
        let mut read = (Vec::new(), Vec::new());
        let text = text.to_owned().into_bytes();
        stream_text(text, Path::new("new.csv"), schema, options, &mut |mut chunk| {
            read.0.append(&mut chunk.ids);
            read.1.append(&mut chunk.status);
            Ok(())
        })
        .expect("a stream");
        read
    }

    #[track_caller]
    fn assert_counted(source: &Source, why: &str) {
        assert_eq!(source.train.ids, Ids::first(source.train.len()));
        assert_note(source, why);
        assert_eq!(kinds(source), ["size numeric"]);
    }

    #[test]
    fn a_column_id_names_the_items_and_is_no_input() {
        let source = table(with_ids(["0", "1", "2"]));
        assert_eq!(source.train.ids, names(&["0", "1", "2"]), "whole numbers from 0 are no positions from 1");
        assert_eq!(kinds(&source), ["size numeric"]);
        assert_eq!(source.train.labels, [Some(Class(0)), Some(Class(1)), Some(Class(0))]);
        assert_eq!(source.notes.iter().filter(|note| note.contains("names the items")).count(), 1);
        assert_note(&source, "column `id` names the items");
        assert_eq!(table(with_ids(["r0", "R0", "NA"])).train.ids, names(&["r0", "R0", "NA"]));
    }

    #[test]
    fn it_may_stand_anywhere_in_any_case_and_hold_the_delimiter() {
        let source = table("size,label,ID\n1,a,\"x, y\"\n2,b,\" z \"\n");
        assert_eq!(source.train.ids, names(&["x, y", "z"]));
        assert_note(&source, "column `ID` names the items");
        let other = table("size,user_id,label\n1,p,a\n2,q,b\n");
        assert_eq!(other.train.ids, Ids::first(2), "it is called otherwise");
    }

    #[test]
    fn a_packed_table_has_its_ids_too() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(with_ids(["p", "q"]).as_bytes()).expect("memory");
        assert_eq!(table(packer.finish().expect("memory")).train.ids, names(&["p", "q"]));
    }

    #[test]
    fn rows_are_counted_where_two_share_an_id_or_one_has_none() {
        let shared = table(with_ids(["p", "q", "r", "q", "p"]));
        assert_counted(&shared, "column `id` does not name the items, since rows 3 and 5 share `q`");
        assert_note(&shared, "`--column id=category`");
        assert_counted(&table(with_ids(["p", "", "r"])), "since row 3 has none");
        assert_counted(&table(with_ids(["p", "\"q\nr\"", "s"])), "since row 3 has one that is not one line of text");
    }

    #[test]
    fn what_the_user_makes_of_it_goes_first() {
        let text = with_ids(["4", "7", "5"]);
        let value = table_with(&text, &kind("id", "numeric"));
        assert_eq!((value.train.ids.clone(), cells(&value, 0)), (Ids::first(3), &numeric(&[4.0, 7.0, 5.0])));
        let by_number = table_with(&text, &kind("1", "category"));
        assert_eq!((by_number.train.ids.clone(), columns(&by_number).len()), (Ids::first(3), 2));
        assert_eq!(table_with(&text, &kind("id", "ignore")).train.ids, Ids::first(3));
        let label = table_with("id,size\nx,1\ny,2\n", &labelled_by("id"));
        assert_eq!(
            (label.train.ids, label.train.schema.classes),
            (Ids::first(2), vec!["x".to_owned(), "y".to_owned()])
        );
        let headless = Options { header: Some(false), ..labelled_by("3") };
        assert_eq!(table_with("id,1,a\nx,2,b\n", &headless).train.ids, Ids::first(2));
    }

    #[test]
    fn a_table_of_ids_has_nothing_to_learn_from() {
        let (problem, hint) = failure("id,label\np,a\nq,b\n", &Options::default());
        assert!(problem.contains("no column to learn from") && problem.contains("names the items"), "{problem}");
        assert!(hint.contains("--column"), "{hint}");
    }

    #[test]
    fn rows_may_be_counted_whatever_there_is() {
        let counted = Options { count_rows: true, ..Options::default() };
        let text = with_ids(["4", "7", "4"]);
        let source = table_with(&text, &counted);
        assert_eq!(
            (source.train.ids.clone(), kinds(&source)),
            (Ids::first(3), vec!["id numeric".into(), "size numeric".into()])
        );
        let schema = table(&text).train.schema;
        assert_eq!(streamed(&text, &schema, &counted).0, ["1", "2", "3"]);
    }

    #[test]
    fn ragged_rows_are_left_out_and_take_no_id_away() {
        let source = table("id,size,label\np,1,a\nq,2\nr,3,b\n");
        assert_eq!(source.train.ids, names(&["p", "r"]));
        assert_eq!(source.problems[0].place, "pets.csv, row 3");
    }

    #[test]
    fn a_trained_run_takes_ids_from_a_column_that_it_does_not_know() {
        let schema = table(with_ids(["p", "q"])).train.schema;
        let of_run = Options { schema: Some(schema), ..Options::default() };
        let source = table_with("size,id\n1,x\n2,y\n", &of_run);
        assert_eq!(source.train.ids, names(&["x", "y"]));
        assert!(!source.notes.iter().any(|note| note.contains("id")), "{:?}", source.notes);
        let source = table_with("size,id\n1,x\n2,x\n", &of_run);
        assert_counted(&source, "rows 2 and 3 share `x`");
    }

    #[test]
    fn a_stream_gives_each_row_its_id_as_it_stands() {
        let schema = table(with_ids(["p", "q"])).train.schema;
        let (ids, status) = streamed("size,Id\n1,x\n2,\"y,z\"\n3\n4,\nold,x\n5,v,w\n", &schema, &Options::default());
        assert_eq!(ids, ["x", "y,z", "3", "4", "x", "v"]);
        assert_eq!(status[2], Status::Unreadable("row 4: 1 field instead of 2".into()));
        assert_eq!(status[4], Status::Unseen("`old` in column size is not a number".into()));
        assert_eq!(status[5], Status::Unreadable("row 7: 3 fields instead of 2".into()));
        assert_eq!(streamed("size,id\n1,x\n", &schema, &kind("id", "ignore")).0, ["1"]);
        assert_eq!(streamed("size,id\n1,x\n", &schema, &labelled_by("id")).0, ["1"]);
    }

    #[test]
    fn chunks_of_a_stream_go_on_with_the_ids() {
        let schema = table(with_ids(["p", "q"])).train.schema;
        let row = |n: usize| format!("r{n},{n}\n");
        let rows: String = (0..CHUNK * 2 + 5).map(row).collect();
        let (ids, _) = streamed(&format!("id,size\n{rows}"), &schema, &Options::default());
        let expected: Vec<String> = (0..CHUNK * 2 + 5).map(|n| format!("r{n}")).collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn it_can_be_told_beforehand_whether_rows_are_counted() {
        let folder = Scratch::new("why-counted");
        let schema = table(with_ids(["p", "q"])).train.schema;
        let why = |text: &str| {
            let path = folder.write("pool.csv", text);
            crate::read::why_counted(&path, &schema, &Options::default()).expect("a table")
        };
        assert!(why("id,size\n1,7\n1,9\n").is_some_and(|why| why.contains("rows 2 and 3 share `1`")));
        assert_eq!(why("id,size\n1,7\n2,9\n"), None);
        assert_eq!(why("size\n7\n"), None);
        let stdin = crate::read::why_counted(Path::new("-"), &schema, &Options::default());
        assert_eq!(stdin.expect("it is not read"), None);
    }

    #[test]
    fn a_run_that_learned_from_a_column_id_goes_on_reading_it() {
        let text = r#"{"classes": ["a", "b"], "features": {"columns": [
            {"name": "id", "kind": "numeric"}, {"name": "size", "kind": "numeric"}]}}"#;
        let schema: Schema = serde_json::from_str(text).expect("a schema of an earlier version");
        assert_eq!(streamed("size,id\n1,7\n2,9\n", &schema, &Options::default()).0, ["1", "2"]);
        let source = table_with("size,id\n1,7\n2,9\n", &Options { schema: Some(schema), ..Options::default() });
        assert_eq!((source.train.ids.clone(), cells(&source, 0)), (Ids::first(2), &numeric(&[7.0, 9.0])));
        assert_eq!(columns(&source)[0].kind, ColumnKind::Numeric);
    }

    #[test]
    fn columns_known_by_number_are_no_ids() {
        let run = table_with("1.5,2.5,x\n3.5,4.5,y\n", &labelled_by("3"));
        assert_eq!(streamed("id,size\n7,1\n9,2\n", &run.train.schema, &Options::default()).0, ["1", "2"]);
    }
}
