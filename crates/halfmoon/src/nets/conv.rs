use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use halfmoon_pool::dataset::ImageShape;

use super::Linear;
use crate::noise::Noise;

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
            convolutions.push(Convolution::new(inputs, outputs, noise));
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
        let n = x.dims()[0];
        let ImageShape { height, width, channels, .. } = self.shape;
        let pixels = x.reshape([n, height, width, channels]).permute([0, 3, 1, 2]);
        let features = self.convolutions.iter().fold(pixels, |h, convolution| relu(convolution.forward(h)));
        self.logits.forward(relu(self.dense.forward(features.flatten(1, 3))))
    }
}

/// 3×3, stride 2, a border of one zero.
#[derive(Module, Debug)]
struct Convolution {
    weight: Param<Tensor<4>>, // [outputs, inputs, 3, 3]
    bias: Param<Tensor<1>>,
}

impl Convolution {
    fn new(inputs: usize, outputs: usize, noise: &mut Noise) -> Convolution {
        let std_dev = (2.0 / (9 * inputs) as f64).sqrt();
        Convolution {
            weight: Param::from_tensor(noise.normal([outputs, inputs, 3, 3]) * std_dev),
            bias: Param::from_tensor(Tensor::zeros([outputs], noise.device())),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        conv2d(x, self.weight.val(), Some(self.bias.val()), ConvOptions::new([2, 2], [1, 1], [1, 1], 1))
    }
}
