//! Distributions, as the equations use them.
//!
//! Tensors are `[n, k, width]`: n rows, each under k classes. Either axis may be 1 and is then
//! broadcast, so one line of an equation serves the labelled rows (`k = 1`) and the sum over classes
//! (`k = c`). Log-probabilities sum over the last axis and come back as `[n, k]`, in nats.

use std::f64::consts::PI;

use burn::tensor::activation::{log_sigmoid, log_softmax, sigmoid, softmax};
use burn::tensor::{Int, Tensor};
use halfmoon_pool::encode::Layout;

use crate::noise::Noise;

/// 𝒩(mean, exp(log_var)), independent in each coordinate.
pub struct Normal {
    /// `[n, k, m]`.
    pub mean: Tensor<3>,
    /// ln σ², unconstrained: `[n, k, m]`, broadcast where an axis is 1.
    pub log_var: Tensor<3>,
}

impl Normal {
    /// μ + σ ε with ε from `noise`; gradients reach μ and σ.
    pub fn rsample(&self, noise: &mut Noise) -> Tensor<3> {
        self.mean.clone() + (self.log_var.clone() * 0.5).exp() * noise.normal(self.mean.dims())
    }

    /// ln 𝒩(x): `[n, k]`.
    pub fn log_prob(&self, x: &Tensor<3>) -> Tensor<2> {
        row_sum(self.each_log_prob(x))
    }

    /// KL(self ‖ 𝒩(0, I)) in closed form: `[n, k]`.
    pub fn kl_to_standard(&self) -> Tensor<2> {
        let v = self.log_var.clone();
        row_sum((self.mean.clone().square() + v.clone().exp() - 1.0 - v) * 0.5)
    }

    /// KL(self ‖ other) in closed form: `[n, k]`.
    pub fn kl(&self, other: &Normal) -> Tensor<2> {
        let (v1, v2) = (self.log_var.clone(), other.log_var.clone());
        let distance = (self.mean.clone() - other.mean.clone()).square();
        row_sum((v2.clone() - v1.clone() + (v1.exp() + distance) * (-v2).exp() - 1.0) * 0.5)
    }

    fn each_log_prob(&self, x: &Tensor<3>) -> Tensor<3> {
        let distance = (x.clone() - self.mean.clone()).square();
        (distance * (-self.log_var.clone()).exp() + self.log_var.clone() + (2.0 * PI).ln()) * -0.5
    }
}

/// Independent yes/no features, from logits.
pub struct Bernoulli {
    /// `[n, k, d]`.
    pub logits: Tensor<3>,
}

impl Bernoulli {
    /// Σ_d x_d l_d − softplus(l_d): `[n, k]`. Grey values in [0, 1] may stand for x; the result is then
    /// an objective and no longer a likelihood.
    pub fn log_prob(&self, x: &Tensor<3>) -> Tensor<2> {
        // −softplus(l) = ln sigmoid(−l), which the engine computes in one pass without overflow.
        row_sum(x.clone() * self.logits.clone() + log_sigmoid(-self.logits.clone()))
    }
}

/// One of c classes, from logits.
pub struct Categorical {
    /// `[n, c]`.
    pub logits: Tensor<2>,
}

impl Categorical {
    /// ln q: `[n, c]`.
    pub fn log_probs(&self) -> Tensor<2> {
        log_softmax(self.logits.clone(), 1)
    }

    /// ln q(y) of one-hot classes `[n, c]`: `[n]`.
    pub fn log_prob(&self, y: &Tensor<2>) -> Tensor<1> {
        class_sum(self.log_probs() * y.clone())
    }

    /// Σ_c q_c v_c of values for each class `[n, c]`: `[n]`.
    ///
    /// A class of probability below 1e-12 adds nothing: in `f32` it is lost in the sum's rounding anyway,
    /// but its gradients, tiny times tiny, would become denormal numbers, on which arithmetic is slow.
    pub fn expect(&self, values: Tensor<2>) -> Tensor<1> {
        let probs = self.log_probs().exp();
        let negligible = probs.clone().lower_elem(1e-12);
        class_sum(probs.mask_fill(negligible, 0.0) * values)
    }

    /// The likeliest class, one-hot: `[n, c]`.
    pub fn mode(&self) -> Tensor<2> {
        let likeliest: Tensor<1, Int> = self.logits.clone().argmax(1).squeeze_dim(1);
        let one_hot = Tensor::<2>::eye(self.logits.dims()[1], &self.logits.device()).cast(self.logits.dtype());
        one_hot.select(0, likeliest)
    }

    /// −Σ_c q_c ln q_c: `[n]`.
    pub fn entropy(&self) -> Tensor<1> {
        let log_probs = self.log_probs();
        -class_sum(log_probs.clone().exp() * log_probs)
    }
}

/// A row of a table or a picture: a Gaussian for each numeric column, a Bernoulli for each yes/no
/// column or grey pixel, a categorical for each category column.
pub struct Mixed<'a> {
    /// Which columns are which.
    pub layout: &'a Layout,
    /// Means, logits, and logits of each category, in the layout's order: `[n, k, d]`.
    pub outputs: Tensor<3>,
    /// ln σ² of each numeric column: `[numeric]`. `None` where there is no such column.
    pub log_var: Option<Tensor<1>>,
}

impl Mixed<'_> {
    /// The mean: means, probabilities of yes, probabilities of each category, `[n, k, d]`.
    pub fn mean(&self) -> Tensor<3> {
        let Layout { numeric, yes_no, categories, .. } = self.layout;
        let columns = |from: usize, width: usize| self.outputs.clone().slice_dim(2, from..from + width);
        let mut parts = Vec::new();
        if *numeric > 0 {
            parts.push(columns(0, *numeric));
        }
        if *yes_no > 0 {
            parts.push(sigmoid(columns(*numeric, *yes_no)));
        }
        let mut from = numeric + yes_no;
        for &width in categories {
            parts.push(softmax(columns(from, width), 2));
            from += width;
        }
        Tensor::cat(parts, 2)
    }

    /// ln p(x) = Σ over columns: `[n, k]`. A category that no slot stands for (all zeros) adds nothing.
    pub fn log_prob(&self, x: &Tensor<3>) -> Tensor<2> {
        let mut from = 0;
        let mut next = |width: usize| {
            let columns = from..from + width;
            from = columns.end;
            (self.outputs.clone().slice_dim(2, columns.clone()), x.clone().slice_dim(2, columns))
        };
        let mut terms = Vec::new();
        if let Some(log_var) = &self.log_var {
            let (mean, x) = next(self.layout.numeric);
            terms.push(Normal { mean, log_var: log_var.clone().unsqueeze() }.log_prob(&x));
        }
        if self.layout.yes_no > 0 {
            let (logits, x) = next(self.layout.yes_no);
            terms.push(Bernoulli { logits }.log_prob(&x));
        }
        for &width in &self.layout.categories {
            let (logits, x) = next(width);
            terms.push(row_sum(log_softmax(logits, 2) * x));
        }
        terms.into_iter().reduce(|sum, term| sum + term).expect("an input has at least one column")
    }
}

/// Σ over the last axis: `[n, k, d]` → `[n, k]`.
fn row_sum(each: Tensor<3>) -> Tensor<2> {
    each.sum_dim(2).squeeze_dim(2)
}

/// Σ over classes: `[n, c]` → `[n]`.
fn class_sum(each: Tensor<2>) -> Tensor<1> {
    each.sum_dim(1).squeeze_dim(1)
}
