//! The contractive autoencoder, fine-tuned on the labelled rows.
//!
//! Rifai, Vincent, Muller, Glorot, Bengio. *Contractive Auto-Encoders: Explicit Invariance During Feature Extraction*.
//! ICML 2011. Equation numbers are the paper's.
//!
//! ```text
//! h(x) = σ(x W + b)        r(h) = h Wᵀ + b′, the logits (of numeric columns: the means) of a reconstruction
//!
//! (6)  ‖∂h/∂x‖²_F = Σ_j (h_j (1 − h_j))² Σ_i W_ij²
//! (7)  𝓙 = E_u[−log p(u | r(h(u))) + λ ‖∂h(u)/∂u‖²_F]        one stage a layer, each on the codes of the one below
//!      𝓙 = E_(x,y)[−log p(y | h(x))]                          the last stage, all layers together
//! ```

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use crate::dist::{Bernoulli, Categorical, Mixed};
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Model, ModelConfig};
use crate::nets::{Activation, Linear};
use crate::noise::Noise;
use crate::ops::linear;
use crate::train::{Decay, Plan};

/// Hyper-parameters of [`Cae`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaeConfig {
    /// Widths of the layers. The paper's MNIST runs have 1000.
    pub hidden: Vec<usize>,
    /// λ in equation 7. The paper chose it by validation; this value is not tuned.
    pub contraction: f64,
    /// How each layer is trained before they are fine-tuned together.
    pub pretrain: Plan,
}

impl Default for CaeConfig {
    fn default() -> Self {
        CaeConfig { hidden: vec![1000], contraction: 0.1, pretrain: pretrain() }
    }
}

/// How a layer is trained unless the user says otherwise.
pub(super) fn pretrain() -> Plan {
    Plan { steps: 3000, labelled_rows: 1, decay: Decay::Linear, ..Plan::default() }
}

/// How the layers are fine-tuned unless the user says otherwise.
pub(super) fn fine_tune() -> Plan {
    Plan { steps: 1500, unlabelled_rows: 0, weight_decay: 1e-4, decay: Decay::Linear, ..Plan::default() }
}

impl CaeConfig {
    pub(super) fn layers(&self, layout: &Layout, noise: &mut Noise) -> Vec<Layer> {
        let widths: Vec<usize> = std::iter::once(layout.width()).chain(self.hidden.iter().copied()).collect();
        widths.windows(2).map(|pair| Layer::new(pair[0], pair[1], noise)).collect()
    }

    pub(super) fn check_own(&self) -> Result<(), String> {
        super::check_hidden("hidden", &self.hidden)?;
        if !self.contraction.is_finite() || self.contraction < 0.0 {
            return Err("`contraction` must be 0 or more".into());
        }
        if self.pretrain.unlabelled_rows == 0 {
            return Err("`pretrain.unlabelled_rows` must be at least 1".into());
        }
        Ok(())
    }
}

impl ModelConfig for CaeConfig {
    type Model = Cae;
    const NAME: &'static str = "cae";
    const ABOUT: &'static str = "a contractive autoencoder on all rows, then fine-tuned on the labelled ones";
    const PAPER: &'static str = "rifai2011cae";
    const NEEDS_LABELS: bool = true;

    fn plan() -> Plan {
        fine_tune()
    }

    fn earlier_stages(&self) -> Vec<Plan> {
        vec![self.pretrain.clone(); self.hidden.len()]
    }

    fn check(&self, _: &Layout) -> Result<(), String> {
        self.check_own()
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Cae {
        let last = self.hidden[self.hidden.len() - 1];
        Cae {
            layers: self.layers(layout, noise),
            logits: Linear::new(last, classes, (1.0 / last as f64).sqrt(), noise),
            layout: layout.clone(),
            contraction: self.contraction,
        }
    }
}

/// One autoencoder, whose decoder has the weights of its encoder.
#[derive(Module, Debug)]
pub struct Layer {
    weight: Param<Tensor<2>>, // [inputs, outputs]
    bias: Param<Tensor<1>>,   // [outputs]
    back: Param<Tensor<1>>,   // [inputs]
}

impl Layer {
    fn new(inputs: usize, outputs: usize, noise: &mut Noise) -> Layer {
        let std_dev = (1.0 / inputs as f64).sqrt();
        Layer {
            weight: Param::from_tensor(noise.normal([inputs, outputs]) * std_dev),
            bias: Param::from_tensor(Tensor::zeros([outputs], noise.device())),
            back: Param::from_tensor(Tensor::zeros([inputs], noise.device())),
        }
    }

