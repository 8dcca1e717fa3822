//! `vaal` and `aral`: their terms by hand, what their samplers ask for, and what each ablation leaves out. And draws of a network with dropout.

use burn::tensor::{Device, Tensor};
use halfmoon::fit::Entry;
use halfmoon::models::{MODELS, feature_distance, real_or_generated};
use halfmoon_pool::dataset::{Class, Column, ColumnKind, Dataset, Features, Ids, Inputs, Schema};
use halfmoon_pool::encode::Encoding;
use halfmoon_pool::scores::Predictor;
use halfmoon_pool::{read, split};
use halfmoon_query::{Ask, Pool, Questions, keys_of_ids, rule};
use ndarray::{Array2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::path::Path;

use crate::support::{assert_close, device, fit, matrix, numbers, pictures, settings};

fn entry(name: &str) -> &'static Entry {
    MODELS.iter().find(|entry| entry.name == name).unwrap()
}

#[test]
fn the_terms_of_the_generative_network_by_hand() {
    let device = device();
    // LSE of (0, 0) is ln 2 and of (ln 3, 0) is ln 4: D is 2/3 and 4/5. −½ ln ⅔ − ½ ln (1 − ⅘).
    let rows = matrix([[0.0, 0.0]], &device);
    let made = matrix([[3.0_f64.ln(), 0.0]], &device);
    assert_close(numbers(&real_or_generated(rows, made))[0], -0.5 * (2.0_f64 / 3.0).ln() - 0.5 * 0.2_f64.ln(), 1e-12);
    // Means (2, 3) and (1, 5): squares 1 and 4.
    let a = matrix([[1.0, 2.0], [3.0, 4.0]], &device);
    let b = matrix([[1.0, 5.0]], &device);
    assert_close(numbers(&feature_distance(a, b))[0], 2.5, 1e-12);
}

/// Two columns. Labelled rows of both classes are around 0; of the others one half is, too, and the other half is around 4.
fn shifted(seed: u64) -> (Dataset, Vec<bool>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (labelled, each) = (100, 200);
    let is_far: Vec<bool> = (0..labelled + 2 * each).map(|row| row >= labelled + each).collect();
    let mut rows = Array2::from_shape_fn((is_far.len(), 2), |_| rng.sample::<f32, _>(StandardNormal));
    let labels =
        (0..is_far.len()).map(|row| (row < labelled).then(|| Class(u16::from(rows[[row, 0]] > 0.0)))).collect();
    for (mut row, far) in rows.rows_mut().into_iter().zip(&is_far) {
        row += if *far { 4.0 } else { 0.0 };
    }
    let columns = ["a", "b"].map(|name| Column { name: name.into(), kind: ColumnKind::Numeric });
    let schema = Schema { classes: vec!["left".into(), "right".into()], features: Features::Columns(columns.into()) };
    let ids = Ids::first(is_far.len());
    (Dataset { schema, inputs: Inputs::Floats(rows), labels, ids }, is_far)
}

/// Of the candidates, in the order that a rule asks about them, the rows.
fn asked(name: &str, predictor: &dyn Predictor, encoding: &Encoding, dataset: &Dataset, budget: usize) -> Vec<usize> {
    let open: Vec<usize> = (0..dataset.len()).filter(|&row| dataset.labels[row].is_none()).collect();
    let rule = rule(name).unwrap();
    let said = Questions { needs: rule.needs, near: false, draws: 20, seed: 1 }
        .ask(predictor, encoding.encode(&dataset.inputs, &open).view());
    let keys = keys_of_ids(&dataset.ids.select(&open));
    let pool = Pool {
        labelled_probs: said.labelled_probs.as_ref().map(|probs| probs.view()),
        ..Pool::new(&said.scores, &keys)
    };
    let query = rule.query(&pool, &Ask { budget, apart: 0.0, ..Ask::default() }).unwrap();
    query.picks.iter().map(|pick| open[pick.item]).collect()
}

#[test]
fn samplers_ask_for_what_is_unlike_the_labelled_rows() {
    // A16, by the models themselves. On two columns a code has nowhere to hide a shift but in what the autoencoder loses, so nobody hides it here.
    let (dataset, is_far) = shifted(3);
    let by_class = ["hidden=[32]", "coder=[32]", "sampler=[32, 32]", "latent=4", "adversarial=0", "train.steps=800"];
    for (model, rule, change) in [
        ("vaal", "vaal", "sampler_sees_class=false"),
        ("aral", "aral", "sampler_sees_class=false"),
        ("aral", "aral_by_class", "sampler_sees_class=true"),
    ] {
        let changes: Vec<&str> = by_class.iter().copied().chain([change]).collect();
        let (predictor, encoding, _) = fit(entry(model), &settings(entry(model), &changes), &dataset, 1);
        let first = asked(rule, &*predictor, &encoding, &dataset, 200);
        let far = first.iter().filter(|&&row| is_far[row]).count();
        assert!(far >= 190, "{rule}: {far} of 200 are from the shifted half");
    }
}

