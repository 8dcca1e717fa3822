//! PNG, in memory and on disk.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use halfmoon_pool::{Error, Result};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, RgbImage};

/// Writes a picture. It is written aside and renamed, so that what was there stays until all is done; a device or a
/// pipe is written to as it is.
pub fn write_png(picture: &RgbImage, path: &Path) -> Result<()> {
    let bytes = png_bytes(picture);
    let failed = |source| Error::io(path, source);
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return fs::write(path, bytes).map_err(failed);
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}.partial", std::process::id()));
    let aside = Path::new(&aside);
    let write = || {
        let mut file = File::create(aside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(aside, path)
    };
    write().map_err(|source| {
        // What was begun is of no use; that it cannot be removed either is the smaller trouble.
        let _ = fs::remove_file(aside);
        failed(source)
    })
}

/// A picture as a PNG file's bytes.
pub fn png_bytes(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive)
        .write_image(picture, picture.width(), picture.height(), ExtendedColorType::Rgb8)
        .expect("a picture with a pixel can be written to memory");
    bytes
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn picture() -> RgbImage {
        RgbImage::from_fn(3, 2, |x, y| Rgb([u8::try_from(x * 100).unwrap(), u8::try_from(y * 200).unwrap(), 7]))
    }

    #[test]
    fn what_is_written_is_read_again_and_nothing_stays_aside() {
        let folder = std::env::temp_dir().join(format!("halfmoon-draw-{}-written", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("ein Bild.png");
        fs::write(&path, "an older file").unwrap();
        write_png(&picture(), &path).unwrap();
        assert_eq!(image::open(&path).unwrap().into_rgb8(), picture());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_path_that_cannot_be_written_is_an_error_that_names_it() {
        let folder = std::env::temp_dir().join(format!("halfmoon-draw-{}-folder", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for path in [folder.clone(), folder.join("missing").join("a.png")] {
            let error = write_png(&picture(), &path).unwrap_err().to_string();
            assert!(error.starts_with(&path.display().to_string()), "{error}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }
}
