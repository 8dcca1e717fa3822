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

use halfmoon_pool::{Error, Result};

use crate::chart::{
    Area, BOTTOM, DASHED, Frame, LEFT, MARGIN, Name, TO_NAME, TOP, Tick, WIDTH, draw_names, measured, round_numbers,
    spread,
};
use crate::page::Ink;
use crate::palette::line_ink;
use crate::svg::Svg;
use crate::text::TICK;

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

/// From a mark's end to its name.
const TO_MARK: f64 = 22.0;
/// From one mark's name to the next.
const MARK_GAP: f64 = 16.0;

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
    // Where each ends is known once there is an axis.
    let mut names: Vec<Name> =
        lines.iter().enumerate().map(|(n, line)| Name::of_line(&line.name, line_ink(n).0, (0.0, 0.0))).collect();
    let errors = points().map(|&(_, error)| error).chain(curves.marks.iter().map(|mark| mark.error));
    let mut x = Axis::new(points().map(|&(seconds, _)| seconds), 1.15, (0.0, 1.0));
    // Every name has room between the end of its line and that of the plot.
    let length = |(line, name): (&&Line, &Name)| {
        let last = line.runs.iter().filter_map(|run| run.last()).map(|&(seconds, _)| x.at(seconds)).fold(0.0, f64::max);
        (right - LEFT - 2.0 * TO_NAME - name.width()) / last
    };
    let to = LEFT + lines.iter().zip(&names).map(length).fold(right - LEFT, f64::min);
    (x.from, x.to) = (LEFT, to);
    let y = Axis::new(errors.filter(|&error| error > 0.0), 1.25, (BOTTOM, TOP));
    let plot = Plot { x, y, frame: Frame { right, bottom: BOTTOM } };
    let mut svg = Svg::new(&curves.title, &curves.y, plot.frame.size());
    plot.draw_axes(&mut svg);
    plot.frame.draw_captions(&mut svg, &curves.title, &curves.y, &curves.x, "");
    plot.draw_marks(&mut svg, &curves.marks);
    let drawn: Vec<Vec<Vec<(f64, f64)>>> = lines.iter().map(|line| plot.places(line)).collect();
    for (n, (runs, name)) in drawn.iter().zip(&mut names).enumerate() {
        draw_runs(&mut svg, runs, line_ink(n));
        name.end = middle_end(runs);
    }
    draw_names(&mut svg, &names.iter().collect::<Vec<_>>(), drawn.iter().flatten(), &Area(LEFT, TOP, WIDTH, BOTTOM));
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
    /// It ends beyond what the horizontal axis is fitted to: names stand there.
    frame: Frame,
}

impl Plot {
    /// Of the points of each run that has some.
    fn places(&self, line: &Line) -> Vec<Vec<(f64, f64)>> {
        let place = |&(seconds, error): &(f64, f64)| (self.x.at(seconds), self.y.at(error));
        line.runs.iter().filter(|run| !run.is_empty()).map(|run| run.iter().map(place).collect()).collect()
    }

    fn draw_axes(&self, svg: &mut Svg) {
        let times = round_times(self.x.low, self.x.value(self.frame.right));
        let xs = times.into_iter().map(|(time, text)| Tick { place: self.x.at(time), text });
        let errors = round_numbers(self.y.low, self.y.high).into_iter();
        let ys = errors.map(|error| Tick { place: self.y.at(error), text: error.to_string() });
        self.frame.draw_axes(svg, xs.collect(), ys.collect());
    }

    fn draw_marks(&self, svg: &mut Svg, marks: &[Mark]) {
        let mut marks: Vec<(f64, &Mark)> = marks.iter().map(|mark| (self.y.at(mark.error), mark)).collect();
        marks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let wanted: Vec<f64> = marks.iter().map(|(y, _)| *y).collect();
        for ((y, mark), place) in marks.iter().zip(spread(&wanted, MARK_GAP, (TOP, BOTTOM))) {
            svg.dashes("mark", &[(LEFT, *y), (self.frame.right, *y)], DASHED, 1.0, "5 4");
            svg.stroke("leader", &[(self.frame.right, *y), (self.frame.right + TO_MARK - 4.0, place)], DASHED, 0.8);
            svg.text("published", &mark.name, TICK, "start", (self.frame.right + TO_MARK, place + 4.5));
        }
    }
}

fn draw_runs(svg: &mut Svg, runs: &[Vec<(f64, f64)>], (ink, dashes): (Ink, &str)) {
    let (thickness, radius) = if runs.len() == 1 { (2.2, 3.5) } else { (1.1, 2.2) };
    for run in runs {
        svg.dashes("line", run, ink, thickness, dashes);
        svg.dot("end", run[run.len() - 1], radius, ink);
    }
}

/// Of several ends, the one in the middle.
fn middle_end(runs: &[Vec<(f64, f64)>]) -> (f64, f64) {
    let mut ends: Vec<(f64, f64)> = runs.iter().map(|run| run[run.len() - 1]).collect();
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    ends[ends.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::NAME_HEIGHT;
    use crate::svg::testing::{attribute, elements, number, points, text};

    fn line(name: &str, runs: &[&[(f64, f64)]]) -> Line {
        Line { name: name.into(), runs: runs.iter().map(|run| run.to_vec()).collect() }
    }

    fn picture(lines: Vec<Line>, marks: &[(&str, f64)]) -> String {
        let marks = marks.iter().map(|&(name, error)| Mark { name: name.into(), error }).collect();
        let (title, y, x) = ("errors & <times>".into(), "error in %".into(), "time".into());
        curves(&Curves { title, y, x, lines, marks }).unwrap()
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
