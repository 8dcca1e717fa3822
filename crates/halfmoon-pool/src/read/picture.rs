//! One picture file to pixels, whatever the file holds: under limits of size and memory, by the
//! content and not by the name, upright, opaque, in one shape. A picture that fails says why.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{
    ColorType, DynamicImage, GrayImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Limits, Luma, Rgb,
    RgbImage,
};
use ndarray::Array2;
use rayon::prelude::*;

use super::CHUNK;
use super::caught::caught;
use super::crowd::Crowd;
use crate::dataset::{ImageShape, Inputs};
use crate::error::Error;

/// Pixels of a picture that is decoded.
const MOST_PIXELS: u64 = 64 << 20;
/// Memory that decoding one picture may take.
const MOST_MEMORY: u64 = 512 << 20;
/// Bytes of the pictures that are decoded at one time, on however many threads: one of the largest, or two hundred of ordinary ones. Beside itself a
/// picture takes as much again while its colours are changed.
static CROWD: Crowd = Crowd::of(MOST_MEMORY);

pub(super) const EXTENSIONS: [&str; 11] =
    ["png", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "gif", "tif", "tiff", "webp"];
/// Pictures too, but not read: a user should hear of each.
pub(super) const FOREIGN: [&str; 16] =
    ["heic", "heif", "avif", "svg", "jp2", "psd", "ico", "tga", "pgm", "ppm", "pbm", "exr", "dng", "cr2", "nef", "dcm"];
pub(super) const NOT_AN_IMAGE: &str = "not an image in a format that is read (PNG, JPEG, BMP, GIF, TIFF, WebP)";

/// What was read of a picture, or the reason why it was not.
type Result<T> = std::result::Result<T, String>;

pub(super) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().map(OsStr::to_string_lossy);
    extension.is_some_and(|extension| extensions.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

pub(super) fn looks_like_picture(path: &Path) -> bool {
    let mut start = Vec::new();
    path.is_file()
        && File::open(path).and_then(|file| file.take(16).read_to_end(&mut start)).is_ok()
        && image::guess_format(&start).is_ok_and(|format| format.reading_enabled())
}

/// What the first bytes of a picture say, seen upright.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_grey: bool,
    /// 16 bits a channel.
    pub(super) is_wide: bool,
    /// The name ends like another format's.
    pub(super) misnamed: bool,
}

/// Pixels of a picture in memory, as its first bytes say. 0 where they say nothing: it will not be decoded.
pub(super) fn announced_pixels(content: &[u8]) -> u64 {
    caught(|| {
        let (_, decoder) = decoder(Cursor::new(content))?;
        let (width, height) = decoder.dimensions();
        Ok(u64::from(width) * u64::from(height))
    })
    .unwrap_or(0)
}

pub(super) fn header(path: &Path) -> Result<Header> {
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

/// What becomes of the row of a picture that cannot be decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    Skip,
    Zero,
}

/// Pictures in a shape, with the reason for each that failed.
pub(super) fn load(
    root: &Path,
    paths: &[&Path],
    shape: &ImageShape,
    failed: Failed,
) -> crate::Result<(Inputs, Vec<Option<String>>)> {
    load_contents(paths, |path| content(&root.join(path)).map(Cow::Owned), shape, failed)
}

/// The same of files that are in memory.
pub(super) fn load_files(files: &[&[u8]], shape: &ImageShape) -> crate::Result<(Inputs, Vec<Option<String>>)> {
    load_contents(files, |file| Ok(Cow::Borrowed(*file)), shape, Failed::Zero)
}

fn load_contents<'a, S: Sync>(
    sources: &'a [S],
    content: impl Fn(&'a S) -> Result<Cow<'a, [u8]>> + Sync,
    shape: &ImageShape,
    failed: Failed,
) -> crate::Result<(Inputs, Vec<Option<String>>)> {
    let is_white = |white: f32| shape.white.total_cmp(&white).is_eq();
    if is_white(255.0) {
        let (pixels, failures) = load_pixels(sources, content, shape, failed, |picture| bytes(picture, shape))?;
        Ok((Inputs::Bytes(pixels), failures))
    } else if is_white(65_535.0) {
        let (pixels, failures) = load_pixels(sources, content, shape, failed, |picture| words(picture, shape))?;
        Ok((Inputs::Words(pixels), failures))
    } else {
        // a run on pixels of another scale, such as `digits` with its 16
        let scale = |picture| {
            words(picture, shape).into_iter().map(|pixel| f32::from(pixel) * shape.white / 65_535.0).collect()
        };
        let (pixels, failures) = load_pixels(sources, content, shape, failed, scale)?;
        Ok((Inputs::Floats(pixels), failures))
    }
}

