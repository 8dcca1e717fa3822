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

mod layout;
mod table;
#[cfg(test)]
pub(super) mod testing;
mod walk;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use self::layout::{Layout, Picture, lay_out};
use self::walk::{Walk, id};
use super::picture::{EXTENSIONS, Failed, Header, has_extension, header, load};
use super::{CHUNK, Chunk, Format, Options, Problem, Sink, Source, Status};
use crate::dataset::{Class, Dataset, Features, Ids, ImageShape, Schema};
use crate::error::{Error, Result};
use crate::labels::grouped;

pub(super) const FORMAT: Format = Format {
    name: "images",
    about: "a folder of pictures (PNG, JPEG, BMP, GIF, TIFF, WebP), one sub-folder a class; for prediction also one picture",
    claims,
    takes_labels: false,
    read,
    stream,
};

/// Where the size is not chosen: pixels of the longer side, at most.
const LONGER_SIDE: u32 = 64;

fn claims(path: &Path) -> bool {
    path.is_dir() || path.is_file() && has_extension(path, &EXTENSIONS)
}

/// What a folder of pictures holds, by names: see [`list`](crate::read::list).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// What the pictures' paths are relative to.
    pub root: PathBuf,
    /// Items to learn from, as far as they turn out to be readable.
    pub train: Vec<Listed>,
    /// The data's own validation split.
    pub validation: Vec<Listed>,
    /// The data's own test split.
    pub test: Vec<Listed>,
    /// In the order that [`Class`] counts.
    pub classes: Vec<String>,
}

/// A picture that nobody has opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// As [`Dataset::ids`] has it once the picture is read.
    pub id: String,
    /// Below [`Listing::root`].
    pub path: PathBuf,
    /// What its place says of its label.
    pub class: Option<Class>,
}

pub(super) fn list(path: &Path, options: &Options) -> Result<Listing> {
    let Layout { root, pictures, classes, .. } = lay_out(path, options)?;
    let mut splits = [Vec::new(), Vec::new(), Vec::new()];
    for Picture { path, split, class } in pictures {
        splits[split].push(Listed { id: id(&path), path, class });
    }
    let [train, validation, test] = splits;
    Ok(Listing { root, train, validation, test, classes })
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

#[cfg(test)]
mod tests {
    use image::ImageFormat;

    use super::super::picture::NOT_AN_IMAGE;
    use super::super::testing::{GREY, Scratch, chunks, encode, png};
    use super::testing::{bytes_of, labelled, load, names, says, shape};
    use super::*;
    use crate::dataset::Inputs;

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
    fn a_listing_has_the_ids_and_labels_of_a_reading_and_opens_nothing() {
        let folder = Scratch::new("images-listed");
        folder.write("train/cat/a b.png", png(1, 1, GREY));
        folder.write("train/unlabelled/ü.png", png(1, 1, GREY));
        folder.write("test/dog/c.png", png(1, 1, GREY));
        let source = load(&folder);
        // what is broken is listed and is not read
        folder.write("train/cat/broken.png", "");
        let listing = crate::read::list(&folder.0, &Options::default()).expect("a folder").expect("of pictures");
        assert_eq!(listing.classes, source.train.schema.classes);
        let ids = |listed: &[Listed]| listed.iter().map(|one| (one.id.clone(), one.class)).collect::<Vec<_>>();
        let mut expected: Vec<_> = names(&source.train).into_iter().zip(source.train.labels).collect();
        expected.insert(1, ("train/cat/broken.png".to_owned(), Some(Class(0))));
        assert_eq!(ids(&listing.train), expected);
        assert_eq!(ids(&listing.test), [("test/dog/c.png".to_owned(), Some(Class(1)))]);
        assert!(listing.validation.is_empty() && listing.root == folder.0);
        assert_eq!(listing.train[0].path, Path::new("train/cat/a b.png"));
        assert_eq!(crate::read::list(Path::new("digits"), &Options::default()).expect("built in"), None);
    }

    #[test]
    fn a_folder_without_a_readable_picture_says_why() {
        let folder = Scratch::new("images-nothing");
        folder.write("cat/a.png", "");
        let error = read(&folder.0, &Options::default()).expect_err("nothing to read");
        assert!(error.hint().is_some_and(|hint| hint.contains("cat/a.png: the file is empty")), "{error:?}");
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
