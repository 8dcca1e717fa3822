//! The manifold tangent classifier: a contractive autoencoder whose fine-tuning keeps answers still along the
//! directions in which the autoencoder's codes move.
//!
//! Rifai, Dauphin, Vincent, Bengio, Muller. *The Manifold Tangent Classifier*. NIPS 2011.
//!
//! ```text
//! J(x) = ∂h(x)/∂x of the encoder as the unsupervised stages left it
//! 𝓑(x) = the right singular vectors of J(x) with the largest singular values: directions along the manifold
//! 𝓙    = E_(x,y)[−log p(y | x)] + β E_x[Σ_(t ∈ 𝓑(x)) ‖∂p(· | x)/∂x · t‖²]
//! ```
//!
//! The second term is over labelled and unlabelled rows alike: it looks at no label.

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, s};
use halfmoon_pool::encode::Layout;
use serde::{Deserialize, Serialize};

use super::cae::{Cae, CaeConfig, Layer, fine_tune, pretrain, slope};
use crate::batches::TrainingRows;
use crate::dist::Categorical;
use crate::loss::Loss;
use crate::model::{Batch, Classifier, Model, ModelConfig};
use crate::noise::Noise;
use crate::train::Plan;

/// Hyper-parameters of [`Mtc`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MtcConfig {
    /// Widths of the layers.
    pub hidden: Vec<usize>,
    /// λ of the autoencoder, see [`CaeConfig::contraction`].
    pub contraction: f64,
    /// Directions a row, or as many as there are. The paper's MNIST runs use 15.
    pub directions: usize,
    /// β: how heavy a change along a direction weighs. The paper chose it by validation.
    pub tangent: f64,
    /// How each layer is trained before they are fine-tuned together.
    pub pretrain: Plan,
}

impl Default for MtcConfig {
    fn default() -> Self {
        let CaeConfig { hidden, contraction, .. } = CaeConfig::default();
        MtcConfig { hidden, contraction, directions: 10, tangent: 1.0, pretrain: pretrain() }
    }
}

impl MtcConfig {
    fn cae(&self) -> CaeConfig {
        let MtcConfig { hidden, contraction, pretrain, .. } = self.clone();
        CaeConfig { hidden, contraction, pretrain }
    }
}

impl ModelConfig for MtcConfig {
    type Model = Mtc;
    const NAME: &'static str = "mtc";
    const ABOUT: &'static str = "cae, fine-tuned so that answers don't change along the data's manifold";
    const PAPER: &'static str = "rifai2011mtc";
    const NEEDS_LABELS: bool = true;

    fn plan() -> Plan {
        Plan { unlabelled_rows: 20, ..fine_tune() }
    }

    fn earlier_stages(&self) -> Vec<Plan> {
        self.cae().earlier_stages()
    }

    fn check(&self, _: &Layout) -> Result<(), String> {
        self.cae().check_own()?;
        if !self.tangent.is_finite() || self.tangent < 0.0 {
            return Err("`tangent` must be 0 or more".into());
        }
        if self.directions == 0 {
            return Err("`directions` must be at least 1".into());
        }
        Ok(())
    }

    fn init(&self, layout: &Layout, classes: usize, noise: &mut Noise) -> Mtc {
        let cae = self.cae().init(layout, classes, noise);
        // There are no more directions than the narrowest of the inputs and the layers has.
        let most = self.hidden.iter().copied().fold(layout.width(), usize::min);
        Mtc { start: frozen(&cae), cae, directions: self.directions.min(most), tangent: self.tangent }
    }

    fn begin_stage(&self, stage: usize, model: Mtc, _: &TrainingRows, _: &mut Noise) -> Mtc {
        if stage < self.hidden.len() { model } else { Mtc { start: frozen(&model.cae), ..model } }
    }
}

fn frozen(cae: &Cae) -> Vec<Layer> {
    cae.layers().iter().map(|layer| layer.clone().no_grad()).collect()
}

/// The autoencoder with its classifier, and the encoder as it was before the fine-tuning.
#[derive(Module, Debug)]
pub struct Mtc {
    cae: Cae,
    start: Vec<Layer>,
    #[module(skip)]
    directions: usize,
    #[module(skip)]
    tangent: f64,
}

