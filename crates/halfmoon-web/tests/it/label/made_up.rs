//! Digits as PNG files, and a model that needs no training to speak of: the class whose mean is nearest.

#![allow(dead_code, reason = "the example and the tests need different parts")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use halfmoon_pool::dataset::Inputs;
use halfmoon_pool::read::{self, Options};
use halfmoon_pool::scores::{ChainGenerator, Doubtful, Generator, Predictor, Scores, Synthesiser};
use halfmoon_pool::{Class, Dataset, Result};
use halfmoon_web::label::{Lesson, Settings, Trainer};
use image::{GrayImage, ImageFormat};
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis};

/// Writes the first of the built-in digits as `0000.png` and so on, and returns which digits they are.
pub(crate) fn write_digits(folder: &Path, count: usize) -> Vec<u16> {
    let digits = read::read(Path::new("digits"), &Options::default()).expect("built in").train;
    let Inputs::Bytes(pixels) = &digits.inputs else { panic!("pixels of bytes") };
    std::fs::create_dir_all(folder).expect("writable");
    for (number, pixels) in pixels.rows().into_iter().take(count).enumerate() {
        // White is 16 there, 255 here.
        let bytes = pixels.iter().map(|&pixel| pixel.saturating_mul(15)).collect();
        let picture = GrayImage::from_raw(8, 8, bytes).expect("64 pixels");
        let path = folder.join(format!("{number:04}.png"));
        picture.save_with_format(path, ImageFormat::Png).expect("writable");
    }
    digits.labels.iter().take(count).map(|label| label.expect("all have one").0).collect()
}

/// A project of the pictures in `photos/`, for the model below.
pub(crate) fn settings(folder: &Path) -> Settings {
    Settings {
        project: folder.join("project.db"),
        data: folder.join("photos"),
        options: Options::default(),
        classes: (0..10).map(|digit| digit.to_string()).collect(),
        rule: "margin".to_owned(),
        model: "means".to_owned(),
        models: [("means", "the class whose mean is nearest"), ("others", "the same once more")]
            .map(|(name, about)| (name.to_owned(), about.to_owned()))
            .to_vec(),
        judge: 0.2,
        twice: 0.1,
        first: 10,
        every: 5,
        about: serde_json::Map::new(),
        candidates: 20_000,
        seed: 1,
    }
}

/// Takes as long as it is told.
#[derive(Clone, Default)]
pub(crate) struct MadeUp {
    /// How long a training takes.
    pub(crate) pause: Duration,
    /// Sleeps through it and asks nobody whether to go on.
    pub(crate) is_deaf: bool,
    /// The labels of every lesson.
    pub(crate) lessons: Arc<Mutex<Vec<Vec<Option<Class>>>>>,
    /// Models of this name fail.
    pub(crate) fails: Option<&'static str>,
    /// Examples come by chains, and not from codes.
    pub(crate) has_chains: bool,
}

impl Trainer for MadeUp {
    fn train(
        &mut self,
        lesson: &Lesson,
        watch: &mut (dyn FnMut(u64, u64) -> bool + Send),
    ) -> Result<Option<Box<dyn Predictor>>> {
        self.lessons.lock().expect("no panic").push(lesson.items.labels.clone());
        assert!(self.fails != Some(lesson.model), "this panic belongs to the test");
        let began = Instant::now();
        if self.is_deaf {
            std::thread::sleep(self.pause);
        }
        let mut step = 0;
        while began.elapsed() < self.pause {
            std::thread::sleep(Duration::from_millis(10));
            step += 1;
            if !watch(step, 1 + u64::try_from(self.pause.as_millis() / 10).expect("a short while")) {
                return Ok(None);
            }
        }
        let encoded = lesson.encoding.encode(&lesson.items.inputs, &lesson.items.labelled());
        Ok(Some(Box::new(Means { has_chains: self.has_chains, ..Means::of(lesson.items, &encoded) })))
    }
}

/// The mean of each class that has one.
struct Means {
    of_classes: Vec<Option<Array1<f32>>>,
    width: usize,
    has_chains: bool,
}

