//! What a model is judged by, and what the panels say.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::made_up::MadeUp;
use super::site::{Folder, Site};

#[tokio::test]
async fn items_to_judge_by_are_in_no_lesson_and_come_without_an_opinion() {
    let folder = Folder::new("judging");
    let trainer = MadeUp::default();
    let lessons = Arc::clone(&trainer.lessons);
    let site = Site::of_digits(&folder, 300, trainer);
    site.is_read().await;
    let (mut judged, mut learned) = (HashSet::new(), HashSet::new());
    for labels in 0..60 {
        if labels == 20 || labels == 40 {
            site.round(labels / 20).await;
        }
        let question = site.next("ann", 1).await[0].clone();
        let number: usize = question["id"].as_str().unwrap().trim_end_matches(".png").parse().unwrap();
        if question["judging"] == true {
            assert!(question["said"].is_null(), "{question}");
            judged.insert(number);
        } else {
            learned.insert(number);
        }
        site.label("ann", &question, site.digit(&question)).await;
    }
    // A fifth of 60.
    assert_eq!(judged.len(), 12);
    // Of 48 labels at most four wait for a training of their own.
    site.project(|project| project["model"]["labels"].as_u64().is_some_and(|labels| labels > 40)).await;
    let lessons = lessons.lock().unwrap();
    assert!(lessons.len() >= 3);
    for lesson in lessons.iter() {
        for (row, label) in lesson.iter().enumerate() {
            let is_known = label.is_none() || learned.contains(&row);
            assert!(is_known && !(judged.contains(&row) && label.is_some()), "row {row}");
        }
    }
    let last = lessons.last().unwrap().iter().flatten().count();
    assert!(last > 40, "{last}");
}

