//! Checks against answers that are known in closed form (A1, A2, A3, A5 and A6 of the reference).

use burn::tensor::{DType, Device, Tensor, TensorData};
use halfmoon::branches::elbo_x;
use halfmoon::dist::{Bernoulli, Categorical, Normal};
use halfmoon::model::{Classifier, LogDensity, ModelConfig};
use halfmoon::models::{M2, M2Config};
use halfmoon::nets::Activation;
use halfmoon::noise::Noise;
use halfmoon::pairs::Pairs;
use halfmoon_pool::encode::Layout;

use crate::support::{assert_close, device, matrix, numbers, with_parameters};

fn normal(mean: &[f64], variance: &[f64], device: &Device) -> Normal {
    let row = |numbers: Vec<f64>| {
        let shape = [1, numbers.len()];
        Tensor::from_data(TensorData::new(numbers, shape), (device, DType::F64))
    };
    Normal { mean: row(mean.to_vec()), log_var: row(variance.iter().map(|v| v.ln()).collect()) }
}

fn only<const D: usize>(tensor: &Tensor<D>) -> f64 {
    let [number] = numbers(tensor)[..] else { panic!("one number expected") };
    number
}

#[test]
fn kl_of_gaussians_is_the_closed_form() {
    let device = device();
    let q = normal(&[1.0, -2.0], &[0.25, 1.0], &device);
    assert_close(only(&q.kl_to_standard()), 2.818_147_180_6, 1e-9);
    let (p, r) = (normal(&[0.5], &[0.04], &device), normal(&[-0.25], &[0.49], &device));
    assert_close(only(&p.kl(&r)), 1.367_558_886_9, 1e-9);
    assert_close(only(&p.kl(&p)), 0.0, 1e-12);
}

#[test]
fn kl_of_gaussians_is_never_negative() {
    let device = device();
    let mut noise = Noise::new(1, 0, &device).with_dtype(DType::F64);
    let mut draw = || Normal { mean: noise.normal([100_000, 1]), log_var: noise.normal([100_000, 1]) };
    let (p, q) = (draw(), draw());
    assert!(numbers(&p.kl(&q)).iter().all(|&kl| kl >= 0.0));
    assert!(numbers(&p.kl_to_standard()).iter().all(|&kl| kl >= 0.0));
}

#[test]
fn bernoulli_from_logits_is_exact_at_every_size() {
    let device = device();
    let each = |numbers: &[f64]| -> Tensor<2> {
        let shape = [numbers.len(), 1];
        Tensor::from_data(TensorData::new(numbers.to_vec(), shape), (&device, DType::F64))
    };
    let logits = each(&[2.0, -1.0, 0.0, 30.0, -40.0, 100.0]).require_grad();
    let x = each(&[1.0, 0.0, 0.5, 1.0, 1.0, 0.2]);
    let log_prob = Bernoulli { logits: logits.clone() }.log_prob(&x, None);
    let expected = [-0.126_928_011_0, -0.313_261_687_5, -0.693_147_180_6, -9.357e-14, -40.0, -80.0];
    for (found, expected) in numbers(&log_prob).into_iter().zip(expected) {
        assert_close(found, expected, 1e-9);
    }
    assert_close(numbers(&log_prob).iter().sum(), -121.133_336_879_1, 1e-9);
    let gradient = logits.grad(&log_prob.sum().backward()).unwrap();
    for ((gradient, x), l) in numbers(&gradient).into_iter().zip(numbers(&x)).zip(numbers(&logits)) {
        assert_close(gradient, x - 1.0 / (1.0 + (-l).exp()), 1e-9);
    }
}

#[test]
fn bernoulli_from_huge_logits_is_finite_in_f32() {
    let device = device();
    let logits = Tensor::<2>::from_data([[1e4f32, -1e4, 1e4, -1e4]], &device).require_grad();
    let x = Tensor::<2>::from_data([[1.0f32, 0.0, 0.0, 1.0]], &device);
    let log_prob = Bernoulli { logits: logits.clone() }.log_prob(&x, None);
    assert_close(only(&log_prob), -2e4, 1e-6);
    let gradient = logits.grad(&log_prob.sum().backward()).unwrap();
    assert_eq!(numbers(&gradient), [0.0, 0.0, -1.0, 1.0]);
}

/// p(z) = 𝒩(0, I₂), p(x | z) = 𝒩(W z + b, I₃/2), with orthogonal columns in W so that p(z | x) is diagonal.
struct LinearGaussian {
    w: Tensor<2>,
    b: Tensor<2>,
    device: Device,
}

