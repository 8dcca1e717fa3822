//! IDX, the format of MNIST and its relatives: a magic number, sizes, then bytes.
//!
//! Here is also what the array formats share: [`assemble`] turns the splits that a file held into a
//! [`Source`] whose splits have one list of classes.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use ndarray::Array2;

use super::{CHUNK, Chunk, Format, MinusOne, Options, Problem, Sink, Source, Status};
use crate::dataset::{Dataset, Features, Ids, ImageShape, Inputs, Schema};
use crate::error::{Error, Place, Result};
use crate::labels::{self, Texts};

pub(super) const FORMAT: Format = Format {
    name: "idx",
    about: "MNIST's files (train-images-idx3-ubyte, t10k-labels-idx1-ubyte, …), plain or .gz: a folder or one file",
    claims,
    read,
    stream,
};

/// Bytes that one array may take, whatever its header promises.
pub(super) const LARGEST: usize = 16 << 30;

/// One split: its items, with the labels still as texts.
pub(super) struct Part {
    pub(super) inputs: Inputs,
    pub(super) ids: Ids,
    pub(super) texts: Texts,
    /// Where the labels came from, without a row.
    pub(super) origin: Place,
}

/// The splits of one source.
pub(super) struct Parts {
    pub(super) train: Part,
    pub(super) validation: Option<Part>,
    pub(super) test: Option<Part>,
}

/// Splits with one schema: their labels are resolved together, so that a class that only the test
/// split holds is a class of all.
///
/// Labels that are the indices 0 … C − 1 of classes known by name become those names.
pub(super) fn assemble(
    features: &Features,
    parts: Parts,
    options: &Options,
    mut notes: Vec<String>,
    problems: Vec<Problem>,
) -> Result<Source> {
    let Parts { train, validation, test } = parts;
    let parts = [Some(train), validation, test];
    let mut all = Texts::default();
    let mut codes: HashMap<&str, u32> = HashMap::new();
    for texts in parts.iter().flatten().map(|part| &part.texts) {
        let merged: Vec<u32> = texts
            .distinct
            .iter()
            .map(|text| {
                *codes.entry(text).or_insert_with(|| {
                    all.distinct.push(text.clone());
                    code(all.distinct.len() - 1)
                })
            })
            .collect();
        all.codes.extend(texts.codes.iter().map(|&code| merged[code as usize]));
    }
    let known = options.schema.as_ref().map(|schema| &schema.classes).or(options.classes.as_ref());
    if known.is_some_and(|classes| name_indices(&mut all.distinct, classes, options)) {
        notes.push("labels are indices of the classes, counted from 0".to_owned());
    }

    let place = parts.iter().flatten().map(|part| part.origin.clone()).next().expect("there is a train split");
    let resolved = labels::resolve(&all, place, options).map_err(|error| {
        let mut rows = parts.iter().flatten().flat_map(|part| (0..part.inputs.rows()).map(move |row| (part, row)));
        locate(error, |item| {
            let (part, row) = rows.nth(item)?;
            Some(Place { row: part.ids.get(row).parse().ok(), ..part.origin.clone() })
        })
    })?;
    notes.extend(resolved.notes);
    let schema = Schema { classes: resolved.classes, features: features.clone() };
    let mut labels = resolved.labels.into_iter();
    let [train, validation, test] = parts.map(|part| {
        part.map(|Part { inputs, ids, .. }| Dataset {
            schema: schema.clone(),
            labels: labels.by_ref().take(inputs.rows()).collect(),
            inputs,
            ids,
        })
    });
    Ok(Source { train: train.expect("the train split is not optional"), validation, test, notes, problems })
}

/// An error of [`labels::resolve`], whose row is an item's position, at the place of that item.
pub(super) fn locate(mut error: Error, place_of: impl FnOnce(usize) -> Option<Place>) -> Error {
    if let Error::Data { place, .. } = &mut error
        && let Some(row) = place.row.and_then(|row| usize::try_from(row).ok())
        && let Some(found) = place_of(row.saturating_sub(1))
    {
        *place = found;
    }
    error
}

