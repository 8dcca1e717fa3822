use burn::module::{Module, Param};
use burn::tensor::Tensor;
use halfmoon_pool::dataset::ImageShape;

use super::{Linear, zeros};
use crate::noise::Noise;
use crate::ops::{Activation, ConvOptions, activate, conv2d};

/// A convolution with its weights.
#[derive(Module, Debug)]
pub(super) struct Convolution {
    weight: Param<Tensor<4>>, // [outputs, inputs, size, size]
    bias: Param<Tensor<1>>,
    #[module(skip)]
    options: ConvOptions,
}

impl Convolution {
    /// A square kernel, with a border of zeros that keeps the size of the image at stride 1. Weights
    /// 𝒩(0, gain / fan-in), bias 0.
    pub(super) fn new(
        [inputs, outputs]: [usize; 2],
        size: usize,
        stride: usize,
        gain: f64,
        noise: &mut Noise,
    ) -> Convolution {
        let std_dev = (gain / (size * size * inputs) as f64).sqrt();
        Convolution {
            weight: Param::from_tensor(noise.normal([outputs, inputs, size, size]) * std_dev),
            bias: zeros(outputs, noise.device()),
            options: ConvOptions { stride: [stride; 2], padding: [size / 2; 2] },
        }
    }

    /// The convolution of before(x): `[n, inputs, height, width]` → `[n, outputs, …]`.
    pub(super) fn forward(&self, before: Activation, x: Tensor<4>) -> Tensor<4> {
        conv2d(before, x, self.weight.val(), Some(self.bias.val()), self.options)
    }
}

/// Rows `[n, height · width · channels]` as images `[n, channels, height, width]`.
pub(super) fn images(x: Tensor<2>, shape: ImageShape) -> Tensor<4> {
    let ImageShape { height, width, channels, .. } = shape;
    let rows = x.dims()[0];
    x.reshape([rows, height, width, channels]).permute([0, 3, 1, 2])
}

/// A small convolutional classifier for pictures: 3×3 convolutions that halve the size, then one
/// dense layer. It takes rows like every other network and reshapes them at its own door.
#[derive(Module, Debug)]
pub struct ConvNet {
    convolutions: Vec<Convolution>,
    dense: Linear,
    logits: Linear,
    #[module(skip)]
    shape: ImageShape,
}

impl ConvNet {
    /// `channels`: outputs of each convolution; `dense`: width of the layer after them.
    pub fn new(shape: ImageShape, channels: &[usize], dense: usize, classes: usize, noise: &mut Noise) -> ConvNet {
        let (mut inputs, mut height, mut width) = (shape.channels, shape.height, shape.width);
        let mut convolutions = Vec::new();
        for &outputs in channels {
            convolutions.push(Convolution::new([inputs, outputs], 3, 2, 2.0, noise));
            (inputs, height, width) = (outputs, height.div_ceil(2), width.div_ceil(2));
        }
        let flat = inputs * height * width;
        ConvNet {
            convolutions,
            dense: Linear::new(flat, dense, (2.0 / flat as f64).sqrt(), noise),
            logits: Linear::new(dense, classes, (1.0 / dense as f64).sqrt(), noise),
            shape,
        }
    }

    /// `[n, height · width · channels]` → logits `[n, classes]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let mut h = images(x, self.shape);
        let mut before = Activation::Identity;
        for convolution in &self.convolutions {
            h = convolution.forward(before, h);
            before = Activation::Relu;
        }
        self.logits.forward(self.dense.then(Activation::Relu, activate(before, h).flatten(1, 3)))
    }
}
