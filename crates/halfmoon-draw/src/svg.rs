//! Elements of an SVG, one a line, and texts as XML takes them.

use std::fmt::Write as _;

use image::Rgb;

use crate::page::{Ink, WHITE};
use crate::text::Style;

/// A picture that grows by an element a line. A class says what an element is.
pub(crate) struct Svg(String);

impl Svg {
    /// A white page.
    pub(crate) fn new(title: &str, description: &str, (width, height): (f64, f64)) -> Svg {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
            height=\"{height}\" role=\"img\" font-family=\"DejaVu Sans, Verdana, Helvetica, Arial, sans-serif\">"
        );
        let _ = writeln!(text, "<title>{}</title>\n<desc>{}</desc>", escaped(title), escaped(description));
        let _ = writeln!(text, "<rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{}\"/>", hex(WHITE));
        Svg(text)
    }

    pub(crate) fn stroke(&mut self, class: &str, points: &[(f64, f64)], ink: Ink, thickness: f64) {
        self.dashes(class, points, ink, thickness, "");
    }

    pub(crate) fn dashes(&mut self, class: &str, points: &[(f64, f64)], ink: Ink, thickness: f64, dashes: &str) {
        let dashes = if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dashes}\"") };
        let _ = writeln!(
            self.0,
            "<polyline class=\"{class}\" points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{thickness}\"{dashes} \
            stroke-linejoin=\"round\"/>",
            places(points),
            hex(ink)
        );
    }

    /// A closed shape, of which this share covers what lies below.
    pub(crate) fn area(&mut self, class: &str, corners: &[(f64, f64)], ink: Ink, share: f64) {
        let _ = writeln!(
            self.0,
            "<polygon class=\"{class}\" points=\"{}\" fill=\"{}\" fill-opacity=\"{share}\"/>",
            places(corners),
            hex(ink)
        );
    }

    pub(crate) fn dot(&mut self, class: &str, (x, y): (f64, f64), radius: f64, ink: Ink) {
        let _ = writeln!(
            self.0,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{}\"/>",
            hex(ink)
        );
    }

    pub(crate) fn text(&mut self, class: &str, text: &str, style: Style, anchor: &str, (x, y): (f64, f64)) {
        let _ = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{:.1}\" text-anchor=\"{anchor}\" \
            fill=\"{}\">{}</text>",
            style.em(),
            hex(style.ink()),
            escaped(text)
        );
    }

    /// A text with a light edge, which may cross lines. `weight` is CSS's.
    pub(crate) fn edged(&mut self, class: &str, text: &str, size: f32, weight: &str, ink: Ink, at: (&str, f64, f64)) {
        let (anchor, x, y) = at;
        let _ = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size:.1}\" text-anchor=\"{anchor}\" \
            font-weight=\"{weight}\" fill=\"{}\" stroke=\"{}\" stroke-width=\"4\" stroke-linejoin=\"round\" \
            paint-order=\"stroke\">{}</text>",
            hex(ink),
            hex(WHITE),
            escaped(text)
        );
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

fn places(points: &[(f64, f64)]) -> String {
    let places: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    places.join(" ")
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

/// What tests read of a picture.
#[cfg(test)]
pub(crate) mod testing {
    /// The elements of this class.
    pub(crate) fn elements<'a>(svg: &'a str, class: &str) -> Vec<&'a str> {
        svg.lines().filter(|line| line.contains(&format!("class=\"{class}\""))).collect()
    }

    pub(crate) fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
        element.split_once(&format!(" {name}=\"")).unwrap().1.split_once('"').unwrap().0
    }

    pub(crate) fn number(element: &str, name: &str) -> f64 {
        attribute(element, name).parse().unwrap()
    }

    pub(crate) fn text(element: &str) -> &str {
        element.split_once('>').unwrap().1.split_once('<').unwrap().0
    }

    pub(crate) fn points(element: &str) -> Vec<(f64, f64)> {
        let place = |pair: &str| pair.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap();
        attribute(element, "points").split(' ').map(place).collect()
    }
}