/// Texts of items that nobody has labelled.
pub(super) fn unlabelled(items: usize) -> Texts {
    Texts { distinct: vec![String::new()], codes: vec![0; items] }
}

/// An index into [`Texts::distinct`].
pub(super) fn code(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 4 billion distinct labels")
}

/// The shape that the caller needs, where there is one and `found` has its height, width and
/// channels; else `found`. `brightest` tells pixels apart that are meant on another scale.
pub(super) fn fit_shape(
    found: ImageShape,
    brightest: f32,
    path: &Path,
    wanted: Option<&Features>,
) -> Result<ImageShape> {
    let size = |shape: &ImageShape| format!("{}×{}×{}", shape.height, shape.width, shape.channels);
    let wanted = match wanted {
        None => return Ok(found),
        Some(Features::Image(wanted)) => *wanted,
        Some(Features::Columns(columns)) => {
            return Err(Error::data(
                path,
                format!("holds pictures of {} where {} columns are needed", size(&found), columns.len()),
                "give data of the kind that the run was trained on",
            ));
        }
    };
    if size(&found) != size(&wanted) {
        return Err(Error::data(
            path,
            format!("holds pictures of {} where {} is needed (height × width × channels)", size(&found), size(&wanted)),
            "bring the pictures to that shape, or lay them out as an image folder, whose pictures are resized",
        ));
    }
    let own_scale = found.white.total_cmp(&wanted.white).is_eq();
    if !own_scale && (brightest > 2.0 * wanted.white || (brightest > 0.0 && brightest * 100.0 < wanted.white)) {
        return Err(Error::data(
            path,
            format!("holds pixels up to {brightest} where {} is white", wanted.white),
            format!("scale the pixels so that full brightness is {}", wanted.white),
        ));
    }
    Ok(wanted)
}

/// Passes the rows on, [`CHUNK`] at a time, with their positions counted from 1 as ids.
pub(super) fn emit(inputs: &Inputs, status: impl Fn(usize) -> Status, sink: Sink) -> Result<()> {
    let rows: Vec<usize> = (0..inputs.rows()).collect();
    for rows in rows.chunks(CHUNK) {
        sink(Chunk {
            ids: rows.iter().map(|row| (row + 1).to_string()).collect(),
            status: rows.iter().map(|&row| status(row)).collect(),
            inputs: inputs.select(rows),
        })?;
    }
    Ok(())
}

/// At most `wanted` bytes: fewer where the data ends before. Memory follows what is there, not what
/// a header promised.
pub(super) fn fill(reader: &mut dyn Read, wanted: usize, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(wanted.min(64 << 20));
    match reader.take(wanted as u64).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        // a compressed file that was cut off
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(bytes),
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
            Err(Error::data(path, format!("is damaged: {error}"), "copy or download it again"))
        }
        Err(error) => Err(Error::io(path, error)),
    }
}

