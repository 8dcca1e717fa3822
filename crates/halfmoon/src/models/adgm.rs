//! ADGM, the auxiliary deep generative model.
//!
//! Maaløe, Sønderby, Sønderby, Winther. *Auxiliary Deep Generative Models*. ICML 2016, arXiv:1602.05473. Equation numbers
//! are the paper's.
//!
//! ```text
//! generative   p(x, y, a, z) = p(y) p(z) p(a | x, y, z) p(x | y, z)      p(y) uniform, p(z) = 𝒩(0, I)
//! inference    q(a, y, z | x) = q(a | x) q(y | a, x) q(z | a, x, y)
//!
//! (7)  f(x, y, a, z) = log p(x | y, z) + log p(y) + log p(z) + log p(a | x, y, z) − log q(a | x) − log q(z | a, x, y)
//!      −𝓛(x, y) = E_q(a|x) E_q(z|a,x,y)[f]
//! (8)  −𝓤(x)    = E_q(a|x) Σ_y q(y | a, x) (E_q(z|a,x,y)[f] − log q(y | a, x))
//! (10) 𝓙        = Σ_(x,y) (𝓛(x, y) + α E_q(a|x)[−log q(y | a, x)]) + Σ_u 𝓤(u)
//! ```
//!
//! a leaves p(x, y, z) as it is: integrated out, it makes q(z | x, y) a mixture, which is no longer Gaussian.

use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::auxiliary::{Auxiliary, AuxiliaryConfig, Structure};
use crate::batches::TrainingRows;
use crate::checkpoint::Checkpoint;
use crate::model::{Makes, ModelConfig};
use crate::noise::Noise;
use crate::train::Plan;

/// Hyper-parameters of ADGM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AdgmConfig(pub AuxiliaryConfig);

impl Default for AdgmConfig {
    /// With a first stage: p(a | x, y, z) sees x and learns to copy q(a | x), so that a costs nothing and loses its noise,
    /// which is what keeps q(y | a) from settling early on what is wrong.
    fn default() -> Self {
        let pretrain = Plan { steps: 12_000, ..AuxiliaryConfig::plan() };
        AdgmConfig(AuxiliaryConfig { pretrain: Some(pretrain), ..AuxiliaryConfig::default() })
    }
}

impl ModelConfig for AdgmConfig {
    type Model = Auxiliary;
    const NAME: &'static str = "adgm";
    const ABOUT: &'static str = "m2 with an auxiliary variable, which lets the code of a row take any shape";
    const PAPER: &'static str = "maaloe2016adgm";
    const MAKES: Makes = Makes::InputsOfAClass;
    const NEEDS_LABELS: bool = false;

    /// At a lower rate than the first stage: what was inferred there is to be kept.
    fn plan() -> Plan {
        Plan { steps: 6000, rate: 1e-3, ..AuxiliaryConfig::plan() }
    }

    fn earlier_stages(&self) -> Vec<Plan> {
        self.0.earlier_stages()
    }

    fn check(&self, layout: &Layout) -> Result<(), String> {
        self.0.check(layout)
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Auxiliary {
        let structure = if self.earlier_stages().is_empty() { Structure::Adgm } else { Structure::Sdgm };
        self.0.init(structure, layout, classes, noise)
    }

    fn begin_stage(&self, stage: usize, model: Auxiliary, _: &TrainingRows, _: &mut Noise) -> Auxiliary {
        if stage == 0 { model } else { model.into_adgm() }
    }

    fn init_like(&self, stored: &Checkpoint, layout: &Layout, classes: usize, noise: &mut Noise) -> Auxiliary {
        // p(x | a, y, z) has a third weight.
        let structure = match stored.shape("p_x.trunk.first.weights.2") {
            Some(_) => Structure::Sdgm,
            None => Structure::Adgm,
        };
        self.0.init(structure, layout, classes, noise)
    }
}
