use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

use super::zeros;
use crate::dist::{Normal, log_sum_exp};
use crate::noise::Noise;
use crate::ops::{Index, index_tensor};

/// The Gaussian-coupled softmax layer: a softmax whose weights are those of class Gaussians on its inputs h.
///
/// Hayashi. *A Hybrid of Generative and Discriminative Models Based on the Gaussian-coupled Softmax Layer*. IEEE TNNLS 2024,
/// arXiv:2305.05912.
///
/// ```text
/// p(h, c) = π_c 𝒩(h; μ_c, Σ)     ⇒    p(c | h) = softmax_c(w_c · h + b_c)
/// w_c = Σ⁻¹ μ_c        b_c = ln π_c − ½ μ_cᵀ Σ⁻¹ μ_c
/// ln p(h)    = LSE_c(w_c · h + b_c) − ½ hᵀ Σ⁻¹ h − ½ ln |2πΣ|
/// ln p(h, c) =       w_c · h + b_c  − ½ hᵀ Σ⁻¹ h − ½ ln |2πΣ|
/// ```
///
/// Here Σ = I, so w_c = μ_c: the linear layer before this one can whiten, and with π learned any softmax layer is one of these.
#[derive(Module, Debug)]
pub struct GaussianSoftmax {
    means: Param<Tensor<2>>, // μ: [c, h]
    prior: Param<Tensor<1>>, // ln π up to a constant: [c]
}

impl GaussianSoftmax {
    /// Means of length `radius` in random directions, π uniform.
    pub fn new(width: usize, classes: usize, radius: f64, noise: &mut Noise) -> GaussianSoftmax {
        let directions = noise.normal([classes, width]);
        let length = directions.clone().square().sum_dim(1).sqrt();
        GaussianSoftmax {
            means: Param::from_tensor(directions / length * radius),
            prior: zeros(classes, noise.device()),
        }
    }

    /// With π as it is: training does not change it.
    #[must_use]
    pub fn with_fixed_prior(mut self) -> GaussianSoftmax {
        self.prior = self.prior.set_require_grad(false);
        self
    }

    /// μ: `[c, h]`.
    pub fn means(&self) -> Tensor<2> {
        self.means.val()
    }

    /// ln π: `[1, c]`.
    pub fn log_prior(&self) -> Tensor<2> {
        log_softmax(self.prior.val().unsqueeze(), 1)
    }

    /// The same as a constant.
    pub fn fixed_log_prior(&self) -> Tensor<2> {
        log_softmax(self.prior.val().detach().unsqueeze(), 1)
    }

    /// w_c · h + b_c: `[n, h]` → `[n, c]`.
    pub fn logits(&self, h: &Tensor<2>) -> Tensor<2> {
        self.log_ratios(h) + self.log_prior()
    }

    /// The same without ln π, ln 𝒩(h; μ_c, I) − ln 𝒩(h; 0, I): `[n, h]` → `[n, c]`.
    pub fn log_ratios(&self, h: &Tensor<2>) -> Tensor<2> {
        let means = self.means.val();
        let half_norms = means.clone().square().sum_dim(1).transpose() * 0.5; // [1, c]
        h.clone().matmul(means.transpose()) - half_norms
    }

    /// ln p(h): `[n, h]` → `[n]`.
    pub fn log_prob(&self, h: &Tensor<2>) -> Tensor<1> {
        log_sum_exp(self.logits(h)) + Normal::standard_log_prob(h)
    }

    /// ln p(h | c), each row under its class: `[n, h]` → `[n]`.
    pub fn log_prob_given(&self, h: &Tensor<2>, classes: &Index) -> Tensor<1> {
        Normal::standard_log_prob(&(h.clone() - self.mean_of(classes)))
    }

    /// μ of each of these classes: `[n, h]`.
    pub fn mean_of(&self, classes: &Index) -> Tensor<2> {
        let means = self.means.val();
        let index = index_tensor(classes, &means.device());
        means.select(0, index)
    }

    /// h ~ 𝒩(μ_c, I) of each of these classes: `[n, h]`.
    pub fn sample(&self, classes: &Index, noise: &mut Noise) -> Tensor<2> {
        let means = self.mean_of(classes);
        let drawn = noise.normal(means.dims());
        means + drawn
    }
}
