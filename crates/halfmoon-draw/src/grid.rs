//! Small pictures in rows and columns.
//!
//! ```text
//!              title
//!            3     one   two        column names, above the middle of their column
//!   item 7  ┌───┐ ┌───┐ ┌───┐
//!           │   │ │   │ │   │       row names, right-aligned
//!           └───┘ └───┘ └───┘
//!                └─ a wider gap after the first column sets it apart
//! ```

use halfmoon_pool::dataset::ImageShape;
use halfmoon_pool::{Error, Result};
use image::{Rgb, RgbImage};
use ndarray::{ArrayView1, ArrayView2};

use crate::page::{Ink, Page, byte, pixel, signed};
use crate::text::{self, Align, LABEL, TICK, TITLE};

/// A pixel that is no number: a colour that grey pictures don't have and others rarely.
const NAN: Ink = Rgb([0xff, 0x00, 0xff]);
/// Around a picture, so that a white one has an edge.
const FRAME: Ink = Rgb([0xc0; 3]);

/// Around everything.
const MARGIN: usize = 16;
const GAP: usize = 5;
const WIDE_GAP: usize = 22;
/// Between names and pictures.
const PAD: usize = 8;
/// Longer names are shortened.
const WIDEST_ROW_NAME: f32 = 200.0;
const WIDEST_TITLE: f32 = 640.0;

/// Pictures are scaled so that a cell is between these sizes, large if the columns are few.
const CELL: (usize, usize) = (56, 112);
/// What the cells of a row may take together, as long as none is smaller than the smallest.
const ROW: usize = 960;

/// How pictures are laid out and what is written beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Pictures in a row; a grid of fewer pictures has fewer columns.
    pub columns: usize,
    /// Above everything; empty for none.
    pub title: String,
    /// Above the columns, in their order, in up to two lines; empty or missing for none.
    pub column_names: Vec<String>,
    /// Left of the rows; as above.
    pub row_names: Vec<String>,
    /// Below the pictures, in their order; as above.
    pub captions: Vec<String>,
    /// Columns, counted from 1, after which the gap is wide: `[1]` sets the first column apart.
    pub wide_after_columns: Vec<usize>,
    /// The same for rows.
    pub wide_after_rows: Vec<usize>,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout {
            columns: 8,
            title: String::new(),
            column_names: Vec::new(),
            row_names: Vec::new(),
            captions: Vec::new(),
            wide_after_columns: Vec::new(),
            wide_after_rows: Vec::new(),
        }
    }
}

/// Draws pictures, `[n, height · width · channels]`, row by row into a grid.
///
/// Values run from 0, black, to 1; others are clipped, and NaN is magenta. `shape.white` has no say. A picture's pixel
/// becomes a square of whole pixels: cells are 56 to 112 pixels wide, and a picture that is larger than that keeps its
/// size. Nothing is ever scaled down; a page of more than 100 million pixels is an error.
#[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
pub fn grid(pictures: ArrayView2<f32>, shape: ImageShape, layout: &Layout) -> Result<RgbImage> {
    let ImageShape { height, width, channels, .. } = shape;
    check(&pictures, shape, layout)?;
    let columns = layout.columns.min(pictures.nrows());
    let rows = pictures.nrows().div_ceil(columns);
    let factor = factor(height.max(width), columns);
    let names = Names::new(layout, rows, columns, width.saturating_mul(factor));

    let picture_height = height.saturating_mul(factor).max(names.cell_height);
    let cell = (names.cell_width, picture_height.saturating_add(names.caption_height));
    let across = Axis::new(MARGIN + names.left, cell.0, columns, &layout.wide_after_columns);
    let down = Axis::new(MARGIN + names.top, cell.1, rows, &layout.wide_after_rows);
    let right = across.end.max((MARGIN + names.left).saturating_add(names.title_width));
    let mut page = Page::new(right.saturating_add(MARGIN), down.end.saturating_add(MARGIN))?;

    for (number, picture) in pictures.outer_iter().enumerate() {
        let (x, y) = (across.start(number % columns), down.start(number / columns));
        // A cell may be larger than its picture, where its name needs the place.
        let x = signed(x + (cell.0 - width * factor) / 2);
        let y = signed(y + (picture_height - height * factor) / 2);
        page.fill(x - 1, y - 1, signed(width * factor) + 2, signed(height * factor) + 2, FRAME);
        for row in 0..height {
            for column in 0..width {
                let ink = ink(&picture, (row * width + column) * channels, channels);
                let (dx, dy, side) = (signed(column * factor), signed(row * factor), signed(factor));
                page.fill(x + dx, y + dy, side, side, ink);
            }
        }
    }
    names.draw(&mut page, &across, &down, picture_height);
    Ok(page.0)
}

