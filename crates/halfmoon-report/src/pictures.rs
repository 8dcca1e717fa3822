//! Small pictures on one sheet, which is in the page once; each place that shows one looks at its part of it.

use halfmoon_draw::{RgbImage, png_bytes};
use halfmoon_pool::dataset::{ImageShape, Inputs};
use image::imageops::{FilterType, resize};
use image::{GenericImage, Rgb};

use crate::markup::escaped;

/// Longer sides are brought down to this, so that a page of large pictures stays a few megabytes.
const LONGEST: u32 = 96;
/// Up to this side a pixel is shown as a square, above it they are smoothed.
const COARSE: u32 = 64;
const COLUMNS: usize = 20;

/// Pictures of one size.
pub(crate) struct Sheet {
    id: &'static str,
    width: u32,
    height: u32,
    pictures: Vec<RgbImage>,
}

impl Sheet {
    /// `id` is another one for each sheet of a page. `None` for pictures that cannot be shown: without a pixel, or of
    /// other channels than one or three.
    pub(crate) fn new(id: &'static str, shape: ImageShape) -> Option<Sheet> {
        let (width, height) = (u32::try_from(shape.width).ok()?, u32::try_from(shape.height).ok()?);
        let longest = width.max(height);
        let is_shown = !shape.is_empty() && matches!(shape.channels, 1 | 3);
        let scaled = |side: u32| if longest > LONGEST { (side * LONGEST / longest).max(1) } else { side };
        is_shown.then(|| Sheet { id, width: scaled(width), height: scaled(height), pictures: Vec::new() })
    }

    /// Puts a picture, as shares of white, on the sheet: markup that shows it, and says `label`.
    pub(crate) fn show(&mut self, pixels: &[f32], shape: ImageShape, label: &str) -> String {
        let at = self.pictures.len();
        let picture = picture(pixels, shape);
        let (width, height) = (self.width, self.height);
        self.pictures.push(if picture.dimensions() == (width, height) {
            picture
        } else {
            resize(&picture, width, height, FilterType::Triangle)
        });
        let (x, y) = self.place(at);
        format!(
            "<svg class=\"tile\" role=\"img\" viewBox=\"{x} {y} {width} {height}\" aria-label=\"{}\"><use href=\"#{}\"/></svg>",
            escaped(label),
            self.id
        )
    }

    /// Where a picture is on the sheet: a pixel from its neighbours.
    fn place(&self, at: usize) -> (u32, u32) {
        let number = |n: usize| u32::try_from(n).expect("a sheet has few pictures");
        (number(at % COLUMNS) * (self.width + 1), number(at / COLUMNS) * (self.height + 1))
    }

    /// The sheet itself, which stands anywhere in the page and takes no room. Empty without pictures.
    pub(crate) fn finish(self) -> String {
        if self.pictures.is_empty() {
            return String::new();
        }
        let (_, last) = self.place(self.pictures.len() - 1);
        let columns = self.pictures.len().min(COLUMNS);
        let (right, _) = self.place(columns - 1);
        let (width, height) = (right + self.width, last + self.height);
        let mut sheet = RgbImage::from_pixel(width, height, Rgb([128; 3]));
        for (at, picture) in self.pictures.iter().enumerate() {
            let (x, y) = self.place(at);
            sheet.copy_from(picture, x, y).expect("the sheet was made as large as its pictures need");
        }
        let class = if self.width.max(self.height) <= COARSE { "coarse" } else { "smooth" };
        format!(
            "<svg class=\"sheet\" aria-hidden=\"true\" width=\"0\" height=\"0\"><defs><image id=\"{}\" class=\"{class}\" \
            width=\"{width}\" height=\"{height}\" href=\"data:image/png;base64,{}\"/></defs></svg>\n",
            self.id,
            base64(&png_bytes(&sheet))
        )
    }
}

/// A row of pixels as shares of white. `None` for a table.
pub(crate) fn shares(inputs: &Inputs, row: usize, white: f32) -> Option<Vec<f32>> {
    match inputs {
        Inputs::Bytes(pixels) => Some(pixels.row(row).iter().map(|&v| f32::from(v) / white).collect()),
        Inputs::Words(pixels) => Some(pixels.row(row).iter().map(|&v| f32::from(v) / white).collect()),
        Inputs::Floats(pixels) => Some(pixels.row(row).iter().map(|&v| v / white).collect()),
        Inputs::Table(_) => None,
    }
}

fn picture(pixels: &[f32], shape: ImageShape) -> RgbImage {
    let side = |n: usize| u32::try_from(n).expect("asked when the sheet was made");
    RgbImage::from_fn(side(shape.width), side(shape.height), |x, y| {
        let at = (y as usize * shape.width + x as usize) * shape.channels;
        let channel = |k: usize| byte(pixels.get(at + if shape.channels == 3 { k } else { 0 }).copied());
        Rgb([channel(0), channel(1), channel(2)])
    })
}

/// A share of white as a byte; what lies outside is clipped, and what is not there is black.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clipped before")]
fn byte(share: Option<f32>) -> u8 {
    (share.unwrap_or(0.0).clamp(0.0, 1.0) * 255.0).round() as u8
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits: u32, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > three.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn shape(height: usize, width: usize, channels: usize) -> ImageShape {
        ImageShape { height, width, channels, white: 255.0 }
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        // RFC 4648, section 10.
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn each_place_looks_at_its_own_part_of_the_sheet() {
        let mut sheet = Sheet::new("a", shape(2, 3, 1)).unwrap();
        let shown: Vec<String> = (0..21).map(|_| sheet.show(&[0.5; 6], shape(2, 3, 1), "<it>")).collect();
        assert!(shown[1].contains("viewBox=\"4 0 3 2\"") && shown[20].contains("viewBox=\"0 3 3 2\""));
        assert!(shown[0].contains("aria-label=\"&lt;it&gt;\"") && shown[0].contains("href=\"#a\""));
        let sheet = sheet.finish();
        assert!(sheet.contains("width=\"79\" height=\"5\"") && sheet.contains("class=\"coarse\""), "{sheet}");
    }

    #[test]
    fn large_pictures_are_brought_down_and_keep_their_form() {
        let mut sheet = Sheet::new("a", shape(400, 200, 3)).unwrap();
        assert_eq!((sheet.width, sheet.height), (48, 96));
        sheet.show(&vec![1.0; 400 * 200 * 3], shape(400, 200, 3), "");
        assert_eq!(sheet.pictures[0].get_pixel(20, 20).0, [255; 3]);
    }

    #[test]
    fn what_is_no_picture_has_no_sheet_and_no_pictures_leave_nothing() {
        assert!(Sheet::new("a", shape(0, 3, 1)).is_none() && Sheet::new("a", shape(2, 3, 4)).is_none());
        assert_eq!(Sheet::new("a", shape(2, 3, 1)).unwrap().finish(), "");
    }

    #[test]
    fn brightness_is_a_share_of_white_whatever_the_type() {
        assert_eq!(shares(&Inputs::Bytes(array![[0, 255]]), 0, 255.0).unwrap(), [0.0, 1.0]);
        assert_eq!(shares(&Inputs::Floats(array![[8.0]]), 0, 16.0).unwrap(), [0.5]);
        assert_eq!([Some(-1.0), Some(f32::NAN), Some(2.0), None].map(byte), [0, 0, 255, 0]);
    }
}
