//! `halfmoon review`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Cursor;

use image::{GrayImage, ImageFormat, Luma};
use serde_json::{Value, json};

use crate::support::{Place, pets};

/// So many rows of three classes in turn, each near a corner of its own of a cube, with six numbers more that say nothing;
/// labels of these rows are those of the next class.
fn corners(rows: usize, flipped: &[usize]) -> String {
    let mut text = "a,b,c,d,e,f,g,h,i,label\n".to_owned();
    for row in 0..rows {
        text.push_str(&corner(row, 0.0, if flipped.contains(&row) { row + 1 } else { row }));
    }
    text
}

/// One of them: its numbers moved by so much, labelled as the class of this number.
fn corner(row: usize, moved: f64, label: usize) -> String {
    let number = |column: usize| if row % 3 == column { 6.0 } else { 0.0 } + 2.0 * chance(row, column) + moved;
    let numbers: Vec<String> = (0..9).map(|column| format!("{:.4}", number(column))).collect();
    format!("{},{}\n", numbers.join(","), ["red", "green", "blue"][label % 3])
}

/// A number from 0 to 1, of which no two rows have like ones: the upper bits of a mixed hash.
fn chance(row: usize, column: usize) -> f64 {
    let mut hash = (row * 16 + column + 1) as u64;
    for _ in 0..3 {
        hash = (hash ^ (hash >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    (hash >> 44) as f64 / 1_048_576.0
}

fn train(place: &Place, line: &str) {
    let settings = "--model supervised --set supervised.train.steps=300 --set run.folds=3";
    place.train(&format!("{line} {settings}"));
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("{name} in {value}"))
}

/// What stands under a key in each of these.
fn texts<'a>(values: &'a [Value], key: &str) -> Vec<&'a str> {
    values.iter().map(|value| value[key].as_str().unwrap_or("–")).collect()
}

/// The rows of a table that `-o` wrote, each as kind, id, label, proposed, probability, why.
fn written(place: &Place, name: &str) -> Vec<Vec<String>> {
    let text = place.read(name);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header, ["kind", "id", "label", "proposed", "probability", "why"]);
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn flipped_labels_are_found_and_hardly_any_others() {
    // 15 of 300 labels, one in twenty.
    let flipped: Vec<usize> = (0..15).map(|number| 20 * number + 3).collect();
    let place = Place::with("corners.csv", corners(300, &flipped));
    train(&place, "corners.csv");
    let said = place.run("review run -o doubts.csv --json").exits(0).json();
    assert_eq!((said["items"].as_u64(), said["labelled"].as_u64()), (Some(300), Some(300)));
    let suspects = list(&said, "label_errors");
    // Ids count from 1.
    let planted: BTreeSet<String> = flipped.iter().map(|row| (row + 1).to_string()).collect();
    let right = suspects.iter().filter(|suspect| planted.contains(suspect["id"].as_str().unwrap())).count();
    assert!(right >= 12 && suspects.len() - right <= 15, "{right} of 15, and {} others", suspects.len() - right);
    for suspect in suspects.iter().filter(|suspect| planted.contains(suspect["id"].as_str().unwrap())) {
        let row: usize = suspect["id"].as_str().unwrap().parse::<usize>().unwrap() - 1;
        assert_eq!(suspect["proposed"], ["red", "green", "blue"][row % 3]);
        assert!(suspect["p_label"].as_f64() < suspect["p_proposed"].as_f64());
    }
    // Nothing of it is a copy, and the table holds the same, in the same order.
    assert_eq!((list(&said, "exact_copies").len(), list(&said, "near_copies").len()), (0, 0));
    let rows = written(&place, "doubts.csv");
    assert_eq!(rows.iter().map(|row| row[1].as_str()).collect::<Vec<_>>(), texts(suspects, "id"));
    assert!(rows.iter().all(|row| row[0] == "label_error" && row[5].contains("has not learned from this label")));

    // For people: as many as are asked for, and how many more there are. The page has the same list.
    let all = suspects.len();
    let said = place.run("review run -n 3").exits(0);
    let more = format!("… and {} more: -n {all} shows all", all - 3);
    said.prints(&[
        &format!("{all} of 300 labels may be wrong"),
        "one of 3 models",
        &more,
        "no exact copies",
        "no near copies",
    ]);
    place.run("review run -n 3 -o three.csv").exits(0).prints(&["three.csv"]);
    assert_eq!(written(&place, "three.csv"), rows[..3]);
    place.run("report run").exits(0);
    assert!(place.read("run/report.html").contains(&format!("For {all} items another class")));
}

