//! Where chance comes from: a stream of numbers that seed and step alone decide.
//!
//! A training step draws its noise from `Noise::new(seed, step)`. So a resumed run sees the same noise
//! as an uninterrupted one, and nothing depends on what other threads draw.

use burn::tensor::{DType, Device, Tensor, TensorData};
use ndarray::ArrayViewMut2;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// A stream of random tensors.
pub struct Noise {
    source: Source,
    device: Device,
    dtype: DType,
    same_for_every_row: bool,
}

enum Source {
    Generator(Box<ChaCha8Rng>),
    /// Numbers given one after the other, for comparisons with another implementation.
    Recorded(std::vec::IntoIter<f64>),
}

impl Noise {
    /// The noise of one step of a run.
    pub fn new(seed: u64, step: u64, device: &Device) -> Noise {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(step);
        Noise {
            source: Source::Generator(Box::new(generator)),
            device: device.clone(),
            dtype: DType::F32,
            same_for_every_row: false,
        }
    }

    /// These numbers, in the order in which they will be asked for. Asking for more is a panic.
    pub fn recorded(numbers: Vec<f64>, device: &Device) -> Noise {
        Noise {
            source: Source::Recorded(numbers.into_iter()),
            device: device.clone(),
            dtype: DType::F32,
            same_for_every_row: false,
        }
    }

    /// In this precision; `f32` unless asked.
    #[must_use]
    pub fn with_dtype(mut self, dtype: DType) -> Noise {
        self.dtype = dtype;
        self
    }

    /// From here on one draw serves all rows: `[n, …]` comes back as `[1, …]`, to be broadcast.
    /// A row's score then depends on nothing but the row.
    #[must_use]
    pub fn same_for_every_row(mut self) -> Noise {
        self.same_for_every_row = true;
        self
    }

    /// ε ~ 𝒩(0, 1), independent.
    pub fn normal<const D: usize>(&mut self, mut shape: [usize; D]) -> Tensor<D> {
        if self.same_for_every_row {
            shape[0] = shape[0].min(1);
        }
        let count = shape.iter().product();
        let numbers: Vec<f64> = match &mut self.source {
            Source::Generator(rng) if self.dtype == DType::F32 => {
                let numbers: Vec<f32> = (0..count).map(|_| rng.sample(StandardNormal)).collect();
                return Tensor::from_data(TensorData::new(numbers, shape), &self.device);
            }
            Source::Generator(rng) => (0..count).map(|_| rng.sample(StandardNormal)).collect(),
            Source::Recorded(numbers) => numbers.take(count).collect(),
        };
        assert_eq!(numbers.len(), count, "the recorded noise is used up");
        Tensor::from_data(TensorData::new(numbers, shape), (&self.device, self.dtype))
    }

    /// u ~ 𝒰(0, 1), never 0 and never 1, independent.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let count = shape.iter().product();
        let numbers: Vec<f64> = match &mut self.source {
            // The middle of one of 2^24 equal parts: f32 holds it exactly.
            Source::Generator(rng) => {
                (0..count).map(|_| (f64::from(rng.next_u32() >> 8) + 0.5) / 16_777_216.0).collect()
            }
            Source::Recorded(numbers) => numbers.take(count).collect(),
        };
        assert_eq!(numbers.len(), count, "the recorded noise is used up");
        Tensor::from_data(TensorData::new(numbers, shape), (&self.device, self.dtype))
    }

    /// Puts 1 with the probability that stands there, 0 else.
    pub fn draw_bits(&mut self, mut probs: ArrayViewMut2<f32>) {
        let Source::Generator(rng) = &mut self.source else { panic!("bits are drawn in training only") };
        probs.map_inplace(|p| *p = f32::from(rng.random::<f32>() < *p));
    }

    /// The device that the tensors are made on.
    pub fn device(&self) -> &Device {
        &self.device
    }
}
