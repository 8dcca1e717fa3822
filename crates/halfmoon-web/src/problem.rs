//! What is wrong with a request, as a status and `{"error": {"field": …, "message": …, "hint": …}}`.
//!
//! It names the place in the request, never one on this machine.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use halfmoon_pool::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// Where in the request: `rows[3].age`.
    pub(crate) field: Option<String>,
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// In how many seconds it is worth another try.
    pub(crate) retry_after: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Problem {
        Problem { status, field: None, message: message.into(), hint: None, retry_after: None }
    }

    /// 422: the request was understood and cannot be done.
    pub(crate) fn of_field(field: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message).field(field)
    }

    #[must_use]
    pub(crate) fn field(mut self, field: impl Into<String>) -> Problem {
        self.field = Some(field.into());
        self
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn retry_after(mut self, seconds: u64) -> Problem {
        self.retry_after = Some(seconds);
        self
    }
}

/// What lies on this machine and cannot be read is the server's fault, all else the request's. Paths are left out.
impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let hint = error.hint().map(str::to_owned);
        let problem = match error {
            Error::Io { source, .. } => {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the server's own files: {}", source.kind()))
            }
            Error::Data { place, problem, .. } => {
                let row = place.row.map(|row| format!("row {row}"));
                let column = place.column.map(|column| format!("column {column}"));
                let field: Vec<String> = row.into_iter().chain(column).collect();
                let whole = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, problem);
                if field.is_empty() { whole } else { whole.field(field.join(", ")) }
            }
            Error::Usage { problem, .. } => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, problem),
        };
        Problem { hint, ..problem }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Problem { status, field, message, hint, retry_after } = self;
        let body = json!({ "error": { "field": field, "message": message, "hint": hint } });
        let mut response = (status, axum::Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// JSON in and out. What comes in and is wrong is told with its place.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        from_json(&json_body(request).await?).map(Json)
    }
}

/// A body that says it is JSON.
pub(crate) async fn json_body(request: Request) -> Result<Bytes, Problem> {
    if !is_json(request.headers()) {
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body has to be JSON");
        return Err(problem.field("content-type").hint("send `content-type: application/json`"));
    }
    body(request).await
}

pub(crate) async fn body(request: Request) -> Result<Bytes, Problem> {
    let body = Bytes::from_request(request, &()).await;
    body.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()).field("body"))
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json")
}

/// 400 where it is no JSON, 422 where it is other JSON than is wanted.
pub(crate) fn from_json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let problem = of_json(error.inner());
        if problem.status == StatusCode::UNPROCESSABLE_ENTITY && path != "." { problem.field(path) } else { problem }
    })?;
    reader.end().map_err(|error| of_json(&error))?;
    Ok(value)
}

pub(crate) fn of_json(error: &serde_json::Error) -> Problem {
    if error.is_data() {
        let said = error.to_string();
        let what = said.rsplit_once(" at line ").map_or(&*said, |(what, _)| what);
        return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what).field("body");
    }
    Problem::new(StatusCode::BAD_REQUEST, format!("no JSON: {error}")).field("body")
}

/// For [`axum::Router::fallback`].
pub(crate) async fn no_such_path(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}")).field("path")
}

/// For [`axum::Router::method_not_allowed_fallback`].
pub(crate) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{path} does not take {method}"))
        .field("method")
        .hint("the header `allow` says what it takes")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use halfmoon_pool::error::Place;

    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Ask {
        rows: Vec<u8>,
    }

    #[test]
    fn an_error_keeps_its_row_and_column_and_loses_its_path() {
        let place = Place::row(Path::new("/home/ann/pets.csv"), 7).column("age");
        let problem = Problem::from(Error::data(place, "`old` is not a number", "give one"));
        assert_eq!(problem.field.as_deref(), Some("row 7, column age"));
        assert_eq!(problem.hint.as_deref(), Some("give one"));
        assert_eq!((problem.status.as_u16(), &*problem.message), (422, "`old` is not a number"));
        let gone = std::io::Error::new(std::io::ErrorKind::NotFound, "/home/ann/run/model");
        let problem = Problem::from(Error::io(Path::new("/home/ann/run"), gone));
        assert_eq!(problem.status.as_u16(), 500);
        assert!(!format!("{problem:?}").contains("ann"), "{problem:?}");
    }

    #[test]
    fn wrong_json_is_told_with_its_place() {
        assert_eq!(from_json::<Ask>(br#"{"rows": [1, 2]}"#), Ok(Ask { rows: vec![1, 2] }));
        let wrong = from_json::<Ask>(br#"{"rows": [1, "2"]}"#).expect_err("a text");
        assert_eq!((wrong.status.as_u16(), wrong.field.as_deref()), (422, Some("rows[1]")));
        assert_eq!(wrong.message, "invalid type: string \"2\", expected u8");
        let broken = from_json::<Ask>(br#"{"rows": [1, "#).expect_err("cut off");
        assert_eq!((broken.status.as_u16(), broken.field.as_deref()), (400, Some("body")));
        assert_eq!(from_json::<Ask>(br#"{"rows": []} x"#).expect_err("more").status.as_u16(), 400);
    }

    #[test]
    fn json_that_is_a_million_deep_is_refused() {
        let deep = [b"{\"rows\": ".as_slice(), &b"[".repeat(1_000_000)].concat();
        assert_eq!(from_json::<serde_json::Value>(&deep).expect_err("too deep").status.as_u16(), 400);
    }
}
