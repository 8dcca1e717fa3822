//! `halfmoon report`.

use std::fmt::Write as _;

use crate::support::{Place, pets, wobble};

/// Probabilities of three classes; of ten labels one is another one than the likeliest.
fn answers(rows: usize) -> String {
    let mut text = "id,label,p_cat,p_dog,p_cow\n".to_owned();
    for row in 0..rows {
        let likely = row % 3;
        let label = if row % 10 == 0 { (likely + 1) % 3 } else { likely };
        let top = 0.5 + 0.4 * wobble(row, 1);
        let p = |class: usize| if class == likely { top } else { (1.0 - top) / 2.0 };
        let name = ["cat", "dog", "cow"][label];
        writeln!(text, "item {row},{name},{:.6},{:.6},{:.6}", p(0), p(1), p(2)).unwrap();
    }
    text
}

#[test]
fn anybodys_probabilities_are_judged_without_a_run() {
    let place = Place::with("p.csv", answers(300));
    place.run("report --probs p.csv -o out.html").exits(0).prints(&["out.html"]);
    let page = place.read("out.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    // 30 of 300 labels are another one.
    for part in [
        "is right in 90.0 % of 300 labelled items",
        "reliability diagram",
        "<bdi>item 0</bdi>",
        "halfmoon report --probs p.csv",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script") && !page.contains("src="));
    place.run("report --probs p.csv").exits(0).prints(&["p.html"]);
}

#[test]
fn twelve_labels_are_too_few_and_rows_without_one_are_counted() {
    let mut text = answers(12);
    text.push_str("x,,0.2,0.3,0.5\n");
    let place = Place::with("p.csv", text);
    place.run("report --probs p.csv -o out.html").exits(0);
    let page = place.read("out.html");
    for part in [
        "With fewer than 50 labels these figures mean little",
        "not estimable: 12 labels",
        "1 item without a label left out",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn what_cannot_be_judged_says_where_and_what_to_do() {
    let place = Place::with("p.csv", "label,p_a,p_b\na,0.5,0.5\nb,0.5,0.4\n");
    place.run("report --probs p.csv").fails(3).tells(&["p.csv, row 3", "sum to 0.9000"]);
    place.run("report").exits(2);
    place.run("report run --probs p.csv").exits(2);
    place.run("report run").fails(3).tells(&["run: does not exist"]);
    place.run("report --probs missing.csv").exits(3).tells(&["missing.csv"]);
    place.run("report --probs p.csv -o p.csv").fails(2).tells(&["overwrite"]);
    assert!(place.read("p.csv").starts_with("label"));
}

#[test]
fn a_run_is_judged_on_what_it_held_out() {
    let place = Place::new();
    place.train("digits --labels 50");
    place.run("report run --ood digits").exits(0).prints(&["run/report.html"]).tells(&["judging 359 items"]);
    let page = place.read("run/report.html");
    let sections = ["confidence", "classes", "mistakes", "labels", "strange", "samples", "learning", "data", "making"];
    for section in sections {
        assert!(page.contains(&format!("<section id=\"{section}\"")), "{section}");
    }
    for part in [
        "of 359 labelled items",
        "<bdi>supervised</bdi>",
        "a stratified fifth, set aside by the seed",
        "Kingma",
        "data:image/png",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    // The figures are those that training gave.
    let result: serde_json::Value = serde_json::from_str(&place.read("run/result.json")).unwrap();
    let accuracy = result["test"]["accuracy"].as_f64().unwrap();
    assert!(page.contains(&format!("{accuracy:.4} <span")), "{accuracy}");
}

#[test]
fn a_run_without_test_data_is_judged_by_its_folds_or_by_other_data() {
    let place = Place::with("pets.csv", pets(120));
    place.write("others.csv", pets(60));
    place.train("pets.csv --label species");
    place.run("report run").exits(0);
    let page = place.read("run/report.html");
    for part in ["of 120 labelled items", "each item was asked of one of 2 models", "<bdi>size</bdi>"] {
        assert!(page.contains(part), "{part}");
    }
    place.run("report run --data others.csv -o other.html").exits(0);
    assert!(place.read("other.html").contains("of 60 labelled items"));
    place.write("pets.csv", pets(121));
    place.run("report run").fails(3).tells(&["not what this run was trained on", "--data"]);
    std::fs::remove_file(place.path("pets.csv")).unwrap();
    place.run("report run").fails(3).tells(&["cannot be read again", "--data"]);
}
