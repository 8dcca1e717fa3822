//! `.npy` and `.npz`, as numpy writes them: arrays with a header that says type, order and shape.
//!
//! What an array means follows from its shape: `[n, h, w]`, `[n, h, w, c]` and `[n, c, h, w]` are
//! pictures, `[n, d]` is columns. Which array is which follows from its name: see [`SPLITS`].

mod inputs;
mod labels;
mod raw;
#[cfg(test)]
mod testing;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use self::inputs::{Loaded, load_inputs};
use self::labels::load_labels;
use self::raw::Raw;
use super::arrays::{Part, Parts, assemble, emit};
use super::labels_from::{ItemLabels, Items, labels_from};
use super::texts::unlabelled;
use super::{Format, Options, Problem, Sink, Source, Status};
use crate::dataset::{Features, Ids, Inputs, Schema};
use crate::error::{Error, Place, Result};
use crate::labels::Texts;

pub(super) use self::raw::half;

pub(super) const FORMAT: Format = Format {
    name: "npy",
    about: "NumPy arrays: an .npz (x_train, y_train, …), X.npy with y.npy beside it or --labels-from, or a folder of such",
    claims,
    takes_labels: true,
    read,
    stream,
};

/// Names of arrays, in lower case: the inputs and the labels of each split. The first that is there
/// is taken.
const SPLITS: [Names; 3] = [
    Names {
        x: &["x_train", "train_images", "x", "images", "data"],
        y: &["y_train", "train_labels", "y", "labels", "target"],
    },
    Names { x: &["x_val", "x_valid", "val_images"], y: &["y_val", "y_valid", "val_labels"] },
    Names { x: &["x_test", "test_images"], y: &["y_test", "test_labels"] },
];

struct Names {
    x: &'static [&'static str],
    y: &'static [&'static str],
}

fn claims(path: &Path) -> bool {
    if path.is_dir() {
        return folder_arrays(path).iter().any(|array| SPLITS[0].x.contains(&array.key.as_str()));
    }
    path.is_file() && (has_ending(path, "npy") || has_ending(path, "npz"))
}

fn read(path: &Path, options: &Options) -> Result<Source> {
    let mut store = Store::open(path)?;
    let mut notes = Vec::new();
    let mut problems = Vec::new();
    let mut wanted = options.schema.as_ref().map(|schema| schema.features.clone());
    let mut parts = Vec::new();
    let splits = store.splits();
    // The training data, or what stands for them.
    let main = [0, 2, 1].into_iter().find(|&at| splits[at].is_some());
    for (at, split) in splits.into_iter().enumerate() {
        parts.push(match split {
            Some(split) => {
                let from = options.labels_from.as_deref().filter(|_| Some(at) == main);
                let (part, features) = read_part(&split, from, wanted.as_ref(), options, &mut notes, &mut problems)?;
                wanted = Some(features);
                Some(part)
            }
            None => None,
        });
    }
    let [train, validation, test] = <[_; 3]>::try_from(parts).ok().expect("one part a split");
    let (parts, only) = match (train, validation, test) {
        (Some(train), validation, test) => (Parts { train, validation, test }, ""),
        (None, validation, Some(test)) => (Parts { train: test, validation, test: None }, "test"),
        (None, Some(validation), None) => (Parts { train: validation, validation: None, test: None }, "validation"),
        (None, None, None) => return Err(store.unknown()),
    };
    if !only.is_empty() {
        notes.push(format!("there is no training split; the {only} split is taken as the data"));
    }
    if !store.arrays.is_empty() {
        notes.push(format!("arrays that are not read: {}", store.names()));
    }
    let features = wanted.expect("one split at least was read");
    assemble(&features, parts, options, notes, problems)
}

