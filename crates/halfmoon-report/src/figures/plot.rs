//! Two axes and the place between them.

use super::svg::{Anchor, Svg};
use crate::markup::short_number;

const WIDTH: f64 = 360.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = WIDTH - 14.0;
const TOP: f64 = 26.0;
/// Below the plot: ticks and a caption.
const BELOW: f64 = 40.0;

/// What an axis shows.
pub(super) struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
    caption: String,
}

impl Axis {
    /// From 0 to all, in %.
    pub(super) fn shares(caption: &str) -> Axis {
        Axis::shares_up_to(1.0, caption)
    }

    /// From 0 to a share, in %; a small one has small steps.
    pub(super) fn shares_up_to(high: f64, caption: &str) -> Axis {
        let high = if high > 0.0 { high.min(1.0) } else { 1.0 };
        let shown = |share: f64| format!("{} %", short_number(100.0 * share));
        let ticks = round_numbers(0.0, high).into_iter().map(|share| (share, shown(share))).collect();
        Axis { low: 0.0, high, ticks, caption: caption.into() }
    }

    /// Over these values; a single one has something around it.
    pub(super) fn over(low: f64, high: f64, caption: &str) -> Axis {
        let (low, high) = if low < high { (low, high) } else { (low - 1.0, high + 1.0) };
        let ticks = round_numbers(low, high).into_iter().map(|value| (value, short_number(value))).collect();
        Axis { low, high, ticks, caption: caption.into() }
    }

    /// From 0, in whole numbers.
    pub(super) fn counts(high: f64, caption: &str) -> Axis {
        let mut axis = Axis::over(0.0, high.max(1.0), caption);
        axis.ticks.retain(|(value, _)| value.fract().abs() < 1e-9);
        axis
    }

    /// Where a value lies between the ends, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// Three to six multiples of 1, 2 or 5 times a power of ten.
fn round_numbers(low: f64, high: f64) -> Vec<f64> {
    let raw = (high - low) / 5.0;
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|&step| step >= raw * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step - 1e-9).ceil();
    let numbers = (0..=10).map(|n| (first + f64::from(n)) * step);
    numbers.filter(|&n| n <= high + step * 1e-6).collect()
}

/// A plot that is being drawn.
pub(super) struct Plot {
    pub(super) svg: Svg,
    x: Axis,
    y: Axis,
    bottom: f64,
}

impl Plot {
    /// The axes; `label` says in words what is to be seen.
    pub(super) fn new(height: f64, label: &str, x: Axis, y: Axis) -> Plot {
        let mut plot = Plot { svg: Svg::new(WIDTH, height, label), x, y, bottom: height - BELOW };
        for (value, text) in plot.y.ticks.clone() {
            let (from, y) = plot.at(plot.x.low, value);
            plot.svg.line("grid", &[(from, y), (RIGHT, y)]);
            plot.svg.text("tick", Anchor::End, (LEFT - 6.0, y + 4.0), &text);
        }
        for (value, text) in plot.x.ticks.clone() {
            let (x, _) = plot.at(value, plot.y.low);
            plot.svg.line("grid", &[(x, TOP), (x, plot.bottom)]);
            // The last one ends where the page does.
            let anchor = if x > RIGHT - 12.0 { Anchor::End } else { Anchor::Middle };
            let x = if x > RIGHT - 12.0 { RIGHT + 10.0 } else { x };
            plot.svg.text("tick", anchor, (x, plot.bottom + 15.0), &text);
        }
        plot.svg.line("axis", &[(LEFT, TOP), (LEFT, plot.bottom), (RIGHT, plot.bottom)]);
        let middle = f64::midpoint(LEFT, RIGHT);
        let captions = (plot.y.caption.clone(), plot.x.caption.clone());
        plot.svg.text("caption", Anchor::Start, (4.0, 14.0), &captions.0);
        plot.svg.text("caption", Anchor::Middle, (middle, height - 6.0), &captions.1);
        plot
    }

    /// The place of a point; what lies outside stands at the edge.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (LEFT + self.x.share(x) * (RIGHT - LEFT), self.bottom - self.y.share(y) * (self.bottom - TOP))
    }

    /// A line through points.
    pub(super) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let places: Vec<_> =
            points.iter().filter(|(x, y)| x.is_finite() && y.is_finite()).map(|&(x, y)| self.at(x, y)).collect();
        self.svg.line(class, &places);
    }

    /// From the lower to the upper edge.
    pub(super) fn upright(&mut self, class: &str, x: f64) {
        let (low, high) = (self.y.low, self.y.high);
        self.line(class, &[(x, low), (x, high)]);
    }

    /// From the left to the right edge.
    pub(super) fn level(&mut self, class: &str, y: f64) {
        let (low, high) = (self.x.low, self.x.high);
        self.line(class, &[(low, y), (high, y)]);
    }

    /// A bar from one value to another, from the lower edge up to a height.
    pub(super) fn bar(&mut self, class: &str, (from, to): (f64, f64), height: f64) {
        let ((left, top), (right, bottom)) = (self.at(from, height), self.at(to, self.y.low));
        self.svg.rect(class, (left, top), (right - left, bottom - top));
    }

    /// A text beside a point, kept within the plot.
    pub(super) fn note(&mut self, (x, y): (f64, f64), text: &str) {
        let (x, y) = self.at(x, y);
        let is_right = x > f64::midpoint(LEFT, RIGHT);
        let (anchor, x) = if is_right { (Anchor::End, x - 7.0) } else { (Anchor::Start, x + 7.0) };
        self.svg.text("note", anchor, (x, y.clamp(TOP + 12.0, self.bottom - 6.0)), text);
    }

    pub(super) fn finish(self) -> String {
        self.svg.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_few_and_round() {
        assert_eq!(round_numbers(0.0, 0.5), [0.0, 0.1, 0.2, 0.1 * 3.0, 0.4, 0.5]);
        assert_eq!(round_numbers(-3.0, 11.0), [0.0, 5.0, 10.0]);
        assert_eq!(round_numbers(0.0, 7000.0), [0.0, 2000.0, 4000.0, 6000.0]);
    }

    #[test]
    fn what_lies_outside_stands_at_the_edge() {
        let plot = Plot::new(240.0, "", Axis::shares("x"), Axis::shares("y"));
        assert_eq!(plot.at(0.0, 0.0), (LEFT, 200.0));
        assert_eq!(plot.at(2.0, 7.0), (RIGHT, TOP));
    }

    #[test]
    fn an_axis_over_one_value_has_something_around_it() {
        let axis = Axis::over(3.0, 3.0, "");
        assert!((axis.low, axis.high) == (2.0, 4.0) && !axis.ticks.is_empty());
        assert_eq!(Axis::counts(1.0, "").ticks.len(), 2);
    }
}
