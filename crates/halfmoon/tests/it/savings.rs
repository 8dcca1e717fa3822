//! A7: what shares work between rows and classes computes the same as what repeats it, and costs what the
//! reference's table says (floating-point operations, two a multiply-accumulate, within 1 %).

use std::collections::BTreeMap;

use burn::backend::FloatDType;
use burn::module::Module;
use burn::tensor::{DType, Tensor, TensorData};
use halfmoon::branches::{SumOverClasses, elbo_x};
use halfmoon::dist::{Categorical, Normal};
use halfmoon::model::{Batch, Counts, Model, ModelConfig, Moment};
use halfmoon::models::{
    AdgmConfig, Auxiliary, AuxiliaryConfig, Inference, M2, M2Config, Preset, SdgmConfig, Structure,
};
use halfmoon::nets::Given::{Class, Pair, Row};
use halfmoon::nets::{Activation, CategoricalNet, Hidden, MixedNet, Norm, NormalNet};
use halfmoon::noise::Noise;
use halfmoon::ops::{Index, bernoulli_log_prob, count_macs, linear, rsample};
use halfmoon::pairs::Pairs;
use halfmoon_pool::encode::Layout;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{device, gradients, numbers, parameters, with_parameters};

/// Sizes of an M2 and of its batch.
#[derive(Clone, Copy)]
struct Sizes {
    inputs: usize,
    hidden: &'static [usize],
    latent: usize,
    labelled: usize,
    unlabelled: usize,
}

const CLASSES: usize = 10;

impl Sizes {
    fn model(&self, layout: &Layout) -> M2 {
        let config = M2Config { latent: self.latent, hidden: self.hidden.to_vec(), ..M2Config::default() };
        config.init(layout, CLASSES, &mut Noise::new(3, 0, &device()))
    }

    fn batch(&self, dtype: DType) -> Batch {
        let mut noise = Noise::new(4, 0, &device()).with_dtype(dtype);
        let mut rows = |rows: usize| noise.normal([rows, self.inputs]).clamp(-1.5, 1.5) / 3.0 + 0.5;
        let (x, u) = (rows(self.labelled), rows(self.unlabelled));
        let y = (0..self.labelled as u32).map(|row| row % CLASSES as u32).collect();
        Batch {
            x,
            y,
            u,
            open: [].into(),
            counts: Counts { labelled: self.labelled, unlabelled: self.unlabelled },
            moment: Moment::default(),
        }
    }
}

fn grey(inputs: usize) -> Layout {
    Layout { numeric: 0, yes_no: inputs, categories: vec![], image: None }
}

/// A model as most public programs have it: inputs concatenated, unlabelled rows repeated for every class, the
/// classifier run once more for the classification term.
struct Naive {
    parameters: BTreeMap<String, Tensor<2>>,
    layers: usize,
}

impl Naive {
    fn new<M: Module>(model: &M, layers: usize, dtype: DType) -> Naive {
        let shapes = shapes(model);
        let parameters = parameters(model).into_iter().filter(|(_, values)| !values.is_empty());
        let tensor = |name: &str, values: Vec<f64>| {
            let data = TensorData::new(values, shapes[name]);
            Tensor::from_data(data, (&device(), dtype)).require_grad()
        };
        Naive { parameters: parameters.map(|(name, values)| (name.clone(), tensor(&name, values))).collect(), layers }
    }

    fn get(&self, name: &str) -> Tensor<2> {
        self.parameters[name].clone()
    }

    fn layer(&self, name: &str, x: Tensor<2>, activation: Activation) -> Tensor<2> {
        let bias = self.get(&format!("{name}.bias")).squeeze_dim(0);
        linear(x, self.get(&format!("{name}.weight")), Some(bias), activation)
    }

    fn trunk(&self, net: &str, inputs: Vec<Tensor<2>>) -> Tensor<2> {
        let weights = (0..inputs.len()).map(|i| self.get(&format!("{net}.trunk.first.weights.{i}"))).collect();
        let bias = self.get(&format!("{net}.trunk.first.bias")).squeeze_dim(0);
        let first = linear(Tensor::cat(inputs, 1), Tensor::cat(weights, 0), Some(bias), Activation::Relu);
        (1..self.layers)
            .fold(first, |h, layer| self.layer(&format!("{net}.trunk.hidden.{}", layer - 1), h, Activation::Relu))
    }

