//! Folders of pictures, one sub-folder a class.
//!
//! | in the folder | means |
//! |---|---|
//! | `cat/…` | pictures of the class `cat`, however deep; an empty folder is a class without a label |
//! | `train/`, `validation/` (`val/`, `valid/`), `test/` | splits, each laid out like this table |
//! | `unlabelled/` (`unlabeled/`, either with `_` before it), or pictures directly in the folder | no label yet |
//! | `metadata.csv` | columns `file_name` and a label: then folders are no classes |
//! | `classes.txt` | the classes, one a line; fixes their order |
//!
//! Pictures are read one by one, under limits of size and memory: one that is damaged becomes a
//! [`Problem`], the others are used. All are brought to one size, to grey or colour and to 8 or 16
//! bits, as most of the training pictures are; what was done is in the notes.

use std::any::Any;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufReader, Cursor, Read};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Component, Path, PathBuf};
use std::sync::Once;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{
    ColorType, DynamicImage, GrayImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage,
};
use ndarray::Array2;
use rayon::prelude::*;

use super::csv::{FileLabel, file_labels};
use super::idx::{code, locate};
use super::{CHUNK, Chunk, Format, Options, Problem, Sink, Source, Status};
use crate::dataset::{Class, Dataset, Features, Ids, ImageShape, Inputs, Schema};
use crate::error::{Error, Place, Result, did_you_mean};
use crate::labels::{self, Texts, grouped, in_order};

pub(super) const FORMAT: Format = Format {
    name: "images",
    about: "a folder of pictures (PNG, JPEG, BMP, GIF, TIFF, WebP), one sub-folder a class; for prediction also one picture",
    claims,
    read,
    stream,
};

/// Where the size is not chosen: pixels of the longer side, at most.
const LONGER_SIDE: u32 = 64;
/// Pixels of a picture that is decoded.
const MOST_PIXELS: u64 = 64 << 20;
/// Memory that decoding one picture may take.
const MOST_MEMORY: u64 = 512 << 20;

const TABLE: &str = "metadata.csv";
const CLASSES: &str = "classes.txt";
/// Folders of items that nobody has labelled.
const UNLABELLED: [&str; 4] = ["unlabelled", "unlabeled", "_unlabelled", "_unlabeled"];
/// Folders of splits, by the position of the split in a [`Source`].
const SPLITS: [(&str, usize); 5] = [("train", 0), ("validation", 1), ("val", 1), ("valid", 1), ("test", 2)];
/// Files and folders that systems and tools leave behind, besides those with a dot.
const HIDDEN: [&str; 3] = ["Thumbs.db", "desktop.ini", "__MACOSX"];

const EXTENSIONS: [&str; 11] = ["png", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "gif", "tif", "tiff", "webp"];
/// Pictures too, but not read: a user should hear of each.
const FOREIGN: [&str; 16] =
    ["heic", "heif", "avif", "svg", "jp2", "psd", "ico", "tga", "pgm", "ppm", "pbm", "exr", "dng", "cr2", "nef", "dcm"];
const NOT_AN_IMAGE: &str = "not an image in a format that is read (PNG, JPEG, BMP, GIF, TIFF, WebP)";

fn claims(path: &Path) -> bool {
    path.is_dir() || path.is_file() && has_extension(path, &EXTENSIONS)
}

fn read(path: &Path, options: &Options) -> Result<Source> {
    let Layout { root, pictures, classes, mut notes, mut problems } = lay_out(path, options)?;

    let headers: Vec<_> = pictures.par_iter().map(|picture| header(&root.join(&picture.path))).collect();
    let mut readable = Vec::with_capacity(pictures.len());
    for (picture, header) in pictures.into_iter().zip(headers) {
        match header {
            Ok(header) => readable.push((picture, header)),
            Err(reason) => problems.push(Problem { place: id(&picture.path), reason }),
        }
    }
    let misnamed = readable.iter().filter(|(_, header)| header.misnamed).count();
    if misnamed > 0 {
        notes.push(format!(
            "{} pictures are in another format than their names say; the content was believed",
            grouped(misnamed)
        ));
    }
    let training: Vec<Header> =
        readable.iter().filter(|(picture, _)| picture.split == 0).map(|(_, header)| *header).collect();
    if training.is_empty() {
        let hint = match problems.first() {
            Some(Problem { place, reason }) => format!("the first problem: {place}: {reason}"),
            None => "put pictures into it, one sub-folder a class".to_owned(),
        };
        return Err(Error::data(path, "holds no picture that can be read", hint));
    }
    let shape = match &options.schema {
        Some(schema) => image_shape(path, schema)?,
        None => choose_shape(&training, options, &mut notes)?,
    };

    let schema = Schema { classes, features: Features::Image(shape) };
    let mut datasets = [None, None, None];
    for (split, dataset) in datasets.iter_mut().enumerate() {
        let of_split = || readable.iter().map(|(picture, _)| picture).filter(move |picture| picture.split == split);
        let paths: Vec<&Path> = of_split().map(|picture| picture.path.as_path()).collect();
        if paths.is_empty() {
            continue;
        }
        let (inputs, failures) = load(&root, &paths, &shape, Failed::Skip)?;
        let decoded = || of_split().zip(&failures).filter(|(_, failure)| failure.is_none()).map(|(picture, _)| picture);
        *dataset = Some(Dataset {
            schema: schema.clone(),
            inputs,
            labels: decoded().map(|picture| picture.class).collect(),
            ids: Ids::Names(decoded().map(|picture| id(&picture.path)).collect()),
        });
        problems.extend(
            paths
                .iter()
                .zip(failures)
                .filter_map(|(path, failure)| Some(Problem { place: id(path), reason: failure? })),
        );
    }
    let [train, validation, test] = datasets;
    let train = train.expect("there are training pictures");
    Ok(Source { train, validation, test, notes, problems })
}

