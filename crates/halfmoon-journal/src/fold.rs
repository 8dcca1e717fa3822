//! From events to labels.
//!
//! Of each item and annotator, what stands is the label or skip that comes last in the journal and is not undone. Clocks do
//! not matter, so two processes that write at once fold to the same in every reader.

use std::collections::{BTreeMap, HashMap};

use halfmoon_pool::Class;

use crate::event::{Action, DATA, Event, EventId};
use crate::item::ItemId;

/// What stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// Who has a vote that stands, in alphabetical order.
    pub annotators: Vec<String>,
    /// By item, then by annotator; one for each pair of them at most.
    pub votes: Vec<Vote>,
}

/// What one annotator says of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    /// The item.
    pub item: ItemId,
    /// Index in [`Labels::annotators`].
    pub annotator: usize,
    /// `None`: skipped.
    pub class: Option<Class>,
    /// The event that says so.
    pub event: EventId,
}

/// What all annotators together say of an item that somebody labelled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// The item.
    pub item: ItemId,
    /// `None`: open, such as a tie. The item stays a candidate until another voice decides.
    pub class: Option<Class>,
    /// How sure that is: by majority the share of the voices that say so (of the largest party, where there is a tie).
    pub weight: f64,
    /// How many different classes were given.
    pub classes: usize,
}

impl Labels {
    /// The votes of each item, skips among them, by item.
    pub fn by_item(&self) -> impl Iterator<Item = &[Vote]> {
        self.votes.chunk_by(|a, b| a.item == b.item)
    }

    /// The class that most annotators give each labelled item; a tie is no label. What came with the data ([`DATA`]) counts
    /// only where no person has labelled the item: else who mends a wrong label would only make a tie.
    pub fn majority(&self) -> Vec<Verdict> {
        let data = self.annotators.iter().position(|annotator| annotator == DATA);
        self.by_item().filter_map(|votes| verdict(votes, data)).collect()
    }

    /// How many labelled items were given more than one class by those whose vote counts.
    pub fn conflicts(&self) -> usize {
        self.majority().iter().filter(|verdict| verdict.classes > 1).count()
    }
}

fn verdict(votes: &[Vote], data: Option<usize>) -> Option<Verdict> {
    let labels = || votes.iter().filter_map(|vote| Some((vote.annotator, vote.class?)));
    let by_people = labels().any(|(annotator, _)| Some(annotator) != data);
    let mut voices: BTreeMap<Class, usize> = BTreeMap::new();
    for (_, class) in labels().filter(|(annotator, _)| !by_people || Some(*annotator) != data) {
        *voices.entry(class).or_default() += 1;
    }
    let most = *voices.values().max()?;
    let mut largest = voices.iter().filter(|(_, count)| **count == most).map(|(class, _)| *class);
    let class = largest.next().filter(|_| largest.next().is_none());
    let weight = most as f64 / voices.values().sum::<usize>() as f64;
    Some(Verdict { item: votes[0].item, class, weight, classes: voices.len() })
}

/// The same in memory, event by event: for a process that stays and hears of events as they come.
#[derive(Debug, Clone, Default)]
pub struct Fold {
    annotators: Vec<String>,
    known: HashMap<String, usize>,
    /// All that is not undone, in the journal's order.
    said: HashMap<(ItemId, usize), Vec<(EventId, Option<Class>)>>,
    /// Whose label or skip an event is.
    of: HashMap<EventId, (ItemId, usize)>,
}

impl Fold {
    /// The next event of the journal.
    pub fn apply(&mut self, id: EventId, event: &Event) {
        let (item, class) = match event.action {
            Action::Label(item, class) => (item, Some(class)),
            Action::Skip(item) => (item, None),
            Action::Undo(undone) => return self.undo(undone),
            Action::NewClass(_) | Action::Fields(_) => return,
        };
        let annotator = self.annotator(&event.annotator);
        self.said.entry((item, annotator)).or_default().push((id, class));
        self.of.insert(id, (item, annotator));
    }

