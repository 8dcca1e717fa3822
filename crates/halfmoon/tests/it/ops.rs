//! Every kernel against the engine's own operations in f64: results and gradients, over odd sizes, for
//! inputs that lie in memory in other ways, and for batches of nothing.

use burn::module::{Module, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Tensor, TensorData};
use halfmoon::nets::{WideResNet, WideResNetConfig};
use halfmoon::noise::Noise;
use halfmoon::ops::{
    Activation, Adam, ConvOptions, Index, activate, bernoulli_log_prob, conv2d, count_macs, join, kl_to_standard,
    layer_norm, linear, rsample, without_kernels,
};
use halfmoon_pool::dataset::ImageShape;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{device, gradients, numbers};

/// Random tensors, twice: in f32 for the kernel, and the same numbers in f64 for the engine.
struct Pairwise {
    rng: ChaCha8Rng,
}

type Both<const D: usize> = [Tensor<D>; 2];

impl Pairwise {
    fn new(seed: u64) -> Pairwise {
        Pairwise { rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.rng.random_range(-1.5..1.5)).collect()
    }

    fn constant<const D: usize>(&mut self, shape: [usize; D]) -> Both<D> {
        let data = TensorData::new(self.numbers(shape.iter().product()), shape);
        [DType::F32, DType::F64].map(|dtype| Tensor::from_data(data.clone(), (&device(), dtype)))
    }

    fn tracked<const D: usize>(&mut self, shape: [usize; D]) -> Both<D> {
        self.constant(shape).map(Tensor::require_grad)
    }

    fn index(&mut self, results: usize, rows: usize) -> Index {
        (0..results).map(|_| self.rng.random_range(0..rows as u32)).collect()
    }

    /// Compares results, and the gradients of `wrt` under random weights of the results.
    fn compare<const D: usize>(&mut self, name: &str, [found, exact]: Both<D>, wrt: &[&dyn Tracked]) {
        near(name, &numbers(&found), &numbers(&exact));
        let weights = self.constant(exact.dims());
        let [found, exact] = [(found, 0), (exact, 1)].map(|(result, i)| (result * weights[i].clone()).sum().backward());
        for (at, input) in wrt.iter().enumerate() {
            near(&format!("{name}, gradient {at}"), &input.gradient(0, &found), &input.gradient(1, &exact));
        }
    }
}

trait Tracked {
    fn gradient(&self, which: usize, of: &burn::tensor::Gradients) -> Vec<f64>;
}

impl<const D: usize> Tracked for Both<D> {
    fn gradient(&self, which: usize, of: &burn::tensor::Gradients) -> Vec<f64> {
        numbers(&self[which].grad(of).expect("the result depends on it"))
    }
}

/// Within 2e-5 of the largest number, as A7 has it.
fn near(name: &str, found: &[f64], exact: &[f64]) {
    assert_eq!(found.len(), exact.len(), "{name}");
    let size = exact.iter().fold(1e-3f64, |size, number| size.max(number.abs()));
    for (at, (found, exact)) in found.iter().zip(exact).enumerate() {
        assert!((found - exact).abs() <= 2e-5 * size, "{name}: {found} for {exact} at {at}, the largest being {size}");
    }
}

#[test]
fn linear_layers_agree_with_the_engine() {
    let mut both = Pairwise::new(1);
    for activation in Activation::ALL {
        for [n, i, o] in [[1, 1, 1], [3, 5, 7], [33, 17, 31], [100, 130, 64]] {
            let (x, w, b) = (both.tracked([n, i]), both.tracked([i, o]), both.tracked([o]));
            let y = [0, 1].map(|k| linear(x[k].clone(), w[k].clone(), Some(b[k].clone()), activation));
            both.compare(&format!("linear {activation:?} {n} {i} {o}"), y, &[&x, &w, &b]);
            // Without a bias, on a view that lies in memory the other way.
            let t = both.tracked([i, n]);
            let y = [0, 1].map(|k| linear(t[k].clone().transpose(), w[k].clone(), None, activation));
            both.compare(&format!("linear of a view {activation:?} {n} {i} {o}"), y, &[&t, &w]);
        }
    }
}

