//! Classifiers that are fitted at once and not step by step: graphs, nearest neighbours, kernels, logistic
//! regression. They work on rows of numbers, know no tensor engine, and are what deep models are held against;
//! `m1` also puts them on top of its codes. The same search for neighbours tells how like real rows made ones are.

mod cholesky;
mod gaussian_softmax;
mod graph;
mod knn;
mod lbfgs;
mod likeness;
mod logistic;
mod propagate;
mod seen;
mod svm;
#[cfg(test)]
mod testing;
mod tsvm;

use std::collections::BTreeMap;

use halfmoon_pool::Class;
use ndarray::{Array1, Array2, ArrayD, ArrayView2};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use gaussian_softmax::{FittedGaussianSoftmax, GaussianSoftmax, Prior, Start};
pub use graph::{Graph, Similarity};
pub use knn::{FittedKnn, Knn, Neighbours, nearest, squared_distance};
pub use likeness::{BALL_NEIGHBOURS, Moments, Prdc, frechet, inception_like, nearest_ratio, prdc};
pub use logistic::{FittedLogistic, Logistic};
pub use propagate::{FittedGraph, LabelPropagation, LabelSpreading};
pub use svm::{FittedSvm, Kernel, Svm};
pub use tsvm::Tsvm;

/// What is learned from: rows `[n, d]`, all finite, and the labels of some of them.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// `[n, d]`.
    pub x: ArrayView2<'a, f32>,
    /// `[n]`; at least one is there.
    pub labels: &'a [Option<Class>],
    /// Number of classes; some may have no label.
    pub classes: usize,
    /// Decides whatever is drawn.
    pub seed: u64,
}

impl Rows<'_> {
    /// Positions and classes of the labelled rows.
    pub fn labelled(&self) -> Vec<(usize, usize)> {
        self.labels.iter().enumerate().filter_map(|(row, label)| Some((row, label.as_ref()?.index()))).collect()
    }
}

/// Told which share of the work is done, from 0 to 1; answers whether to go on.
pub type GoOn<'a> = &'a mut dyn FnMut(f64) -> bool;

/// Arrays by name: all that a fitted classifier has to keep.
pub type Arrays = BTreeMap<String, ArrayD<f32>>;

/// A way to fit a classifier, with its settings.
pub trait Method: Default + Clone + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// What comes out.
    type Fitted: Fitted;

    /// Says what is wrong with a value that type-checks.
    fn check(&self) -> Result<(), String>;

    /// `None` if it was told to stop.
    fn fit(&self, rows: &Rows, go_on: GoOn) -> Option<Self::Fitted>;
}

/// A fitted classifier.
pub trait Fitted: Sized + Send + Sync + 'static {
    /// p(y | x) of rows `[n, d]`: `[n, classes]`, finite, every row summing to 1. A row's answer does not depend
    /// on the others.
    fn probs(&self, x: ArrayView2<f32>) -> Array2<f32>;

    /// log p(x) of rows `[n, d]`, in nats: `[n]`. `None` where the method has no density.
    fn log_density(&self, x: ArrayView2<f32>) -> Option<Array1<f32>> {
        let _ = x;
        None
    }

    /// What must be kept to answer again.
    fn into_arrays(self) -> Arrays;

    /// From what was kept; says what is missing or misshapen.
    fn from_arrays(arrays: &Arrays) -> Result<Self, String>;
}
