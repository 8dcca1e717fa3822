//! What lies where in a folder of pictures: splits, classes, items without a label.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, iter};

use super::table::table_labels;
use super::walk::{Walk, id};
use crate::dataset::Class;
use crate::error::{Error, Result, did_you_mean};
use crate::labels::{self, Texts, grouped, in_order};
use crate::read::picture::{EXTENSIONS, FOREIGN, NOT_AN_IMAGE, has_extension, looks_like_picture};
use crate::read::texts::class_names;
use crate::read::{Options, Problem};

pub(super) const TABLE: &str = "metadata.csv";
const CLASSES: &str = "classes.txt";
/// Folders of items that nobody has labelled.
const UNLABELLED: [&str; 4] = ["unlabelled", "unlabeled", "_unlabelled", "_unlabeled"];
/// Folders of splits, by the position of the split in a [`Source`](crate::read::Source).
const SPLITS: [(&str, usize); 5] = [("train", 0), ("validation", 1), ("val", 1), ("valid", 1), ("test", 2)];

/// The pictures of a path, not yet opened.
pub(super) struct Layout {
    /// What the pictures' paths are relative to.
    pub(super) root: PathBuf,
    pub(super) pictures: Vec<Picture>,
    pub(super) classes: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

pub(super) struct Picture {
    pub(super) path: PathBuf,
    pub(super) split: usize,
    pub(super) class: Option<Class>,
}

/// A picture and what its place says of its label.
pub(super) struct Placed {
    pub(super) path: PathBuf,
    split: usize,
    /// An index into the names of the class folders.
    folder: Option<usize>,
}

pub(super) fn lay_out(path: &Path, options: &Options) -> Result<Layout> {
    if !path.is_dir() {
        fs::metadata(path).map_err(|error| Error::io(path, error))?;
        let picture = Picture { path: path.file_name().map(PathBuf::from).unwrap_or_default(), split: 0, class: None };
        let classes = fixed_classes(path, options)?.unwrap_or_default();
        let root = path.parent().unwrap_or(path).to_owned();
        return Ok(Layout { root, pictures: vec![picture], classes, notes: Vec::new(), problems: Vec::new() });
    }
    fs::read_dir(path).map_err(|error| Error::io(path, error))?;

    let mut scan = Scan::new(path, options);
    let splits = scan.splits();
    let folders = iter::once(PathBuf::new()).chain(splits.iter().map(|(folder, _)| folder.clone()));
    let tables: Vec<PathBuf> = folders.filter(|folder| path.join(folder).join(TABLE).is_file()).collect();
    if splits.is_empty() {
        scan.place(Path::new(""), 0, !tables.is_empty());
    } else {
        let names: Vec<String> = splits.iter().map(|(folder, _)| format!("{}/", id(folder))).collect();
        scan.notes.push(format!("the folders {} are splits", names.join(", ")));
        for (folder, split) in &splits {
            scan.place(folder, *split, !tables.is_empty());
        }
        scan.place_beside(&splits);
    }
    scan.only_split();

    let fixed = fixed_classes(path, options)?;
    let (classes, labels) = if tables.is_empty() {
        let classes = folder_classes(path, &scan.folders, fixed)?;
        let class_of: Vec<Option<Class>> = scan
            .folders
            .iter()
            .map(|folder| classes.iter().position(|class| class == folder))
            .map(|index| index.and_then(|index| u16::try_from(index).ok()).map(Class))
            .collect();
        let labels = scan.pictures.iter().map(|picture| picture.folder.and_then(|folder| class_of[folder])).collect();
        (classes, labels)
    } else {
        table_labels(&mut scan, &tables, fixed)?
    };
    scan.count(&labels, classes.len(), !tables.is_empty());

    let Scan { pictures, notes, problems, .. } = scan;
    let pictures =
        pictures.into_iter().zip(labels).map(|(Placed { path, split, .. }, class)| Picture { path, split, class });
    Ok(Layout { root: path.to_owned(), pictures: pictures.collect(), classes, notes, problems })
}

/// The classes that the run, the user or `classes.txt` fixed, in this order of authority.
fn fixed_classes(root: &Path, options: &Options) -> Result<Option<Vec<String>>> {
    if options.schema.is_some() || options.classes.is_some() {
        // no text to resolve: what comes back are the classes, looked through
        return Ok(Some(labels::resolve(&Texts::default(), root.into(), options)?.classes));
    }
    let path = root.join(CLASSES);
    if !path.is_file() {
        return Ok(None);
    }
    class_names(&path).map(Some)
}

/// The fixed classes, of which every folder must be one; else the folders, in ascending order where
/// all are numbers, else alphabetical.
fn folder_classes(root: &Path, folders: &[String], fixed: Option<Vec<String>>) -> Result<Vec<String>> {
    if let Some(classes) = fixed {
        return match folders.iter().find(|folder| !classes.contains(folder)) {
            None => Ok(classes),
            Some(folder) => Err(Error::data(
                root,
                format!("holds a folder `{folder}`, which is not a class"),
                did_you_mean(folder, classes.iter().map(String::as_str)),
            )),
        };
    }
    let mut classes: Vec<&str> = folders.iter().map(String::as_str).collect();
    in_order(&mut classes);
    if classes.len() > usize::from(u16::MAX) {
        return Err(Error::data(
            root,
            format!("holds {} class folders", classes.len()),
            "give the folder above the classes; for one picture a folder, use metadata.csv",
        ));
    }
    Ok(classes.into_iter().map(str::to_owned).collect())
}

/// Finds out what lies where.
pub(super) struct Scan<'a> {
    pub(super) walk: Walk<'a>,
    pub(super) options: &'a Options,
    pub(super) pictures: Vec<Placed>,
    /// Names of the class folders, in order of appearance.
    folders: Vec<String>,
    /// How many unlabelled pictures each rule gave.
    unlabelled: BTreeMap<String, usize>,
    /// Files that are no pictures.
    others: usize,
    pub(super) notes: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Scan<'a> {
    fn new(root: &'a Path, options: &'a Options) -> Scan<'a> {
        Scan {
            walk: Walk::new(root),
            options,
            pictures: Vec::new(),
            folders: Vec::new(),
            unlabelled: BTreeMap::new(),
            others: 0,
            notes: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// The split folders, none where the folders are classes: `train/` beside `bus/` is a split only
    /// if it has folders in it.
    fn splits(&self) -> Vec<(PathBuf, usize)> {
        let peek = |folder: &Path| Walk::new(self.walk.root).entries(folder);
        let folders: Vec<PathBuf> =
            peek(Path::new("")).into_iter().filter(|entry| entry.is_folder).map(|entry| entry.path).collect();
        let split = |folder: &Path| {
            SPLITS.iter().find(|(name, _)| id(folder).eq_ignore_ascii_case(name)).map(|(_, split)| *split)
        };
        let splits: Vec<(PathBuf, usize)> =
            folders.iter().filter_map(|folder| Some((folder.clone(), split(folder)?))).collect();
        let only_splits = folders.iter().all(|folder| split(folder).is_some() || self.is_unlabelled(folder));
        let is_nested = |folder: &Path| peek(folder).iter().any(|entry| entry.is_folder || entry.path.ends_with(TABLE));
        if only_splits || splits.iter().any(|(folder, split)| *split == 0 && is_nested(folder)) {
            splits
        } else {
            Vec::new()
        }
    }

    fn is_unlabelled(&self, folder: &Path) -> bool {
        let name = folder.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
        UNLABELLED.iter().any(|known| name.eq_ignore_ascii_case(known))
            || self.options.missing_labels.iter().any(|text| *text == name)
    }

    /// Pictures of one split. With a table, folders are no classes.
    fn place(&mut self, folder: &Path, split: usize, by_table: bool) {
        for entry in self.walk.entries(folder) {
            if !entry.is_folder {
                self.place_file(entry.path, split);
            } else if self.is_unlabelled(&entry.path) || by_table {
                self.place_unlabelled(folder, &entry.path, split);
            } else {
                let name = entry.path.file_name().map(|name| id(Path::new(name))).unwrap_or_default();
                let class = self.folders.iter().position(|known| *known == name).unwrap_or_else(|| {
                    self.folders.push(name);
                    self.folders.len() - 1
                });
                let pictures = self.pictures_below(folder, &entry.path);
                self.pictures.extend(pictures.into_iter().map(|path| Placed { path, split, folder: Some(class) }));
            }
        }
    }

    /// What lies beside the split folders: unlabelled items join the training split.
    fn place_beside(&mut self, splits: &[(PathBuf, usize)]) {
        for entry in self.walk.entries(Path::new("")) {
            if splits.iter().any(|(folder, _)| *folder == entry.path) {
                continue;
            }
            if !entry.is_folder {
                self.place_file(entry.path, 0);
            } else if self.is_unlabelled(&entry.path) {
                self.place_unlabelled(Path::new(""), &entry.path, 0);
            } else {
                self.problems.push(Problem {
                    place: format!("{}/", id(&entry.path)),
                    reason: "a folder beside the splits is not read; move it into one of them".to_owned(),
                });
            }
        }
    }

    fn place_file(&mut self, path: PathBuf, split: usize) {
        if path.ends_with(TABLE) || path.ends_with(CLASSES) || !self.is_picture(&path) {
            return;
        }
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let rule =
            folder.map_or("directly in the folder".to_owned(), |folder| format!("directly in `{}/`", id(folder)));
        *self.unlabelled.entry(rule).or_default() += 1;
        self.pictures.push(Placed { path, split, folder: None });
    }

    fn place_unlabelled(&mut self, above: &Path, folder: &Path, split: usize) {
        let pictures = self.pictures_below(above, folder);
        *self.unlabelled.entry(format!("folder `{}/`", id(folder))).or_default() += pictures.len();
        self.pictures.extend(pictures.into_iter().map(|path| Placed { path, split, folder: None }));
    }

    fn pictures_below(&mut self, above: &Path, folder: &Path) -> Vec<PathBuf> {
        let above = [Path::new(""), above].map(|folder| self.walk.root.join(folder));
        let mut seen = above.iter().filter_map(|folder| fs::canonicalize(folder).ok()).collect();
        let mut files = Vec::new();
        self.walk.files(folder, &mut seen, &mut files);
        files.retain(|file| self.is_picture(file));
        files
    }

    /// By its name, or where that says nothing by its first bytes.
    fn is_picture(&mut self, path: &Path) -> bool {
        if has_extension(path, &EXTENSIONS) || looks_like_picture(&self.walk.root.join(path)) {
            return true;
        }
        if has_extension(path, &FOREIGN) {
            self.problems.push(Problem { place: id(path), reason: NOT_AN_IMAGE.to_owned() });
        } else {
            self.others += 1;
        }
        false
    }

    /// Where there is no training split, the only one there is becomes it.
    fn only_split(&mut self) {
        let Some(least) = self.pictures.iter().map(|picture| picture.split).min().filter(|&least| least > 0) else {
            return;
        };
        let taken = if self.pictures.iter().any(|picture| picture.split == 2) { 2 } else { least };
        self.notes.push("there is no training split; the test or validation split is taken as the data".to_owned());
        for picture in self.pictures.iter_mut().filter(|picture| picture.split == taken) {
            picture.split = 0;
        }
    }

    /// Puts what was found into notes.
    fn count(&mut self, labels: &[Option<Class>], classes: usize, by_table: bool) {
        let labelled = labels.iter().flatten().count();
        let unlabelled = labels.len() - labelled;
        let rules: Vec<String> =
            self.unlabelled.iter().filter(|(_, count)| **count > 0).map(|(rule, _)| rule.clone()).collect();
        let how = if by_table {
            format!(" (by {TABLE})")
        } else if unlabelled > 0 {
            format!(" ({})", rules.join(", "))
        } else {
            String::new()
        };
        self.notes.insert(
            0,
            format!(
                "{} labelled in {} classes, {} unlabelled{how}",
                grouped(labelled),
                grouped(classes),
                grouped(unlabelled)
            ),
        );
        for (count, what) in [
            (self.others, "files that are no pictures"),
            (self.walk.hidden, "hidden files or folders"),
            (self.walk.loops, "folders that were met before (links that lead in a circle)"),
        ] {
            if count > 0 {
                self.notes.push(format!("{} {what} were skipped", grouped(count)));
            }
        }
        self.problems.extend(self.walk.unlisted.drain(..).map(|folder| Problem {
            place: format!("{}/", id(&folder)),
            reason: "the folder cannot be listed".to_owned(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::super::testing::{labelled, load, names, says};
    use super::*;
    use crate::read::testing::{GREY, Scratch, png};

    #[test]
    fn a_sub_folder_is_a_class_however_deep_and_an_empty_one_too() {
        let folder = Scratch::new("images-classes");
        folder.write("cat/a.png", png(2, 2, GREY));
        folder.write("cat/deep/er/b.png", png(2, 2, GREY));
        folder.write("dog/c.png", png(2, 2, GREY));
        fs::create_dir(folder.0.join("ant")).expect("writable");
        let source = load(&folder);
        assert_eq!(source.train.schema.classes, ["ant", "cat", "dog"]);
        assert_eq!(
            labelled(&source.train),
            [
                ("cat/a.png".to_owned(), Some("cat")),
                ("cat/deep/er/b.png".to_owned(), Some("cat")),
                ("dog/c.png".to_owned(), Some("dog"))
            ]
        );
        assert!(says(&source.notes, "3 labelled in 3 classes, 0 unlabelled"), "{:?}", source.notes);
        assert!(source.problems.is_empty());
    }

    #[test]
    fn folders_that_are_numbers_are_in_ascending_order_and_none_is_a_class() {
        let folder = Scratch::new("images-numbers");
        for class in ["10", "9", "-1"] {
            folder.write(&format!("{class}/a.png"), png(1, 1, GREY));
        }
        assert_eq!(load(&folder).train.schema.classes, ["-1", "9", "10"]);
        let folder = Scratch::new("images-none");
        folder.write("None/a.png", png(1, 1, GREY));
        assert_eq!(load(&folder).train.class_counts(), [1]);
    }

    #[test]
    fn split_folders_share_the_classes_of_all() {
        let folder = Scratch::new("images-splits");
        folder.write("train/cat/a.png", png(2, 2, GREY));
        folder.write("train/unlabeled/b.png", png(2, 2, GREY));
        folder.write("val/dog/c.png", png(2, 2, GREY));
        folder.write("test/eel/d.png", png(2, 2, GREY));
        folder.write("_unlabelled/e.png", png(2, 2, GREY));
        folder.write("notes/f.png", png(2, 2, GREY));
        let source = load(&folder);
        assert_eq!(source.train.schema.classes, ["cat", "dog", "eel"]);
        assert_eq!(names(&source.train), ["train/cat/a.png", "train/unlabeled/b.png", "_unlabelled/e.png"]);
        assert_eq!(source.train.labelled(), [0]);
        assert_eq!(source.validation.map(|validation| validation.class_counts()), Some(vec![0, 1, 0]));
        assert_eq!(source.test.map(|test| test.class_counts()), Some(vec![0, 0, 1]));
        assert!(says(&source.notes, "folder `_unlabelled/`, folder `train/unlabeled/`"), "{:?}", source.notes);
        assert_eq!(source.problems[0].place, "notes/");
    }

    #[test]
    fn a_class_named_train_beside_others_is_a_class() {
        let folder = Scratch::new("images-train");
        for class in ["bus", "train"] {
            folder.write(&format!("{class}/a.png"), png(2, 2, GREY));
        }
        assert_eq!(load(&folder).train.schema.classes, ["bus", "train"]);
    }

    #[test]
    fn a_test_split_alone_is_the_data() {
        let folder = Scratch::new("images-test");
        folder.write("test/cat/a.png", png(2, 2, GREY));
        let source = load(&folder);
        assert_eq!((source.train.len(), source.test), (1, None));
        assert!(says(&source.notes, "no training split"));
    }

    #[test]
    fn pictures_directly_in_the_folder_are_unlabelled_and_the_note_says_so() {
        let folder = Scratch::new("images-direct");
        folder.write("a.png", png(2, 2, GREY));
        folder.write("cat/b.png", png(2, 2, GREY));
        let source = load(&folder);
        assert_eq!(labelled(&source.train), [("a.png".to_owned(), None), ("cat/b.png".to_owned(), Some("cat"))]);
        assert!(says(&source.notes, "1 unlabelled (directly in the folder)"), "{:?}", source.notes);
    }

    #[test]
    fn chosen_classes_and_classes_txt_fix_the_order_and_what_a_folder_may_be() {
        let folder = Scratch::new("images-fixed");
        folder.write("cat/a.png", png(2, 2, GREY));
        folder.write("classes.txt", "\u{feff}dog\ncat\r\n\neel\n");
        let source = load(&folder);
        assert_eq!((source.train.class_counts(), source.problems.len()), (vec![0, 1, 0], 0));
        let options = Options { classes: Some(vec!["cats".to_owned()]), ..Options::default() };
        let error = read(&folder.0, &options).expect_err("cat is no class");
        assert!(error.to_string().contains("`cat`") && error.hint() == Some("did you mean `cats`?"), "{error:?}");
        let options = Options { missing_labels: vec!["cat".to_owned()], ..Options::default() };
        assert_eq!(read(&folder.0, &options).expect("readable").train.labels, [None]);
    }
}
