//! What it costs to draw the sum over classes, in noise: SDGM on the built-in digits, 50 labels. After so many steps, how many
//! pairs of a row and a class an unlabelled row takes, and how much the gradient of a step varies with its noise, as a
//! multiple of what it varies with the sum over all classes.
//!
//! ```text
//! cargo run --release -p halfmoon --example class_sum
//! ```

#![allow(clippy::print_stdout, reason = "the table goes to standard output")]
#![allow(clippy::unwrap_used, reason = "an example: a panic says where")]

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use halfmoon::branches::{ClassSum, SumOverClasses};
use halfmoon::dist::Categorical;
use halfmoon::model::{Batch, Counts, Model, ModelConfig, Moment};
use halfmoon::models::{Auxiliary, AuxiliaryConfig, SdgmConfig};
use halfmoon::noise::Noise;
use halfmoon::ops::Adam;
use halfmoon::tensor;
use halfmoon::train::Update;
use halfmoon_pool::encode::{Encoding, Pixels};
use halfmoon_pool::read;

const LABELLED: usize = 50;
const ROWS: usize = 200;
const DRAWS: usize = 60;

fn main() {
    let device = Device::flex().autodiff();
    let digits = read::read(Path::new("digits"), &read::Options::default()).unwrap().train;
    let encoding = Encoding::fit(&digits, Pixels::Grey);
    let rows = |items: Vec<usize>| tensor(encoding.encode(&digits.inputs, &items), &device);
    let labelled: Vec<usize> = (0..LABELLED).collect();
    let y = labelled.iter().map(|&item| u32::from(digits.labels[item].unwrap().0)).collect();
    let batch = |step: usize| Batch {
        x: rows(labelled.clone()),
        y: std::sync::Arc::clone(&y),
        u: rows((0..ROWS).map(|row| (step * ROWS + row) % digits.len()).collect()),
        open: [].into(),
        counts: Counts { labelled: LABELLED, unlabelled: digits.len() },
        moment: Moment::default(),
    };
    let config = |how: SumOverClasses, skip_below: f64| {
        SdgmConfig(AuxiliaryConfig { sum_over_classes: how, skip_below, ..AuxiliaryConfig::default() })
    };
    let ways = [
        ("all classes", config(SumOverClasses::Exact, 0.0)),
        ("live classes", config(SumOverClasses::Exact, 1e-12)),
        ("above 0.01", config(SumOverClasses::Exact, 0.01)),
        ("top and one", config(SumOverClasses::TopAndOne, 0.0)),
        ("Gumbel", config(SumOverClasses::Gumbel, 0.0)),
    ];
    let mut model = ways[3].1.init(&encoding.layout(), 10, &mut Noise::new(1, 0, &device));
    let mut optimizer = Adam::default().init();
    println!("| steps | entropy of q(y), nats | way | pairs a row | variance of the gradient |");
    println!("| --: | --: | --- | --: | --: |");
    for step in 0..=2000 {
        if [0, 100, 500, 2000].contains(&step) {
            let batch = batch(0);
            let q_y = Categorical {
                logits: model
                    .valid()
                    .draw(&batch.u.clone().inner(), 1, &mut Noise::new(4, 0, &device))
                    .q_y()
                    .logits
                    .clone(),
            };
            let entropy: f32 = q_y.entropy().mean().into_scalar();
            let mut of_all = None;
            for (name, config) in &ways {
                let variance = variance(&model.clone().with(&config.0), &batch, &device);
                let ratio = variance / *of_all.get_or_insert(variance);
                let AuxiliaryConfig { sum_over_classes: how, temperature, skip_below, .. } = config.0;
                let sum = ClassSum { how, temperature, skip_below };
                let branches = sum.branches(&[].into(), 10, Some(&q_y), &mut Noise::new(5, 0, &device));
                let pairs = branches.pairs().row().len() as f64 / ROWS as f64;
                println!("| {step} | {entropy:.3} | {name} | {pairs:.1} | {ratio:.2} |");
            }
        }
        let mut update = Update { optimizer: &mut optimizer, rate: 3e-3, max_norm: 20.0 };
        model = model.step(&batch(step), &mut (), &mut Noise::new(2, step as u64, &device), &mut update).0;
    }
}

/// Of the gradient of a step over the noise of the step, summed over all parameters.
fn variance(model: &Auxiliary, batch: &Batch, device: &Device) -> f64 {
    let draws: Vec<Vec<f64>> = (0..DRAWS)
        .map(|draw| {
            let loss = model.loss(batch, &mut (), &mut Noise::new(3, draw as u64, device));
            flat(model, &loss.total().backward())
        })
        .collect();
    let mean = |at: usize| draws.iter().map(|draw| draw[at]).sum::<f64>() / DRAWS as f64;
    let squares = |at: usize| draws.iter().map(|draw| (draw[at] - mean(at)).powi(2)).sum::<f64>();
    (0..draws[0].len()).map(squares).sum::<f64>() / (DRAWS - 1) as f64
}

/// All gradients, one parameter after the other.
fn flat(model: &Auxiliary, gradients: &Gradients) -> Vec<f64> {
    struct Read<'a>(&'a Gradients, Vec<f64>);
    impl ModuleVisitor for Read<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad(self.0) {
                self.1.extend(gradient.into_data().iter::<f64>());
            }
        }
    }
    let mut read = Read(gradients, Vec::new());
    model.visit(&mut read);
    read.1
}