    /// h(x): `[n, inputs]` → `[n, outputs]`.
    pub fn code(&self, x: &Tensor<2>) -> Tensor<2> {
        sigmoid(linear(x.clone(), self.weight.val(), Some(self.bias.val()), Activation::Identity))
    }

    /// t W for directions t `[n, inputs]`: the derivative of the layer along them, before the slope h (1 − h).
    pub fn along(&self, t: Tensor<2>) -> Tensor<2> {
        linear(t, self.weight.val(), None, Activation::Identity)
    }

    /// t Wᵀ: `[n, outputs]` → `[n, inputs]`.
    pub fn back_along(&self, t: Tensor<2>) -> Tensor<2> {
        linear(t, self.weight.val().transpose(), None, Activation::Identity)
    }

    /// r(h): `[n, outputs]` → `[n, inputs]`.
    fn reconstruct(&self, h: Tensor<2>) -> Tensor<2> {
        linear(h, self.weight.val().transpose(), Some(self.back.val()), Activation::Identity)
    }

    /// Equation 6: `[n]`.
    fn contraction(&self, h: &Tensor<2>) -> Tensor<1> {
        let squares = self.weight.val().square().sum_dim(0); // [1, outputs]
        (slope(h).square() * squares).sum_dim(1).squeeze_dim(1)
    }
}

/// σ′ from σ: h (1 − h).
pub(super) fn slope(h: &Tensor<2>) -> Tensor<2> {
    h.clone() * (-h.clone() + 1.0)
}

/// The layers, and a classifier on the last one's codes.
#[derive(Module, Debug)]
pub struct Cae {
    layers: Vec<Layer>,
    logits: Linear,
    #[module(skip)]
    layout: Layout,
    #[module(skip)]
    contraction: f64,
}

impl Cae {
    /// Equation 7 of one layer, on the codes of the frozen ones below it.
    fn layer_loss(&self, stage: usize, u: &Tensor<2>) -> Loss {
        let below = self.layers[..stage].iter().fold(u.clone(), |h, layer| layer.clone().no_grad().code(&h));
        let layer = &self.layers[stage];
        let h = layer.code(&below);
        let outputs = layer.reconstruct(h.clone());
        let log_prob = if stage == 0 {
            let log_var = (self.layout.numeric > 0).then(|| outputs.zeros_like().slice([0..1, 0..self.layout.numeric]));
            let log_var = log_var.map(|zeros| zeros.squeeze_dim(0));
            Mixed { layout: &self.layout, outputs, log_var }.log_prob(u, None)
        } else {
            Bernoulli { logits: outputs }.log_prob(&below, None)
        };
        Loss::default().add("reconstruction", -log_prob.mean()).weigh(
            "contraction",
            self.contraction,
            layer.contraction(&h).mean(),
        )
    }

    /// The layers from the input up.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The classifier on top: codes `[n, h]` → logits `[n, c]`.
    pub fn logits(&self) -> &Linear {
        &self.logits
    }
}

impl Model for Cae {
    type Memory = ();

    fn loss(&self, Batch { x, y, u, moment, .. }: &Batch, (): &mut (), _: &mut Noise) -> Loss {
        if moment.stage < self.layers.len() {
            return self.layer_loss(moment.stage, u);
        }
        Loss::default().add("classify", -Categorical { logits: self.classify(x) }.log_prob(y).mean())
    }
}

impl Cae {
    /// The last code of each row: `[n, h]`.
    fn hidden(&self, x: &Tensor<2>) -> Tensor<2> {
        self.layers.iter().fold(x.clone(), |h, layer| layer.code(&h))
    }
}

impl Classifier for Cae {
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        self.logits.forward(self.hidden(x))
    }

    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        Some(self.hidden(x))
    }
}
