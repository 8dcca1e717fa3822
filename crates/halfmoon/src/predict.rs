//! A trained model as a [`Predictor`].

use burn::tensor::activation::{log_softmax, sigmoid};
use burn::tensor::{Device, Tensor};
use halfmoon_pool::Class;
use halfmoon_pool::scores::{ChainGenerator, Completer, Generator, Predictor, Scores, Synthesiser, probs};
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, concatenate};

use crate::batches::tensor;
use crate::dist::log_sum_exp;
use crate::model::{Classifier, Generate, LogDensity};
use crate::noise::Noise;
use crate::ops::Index;
use crate::synthesis::synthesiser;

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

    fn networks(&self, inputs: ArrayView2<f32>, draws: usize, seed: u64) -> Option<Array3<f32>> {
        let of = |part: ArrayView2<f32>| {
            // The same noise for every part of the rows: a draw is the same network for all of them.
            let mut noise = Noise::new(seed, 0, &self.device);
            self.model.networks(&on_device(&part, &self.device), draws, &mut noise).map(normalised)
        };
        let parts: Option<Vec<_>> = inputs.axis_chunks_iter(Axis(0), ROWS).map(of).collect();
        let parts = parts?;
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        concatenate(Axis(0), &views).ok()
    }

    fn labelled_probs(&self, inputs: ArrayView2<f32>) -> Option<Array2<f32>> {
        let of = |part: ArrayView2<f32>| Some(array(sigmoid(self.model.sampler(&on_device(&part, &self.device))?)));
        let parts: Option<Vec<_>> = inputs.axis_chunks_iter(Axis(0), ROWS).map(of).collect();
        Some(stacked(&parts?))
    }

    fn importance_bound(&self, inputs: ArrayView2<f32>, samples: usize) -> Option<Array1<f32>> {
        importance_bound(self.model.as_log_density()?, &inputs, samples, &self.device)
    }

    fn generator(&self) -> Option<Box<dyn Generator + '_>> {
        Some(generator(self.model.as_generate()?, &self.device))
    }

    fn chains(&self) -> Option<Box<dyn ChainGenerator + '_>> {
        // Chains follow gradients of their own, which a model without any would not have.
        self.model.as_chains()?;
        Some(Box::new(ByChains(self)))
    }

    fn completer(&self) -> Option<Box<dyn Completer + '_>> {
        if self.model.as_complete().is_some() {
            return Some(Box::new(ByChains(self)));
        }
        Some(Box::new(PseudoGibbs { model: self.model.as_generate()?, answers: self, device: &self.device }))
    }

    fn synthesiser(&self) -> Option<Box<dyn Synthesiser + '_>> {
        synthesiser(&self.model, &self.device)
    }
}

/// A model whose chains make inputs and fill them in.
struct ByChains<'a, M: Classifier>(&'a Trained<M>);

impl<M: Classifier> ChainGenerator for ByChains<'_, M> {
    fn examples(&self, classes: &[Class], steps: usize, seed: u64) -> Array2<f32> {
        let Trained { model, device } = self.0;
        let chains = model.as_chains().expect("`chains` asked");
        let device = device.clone().autodiff();
        let parts = classes.chunks(ROWS).zip(0..).map(|(classes, chunk)| {
            let classes: Index = classes.iter().map(|class| u32::from(class.0)).collect();
            array(chains.examples(&classes, steps, &mut Noise::new(seed, chunk, &device)))
        });
        stacked(&parts.collect::<Vec<_>>())
    }

    fn waiting(&self) -> Option<Array2<f32>> {
        self.0.model.as_chains().expect("`chains` asked").waiting().map(array)
    }
}

impl<M: Classifier> Completer for ByChains<'_, M> {
    fn complete(&self, inputs: ArrayView2<f32>, known: ArrayView2<bool>, steps: usize, seed: u64) -> Array2<f32> {
        let Trained { model, device } = self.0;
        let completer = model.as_complete().expect("`completer` asked");
        let device = device.clone().autodiff();
        let parts = known_chunks(&inputs, &known).zip(0..).map(|((rows, known), chunk)| {
            let (x, known) = (on_device(&rows, &device), on_device(&known.view(), &device));
            array(completer.complete(&x, &known, steps, &mut Noise::new(seed, chunk, &device)))
        });
        stacked(&parts.collect::<Vec<_>>())
    }
}

/// Inputs and 1 where a number is known, a few rows at a time.
fn known_chunks<'a>(
    inputs: &'a ArrayView2<f32>,
    known: &'a ArrayView2<bool>,
) -> impl Iterator<Item = (ArrayView2<'a, f32>, Array2<f32>)> {
    let rows = inputs.axis_chunks_iter(Axis(0), ROWS);
    rows.zip(known.axis_chunks_iter(Axis(0), ROWS)).map(|(rows, known)| (rows, known.mapv(f32::from)))
}

/// Fills in by turns: a class from p(y | x), a code from q(z | x, y), and what is missing as E[x | y, z] has it.
///
/// Rezende, Mohamed, Wierstra. *Stochastic Backpropagation and Approximate Inference in Deep Generative Models*. ICML 2014, arXiv:1401.4082, appendix F. What
/// a draw differs in is what the code leaves open; the likelihood's own noise is not in it.
pub struct PseudoGibbs<'a> {
    /// Codes of inputs, and inputs of codes.
    pub model: &'a dyn Generate,
    /// Whose classes are drawn.
    pub answers: &'a dyn Predictor,
    /// Where the tensors are.
    pub device: &'a Device,
}

impl PseudoGibbs<'_> {
    /// A class for each row, drawn from p(y | x).
    fn classes(&self, rows: &Array2<f32>, noise: &mut Noise) -> Index {
        let probs = probs(&self.answers.log_probs(rows.view()));
        let places: Vec<f32> = noise.uniform([rows.nrows()]).into_data().iter().collect();
        let drawn = probs.rows().into_iter().zip(places).map(|(probs, place)| {
            let mut left = place * probs.sum();
            let at = probs.iter().position(|&p| {
                left -= p;
                left < 0.0
            });
            u32::try_from(at.unwrap_or(probs.len() - 1)).expect("few classes")
        });
        drawn.collect()
    }
}

impl Completer for PseudoGibbs<'_> {
    fn complete(&self, inputs: ArrayView2<f32>, known: ArrayView2<bool>, steps: usize, seed: u64) -> Array2<f32> {
        let PseudoGibbs { model, device, .. } = *self;
        let parts = known_chunks(&inputs, &known).zip(0..).map(|((rows, known), chunk)| {
            let mut noise = Noise::new(seed, chunk, device);
            // A code of nothing in particular, under the class that what is known suggests.
            let mut classes = self.classes(&(&rows * &known), &mut noise);
            let mut z = noise.normal([rows.nrows(), model.latent()]);
            for _ in 0..steps {
                let made = array(model.decode(&z, &classes));
                let full = &rows * &known + made * known.mapv(|known| 1.0 - known);
                classes = self.classes(&full, &mut noise);
                z = model.code_of(&on_device(&full.view(), device), &classes).rsample(&mut noise);
            }
            let made = array(model.decode(&z, &classes));
            &rows * &known + made * known.mapv(|known| 1.0 - known)
        });
        stacked(&parts.collect::<Vec<_>>())
    }
}

/// Arrays of the same columns, one below the other.
fn stacked(parts: &[Array2<f32>]) -> Array2<f32> {
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    concatenate(Axis(0), &views).unwrap_or_else(|_| Array2::zeros((0, 0)))
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
    Scores::join(&parts)
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
        stacked(&parts)
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
