//! The learned Stein discrepancy: checks A36 and A37 of the reference; and the energy whose gradient is short.

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use halfmoon::energy::{Of, input_gradient};
use halfmoon::model::{Batch, Classifier, Counts, Model, ModelConfig, Moment};
use halfmoon::models::{NgEbmConfig, stein};
use halfmoon::nets::{Activation, CategoricalNet, Hidden, Norm};
use halfmoon::noise::Noise;
use halfmoon::ops::Adam;
use halfmoon::train::Update;
use halfmoon_pool::encode::Layout;

use crate::support::{device, matrix, numbers, with_parameters};

fn noise(stream: u64) -> Noise {
    Noise::new(1, stream, &device())
}

/// What the best critic says of 𝒩(m, 1) when the data are 𝒩(0, 1): the means of φ and of 𝓢 over fresh data, λ = ½.
fn learned(m: f64) -> (f64, f64) {
    let hidden = Hidden { widths: &[32], activation: Activation::Silu, norm: Norm::None };
    let mut critic = CategoricalNet::new(&[1], &hidden, 1, &mut noise(0));
    let mut optimizer = Adam::default().init();
    // Whatever log Z is, it falls out of a difference.
    let log_p = |x: &Tensor<2>| -> Tensor<1> { ((x.clone() - m).square() * -0.5).sum_dim(1).squeeze_dim(1) };
    let steps = 1500;
    for step in 0..steps {
        let mut noise = noise(1 + step);
        let u = noise.normal([512, 1]);
        let (stein, length) = stein(log_p, |u| critic.of(u).logits, &u, 0.01, &mut noise);
        let loss = length.mean() * 0.5 - stein.mean();
        let rate = 0.01 * (1.0 - step as f64 / steps as f64);
        let mut update = Update { optimizer: &mut optimizer, rate, max_norm: 0.0 };
        critic = update.apply(critic, loss.backward());
    }
    let mut noise = noise(1 << 20);
    let u = noise.normal([50_000, 1]);
    let phi = numbers(&critic.of(&u).logits);
    let (stein, _) = stein(log_p, |u| critic.of(u).logits, &u, 0.01, &mut noise);
    (phi.iter().sum::<f64>() / phi.len() as f64, numbers(&stein.mean())[0])
}

#[test]
fn the_best_critic_is_the_difference_of_scores() {
    // A36: φ* = m / 2λ, 𝓢 = m² / 2λ.
    let (phi, stein) = learned(1.0);
    assert!((phi - 1.0).abs() < 0.05 && (stein - 1.0).abs() < 0.05, "{phi} {stein}");
    let (phi, stein) = learned(0.0);
    assert!(phi.abs() < 0.05 && stein.abs() < 0.05, "{phi} {stein}");
}

#[test]
fn the_trace_is_right_on_average() {
    // A37, for φ = x A with tr A = 1.2 and nothing to ascend.
    let a = matrix([[0.5, 2.0, -1.0], [0.3, 1.5, 0.0], [4.0, -2.0, -0.8]], &device());
    let mut noise = noise(3).with_dtype(DType::F64);
    let u = noise.normal([10_000, 3]);
    let flat = |u: &Tensor<2>| -> Tensor<1> { u.clone().sum_dim(1).squeeze_dim(1) * 0.0 };
    let traces = numbers(&stein(flat, |u| u.clone().matmul(a.clone()), &u, 0.01, &mut noise).0);
    let n = traces.len() as f64;
    let mean = traces.iter().sum::<f64>() / n;
    let sd = (traces.iter().map(|trace| (trace - mean).powi(2)).sum::<f64>() / n).sqrt();
    assert!((mean - 1.2).abs() < 3.0 * sd / n.sqrt(), "{mean}");
}

#[test]
fn the_term_of_ng_ebm_is_the_length_of_the_gradient() {
    let layout = Layout { numeric: 5, yes_no: 0, categories: vec![], image: None };
    let config = NgEbmConfig { hidden: vec![9], data_noise: 0.0, slope_over: 1e-4, ..NgEbmConfig::default() };
    let model = with_parameters(config.init(&layout, 3, &mut noise(4)), |_, values| values);
    let mut noise = noise(5).with_dtype(DType::F64);
    let (x, u) = (noise.normal([2, 5]), noise.normal([7, 5]));
    let counts = Counts { labelled: 2, unlabelled: 7 };
    let batch = Batch { x, y: [0, 2].into(), u: u.clone(), open: [].into(), counts, moment: Moment::default() };
    let loss = model.loss(&batch, &mut (), &mut noise).values();
    let fixed = model.clone().no_grad();
    let gradient = input_gradient(|x| fixed.classify(x), &u, &Of::Density);
    let expected = numbers(&gradient.square().sum_dim(1).sqrt().mean())[0];
    let (_, found) = loss.iter().find(|(name, _)| *name == "mass").unwrap();
    // Values of a loss are read as f32.
    assert!((found - expected).abs() < 1e-6, "{found} {expected}");
}
