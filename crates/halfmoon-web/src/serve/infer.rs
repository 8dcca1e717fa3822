//! The Open Inference Protocol, version 2, over REST: for clients that know it and not us.
//!
//! Rows come as tensors: for pictures one, `[n, d]` or `[n, height, width, channels]`; for a table one a column, `[n]` or
//! `[n, 1]`, or one of numbers, `[n, columns]`. Values stand in the JSON or, by the binary extension, behind it.

mod binary;
mod tensor;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use halfmoon_pool::answer::Answer;
use halfmoon_pool::dataset::{Column, ColumnKind, Features};
use halfmoon_pool::error::did_you_mean;
use halfmoon_pool::read::{Status, memory};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use self::tensor::{Tensor, rows};
use super::Shared;
use super::docs::{Wrong, WrongModel, WrongTensors};
use super::live::Live;
use crate::problem::{Problem, body, from_json};

/// Bytes of an id that a client chooses: it is kept as long as its answers are.
const LONGEST_ID: usize = 256;

/// What is wrong, as the protocol has it: `{"error": "…"}`.
pub(super) struct Refused(Problem);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        Refused(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Problem { status, field, message, hint, retry_after } = self.0;
        let parts = [field.map(|field| format!("{field}: ")), Some(message), hint.map(|hint| format!("; {hint}"))];
        let error: String = parts.into_iter().flatten().collect();
        // The status and its headers are those of any other problem.
        let (mut head, _) = Problem { field: None, hint: None, message: String::new(), status, retry_after }
            .into_response()
            .into_parts();
        head.headers.remove(axum::http::header::CONTENT_LENGTH);
        (head.status, head.headers, axum::Json(json!({ "error": error }))).into_response()
    }
}

type Answered<T> = Result<axum::Json<T>, Refused>;

/// The server.
#[derive(Serialize, ToSchema)]
pub(super) struct Server {
    name: &'static str,
    version: &'static str,
    extensions: [&'static str; 1],
}

/// Says what the server is (Open Inference Protocol).
#[utoipa::path(get, path = "/v2", operation_id = "inference_server", tag = "Open Inference Protocol v2",
    responses((status = 200, body = Server, description = "the server"), Wrong))]
pub(super) async fn server() -> axum::Json<Server> {
    axum::Json(Server { name: "halfmoon", version: env!("CARGO_PKG_VERSION"), extensions: ["binary_tensor_data"] })
}

#[derive(Serialize, ToSchema)]
pub(super) struct Alive {
    live: bool,
}

/// 200 while the server lives (Open Inference Protocol).
#[utoipa::path(get, path = "/v2/health/live", operation_id = "inference_live", tag = "Open Inference Protocol v2",
    responses((status = 200, body = Alive, description = "it lives"), Wrong))]
pub(super) async fn live() -> axum::Json<Alive> {
    axum::Json(Alive { live: true })
}

#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    ready: bool,
}

/// 200 while it is ready to answer (Open Inference Protocol).
#[utoipa::path(get, path = "/v2/health/ready", operation_id = "inference_ready", tag = "Open Inference Protocol v2",
    responses((status = 200, body = Ready, description = "it is ready"), Wrong))]
pub(super) async fn ready(State(service): Shared) -> Answered<Ready> {
    service.ready()?;
    Ok(axum::Json(Ready { ready: true }))
}

/// A model: what goes in, what comes out.
#[derive(Serialize, ToSchema)]
pub(super) struct Metadata {
    name: String,
    versions: Vec<String>,
    platform: &'static str,
    inputs: Vec<TensorOf>,
    outputs: Vec<TensorOf>,
    /// The classes, in the order of `probs` and `set`.
    parameters: Classes,
}

#[derive(Serialize, ToSchema)]
struct Classes {
    classes: Vec<String>,
}

/// Name, type and shape of a tensor; −1 stands for the number of rows.
#[derive(Serialize, ToSchema)]
struct TensorOf {
    name: String,
    datatype: &'static str,
    shape: Vec<i64>,
}