/// Every file below the folder that is not hidden, sorted, whether it is a picture or not; or the
/// one file.
fn stream(path: &Path, schema: &Schema, _: &Options, sink: Sink) -> Result<()> {
    let shape = image_shape(path, schema)?;
    let mut files = Vec::new();
    let root = if path.is_dir() {
        let mut walk = Walk::new(path);
        walk.files(Path::new(""), &mut HashSet::new(), &mut files);
        // folders that cannot be listed: their own entry says so
        files.extend(walk.unlisted);
        path
    } else {
        files.extend(path.file_name().map(PathBuf::from));
        path.parent().unwrap_or(path)
    };
    for files in files.chunks(CHUNK) {
        let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let (inputs, failures) = load(root, &paths, &shape, Failed::Zero)?;
        sink(Chunk {
            ids: files.iter().map(|file| id(file)).collect(),
            status: failures.into_iter().map(|failure| failure.map_or(Status::Ok, Status::Unreadable)).collect(),
            inputs,
        })?;
    }
    Ok(())
}

/// A path with `/` between its parts. Where it is not valid Unicode, each invalid byte becomes `%`
/// and two hexadecimal digits, and so does `%` itself; other paths are left as they are.
fn id(path: &Path) -> String {
    let parts = path.components().map(|part| {
        let part = part.as_os_str();
        match part.to_str() {
            Some(text) => text.to_owned(),
            None => escape(part),
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

fn escape(name: &OsStr) -> String {
    let mut escaped = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        escaped.push_str(&chunk.valid().replace('%', "%25"));
        escaped.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02X}")));
    }
    escaped
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().map(OsStr::to_string_lossy);
    extension.is_some_and(|extension| extensions.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

// What lies where

/// The pictures of a path, not yet opened.
struct Layout {
    /// What the pictures' paths are relative to.
    root: PathBuf,
    pictures: Vec<Picture>,
    classes: Vec<String>,
    notes: Vec<String>,
    problems: Vec<Problem>,
}

struct Picture {
    path: PathBuf,
    split: usize,
    class: Option<Class>,
}

/// A picture and what its place says of its label.
struct Placed {
    path: PathBuf,
    split: usize,
    /// An index into the names of the class folders.
    folder: Option<usize>,
}

fn lay_out(path: &Path, options: &Options) -> Result<Layout> {
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
    let tables: Vec<PathBuf> =
        [PathBuf::new()].into_iter().chain(splits.iter().map(|(folder, _)| folder.clone())).collect();
    let tables: Vec<PathBuf> = tables.into_iter().filter(|folder| path.join(folder).join(TABLE).is_file()).collect();
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
    let text = fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let classes: Vec<String> = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let mut seen = HashSet::new();
    match classes.iter().find(|class| !seen.insert(*class)) {
        Some(twice) => {
            Err(Error::data(path.as_path(), format!("names the class `{twice}` twice"), "remove one of the lines"))
        }
        None => Ok(Some(classes)),
    }
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

/// Labels by `metadata.csv`: its rows and the pictures matched by path, what is left over told.
fn table_labels(
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

    let mut texts = unlabelled_text();
    let mut codes: HashMap<String, u32> = HashMap::new();
    let mut places = Vec::with_capacity(scan.pictures.len());
    let mut without = 0;
    for picture in &scan.pictures {
        let row = rows.remove(&id(&picture.path));
        without += usize::from(row.is_none());
        let (place, label) = row.map_or((None, None), |(place, label)| (Some(place), label));
        places.push(place);
        let found = label.map_or(0, |label| {
            *codes.entry(label).or_insert_with_key(|label| {
                texts.distinct.push(label.clone());
                code(texts.distinct.len() - 1)
            })
        });
        texts.codes.push(found);
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
    let resolved =
        labels::resolve(&texts, root.join(&tables[0]).join(TABLE).as_path().into(), &options).map_err(|error| {
            locate(error, |item| {
                let place = places.get(item)?.clone()?;
                Some(Place { path: root.join(&place.path), ..place })
            })
        })?;
    scan.notes.extend(resolved.notes);
    Ok((resolved.classes, resolved.labels))
}

fn unlabelled_text() -> Texts {
    Texts { distinct: vec![String::new()], codes: Vec::new() }
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

/// Finds out what lies where.
struct Scan<'a> {
    walk: Walk<'a>,
    options: &'a Options,
    pictures: Vec<Placed>,
    /// Names of the class folders, in order of appearance.
    folders: Vec<String>,
    /// How many unlabelled pictures each rule gave.
    unlabelled: BTreeMap<String, usize>,
    /// Files that are no pictures.
    others: usize,
    notes: Vec<String>,
    problems: Vec<Problem>,
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

/// Goes through folders in sorted order, below a root that the paths are relative to.
struct Walk<'a> {
    root: &'a Path,
    hidden: usize,
    loops: usize,
    /// Folders that the system did not let us list.
    unlisted: Vec<PathBuf>,
}

struct Entry {
    path: PathBuf,
    is_folder: bool,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Path) -> Walk<'a> {
        Walk { root, hidden: 0, loops: 0, unlisted: Vec::new() }
    }

    fn entries(&mut self, folder: &Path) -> Vec<Entry> {
        let Ok(listing) = fs::read_dir(self.root.join(folder)) else {
            self.unlisted.push(folder.to_owned());
            return Vec::new();
        };
        let mut entries = Vec::new();
        for entry in listing.flatten() {
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") || HIDDEN.iter().any(|hidden| name == *hidden) {
                self.hidden += 1;
                continue;
            }
            let is_folder =
                entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink() && entry.path().is_dir());
            entries.push(Entry { path: folder.join(name), is_folder });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries
    }

    /// All files below a folder; a folder that is in `seen` is not gone through again.
    fn files(&mut self, folder: &Path, seen: &mut HashSet<PathBuf>, files: &mut Vec<PathBuf>) {
        let real = fs::canonicalize(self.root.join(folder)).unwrap_or_else(|_| folder.to_owned());
        if !seen.insert(real) {
            self.loops += 1;
            return;
        }
        for entry in self.entries(folder) {
            if entry.is_folder {
                self.files(&entry.path, seen, files);
            } else {
                files.push(entry.path);
            }
        }
    }
}

fn looks_like_picture(path: &Path) -> bool {
    let mut start = Vec::new();
    path.is_file()
        && File::open(path).and_then(|file| file.take(16).read_to_end(&mut start)).is_ok()
        && image::guess_format(&start).is_ok_and(|format| format.reading_enabled())
}

// One shape for all

/// What the first bytes of a picture say, seen upright.
#[derive(Clone, Copy)]
struct Header {
    width: u32,
    height: u32,
    is_grey: bool,
    /// 16 bits a channel.
    is_wide: bool,
    /// The name ends like another format's.
    misnamed: bool,
}

/// The most common size, no larger than [`LONGER_SIDE`]; grey and 16 bits only where all are.
fn choose_shape(pictures: &[Header], options: &Options, notes: &mut Vec<String>) -> Result<ImageShape> {
    let mut counts: HashMap<(u32, u32), usize> = HashMap::new();
    for picture in pictures {
        *counts.entry((picture.height, picture.width)).or_default() += 1;
    }
    let mut sizes: Vec<((u32, u32), usize)> = counts.into_iter().collect();
    sizes.sort_by_key(|&(size, count)| (std::cmp::Reverse(count), size));
    let common = sizes[0].0;

    let (height, width) = match options.image_size {
        Some((height, width)) if (1..=1 << 14).contains(&height) && (1..=1 << 14).contains(&width) => (height, width),
        Some((height, width)) => {
            return Err(Error::usage(
                format!("pictures cannot have the size {height}×{width}"),
                "choose a height and a width of 1 to 16384 pixels",
            ));
        }
        None => shrink(common),
    };
    let is_grey = pictures.iter().all(|picture| picture.is_grey);
    let wide = pictures.iter().filter(|picture| picture.is_wide).count();
    let all_wide = wide == pictures.len();

    if sizes.len() > 1 || (common.0 as usize, common.1 as usize) != (height, width) {
        let top: Vec<String> = sizes
            .iter()
            .take(3)
            .map(|((height, width), count)| format!("{} of {height}×{width}", grouped(*count)))
            .collect();
        let more = if sizes.len() > 3 { format!(" and {} more sizes", sizes.len() - 3) } else { String::new() };
        notes.push(format!(
            "pictures are resized to {height}×{width} (height × width); found: {}{more}",
            top.join(", ")
        ));
    }
    let coloured = pictures.iter().filter(|picture| !picture.is_grey).count();
    if !is_grey && coloured < pictures.len() {
        notes.push(format!(
            "{} grey pictures among {} in colour are read as colour",
            grouped(pictures.len() - coloured),
            grouped(coloured)
        ));
    }
    if wide > 0 && !all_wide {
        notes.push(format!(
            "{} of {} pictures have 16 bits a channel and are scaled to 8",
            grouped(wide),
            grouped(pictures.len())
        ));
    }
    let channels = if is_grey { 1 } else { 3 };
    Ok(ImageShape { height, width, channels, white: if all_wide { 65_535.0 } else { 255.0 } })
}

fn shrink((height, width): (u32, u32)) -> (usize, usize) {
    let longer = height.max(width);
    if longer <= LONGER_SIDE {
        return (height as usize, width as usize);
    }
    // rounded to the nearest
    let scaled = |side: u32| {
        let twice = 2 * u64::from(side) * u64::from(LONGER_SIDE) / u64::from(longer);
        usize::try_from(twice.div_ceil(2)).map_or(1, |side| side.max(1))
    };
    (scaled(height), scaled(width))
}

fn image_shape(path: &Path, schema: &Schema) -> Result<ImageShape> {
    match &schema.features {
        Features::Image(shape) => Ok(*shape),
        Features::Columns(columns) => Err(Error::data(
            path,
            format!("holds pictures where {} columns are needed", columns.len()),
            "give data of the kind that the run was trained on",
        )),
    }
}

// Pixels

/// What becomes of the row of a picture that cannot be decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failed {
    Skip,
    Zero,
}

/// Pictures in a shape, with the reason for each that failed.
fn load(root: &Path, paths: &[&Path], shape: &ImageShape, failed: Failed) -> Result<(Inputs, Vec<Option<String>>)> {
    let is_white = |white: f32| shape.white.total_cmp(&white).is_eq();
    if is_white(255.0) {
        let (pixels, failures) = load_pixels(root, paths, shape, failed, |picture| bytes(picture, shape))?;
        Ok((Inputs::Bytes(pixels), failures))
    } else if is_white(65_535.0) {
        let (pixels, failures) = load_pixels(root, paths, shape, failed, |picture| words(picture, shape))?;
        Ok((Inputs::Words(pixels), failures))
    } else {
        // a run on pixels of another scale, such as `digits` with its 16
        let scale = |picture| {
            words(picture, shape).into_iter().map(|pixel| f32::from(pixel) * shape.white / 65_535.0).collect()
        };
        let (pixels, failures) = load_pixels(root, paths, shape, failed, scale)?;
        Ok((Inputs::Floats(pixels), failures))
    }
}

fn load_pixels<T: Clone + Default + Send>(
    root: &Path,
    paths: &[&Path],
    shape: &ImageShape,
    failed: Failed,
    pixels: impl Fn(DynamicImage) -> Vec<T> + Sync,
) -> Result<(Array2<T>, Vec<Option<String>>)> {
    let mut rows: Vec<T> = Vec::new();
    let reserved = paths.len().checked_mul(shape.len()).map(|cells| rows.try_reserve_exact(cells));
    if !matches!(reserved, Some(Ok(()))) {
        return Err(Error::usage(
            format!("{} pictures of {}×{} do not fit into memory", paths.len(), shape.height, shape.width),
            "choose a smaller size of pictures",
        ));
    }
    let mut failures = Vec::with_capacity(paths.len());
    for paths in paths.chunks(CHUNK) {
        let decoded: Vec<_> = paths.par_iter().map(|path| decode(&root.join(path), &pixels)).collect();
        for picture in decoded {
            failures.push(match picture {
                Ok(pixels) => {
                    rows.extend(pixels);
                    None
                }
                Err(reason) => {
                    if failed == Failed::Zero {
                        rows.resize(rows.len() + shape.len(), T::default());
                    }
                    Some(reason)
                }
            });
        }
    }
    let items = failures.iter().filter(|failure| failed == Failed::Zero || failure.is_none()).count();
    Ok((Array2::from_shape_vec((items, shape.len()), rows).expect("every row has the shape's length"), failures))
}

fn bytes(picture: DynamicImage, shape: &ImageShape) -> Vec<u8> {
    let picture = match shape.channels {
        1 => DynamicImage::ImageLuma8(picture.into_luma8()),
        _ => DynamicImage::ImageRgb8(picture.into_rgb8()),
    };
    fit(picture, shape).into_bytes()
}

fn words(picture: DynamicImage, shape: &ImageShape) -> Vec<u16> {
    let picture = match shape.channels {
        1 => DynamicImage::ImageLuma16(picture.into_luma16()),
        _ => DynamicImage::ImageRgb16(picture.into_rgb16()),
    };
    match fit(picture, shape) {
        DynamicImage::ImageLuma16(picture) => picture.into_raw(),
        picture => picture.into_rgb16().into_raw(),
    }
}

fn fit(picture: DynamicImage, shape: &ImageShape) -> DynamicImage {
    let side = |side: usize| u32::try_from(side).expect("sides of pictures are far below 4 billion");
    let (width, height) = (side(shape.width), side(shape.height));
    if (picture.width(), picture.height()) == (width, height) {
        picture
    } else {
        picture.resize_exact(width, height, FilterType::Triangle)
    }
}

/// Transparency shows white.
fn on_white(picture: DynamicImage) -> DynamicImage {
    let blend = |value: u64, alpha: u64, white: u64| (value * alpha + white * (white - alpha) + white / 2) / white;
    let byte = |value: u8, alpha: u8| u8::try_from(blend(value.into(), alpha.into(), 255)).unwrap_or(u8::MAX);
    let word = |value: u16, alpha: u16| u16::try_from(blend(value.into(), alpha.into(), 65_535)).unwrap_or(u16::MAX);
    let (width, height) = (picture.width(), picture.height());
    match picture {
        DynamicImage::ImageLumaA8(from) => DynamicImage::ImageLuma8(GrayImage::from_fn(width, height, |x, y| {
            let [value, alpha] = from.get_pixel(x, y).0;
            image::Luma([byte(value, alpha)])
        })),
        DynamicImage::ImageLumaA16(from) => DynamicImage::ImageLuma16(ImageBuffer::from_fn(width, height, |x, y| {
            let [value, alpha] = from.get_pixel(x, y).0;
            image::Luma([word(value, alpha)])
        })),
        DynamicImage::ImageRgba8(from) => DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
            let [r, g, b, alpha] = from.get_pixel(x, y).0;
            image::Rgb([r, g, b].map(|value| byte(value, alpha)))
        })),
        picture if picture.color().has_alpha() => {
            let from = picture.into_rgba16();
            DynamicImage::ImageRgb16(ImageBuffer::from_fn(width, height, |x, y| {
                let [r, g, b, alpha] = from.get_pixel(x, y).0;
                image::Rgb([r, g, b].map(|value| word(value, alpha)))
            }))
        }
        picture => picture,
    }
}

