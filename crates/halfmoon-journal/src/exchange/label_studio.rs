//! Label Studio's JSON: a list of tasks, a task an item, an annotation a label or a skip that stands.
//!
//! | there | here |
//! |---|---|
//! | `data.halfmoon_id`, else `data.id`, else any text in `data` that means one: see [`find`](super::find) | the item |
//! | an annotation's `result` of the type `choices` | the label |
//! | `was_cancelled` | a skip |
//! | `completed_by`: a text, a number, or an object's `email`, `username` or `id` | the annotator |
//! | `updated_at`, else `created_at`, which an annotation keeps when it is changed; `lead_time` | when, and for how many seconds |
//! | `prediction`: `model_version`, `result`, `score` | what a model said, and its probability of that |
//! | `halfmoon`, in an annotation | the fields of a [`record`](super::record): what the others cannot hold, and exactly |
//!
//! What halfmoon would not write itself is kept with the label (or with the item, by an event of its own), and is there again
//! in an export: `id`, `meta`, `drafts`, the task's `predictions`, results of other types beside the choice.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;

use halfmoon_pool::error::{Error, Place, Result};
use serde_json::{Map, Value, json};

use super::names::Names;
use super::receive::{Receiver, excerpt};
use super::record::{Done, Record, fields, label};
use super::{Exported, Format, Options, broken};
use crate::event::{Action, Event, EventId};
use crate::item::{Item, ItemId};
use crate::journal::Journal;
use crate::moment::Moment;

pub(super) const FORMAT: Format = Format {
    name: "label-studio",
    about: "Label Studio's JSON, a task an item: labels and skips that stand, its own fields kept",
    endings: &[".json"],
    write,
    read,
};

/// What halfmoon calls its question in Label Studio's labelling interface.
const QUESTION: (&str, &str) = ("label", "item");

/// Where fields of Label Studio are in [`Event::extra`].
const THERE: &str = "label_studio";

/// Where fields of halfmoon are in a task or an annotation.
const HERE: &str = "halfmoon";

/// The field of a task's `data` that holds the item's id in an export.
const ID: &str = "halfmoon_id";

fn write(journal: &Journal, out: &mut dyn Write) -> Result<Exported> {
    let (names, labels) = (Names::of(journal)?, journal.labels()?);
    let standing: HashSet<EventId> = labels.votes.iter().map(|vote| vote.event).collect();
    let mut annotations: HashMap<ItemId, Vec<Value>> = HashMap::new();
    let mut tasks: HashMap<ItemId, Map<String, Value>> = HashMap::new();
    let mut records = 0;
    journal.each_event(EventId(0), &mut |id, event| {
        let Some(item) = event.action.item() else { return Ok(()) };
        if matches!(event.action, Action::Fields(_)) {
            merge(tasks.entry(item).or_default(), event.extra);
        } else if standing.contains(&id) {
            annotations.entry(item).or_default().push(annotation(event, &names)?);
            records += 1;
        }
        Ok(())
    })?;
    write!(out, "[").map_err(broken)?;
    for (at, (number, item)) in names.items.iter().enumerate() {
        let fields = tasks.remove(number).unwrap_or_default();
        let task = task(item, fields, annotations.remove(number).unwrap_or_default());
        write!(out, "{}\n{task}", if at == 0 { "" } else { "," }).map_err(broken)?;
    }
    write!(out, "\n]\n").map_err(broken)?;
    out.flush().map_err(broken)?;
    Ok(Exported { records, tasks: Some(names.items.len()) })
}

/// Later fields stand; those of `data` one by one.
fn merge(task: &mut Map<String, Value>, fields: Map<String, Value>) {
    for (name, value) in fields {
        match (task.get_mut(&name), value) {
            (Some(Value::Object(before)), Value::Object(value)) if name == THERE || name == "data" => {
                merge(before, value);
            }
            (_, value) => drop(task.insert(name, value)),
        }
    }
}

fn task(item: &Item, mut extra: Map<String, Value>, annotations: Vec<Value>) -> Value {
    let mut task = take_object(&mut extra, THERE);
    let mut data = take_object(&mut task, "data");
    data.insert(ID.into(), json!(item.id));
    if let Some(path) = &item.path {
        data.entry("image").or_insert_with(|| json!(path));
    }
    task.insert("data".into(), data.into());
    task.insert("annotations".into(), annotations.into());
    if !extra.is_empty() {
        task.insert(HERE.into(), json!({"extra": extra}));
    }
    task.into()
}

/// Removes an object; what is called so and is none stays.
fn take_object(map: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match map.remove(name) {
        Some(Value::Object(object)) => object,
        Some(other) => {
            map.insert(name.to_owned(), other);
            Map::new()
        }
        None => Map::new(),
    }
}

