//! One workload of the comparison with PyTorch, timed on request: `bench/compare.py` runs it in turns with
//! `bench/torch_step.py`, which does the same work and speaks the same lines.
//!
//! ```text
//! cargo run --release -p halfmoon --example step -- vae-100 2
//! ```
//!
//! prints a line when it is ready, and then, for every number on standard input, the seconds that each of
//! that many iterations took. A third argument, `engine`, does without the kernels.

#![allow(clippy::print_stdout, reason = "the answers go to standard output")]

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::Instant;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Distribution, Tensor};
use halfmoon::branches::SumOverClasses;
use halfmoon::dist::Categorical;
use halfmoon::model::{Batch, Counts, Model, ModelConfig, Moment};
use halfmoon::models::{
    AdgmConfig, Auxiliary, AuxiliaryConfig, Inference, JemConfig, M2Config, Net, Preset, Recipe, SdgmConfig, Structure,
};
use halfmoon::nets::{Activation, CategoricalNet, Hidden, MixedNet, Norm, NormalNet, WideResNet, WideResNetConfig};
use halfmoon::noise::Noise;
use halfmoon::ops::{Adam, Index, count_macs, in_pool, linear, without_kernels};
use halfmoon::train::Update;
use halfmoon_pool::dataset::ImageShape;
use halfmoon_pool::encode::Layout;
use serde_json::json;

const PIXELS: usize = 784;
const CLASSES: usize = 10;

/// Something to do over and over.
type Workload = Box<dyn FnMut()>;

fn engines(mut workload: Workload) -> Workload {
    Box::new(move || without_kernels(&mut workload))
}

fn main() {
    halfmoon::ops::keep_freed_memory();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, threads, by_engine) = match &arguments[..] {
        [name, threads] => (name, threads, false),
        [name, threads, way] if way == "engine" => (name, threads, true),
        _ => {
            eprintln!("usage: step WORKLOAD THREADS [engine]");
            std::process::exit(2);
        }
    };
    // The pool is made before its first use: afterwards its size is settled.
    let threads: usize = threads.parse().expect("THREADS is a number");
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("the pool is made once");
    if !in_pool(|| serve(name, by_engine)) {
        eprintln!(
            "no workload {name}: vae-ROWS, m2-HIDDEN-LABELLED+UNLABELLED, adgm-SAMPLES[-live|-two], sdgm-…, wrn-forward, wrn-input, wrn-step, predict, matmul"
        );
        std::process::exit(2);
    }
}

/// Answers until the input ends; false if there is no such workload.
fn serve(name: &str, by_engine: bool) -> bool {
    let Some(workload) = workload(name) else { return false };
    let mut workload = if by_engine { engines(workload) } else { workload };
    let ((), macs) = count_macs(&mut workload);
    workload();
    answer(&json!({"ready": true, "macs": macs}));
    for line in std::io::stdin().lock().lines() {
        let count: usize = line.expect("text").trim().parse().expect("a number of iterations");
        let seconds: Vec<f64> = (0..count)
            .map(|_| {
                let started = Instant::now();
                workload();
                started.elapsed().as_secs_f64()
            })
            .collect();
        answer(&json!({"seconds": seconds}));
    }
    answer(&json!({"peak_mb": peak_mb()}));
    true
}

fn answer(line: &serde_json::Value) {
    println!("{line}");
    std::io::stdout().flush().expect("somebody reads");
}

fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

