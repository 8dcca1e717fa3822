//! An energy that is trained without samples: a classifier whose log p(x) is flat where data are.
//!
//! Piland, Sweet, Saboia, Vardeman, Czajka. *Non-Generative Energy Based Models*. 2023, arXiv:2304.01297, with the approximate mass of Grathwohl
//! et al. (2020, section 5.3).
//!
//! ```text
//! 𝓙 = E_(x,y)[−log p(y | x)] + w E_u[‖∇_u log p(u)‖]        log p(x) = LSE_y f(x)_y − log Z
//! ```
//!
//! Nothing here pushes log p(x) down where there are no data, so it is no density, and the model has none to offer; its energy is an outlier score like any
//! classifier's.
//!
//! The engine differentiates once, so the gradient of the second term's own gradient is that of a difference: with v = ∇ log p / ‖∇ log p‖ a constant,
//! ‖∇ log p(u)‖ = (log p(u + h v) − log p(u − h v)) / 2h up to h², and so are the derivatives of both for the parameters.

use burn::module::Module;
use burn::tensor::Tensor;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::supervised::{Net, Supervised, SupervisedConfig};
use crate::attack::unit;
use crate::augment::Augment;
use crate::dist::Categorical;
use crate::energy::{Of, input_gradient, log_density, seen};
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Model, ModelConfig};
use crate::nets::{Activation, WideResNetConfig};
use crate::noise::Noise;
use crate::train::{Decay, Plan};

/// Hyper-parameters of [`NgEbm`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NgEbmConfig {
    /// `mlp` for any rows, `conv` and `wide_resnet` for pictures.
    pub net: Net,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// What stands between them.
    pub activation: Activation,
    /// Outputs of each convolution of `conv`.
    pub channels: Vec<usize>,
    /// Size of `wide_resnet`.
    pub wide: WideResNetConfig,
    /// w: how heavy the length of the gradient weighs.
    pub mass: f64,
    /// h: half the distance over which the slope is taken.
    pub slope_over: f64,
    /// Standard deviation of the noise on the rows of a step, as `jem` has it.
    pub data_noise: f64,
    /// How the pictures of a step are changed.
    pub augment: Augment,
}

impl Default for NgEbmConfig {
    fn default() -> Self {
        NgEbmConfig {
            net: Net::Mlp,
            hidden: vec![128, 128],
            activation: Activation::Silu,
            channels: vec![16, 32],
            wide: WideResNetConfig::default(),
            mass: 0.1,
            slope_over: 0.05,
            data_noise: 0.03,
            augment: Augment::None,
        }
    }
}

impl ModelConfig for NgEbmConfig {
    type Model = NgEbm;
    const NAME: &'static str = "ng_ebm";
    const ABOUT: &'static str = "a classifier whose logits are flat where data are, as those of an energy";
    const PAPER: &'static str = "piland2023ngebm";
    const NEEDS_LABELS: bool = true;

    fn plan() -> Plan {
        Plan {
            steps: 1500,
            rate: 1e-3,
            decay: Decay::Linear,
            labelled_rows: 64,
            unlabelled_rows: 64,
            ..Plan::default()
        }
    }

    fn check(&self, layout: &Layout) -> Result<(), String> {
        self.net.check(&self.hidden, &self.channels, layout)?;
        self.wide.check()?;
        self.augment.check(layout)?;
        for (name, value) in [("mass", self.mass), ("data_noise", self.data_noise)] {
            if !value.is_finite() || value < 0.0 {
                return Err(format!("`{name}` must be 0 or more"));
            }
        }
        if !self.slope_over.is_finite() || self.slope_over <= 0.0 {
            return Err("`slope_over` must be more than 0".into());
        }
        Ok(())
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> NgEbm {
        let network = SupervisedConfig {
            net: self.net,
            hidden: self.hidden.clone(),
            activation: self.activation,
            channels: self.channels.clone(),
            wide: self.wide,
            ..SupervisedConfig::default()
        };
        NgEbm { network: network.init(layout, classes, noise), layout: layout.clone(), config: self.clone() }
    }
}

/// f, one network.
#[derive(Module, Debug)]
pub struct NgEbm {
    network: Supervised,
    #[module(skip)]
    layout: Layout,
    #[module(skip)]
    config: NgEbmConfig,
}

impl NgEbm {
    /// ‖∇ log p‖ of rows as the network sees them, `[n, d]` → `[n]`: a difference along the gradient.
    fn slope(&self, rows: &Tensor<2>) -> Tensor<1> {
        let h = self.config.slope_over;
        let fixed = self.network.clone().no_grad();
        let v = unit(input_gradient(|x| fixed.classify(x), rows, &Of::Density)) * h;
        let n = rows.dims()[0];
        let both = Tensor::cat(vec![rows.clone() + v.clone(), rows.clone() - v], 0);
        let log_p = log_density(self.network.classify(&both));
        (log_p.clone().slice_dim(0, 0..n) - log_p.slice_dim(0, n..2 * n)) / (2.0 * h)
    }
}

impl Model for NgEbm {
    type Memory = ();

    fn loss(&self, Batch { x, y, u, .. }: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        let NgEbmConfig { mass, data_noise, augment, .. } = self.config;
        let u = if u.dims()[0] == 0 { x } else { u };
        let n = x.dims()[0];
        let rows = Tensor::cat(vec![x.clone(), u.clone()], 0);
        let changed = augment.changed(&rows, self.layout.image, noise);
        let rows = seen(&self.layout, &changed.unwrap_or(rows));
        let drawn = noise.normal(rows.dims()) * data_noise;
        let rows = rows + drawn;
        let all = rows.dims()[0];
        let logits = self.network.classify(&rows.clone().slice_dim(0, 0..n));
        Loss::default().add("classify", -Categorical { logits }.log_prob(y).mean()).weigh(
            "mass",
            mass,
            self.slope(&rows.slice_dim(0, n..all)).mean(),
        )
    }
}

impl Classifier for NgEbm {
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        self.network.classify(&seen(&self.layout, x))
    }

    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        self.network.codes(&seen(&self.layout, x))
    }
}