fn header(path: &Path) -> std::result::Result<Header, String> {
    caught(|| {
        let file = open(path)?;
        let (format, mut decoder) = decoder(BufReader::new(file))?;
        let (width, height) = decoder.dimensions();
        let is_turned = matches!(
            orientation(&mut decoder),
            Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
        );
        let (width, height) = if is_turned { (height, width) } else { (width, height) };
        let colour = decoder.color_type();
        Ok(Header {
            width,
            height,
            is_grey: matches!(colour, ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16),
            is_wide: matches!(colour, ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16),
            misnamed: ImageFormat::from_path(path).ok() != Some(format),
        })
    })
}

/// A picture upright and opaque, as `pixels` wants it.
fn decode<T>(path: &Path, pixels: impl Fn(DynamicImage) -> T) -> std::result::Result<T, String> {
    caught(|| {
        let mut file = open(path)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(|error| error.to_string())?;
        let (format, mut decoder) = decoder(Cursor::new(&content))?;
        if format == ImageFormat::Jpeg && is_cut_off(&content) {
            return Err("the JPEG data ends early: the file was cut off".to_owned());
        }
        let orientation = orientation(&mut decoder);
        let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
        picture.apply_orientation(orientation);
        Ok(pixels(on_white(picture)))
    })
}

fn open(path: &Path) -> std::result::Result<File, String> {
    let found = fs::metadata(path).map_err(|error| error.to_string())?;
    if !found.is_file() {
        // opening a pipe would wait for ever
        return Err("not a file that can be read".to_owned());
    }
    if found.len() == 0 {
        return Err("the file is empty".to_owned());
    }
    if found.len() > MOST_MEMORY {
        return Err(format!("the file has {} bytes, more than 512 MiB", found.len()));
    }
    File::open(path).map_err(|error| error.to_string())
}

