//! What the server knows at this moment, in memory: where requests, reader, clerk and trainer meet.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use halfmoon_journal::{EventId, ItemId, Labels};
use halfmoon_pool::encode::Encoding;
use halfmoon_pool::{Class, Dataset};
use halfmoon_query::Rule;
use ndarray::Array2;
use tokio::sync::watch;

use super::Settings;
use super::examples::Examples;
use super::figures::Figures;
use super::items::{Items, Known, Place, Urn};
use super::queue::Queue;

/// Items that are looked at while the desk is held: nobody waits until a million were.
pub(super) const HANDFUL: usize = 20_000;

/// All that the threads share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    /// The project's.
    pub(super) name: String,
    desk: Mutex<Desk>,
    /// Rings whenever the trainer may have something to do.
    bell: Condvar,
    is_over: AtomicBool,
    /// Counts changes of what `/api/project` says.
    pub(super) changes: watch::Sender<u64>,
    /// Counts changes of the figures.
    pub(super) figures: watch::Sender<u64>,
    /// The round of the queue.
    pub(super) queue: watch::Sender<u32>,
}

impl Shared {
    pub(super) fn new(settings: Settings, name: String, desk: Desk) -> Shared {
        let desk = Mutex::new(Desk { model_name: settings.model.clone(), ..desk });
        let (changes, figures, queue) = (watch::Sender::new(0), watch::Sender::new(0), watch::Sender::new(0));
        let (bell, is_over) = (Condvar::new(), AtomicBool::new(false));
        Shared { settings, name, desk, bell, is_over, changes, figures, queue }
    }

    /// To look and to change within microseconds: nobody keeps it while working.
    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        // A panic while it was held is a bug; what the others know is still true.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something that the page shows.
    pub(super) fn change<T>(&self, work: impl FnOnce(&mut Desk) -> T) -> T {
        let done = work(&mut self.desk());
        self.tell();
        done
    }

    /// What the page shows has changed.
    pub(super) fn tell(&self) {
        self.changes.send_modify(|count| *count += 1);
        self.bell.notify_all();
    }

    /// Waits until something has changed, or a while.
    pub(super) fn wait<'a>(&'a self, desk: MutexGuard<'a, Desk>) -> MutexGuard<'a, Desk> {
        let waited = self.bell.wait_timeout(desk, std::time::Duration::from_millis(500));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits until the desk knows what the journal holds. An error says why it does not.
    pub(super) async fn loaded(&self) -> Result<(), String> {
        let mut changes = self.changes.subscribe();
        loop {
            {
                let desk = self.desk();
                if desk.is_loaded {
                    return Ok(());
                }
                if !desk.model.message.is_empty() {
                    return Err(desk.model.message.clone());
                }
            }
            if self.is_over() || changes.changed().await.is_err() {
                return Err("the project is being closed".to_owned());
            }
        }
    }

    pub(super) fn urn(&self) -> Urn {
        Urn { seed: self.settings.seed, judge: self.settings.judge, twice: self.settings.twice }
    }

    pub(super) fn stop(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.tell();
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

/// What is known.
pub(super) struct Desk {
    pub(super) items: Items,
    /// The names of the classes, in the order that [`Class`] counts.
    pub(super) classes: Vec<String>,
    pub(super) annotators: Vec<String>,
    pub(super) standing: HashMap<Place, Standing>,
    /// Items that are waiting for another voice: a second person's, or one that decides a tie.
    pub(super) unsettled: BTreeSet<Place>,
    pub(super) queue: Queue,
    /// Items of the data, without those that cannot be shown.
    pub(super) of_data: usize,
    /// Items that somebody gave a class.
    pub(super) labelled: usize,
    /// Those of them that are to judge by.
    pub(super) judged: usize,
    /// Labels that were given since this process began: what the trainer waits for.
    pub(super) given: usize,
    /// The last round of the journal.
    pub(super) last_round: u32,
    /// The last event that is in here.
    pub(super) last_event: EventId,
    /// Whether all that the journal held at the start is in here.
    pub(super) is_loaded: bool,
    pub(super) scan: Scan,
    pub(super) data: Option<Arc<Data>>,
    pub(super) rule: &'static Rule,
    pub(super) model_name: String,
    pub(super) model: Model,
    pub(super) answers: Option<Arc<Answers>>,
    pub(super) figures: Arc<Figures>,
    pub(super) examples: Arc<Examples>,
}

/// What is said of an item.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Standing {
    /// Annotator, an index into [`Desk::annotators`], and the class; `None`: skipped.
    pub(super) votes: Vec<(usize, Option<Class>)>,
    /// What most say. `None`: nobody gave a class, or there is a tie.
    pub(super) class: Option<Class>,
    /// Whether anybody gave a class.
    pub(super) is_labelled: bool,
    /// How many people, and not the data, gave one.
    pub(super) people: usize,
}

/// How far the reader is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scan {
    /// `listing`, `reading`, `done` or `failed`.
    pub(super) state: &'static str,
    /// Pictures that were found by name; rows, once they are read.
    pub(super) files: usize,
    pub(super) unreadable: usize,
    pub(super) message: String,
}

/// How the model is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Model {
    /// Trained, of this process.
    pub(super) is_ready: bool,
    pub(super) is_training: bool,
    /// Its round.
    pub(super) round: Option<u32>,
    /// Labels that it learned from.
    pub(super) labels: usize,
    pub(super) step: u64,
    pub(super) steps: u64,
    /// What went wrong, or what is waited for.
    pub(super) message: String,
}

