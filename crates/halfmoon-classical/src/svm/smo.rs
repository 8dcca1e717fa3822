//! Sequential minimal optimisation: two numbers at a time, the pair that promises most.
//!
//! Fan, Chen, Lin. *Working set selection using second order information for training support vector machines*.
//! JMLR 6, 2005. In terms of β_i = y_i α_i:
//!
//! ```text
//! minimised   ½ βᵀKβ − yᵀβ      Σ_i β_i = 0,   0 ≤ y_i β_i ≤ C_i
//! gradient    g = Kβ − y
//! optimal     g_i ≥ g_j for all i with room above and j with room below
//! decision    f_i = (Kβ)_i + b = g_i + y_i + b
//! ```

use super::gram::Gram;

/// A kernel that is not positive definite, or two equal rows, leave no curvature: this instead, as in LIBSVM.
const FLAT: f64 = 1e-12;

/// What was found.
pub(crate) struct Solution {
    /// β `[n]`.
    pub(crate) beta: Vec<f64>,
    /// b.
    pub(crate) bias: f64,
    /// f of every row, also of those with C = 0: `[n]`.
    pub(crate) decisions: Vec<f64>,
}

/// `y` is −1 or 1 and `c` is C, for each row; a row with C = 0 is not learned from. Ends where no g_j exceeds a g_i by
/// `tolerance`, or after 1,000,000 + 100 n pairs.
pub(crate) fn solve(
    gram: &mut Gram,
    y: &[f64],
    c: &[f64],
    tolerance: f64,
    go_on: &mut dyn FnMut() -> bool,
) -> Option<Solution> {
    let n = y.len();
    let low: Vec<f64> = y.iter().zip(c).map(|(y, c)| (y * c).min(0.0)).collect();
    let high: Vec<f64> = y.iter().zip(c).map(|(y, c)| (y * c).max(0.0)).collect();
    let mut beta = vec![0.0; n];
    let mut g: Vec<f64> = y.iter().map(|y| -y).collect();

    for turn in 0..1_000_000 + 100 * n {
        if turn % 256 == 0 && !go_on() {
            return None;
        }
        let Some(i) = lowest(&g, |i| beta[i] < high[i]) else {
            break;
        };
        let row_i = gram.row(i);
        let mut best = (0.0, None);
        let mut widest = f64::NEG_INFINITY;
        for j in 0..n {
            let gap = g[j] - g[i];
            if beta[j] > low[j] && gap > 0.0 {
                widest = widest.max(gap);
                let curvature = gram.diagonal(i) + gram.diagonal(j) - 2.0 * f64::from(row_i[j]);
                let gain = gap * gap / curvature.max(FLAT);
                if gain > best.0 {
                    best = (gain, Some((j, gap / curvature.max(FLAT))));
                }
            }
        }
        let Some((j, step)) = best.1.filter(|_| widest >= tolerance) else {
            break;
        };
        let row_j = gram.row(j);
        let (room_i, room_j) = (high[i] - beta[i], beta[j] - low[j]);
        let step = step.min(room_i).min(room_j);
        // A bound that is reached is reached exactly.
        beta[i] = if step >= room_i { high[i] } else { beta[i] + step };
        beta[j] = if step >= room_j { low[j] } else { beta[j] - step };
        for ((g, &a), &b) in g.iter_mut().zip(&*row_i).zip(&*row_j) {
            *g += step * (f64::from(a) - f64::from(b));
        }
    }
    let bias = bias(&g, &beta, &low, &high);
    let decisions = g.iter().zip(y).map(|(g, y)| g + y + bias).collect();
    Some(Solution { beta, bias, decisions })
}

fn lowest(g: &[f64], allowed: impl Fn(usize) -> bool) -> Option<usize> {
    (0..g.len()).filter(|&i| allowed(i)).min_by(|&a, &b| g[a].total_cmp(&g[b]))
}

