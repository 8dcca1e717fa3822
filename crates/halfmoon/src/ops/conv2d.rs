use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use halfmoon_kernels::conv::{self as kernel, Shape};

use super::activate::by_engine;
use super::{Activation, Kernel, count, numbers, run, shape, tensor};

/// How a convolution moves over its images: vertical, horizontal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvOptions {
    /// From one place of the kernel to the next.
    pub stride: [usize; 2],
    /// Zeros on either side.
    pub padding: [usize; 2],
}

/// A convolution of before(x): x `[n, inputs, height, width]`, weight `[outputs, inputs, kernel…]`, bias
/// `[outputs]` → `[n, outputs, …]`. The activation comes first, as in a residual block, so that its values
/// need not be kept.
pub fn conv2d(
    before: Activation,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvOptions,
) -> Tensor<4> {
    let conv = Conv2d { before, options };
    let [x_, weight_] = [x.clone(), weight.clone()].map(Tensor::into_dispatch);
    let output = match bias.clone() {
        Some(bias) => run(conv, [x_, weight_, bias.into_dispatch()]),
        None => run(conv, [x_, weight_]),
    };
    output.map_or_else(
        |_| {
            let options = burn::tensor::ops::ConvOptions::new(options.stride, options.padding, [1, 1], 1);
            burn::tensor::module::conv2d(by_engine(before, x), weight, bias, options)
        },
        Tensor::from_dispatch,
    )
}

/// Inputs: x, weight and perhaps bias.
#[derive(Debug, Clone)]
struct Conv2d {
    before: Activation,
    options: ConvOptions,
}

impl Conv2d {
    fn shape(&self, x: &FlexTensor, weight: &FlexTensor) -> Shape {
        let ([batch, inputs, height, width], [outputs, of, rows, columns]) = (shape(x), shape(weight));
        assert_eq!(inputs, of, "the weights are for as many channels as there are");
        let ConvOptions { stride, padding } = self.options;
        Shape { batch, inputs, height, width, outputs, kernel: [rows, columns], stride, padding }
    }
}

fn macs(shape: &Shape) -> usize {
    usize::try_from(shape.macs()).expect("a count that fits into memory")
}

impl Kernel for Conv2d {
    /// x and weight.
    type Kept = [FlexTensor; 2];

    fn forward(&self, inputs: Vec<FlexTensor>, _: &[bool]) -> (FlexTensor, Self::Kept) {
        let shape = self.shape(&inputs[0], &inputs[1]);
        count(macs(&shape));
        let (x, weight, bias) = (numbers(&inputs[0]), numbers(&inputs[1]), inputs.get(2).map(numbers));
        let out = kernel::forward(&shape, self.before, x, weight, bias);
        let [rows, columns] = shape.output();
        let out = tensor(out, [shape.batch, shape.outputs, rows, columns]);
        (out, [inputs[0].clone(), inputs[1].clone()])
    }

    fn backward(&self, [x, weight]: Self::Kept, d_out: FlexTensor, tracked: &[bool]) -> Vec<Option<FlexTensor>> {
        let s = self.shape(&x, &weight);
        let d_x = tracked[0].then(|| {
            count(macs(&s));
            let d_x = kernel::input_gradient(&s, self.before, numbers(&x), numbers(&weight), numbers(&d_out));
            tensor(d_x, shape::<4>(&x))
        });
        let mut d_bias = vec![0.0; s.outputs];
        let wants_bias = tracked.get(2) == Some(&true);
        let d_weight = (tracked[1] || wants_bias).then(|| {
            count(macs(&s));
            let mut d_weight = vec![0.0; s.weight_len()];
            let d_bias = wants_bias.then_some(&mut d_bias[..]);
            kernel::weight_gradient(&s, self.before, numbers(&x), numbers(&d_out), &mut d_weight, d_bias);
            tensor(d_weight, shape::<4>(&weight))
        });
        vec![d_x, d_weight.filter(|_| tracked[1]), wants_bias.then(|| tensor(d_bias, [s.outputs]))]
    }
}
