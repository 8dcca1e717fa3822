use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use halfmoon_kernels::normal as kernel;

use super::{Kernel, numbers, run, shape, tensor};

/// μ + e^(v/2) ε for mean μ, log-variance v and noise ε, all `[p, m]`: `[p, m]`.
pub fn rsample(mean: Tensor<2>, log_var: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
    let inputs = [mean.clone(), log_var.clone(), noise.clone()].map(Tensor::into_dispatch);
    run(Rsample, inputs).map_or_else(|_| mean + (log_var * 0.5).exp() * noise, Tensor::from_dispatch)
}

/// KL(𝒩(μ, e^v) ‖ 𝒩(0, I)) = ½ Σ μ² + e^v − 1 − v for mean μ and log-variance v `[p, m]`: `[p]`.
pub fn kl_to_standard(mean: Tensor<2>, log_var: Tensor<2>) -> Tensor<1> {
    let inputs = [mean.clone(), log_var.clone()].map(Tensor::into_dispatch);
    run(KlToStandard, inputs).map_or_else(
        |_| ((mean.square() + log_var.clone().exp() - 1.0 - log_var) * 0.5).sum_dim(1).squeeze_dim(1),
        Tensor::from_dispatch,
    )
}

/// Inputs: mean, log-variance and noise; no gradient reaches the noise.
#[derive(Debug, Clone)]
struct Rsample;

impl Kernel for Rsample {
    /// Mean and sample.
    type Kept = [FlexTensor; 2];

    fn forward(&self, inputs: Vec<FlexTensor>, _: &[bool]) -> (FlexTensor, Self::Kept) {
        let [rows, width] = shape(&inputs[0]);
        let mut z = vec![0.0; rows * width];
        kernel::rsample(numbers(&inputs[0]), numbers(&inputs[1]), numbers(&inputs[2]), &mut z);
        let z = tensor(z, [rows, width]);
        (z.clone(), [inputs[0].clone(), z])
    }

    fn backward(&self, [mean, z]: Self::Kept, d_z: FlexTensor, tracked: &[bool]) -> Vec<Option<FlexTensor>> {
        let d_log_var = tracked[1].then(|| {
            let mut d_log_var = vec![0.0; numbers(&d_z).len()];
            kernel::rsample_log_var_gradient(numbers(&mean), numbers(&z), numbers(&d_z), &mut d_log_var);
            tensor(d_log_var, shape::<2>(&mean))
        });
        vec![tracked[0].then_some(d_z), d_log_var, None]
    }
}

/// Inputs: mean and log-variance.
#[derive(Debug, Clone)]
struct KlToStandard;

impl Kernel for KlToStandard {
    type Kept = [FlexTensor; 2];

    fn forward(&self, inputs: Vec<FlexTensor>, _: &[bool]) -> (FlexTensor, Self::Kept) {
        let [rows, width] = shape(&inputs[0]);
        let mut out = vec![0.0; rows];
        kernel::kl_to_standard(width, numbers(&inputs[0]), numbers(&inputs[1]), &mut out);
        (tensor(out, [rows]), [inputs[0].clone(), inputs[1].clone()])
    }

    fn backward(&self, [mean, log_var]: Self::Kept, d_kl: FlexTensor, tracked: &[bool]) -> Vec<Option<FlexTensor>> {
        let [rows, width] = shape(&mean);
        let (mut d_mean, mut d_log_var) = (vec![0.0; rows * width], vec![0.0; rows * width]);
        let (mean, log_var) = (numbers(&mean), numbers(&log_var));
        kernel::kl_gradient(width, mean, log_var, numbers(&d_kl), &mut d_mean, &mut d_log_var);
        let gradients = [d_mean, d_log_var].into_iter().zip(tracked);
        gradients.map(|(gradient, tracked)| tracked.then(|| tensor(gradient, [rows, width]))).collect()
    }
}
