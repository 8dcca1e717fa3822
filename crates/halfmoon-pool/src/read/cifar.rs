//! CIFAR's binary files: records of a label byte (CIFAR-100: a coarse one and a fine one) and a picture of 32×32, all its
//! red bytes first, then the green and the blue ones. There is no header: only a length that is no whole number of records,
//! and a label that no class has, tell a damaged file.
//!
//! Training batches are one split, in the order of their numbers; an item's position counts through them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::slice;

use ndarray::Array2;

use super::arrays::{Part, Parts, assemble, brightest, fill, fit_shape};
use super::texts::{Interner, class_names, locate};
use super::{CHUNK, Chunk, Format, Options, Sink, Source, Status};
use crate::dataset::{Features, Ids, ImageShape, Inputs, Schema};
use crate::error::{Error, Place, Result};
use crate::labels::{Texts, grouped};

pub(super) const FORMAT: Format = Format {
    name: "cifar",
    about: "CIFAR-10's binary files (data_batch_1.bin, …, test_batch.bin) or CIFAR-100's (train.bin, test.bin): a folder or one file",
    claims,
    takes_labels: false,
    read,
    stream,
};

/// What the two data sets differ in.
struct Kind {
    name: &'static str,
    /// For each label byte of a record, how many values it has. The last byte is the class.
    labels: &'static [usize],
    train: &'static [&'static str],
    test: &'static str,
    /// The names of the classes, one a line.
    names: &'static str,
    /// What a reader should know of its labels.
    note: Option<&'static str>,
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "CIFAR-10",
        labels: &[10],
        train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
        test: "test_batch.bin",
        names: "batches.meta.txt",
        note: None,
    },
    Kind {
        name: "CIFAR-100",
        labels: &[20, 100],
        train: &["train.bin"],
        test: "test.bin",
        names: "fine_label_names.txt",
        note: Some("the classes are CIFAR-100's 100 fine labels; its 20 coarse ones are not used"),
    },
];

const SHAPE: ImageShape = ImageShape { height: 32, width: 32, channels: 3, white: 255.0 };

impl Kind {
    fn files(&self) -> impl Iterator<Item = &'static str> {
        self.train.iter().copied().chain([self.test])
    }

    /// Bytes of a record.
    fn record(&self) -> usize {
        self.labels.len() + SHAPE.len()
    }

    fn classes(&self) -> usize {
        *self.labels.last().expect("a record has a label")
    }
}

fn claims(path: &Path) -> bool {
    let mut files = KINDS.iter().flat_map(Kind::files);
    if path.is_dir() {
        return files.any(|file| path.join(file).is_file());
    }
    path.is_file() && files.any(|file| path.ends_with(file))
}

fn read(path: &Path, options: &Options) -> Result<Source> {
    let Found { kind, train, test, mut notes } = find(path)?;
    notes.extend(kind.note.map(str::to_owned));
    let folder = if path.is_dir() { Some(path) } else { path.parent() };
    let names = names(kind, folder.unwrap_or(path), &mut notes)?;

    let train_split = Split::read(kind, &train, &names)?;
    let test_split = test.as_ref().map(|file| Split::read(kind, slice::from_ref(file), &names)).transpose()?;

    let wanted = options.schema.as_ref().map(|schema| &schema.features);
    let features = Features::Image(fit_shape(SHAPE, brightest(&train_split.pixels), path, wanted)?);
    if let Some((split, file)) = test_split.as_ref().zip(test.as_deref()) {
        fit_shape(SHAPE, brightest(&split.pixels), file, Some(&features))?;
    }

    // A name of which the user says that it means "no label" is no class.
    let is_class = |name: &String| !options.missing_labels.iter().any(|text| text.trim() == name);
    let classes = options.classes.clone().unwrap_or_else(|| names.into_iter().filter(is_class).collect());
    let options = Options { classes: Some(classes), ..options.clone() };
    let sizes = train_split.sizes.clone();
    let parts = Parts {
        train: train_split.part(path),
        validation: None,
        test: test_split.zip(test.as_deref()).map(|(split, file)| split.part(file)),
    };
    assemble(&features, parts, &options, notes, Vec::new()).map_err(|error| in_its_file(error, path, &train, &sizes))
}