impl LinearGaussian {
    fn new() -> LinearGaussian {
        let device = Device::flex();
        let w = matrix([[1.0, 2.0, 2.0], [2.0, -1.0, 0.0]], &device);
        LinearGaussian { w, b: matrix([[0.5, -1.0, 0.25]], &device), device }
    }

    /// log p(x | z) of draws z `[n, 2]`: `[n]`.
    fn log_likelihood(&self, x: &Tensor<2>, z: &Tensor<2>) -> Tensor<1> {
        let mean = z.clone().matmul(self.w.clone()) + self.b.clone();
        let log_var = mean.zeros_like() + 0.5f64.ln();
        Normal { mean, log_var }.log_prob(x)
    }

    /// The mean and the standard error of a million sampled bounds.
    fn sampled_elbo(&self, x: &Tensor<2>, q: &Normal) -> (f64, f64) {
        let draws = 1_000_000;
        let [mean, log_var] = [&q.mean, &q.log_var].map(|of| of.clone().repeat_dim(0, draws));
        let spread = Normal { mean, log_var };
        let z = spread.rsample(&mut Noise::new(3, 0, &self.device).with_dtype(DType::F64));
        let elbo = numbers(&(self.log_likelihood(x, &z) - q.kl_to_standard()));
        let mean = elbo.iter().sum::<f64>() / draws as f64;
        let variance = elbo.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / draws as f64;
        (mean, (variance / draws as f64).sqrt())
    }
}

const LOG_P_X: f64 = -5.040_618_414_1;

#[test]
fn the_bound_is_log_p_x_at_the_exact_posterior_whatever_is_drawn() {
    let model = LinearGaussian::new();
    let x = matrix([[1.2, -0.3, 2.0]], &model.device);
    let q = normal(&[0.589_473_684_210_526_3, 0.127_272_727_272_727_3], &[1.0 / 19.0, 1.0 / 11.0], &model.device);
    let prior = normal(&[0.0, 0.0], &[1.0, 1.0], &model.device);
    let mut noise = Noise::new(2, 0, &model.device).with_dtype(DType::F64);
    for _ in 0..20 {
        let z = q.rsample(&mut noise);
        let bound = model.log_likelihood(&x, &z) + prior.log_prob(&z) - q.log_prob(&z);
        assert_close(only(&bound), LOG_P_X, 1e-9);
    }
}

#[test]
fn the_sampled_bound_agrees_with_the_analytic_one_and_stays_below_log_p_x() {
    let model = LinearGaussian::new();
    let x = matrix([[1.2, -0.3, 2.0]], &model.device);
    let cases = [
        (normal(&[0.0, 0.0], &[1.0, 1.0], &model.device), -19.759_594_828_8),
        (normal(&[0.5, 0.0], &[0.1, 0.1], &model.device), -5.337_179_921_8),
    ];
    for (q, analytic) in cases {
        let (elbo, error) = model.sampled_elbo(&x, &q);
        assert!((elbo - analytic).abs() < 4.0 * error, "{elbo} ± {error}, analytic {analytic}");
        assert!(elbo < LOG_P_X);
    }
}

#[test]
fn the_unlabelled_bound_is_the_brute_force_sum() {
    let device = device();
    let logits = matrix([[0.2, -1.0, 3.0]], &device).require_grad();
    let losses = matrix([[101.5, 99.0, 100.25]], &device);
    let q = Categorical { logits: logits.clone() };
    let expected = [0.056_351_231_9, 0.016_972_664_9, 0.926_676_103_3];
    numbers(&q.log_probs()).iter().zip(expected).for_each(|(log_q, q)| assert_close(log_q.exp(), q, 1e-9));
    assert_close(only(&q.entropy()), 0.301_825_286_4, 1e-9);
    assert_close(only(&q.expect(losses.clone())), 100.299_223_208_7, 1e-9);
    let u = q.expect(losses.clone()) - q.entropy();
    assert_close(only(&u), 99.997_397_922_4, 1e-9);
    let gradient = numbers(&logits.grad(&u.sum().backward()).unwrap());
    let expected = [-0.077_401_183_8, -0.086_111_648_6, 0.163_512_832_4];
    gradient.iter().zip(expected).for_each(|(&found, expected)| assert_close(found, expected, 1e-9));
    assert_close(gradient.iter().sum(), 0.0, 1e-9);
    // Nothing is lower than the bound at q ∝ exp(−L).
    let best = Categorical { logits: -losses.clone() };
    assert_close(only(&(best.expect(losses) - best.entropy())), 98.686_219_136_6, 1e-9);
}

