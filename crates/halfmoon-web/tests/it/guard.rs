//! What stands before every router.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use futures_util::stream;
use halfmoon_web::guard::{Bind, bind};

use crate::client::{Server, request};

/// More than a connection holds that nobody reads from.
const LARGE: usize = 64 << 20;

fn router() -> Router {
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "slow"
    };
    let events = || async {
        let events = stream::unfold(0, |number| async move {
            if number > 0 {
                tokio::time::sleep(Duration::from_hours(1)).await;
            }
            Some((Ok::<_, Infallible>(format!("data: {number}\n\n")), number + 1))
        });
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events))
    };
    let hang = || async {
        tokio::time::sleep(Duration::from_hours(1)).await;
    };
    Router::new()
        .route("/", get(|| async { "home" }))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/any", any(|| async { "any" }))
        .route("/slow", get(slow))
        .route("/hang", get(hang))
        .route("/events", get(events))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/panic", get(|| async { assert_eq!(1, 2, "this panic belongs to the test") }))
        .route("/kept", get(|| async { ([(header::CACHE_CONTROL, "max-age=1")], "kept").into_response() }))
}

fn with_token() -> Bind {
    Bind { token: Some("moon-light-0123456789".to_owned()), ..Bind::loopback(0) }
}

#[test]
fn other_machines_are_not_let_in_without_a_token_of_sixteen_characters() {
    let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    for (token, is_enough) in [
        (None, false),
        (Some("fifteen-charact"), false),
        (Some("sixteen-characte"), true),
        (Some("with blanks in it"), false),
    ] {
        let bound = bind(&Bind { host: everywhere, token: token.map(str::to_owned), ..Bind::loopback(0) });
        assert_eq!(bound.is_ok(), is_enough, "{token:?}");
    }
    assert!(bind(&Bind { token: Some("short".to_owned()), ..Bind::loopback(0) }).is_ok(), "who is here is here");
}

#[test]
fn a_port_that_is_taken_is_told() {
    let first = Server::start(router());
    let error = bind(&Bind::loopback(first.address.port())).err().expect("it is taken");
    assert!(error.to_string().contains(&first.address.to_string()) && error.hint().is_some(), "{error}");
}

#[test]
fn a_host_name_that_is_not_ours_is_refused() {
    let server = Server::with(&Bind { allowed_hosts: vec!["moon.example".to_owned()], ..Bind::loopback(0) }, router());
    let port = server.address.port();
    let with = |host: &str| server.ask("GET", "/", &[("host", host)], b"");
    for ours in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), "moon.example".to_owned()] {
        assert_eq!((with(&ours).status, with(&ours).text()), (200, "home".to_owned()), "{ours}");
    }
    for other in [format!("evil.example:{port}"), "localhost:1".to_owned(), format!("localhost.evil.example:{port}")] {
        assert_eq!(with(&other).problem(), (403, Some("host".to_owned())), "{other}");
    }
    let evil = format!("http://evil.example:{port}/");
    assert_eq!(
        server.ask("GET", &evil, &[], b"").problem(),
        (400, Some("host".to_owned())),
        "the first line has one too"
    );
    let twice = [("host", &*format!("localhost:{port}")), ("Host", "evil.example")];
    assert_eq!(server.ask("GET", "/", &twice, b"").problem().0, 400);
    let mut client = server.connect();
    client.send(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer(false).expect("an answer").problem(), (400, Some("host".to_owned())));
}

#[test]
fn a_post_from_another_site_is_refused() {
    let server = Server::start(router());
    let own = format!("http://{}", server.address);
    let post = |headers: &[(&str, &str)]| server.ask("POST", "/echo", headers, b"x");
    assert_eq!(post(&[]).text(), "x", "no browser");
    assert_eq!(post(&[("origin", &own), ("sec-fetch-site", "same-origin")]).status, 200);
    assert_eq!(post(&[("origin", &own)]).status, 200);
    for headers in [
        [("origin", "http://evil.example"), ("x", "y")],
        [("origin", "null"), ("x", "y")],
        [("origin", "http://127.0.0.1:1"), ("x", "y")],
        [("origin", &own), ("sec-fetch-site", "cross-site")],
        [("origin", &own), ("sec-fetch-site", "same-site")],
    ] {
        assert_eq!(post(&headers).problem(), (403, Some("origin".to_owned())), "{headers:?}");
    }
    let from_evil = [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")];
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        assert_eq!(server.ask(method, "/any", &from_evil, b"").status, 403, "{method}");
    }
    let read = server.ask("GET", "/any", &from_evil, b"");
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, None), "whose answer it cannot see");
    assert_eq!(read.header("cross-origin-resource-policy"), Some("same-origin"));
    // A picture of ours in its page would take a question out of the queue; a link that somebody follows is no attack.
    let reads =
        |mode| server.ask("GET", "/any", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", mode)], b"").status;
    assert_eq!(["no-cors", "cors", "navigate"].map(reads), [403, 403, 200]);
    assert_eq!(
        server.ask("GET", "/any", &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "no-cors")], b"").status,
        200
    );
}