fn claims(path: &Path) -> bool {
    if path.is_dir() {
        return !picture_files(path).is_empty();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.is_file() && (name.contains("idx3-ubyte") || name.contains("idx4-ubyte"))
}

fn read(path: &Path, options: &Options) -> Result<Source> {
    let (found, mut notes) = find(path)?;
    let (train, test) =
        rayon::join(|| read_pictures(&found.train), || found.test.as_deref().map(read_pictures).transpose());
    let (train, test) = (train?, test?);

    let wanted = options.schema.as_ref().map(|schema| &schema.features);
    let brightest = |pixels: &Array2<u8>| f32::from(pixels.iter().copied().max().unwrap_or(0));
    let brightest_train = brightest(&train.pixels);
    let white = if brightest_train <= 1.0 { 1.0 } else { 255.0 };
    let features = Features::Image(fit_shape(train.shape(white), brightest_train, &found.train, wanted)?);
    if let (Some(test), Some(path)) = (&test, &found.test) {
        fit_shape(test.shape(255.0), brightest(&test.pixels), path, Some(&features))?;
    }

    let train = part(train, &found.train, &mut notes)?;
    let test = match (test, &found.test) {
        (Some(test), Some(path)) => Some(part(test, path, &mut notes)?),
        _ => None,
    };
    if found.train.to_string_lossy().contains("emnist") {
        notes.push("EMNIST's pictures lie transposed in its files and are left so".to_owned());
    }
    assemble(&features, Parts { train, validation: None, test }, options, notes, Vec::new())
}

/// A file's pictures; of a folder, the pictures of the test split, or of the only split it has.
fn stream(path: &Path, schema: &Schema, _: &Options, sink: Sink) -> Result<()> {
    let (found, _) = find(path)?;
    let path = found.test.unwrap_or(found.train);
    let mut file = Pictures::open(&path)?;
    let mut done = 0;
    while done < file.items {
        let rows = CHUNK.min(file.items - done);
        let pixels = file.rows(done, rows)?;
        if done + rows == file.items {
            file.finish()?;
        }
        let brightest = f32::from(pixels.iter().copied().max().unwrap_or(0));
        fit_shape(file.shape(255.0), brightest, &path, Some(&schema.features))?;
        sink(Chunk {
            ids: (done + 1..=done + rows).map(|position| position.to_string()).collect(),
            status: vec![Status::Ok; rows],
            inputs: Inputs::Bytes(pixels),
        })?;
        done += rows;
    }
    Ok(())
}

/// The picture files of a path.
struct Found {
    train: PathBuf,
    test: Option<PathBuf>,
}

fn find(path: &Path) -> Result<(Found, Vec<String>)> {
    if !path.is_dir() {
        return Ok((Found { train: path.to_owned(), test: None }, Vec::new()));
    }
    let files = picture_files(path);
    let sets: BTreeSet<&str> = files.iter().map(|file| file.set.as_str()).collect();
    if sets.len() > 1 {
        return Err(Error::data(
            path,
            format!("holds several data sets: {}", sets.into_iter().collect::<Vec<_>>().join(", ")),
            "give one of the files, or put each set in a folder of its own",
        ));
    }
    let mut notes = Vec::new();
    let mut chosen = [true, false].map(|is_test| {
        let mut of_split = files.iter().filter(|file| file.is_test == is_test).map(|file| &file.path);
        let first = of_split.next().cloned();
        notes.extend(of_split.map(|other| format!("{} is not read: another file holds that split", other.display())));
        first
    });
    let train = chosen[1].take();
    let test = chosen[0].take();
    match (train, test) {
        (Some(train), test) => Ok((Found { train, test }, notes)),
        (None, Some(test)) => {
            notes.push("there is only a test split; its pictures are taken as the data".to_owned());
            Ok((Found { train: test, test: None }, notes))
        }
        (None, None) => {
            Err(Error::data(path, "holds no file named like train-images-idx3-ubyte", "give the file itself"))
        }
    }
}

struct PictureFile {
    path: PathBuf,
    /// What the name says before the split, such as `emnist-letters`.
    set: String,
    is_test: bool,
}

/// A folder's files with names like `train-images-idx3-ubyte`, sorted: a plain file before its `.gz`.
fn picture_files(folder: &Path) -> Vec<PictureFile> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut files: Vec<PictureFile> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let stem = name.to_str()?;
            let stem = stem.strip_suffix(".gz").unwrap_or(stem);
            let stem = ["-idx3-ubyte", ".idx3-ubyte", "-idx4-ubyte", ".idx4-ubyte"]
                .iter()
                .find_map(|ending| stem.strip_suffix(ending)?.strip_suffix("images"))?;
            let stem = stem.trim_end_matches(['-', '_', '.']);
            let (set, split) = stem.rsplit_once(['-', '_']).unwrap_or(("", stem));
            let (set, is_test) = match split {
                "train" => (set, false),
                "t10k" | "test" => (set, true),
                _ => (stem, false),
            };
            let path = entry.path();
            path.is_file().then(|| PictureFile { path, set: set.to_owned(), is_test })
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The label file that belongs to a picture file, by its name.
fn labels_beside(pictures: &Path) -> Option<PathBuf> {
    let name = pictures.file_name()?.to_str()?;
    let stem = name.strip_suffix(".gz").unwrap_or(name);
    let at = stem.find("idx3").or_else(|| stem.find("idx4"))?;
    let before = stem[..at].trim_end_matches(['-', '.', '_']);
    let before = match before.rfind("images") {
        Some(at) => format!("{}labels{}", &before[..at], &before[at + "images".len()..]),
        None => before.to_owned(),
    };
    ["-idx1-ubyte", ".idx1-ubyte", "-idx1-ubyte.gz", ".idx1-ubyte.gz"]
        .iter()
        .map(|ending| pictures.with_file_name(format!("{before}{ending}")))
        .find(|path| path.is_file())
}

/// A file of pictures, its header read.
struct Pictures {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
    items: usize,
    height: usize,
    width: usize,
    channels: usize,
}

impl Pictures {
    fn open(path: &Path) -> Result<Pictures> {
        let (reader, sizes) = open(path)?;
        let (items, height, width, channels) = match sizes[..] {
            [items, height, width] => (items, height, width, 1),
            [items, height, width, channels @ (1 | 3)] => (items, height, width, channels),
            _ => {
                return Err(Error::data(
                    path,
                    format!("holds an array of sizes {sizes:?}, which are no pictures"),
                    "pictures have the sizes [items, height, width], or 1 or 3 channels after these",
                ));
            }
        };
        let pixels =
            height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels)).filter(|&pixels| pixels > 0);
        if pixels.and_then(|pixels| pixels.checked_mul(items.max(1))).is_none_or(|bytes| bytes > LARGEST) {
            return Err(Error::data(
                path,
                format!("promises {items} pictures of {height}×{width}"),
                "that is more than 16 GiB, or pictures without a pixel: the header is damaged",
            ));
        }
        Ok(Pictures { path: path.to_owned(), reader, items, height, width, channels })
    }

    fn shape(&self, white: f32) -> ImageShape {
        ImageShape { height: self.height, width: self.width, channels: self.channels, white }
    }

    /// The next `rows` pictures, after `done` of them.
    fn rows(&mut self, done: usize, rows: usize) -> Result<Array2<u8>> {
        let pixels = self.height * self.width * self.channels;
        let bytes = fill(&mut self.reader, rows * pixels, &self.path)?;
        let found = done + bytes.len() / pixels;
        Array2::from_shape_vec((rows, pixels), bytes).map_err(|_| ends_early(&self.path, "pictures", self.items, found))
    }

    fn finish(&mut self) -> Result<()> {
        finish(&mut self.reader, &self.path, "pictures", self.items)
    }
}

