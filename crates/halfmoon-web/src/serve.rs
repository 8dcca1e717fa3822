//! `halfmoon serve`: a trained model that answers over HTTP.
//!
//! ```text
//! request ─read─► rows ─encode─► queue ─► batch of several requests' rows ─► model ─► answers ─► each request's own
//! ```
//!
//! A thread owns the model, since it is `Send` and not `Sync`. A newer run is opened beside it, on a thread of its own with
//! a queue of its own, and takes over the next request: what was asked of the older one is answered by that.
//!
//! Routes: `/docs` lists them, from `/openapi.json`.

mod batch;
mod docs;
mod feedback;
mod health;
mod infer;
mod live;
mod metrics;
mod predict;
mod reading;
mod reload;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use halfmoon_pool::encode::Encoding;
use halfmoon_pool::read;
use halfmoon_pool::scores::Predictor;
use halfmoon_pool::trust::Trust;
use halfmoon_pool::{Result, Schema};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::live::Live;
use self::metrics::Metrics;
use crate::guard::Refusals;
use crate::problem::{no_such_method, no_such_path};

/// A run that was opened to be asked.
pub struct Served {
    /// The model's name, as it stands in URLs.
    pub name: String,
    /// Which run it is: a fingerprint, or a time.
    pub version: String,
    /// What else there is to say of it, for `GET /model`.
    pub about: serde_json::Value,
    /// What an input consists of, and the classes.
    pub schema: Schema,
    /// How inputs become what the model takes.
    pub encoding: Encoding,
    /// How the run's data were read; for text tables.
    pub options: read::Options,
    /// The model.
    pub predictor: Box<dyn Predictor>,
    /// What its held-out items say.
    pub trust: Option<Trust>,
    /// Items that it learned from, and how many of them had a label.
    pub learned: (usize, usize),
}

/// Where runs come from.
pub trait Source: Send + 'static {
    /// Opens the run.
    fn open(&mut self) -> Result<Served>;

    /// Whether what lies there is newer than this version, and whole.
    fn newer(&mut self, than: &str) -> bool;
}

/// How answers are made.
pub struct Settings {
    /// Rows that the model is given together, at most.
    pub batch: usize,
    /// How long a batch waits for requests that are being read.
    pub wait: Duration,
    /// Requests that wait for the model; those beyond get 503.
    pub queue: usize,
    /// How often sets of classes are to hold the true one.
    pub coverage: f64,
    /// Inputs whose outlier p-value is this or less are flagged.
    pub flag: f64,
    /// How often to look for a newer run. `None`: never.
    pub reload_every: Option<Duration>,
    /// What the guard before the router counts, so that `/metrics` shows it.
    pub refusals: Refusals,
    /// Takes lines for whoever started the server: that a newer run answers, that one could not be opened.
    pub tell: Box<dyn Fn(&str) + Send>,
}

/// Batches of 256 rows, 2 ms, 256 requests, sets of 0.95, flags at 0.01, no newer runs, nothing told.
impl Default for Settings {
    fn default() -> Settings {
        Settings {
            batch: 256,
            wait: Duration::from_millis(2),
            queue: 256,
            coverage: 0.95,
            flag: 0.01,
            reload_every: None,
            refusals: Refusals::default(),
            tell: Box::new(|_| {}),
        }
    }
}

/// The routes, and what ends the threads behind them. An error when the run cannot be opened.
pub fn router(mut source: impl Source, settings: Settings) -> Result<(Router, Stopper)> {
    let served = source.open()?;
    let metrics = Metrics::new(&settings.refusals);
    let (every, tell) = (settings.reload_every, settings.tell);
    let making = live::Making {
        batch: settings.batch.max(1),
        wait: settings.wait,
        queue: settings.queue.max(1),
        coverage: settings.coverage,
        flag: settings.flag,
        metrics: metrics.clone(),
    };
    let live = RwLock::new(Arc::new(Live::start(served, &making)?));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let service = Arc::new(Service {
        live,
        metrics,
        readers: Arc::new(Semaphore::new(cores)),
        is_stopping: AtomicBool::new(false),
    });
    let (stop, stopped) = mpsc::channel();
    if let Some(every) = every {
        reload::start(&service, source, making, every, tell, stopped)?;
    }
    Ok((routes(Arc::clone(&service)), Stopper { service, stop }))
}

/// Ends what a router has begun; so does dropping it.
pub struct Stopper {
    service: Arc<Service>,
    /// Dropped, it ends the thread that looks for newer runs.
    stop: mpsc::Sender<()>,
}

impl Stopper {
    /// Looks for no newer run any more, and says under `/health/ready` that others should be asked. Requests are answered
    /// as before: to be called when the server is told to stop.
    pub fn stop(self) {
        self.service.is_stopping.store(true, Ordering::Relaxed);
        drop(self.stop);
    }
}

/// What all routes share.
struct Service {
    live: RwLock<Arc<Live>>,
    metrics: Metrics,
    /// Bodies that are read at once: as many as there are cores, since each may take many times its size in memory.
    readers: Arc<Semaphore>,
    is_stopping: AtomicBool,
}

type Shared = State<Arc<Service>>;

impl Service {
    /// The run that answers at this moment.
    fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, live: Live) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
    }
}

fn routes(service: Arc<Service>) -> Router {
    Router::new()
        .route("/", get(docs::page))
        .route("/docs", get(docs::page))
        .route("/openapi.json", get(docs::openapi))
        .route("/metrics", get(metrics::show))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/model", get(health::model))
        .route("/predict", post(predict::predict))
        .route("/feedback", post(feedback::feedback))
        .route("/v2", get(infer::server))
        .route("/v2/health/live", get(infer::live))
        .route("/v2/health/ready", get(infer::ready))
        .route("/v2/models/{model}", get(infer::model))
        .route("/v2/models/{model}/ready", get(infer::model_ready))
        .route("/v2/models/{model}/infer", post(infer::infer))
        .route("/v2/models/{model}/versions/{version}", get(infer::model))
        .route("/v2/models/{model}/versions/{version}/ready", get(infer::model_ready))
        .route("/v2/models/{model}/versions/{version}/infer", post(infer::infer))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(Arc::clone(&service), measured))
        .with_state(service)
}

async fn measured(State(service): Shared, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("other", |path| path.as_str()).to_owned();
    let response = next.run(request).await;
    service.metrics.request(route, response.status(), start.elapsed());
    response
}
