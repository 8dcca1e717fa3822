//! What the guard answered in a router's place.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// Counts requests that never had the router's own answer, by status. Clones count together.
#[derive(Clone, Default)]
pub struct Refusals(pub(crate) Family<OfStatus, Counter>);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct OfStatus {
    status: u16,
}

/// Marks the router's own answer.
#[derive(Clone, Copy)]
struct Answered;

/// For the innermost layer.
pub(super) async fn answered(mut response: Response) -> Response {
    response.extensions_mut().insert(Answered);
    response
}

/// For the outermost layer.
pub(super) async fn counted(State(refusals): State<Refusals>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if response.extensions().get::<Answered>().is_none() {
        refusals.0.get_or_create(&OfStatus { status: response.status().as_u16() }).inc();
    }
    response
}
