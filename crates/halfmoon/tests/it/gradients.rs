//! A10: the gradients of every model's loss against central differences, in f64.

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use halfmoon::loss::Loss;
use halfmoon::model::{Batch, Counts, Model, ModelConfig, Moment};
use halfmoon::models::{ModelVisitor, visit_models};
use halfmoon::noise::Noise;
use halfmoon_pool::encode::Layout;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{device, gradients, numbers, parameters, with_parameters};

const STEP: f64 = 1e-5;

/// Entries of each parameter tensor that are checked.
const ENTRIES: usize = 20;

#[test]
fn every_gradient_agrees_with_central_differences() {
    struct Check;
    impl ModelVisitor for Check {
        fn visit<C: ModelConfig>(&mut self) {
            let grey = Layout { numeric: 0, yes_no: 6, categories: vec![], image: None };
            let mixed = Layout { numeric: 3, yes_no: 2, categories: vec![3, 2], image: None };
            for layout in [grey, mixed] {
                for stage in 0..=small::<C>().earlier_stages().len() {
                    check::<C>(&small(), &layout, stage);
                }
            }
        }
    }
    visit_models(&mut Check);
}

fn small<C: ModelConfig>() -> C {
    // ReLU has no derivative at 0, where a difference would look at both sides.
    let mut table = toml::Table::try_from(C::default()).unwrap();
    for (key, value) in [
        ("hidden", "[7, 5]"),
        ("activation", "softplus"),
        ("latent", "3"),
        ("auxiliary", "3"),
        // The gradient of a sum that is partly drawn is not that of its value; `branches.rs` looks at it.
        ("sum_over_classes", "exact"),
        ("dropout", "0"),
        ("coder", "[6]"),
        ("sampler", "[6]"),
        ("directions", "2"),
        // In VAT's term what it compares with and where it looks are constants for the gradient, and not for a
        // difference; `vat.rs` holds them fixed.
        ("smoothness", "0"),
        ("entropy", "1"),
        // Where chains come to is a constant for the gradient, and not for a difference; `jem.rs` holds it fixed.
        ("langevin.step_size", "0"),
        // A slope that is taken over a short way is as steep as the gradient is long.
        ("slope_over", "1e-4"),
        // A thousandfold term would leave too few digits for the difference.
        ("denoise", "[2.0, 1.0, 0.5]"),
        ("top.hidden", "[7, 5]"),
        ("top.activation", "softplus"),
        ("top.latent", "3"),
    ] {
        if table.contains_key(key.split('.').next().unwrap()) {
            halfmoon::config::set(&mut table, &format!("{key}={value}")).unwrap();
        }
    }
    table.try_into().unwrap()
}

fn check<C: ModelConfig>(config: &C, layout: &Layout, stage: usize) {
    let (classes, device) = (3, device());
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut noise = Noise::new(9, 0, &device).with_dtype(DType::F64);
    let mut inputs = |rows: usize| -> Tensor<2> {
        // Grey targets between 0 and 1, as pictures have them.
        noise.normal([rows, layout.width()]).clamp(-1.5, 1.5) / 3.0 + 0.5
    };
    let (x, u) = (inputs(4), inputs(6));
    let y = [0, 1, 2, 0].into();
    let batch = Batch {
        x,
        y,
        u,
        open: [0, 1, 3, 5].into(),
        counts: Counts { labelled: 4, unlabelled: 10 },
        moment: Moment { stage, step: 0, setbacks: 0 },
    };
    let model = config.init(layout, classes, &mut Noise::new(3, 0, &device));
    // Heads that start near zero would hide a wrong gradient behind a small one.
    let model = with_parameters(model, |_, numbers| numbers.iter().map(|_| rng.random_range(-0.6..0.6)).collect());
    let loss = |model: &C::Model| -> Loss {
        let mut noise = Noise::new(2, 1, &device).with_dtype(DType::F64);
        model.loss(&batch, &mut Default::default(), &mut noise)
    };
    let what = format!("{} stage {stage}", C::NAME);
    assert_agrees(&what, &model, ENTRIES, &mut rng, |model| loss(model).total());
}

/// The gradients of `loss` agree with central differences at this many entries of each parameter tensor. One that has no
/// gradient is left alone by a stage; `conformance.rs` sees to it that each has its stage.
pub fn assert_agrees<M: Module>(
    what: &str,
    model: &M,
    entries: usize,
    rng: &mut ChaCha8Rng,
    loss: impl Fn(&M) -> Tensor<1>,
) {
    let analytic = gradients(model, &loss(model).backward());
    assert!(!analytic.is_empty(), "{what}: no gradient at all");
    for (name, values) in parameters(model).iter().filter(|(_, values)| !values.is_empty()) {
        let Some(gradient) = analytic.get(name) else { continue };
        let positions: Vec<usize> = (0..values.len()).collect();
        for &position in positions.sample(rng, entries) {
            let at = |shift: f64| {
                let moved = with_parameters(model.clone(), |other, mut numbers| {
                    if other == name {
                        numbers[position] += shift;
                    }
                    numbers
                });
                numbers(&loss(&moved))[0]
            };
            let (difference, gradient) = ((at(STEP) - at(-STEP)) / (2.0 * STEP), gradient[position]);
            let error = (difference - gradient).abs() / difference.abs().max(1e-2);
            assert!(error < 1e-6, "{what} {name}[{position}]: {gradient} by autodiff, {difference} by differences");
        }
    }
}
