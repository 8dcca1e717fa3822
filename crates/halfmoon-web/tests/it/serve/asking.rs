//! `/predict` and `/feedback`.

use serde_json::{Value, json};

use super::{assert_near, metric, start, started};
use crate::client::{Server, request};
use crate::made_up::Made;
use halfmoon_web::serve::Settings;

/// ln 3: the size of a red row that is `high` with 3/4.
const THREE: f64 = 1.098_612_3;

#[test]
fn a_row_has_the_same_answer_in_every_form() {
    let server = start();
    let csv = format!("colour,size\nred,{THREE}\nblue,0\n");
    let lines = format!("{{\"colour\": \"red\", \"size\": {THREE}}}\n[0, \"blue\"]\n");
    let object = json!({"size": THREE, "colour": "red"});
    let forms = [
        server.post("/predict", &json!({ "rows": [object, [0, "blue"]] })),
        server.post("/predict", &json!([object, [0, "blue"]])),
        server.post("/predict", &json!({ "rows": [[THREE, "red"], {"size": 0, "colour": "blue", "more": 1}] })),
        server.post_text("/predict", "text/csv; charset=utf-8", &csv),
        server.post_text("/predict", "application/x-ndjson", &lines),
    ];
    for answer in forms {
        let answers = answer.answers();
        assert_eq!(answers.len(), 2);
        for (index, of) in answers.iter().enumerate() {
            assert_eq!((&of["index"], &of["status"], &of["why"]), (&json!(index), &json!("ok"), &Value::Null));
            assert_eq!(of["label"], "high");
            // σ(ln 3) both times
            assert_near(&of["confidence"], 0.75);
            assert_near(&of["probs"]["high"], 0.75);
            assert_near(&of["probs"]["low"], 0.25);
            assert_eq!(of["set"], json!(["high"]), "whose threshold is 0.5");
        }
        // −ln(3)²/2 = −0.60347; of 0.1, 0.2 … 9.9 there are 93 that are larger, so that p is 94/100
        assert_near(&answers[0]["log_density"], -0.603_474);
        assert_near(&answers[0]["outlier_p"], 0.94);
        assert_near(&answers[1]["outlier_p"], 1.0);
        assert_eq!(answers[0]["flag"], false);
    }
    for one in [object, json!([THREE, "red"])] {
        let answers = server.post("/predict", &one).answers();
        assert_eq!(answers.len(), 1);
        assert_near(&answers[0]["confidence"], 0.75);
    }
    let model = &server.post("/predict", &json!([[0, "red"]])).json()["model"];
    assert_eq!(model, &json!({ "name": "moon", "version": "run-0" }));
}

#[test]
fn what_is_strange_is_flagged() {
    let answers = start().post("/predict", &json!([[100, "red"], [1, "red"]])).answers();
    assert_near(&answers[0]["outlier_p"], 0.01);
    assert_eq!((&answers[0]["flag"], &answers[1]["flag"]), (&json!(true), &json!(false)));
}

#[test]
fn every_row_has_an_answer_whatever_it_holds() {
    let server = start();
    let rows = json!([
        {"id": "first", "size": 0, "colour": "red"},
        {"size": 0},
        {"size": "large", "colour": "green"},
        [1],
        "text",
        {"size": [1], "colour": "red"},
        {"size": null, "colour": null},
        {"sise": 1, "colour": "red"},
        {"size": "NaN", "colour": "red"},
        {"size": "inf", "colour": "red"},
        {"size": 1e300, "colour": "red"},
    ]);
    let answers = server.post("/predict", &json!({ "rows": rows })).answers();
    let seen: Vec<_> = answers.iter().map(|of| (of["status"].as_str().expect("a status"), &of["id"])).collect();
    let expected = [
        "ok",
        "unreadable",
        "unseen",
        "unreadable",
        "unreadable",
        "unreadable",
        "ok",
        "unreadable",
        "ok",
        "unseen",
        "unseen",
    ];
    assert_eq!(seen.iter().map(|(status, _)| *status).collect::<Vec<_>>(), expected, "{answers:#?}");
    assert_eq!((seen[0].1, seen[1].1), (&json!("first"), &json!("2")));
    for of in &answers {
        assert_eq!(of["label"].is_null(), of["status"] == "unreadable", "{of}");
        assert_eq!(of["why"].is_null(), of["status"] == "ok", "{of}");
    }
    let why = |row: usize| answers[row]["why"].as_str().expect("a reason");
    assert!(why(1).contains("column colour is missing"), "{}", why(1));
    assert_eq!(why(2), "`large` in column size is not a number; `green` in column colour");
    assert_eq!(why(3), "1 values instead of 2");
    assert!(why(7).contains("did you mean `sise`"), "{}", why(7));
    // a gap is filled with 0
    assert_near(&answers[6]["confidence"], 0.5);
}

