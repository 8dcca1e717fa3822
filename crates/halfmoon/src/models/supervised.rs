//! The baseline: a classifier trained on the labelled rows alone.
//!
//! Rumelhart, Hinton, Williams. *Learning representations by back-propagating errors*. Nature 1986.
//!
//! ```text
//! 𝓙 = E_(x,y)[−log p(y | x)]        plus weight decay, which the plan holds
//! ```

use burn::module::Module;
use burn::tensor::Tensor;
use halfmoon_pool::dataset::ImageShape;
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use crate::augment::Augment;
use crate::dist::Categorical;
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Model, ModelConfig};
use crate::nets::{Activation, CategoricalNet, ConvNet, Hidden, Norm, WideResNet, WideResNetConfig, dropout_mask};
use crate::noise::Noise;
use crate::train::{Decay, Plan};

/// Hyper-parameters of [`Supervised`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SupervisedConfig {
    /// `mlp` for any rows, `conv` for pictures. `mlp`, so that it is compared with `m2` on equal terms.
    pub net: Net,
    /// Widths of the hidden layers. One layer of 500 as in Kingma et al. (2014), table 1 (NN).
    pub hidden: Vec<usize>,
    /// What stands between the layers of `mlp` and `conv`.
    pub activation: Activation,
    /// Outputs of each convolution of `conv`.
    pub channels: Vec<usize>,
    /// Size of `wide_resnet`.
    pub wide: WideResNetConfig,
    /// How the pictures of a step are changed. Not at all, as in the papers' baselines.
    pub augment: Augment,
    /// How probably a value of a hidden layer is left out of a step: of each layer of `mlp`, of the last one of the others. 0, as in Kingma et al.
    /// (2014); 0.5 is usual where draws of the network are wanted, as `bald` does (Gal, Islam, Ghahramani 2017).
    pub dropout: f64,
}

/// Kind of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Net {
    /// Dense layers.
    Mlp,
    /// Convolutions, then one dense layer of the first width in `hidden`.
    Conv,
    /// A wide residual network, as JEM's program has it.
    WideResnet,
}

impl Net {
    /// Says what is wrong with the settings of a network of this kind.
    pub(super) fn check(self, hidden: &[usize], channels: &[usize], layout: &Layout) -> Result<(), String> {
        super::check_hidden("hidden", hidden)?;
        if self != Net::Mlp {
            super::check_hidden("channels", channels)?;
            layout.image.ok_or("this `net` needs pictures, and this data has columns: use `mlp`")?;
        }
        Ok(())
    }
}

impl Default for SupervisedConfig {
    fn default() -> Self {
        SupervisedConfig {
            net: Net::Mlp,
            hidden: vec![500],
            activation: Activation::Relu,
            channels: vec![16, 32],
            wide: WideResNetConfig::default(),
            augment: Augment::None,
            dropout: 0.0,
        }
    }
}

impl ModelConfig for SupervisedConfig {
    type Model = Supervised;
    const NAME: &'static str = "supervised";
    const ABOUT: &'static str = "a plain classifier on the labelled rows alone: the baseline";
    const PAPER: &'static str = "rumelhart1986";
    const NEEDS_LABELS: bool = true;

    fn plan() -> Plan {
        Plan {
            steps: 1500,
            rate: 1e-3,
            decay: Decay::Linear,
            weight_decay: 1e-3,
            unlabelled_rows: 0,
            ..Plan::default()
        }
    }

