//! How well a score tells outliers from normal items. Scores are higher for outliers, in any order, of any length.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::metric::{Better, Estimate, wilson};

/// Every figure, in the order in which tables show them.
pub const OUTLIER_FIGURES: &[OutlierFigure] = &[
    OutlierFigure {
        name: "auroc",
        about: "how often an outlier scores higher than a normal item, ties half",
        better: Better::Higher,
        of: auroc,
    },
    OutlierFigure {
        name: "aupr_in",
        about: "average precision of finding the normal items; depends on their share",
        better: Better::Higher,
        of: aupr_in,
    },
    OutlierFigure {
        name: "aupr_out",
        about: "average precision of finding the outliers; depends on their share",
        better: Better::Higher,
        of: aupr_out,
    },
    OutlierFigure {
        name: "fpr_at_tpr95_id_positive",
        about: "share of outliers that pass where 95 % of the normal items pass",
        better: Better::Lower,
        of: fpr_at_tpr95_id_positive,
    },
];

/// A number that judges an outlier score.
pub struct OutlierFigure {
    /// What stands at the head of a table's column.
    pub name: &'static str,
    /// One line for help.
    pub about: &'static str,
    /// Which of two values is the better one.
    pub better: Better,
    /// Of scores of normal items and of outliers. `None` for fewer than 20 of either.
    pub of: fn(&[f64], &[f64]) -> Option<Estimate>,
}

/// Normal items, and outliers, below which nothing is estimable: 95 % of fewer is no share of them.
const LEAST: usize = 20;

/// P(an outlier's score > a normal item's) + ½ P(they are equal), with DeLong's 95 % interval on the logit scale.
///
/// Where no pair is out of order, the variance is 0 and says nothing: then Wilson's interval of as many pairs in order as
/// can be made without using an item twice. `None` for fewer than 20 normal items or outliers.
///
/// DeLong, DeLong & Clarke-Pearson, Biometrics 44, 1988; the placements by ranks.
pub fn auroc(normal: &[f64], outliers: &[f64]) -> Option<Estimate> {
    let ranked = Ranked::of(normal, outliers).estimable()?;
    let (value, variance) = ranked.area_and_variance();
    let pairs = ranked.normal.min(ranked.outliers) as u64;
    let (from_0, from_1) = (value, 1.0 - value);
    let interval = if from_0 <= 0.0 {
        wilson(0, pairs)
    } else if from_1 <= 0.0 {
        wilson(pairs, pairs)
    } else {
        let logit = (from_0 / from_1).ln();
        let reach = 1.959_964 * variance.sqrt() / (from_0 * from_1);
        let back = |logit: f64| 1.0 / (1.0 + (-logit).exp());
        Some((back(logit - reach).min(value), back(logit + reach).max(value)))
    };
    Some(Estimate { value, interval })
}

/// Average precision with the normal items as what is to be found: Σ (R_k − R_{k−1}) P_k over the thresholds, where an item
/// passes that scores at most so much. With a bootstrap interval. `None` for fewer than 20 normal items or outliers.
pub fn aupr_in(normal: &[f64], outliers: &[f64]) -> Option<Estimate> {
    let ranked = Ranked::of(normal, outliers).estimable()?;
    Some(ranked.bootstrapped(|groups| average_precision(groups.iter().copied())))
}

/// Average precision with the outliers as what is to be found, where an item is found that scores at least so much. With a
/// bootstrap interval. `None` for fewer than 20 normal items or outliers.
pub fn aupr_out(normal: &[f64], outliers: &[f64]) -> Option<Estimate> {
    let turned = |groups: &[Group]| {
        average_precision(groups.iter().rev().map(|group| Group { normal: group.outliers, outliers: group.normal }))
    };
    Some(Ranked::of(normal, outliers).estimable()?.bootstrapped(turned))
}

/// Share of the outliers that score at most what 95 % of the normal items score at most (or more of them, where ties are
/// not to be parted): the normal items are the positive ones. `None` for fewer than 20 normal items or outliers.
///
/// The interval is the wider one at each end of a bootstrap's, which knows that another choice of items has another threshold,
/// and Wilson's at this threshold, which knows that none of a few is not none of all.
pub fn fpr_at_tpr95_id_positive(normal: &[f64], outliers: &[f64]) -> Option<Estimate> {
    let ranked = Ranked::of(normal, outliers).estimable()?;
    let Estimate { value, interval } = ranked.bootstrapped(accepted_outliers);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count, times it")]
    let accepted = (value * ranked.outliers as f64).round() as u64;
    let (low, high) = wilson(accepted, ranked.outliers as u64)?;
    let (lowest, highest) = interval.unwrap_or((value, value));
    Some(Estimate { value, interval: Some((low.min(lowest), high.max(highest))) })
}

