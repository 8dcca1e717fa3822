//! Networks as conditional distributions: `q_z.given([x, y])` is q(z | x, y).
//!
//! What a network is given are tensors `[n, k, width]` that broadcast against each other: rows
//! `[n, 1, d]`, their own classes `[n, 1, c]`, or every class `[1, c, c]`. The first layer has a weight
//! of its own for each of them, so a row's share is computed once and not once a class; the sum over
//! classes costs the same as its equation says and no more.

mod conv;

use burn::module::{Module, Param};
use burn::tensor::activation::{log_sigmoid, relu};
use burn::tensor::{Device, Tensor};
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

pub use conv::ConvNet;

use crate::dist::{Categorical, Mixed, Normal};
use crate::noise::Noise;

/// What stands between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(t, 0)
    Relu,
    /// ln(1 + eᵗ), as Kingma et al. (2014) have it.
    Softplus,
}

impl Activation {
    fn of<const D: usize>(self, t: Tensor<D>) -> Tensor<D> {
        match self {
            Activation::Relu => relu(t),
            // The engine has −softplus(−t) as one operation with its own gradient.
            Activation::Softplus => -log_sigmoid(-t),
        }
    }

    /// Variance of a weight times the layer's inputs, so that signals keep their size: 2 for ReLU (He
    /// et al. 2015), 1 else.
    fn gain(self) -> f64 {
        match self {
            Activation::Relu => 2.0,
            Activation::Softplus => 1.0,
        }
    }
}

/// Shape of every network of a model: its hidden layers and what stands between them.
#[derive(Debug, Clone)]
pub struct Hidden<'a> {
    /// Width of each hidden layer.
    pub widths: &'a [usize],
    /// What follows each of them.
    pub activation: Activation,
}

/// Rows as [`Normal`] and the others want them: `[n, d]` → `[n, 1, d]`.
pub fn rows(x: &Tensor<2>) -> Tensor<3> {
    x.clone().unsqueeze_dim(1)
}

/// Every class at once, to be broadcast over rows: `[1, c, c]`.
pub fn every_class(classes: usize, like: &Tensor<2>) -> Tensor<3> {
    Tensor::<2>::eye(classes, &like.device()).cast(like.dtype()).unsqueeze()
}

/// x W + b.
#[derive(Module, Debug)]
pub struct Linear {
    weight: Param<Tensor<2>>, // [inputs, outputs]
    bias: Param<Tensor<1>>,   // [outputs]
}

impl Linear {
    /// Weights 𝒩(0, `std_dev`²), bias 0.
    pub fn new(inputs: usize, outputs: usize, std_dev: f64, noise: &mut Noise) -> Linear {
        Linear {
            weight: Param::from_tensor(noise.normal([inputs, outputs]) * std_dev),
            bias: zeros(outputs, noise.device()),
        }
    }

    /// `[n, inputs]` → `[n, outputs]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val()) + self.bias.val().unsqueeze()
    }

    /// `[n, k, inputs]` → `[n, k, outputs]`, as one product.
    fn forward_grid(&self, x: Tensor<3>) -> Tensor<3> {
        let [n, k, inputs] = x.dims();
        let out = self.forward(x.reshape([n * k, inputs]));
        let outputs = out.dims()[1];
        out.reshape([n, k, outputs])
    }
}

/// A first layer over several inputs: Σ_i x_i W_i + b, each product at its own size, then broadcast.
#[derive(Module, Debug)]
struct JointLinear {
    weights: Vec<Param<Tensor<2>>>, // [width of input i, outputs]
    bias: Param<Tensor<1>>,
}

impl JointLinear {
    fn new(inputs: &[usize], outputs: usize, gain: f64, noise: &mut Noise) -> JointLinear {
        let std_dev = (gain / inputs.iter().sum::<usize>() as f64).sqrt();
        let weights =
            inputs.iter().map(|&width| Param::from_tensor(noise.normal([width, outputs]) * std_dev)).collect();
        JointLinear { weights, bias: zeros(outputs, noise.device()) }
    }

    fn forward<const I: usize>(&self, inputs: [&Tensor<3>; I]) -> Tensor<3> {
        assert_eq!(I, self.weights.len(), "one weight for each input");
        let shares = inputs.iter().zip(&self.weights).map(|(x, weight)| {
            let [n, k, width] = x.dims();
            let outputs = weight.val().dims()[1];
            (*x).clone().reshape([n * k, width]).matmul(weight.val()).reshape([n, k, outputs])
        });
        let sum = shares.reduce(|sum, share| sum + share).expect("a network is given at least one input");
        sum + self.bias.val().unsqueeze()
    }
}

/// The hidden layers of a network.
#[derive(Module, Debug)]
pub struct Trunk {
    first: JointLinear,
    hidden: Vec<Linear>,
    #[module(skip)]
    activation: Activation,
}

