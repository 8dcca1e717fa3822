//! How an error falls with time: a line a method, both axes logarithmic, as an SVG.
//!
//! ```text
//!  error in %
//!  50 ┤╲
//!  20 ┤ ╲___ method a
//!  10 ┤┄┄┄╲┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄  somebody's published error
//!   5 ┤    ╲______ method b
//!     └┬─────┬─────┬─────┬────
//!     1 s  10 s  1 min  10 min
//! ```
//!
//! A method's name stands at the end of its line, so that there is no legend to decode, and the page is white, so that the
//! picture can be read on a dark one.

use std::fmt::Write as _;

use halfmoon_pool::{Error, Result};
use image::Rgb;

use crate::page::{Ink, WHITE};
use crate::palette::line_ink;
use crate::text::{LABEL, Style, TICK, TITLE, width};

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// Above everything.
    pub title: String,
    /// Above the vertical axis.
    pub y: String,
    /// Below the horizontal axis.
    pub x: String,
    /// Methods.
    pub lines: Vec<Line>,
    /// Errors that stand for themselves, such as published ones.
    pub marks: Vec<Mark>,
}

/// A method.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// At the end of the line.
    pub name: String,
    /// Its runs, each as points in order of time: seconds, and the error in %. More than one are drawn as thin lines.
    pub runs: Vec<Vec<(f64, f64)>>,
}

/// A horizontal dashed line.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Beside it.
    pub name: String,
    /// In %.
    pub error: f64,
}

const WIDTH: f64 = 960.0;
const TOP: f64 = 76.0;
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 500.0;
const HEIGHT: f64 = 552.0;
const MARGIN: f64 = 18.0;
/// From a mark's end to its name.
const TO_MARK: f64 = 22.0;
/// From the end of a line to its name.
const TO_NAME: f64 = 9.0;
/// From one mark's name to the next.
const MARK_GAP: f64 = 16.0;
/// Height of a name at the end of a line.
const NAME_HEIGHT: f64 = 17.0;
/// Names that are longer than this are shortened.
const WIDEST_NAME: f32 = 240.0;

const GRID: Ink = Rgb([0xea; 3]);
const AXIS: Ink = Rgb([0x88; 3]);
const DASHED: Ink = Rgb([0x77; 3]);

/// Draws the curves. An error of 0, which a logarithm has no place for, stands at the lower edge.
pub fn curves(curves: &Curves) -> Result<String> {
    let lines: Vec<&Line> = curves.lines.iter().filter(|line| line.runs.iter().any(|run| !run.is_empty())).collect();
    if lines.is_empty() {
        return Err(Error::usage("there is no point to draw", "train something first"));
    }
    let points = || lines.iter().flat_map(|line| line.runs.iter().flatten());
    let is_usable =
        |&(seconds, error): &(f64, f64)| seconds > 0.0 && seconds.is_finite() && (0.0..=100.0).contains(&error);
    if let Some((seconds, error)) = points().find(|point| !is_usable(point)) {
        let problem = format!("a point at {seconds} seconds with an error of {error} % cannot be drawn");
        return Err(Error::usage(problem, "times are more than 0, and errors from 0 to 100"));
    }
    let marks_width = curves.marks.iter().map(|mark| measured(&mark.name, TICK)).fold(0.0, f64::max);
    let right = if curves.marks.is_empty() { WIDTH - MARGIN } else { WIDTH - MARGIN - marks_width - TO_MARK - 4.0 };
    let names: Vec<String> = lines.iter().map(|line| crate::text::shorten(&line.name, LABEL, WIDEST_NAME)).collect();
    let errors = points().map(|&(_, error)| error).chain(curves.marks.iter().map(|mark| mark.error));
    let mut x = Axis::new(points().map(|&(seconds, _)| seconds), 1.15, (0.0, 1.0));
    // Every name has room between the end of its line and that of the plot.
    let length = |(line, name): (&&Line, &String)| {
        let last = line.runs.iter().filter_map(|run| run.last()).map(|&(seconds, _)| x.at(seconds)).fold(0.0, f64::max);
        (right - LEFT - 2.0 * TO_NAME - measured(name, LABEL)) / last
    };
    let to = LEFT + lines.iter().zip(&names).map(length).fold(right - LEFT, f64::min);
    (x.from, x.to) = (LEFT, to);
    let plot = Plot { x, y: Axis::new(errors.filter(|&error| error > 0.0), 1.25, (BOTTOM, TOP)), right };
    let mut svg = Svg::new(&curves.title, &curves.y);
    plot.draw_axes(&mut svg, curves);
    plot.draw_marks(&mut svg, &curves.marks);
    let drawn: Vec<Drawn> =
        lines.iter().zip(names).enumerate().map(|(n, (line, name))| plot.draw(line, name, n)).collect();
    for line in &drawn {
        svg.lines(line);
    }
    for (line, place) in drawn.iter().zip(place_names(&drawn)) {
        svg.name(line, &place);
    }
    Ok(svg.finish())
}

