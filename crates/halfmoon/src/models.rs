//! The registry: one model a file below `models/`, one name each in the list below.

/// The one list of models, as entries and as types.
macro_rules! registry {
    ($($config:ty),*) => {
        /// Every model. The first is what `halfmoon train` uses unless told otherwise.
        pub const MODELS: &[Entry] = &[$(entry::<$config>()),*];

        /// Shows every model's types to `visitor`, in the order of [`MODELS`].
        pub fn visit_models(visitor: &mut impl ModelVisitor) {
            $(visitor.visit::<$config>();)*
        }
    };
}

mod m2;
mod supervised;

pub use m2::{M2, M2Config, Preset, Weights, elbo_x};
pub use supervised::{Net, Supervised, SupervisedConfig};

use crate::fit::{Entry, entry};
use crate::model::ModelConfig;

registry! { M2Config, SupervisedConfig }

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
