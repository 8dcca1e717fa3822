//! Labels from a second file, for items that have none with them.
//!
//! | the file | whose label a row holds |
//! |---|---|
//! | a table with a column `id` | the item that the id names: its position counted from 1, or its own id |
//! | a table whose first column holds such ids and nothing else | the same |
//! | any other table, an `.npy` | the items' in their order, a row for each |

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::csv::{LabelTable, label_table};
use super::texts::unlabelled;
use super::{Options, Problem, npy};
use crate::dataset::Ids;
use crate::error::{Error, Place, Result};
use crate::labels::{Texts, grouped};

/// The labels of the items of another file.
pub(super) struct ItemLabels {
    pub(super) texts: Texts,
    /// Their file, and their column where it has several.
    pub(super) origin: Place,
    /// For each distinct text, the row in which it first stands.
    pub(super) lines: Vec<u64>,
}

/// Whose labels are looked for.
#[derive(Clone, Copy)]
pub(super) struct Items<'a> {
    pub(super) path: &'a Path,
    /// Of all items of the file, usable or not.
    pub(super) ids: &'a Ids,
    pub(super) count: usize,
}

/// The labels that the file `from` gives to these items, with a note of what is left over on either side.
pub(super) fn labels_from(
    from: &Path,
    items: Items,
    options: &Options,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Result<ItemLabels> {
    if from.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npy")) {
        let texts = npy::label_array(from, notes)?;
        if texts.codes.len() != items.count {
            return Err(miscounted(from, "labels", texts.codes.len(), items, ""));
        }
        notes.push(format!("labels are in {}, one for each item in order", from.display()));
        let lines = first_rows(&texts, |row| row as u64 + 1);
        return Ok(ItemLabels { texts, origin: from.into(), lines });
    }
    let mut table = label_table(from, options)?;
    let way = match way(&table, items)? {
        Way::Unclear if options.header.is_none() && table.is_alone && !table.is_called_label => {
            // Whether a lone column has a header is a guess, which the number of items settles.
            let other = Options { header: Some(!table.has_header), ..options.clone() };
            match label_table(from, &other) {
                Ok(other) if matches!(way(&other, items)?, Way::InOrder) => {
                    let is_one = if other.has_header { "is" } else { "is not" };
                    notes.push(format!(
                        "the first line of {} {is_one} a header: so there is a row an item",
                        from.display()
                    ));
                    table = other;
                    Way::InOrder
                }
                _ => return Err(uneven(&table, items)),
            }
        }
        Way::Unclear => return Err(uneven(&table, items)),
        way => way,
    };
    notes.append(&mut table.notes);
    problems.append(&mut table.ragged);
    let row_of = match way {
        Way::InOrder => {
            notes.push(format!("labels are in {}, a row for each item in order", place_of(&table)));
            (0..items.count).map(Some).collect()
        }
        Way::ByLine(row_of) => {
            let blank = row_of.iter().filter(|row| row.is_none()).count();
            notes.push(format!(
                "labels are in {}, a line for each item in order; {} blank lines are unlabelled items",
                place_of(&table),
                grouped(blank)
            ));
            row_of
        }
        Way::ById => by_id(&table, items, notes)?,
        Way::Unclear => unreachable!("was an error above"),
    };
    let lines = first_rows(&table.texts, |row| table.lines[row]);
    let column = (!table.is_alone).then(|| table.column.clone());
    Ok(ItemLabels {
        texts: labels_of_rows(table.texts, &row_of),
        origin: Place { path: from.to_owned(), row: None, column },
        lines,
    })
}

/// How rows and items belong together.
enum Way {
    InOrder,
    /// In order, where a lone column has blank lines: for each item its row.
    ByLine(Vec<Option<usize>>),
    ById,
    Unclear,
}

