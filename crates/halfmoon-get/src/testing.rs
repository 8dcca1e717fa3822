//! A web server on this machine, with all the bad manners that servers have.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::Progress;
use crate::content::hexadecimal;
use crate::sets::{File, Set};
use crate::web::Web;

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// The 700 of `Range: bytes=700-`.
    pub(crate) range: Option<usize>,
}

/// What is answered, and how badly.
#[derive(Default)]
pub(crate) struct Reply {
    pub(crate) status: &'static str,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
    /// A length to announce, instead of the body's.
    pub(crate) announced: Option<usize>,
    /// Bytes of the body after which nothing comes any more, though the connection stays.
    pub(crate) silent_after: Option<usize>,
}

impl Reply {
    pub(crate) fn status(status: &'static str) -> Reply {
        Reply { status, ..Reply::default() }
    }

    /// As a good server answers: the whole file, or its rest from where it is asked for.
    pub(crate) fn file(bytes: &[u8], request: &Request) -> Reply {
        match request.range {
            None => Reply { body: bytes.to_vec(), ..Reply::status("200 OK") },
            Some(start) if start >= bytes.len() => Reply::status("416 Range Not Satisfiable"),
            Some(start) => Reply {
                headers: vec![format!("Content-Range: bytes {start}-{}/{}", bytes.len() - 1, bytes.len())],
                body: bytes[start..].to_vec(),
                ..Reply::status("206 Partial Content")
            },
        }
    }

    /// The connection breaks after so many bytes of the body.
    pub(crate) fn cut(mut self, after: usize) -> Reply {
        self.announced = Some(self.body.len());
        self.body.truncate(after);
        self
    }
}

/// Listens on a port of its own until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    closed: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn new(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let closed = Arc::new(AtomicBool::new(false));
        let (seen, end) = (Arc::clone(&requests), Arc::clone(&closed));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                // Who asks may leave in the middle.
                let _ = stream.and_then(|stream| converse(&stream, &answer, &seen, &end));
            }
        });
        Server { address, requests, closed }
    }

    /// Sends the same files to everybody.
    pub(crate) fn of(files: &[(&'static str, Vec<u8>)]) -> Server {
        let files = files.to_vec();
        Server::new(move |request| match files.iter().find(|(name, _)| request.path == format!("/{name}")) {
            Some((_, bytes)) => Reply::file(bytes, request),
            None => Reply::status("404 Not Found"),
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no answer panics").clone()
    }

    /// Where the requests began, in their order.
    pub(crate) fn ranges(&self) -> Vec<Option<usize>> {
        self.requests().into_iter().map(|request| request.range).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Wakes whoever waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

fn converse(
    stream: &TcpStream,
    answer: &impl Fn(&Request) -> Reply,
    seen: &Mutex<Vec<Request>>,
    end: &AtomicBool,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut request = Request { path: first.split(' ').nth(1).unwrap_or_default().to_owned(), range: None };
    for line in lines {
        let line = line?.to_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            request.range = range.trim_end_matches('-').parse().ok();
        }
        if line.is_empty() {
            break;
        }
    }
    let reply = answer(&request);
    seen.lock().expect("no answer panics").push(request);
    let mut out = stream;
    write!(out, "HTTP/1.1 {}\r\nConnection: close\r\n", reply.status)?;
    write!(out, "Content-Length: {}\r\n", reply.announced.unwrap_or(reply.body.len()))?;
    for header in &reply.headers {
        write!(out, "{header}\r\n")?;
    }
    write!(out, "\r\n")?;
    out.write_all(&reply.body[..reply.silent_after.unwrap_or(reply.body.len())])?;
    if reply.silent_after.is_some() {
        stream.set_read_timeout(Some(Duration::from_millis(5)))?;
        // Until the other side closes, or the test is over.
        while !end.load(Ordering::Relaxed) && (&mut &*stream).read(&mut [0]).map_or(true, |count| count > 0) {}
    }
    Ok(())
}

/// An address where nobody listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports");
    format!("http://{}/", listener.local_addr().expect("it is bound"))
}

/// Short of patience, and without a proxy between it and this machine.
pub(crate) fn web() -> Web {
    Web::new(Duration::from_millis(300), None)
}

/// A set of files with these contents.
pub(crate) fn set(files: &[(&str, &[u8])], mirrors: &[&str]) -> Set {
    let file = |(name, content): &(&str, &[u8])| File {
        name: (*name).to_owned(),
        size: content.len() as u64,
        size_content: content.len() as u64,
        sha256_content: hexadecimal(&Sha256::digest(content)),
    };
    Set {
        name: "letters".into(),
        about: "letters".into(),
        paper: "nobody".into(),
        licence: "none".into(),
        mirrors: mirrors.iter().map(|&mirror| mirror.to_owned()).collect(),
        files: files.iter().map(file).collect(),
        data: None,
        flags: String::new(),
    }
}

/// Bytes that differ from place to place and don't repeat: 0 0 0 0 1 0 0 0 2 0 0 0 …
pub(crate) fn numbers(length: usize) -> Vec<u8> {
    (0u32..).flat_map(u32::to_le_bytes).take(length).collect()
}

pub(crate) fn gzip(content: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(content).and_then(|()| encoder.finish()).expect("writing to memory")
}

/// Remembers what it was told, and asks to stop after some bytes.
#[derive(Default)]
pub(crate) struct Witness {
    pub(crate) notes: Vec<String>,
    /// File, bytes from before, size.
    pub(crate) begun: Vec<(String, u64, u64)>,
    pub(crate) ended: usize,
    pub(crate) stop_at: Option<u64>,
    /// A file that must not be there while bytes come.
    pub(crate) unseen: Option<PathBuf>,
    pub(crate) stopped: bool,
}

impl Witness {
    pub(crate) fn heard(&self, words: &str) -> bool {
        self.notes.iter().any(|note| note.contains(words))
    }
}

impl Progress for Witness {
    fn note(&mut self, sentence: &str) {
        self.notes.push(sentence.to_owned());
    }

    fn begin(&mut self, file: &str, done: u64, size: u64) {
        self.begun.push((file.to_owned(), done, size));
    }

    fn bytes(&mut self, done: u64) {
        self.stopped |= self.stop_at.is_some_and(|at| done >= at);
        assert!(self.unseen.as_ref().is_none_or(|path| !path.exists()), "visible before it was checked");
    }

    fn end(&mut self) {
        self.ended += 1;
    }

    fn stop(&self) -> bool {
        self.stopped
    }
}

/// A folder of its own for one test, removed when the test ends.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("halfmoon get {}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
        Scratch(folder)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("writable");
        path
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).expect("it is there")
    }

    /// The names of its files, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("a folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
