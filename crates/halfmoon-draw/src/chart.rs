//! What charts of lines have in common: the frame with its ticks, and names beside what they name, apart from one another.

use image::Rgb;

use crate::page::Ink;
use crate::svg::Svg;
use crate::text::{LABEL, Style, TICK, TITLE, lacking, shorten, width};

/// Of the page.
pub(crate) const WIDTH: f64 = 960.0;
/// Upper edge of the frame.
pub(crate) const TOP: f64 = 76.0;
/// Left edge of the frame.
pub(crate) const LEFT: f64 = 52.0;
/// Lower edge of the frame.
pub(crate) const BOTTOM: f64 = 500.0;
/// Blank at the edges of the page.
pub(crate) const MARGIN: f64 = 18.0;
/// From the end of a line to its name.
pub(crate) const TO_NAME: f64 = 9.0;
/// Height of a name at the end of a line.
pub(crate) const NAME_HEIGHT: f64 = 17.0;
/// Names that are longer than this are shortened.
pub(crate) const WIDEST_NAME: f64 = 240.0;

const GRID: Ink = Rgb([0xea; 3]);
const AXIS: Ink = Rgb([0x88; 3]);
/// Of what is no line of its own: heights to look for, and how a name is tied to its place.
pub(crate) const DASHED: Ink = Rgb([0x77; 3]);

/// Where lines are drawn, from [`LEFT`] and [`TOP`] to these edges.
pub(crate) struct Frame {
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

/// A place on an axis and what is written there.
pub(crate) struct Tick {
    pub(crate) place: f64,
    pub(crate) text: String,
}

impl Frame {
    /// Of the page.
    pub(crate) fn size(&self) -> (f64, f64) {
        (WIDTH, self.bottom + 52.0)
    }

    /// Ticks come in order of importance: one that overlaps an earlier one of its axis is left out.
    pub(crate) fn draw_axes(&self, svg: &mut Svg, xs: Vec<Tick>, ys: Vec<Tick>) {
        for Tick { place: y, text } in apart(ys, |_| 7.0) {
            svg.stroke("grid", &[(LEFT, y), (self.right, y)], GRID, 1.0);
            svg.text("tick", &text, TICK, "end", (LEFT - 7.0, y + 4.5));
        }
        for Tick { place: x, text } in apart(xs, |tick| measured(&tick.text, TICK) / 2.0 + 6.0) {
            svg.stroke("grid", &[(x, TOP), (x, self.bottom)], GRID, 1.0);
            svg.text("tick", &text, TICK, "middle", (x, self.bottom + 18.0));
        }
        svg.stroke("axis", &[(LEFT, TOP), (LEFT, self.bottom), (self.right, self.bottom)], AXIS, 1.0);
    }

    /// The title, what the vertical axis shows, and the horizontal one; and perhaps how to read the lines.
    pub(crate) fn draw_captions(&self, svg: &mut Svg, title: &str, y: &str, x: &str, note: &str) {
        let whole = WIDTH - 2.0 * MARGIN;
        svg.text("title", &fitted(title, TITLE, whole), TITLE, "start", (MARGIN, 30.0));
        let y = fitted(y, TICK, whole - measured(note, TICK) - MARGIN);
        svg.text("caption", &y, TICK, "start", (MARGIN, 56.0));
        if !note.is_empty() {
            svg.text("note", note, TICK, "end", (WIDTH - MARGIN, 56.0));
        }
        let x = fitted(x, TICK, self.right - LEFT);
        svg.text("caption", &x, TICK, "middle", (f64::midpoint(LEFT, self.right), self.bottom + 38.0));
    }
}

/// Those that do not overlap an earlier one; `half` is half of a tick's length on its axis.
fn apart(ticks: Vec<Tick>, half: impl Fn(&Tick) -> f64) -> Vec<Tick> {
    let mut kept: Vec<Tick> = Vec::new();
    for tick in ticks {
        if kept.iter().all(|other| (tick.place - other.place).abs() >= half(&tick) + half(other)) {
            kept.push(tick);
        }
    }
    kept
}

/// 1, 2 and 5 times a power of ten, ascending.
pub(crate) fn round_numbers(low: f64, high: f64) -> Vec<f64> {
    let powers = (-9..=12).map(|power: i32| 10_f64.powi(power));
    powers.flat_map(|power| [1.0, 2.0, 5.0].map(|n| n * power)).filter(|n| (low..=high).contains(n)).collect()
}

/// Places at least `gap` apart, in the same order, as near to the wanted ones (ascending) as that allows: what would
/// overlap moves aside as one, around its own middle.
pub(crate) fn spread(wanted: &[f64], gap: f64, (low, high): (f64, f64)) -> Vec<f64> {
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

/// A text that names something.
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) ink: Ink,
    is_bold: bool,
    /// Where that thing ends: the name belongs beside it.
    pub(crate) end: (f64, f64),
}

