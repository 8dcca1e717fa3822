//! From data to items: what a new project begins with.

use std::collections::HashSet;
use std::path::Path;

use blake3::Hasher;
use halfmoon_pool::dataset::{Cells, Column, Features, Ids, Inputs, Table};
use halfmoon_pool::labels::{SAME_CLASS, grouped, twins};
use halfmoon_pool::read::{self, Options, Problem, Source};
use halfmoon_pool::{Class, Dataset, Result};

use crate::item::{Content, Item, Split};

/// What lies at a path, as items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// In the order that [`Class`] counts.
    pub classes: Vec<String>,
    /// Items of all splits.
    pub items: Vec<Item>,
    /// The labels that came with the data: position in `items`, and class.
    pub labels: Vec<(usize, Class)>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// What could not be read, and is no item.
    pub problems: Vec<Problem>,
}

/// Reads data as [`read::read`] does.
///
/// An item's id is its path below the data's folder, what a column `id` says, or its position in its file; `validation/17` and
/// `test/17` where a position alone would be two items. Its content is that of its file, where it has one of its own, so that no setting of how
/// pictures are read changes it; else that of its row.
pub fn scan(path: &Path, options: &Options) -> Result<Scan> {
    Ok(of_source(path, &read::read(path, options)?))
}

/// What was read from a path, as [`scan`] gives it: the items of [`Source::train`] come first, in its order.
pub fn of_source(path: &Path, source: &Source) -> Scan {
    let classes = source.train.schema.classes.clone();
    let (mut notes, problems) = (source.notes.clone(), source.problems.clone());
    let (mut items, mut labels) = (Vec::new(), Vec::new());
    let mut unread = 0;
    let splits = [
        (Split::Train, Some(&source.train)),
        (Split::Validation, source.validation.as_ref()),
        (Split::Test, source.test.as_ref()),
    ];
    let splits: Vec<(Split, &Dataset)> =
        splits.into_iter().filter_map(|(split, dataset)| Some((split, dataset?))).collect();
    let ids = ids(&splits.iter().map(|(split, dataset)| (*split, &dataset.ids, dataset.len())).collect::<Vec<_>>());
    for ((split, dataset), ids) in splits.into_iter().zip(ids) {
        let contents = contents(dataset);
        // Names of pictures are files; those of rows in a file with a column of ids are not.
        let are_files = matches!(dataset.ids, Ids::Names(_)) && matches!(dataset.schema.features, Features::Image(_));
        for ((row, content), id) in contents.into_iter().enumerate().zip(ids) {
            let path_of_item = are_files.then(|| dataset.ids.get(row));
            let content = match path_of_item.as_deref().map(|file| hash_of_file(&path.join(file))) {
                Some(Some(of_file)) => of_file,
                Some(None) => {
                    unread += 1;
                    content
                }
                None => content,
            };
            labels.extend(dataset.labels[row].map(|class| (items.len(), class)));
            items.push(Item { id, path: path_of_item, content, split });
        }
    }
    // Labels of a table were told with their counts.
    if !notes.iter().any(|note| note.ends_with(SAME_CLASS)) {
        notes.extend(twins(&classes, |name| format!("`{name}`")));
    }
    if unread > 0 {
        notes.push(format!(
            "{} items have no file that can be read by their name: copies among them are found by what was read",
            grouped(unread)
        ));
    }
    Scan { classes, items, labels, notes, problems }
}

/// What the items of these splits, so many each, are called in a project: as in their data, with the split's name before it
/// where that alone would be two items, since positions begin anew in each file.
pub fn ids(splits: &[(Split, &Ids, usize)]) -> Vec<Vec<String>> {
    let mut known = HashSet::new();
    let mut of_split = |(split, ids, items): &(Split, &Ids, usize)| {
        let of_row = |row: usize| {
            let mut id = ids.get(row);
            while !known.insert(id.clone()) {
                id = format!("{}/{id}", split.name());
            }
            id
        };
        (0..*items).map(of_row).collect()
    };
    splits.iter().map(&mut of_split).collect()
}