/// A decoder by the content's first bytes, under the limits of this file.
fn decoder<'a, R: std::io::BufRead + std::io::Seek + 'a>(
    content: R,
) -> std::result::Result<(ImageFormat, impl ImageDecoder + 'a), String> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(1 << 15);
    limits.max_image_height = Some(1 << 15);
    limits.max_alloc = Some(MOST_MEMORY);

    let mut reader = ImageReader::new(content).with_guessed_format().map_err(|error| error.to_string())?;
    let format = reader.format().filter(ImageFormat::reading_enabled).ok_or(NOT_AN_IMAGE)?;
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > MOST_PIXELS || decoder.total_bytes() > MOST_MEMORY {
        return Err(format!("{width}×{height} pixels; pictures of 1 to 64 million are read"));
    }
    Ok((format, decoder))
}

/// A camera's note which side is up; a damaged note counts as none.
fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    decoder.orientation().unwrap_or(Orientation::NoTransforms)
}

/// The decoder fills what is missing with grey instead of telling: a whole picture has an end marker
/// after its last scan (an embedded preview has its own, before).
fn is_cut_off(jpeg: &[u8]) -> bool {
    let last = |marker: [u8; 2]| jpeg.windows(2).rposition(|bytes| bytes == marker);
    last([0xff, 0xd9]) < last([0xff, 0xda])
}

