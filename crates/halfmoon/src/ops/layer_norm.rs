use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use halfmoon_kernels::norm as kernel;

use super::activate::{activate, by_engine};
use super::{Activation, Kernel, into_numbers, numbers, run, shape, tensor};

/// act(g t̂ + s) with t̂ = (t − mean) / sd of each row of t `[n, h]`, gain g and shift s `[h]`: `[n, h]` (Ba et al. 2016,
/// equation 4).
pub fn layer_norm(t: Tensor<2>, gain: Tensor<1>, shift: Tensor<1>, activation: Activation) -> Tensor<2> {
    if !activation.slope_follows_from_output() {
        return activate(activation, layer_norm(t, gain, shift, Activation::Identity));
    }
    let inputs = [t.clone().into_dispatch(), gain.clone().into_dispatch(), shift.clone().into_dispatch()];
    run(LayerNorm(activation), inputs).map_or_else(|_| by_parts(t, gain, shift, activation), Tensor::from_dispatch)
}

fn by_parts(t: Tensor<2>, gain: Tensor<1>, shift: Tensor<1>, activation: Activation) -> Tensor<2> {
    let centred = t.clone() - t.mean_dim(1);
    let variance = centred.clone().square().mean_dim(1);
    let normal = centred / (variance + f64::from(kernel::EPSILON)).sqrt();
    by_engine(activation, normal * gain.unsqueeze() + shift.unsqueeze())
}

/// Inputs: t, gain and shift.
#[derive(Debug, Clone)]
struct LayerNorm(Activation);

impl Kernel for LayerNorm {
    /// The gain, the result, and the normalised rows.
    type Kept = (FlexTensor, FlexTensor, kernel::Normalised);

    fn forward(&self, inputs: Vec<FlexTensor>, _: &[bool]) -> (FlexTensor, Self::Kept) {
        let [rows, width] = shape(&inputs[0]);
        let [t, gain, shift] = [0, 1, 2].map(|i| numbers(&inputs[i]));
        let (y, normalised) = kernel::forward(width, t, gain, shift, self.0);
        let y = tensor(y, [rows, width]);
        (y.clone(), (inputs[1].clone(), y, normalised))
    }

    fn backward(&self, (gain, y, kept): Self::Kept, d_y: FlexTensor, tracked: &[bool]) -> Vec<Option<FlexTensor>> {
        let [rows, width] = shape(&y);
        let mut d_t = into_numbers(d_y);
        let [d_gain, d_shift] = kernel::backward(numbers(&gain), self.0, numbers(&y), &kept, &mut d_t);
        let gradients = [tensor(d_t, [rows, width]), tensor(d_gain, [width]), tensor(d_shift, [width])];
        gradients.into_iter().zip(tracked).map(|(gradient, tracked)| tracked.then_some(gradient)).collect()
    }
}
