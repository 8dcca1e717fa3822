//! Who is near whom: a sparse symmetric graph of rows.

#![allow(clippy::needless_pass_by_value, reason = "a view is a reference")]

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Neighbours;
use crate::knn::single;

/// How strong the edge between two near rows is, by their distance d.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Similarity {
    /// 1.
    Binary,
    /// exp(−d² / 2 sᵢ sⱼ), with a row's distance to its k-th neighbour for s: no width to choose, and none that
    /// suits one part of the data only (Zelnik-Manor & Perona, "Self-Tuning Spectral Clustering", 2004).
    #[default]
    Scaled,
    /// exp(−d² / 2 width²).
    Gaussian {
        /// In the units of the rows.
        width: f64,
    },
}

/// An edge is at least this strong. A row beside a heap of near copies, or any row under too small a width, would
/// otherwise be cut off from all others.
const WEAKEST: f64 = 1e-6;

impl Similarity {
    /// Says what is wrong with a value that type-checks.
    pub(crate) fn check(self) -> Result<(), String> {
        match self {
            Similarity::Gaussian { width } if !(single(width) > 0.0 && single(width).is_finite()) => {
                Err(format!("width is {width}: it has to be above 0"))
            }
            _ => Ok(()),
        }
    }

    /// As it comes back from single precision.
    pub(crate) fn kept(self) -> Similarity {
        match self {
            Similarity::Gaussian { width } => Similarity::Gaussian { width: f64::from(single(width)) },
            other => other,
        }
    }

    /// In 1e-6…1; `scales` are sᵢ and sⱼ.
    pub(crate) fn weight(self, squared: f64, scales: [f64; 2]) -> f64 {
        let exponent = match self {
            Similarity::Binary => 0.0,
            Similarity::Gaussian { width } => ratio(squared, width * width),
            // A row with k copies of itself has no scale: its edges are measured by the other end's.
            Similarity::Scaled => {
                let [a, b] = scales;
                let (a, b) = (if a > 0.0 { a } else { b }, if b > 0.0 { b } else { a });
                ratio(squared, a * b)
            }
        };
        (-exponent / 2.0).exp().max(WEAKEST)
    }
}

/// 0 for copies, whatever they are measured by.
fn ratio(squared: f64, by: f64) -> f64 {
    if squared > 0.0 { squared / by } else { 0.0 }
}

/// A weighted graph of rows: symmetric, and no row is its own neighbour.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Where each row's edges start, and where the last one's end: `[n + 1]`.
    starts: Vec<usize>,
    /// The other end of each edge, ascending within a row.
    ends: Vec<usize>,
    weights: Vec<f64>,
}

impl Graph {
    /// Two rows are joined where either is among the other's neighbours, each row's own not being among them.
    pub fn new(neighbours: &Neighbours, similarity: Similarity) -> Graph {
        let scales = scales(neighbours);
        let pairs = neighbours.index.indexed_iter().zip(&neighbours.squared);
        let edges = pairs.map(|(((i, _), &j), &squared)| (i, j, similarity.weight(squared, [scales[i], scales[j]])));
        Graph::from_edges(neighbours.index.nrows(), edges)
    }

    /// From the edges of `n` rows. Either direction stands for both; of an edge that is given again the stronger
    /// weight counts.
    ///
    /// # Panics
    /// Where a row is not below `n`.
    pub fn from_edges(n: usize, edges: impl IntoIterator<Item = (usize, usize, f64)>) -> Graph {
        let apart = edges.into_iter().filter(|(i, j, _)| i != j);
        let mut edges: Vec<(usize, usize, f64)> =
            apart.flat_map(|(i, j, weight)| [(i, j, weight), (j, i, weight)]).collect();
        edges.par_sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(b.2.total_cmp(&a.2)));
        edges.dedup_by_key(|(i, j, _)| (*i, *j));
        let mut starts = vec![0; n + 1];
        for &(i, j, _) in &edges {
            assert!(i < n && j < n, "an edge joins rows {i} and {j} of {n}");
            starts[i + 1] += 1;
        }
        for row in 0..n {
            starts[row + 1] += starts[row];
        }
        let (ends, weights) = edges.into_iter().map(|(_, j, weight)| (j, weight)).unzip();
        Graph { starts, ends, weights }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// A row's neighbours, ascending, and the weights of its edges to them.
    pub fn edges(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = self.starts[row]..self.starts[row + 1];
        self.ends[range.clone()].iter().copied().zip(self.weights[range].iter().copied())
    }