fn load_pixels<'a, S: Sync, T: Clone + Default + Send>(
    sources: &'a [S],
    content: impl Fn(&'a S) -> Result<Cow<'a, [u8]>> + Sync,
    shape: &ImageShape,
    failed: Failed,
    pixels: impl Fn(DynamicImage) -> Vec<T> + Sync,
) -> crate::Result<(Array2<T>, Vec<Option<String>>)> {
    let mut rows: Vec<T> = Vec::new();
    let reserved = sources.len().checked_mul(shape.len()).map(|cells| rows.try_reserve_exact(cells));
    if !matches!(reserved, Some(Ok(()))) {
        return Err(Error::usage(
            format!("{} pictures of {}×{} do not fit into memory", sources.len(), shape.height, shape.width),
            "choose a smaller size of pictures",
        ));
    }
    let mut failures = Vec::with_capacity(sources.len());
    for sources in sources.chunks(CHUNK) {
        let decoded: Vec<_> = sources.par_iter().map(|source| decode(&content(source)?, &pixels)).collect();
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

/// Width and height of a picture seen upright, from its first bytes; or why it cannot be read.
pub fn size(path: &Path) -> Result<(u32, u32)> {
    header(path).map(|header| (header.width, header.height))
}

/// The bytes of a file that is small enough to be a picture; or why it cannot be read.
pub fn content(path: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    open(path)?.take(MOST_MEMORY + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    Ok(content)
}

/// The picture that these bytes are, upright and on white, under the limits that hold for all pictures; or why it is none.
pub fn open_upright(content: &[u8]) -> Result<DynamicImage> {
    decode(content, |picture| picture)
}

/// A picture upright and opaque, as `pixels` wants it.
fn decode<T>(content: &[u8], pixels: impl Fn(DynamicImage) -> T) -> Result<T> {
    caught(|| {
        let (format, mut decoder) = decoder(Cursor::new(content))?;
        if format == ImageFormat::Jpeg && is_cut_off(content) {
            return Err("the JPEG data ends early: the file was cut off".to_owned());
        }
        let orientation = orientation(&mut decoder);
        let _place = CROWD.enter(decoder.total_bytes());
        let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
        picture.apply_orientation(orientation);
        Ok(pixels(on_white(picture)))
    })
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
            Luma([byte(value, alpha)])
        })),
        DynamicImage::ImageLumaA16(from) => DynamicImage::ImageLuma16(ImageBuffer::from_fn(width, height, |x, y| {
            let [value, alpha] = from.get_pixel(x, y).0;
            Luma([word(value, alpha)])
        })),
        DynamicImage::ImageRgba8(from) => DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
            let [r, g, b, alpha] = from.get_pixel(x, y).0;
            Rgb([r, g, b].map(|value| byte(value, alpha)))
        })),
        picture if picture.color().has_alpha() => {
            let from = picture.into_rgba16();
            DynamicImage::ImageRgb16(ImageBuffer::from_fn(width, height, |x, y| {
                let [r, g, b, alpha] = from.get_pixel(x, y).0;
                Rgb([r, g, b].map(|value| word(value, alpha)))
            }))
        }
        picture => picture,
    }
}

fn open(path: &Path) -> Result<File> {
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
fn decoder<'a, R: BufRead + Seek + 'a>(content: R) -> Result<(ImageFormat, impl ImageDecoder + 'a)> {
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

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder};

    use super::super::image_folder::testing::{bytes_of, load, says, shape};
    use super::super::testing::{GREY, Scratch, encode, png};
    use super::*;

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

    #[test]
    fn a_panic_of_a_decoder_is_a_reason() {
        let result: Result<()> = caught(|| panic!("index {} out of range", 7));
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
}
