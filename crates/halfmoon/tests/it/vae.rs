//! The autoencoder against closed forms: checks A3 and A4 of the reference.

use burn::tensor::{DType, Tensor, TensorData};
use halfmoon::model::{Batch, Counts, LogDensity, Model, Moment};
use halfmoon::models::Vae;
use halfmoon::nets::{Activation, Hidden, Norm};
use halfmoon::noise::Noise;
use halfmoon::ops::Adam;
use halfmoon::train::Update;
use halfmoon_pool::encode::Layout;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::gradients::assert_agrees;
use crate::support::{device, matrix, numbers, with_parameters};

fn columns(numeric: usize) -> Layout {
    Layout { numeric, yes_no: 0, categories: vec![], image: None }
}

/// p(z) = 𝒩(0, 1), p(x | z) = 𝒩(z, 1), and q(z | x) = 𝒩(0, 1) whatever x is.
fn prior_as_posterior() -> Vae {
    let hidden = Hidden { widths: &[1], activation: Activation::Identity, norm: Norm::None };
    let vae = Vae::new(&columns(1), &hidden, 1, 0, &mut Noise::new(1, 0, &device()));
    with_parameters(vae, |name, _| match name {
        "p_x.trunk.first.weights.0" | "p_x.out.weight" => vec![1.0],
        _ => vec![0.0],
    })
}

#[test]
fn the_importance_bound_rises_to_log_p_with_its_samples() {
    let (vae, rows) = (prior_as_posterior(), 40_000_usize);
    let x = Tensor::<2>::ones([rows, 1], &device()).cast(DType::F64);
    let bound = |samples: usize| {
        let mut noise = Noise::new(7, samples as u64, &device()).with_dtype(DType::F64);
        let each = numbers(&vae.importance_bound(&x, samples, &mut noise).unwrap());
        let mean = each.iter().sum::<f64>() / rows as f64;
        let variance = each.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / rows as f64;
        (mean, (variance / rows as f64).sqrt())
    };
    // A4: in closed form for 1 sample, by quadrature for 2, by simulation for more; log p(x) itself is exact.
    let log_p = -1.515_512_123_5;
    let mut below = f64::NEG_INFINITY;
    for (samples, expected, own_error) in
        [(1, -1.918_938_533_2, 0.0), (2, -1.653_473_786_6, 0.0), (5, -1.5573, 0.0006), (50, -1.5192, 0.0004)]
    {
        let (mean, error) = bound(samples);
        let allowed = 4.0 * (error + own_error);
        assert!((mean - expected).abs() < allowed, "{samples} samples: {mean}, expected {expected} within {allowed}");
        assert!(mean >= below - 3.0 * error && mean <= log_p + 3.0 * error, "{samples} samples: {mean}");
        below = mean;
    }
}

#[test]
fn one_importance_sample_is_a_sampled_elbo() {
    // With q(z | x) = p(z) both are log p(x | z) for the same z.
    let vae = prior_as_posterior();
    let x = matrix([[0.3], [-1.2]], &device());
    let noise = || Noise::recorded(vec![0.4, -0.9], &device()).with_dtype(DType::F64);
    let bound = numbers(&vae.importance_bound(&x, 1, &mut noise()).unwrap());
    let by_hand = |x: f64, z: f64| -0.5 * ((2.0 * std::f64::consts::PI).ln() + (x - z).powi(2));
    let elbo = numbers(&vae.log_density(&x, &mut noise()));
    for (at, (x, z)) in [(0.3, 0.4), (-1.2, -0.9)].into_iter().enumerate() {
        assert!((bound[at] - by_hand(x, z)).abs() < 1e-12 && (elbo[at] - by_hand(x, z)).abs() < 1e-12);
    }
}

/// Rows of the linear-Gaussian model of A3, x = W z + b + noise of variance 0.5, and their mean exact log-likelihood.
fn linear_gaussian(rows: usize) -> (Tensor<2>, f64) {
    let (w, b) = ([[1.0, 2.0], [2.0, -1.0], [2.0, 0.0]], [0.5, -1.0, 0.25]);
    let mut noise = Noise::new(3, 0, &device()).with_dtype(DType::F64);
    let (z, e) = (numbers(&noise.normal([rows, 2])), numbers(&noise.normal([rows, 3])));
    let mut x = Vec::new();
    let mut total = 0.0;
    for row in 0..rows {
        let z = &z[2 * row..2 * row + 2];
        let each: Vec<f64> =
            (0..3).map(|i| w[i][0] * z[0] + w[i][1] * z[1] + b[i] + 0.5f64.sqrt() * e[3 * row + i]).collect();
        total += log_likelihood(w, b, &each);
        x.extend(each);
    }
    let x = TensorData::new(x, [rows, 3]).convert::<f32>();
    (Tensor::from_data(x, &device()), total / rows as f64)
}