    fn q_y(&self, x: &Tensor<2>) -> Categorical {
        let h = self.trunk("q_y", vec![x.clone()]);
        Categorical { logits: self.layer("q_y.logits", h, Activation::Identity) }
    }

    fn normal(&self, net: &str, inputs: Vec<Tensor<2>>) -> Normal {
        let h = self.trunk(net, inputs);
        let mean = self.layer(&format!("{net}.mean"), h.clone(), Activation::Identity);
        Normal { mean, log_var: self.layer(&format!("{net}.log_var"), h, Activation::Identity) }
    }

    fn bernoulli(&self, inputs: Vec<Tensor<2>>, x: &Tensor<2>) -> Tensor<1> {
        let logits = self.layer("p_x.out", self.trunk("p_x", inputs), Activation::Identity);
        bernoulli_log_prob(logits, x, None)
    }
}

impl Naive {
    fn elbo_xy(&self, x: &Tensor<2>, y: &Tensor<2>, noise: Tensor<2>) -> Tensor<1> {
        let q_z = self.normal("q_z", vec![x.clone(), y.clone()]);
        let z = rsample(q_z.mean.clone(), q_z.log_var.clone(), noise);
        self.bernoulli(vec![y.clone(), z], x) - (CLASSES as f64).ln() - q_z.kl_to_standard()
    }

    fn loss(&self, Batch { x, y, u, .. }: &Batch, noise: Tensor<2>) -> Tensor<1> {
        let ([n, _], [m, d]) = (x.dims(), u.dims());
        let eye = Tensor::<2>::eye(CLASSES, &device()).cast(FloatDType::from(x.dtype()));
        let y_tensor = halfmoon::ops::index_tensor(y, &device());
        let own = self.elbo_xy(x, &eye.clone().select(0, y_tensor), noise.clone().slice_dim(0, 0..n));
        let tiled = u.clone().unsqueeze_dim::<3>(1).repeat_dim(1, CLASSES).reshape([m * CLASSES, d]);
        let every = self.elbo_xy(&tiled, &eye.repeat_dim(0, m), noise.slice_dim(0, n..n + m * CLASSES));
        let unlabelled = elbo_x(&self.q_y(u), every.reshape([m, CLASSES]));
        -unlabelled.mean() - own.mean() - self.q_y(x).log_prob(y).mean()
    }
}

/// Shape of each parameter, a bias as one row.
fn shapes<M: Module>(model: &M) -> BTreeMap<String, [usize; 2]> {
    let widths: BTreeMap<String, usize> = parameters(model).into_iter().map(|(name, p)| (name, p.len())).collect();
    let outputs = |name: &str| {
        let (net, _) = name.rsplit_once('.').unwrap();
        let net = net.strip_suffix(".weights").unwrap_or(net);
        widths.get(&format!("{net}.bias")).copied().unwrap_or(1)
    };
    let shape = |(name, &count): (&String, &usize)| {
        let columns = if name.ends_with("bias") { count } else { outputs(name) };
        (name.clone(), [count / columns.max(1), columns])
    };
    widths.iter().filter(|(_, count)| **count > 0).map(shape).collect()
}

fn agree(sizes: Sizes, dtype: DType, tolerance: f64) {
    let model = in_precision(sizes.model(&grey(sizes.inputs)), dtype);
    let batch = sizes.batch(dtype);
    let pairs = sizes.labelled + CLASSES * sizes.unlabelled;
    let noise = || Noise::new(5, 0, &device()).with_dtype(dtype);
    let loss = model.loss(&batch, &mut (), &mut noise()).total();
    let naive = Naive::new(&model, sizes.hidden.len(), dtype);
    let repeated = naive.loss(&batch, noise().normal([pairs, sizes.latent]));
    assert_same(&model, &loss, &naive, &repeated, tolerance);
}

fn in_precision<M: Module>(model: M, dtype: DType) -> M {
    if dtype == DType::F64 { with_parameters(model, |_, numbers| numbers) } else { model }
}

/// The losses, and every gradient of them.
fn assert_same<M: Module>(model: &M, loss: &Tensor<1>, naive: &Naive, repeated: &Tensor<1>, tolerance: f64) {
    let near = |name: &str, found: &[f64], exact: &[f64]| {
        let size = exact.iter().fold(0f64, |size, number| size.max(number.abs()));
        let worst = found.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst <= tolerance * size, "{name}: {worst} apart, the largest being {size}");
    };
    near("loss", &numbers(loss), &numbers(repeated));
    let (found, exact) = (gradients(model, &loss.backward()), repeated.backward());
    assert!(found.len() >= naive.parameters.len());
    for (name, parameter) in &naive.parameters {
        near(name, &found[name], &numbers(&parameter.grad(&exact).unwrap()));
    }
}

