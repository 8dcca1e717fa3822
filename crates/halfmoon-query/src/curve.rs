//! What labels brought, and what more of them are expected to bring.

use halfmoon_pool::metric::wilson;

/// A place on a learning curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Labels that were learned from, the initial ones among them.
    pub labels: usize,
    /// Accuracy, or another metric of which more is better, from 0 to 1.
    pub value: f64,
}

/// The area under the budget curve: the trapezoids between the points, divided by the labels from the first to the last.
/// `None` where no two points have different numbers of labels. Points come with ascending labels.
pub fn aubc(points: &[Point]) -> Option<f64> {
    let width = points.last()?.labels as f64 - points.first()?.labels as f64;
    let area = |pair: &[Point]| (pair[1].labels as f64 - pair[0].labels as f64) * (pair[0].value + pair[1].value) / 2.0;
    (width > 0.0).then(|| points.windows(2).map(area).sum::<f64>() / width)
}

/// The points up to so many labels; between two points the last one lies on the line from one to the other.
pub fn cut(points: &[Point], labels: usize) -> Vec<Point> {
    let within = points.iter().take_while(|point| point.labels <= labels).count();
    let mut cut = points[..within].to_vec();
    if let (Some(before), Some(after)) = (cut.last().copied(), points.get(within))
        && before.labels < labels
    {
        let share = (labels - before.labels) as f64 / (after.labels - before.labels) as f64;
        cut.push(Point { labels, value: before.value + share * (after.value - before.value) });
    }
    cut
}

/// The labels of the first point that reaches the target; `None` where none does.
pub fn labels_to(points: &[Point], target: f64) -> Option<usize> {
    points.iter().find(|point| point.value >= target).map(|point| point.labels)
}

/// Differences between two rules on the same seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// Mean of the differences.
    pub mean: f64,
    /// Its 95 % interval by Student's t.
    pub interval: (f64, f64),
    /// Probability of a mean at least as far from 0, were there no difference, two-sided.
    pub p: f64,
    /// Pairs.
    pub n: usize,
}

/// Of `ours` less `theirs`, a pair a seed: of areas, values or labels. `None` for fewer than two pairs, which say nothing of
/// chance.
///
/// Seeds share their initial labels, so that a pair differs in nothing but the rule.
pub fn paired(ours: &[f64], theirs: &[f64]) -> Option<Paired> {
    assert_eq!(ours.len(), theirs.len(), "a pair a seed");
    let n = ours.len();
    if n < 2 {
        return None;
    }
    let differences: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a - b).collect();
    let mean = differences.iter().sum::<f64>() / n as f64;
    let squares: f64 = differences.iter().map(|difference| (difference - mean).powi(2)).sum();
    let error = (squares / (n - 1) as f64 / n as f64).sqrt();
    let reach = error * t_quantile(n - 1);
    // Differences that are all alike leave no doubt, in either direction.
    let p = match (error > 0.0, mean == 0.0) {
        (true, _) => 1.0 - t_within(mean.abs() / error, n - 1),
        (false, true) => 1.0,
        (false, false) => 0.0,
    };
    Some(Paired { mean, interval: (mean - reach, mean + reach), p, n })
}

/// What further labels are expected to bring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hint {
    /// Further labels.
    pub labels: usize,
    /// By how much the value is expected to rise.
    pub gain: f64,
    /// 95 % interval of that, as far as the power law holds.
    pub interval: (f64, f64),
    /// A gain below this is lost in the noise of the held-out items: half of the 95 % interval of the value.
    pub noise: f64,
    /// Points that it is made from.
    pub points: usize,
}

/// Points that a power law is fitted to: the last half, and no fewer.
const LEAST_POINTS: usize = 4;

