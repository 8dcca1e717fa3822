//! `POST /predict`: rows to answers, whatever happens to each.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use halfmoon_pool::answer::Answer;
use halfmoon_pool::read::Status;
use serde::Serialize;
use utoipa::ToSchema;

use super::docs::{Body, Pictures, Text, Wrong, WrongBody};
use super::live::Live;
use super::reading::{Form, Rows, chunks, kind};
use super::{Service, Shared};
use crate::problem::{Json, Problem};

/// Answers to the rows of a request.
#[derive(Serialize, ToSchema)]
pub(super) struct Predictions {
    /// For feedback, once the true classes are known.
    #[schema(example = "6bb0d1a4c3f7e95a2d8c4b1e0f963a57")]
    id: String,
    model: Model,
    /// One a row, in their order.
    answers: Vec<Said>,
}

/// Which model has answered.
#[derive(Serialize, ToSchema)]
pub(super) struct Model {
    name: String,
    version: String,
}

/// What is said of a row. All but the first three are null where it is unreadable.
#[derive(Serialize, ToSchema)]
pub(super) struct Said {
    /// Which row it is, counted from 0.
    index: usize,
    /// What the row calls itself: its `id`, a picture's file name, else its position counted from 1.
    id: String,
    /// `ok`, `unseen` where it holds something that training never saw, `unreadable`.
    #[schema(pattern = "^(ok|unseen|unreadable)$")]
    status: &'static str,
    /// What is unseen, or why it is unreadable.
    why: Option<String>,
    /// The most probable class.
    label: Option<String>,
    /// Its probability.
    confidence: Option<f32>,
    /// Of every class.
    probs: Option<BTreeMap<String, f32>>,
    /// Classes that hold the true one as often as the service is set to, the most probable first. Null where the run kept no held-out items.
    set: Option<Vec<String>>,
    /// log p(x), a bound on it, or it up to a constant, in nats. Null where the model has none.
    log_density: Option<f32>,
    /// The share of held-out items that look at least as strange. Null where that cannot be told.
    outlier_p: Option<f64>,
    /// Whether that is so few that the row is flagged as an outlier.
    flag: Option<bool>,
}

/// Answers rows: a label each, how sure it is, and how usual the row looks.
///
/// A row is an object with a value for each column, or an array of the values in the columns' order; for a model of pictures an object
/// `{"x": [...]}` or an array with a number a pixel. A body is `{"rows": [...]}`, an array of rows, or one row; a text table; lines of JSON; or
/// pictures as parts of a form. Every row has exactly one answer, also where it cannot be read.
#[utoipa::path(post, path = "/predict", tag = "asking",
    request_body(content(
        (Body = "application/json"),
        (Text = "text/csv"),
        (Text = "application/x-ndjson"),
        (Pictures = "multipart/form-data"),
    )),
    responses((status = 200, body = Predictions, description = "an answer a row"), Wrong, WrongBody),
)]
pub(super) async fn predict(State(service): Shared, request: Request) -> Result<Json<Predictions>, Problem> {
    let live = service.live();
    let form = Form::of(request).await?;
    let (rows, answers) = service.answer(&live, form).await?;
    let id = live.id();
    live.remember(id.clone(), &answers);
    let answers = rows.ids.into_iter().zip(rows.status).zip(answers).enumerate();
    let answers = answers.map(|(index, ((id, status), answer))| Said::new(index, id, status, answer, &live)).collect();
    let model = Model { name: live.name.clone(), version: live.version.clone() };
    Ok(Json(Predictions { id, model, answers }))
}

impl Service {
    /// The rows of a body, and an answer for each that is readable.
    pub(super) async fn answer(&self, live: &Arc<Live>, form: Form) -> Result<(Rows, Vec<Option<Answer>>), Problem> {
        let read = move |live: &Live| Ok((chunks(live, &form)?, ()));
        let (mut rows, (), arriving) = self.read(live, read).await?;
        let answers = live.ask(std::mem::take(&mut rows.encoded), arriving).await?;
        let answers = spread(&rows.status, answers);
        Ok((rows, answers))
    }
}

/// Answers of the readable rows to all rows.
pub(super) fn spread(status: &[Status], answers: Vec<Answer>) -> Vec<Option<Answer>> {
    let mut answers = answers.into_iter();
    status.iter().map(|status| if status.is_readable() { answers.next() } else { None }).collect()
}

impl Said {
    fn new(index: usize, id: String, status: Status, answer: Option<Answer>, live: &Live) -> Said {
        // What is no number is no answer.
        let (status, answer) = match answer {
            Some(answer) if answer.probs.iter().any(|p| !p.is_finite()) => {
                (Status::Unreadable("the model has no answer for it".to_owned()), None)
            }
            answer => (status, answer),
        };
        let name = |class| live.class(class).to_owned();
        let kind = kind(&status);
        let why = match status {
            Status::Ok => None,
            Status::Unseen(why) | Status::Unreadable(why) => Some(why),
        };
        let answer = answer.as_ref();
        let outlier = answer.and_then(|answer| answer.outlier);
        Said {
            index,
            id,
            status: kind,
            why,
            label: answer.map(|answer| name(answer.label)),
            confidence: answer.map(Answer::confidence),
            probs: answer.map(|answer| live.schema.classes.iter().cloned().zip(answer.probs.iter().copied()).collect()),
            set: answer.and_then(|answer| answer.set.as_ref()).map(|set| set.iter().copied().map(name).collect()),
            log_density: answer.and_then(|answer| answer.log_density),
            outlier_p: outlier.map(|outlier| outlier.p),
            flag: outlier.map(|outlier| outlier.flag),
        }
    }
}