/// p(y) = 1/2, p(z) = 𝒩(0, 1), p(x | y, z) = 𝒩(1.5 z + μ_y, 0.5), μ = (−2, 2), as an M2 whose networks are
/// exact: two ReLU units make any linear function, t = relu(t) − relu(−t).
fn known_m2(q: Q) -> M2 {
    let layout = Layout { numeric: 1, yes_no: 0, categories: vec![], image: None };
    let config = M2Config { latent: 1, hidden: vec![2], activation: Activation::Relu, ..M2Config::default() };
    let model = config.init(&layout, 2, &mut Noise::new(1, 0, &device()));
    let posterior_variance: f64 = 0.5 / (0.5 + 2.25);
    let slope = 1.5 / 0.5 * posterior_variance;
    with_parameters(model, |name, _| match (name, q) {
        ("p_x.trunk.first.weights.0", _) => vec![-2.0, 2.0, 2.0, -2.0],
        ("p_x.trunk.first.weights.1", _) => vec![1.5, -1.5],
        ("p_x.out.weight", _) => vec![1.0, -1.0],
        ("p_x.log_var", _) => vec![0.5f64.ln()],
        ("q_z.trunk.first.weights.0", Q::Exact) => vec![slope, -slope],
        ("q_z.trunk.first.weights.1", Q::Exact) => vec![2.0 * slope, -2.0 * slope, -2.0 * slope, 2.0 * slope],
        ("q_z.mean.weight", Q::Exact) => vec![1.0, -1.0],
        ("q_z.log_var.bias", Q::Exact) => vec![posterior_variance.ln()],
        // ln p(x | y) = μ_y x / 2.75 + what both classes share: the variance of x given y is 2.25 + 0.5.
        ("q_y.trunk.first.weights.0", Q::Exact) => vec![1.0 / 2.75, -1.0 / 2.75],
        ("q_y.logits.weight", Q::Exact) => vec![-2.0, 2.0, 2.0, -2.0],
        (name, _) => vec![0.0; if name.ends_with("weights.1") || name == "q_y.logits.weight" { 4 } else { size(name) }],
    })
}

#[derive(Clone, Copy)]
enum Q {
    Exact,
    /// q(z) = 𝒩(0, 1), q(y) = 1/2.
    Prior,
}

fn size(name: &str) -> usize {
    match name {
        "q_z.mean.bias" | "q_z.log_var.bias" | "p_x.out.bias" => 1,
        _ => 2,
    }
}

/// Noise ±1 has the mean and the variance of a standard normal, so the mean of these two draws of a
/// bound that is quadratic in the noise is its expectation, exactly.
fn plus_and_minus_one(per_row: usize) -> Noise {
    let draws = [vec![1.0; per_row], vec![-1.0; per_row]].concat();
    Noise::recorded(draws, &device()).with_dtype(DType::F64)
}

#[test]
fn m2_gives_the_known_answers_of_a_model_it_can_represent() {
    let device = device();
    let x = matrix([[0.7], [0.7]], &device);
    let mean =
        |values: Vec<f64>, column: usize, columns: usize| f64::midpoint(values[column], values[columns + column]);
    for (q, l, u) in [
        (Q::Exact, [3.443_340_715_1, 2.425_158_896_9], 2.116_754_646_7),
        (Q::Prior, [10.805_512_123_5, 5.205_512_123_5], 7.312_364_942_9),
    ] {
        let m2 = known_m2(q);
        let every = Pairs::every_class(2, 2);
        let per_class = numbers(&m2.elbo_xy(&x, &every, &mut plus_and_minus_one(2)));
        assert_close(-mean(per_class.clone(), 0, 2), l[0], 1e-9);
        assert_close(-mean(per_class, 1, 2), l[1], 1e-9);
        let own = Pairs::own(&[1, 1].into());
        let labelled = numbers(&m2.elbo_xy(&x, &own, &mut plus_and_minus_one(1)));
        assert_close(-mean(labelled, 0, 1), l[1], 1e-9);
        let q_y = Categorical { logits: m2.classify(&x) };
        let elbo_xy = m2.elbo_xy(&x, &every, &mut plus_and_minus_one(2)).reshape([2, 2]);
        let unlabelled = numbers(&elbo_x(&q_y, elbo_xy));
        assert_close(-mean(unlabelled, 0, 1), u, 1e-9);
    }
    let posterior = numbers(&Categorical { logits: known_m2(Q::Exact).classify(&x) }.log_probs());
    assert_close(posterior[0].exp(), 0.265_381_711_6, 1e-9);
    assert_close(posterior[1].exp(), 0.734_618_288_4, 1e-9);
    // The bound that `predict` reports puts all of q(y) on the likelier class.
    let density = numbers(&known_m2(Q::Exact).log_density(&x, &mut plus_and_minus_one(1)));
    assert_close(mean(density, 0, 1), -2.425_158_896_9, 1e-9);
}