#[test]
fn shared_work_gives_the_loss_and_every_gradient_of_repeated_work() {
    for hidden in [&[17][..], &[17, 9]] {
        let sizes = Sizes { inputs: 33, hidden, latent: 5, labelled: 4, unlabelled: 7 };
        agree(sizes, DType::F64, 1e-10);
        agree(sizes, DType::F32, 2e-5);
    }
}

/// Billions of floating-point operations: forward, and with both kinds of gradients.
fn cost(run: impl Fn() -> Tensor<1>) -> [f64; 2] {
    let giga = |macs: u64| 2e-9 * macs as f64;
    let (loss, forward) = count_macs(&run);
    let (_, backward) = count_macs(|| loss.backward());
    [giga(forward), giga(forward + backward)]
}

fn assert_costs(name: &str, found: [f64; 2], table: [f64; 2]) {
    println!("{name}: {found:.2?} for {table:?}");
    for (found, table) in found.iter().zip(table) {
        // The table gives three digits.
        assert!((found - table).abs() <= 0.01 * table, "{name}: {found} for {table}");
    }
}

#[test]
fn a_step_of_m2_costs_what_the_table_says() {
    let m2 = |inputs, hidden, labelled, unlabelled| Sizes { inputs, hidden, latent: 50, labelled, unlabelled };
    for (name, sizes, layout, naive, split) in [
        ("500, 100+100", m2(784, &[500], 100, 100), grey(784), [2.07, 5.18], [1.34, 3.72]),
        ("500, 1+499", m2(784, &[500], 1, 499), grey(784), [9.07, 22.9], [5.45, 15.6]),
        ("500-500, 100+100", m2(784, &[500, 500], 100, 100), grey(784), [3.27, 8.78], [2.54, 7.32]),
        ("500-500, 1+499", m2(784, &[500, 500], 1, 499), grey(784), [14.3, 38.6], [10.7, 31.3]),
    ] {
        let (model, batch) = (sizes.model(&layout), sizes.batch(DType::F32));
        let noise = || Noise::new(5, 0, &device());
        assert_costs(name, cost(|| model.loss(&batch, &mut (), &mut noise()).total()), split);
        let repeated = Naive::new(&model, sizes.hidden.len(), DType::F32);
        let pairs = sizes.labelled + CLASSES * sizes.unlabelled;
        assert_costs(name, cost(|| repeated.loss(&batch, noise().normal([pairs, 50]))), naive);
    }
}

#[test]
fn the_top_of_m1_m2_costs_what_the_table_says() {
    for (inputs, split) in [(50, [1.30, 3.86]), (15, [0.92, 2.74])] {
        let sizes = Sizes { inputs, hidden: &[500], latent: 50, labelled: 1, unlabelled: 499 };
        let layout = Layout { numeric: inputs, yes_no: 0, categories: vec![], image: None };
        let (model, batch) = (sizes.model(&layout), sizes.batch(DType::F32));
        // The table's Gaussian output has two heads; ours keeps one variance a column.
        let second_head = [2.0 * 4991.0 * 500.0 * f64::from(u32::try_from(inputs).unwrap()) * 1e-9, 0.0];
        let [forward, total] = cost(|| model.loss(&batch, &mut (), &mut Noise::new(5, 0, &device())).total());
        assert_costs("M1+M2", [forward + second_head[0], total + 3.0 * second_head[0]], split);
    }
}

