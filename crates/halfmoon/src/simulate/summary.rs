//! What the curves of a simulation say.

use halfmoon_query::curve::{self, Hint, Paired, aubc, hint, labels_to, paired};

use super::{Outcome, Point};

/// What a contender came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// The curve of each seed, in the order of the seeds.
    pub curves: Vec<(u64, Vec<curve::Point>)>,
    /// The area under the budget curve of each seed, over the labels that all contenders have come to on it.
    pub aubc: Vec<f64>,
    /// That area less the one of `random`, seed by seed. `None` for `random` itself and for less than two seeds.
    pub beside_random: Option<Paired>,
    /// For each target, the labels that each seed needed; `None` where it was not reached.
    pub labels_to: Vec<Vec<Option<usize>>>,
    /// Accuracy at the last labels that all seeds of all contenders have come to: of each seed.
    pub last: Vec<f64>,
    /// What as many labels again as the simulation asked for are expected to bring, by the mean of the seeds.
    pub hint: Option<Hint>,
}

/// A row a contender; the first contender that asks at random is what the others are compared with.
pub fn summary(outcome: &Outcome, targets: &[f64]) -> Vec<Row> {
    let curves = |name: &str| -> Vec<(u64, Vec<curve::Point>)> {
        let mut seeds: Vec<u64> = outcome.points.iter().map(|point| point.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        seeds
            .into_iter()
            .map(|seed| (seed, curve_of(&outcome.points, name, seed)))
            .filter(|(_, c)| !c.is_empty())
            .collect()
    };
    let all: Vec<_> = outcome.contenders.iter().map(|contender| (contender, curves(&contender.name))).collect();
    // The labels that every contender has come to on a seed; `None` where one has not begun.
    let common = |seed: u64| -> Option<usize> {
        let last = |curves: &Vec<(u64, Vec<curve::Point>)>| {
            curves.iter().find(|(of, _)| *of == seed)?.1.last().map(|point| point.labels)
        };
        all.iter().map(|(_, curves)| last(curves)).collect::<Option<Vec<_>>>()?.into_iter().min()
    };
    let cut = |curves: &[(u64, Vec<curve::Point>)]| -> Vec<Vec<curve::Point>> {
        let up_to = |(seed, curve): &(u64, Vec<curve::Point>)| {
            let most = common(*seed)?;
            Some(curve.iter().copied().filter(|point| point.labels <= most).collect())
        };
        curves.iter().filter_map(up_to).collect()
    };
    let areas =
        |curves: &[(u64, Vec<curve::Point>)]| -> Vec<f64> { cut(curves).iter().filter_map(|c| aubc(c)).collect() };
    let random = all.iter().find(|(contender, _)| contender.is_random()).map(|(_, curves)| areas(curves));
    let row = |(contender, curves): &(&super::Contender, Vec<(u64, Vec<curve::Point>)>)| {
        let areas = areas(curves);
        let is_the_baseline =
            outcome.contenders.iter().find(|other| other.is_random()).is_some_and(|first| first.name == contender.name);
        let beside_random = random.as_ref().filter(|random| !is_the_baseline && random.len() == areas.len());
        let cut = cut(curves);
        let more = curves.first().map_or(0, |(_, curve)| span(curve));
        Row {
            name: contender.name.clone(),
            beside_random: beside_random.and_then(|random| paired(&areas, random)),
            aubc: areas,
            labels_to: targets
                .iter()
                .map(|&target| curves.iter().map(|(_, c)| labels_to(c, target)).collect())
                .collect(),
            last: cut.iter().filter_map(|curve| curve.last()).map(|point| point.value).collect(),
            hint: hint(&mean(curves), outcome.held_out, more),
            curves: curves.clone(),
        }
    };
    all.iter().map(row).collect()
}

fn curve_of(points: &[Point], name: &str, seed: u64) -> Vec<curve::Point> {
    let own = points.iter().filter(|point| point.contender == name && point.seed == seed);
    let mut curve: Vec<_> = own.map(|point| curve::Point { labels: point.labels, value: point.accuracy }).collect();
    curve.sort_by_key(|point| point.labels);
    curve
}

/// Labels from the first point to the last.
fn span(curve: &[curve::Point]) -> usize {
    curve.last().map_or(0, |last| last.labels) - curve.first().map_or(0, |first| first.labels)
}

/// The mean of the seeds where all have a point.
pub fn mean(curves: &[(u64, Vec<curve::Point>)]) -> Vec<curve::Point> {
    let Some((_, first)) = curves.first() else { return Vec::new() };
    let at = |labels: usize| -> Option<curve::Point> {
        let value = |(_, curve): &(u64, Vec<curve::Point>)| curve.iter().find(|p| p.labels == labels).map(|p| p.value);
        let values: Vec<f64> = curves.iter().map(value).collect::<Option<_>>()?;
        Some(curve::Point { labels, value: values.iter().sum::<f64>() / values.len() as f64 })
    };
    first.iter().filter_map(|point| at(point.labels)).collect()
}
