//! Data of all kinds, the bad ones too.

use std::path::Path;

use halfmoon_journal::{Content, DATA, Item, Journal, Moment, Project, Split};
use serde_json::{Map, json};

use super::made_up::{MadeUp, write_digits};
use super::site::{Folder, Site, settings};

#[tokio::test]
async fn broken_pictures_are_counted_and_never_asked_about() {
    let folder = Folder::new("broken");
    let photos = folder.0.join("photos");
    write_digits(&photos, 20);
    std::fs::write(photos.join("empty.png"), "").unwrap();
    std::fs::write(photos.join("text.jpg"), "no picture at all").unwrap();
    let whole = std::fs::read(photos.join("0000.png")).unwrap();
    std::fs::write(photos.join("cut.png"), &whole[..20]).unwrap();
    let site = Site::open(settings(&folder), MadeUp::default());
    let mut seen = Vec::new();
    loop {
        let questions = site.get("/api/next?annotator=ann&n=50").await["questions"].as_array().unwrap().clone();
        if questions.is_empty() && !seen.is_empty() {
            break;
        }
        for question in questions {
            seen.push(question["id"].as_str().unwrap().to_owned());
            site.label("ann", &question, 1).await;
        }
    }
    seen.sort();
    assert_eq!(seen, (0..20).map(|number| format!("{number:04}.png")).collect::<Vec<_>>());
    let project = site.is_read().await;
    assert_eq!((&project["scan"]["files"], &project["scan"]["unreadable"]), (&json!(23), &json!(3)));
    assert_eq!(project["items"], 20);
    assert!(!project["scan"]["message"].as_str().unwrap().contains(photos.to_str().unwrap()));
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_out_of_the_folder_is_refused() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new("links");
    let photos = folder.0.join("photos");
    write_digits(&photos, 6);
    write_digits(&folder.0.join("secret"), 1);
    symlink(folder.0.join("secret/0000.png"), photos.join("link.png")).unwrap();
    symlink(folder.0.join("secret"), photos.join("unlabelled")).unwrap();
    symlink(photos.join("0001.png"), photos.join("within.png")).unwrap();
    let site = Site::open(settings(&folder), MadeUp::default());
    site.is_read().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        for question in site.get("/api/next?annotator=ann&n=50").await["questions"].as_array().unwrap() {
            ids.push(question["id"].as_str().unwrap().to_owned());
            site.label("ann", question, 1).await;
        }
    }
    assert_eq!(ids.len(), 7, "{ids:?}");
    assert!(ids.contains(&"within.png".to_owned()), "{ids:?}");
    assert!(ids.iter().all(|id| id != "link.png" && !id.starts_with("unlabelled")), "{ids:?}");
    // the reader read them, so they have numbers: the pictures are refused all the same
    let (mut refused, mut served) = (0, 0);
    for item in 1..=9 {
        let (status, _) = site.get_bytes(&format!("/api/items/{item}/picture")).await;
        match status.as_u16() {
            403 => refused += 1,
            200 => served += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((refused, served), (2, 7));
}

#[tokio::test]
async fn a_project_of_somebody_else_cannot_name_files_outside() {
    let folder = Folder::new("foreign");
    let photos = folder.0.join("photos");
    write_digits(&photos, 3);
    write_digits(&folder.0.join("secret"), 1);
    let project = Project { name: "p".into(), data: None, at: Moment::now(), about: Map::new() };
    let mut journal = Journal::create(&folder.0.join("project.db"), &project, &["a".into()], DATA).unwrap();
    let absolute = folder.0.join("secret/0000.png").to_str().unwrap().to_owned();
    for path in ["../secret/0000.png", &absolute, "./../secret/0000.png", "x/../../secret/0000.png"] {
        let item = Item {
            id: path.into(),
            path: Some(path.into()),
            content: Content::of(path.as_bytes()),
            split: Split::Train,
        };
        journal.add_items(&[item]).unwrap();
    }
    drop(journal);
    let site = Site::open(settings(&folder), MadeUp::default());
    site.is_read().await;
    for item in 1..=4 {
        let (status, answer) = site.try_get(&format!("/api/items/{item}/picture")).await;
        assert_eq!((status, &answer["error"]["field"]), (403, &json!("item")), "{answer}");
        assert!(!answer.to_string().contains("secret"));
    }
    assert_eq!(site.next("ann", 50).await.len(), 3);
}

#[tokio::test]
async fn a_table_is_asked_about_row_by_row() {
    let folder = Folder::new("table");
    let path = folder.0.join("cells.csv");
    let mut text = String::from("size,stained,shape,label\n");
    for row in 0..60 {
        let size = if row == 7 { String::new() } else { format!("{}.5", row % 20) };
        let row = [&size, ["no", "yes"][row % 2], ["round", "long", "odd"][row % 3], "\n"].join(",");
        text.push_str(&row);
    }
    std::fs::write(&path, text).unwrap();
    let mut settings = settings(&folder);
    settings.data = path;
    settings.classes = vec!["alive".into(), "dead".into()];
    settings.options.label = Some("label".into());
    let site = Site::open(settings, MadeUp::default());
    let project = site.is_read().await;
    assert_eq!((&project["kind"], &project["items"]), (&json!("rows"), &json!(60)));
    let question = site.get("/api/items/8?annotator=ann").await;
    let cells = json!([
        {"column": "size", "value": null},
        {"column": "stained", "value": "yes"},
        {"column": "shape", "value": "long"},
    ]);
    assert_eq!(question["content"], json!({"kind": "row", "cells": cells}));
    let (status, answer) = site.try_get("/api/items/8/picture").await;
    assert_eq!((status, &answer["error"]["field"]), (404, &json!("item")));
    for question in site.next("ann", 30).await {
        let is_stained = question["content"]["cells"][1]["value"] == "yes";
        site.label("ann", &question, u16::from(is_stained)).await;
    }
    site.round(1).await;
    let panels = site.get("/api/panels").await;
    assert!(panels["map"]["points"].as_array().is_some() && panels["examples"] == json!([]), "{panels}");
    let generated = site.get("/api/generated").await;
    assert_eq!(generated["pictures"], json!([]));
    assert!(generated["none_because"].is_string());
}

#[tokio::test]
async fn rows_that_are_pictures_are_drawn() {
    let folder = Folder::new("drawn");
    let mut settings = settings(&folder);
    settings.data = Path::new("digits").into();
    let site = Site::open(settings, MadeUp::default());
    let project = site.is_read().await;
    assert_eq!((&project["kind"], &project["items"]), (&json!("pictures"), &json!(1797)));
    assert_eq!(project["labelled"], 1797, "all came with a label");
    let question = site.get("/api/items/1?annotator=ann").await;
    assert_eq!(question["content"]["width"], 8);
    let (status, bytes) = site.get_bytes("/api/items/1/picture").await;
    assert!(status.is_success());
    // the first digit's third pixel is 5 of 16
    let picture = image::load_from_memory(&bytes).unwrap().into_luma8();
    assert_eq!((picture.dimensions(), picture.get_pixel(2, 0).0), ((8, 8), [80]));
    let project = site.round(1).await;
    assert!(project["model"]["labels"].as_u64().unwrap() > 1300, "{project}");
}

#[tokio::test]
async fn labels_of_folders_are_the_datas_own_and_the_rest_is_asked() {
    let folder = Folder::new("folders");
    let photos = folder.0.join("photos");
    let truth = write_digits(&photos, 40);
    for (number, digit) in truth.iter().enumerate().take(30) {
        let class = photos.join(digit.to_string());
        std::fs::create_dir_all(&class).unwrap();
        std::fs::rename(photos.join(format!("{number:04}.png")), class.join(format!("{number:04}.png"))).unwrap();
    }
    let mut settings = settings(&folder);
    settings.classes = vec!["blot".into()];
    let site = Site::open(settings, MadeUp::default());
    let project = site.is_read().await;
    assert_eq!(project["labelled"], 30);
    assert_eq!(project["classes"][0], "blot", "what was named comes first: {project}");
    let questions = site.next("ann", 50).await;
    assert_eq!(questions.len(), 10);
    site.round(1).await;
}

#[tokio::test]
async fn data_that_are_not_there_are_a_message_without_a_path() {
    let folder = Folder::new("gone");
    let site = Site::open(settings(&folder), MadeUp::default());
    let project = site.project(|project| project["scan"]["state"] == "failed").await;
    let message = project["scan"]["message"].as_str().unwrap();
    assert!(!message.is_empty() && !message.contains(folder.0.to_str().unwrap()), "{message}");
    let nothing = site.get("/api/next?annotator=ann").await;
    assert_eq!(nothing["waiting"], "the data could not be read");
}

#[tokio::test]
async fn a_picture_comes_as_a_browser_shows_it() {
    use axum::body::Body;
    use axum::http::Request;
    use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
    let folder = Folder::new("formats");
    let photos = folder.0.join("photos");
    std::fs::create_dir_all(&photos).unwrap();
    let picture = DynamicImage::ImageRgb8(RgbImage::from_pixel(64, 32, Rgb([200, 10, 20])));
    let formats = [
        ("a.bmp", ImageFormat::Bmp),
        ("b.tiff", ImageFormat::Tiff),
        ("c.jpg", ImageFormat::Jpeg),
        ("d.png", ImageFormat::Png),
    ];
    for (name, format) in formats {
        picture.save_with_format(photos.join(name), format).unwrap();
    }
    picture.to_rgb16().save_with_format(photos.join("e.png"), ImageFormat::Png).unwrap();
    let site = Site::open(settings(&folder), MadeUp::default());
    site.is_read().await;
    for (item, kind) in (1..).zip(["image/png", "image/png", "image/jpeg", "image/png", "image/png"]) {
        let uri = format!("/api/items/{item}/picture");
        let response = site.send(Request::get(&uri).body(Body::empty()).unwrap()).await;
        assert_eq!(response.headers()["content-type"], kind, "{item}");
        assert_eq!(response.headers()["cache-control"], "private, no-cache", "another project may be here tomorrow");
        let tag = response.headers()["etag"].clone();
        let known = site.send(Request::get(&uri).header("if-none-match", tag).body(Body::empty()).unwrap()).await;
        assert_eq!(known.status().as_u16(), 304);
        let (_, small) = site.get_bytes(&format!("{uri}?size=16")).await;
        let small = image::load_from_memory(&small).unwrap();
        assert_eq!((small.width(), small.height(), small.color()), (16, 8, image::ColorType::Rgb8), "{item}");
    }
    let (_, wide) = site.get_bytes("/api/items/5/picture").await;
    assert_eq!(image::load_from_memory(&wide).unwrap().color(), image::ColorType::Rgb8);
}
