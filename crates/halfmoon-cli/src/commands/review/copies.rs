//! Items that are copies of each other, exactly or nearly, and whether their labels contradict each other.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use halfmoon_journal::Split;
use halfmoon_pool::Class;
use halfmoon_pool::labels::grouped;
use serde_json::{Value, json};

use super::{Line, Most, Section, counted};
use crate::table::Table;

/// Items of a group that are shown or named.
const NAMED: usize = 5;

/// An item of a group.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) label: Option<Class>,
    pub(super) split: Split,
}

/// How like each other the items of a group are.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Exact,
    Near,
}

impl Kind {
    /// In the column `kind`.
    fn name(self) -> &'static str {
        match self {
            Kind::Exact => "exact_copy",
            Kind::Near => "near_copy",
        }
    }

    /// In the JSON object.
    fn plural(self) -> &'static str {
        match self {
            Kind::Exact => "exact_copies",
            Kind::Near => "near_copies",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Kind::Exact => "exact copies",
            Kind::Near => "near copies",
        }
    }

    fn one(self) -> &'static str {
        match self {
            Kind::Exact => "exact copy",
            Kind::Near => "near copy",
        }
    }
}

/// A group of copies and what follows from it.
struct Group {
    members: Vec<Member>,
    /// Labels by how many have them, the most frequent first.
    labels: Vec<(Class, usize)>,
    splits: Vec<Split>,
}

impl Group {
    fn of(members: Vec<Member>) -> Group {
        let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
        for label in members.iter().filter_map(|member| member.label) {
            *counts.entry(label).or_default() += 1;
        }
        let mut labels: Vec<(Class, usize)> = counts.into_iter().collect();
        labels.sort_by_key(|(class, count)| (Reverse(*count), *class));
        let mut splits: Vec<Split> = members.iter().map(|member| member.split).collect();
        splits.sort_unstable();
        splits.dedup();
        Group { members, labels, splits }
    }

    fn disagrees(&self) -> bool {
        self.labels.len() > 1
    }

    /// What most of the labels say where they disagree, and their share. `None` for a tie.
    fn proposed(&self) -> Option<(Class, f64)> {
        let [(class, most), (_, second), ..] = self.labels[..] else { return None };
        let all: usize = self.labels.iter().map(|(_, count)| count).sum();
        (most > second).then_some((class, most as f64 / all as f64))
    }

    /// First those whose labels disagree, the closest votes before the others; then those in several splits; then the
    /// largest.
    fn doubt(&self) -> impl Ord + use<> {
        let majority = self.labels.first().map_or(0, |(_, most)| *most);
        let all: usize = self.labels.iter().map(|(_, count)| count).sum();
        // Ten thousandths of the labels that the majority has.
        let share = if self.disagrees() { majority * 10_000 / all } else { 0 };
        (!self.disagrees(), share, self.splits.len() < 2, Reverse(self.members.len()))
    }
}

/// What is told of groups of copies, each given by its members.
pub(super) fn section(kind: Kind, groups: Vec<Vec<Member>>, classes: &[String], most: &Most) -> Section {
    let mut groups: Vec<Group> = groups.into_iter().map(Group::of).collect();
    groups.sort_by_cached_key(Group::doubt);
    let name = |class: Class| classes[class.index()].clone();
    let written = || groups.iter().take(most.written);
    let lines = written().flat_map(|group| {
        let (proposed, why) = (group.proposed(), why(group, classes));
        group.members.iter().enumerate().map(move |(at, member)| Line {
            kind: kind.name(),
            id: member.id.clone(),
            label: member.label.map(name),
            proposed: proposed.map(|(class, _)| name(class)),
            probability: proposed.map(|(_, share)| share),
            why: format!("{} of {}{why}", kind.one(), others(group, at)),
        })
    });
    let json: Vec<Value> = written()
        .map(|group| {
            let items: Vec<Value> = (group.members.iter())
                .map(|member| json!({"id": member.id, "label": member.label.map(name), "split": member.split.name()}))
                .collect();
            json!({
                "labels_disagree": group.disagrees(), "in_several_splits": group.splits.len() > 1,
                "proposed": group.proposed().map(|(class, _)| name(class)), "items": items,
            })
        })
        .collect();
    Section { name: kind.plural(), text: text(kind, &groups, classes, most), lines: lines.collect(), json: json.into() }
}

/// Of near copies that were not looked for, or say nothing.
pub(super) fn without(kind: Kind, text: String) -> Section {
    Section { name: kind.plural(), text, lines: vec![], json: Value::Null }
}

/// `` `17`, `20` and 3 more``, the item itself left out.
fn others(group: &Group, at: usize) -> String {
    let others = group.members.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, member)| member);
    let ids: Vec<&str> = others.map(|member| member.id.as_str()).collect();
    let more = ids.len().saturating_sub(NAMED);
    let named = ids[..ids.len() - more].iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} and {} more", grouped(more)) } else { named }
}

fn why(group: &Group, classes: &[String]) -> String {
    let mut why = String::new();
    if group.disagrees() {
        let labels = group.labels.iter().map(|(class, count)| format!("{} {count}", classes[class.index()]));
        why = format!("; labels disagree: {}", labels.collect::<Vec<_>>().join(", "));
    }
    if group.splits.len() > 1 {
        why.push_str("; in ");
        why.push_str(&group.splits.iter().map(|split| split.name()).collect::<Vec<_>>().join(" and "));
    }
    why
}

