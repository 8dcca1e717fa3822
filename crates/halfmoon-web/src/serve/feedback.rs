//! `POST /feedback`: the true classes of what was asked, once they are known, and how good the answers were.

use std::collections::{HashMap, VecDeque};
use std::sync::PoisonError;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use halfmoon_pool::answer::Answer;
use halfmoon_pool::calibration::{BINNING, ece, reliability};
use halfmoon_pool::error::did_you_mean;
use halfmoon_pool::metric::judge;
use halfmoon_pool::scores::Predictions;
use halfmoon_pool::{Class, Schema};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Shared;
use super::docs::{ErrorBody, Truth, Wrong, WrongBody};
use super::live::Live;
use super::reading::Form;
use crate::problem::{Json, Problem, from_json, json_body};

/// Rows that the figures are of.
const WINDOW: usize = 1000;
/// Numbers that are remembered of answers whose true classes may come: some 10 MB.
const MOST_REMEMBERED: usize = 2 << 20;
/// What a row takes beside its probabilities, in as many numbers.
const OF_A_ROW: usize = 24;

/// Answers whose true classes may come, and the last ones of which they have.
pub(super) struct Feedback {
    classes: usize,
    /// By the request's id: each row's probabilities, `None` where it was unreadable.
    answers: HashMap<String, Vec<Option<Vec<f32>>>>,
    /// The ids, the oldest first; with the rows of each.
    order: VecDeque<(String, usize)>,
    rows: usize,
    window: VecDeque<(Vec<f32>, Class)>,
}

/// How good the last answers were whose true classes came.
#[derive(Serialize, ToSchema)]
pub(super) struct Window {
    /// Rows that it is of: the last 1,000 of this model.
    pub(super) n: usize,
    /// The share of them that were right.
    pub(super) accuracy: Option<f64>,
    /// Their mean confidence.
    pub(super) confidence: Option<f64>,
    /// Confidence − accuracy: above 0 where the model is too sure.
    pub(super) gap: Option<f64>,
    /// The expected calibration error, of 15 bins of equal width.
    pub(super) ece: Option<f64>,
}

impl Feedback {
    pub(super) fn new(classes: usize) -> Feedback {
        Feedback { classes, answers: HashMap::new(), order: VecDeque::new(), rows: 0, window: VecDeque::new() }
    }

    fn remember(&mut self, id: String, answers: &[Option<Answer>]) {
        let most = MOST_REMEMBERED / (self.classes + OF_A_ROW);
        if answers.len() > most {
            return;
        }
        let probs = answers.iter().map(|answer| answer.as_ref().map(|answer| answer.probs.clone())).collect();
        // An id that a client uses twice is there twice: forgotten sooner, and never more than is counted.
        self.answers.insert(id.clone(), probs);
        self.rows += answers.len();
        self.order.push_back((id, answers.len()));
        while self.rows > most {
            let Some((id, rows)) = self.order.pop_front() else { break };
            self.rows -= rows;
            self.answers.remove(&id);
        }
    }

    fn count(&mut self, probs: Vec<f32>, class: Class) {
        self.window.push_back((probs, class));
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
    }

    fn figures(&self) -> Window {
        let mut probs = Array2::zeros((self.window.len(), self.classes));
        for (mut to, (row, _)) in probs.rows_mut().into_iter().zip(&self.window) {
            to.iter_mut().zip(row).for_each(|(to, &p)| *to = p);
        }
        let predictions = Predictions { probs, classes: self.window.iter().map(|(_, class)| *class).collect() };
        let judged = judge(&predictions);
        let n = judged.len();
        let mean = |sum: f64| (n > 0).then(|| sum / n as f64);
        let accuracy = mean(judged.iter().filter(|item| item.right).count() as f64);
        let confidence = mean(judged.iter().map(|item| f64::from(item.confidence)).sum());
        let gap = confidence.zip(accuracy).map(|(confidence, accuracy)| confidence - accuracy);
        Window { n, accuracy, confidence, gap, ece: ece(&reliability(&predictions, BINNING)) }
    }
}

