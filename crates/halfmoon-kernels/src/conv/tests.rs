//! Against seven loops in double precision, on every instruction set that the machine has.

use rayon::ThreadPoolBuilder;

use super::*;
use crate::testing::numbers;

/// Every way to run on this machine.
fn machines() -> Vec<Arch> {
    let mut machines = vec![Arch::Scalar];
    #[cfg(target_arch = "x86_64")]
    machines.extend(pulp::x86::V3::try_new().map(Arch::V3));
    machines.push(Arch::new());
    machines
}

fn exact(before: Activation, t: f32) -> f64 {
    let mut t = [t];
    before.apply(&mut t);
    f64::from(t[0])
}

/// Calls `each(out, x, weight)` with the places of the numbers that meet in one multiplication.
fn each_product(shape: &Shape, mut each: impl FnMut(usize, usize, usize)) {
    let [height, width] = shape.output();
    for n in 0..shape.batch {
        for o in 0..shape.outputs {
            for i in 0..shape.inputs {
                for ky in 0..shape.kernel[0] {
                    for kx in 0..shape.kernel[1] {
                        for y in 0..height {
                            let Some(in_y) = (y * shape.stride[0] + ky).checked_sub(shape.padding[0]) else { continue };
                            for x in 0..width {
                                let in_x = (x * shape.stride[1] + kx).checked_sub(shape.padding[1]);
                                let Some(in_x) = in_x else { continue };
                                if in_y < shape.height && in_x < shape.width {
                                    each(
                                        ((n * shape.outputs + o) * height + y) * width + x,
                                        ((n * shape.inputs + i) * shape.height + in_y) * shape.width + in_x,
                                        ((o * shape.inputs + i) * shape.kernel[0] + ky) * shape.kernel[1] + kx,
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A sum in double precision, and of the sizes of what was added.
#[derive(Clone, Copy, Default)]
struct Sum(f64, f64);

impl Sum {
    fn add(&mut self, product: f64) {
        self.0 += product;
        self.1 += product.abs();
    }
}

fn assert_sums(found: &[f32], exact: &[Sum], what: &str, shape: &Shape, before: Activation) {
    for (at, (&found, exact)) in found.iter().zip(exact).enumerate() {
        let error = (f64::from(found) - exact.0).abs();
        assert!(error <= 1e-5 * exact.1 + 1e-7, "{what}[{at}] of {shape:?}, {before:?}: {found} for {}", exact.0);
    }
}

/// All four results, each first filled with what must not stay.
fn results(arch: Arch, shape: &Shape, before: Activation, data: &Data) -> [Vec<f32>; 4] {
    let mut out = vec![f32::NAN; shape.out_len()];
    let mut d_x = vec![f32::NAN; shape.x_len()];
    let mut d_weight = vec![f32::NAN; shape.weight_len()];
    let mut d_bias = vec![f32::NAN; shape.outputs];
    forward_on(arch, shape, before, &data.x, &data.weight, Some(&data.bias), Shared::new(&mut out));
    input_gradient_on(arch, shape, before, &data.x, &data.weight, &data.d_out, Shared::new(&mut d_x));
    weight_gradient_on(arch, shape, before, &data.x, &data.d_out, &mut d_weight, Some(&mut d_bias));
    [out, d_x, d_weight, d_bias]
}

struct Data {
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    d_out: Vec<f32>,
}

impl Data {
    fn of(shape: &Shape) -> Data {
        Data {
            x: numbers(shape.x_len(), 1),
            weight: numbers(shape.weight_len(), 2),
            bias: numbers(shape.outputs, 3),
            d_out: numbers(shape.out_len(), 4),
        }
    }
}

fn check(shape: &Shape, before: Activation) {
    let data = Data::of(shape);
    let pixels = shape.output().iter().product::<usize>();
    let x: Vec<f64> = data.x.iter().map(|&t| exact(before, t)).collect();
    let mut slope = vec![1.0; shape.x_len()];
    before.slope_at_input(&mut slope, &data.x);
    let mut out = vec![Sum::default(); shape.out_len()];
    let mut d_x = vec![Sum::default(); shape.x_len()];
    let mut d_weight = vec![Sum::default(); shape.weight_len()];
    let mut d_bias = vec![Sum::default(); shape.outputs];
    for (at, sum) in out.iter_mut().enumerate() {
        let o = at / pixels % shape.outputs;
        sum.add(f64::from(data.bias[o]));
        d_bias[o].add(f64::from(data.d_out[at]));
    }
    each_product(shape, |o, i, w| {
        let (weight, gradient) = (f64::from(data.weight[w]), f64::from(data.d_out[o]));
        out[o].add(weight * x[i]);
        d_x[i].add(weight * gradient * f64::from(slope[i]));
        d_weight[w].add(x[i] * gradient);
    });
    for arch in machines() {
        let found = results(arch, shape, before, &data);
        assert_sums(&found[0], &out, "out", shape, before);
        assert_sums(&found[1], &d_x, "d_x", shape, before);
        assert_sums(&found[2], &d_weight, "d_weight", shape, before);
        assert_sums(&found[3], &d_bias, "d_bias", shape, before);
    }
}

/// Every size, kernel, stride and padding; batches, channels and activations take turns.
#[test]
fn all_four_results_agree_with_seven_loops() {
    let batches = [3, 1, 0, 2, 17];
    let channels = [1, 3, 5, 16, 17, 33];
    let mut turn = 0_usize;
    for size in [[1, 1], [5, 7], [8, 8], [9, 4], [32, 32]] {
        for kernel in [[1, 1], [3, 3], [5, 3], [2, 2]] {
            for stride in [[1, 1], [2, 2], [3, 3], [1, 2]] {
                for padding in [[0, 0], [1, 1], [2, 2], [6, 5]] {
                    if (0..2).any(|axis| kernel[axis] > size[axis] + 2 * padding[axis]) {
                        continue;
                    }
                    turn += 1;
                    let large = size == [32, 32];
                    let shape = Shape {
                        batch: batches[turn % if large { 2 } else { 5 }],
                        inputs: channels[turn * 7 / 3 % if large { 3 } else { 6 }],
                        height: size[0],
                        width: size[1],
                        outputs: channels[turn * 5 / 2 % 6],
                        kernel,
                        stride,
                        padding,
                    };
                    check(&shape, Activation::ALL[turn % Activation::ALL.len()]);
                }
            }
        }
    }
}

fn residual(batch: usize, inputs: usize, size: usize, outputs: usize, stride: usize) -> Shape {
    let (kernel, stride, padding) = ([3, 3], [stride; 2], [1, 1]);
    Shape { batch, inputs, height: size, width: size, outputs, kernel, stride, padding }
}

#[test]
fn images_larger_than_the_cache_are_cut_into_bands() {
    for stride in [1, 2] {
        check(&Shape { width: 150, ..residual(1, 10, 211, 2, stride) }, Activation::Softplus);
    }
    check(&Shape { kernel: [1, 1], padding: [0, 0], ..residual(1, 3, 130, 2, 1) }, Activation::Elu);
}

#[test]
fn without_outputs_nothing_comes_back() {
    check(&residual(2, 3, 8, 0, 2), Activation::Relu);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for shape in [residual(8, 3, 32, 16, 1), residual(9, 33, 16, 40, 2), residual(1, 64, 8, 64, 1)] {
        let data = Data::of(&shape);
        let [one, two, three] = [1, 2, 3].map(|threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("three threads can be had");
            pool.install(|| results(Arch::new(), &shape, Activation::LeakyRelu, &data))
        });
        let bits =
            |results: &[Vec<f32>; 4]| results.each_ref().map(|r| r.iter().map(|t| t.to_bits()).collect::<Vec<_>>());
        assert_eq!(bits(&one), bits(&two), "{shape:?}");
        assert_eq!(bits(&one), bits(&three), "{shape:?}");
    }
}

#[test]
fn nothing_is_written_beside_the_results() {
    const GUARD: f32 = 12_345.0;
    let guarded = |len: usize, run: &dyn Fn(&mut [f32])| {
        let mut values = vec![GUARD; len + 128];
        run(&mut values[64..64 + len]);
        assert!(values[..64].iter().chain(&values[64 + len..]).all(|&value| value == GUARD));
        assert!(values[64..64 + len].iter().all(|&value| value != GUARD));
    };
    for shape in [residual(3, 5, 7, 17, 2), residual(2, 3, 8, 5, 1), Shape { width: 5, ..residual(5, 16, 9, 3, 3) }] {
        let Data { x, weight, bias, d_out } = Data::of(&shape);
        let before = Activation::Relu;
        for arch in machines() {
            guarded(shape.out_len(), &|out| {
                forward_on(arch, &shape, before, &x, &weight, Some(&bias), Shared::new(out));
            });
            guarded(shape.x_len(), &|d_x| {
                input_gradient_on(arch, &shape, before, &x, &weight, &d_out, Shared::new(d_x));
            });
            guarded(shape.weight_len(), &|d| weight_gradient_on(arch, &shape, before, &x, &d_out, d, None));
            let mut d_weight = vec![0.0; shape.weight_len()];
            let d_weight = std::cell::RefCell::new(&mut d_weight);
            guarded(shape.outputs, &|d_bias| {
                weight_gradient_on(arch, &shape, before, &x, &d_out, &mut d_weight.borrow_mut(), Some(d_bias));
            });
        }
    }
}

#[test]
#[should_panic(expected = "the kernel is larger than the padded image")]
fn a_kernel_larger_than_the_padded_image_is_refused() {
    residual(1, 1, 2, 1, 1).output();
    Shape { padding: [0, 0], ..residual(1, 1, 2, 1, 1) }.output();
}
