//! Shapes as SVG. A class says what a shape is; the page's style says how that looks.

use std::fmt::Write as _;

use crate::markup::escaped;

/// An SVG that is being written. What is not finite is left out.
pub(crate) struct Svg(String);

/// Which part of a text stands at its place.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// `label` is what a reader hears who doesn't see the picture.
    pub(crate) fn new(width: f64, height: f64, label: &str) -> Svg {
        Svg(format!(
            "<svg role=\"img\" viewBox=\"0 0 {} {}\" aria-label=\"{}\">\n",
            number(width),
            number(height),
            escaped(label)
        ))
    }

    pub(crate) fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        if [x, y, width, height].iter().all(|v| v.is_finite()) {
            let _ = writeln!(
                self.0,
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                number(x),
                number(y),
                number(width.max(0.0)),
                number(height.max(0.0))
            );
        }
    }

    /// A rectangle that covers what is below it to this share, and says something when it is pointed at.
    pub(crate) fn shade(&mut self, class: &str, (x, y): (f64, f64), side: f64, share: f64, says: &str) {
        let _ = writeln!(
            self.0,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill-opacity=\"{share:.3}\"><title>{}</title></rect>",
            number(x),
            number(y),
            number(side),
            number(side),
            escaped(says)
        );
    }

    /// A line through points.
    pub(crate) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let d = way(points);
        if !d.is_empty() {
            self.path(class, &d);
        }
    }

    /// A path whose data are known to be sound.
    pub(crate) fn path(&mut self, class: &str, d: &str) {
        let _ = writeln!(self.0, "<path class=\"{class}\" d=\"{d}\"/>");
    }

    pub(crate) fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        if x.is_finite() && y.is_finite() {
            let _ = writeln!(
                self.0,
                "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
                number(x),
                number(y),
                number(radius)
            );
        }
    }

    pub(crate) fn text(&mut self, class: &str, anchor: Anchor, (x, y): (f64, f64), text: &str) {
        self.turned(class, anchor, (x, y), 0.0, text);
    }

    /// A text turned around its place, in degrees clockwise.
    pub(crate) fn turned(&mut self, class: &str, anchor: Anchor, (x, y): (f64, f64), degrees: f64, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y) = (number(x), number(y));
        let turn = if degrees.abs() > 0.0 {
            format!(" transform=\"rotate({} {x} {y})\"", number(degrees))
        } else {
            String::new()
        };
        let _ = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\"{turn}>{}</text>",
            escaped(text)
        );
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push_str("</svg>");
        self.0
    }
}

/// The data of a path through points: `M1,2L3,4`.
pub(crate) fn way(points: &[(f64, f64)]) -> String {
    let mut d = String::new();
    for (x, y) in points.iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
        let _ = write!(d, "{}{},{}", if d.is_empty() { 'M' } else { 'L' }, number(*x), number(*y));
    }
    d
}

/// A tenth of a pixel is as fine as an eye can see.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".into() } else { text.to_owned() }
}

/// Width of a text in pixels, to see whether it fits: a guess, since fonts differ from one reader to the next.
pub(crate) fn width(text: &str, em: f64) -> f64 {
    // Hangul, and what lies above Latin, Greek and signs: Chinese, Japanese, emoji.
    let wide = |c: char| matches!(c, '\u{1100}'..='\u{11ff}' | '\u{2e80}'..);
    em * text.chars().map(|c| if wide(c) { 1.0 } else { 0.56 }).sum::<f64>()
}

/// The text, or as much of its ends as fits.
pub(crate) fn fitted(text: &str, em: f64, most: f64) -> String {
    let text = crate::markup::visible(text);
    let mut length = text.chars().count();
    let mut shown = text.clone();
    while width(&shown, em) > most && length > 2 {
        length -= 1;
        shown = crate::markup::shortened(&text, length);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_is_not_finite_is_left_out() {
        assert_eq!(way(&[(0.0, 1.0), (f64::NAN, 2.0), (3.25, f64::INFINITY), (-0.01, 4.0)]), "M0,1L0,4");
        let mut svg = Svg::new(10.0, 10.0, "a \"b\"");
        svg.line("x", &[(f64::NAN, 0.0)]);
        svg.rect("x", (0.0, f64::NAN), (1.0, 1.0));
        svg.circle("x", (f64::NEG_INFINITY, 0.0), 1.0);
        assert_eq!(svg.finish(), "<svg role=\"img\" viewBox=\"0 0 10 10\" aria-label=\"a &quot;b&quot;\">\n</svg>");
    }

    #[test]
    fn a_text_that_does_not_fit_keeps_its_ends() {
        assert_eq!(fitted("short", 10.0, 100.0), "short");
        // 5.6 a character: 8 of them fit into 45.
        assert_eq!(fitted("abcdefghijkl", 10.0, 45.0), "abcd…jkl");
        assert_eq!(fitted("🦊🦊🦊🦊🦊🦊", 10.0, 40.0), "🦊🦊…🦊");
    }
}
