//! What is asked next, and of whom.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::desk::Desk;
use super::items::{Known, Place};

/// How long an item that was handed out is kept from the others.
pub(super) const LEASE: Duration = Duration::from_mins(3);

/// Of so many questions in a row, at most one is about an item that somebody labelled already.
const SECOND_VOICES: usize = 4;

/// What may be asked, in the orders in which it is.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// What the rule chose, the most wanted first.
    pub(super) picks: Vec<Pick>,
    /// The rule that chose these, by name, and the round of the model that it asked.
    pub(super) rule: &'static str,
    pub(super) round: Option<u32>,
    /// All items to learn from, and all to judge by, in an order of chance.
    to_learn: Line,
    to_judge: Line,
    leases: HashMap<Place, Vec<Lease>>,
}

/// Items one after another.
#[derive(Debug, Default)]
struct Line {
    places: Vec<Place>,
    /// Nobody is to be asked about those before this one.
    begin: usize,
    /// Items that have no place in the order yet. Nobody is asked about them: the first ones of a folder are no fair sample of it.
    fresh: Vec<Place>,
}

/// A choice of the rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pick {
    pub(super) place: Place,
    /// The rule's own reason.
    pub(super) reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Lease {
    annotator: usize,
    until: Instant,
}

/// Why an item is asked about.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cause {
    /// The rule chose it, for this reason.
    Rule(String),
    /// Nothing else decided.
    Chance,
    /// To judge by.
    Judging,
    /// A second person is asked.
    Second,
    /// Annotators disagree.
    Tie,
}

impl Queue {
    pub(super) fn add(&mut self, place: Place, known: &Known) {
        let line = if known.lot.is_judging { &mut self.to_judge } else { &mut self.to_learn };
        line.fresh.push(place);
    }

    /// All items of both lines, to be sorted by their lots. Sorting many takes a while: it is done while nobody waits, and put here afterwards.
    pub(super) fn orders(&self) -> [Vec<Place>; 2] {
        let all = |line: &Line| [&line.places[..], &line.fresh].concat();
        [all(&self.to_learn), all(&self.to_judge)]
    }

    /// Items that became known since [`Queue::orders`] wait for the next time.
    pub(super) fn put_orders(&mut self, orders: [Vec<Place>; 2]) {
        for (line, places) in [&mut self.to_learn, &mut self.to_judge].into_iter().zip(orders) {
            let sorted = places.len() - line.places.len();
            *line = Line { places, begin: 0, fresh: line.fresh.split_off(sorted) };
        }
    }

    /// An item may be asked about again.
    pub(super) fn reopen(&mut self) {
        (self.to_learn.begin, self.to_judge.begin) = (0, 0);
    }

    pub(super) fn give_back(&mut self, place: Place, annotator: usize) {
        if let Some(leases) = self.leases.get_mut(&place) {
            leases.retain(|lease| lease.annotator != annotator);
            if leases.is_empty() {
                self.leases.remove(&place);
            }
        }
    }

    fn lease(&mut self, place: Place, annotator: usize, now: Instant) {
        self.give_back(place, annotator);
        self.leases.entry(place).or_default().push(Lease { annotator, until: now + LEASE });
    }

    fn drop_expired(&mut self, now: Instant) {
        self.leases.retain(|_, leases| {
            leases.retain(|lease| lease.until > now);
            !leases.is_empty()
        });
    }

    fn others(&self, place: Place, annotator: usize) -> impl Iterator<Item = usize> + use<'_> {
        let leases = self.leases.get(&place).into_iter().flatten();
        leases.map(|lease| lease.annotator).filter(move |by| *by != annotator)
    }
}

impl Desk {
    /// Hands out up to `n` items that this annotator is to be asked about, besides those that the annotator holds.
    pub(super) fn hand_out(
        &mut self,
        annotator: usize,
        n: usize,
        held: &HashSet<Place>,
        judge: f64,
        now: Instant,
    ) -> Vec<Place> {
        self.queue.drop_expired(now);
        self.skip_settled();
        for &place in held {
            if self.items.get(place).is_asked() && self.is_open(place, annotator) {
                self.queue.lease(place, annotator, now);
            }
        }
        let mut chosen = Vec::new();
        // What is handed out and not yet labelled counts as well: else a whole handful would be of one kind.
        let mut out = self.out();
        while chosen.len() < n {
            let is_free = |place: &Place| !held.contains(place) && !chosen.contains(place);
            let judges_are_due = (self.judged + out.1) as f64 + 1.0 <= judge * (self.labelled + out.0 + 1) as f64;
            let next = if chosen.len() % SECOND_VOICES == 0 { self.next_unsettled(annotator, is_free) } else { None }
                .or_else(|| judges_are_due.then(|| self.next_of(&self.queue.to_judge, annotator, is_free))?)
                .or_else(|| self.next_pick(annotator, is_free))
                .or_else(|| self.next_of(&self.queue.to_learn, annotator, is_free))
                .or_else(|| self.next_of(&self.queue.to_judge, annotator, is_free))
                .or_else(|| self.next_unsettled(annotator, is_free));
            let Some(place) = next else { break };
            out.0 += 1;
            out.1 += usize::from(self.items.get(place).lot.is_judging);
            self.queue.lease(place, annotator, now);
            chosen.push(place);
        }
        chosen
    }

