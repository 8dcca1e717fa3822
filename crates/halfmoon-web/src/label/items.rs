//! The items of a project, in memory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use halfmoon_journal::{ItemId, Split};

/// What ids of generated examples begin with.
pub(super) const GENERATED: &str = "generated/";

/// Where an item stands in [`Items`]: from 0, in the order in which they became known.
pub(super) type Place = u32;

/// One thing that can be labelled.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// How the user knows it.
    pub(super) id: Arc<str>,
    /// Its number in the journal. `None`: nobody has been shown it, and the reader has not come to it.
    pub(super) item: Option<ItemId>,
    pub(super) split: Split,
    pub(super) file: File,
    /// Its row among the data that are learned from, once they are read.
    pub(super) row: Option<u32>,
    /// Its place among the data gives it a label, which the journal may not have yet.
    pub(super) is_labelled_by_place: bool,
    /// It was looked at and cannot be shown.
    pub(super) is_broken: bool,
    pub(super) lot: Lot,
}

/// What chance decides of an item, from its id and the seed alone: the same after every start, and in every process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lot {
    /// The lower, the sooner it is asked where nothing else decides.
    pub(super) order: u64,
    /// It is to judge by, and never learned from.
    pub(super) is_judging: bool,
    /// A second person is asked about it, too.
    pub(super) wants_two: bool,
}

/// What the lots are drawn with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Urn {
    pub(super) seed: u64,
    pub(super) judge: f64,
    pub(super) twice: f64,
}

impl Urn {
    pub(super) fn draw(self, id: &str) -> Lot {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes()).update(id.as_bytes());
        let hash = hasher.finalize();
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| hash.as_bytes()[8 * at + byte]));
        // From 0 to below 1.
        let share = |at: usize| (number(at) >> 11) as f64 / (1_u64 << 53) as f64;
        Lot { order: number(0), is_judging: share(1) < self.judge, wants_two: share(2) < self.twice }
    }
}

/// Where an item's file is, below the data's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum File {
    /// It has none: a row of a table or of an array.
    None,
    /// Its id is its path.
    OfId,
    /// A name that is no Unicode has another id.
    At(Box<Path>),
}

impl Known {
    pub(super) fn path(&self) -> Option<PathBuf> {
        match &self.file {
            File::None => None,
            File::OfId => Some(PathBuf::from(&*self.id)),
            File::At(path) => Some(path.to_path_buf()),
        }
    }

    /// Whether anybody may be asked about it: it is of the data, to learn from, and can be shown.
    pub(super) fn is_asked(&self) -> bool {
        self.split == Split::Train
            && !self.is_broken
            && !self.is_labelled_by_place
            && (self.file != File::None || self.row.is_some())
    }

    /// It is one of the data to learn from: a generated example is not, nor is one of the data's own splits to judge by.
    pub(super) fn is_of_data(&self) -> bool {
        let is_generated = self.file == File::None && self.row.is_none() && self.id.starts_with(GENERATED);
        self.split == Split::Train && !is_generated
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Items {
    all: Vec<Known>,
    by_id: HashMap<Arc<str>, Place>,
    by_item: HashMap<ItemId, Place>,
}

impl Items {
    pub(super) fn get(&self, place: Place) -> &Known {
        &self.all[place as usize]
    }

    pub(super) fn get_mut(&mut self, place: Place) -> &mut Known {
        &mut self.all[place as usize]
    }

    pub(super) fn of_id(&self, id: &str) -> Option<Place> {
        self.by_id.get(id).copied()
    }

    pub(super) fn of_item(&self, item: ItemId) -> Option<Place> {
        self.by_item.get(&item).copied()
    }

    /// Of all items.
    pub(super) fn places(&self) -> std::ops::Range<Place> {
        0..Place::try_from(self.all.len()).expect("fewer than four billion items")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Place, &Known)> {
        (0..).zip(&self.all)
    }

    /// One more, or what is known of one that is there already: true where it is new.
    pub(super) fn add(&mut self, new: Known) -> (Place, bool) {
        if let Some(place) = self.of_id(&new.id) {
            let known = &mut self.all[place as usize];
            known.is_labelled_by_place |= new.is_labelled_by_place;
            if let (None, Some(item)) = (known.item, new.item) {
                known.item = Some(item);
                self.by_item.insert(item, place);
            }
            // What the disk calls it goes before what the journal does.
            if matches!(new.file, File::At(_)) || known.file == File::None {
                known.file = new.file;
            }
            return (place, false);
        }
        let place = Place::try_from(self.all.len()).expect("fewer than four billion items");
        self.by_id.insert(new.id.clone(), place);
        if let Some(item) = new.item {
            self.by_item.insert(item, place);
        }
        self.all.push(new);
        (place, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_have_their_shares_and_depend_on_id_and_seed_alone() {
        let urn = Urn { seed: 7, judge: 0.2, twice: 0.1 };
        let lots: Vec<Lot> = (0..10_000).map(|item| urn.draw(&item.to_string())).collect();
        // Of 10,000 with a share of 0.2 the count has a standard deviation of 40; with one of 0.1, of 30.
        let judging = lots.iter().filter(|lot| lot.is_judging).count();
        let twice = lots.iter().filter(|lot| lot.wants_two).count();
        assert!(judging.abs_diff(2_000) < 160 && twice.abs_diff(1_000) < 120, "{judging} {twice}");
        // One says nothing of the other: 200 of both, by 14.
        let both = lots.iter().filter(|lot| lot.is_judging && lot.wants_two).count();
        assert!(both.abs_diff(200) < 60, "{both}");
        assert_eq!(urn.draw("17"), lots[17]);
        assert_ne!(Urn { seed: 8, ..urn }.draw("17").order, lots[17].order);
    }

    #[test]
    fn an_item_is_known_once_whoever_tells_of_it() {
        let lot = Urn { seed: 1, judge: 0.0, twice: 0.0 }.draw("a.png");
        let known = |item: Option<i64>, file| Known {
            id: "a.png".into(),
            item: item.map(ItemId),
            split: Split::Train,
            file,
            row: None,
            is_labelled_by_place: false,
            is_broken: false,
            lot,
        };
        let mut items = Items::default();
        assert_eq!(items.add(known(None, File::OfId)), (0, true));
        assert_eq!(items.of_item(ItemId(4)), None);
        assert_eq!(items.add(known(Some(4), File::None)), (0, false));
        assert_eq!((items.of_item(ItemId(4)), items.iter().count()), (Some(0), 1));
        assert!(items.get(0).is_asked(), "its file is still known");
    }
}
