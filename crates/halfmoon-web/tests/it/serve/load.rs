//! Many at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use halfmoon_web::serve::Settings;
use serde_json::json;

use super::{assert_near, started};
use crate::client::{Server, request};
use crate::made_up::Made;

/// Asks for a row of its own and checks that the answer is that row's.
fn ask_own(server: &Server, size: f64) -> u16 {
    let answer = server.post("/predict", &json!([[size, "red"]]));
    if answer.status == 200 {
        assert_near(&answer.answers()[0]["probs"]["high"], 1.0 / (1.0 + (-size).exp()));
    }
    answer.status
}

#[test]
fn two_hundred_rows_of_fifty_clients_have_each_its_own_answer() {
    let made = Made { delay: Duration::from_millis(5), ..Made::default() };
    let (server, _stopper) = started(made.clone(), Settings::default());
    std::thread::scope(|scope| {
        for client in 0..50_u8 {
            let server = &server;
            scope.spawn(move || {
                for turn in 0..4_u8 {
                    let size = f64::from(client) / 10.0 - 2.5 + f64::from(turn) / 100.0;
                    assert_eq!(ask_own(server, size), 200);
                }
            });
        }
    });
    let batches = made.batches.lock().expect("no panic holds it").clone();
    // The first row is that which the model is tried with.
    assert_eq!(batches.iter().sum::<usize>(), 201);
    assert!(batches.len() < 150, "they were answered together: {batches:?}");
}

#[test]
fn a_batch_has_no_more_rows_than_it_may() {
    let made = Made { delay: Duration::from_millis(2), ..Made::default() };
    let (server, _stopper) = started(made.clone(), Settings { batch: 4, ..Settings::default() });
    let rows: Vec<_> = (0..30_u8).map(|row| json!([f64::from(row) / 10.0, "red"])).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let answers = server.post("/predict", &json!(rows)).answers();
                assert_eq!(answers.len(), 30);
                for (row, of) in answers.iter().enumerate() {
                    assert_near(&of["probs"]["high"], 1.0 / (1.0 + (-(row as f64) / 10.0).exp()));
                }
            });
        }
    });
    assert!(made.batches.lock().expect("no panic holds it").iter().all(|&rows| rows <= 4));
}

#[test]
fn where_too_many_wait_clients_are_asked_to_come_again() {
    let made = Made { delay: Duration::from_millis(200), ..Made::default() };
    let settings = Settings { batch: 1, queue: 2, ..Settings::default() };
    let (server, _stopper) = started(made, settings);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..12_u8)
            .map(|row| {
                scope.spawn({
                    let server = &server;
                    move || ask_own(server, f64::from(row))
                })
            })
            .collect();
        all.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    assert!(statuses.contains(&200) && statuses.contains(&503), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert_eq!(ask_own(&server, 0.0), 200);
}

#[test]
fn a_reload_in_the_middle_of_load_loses_nothing() {
    let made = Made { delay: Duration::from_millis(3), ..Made::default() };
    let settings = Settings { reload_every: Some(Duration::from_millis(10)), ..Settings::default() };
    let (server, _stopper) = started(made.clone(), settings);
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for client in 0..20_u8 {
            let (server, is_over, answered) = (&server, &is_over, &answered);
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    assert_eq!(ask_own(server, f64::from(client) / 10.0), 200);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for version in 1..=10 {
            std::thread::sleep(Duration::from_millis(60));
            made.version.store(version, Ordering::SeqCst);
        }
        std::thread::sleep(Duration::from_millis(100));
        is_over.store(true, Ordering::SeqCst);
    });
    assert_eq!(server.get("/model").json()["version"], "run-10");
    assert!(answered.load(Ordering::SeqCst) > 100, "{answered:?}");
}

#[test]
fn a_stop_answers_all_that_was_asked() {
    let made = Made { delay: Duration::from_millis(100), ..Made::default() };
    let (mut server, stopper) = started(made, Settings { batch: 2, ..Settings::default() });
    let mut clients: Vec<_> = (0..10_u8)
        .map(|row| {
            let mut client = server.connect();
            let body = json!([[row, "red"]]).to_string();
            let json = [("content-type", "application/json")];
            client.send(&request(server.address, "POST", "/predict", &json, body.as_bytes()));
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(50));
    stopper.stop();
    server.stop();
    for (row, client) in clients.iter_mut().enumerate() {
        let answer = client.answer(false).expect("an answer");
        assert_near(&answer.answers()[0]["probs"]["high"], 1.0 / (1.0 + (-(row as f64)).exp()));
    }
    server.join();
    assert!(std::net::TcpStream::connect(server.address).is_err());
}
