use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use halfmoon_kernels::linear as kernel;

use super::activate::by_engine;
use super::{Activation, Kernel, count, into_numbers, numbers, run, shape, tensor};

/// act(x W + b) for x `[n, i]`, W `[i, o]`, b `[o]`: `[n, o]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, activation: Activation) -> Tensor<2> {
    let [x_, weight_] = [x.clone(), weight.clone()].map(Tensor::into_dispatch);
    let output = match bias.clone() {
        Some(bias) => run(Linear(activation), [x_, weight_, bias.into_dispatch()]),
        None => run(Linear(activation), [x_, weight_]),
    };
    output.map_or_else(|_| by_parts(x, weight, bias, activation), Tensor::from_dispatch)
}

fn by_parts(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, activation: Activation) -> Tensor<2> {
    let product = x.matmul(weight);
    by_engine(activation, bias.map_or(product.clone(), |bias| product + bias.unsqueeze()))
}

/// Inputs: x, W and perhaps b.
#[derive(Debug, Clone)]
struct Linear(Activation);

#[derive(Debug, Clone)]
struct Kept {
    x: FlexTensor,
    weight: FlexTensor,
    /// By which the activation's slope is found: its value or, where that does not say, its input.
    at: Option<FlexTensor>,
}

impl Kernel for Linear {
    type Kept = Kept;

    fn forward(&self, inputs: Vec<FlexTensor>, tracked: &[bool]) -> (FlexTensor, Kept) {
        let (x, weight) = (inputs[0].clone(), inputs[1].clone());
        let ([n, i], [_, o]) = (shape(&x), shape::<2>(&weight));
        count(n * i * o);
        let keep = self.0 != Activation::Identity && tracked.contains(&true);
        let by_input = keep && !self.0.slope_follows_from_output();
        let inner = if by_input { Activation::Identity } else { self.0 };
        let bias = inputs.get(2).map(numbers);
        let mut y = kernel::forward([n, i, o], numbers(&x), numbers(&weight), bias, inner);
        if by_input {
            let t = tensor(y.clone(), [n, o]);
            self.0.apply_to_all(&mut y);
            return (tensor(y, [n, o]), Kept { x, weight, at: Some(t) });
        }
        let y = tensor(y, [n, o]);
        let at = keep.then(|| y.clone());
        (y, Kept { x, weight, at })
    }

    fn backward(&self, Kept { x, weight, at }: Kept, d_y: FlexTensor, tracked: &[bool]) -> Vec<Option<FlexTensor>> {
        let ([n, i], [_, o]) = (shape(&x), shape::<2>(&weight));
        let mut d_pre = into_numbers(d_y);
        let mut d_bias = vec![0.0; if tracked.get(2) == Some(&true) { o } else { 0 }];
        let sums = (!d_bias.is_empty()).then_some(&mut d_bias[..]);
        match &at {
            Some(t) if !self.0.slope_follows_from_output() => {
                self.0.slopes_at_input(&mut d_pre, numbers(t));
                kernel::before_activation([n, o], Activation::Identity, &[], &mut d_pre, sums);
            }
            Some(y) => kernel::before_activation([n, o], self.0, numbers(y), &mut d_pre, sums),
            None if sums.is_some() => kernel::before_activation([n, o], Activation::Identity, &[], &mut d_pre, sums),
            None => {}
        }
        let d_x = tracked[0].then(|| {
            count(n * i * o);
            tensor(kernel::input_gradient([n, i, o], &d_pre, numbers(&weight)), [n, i])
        });
        let d_weight = tracked[1].then(|| {
            count(n * i * o);
            tensor(kernel::weight_gradient([n, i, o], numbers(&x), &d_pre), [i, o])
        });
        vec![d_x, d_weight, (!d_bias.is_empty()).then(|| tensor(d_bias, [o]))]
    }
}