/// The curve whose area is [`auroc`], from (0, 0) to (1, 1): share of the normal items, and of the outliers, that score at
/// least so much. Empty without normal items or without outliers.
pub fn roc(normal: &[f64], outliers: &[f64]) -> Vec<(f64, f64)> {
    let ranked = Ranked::of(normal, outliers);
    if ranked.normal == 0 || ranked.outliers == 0 {
        return Vec::new();
    }
    let (mut flagged, mut found) = (0, 0);
    let mut curve = vec![(0.0, 0.0)];
    for group in ranked.groups.iter().rev() {
        flagged += group.normal;
        found += group.outliers;
        curve.push((flagged as f64 / ranked.normal as f64, found as f64 / ranked.outliers as f64));
    }
    curve
}

/// Items of the same score.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    normal: usize,
    outliers: usize,
}

/// All items by rising score.
struct Ranked {
    normal: usize,
    outliers: usize,
    groups: Vec<Group>,
}

impl Ranked {
    fn of(normal: &[f64], outliers: &[f64]) -> Ranked {
        let normals = normal.iter().map(|&score| (score, true));
        let mut all: Vec<(f64, bool)> = normals.chain(outliers.iter().map(|&score| (score, false))).collect();
        // −0 and 0 are the same score; a score that is no number is of the strangest.
        for (score, _) in &mut all {
            *score = if score.is_nan() { f64::INFINITY } else { *score + 0.0 };
        }
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let group = |group: &[(f64, bool)]| {
            let normal = group.iter().filter(|(_, is_normal)| *is_normal).count();
            Group { normal, outliers: group.len() - normal }
        };
        let groups = all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()).map(group).collect();
        Ranked { normal: normal.len(), outliers: outliers.len(), groups }
    }

    fn estimable(self) -> Option<Ranked> {
        (self.normal >= LEAST && self.outliers >= LEAST).then_some(self)
    }

    /// The area, and DeLong's variance of it: S²(V of normal items)/m + S²(V of outliers)/n, where V of an item is the share of the
    /// other kind that it is in order with.
    fn area_and_variance(&self) -> (f64, f64) {
        let (m, n) = (self.normal as f64, self.outliers as f64);
        // Sum and sum of squares of V.
        let (mut of_normal, mut of_outliers) = ((0.0, 0.0), (0.0, 0.0));
        let (mut normal_below, mut outliers_below) = (0.0, 0.0);
        for group in &self.groups {
            let (normal, outliers) = (group.normal as f64, group.outliers as f64);
            let v = (n - outliers_below - outliers / 2.0) / n;
            of_normal = (of_normal.0 + normal * v, of_normal.1 + normal * v * v);
            let v = (normal_below + normal / 2.0) / m;
            of_outliers = (of_outliers.0 + outliers * v, of_outliers.1 + outliers * v * v);
            normal_below += normal;
            outliers_below += outliers;
        }
        let area = of_outliers.0 / n;
        let share =
            |(sum, squares): (f64, f64), count: f64| ((squares - sum * sum / count) / (count - 1.0)).max(0.0) / count;
        (area, share(of_normal, m) + share(of_outliers, n))
    }

    /// `of` with the percentiles of 1,000 resamples of the normal items and, apart from them, of the outliers.
    fn bootstrapped(&self, of: impl Fn(&[Group]) -> f64 + Sync) -> Estimate {
        let value = of(&self.groups);
        let members = |count: fn(&Group) -> usize| -> Vec<usize> {
            self.groups
                .iter()
                .enumerate()
                .flat_map(|(number, group)| std::iter::repeat_n(number, count(group)))
                .collect()
        };
        let (normal, outliers) = (members(|group| group.normal), members(|group| group.outliers));
        let resampled = |groups: &mut Vec<Group>, resample: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            rng.set_stream(resample);
            groups.clear();
            groups.resize(self.groups.len(), Group::default());
            for _ in &normal {
                groups[normal[rng.random_range(0..normal.len())]].normal += 1;
            }
            for _ in &outliers {
                groups[outliers[rng.random_range(0..outliers.len())]].outliers += 1;
            }
            of(groups)
        };
        let mut values: Vec<f64> = (0..1000_u64).into_par_iter().map_init(Vec::new, resampled).collect();
        values.sort_unstable_by(f64::total_cmp);
        let interval = (values[0] < values[999]).then(|| (values[24].min(value), values[975].max(value)));
        Estimate { value, interval }
    }
}