#[test]
fn rows_of_text_have_an_answer_each_too() {
    let server = start();
    let answers = server.post_text("/predict", "text/csv", "size,colour\n1,red\n2\n3,red,4\n").answers();
    assert_eq!(answers.iter().map(|of| &of["status"]).collect::<Vec<_>>(), ["ok", "unreadable", "unreadable"]);
    let lines = "[1, \"red\"]\n\n{\"size\": \n[\n5\n";
    let answers = server.post_text("/predict", "application/x-ndjson", lines).answers();
    assert_eq!(answers.len(), 5);
    assert!(answers[1..].iter().all(|of| of["status"] == "unreadable"), "{answers:#?}");
    assert_eq!(answers[1]["why"], "the line is empty");
}

#[test]
fn a_body_that_is_wrong_as_a_whole_is_refused_with_its_field() {
    let server = start();
    let json = "application/json";
    let deep = "[".repeat(1_000_000);
    let closed = format!("{{\"rows\": {deep}{}}}", "]".repeat(1_000_000));
    let csv = "text/csv";
    for (kind, body, status, field) in [
        (json, "", 400, "body"),
        (json, "{\"rows\": [", 400, "body"),
        (json, "{'rows': []}", 400, "body"),
        (json, "[NaN]", 400, "body"),
        (json, &*deep, 400, "body"),
        (json, "\u{feff}[]", 400, "body"),
        (json, "[[0, \"red\"]] []", 400, "body"),
        (json, "5", 422, "body"),
        (json, "null", 422, "body"),
        (json, "\"rows\"", 422, "body"),
        (json, "[]", 422, "body"),
        (json, "{\"rows\": []}", 422, "body"),
        (csv, "", 422, "body"),
        (csv, "size,colour\n", 422, "body"),
        (csv, "size\n1\n", 422, "body"),
        (csv, "\u{1f}\u{8b}", 422, "body"),
        ("application/x-ndjson", "", 422, "body"),
        ("text/plain", "size,colour\n1,red\n", 415, "content-type"),
        ("", "[[0, \"red\"]]", 415, "content-type"),
        ("multipart/form-data", "x", 400, "content-type"),
        ("multipart/form-data; boundary=x", "--x--\r\n", 422, "body"),
        ("multipart/form-data; boundary=x", "--x\r\n", 400, "body"),
    ] {
        let answer = server.post_text("/predict", kind, body);
        let shown: String = body.chars().take(30).collect();
        assert_eq!(answer.problem(), (status, Some(field.to_owned())), "{kind} {shown}: {}", answer.text());
    }
    let answer = server.post_text("/predict", json, &closed);
    assert_eq!(answer.answers()[0]["status"], "unreadable", "a row that is too deep is only that");
    let invalid = server.post_text("/predict", json, b"[[0, \"\xff\"]]");
    assert_eq!(invalid.problem(), (400, Some("body".to_owned())));
    let missing = server.post_text("/predict", csv, "size,color\n1,red\n").text();
    assert!(missing.contains("column colour is missing") && missing.contains("did you mean"), "{missing}");
    assert!(!missing.contains("/work") && !missing.contains("/tmp"), "{missing}");
}

