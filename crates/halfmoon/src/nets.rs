//! Networks as conditional distributions: `q_z.given(pairs, [Row(x), Class])` is q(z | x, y).
//!
//! What a network is given belongs to a row, to a class or to a pair of both ([`Given`]). The first layer
//! has a weight of its own for each of them, so a row's share is computed once and not once a class, and
//! a class's share is a row of its weight; the sum over classes costs what its equation says and no more.

mod conv;
mod gaussian_softmax;
mod wide_resnet;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

pub use conv::{ConvFeatures, ConvNet, ConvPicture};
pub use gaussian_softmax::GaussianSoftmax;
pub use wide_resnet::{WideResNet, WideResNetConfig};

use crate::dist::{Categorical, Mixed, Normal};
use crate::noise::Noise;
use crate::ops::{Index, activate, join, layer_norm, linear, pick};
use crate::pairs::Pairs;

pub use crate::ops::Activation;

/// Variance of a weight times the layer's inputs, so that signals keep their size: 2 for ReLU and its like
/// (He et al. 2015), 1 else.
fn gain(activation: Activation) -> f64 {
    match activation {
        Activation::Relu | Activation::LeakyRelu | Activation::Elu | Activation::Silu => 2.0,
        Activation::Softplus | Activation::Identity => 1.0,
    }
}

/// One of the things that a network is given.
#[derive(Clone, Copy)]
pub enum Given<'a> {
    /// A vector a row, `[r, d]`: every pair of the row has it.
    Row(&'a Tensor<2>),
    /// A vector of something else that pairs share, `[s, d]`, and for each pair whose it has.
    At(&'a Tensor<2>, &'a Index),
    /// The class of each pair.
    Class,
    /// A vector a pair, `[p, d]`.
    Pair(&'a Tensor<2>),
}

/// Shape of every network of a model: its hidden layers and what stands between them.
#[derive(Debug, Clone)]
pub struct Hidden<'a> {
    /// Width of each hidden layer.
    pub widths: &'a [usize],
    /// What follows each of them.
    pub activation: Activation,
    /// What comes before the activation.
    pub norm: Norm,
}

/// How a hidden layer's values are normalised before its activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// They are not.
    None,
    /// Each row by its own mean and variance (Ba et al. 2016). A row's values depend on no other row, so it makes no
    /// difference that a sum over classes holds many rows that are no data.
    Layer,
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
        self.then(Activation::Identity, x)
    }

    /// t W: how much the outputs change along directions t `[n, inputs]`, `[n, outputs]`.
    pub fn along(&self, t: Tensor<2>) -> Tensor<2> {
        linear(t, self.weight.val(), None, Activation::Identity)
    }

    /// act(x W + b): `[n, inputs]` → `[n, outputs]`.
    pub fn then(&self, activation: Activation, x: Tensor<2>) -> Tensor<2> {
        linear(x, self.weight.val(), Some(self.bias.val()), activation)
    }
}

/// A first layer over several inputs: act(Σ_i x_i W_i + b), each product at its own size.
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

    fn forward(&self, activation: Activation, pairs: &Pairs, inputs: &[Given]) -> Tensor<2> {
        assert_eq!(inputs.len(), self.weights.len(), "one weight for each input");
        let mut bias = Some(self.bias.val());
        let mut share = |(input, weight): (&Given, &Param<Tensor<2>>)| -> (Tensor<2>, Option<Index>) {
            let (bias, weight) = (bias.take(), weight.val());
            let product = |x: &Tensor<2>, bias, weight| linear(x.clone(), weight, bias, Activation::Identity);
            match *input {
                Given::Row(x) => (product(x, bias, weight), Some(pairs.row().clone())),
                Given::At(x, index) => (product(x, bias, weight), Some(index.clone())),
                Given::Pair(x) => (product(x, bias, weight), None),
                // A one-hot row times W is a row of W.
                Given::Class => {
                    let table = bias.map_or(weight.clone(), |bias| weight + bias.unsqueeze());
                    (table, Some(pairs.class().clone()))
                }
            }
        };
        // The bias goes with the first share, at no cost where that is a product.
        let mut order: Vec<_> = inputs.iter().zip(&self.weights).collect();
        order.sort_by_key(|(input, _)| matches!(input, Given::Class));
        let mut shares: Vec<_> = order.into_iter().map(&mut share).collect();
        let (last, last_index) = shares.pop().expect("a network is given at least one input");
        let sum = shares.into_iter().reduce(|(a, a_index), (b, b_index)| {
            (join((a, a_index.as_ref()), (b, b_index.as_ref()), Activation::Identity), None)
        });
        match sum {
            None => activate(activation, pick(last, last_index.as_ref())),
            Some((sum, index)) => join((sum, index.as_ref()), (last, last_index.as_ref()), activation),
        }
    }
}

/// act(g t̂ + s): layer normalisation of a hidden layer's values t.
#[derive(Module, Debug)]
struct LayerNorm {
    gain: Param<Tensor<1>>,
    shift: Param<Tensor<1>>,
}

