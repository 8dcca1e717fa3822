//! How far annotators agree.
//!
//! Skips are no labels and count nowhere here. What came with the data is an annotator like the others: low agreement with
//! it may mean wrong labels in the data.

use std::collections::BTreeMap;

use halfmoon_pool::Class;
use halfmoon_pool::metric::wilson;

use crate::fold::{Labels, Vote};

/// All figures of [`agreement`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Agreement {
    /// Items with labels by two annotators or more: only these say anything.
    pub items: usize,
    /// Those of them on which all agree.
    pub unanimous: usize,
    /// Every two annotators that share an item.
    pub pairs: Vec<Pair>,
    /// Each annotator beside the others, in the order of [`Labels::annotators`].
    pub annotators: Vec<Alone>,
    /// Krippendorff's alpha for names, whoever labelled what: see [`alpha`].
    pub alpha: Option<f64>,
    /// Fleiss' kappa, where each item has as many labels: see [`fleiss`].
    pub fleiss: Option<f64>,
}

/// Two annotators on the items that both labelled.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Index in [`Labels::annotators`].
    pub first: usize,
    /// Index in [`Labels::annotators`], the higher one.
    pub second: usize,
    /// Items that both labelled.
    pub items: usize,
    /// Those on which they agree.
    pub agree: usize,
    /// See [`cohen`].
    pub kappa: Option<f64>,
}

/// One annotator beside what most of the others say.
#[derive(Debug, Clone, PartialEq)]
pub struct Alone {
    /// Items that the annotator labelled and that the others have a majority on.
    pub items: usize,
    /// Those where the annotator says the same.
    pub agree: usize,
    /// 95 % interval of the share that agrees (Wilson).
    pub interval: Option<(f64, f64)>,
}

/// All figures.
pub fn agreement(labels: &Labels) -> Agreement {
    let items: Vec<Vec<(usize, Class)>> = labels.by_item().map(given).filter(|given| given.len() > 1).collect();
    let mut pairs: BTreeMap<(usize, usize), Vec<(Class, Class)>> = BTreeMap::new();
    let mut alone = vec![(0, 0); labels.annotators.len()];
    for given in &items {
        for (at, (first, a)) in given.iter().enumerate() {
            for (second, b) in &given[at + 1..] {
                pairs.entry((*first, *second)).or_default().push((*a, *b));
            }
            if let Some(class) = majority_without(given, *first) {
                alone[*first].0 += 1;
                alone[*first].1 += usize::from(class == *a);
            }
        }
    }
    let pair = |((first, second), both): ((usize, usize), Vec<(Class, Class)>)| Pair {
        first,
        second,
        items: both.len(),
        agree: both.iter().filter(|(a, b)| a == b).count(),
        kappa: cohen(&both),
    };
    let counts: Vec<Vec<usize>> = items.iter().map(|given| counts(given)).collect();
    Agreement {
        items: items.len(),
        unanimous: counts.iter().filter(|counts| counts.len() == 1).count(),
        pairs: pairs.into_iter().map(pair).collect(),
        annotators: (alone.into_iter())
            .map(|(items, agree)| Alone { items, agree, interval: wilson(agree as u64, items as u64) })
            .collect(),
        alpha: alpha(&items.iter().map(|given| classes(given)).collect::<Vec<_>>()),
        fleiss: fleiss(&items.iter().map(|given| classes(given)).collect::<Vec<_>>()),
    }
}

/// Cohen's kappa of two annotators' labels of the same items: 1 is full agreement, 0 what chance would give that keeps how
/// often each names each class. `None` where chance alone would give full agreement: one class, or no items.
pub fn cohen(both: &[(Class, Class)]) -> Option<f64> {
    let n = both.len() as f64;
    let observed = both.iter().filter(|(a, b)| a == b).count() as f64 / n;
    let mut shares: BTreeMap<Class, (f64, f64)> = BTreeMap::new();
    for (a, b) in both {
        shares.entry(*a).or_default().0 += 1.0 / n;
        shares.entry(*b).or_default().1 += 1.0 / n;
    }
    let expected: f64 = shares.values().map(|(a, b)| a * b).sum();
    (!both.is_empty() && shares.len() > 1).then(|| (observed - expected) / (1.0 - expected))
}

