//! A client that sends what it is told, byte for byte, to a server on a thread of this process.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use halfmoon_web::guard::{Bind, bind};
use serde_json::Value;
use tokio::sync::oneshot;

/// Longer than any answer of a test takes.
const WAIT: Duration = Duration::from_secs(20);

/// Ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(router: Router) -> Server {
        Server::with(&Bind::loopback(0), router)
    }

    pub(crate) fn with(settings: &Bind, router: Router) -> Server {
        let bound = bind(settings).expect("a free port");
        let url = bound.url();
        let authority = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("a host");
        let address = authority.parse().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let stopped = async {
                let _ = stopped.await;
            };
            bound.serve(router, stopped).expect("a server");
        });
        Server { address, url, stop: Some(stop), thread: Some(thread) }
    }

    /// Asks it to stop; it may still answer.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for its end.
    pub(crate) fn join(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic");
        }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut client = self.connect();
        client.send(&request(self.address, method, path, headers, body));
        client.answer(method == "HEAD").expect("an answer")
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub(crate) fn post_text(&self, path: &str, kind: &str, body: impl AsRef<[u8]>) -> Answer {
        self.ask("POST", path, &[("content-type", kind)], body.as_ref())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What is sent for a request. Headers that are given stand before, or in place of, the usual ones.
pub(crate) fn request(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let is_given = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let (host, length) = (to.to_string(), body.len().to_string());
    let mut all = vec![];
    if !is_given("host") {
        all.push(("host", &*host));
    }
    if !is_given("content-length") && (!body.is_empty() || method == "POST") {
        all.push(("content-length", &*length));
    }
    all.extend(headers);
    let lines: String = all.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    let text = format!("{method} {path} HTTP/1.1\r\n{lines}");
    [text.as_bytes(), b"\r\n", body].concat()
}

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(WAIT)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        Client { stream, read: Vec::new() }
    }

    /// What the server no longer takes is lost without a word.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).expect("it is open");
    }

    /// The next answer; `None` where the connection ends before.
    pub(crate) fn answer(&mut self, is_bare: bool) -> Option<Answer> {
        let end = self.until(|read| read.windows(4).position(|bytes| bytes == b"\r\n\r\n"))? + 4;
        let head = String::from_utf8(self.read.drain(..end).collect()).expect("ASCII");
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let answer = Answer { status, headers, body: Vec::new() };
        let length = answer.header("content-length").map(|length| length.parse::<usize>().expect("a number"));
        let body = match length {
            _ if is_bare || status == 204 || status == 304 => Vec::new(),
            Some(length) => {
                self.until(|read| (read.len() >= length).then_some(()))?;
                self.read.drain(..length).collect()
            }
            None => Vec::new(),
        };
        Some(Answer { body, ..answer })
    }

    /// All that comes until the connection ends; how long that took.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, Duration) {
        let start = Instant::now();
        let _ = self.stream.read_to_end(&mut self.read);
        (std::mem::take(&mut self.read), start.elapsed())
    }

    /// Reads until something is found.
    pub(crate) fn until<T>(&mut self, found: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let mut some = [0; 1 << 12];
        loop {
            if let Some(found) = found(&self.read) {
                return Some(found);
            }
            match self.stream.read(&mut some) {
                Ok(0) => return None,
                Ok(bytes) => self.read.extend_from_slice(&some[..bytes]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the server hangs"),
                Err(_) => return None,
            }
        }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The status, and the field that the error names.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, Option<String>) {
        let error = &self.json()["error"];
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{}", self.text());
        (self.status, error["field"].as_str().map(str::to_owned))
    }
}
