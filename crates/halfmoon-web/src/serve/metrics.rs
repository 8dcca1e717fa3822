//! What can be watched, for Prometheus.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::Shared;
use super::docs::Wrong;
use super::feedback::Window;
use crate::guard::Refusals;
use crate::problem::Problem;

/// All of them; clones count together.
#[derive(Clone)]
pub(super) struct Metrics {
    registry: Arc<Registry>,
    requests: Family<OfRequest, Counter>,
    seconds: Family<OfRoute, Histogram, fn() -> Histogram>,
    rows: Family<OfRow, Counter>,
    labels: Family<OfClass, Counter>,
    outliers: Counter,
    batches: Histogram,
    reloads: Family<OfReload, Counter>,
    models: Family<OfModel, Gauge>,
    feedback: Counter,
    /// Of the last rows whose true classes came. Without any there is none.
    window: Family<OfWindow, Gauge<f64, AtomicU64>>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfRequest {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfRoute {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfRow {
    status: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfClass {
    class: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfReload {
    result: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfModel {
    name: String,
    version: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfWindow {
    figure: String,
}

impl Metrics {
    pub(super) fn new(refusals: &Refusals) -> Metrics {
        let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_5, 2.0, 15));
        let mut metrics = Metrics {
            registry: Arc::default(),
            requests: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            rows: Family::default(),
            labels: Family::default(),
            outliers: Counter::default(),
            batches: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            reloads: Family::default(),
            models: Family::default(),
            feedback: Counter::default(),
            window: Family::default(),
        };
        let mut registry = Registry::with_prefix("halfmoon");
        registry.register("requests", "Requests, by route and status", metrics.requests.clone());
        registry.register("request_seconds", "Time from request to answer, by route", metrics.seconds.clone());
        registry.register("refusals", "Requests that the guard answered itself, by status", refusals.0.clone());
        registry.register("rows", "Rows of requests, by what became of them", metrics.rows.clone());
        registry.register("predictions", "Rows answered, by the class", metrics.labels.clone());
        registry.register("outliers", "Rows flagged as outliers", metrics.outliers.clone());
        registry.register("batch_rows", "Rows that the model was given together", metrics.batches.clone());
        registry.register("reloads", "Newer runs, by whether they could be opened", metrics.reloads.clone());
        registry.register("model", "1 for the run that answers", metrics.models.clone());
        registry.register("feedback_labels", "True classes that came", metrics.feedback.clone());
        let about =
            "Of the last true classes: accuracy, confidence, gap (confidence - accuracy), ece, and their number n";
        registry.register("feedback", about, metrics.window.clone());
        metrics.registry = Arc::new(registry);
        metrics
    }

    pub(super) fn request(&self, route: String, status: StatusCode, time: Duration) {
        self.requests.get_or_create(&OfRequest { route: route.clone(), status: status.as_u16() }).inc();
        self.seconds.get_or_create(&OfRoute { route }).observe(time.as_secs_f64());
    }

    pub(super) fn row(&self, status: &str) {
        self.rows.get_or_create(&OfRow { status: status.to_owned() }).inc();
    }

    pub(super) fn answer(&self, class: &str, is_outlier: bool) {
        self.labels.get_or_create(&OfClass { class: class.to_owned() }).inc();
        if is_outlier {
            self.outliers.inc();
        }
    }

    pub(super) fn batch(&self, rows: usize) {
        self.batches.observe(rows as f64);
    }

    pub(super) fn reload(&self, is_open: bool) {
        self.reloads.get_or_create(&OfReload { result: if is_open { "opened" } else { "failed" }.to_owned() }).inc();
    }

    /// Another run answers: what was said of the one before does not hold for it.
    pub(super) fn model(&self, name: &str, version: &str) {
        self.models.clear();
        self.models.get_or_create(&OfModel { name: name.to_owned(), version: version.to_owned() }).set(1);
        self.window.clear();
    }

    pub(super) fn feedback(&self, labels: usize, window: &Window) {
        self.feedback.inc_by(labels as u64);
        let figures = [
            ("accuracy", window.accuracy),
            ("confidence", window.confidence),
            ("gap", window.gap),
            ("ece", window.ece),
            ("n", Some(window.n as f64)),
        ];
        for (figure, value) in figures {
            if let Some(value) = value {
                self.window.get_or_create(&OfWindow { figure: figure.to_owned() }).set(value);
            }
        }
    }
}

/// What can be watched, in the text format of OpenMetrics.
#[utoipa::path(get, path = "/metrics", tag = "watching", responses(
    (status = 200, body = String, content_type = "application/openmetrics-text", description = "requests, latencies, rows, classes, outliers, batches, feedback, the model"),
    Wrong,
))]
pub(super) async fn show(State(service): Shared) -> Result<Response, Problem> {
    let mut text = String::new();
    encode(&mut text, &service.metrics.registry)
        .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written"))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
