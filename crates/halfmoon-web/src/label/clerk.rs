//! The one who writes: a thread that owns the journal, and tells the desk of all that it holds.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::http::StatusCode;
use halfmoon_journal::{Action, EventId, Item, ItemId, Journal};
use halfmoon_pool::error::panic_text;
use halfmoon_pool::{Error, Result};
use tokio::sync::oneshot;

use super::desk::Shared;
use super::items::{File, Known};
use crate::problem::Problem;

/// How often the clerk looks for what other processes wrote, while nobody here writes.
const LOOK: Duration = Duration::from_millis(500);

/// Items that are put on the desk at once.
const HANDFUL: usize = 2_000;

/// Does something with the journal, and gives what is to be done once the desk knows of it.
type Task = Box<dyn FnOnce(&mut Journal) -> Box<dyn FnOnce() + Send> + Send>;

/// Hands tasks to the one who writes.
#[derive(Debug, Clone)]
pub(super) struct Clerk(Sender<Order>);

/// Why nothing was written.
#[derive(Debug)]
pub(super) enum Refused {
    /// The server is about to end.
    Closed,
    Because(Error),
}

/// What the disk is to blame for, or the end of the server, is worth another try: whoever clicked keeps the click.
impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        let again = |problem: Problem| Problem { status: StatusCode::SERVICE_UNAVAILABLE, ..problem.retry_after(2) };
        match refused {
            Refused::Closed => again(Problem::from(closed())),
            Refused::Because(error @ (Error::Data { .. } | Error::Io { .. })) => again(Problem::from(error)),
            Refused::Because(error) => Problem::from(error),
        }
    }
}

enum Order {
    Do(Task),
    Stop,
}

impl Clerk {
    /// Reads what the journal holds, and then writes.
    pub(super) fn start(journal: Journal, shared: &Arc<Shared>) -> (Clerk, JoinHandle<()>) {
        let (tasks, orders) = channel::<Order>();
        let shared = shared.clone();
        let work = move || {
            let mut journal = journal;
            let mut seen = Seen { item: ItemId(0), event: EventId(0) };
            seen.tell(&journal, &shared);
            loop {
                let order = orders.recv_timeout(LOOK);
                let then = match order {
                    Ok(Order::Do(task)) => Some(task(&mut journal)),
                    Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => None,
                };
                seen.tell(&journal, &shared);
                if let Some(then) = then {
                    then();
                }
            }
            // All that was acknowledged is on the disk already: closing only tidies up.
            let _ = journal.close();
        };
        (Clerk(tasks), std::thread::spawn(work))
    }

    /// What the work returns, once the desk knows what it wrote. For requests, which wait without a thread.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Journal) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, Refused> {
        let (tell, told) = oneshot::channel();
        let task = task(work, move |done| drop(tell.send(done)));
        self.0.send(Order::Do(task)).map_err(|_| Refused::Closed)?;
        let done = told.await.map_err(|_| Refused::Closed)?;
        done.unwrap_or_else(|panic| resume_unwind(panic)).map_err(Refused::Because)
    }

    /// The same for threads that work by themselves.
    pub(super) fn wait_for<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Journal) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (tell, told) = channel();
        let task = task(work, move |done| drop(tell.send(done)));
        self.0.send(Order::Do(task)).map_err(|_| closed())?;
        told.recv().map_err(|_| closed())?.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// The journal is closed once all that was ordered before is done.
    pub(super) fn stop(&self) {
        let _ = self.0.send(Order::Stop);
    }
}

/// A panic is that of whoever ordered the work: the clerk goes on, and what was half written is taken back by the journal.
fn task<T: Send + 'static>(
    work: impl FnOnce(&mut Journal) -> Result<T> + Send + 'static,
    tell: impl FnOnce(std::thread::Result<Result<T>>) + Send + 'static,
) -> Task {
    Box::new(move |journal| {
        let done = catch_unwind(AssertUnwindSafe(|| work(journal)));
        Box::new(move || tell(done))
    })
}

fn closed() -> Error {
    Error::usage("the project is being closed", "start `halfmoon label` again")
}

/// An error as people may read it, without a place on this machine.
pub(super) fn words(error: &Error) -> String {
    let problem = match error {
        Error::Io { source, .. } => format!("a file cannot be read or written: {source}"),
        Error::Data { place, problem, .. } => match place.row {
            Some(row) => format!("row {row}: {problem}"),
            None => problem.clone(),
        },
        Error::Usage { problem, .. } => problem.clone(),
    };
    match error.hint() {
        Some(hint) => format!("{problem} ({hint})"),
        None => problem,
    }
}

