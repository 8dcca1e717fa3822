use burn::backend::flex::FlexTensor;
use burn::backend::{DType, Flex};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, AdamState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};
use halfmoon_kernels::adam as kernel;

use super::{WITHOUT_KERNELS, into_numbers, numbers, tensor, whole};

/// Adam (Kingma and Ba 2015) with L2. Its state is the engine's own, so that checkpoints do not depend on
/// which way a step was taken.
#[derive(Debug, Clone)]
pub struct Adam {
    /// β₁, β₂: decay of the two moments.
    pub betas: [f32; 2],
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// This times the parameter is added to its gradient.
    pub weight_decay: f32,
}

impl Default for Adam {
    /// The paper's settings.
    fn default() -> Adam {
        Adam { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl Adam {
    /// An optimiser for all of a module's parameters.
    pub fn init(self) -> ModuleOptimizer {
        ModuleOptimizer::from(self)
    }

    fn by_parts(&self) -> burn::optim::Adam {
        let adam = AdamConfig::new().with_beta_1(self.betas[0]).with_beta_2(self.betas[1]).with_epsilon(self.epsilon);
        let decay = (self.weight_decay > 0.0).then(|| WeightDecayConfig::new(self.weight_decay));
        adam.with_weight_decay(decay).build()
    }
}

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        if !has_kernel(&parameter) || !has_kernel(&gradient) {
            return self.by_parts().step(rate, parameter, gradient, state);
        }
        let shape = parameter.dims();
        let zeros = || vec![0.0; shape.iter().product()];
        let (time, mut first, mut second) = match state {
            None => (0, zeros(), zeros()),
            Some(AdamState { momentum }) => (momentum.time, own(momentum.moment_1), own(momentum.moment_2)),
        };
        let time = time + 1;
        let mut parameter = own(parameter);
        let adam = kernel::Adam {
            rate: narrow(rate),
            beta_1: self.betas[0],
            beta_2: self.betas[1],
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
        };
        let count = i32::try_from(time).unwrap_or(i32::MAX);
        adam.step(count, numbers(&primitive(gradient)), &mut parameter, &mut first, &mut second);
        let [parameter, first, second] =
            [parameter, first, second].map(|numbers| Tensor::from_primitive::<Flex>(tensor(numbers, shape)));
        (parameter, Some(AdamState::new(AdaptiveMomentumState::new(time, first, second))))
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        burn::optim::Adam::to_device(state, device)
    }
}

fn has_kernel<const D: usize>(tensor: &Tensor<D>) -> bool {
    let on_cpu = tensor.dtype() == DType::F32 && tensor.clone().try_into_primitive::<Flex>().is_ok();
    on_cpu && !WITHOUT_KERNELS.get()
}

fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    whole(tensor.try_into_primitive::<Flex>().expect("`has_kernel` looked"))
}

/// A tensor's numbers, its own where nobody shares them.
fn own<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    into_numbers(primitive(tensor))
}

#[expect(clippy::cast_possible_truncation, reason = "parameters are f32")]
fn narrow(number: f64) -> f32 {
    number as f32
}
