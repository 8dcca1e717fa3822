//! What a run says of its data, or of other ones.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use halfmoon::run::{self, Asked};
use halfmoon::set_aside::{SetAside, data_of_run, learned_from};
use halfmoon_journal::{Split, scan};
use halfmoon_pool::dataset::Inputs;
use halfmoon_pool::label_errors::{Suspect, likely_label_errors};
use halfmoon_pool::labels::grouped;
use halfmoon_pool::metric::LEAST_ITEMS;
use halfmoon_pool::read::{self, Problem, Source};
use halfmoon_pool::split::groups;
use halfmoon_pool::{Class, Dataset, Error};
use halfmoon_query::duplicates;
use serde_json::{Map, Value, json};

use super::copies::{Kind, Member, section, without};
use super::{Found, Line, Most, Section, counted, guard};
use crate::args::Review;
use crate::commands::temper::Temper;
use crate::table::Table;

/// Nearer than this are near copies, in units of the items' spread: as two scans of one page are.
const NEAR: f64 = 0.1;

/// Share of the items that may be near copies before so short a distance says nothing of them.
const MOST_NEAR: f64 = 0.1;

/// Products that a comparison of all items with each other may take, about a minute on two cores.
const PRODUCTS: f64 = 2e12;

/// Products from which on whoever waits is told for what.
const MANY_PRODUCTS: f64 = 1e11;

/// Columns below which a comparison gets no cheaper.
const LEAST_WIDTH: usize = 64;

pub(super) fn review(args: &Review) -> Result<Found, Error> {
    let asked = run::open(&args.of, args.model.as_deref(), &run::device("cpu")?)?;
    let mut kept = vec![("the run's data", PathBuf::from(&asked.config.data.path))];
    kept.extend(asked.config.data.test.iter().map(|path| ("the run's test data", PathBuf::from(path))));
    kept.extend(asked.config.data.labels_from.iter().map(|path| ("the run's labels", PathBuf::from(path))));
    kept.extend(args.data.iter().map(|path| ("the data", path.clone())));
    kept.extend(args.reading.labels_from.iter().map(|path| ("the labels", path.clone())));
    guard(args, &kept)?;
    let source = match &args.data {
        None => data_of_run(&args.of)?,
        Some(path) => {
            let source = read::read(path, &super::super::options(&asked, &args.reading)?)?;
            source.notes.iter().for_each(|note| eprintln!("note: {note}"));
            source
        }
    };
    for Problem { place, reason } in &source.problems {
        eprintln!("note: left out: {place}: {reason}");
    }
    let most = Most::of(args);
    let items = Items::of(&source);
    let exact = items.exact();
    let copies = section(Kind::Exact, items.members(&exact), &items.classes, &most);
    let near = near_copies(args, &asked, &items, &exact, &most);
    let names = items.names;
    let labelled = items.labels.iter().flatten().count();
    // What follows reads or copies the data anew: there may be no room for them twice.
    drop(items.inputs);
    let (n, data) = (items.splits.len(), args.data.as_deref().unwrap_or(Path::new(&asked.config.data.path)));
    let heading = format!(
        "{} by {} of {}: {}, {} of them labelled",
        data.display(),
        asked.entry.name,
        args.of.display(),
        counted(n, "item"),
        grouped(labelled)
    );
    let labels = label_errors(args, &asked, source, &names, labelled, &most)?;
    let about = Map::from_iter([
        ("run".to_owned(), json!(args.of.to_string_lossy())),
        ("model".to_owned(), json!(asked.entry.name)),
        ("data".to_owned(), json!(data.to_string_lossy())),
        ("items".to_owned(), json!(n)),
        ("labelled".to_owned(), json!(labelled)),
    ]);
    Ok(Found { heading, about, sections: [Some(labels), Some(copies), near].into_iter().flatten().collect() })
}

/// The items of all splits in one list.
struct Items {
    inputs: Inputs,
    labels: Vec<Option<Class>>,
    splits: Vec<Split>,
    ids: Vec<String>,
    classes: Vec<String>,
    names: Names,
}

/// What items are called that share an id with an item of another split.
struct Names(HashMap<(Split, String), String>);

impl Names {
    fn of(&self, split: Split, id: String) -> String {
        self.0.get(&(split, id.clone())).cloned().unwrap_or(id)
    }
}