/// ADGM or SDGM as most public programs have them, but for one thing: every class of a row has the same a, as the bound
/// says. Unlabelled rows are repeated for every class, and q(a | x) is run for each of them, for q(y | a, x) and once more
/// for the classification term.
fn repeated_auxiliary(
    naive: &Naive,
    structure: Structure,
    Batch { x, y, u, .. }: &Batch,
    samples: usize,
    [of_a, of_z]: [Tensor<2>; 2],
) -> Tensor<1> {
    let each = |x: Tensor<2>, times: usize| -> Tensor<2> {
        let [rows, width] = x.dims();
        x.unsqueeze_dim::<3>(1).repeat_dim(1, times).reshape([rows * times, width])
    };
    let (x, u) = (each(x.clone(), samples), each(u.clone(), samples));
    let ([n, _], [m, _]) = (x.dims(), u.dims());
    let a = |x: &Tensor<2>, noise: Tensor<2>| {
        let q_a = naive.normal("q_a", vec![x.clone()]);
        let a = rsample(q_a.mean.clone(), q_a.log_var.clone(), noise);
        (q_a.log_prob(&a), a)
    };
    let q_y = |x: &Tensor<2>, noise| {
        let h = naive.trunk("q_y", vec![a(x, noise).1, x.clone()]);
        Categorical { logits: naive.layer("q_y.logits", h, Activation::Identity) }
    };
    let bound = |x: &Tensor<2>, y: Tensor<2>, of_a: Tensor<2>, of_z: Tensor<2>| {
        let (log_q_a, a) = a(x, of_a);
        let q_z = naive.normal("q_z", vec![a.clone(), y.clone(), x.clone()]);
        let z = rsample(q_z.mean.clone(), q_z.log_var.clone(), of_z);
        let (p_a, log_p_x) = match structure {
            Structure::Adgm => {
                let p_a = naive.normal("p_a", vec![x.clone(), y.clone(), z.clone()]);
                (p_a, naive.bernoulli(vec![y, z], x))
            }
            Structure::Sdgm => {
                let p_a = naive.normal("p_a", vec![y.clone(), z.clone()]);
                (p_a, naive.bernoulli(vec![a.clone(), y, z], x))
            }
        };
        log_p_x - (CLASSES as f64).ln() + p_a.log_prob(&a) - log_q_a - q_z.kl_to_standard()
    };
    let eye = Tensor::<2>::eye(CLASSES, &device()).cast(FloatDType::from(x.dtype()));
    let y: Index = y.iter().flat_map(|&class| std::iter::repeat_n(class, samples)).collect();
    let one_hot = eye.clone().select(0, halfmoon::ops::index_tensor(&y, &device()));
    let (a_own, a_others) = (of_a.clone().slice_dim(0, 0..n), of_a.slice_dim(0, n..n + m));
    let own = bound(&x, one_hot, a_own.clone(), of_z.clone().slice_dim(0, 0..n));
    let z_others = each(of_z.slice_dim(0, n..n + m), CLASSES);
    let every = bound(&each(u.clone(), CLASSES), eye.repeat_dim(0, m), each(a_others.clone(), CLASSES), z_others);
    let unlabelled = elbo_x(&q_y(&u, a_others), every.reshape([m, CLASSES]));
    -unlabelled.mean() - own.mean() - q_y(&x, a_own).log_prob(&y).mean() * 60.0
}

fn auxiliary(structure: Structure, hidden: &[usize], sizes: usize, n_mc: usize, inputs: usize) -> Auxiliary {
    let config = AuxiliaryConfig {
        latent: sizes,
        auxiliary: sizes,
        hidden: hidden.to_vec(),
        norm: Norm::None,
        inference: Inference::Full,
        n_mc,
        sum_over_classes: SumOverClasses::Exact,
        skip_below: 0.0,
        preset: Preset::Wohlert,
        balance: 0.0,
        labelled: None,
        classify: None,
        ..AuxiliaryConfig::default()
    };
    let noise = &mut Noise::new(3, 0, &device());
    match structure {
        Structure::Adgm => AdgmConfig(config).init(&grey(inputs), CLASSES, noise),
        Structure::Sdgm => SdgmConfig(config).init(&grey(inputs), CLASSES, noise),
    }
}

/// The noise of a step, as the model draws it.
fn noise_of_a_step(batch: &Batch, samples: usize, sizes: usize, noise: &mut Noise) -> [Tensor<2>; 2] {
    let (n, m) = (batch.x.dims()[0] * samples, batch.u.dims()[0] * samples);
    let of_a = noise.normal([n + m, sizes]);
    [of_a, noise.normal([n + m, sizes])]
}

