//! Dense layers with batch normalisation: every unit has mean 0 and variance 1 over the rows of a step.
//!
//! Ioffe, Szegedy. *Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift*.
//! ICML 2015.
//!
//! ```text
//! z = (h W − μ) / √(σ² + ε)        μ, σ² of each unit over the rows
//! act(γ (z + β))                   γ only where the next layer would not undo it
//! ```
//!
//! While a model learns, a step's own rows say what μ and σ² are. A row that is asked about is normalised by their
//! averages over the steps, so its answer depends on nothing but itself.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::noise::Noise;
use crate::ops::{Activation, activate, linear};

/// Added to a variance, so that a unit that never changes is 0 and not undefined.
const FLOOR: f64 = 1e-6;

/// The least share that a step has in what was seen: the last hundred steps or so count.
const LEAST_SHARE: f64 = 0.01;

/// Mean and variance of each unit.
#[derive(Clone)]
pub struct Moments {
    /// μ: `[1, h]`.
    pub mean: Tensor<2>,
    /// σ²: `[1, h]`.
    pub variance: Tensor<2>,
}

impl Moments {
    /// Over rows `[n, h]`.
    pub fn of(rows: &Tensor<2>) -> Moments {
        let mean = rows.clone().mean_dim(0);
        let variance = (rows.clone() - mean.clone()).square().mean_dim(0);
        Moments { mean, variance }
    }

    /// (t − μ) / √(σ² + ε) of rows `[n, h]`.
    pub fn normalise(&self, rows: Tensor<2>) -> Tensor<2> {
        (rows - self.mean.clone()) / (self.variance.clone() + FLOOR).sqrt()
    }
}

/// Running averages of the moments: stored with the parameters, but no gradient moves them.
#[derive(Module, Debug)]
struct Seen {
    mean: Param<Tensor<1>>,     // [h]
    variance: Param<Tensor<1>>, // [h]
}

impl Seen {
    fn new(units: usize, device: &Device) -> Seen {
        Seen {
            mean: Param::from_tensor(Tensor::zeros([units], device)).no_grad(),
            variance: Param::from_tensor(Tensor::ones([units], device)).no_grad(),
        }
    }

    fn moments(&self) -> Moments {
        Moments { mean: self.mean.val().unsqueeze(), variance: self.variance.val().unsqueeze() }
    }

    fn update(self, moments: &Moments, share: f64) -> Seen {
        let mix = |old: Param<Tensor<1>>, new: &Tensor<2>| {
            old.map(|old| old * (1.0 - share) + new.clone().detach().squeeze_dim(0) * share)
        };
        Seen { mean: mix(self.mean, &moments.mean), variance: mix(self.variance, &moments.variance) }
    }
}

/// One layer. Its bias is β: what is added before μ is taken off has no effect.
#[derive(Module, Debug)]
struct Layer {
    weight: Param<Tensor<2>>,        // [inputs, outputs]
    beta: Param<Tensor<1>>,          // [outputs]
    gamma: Option<Param<Tensor<1>>>, // [outputs]
    seen: Seen,
}

impl Layer {
    fn new(inputs: usize, outputs: usize, is_scaled: bool, noise: &mut Noise) -> Layer {
        let device = noise.device().clone();
        let std_dev = (1.0 / inputs as f64).sqrt();
        Layer {
            weight: Param::from_tensor(noise.normal([inputs, outputs]) * std_dev),
            beta: Param::from_tensor(Tensor::zeros([outputs], &device)),
            gamma: is_scaled.then(|| Param::from_tensor(Tensor::ones([outputs], &device))),
            seen: Seen::new(outputs, &device),
        }
    }

    /// h W.
    fn product(&self, h: Tensor<2>) -> Tensor<2> {
        linear(h, self.weight.val(), None, Activation::Identity)
    }

    /// The layer of rows that are asked about: normalised by what was seen in training.
    fn asked(&self, h: Tensor<2>, activation: Activation) -> Tensor<2> {
        self.output(self.seen.moments().normalise(self.product(h)), activation)
    }

    /// act(γ (z + β)).
    fn output(&self, z: Tensor<2>, activation: Activation) -> Tensor<2> {
        let shifted = z + self.beta.val().unsqueeze();
        activate(activation, self.gamma.iter().fold(shifted, |t, gamma| t * gamma.val().unsqueeze()))
    }
}

