//! The thread that owns a model, and gives it the rows of several requests at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use halfmoon_pool::answer::{Answer, Extras, answers};
use halfmoon_pool::scores::Predictor;
use halfmoon_pool::trust::Trust;
use halfmoon_pool::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::metrics::Metrics;

/// Rows of one request. No reply comes where the model fails.
pub(super) struct Job {
    /// At least one: `[n, d]`.
    pub(super) rows: Array2<f32>,
    pub(super) reply: oneshot::Sender<Vec<Answer>>,
}

pub(super) struct Batches {
    pub(super) predictor: Box<dyn Predictor>,
    pub(super) trust: Option<Trust>,
    pub(super) extras: Extras,
    /// Rows, at most.
    pub(super) batch: usize,
    /// For requests that are being read.
    pub(super) wait: Duration,
    pub(super) arriving: Arc<AtomicUsize>,
    pub(super) metrics: Metrics,
}

impl Batches {
    /// Ends when nobody can send any more.
    pub(super) fn start(self, jobs: Receiver<Job>) -> Result<()> {
        let failed = |source: std::io::Error| Error::usage(format!("cannot start the model's thread: {source}"), "");
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let run = move || clock.block_on(self.run(jobs));
        std::thread::Builder::new().name("model".to_owned()).spawn(run).map_err(failed)?;
        Ok(())
    }

    async fn run(self, mut jobs: Receiver<Job>) {
        // The job that had no place in the last batch.
        let mut first = None;
        loop {
            let job = match first.take() {
                Some(job) => job,
                None => match jobs.recv().await {
                    Some(job) => job,
                    None => return,
                },
            };
            let mut taken = vec![job];
            let mut rows = taken[0].rows.nrows();
            let until = Instant::now() + self.wait;
            while rows < self.batch {
                let Some(job) = self.next(&mut jobs, until).await else { break };
                rows += job.rows.nrows();
                if rows > self.batch {
                    first = Some(job);
                    break;
                }
                taken.push(job);
            }
            self.answer(taken);
        }
    }

    /// Another job for the batch: one that is there, or comes soon where one is on its way.
    async fn next(&self, jobs: &mut Receiver<Job>, until: Instant) -> Option<Job> {
        match jobs.try_recv() {
            Ok(job) => Some(job),
            Err(TryRecvError::Empty) if self.arriving.load(Ordering::Relaxed) > 0 => {
                timeout_at(until, jobs.recv()).await.ok().flatten()
            }
            Err(_) => None,
        }
    }

    fn answer(&self, mut jobs: Vec<Job>) {
        // Nobody waits for these any more.
        jobs.retain(|job| !job.reply.is_closed());
        if jobs.is_empty() {
            return;
        }
        let views: Vec<ArrayView2<f32>> = jobs.iter().map(|job| job.rows.view()).collect();
        let rows = concatenate(Axis(0), &views).expect("all are as wide as the encoding");
        self.metrics.batch(rows.nrows());
        let Some(mut answers) = self.answers(&rows).map(Vec::into_iter) else { return };
        for job in jobs {
            // Who has gone away needs none.
            let _ = job.reply.send(answers.by_ref().take(job.rows.nrows()).collect());
        }
    }

    /// `None` where the model panics, or does not answer every row: its thread goes on.
    fn answers(&self, rows: &Array2<f32>) -> Option<Vec<Answer>> {
        let answer = || answers(&self.predictor.scores(rows.view()), self.trust.as_ref(), &self.extras);
        catch_unwind(AssertUnwindSafe(answer)).ok().filter(|answers| answers.len() == rows.nrows())
    }
}
