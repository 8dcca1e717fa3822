//! A7: what shares work between rows and classes computes the same as what repeats it, and costs what the
//! reference's table says (floating-point operations, two a multiply-accumulate, within 1 %).

use std::collections::BTreeMap;

use burn::backend::FloatDType;
use burn::module::Module;
use burn::tensor::{DType, Tensor, TensorData};
use halfmoon::dist::{Categorical, Normal};
use halfmoon::model::{Batch, Counts, Model, ModelConfig, Moment};
use halfmoon::models::{M2, M2Config, elbo_x};
use halfmoon::nets::Given::{At, Class, Pair, Row};
use halfmoon::nets::{Activation, CategoricalNet, Hidden, MixedNet, NormalNet};
use halfmoon::noise::Noise;
use halfmoon::ops::{bernoulli_log_prob, count_macs, kl_to_standard, linear, rsample};
use halfmoon::pairs::Pairs;
use halfmoon_pool::encode::Layout;

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
            counts: Counts { labelled: self.labelled, unlabelled: self.unlabelled },
            moment: Moment::default(),
        }
    }
}

fn grey(inputs: usize) -> Layout {
    Layout { numeric: 0, yes_no: inputs, categories: vec![], image: None }
}

/// M2 as most public programs have it: inputs concatenated, unlabelled rows repeated for every class, the
/// classifier run once more for the classification term.
struct Naive {
    parameters: BTreeMap<String, Tensor<2>>,
    layers: usize,
}