fn way(table: &LabelTable, items: Items) -> Result<Way> {
    let rows = table.lines.len();
    if let Some(ids) = &table.ids {
        let index = Index::new(items, !ids.is_id)?;
        let mut seen = HashSet::new();
        let are_ids = if ids.is_id {
            // Other ids than positions, where the items have no names: nothing but the order is left.
            let is_foreign = |index: &Index| ids.cells.iter().all(|cell| index.find(cell).is_none());
            let has_zero = matches!(index, Index::Positions(_)) && ids.cells.iter().any(|cell| cell == "0");
            !(has_zero || rows == items.count && is_foreign(&index))
        } else {
            ids.cells.iter().all(|cell| index.find(cell).is_some() && seen.insert(cell.as_str()))
        };
        if are_ids && !ids.is_named && rows < items.count {
            return Err(Error::data(
                Place::row(&table.name, 1).column(ids.name.clone()),
                format!("the column has no name, and {}", counts(table, items)),
                "if it holds positions counted from 1, call it `id`; a table library counts from 0, so add 1",
            ));
        }
        if are_ids {
            return Ok(Way::ById);
        }
        if counts_from_zero(&ids.cells) && (ids.is_id || rows == items.count) && matches!(index, Index::Positions(_)) {
            return Err(Error::data(
                table.name.as_path(),
                format!("its column {} holds whole numbers from 0, and {}", ids.name, counts(table, items)),
                "if they are the items' positions, count them from 1 and call the column `id`; else put another column \
                 first",
            ));
        }
    }
    if rows == items.count && table.ragged.is_empty() {
        return Ok(Way::InOrder);
    }
    Ok(by_line(table, items.count).map_or(Way::Unclear, Way::ByLine))
}

/// Whether these are numbers that may name items, but from 0 and not simply 0, 1, 2, …
fn counts_from_zero(cells: &[String]) -> bool {
    let numbers: Option<Vec<usize>> = cells.iter().map(|cell| cell.parse().ok()).collect();
    numbers.is_some_and(|numbers| {
        let distinct: HashSet<usize> = numbers.iter().copied().collect();
        distinct.len() == numbers.len()
            && distinct.contains(&0)
            && numbers.iter().enumerate().any(|(row, number)| row != *number)
    })
}

/// For each item its row, where blank lines are missing labels and the lines are then as many as the items.
fn by_line(table: &LabelTable, items: usize) -> Option<Vec<Option<usize>>> {
    let lines = table.all_lines.checked_sub(table.header_lines)?;
    if !table.is_alone || lines < items as u64 {
        return None;
    }
    let mut row_of = vec![None; items];
    for (row, line) in table.lines.iter().enumerate() {
        let item = usize::try_from(line.checked_sub(table.header_lines + 1)?).ok()?;
        *row_of.get_mut(item)? = Some(row);
    }
    Some(row_of)
}

/// For each item its row, by the rows' ids.
fn by_id(table: &LabelTable, items: Items, notes: &mut Vec<String>) -> Result<Vec<Option<usize>>> {
    let ids = table.ids.as_ref().expect("rows are matched by a column");
    let index = Index::new(items, false)?;
    let mut row_of = vec![None; items.count];
    let (mut strangers, mut repeats) = (Vec::new(), Vec::new());
    for (row, id) in ids.cells.iter().enumerate() {
        match index.find(id) {
            None => strangers.push(row),
            Some(item) if row_of[item].is_some() => repeats.push(row),
            Some(item) => row_of[item] = Some(row),
        }
    }
    let first = |rows: &[usize]| {
        rows.first().map_or(String::new(), |&row| format!(" (first `{}` in row {})", ids.cells[row], table.lines[row]))
    };
    let without = row_of.iter().filter(|row| row.is_none()).count();
    if without == items.count {
        return Err(Error::data(
            Place { path: table.name.clone(), row: None, column: Some(ids.name.clone()) },
            format!("none of its {} ids names an item{}", grouped(ids.cells.len()), first(&strangers)),
            format!("{} has {} items, called {}", items.path.display(), grouped(items.count), index.examples()),
        ));
    }
    notes.push(format!(
        "labels are in {}, matched by its column {}: {} rows name an item, {} name none{}; {} items have no row and are \
         unlabelled",
        place_of(table),
        ids.name,
        grouped(ids.cells.len() - strangers.len()),
        grouped(strangers.len()),
        first(&strangers),
        grouped(without)
    ));
    if !repeats.is_empty() {
        let repeated = grouped(repeats.len());
        notes.push(format!("{repeated} rows name an item a second time and are not read{}", first(&repeats)));
    }
    Ok(row_of)
}

/// Items by their ids.
enum Index<'a> {
    Positions(usize),
    Names(HashMap<&'a str, usize>, &'a [String]),
}

