//! What an energy-based classifier has over a plain one, on the digits that every build carries: a few minutes that say whether [`Jem`] is whole.
//!
//! Of 1,797 pictures a random four ninths are set aside; of the others 100 keep their label, ten a class. Three classifiers learn from them: `plain`, with
//! `jem`'s network and steps and nothing else; `tuned`, the baseline as [`SupervisedConfig`] has it, with weight decay; and `jem`, which sees the other
//! pictures too. What is expected of `jem` is what a trial with other programs came to on another split, less a margin.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use halfmoon_classical::{Fitted, Method, Rows, Svm, nearest_ratio};
use halfmoon_pool::dataset::{Class, Dataset, Features, Inputs};
use halfmoon_pool::encode::{Encoding, Pixels};
use halfmoon_pool::metric::measure;
use halfmoon_pool::outlier::auroc;
use halfmoon_pool::scores::{Predictions, Predictor};
use halfmoon_pool::trust::cross_fitted;
use halfmoon_pool::{Result, read, split};
use ndarray::Array2;
use toml::Table;

use crate::attack::{Attacked, Ball, Norm, Pgd};
use crate::batches::tensor;
use crate::config;
use crate::energy::log_density;
use crate::experiment::predictions;
use crate::fit::{Entry, Task, entry};
use crate::model::{Classifier, MakeByChains, ModelConfig};
use crate::models::{Jem, JemConfig, SupervisedConfig};
use crate::noise::Noise;
use crate::ops::Index;
use crate::train::Unwatched;

/// Labels that are kept.
const LABELS: usize = 100;
/// Share of the pictures that are set aside: 797 of 1,797.
const SET_ASIDE: f64 = 797.0 / 1797.0;
/// Radius of the attack in units of a pixel's range, 0 to 1: 1.0 where pixels are from −1 to 1.
const RADIUS: f64 = 0.5;
const ATTACK_STEPS: usize = 20;
/// Examples of all classes, and the steps of their chains.
const EXAMPLES: u32 = 500;
const EXAMPLE_STEPS: usize = 300;

/// What one classifier came to on the pictures that were set aside.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Came {
    /// Share of right answers.
    pub accuracy: f64,
    /// Mean −log p(y | x), in nats.
    pub nll: f64,
    /// Expected calibration error, 15 bins of equal width.
    pub ece: f64,
    /// The last two with each half at the temperature of the other; `None` where none could be fitted.
    pub at_temperature: Option<(f64, f64)>,
    /// AUROC of log p(x) + log Z against the same pictures turned by a quarter.
    pub turned: f64,
    /// Share of right answers under the attack.
    pub attacked: f64,
    /// Share of the examples that another classifier takes for the class that was asked for.
    pub agreed: Option<f64>,
    /// Mean distance of an example to the nearest training picture, by that of a picture that was set aside.
    pub distance: Option<f64>,
}

/// The classifiers, means over the seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// `jem`'s network without its density.
    pub plain: Came,
    /// The project's own baseline.
    pub tuned: Came,
    /// The hybrid.
    pub jem: Came,
}

/// One thing that is expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// In words.
    pub what: String,
    /// Whether it is so.
    pub is_met: bool,
}

impl Compared {
    /// What is expected, and whether it is so.
    pub fn expected(&self) -> Vec<Expected> {
        let Compared { plain, jem, .. } = self;
        let expected = |is_met: bool, what: String| Expected { what, is_met };
        let agreed = jem.agreed.unwrap_or_default();
        let distance = jem.distance.unwrap_or_default();
        vec![
            expected(
                jem.accuracy >= plain.accuracy + 0.01,
                format!("accuracy {:.3}, a point above plain's {:.3}", jem.accuracy, plain.accuracy),
            ),
            expected(jem.nll < 0.8 * plain.nll, format!("nll {:.3}, below 0.8 of plain's {:.3}", jem.nll, plain.nll)),
            expected(
                jem.ece <= 0.045 && jem.ece < plain.ece,
                format!("ece {:.3}, at most 0.045 and below plain's {:.3}", jem.ece, plain.ece),
            ),
            expected(
                jem.turned >= 0.98,
                format!(
                    "auroc of log p against turned digits {:.3}, at least 0.98 (plain {:.3})",
                    jem.turned, plain.turned
                ),
            ),
            expected(
                jem.attacked >= plain.attacked + 0.07,
                format!("accuracy under attack {:.3}, seven points above plain's {:.3}", jem.attacked, plain.attacked),
            ),
            expected(
                agreed >= 0.95,
                format!("another classifier agrees with {agreed:.3} of the examples, at least 0.95"),
            ),
            expected(
                (1.0..=1.5).contains(&distance),
                format!(
                    "examples are {distance:.2} times as far from training pictures as new pictures are, 1.0 to 1.5"
                ),
            ),
        ]
    }
}