/// The inputs of the test split where there is one, else of the only split.
fn stream(path: &Path, schema: &Schema, _: &Options, sink: Sink) -> Result<()> {
    let mut store = Store::open(path)?;
    let [train, validation, test] = store.splits();
    let Some(Split { x, .. }) = test.or(train).or(validation) else { return Err(store.unknown()) };
    let mut loaded = x.with(|raw| load_inputs(raw, false, Some(&schema.features), &mut Vec::new()))?;
    let reason = loaded.reason();
    if let Inputs::Floats(numbers) = &mut loaded.inputs {
        for &row in &loaded.unusable {
            numbers.row_mut(row).fill(0.0);
        }
    }
    let status = |row| match loaded.unusable.binary_search(&row) {
        Ok(_) => Status::Unreadable(reason.to_owned()),
        Err(_) => Status::Ok,
    };
    emit(&loaded.inputs, status, sink)
}

/// The labels of an array file, for items that lie elsewhere.
pub(super) fn label_array(path: &Path, notes: &mut Vec<String>) -> Result<Texts> {
    let entry = Entry { key: "y".to_owned(), path: path.to_owned(), index: None };
    entry.with(|mut raw| load_labels(&mut raw, notes))
}

fn read_part(
    Split { x, y }: &Split,
    from: Option<&Path>,
    wanted: Option<&Features>,
    options: &Options,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Result<(Part, Features)> {
    let labelled = y.is_some() || from.is_some();
    let loaded = x.with(|raw| load_inputs(raw, labelled, wanted, notes))?;
    let reason = loaded.reason();
    let Loaded { inputs, features, unusable } = loaded;
    let items = inputs.rows();
    let ids = Ids::first(items);
    let labels = if let Some(from) = from {
        if let Some(y) = y {
            notes.push(format!("labels in {} are not read, since {} has them", y.name(), from.display()));
        }
        Some(labels_from(from, Items { path: &x.path, ids: &ids, count: items }, options, notes, problems)?)
    } else {
        None
    };
    let (texts, origin, lines) = match (labels, y) {
        (Some(ItemLabels { texts, origin, lines }), _) => (texts, origin, Some(lines)),
        (None, Some(y)) => {
            let labels = y.with(|mut raw| load_labels(&mut raw, notes))?;
            if labels.codes.len() != items {
                return Err(Error::data(
                    x.path.as_path(),
                    format!("{} holds {items} items, but {} holds {} labels", x.name(), y.name(), labels.codes.len()),
                    "the two arrays must have the same first size",
                ));
            }
            (labels, y.origin(), None)
        }
        (None, None) => {
            notes.push(format!("no labels go with {}: its items are unlabelled", x.name()));
            (unlabelled(items), x.origin(), None)
        }
    };
    if unusable.is_empty() {
        return Ok((Part { inputs, ids, texts, origin, lines }, features));
    }
    problems.extend(
        unusable
            .iter()
            .map(|&row| Problem { place: Place::row(&x.path, row as u64 + 1).to_string(), reason: reason.to_owned() }),
    );
    let usable: Vec<usize> = (0..items).filter(|row| unusable.binary_search(row).is_err()).collect();
    let texts = Texts { codes: usable.iter().map(|&row| texts.codes[row]).collect(), distinct: texts.distinct };
    Ok((Part { inputs: inputs.keep(&usable), ids: ids.select(&usable), texts, origin, lines }, features))
}

/// Where the arrays of a path lie.
struct Store {
    path: PathBuf,
    arrays: Vec<Entry>,
}

/// One array, not yet read.
struct Entry {
    /// Its name in lower case, by which it is known.
    key: String,
    path: PathBuf,
    /// Its index in the archive, where `path` is an `.npz`.
    index: Option<usize>,
}

struct Split {
    x: Entry,
    y: Option<Entry>,
}

impl Store {
    fn open(path: &Path) -> Result<Store> {
        let arrays = if path.is_dir() {
            folder_arrays(path)
        } else if has_ending(path, "npz") {
            archive_arrays(path)?
        } else {
            let mut arrays = vec![Entry { key: "x".to_owned(), path: path.to_owned(), index: None }];
            let labels = labels_beside(path).map(|path| Entry { key: "y".to_owned(), path, index: None });
            arrays.extend(labels);
            arrays
        };
        Ok(Store { path: path.to_owned(), arrays })
    }

    /// Takes the arrays of the splits out of the store; those that stay have unknown names.
    fn splits(&mut self) -> [Option<Split>; 3] {
        SPLITS.map(|names| {
            let x = self.take(names.x)?;
            Some(Split { x, y: self.take(names.y) })
        })
    }

    fn take(&mut self, names: &[&str]) -> Option<Entry> {
        let at = names.iter().find_map(|name| self.arrays.iter().position(|array| array.key == *name))?;
        Some(self.arrays.remove(at))
    }

    fn names(&self) -> String {
        self.arrays.iter().map(|array| array.key.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn unknown(&self) -> Error {
        let accepted: Vec<String> =
            SPLITS.iter().flat_map(|names| [names.x, names.y]).map(|names| names.join(" or ")).collect();
        Error::data(
            self.path.as_path(),
            format!("holds no array of inputs under a known name, but: {}", self.names()),
            format!("known names: {}", accepted.join("; ")),
        )
    }
}

impl Entry {
    /// For messages.
    fn name(&self) -> String {
        match self.index {
            Some(_) => format!("`{}`", self.key),
            None => self.path.display().to_string(),
        }
    }

    fn origin(&self) -> Place {
        Place { path: self.path.clone(), row: None, column: self.index.map(|_| self.key.clone()) }
    }

    /// What `take` makes of the array.
    fn with<T>(&self, take: impl FnOnce(Raw) -> Result<T>) -> Result<T> {
        let mut file = BufReader::new(File::open(&self.path).map_err(|error| Error::io(&self.path, error))?);
        let Some(index) = self.index else { return take(Raw::open(&mut file, &self.path, self.name())?) };
        let mut archive = ZipArchive::new(file).map_err(|error| damaged_archive(&self.path, &error))?;
        let mut member = archive.by_index(index).map_err(|error| damaged_archive(&self.path, &error))?;
        let reader: &mut dyn Read = &mut member;
        take(Raw::open(reader, &self.path, self.name())?)
    }
}

fn folder_arrays(folder: &Path) -> Vec<Entry> {
    let entries = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let mut arrays: Vec<Entry> = entries
        .filter(|path| has_ending(path, "npy") && path.is_file())
        .filter_map(|path| Some(Entry { key: path.file_stem()?.to_str()?.to_lowercase(), path, index: None }))
        .collect();
    arrays.sort_by(|a, b| a.path.cmp(&b.path));
    arrays
}

fn archive_arrays(path: &Path) -> Result<Vec<Entry>> {
    let file = BufReader::new(File::open(path).map_err(|error| Error::io(path, error))?);
    let archive = ZipArchive::new(file).map_err(|error| damaged_archive(path, &error))?;
    let names = (0..archive.len()).filter_map(|index| Some((index, archive.name_for_index(index)?.ok()?)));
    Ok(names
        .map(|(index, name)| Entry {
            key: name.strip_suffix(".npy").unwrap_or(&name).to_lowercase(),
            path: path.to_owned(),
            index: Some(index),
        })
        .collect())
}

fn damaged_archive(path: &Path, error: &zip::result::ZipError) -> Error {
    Error::data(path, format!("is not an .npz that can be read: {error}"), "write it again with numpy.savez")
}

/// `y.npy` or `labels.npy` beside `X.npy`, `y_train.npy` beside `x_train.npy`, and so on.
fn labels_beside(inputs: &Path) -> Option<PathBuf> {
    let stem = inputs.file_stem()?.to_str()?;
    let key = stem.to_lowercase();
    let mut names: Vec<&str> = Vec::new();
    for split in &SPLITS {
        if let Some(at) = split.x.iter().position(|name| *name == key) {
            names.extend(split.y.get(at));
            names.extend(split.y);
        }
    }
    let of_a_split = ["train", "test", "val"].iter().any(|split| key.contains(split));
    if !of_a_split {
        names.extend(["y", "labels"]);
    }
    let upper = names.iter().map(|name| name.to_uppercase());
    let capital = names.iter().map(|name| name.replacen('y', "Y", 1));
    let spellings = names.iter().map(|name| (*name).to_owned()).chain(capital).chain(upper);
    spellings.map(|name| inputs.with_file_name(format!("{name}.npy"))).find(|path| path.is_file() && path != inputs)
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::Chunk;
    use super::super::testing::{Scratch, chunks};
    use super::testing::{bytes, floats, image, load, npy, problem};
    use super::*;

    fn npz(folder: &Scratch, arrays: &[(&str, Vec<u8>)]) -> PathBuf {
        let path = folder.0.join("data.npz");
        let mut archive = zip::ZipWriter::new(File::create(&path).expect("writable"));
        for (at, (name, bytes)) in arrays.iter().enumerate() {
            let method = if at % 2 == 0 { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
            let options = zip::write::SimpleFileOptions::default().compression_method(method);
            archive.start_file(format!("{name}.npy"), options).expect("writable");
            archive.write_all(bytes).expect("writable");
        }
        archive.finish().expect("writable");
        path
    }

    #[test]
    fn keras_and_medmnist_archives_have_their_splits() {
        let folder = Scratch::new("npz-keras");
        let (x, y) = (bytes(&[3, 4, 4]), npy("<i8", false, &[3], &[[0; 8], [1, 0, 0, 0, 0, 0, 0, 0], [0; 8]].concat()));
        let path = npz(
            &folder,
            &[("x_train", x.clone()), ("y_train", y.clone()), ("x_test", x.clone()), ("y_test", y.clone())],
        );
        let source = load(&path);
        assert_eq!(image(&source), (4, 4, 1, 255.0));
        assert_eq!(source.train.class_counts(), [2, 1]);
        assert_eq!(source.test.map(|test| test.len()), Some(3));

        // medmnist's labels are [n, 1]
        let column = npy("|u1", false, &[3, 1], &[5, 6, 6]);
        let names = ["train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"];
        let arrays: Vec<_> = names
            .iter()
            .map(|name| (*name, if name.ends_with("images") { x.clone() } else { column.clone() }))
            .collect();
        let source = load(&npz(&folder, &arrays));
        assert_eq!(source.train.schema.classes, ["5", "6"]);
        assert!(source.validation.is_some() && source.test.is_some());
    }

    #[test]
    fn names_are_known_in_capitals_and_others_are_told() {
        let folder = Scratch::new("npz-names");
        let source = load(&npz(&folder, &[("X", bytes(&[2, 5])), ("y", bytes(&[2])), ("extra", bytes(&[1]))]));
        assert_eq!(source.train.labelled().len(), 2);
        assert!(source.notes.iter().any(|note| note.contains("extra")), "{:?}", source.notes);

        let problem = problem(&npz(&folder, &[("features", bytes(&[2, 5])), ("weights", bytes(&[2]))]));
        assert!(problem.contains("features, weights") && problem.contains("x_train"), "{problem}");
    }

    #[test]
    fn an_npy_finds_its_labels_beside_it() {
        for (x, y) in
            [("X", "y"), ("x_train", "y_train"), ("images", "labels"), ("embeddings", "labels"), ("X_test", "Y_test")]
        {
            let folder = Scratch::new("npy-beside");
            folder.write(&format!("{y}.npy"), bytes(&[2]));
            let path = folder.write(&format!("{x}.npy"), bytes(&[2, 5]));
            assert_eq!(load(&path).train.labelled(), [0, 1], "{x}");
        }
        let folder = Scratch::new("npy-alone");
        folder.write("y.npy", bytes(&[7]));
        let source = load(&folder.write("x_test.npy", bytes(&[2, 5])));
        assert_eq!(source.train.labels, [None, None]);
        assert!(source.notes[0].contains("unlabelled"));
    }

    #[test]
    fn a_folder_of_arrays_is_claimed_and_read() {
        let folder = Scratch::new("npy-folder");
        folder.write("y_train.npy", bytes(&[2]));
        assert!(!claims(&folder.0));
        folder.write("X_train.npy", bytes(&[2, 5]));
        assert!(claims(&folder.0));
        assert_eq!(load(&folder.0).train.labelled(), [0, 1]);
    }

    #[test]
    fn a_picture_with_a_nan_is_a_problem_and_the_others_are_kept() {
        let folder = Scratch::new("npy-nan");
        folder.write("y.npy", bytes(&[3]));
        let path = folder.write("X.npy", floats(&[3, 1, 1], &[0.5, f32::NAN, 1.0]));
        let source = load(&path);
        assert_eq!((source.train.len(), source.train.ids.get(1)), (2, "3".to_owned()));
        assert!(source.problems[0].place.ends_with("row 2"), "{:?}", source.problems);
        let chunks: Vec<Chunk> = chunks(&FORMAT, &path, &source.train.schema).expect("readable");
        assert_eq!(chunks[0].status[1], Status::Unreadable("a pixel is NaN or infinite".to_owned()));
        assert_eq!(chunks[0].inputs, Inputs::Floats(ndarray::array![[0.5], [0.0], [1.0]]));
    }

    #[test]
    fn indices_become_the_names_of_known_classes() {
        let folder = Scratch::new("npy-classes");
        folder.write("y.npy", npy("|i1", false, &[3], &[1, 255, 1]));
        let path = folder.write("X.npy", floats(&[3, 1], &[0.0; 3]));
        let classes = ["cat", "dog"].map(str::to_owned).to_vec();
        let options = Options { classes: Some(classes.clone()), ..Options::default() };
        // −1 and 1 may as well be the two classes: nobody guesses
        assert!(read(&path, &options).is_err());
        folder.write("y.npy", npy("|i1", false, &[3], &[1, 255, 0]));
        let train = read(&path, &options).expect("readable").train;
        assert_eq!((train.class_counts(), train.schema.classes), (vec![1, 1], classes));
    }

    #[test]
    fn data_of_another_kind_than_the_runs_is_refused() {
        let folder = Scratch::new("npy-schema");
        let columns = load(&folder.write("X.npy", bytes(&[2, 3]))).train.schema;
        let pictures = load(&folder.write("X.npy", bytes(&[2, 3, 3]))).train.schema;
        let said = |schema: &Schema, bytes| {
            let path = folder.write("new.npy", bytes);
            chunks(&FORMAT, &path, schema).expect_err("another shape").to_string()
        };
        assert!(said(&columns, bytes(&[2, 4])).contains("4 columns where 3 are needed"));
        assert!(said(&columns, bytes(&[2, 3, 3])).contains("pictures of 3×3×1 where 3 columns"));
        assert!(said(&pictures, bytes(&[2, 4, 4])).contains("4×4×1 where 3×3×1"));
        assert!(said(&pictures, floats(&[1, 3, 3], &[0.9; 9])).contains("255 is white"));
        let flat = folder.write("new.npy", bytes(&[2, 9]));
        assert_eq!(chunks(&FORMAT, &flat, &pictures).expect("as pictures")[0].inputs.rows(), 2);
    }

    #[test]
    fn an_archive_streams_its_test_split() {
        let folder = Scratch::new("npz-stream");
        let path = npz(&folder, &[("x_train", bytes(&[3, 2])), ("x_test", bytes(&[2, 2]))]);
        let schema = load(&path).train.schema;
        assert_eq!(chunks(&FORMAT, &path, &schema).expect("readable")[0].ids, ["1", "2"]);
    }
}
