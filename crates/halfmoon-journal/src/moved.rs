//! Data whose items are called otherwise than when they were labelled: each label would go to another item.
//!
//! Rows that are known by their numbers move when one is put between them, and all ids change when a column of ids comes, goes or
//! can no longer name the items. What an item holds says so: it is elsewhere now. An item that holds something new, and whose old
//! content is nowhere, was edited and keeps its labels.

use std::collections::HashMap;

use halfmoon_pool::dataset::{Features, Ids};
use halfmoon_pool::labels::grouped;
use halfmoon_pool::{Dataset, Error, Result};

use crate::item::Content;
use crate::journal::Journal;
use crate::scan::contents;

/// Refuses data of which a labelled item is elsewhere now: ids and contents of all items as they are now.
pub fn refuse_moved<'a>(journal: &Journal, now: impl Iterator<Item = (&'a str, Content)> + Clone) -> Result<()> {
    refuse(journal, &journal.labelled_contents()?, now)
}

fn refuse<'a>(
    journal: &Journal,
    labelled: &HashMap<String, Content>,
    now: impl Iterator<Item = (&'a str, Content)> + Clone,
) -> Result<()> {
    let mut lost: HashMap<Content, &str> = labelled.iter().map(|(id, content)| (*content, id.as_str())).collect();
    for (id, content) in now.clone() {
        if labelled.get(id) == Some(&content) {
            lost.remove(&content);
        }
    }
    // What was lost, as it was called and as it is called now.
    let mut moved: HashMap<Content, (&str, &str)> = HashMap::new();
    for (id, content) in now {
        let Some(before) = lost.get(&content) else { continue };
        if journal.holds(id, content)? {
            // A copy that was there before is no item that has moved.
            lost.remove(&content);
            moved.remove(&content);
        } else {
            moved.entry(content).or_insert((before, id));
        }
    }
    let Some((before, now)) = moved.values().min() else { return Ok(()) };
    let problem = format!(
        "{} of its {} labelled items are called otherwise in the data now, such as `{before}`, which is `{now}`: labels would go to the wrong ones",
        grouped(moved.len()),
        grouped(labelled.len())
    );
    let hint = "put the data back as they were, ids and order included, or begin a new project with them and import labels by ids that stay";
    Err(Error::data(journal.path(), problem, hint))
}

/// The same of these data, whose items have these ids. Pictures in files of their own are let be: whoever puts one into another folder means it.
pub fn refuse_moved_rows(journal: &Journal, splits: &[(&[String], &Dataset)]) -> Result<()> {
    let labelled = journal.labelled_contents()?;
    let of_files = |dataset: &Dataset| {
        matches!(dataset.schema.features, Features::Image(_)) && matches!(dataset.ids, Ids::Names(_))
    };
    if splits.iter().any(|(_, dataset)| of_files(dataset)) {
        return Ok(());
    }
    // What is labelled is soon looked at; all is hashed only where something is not as it was.
    let mut same = 0;
    for (ids, dataset) in splits {
        let rows: Vec<usize> = (0..ids.len()).filter(|&row| labelled.contains_key(&ids[row])).collect();
        let found = contents(&dataset.select(&rows));
        same += rows.iter().zip(found).filter(|(row, content)| labelled[&ids[**row]] == *content).count();
    }
    if same == labelled.len() {
        return Ok(());
    }
    let contents: Vec<Vec<Content>> = splits.iter().map(|(_, dataset)| contents(dataset)).collect();
    let rows = splits
        .iter()
        .zip(&contents)
        .flat_map(|((ids, _), contents)| ids.iter().map(String::as_str).zip(contents.iter().copied()));
    refuse(journal, &labelled, rows)
}