#[test]
fn activations_agree_with_the_engine() {
    let mut both = Pairwise::new(7);
    for activation in Activation::ALL {
        for shape in [[1, 1, 1], [3, 5, 7], [9, 50, 81]] {
            let t = both.tracked(shape);
            both.compare(&format!("{activation:?}"), [0, 1].map(|k| activate(activation, t[k].clone())), &[&t]);
        }
    }
}

#[test]
fn layer_normalisation_agrees_with_the_engine() {
    let mut both = Pairwise::new(8);
    for (n, width) in [(0, 5), (1, 3), (7, 17), (40, 300)] {
        for activation in Activation::ALL {
            let (t, gain, shift) = (both.tracked([n, width]), both.tracked([width]), both.tracked([width]));
            let y = [0, 1].map(|k| layer_norm(t[k].clone(), gain[k].clone(), shift[k].clone(), activation));
            both.compare(&format!("layer norm {activation:?} {n} {width}"), y, &[&t, &gain, &shift]);
        }
    }
}

#[test]
fn an_input_that_wants_no_gradient_gets_none_and_a_batch_of_nothing_is_nothing() {
    let mut both = Pairwise::new(2);
    let (x, w, b) = (both.constant([0, 5]), both.tracked([5, 3]), both.tracked([3]));
    let y = [0, 1].map(|k| linear(x[k].clone(), w[k].clone(), Some(b[k].clone()), Activation::Relu));
    assert_eq!(y[0].dims(), [0, 3]);
    both.compare("linear of nothing", y, &[&w, &b]);
    let logits = both.constant([0, 5]);
    assert_eq!(bernoulli_log_prob(logits[0].clone(), &x[0], None).dims(), [0]);
    assert_eq!(kl_to_standard(logits[0].clone(), logits[0].clone()).dims(), [0]);
    let weight = both.constant([4, 2, 3, 3]);
    let x = both.constant([0, 2, 6, 5]);
    let options = ConvOptions { stride: [1, 1], padding: [1, 1] };
    assert_eq!(conv2d(Activation::Relu, x[0].clone(), weight[0].clone(), None, options).dims(), [0, 4, 6, 5]);
}

#[test]
fn joined_shares_agree_with_the_engine() {
    let mut both = Pairwise::new(3);
    for activation in Activation::ALL {
        for [rows, classes, results, width] in [[1, 1, 1, 1], [4, 3, 12, 17], [40, 10, 400, 65]] {
            let (a, b, dense) =
                (both.tracked([rows, width]), both.tracked([classes, width]), both.tracked([results, width]));
            let (a_index, b_index) = (both.index(results, rows), both.index(results, classes));
            let name = format!("join {activation:?} {rows} {classes} {results} {width}");
            let y = [0, 1].map(|k| join((a[k].clone(), Some(&a_index)), (b[k].clone(), Some(&b_index)), activation));
            both.compare(&name, y, &[&a, &b]);
            let y = [0, 1].map(|k| join((dense[k].clone(), None), (b[k].clone(), Some(&b_index)), activation));
            both.compare(&name, y, &[&dense, &b]);
            let other = both.tracked([results, width]);
            let y = [0, 1].map(|k| join((dense[k].clone(), None), (other[k].clone(), None), activation));
            both.compare(&name, y, &[&dense, &other]);
        }
    }
}

#[test]
fn likelihoods_samples_and_distances_agree_with_the_engine() {
    let mut both = Pairwise::new(4);
    for [rows, results, width] in [[1, 1, 1], [3, 7, 5], [20, 64, 784], [5, 5, 1100]] {
        let (logits, x) = (both.tracked([results, width]), both.constant([rows, width]));
        let logits_ = logits.clone().map(|logits| logits * 8.0);
        let index = both.index(results, rows);
        let y = [0, 1].map(|k| bernoulli_log_prob(logits_[k].clone(), &x[k], Some(&index)));
        both.compare(&format!("likelihood {results} {width}"), y, &[&logits]);
        let (mean, log_var, noise) =
            (both.tracked([results, width]), both.tracked([results, width]), both.constant([results, width]));
        let z = [0, 1].map(|k| rsample(mean[k].clone(), log_var[k].clone(), noise[k].clone()));
        both.compare(&format!("sample {results} {width}"), z, &[&mean, &log_var]);
        let kl = [0, 1].map(|k| kl_to_standard(mean[k].clone(), log_var[k].clone()));
        both.compare(&format!("distance {results} {width}"), kl, &[&mean, &log_var]);
    }
}

