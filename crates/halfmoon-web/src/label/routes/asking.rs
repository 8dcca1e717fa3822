//! Questions, and the pictures in them.

use std::collections::HashSet;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use halfmoon_journal::scan::{contents, hash_of_file};
use halfmoon_journal::{Item, ItemId};
use halfmoon_pool::read::picture as pool_picture;
use serde_json::{Value, json};

use super::{App, Asked, annotator, aside, number, place, short};
use crate::label::desk::{Desk, Shared};
use crate::label::items::{File, Place};
use crate::label::{picture as pictures, view};
use crate::problem::{Json, Problem};

/// Questions that are handed out at once.
const MOST: usize = 50;

/// Handfuls of items that are looked through for some that can be shown.
const TRIES: usize = 20;

/// Pictures that are decoded at the same time: each may take half a gigabyte while it is.
static DECODERS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(2);

pub(super) async fn next(State(app): State<App>, asked: Asked) -> Result<Json<Value>, Problem> {
    let annotator = annotator(asked.get("annotator"))?;
    let n = number(&asked, "n", 8_usize)?.clamp(1, MOST);
    let mut held = held(&app.shared.desk(), asked.get("not").map_or("", String::as_str))?;
    let mut questions = Vec::new();
    for _ in 0..TRIES {
        let chosen = {
            let mut desk = app.shared.desk();
            let by = desk.annotator(&annotator);
            let wanted = n - questions.len();
            desk.hand_out(by, wanted, &held, app.shared.settings.judge, Instant::now())
        };
        if chosen.is_empty() {
            break;
        }
        held.extend(&chosen);
        questions.extend(ask(&app, &annotator, chosen).await?);
        if questions.len() == n {
            break;
        }
    }
    if questions.is_empty() {
        let waiting = waiting(&app.shared.desk());
        return Ok(Json(json!({"questions": [], "waiting": waiting})));
    }
    Ok(Json(json!({"questions": questions})))
}

/// Items that the page has already: numbers with commas between them.
fn held(desk: &Desk, text: &str) -> Result<HashSet<Place>, Problem> {
    let numbers = text.split(',').map(str::trim).filter(|text| !text.is_empty());
    let item = |text: &str| {
        let number = text.parse().map_err(|_| Problem::of_field("not", format!("`{}` is no item", short(text))))?;
        Ok(desk.items.of_item(ItemId(number)))
    };
    numbers.filter_map(|text| item(text).transpose()).collect()
}

/// Why there is no question.
fn waiting(desk: &Desk) -> &'static str {
    let has_items = desk.items.iter().any(|(_, known)| known.is_asked());
    match (desk.scan.state, has_items) {
        ("failed", false) => "the data could not be read",
        ("listing", false) => "the data are being listed",
        ("reading", false) => "the data are being read",
        (_, false) => "there is no item without a label",
        ("done" | "failed", true) => {
            "nothing is left to ask you: what has no label yet was skipped, or somebody else is looking at it"
        }
        (_, true) => "nothing is left to ask you yet: the data are still being read",
    }
}

/// Questions about these items, without those that turn out to be no pictures.
pub(super) async fn ask(app: &App, annotator: &str, places: Vec<Place>) -> Result<Vec<Value>, Problem> {
    let shared = app.shared.clone();
    let looked = aside(move || places.into_iter().map(|place| look(&shared, place)).collect::<Vec<Looked>>()).await?;
    let new: Vec<Item> = looked.iter().filter_map(|looked| looked.new.clone()).collect();
    if !new.is_empty() {
        // The clerk puts their numbers on the desk.
        app.clerk.call(move |journal| journal.add_items(&new)).await?;
    }
    let mut desk = app.shared.desk();
    let question = |Looked { place, size, is_broken, .. }: &Looked| {
        if *is_broken { None } else { view::question(&mut desk, *place, annotator, *size) }
    };
    Ok(looked.iter().filter_map(question).collect())
}

