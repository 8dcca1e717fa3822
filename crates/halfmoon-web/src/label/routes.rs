//! The routes: they translate, and think nothing.

mod asking;
mod events;
mod exchange;
mod generated;
mod label_studio;
mod labelling;
mod panels;
mod project;

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use halfmoon_journal::{DATA, ItemId, Journal, Key};
use halfmoon_pool::Class;

use super::clerk::{Clerk, Refused};
use super::desk::{Desk, Shared};
use super::items::Place;
use crate::problem::{Problem, no_such_method};

/// What every route has.
#[derive(Clone)]
pub(super) struct App {
    pub(super) shared: Arc<Shared>,
    pub(super) clerk: Clerk,
}

pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/api/project", get(project::project))
        .route("/api/classes", post(project::add_class))
        .route("/api/rule", post(project::choose))
        .route("/api/events", get(events::events))
        .route("/api/next", get(asking::next))
        .route("/api/items/{item}", get(asking::item))
        .route("/api/items/{item}/picture", get(asking::picture))
        .route("/api/label", post(labelling::label))
        .route("/api/skip", post(labelling::skip))
        .route("/api/undo", post(labelling::undo))
        .route("/api/panels", get(panels::panels))
        .route("/api/examples/{round}/{file}", get(panels::example))
        .route("/api/generated", get(generated::list).post(generated::answer))
        .route("/api/generated/{file}", get(generated::picture))
        .route("/api/export", get(exchange::export))
        .route("/api/import", post(exchange::import))
        .route("/setup", post(label_studio::setup))
        .route("/predict", post(label_studio::predict))
        .route("/webhook", post(label_studio::webhook))
        .route_layer(from_fn_with_state(app.clone(), loaded))
        .route("/health", get(label_studio::health))
        .method_not_allowed_fallback(no_such_method)
        .with_state(app)
}

/// Lets nobody see a project whose labels are not all there yet.
async fn loaded(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let unknown = |reason| Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason).retry_after(2);
    app.shared.loaded().await.map_err(unknown)?;
    Ok(next.run(request).await)
}

/// What stands behind the `?` of a request.
type Asked = Query<HashMap<String, String>>;

/// A number of a query's field, or what stands for it where it is not given.
fn number<T: FromStr>(asked: &Asked, field: &str, otherwise: T) -> Result<T, Problem> {
    match asked.get(field) {
        None => Ok(otherwise),
        Some(text) => text.parse().map_err(|_| Problem::of_field(field, format!("`{}` is no number", short(text)))),
    }
}

/// Who asks or answers.
fn annotator(name: Option<&String>) -> Result<String, Problem> {
    let name = name.map(|name| name.trim()).unwrap_or_default();
    let problem = |message: &str| Err(Problem::of_field("annotator", message));
    if name.is_empty() {
        return problem("say who you are: a name of 1 to 100 characters");
    }
    if name.chars().count() > 100 || name.chars().any(char::is_control) {
        return problem("a name has at most 100 characters, and no line breaks");
    }
    if name == DATA {
        return problem("this name is kept for the labels that came with the data: choose another one");
    }
    Ok(name.to_owned())
}

fn key(text: &str) -> Result<Key, Problem> {
    Key::parse(text).ok_or_else(|| Problem::of_field("key", "a key is 32 hexadecimal digits, made anew for each click"))
}

/// The item of this number, where it is one of the data.
fn place(desk: &Desk, item: i64) -> Result<Place, Problem> {
    let place = desk.items.of_item(ItemId(item)).filter(|place| desk.items.get(*place).is_of_data());
    place.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("there is no item {item}")).field("item"))
}

fn class(desk: &Desk, field: &str, class: u16) -> Result<Class, Problem> {
    let classes = desk.classes.len();
    if usize::from(class) < classes {
        return Ok(Class(class));
    }
    Err(Problem::of_field(field, format!("there is no class {class}: there are {classes}, counted from 0")))
}

/// The beginning of what somebody typed.
fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Reads the journal by a reader of its own: it waits for nobody, and nobody for it.
async fn read<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(Journal) -> halfmoon_pool::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let project = app.shared.settings.project.clone();
    Ok(aside(move || work(Journal::open(&project)?)).await?.map_err(Refused::Because)?)
}

/// Work that waits for a disk or takes a while, on a thread for such.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request was given up");
    tokio::task::spawn_blocking(work).await.map_err(failed)
}