/// A file's pictures; of a folder, the pictures of the test split, or of the only split it has. Labels are not looked at:
/// they are what is asked for, and may be anything.
fn stream(path: &Path, schema: &Schema, _: &Options, sink: Sink) -> Result<()> {
    let Found { kind, train, test, .. } = find(path)?;
    let mut done = 0;
    for file in test.map_or(train, |test| vec![test]) {
        let mut records = Records::open(kind, &file)?;
        while let Some(bytes) = records.next()? {
            let planes = bytes.chunks_exact(kind.record()).map(|record| &record[kind.labels.len()..]);
            let pixels = rows(planes.flat_map(interleaved).collect());
            fit_shape(SHAPE, brightest(&pixels), &file, Some(&schema.features))?;
            let items = pixels.nrows();
            sink(Chunk {
                ids: (done + 1..=done + items).map(|position| position.to_string()).collect(),
                status: vec![Status::Ok; items],
                inputs: Inputs::Bytes(pixels),
            })?;
            done += items;
        }
    }
    Ok(())
}

/// The files of a path.
struct Found {
    kind: &'static Kind,
    /// At least one.
    train: Vec<PathBuf>,
    test: Option<PathBuf>,
    notes: Vec<String>,
}

fn find(path: &Path) -> Result<Found> {
    if !path.is_dir() {
        return Ok(Found { kind: kind_of_file(path)?, train: vec![path.to_owned()], test: None, notes: Vec::new() });
    }
    let is_there = |file: &&str| path.join(file).is_file();
    let kinds: Vec<&Kind> = KINDS.iter().filter(|kind| kind.files().any(|file| is_there(&file))).collect();
    let kind = match kinds[..] {
        [kind] => kind,
        [] => {
            return Err(Error::data(
                path,
                "holds no file named like data_batch_1.bin, test_batch.bin, train.bin or test.bin",
                "give the folder into which the archive of CIFAR's binary version was unpacked",
            ));
        }
        _ => {
            return Err(Error::data(
                path,
                "holds files of CIFAR-10 and of CIFAR-100",
                "give one of the files, or put each set in a folder of its own",
            ));
        }
    };
    let (train, missing): (Vec<&str>, Vec<&str>) = kind.train.iter().partition(|file| is_there(file));
    let mut notes = Vec::new();
    if !train.is_empty() && !missing.is_empty() {
        notes.push(format!("the training split is what {} hold: there is no {}", train.join(", "), missing.join(", ")));
    }
    let others = others(kind, path)?;
    if !others.is_empty() {
        notes.push(format!("files that are not read, since {} has none named so: {}", kind.name, others.join(", ")));
    }
    let train: Vec<PathBuf> = train.into_iter().map(|file| path.join(file)).collect();
    let test = is_there(&kind.test).then(|| path.join(kind.test));
    let (train, test) = match test {
        Some(test) if train.is_empty() => {
            notes.push("there is only a test split; its pictures are taken as the data".to_owned());
            (vec![test], None)
        }
        None => {
            notes.push(format!("there is no {}: the data have no test split of their own", kind.test));
            (train, None)
        }
        test => (train, test),
    };
    Ok(Found { kind, train, test, notes })
}

/// By its name; where that is another one, by its length.
fn kind_of_file(path: &Path) -> Result<&'static Kind> {
    if let Some(kind) = KINDS.iter().find(|kind| kind.files().any(|file| path.ends_with(file))) {
        return Ok(kind);
    }
    let length = path.metadata().map_err(|error| Error::io(path, error))?.len();
    KINDS.iter().find(|kind| length.is_multiple_of(kind.record() as u64)).ok_or_else(|| {
        let records = KINDS.map(|kind| format!("{} ({} bytes)", kind.name, grouped(kind.record())));
        Error::data(
            path,
            format!("holds {length} bytes, which are no whole number of records of {}", records.join(" or ")),
            "give a binary file of CIFAR; if it is one, it was cut off: copy or download it again",
        )
    })
}