#[test]
fn shared_work_of_the_auxiliary_models_gives_the_loss_and_every_gradient_of_repeated_work() {
    for (structure, samples, dtype, tolerance) in [
        (Structure::Adgm, 1, DType::F64, 1e-10),
        (Structure::Adgm, 3, DType::F64, 1e-10),
        (Structure::Sdgm, 1, DType::F64, 1e-10),
        (Structure::Sdgm, 3, DType::F64, 1e-10),
        (Structure::Adgm, 3, DType::F32, 2e-5),
        (Structure::Sdgm, 3, DType::F32, 2e-5),
    ] {
        let sizes = Sizes { inputs: 33, hidden: &[17, 9], latent: 5, labelled: 4, unlabelled: 7 };
        let batch = sizes.batch(dtype);
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let mut model = auxiliary(structure, sizes.hidden, 5, samples, 33);
        if dtype == DType::F64 {
            // Gaussian heads that are not near zero.
            model = with_parameters(model, |_, numbers| numbers.iter().map(|_| rng.random_range(-0.3..0.3)).collect());
        }
        let noise = || Noise::new(5, 0, &device()).with_dtype(dtype);
        let loss = model.loss(&batch, &mut (), &mut noise()).total();
        let naive = Naive::new(&model, 2, dtype);
        let of_step = noise_of_a_step(&batch, samples, 5, &mut noise());
        let repeated = repeated_auxiliary(&naive, structure, &batch, samples, of_step);
        assert_same(&model, &loss, &naive, &repeated, tolerance);
    }
}

#[test]
fn a_step_of_the_auxiliary_models_costs_what_the_table_says() {
    for (structure, samples, naive, split) in [
        (Structure::Adgm, 1, [7.25, 20.7], [4.08, 11.6]),
        (Structure::Adgm, 5, [36.2, 104.0], [17.3, 51.4]),
        (Structure::Adgm, 10, [72.5, 207.0], [33.9, 101.0]),
        (Structure::Sdgm, 1, [6.50, 18.5], [3.95, 11.4]),
        (Structure::Sdgm, 5, [32.5, 92.3], [17.3, 51.4]),
    ] {
        let sizes = Sizes { inputs: 784, hidden: &[500, 500], latent: 100, labelled: 100, unlabelled: 100 };
        let (model, batch) = (auxiliary(structure, sizes.hidden, 100, samples, 784), sizes.batch(DType::F32));
        let noise = || Noise::new(5, 0, &device());
        let name = format!("{structure:?}, S = {samples}");
        assert_costs(&name, cost(|| model.loss(&batch, &mut (), &mut noise()).total()), split);
        let repeated = Naive::new(&model, 2, DType::F32);
        let of_step = noise_of_a_step(&batch, samples, 100, &mut noise());
        assert_costs(&name, cost(|| repeated_auxiliary(&repeated, structure, &batch, samples, of_step.clone())), naive);
    }
}

#[test]
fn a_vae_and_an_m2_of_five_samples_cost_what_the_table_says() {
    let mut init = Noise::new(3, 0, &device());
    let x: Tensor<2> = Noise::new(4, 0, &device()).normal([200, 784]);
    let deep = Hidden { widths: &[500, 500], activation: Activation::Softplus, norm: Norm::None };
    let (q_z, p_x) = (NormalNet::new(&[784], &deep, 50, &mut init), MixedNet::new(&[50], &deep, &grey(784), &mut init));
    let vae = || {
        let q_z = q_z.of(&x);
        let p_x = p_x.of(&q_z.rsample(&mut Noise::new(5, 0, &device())));
        p_x.log_prob(&x, None).sum() + q_z.kl_to_standard().sum()
    };
    assert_costs("GC-VAE", cost(vae), [0.54, 1.47]);

    // The mean and the variance of z are those of a pair; only what comes after z is done once a sample.
    let hidden = Hidden { widths: &[500], activation: Activation::Relu, norm: Norm::None };
    let q_y = CategoricalNet::new(&[784], &hidden, CLASSES, &mut init);
    let q_z = NormalNet::new(&[784, CLASSES], &hidden, 50, &mut init);
    let p_x = MixedNet::new(&[CLASSES, 50], &hidden, &grey(784), &mut init);
    let pairs = Pairs::own(&(0..100).map(|row| row % 10).collect()).then(&Pairs::every_class(100, CLASSES));
    let five = |index: &[u32]| index.iter().flat_map(|&i| [i; 5]).collect();
    let (class, row) = (Pairs::own(&five(pairs.class())), five(pairs.row()));
    let m2 = || {
        let posterior = q_z.given(&pairs, [Row(&x), Class]);
        let pair = five(&(0..1100).collect::<Vec<u32>>());
        let [mean, log_var] = [posterior.mean, posterior.log_var].map(|of| halfmoon::ops::pick(of, Some(&pair)));
        let z = Normal { mean, log_var }.rsample(&mut Noise::new(5, 0, &device()));
        p_x.given(&class, [Class, Pair(&z)]).log_prob(&x, Some(&row)).sum() + q_y.of(&x).logits.sum()
    };
    assert_costs("M2, five samples", cost(m2), [5.01, 14.7]);
}
