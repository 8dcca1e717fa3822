//! The page as a whole: that it is sound, asks for nothing, and says what is there and no more.

#![allow(clippy::unwrap_used, reason = "tests: a panic says where")]

use halfmoon_pool::dataset::{Cells, Column, ColumnKind, Features, Ids, ImageShape, Inputs, Table};
use halfmoon_pool::scores::Predictions;
use halfmoon_pool::{Class, Dataset, Schema};
use halfmoon_report::{Answers, Attacks, Baseline, Codes, Found, Others, OutlierScore, Report, Samples, Term, html};
use ndarray::Array2;
use roxmltree::{Document, ParsingOptions};

/// A number from 0 to 1 that looks random.
fn wobble(row: usize, column: usize) -> f32 {
    let mixed = (row as u64 * 7919 + column as u64 * 104_729 + 17).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    f32::from(u16::try_from(mixed % 1000).unwrap()) / 1000.0
}

/// Answers to `n` items of `k` classes, of which about nine of ten are right.
fn predictions(n: usize, k: usize) -> Predictions {
    let classes: Vec<Class> = (0..n).map(|row| Class(u16::try_from(row % k).unwrap())).collect();
    let mut probs = Array2::from_shape_fn((n, k), |(row, class)| {
        let answer = if wobble(row, 0) < 0.9 { row % k } else { (row + 1) % k };
        let sure = if class == answer { 3.0 * k as f32 } else { 0.0 };
        0.05 + wobble(row, class + 1) + sure
    });
    for mut row in probs.rows_mut() {
        let sum = row.sum();
        row /= sum;
    }
    Predictions { probs, classes }
}

fn names(k: usize) -> Vec<String> {
    (0..k).map(|class| format!("class {class}")).collect()
}

fn items(predictions: &Predictions, classes: Vec<String>, features: Features, inputs: Inputs) -> Dataset {
    let labels = predictions.classes.iter().copied().map(Some).collect();
    Dataset { schema: Schema { classes, features }, inputs, labels, ids: Ids::first(predictions.classes.len()) }
}

const SMALL: ImageShape = ImageShape { height: 6, width: 5, channels: 1, white: 255.0 };

fn pictures(predictions: &Predictions, k: usize) -> Dataset {
    let n = predictions.classes.len();
    let pixels = Array2::from_shape_fn((n, SMALL.len()), |(row, at)| u8::try_from((row * 31 + at * 7) % 256).unwrap());
    items(predictions, names(k), Features::Image(SMALL), Inputs::Bytes(pixels))
}

fn answers(predictions: Predictions, items: Dataset) -> Answers {
    let codes = Array2::from_shape_fn((items.len(), 4), |(row, at)| wobble(row, 50 + at));
    let codes = Some(Codes { items: (0..items.len()).collect(), codes });
    let (name, protocol) = ("m2".to_owned(), "a fifth, set aside".to_owned());
    Answers { name, predictions, items, unlabelled: 3, protocol, codes }
}

/// With everything that a report can hold.
fn whole(n: usize, k: usize) -> Report {
    let predictions = predictions(n, k);
    let items = pictures(&predictions, k);
    let scores = |shift: f64| (0..200).map(|row| f64::from(wobble(row, 77)) + shift).collect::<Vec<f64>>();
    let score = |name: &str, shift: f64| OutlierScore {
        name: name.into(),
        about: "how strange".into(),
        usual: scores(0.0),
        others: scores(shift),
    };
    let made_up = Samples {
        shape: SMALL,
        pixels: Array2::from_elem((2 * k, SMALL.len()), 0.5),
        classes: Some((0..2 * k).map(|row| Class(u16::try_from(row % k).unwrap())).collect()),
        names: names(k),
    };
    let curve = |share: f64| vec![(0.1, share), (0.2, share / 2.0)];
    Report {
        title: "digits".into(),
        about: vec![("model".into(), "m2".into())],
        baseline: Some(Baseline { name: "supervised".into(), predictions: self::predictions(n, k) }),
        answers: Some(answers(predictions, items)),
        others: vec![Others { data: "letters".into(), scores: vec![score("energy", 0.4), score("max_prob", 0.1)] }],
        learning: vec![Term {
            name: "total".into(),
            points: (1..500).map(|step| (f64::from(step), 1.0 / f64::from(step))).collect(),
        }],
        samples: Some(made_up.clone()),
        chains: Some(made_up),
        attacks: vec![Attacks {
            radius: "largest change of a number".into(),
            items: 200,
            clean: 0.9,
            curves: vec![("worst of all attacks".into(), curve(0.4)), ("noise".into(), curve(0.2))],
            doubts: vec!["within 0.1, noise does more harm than any attack".into()],
        }],
        data: Some(Found { notes: vec!["one note".into()], left_out: vec![("a.png".into(), "empty".into())] }),
        commands: vec!["halfmoon report run".into()],
        citations: vec![
            "@misc{key,\n  title = {A title},\n  author = {A, B.},\n  year = {2001},\n  doi = {10.1/2},\n}".into(),
        ],
    }
}

