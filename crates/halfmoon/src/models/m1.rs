//! M1: a classical classifier on the codes of a variational autoencoder.
//!
//! Kingma, Mohamed, Rezende, Welling. *Semi-supervised Learning with Deep Generative Models*.
//! NeurIPS 2014, arXiv:1406.5298, section 2.1.
//!
//! The autoencoder learns from all rows without a label; a row's features are E[z | x] without the units that collapsed;
//! the classifier on them is one of `halfmoon-classical`.

use burn::module::Module;
use burn::tensor::Device;
use halfmoon_classical::{
    Arrays, Fitted, GaussianSoftmax, GoOn, Knn, LabelSpreading, Logistic, Method, Rows, Svm, Tsvm,
};
use halfmoon_pool::Result;
use halfmoon_pool::encode::Layout;
use halfmoon_pool::scores::{Completer, Generator, Predictor, Scores};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::classical::{HUNDREDTHS, fit_at_once, log_probs, misfit};
use super::vae::{Vae, columns, stored_units};
use crate::batches::TrainingRows;
use crate::checkpoint::{Checkpoint, number_parameters};
use crate::fit::{INIT, Learner, Task};
use crate::model::{Generate, Makes};
use crate::nets::{Activation, Hidden, Norm};
use crate::noise::Noise;
use crate::ops::Index;
use crate::predict::{PseudoGibbs, array, generator, importance_bound, in_chunks, log_density, on_device};
use crate::train::{Course, Decay, Ended, Plan, Watch, train};

/// Settings of M1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct M1Config {
    /// Size of z. The paper's MNIST runs use 50.
    pub latent: usize,
    /// Widths of each network's hidden layers. The paper's code has two of 500.
    pub hidden: Vec<usize>,
    /// What stands between them. The paper has softplus; ReLU is cheaper.
    pub activation: Activation,
    /// Steps within which the weight of the KL term rises to 1.
    pub warm_up: u64,
    /// The classifier on the codes. The paper has a TSVM.
    pub head: Head,
    /// Settings of that head.
    pub logistic: Logistic,
    /// Settings of that head.
    pub knn: Knn,
    /// Settings of that head.
    pub svm: Svm,
    /// Settings of that head.
    pub label_spreading: LabelSpreading,
    /// Settings of that head.
    pub tsvm: Tsvm,
    /// Settings of that head.
    pub gc_head: GaussianSoftmax,
    /// How the autoencoder is trained.
    pub train: Plan,
}

/// A classifier on codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// Multinomial logistic regression.
    Logistic,
    /// Nearest neighbours.
    Knn,
    /// A support vector machine, which knows the labelled codes alone.
    Svm,
    /// Label spreading over the codes of all rows.
    LabelSpreading,
    /// A transductive support vector machine.
    Tsvm,
    /// The Gaussian-coupled softmax, fitted to the codes of all rows.
    GcHead,
}

impl Default for M1Config {
    fn default() -> Self {
        M1Config {
            latent: 50,
            hidden: vec![500, 500],
            activation: Activation::Relu,
            warm_up: 0,
            head: Head::LabelSpreading,
            logistic: Logistic::default(),
            knn: Knn::default(),
            svm: Svm::default(),
            label_spreading: LabelSpreading::default(),
            tsvm: Tsvm::default(),
            gc_head: GaussianSoftmax::default(),
            train: Plan {
                steps: 12_000,
                unlabelled_rows: 200,
                binarise: true,
                decay: Decay::Linear,
                ..Plan::default()
            },
        }
    }
}

/// Runs `$act` with `$head` bound to the settings of the head that was chosen.
macro_rules! with_head {
    ($config:expr, $head:ident => $act:expr) => {
        match $config.head {
            Head::Logistic => {
                let $head = &$config.logistic;
                $act
            }
            Head::Knn => {
                let $head = &$config.knn;
                $act
            }
            Head::Svm => {
                let $head = &$config.svm;
                $act
            }
            Head::LabelSpreading => {
                let $head = &$config.label_spreading;
                $act
            }
            Head::Tsvm => {
                let $head = &$config.tsvm;
                $act
            }
            Head::GcHead => {
                let $head = &$config.gc_head;
                $act
            }
        }
    };
}

impl M1Config {
    fn autoencoder(&self, layout: &Layout, noise: &mut Noise) -> Vae {
        let hidden = Hidden { widths: &self.hidden, activation: self.activation, norm: Norm::None };
        Vae::new(layout, &hidden, self.latent, self.warm_up, noise)
    }
}

/// p(y | x) of codes, by a fitted head whose kind is forgotten.
type Probs = Box<dyn Fn(ArrayView2<f32>) -> Array2<f32> + Send>;

fn fitted<M: Method>(_: &M, arrays: &Arrays) -> std::result::Result<Probs, String> {
    let fitted = M::Fitted::from_arrays(arrays)?;
    Ok(Box::new(move |codes| fitted.probs(codes)))
}

fn fit_head<M: Method>(head: &M, rows: &Rows, go_on: GoOn) -> Option<Arrays> {
    head.fit(rows, go_on).map(Fitted::into_arrays)
}

