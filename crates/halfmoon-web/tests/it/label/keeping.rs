//! Nothing that was acknowledged is lost, and nothing counts twice.

use std::time::{Duration, Instant};

use halfmoon_journal::{Journal, Key};
use serde_json::{Value, json};

use super::made_up::{MadeUp, write_digits};
use super::site::{Folder, Site, key, settings, vote};

#[tokio::test]
async fn a_label_that_is_sent_again_counts_once_also_after_a_crash() {
    let folder = Folder::new("resent");
    let mut site = Site::of_digits(&folder, 40, MadeUp::default());
    site.is_read().await;
    let question = site.next("ann", 1).await[0].clone();
    let vote = vote("ann", &question, 4);
    let first = site.post("/api/label", vote.clone()).await;
    assert_eq!(first["is_new"], true);
    let again = site.post("/api/label", vote.clone()).await;
    assert_eq!((&again["is_new"], &again["event"]), (&json!(false), &first["event"]));
    // the answer was lost, the server went away, another one is there
    site.stop();
    let site = Site::open(settings(&folder), MadeUp::default());
    site.is_read().await;
    let after = site.post("/api/label", vote.clone()).await;
    assert_eq!((&after["is_new"], &after["event"]), (&json!(false), &first["event"]));
    assert_eq!(after["labelled"], 1);
    // the same click cannot mean something else
    let mut other = vote;
    other["class"] = json!(5);
    let (status, answer) = site.try_post("/api/label", other).await;
    assert_eq!((status, &answer["error"]["field"]), (409, &json!("key")), "{answer}");
}

