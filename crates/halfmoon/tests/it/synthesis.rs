//! Inputs that a model makes and is in doubt about.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use halfmoon::fit::Entry;
use halfmoon::model::Makes;
use halfmoon::models::MODELS;
use halfmoon::synthesis::{Plausibility, Search, Synthesised, descend, nearest_each, synthesise};
use halfmoon_pool::dataset::{Class, Column, ColumnKind, Dataset, Features, Ids, Inputs, Schema};
use halfmoon_pool::encode::{Cell, Encoding};
use halfmoon_pool::metric::two_highest;
use halfmoon_pool::scores::{Predictor, Scores, probs};
use ndarray::{Array2, Array3, ArrayView2, array};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::support::{assert_close, device, fit, pictures, settings, table};

fn model(name: &str) -> &'static Entry {
    MODELS.iter().find(|entry| entry.name == name).unwrap()
}

/// Two round clouds of 200 items around (−1.5, 0) and (1.5, 0), all labelled: their border is a = 0. An item is a four times, then b four times, each with a
/// little noise, so that a code has something to tell.
fn clouds(seed: u64) -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = Array2::zeros((400, 8));
    for (row, mut cells) in rows.rows_mut().into_iter().enumerate() {
        let centre = if row % 2 == 0 { -1.5 } else { 1.5 };
        let places: [f32; 2] = [centre + rng.sample::<f32, _>(StandardNormal), rng.sample(StandardNormal)];
        for (column, cell) in cells.iter_mut().enumerate() {
            *cell = places[column / 4] + 0.1 * rng.sample::<f32, _>(StandardNormal);
        }
    }
    let column = |number: usize| Column { name: format!("c{number}"), kind: ColumnKind::Numeric };
    Dataset {
        schema: Schema {
            classes: vec!["left".into(), "right".into()],
            features: Features::Columns((0..8).map(column).collect()),
        },
        inputs: Inputs::Floats(rows),
        labels: (0..400).map(|row| Some(Class(row % 2))).collect(),
        ids: Ids::first(400),
    }
}

fn encoded(encoding: &Encoding, dataset: &Dataset) -> Array2<f32> {
    encoding.encode(&dataset.inputs, &(0..dataset.len()).collect::<Vec<_>>())
}

#[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
fn margins(predictor: &dyn Predictor, inputs: ArrayView2<f32>) -> Vec<f64> {
    let probs = probs(&predictor.log_probs(inputs));
    probs.rows().into_iter().map(|row| two_highest(row.iter().map(|&p| f64::from(p)))).map(|[a, b]| a.1 - b.1).collect()
}

fn search(predictor: &dyn Predictor, encoding: &Encoding, dataset: &Dataset, search: &Search) -> Synthesised {
    let training = encoded(encoding, dataset);
    synthesise(predictor, training.view(), |rows| encoding.settled(rows), search).unwrap().unwrap()
}

#[test]
fn codes_go_straight_to_a_flat_border_by_steps_of_at_most_one() {
    // log p₀ − log p₁ = 2 (3 z₀ + 4 z₁ − 2): the border is at a distance of |3 z₀ + 4 z₁ − 2| / 5.
    let weights = Tensor::<2>::from_floats([[3.0, -3.0], [4.0, -4.0]], &device());
    let log_probs = |z: &Tensor<2>| {
        let side = z.clone().matmul(weights.clone()) + Tensor::<2>::from_floats([[-2.0, 2.0]], &device());
        log_softmax(side, 1)
    };
    let begun = array![[0.0_f32, 0.0], [1.0, 0.0], [0.6, 2.0]];
    let after = |steps: usize| descend(log_probs, begun.clone(), steps, &device());
    for (code, start) in after(3).rows().into_iter().zip(begun.rows()) {
        let far = (3.0 * start[0] + 4.0 * start[1] - 2.0) / 5.0;
        assert_close(f64::from(code[0]), f64::from(start[0] - far * 0.6), 1e-5);
        assert_close(f64::from(code[1]), f64::from(start[1] - far * 0.8), 1e-5);
    }
    // The third is 1.56 away.
    let once = after(1);
    let moved = (&once.row(2) - &begun.row(2)).mapv(|x| x * x).sum().sqrt();
    assert_close(f64::from(moved), 1.0, 1e-5);
    assert_eq!(after(0), begun);
}