impl Name {
    /// Of a line, bold, in its colour.
    pub(crate) fn of_line(text: &str, ink: Ink, end: (f64, f64)) -> Name {
        Name { text: fitted(text, LABEL, WIDEST_NAME), ink, is_bold: true, end }
    }

    /// Of anything else, smaller.
    pub(crate) fn of_mark(text: &str, end: (f64, f64)) -> Name {
        Name { text: fitted(text, TICK, WIDEST_NAME), ink: TICK.ink(), is_bold: false, end }
    }

    /// In pixels.
    pub(crate) fn width(&self) -> f64 {
        measured(&self.text, if self.is_bold { LABEL } else { TICK })
    }

    /// At this place, which is the beginning (`start`) or the `end` of its middle line.
    pub(crate) fn draw(&self, svg: &mut Svg, anchor: &str, (x, y): (f64, f64)) {
        // Bold letters are wider than those that were measured.
        let (size, weight) = if self.is_bold { (LABEL.em() * 0.93, "bold") } else { (TICK.em(), "normal") };
        let class = if self.is_bold { "name" } else { "published" };
        svg.edged(class, &self.text, size, weight, self.ink, (anchor, x, y + if self.is_bold { 5.0 } else { 4.5 }));
    }

    fn area(&self, place: &Place) -> Area {
        let width = self.width() + 4.0;
        let left = if place.is_left { self.end.0 - TO_NAME - width + 2.0 } else { self.end.0 + TO_NAME - 2.0 };
        Area(left, place.y - NAME_HEIGHT / 2.0, left + width, place.y + NAME_HEIGHT / 2.0)
    }

    fn draw_beside(&self, svg: &mut Svg, place: &Place) {
        let (end_x, end_y) = self.end;
        let (x, anchor) = if place.is_left { (end_x - TO_NAME, "end") } else { (end_x + TO_NAME, "start") };
        if (place.y - end_y).abs() > NAME_HEIGHT / 2.0 {
            svg.stroke("leader", &[self.end, (f64::midpoint(f64::midpoint(end_x, x), x), place.y)], self.ink, 0.8);
        }
        self.draw(svg, anchor, (x, place.y));
    }
}

/// Draws each name within the page near to where it belongs, where no other name is and few of the lines pass.
pub(crate) fn draw_names<'a>(
    svg: &mut Svg,
    names: &[&Name],
    lines: impl Iterator<Item = &'a Vec<(f64, f64)>>,
    page: &Area,
) {
    let dots: Vec<(f64, f64)> = lines.flat_map(|line| close_dots(line)).collect();
    for (name, place) in names.iter().zip(place_names(names, &dots, page)) {
        name.draw_beside(svg, &place);
    }
}

/// A rectangle: left, top, right, bottom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area(pub(crate) f64, pub(crate) f64, pub(crate) f64, pub(crate) f64);

impl Area {
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

/// Where a name stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Of its middle.
    y: f64,
    /// Left of the end, as a single point allows, and not right of it.
    is_left: bool,
}