/// One picture, `[height · width · channels]` from 0, black, to 1, a pixel a pixel and nothing around it.
#[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
pub fn picture(numbers: ArrayView1<f32>, shape: ImageShape) -> Result<RgbImage> {
    let ImageShape { height, width, channels, .. } = shape;
    check(&numbers.insert_axis(ndarray::Axis(0)), shape, &Layout::default())?;
    let side =
        |side: usize| u32::try_from(side).map_err(|_| Error::usage("the picture is too large", "make it smaller"));
    let at = |x: u32, y: u32| (y as usize * width + x as usize) * channels;
    Ok(RgbImage::from_fn(side(width)?, side(height)?, |x, y| ink(&numbers, at(x, y), channels)))
}

fn check(pictures: &ArrayView2<f32>, shape: ImageShape, layout: &Layout) -> Result<()> {
    let ImageShape { height, width, channels, .. } = shape;
    if pictures.nrows() == 0 || shape.is_empty() {
        return Err(Error::usage("there is no picture to draw", "ask for at least one"));
    }
    if layout.columns == 0 {
        return Err(Error::usage("a grid needs at least one column", "ask for at least one"));
    }
    if channels != 1 && channels != 3 {
        let problem = format!("pictures of {channels} channels cannot be drawn");
        return Err(Error::usage(problem, "pictures have 1 channel (grey) or 3 (red, green, blue)"));
    }
    if pictures.ncols() != shape.len() {
        let problem = format!("a row of {} numbers is no picture of {height} × {width} × {channels}", pictures.ncols());
        return Err(Error::usage(problem, "the pictures are of another data set than the model"));
    }
    Ok(())
}

/// Pixels of the page that a pixel of a picture becomes, in either direction.
fn factor(side: usize, columns: usize) -> usize {
    let wanted = (ROW / columns).clamp(CELL.0, CELL.1);
    (wanted / side).max(CELL.0.div_ceil(side))
}

fn ink(picture: &ArrayView1<f32>, at: usize, channels: usize) -> Ink {
    let channel = |k| picture[at + if channels == 3 { k } else { 0 }];
    let [red, green, blue] = [channel(0), channel(1), channel(2)];
    if red.is_nan() || green.is_nan() || blue.is_nan() { NAN } else { Rgb([byte(red), byte(green), byte(blue)]) }
}

/// Where the cells of a row or a column begin.
struct Axis {
    starts: Vec<usize>,
    cell: usize,
    end: usize,
}

impl Axis {
    fn new(first: usize, cell: usize, count: usize, wide_after: &[usize]) -> Axis {
        let mut starts = Vec::with_capacity(count);
        let mut next = first;
        for number in 1..=count {
            starts.push(next);
            next = next.saturating_add(cell).saturating_add(if wide_after.contains(&number) { WIDE_GAP } else { GAP });
        }
        Axis { end: starts[count - 1].saturating_add(cell), starts, cell }
    }

    fn start(&self, number: usize) -> usize {
        self.starts[number]
    }

    fn middle(&self, number: usize) -> i64 {
        signed(self.starts[number] + self.cell / 2)
    }
}