    /// Items that are handed out and have no label, and those of them that are to judge by.
    fn out(&self) -> (usize, usize) {
        let has_label = |place: &Place| self.standing.get(place).is_some_and(|standing| standing.is_labelled);
        let unlabelled = self.queue.leases.keys().filter(|place| !has_label(place));
        unlabelled.fold((0, 0), |(all, judging), place| {
            (all + 1, judging + usize::from(self.items.get(*place).lot.is_judging))
        })
    }

    /// Why an item would be asked about now.
    pub(super) fn cause(&self, place: Place) -> Cause {
        let standing = self.standing.get(&place);
        if standing.is_some_and(|standing| standing.is_labelled && standing.class.is_none()) {
            return Cause::Tie;
        }
        if self.items.get(place).lot.is_judging {
            return Cause::Judging;
        }
        if standing.is_some_and(|standing| standing.people > 0) {
            return Cause::Second;
        }
        let pick = self.queue.picks.iter().find(|pick| pick.place == place);
        pick.map_or(Cause::Chance, |pick| Cause::Rule(pick.reason.clone()))
    }

    fn next_pick(&self, annotator: usize, is_free: impl Fn(&Place) -> bool) -> Option<Place> {
        let places = self.queue.picks.iter().map(|pick| pick.place);
        places.filter(is_free).find(|&place| self.is_open(place, annotator))
    }

    fn next_of(&self, line: &Line, annotator: usize, is_free: impl Fn(&Place) -> bool) -> Option<Place> {
        let places = line.places[line.begin..].iter().copied();
        places.filter(is_free).find(|&place| self.is_open(place, annotator))
    }

    /// Forgets the beginnings of the lines that are done with.
    fn skip_settled(&mut self) {
        let is_settled = |place: &Place| {
            let has_class = self.standing.get(place).is_some_and(|standing| standing.class.is_some());
            has_class && !self.unsettled.contains(place)
        };
        let begin = |line: &Line| {
            let settled = line.places[line.begin..].iter().take_while(|place| is_settled(place)).count();
            line.begin + settled
        };
        let begins = (begin(&self.queue.to_learn), begin(&self.queue.to_judge));
        (self.queue.to_learn.begin, self.queue.to_judge.begin) = begins;
    }

    fn next_unsettled(&self, annotator: usize, is_free: impl Fn(&Place) -> bool) -> Option<Place> {
        self.unsettled.iter().copied().filter(is_free).find(|&place| self.is_open(place, annotator))
    }