/// Fleiss' kappa of items with equally many labels each, two at least. `None` where that is not so, and where only one class
/// was named.
pub fn fleiss(items: &[Vec<Class>]) -> Option<f64> {
    let n = items.first().map(Vec::len).filter(|n| *n > 1)?;
    let totals = totals(items);
    if items.iter().any(|labels| labels.len() != n) || totals.len() < 2 {
        return None;
    }
    let (n, all) = (n as f64, (n * items.len()) as f64);
    let agreeing = |labels: &Vec<Class>| {
        let squares: f64 = runs(labels).map(|count| (count * count) as f64).sum();
        (squares - n) / (n * (n - 1.0))
    };
    let observed = items.iter().map(agreeing).sum::<f64>() / items.len() as f64;
    let expected: f64 = totals.values().map(|&count| (count as f64 / all).powi(2)).sum();
    Some((observed - expected) / (1.0 - expected))
}

/// Krippendorff's alpha for names: 1 minus the share of pairs within an item that disagree, over that of pairs among all
/// labels. Any number of labels an item, any annotators; items with one label do not count. `None` where only one class was
/// named.
pub fn alpha(items: &[Vec<Class>]) -> Option<f64> {
    let items: Vec<Vec<Class>> = items.iter().filter(|labels| labels.len() > 1).cloned().collect();
    let totals = totals(&items);
    if totals.len() < 2 {
        return None;
    }
    let disagreeing = |all: f64, counts: &mut dyn Iterator<Item = usize>| {
        all * all - counts.map(|count| (count * count) as f64).sum::<f64>()
    };
    let within: f64 = (items.iter())
        .map(|labels| disagreeing(labels.len() as f64, &mut runs(labels)) / (labels.len() as f64 - 1.0))
        .sum();
    let n = items.iter().map(Vec::len).sum::<usize>() as f64;
    Some(1.0 - (n - 1.0) * within / disagreeing(n, &mut totals.into_values()))
}

/// Who gave which class, skips left out.
fn given(votes: &[Vote]) -> Vec<(usize, Class)> {
    votes.iter().filter_map(|vote| Some((vote.annotator, vote.class?))).collect()
}

fn classes(given: &[(usize, Class)]) -> Vec<Class> {
    given.iter().map(|(_, class)| *class).collect()
}

/// How often each class that was given was given.
fn counts(given: &[(usize, Class)]) -> Vec<usize> {
    runs(&classes(given)).collect()
}

/// How often each class occurs.
fn runs(labels: &[Class]) -> impl Iterator<Item = usize> + use<> {
    let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
    for class in labels {
        *counts.entry(*class).or_default() += 1;
    }
    counts.into_values()
}

fn totals(items: &[Vec<Class>]) -> BTreeMap<Class, usize> {
    let mut totals = BTreeMap::new();
    for class in items.iter().flatten() {
        *totals.entry(*class).or_default() += 1;
    }
    totals
}

