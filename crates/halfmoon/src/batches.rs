//! Which rows a step sees: a function of the seed and the step.

use burn::tensor::{Device, Tensor, TensorData};
use halfmoon_pool::Dataset;
use halfmoon_pool::encode::Encoding;
use ndarray::Array2;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::model::{Batch, Counts};

/// Rows of a training set, a batch a step. Each stream goes through a fresh permutation every epoch;
/// rows become `f32` a batch at a time.
pub struct Batches<'a> {
    dataset: &'a Dataset,
    encoding: &'a Encoding,
    labelled: Stream,
    all: Stream,
    device: Device,
}

impl<'a> Batches<'a> {
    /// Batches of this many labelled rows (all of them, where there are fewer) and of this many rows
    /// from the whole training set, whose labels are not looked at.
    pub fn new(
        dataset: &'a Dataset,
        encoding: &'a Encoding,
        (labelled_rows, unlabelled_rows): (usize, usize),
        seed: u64,
        device: &Device,
    ) -> Batches<'a> {
        let labelled = dataset.labelled();
        let labelled_rows = labelled_rows.min(labelled.len());
        Batches {
            dataset,
            encoding,
            labelled: Stream::new(labelled, labelled_rows, seed, 1 << 62),
            all: Stream::new((0..dataset.len()).collect(), unlabelled_rows, seed, 1 << 63),
            device: device.clone(),
        }
    }

    /// The batch of a step, which counts from 0.
    pub fn at(&mut self, step: u64) -> Batch {
        let (labelled, all) = (self.labelled.at(step), self.all.at(step));
        let class = |&item: &usize| self.dataset.labels[item].expect("the stream holds labelled items");
        let y = labelled.iter().map(|item| class(item).index()).map(|class| u32::try_from(class).expect("few classes"));
        Batch {
            x: self.tensor(self.encoding.encode(&self.dataset.inputs, &labelled)),
            y: y.collect(),
            u: self.tensor(self.encoding.encode(&self.dataset.inputs, &all)),
            counts: Counts { labelled: self.labelled.items.len(), unlabelled: self.all.items.len() },
        }
    }

    /// Where the batches are made.
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn tensor(&self, rows: Array2<f32>) -> Tensor<2> {
        tensor(rows, &self.device)
    }
}

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
