//! log Z of an energy, between two bounds.
//!
//! Neal. *Annealed Importance Sampling*. Statistics and Computing 11, 2001; the way back is that of Burda, Grosse, Salakhutdinov. *Accurate and Conservative
//! Estimates of MRF Log-likelihood using Reverse Annealing*. AISTATS 2015.
//!
//! ```text
//! log p_β = (1 − β) log p₀ + β log p̃        p₀ = 𝒩(0, s² I)        log w = Σ_t (β_(t+1) − β_t) (log p̃ − log p₀)(x_t)
//! ```
//!
//! From p₀ to p̃ the mean of w is Z, so log of a sample's mean is below log Z on average; from samples of p̃ back to p₀ it is above in the same way. Between two
//! temperatures chains take a step of Hamiltonian Monte Carlo.

use burn::tensor::{Tensor, TensorData};

use crate::energy::{Of, gradient_from, log_density};
use crate::noise::Noise;

/// How log Z is estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ais {
    /// Temperatures between both densities.
    pub temperatures: usize,
    /// s: standard deviation of p₀.
    pub spread: f64,
    /// Leapfrog steps of a move.
    pub leaps: usize,
}

/// Chains on log p_β, with the length of their leaps, which follows how many moves are taken.
struct Moves<'a> {
    ais: Ais,
    logits: &'a dyn Fn(&Tensor<2>) -> Tensor<2>,
    length: f64,
}

/// Share of the moves that should be taken.
const TAKEN: f64 = 0.65;

impl Ais {
    /// log of the mean weight of `chains` from p₀ to the energy of these logits, for rows of `width` numbers: below log Z on average.
    pub fn below(
        &self,
        logits: &dyn Fn(&Tensor<2>) -> Tensor<2>,
        width: usize,
        chains: usize,
        noise: &mut Noise,
    ) -> f64 {
        let start = noise.normal([chains, width]) * self.spread;
        log_mean_exp(&self.weights(logits, start, false, noise))
    }

    /// The same from samples of the density `[n, d]` back to p₀: above log Z on average, as far as they are samples.
    pub fn above(&self, logits: &dyn Fn(&Tensor<2>) -> Tensor<2>, samples: Tensor<2>, noise: &mut Noise) -> f64 {
        -log_mean_exp(&self.weights(logits, samples, true, noise))
    }

    fn weights(
        &self,
        logits: &dyn Fn(&Tensor<2>) -> Tensor<2>,
        start: Tensor<2>,
        is_back: bool,
        noise: &mut Noise,
    ) -> Vec<f64> {
        let mut moves = Moves { ais: *self, logits, length: 0.1 * self.spread };
        let mut x = start.detach();
        let mut weights = vec![0.0; x.dims()[0]];
        let beta = |t: usize| {
            let share = t as f64 / self.temperatures as f64;
            if is_back { 1.0 - share } else { share }
        };
        for t in 0..self.temperatures {
            let (now, next) = (beta(t), beta(t + 1));
            let ratio = moves.look(&x, 1.0).0;
            let base = moves.look(&x, 0.0).0;
            for ((weight, tilde), base) in weights.iter_mut().zip(ratio).zip(base) {
                *weight += (next - now) * (tilde - base);
            }
            x = moves.step(&x, next, noise);
        }
        weights
    }
}

impl Moves<'_> {
    /// log p_β of rows, and its gradient.
    fn look(&self, x: &Tensor<2>, beta: f64) -> (Vec<f64>, Tensor<2>) {
        let [_, d] = x.dims();
        let variance = self.ais.spread.powi(2);
        let (f, up) = gradient_from(self.logits, x, |f| Of::Density.start(f));
        let tilde = numbers(log_density(f));
        let squares = numbers(x.clone().square().sum_dim(1).squeeze_dim(1));
        let constant = -0.5 * d as f64 * (std::f64::consts::TAU * variance).ln();
        let of = |(tilde, squares): (f64, f64)| (1.0 - beta) * (constant - 0.5 * squares / variance) + beta * tilde;
        (tilde.into_iter().zip(squares).map(of).collect(), up * beta - x.clone() * ((1.0 - beta) / variance))
    }

    /// A step of Hamiltonian Monte Carlo that leaves p_β as it is.
    fn step(&mut self, x: &Tensor<2>, beta: f64, noise: &mut Noise) -> Tensor<2> {
        let [n, _] = x.dims();
        let momentum = noise.normal(x.dims()).cast(x.dtype());
        let energy = |log_p: &[f64], momentum: &Tensor<2>| -> Vec<f64> {
            let kinetic = numbers(momentum.clone().square().sum_dim(1).squeeze_dim(1));
            log_p.iter().zip(kinetic).map(|(log_p, kinetic)| log_p - 0.5 * kinetic).collect()
        };
        let (log_p, mut up) = self.look(x, beta);
        let before = energy(&log_p, &momentum);
        let (mut at, mut moving, mut last) = (x.clone(), momentum, log_p);
        for _ in 0..self.ais.leaps {
            moving = moving + up * (0.5 * self.length);
            at = at + moving.clone() * self.length;
            (last, up) = self.look(&at, beta);
            moving = moving + up.clone() * (0.5 * self.length);
        }
        let after = energy(&last, &moving);
        let places: Vec<f64> = noise.uniform([n, 1]).into_data().iter::<f64>().collect();
        let taken: Vec<bool> =
            before.iter().zip(&after).zip(places).map(|((before, after), place)| place.ln() < after - before).collect();
        let share = taken.iter().filter(|&&taken| taken).count() as f64 / n as f64;
        self.length *= if share > TAKEN { 1.02 } else { 0.98 };
        let taken: Tensor<2, burn::tensor::Bool> = Tensor::from_data(TensorData::new(taken, [n, 1]), &x.device());
        x.clone().mask_where(taken.expand(x.dims()), at)
    }
}

fn numbers(values: Tensor<1>) -> Vec<f64> {
    values.into_data().iter::<f64>().collect()
}

fn log_mean_exp(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + (values.iter().map(|value| (value - most).exp()).sum::<f64>() / values.len() as f64).ln()
}