impl<'a> Index<'a> {
    /// Ids must be distinct unless `lenient`.
    fn new(items: Items<'a>, lenient: bool) -> Result<Index<'a>> {
        let names = match items.ids {
            Ids::Positions(positions) => return Ok(Index::Positions(positions.len())),
            Ids::Names(names) => names,
        };
        let mut index = HashMap::with_capacity(names.len());
        for (item, name) in names.iter().enumerate() {
            if let Some(before) = index.insert(name.trim(), item)
                && !lenient
            {
                return Err(Error::data(
                    Place::row(items.path, item as u64 + 1),
                    format!("the id `{name}` stands in row {} already", before + 1),
                    "labels can be matched by id only where ids are distinct",
                ));
            }
        }
        Ok(Index::Names(index, names))
    }

    fn find(&self, id: &str) -> Option<usize> {
        match self {
            Index::Positions(count) => id.parse::<usize>().ok()?.checked_sub(1).filter(|item| item < count),
            Index::Names(index, _) => index.get(id).copied(),
        }
    }

    fn examples(&self) -> String {
        match self {
            Index::Positions(count) => format!("1 to {count}"),
            Index::Names(_, names) => {
                names.iter().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

/// The items' labels, of rows' labels.
fn labels_of_rows(rows: Texts, row_of: &[Option<usize>]) -> Texts {
    let Texts { mut distinct, codes } = rows;
    let none = u32::try_from(distinct.len()).expect("fewer than 4 billion distinct labels");
    distinct.extend(unlabelled(0).distinct);
    Texts { codes: row_of.iter().map(|row| row.map_or(none, |row| codes[row])).collect(), distinct }
}

pub(super) fn first_rows(texts: &Texts, line: impl Fn(usize) -> u64) -> Vec<u64> {
    let mut lines = vec![0; texts.distinct.len()];
    for (row, &code) in texts.codes.iter().enumerate().rev() {
        lines[code as usize] = line(row);
    }
    lines
}

/// `column species of labels.csv`.
fn place_of(table: &LabelTable) -> String {
    if table.is_alone {
        return table.name.display().to_string();
    }
    format!("column {} of {}", table.column, table.name.display())
}

/// `it has 12 rows for 1,000 items`.
fn counts(table: &LabelTable, items: Items) -> String {
    format!("it has {} rows for {} items", grouped(table.lines.len()), grouped(items.count))
}

fn uneven(table: &LabelTable, items: Items) -> Error {
    let ragged = match table.ragged.first() {
        Some(first) => {
            format!(" ({} more have too few or too many fields: {})", grouped(table.ragged.len()), first.place)
        }
        None => String::new(),
    };
    miscounted(&table.name, "rows", table.lines.len(), items, &ragged)
}

fn miscounted(from: &Path, what: &str, found: usize, items: Items, more: &str) -> Error {
    Error::data(
        from,
        format!(
            "holds {} {what}{more}, but {} holds {} items",
            grouped(found),
            items.path.display(),
            grouped(items.count)
        ),
        "give a label for each item in order, empty where there is none, or a table with a column `id` that holds the \
         item's position, counted from 1, and the label",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::testing::Scratch;
    use super::super::{Source, read};
    use super::*;
    use crate::dataset::Class;

    const A: Option<Class> = Some(Class(0));
    const B: Option<Class> = Some(Class(1));

    fn npy(descr: &str, shape: &str, body: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let length = u16::try_from(header.len()).expect("short").to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), body].concat()
    }

    /// Four embeddings of two numbers.
    fn embeddings(folder: &Scratch) -> std::path::PathBuf {
        let numbers: Vec<u8> = (0_u8..8).flat_map(|n| f32::from(n).to_le_bytes()).collect();
        folder.write("embeddings.npy", npy("<f4", "4, 2", &numbers))
    }

    fn try_labels(name: &str, file: &str, content: impl AsRef<[u8]>, options: Options) -> Result<Source> {
        let folder = Scratch::new(&format!("labels-from-{name}"));
        let from = folder.write(file, content);
        read(&embeddings(&folder), &Options { labels_from: Some(from), ..options })
    }

    fn labels(name: &str, text: &str) -> Source {
        try_labels(name, "labels.csv", text, Options::default()).expect("labels")
    }

    fn failure(name: &str, text: &str) -> (String, String) {
        let error = try_labels(name, "labels.csv", text, Options::default()).expect_err("no labels");
        let said = error.to_string();
        let at = said.find("labels.csv").expect("names the file");
        (said[at..].to_owned(), error.hint().expect("says what to do").to_owned())
    }

    #[track_caller]
    fn assert_note(source: &Source, part: &str) {
        assert!(source.notes.iter().any(|note| note.contains(part)), "{part} is not in {:#?}", source.notes);
    }

    #[test]
    fn a_lone_column_labels_the_items_in_order() {
        for (at, text) in
            ["label\na\nb\n\"\"\nNA\n", "a\nb\n\"\"\nNA\n", "species\na\nb\nnull\nNone", "a\r\nb\r\nNaN\r\n\"\"\r\n"]
                .into_iter()
                .enumerate()
        {
            let source = labels(&format!("lone-{at}"), text);
            assert_eq!(source.train.labels, [A, B, None, None], "{text}");
            assert_note(&source, "a row for each item in order");
        }
    }

    #[test]
    fn the_number_of_items_tells_whether_a_lone_column_has_a_header() {
        // four distinct texts look like a header and three rows; `b` twice looks like no header
        let source = labels("no-header", "a\nb\nc\nd\n");
        assert_eq!(source.train.schema.classes, ["a", "b", "c", "d"]);
        assert_note(&source, "is not a header");
        let source = labels("header", "b\na\nb\na\nb\n");
        assert_eq!(source.train.labels, [A, B, A, B]);
        assert_note(&source, "is a header");
    }

    #[test]
    fn blank_lines_of_a_lone_column_are_items_without_a_label() {
        let source = labels("blank", "label\na\n\nb\n\n");
        assert_eq!(source.train.labels, [A, None, B, None]);
        assert_note(&source, "2 blank lines are unlabelled items");
    }

    #[test]
    fn an_id_counts_items_from_one_and_those_without_a_row_are_unlabelled() {
        let source = labels("id", "species,id\nb,4\na,1\na,9\nb,1\n");
        assert_eq!(source.train.labels, [A, None, None, B]);
        assert_note(&source, "column species of");
        assert_note(&source, "3 rows name an item, 1 name none (first `9` in row 4); 2 items have no row");
        assert_note(&source, "1 rows name an item a second time and are not read (first `1` in row 5)");
    }

    #[test]
    fn the_first_column_names_the_items_where_all_of_it_does() {
        let source = labels("first", "item,species\n4,b\n1,a\n");
        assert_eq!(source.train.labels, [A, None, None, B]);
        assert_note(&source, "matched by its column item");
        // no ids, but a row an item
        let source = labels("first-names", "file,species\nx.png,b\ny.png,a\nz.png,a\nw.png,\n");
        assert_eq!(source.train.labels, [B, A, A, None]);
        // numbers from 0, as a table library writes them, in the items' order
        assert_eq!(labels("index", ",label\n0,b\n1,a\n2,a\n3,b\n").train.labels, [B, A, A, B]);
        assert_eq!(labels("index-id", "id,label\n0,b\n1,a\n2,a\n3,b\n").train.labels, [B, A, A, B]);
        // ids of another world, as many as there are items
        assert_eq!(labels("own-ids", "id,label\nq7,b\nq9,a\nq1,a\nq2,b\n").train.labels, [B, A, A, B]);
    }

    #[test]
    fn positions_that_may_count_from_zero_are_asked_about() {
        let (problem, hint) = failure("zero", "id,label\n0,b\n3,a\n");
        assert!(problem.contains("whole numbers from 0"), "{problem}");
        assert!(hint.contains("from 1"), "{hint}");
        assert!(failure("zero-shuffled", ",label\n1,b\n0,a\n2,a\n3,b\n").0.contains("whole numbers from 0"));
        let (problem, hint) = failure("unnamed", ",label\n1,b\n3,a\n");
        assert_eq!(problem, "labels.csv, row 1, column 1: the column has no name, and it has 2 rows for 4 items");
        assert!(hint.contains("call it `id`"), "{hint}");
    }

    #[test]
    fn too_many_or_too_few_rows_are_an_error_with_both_counts() {
        let (problem, hint) = failure("few", "label\na\nb\n");
        assert!(problem.starts_with("labels.csv: holds 2 rows, but "), "{problem}");
        assert!(problem.ends_with("embeddings.npy holds 4 items"), "{problem}");
        assert!(hint.contains("column `id`"), "{hint}");
        assert!(failure("header-is-no-label", "label\na\nb\na\n").0.contains("holds 3 rows"));
        assert!(failure("many", "label\na\nb\na\nb\na\nb\n").0.contains("holds 6 rows"));
        assert!(failure("ragged", "x,label\np,a\nq,b\nr,b\ns\n").0.contains("(1 more have too few or too many fields"));
        assert!(failure("strangers", "id,label\n7,a\n9,b\n").0.contains("none of its 2 ids names an item (first `7`"));
    }

    #[test]
    fn the_label_column_can_be_chosen_and_must_be_clear() {
        let text = "id,genus,species\n2,Pinus,sylvestris\n1,Abies,alba\n";
        let (problem, hint) = failure("which", text);
        assert!(problem.contains("none of which is called `label`"), "{problem}");
        assert!(hint.contains("id, genus, species"), "{hint}");
        let genus = |label: &str| Options { label: Some(label.to_owned()), ..Options::default() };
        let source = try_labels("chosen", "labels.csv", text, genus("genus")).expect("labels");
        assert_eq!(source.train.schema.classes, ["Abies", "Pinus"]);
        let error = try_labels("misspelt", "labels.csv", text, genus("genu")).expect_err("no such column");
        assert_eq!(error.hint(), Some("did you mean `genus`?"));
    }

    #[test]
    fn a_label_that_is_no_class_is_named_with_its_line() {
        let options = Options { classes: Some(vec!["a".into(), "b".into()]), ..Options::default() };
        let error = try_labels("class", "labels.csv", "id,label\n4,a\n2,cow\n", options).expect_err("a cow");
        assert!(
            error.to_string().ends_with("labels.csv, row 3, column label: `cow` is not a class; the classes are a, b")
        );
    }

    #[test]
    fn gzip_and_arrays_are_read_too() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(b"label\na\nb\nb\n\"\"\n").expect("memory");
        let packed = packed.finish().expect("memory");
        let source = try_labels("gzip", "labels.csv.gz", packed, Options::default()).expect("labels");
        assert_eq!(source.train.labels, [A, B, B, None]);

        let array = npy("|i1", "4,", &[0, 255, 1, 2]);
        let source = try_labels("array", "y.npy", array, Options::default()).expect("labels");
        assert_eq!(source.train.labels, [A, None, B, Some(Class(2))]);
        let error = try_labels("array-short", "y.npy", npy("|i1", "3,", &[0, 1, 2]), Options::default());
        assert!(error.expect_err("too short").to_string().contains("holds 3 labels"));
    }

    #[test]
    fn labels_with_the_data_give_way_and_other_formats_have_their_own() {
        let folder = Scratch::new("labels-from-way");
        folder.write("labels.npy", npy("|i1", "4,", &[0, 0, 0, 1]));
        let from = folder.write("better.csv", "a\nb\nb\na\n");
        let options = Options { labels_from: Some(from), ..Options::default() };
        let source = read(&embeddings(&folder), &options).expect("labels");
        assert_eq!(source.train.labels, [A, B, B, A]);
        assert_note(&source, "labels.npy are not read");
        let error = read(&folder.write("table.csv", "x,label\n1,a\n"), &options).expect_err("a table");
        assert!(error.hint().is_some_and(|hint| hint.contains("npy")));
    }

    #[test]
    fn an_item_that_is_left_out_keeps_its_row() {
        let folder = Scratch::new("labels-from-unusable");
        let numbers = [1.0, 2.0, f32::NAN, f32::NAN, 3.0, 4.0].map(f32::to_le_bytes).concat();
        let path = folder.write("embeddings.npy", npy("<f4", "3, 2", &numbers));
        let options = Options { labels_from: Some(folder.write("labels.csv", "a\nb\nc\n")), ..Options::default() };
        let source = read(&path, &options).expect("labels");
        assert_eq!(source.train.labels, [A, Some(Class(2))]);
        assert_eq!(source.train.ids.get(1), "3");
        assert!(source.problems[0].place.ends_with("row 2"), "{:?}", source.problems);
    }
}
