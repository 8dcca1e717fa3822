//! Examples that the model made up and is in doubt about: to be looked at, and labelled or refused.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use halfmoon_journal::{Action, Appended, Content, Event, Item, ItemId, Journal, Key, Moment, Said, Split};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::asking::tagged;
use super::labelling::of_key;
use super::{App, Asked, annotator, class, key, number};
use crate::label::desk::Desk;
use crate::label::examples::Made;
use crate::label::items::GENERATED;
use crate::problem::{Json, Problem};

/// More than are made in a round: the number of a round and of an example in it are one number on the page.
const IN_A_ROUND: u32 = 1_000;

fn page_number(made: &Made) -> u32 {
    made.round.saturating_mul(IN_A_ROUND).saturating_add(made.number)
}

/// Of the example that has this number on the page.
fn id_of(page_number: u32) -> String {
    format!("{GENERATED}{}-{}", page_number / IN_A_ROUND, page_number % IN_A_ROUND)
}

fn id(made: &Made) -> String {
    id_of(page_number(made))
}

fn has_answer(desk: &Desk, made: &Made) -> bool {
    desk.items.of_id(&id(made)).is_some_and(|place| desk.standing.contains_key(&place))
}

pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Json<Value>, Problem> {
    let n = number(&asked, "n", 4_usize)?.min(50);
    let desk = app.shared.desk();
    let open: Vec<&Made> = desk.examples.doubtful.iter().filter(|made| !has_answer(&desk, made)).collect();
    let reason = match (desk.examples.none_because, desk.model.is_ready) {
        (Some(reason), _) => Some(reason),
        (None, false) => Some("there is no model yet"),
        (None, true) if open.is_empty() => Some("all of this round have an answer, or are being made"),
        (None, true) => None,
    };
    let one = |made: &&Made| {
        let number = page_number(made);
        let url = format!("/api/generated/{number}.png");
        json!({"number": number, "url": url, "class": made.class.0, "confidence": made.confidence})
    };
    Ok(Json(json!({"pictures": open.iter().take(n).map(one).collect::<Vec<Value>>(), "none_because": reason})))
}

pub(super) async fn picture(
    State(app): State<App>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let number = file.strip_suffix(".png").and_then(|number| number.parse().ok());
    let made = number.and_then(|number| of_number(&app, number)).ok_or_else(|| gone("path"))?;
    Ok(tagged("image/png", made.png, &headers))
}

fn of_number(app: &App, number: u32) -> Option<Made> {
    let examples = app.shared.desk().examples.clone();
    examples.doubtful.iter().find(|made| page_number(made) == number).cloned()
}

fn gone(field: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such example: a later model has made others").field(field)
}

#[derive(Deserialize)]
pub(super) struct Answer {
    annotator: Option<String>,
    key: String,
    number: u32,
    /// A class, `null` for what nobody can say, `"refused"` for what is no example of anything.
    class: Value,
}

pub(super) async fn answer(State(app): State<App>, Json(answer): Json<Answer>) -> Result<Json<Value>, Problem> {
    let annotator = annotator(answer.annotator.as_ref())?;
    let key = key(&answer.key)?;
    let given = match &answer.class {
        Value::Null => None,
        Value::String(text) if text == "refused" => None,
        Value::Number(number) => {
            let number = number.as_u64().and_then(|number| u16::try_from(number).ok());
            let number = number.ok_or_else(|| Problem::of_field("class", "a class is a number, counted from 0"))?;
            Some(class(&app.shared.desk(), "class", number)?)
        }
        _ => return Err(Problem::of_field("class", "give a class by its number, null, or \"refused\"")),
    };
    let mut extra = Map::from_iter([("generated".to_owned(), json!(true))]);
    if answer.class == "refused" {
        extra.insert("refused".to_owned(), json!(true));
    }
    let said_of = move |item| given.map_or(Action::Skip(item), |class| Action::Label(item, class));
    let event = move |item| Event { key, extra, ..Event::new(&annotator, Moment::now(), said_of(item)) };
    let made = of_number(&app, answer.number);
    let appended = app.clerk.call(move |journal| match made {
        Some(made) => append(journal, &made, event).map(Some),
        // Of a round before this one is kept what had an answer: to that another one may come, or the same once more.
        None => match journal.find(&id_of(answer.number))? {
            Some(item) => journal.append(&event(item)).map(Some),
            None => Ok(None),
        },
    });
    let appended = appended.await.map_err(of_key)?.ok_or_else(|| gone("number"))?;
    Ok(Json(json!({"event": appended.event.0, "is_new": appended.is_new, "labelled": app.shared.desk().labelled})))
}

/// The example, its numbers, and what somebody says of it.
fn append(journal: &mut Journal, made: &Made, event: impl FnOnce(ItemId) -> Event) -> halfmoon_pool::Result<Appended> {
    let item = item(made);
    journal.add_items(std::slice::from_ref(&item))?;
    let number = journal.find(&item.id)?.expect("it was added");
    // Once for all who look at it, so its key is made of it.
    let fields = Event {
        key: Key::of(&["generated", &item.id, &item.content.to_string()]),
        extra: fields(made),
        ..Event::new(&made.model, Moment::now(), Action::Fields(number))
    };
    let said = Said { model: Some(made.model.clone()), class: Some(made.class), confidence: share(made.confidence) };
    let appended = journal.append_all(&[fields, Event { said, ..event(number) }])?;
    Ok(*appended.last().expect("two events"))
}

/// A confidence, where it is one.
fn share(confidence: f32) -> Option<f64> {
    let confidence = f64::from(confidence);
    (0.0..=1.0).contains(&confidence).then_some(confidence)
}

fn item(made: &Made) -> Item {
    let bytes: Vec<u8> = made.numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Item { id: id(made), path: None, content: Content::of(&bytes), split: Split::Train }
}

/// All that is needed to draw it again, or to learn from it.
fn fields(made: &Made) -> Map<String, Value> {
    let shape = json!({"height": made.shape.height, "width": made.shape.width, "channels": made.shape.channels});
    let about = json!({"model": made.model, "round": made.round, "numbers": made.numbers, "shape": shape});
    Map::from_iter([("generated".to_owned(), about)])
}