#[test]
fn convolutions_agree_with_the_engine() {
    let mut both = Pairwise::new(5);
    for (shape, outputs, kernel, stride, padding) in [
        ([1, 1, 1, 1], 1, [1, 1], [1, 1], [0, 0]),
        ([2, 3, 9, 7], 5, [3, 3], [1, 1], [1, 1]),
        ([3, 5, 8, 8], 17, [3, 3], [2, 2], [1, 1]),
        ([2, 16, 6, 11], 4, [2, 3], [1, 2], [0, 2]),
        ([4, 7, 5, 5], 9, [1, 1], [2, 2], [0, 0]),
    ] {
        for before in [Activation::Identity, Activation::LeakyRelu, Activation::Silu] {
            let (x, b) = (both.tracked(shape), both.tracked([outputs]));
            let w = both.tracked([outputs, shape[1], kernel[0], kernel[1]]);
            let options = ConvOptions { stride, padding };
            let y = [0, 1].map(|k| conv2d(before, x[k].clone(), w[k].clone(), Some(b[k].clone()), options));
            both.compare(&format!("convolution {shape:?} {before:?}"), y, &[&x, &w, &b]);
            let rows = both.tracked([shape[0], shape[2], shape[3], shape[1]]);
            let y = [0, 1].map(|k| conv2d(before, rows[k].clone().permute([0, 3, 1, 2]), w[k].clone(), None, options));
            both.compare(&format!("convolution of a view {shape:?} {before:?}"), y, &[&rows, &w]);
        }
    }
}

#[derive(Module, Debug)]
struct One {
    weight: Param<Tensor<2>>,
}

#[test]
fn adam_takes_the_engines_steps() {
    let mut both = Pairwise::new(6);
    let start = both.constant([7, 9])[0].clone();
    let pulls: Vec<Tensor<2>> = (0..5).map(|_| both.constant([7, 9])[0].clone()).collect();
    let run = || {
        let mut model = One { weight: Param::from_tensor(start.clone()) };
        let mut adam: ModuleOptimizer = Adam { weight_decay: 0.1, ..Adam::default() }.init();
        for pull in &pulls {
            let loss = (model.weight.val() * pull.clone()).sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = adam.step(0.01, model, gradients);
        }
        (numbers(&model.weight.val()), adam.into_bytes().unwrap().to_vec().len())
    };
    let (by_kernel, by_engine) = (run(), without_kernels(run));
    near("Adam", &by_kernel.0, &by_engine.0);
    assert_eq!(by_kernel.1, by_engine.1, "the state has the same form");
    assert_ne!(by_kernel.0, numbers(&start));
}

/// A5 of the energy models' reference.
#[test]
fn the_gradient_of_the_input_alone_costs_no_gradient_of_the_weights() {
    let shape = ImageShape { height: 16, width: 16, channels: 3, white: 255.0 };
    let device = device();
    let config = WideResNetConfig { depth: 10, width: 1 };
    let model = WideResNet::new(config, shape, 10, &mut Noise::new(1, 0, &device));
    let x = Noise::new(2, 0, &device).normal([4, 3 * 256]).require_grad();
    let loss = |model: &WideResNet| model.forward(x.clone()).exp().sum().log();
    let (full, full_macs) = count_macs(|| loss(&model).backward());
    let frozen = model.clone().no_grad();
    let (only, only_macs) = count_macs(|| loss(&frozen).backward());
    assert_eq!(numbers(&x.grad(&only).unwrap()), numbers(&x.grad(&full).unwrap()), "bit for bit");
    assert!(gradients(&frozen, &only).is_empty());
    assert!(!gradients(&model, &full).is_empty());
    // Forward, gradient of the input, gradient of the weights: three equal parts.
    assert_eq!(3 * only_macs, 2 * full_macs);
}