fn annotation(mut event: Event, names: &Names) -> Result<Value> {
    let mut annotation = take_object(&mut event.extra, THERE);
    let label = label(&event, names)?;
    let is_kept = annotation.get("result").is_some_and(|result| label.is_none_or(|label| chooses(result, label)));
    if !is_kept {
        annotation.insert("result".into(), label.map_or(json!([]), choice));
    }
    annotation.insert("was_cancelled".into(), json!(label.is_none()));
    let mut put = |name: &str, value: Value| {
        annotation.entry(name).or_insert(value);
    };
    put("completed_by", json!(event.annotator));
    put("created_at", json!(event.at.to_string()));
    if let Some(seconds) = event.seconds {
        put("lead_time", json!(seconds));
    }
    if let Some(class) = event.said.class {
        let model = event.said.model.as_deref();
        put("prediction", prediction(model, names.class(class)?, event.said.confidence));
    }
    let label = label.map(|label| ("label".to_owned(), json!(label)));
    let here = fields(&event, names)?.into_iter().map(|(name, value)| (name.to_owned(), value));
    annotation.insert(HERE.into(), label.into_iter().chain(here).collect::<Map<_, _>>().into());
    Ok(annotation.into())
}

fn prediction(model: Option<&str>, class: &str, confidence: Option<f64>) -> Value {
    json!({"model_version": model, "score": confidence, "result": choice(class)})
}

/// The result of one who chose this class.
fn choice(class: &str) -> Value {
    let (from, to) = QUESTION;
    json!([{"from_name": from, "to_name": to, "type": "choices", "value": {"choices": [class]}}])
}

/// Whether one of the answers is this class alone.
fn chooses(result: &Value, class: &str) -> bool {
    let is_choice = |one: &Value| one["type"] == "choices" && one["value"]["choices"] == json!([class]);
    result.as_array().is_some_and(|results| results.iter().any(is_choice))
}

/// The class that a result chooses, in answer to this question where there are several; or why it is none.
fn chosen(result: &Value, question: Option<&str>) -> std::result::Result<String, String> {
    let results = result.as_array().ok_or("its `result` is no list")?;
    let answers: Vec<&Value> = (results.iter())
        .filter(|one| one["type"] == "choices" && question.is_none_or(|question| one["from_name"] == question))
        .collect();
    let answer = match answers[..] {
        [answer] => answer,
        [] => {
            return Err(match question {
                Some(question) => format!("it does not answer `{question}` by a choice"),
                None => "it chooses nothing: only results of the type `choices` are labels".into(),
            });
        }
        _ => {
            return Err("it answers several questions: `--label FROM_NAME` says which one is meant".into());
        }
    };
    match answer["value"]["choices"].as_array().map(Vec::as_slice) {
        Some([Value::String(class)]) => Ok(class.clone()),
        Some(several) => Err(format!("it has {} choices, and halfmoon has one class an item", several.len())),
        None => Err("its `value` has no list of `choices`".into()),
    }
}

fn read(path: &Path, bytes: &[u8], options: &Options, receiver: &mut Receiver) -> Result<()> {
    let hint = "in Label Studio, export as JSON (not as JSON-MIN or CSV)";
    let value = serde_json::from_slice(bytes)
        .map_err(|error| Error::data(path, format!("is not JSON: {error}"), "JSON lines end in .jsonl"))?;
    let tasks = match value {
        Value::Array(tasks) => tasks,
        Value::Object(task) => vec![Value::Object(task)],
        _ => return Err(Error::data(path, "is no list of tasks", hint)),
    };
    for (row, task) in (1..).zip(tasks) {
        let place = Place::row(path, row);
        receiver.task();
        match task {
            Value::Object(task) if task.get("data").is_some_and(Value::is_object) => {
                read_task(&place, task, options, receiver)?;
            }
            _ => receiver.problem(&place, format!("is no task: it has no `data`; {hint}")),
        }
    }
    Ok(())
}

fn read_task(place: &Place, mut task: Map<String, Value>, options: &Options, receiver: &mut Receiver) -> Result<()> {
    let annotations = match task.remove("annotations") {
        Some(Value::Array(annotations)) => annotations,
        None | Some(Value::Null) => Vec::new(),
        Some(_) => {
            receiver.problem(&place.clone().column("annotations"), "is no list");
            return Ok(());
        }
    };
    let mut data = take_object(&mut task, "data");
    let item = match item_of(&data, receiver) {
        Ok(item) => item,
        Err(reason) => {
            // One for each label that is left out.
            for _ in 0..annotations.len().max(1) {
                receiver.problem(place, reason.clone());
            }
            return Ok(());
        }
    };
    if data.get(ID).is_some_and(|id| *id == json!(item.id)) {
        data.remove(ID);
    }
    if item.path.as_ref().is_some_and(|path| data.get("image") == Some(&json!(path))) {
        data.remove("image");
    }
    if !data.is_empty() {
        task.insert("data".into(), data.into());
    }
    let mut extra = take_object(&mut take_object(&mut task, HERE), "extra");
    if !task.is_empty() {
        extra.insert(THERE.into(), task.into());
    }
    if !extra.is_empty() {
        let mut record = Record::of(place.clone(), Map::new(), "label");
        (record.names, record.done, record.extra) = (vec![item.id.clone()], Done::Fields, extra);
        receiver.keep_fields(item, record)?;
    }
    let count = annotations.len();
    for (at, annotation) in (1..).zip(annotations) {
        let place = if count > 1 { place.clone().column(format!("annotation {at}")) } else { place.clone() };
        match annotation {
            Value::Object(annotation) => {
                match read_annotation(place.clone(), &item.id, annotation, options, receiver) {
                    Ok(record) => receiver.take(record)?,
                    Err(reason) => receiver.problem(&place, reason),
                }
            }
            _ => receiver.problem(&place, "is no annotation"),
        }
    }
    Ok(())
}