impl Naive {
    fn new(model: &M2, layers: usize, dtype: DType) -> Naive {
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

    fn elbo_xy(&self, x: &Tensor<2>, y: &Tensor<2>, noise: Tensor<2>) -> Tensor<1> {
        let h = self.trunk("q_z", vec![x.clone(), y.clone()]);
        let mean = self.layer("q_z.mean", h.clone(), Activation::Identity);
        let log_var = self.layer("q_z.log_var", h, Activation::Identity);
        let z = rsample(mean.clone(), log_var.clone(), noise);
        let logits = self.layer("p_x.out", self.trunk("p_x", vec![y.clone(), z]), Activation::Identity);
        bernoulli_log_prob(logits, x, None) - (CLASSES as f64).ln() - kl_to_standard(mean, log_var)
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
fn shapes(model: &M2) -> BTreeMap<String, [usize; 2]> {
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
    let mut model = sizes.model(&grey(sizes.inputs));
    if dtype == DType::F64 {
        model = with_parameters(model, |_, numbers| numbers);
    }
    let batch = sizes.batch(dtype);
    let pairs = sizes.labelled + CLASSES * sizes.unlabelled;
    let noise = || Noise::new(5, 0, &device()).with_dtype(dtype);
    let loss = model.loss(&batch, &mut (), &mut noise()).total();
    let naive = Naive::new(&model, sizes.hidden.len(), dtype);
    let repeated = naive.loss(&batch, noise().normal([pairs, sizes.latent]));
    let near = |name: &str, found: &[f64], exact: &[f64]| {
        let size = exact.iter().fold(0f64, |size, number| size.max(number.abs()));
        let worst = found.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst <= tolerance * size, "{name}: {worst} apart, the largest being {size}");
    };
    near("loss", &numbers(&loss), &numbers(&repeated));
    let (found, exact) = (gradients(&model, &loss.backward()), repeated.backward());
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

/// Networks of the auxiliary models (Maaløe et al. 2016), 784 inputs, two layers of 500, a and z of 100.
#[derive(Module, Debug)]
struct Auxiliary {
    q_a: NormalNet,
    q_y: CategoricalNetOfTwo,
    q_z: NormalNet,
    p_a: NormalNet,
    p_x: MixedNet,
}

/// q(y | a, x): a classifier's logits are what the mean of a Gaussian with c outputs would be.
type CategoricalNetOfTwo = MixedNet;

#[test]
fn the_auxiliary_models_cost_what_the_table_says() {
    let hidden = Hidden { widths: &[500, 500], activation: Activation::Relu };
    let (rows, labelled, latent) = (200, 100, 100);
    let mut init = Noise::new(3, 0, &device());
    let mut net = |inputs: &[usize]| NormalNet::new(inputs, &hidden, latent, &mut init);
    let (q_a, q_z) = (net(&[784]), net(&[784, latent, CLASSES]));
    let (p_a, p_a_skip) = (net(&[784, CLASSES, latent]), net(&[CLASSES, latent]));
    let mut out = |inputs: &[usize], width| MixedNet::new(inputs, &hidden, &grey(width), &mut init);
    let q_y = out(&[latent, 784], CLASSES);
    let (p_x, p_x_skip) = (out(&[CLASSES, latent], 784), out(&[latent, CLASSES, latent], 784));
    let adgm = Auxiliary { q_a: q_a.clone(), q_y: q_y.clone(), q_z: q_z.clone(), p_a, p_x };
    let sdgm = Auxiliary { q_a, q_y, q_z, p_a: p_a_skip, p_x: p_x_skip };
    let x: Tensor<2> = Noise::new(4, 0, &device()).normal([rows, 784]);

    let run = |model: &Auxiliary, skip: bool, samples: usize| {
        // Every row has its own samples of a, and each of them all its classes.
        let drawn: Vec<u32> = (0..rows as u32).flat_map(|row| (0..samples).map(move |_| row)).collect();
        let of_row = Pairs::own(&drawn.iter().map(|_| 0).collect());
        let classes = |draw: usize| if drawn[draw] < labelled { 0..1 } else { 0..CLASSES as u32 };
        let pairs: Vec<(u32, u32)> =
            (0..drawn.len()).flat_map(|draw| classes(draw).map(move |c| (draw as u32, c))).collect();
        let class = Pairs::own(&pairs.iter().map(|(_, class)| *class).collect());
        let draw = pairs.iter().map(|(draw, _)| *draw).collect();
        let row = pairs.iter().map(|(draw, _)| drawn[*draw as usize]).collect();
        let drawn = drawn.iter().copied().collect();

        let noise = &mut Noise::new(6, 0, &device());
        let q_a = model.q_a.of(&x);
        let [mean, log_var] = [q_a.mean, q_a.log_var].map(|of| halfmoon::ops::pick(of, Some(&drawn)));
        let a = Normal { mean, log_var }.rsample(noise);
        let q_y = model.q_y.given(&of_row, [Pair(&a), At(&x, &drawn)]).outputs;
        let q_z = model.q_z.given(&class, [At(&x, &row), At(&a, &draw), Class]);
        let z = q_z.rsample(noise);
        let p_a = if skip {
            model.p_a.given(&class, [Class, Pair(&z)])
        } else {
            model.p_a.given(&class, [At(&x, &row), Class, Pair(&z)])
        };
        let p_x = if skip {
            model.p_x.given(&class, [At(&a, &draw), Class, Pair(&z)])
        } else {
            model.p_x.given(&class, [Class, Pair(&z)])
        };
        let a = halfmoon::ops::pick(a, Some(&draw));
        p_x.log_prob(&x, Some(&row)).sum() + p_a.log_prob(&a).sum() + q_y.sum() + q_z.kl_to_standard().sum()
    };
    for (samples, table) in [(1, [4.08, 11.6]), (5, [17.3, 51.4]), (10, [33.9, 101.0])] {
        assert_costs("ADGM", cost(|| run(&adgm, false, samples)), table);
    }
    for (samples, table) in [(1, [3.95, 11.4]), (5, [17.3, 51.4])] {
        assert_costs("SDGM", cost(|| run(&sdgm, true, samples)), table);
    }
}

#[test]
fn a_vae_and_an_m2_of_five_samples_cost_what_the_table_says() {
    let mut init = Noise::new(3, 0, &device());
    let x: Tensor<2> = Noise::new(4, 0, &device()).normal([200, 784]);
    let deep = Hidden { widths: &[500, 500], activation: Activation::Softplus };
    let (q_z, p_x) = (NormalNet::new(&[784], &deep, 50, &mut init), MixedNet::new(&[50], &deep, &grey(784), &mut init));
    let vae = || {
        let q_z = q_z.of(&x);
        let p_x = p_x.of(&q_z.rsample(&mut Noise::new(5, 0, &device())));
        p_x.log_prob(&x, None).sum() + q_z.kl_to_standard().sum()
    };
    assert_costs("GC-VAE", cost(vae), [0.54, 1.47]);

    // The mean and the variance of z are those of a pair; only what comes after z is done once a sample.
    let hidden = Hidden { widths: &[500], activation: Activation::Relu };
    let q_y = CategoricalNet::new(784, &hidden, CLASSES, &mut init);
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
