//! The one who reads the data: names first, so that questions are possible, and then everything, so that training is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use halfmoon_journal::moved::refuse_moved;
use halfmoon_journal::{Action, DATA, Event, Item, Journal, Key, Moment, Split, scan};
use halfmoon_pool::encode::{Encoding, Pixels};
use halfmoon_pool::labels::grouped;
use halfmoon_pool::read::{self, Listed, Listing};
use halfmoon_pool::{Class, Dataset, Result};

use super::clerk::{Clerk, words, words_of_panic};
use super::desk::{Data, Shared};
use super::items::{File, Known, Place};

/// Items or labels that go into the journal at once: whoever labels meanwhile waits for one handful at most.
const HANDFUL: usize = 1_000;

pub(super) fn start(shared: &Arc<Shared>, clerk: &Clerk) -> JoinHandle<()> {
    let reader = Reader { shared: shared.clone(), clerk: clerk.clone() };
    std::thread::spawn(move || {
        let problem = match catch_unwind(AssertUnwindSafe(|| reader.work())) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => words(&error),
            Err(panic) => words_of_panic(&*panic),
        };
        reader.shared.change(|desk| (desk.scan.state, desk.scan.message) = ("failed", problem));
    })
}

struct Reader {
    shared: Arc<Shared>,
    clerk: Clerk,
}

impl Reader {
    fn work(&self) -> Result<()> {
        // The desk knows by then what the journal holds.
        self.clerk.wait_for(|_| Ok(()))?;
        self.sort();
        let settings = &self.shared.settings;
        if let Some(listing) = read::list(&settings.data, &settings.options)? {
            self.list(&listing)?;
        }
        if self.shared.is_over() {
            return Ok(());
        }
        self.shared.change(|desk| desk.scan.state = "reading");
        let source = read::read(&settings.data, &settings.options)?;
        let found = scan::of_source(&settings.data, &source);
        // Whoever puts a picture into another folder means it.
        let rows = found.items.iter().filter(|item| item.path.is_none());
        let now = rows.map(|item| (item.id.as_str(), item.content));
        refuse_moved(&Journal::open_to_read(&settings.project)?, now)?;
        self.add_classes(&found.classes)?;
        self.make_known(&found);
        self.take(source.train, &found.items);
        self.drop_unread();
        // From here on all can be asked about and learned from; the journal has what was shown, and gets the rest now.
        self.sort();
        self.add_items(&found.items)?;
        self.add_labels(&found)?;
        let (items, unreadable) = (found.items.len(), found.problems.len());
        let first = found.problems.first().map(|problem| format!("{}: {}", problem.place, problem.reason));
        self.shared.change(|desk| {
            desk.scan.state = "done";
            desk.scan.files = desk.scan.files.max(items + unreadable);
            desk.scan.unreadable = unreadable;
            desk.scan.message = match first {
                None => String::new(),
                Some(first) => {
                    format!("{} cannot be read; the first: {}", grouped(unreadable), self.below_data(&first))
                }
            };
        });
        Ok(())
    }

    /// A message without the place of the data on this machine.
    fn below_data(&self, message: &str) -> String {
        let folder = self.shared.settings.data.to_string_lossy();
        message.replace(&format!("{folder}/"), "").replace(&*folder, "the data")
    }

    /// Makes what a listing names known, before anything is opened.
    fn list(&self, listing: &Listing) -> Result<()> {
        self.add_classes(&listing.classes)?;
        let splits =
            [(Split::Train, &listing.train), (Split::Validation, &listing.validation), (Split::Test, &listing.test)];
        for (split, listed) in splits {
            for listed in listed.chunks(HANDFUL) {
                let mut desk = self.shared.desk();
                for one in listed {
                    desk.add(self.known(split, one));
                }
                desk.scan.files += listed.len();
            }
            self.shared.tell();
        }
        self.sort();
        Ok(())
    }

    fn known(&self, split: Split, listed: &Listed) -> Known {
        let is_id = listed.path.to_str() == Some(&*listed.id);
        Known {
            id: listed.id.as_str().into(),
            item: None,
            split,
            file: if is_id { File::OfId } else { File::At(listed.path.as_path().into()) },
            row: None,
            is_labelled_by_place: listed.class.is_some(),
            is_broken: false,
            lot: self.shared.urn().draw(&listed.id),
        }
    }