    fn check(&self, layout: &Layout) -> Result<(), String> {
        self.net.check(&self.hidden, &self.channels, layout)?;
        self.wide.check()?;
        check_dropout(self.dropout)?;
        self.augment.check(layout)
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Supervised {
        let hidden = Hidden { widths: &self.hidden, activation: self.activation, norm: Norm::None };
        let shape = || layout.image.expect("`check` refuses this without pictures");
        let (augment, dropout) = (self.augment, self.dropout);
        let none = Supervised { mlp: None, conv: None, wide: None, shape: layout.image, augment, dropout };
        match self.net {
            Net::Mlp => {
                Supervised { mlp: Some(CategoricalNet::new(&[layout.width()], &hidden, classes, noise)), ..none }
            }
            Net::Conv => {
                let (dense, activation) = (self.hidden[0], self.activation);
                let conv = ConvNet::new(shape(), &self.channels, dense, activation, classes, noise);
                Supervised { conv: Some(conv), ..none }
            }
            Net::WideResnet => Supervised { wide: Some(WideResNet::new(self.wide, shape(), classes, noise)), ..none },
        }
    }
}

/// p(y | x) by one network: one of the three is there.
#[derive(Module, Debug)]
pub struct Supervised {
    mlp: Option<CategoricalNet>,
    conv: Option<ConvNet>,
    wide: Option<WideResNet>,
    #[module(skip)]
    shape: Option<ImageShape>,
    #[module(skip)]
    augment: Augment,
    #[module(skip)]
    dropout: f64,
}

/// Says what is wrong with a rate of dropout.
pub(super) fn check_dropout(rate: f64) -> Result<(), String> {
    if (0.0..1.0).contains(&rate) { Ok(()) } else { Err("`dropout` must be 0 or more and less than 1".into()) }
}

impl Supervised {
    /// As much of the network as dropout does not touch: the first hidden layer of `mlp`, the last one of the others, `[n, width]`.
    fn untouched(&self, x: &Tensor<2>) -> Tensor<2> {
        match (&self.mlp, &self.conv, &self.wide) {
            (Some(mlp), ..) => mlp.first(x),
            (_, Some(conv), _) => conv.codes(x),
            (.., Some(wide)) => wide.codes(x.clone()),
            (None, None, None) => unreachable!("`init` makes one of the three"),
        }
    }

    /// The last hidden layer from there, each layer's values with a mask of their own; a mask of one row is for all rows.
    fn thinned(&self, untouched: Tensor<2>, rows: usize, noise: &mut Noise) -> Tensor<2> {
        let mut then = |h: Tensor<2>| {
            let mask = dropout_mask(self.dropout, [rows, h.dims()[1]], noise);
            h * mask
        };
        match &self.mlp {
            Some(mlp) => mlp.codes_from_first(untouched, then),
            None => then(untouched),
        }
    }

    /// Logits from the last hidden layer: `[n, h]` → `[n, c]`.
    pub(super) fn of_codes(&self, codes: Tensor<2>) -> Tensor<2> {
        match (&self.mlp, &self.conv, &self.wide) {
            (Some(mlp), ..) => mlp.of_codes(codes).logits,
            (_, Some(conv), _) => conv.of_codes(codes),
            (.., Some(wide)) => wide.of_codes(codes),
            (None, None, None) => unreachable!("`init` makes one of the three"),
        }
    }

    /// The last hidden layer in a step of training, pictures changed and values left out as the settings say: `[n, h]`.
    pub(super) fn codes_in_training(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<2> {
        let changed = self.augment.changed(x, self.shape, noise);
        let x = changed.as_ref().unwrap_or(x);
        if self.dropout > 0.0 {
            return self.thinned(self.untouched(x), x.dims()[0], noise);
        }
        self.codes(x).expect("this network has a last hidden layer")
    }

    /// Logits in a step of training: `[n, c]`.
    pub(super) fn classify_in_training(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<2> {
        self.of_codes(self.codes_in_training(x, noise))
    }
}

impl Model for Supervised {
    type Memory = ();

    fn loss(&self, Batch { x, y, .. }: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        let logits = self.classify_in_training(x, noise);
        Loss::default().add("classify", -Categorical { logits }.log_prob(y).mean())
    }
}

impl Classifier for Supervised {
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        match (&self.mlp, &self.conv, &self.wide) {
            (Some(mlp), ..) => mlp.of(x).logits,
            (_, Some(conv), _) => conv.forward(x),
            (.., Some(wide)) => wide.forward(x.clone()),
            (None, None, None) => unreachable!("`init` makes one of the three"),
        }
    }

    fn networks(&self, x: &Tensor<2>, draws: usize, noise: &mut Noise) -> Option<Tensor<3>> {
        if self.dropout <= 0.0 {
            return None;
        }
        let untouched = self.untouched(x);
        let mut draw = || self.of_codes(self.thinned(untouched.clone(), 1, noise));
        Some(Tensor::stack((0..draws).map(|_| draw()).collect(), 1))
    }

    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        match (&self.mlp, &self.conv, &self.wide) {
            (Some(mlp), ..) => Some(mlp.codes(x)),
            (_, Some(conv), _) => Some(conv.codes(x)),
            (.., wide) => wide.as_ref().map(|wide| wide.codes(x.clone())),
        }
    }
}
