//! The ladder network: its two ways up and its way down.

use burn::tensor::activation::softmax;
use burn::tensor::{DType, Tensor};
use halfmoon::model::{Batch, Classifier, Counts, Model, ModelConfig, Moment};
use halfmoon::models::{Denoiser, Ladder, LadderConfig, Moments};
use halfmoon::noise::Noise;
use halfmoon::train::Update;
use halfmoon_pool::encode::Layout;

use crate::support::{assert_close, device, matrix, numbers, parameters, with_parameters};

fn rows(n: usize, seed: u64) -> Tensor<2> {
    let mut noise = Noise::new(seed, 0, &device()).with_dtype(DType::F64);
    noise.normal([n, 6]).clamp(-1.5, 1.5) / 3.0 + 0.5
}

fn small() -> LadderConfig {
    LadderConfig { hidden: vec![7, 5], ..LadderConfig::default() }
}

/// In f64.
fn model(config: &LadderConfig) -> Ladder {
    let layout = Layout { numeric: 0, yes_no: 6, categories: vec![], image: None };
    with_parameters(config.init(&layout, 3, &mut Noise::new(3, 0, &device())), |_, numbers| numbers)
}

fn noise(step: u64) -> Noise {
    Noise::new(2, step, &device()).with_dtype(DType::F64)
}

#[test]
fn without_noise_the_corrupted_way_is_the_clean_one() {
    let (x, u) = (rows(4, 1), rows(12, 2));
    let all = Tensor::cat(vec![x, u.clone()], 0);
    let gaps = |level: f64| {
        let model = model(&LadderConfig { noise: level, ..small() });
        let (clean, corrupted) = (model.clean(&u), model.corrupted(&all, 4, &mut noise(1)));
        assert_eq!(clean.z.len(), 4);
        let gap = |(clean, corrupted): (&Tensor<2>, &Tensor<2>)| {
            numbers(&(clean.clone() - corrupted.clone().slice_dim(0, 4..16)).square().mean())[0]
        };
        clean.z.iter().zip(&corrupted.z).map(gap).collect::<Vec<f64>>()
    };
    assert!(gaps(0.0).iter().all(|&gap| gap < 1e-20));
    // Noise of variance 0.09 on the input, and at least about that on what follows.
    assert!(gaps(0.3).iter().all(|&gap| gap > 0.05), "{:?}", gaps(0.3));
}

#[test]
fn every_unit_has_mean_0_and_variance_1_over_the_rows() {
    let path = model(&small()).clean(&rows(50, 3));
    for z in &path.z[1..] {
        let moments = Moments::of(z);
        for (mean, variance) in numbers(&moments.mean).into_iter().zip(numbers(&moments.variance)) {
            assert_close(mean, 0.0, 1e-10);
            assert_close(variance, 1.0, 1e-4);
        }
    }
    // 1, 3 → mean 2, variance 1; a unit that never changes is 0.
    let rows = matrix([[1.0, 5.0], [3.0, 5.0]], &device());
    let normalised = numbers(&Moments::of(&rows).normalise(rows));
    for (expected, found) in [-1.0, 0.0, 1.0, 0.0].into_iter().zip(normalised) {
        assert_close(found, expected, 1e-6);
    }
}

#[test]
fn the_combinator_lets_z_through_at_the_start() {
    let denoiser = Denoiser::new(None, 6, &mut Noise::new(1, 0, &device()));
    let denoiser = with_parameters(denoiser, |_, numbers| numbers);
    let (z, above) = (rows(20, 4), softmax(rows(20, 5) * 4.0, 1));
    let difference = (denoiser.denoise(&z, above) - z).abs().max();
    assert!(numbers(&difference)[0] < 0.02, "{}", numbers(&difference)[0]);
}

#[test]
fn the_combinator_is_the_papers() {
    let denoiser = Denoiser::new(None, 1, &mut Noise::new(1, 0, &device()));
    let a = [0.3, 2.0, -0.5, 0.7, 0.1, -0.4, 1.5, 0.2, 0.6, 0.9];
    let denoiser = with_parameters(denoiser, |_, _| a.to_vec());
    // Two rows −1 and 1 are normalised already, but for the floor.
    let found = numbers(&denoiser.denoise(&matrix([[0.5], [-2.0]], &device()), matrix([[-1.0], [1.0]], &device())));
    let sigmoid = |t: f64| 1.0 / (1.0 + (-t).exp());
    for ((z, u), found) in [(0.5, -1.0), (-2.0, 1.0)].into_iter().zip(found) {
        let mean = 0.3 * sigmoid(2.0 * u - 0.5) + 0.7 * u + 0.1;
        let share = -0.4 * sigmoid(1.5 * u + 0.2) + 0.6 * u + 0.9;
        assert_close(found, (z - mean) * share + mean, 1e-5);
    }
}

#[test]
fn the_gamma_model_has_no_way_down_below_its_logits() {
    let count = |denoise: &[f64]| {
        let model = model(&LadderConfig { denoise: denoise.to_vec(), ..small() });
        parameters(&model).keys().filter(|name| name.starts_with("down")).count()
    };
    // Ten numbers a unit for the input and for each of three layers, and three matrices between them.
    assert_eq!((count(&[1.0]), count(&[0.0, 0.0, 0.0, 0.5]), count(&[0.0])), (7, 1, 0));
}

#[test]
fn answers_are_normalised_by_what_the_steps_saw() {
    // The same rows in every step and no rate: after a while what was seen is what these rows have.
    let (x, u) = (rows(4, 1), rows(30, 2));
    let device = device();
    let [x, u] = [x, u].map(|rows| rows.cast(DType::F32));
    let layout = Layout { numeric: 0, yes_no: 6, categories: vec![], image: None };
    let mut model = small().init(&layout, 3, &mut Noise::new(3, 0, &device));
    let mut optimizer = halfmoon::ops::Adam::default().init();
    for step in 0..3 {
        let batch = Batch {
            x: x.clone(),
            y: [0, 1, 2, 0].into(),
            u: u.clone(),
            open: [].into(),
            counts: Counts { labelled: 4, unlabelled: 30 },
            moment: Moment { stage: 0, step, setbacks: 0 },
        };
        let mut noise = Noise::new(1, step, &device);
        let mut update = Update { optimizer: &mut optimizer, rate: 0.0, max_norm: 0.0 };
        model = model.step(&batch, &mut (), &mut noise, &mut update).0;
    }
    let clean = model.logits(&model.clean(&u));
    for (asked, clean) in numbers(&model.classify(&u)).into_iter().zip(numbers(&clean)) {
        assert_close(asked, clean, 1e-4);
    }
}
