//! An event by ids and names, as a set of named fields.
//!
//! | field | holds |
//! |---|---|
//! | `action` | `label` (where it is absent), `skip`, `undo`, `class`, `fields` |
//! | `id`, `path` | the item; `path` alone will do, and so will `file_name`, or else `file`, `filename` or `image` |
//! | `label` | the class |
//! | `annotator`, `created_at` (or `when`), `seconds` | who, when (RFC 3339), how long |
//! | `source`, `why`, `round` | the rule that asked, its reason, the round |
//! | `model`, `model_label`, `confidence` | which model said what, and its probability of that |
//! | `key`, `undoes` | the event's key; the key of the event that is undone |
//! | `extra` | fields of other programs, and so are all others |

use halfmoon_pool::error::{Place, Result};
use serde_json::{Map, Value, json};

use super::names::Names;
use crate::event::{Action, Asked, Event, Key};
use crate::moment::Moment;

/// Fields that name the item, the likeliest first.
pub(super) const NAMES: [&str; 3] = ["id", "path", "file_name"];

/// What names the item where none of [`NAMES`] is there.
pub(super) const OTHER_NAMES: [&str; 3] = ["file", "filename", "image"];

/// An event as a file tells it.
pub(super) struct Record {
    /// Where it stands.
    pub(super) place: Place,
    /// What may name the item, the likeliest first.
    pub(super) names: Vec<String>,
    pub(super) done: Done,
    pub(super) annotator: Option<String>,
    pub(super) at: Option<Moment>,
    pub(super) key: Option<Key>,
    pub(super) seconds: Option<f64>,
    pub(super) model: Option<String>,
    pub(super) model_label: Option<String>,
    pub(super) confidence: Option<f64>,
    pub(super) asked: Asked,
    pub(super) extra: Map<String, Value>,
    /// Fields that are not what they should be: they are in `extra`.
    pub(super) odd: Vec<String>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Done {
    Label(String),
    /// The item is named, a label is not.
    Nothing,
    Skip,
    /// The key of what is undone.
    Undo(Option<Key>),
    NewClass(String),
    Fields,
    /// Where the label should be there is a list or an object.
    Odd,
    /// An action that is none.
    Unknown(String),
}

impl Record {
    /// From fields of which nothing is known. `label` is the name of the field that holds the label.
    pub(super) fn of(place: Place, fields: Map<String, Value>, label: &str) -> Record {
        let mut fields = Fields { fields, odd: Vec::new() };
        let mut names: Vec<String> = NAMES.into_iter().filter_map(|name| fields.text(name)).collect();
        if names.is_empty() {
            names.extend(OTHER_NAMES.into_iter().find_map(|name| fields.text(name)));
        }
        let text = fields.text(label).unwrap_or_default();
        let done = match fields.text("action").as_deref() {
            None | Some("label") if fields.odd.iter().any(|odd| odd == label) => Done::Odd,
            None | Some("label") if text.trim().is_empty() => Done::Nothing,
            None | Some("label") => Done::Label(text),
            Some("skip") => Done::Skip,
            Some("undo") => Done::Undo(fields.parse("undoes", Key::parse)),
            Some("class") => Done::NewClass(text),
            Some("fields") => Done::Fields,
            Some(other) => Done::Unknown(other.to_owned()),
        };
        let asked = Asked {
            rule: fields.text("source"),
            why: fields.text("why"),
            round: fields.parse("round", |text| text.parse().ok()),
        };
        let mut record = Record {
            place,
            names,
            done,
            annotator: fields.text("annotator").filter(|name| !name.is_empty()),
            at: fields.parse("created_at", Moment::parse).or_else(|| fields.parse("when", Moment::parse)),
            key: fields.parse("key", Key::parse),
            seconds: fields.number("seconds", |seconds| seconds >= 0.0),
            model: fields.text("model"),
            model_label: fields.text("model_label").filter(|label| !label.is_empty()),
            confidence: fields.number("confidence", |confidence| (0.0..=1.0).contains(&confidence)),
            asked,
            extra: Map::new(),
            odd: fields.odd,
        };
        let mut rest = fields.fields;
        match rest.remove("extra") {
            Some(Value::Object(extra)) => record.extra = extra,
            Some(other) => drop(record.extra.insert("extra".into(), other)),
            None => {}
        }
        for (name, value) in rest {
            record.extra.entry(name).or_insert(value);
        }
        record
    }
}

/// What an event has beside its item, label and action, in the order in which people read it; what it has not is not there.
pub(super) fn fields(event: &Event, names: &Names) -> Result<Vec<(&'static str, Value)>> {
    let Event { key, annotator, at, action: _, seconds, said, asked, extra } = event;
    let mut fields = vec![("annotator", json!(annotator)), ("created_at", json!(at.to_string()))];
    let mut put = |name, value: Option<Value>| fields.extend(value.map(|value| (name, value)));
    put("source", asked.rule.as_ref().map(|rule| json!(rule)));
    put("confidence", said.confidence.map(|confidence| json!(confidence)));
    put("model_label", said.class.map(|class| names.class(class)).transpose()?.map(|label| json!(label)));
    put("model", said.model.as_ref().map(|model| json!(model)));
    put("seconds", seconds.map(|seconds| json!(seconds)));
    put("why", asked.why.as_ref().map(|why| json!(why)));
    put("round", asked.round.map(|round| json!(round)));
    put("key", Some(json!(key.to_string())));
    put("extra", (!extra.is_empty()).then(|| json!(extra)));
    Ok(fields)
}

/// The class that an event gives or adds.
pub(super) fn label<'a>(event: &'a Event, names: &'a Names) -> Result<Option<&'a str>> {
    match &event.action {
        Action::Label(_, class) => names.class(*class).map(Some),
        Action::NewClass(name) => Ok(Some(name)),
        Action::Skip(_) | Action::Undo(_) | Action::Fields(_) => Ok(None),
    }
}

/// Fields that are taken one after the other; what is left is nobody's.
struct Fields {
    fields: Map<String, Value>,
    odd: Vec<String>,
}

impl Fields {
    /// A number or a truth value is a text as well.
    fn text(&mut self, name: &str) -> Option<String> {
        match self.fields.remove(name)? {
            Value::Null => None,
            Value::String(text) => Some(text),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
            value @ (Value::Array(_) | Value::Object(_)) => {
                self.put_back(name, value);
                None
            }
        }
    }

    fn parse<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = self.fields.get(name).cloned();
        let text = self.text(name)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.put_back(name, value.expect("a text was taken from it"));
        }
        parsed
    }

    fn number(&mut self, name: &str, fits: impl FnOnce(f64) -> bool) -> Option<f64> {
        self.parse(name, |text| text.trim().parse().ok().filter(|number: &f64| number.is_finite() && fits(*number)))
    }

    fn put_back(&mut self, name: &str, value: Value) {
        self.fields.insert(name.to_owned(), value);
        self.odd.push(name.to_owned());
    }
}
