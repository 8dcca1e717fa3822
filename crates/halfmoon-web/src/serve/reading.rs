//! A request's body to encoded rows, whatever form it has.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, StatusCode, header};
use halfmoon_pool::read::{Chunk, Status, memory};
use ndarray::Array2;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Service;
use super::live::{Arriving, Live};
use crate::problem::{Problem, body, of_json};

/// Rows as they came: an entry for each, and an encoded row for each that is readable.
pub(super) struct Rows {
    pub(super) ids: Vec<String>,
    pub(super) status: Vec<Status>,
    /// `[readable, d]`.
    pub(super) encoded: Vec<Array2<f32>>,
}

/// What a request may hold rows in.
pub(super) enum Form {
    /// A table as text.
    Csv(Bytes),
    /// An array of rows, an object with `rows`, one row.
    Json(Bytes),
    /// A row a line.
    JsonLines(Bytes),
    /// Pictures' names and files.
    Pictures(Vec<(String, Bytes)>),
}

impl Form {
    /// By the content type. 415 for any other.
    pub(super) async fn of(request: Request) -> Result<Form, Problem> {
        let kind = content_type(request.headers());
        if kind == "multipart/form-data" {
            let multipart = Multipart::from_request(request, &()).await;
            let multipart = multipart.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()));
            return pictures(multipart.map_err(|problem| problem.field("content-type"))?).await.map(Form::Pictures);
        }
        let form = match &*kind {
            "application/json" => Form::Json,
            "text/csv" => Form::Csv,
            "application/x-ndjson" | "application/jsonl" => Form::JsonLines,
            _ => {
                let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "rows do not come in this form");
                let hint =
                    "send application/json, text/csv, application/x-ndjson, or multipart/form-data with pictures";
                return Err(problem.field("content-type").hint(hint));
            }
        };
        body(request).await.map(form)
    }
}

fn content_type(headers: &HeaderMap) -> String {
    let said = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Every part is a picture, known by its file's name, or else by the field's.
async fn pictures(mut parts: Multipart) -> Result<Vec<(String, Bytes)>, Problem> {
    let wrong =
        |error: axum::extract::multipart::MultipartError| Problem::new(error.status(), error.body_text()).field("body");
    let mut files = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(wrong)? {
        let name = part.file_name().or_else(|| part.name()).map(str::to_owned);
        let name = name.unwrap_or_else(|| (files.len() + 1).to_string());
        files.push((name, part.bytes().await.map_err(wrong)?));
    }
    if files.is_empty() {
        return Err(nothing());
    }
    Ok(files)
}

fn nothing() -> Problem {
    Problem::of_field("body", "it holds no row")
}

impl Service {
    /// Reads on a thread where it may take its time; so many at once as there are cores. What is beside the rows comes along.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        live: &Arc<Live>,
        read: impl FnOnce(&Live) -> Result<(Vec<Chunk>, T), Problem> + Send + 'static,
    ) -> Result<(Rows, T, Arriving), Problem> {
        let arriving = live.arriving();
        let failed = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server made a mistake");
        let permit = Arc::clone(&self.readers).acquire_owned().await.map_err(|_| failed())?;
        let live = Arc::clone(live);
        let read = tokio::task::spawn_blocking(move || {
            // Here, since the thread goes on when nobody waits for it any more.
            let _permit = permit;
            read(&live).map(|(chunks, beside)| (encoded(&live, chunks), beside))
        });
        let (rows, beside) = read.await.map_err(|_| failed())??;
        for status in &rows.status {
            self.metrics.row(kind(status));
        }
        Ok((rows, beside, arriving))
    }
}

/// `ok`, `unseen`, `unreadable`.
pub(super) fn kind(status: &Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Unseen(_) => "unseen",
        Status::Unreadable(_) => "unreadable",
    }
}

fn encoded(live: &Live, chunks: Vec<Chunk>) -> Rows {
    let mut rows = Rows { ids: Vec::new(), status: Vec::new(), encoded: Vec::new() };
    for Chunk { ids, status, inputs } in chunks {
        let readable: Vec<usize> = (0..status.len()).filter(|&row| status[row].is_readable()).collect();
        if !readable.is_empty() {
            rows.encoded.push(live.encoding.encode(&inputs, &readable));
        }
        rows.ids.extend(ids);
        rows.status.extend(status);
    }
    rows
}

/// The rows of a body. An error only where it cannot be told what its rows are.
pub(super) fn chunks(live: &Live, form: &Form) -> Result<Vec<Chunk>, Problem> {
    let chunks = match form {
        Form::Csv(text) => memory::table(text, &live.schema, &live.options),
        Form::Json(text) => memory::rows(json_rows(text)?.into_iter().map(row), &live.schema),
        Form::JsonLines(text) => {
            let lines = text.strip_suffix(b"\n").unwrap_or(text).split(|&byte| byte == b'\n');
            let lines = lines.take(if text.is_empty() { 0 } else { usize::MAX });
            memory::rows(lines.map(line), &live.schema)
        }
        Form::Pictures(files) => {
            let files: Vec<(String, &[u8])> = files.iter().map(|(name, file)| (name.clone(), &**file)).collect();
            memory::pictures(&files, &live.schema)
        }
    };
    let chunks = chunks.map_err(|error| {
        let problem = Problem::from(error);
        if problem.field.is_none() { problem.field("body") } else { problem }
    })?;
    if chunks.is_empty() { Err(nothing()) } else { Ok(chunks) }
}

/// Each row untaken apart, so that no more than one of them is at a time. An object is a row, unless its `rows` is an array.
fn json_rows(text: &[u8]) -> Result<Vec<&RawValue>, Problem> {
    #[derive(Deserialize)]
    struct WithRows<'a> {
        #[serde(borrow)]
        rows: Option<&'a RawValue>,
    }
    let is_array = |value: &&RawValue| value.get().starts_with('[');
    let body: &RawValue = serde_json::from_slice(text).map_err(|error| of_json(&error))?;
    match body.get().as_bytes().first() {
        Some(b'[') => {
            let rows: Vec<&RawValue> = serde_json::from_str(body.get()).map_err(|error| of_json(&error))?;
            let is_row = |value: &&RawValue| value.get().starts_with(['[', '{']);
            // Its numbers or texts are those of one row.
            if rows.first().is_none_or(is_row) { Ok(rows) } else { Ok(vec![body]) }
        }
        Some(b'{') => {
            let WithRows { rows } = serde_json::from_str(body.get()).map_err(|error| of_json(&error))?;
            match rows.filter(is_array) {
                Some(rows) => serde_json::from_str(rows.get()).map_err(|error| of_json(&error)),
                None => Ok(vec![body]),
            }
        }
        _ => Err(Problem::of_field("body", "it is neither an array of rows nor an object")),
    }
}

fn row(text: &RawValue) -> Result<Value, String> {
    serde_json::from_str(text.get()).map_err(|error| format!("no JSON: {error}"))
}

fn line(text: &[u8]) -> Result<Value, String> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err("the line is empty".to_owned());
    }
    serde_json::from_slice(text).map_err(|error| format!("no JSON: {error}"))
}
