//! How much at once, how large, and for how long.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;

use crate::problem::Problem;

/// Streams of events at once.
pub(super) const MOST_STREAMS: usize = 64;
/// A body that is too large is taken in and thrown away up to so many times the limit, since a client that still writes
/// does not read why it is refused.
const PATIENT_WITH: usize = 4;

/// Bodies of the largest size that are there at once. Of smaller ones there may be as many as there are requests.
const LARGEST_AT_ONCE: usize = 8;
/// Bytes that are counted together.
const LUMP: usize = 4 << 10;

pub(super) struct Limits {
    max_body: usize,
    patience: Duration,
    requests: Arc<Semaphore>,
    /// Bytes of all bodies together, in [`LUMP`]s.
    bytes: Semaphore,
    streams: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
}

impl Limits {
    pub(super) fn new(
        max_body: usize,
        max_at_once: usize,
        patience: Duration,
        stopped: watch::Receiver<bool>,
    ) -> Limits {
        let lumps = max_body.saturating_mul(LARGEST_AT_ONCE) / LUMP;
        Limits {
            max_body,
            patience,
            requests: Arc::new(Semaphore::new(max_at_once)),
            bytes: Semaphore::new(lumps.min(Semaphore::MAX_PERMITS)),
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
            stopped,
        }
    }

    /// The whole body, and what holds its place among all of them. What comes after the limit is not kept.
    async fn body(&self, body: Body, announced: Option<u64>) -> Result<(Bytes, SemaphorePermit<'_>), Problem> {
        let too_large = || {
            let problem = format!("it has more than {} bytes", self.max_body);
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, problem).field("body").hint("send it in parts")
        };
        let is_announced_larger = |limit: usize| announced.is_some_and(|bytes| bytes > limit as u64);
        let most = self.max_body.saturating_mul(PATIENT_WITH);
        if is_announced_larger(most) {
            return Err(too_large());
        }
        // What is smaller than a lump counts as nothing.
        let mut place = self.bytes.try_acquire_many(0).map_err(|_| crowded())?;
        let mut whole = Vec::new();
        let (mut bytes, mut is_crowded) = (0, false);
        let mut is_kept = !is_announced_larger(self.max_body);
        let mut pieces: BodyDataStream = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "it ends early").field("body"))?;
            bytes += piece.len();
            is_kept &= bytes <= self.max_body;
            if is_kept {
                let wanted = u32::try_from((bytes / LUMP).saturating_sub(place.num_permits()));
                if let Ok(more) = self.bytes.try_acquire_many(wanted.unwrap_or(u32::MAX)) {
                    place.merge(more);
                } else {
                    (is_kept, is_crowded) = (false, true);
                }
            }
            if is_kept {
                whole.extend_from_slice(&piece);
            } else {
                whole = Vec::new();
                drop(place.split(place.num_permits()));
            }
            if bytes > most {
                break;
            }
        }
        if is_kept {
            return Ok((whole.into(), place));
        }
        Err(if is_crowded && bytes <= self.max_body { crowded() } else { too_large() })
    }

    /// The events, until the server stops.
    fn events(&self, response: Response) -> Result<Response, Problem> {
        let permit = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| busy("too many streams of events"))?;
        let mut stopped = self.stopped.clone();
        let stop = async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        Ok(response.map(|body| {
            let events = body.into_data_stream().take_until(Box::pin(stop));
            Body::from_stream(events.map(move |event| held(event, &permit)))
        }))
    }
}

/// The permit lives as long as the closure that calls this.
fn held<T>(event: T, _: &OwnedSemaphorePermit) -> T {
    event
}

fn crowded() -> Problem {
    busy("too many large bodies at once")
}

fn busy(what: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, what).retry_after(1)
}

/// Takes the body in and passes it on whole, so that no handler waits for a slow client.
pub(super) async fn within(
    State(limits): State<Arc<Limits>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let permit = limits.requests.try_acquire().map_err(|_| busy("too many requests at once"))?;
    let (head, body) = request.into_parts();
    let announced = head.headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|bytes| bytes.to_str().ok()?.parse().ok());
    let body = timeout(limits.patience, limits.body(body, announced)).await;
    let (body, place) = body.map_err(|_| {
        let problem = format!("it was not all there after {} s", limits.patience.as_secs_f64());
        Problem::new(StatusCode::REQUEST_TIMEOUT, problem).field("body")
    })??;
    let answer = timeout(limits.patience, next.run(Request::from_parts(head, body.into()))).await;
    let answer = answer.map_err(|_| busy("the answer takes too long"))?;
    drop((permit, place));
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) { limits.events(answer) } else { Ok(answer) }
}

/// A handler that panics has answered 500; what it said stays on standard error.
pub(super) fn panics() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(failed as fn(Box<dyn Any + Send>) -> Response)
}

fn failed(_: Box<dyn Any + Send>) -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server made a mistake").into_response()
}
