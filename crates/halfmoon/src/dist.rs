//! Distributions, as the equations use them.
//!
//! Tensors are `[p, width]`, a row a pair of [`Pairs`], so that one line of an equation
//! serves the labelled rows under their class and the sum over classes. Log-probabilities sum over the last
//! axis and come back as `[p]`, in nats.

use std::f64::consts::PI;

use burn::tensor::activation::{log_softmax, sigmoid, softmax};
use burn::tensor::{Int, Tensor};
use halfmoon_pool::encode::Layout;

use crate::noise::Noise;
use crate::ops::{self, Index, index_tensor, pick};
use crate::pairs::Pairs;

/// 𝒩(mean, exp(log_var)), independent in each coordinate.
pub struct Normal {
    /// `[p, m]`.
    pub mean: Tensor<2>,
    /// ln σ², unconstrained: `[p, m]`, or `[1, m]` for all pairs.
    pub log_var: Tensor<2>,
}

impl Normal {
    /// μ + σ ε with ε from `noise`; gradients reach μ and σ.
    pub fn rsample(&self, noise: &mut Noise) -> Tensor<2> {
        ops::rsample(self.mean.clone(), self.log_var.clone(), for_each_row(noise, self.mean.dims()))
    }

    /// The same with one ε a row, which all pairs of the row have in common: bounds of two classes of a row then differ by
    /// their classes and not by chance.
    pub fn rsample_by_row(&self, pairs: &Pairs, noise: &mut Noise) -> Tensor<2> {
        let [_, width] = self.mean.dims();
        let noise = pick(for_each_row(noise, [pairs.rows(), width]), Some(pairs.row()));
        ops::rsample(self.mean.clone(), self.log_var.clone(), noise)
    }

    /// ln 𝒩(x): `[p]`.
    pub fn log_prob(&self, x: &Tensor<2>) -> Tensor<1> {
        let distance = (x.clone() - self.mean.clone()).square();
        row_sum((distance * (-self.log_var.clone()).exp() + self.log_var.clone() + (2.0 * PI).ln()) * -0.5)
    }

    /// ln 𝒩(x; 0, I): `[p]`.
    pub fn standard_log_prob(x: &Tensor<2>) -> Tensor<1> {
        row_sum((x.clone().square() + (2.0 * PI).ln()) * -0.5)
    }

    /// KL(self ‖ 𝒩(0, I)) in closed form: `[p]`.
    pub fn kl_to_standard(&self) -> Tensor<1> {
        ops::kl_to_standard(self.mean.clone(), self.log_var.clone())
    }

    /// KL(self ‖ other) in closed form: `[p]`.
    pub fn kl(&self, other: &Normal) -> Tensor<1> {
        let (v1, v2) = (self.log_var.clone(), other.log_var.clone());
        let distance = (self.mean.clone() - other.mean.clone()).square();
        row_sum((v2.clone() - v1.clone() + (v1.exp() + distance) * (-v2).exp() - 1.0) * 0.5)
    }
}

/// ε ~ 𝒩(0, I), `[n, width]`, also where one draw serves all rows.
fn for_each_row(noise: &mut Noise, shape: [usize; 2]) -> Tensor<2> {
    let noise = noise.normal(shape);
    if noise.dims() == shape { noise } else { noise.expand(shape) }
}

/// Independent yes/no features, from logits.
pub struct Bernoulli {
    /// `[p, d]`.
    pub logits: Tensor<2>,
}

