//! The variational autoencoder, which M1 and M1+M2 begin with.
//!
//! Kingma, Welling. *Auto-Encoding Variational Bayes*. ICLR 2014, arXiv:1312.6114. Equation numbers are the paper's.
//!
//! ```text
//! generative   p(x, z) = p(z) p(x | z)        p(z) = 𝒩(0, I)
//! inference    q(z | x) = 𝒩(μ(x), diag σ²(x))
//!
//! (3)  𝓛(x) = E_q(z|x)[log p(x | z)] − KL(q(z | x) ‖ p(z))
//! ```

use burn::module::Module;
use burn::tensor::Tensor;
use halfmoon_pool::encode::Layout;

use crate::batches::TrainingRows;
use crate::dist::{Normal, log_mean_exp};
use crate::loss::Loss;
use crate::model::{Batch, Generate, LogDensity, Model};
use crate::nets::{Hidden, MixedNet, NormalNet};
use crate::noise::Noise;
use crate::ops::{Index, index_tensor};

/// The two networks.
#[derive(Module, Debug)]
pub struct Vae {
    q_z: NormalNet, // q(z | x)
    p_x: MixedNet,  // p(x | z)
    #[module(skip)]
    latent: usize,
    #[module(skip)]
    warm_up: u64,
}

impl Vae {
    /// Fresh parameters for rows of this layout; the KL term is at its full weight after `warm_up` steps.
    pub fn new(layout: &Layout, hidden: &Hidden, latent: usize, warm_up: u64, noise: &mut Noise) -> Vae {
        Vae {
            q_z: NormalNet::new(&[layout.width()], hidden, latent, noise),
            p_x: MixedNet::new(&[latent], hidden, layout, noise),
            latent,
            warm_up,
        }
    }

    /// q(z | x) of each row `[n, d]`.
    pub fn posterior(&self, x: &Tensor<2>) -> Normal {
        self.q_z.of(x)
    }

    /// E[x | z]: `[n, latent]` → `[n, d]`.
    pub fn mean(&self, z: &Tensor<2>) -> Tensor<2> {
        self.p_x.of(z).mean()
    }

    /// ln p(x | z): `[n]`.
    pub fn log_likelihood(&self, x: &Tensor<2>, z: &Tensor<2>) -> Tensor<1> {
        self.p_x.of(z).log_prob(x, None)
    }

    /// 𝓛(x), equation 3, with the KL term as heavy as asked: `[n]`.
    pub fn elbo(&self, x: &Tensor<2>, kl_weight: f64, noise: &mut Noise) -> Tensor<1> {
        let q_z = self.posterior(x);
        self.log_likelihood(x, &q_z.rsample(noise)) - q_z.kl_to_standard() * kl_weight
    }

    /// The coordinates of z that carry something: those whose posterior means vary over the data with a standard deviation
    /// of 0.1 or more. All, if none does.
    pub fn active(&self, rows: &TrainingRows) -> Index {
        let model = self.valid();
        let (mut sum, mut squares) = (vec![0.0_f64; self.latent], vec![0.0_f64; self.latent]);
        for x in rows.chunks() {
            let means: Vec<f32> = model.posterior(&x).mean.into_data().try_to_vec().expect("codes are f32");
            for code in means.chunks_exact(self.latent) {
                for (unit, &mean) in code.iter().enumerate() {
                    sum[unit] += f64::from(mean);
                    squares[unit] += f64::from(mean).powi(2);
                }
            }
        }
        let n = rows.dataset.len() as f64;
        let deviation = |&unit: &u32| {
            let (sum, squares) = (sum[unit as usize], squares[unit as usize]);
            (squares / n - (sum / n).powi(2)).max(0.0).sqrt()
        };
        let units = 0..u32::try_from(self.latent).expect("a code is shorter than that");
        let active: Index = units.clone().filter(|unit| deviation(unit) >= ACTIVE).collect();
        if active.is_empty() { units.collect() } else { active }
    }
}

/// Standard deviation of a posterior mean over the data below which a unit counts as collapsed (Kingma's M1+M2 program).
const ACTIVE: f64 = 0.1;

/// Which units, as a checkpoint keeps them: numbers like all others.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they were indices")]
pub(super) fn stored_units(numbers: impl IntoIterator<Item = f32>) -> Index {
    numbers.into_iter().map(|unit| unit as u32).collect()
}

/// These columns of codes: `[n, latent]` → `[n, units]`.
pub(super) fn columns(codes: Tensor<2>, units: &Index) -> Tensor<2> {
    let units = index_tensor(units, &codes.device());
    codes.select(1, units)
}

impl Model for Vae {
    type Memory = ();

    fn loss(&self, Batch { x, u, moment, .. }: &Batch, (): &mut (), noise: &mut Noise) -> Loss {
        // Its own stage takes no labelled rows apart: they are among u.
        let rows = if u.dims()[0] > 0 { u } else { x };
        Loss::default().add("elbo", -self.elbo(rows, moment.warm_up(self.warm_up), noise).mean())
    }
}

impl LogDensity for Vae {
    fn log_density(&self, x: &Tensor<2>, noise: &mut Noise) -> Tensor<1> {
        self.elbo(x, 1.0, noise)
    }

    fn importance_bound(&self, x: &Tensor<2>, samples: usize, noise: &mut Noise) -> Option<Tensor<1>> {
        let q_z = self.posterior(x);
        Some(log_mean_exp((0..samples).map(|_| {
            let z = q_z.rsample(noise);
            self.log_likelihood(x, &z) + Normal::standard_log_prob(&z) - q_z.log_prob(&z)
        })))
    }
}

impl Generate for Vae {
    fn latent(&self) -> usize {
        self.latent
    }

    fn knows_classes(&self) -> bool {
        false
    }

    fn code_of(&self, x: &Tensor<2>, _: &Index) -> Normal {
        self.posterior(x)
    }

    fn decode(&self, z: &Tensor<2>, _: &Index) -> Tensor<2> {
        self.mean(z)
    }
}
