//! How decision values become probabilities.

use ndarray::Array2;

/// What is answered where no row could be held out.
pub(crate) const UNTRIED: f64 = 2.0;

/// How far from 1 the sharpness may get.
const BOUND: f64 = 1e3;

/// The sharpness s for which softmax(s f) of held-out rows `[l, k]` has the highest likelihood, between 0.001 and
/// 1,000. As in Platt's scaling, targets are not 0 and 1 but those of Laplace's rule of succession, with which
/// rows that are all right do not ask for infinity.
pub(crate) fn sharpness(decisions: &Array2<f64>, places: &[usize]) -> f64 {
    let (l, k) = decisions.dim();
    if l == 0 || k < 2 {
        return UNTRIED;
    }
    let miss = 1.0 / (l + k) as f64;
    let hit = 1.0 - (k - 1) as f64 * miss;
    // The loss is convex in s: its slope is 0 where it is lowest.
    let slope = |s: f64| -> f64 {
        decisions
            .rows()
            .into_iter()
            .zip(places)
            .map(|(f, &place)| {
                let highest = f.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
                let weights = f.mapv(|f| (s * (f - highest)).exp());
                let expected = weights.dot(&f) / weights.sum();
                let wanted = miss * f.sum() + (hit - miss) * f[place];
                expected - wanted
            })
            .sum()
    };
    let (mut low, mut high) = (BOUND.recip().ln(), BOUND.ln());
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        *(if slope(middle.exp()) > 0.0 { &mut high } else { &mut low }) = middle;
    }
    low.exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn three_right_of_four_are_trusted_as_laplace_says() {
        // Two classes, f = ±½: targets are 5/6 for the label and
        // 1/6 for the other, so p = (3 · 5/6 + 1/6)/4 = 2/3, and softmax(s ½, −s ½) = 2/3 at s = ln 2.
        let decisions = array![[0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [-0.5, 0.5]];
        let s = sharpness(&decisions, &[0, 0, 1, 0]);
        assert!((s - 2f64.ln()).abs() < 1e-9, "{s}");
    }

    #[test]
    fn rows_that_are_all_right_ask_for_no_infinity() {
        let s = sharpness(&array![[1.0, -1.0], [-1.0, 1.0]], &[0, 1]);
        // targets 3/4 and 1/4: s · 2 = ln 3
        assert!((s - 3f64.ln() / 2.0).abs() < 1e-9, "{s}");
    }

    #[test]
    fn rows_that_are_mostly_wrong_are_not_trusted() {
        assert!(sharpness(&array![[1.0, -1.0], [1.0, -1.0]], &[1, 1]) < 0.002);
    }
}
