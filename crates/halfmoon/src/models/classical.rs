//! The classifiers of `halfmoon-classical` as models of the registry. They look at all rows at once; their
//! progress is counted in hundredths of the work.

use burn::tensor::Device;
use halfmoon_classical::{Fitted, GoOn, Method, Rows};
use halfmoon_pool::encode::Layout;
use halfmoon_pool::scores::{Predictor, Scores};
use halfmoon_pool::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis};

use crate::checkpoint::Checkpoint;
use crate::fit::{Learner, Task};
use crate::loss::Loss;
use crate::train::{Ended, Then, Watch};

/// What a method is called.
pub trait Named: Method {
    /// What the user types.
    const NAME: &'static str;
    /// One line for `halfmoon models`.
    const ABOUT: &'static str;
    /// Key into `references.bib`.
    const PAPER: &'static str;
}

/// What the progress of a fit is counted in.
pub(super) const HUNDREDTHS: u64 = 100;

impl<M: Named> Learner for M {
    const NAME: &'static str = <M as Named>::NAME;
    const ABOUT: &'static str = <M as Named>::ABOUT;
    const PAPER: &'static str = <M as Named>::PAPER;
    const IS_STEPWISE: bool = false;
    const NEEDS_LABELS: bool = true;

    fn steps(&self) -> u64 {
        HUNDREDTHS
    }

    fn check(&self, _: Option<&Layout>) -> std::result::Result<(), String> {
        Method::check(self)
    }

    fn fit(&self, task: &Task, _: Option<Checkpoint>, watch: &mut dyn Watch) -> Result<Ended> {
        let items: Vec<usize> = (0..task.dataset.len()).collect();
        let x = task.encoding.encode(&task.dataset.inputs, &items);
        let fitted = fit_at_once(task, &x, 0, watch, |rows, go_on| Method::fit(self, rows, go_on))?;
        let stopped = fitted.is_none();
        let arrays = fitted.map(Fitted::into_arrays).unwrap_or_default();
        Ok(Ended { checkpoint: Checkpoint::of_arrays(arrays, HUNDREDTHS), stopped })
    }

    fn load(&self, _: &Layout, _: usize, stored: &Checkpoint, _: &Device) -> Result<Box<dyn Predictor>> {
        let fitted = M::Fitted::from_arrays(&stored.arrays("")).map_err(misfit)?;
        Ok(Box::new(Answers(fitted)))
    }
}

/// What `fit` makes of the training rows x; `watch` sees its progress behind the steps that are `done`. `None`: it
/// was stopped, for somebody to start it again later. Where steps were done before, time that is up ends those, and what
/// remains to be done here is done.
pub(super) fn fit_at_once<T>(
    task: &Task,
    x: &Array2<f32>,
    done: u64,
    watch: &mut dyn Watch,
    fit: impl FnOnce(&Rows, GoOn) -> Option<T>,
) -> Result<Option<T>> {
    let rows =
        Rows { x: x.view(), labels: &task.dataset.labels, classes: task.dataset.schema.classes.len(), seed: task.seed };
    let (mut last, mut said) = (0, Ok(Then::Continue));
    let mut go_on = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 100")]
        let step = (share.clamp(0.0, 1.0) * HUNDREDTHS as f64) as u64;
        if step > last {
            last = step;
            said = watch.step(done + step, &Loss::default());
        }
        match said {
            Ok(Then::Continue | Then::Save) => true,
            Ok(Then::Finish) => done > 0,
            Ok(Then::Stop) | Err(_) => false,
        }
    };
    let fitted = fit(&rows, &mut go_on);
    match (fitted, said?) {
        (Some(fitted), _) => Ok(Some(fitted)),
        (None, Then::Finish) => Err(Error::usage(
            "the time was up before this model, which looks at all rows at once, had an answer",
            "give it more --time, or fewer rows",
        )),
        (None, _) => Ok(None),
    }
}

/// What was stored does not belong to these settings.
pub(super) fn misfit(problem: String) -> Error {
    Error::usage(problem, "the run was written with another configuration or version")
}

/// A fitted classifier that is asked.
struct Answers<F>(F);

impl<F: Fitted> Predictor for Answers<F> {
    fn scores(&self, inputs: ArrayView2<f32>) -> Scores {
        let (log_probs, log_density) = (log_probs(self.0.probs(inputs)), self.0.log_density(inputs));
        Scores { log_probs, log_density, energy: None, codes: None }
    }
}

/// As [`Scores`] wants them. A probability of 0 becomes 1e-9: nobody is that sure.
pub(super) fn log_probs(probs: Array2<f32>) -> ndarray::Array3<f32> {
    probs.mapv_into(|p| p.max(1e-9).ln()).insert_axis(Axis(1))
}
