//! Folders of pictures, some of which are not what they should be.

use std::ffi::OsStr;
use std::io::Cursor;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use image::{GrayImage, ImageFormat, Luma};

use crate::support::{Answers, Place};

/// 8×8 pixels, bright above or bright below.
fn picture(number: u32, above: bool) -> Vec<u8> {
    let picture = GrayImage::from_fn(8, 8, |x, y| {
        let noise = u8::try_from((number * 64 + 8 * y + x) * 7919 % 61).unwrap();
        Luma([if (y < 4) == above { 255 - noise } else { noise }])
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Six pictures of each of two classes in `photos/`.
fn photos() -> Place {
    let place = Place::new();
    for number in 0..6 {
        place.write(format!("photos/above/{number}.png"), picture(number, true));
        place.write(format!("photos/below/{number}.png"), picture(number + 50, false));
    }
    place
}

/// A PNG that says it has 60,000 × 60,000 pixels, and ends there.
fn bomb() -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    for side in [60_000_u32, 60_000] {
        header.extend(side.to_be_bytes());
    }
    header.extend([8, 0, 0, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&header);
    let parts = [&b"\x89PNG\r\n\x1a\n\0\0\0\x0d"[..], &header, &crc.sum().to_be_bytes()];
    parts.concat()
}

#[test]
fn a_folder_a_class_is_enough() {
    let place = photos();
    place.write("photos/unlabelled/x.png", picture(20, true));
    place.train("photos").tells(&["13 items, 12 labelled in 2 of 2 classes, 1 unlabelled", "unlabelled/"]);
    assert_eq!(place.predict("photos").classes, ["above", "below"]);
    assert_eq!(place.predict("photos/above/0.png").ids(), ["0.png"]);
}

#[test]
fn unreadable_pictures_are_named_and_the_others_are_used() {
    let place = photos();
    let whole = picture(3, true);
    place.write("photos/above/corrupt.png", &whole[..whole.len() / 2]);
    place.write("photos/above/empty.png", "");
    place.write("photos/below/letter.png", "Dear Sir or Madam");
    place.write("photos/below/bomb.png", bomb());
    place.write("photos/below/really.png.jpg", picture(4, false));
    let bad = ["above/corrupt.png", "above/empty.png", "below/letter.png", "below/bomb.png"];

    let said = place.train("photos").tells(&bad).tells(&["13 items", "in another format than their names say"]);
    assert!(!said.err.contains("left out: below/really"), "{}", said.err);

    let said = place.run("predict run photos").exits(0).tells(&["13 inputs answered", "4 could not be read"]);
    let answers = Answers::of(&said.out);
    let unreadable = answers.ids().into_iter().zip(answers.status()).filter(|(_, status)| *status != "ok");
    let mut unreadable: Vec<_> = unreadable.map(|(id, _)| id).collect();
    unreadable.sort_unstable();
    assert_eq!(unreadable, ["above/corrupt.png", "above/empty.png", "below/bomb.png", "below/letter.png"]);

    let strict = place.run("predict run photos --strict").exits(3).tells(&["4 inputs could not be read"]);
    assert_eq!(strict.out, said.out, "the lines are written all the same");
}

#[test]
fn predict_answers_every_file_also_those_that_are_no_pictures() {
    let place = photos();
    place.train("photos");
    place.write("inbox/notes.txt", "milk, bread");
    place.write("inbox/deep/er/a.png", picture(1, true));
    let answers = place.predict("inbox");
    assert_eq!(answers.ids(), ["deep/er/a.png", "notes.txt"]);
    assert!(answers.status()[0] == "ok" && answers.status()[1].starts_with("unreadable: "));
}

#[test]
fn file_names_survive() {
    let place = photos();
    place.train("photos");
    // composed and decomposed é are two names
    let names = [
        "a b+c%20 100%.png",
        "caf\u{e9}.png",
        "cafe\u{301}.png",
        "кот.png",
        "猫 🦊.png",
        "x,y;\"z\".png",
        "two\nlines.png",
    ];
    for name in names {
        place.write(Path::new("inbox").join(name), picture(1, true));
    }
    place.write(Path::new("inbox").join(OsStr::from_bytes(b"100% caf\xe9.png")), picture(1, true));
    let answers = place.predict("inbox");
    let mut expected = names.to_vec();
    expected.push("100%25 caf%E9.png");
    expected.sort_unstable();
    let mut ids = answers.ids();
    ids.sort_unstable();
    assert_eq!(ids, expected);
    assert!(answers.status().iter().all(|status| *status == "ok"));
}

#[test]
fn folders_with_any_name_are_classes() {
    let place = Place::new();
    for number in 0..4 {
        place.write(format!("my photos/кот 🐈/{number}.png"), picture(number, true));
        place.write(format!("my photos/a, \"b\"/{number}.png"), picture(number + 50, false));
    }
    let args = ["train", "my photos", "--steps", "20", "--model", "supervised", "--out", "run"];
    place.run_args(&args).exits(0);
    let said = place.run_args(&["predict", "run", "my photos"]).exits(0);
    assert_eq!(Answers::of(&said.out).classes, ["a, \"b\"", "кот 🐈"]);
}

#[test]
fn a_class_folder_may_be_empty() {
    let place = photos();
    std::fs::create_dir(place.path("photos/beside")).unwrap();
    place.train("photos").tells(&["12 labelled in 2 of 3 classes"]);
    assert_eq!(place.predict("photos").classes, ["above", "below", "beside"]);
}

#[test]
fn a_folder_without_a_readable_picture_is_an_error() {
    let place = Place::with("photos/a/empty.png", "");
    place.try_train("photos").fails(3).tells(&["photos", "a/empty.png"]);
    std::fs::create_dir(place.path("nothing")).unwrap();
    place.try_train("nothing").fails(3).tells(&["nothing"]);
}

#[test]
fn a_table_is_not_a_picture_nor_the_other_way_round() {
    let place = photos();
    place.write("pets.csv", crate::support::pets(20));
    place.train("photos");
    place.run("predict run pets.csv").fails(3).tells(&["pets.csv"]);
    place.train("pets.csv --label species --out tables");
    place.run("predict tables photos").fails(3).tells(&["photos"]);
    place.run("predict tables digits").fails(3).tells(&["digits"]);
}
