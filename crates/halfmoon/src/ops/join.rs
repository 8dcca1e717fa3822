use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use halfmoon_kernels::join::{self as kernel, Into, Picked};

use super::activate::by_engine;
use super::{Activation, Index, Kernel, into_numbers, numbers, pick, run, shape, tensor};

/// act(a_i + b_i) of the rows that each result picks from a `[r, h]` and b `[s, h]`: `[p, h]`. Without an
/// index the i-th result uses the i-th row.
pub fn join(
    (a, a_index): (Tensor<2>, Option<&Index>),
    (b, b_index): (Tensor<2>, Option<&Index>),
    activation: Activation,
) -> Tensor<2> {
    let by_parts = |a, b| by_engine(activation, pick(a, a_index) + pick(b, b_index));
    if !activation.slope_follows_from_output() {
        return by_parts(a, b);
    }
    let results = a_index.map_or(a.dims()[0], |index| index.len());
    assert_eq!(results, b_index.map_or(b.dims()[0], |index| index.len()), "both sides name as many rows");
    let join = Join { activation, indices: [a_index.cloned(), b_index.cloned()], results };
    run(join, [a.clone().into_dispatch(), b.clone().into_dispatch()])
        .map_or_else(|_| by_parts(a, b), Tensor::from_dispatch)
}

/// Inputs: a and b.
#[derive(Debug, Clone)]
struct Join {
    activation: Activation,
    indices: [Option<Index>; 2],
    results: usize,
}

impl Kernel for Join {
    /// The result, and how many rows a and b have.
    type Kept = (FlexTensor, [usize; 2]);

    fn forward(&self, inputs: Vec<FlexTensor>, _: &[bool]) -> (FlexTensor, Self::Kept) {
        let ([a_rows, width], [b_rows, _]) = (shape(&inputs[0]), shape::<2>(&inputs[1]));
        let [a, b] = [0, 1].map(|i| Picked { rows: numbers(&inputs[i]), index: self.indices[i].as_deref() });
        let y = tensor(kernel::forward(self.results, width, a, b, self.activation), [self.results, width]);
        (y.clone(), (y, [a_rows, b_rows]))
    }

    fn backward(&self, (y, rows): Self::Kept, d_y: FlexTensor, tracked: &[bool]) -> Vec<Option<FlexTensor>> {
        let [_, width] = shape(&y);
        let mut d_y = into_numbers(d_y);
        let summed = |i: usize| self.indices[i].as_deref().filter(|_| tracked[i]);
        let mut sums = [0, 1].map(|i| vec![0.0; summed(i).map_or(0, |_| rows[i] * width)]);
        let mut into = Vec::new();
        for (i, rows) in sums.iter_mut().enumerate() {
            into.extend(summed(i).map(|index| Into { rows, index }));
        }
        kernel::backward(width, self.activation, numbers(&y), &mut d_y, &mut into);
        let d_y = tensor(d_y, [self.results, width]);
        let gradient = |(i, sums): (usize, Vec<f32>)| {
            let of_rows = || tensor(sums, [rows[i], width]);
            tracked[i].then(|| if self.indices[i].is_some() { of_rows() } else { d_y.clone() })
        };
        sums.into_iter().enumerate().map(gradient).collect()
    }
}
