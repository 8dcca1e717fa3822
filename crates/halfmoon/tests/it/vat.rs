//! Virtual adversarial training: the direction, the distance and its gradient.

use burn::tensor::{DType, Tensor};
use halfmoon::augment::Augment;
use halfmoon::dist::Categorical;
use halfmoon::model::{Batch, Counts, Model, ModelConfig, Moment};
use halfmoon::models::{Net, Vat, VatConfig, steepest};
use halfmoon::nets::Activation;
use halfmoon::noise::Noise;
use halfmoon_pool::dataset::ImageShape;
use halfmoon_pool::encode::Layout;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::gradients::assert_agrees;
use crate::support::{assert_close, device, matrix, numbers, with_parameters};

/// Rows of six grey values.
fn rows(n: usize, seed: u64) -> Tensor<2> {
    let mut noise = Noise::new(seed, 0, &device()).with_dtype(DType::F64);
    noise.normal([n, 6]).clamp(-1.5, 1.5) / 3.0 + 0.5
}

/// In f64, with parameters that are nowhere near zero.
fn model(config: &VatConfig) -> Vat {
    let layout = Layout { numeric: 0, yes_no: 6, categories: vec![], image: None };
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let model = config.init(&layout, 3, &mut Noise::new(3, 0, &device()));
    with_parameters(model, |_, numbers| numbers.iter().map(|_| rng.random_range(-0.6..0.6)).collect())
}

fn small() -> VatConfig {
    VatConfig { hidden: vec![7, 5], activation: Activation::Softplus, ..VatConfig::default() }
}

/// p(y | x) as training sees it.
fn p(model: &Vat, x: &Tensor<2>) -> Categorical {
    Categorical { logits: model.learn(x, 0).0.logits.detach() }
}

#[test]
fn the_direction_of_two_classes_with_linear_logits_is_the_difference_of_their_weights() {
    // log p(0)/p(1) = (w_0 − w_1) x + b: nothing else than a move along w_0 − w_1 = (3, −4, 0) changes the answer.
    let weight = matrix([[2.0, -1.0], [-1.0, 3.0], [0.5, 0.5]], &device());
    let x = matrix([[0.1, 0.2, 0.3], [1.0, -1.0, 0.5]], &device());
    let logits = |x: &Tensor<2>| Categorical { logits: x.clone().matmul(weight.clone()) };
    let start = matrix([[1e-3, 2e-3, -1e-3], [-2e-3, 1e-3, 3e-3]], &device());
    let g = numbers(&steepest(|r| logits(&x).kl(&logits(&(x.clone() + r.clone()))), start.clone()));
    for (g, start) in g.chunks(3).zip(numbers(&start).chunks(3)) {
        let length = g.iter().map(|g| g * g).sum::<f64>().sqrt();
        // To the side on which the start already is.
        let sign = (3.0 * start[0] - 4.0 * start[1]).signum();
        for (g, expected) in g.iter().zip([0.6, -0.8, 0.0]) {
            assert_close(g / length, sign * expected, 1e-9);
        }
    }
}

#[test]
fn the_step_has_its_length_and_changes_answers_more_than_a_random_one() {
    let config = VatConfig { radius: 0.2, iterations: 3, ..small() };
    let (model, x) = (model(&config), rows(40, 9));
    let p = p(&model, &x);
    let r = model.adversarial(&x, &p, &mut Noise::new(1, 1, &device()).with_dtype(DType::F64));
    let mean = x.clone().mean_dim(0);
    let spread = numbers(&(x.clone() - mean).square().sum_dim(1).mean())[0].sqrt();
    for square in numbers(&r.clone().square().sum_dim(1)) {
        assert_close(square.sqrt(), 0.2 * spread, 1e-9);
    }
    let random = Noise::new(2, 2, &device()).with_dtype(DType::F64).normal([40, 6]);
    let random = random.clone() / random.square().sum_dim(1).sqrt() * (0.2 * spread);
    let distance = |r: &Tensor<2>| numbers(&model.distance(&x, &p, r)).iter().sum::<f64>();
    assert!(distance(&r) > 2.0 * distance(&random), "{} and {}", distance(&r), distance(&random));
}

#[test]
fn the_distance_is_never_negative_and_zero_without_a_step() {
    let (model, x) = (model(&small()), rows(40, 8));
    let p = p(&model, &x);
    for r in [rows(40, 1) - 0.5, rows(40, 2) * 5.0] {
        assert!(numbers(&model.distance(&x, &p, &r)).iter().all(|&distance| distance > 0.0));
    }
    for distance in numbers(&model.distance(&x, &p, &x.zeros_like())) {
        assert_close(distance, 0.0, 1e-12);
    }
}

#[test]
fn the_gradient_of_the_distance_agrees_with_central_differences() {
    let (model, x) = (model(&small()), rows(10, 7));
    let p = p(&model, &x);
    let r = model.adversarial(&x, &p, &mut Noise::new(1, 1, &device()).with_dtype(DType::F64));
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    assert_agrees("vat, r fixed", &model, 20, &mut rng, |model| model.distance(&x, &p, &(r.clone() * 10.0)).mean());
}

#[test]
fn pictures_are_moved_before_they_are_learned_from() {
    let image = ImageShape { height: 5, width: 6, channels: 1, white: 255.0 };
    let layout = Layout { numeric: 0, yes_no: 30, categories: vec![], image: Some(image) };
    let table = Layout { image: None, ..layout.clone() };
    let of = |augment: Augment| VatConfig {
        net: Net::Conv,
        hidden: vec![7],
        channels: vec![2, 3],
        augment,
        smoothness: 0.0,
        entropy: 0.0,
        balance: 0.0,
        ..VatConfig::default()
    };
    assert!(of(Augment::Shift).check(&table).is_err());
    let loss = |augment: Augment, x: &Tensor<2>| {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let model = of(augment).init(&layout, 3, &mut Noise::new(3, 0, &device()));
        let model: Vat =
            with_parameters(model, |_, numbers| numbers.iter().map(|_| rng.random_range(-0.6..0.6)).collect());
        let batch = Batch {
            x: x.clone(),
            y: [0, 1, 2, 0].into(),
            u: x.clone(),
            open: [0, 1, 2].into(),
            counts: Counts { labelled: 4, unlabelled: 30 },
            moment: Moment::default(),
        };
        numbers(&model.loss(&batch, &mut (), &mut Noise::new(2, 1, &device()).with_dtype(DType::F64)).total())[0]
    };
    // Black pictures are the same wherever they are moved; others are not.
    let black = Tensor::zeros([4, 30], (&device(), DType::F64));
    assert_close(loss(Augment::Shift, &black), loss(Augment::None, &black), 1e-12);
    let grey = Noise::new(1, 0, &device()).with_dtype(DType::F64).uniform([4, 30]);
    let apart = (loss(Augment::Shift, &grey) - loss(Augment::None, &grey)).abs();
    assert!(apart > 1e-3, "{apart}");
}