/// What is written beside the pictures, cut to its places, and the room that it takes.
struct Names {
    title: String,
    title_width: usize,
    columns: Vec<Vec<String>>,
    rows: Vec<String>,
    captions: Vec<Vec<String>>,
    left: usize,
    top: usize,
    cell_width: usize,
    cell_height: usize,
    /// Below each picture.
    caption_height: usize,
}

impl Names {
    fn new(layout: &Layout, rows: usize, columns: usize, picture_width: usize) -> Names {
        let is_there = |names: &[String]| names.iter().any(|name| !name.is_empty());
        let column_names = &layout.column_names[..columns.min(layout.column_names.len())];
        let row_names = &layout.row_names[..rows.min(layout.row_names.len())];
        let captions = &layout.captions[..rows.saturating_mul(columns).min(layout.captions.len())];

        let is_named = is_there(column_names) || is_there(captions);
        let cell_width = if is_named { picture_width.max(CELL.0) } else { picture_width };
        // Two neighbours that both fill their cells shall not touch.
        let most = cell_width as f32 - 2.0;
        let columns: Vec<_> = column_names.iter().map(|name| text::wrap(name, LABEL, most)).collect();
        let captions: Vec<_> = captions.iter().map(|caption| text::wrap(caption, TICK, most)).collect();
        let rows: Vec<_> = row_names.iter().map(|name| text::shorten_inside(name, LABEL, WIDEST_ROW_NAME)).collect();
        let title = text::shorten(&layout.title, TITLE, WIDEST_TITLE);

        let mut top = 0;
        if !title.is_empty() {
            top += whole(TITLE.line()) + PAD;
        }
        if is_there(column_names) {
            let lines = columns.iter().map(Vec::len).max().unwrap_or(0);
            top += lines * whole(LABEL.line()) + PAD / 2;
        }
        let (left, cell_height) = if is_there(row_names) {
            let widest = rows.iter().map(|name| text::width(name, LABEL)).fold(0.0, f32::max);
            (whole(pixel(widest.ceil())) + PAD, whole(LABEL.line()))
        } else {
            (0, 0)
        };
        let lines = captions.iter().filter(|lines| is_there(lines)).map(Vec::len).max().unwrap_or(0);
        let caption_height = if lines > 0 { lines * whole(TICK.line()) + PAD / 2 } else { 0 };
        let title_width = whole(pixel(text::width(&title, TITLE).ceil()));
        Names { title, title_width, columns, rows, captions, left, top, cell_width, cell_height, caption_height }
    }

    fn draw(&self, page: &mut Page, across: &Axis, down: &Axis, picture_height: usize) {
        let (left, margin) = (signed(across.start(0)), signed(MARGIN));
        text::draw(page, &self.title, TITLE, Align::Left, (left, margin + TITLE.capital()));
        for (column, lines) in self.columns.iter().enumerate() {
            for (above, line) in lines.iter().rev().enumerate() {
                let baseline = signed(down.start(0) - PAD) - signed(above) * LABEL.line();
                text::draw(page, line, LABEL, Align::Middle, (across.middle(column), baseline));
            }
        }
        for (row, name) in self.rows.iter().enumerate() {
            let baseline = signed(down.start(row) + picture_height / 2) + LABEL.capital() / 2;
            text::draw(page, name, LABEL, Align::Right, (left - signed(PAD), baseline));
        }
        for (number, lines) in self.captions.iter().enumerate() {
            let (column, row) = (number % across.starts.len(), number / across.starts.len());
            for (below, line) in (1..).zip(lines) {
                let baseline = signed(down.start(row) + picture_height) + below * TICK.line();
                text::draw(page, line, TICK, Align::Middle, (across.middle(column), baseline));
            }
        }
    }
}

