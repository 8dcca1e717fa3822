use burn::module::Module;
use burn::tensor::Tensor;
use halfmoon_pool::dataset::ImageShape;
use serde::{Deserialize, Serialize};

use super::Linear;
use super::conv::{Convolution, images};
use crate::noise::Noise;
use crate::ops::{Activation, activate};

/// Depth and width of a [`WideResNet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WideResNetConfig {
    /// Layers: 6 n + 4 for n blocks a group, such as 10, 16, 28.
    pub depth: usize,
    /// How many times wider than 16, 32 and 64 channels the three groups are.
    pub width: usize,
}

/// A wide residual network (Zagoruyko and Komodakis 2016) as JEM's program has it (Grathwohl et al. 2020):
/// pre-activation blocks, LeakyReLU, no normalisation, biases everywhere, and the stride on a block's
/// second convolution, where the textbook has it on the first. 28-10 has 36.5 million parameters.
#[derive(Module, Debug)]
pub struct WideResNet {
    stem: Convolution,
    blocks: Vec<Block>,
    logits: Linear,
    #[module(skip)]
    shape: ImageShape,
}

/// conv(lrelu(conv(lrelu(x)))) + x, the latter through a 1×1 convolution where the shape changes.
#[derive(Module, Debug)]
struct Block {
    first: Convolution,
    second: Convolution,
    shortcut: Option<Convolution>,
}

/// Variance of weights times fan-in: that of PyTorch's default, U(±1/√fan-in), which JEM's program uses.
const GAIN: f64 = 1.0 / 3.0;

impl Default for WideResNetConfig {
    /// The smallest that is one, with twice the channels: what a CPU trains on small pictures in an hour or so.
    fn default() -> WideResNetConfig {
        WideResNetConfig { depth: 10, width: 2 }
    }
}

impl WideResNetConfig {
    /// Says what is wrong with a value that type-checks.
    pub fn check(self) -> Result<(), String> {
        match self {
            WideResNetConfig { depth, .. } if depth < 10 || depth % 6 != 4 => {
                Err("`wide.depth` must be 6 n + 4, such as 10, 16 or 28".into())
            }
            WideResNetConfig { width: 0, .. } => Err("`wide.width` must be at least 1".into()),
            _ => Ok(()),
        }
    }
}

impl WideResNet {
    /// Fresh parameters.
    ///
    /// # Panics
    /// If the depth is not 6 n + 4.
    pub fn new(config: WideResNetConfig, shape: ImageShape, classes: usize, noise: &mut Noise) -> WideResNet {
        let WideResNetConfig { depth, width } = config;
        assert!(depth >= 10 && depth % 6 == 4, "the depth of a wide residual network is 6 n + 4, not {depth}");
        let stem = Convolution::new([shape.channels, 16], 3, 1, GAIN, noise);
        let mut inputs = 16;
        let mut blocks = Vec::new();
        for (outputs, stride) in [(16 * width, 1), (32 * width, 2), (64 * width, 2)] {
            for block in 0..(depth - 4) / 6 {
                let stride = if block == 0 { stride } else { 1 };
                let changes = inputs != outputs || stride != 1;
                blocks.push(Block {
                    first: Convolution::new([inputs, outputs], 3, 1, GAIN, noise),
                    second: Convolution::new([outputs, outputs], 3, stride, GAIN, noise),
                    shortcut: changes.then(|| Convolution::new([inputs, outputs], 1, stride, GAIN, noise)),
                });
                inputs = outputs;
            }
        }
        WideResNet { stem, blocks, logits: Linear::new(inputs, classes, (GAIN / inputs as f64).sqrt(), noise), shape }
    }

    /// `[n, height · width · channels]` → logits `[n, classes]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.of_codes(self.codes(x))
    }

    /// Logits from codes: `[n, 64 · width]` → `[n, classes]`.
    pub fn of_codes(&self, codes: Tensor<2>) -> Tensor<2> {
        self.logits.forward(codes)
    }

    /// The mean of the last channels over all places, `[n, 64 · width]`.
    pub fn codes(&self, x: Tensor<2>) -> Tensor<2> {
        let stem = self.stem.forward(Activation::Identity, images(x, self.shape));
        let h = activate(Activation::LeakyRelu, self.blocks.iter().fold(stem, |h, block| block.forward(h)));
        h.flatten::<3>(2, 3).mean_dim(2).squeeze_dim(2)
    }
}

impl Block {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let h = self.first.forward(Activation::LeakyRelu, x.clone());
        let h = self.second.forward(Activation::LeakyRelu, h);
        h + self.shortcut.as_ref().map_or(x.clone(), |shortcut| shortcut.forward(Activation::Identity, x))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn the_large_network_has_as_many_parameters_as_the_published_one() {
        let shape = ImageShape { height: 32, width: 32, channels: 3, white: 255.0 };
        let parameters = |depth, width| {
            WideResNet::new(WideResNetConfig { depth, width }, shape, 10, &mut Noise::new(1, 0, &Device::flex()))
                .num_params()
        };
        // 3×3 and 1×1 kernels with biases, counted by hand: stem, two convolutions and a shortcut a group, logits.
        let group = |i: usize, o: usize| 9 * i * o + o + 9 * o * o + o + i * o + o;
        let small = 3 * 9 * 16 + 16 + group(16, 32) + group(32, 64) + group(64, 128) + 128 * 10 + 10;
        assert_eq!(parameters(10, 2), small);
        // 36.47 million: counted in the program of Grathwohl et al. (2020).
        assert!((36_465_000..36_475_000).contains(&parameters(28, 10)));
    }

    #[test]
    fn a_picture_costs_the_large_network_as_much_as_the_published_one() {
        // 5.951 thousand million multiply-adds: counted in the same program.
        let shape = ImageShape { height: 32, width: 32, channels: 3, white: 255.0 };
        let device = Device::flex();
        let net = WideResNet::new(WideResNetConfig { depth: 28, width: 10 }, shape, 10, &mut Noise::new(1, 0, &device));
        let (_, macs) = crate::ops::count_macs(|| net.forward(Tensor::zeros([1, shape.len()], &device)));
        assert!((5_950_500_000..5_951_500_000).contains(&macs), "{macs}");
    }
}