impl Mtc {
    /// 𝓑(x) of each row `[n, d]`: `[n · directions, d]`, those of a row one after the other. By orthogonal iteration from
    /// random directions, which [`ROUNDS`] rounds bring close to the leading ones.
    fn directions(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<2> {
        let ([n, d], k) = (x.dims(), self.directions);
        let mut slopes = Vec::new();
        let mut h = x.clone();
        for layer in &self.start {
            h = layer.code(&h);
            slopes.push(for_each_direction(&slope(&h), k));
        }
        let mut t = orthonormal(&noise.normal([n, k, d]).cast(x.dtype()));
        for _ in 0..ROUNDS {
            let mut moved: Tensor<2> = t.reshape([n * k, d]);
            for (layer, slope) in self.start.iter().zip(&slopes) {
                moved = layer.along(moved) * slope.clone();
            }
            for (layer, slope) in self.start.iter().zip(&slopes).rev() {
                moved = layer.back_along(moved * slope.clone());
            }
            t = orthonormal(&moved.reshape([n, k, d]));
        }
        t.reshape([n * k, d])
    }

    /// Σ_t ‖∂p(· | x)/∂x · t‖² of each row: `[n]`.
    fn change_along(&self, x: &Tensor<2>, directions: Tensor<2>) -> Tensor<1> {
        let k = self.directions;
        let (mut h, mut t) = (x.clone(), directions);
        for layer in self.cae.layers() {
            h = layer.code(&h);
            t = layer.along(t) * for_each_direction(&slope(&h), k);
        }
        let probs = for_each_direction(&softmax(self.cae.logits().forward(h), 1), k);
        let of_logits = self.cae.logits().along(t);
        let mean = (probs.clone() * of_logits.clone()).sum_dim(1);
        let of_probs = probs * (of_logits - mean);
        of_probs.square().sum_dim(1).reshape([x.dims()[0], k]).sum_dim(1).squeeze_dim(1)
    }
}

/// Rounds of orthogonal iteration. The singular values of a contractive encoder fall off fast.
const ROUNDS: usize = 3;

/// Each row `k` times: `[n, w]` → `[n · k, w]`.
fn for_each_direction(rows: &Tensor<2>, k: usize) -> Tensor<2> {
    let [n, w] = rows.dims();
    rows.clone().unsqueeze_dim::<3>(1).expand([n, k, w]).reshape([n * k, w])
}

/// The rows of each `[k, d]` made orthonormal, one after the other (Gram and Schmidt): `[n, k, d]`.
fn orthonormal(t: &Tensor<3>) -> Tensor<3> {
    let [_, k, _] = t.dims();
    let mut done: Vec<Tensor<3>> = Vec::with_capacity(k);
    for at in 0..k {
        let mut direction = t.clone().slice(s![.., at..=at, ..]); // [n, 1, d]
        // Twice, since rounding leaves a share of the others after once.
        for _ in 0..2 {
            if !done.is_empty() {
                let others = Tensor::cat(done.clone(), 1); // [n, at, d]
                let shares = direction.clone().matmul(others.clone().swap_dims(1, 2)); // [n, 1, at]
                direction = direction - shares.matmul(others);
            }
            let length = direction.clone().square().sum_dim(2).sqrt();
            direction = direction / length.clamp_min(1e-12);
        }
        done.push(direction);
    }
    Tensor::cat(done, 1)
}

impl Model for Mtc {
    type Memory = ();

    fn loss(&self, batch: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        if batch.moment.stage < self.cae.layers().len() {
            return self.cae.loss(batch, &mut (), noise);
        }
        let Batch { x, y, u, .. } = batch;
        let rows = Tensor::cat(vec![x.clone(), u.clone()], 0);
        let change = self.change_along(&rows, self.directions(&rows, noise).detach());
        Loss::default().add("classify", -Categorical { logits: self.classify(x) }.log_prob(y).mean()).weigh(
            "tangent",
            self.tangent,
            change.mean(),
        )
    }
}

impl Classifier for Mtc {
    fn classify(&self, x: &Tensor<2>) -> Tensor<2> {
        self.cae.classify(x)
    }

    fn codes(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        self.cae.codes(x)
    }
}
