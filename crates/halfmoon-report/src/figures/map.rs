//! Codes as points: a mark and a colour a class, so that ten classes are told apart without colour and a hundred with it.

use std::fmt::Write as _;

use halfmoon_pool::Class;
use ndarray::ArrayView2;

use super::svg::{Svg, number};

const SIDE: f64 = 360.0;
const MARGIN: f64 = 8.0;
/// Marks, and colours: the page's style knows as many.
const MARKS: usize = 10;

/// Points `[n, 2]` with the class of each. `None` without two finite ones.
#[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
pub(crate) fn map(points: ArrayView2<f32>, classes: &[Class]) -> Option<String> {
    let finite = |row: usize| points.row(row).iter().all(|v| v.is_finite());
    let rows: Vec<usize> = (0..points.nrows()).filter(|&row| finite(row)).collect();
    if rows.len() < 2 {
        return None;
    }
    let bounds = |axis: usize| {
        let values = rows.iter().map(|&row| f64::from(points[[row, axis]]));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((left, right), (low, high)) = (bounds(0), bounds(1));
    // One scale for both: distances are what the map is read for.
    let scale = (SIDE - 2.0 * MARGIN) / (right - left).max(high - low).max(1e-12);
    let height = ((high - low) * scale + 2.0 * MARGIN).max(120.0);
    let mut ways: Vec<String> = Vec::new();
    for &row in &rows {
        let class = classes[row].index();
        if ways.len() <= class {
            ways.resize(class + 1, String::new());
        }
        let x = MARGIN + (f64::from(points[[row, 0]]) - left) * scale;
        let y = height / 2.0 - (f64::from(points[[row, 1]]) - f64::midpoint(low, high)) * scale;
        mark(&mut ways[class], class, x, y);
    }
    let mut svg = Svg::new(SIDE, height, &format!("map of the codes of {} items, a mark a class", rows.len()));
    svg.rect("frame", (0.5, 0.5), (SIDE - 1.0, height - 1.0));
    for (class, way) in ways.iter().enumerate().filter(|(_, way)| !way.is_empty()) {
        svg.path(&style(class), way);
    }
    Some(svg.finish())
}

/// The mark of a class by itself, for a legend.
pub(crate) fn sign(class: usize) -> String {
    let mut way = String::new();
    mark(&mut way, class, 6.0, 6.0);
    format!(
        "<svg class=\"sign\" aria-hidden=\"true\" viewBox=\"0 0 12 12\"><path class=\"{}\" d=\"{way}\"/></svg>",
        style(class)
    )
}

/// Colour by the page's number; some marks are lines and have no inside.
fn style(class: usize) -> String {
    // From one ten to the next, colours move on by one: no two of the first hundred are alike in both.
    let colour = (class + class / MARKS) % MARKS;
    let is_line = matches!(class % MARKS, 5..=9);
    format!("mark k{colour}{}", if is_line { " open" } else { "" })
}

fn mark(way: &mut String, class: usize, x: f64, y: f64) {
    let (x, y, r) = (x, y, 2.6);
    let at = |dx: f64, dy: f64| format!("{},{}", number(x + dx), number(y + dy));
    let _ = match class % MARKS {
        // Filled: disc, square, triangle, diamond, triangle on its tip. Lines: ring and box, of the same form as the first two.
        0 | 7 => write!(way, "M{}a{r},{r} 0 1 0 {},0a{r},{r} 0 1 0 -{},0", at(-r, 0.0), 2.0 * r, 2.0 * r),
        1 | 8 => write!(way, "M{}h4.6v4.6h-4.6z", at(-2.3, -2.3)),
        2 => write!(way, "M{}l3,5.2h-6z", at(0.0, -3.2)),
        3 => write!(way, "M{}l3.2,3.2l-3.2,3.2l-3.2,-3.2z", at(0.0, -3.2)),
        4 => write!(way, "M{}l3,-5.2h-6z", at(0.0, 3.2)),
        // Lines: plus, cross, star.
        5 => write!(way, "M{}h6M{}v6", at(-3.0, 0.0), at(0.0, -3.0)),
        6 => write!(way, "M{}l4.6,4.6M{}l4.6,-4.6", at(-2.3, -2.3), at(-2.3, 2.3)),
        _ => write!(way, "M{}h6M{}l3,5.2M{}l3,-5.2", at(-3.0, 0.0), at(-1.5, -2.6), at(-1.5, 2.6)),
    };
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn a_hundred_classes_differ_in_mark_or_colour() {
        let signs: HashSet<String> = (0..100).map(sign).collect();
        assert_eq!(signs.len(), 100);
        let shapes: HashSet<String> =
            (0..10).map(|class| sign(class).split(" d=").nth(1).unwrap().to_owned()).collect();
        // Ring and disc, box and square have one outline: one of each is filled.
        assert_eq!(shapes.len(), 8);
    }

    #[test]
    fn a_class_is_one_path_and_what_is_not_finite_is_left_out() {
        let points = array![[0.0, 0.0], [1.0, 1.0], [f32::NAN, 0.0], [0.5, 0.2]];
        let svg = map(points.view(), &[Class(0), Class(1), Class(1), Class(0)]).unwrap();
        assert_eq!(svg.matches("<path").count(), 2);
        assert!(svg.contains("3 items") && !svg.contains("NaN"));
    }

    #[test]
    fn equal_codes_and_none_at_all_do_no_harm() {
        assert_eq!(map(Array2::zeros((0, 2)).view(), &[]), None);
        assert!(!map(Array2::zeros((3, 2)).view(), &[Class(0); 3]).unwrap().contains("NaN"));
    }
}