#[test]
fn a_token_is_wanted_in_a_header_or_a_cookie() {
    let server = Server::with(&with_token(), router());
    assert_eq!(server.get("/").problem(), (401, Some("authorization".to_owned())));
    assert_eq!(server.get("/").header("www-authenticate"), Some("Bearer"));
    let get = |headers: &[(&str, &str)]| server.ask("GET", "/", headers, b"");
    assert_eq!(get(&[("authorization", "Bearer moon-light-0123456789")]).text(), "home");
    assert_eq!(get(&[("authorization", "bearer moon-light-0123456789")]).text(), "home");
    assert_eq!(get(&[("authorization", "Bearer moon-light-012345678")]).status, 401);
    assert_eq!(get(&[("authorization", "Basic moon-light-0123456789")]).status, 401);
    assert_eq!(server.ask("POST", "/echo", &[], b"x").status, 401);

    let path = server.url.strip_prefix(&format!("http://{}", server.address)).expect("the link");
    let opened = server.get(path);
    assert_eq!((opened.status, opened.header("location")), (303, Some("/")));
    let cookie = opened.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains("moon-light"), "{cookie}");
    let pair = cookie.split(';').next().expect("a pair");
    assert_eq!(get(&[("cookie", &format!("other=1; {pair}"))]).text(), "home");
    assert_eq!(get(&[("cookie", &pair[..pair.len() - 1])]).status, 401);
    let again = Server::with(&Bind { port: 0, ..with_token() }, router());
    let value = pair.split('=').nth(1).expect("a value");
    let of_again = format!("halfmoon_{}={value}", again.address.port());
    assert_eq!(again.ask("GET", "/", &[("cookie", &of_again)], b"").status, 200, "it outlives a restart");
}

#[test]
fn ten_wrong_tokens_are_enough() {
    let server = Server::with(&with_token(), router());
    let get = |token: &str| server.ask("GET", "/", &[("authorization", &format!("Bearer {token}"))], b"");
    for guess in 0..10 {
        assert_eq!(get(&format!("guess-{guess}")).status, 401);
    }
    let refused = get("guess-10");
    assert_eq!(refused.problem().0, 429);
    let seconds: u64 = refused.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(get("moon-light-0123456789").status, 429, "nor is a right one told from a wrong one");
    assert_eq!(server.get("/?token=guess-11").status, 429);
    assert_eq!(server.get("/").status, 401, "no guess");
}

#[test]
fn a_page_that_stayed_open_over_a_restart_is_no_guesser() {
    let server = Server::with(&with_token(), router());
    let stale = format!("halfmoon_{}=0123", server.address.port());
    for _ in 0..30 {
        assert_eq!(server.ask("GET", "/", &[("cookie", &stale)], b"").status, 401);
    }
    assert_eq!(server.ask("GET", "/", &[("authorization", "Bearer moon-light-0123456789")], b"").status, 200);
    for guess in 0..10 {
        let cookie = format!("halfmoon_{}={guess}", server.address.port());
        server.ask("GET", "/", &[("cookie", &cookie)], b"");
    }
    assert_eq!(server.ask("GET", "/", &[("authorization", "Bearer moon-light-0123456789")], b"").status, 429);
}