impl LayerNorm {
    fn new(width: usize, device: &Device) -> LayerNorm {
        LayerNorm { gain: Param::from_tensor(Tensor::ones([width], device)), shift: zeros(width, device) }
    }

    fn then(&self, activation: Activation, t: Tensor<2>) -> Tensor<2> {
        layer_norm(t, self.gain.val(), self.shift.val(), activation)
    }
}

/// The hidden layers of a network.
#[derive(Module, Debug)]
pub struct Trunk {
    first: JointLinear,
    hidden: Vec<Linear>,
    norms: Vec<LayerNorm>, // one a layer, or none
    #[module(skip)]
    activation: Activation,
}

impl Trunk {
    /// `inputs` are the widths of what the network is given, in the order of `given`.
    pub fn new(inputs: &[usize], hidden: &Hidden, noise: &mut Noise) -> Trunk {
        let gain = gain(hidden.activation);
        let layer =
            |pair: &[usize], noise: &mut Noise| Linear::new(pair[0], pair[1], (gain / pair[0] as f64).sqrt(), noise);
        let norms = match hidden.norm {
            Norm::None => Vec::new(),
            Norm::Layer => hidden.widths.iter().map(|&width| LayerNorm::new(width, noise.device())).collect(),
        };
        Trunk {
            first: JointLinear::new(inputs, hidden.widths[0], gain, noise),
            hidden: hidden.widths.windows(2).map(|pair| layer(pair, noise)).collect(),
            norms,
            activation: hidden.activation,
        }
    }

    /// The same function of all inputs but this one, which had no say: it was 0.
    fn without(mut self, input: usize) -> Trunk {
        self.first.weights.remove(input);
        self
    }

    /// The same function, given one vector more in this place, which has no say yet: its weights are 0.
    fn given_also(mut self, input: usize, width: usize) -> Trunk {
        let bias = self.first.bias.val();
        let zeros = Tensor::zeros([width, bias.dims()[0]], (&bias.device(), bias.dtype()));
        self.first.weights.insert(input, Param::from_tensor(zeros));
        self
    }

    /// → `[p, last hidden width]`, a row a pair.
    pub fn forward(&self, pairs: &Pairs, inputs: &[Given]) -> Tensor<2> {
        self.rest(self.layer(0, |activation| self.first.forward(activation, pairs, inputs)), |h| h)
    }

    /// The same for a network that is given one vector: `[n, width]` → `[n, last hidden width]`.
    pub fn of(&self, x: &Tensor<2>) -> Tensor<2> {
        self.rest(self.first_of(x), |h| h)
    }

    /// The first hidden layer of a network that is given one vector: `[n, width]` → `[n, first hidden width]`.
    fn first_of(&self, x: &Tensor<2>) -> Tensor<2> {
        let [weight] = &self.first.weights[..] else { panic!("this network is given more than one vector") };
        self.layer(0, |activation| linear(x.clone(), weight.val(), Some(self.first.bias.val()), activation))
    }

    /// The last hidden layer from the first; `then` is what becomes of each layer's values.
    fn rest(&self, first: Tensor<2>, mut then: impl FnMut(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
        self.hidden
            .iter()
            .zip(1..)
            .fold(then(first), |h, (layer, at)| then(self.layer(at, |activation| layer.then(activation, h.clone()))))
    }

    /// A hidden layer's values, normalised where they are, from those that come out under the activation that is told.
    fn layer(&self, at: usize, values: impl FnOnce(Activation) -> Tensor<2>) -> Tensor<2> {
        match self.norms.get(at) {
            None => values(self.activation),
            Some(norm) => norm.then(self.activation, values(Activation::Identity)),
        }
    }
}

/// What dropout multiplies hidden values `[n, width]` by: 0 with the probability `rate`, or else 1 / (1 − rate).
///
/// Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov. *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*. JMLR 2014.
pub fn dropout_mask(rate: f64, shape: [usize; 2], noise: &mut Noise) -> Tensor<2> {
    // Without comparing, so that it has the precision of the noise.
    ((noise.uniform(shape) - rate).sign() + 1.0) * (0.5 / (1.0 - rate))
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
        let std_dev = (1.0 / last(hidden) as f64).sqrt();
        NormalNet::with_mean(inputs, hidden, outputs, std_dev, noise)
    }

    /// One that starts at 𝒩(0, I), whatever it is given.
    pub fn near_standard(inputs: &[usize], hidden: &Hidden, outputs: usize, noise: &mut Noise) -> NormalNet {
        NormalNet::with_mean(inputs, hidden, outputs, NEAR_ZERO, noise)
    }

    fn with_mean(inputs: &[usize], hidden: &Hidden, outputs: usize, std_dev: f64, noise: &mut Noise) -> NormalNet {
        let last = last(hidden);
        NormalNet {
            trunk: Trunk::new(inputs, hidden, noise),
            mean: Linear::new(last, outputs, std_dev, noise),
            log_var: Linear::new(last, outputs, NEAR_ZERO, noise),
        }
    }

