//! Rows under classes: what a sum over classes runs over.

use crate::ops::Index;

/// A list of rows, each under a class: pair i is row `row[i]` under class `class[i]`.
///
/// Labelled rows are pairs with their own class, unlabelled ones are pairs with every class, and both
/// can stand in one list, so that a network sees all of them at once.
#[derive(Debug, Clone)]
pub struct Pairs {
    row: Index,
    class: Index,
    rows: usize,
}

impl Pairs {
    /// Each row under one class: the i-th under `y[i]`.
    pub fn own(y: &Index) -> Pairs {
        Pairs { row: (0..count(y.len())).collect(), class: y.clone(), rows: y.len() }
    }

    /// Each row once, for networks that are given no class.
    pub fn alone(rows: usize) -> Pairs {
        Pairs { row: (0..count(rows)).collect(), class: vec![0; rows].into(), rows }
    }

    /// These classes of each row, row after row.
    pub fn some_classes(classes_of_row: &[Vec<u32>]) -> Pairs {
        let rows = (0..).zip(classes_of_row);
        Pairs {
            row: rows.flat_map(|(row, classes)| classes.iter().map(move |_| row)).collect(),
            class: classes_of_row.iter().flatten().copied().collect(),
            rows: classes_of_row.len(),
        }
    }

    /// Each row under every class: row 0 under class 0, 1, …, then row 1.
    pub fn every_class(rows: usize, classes: usize) -> Pairs {
        let each = 0..count(classes);
        let row = (0..count(rows)).flat_map(|row| each.clone().map(move |_| row)).collect();
        Pairs { row, class: (0..rows).flat_map(|_| each.clone()).collect(), rows }
    }

    /// These pairs, then those of further rows, which are counted on from these.
    #[must_use]
    pub fn then(self, further: &Pairs) -> Pairs {
        let first = count(self.rows);
        Pairs {
            row: self.row.iter().copied().chain(further.row.iter().map(|row| first + row)).collect(),
            class: self.class.iter().chain(further.class.iter()).copied().collect(),
            rows: self.rows + further.rows,
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// For each pair, its row.
    pub fn row(&self) -> &Index {
        &self.row
    }

    /// For each pair, its class.
    pub fn class(&self) -> &Index {
        &self.class
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("a batch has fewer than four thousand million rows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labelled_rows_come_under_their_own_class_and_the_others_under_every_class() {
        let pairs = Pairs::own(&[2, 0].into()).then(&Pairs::every_class(2, 3));
        assert_eq!(pairs.row()[..], [0, 1, 2, 2, 2, 3, 3, 3]);
        assert_eq!(pairs.class()[..], [2, 0, 0, 1, 2, 0, 1, 2]);
    }
}
