//! A trained model as a [`Predictor`].

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};
use halfmoon_pool::Class;
use halfmoon_pool::scores::{Generator, Predictor, Scores};
use ndarray::{Array, Array1, Array2, Array3, ArrayView2, Axis, RemoveAxis, concatenate};

use crate::batches::tensor;
use crate::dist::log_sum_exp;
use crate::model::{Classifier, Generate, LogDensity};
use crate::noise::Noise;
use crate::ops::Index;

/// Rows that go through the networks at once: enough to keep the cores busy, few enough for the cache.
const ROWS: usize = 500;

/// A model that is asked and no longer trained.
pub struct Trained<M: Classifier> {
    model: M,
    device: Device,
}

impl<M: Classifier> Trained<M> {
    /// `model` without its gradients.
    pub fn new(model: &M, device: &Device) -> Trained<M> {
        Trained { model: model.valid(), device: device.clone().inner() }
    }

    /// Logits of rows `[n, d]`: `[n, s, c]`.
    fn draws(&self, x: &Tensor<2>) -> Tensor<3> {
        self.model.draws(x, &mut noise_for_all(&self.device))
    }
}

impl<M: Classifier> Predictor for Trained<M> {
    fn scores(&self, inputs: ArrayView2<f32>) -> Scores {
        in_chunks(&inputs, |chunk| {
            let x = on_device(chunk, &self.device);
            let log_density = self.model.as_log_density().map(|model| log_density(model, &x, &self.device));
            let logits = self.draws(&x);
            let energy = Array1::from(numbers(-log_sum_exp::<3, 2>(logits.clone()).mean_dim(1).squeeze_dim::<1>(1)));
            let codes = self.model.codes(&x).map(array);
            Scores { log_probs: normalised(logits), log_density, energy: Some(energy), codes }
        })
    }

    fn log_probs(&self, inputs: ArrayView2<f32>) -> Array3<f32> {
        in_chunks(&inputs, |chunk| {
            let log_probs = normalised(self.draws(&on_device(chunk, &self.device)));
            Scores { log_probs, log_density: None, energy: None, codes: None }
        })
        .log_probs
    }

    fn codes(&self, inputs: ArrayView2<f32>) -> Option<Array2<f32>> {
        let of = |part: ArrayView2<f32>| self.model.codes(&on_device(&part, &self.device)).map(array);
        let parts: Option<Vec<_>> = inputs.axis_chunks_iter(Axis(0), ROWS).map(of).collect();
        let parts = parts?;
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        concatenate(Axis(0), &views).ok()
    }

    fn importance_bound(&self, inputs: ArrayView2<f32>, samples: usize) -> Option<Array1<f32>> {
        importance_bound(self.model.as_log_density()?, &inputs, samples, &self.device)
    }

    fn generator(&self) -> Option<Box<dyn Generator + '_>> {
        Some(generator(self.model.as_generate()?, &self.device))
    }
}

/// Log-probs of logits `[n, s, c]`.
fn normalised(logits: Tensor<3>) -> Array3<f32> {
    let log_probs = log_softmax(logits, 2);
    let shape = log_probs.dims();
    Array3::from_shape_vec(shape, numbers(log_probs)).expect("the shape of these numbers")
}

/// `scores` of pieces of the rows, as one.
pub fn in_chunks(inputs: &ArrayView2<f32>, scores: impl Fn(&ArrayView2<f32>) -> Scores) -> Scores {
    if inputs.nrows() <= ROWS {
        return scores(inputs);
    }
    let parts: Vec<Scores> = inputs.axis_chunks_iter(Axis(0), ROWS).map(|part| scores(&part)).collect();
    join(&parts)
}

/// Scores of several lots of items as those of all of them.
pub fn join(parts: &[Scores]) -> Scores {
    let log_probs: Vec<_> = parts.iter().map(|part| part.log_probs.view()).collect();
    Scores {
        log_probs: concatenate(Axis(0), &log_probs).expect("chunks have the same classes"),
        log_density: joined(parts, |part| part.log_density.as_ref()),
        energy: joined(parts, |part| part.energy.as_ref()),
        codes: joined(parts, |part| part.codes.as_ref()),
    }
}

