//! The convolutions of a small wide residual network, 64 images of 32×32, each in all three directions.
//!
//! `cargo bench -p halfmoon-kernels --bench conv`

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use halfmoon_kernels::Activation;
use halfmoon_kernels::conv::{self, Shape};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Inputs, outputs, size of the image and of the kernel, stride.
const LAYERS: [(usize, usize, usize, usize, usize); 10] = [
    (3, 16, 32, 3, 1),
    (16, 32, 32, 3, 1),
    (32, 32, 32, 3, 1),
    (32, 64, 32, 3, 2),
    (64, 64, 16, 3, 1),
    (64, 128, 16, 3, 2),
    (128, 128, 8, 3, 1),
    (16, 32, 32, 1, 1),
    (32, 64, 32, 1, 2),
    (64, 128, 16, 1, 2),
];

fn layers(c: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut numbers = |n: usize| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
    for (inputs, outputs, size, kernel, stride) in LAYERS {
        let shape = Shape {
            batch: 64,
            inputs,
            height: size,
            width: size,
            outputs,
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [kernel / 2; 2],
        };
        let (x, weight, bias) = (numbers(shape.x_len()), numbers(shape.weight_len()), numbers(outputs));
        let d_out = numbers(shape.out_len());
        let mut d_weight = vec![0.0; shape.weight_len()];
        let mut d_bias = vec![0.0; outputs];
        let before = Activation::LeakyRelu;

        let mut group = c.benchmark_group(format!("{inputs}→{outputs} {size}×{size} {kernel}×{kernel} /{stride}"));
        group.throughput(Throughput::Elements(shape.macs()));
        group.bench_function("forward", |b| {
            b.iter(|| conv::forward(&shape, before, black_box(&x), &weight, Some(&bias)));
        });
        group.bench_function("input gradient", |b| {
            b.iter(|| conv::input_gradient(&shape, before, black_box(&x), &weight, &d_out));
        });
        group.bench_function("weight gradient", |b| {
            b.iter(|| conv::weight_gradient(&shape, before, black_box(&x), &d_out, &mut d_weight, Some(&mut d_bias)));
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    targets = layers
}
criterion_main!(benches);
