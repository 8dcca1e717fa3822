//! x W + b with an activation, and its gradients. The products are those of the `gemm` crate.

use gemm::Parallelism;

use crate::Activation;
use crate::parallel::{Shared, filled, split};

/// A matrix as the product reads it: element (r, c) stands at `r · rows + c · columns`.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    numbers: &'a [f32],
    rows: isize,
    columns: isize,
}

impl<'a> Matrix<'a> {
    fn new(numbers: &'a [f32], width: usize) -> Matrix<'a> {
        Matrix { numbers, rows: stride(width), columns: 1 }
    }

    fn transposed(self) -> Matrix<'a> {
        Matrix { rows: self.columns, columns: self.rows, ..self }
    }
}

fn stride(width: usize) -> isize {
    isize::try_from(width).expect("a slice is shorter than isize::MAX")
}

/// act(x W + b) for x `[n, i]`, W `[i, o]`, b `[o]`: `[n, o]`.
pub fn forward(
    [n, i, o]: [usize; 3],
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    activation: Activation,
) -> Vec<f32> {
    assert_eq!([x.len(), weight.len()], [n * i, i * o]);
    assert!(bias.is_none_or(|bias| bias.len() == o));
    let finish = |row: &mut [f32], first: usize| {
        if let Some(bias) = bias {
            let bias = &bias[first..first + row.len()];
            row.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
        }
        activation.apply(row);
    };
    product([n, i, o], Matrix::new(x, i), Matrix::new(weight, o), finish)
}

/// d_pre = d_y · act′, in place of d_y, by the values y (what `forward` gave); d_bias = its column sums.
///
/// # Panics
/// Where the slope does not follow from the output: use [`Activation::slope_at_input`] first, and
/// `Identity` here.
pub fn before_activation(
    [n, o]: [usize; 2],
    activation: Activation,
    y: &[f32],
    d_y: &mut [f32],
    d_bias: Option<&mut [f32]>,
) {
    assert_eq!(d_y.len(), n * o);
    assert!(activation == Activation::Identity || y.len() == n * o);
    let mut nothing = [];
    let wants_bias = d_bias.is_some();
    let d_bias = d_bias.unwrap_or(&mut nothing);
    if wants_bias {
        d_bias.fill(0.0);
    }
    let (d_y, d_bias) = (Shared::new(d_y), Shared::new(d_bias));
    split(o, 16, n * o, |columns| {
        let width = columns.len();
        // SAFETY: runs of columns are apart, so each run's sums and each row's part of it are its own.
        let sums = unsafe { d_bias.part(if wants_bias { columns.clone() } else { 0..0 }) };
        for row in 0..n {
            let start = row * o + columns.start;
            // SAFETY: as above.
            let d = unsafe { d_y.part(start..start + width) };
            if activation != Activation::Identity {
                activation.slope_at_output(d, &y[start..start + width]);
            }
            add(sums, d);
        }
    });
}

/// d_W = xᵀ d_pre: `[i, o]`.
pub fn weight_gradient([n, i, o]: [usize; 3], x: &[f32], d_pre: &[f32]) -> Vec<f32> {
    assert_eq!([x.len(), d_pre.len()], [n * i, n * o]);
    product([i, n, o], Matrix::new(x, i).transposed(), Matrix::new(d_pre, o), |_, _| {})
}

/// d_x = d_pre Wᵀ: `[n, i]`.
pub fn input_gradient([n, i, o]: [usize; 3], d_pre: &[f32], weight: &[f32]) -> Vec<f32> {
    assert_eq!([d_pre.len(), weight.len()], [n * o, i * o]);
    product([n, o, i], Matrix::new(d_pre, o), Matrix::new(weight, o).transposed(), |_, _| {})
}

/// sums += row, where there are sums.
#[inline]
pub(crate) fn add(sums: &mut [f32], row: &[f32]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || sums.iter_mut().zip(row).for_each(|(sum, d)| *sum += d),
    );
}

/// Columns from which on threads share them.
const WIDE: usize = 256;

