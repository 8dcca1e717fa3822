//! The Gaussian-coupled softmax on rows as they are, such as embeddings made elsewhere, or in the place of the last layer of
//! any model here. The mathematics is in `halfmoon-classical`.
//!
//! Hayashi. *A Hybrid of Generative and Discriminative Models Based on the Gaussian-coupled Softmax Layer*. IEEE TNNLS 2024,
//! arXiv:2305.05912.
//!
//! What it is given is frozen: the layer is fitted once the base is trained, and its density is one of codes, not of inputs.

use burn::tensor::Device;
use halfmoon_classical::{Arrays, Fitted, FittedGaussianSoftmax, GaussianSoftmax, Method};
use halfmoon_pool::encode::Layout;
use halfmoon_pool::scores::{Predictor, Scores};
use halfmoon_pool::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use serde::{Deserialize, Serialize};
use toml::Table;

use super::base::base;
use super::classical::{HUNDREDTHS, fit_at_once, log_probs, misfit};
use crate::checkpoint::Checkpoint;
use crate::fit::{Entry, Learner, Task};
use crate::train::{Ended, Watch};

/// Settings of the coupled softmax on frozen codes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GcHead {
    /// The model whose codes it is fitted to, which is trained first. Empty: none, and rows are taken as they are.
    pub base: String,
    /// Settings of the base that differ from its defaults.
    pub settings: Table,
    /// The layer's own settings.
    pub head: GaussianSoftmax,
}

impl GcHead {
    fn base(&self) -> std::result::Result<Option<(&'static Entry, Table)>, String> {
        if self.base.is_empty() {
            return Ok(None);
        }
        base(&self.base, &self.settings, Self::NAME).map(Some)
    }

    /// The same, where `check` has been asked.
    fn checked_base(&self) -> Result<Option<(&'static Entry, Table)>> {
        self.base().map_err(|problem| Error::usage(format!("{}: {problem}", Self::NAME), ""))
    }

    fn base_steps(&self) -> u64 {
        let Ok(Some((entry, settings))) = self.base() else { return 0 };
        (entry.check)(&settings).map_or(0, |settings| settings.steps)
    }
}

impl Learner for GcHead {
    const NAME: &'static str = "gc_head";
    const ABOUT: &'static str =
        "a Gaussian a class on rows as they are, or on another model's codes: fitted in seconds";
    const PAPER: &'static str = "hayashi2024gcs";
    const IS_STEPWISE: bool = false;
    const NEEDS_LABELS: bool = true;

    fn steps(&self) -> u64 {
        self.base_steps() + HUNDREDTHS
    }

    fn check(&self, layout: Option<&Layout>) -> std::result::Result<(), String> {
        self.head.check()?;
        let Some((entry, settings)) = self.base()? else {
            return if self.settings.is_empty() { Ok(()) } else { Err("`settings` are those of a `base`".into()) };
        };
        let settings = (entry.check)(&settings).map_err(|error| error.to_string())?;
        layout.map_or(Ok(()), |layout| (settings.fits)(layout).map_err(|error| error.to_string()))
    }

    fn fit(&self, task: &Task, resume: Option<Checkpoint>, watch: &mut dyn Watch) -> Result<Ended> {
        let (kept, codes) = match self.checked_base()? {
            None => (Checkpoint::of_arrays(Arrays::new(), 0), encoded(task, 0..task.dataset.len())),
            Some((entry, settings)) => {
                let ended = (entry.fit)(&settings, task, resume, watch)?;
                if ended.stopped {
                    return Ok(ended);
                }
                let (layout, classes) = (task.encoding.layout(), task.dataset.schema.classes.len());
                let predictor = (entry.load)(&settings, &layout, classes, &ended.checkpoint, task.device)?;
                (ended.checkpoint, codes(&*predictor, entry, task)?)
            }
        };
        let done = self.base_steps();
        let head = fit_at_once(task, &codes, done, watch, |rows, go_on| Method::fit(&self.head, rows, go_on))?;
        let Some(head) = head else { return Ok(Ended { checkpoint: kept, stopped: true }) };
        let mut checkpoint = kept.with_arrays("head.", head.into_arrays());
        checkpoint.step = self.steps();
        Ok(Ended { checkpoint, stopped: false })
    }

    fn load(
        &self,
        layout: &Layout,
        classes: usize,
        stored: &Checkpoint,
        device: &Device,
    ) -> Result<Box<dyn Predictor>> {
        let base = match self.checked_base()? {
            None => None,
            Some((entry, settings)) => Some((entry.load)(&settings, layout, classes, stored, device)?),
        };
        let head = FittedGaussianSoftmax::from_arrays(&stored.arrays("head.")).map_err(misfit)?;
        Ok(Box::new(Coupled { base, head }))
    }
}

/// Rows that are encoded at once.
const CHUNK: usize = 10_000;

fn encoded(task: &Task, items: std::ops::Range<usize>) -> Array2<f32> {
    task.encoding.encode(&task.dataset.inputs, &items.collect::<Vec<_>>())
}

/// The codes of all training rows.
fn codes(predictor: &dyn Predictor, entry: &Entry, task: &Task) -> Result<Array2<f32>> {
    let n = task.dataset.len();
    let parts: Option<Vec<Array2<f32>>> =
        (0..n).step_by(CHUNK).map(|start| predictor.codes(encoded(task, start..n.min(start + CHUNK)).view())).collect();
    let parts = parts.ok_or_else(|| {
        Error::usage(format!("`{}` has no codes that a layer could be fitted to", entry.name), "choose another `base`")
    })?;
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    Ok(concatenate(Axis(0), &views).expect("a model's codes have the same columns"))
}

/// The layer, behind a base or on the rows themselves.
struct Coupled {
    base: Option<Box<dyn Predictor>>,
    head: FittedGaussianSoftmax,
}

impl Predictor for Coupled {
    fn scores(&self, inputs: ArrayView2<f32>) -> Scores {
        let codes = match &self.base {
            None => inputs.to_owned(),
            Some(base) => base.codes(inputs).expect("training saw its codes"),
        };
        Scores {
            log_probs: log_probs(self.head.probs(codes.view())),
            log_density: self.head.log_density(codes.view()),
            energy: None,
            codes: Some(codes),
        }
    }
}