/// Trains and measures with each seed, and tells `say` what is being done. The means over the seeds.
pub fn compare(seeds: std::ops::RangeInclusive<u64>, say: &mut dyn FnMut(&str)) -> Result<Compared> {
    let mut all = Vec::new();
    for seed in seeds {
        all.push(one(seed, say)?);
    }
    let mean = |of: &dyn Fn(&Compared) -> Came| mean_of(&all.iter().map(of).collect::<Vec<Came>>());
    Ok(Compared { plain: mean(&|c| c.plain), tuned: mean(&|c| c.tuned), jem: mean(&|c| c.jem) })
}

fn mean_of(all: &[Came]) -> Came {
    let mean = |of: &dyn Fn(&Came) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
    let if_all = |of: &dyn Fn(&Came) -> Option<f64>| {
        all.iter().map(of).collect::<Option<Vec<f64>>>().map(|values| values.iter().sum::<f64>() / values.len() as f64)
    };
    let nll = if_all(&|came| came.at_temperature.map(|(nll, _)| nll));
    let ece = if_all(&|came| came.at_temperature.map(|(_, ece)| ece));
    Came {
        accuracy: mean(&|came| came.accuracy),
        nll: mean(&|came| came.nll),
        ece: mean(&|came| came.ece),
        at_temperature: nll.zip(ece),
        turned: mean(&|came| came.turned),
        attacked: mean(&|came| came.attacked),
        agreed: if_all(&|came| came.agreed),
        distance: if_all(&|came| came.distance),
    }
}

/// What is learned from and what is asked about.
struct Digits {
    train: Dataset,
    test: Dataset,
    /// All of them, with their labels.
    all: Dataset,
    encoding: Encoding,
    seed: u64,
}

fn one(seed: u64, say: &mut dyn FnMut(&str)) -> Result<Compared> {
    let all = read::read(std::path::Path::new("digits"), &read::Options::default())?.train;
    let parts = split::hold_out(&all.labels, &split::groups(&all.inputs), SET_ASIDE, seed);
    let (mut train, test) = (all.select(&parts.train), all.select(&parts.test));
    split::keep_labels(&mut train.labels, &all.schema.classes, LABELS, seed)?;
    let digits = Digits { encoding: Encoding::fit(&train, Pixels::Grey), train, test, all, seed };

    let jem_settings = JemConfig::default();
    let plain_settings = SupervisedConfig {
        hidden: jem_settings.hidden.clone(),
        activation: jem_settings.activation,
        ..SupervisedConfig::default()
    };
    say(&format!("seed {seed}: plain"));
    let plain = digits.trained(&plain_settings, &["train.weight_decay=0"])?;
    say(&format!("seed {seed}: tuned"));
    let tuned = digits.trained(&SupervisedConfig::default(), &[])?;
    say(&format!("seed {seed}: jem"));
    let jem = digits.trained(&jem_settings, &[])?;
    let (agreed, distance) = digits.judge_examples(&jem.model);
    Ok(Compared {
        plain: digits.judge(&plain),
        tuned: digits.judge(&tuned),
        jem: Came { agreed: Some(agreed), distance: Some(distance), ..digits.judge(&jem) },
    })
}

struct Trained<M> {
    /// With parameters that have no gradients.
    model: M,
    predictor: Box<dyn Predictor>,
}

impl Digits {
    fn trained<C: ModelConfig>(&self, model: &C, changes: &[&str]) -> Result<Trained<C::Model>> {
        let entry: Entry = entry::<C>();
        let mut settings = (entry.defaults)();
        config::merge(&mut settings, Table::try_from(model).expect("settings are a table"));
        for change in changes {
            config::set(&mut settings, change)?;
        }
        let (device, layout) = (Device::flex(), self.encoding.layout());
        let task = Task { dataset: &self.train, encoding: &self.encoding, seed: self.seed, device: &device };
        let checkpoint = (entry.fit)(&settings, &task, None, &mut Unwatched)?.checkpoint;
        let classes = self.train.schema.classes.len();
        let fresh = model.init(&layout, classes, &mut Noise::new(0, 0, &device.clone().autodiff()));
        Ok(Trained {
            model: checkpoint.parameters_into(fresh)?.no_grad(),
            predictor: (entry.load)(&settings, &layout, classes, &checkpoint, &device)?,
        })
    }