#[test]
fn classes_without_a_label_are_found_first() {
    // P4: labels of the classes 0 to 4 only. Of a query of 50, more than 0.7 are of the classes 5 to 9, which are half of the pool.
    let mut data = read::read(Path::new("digits"), &read::Options::default()).unwrap().train;
    let truth = data.labels.clone();
    for label in &mut data.labels {
        *label = label.filter(|class| class.0 < 5);
    }
    split::keep_labels(&mut data.labels, &data.schema.classes, 100, 1).unwrap();
    for (model, rule) in [("vaal", "vaal"), ("aral", "aral")] {
        let mut shares = Vec::new();
        for seed in 1..4 {
            let changes = ["hidden=[64]", "sampler=[64, 64]", "coder=[128]", "train.steps=1500"];
            let (predictor, encoding, _) = fit(entry(model), &settings(entry(model), &changes), &data, seed);
            let rows = asked(rule, &*predictor, &encoding, &data, 50);
            let new = rows.iter().filter(|&&row| truth[row].unwrap().0 >= 5).count();
            shares.push(new as f64 / 50.0);
        }
        println!("{rule}: {shares:?}");
        let mean = shares.iter().sum::<f64>() / 3.0;
        assert!(mean > 0.7, "{rule}: {shares:?} of the query are of new classes");
    }
}

#[test]
fn an_ablation_leaves_out_what_its_name_says() {
    let dataset = pictures(120, 3, 1);
    let small = ["hidden=[24]", "coder=[16]", "sampler=[16, 16]", "train.steps=60", "generative_steps=60"];
    let of = |preset: &str| {
        let aral = entry("aral");
        let table = toml::Table::from_iter([("preset".to_owned(), preset.into())]);
        let mut settings = (aral.preset)(&table).unwrap();
        for change in small {
            halfmoon::config::set(&mut settings, change).unwrap();
        }
        let (predictor, encoding, trace) = fit(aral, &settings, &dataset, 1);
        let rows = encoding.encode(&dataset.inputs, &[0, 1, 2]);
        let terms: Vec<&str> = trace.terms[0].iter().map(|(name, _)| *name).collect();
        (predictor.labelled_probs(rows.view()), predictor.generator().is_some(), terms, trace.totals.len())
    };
    let (sampler, generates, terms, steps) = of("full");
    assert_eq!(sampler.unwrap().dim(), (3, 1));
    assert!(generates && terms.contains(&"adversarial") && terms.contains(&"pairs_found") && steps == 60);
    let (sampler, generates, terms, _) = of("no_active_learning");
    assert!(sampler.is_none() && generates && !terms.contains(&"adversarial") && terms.contains(&"pairs_found"));
    let (sampler, generates, terms, _) = of("no_encoder");
    assert!(sampler.is_none() && !generates && !terms.contains(&"trd") && terms.contains(&"features"));
    let (sampler, _, terms, steps) = of("no_co_training");
    assert!(sampler.is_some() && !terms.contains(&"adversarial") && steps == 120, "{terms:?}, {steps} steps");
}

#[test]
fn draws_of_a_network_are_the_same_network_for_every_row_and_every_call() {
    let dataset = pictures(700, 20, 2);
    for name in ["supervised", "vaal", "aral"] {
        let entry = entry(name);
        let changes = ["hidden=[24, 16]", "coder=[16]", "dropout=0.4", "train.steps=40"];
        let (predictor, encoding, _) = fit(entry, &settings(entry, &changes), &dataset, 1);
        // More rows than go through at once.
        let rows = encoding.encode(&dataset.inputs, &(0..700).collect::<Vec<_>>());
        let draws = predictor.networks(rows.view(), 5, 3).unwrap();
        assert_eq!(draws.dim(), (700, 5, 2));
        assert!(draws.mapv(f32::exp).sum_axis(Axis(2)).iter().all(|sum| (sum - 1.0).abs() < 1e-5));
        let some = predictor.networks(rows.select(Axis(0), &[650, 3]).view(), 5, 3).unwrap();
        for (at, row) in [(0, 650), (1, 3)] {
            let difference = &some.index_axis(Axis(0), at) - &draws.index_axis(Axis(0), row);
            assert!(difference.iter().all(|x| x.abs() < 1e-5), "{name}: a draw is another network for another row");
        }
        assert_ne!(draws, predictor.networks(rows.view(), 5, 4).unwrap(), "{name}: another seed draws others");
        let first = draws.index_axis(Axis(1), 0);
        assert!((1..5).all(|draw| first != draws.index_axis(Axis(1), draw)), "{name}: draws differ");
        // Answers themselves are made without leaving anything out.
        assert_eq!(predictor.log_probs(rows.view()), predictor.log_probs(rows.view()));
    }
    let entry = entry("supervised");
    let (predictor, encoding, _) = fit(entry, &settings(entry, &["train.steps=5"]), &dataset, 1);
    assert!(predictor.networks(encoding.encode(&dataset.inputs, &[0]).view(), 5, 3).is_none());
}

#[test]
fn what_dropout_keeps_makes_up_for_what_it_leaves_out() {
    let mut noise = halfmoon::noise::Noise::new(1, 0, &Device::flex());
    let mask: Tensor<2> = halfmoon::nets::dropout_mask(0.3, [200, 100], &mut noise);
    let mask = numbers(&mask);
    let left_out = mask.iter().filter(|x| **x == 0.0).count() as f64 / mask.len() as f64;
    // Of 20,000 the standard deviation of the share is 0.0032.
    assert!((left_out - 0.3).abs() < 0.013, "{left_out}");
    assert!(mask.iter().all(|&x| x == 0.0 || (x - 1.0 / 0.7).abs() < 1e-6));
}