/// The page, checked for what holds of every one.
#[track_caller]
fn sound(report: &Report) -> String {
    let page = html(report);
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&page, options).unwrap_or_else(|error| panic!("{error}"));
    let empty = ["meta", "br", "rect", "path", "circle", "use", "image"];
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        let tag = node.tag_name().name();
        // Only these may end in `/>`: elsewhere HTML takes that for an opening tag.
        let text = &page[node.range()];
        assert!(!text.ends_with("/>") || empty.contains(&tag), "{text}");
        assert!(tag != "script" && tag != "link" && tag != "iframe" && tag != "img", "{text}");
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!name.starts_with("on") && name != "src" && name != "style", "{text}");
            let is_local = value.starts_with('#') || value.starts_with("data:image/png;base64,");
            let is_citation = tag == "a" && value.starts_with("https://doi.org/");
            assert!(!name.ends_with("href") || is_local || is_citation, "{text}");
            if name == "aria-labelledby" || (name == "href" && value.starts_with('#')) {
                let wanted = value.trim_start_matches('#');
                assert!(
                    document.descendants().any(|other| other.attribute("id") == Some(wanted)),
                    "{value} leads nowhere"
                );
            }
        }
    }
    let ids: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
    assert!((1..ids.len()).all(|at| !ids[..at].contains(&ids[at])), "an id occurs twice: {ids:?}");
    for node in document.descendants().filter(|node| node.tag_name().namespace().is_none()) {
        for attribute in
            node.attributes().filter(|attribute| attribute.name() != "href" && !attribute.name().starts_with("aria"))
        {
            let words = attribute.value().split(|c: char| !c.is_ascii_alphabetic());
            assert!(!words.clone().any(|word| matches!(word, "NaN" | "inf")), "{}", attribute.value());
        }
        let is_named = node.attribute("aria-label").is_some() || node.attribute("aria-hidden").is_some();
        assert!(node.tag_name().name() != "svg" || is_named, "a picture has no name");
    }
    assert!(!page.contains("url(") && !page.contains("@import"), "the style loads something");
    page
}

#[track_caller]
fn assert_has(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "`{part:.80}` is not in the page");
    }
}

#[track_caller]
fn assert_lacks(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(!page.contains(part), "`{part:.80}` is in the page");
    }
}

#[test]
fn a_whole_report_has_all_of_its_sections_and_every_picture_has_words() {
    let page = sound(&whole(400, 4));
    let ids = [
        "short",
        "figures",
        "confidence",
        "classes",
        "mistakes",
        "labels",
        "strange",
        "map",
        "samples",
        "learning",
        "data",
        "making",
    ];
    for id in ids {
        assert_has(&page, &[&format!("<section id=\"{id}\""), &format!("<a href=\"#{id}\">")]);
    }
    assert_has(
        &page,
        &[
            "of 400 labelled items",
            "<bdi>supervised</bdi>",
            "reliability diagram: ",
            "3 items without a label left out",
        ],
    );
    assert_has(&page, &["A, B. (2001). A title.", "default-src 'none'; img-src data:;"]);
}

#[test]
fn what_is_absent_is_not_shown() {
    let page = sound(&Report { title: "nothing".into(), ..Report::default() });
    assert_has(&page, &["<section id=\"short\"", "There are no labelled items"]);
    assert_eq!(page.matches("<section").count(), 1);
    for absent in 0..8 {
        let mut report = whole(120, 3);
        let id = match absent {
            0 => (report.others = vec![], "strange").1,
            1 => (report.learning = vec![], "learning").1,
            2 => (report.samples = None, "samples").1,
            3 => (report.data = None, "data").1,
            4 => (report.answers.as_mut().unwrap().codes = None, "map").1,
            5 => (report.answers = None, "confidence").1,
            6 => (report.baseline = None, "no-such-section").1,
            _ => {
                report.commands = vec![];
                report.citations = vec![];
                "making"
            }
        };
        assert_lacks(&sound(&report), &[&format!("id=\"{id}\""), &format!("href=\"#{id}\"")]);
    }
}

