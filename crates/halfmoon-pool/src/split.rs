//! Which items are learnt from and which are judged on, with copies kept on one side.
//!
//! Nothing depends on the order in which a hash table or a thread happens to work: the same data and
//! seed give the same split. Each item's or group's place in line comes from its own number, so
//! items appended to a data set do not reorder those before them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::mem::discriminant;

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::dataset::{Cells, Class, Inputs, Table};
use crate::error::{Error, Result};

/// Positions of items, ascending in each list. Every item is in exactly one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// To learn from, labelled or not.
    pub train: Vec<usize>,
    /// To judge on, all labelled.
    pub test: Vec<usize>,
    /// Unlabelled copies of test items: to learn from them would be to look at the test.
    pub dropped: Vec<usize>,
}

/// A number for every item, equal for items whose inputs are exactly equal. Counts from 0 in order
/// of first appearance.
///
/// Gaps equal gaps, and −0 equals 0.
pub fn groups(inputs: &Inputs) -> Vec<u32> {
    match inputs {
        Inputs::Bytes(pixels) => groups_of_rows(pixels, |&x| u32::from(x)),
        Inputs::Words(pixels) => groups_of_rows(pixels, |&x| u32::from(x)),
        Inputs::Floats(numbers) => groups_of_rows(numbers, |&x| float_code(x)),
        Inputs::Table(table) => groups_of_table(table),
    }
}

/// Holds out `fraction` of each class's distinct labelled inputs, rounded to the nearest number but
/// at least one, and at most all but one.
///
/// Copies move together, so a class with a single distinct labelled input stays in `train`. A group
/// of copies whose labels disagree counts for the class of its first label.
pub fn hold_out(labels: &[Option<Class>], groups: &[u32], fraction: f64, seed: u64) -> Split {
    assert!(0.0 < fraction && fraction < 1.0, "a fraction to hold out lies between 0 and 1");
    let mut in_test = vec![false; count_groups(groups)];
    for of_class in shuffled_groups(labels, groups, seed, 0) {
        for &group in &of_class[..share(of_class.len(), fraction)] {
            in_test[group] = true;
        }
    }
    divide(labels, groups, &in_test)
}

/// `repeats` times `k` splits; within a repeat each labelled item is in one `test`, and each class is
/// spread over the folds as evenly as it goes.
///
/// Copies move together. A class with a single distinct labelled input is in every `train`; `k` is
/// reduced to the number of distinct labelled inputs of the smallest other class, so that every
/// `test` holds every class that can be judged. Empty where all classes are that small.
pub fn folds(labels: &[Option<Class>], groups: &[u32], k: usize, repeats: u64, seed: u64) -> Vec<Split> {
    assert!(k >= 2, "one fold would leave nothing to learn from");
    let mut splits = vec![];
    for repeat in 0..repeats {
        let mut classes = shuffled_groups(labels, groups, seed, repeat);
        classes.retain(|of_class| of_class.len() >= 2);
        let Some(smallest) = classes.iter().map(Vec::len).min() else {
            break;
        };
        let k = k.min(smallest);
        // Dealt like cards, each class going on where the last one stopped: folds of one size.
        let dealt: Vec<usize> = classes.concat();
        for fold in 0..k {
            let mut in_test = vec![false; count_groups(groups)];
            for &group in dealt.iter().skip(fold).step_by(k) {
                in_test[group] = true;
            }
            splits.push(divide(labels, groups, &in_test));
        }
    }
    splits
}