/// Where a model is in a path.
#[derive(Deserialize)]
pub(super) struct Named {
    model: String,
    version: Option<String>,
}

impl Named {
    fn of(named: Result<Path<Named>, PathRejection>) -> Result<Named, Problem> {
        let wrong = |rejection: PathRejection| Problem::new(rejection.status(), rejection.body_text()).field("path");
        named.map(|Path(named)| named).map_err(wrong)
    }

    fn check(&self, live: &Live) -> Result<(), Problem> {
        let unknown = |what: String| Problem::new(StatusCode::NOT_FOUND, what);
        let shown = |text: &str| text.chars().take(100).collect::<String>();
        if self.model != live.name {
            let problem = unknown(format!("there is no model `{}`", shown(&self.model))).field("model");
            return Err(problem.hint(format!("there is `{}`", live.name)));
        }
        match &self.version {
            Some(version) if *version != live.version => {
                let problem = unknown(format!("there is no version `{}`", shown(version))).field("version");
                Err(problem.hint(format!("there is `{}`", live.version)))
            }
            _ => Ok(()),
        }
    }
}

/// What goes in and what comes out of a model (Open Inference Protocol).
#[utoipa::path(get, path = "/v2/models/{model}", operation_id = "inference_model", tag = "Open Inference Protocol v2",
    params(("model" = String, Path, description = "its name")),
    responses((status = 200, body = Metadata, description = "the model"), Wrong, WrongModel))]
pub(super) async fn model(State(service): Shared, named: Result<Path<Named>, PathRejection>) -> Answered<Metadata> {
    let live = service.live();
    Named::of(named)?.check(&live)?;
    let tensor = |name: &str, datatype, shape| TensorOf { name: name.to_owned(), datatype, shape };
    let inputs = match &live.schema.features {
        Features::Image(shape) => {
            let size = |side: usize| i64::try_from(side).unwrap_or(i64::MAX);
            vec![tensor("x", "FP32", vec![-1, size(shape.height), size(shape.width), size(shape.channels)])]
        }
        Features::Columns(columns) => {
            let of = |column: &Column| match column.kind {
                ColumnKind::Numeric => tensor(&column.name, "FP32", vec![-1]),
                ColumnKind::YesNo { .. } | ColumnKind::Category { .. } => tensor(&column.name, "BYTES", vec![-1]),
            };
            columns.iter().map(of).collect()
        }
    };
    let classes = live.schema.classes.len();
    let width = |of: &Output| match of.width {
        Width::One => vec![-1],
        Width::Classes => vec![-1, i64::try_from(classes).unwrap_or(i64::MAX)],
    };
    let outputs = available(&live).map(|output| tensor(output.name, output.datatype, width(output)));
    Ok(axum::Json(Metadata {
        name: live.name.clone(),
        versions: vec![live.version.clone()],
        platform: "halfmoon",
        inputs,
        outputs: outputs.collect(),
        parameters: Classes { classes: live.schema.classes.clone() },
    }))
}

/// Whether a model is ready to answer.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelReady {
    name: String,
    ready: bool,
}

/// 200 while a model is ready to answer (Open Inference Protocol).
#[utoipa::path(get, path = "/v2/models/{model}/ready", operation_id = "inference_model_ready", tag = "Open Inference Protocol v2",
    params(("model" = String, Path, description = "its name")),
    responses((status = 200, body = ModelReady, description = "it is ready"), Wrong, WrongModel))]
pub(super) async fn model_ready(
    State(service): Shared,
    named: Result<Path<Named>, PathRejection>,
) -> Answered<ModelReady> {
    let live = service.live();
    Named::of(named)?.check(&live)?;
    service.ready()?;
    Ok(axum::Json(ModelReady { name: live.name.clone(), ready: true }))
}

/// Rows as tensors.
#[derive(Deserialize, ToSchema)]
pub(super) struct Inference {
    /// Comes back with the answers, and stands for them in feedback; made where there is none.
    id: Option<String>,
    #[schema(min_items = 1)]
    inputs: Vec<Tensor>,
    /// Which outputs are wanted, in which order: all, where none are named.
    #[serde(default)]
    outputs: Vec<Wanted>,
    #[serde(default)]
    parameters: OfAll,
}

