//! Pictures from a trained run: `sample`, `analogy`, `reconstruct` and `manifold`.

use serde_json::Value;

use crate::support::{Place, pets};

fn digits(settings: &str) -> Place {
    let place = Place::new();
    place.train(&format!("digits --labels 50 {settings}"));
    place
}

fn json(place: &Place, name: &str) -> Value {
    serde_json::from_str(&place.read(name)).unwrap()
}

fn size(place: &Place, name: &str) -> (u32, u32) {
    image::image_dimensions(place.path(name)).unwrap()
}

#[test]
fn samples_are_a_picture_with_their_codes_beside_it() {
    let place = digits("--model m2");
    place.run("sample run -n 30 -o grid.png").exits(0).prints(&["grid.png", "grid.json"]);
    let told = json(&place, "grid.json");
    assert_eq!(told["columns"], 10);
    let pictures = told["pictures"].as_array().unwrap();
    assert_eq!(pictures.len(), 30);
    assert!(pictures.iter().all(|of| of["code"].as_array().unwrap().len() == 50));
    assert_eq!((&pictures[0]["class"], &pictures[13]["class"]), (&Value::from("0"), &Value::from("3")));
    let (width, height) = size(&place, "grid.png");
    assert!(width > 2 * height, "ten columns and three rows: {width}×{height}");

    // The same seed gives the same file, another one another.
    let bytes = |name: &str| std::fs::read(place.path(name)).unwrap();
    place.run("sample run -n 30 -o again.png").exits(0);
    place.run("sample run -n 30 -o other.png --seed 2").exits(0);
    assert_eq!(bytes("grid.png"), bytes("again.png"));
    assert_ne!(bytes("grid.png"), bytes("other.png"));

    place.run("sample run --class 7 -n 5").exits(0).prints(&["run/sample.png"]);
    let told = json(&place, "run/sample.json");
    assert!(told["pictures"].as_array().unwrap().iter().all(|of| of["class"] == "7"));
    place.run("sample run --class seven").fails(2).tells(&["`seven` is not a class", "0, 1, 2"]);
    place.run("sample run -o codes.json").fails(2).tells(&[".json"]);
}

#[test]
fn samples_as_an_array_are_data_with_labels() {
    let place = digits("--model m2 --set m2.hidden=[100] --set m2.train.steps=800");
    place.run("sample run -n 200 -o x.npy").exits(0).prints(&["x.npy", "x.json"]);
    let said = place.run("eval run x.npy --json").exits(0).json();
    assert_eq!(said["test"]["n"], 200);
    // A model that knows anything takes most of its own pictures for what they were made as.
    assert!(said["test"]["accuracy"].as_f64().unwrap() > 0.5, "{said}");
}

#[test]
fn analogies_hold_an_items_code_and_change_its_class() {
    let place = digits("--model m2");
    place.run("analogy run --from digits --ids 3,7 -o a.png").exits(0);
    let told = json(&place, "a.json");
    assert_eq!(told["columns"].as_array().unwrap().len(), 10);
    let ids: Vec<_> = told["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, ["3", "7"]);
    place.run("analogy run --from digits --ids 3,99999").fails(3).tells(&["99999"]);
    place.run("analogy run --from nowhere.png").exits(3).tells(&["nowhere.png"]);
}

#[test]
fn reconstructions_stand_below_their_items() {
    let place = digits("--model m2");
    place.run("reconstruct run --from digits -n 12 -o r.png").exits(0);
    let told = json(&place, "r.json");
    let items = told["items"].as_array().unwrap();
    assert_eq!(items.len(), 12);
    assert!(items.iter().all(|item| item["mean_squared_error"].as_f64().unwrap() < 1.0));
}

#[test]
fn a_code_of_two_numbers_is_walked_and_a_longer_one_projected() {
    let place = digits("--model m2 --set m2.latent=2");
    place.run("manifold run --class 4").exits(0).prints(&["run/manifold.png"]);
    let told = json(&place, "run/manifold.json");
    let pictures = told["pictures"].as_array().unwrap();
    assert_eq!(pictures.len(), 15 * 15);
    assert_eq!(pictures[0]["code"], serde_json::json!([-2.0, 2.0]));
    assert_eq!(pictures[15 * 15 - 1]["code"], serde_json::json!([2.0, -2.0]));

    let place = digits("--model m2");
    place.run("manifold run -n 200").exits(0);
    let told = json(&place, "run/manifold.json");
    let items = told["items"].as_array().unwrap();
    assert_eq!(items.len(), 200);
    assert!(items.iter().all(|item| item["point"].as_array().unwrap().len() == 2 && item["label"].is_string()));
}

#[test]
fn a_model_that_makes_nothing_names_those_that_do() {
    let place = digits("--model supervised");
    place
        .run("sample run")
        .fails(2)
        .tells(&["`supervised`", "m2, m1m2, adgm, sdgm, gc_vae, jem, gc_jem, lsd, vaal, aral, m1"]);
    for command in ["analogy run --from digits", "manifold run", "reconstruct run --from digits"] {
        place.run(command).fails(2).tells(&["`supervised`", "m2, m1m2, adgm, sdgm, gc_vae, vaal, aral, m1"]);
    }
    place
        .run("eval run digits --importance 2")
        .fails(2)
        .tells(&["`supervised`", "m2, m1m2, adgm, sdgm, gc_vae, vaal, aral, m1"]);
    let place = digits("--model m1 --set m1.hidden=[16] --set m1.train.steps=20");
    place.run("sample run -n 4").exits(0);
    place.run("sample run --class 3").fails(2).tells(&[
        "without regard to a class",
        "m2, m1m2, adgm, sdgm, gc_vae",
        "aral",
    ]);
    place.run("analogy run --from digits").fails(2).tells(&["models that know classes: m2, m1m2, adgm, sdgm, gc_vae"]);
}

#[test]
fn columns_of_numbers_are_no_pictures_but_have_codes() {
    let place = Place::with("pets.csv", pets(40));
    place.train("pets.csv --label species --model m2");
    place.run("sample run").fails(3).tells(&["columns of numbers"]);
    place.run("manifold run").exits(0);
    assert_eq!(json(&place, "run/manifold.json")["items"].as_array().unwrap().len(), 40);
}

#[test]
fn eval_bounds_the_density_more_tightly_with_more_samples() {
    let place = digits("--model m2");
    let bound = |samples: usize| {
        let said = place.run(&format!("eval run digits --importance {samples} --json")).exits(0).json();
        said["log_p_x_bound"]["mean"].as_f64().unwrap()
    };
    // The bound is non-decreasing in expectation; over 1,797 items chance does not turn ten samples around.
    assert!(bound(10) > bound(1));
    place.run("eval run digits --importance 3").exits(0).prints(&["log p(x) ≥ ", "3 importance samples"]);
    place.run("eval run digits --importance 0").exits(2);
}
