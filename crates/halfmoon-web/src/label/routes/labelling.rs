//! What people say of items.

use axum::extract::State;
use axum::http::StatusCode;
use halfmoon_journal::{Action, Asked, Event, ItemId, Moment, Said};
use halfmoon_pool::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use super::asking::ask;
use super::{App, annotator, class, key, place};
use crate::label::clerk::Refused;
use crate::problem::{Json, Problem};

/// Characters of a reason that is sent back.
const LONGEST: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct Vote {
    annotator: Option<String>,
    key: String,
    item: i64,
    class: Option<u16>,
    seconds: Option<f64>,
    #[serde(default)]
    shown: Shown,
}

/// Of the question, as the annotator saw it.
#[derive(Deserialize, Default)]
struct Shown {
    rule: Option<String>,
    why: Option<String>,
    round: Option<u32>,
    model: Option<String>,
    /// A class.
    said: Option<u16>,
    confidence: Option<f64>,
}

pub(super) async fn label(State(app): State<App>, Json(vote): Json<Vote>) -> Result<Json<Value>, Problem> {
    let Some(given) = vote.class else {
        return Err(Problem::of_field("class", "say which class: its number, counted from 0"));
    };
    let given = class(&app.shared.desk(), "class", given)?;
    write(&app, &vote, Action::Label(ItemId(vote.item), given)).await
}

pub(super) async fn skip(State(app): State<App>, Json(vote): Json<Vote>) -> Result<Json<Value>, Problem> {
    write(&app, &vote, Action::Skip(ItemId(vote.item))).await
}

async fn write(app: &App, vote: &Vote, action: Action) -> Result<Json<Value>, Problem> {
    let annotator = annotator(vote.annotator.as_ref())?;
    let key = key(&vote.key)?;
    let is_share = |share: f64| (0.0..=1.0).contains(&share);
    if vote.seconds.is_some_and(|seconds| !(seconds.is_finite() && seconds >= 0.0)) {
        return Err(Problem::of_field("seconds", "nobody looks for less than no time, or for ever"));
    }
    if vote.shown.confidence.is_some_and(|confidence| !is_share(confidence)) {
        return Err(Problem::of_field("shown.confidence", "a confidence is a probability, from 0 to 1"));
    }
    let (place, said) = {
        let desk = app.shared.desk();
        let said = vote.shown.said.map(|said| class(&desk, "shown.said", said)).transpose()?;
        (place(&desk, vote.item)?, said)
    };
    let Shown { rule, why, round, model, confidence, .. } = &vote.shown;
    let cut = |text: &Option<String>| text.as_ref().map(|text| text.chars().take(LONGEST).collect::<String>());
    let event = Event {
        key,
        seconds: vote.seconds,
        said: Said { model: cut(model), class: said, confidence: *confidence },
        asked: Asked { rule: cut(rule), why: cut(why), round: *round },
        ..Event::new(&annotator, Moment::now(), action)
    };
    let appended = app.clerk.call(move |journal| journal.append(&event)).await.map_err(of_key)?;
    let mut desk = app.shared.desk();
    let by = desk.annotator(&annotator);
    desk.queue.give_back(place, by);
    Ok(Json(json!({"event": appended.event.0, "is_new": appended.is_new, "labelled": desk.labelled})))
}

/// All else was looked at before: what the journal refuses is a key that stands for something else.
pub(super) fn of_key(refused: Refused) -> Problem {
    let is_usage = matches!(refused, Refused::Because(Error::Usage { .. }));
    let problem = Problem::from(refused);
    if is_usage { Problem { status: StatusCode::CONFLICT, ..problem.field("key") } } else { problem }
}

#[derive(Deserialize)]
pub(super) struct Undo {
    annotator: Option<String>,
    key: String,
}

pub(super) async fn undo(State(app): State<App>, Json(undo): Json<Undo>) -> Result<Json<Value>, Problem> {
    let annotator = annotator(undo.annotator.as_ref())?;
    let key = key(&undo.key)?;
    let by = annotator.clone();
    let undone = app.clerk.call(move |journal| match journal.undo(&by, Moment::now(), key)? {
        Some((_, undone)) => journal.event(undone),
        None => Ok(None),
    });
    let undone = undone.await.map_err(of_key)?;
    let Some(action) = undone.map(|event| event.action) else {
        return Ok(Json(json!({"undone": null, "question": null, "labelled": app.shared.desk().labelled})));
    };
    let given = match action {
        Action::Label(_, class) => Some(class.0),
        _ => None,
    };
    let item = action.item().map_or(0, |item| item.0);
    // A generated example is no item to ask about again.
    let asked = place(&app.shared.desk(), item).ok();
    let question = match asked {
        Some(place) => ask(&app, &annotator, vec![place]).await?.pop(),
        None => None,
    };
    let labelled = app.shared.desk().labelled;
    Ok(Json(json!({"undone": {"item": item, "class": given}, "question": question, "labelled": labelled})))
}