impl Bernoulli {
    /// Σ_d x_d l_d − softplus(l_d): `[p]`, for rows x `[r, d]` of which `row` says whose each pair is (the
    /// i-th pair's is the i-th row without it). Grey values in [0, 1] may stand for x; the result is then
    /// an objective and no longer a likelihood.
    pub fn log_prob(&self, x: &Tensor<2>, row: Option<&Index>) -> Tensor<1> {
        ops::bernoulli_log_prob(self.logits.clone(), x, row)
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

    /// ln q(y) of classes `[n]`: `[n]`.
    pub fn log_prob(&self, y: &Index) -> Tensor<1> {
        let y: Tensor<2, Int> = index_tensor(y, &self.logits.device()).unsqueeze_dim(1);
        self.log_probs().gather(1, y).squeeze_dim(1)
    }

    /// Σ_c q_c v_c of values for each class `[n, c]`: `[n]`.
    ///
    /// A class of probability below 1e-12 adds nothing: in `f32` it is lost in the sum's rounding anyway,
    /// but its gradients, tiny times tiny, would become denormal numbers, on which arithmetic is slow.
    pub fn expect(&self, values: Tensor<2>) -> Tensor<1> {
        let probs = self.log_probs().exp();
        let negligible = probs.clone().lower_elem(1e-12);
        row_sum(probs.mask_fill(negligible, 0.0) * values)
    }

    /// softmax((s + g) / τ), g = −ln(−ln u) for u from `noise`: a relaxed sample, in the simplex `[n, c]`; gradients reach the
    /// logits s.
    pub fn relaxed(&self, temperature: f64, noise: &mut Noise) -> Tensor<2> {
        let gumbel = -(-noise.uniform(self.logits.dims()).log()).log();
        softmax((self.logits.clone() + gumbel) / temperature, 1)
    }

    /// KL(self ‖ other): `[n]`.
    pub fn kl(&self, other: &Categorical) -> Tensor<1> {
        let log_probs = self.log_probs();
        row_sum(log_probs.clone().exp() * (log_probs - other.log_probs()))
    }

    /// The likeliest class of each row: `[n]`.
    pub fn mode(&self) -> Index {
        let likeliest: Tensor<2, Int> = self.logits.clone().argmax(1);
        likeliest.into_data().iter::<u32>().collect()
    }

    /// KL(q̄ ‖ uniform) of the mean q̄ of all rows: `[1]`. 0 where the classes are equally frequent.
    pub fn imbalance(&self) -> Tensor<1> {
        let classes = self.logits.dims()[1];
        let place = (&self.logits.device(), self.logits.dtype());
        self.imbalance_beside(Tensor::full([1, classes], -(classes as f64).ln(), place))
    }

    /// KL(q̄ ‖ p) of the mean q̄ of all rows, for ln p `[1, c]`: `[1]`.
    pub fn imbalance_beside(&self, log_p: Tensor<2>) -> Tensor<1> {
        let mean = self.log_probs().exp().mean_dim(0); // [1, c]
        row_sum(mean.clone() * (mean.clamp_min(1e-30).log() - log_p))
    }

    /// −Σ_c q_c ln q_c: `[n]`.
    pub fn entropy(&self) -> Tensor<1> {
        let log_probs = self.log_probs();
        -row_sum(log_probs.clone().exp() * log_probs)
    }
}

/// A row of a table or a picture: a Gaussian for each numeric column, a Bernoulli for each yes/no
/// column or grey pixel, a categorical for each category column.
pub struct Mixed<'a> {
    /// Which columns are which.
    pub layout: &'a Layout,
    /// Means, logits, and logits of each category, in the layout's order: `[p, d]`.
    pub outputs: Tensor<2>,
    /// ln σ² of each numeric column: `[numeric]`. `None` where there is no such column.
    pub log_var: Option<Tensor<1>>,
}

impl Mixed<'_> {
    /// The mean: means, probabilities of yes, probabilities of each category, `[p, d]`.
    pub fn mean(&self) -> Tensor<2> {
        let Layout { numeric, yes_no, categories, .. } = self.layout;
        let columns = |from: usize, width: usize| self.outputs.clone().slice_dim(1, from..from + width);
        let mut parts = Vec::new();
        if *numeric > 0 {
            parts.push(columns(0, *numeric));
        }
        if *yes_no > 0 {
            parts.push(sigmoid(columns(*numeric, *yes_no)));
        }
        let mut from = numeric + yes_no;
        for &width in categories {
            parts.push(softmax(columns(from, width), 1));
            from += width;
        }
        Tensor::cat(parts, 1)
    }

    /// ln p(x) = Σ over columns: `[p]`, for rows x `[r, d]` of which `row` says whose each pair is. A category
    /// that no slot stands for (all zeros) adds nothing.
    pub fn log_prob(&self, x: &Tensor<2>, row: Option<&Index>) -> Tensor<1> {
        if self.layout.yes_no == self.layout.width() {
            return Bernoulli { logits: self.outputs.clone() }.log_prob(x, row);
        }
        let mut from = 0;
        let mut next = |width: usize| {
            let columns = from..from + width;
            from = columns.end;
            (self.outputs.clone().slice_dim(1, columns.clone()), x.clone().slice_dim(1, columns))
        };
        let mut terms = Vec::new();
        if let Some(log_var) = &self.log_var {
            let (mean, x) = next(self.layout.numeric);
            terms.push(Normal { mean, log_var: log_var.clone().unsqueeze() }.log_prob(&pick(x, row)));
        }
        if self.layout.yes_no > 0 {
            let (logits, x) = next(self.layout.yes_no);
            terms.push(Bernoulli { logits }.log_prob(&x, row));
        }
        for &width in &self.layout.categories {
            let (logits, x) = next(width);
            terms.push(row_sum(log_softmax(logits, 1) * pick(x, row)));
        }
        terms.into_iter().reduce(|sum, term| sum + term).expect("an input has at least one column")
    }
}

/// ln (1/K) Σ_k exp(w_k) of K tensors `[n]`, one after the other: `[n]`.
pub fn log_mean_exp(terms: impl ExactSizeIterator<Item = Tensor<1>>) -> Tensor<1> {
    let count = terms.len();
    let sum = terms.reduce(|a, b| {
        let larger = a.clone().max_pair(b.clone());
        ((a - larger.clone()).exp() + (b - larger.clone()).exp()).log() + larger
    });
    sum.expect("a mean has at least one term") - (count as f64).ln()
}

/// ln Σ_c exp(w_c) over the last axis: `[…, c]` → `[…]`, whose number of axes is `E`.
pub fn log_sum_exp<const D: usize, const E: usize>(terms: Tensor<D>) -> Tensor<E> {
    let largest = terms.clone().max_dim(D - 1);
    ((terms - largest.clone()).exp().sum_dim(D - 1).log() + largest).squeeze_dim(D - 1)
}

/// Σ over the last axis: `[p, d]` → `[p]`.
fn row_sum(each: Tensor<2>) -> Tensor<1> {
    each.sum_dim(1).squeeze_dim(1)
}