fn text(kind: Kind, groups: &[Group], classes: &[String], most: &Most) -> String {
    if groups.is_empty() {
        return format!("no {}\n", kind.words());
    }
    let count = |is: fn(&Group) -> bool| groups.iter().filter(|group| is(group)).count();
    let items: usize = groups.iter().map(|group| group.members.len()).sum();
    let (disagree, across) = (count(Group::disagrees), count(|group| group.splits.len() > 1));
    let mut text = format!("{} of {}, {} in all", counted(groups.len(), "group"), kind.words(), counted(items, "item"));
    if disagree > 0 {
        let _ = write!(text, "; in {} the labels disagree", grouped(disagree));
    }
    if across > 0 {
        let _ = write!(text, "; {} in several splits, where what is learned from is judged on", grouped(across));
    }
    let mut head = vec!["item", "group", "label"];
    head.extend((disagree > 0).then_some("most say"));
    head.extend((across > 0).then_some("split"));
    let columns = head.len();
    let mut table = Table::new(head);
    for (number, group) in (1..).zip(groups.iter().take(most.shown)) {
        let name = |class: Option<Class>| class.map_or_else(|| "–".into(), |class| classes[class.index()].clone());
        let members = shown(group);
        for member in members.iter().copied() {
            let mut cells = vec![member.id.clone(), grouped(number), name(member.label)];
            if disagree > 0 {
                let proposed =
                    if group.disagrees() { name(group.proposed().map(|(class, _)| class)) } else { String::new() };
                cells.push(proposed);
            }
            cells.extend((across > 0).then(|| member.split.name().to_owned()));
            table.row(cells);
        }
        let more = group.members.len() - members.len();
        if more > 0 {
            let mut cells = vec![format!("… {} more", grouped(more)), grouped(number)];
            cells.resize(columns, String::new());
            table.row(cells);
        }
    }
    let more = most.more(groups.len(), " groups");
    format!("{text}\n\n{table}{more}")
}

/// Some members of each label and split before further ones of the same.
fn shown(group: &Group) -> Vec<&Member> {
    if group.members.len() <= NAMED + 1 {
        return group.members.iter().collect();
    }
    let mut turns: BTreeMap<(Option<Class>, Split), usize> = BTreeMap::new();
    let mut queue: Vec<(usize, &Member)> = (group.members.iter())
        .map(|member| {
            let turn = turns.entry((member.label, member.split)).or_default();
            *turn += 1;
            (*turn, member)
        })
        .collect();
    queue.sort_by_key(|(turn, _)| *turn);
    queue.into_iter().take(NAMED).map(|(_, member)| member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(labels: &[Option<u16>]) -> Vec<Member> {
        let of = |(at, label): (usize, &Option<u16>)| Member {
            id: format!("{at}"),
            label: label.map(Class),
            split: Split::Train,
        };
        labels.iter().enumerate().map(of).collect()
    }

    fn sections(groups: &[&[Option<u16>]]) -> Section {
        let classes = ["cat", "dog"].map(str::to_owned);
        let most = Most { shown: 20, written: usize::MAX };
        section(Kind::Exact, groups.iter().map(|labels| members(labels)).collect(), &classes, &most)
    }

    #[test]
    fn a_majority_is_proposed_and_a_tie_is_not() {
        let group = |labels: &[Option<u16>]| Group::of(members(labels));
        assert_eq!(group(&[Some(1), Some(0), Some(1), None]).proposed(), Some((Class(1), 2.0 / 3.0)));
        assert_eq!(group(&[Some(0), Some(1)]).proposed(), None);
        assert_eq!(group(&[Some(0), Some(0)]).proposed(), None, "nothing is in doubt");
        assert_eq!(group(&[None, None]).proposed(), None);
    }

    #[test]
    fn groups_whose_labels_disagree_come_first_and_the_closest_votes_before_them() {
        let (agree, tie, two_to_one) = ([Some(0); 9], [Some(0), Some(1)], [Some(0), Some(1), Some(1)]);
        let found = sections(&[&agree, &two_to_one, &tie]);
        let sizes: Vec<usize> = (found.json.as_array().into_iter().flatten())
            .map(|group| group["items"].as_array().map_or(0, Vec::len))
            .collect();
        assert_eq!(sizes, [2, 3, 9]);
        assert_eq!(found.lines.len(), 14);
        assert_eq!(found.lines[2].proposed.as_deref(), Some("dog"));
        assert_eq!(found.lines[2].why, "exact copy of `1`, `2`; labels disagree: dog 2, cat 1");
        assert_eq!(found.lines[13].why, "exact copy of `0`, `1`, `2`, `3`, `4` and 3 more");
    }

    #[test]
    fn the_one_label_that_differs_is_shown_of_a_large_group() {
        let mut labels = [Some(0); 40];
        labels[33] = Some(1);
        let text = sections(&[&labels]).text;
        assert!(text.contains("33") && text.contains("… 35 more"), "{text}");
    }
}