/// A logarithmic axis.
struct Axis {
    low: f64,
    high: f64,
    /// Where these two are on the page.
    from: f64,
    to: f64,
}

impl Axis {
    /// Of all these values, and a little more on either side.
    fn new(values: impl Iterator<Item = f64>, more: f64, (from, to): (f64, f64)) -> Axis {
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
        // No value at all: every error is 0.
        let (low, high) = if low > high { (0.1, 1.0) } else { (low, high) };
        // A single value has something around it.
        let more = if low < high { more } else { 2.0 };
        Axis { low: low / more, high: high * more, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.max(self.low) / self.low).ln() / (self.high / self.low).ln();
        self.from + share * (self.to - self.from)
    }

    /// What stands at this place.
    fn value(&self, place: f64) -> f64 {
        self.low * (self.high / self.low).powf((place - self.from) / (self.to - self.from))
    }
}

/// 1, 2 and 5 times a power of ten.
fn round_numbers(low: f64, high: f64) -> Vec<f64> {
    let powers = (-9..9).map(|power: i32| 10_f64.powi(power));
    powers.flat_map(|power| [1.0, 2.0, 5.0].map(|n| n * power)).filter(|n| (low..=high).contains(n)).collect()
}

/// Times that people know, each with its text; those that begin a unit or a power of ten come first.
fn round_times(low: f64, high: f64) -> Vec<(f64, String)> {
    let of_unit = |unit: f64, name: &'static str, numbers: &'static [f64]| {
        numbers.iter().map(move |n| (n * unit, format!("{n} {name}")))
    };
    let mut times: Vec<(f64, String)> = round_numbers(low, 0.9).into_iter().map(|n| (n, format!("{n} s"))).collect();
    times.extend(of_unit(1.0, "s", &[1.0, 10.0]));
    times.extend(of_unit(60.0, "min", &[1.0, 10.0]));
    times.extend(of_unit(3600.0, "h", &[1.0, 10.0]));
    times.extend(of_unit(86_400.0, "days", &[10.0, 100.0]));
    times.extend(of_unit(1.0, "s", &[30.0, 3.0]));
    times.extend(of_unit(60.0, "min", &[30.0, 3.0]));
    times.extend(of_unit(3600.0, "h", &[3.0, 24.0]));
    times.extend(of_unit(86_400.0, "days", &[3.0, 30.0]));
    times.retain(|(time, _)| (low..=high).contains(time));
    times
}

struct Plot {
    x: Axis,
    y: Axis,
    /// Where the plot ends, beyond what the axis is fitted to: names stand there.
    right: f64,
}

/// A method as it is on the page.
struct Drawn {
    name: String,
    ink: Ink,
    dashes: &'static str,
    runs: Vec<Vec<(f64, f64)>>,
    /// Where the name belongs.
    end: (f64, f64),
}

impl Plot {
    fn draw(&self, line: &Line, name: String, number: usize) -> Drawn {
        let (ink, dashes) = line_ink(number);
        let place = |&(seconds, error): &(f64, f64)| (self.x.at(seconds), self.y.at(error));
        let runs: Vec<Vec<(f64, f64)>> =
            line.runs.iter().filter(|run| !run.is_empty()).map(|run| run.iter().map(place).collect()).collect();
        // Of several ends, the one in the middle.
        let mut ends: Vec<(f64, f64)> = runs.iter().filter_map(|run| run.last().copied()).collect();
        ends.sort_by(|a, b| a.1.total_cmp(&b.1));
        let end = ends[ends.len() / 2];
        Drawn { name, ink, dashes, runs, end }
    }