/// −g of the rows strictly between their bounds, which is the same for all of them at the optimum; without such rows
/// the middle of what the others allow.
fn bias(g: &[f64], beta: &[f64], low: &[f64], high: &[f64]) -> f64 {
    let rows = 0..g.len();
    let free: Vec<f64> = rows.clone().filter(|&i| low[i] < beta[i] && beta[i] < high[i]).map(|i| g[i]).collect();
    if !free.is_empty() {
        return -free.iter().sum::<f64>() / free.len() as f64;
    }
    let above = rows.clone().filter(|&i| beta[i] < high[i]).map(|i| g[i]).min_by(f64::total_cmp);
    let below = rows.filter(|&i| beta[i] > low[i]).map(|i| g[i]).max_by(f64::total_cmp);
    match (above, below) {
        (Some(above), Some(below)) => -f64::midpoint(above, below),
        (Some(only), None) | (None, Some(only)) => -only,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::svm::gram::Function;

    #[test]
    fn two_rows_meet_in_the_middle() {
        // w = 1: f(±1) = ±1 with β = ±½
        let x = ndarray::array![[-1.0f32], [1.0]];
        let mut gram = Gram::new(Function::Linear, x.view());
        let found = solve(&mut gram, &[-1.0, 1.0], &[10.0; 2], 1e-9, &mut || true).expect("not told to stop");
        assert_eq!((found.beta, found.bias), (vec![-0.5, 0.5], 0.0));
        assert_eq!(found.decisions, [-1.0, 1.0]);
    }

    #[test]
    fn the_conditions_of_karush_kuhn_and_tucker_hold() {
        let x = Array2::from_shape_fn((80, 2), |(i, j)| ((i * 13 + j * 29) as f32).sin() * 2.0);
        let y: Vec<f64> = x
            .rows()
            .into_iter()
            .enumerate()
            .map(|(i, x)| f64::from((x[0] * x[1] + (i as f32).cos()).signum()))
            .collect();
        // Every row with a C of its own; every fifth is not learned from.
        let c: Vec<f64> = (0..80).map(|i| f64::from(i % 5) * 0.7).collect();
        let mut gram = Gram::new(Function::Rbf(0.7), x.view());
        let found = solve(&mut gram, &y, &c, 1e-6, &mut || true).expect("not told to stop");
        assert!(found.beta.iter().sum::<f64>().abs() < 1e-9);
        for i in 0..80 {
            let (alpha, margin) = (y[i] * found.beta[i], y[i] * found.decisions[i]);
            assert!((0.0..=c[i]).contains(&alpha), "{alpha} {}", c[i]);
            assert!(alpha < c[i] || margin < 1.0 + 1e-5 || c[i] == 0.0, "{i}: {margin}");
            assert!(alpha > 0.0 || margin > 1.0 - 1e-5 || c[i] == 0.0, "{i}: {margin}");
            let row = gram.row(i);
            let f: f64 = row.iter().zip(&found.beta).map(|(&k, beta)| f64::from(k) * beta).sum::<f64>() + found.bias;
            assert!((f - found.decisions[i]).abs() < 1e-9);
        }
        // Both kinds of rows are there, or the conditions say nothing.
        let free = (0..80).filter(|&i| 0.0 < y[i] * found.beta[i] && y[i] * found.beta[i] < c[i]).count();
        let bound = (0..80).filter(|&i| c[i] > 0.0 && y[i] * found.beta[i] >= c[i]).count();
        assert!(free > 3 && bound > 3, "{free} {bound}");
    }

    #[test]
    fn rows_of_one_side_alone_are_all_on_it() {
        let x = Array2::from_shape_fn((4, 1), |(i, _)| i as f32);
        let mut gram = Gram::new(Function::Linear, x.view());
        let found = solve(&mut gram, &[-1.0; 4], &[1.0; 4], 1e-3, &mut || true).expect("not told to stop");
        assert_eq!(found.decisions, [-1.0; 4]);
    }
}