#[test]
fn a_body_that_is_too_large_is_refused_however_it_comes() {
    let server = Server::with(&Bind { max_body: 1000, ..Bind::loopback(0) }, router());
    let echo = |bytes: usize| server.ask("POST", "/echo", &[], &vec![b'x'; bytes]);
    assert_eq!((echo(1000).status, echo(1000).body.len()), (200, 1000));
    for bytes in [1001, 3000, 4001, 1_000_000] {
        assert_eq!(echo(bytes).problem(), (413, Some("body".to_owned())), "{bytes}");
    }
    let mut client = server.connect();
    client.send(&request(server.address, "POST", "/echo", &[("content-length", "99999999999")], b"x"));
    assert_eq!(client.answer(false).expect("an answer").status, 413, "before it has come");
    let mut client = server.connect();
    let chunked = [("transfer-encoding", "chunked"), ("content-length", "")];
    let head = request(server.address, "POST", "/echo", &chunked[..1], b"");
    let head = String::from_utf8(head).expect("ASCII").replace("content-length: 0\r\n", "");
    client.send(head.as_bytes());
    for _ in 0..3 {
        client.send(format!("190\r\n{}\r\n", "x".repeat(400)).as_bytes());
    }
    client.send(b"0\r\n\r\n");
    assert_eq!(client.answer(false).expect("an answer").status, 413, "in pieces");
}

#[test]
fn headers_that_are_too_large_are_refused() {
    let server = Server::start(router());
    for bytes in [40_000, 2_000_000] {
        let mut client = server.connect();
        client.send(&request(server.address, "GET", "/", &[("x", &"y".repeat(bytes))], b""));
        assert_eq!(client.answer(false).expect("an answer").status, 431, "{bytes}");
    }
    let many: Vec<(&str, &str)> = vec![("x", "y"); 200];
    assert_eq!(server.ask("GET", "/", &many, b"").status, 431);
}

#[test]
fn who_is_slow_is_not_waited_for() {
    let server = Server::with(&Bind { patience: Duration::from_millis(400), ..Bind::loopback(0) }, router());
    let start = Instant::now();
    let mut loris = server.connect();
    loris.send(b"GET / HTTP/1.1\r\nhost: ");
    let (rest, _) = loris.rest();
    assert!(rest.is_empty() && start.elapsed() < Duration::from_secs(3), "{rest:?}");

    let mut slow = server.connect();
    slow.send(&request(server.address, "POST", "/echo", &[("content-length", "10")], b"x"));
    assert_eq!(slow.answer(false).expect("an answer").problem(), (408, Some("body".to_owned())));

    assert_eq!(server.get("/hang").problem().0, 503);
    assert_eq!(server.get("/hang").header("retry-after"), Some("1"));
    assert_eq!(server.get("/slow").text(), "slow");
}

#[test]
fn who_does_not_read_is_not_waited_for() {
    let server = Server::with(&Bind { patience: Duration::from_millis(400), ..Bind::loopback(0) }, router());
    assert_eq!(server.get("/large").body.len(), LARGE);
    let mut client = server.connect();
    client.send(&request(server.address, "GET", "/large", &[], b""));
    std::thread::sleep(Duration::from_millis(1500));
    let (rest, _) = client.rest();
    assert!(rest.len() < LARGE, "{}", rest.len());
}

