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

use crate::vitals::Health;

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
    /// What is remembered of a training that can run away, and how often it did.
    pub health: Health,
    /// The states that it would go back to, the older one first.
    pub earlier: Vec<Checkpoint>,
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
        Checkpoint { optimizer: Some(moments.to_vec()), ..Checkpoint::with(read(model), step) }
    }

    /// The same with what early stopping would go back to.
    pub(crate) fn with_best(self, best: Option<Best>) -> Checkpoint {
        Checkpoint { best, ..self }
    }

    /// What needs no optimiser: arrays by name.
    pub fn of_arrays(arrays: Arrays, step: u64) -> Checkpoint {
        let parameters = arrays.into_iter().map(|(name, array)| {
            let shape = array.shape().to_vec();
            (name, Parameter { shape, numbers: array.into_iter().collect() })
        });
        Checkpoint::with(parameters.collect(), step)
    }

    fn with(parameters: BTreeMap<String, Parameter>, step: u64) -> Checkpoint {
        Checkpoint { step, parameters, optimizer: None, best: None, health: Health::default(), earlier: Vec::new() }
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

    /// The same as the beginning of another training, which has its parameters and moments and none of its steps.
    #[must_use]
    pub fn as_a_start(self) -> Checkpoint {
        Checkpoint { step: 0, best: None, health: Health::default(), earlier: Vec::new(), ..self }
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
        self.earlier = Vec::new();
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
        let mut tensors = Vec::new();
        let mut metadata = HashMap::new();
        self.flatten("", &mut tensors, &mut metadata);
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes).expect("a shape that was taken from its numbers");
            (name, view)
        });
        let file = safetensors::serialize(views, Some(metadata)).expect("tensors with names can be written");
        crate::run::write_aside(path, &file)
    }

    /// The tensors and the metadata of this state and of the earlier ones, each name after `prefix`.
    fn flatten(&self, prefix: &str, tensors: &mut Vec<Stored>, metadata: &mut HashMap<String, String>) {
        let mut put = |before: &str, parameters: &BTreeMap<String, Parameter>| {
            tensors.extend(parameters.iter().map(|(name, p)| {
                let bytes = p.numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                (format!("{prefix}{before}{name}"), Dtype::F32, p.shape.clone(), bytes)
            }));
        };
        put("", &self.parameters);
        metadata.insert(format!("{prefix}step"), self.step.to_string());
        if let Some(best) = &self.best {
            put(BEST, &best.parameters);
            metadata.insert(format!("{prefix}best_step"), best.step.to_string());
            metadata.insert(format!("{prefix}best_value"), best.value.to_string());
        }
        if self.health != Health::default() {
            let text = serde_json::to_string(&self.health).expect("numbers by name");
            metadata.insert(format!("{prefix}health"), text);
        }
        if let Some(moments) = &self.optimizer {
            tensors.push((format!("{prefix}{OPTIMIZER}"), Dtype::U8, vec![moments.len()], moments.clone()));
        }
        for (state, prefix) in self.earlier.iter().zip(EARLIER) {
            state.flatten(prefix, tensors, metadata);
        }
    }

    /// Reads what [`Checkpoint::write`] wrote.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        let damaged =
            |problem: String| Error::data(path, problem, "the file is damaged: train again, or copy it again");
        let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
        let none = HashMap::new();
        let metadata = header.metadata().as_ref().unwrap_or(&none);
        let mut checkpoint = Checkpoint::described("", metadata).ok_or_else(|| damaged("holds no step".into()))?;
        checkpoint.earlier = EARLIER.iter().map_while(|prefix| Checkpoint::described(prefix, metadata)).collect();
        for (full, view) in file.tensors() {
            let earlier = EARLIER.iter().position(|prefix| full.starts_with(prefix));
            let (state, name) = match earlier {
                None => (&mut checkpoint, full.as_str()),
                Some(at) => match checkpoint.earlier.get_mut(at) {
                    Some(state) => (state, &full[EARLIER[at].len()..]),
                    None => return Err(damaged(format!("holds `{full}` of a state without a step"))),
                },
            };
            if name == OPTIMIZER {
                state.optimizer = Some(view.data().to_vec());
                continue;
            }
            if view.dtype() != Dtype::F32 {
                return Err(damaged(format!("`{full}` is {:?} and not F32", view.dtype())));
            }
            let numbers = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            let parameter = Parameter { shape: view.shape().to_vec(), numbers };
            match (&mut state.best, name.strip_prefix(BEST)) {
                (Some(best), Some(name)) => best.parameters.insert(name.to_owned(), parameter),
                _ => state.parameters.insert(name.to_owned(), parameter),
            };
        }
        Ok(checkpoint)
    }

    /// A state without its tensors. `None` where the metadata hold none of this prefix.
    fn described(prefix: &str, metadata: &HashMap<String, String>) -> Option<Checkpoint> {
        let said = |key: &str| metadata.get(&format!("{prefix}{key}"));
        let step = |key: &str| said(key).and_then(|text| text.parse().ok());
        let best = step("best_step").zip(said("best_value").and_then(|text| text.parse().ok()));
        let health = said("health").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        Some(Checkpoint {
            best: best.map(|(step, value)| Best { step, value, parameters: BTreeMap::new() }),
            health,
            ..Checkpoint::with(BTreeMap::new(), step("step")?)
        })
    }
}

/// A tensor as it is written.
type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

/// Before the names of the states that a training would go back to.
const EARLIER: [&str; 2] = ["earlier:", "later:"];

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
