//! A model of pictures.

use serde_json::json;

use super::{assert_near, start, start_pictures};

const KIND: &str = "multipart/form-data; boundary=edge";

fn png(width: u32, height: u32, value: u8) -> Vec<u8> {
    let picture = image::GrayImage::from_pixel(width, height, image::Luma([value]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).expect("memory");
    bytes.into_inner()
}

/// Parts of a form, each with a file's name.
fn form(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file) in files {
        let head = format!("--edge\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"{name}\"\r\n\r\n");
        body.extend([head.as_bytes(), file, b"\r\n"].concat());
    }
    body.extend(b"--edge--\r\n");
    body
}

#[test]
fn pictures_of_a_form_are_answered_each() {
    let server = start_pictures();
    let (bright, dark) = (png(2, 2, 204), png(9, 5, 51));
    let files: [(&str, &[u8]); 4] =
        [("a b.png", &bright), ("../é.png", &dark), ("c.png", &bright[..30]), ("d.txt", b"text")];
    let answers = server.post_text("/predict", KIND, form(&files)).answers();
    let ids: Vec<_> = answers.iter().map(|of| of["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, ["a b.png", "../é.png", "c.png", "d.txt"]);
    // 204/255 and 51/255
    assert_eq!((&answers[0]["label"], &answers[1]["label"]), (&json!("bright"), &json!("dark")));
    assert_near(&answers[0]["confidence"], 0.8);
    assert_near(&answers[1]["confidence"], 0.8);
    assert!(answers[2..].iter().all(|of| of["status"] == "unreadable" && of["label"].is_null()), "{answers:#?}");
    for nothing_known in ["log_density", "outlier_p", "flag", "set"] {
        assert!(answers[0][nothing_known].is_null(), "{nothing_known}");
    }
}

#[test]
fn pixels_are_answered_too() {
    let server = start_pictures();
    let answers =
        server.post("/predict", &json!([{"x": [255, 255, 255, 0]}, [0, 0, 0, 0], [0, 0, 0], [0, 0, 0, "x"]])).answers();
    assert_near(&answers[0]["probs"]["bright"], 0.75);
    assert_near(&answers[1]["probs"]["bright"], 0.0);
    assert_eq!(answers[2]["why"], "3 pixels instead of 4");
    assert_eq!(answers[3]["why"], "pixel 4 is no number");
    let answers = server.post_text("/predict", "text/csv", "255,255,255,0\n0,0,0,0\n").answers();
    assert_near(&answers[0]["probs"]["bright"], 0.75);
}

#[test]
fn a_file_of_this_machine_is_not_opened() {
    let path = std::env::temp_dir().join(format!("halfmoon-web-{}.png", std::process::id()));
    std::fs::write(&path, png(2, 2, 204)).expect("a file");
    let asked = start_pictures().post("/predict", &json!([{ "path": path }])).answers();
    std::fs::remove_file(&path).expect("a file");
    assert_eq!(asked[0]["status"], "unreadable");
    assert!(asked[0]["why"].as_str().is_some_and(|why| why.contains("not opened")), "{asked:#?}");
}

#[test]
fn a_picture_that_would_unpack_to_gigabytes_is_unreadable() {
    let mut bomb = png(2, 2, 0);
    bomb[16..24].copy_from_slice(&[60_000_u32.to_be_bytes(), 60_000_u32.to_be_bytes()].concat());
    let sum = crc_32(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&sum.to_be_bytes());
    let whole = png(2, 2, 204);
    let answers =
        start_pictures().post_text("/predict", KIND, form(&[("bomb.png", &bomb), ("whole.png", &whole)])).answers();
    assert_eq!((&answers[0]["status"], &answers[1]["status"]), (&json!("unreadable"), &json!("ok")));
}

/// CRC-32 of PNG's chunks.
fn crc_32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[test]
fn a_table_takes_no_pictures() {
    let answer = start().post_text("/predict", KIND, form(&[("a.png", &png(2, 2, 0))]));
    assert_eq!(answer.problem(), (422, Some("body".to_owned())));
}
