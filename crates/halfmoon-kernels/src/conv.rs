//! Convolution in two dimensions, without a matrix of patches.
//!
//! A group of images is copied into zero-padded planes small enough for the second-level cache, and the
//! kernel's taps read them at constant offsets (`pack.rs`). The output and the gradient with respect to
//! the input are one algorithm, a sweep over such planes (`sweep.rs`): for the gradient the planes are
//! those of the output's gradient, and each phase of the stride is a small convolution of its own. The
//! gradient with respect to the weights sums over pixels (`weight.rs`).
//!
//! An activation before the layer is applied while copying, so that its output is never in memory.

mod kernel;
mod pack;
mod sweep;
#[cfg(test)]
mod tests;
mod weight;

use pulp::Arch;

use self::pack::Planes;
use self::sweep::{Pass, Sweep, Task};
use crate::Activation;
use crate::parallel::{Shared, filled};

/// Shape of a 2-D convolution: images `[batch, inputs, height, width]`, weights
/// `[outputs, inputs, kernel…]`. Pairs are of the vertical and the horizontal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Number of images.
    pub batch: usize,
    /// Channels of the input.
    pub inputs: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Size of the kernel.
    pub kernel: [usize; 2],
    /// From one place of the kernel to the next.
    pub stride: [usize; 2],
    /// Zeros on either side.
    pub padding: [usize; 2],
}

impl Shape {
    /// Rows and columns of the output.
    ///
    /// # Panics
    /// If the kernel is larger than the padded image.
    pub fn output(&self) -> [usize; 2] {
        assert!(self.inputs > 0, "an image has a channel: {self:?}");
        [(self.height, 0), (self.width, 1)].map(|(size, axis)| {
            let padded = size + 2 * self.padding[axis];
            assert!(self.kernel[axis] > 0 && self.stride[axis] > 0, "a kernel and its stride are at least 1: {self:?}");
            assert!(self.kernel[axis] <= padded, "the kernel is larger than the padded image: {self:?}");
            (padded - self.kernel[axis]) / self.stride[axis] + 1
        })
    }

    /// Multiplications of a forward pass, those with padding included.
    pub fn macs(&self) -> u64 {
        [self.pixels(), self.batch, self.outputs, self.fan_in()].iter().map(|&n| n as u64).product()
    }

    /// Numbers in the input.
    pub fn x_len(&self) -> usize {
        self.batch * self.inputs * self.height * self.width
    }

    /// Numbers in the weights.
    pub fn weight_len(&self) -> usize {
        self.outputs * self.fan_in()
    }

    /// Numbers in the output.
    pub fn out_len(&self) -> usize {
        self.batch * self.outputs * self.pixels()
    }