impl Means {
    fn of(items: &Dataset, encoded: &Array2<f32>) -> Means {
        let labelled = items.labelled();
        let of_class = |class: usize| {
            let rows: Vec<usize> = (0..labelled.len())
                .filter(|&row| items.labels[labelled[row]].is_some_and(|label| label.index() == class))
                .collect();
            encoded.select(Axis(0), &rows).mean_axis(Axis(0))
        };
        let of_classes = (0..items.schema.classes.len()).map(of_class).collect();
        Means { of_classes, width: encoded.ncols(), has_chains: false }
    }

    fn mean(&self, class: Class) -> Array1<f32> {
        self.of_classes.get(class.index()).cloned().flatten().unwrap_or_else(|| Array1::zeros(self.width))
    }
}

impl Predictor for Means {
    fn scores(&self, inputs: ArrayView2<f32>) -> Scores {
        let squared = |row: usize, class: usize| {
            let mean = self.of_classes[class].as_ref()?;
            Some((&inputs.row(row) - mean).mapv(|x| x * x).sum())
        };
        let mut log_probs = Array3::from_shape_fn((inputs.nrows(), 1, self.of_classes.len()), |(row, _, class)| {
            squared(row, class).map_or(-20.0, |squared| -squared)
        });
        for mut row in log_probs.lanes_mut(Axis(2)) {
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = row.iter().map(|logit| (logit - most).exp()).sum();
            row -= most + sum.ln();
        }
        let nearest = |row: usize| {
            let all = (0..self.of_classes.len()).filter_map(|class| squared(row, class));
            -all.fold(f32::INFINITY, f32::min)
        };
        let log_density = Some((0..inputs.nrows()).map(nearest).collect());
        Scores { log_probs, log_density, energy: None, codes: Some(inputs.to_owned()) }
    }

    fn generator(&self) -> Option<Box<dyn Generator + '_>> {
        if self.has_chains { None } else { Some(Box::new(self)) }
    }

    fn chains(&self) -> Option<Box<dyn ChainGenerator + '_>> {
        if self.has_chains { Some(Box::new(self)) } else { None }
    }

    fn synthesiser(&self) -> Option<Box<dyn Synthesiser + '_>> {
        Some(Box::new(self))
    }
}

impl Generator for &Means {
    fn latent(&self) -> usize {
        2
    }

    fn knows_classes(&self) -> bool {
        true
    }

    fn encode(&self, inputs: ArrayView2<f32>, _: &[Class]) -> Array2<f32> {
        Array2::zeros((inputs.nrows(), 2))
    }

    /// The mean, a little brighter or darker.
    fn decode(&self, codes: ArrayView2<f32>, classes: &[Class]) -> Array2<f32> {
        let mut made = Array2::zeros((classes.len(), self.width));
        for ((mut row, code), class) in made.rows_mut().into_iter().zip(codes.rows()).zip(classes) {
            row.assign(&(self.mean(*class) * (1.0 + 0.2 * code[0]) + 0.02 * code[1]));
        }
        made
    }
}

impl ChainGenerator for &Means {
    /// The means themselves.
    fn examples(&self, classes: &[Class], _: usize, _: u64) -> Array2<f32> {
        self.decode(Array2::zeros((classes.len(), 2)).view(), classes)
    }

    fn waiting(&self) -> Option<Array2<f32>> {
        None
    }
}

impl Synthesiser for &Means {
    /// Half of a class and half of the next.
    fn doubtful(&self, classes: &[Class], _: Option<usize>, _: f64, _: u64) -> Doubtful {
        let known: Vec<&Array1<f32>> = self.of_classes.iter().flatten().collect();
        let mut inputs = Array2::zeros((classes.len(), self.width));
        for (mut row, class) in inputs.rows_mut().into_iter().zip(classes) {
            let (first, second) = (class.index() % known.len(), (class.index() + 1) % known.len());
            row.assign(&((known[first] + known[second]) / 2.0));
        }
        Doubtful { inputs, codes: None }
    }
}
