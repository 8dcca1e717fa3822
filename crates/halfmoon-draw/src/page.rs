//! The white page and how a pixel of it takes a colour.

use halfmoon_pool::{Error, Result};
use image::{Rgb, RgbImage};

/// A colour, red-green-blue.
pub(crate) type Ink = Rgb<u8>;

pub(crate) const WHITE: Ink = Rgb([255; 3]);

/// Of a page: 300 MB in memory, more than viewers like to open.
const MOST_PIXELS: usize = 100_000_000;

/// What is drawn on. A place outside it takes no colour.
pub(crate) struct Page(pub(crate) RgbImage);

impl Page {
    /// A white one.
    pub(crate) fn new(width: usize, height: usize) -> Result<Page> {
        let sides = u32::try_from(width).ok().zip(u32::try_from(height).ok());
        match sides.filter(|_| width.checked_mul(height).is_some_and(|pixels| pixels <= MOST_PIXELS)) {
            Some((width, height)) => Ok(Page(RgbImage::from_pixel(width, height, WHITE))),
            None => Err(Error::usage(
                format!("the picture would have {width} × {height} pixels, and {MOST_PIXELS} is the most"),
                "draw fewer items",
            )),
        }
    }

    /// Fills a rectangle.
    pub(crate) fn fill(&mut self, x: i64, y: i64, width: i64, height: i64, ink: Ink) {
        self.shade(x, y, width, height, ink, 1.0);
    }

    /// Lets `ink` cover this share of a rectangle.
    pub(crate) fn shade(&mut self, x: i64, y: i64, width: i64, height: i64, ink: Ink, share: f32) {
        for y in y..y + height {
            for x in x..x + width {
                self.cover(x, y, ink, share);
            }
        }
    }

    /// Lets `ink` cover this share of a pixel.
    pub(crate) fn cover(&mut self, x: i64, y: i64, ink: Ink, share: f32) {
        let place = u32::try_from(x).ok().zip(u32::try_from(y).ok());
        if let Some(pixel) = place.and_then(|(x, y)| self.0.get_pixel_mut_checked(x, y)) {
            for (below, above) in pixel.0.iter_mut().zip(ink.0) {
                let (from, to) = (f32::from(*below), f32::from(above));
                *below = byte((from + (to - from) * share.clamp(0.0, 1.0)) / 255.0);
            }
        }
    }
}

/// A brightness from 0 to 1 as a byte; what lies outside is clipped.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clipped before")]
pub(crate) fn byte(brightness: f32) -> u8 {
    (brightness.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// The nearest whole pixel.
#[expect(clippy::cast_possible_truncation, reason = "saturates, and no page is that large")]
pub(crate) fn pixel(place: f32) -> i64 {
    place.round() as i64
}

/// A plot needs no more.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
pub(crate) fn narrow(v: f64) -> f32 {
    v as f32
}

/// A length on a page: [`Page::new`] bounds it.
pub(crate) fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_covered_white_is_grey_and_outside_is_ignored() {
        let mut page = Page::new(2, 1).unwrap();
        page.cover(0, 0, Rgb([0; 3]), 0.5);
        for (x, y) in [(-1, 0), (2, 0), (0, 1), (i64::MAX, i64::MIN)] {
            page.cover(x, y, Rgb([0; 3]), 1.0);
        }
        // 255 / 2 = 127.5
        assert_eq!(page.0.into_raw(), [128, 128, 128, 255, 255, 255]);
    }

    #[test]
    fn a_page_that_no_viewer_would_open_is_refused() {
        for (width, height) in [(10_001, 10_000), (usize::MAX, 2), (usize::MAX, 0)] {
            assert!(Page::new(width, height).is_err(), "{width} × {height}");
        }
    }

    #[test]
    fn brightness_is_clipped_and_rounded() {
        let bytes = [-1.0, 0.0, 0.499, 0.5, 1.0, 7.0, f32::INFINITY, f32::NEG_INFINITY].map(byte);
        // 0.499 · 255 = 127.2, 0.5 · 255 = 127.5
        assert_eq!(bytes, [0, 0, 127, 128, 255, 255, 255, 0]);
    }
}
