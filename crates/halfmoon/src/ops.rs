//! The operations that a training step spends its time in, as functions of tensors.
//!
//! Each has two ways to the same result. On the CPU in `f32` it is one kernel of `halfmoon-kernels`, with
//! a gradient written by hand below. Anywhere else (another device, `f64`) it is a composition of the
//! engine's own operations, which is also what the tests compare the kernel with. A model never sees
//! which way was taken.

mod activate;
mod adam;
mod conv2d;
mod join;
mod layer_norm;
mod likelihood;
mod linear;
mod normal;

use std::cell::Cell;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, BackendTensor, DType, DispatchKindConversion, DispatchTensor, Flex, TensorData, TensorMetadata,
};
use burn::tensor::{Device, Int, Tensor};

pub use activate::activate;
pub use adam::Adam;
pub use conv2d::{ConvOptions, conv2d};
pub use halfmoon_kernels::{Activation, cpu_seconds, in_pool, in_pool_of, keep_freed_memory};
pub use join::join;
pub use layer_norm::layer_norm;
pub use likelihood::bernoulli_log_prob;
pub use linear::linear;
pub use normal::{kl_to_standard, rsample};

/// For each result, which row it uses.
pub type Index = Arc<[u32]>;

/// The rows of `x` `[r, d]` that an index names: `[p, d]`; `x` itself without one.
pub fn pick(x: Tensor<2>, index: Option<&Index>) -> Tensor<2> {
    match index {
        None => x,
        Some(index) => {
            let index = index_tensor(index, &x.device());
            x.select(0, index)
        }
    }
}

/// An index as a tensor: `[p]`.
pub fn index_tensor(index: &[u32], device: &Device) -> Tensor<1, Int> {
    let numbers: Vec<i64> = index.iter().map(|&row| i64::from(row)).collect();
    Tensor::from_data(TensorData::new(numbers, [index.len()]), device)
}

/// Rows of zeros with a 1 at each class: `[n, classes]`, on the device and in the precision of `like`.
pub fn one_hot(y: &Index, classes: usize, like: &Tensor<2>) -> Tensor<2> {
    Tensor::<2>::eye(classes, &like.device()).cast(like.dtype()).select(0, index_tensor(y, &like.device()))
}

thread_local! {
    static WITHOUT_KERNELS: Cell<bool> = const { Cell::new(false) };
    static MACS: Cell<u64> = const { Cell::new(0) };
}

/// What `run` returns when every operation on this thread takes the engine's way, as on other devices.
pub fn without_kernels<R>(run: impl FnOnce() -> R) -> R {
    let before = WITHOUT_KERNELS.replace(true);
    let result = run();
    WITHOUT_KERNELS.set(before);
    result
}

/// What `run` returns, and the multiply-accumulates of the matrix products and convolutions that this
/// thread asked the CPU's kernels for meanwhile, backward passes included.
pub fn count_macs<R>(run: impl FnOnce() -> R) -> (R, u64) {
    let before = MACS.replace(0);
    let result = run();
    let counted = MACS.replace(before);
    MACS.set(before + counted);
    (result, counted)
}

fn count(macs: usize) {
    MACS.set(MACS.get() + macs as u64);
}

/// A tensor of the CPU's that gradients may flow through.
type OnGraph = FloatTensor<Autodiff<Flex>>;

/// An operation with a kernel: how to compute it, and its gradients.
trait Kernel: Clone + Debug + Send + 'static {
    /// What the gradients need.
    type Kept: Clone + Debug + Send + 'static;

    /// The result, and what to keep for the gradients of the inputs that are tracked.
    fn forward(&self, inputs: Vec<FlexTensor>, tracked: &[bool]) -> (FlexTensor, Self::Kept);

    /// The gradient of each tracked input, in the order of the inputs.
    fn backward(&self, kept: Self::Kept, d_out: FlexTensor, tracked: &[bool]) -> Vec<Option<FlexTensor>>;
}

/// Runs a kernel if all inputs are `f32` on the CPU.
fn run<K: Kernel, const N: usize>(kernel: K, inputs: [DispatchTensor; N]) -> Result<DispatchTensor, NoKernel> {
    if WITHOUT_KERNELS.get() || inputs.iter().any(|input| input.dtype() != DType::F32) {
        return Err(NoKernel);
    }
    let each = inputs.each_ref().map(|input| {
        let input = <DispatchTensor as DispatchKindConversion<Autodiff<Flex>>>::try_into_backend(input.clone());
        input.ok().map(BackendTensor::float)
    });
    if each.iter().all(Option::is_some) {
        let each = each.map(|input| input.expect("checked above"));
        let tracked = each.each_ref().map(OnGraph::is_tracked);
        let guards = each.each_ref().map(OnGraph::node);
        let inputs: Vec<FlexTensor> = each.into_iter().map(|input| whole(input.into_primitive())).collect();
        let step = Step(PhantomData::<K>).prepare::<NoCheckpointing>(guards).compute_bound().stateful();
        let output = match step {
            OpsKind::Tracked(step) => {
                let (output, kept) = kernel.forward(inputs, &tracked);
                step.finish((kernel, kept), output)
            }
            OpsKind::UnTracked(step) => step.finish(kernel.forward(inputs, &tracked).0),
        };
        return Ok(<DispatchTensor as DispatchKindConversion<Autodiff<Flex>>>::from_backend(BackendTensor::Float(
            output,
        )));
    }
    let each = inputs.map(|input| {
        let input = <DispatchTensor as DispatchKindConversion<Flex>>::try_into_backend(input);
        input.map(|input| whole(input.float()))
    });
    let inputs: Result<Vec<FlexTensor>, _> = each.into_iter().collect();
    let output = kernel.forward(inputs.map_err(|_| NoKernel)?, &[false; N]).0;
    Ok(<DispatchTensor as DispatchKindConversion<Flex>>::from_backend(BackendTensor::Float(output)))
}

/// There is no kernel for these tensors.
struct NoKernel;

/// A kernel's place in the graph of gradients.
#[derive(Debug)]
struct Step<K>(PhantomData<K>);

impl<K: Kernel, const N: usize> Backward<Flex, N> for Step<K> {
    type State = (K, K::Kept);

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let d_out = whole(gradients.consume::<Flex>(&ops.node));
        let (kernel, kept) = ops.state;
        let tracked = ops.parents.each_ref().map(Option::is_some);
        let found = kernel.backward(kept, d_out, &tracked);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            let id: Option<NodeId> = parent.map(|parent| parent.id);
            if let (Some(id), Some(gradient)) = (id, gradient) {
                gradients.register::<Flex>(id, gradient);
            }
        }
    }
}

/// The tensor with its numbers in the order of its shape.
fn whole(tensor: FlexTensor) -> FlexTensor {
    if tensor.as_slice::<f32>().is_some() { tensor } else { tensor.to_contiguous() }
}

/// A tensor's numbers in the order of its shape.
fn numbers(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("`whole` put the numbers in order")
}

/// A tensor's numbers to write to: its own where nobody shares them, a copy otherwise.
fn into_numbers(tensor: FlexTensor) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("kernels work on f32")
}

fn tensor<const D: usize>(numbers: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(numbers, shape))
}

fn shape<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    tensor.layout().shape().dims()
}
