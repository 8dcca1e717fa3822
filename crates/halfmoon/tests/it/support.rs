//! What several tests need.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use halfmoon::fit::{Entry, Task};
use halfmoon::loss::Loss;
use halfmoon::train::{Then, Watch};
use halfmoon::{Checkpoint, experiment};
use halfmoon_pool::dataset::{Cells, ImageShape};
use halfmoon_pool::dataset::{Class, Column, ColumnKind, Dataset, Features, Ids, Inputs, Schema, Table};
use halfmoon_pool::encode::{Encoding, Pixels};
use halfmoon_pool::scores::{Predictions, Predictor};
use halfmoon_pool::{Result, metric};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub fn device() -> Device {
    Device::flex().autodiff()
}

/// `[rows, columns]` in f64.
pub fn matrix<const R: usize, const C: usize>(rows: [[f64; C]; R], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(rows.as_flattened().to_vec(), [R, C]), (device, DType::F64))
}

/// The numbers of a tensor, in f64.
pub fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.clone().into_data().convert_dtype(DType::F64).try_to_vec().unwrap()
}

/// Equal up to a share of the larger of the two, or of 1.
#[track_caller]
pub fn assert_close(found: f64, expected: f64, tolerance: f64) {
    let scale = found.abs().max(expected.abs()).max(1.0);
    assert!((found - expected).abs() <= tolerance * scale, "found {found}, expected {expected}");
}

/// Names and numbers of a model's parameters; those that are never trained are missing.
pub fn parameters<M: Module>(model: &M) -> BTreeMap<String, Vec<f64>> {
    collect(model, |value| Some(numbers(&value.0)))
}

/// Names and gradients of a model's parameters; a parameter without one is missing.
pub fn gradients<M: Module>(model: &M, gradients: &Gradients) -> BTreeMap<String, Vec<f64>> {
    struct Read<'a> {
        path: Vec<String>,
        gradients: &'a Gradients,
        found: BTreeMap<String, Vec<f64>>,
    }
    impl ModuleVisitor for Read<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad(self.gradients) {
                self.found.insert(self.path.join("."), numbers(&gradient));
            }
        }
    }
    let mut read = Read { path: Vec::new(), gradients, found: BTreeMap::new() };
    model.visit(&mut read);
    read.found
}

struct Flat(Tensor<1>);

fn collect<M: Module>(model: &M, of: fn(&Flat) -> Option<Vec<f64>>) -> BTreeMap<String, Vec<f64>> {
    struct Read {
        path: Vec<String>,
        of: fn(&Flat) -> Option<Vec<f64>>,
        found: BTreeMap<String, Vec<f64>>,
    }
    impl ModuleVisitor for Read {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let flat = Flat(param.val().flatten(0, D - 1));
            if !param.is_require_grad() {
                return;
            }
            if let Some(numbers) = (self.of)(&flat) {
                self.found.insert(self.path.join("."), numbers);
            }
        }
    }
    let mut read = Read { path: Vec::new(), of, found: BTreeMap::new() };
    model.visit(&mut read);
    read.found
}

/// The model in f64, every parameter that is trained replaced by what `change` makes of its name and its numbers.
pub fn with_parameters<M: Module>(model: M, change: impl FnMut(&str, Vec<f64>) -> Vec<f64>) -> M {
    struct Write<F> {
        path: Vec<String>,
        change: F,
    }
    impl<F: FnMut(&str, Vec<f64>) -> Vec<f64>> ModuleMapper for Write<F> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let name = self.path.join(".");
            let is_trained = param.is_require_grad();
            let (id, value, mapper) = param.consume();
            let before = numbers(&value);
            let after = if is_trained { (self.change)(&name, before) } else { before };
            let data = TensorData::new(after, value.dims());
            let value = Tensor::from_data(data, (&value.device(), DType::F64)).set_require_grad(is_trained);
            Param::from_mapped_value(id, value, mapper)
        }
    }
    model.map(&mut Write { path: Vec::new(), change })
}

/// Two clusters of 8×8 bytes, bright above or bright below; labels for the first `labels` of each.
pub fn pictures(items: usize, labels: usize, seed: u64) -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let pixel = |item: usize, pixel: usize, rng: &mut ChaCha8Rng| {
        let bright = (pixel < 32) == item.is_multiple_of(2);
        rng.random_range(if bright { 120..=255 } else { 0..=130u8 })
    };
    let pixels = Array2::from_shape_fn((items, 64), |(item, p)| pixel(item, p, &mut rng));
    let schema = Schema {
        classes: vec!["above".into(), "below".into()],
        features: Features::Image(ImageShape { height: 8, width: 8, channels: 1, white: 255.0 }),
    };
    Dataset { schema, inputs: Inputs::Bytes(pixels), labels: first(items, labels), ids: Ids::first(items) }
}

