//! SDGM, the skip deep generative model.
//!
//! Maaløe, Sønderby, Sønderby, Winther. *Auxiliary Deep Generative Models*. ICML 2016, arXiv:1602.05473, section 2.3.
//! Equation numbers are the paper's.
//!
//! ```text
//! generative   p(x, y, a, z) = p(y) p(z) p(a | y, z) p(x | a, y, z)      p(y) uniform, p(z) = 𝒩(0, I)
//! inference    q(a, y, z | x) = q(a | x) q(y | a, x) q(z | a, x, y)
//!
//! (11) f(x, y, a, z) = log p(x | a, y, z) + log p(y) + log p(z) + log p(a | y, z) − log q(a | x) − log q(z | a, x, y)
//!      𝓛, 𝓤 and 𝓙 are those of ADGM with this f
//! ```
//!
//! a is a layer of its own between z and x, and z reaches x past it as well.

use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::auxiliary::{Auxiliary, AuxiliaryConfig, Structure};
use crate::model::{Makes, ModelConfig};
use crate::noise::Noise;
use crate::train::Plan;

/// Hyper-parameters of SDGM.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SdgmConfig(pub AuxiliaryConfig);

impl ModelConfig for SdgmConfig {
    type Model = Auxiliary;
    const NAME: &'static str = "sdgm";
    const ABOUT: &'static str = "adgm with two layers of codes above a row, one of them skipped";
    const PAPER: &'static str = "maaloe2016adgm";
    const MAKES: Makes = Makes::InputsOfAClass;
    const NEEDS_LABELS: bool = false;

    fn plan() -> Plan {
        AuxiliaryConfig::plan()
    }

    fn check(&self, layout: &Layout) -> Result<(), String> {
        if self.0.pretrain.is_some() {
            return Err("`pretrain` is for `adgm` alone".into());
        }
        self.0.check(layout)
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Auxiliary {
        self.0.init(Structure::Sdgm, layout, classes, noise)
    }
}
