//! The candidates that leave none far from a labelled or chosen item.
//!
//! Sener, Savarese. *Active Learning for Convolutional Neural Networks: A Core-Set Approach*. ICLR 2018, arXiv:1708.00489; the
//! greedy 2-approximation of Gonzalez, 1985.
//!
//! ```text
//! argmax_i min_(j labelled or chosen) |h_i − h_j|
//! ```

use halfmoon_classical::nearest;

use crate::picks::Picks;
use crate::places::Places;
use crate::pool::Pool;
use crate::rule::Ask;

pub(crate) fn k_center(pool: &Pool, _: &Ask, picks: &mut Picks) {
    let (candidates, labelled) = pool.places().expect("the rule needs places");
    let places = Places::new(candidates);
    let mut distances = vec![f32::INFINITY; pool.len()];
    if let Some(labelled) = labelled.filter(|labelled| labelled.nrows() > 0) {
        let nearest = nearest(labelled, candidates, 1, false);
        distances = nearest.squared.column(0).iter().map(|&squared| places.scaled(squared)).collect();
    }
    let mut nearest_to_mean = distances[0].is_infinite().then(|| places.squared_to_mean());
    while !picks.is_full() {
        // Nothing is far from nothing: the first of all is the one in the middle.
        let best = match &nearest_to_mean {
            Some(from_mean) => picks.best(|candidate| -from_mean[candidate]),
            None => picks.best(|candidate| distances[candidate]),
        };
        let Some(best) = best else { break };
        let distance = if nearest_to_mean.is_some() { 0.0 } else { places.distance(distances[best]) };
        if picks.offer(best, distance) {
            places.lower(best, &mut distances);
            nearest_to_mean = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use halfmoon_pool::scores::Scores;
    use ndarray::{Array2, array};

    use super::*;
    use crate::places::single;
    use crate::pool::{Labelled, unit};
    use crate::testing::{at, keys};

    fn choose(labelled: &Array2<f32>, candidates: &Array2<f32>, budget: usize) -> Vec<(usize, f64)> {
        let (labelled, scores): (Scores, Scores) = (at(labelled), at(candidates));
        let keys = keys(candidates.nrows());
        let labelled = Some(Labelled { scores: &labelled, inputs: None });
        let pool = Pool { labelled, ..Pool::new(&scores, &keys) };
        let mut picks = Picks::new(&pool, budget, 0.0);
        k_center(&pool, &Ask::default(), &mut picks);
        picks.chosen().to_vec()
    }

    /// How far the farthest candidate is from all that is labelled or chosen.
    fn radius(labelled: &Array2<f32>, candidates: &Array2<f32>, chosen: &[usize]) -> f64 {
        let centres = || labelled.rows().into_iter().chain(chosen.iter().map(|&chosen| candidates.row(chosen)));
        let of = |row: ndarray::ArrayView1<f32>| {
            centres().map(|centre| halfmoon_classical::squared_distance(row, centre)).fold(f64::INFINITY, f64::min)
        };
        candidates.rows().into_iter().map(of).fold(0.0, f64::max).sqrt()
    }

    fn items(chosen: &[(usize, f64)]) -> Vec<usize> {
        chosen.iter().map(|&(item, _)| item).collect()
    }

    #[test]
    fn on_a_line_the_farthest_is_chosen_and_a_better_one_exists() {
        // A27: 0 is labelled; 7 would leave a radius of 3, the greedy choice 10 leaves one of 4 (6 is 4 from 10).
        let (labelled, line) = (array![[0.0]], array![[3.0], [6.0], [7.0], [10.0]]);
        let chosen = choose(&labelled, &line, 1);
        assert_eq!(items(&chosen), [3]);
        assert!((chosen[0].1 - 10.0).abs() < 1e-5);
        assert!((radius(&labelled, &line, &[3]) - 4.0).abs() < 1e-6);
        assert!((radius(&labelled, &line, &[2]) - 3.0).abs() < 1e-6);
    }

    #[test]
    fn in_the_plane_two_leave_a_radius_of_three() {
        // A27.
        let labelled = array![[0.0, 0.0]];
        let plane = array![[1.0, 0.0], [4.0, 0.0], [5.0, 0.0], [0.0, 3.0], [10.0, 0.0]];
        let chosen = items(&choose(&labelled, &plane, 2));
        assert_eq!(chosen[0], 4);
        assert!((radius(&labelled, &plane, &chosen) - 3.0).abs() < 1e-6);
        let pairs = (0..5).flat_map(|a| (a + 1..5).map(move |b| [a, b]));
        let best = pairs.map(|pair| radius(&labelled, &plane, &pair)).fold(f64::INFINITY, f64::min);
        assert!((best - 3.0).abs() < 1e-6);
    }

    #[test]
    fn the_radius_is_at_most_twice_the_best_of_all_choices() {
        // A27: 12 points, b = 3, by brute force.
        for seed in 0..20 {
            let points = Array2::from_shape_fn((13, 2), |(i, j)| {
                single(unit(crate::pool::mix(seed * 100 + i as u64 * 2 + j as u64)))
            });
            let (labelled, candidates) = points.view().split_at(ndarray::Axis(0), 1);
            let (labelled, candidates) = (labelled.to_owned(), candidates.to_owned());
            let greedy = radius(&labelled, &candidates, &items(&choose(&labelled, &candidates, 3)));
            let triples = (0..12).flat_map(|a| (a + 1..12).flat_map(move |b| (b + 1..12).map(move |c| [a, b, c])));
            let best = triples.map(|triple| radius(&labelled, &candidates, &triple)).fold(f64::INFINITY, f64::min);
            assert!(best - 1e-6 <= greedy && greedy <= 2.0 * best + 1e-6, "{greedy} against {best}");
        }
    }

    #[test]
    fn without_labels_the_middle_comes_first() {
        let scores = at(&array![[0.0], [4.0], [5.0], [10.0]]);
        let keys = keys(4);
        let pool = Pool::new(&scores, &keys);
        let mut picks = Picks::new(&pool, 3, 0.0);
        k_center(&pool, &Ask::default(), &mut picks);
        // The mean is 4.75; then 0 and 10 are 5 away each.
        assert_eq!(items(picks.chosen())[0], 2);
        assert!(items(picks.chosen())[1..] == [0, 3]);
    }
}
