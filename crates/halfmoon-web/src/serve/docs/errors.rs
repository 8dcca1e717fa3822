//! What goes wrong, as `/openapi.json` tells it.

use utoipa::{IntoResponses, ToSchema};

/// What is wrong with a request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what `Problem` becomes")]
pub(in crate::serve) struct ErrorBody {
    error: ErrorDetail,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "says what `Problem` becomes")]
struct ErrorDetail {
    /// Where in the request.
    #[schema(example = "rows[3].age", required)]
    field: Option<String>,
    message: String,
    /// What to do about it.
    #[schema(required)]
    hint: Option<String>,
}

/// What is wrong, as the Open Inference Protocol has it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what `Refused` becomes")]
pub(in crate::serve) struct InferError {
    error: String,
}

/// Told by the protocol's routes, or before the request came to them.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "says what either becomes")]
pub(in crate::serve) enum AnyError {
    OfProtocol(InferError),
    OfServer(ErrorBody),
}

/// Of every route.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "says what there is")]
pub(in crate::serve) enum Wrong {
    /// the request cannot be understood
    #[response(status = 400)]
    Request(AnyError),
    /// the token is missing or wrong
    #[response(status = 401)]
    Token(ErrorBody),
    /// it came by a host name that is not ours, or from a page of another site
    #[response(status = 403)]
    Site(ErrorBody),
    /// the body did not come in time
    #[response(status = 408)]
    Slow(ErrorBody),
    /// the body is too large
    #[response(status = 413)]
    Large(ErrorBody),
    /// too many wrong tokens: see `retry-after`
    #[response(status = 429)]
    Guesses(ErrorBody),
    /// the server made a mistake
    #[response(status = 500)]
    Mistake(AnyError),
    /// too many requests at once, or it was told to stop: see `retry-after`
    #[response(status = 503)]
    Busy(AnyError),
}

/// Of routes that take a body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "says what there is")]
pub(in crate::serve) enum WrongBody {
    /// the body has another content type than is taken
    #[response(status = 415)]
    Kind(ErrorBody),
    /// the body was understood, but is as a whole not what is wanted
    #[response(status = 422)]
    Body(ErrorBody),
}

/// Of routes that name a model.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "says what there is")]
pub(in crate::serve) enum WrongModel {
    /// there is no such model, or no such version of it
    #[response(status = 404)]
    Model(InferError),
}

/// Of the route that takes tensors.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "says what there is")]
pub(in crate::serve) enum WrongTensors {
    /// the tensors are not what the model takes
    #[response(status = 422)]
    Tensors(InferError),
}
