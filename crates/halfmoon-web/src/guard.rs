//! What stands before a router: who may ask, how much, and for how long.
//!
//! | a request | gets |
//! |---|---|
//! | of a host name that is not ours (DNS rebinding) | 403 |
//! | from another site's page, unless it only reads | 403 |
//! | without the token, where there is one | 401; after ten wrong guesses a minute 429 |
//! | with headers of more than 32 KiB | 431 |
//! | with a body that is too large, or too slow | 413, 408 |
//! | while too many others are answered, or too many large bodies are there | 503 and `Retry-After` |
//! | that takes too long, or makes a handler panic | 503, 500 |
//!
//! Behind a proxy all clients have the proxy's address, so ten wrong guesses of one of them lock all out for the rest of the minute.
//!
//! Streams of events (SSE) have a number of their own, no time limit, and end when the server stops.

mod access;
mod headers;
mod limits;
mod origin;
mod refusals;
mod server;
mod stalled;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

pub use self::refusals::Refusals;
use halfmoon_pool::{Error, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters of a token that others than this machine's own users may try to guess.
const SHORTEST_TOKEN: usize = 16;

/// Where to listen, to whom, and within which limits.
#[derive(Clone)]
pub struct Bind {
    /// The address of the machine to listen at.
    pub host: IpAddr,
    /// 0: any free one.
    pub port: u16,
    /// What a client has to know: visible ASCII.
    pub token: Option<String>,
    /// Names in `Host` that are ours besides `localhost` and addresses: `example.org`, `example.org:8080`.
    pub allowed_hosts: Vec<String>,
    /// Bytes of a body. All bodies that are there at once have no more than eight of this size together.
    pub max_body: usize,
    /// Requests that are answered at once.
    pub max_at_once: usize,
    /// For each of: a request's headers, its body, its answer, and the end of all when the server stops.
    pub patience: Duration,
    /// Counts what is refused here. A head that is too large has its answer before anything can count.
    pub refusals: Refusals,
}

impl Bind {
    /// For this machine's own users: no token, bodies up to 32 MiB, 256 requests at once, 30 s of patience.
    pub fn loopback(port: u16) -> Bind {
        Bind {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port,
            token: None,
            allowed_hosts: Vec::new(),
            max_body: 32 << 20,
            max_at_once: 256,
            patience: Duration::from_secs(30),
            refusals: Refusals::default(),
        }
    }
}

/// Ends when the program is asked to stop: by Ctrl-C, or by a system that ends it in an orderly way (SIGTERM). For [`Bound::serve`].
pub async fn interrupted() {
    let asked = async {
        // Without a handler there is nobody to hear of it, and the system ends the program itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    if let Ok(mut ended) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            () = asked => {}
            _ = ended.recv() => {}
        }
        return;
    }
    asked.await;
}

/// Listens; nobody is answered yet. An error when others than this machine's own users could come and there is no token
/// of at least 16 characters.
pub fn bind(bind: &Bind) -> Result<Bound> {
    let token = bind.token.as_deref();
    if token.is_some_and(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(Error::usage("a token consists of visible ASCII characters", "for instance of letters and digits"));
    }
    if !bind.host.is_loopback() && token.is_none_or(|token| token.len() < SHORTEST_TOKEN) {
        return Err(Error::usage(
            format!(
                "other machines could come to {}: that takes a token of {SHORTEST_TOKEN} characters or more",
                bind.host
            ),
            "give one with --token, or listen at 127.0.0.1",
        ));
    }
    let address = SocketAddr::new(bind.host, bind.port);
    let failed = |source: std::io::Error| {
        let hint = "choose another with --port; 0 is any free one";
        Error::usage(format!("cannot listen at {address}: {source}"), hint)
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, address, bind: bind.clone() })
}

/// A server that listens.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    bind: Bind,
}

impl Bound {
    /// What to open in a browser: with the token, where there is one.
    pub fn url(&self) -> String {
        let host = match self.address.ip() {
            IpAddr::V6(ip) if !ip.is_unspecified() => format!("[{ip}]"),
            ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            ip => ip.to_string(),
        };
        let token = self.bind.token.as_deref().map(|token| utf8_percent_encode(token, NON_ALPHANUMERIC));
        let query = token.map_or(String::new(), |token| format!("?token={token}"));
        format!("http://{host}:{}/{query}", self.address.port())
    }

    /// Answers until `stop` is done; then takes no new connection and answers all that was asked. Blocks, on a runtime of
    /// its own. An error when there is no such runtime.
    pub fn serve(self, router: axum::Router, stop: impl Future<Output = ()>) -> Result<()> {
        let failed = |source: std::io::Error| Error::usage(format!("cannot serve: {source}"), "");
        let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("web").enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let end = runtime.block_on(server::run(self.listener, self.address, self.bind, router, stop));
        // A blocking call that does not end must not keep the program.
        runtime.shutdown_timeout(Duration::from_secs(1));
        end.map_err(failed)
    }
}
