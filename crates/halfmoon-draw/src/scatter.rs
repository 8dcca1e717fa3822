//! Points in a plane, coloured by class.
//!
//! Few points get a shape of their class too, and many the class's name in their midst: colour is never the only
//! thing that tells classes apart.

use halfmoon_pool::{Class, Error, Result};
use image::{Rgb, RgbImage};
use ndarray::ArrayView2;

use crate::page::{Ink, Page, WHITE, narrow, pixel, signed};
use crate::palette;
use crate::text::{self, Align, LABEL, TICK, TITLE, class_name};

const GRID: Ink = Rgb([0xec; 3]);
const AXIS: Ink = Rgb([0x99; 3]);
/// Of points where nothing has a class.
const PLAIN: Ink = Rgb([0x33, 0x66, 0x99]);

/// Side of the square that points are drawn in.
const SIDE: i64 = 640;
const MARGIN: i64 = 16;
/// Of the range, left free on either side.
const FREE: f64 = 0.04;
/// Points from which on dots take the place of shapes.
const MANY: usize = 500;
/// Of that many classes, the names stand among the dots too.
const MOST_NAMES_INSIDE: usize = 20;
const WIDEST_NAME: f32 = 190.0;
const WIDEST_NAME_INSIDE: f32 = 150.0;

/// What is written around the points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captions {
    /// Above; empty for none.
    pub title: String,
    /// Below the horizontal axis.
    pub x: String,
    /// Beside the vertical axis.
    pub y: String,
}

impl Default for Captions {
    fn default() -> Captions {
        Captions { title: String::new(), x: "first direction".into(), y: "second direction".into() }
    }
}

/// A plot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scatter {
    /// The picture.
    pub image: RgbImage,
    /// Points without a place: those with a coordinate that is not finite.
    pub left_out: usize,
}

/// Draws points, `[n, 2]`, each in the colour of its class; those without one lie beneath, in light grey.
///
/// The legend names the classes that have a point, as many as fit. Both axes are fitted to their own range.
#[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
pub fn scatter(
    points: ArrayView2<f32>,
    labels: &[Option<Class>],
    classes: &[String],
    captions: &Captions,
) -> Result<Scatter> {
    if points.ncols() != 2 || points.nrows() != labels.len() {
        let problem = format!("{} labels for points of shape {:?}", labels.len(), points.shape());
        return Err(Error::usage(problem, "a plot needs points [n, 2] and a label, or none, for each"));
    }
    let dots = place(&points, labels);
    let left_out = labels.len() - dots.len();
    if dots.is_empty() {
        let problem = format!("none of {left_out} points has a place");
        return Err(Error::usage(problem, "coordinates are needed that are finite"));
    }
    let (x, y) = (Range::new(dots.iter().map(|dot| dot.x)), Range::new(dots.iter().map(|dot| dot.y)));
    let marks = Marks::new(&dots);
    let legend = Legend::new(&marks.classes, dots.iter().any(|dot| dot.class.is_none()), classes);

    let widest_tick = y.ticks().iter().map(|(_, tick)| text::width(tick, TICK)).fold(0.0, f32::max);
    let left = MARGIN + LABEL.line() + 6 + pixel(widest_tick.ceil()) + 8;
    let top = MARGIN + if captions.title.is_empty() { 0 } else { TITLE.line() + 8 };
    let right = left + SIDE + legend.width + MARGIN;
    let bottom = top + SIDE + 8 + TICK.line() + LABEL.line() + MARGIN;
    let whole = |length: i64| usize::try_from(length).unwrap_or(0);
    let mut plot = Plot { page: Page::new(whole(right), whole(bottom))?, left, top, x, y };

    plot.draw_axes(captions);
    for dot in &dots {
        let at = plot.at(dot);
        marks.draw(&mut plot.page, at, dot.class);
    }
    if marks.are_dots() && marks.classes.len() <= MOST_NAMES_INSIDE {
        plot.draw_names_inside(&dots, &marks.classes, classes);
    }
    legend.draw(&mut plot.page, &marks, left + SIDE + 20, top);
    Ok(Scatter { image: plot.page.0, left_out })
}