/// Two clusters in a table with a numeric, a yes/no and a category column, gaps included.
pub fn table(items: usize, labels: usize, seed: u64) -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut number = Vec::new();
    let mut answer = Vec::new();
    let mut name = Vec::new();
    for item in 0..items {
        let class = item % 2;
        let centre = if class == 0 { -3.0 } else { 3.0 };
        number.push((item % 10 != 7).then(|| centre + rng.random_range(-1.0..1.0f32)));
        answer.push(Some(rng.random_bool(if class == 0 { 0.1 } else { 0.9 })));
        name.push(Some(if rng.random_bool(0.8) { class as u32 } else { 2 }));
    }
    let column = |name: &str, kind| Column { name: name.into(), kind };
    let schema = Schema {
        classes: vec!["no".into(), "yes".into()],
        features: Features::Columns(vec![
            column("size", ColumnKind::Numeric),
            column("open", ColumnKind::YesNo { no: "no".into(), yes: "yes".into() }),
            column("kind", ColumnKind::Category { values: vec!["a".into(), "b".into(), "c".into()] }),
        ]),
    };
    let columns = vec![Cells::Numeric(number), Cells::YesNo(answer), Cells::Category(name)];
    let inputs = Inputs::Table(Table { rows: items, columns });
    Dataset { schema, inputs, labels: first(items, labels), ids: Ids::first(items) }
}

fn first(items: usize, labels: usize) -> Vec<Option<Class>> {
    (0..items).map(|item| (item < 2 * labels).then_some(Class((item % 2) as u16))).collect()
}

/// The true classes of [`pictures`] and [`table`].
pub fn truth(dataset: &mut Dataset) {
    dataset.labels = first(dataset.len(), dataset.len());
}

/// Keeps every step's total loss.
#[derive(Default)]
pub struct Trace {
    pub totals: Vec<f64>,
    pub terms: Vec<Vec<(&'static str, f64)>>,
    /// Stop and hand over the state after this step.
    pub stop_at: Option<u64>,
}

impl Watch for Trace {
    fn step(&mut self, step: u64, loss: &Loss) -> Result<Then> {
        let terms = loss.values();
        if let Some((_, total)) = terms.last() {
            self.totals.push(*total);
            self.terms.push(terms);
        }
        Ok(if self.stop_at == Some(step) { Then::Stop } else { Then::Continue })
    }

    fn checkpoint(&mut self, _: &Checkpoint) -> Result<()> {
        Ok(())
    }
}

/// The defaults of a model with other settings on top, such as `train.steps=50`. A model that has no such setting does
/// without; earlier stages, and the model inside another one, are set alike.
pub fn settings(entry: &Entry, changes: &[&str]) -> toml::Table {
    let mut settings = (entry.defaults)();
    for change in changes {
        let (key, value) = change.split_once('=').unwrap();
        let mut keys = vec![key.to_owned()];
        if let Some(rest) = key.strip_prefix("train.") {
            keys.push(format!("pretrain.{rest}"));
        }
        if key == "hidden" {
            keys.push("top.hidden".into());
        }
        if key == "landmarks" {
            keys.push("tsvm.landmarks".into());
        }
        for key in keys {
            let section = key.split('.').next().unwrap();
            if settings.contains_key(section) {
                halfmoon::config::set(&mut settings, &format!("{key}={value}")).unwrap();
            }
        }
        if entry.name == "self_training" && !["landmarks", "sum_over_classes", "coder", "sampler"].contains(&key) {
            halfmoon::config::set(&mut settings, &format!("settings.{change}")).unwrap();
            halfmoon::config::set(&mut settings, "rounds=2").unwrap();
        }
    }
    settings
}

/// Trains and loads; returns the predictor with the encoding that it wants, and the losses.
pub fn fit(
    entry: &Entry,
    settings: &toml::Table,
    dataset: &Dataset,
    seed: u64,
) -> (Box<dyn Predictor>, Encoding, Trace) {
    let encoding = Encoding::fit(dataset, Pixels::Grey);
    let mut trace = Trace::default();
    let device = Device::flex();
    let task = Task { dataset, encoding: &encoding, seed, device: &device };
    let checkpoint = (entry.fit)(settings, &task, None, &mut trace).unwrap().checkpoint;
    let classes = dataset.schema.classes.len();
    let predictor = (entry.load)(settings, &encoding.layout(), classes, &checkpoint, &device).unwrap();
    (predictor, encoding, trace)
}

pub fn accuracy(predictor: &dyn Predictor, encoding: &Encoding, items: &Dataset) -> f64 {
    let predictions: Predictions = experiment::predictions(predictor, encoding, items);
    metric::measure(&predictions).unwrap().get("accuracy").unwrap().value
}
