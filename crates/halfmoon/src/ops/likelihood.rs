use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;
use halfmoon_kernels::bernoulli as kernel;

use super::{Index, Kernel, into_numbers, numbers, pick, run, shape, tensor};

/// Σ_d x_d l_d − softplus(l_d) of logits l `[p, d]` and the rows that each of them picks from x `[r, d]`:
/// `[p]`, in nats. Without an index the i-th logits are compared with the i-th row.
///
/// x is data: no gradient reaches it.
pub fn bernoulli_log_prob(logits: Tensor<2>, x: &Tensor<2>, index: Option<&Index>) -> Tensor<1> {
    let x = x.clone().detach();
    let kernel = BernoulliLogProb(index.cloned());
    run(kernel, [logits.clone().into_dispatch(), x.clone().into_dispatch()]).map_or_else(
        |_| {
            let gain = pick(x, index) * logits.clone();
            (gain + log_sigmoid(-logits)).sum_dim(1).squeeze_dim(1)
        },
        Tensor::from_dispatch,
    )
}

/// Inputs: the logits, and x.
#[derive(Debug, Clone)]
struct BernoulliLogProb(Option<Index>);

impl Kernel for BernoulliLogProb {
    /// x − σ(l), the derivative by each logit, where that is wanted.
    type Kept = Option<FlexTensor>;

    fn forward(&self, inputs: Vec<FlexTensor>, tracked: &[bool]) -> (FlexTensor, Self::Kept) {
        let [rows, width] = shape(&inputs[0]);
        let (logits, x, index) = (numbers(&inputs[0]), numbers(&inputs[1]), self.0.as_deref());
        if !tracked[0] {
            return (tensor(kernel::log_prob(width, logits, x, index), [rows]), None);
        }
        let (out, residual) = kernel::log_prob_and_residual(width, logits, x, index);
        (tensor(out, [rows]), Some(tensor(residual, [rows, width])))
    }

    fn backward(&self, residual: Self::Kept, d_out: FlexTensor, tracked: &[bool]) -> Vec<Option<FlexTensor>> {
        let residual = residual.filter(|_| tracked[0]).map(|residual| {
            let [rows, width] = shape(&residual);
            let mut residual = into_numbers(residual);
            kernel::scale_rows(width, &mut residual, numbers(&d_out));
            tensor(residual, [rows, width])
        });
        vec![residual, None]
    }
}
