//! Examples that the model made up.

use halfmoon_journal::{Action, EventId, Journal};
use serde_json::{Value, json};

use super::made_up::MadeUp;
use super::site::{Folder, Site, key};

#[tokio::test]
async fn made_up_examples_are_labelled_or_refused_and_are_no_items_of_the_data() {
    let folder = Folder::new("made-up");
    let site = Site::of_digits(&folder, 60, MadeUp::default());
    site.is_read().await;
    assert_eq!(site.get("/api/generated").await["none_because"], "there is no model yet");
    site.oracle("ann", 12).await;
    site.round(1).await;
    let until = std::time::Instant::now() + super::site::PATIENCE;
    let pictures = loop {
        let generated = site.get("/api/generated?n=3").await;
        let pictures = generated["pictures"].as_array().unwrap().clone();
        if !pictures.is_empty() || std::time::Instant::now() > until {
            break pictures;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(pictures.len(), 3);
    let (status, bytes) = site.get_bytes(pictures[0]["url"].as_str().unwrap()).await;
    assert!(status.is_success() && bytes.starts_with(b"\x89PNG"));
    let mut answers = Vec::new();
    for (picture, class) in pictures.iter().zip([json!(4), json!("refused"), Value::Null]) {
        let answer = json!({"annotator": "ann", "key": key(), "number": picture["number"], "class": class});
        let first = site.post("/api/generated", answer.clone()).await;
        assert_eq!((&first["is_new"], &first["labelled"]), (&json!(true), &json!(12)));
        assert_eq!(site.post("/api/generated", answer.clone()).await["is_new"], false);
        answers.push(answer);
    }
    // the same click cannot mean something else
    let other = json!({"annotator": "ann", "key": answers[0]["key"], "number": answers[0]["number"], "class": 5});
    let (status, answer) = site.try_post("/api/generated", other).await;
    assert_eq!((status, &answer["error"]["field"]), (409, &json!("key")), "{answer}");
    let open = site.get("/api/generated?n=50").await["pictures"].as_array().unwrap().len();
    assert_eq!(open, 5, "of eight, three have an answer");
    let project = site.get("/api/project").await;
    assert_eq!((&project["items"], &project["labelled"]), (&json!(60), &json!(12)));

    let journal = Journal::open(&folder.0.join("project.db")).unwrap();
    let items = journal.items().unwrap();
    let made: Vec<_> = items.iter().filter(|(_, item)| item.id.starts_with("generated/1-")).collect();
    assert_eq!(made.len(), 3);
    assert!(made.iter().all(|(_, item)| item.path.is_none()));
    let events = journal.events(EventId(0)).unwrap();
    let number = |at: usize| Some(made[at].0);
    let of = |at: usize| events.iter().filter(move |(_, event)| event.action.item() == number(at)).collect::<Vec<_>>();
    let of_first = of(0);
    let numbers = of_first.iter().find(|(_, event)| matches!(event.action, Action::Fields(_))).unwrap();
    assert_eq!(numbers.1.extra["generated"]["numbers"].as_array().unwrap().len(), 64);
    assert!(of(0).iter().any(|(_, event)| matches!(event.action, Action::Label(_, class) if class.0 == 4)));
    assert!(of(1).iter().any(|(_, event)| event.extra.get("refused") == Some(&json!(true))));
    // neither asked about, nor shown as an item
    let (status, _) = site.try_get(&format!("/api/items/{}?annotator=ann", made[0].0.0)).await;
    assert_eq!(status, 404);
    // what is sent again once a later model has made others has its answer all the same
    site.oracle("ann", 6).await;
    site.round(2).await;
    while site.get("/api/generated").await["pictures"]
        .as_array()
        .unwrap()
        .iter()
        .any(|made| made["number"].as_u64() < Some(2_000))
    {
        assert!(std::time::Instant::now() < until, "no others are made");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(site.post("/api/generated", answers.swap_remove(0)).await["is_new"], false);
}

#[tokio::test]
async fn a_model_with_chains_shows_examples_of_each_class() {
    let folder = Folder::new("chains");
    let site = Site::of_digits(&folder, 60, MadeUp { has_chains: true, ..MadeUp::default() });
    site.is_read().await;
    site.oracle("ann", 12).await;
    site.round(1).await;
    let until = std::time::Instant::now() + super::site::PATIENCE;
    let examples = loop {
        let examples = site.get("/api/panels").await["examples"].as_array().unwrap().clone();
        if !examples.is_empty() || std::time::Instant::now() > until {
            break examples;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let (status, bytes) = site.get_bytes(examples[0]["pictures"][0].as_str().unwrap()).await;
    assert!(status.is_success() && bytes.starts_with(b"\x89PNG"));
}
