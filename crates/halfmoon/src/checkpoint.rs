//! A model's parameters and its optimiser's state at a step, as one safetensors file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Bytes, DType, Tensor, TensorData};
use halfmoon_classical::Arrays;
use halfmoon_pool::{Error, Result};
use ndarray::ArrayD;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// What training carries from one step to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Steps done.
    pub step: u64,
    /// By name, such as `q_y.trunk.first.weights.0`.
    parameters: BTreeMap<String, Parameter>,
    /// The optimiser's moments, in the engine's own format. `None` in a finished model.
    optimizer: Option<Vec<u8>>,
    /// What early stopping would go back to.
    pub best: Option<Best>,
}

/// The parameters that did best on rows that were held out.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// The step after which.
    pub step: u64,
    /// How well: the smaller, the better.
    pub value: f64,
    parameters: BTreeMap<String, Parameter>,
}

impl Best {
    /// The parameters of `model` after `step` steps.
    pub fn of<M: Module>(model: &M, step: u64, value: f64) -> Best {
        Best { step, value, parameters: read(model) }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Parameter {
    shape: Vec<usize>,
    numbers: Vec<f32>,
}

impl Checkpoint {
    /// The state of a model and its optimiser after `step` steps.
    pub fn of<M: Module>(model: &M, optimizer: &ModuleOptimizer, step: u64) -> Checkpoint {
        let moments = optimizer.into_bytes().expect("an optimiser's state can be written to memory");
        Checkpoint { step, parameters: read(model), optimizer: Some(moments.to_vec()), best: None }
    }

    /// What needs no optimiser: arrays by name.
    pub fn of_arrays(arrays: Arrays, step: u64) -> Checkpoint {
        let parameters = arrays.into_iter().map(|(name, array)| {
            let shape = array.shape().to_vec();
            (name, Parameter { shape, numbers: array.into_iter().collect() })
        });
        Checkpoint { step, parameters: parameters.collect(), optimizer: None, best: None }
    }

    /// The arrays whose names begin with `prefix`, without it.
    pub fn arrays(&self, prefix: &str) -> Arrays {
        let arrays = self.parameters.iter().filter_map(|(name, parameter)| {
            let array = ArrayD::from_shape_vec(parameter.shape.clone(), parameter.numbers.clone());
            Some((name.strip_prefix(prefix)?.to_owned(), array.expect("a shape that was taken from its numbers")))
        });
        arrays.collect()
    }

    /// The same with further arrays, `prefix` before each name.
    #[must_use]
    pub fn with_arrays(mut self, prefix: &str, arrays: Arrays) -> Checkpoint {
        let others = Checkpoint::of_arrays(arrays, self.step).parameters;
        self.parameters.extend(others.into_iter().map(|(name, parameter)| (format!("{prefix}{name}"), parameter)));
        self
    }

    /// The shape of a parameter.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        Some(&self.parameters.get(name)?.shape)
    }

    /// With the parameters of [`Checkpoint::best`], where there are some.
    #[must_use]
    pub fn at_its_best(mut self) -> Checkpoint {
        if let Some(best) = self.best.take() {
            self.parameters = best.parameters;
        }
        self
    }

    /// The same without the optimiser's state: a finished model.
    #[must_use]
    pub fn finished(mut self) -> Checkpoint {
        self.optimizer = None;
        self.best = None;
        self
    }

    /// Model and optimiser as they were.
    pub fn restore<M: Module>(&self, model: M, optimizer: ModuleOptimizer) -> Result<(M, ModuleOptimizer)> {
        let model = self.parameters_into(model)?;
        let Some(bytes) = &self.optimizer else {
            return Err(Error::usage("this run is finished: there is no optimiser state to go on from", ""));
        };
        let optimizer = optimizer
            .from_bytes(Bytes::from_bytes_vec(bytes.clone()))
            .map_err(|error| Error::usage(format!("the checkpoint's optimiser state is damaged: {error:?}"), ""))?;
        Ok((model, optimizer))
    }

    /// `model` with this checkpoint's parameters.
    pub fn parameters_into<M: Module>(&self, model: M) -> Result<M> {
        let mut writer = Writer { parameters: &self.parameters, path: Vec::new(), missing: None };
        let model = model.map(&mut writer);
        match writer.missing {
            None => Ok(model),
            Some(name) => Err(Error::usage(
                format!("the stored weights do not fit this model: `{name}` is missing or has another shape"),
                "the run was written with another configuration or version",
            )),
        }
    }

    /// Whether every parameter is a finite number.
    pub fn is_finite(&self) -> bool {
        self.parameters.values().all(|parameter| parameter.numbers.iter().all(|number| number.is_finite()))
    }

    /// Writes aside, then renames: a kill at any moment leaves the old file or the new one.
    pub fn write(&self, path: &Path) -> Result<()> {
        let numbers = |(name, p): (String, &Parameter)| {
            (name, Dtype::F32, p.shape.clone(), p.numbers.iter().flat_map(|n| n.to_le_bytes()).collect())
        };
        let mut bytes: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> =
            self.parameters.iter().map(|(name, parameter)| numbers((name.clone(), parameter))).collect();
        let mut metadata = HashMap::from([("step".to_owned(), self.step.to_string())]);
        if let Some(best) = &self.best {
            bytes.extend(best.parameters.iter().map(|(name, parameter)| numbers((format!("{BEST}{name}"), parameter))));
            metadata.insert("best_step".into(), best.step.to_string());
            metadata.insert("best_value".into(), best.value.to_string());
        }
        if let Some(moments) = &self.optimizer {
            bytes.push((OPTIMIZER.into(), Dtype::U8, vec![moments.len()], moments.clone()));
        }
        let views = bytes.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes).expect("a shape that was taken from its numbers");
            (name, view)
        });
        let file = safetensors::serialize(views, Some(metadata)).expect("tensors with names can be written");
        crate::run::write_aside(path, &file)
    }

    /// Reads what [`Checkpoint::write`] wrote.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        let damaged =
            |problem: String| Error::data(path, problem, "the file is damaged: train again, or copy it again");
        let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
        let said = |key: &str| header.metadata().as_ref().and_then(|metadata| metadata.get(key).cloned());
        let step = |key: &str| said(key).and_then(|text| text.parse().ok());
        let best = step("best_step").zip(said("best_value").and_then(|text| text.parse().ok()));
        let mut checkpoint = Checkpoint {
            step: step("step").ok_or_else(|| damaged("holds no step".into()))?,
            parameters: BTreeMap::new(),
            optimizer: None,
            best: best.map(|(step, value)| Best { step, value, parameters: BTreeMap::new() }),
        };
        for (name, view) in file.tensors() {
            if name == OPTIMIZER {
                checkpoint.optimizer = Some(view.data().to_vec());
                continue;
            }
            if view.dtype() != Dtype::F32 {
                return Err(damaged(format!("`{name}` is {:?} and not F32", view.dtype())));
            }
            let numbers = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            let parameter = Parameter { shape: view.shape().to_vec(), numbers };
            match (&mut checkpoint.best, name.strip_prefix(BEST)) {
                (Some(best), Some(name)) => best.parameters.insert(name.to_owned(), parameter),
                _ => checkpoint.parameters.insert(name, parameter),
            };
        }
        Ok(checkpoint)
    }
}