    /// What stands.
    pub fn labels(&self) -> Labels {
        let mut has_vote = vec![false; self.annotators.len()];
        for ((_, by), _) in self.said.iter().filter(|(_, said)| !said.is_empty()) {
            has_vote[*by] = true;
        }
        let mut names: Vec<usize> = (0..self.annotators.len()).filter(|&annotator| has_vote[annotator]).collect();
        names.sort_by_key(|&annotator| &self.annotators[annotator]);
        let place: HashMap<usize, usize> = names.iter().enumerate().map(|(place, &name)| (name, place)).collect();
        let mut votes: Vec<Vote> = (self.said.iter())
            .filter_map(|((item, by), said)| {
                let &(event, class) = said.last()?;
                Some(Vote { item: *item, annotator: place[by], class, event })
            })
            .collect();
        votes.sort_by_key(|vote| (vote.item, vote.annotator));
        Labels { annotators: names.into_iter().map(|name| self.annotators[name].clone()).collect(), votes }
    }

    fn undo(&mut self, undone: EventId) {
        if let Some(said) = self.of.get(&undone).and_then(|pair| self.said.get_mut(pair)) {
            said.retain(|(event, _)| *event != undone);
        }
    }

    fn annotator(&mut self, name: &str) -> usize {
        if let Some(&known) = self.known.get(name) {
            return known;
        }
        self.annotators.push(name.to_owned());
        self.known.insert(name.to_owned(), self.annotators.len() - 1);
        self.annotators.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;

    fn fold(events: &[(&str, Action)]) -> Labels {
        let at = Moment::parse("2026-11-26").expect("a day");
        let mut fold = Fold::default();
        for (number, (annotator, action)) in (1..).zip(events) {
            fold.apply(EventId(number), &Event::new(annotator, at, action.clone()));
        }
        fold.labels()
    }

    fn label(item: i64, class: u16) -> Action {
        Action::Label(ItemId(item), Class(class))
    }

    fn standing(labels: &Labels) -> Vec<(i64, &str, Option<u16>)> {
        let name = |vote: &Vote| labels.annotators[vote.annotator].as_str();
        labels.votes.iter().map(|vote| (vote.item.0, name(vote), vote.class.map(|class| class.0))).collect()
    }

    #[test]
    fn the_last_word_of_each_annotator_stands() {
        let labels = fold(&[
            ("bo", label(1, 0)),
            ("ann", label(1, 1)),
            ("bo", label(1, 2)),
            ("ann", label(2, 0)),
            ("ann", Action::Skip(ItemId(2))),
        ]);
        assert_eq!(standing(&labels), [(1, "ann", Some(1)), (1, "bo", Some(2)), (2, "ann", None)]);
    }

    #[test]
    fn what_was_said_before_an_undone_label_stands_again() {
        let undo = |event| Action::Undo(EventId(event));
        let labels = fold(&[("ann", label(1, 0)), ("ann", label(1, 1)), ("ann", undo(2))]);
        assert_eq!(standing(&labels), [(1, "ann", Some(0))]);
        // the earlier one is undone first, then the later one, and that one twice
        let labels =
            fold(&[("ann", label(1, 0)), ("ann", label(1, 1)), ("ann", undo(1)), ("bo", undo(2)), ("ann", undo(2))]);
        assert_eq!(labels, Labels::default());
    }

    #[test]
    fn most_voices_decide_and_a_tie_is_no_label() {
        let labels = fold(&[
            ("ann", label(1, 0)),
            ("bo", label(1, 0)),
            ("cy", label(1, 1)),
            ("ann", label(2, 0)),
            ("bo", label(2, 1)),
            ("cy", Action::Skip(ItemId(2))),
            ("ann", Action::Skip(ItemId(3))),
        ]);
        let verdicts = labels.majority();
        let first = Verdict { item: ItemId(1), class: Some(Class(0)), weight: 2.0 / 3.0, classes: 2 };
        assert_eq!(verdicts, [first, Verdict { item: ItemId(2), class: None, weight: 0.5, classes: 2 }]);
        assert_eq!(labels.conflicts(), 2);
    }

    #[test]
    fn labels_of_the_data_give_way_to_a_persons() {
        let labels = fold(&[(DATA, label(1, 0)), (DATA, label(2, 0)), ("ann", label(1, 1))]);
        let classes: Vec<_> = labels.majority().iter().map(|verdict| verdict.class).collect();
        assert_eq!(classes, [Some(Class(1)), Some(Class(0))]);
        assert_eq!(labels.conflicts(), 0);
    }
}