    fn draw_axes(&self, svg: &mut Svg, curves: &Curves) {
        for error in round_numbers(self.y.low, self.y.high) {
            let y = self.y.at(error);
            svg.stroke("grid", &[(LEFT, y), (self.right, y)], GRID, 1.0);
            svg.text("tick", &error.to_string(), TICK, "end", (LEFT - 7.0, y + 4.5));
        }
        let mut taken: Vec<(f64, f64)> = Vec::new();
        for (time, text) in round_times(self.x.low, self.x.value(self.right)) {
            let x = self.x.at(time);
            let half = measured(&text, TICK) / 2.0 + 6.0;
            if taken.iter().any(|&(from, to)| x + half > from && x - half < to) {
                continue;
            }
            taken.push((x - half, x + half));
            svg.stroke("grid", &[(x, TOP), (x, BOTTOM)], GRID, 1.0);
            svg.text("tick", &text, TICK, "middle", (x, BOTTOM + 18.0));
        }
        svg.stroke("axis", &[(LEFT, TOP), (LEFT, BOTTOM), (self.right, BOTTOM)], AXIS, 1.0);
        svg.text("title", &curves.title, TITLE, "start", (MARGIN, 30.0));
        svg.text("caption", &curves.y, TICK, "start", (MARGIN, 56.0));
        svg.text("caption", &curves.x, TICK, "middle", (f64::midpoint(LEFT, self.right), HEIGHT - 14.0));
    }

    fn draw_marks(&self, svg: &mut Svg, marks: &[Mark]) {
        let mut marks: Vec<(f64, &Mark)> = marks.iter().map(|mark| (self.y.at(mark.error), mark)).collect();
        marks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let wanted: Vec<f64> = marks.iter().map(|(y, _)| *y).collect();
        for ((y, mark), place) in marks.iter().zip(spread(&wanted, MARK_GAP, (TOP, BOTTOM))) {
            svg.dashes("mark", &[(LEFT, *y), (self.right, *y)], DASHED, 1.0, "5 4");
            svg.stroke("leader", &[(self.right, *y), (self.right + TO_MARK - 4.0, place)], DASHED, 0.8);
            svg.text("published", &mark.name, TICK, "start", (self.right + TO_MARK, place + 4.5));
        }
    }
}

/// Places at least `gap` apart, in the same order, as near to the wanted ones (ascending) as that allows: what would
/// overlap moves aside as one, around its own middle.
fn spread(wanted: &[f64], gap: f64, (low, high): (f64, f64)) -> Vec<f64> {
    /// Neighbours that touch; `sum` is of where each would have the first one.
    struct Touching {
        sum: f64,
        count: usize,
    }
    let first = |group: &Touching| {
        let length = gap * (group.count - 1) as f64;
        (group.sum / group.count as f64).min(high - length).max(low)
    };
    let end = |group: &Touching| first(group) + gap * group.count as f64;
    let mut groups: Vec<Touching> = Vec::new();
    for &place in wanted {
        let mut group = Touching { sum: place, count: 1 };
        while let Some(above) = groups.pop_if(|above| end(above) > first(&group)) {
            group.sum += above.sum - gap * (above.count * group.count) as f64;
            group.count += above.count;
        }
        groups.push(group);
    }
    groups
        .iter()
        .flat_map(|group| (0..group.count).map(|n| first(group) + gap * n as f64).collect::<Vec<_>>())
        .collect()
}

/// A rectangle: left, top, right, bottom.
#[derive(Debug, Clone, Copy)]
struct Area(f64, f64, f64, f64);

impl Area {
    /// Of a line's name at this place.
    fn of(line: &Drawn, place: &Place) -> Area {
        let width = measured(&line.name, LABEL) + 4.0;
        let left = if place.is_left { line.end.0 - TO_NAME - width + 2.0 } else { line.end.0 + TO_NAME - 2.0 };
        Area(left, place.y - NAME_HEIGHT / 2.0, left + width, place.y + NAME_HEIGHT / 2.0)
    }

    fn touches(&self, other: &Area) -> bool {
        self.0 < other.2 && other.0 < self.2 && self.1 < other.3 && other.1 < self.3
    }

    fn is_inside(&self, other: &Area) -> bool {
        self.0 >= other.0 && self.1 >= other.1 && self.2 <= other.2 && self.3 <= other.3
    }

    fn holds(&self, (x, y): (f64, f64)) -> bool {
        (self.0..=self.2).contains(&x) && (self.1..=self.3).contains(&y)
    }
}

/// Where a line's name stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Of its middle.
    y: f64,
    /// Left of the line's end, as a single point allows, and not right of it.
    is_left: bool,
}

