//! The prediction service.

mod asking;
mod inference;
mod load;
mod pictures;
mod watching;

use halfmoon_web::serve::{Settings, Stopper, router};
use serde_json::Value;

use crate::client::{Answer, Server};
use crate::made_up::Made;

/// Of a made-up model, nothing else being said.
fn start() -> Server {
    started(Made::default(), Settings::default()).0
}

fn start_pictures() -> Server {
    started(Made { of_pictures: true, ..Made::default() }, Settings::default()).0
}

fn started(made: Made, settings: Settings) -> (Server, Stopper) {
    let (router, stopper) = router(made, settings).expect("a run");
    (Server::start(router), stopper)
}

impl Answer {
    /// What is said of the rows.
    #[track_caller]
    fn answers(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()["answers"].as_array().expect("answers").clone()
    }
}

#[track_caller]
fn assert_near(value: &Value, expected: f64) {
    assert!(value.as_f64().is_some_and(|value| (value - expected).abs() < 1e-5), "{value} is not {expected}");
}

/// The value behind a metric's name and labels.
fn metric(server: &Server, line: &str) -> Option<f64> {
    let text = server.get("/metrics").text();
    text.lines().find_map(|of| of.strip_prefix(line)?.trim().parse().ok())
}