/// What `more` labels are expected to bring, `held_out` being the items that each value was measured on. `None` for fewer than
/// four points with labels.
///
/// The last points' error is taken as a power law, ln(1 − value) = a + b ln(labels), fitted by least squares: errors fall
/// like that over a while (Hestness et al., *Deep Learning Scaling is Predictable, Empirically*, 2017), and not for ever. The
/// interval is that of the fitted line, carried over to the gain; it knows nothing of a law that changes.
pub fn hint(points: &[Point], held_out: usize, more: usize) -> Option<Hint> {
    let points: Vec<Point> = points.iter().copied().filter(|point| point.labels > 0).collect();
    let last = &points[points.len() - points.len().div_ceil(2).max(LEAST_POINTS).min(points.len())..];
    let now = last.last().filter(|_| last.len() >= LEAST_POINTS)?;
    let items = held_out.max(1) as f64;
    // Half an item more, so that no error has a logarithm, too.
    let log_error = |value: f64| (((1.0 - value).max(0.0) * items + 0.5) / (items + 1.0)).ln();
    let x: Vec<f64> = last.iter().map(|point| (point.labels as f64).ln()).collect();
    let y: Vec<f64> = last.iter().map(|point| log_error(point.value)).collect();
    let n = x.len() as f64;
    let (x_mean, y_mean) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let x_squares: f64 = x.iter().map(|x| (x - x_mean).powi(2)).sum();
    if x_squares <= 0.0 {
        return None;
    }
    let slope = x.iter().zip(&y).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum::<f64>() / x_squares;
    let residuals: f64 = x.iter().zip(&y).map(|(x, y)| (y - y_mean - slope * (x - x_mean)).powi(2)).sum();
    let variance = residuals / (n - 2.0);

    // The gain is e(x₀) − e(x₁) with e(x) = exp(ȳ + b (x − x̄)); ȳ and b vary independently.
    let error = |x: f64| (y_mean + slope * (x - x_mean)).exp();
    let (from, to) = ((now.labels as f64).ln(), ((now.labels + more) as f64).ln());
    let gain = error(from) - error(to);
    let by_slope = error(from) * (from - x_mean) - error(to) * (to - x_mean);
    let deviation = (variance * (gain * gain / n + by_slope * by_slope / x_squares)).sqrt();
    let reach = t_quantile(x.len() - 2) * deviation;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of items")]
    let right = (now.value.clamp(0.0, 1.0) * items).round() as u64;
    let (low, high) = wilson(right, held_out.max(1) as u64)?;
    let interval = (gain - reach, gain + reach);
    Some(Hint { labels: more, gain, interval, noise: (high - low) / 2.0, points: x.len() })
}

impl Hint {
    /// In a sentence.
    pub fn words(&self) -> String {
        let Hint { labels, gain, interval: (low, high), noise, .. } = self;
        let points = |share: &f64| format!("{:.1}", (1000.0 * share).round() / 10.0 + 0.0);
        let range = format!("{} to {}", points(low), points(high));
        let expected = format!("{labels} more labels are expected to bring {} points ({range})", points(gain));
        if high < noise {
            format!("{expected}: less than the held-out items can show, {} points", points(noise))
        } else if *low <= 0.0 {
            format!("{expected}: the curve is too rough to tell")
        } else {
            expected
        }
    }

    /// Whether stopping is advised: even the upper end of the interval is below what somebody takes to be worth it.
    pub fn says_stop(&self, worth: f64) -> bool {
        self.interval.1 < worth
    }
}

/// Student's t that a share of 0.95 stays within.
fn t_quantile(freedom: usize) -> f64 {
    let (mut low, mut high) = (0.0, 13.0);
    while high - low > 1e-10 {
        let middle = f64::midpoint(low, high);
        if t_within(middle, freedom) < 0.95 { low = middle } else { high = middle }
    }
    high
}

