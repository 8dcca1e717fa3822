//! What the tests of several formats need.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, RgbImage};

use super::{Chunk, Format, Options};
use crate::dataset::Schema;
use crate::error::Result;

/// A folder of its own for one test, removed when the test ends.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Scratch {
        let folder = std::env::temp_dir().join(format!("halfmoon-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
        Scratch(folder)
    }

    /// Writes a file, making the folders above it.
    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
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
pub(super) fn chunks(format: &Format, path: &Path, schema: &Schema) -> Result<Vec<Chunk>> {
    let mut chunks = Vec::new();
    (format.stream)(path, schema, &Options::default(), &mut |chunk| {
        chunks.push(chunk);
        Ok(())
    })?;
    Ok(chunks)
}

/// A picture of one colour: `[grey]`, `[r, g, b]` or with transparency.
pub(super) fn encode(format: ImageFormat, width: u32, height: u32, pixel: &[u8]) -> Vec<u8> {
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

pub(super) fn png(width: u32, height: u32, pixel: &[u8]) -> Vec<u8> {
    encode(ImageFormat::Png, width, height, pixel)
}

pub(super) const GREY: &[u8] = &[100];