/// Keeps `count` labels, equally many a class, and hides the others. Returns a note with the counts
/// where classes with labels keep unequally many.
///
/// Labels are kept one a class in turn, in an order of classes that the seed chooses; a class that
/// has no more drops out. So fewer labels are a part of more labels with the same seed.
pub fn keep_labels(
    labels: &mut [Option<Class>],
    classes: &[String],
    count: usize,
    seed: u64,
) -> Result<Option<String>> {
    let available = labels.iter().flatten().count();
    if count < 1 || count > available {
        return Err(Error::usage(
            format!("cannot keep {count} labels"),
            format!("{available} items have a label: ask for 1 to {available}"),
        ));
    }
    let item_draws = draws(labels.len(), seed, 0);
    let class_draws = draws(classes.len(), seed, 1);
    let mut items: Vec<(usize, Class)> =
        labels.iter().enumerate().filter_map(|(item, label)| Some((item, (*label)?))).collect();
    items.sort_by_key(|&(item, _)| item_draws[item]);
    // A label's turn is its place within its class; within a turn the classes come in their order.
    let mut turns = vec![0; classes.len()];
    let mut queue: Vec<(usize, u64, usize, Class)> = vec![];
    for (item, class) in items {
        let turn = &mut turns[class.index()];
        queue.push((*turn, class_draws[class.index()], item, class));
        *turn += 1;
    }
    queue.sort_unstable();

    // `None`: a class that had no label to begin with.
    let mut counts: Vec<Option<usize>> = turns.iter().map(|&labels| (labels > 0).then_some(0)).collect();
    labels.fill(None);
    for &(_, _, item, class) in &queue[..count] {
        labels[item] = Some(class);
        *counts[class.index()].get_or_insert(0) += 1;
    }
    Ok(unequal(classes, &counts))
}

/// Groups of identical inputs whose labels disagree: the positions of their labelled items. Groups
/// in order of first appearance.
pub fn conflicts(labels: &[Option<Class>], groups: &[u32]) -> Vec<Vec<usize>> {
    let agreed = agreed_labels(labels, groups);
    let mut found: HashMap<u32, usize> = HashMap::new();
    let mut conflicts: Vec<Vec<usize>> = vec![];
    for (item, &group) in groups.iter().enumerate() {
        if labels[item].is_some() && agreed[group as usize] == Agreed::Not {
            let place = *found.entry(group).or_insert(conflicts.len());
            if place == conflicts.len() {
                conflicts.push(vec![]);
            }
            conflicts[place].push(item);
        }
    }
    conflicts
}

/// Gives unlabelled copies the label of their labelled copies, where these agree. Returns how many
/// items got a label so.
pub fn spread_labels(labels: &mut [Option<Class>], groups: &[u32]) -> usize {
    let agreed = agreed_labels(labels, groups);
    let mut filled = 0;
    for (label, &group) in labels.iter_mut().zip(groups) {
        if let (None, Agreed::On(class)) = (*label, agreed[group as usize]) {
            *label = Some(class);
            filled += 1;
        }
    }
    filled
}

/// What the labels within a group of copies say.
#[derive(Clone, Copy, PartialEq)]
enum Agreed {
    Nothing,
    On(Class),
    Not,
}

fn agreed_labels(labels: &[Option<Class>], groups: &[u32]) -> Vec<Agreed> {
    let mut agreed = vec![Agreed::Nothing; count_groups(groups)];
    for (label, &group) in labels.iter().zip(groups) {
        let so_far = &mut agreed[group as usize];
        *so_far = match (*label, *so_far) {
            (None, said) => said,
            (Some(class), Agreed::Nothing) => Agreed::On(class),
            (Some(class), Agreed::On(other)) if class == other => Agreed::On(class),
            (Some(_), _) => Agreed::Not,
        };
    }
    agreed
}

/// The nearest number to `fraction` of `n`, from 1 to `n − 1`; 0 where that leaves no choice.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 ≤ fraction · n ≤ n
fn share(n: usize, fraction: f64) -> usize {
    if n < 2 { 0 } else { ((fraction * n as f64).round() as usize).clamp(1, n - 1) }
}