/// a b for a `[m, k]`, b `[k, n]`, after `finish` has seen each piece of a row, and its first column.
///
/// Threads share the columns where there are enough of them: measured, that is never slower than sharing
/// the rows, which packs all of b in each thread.
fn product([m, k, n]: [usize; 3], a: Matrix, b: Matrix, finish: impl Fn(&mut [f32], usize) + Sync) -> Vec<f32> {
    let by_rows = n < WIDE && m > n;
    let fill = |out: Shared| {
        split(if by_rows { m } else { n }, 16, m * n * k, |run| {
            let (rows, columns) = if by_rows { (run, 0..n) } else { (0..m, run) };
            // SAFETY: the slices hold m·k and k·n numbers at these strides (checked by the callers), `out` has
            // room for m·n, and no other thread writes to these rows and columns of it.
            unsafe {
                gemm::gemm(
                    rows.len(),
                    columns.len(),
                    k,
                    out.pointer().offset(stride(rows.start) * stride(n) + stride(columns.start)),
                    1,
                    stride(n),
                    false,
                    a.numbers.as_ptr().offset(stride(rows.start) * a.rows),
                    a.columns,
                    a.rows,
                    b.numbers.as_ptr().offset(stride(columns.start) * b.columns),
                    b.columns,
                    b.rows,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    Parallelism::None,
                );
            }
            for row in rows {
                // SAFETY: the product above has written these places, and they are this thread's.
                finish(unsafe { out.part(row * n + columns.start..row * n + columns.end) }, columns.start);
            }
        });
    };
    if m * n == 0 || k == 0 {
        let mut zeros = vec![0.0; m * n];
        zeros.chunks_mut(n.max(1)).for_each(|row| finish(row, 0));
        return zeros;
    }
    // SAFETY: the runs cover the result, and the product writes every number of its rows and columns.
    unsafe { filled(m * n, fill) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_near, numbers};

    const SHAPES: [[usize; 3]; 8] =
        [[0, 3, 4], [1, 1, 1], [2, 7, 5], [33, 17, 31], [5, 0, 3], [100, 129, 77], [301, 64, 50], [64, 50, 301]];

    #[test]
    fn products_agree_with_double_precision() {
        for shape @ [n, i, o] in SHAPES {
            let (x, w, b, d) = (numbers(n * i, 1), numbers(i * o, 2), numbers(o, 3), numbers(n * o, 4));
            let y = forward(shape, &x, &w, Some(&b), Activation::Relu);
            assert_eq!(y.len(), n * o);
            assert_near(&y, 1e-5, |at| {
                let (row, column) = (at / o, at % o);
                let sum: f64 = (0..i).map(|k| f64::from(x[row * i + k]) * f64::from(w[k * o + column])).sum();
                (sum + f64::from(b[column])).max(0.0)
            });
            let d_weight = weight_gradient(shape, &x, &d);
            assert_eq!(d_weight.len(), i * o);
            assert_near(&d_weight, 1e-5, |at| {
                (0..n).map(|row| f64::from(x[row * i + at / o]) * f64::from(d[row * o + at % o])).sum()
            });
            let d_x = input_gradient(shape, &d, &w);
            assert_eq!(d_x.len(), n * i);
            assert_near(&d_x, 1e-5, |at| {
                (0..o).map(|c| f64::from(d[at / i * o + c]) * f64::from(w[at % i * o + c])).sum()
            });
        }
    }

    #[test]
    fn slopes_and_column_sums_are_those_of_the_rows() {
        for [n, _, o] in SHAPES {
            let (y, d) = (numbers(n * o, 5), numbers(n * o, 6));
            let (mut d_pre, mut sums) = (d.clone(), vec![f32::NAN; o]);
            before_activation([n, o], Activation::Relu, &y, &mut d_pre, Some(&mut sums));
            let exact = |at: usize| if y[at] > 0.0 { f64::from(d[at]) } else { 0.0 };
            assert_near(&d_pre, 1e-6, exact);
            assert_near(&sums, 1e-5, |column| (0..n).map(|row| exact(row * o + column)).sum());
        }
    }
}