/// With the normal items as what is to be found, from the first group on.
fn average_precision(groups: impl Iterator<Item = Group> + Clone) -> f64 {
    let all: usize = groups.clone().map(|group| group.normal).sum();
    let (mut found, mut passed, mut sum) = (0, 0, 0.0);
    for group in groups {
        found += group.normal;
        passed += group.normal + group.outliers;
        if group.normal > 0 {
            sum += group.normal as f64 * found as f64 / passed as f64;
        }
    }
    sum / all as f64
}

fn accepted_outliers(groups: &[Group]) -> f64 {
    let normal: usize = groups.iter().map(|group| group.normal).sum();
    let outliers: usize = groups.iter().map(|group| group.outliers).sum();
    let (mut kept, mut accepted) = (0, 0);
    for group in groups {
        kept += group.normal;
        accepted += group.outliers;
        // 20 · kept ≥ 19 · normal: 95 % without rounding
        if 20 * kept >= 19 * normal {
            break;
        }
    }
    accepted as f64 / outliers as f64
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// In the reference's sense higher scores are normal: in 3 2 2 1, out 2 0 1 −1.
    const NORMAL: [f64; 4] = [-3.0, -2.0, -2.0, -1.0];
    const OUTLIERS: [f64; 4] = [-2.0, 0.0, -1.0, 1.0];

    fn area(normal: &[f64], outliers: &[f64]) -> f64 {
        Ranked::of(normal, outliers).area_and_variance().0
    }

    fn precision(normal: &[f64], outliers: &[f64]) -> f64 {
        average_precision(Ranked::of(normal, outliers).groups.into_iter())
    }

    /// Repeats make up for the least number.
    fn ten_times(scores: &[f64]) -> Vec<f64> {
        scores.repeat(10)
    }

    #[test]
    fn ties_count_half_in_the_area() {
        // of 16 pairs 12 are in order and 3 are ties
        assert!((area(&NORMAL, &OUTLIERS) - 13.5 / 16.0).abs() < 1e-12);
        assert!((area(&OUTLIERS, &NORMAL) - 2.5 / 16.0).abs() < 1e-12);
        // 1/4 · 1 + 1/2 · 3/4 + 1/4 · 4/6
        assert!((precision(&NORMAL, &OUTLIERS) - 0.791_666_666_666).abs() < 1e-9);
    }

    #[test]
    fn equal_scores_have_the_area_one_half_and_a_monotone_transform_changes_nothing() {
        assert!((area(&[1.0; 7], &[1.0; 5]) - 0.5).abs() < 1e-12);
        let mapped = |scores: &[f64]| scores.iter().map(|score| (3.0 * score).exp()).collect::<Vec<_>>();
        assert!((area(&mapped(&NORMAL), &mapped(&OUTLIERS)) - area(&NORMAL, &OUTLIERS)).abs() < 1e-12);
        let (a, b) = ([0.3_f64, 0.5, 4.0], [0.4_f64, 2.0, 9.0]);
        let logs = |scores: &[f64]| scores.iter().map(|norm| norm.ln()).collect::<Vec<_>>();
        assert!((area(&a, &b) - area(&logs(&a), &logs(&b))).abs() < 1e-12);
    }

    #[test]
    fn the_area_under_the_curve_is_the_area() {
        let curve = roc(&NORMAL, &OUTLIERS);
        assert_eq!((curve[0], curve.last()), ((0.0, 0.0), Some(&(1.0, 1.0))));
        let trapezoids: f64 =
            curve.windows(2).map(|pair| (pair[1].0 - pair[0].0) * f64::midpoint(pair[0].1, pair[1].1)).sum();
        assert!((trapezoids - 13.5 / 16.0).abs() < 1e-12);
        assert!(roc(&[], &OUTLIERS).is_empty() && roc(&NORMAL, &[]).is_empty());
    }

    #[test]
    fn every_figure_is_estimable_from_twenty_of_each_on() {
        let (few, enough) = (vec![0.0; 19], vec![1.0; 20]);
        for figure in OUTLIER_FIGURES {
            assert_eq!((figure.of)(&few, &enough), None, "{}", figure.name);
            assert_eq!((figure.of)(&enough, &few), None, "{}", figure.name);
            assert!((figure.of)(&enough, &enough).is_some(), "{}", figure.name);
        }
    }

    #[test]
    fn every_figure_prefers_outliers_that_score_higher_and_has_an_interval_around_its_value() {
        for figure in OUTLIER_FIGURES {
            let of = |normal: &[f64], outliers: &[f64]| {
                let estimate = (figure.of)(&ten_times(normal), &ten_times(outliers)).expect("forty of each");
                let (low, high) = estimate.interval.expect("they differ");
                assert!(
                    0.0 <= low && low <= estimate.value && estimate.value <= high && high <= 1.0 && low < high,
                    "{}: {estimate:?}",
                    figure.name
                );
                estimate.value
            };
            let (good, bad) = (of(&NORMAL, &OUTLIERS), of(&OUTLIERS, &NORMAL));
            let is_better = match figure.better {
                Better::Higher => good > bad,
                Better::Lower => good < bad,
            };
            assert!(is_better, "{}: {good} {bad}", figure.name);
        }
    }

    #[test]
    fn scores_that_part_both_kinds_leave_room_for_doubt() {
        let estimate = auroc(&[0.0; 30], &[1.0; 25]).expect("enough of each");
        // 25 pairs, all in order
        assert_eq!((estimate.value, estimate.interval), (1.0, wilson(25, 25)));
        let turned = auroc(&[1.0; 30], &[0.0; 25]).expect("enough of each");
        assert_eq!((turned.value, turned.interval), (0.0, wilson(0, 25)));
    }

    #[test]
    fn the_variance_is_that_of_a_mean_where_the_normal_items_are_all_alike() {
        // 40 outliers in order and 20 out of it, of items that are all alike: a share of ⅔ of 60
        let outliers: Vec<f64> = (0..60).map(|i| if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
        let (area, variance) = Ranked::of(&[0.0; 500], &outliers).area_and_variance();
        assert!((area - 2.0 / 3.0).abs() < 1e-12);
        assert!((variance - (2.0 / 9.0) / 59.0).abs() < 1e-12, "{variance}");
    }

    #[test]
    fn no_outlier_of_a_few_that_passes_is_not_none_of_all() {
        let estimate = fpr_at_tpr95_id_positive(&[0.0; 30], &[1.0; 25]).expect("enough of each");
        assert_eq!((estimate.value, estimate.interval), (0.0, wilson(0, 25)));
    }

    #[test]
    fn ninety_five_percent_are_kept_exactly() {
        // the 19th of 20 normal items scores 18; outliers at 17, 18 and 18.5 pass, pass, and do not
        let normal: Vec<f64> = (0..20).map(f64::from).collect();
        let outliers: Vec<f64> = [17.0, 18.0, 18.5, 40.0].repeat(5);
        let estimate = fpr_at_tpr95_id_positive(&normal, &outliers).expect("twenty of each");
        assert!((estimate.value - 0.5).abs() < 1e-12, "{estimate:?}");
    }

    #[test]
    fn a_score_that_is_no_number_is_of_the_strangest() {
        let mut outliers = vec![f64::NAN; 20];
        assert!((area(&[1.0; 20], &outliers) - 1.0).abs() < 1e-12);
        outliers.fill(f64::INFINITY);
        assert!((area(&[f64::NAN; 20], &outliers) - 0.5).abs() < 1e-12);
    }

    #[derive(Deserialize)]
    struct Golden {
        outliers: Vec<Case>,
    }

    /// What scikit-learn says; see `tests/golden/trust.py`.
    #[derive(Deserialize)]
    struct Case {
        normal: Vec<f64>,
        outliers: Vec<f64>,
        auroc: f64,
        aupr_in: f64,
        aupr_out: f64,
        fpr_at_tpr95: f64,
        roc: Vec<(f64, f64)>,
    }

    #[test]
    fn scikit_learn_gives_the_same_areas_precisions_and_curves() {
        let golden: Golden =
            serde_json::from_str(include_str!("../../tests/golden/trust.json")).expect("written by trust.py");
        assert_eq!(golden.outliers.len(), 3);
        for case in golden.outliers {
            let (normal, outliers) = (&case.normal, &case.outliers);
            let close = |figure: fn(&[f64], &[f64]) -> Option<Estimate>, expected: f64| {
                let value = figure(normal, outliers).expect("enough of each").value;
                assert!((value - expected).abs() < 1e-12, "{value} {expected}");
            };
            close(auroc, case.auroc);
            close(aupr_in, case.aupr_in);
            close(aupr_out, case.aupr_out);
            close(fpr_at_tpr95_id_positive, case.fpr_at_tpr95);
            let curve = roc(normal, outliers);
            assert_eq!(curve.len(), case.roc.len());
            for (ours, theirs) in curve.iter().zip(&case.roc) {
                assert!((ours.0 - theirs.0).abs() < 1e-12 && (ours.1 - theirs.1).abs() < 1e-12, "{ours:?} {theirs:?}");
            }
        }
    }
}
