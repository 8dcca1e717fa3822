//! Who is asked what, and when.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::made_up::{MadeUp, write_digits};
use super::site::{Folder, Site, key, settings, vote};

fn items(questions: &[Value]) -> HashSet<i64> {
    questions.iter().map(|question| question["item"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_folder_is_asked_about_before_a_picture_was_decoded() {
    let folder = Folder::new("at-once");
    write_digits(&folder.0.join("photos"), 1_700);
    let began = Instant::now();
    let site = Site::open(settings(&folder), MadeUp::default());
    let questions = site.next("ann", 8).await;
    let waited = began.elapsed();
    assert_eq!(questions.len(), 8);
    // A second for 1,700 pictures: three for 5,000, where ten are promised.
    assert!(waited < Duration::from_secs(3), "{waited:?}");
    let content = &questions[0]["content"];
    assert_eq!((&content["kind"], &content["width"], &content["height"]), (&json!("picture"), &json!(8), &json!(8)));
    let (status, bytes) = site.get_bytes(content["url"].as_str().unwrap()).await;
    assert!(status.is_success() && bytes.starts_with(b"\x89PNG"));
    assert!(questions.iter().all(|question| question["said"].is_null() && question["labels"] == json!([])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_waits_for_a_training() {
    let folder = Folder::new("no-wait");
    let trainer = MadeUp { pause: Duration::from_secs(3), is_deaf: true, ..MadeUp::default() };
    // More than can be labelled within two seconds.
    let site = Site::of_digits(&folder, 1_700, trainer);
    site.is_read().await;
    site.oracle("ann", 12).await;
    let began = site.project(|project| project["model"]["state"] == "training").await;
    assert!(began["model"]["round"].is_null());
    let (mut longest, start) = (Duration::ZERO, Instant::now());
    while start.elapsed() < Duration::from_secs(2) {
        let asked = Instant::now();
        let questions = site.next("ann", 4).await;
        let question = &questions[0];
        site.label("ann", question, site.digit(question)).await;
        site.get(&format!("/api/items/{}?annotator=ann", question["item"])).await;
        site.get("/api/panels").await;
        site.get("/api/project").await;
        longest = longest.max(asked.elapsed());
    }
    let project = site.get("/api/project").await;
    assert_eq!(project["model"]["state"], "training", "all of that was during the training");
    // Five requests, one of which waits for the disk: far below the three seconds that the trainer sleeps.
    assert!(longest < Duration::from_millis(700), "{longest:?}");
    site.round(1).await;
}

#[tokio::test]
async fn two_people_hold_no_item_together_and_everybody_their_own_again() {
    let folder = Folder::new("leases");
    let mut settings = settings(&folder);
    // No typical ones are looked for, which would come first once they are found.
    (settings.twice, settings.first) = (0.0, 0);
    write_digits(&settings.data, 60);
    let site = Site::open(settings, MadeUp::default());
    site.is_read().await;
    let (ann, bo) = (site.next("ann", 20).await, site.next("bo", 20).await);
    assert_eq!((ann.len(), bo.len()), (20, 20));
    assert!(items(&ann).is_disjoint(&items(&bo)));
    assert_eq!(items(&site.next("ann", 20).await), items(&ann), "a page that was loaded anew");
    let not: Vec<String> = items(&ann).iter().map(i64::to_string).collect();
    let more = site.get(&format!("/api/next?annotator=ann&n=50&not={}", not.join(","))).await;
    let more = more["questions"].as_array().unwrap().clone();
    assert_eq!(more.len(), 20, "all that nobody holds");
    assert!(items(&more).is_disjoint(&items(&ann)) && items(&more).is_disjoint(&items(&bo)));
    let nothing = site.get("/api/next?annotator=cy").await;
    assert_eq!(nothing["questions"], json!([]));
    assert!(nothing["waiting"].as_str().unwrap().contains("somebody else"), "{nothing}");
    // who labels what another one holds is heard all the same
    let answer = site.post("/api/label", vote("cy", &ann[0], 3)).await;
    assert_eq!((&answer["is_new"], &answer["labelled"]), (&json!(true), &json!(1)));
}

#[tokio::test]
async fn a_second_person_is_asked_about_the_share_that_was_said() {
    let folder = Folder::new("twice");
    let mut settings = settings(&folder);
    (settings.twice, settings.first) = (0.5, 1_000);
    write_digits(&settings.data, 60);
    let site = Site::open(settings, MadeUp::default());
    site.is_read().await;
    let asked = site.next("ann", 50).await;
    for question in &asked {
        site.label("ann", question, 1).await;
    }
    let mut again: HashSet<i64> = HashSet::new();
    loop {
        let questions = site.get("/api/next?annotator=bo&n=50").await["questions"].as_array().unwrap().clone();
        if questions.is_empty() {
            break;
        }
        for question in &questions {
            assert_eq!(question["labels"], json!([]), "what the other one said would lead");
            let has_label = items(&asked).contains(&question["item"].as_i64().unwrap());
            let says_so = question["why"].as_str().unwrap().contains("second person") || question["judging"] == true;
            assert_eq!(has_label, has_label && says_so, "{question}");
            again.extend(items(std::slice::from_ref(question)).intersection(&items(&asked)));
            site.label("bo", question, 1).await;
        }
    }
    // Half of 50, with a standard deviation of 3.5.
    assert!((12..=38).contains(&again.len()), "{}", again.len());
    let panels = site.get("/api/panels").await;
    assert_eq!(panels["agreement"]["items"], again.len());
}

#[tokio::test]
async fn the_rule_and_the_model_can_be_changed_at_any_time() {
    let folder = Folder::new("rules");
    let site = Site::of_digits(&folder, 200, MadeUp::default());
    site.is_read().await;
    site.oracle("ann", 15).await;
    site.round(1).await;
    let of_rule = |rule: &'static str| {
        let site = &site;
        async move {
            site.post("/api/rule", json!({"rule": rule})).await;
            for _ in 0..500 {
                let questions = site.next("bo", 8).await;
                if let Some(found) = questions.into_iter().find(|question| question["rule"] == rule) {
                    return found;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            panic!("no question by {rule}");
        }
    };
    let margin = of_rule("margin").await;
    let why = margin["why"].as_str().unwrap();
    assert!(why.starts_with("asked because: the model hesitates between ") && why.contains(" %"), "{why}");
    assert_eq!(margin["said"]["probs"].as_array().unwrap().len(), 10);
    assert!(margin["round"].as_u64().unwrap() >= 1);
    let far = of_rule("k_center").await;
    assert!(far["why"].as_str().unwrap().contains("far from anything labelled"), "{far}");
    // what the model lacks is said, and chance asks
    site.post("/api/rule", json!({"rule": "vaal"})).await;
    let project = site.project(|project| project["model"]["message"].as_str().unwrap().contains("at random")).await;
    assert!(project["model"]["message"].as_str().unwrap().contains("sampler"), "{project}");
    let before = site.get("/api/project").await["model"]["round"].as_u64().unwrap();
    let project = site.post("/api/rule", json!({"model": "others"})).await;
    assert_eq!(project["model"]["name"], "others");
    site.round(before + 1).await;
    site.post("/api/rule", json!({"rule": "margin"})).await;
    let said = of_rule("margin").await["said"]["model"].as_str().unwrap().to_owned();
    assert!(said.starts_with("others-"), "{said}");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_with_its_field() {
    let folder = Folder::new("wrong");
    let site = Site::of_digits(&folder, 30, MadeUp::default());
    site.is_read().await;
    let question = site.next("ann", 1).await[0].clone();
    let vote = |change: &dyn Fn(&mut Value)| {
        let mut vote = vote("ann", &question, 1);
        change(&mut vote);
        vote
    };
    let posts = [
        ("/api/label", vote(&|vote| vote["item"] = json!(99_999)), 404, "item"),
        ("/api/label", vote(&|vote| vote["class"] = json!(10)), 422, "class"),
        ("/api/label", vote(&|vote| vote["class"] = Value::Null), 422, "class"),
        ("/api/label", vote(&|vote| vote["class"] = json!(-1)), 422, "class"),
        ("/api/label", vote(&|vote| vote["key"] = json!("12")), 422, "key"),
        ("/api/label", vote(&|vote| vote["seconds"] = json!(-1)), 422, "seconds"),
        ("/api/label", vote(&|vote| vote["shown"]["confidence"] = json!(1.5)), 422, "shown.confidence"),
        ("/api/label", vote(&|vote| vote["shown"]["said"] = json!(10)), 422, "shown.said"),
        ("/api/label", vote(&|vote| vote["annotator"] = json!("")), 422, "annotator"),
        ("/api/skip", vote(&|vote| vote["annotator"] = json!("a".repeat(101))), 422, "annotator"),
        ("/api/skip", vote(&|vote| vote["annotator"] = json!("data")), 422, "annotator"),
        ("/api/undo", json!({"annotator": "ann", "key": "x"}), 422, "key"),
        ("/api/rule", json!({"rule": "margn"}), 422, "rule"),
        ("/api/rule", json!({"model": "mean"}), 422, "model"),
        ("/api/rule", json!({}), 422, "rule"),
        ("/api/classes", json!({"annotator": "ann", "name": " "}), 422, "name"),
        ("/api/generated", json!({"annotator": "ann", "key": key(), "number": 7, "class": 0}), 404, "number"),
    ];
    for (uri, body, status, field) in posts {
        let (found, answer) = site.try_post(uri, body.clone()).await;
        assert_eq!((found, &answer["error"]["field"]), (status, &json!(field)), "{uri} {body}: {answer}");
        assert!(!answer.to_string().contains(&folder.0.display().to_string()), "no path: {answer}");
    }
    let gets = [
        ("/api/next", 422, "annotator"),
        ("/api/next?annotator=ann&n=x", 422, "n"),
        ("/api/next?annotator=ann&not=1,x", 422, "not"),
        ("/api/items/99999?annotator=ann", 404, "item"),
        ("/api/items/x/picture", 404, "item"),
        ("/api/items/..%2f..%2fetc%2fpasswd/picture", 404, "item"),
        ("/api/items/1/picture?size=5", 422, "size"),
        ("/api/export?format=cvs", 422, "format"),
        ("/api/examples/1/0.png", 404, "path"),
    ];
    for (uri, status, field) in gets {
        let (found, answer) = site.try_get(uri).await;
        assert_eq!((found, &answer["error"]["field"]), (status, &json!(field)), "{uri}: {answer}");
    }
    let (_, answer) = site.try_post("/api/rule", json!({"rule": "margn"})).await;
    assert_eq!(answer["error"]["hint"], "did you mean `margin`?");
    assert_eq!(site.get("/api/project").await["labelled"], 0, "nothing of this was written");
}

#[tokio::test]
async fn changes_are_told_as_they_happen() {
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    let folder = Folder::new("events");
    let mut site = Site::of_digits(&folder, 60, MadeUp::default());
    site.is_read().await;
    let response = site.send(Request::get("/api/events").body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    site.oracle("ann", 15).await;
    let mut told = String::new();
    let wants = ["event: project", "\"labelled\":15", "event: queue", "event: panels"];
    while !wants.iter().all(|want| told.contains(want)) {
        let frame = tokio::time::timeout(Duration::from_secs(30), body.frame()).await;
        let frame = frame.unwrap_or_else(|_| panic!("nothing more came: {told}")).unwrap().unwrap();
        told.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert!(told.starts_with("event: project\ndata: {"), "{told}");
    site.stop();
    // and it ends with the server
    let end = async { while body.frame().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), end).await.expect("an end");
}