impl Items {
    fn of(source: &Source) -> Items {
        let all = [(Split::Train, Some(&source.train)), (Split::Validation, source.validation.as_ref())];
        let all = all.into_iter().chain([(Split::Test, source.test.as_ref())]);
        let datasets: Vec<(Split, &Dataset)> = all.filter_map(|(split, items)| Some((split, items?))).collect();
        let named =
            scan::ids(&datasets.iter().map(|(split, items)| (*split, &items.ids, items.len())).collect::<Vec<_>>());
        let mut items = Items {
            inputs: source.train.inputs.select(&[]),
            labels: vec![],
            splits: vec![],
            ids: vec![],
            classes: source.train.schema.classes.clone(),
            names: Names(HashMap::new()),
        };
        for ((split, dataset), ids) in datasets.into_iter().zip(named) {
            for (row, id) in ids.iter().enumerate() {
                let own = dataset.ids.get(row);
                if own != *id {
                    items.names.0.entry((split, own)).or_insert_with(|| id.clone());
                }
            }
            let Some(inputs) = items.inputs.chain(&dataset.inputs) else {
                eprintln!(
                    "note: numbers of the {} split are of another type: it is not compared with the others",
                    split.name()
                );
                continue;
            };
            items.inputs = inputs;
            items.labels.extend(&dataset.labels);
            items.splits.extend(std::iter::repeat_n(split, dataset.len()));
            items.ids.extend(ids);
        }
        items
    }

    /// The items of each exact input, in the order of their first item.
    fn exact(&self) -> Vec<Vec<usize>> {
        let mut found: Vec<Vec<usize>> = vec![];
        for (item, group) in groups(&self.inputs).into_iter().enumerate() {
            if group as usize == found.len() {
                found.push(vec![]);
            }
            found[group as usize].push(item);
        }
        found
    }

    fn members(&self, groups: &[Vec<usize>]) -> Vec<Vec<Member>> {
        let member =
            |&item: &usize| Member { id: self.ids[item].clone(), label: self.labels[item], split: self.splits[item] };
        groups.iter().filter(|items| items.len() > 1).map(|items| items.iter().map(member).collect()).collect()
    }
}

/// Distinct inputs that are near each other. `None` where nobody wants them.
fn near_copies(args: &Review, asked: &Asked, items: &Items, exact: &[Vec<usize>], most: &Most) -> Option<Section> {
    let near = args.near.unwrap_or(NEAR);
    if near <= 0.0 {
        return None;
    }
    let encoding = &asked.data.encoding;
    let width = encoding.layout().width().max(LEAST_WIDTH) as f64;
    // Labelled ones first, since what their labels say can be compared.
    let mut distinct: Vec<&Vec<usize>> = exact.iter().collect();
    let limit = (PRODUCTS / width).sqrt();
    if distinct.len() as f64 > limit {
        distinct.sort_by_key(|items_of| items_of.iter().all(|&item| items.labels[item].is_none()));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "less than the number of items")]
        distinct.truncate(limit as usize);
        eprintln!(
            "note: near copies are looked for among {} of {} distinct items, labelled ones first: all would take too long",
            grouped(distinct.len()),
            grouped(exact.len())
        );
    }
    if width * (distinct.len() as f64).powi(2) > MANY_PRODUCTS {
        eprintln!("looking for near copies among {} items; --near 0 leaves that out", grouped(distinct.len()));
    }
    let rows: Vec<usize> = distinct.iter().map(|items| items[0]).collect();
    let numbers = duplicates::groups(encoding.encode(&items.inputs, &rows).view(), near);
    let found = duplicates::listed(&numbers);
    let joined: usize = found.iter().map(Vec::len).sum();
    if args.near.is_none() && joined as f64 > MOST_NEAR * rows.len() as f64 {
        let text = format!(
            "near copies are not told apart: {} of {} distinct items are within {near} of another one, so that is usual \
             here; --near DISTANCE lists them all the same\n",
            grouped(joined),
            grouped(rows.len())
        );
        return Some(without(Kind::Near, text));
    }
    let of_items = |group: &Vec<usize>| {
        let mut of_all: Vec<usize> = group.iter().flat_map(|&row| distinct[row].iter().copied()).collect();
        of_all.sort_unstable();
        of_all
    };
    let found: Vec<Vec<usize>> = found.iter().map(of_items).collect();
    Some(section(Kind::Near, items.members(&found), &items.classes, most))
}

