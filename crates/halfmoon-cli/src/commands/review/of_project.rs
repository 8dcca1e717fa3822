//! What a project's annotators disagree about, and copies with labels that contradict each other.

use std::collections::{BTreeMap, HashMap};

use halfmoon_journal::dawid_skene::Skills;
use halfmoon_journal::duplicates::copies;
use halfmoon_journal::{Item, ItemId, Journal, Verdict, Vote};
use halfmoon_pool::labels::grouped;
use halfmoon_pool::{Class, Error};
use serde_json::{Map, Value, json};

use super::copies::{Kind, Member, section};
use super::{Found, Line, Most, Section, counted, guard};
use crate::Failure;
use crate::args::Review;
use crate::commands::annotators::Annotators;
use crate::table::Table;

/// What stands is in doubt where its probability is below this.
const SURE: f64 = 0.9;

/// Annotators that are named beside a class.
const NAMED: usize = 3;

pub(super) fn review(args: &Review) -> Result<Found, Failure> {
    if args.data.is_some() || args.model.is_some() {
        return Err(Error::usage(
            format!("{}: a project is reviewed by its own labels alone", args.of.display()),
            "leave DATA and --model out, or name a run folder that `halfmoon train` wrote",
        )
        .into());
    }
    let journal = Journal::open_to_read(&args.of)?;
    let data = journal.data().unwrap_or_default();
    guard(args, &[("the project", args.of.clone()), ("the project's data", data)])?;
    let now = journal.snapshot()?;
    let (classes, items) = (journal.classes()?, journal.items()?);
    let annotators = Annotators::of(journal.labels()?, classes.len());
    let name = journal.project()?.name;
    drop(now);

    let by_number: HashMap<ItemId, &Item> = items.iter().map(|(number, item)| (*number, item)).collect();
    let most = Most::of(args);
    let mut heading =
        format!("{name}: {}, {} of them labelled", counted(items.len(), "item"), grouped(annotators.labelled()));
    let disagreements = match &annotators.skills {
        Some(skills) => {
            let mut text = format!("\n\n{}", annotators.table()).into_bytes();
            annotators.print_agreement(&mut text)?;
            let text = String::from_utf8(text).expect("what is printed is text");
            heading.push_str(text.trim_end());
            disagreements(&annotators, skills, &by_number, &classes, &most)
        }
        None => Section {
            name: "disagreements",
            text: "annotators are not compared: no item has labels by two of them\n".into(),
            lines: vec![],
            json: Value::Null,
        },
    };
    let labels: HashMap<ItemId, Class> =
        annotators.verdicts.iter().filter_map(|verdict| Some((verdict.item, verdict.class?))).collect();
    let member = |number: &ItemId| {
        let item = by_number[number];
        Member { id: item.id.clone(), label: labels.get(number).copied(), split: item.split }
    };
    let groups = copies(&items, &annotators.verdicts);
    let groups = groups.iter().map(|group| group.items.iter().map(member).collect()).collect();
    let about = Map::from_iter([
        ("project".to_owned(), json!(name)),
        ("items".to_owned(), json!(items.len())),
        ("labelled".to_owned(), json!(annotators.labelled())),
        ("annotators".to_owned(), annotators.to_json()),
        ("agreement".to_owned(), annotators.agreement_to_json()),
    ]);
    Ok(Found { heading, about, sections: vec![disagreements, section(Kind::Exact, groups, &classes, &most)] })
}

/// An item whose label is in doubt.
struct Doubt<'a> {
    item: &'a Item,
    /// What stands; `None` is a tie.
    label: Option<Class>,
    /// Probability that it is right; 0 where nothing stands.
    p_label: f64,
    /// Of the votes weighed by skill.
    weighted: Verdict,
    is_disputed: bool,
    votes: &'a [Vote],
}

