use burn::module::{Module, Param};
use burn::tensor::Tensor;
use halfmoon_pool::dataset::ImageShape;

use super::{Linear, gain, zeros};
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

/// 3×3 convolutions that halve the size of a picture, an activation after each. It takes rows like every other network and
/// reshapes them at its own door.
#[derive(Module, Debug)]
pub struct ConvFeatures {
    convolutions: Vec<Convolution>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    shape: ImageShape,
    #[module(skip)]
    width: usize,
}

impl ConvFeatures {
    /// `channels`: outputs of each convolution.
    pub fn new(shape: ImageShape, channels: &[usize], activation: Activation, noise: &mut Noise) -> ConvFeatures {
        let mut inputs = shape.channels;
        let mut convolutions = Vec::new();
        for &outputs in channels {
            convolutions.push(Convolution::new([inputs, outputs], 3, 2, gain(activation), noise));
            inputs = outputs;
        }
        let [height, width] = halved(shape, channels.len());
        ConvFeatures { convolutions, activation, shape, width: inputs * height * width }
    }

    /// Numbers that come out for each picture.
    pub fn width(&self) -> usize {
        self.width
    }

    /// `[n, height · width · channels]` → `[n, features]`.
    pub fn of(&self, x: &Tensor<2>) -> Tensor<2> {
        let mut h = images(x.clone(), self.shape);
        let mut before = Activation::Identity;
        for convolution in &self.convolutions {
            h = convolution.forward(before, h);
            before = self.activation;
        }
        activate(before, h).flatten(1, 3)
    }
}

/// Height and width of a picture after so many halvings.
fn halved(shape: ImageShape, times: usize) -> [usize; 2] {
    [shape.height, shape.width].map(|size| (0..times).fold(size, |size, _| size.div_ceil(2)))
}

/// A small convolutional classifier for pictures: [`ConvFeatures`], then one dense layer.
#[derive(Module, Debug)]
pub struct ConvNet {
    features: ConvFeatures,
    dense: Linear,
    logits: Linear,
}

impl ConvNet {
    /// `channels`: outputs of each convolution; `dense`: width of the layer after them; `activation`: what follows all of them.
    pub fn new(
        shape: ImageShape,
        channels: &[usize],
        dense: usize,
        activation: Activation,
        classes: usize,
        noise: &mut Noise,
    ) -> ConvNet {
        let features = ConvFeatures::new(shape, channels, activation, noise);
        let flat = features.width();
        ConvNet {
            features,
            dense: Linear::new(flat, dense, (gain(activation) / flat as f64).sqrt(), noise),
            logits: Linear::new(dense, classes, (1.0 / dense as f64).sqrt(), noise),
        }
    }

    /// `[n, height · width · channels]` → logits `[n, classes]`.
    pub fn forward(&self, x: &Tensor<2>) -> Tensor<2> {
        self.logits.forward(self.codes(x))
    }

    /// The dense layer, `[n, dense]`.
    pub fn codes(&self, x: &Tensor<2>) -> Tensor<2> {
        self.dense.then(self.features.activation, self.features.of(x))
    }

    /// Logits from the dense layer: `[n, dense]` → `[n, classes]`.
    pub fn of_codes(&self, codes: Tensor<2>) -> Tensor<2> {
        self.logits.forward(codes)
    }
}

/// The way back: a picture from features, each step twice the size (every pixel becomes four) and then a 3×3 convolution.
#[derive(Module, Debug)]
pub struct ConvPicture {
    convolutions: Vec<Convolution>,
    #[module(skip)]
    shape: ImageShape,
    #[module(skip)]
    channels: usize,
}

impl ConvPicture {
    /// `channels`: those of [`ConvFeatures`], which this goes through from the last to the first.
    pub fn new(shape: ImageShape, channels: &[usize], noise: &mut Noise) -> ConvPicture {
        let outputs = channels.iter().rev().skip(1).copied().chain([shape.channels]);
        let inputs = channels.iter().rev().copied();
        let mut gains = vec![2.0; channels.len()];
        gains[channels.len() - 1] = 1.0;
        let convolutions =
            inputs.zip(outputs).zip(gains).map(|((i, o), gain)| Convolution::new([i, o], 3, 1, gain, noise)).collect();
        ConvPicture { convolutions, shape, channels: channels[channels.len() - 1] }
    }

    /// Numbers that a picture is made of.
    pub fn width(&self) -> usize {
        self.channels * halved(self.shape, self.convolutions.len()).into_iter().product::<usize>()
    }

    /// Features before their activation, `[n, features]` → `[n, height · width · channels]`.
    pub fn of(&self, features: Tensor<2>) -> Tensor<2> {
        let steps = self.convolutions.len();
        let [height, width] = halved(self.shape, steps);
        let rows = features.dims()[0];
        let mut h = features.reshape([rows, self.channels, height, width]);
        for (step, convolution) in self.convolutions.iter().enumerate() {
            let [height, width] = halved(self.shape, steps - 1 - step);
            // ReLU and repetition may change places: so the convolution, which takes an activation along, has it.
            let doubled = twice(h).slice_dim(2, 0..height).slice_dim(3, 0..width);
            h = convolution.forward(Activation::Relu, doubled);
        }
        h.permute([0, 2, 3, 1]).reshape([rows, self.shape.len()])
    }
}

/// Every pixel as a square of four.
fn twice(x: Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let wide: Tensor<5> = x.unsqueeze_dim(4);
    let wide: Tensor<4> = wide.repeat_dim(4, 2).reshape([n, c, h, 2 * w]);
    let high: Tensor<5> = wide.unsqueeze_dim(3);
    high.repeat_dim(3, 2).reshape([n, c, 2 * h, 2 * w])
}
