//! The two servers as their users start, ask and end them; what they do in detail is tested in `halfmoon-web`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::Place;

/// A running server.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    #[track_caller]
    fn start(place: &Place, line: &str) -> Server {
        let mut child = place.command(line.split_whitespace()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        let address = said.split("http://").nth(1).unwrap_or_else(|| panic!("it said: {said}"));
        let address = address.split('/').next().unwrap().to_owned();
        Server { child, address }
    }

    /// The status and the body of an answer.
    fn ask(&self, request: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let (length, host) = (body.len(), &self.address);
        let kind = if body.starts_with(['{', '[']) { "application/json" } else { "text/csv" };
        write!(stream, "{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        // Chunks are lines of hexadecimal lengths and what they tell of.
        let body = if head.to_lowercase().contains("transfer-encoding: chunked") {
            body.split("\r\n").skip(1).step_by(2).collect()
        } else {
            body.to_owned()
        };
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }

    #[track_caller]
    fn json(&self, request: &str, body: &str) -> Value {
        let (status, body) = self.ask(request, body);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// Asks it to stop as a system does, and waits until it has.
    fn stop(mut self) -> Option<i32> {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        let began = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status.code(),
                None if began.elapsed() > Duration::from_secs(20) => return None,
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

/// 60 rows of two kinds that a line tells apart.
fn loads() -> String {
    let row = |number: usize| format!("{},{}\n", number % 2 * 10 + number / 20, number % 2 * 7);
    "a,b\n".to_owned() + &(0..60).map(row).collect::<String>()
}

const LABEL: &str = "label loads.csv --classes light,heavy --no-browser --port 0 --judge 0 --model supervised --set supervised.train.steps=50 \
                     --set supervised.hidden=[8] --first 6";

#[test]
fn labels_that_were_given_outlive_the_server_and_a_model_learns_from_them() {
    let place = Place::with("loads.csv", loads());
    let server = Server::start(&place, LABEL);
    let label = |server: &Server, number: usize| {
        let began = Instant::now();
        let question = loop {
            let questions = server.json("GET /api/next?annotator=Ann&n=1", "")["questions"].take();
            match questions.as_array().unwrap().first() {
                Some(question) => break question.clone(),
                None => assert!(began.elapsed() < Duration::from_secs(30), "nothing is asked"),
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let row: usize = question["id"].as_str().unwrap().parse().unwrap();
        let class = usize::from(row.is_multiple_of(2));
        let said = json!({"annotator": "Ann", "key": format!("{number:032x}"), "item": question["item"], "class": class, "seconds": 1.5});
        server.json("POST /api/label", &said.to_string())
    };
    for number in 0..8 {
        assert_eq!(label(&server, number)["labelled"], number + 1);
    }
    drop(server);

    let place_told = place.run("status project.db --check --json").exits(0).json();
    assert_eq!(place_told["labelled"], 8);
    let server = Server::start(
        &place,
        "label project.db --no-browser --port 0 --first 6 --model supervised --set supervised.train.steps=50 --set supervised.hidden=[8]",
    );
    assert_eq!(server.json("GET /api/project", "")["labelled"], 8);
    let began = Instant::now();
    let knows_two = |question: &Value| question["said"]["probs"].as_array().is_some_and(|probs| probs.len() == 2);
    loop {
        let questions = server.json("GET /api/next?annotator=Bo&n=20", "")["questions"].take();
        if questions.as_array().unwrap().iter().any(knows_two) {
            break;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "no model says anything: {questions}");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.json("GET /api/project", "")["model"]["state"], "ready");
    let (status, page) = server.ask("GET /", "");
    assert!(status == 200 && page.contains("<script"), "{page}");
    assert_eq!(server.ask("GET /../../project.db", "").0, 404);
    assert_eq!(server.stop(), Some(0));
    place.run("train project.db --model supervised --steps 50 --out run").exits(0).tells(&["8 labels are those of"]);
}

#[test]
fn a_project_is_of_its_own_data_and_a_server_for_others_needs_a_token() {
    let place = Place::with("loads.csv", loads());
    place.write("other.csv", loads());
    place.run("init loads.csv --classes light,heavy").exits(0);
    place
        .run("label other.csv --classes light,heavy --no-browser --port 0")
        .exits(2)
        .tells(&["is a project of other data", "--project"]);
    place.run("label loads.csv --no-browser --port 0 --host 0.0.0.0").exits(2).tells(&["token"]);
    place.run("label nowhere --no-browser --port 0 --project new.db").exits(3).tells(&["nowhere"]);
    assert!(!place.path("new.db").exists(), "what cannot be read becomes no project");
    place.run("label loads.csv --no-browser --port 0 --model nonesuch").exits(2).tells(&["`nonesuch` is not a model"]);
    place.run("serve nowhere --port 0").exits(3).tells(&["nowhere"]);
}

#[test]
fn a_served_run_answers_as_predict_does() {
    let labelled = |(number, row): (usize, &str)| format!("{row},{}\n", ["light", "heavy"][number % 2]);
    let rows = loads();
    let place = Place::with(
        "loads.csv",
        "a,b,label\n".to_owned() + &rows.lines().skip(1).enumerate().map(labelled).collect::<String>(),
    );
    place.train("loads.csv --model supervised");
    let server = Server::start(&place, "serve run --port 0");
    let answers = server.json("POST /predict", "a,b\n0,0\n12,7\n");
    let answers = answers["answers"].as_array().unwrap_or_else(|| panic!("{answers}"));
    place.write("new.csv", "a,b\n0,0\n12,7\n");
    place.run("predict run new.csv -o new.jsonl").exits(0);
    let expected: Vec<Value> =
        place.read("new.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), expected.len());
    for (answer, expected) in answers.iter().zip(&expected) {
        assert_eq!((&answer["label"], &answer["set"]), (&expected["label"], &expected["set"]));
        for class in ["light", "heavy"] {
            let p = |of: &Value| of["probs"][class].as_f64().unwrap();
            assert!((p(answer) - p(expected)).abs() < 1e-6, "{answer} {expected}");
        }
    }
    assert_eq!(server.ask("POST /predict", "{").0, 400);
    assert_eq!(server.ask("GET /v2/models/supervised/ready", "").0, 200);
    assert!(server.ask("GET /metrics", "").1.contains("halfmoon_"));
    // A newer run in its place is taken up, and answers go on meanwhile.
    let version = |server: &Server| server.json("GET /v2/models/supervised", "")["versions"].clone();
    let before = version(&server);
    std::fs::remove_dir_all(place.path("run")).unwrap();
    place.train("loads.csv --model supervised --seed 2");
    let began = Instant::now();
    while version(&server) == before {
        assert!(began.elapsed() < Duration::from_secs(30), "the newer run is not served");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(server.stop(), Some(0));
}
