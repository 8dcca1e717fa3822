//! The desk as the page sees it.

use halfmoon_journal::ItemId;
use halfmoon_pool::Class;
use halfmoon_pool::dataset::Features;
use halfmoon_query::RULES;
use ndarray::ArrayView1;
use serde_json::{Value, json};

use super::desk::{Data, Desk, Shared};
use super::figures::likeliest;
use super::items::{File, Place};
use super::queue::Cause;
use super::why::why;

/// What `/api/project` says.
pub(super) fn project(shared: &Shared, desk: &Desk) -> Value {
    let settings = &shared.settings;
    let rules: Vec<Value> = RULES.iter().map(|rule| json!({"name": rule.name, "about": rule.about})).collect();
    let models: Vec<Value> =
        settings.models.iter().map(|(name, about)| json!({"name": name, "about": about})).collect();
    let model = &desk.model;
    let state = match (model.is_training, model.is_ready) {
        (true, _) => "training",
        (false, true) => "ready",
        (false, false) if desk.labelled >= settings.first && desk.scan.state != "failed" => "waiting",
        (false, false) => "none",
    };
    json!({
        "name": shared.name,
        "classes": desk.classes,
        "kind": kind(desk),
        "items": desk.of_data,
        "labelled": desk.labelled,
        "rule": desk.rule.name,
        "rules": rules,
        "models": models,
        "model": {
            "name": desk.model_name,
            "state": state,
            "round": model.round,
            "labels": model.labels,
            "step": model.step,
            "steps": model.steps,
            "message": message(shared, desk, state),
        },
        "scan": {
            "state": desk.scan.state,
            "files": desk.scan.files,
            "items": desk.of_data,
            "unreadable": desk.scan.unreadable,
            "message": desk.scan.message,
        },
        "twice": settings.twice,
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// `pictures` or `rows`.
fn kind(desk: &Desk) -> &'static str {
    let of_data = desk.data.as_ref().map(|data| matches!(data.read().schema.features, Features::Image(_)));
    let has_files = || desk.items.iter().any(|(_, known)| known.file != File::None);
    if of_data.unwrap_or_else(has_files) { "pictures" } else { "rows" }
}

/// What is missing until the first training, or what else is to be known.
fn message(shared: &Shared, desk: &Desk, state: &str) -> String {
    if !desk.model.message.is_empty() || matches!(state, "training" | "ready") {
        return desk.model.message.clone();
    }
    let labels = |n: usize| if n == 1 { "one more label".to_owned() } else { format!("{n} more labels") };
    let missing = shared.settings.first.saturating_sub(desk.labelled);
    let classes = 2_usize.saturating_sub(desk.classes_to_learn());
    let mut wants = Vec::new();
    if missing > 0 {
        wants.push(labels(missing));
    }
    if classes == 1 {
        wants.push("a label of a second class".to_owned());
    } else if classes == 2 && missing == 0 {
        wants.push("labels of two classes that are not to judge by".to_owned());
    }
    if desk.scan.state != "done" {
        wants.push(
            if desk.scan.state == "failed" { "data that can be read" } else { "the end of the reading" }.to_owned(),
        );
    }
    if wants.is_empty() { String::new() } else { format!("the first training waits for {}", wants.join(" and for ")) }
}

/// A question about an item, as this annotator is asked it. `None`: the item has no number yet.
pub(super) fn question(desk: &mut Desk, place: Place, annotator: &str, size: Option<(u32, u32)>) -> Option<Value> {
    let annotator = desk.annotator(annotator);
    let ItemId(item) = desk.items.get(place).item?;
    let known = desk.items.get(place);
    let cause = desk.cause(place);
    // Whoever judges the model is not told what it thinks.
    let answers = desk.answers.as_ref().filter(|_| !known.lot.is_judging);
    let probs = answers.and_then(|answers| Some((answers.model.clone(), answers.of(place)?)));
    let (rule, why) = why(&cause, desk.queue.rule, probs.as_ref().map(|(_, probs)| &probs[..]), &desk.classes);
    let round = desk.queue.round.filter(|_| matches!(cause, Cause::Rule(_)));
    let said = probs.map(|(model, probs)| {
        let (class, confidence) = likeliest(ArrayView1::from(&probs));
        json!({"model": model, "class": class.0, "confidence": confidence, "probs": probs})
    });
    Some(json!({
        "item": item,
        "id": &*known.id,
        "content": content(desk, place, size),
        "rule": rule,
        "why": why,
        "round": round,
        "said": said,
        "judging": known.lot.is_judging,
        "labels": votes(desk, place, annotator),
    }))
}

/// What stands, for one who has said something already: others' labels would lead.
fn votes(desk: &Desk, place: Place, annotator: usize) -> Vec<Value> {
    let Some(standing) = desk.standing.get(&place) else { return Vec::new() };
    if standing.votes.iter().all(|(by, _)| *by != annotator) {
        return Vec::new();
    }
    let vote = |(by, class): &(usize, Option<Class>)| json!({"annotator": desk.annotators[*by], "class": class.map(|class| class.0)});
    standing.votes.iter().map(vote).collect()
}

fn content(desk: &Desk, place: Place, size: Option<(u32, u32)>) -> Value {
    let known = desk.items.get(place);
    let item = known.item.map_or(0, |item| item.0);
    let data = desk.data.as_ref().zip(known.row).filter(|_| known.file == File::None);
    if let Some((data, row)) = data
        && let Some(cells) = cells(data, row as usize)
    {
        return json!({"kind": "row", "cells": cells});
    }
    let of_data = || {
        let Features::Image(shape) = data?.0.read().schema.features else { return None };
        Some((u32::try_from(shape.width).ok()?, u32::try_from(shape.height).ok()?))
    };
    let size = size.or_else(of_data);
    json!({
        "kind": "picture",
        "url": format!("/api/items/{item}/picture"),
        "width": size.map(|(width, _)| width),
        "height": size.map(|(_, height)| height),
    })
}

/// A row of a table. `None` for pictures.
fn cells(data: &Data, row: usize) -> Option<Vec<Value>> {
    let dataset = data.read();
    let Features::Columns(columns) = &dataset.schema.features else { return None };
    let cell = |(at, column): (usize, &halfmoon_pool::dataset::Column)| json!({"column": column.name, "value": dataset.inputs.text(row, at, &column.kind)});
    Some(columns.iter().enumerate().map(cell).collect())
}
