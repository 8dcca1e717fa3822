//! Items that are copies of others, exactly or nearly: [`groups`] by number, as those of
//! [`halfmoon_pool::split::groups`], so that [`halfmoon_pool::split::conflicts`] lists those whose labels disagree and
//! [`halfmoon_pool::split::spread_labels`] gives the others theirs.

use halfmoon_classical::nearest;
use ndarray::ArrayView2;

use crate::places::Near;

/// Neighbours that an item is compared with.
const NEIGHBOURS: usize = 8;

/// A number for every item, equal where one is a near copy of the other, or of a near copy of it, and so on. Counts from 0 in
/// order of first appearance.
///
/// Rows `[n, h]` are codes, or inputs. `apart` is in units of the root mean square distance of the rows from their mean, as
/// [`crate::Ask::apart`]; rows that are exactly alike are always in one group. Each row is compared with its eight
/// nearest ones, found by measuring all, so that clumps of more near copies than that, each with a clump of as many no farther than `apart`, may stay two groups.
pub fn groups(rows: ArrayView2<f32>, apart: f64) -> Vec<u32> {
    let neighbours = nearest(rows, rows, NEIGHBOURS, true);
    let near = Near::of(rows, apart);
    let mut roots: Vec<usize> = (0..rows.nrows()).collect();
    for ((row, place), &other) in neighbours.index.indexed_iter() {
        if near.is(neighbours.squared[[row, place]]) {
            let (a, b) = (root(&mut roots, row), root(&mut roots, other));
            roots[a.max(b)] = a.min(b);
        }
    }
    let mut next = 0;
    let mut numbers = vec![u32::MAX; rows.nrows()];
    (0..rows.nrows())
        .map(|row| {
            let root = root(&mut roots, row);
            if numbers[root] == u32::MAX {
                numbers[root] = next;
                next += 1;
            }
            numbers[root]
        })
        .collect()
}

/// The items of each group of two and more, ascending; the largest group first.
pub fn listed(groups: &[u32]) -> Vec<Vec<usize>> {
    let mut listed = vec![vec![]; groups.iter().map(|&group| group as usize + 1).max().unwrap_or(0)];
    for (item, &group) in groups.iter().enumerate() {
        listed[group as usize].push(item);
    }
    listed.retain(|items| items.len() > 1);
    listed.sort_by_key(|items| std::cmp::Reverse(items.len()));
    listed
}

/// The first of those that are joined, with the way to it made short.
fn root(roots: &mut [usize], mut row: usize) -> usize {
    while roots[row] != row {
        roots[row] = roots[roots[row]];
        row = roots[row];
    }
    row
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::dataset::Inputs;
    use halfmoon_pool::{Class, split};
    use ndarray::{Array2, array};

    use super::*;
    use crate::testing::random_codes;

    #[test]
    fn copies_of_copies_are_one_group() {
        // The root mean square distance from the mean is about 5; a hundredth of it is about 0.05.
        let rows = array![[0.0_f32], [10.0], [0.04], [5.0], [0.08], [10.0]];
        assert_eq!(groups(rows.view(), 0.01), [0, 1, 0, 2, 0, 1]);
        assert_eq!(listed(&groups(rows.view(), 0.01)), [vec![0, 2, 4], vec![1, 5]]);
        assert_eq!(listed(&groups(rows.view(), 0.0)), [vec![1, 5]]);
    }

    #[test]
    fn exact_copies_are_those_of_the_pool() {
        let mut rows = random_codes(300, 5, 1);
        for (to, from) in [(7, 3), (100, 3), (250, 249)] {
            let row = rows.row(from).to_owned();
            rows.row_mut(to).assign(&row);
        }
        assert_eq!(groups(rows.view(), 0.0), split::groups(&Inputs::Floats(rows)));
    }

    #[test]
    fn a_hundred_near_copies_are_one_group_and_their_labels_are_compared() {
        let mut rows = random_codes(150, 4, 2) * 1e-4;
        rows.slice_axis_mut(ndarray::Axis(0), (100..).into()).assign(&(random_codes(50, 4, 3) * 10.0));
        let found = groups(rows.view(), 0.01);
        assert_eq!(listed(&found)[0], (0..100).collect::<Vec<_>>());
        let mut labels = vec![None; 150];
        (labels[4], labels[60]) = (Some(Class(1)), Some(Class(2)));
        assert_eq!(split::conflicts(&labels, &found).len(), 1);
        labels[60] = None;
        assert_eq!(split::spread_labels(&mut labels, &found), 99);
    }

    #[test]
    fn no_item_and_one_item_are_no_copies() {
        assert!(groups(Array2::zeros((0, 3)).view(), 0.1).is_empty());
        assert_eq!(groups(Array2::zeros((1, 3)).view(), 0.1), [0]);
        assert!(listed(&[]).is_empty());
    }
}
