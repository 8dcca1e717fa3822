//! What the panels show.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use halfmoon_journal::Labels;
use halfmoon_journal::agreement::agreement;
use serde_json::{Value, json};

use super::asking::tagged;
use super::{App, read};
use crate::label::figures::of_model;
use crate::problem::{Json, Problem};

pub(super) async fn panels(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let labels = read(&app, |journal| journal.labels()).await?;
    let (figures, examples, names, counts, curve) = {
        let desk = app.shared.desk();
        let curve = of_model(&desk.figures.curve, &desk.model_name);
        (desk.figures.clone(), desk.examples.clone(), desk.classes.clone(), desk.class_counts(), curve)
    };
    let classes: Vec<Value> = (names.iter().zip(counts).enumerate())
        .map(|(class, (name, labelled))| {
            json!({"name": name, "labelled": labelled, "predicted": figures.predicted.get(class)})
        })
        .collect();
    let mut first = 0;
    let pictures: Vec<Value> = (examples.of_classes.iter())
        .map(|(class, pictures)| {
            let urls: Vec<String> =
                (first..first + pictures.len()).map(|k| format!("/api/examples/{}/{k}.png", examples.round)).collect();
            first += pictures.len();
            json!({"class": class.0, "pictures": urls})
        })
        .collect();
    Ok(Json(json!({
        "accuracy": {"now": figures.now, "curve": curve},
        "classes": classes,
        "gain": figures.gain,
        "reliability": figures.reliability,
        "map": figures.map,
        "examples": pictures,
        "doubtful": figures.doubtful,
        "outliers": figures.outliers,
        "agreement": of_annotators(&labels),
        "notes": figures.notes,
    })))
}

fn of_annotators(labels: &Labels) -> Value {
    let found = agreement(labels);
    let given = |annotator: usize| {
        labels.votes.iter().filter(|vote| vote.annotator == annotator && vote.class.is_some()).count()
    };
    let alone = found.annotators.iter().enumerate().map(|(at, alone)| {
        json!({"name": labels.annotators[at], "labels": given(at), "agree": alone.agree, "n": alone.items})
    });
    let pairs = found.pairs.iter().map(|pair| {
        let (first, second) = (&labels.annotators[pair.first], &labels.annotators[pair.second]);
        json!({"first": first, "second": second, "items": pair.items, "kappa": pair.kappa})
    });
    json!({
        "items": found.items,
        "alpha": found.alpha,
        "annotators": alone.collect::<Vec<Value>>(),
        "pairs": pairs.collect::<Vec<Value>>(),
    })
}

pub(super) async fn example(
    State(app): State<App>,
    Path((round, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let examples = app.shared.desk().examples.clone();
    let number = file.strip_suffix(".png").and_then(|number| number.parse::<usize>().ok());
    let pictures = examples.of_classes.iter().flat_map(|(_, pictures)| pictures);
    let found = number.filter(|_| round == examples.round.to_string()).and_then(|k| pictures.into_iter().nth(k));
    let gone =
        || Problem::new(StatusCode::NOT_FOUND, "there is no such example: a later model has others").field("path");
    Ok(tagged("image/png", found.ok_or_else(gone)?.clone(), &headers))
}