    /// Width of the first thing that it is given.
    pub fn given_width(&self) -> usize {
        self.trunk.first.weights[0].val().dims()[0]
    }

    /// The same distribution, given one vector more, which has no say yet.
    #[must_use]
    pub fn given_also(self, input: usize, width: usize) -> NormalNet {
        NormalNet { trunk: self.trunk.given_also(input, width), ..self }
    }

    /// The distribution of each pair under these inputs.
    pub fn given<const I: usize>(&self, pairs: &Pairs, inputs: [Given; I]) -> Normal {
        self.heads(self.trunk.forward(pairs, &inputs))
    }

    /// The distribution of each row, for a network that is given one vector `[n, d]`.
    pub fn of(&self, x: &Tensor<2>) -> Normal {
        self.heads(self.trunk.of(x))
    }

    /// Both heads in one product, which a narrow one has not enough work for.
    fn heads(&self, h: Tensor<2>) -> Normal {
        let weights = Tensor::cat(vec![self.mean.weight.val(), self.log_var.weight.val()], 1);
        let biases = Tensor::cat(vec![self.mean.bias.val(), self.log_var.bias.val()], 0);
        let m = self.mean.bias.dims()[0];
        let both = linear(h, weights, Some(biases), Activation::Identity);
        Normal { mean: both.clone().slice_dim(1, 0..m), log_var: both.slice_dim(1, m..2 * m) }
    }
}

/// A class given a row, or given other things.
#[derive(Module, Debug)]
pub struct CategoricalNet {
    trunk: Trunk,
    logits: Linear,
}

impl CategoricalNet {
    /// `inputs`: widths of what it is given; `classes`: number of outcomes.
    pub fn new(inputs: &[usize], hidden: &Hidden, classes: usize, noise: &mut Noise) -> CategoricalNet {
        let last = last(hidden);
        CategoricalNet {
            trunk: Trunk::new(inputs, hidden, noise),
            logits: Linear::new(last, classes, (1.0 / last as f64).sqrt(), noise),
        }
    }

    /// The distribution of each pair under these inputs.
    pub fn given<const I: usize>(&self, pairs: &Pairs, inputs: [Given; I]) -> Categorical {
        Categorical { logits: self.logits.forward(self.trunk.forward(pairs, &inputs)) }
    }

    /// The distribution of each row, for a network that is given one vector `[n, d]`.
    pub fn of(&self, x: &Tensor<2>) -> Categorical {
        self.of_codes(self.codes(x))
    }

    /// The last hidden layer of each row: `[n, h]`.
    pub fn codes(&self, x: &Tensor<2>) -> Tensor<2> {
        self.trunk.of(x)
    }

    /// The first hidden layer of each row: `[n, first width]`.
    pub fn first(&self, x: &Tensor<2>) -> Tensor<2> {
        self.trunk.first_of(x)
    }

    /// The last hidden layer from the first; `then` is what becomes of each layer's values: `[n, h]`.
    pub fn codes_from_first(&self, first: Tensor<2>, then: impl FnMut(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
        self.trunk.rest(first, then)
    }

    /// The distribution of each row from its last hidden layer `[n, h]`.
    pub fn of_codes(&self, codes: Tensor<2>) -> Categorical {
        Categorical { logits: self.logits.forward(codes) }
    }
}

/// A row of a table, or a picture, given other things: the likelihood p(x | …).
#[derive(Module, Debug)]
pub struct MixedNet {
    trunk: Trunk,
    out: Linear,
    picture: Option<ConvPicture>,
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
            picture: None,
            log_var: (layout.numeric > 0).then(|| zeros(layout.numeric, noise.device())),
            layout: layout.clone(),
        }
    }

    /// One whose last layers are convolutions, for pictures.
    pub fn of_pictures(
        inputs: &[usize],
        hidden: &Hidden,
        layout: &Layout,
        picture: ConvPicture,
        noise: &mut Noise,
    ) -> MixedNet {
        let last = last(hidden);
        let out = Linear::new(last, picture.width(), (2.0 / last as f64).sqrt(), noise);
        MixedNet { out, picture: Some(picture), ..MixedNet::new(inputs, hidden, layout, noise) }
    }

    /// The same distribution without one of the inputs, where that was 0.
    #[must_use]
    pub fn without(self, input: usize) -> MixedNet {
        MixedNet { trunk: self.trunk.without(input), ..self }
    }

    /// The distribution of each pair under these inputs.
    pub fn given<const I: usize>(&self, pairs: &Pairs, inputs: [Given; I]) -> Mixed<'_> {
        self.likelihood(self.trunk.forward(pairs, &inputs))
    }

    /// The distribution of each row, for a network that is given one vector `[n, m]`.
    pub fn of(&self, z: &Tensor<2>) -> Mixed<'_> {
        self.likelihood(self.trunk.of(z))
    }

    fn likelihood(&self, h: Tensor<2>) -> Mixed<'_> {
        let outputs = self.out.forward(h);
        let outputs = self.picture.as_ref().map_or(outputs.clone(), |picture| picture.of(outputs));
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