struct Pixels {
    pixels: Array2<u8>,
    shape: ImageShape,
}

impl Pixels {
    fn shape(&self, white: f32) -> ImageShape {
        ImageShape { white, ..self.shape }
    }
}

fn read_pictures(path: &Path) -> Result<Pixels> {
    let mut file = Pictures::open(path)?;
    let pixels = file.rows(0, file.items)?;
    file.finish()?;
    Ok(Pixels { pixels, shape: file.shape(255.0) })
}

/// Pictures with the labels that lie beside them.
fn part(pictures: Pixels, path: &Path, notes: &mut Vec<String>) -> Result<Part> {
    let items = pictures.pixels.nrows();
    let labels = labels_beside(path);
    let texts = if let Some(labels) = &labels {
        let texts = read_labels(labels)?;
        if texts.codes.len() != items {
            return Err(Error::data(
                labels.as_path(),
                format!("holds {} labels, but {} holds {items} pictures", texts.codes.len(), path.display()),
                "the two files must belong together; download both again",
            ));
        }
        texts
    } else {
        notes.push(format!("no label file lies beside {}: its pictures are unlabelled", path.display()));
        unlabelled(items)
    };
    let origin = labels.as_deref().unwrap_or(path).into();
    Ok(Part { inputs: Inputs::Bytes(pictures.pixels), ids: Ids::first(items), texts, origin })
}

