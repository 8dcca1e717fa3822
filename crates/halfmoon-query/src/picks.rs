//! The query as it grows: no item twice, and none that is as good as a copy of one that is in it.

use std::collections::HashSet;

use halfmoon_classical::squared_distance;
use ndarray::ArrayView2;

use crate::places::Near;
use crate::pool::Pool;

/// What was chosen so far, and what can't be any more.
pub struct Picks<'a> {
    budget: usize,
    chosen: Vec<(usize, f64)>,
    is_closed: Vec<bool>,
    too_near: usize,
    keys: &'a [u64],
    chosen_keys: HashSet<u64>,
    copies: Option<&'a [u64]>,
    chosen_copies: HashSet<u64>,
    places: Option<(ArrayView2<'a, f32>, Near)>,
}

impl<'a> Picks<'a> {
    /// For so many of these candidates. `apart` as in [`crate::Ask::apart`].
    pub(crate) fn new(pool: &Pool<'a>, budget: usize, apart: f64) -> Picks<'a> {
        // Codes of a classifier bring items of a class together: there every easy item would be a near copy.
        let places = pool.inputs.or_else(|| pool.places().map(|(codes, _)| codes)).filter(|_| apart > 0.0);
        let places = places.map(|places| (places, Near::of(places, apart)));
        Picks {
            budget: budget.min(pool.len()),
            chosen: vec![],
            is_closed: vec![false; pool.len()],
            too_near: 0,
            keys: pool.keys,
            chosen_keys: HashSet::new(),
            copies: pool.copies,
            chosen_copies: HashSet::new(),
            places,
        }
    }

    /// An empty one for as many as that of the same candidates.
    pub(crate) fn empty(&self, budget: usize) -> Picks<'a> {
        Picks {
            budget: budget.min(self.is_closed.len()),
            chosen: vec![],
            is_closed: vec![false; self.is_closed.len()],
            too_near: 0,
            chosen_keys: HashSet::new(),
            chosen_copies: HashSet::new(),
            ..*self
        }
    }

    /// Candidates that are asked for.
    pub(crate) fn budget(&self) -> usize {
        self.budget
    }

    /// The budget is used up.
    pub(crate) fn is_full(&self) -> bool {
        self.chosen.len() == self.budget
    }

    /// Neither chosen nor turned down.
    pub(crate) fn is_open(&self, candidate: usize) -> bool {
        !self.is_closed[candidate]
    }

    /// With their utilities, in the order of choosing.
    pub(crate) fn chosen(&self) -> &[(usize, f64)] {
        &self.chosen
    }

    /// Candidates that were turned down.
    pub(crate) fn too_near(&self) -> usize {
        self.too_near
    }

    /// Candidates that were turned down elsewhere.
    pub(crate) fn count_too_near(&mut self, candidates: usize) {
        self.too_near += candidates;
    }

    /// Of the candidates that are open the first with the highest value.
    pub(crate) fn best<V: PartialOrd>(&self, value: impl Fn(usize) -> V) -> Option<usize> {
        let open = (0..self.is_closed.len()).filter(|&candidate| self.is_open(candidate));
        let valued = open.map(|candidate| (candidate, value(candidate)));
        valued.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(candidate, _)| candidate)
    }

    /// Takes a candidate that is open; or turns it down, where it is a copy of one that was chosen, or too near to one.
    pub(crate) fn offer(&mut self, candidate: usize, utility: f64) -> bool {
        assert!(
            self.is_open(candidate) && !self.is_full(),
            "only what is open is offered, and only while there is room"
        );
        self.is_closed[candidate] = true;
        let copy = self.copies.map(|copies| copies[candidate]);
        let is_copy = self.chosen_keys.contains(&self.keys[candidate])
            || copy.is_some_and(|copy| self.chosen_copies.contains(&copy));
        if is_copy || self.is_near(candidate) {
            self.too_near += 1;
            return false;
        }
        self.chosen_keys.insert(self.keys[candidate]);
        self.chosen_copies.extend(copy);
        self.chosen.push((candidate, utility));
        true
    }

    fn is_near(&self, candidate: usize) -> bool {
        self.places.is_some_and(|(places, near)| {
            let place = places.row(candidate);
            self.chosen.iter().any(|&(chosen, _)| near.is(squared_distance(place, places.row(chosen))))
        })
    }
}
