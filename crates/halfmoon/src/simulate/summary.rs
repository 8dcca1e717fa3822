//! What the curves of a simulation say.

use std::collections::BTreeMap;

use halfmoon_query::curve::{self, Hint, Paired, aubc, cut, hint, labels_to, paired};

use super::{Contender, Outcome, Point};

/// The curve of each seed.
pub type Curves = BTreeMap<u64, Vec<curve::Point>>;

/// What a contender came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// All of its points.
    pub curves: Curves,
    /// The area under the budget curve of each seed, up to the labels that all contenders have come to on it.
    pub aubc: BTreeMap<u64, f64>,
    /// What it is held against: what asks the same model at random or, where none does, the first that asks at random. `None` for that one itself.
    pub baseline: Option<String>,
    /// Its area less that of the baseline, seed by seed. `None` without a baseline and for less than two seeds.
    pub beside_random: Option<Paired>,
    /// For each target, the labels that each seed needed; `None` where it was not reached.
    pub labels_to: Vec<Vec<Option<usize>>>,
    /// Accuracy of each seed at the labels that all contenders have come to on all seeds.
    pub last: Vec<f64>,
    /// What as many labels again as the simulation asked for are expected to bring, by the mean of the seeds.
    pub hint: Option<Hint>,
}

/// A row a contender.
pub fn summary(outcome: &Outcome, targets: &[f64]) -> Vec<Row> {
    let curves: Vec<Curves> =
        outcome.contenders.iter().map(|contender| curves(&outcome.points, &contender.name)).collect();
    // The labels that every contender has come to, on each seed that all have begun.
    let reached = |seed: u64| -> Option<usize> {
        let last = |curves: &Curves| Some(curves.get(&seed)?.last()?.labels);
        curves.iter().map(last).collect::<Option<Vec<_>>>()?.into_iter().min()
    };
    let seeds = curves.iter().flat_map(|curves| curves.keys().copied());
    let reached: BTreeMap<u64, usize> = seeds.filter_map(|seed| Some((seed, reached(seed)?))).collect();
    let everywhere = reached.values().copied().min().unwrap_or(0);
    let areas = |curves: &Curves| -> BTreeMap<u64, f64> {
        reached.iter().filter_map(|(seed, &labels)| Some((*seed, aubc(&cut(&curves[seed], labels))?))).collect()
    };
    let areas: Vec<_> = curves.iter().map(areas).collect();
    let row = |(number, contender): (usize, &Contender)| {
        let (curves, aubc) = (&curves[number], &areas[number]);
        let baseline = baseline(outcome, number);
        let beside_random = baseline.and_then(|baseline| {
            let pairs = aubc.iter().filter_map(|(seed, area)| Some((*area, *areas[baseline].get(seed)?)));
            let (ours, theirs): (Vec<f64>, Vec<f64>) = pairs.unzip();
            paired(&ours, &theirs)
        });
        let last = |seed: &u64| cut(&curves[seed], everywhere).last().map(|point| point.value);
        let more = curves.values().next().map_or(0, |curve| span(curve));
        Row {
            name: contender.name.clone(),
            baseline: baseline.map(|baseline| outcome.contenders[baseline].name.clone()),
            beside_random,
            aubc: aubc.clone(),
            labels_to: (targets.iter())
                .map(|&target| curves.values().map(|curve| labels_to(curve, target)).collect())
                .collect(),
            last: reached.keys().filter_map(last).collect(),
            hint: hint(&mean(curves), outcome.held_out, more),
            curves: curves.clone(),
        }
    };
    outcome.contenders.iter().enumerate().map(row).collect()
}

/// What a contender is held against.
fn baseline(outcome: &Outcome, number: usize) -> Option<usize> {
    let contenders = &outcome.contenders;
    let first = contenders.iter().position(Contender::is_random)?;
    if contenders[number].is_random() || outcome.one_model {
        return (number != first).then_some(first);
    }
    let same_model = |other: &Contender| other.is_random() && other.asks_as(&contenders[number]);
    Some(contenders.iter().position(same_model).unwrap_or(first))
}

fn curves(points: &[Point], name: &str) -> Curves {
    let mut curves = Curves::new();
    for point in points.iter().filter(|point| point.contender == name) {
        curves.entry(point.seed).or_default().push(curve::Point { labels: point.labels, value: point.accuracy });
    }
    for curve in curves.values_mut() {
        curve.sort_by_key(|point| point.labels);
    }
    curves
}