/// A panic of a thread's work, as people may read it.
pub(super) fn words_of_panic(panic: &(dyn Any + Send)) -> String {
    format!("this is a bug in halfmoon: {}", panic_text(panic))
}

/// How far the desk knows the journal.
struct Seen {
    item: ItemId,
    event: EventId,
}

impl Seen {
    /// Tells the desk what it does not know yet. What cannot be read is tried again the next time.
    fn tell(&mut self, journal: &Journal, shared: &Shared) {
        let is_loaded = shared.desk().is_loaded;
        let told = if is_loaded { self.look(journal, shared) } else { self.begin(journal, shared) };
        if let Err(error) = told {
            shared.change(|desk| desk.model.message = words(&error));
        }
    }

    /// All that is there.
    fn begin(&mut self, journal: &Journal, shared: &Shared) -> Result<()> {
        let _now = journal.snapshot()?;
        let last = journal.last_event()?;
        let classes = journal.classes()?;
        shared.desk().classes = classes;
        self.look_for_items(journal, shared)?;
        let labels = journal.labels()?;
        for votes in labels.by_item() {
            let item = halfmoon_journal::Labels { annotators: labels.annotators.clone(), votes: votes.to_vec() };
            shared.desk().put(votes[0].item, &item);
        }
        let rounds = journal.rounds()?.last().map_or(0, |round| round.round);
        let curve = super::figures::curve(&journal.models()?);
        shared.change(|desk| {
            desk.last_event = last;
            desk.last_round = rounds;
            desk.figures = Arc::new(super::figures::Figures { curve, ..super::figures::Figures::default() });
            desk.model.message.clear();
            desk.is_loaded = true;
        });
        self.event = last;
        Ok(())
    }

    /// What came since.
    fn look(&mut self, journal: &Journal, shared: &Shared) -> Result<()> {
        // Of one moment: else a label could come before its item.
        let _now = journal.snapshot()?;
        self.look_for_items(journal, shared)?;
        let (mut touched, mut has_classes, mut given) = (BTreeSet::new(), false, 0);
        let mut undone = Vec::new();
        let mut last = self.event;
        journal.each_event(self.event, &mut |id, event| {
            last = id;
            match event.action {
                Action::Undo(event) => undone.push(event),
                Action::NewClass(_) => has_classes = true,
                Action::Label(..) | Action::Skip(_) | Action::Fields(_) => touched.extend(event.action.item()),
            }
            given += usize::from(matches!(event.action, Action::Label(..)));
            Ok(())
        })?;
        if last == self.event {
            return Ok(());
        }
        for event in &undone {
            touched.extend(journal.event(*event)?.and_then(|event| event.action.item()));
        }
        let classes = has_classes.then(|| journal.classes()).transpose()?;
        let mut labels = Vec::new();
        for item in touched {
            labels.push((item, journal.labels_of(item)?));
        }
        shared.change(|desk| {
            if let Some(classes) = classes {
                desk.classes = classes;
            }
            for (item, labels) in &labels {
                desk.put(*item, labels);
            }
            desk.given += given + undone.len();
            desk.last_event = last;
        });
        // Only now: what could not be read is looked at again.
        self.event = last;
        Ok(())
    }

    fn look_for_items(&mut self, journal: &Journal, shared: &Shared) -> Result<()> {
        let items = journal.items_after(self.item)?;
        for items in items.chunks(HANDFUL) {
            let mut desk = shared.desk();
            for (number, item) in items {
                desk.add(known(shared, *number, item));
                self.item = *number;
            }
        }
        if !items.is_empty() {
            shared.tell();
        }
        Ok(())
    }
}

fn known(shared: &Shared, number: ItemId, item: &Item) -> Known {
    let file = match &item.path {
        None => File::None,
        Some(path) if *path == item.id => File::OfId,
        Some(path) => File::At(std::path::Path::new(path).into()),
    };
    Known {
        id: item.id.as_str().into(),
        item: Some(number),
        split: item.split,
        file,
        row: None,
        is_labelled_by_place: false,
        is_broken: false,
        lot: shared.urn().draw(&item.id),
    }
}