impl Learner for M1Config {
    const NAME: &'static str = "m1";
    const ABOUT: &'static str = "a classical classifier on the codes of an autoencoder that saw all rows";
    const PAPER: &'static str = "kingma2014ssl";
    const MAKES: Makes = Makes::Inputs;
    const NEEDS_LABELS: bool = true;

    fn steps(&self) -> u64 {
        self.train.steps + HUNDREDTHS
    }

    fn check(&self, _: Option<&Layout>) -> std::result::Result<(), String> {
        super::check_hidden("hidden", &self.hidden)?;
        if self.latent == 0 {
            return Err("`latent` must be at least 1".into());
        }
        if self.train.unlabelled_rows == 0 {
            return Err("`train.unlabelled_rows` must be at least 1".into());
        }
        if self.train.patience > 0 {
            return Err("`train.patience` must be 0: the autoencoder knows no labels to look at".into());
        }
        self.train.check()?;
        with_head!(self, head => Method::check(head))
    }

    fn fit(&self, task: &Task, resume: Option<Checkpoint>, watch: &mut dyn Watch) -> Result<Ended> {
        let (layout, device) = (task.encoding.layout(), task.device.clone().autodiff());
        let vae = number_parameters(self.autoencoder(&layout, &mut Noise::new(task.seed, INIT, &device)));
        // Labelled rows come to the autoencoder among the others.
        let plan = Plan { labelled_rows: 1, ..self.train.clone() };
        let course = Course { name: M1Config::NAME, plans: vec![plan], begin_stage: &|_, vae| vae, validate: None };
        let rows = TrainingRows { dataset: task.dataset, encoding: task.encoding, device: &device };
        let ended = train(vae, &course, &rows, task.seed, resume, watch)?;
        if ended.stopped {
            return Ok(ended);
        }
        let vae = ended.checkpoint.parameters_into(self.autoencoder(&layout, &mut Noise::new(0, INIT, &device)))?;
        let units = vae.active(&rows);
        let vae = vae.valid();
        let codes: Vec<Array2<f32>> = rows.chunks().map(|x| array(columns(vae.posterior(&x).mean, &units))).collect();
        let views: Vec<_> = codes.iter().map(|part| part.view()).collect();
        let codes = ndarray::concatenate(Axis(0), &views).expect("there is at least one row");
        let head = fit_at_once(
            task,
            &codes,
            self.train.steps,
            watch,
            |rows, go_on| with_head!(self, head => fit_head(head, rows, go_on)),
        )?;
        let Some(head) = head else {
            return Ok(Ended { stopped: true, ..ended });
        };
        let kept = Array1::from_iter(units.iter().map(|&unit| unit as f32));
        let mut checkpoint = ended.checkpoint.with_arrays("head.", head);
        checkpoint = checkpoint.with_arrays("", Arrays::from([("units".to_owned(), kept.into_dyn())]));
        checkpoint.step += HUNDREDTHS;
        Ok(Ended { checkpoint, stopped: false })
    }

    fn load(&self, layout: &Layout, _: usize, stored: &Checkpoint, device: &Device) -> Result<Box<dyn Predictor>> {
        let device = device.clone().inner();
        let vae = stored.parameters_into(self.autoencoder(layout, &mut Noise::new(0, INIT, &device)))?;
        let units = stored.arrays("units").remove("").ok_or_else(|| misfit("the run holds no units".into()))?;
        let head = with_head!(self, head => fitted(head, &stored.arrays("head."))).map_err(misfit)?;
        let units = stored_units(units);
        Ok(Box::new(M1 { vae, units, head, device }))
    }
}

/// A trained M1.
struct M1 {
    vae: Vae,
    units: Index, // of z that the head sees
    head: Probs,
    device: Device,
}

impl M1 {
    /// What the head sees of rows.
    fn codes_of(&self, inputs: &ArrayView2<f32>) -> Array2<f32> {
        array(columns(self.vae.posterior(&on_device(inputs, &self.device)).mean, &self.units))
    }
}

impl Predictor for M1 {
    fn scores(&self, inputs: ArrayView2<f32>) -> Scores {
        in_chunks(&inputs, |inputs| {
            let x = on_device(inputs, &self.device);
            let codes = self.codes_of(inputs);
            Scores {
                log_probs: log_probs((self.head)(codes.view())),
                log_density: Some(log_density(&self.vae, &x, &self.device)),
                energy: None,
                codes: Some(codes),
            }
        })
    }

    fn codes(&self, inputs: ArrayView2<f32>) -> Option<Array2<f32>> {
        Some(self.codes_of(&inputs))
    }

    fn importance_bound(&self, inputs: ArrayView2<f32>, samples: usize) -> Option<Array1<f32>> {
        importance_bound(&self.vae, &inputs, samples, &self.device)
    }

    fn generator(&self) -> Option<Box<dyn Generator + '_>> {
        Some(generator(&self.vae as &dyn Generate, &self.device))
    }

    fn completer(&self) -> Option<Box<dyn Completer + '_>> {
        Some(Box::new(PseudoGibbs { model: &self.vae, answers: self, device: &self.device }))
    }
}