#[test]
fn codes_stay_where_the_prior_is() {
    // The border is at z₀ = 10, and 95 % of 𝒩(0, I) in two numbers keep within √(−2 ln 0.05) = 2.448.
    let weights = Tensor::<2>::from_floats([[-1.0, 1.0], [0.0, 0.0]], &device());
    let log_probs = |z: &Tensor<2>| {
        let side = z.clone().matmul(weights.clone()) + Tensor::<2>::from_floats([[10.0, -10.0]], &device());
        log_softmax(side, 1)
    };
    let found = descend(log_probs, array![[0.5_f32, 1.0], [4.0, 4.0]], 30, &device());
    for code in found.rows() {
        let length = code.dot(&code).sqrt();
        assert!((length - 2.448).abs() < 0.03, "{length}");
        assert!(code[0] > 2.3, "{code}");
    }
}

#[test]
fn examples_of_two_clouds_lie_on_their_border_and_among_the_data() {
    let dataset = clouds(1);
    let cases: [(&str, &[&str]); 4] = [
        ("m2", &["hidden=[16]", "latent=2", "train.steps=500"]),
        ("gc_vae", &["hidden=[16]", "train.steps=500"]),
        ("jem", &["hidden=[16]", "train.steps=300", "buffer=200"]),
        ("m1", &["hidden=[16]", "latent=2", "train.steps=500", "head=\"logistic\""]),
    ];
    for (name, changes) in cases {
        let (predictor, encoding, _) = fit(model(name), &settings(model(name), changes), &dataset, 1);
        let wanted = Search { number: 8, seed: 3, ..Search::default() };
        let made = search(&*predictor, &encoding, &dataset, &wanted);
        assert_eq!(made.inputs.nrows(), 8, "{name}: {made:?}");
        let found = margins(&*predictor, made.inputs.view());
        assert!(found.is_sorted() && found[7] <= wanted.margin, "{name}: {found:?}");
        // The median of the examples is more in doubt than 95 % of the data.
        let mut of_data = margins(&*predictor, encoded(&encoding, &dataset).view());
        of_data.sort_by(f64::total_cmp);
        assert!(found[4] < of_data[of_data.len() / 20], "{name}: {found:?}, {:?}", &of_data[..20]);
        for row in made.inputs.rows() {
            let number = |column: usize| match encoding.cell(row, column) {
                Some(Cell::Number(x)) => x,
                other => panic!("{other:?}"),
            };
            let [a, b] = [0, 4].map(|first| (first..first + 4).map(number).sum::<f32>() / 4.0);
            // Between the centres; the chains' border is that of a network trained on 400 rows.
            assert!(a.abs() < 1.25 && b.abs() < 3.5, "{name}: {a}, {b}");
        }
        assert!(made.plausibility.iter().all(|share| (wanted.plausible..=1.0).contains(share)), "{name}: {made:?}");
        // What was judged is what is given back.
        assert_eq!(made.scores.log_probs, predictor.log_probs(made.inputs.view()), "{name}");
        assert_eq!(made.codes.is_some(), model(name).makes.is_from_codes(), "{name}");
    }
}

#[test]
fn every_model_that_makes_inputs_makes_doubtful_ones_and_the_same_for_the_same_seed() {
    for dataset in [pictures(120, 10, 1), table(120, 10, 2)] {
        for entry in MODELS.iter().filter(|entry| entry.makes != Makes::Nothing || entry.name == "supervised") {
            let (predictor, encoding, _) =
                fit(entry, &settings(entry, &["hidden=[24]", "train.steps=60"]), &dataset, 1);
            let training = encoded(&encoding, &dataset);
            // Not to see whether any are left, but that all that are left are right.
            let asked = Search { number: 5, margin: 0.9, most: 60, steps: Some(20), ..Search::default() };
            let run = |search: &Search| {
                synthesise(&*predictor, training.view(), |rows| encoding.settled(rows), search).unwrap()
            };
            let Some(made) = run(&asked) else {
                assert_eq!(entry.makes, Makes::Nothing, "{}", entry.name);
                continue;
            };
            println!("{}: {} of {}", entry.name, made.inputs.nrows(), made.made);
            assert_ne!(entry.makes, Makes::Nothing, "{}", entry.name);
            assert!(margins(&*predictor, made.inputs.view()).iter().all(|&margin| margin <= 0.9), "{}", entry.name);
            assert!(made.plausibility.iter().all(|&share| share >= 0.05), "{}", entry.name);
            assert_eq!(encoding.settled(made.inputs.clone()), made.inputs, "{}", entry.name);
            assert_eq!(run(&asked), Some(made), "{}", entry.name);
        }
    }
}