const OPTIMIZER: &str = "optimizer";

/// Before the names of what early stopping would go back to.
const BEST: &str = "best:";

fn read<M: Module>(model: &M) -> BTreeMap<String, Parameter> {
    let mut reader = Reader::default();
    model.visit(&mut reader);
    reader.parameters
}

/// Numbers the parameters in the order of the struct. The engine draws their ids at random, and the
/// optimiser's state is kept by id: without this a resumed run would not find it again.
pub fn number_parameters<M: Module>(model: M) -> M {
    struct Numbers(u64);
    impl ModuleMapper for Numbers {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (_, value, mapper) = param.consume();
            self.0 += 1;
            Param::from_mapped_value(ParamId::from(self.0), value, mapper)
        }
    }
    model.map(&mut Numbers(0))
}

#[derive(Default)]
struct Reader {
    path: Vec<String>,
    parameters: BTreeMap<String, Parameter>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let data = param.val().into_data().convert_dtype(DType::F32);
        let shape = param.val().dims().to_vec();
        let numbers = data.try_to_vec().expect("converted to f32 above");
        self.parameters.insert(self.path.join("."), Parameter { shape, numbers });
    }
}

struct Writer<'a> {
    parameters: &'a BTreeMap<String, Parameter>,
    path: Vec<String>,
    missing: Option<String>,
}

impl ModuleMapper for Writer<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let (id, value, mapper) = param.consume();
        let value = match self.parameters.get(&name) {
            Some(stored) if stored.shape == value.dims() => {
                let data = TensorData::new(stored.numbers.clone(), value.dims());
                Tensor::from_data(data, &value.device()).set_require_grad(value.is_require_grad())
            }
            _ => {
                self.missing.get_or_insert(name);
                value
            }
        };
        Param::from_mapped_value(id, value, mapper)
    }
}
