//! `GET /openapi.json`, and a page that lists the routes from it.

mod errors;

use std::fmt::Write;
use std::sync::LazyLock;

use axum::extract::State;
use axum::response::Html;
use serde_json::{Map, Value, json};
use utoipa::{OpenApi, ToSchema};

use self::errors::{AnyError, InferError};
pub(super) use self::errors::{ErrorBody, Wrong, WrongBody, WrongModel, WrongTensors};
use super::{Shared, feedback, health, infer, metrics, predict};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "halfmoon serve",
        description = "A classifier that learned from labelled and unlabelled rows: labels, how sure they are, how usual a row looks."
    ),
    paths(
        predict::predict,
        feedback::feedback,
        health::model,
        health::live,
        health::ready,
        metrics::show,
        infer::server,
        infer::live,
        infer::ready,
        infer::model,
        infer::model_ready,
        infer::infer,
        openapi,
        page
    ),
    // Those of responses are not found by themselves.
    components(schemas(AnyError, ErrorBody, InferError))
)]
struct Api;

/// `{"rows": [...]}`, an array of rows, or one row.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "says what `reading` takes apart")]
pub(super) enum Body {
    Rows { rows: Vec<Row> },
    Array(Vec<Row>),
    One(Row),
}

/// A value for each column by name (null is missing), or the values in the columns' order; of a picture `{"x": [...]}` or an array, a number a pixel.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "says what `reading` takes apart")]
pub(super) enum Row {
    Named(Map<String, Value>),
    Values(Vec<Value>),
}

/// The true classes of rows that were answered, or of rows that come with them: a class a row, null where it is not known.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "says what `feedback` takes apart")]
pub(super) enum Truth {
    /// By the `id` of the answer.
    OfAnswer { id: String, labels: Vec<Option<String>> },
    /// The rows are answered once more.
    OfRows { rows: Vec<Row>, labels: Vec<Option<String>> },
}

/// A table, or a row a line: one row at least.
#[derive(ToSchema)]
#[schema(min_length = 1)]
#[expect(dead_code, reason = "says what `reading` takes apart")]
pub(super) struct Text(String);

/// Files of pictures, one a part.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what `reading` takes apart")]
pub(super) struct Pictures {
    #[schema(value_type = Vec<String>, format = Binary)]
    picture: (),
}

static OPENAPI: LazyLock<Value> = LazyLock::new(|| {
    let mut api = serde_json::to_value(Api::openapi()).unwrap_or_default();
    api["info"]["license"] = json!({ "name": env!("CARGO_PKG_LICENSE") });
    with_versions(&mut api);
    api
});

/// Every route of a model is one of its versions too.
fn with_versions(api: &mut Value) {
    const MODEL: &str = "/v2/models/{model}";
    let Some(paths) = api["paths"].as_object_mut() else { return };
    let of_models =
        |(path, item): (&String, &Value)| path.strip_prefix(MODEL).map(|rest| (rest.to_owned(), item.clone()));
    let of_models: Vec<(String, Value)> = paths.iter().filter_map(of_models).collect();
    for (rest, mut item) in of_models {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            let id = operation["operationId"].as_str().map(|id| format!("{id}_of_version"));
            operation["operationId"] = json!(id);
            if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
                parameters.push(json!({
                    "name": "version", "in": "path", "required": true, "description": "its version",
                    "schema": { "type": "string" },
                }));
            }
        }
        paths.insert(format!("{MODEL}/versions/{{version}}{rest}"), item);
    }
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "watching", responses(
    (status = 200, body = Object, description = "OpenAPI 3.1"), Wrong,
))]
pub(super) async fn openapi(State(service): Shared) -> axum::Json<Value> {
    let live = service.live();
    let mut api = OPENAPI.clone();
    // What only this model knows.
    let classes: Vec<Value> = live.schema.classes.iter().map(|class| json!(class)).chain([Value::Null]).collect();
    for of in api["components"]["schemas"]["Truth"]["oneOf"].as_array_mut().into_iter().flatten() {
        of["properties"]["labels"]["items"]["enum"] = json!(classes);
    }
    let operations = api["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    let operations = operations.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for parameter in operations.filter_map(|of| of.get_mut("parameters")?.as_array_mut()).flatten() {
        let known = if parameter["name"] == "model" { &live.name } else { &live.version };
        parameter["schema"]["enum"] = json!([known]);
    }
    axum::Json(api)
}

/// A page that lists these routes.
#[utoipa::path(get, path = "/docs", tag = "watching", responses(
    (status = 200, body = String, content_type = "text/html", description = "for people"), Wrong,
))]
pub(super) async fn page() -> Html<&'static str> {
    static PAGE: LazyLock<String> = LazyLock::new(|| written(&OPENAPI));
    Html(&PAGE)
}

fn written(api: &Value) -> String {
    let mut page =
        String::from("<!doctype html><html lang=en><meta charset=utf-8><meta name=color-scheme content='light dark'>");
    let text = |value: &Value| escaped(value.as_str().unwrap_or_default());
    let (title, about) = (text(&api["info"]["title"]), text(&api["info"]["description"]));
    let mut write = |part: std::fmt::Arguments| page.write_fmt(part).expect("memory takes any text");
    write(format_args!("<title>{title}</title><h1>{title}</h1><p>{about}</p>"));
    write(format_args!("<p>For programs: <a href=openapi.json>openapi.json</a></p>"));
    for (path, item) in api["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let (method, path) = (escaped(&method.to_uppercase()), escaped(path));
            write(format_args!("<h2><code>{method} {path}</code></h2><p>{}</p>", text(&operation["summary"])));
            if operation["description"].is_string() {
                write(format_args!("<p>{}</p>", text(&operation["description"])));
            }
            let bodies = operation["requestBody"]["content"].as_object().into_iter().flatten();
            for (kind, of) in bodies {
                write(format_args!("<p>takes <code>{}</code>{}</p>", escaped(kind), named(&of["schema"])));
            }
            write(format_args!("<ul>"));
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                let schema = response["content"].as_object().and_then(|content| content.values().next());
                let schema = schema.map_or(String::new(), |of| named(&of["schema"]));
                let about = text(&response["description"]);
                write(format_args!("<li><code>{}</code> {about}{schema}</li>", escaped(status)));
            }
            write(format_args!("</ul>"));
        }
    }
    write(format_args!("<h2>What is in them</h2>"));
    for (name, schema) in api["components"]["schemas"].as_object().into_iter().flatten() {
        let (name, about) = (escaped(name), text(&schema["description"]));
        write(format_args!("<h3 id='{name}'>{name}</h3><p>{about}</p><ul>"));
        for (field, of) in schema["properties"].as_object().into_iter().flatten() {
            write(format_args!("<li><code>{}</code> {}{}</li>", escaped(field), text(&of["description"]), named(of)));
        }
        write(format_args!("</ul>"));
    }
    page
}

/// Where a schema that has a name is on the page.
fn named(schema: &Value) -> String {
    let inner = [schema, &schema["items"], &schema["oneOf"][1]];
    let name = inner.iter().find_map(|schema| schema["$ref"].as_str()?.rsplit('/').next());
    name.map_or(String::new(), |name| format!(" → <a href='#{0}'>{0}</a>", escaped(name)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;").replace('"', "&quot;")
}
