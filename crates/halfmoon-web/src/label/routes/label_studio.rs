//! Label Studio's protocol for machine learning backends: predictions for its tasks, and its annotations for the journal.
//!
//! Label Studio asks for predictions with `/predict` when somebody opens a task, and tells of annotations with `/webhook`. A task is an item by
//! `data.halfmoon_id`, or by any text in `data` that is an item's id or path, or ends in the name of just one item's file.

use std::collections::HashMap;
use std::io::Write;

use axum::extract::State;
use halfmoon_journal::exchange::Options;
use halfmoon_journal::{Action, Event, EventId, Journal, Key, Moment};
use halfmoon_pool::Result as PoolResult;
use ndarray::ArrayView1;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::exchange::{Aside, import_file};
use super::{App, aside, read};
use crate::label::desk::{Answers, Desk, HANDFUL, Shared};
use crate::label::figures::likeliest;
use crate::label::items::Place;
use crate::problem::{Json, Problem};

/// Whose annotations these are, where Label Studio does not say.
const SOMEBODY: &str = "label-studio";

/// Texts of a task that are looked at.
const TEXTS: usize = 100;

pub(super) async fn health() -> Json<Value> {
    Json(json!({"status": "UP", "model_class": "halfmoon"}))
}

pub(super) async fn setup(State(app): State<App>, Json(_): Json<Value>) -> Json<Value> {
    Json(json!({"model_version": version(app.shared.desk().answers.as_deref())}))
}

fn version(answers: Option<&Answers>) -> &str {
    answers.map_or("none", |answers| &answers.model)
}

#[derive(Deserialize)]
pub(super) struct Asked {
    tasks: Vec<Value>,
    /// XML, of which the names of the question are taken.
    label_config: Option<String>,
}

pub(super) async fn predict(State(app): State<App>, Json(asked): Json<Asked>) -> Result<Json<Value>, Problem> {
    let (from, to) =
        asked.label_config.as_deref().and_then(question).unwrap_or(("label".to_owned(), "item".to_owned()));
    let shared = app.shared.clone();
    let done = aside(move || {
        let (answers, classes) = {
            let desk = shared.desk();
            (desk.answers.clone(), desk.classes.clone())
        };
        // Looked for one at a time: who labels meanwhile does not wait for all of them.
        let by_id: Vec<Option<Place>> = asked.tasks.iter().map(|task| by_id(&shared.desk(), task)).collect();
        let files = by_id.contains(&None).then(|| files(&shared));
        let place = |(task, by_id): (&Value, Option<Place>)| by_id.or_else(|| by_file(task, files.as_ref()?));
        let places = asked.tasks.iter().zip(by_id).map(place);
        let one = |place| prediction(place, answers.as_deref(), &classes, (&from, &to));
        json!({"results": places.map(one).collect::<Vec<Value>>(), "model_version": version(answers.as_deref())})
    });
    Ok(Json(done.await?))
}

/// Of a task that is no item, or that the model was not asked about, there is a prediction without a result.
fn prediction(place: Option<Place>, answers: Option<&Answers>, classes: &[String], (from, to): (&str, &str)) -> Value {
    let nothing = json!({"model_version": version(answers), "score": 0.0, "result": []});
    let Some((answers, probs)) = place.zip(answers).and_then(|(at, answers)| Some((answers, answers.of(at)?))) else {
        return nothing;
    };
    let (class, confidence) = likeliest(ArrayView1::from(&probs));
    let Some(name) = classes.get(class.index()) else { return nothing };
    let result = json!([{"from_name": from, "to_name": to, "type": "choices", "value": {"choices": [name]}, "score": confidence}]);
    json!({"model_version": answers.model, "score": confidence, "result": result})
}