#[test]
fn exact_and_near_copies_are_listed_and_the_labels_that_contradict_each_other_first() {
    let mut text = corners(150, &[]);
    // Rows 151 to 153 are copies of row 11, two of them with another label; 154 is one of row 31; 155 and 156 are near rows
    // 61 and 91, the latter with another label.
    for row in [corner(10, 0.0, 10), corner(10, 0.0, 11), corner(10, 0.0, 11), corner(30, 0.0, 30)] {
        text.push_str(&row);
    }
    text.push_str(&corner(60, 0.002, 60));
    text.push_str(&corner(90, 0.002, 91));
    // Alone in its class, and so never held out.
    text.push_str("9,9,9,9,9,9,9,9,9,white\n");
    let place = Place::with("corners.csv", text);
    train(&place, "corners.csv");
    let said = place.run("review run --json -o doubts.csv").exits(0).json();
    let ids = |group: &Value| texts(list(group, "items"), "id").join(" ");
    let exact = list(&said, "exact_copies");
    assert_eq!(exact.iter().map(ids).collect::<Vec<_>>(), ["11 151 152 153", "31 154"]);
    assert_eq!((&exact[0]["labels_disagree"], &exact[1]["labels_disagree"]), (&json!(true), &json!(false)));
    assert_eq!(exact[0]["proposed"], Value::Null, "two say green and two say blue");
    let near = list(&said, "near_copies");
    assert_eq!(near.iter().map(ids).collect::<Vec<_>>(), ["91 156", "61 155"]);
    assert_eq!((&near[0]["labels_disagree"], &near[1]["labels_disagree"]), (&json!(true), &json!(false)));
    let rows = written(&place, "doubts.csv");
    let row = rows.iter().find(|row| row[0] == "exact_copy" && row[1] == "152").unwrap();
    assert_eq!(row[2..5], ["blue", "", ""]);
    assert!(
        row[5].starts_with("exact copy of `11`, `151`, `153`; labels disagree: ") && row[5].contains("green 2"),
        "{row:?}"
    );

    let said = place.run("review run").exits(0);
    said.prints(&["2 groups of exact copies, 6 items in all; in 1 the labels disagree", "2 groups of near copies"])
        .tells(&["1 label is not judged: no other item of their class"]);
    assert!(!place.run("review run --near 0").exits(0).out.contains("near"));
    place.run("review run --near -1").exits(2);
    place.run("review run --near x").exits(2);
}

#[test]
fn near_copies_are_left_out_where_every_item_is_near_another_one() {
    // One number in a small range: of 120 rows each has many that are as good as it.
    let place = Place::with("pets.csv", pets(120));
    place.train("pets.csv --label species --model supervised");
    place.run("review run").exits(0).prints(&["near copies are not told apart", "--near DISTANCE"]);
    assert_eq!(place.run("review run --json").exits(0).json()["near_copies"], Value::Null);
    assert!(!list(&place.run("review run --json --near 0.1").exits(0).json(), "near_copies").is_empty());
}