impl Trunk {
    /// `inputs` are the widths of what the network is given, in the order of `given`.
    pub fn new(inputs: &[usize], hidden: &Hidden, noise: &mut Noise) -> Trunk {
        let gain = hidden.activation.gain();
        let layer =
            |pair: &[usize], noise: &mut Noise| Linear::new(pair[0], pair[1], (gain / pair[0] as f64).sqrt(), noise);
        Trunk {
            first: JointLinear::new(inputs, hidden.widths[0], gain, noise),
            hidden: hidden.widths.windows(2).map(|pair| layer(pair, noise)).collect(),
            activation: hidden.activation,
        }
    }

    /// `[n, k, width]` each, broadcast → `[n, k, last hidden width]`.
    pub fn forward<const I: usize>(&self, inputs: [&Tensor<3>; I]) -> Tensor<3> {
        let first = self.activation.of(self.first.forward(inputs));
        self.hidden.iter().fold(first, |h, layer| self.activation.of(layer.forward_grid(h)))
    }
}

/// A Gaussian given other things: one trunk, two heads.
///
/// Separate trunks for mean and variance diverge in practice, and a head that starts near zero makes
/// the posterior start at the prior.
#[derive(Module, Debug)]
pub struct NormalNet {
    trunk: Trunk,
    mean: Linear,
    log_var: Linear,
}

impl NormalNet {
    /// `inputs`: widths of what it is given; `outputs`: size of the variable.
    pub fn new(inputs: &[usize], hidden: &Hidden, outputs: usize, noise: &mut Noise) -> NormalNet {
        let last = last(hidden);
        NormalNet {
            trunk: Trunk::new(inputs, hidden, noise),
            mean: Linear::new(last, outputs, (1.0 / last as f64).sqrt(), noise),
            log_var: Linear::new(last, outputs, NEAR_ZERO, noise),
        }
    }

    /// The distribution under these inputs.
    pub fn given<const I: usize>(&self, inputs: [&Tensor<3>; I]) -> Normal {
        let h = self.trunk.forward(inputs);
        Normal { mean: self.mean.forward_grid(h.clone()), log_var: self.log_var.forward_grid(h) }
    }
}

/// A class given a row.
#[derive(Module, Debug)]
pub struct CategoricalNet {
    trunk: Trunk,
    logits: Linear,
}

impl CategoricalNet {
    /// `inputs`: width of the row; `classes`: number of outcomes.
    pub fn new(inputs: usize, hidden: &Hidden, classes: usize, noise: &mut Noise) -> CategoricalNet {
        let last = last(hidden);
        CategoricalNet {
            trunk: Trunk::new(&[inputs], hidden, noise),
            logits: Linear::new(last, classes, (1.0 / last as f64).sqrt(), noise),
        }
    }

    /// The distribution under these rows `[n, d]`.
    pub fn given(&self, x: &Tensor<2>) -> Categorical {
        let h = self.trunk.forward([&rows(x)]);
        Categorical { logits: self.logits.forward_grid(h).squeeze_dim(1) }
    }
}

/// A row of a table, or a picture, given other things: the likelihood p(x | …).
#[derive(Module, Debug)]
pub struct MixedNet {
    trunk: Trunk,
    out: Linear,
    log_var: Option<Param<Tensor<1>>>, // [numeric], where there are numeric columns
    #[module(skip)]
    layout: Layout,
}

impl MixedNet {
    /// `inputs`: widths of what it is given; `layout`: what a row consists of.
    pub fn new(inputs: &[usize], hidden: &Hidden, layout: &Layout, noise: &mut Noise) -> MixedNet {
        let last = last(hidden);
        MixedNet {
            trunk: Trunk::new(inputs, hidden, noise),
            out: Linear::new(last, layout.width(), (1.0 / last as f64).sqrt(), noise),
            log_var: (layout.numeric > 0).then(|| zeros(layout.numeric, noise.device())),
            layout: layout.clone(),
        }
    }

    /// The distribution under these inputs.
    pub fn given<const I: usize>(&self, inputs: [&Tensor<3>; I]) -> Mixed<'_> {
        let outputs = self.out.forward_grid(self.trunk.forward(inputs));
        // The floor stands on the parameter itself, so what is sampled and what is scored agree; below it
        // a column that hardly varies would draw the whole likelihood to itself.
        let log_var = self.log_var.as_ref().map(|log_var| log_var.val().clamp_min(LOG_VAR_FLOOR));
        Mixed { layout: &self.layout, outputs, log_var }
    }
}

/// ln σ² of a numeric column, in standard deviations of that column, is at least this: σ ≥ 0.1.
const LOG_VAR_FLOOR: f64 = -4.605_170_186;

/// Standard deviation of weights that should start near zero (Kingma's M2 code).
const NEAR_ZERO: f64 = 1e-3;

fn last(hidden: &Hidden) -> usize {
    *hidden.widths.last().expect("a network has at least one hidden layer")
}

fn zeros(width: usize, device: &Device) -> Param<Tensor<1>> {
    Param::from_tensor(Tensor::zeros([width], device))
}
