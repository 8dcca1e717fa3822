//! JSON lines: the whole journal but for its items, an event a line in the journal's order, then models and rounds.
//!
//! See [`record`](super::record) for the fields. Any line with an `id` and a `label` is read.

use std::io::Write;
use std::path::Path;

use halfmoon_pool::error::{Place, Result};
use serde_json::{Map, Value, json};

use super::names::Names;
use super::receive::Receiver;
use super::record::{Record, fields, label};
use super::{Exported, Format, Options, broken};
use crate::event::{Action, EventId, Key, Model, Round};
use crate::journal::Journal;
use crate::moment::Moment;

pub(super) const FORMAT: Format = Format {
    name: "jsonl",
    about: "JSON lines, a line an event: everything that the journal holds",
    endings: &[".jsonl", ".ndjson"],
    write,
    read,
};

fn write(journal: &Journal, out: &mut dyn Write) -> Result<Exported> {
    let (names, models, rounds) = (Names::of(journal)?, journal.models()?, journal.rounds()?);
    let mut keys: Vec<(EventId, Key)> = Vec::new();
    let key_of = |keys: &[(EventId, Key)], event: EventId| {
        keys.binary_search_by_key(&event, |(event, _)| *event).ok().map(|at| json!(keys[at].1.to_string()))
    };
    let mut lines = 0;
    journal.each_event(EventId(0), &mut |id, event| {
        keys.push((id, event.key));
        let mut line = vec![];
        if let Some(item) = event.action.item() {
            let item = names.item(item)?;
            line.push(("id", json!(item.id)));
            line.extend(item.path.as_ref().map(|path| ("path", json!(path))));
        }
        line.extend(label(&event, &names)?.map(|label| ("label", json!(label))));
        line.push(("action", json!(event.action.name())));
        if let Action::Undo(undone) = event.action {
            line.extend(key_of(&keys, undone).map(|key| ("undoes", key)));
        }
        line.extend(fields(&event, &names)?);
        lines += 1;
        write_line(out, &line)
    })?;
    for Model { name, run, learned, at, about } in models {
        let mut line = vec![("action", json!("model")), ("model", json!(name)), ("created_at", json!(at.to_string()))];
        line.extend(run.map(|run| ("run", json!(run))));
        line.extend(learned.and_then(|event| key_of(&keys, event)).map(|key| ("learned", key)));
        line.push(("about", json!(about)));
        lines += 1;
        write_line(out, &line)?;
    }
    for Round { round, model, rule, size, seed, at, about } in rounds {
        let mut line = vec![("action", json!("round")), ("round", json!(round)), ("source", json!(rule))];
        line.extend(model.map(|model| ("model", json!(model))));
        line.push(("size", json!(size)));
        line.extend(seed.map(|seed| ("seed", json!(seed))));
        line.extend([("created_at", json!(at.to_string())), ("about", json!(about))]);
        lines += 1;
        write_line(out, &line)?;
    }
    out.flush().map_err(broken)?;
    Ok(Exported { records: lines, tasks: None })
}

/// An object whose fields keep this order.
fn write_line(out: &mut dyn Write, fields: &[(&str, Value)]) -> Result<()> {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
    writeln!(out, "{{{}}}", fields.join(",")).map_err(broken)
}

fn read(path: &Path, bytes: &[u8], options: &Options, receiver: &mut Receiver) -> Result<()> {
    for (row, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let place = Place::row(path, row);
        match serde_json::from_slice(line) {
            Ok(Value::Object(object)) => match object.get("action").and_then(Value::as_str) {
                Some("model") => match model(&object, receiver)? {
                    Some(model) => receiver.take_model(&place, &model)?,
                    None => receiver.problem(
                        &place,
                        "is not a model: it has `model`, `created_at`, `about` and perhaps `learned`, the key of an event",
                    ),
                },
                Some("round") => match round(&object) {
                    Some(round) => receiver.take_round(&place, &round)?,
                    None => receiver
                        .problem(&place, "is not a round: it has `round`, `source`, `size`, `created_at` and `about`"),
                },
                _ => receiver.take(Record::of(place, object, options.label.as_deref().unwrap_or("label")))?,
            },
            Ok(_) => receiver.problem(&place, "is not an object: a line is {\"id\": …, \"label\": …}"),
            Err(error) => receiver.problem(&place, format!("is not JSON: {error}")),
        }
    }
    Ok(())
}

fn model(object: &Map<String, Value>, receiver: &mut Receiver) -> Result<Option<Model>> {
    let learned = match object.get("learned") {
        None | Some(Value::Null) => None,
        Some(key) => match key.as_str().and_then(Key::parse).map(|key| receiver.event_of_key(key)).transpose()? {
            Some(Some(event)) => Some(event),
            _ => return Ok(None),
        },
    };
    let of = || {
        Some(Model {
            name: text(object, "model")?,
            run: text(object, "run"),
            learned,
            at: Moment::parse(&text(object, "created_at")?)?,
            about: object.get("about")?.as_object()?.clone(),
        })
    };
    Ok(of())
}

fn round(object: &Map<String, Value>) -> Option<Round> {
    let number = |name: &str| object.get(name).and_then(Value::as_u64);
    Some(Round {
        round: number("round")?.try_into().ok().filter(|&round| round > 0)?,
        model: text(object, "model"),
        rule: text(object, "source")?,
        size: number("size")?.try_into().ok()?,
        seed: number("seed"),
        at: Moment::parse(&text(object, "created_at")?)?,
        about: object.get("about")?.as_object()?.clone(),
    })
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::to_owned)
}
