//! What the project is, its classes, its rule and its model.

use axum::extract::State;
use axum::http::StatusCode;
use halfmoon_journal::Moment;
use halfmoon_pool::error::did_you_mean;
use halfmoon_query::{RULES, rule};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{App, annotator, short};
use crate::label::view;
use crate::problem::{Json, Problem};

/// Characters of a class's name.
const LONGEST: usize = 200;

pub(super) async fn project(State(app): State<App>) -> Json<Value> {
    Json(view::project(&app.shared, &app.shared.desk()))
}

#[derive(Deserialize)]
pub(super) struct NewClass {
    annotator: Option<String>,
    name: String,
    /// It is meant, though another one differs in case and spaces alone.
    #[serde(default)]
    really: bool,
}

pub(super) async fn add_class(State(app): State<App>, Json(new): Json<NewClass>) -> Result<Json<Value>, Problem> {
    let annotator = annotator(new.annotator.as_ref())?;
    let name = new.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > LONGEST || name.chars().any(char::is_control) {
        let message = format!("a class has a name of 1 to {LONGEST} characters, without line breaks");
        return Err(Problem::of_field("name", message));
    }
    let twin = {
        let desk = app.shared.desk();
        let twin = |known: &&String| **known != name && plain(known) == plain(&name);
        desk.classes.iter().find(twin).filter(|_| !desk.classes.contains(&name)).cloned()
    };
    if let Some(twin) = twin.filter(|_| !new.really) {
        let problem = Problem::new(StatusCode::CONFLICT, format!("there is a class `{twin}` already")).field("name");
        return Err(problem.hint(format!("did you mean `{twin}`? `\"really\": true` makes another one")));
    }
    let class = app.clerk.call(move |journal| journal.add_class(&name, &annotator, Moment::now())).await?;
    Ok(Json(json!({"class": class.0, "classes": app.shared.desk().classes})))
}

/// Without what people mistake: case and spaces.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

#[derive(Deserialize)]
pub(super) struct Choice {
    rule: Option<String>,
    model: Option<String>,
}

pub(super) async fn choose(State(app): State<App>, Json(choice): Json<Choice>) -> Result<Json<Value>, Problem> {
    if choice.rule.is_none() && choice.model.is_none() {
        return Err(Problem::of_field("rule", "say which rule or which model"));
    }
    let found = choice.rule.map(|name| {
        let known = RULES.iter().map(|rule| rule.name);
        rule(&name).map_err(|_| unknown("rule", &name, known))
    });
    let found = found.transpose()?;
    let models = &app.shared.settings.models;
    if let Some(name) = choice.model.as_ref().filter(|name| models.iter().all(|(known, _)| known != *name)) {
        return Err(unknown("model", name, models.iter().map(|(name, _)| name.as_str())));
    }
    app.shared.change(|desk| {
        desk.rule = found.unwrap_or(desk.rule);
        desk.model_name = choice.model.unwrap_or_else(|| desk.model_name.clone());
    });
    Ok(project(State(app)).await)
}

fn unknown<'a>(field: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Problem {
    let name = short(name);
    Problem::of_field(field, format!("there is no {field} `{name}`")).hint(did_you_mean(&name, known))
}