/// The texts of a task's `data`, the likeliest first, with what stands behind `?d=` for local files.
fn texts(task: &Value) -> Vec<String> {
    let Some(data) = task["data"].as_object() else { return Vec::new() };
    let first = ["halfmoon_id", "id"].into_iter().filter_map(|name| data.get(name));
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let all = first.chain(data.values()).filter_map(text).take(TEXTS);
    all.flat_map(|text| {
        let local = text.split_once("?d=").map(|(_, path)| decoded(path));
        let path = text.split(['?', '#']).next().map(decoded).filter(|path| *path != text);
        [Some(text), local, path]
    })
    .flatten()
    .collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn by_id(desk: &Desk, task: &Value) -> Option<Place> {
    texts(task).iter().find_map(|text| desk.items.of_id(text))
}

fn by_file(task: &Value, files: &HashMap<String, Option<Place>>) -> Option<Place> {
    texts(task).iter().find_map(|text| files.get(name_of(text)).copied().flatten())
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Items by the name of their file; `None`: several have it.
fn files(shared: &Shared) -> HashMap<String, Option<Place>> {
    let mut files = HashMap::new();
    let all = shared.desk().items.places();
    for first in all.clone().step_by(HANDFUL) {
        let desk = shared.desk();
        for place in (first..all.end).take(HANDFUL) {
            let known = desk.items.get(place);
            if known.path().is_some() {
                files.entry(name_of(&known.id).to_owned()).and_modify(|of| *of = None).or_insert(Some(place));
            }
        }
    }
    files
}

/// What the labelling interface calls its question, and what is asked about: of the first `Choices`.
fn question(xml: &str) -> Option<(String, String)> {
    let document = roxmltree::Document::parse(xml).ok()?;
    let choices = document.descendants().find(|node| node.has_tag_name("Choices"))?;
    Some((choices.attribute("name")?.to_owned(), choices.attribute("toName")?.to_owned()))
}

#[derive(Deserialize)]
pub(super) struct Told {
    action: Option<String>,
    task: Option<Value>,
    #[serde(default)]
    tasks: Vec<Value>,
    annotation: Option<Value>,
    #[serde(default)]
    annotations: Vec<Value>,
}

pub(super) async fn webhook(State(app): State<App>, Json(told): Json<Told>) -> Result<Json<Value>, Problem> {
    let action = told.action.clone().unwrap_or_default();
    let annotations: Vec<Value> = told.annotation.into_iter().chain(told.annotations).collect();
    match action.as_str() {
        "ANNOTATION_CREATED" | "ANNOTATIONS_CREATED" | "ANNOTATION_UPDATED" => {
            let tasks: Vec<Value> = told.task.into_iter().chain(told.tasks).collect();
            let imported = import(&app, annotations, &tasks).await?;
            let reasons: Vec<&str> = imported.problems.iter().map(|left| left.reason.as_str()).collect();
            Ok(Json(json!({"new": imported.new, "already": imported.already, "problems": reasons})))
        }
        "ANNOTATION_DELETED" | "ANNOTATIONS_DELETED" => {
            let ids: Vec<i64> = annotations.iter().filter_map(|annotation| annotation["id"].as_i64()).collect();
            // All events are looked at.
            let undo = read(&app, move |journal| undo(&journal, &ids)).await?;
            let undone = app.clerk.call(move |journal| journal.append_all(&undo)).await?;
            Ok(Json(json!({"undone": undone.iter().filter(|done| done.is_new).count()})))
        }
        // Label Studio tells of much else: projects, tasks, reviews.
        _ => Ok(Json(json!({"ignored": action}))),
    }
}

/// As a file of tasks with annotations, which the exchange reads.
async fn import(
    app: &App,
    annotations: Vec<Value>,
    tasks: &[Value],
) -> Result<halfmoon_journal::exchange::Imported, Problem> {
    if tasks.is_empty() {
        return Err(
            Problem::of_field("task", "there is no task").hint("in Label Studio, let the webhook send the payload")
        );
    }
    let mut of_task: Vec<Map<String, Value>> = tasks.iter().filter_map(Value::as_object).cloned().collect();
    for task in &mut of_task {
        task.insert("annotations".into(), json!([]));
        // What the task's other annotations say was told before.
        task.remove("predictions");
    }
    for mut annotation in annotations {
        let id = &annotation["task"];
        let is_its = |task: &&mut Map<String, Value>| tasks.len() == 1 || !id.is_null() && task.get("id") == Some(id);
        // The time of the change: what is changed back later is said anew.
        let updated = annotation.get("updated_at").filter(|at| at.is_string()).cloned();
        let found = of_task.iter_mut().find(is_its).and_then(|task| task.get_mut("annotations")?.as_array_mut());
        if let (Some(updated), Some(object)) = (updated, annotation.as_object_mut()) {
            object.insert("created_at".into(), updated);
        }
        if let Some(list) = found {
            list.push(annotation);
        }
    }
    let file = Aside::new(&app.shared.settings.project);
    let (path, text) = (file.0.clone(), json!(of_task).to_string());
    let kept = aside(move || std::fs::File::create_new(path)?.write_all(text.as_bytes())).await?;
    kept.map_err(|error| halfmoon_pool::Error::io(&file.0, error))?;
    let options = Options {
        format: Some("label-studio".into()),
        label: None,
        annotator: SOMEBODY.into(),
        new_classes: true,
        now: Moment::now(),
    };
    import_file(app, file, options).await
}

/// What takes back what these annotations said.
fn undo(journal: &Journal, ids: &[i64]) -> PoolResult<Vec<Event>> {
    let mut found: Vec<(EventId, String)> = Vec::new();
    journal.each_event(EventId(0), &mut |id, event| {
        let of = event.extra.get("label_studio").and_then(|extra| extra["id"].as_i64());
        let says = matches!(event.action, Action::Label(..) | Action::Skip(_));
        if says && of.is_some_and(|of| ids.contains(&of)) {
            found.push((id, event.annotator));
        }
        Ok(())
    })?;
    let undo = |(id, annotator): &(EventId, String)| Event {
        // Told twice, it is undone once.
        key: Key::of(&["label-studio", "deleted", &id.0.to_string()]),
        ..Event::new(annotator, Moment::now(), Action::Undo(*id))
    };
    Ok(found.iter().map(undo).collect())
}