/// Labels from the first point to the last.
fn span(curve: &[curve::Point]) -> usize {
    curve.last().map_or(0, |last| last.labels) - curve.first().map_or(0, |first| first.labels)
}

/// The mean of the seeds where all have a point.
pub fn mean(curves: &Curves) -> Vec<curve::Point> {
    let Some(first) = curves.values().next() else { return Vec::new() };
    let at = |labels: usize| -> Option<curve::Point> {
        let value = |curve: &Vec<curve::Point>| curve.iter().find(|point| point.labels == labels).map(|p| p.value);
        let values: Vec<f64> = curves.values().map(value).collect::<Option<_>>()?;
        Some(curve::Point { labels, value: values.iter().sum::<f64>() / values.len() as f64 })
    };
    first.iter().filter_map(|point| at(point.labels)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::Contender;

    /// Contenders and points (seed, contender, labels, accuracy).
    fn outcome(contenders: &[&str], points: &[(u64, &str, usize, f64)]) -> Outcome {
        let parse = |text: &&str| Contender::parse(text, "supervised", &toml::Table::new()).expect("a contender");
        let point = |&(seed, contender, labels, accuracy): &(u64, &str, usize, f64)| Point {
            seed,
            contender: contender.to_owned(),
            labels,
            accuracy,
            nll: 1.0,
            new_classes: None,
            seconds: (0.0, 0.0),
        };
        Outcome {
            contenders: contenders.iter().map(parse).collect(),
            points: points.iter().map(point).collect(),
            protocol: String::new(),
            one_model: false,
            held_out: 100,
            pool: 100,
            finished: true,
        }
    }

    #[test]
    fn curves_with_other_steps_are_compared_up_to_the_labels_that_both_have() {
        // margin got fewer labels a round; at 20 it stands at 0.6 and at 30 at 0.8, so at 25 at 0.7.
        let points = [
            (1, "random", 10, 0.4),
            (1, "random", 25, 0.7),
            (1, "margin", 10, 0.4),
            (1, "margin", 20, 0.6),
            (1, "margin", 30, 0.8),
        ];
        let rows = summary(&outcome(&["random", "margin"], &points), &[0.65]);
        assert!((rows[0].aubc[&1] - rows[1].aubc[&1]).abs() < 1e-12, "both lie on one line: {rows:?}");
        assert!((rows[1].last[0] - 0.7).abs() < 1e-12);
        assert_eq!((&rows[0].labels_to[0], &rows[1].labels_to[0]), (&vec![Some(25)], &vec![Some(30)]));
    }

    #[test]
    fn a_seed_that_one_contender_has_not_begun_pairs_with_none() {
        let of = |seed: u64, name: &'static str, area: f64| [(seed, name, 10, area), (seed, name, 20, area)];
        let points = [
            of(1, "random", 0.5),
            of(2, "random", 0.1),
            of(3, "random", 0.6),
            of(1, "margin", 0.6),
            of(3, "margin", 0.9),
        ];
        let rows = summary(&outcome(&["random", "margin"], points.as_flattened()), &[]);
        let paired = rows[1].beside_random.expect("two seeds");
        assert_eq!(paired.n, 2);
        assert!((paired.mean - 0.2).abs() < 1e-12);
        assert_eq!(rows[0].last, [0.5, 0.6]);
        assert_eq!((rows[0].baseline.as_deref(), rows[1].baseline.as_deref()), (None, Some("random")));
    }

    #[test]
    fn accuracies_at_the_end_are_of_as_many_labels_on_every_seed() {
        let mut points = vec![(1, "random", 10, 0.2), (1, "random", 20, 0.4), (1, "random", 30, 0.6)];
        points.extend([(2, "random", 10, 0.2), (2, "random", 20, 0.3)]);
        let rows = summary(&outcome(&["random"], &points), &[]);
        assert_eq!(rows[0].last, [0.4, 0.3]);
    }

    #[test]
    fn each_is_held_against_its_own_model_asked_at_random() {
        let names = ["random", "margin", "random@m2", "margin@m2", "vaal@vaal"];
        let rows = summary(&outcome(&names, &[]), &[]);
        let baselines: Vec<Option<&str>> = rows.iter().map(|row| row.baseline.as_deref()).collect();
        assert_eq!(baselines, [None, Some("random"), Some("random"), Some("random@m2"), Some("random")]);
        let one_model = Outcome { one_model: true, ..outcome(&names, &[]) };
        let rows = summary(&one_model, &[]);
        assert!(rows[1..].iter().all(|row| row.baseline.as_deref() == Some("random")));
    }
}