/// P(|T| ≤ t): Abramowitz & Stegun, 26.7.3 and 26.7.4.
fn t_within(t: f64, freedom: usize) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let is_odd = freedom % 2 == 1;
    let (mut term, mut sum) = if is_odd { (cosine, 0.0) } else { (1.0, 0.0) };
    // cos θ + ⅔ cos³ θ + … for odd numbers, 1 + ½ cos² θ + … for even ones.
    let mut numerator = if is_odd { 2.0 } else { 1.0 };
    for _ in 0..(if is_odd { (freedom - 1) / 2 } else { freedom / 2 }) {
        sum += term;
        term *= cosine * cosine * numerator / (numerator + 1.0);
        numerator += 2.0;
    }
    if is_odd { std::f64::consts::FRAC_2_PI * (angle + sine * sum) } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(of: impl Fn(usize) -> f64, labels: &[usize]) -> Vec<Point> {
        labels.iter().map(|&labels| Point { labels, value: of(labels) }).collect()
    }

    #[test]
    fn a_curve_that_is_cut_ends_where_it_was_cut() {
        let at = |labels, value| Point { labels, value };
        let curve = [at(10, 0.5), at(20, 0.7), at(40, 0.9)];
        assert_eq!(cut(&curve, 40), curve);
        assert_eq!(cut(&curve, 99), curve);
        assert_eq!(cut(&curve, 20), curve[..2]);
        let cut_between = cut(&curve, 25);
        assert_eq!(cut_between[..2], curve[..2]);
        assert!(cut_between.len() == 3 && cut_between[2].labels == 25 && (cut_between[2].value - 0.75).abs() < 1e-12);
        assert_eq!(cut(&curve, 5), []);
    }

    #[test]
    fn the_area_under_a_constant_is_the_constant_and_under_a_rise_from_0_to_1_a_half() {
        // A30.
        assert_eq!(aubc(&points(|_| 0.75, &[10, 20, 60, 70])), Some(0.75));
        assert_eq!(aubc(&points(|labels| labels as f64 / 16.0, &[0, 2, 8, 16])), Some(0.5));
        assert_eq!(aubc(&points(|_| 1.0, &[5])), None);
        assert_eq!(aubc(&[]), None);
    }

    #[test]
    fn the_first_point_at_the_target_counts() {
        let curve = points(|labels| labels as f64 / 100.0, &[50, 80, 90, 95]);
        assert_eq!(labels_to(&curve, 0.85), Some(90));
        assert_eq!(labels_to(&curve, 0.96), None);
    }

    #[test]
    fn students_t_is_that_of_the_tables() {
        let table = [
            (1, 12.706_205),
            (2, 4.302_653),
            (3, 3.182_446),
            (4, 2.776_445),
            (5, 2.570_582),
            (10, 2.228_139),
            (30, 2.042_272),
        ];
        for (freedom, expected) in table {
            assert!((t_quantile(freedom) - expected).abs() < 1e-5, "{freedom}: {}", t_quantile(freedom));
        }
        // One degree is Cauchy's: P(|T| ≤ 1) = ½.
        assert!((t_within(1.0, 1) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn paired_differences_by_hand() {
        // Differences 1, 2, 3, 2, 2: mean 2, variance ½, standard error √0.1 = 0.316; 2.776 of it are 0.878.
        let found = paired(&[2.0, 4.0, 6.0, 5.0, 3.0], &[1.0, 2.0, 3.0, 3.0, 1.0]).expect("five pairs");
        assert!((found.mean - 2.0).abs() < 1e-12 && found.n == 5);
        assert!((found.interval.0 - 1.122_011).abs() < 1e-5 && (found.interval.1 - 2.877_989).abs() < 1e-5);
        // t = 6.3246 with four degrees of freedom.
        assert!((found.p - 0.003_2).abs() < 2e-4, "{}", found.p);
        assert_eq!(paired(&[1.0], &[0.0]), None);
        assert_eq!(paired(&[1.0, 1.0], &[1.0, 1.0]).map(|found| found.p), Some(1.0));
    }

    #[test]
    fn an_error_that_falls_by_a_power_is_foretold() {
        // e = 2 / labels: from 100 to 200 labels it falls from 2 % to 1 %.
        let curve = points(|labels| 1.0 - 2.0 / labels as f64, &[20, 40, 60, 80, 100]);
        let found = hint(&curve, 10_000_000, 100).expect("five points");
        assert!((found.gain - 0.01).abs() < 1e-5, "{found:?}");
        assert!(found.interval.0 > 0.0099 && found.interval.1 < 0.0101);
        assert_eq!(found.words(), "100 more labels are expected to bring 1.0 points (1.0 to 1.0)");
        assert!(found.says_stop(0.02) && !found.says_stop(0.005));
    }

    #[test]
    fn a_flat_or_rough_curve_promises_nothing() {
        let flat = hint(&points(|_| 0.9, &[20, 40, 60, 80]), 500, 20).expect("four points");
        assert!(flat.gain.abs() < 1e-12 && flat.words().contains("less than the held-out items can show"));
        let rough = points(|labels| if labels % 40 == 0 { 0.9 } else { 0.6 }, &[20, 40, 60, 80]);
        assert!(hint(&rough, 500, 20).expect("four points").words().contains("too rough to tell"));
        assert_eq!(hint(&points(|_| 0.9, &[20, 40, 60]), 500, 20), None);
        assert_eq!(hint(&points(|_| 0.9, &[20, 20, 20, 20]), 500, 20), None);
        let perfect = hint(&points(|_| 1.0, &[20, 40, 60, 80]), 100, 20).expect("four points");
        assert!(perfect.gain.abs() < 1e-12);
    }

    #[test]
    fn nine_of_ten_intervals_and_more_hold_the_truth() {
        // Errors of a power law, measured on 2,000 items: a binomial's noise as that of a normal distribution.
        let truth = |labels: usize| 1.5 * (labels as f64).powf(-0.6);
        let labels = [40, 60, 80, 100, 120, 140, 160, 180];
        let held = (0..400).filter(|&seed| {
            let noise = crate::testing::normal(1, labels.len(), seed);
            let curve: Vec<Point> = (labels.iter().zip(&noise))
                .map(|(&labels, &noise)| {
                    let e = truth(labels);
                    Point { labels, value: 1.0 - e - f64::from(noise) * (e * (1.0 - e) / 2000.0).sqrt() }
                })
                .collect();
            let hint = hint(&curve, 2000, 50).expect("eight points");
            let gain = truth(180) - truth(230);
            hint.interval.0 <= gain && gain <= hint.interval.1
        });
        // 95 % of 400 are 380, with a standard deviation of 4.4.
        let held = held.count();
        assert!((360..=398).contains(&held), "{held} of 400");
    }
}