/// What holds for all outputs.
#[derive(Deserialize, ToSchema, Default)]
struct OfAll {
    /// Whether outputs that do not say otherwise come behind the JSON.
    #[serde(default)]
    binary_data_output: bool,
}

#[derive(Deserialize, ToSchema)]
struct Wanted {
    name: String,
    #[serde(default)]
    parameters: OfOne,
}

/// What holds for one output.
#[derive(Deserialize, ToSchema, Default)]
struct OfOne {
    /// Whether it comes behind the JSON.
    binary_data: Option<bool>,
}

/// Answers as tensors.
#[derive(Serialize, ToSchema)]
pub(super) struct Inferred {
    model_name: String,
    model_version: String,
    id: String,
    outputs: Vec<OutputTensor>,
}

/// One number or text a row, or one a row and class, row by row.
#[derive(Serialize, ToSchema)]
struct OutputTensor {
    name: &'static str,
    datatype: &'static str,
    shape: Vec<usize>,
    /// Absent where the values stand behind the JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Value>>)]
    data: Option<Vec<Value>>,
    /// Where they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Behind>,
}

/// Values that stand behind the JSON.
#[derive(Serialize, ToSchema)]
struct Behind {
    /// How many of the bytes there.
    binary_data_size: usize,
}

/// Answers rows that come as tensors (Open Inference Protocol).
///
/// For pictures one tensor, `[n, d]` or `[n, height, width, channels]`; for a table one a column, by name, `[n]` or `[n, 1]`, or one of numbers,
/// `[n, columns]`. With the header `inference-header-content-length` values may stand behind the JSON as bytes, and they come back so where
/// `binary_data` asks for it.
#[utoipa::path(post, path = "/v2/models/{model}/infer", operation_id = "inference_infer", tag = "Open Inference Protocol v2",
    params(("model" = String, Path, description = "its name")),
    request_body(content((Inference = "application/json"))),
    responses((status = 200, body = Inferred, description = "the answers"), Wrong, WrongModel, WrongTensors))]
pub(super) async fn infer(
    State(service): Shared,
    named: Result<Path<Named>, PathRejection>,
    request: Request,
) -> Result<Response, Refused> {
    let live = service.live();
    Named::of(named)?.check(&live)?;
    let headers = request.headers().clone();
    let body = body(request).await?;
    let read = move |live: &Live| {
        let (text, behind) = binary::parted(&headers, &body)?;
        let Inference { id, inputs, outputs, parameters } = from_json(text)?;
        if id.as_ref().is_some_and(|id| id.len() > LONGEST_ID) {
            return Err(Problem::of_field("id", format!("it has more than {LONGEST_ID} bytes")));
        }
        let outputs = wanted(&outputs, live, parameters.binary_data_output)?;
        let rows = rows(inputs, behind, &live.schema)?;
        let chunks = memory::rows(rows.into_iter().map(|row| Ok(Value::Array(row))), &live.schema)?;
        Ok((chunks, (id, outputs)))
    };
    let (rows, (id, outputs), arriving) = service.read(&live, read).await?;
    for (row, status) in rows.status.iter().enumerate() {
        if let Status::Unreadable(why) = status {
            return Err(Problem::of_field(format!("row {row}"), why.clone()).into());
        }
    }
    let answers = live.ask(rows.encoded, arriving).await?;
    let id = id.unwrap_or_else(|| live.id());
    let mut behind = Vec::new();
    let tensor = |(output, is_binary): (&'static Output, bool)| {
        let data: Vec<Value> = answers.iter().flat_map(|answer| (output.of)(answer, &live)).collect();
        let shape = match output.width {
            Width::One => vec![answers.len()],
            Width::Classes => vec![answers.len(), live.schema.classes.len()],
        };
        let (name, datatype) = (output.name, output.datatype);
        if !is_binary {
            return OutputTensor { name, datatype, shape, data: Some(data), parameters: None };
        }
        let bytes = binary::bytes(datatype, &data);
        let parameters = Some(Behind { binary_data_size: bytes.len() });
        behind.extend(bytes);
        OutputTensor { name, datatype, shape, data: None, parameters }
    };
    let is_binary = outputs.iter().any(|(_, is_binary)| *is_binary);
    let outputs = outputs.into_iter().map(tensor).collect();
    let kept: Vec<_> = answers.iter().cloned().map(Some).collect();
    live.remember(id.clone(), &kept);
    let said = Inferred { model_name: live.name.clone(), model_version: live.version.clone(), id, outputs };
    if !is_binary {
        return Ok(axum::Json(said).into_response());
    }
    let mut whole = serde_json::to_vec(&said).expect("plain data");
    let (end, kind) = (whole.len().to_string(), "application/octet-stream".to_owned());
    whole.append(&mut behind);
    Ok(([(header::CONTENT_TYPE, kind), (binary::HEADER, end)], whole).into_response())
}

