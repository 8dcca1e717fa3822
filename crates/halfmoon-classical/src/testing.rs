//! What scikit-learn said, and rows that are hard on a classifier.

use halfmoon_pool::Class;
use ndarray::Array2;
use serde::Deserialize;

use crate::{Fitted, GaussianSoftmax, Kernel, Logistic, Method, Prior, Rows, Svm, Tsvm};

/// `tests/golden/svm.json`: see `make_svm.py` beside it.
#[derive(Deserialize)]
#[serde(from = "File")]
pub(crate) struct Golden {
    pub(crate) x: Array2<f32>,
    pub(crate) y: Vec<u16>,
    pub(crate) y3: Vec<u16>,
    pub(crate) at: Array2<f32>,
    pub(crate) svc: Vec<Svc>,
    pub(crate) scale: f64,
    pub(crate) logistic: Vec<Regression>,
}

#[derive(Deserialize)]
struct File {
    x: Vec<[f32; 3]>,
    y: Vec<u16>,
    y3: Vec<u16>,
    at: Vec<[f32; 3]>,
    svc: Vec<Svc>,
    scale: f64,
    logistic: Vec<Regression>,
}

#[derive(Deserialize)]
pub(crate) struct Svc {
    pub(crate) kernel: Kernel,
    pub(crate) c: f64,
    pub(crate) gamma: Option<f64>,
    pub(crate) decisions: Vec<f64>,
}

#[derive(Deserialize)]
pub(crate) struct Regression {
    pub(crate) c: f64,
    pub(crate) coefficients: Vec<Vec<f64>>,
    pub(crate) intercepts: Vec<f64>,
    pub(crate) probabilities: Vec<Vec<f64>>,
}

impl From<File> for Golden {
    fn from(file: File) -> Golden {
        let File { x, y, y3, at, svc, scale, logistic } = file;
        Golden { x: x.into(), y, y3, at: at.into(), svc, scale, logistic }
    }
}

impl Golden {
    pub(crate) fn read() -> Golden {
        serde_json::from_str(include_str!("../tests/golden/svm.json")).expect("make_svm.py wrote it")
    }
}

pub(crate) fn all_labels(classes: &[u16]) -> Vec<Option<Class>> {
    classes.iter().map(|&class| Some(Class(class))).collect()
}

/// Rows, their labels and the number of classes.
type Case = (&'static str, Array2<f32>, Vec<Option<u16>>, usize);

fn hard_cases() -> Vec<Case> {
    let wave = |n: usize, d: usize| Array2::from_shape_fn((n, d), |(i, j)| ((i * 7 + j * 3) as f32).sin());
    let mut constant = wave(12, 3);
    constant.column_mut(1).fill(0.1);
    let few = |n: usize, labels: &[u16]| (0..n).map(|i| labels.get(i).copied()).collect::<Vec<_>>();
    vec![
        ("one row", wave(1, 1), vec![Some(0)], 1),
        ("one row, three classes", wave(1, 4), vec![Some(1)], 3),
        ("one class", wave(9, 2), few(9, &[1, 1, 1]), 2),
        ("one label a class", wave(30, 2), few(30, &[0, 1, 2]), 3),
        ("a class without labels", wave(30, 2), few(30, &[0, 2, 0, 2, 2]), 4),
        ("a constant column", constant, few(12, &[0, 1, 0, 1]), 2),
        ("nothing but one row", Array2::ones((20, 2)), few(20, &[0, 1, 1, 0]), 2),
        ("one column", wave(25, 1), few(25, &[0, 1, 1, 0, 2, 1]), 3),
        ("large numbers", wave(12, 2) * 1e30, few(12, &[0, 1, 0, 1]), 2),
        ("tiny numbers", wave(12, 2) * 1e-30, few(12, &[0, 1, 0, 1]), 2),
        ("nothing unlabelled", wave(10, 2), few(10, &[0, 1, 0, 1, 1, 0, 0, 1, 0, 1]), 2),
    ]
}

fn answers<M: Method>(method: &M) {
    for (name, x, labels, classes) in hard_cases() {
        let labels: Vec<_> = labels.into_iter().map(|label| label.map(Class)).collect();
        let rows = Rows { x: x.view(), labels: &labels, classes, seed: 1 };
        let found = method.fit(&rows, &mut |done| (0.0..=1.0).contains(&done)).expect("shares are from 0 to 1");
        let again = M::Fitted::from_arrays(&found.into_arrays()).expect(name);
        let far = Array2::from_elem((2, x.ncols()), -3e38);
        for x in [x.view(), far.view()] {
            let probs = again.probs(x);
            assert_eq!(probs.dim(), (x.nrows(), classes));
            assert!(probs.iter().all(|p| 0.0 < *p && *p <= 1.0), "{name}: {probs}");
            assert!(probs.rows().into_iter().all(|p| (p.sum() - 1.0).abs() < 1e-5), "{name}: {probs}");
        }
    }
}

#[test]
fn logistic_answers_whatever_the_rows() {
    answers(&Logistic::default());
    answers(&Logistic { penalty: Some(1e-3) });
}

#[test]
fn svm_answers_whatever_the_rows() {
    answers(&Svm::default());
    answers(&Svm { kernel: Kernel::Linear, ..Svm::default() });
}

#[test]
fn tsvm_answers_whatever_the_rows() {
    answers(&Tsvm::default());
    answers(&Tsvm { kernel: Kernel::Linear, ..Tsvm::default() });
    answers(&Tsvm { balance: false, landmarks: 2, max_unlabelled: 3, ..Tsvm::default() });
}

#[test]
fn the_coupled_softmax_answers_whatever_the_rows() {
    answers(&GaussianSoftmax::default());
    answers(&GaussianSoftmax { components: 3, shrinkage: 0.0, prior: Prior::Uniform, ..GaussianSoftmax::default() });
    answers(&GaussianSoftmax { unlabelled: 0.0, ..GaussianSoftmax::default() });
}

#[test]
fn a_setting_that_makes_no_sense_is_named() {
    assert!(GaussianSoftmax { shrinkage: 2.0, ..GaussianSoftmax::default() }.check().is_err());
    assert_eq!(Logistic { penalty: Some(0.0) }.check(), Err("`penalty` must be above 0".to_owned()));
    assert_eq!(Svm { c: f64::NAN, ..Svm::default() }.check(), Err("`c` must be above 0".to_owned()));
    assert_eq!(Svm { gamma: Some(-1.0), ..Svm::default() }.check(), Err("`gamma` must be above 0".to_owned()));
    assert_eq!(Tsvm { landmarks: 1, ..Tsvm::default() }.check(), Err("`landmarks` must be from 2 to 10000".to_owned()));
    assert_eq!(Tsvm::default().check(), Ok(()));
}

#[test]
fn a_description_needs_only_what_differs() {
    let tsvm: Tsvm = toml::from_str("kernel = \"linear\"\nc_unlabelled = 1.5").expect("a description");
    assert_eq!(tsvm, Tsvm { kernel: Kernel::Linear, c_unlabelled: 1.5, ..Tsvm::default() });
    assert!(toml::from_str::<Svm>("C = 1").is_err());
}