thread_local! {
    /// A panic of this thread is caught and told as a problem of the file.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// A decoder that panics on damaged data counts as a failure, and prints nothing.
fn caught<T>(decode: impl FnOnce() -> std::result::Result<T, String>) -> std::result::Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !IS_CAUGHT.get() {
                usual(panic);
            }
        }));
    });
    IS_CAUGHT.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(decode));
    IS_CAUGHT.set(false);
    result.unwrap_or_else(|panic| Err(format!("the decoder failed: {}", panic_text(&*panic))))
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder};

    use super::super::idx::tests::{Scratch, chunks};
    use super::*;

    /// A picture of one colour: `[grey]`, `[r, g, b]` or with transparency.
    fn encode(format: ImageFormat, width: u32, height: u32, pixel: &[u8]) -> Vec<u8> {
        let pixels = pixel.repeat((width * height) as usize);
        let picture = match pixel.len() {
            1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
            2 => ImageBuffer::from_raw(width, height, pixels).map(DynamicImage::ImageLumaA8),
            3 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
            _ => ImageBuffer::from_raw(width, height, pixels).map(DynamicImage::ImageRgba8),
        };
        let mut bytes = Cursor::new(Vec::new());
        picture.expect("as many pixels").write_to(&mut bytes, format).expect("memory");
        bytes.into_inner()
    }

    fn png(width: u32, height: u32, pixel: &[u8]) -> Vec<u8> {
        encode(ImageFormat::Png, width, height, pixel)
    }

    fn wide_png(value: u16) -> Vec<u8> {
        let picture = ImageBuffer::from_pixel(2, 2, image::Luma([value]));
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::ImageLuma16(picture).write_to(&mut bytes, ImageFormat::Png).expect("memory");
        bytes.into_inner()
    }

    /// A grey JPEG of 2×1 pixels, black and white, with a note of the camera which side is up.
    fn jpeg(exif_orientation: u8) -> Vec<u8> {
        let mut jpeg = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 100);
        let row: Vec<u8> = [[0; 8], [255; 8]].concat();
        encoder.write_image(&row.repeat(8), 16, 8, ExtendedColorType::L8).expect("memory");
        let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([exif_orientation, 0, 0, 0, 0, 0, 0]);
        let length = u16::try_from(exif.len() + 2).expect("short").to_be_bytes();
        let app1 = [&[0xff, 0xe1], &length[..], &exif].concat();
        jpeg.splice(2..2, app1);
        jpeg
    }

    fn load(folder: &Scratch) -> Source {
        read(&folder.0, &Options::default()).expect("readable")
    }

    fn shape(source: &Source) -> (usize, usize, usize, f32) {
        let Features::Image(shape) = source.train.schema.features else { panic!("pictures") };
        (shape.height, shape.width, shape.channels, shape.white)
    }

    fn names(dataset: &Dataset) -> Vec<String> {
        (0..dataset.len()).map(|row| dataset.ids.get(row)).collect()
    }

    /// Each picture's name with its class.
    fn labelled(dataset: &Dataset) -> Vec<(String, Option<&str>)> {
        let class = |class: &Class| dataset.schema.classes[class.index()].as_str();
        names(dataset).into_iter().zip(dataset.labels.iter().map(|label| label.as_ref().map(class))).collect()
    }

    fn says(notes: &[String], text: &str) -> bool {
        notes.iter().any(|note| note.contains(text))
    }

    fn bytes_of(source: &Source) -> Vec<u8> {
        let Inputs::Bytes(pixels) = &source.train.inputs else { panic!("{:?}", source.train.inputs) };
        pixels.iter().copied().collect()
    }

    const GREY: &[u8] = &[100];

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

    #[test]
    fn damaged_pictures_are_problems_with_their_paths_and_the_rest_is_read() {
        let folder = Scratch::new("images-damaged");
        let whole = encode(ImageFormat::Png, 40, 40, &[1, 2, 3]);
        let photo = encode(ImageFormat::Jpeg, 64, 64, &[200, 30, 90]);
        folder.write("cat/good.png", &whole);
        folder.write("cat/1-truncated.png", &whole[..whole.len() / 2]);
        folder.write("cat/2-header.png", &whole[..20]);
        folder.write("cat/3-empty.png", "");
        folder.write("cat/4-text.jpg", "no picture at all, but a text");
        folder.write("cat/5-truncated.jpg", &photo[..photo.len() - 20]);
        folder.write("cat/6-phone.heic", "....ftypheic");
        folder.write("cat/7-bomb.png", bomb());
        let source = load(&folder);
        assert_eq!((names(&source.train), source.train.class_counts()), (vec!["cat/good.png".to_owned()], vec![1]));
        let mut places: Vec<&str> = source.problems.iter().map(|problem| &problem.place[4..5]).collect();
        places.sort_unstable();
        assert_eq!(places, ["1", "2", "3", "4", "5", "6", "7"], "{:?}", source.problems);
    }

    /// A PNG whose header promises 30,000 × 30,000 pixels.
    fn bomb() -> Vec<u8> {
        let mut png = png(1, 1, GREY);
        png[16..24].copy_from_slice(&[30_000_u32.to_be_bytes(), 30_000_u32.to_be_bytes()].concat());
        let mut crc = flate2::Crc::new();
        crc.update(&png[12..29]);
        png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        png
    }

    #[test]
    fn a_folder_without_a_readable_picture_says_why() {
        let folder = Scratch::new("images-nothing");
        folder.write("cat/a.png", "");
        let error = read(&folder.0, &Options::default()).expect_err("nothing to read");
        assert!(error.hint().is_some_and(|hint| hint.contains("cat/a.png: the file is empty")), "{error:?}");
    }

    #[test]
    fn a_panic_of_a_decoder_is_a_reason() {
        let result: std::result::Result<(), String> = caught(|| panic!("index {} out of range", 7));
        assert_eq!(result, Err("the decoder failed: index 7 out of range".to_owned()));
    }

    #[test]
    fn the_content_decides_not_the_ending() {
        let folder = Scratch::new("images-misnamed");
        folder.write("a.jpg", png(1, 1, GREY));
        folder.write("b", png(1, 1, GREY));
        folder.write("c.png", png(1, 1, GREY));
        let source = load(&folder);
        assert_eq!(bytes_of(&source), [100, 100, 100]);
        assert!(says(&source.notes, "2 pictures are in another format"), "{:?}", source.notes);
    }

    #[test]
    fn hidden_and_other_files_are_skipped_and_counted() {
        let folder = Scratch::new("images-hidden");
        folder.write("cat/a.png", png(1, 1, GREY));
        for name in [".git/x.png", "cat/.DS_Store", "cat/Thumbs.db", "__MACOSX/a.png", "cat/read me.txt"] {
            folder.write(name, &png(1, 1, GREY)[..4]);
        }
        let source = load(&folder);
        assert_eq!((source.train.len(), source.problems.len()), (1, 0));
        assert!(says(&source.notes, "4 hidden files"), "{:?}", source.notes);
        assert!(says(&source.notes, "1 files that are no pictures"), "{:?}", source.notes);
    }

    #[test]
    fn sixteen_bits_are_kept_where_all_have_them_and_scaled_where_not() {
        let folder = Scratch::new("images-wide");
        folder.write("a.png", wide_png(65_535));
        folder.write("b.png", wide_png(300));
        let source = load(&folder);
        assert_eq!(shape(&source), (2, 2, 1, 65_535.0));
        assert_eq!(source.train.inputs, Inputs::Words(ndarray::array![[65_535; 4], [300; 4]]));

        folder.write("c.png", png(2, 2, GREY));
        folder.write("d.png", wide_png(32_896));
        let source = load(&folder);
        assert_eq!(shape(&source), (2, 2, 1, 255.0));
        assert_eq!(bytes_of(&source), [[255; 4], [1; 4], [100; 4], [128; 4]].concat());
        assert!(says(&source.notes, "3 of 4 pictures have 16 bits"), "{:?}", source.notes);
    }

    #[test]
    fn transparency_shows_white() {
        let folder = Scratch::new("images-alpha");
        folder.write("a.png", png(1, 1, &[0, 0]));
        folder.write("b.png", png(1, 1, &[0, 255]));
        folder.write("c.png", png(1, 1, &[100, 128]));
        assert_eq!(bytes_of(&load(&folder)), [255, 0, 177]);
        folder.write("d.png", png(1, 1, &[10, 20, 30, 0]));
        assert_eq!(bytes_of(&load(&folder))[9..], [255, 255, 255]);
    }

    #[test]
    fn grey_stays_grey_unless_one_picture_has_colour() {
        let folder = Scratch::new("images-grey");
        folder.write("a.png", png(1, 1, GREY));
        assert_eq!(shape(&load(&folder)).2, 1);
        folder.write("b.bmp", encode(ImageFormat::Bmp, 1, 1, &[1, 2, 3]));
        let source = load(&folder);
        assert_eq!(bytes_of(&source), [100, 100, 100, 1, 2, 3]);
        assert!(says(&source.notes, "1 grey pictures among 1 in colour"), "{:?}", source.notes);
    }

    #[test]
    fn every_format_is_read() {
        let folder = Scratch::new("images-formats");
        for (name, format) in [
            ("a.bmp", ImageFormat::Bmp),
            ("b.gif", ImageFormat::Gif),
            ("c.png", ImageFormat::Png),
            ("d.tiff", ImageFormat::Tiff),
            ("e.webp", ImageFormat::WebP),
            ("f.jpg", ImageFormat::Jpeg),
        ] {
            let pixel: &[u8] = if format == ImageFormat::Gif { &[80, 80, 80, 255] } else { &[80, 80, 80] };
            folder.write(name, encode(format, 2, 2, pixel));
        }
        let source = load(&folder);
        assert!(source.problems.is_empty(), "{:?}", source.problems);
        assert!(bytes_of(&source).iter().all(|pixel| pixel.abs_diff(80) < 4), "{:?}", source.train.inputs);
    }

    #[test]
    fn the_cameras_orientation_is_applied() {
        let folder = Scratch::new("images-exif");
        folder.write("a.jpg", jpeg(1));
        assert_eq!(shape(&load(&folder)), (8, 16, 1, 255.0));
        // 6: turn a quarter to the right, so that the left side comes up
        folder.write("a.jpg", jpeg(6));
        let source = load(&folder);
        assert_eq!(shape(&source), (16, 8, 1, 255.0));
        let pixels = bytes_of(&source);
        assert!(pixels[0] < 5 && pixels[7] < 5 && pixels[127] > 250, "{pixels:?}");
        folder.write("a.jpg", jpeg(3));
        let pixels = bytes_of(&load(&folder));
        assert!(pixels[0] > 250 && pixels[15] < 5, "{pixels:?}");
    }

    #[test]
    fn the_most_common_size_wins_and_the_others_are_resized() {
        let folder = Scratch::new("images-sizes");
        folder.write("a.png", png(3, 2, GREY));
        folder.write("b.png", png(3, 2, GREY));
        folder.write("c.png", png(90, 200, GREY));
        let source = load(&folder);
        assert_eq!(shape(&source), (2, 3, 1, 255.0));
        assert_eq!(bytes_of(&source), [100; 18]);
        assert!(
            says(&source.notes, "resized to 2×3 (height × width); found: 2 of 2×3, 1 of 200×90"),
            "{:?}",
            source.notes
        );
    }

    #[test]
    fn large_pictures_come_down_to_sixty_four_with_their_proportions() {
        assert_eq!(shrink((480, 640)), (48, 64));
        assert_eq!(shrink((64, 64)), (64, 64));
        assert_eq!(shrink((30_000, 3)), (64, 1));
        let folder = Scratch::new("images-large");
        folder.write("a.png", png(640, 480, GREY));
        assert_eq!(shape(&load(&folder)), (48, 64, 1, 255.0));
        let options = Options { image_size: Some((5, 6)), ..Options::default() };
        assert_eq!(shape(&read(&folder.0, &options).expect("readable")), (5, 6, 1, 255.0));
        let options = Options { image_size: Some((0, 6)), ..Options::default() };
        assert!(read(&folder.0, &options).is_err());
    }

    #[test]
    fn a_run_prescribes_size_channels_brightness_and_classes() {
        let folder = Scratch::new("images-schema");
        folder.write("cat/a.png", png(3, 3, &[255, 255, 255]));
        let shape = ImageShape { height: 2, width: 2, channels: 1, white: 16.0 };
        let schema = Schema { classes: vec!["dog".to_owned(), "cat".to_owned()], features: Features::Image(shape) };
        let options = Options { schema: Some(schema.clone()), ..Options::default() };
        let train = read(&folder.0, &options).expect("readable").train;
        assert_eq!((&train.schema, train.class_counts()), (&schema, vec![0, 1]));
        assert_eq!(train.inputs, Inputs::Floats(ndarray::array![[16.0, 16.0, 16.0, 16.0]]));
        let columns = Schema { classes: Vec::new(), features: Features::Columns(Vec::new()) };
        assert!(chunks(&FORMAT, &folder.0, &columns).is_err());
    }

    #[test]
    fn names_keep_spaces_percent_signs_and_every_script() {
        let folder = Scratch::new("images-names");
        let names_of_files = ["ein wenig/100%.png", "ein wenig/a+b,\"c\".png", "猫/🐈.png", "猫/e\u{301}.png"];
        for name in names_of_files {
            folder.write(name, png(1, 1, GREY));
        }
        let source = load(&folder);
        let mut expected = names_of_files.to_vec();
        expected.sort_unstable();
        assert_eq!(names(&source.train), expected);
        assert_eq!(source.train.schema.classes, ["ein wenig", "猫"]);
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_unicode_are_escaped() {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(b"50% caf\xe9.png");
        assert_eq!(id(&Path::new("a%b").join(name)), "a%b/50%25 caf%E9.png");
        let folder = Scratch::new("images-bytes");
        fs::write(folder.0.join(name), png(1, 1, GREY)).expect("writable");
        assert_eq!(names(&load(&folder).train), ["50%25 caf%E9.png"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        use std::os::unix::fs::symlink;
        let folder = Scratch::new("images-links");
        folder.write("cat/a.png", png(1, 1, GREY));
        symlink("..", folder.0.join("cat/up")).expect("writable");
        symlink(".", folder.0.join("cat/self")).expect("writable");
        symlink("cat", folder.0.join("feline")).expect("writable");
        symlink("nowhere", folder.0.join("cat/broken.png")).expect("writable");
        let source = load(&folder);
        assert_eq!(names(&source.train), ["cat/a.png", "feline/a.png"]);
        assert!(says(&source.notes, "4 folders that were met before"), "{:?}", source.notes);
        assert_eq!(source.problems.len(), 2);
        assert_eq!(chunks(&FORMAT, &folder.0, &source.train.schema).expect("readable")[0].ids.len(), 2);
    }

    #[test]
    fn a_stream_has_an_entry_for_every_file() {
        let folder = Scratch::new("images-stream");
        folder.write("b/dog.png", png(9, 9, &[7, 7, 7]));
        folder.write("a.png", png(1, 1, GREY));
        folder.write("b.txt", "no picture");
        folder.write("c.png", "");
        folder.write(".hidden.png", png(1, 1, GREY));
        let shape = ImageShape { height: 1, width: 1, channels: 3, white: 255.0 };
        let schema = Schema { classes: Vec::new(), features: Features::Image(shape) };
        let all = chunks(&FORMAT, &folder.0, &schema).expect("readable");
        assert_eq!(all[0].ids, ["a.png", "b/dog.png", "b.txt", "c.png"]);
        assert_eq!(
            all[0].status,
            [
                Status::Ok,
                Status::Ok,
                Status::Unreadable(NOT_AN_IMAGE.to_owned()),
                Status::Unreadable("the file is empty".to_owned())
            ]
        );
        assert_eq!(all[0].inputs, Inputs::Bytes(ndarray::array![[100, 100, 100], [7, 7, 7], [0, 0, 0], [0, 0, 0]]));

        let one = folder.0.join("a.png");
        assert!(claims(&one) && !claims(&folder.0.join("b.txt")));
        assert_eq!(chunks(&FORMAT, &one, &schema).expect("readable")[0].ids, ["a.png"]);
        assert_eq!(labelled(&read(&one, &Options::default()).expect("readable").train), [("a.png".to_owned(), None)]);
    }

    #[test]
    fn chunks_of_a_stream_are_limited() {
        let folder = Scratch::new("images-many");
        let picture = png(1, 1, GREY);
        for number in 0..=CHUNK {
            folder.write(&format!("{number:04}.png"), &picture);
        }
        let schema = load(&folder).train.schema;
        let all = chunks(&FORMAT, &folder.0, &schema).expect("readable");
        assert_eq!(all.iter().map(|chunk| chunk.ids.len()).collect::<Vec<_>>(), [CHUNK, 1]);
        assert_eq!(all[1].ids, ["1024.png"]);
    }
}