#[tokio::test]
async fn a_hundred_labels_of_one_who_knows_raise_the_accuracy_that_is_shown() {
    let folder = Folder::new("curve");
    let site = Site::of_digits(&folder, 600, MadeUp::default());
    site.is_read().await;
    let mut last = 0;
    // Round by round, so that every one of them has its own labels.
    for labels in (10..=100).step_by(10) {
        site.oracle("ann", 10).await;
        let project = site.project(|project| {
            let round = project["model"]["round"].as_u64().unwrap_or(0);
            round > last && project["model"]["state"] == "ready"
        });
        last = project.await["model"]["round"].as_u64().unwrap();
        assert_eq!(site.get("/api/project").await["labelled"], labels);
    }
    let until = std::time::Instant::now() + super::site::PATIENCE;
    let panels = loop {
        let panels = site.get("/api/panels").await;
        if panels["accuracy"]["now"]["n"] == 20 || std::time::Instant::now() > until {
            break panels;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let now = &panels["accuracy"]["now"];
    assert_eq!(now["n"], 20, "a fifth of a hundred: {now}");
    let accuracy = now["accuracy"].as_f64().unwrap();
    let (low, high) = (now["low"].as_f64().unwrap(), now["high"].as_f64().unwrap());
    assert!(low < accuracy && accuracy <= high && (accuracy * 20.0 - now["right"].as_f64().unwrap()).abs() < 1e-9);
    let curve = panels["accuracy"]["curve"].as_array().unwrap();
    // Ten classes, of which eight labels know few: at most half is right at first. The nearest of ten means is right about four times of five.
    let first = curve[0]["accuracy"].as_f64().unwrap();
    assert!(accuracy > first && accuracy >= 0.6, "{curve:?}");
    assert!(panels["gain"].as_str().unwrap().contains("more labels"), "{}", panels["gain"]);
    assert_eq!(panels["reliability"]["n"], 20);
    let points = panels["map"]["points"].as_array().unwrap();
    let on_map: Vec<i64> = points.iter().map(|point| point["item"].as_i64().unwrap()).collect();
    for item in (1..=600).filter(|item| !on_map.contains(item)) {
        let question = site.get(&format!("/api/items/{item}?annotator=ann")).await;
        let is_open = question["labels"].as_array().unwrap().is_empty();
        assert!(is_open && question["judging"] == true, "only what is still to judge by is missing: {question}");
    }
    let with_class = points.iter().filter(|point| !point["class"].is_null()).count();
    assert_eq!(with_class, 80, "those that were learned from");
    let shares: f64 =
        panels["classes"].as_array().unwrap().iter().map(|class| class["predicted"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9);
    let labelled: u64 =
        panels["classes"].as_array().unwrap().iter().map(|class| class["labelled"].as_u64().unwrap()).sum();
    assert_eq!(labelled, 100);
    let outliers = panels["outliers"].as_array().unwrap();
    assert!(!outliers.is_empty() && outliers[0]["p"].as_f64().is_some_and(|p| p <= 0.2), "{outliers:?}");
    let examples = panels["examples"].as_array().unwrap();
    assert_eq!(examples.len(), 10);
    let url = examples[3]["pictures"][1].as_str().unwrap();
    let (status, bytes) = site.get_bytes(url).await;
    assert!(status.is_success() && bytes.starts_with(b"\x89PNG"), "{url}");
}

#[tokio::test]
async fn a_wrong_label_is_brought_into_doubt() {
    let folder = Folder::new("doubt");
    let site = Site::of_digits(&folder, 400, MadeUp::default());
    site.is_read().await;
    site.oracle("ann", 80).await;
    // Four fifths of them are learned from, and all but the last few: a model of the first ten may not know a zero.
    let knows_most =
        |project: &Value| project["model"]["labels"].as_u64() >= Some(50) && project["model"]["state"] == "ready";
    site.project(knows_most).await;
    // one more, by mistake: of the zeros that nobody labelled the one that the model is surest about
    let mut surest = (0.0, Value::Null);
    for item in 1..=400 {
        let question = site.get(&format!("/api/items/{item}?annotator=ann")).await;
        let is_open = question["labels"].as_array().unwrap().is_empty() && question["judging"] == false;
        let confidence = question["said"]["confidence"].as_f64().filter(|_| question["said"]["class"] == 0);
        if is_open && site.digit(&question) == 0 && confidence > Some(surest.0) {
            surest = (confidence.unwrap(), question);
        }
    }
    let wrong = surest.1["item"].clone();
    site.label("ann", &surest.1, 1).await;
    site.oracle("ann", 10).await;
    let until = std::time::Instant::now() + super::site::PATIENCE;
    loop {
        let panels = site.get("/api/panels").await;
        let doubtful = panels["doubtful"].as_array().unwrap();
        if doubtful.iter().any(|doubt| doubt["item"] == wrong && doubt["class"] == 1 && doubt["likeliest"] == 0) {
            break;
        }
        assert!(std::time::Instant::now() < until, "{doubtful:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn without_a_label_the_panels_are_empty_and_say_why_there_is_no_model() {
    let folder = Folder::new("nothing");
    let site = Site::of_digits(&folder, 40, MadeUp::default());
    let project = site.is_read().await;
    assert_eq!((&project["model"]["state"], &project["labelled"]), (&"none".into(), &0.into()));
    let message = project["model"]["message"].as_str().unwrap();
    assert_eq!(message, "the first training waits for 10 more labels");
    let panels = site.get("/api/panels").await;
    assert!(panels["accuracy"]["now"].is_null() && panels["map"].is_null() && panels["reliability"].is_null());
    assert_eq!(panels["accuracy"]["curve"], serde_json::json!([]));
    // ten labels of one class are no lesson
    for question in site.next("ann", 20).await {
        site.label("ann", &question, 3).await;
    }
    let project = site.get("/api/project").await;
    assert_eq!(project["model"]["message"], "the first training waits for a label of a second class");
}

#[tokio::test]
async fn the_first_questions_are_typical_ones() {
    let folder = Folder::new("cold");
    let site = Site::of_digits(&folder, 200, MadeUp::default());
    site.is_read().await;
    let until = std::time::Instant::now() + super::site::PATIENCE;
    loop {
        let questions = site.next("ann", 8).await;
        if let Some(question) = questions.iter().find(|question| question["rule"] == "cold_start") {
            assert!(question["why"].as_str().unwrap().contains("typical of many items"), "{question}");
            break;
        }
        assert!(std::time::Instant::now() < until, "{questions:?}");
        // what is held is kept, so somebody else looks
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