/// A point that has a place.
struct Dot {
    x: f64,
    y: f64,
    class: Option<Class>,
}

/// In the order in which they are drawn: those without a class first, the others shuffled, so that no class covers
/// another because of the file's order.
fn place(points: &ArrayView2<f32>, labels: &[Option<Class>]) -> Vec<Dot> {
    let mut order: Vec<usize> = (0..labels.len()).filter(|&n| points.row(n).iter().all(|v| v.is_finite())).collect();
    order.sort_by_cached_key(|&n| (labels[n].is_some(), mix(n as u64)));
    let dot = |n: usize| Dot { x: f64::from(points[[n, 0]]), y: f64::from(points[[n, 1]]), class: labels[n] };
    order.into_iter().map(dot).collect()
}

/// The finaliser of splitmix64: numbers in a row give numbers as if by chance.
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What an axis shows.
struct Range {
    low: f64,
    high: f64,
}

impl Range {
    /// Of all values and a little more; around the only value there is.
    fn new(values: impl Iterator<Item = f64> + Clone) -> Range {
        let (low, high) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
        let free = if low < high {
            (high - low) * FREE
        } else if low == 0.0 {
            1.0
        } else {
            low.abs() * 0.1
        };
        Range { low: low - free, high: high + free }
    }

    /// From 0 at the low end to 1.
    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// Multiples of 1, 2 or 5 times a power of ten, three to nine of them, each with its text.
    fn ticks(&self) -> Vec<(f64, String)> {
        let about = (self.high - self.low) / 8.0;
        let power = about.log10().floor();
        let unit = 10_f64.powf(power);
        let step = unit * [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| unit * times >= about).unwrap_or(10.0);
        let (first, last) = ((self.low / step).ceil(), (self.high / step).floor());
        let values = (0..10).map(|n| (first + f64::from(n)) * step).take_while(|&value| value <= last * step);
        let largest = self.low.abs().max(self.high.abs());
        values.map(|value| (value, number(value, step, largest))).collect()
    }
}

/// With as many decimals as the step needs; as `1.5e−7` where zeros would fill the axis.
fn number(value: f64, step: f64, largest: f64) -> String {
    let power = largest.log10().floor();
    let plain = (-4.0..6.0).contains(&power);
    let scale = if plain { 1.0 } else { 10_f64.powf(power) };
    let (mut decimals, mut unit) = (0, 1.0);
    while step / scale < unit * 0.999 && decimals < 9 {
        (decimals, unit) = (decimals + 1, unit / 10.0);
    }
    let exponent = if plain { String::new() } else { format!("e{power}") };
    if value == 0.0 { "0".into() } else { format!("{:.decimals$}{exponent}", value / scale).replace('-', "−") }
}

struct Plot {
    page: Page,
    left: i64,
    top: i64,
    x: Range,
    y: Range,
}

impl Plot {
    /// On the page, in pixels; the second axis runs upwards.
    fn at(&self, dot: &Dot) -> (f32, f32) {
        let right = self.x.share(dot.x) * SIDE as f64;
        let down = (1.0 - self.y.share(dot.y)) * SIDE as f64;
        (narrow(self.left as f64 + right), narrow(self.top as f64 + down))
    }

