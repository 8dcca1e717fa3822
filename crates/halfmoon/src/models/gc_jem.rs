//! `jem` with a Gaussian-coupled softmax for a head: an energy that is bounded.
//!
//! Hayashi. *A Hybrid of Generative and Discriminative Models Based on the Gaussian-Coupled Softmax Layer*. IEEE Transactions on Neural Networks and Learning
//! Systems 36(2), 2024, arXiv:2305.05912; trained as in [`super::jem`].
//!
//! ```text
//! f(x)_y = log π_y − ½ |h(x) − μ_y|²        log p(x) + log Z = LSE_y f(x)_y ≤ 0
//! ```

use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::jem::{EnergyHead, Gap, Jem, JemConfig};
use crate::batches::TrainingRows;
use crate::checkpoint::Checkpoint;
use crate::model::{Makes, ModelConfig};
use crate::noise::Noise;
use crate::train::Plan;

/// Hyper-parameters of `gc_jem`: those of `jem`, with `head = "gaussian"` and the logistic gap. Under the linear gap nothing keeps the chains' log p(x) from
/// falling for ever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GcJemConfig(pub JemConfig);

impl Default for GcJemConfig {
    fn default() -> Self {
        GcJemConfig(JemConfig { head: EnergyHead::Gaussian, gap: Gap::Logistic, ..JemConfig::default() })
    }
}

impl ModelConfig for GcJemConfig {
    type Model = Jem;
    const NAME: &'static str = "gc_jem";
    const ABOUT: &'static str = "jem with class Gaussians for a head, so that its energy is bounded";
    const PAPER: &'static str = "hayashi2024gcs";
    const MAKES: Makes = Makes::InputsByChains;
    const NEEDS_LABELS: bool = true;

    fn plan() -> Plan {
        JemConfig::plan()
    }

    fn preset(GcJemConfig(settings): &Self) -> Self {
        let GcJemConfig(JemConfig { head, gap, .. }) = GcJemConfig::default();
        GcJemConfig(JemConfig { head, gap, ..JemConfig::of(settings.preset) })
    }

    fn check(&self, layout: &Layout) -> Result<(), String> {
        self.0.check(layout)
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Jem {
        self.0.init(layout, classes, noise)
    }

    fn begin_stage(&self, stage: usize, model: Jem, rows: &TrainingRows, noise: &mut Noise) -> Jem {
        self.0.begin_stage(stage, model, rows, noise)
    }

    fn init_like(&self, stored: &Checkpoint, layout: &Layout, classes: usize, noise: &mut Noise) -> Jem {
        self.0.init_like(stored, layout, classes, noise)
    }
}