/// Layers up to the logits of p(y | x), each normalised.
#[derive(Module, Debug)]
pub(super) struct NormalisedNet {
    layers: Vec<Layer>,
    #[module(skip)]
    activation: Activation,
}

/// What a network made of rows on their way up.
pub struct Path {
    /// z of the input (the rows as they went in) and of each layer: `[n, h]` each.
    pub z: Vec<Tensor<2>>,
    /// By which the products of each layer were normalised.
    pub moments: Vec<Moments>,
}

impl NormalisedNet {
    /// `hidden`: the widths between the inputs and the logits.
    pub(super) fn new(
        inputs: usize,
        hidden: &[usize],
        activation: Activation,
        classes: usize,
        noise: &mut Noise,
    ) -> NormalisedNet {
        // A scale before one of these passes through it, and the next normalisation takes it out again.
        let passes_scales = matches!(activation, Activation::Identity | Activation::Relu | Activation::LeakyRelu);
        let mut below = inputs;
        let mut layer = |width: usize, is_scaled: bool| {
            let layer = Layer::new(below, width, is_scaled, noise);
            below = width;
            layer
        };
        let mut layers: Vec<Layer> = hidden.iter().map(|&width| layer(width, !passes_scales)).collect();
        layers.push(layer(classes, true));
        NormalisedNet { layers, activation }
    }

    /// The way up of rows `[n, d]`, normalised by the moments of those from `first` on, with noise of standard
    /// deviation `level` on the rows and on every z.
    pub(super) fn path(&self, rows: &Tensor<2>, first: usize, noise: Option<(f64, &mut Noise)>) -> Path {
        let mut noise = noise.filter(|(level, _)| *level > 0.0);
        let mut corrupted = |z: Tensor<2>| match &mut noise {
            Some((level, noise)) => {
                let drawn = noise.normal(z.dims()).cast(z.dtype());
                z + drawn * *level
            }
            None => z,
        };
        let n = rows.dims()[0];
        let (mut z, mut moments) = (vec![corrupted(rows.clone())], Vec::new());
        let mut h = z[0].clone();
        for (at, layer) in self.layers.iter().enumerate() {
            if at > 0 {
                h = self.layers[at - 1].output(z[at].clone(), self.activation);
            }
            let product = layer.product(h.clone());
            let of_layer = Moments::of(&product.clone().slice_dim(0, first..n));
            z.push(corrupted(of_layer.normalise(product)));
            moments.push(of_layer);
        }
        Path { z, moments }
    }

    /// The logits at the end of a way: `[n, c]`. Not a part of every [`Path`]: what is computed and leads to no loss
    /// stays in the engine's graph and slows down every later step.
    pub(super) fn logits(&self, path: &Path) -> Tensor<2> {
        let (Some(last), Some(z)) = (self.layers.last(), path.z.last()) else { panic!("a network has layers") };
        last.output(z.clone(), Activation::Identity)
    }

    /// Logits of rows that are asked about: `[n, d]` → `[n, c]`.
    pub(super) fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        let last = self.layers.last().expect("a network has layers");
        last.asked(self.codes(x), Activation::Identity)
    }

    /// The last hidden layer of rows that are asked about: `[n, h]`, the rows themselves where there is none.
    pub(super) fn codes(&self, x: &Tensor<2>) -> Tensor<2> {
        let hidden = &self.layers[..self.layers.len() - 1];
        hidden.iter().fold(x.clone(), |h, layer| layer.asked(h, self.activation))
    }

    /// With the moments of a step of which `done` came before it. The first ones are forgotten soon: the weights that
    /// they belong to change fast.
    #[must_use]
    pub(super) fn update(self, moments: &[Moments], done: u64) -> NormalisedNet {
        let share = (2.0 / (done + 2) as f64).max(LEAST_SHARE);
        let layers = self.layers.into_iter().zip(moments);
        let layers = layers.map(|(layer, moments)| Layer { seen: layer.seen.update(moments, share), ..layer });
        NormalisedNet { layers: layers.collect(), activation: self.activation }
    }
}
