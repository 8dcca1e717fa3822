//! Items by true class and answer: the rows are what is true, and what lies off the diagonal is wrong.

use ndarray::ArrayView2;

use super::svg::{Anchor, Svg, fitted, width};
use crate::markup::{count, percent, plain_name};

const WIDTH: f64 = 360.0;
/// Size of a name.
const EM: f64 = 10.5;
const WIDEST_NAME: f64 = 96.0;
/// Classes up to which every one is named beside the matrix.
pub(crate) const NAMED: usize = 30;
/// Cells at least this large have their count in them.
const ROOM_FOR_COUNT: f64 = 20.0;

/// Counts `[true, answered]`. A cell is as dark as its share of the row is large.
#[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
pub(crate) fn confusion(counts: ArrayView2<u32>, classes: &[String]) -> String {
    let k = classes.len();
    let names: Vec<String> = if k <= NAMED {
        classes.iter().map(|name| fitted(name, EM, WIDEST_NAME)).collect()
    } else {
        vec![String::new(); k]
    };
    let widest = names.iter().map(|name| width(name, EM)).fold(0.0, f64::max);
    let left = 20.0 + widest;
    let side = ((WIDTH - left - 4.0) / k as f64).min(64.0);
    let is_turned = widest > side - 2.0;
    let top = 22.0 + if is_turned { widest } else { EM };
    let total: u32 = counts.sum();
    let right: u32 = counts.diag().sum();
    let label = format!(
        "confusion matrix of {k} classes: {right} of {total} items lie on the diagonal, where the answer is right"
    );
    let end = side * k as f64;
    let mut svg = Svg::new(WIDTH, top + end + 6.0, &label);

    svg.text("caption", Anchor::Start, (left, 12.0), "answer →");
    svg.turned("caption", Anchor::End, (12.0, top), -90.0, "← true class");
    for (at, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let middle = (at as f64 + 0.5) * side;
        svg.text("class", Anchor::End, (left - 5.0, top + middle + EM / 3.0), name);
        if is_turned {
            svg.turned("class", Anchor::Start, (left + middle + EM / 3.0, top - 5.0), -90.0, name);
        } else {
            svg.text("class", Anchor::Middle, (left + middle, top - 5.0), name);
        }
    }
    svg.rect("frame", (left, top), (end, end));
    for ((row, column), &n) in counts.indexed_iter().filter(|(_, n)| **n > 0) {
        let share = f64::from(n) / f64::from(counts.row(row).sum());
        let is_right = row == column;
        let place = (left + column as f64 * side, top + row as f64 * side);
        let says = format!(
            "{} of class {} answered as {}: {} of the class",
            count(n as usize),
            plain_name(&classes[row]),
            plain_name(&classes[column]),
            percent(share)
        );
        // A single mistake among many items is still to be seen.
        svg.shade(if is_right { "right" } else { "wrong" }, place, side, share.max(0.12), &says);
        let text = count(n as usize);
        if side >= ROOM_FOR_COUNT && width(&text, count_size(side)) <= side {
            let class = match (side < 26.0, share > 0.5) {
                (true, true) => "cell small dark",
                (true, false) => "cell small",
                (false, true) => "cell dark",
                (false, false) => "cell",
            };
            svg.text(class, Anchor::Middle, (place.0 + side / 2.0, place.1 + side / 2.0 + 3.6), &text);
        }
    }
    if k > NAMED {
        let (a, b) = ((left, top), (left + end, top + end));
        svg.line("diagonal", &[a, b]);
    }
    svg.finish()
}

fn count_size(side: f64) -> f64 {
    if side < 26.0 { 8.0 } else { 10.5 }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn a_cell_is_as_dark_as_its_share_of_the_row() {
        let svg = confusion(array![[3, 1], [0, 8]].view(), &["a".into(), "b".into()]);
        assert_eq!(svg.matches("class=\"right\"").count(), 2);
        assert_eq!(svg.matches("class=\"wrong\"").count(), 1);
        for share in ["0.750", "0.250", "1.000"] {
            assert!(svg.contains(&format!("fill-opacity=\"{share}\"")), "{share} is not in {svg}");
        }
        assert!(svg.contains("11 of 12 items lie on the diagonal"));
    }

    #[test]
    fn hundreds_of_classes_have_cells_and_no_names_beside_them() {
        let classes: Vec<String> = (0..200).map(|n| format!("class number {n}")).collect();
        let svg = confusion(Array2::from_elem((200, 200), 1).view(), &classes);
        assert_eq!(svg.matches("<rect").count(), 200 * 200 + 1);
        assert!(!svg.contains("class=\"class\"") && !svg.contains("NaN"));
    }

    #[test]
    fn one_class_is_one_cell_and_an_empty_row_has_none() {
        assert_eq!(confusion(array![[5]].view(), &["only".into()]).matches("class=\"right\"").count(), 1);
        let svg = confusion(array![[0, 0], [0, 2]].view(), &["a".into(), "b".into()]);
        assert_eq!(svg.matches("fill-opacity").count(), 1);
    }
}