/// The data, once they are read.
#[derive(Debug)]
pub(super) struct Data {
    /// The trainer alone writes, between trainings, and only labels and classes: readers never wait for a training, during which there is no
    /// writer.
    pub(super) dataset: RwLock<Dataset>,
    pub(super) encoding: Encoding,
    /// The item of each row.
    pub(super) places: Vec<Place>,
}

impl Data {
    pub(super) fn read(&self) -> std::sync::RwLockReadGuard<'_, Dataset> {
        self.dataset.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the model said in its round, of those items that it was asked about.
#[derive(Debug)]
pub(super) struct Answers {
    /// The model's name in the journal.
    pub(super) model: String,
    /// `[item, class]`.
    pub(super) probs: Array2<f32>,
    /// Rows of `probs`.
    pub(super) rows: HashMap<Place, usize>,
}

impl Answers {
    /// p(y | x) of an item; `None` where it was not asked about.
    pub(super) fn of(&self, place: Place) -> Option<Vec<f32>> {
        self.rows.get(&place).map(|&row| self.probs.row(row).to_vec())
    }
}

impl Desk {
    pub(super) fn new(rule: &'static Rule) -> Desk {
        Desk {
            items: Items::default(),
            classes: Vec::new(),
            annotators: Vec::new(),
            standing: HashMap::new(),
            unsettled: BTreeSet::new(),
            queue: Queue::default(),
            of_data: 0,
            labelled: 0,
            judged: 0,
            given: 0,
            last_round: 0,
            last_event: EventId(0),
            is_loaded: false,
            scan: Scan { state: "listing", files: 0, unreadable: 0, message: String::new() },
            data: None,
            rule,
            model_name: String::new(),
            model: Model::default(),
            answers: None,
            figures: Arc::new(Figures::default()),
            examples: Arc::new(Examples::default()),
        }
    }

    /// The number of this annotator in [`Desk::annotators`].
    pub(super) fn annotator(&mut self, name: &str) -> usize {
        self.annotators.iter().position(|known| known == name).unwrap_or_else(|| {
            self.annotators.push(name.to_owned());
            self.annotators.len() - 1
        })
    }

    /// One more item, or what else is known of one.
    pub(super) fn add(&mut self, known: Known) -> Place {
        let (place, is_new) = self.items.add(known);
        if is_new {
            let known = self.items.get(place);
            self.of_data += usize::from(known.is_of_data());
            self.queue.add(place, known);
        }
        place
    }

    /// An item turned out to be none that can be shown.
    pub(super) fn put_broken(&mut self, place: Place) {
        let known = self.items.get_mut(place);
        if !known.is_broken {
            known.is_broken = true;
            self.of_data -= usize::from(known.is_of_data());
            self.settle(place);
        }
    }

    /// What stands of an item from now on.
    pub(super) fn put(&mut self, item: ItemId, labels: &Labels) {
        let Some(place) = self.items.of_item(item) else { return };
        let verdict = labels.majority().into_iter().find(|verdict| verdict.item == item);
        let mut new = Standing {
            class: verdict.and_then(|verdict| verdict.class),
            is_labelled: verdict.is_some(),
            ..Standing::default()
        };
        for vote in labels.votes.iter().filter(|vote| vote.item == item) {
            let name = &labels.annotators[vote.annotator];
            new.people += usize::from(vote.class.is_some() && name != halfmoon_journal::DATA);
            let annotator = self.annotator(name);
            new.votes.push((annotator, vote.class));
        }
        let known = self.items.get(place);
        let before = self.standing.get(&place).is_some_and(|standing| standing.is_labelled);
        if known.is_of_data() {
            let change = |count: &mut usize| *count = *count + usize::from(new.is_labelled) - usize::from(before);
            change(&mut self.labelled);
            if known.lot.is_judging {
                change(&mut self.judged);
            }
        }
        if before && !new.is_labelled {
            self.queue.reopen();
        }
        if new.votes.is_empty() {
            self.standing.remove(&place);
        } else {
            self.standing.insert(place, new);
        }
        self.settle(place);
    }

    /// The row of an item among the data that were read.
    pub(super) fn put_row(&mut self, place: Place, row: u32) {
        self.items.get_mut(place).row = Some(row);
        self.settle(place);
    }

    /// Whether the item waits for another voice.
    fn settle(&mut self, place: Place) {
        let known = self.items.get(place);
        let waits = self.standing.get(&place).is_some_and(|standing| {
            let is_tie = standing.is_labelled && standing.class.is_none();
            is_tie || known.lot.wants_two && standing.people == 1
        });
        if waits && known.is_asked() {
            self.unsettled.insert(place);
        } else {
            self.unsettled.remove(&place);
        }
    }

    /// The items of the data that have a class, in no order.
    pub(super) fn verdicts(&self) -> impl Iterator<Item = (Place, &Known, Class)> {
        let known =
            self.standing.iter().filter_map(|(&place, standing)| Some((place, self.items.get(place), standing.class?)));
        known.filter(|(_, known, class)| known.is_of_data() && class.index() < self.classes.len())
    }

    /// How many classes there are to learn from.
    pub(super) fn classes_to_learn(&self) -> usize {
        let mut seen = vec![false; self.classes.len()];
        let is_learned = |known: &Known| !known.lot.is_judging && known.row.is_some();
        for (_, _, class) in self.verdicts().filter(|(_, known, _)| is_learned(known)) {
            seen[class.index()] = true;
        }
        seen.into_iter().filter(|seen| *seen).count()
    }

    /// How many items have each class.
    pub(super) fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for (_, _, class) in self.verdicts() {
            counts[class.index()] += 1;
        }
        counts
    }
}
