//! Pictures as a browser shows them. An item is asked for by its number, never by a path, and a path that leads out of the data's folder is refused.

use std::path::{Component, Path, PathBuf};

use axum::http::StatusCode;
use halfmoon_pool::dataset::{Features, Inputs};
use halfmoon_pool::read::picture;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ImageEncoder, ImageFormat};
use ndarray::Array1;

use super::desk::{Data, Shared};
use super::items::Place;
use crate::problem::Problem;

/// Pixels of the longest side of a thumbnail.
pub(super) const SIZES: std::ops::RangeInclusive<u32> = 16..=2_048;

/// A file of more bytes is not sent as it is.
const MOST_BYTES: usize = 32 << 20;

/// What a browser gets.
pub(super) struct Shown {
    pub(super) kind: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// Where an item's picture comes from.
pub(super) enum Origin {
    File(PathBuf),
    Row(std::sync::Arc<Data>, usize),
}

/// `None`: the item is no picture, or not one of the data.
pub(super) fn origin(shared: &Shared, place: Place) -> Result<Origin, Problem> {
    let (path, row) = {
        let desk = shared.desk();
        let known = desk.items.get(place);
        (known.path(), known.row.zip(desk.data.clone()))
    };
    match (path, row) {
        (Some(path), _) => file(&shared.settings.data, &path).map(Origin::File),
        (None, Some((row, data))) => Ok(Origin::Row(data, row as usize)),
        (None, None) => Err(Problem::new(StatusCode::NOT_FOUND, "the item has no picture").field("item")),
    }
}

/// The file of an item. What is no file below the data's folder, once all links are followed, is refused.
pub(super) fn file(data: &Path, path: &Path) -> Result<PathBuf, Problem> {
    let refused = || Problem::new(StatusCode::FORBIDDEN, "the item's file is not in the data's folder").field("item");
    let gone = |_| Problem::new(StatusCode::NOT_FOUND, "the item's file is gone").field("item");
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(refused());
    }
    // Of a single picture the folder is the one that it lies in.
    let folder = if data.is_dir() { data } else { data.parent().unwrap_or(data) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = folder.canonicalize().map_err(gone)?;
    let file = folder.join(path).canonicalize().map_err(gone)?;
    if !file.starts_with(&folder) || !file.is_file() {
        return Err(refused());
    }
    Ok(file)
}

/// The picture, with its longest side brought to `size` where it is longer.
pub(super) fn shown(origin: &Origin, size: Option<u32>) -> Result<Shown, Problem> {
    let unreadable = |reason: String| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason).field("item");
    let picture = match origin {
        Origin::File(path) => {
            let content = picture::content(path).map_err(unreadable)?;
            if size.is_none()
                && content.len() <= MOST_BYTES
                && let Some(kind) = as_it_is(&content)
            {
                return Ok(Shown { kind, bytes: content });
            }
            picture::open_upright(&content).map_err(unreadable)?
        }
        Origin::Row(data, row) => of_row(data, *row)?,
    };
    let side = picture.width().max(picture.height());
    let picture = match size {
        Some(size) if size < side => picture.thumbnail(size, size),
        _ => picture,
    };
    Ok(Shown { kind: "image/png", bytes: png(picture) })
}

/// The type of what every browser shows as it is.
fn as_it_is(content: &[u8]) -> Option<&'static str> {
    match image::guess_format(content).ok()? {
        // 16 bits a channel: byte 24 of the header, right behind the size.
        ImageFormat::Png if content.get(24) != Some(&16) => Some("image/png"),
        ImageFormat::Jpeg => Some("image/jpeg"),
        ImageFormat::Gif => Some("image/gif"),
        ImageFormat::WebP => Some("image/webp"),
        _ => None,
    }
}

fn of_row(data: &Data, row: usize) -> Result<DynamicImage, Problem> {
    let dataset = data.read();
    let Features::Image(shape) = dataset.schema.features else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "the item is a row of a table and no picture").field("item"));
    };
    let numbers: Array1<f32> = match &dataset.inputs {
        Inputs::Bytes(pixels) => pixels.row(row).mapv(f32::from),
        Inputs::Words(pixels) => pixels.row(row).mapv(f32::from),
        Inputs::Floats(pixels) => pixels.row(row).to_owned(),
        Inputs::Table(_) => Array1::zeros(shape.len()),
    };
    let shares = numbers / shape.white;
    Ok(DynamicImage::ImageRgb8(halfmoon_draw::picture(shares.view(), shape)?))
}

fn png(picture: DynamicImage) -> Vec<u8> {
    let picture = if picture.color().has_color() {
        DynamicImage::ImageRgb8(picture.into_rgb8())
    } else {
        DynamicImage::ImageLuma8(picture.into_luma8())
    };
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(picture.as_bytes(), picture.width(), picture.height(), picture.color().into())
        .expect("a picture with a pixel can be written to memory");
    bytes
}
