//! The kernels of a dense network at the shapes of a step of M2: 1,100 pairs of rows and classes.
//!
//! ```text
//! cargo bench -p halfmoon-kernels --bench dense
//! ```

#![allow(missing_docs, reason = "a benchmark is run, not read about")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use halfmoon_kernels::adam::Adam;
use halfmoon_kernels::join::{self, Into, Picked};
use halfmoon_kernels::{Activation, bernoulli, linear, normal};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const PAIRS: usize = 1100;
const ROWS: usize = 110;
const CLASSES: usize = 10;
const HIDDEN: usize = 500;
const PIXELS: usize = 784;
const LATENT: usize = 50;

fn numbers(count: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn products(c: &mut Criterion) {
    let mut group = c.benchmark_group("linear");
    for shape @ [n, i, o] in [[PAIRS, HIDDEN, PIXELS], [ROWS, PIXELS, HIDDEN], [100, HIDDEN, HIDDEN]] {
        let (x, w, b, d) = (numbers(n * i), numbers(i * o), numbers(o), numbers(n * o));
        group.throughput(Throughput::Elements((n * i * o) as u64));
        let name = format!("{n}x{i}x{o}");
        group.bench_function(format!("forward {name}"), |bench| {
            bench.iter(|| linear::forward(shape, &x, &w, Some(&b), Activation::Relu));
        });
        group.bench_function(format!("input gradient {name}"), |bench| {
            bench.iter(|| linear::input_gradient(shape, &d, &w));
        });
        group.bench_function(format!("weight gradient {name}"), |bench| {
            bench.iter(|| linear::weight_gradient(shape, &x, &d));
        });
    }
    group.finish();
}

fn passes(c: &mut Criterion) {
    let mut group = c.benchmark_group("pass");
    let row: Vec<u32> = (0..PAIRS).map(|pair| u32::try_from(pair / CLASSES).expect("few")).collect();
    let class: Vec<u32> = (0..PAIRS).map(|pair| u32::try_from(pair % CLASSES).expect("few")).collect();

    group.throughput(Throughput::Elements((PAIRS * HIDDEN) as u64));
    let (rows, table) = (numbers(ROWS * HIDDEN), numbers(CLASSES * HIDDEN));
    let a = Picked { rows: &rows, index: Some(&row) };
    let b = Picked { rows: &table, index: Some(&class) };
    group.bench_function("join", |bench| bench.iter(|| join::forward(PAIRS, HIDDEN, a, b, Activation::Relu)));
    let (y, mut d) = (numbers(PAIRS * HIDDEN), numbers(PAIRS * HIDDEN));
    let (mut d_rows, mut d_table) = (rows.clone(), table.clone());
    group.bench_function("join gradient", |bench| {
        bench.iter(|| {
            let into = &mut [Into { rows: &mut d_rows, index: &row }, Into { rows: &mut d_table, index: &class }];
            join::backward(HIDDEN, Activation::Relu, &y, &mut d, into);
        });
    });
    for activation in Activation::ALL {
        let mut t = numbers(PAIRS * HIDDEN);
        group.bench_function(format!("{activation:?}").to_lowercase(), |bench| {
            bench.iter(|| activation.apply_to_all(&mut t));
        });
    }

    group.throughput(Throughput::Elements((PAIRS * PIXELS) as u64));
    let (logits, x) = (numbers(PAIRS * PIXELS), numbers(ROWS * PIXELS));
    group.bench_function("bernoulli", |bench| bench.iter(|| bernoulli::log_prob(PIXELS, &logits, &x, Some(&row))));
    group.bench_function("bernoulli and residual", |bench| {
        bench.iter(|| bernoulli::log_prob_and_residual(PIXELS, &logits, &x, Some(&row)));
    });

    let count = PAIRS * LATENT;
    group.throughput(Throughput::Elements(count as u64));
    let (mean, log_var, noise, mut z) = (numbers(count), numbers(count), numbers(count), vec![0.0; count]);
    group.bench_function("normal sample", |bench| bench.iter(|| normal::rsample(&mean, &log_var, &noise, &mut z)));
    let mut kl = vec![0.0; PAIRS];
    group.bench_function("normal kl", |bench| bench.iter(|| normal::kl_to_standard(LATENT, &mean, &log_var, &mut kl)));

    let count = PIXELS * HIDDEN;
    group.throughput(Throughput::Elements(count as u64));
    let adam = Adam { rate: 1e-3, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    let (gradient, mut parameter) = (numbers(count), numbers(count));
    let (mut first, mut second) = (vec![0.0; count], vec![0.0; count]);
    group.bench_function("adam", |bench| {
        bench.iter(|| adam.step(10, &gradient, &mut parameter, &mut first, &mut second));
    });
    group.finish();
}

criterion_group!(dense, products, passes);
criterion_main!(dense);
