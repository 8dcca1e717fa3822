//! Exact copies: items with the same content.

use std::collections::HashMap;

use halfmoon_pool::Class;

use crate::fold::Verdict;
use crate::item::{Content, Item, ItemId, Split};

/// Items that are copies of each other, two at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// In the order of adding.
    pub items: Vec<ItemId>,
    /// The splits that they are in, each once. More than one: what is learnt from is judged on.
    pub splits: Vec<Split>,
    /// The classes that the verdicts give them, each once. More than one: at least one is wrong.
    pub classes: Vec<Class>,
}

/// Every group of copies, in the order of its first item. Verdicts are those of
/// [`Labels::majority`](crate::Labels::majority) or [`Skills::verdicts`](crate::dawid_skene::Skills::verdicts).
pub fn copies(items: &[(ItemId, Item)], verdicts: &[Verdict]) -> Vec<Copies> {
    let classes: HashMap<ItemId, Class> =
        verdicts.iter().filter_map(|verdict| Some((verdict.item, verdict.class?))).collect();
    let mut places: HashMap<Content, usize> = HashMap::new();
    let mut groups: Vec<Copies> = Vec::new();
    for (number, item) in items {
        let place = *places.entry(item.content).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Copies { items: Vec::new(), splits: Vec::new(), classes: Vec::new() });
        }
        let group = &mut groups[place];
        group.items.push(*number);
        group.splits.push(item.split);
        group.classes.extend(classes.get(number));
    }
    groups.retain(|group| group.items.len() > 1);
    for Copies { splits, classes, .. } in &mut groups {
        splits.sort_unstable();
        splits.dedup();
        classes.sort_unstable();
        classes.dedup();
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_found_with_what_contradicts_itself_in_them() {
        let item = |id: &str, content: &str, split| Item {
            id: id.into(),
            path: None,
            content: Content::of(content.as_bytes()),
            split,
        };
        let items = [
            (ItemId(1), item("a", "x", Split::Train)),
            (ItemId(2), item("b", "y", Split::Train)),
            (ItemId(3), item("c", "x", Split::Test)),
            (ItemId(4), item("d", "z", Split::Train)),
            (ItemId(5), item("e", "z", Split::Train)),
            (ItemId(6), item("f", "x", Split::Train)),
        ];
        let verdict = |item, class| Verdict { item: ItemId(item), class, weight: 1.0, classes: 1 };
        let verdicts =
            [verdict(1, Some(Class(0))), verdict(4, Some(Class(1))), verdict(5, None), verdict(6, Some(Class(1)))];
        let first = Copies {
            items: vec![ItemId(1), ItemId(3), ItemId(6)],
            splits: vec![Split::Train, Split::Test],
            classes: vec![Class(0), Class(1)],
        };
        let second = Copies { items: vec![ItemId(4), ItemId(5)], splits: vec![Split::Train], classes: vec![Class(1)] };
        assert_eq!(copies(&items, &verdicts), [first, second]);
    }
}