/// What an item with a file of its own holds. `None` where the file cannot be read.
pub fn hash_of_file(path: &Path) -> Option<Content> {
    let mut hasher = Hasher::new();
    hasher.update_reader(std::fs::File::open(path).ok()?).ok()?;
    Some(Content(*hasher.finalize().as_bytes()))
}

/// A hash of each row: of its numbers for pixels and arrays, of its columns' names and values for tables.
pub fn contents(dataset: &Dataset) -> Vec<Content> {
    fn rows<T: Copy, const N: usize>(rows: impl Iterator<Item = Vec<T>>, bytes: fn(T) -> [u8; N]) -> Vec<Content> {
        rows.map(|row| Content::of(row.into_iter().map(bytes).collect::<Vec<_>>().as_flattened())).collect()
    }
    match &dataset.inputs {
        Inputs::Bytes(pixels) => rows(pixels.rows().into_iter().map(|row| row.to_vec()), |byte| [byte]),
        Inputs::Words(pixels) => rows(pixels.rows().into_iter().map(|row| row.to_vec()), u16::to_le_bytes),
        // Adding 0 turns −0, which equals 0, into 0.
        Inputs::Floats(numbers) => {
            rows(numbers.rows().into_iter().map(|row| row.to_vec()), |number: f32| (number + 0.0).to_le_bytes())
        }
        Inputs::Table(table) => contents_of_table(table, &dataset.schema.features),
    }
}