fn workload(name: &str) -> Option<Workload> {
    let device = Device::flex().autodiff();
    match name.split('-').collect::<Vec<_>>()[..] {
        ["vae", rows] => Some(vae(rows.parse().ok()?, &device)),
        ["m2", .., rows] => {
            let (labelled, unlabelled) = rows.split_once('+')?;
            let hidden: Option<Vec<usize>> =
                name.split('-').skip(1).take_while(|part| *part != rows).map(|width| width.parse().ok()).collect();
            Some(m2(hidden?, labelled.parse().ok()?, unlabelled.parse().ok()?, &device))
        }
        ["adgm", samples, ref how @ ..] => auxiliary(Structure::Adgm, samples.parse().ok()?, how, &device),
        ["sdgm", samples, ref how @ ..] => auxiliary(Structure::Sdgm, samples.parse().ok()?, how, &device),
        ["wrn", "forward"] => {
            let (model, x, _) = wide_resnet(&device);
            let (model, x) = (model.valid(), x.inner());
            Some(Box::new(move || sync(&model.forward(x.clone()))))
        }
        ["wrn", "input"] => {
            let (model, x, _) = wide_resnet(&device);
            let (model, x) = (model.no_grad(), x.require_grad());
            Some(Box::new(move || {
                let energy = model.forward(x.clone()).exp().sum_dim(1).log().sum();
                sync(&x.grad(&energy.backward()).expect("the energy depends on x"));
            }))
        }
        ["wrn", "step"] => {
            let (model, x, y) = wide_resnet(&device);
            let loss = move |model: &WideResNet| -Categorical { logits: model.forward(x.clone()) }.log_prob(&y).mean();
            Some(training(model, loss))
        }
        ["wrn", "jem"] => Some(wrn_jem(Recipe::Jem, &device)),
        ["wrn", "proximal"] => Some(wrn_jem(Recipe::Proximal, &device)),
        ["predict"] => {
            let hidden = Hidden { widths: &[500, 500], activation: Activation::Relu, norm: Norm::None };
            let model = CategoricalNet::new(&[PIXELS], &hidden, CLASSES, &mut Noise::new(1, 0, &device)).valid();
            let x = uniform([10_000, PIXELS], &device.inner());
            Some(Box::new(move || sync(&softmax(model.of(&x).logits, 1))))
        }
        ["matmul"] => {
            let (a, b) = (uniform([1024, 1024], &device.clone().inner()), uniform([1024, 1024], &device.inner()));
            Some(Box::new(move || sync(&linear(a.clone(), b.clone(), None, Activation::Identity))))
        }
        _ => None,
    }
}

/// A VAE 784-500-500-50 with Bernoulli likelihood: equation 10 of Kingma and Welling (2014).
#[derive(Module, Debug)]
struct Vae {
    q_z: NormalNet,
    p_x: MixedNet,
}

fn vae(rows: usize, device: &Device) -> Workload {
    let hidden = Hidden { widths: &[500, 500], activation: Activation::Softplus, norm: Norm::None };
    let mut noise = Noise::new(1, 0, device);
    let model = Vae {
        q_z: NormalNet::new(&[PIXELS], &hidden, 50, &mut noise),
        p_x: MixedNet::new(&[50], &hidden, &pixels(), &mut noise),
    };
    let x = uniform([rows, PIXELS], device);
    let (device, mut step) = (device.clone(), 0);
    training(model, move |model: &Vae| {
        step += 1;
        let q_z = model.q_z.of(&x);
        let z = q_z.rsample(&mut Noise::new(2, step, &device));
        -(model.p_x.of(&z).log_prob(&x, None) - q_z.kl_to_standard()).mean()
    })
}

fn m2(hidden: Vec<usize>, labelled: usize, unlabelled: usize, device: &Device) -> Workload {
    let config = M2Config { hidden, ..M2Config::default() };
    let model = config.init(&pixels(), CLASSES, &mut Noise::new(1, 0, device));
    steps_of(model, labelled, unlabelled, device)
}

/// The sizes of Maaløe et al. (2016), without normalisation, 100 + 100 rows. The sum is over all classes; with `live` over
/// those that a sure classifier leaves, with `two` over the likeliest and one drawn.
fn auxiliary(structure: Structure, samples: usize, how: &[&str], device: &Device) -> Option<Workload> {
    let (sum_over_classes, skip_below) = match how {
        [] => (SumOverClasses::Exact, 0.0),
        ["live"] => (SumOverClasses::Exact, 1e-12),
        ["two"] => (SumOverClasses::TopAndOne, 0.0),
        _ => return None,
    };
    let config = AuxiliaryConfig {
        latent: 100,
        auxiliary: 100,
        hidden: vec![500, 500],
        norm: Norm::None,
        inference: Inference::Full,
        n_mc: samples,
        sum_over_classes,
        skip_below,
        preset: Preset::Wohlert,
        balance: 0.0,
        labelled: None,
        classify: None,
        ..AuxiliaryConfig::default()
    };
    let noise = &mut Noise::new(1, 0, device);
    let model = match structure {
        Structure::Adgm => AdgmConfig(config).init(&pixels(), CLASSES, noise),
        Structure::Sdgm => SdgmConfig(config).init(&pixels(), CLASSES, noise),
    };
    let model = if how == ["live"] { sure(model) } else { model };
    Some(steps_of(model, 100, 100, device))
}