#[test]
fn a_run_that_held_nothing_out_still_tells_its_copies() {
    let mut text = corners(40, &[]).replace(",red\n", ",\n").replace(",green\n", ",\n").replace(",blue\n", ",\n");
    text.push_str(&corner(50, 0.0, 50));
    text.push_str(&corner(51, 0.0, 51));
    text.push_str(&corner(50, 0.0, 50));
    let place = Place::with("corners.csv", text);
    place.train("corners.csv");
    place.run("review run").exits(0).prints(&["labels are not judged: ", "1 group of exact copies"]);
    assert_eq!(place.run("review run --json").exits(0).json()["label_errors"], Value::Null);

    // Nine labels a class: too few to judge one by another.
    let place = Place::with("few.csv", corners(27, &[]));
    train(&place, "few.csv");
    place.run("review run").exits(0).prints(&["labels are not judged: 50 are needed", "there are 27"]);

    // No label at all.
    let text =
        corners(40, &[]).lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned() + ",\n").collect::<String>();
    let place = Place::with("none.csv", text.replacen("i,", "i,label", 1));
    place.train("none.csv --label label --classes red,green --model m2");
    place.run("review run").exits(0).prints(&["40 items, 0 of them labelled", "labels are not judged: "]);
}

#[test]
fn other_data_are_judged_but_for_what_the_run_has_learned_from() {
    let flipped: Vec<usize> = (0..6).map(|number| 150 + 20 * number).collect();
    let place = Place::with("first.csv", corners(150, &[]));
    place.write("all.csv", corners(270, &flipped));
    train(&place, "first.csv");
    let said = place.run("review run all.csv").exits(0);
    said.prints(&["all.csv by supervised of run: 270 items", "of 120 labels may be wrong"])
        .tells(&["150 labels are not judged: the run has learned from them"]);
    let suspects = place.run("review run all.csv --json").exits(0).json();
    let found =
        texts(list(&suspects, "label_errors"), "id").iter().filter(|id| id.parse::<usize>().unwrap() > 150).count();
    assert!(found >= 5, "{suspects}");
    place.run("review run first.csv").exits(0).prints(&["50 are needed", "there are 0"]);
    place.write("bare.csv", format!("a,b,c,d,e,f,g,h,i\n{0}{0}", "1,2,3,4,5,6,7,8,9\n"));
    place.run("review run bare.csv").exits(0).prints(&["holds no labelled item", "1 group of exact copies"]);
}

#[test]
fn items_of_the_test_data_are_named_as_a_project_names_them_and_copies_across_are_told() {
    // Rows 201 to 260, some of them with another label, and a copy of the sixth training row.
    let wrong = [207, 219, 231, 243, 255];
    let rows = (200..260).map(|row| corner(row, 0.0, if wrong.contains(&row) { row + 1 } else { row }));
    let header = corners(0, &[]);
    let test: String = std::iter::once(header).chain(rows).chain([corner(5, 0.0, 5)]).collect();
    let place = Place::with("train.csv", corners(150, &[]));
    place.write("test.csv", test);
    train(&place, "train.csv --test test.csv");
    let said = place.run("review run --json").exits(0).json();
    assert_eq!(said["items"], 211);
    // Those that the model is surer of than it is of that class on average: some of them.
    let found = texts(list(&said, "label_errors"), "id");
    let is_wrong = |id: &&str| wrong.iter().any(|row| **id == format!("test/{}", row - 199));
    assert!(!found.is_empty() && found.iter().all(is_wrong), "{said}");
    let copies = list(&said, "exact_copies");
    assert_eq!((copies.len(), &copies[0]["in_several_splits"]), (1, &json!(true)));
    assert_eq!(texts(list(&copies[0], "items"), "id"), ["6", "test/61"]);
    place.run("review run").exits(0).prints(&["1 in several splits"]).tells(&["150 labels are not judged"]);
}