/// Labels as the decimal texts of their values, which need not be contiguous: EMNIST's letters
/// start at 1.
fn read_labels(path: &Path) -> Result<Texts> {
    let (mut reader, sizes) = open(path)?;
    let &[items] = &sizes[..] else {
        return Err(Error::data(
            path,
            format!("holds an array of sizes {sizes:?}, which are no labels"),
            "labels have one size: the number of items",
        ));
    };
    let values = fill(&mut reader, items, path)?;
    if values.len() < items {
        return Err(ends_early(path, "labels", items, values.len()));
    }
    finish(&mut reader, path, "labels", items)?;

    let mut texts = Texts { distinct: Vec::new(), codes: Vec::with_capacity(items) };
    let mut codes = [None; 256];
    for value in values {
        texts.codes.push(*codes[usize::from(value)].get_or_insert_with(|| {
            texts.distinct.push(value.to_string());
            code(texts.distinct.len() - 1)
        }));
    }
    Ok(texts)
}

/// A file of unsigned bytes past its header, and the sizes that the header gives.
fn open(path: &Path) -> Result<(Box<dyn Read + Send>, Vec<usize>)> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let mut file = BufReader::with_capacity(1 << 16, file);
    let is_gzip = file.fill_buf().map_err(|error| Error::io(path, error))?.starts_with(&[0x1f, 0x8b]);
    let mut reader: Box<dyn Read + Send> = if is_gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };

    let magic = fill(&mut reader, 4, path)?;
    let &[0, 0, kind, dimensions @ 1..=4] = &magic[..] else {
        return Err(Error::data(
            path,
            format!("does not start as an IDX file does, but with the bytes {magic:02x?}"),
            "IDX starts with 00 00, the type of its numbers and how many sizes follow",
        ));
    };
    let kind = match kind {
        0x08 => "",
        0x09 => "signed bytes",
        0x0b => "16-bit integers",
        0x0c => "32-bit integers",
        0x0d => "32-bit floats",
        0x0e => "64-bit floats",
        _ => "numbers of an unknown type",
    };
    if !kind.is_empty() {
        return Err(Error::data(
            path,
            format!("holds {kind}; only unsigned bytes (type 0x08) are read"),
            "save the array as .npy, where every type of number is read",
        ));
    }
    let sizes = fill(&mut reader, 4 * usize::from(dimensions), path)?;
    let (sizes, _) = sizes.as_chunks::<4>();
    if sizes.len() < usize::from(dimensions) {
        return Err(Error::data(path, "ends inside its header", "copy or download it again"));
    }
    Ok((reader, sizes.iter().map(|&size| u32::from_be_bytes(size) as usize).collect()))
}

fn finish(reader: &mut dyn Read, path: &Path, what: &str, promised: usize) -> Result<()> {
    if fill(reader, 1, path)?.is_empty() {
        return Ok(());
    }
    Err(Error::data(
        path,
        format!("promises {promised} {what} in its header, but holds more"),
        "the header is damaged, or two files were joined; download it again",
    ))
}

fn ends_early(path: &Path, what: &str, promised: usize, found: usize) -> Error {
    Error::data(
        path,
        format!("promises {promised} {what} in its header, but holds {found}"),
        "the file was cut off; copy or download it again",
    )
}