/// The item that a task is about: what is its id or path as it stands is meant before what only ends like one.
fn item_of<'a>(data: &Map<String, Value>, receiver: &mut Receiver<'a, '_>) -> std::result::Result<&'a Item, String> {
    for name in [ID, "id"] {
        let text = match data.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => continue,
        };
        match receiver.find_exactly(&text) {
            Some(item) => return Ok(receiver.item(item)),
            None if name == ID => return Err(format!("there is no item `{text}`{}", receiver.example())),
            None => {}
        }
    }
    let texts = || data.values().filter_map(Value::as_str);
    let mut found: Vec<ItemId> = texts().filter_map(|text| receiver.find_exactly(text)).collect();
    if found.is_empty() {
        let meant = texts().filter_map(|text| receiver.find(text).transpose());
        found = meant.collect::<std::result::Result<_, _>>()?;
    }
    found.sort_unstable();
    found.dedup();
    match (found[..].first(), found.len()) {
        (Some(item), 1) => Ok(receiver.item(*item)),
        (Some(_), _) => Err("its `data` name several items".into()),
        (None, _) => {
            let first = texts().map(|text| format!(" (`{}`)", excerpt(text))).next().unwrap_or_default();
            Err(format!("its `data` name no item{first}{}, and `{ID}` would be its id", receiver.example()))
        }
    }
}

fn read_annotation(
    place: Place,
    item: &str,
    mut annotation: Map<String, Value>,
    options: &Options,
    receiver: &Receiver,
) -> std::result::Result<Record, String> {
    let mut record = Record::of(place, take_object(&mut annotation, HERE), "label");
    record.names = vec![item.to_owned()];
    let result = annotation.get("result").cloned().unwrap_or_default();
    let is_skipped = annotation.get("was_cancelled") == Some(&json!(true));
    record.done = if is_skipped {
        Done::Skip
    } else if result.is_null() || result.as_array().is_some_and(Vec::is_empty) {
        Done::Nothing
    } else {
        match (chosen(&result, options.label.as_deref()), record.done) {
            (Ok(class), _) => Done::Label(class),
            // One of several answers, and it is known which.
            (Err(_), Done::Label(class)) if options.label.is_none() && chooses(&result, &class) => Done::Label(class),
            (Err(reason), _) => return Err(reason),
        }
    };
    if record.annotator.is_none() {
        record.annotator = annotation.get("completed_by").and_then(person);
    }
    let text = |name: &str| annotation.get(name).and_then(Value::as_str);
    if record.at.is_none() {
        record.at = ["updated_at", "created_at"].into_iter().find_map(|name| text(name).and_then(Moment::parse));
    }
    if record.seconds.is_none() {
        record.seconds = annotation.get("lead_time").and_then(Value::as_f64).filter(|seconds| *seconds >= 0.0);
    }
    if (&record.model, &record.model_label, record.confidence) == (&None, &None, None)
        && let Some(said) = annotation.get("prediction")
    {
        let label = chosen(&said["result"], options.label.as_deref()).ok();
        record.model_label = label.filter(|label| receiver.has_class(label));
        record.model = said["model_version"].as_str().map(str::to_owned);
        record.confidence = said["score"].as_f64().filter(|score| (0.0..=1.0).contains(score));
    }

    // What halfmoon writes itself need not be kept.
    let said =
        (record.model_label.as_deref()).map(|label| prediction(record.model.as_deref(), label, record.confidence));
    let own = [
        (
            "result",
            match &record.done {
                Done::Label(class) => Some(choice(class)),
                _ => Some(json!([])),
            },
        ),
        ("was_cancelled", Some(json!(is_skipped))),
        ("completed_by", record.annotator.as_ref().map(|annotator| json!(annotator))),
        ("created_at", record.at.map(|at| json!(at.to_string()))),
        ("lead_time", record.seconds.map(|seconds| json!(seconds))),
        ("prediction", said),
    ];
    for (name, value) in own {
        if value.is_some() && annotation.get(name) == value.as_ref() {
            annotation.remove(name);
        }
    }
    if !annotation.is_empty() {
        record.extra.insert(THERE.into(), annotation.into());
    }
    Ok(record)
}

/// Who an annotation is by.
fn person(by: &Value) -> Option<String> {
    let name = match by {
        Value::String(name) => name.clone(),
        Value::Number(number) => number.to_string(),
        Value::Object(of) => return ["email", "username", "id"].iter().find_map(|name| of.get(*name).and_then(person)),
        _ => return None,
    };
    (!name.is_empty()).then_some(name)
}
