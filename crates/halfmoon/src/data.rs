//! What is learned from: data as they lie, or those of a project with the labels that people gave.

use std::collections::HashMap;
use std::path::Path;

use halfmoon_journal::fold::Fold;
use halfmoon_journal::moved::refuse_moved_rows;
use halfmoon_journal::{Action, EventId, ItemId, Journal, Split, scan};
use halfmoon_pool::dataset::Features;
use halfmoon_pool::labels::grouped;
use halfmoon_pool::read::{self, Options, Source, is_called_id};
use halfmoon_pool::{Class, Dataset, Result};

use crate::config::Config;
use crate::run::DataRecord;

/// Data, and what their labels were at the time.
pub(crate) struct Read {
    pub(crate) source: Source,
    /// Of a project, the last event that its labels are made of.
    pub(crate) learned: Option<i64>,
}

/// Reads what `config` names. Labels of a project are those that most people gave, as they stood after `until`, or as they
/// stand now.
pub(crate) fn read(config: &Config, until: Option<i64>) -> Result<Read> {
    let path = Path::new(&config.data.path);
    if !Journal::is_at(path) {
        return Ok(Read { source: read::read(path, &config.options())?, learned: None });
    }
    let journal = Journal::open_to_read(path)?;
    let _now = journal.snapshot()?;
    let options = Options { count_rows: journal.project()?.counts_rows(), ..config.options() };
    let data = journal.data()?;
    let until = until.map_or_else(|| journal.last_event(), |until| Ok(EventId(until)))?;
    let Said { classes, labels } = said(&journal, until)?;
    let mut source = read::read(&data, &options)?;
    let Source { train, validation, test, notes, .. } = &mut source;
    let splits = [(Split::Train, Some(train)), (Split::Validation, validation.as_mut()), (Split::Test, test.as_mut())];
    let mut splits: Vec<(Split, &mut Dataset)> =
        splits.into_iter().filter_map(|(split, dataset)| Some((split, dataset?))).collect();
    let ids = scan::ids(&splits.iter().map(|(split, of)| (*split, &of.ids, of.len())).collect::<Vec<_>>());
    let now: Vec<(&[String], &Dataset)> =
        ids.iter().zip(&splits).map(|(ids, (_, dataset))| (ids.as_slice(), &**dataset)).collect();
    refuse_moved_rows(&journal, &now)?;
    let mut used = 0;
    for ((_, dataset), ids) in splits.iter_mut().zip(ids) {
        dataset.schema.classes.clone_from(&classes);
        dataset.labels = ids.iter().map(|id| labels.get(id).copied()).collect();
        used += dataset.labelled().len();
    }
    notes.push(format!("{} labels are those of {}", grouped(used), path.display()));
    if used < labels.len() {
        let gone = grouped(labels.len() - used);
        notes.push(format!(
            "{gone} labelled items of {} are not among its data: gone, or made by a model",
            path.display()
        ));
    }
    Ok(Read { source, learned: Some(until.0) })
}

/// Reads anew what a run learned from. A column `id` that it learned from is a value, whatever it is to others.
pub(crate) fn read_again(config: &Config, record: &DataRecord) -> Result<Read> {
    let mut config = config.clone();
    if let Features::Columns(columns) = &record.schema.features {
        let values = columns.iter().filter(|column| is_called_id(&column.name));
        config.data.columns.extend(values.map(|column| (column.name.clone(), column.kind.name().to_owned())));
    }
    read(&config, record.learned)
}

/// What a journal says up to an event.
struct Said {
    classes: Vec<String>,
    /// By the item's id.
    labels: HashMap<String, Class>,
}

fn said(journal: &Journal, until: EventId) -> Result<Said> {
    let (mut fold, mut classes) = (Fold::default(), Vec::new());
    journal.each_event(EventId(0), &mut |id, event| {
        if id <= until {
            fold.apply(id, &event);
            if let Action::NewClass(name) = event.action {
                classes.push(name);
            }
        }
        Ok(())
    })?;
    let verdicts = fold.labels().majority();
    let of: HashMap<ItemId, Class> =
        verdicts.into_iter().filter_map(|verdict| Some((verdict.item, verdict.class?))).collect();
    let labelled = |(number, item): (ItemId, halfmoon_journal::Item)| Some((item.id, *of.get(&number)?));
    Ok(Said { classes, labels: journal.items()?.into_iter().filter_map(labelled).collect() })
}
