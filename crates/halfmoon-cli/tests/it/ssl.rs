//! `halfmoon bench ssl-mnist`, on the built-in digits and on small files.

use serde_json::Value;

use crate::support::{Place, interrupt, kill, labelled};

/// The fastest rows of --quick.
const LINE: &str = "bench ssl-mnist --data digits --quick --models nn,label_spreading --out run";

fn table(place: &Place) -> Value {
    serde_json::from_str(&place.read("run/table.json")).unwrap()
}

#[test]
fn a_quick_table_holds_our_figures_and_says_that_it_is_no_result() {
    let place = Place::new();
    let said = place.run(LINE).exits(0).tells(&["2 runs, 0 of them done", "NN, 100 labels, draw 1: error"]);
    said.prints(&["sanity check, not a result", "NN", "label spreading", "run/table.md"]);
    let text = place.read("run/table.md");
    for part in
        ["**sanity check, not a result**", "| NN | ", "(1 draw)", "held-out items: a stratified fifth", "not binarised"]
    {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    let table = table(&place);
    assert_eq!((&table["kind"], &table["finished"]), (&"sanity check, not a result".into(), &true.into()));
    for row in table["rows"].as_array().unwrap() {
        // Guessing errs in 90 %.
        assert!(row["cells"][0]["error"].as_f64().unwrap() < 50.0, "{row}");
        assert_eq!((&row["cells"][0]["draws"], &row["cells"][0]["published"]), (&1.into(), &Value::Null));
    }

    // The command beside a figure makes that figure.
    let command = table["rows"][0]["cells"][0]["command"].as_str().unwrap().replace('\'', "");
    let command = format!("{} --json --out single", command.strip_prefix("halfmoon ").unwrap());
    let accuracy = place.run(&command).exits(0).json()["test"]["accuracy"].as_f64().unwrap();
    assert_eq!(table["rows"][0]["cells"][0]["error"], 100.0 * (1.0 - accuracy));

    // Given again, there is nothing left to do.
    let again = place.run(&format!("{LINE} --json")).exits(0).tells(&["2 of them done"]).tells_not("trained after");
    assert_eq!(again.json(), table);
}

#[test]
fn a_table_that_was_stopped_or_killed_goes_on_as_if_it_had_not_been() {
    let line = "bench ssl-mnist --data digits --quick --models m2 --out run";
    let place = Place::new();
    let said = interrupt(place.start(line, "runs/m2-100-1/m2")).exits(0);
    said.tells(&["stopped; the same command goes on"]).prints(&["–"]);
    assert!(!place.path("run/runs/m2-100-1/result.json").exists());
    assert_eq!(
        (&table(&place)["finished"], &table(&place)["rows"][0]["cells"][0]["error"]),
        (&false.into(), &Value::Null)
    );
    kill(place.start(line, "runs/m2-100-1/m2"));
    place.run(line).exits(0);

    let whole = Place::new();
    whole.run(line).exits(0);
    let errors = |place| table(place)["rows"][0]["cells"][0]["errors"].clone();
    assert_eq!(errors(&place), errors(&whole));
}

#[test]
fn draws_have_a_mean_with_an_interval_and_too_many_labels_are_left_out() {
    let place = Place::new();
    let line = "bench ssl-mnist --data digits --models label_spreading --labels 50,3000 --out run";
    place.run(&format!("{line} --draws 1")).exits(0).tells(&["3000 labels are left out: only 14"]);
    // More draws may be asked of a table later.
    place.run(&format!("{line} --draws 2")).exits(0).tells(&["2 runs, 1 of them done"]);
    let cells = &table(&place)["rows"][0]["cells"];
    let errors: Vec<f64> = cells[0]["errors"].as_array().unwrap().iter().map(|error| error.as_f64().unwrap()).collect();
    // t of one degree of freedom is 12.706; two values lie |a − b|/2 from their mean.
    let half = 12.706_204_736 * (errors[0] - errors[1]).abs() / 2.0;
    assert!((cells[0]["half_width"].as_f64().unwrap() - half).abs() < 1e-6, "{cells}");
    assert_eq!((&cells[1]["labels"], &cells[1]["draws"]), (&3000.into(), &0.into()));
    assert!(place.read("run/table.md").contains("published figures are left out: these data are not MNIST"));

    let said = place.run(&format!("{line} --seed 2")).fails(2);
    said.tells(&["run holds a table that was started with --seed 1, not 2", "--out"]);
}

#[test]
fn a_run_that_fails_does_not_keep_the_others_from_their_figures() {
    let place = Place::with("table.csv", labelled(&["a", "b"].repeat(40)));
    let line = "bench ssl-mnist --data table.csv --models cnn,label_spreading --labels 10 --draws 1 --out run";
    let said =
        place.run(line).exits(1).tells(&["CNN, 10 labels, draw 1: failed: ", "error: a run failed; run/table.md"]);
    said.prints(&["failed"]);
    let table = table(&place);
    assert!(table["rows"][0]["cells"][0]["failed"][0]["message"].as_str().unwrap().contains("pictures"), "{table}");
    assert_eq!(table["rows"][1]["cells"][0]["error"], 0.0, "the two classes lie apart");
    assert!(place.read("run/table.md").contains("## Failed\n\n- CNN, 10 labels, draw 1: "));
}

#[test]
fn large_data_are_cut_for_a_quick_table() {
    let place = Place::new();
    // Pictures of 2×2 pixels of two classes, dark and bright.
    let class = |item: usize| u8::from(item % 2 == 1);
    for (split, items) in [("train", 3100), ("t10k", 50)] {
        let size = u32::try_from(items).unwrap().to_be_bytes().to_vec();
        let pixels: Vec<u8> =
            (0..4 * items).map(|pixel| class(pixel / 4) * 200 + u8::try_from(pixel % 41).unwrap()).collect();
        let pictures = [vec![0, 0, 8, 3], size.clone(), vec![0, 0, 0, 2, 0, 0, 0, 2], pixels].concat();
        place.write(format!("many/{split}-images-idx3-ubyte"), pictures);
        place.write(
            format!("many/{split}-labels-idx1-ubyte"),
            [vec![0, 0, 8, 1], size, (0..items).map(class).collect()].concat(),
        );
    }
    let line = "bench ssl-mnist --data many --quick --models label_spreading";
    place.run(line).exits(0).tells(&["learning from 100 labelled and 2900 unlabelled items", "50 held-out items"]);
    let table: Value = serde_json::from_str(&place.read("bench-ssl-many-quick/table.json")).unwrap();
    // Pixels that repeat make small pieces of graph without a label, where the answer is a guess; chance is 50 %.
    assert!(table["rows"][0]["cells"][0]["error"].as_f64().unwrap() < 20.0, "{table}");
    let command = table["rows"][0]["cells"][0]["command"].as_str().unwrap();
    assert!(command.starts_with("halfmoon train bench-ssl-many-quick/cut --labels 100 "), "{command}");
    place.run(line).exits(0).tells(&["1 of them done"]);
}

#[test]
fn what_is_wrong_with_the_request_is_said_before_anything_is_written() {
    let place = Place::new();
    place.run("bench ssl-mnist --data digits --models m1_m2").fails(2).tells(&["did you mean `m1m2`?"]);
    place.run("bench ssl-mnist --data digits --quick --models mtc").fails(2).tells(&["not a row of the quick table"]);
    place.run("bench ssl-mnist --data digits --quick --labels 50").exits(2).tells(&["--quick", "--labels"]);
    place.run("bench ssl-mnist --data digits --labels 5000").fails(2).tells(&["5000"]);
    place.run("bench ssl-mnist --data nowhere").exits(3).tells(&["nowhere"]);
    place.run("bench ssl-mnist --data digits --labels 0").exits(2).tells(&["--labels"]);
    place.run("bench ssl-mnist").exits(2).tells(&["--data"]);
    assert!(!place.path("bench-ssl-digits").exists());
    place.write("bench-ssl-digits/note.txt", "mine");
    place.run("bench ssl-mnist --data digits").fails(2).tells(&["bench-ssl-digits is not empty", "--out"]);
}