fn divide(labels: &[Option<Class>], groups: &[u32], in_test: &[bool]) -> Split {
    let mut split = Split { train: vec![], test: vec![], dropped: vec![] };
    for (item, (label, &group)) in labels.iter().zip(groups).enumerate() {
        let list = match (in_test[group as usize], label) {
            (false, _) => &mut split.train,
            (true, Some(_)) => &mut split.test,
            (true, None) => &mut split.dropped,
        };
        list.push(item);
    }
    split
}

/// The labelled groups of each class, in an order that the seed and the stream choose. A group is of
/// the class of its first label.
fn shuffled_groups(labels: &[Option<Class>], groups: &[u32], seed: u64, stream: u64) -> Vec<Vec<usize>> {
    let classes = labels.iter().flatten().map(|class| class.index() + 1).max().unwrap_or(0);
    let mut by_class = vec![vec![]; classes];
    let mut seen = vec![false; count_groups(groups)];
    for (label, &group) in labels.iter().zip(groups) {
        let group = group as usize;
        if let Some(class) = label
            && !seen[group]
        {
            seen[group] = true;
            by_class[class.index()].push(group);
        }
    }
    let draws = draws(seen.len(), seed, stream);
    for of_class in &mut by_class {
        of_class.sort_by_key(|&group| draws[group]);
    }
    by_class
}

/// One random number for each of 0, 1, …: more of them leave the first ones as they are.
fn draws(n: usize, seed: u64, stream: u64) -> Vec<u64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    (0..n).map(|_| rng.random()).collect()
}

fn count_groups(groups: &[u32]) -> usize {
    groups.iter().max().map_or(0, |&last| last as usize + 1)
}

/// The counts in words where they differ; `None` among them is a class that had no labels.
fn unequal(classes: &[String], counts: &[Option<usize>]) -> Option<String> {
    let known = counts.iter().flatten();
    let (fewest, most) = (known.clone().min()?, known.max()?);
    if fewest == most {
        return None;
    }
    let each: Vec<String> =
        classes.iter().zip(counts).filter_map(|(name, count)| Some(format!("`{name}` {}", (*count)?))).collect();
    Some(if each.len() <= 20 {
        format!("classes keep unequal numbers of labels: {}", each.join(", "))
    } else {
        format!("classes keep unequal numbers of labels: {fewest} to {most}")
    })
}

/// How many items are exactly equal to one of the others, as far as 64 bits of a hash tell. Inputs of
/// different types never are.
pub fn copies(items: &Inputs, others: &Inputs) -> usize {
    if discriminant(items) != discriminant(others) {
        return 0;
    }
    let known: HashSet<u64> = hashes(others).into_iter().collect();
    hashes(items).iter().filter(|hash| known.contains(hash)).count()
}

fn hashes(inputs: &Inputs) -> Vec<u64> {
    match inputs {
        Inputs::Bytes(pixels) => hashes_of_rows(pixels, |&x| u32::from(x)),
        Inputs::Words(pixels) => hashes_of_rows(pixels, |&x| u32::from(x)),
        Inputs::Floats(numbers) => hashes_of_rows(numbers, |&x| float_code(x)),
        Inputs::Table(table) => hashes_of_table(table),
    }
}

fn hashes_of_rows<T>(rows: &Array2<T>, code: fn(&T) -> u32) -> Vec<u64> {
    rows.rows().into_iter().map(|row| row.iter().fold(0, |hash, x| mix(hash, code(x)))).collect()
}

fn hashes_of_table(table: &Table) -> Vec<u64> {
    fn add<T: Copy>(hashes: &mut [u64], cells: &[T], code: fn(T) -> u32) {
        for (hash, &cell) in hashes.iter_mut().zip(cells) {
            *hash = mix(*hash, code(cell));
        }
    }
    let mut hashes = vec![0; table.rows];
    for column in &table.columns {
        match column {
            Cells::Numeric(cells) => add(&mut hashes, cells, |cell| cell.map_or(u32::MAX, float_code)),
            Cells::YesNo(cells) => add(&mut hashes, cells, |cell| cell.map_or(u32::MAX, u32::from)),
            Cells::Category(cells) => add(&mut hashes, cells, |cell| cell.unwrap_or(u32::MAX)),
        }
    }
    hashes
}