/// A folder's other files whose names end as this format's do.
fn others(kind: &Kind, folder: &Path) -> Result<Vec<String>> {
    let entries = folder.read_dir().map_err(|error| Error::io(folder, error))?;
    let names = entries.flatten().map(|entry| PathBuf::from(entry.file_name()));
    let mut others: Vec<String> = names
        .filter(|name| name.extension().is_some_and(|ending| ending == "bin"))
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| kind.files().all(|file| file != name))
        .collect();
    others.sort();
    Ok(others)
}

/// The classes' names, in the order of the label bytes.
fn names(kind: &Kind, folder: &Path, notes: &mut Vec<String>) -> Result<Vec<String>> {
    let path = folder.join(kind.names);
    let (classes, last) = (kind.classes(), kind.classes() - 1);
    if !path.is_file() {
        notes.push(format!("there is no {}: the classes are called 0 to {last}", path.display()));
        return Ok((0..classes).map(|class| class.to_string()).collect());
    }
    let names = class_names(&path)?;
    if names.len() == classes {
        return Ok(names);
    }
    Err(Error::data(
        path.as_path(),
        format!("names {} classes, where {} has {classes}", names.len(), kind.name),
        format!("put one name a line, in the order of the labels; without the file the classes are called 0 to {last}"),
    ))
}

/// A file's records, some at a time.
struct Records<'a> {
    kind: &'static Kind,
    path: &'a Path,
    file: File,
    done: usize,
}

impl<'a> Records<'a> {
    fn open(kind: &'static Kind, path: &'a Path) -> Result<Records<'a>> {
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        Ok(Records { kind, path, file, done: 0 })
    }

    /// At most [`CHUNK`] whole records. `None` after the last one.
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let size = self.kind.record();
        let bytes = fill(&mut self.file, CHUNK * size, self.path)?;
        if bytes.is_empty() && self.done == 0 {
            return Err(Error::data(self.path, "is empty", "copy or download it again"));
        }
        self.done += bytes.len() / size;
        match bytes.len() % size {
            0 => Ok(Some(bytes).filter(|bytes| !bytes.is_empty())),
            some => Err(Error::data(
                Place::row(self.path, self.done as u64 + 1),
                format!("ends after {some} of the {size} bytes of a record of {}", self.kind.name),
                "the file was cut off, or holds something else; copy or download it again",
            )),
        }
    }
}

/// The items of some files.
struct Split {
    pixels: Array2<u8>,
    texts: Texts,
    /// How many are of each file.
    sizes: Vec<usize>,
}

impl Split {
    fn read(kind: &'static Kind, files: &[PathBuf], names: &[String]) -> Result<Split> {
        let (mut pixels, mut labels, mut sizes) = (Vec::new(), Interner::default(), Vec::new());
        for path in files {
            let mut records = Records::open(kind, path)?;
            let mut items = 0;
            while let Some(bytes) = records.next()? {
                for record in bytes.chunks_exact(kind.record()) {
                    items += 1;
                    let (label, planes) = record.split_at(kind.labels.len());
                    labels.push(&names[class(kind, label, || Place::row(path, items))?]);
                    pixels.extend(interleaved(planes));
                }
            }
            sizes.push(records.done);
        }
        Ok(Split { pixels: rows(pixels), texts: labels.texts, sizes })
    }

    fn part(self, origin: &Path) -> Part {
        let ids = Ids::first(self.pixels.nrows());
        Part { inputs: Inputs::Bytes(self.pixels), ids, texts: self.texts, origin: origin.into(), lines: None }
    }
}