/// The model with a q(y | a, x) as sure as after some training: its logits are a hundred times as large.
fn sure(model: Auxiliary) -> Auxiliary {
    struct Sure(Vec<String>);
    impl ModuleMapper for Sure {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if self.0.join(".") != "q_y.logits.weight" {
                return param;
            }
            param.map(|weight| (weight.detach() * 100.0).detach().require_grad())
        }
    }
    model.map(&mut Sure(Vec::new()))
}

/// Steps of a model on one batch.
fn steps_of<M: Model + 'static>(model: M, labelled: usize, unlabelled: usize, device: &Device) -> Workload {
    let batch = Batch {
        x: uniform([labelled, PIXELS], device),
        y: classes(labelled),
        u: uniform([unlabelled, PIXELS], device),
        open: [].into(),
        counts: Counts { labelled, unlabelled },
        moment: Moment::default(),
    };
    steps_on(model, batch, device)
}

fn steps_on<M: Model + 'static>(model: M, batch: Batch, device: &Device) -> Workload {
    let mut model: Option<M> = Some(model);
    let (device, mut optimizer, mut step) = (device.clone(), Adam::default().init(), 0);
    Box::new(move || {
        step += 1;
        let mut update = Update { optimizer: &mut optimizer, rate: 1e-3, max_norm: 0.0 };
        let before = model.take().expect("put back below");
        let (after, loss) =
            before.step(&batch, &mut M::Memory::default(), &mut Noise::new(2, step, &device), &mut update);
        model = Some(after);
        black_box(loss.values());
    })
}

fn wide_resnet(device: &Device) -> (WideResNet, Tensor<2>, Index) {
    let shape = ImageShape { height: 32, width: 32, channels: 3, white: 255.0 };
    let config = WideResNetConfig { depth: 10, width: 2 };
    let model = WideResNet::new(config, shape, CLASSES, &mut Noise::new(1, 0, device));
    (model, uniform([64, 3 * 32 * 32], device), classes(64))
}

/// Steps of an energy: 64 labelled pictures, 64 others and 64 chains.
fn wrn_jem(recipe: Recipe, device: &Device) -> Workload {
    let image = ImageShape { height: 32, width: 32, channels: 3, white: 255.0 };
    let layout = Layout { numeric: 0, yes_no: image.len(), categories: vec![], image: Some(image) };
    let wide = WideResNetConfig { depth: 10, width: 2 };
    let config = JemConfig { net: Net::WideResnet, wide, ..JemConfig::of(recipe) };
    let model = config.init(&layout, CLASSES, &mut Noise::new(1, 0, device));
    let rows = || uniform([64, image.len()], device);
    let counts = Counts { labelled: 64, unlabelled: 64 };
    let batch = Batch { x: rows(), y: classes(64), u: rows(), open: [].into(), counts, moment: Moment::default() };
    steps_on(model, batch, device)
}

/// Steps of Adam down a loss.
fn training<M: Module + 'static>(model: M, mut loss: impl FnMut(&M) -> Tensor<1> + 'static) -> Workload {
    let mut model = Some(model);
    let mut optimizer: ModuleOptimizer = Adam::default().init();
    Box::new(move || {
        let before = model.take().expect("put back below");
        let loss = loss(&before);
        let gradients = GradientsParams::from_grads(loss.backward(), &before);
        model = Some(optimizer.step(1e-3, before, gradients));
        sync(&loss);
    })
}

/// The class of each row, one after the other.
fn classes(rows: usize) -> Index {
    let classes = 0..u32::try_from(CLASSES).expect("few classes");
    classes.cycle().take(rows).collect()
}

fn pixels() -> Layout {
    Layout { numeric: 0, yes_no: PIXELS, categories: vec![], image: None }
}

fn uniform(shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::random(shape, Distribution::Uniform(0.0, 1.0), device)
}

/// Waits for the numbers and looks at them.
fn sync<const D: usize>(tensor: &Tensor<D>) {
    black_box(tensor.clone().into_data());
}
