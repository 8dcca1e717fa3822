//! Probabilities of held-out items as `halfmoon predict` would say them.

use halfmoon::trust::halves;
use halfmoon_pool::Dataset;
use halfmoon_pool::scores::Predictions;
use halfmoon_pool::trust::{Trust, cross_fitted};

/// Brings probabilities to what `halfmoon predict` would say.
pub(super) struct Temper {
    /// Whether each item is in the first half, where the items are those that the temperature comes from: each half is
    /// then brought to the temperature of the other one. `None` for other data.
    halves: Option<Vec<bool>>,
}

impl Temper {
    /// For items that the run held out itself.
    pub(super) fn of_held_out(items: &Dataset, seed: u64) -> Temper {
        Temper { halves: Some(halves(&items.inputs, seed)) }
    }

    /// For data that the temperature does not come from.
    pub(super) fn of_others() -> Temper {
        Temper { halves: None }
    }

    pub(super) fn apply(&self, predictions: Predictions, trust: Option<&Trust>) -> Predictions {
        let Some(temperature) = trust.and_then(|trust| trust.temperature) else { return predictions };
        match &self.halves {
            None => Predictions { probs: temperature.apply(&predictions.probs), classes: predictions.classes },
            Some(halves) => cross_fitted(&predictions, halves).unwrap_or(predictions),
        }
    }
}