    fn draw_axes(&mut self, captions: &Captions) {
        let Plot { page, left, top, x, y } = self;
        let (left, top, bottom) = (*left, *top, *top + SIDE);
        let on = |share: f64| pixel(narrow(share * SIDE as f64));
        for (value, tick) in x.ticks() {
            let at = left + on(x.share(value));
            page.fill(at, top, 1, SIDE, GRID);
            page.fill(at, bottom, 1, 5, AXIS);
            text::draw(page, &tick, TICK, Align::Middle, (at, bottom + 8 + TICK.capital()));
        }
        for (value, tick) in y.ticks() {
            let at = bottom - on(y.share(value));
            page.fill(left, at, SIDE, 1, GRID);
            page.fill(left - 5, at, 5, 1, AXIS);
            text::draw(page, &tick, TICK, Align::Right, (left - 9, at + TICK.capital() / 2));
        }
        page.fill(left - 1, top, 1, SIDE + 1, AXIS);
        page.fill(left - 1, bottom, SIDE + 1, 1, AXIS);

        let most = SIDE as f32;
        let middle = (left + SIDE / 2, top + SIDE / 2);
        let title = text::shorten(&captions.title, TITLE, most);
        text::draw(page, &title, TITLE, Align::Left, (left, MARGIN + TITLE.capital()));
        let below = bottom + 8 + TICK.line() + LABEL.capital() + 2;
        text::draw(page, &text::shorten(&captions.x, LABEL, most), LABEL, Align::Middle, (middle.0, below));
        let beside = MARGIN + LABEL.capital();
        text::draw_upwards(page, &text::shorten(&captions.y, LABEL, most), LABEL, Align::Middle, (beside, middle.1));
    }

    /// Each at the median of its class; one that would lie on another is moved up or down, or left to the legend.
    fn draw_names_inside(&mut self, dots: &[Dot], present: &[Class], classes: &[String]) {
        let mut taken: Vec<[i64; 4]> = Vec::new();
        for &class in present {
            let places: Vec<_> = dots.iter().filter(|dot| dot.class == Some(class)).map(|dot| self.at(dot)).collect();
            let (x, y) = (median(places.iter().map(|at| at.0)), median(places.iter().map(|at| at.1)));
            let name = text::shorten(&class_name(class, classes), LABEL, WIDEST_NAME_INSIDE);
            let half = pixel(text::width(&name, LABEL) / 2.0) + 4;
            let x = x.clamp(self.left + half, self.left + SIDE - half);
            let box_at = |moved: i64| [x - half, y + moved - LABEL.line() / 2, x + half, y + moved + LABEL.line() / 2];
            let is_free = |moved: &i64| {
                let [left, top, right, bottom] = box_at(*moved);
                let overlaps = |o: &[i64; 4]| left < o[2] && o[0] < right && top < o[3] && o[1] < bottom;
                top >= self.top && bottom <= self.top + SIDE && !taken.iter().any(overlaps)
            };
            let Some(moved) = [0, -1, 1, -2, 2].map(|halves| halves * LABEL.line() / 2).into_iter().find(is_free)
            else {
                continue;
            };
            taken.push(box_at(moved));
            let at = (x, y + moved + LABEL.capital() / 2);
            let [left, top, right, bottom] = box_at(moved);
            self.page.shade(left, top, right - left, bottom - top, WHITE, 0.85);
            text::draw(&mut self.page, &name, LABEL, Align::Middle, at);
        }
    }
}