/// Items on which annotators disagree, or whose label several gave who are often wrong. A label that nobody contradicts is in
/// no doubt.
fn disagreements(
    annotators: &Annotators,
    skills: &Skills,
    items: &HashMap<ItemId, &Item>,
    classes: &[String],
    most: &Most,
) -> Section {
    let Annotators { labels, verdicts, .. } = annotators;
    // All three are of the items that somebody labelled, in the same order.
    let weighted = skills.verdicts(labels);
    let votes = labels.by_item().filter(|votes| votes.iter().any(|vote| vote.class.is_some()));
    let all = verdicts.iter().zip(weighted).zip(&skills.probs).zip(votes);
    let mut doubts: Vec<Doubt> = all
        .filter_map(|(((verdict, weighted), probs), votes)| {
            let p_label = verdict.class.map_or(0.0, |class| probs[class.index()]);
            let is_disputed = verdict.classes > 1;
            let is_doubted = is_disputed || p_label < SURE || weighted.class != verdict.class;
            let (item, label) = (items[&verdict.item], verdict.class);
            is_doubted.then_some(Doubt { item, label, p_label, weighted, is_disputed, votes })
        })
        .collect();
    doubts.sort_by(|a, b| {
        let least_sure = a.p_label.total_cmp(&b.p_label).then(a.weighted.weight.total_cmp(&b.weighted.weight));
        least_sure.then(a.weighted.item.cmp(&b.weighted.item))
    });
    let name = |class: Class| classes[class.index()].clone();
    let mut text = if doubts.is_empty() {
        "no label is in doubt\n".to_owned()
    } else {
        let other = doubts.iter().filter(|doubt| doubt.weighted.class != doubt.label).count();
        format!(
            "{} in doubt: in dispute, or labelled by those who are often wrong; for {} the votes weighed by skill (Dawid and \
             Skene) say something else than most of them\n\n",
            if doubts.len() == 1 { "1 label is".to_owned() } else { format!("{} labels are", grouped(doubts.len())) },
            grouped(other)
        )
    };
    if !doubts.is_empty() {
        let mut table = Table::new(["item", "label", "probability", "by skill", "probability", "votes"]);
        let or_dash = |class: Option<Class>| class.map_or_else(|| "–".into(), name);
        for doubt in doubts.iter().take(most.shown) {
            let p_label = doubt.label.map_or_else(|| "–".into(), |_| format!("{:.4}", doubt.p_label));
            let Verdict { class, weight, .. } = doubt.weighted;
            let votes = votes_in_words(doubt.votes, annotators, classes);
            table.row([
                doubt.item.id.clone(),
                or_dash(doubt.label),
                p_label,
                or_dash(class),
                format!("{weight:.4}"),
                votes,
            ]);
        }
        text.push_str(&table.to_string());
        text.push_str(&most.more(doubts.len(), ""));
    }
    let written = || doubts.iter().take(most.written);
    let lines = written().map(|doubt| Line {
        kind: if doubt.is_disputed { "disagreement" } else { "unsure" },
        id: doubt.item.id.clone(),
        label: doubt.label.map(name),
        proposed: doubt.weighted.class.map(name),
        probability: Some(doubt.weighted.weight),
        why: votes_in_words(doubt.votes, annotators, classes),
    });
    let json: Vec<Value> = written()
        .map(|doubt| {
            let votes: Vec<Value> = (doubt.votes.iter())
                .map(|vote| {
                    json!({"annotator": annotators.labels.annotators[vote.annotator], "class": vote.class.map(name)})
                })
                .collect();
            json!({
                "id": doubt.item.id, "label": doubt.label.map(name), "p_label": doubt.label.map(|_| doubt.p_label),
                "proposed": doubt.weighted.class.map(name), "p_proposed": doubt.weighted.weight,
                "disputed": doubt.is_disputed, "votes": votes,
            })
        })
        .collect();
    Section { name: "disagreements", text, lines: lines.collect(), json: json.into() }
}

/// `dog: ann, bo; cat: data`, the class with most voices first. Who skipped says nothing.
fn votes_in_words(votes: &[Vote], annotators: &Annotators, classes: &[String]) -> String {
    let mut by_class: BTreeMap<Class, Vec<&str>> = BTreeMap::new();
    for vote in votes {
        if let Some(class) = vote.class {
            by_class.entry(class).or_default().push(&annotators.labels.annotators[vote.annotator]);
        }
    }
    let mut by_class: Vec<(Class, Vec<&str>)> = by_class.into_iter().collect();
    by_class.sort_by_key(|(class, names)| (std::cmp::Reverse(names.len()), *class));
    let in_words = |(class, names): &(Class, Vec<&str>)| {
        let more = names.len().saturating_sub(NAMED);
        let named = names[..names.len() - more].join(", ");
        let more = if more > 0 { format!(" and {} more", grouped(more)) } else { String::new() };
        format!("{}: {named}{more}", classes[class.index()])
    };
    by_class.iter().map(in_words).collect::<Vec<_>>().join("; ")
}