impl Live {
    /// Keeps what was answered under an id until the true classes come, or too much else has.
    pub(super) fn remember(&self, id: String, answers: &[Option<Answer>]) {
        self.feedback.lock().unwrap_or_else(PoisonError::into_inner).remember(id, answers);
    }
}

/// The true classes of a request's rows, or of rows that come with them; see [`Truth`](super::docs::Truth).
#[derive(Deserialize)]
struct Told<'a> {
    id: Option<String>,
    #[serde(borrow)]
    rows: Option<&'a RawValue>,
    labels: Vec<Option<String>>,
}

/// What became of feedback.
#[derive(Serialize, ToSchema)]
pub(super) struct Counted {
    /// Labels that count: those of rows that have an answer.
    counted: usize,
    window: Window,
}

/// Takes the true classes of rows, and says how good the answers of late were.
///
/// The id of a request can be used once; it is kept until a newer run answers, or until many rows later: 40,000 for a model of 26 classes.
#[utoipa::path(post, path = "/feedback", tag = "asking",
    request_body(content((Truth = "application/json"))),
    responses(
        (status = 200, body = Counted, description = "what was counted, and the figures"),
        (status = 404, body = ErrorBody, description = "no answer of this id waits for its true classes"),
        Wrong, WrongBody,
    ),
)]
pub(super) async fn feedback(State(service): Shared, request: Request) -> Result<Json<Counted>, Problem> {
    let live = service.live();
    let body: Bytes = json_body(request).await?;
    let Told { id, rows, labels } = from_json(&body)?;
    let labels = classes(&labels, &live.schema)?;
    let of_length = |rows: usize| {
        let problem = format!("{} labels for {rows} rows", labels.len());
        if rows == labels.len() { Ok(()) } else { Err(Problem::of_field("labels", problem)) }
    };
    let answered: Vec<Option<Vec<f32>>> = match (id, rows) {
        (Some(id), None) => {
            let mut feedback = live.feedback.lock().unwrap_or_else(PoisonError::into_inner);
            let unknown = || Problem::new(StatusCode::NOT_FOUND, "no answer of this id waits for its true classes");
            let rows = feedback.answers.get(&id).map(Vec::len).ok_or_else(|| unknown().field("id"))?;
            of_length(rows)?;
            feedback.answers.remove(&id).unwrap_or_default()
        }
        (None, Some(rows)) if !rows.get().starts_with('[') => {
            return Err(Problem::of_field("rows", "it is no array of rows"));
        }
        (None, Some(rows)) => {
            let form = Form::Json(body.slice_ref(rows.get().as_bytes()));
            let (rows, answers) = service.answer(&live, form).await?;
            of_length(rows.status.len())?;
            answers.into_iter().map(|answer| answer.map(|answer| answer.probs)).collect()
        }
        _ => return Err(Problem::of_field("body", "it has either an `id` or `rows`, beside `labels`")),
    };
    let mut feedback = live.feedback.lock().unwrap_or_else(PoisonError::into_inner);
    let mut counted = 0;
    for (probs, class) in answered.into_iter().zip(labels) {
        if let (Some(probs), Some(class)) = (probs, class) {
            feedback.count(probs, class);
            counted += 1;
        }
    }
    let window = feedback.figures();
    service.metrics.feedback(counted, &window);
    Ok(Json(Counted { counted, window }))
}

fn classes(labels: &[Option<String>], schema: &Schema) -> Result<Vec<Option<Class>>, Problem> {
    let known = || schema.classes.iter().map(String::as_str);
    let class = |(at, label): (usize, &Option<String>)| {
        let Some(label) = label else { return Ok(None) };
        let index = known().position(|class| class == label);
        let class = index.and_then(|index| u16::try_from(index).ok()).map(Class);
        let unknown = || {
            let shown: String = label.chars().take(100).collect();
            Problem::of_field(format!("labels[{at}]"), format!("`{shown}` is not a class"))
                .hint(did_you_mean(&shown, known()))
        };
        class.map(Some).ok_or_else(unknown)
    };
    labels.iter().enumerate().map(class).collect()
}