/// What can be asked for.
struct Output {
    name: &'static str,
    datatype: &'static str,
    width: Width,
    has: fn(&Live) -> bool,
    of: fn(&Answer, &Live) -> Vec<Value>,
}

#[derive(Clone, Copy)]
enum Width {
    One,
    Classes,
}

const OUTPUTS: &[Output] = &[
    Output {
        name: "label",
        datatype: "BYTES",
        width: Width::One,
        has: |_| true,
        of: |answer, live| vec![json!(live.class(answer.label))],
    },
    Output {
        name: "confidence",
        datatype: "FP32",
        width: Width::One,
        has: |_| true,
        of: |answer, _| vec![json!(answer.confidence())],
    },
    Output {
        name: "probs",
        datatype: "FP32",
        width: Width::Classes,
        has: |_| true,
        of: |answer, _| answer.probs.iter().map(|p| json!(p)).collect(),
    },
    Output {
        name: "set",
        datatype: "BOOL",
        width: Width::Classes,
        has: |live| live.trust.is_some(),
        of: |answer, _| {
            let set = answer.set.as_deref().unwrap_or_default();
            let is_in = |class: usize| set.iter().any(|of| of.index() == class);
            (0..answer.probs.len()).map(|class| json!(is_in(class))).collect()
        },
    },
    Output {
        name: "log_density",
        datatype: "FP32",
        width: Width::One,
        has: |live| live.has_density,
        of: |answer, _| vec![json!(answer.log_density)],
    },
    Output {
        name: "outlier_p",
        datatype: "FP64",
        width: Width::One,
        has: Live::finds_outliers,
        of: |answer, _| vec![json!(answer.outlier.map(|outlier| outlier.p))],
    },
    Output {
        name: "flag",
        datatype: "BOOL",
        width: Width::One,
        has: Live::finds_outliers,
        of: |answer, _| vec![json!(answer.outlier.map(|outlier| outlier.flag))],
    },
];

fn available(live: &Live) -> impl Iterator<Item = &'static Output> {
    OUTPUTS.iter().filter(|output| (output.has)(live))
}

/// The outputs of these names, or all, and whether each is to come behind the JSON.
fn wanted(names: &[Wanted], live: &Live, is_binary: bool) -> Result<Vec<(&'static Output, bool)>, Problem> {
    if names.is_empty() {
        return Ok(available(live).map(|output| (output, is_binary)).collect());
    }
    let of = |(at, Wanted { name, parameters }): (usize, &Wanted)| {
        let found = available(live).find(|output| output.name == name);
        let found = found.map(|output| (output, parameters.binary_data.unwrap_or(is_binary)));
        found.ok_or_else(|| {
            let shown: String = name.chars().take(100).collect();
            Problem::of_field(format!("outputs[{at}].name"), format!("the model has no output `{shown}`"))
                .hint(did_you_mean(&shown, available(live).map(|output| output.name)))
        })
    };
    names.iter().enumerate().map(of).collect()
}
