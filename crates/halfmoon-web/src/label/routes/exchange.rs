//! Labels as files of other programs, and from them.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{Multipart, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use halfmoon_journal::exchange::{self, FORMATS, Format, Imported, Options};
use halfmoon_journal::{Journal, Moment};
use halfmoon_pool::Error;
use halfmoon_pool::error::did_you_mean;
use halfmoon_pool::read::Problem as Left;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Sender, channel};

use super::{App, Asked, annotator, read, short};
use crate::label::clerk::Refused;
use crate::problem::{Json, Problem};

/// Bytes that are sent at once, and how many such pieces wait for a slow reader.
const PIECE: usize = 64 << 10;
const PIECES: usize = 4;

/// Reasons that are listed of an import; the count is of all.
const LISTED: usize = 100;

pub(super) async fn export(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let name = asked.get("format").map_or("csv", String::as_str);
    let format = format(name)?;
    let journal = read(&app, Ok).await?;
    let (pieces, taken) = channel::<Result<Bytes, std::io::Error>>(PIECES);
    // Written as it is taken: no file is too large.
    tokio::task::spawn_blocking(move || {
        let mut out = BufWriter::with_capacity(PIECE, Pieces(pieces.clone()));
        let written = exchange::export(&journal, format, &mut out);
        let flushed = out.flush();
        if written.is_err() || flushed.is_err() {
            // The answer breaks off, so that nobody takes a part for the whole.
            let _ = pieces.blocking_send(Err(std::io::Error::other("the export broke off")));
        }
    });
    let body = Body::from_stream(unfold(taken, |mut taken| async { Some((taken.recv().await?, taken)) }));
    let ending = format.endings.first().copied().unwrap_or_default();
    let stem: String = app.shared.name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    let stem = if stem.is_empty() { "labels".to_owned() } else { stem };
    let file = HeaderValue::from_str(&format!("attachment; filename=\"{stem}-labels{ending}\""));
    let file = file.unwrap_or(HeaderValue::from_static("attachment"));
    let kind = match format.name {
        "csv" => "text/csv; charset=utf-8",
        "jsonl" => "application/jsonl",
        _ => "application/json",
    };
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CONTENT_DISPOSITION, file)], body)
        .into_response())
}

/// Passes what is written on to a body.
struct Pieces(Sender<Result<Bytes, std::io::Error>>);

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        let gone = |_| std::io::Error::new(std::io::ErrorKind::BrokenPipe, "nobody reads any more");
        self.0.blocking_send(Ok(Bytes::copy_from_slice(piece))).map_err(gone)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn format(name: &str) -> Result<&'static Format, Problem> {
    FORMATS.iter().find(|format| format.name == name).ok_or_else(|| {
        let name = short(name);
        let hint = did_you_mean(&name, FORMATS.iter().map(|format| format.name));
        Problem::of_field("format", format!("`{name}` is not a format of labels")).hint(hint)
    })
}

pub(super) async fn import(State(app): State<App>, mut parts: Multipart) -> Result<Json<Value>, Problem> {
    let (mut file, mut name_of_format, mut by, mut new_classes) = (None, None, None, None);
    let broken =
        |error: axum::extract::multipart::MultipartError| Problem::new(error.status(), error.body_text()).field("body");
    while let Some(mut part) = parts.next_field().await.map_err(broken)? {
        match part.name().unwrap_or_default() {
            "file" => {
                let name = part.file_name().unwrap_or_default().to_lowercase();
                let (pieces, mut taken) = channel::<Bytes>(PIECES);
                let aside_file = Aside::new(&app.shared.settings.project);
                let path = aside_file.0.clone();
                let written = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
                    let mut file = std::fs::File::create_new(path)?;
                    while let Some(piece) = taken.blocking_recv() {
                        file.write_all(&piece)?;
                    }
                    Ok(())
                });
                while let Some(piece) = part.chunk().await.map_err(broken)? {
                    if pieces.send(piece).await.is_err() {
                        break;
                    }
                }
                drop(pieces);
                let is_written = written.await.is_ok_and(|written| written.is_ok());
                if !is_written {
                    return Err(Problem::new(
                        StatusCode::INSUFFICIENT_STORAGE,
                        "the file cannot be kept: is the disk full?",
                    ));
                }
                file = Some((aside_file, name));
            }
            "format" => name_of_format = Some(part.text().await.map_err(broken)?).filter(|text| !text.is_empty()),
            "annotator" => by = Some(part.text().await.map_err(broken)?),
            "new_classes" => new_classes = Some(part.text().await.map_err(broken)? == "true"),
            other => {
                return Err(Problem::of_field(
                    short(other),
                    "there is no such part: `file`, `format`, `annotator`, `new_classes`",
                ));
            }
        }
    }
    let annotator = annotator(by.as_ref())?;
    let (file, name) = file.ok_or_else(|| Problem::of_field("file", "there is no file"))?;
    let name_of_format = if let Some(name) = name_of_format {
        format(&name)?.name
    } else {
        let of_name = exchange::format(None, Path::new(&name)).ok().map(|format| format.name);
        let known: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        let problem = || Problem::of_field("format", "the file's name does not tell the format");
        of_name.ok_or_else(|| problem().hint(format!("say which: {}", known.join(", "))))?
    };
    // A project without a class has nothing else to begin with.
    let new_classes = new_classes.unwrap_or_else(|| app.shared.desk().classes.is_empty());
    let options =
        Options { format: Some(name_of_format.to_owned()), label: None, annotator, new_classes, now: Moment::now() };
    let imported = import_file(&app, file, options).await?;
    Ok(Json(told(&imported)))
}

/// Imports a file that is removed afterwards.
pub(super) async fn import_file(app: &App, file: Aside, options: Options) -> Result<Imported, Problem> {
    let work = move |journal: &mut Journal| {
        let imported = exchange::import(journal, &file.0, &options);
        drop(file);
        imported
    };
    let project = &app.shared.settings.project;
    let mut imported = app.clerk.call(work).await.map_err(|refused| match refused {
        Refused::Because(Error::Data { place, problem, hint }) if place.path != *project => {
            Problem { field: Some("file".into()), ..Problem::from(Error::Data { place, problem, hint }) }
        }
        Refused::Because(error @ Error::Usage { .. }) => Problem::from(error).field("file"),
        // The journal, or the disk.
        refused => Problem::from(refused),
    })?;
    // Places are rows of a file that the user does not know by this name.
    for left in imported.problems.iter_mut().chain(&mut imported.conflicts) {
        left.place = left.place.split_once(", ").map_or("file", |(_, rest)| rest).to_owned();
        left.reason = left.reason.replace("; `--new-classes` makes it one", "");
    }
    Ok(imported)
}

fn told(imported: &Imported) -> Value {
    let left = |all: &[Left]| {
        let one = |left: &Left| json!({"place": left.place, "reason": left.reason});
        all.iter().take(LISTED).map(one).collect::<Vec<Value>>()
    };
    json!({
        "records": imported.records,
        "new": imported.new,
        "already": imported.already,
        "repeated": imported.repeated,
        "older": imported.older,
        "unlabelled": imported.unlabelled,
        "left_out": imported.problems.len(),
        "problems": left(&imported.problems),
        "conflicts": left(&imported.conflicts),
        "new_classes": imported.new_classes,
        "notes": imported.notes,
    })
}

/// A file beside the project, removed when it is done with.
pub(super) struct Aside(pub(super) PathBuf);

impl Aside {
    pub(super) fn new(project: &Path) -> Aside {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut name = project.as_os_str().to_owned();
        name.push(format!(".{}.{}.import", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        Aside(name.into())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
