use burn::backend::TensorData;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use burn::tensor::activation::{leaky_relu, log_sigmoid, relu, silu};

use super::{Activation, Kernel, into_numbers, numbers, run};

/// act(t), number by number, where no other operation takes it along.
pub fn activate<const D: usize>(activation: Activation, t: Tensor<D>) -> Tensor<D> {
    if activation == Activation::Identity {
        return t;
    }
    run(Activate(activation), [t.clone().into_dispatch()])
        .map_or_else(|_| by_engine(activation, t), Tensor::from_dispatch)
}

/// act(t) by the engine's own operations.
pub(super) fn by_engine<const D: usize>(activation: Activation, t: Tensor<D>) -> Tensor<D> {
    match activation {
        Activation::Identity => t,
        Activation::Relu => relu(t),
        Activation::LeakyRelu => leaky_relu(t, f64::from(halfmoon_kernels::LEAK)),
        // The engine has −softplus(−t) as one operation with its own gradient.
        Activation::Softplus => -log_sigmoid(-t),
        Activation::Elu => relu(t.clone()) + (t.clamp_max(0.0).exp() - 1.0),
        Activation::Silu => silu(t),
    }
}

/// Input: t.
#[derive(Debug, Clone)]
struct Activate(Activation);

impl Kernel for Activate {
    type Kept = FlexTensor;

    fn forward(&self, mut inputs: Vec<FlexTensor>, _: &[bool]) -> (FlexTensor, FlexTensor) {
        let t = inputs.pop().expect("one input");
        let mut y = numbers(&t).to_vec();
        self.0.apply_to_all(&mut y);
        (like(&t, y), t)
    }

    fn backward(&self, t: FlexTensor, d_y: FlexTensor, _: &[bool]) -> Vec<Option<FlexTensor>> {
        let mut d_t = into_numbers(d_y);
        self.0.slopes_at_input(&mut d_t, numbers(&t));
        vec![Some(like(&t, d_t))]
    }
}

fn like(t: &FlexTensor, numbers: Vec<f32>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(numbers, t.layout().shape().clone()))
}
