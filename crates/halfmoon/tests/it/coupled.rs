//! The Gaussian-coupled softmax: checks A9 and A11 of the reference.

use std::path::Path;

use burn::tensor::{DType, Tensor};
use halfmoon::fit::Entry;
use halfmoon::model::{Classifier, LogDensity, ModelConfig};
use halfmoon::models::{GcVae, GcVaeConfig, MODELS, SoftmaxAt, Vae};
use halfmoon::nets::{GaussianSoftmax, Hidden};
use halfmoon::noise::Noise;
use halfmoon_pool::dataset::{Class, Column, ColumnKind, Dataset, Features, Ids, Inputs, Schema};
use halfmoon_pool::encode::Layout;
use halfmoon_pool::{read, split};
use ndarray::{Array2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::support::{accuracy, assert_close, device, fit, matrix, numbers, settings, with_parameters};

/// L⁻¹ of Σ = L Lᵀ = [[1, 0.3], [0.3, 0.5]], for rows from the right.
fn whitening() -> Tensor<2> {
    let l22 = 0.41_f64.sqrt(); // √(0.5 − 0.3²)
    matrix([[1.0, -0.3 / l22], [0.0, 1.0 / l22]], &device())
}

/// The three Gaussians of A9, whitened.
fn layer() -> GaussianSoftmax {
    let means = matrix([[1.0, 0.0], [-1.0, 0.5], [0.0, -2.0]], &device()).matmul(whitening());
    let log_prior = [0.5_f64, 0.3, 0.2].map(f64::ln);
    let noise = &mut Noise::new(1, 0, &device()).with_dtype(DType::F64);
    with_parameters(GaussianSoftmax::new(2, 3, 1.0, noise), |name, _| match name {
        "means" => numbers(&means),
        _ => log_prior.to_vec(),
    })
}

#[test]
fn logits_density_and_posterior_are_those_of_the_class_gaussians() {
    let h = matrix([[0.4, -0.6]], &device()).matmul(whitening());
    let layer = layer();
    let logits = numbers(&layer.logits(&h));
    for (found, expected) in logits.iter().zip([-0.376_074_009_8, -4.289_338_658_0, -2.975_291_571_0]) {
        assert_close(*found, expected, 1e-9);
    }
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    for (logit, expected) in logits.iter().zip([0.913_820_429_9, 0.018_253_729_9, 0.067_925_840_2]) {
        assert_close(logit.exp() / sum, expected, 1e-9);
    }
    // Rows that were whitened are denser by |L|.
    let log_volume = 0.5 * 0.41_f64.ln();
    let by_mixture = [0.5_f64, 0.3, 0.2]
        .iter()
        .zip([0, 1, 2])
        .map(|(prior, class)| prior * (numbers(&layer.log_prob_given(&h, &[class].into()))[0] - log_volume).exp());
    let expected = -2.390_225_945_5;
    assert_close(numbers(&layer.log_prob(&h))[0] - log_volume, expected, 1e-9);
    assert_close(by_mixture.sum::<f64>().ln(), expected, 1e-9);
}

#[test]
fn samples_of_a_class_have_its_mean_and_unit_variance() {
    let n = 20_000;
    let classes = vec![2_u32; n].into();
    let noise = &mut Noise::new(3, 0, &device()).with_dtype(DType::F64);
    let sample = numbers(&layer().sample(&classes, noise));
    let mean = numbers(&layer().mean_of(&[2].into()));
    for (coordinate, mean) in mean.iter().enumerate() {
        let deviations = sample.iter().skip(coordinate).step_by(2).map(|value| value - mean);
        let (sum, squares) = deviations.fold((0.0, 0.0), |(sum, squares), d| (sum + d, squares + d * d));
        assert!((sum / n as f64).abs() < 4.0 / (n as f64).sqrt(), "{sum}");
        assert!((squares / n as f64 - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt(), "{squares}");
    }
}

fn columns(numeric: usize) -> Layout {
    Layout { numeric, yes_no: 0, categories: vec![], image: None }
}

fn rows() -> Tensor<2> {
    matrix([[0.3, -1.0, 0.8], [-1.2, 0.4, 0.1]], &device())
}

/// In f64.
fn model(config: &GcVaeConfig) -> GcVae {
    let model = config.init(&columns(3), 3, &mut Noise::new(2, 0, &device()));
    with_parameters(model, |_, numbers| numbers)
}

fn noise() -> Noise {
    Noise::new(5, 1, &device()).with_dtype(DType::F64)
}

#[test]
fn the_labelled_bound_is_the_unlabelled_one_and_the_log_posterior() {
    for softmax_at in [SoftmaxAt::Mean, SoftmaxAt::Sample] {
        let config = GcVaeConfig { hidden: vec![7], latent: 2, style: 2, softmax_at, ..GcVaeConfig::default() };
        let model = model(&config);
        let total: Vec<f64> = (0..3)
            .map(|class| numbers(&model.elbo_xy(&rows(), &[class, class].into(), &mut noise())))
            .fold(vec![0.0; 2], |sum, elbo| sum.iter().zip(elbo).map(|(sum, elbo)| sum + elbo.exp()).collect());
        // Σ_y exp(−𝓛(x, y)) = exp(−𝓤(x)), since −𝓛(x, y) = −𝓤(x) + log q(y | x) at the same code.
        for (total, elbo_x) in total.iter().zip(numbers(&model.elbo_x(&rows(), &mut noise()))) {
            assert_close(total.ln(), elbo_x, 1e-9);
        }
    }
}

#[test]
fn no_mean_makes_a_tighter_bound_than_the_softmax_at_a_sample_on_average() {
    let config =
        |softmax_at| GcVaeConfig { hidden: vec![7], latent: 2, style: 1, softmax_at, ..GcVaeConfig::default() };
    let mean_bound = |softmax_at| {
        let model = model(&config(softmax_at));
        let draws = (0..2000).map(|step| {
            let noise = &mut Noise::new(9, step, &device()).with_dtype(DType::F64);
            numbers(&model.elbo_x(&rows(), noise)).iter().sum::<f64>()
        });
        draws.sum::<f64>() / 2000.0
    };
    // E LSE(h) ≥ LSE(E h): the log of a sum of exponentials is convex.
    assert!(mean_bound(SoftmaxAt::Sample) >= mean_bound(SoftmaxAt::Mean));
}

#[test]
fn with_all_means_at_zero_it_is_a_plain_autoencoder() {
    let config = GcVaeConfig { hidden: vec![7], latent: 2, style: 2, radius: 0.0, ..GcVaeConfig::default() };
    let model = model(&config);
    let hidden = Hidden { widths: &config.hidden, activation: config.activation, norm: config.norm };
    let parameters = crate::support::parameters(&model);
    let plain = with_parameters(Vae::new(&columns(3), &hidden, 4, 0, &mut Noise::new(2, 0, &device())), |name, _| {
        parameters[&name.replace("q_z", "q_h")].clone()
    });
    let bound = numbers(&model.log_density(&rows(), &mut noise()));
    for (found, expected) in bound.iter().zip(numbers(&plain.log_density(&rows(), &mut noise()))) {
        assert_close(*found, expected, 1e-9);
    }
    let logits = numbers(&model.classify(&rows()));
    assert!(logits.iter().all(|logit| (logit - logits[0]).abs() < 1e-9), "{logits:?}");
}

/// `gc_vae` as far as A11 needs it.
fn gc_vae() -> &'static Entry {
    MODELS.iter().find(|entry| entry.name == "gc_vae").unwrap()
}

/// Three Gaussians in the plane, five standard deviations apart, the first five points of each labelled.
fn three_gaussians(points: usize) -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let centres = [[0.0_f32, 0.0], [5.0, 0.0], [2.5, 4.33]];
    let inputs = Array2::from_shape_fn((3 * points, 2), |(row, axis)| {
        centres[row % 3][axis] + rng.sample::<f32, _>(StandardNormal)
    });
    let column = |name: &str| Column { name: name.into(), kind: ColumnKind::Numeric };
    Dataset {
        schema: Schema {
            classes: vec!["a".into(), "b".into(), "c".into()],
            features: Features::Columns(vec![column("x"), column("y")]),
        },
        inputs: Inputs::Floats(inputs),
        labels: (0..3 * points).map(|row| (row < 15).then_some(Class((row % 3) as u16))).collect(),
        ids: Ids::first(3 * points),
    }
}

