//! What can be watched, and what the service says of itself.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use halfmoon_pool::{Result, Schema};
use halfmoon_web::guard::Bind;
use halfmoon_web::serve::{Served, Settings, Source, router};
use serde_json::{Value, json};

use super::{metric, start, started};
use crate::client::Server;
use crate::made_up::Made;

#[test]
fn metrics_count_requests_rows_classes_and_outliers() {
    let server = start();
    server.post("/predict", &json!([[1, "red"], [-1, "red"], [100, "red"], "?", [1, "green"]]));
    server.post("/predict", &json!([]));
    server.get("/nothing");
    for (line, value) in [
        (r#"halfmoon_requests_total{route="/predict",status="200"}"#, 1.0),
        (r#"halfmoon_requests_total{route="/predict",status="422"}"#, 1.0),
        (r#"halfmoon_requests_total{route="other",status="404"}"#, 1.0),
        (r#"halfmoon_request_seconds_count{route="/predict"}"#, 2.0),
        (r#"halfmoon_rows_total{status="ok"}"#, 3.0),
        (r#"halfmoon_rows_total{status="unseen"}"#, 1.0),
        (r#"halfmoon_rows_total{status="unreadable"}"#, 1.0),
        (r#"halfmoon_predictions_total{class="high"}"#, 3.0),
        (r#"halfmoon_predictions_total{class="low"}"#, 1.0),
        ("halfmoon_outliers_total", 1.0),
        ("halfmoon_batch_rows_count", 1.0),
        ("halfmoon_batch_rows_sum", 4.0),
        (r#"halfmoon_model{name="moon",version="run-0"}"#, 1.0),
    ] {
        assert_eq!(metric(&server, line), Some(value), "{line}\n{}", server.get("/metrics").text());
    }
    let answer = server.get("/metrics");
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    assert!(answer.text().ends_with("# EOF\n"));
}

#[test]
fn what_the_guard_refuses_is_counted_and_what_the_router_refuses_is_not() {
    let door = Bind { max_body: 1_000, ..Bind::loopback(0) };
    let settings = Settings { refusals: door.refusals.clone(), ..Settings::default() };
    let (router, _stopper) = router(Made::default(), settings).expect("a run");
    let server = Server::with(&door, router);
    assert_eq!(server.ask("GET", "/model", &[("host", "evil.example")], b"").status, 403);
    assert_eq!(server.post_text("/predict", "text/csv", vec![b'x'; 2_000]).status, 413);
    assert_eq!(server.post("/predict", &json!([])).status, 422);
    let refused = |status: u16| metric(&server, &format!(r#"halfmoon_refusals_total{{status="{status}"}}"#));
    assert_eq!((refused(403), refused(413), refused(422)), (Some(1.0), Some(1.0), None));
}

#[test]
fn the_model_says_what_it_is() {
    let model = start().get("/model").json();
    assert_eq!(model["classes"], json!(["low", "high"]));
    assert_eq!(model["columns"][1], json!({"name": "colour", "kind": "category", "values": ["blue", "red"]}));
    assert_eq!(model["learned"], json!({"items": 200, "labels": 20}));
    assert_eq!(model["trust"]["outlier_score"], "log_density");
    assert_eq!((&model["trust"]["items"], &model["trust"]["coverage"]), (&json!(99), &json!(0.95)));
    assert_eq!(model["about"], json!({"model": "made up"}));
}

/// Every operation: its method, its path and what is said of it.
fn operations(api: &Value) -> Vec<(String, String, Value)> {
    let paths = api["paths"].as_object().expect("paths");
    let of = |(path, item): (&String, &Value)| {
        let item = item.as_object().expect("operations").clone();
        let path = path.clone();
        item.into_iter().map(move |(method, operation)| (method, path.clone(), operation))
    };
    paths.iter().flat_map(of).collect()
}

#[test]
fn the_description_has_every_route_and_every_status() {
    let server = start();
    let api = server.get("/openapi.json").json();
    assert!(api["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", api["openapi"]);
    let operations = operations(&api);
    assert_eq!(operations.len(), 17, "{:#?}", operations.iter().map(|(_, path, _)| path).collect::<Vec<_>>());
    for (method, path, operation) in &operations {
        let (real, unreal) =
            (path.replace("{model}", "moon").replace("{version}", "run-0"), path.replace("{model}", "sun"));
        for path in [real, unreal] {
            for (headers, body) in
                [(&[("content-type", "application/json")][..], "{}"), (&[], ""), (&[("host", "evil.example")], "")]
            {
                let answer = server.ask(&method.to_uppercase(), &path, headers, body.as_bytes());
                let said = &operation["responses"][answer.status.to_string()];
                assert!(said.is_object(), "{method} {path} answers {} unsaid: {}", answer.status, answer.text());
                let kind = answer.header("content-type").expect("a content type").split(';').next().expect("a kind");
                assert!(said["content"][kind].is_object(), "{method} {path} {}: {kind} is not said", answer.status);
            }
        }
        let ids: Vec<_> =
            operations.iter().filter(|(_, _, other)| other["operationId"] == operation["operationId"]).collect();
        assert_eq!(ids.len(), 1, "{}", operation["operationId"]);
    }
    let known = &api["paths"]["/v2/models/{model}/versions/{version}"]["get"]["parameters"];
    assert_eq!((&known[0]["schema"]["enum"], &known[1]["schema"]["enum"]), (&json!(["moon"]), &json!(["run-0"])));
    let labels = &api["components"]["schemas"]["Truth"]["oneOf"][1]["properties"]["labels"]["items"]["enum"];
    assert_eq!(labels, &json!(["low", "high", null]));
    // Every reference leads somewhere.
    let text = api.to_string();
    for name in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(api["components"]["schemas"][name].is_object(), "{name}");
    }
}

#[test]
fn the_page_lists_the_routes_and_loads_nothing() {
    let server = start();
    let page = server.get("/docs").text();
    for (method, path, _) in operations(&server.get("/openapi.json").json()) {
        assert!(page.contains(&format!("{} {path}", method.to_uppercase())), "{method} {path}");
    }
    for loaded in ["<script", "src=", "http://", "https://", "style="] {
        assert!(!page.contains(loaded), "{loaded}");
    }
    assert_eq!(server.get("/").text(), page);
}

fn reloading() -> (Made, Settings, mpsc::Receiver<String>) {
    let (tell, told) = mpsc::channel();
    let tell = Box::new(move |line: &str| {
        let _ = tell.send(line.to_owned());
    });
    let settings = Settings { reload_every: Some(Duration::from_millis(20)), tell, ..Settings::default() };
    (Made::default(), settings, told)
}

fn version(server: &Server) -> String {
    server.get("/model").json()["version"].as_str().expect("a version").to_owned()
}

fn wait_for(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(10), "it does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_newer_run_takes_over_and_a_broken_one_does_not() {
    let (made, settings, told) = reloading();
    let (server, _stopper) = started(made.clone(), settings);
    let id = server.post("/predict", &json!([[0, "red"]])).json()["id"].clone();
    made.is_broken.store(true, Ordering::SeqCst);
    made.version.store(1, Ordering::SeqCst);
    let failed = || metric(&server, r#"halfmoon_reloads_total{result="failed"}"#);
    wait_for(|| failed() >= Some(3.0));
    assert_eq!(version(&server), "run-0");
    assert_eq!(server.post("/predict", &json!([[0, "red"]])).answers().len(), 1);
    let line = told.recv_timeout(Duration::from_secs(5)).expect("a line");
    assert!(line.contains("run-0 goes on") && line.contains("the run is cut off"), "{line}");
    assert!(told.try_recv().is_err(), "it is told once");

    made.is_broken.store(false, Ordering::SeqCst);
    wait_for(|| version(&server) == "run-1");
    let line = told.recv_timeout(Duration::from_secs(5)).expect("a line");
    assert!(line.contains("moon run-1"), "{line}");
    assert_eq!(metric(&server, r#"halfmoon_model{name="moon",version="run-1"}"#), Some(1.0));
    assert_eq!(metric(&server, r#"halfmoon_model{name="moon",version="run-0"}"#), None);
    assert_eq!(server.post("/feedback", &json!({ "id": id, "labels": ["high"] })).status, 404, "of another model");
    assert_eq!(server.get("/v2/models/moon/versions/run-0").status, 404);
}

#[test]
fn without_its_stopper_nothing_newer_comes() {
    let (made, settings, _told) = reloading();
    let (server, stopper) = started(made.clone(), settings);
    drop(stopper);
    std::thread::sleep(Duration::from_millis(50));
    made.version.store(1, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(version(&server), "run-0");
}

/// A run whose model knows other classes than its schema.
struct Damaged;

impl Source for Damaged {
    fn open(&mut self) -> Result<Served> {
        let served = Made::default().open()?;
        let schema = Schema { classes: vec!["only".to_owned()], ..served.schema };
        Ok(Served { schema, ..served })
    }

    fn newer(&mut self, _: &str) -> bool {
        false
    }
}

#[test]
fn a_run_whose_model_does_not_fit_is_not_served() {
    let error = router(Damaged, Settings::default()).err().expect("it does not fit");
    assert!(error.to_string().contains("does not answer as its run says"), "{error}");
}