    /// Makes what was read known, before it is in the journal.
    fn make_known(&self, found: &scan::Scan) {
        let mut labelled = found.labels.iter().map(|(at, _)| *at).peekable();
        for (items, first) in found.items.chunks(HANDFUL).zip((0..).step_by(HANDFUL)) {
            let mut desk = self.shared.desk();
            for (item, at) in items.iter().zip(first..) {
                desk.add(Known {
                    id: item.id.as_str().into(),
                    item: None,
                    split: item.split,
                    file: if item.path.is_some() { File::OfId } else { File::None },
                    row: None,
                    is_labelled_by_place: labelled.next_if_eq(&at).is_some(),
                    is_broken: false,
                    lot: self.shared.urn().draw(&item.id),
                });
            }
        }
        self.shared.tell();
    }

    /// Brings both lines of questions into the order of the lots.
    fn sort(&self) {
        let (mut orders, lots) = {
            let desk = self.shared.desk();
            let lots: Vec<u64> = desk.items.iter().map(|(_, known)| known.lot.order).collect();
            (desk.queue.orders(), lots)
        };
        for order in &mut orders {
            order.sort_by_key(|place| lots[*place as usize]);
        }
        self.shared.change(|desk| desk.queue.put_orders(orders));
    }

    fn add_items(&self, items: &[Item]) -> Result<()> {
        for items in items.chunks(HANDFUL) {
            if self.shared.is_over() {
                return Ok(());
            }
            let items = items.to_vec();
            self.clerk.wait_for(move |journal| journal.add_items(&items))?;
        }
        Ok(())
    }

    fn add_classes(&self, names: &[String]) -> Result<()> {
        let names = names.to_vec();
        self.clerk.wait_for(move |journal| {
            names.iter().try_for_each(|name| journal.add_class(name, DATA, Moment::now()).map(|_| ()))
        })
    }

    /// Labels that came with the data, where the journal has none by them.
    fn add_labels(&self, found: &scan::Scan) -> Result<()> {
        let now = Moment::now();
        let event = |&(at, class): &(usize, Class)| {
            let desk = self.shared.desk();
            let place = desk.items.of_id(&found.items[at].id)?;
            let data = desk.annotators.iter().position(|name| name == DATA);
            let standing = desk.standing.get(&place);
            if standing.is_some_and(|standing| standing.votes.iter().any(|(by, _)| Some(*by) == data)) {
                return None;
            }
            let name = &found.classes[class.index()];
            let class = desk.classes.iter().position(|known| known == name.trim())?;
            let class = Class(u16::try_from(class).expect("a journal has no more"));
            let key = Key::of(&[DATA, &found.items[at].id, name]);
            Some(Event { key, ..Event::new(DATA, now, Action::Label(desk.items.get(place).item?, class)) })
        };
        for labels in found.labels.chunks(HANDFUL) {
            if self.shared.is_over() {
                return Ok(());
            }
            let events: Vec<Event> = labels.iter().filter_map(event).collect();
            if !events.is_empty() {
                self.clerk.wait_for(move |journal| journal.append_all(&events))?;
            }
        }
        Ok(())
    }

    /// What was listed and could not be read, or is gone, is not asked about.
    fn drop_unread(&self) {
        let all = self.shared.desk().items.places();
        for first in all.clone().step_by(HANDFUL) {
            let mut desk = self.shared.desk();
            for place in (first..all.end).take(HANDFUL) {
                let known = desk.items.get(place);
                if known.split == Split::Train && known.file != File::None && known.row.is_none() {
                    desk.put_broken(place);
                }
            }
        }
    }

    /// Puts the data on the desk; `items` begins with theirs.
    fn take(&self, mut dataset: Dataset, items: &[Item]) {
        let encoding = Encoding::fit(&dataset, Pixels::default());
        dataset.labels.fill(None);
        let mut places: Vec<Place> = Vec::with_capacity(dataset.len());
        for (items, first) in items[..dataset.len()].chunks(HANDFUL).zip((0_u32..).step_by(HANDFUL)) {
            let mut desk = self.shared.desk();
            for (item, row) in items.iter().zip(first..) {
                // Made known before.
                let Some(place) = desk.items.of_id(&item.id) else { return };
                desk.put_row(place, row);
                places.push(place);
            }
        }
        self.shared.change(|desk| {
            dataset.schema.classes.clone_from(&desk.classes);
            desk.data = Some(Arc::new(Data { dataset: RwLock::new(dataset), encoding, places }));
        });
    }
}