#[test]
fn five_labels_a_cloud_and_the_other_points_are_enough_for_three_clouds() {
    let mut clouds = three_gaussians(672);
    let small = settings(gc_vae(), &["latent=2", "style=0", "hidden=[50]", "train.steps=1000"]);
    let (predictor, encoding, _) = fit(gc_vae(), &small, &clouds, 1);
    clouds.labels = (0..clouds.len()).map(|row| Some(Class((row % 3) as u16))).collect();
    // Who knows the clouds errs in about one in a hundred.
    let error = 1.0 - accuracy(&*predictor, &encoding, &clouds);
    assert!(error < 0.02, "{error}");
}

#[test]
fn a_hundred_labelled_digits_are_learnt_to_the_last_and_the_code_is_used() {
    let data = read::read(Path::new("digits"), &read::Options::default()).unwrap().train;
    let mut kept = data.clone();
    split::keep_labels(&mut kept.labels, &data.schema.classes, 100, 1).unwrap();
    let labelled = kept.select(&kept.labelled());
    let short = settings(gc_vae(), &["hidden=[100]", "train.steps=1000"]);
    let (predictor, encoding, _) = fit(gc_vae(), &short, &labelled, 1);
    assert!((accuracy(&*predictor, &encoding, &labelled) - 1.0).abs() < 1e-12);

    // Beside its class's Gaussian, a coordinate of the code costs at least half the variance of its mean within the class: in
    // coordinates that say nothing of x that is nought.
    let (predictor, encoding, _) = fit(gc_vae(), &short, &kept, 1);
    let mut costs = vec![0.0; GcVaeConfig::default().latent];
    for class in 0..10 {
        let rows: Vec<usize> = (0..data.len()).filter(|&row| data.labels[row] == Some(Class(class))).collect();
        let codes = predictor.codes(encoding.encode(&data.inputs, &rows).view()).unwrap();
        for (cost, variance) in costs.iter_mut().zip(codes.var_axis(Axis(0), 0.0)) {
            *cost += f64::from(variance) / 2.0 / 10.0;
        }
    }
    let used = costs.iter().filter(|&&nats| nats > 0.01).count();
    assert!(used >= 10, "{costs:?}");
}
