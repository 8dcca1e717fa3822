//! Labels by `metadata.csv`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::layout::{Scan, TABLE};
use super::walk::id;
use crate::dataset::Class;
use crate::error::{Place, Result};
use crate::labels::{self, grouped};
use crate::read::csv::{FileLabel, file_labels};
use crate::read::texts::{Interner, locate};
use crate::read::{Options, Problem};

/// Labels by `metadata.csv`: its rows and the pictures matched by path, what is left over told.
pub(super) fn table_labels(
    scan: &mut Scan,
    tables: &[PathBuf],
    fixed: Option<Vec<String>>,
) -> Result<(Vec<String>, Vec<Option<Class>>)> {
    let options = Options { classes: fixed.or(scan.options.classes.clone()), ..scan.options.clone() };
    let mut rows: HashMap<String, (Place, Option<String>)> = HashMap::new();
    for folder in tables {
        let path = scan.walk.root.join(folder).join(TABLE);
        for FileLabel { row, file_name, label } in file_labels(&path, &options)? {
            let place = Place::row(&folder.join(TABLE), row);
            let file = normal(folder, &file_name);
            if let Some((before, _)) = rows.get(&file) {
                let reason = format!("`{file_name}` was named before, in {before}; this row is left out");
                scan.problems.push(Problem { place: place.to_string(), reason });
            } else {
                rows.insert(file, (place, label));
            }
        }
    }

    let mut labels = Interner::default();
    let mut places = Vec::with_capacity(scan.pictures.len());
    let mut without = 0;
    for picture in &scan.pictures {
        let row = rows.remove(&id(&picture.path));
        without += usize::from(row.is_none());
        let (place, label) = row.map_or((None, None), |(place, label)| (Some(place), label));
        places.push(place);
        labels.push(&label.unwrap_or_default());
    }
    if without > 0 {
        scan.notes.push(format!("{} pictures are not in {TABLE} and are unlabelled", grouped(without)));
    }
    let mut left: Vec<(Place, String)> = rows.into_iter().map(|(file, (place, _))| (place, file)).collect();
    left.sort_by(|(a, _), (b, _)| (&a.path, a.row).cmp(&(&b.path, b.row)));
    scan.problems.extend(
        left.into_iter()
            .map(|(place, file)| Problem { place: place.to_string(), reason: format!("there is no picture `{file}`") }),
    );

    let root = scan.walk.root;
    let resolved = labels::resolve(&labels.texts, root.join(&tables[0]).join(TABLE).as_path().into(), &options)
        .map_err(|error| {
            locate(error, |item| {
                let place = places.get(item)?.clone()?;
                Some(Place { path: root.join(&place.path), ..place })
            })
        })?;
    scan.notes.extend(resolved.notes);
    Ok((resolved.classes, resolved.labels))
}

/// A table's file name as the id of a picture: below the table's folder, without `.` and `..`.
fn normal(folder: &Path, file_name: &str) -> String {
    let forward: Cow<str> =
        if file_name.contains('/') { file_name.into() } else { file_name.replace('\\', "/").into() };
    let mut path = PathBuf::new();
    for part in folder.join(&*forward).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    id(&path)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{labelled, load, says};
    use crate::read::testing::{GREY, Scratch, png};

    #[test]
    fn metadata_csv_labels_by_path_and_tells_what_is_left_over() {
        let folder = Scratch::new("images-table");
        for name in ["a.png", "pics/b.png", "pics/c.png", "d.png"] {
            folder.write(name, png(2, 2, GREY));
        }
        folder.write(
            "metadata.csv",
            "file_name,label\n./a.png,cat\npics/../pics/b.png,dog\npics\\c.png,\nz.png,dog\na.png,dog\n",
        );
        let source = load(&folder);
        assert_eq!(
            labelled(&source.train),
            [
                ("a.png".to_owned(), Some("cat")),
                ("d.png".to_owned(), None),
                ("pics/b.png".to_owned(), Some("dog")),
                ("pics/c.png".to_owned(), None)
            ]
        );
        assert!(says(&source.notes, "1 pictures are not in metadata.csv"), "{:?}", source.notes);
        assert!(says(&source.notes, "2 labelled in 2 classes, 2 unlabelled (by metadata.csv)"), "{:?}", source.notes);
        let reasons: Vec<&str> = source.problems.iter().map(|problem| problem.reason.as_str()).collect();
        assert!(
            reasons[0].contains("`a.png` was named before") && reasons[1] == "there is no picture `z.png`",
            "{reasons:?}"
        );
        assert!(source.problems[1].place.starts_with("metadata.csv, row"), "{:?}", source.problems);
    }
}
