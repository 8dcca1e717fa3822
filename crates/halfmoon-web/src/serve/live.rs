//! A run that answers: what is known of it, and the queue to the thread that owns its model.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use halfmoon_pool::answer::{Answer, Extras};
use halfmoon_pool::encode::Encoding;
use halfmoon_pool::scores::Predictor;
use halfmoon_pool::{Class, Error, Result, Schema, read};
use ndarray::{Array2, Axis};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::Served;
use super::batch::{Batches, Job};
use super::feedback::Feedback;
use super::health::Trusted;
use super::metrics::Metrics;
use crate::problem::Problem;

/// How runs are made to answer.
pub(super) struct Making {
    pub(super) batch: usize,
    pub(super) wait: Duration,
    pub(super) queue: usize,
    pub(super) coverage: f64,
    pub(super) flag: f64,
    pub(super) metrics: Metrics,
}

pub(super) struct Live {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) about: Value,
    pub(super) schema: Schema,
    pub(super) encoding: Encoding,
    pub(super) options: read::Options,
    /// Items, and those with a label.
    pub(super) learned: (usize, usize),
    pub(super) trust: Option<Trusted>,
    /// Whether the model tells log p(x).
    pub(super) has_density: bool,
    pub(super) feedback: Mutex<Feedback>,
    jobs: mpsc::Sender<Job>,
    batch: usize,
    /// Requests that are being read.
    arriving: Arc<AtomicUsize>,
    ids: (RandomState, AtomicU64),
    metrics: Metrics,
}

impl Live {
    /// Starts the thread. It ends when this is dropped and all that was asked is answered.
    pub(super) fn start(served: Served, making: &Making) -> Result<Live> {
        let Served { name, version, about, schema, encoding, options, predictor, trust, learned } = served;
        if name.is_empty() || name.contains('/') {
            return Err(Error::usage(format!("`{name}` is no name for a model"), "it stands in URLs: use no `/`"));
        }
        let extras = Extras::of(trust.as_ref(), making.coverage, making.flag);
        let trusted = trust.as_ref().map(|trust| Trusted::new(trust, &extras));
        let has_density = tried(&*predictor, &schema, &encoding)?;
        let (jobs, queue) = mpsc::channel(making.queue);
        let arriving = Arc::new(AtomicUsize::new(0));
        let batches = Batches {
            predictor,
            trust,
            extras,
            batch: making.batch,
            wait: making.wait,
            arriving: Arc::clone(&arriving),
            metrics: making.metrics.clone(),
        };
        batches.start(queue)?;
        making.metrics.model(&name, &version);
        Ok(Live {
            name,
            version,
            about,
            feedback: Mutex::new(Feedback::new(schema.classes.len())),
            schema,
            encoding,
            options,
            learned,
            trust: trusted,
            has_density,
            jobs,
            batch: making.batch,
            arriving,
            ids: (RandomState::new(), AtomicU64::new(0)),
            metrics: making.metrics.clone(),
        })
    }

    /// A class's name.
    pub(super) fn class(&self, class: Class) -> &str {
        self.schema.classes.get(class.index()).map_or("", String::as_str)
    }

    pub(super) fn finds_outliers(&self) -> bool {
        self.trust.as_ref().is_some_and(|trust| trust.outlier_score.is_some())
    }

    /// To be held while a request is read: the model waits a little for its rows.
    pub(super) fn arriving(&self) -> Arriving {
        self.arriving.fetch_add(1, Ordering::Relaxed);
        Arriving(Arc::clone(&self.arriving))
    }

    /// Encoded rows to answers, one each. 503 where too many wait already.
    pub(super) async fn ask(
        &self,
        rows: Vec<Array2<f32>>,
        arriving: Arriving,
    ) -> std::result::Result<Vec<Answer>, Problem> {
        let mut answers = Vec::new();
        let mut arriving = Some(arriving);
        // In pieces, so that others come in between.
        for piece in rows.iter().flat_map(|rows| rows.axis_chunks_iter(Axis(0), self.batch)) {
            let (reply, answered) = oneshot::channel();
            let job = Job { rows: piece.to_owned(), reply };
            if arriving.is_some() {
                self.jobs.try_send(job).map_err(|_| busy())?;
            } else {
                self.jobs.send(job).await.map_err(|_| failed())?;
            }
            drop(arriving.take());
            answers.extend(answered.await.map_err(|_| failed())?);
        }
        for answer in &answers {
            self.metrics.answer(self.class(answer.label), answer.outlier.is_some_and(|outlier| outlier.flag));
        }
        Ok(answers)
    }

    /// A name for what is answered together that nobody guesses.
    pub(super) fn id(&self) -> String {
        let number = self.ids.1.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}{:016x}", self.ids.0.hash_one((number, 0)), self.ids.0.hash_one((number, 1)))
    }
}

/// A request that is being read.
pub(super) struct Arriving(Arc<AtomicUsize>);

impl Drop for Arriving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Asks the model once, before anybody does; whether it tells log p(x).
fn tried(predictor: &dyn Predictor, schema: &Schema, encoding: &Encoding) -> Result<bool> {
    let input = Array2::zeros((1, encoding.layout().width()));
    let scores = catch_unwind(AssertUnwindSafe(|| predictor.scores(input.view())));
    match scores {
        Ok(scores) if scores.log_probs.len_of(Axis(2)) == schema.classes.len() => Ok(scores.log_density.is_some()),
        _ => Err(Error::usage("the model does not answer as its run says it would", "train it again")),
    }
}

fn busy() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests wait for the model").retry_after(1)
}

fn failed() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the model failed")
}