/// Replaces indices by the names that they stand for, unless the texts are such names already. True
/// if it did; −1 is then no label, unless the user made it a class.
///
/// A −1 whose only partner is 1 is left to [`labels::resolve`], which does not guess.
fn name_indices(texts: &mut [String], classes: &[String], options: &Options) -> bool {
    let index = |text: &String| text.parse().ok().filter(|index: &usize| index.to_string() == *text);
    let numbers: Vec<(usize, usize)> = texts
        .iter()
        .enumerate()
        .filter(|(_, text)| !options.missing_labels.contains(text))
        .filter_map(|(at, text)| Some((at, index(text)?)))
        .collect();
    let are_names = numbers.iter().all(|&(at, _)| classes.contains(&texts[at]));
    let minus_one = texts.iter().position(|text| text == "-1");
    let is_doubtful = options.minus_one == MinusOne::Ask && minus_one.is_some() && matches!(numbers[..], [(_, 1)]);
    if are_names || is_doubtful || numbers.iter().any(|&(_, index)| index >= classes.len()) {
        return false;
    }
    for (at, index) in numbers {
        texts[at].clone_from(&classes[index]);
    }
    if let Some(at) = minus_one.filter(|_| options.minus_one != MinusOne::Class) {
        texts[at].clear();
    }
    true
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// A folder of its own for one test, removed when the test ends.
    pub(in crate::read) struct Scratch(pub(in crate::read) PathBuf);

    impl Scratch {
        pub(in crate::read) fn new(name: &str) -> Scratch {
            let folder = std::env::temp_dir().join(format!("halfmoon-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
            Scratch(folder)
        }

        /// Writes a file, making the folders above it.
        pub(in crate::read) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.join(name);
            std::fs::create_dir_all(path.parent().expect("inside the folder")).expect("writable");
            std::fs::write(&path, bytes).expect("writable");
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// All chunks of a stream.
    pub(in crate::read) fn chunks(format: &Format, path: &Path, schema: &Schema) -> Result<Vec<Chunk>> {
        let mut chunks = Vec::new();
        (format.stream)(path, schema, &Options::default(), &mut |chunk| {
            chunks.push(chunk);
            Ok(())
        })?;
        Ok(chunks)
    }

    fn idx(sizes: &[u32], body: &[u8]) -> Vec<u8> {
        let dimensions = u8::try_from(sizes.len()).expect("few");
        let mut bytes = vec![0, 0, 8, dimensions];
        bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend(body);
        bytes
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    /// Three training and two test pictures of 2×2, the labels of the training split not 0 … C − 1.
    fn letters(name: &str) -> Scratch {
        let folder = Scratch::new(name);
        folder.write("train-images-idx3-ubyte", idx(&[3, 2, 2], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255]));
        folder.write("train-labels-idx1-ubyte", idx(&[3], &[7, 1, 7]));
        folder.write("t10k-images-idx3-ubyte.gz", gz(&idx(&[2, 2, 2], &[9; 8])));
        folder.write("t10k-labels-idx1-ubyte.gz", gz(&idx(&[2], &[1, 3])));
        folder
    }

    fn problem(result: Result<impl std::fmt::Debug>) -> String {
        result.expect_err("the file is wrong").to_string()
    }

    #[test]
    fn a_folder_has_a_train_and_a_test_split_with_the_classes_of_both() {
        let folder = letters("idx-folder");
        assert!(claims(&folder.0));
        let source = read(&folder.0, &Options::default()).expect("readable");
        assert_eq!(source.train.schema.classes, ["1", "3", "7"]);
        assert_eq!(source.train.class_counts(), [1, 0, 2]);
        assert_eq!(source.train.ids.get(2), "3");
        let shape = ImageShape { height: 2, width: 2, channels: 1, white: 255.0 };
        assert_eq!(source.train.schema.features, Features::Image(shape));
        let test = source.test.expect("there is one");
        assert_eq!((test.len(), test.class_counts()), (2, vec![1, 1, 0]));
        assert_eq!(test.schema, source.train.schema);
    }

    #[test]
    fn a_single_file_finds_its_labels_or_is_unlabelled() {
        let folder = letters("idx-single");
        let path = folder.0.join("t10k-images-idx3-ubyte.gz");
        assert!(claims(&path));
        assert_eq!(read(&path, &Options::default()).expect("readable").train.labelled(), [0, 1]);
        std::fs::remove_file(folder.0.join("t10k-labels-idx1-ubyte.gz")).expect("there");
        let source = read(&path, &Options::default()).expect("readable");
        assert_eq!(source.train.labels, [None, None]);
        assert!(source.notes[0].contains("unlabelled"), "{:?}", source.notes);
    }

    #[test]
    fn names_of_emnist_and_names_with_a_dot_are_known() {
        for name in ["emnist-letters-train-images-idx3-ubyte.gz", "train-images.idx3-ubyte", "test-images-idx3-ubyte"] {
            let folder = Scratch::new("idx-names");
            folder.write(name, idx(&[1, 1, 1], &[2]));
            folder.write(&name.replace("images", "labels").replace("idx3", "idx1"), idx(&[1], &[26]));
            assert!(claims(&folder.0), "{name}");
            let source = read(&folder.0, &Options::default()).expect("readable");
            assert_eq!(source.train.schema.classes, ["26"], "{name}");
        }
    }

    #[test]
    fn two_data_sets_in_one_folder_are_refused_by_name() {
        let folder = Scratch::new("idx-two");
        folder.write("emnist-letters-train-images-idx3-ubyte", idx(&[1, 1, 1], &[2]));
        folder.write("emnist-digits-train-images-idx3-ubyte", idx(&[1, 1, 1], &[2]));
        assert!(problem(read(&folder.0, &Options::default())).contains("emnist-digits, emnist-letters"));
    }

    #[test]
    fn indices_become_the_names_of_known_classes() {
        let folder = Scratch::new("idx-classes");
        let path = folder.write("images-idx3-ubyte", idx(&[2, 1, 1], &[2, 3]));
        folder.write("labels-idx1-ubyte", idx(&[2], &[2, 0]));
        let classes = ["coat", "shirt", "bag"].map(str::to_owned).to_vec();
        let options = Options { classes: Some(classes.clone()), ..Options::default() };
        let train = read(&path, &options).expect("readable").train;
        assert_eq!(train.schema.classes, classes);
        assert_eq!(train.labels.iter().flatten().map(|class| class.0).collect::<Vec<_>>(), [2, 0]);
    }

    #[test]
    fn an_unknown_label_is_told_with_its_own_file_and_row() {
        let folder = letters("idx-unknown");
        let options = Options { classes: Some(vec!["7".to_owned(), "1".to_owned()]), ..Options::default() };
        let problem = problem(read(&folder.0, &options));
        assert!(problem.contains("t10k-labels-idx1-ubyte.gz, row 2: `3` is not a class"), "{problem}");
    }

    #[test]
    fn four_sizes_are_pictures_with_channels() {
        let folder = Scratch::new("idx-colour");
        let path = folder.write("colour-idx4-ubyte", idx(&[1, 1, 2, 3], &[1, 2, 3, 4, 5, 6]));
        let Features::Image(shape) = read(&path, &Options::default()).expect("readable").train.schema.features else {
            panic!("pictures");
        };
        assert_eq!((shape.height, shape.width, shape.channels), (1, 2, 3));
    }

    #[test]
    fn pixels_of_zero_and_one_have_white_one() {
        let folder = Scratch::new("idx-binary");
        let path = folder.write("binary-idx3-ubyte", idx(&[2, 1, 2], &[0, 1, 1, 0]));
        let Features::Image(shape) = read(&path, &Options::default()).expect("readable").train.schema.features else {
            panic!("pictures");
        };
        assert!((shape.white - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn a_header_that_lies_is_told_with_both_counts() {
        let folder = Scratch::new("idx-lies");
        let cases: [(&[u8], &str); 8] = [
            (&idx(&[5, 2, 2], &[1; 13]), "promises 5 pictures in its header, but holds 3"),
            (&idx(&[2, 2, 2], &[1; 9]), "promises 2 pictures in its header, but holds more"),
            (&idx(&[u32::MAX, u32::MAX, u32::MAX], &[1; 9]), "promises 4294967295 pictures of 4294967295×4294967295"),
            (&idx(&[1000, 1000, 1000], &[1; 9]), "but holds 0"),
            (&idx(&[u32::MAX, 0, 28], &[]), "0×28"),
            (&idx(&[3, 4], &[1; 12]), "no pictures"),
            (&[0, 0, 8, 3, 0, 0], "ends inside its header"),
            (b"\x89PNG\r\n", "does not start as an IDX file does"),
        ];
        for (bytes, said) in cases {
            for bytes in [bytes.to_vec(), gz(bytes)] {
                let path = folder.write("lies-idx3-ubyte", bytes);
                let problem = problem(read(&path, &Options::default()));
                assert!(problem.contains(said), "{problem}");
            }
        }
    }

    #[test]
    fn a_gzip_file_cut_off_is_told_with_both_counts() {
        let folder = Scratch::new("idx-cut");
        let noise: Vec<u8> = (0..10_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let whole = gz(&idx(&[100, 20, 20], &noise));
        let path = folder.write("cut-idx3-ubyte.gz", &whole[..whole.len() / 2]);
        assert!(problem(read(&path, &Options::default())).contains("promises 100 pictures in its header, but holds"));
    }

    #[test]
    fn floats_are_refused_with_their_type() {
        let folder = Scratch::new("idx-floats");
        let path = folder.write("floats-idx3-ubyte", [0, 0, 0x0d, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert!(problem(read(&path, &Options::default())).contains("32-bit floats"));
    }

    #[test]
    fn labels_of_another_count_name_both_files() {
        let folder = letters("idx-counts");
        folder.write("train-labels-idx1-ubyte", idx(&[2], &[7, 1]));
        let problem = problem(read(&folder.0, &Options::default()));
        assert!(
            problem.contains("train-labels-idx1-ubyte") && problem.contains("train-images-idx3-ubyte"),
            "{problem}"
        );
    }

    #[test]
    fn another_shape_than_the_runs_is_refused_with_both() {
        let folder = letters("idx-shape");
        let shape = ImageShape { height: 28, width: 28, channels: 1, white: 255.0 };
        let schema = Schema { classes: vec!["1".to_owned()], features: Features::Image(shape) };
        let options = Options { schema: Some(schema.clone()), ..Options::default() };
        for problem in [problem(read(&folder.0, &options)), problem(chunks(&FORMAT, &folder.0, &schema))] {
            assert!(problem.contains("2×2×1") && problem.contains("28×28×1"), "{problem}");
        }
    }

    #[test]
    fn a_folder_streams_its_test_split_and_a_file_itself() {
        let folder = letters("idx-stream");
        let schema = read(&folder.0, &Options::default()).expect("readable").train.schema;
        let test = chunks(&FORMAT, &folder.0, &schema).expect("readable");
        assert_eq!(test[0].ids, ["1", "2"]);
        let train = chunks(&FORMAT, &folder.0.join("train-images-idx3-ubyte"), &schema).expect("readable");
        assert_eq!(train[0].status, vec![Status::Ok; 3]);
        assert_eq!(train[0].inputs.rows(), 3);
    }

    #[test]
    fn a_stream_comes_in_chunks_that_equal_the_whole() {
        let folder = Scratch::new("idx-chunks");
        let body: Vec<u8> = (0..3000_u32).map(|n| (n % 251) as u8).collect();
        let path = folder.write("many-idx3-ubyte", idx(&[3000, 1, 1], &body));
        let train = read(&path, &Options::default()).expect("readable").train;
        let chunks = chunks(&FORMAT, &path, &train.schema).expect("readable");
        assert_eq!(chunks.iter().map(|chunk| chunk.ids.len()).collect::<Vec<_>>(), [1024, 1024, 952]);
        assert_eq!(chunks[2].ids[951], "3000");
        let rows: Vec<usize> = (1024..2048).collect();
        assert_eq!(chunks[1].inputs, train.inputs.select(&rows));
    }

    #[test]
    #[ignore = "needs MNIST: HALFMOON_MNIST=folder cargo test --release -- --ignored mnist"]
    fn mnist_is_read_within_a_second() {
        let folder = PathBuf::from(std::env::var_os("HALFMOON_MNIST").expect("HALFMOON_MNIST names the folder"));
        let start = std::time::Instant::now();
        let source = read(&folder, &Options::default()).expect("readable");
        let took = start.elapsed();
        assert_eq!((source.train.len(), source.test.map(|test| test.len())), (60_000, Some(10_000)));
        assert!(took.as_secs_f64() < 1.0, "{took:?}");
    }
}
