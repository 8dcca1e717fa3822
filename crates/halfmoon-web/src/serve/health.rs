//! Whether it lives, whether it should be asked, and what it is that answers.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use halfmoon_pool::answer::Extras;
use halfmoon_pool::dataset::{Column, ColumnKind, Features};
use halfmoon_pool::trust::Trust;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::docs::Wrong;
use super::{Service, Shared};
use crate::problem::{Json, Problem};

/// How it is.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    #[schema(pattern = "^ok$")]
    status: &'static str,
}

/// 200 while the server lives.
#[utoipa::path(get, path = "/health/live", tag = "watching", responses(
    (status = 200, body = Health, description = "it lives"), Wrong,
))]
pub(super) async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// 200 while it is ready to answer; 503 once it was told to stop.
#[utoipa::path(get, path = "/health/ready", tag = "watching", responses(
    (status = 200, body = Health, description = "it is ready"), Wrong,
))]
pub(super) async fn ready(State(service): Shared) -> Result<Json<Health>, Problem> {
    service.ready().map(|()| Json(Health { status: "ok" }))
}

impl Service {
    pub(super) fn ready(&self) -> Result<(), Problem> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server was told to stop").retry_after(5));
        }
        Ok(())
    }
}

/// The model that answers.
#[derive(Serialize, ToSchema)]
pub(super) struct Described {
    name: String,
    version: String,
    classes: Vec<String>,
    /// What a row consists of: columns, or else a picture.
    columns: Option<Vec<OfColumn>>,
    picture: Option<Picture>,
    /// What it learned from.
    learned: Learned,
    /// What its held-out items say. Null where there are none.
    trust: Option<Trusted>,
    /// What else the run says of itself.
    about: Value,
}

#[derive(Serialize, ToSchema)]
struct OfColumn {
    name: String,
    /// `numeric`, `yes_no` or `category`.
    kind: &'static str,
    /// Of a category; of `yes_no` the text for no, then the one for yes.
    values: Option<Vec<String>>,
}

#[derive(Serialize, ToSchema)]
struct Picture {
    height: usize,
    width: usize,
    /// 1 grey, 3 red-green-blue.
    channels: usize,
    /// What a pixel of full brightness is.
    white: f32,
}

#[derive(Serialize, ToSchema)]
struct Learned {
    items: usize,
    labels: usize,
}

/// What is said of the held-out items.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct Trusted {
    /// Which items they are.
    origin: String,
    /// How many.
    items: usize,
    /// What the log-probabilities are divided by.
    temperature: Option<f64>,
    /// How often `set` holds the true class. Null where the items are too few: then sets hold all classes.
    coverage: Option<f64>,
    /// What outliers are found by.
    pub(super) outlier_score: Option<&'static str>,
    /// Rows with an `outlier_p` of this or less are flagged.
    flagged_at: Option<f64>,
}

/// Says what the model is: its classes, what a row consists of, what it learned from, how far it can be trusted.
#[utoipa::path(get, path = "/model", tag = "asking", responses(
    (status = 200, body = Described, description = "the model that answers"), Wrong,
))]
pub(super) async fn model(State(service): Shared) -> Json<Described> {
    let live = service.live();
    let (columns, picture) = match &live.schema.features {
        Features::Columns(columns) => (Some(columns.iter().map(OfColumn::new).collect()), None),
        Features::Image(shape) => {
            let picture =
                Picture { height: shape.height, width: shape.width, channels: shape.channels, white: shape.white };
            (None, Some(picture))
        }
    };
    let (items, labels) = live.learned;
    Json(Described {
        name: live.name.clone(),
        version: live.version.clone(),
        classes: live.schema.classes.clone(),
        columns,
        picture,
        learned: Learned { items, labels },
        trust: live.trust.clone(),
        about: live.about.clone(),
    })
}

impl OfColumn {
    fn new(column: &Column) -> OfColumn {
        let values = match &column.kind {
            ColumnKind::Numeric => None,
            ColumnKind::YesNo { no, yes } => Some(vec![no.clone(), yes.clone()]),
            ColumnKind::Category { values } => Some(values.clone()),
        };
        OfColumn { name: column.name.clone(), kind: column.kind.name(), values }
    }
}

impl Trusted {
    pub(super) fn new(trust: &Trust, extras: &Extras) -> Trusted {
        let flags = extras.flags.as_ref();
        Trusted {
            origin: trust.origin.clone(),
            items: trust.n,
            temperature: extras.temperature.map(|temperature| temperature.0),
            coverage: trust.conformal.threshold(extras.coverage).map(|_| extras.coverage),
            outlier_score: flags.map(|flags| flags.score.name),
            flagged_at: flags.map(|flags| flags.share),
        }
    }
}
