//! The minimum of a smooth function of many numbers.
//!
//! Liu, Nocedal. *On the limited memory BFGS method for large scale optimization*. Mathematical Programming 45,
//! 1989. Steps satisfy the weak Wolfe conditions, found by doubling and halving.

use std::collections::VecDeque;

/// How many pairs of differences are remembered.
const MEMORY: usize = 20;

/// Where to stop, whichever comes first.
#[derive(Clone, Copy)]
pub(crate) struct Stop {
    /// Largest absolute number of the gradient.
    pub(crate) gradient: f64,
    /// A step that lowers the value by less than this share of it.
    pub(crate) gain: f64,
    /// Steps.
    pub(crate) steps: usize,
}

/// `evaluate` writes the gradient and returns the value, or `None` to give up, which is passed on.
/// The value at the result is never above that at the start.
pub(crate) fn minimise(
    mut x: Vec<f64>,
    stop: Stop,
    mut evaluate: impl FnMut(&[f64], &mut [f64]) -> Option<f64>,
) -> Option<Vec<f64>> {
    let mut gradient = vec![0.0; x.len()];
    let mut value = evaluate(&x, &mut gradient)?;
    let mut pairs: VecDeque<Pair> = VecDeque::new();
    let mut next = vec![0.0; x.len()];
    let mut next_gradient = vec![0.0; x.len()];
    for _ in 0..stop.steps {
        if gradient.iter().all(|g| g.abs() <= stop.gradient) {
            break;
        }
        let mut direction = descent(&pairs, &gradient);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            // Rounding spoiled the memory: start afresh, downhill.
            pairs.clear();
            direction = descent(&pairs, &gradient);
            slope = dot(&direction, &gradient);
        }
        let at = Start { x: &x, value, direction: &direction, slope };
        let Step::To(next_value) = step(&at, &mut next, &mut next_gradient, &mut evaluate)? else {
            break;
        };
        pairs.push_back(Pair::new([&x, &next], [&gradient, &next_gradient]));
        pairs.retain(|pair| pair.curvature > 0.0);
        if pairs.len() > MEMORY {
            pairs.pop_front();
        }
        std::mem::swap(&mut x, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        let gain = value - next_value;
        value = next_value;
        if gain <= stop.gain * value.abs() {
            break;
        }
    }
    Some(x)
}

/// Where a step starts, and which way.
struct Start<'a> {
    x: &'a [f64],
    value: f64,
    direction: &'a [f64],
    slope: f64,
}

enum Step {
    /// To a point with this value.
    To(f64),
    /// Nothing lower is in reach.
    Nowhere,
}

/// Writes the next point and its gradient.
fn step(
    at: &Start,
    next: &mut [f64],
    gradient: &mut [f64],
    evaluate: &mut impl FnMut(&[f64], &mut [f64]) -> Option<f64>,
) -> Option<Step> {
    let mut go = |length: f64, gradient: &mut [f64]| {
        next.iter_mut().zip(at.x).zip(at.direction).for_each(|((next, x), d)| *next = x + length * d);
        evaluate(next, gradient)
    };
    // Where differences drown in rounding, a value that is not higher will do.
    let rounding = 1e-15 * at.value.abs();
    let (mut low, mut high, mut length) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..50 {
        let value = go(length, gradient)?;
        // A NaN counts as too far.
        let falls = value <= at.value + 1e-4 * length * at.slope + rounding;
        if falls && dot(gradient, at.direction) >= 0.9 * at.slope {
            return Some(Step::To(value));
        }
        *(if falls { &mut low } else { &mut high }) = length;
        length = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * low };
    }
    if low == 0.0 { Some(Step::Nowhere) } else { Some(Step::To(go(low, gradient)?)) }
}

/// What a step told of the curvature.
struct Pair {
    x: Vec<f64>,
    gradient: Vec<f64>,
    /// Their product; positive where the function is convex along the step.
    curvature: f64,
}

impl Pair {
    fn new(x: [&[f64]; 2], gradient: [&[f64]; 2]) -> Pair {
        let difference = |[from, to]: [&[f64]; 2]| to.iter().zip(from).map(|(to, from)| to - from).collect();
        let (x, gradient): (Vec<f64>, Vec<f64>) = (difference(x), difference(gradient));
        let curvature = dot(&x, &gradient);
        Pair { x, gradient, curvature }
    }
}

/// −H g, with the inverse Hessian H that the pairs imply.
fn descent(pairs: &VecDeque<Pair>, gradient: &[f64]) -> Vec<f64> {
    let mut d: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = vec![];
    for pair in pairs.iter().rev() {
        let share = dot(&pair.x, &d) / pair.curvature;
        add(&mut d, -share, &pair.gradient);
        shares.push(share);
    }
    // Without a pair: a first step of length 1 at most.
    let scale = match pairs.back() {
        Some(last) => last.curvature / dot(&last.gradient, &last.gradient),
        None => 1.0 / dot(gradient, gradient).sqrt().max(1.0),
    };
    for d in &mut d {
        *d *= scale;
    }
    for (pair, share) in pairs.iter().zip(shares.into_iter().rev()) {
        let correction = share - dot(&pair.gradient, &d) / pair.curvature;
        add(&mut d, correction, &pair.x);
    }
    d
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], share: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += share * what);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIGHT: Stop = Stop { gradient: 1e-9, gain: 0.0, steps: 1000 };

    #[test]
    fn the_bottom_of_rosenbrocks_valley_is_found() {
        let mut evaluations = 0;
        let found = minimise(vec![-1.2, 1.0], TIGHT, |x, gradient| {
            evaluations += 1;
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            gradient[0] = -2.0 * a - 400.0 * x[0] * b;
            gradient[1] = 200.0 * b;
            Some(a * a + 100.0 * b * b)
        })
        .expect("not told to stop");
        assert!((found[0] - 1.0).abs() < 1e-9 && (found[1] - 1.0).abs() < 1e-9, "{found:?}");
        assert!(evaluations < 100, "{evaluations}");
    }

    #[test]
    fn a_badly_scaled_bowl_is_no_obstacle() {
        let scales: Vec<f64> = (0..30).map(|i| 10f64.powf(f64::from(i) / 10.0)).collect();
        let found = minimise(vec![1.0; 30], TIGHT, |x, gradient| {
            gradient.iter_mut().zip(x).zip(&scales).for_each(|((g, x), scale)| *g = scale * (x - 2.0));
            Some(x.iter().zip(&scales).map(|(x, scale)| scale * (x - 2.0) * (x - 2.0) / 2.0).sum())
        })
        .expect("not told to stop");
        assert!(found.iter().all(|x| (x - 2.0).abs() < 1e-8), "{found:?}");
    }

    #[test]
    fn an_evaluation_that_gives_up_ends_it() {
        let mut left = 3;
        let found = minimise(vec![5.0], TIGHT, |x, gradient| {
            left -= 1;
            gradient[0] = x[0].powi(3);
            (left > 0).then_some(x[0].powi(4) / 4.0)
        });
        assert_eq!(found, None);
    }
}