#[test]
fn a_client_that_has_said_all_is_still_answered() {
    let server = Server::start(router());
    let mut client = server.connect();
    client.send(&request(server.address, "GET", "/slow", &[], b""));
    client.half_close();
    assert_eq!(client.answer(false).expect("an answer").text(), "slow");
    let mut client = server.connect();
    client.send(&request(server.address, "POST", "/echo", &[("content-length", "10")], b"x"));
    client.half_close();
    assert!(client.answer(false).is_none_or(|answer| answer.status == 400), "it ends early");
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn beyond_so_many_at_once_clients_are_asked_to_come_again() {
    let server = Server::with(&Bind { max_at_once: 2, ..Bind::loopback(0) }, router());
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..6).map(|_| scope.spawn(|| server.get("/slow").status)).collect();
        all.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    let answered = statuses.iter().filter(|&&status| status == 200).count();
    assert!(answered >= 2 && statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&503), "{statuses:?}");
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn streams_have_their_own_number_and_end_with_the_server() {
    let settings = Bind { max_at_once: 1, patience: Duration::from_millis(500), ..Bind::loopback(0) };
    let mut server = Server::with(&settings, router());
    let mut streams: Vec<_> = (0..3)
        .map(|_| {
            let mut client = server.connect();
            client.send(&request(server.address, "GET", "/events", &[], b""));
            client.until(|read| read.windows(7).position(|bytes| bytes == b"data: 0")).expect("the first event");
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(server.get("/").text(), "home", "they keep no place");
    server.stop();
    for client in &mut streams {
        let (rest, time) = client.rest();
        assert!(rest.ends_with(b"0\r\n\r\n"), "not cut off: {}", String::from_utf8_lossy(&rest));
        assert!(time < Duration::from_secs(2), "{time:?}");
    }
}

#[test]
fn there_are_at_most_sixty_four_streams() {
    let server = Server::start(router());
    let mut streams = Vec::new();
    for _ in 0..64 {
        let mut client = server.connect();
        client.send(&request(server.address, "GET", "/events", &[], b""));
        client.until(|read| read.windows(7).position(|bytes| bytes == b"data: 0")).expect("the first event");
        streams.push(client);
    }
    assert_eq!(server.get("/events").problem().0, 503);
}

#[test]
fn a_panic_is_an_answer() {
    let server = Server::start(router());
    let answer = server.get("/panic");
    assert_eq!(answer.problem().0, 500);
    assert!(!answer.text().contains("belongs"), "{}", answer.text());
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn every_answer_tells_the_browser_what_it_must_not_do() {
    let server = Server::with(&with_token(), router());
    let token = ("authorization", "Bearer moon-light-0123456789");
    for answer in [server.get("/"), server.ask("GET", "/", &[token], b""), server.ask("GET", "/panic", &[token], b"")] {
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    assert_eq!(server.ask("GET", "/kept", &[token], b"").header("cache-control"), Some("max-age=1"));
}

#[test]
fn a_stop_answers_what_was_asked_and_takes_no_more() {
    let answered = Arc::new(AtomicUsize::new(0));
    let mut server = Server::start(router());
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = server.connect();
            client.send(&request(server.address, "GET", "/slow", &[], b""));
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(100));
    server.stop();
    std::thread::scope(|scope| {
        for mut client in clients {
            let answered = Arc::clone(&answered);
            scope.spawn(move || {
                if client.answer(false).is_some_and(|answer| answer.status == 200) {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    server.join();
    assert_eq!(answered.load(Ordering::Relaxed), 20);
    assert!(std::net::TcpStream::connect(server.address).is_err());
}

#[test]
fn a_connection_that_asks_nothing_does_not_hold_up_a_stop() {
    let mut server = Server::start(router());
    let _idle = server.connect();
    assert_eq!(server.get("/").status, 200);
    let start = Instant::now();
    server.join();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn an_answer_that_is_being_sent_is_sent_whole_after_a_stop() {
    let mut server = Server::start(router());
    let mut client = server.connect();
    client.send(&request(server.address, "GET", "/large", &[("connection", "close")], b""));
    let begun = client.until(|read| (read.len() > 1_000).then_some(read.len())).expect("it begins");
    server.stop();
    // Longer than an idle connection is left alone.
    std::thread::sleep(Duration::from_secs(2));
    let (read, _) = client.rest();
    assert!(begun < LARGE && read.len() > LARGE, "{} of {LARGE}", read.len());
    server.join();
}

#[test]
fn many_large_bodies_at_once_are_refused_and_small_ones_are_not() {
    let server = Server::with(&Bind { max_body: 1 << 20, ..Bind::loopback(0) }, router());
    let post = |body: &[u8]| request(server.address, "POST", "/echo", &[], body);
    let (almost, whole) = (vec![b'x'; 1 << 20], post(&vec![b'x'; 1 << 20]));
    // All but the last byte, so that each of them holds its place.
    let mut clients: Vec<_> = (0..16)
        .map(|_| {
            let mut client = server.connect();
            client.send(&whole[..whole.len() - 1]);
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(server.ask("POST", "/echo", &[], b"small").body, b"small");
    let mut statuses: Vec<u16> = clients
        .iter_mut()
        .map(|client| {
            client.send(&whole[whole.len() - 1..]);
            client.answer(false).expect("an answer").status
        })
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 8], [503; 8]].concat());
    assert_eq!(server.ask("POST", "/echo", &[], &almost).status, 200, "their places are free again");
}
