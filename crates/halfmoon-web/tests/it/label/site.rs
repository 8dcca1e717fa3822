//! A project in a folder of its own, and requests to its server.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use halfmoon_web::label::{Running, Settings, open};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::made_up::{self, MadeUp, write_digits};

/// Longer than anything here takes, on a machine that has other work.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Removed with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("halfmoon-label-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What is asked for in most tests.
pub(crate) fn settings(folder: &Folder) -> Settings {
    made_up::settings(&folder.0)
}

pub(crate) struct Site {
    router: Router,
    running: Option<Running>,
    /// The digit of each picture.
    pub(crate) truth: Vec<u16>,
}

impl Site {
    /// Digits, of which nothing is known.
    pub(crate) fn of_digits(folder: &Folder, count: usize, trainer: MadeUp) -> Site {
        let truth = write_digits(&folder.0.join("photos"), count);
        Site { truth, ..Site::open(settings(folder), trainer) }
    }

    pub(crate) fn open(settings: Settings, trainer: MadeUp) -> Site {
        let (router, running) = open(settings, trainer).unwrap();
        Site { router, running: Some(running), truth: Vec::new() }
    }

    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get_bytes(&self, uri: &str) -> (StatusCode, Vec<u8>) {
        let response = self.send(Request::get(uri).body(Body::empty()).unwrap()).await;
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    pub(crate) async fn try_get(&self, uri: &str) -> (u16, Value) {
        let (status, body) = self.get_bytes(uri).await;
        (status.as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, uri: &str) -> Value {
        let (status, body) = self.try_get(uri).await;
        assert_eq!(status, 200, "{uri}: {body}");
        body
    }

    pub(crate) async fn try_post(&self, uri: &str, body: Value) -> (u16, Value) {
        let request = Request::post(uri).header(header::CONTENT_TYPE, "application/json");
        let response = self.send(request.body(Body::from(body.to_string())).unwrap()).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) async fn post(&self, uri: &str, body: Value) -> Value {
        let (status, answer) = self.try_post(uri, body).await;
        assert_eq!(status, 200, "{uri}: {answer}");
        answer
    }

    /// The project, once it is so.
    pub(crate) async fn project(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let project = self.get("/api/project").await;
            if is_so(&project) {
                return project;
            }
            assert!(Instant::now() < until, "it never came to be so: {project:#}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The project, once all is read.
    pub(crate) async fn is_read(&self) -> Value {
        self.project(|project| project["scan"]["state"] == "done").await
    }

    /// The project, once a model of at least this round is there and nothing goes on.
    pub(crate) async fn round(&self, round: u64) -> Value {
        let is_there = |project: &Value| {
            project["model"]["round"].as_u64().is_some_and(|now| now >= round) && project["model"]["state"] == "ready"
        };
        self.project(is_there).await
    }

    /// Questions, once there are some.
    pub(crate) async fn next(&self, annotator: &str, n: usize) -> Vec<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(&format!("/api/next?annotator={annotator}&n={n}")).await;
            let questions = answer["questions"].as_array().unwrap().clone();
            if !questions.is_empty() || Instant::now() > until {
                return questions;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The digit that a question shows.
    pub(crate) fn digit(&self, question: &Value) -> u16 {
        let id = question["id"].as_str().unwrap();
        self.truth[id.trim_end_matches(".png").parse::<usize>().unwrap()]
    }

    pub(crate) async fn label(&self, annotator: &str, question: &Value, class: u16) -> Value {
        self.post("/api/label", vote(annotator, question, class)).await
    }

    /// Labels so many items as one who knows does.
    pub(crate) async fn oracle(&self, annotator: &str, labels: usize) {
        for _ in 0..labels {
            let questions = self.next(annotator, 1).await;
            let question = questions.first().expect("something is left to ask");
            self.label(annotator, question, self.digit(question)).await;
        }
    }
}

/// As the page sends it.
pub(crate) fn vote(annotator: &str, question: &Value, class: u16) -> Value {
    let said = &question["said"];
    json!({
        "annotator": annotator,
        "key": key(),
        "item": question["item"],
        "class": class,
        "seconds": 1.5,
        "shown": {
            "rule": question["rule"],
            "why": question["why"],
            "round": question["round"],
            "model": said["model"],
            "said": said["class"],
            "confidence": said["confidence"],
        },
    })
}

/// Another one each time.
pub(crate) fn key() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{:032x}", COUNT.fetch_add(1, Ordering::Relaxed))
}