/// log 𝒩(x; b, W Wᵀ + 0.5 I). The columns of W are orthogonal, with squared lengths 9 and 5, so along them x has the
/// variances 9.5 and 5.5, and 0.5 across.
fn log_likelihood(w: [[f64; 2]; 3], b: [f64; 3], x: &[f64]) -> f64 {
    let centred: Vec<f64> = x.iter().zip(b).map(|(x, b)| x - b).collect();
    let along = |column: usize, squared: f64| (0..3).map(|i| w[i][column] * centred[i]).sum::<f64>().powi(2) / squared;
    let (first, second) = (along(0, 9.0), along(1, 5.0));
    let rest = centred.iter().map(|x| x * x).sum::<f64>() - first - second;
    let log_det = (9.5f64 * 5.5 * 0.5).ln();
    -0.5 * (3.0 * (2.0 * std::f64::consts::PI).ln() + log_det + first / 9.5 + second / 5.5 + rest / 0.5)
}

#[test]
fn the_exact_log_likelihood_of_the_linear_model_is_the_references() {
    let w = [[1.0, 2.0], [2.0, -1.0], [2.0, 0.0]];
    let found = log_likelihood(w, [0.5, -1.0, 0.25], &[1.2, -0.3, 2.0]);
    assert!((found - -5.040_618_414_1).abs() < 1e-9, "{found}");
}

#[test]
fn a_linear_autoencoder_learns_the_exact_likelihood() {
    let (x, exact) = linear_gaussian(4000);
    let hidden = Hidden { widths: &[8], activation: Activation::Identity, norm: Norm::None };
    let mut vae = Vae::new(&columns(3), &hidden, 2, 0, &mut Noise::new(5, 0, &device()));
    let mut optimizer = Adam::default().init();
    let steps: u32 = 4000;
    for step in 0..steps {
        let start = (step as usize * 500) % 4000;
        let batch = Batch {
            x: x.clone().slice_dim(0, 0..0),
            y: [].into(),
            u: x.clone().slice_dim(0, start..start + 500),
            open: [].into(),
            counts: Counts { labelled: 0, unlabelled: 4000 },
            moment: Moment::default(),
        };
        let rate = 1e-2 * (1.0 - f64::from(step) / f64::from(steps));
        let mut noise = Noise::new(6, u64::from(step), &device());
        let mut update = Update { optimizer: &mut optimizer, rate, max_norm: 0.0 };
        (vae, _) = vae.step(&batch, &mut (), &mut noise, &mut update);
    }
    let draws = 50;
    let each = |draw| numbers(&vae.elbo(&x, 1.0, &mut Noise::new(8, draw, &device()))).iter().sum::<f64>() / 4000.0;
    let bound = (0..draws).map(each).sum::<f64>() / draws as f64;
    assert!((bound - exact).abs() < 1e-2, "a bound of {bound} nats, where the data's exact mean is {exact}");
}

#[test]
fn its_gradients_agree_with_central_differences() {
    let layout = Layout { numeric: 2, yes_no: 3, categories: vec![3], image: None };
    let hidden = Hidden { widths: &[5, 4], activation: Activation::Softplus, norm: Norm::None };
    let device = device();
    let mut scale = 0.1;
    let vae = with_parameters(Vae::new(&layout, &hidden, 2, 0, &mut Noise::new(1, 0, &device)), |_, numbers| {
        numbers
            .iter()
            .map(|_| {
                scale = (scale * 1.7 + 0.3) % 1.0;
                scale - 0.5
            })
            .collect()
    });
    let x = Noise::new(2, 0, &device).with_dtype(DType::F64).normal([5, 8]).clamp(-1.0, 1.0) / 2.0 + 0.5;
    let loss = |vae: &Vae| {
        let mut noise = Noise::new(4, 0, &device).with_dtype(DType::F64);
        -vae.elbo(&x, 0.37, &mut noise).mean()
    };
    assert_agrees("vae", &vae, usize::MAX, &mut ChaCha8Rng::seed_from_u64(1), loss);
}
