//! What to ask first, while nothing is labelled: the middles of clusters.
//!
//! Zhu, Wang, Yao, Tsou. *Active Learning with Sampling by Uncertainty and Density for Word Sense Disambiguation and Text
//! Classification*. COLING 2008: the initial labels are those nearest to the centres of as many clusters. Clusters are those of
//! Lloyd's algorithm from k-means++ (Arthur & Vassilvitskii 2007).

use halfmoon_kernels::linear;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::picks::Picks;
use crate::places::{Places, single};
use crate::pool::Pool;
use crate::rule::Ask;

/// Candidates that centres are looked for among: the first in line, at least so many and at least [`A_CENTRE`] a centre.
const LEAST: usize = 10_000;
const A_CENTRE: usize = 20;

/// Lloyd's steps at most.
const STEPS: usize = 20;

/// Rows that are multiplied with the centres at once.
const BLOCK: usize = 2_048;

/// The nearest to each centre, of the largest cluster first; then the next nearest, until the budget is used up.
pub(crate) fn cold_start(pool: &Pool, ask: &Ask, picks: &mut Picks) {
    if picks.is_full() {
        return;
    }
    let (candidates, _) = pool.places().expect("the rule needs places");
    let places = Places::new(candidates);
    let seen = pool.len().min(LEAST.max(A_CENTRE * picks.budget()));
    let mut centres = start(&places, seen, picks.budget(), ask.seed);
    let mut before = vec![];
    for _ in 0..STEPS {
        let found = nearest(&places, seen, &centres);
        let clusters: Vec<usize> = found.iter().map(|&(cluster, _)| cluster).collect();
        if clusters == before {
            break;
        }
        move_to_means(&places, &clusters, &mut centres);
        before = clusters;
    }
    let mut clusters = vec![vec![]; centres.len() / places.width().max(1)];
    if clusters.is_empty() {
        clusters.push(vec![]);
    }
    for (candidate, (cluster, squared)) in nearest(&places, pool.len(), &centres).into_iter().enumerate() {
        clusters[cluster].push((squared, candidate));
    }
    for members in &mut clusters {
        members.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
    clusters.sort_by_key(|members| std::cmp::Reverse(members.len()));
    for place in 0..clusters.first().map_or(0, Vec::len) {
        for members in &clusters {
            if let Some(&(_, candidate)) = members.get(place)
                && !picks.is_full()
            {
                picks.offer(candidate, members.len() as f64 / pool.len() as f64);
            }
        }
    }
}

pub(crate) fn middle(pool: &Pool, _: usize, utility: f64) -> String {
    format!("in the middle of a cluster of {:.0} candidates", utility * pool.len() as f64)
}

/// k-means++: rows drawn in proportion to their squared distance from the centres so far; fewer than asked for where there
/// are fewer different rows. `[k, d]`, one after another.
fn start(places: &Places, seen: usize, k: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut centres = vec![];
    let mut distances = vec![f32::INFINITY; seen];
    // The rows stand in a random order: the first is any.
    let mut next = Some(0);
    while let Some(row) = next {
        centres.extend_from_slice(places.row(row));
        places.lower(row, &mut distances);
        let total: f64 = distances.iter().map(|&squared| f64::from(squared)).sum();
        let mut left = rng.random::<f64>() * total;
        let passes = |&squared: &f32| {
            left -= f64::from(squared);
            left < 0.0
        };
        let last = || distances.iter().rposition(|&squared| squared > 0.0);
        next = distances
            .iter()
            .position(passes)
            .or_else(last)
            .filter(|_| centres.len() < k * places.width() && total > 0.0);
    }
    centres
}

/// The nearest centre of each of the first rows, and |x − c|² − |x|²: of copies the same.
fn nearest(places: &Places, seen: usize, centres: &[f32]) -> Vec<(usize, f32)> {
    let d = places.width();
    if d == 0 || centres.is_empty() {
        return vec![(0, 0.0); seen];
    }
    let k = centres.len() / d;
    let squares: Vec<f32> = centres.chunks(d).map(|centre| centre.iter().map(|x| x * x).sum()).collect();
    let mut found = Vec::with_capacity(seen);
    for rows in places.rows()[..seen * d].chunks(BLOCK * d) {
        // The gradient of another product is x cᵀ.
        let products = linear::input_gradient([rows.len() / d, k, d], rows, centres);
        found.extend(products.chunks(k).map(|products| {
            let distances = products.iter().zip(&squares).map(|(product, square)| square - 2.0 * product).enumerate();
            distances.reduce(|best, next| if next.1 < best.1 { next } else { best }).expect("there is a centre")
        }));
    }
    let length = |row: usize| places.row(row).iter().map(|x| x * x).sum::<f32>();
    found.iter_mut().enumerate().for_each(|(row, (_, distance))| *distance += length(row));
    found
}

/// A centre without rows stays where it is.
fn move_to_means(places: &Places, clusters: &[usize], centres: &mut [f32]) {
    let d = places.width();
    let mut sums = vec![0.0_f64; centres.len()];
    let mut counts = vec![0_usize; centres.len() / d.max(1)];
    for (row, &cluster) in clusters.iter().enumerate().filter(|_| d > 0) {
        counts[cluster] += 1;
        sums[cluster * d..(cluster + 1) * d].iter_mut().zip(places.row(row)).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    for ((centre, sums), &count) in centres.chunks_mut(d.max(1)).zip(sums.chunks(d.max(1))).zip(&counts) {
        if count > 0 {
            centre.iter_mut().zip(sums).for_each(|(x, sum)| *x = single(sum / count as f64));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ndarray::{Array2, Axis, concatenate};

    use super::*;
    use crate::testing::{at, keys, normal};

    #[test]
    fn every_cluster_gives_its_middle_the_largest_first() {
        let sizes = [40, 160, 80];
        let clouds: Vec<Array2<f32>> =
            sizes.iter().enumerate().map(|(i, &n)| normal(n, 2, i as u64) * 0.3 + 10.0 * i as f32).collect();
        let rows = concatenate![Axis(0), clouds[0], clouds[1], clouds[2]];
        let (scores, keys) = (at(&rows), keys(280));
        let pool = Pool::new(&scores, &keys);
        for seed in 0..5 {
            let mut picks = Picks::new(&pool, 3, 0.0);
            cold_start(&pool, &Ask { seed, ..Ask::default() }, &mut picks);
            let of = |item: usize| {
                if item < 40 {
                    0
                } else if item < 200 {
                    1
                } else {
                    2
                }
            };
            assert_eq!(picks.chosen().iter().map(|&(item, _)| of(item)).collect::<Vec<_>>(), [1, 2, 0]);
            for &(item, share) in picks.chosen() {
                let cloud = &clouds[of(item)];
                let centre = cloud.mean_axis(Axis(0)).expect("not empty");
                let distance = |row: ndarray::ArrayView1<f32>| (&row - &centre).mapv(|x| x * x).sum();
                let nearest = cloud.rows().into_iter().map(distance).fold(f32::INFINITY, f32::min);
                assert!((distance(rows.row(item)) - nearest).abs() < 1e-3);
                assert!((share - cloud.nrows() as f64 / 280.0).abs() < 1e-12);
            }
        }
        assert_eq!(middle(&pool, 0, 160.0 / 280.0), "in the middle of a cluster of 160 candidates");
    }

    #[test]
    fn fewer_different_rows_than_asked_for_are_fewer_clusters() {
        let rows = Array2::from_shape_fn((30, 2), |(i, _)| (i % 3) as f32);
        let (scores, keys) = (at(&rows), keys(30));
        let pool = Pool::new(&scores, &keys);
        let mut picks = Picks::new(&pool, 5, 0.0);
        cold_start(&pool, &Ask::default(), &mut picks);
        let first: HashSet<usize> = picks.chosen()[..3].iter().map(|&(item, _)| item % 3).collect();
        assert_eq!((picks.chosen().len(), first.len()), (5, 3));
    }
}
