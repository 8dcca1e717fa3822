//! The registry: one model a file below `models/`, one name each in the list below.

/// The one list of models, as entries and as types: those that an optimiser trains, then the others.
macro_rules! registry {
    (optimised: $($config:ty),*; others: $($learner:ty),*) => {
        /// Every model. The first is what `halfmoon train` uses unless told otherwise.
        pub const MODELS: &[Entry] = &[$(entry::<$config>(),)* $(learner::<$learner>()),*];

        /// Shows the types of every model that an optimiser trains to `visitor`, in the order of [`MODELS`].
        pub fn visit_models(visitor: &mut impl ModelVisitor) {
            $(visitor.visit::<$config>();)*
        }
    };
}

mod adgm;
mod aral;
mod auxiliary;
mod base;
mod batch_norm;
mod cae;
mod classical;
mod gc_head;
mod gc_jem;
mod gc_vae;
mod jem;
mod label_propagation;
mod label_spreading;
mod ladder;
mod lsd;
mod m1;
mod m1m2;
mod m2;
mod mtc;
mod ng_ebm;
mod sdgm;
mod self_training;
mod supervised;
mod tsvm;
mod vaal;
mod vae;
mod vat;
mod weights;

pub use adgm::AdgmConfig;
pub use aral::{Ablation, Aral, AralConfig, feature_distance, real_or_generated};
pub use auxiliary::{Auxiliary, AuxiliaryConfig, Draws, Inference, Structure};
pub use batch_norm::{Moments, Path};
pub use cae::{Cae, CaeConfig};
pub use gc_head::GcHead;
pub use gc_jem::GcJemConfig;
pub use gc_vae::{GcVae, GcVaeConfig, SoftmaxAt};
pub use jem::{EnergyHead, Gap, Jem, JemConfig, Recipe, Start};
pub use ladder::{Denoiser, Ladder, LadderConfig};
pub use lsd::{Lsd, LsdConfig, stein};
pub use m1::{Head, M1Config};
pub use m1m2::{M1M2, M1M2Config};
pub use m2::{M2, M2Config};
pub use mtc::{Mtc, MtcConfig};
pub use ng_ebm::{NgEbm, NgEbmConfig};
pub use sdgm::SdgmConfig;
pub use self_training::{Rule, SelfTraining};
pub use supervised::{Net, Supervised, SupervisedConfig};
pub use vaal::{Vaal, VaalConfig};
pub use vae::Vae;
pub use vat::{Vat, VatConfig, steepest};
pub use weights::{Instead, Preset, Weights};

use halfmoon_classical::{LabelPropagation, LabelSpreading, Tsvm};

use crate::fit::{Entry, entry, learner};
use crate::model::ModelConfig;

registry! {
    optimised: M2Config, SupervisedConfig, M1M2Config, AdgmConfig, SdgmConfig, GcVaeConfig, JemConfig, GcJemConfig, LsdConfig, NgEbmConfig, VaalConfig, AralConfig, VatConfig, LadderConfig, CaeConfig, MtcConfig;
    others: M1Config, GcHead, SelfTraining, LabelPropagation, LabelSpreading, Tsvm
}

/// Something to do with every model's types, which [`MODELS`] has erased.
pub trait ModelVisitor {
    /// Called once a model.
    fn visit<C: ModelConfig>(&mut self);
}

/// What a semi-supervised model must beat.
pub const BASELINE: &Entry = &MODELS[1];

fn check_hidden(name: &str, widths: &[usize]) -> Result<(), String> {
    match widths {
        [] => Err(format!("`{name}` needs at least one width, such as [500]")),
        _ if widths.contains(&0) => Err(format!("`{name}` must not hold a width of 0")),
        _ => Ok(()),
    }
}
