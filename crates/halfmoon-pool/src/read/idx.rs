//! IDX, the format of MNIST and its relatives: a magic number, sizes, then bytes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use ndarray::Array2;

use super::arrays::{LARGEST, Part, Parts, assemble, brightest, fill, fit_shape};
use super::texts::{Interner, unlabelled};
use super::{CHUNK, Chunk, Format, Options, Sink, Source, Status};
use crate::dataset::{Features, Ids, ImageShape, Inputs, Schema};
use crate::error::{Error, Result};
use crate::labels::Texts;

pub(super) const FORMAT: Format = Format {
    name: "idx",
    about: "MNIST's files (train-images-idx3-ubyte, t10k-labels-idx1-ubyte, …), plain or .gz: a folder or one file",
    claims,
    takes_labels: false,
    read,
    stream,
};

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
    let ((train, shape), test) = (train?, test?);

    let wanted = options.schema.as_ref().map(|schema| &schema.features);
    let brightest_train = brightest(&train);
    let white = if brightest_train <= 1.0 { 1.0 } else { 255.0 };
    let features = Features::Image(fit_shape(ImageShape { white, ..shape }, brightest_train, &found.train, wanted)?);
    if let Some(((test, shape), path)) = test.as_ref().zip(found.test.as_deref()) {
        fit_shape(*shape, brightest(test), path, Some(&features))?;
    }

    let train = part(train, &found.train, &mut notes)?;
    let test = test.zip(found.test.as_deref()).map(|((test, _), path)| part(test, path, &mut notes)).transpose()?;
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
        fit_shape(file.shape, brightest(&pixels), &path, Some(&schema.features))?;
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
    shape: ImageShape,
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
        let shape = ImageShape { height, width, channels, white: 255.0 };
        Ok(Pictures { path: path.to_owned(), reader, items, shape })
    }

    /// The next `rows` pictures, after `done` of them.
    fn rows(&mut self, done: usize, rows: usize) -> Result<Array2<u8>> {
        let pixels = self.shape.len();
        let bytes = fill(&mut self.reader, rows * pixels, &self.path)?;
        let found = done + bytes.len() / pixels;
        Array2::from_shape_vec((rows, pixels), bytes).map_err(|_| ends_early(&self.path, "pictures", self.items, found))
    }

    fn finish(&mut self) -> Result<()> {
        finish(&mut self.reader, &self.path, "pictures", self.items)
    }
}

fn read_pictures(path: &Path) -> Result<(Array2<u8>, ImageShape)> {
    let mut file = Pictures::open(path)?;
    let pixels = file.rows(0, file.items)?;
    file.finish()?;
    Ok((pixels, file.shape))
}

/// Pictures with the labels that lie beside them.
fn part(pictures: Array2<u8>, path: &Path, notes: &mut Vec<String>) -> Result<Part> {
    let items = pictures.nrows();
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
    Ok(Part { inputs: Inputs::Bytes(pictures), ids: Ids::first(items), texts, origin, lines: None })
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

    let names: Vec<String> = (0..=u8::MAX).map(|value| value.to_string()).collect();
    let mut labels = Interner::default();
    for value in values {
        labels.push(&names[usize::from(value)]);
    }
    Ok(labels.texts)
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::testing::{Scratch, chunks};
    use super::*;

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