/// What the label bytes of a record say.
fn class(kind: &Kind, bytes: &[u8], place: impl Fn() -> Place) -> Result<usize> {
    let mut class = 0;
    for (&byte, &count) in bytes.iter().zip(kind.labels) {
        class = usize::from(byte);
        if class >= count {
            return Err(Error::data(
                place(),
                format!("the label is {class}, where {} has 0 to {}", kind.name, count - 1),
                "the file is damaged or holds something else; copy or download it again",
            ));
        }
    }
    Ok(class)
}

/// The planes of a picture as pixels, channels innermost.
fn interleaved(planes: &[u8]) -> impl Iterator<Item = u8> {
    let plane = SHAPE.height * SHAPE.width;
    (0..planes.len()).map(move |at| planes[at % SHAPE.channels * plane + at / SHAPE.channels])
}

fn rows(pixels: Vec<u8>) -> Array2<u8> {
    Array2::from_shape_vec((pixels.len() / SHAPE.len(), SHAPE.len()), pixels).expect("only whole pictures were read")
}

/// An error whose row counts through the files of the training split, at the row of one of them.
fn in_its_file(error: Error, path: &Path, files: &[PathBuf], sizes: &[usize]) -> Error {
    if !matches!(&error, Error::Data { place, .. } if place.path == path) {
        return error;
    }
    locate(error, |item| {
        let mut before = 0;
        files.iter().zip(sizes).find_map(|(file, &items)| {
            let row = item - before;
            before += items;
            (row < items).then(|| Place::row(file, row as u64 + 1))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scratch, chunks};
    use super::*;

    const NAMES: &str = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";

    /// A record whose planes are of one value each.
    fn record(labels: &[u8], [red, green, blue]: [u8; 3]) -> Vec<u8> {
        let planes = [red, green, blue].into_iter().flat_map(|value| [value; 1024]);
        labels.iter().copied().chain(planes).collect()
    }

    fn batch(labels: &[u8]) -> Vec<u8> {
        labels.iter().flat_map(|&label| record(&[label], [label, 100, 200])).collect()
    }

    /// Five batches of one to two items, two test items, and names.
    fn ten(name: &str) -> Scratch {
        let folder = Scratch::new(name);
        for (number, labels) in [[6, 9].as_slice(), &[4], &[1, 1], &[0], &[9]].into_iter().enumerate() {
            folder.write(&format!("data_batch_{}.bin", number + 1), batch(labels));
        }
        folder.write("test_batch.bin", batch(&[3, 8]));
        folder.write("batches.meta.txt", NAMES);
        folder
    }

    fn load(path: &Path) -> Source {
        read(path, &Options::default()).expect("readable")
    }

    fn classes(labels: &[Option<crate::dataset::Class>]) -> Vec<u16> {
        labels.iter().flatten().map(|class| class.0).collect()
    }

    fn problem(result: Result<impl std::fmt::Debug>) -> String {
        result.expect_err("the file is wrong").to_string()
    }

    #[test]
    fn a_file_cut_off_is_told_with_the_record_in_which_it_ends() {
        let folder = Scratch::new("cifar-cut");
        let whole = batch(&[1, 2]);
        for (length, said) in [
            (0, "data_batch_1.bin: is empty"),
            (1, "data_batch_1.bin, row 1: ends after 1 of the 3073 bytes"),
            (3072, "data_batch_1.bin, row 1: ends after 3072 of the 3073 bytes"),
            (3074, "data_batch_1.bin, row 2: ends after 1 of the 3073 bytes"),
        ] {
            let path = folder.write("data_batch_1.bin", &whole[..length]);
            let streamed = chunks(&FORMAT, &path, &schema());
            for problem in [problem(read(&path, &Options::default())), problem(streamed)] {
                assert!(problem.contains(said), "{problem}");
            }
        }
        let folder = ten("cifar-cut-batch");
        folder.write("data_batch_4.bin", &whole[..4000]);
        assert!(problem(read(&folder.0, &Options::default())).contains("data_batch_4.bin, row 2"));
    }

    #[test]
    fn a_label_that_no_class_has_is_told_with_its_record() {
        let folder = Scratch::new("cifar-label");
        let path = folder.write("data_batch_3.bin", batch(&[9, 10]));
        let problem_of_ten = problem(read(&path, &Options::default()));
        assert!(problem_of_ten.contains("data_batch_3.bin, row 2: the label is 10, where CIFAR-10 has 0 to 9"));
        for (labels, said) in [([20, 5], "the label is 20, where CIFAR-100 has 0 to 19"), ([3, 100], "has 0 to 99")] {
            let path = folder.write("train.bin", record(&labels, [1, 2, 3]));
            let problem = problem(read(&path, &Options::default()));
            assert!(problem.contains("train.bin, row 1: ") && problem.contains(said), "{problem}");
        }
    }

    #[test]
    fn a_folder_without_its_files_or_with_both_sets_is_refused() {
        let folder = Scratch::new("cifar-none");
        folder.write("batches.meta.txt", NAMES);
        assert!(!claims(&folder.0));
        for problem in [problem(read(&folder.0, &Options::default())), problem(chunks(&FORMAT, &folder.0, &schema()))] {
            assert!(problem.contains("holds no file named like data_batch_1.bin"), "{problem}");
        }
        folder.write("data_batch_1.bin", batch(&[1]));
        folder.write("train.bin", record(&[1, 1], [1, 2, 3]));
        assert!(problem(read(&folder.0, &Options::default())).contains("of CIFAR-10 and of CIFAR-100"));
        assert!(matches!(read(&folder.0.join("no.bin"), &Options::default()), Err(Error::Io { .. })));
    }

    #[test]
    fn names_that_are_too_few_or_not_distinct_are_refused_with_their_file() {
        let folder = ten("cifar-names");
        for (names, said) in [
            ("airplane\nbird\n", "batches.meta.txt: names 2 classes, where CIFAR-10 has 10"),
            (&NAMES.replace("bird", "cat"), "batches.meta.txt: names the class `cat` twice"),
            ("", "names 0 classes"),
        ] {
            folder.write("batches.meta.txt", names);
            let problem = problem(read(&folder.0, &Options::default()));
            assert!(problem.contains(said), "{problem}");
        }
    }

    #[test]
    fn batches_that_are_not_there_are_named_in_a_note() {
        let folder = ten("cifar-missing");
        for file in ["data_batch_2.bin", "data_batch_5.bin", "test_batch.bin"] {
            std::fs::remove_file(folder.0.join(file)).expect("there");
        }
        folder.write("data_batch_6.bin", batch(&[1]));
        let source = load(&folder.0);
        assert_eq!(classes(&source.train.labels), [6, 9, 1, 1, 0]);
        assert!(source.test.is_none());
        let notes = source.notes.join("\n");
        assert!(notes.contains("there is no data_batch_2.bin, data_batch_5.bin"), "{notes}");
        assert!(notes.contains("there is no test_batch.bin"), "{notes}");
        assert!(notes.contains("not read") && notes.contains("data_batch_6.bin"), "{notes}");
    }

    #[test]
    fn a_test_split_alone_is_taken_as_the_data() {
        let folder = Scratch::new("cifar-test");
        folder.write("test_batch.bin", batch(&[3, 8]));
        let source = load(&folder.0);
        assert_eq!((classes(&source.train.labels), source.test), (vec![3, 8], None));
        assert!(source.notes[0].contains("only a test split"), "{:?}", source.notes);
    }

    #[test]
    fn a_folder_has_the_batches_in_order_the_test_split_and_every_class() {
        let folder = ten("cifar-folder");
        assert!(claims(&folder.0));
        let source = load(&folder.0);
        assert_eq!(classes(&source.train.labels), [6, 9, 4, 1, 1, 0, 9]);
        assert_eq!(source.train.ids.get(6), "7");
        assert_eq!(source.train.schema, schema());
        assert_eq!(source.notes, Vec::<String>::new());
        let test = source.test.expect("there is one");
        assert_eq!((classes(&test.labels), test.schema), (vec![3, 8], schema()));
        let Inputs::Bytes(pixels) = source.train.inputs else { panic!("bytes") };
        assert_eq!(pixels.column(0).to_vec(), [6, 9, 4, 1, 1, 0, 9]);
    }

    #[test]
    fn planes_become_pixels_row_by_row_with_channels_innermost() {
        let folder = Scratch::new("cifar-order");
        let mut record = record(&[0], [0; 3]);
        // Planes of 32×32 follow the label: red at row 0, column 1; green at row 1, column 0; blue at row 31, column 31.
        record[1 + 1] = 11;
        record[1 + 1024 + 32] = 22;
        record[1 + 2 * 1024 + 1023] = 33;
        let source = load(&folder.write("data_batch_1.bin", record));
        let Inputs::Bytes(pixels) = &source.train.inputs else { panic!("bytes") };
        let set: Vec<(usize, u8)> = pixels.iter().copied().enumerate().filter(|(_, pixel)| *pixel > 0).collect();
        let at = |row: usize, column: usize, channel: usize| (row * 32 + column) * 3 + channel;
        assert_eq!(set, [(at(0, 1, 0), 11), (at(1, 0, 1), 22), (at(31, 31, 2), 33)]);
    }

    #[test]
    fn of_two_label_bytes_the_fine_one_is_the_class() {
        let folder = Scratch::new("cifar-hundred");
        let names: Vec<String> = (0..100).map(|class| format!("kind{:02}", 99 - class)).collect();
        folder.write("train.bin", [record(&[19, 99], [1, 2, 3]), record(&[0, 42], [4, 5, 6])].concat());
        folder.write("test.bin", record(&[3, 0], [7, 8, 9]));
        folder.write("fine_label_names.txt", names.join("\n"));
        assert!(claims(&folder.0));
        let source = load(&folder.0);
        assert_eq!(source.train.schema.classes, names, "the order of the file, not of the alphabet");
        assert_eq!(classes(&source.train.labels), [99, 42]);
        assert_eq!(classes(&source.test.expect("there is one").labels), [0]);
        assert_eq!(source.notes, ["the classes are CIFAR-100's 100 fine labels; its 20 coarse ones are not used"]);
        let Inputs::Bytes(pixels) = source.train.inputs else { panic!("bytes") };
        assert_eq!(pixels.row(1).to_vec(), [4, 5, 6].repeat(1024));
    }

    #[test]
    fn without_names_classes_are_numbers_and_a_note_says_so() {
        let folder = Scratch::new("cifar-unnamed");
        let path = folder.write("test_batch.bin", batch(&[3, 8]));
        assert!(claims(&path));
        let source = load(&path);
        let numbers: Vec<String> = (0..10).map(|class: u8| class.to_string()).collect();
        assert_eq!(source.train.schema.classes, numbers);
        assert!(source.notes[0].contains("the classes are called 0 to 9"), "{:?}", source.notes);
        let options = Options { schema: Some(schema()), ..Options::default() };
        let train = read(&path, &options).expect("indices of the run's classes").train;
        assert_eq!((classes(&train.labels), train.schema), (vec![3, 8], schema()));
    }

    #[test]
    fn a_file_of_another_name_is_known_by_its_length() {
        let folder = Scratch::new("cifar-length");
        let path = folder.write("few.bin", batch(&[1, 2, 3]));
        assert!(!claims(&path));
        assert_eq!(load(&path).train.schema.classes.len(), 10);
        let path = folder.write("few.bin", record(&[1, 50], [1, 2, 3]));
        assert_eq!(load(&path).train.schema.classes.len(), 100);
        let problem = problem(read(&folder.write("few.bin", [1; 100]), &Options::default()));
        assert!(
            problem.contains("few.bin: holds 100 bytes") && problem.contains("CIFAR-100 (3,074 bytes)"),
            "{problem}"
        );
    }

    #[test]
    fn a_class_that_is_not_among_the_users_is_told_with_its_own_file_and_record() {
        let folder = ten("cifar-unknown");
        let only = |classes: &[&str]| Options {
            classes: Some(classes.iter().map(|&class| class.to_owned()).collect()),
            ..Options::default()
        };
        let problem_of = |classes: &[&str]| problem(read(&folder.0, &only(classes)));
        let third = problem_of(&["frog", "truck", "deer", "airplane", "cat", "ship"]);
        assert!(third.contains("data_batch_3.bin, row 1: `automobile` is not a class"), "{third}");
        let tested = problem_of(&["frog", "truck", "deer", "automobile", "airplane", "cat"]);
        assert!(tested.contains("test_batch.bin, row 2: `ship` is not a class"), "{tested}");
    }

    #[test]
    fn a_name_that_means_no_label_is_no_class() {
        let folder = ten("cifar-no-label");
        let options = Options { missing_labels: vec!["automobile".to_owned()], ..Options::default() };
        let train = read(&folder.0, &options).expect("readable").train;
        assert_eq!(train.schema.classes.len(), 9);
        assert_eq!(train.labelled(), [0, 1, 2, 5, 6]);
    }

    #[test]
    fn another_shape_than_the_runs_is_refused_with_both() {
        let folder = ten("cifar-shape");
        let shape = ImageShape { height: 28, width: 28, channels: 1, white: 255.0 };
        let schema = Schema { features: Features::Image(shape), ..schema() };
        let options = Options { schema: Some(schema.clone()), ..Options::default() };
        for problem in [problem(read(&folder.0, &options)), problem(chunks(&FORMAT, &folder.0, &schema))] {
            assert!(problem.contains("32×32×3") && problem.contains("28×28×1"), "{problem}");
        }
    }

    #[test]
    fn a_folder_streams_its_test_split_or_all_its_batches_and_looks_at_no_label() {
        let folder = ten("cifar-stream");
        folder.write("test_batch.bin", batch(&[3, 255]));
        let test = chunks(&FORMAT, &folder.0, &schema()).expect("readable");
        assert_eq!(
            (test.len(), &test[0].ids[..], test[0].inputs.rows()),
            (1, &["1".to_owned(), "2".to_owned()][..], 2)
        );
        std::fs::remove_file(folder.0.join("test_batch.bin")).expect("there");
        let train = chunks(&FORMAT, &folder.0, &schema()).expect("readable");
        assert_eq!(train.iter().flat_map(|chunk| &chunk.ids).collect::<Vec<_>>(), ["1", "2", "3", "4", "5", "6", "7"]);
    }

    #[test]
    fn a_stream_comes_in_chunks_that_equal_the_whole() {
        let folder = Scratch::new("cifar-chunks");
        let labels: Vec<u8> = (0..2100_u32).map(|item| (item % 10) as u8).collect();
        let path = folder.write("data_batch_1.bin", batch(&labels));
        let train = load(&path).train;
        let chunks = chunks(&FORMAT, &path, &train.schema).expect("readable");
        assert_eq!(chunks.iter().map(|chunk| chunk.status.len()).collect::<Vec<_>>(), [1024, 1024, 52]);
        assert_eq!(chunks[2].ids[51], "2100");
        let second: Vec<usize> = (1024..2048).collect();
        assert_eq!(chunks[1].inputs, train.inputs.select(&second));
    }

    /// CIFAR-10's.
    fn schema() -> Schema {
        let classes = NAMES.split_whitespace().map(str::to_owned).collect();
        Schema { classes, features: Features::Image(SHAPE) }
    }
}