/// The place of each name: near its end, where no other name is and few dots are.
fn place_names(names: &[&Name], dots: &[(f64, f64)], page: &Area) -> Vec<Place> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|&a, &b| names[a].end.1.total_cmp(&names[b].end.1));
    let mut places: Vec<Place> = names.iter().map(|name| Place { y: name.end.1, is_left: false }).collect();
    let mut taken: Vec<Area> = Vec::new();
    for n in order {
        let wanted = names[n].end.1;
        let cost = |place: &Place| {
            let area = names[n].area(place);
            let crossed = dots.iter().filter(|&&dot| area.holds(dot)).count();
            (place.y - wanted).abs() + 3.0 * crossed as f64 + if place.is_left { 8.0 } else { 0.0 }
        };
        let heights = (0..400).map(|step| wanted + f64::from(step / 2) * if step % 2 == 0 { 3.0 } else { -3.0 });
        let candidates = heights.flat_map(|y| [false, true].map(|is_left| Place { y, is_left }));
        let is_free = |place: &Place| {
            let area = names[n].area(place);
            area.is_inside(page) && !taken.iter().any(|other| area.touches(other))
        };
        // Where a page has no place for all of its names, the last ones lie over others.
        let free = candidates.filter(is_free).map(|place| (cost(&place), place));
        let best = free.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, place)| place);
        places[n] = best.unwrap_or(places[n]);
        taken.push(names[n].area(&places[n]));
    }
    places
}

/// Dots on a line, no further than 3 apart.
fn close_dots(line: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let between = |pair: &[(f64, f64)]| {
        let (from, to) = (pair[0], pair[1]);
        let count = ((to.0 - from.0).hypot(to.1 - from.1) / 3.0).ceil().max(1.0);
        let shares = std::iter::successors(Some(0.0), move |share| Some(share + 1.0)).take_while(move |n| *n < count);
        shares.map(move |n| (from.0 + (to.0 - from.0) * n / count, from.1 + (to.1 - from.1) * n / count))
    };
    line.windows(2).flat_map(between).chain(line.last().copied()).collect()
}

/// In pixels. A character that our font lacks is set in a font of the reader's own, which gives some 1¼ em.
pub(crate) fn measured(text: &str, style: Style) -> f64 {
    f64::from(width(text, style)) + lacking(text) as f64 * f64::from(1.25 * style.em() - width("\u{ffff}", style))
}

/// The text, or as much of its beginning as leaves place for the … after it.
pub(crate) fn fitted(text: &str, style: Style, most: f64) -> String {
    let mut short = shorten(text, style, crate::page::narrow(most));
    if measured(&short, style) <= most {
        return short;
    }
    if short != text {
        short.pop();
    }
    while !short.is_empty() && measured(&short, style) + measured("…", style) > most {
        short.pop();
    }
    format!("{}…", short.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn of_ticks_that_overlap_the_first_stays() {
        let tick = |place: f64| Tick { place, text: place.to_string() };
        let kept = apart([0.0, 100.0, 5.0, 14.0, 86.5].map(tick).into(), |_| 7.0);
        let kept: Vec<&str> = kept.iter().map(|tick| tick.text.as_str()).collect();
        assert_eq!(kept, ["0", "100", "14"]);
    }

    #[test]
    fn a_name_in_any_script_is_shortened_to_its_place() {
        let long = "Donaudampfschifffahrtsgesellschaft ".repeat(15);
        let scripts =
            [long.as_str(), &"猫".repeat(60), &"حيوان ".repeat(60), &"a猫".repeat(60), &"\u{202e}".repeat(99)];
        for name in scripts.into_iter().chain(["", "cat", "猫"]) {
            for most in [20.0, 60.0, WIDEST_NAME] {
                let short = fitted(name, LABEL, most);
                assert!(measured(&short, LABEL) <= most, "{short:?}");
                assert!(short == name || name.starts_with(short.trim_end_matches('…')), "{short:?}");
            }
        }
        // 240 pixels hold 13 characters of 1.25 · 14.63 pixels, but not with the … after them.
        assert_eq!(fitted(&"猫".repeat(60), LABEL, WIDEST_NAME).chars().count(), 13);
        assert_eq!(fitted(&"猫".repeat(13), LABEL, WIDEST_NAME), "猫".repeat(13));
    }
}