#[test]
fn other_methods_and_paths_are_told() {
    let server = start();
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = server.ask(method, "/predict", &[], b"");
        assert_eq!(answer.problem(), (405, Some("method".to_owned())), "{method}");
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
    assert_eq!(server.ask("HEAD", "/predict", &[], b"").status, 405);
    let head = server.ask("HEAD", "/health/live", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    for path in ["/nothing", "/predict/", "/v2/models", "/../etc/passwd", "/docs/%2e%2e/x"] {
        assert_eq!(server.get(path).problem(), (404, Some("path".to_owned())), "{path}");
    }
}

#[test]
fn the_guard_stands_before_it() {
    let server = start();
    let json = ("content-type", "application/json");
    let post = |headers: &[(&str, &str)]| server.ask("POST", "/predict", headers, b"[[0, \"red\"]]").status;
    assert_eq!(post(&[json]), 200);
    assert_eq!(post(&[json, ("host", "evil.example")]), 403);
    assert_eq!(post(&[json, ("origin", "http://evil.example")]), 403);
    assert_eq!(post(&[json, ("content-length", "9999999999")]), 413);
}

#[test]
fn a_client_that_has_said_all_is_answered() {
    let server = start();
    let mut client = server.connect();
    let body = b"[[0, \"red\"]]";
    client.send(&request(server.address, "POST", "/predict", &[("content-type", "application/json")], body));
    client.half_close();
    assert_eq!(client.answer(false).expect("an answer").answers().len(), 1);
}

fn feedback(server: &Server, body: &Value) -> Value {
    let answer = server.post("/feedback", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn feedback_measures_how_good_the_answers_were() {
    let server = start();
    assert!(!server.get("/metrics").text().contains("halfmoon_feedback{"), "nothing is known yet");
    let asked = server.post("/predict", &json!([[THREE, "red"], [THREE, "red"], "?", [THREE, "red"]])).json();
    let labels = json!(["high", "high", "high", null]);
    let said = feedback(&server, &json!({ "id": asked["id"], "labels": labels }));
    assert_eq!((&said["counted"], &said["window"]["n"]), (&json!(2), &json!(2)));
    assert_near(&said["window"]["accuracy"], 1.0);
    // two more of the confidence 0.75, both wrong
    let rows = json!([{"size": THREE, "colour": "red"}, [THREE, "red"]]);
    let said = feedback(&server, &json!({ "rows": rows, "labels": ["low", "low"] }));
    let window = &said["window"];
    assert_eq!(window["n"], 4);
    assert_near(&window["accuracy"], 0.5);
    assert_near(&window["confidence"], 0.75);
    assert_near(&window["gap"], 0.25);
    assert_near(&window["ece"], 0.25);
    for (figure, value) in [("accuracy", 0.5), ("gap", 0.25), ("n", 4.0)] {
        let shown = metric(&server, &format!("halfmoon_feedback{{figure=\"{figure}\"}}")).expect("a figure");
        assert_near(&json!(shown), value);
    }
    assert_eq!(metric(&server, "halfmoon_feedback_labels_total"), Some(4.0));
}

#[test]
fn the_window_is_of_the_last_thousand() {
    let server = start();
    let many = |rows: usize, label: &str| {
        let body = json!({ "rows": vec![json!([THREE, "red"]); rows], "labels": vec![label; rows] });
        feedback(&server, &body)["window"].clone()
    };
    assert_near(&many(600, "low")["accuracy"], 0.0);
    let window = many(900, "high");
    assert_eq!(window["n"], 1000);
    assert_near(&window["accuracy"], 0.9);
}

#[test]
fn feedback_that_is_wrong_is_refused_and_counts_nothing() {
    let server = start();
    let id = server.post("/predict", &json!([[0, "red"], [0, "red"]])).json()["id"].clone();
    for (body, status, field) in [
        (json!({ "id": "0", "labels": [] }), 404, "id"),
        (json!({ "id": id, "labels": ["high"] }), 422, "labels"),
        (json!({ "id": id, "labels": ["high", "hihg"] }), 422, "labels[1]"),
        (json!({ "id": id, "labels": ["high", 1] }), 422, "labels[1]"),
        (json!({ "id": 5, "labels": [] }), 422, "id"),
        (json!({ "labels": ["high"] }), 422, "body"),
        (json!({ "id": id, "rows": [], "labels": [] }), 422, "body"),
        (json!({ "rows": [[0, "red"]], "labels": [] }), 422, "labels"),
        (json!({ "rows": 5, "labels": [] }), 422, "rows"),
        (json!({ "id": id }), 422, "body"),
    ] {
        let answer = server.post("/feedback", &body);
        assert_eq!(answer.problem(), (status, Some(field.to_owned())), "{body}: {}", answer.text());
    }
    assert_eq!(server.post_text("/feedback", "text/csv", "x").problem().0, 415);
    assert_eq!(feedback(&server, &json!({ "id": id, "labels": ["high", "low"] }))["window"]["n"], 2);
    assert_eq!(server.post("/feedback", &json!({ "id": id, "labels": ["high", "low"] })).status, 404, "it counts once");
}

#[test]
fn a_model_that_fails_is_not_the_end() {
    let (server, _stopper) = started(Made::default(), Settings::default());
    let answer = server.post("/predict", &json!([[1e8, "red"]]));
    assert_eq!(answer.problem().0, 500);
    assert!(!answer.text().contains("belongs"), "{}", answer.text());
    assert_eq!(server.post("/predict", &json!([[0, "red"]])).answers().len(), 1);
}