fn groups_of_rows<T>(rows: &Array2<T>, code: fn(&T) -> u32) -> Vec<u32> {
    let same = |a: usize, b: usize| rows.row(a).iter().map(code).eq(rows.row(b).iter().map(code));
    number(hashes_of_rows(rows, code), same)
}

fn groups_of_table(table: &Table) -> Vec<u32> {
    // Comparing the options themselves: −0 equals 0 among floats, too.
    number(hashes_of_table(table), |a, b| {
        table.columns.iter().all(|column| match column {
            Cells::Numeric(cells) => cells[a] == cells[b],
            Cells::YesNo(cells) => cells[a] == cells[b],
            Cells::Category(cells) => cells[a] == cells[b],
        })
    })
}

/// Equal for equal numbers: adding 0 turns −0 into 0.
fn float_code(x: f32) -> u32 {
    (x + 0.0).to_bits()
}

/// Multiplying carries bits up, shifting carries them down: floats differ mostly in their upper bits.
fn mix(hash: u64, code: u32) -> u64 {
    let product = (hash ^ u64::from(code)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 32)
}

/// Group numbers from hashes, which may collide, and the comparison of two rows.
fn number(hashes: Vec<u64>, same: impl Fn(usize, usize) -> bool) -> Vec<u32> {
    let mut first_rows: HashMap<u64, (usize, u32)> = HashMap::with_capacity(hashes.len());
    let mut next = 0;
    let mut group_of = |(row, mut key): (usize, u64)| loop {
        match first_rows.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert((row, next));
                next += 1;
                break next - 1;
            }
            Entry::Occupied(entry) if same(entry.get().0, row) => break entry.get().1,
            Entry::Occupied(_) => key = key.wrapping_add(1),
        }
    };
    hashes.into_iter().enumerate().map(&mut group_of).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    const A: Option<Class> = Some(Class(0));
    const B: Option<Class> = Some(Class(1));
    const C: Option<Class> = Some(Class(2));

    /// Items that are all different.
    fn distinct(n: usize) -> Vec<u32> {
        (0..).take(n).collect()
    }

    fn names() -> Vec<String> {
        ["a", "b", "c"].map(String::from).to_vec()
    }

    fn count(labels: &[Option<Class>], of: Option<Class>) -> usize {
        labels.iter().filter(|&&label| label == of).count()
    }

    fn picked(labels: &[Option<Class>], items: &[usize], of: Option<Class>) -> usize {
        items.iter().filter(|&&item| labels[item] == of).count()
    }

    #[track_caller]
    fn assert_complete(split: &Split, n: usize) {
        let mut all = [split.train.clone(), split.test.clone(), split.dropped.clone()].concat();
        assert!(split.train.is_sorted() && split.test.is_sorted() && split.dropped.is_sorted());
        all.sort_unstable();
        assert_eq!(all, (0..n).collect::<Vec<_>>());
    }

    #[test]
    fn equal_inputs_share_a_group_in_every_kind_of_inputs() {
        let expected = vec![0, 1, 0, 2];
        assert_eq!(groups(&Inputs::Bytes(array![[1, 2], [2, 1], [1, 2], [0, 0]])), expected);
        assert_eq!(groups(&Inputs::Words(array![[1, 2], [2, 1], [1, 2], [0, 0]])), expected);
        assert_eq!(groups(&Inputs::Floats(array![[0.0, 2.0], [2.0, 0.0], [-0.0, 2.0], [0.0, 0.0]])), expected);
        let table = Table {
            rows: 4,
            columns: vec![
                Cells::Numeric(vec![None, Some(0.0), None, Some(0.0)]),
                Cells::YesNo(vec![Some(true), Some(false), Some(true), None]),
                Cells::Category(vec![Some(3), Some(3), Some(3), Some(3)]),
            ],
        };
        assert_eq!(groups(&Inputs::Table(table)), expected);
    }

    #[test]
    fn rows_of_a_table_without_columns_are_all_equal() {
        assert_eq!(groups(&Inputs::Table(Table { rows: 3, columns: vec![] })), [0, 0, 0]);
    }

    #[test]
    fn different_rows_with_one_hash_are_different_groups() {
        let rows = ["x", "y", "x", "y"];
        assert_eq!(number(vec![5; 4], |a, b| rows[a] == rows[b]), [0, 1, 0, 1]);
    }

    #[test]
    fn a_quarter_of_each_class_is_held_out() {
        // 8 of a and 4 of b are labelled: 2 and 1 held out; 4 unlabelled stay
        let labels = [[A; 8].as_slice(), &[B; 4], &[None; 4]].concat();
        let split = hold_out(&labels, &distinct(16), 0.25, 1);
        assert_complete(&split, 16);
        assert_eq!((picked(&labels, &split.test, A), picked(&labels, &split.test, B)), (2, 1));
        assert_eq!((split.train.len(), split.dropped.len()), (13, 0));
    }

    #[test]
    fn a_class_with_two_inputs_gives_one_and_a_class_with_one_keeps_it() {
        let labels = [A, A, B, C, C, C];
        for seed in 0..20 {
            let split = hold_out(&labels, &[0, 1, 2, 3, 3, 3], 0.01, seed);
            assert_eq!(split.test.len(), 1);
            assert!(split.test[0] < 2, "b is alone, and c's items are copies of one input");
        }
        // and at least one stays
        assert_eq!(picked(&labels, &hold_out(&labels, &distinct(6), 0.99, 1).train, A), 1);
    }

    #[test]
    fn copies_of_test_items_are_never_learnt_from() {
        // items 2i and 2i + 1 are copies; every second one is unlabelled
        let labels: Vec<_> = (0..40).map(|item| if item % 2 == 0 { [A, B][item / 2 % 2] } else { None }).collect();
        let groups: Vec<u32> = (0..40).map(|item| item / 2).collect();
        let mut splits = folds(&labels, &groups, 5, 2, 3);
        splits.push(hold_out(&labels, &groups, 0.3, 3));
        for split in splits {
            assert_complete(&split, 40);
            assert_eq!(split.dropped, split.test.iter().map(|item| item + 1).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_seed_decides_what_is_held_out() {
        let labels = [A; 50];
        let of_seed = |seed| hold_out(&labels, &distinct(50), 0.2, seed).test;
        assert_eq!(of_seed(1), of_seed(1));
        assert_ne!(of_seed(1), of_seed(2));
    }

    #[test]
    fn every_labelled_item_is_tested_once_a_repeat() {
        let labels = [[A; 7].as_slice(), &[B; 4], &[None; 5], &[C]].concat();
        let splits = folds(&labels, &distinct(17), 3, 2, 1);
        assert_eq!(splits.len(), 6);
        for repeat in splits.chunks(3) {
            let mut tested: Vec<usize> = repeat.iter().flat_map(|split| split.test.clone()).collect();
            tested.sort_unstable();
            assert_eq!(tested, (0..11).collect::<Vec<_>>(), "a and b; c is alone in its class");
            for split in repeat {
                assert_complete(split, 17);
                assert!((2..=3).contains(&picked(&labels, &split.test, A)));
                assert!((1..=2).contains(&picked(&labels, &split.test, B)));
                assert!((3..=4).contains(&split.test.len()));
            }
        }
        assert_ne!(splits[..3], splits[3..]);
    }

    #[test]
    fn the_smallest_class_that_can_be_split_limits_the_folds() {
        let labels = [[A; 9].as_slice(), &[B; 3], &[C]].concat();
        assert_eq!(folds(&labels, &distinct(13), 10, 1, 1).len(), 3);
        assert_eq!(folds(&[A, B, None], &distinct(3), 10, 1, 1), []);
    }

    #[test]
    fn kept_labels_are_equally_many_a_class() {
        let mut labels = [[A; 10].as_slice(), &[B; 20], &[C; 30], &[None; 5]].concat();
        let before = labels.clone();
        assert_eq!(keep_labels(&mut labels, &names(), 12, 1).expect("60 labels are enough"), None);
        assert_eq!([A, B, C].map(|class| count(&labels, class)), [4, 4, 4]);
        assert!(labels.iter().zip(before).all(|(kept, was)| kept.is_none() || *kept == was));
    }

    #[test]
    fn what_a_class_lacks_the_others_give() {
        let mut labels = [[A; 1].as_slice(), &[B; 20], &[C; 30]].concat();
        let note = keep_labels(&mut labels, &names(), 7, 1).expect("51 labels are enough");
        assert_eq!([A, B, C].map(|class| count(&labels, class)), [1, 3, 3]);
        assert_eq!(note.as_deref(), Some("classes keep unequal numbers of labels: `a` 1, `b` 3, `c` 3"));
    }

    #[test]
    fn the_seed_chooses_which_class_gets_the_remainder() {
        let gets_more: Vec<usize> = (0..30)
            .map(|seed| {
                let mut labels = [[A; 9], [B; 9], [C; 9]].concat();
                keep_labels(&mut labels, &names(), 7, seed).expect("27 labels are enough");
                let counts = [A, B, C].map(|class| count(&labels, class));
                counts.iter().position(|&n| n == 3).expect("7 is 2 + 2 + 3")
            })
            .collect();
        assert!((0..3).all(|class| gets_more.contains(&class)), "{gets_more:?}");
    }

    #[test]
    fn fewer_kept_labels_are_a_part_of_more_and_of_those_of_a_longer_file() {
        let all = [[A; 9], [B; 9], [C; 9]].concat();
        let kept = |n, unlabelled| {
            let mut labels = [all.as_slice(), &vec![None; unlabelled]].concat();
            keep_labels(&mut labels, &names(), n, 5).expect("27 labels are enough");
            labels.truncate(27);
            labels
        };
        assert!(kept(4, 0).iter().zip(kept(11, 0)).all(|(few, more)| few.is_none() || *few == more));
        assert_eq!(kept(4, 0), kept(4, 100));
    }

    #[test]
    fn a_class_that_keeps_no_label_is_told_and_one_that_had_none_is_not() {
        let mut labels = [A, A, B, B];
        let note = keep_labels(&mut labels, &names(), 1, 1).expect("four labels are enough").expect("1 and 0");
        assert!(note.contains("` 0") && !note.contains("`c`"), "{note}");
    }

    #[test]
    fn only_labels_that_exist_can_be_kept() {
        for count in [0, 4] {
            let mut labels = [A, A, B, None];
            let error = keep_labels(&mut labels, &names(), count, 1).expect_err("there are three labels");
            assert_eq!(error.hint(), Some("3 items have a label: ask for 1 to 3"));
            assert_eq!(labels, [A, A, B, None]);
        }
    }

    #[test]
    fn copies_with_different_labels_are_conflicts() {
        let labels = [A, B, B, None, A, None, C];
        let groups = [0, 1, 0, 0, 2, 1, 1];
        assert_eq!(conflicts(&labels, &groups), [vec![0, 2], vec![1, 6]]);
    }

    #[test]
    fn labels_spread_to_copies_where_they_agree() {
        let mut labels = [A, None, A, B, None, None, C];
        // 0, 1, 2 agree on a; 3 and 6 disagree, so 4 stays open; 5 has no labelled copy
        assert_eq!(spread_labels(&mut labels, &[0, 0, 0, 1, 1, 2, 1]), 1);
        assert_eq!(labels, [A, A, A, B, None, None, C]);
    }
}