/// The place of each line's name: near the line's end, where no other name is and few lines pass.
fn place_names(lines: &[Drawn]) -> Vec<Place> {
    let dots: Vec<(f64, f64)> =
        lines.iter().flat_map(|line| line.runs.iter().flat_map(|run| close_dots(run))).collect();
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by(|&a, &b| lines[a].end.1.total_cmp(&lines[b].end.1));
    let mut places: Vec<Place> = lines.iter().map(|line| Place { y: line.end.1, is_left: false }).collect();
    let mut taken: Vec<Area> = Vec::new();
    for n in order {
        let wanted = lines[n].end.1;
        let cost = |place: &Place| {
            let area = Area::of(&lines[n], place);
            let crossed = dots.iter().filter(|&&dot| area.holds(dot)).count();
            (place.y - wanted).abs() + 3.0 * crossed as f64 + if place.is_left { 8.0 } else { 0.0 }
        };
        let heights = (0..400).map(|step| wanted + f64::from(step / 2) * if step % 2 == 0 { 3.0 } else { -3.0 });
        let candidates = heights.flat_map(|y| [false, true].map(|is_left| Place { y, is_left }));
        let page = Area(LEFT, TOP, WIDTH, BOTTOM);
        let is_free = |place: &Place| {
            let area = Area::of(&lines[n], place);
            area.is_inside(&page) && !taken.iter().any(|other| area.touches(other))
        };
        // Where a page has no place for all of its names, the last ones lie over others.
        let best = candidates.filter(is_free).min_by(|a, b| cost(a).total_cmp(&cost(b)));
        places[n] = best.unwrap_or(places[n]);
        taken.push(Area::of(&lines[n], &places[n]));
    }
    places
}

/// Dots on a line, no further than 3 apart.
fn close_dots(run: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let between = |pair: &[(f64, f64)]| {
        let (from, to) = (pair[0], pair[1]);
        let count = ((to.0 - from.0).hypot(to.1 - from.1) / 3.0).ceil().max(1.0);
        let shares = std::iter::successors(Some(0.0), move |share| Some(share + 1.0)).take_while(move |n| *n < count);
        shares.map(move |n| (from.0 + (to.0 - from.0) * n / count, from.1 + (to.1 - from.1) * n / count))
    };
    run.windows(2).flat_map(between).chain(run.last().copied()).collect()
}

fn measured(text: &str, style: Style) -> f64 {
    f64::from(width(text, style))
}

/// A picture that grows by an element a line.
struct Svg(String);

impl Svg {
    fn new(title: &str, description: &str) -> Svg {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
            height=\"{HEIGHT}\" role=\"img\" font-family=\"DejaVu Sans, Verdana, Helvetica, Arial, sans-serif\">"
        );
        let _ = writeln!(text, "<title>{}</title>\n<desc>{}</desc>", escaped(title), escaped(description));
        let _ = writeln!(text, "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\" fill=\"{}\"/>", hex(WHITE));
        Svg(text)
    }

    fn stroke(&mut self, class: &str, points: &[(f64, f64)], ink: Ink, thickness: f64) {
        self.dashes(class, points, ink, thickness, "");
    }

    fn dashes(&mut self, class: &str, points: &[(f64, f64)], ink: Ink, thickness: f64, dashes: &str) {
        let places: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dashes = if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dashes}\"") };
        let _ = writeln!(
            self.0,
            "<polyline class=\"{class}\" points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{thickness}\"{dashes} \
            stroke-linejoin=\"round\"/>",
            places.join(" "),
            hex(ink)
        );
    }

    fn text(&mut self, class: &str, text: &str, style: Style, anchor: &str, (x, y): (f64, f64)) {
        let _ = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{:.1}\" text-anchor=\"{anchor}\" \
            fill=\"{}\">{}</text>",
            style.em(),
            hex(style.ink()),
            escaped(text)
        );
    }

    fn lines(&mut self, line: &Drawn) {
        let is_one = line.runs.len() == 1;
        for run in &line.runs {
            self.dashes("line", run, line.ink, if is_one { 2.2 } else { 1.1 }, line.dashes);
            let (x, y) = run.last().copied().unwrap_or(line.end);
            let radius = if is_one { 3.5 } else { 2.2 };
            let _ = writeln!(
                self.0,
                "<circle class=\"end\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{}\"/>",
                hex(line.ink)
            );
        }
    }

    /// A name at the end of its line, with a light edge where it crosses others.
    fn name(&mut self, line: &Drawn, place: &Place) {
        let (end_x, end_y) = line.end;
        let (x, anchor) = if place.is_left { (end_x - TO_NAME, "end") } else { (end_x + TO_NAME, "start") };
        if (place.y - end_y).abs() > NAME_HEIGHT / 2.0 {
            self.stroke("leader", &[line.end, (f64::midpoint(f64::midpoint(end_x, x), x), place.y)], line.ink, 0.8);
        }
        let _ = writeln!(
            self.0,
            "<text class=\"name\" x=\"{x:.1}\" y=\"{:.1}\" font-size=\"{:.1}\" text-anchor=\"{anchor}\" \
            font-weight=\"bold\" fill=\"{}\" stroke=\"{}\" stroke-width=\"4\" stroke-linejoin=\"round\" \
            paint-order=\"stroke\">{}</text>",
            place.y + 5.0,
            LABEL.em() * 0.93,
            hex(line.ink),
            hex(WHITE),
            escaped(&line.name)
        );
    }

    fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