#[tokio::test]
async fn labels_are_undone_skipped_and_given_anew() {
    let folder = Folder::new("undone");
    let site = Site::of_digits(&folder, 40, MadeUp::default());
    site.is_read().await;
    let questions = site.next("ann", 3).await;
    site.label("ann", &questions[0], 1).await;
    site.label("ann", &questions[0], 2).await;
    let skipped = site.post("/api/skip", vote("ann", &questions[1], 0)).await;
    assert_eq!(skipped["labelled"], 1);
    site.label("bo", &questions[2], 7).await;
    let undo = json!({"annotator": "ann", "key": key()});
    let undone = site.post("/api/undo", undo.clone()).await;
    assert_eq!(undone["undone"], json!({"item": questions[1]["item"], "class": null}), "the skip, not what bo said");
    assert_eq!(undone["question"]["item"], questions[1]["item"]);
    let again = site.post("/api/undo", undo).await;
    assert_eq!(again["undone"], undone["undone"], "sent again, nothing more is undone");
    let undone = site.post("/api/undo", json!({"annotator": "ann", "key": key()})).await;
    assert_eq!(undone["undone"], json!({"item": questions[0]["item"], "class": 2}));
    let labels = &undone["question"]["labels"];
    assert_eq!(labels, &json!([{"annotator": "ann", "class": 1}]), "what was said before stands again");
    site.post("/api/undo", json!({"annotator": "ann", "key": key()})).await;
    let nothing = site.post("/api/undo", json!({"annotator": "ann", "key": key()})).await;
    assert_eq!((&nothing["undone"], &nothing["labelled"]), (&Value::Null, &json!(1)));
    // an item whose label was undone is asked about again
    let again = site.next("ann", 40).await;
    assert!(again.iter().any(|question| question["item"] == questions[0]["item"]));
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was() {
    let folder = Folder::new("restart");
    let mut site = Site::of_digits(&folder, 300, MadeUp::default());
    let truth = site.truth.clone();
    site.is_read().await;
    site.oracle("ann", 15).await;
    site.round(1).await;
    site.oracle("ann", 15).await;
    let project = site.round(2).await;
    let (round, judging) = (project["model"]["round"].as_u64().unwrap(), judging(&site).await);
    let curve = site.get("/api/panels").await["accuracy"]["curve"].clone();
    site.stop();
    let (status, _) = site.try_post("/api/skip", json!({"annotator": "ann", "key": key(), "item": 1})).await;
    assert_eq!(status, 503, "what is closed writes nothing, and a click is kept for another try");

    let mut site = Site::open(settings(&folder), MadeUp::default());
    site.truth = truth;
    // Nobody sees it before all labels are there: neither a count of none, nor a question that has its answer.
    let project = site.get("/api/project").await;
    assert_eq!((&project["labelled"], project["classes"].as_array().unwrap().len()), (&json!(30), 10));
    site.is_read().await;
    let project = site.round(round + 1).await;
    assert_eq!(project["labelled"], 30);
    let after = site.get("/api/panels").await["accuracy"]["curve"].clone();
    let before = curve.as_array().unwrap().len();
    assert_eq!(after.as_array().unwrap()[..before], curve.as_array().unwrap()[..], "the curve goes on");
    assert_eq!(self::judging(&site).await, judging, "the same items are to judge by");
    site.oracle("ann", 5).await;
    assert_eq!(site.get("/api/project").await["labelled"], 35);
}

/// Of the first items, which ones are to judge by.
async fn judging(site: &Site) -> Vec<String> {
    let mut ids = Vec::new();
    for item in 1..=40 {
        let question = site.get(&format!("/api/items/{item}?annotator=ann")).await;
        if question["judging"] == true {
            ids.push(question["id"].as_str().unwrap().to_owned());
        }
    }
    ids.sort();
    assert!(!ids.is_empty());
    ids
}

#[tokio::test]
async fn two_servers_on_one_project_see_each_others_labels() {
    let folder = Folder::new("two-servers");
    let first = Site::of_digits(&folder, 60, MadeUp::default());
    first.is_read().await;
    let second = Site::open(settings(&folder), MadeUp::default());
    second.is_read().await;
    let question = first.next("ann", 1).await[0].clone();
    first.label("ann", &question, 3).await;
    first.post("/api/classes", json!({"annotator": "ann", "name": "blot"})).await;
    second.project(|project| project["labelled"] == 1 && project["classes"][10] == "blot").await;
    second.label("bo", &second.next("bo", 1).await[0].clone(), 10).await;
    first.project(|project| project["labelled"] == 2).await;
}

#[tokio::test]
async fn stopping_ends_a_training_within_a_second_and_closes_the_journal() {
    let folder = Folder::new("stop");
    let trainer = MadeUp { pause: Duration::from_mins(10), ..MadeUp::default() };
    let mut site = Site::of_digits(&folder, 60, trainer);
    site.is_read().await;
    site.oracle("ann", 15).await;
    site.project(|project| project["model"]["state"] == "training" && project["model"]["step"] != 0).await;
    let began = Instant::now();
    site.stop();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let journal = Journal::open(&folder.0.join("project.db")).unwrap();
    journal.check().unwrap();
    assert_eq!(journal.labels().unwrap().votes.len(), 15);
}

#[tokio::test]
async fn a_training_that_fails_is_told_and_another_model_helps() {
    let folder = Folder::new("fails");
    let site = Site::of_digits(&folder, 60, MadeUp { fails: Some("means"), ..MadeUp::default() });
    site.is_read().await;
    site.oracle("ann", 12).await;
    let project = site.project(|project| project["model"]["message"].as_str().unwrap().contains("this panic")).await;
    assert!(project["model"]["round"].is_null());
    site.post("/api/rule", json!({"model": "others"})).await;
    let project = site.round(1).await;
    assert_eq!(project["model"]["message"], "");
    site.oracle("ann", 1).await;
}

#[tokio::test]
async fn what_was_shown_is_kept_with_the_label() {
    let folder = Folder::new("shown");
    let site = Site::of_digits(&folder, 200, MadeUp::default());
    site.is_read().await;
    site.oracle("ann", 15).await;
    site.round(1).await;
    let mut question = Value::Null;
    while question["said"].is_null() || question["round"].is_null() {
        question = site.next("bo", 8).await.into_iter().find(|one| !one["round"].is_null()).unwrap_or(Value::Null);
    }
    let vote = vote("bo", &question, 2);
    site.post("/api/label", vote.clone()).await;
    let journal = Journal::open(&folder.0.join("project.db")).unwrap();
    let events = journal.events(halfmoon_journal::EventId(0)).unwrap();
    let key = Key::parse(vote["key"].as_str().unwrap()).unwrap();
    let (_, event) = events.iter().find(|(_, event)| event.key == key).unwrap();
    assert_eq!(event.seconds, Some(1.5));
    assert_eq!(event.asked.rule.as_deref(), question["rule"].as_str());
    assert_eq!(event.asked.why.as_deref(), question["why"].as_str());
    assert_eq!(event.asked.round.map(u64::from), question["round"].as_u64());
    assert_eq!(event.said.model.as_deref(), question["said"]["model"].as_str());
    assert_eq!(event.said.class.map(|class| u64::from(class.0)), question["said"]["class"].as_u64());
    let (models, rounds) = (journal.models().unwrap(), journal.rounds().unwrap());
    assert!(models.iter().any(|model| Some(&model.name) == event.said.model.as_ref()));
    assert!(rounds.iter().any(|round| Some(round.round) == event.asked.round && round.rule == "margin"));
}

#[tokio::test]
async fn a_class_is_made_at_any_time_and_its_twin_only_on_purpose() {
    let folder = Folder::new("classes");
    let mut settings = settings(&folder);
    settings.classes = Vec::new();
    write_digits(&settings.data, 40);
    let site = Site::open(settings, MadeUp::default());
    let project = site.is_read().await;
    assert_eq!(project["classes"], json!([]));
    let made = site.post("/api/classes", json!({"annotator": "ann", "name": "not alive"})).await;
    assert_eq!(made, json!({"class": 0, "classes": ["not alive"]}));
    let again = site.post("/api/classes", json!({"annotator": "bo", "name": "not alive "})).await;
    assert_eq!(again["class"], 0);
    let (status, twin) = site.try_post("/api/classes", json!({"annotator": "bo", "name": "Not  Alive"})).await;
    assert_eq!(status, 409);
    assert!(twin["error"]["hint"].as_str().unwrap().contains("did you mean `not alive`?"), "{twin}");
    let twin = site.post("/api/classes", json!({"annotator": "bo", "name": "NotAlive", "really": true})).await;
    assert_eq!(twin["class"], 1);
    for class in 2..200 {
        site.post("/api/classes", json!({"annotator": "ann", "name": format!("class {class}")})).await;
    }
    let questions = site.next("ann", 20).await;
    for (question, class) in questions.iter().zip((0..200).rev()) {
        site.label("ann", question, class).await;
    }
    let project = site.round(1).await;
    assert_eq!(project["classes"].as_array().unwrap().len(), 200);
    let panels = site.get("/api/panels").await;
    assert_eq!(panels["classes"].as_array().unwrap().len(), 200);
    assert_eq!(panels["classes"][0]["labelled"], 0, "a class without a label is normal");
}
