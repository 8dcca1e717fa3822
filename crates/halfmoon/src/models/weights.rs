//! How heavy the terms of a semi-supervised bound are, as published programs have it.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::loss::Loss;
use crate::model::Counts;

/// Published weights of the mean labelled bound, the mean unlabelled bound and the mean
/// classification term, with N_l labelled rows and N_u rows in the unlabelled stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// N_l/N_u, 1, 0.1 (N_l + N_u)/N_u: the paper's α = 0.1 N, as dpkingma/nips14-ssl computes it.
    Kingma,
    /// N_l/N_u, 1, 46 N_l/N_u: Pyro's tutorial with its multiplier 46.
    Pyro,
    /// 1, 1, 1: musyoku/variational-autoencoder.
    Musyoku,
    /// 1, 1, 60: wohlert/semi-supervised-pytorch.
    Wohlert,
    /// 1, 1, 0.1 N_u/N_l: larsmaaloee/auxiliary-deep-generative-models (60 for 100 labels of 60,000).
    Maaloe,
    /// 1, 1, 1200: the 2015 workshop program of the same authors, and zhusuan.
    Maaloe2015,
}

/// One number for each term.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Of the mean of 𝓛(x, y).
    pub labelled: f64,
    /// Of the mean of 𝓤(u).
    pub unlabelled: f64,
    /// Of the mean of −log q(y | x).
    pub classify: f64,
}

/// Weights in place of a preset's, where there are any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Instead {
    /// In place of [`Weights::labelled`].
    pub labelled: Option<f64>,
    /// In place of [`Weights::unlabelled`].
    pub unlabelled: Option<f64>,
    /// In place of [`Weights::classify`].
    pub classify: Option<f64>,
}

impl Preset {
    /// The weights for a training set of this size.
    pub fn weights(self, Counts { labelled, unlabelled }: Counts) -> Weights {
        let (n_l, n_u) = (labelled as f64, unlabelled as f64);
        let (labelled, classify) = match self {
            Preset::Kingma => (n_l / n_u, 0.1 * (n_l + n_u) / n_u),
            Preset::Pyro => (n_l / n_u, 46.0 * n_l / n_u),
            Preset::Musyoku => (1.0, 1.0),
            Preset::Wohlert => (1.0, 60.0),
            Preset::Maaloe => (1.0, 0.1 * n_u / n_l),
            Preset::Maaloe2015 => (1.0, 1200.0),
        };
        Weights { labelled, unlabelled: 1.0, classify }
    }
}

impl Weights {
    /// 𝓙 from −𝓤(u) of the unlabelled rows and, of the labelled ones, −𝓛(x, y) and log q(y | x).
    pub fn loss(self, elbo_x: Option<Tensor<1>>, labelled: Option<(Tensor<1>, Tensor<1>)>) -> Loss {
        let mut loss = Loss::default();
        if let Some(elbo_x) = elbo_x {
            loss = loss.weigh("unlabelled", self.unlabelled, -elbo_x.mean());
        }
        if let Some((elbo_xy, log_q_y)) = labelled {
            loss = loss.weigh("labelled", self.labelled, -elbo_xy.mean());
            loss = loss.weigh("classify", self.classify, -log_q_y.mean());
        }
        loss
    }
}

impl Instead {
    /// These weights, and the preset's for the others.
    pub fn of(self, preset: Weights) -> Weights {
        Weights {
            labelled: self.labelled.unwrap_or(preset.labelled),
            unlabelled: self.unlabelled.unwrap_or(preset.unlabelled),
            classify: self.classify.unwrap_or(preset.classify),
        }
    }

    /// Says what is wrong with a value that type-checks.
    pub fn check(self) -> Result<(), String> {
        let weights = [("labelled", self.labelled), ("unlabelled", self.unlabelled), ("classify", self.classify)];
        for (name, weight) in weights {
            if weight.is_some_and(|weight| !weight.is_finite() || weight < 0.0) {
                return Err(format!("`{name}` must be a weight of 0 or more"));
            }
        }
        Ok(())
    }
}