    /// Whether this annotator may be asked about it: no voice of theirs is there, and another one is wanted.
    fn is_open(&self, place: Place, annotator: usize) -> bool {
        let known = self.items.get(place);
        if !known.is_asked() {
            return false;
        }
        let holders = || self.queue.others(place, annotator);
        let Some(standing) = self.standing.get(&place) else {
            return holders().count() < usize::from(known.lot.wants_two) + 1;
        };
        if standing.votes.iter().any(|(by, _)| *by == annotator) {
            return false;
        }
        // Those who hold it and have said something already bring no new voice.
        let holders = holders().filter(|by| standing.votes.iter().all(|(voter, _)| voter != by)).count();
        let is_tie = standing.is_labelled && standing.class.is_none();
        match (is_tie, standing.is_labelled, standing.people) {
            (true, ..) => holders == 0,
            // What came with the data needs no second voice.
            (false, true, 0) => false,
            (false, _, people) => people + holders < usize::from(known.lot.wants_two) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use halfmoon_journal::{EventId, ItemId, Labels, Split, Vote};
    use halfmoon_pool::Class;

    use super::*;
    use crate::label::items::{File, Lot};

    /// Items that are to be labelled, in this order, by one person or by two.
    fn desk(lots: &[Lot]) -> Desk {
        let mut desk = Desk::new(&halfmoon_query::RULES[0]);
        for (number, lot) in (0..).zip(lots) {
            desk.add(Known {
                id: number.to_string().into(),
                item: Some(ItemId(number)),
                split: Split::Train,
                file: File::OfId,
                row: None,
                is_labelled_by_place: false,
                is_broken: false,
                lot: *lot,
            });
        }
        desk.classes = vec!["a".into(), "b".into()];
        desk.queue.put_orders(desk.queue.orders());
        desk
    }

    fn lot(is_judging: bool, wants_two: bool) -> Lot {
        Lot { order: 0, is_judging, wants_two }
    }

    fn say(desk: &mut Desk, item: i64, votes: &[(&str, Option<u16>)]) {
        let vote = |(annotator, (_, class)): (usize, &(&str, Option<u16>))| Vote {
            item: ItemId(item),
            annotator,
            class: class.map(Class),
            event: EventId(1),
        };
        let labels = Labels {
            annotators: votes.iter().map(|(name, _)| (*name).to_owned()).collect(),
            votes: votes.iter().enumerate().map(vote).collect(),
        };
        desk.put(ItemId(item), &labels);
    }

    fn ask(desk: &mut Desk, name: &str, n: usize) -> Vec<Place> {
        let annotator = desk.annotator(name);
        desk.hand_out(annotator, n, &HashSet::new(), 0.0, Instant::now())
    }

    #[test]
    fn nobody_is_asked_what_another_one_holds_and_everybody_is_asked_again_what_they_hold() {
        let mut desk = desk(&[lot(false, false); 3]);
        assert_eq!(ask(&mut desk, "ann", 2), [0, 1]);
        assert_eq!(ask(&mut desk, "bo", 2), [2]);
        assert_eq!(ask(&mut desk, "ann", 2), [0, 1], "a page that was loaded anew");
        desk.queue.drop_expired(Instant::now() + LEASE);
        assert_eq!(ask(&mut desk, "bo", 3), [0, 1, 2], "whoever went away holds nothing for ever");
    }

    #[test]
    fn a_second_person_is_asked_where_the_lot_says_so_and_a_third_is_not() {
        let mut desk = desk(&[lot(false, true), lot(false, false)]);
        assert_eq!(ask(&mut desk, "ann", 1), [0]);
        say(&mut desk, 0, &[("ann", Some(0))]);
        assert_eq!(ask(&mut desk, "ann", 2), [1]);
        assert_eq!(ask(&mut desk, "bo", 2), [0]);
        assert_eq!(desk.cause(0), Cause::Second);
        say(&mut desk, 0, &[("ann", Some(0)), ("bo", Some(0))]);
        assert_eq!(ask(&mut desk, "cy", 2), [0_u32; 0]);
        // one who disagrees makes a tie, which a third decides
        say(&mut desk, 0, &[("ann", Some(0)), ("bo", Some(1))]);
        assert_eq!(desk.cause(0), Cause::Tie);
        assert_eq!(ask(&mut desk, "cy", 2), [0]);
        assert_eq!(ask(&mut desk, "di", 2), [0_u32; 0]);
    }

    #[test]
    fn items_without_a_place_in_the_order_wait() {
        let mut desk = desk(&[lot(false, false); 3]);
        let orders = desk.queue.orders();
        let known = Known { id: "late".into(), item: Some(ItemId(9)), ..desk.items.get(0).clone() };
        desk.add(known);
        desk.queue.put_orders(orders);
        assert_eq!(ask(&mut desk, "ann", 9), [0, 1, 2]);
        desk.queue.put_orders(desk.queue.orders());
        assert_eq!(ask(&mut desk, "ann", 9), [0, 1, 2, 3]);
    }

    #[test]
    fn what_one_skipped_is_asked_of_another_and_not_again() {
        let mut desk = desk(&[lot(false, false)]);
        say(&mut desk, 0, &[("ann", None)]);
        assert_eq!(ask(&mut desk, "ann", 1), [0_u32; 0]);
        assert_eq!(ask(&mut desk, "bo", 1), [0]);
        assert_eq!(desk.labelled, 0);
    }

    #[test]
    fn a_label_of_the_data_needs_no_other() {
        let mut desk = desk(&[lot(false, true)]);
        say(&mut desk, 0, &[(halfmoon_journal::DATA, Some(1))]);
        assert_eq!(ask(&mut desk, "ann", 1), [0_u32; 0]);
        assert_eq!(desk.labelled, 1);
    }

    #[test]
    fn items_to_judge_by_come_in_their_share_also_within_a_handful() {
        let lots: Vec<Lot> = (0..100).map(|item| lot(item % 2 == 0, false)).collect();
        let mut desk = desk(&lots);
        let ann = desk.annotator("ann");
        let places = desk.hand_out(ann, 20, &HashSet::new(), 0.25, Instant::now());
        let judging: Vec<usize> = (0..20).filter(|&at| places[at].is_multiple_of(2)).collect();
        assert_eq!(judging, [3, 7, 11, 15, 19]);
    }

    #[test]
    fn the_rules_choice_goes_before_chance() {
        let mut desk = desk(&[lot(false, false); 4]);
        desk.queue.picks = vec![Pick { place: 3, reason: "so".into() }, Pick { place: 1, reason: "and so".into() }];
        assert_eq!(ask(&mut desk, "ann", 3), [3, 1, 0]);
        assert_eq!((desk.cause(3), desk.cause(0)), (Cause::Rule("so".into()), Cause::Chance));
    }
}
