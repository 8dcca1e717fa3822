//! Right answers over how far an input may be changed, a line an attack.

use super::plot::{Axis, Plot};
use super::roc::style;
use crate::Attacks;
use crate::markup::percent;

/// The lines begin where nothing is changed.
pub(crate) fn attacks(of: &Attacks) -> String {
    let most = of.curves.iter().flat_map(|(_, points)| points).map(|(radius, _)| *radius).fold(0.0, f64::max);
    let last = of.curves.first().and_then(|(_, points)| points.last());
    let label = format!(
        "right answers over the {}: {} unchanged, {} at {most}",
        of.radius,
        percent(of.clean),
        last.map_or_else(|| "–".into(), |(_, share)| percent(*share))
    );
    let mut plot = Plot::new(300.0, &label, Axis::over(0.0, most, &of.radius), Axis::shares("right answers"));
    for (at, (_, points)) in of.curves.iter().enumerate() {
        let points: Vec<(f64, f64)> = [(0.0, of.clean)].into_iter().chain(points.iter().copied()).collect();
        plot.line(&style(at), &points);
    }
    plot.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_begins_unchanged_and_says_where_it_ends() {
        let curve = |share| vec![(0.1, share), (0.3, share / 2.0)];
        let of = Attacks {
            radius: "largest change".into(),
            items: 200,
            clean: 0.9,
            curves: vec![("worst".into(), curve(0.4)), ("noise".into(), curve(0.8))],
            doubts: Vec::new(),
        };
        let svg = attacks(&of);
        assert!(svg.contains("90.0 % unchanged, 20.0 % at 0.3"), "{svg}");
        assert!(svg.contains("way w0") && svg.contains("way w1"));
        assert!(!attacks(&Attacks { curves: Vec::new(), ..of }).contains("NaN"));
    }
}
