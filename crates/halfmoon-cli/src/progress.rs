//! What a person sees while a model trains: a bar on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use halfmoon::experiment::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Standard error, and Ctrl-C.
pub(crate) struct Terminal {
    bar: Option<ProgressBar>,
    what: String,
    steps: u64,
    started: (Instant, u64),
    said: Instant,
    terms: String,
    stopped: Arc<AtomicBool>,
}

/// Time between two lines where there is no terminal.
pub(crate) const SAY_EVERY: Duration = Duration::from_secs(5);

/// Becomes true with Ctrl-C. A second one does not wait for what the first one asks for. Where there is already a
/// handler, there is nobody to interrupt us either.
pub(crate) fn interrupt() -> Arc<AtomicBool> {
    let stopped = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stopped);
    let _ = ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    stopped
}

impl Terminal {
    pub(crate) fn new() -> Terminal {
        let stopped = interrupt();
        let now = Instant::now();
        Terminal {
            bar: None,
            what: String::new(),
            steps: 0,
            started: (now, 0),
            said: now,
            terms: String::new(),
            stopped,
        }
    }

    fn line(&self, step: u64) -> String {
        let elapsed = self.started.0.elapsed().as_secs_f64();
        let done = (step - self.started.1).max(1) as f64;
        let left = Duration::from_secs_f64(elapsed / done * (self.steps.saturating_sub(step)) as f64);
        format!("{}: step {step} of {}, {} left  {}", self.what, self.steps, crate::duration::show(left), self.terms)
    }
}

impl Progress for Terminal {
    fn note(&mut self, sentence: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{sentence}")),
            None => eprintln!("{sentence}"),
        }
    }

    fn begin(&mut self, what: &str, done: u64, steps: u64) {
        what.clone_into(&mut self.what);
        self.terms.clear();
        self.steps = steps;
        self.started = (Instant::now(), done);
        self.said = Instant::now();
        if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{prefix} {wide_bar:.cyan} {pos}/{len} {eta} left  {msg}")
                .expect("a template that was tried");
            let bar = ProgressBar::new(steps).with_style(style).with_prefix(self.what.clone()).with_position(done);
            bar.reset_eta();
            self.bar = Some(bar);
        }
    }

    fn step(&mut self, step: u64, terms: &[(&'static str, f64)]) {
        if !terms.is_empty() {
            self.terms = terms.iter().map(|(name, value)| format!("{name} {value:.3}")).collect::<Vec<_>>().join("  ");
        }
        if let Some(bar) = &self.bar {
            bar.set_position(step);
            bar.set_message(self.terms.clone());
        } else if self.said.elapsed() >= SAY_EVERY {
            self.said = Instant::now();
            eprintln!("{}", self.line(step));
        }
    }

    fn end(&mut self, finished: bool) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let took = crate::duration::show(self.started.0.elapsed());
        let how = if finished { "trained" } else { "saved" };
        eprintln!("{}: {how} after {took}  {}", self.what, self.terms);
    }

    fn stop(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