/// What most of the others say; `None` where they tie.
fn majority_without(given: &[(usize, Class)], annotator: usize) -> Option<Class> {
    let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
    for (_, class) in given.iter().filter(|(by, _)| *by != annotator) {
        *counts.entry(*class).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    let mut largest = counts.into_iter().filter(|(_, count)| *count == most);
    let (class, _) = largest.next()?;
    largest.next().is_none().then_some(class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use crate::item::ItemId;

    fn close(value: Option<f64>, expected: f64) {
        let value = value.unwrap();
        assert!((value - expected).abs() < 5e-4, "{value} is not {expected}");
    }

    fn repeated(counts: &[usize]) -> Vec<Class> {
        counts.iter().zip(0..).flat_map(|(&count, class)| std::iter::repeat_n(Class(class), count)).collect()
    }

    #[test]
    fn cohens_kappa_of_fifty_proposals() {
        // 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: observed 0.7, by chance 0.5 · 0.6 + 0.5 · 0.4 = 0.5
        let (yes, no) = (Class(1), Class(0));
        let both: Vec<_> = [((yes, yes), 20), ((yes, no), 5), ((no, yes), 10), ((no, no), 15)]
            .into_iter()
            .flat_map(|(pair, count)| std::iter::repeat_n(pair, count))
            .collect();
        close(cohen(&both), 0.4);
        close(cohen(&[(yes, no), (no, yes)]), -1.0);
        assert_eq!(cohen(&[]), None);
        assert_eq!(cohen(&[(yes, yes)]), None);
    }

    #[test]
    fn fleiss_kappa_of_fourteen_raters() {
        // the worked example that textbooks give: 10 subjects, 14 raters, 5 categories
        let table = [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ];
        close(fleiss(&table.map(|row| repeated(&row))), 0.210);
        assert_eq!(fleiss(&[repeated(&[2]), repeated(&[1, 2])]), None, "unequally many");
        assert_eq!(fleiss(&[repeated(&[2]), repeated(&[2])]), None, "one class");
        assert_eq!(fleiss(&[]), None);
    }

    #[test]
    fn krippendorffs_alpha_of_three_coders_with_gaps() {
        // Krippendorff's example of three coders and fifteen units; 0 stands for a gap
        let coders = [
            [0, 0, 0, 0, 0, 3, 4, 1, 2, 1, 1, 3, 3, 0, 3],
            [1, 0, 2, 1, 3, 3, 4, 3, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 2, 1, 3, 4, 4, 0, 2, 1, 1, 3, 3, 0, 4],
        ];
        let unit = |at: usize| coders.iter().map(|coder| coder[at]).filter(|&code| code > 0).map(Class).collect();
        close(alpha(&(0..15).map(unit).collect::<Vec<Vec<Class>>>()), 0.691);
        assert_eq!(alpha(&[repeated(&[3])]), None);
        assert_eq!(alpha(&[repeated(&[1]), repeated(&[0, 1])]), None, "no item has two labels");
    }

    #[test]
    fn annotators_are_held_beside_the_majority_of_the_others() {
        // three items: all agree; c differs; a and b differ and c is silent
        let votes = [(1, 0, 0), (1, 1, 0), (1, 2, 0), (2, 0, 1), (2, 1, 1), (2, 2, 0), (3, 0, 0), (3, 1, 1)];
        let vote = |(item, annotator, class): (i64, usize, u16)| Vote {
            item: ItemId(item),
            annotator,
            class: Some(Class(class)),
            event: EventId(1),
        };
        let mut votes: Vec<Vote> = votes.into_iter().map(vote).collect();
        votes.push(Vote { item: ItemId(3), annotator: 2, class: None, event: EventId(1) });
        let labels = Labels { annotators: ["a", "b", "c"].map(str::to_owned).to_vec(), votes };
        let found = agreement(&labels);
        assert_eq!((found.items, found.unanimous), (3, 1));
        let pairs: Vec<_> = found.pairs.iter().map(|p| (p.first, p.second, p.items, p.agree)).collect();
        assert_eq!(pairs, [(0, 1, 3, 2), (0, 2, 2, 1), (1, 2, 2, 1)]);
        // on item 2 the others of `a` are `b` and `c`, who tie
        let alone: Vec<_> = found.annotators.iter().map(|alone| (alone.items, alone.agree)).collect();
        assert_eq!(alone, [(2, 1), (2, 1), (2, 1)]);
        assert_eq!(found.fleiss, None);
        assert!(found.alpha.is_some());
        assert_eq!(agreement(&Labels::default()), Agreement::default());
    }
}