fn hex(Rgb([red, green, blue]): Ink) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// As XML takes it for text. It has no control characters at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || c == '\u{fffe}' || c == '\u{ffff}' => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, runs: &[&[(f64, f64)]]) -> Line {
        Line { name: name.into(), runs: runs.iter().map(|run| run.to_vec()).collect() }
    }

    fn picture(lines: Vec<Line>, marks: &[(&str, f64)]) -> String {
        let marks = marks.iter().map(|&(name, error)| Mark { name: name.into(), error }).collect();
        let (title, y, x) = ("errors & <times>".into(), "error in %".into(), "time".into());
        curves(&Curves { title, y, x, lines, marks }).unwrap()
    }

    /// The elements of this class.
    fn elements<'a>(svg: &'a str, class: &str) -> Vec<&'a str> {
        svg.lines().filter(|line| line.contains(&format!("class=\"{class}\""))).collect()
    }

    fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
        element.split_once(&format!(" {name}=\"")).unwrap().1.split_once('"').unwrap().0
    }

    fn number(element: &str, name: &str) -> f64 {
        attribute(element, name).parse().unwrap()
    }

    fn text(element: &str) -> &str {
        element.split_once('>').unwrap().1.split_once('<').unwrap().0
    }

    fn points(element: &str) -> Vec<(f64, f64)> {
        let place = |pair: &str| pair.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap();
        attribute(element, "points").split(' ').map(place).collect()
    }

    #[test]
    fn equal_factors_are_equal_lengths_and_a_small_error_lies_low() {
        let svg = picture(vec![line("m", &[&[(1.0, 80.0), (10.0, 20.0), (100.0, 5.0)]])], &[]);
        let drawn = points(elements(&svg, "line")[0]);
        assert_eq!(drawn.len(), 3);
        assert!((drawn[1].0 - drawn[0].0 - (drawn[2].0 - drawn[1].0)).abs() < 0.2, "{drawn:?}");
        assert!((drawn[1].1 - drawn[0].1 - (drawn[2].1 - drawn[1].1)).abs() < 0.2, "{drawn:?}");
        assert!(drawn[0].1 < drawn[1].1 && drawn[0].0 < drawn[1].0, "{drawn:?}");
        let ticks: Vec<&str> = elements(&svg, "tick").into_iter().map(text).collect();
        for expected in ["5", "10", "20", "50", "1 s", "10 s", "1 min"] {
            assert!(ticks.contains(&expected), "{expected} is not in {ticks:?}");
        }
    }

    #[test]
    fn it_is_xml_with_a_background_and_the_title_as_it_was_written() {
        let svg = picture(vec![line("a \"b\" \u{7}", &[&[(1.0, 3.0)]])], &[("<us>", 1.0)]);
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("<title>errors &amp; &lt;times&gt;</title>") && svg.contains(">&lt;us&gt;</text>"));
        assert!(svg.contains("<rect width=\"960\" height=\"552\" rx=\"6\" fill=\"#ffffff\"/>"));
        assert_eq!(text(elements(&svg, "name")[0]), "a &quot;b&quot;  ");
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }

    #[test]
    fn names_of_lines_that_end_at_one_place_stand_apart() {
        let names = ["one", "another", "a third", "a fourth", "a fifth"];
        let lines = (0..5).map(|n| line(names[n], &[&[(1.0, 50.0), (60.0, 2.0 + 0.01 * n as f64)]])).collect();
        let svg = picture(lines, &[]);
        let names: Vec<(f64, &str)> =
            elements(&svg, "name").iter().map(|name| (number(name, "y"), attribute(name, "text-anchor"))).collect();
        for (n, one) in names.iter().enumerate() {
            // Those that stand left of the ends and those that stand right of them cannot touch.
            let is_apart = |other: &(f64, &str)| (one.0 - other.0).abs() >= NAME_HEIGHT - 0.1 || one.1 != other.1;
            assert!((TOP..=BOTTOM).contains(&one.0) && names[..n].iter().all(is_apart), "{names:?}");
        }
        let inks: Vec<&str> = elements(&svg, "name").iter().map(|name| attribute(name, "fill")).collect();
        assert!((1..5).all(|n| !inks[..n].contains(&inks[n])), "{inks:?}");
    }

    #[test]
    fn marks_are_dashed_at_their_error_and_their_names_stand_apart() {
        let marks = [("a", 1.0), ("b", 1.01), ("c", 1.02), ("d", 30.0)];
        let svg = picture(vec![line("m", &[&[(1.0, 80.0), (60.0, 1.0)]])], &marks);
        let dashed = elements(&svg, "mark");
        assert!(dashed.len() == 4 && dashed.iter().all(|mark| mark.contains("stroke-dasharray")));
        let end = points(elements(&svg, "line")[0])[1];
        assert!(dashed.iter().any(|mark| (points(mark)[0].1 - end.1).abs() < 0.11), "the mark at 1 is as high as a 1");
        let heights: Vec<f64> = elements(&svg, "published").iter().map(|name| number(name, "y")).collect();
        assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= MARK_GAP - 0.11), "{heights:?}");
    }

    #[test]
    fn what_would_overlap_moves_aside_around_its_middle() {
        let all = (0.0, 100.0);
        assert_eq!(spread(&[10.0, 50.0], 10.0, all), [10.0, 50.0]);
        assert_eq!(spread(&[48.0, 52.0], 10.0, all), [45.0, 55.0]);
        assert_eq!(spread(&[40.0, 50.0, 50.0, 50.0], 10.0, all), [32.5, 42.5, 52.5, 62.5]);
        assert_eq!(spread(&[99.0, 99.0], 10.0, all), [90.0, 100.0]);
        assert_eq!(spread(&[1.0, 1.0], 10.0, all), [0.0, 10.0]);
        assert!(spread(&[], 10.0, all).is_empty());
    }

    #[test]
    fn several_runs_of_a_method_are_thin_and_share_one_name() {
        let runs: [&[(f64, f64)]; 3] =
            [&[(1.0, 9.0), (9.0, 3.0)], &[(1.0, 8.0), (9.0, 2.0)], &[(2.0, 7.0), (9.0, 5.0)]];
        let svg = picture(vec![line("m", &runs)], &[]);
        assert_eq!((elements(&svg, "line").len(), elements(&svg, "name").len()), (3, 1));
        assert!(elements(&svg, "line").iter().all(|line| number(line, "stroke-width") < 1.5));
        // 3 is the middle one of the last errors.
        let end = points(elements(&svg, "line")[0])[1];
        assert!((number(elements(&svg, "name")[0], "y") - 5.0 - end.1).abs() < 12.0);
    }

    #[test]
    fn an_error_of_zero_lies_at_the_lower_edge_and_no_point_is_an_error() {
        for run in [&[(0.5, 4.0), (2.0, 0.0)][..], &[(3.0, 0.0)]] {
            let svg = picture(vec![line("m", &[run])], &[]);
            let last = points(elements(&svg, "line")[0]).pop().unwrap();
            assert!((last.1 - BOTTOM).abs() < 0.11 && last.0.is_finite(), "{last:?}");
        }
        let empty = Curves { title: String::new(), y: String::new(), x: String::new(), lines: vec![], marks: vec![] };
        assert!(curves(&empty).is_err());
        assert!(curves(&Curves { lines: vec![line("m", &[&[]])], ..empty.clone() }).is_err());
        for point in [(0.0, 1.0), (f64::NAN, 1.0), (1.0, -1.0), (1.0, 101.0), (1.0, f64::NAN)] {
            assert!(curves(&Curves { lines: vec![line("m", &[&[point]])], ..empty.clone() }).is_err(), "{point:?}");
        }
    }
}