/// An item that was looked at before it is shown.
struct Looked {
    place: Place,
    /// Width and height of a picture.
    size: Option<(u32, u32)>,
    /// For the journal, where it has no number yet.
    new: Option<Item>,
    is_broken: bool,
}

fn look(shared: &Shared, place: Place) -> Looked {
    let (id, path, split, has_number) = {
        let desk = shared.desk();
        let known = desk.items.get(place);
        (known.id.clone(), known.path(), known.split, known.item.is_some())
    };
    let mut looked = Looked { place, size: None, new: None, is_broken: false };
    let Some(path) = path else {
        looked.new = row(shared, place).filter(|_| !has_number);
        return looked;
    };
    let file = pictures::file(&shared.settings.data, &path).ok();
    let size = file.as_ref().and_then(|file| pool_picture::size(file).ok());
    let content = file.as_ref().filter(|_| !has_number).and_then(|file| hash_of_file(file));
    if size.is_none() || !has_number && content.is_none() {
        looked.is_broken = true;
        shared.desk().put_broken(place);
        return looked;
    }
    looked.size = size;
    looked.new = content.map(|content| {
        let desk = shared.desk();
        // As the reader writes it down: by the name that is Unicode.
        let path = (desk.items.get(place).file != File::None).then(|| id.to_string());
        Item { id: id.to_string(), path, content, split }
    });
    looked
}

/// A row of a table or of an array, as the reader writes it down.
fn row(shared: &Shared, place: Place) -> Option<Item> {
    let (id, split, row, data) = {
        let desk = shared.desk();
        let known = desk.items.get(place);
        (known.id.to_string(), known.split, known.row?, desk.data.clone()?)
    };
    let content = contents(&data.read().select(&[row as usize])).pop()?;
    Some(Item { id, path: None, content, split })
}

pub(super) async fn item(
    State(app): State<App>,
    Path(item): Path<String>,
    asked: Asked,
) -> Result<Json<Value>, Problem> {
    let annotator = annotator(asked.get("annotator"))?;
    let place = of_path(&app, &item)?;
    let question = ask(&app, &annotator, vec![place]).await?.pop();
    let problem = || Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the item cannot be shown").field("item");
    question.map(Json).ok_or_else(problem)
}

fn of_path(app: &App, item: &str) -> Result<Place, Problem> {
    let number = item.parse().map_err(|_| Problem::new(StatusCode::NOT_FOUND, "an item has a number").field("item"))?;
    place(&app.shared.desk(), number)
}

pub(super) async fn picture(
    State(app): State<App>,
    Path(item): Path<String>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let place = of_path(&app, &item)?;
    let size = asked.contains_key("size").then(|| number(&asked, "size", 0_u32)).transpose()?;
    if size.is_some_and(|size| !pictures::SIZES.contains(&size)) {
        let (least, most) = pictures::SIZES.into_inner();
        return Err(Problem::of_field("size", format!("a picture is {least} to {most} pixels long")));
    }
    let permit = DECODERS.acquire().await;
    let shared = app.shared.clone();
    let shown = aside(move || {
        // Here, since the thread goes on when nobody waits for it any more.
        let _permit = permit;
        let origin = pictures::origin(&shared, place)?;
        pictures::shown(&origin, size)
    });
    let shown = shown.await??;
    Ok(tagged(shown.kind, shown.bytes, &headers))
}

/// A picture. A browser asks each time whether it has the right one: another project may listen at this address tomorrow.
pub(super) fn tagged(kind: &'static str, bytes: Vec<u8>, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", &blake3::hash(&bytes).to_hex()[..32]);
    let tag = HeaderValue::from_str(&tag).expect("hexadecimal digits");
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == tag);
    let cached = HeaderValue::from_static("private, no-cache");
    let about = [(header::ETAG, tag), (header::CACHE_CONTROL, cached)];
    if is_known {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(header::CONTENT_TYPE, kind)], bytes).into_response()
}