    /// D: the sum of each row's weights.
    pub fn degrees(&self) -> Vec<f64> {
        (0..self.rows()).map(|row| self.edges(row).map(|(_, weight)| weight).sum()).collect()
    }

    /// D^−½ W D^−½.
    #[must_use]
    pub fn normalised(&self) -> Graph {
        let roots: Vec<f64> = self.degrees().into_iter().map(f64::sqrt).collect();
        let weights = (0..self.rows()).flat_map(|i| self.edges(i).map(move |(j, weight)| (i, j, weight)));
        let weights = weights.map(|(i, j, weight)| weight / (roots[i] * roots[j])).collect();
        Graph { weights, ..self.clone() }
    }

    /// W v for v `[n, c]`. A row's sum is made by one thread, in the order of its edges.
    pub fn times(&self, v: ArrayView2<f64>) -> Array2<f64> {
        let v = v.as_standard_layout();
        let numbers = v.as_slice().expect("of standard layout");
        let columns = v.ncols().max(1);
        let mut product = Array2::zeros(v.dim());
        let rows = product.as_slice_mut().expect("just made").par_chunks_mut(columns);
        rows.enumerate().with_min_len(256).for_each(|(row, sum)| {
            for (neighbour, weight) in self.edges(row) {
                let row = &numbers[neighbour * columns..(neighbour + 1) * columns];
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * x);
            }
        });
        product
    }

    /// For each row the first of those that it can reach: the same for all rows that hang together.
    pub fn components(&self) -> Vec<usize> {
        let mut component = vec![usize::MAX; self.rows()];
        let mut reached = vec![];
        for first in 0..self.rows() {
            if component[first] != usize::MAX {
                continue;
            }
            component[first] = first;
            reached.push(first);
            while let Some(row) = reached.pop() {
                for (neighbour, _) in self.edges(row) {
                    if component[neighbour] == usize::MAX {
                        component[neighbour] = first;
                        reached.push(neighbour);
                    }
                }
            }
        }
        component
    }
}