/// Of a length that is not negative.
fn whole(length: i64) -> usize {
    usize::try_from(length).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn shape(height: usize, width: usize, channels: usize) -> ImageShape {
        ImageShape { height, width, channels, white: 255.0 }
    }

    fn plain(columns: usize) -> Layout {
        Layout { columns, ..Layout::default() }
    }

    fn named(column_names: &[&str], row_names: &[&str]) -> Layout {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Layout { columns: 2, column_names: owned(column_names), row_names: owned(row_names), ..Layout::default() }
    }

    /// Pixels in the frame's colour say where pictures are.
    fn has_frame(image: &RgbImage, x: u32, y: u32) -> bool {
        *image.get_pixel(x, y) == FRAME
    }

    #[test]
    fn a_pixel_is_where_the_layout_says() {
        // Two columns: cells of 112, so a pixel of a 2 × 2 picture is 56 wide. Margin 16, gap 5.
        let pictures = array![[0.0, 0.2, 0.4, 0.6], [1.0, 0.8, 0.4, 0.0], [0.6, 0.6, 0.6, 0.6]];
        let image = grid(pictures.view(), shape(2, 2, 1), &plain(2)).unwrap();
        assert_eq!(image.dimensions(), (16 + 112 + 5 + 112 + 16, 16 + 112 + 5 + 112 + 16));
        let grey = |x, y| image.get_pixel(x, y).0;
        assert_eq!([grey(16, 16), grey(16 + 55, 16 + 55)], [[0; 3]; 2]);
        assert_eq!([grey(16 + 56, 16), grey(16 + 111, 16 + 55)], [[51; 3]; 2]);
        assert_eq!([grey(16, 16 + 56), grey(16 + 56, 16 + 56)], [[102; 3], [153; 3]]);
        // The second picture after the gap, the third below the first, and nothing beside that.
        assert_eq!([grey(133, 16), grey(133 + 56, 16), grey(133 + 111, 127)], [[255; 3], [204; 3], [0; 3]]);
        assert_eq!([grey(16, 133), grey(133, 133), grey(130, 20)], [[153; 3], [255; 3], [255; 3]]);
        assert!(has_frame(&image, 15, 15) && has_frame(&image, 128, 128) && !has_frame(&image, 132, 132));
    }

    #[test]
    fn colours_keep_their_channels() {
        let pictures = array![[1.0, 0.0, 0.2, 0.0, 0.6, 1.0]];
        let image = grid(pictures.view(), shape(1, 2, 3), &plain(1)).unwrap();
        assert_eq!(image.get_pixel(16, 16).0, [255, 0, 51]);
        assert_eq!(image.get_pixel(16 + 56, 16).0, [0, 153, 255]);
        assert_eq!(image.dimensions(), (16 + 112 + 16, 16 + 56 + 16));
    }

    #[test]
    fn a_picture_alone_has_its_own_size() {
        let image = picture(array![0.0, 0.2, 0.4, 0.6, 0.8, 1.0].view(), shape(2, 3, 1)).unwrap();
        assert_eq!(image.dimensions(), (3, 2));
        assert_eq!([image.get_pixel(1, 0).0, image.get_pixel(2, 1).0], [[51; 3], [255; 3]]);
        let image = picture(array![0.0, 0.2, 0.4, 0.6, 0.8, 1.0].view(), shape(1, 2, 3)).unwrap();
        assert_eq!(image.get_pixel(1, 0).0, [153, 204, 255]);
        assert!(picture(array![0.0].view(), shape(1, 2, 1)).is_err());
    }

    #[test]
    fn values_outside_are_clipped_and_nan_is_magenta() {
        let pictures = array![[-0.5, 1.5, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]];
        let image = grid(pictures.view(), shape(1, 5, 1), &plain(1)).unwrap();
        // Five pixels in 112: 22 each.
        let found: Vec<_> = (0..5).map(|n| image.get_pixel(16 + 22 * n, 16).0).collect();
        assert_eq!(found, [[0; 3], [255; 3], [255; 3], [0; 3], [255, 0, 255]]);
        // One channel is enough.
        let image = grid(array![[0.5, f32::NAN, 0.5]].view(), shape(1, 1, 3), &plain(1)).unwrap();
        assert_eq!(image.get_pixel(16, 16).0, [255, 0, 255]);
    }

    #[test]
    fn cells_are_comfortable_and_large_pictures_keep_their_size() {
        // (side, columns) and the cell: the fewer columns, the larger, between 56 and 112.
        let cells = [
            (1, 1, 112),
            (1, 30, 56),
            (8, 8, 112),
            (8, 15, 64),
            (28, 8, 112),
            (28, 10, 84),
            (28, 15, 56),
            (28, 100, 56),
            (29, 100, 58),
            (32, 10, 96),
            (56, 100, 56),
            (60, 1, 60),
            (96, 5, 96),
            (112, 1, 112),
            (113, 1, 113),
            (512, 4, 512),
        ];
        for (side, columns, cell) in cells {
            assert_eq!(side * factor(side, columns), cell, "{side}, {columns} columns");
        }
        let image = grid(Array2::zeros((1, 512 * 512)).view(), shape(512, 512, 1), &plain(4)).unwrap();
        assert_eq!(image.dimensions(), (512 + 32, 512 + 32));
    }

    #[test]
    fn few_pictures_make_a_narrow_grid() {
        let width = |n, columns| grid(Array2::zeros((n, 1)).view(), shape(1, 1, 1), &plain(columns)).unwrap().width();
        assert_eq!(width(3, 50), 16 + 3 * 112 + 2 * 5 + 16);
        assert_eq!(width(1, usize::MAX), 16 + 112 + 16);
    }

    #[test]
    fn what_is_set_apart_has_a_wide_gap() {
        let layout = Layout { wide_after_columns: vec![1], wide_after_rows: vec![2], ..plain(3) };
        let image = grid(Array2::zeros((9, 1)).view(), shape(1, 1, 1), &layout).unwrap();
        assert_eq!(image.dimensions(), (16 + 3 * 112 + 22 + 5 + 16, 16 + 3 * 112 + 5 + 22 + 16));
        let black = |x, y| image.get_pixel(x, y).0 == [0; 3];
        assert!(black(16 + 111, 16) && !black(16 + 112 + 20, 16) && black(16 + 112 + 22, 16));
        // After the last column there is no gap, wide or not.
        let layout = Layout { wide_after_columns: vec![3, 7], ..plain(3) };
        let draw = |layout| grid(Array2::zeros((3, 1)).view(), shape(1, 1, 1), layout).unwrap();
        assert_eq!(draw(&layout), draw(&plain(3)));
    }

    #[test]
    fn names_make_room_for_themselves_and_for_nothing_else() {
        let draw = |layout: &Layout| grid(Array2::zeros((4, 4)).view(), shape(2, 2, 1), layout).unwrap();
        let bare = draw(&plain(2));
        assert_eq!(draw(&named(&["", ""], &["", ""])), bare);
        assert_eq!(draw(&named(&[], &[])), bare);
        // One line of names above: the pictures move down, by it and half a pad, and do not change.
        let under = draw(&named(&["cat", "dog"], &[]));
        let moved = u32::try_from(LABEL.line()).unwrap() + 4;
        assert_eq!(under.dimensions(), (bare.width(), bare.height() + moved));
        let below = image::imageops::crop_imm(&under, 0, 16 + moved, bare.width(), bare.height() - 16).to_image();
        assert!(
            below
                .pixels()
                .eq(image::imageops::crop_imm(&bare, 0, 16, bare.width(), bare.height() - 16).to_image().pixels())
        );
        let above = image::imageops::crop_imm(&under, 0, 0, bare.width(), 14 + moved).to_image();
        let dark: Vec<u32> = above.enumerate_pixels().filter(|(.., ink)| ink.0[0] < 90).map(|(x, ..)| x).collect();
        // Both names, each above its own picture.
        assert!(dark.iter().any(|x| (16..128).contains(x)) && dark.iter().any(|x| (133..245).contains(x)));
        assert!(dark.iter().all(|x| (16..245).contains(x)));
    }

    #[test]
    fn row_names_stand_left_of_their_pictures() {
        let image =
            grid(Array2::ones((4, 4)).view(), shape(2, 2, 1), &named(&[], &["cat", "item 7, a longer one"])).unwrap();
        let left = (0..image.width()).find(|&x| has_frame(&image, x, 15)).unwrap();
        let dark = |x: &u32, from, to| (from..to).any(|y| image.get_pixel(*x, y).0[0] < 90);
        // Right-aligned: both end where the pad begins, 8 pixels before the picture, whose frame is one.
        for (from, to) in [(16, 128), (133, 245)] {
            let last = (0..left).filter(|x| dark(x, from, to)).max().unwrap();
            assert!((left - 12..=left - 8).contains(&last), "{last} before {left}");
        }
        assert!((0..16).all(|x| !dark(&x, 0, image.height())), "the margin stays free");
    }

    #[test]
    fn captions_stand_below_their_pictures_and_move_only_what_is_further_down() {
        let draw = |captions: &[&str]| {
            let captions = captions.iter().map(ToString::to_string).collect();
            grid(Array2::ones((4, 4)).view(), shape(2, 2, 1), &Layout { captions, ..plain(2) }).unwrap()
        };
        let bare = draw(&[]);
        assert_eq!(draw(&["", ""]), bare);
        let image = draw(&["3|8", "", "", "a caption that is broken into two lines"]);
        let more = 2 * u32::try_from(TICK.line()).unwrap() + 4;
        assert_eq!(image.dimensions(), (bare.width(), bare.height() + 2 * more));
        let is_dark = |x: std::ops::Range<u32>, y: std::ops::Range<u32>| {
            x.into_iter().any(|x| y.clone().any(|y| image.get_pixel(x, y).0[0] < 120))
        };
        // Below the first and the fourth picture, whose cells begin at 16 and 133, and below no other.
        let (first, second) = (130..128 + more, 16 + 112 + more + 5 + 114..image.height() - 2);
        assert!(is_dark(16..128, first.clone()) && !is_dark(133..245, first));
        assert!(!is_dark(16..128, second.clone()) && is_dark(133..245, second));
        assert!(has_frame(&image, 16, 15) && has_frame(&image, 16, 16 + 112 + more + 5 - 1));
    }

    #[test]
    fn any_name_can_be_drawn() {
        let long = "x".repeat(500);
        let names = ["🐱🐱", "قطة", "", long.as_str(), "a\nb\r\n\tc", "\u{202e}\0"];
        for one in names {
            for other in names {
                let layout = Layout { title: one.repeat(3), ..named(&[one, other], &[other, one, "too many"]) };
                let image = grid(Array2::zeros((3, 9)).view(), shape(3, 3, 1), &layout).unwrap();
                assert!(image.width() < 1000, "{one:?}, {other:?}");
            }
        }
    }

    #[test]
    fn flat_pictures_leave_room_for_the_names_of_their_rows() {
        let image = grid(Array2::zeros((4, 300)).view(), shape(1, 300, 1), &named(&[], &["one", "two"])).unwrap();
        let line = u32::try_from(LABEL.line()).unwrap();
        assert_eq!(image.height(), 16 + line + 5 + line + 16);
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        let one = Array2::zeros((1, 4));
        let problem = |pictures: &Array2<f32>, shape, columns| {
            grid(pictures.view(), shape, &plain(columns)).unwrap_err().to_string()
        };
        assert_eq!(problem(&Array2::zeros((0, 4)), shape(2, 2, 1), 2), "there is no picture to draw");
        assert_eq!(problem(&Array2::zeros((3, 0)), shape(0, 2, 1), 2), "there is no picture to draw");
        assert_eq!(problem(&one, shape(2, 2, 1), 0), "a grid needs at least one column");
        assert_eq!(problem(&one, shape(2, 1, 2), 1), "pictures of 2 channels cannot be drawn");
        assert_eq!(problem(&one, shape(3, 2, 1), 1), "a row of 4 numbers is no picture of 3 × 2 × 1");
        let page = problem(&Array2::zeros((100_000, 1)), shape(1, 1, 1), 100);
        assert!(page.contains("6127 × 61027 pixels"), "{page}");
    }
}
