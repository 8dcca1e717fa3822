//! Which rows a step sees: a function of the seed and the step.

use burn::tensor::{Device, Tensor, TensorData};
use halfmoon_pool::Dataset;
use halfmoon_pool::encode::{Encoding, Layout};
use ndarray::{Array2, Axis};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::model::{Batch, Counts, Moment};
use crate::noise::Noise;
use crate::train::Plan;

/// Rows of a training set, a batch a step. Each stream goes through a fresh permutation every epoch;
/// rows become `f32` a batch at a time.
pub(crate) struct Batches<'a> {
    dataset: &'a Dataset,
    encoding: &'a Encoding,
    labelled: Stream,
    all: Stream,
    stage: usize,
    binarise: bool,
    device: Device,
}

impl<'a> Batches<'a> {
    /// Batches of a stage: as many labelled rows as its plan says (all of them, where there are fewer), and rows
    /// from the whole training set, whose labels are not looked at.
    pub(crate) fn new(rows: &TrainingRows<'a>, plan: &Plan, stage: usize, seed: u64, device: &Device) -> Batches<'a> {
        let TrainingRows { dataset, encoding, .. } = *rows;
        let labelled = dataset.labelled();
        let labelled_rows = plan.labelled_rows.min(labelled.len());
        let apart = (stage as u64) << 48;
        Batches {
            dataset,
            encoding,
            labelled: Stream::new(labelled, labelled_rows, seed, 1 << 62 | apart),
            all: Stream::new((0..dataset.len()).collect(), plan.unlabelled_rows, seed, 1 << 63 | apart),
            stage,
            binarise: plan.binarise,
            device: device.clone(),
        }
    }

    /// The batch of a step of the stage, which counts from 0. What is drawn for it comes from `noise`.
    pub(crate) fn at(&mut self, step: u64, setbacks: u32, noise: &mut Noise) -> Batch {
        let (labelled, all) = (self.labelled.at(step), self.all.at(step));
        let class = |&item: &usize| self.dataset.labels[item].expect("the stream holds labelled items");
        let y = labelled.iter().map(|item| class(item).index()).map(|class| u32::try_from(class).expect("few classes"));
        Batch {
            x: self.tensor(&labelled, noise),
            y: y.collect(),
            u: self.tensor(&all, noise),
            open: (0..)
                .zip(&all)
                .filter(|(_, item)| self.dataset.labels[**item].is_none())
                .map(|(row, _)| row)
                .collect(),
            counts: Counts { labelled: self.labelled.items.len(), unlabelled: self.all.items.len() },
            moment: Moment { stage: self.stage, step, setbacks },
        }
    }

    fn tensor(&self, items: &[usize], noise: &mut Noise) -> Tensor<2> {
        let mut rows = self.encoding.encode(&self.dataset.inputs, items);
        if self.binarise {
            let Layout { numeric, yes_no, .. } = self.encoding.layout();
            let grey = rows.slice_axis_mut(Axis(1), (numeric..numeric + yes_no).into());
            noise.draw_bits(grey);
        }
        tensor(rows, &self.device)
    }
}

/// Every row that is learned from, for what looks at all of them at once.
#[derive(Clone, Copy)]
pub struct TrainingRows<'a> {
    /// The items.
    pub dataset: &'a Dataset,
    /// How they become numbers.
    pub encoding: &'a Encoding,
    /// Where the tensors are made.
    pub device: &'a Device,
}

impl<'a> TrainingRows<'a> {
    /// The inputs, a thousand rows at a time, without gradients.
    pub fn chunks(self) -> impl Iterator<Item = Tensor<2>> + 'a {
        let device = self.device.clone().inner();
        let items: Vec<usize> = (0..self.dataset.len()).collect();
        let starts = (0..items.len()).step_by(CHUNK);
        starts.map(move |start| {
            let chunk = &items[start..items.len().min(start + CHUNK)];
            tensor(self.encoding.encode(&self.dataset.inputs, chunk), &device)
        })
    }
}

const CHUNK: usize = 1000;

/// `[n, d]` numbers as a tensor.
pub fn tensor(rows: Array2<f32>, device: &Device) -> Tensor<2> {
    let shape = [rows.nrows(), rows.ncols()];
    let (numbers, offset) = rows.into_raw_vec_and_offset();
    assert!(offset.unwrap_or(0) == 0, "an array made row by row starts at its first number");
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

/// Items in the order of one permutation an epoch, cut into batches that may cross epochs.
struct Stream {
    items: Vec<usize>,
    rows: usize,
    seed: u64,
    /// Keeps these permutations apart from the other stream's and from the steps' noise.
    offset: u64,
    epoch: Option<(u64, Vec<usize>)>,
}

impl Stream {
    fn new(items: Vec<usize>, rows: usize, seed: u64, offset: u64) -> Stream {
        Stream { items, rows, seed, offset, epoch: None }
    }

    fn at(&mut self, step: u64) -> Vec<usize> {
        let first = step * self.rows as u64;
        (first..first + self.rows as u64).map(|position| self.item(position)).collect()
    }

    fn item(&mut self, position: u64) -> usize {
        let epoch = position / self.items.len() as u64;
        if self.epoch.as_ref().is_none_or(|(current, _)| *current != epoch) {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(self.offset | epoch);
            let mut order = self.items.clone();
            order.shuffle(&mut rng);
            self.epoch = Some((epoch, order));
        }
        let (_, order) = self.epoch.as_ref().expect("set above");
        order[usize::try_from(position % self.items.len() as u64).expect("less than a length")]
    }
}