#[test]
fn what_cannot_be_reviewed_says_why_and_nothing_is_written_over() {
    let place = Place::with("pets.csv", pets(60));
    place.run("review run").fails(3).tells(&["run: does not exist", "project.db"]);
    place.run("review pets.csv").fails(3).tells(&["is not a halfmoon project"]);
    place.run("review .").fails(3).tells(&["is not a run"]);
    place.run("review").exits(2);
    place.run("review run -n 0").exits(2);
    place.train("pets.csv --label species --model supervised");
    place.run("review run -o pets.csv").fails(2).tells(&["would overwrite the run's data"]);
    place.run("init pets.csv --label species").exits(0);
    place.run("review project.db -o project.db").fails(2).tells(&["would overwrite the project"]);
    place.run("review project.db pets.csv").fails(2).tells(&["by its own labels alone"]);
    assert!(place.read("pets.csv").starts_with("size"));
    place.write("pets.csv", pets(61));
    place.run("review run").fails(3).tells(&["not what this run was trained on"]);
}

/// A project of so many unlabelled pets, and a table of the labels of these annotators: each is wrong about the items of
/// these numbers (from 0), the truth being cat and dog in turn.
fn project(items: usize, annotators: &[(&str, &dyn Fn(usize) -> bool)]) -> Place {
    let unlabelled: String =
        pets(items).lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned() + ",\n").collect();
    let place = Place::with("pets.csv", unlabelled.replacen("food,", "food,species", 1));
    place.run("init pets.csv --label species --classes cat,dog").exits(0);
    let mut votes = "id,label,annotator\n".to_owned();
    for (name, is_wrong) in annotators {
        for item in 0..items {
            let class = ["cat", "dog"][(item + usize::from(is_wrong(item))) % 2];
            writeln!(votes, "{},{class},{name}", item + 1).unwrap();
        }
    }
    place.write("votes.csv", votes);
    if !annotators.is_empty() {
        place.run("import votes.csv").exits(0);
    }
    place
}

#[test]
fn the_better_annotator_has_the_greater_weight() {
    // Of 120 items `ann` is wrong about 6, `bo` about 40 and `cy` about 30; where item % 12 = 9, `bo` and `cy` are wrong
    // together and outvote `ann`.
    let place =
        project(120, &[("ann", &|item| item % 20 == 7), ("bo", &|item| item % 3 == 0), ("cy", &|item| item % 4 == 1)]);
    let said = place.run("review project.db --json -o doubts.csv").exits(0).json();
    let skill = |at: usize| list(&said, "annotators")[at]["skill"].as_f64().unwrap();
    assert!(skill(0) > 0.85 && skill(1) < 0.8 && skill(2) < 0.85 && skill(0) > skill(2), "{said}");
    assert_eq!(said["annotators"], place.run("status --json").exits(0).json()["annotators"]);
    let doubts = list(&said, "disagreements");
    // Every item that is in dispute, and no other: 40 + 30 − 10 by bo or cy, and those of ann that neither of them shares.
    let disputed = (0..120).filter(|item| {
        let wrong = [item % 20 == 7, item % 3 == 0, item % 4 == 1];
        wrong.iter().any(|is| *is) && !wrong.iter().all(|is| *is)
    });
    assert_eq!(doubts.iter().filter(|doubt| doubt["disputed"] == true).count(), disputed.count());
    // Outvoted, `ann` is believed all the same, and these come first.
    let outvoted: BTreeSet<String> =
        (0..120).filter(|item| item % 12 == 9).map(|item| (item + 1).to_string()).collect();
    let first: BTreeSet<String> = texts(&doubts[..10], "id").iter().map(|id| (*id).to_owned()).collect();
    assert_eq!(first, outvoted);
    for doubt in &doubts[..10] {
        let item = doubt["id"].as_str().unwrap().parse::<usize>().unwrap() - 1;
        assert_eq!(doubt["proposed"], ["cat", "dog"][item % 2]);
        assert_eq!(doubt["label"], ["dog", "cat"][item % 2]);
    }
    let rows = written(&place, "doubts.csv");
    assert!(rows[0][0] == "disagreement" && rows[0][5].contains(": bo, cy; "), "{:?}", rows[0]);
    place.run("review project.db").exits(0).prints(&[
        "Krippendorff's alpha",
        "Cohen's kappa",
        "skill",
        "the votes weighed by skill",
    ]);
}

