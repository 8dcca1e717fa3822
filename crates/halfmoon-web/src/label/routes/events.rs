//! Changes, as they happen.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until};

use super::App;
use crate::label::desk::Shared;
use crate::label::view;

/// Least time between two tellings of the project.
const PAUSE: Duration = Duration::from_millis(250);

/// A line of nothing, so that all between know that there is somebody.
const ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn events(State(app): State<App>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let shared = app.shared;
    let listener = Listener {
        changes: shared.changes.subscribe(),
        figures: shared.figures.subscribe(),
        queue: shared.queue.subscribe(),
        // All is told once at the beginning.
        due: Some(Instant::now()),
        told: Instant::now(),
        shared,
    };
    let stream = unfold(listener, |mut listener| async { Some((Ok(listener.next().await?), listener)) });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE).text("keep-alive"))
}

struct Listener {
    shared: Arc<Shared>,
    changes: Receiver<u64>,
    figures: Receiver<u64>,
    queue: Receiver<u32>,
    /// When the project is to be told.
    due: Option<Instant>,
    told: Instant,
}

impl Listener {
    /// `None`: all is over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.shared.is_over() {
                return None;
            }
            let due = self.due;
            let pause = async move {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // In this order, so that what is due is told first.
                biased;
                () = pause => {
                    (self.due, self.told) = (None, Instant::now());
                    let project = view::project(&self.shared, &self.shared.desk());
                    return Some(Event::default().event("project").data(project.to_string()));
                }
                changed = self.queue.changed() => {
                    changed.ok()?;
                    let round = *self.queue.borrow_and_update();
                    return Some(Event::default().event("queue").data(round.to_string()));
                }
                changed = self.figures.changed() => {
                    changed.ok()?;
                    return Some(Event::default().event("panels").data("{}"));
                }
                changed = self.changes.changed(), if self.due.is_none() => {
                    changed.ok()?;
                    self.due = Some(self.told + PAUSE);
                }
            }
        }
    }
}
