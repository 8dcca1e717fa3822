//! Connections: accepted, served as HTTP/1.1, and ended.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::DefaultBodyLimit;
use axum::http::Request;
use futures_util::{FutureExt, TryFutureExt};
use hyper::body::{Frame, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tower::ServiceExt;

use super::access::Access;
use super::limits::{Limits, MOST_STREAMS};
use super::origin::Hosts;
use super::stalled::Impatient;
use super::{Bind, headers, limits, refusals};

/// Bytes of a request's line and headers.
const LARGEST_HEAD: usize = 32 << 10;

/// So long nothing is asked after the stop until connections that are open and idle are ended.
const QUIET: Duration = Duration::from_millis(500);

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

pub(super) async fn run(
    listener: std::net::TcpListener,
    address: SocketAddr,
    bind: Bind,
    router: axum::Router,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let (stopped, is_stopped) = watch::channel(false);
    // One that asks nothing holds its place no longer than the patience, so twice as many are enough for all that ask.
    let places = Arc::new(Semaphore::new(2 * bind.max_at_once + MOST_STREAMS));
    let patience = bind.patience;
    let router = guarded(router, address, &bind, is_stopped);
    let asked = Arc::new(AtomicUsize::new(0));
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accept => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection =
                    connections.watch(connection(stream, peer, router.clone(), Arc::clone(&asked), patience));
                tokio::spawn(async move {
                    // A client that goes away is no concern of ours.
                    let _ = connection.await;
                    drop(place);
                });
            }
            // Too many open files, for instance: some will be closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    // What the system has accepted for us before is asked already.
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        tokio::spawn(connections.watch(connection(stream, peer, router.clone(), Arc::clone(&asked), patience)));
    }
    drop(listener);
    let _ = stopped.send(true);
    tokio::select! {
        () = connections.shutdown() => {}
        () = tokio::time::sleep(patience) => {}
        // A browser opens connections that it may need.
        () = quiet(&asked) => {}
    }
    Ok(())
}

/// A request whose answer is not all sent yet; it may end without one.
pub(super) struct Asked(Arc<AtomicUsize>);

impl Asked {
    pub(super) fn one(asked: &Arc<AtomicUsize>) -> Asked {
        asked.fetch_add(1, Ordering::Relaxed);
        Asked(Arc::clone(asked))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body, which holds that it is asked for until it is sent.
struct Sent {
    body: Body,
    _asked: Asked,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Waits until no request has been there for a while.
async fn quiet(asked: &AtomicUsize) {
    let mut since = Instant::now();
    while since.elapsed() < QUIET {
        tokio::time::sleep(QUIET / 10).await;
        if asked.load(Ordering::Relaxed) > 0 {
            since = Instant::now();
        }
    }
}

/// The outermost comes last.
fn guarded(router: axum::Router, address: SocketAddr, bind: &Bind, stopped: watch::Receiver<bool>) -> axum::Router {
    use axum::middleware::from_fn_with_state as layer;
    let access = bind.token.as_deref().map(|token| Arc::new(Access::new(token, address.port())));
    let hosts = Arc::new(Hosts::new(address, &bind.allowed_hosts));
    let limits = Arc::new(Limits::new(bind.max_body, bind.max_at_once, bind.patience, stopped));
    // Else every extractor has a limit of its own.
    let router = router.layer(DefaultBodyLimit::disable()).layer(axum::middleware::map_response(refusals::answered));
    let mut router = router.layer(limits::panics()).layer(layer(limits, limits::within));
    if let Some(access) = access {
        router = router.layer(layer(access, super::access::known));
    }
    let router = router.layer(layer(hosts, super::origin::ours)).layer(axum::middleware::from_fn(headers::safe));
    router.layer(layer(bind.refusals.clone(), refusals::counted))
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: axum::Router,
    asked: Arc<AtomicUsize>,
    patience: Duration,
) -> http1::Connection<
    TokioIo<Impatient<TcpStream>>,
    impl hyper::service::HttpService<hyper::body::Incoming, ResBody = Body, Error = Infallible, Future: Send>,
> {
    // Small answers must not wait for more of them.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(Impatient::new(stream, patience, Arc::clone(&asked)));
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer.ip()));
        let asked = Asked::one(&asked);
        router
            .clone()
            .oneshot(request)
            .map_ok(move |response| response.map(|body| Body::new(Sent { body, _asked: asked })))
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_header_size(LARGEST_HEAD)
        .half_close(true)
        .serve_connection(stream, service)
}
