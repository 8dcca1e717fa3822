//! Labels as files, and Label Studio.

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::made_up::{MadeUp, write_digits};
use super::site::{Folder, Site, settings};

/// A form as browsers send it.
async fn import(site: &Site, name: &str, file: &[u8], fields: &[(&str, &str)]) -> (u16, Value) {
    let mut body = Vec::new();
    for (field, value) in fields {
        body.extend(format!("--x\r\ncontent-disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n").into_bytes());
    }
    let head = format!("--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
    body.extend([head.as_bytes(), file, b"\r\n--x--\r\n"].concat());
    let request = Request::post("/api/import").header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
    let response = site.send(request.body(Body::from(body)).unwrap()).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn what_is_exported_is_imported_into_another_project_in_every_format() {
    let folder = Folder::new("export");
    let site = Site::of_digits(&folder, 40, MadeUp::default());
    site.is_read().await;
    site.oracle("ann", 9).await;
    site.oracle("Bö 🦆".replace(' ', "%20").as_str(), 3).await;
    let labelled = site.get("/api/project").await["labelled"].as_u64().unwrap();
    for (format, ending) in [("csv", ".csv"), ("jsonl", ".jsonl"), ("label-studio", ".json")] {
        let (status, file) = site.get_bytes(&format!("/api/export?format={format}")).await;
        assert!(status.is_success());
        let other = Folder::new(&format!("import-{format}"));
        let mut settings = settings(&other);
        settings.data = folder.0.join("photos");
        let other = Site::open(settings, MadeUp::default());
        other.is_read().await;
        let (status, told) = import(&other, &format!("labels{ending}"), &file, &[("annotator", "cy")]).await;
        assert_eq!(status, 200, "{told}");
        assert_eq!(other.get("/api/project").await["labelled"], labelled, "{format}: {told}");
        let (_, again) = import(&other, &format!("labels{ending}"), &file, &[("annotator", "cy")]).await;
        assert_eq!(again["new"], 0, "{again}");
        let names: Vec<Value> = other.get("/api/panels").await["agreement"]["annotators"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].clone())
            .collect();
        assert!(names.contains(&json!("ann")), "{names:?}");
    }
    let left: Vec<_> = std::fs::read_dir(&folder.0).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("import")), "{left:?}");
}

#[tokio::test]
async fn an_import_that_cannot_be_is_told() {
    let folder = Folder::new("import-wrong");
    let site = Site::of_digits(&folder, 10, MadeUp::default());
    site.is_read().await;
    let (status, told) =
        import(&site, "labels.csv", b"id,label\n0001.png,3\n0002.png,eleven\nnobody.png,3\n", &[("annotator", "ann")])
            .await;
    assert_eq!((status, &told["new"], &told["left_out"]), (200, &json!(1), &json!(2)), "{told}");
    assert!(!told.to_string().contains(folder.0.to_str().unwrap()), "{told}");
    let more = [("annotator", "ann"), ("new_classes", "true")];
    let (_, told) = import(&site, "labels.csv", b"id,label\n0002.png,eleven\n", &more).await;
    assert_eq!(told["new_classes"], json!(["eleven"]));
    for (name, file, fields, field) in [
        ("labels.txt", "id,label\n", &[("annotator", "ann")][..], "format"),
        ("labels.csv", "id,label\n", &[], "annotator"),
        ("labels.csv", "id,label\n", &[("annotator", "ann"), ("format", "cvs")], "format"),
        ("labels.json", "{", &[("annotator", "ann")], "file"),
        ("labels.csv", "id,label\n", &[("who", "ann")], "who"),
    ] {
        let (status, told) = import(&site, name, file.as_bytes(), fields).await;
        assert_eq!((status, &told["error"]["field"]), (422, &json!(field)), "{name}: {told}");
    }
}