fn contents_of_table(table: &Table, features: &Features) -> Vec<Content> {
    let columns: &[Column] = match features {
        Features::Columns(columns) => columns,
        Features::Image(_) => &[],
    };
    let mut hashers = vec![Hasher::new(); table.rows];
    for (column, cells) in columns.iter().zip(&table.columns) {
        for (row, hasher) in hashers.iter_mut().enumerate() {
            let mut put = |kind: u8, text: &[u8]| {
                hasher.update(&(column.name.len() as u64).to_le_bytes());
                hasher.update(column.name.as_bytes());
                hasher.update(&[kind]);
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text);
            };
            // A category's code depends on the other rows, its name does not.
            match cells {
                Cells::Numeric(numbers) => match numbers[row] {
                    Some(number) => put(1, &(number + 0.0).to_le_bytes()),
                    None => put(0, &[]),
                },
                Cells::YesNo(answers) => match answers[row] {
                    Some(answer) => put(2, &[u8::from(answer)]),
                    None => put(0, &[]),
                },
                Cells::Category(codes) => match (codes[row], &column.kind) {
                    (Some(code), halfmoon_pool::dataset::ColumnKind::Category { values }) => {
                        put(3, values[code as usize].as_bytes());
                    }
                    _ => put(0, &[]),
                },
            }
        }
    }
    hashers.iter().map(|hasher| Content(*hasher.finalize().as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let folder = std::env::temp_dir().join(format!("halfmoon-scan-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            Scratch(folder)
        }

        fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// A bitmap of one grey pixel: the simplest file that is a picture.
    fn bitmap(grey: u8) -> Vec<u8> {
        let head = [b'B', b'M', 58, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0];
        let info = [40, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24, 0];
        [&head[..], &info, &[0; 24], &[grey, grey, grey, 0]].concat()
    }

    #[test]
    fn a_folder_of_pictures_has_its_paths_as_ids_and_its_files_as_contents() {
        let folder = Scratch::new("pictures");
        for (name, grey) in
            [("train/cat/a b.bmp", 1), ("train/dog/ü.bmp", 2), ("train/unlabelled/x.bmp", 1), ("test/cat/a b.bmp", 3)]
        {
            folder.write(name, bitmap(grey));
        }
        let found = scan(&folder.0, &Options::default()).unwrap();
        assert_eq!(found.classes, ["cat", "dog"]);
        let ids: Vec<(&str, Split)> = found.items.iter().map(|item| (item.id.as_str(), item.split)).collect();
        let expected = [
            ("train/cat/a b.bmp", Split::Train),
            ("train/dog/ü.bmp", Split::Train),
            ("train/unlabelled/x.bmp", Split::Train),
            ("test/cat/a b.bmp", Split::Test),
        ];
        assert_eq!(ids, expected);
        assert_eq!(found.labels, [(0, Class(0)), (1, Class(1)), (3, Class(0))]);
        assert_eq!(found.items[0].content, Content::of(&bitmap(1)));
        assert_eq!(found.items[0].content, found.items[2].content);
        assert_eq!(found.items[0].path.as_deref(), Some("train/cat/a b.bmp"));
        // in another size the files are the same
        let larger = scan(&folder.0, &Options { image_size: Some((4, 4)), ..Options::default() }).unwrap();
        assert_eq!(larger.items, found.items);
    }

    #[test]
    fn a_table_has_its_positions_as_ids_and_its_rows_as_contents() {
        let folder = Scratch::new("table");
        let path =
            folder.write("pets.csv", "weight,colour,label\n3.5,red,cat\n9,blue,\n3.5,red,\n,blue,dog\n9,blue,dog\n");
        let found = scan(&path, &Options::default()).unwrap();
        assert_eq!(found.classes, ["cat", "dog"]);
        assert_eq!(found.items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["1", "2", "3", "4", "5"]);
        assert_eq!(found.labels, [(0, Class(0)), (3, Class(1)), (4, Class(1))]);
        let content = |at: usize| found.items[at].content;
        assert_eq!([content(0), content(1)], [content(2), content(4)]);
        assert_ne!(content(1), content(3), "a gap is no number");
        // a row more, and another category, leave the others what they are
        let path = folder.write("more.csv", "weight,colour,label\n1,azure,cat\n3.5,red,cat\n9,blue,\n");
        assert_eq!(scan(&path, &Options::default()).unwrap().items[1].content, content(0));
    }

    #[test]
    fn classes_that_may_be_one_class_are_told_once() {
        let folder = Scratch::new("same-class");
        let told = |path: &Path, classes: Option<Vec<String>>| {
            let found = scan(path, &Options { classes, ..Options::default() }).unwrap();
            let notes: Vec<String> = found.notes.into_iter().filter(|note| note.ends_with(SAME_CLASS)).collect();
            (found.classes, notes)
        };
        let path = folder.write("open.csv", "x,size\n1,2\n3,4\n");
        let (classes, notes) = told(&path, Some(["caf\u{e9}", " Cafe\u{301} ", "b "].map(str::to_owned).into()));
        assert_eq!(classes, ["caf\u{e9}", "Cafe\u{301}", "b"]);
        assert_eq!(notes, ["classes `caf\u{e9}` and `Cafe\u{301}`: did you mean the same class?"]);
        let path = folder.write("said.csv", "x,label\n1,a\n3,A\n4,A\n");
        assert_eq!(told(&path, None).1, ["classes `A` (2) and `a` (1): did you mean the same class?"]);
    }

    #[test]
    fn positions_of_several_files_stay_apart() {
        let folder = Scratch::new("arrays");
        let array = |shape: &str, descr: &str, body: &[u8]| {
            let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
            while (header.len() + 11) % 64 != 0 {
                header.push(' ');
            }
            header.push('\n');
            let length = u16::try_from(header.len()).unwrap().to_le_bytes();
            [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), body].concat()
        };
        folder.write("x_train.npy", array("2, 2", "|u1", &[1, 2, 3, 4]));
        folder.write("y_train.npy", array("2,", "|u1", &[0, 1]));
        folder.write("x_test.npy", array("1, 2", "|u1", &[1, 2]));
        folder.write("y_test.npy", array("1,", "|u1", &[1]));
        let found = scan(&folder.0, &Options::default()).unwrap();
        let ids: Vec<&str> = found.items.iter().map(|item| item.id.as_str()).collect();
        assert_eq!(ids, ["1", "2", "test/1"]);
        assert_eq!(found.items[0].content, found.items[2].content);
        assert_eq!(found.items[2].path, None);
    }
}