/// To the nearest pixel.
fn median(values: impl Iterator<Item = f32>) -> i64 {
    let mut values: Vec<f32> = values.collect();
    let middle = values.len() / 2;
    pixel(*values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

/// How points are drawn.
struct Marks {
    /// Those that have a point, in their order.
    classes: Vec<Class>,
    radius: f32,
    cover: f32,
    has_shapes: bool,
}

impl Marks {
    fn new(dots: &[Dot]) -> Marks {
        let mut classes: Vec<Class> = dots.iter().filter_map(|dot| dot.class).collect();
        classes.sort_unstable();
        classes.dedup();
        let n = dots.len() as f32;
        if dots.len() < MANY {
            return Marks { classes, radius: 5.0, cover: 0.9, has_shapes: true };
        }
        // Were points spread evenly, a dot would be 0.6 of the way to the next one wide, down to what can be seen.
        let radius = (0.3 * SIDE as f32 / n.sqrt()).clamp(1.1, 3.5);
        Marks { classes, radius, cover: (0.8 * (1000.0 / n).powf(0.2)).clamp(0.3, 0.8), has_shapes: false }
    }

    fn are_dots(&self) -> bool {
        !self.has_shapes
    }

    fn draw(&self, page: &mut Page, at: (f32, f32), class: Option<Class>) {
        let shape = if self.has_shapes { shape(class) } else { Shape::Circle };
        if self.has_shapes {
            // A white rim, so that marks on each other stay apart.
            stamp(page, at, shape, self.radius, 1.0, WHITE, 0.9);
        }
        stamp(page, at, shape, self.radius, 0.0, self.ink(class), self.cover);
    }

    fn ink(&self, class: Option<Class>) -> Ink {
        class.map_or(if self.classes.is_empty() { PLAIN } else { palette::UNLABELLED }, palette::ink)
    }
}

#[derive(Clone, Copy)]
enum Shape {
    Circle,
    Square,
    Up,
    Diamond,
    Plus,
    Down,
    Cross,
    Ring,
}

/// Ten colours and eight shapes: they come together again after forty classes.
fn shape(class: Option<Class>) -> Shape {
    use Shape::{Circle, Cross, Diamond, Down, Plus, Ring, Square, Up};
    class.map_or(Circle, |class| [Circle, Square, Up, Diamond, Plus, Down, Cross, Ring][class.index() % 8])
}

impl Shape {
    /// How far a point is outside, in pixels; negative inside.
    fn distance(self, x: f32, y: f32, radius: f32) -> f32 {
        let bars = |x: f32, y: f32| {
            let (long, thin) = (radius * 1.15, radius * 0.4);
            (x.abs() - long).max(y.abs() - thin).min((y.abs() - long).max(x.abs() - thin))
        };
        // Its sides are 0.65 of the radius from the middle, its corners twice as far.
        let triangle = |y: f32| y.max(x.abs() * 0.866 - y * 0.5) - radius * 0.65;
        match self {
            Shape::Circle => x.hypot(y) - radius,
            Shape::Square => x.abs().max(y.abs()) - radius * 0.88,
            Shape::Up => triangle(y),
            Shape::Down => triangle(-y),
            Shape::Diamond => (x.abs() + y.abs() - radius * 1.3) * 0.707,
            Shape::Plus => bars(x, y),
            Shape::Cross => bars((x + y) * 0.707, (x - y) * 0.707),
            Shape::Ring => (x.hypot(y) - radius * 0.8).abs() - radius * 0.25,
        }
    }
}

/// One mark, grown by `rim`, with smooth edges.
fn stamp(page: &mut Page, (x, y): (f32, f32), shape: Shape, radius: f32, rim: f32, ink: Ink, cover: f32) {
    let reach = radius * 1.35 + rim + 1.0;
    for row in pixel(y - reach)..=pixel(y + reach) {
        for column in pixel(x - reach)..=pixel(x + reach) {
            let (dx, dy) = (column as f32 + 0.5 - x, row as f32 + 0.5 - y);
            let share = (0.5 + rim - shape.distance(dx, dy, radius)).clamp(0.0, 1.0);
            page.cover(column, row, ink, share * cover);
        }
    }
}

/// Names beside their colours.
struct Legend {
    lines: Vec<(Option<Class>, String)>,
    /// What stands below where there are more.
    more: Option<String>,
    /// With the room to the points; 0 without a line.
    width: i64,
}

const LINE: i64 = 23;
const MARK: i64 = 22;

impl Legend {
    fn new(present: &[Class], has_unlabelled: bool, classes: &[String]) -> Legend {
        if present.is_empty() {
            return Legend { lines: Vec::new(), more: None, width: 0 };
        }
        let fit = usize::try_from(SIDE / LINE).unwrap_or(0) - usize::from(has_unlabelled);
        // The line that says how many more there are takes the place of a name.
        let named = if present.len() <= fit { present.len() } else { fit - 1 };
        let name = |&class: &Class| (Some(class), text::shorten(&class_name(class, classes), LABEL, WIDEST_NAME));
        let mut lines: Vec<_> = present[..named].iter().map(name).collect();
        if has_unlabelled {
            lines.push((None, "no label".to_owned()));
        }
        let more = (named < present.len()).then(|| format!("and {} more", present.len() - named));
        let widths = lines.iter().map(|(_, name)| name).chain(&more).map(|text| text::width(text, LABEL));
        let width = 20 + MARK + pixel(widths.fold(0.0, f32::max).ceil());
        Legend { lines, more, width }
    }

    fn draw(&self, page: &mut Page, marks: &Marks, left: i64, top: i64) {
        let middle = |line: usize| top + LINE / 2 + signed(line) * LINE;
        let baseline = |line: usize| middle(line) + LABEL.capital() / 2;
        for (line, (class, name)) in self.lines.iter().enumerate() {
            let shape = if marks.has_shapes { shape(*class) } else { Shape::Circle };
            stamp(page, ((left + 6) as f32, middle(line) as f32), shape, 6.0, 0.0, marks.ink(*class), 1.0);
            text::draw(page, name, LABEL, Align::Left, (left + MARK, baseline(line)));
        }
        if let Some(more) = &self.more {
            text::draw(page, more, LABEL, Align::Left, (left + MARK, baseline(self.lines.len())));
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn labels(classes: &[u16]) -> Vec<Option<Class>> {
        classes.iter().map(|&class| Some(Class(class))).collect()
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|class| format!("kind {class}")).collect()
    }

    fn draw(points: &Array2<f32>, labels: &[Option<Class>], classes: &[String]) -> Scatter {
        scatter(points.view(), labels, classes, &Captions::default()).unwrap()
    }

    fn has(image: &RgbImage, ink: Ink) -> bool {
        image.pixels().any(|pixel| *pixel == ink)
    }

    #[test]
    fn a_point_is_where_the_axes_say() {
        let points = array![[0.0, 0.0], [10.0, 0.0], [10.0, 5.0], [5.0, 2.5]];
        let image = draw(&points, &labels(&[0, 0, 0, 4]), &names(5)).image;
        // The axes: a column and a row of nothing but their colour.
        let left = (0..image.width()).find(|&x| (100..400).all(|y| *image.get_pixel(x, y) == AXIS)).unwrap() + 1;
        let bottom = (0..image.height()).find(|&y| (100..400).all(|x| *image.get_pixel(x, y) == AXIS)).unwrap();
        // A mark covers nine tenths of what is nearly white.
        let has_mark = |x: f64, y: f64, class| {
            let whole = |length: f64| u32::try_from(pixel(narrow(length))).unwrap();
            let found = image.get_pixel(left + whole(x), bottom - whole(y)).0;
            let expected = palette::ink(Class(class)).0.map(|v| 25.5 + 0.9 * f64::from(v));
            found.iter().zip(expected).all(|(&v, e)| (f64::from(v) - e).abs() < 3.0)
        };
        // 4 % are free on either side of 10, so the unit is 640 / 10.8.
        let (low, high) = (640.0 * 0.4 / 10.8, 640.0 * 10.4 / 10.8);
        assert!(has_mark(low, low, 0) && has_mark(high, low, 0) && has_mark(high, high, 0));
        assert!(has_mark(320.0, 320.0, 4) && !has_mark(low, high, 0));
        // The circle's radius is 5.
        assert!(has_mark(low + 3.0, low, 0) && !has_mark(low + 7.0, low, 0));
    }

    #[test]
    fn points_without_a_place_are_left_out_and_counted() {
        let points = array![[0.0, 0.0], [f32::NAN, 1.0], [1.0, f32::INFINITY], [f32::NEG_INFINITY, 0.0], [1.0, 1.0]];
        let plot = draw(&points, &labels(&[0, 0, 0, 0, 0]), &names(1));
        assert_eq!(plot.left_out, 3);
        let rest = draw(&array![[0.0, 0.0], [1.0, 1.0]], &labels(&[0, 0]), &names(1));
        assert_eq!(plot.image, rest.image);
    }

    #[test]
    fn nothing_to_draw_is_an_error() {
        let problem = |points: &Array2<f32>, n| {
            scatter(points.view(), &vec![None; n], &[], &Captions::default()).unwrap_err().to_string()
        };
        assert_eq!(problem(&Array2::zeros((0, 2)), 0), "none of 0 points has a place");
        assert_eq!(problem(&array![[f32::NAN, 0.0]], 1), "none of 1 points has a place");
        assert_eq!(problem(&Array2::zeros((3, 2)), 2), "2 labels for points of shape [3, 2]");
        assert_eq!(problem(&Array2::zeros((3, 3)), 3), "3 labels for points of shape [3, 3]");
    }

    #[test]
    fn one_point_and_equal_points_are_drawn() {
        for value in [0.0, -7.0, 1e-40, f32::MAX, f32::MIN_POSITIVE] {
            for n in [1, 30, 600] {
                let plot = draw(&Array2::from_elem((n, 2), value), &vec![Some(Class(1)); n], &names(2));
                assert_eq!(plot.left_out, 0);
                assert!(has(&plot.image, palette::ink(Class(1))), "{n} points at {value}");
            }
        }
        draw(&array![[f32::MAX, f32::MIN], [f32::MIN, f32::MAX]], &[None, None], &[]);
        // A range of a few steps of f32 around a large number.
        draw(&array![[1e6, 0.0], [1e6 + 0.125, 0.0]], &[None, None], &[]);
    }

    #[test]
    fn few_points_have_shapes_and_many_are_dots() {
        assert!(Marks::new(&dots(499)).has_shapes);
        let (some, many, most) = (Marks::new(&dots(500)), Marks::new(&dots(5000)), Marks::new(&dots(70_000)));
        assert!(some.are_dots());
        assert!(some.radius > many.radius && many.radius > most.radius && most.radius >= 1.1);
        assert!(some.cover > many.cover && many.cover > most.cover);
    }

    fn dots(n: usize) -> Vec<Dot> {
        (0..n).map(|_| Dot { x: 0.0, y: 0.0, class: Some(Class(0)) }).collect()
    }

    #[test]
    fn shapes_are_of_one_size_and_around_their_place() {
        let areas: Vec<f32> = (0..8)
            .map(|class| {
                let shape = shape(Some(Class(class)));
                let mut page = Page::new(40, 40).unwrap();
                stamp(&mut page, (20.0, 20.0), shape, 8.0, 0.0, Rgb([0; 3]), 1.0);
                let (mut area, mut x, mut y) = (0.0, 0.0, 0.0);
                for (column, row, pixel) in page.0.enumerate_pixels() {
                    let share = 1.0 - f32::from(pixel.0[0]) / 255.0;
                    area += share;
                    x += share * (column as f32 + 0.5 - 20.0);
                    y += share * (row as f32 + 0.5 - 20.0);
                }
                assert!((x / area).abs() < 0.05 && (y / area).abs() < 0.6, "class {class}: {}, {}", x / area, y / area);
                area
            })
            .collect();
        // A circle of radius 8 has an area of 201.
        assert!((areas[0] - 201.0).abs() < 2.0, "{areas:?}");
        assert!(areas.iter().all(|area| (110.0..230.0).contains(area)), "{areas:?}");
    }

    #[test]
    fn no_class_hides_another_because_of_the_order() {
        // Two classes on one place, the file sorted by class: each is on top about as often.
        let n = 2000;
        let sorted: Vec<_> = (0..n).map(|item| Some(Class(u16::from(item >= n / 2)))).collect();
        let order = place(&Array2::zeros((n, 2)).view(), &sorted);
        let late = order[n / 2..].iter().filter(|dot| dot.class == Some(Class(1))).count();
        // Binomial(1000, 1/2): five deviations are 79.
        assert!(late.abs_diff(n / 4) < 80, "{late}");
    }

    #[test]
    fn points_without_a_class_lie_beneath() {
        let some = [Some(Class(0)), None, Some(Class(1)), None];
        let order = place(&Array2::zeros((4, 2)).view(), &some);
        let classes: Vec<_> = order.iter().map(|dot| dot.class.is_some()).collect();
        assert_eq!(classes, [false, false, true, true]);
        // Where nobody has a class there is no legend, and grey would be pale.
        let points = array![[0.0, 0.0], [1.0, 1.0]];
        assert_eq!(Marks::new(&place(&points.view(), &[None, None])).ink(None), PLAIN);
        assert_eq!(Marks::new(&place(&points.view(), &some[..2])).ink(None), palette::UNLABELLED);
        let image = draw(&points, &[None, None], &names(3)).image;
        assert!(image.width() < draw(&points, &some[..2], &names(3)).image.width());
    }

    #[test]
    fn the_legend_names_the_classes_that_have_points() {
        let present = [Class(0), Class(2), Class(7)];
        let legend = Legend::new(&present, true, &names(3));
        let lines: Vec<_> = legend.lines.iter().map(|(_, name)| name.as_str()).collect();
        // The eighth class is not in the list of names.
        assert_eq!(lines, ["kind 0", "kind 2", "class 7", "no label"]);
        assert_eq!(legend.more, None);
    }

    #[test]
    fn the_legend_says_how_many_classes_it_leaves_out() {
        let all: Vec<Class> = (0..300).map(Class).collect();
        let (legend, fits) = (Legend::new(&all, false, &names(300)), Legend::new(&all[..27], false, &names(300)));
        // 27 lines of 23 pixels fit beside 640.
        assert_eq!((legend.lines.len(), legend.more.as_deref()), (26, Some("and 274 more")));
        assert_eq!((fits.lines.len(), fits.more), (27, None));
        let points = Array2::from_shape_fn((900, 2), |(item, axis)| (item * (axis + 1) % 37) as f32);
        let classes: Vec<_> = (0..900).map(|item| Some(Class(item % 300))).collect();
        let image = draw(&points, &classes, &names(300)).image;
        assert!(has(&image, palette::ink(Class(25))) && image.height() < 800);
    }

    #[test]
    fn any_name_can_be_drawn() {
        let classes =
            ["🐱", "قطة", "", &"long ".repeat(100), "a\nb", "猫 neko", "\u{202e}\0"].map(str::to_owned).to_vec();
        for n in [7, 700] {
            let points = Array2::from_shape_fn((n, 2), |(item, axis)| ((item + axis) % 7) as f32);
            let of: Vec<_> = (0..n).map(|item| Some(Class(u16::try_from(item % 7).unwrap()))).collect();
            let captions = Captions { title: classes[3].clone(), x: "z₁\n".into(), y: classes[1].repeat(200) };
            let plot = scatter(points.view(), &of, &classes, &captions).unwrap();
            assert!(plot.image.width() < 1000);
        }
    }

    #[test]
    fn the_same_points_give_the_same_bytes() {
        let points = Array2::from_shape_fn((800, 2), |(item, axis)| ((item * item + axis * 31) % 101) as f32);
        let of: Vec<_> = (0..800).map(|item| (item % 3 != 0).then_some(Class(item % 5))).collect();
        let bytes = || crate::png_bytes(&draw(&points, &of, &names(5)).image);
        assert_eq!(bytes(), bytes());
    }

    #[test]
    fn ticks_are_round_and_few() {
        let texts = |low, high| Range { low, high }.ticks().into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(-3.2, 4.1), ["−3", "−2", "−1", "0", "1", "2", "3", "4"]);
        assert_eq!(texts(-3.2, 5.1), ["−2", "0", "2", "4"]);
        assert_eq!(texts(0.0, 1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(0.011, 0.029), ["0.015", "0.020", "0.025"]);
        assert_eq!(texts(-250.0, 1100.0), ["−200", "0", "200", "400", "600", "800", "1000"]);
        assert_eq!(texts(2.1e7, 9.9e7), ["3e7", "4e7", "5e7", "6e7", "7e7", "8e7", "9e7"]);
        assert_eq!(texts(-1.3e-7, 0.4e-7), ["−1.0e−7", "−0.5e−7", "0"]);
        for power in -44..39 {
            for times in [1.0, 1.7, 2.2, 3.4, 4.9, 7.1, 9.9] {
                let high = times * 10_f64.powi(power);
                let n = texts(-0.3 * high, high).len();
                assert!((3..=9).contains(&n), "{n} ticks for {high}");
            }
        }
    }
}