#[tokio::test]
async fn label_studio_gets_predictions_and_tells_of_annotations() {
    let folder = Folder::new("label-studio");
    let site = Site::of_digits(&folder, 100, MadeUp::default());
    site.is_read().await;
    assert_eq!(site.get("/health").await["status"], "UP");
    let setup = json!({"project": "1", "schema": "<View/>", "hostname": "http://localhost:8080", "access_token": "t"});
    assert_eq!(site.post("/setup", setup.clone()).await["model_version"], "none");
    site.oracle("ann", 30).await;
    site.round(1).await;
    assert!(site.post("/setup", setup).await["model_version"].as_str().unwrap().starts_with("means-"));
    let config = "<View><Image name=\"photo\" value=\"$image\"/><Choices name=\"digit\" toName=\"photo\"><Choice value=\"0\"/></Choices></View>";
    let tasks = json!([
        {"id": 1, "data": {"halfmoon_id": "0007.png"}},
        {"id": 2, "data": {"image": "/data/local-files/?d=photos/0007.png"}},
        {"id": 3, "data": {"image": "http://host/upload/0007.png?x=1"}},
        {"id": 4, "data": {"image": "nothing.png"}},
        {"id": 5},
    ]);
    let answer = site.post("/predict", json!({"tasks": tasks, "label_config": config, "params": {}})).await;
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 5);
    for result in &results[..3] {
        assert_eq!(result, &results[0]);
        let choice = &result["result"][0];
        assert_eq!((&choice["from_name"], &choice["to_name"]), (&json!("digit"), &json!("photo")));
        assert_eq!(choice["value"]["choices"].as_array().unwrap().len(), 1);
        assert!(result["score"].as_f64().is_some_and(|score| (0.0..=1.0).contains(&score)));
    }
    assert_eq!((&results[3]["result"], &results[4]["result"]), (&json!([]), &json!([])));

    let before = site.get("/api/project").await["labelled"].as_u64().unwrap();
    let open = site.get("/api/next?annotator=ann&n=1").await["questions"][0].clone();
    let tell = |action: &'static str, digit: &'static str, updated: &'static str| {
        let choice =
            json!([{"from_name": "digit", "to_name": "photo", "type": "choices", "value": {"choices": [digit]}}]);
        let annotation = json!({"id": 71, "completed_by": {"email": "eve@example.org"}, "result": choice,
            "was_cancelled": false, "lead_time": 2.5, "created_at": "2026-11-26T08:00:00Z", "updated_at": updated});
        json!({"action": action, "task": {"id": 9, "data": {"halfmoon_id": open["id"]}}, "annotation": annotation})
    };
    let uri = format!("/api/items/{}?annotator=eve@example.org", open["item"]);
    let class = |value: &Value| value["labels"][0]["class"].clone();
    let told = site.post("/webhook", tell("ANNOTATION_CREATED", "3", "2026-11-26T08:00:00Z")).await;
    assert_eq!(told["new"], 1, "{told}");
    assert_eq!(class(&site.get(&uri).await), 3);
    site.post("/webhook", tell("ANNOTATION_UPDATED", "5", "2026-11-26T08:01:00Z")).await;
    assert_eq!(class(&site.get(&uri).await), 5);
    site.post("/webhook", tell("ANNOTATION_UPDATED", "3", "2026-11-26T08:02:00Z")).await;
    assert_eq!(class(&site.get(&uri).await), 3, "changed back");
    let again = site.post("/webhook", tell("ANNOTATION_UPDATED", "3", "2026-11-26T08:02:00Z")).await;
    assert_eq!(again["new"], 0, "told twice");
    assert_eq!(site.get("/api/project").await["labelled"], before + 1);
    let gone = json!({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 71}]});
    assert_eq!(site.post("/webhook", gone.clone()).await["undone"], 3);
    assert_eq!(site.get(&uri).await["labels"], json!([]));
    assert_eq!(site.post("/webhook", gone).await["undone"], 0);
    assert_eq!(site.get("/api/project").await["labelled"], before);
    assert_eq!(site.post("/webhook", json!({"action": "PROJECT_UPDATED"})).await["ignored"], "PROJECT_UPDATED");
}

#[tokio::test]
async fn a_file_of_labels_makes_the_classes_of_a_project_that_has_none() {
    let folder = Folder::new("import-first");
    let mut settings = settings(&folder);
    settings.classes = Vec::new();
    write_digits(&settings.data, 6);
    let site = Site::open(settings, MadeUp::default());
    site.is_read().await;
    let (_, told) = import(&site, "a.csv", b"id,label\n0001.png,alive\n0002.png,dead\n", &[("annotator", "ann")]).await;
    assert_eq!((&told["new"], &told["new_classes"]), (&json!(2), &json!(["alive", "dead"])));
}