#[test]
fn who_shares_no_item_with_others_has_no_skill_and_is_in_no_doubt() {
    // Two annotators disagree on 2 of 7 items; `cy` alone labels 60 others.
    let place = project(67, &[]);
    let mut votes = "id,label,annotator\n".to_owned();
    for item in 0..7 {
        writeln!(votes, "{},{},ann", item + 1, ["cat", "dog"][item % 2]).unwrap();
        writeln!(votes, "{},{},bo", item + 1, ["cat", "dog"][(item + usize::from(item < 2)) % 2]).unwrap();
    }
    for item in 7..67 {
        writeln!(votes, "{},{},cy", item + 1, ["cat", "dog"][item % 2]).unwrap();
    }
    place.write("votes.csv", votes);
    place.run("import votes.csv").exits(0);
    let said = place.run("review project.db --json").exits(0).json();
    assert_eq!(list(&said, "annotators")[2]["skill"], Value::Null);
    assert!(list(&said, "annotators")[0]["skill"].as_f64().is_some_and(|skill| skill > 0.6), "{said}");
    let doubts = list(&said, "disagreements");
    assert!(doubts.iter().all(|doubt| doubt["id"].as_str().unwrap().parse::<u32>().unwrap() <= 7), "{said}");
}

#[test]
fn two_annotators_who_disagree_leave_a_tie() {
    let place = project(40, &[("ann", &|_| false), ("bo", &|item| item < 4)]);
    let said = place.run("review project.db --json").exits(0).json();
    let doubts = list(&said, "disagreements");
    assert_eq!(texts(doubts, "label"), ["–"; 4]);
    assert_eq!(texts(list(&doubts[0], "votes"), "annotator"), ["ann", "bo"]);
}

#[test]
fn without_labels_or_with_one_annotator_nobody_is_compared() {
    for annotators in [&[][..], &[("ann", &(|_| false) as &dyn Fn(usize) -> bool)]] {
        let place = project(40, annotators);
        let said = place.run("review project.db").exits(0);
        said.prints(&["annotators are not compared: no item has labels by two of them", "no exact copies"]);
        let said = place.run("review project.db --json -o doubts.csv").exits(0).json();
        assert_eq!(said["disagreements"], Value::Null);
        assert_eq!(written(&place, "doubts.csv"), Vec::<Vec<String>>::new());
    }
}

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

#[test]
fn ids_with_commas_quotes_and_line_breaks_come_back_whole() {
    let place = Place::new();
    for number in 0..30 {
        place.write(format!("photos/above/{number}.png"), picture(number, true));
        place.write(format!("photos/below/{number}.png"), picture(number + 50, false));
    }
    // The same picture thrice, in the wrong folder once.
    let odd = ["above/one, two.png", "above/line\nbreak.png", "below/a \"quote\".png"];
    for name in odd {
        place.write(format!("photos/{name}"), picture(99, true));
    }
    let check = |name: &str| {
        let rows = written(&place, name);
        let copies: Vec<&Vec<String>> = rows.iter().filter(|row| row[0] == "exact_copy").collect();
        let ids: BTreeSet<&str> = copies.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(ids, BTreeSet::from(odd), "{rows:?}");
        assert!(copies.iter().all(|row| row[3] == "above" && row[4] == "0.6667"), "{rows:?}");
    };
    train(&place, "photos");
    let said = place.run("review run -o run.csv").exits(0);
    said.prints(&["above/one, two.png", "above/line␤break.png", "in 1 the labels disagree"]);
    check("run.csv");
    place.run("init photos").exits(0);
    place.run("review project.db -o project.csv").exits(0).prints(&["below/a \"quote\".png"]);
    check("project.csv");
}