    fn pixels(&self) -> usize {
        self.output().iter().product()
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    fn fan_in(&self) -> usize {
        self.inputs * self.taps()
    }

    /// The same convolution with images of one row, where every pixel stands for itself.
    fn flat(&self) -> Shape {
        if self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [0, 0] && self.height * self.width <= 4096
        {
            Shape { height: 1, width: self.height * self.width, ..*self }
        } else {
            *self
        }
    }
}

/// out\[n, o, y, x\] = bias\[o\] + Σ weight\[o, i, ky, kx\] · before(x)\[n, i, y·stride + ky − padding, …\]
///
/// `x`: `[batch, inputs, height, width]`, `weight`: `[outputs, inputs, kernel…]`, `bias`: `[outputs]` →
/// `[batch, outputs, output…]`. The padding is of zeros, whatever `before` makes of 0.
pub fn forward(shape: &Shape, before: Activation, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    // SAFETY: a sweep writes all of its result; the tests look for what it leaves.
    unsafe { filled(shape.out_len(), |out| forward_on(Arch::new(), shape, before, x, weight, bias, out)) }
}

/// The gradient with respect to `x`, through `before`: `[batch, inputs, height, width]`.
///
/// `d_out`: `[batch, outputs, output…]`. `x` is needed for the slope of `before`, and may be empty where that
/// is [`Activation::Identity`].
pub fn input_gradient(shape: &Shape, before: Activation, x: &[f32], weight: &[f32], d_out: &[f32]) -> Vec<f32> {
    // SAFETY: as of `forward`.
    unsafe { filled(shape.x_len(), |d_x| input_gradient_on(Arch::new(), shape, before, x, weight, d_out, d_x)) }
}

/// The gradient with respect to the weights, and to the bias if there is one.
///
/// `d_out`: `[batch, outputs, output…]`, `d_weight`: `[outputs, inputs, kernel…]`, `d_bias`: `[outputs]`.
pub fn weight_gradient(
    shape: &Shape,
    before: Activation,
    x: &[f32],
    d_out: &[f32],
    d_weight: &mut [f32],
    d_bias: Option<&mut [f32]>,
) {
    weight_gradient_on(Arch::new(), shape, before, x, d_out, d_weight, d_bias);
}

fn forward_on(
    arch: Arch,
    shape: &Shape,
    before: Activation,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    out: Shared,
) {
    assert_eq!(x.len(), shape.x_len(), "x: {shape:?}");
    assert_eq!(weight.len(), shape.weight_len(), "weight: {shape:?}");
    assert_eq!(out.len(), shape.out_len(), "out: {shape:?}");
    assert!(bias.is_none_or(|bias| bias.len() == shape.outputs), "bias: {shape:?}");
    let shape = shape.flat();
    let axes = [0, 1].map(|axis| Taps::of_output(shape.kernel[axis], shape.stride[axis], shape.padding[axis]));
    let task = Task { before, source: x, bias, slope: Activation::Identity, slope_at: &[] };
    Sweep {
        batch: shape.batch,
        planes: Planes {
            channels: shape.inputs,
            size: [shape.height, shape.width],
            stride: shape.stride,
            phases: [0, 1].map(|axis| shape.stride[axis].min(shape.kernel[axis])),
            origin: [axes[0].origin, axes[1].origin],
            rows: axes[0].halo,
            cols: axes[1].halo,
            images: 1,
        },
        channels: shape.outputs,
        size: shape.output(),
        stride: [1, 1],
        weight,
        weight_strides: [shape.fan_in(), shape.taps()],
        passes: passes(&shape, &axes),
    }
    .run(arch, &task, out);
}

fn input_gradient_on(
    arch: Arch,
    shape: &Shape,
    before: Activation,
    x: &[f32],
    weight: &[f32],
    d_out: &[f32],
    d_x: Shared,
) {
    assert!(x.len() == shape.x_len() || (x.is_empty() && before == Activation::Identity), "x: {shape:?}");
    assert_eq!(weight.len(), shape.weight_len(), "weight: {shape:?}");
    assert_eq!(d_out.len(), shape.out_len(), "d_out: {shape:?}");
    assert_eq!(d_x.len(), shape.x_len(), "d_x: {shape:?}");
    let shape = shape.flat();
    let axes = [0, 1].map(|axis| Taps::of_input(shape.kernel[axis], shape.stride[axis], shape.padding[axis]));
    let task = Task { before: Activation::Identity, source: d_out, bias: None, slope: before, slope_at: x };
    Sweep {
        batch: shape.batch,
        planes: Planes {
            channels: shape.outputs,
            size: shape.output(),
            stride: [1, 1],
            phases: [1, 1],
            origin: [axes[0].origin, axes[1].origin],
            rows: axes[0].halo,
            cols: axes[1].halo,
            images: 1,
        },
        channels: shape.inputs,
        size: [shape.height, shape.width],
        stride: shape.stride,
        weight,
        weight_strides: [shape.taps(), shape.fan_in()],
        passes: passes(&shape, &axes),
    }
    .run(arch, &task, d_x);
}

fn weight_gradient_on(
    arch: Arch,
    shape: &Shape,
    before: Activation,
    x: &[f32],
    d_out: &[f32],
    d_weight: &mut [f32],
    d_bias: Option<&mut [f32]>,
) {
    assert_eq!(x.len(), shape.x_len(), "x: {shape:?}");
    assert_eq!(d_out.len(), shape.out_len(), "d_out: {shape:?}");
    assert_eq!(d_weight.len(), shape.weight_len(), "d_weight: {shape:?}");
    assert!(d_bias.as_ref().is_none_or(|d_bias| d_bias.len() == shape.outputs), "d_bias: {shape:?}");
    weight::gradient(arch, &shape.flat(), before, x, d_out, d_weight, d_bias);
}

/// Which taps each phase of the result reads along one axis, and where.
struct Taps {
    /// Of the result's phases: (tap, phase of the source, steps from `origin`).
    phases: Vec<Vec<(usize, usize, usize)>>,
    /// What the first place of the result reads first.
    origin: isize,
    /// How much further the last tap reads than the first.
    halo: usize,
}

impl Taps {
    /// The output at q reads the input at q·stride + tap − padding.
    fn of_output(kernel: usize, stride: usize, padding: usize) -> Taps {
        Taps {
            phases: vec![(0..kernel).map(|tap| (tap, tap % stride, tap / stride)).collect()],
            origin: -padding.cast_signed(),
            halo: (kernel - 1) / stride,
        }
    }

    /// The input at q·stride + phase is read by the output at q + (phase + padding − tap)/stride, where
    /// that is a whole number.
    fn of_input(kernel: usize, stride: usize, padding: usize) -> Taps {
        let reads = |phase: usize| {
            (0..kernel).filter_map(move |tap| {
                let steps = (phase + padding).cast_signed() - tap.cast_signed();
                (steps % stride.cast_signed() == 0).then_some((tap, steps / stride.cast_signed()))
            })
        };
        let steps = || (0..stride).flat_map(reads).map(|(_, steps)| steps);
        let origin = steps().min().expect("a kernel has a tap");
        let halo = (steps().max().expect("a kernel has a tap") - origin).cast_unsigned();
        let from_origin = |(tap, steps): (usize, isize)| (tap, 0, (steps - origin).cast_unsigned());
        Taps { phases: (0..stride).map(|phase| reads(phase).map(from_origin).collect()).collect(), origin, halo }
    }
}

/// One pass a phase of the result.
fn passes(shape: &Shape, axes: &[Taps; 2]) -> Vec<Pass> {
    let mut passes = Vec::new();
    for (y, vertical) in axes[0].phases.iter().enumerate() {
        for (x, horizontal) in axes[1].phases.iter().enumerate() {
            let mut taps = Vec::new();
            for &(ky, phase_y, row) in vertical {
                for &(kx, phase_x, col) in horizontal {
                    taps.push(sweep::Tap {
                        weight: ky * shape.kernel[1] + kx,
                        phase: [phase_y, phase_x],
                        at: [row, col],
                    });
                }
            }
            passes.push(Pass { start: [y, x], taps });
        }
    }
    passes
}