/// Labels that answers speak against which were given without them.
fn label_errors(
    args: &Review,
    asked: &Asked,
    source: Source,
    names: &Names,
    labelled: usize,
    most: &Most,
) -> Result<Section, Error> {
    let device = run::device("cpu")?;
    let entries = [asked.entry];
    let is_test = source.test.as_ref().is_some_and(|test| args.data.is_some() || !test.labelled().is_empty());
    let split = if is_test { Split::Test } else { Split::Train };
    let aside = match &args.data {
        None => {
            drop(source);
            SetAside::of_run(&args.of, &entries, &device)
        }
        Some(path) => SetAside::of_data(&args.of, path, source, &entries, &device),
    };
    let aside = match aside {
        Ok(aside) => aside,
        // What is wrong with the data said so before: here there is nothing that could be judged.
        Err(error @ Error::Data { .. }) => {
            let text = format!("labels are not judged: {error}\n");
            return Ok(Section { name: "label_errors", text, lines: vec![], json: Value::Null });
        }
        Err(error) => return Err(error),
    };
    if !asked.finished {
        eprintln!("note: the training of this model was stopped before its last step");
    }
    let temper = match &args.data {
        None => Temper::of_held_out(&aside.items, asked.config.run.seed),
        Some(_) => Temper::of_others(),
    };
    let predictions = temper.apply(aside.predictions(0), asked.trust.as_ref());
    let unseen = match &args.data {
        None => (0..aside.items.len()).collect(),
        Some(_) => unseen(args, &aside.items),
    };
    tell_left_out(args, asked, split, labelled.saturating_sub(unseen.len()));
    let name = asked.entry.name;
    let Some(suspects) = likely_label_errors(&predictions.select(&unseen)) else {
        let text = format!(
            "labels are not judged: {LEAST_ITEMS} are needed that {name} has not learned from, and there are {}\n",
            unseen.len()
        );
        return Ok(Section { name: "label_errors", text, lines: vec![], json: Value::Null });
    };
    let id = |suspect: &Suspect| names.of(split, aside.items.ids.get(unseen[suspect.item]));
    let class = |class: Class| aside.items.schema.classes[class.index()].clone();
    let protocol = aside.protocol.strip_prefix("figures on ").unwrap_or(&aside.protocol);
    let mut text = format!(
        "{} of {} may be wrong, says {name}, which has not learned from them ({protocol})\n",
        if suspects.is_empty() { "none".to_owned() } else { grouped(suspects.len()) },
        counted(unseen.len(), "label")
    );
    if !suspects.is_empty() {
        let mut table = Table::new(["item", "label", "probability", "perhaps", "probability"]);
        for suspect in suspects.iter().take(most.shown) {
            let p = |p: f32| format!("{p:.4}");
            let Suspect { label, likely, p_label, p_likely, .. } = *suspect;
            table.row([id(suspect), class(label), p(p_label), class(likely), p(p_likely)]);
        }
        let _ = write!(text, "\n{table}{}", most.more(suspects.len(), ""));
    }
    let written = || suspects.iter().take(most.written);
    let lines = written().map(|suspect| Line {
        kind: "label_error",
        id: id(suspect),
        label: Some(class(suspect.label)),
        proposed: Some(class(suspect.likely)),
        probability: Some(suspect.p_likely.into()),
        why: format!("{name}, which has not learned from this label, gives it a probability of {:.4}", suspect.p_label),
    });
    let json: Vec<Value> = written()
        .map(|suspect| {
            json!({
                "id": id(suspect), "label": class(suspect.label), "proposed": class(suspect.likely),
                "p_label": suspect.p_label, "p_proposed": suspect.p_likely,
            })
        })
        .collect();
    Ok(Section { name: "label_errors", text, lines: lines.collect(), json: json.into() })
}

/// Positions of the items of other data whose label the run has not learned from.
fn unseen(args: &Review, items: &Dataset) -> Vec<usize> {
    let all = || (0..items.len()).collect();
    let train = match learned_from(&args.of) {
        Ok(train) => train,
        Err(error) => {
            eprintln!(
                "note: what this run learned from cannot be read again, so its labels are judged too, and it repeats them: \
                 {error}"
            );
            return all();
        }
    };
    let learned = train.labelled();
    let Some(inputs) = train.inputs.select(&learned).chain(&items.inputs) else { return all() };
    let groups = groups(&inputs);
    let (of_learned, of_items) = groups.split_at(learned.len());
    // Numbers count from 0 in order of first appearance.
    let known = of_learned.iter().max().map_or(0, |&last| last + 1);
    (0..items.len()).filter(|&item| of_items[item] >= known).collect()
}

/// Labels that are not judged, and how they would be.
fn tell_left_out(args: &Review, asked: &Asked, split: Split, left_out: usize) {
    if left_out == 0 {
        return;
    }
    let why = if args.data.is_some() {
        "the run has learned from them, or they are in another split than the one that is judged"
    } else if split == Split::Test || asked.config.data.labels.is_some() {
        "the run did not hold them out. It judges every label by folds where it is trained without --labels, on data \
         without a test split"
    } else {
        "no other item of their class has a label, so the run could not hold them out"
    };
    eprintln!(
        "note: {} not judged: {why}",
        if left_out == 1 { "1 label is".to_owned() } else { format!("{} labels are", grouped(left_out)) }
    );
}