/// One array of all parts', where every part has one.
fn joined<D: RemoveAxis>(parts: &[Scores], array: impl Fn(&Scores) -> Option<&Array<f32, D>>) -> Option<Array<f32, D>> {
    let arrays: Option<Vec<_>> = parts.iter().map(|part| array(part).map(|array| array.view())).collect();
    arrays.map(|arrays| concatenate(Axis(0), &arrays).expect("chunks have the same columns"))
}

/// The density of rows that are on the device already.
pub fn log_density(model: &dyn LogDensity, x: &Tensor<2>, device: &Device) -> Array1<f32> {
    Array1::from(numbers(model.log_density(x, &mut noise_for_all(device)))).mapv_into(at_least_the_lowest)
}

/// The bound for all rows, in pieces.
pub fn importance_bound(
    model: &dyn LogDensity,
    inputs: &ArrayView2<f32>,
    samples: usize,
    device: &Device,
) -> Option<Array1<f32>> {
    let mut all = Vec::with_capacity(inputs.nrows());
    for part in inputs.axis_chunks_iter(Axis(0), ROWS) {
        let bound = model.importance_bound(&on_device(&part, device), samples, &mut noise_for_all(device))?;
        all.extend(numbers(bound).into_iter().map(at_least_the_lowest));
    }
    Some(Array1::from(all))
}

/// The same noise for every row and every call: a row's score depends on nothing but the row.
fn noise_for_all(device: &Device) -> Noise {
    Noise::new(0, 0, device).same_for_every_row()
}

/// So far from the data that f32 overflows is as unlikely as f32 can say, and not undefined.
fn at_least_the_lowest(density: f32) -> f32 {
    if density.is_finite() { density } else { f32::MIN }
}

/// A model that makes inputs, for those who know arrays and no tensors.
pub fn generator<'a>(model: &'a dyn Generate, device: &'a Device) -> Box<dyn Generator + 'a> {
    Box::new(OnDevice { model, device })
}

struct OnDevice<'a> {
    model: &'a dyn Generate,
    device: &'a Device,
}

impl OnDevice<'_> {
    fn in_chunks(
        &self,
        rows: &ArrayView2<f32>,
        classes: &[Class],
        map: impl Fn(&Tensor<2>, &Index) -> Tensor<2>,
    ) -> Array2<f32> {
        let parts: Vec<Array2<f32>> = rows
            .axis_chunks_iter(Axis(0), ROWS)
            .zip(classes.chunks(ROWS))
            .map(|(part, classes)| {
                let classes: Index = classes.iter().map(|class| u32::from(class.0)).collect();
                array(map(&on_device(&part, self.device), &classes))
            })
            .collect();
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        concatenate(Axis(0), &views).unwrap_or_else(|_| Array2::zeros((0, 0)))
    }
}

impl Generator for OnDevice<'_> {
    fn latent(&self) -> usize {
        self.model.latent()
    }

    fn knows_classes(&self) -> bool {
        self.model.knows_classes()
    }

    fn encode(&self, inputs: ArrayView2<f32>, classes: &[Class]) -> Array2<f32> {
        self.in_chunks(&inputs, classes, |x, y| self.model.encode(x, y))
    }

    fn decode(&self, codes: ArrayView2<f32>, classes: &[Class]) -> Array2<f32> {
        self.in_chunks(&codes, classes, |z, y| self.model.decode(z, y))
    }
}

/// Rows as a tensor.
pub fn on_device(rows: &ArrayView2<f32>, device: &Device) -> Tensor<2> {
    tensor(rows.as_standard_layout().into_owned(), device)
}

/// A tensor as rows.
pub fn array(tensor: Tensor<2>) -> Array2<f32> {
    let [rows, columns] = tensor.dims();
    Array2::from_shape_vec((rows, columns), numbers(tensor)).expect("the shape of these numbers")
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("a model's answers are f32")
}