#[test]
fn one_class_and_two_hundred_are_shown() {
    for k in [1, 2, 12, 13, 31, 200] {
        let page = sound(&whole(600, k));
        assert_has(&page, &["Confusion matrix", "recall"]);
        assert!(page.len() < 2_000_000, "{k} classes: {} bytes", page.len());
    }
}

#[test]
fn twelve_labels_are_not_enough_for_what_is_fitted_and_the_page_says_so() {
    let page = sound(&whole(12, 2));
    assert_has(&page, &["With fewer than 50 labels these figures mean little", "not estimable: 12 labels"]);
    assert_lacks(&page, &["reliability diagram: ", "Risk and coverage.", "<figcaption><b>Reliability.</b>"]);
}

#[test]
fn answers_without_an_item_are_as_good_as_none() {
    let page = sound(&whole(0, 2));
    assert_has(&page, &["There are no labelled items"]);
    assert_lacks(&page, &["id=\"classes\""]);
}

/// Names that break pages.
const NASTY: [&str; 8] = [
    "</style></title><script>alert(1)</script>",
    "\" onload=\"alert(1)\" x='",
    "\u{202e}שלום\u{202c} مرحبا",
    "🦊👩‍👩‍👧‍👦",
    "a\nb\tc\u{0}d\u{b}\u{fffe}",
    "",
    "&amp;<!-- ]]> -->",
    "–",
];

#[test]
fn names_that_hold_markup_stay_names() {
    let mut report = whole(240, NASTY.len());
    let long = "x".repeat(5000);
    let mut classes: Vec<String> = NASTY.iter().map(ToString::to_string).collect();
    classes[7] = long.clone();
    let n = 240;
    let columns = classes
        .iter()
        .map(|name| Column { name: name.clone(), kind: ColumnKind::Category { values: classes.clone() } });
    let features = Features::Columns(columns.collect());
    let cells = Cells::Category((0..n).map(|row| u32::try_from(row % 8).ok()).collect());
    let inputs = Inputs::Table(Table { rows: n, columns: vec![cells; 8] });
    let answers = report.answers.as_mut().unwrap();
    answers.items = items(&answers.predictions, classes.clone(), features, inputs);
    answers.items.ids = Ids::Names((0..n).map(|row| classes[row % 8].clone()).collect());
    answers.name = NASTY[0].into();
    answers.protocol = NASTY[1].into();
    report.title = NASTY[0].into();
    report.about = vec![(NASTY[1].into(), NASTY[4].into())];
    report.baseline.as_mut().unwrap().name = NASTY[6].into();
    report.others[0].data = NASTY[1].into();
    report.others[0].scores[0].name = NASTY[0].into();
    report.learning[0].name = NASTY[0].into();
    report.samples.as_mut().unwrap().names = classes;
    report.data =
        Some(Found { notes: NASTY.map(str::to_owned).to_vec(), left_out: vec![(NASTY[0].into(), NASTY[1].into())] });
    report.commands = NASTY.map(str::to_owned).to_vec();
    report.citations = NASTY.map(str::to_owned).to_vec();
    let page = sound(&report);
    assert_lacks(&page, &["<script", &long]);
    assert_has(&page, &["שלום", "🦊", "&lt;script&gt;"]);
    // Direction marks of a name end with its element.
    assert_has(&page, &["<bdi>\u{202e}שלום"]);
}

#[test]
fn ten_thousand_pictures_make_a_page_of_a_megabyte_at_most() {
    let predictions = predictions(10_000, 10);
    let shape = ImageShape { height: 28, width: 28, channels: 1, white: 255.0 };
    let pixels =
        Array2::from_shape_fn((10_000, 784), |(row, at)| u8::try_from((row * 131 + at * at * 7) % 256).unwrap());
    let items = items(&predictions, names(10), Features::Image(shape), Inputs::Bytes(pixels));
    let page = sound(&Report { answers: Some(answers(predictions, items)), ..whole(60, 10) });
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("class=\"tile\" role=\"img\" viewBox").count(), 20 + 20 + 20 + 20);
}

#[test]
fn large_pictures_in_colour_stay_below_five_megabytes() {
    let predictions = predictions(300, 3);
    let shape = ImageShape { height: 240, width: 320, channels: 3, white: 255.0 };
    let pixels = Array2::from_shape_fn((300, shape.len()), |(row, at)| {
        u8::try_from((row as u64 * 131 + at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).unwrap()
    });
    let items = items(&predictions, names(3), Features::Image(shape), Inputs::Bytes(pixels));
    let page = sound(&Report { answers: Some(answers(predictions, items)), ..whole(60, 3) });
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    assert_eq!(html(&whole(150, 3)), html(&whole(150, 3)));
}
