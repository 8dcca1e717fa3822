//! A trained model as a [`Predictor`].

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};
use halfmoon_pool::scores::{Predictor, Scores};
use ndarray::{Array1, Array3, ArrayView2, Axis, concatenate};

use crate::batches::tensor;
use crate::model::Model;
use crate::noise::Noise;

/// Rows that go through the networks at once: enough to keep the cores busy, few enough for the cache.
const ROWS: usize = 500;

/// A model that is asked and no longer trained.
pub struct Trained<M: Model> {
    model: M,
    device: Device,
}

impl<M: Model> Trained<M> {
    /// `model` without its gradients.
    pub fn new(model: &M, device: &Device) -> Trained<M> {
        Trained { model: model.valid(), device: device.clone().inner() }
    }

    fn chunk(&self, inputs: &ArrayView2<f32>) -> Scores {
        let x = tensor(inputs.as_standard_layout().into_owned(), &self.device);
        let log_probs: Tensor<3> = log_softmax(self.model.classify(&x), 1).unsqueeze_dim(1);
        let shape = log_probs.dims();
        let log_probs = Array3::from_shape_vec(shape, numbers(log_probs)).expect("the shape of these numbers");
        let log_density = self.model.as_log_density().map(|model| {
            // The same noise for every row and every call: a row's score depends on nothing but the row.
            let mut noise = Noise::new(0, 0, &self.device).same_for_every_row();
            // So far from the data that f32 overflows is as unlikely as f32 can say, and not undefined.
            let lowest = |density: f32| if density.is_finite() { density } else { f32::MIN };
            Array1::from(numbers(model.log_density(&x, &mut noise))).mapv_into(lowest)
        });
        Scores { log_probs, log_density }
    }
}

impl<M: Model> Predictor for Trained<M> {
    fn scores(&self, inputs: ArrayView2<f32>) -> Scores {
        let rows = inputs.nrows();
        if rows <= ROWS {
            return self.chunk(&inputs);
        }
        let parts: Vec<Scores> = inputs.axis_chunks_iter(Axis(0), ROWS).map(|part| self.chunk(&part)).collect();
        let log_probs: Vec<_> = parts.iter().map(|part| part.log_probs.view()).collect();
        let densities: Option<Vec<_>> = parts.iter().map(|part| part.log_density.as_ref().map(|d| d.view())).collect();
        Scores {
            log_probs: concatenate(Axis(0), &log_probs).expect("chunks have the same classes"),
            log_density: densities.map(|parts| concatenate(Axis(0), &parts[..]).expect("vectors can be joined")),
        }
    }
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("a model's answers are f32")
}
