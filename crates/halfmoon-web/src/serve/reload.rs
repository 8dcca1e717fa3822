//! Looks for a newer run, opens it beside the one that answers, and puts it in its place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::Duration;

use halfmoon_pool::{Error, Result};

use super::live::{Live, Making};
use super::{Service, Source};

pub(super) fn start(
    service: &Arc<Service>,
    source: impl Source,
    making: Making,
    every: Duration,
    tell: Box<dyn Fn(&str) + Send>,
    stopped: Receiver<()>,
) -> Result<()> {
    let reload = Reload { service: Arc::downgrade(service), source, making, tell, told: String::new() };
    let failed = |source: std::io::Error| Error::usage(format!("cannot look for newer runs: {source}"), "");
    std::thread::Builder::new().name("reload".to_owned()).spawn(move || reload.run(every, &stopped)).map_err(failed)?;
    Ok(())
}

struct Reload<S> {
    service: Weak<Service>,
    source: S,
    making: Making,
    tell: Box<dyn Fn(&str) + Send>,
    /// The last failure, which is told once.
    told: String,
}

impl<S: Source> Reload<S> {
    fn run(mut self, every: Duration, stopped: &Receiver<()>) {
        while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            let Some(version) = self.service.upgrade().map(|service| service.live().version.clone()) else { return };
            let source = &mut self.source;
            if !caught(|| source.newer(&version)).unwrap_or(false) {
                continue;
            }
            let opened = caught(|| source.open());
            let live = opened.and_then(|opened| opened).and_then(|served| Live::start(served, &self.making));
            let Some(service) = self.service.upgrade() else { return };
            match live {
                Ok(live) => {
                    (self.tell)(&format!("{} {} answers, in place of {version}", live.name, live.version));
                    service.replace(live);
                    service.metrics.reload(true);
                    self.told.clear();
                }
                Err(error) => {
                    service.metrics.reload(false);
                    let line = format!("a newer run could not be opened, {version} goes on: {error}");
                    if line != self.told {
                        (self.tell)(&line);
                        self.told = line;
                    }
                }
            }
        }
    }
}

/// A damaged run must not end the thread.
fn caught<T>(open: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(open)).map_err(|_| Error::usage("it made the program panic", ""))
}