/// s: each row's distance to the last of its neighbours; 0 where it has none.
pub(crate) fn scales(neighbours: &Neighbours) -> Vec<f64> {
    neighbours.squared.rows().into_iter().map(|squared| squared.last().map_or(0.0, |squared| squared.sqrt())).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::nearest;

    fn graph(x: &Array2<f32>, k: usize, similarity: Similarity) -> Graph {
        Graph::new(&nearest(x.view(), x.view(), k, true), similarity)
    }

    fn edges(graph: &Graph) -> Vec<Vec<(usize, f64)>> {
        (0..graph.rows()).map(|row| graph.edges(row).collect()).collect()
    }

    #[test]
    fn rows_are_joined_where_either_is_a_neighbour_of_the_other() {
        // 1 is the nearest of 0 and of 3, 0 is the nearest of 1, 3 is the nearest of 9.
        let binary = graph(&array![[0.0], [1.0], [3.0], [9.0]], 1, Similarity::Binary);
        let expected = [vec![(1, 1.0)], vec![(0, 1.0), (2, 1.0)], vec![(1, 1.0), (3, 1.0)], vec![(2, 1.0)]];
        assert_eq!(edges(&binary), expected);
        assert_eq!(binary.degrees(), [1.0, 2.0, 2.0, 1.0]);
    }

    #[test]
    fn edges_weigh_what_their_formulas_say() {
        let x = array![[0.0], [1.0], [3.0]];
        // Scales are 1, 1 and 2: exp(−1 / 2·1·1), exp(−4 / 2·1·2).
        let scaled = graph(&x, 1, Similarity::Scaled);
        assert_eq!(edges(&scaled)[1], [(0, (-0.5_f64).exp()), (2, (-1.0_f64).exp())]);
        // exp(−1 / 2·4), exp(−4 / 2·4)
        let gaussian = graph(&x, 1, Similarity::Gaussian { width: 2.0 });
        assert_eq!(edges(&gaussian)[1], [(0, (-0.125_f64).exp()), (2, (-0.5_f64).exp())]);
    }

    #[test]
    fn copies_are_joined_fully_and_a_row_beside_them_is_not_cut_off() {
        let x = array![[0.0], [0.0], [0.0], [1.0], [2.0]];
        let scaled = edges(&graph(&x, 2, Similarity::Scaled));
        assert_eq!(scaled[1][..2], [(0, 1.0), (2, 1.0)]);
        // 1's neighbours are 0 and 0, at 1: exp(−1 / 2·1·1), the copies having no scale of their own.
        assert_eq!(scaled[3][..2], [(0, (-0.5_f64).exp()), (1, (-0.5_f64).exp())]);
        let near_copies = array![[0.0], [1e-20], [2e-20], [1.0]];
        for similarity in [Similarity::Scaled, Similarity::Gaussian { width: 1e-9 }] {
            let weights: Vec<f64> = graph(&near_copies, 2, similarity).edges(3).map(|(_, weight)| weight).collect();
            assert_eq!(weights, [1e-6, 1e-6], "{similarity:?}");
        }
    }

    #[test]
    fn given_edges_are_symmetric_and_join_no_row_with_itself() {
        let graph = Graph::from_edges(4, [(2, 0, 0.5), (1, 1, 9.0), (0, 2, 0.5), (0, 3, 2.0), (3, 0, 1.0)]);
        assert_eq!(edges(&graph), [vec![(2, 0.5), (3, 2.0)], vec![], vec![(0, 0.5)], vec![(0, 2.0)]]);
        assert_eq!(graph.components(), [0, 1, 0, 0]);
    }

    #[test]
    fn a_product_is_that_of_the_dense_matrix() {
        let x = Array2::from_shape_fn((300, 2), |(row, column)| ((row * 37 + column * 11) % 101) as f32);
        let graph = graph(&x, 4, Similarity::Scaled);
        let mut dense = Array2::<f64>::zeros((300, 300));
        for row in 0..300 {
            graph.edges(row).for_each(|(column, weight)| dense[[row, column]] = weight);
        }
        assert_eq!(dense, dense.t());
        let v = Array2::from_shape_fn((300, 3), |(row, column)| (row as f64 + 1.0).sin() + column as f64);
        let difference = graph.times(v.view()) - dense.dot(&v);
        assert!(difference.iter().all(|difference| difference.abs() < 1e-12));
        let degrees = graph.degrees();
        let normalised = graph.normalised();
        for row in 0..300 {
            for ((column, weight), (_, normal)) in graph.edges(row).zip(normalised.edges(row)) {
                assert!((normal - weight / (degrees[row] * degrees[column]).sqrt()).abs() < 1e-15);
            }
        }
    }

    #[test]
    fn settings_are_read_and_checked() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Settings {
            similarity: Similarity,
        }
        let read = |text| toml::from_str::<Settings>(text).map(|settings| settings.similarity);
        assert_eq!(read("similarity = 'binary'"), Ok(Similarity::Binary));
        assert_eq!(read("similarity = 'scaled'"), Ok(Similarity::Scaled));
        assert_eq!(read("similarity.gaussian.width = 2.5"), Ok(Similarity::Gaussian { width: 2.5 }));
        assert!(read("similarity = 'rbf'").is_err() && read("similarity.gaussian.gamma = 2").is_err());
        for width in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-60, 1e60] {
            assert!(Similarity::Gaussian { width }.check().is_err(), "{width}");
        }
    }
}
