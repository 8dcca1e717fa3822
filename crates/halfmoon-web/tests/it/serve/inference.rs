//! The Open Inference Protocol, version 2.

use serde_json::{Value, json};

use super::{assert_near, start, start_pictures, started};
use crate::client::{Answer, Server};
use crate::made_up::Made;
use halfmoon_web::serve::Settings;

const INFER: &str = "/v2/models/moon/infer";

/// As the protocol has it: the status and the text.
#[track_caller]
fn refused(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned())
}

fn infer(server: &Server, body: &Value) -> Value {
    let answer = server.post(INFER, body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn columns() -> Value {
    json!([
        {"name": "size", "shape": [2, 1], "datatype": "FP32", "data": [0, 100]},
        {"name": "colour", "shape": [2], "datatype": "BYTES", "data": ["blue", "red"]},
    ])
}

#[track_caller]
fn output<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let outputs = answer["outputs"].as_array().expect("outputs");
    outputs.iter().find(|output| output["name"] == name).unwrap_or_else(|| panic!("no {name} in {answer:#}"))
}

#[test]
fn server_and_model_say_what_they_are() {
    let server = start();
    assert_eq!(server.get("/v2").json()["name"], "halfmoon");
    assert_eq!(server.get("/v2/health/live").json(), json!({ "live": true }));
    assert_eq!(server.get("/v2/health/ready").json(), json!({ "ready": true }));
    for path in ["/v2/models/moon", "/v2/models/moon/versions/run-0"] {
        let model = server.get(path).json();
        assert_eq!((&model["name"], &model["versions"]), (&json!("moon"), &json!(["run-0"])));
        let size = json!({"name": "size", "datatype": "FP32", "shape": [-1]});
        assert_eq!(model["inputs"], json!([size, {"name": "colour", "datatype": "BYTES", "shape": [-1]}]));
        let outputs: Vec<_> = model["outputs"].as_array().expect("outputs").iter().map(|of| &of["name"]).collect();
        assert_eq!(outputs, ["label", "confidence", "probs", "set", "log_density", "outlier_p", "flag"]);
        assert_eq!(server.get(&format!("{path}/ready")).json(), json!({ "name": "moon", "ready": true }));
    }
    let model = start_pictures().get("/v2/models/moon").json();
    assert_eq!(model["inputs"][0]["shape"], json!([-1, 2, 2, 1]));
    assert_eq!(model["outputs"].as_array().map(Vec::len), Some(3), "a model without held-out items or density");
}

#[test]
fn a_tensor_a_column_is_answered() {
    let server = start();
    let answer = infer(&server, &json!({ "id": "mine", "inputs": columns() }));
    assert_eq!((&answer["model_name"], &answer["model_version"]), (&json!("moon"), &json!("run-0")));
    assert_eq!(answer["id"], "mine");
    assert_eq!(output(&answer, "label")["data"], json!(["high", "high"]));
    let probs = output(&answer, "probs");
    assert_eq!((&probs["shape"], &probs["datatype"]), (&json!([2, 2]), &json!("FP32")));
    // blue adds ln 3
    assert_near(&probs["data"][0], 0.25);
    assert_near(&probs["data"][1], 0.75);
    assert_eq!(output(&answer, "set")["data"], json!([false, true, false, true]));
    assert_eq!(output(&answer, "flag")["data"], json!([false, true]));
    assert_near(&output(&answer, "outlier_p")["data"][1], 0.01);
    assert_near(&output(&answer, "log_density")["data"][1], -5000.0);
    let versioned = server.post("/v2/models/moon/versions/run-0/infer", &json!({ "inputs": columns() })).json();
    assert_eq!(versioned["outputs"], answer["outputs"]);
    let made = versioned["id"].as_str().expect("an id").to_owned();
    for id in ["mine", &made] {
        assert_eq!(
            server.post("/feedback", &json!({ "id": id, "labels": ["low", "high"] })).json()["counted"],
            2,
            "{id}"
        );
    }
}

#[test]
fn an_id_that_is_kept_is_short() {
    let server = start();
    let of_length = |length: usize| server.post(INFER, &json!({ "id": "i".repeat(length), "inputs": columns() }));
    assert_eq!(of_length(256).status, 200);
    let (status, text) = refused(&of_length(257));
    assert!(status == 422 && text.starts_with("id: "), "{status} {text}");
}

#[test]
fn only_the_outputs_that_are_wanted_come() {
    let server = start();
    let wanted = json!([{"name": "probs", "parameters": {"binary_data": false}}, {"name": "label"}]);
    let answer = infer(&server, &json!({ "inputs": columns(), "outputs": wanted }));
    let names: Vec<_> = answer["outputs"].as_array().expect("outputs").iter().map(|of| &of["name"]).collect();
    assert_eq!(names, ["probs", "label"]);
    let answer = server.post(INFER, &json!({ "inputs": columns(), "outputs": [{"name": "prob"}] }));
    let (status, text) = refused(&answer);
    assert!(status == 422 && text.starts_with("outputs[0].name: ") && text.contains("`probs`"), "{status} {text}");
}

#[test]
fn pictures_come_as_a_tensor_of_either_shape() {
    let server = start_pictures();
    let pixels = json!([255, 255, 255, 0, 0, 0, 0, 0]);
    let nested = json!([[[255, 255], [255, 0]], [[0, 0], [0, 0]]]);
    for (shape, datatype, data) in [
        (json!([2, 2, 2, 1]), "UINT8", &pixels),
        (json!([2, 4]), "FP32", &pixels),
        (json!([2, 2, 2]), "INT64", &nested),
    ] {
        let inputs = json!([{"name": "x", "shape": shape, "datatype": datatype, "data": data}]);
        let answer = infer(&server, &json!({ "inputs": inputs }));
        assert_near(&output(&answer, "probs")["data"][1], 0.75);
        assert_eq!(output(&answer, "label")["data"], json!(["bright", "dark"]));
    }
}

#[test]
fn numbers_of_all_columns_come_as_one_tensor() {
    let server = start();
    let inputs = json!([{"name": "input-0", "shape": [1, 2], "datatype": "FP64", "data": [0.5, 3]}]);
    let answer = infer(&server, &json!({ "inputs": inputs }));
    assert_eq!(output(&answer, "label")["data"], json!(["high"]), "a colour that was never seen is none");
    let gap = json!([{"name": "size", "shape": [1], "datatype": "FP32", "data": [null]}, {"name": "colour", "shape": [1], "datatype": "BYTES", "data": ["blue"]}]);
    assert_near(&output(&infer(&server, &json!({ "inputs": gap })), "probs")["data"][1], 0.75);
}

#[test]
fn tensors_that_do_not_fit_are_refused_with_their_field() {
    let table = start();
    let size = |shape: Value, datatype: &str, data: Value| json!({"name": "size", "shape": shape, "datatype": datatype, "data": data});
    let colour = json!({"name": "colour", "shape": [1], "datatype": "BYTES", "data": ["red"]});
    for (inputs, field) in [
        (json!([]), "inputs"),
        (json!([size(json!([1]), "FP32", json!([1]))]), "inputs"),
        (json!([size(json!([2]), "FP32", json!([1])), colour]), "inputs[0].data"),
        (json!([size(json!([]), "FP32", json!([1])), colour]), "inputs[0].data"),
        (json!([size(json!([4_294_967_296_u64, 4_294_967_296_u64]), "FP32", json!([1])), colour]), "inputs[0].data"),
        (json!([size(json!([1]), "FP32", json!(["1"])), colour]), "inputs[0].data[0]"),
        (json!([size(json!([1]), "INT8", json!([1.5])), colour]), "inputs[0].data[0]"),
        (json!([size(json!([1]), "UINT8", json!([-1])), colour]), "inputs[0].data[0]"),
        (json!([size(json!([1]), "BOOL", json!([1])), colour]), "inputs[0].data[0]"),
        (json!([size(json!([1]), "FLOAT", json!([1])), colour]), "inputs[0].datatype"),
        (json!([size(json!([2]), "FP32", json!([1, 2])), colour]), "inputs[1].shape"),
        (json!([size(json!([1]), "FP32", json!([1])), size(json!([1]), "FP32", json!([1]))]), "inputs[1].name"),
        (
            json!([size(json!([1]), "FP32", json!([1])), {"name": "color", "shape": [1], "datatype": "BYTES", "data": ["red"]}]),
            "inputs[1].name",
        ),
        (json!([{"name": "size", "shape": [-1], "datatype": "FP32", "data": [1]}]), "inputs[0].shape[0]"),
        (json!([{"name": "size", "shape": [1], "datatype": "FP32", "data": 1}]), "inputs[0].data"),
        (json!([{"name": "size", "shape": [1], "datatype": "FP32", "data": [{}]}]), "inputs[0].data[0]"),
        (json!([{"name": "size", "shape": [1], "datatype": "FP32"}]), "inputs[0].data"),
        (
            json!([{"name": "size", "shape": [0], "datatype": "FP32", "data": []}, {"name": "colour", "shape": [0], "datatype": "BYTES", "data": []}]),
            "inputs",
        ),
    ] {
        let (status, text) = refused(&table.post(INFER, &json!({ "inputs": inputs })));
        assert!(status == 422 && text.starts_with(&format!("{field}: ")), "{inputs}: {status} {text}");
    }
    let pictures = start_pictures();
    for (shape, datatype, data, field) in [
        (json!([1, 3]), "FP32", json!([1, 2, 3]), "inputs[0].shape"),
        (json!([4]), "FP32", json!([1, 2, 3, 4]), "inputs[0].shape"),
        (json!([1, 1, 2, 2]), "FP32", json!([1, 2, 3, 4]), "inputs[0].shape"),
        (json!([1, 4]), "BYTES", json!(["1", "2", "3", "4"]), "inputs[0].datatype"),
        (json!([1, 4]), "FP32", json!([1, 2, 3, null]), "row 0"),
    ] {
        let inputs = json!([{"name": "x", "shape": shape, "datatype": datatype, "data": data}]);
        let (status, text) = refused(&pictures.post(INFER, &json!({ "inputs": inputs })));
        assert!(status == 422 && text.starts_with(&format!("{field}: ")), "{inputs}: {status} {text}");
    }
}

#[test]
fn a_model_or_version_that_is_not_there_is_told() {
    let server = start();
    for path in [
        "/v2/models/sun",
        "/v2/models/sun/ready",
        "/v2/models/moon/versions/run-1",
        "/v2/models/moon/versions/run-1/ready",
    ] {
        let (status, text) = refused(&server.get(path));
        assert!(status == 404 && (text.contains("`moon`") || text.contains("`run-0`")), "{path}: {status} {text}");
    }
    for path in ["/v2/models/sun/infer", "/v2/models/moon/versions/run-1/infer"] {
        assert_eq!(refused(&server.post(path, &json!({ "inputs": columns() }))).0, 404, "{path}");
    }
    assert_eq!(refused(&server.get("/v2/models/%00%ff")).0, 400);
}

/// The JSON with these bytes behind it.
fn with_bytes(server: &Server, json: &Value, bytes: &[u8]) -> Answer {
    let json = json.to_string();
    let end = json.len().to_string();
    let headers = [("content-type", "application/octet-stream"), ("inference-header-content-length", &*end)];
    server.ask("POST", INFER, &headers, &[json.as_bytes(), bytes].concat())
}

#[test]
fn values_behind_the_json_mean_what_they_mean_in_it() {
    let server = start();
    let plain = infer(&server, &json!({ "id": "one", "inputs": columns() }));
    let inputs = json!([
        {"name": "size", "shape": [2, 1], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
        {"name": "colour", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": 15}},
    ]);
    let bytes =
        [&0_f32.to_le_bytes()[..], &100_f32.to_le_bytes(), &[4, 0, 0, 0], b"blue", &[3, 0, 0, 0], b"red"].concat();
    let answer = with_bytes(&server, &json!({ "id": "one", "inputs": inputs }), &bytes);
    assert_eq!((answer.status, answer.json()), (200, plain.clone()), "{}", answer.text());

    let wanted = json!([{"name": "probs", "parameters": {"binary_data": true}}, {"name": "label"}]);
    let answer = with_bytes(&server, &json!({ "id": "one", "inputs": inputs, "outputs": wanted }), &bytes);
    let end: usize = answer.header("inference-header-content-length").expect("the header").parse().expect("a number");
    let (text, behind) = answer.body.split_at(end);
    let said: Value = serde_json::from_slice(text).expect("JSON");
    assert_eq!(output(&said, "label")["data"], output(&plain, "label")["data"]);
    assert_eq!(output(&said, "probs")["parameters"]["binary_data_size"], behind.len());
    let expected = output(&plain, "probs")["data"].as_array().expect("numbers");
    let found: Vec<f32> = behind.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_near(&json!(found), expected.as_f64().expect("a number"));
    }
    // All of them, where nothing else is said: as a client does that names no output.
    let all = json!({ "inputs": columns(), "parameters": {"binary_data_output": true} });
    assert!(server.post(INFER, &all).header("inference-header-content-length").is_some());
}

#[test]
fn bytes_that_are_no_tensor_are_refused_with_the_place() {
    let server = start();
    let sized = |size: usize| {
        json!({ "inputs": [
            {"name": "size", "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": size}},
            {"name": "colour", "shape": [1], "datatype": "BYTES", "data": ["red"]},
        ] })
    };
    for (size, bytes, place) in [
        (8, &[0_u8; 4][..], "binary_data_size"),
        (3, &[0; 3], "binary_data_size"),
        (4, &[0; 5], "body"),
        (8, &[0; 8], "data"),
    ] {
        let (status, text) = refused(&with_bytes(&server, &sized(size), bytes));
        assert!(status == 422 && text.contains(place), "{size}: {status} {text}");
    }
    for end in ["10", "-1", "x", ""] {
        let (status, text) = refused(&server.ask("POST", INFER, &[("inference-header-content-length", end)], b"{}"));
        assert!(status == 400 && text.contains("inference-header-content-length"), "{end}: {status} {text}");
    }
    let (status, _) = refused(&server.post_text(INFER, "application/json", "{"));
    assert_eq!(status, 400);
}

#[test]
fn a_server_that_stops_is_not_ready() {
    let (server, stopper) = started(Made::default(), Settings::default());
    assert_eq!(server.get("/health/ready").status, 200);
    stopper.stop();
    assert_eq!(server.get("/health/ready").problem().0, 503);
    assert_eq!(refused(&server.get("/v2/health/ready")).0, 503);
    assert_eq!(server.get("/health/live").status, 200);
    assert_eq!(infer(&server, &json!({ "inputs": columns() }))["model_name"], "moon", "it still answers");
}