/// Says nothing of items but where they are.
struct Silent;

impl Predictor for Silent {
    fn scores(&self, inputs: ArrayView2<f32>) -> Scores {
        let log_probs = Array3::from_elem((inputs.nrows(), 1, 2), 0.5_f32.ln());
        Scores { log_probs, log_density: None, energy: None, codes: None }
    }
}

#[test]
fn noise_is_refused_and_most_of_the_data_are_not_with_a_density_and_without() {
    let dataset = pictures(200, 10, 3);
    let (m2, encoding, _) = fit(model("m2"), &settings(model("m2"), &["hidden=[24]", "train.steps=400"]), &dataset, 1);
    let training = encoded(&encoding, &dataset);
    for (name, predictor) in [("density", &*m2), ("distance", &Silent as &dyn Predictor)] {
        let plausibility = Plausibility::of(predictor, training.view());
        let share = |rows: &Array2<f32>| plausibility.share(&predictor.scores(rows.view()), rows.view());
        // Black and white at random: a squared distance of some 19 from any picture, where pictures of a class are 3 apart.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let noise = Array2::from_shape_fn((50, 64), |_| f32::from(u8::from(rng.random_bool(0.5))));
        assert!(share(&noise).iter().all(|&share| share < 0.05), "{name}: {:?}", share(&noise));
        let real = share(&encoded(&encoding, &pictures(200, 0, 4)));
        let kept = real.iter().filter(|&&share| share >= 0.05).count();
        assert!(kept >= 120, "{name}: {kept}");
        let nothing = Array2::from_elem((1, 64), f32::INFINITY);
        assert!(matches!(plausibility, Plausibility::Distance { .. }) || share(&nothing)[0].is_nan(), "{name}");
    }
}

#[test]
fn the_least_plausible_training_item_has_a_rank_of_one_and_the_most_plausible_of_all() {
    let dataset = pictures(50, 10, 3);
    let (predictor, encoding, _) =
        fit(model("m2"), &settings(model("m2"), &["hidden=[24]", "train.steps=60"]), &dataset, 1);
    let training = encoded(&encoding, &dataset);
    let scores = predictor.scores(training.view());
    let mut shares = Plausibility::of(&*predictor, training.view()).share(&scores, training.view());
    shares.sort_by(f64::total_cmp);
    for (rank, share) in (1..).zip(shares) {
        assert_close(share, f64::from(rank) / 50.0, 1e-12);
    }
}

#[test]
fn a_search_that_finds_nothing_ends_and_says_what_it_refused() {
    let dataset = clouds(1);
    let entry = model("m2");
    let (predictor, encoding, _) = fit(entry, &settings(entry, &["hidden=[16]", "train.steps=100"]), &dataset, 1);
    let sure = Search { number: 4, margin: 0.0, steps: Some(0), most: 70, ..Search::default() };
    let made = search(&*predictor, &encoding, &dataset, &sure);
    assert_eq!((made.inputs.dim(), made.scores.log_probs.dim()), ((0, 8), (0, 1, 2)));
    assert_eq!((made.made, made.implausible + made.decided), (70, 70));
    // Wide apart there is place for few.
    let apart = Search { number: 50, apart: 1.0, margin: 0.9, most: 200, ..Search::default() };
    let made = search(&*predictor, &encoding, &dataset, &apart);
    assert!(made.near > 0 && made.inputs.nrows() < 50, "{made:?}");
}

#[test]
fn each_place_gets_the_nearest_that_is_free() {
    let places = array![[0.0_f32], [0.1], [5.0], [0.05]];
    let others = array![[5.5_f32], [0.2], [-1.0], [9.0], [0.0]];
    // 0 takes the 0, 0.1 the 0.2, 5 the 5.5, and for 0.05 the −1 is nearest of what is left.
    let found = nearest_each(places.view(), others.view());
    let expected = [(4, 0.0), (1, 0.1), (0, 0.5), (2, 1.05)];
    assert_eq!(found.len(), 4);
    for ((item, distance), (expected, far)) in found.into_iter().zip(expected) {
        assert_eq!(item, expected);
        assert_close(distance, far, 1e-6);
    }
    assert_eq!(nearest_each(places.view(), others.slice_axis(ndarray::Axis(0), (1..3).into())).len(), 2);
}