    /// Every row of a data set, as models take them: `[n, d]`.
    fn rows(&self, items: &Dataset) -> Array2<f32> {
        self.encoding.encode(&items.inputs, &(0..items.len()).collect::<Vec<_>>())
    }

    fn judge<M: Classifier>(&self, Trained { model, predictor }: &Trained<M>) -> Came {
        let device = Device::flex().autodiff();
        let answers = predictions(&**predictor, &self.encoding, &self.test);
        let figure = |answers: &Predictions, name| {
            measure(answers).and_then(|measured| measured.get(name).map(|estimate| estimate.value)).unwrap_or(f64::NAN)
        };
        let x = tensor(self.rows(&self.test), &device);
        let y: Index = answers.classes.iter().map(|class| u32::from(class.0)).collect();
        // The larger, the stranger.
        let strangeness =
            |x: &Tensor<2>| -> Vec<f64> { (-log_density(model.classify(x))).into_data().iter::<f64>().collect() };
        let turned = tensor(self.rows(&turned(&self.test)), &device);
        let pgd = Pgd {
            ball: Ball { norm: Norm::L2, radius: RADIUS, range: Some((0.0, 1.0)) },
            steps: ATTACK_STEPS,
            step: 2.5 / ATTACK_STEPS as f64,
            starts: 1,
        };
        let Attacked { is_wrong, .. } =
            pgd.attack(|x| model.classify(x), &x, &y, &mut Noise::new(self.seed, 1, &device));
        let right = is_wrong.iter().filter(|&&is_wrong| !is_wrong).count();
        let halves: Vec<bool> = (0..answers.classes.len()).map(|item| item % 2 == 0).collect();
        let at_temperature = cross_fitted(&answers, &halves);
        Came {
            accuracy: figure(&answers, "accuracy"),
            nll: figure(&answers, "nll"),
            ece: figure(&answers, "ece"),
            at_temperature: at_temperature.map(|answers| (figure(&answers, "nll"), figure(&answers, "ece"))),
            turned: auroc(&strangeness(&x), &strangeness(&turned)).map_or(f64::NAN, |estimate| estimate.value),
            attacked: right as f64 / is_wrong.len() as f64,
            agreed: None,
            distance: None,
        }
    }

    /// Share of examples that a support-vector machine on all digits takes for what was asked for, and how near they are to training pictures.
    fn judge_examples(&self, jem: &Jem) -> (f64, f64) {
        let device = Device::flex().autodiff();
        let classes: Vec<u32> = (0..EXAMPLES).map(|at| at % 10).collect();
        let asked: Index = classes.clone().into();
        let examples = jem.examples(&asked, EXAMPLE_STEPS, &mut Noise::new(self.seed, 2, &device));
        let examples = Array2::from_shape_vec(
            (classes.len(), self.encoding.layout().width()),
            examples.into_data().iter::<f32>().collect(),
        )
        .expect("a row an example");
        let x = self.rows(&self.all);
        let rows = Rows { x: x.view(), labels: &self.all.labels, classes: 10, seed: self.seed };
        let machine = Svm::default().fit(&rows, &mut |_| true).expect("nobody tells it to stop");
        let found = machine.probs(examples.view());
        let agreed = found.rows().into_iter().zip(&classes).filter(|(probs, class)| {
            halfmoon_pool::metric::predicted(probs.view()) == Class(u16::try_from(**class).expect("ten classes"))
        });
        let (train, test) = (self.rows(&self.train), self.rows(&self.test));
        let distance =
            nearest_ratio(examples.view(), train.view(), test.view()).expect("new pictures are none of these");
        (agreed.count() as f64 / f64::from(EXAMPLES), distance)
    }
}

/// The same pictures, turned by a quarter.
fn turned(items: &Dataset) -> Dataset {
    let (Features::Image(shape), Inputs::Bytes(pixels)) = (&items.schema.features, &items.inputs) else {
        unreachable!("the digits are pictures of bytes")
    };
    let side = shape.width;
    let from = |(item, pixel): (usize, usize)| pixels[[item, pixel % side * side + side - 1 - pixel / side]];
    Dataset { inputs: Inputs::Bytes(Array2::from_shape_fn(pixels.dim(), from)), ..items.clone() }
}
