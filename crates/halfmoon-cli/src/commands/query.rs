//! `halfmoon query`: which unlabelled items to label next, and why.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use halfmoon::run::{self, Asked};
use halfmoon::set_aside::learned_from;
use halfmoon_journal::Journal;
use halfmoon_pool::dataset::{Column, Features, Ids};
use halfmoon_pool::labels::grouped;
use halfmoon_pool::metric::predicted;
use halfmoon_pool::read::{self, Options};
use halfmoon_pool::scores::{Predictor, probs};
use halfmoon_pool::{Dataset, Error};
use halfmoon_query::{Ask, Ensemble, Questions, Said, keys_of_ids, keys_of_rows, rule};
use halfmoon_report::escaped;
use ndarray::{Array2, Axis};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::Failure;
use crate::args::{Query, QueryFormat, Reading};

pub(crate) fn run(args: &Query) -> Result<(), Failure> {
    let rule = rule(&args.rule)?;
    let asked = run::open(&args.run, args.model.as_deref(), &run::device("cpu")?)?;
    let committee = committee(&args.run, args.model.as_deref(), &args.committee, &asked)?;
    let predictor = committee.as_ref().map_or(&*asked.predictor, |committee| committee as &dyn Predictor);
    let labelled = labelled(&args.run, &asked);
    let ask = Ask { budget: args.number.get(), seed: args.seed, apart: args.apart, ..Ask::default() };
    let questions = Questions::of(rule, &ask, args.draws);
    let source = Source::at(&args.pool, &args.reading, &asked)?;
    let candidates = Candidates::read(&source, &asked, predictor, &questions, labelled.as_ref())?;
    let keys = keys_of_ids(&Ids::Names(candidates.ids.clone()));
    let of_labelled = labelled.as_ref().map(|rows| questions.ask(predictor, rows.view()));
    let pool = candidates.said.pool(&keys, of_labelled.as_ref(), &asked.data.schema.classes);
    let query = rule.query(&pool, &ask)?;
    candidates.tell();
    if query.too_near > 0 {
        let passed_over = "candidates were passed over: as good as copies of chosen ones";
        eprintln!("note: {} {passed_over}", grouped(query.too_near));
    }
    eprintln!("{} of {} candidates", grouped(query.picks.len()), grouped(candidates.ids.len()));
    let probs = probs(&candidates.said.scores.log_probs);
    let chosen: Vec<Chosen> = query
        .picks
        .iter()
        .map(|pick| {
            let row = probs.row(pick.item);
            let class = predicted(row);
            Chosen {
                id: &candidates.ids[pick.item],
                label: &asked.data.schema.classes[class.index()],
                probability: row[class.index()],
                utility: pick.utility,
                reason: &pick.reason,
            }
        })
        .collect();
    let text = match args.written {
        QueryFormat::Csv => csv(&chosen, args.explain)?,
        QueryFormat::LabelStudio => label_studio(&chosen, rule.name, &asked, &shown(&chosen, &source, &asked)?),
    };
    write(&text, args.output.as_deref(), &source, &asked)
}

/// To a file, which must be neither the pool nor the run's data, or to standard output.
pub(super) fn write(text: &[u8], output: Option<&Path>, pool: &Source, asked: &Asked) -> Result<(), Failure> {
    let kept = [("the pool", pool.data.as_path()), ("the run's data", Path::new(&asked.config.data.path))];
    match output {
        None => std::io::stdout().lock().write_all(text)?,
        Some(output) => {
            super::refuse_to_overwrite(output, &kept)?;
            super::write(output, text)?;
            writeln!(std::io::stdout().lock(), "{}", output.display())?;
        }
    }
    Ok(())
}
/// The models of further runs beside this one, as draws of one model.
pub(super) fn committee(
    first: &Path,
    model: Option<&str>,
    others: &[PathBuf],
    asked: &Asked,
) -> Result<Option<Ensemble>, Error> {
    if others.is_empty() {
        return Ok(None);
    }
    let mut members = vec![run::open(first, model, &run::device("cpu")?)?.predictor];
    for (number, folder) in others.iter().enumerate() {
        if others[..number].iter().map(PathBuf::as_path).chain([first]).any(|other| super::same_file(folder, other)) {
            let hint = "a committee needs models that differ: name runs with other seeds";
            return Err(Error::usage(format!("--committee: {} is in it twice", folder.display()), hint));
        }
        let other = run::open(folder, None, &run::device("cpu")?)?;
        if other.data.encoding != asked.data.encoding || other.data.schema.classes != asked.data.schema.classes {
            let problem = "sees inputs, or names classes, in another way than the first run";
            return Err(Error::data(
                folder.as_path(),
                problem,
                "train all of a committee on the same data, with other seeds",
            ));
        }
        members.push(other.predictor);
    }
    Ensemble::new(members).map(Some)
}

/// The labelled items that the run learned from, encoded. `None`, with a note, where its data are gone.
pub(super) fn labelled(run: &Path, asked: &Asked) -> Option<Array2<f32>> {
    let train: Dataset = match learned_from(run) {
        Ok(train) => train,
        Err(error) => {
            eprintln!(
                "note: what this run learned from cannot be read again, so no candidate is left out for being labelled: {error}"
            );
            return None;
        }
    };
    let rows = train.labelled();
    (!rows.is_empty()).then(|| asked.data.encoding.encode(&train.inputs, &rows))
}

/// Where candidates are looked for.
pub(super) struct Source {
    data: PathBuf,
    options: Options,
    /// Ids of what has a label there already.
    labelled: HashSet<String>,
}

impl Source {
    /// Data as they lie; or those of a project, without what people have labelled.
    pub(super) fn at(pool: &Path, reading: &Reading, asked: &Asked) -> Result<Source, Error> {
        let (data, labelled, counts_rows) = Source::of(pool)?;
        let mut options = super::options(asked, reading)?;
        options.count_rows |= counts_rows;
        // A project is given labels by id: the ids are those that `init` takes from the same file.
        if let Some(why) = read::why_counted(&data, &asked.data.schema, &options)? {
            eprintln!("note: {why}");
            options.count_rows = true;
        }
        Ok(Source { data, options, labelled })
    }

    /// Where the data lie, the ids of what has a label, and whether items are known by the numbers of their rows in any case.
    fn of(pool: &Path) -> Result<(PathBuf, HashSet<String>, bool), Error> {
        if !Journal::is_at(pool) {
            return Ok((pool.to_owned(), HashSet::new(), false));
        }
        let journal = Journal::open_to_read(pool)?;
        let data = journal.data()?;
        let verdicts = journal.labels()?.majority();
        let labelled: HashSet<_> =
            verdicts.into_iter().filter_map(|verdict| verdict.class.map(|_| verdict.item)).collect();
        let items = journal.items()?.into_iter().filter(|(number, _)| labelled.contains(number));
        Ok((data, items.map(|(_, item)| item.id).collect(), journal.project()?.counts_rows()))
    }
}

/// What may be asked about.
pub(super) struct Candidates {
    pub(super) ids: Vec<String>,
    pub(super) said: Said,
    unreadable: usize,
    copies: usize,
}

impl Candidates {
    /// Every item that can be read, has no label and is no copy of a labelled one, scored as far as needed. Without any it is an error.
    pub(super) fn read(
        Source { data: from, options, labelled: has_label }: &Source,
        asked: &Asked,
        predictor: &dyn Predictor,
        questions: &Questions,
        labelled: Option<&Array2<f32>>,
    ) -> Result<Candidates, Error> {
        let known: HashSet<u64> = labelled.into_iter().flat_map(|rows| keys_of_rows(rows.view())).collect();
        let (mut ids, mut parts, mut unreadable, mut copies) = (Vec::new(), Vec::new(), 0, 0);
        read::stream(from, &asked.data.schema, options, &mut |chunk| {
            let is_readable = |row: &usize| chunk.status[*row].is_readable();
            let mut rows: Vec<usize> = (0..chunk.ids.len()).filter(is_readable).collect();
            unreadable += chunk.ids.len() - rows.len();
            rows.retain(|&row| !has_label.contains(&chunk.ids[row]));
            let encoded = asked.data.encoding.encode(&chunk.inputs, &rows);
            let keys = keys_of_rows(encoded.view());
            let kept: Vec<usize> = (0..rows.len()).filter(|&row| !known.contains(&keys[row])).collect();
            copies += rows.len() - kept.len();
            if kept.is_empty() {
                return Ok(());
            }
            let encoded = encoded.select(Axis(0), &kept);
            ids.extend(kept.iter().map(|&row| chunk.ids[rows[row]].clone()));
            parts.push(questions.ask(predictor, encoded.view()));
            Ok(())
        })?;
        if parts.is_empty() {
            let hint = "a candidate is an item that can be read and is no copy of a labelled one";
            return Err(Error::data(from.as_path(), "holds no candidate", hint));
        }
        Ok(Candidates { ids, said: Said::join(parts), unreadable, copies })
    }

    /// What did not become a candidate.
    pub(super) fn tell(&self) {
        let said = [
            (self.unreadable, "items could not be read: `halfmoon predict` says why"),
            (self.copies, "items are copies of labelled ones and are not asked about"),
        ];
        for (count, what) in said.iter().filter(|(count, _)| *count > 0) {
            eprintln!("note: {} {what}", grouped(*count));
        }
    }
}

/// A candidate that is to be asked about.
pub(super) struct Chosen<'a> {
    pub(super) id: &'a str,
    pub(super) label: &'a str,
    pub(super) probability: f32,
    pub(super) utility: f64,
    pub(super) reason: &'a str,
}

pub(super) fn csv(chosen: &[Chosen], explain: bool) -> Result<Vec<u8>, Failure> {
    let broken = |error: csv::Error| Failure::Message(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let reason = explain.then_some("reason");
    writer
        .write_record(["rank", "id", "likeliest", "probability", "utility"].into_iter().chain(reason))
        .map_err(broken)?;
    for (at, Chosen { id, label, probability, utility, reason }) in chosen.iter().enumerate() {
        let numbers = [(at + 1).to_string(), probability.to_string(), utility.to_string()];
        let [rank, probability, utility] = numbers.each_ref().map(String::as_str);
        let reason = explain.then_some(*reason);
        writer.write_record([rank, id, label, probability, utility].into_iter().chain(reason)).map_err(broken)?;
    }
    writer.into_inner().map_err(|error| Failure::Message(error.to_string()))
}

/// What an annotator is to see of the chosen items, by id: a picture's file, or a table's row by column. Nothing of arrays, and of what comes by a pipe,
/// which is read once.
pub(super) fn shown(
    chosen: &[Chosen],
    Source { data: from, options, .. }: &Source,
    asked: &Asked,
) -> Result<HashMap<String, (&'static str, Value)>, Error> {
    let columns = match &asked.data.schema.features {
        Features::Columns(columns) => columns,
        Features::Image(_) if from.is_dir() => {
            let files = chosen.iter().filter_map(|Chosen { id, .. }| Some((id, local_file(&from.join(id))?)));
            return Ok(files.map(|(id, file)| ((*id).to_owned(), ("image", json!(file)))).collect());
        }
        Features::Image(_) => return Ok(HashMap::new()),
    };
    if !from.is_file() {
        return Ok(HashMap::new());
    }
    let (is_chosen, mut shown): (HashSet<&str>, _) = (chosen.iter().map(|chosen| chosen.id).collect(), HashMap::new());
    read::stream(from, &asked.data.schema, options, &mut |chunk| {
        for (row, id) in chunk.ids.iter().enumerate().filter(|(_, id)| is_chosen.contains(id.as_str())) {
            let cell =
                |(at, column): (usize, &Column)| (column.name.clone(), json!(chunk.inputs.text(row, at, &column.kind)));
            let cells: Map<String, Value> = columns.iter().enumerate().map(cell).collect();
            shown.insert(id.clone(), ("row", Value::from(cells)));
        }
        Ok(())
    })?;
    Ok(shown)
}

/// Where Label Studio serves a file of this machine, if `LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED` allows it and its document root is `/`.
fn local_file(path: &Path) -> Option<String> {
    // What stands in an address as it is (RFC 3986, 2.3), and the slash.
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let path = path.canonicalize().ok()?;
    let path = path.to_str()?.trim_start_matches('/');
    Some(format!("/data/local-files/?d={}", utf8_percent_encode(path, KEPT)))
}

/// What a project in Label Studio is set up with, so that its answers come back as labels of these classes.
fn interface(shown: &str, classes: &[String]) -> String {
    let item = match shown {
        "image" => r#"<Image name="item" value="$image"/>"#,
        "row" => r#"<Table name="item" value="$row"/>"#,
        _ => r#"<Text name="item" value="$halfmoon_id"/>"#,
    };
    let choices: Vec<String> = classes.iter().map(|class| format!("<Choice value=\"{}\"/>", escaped(class))).collect();
    format!("<View>{item}<Choices name=\"label\" toName=\"item\">{}</Choices></View>", choices.concat())
}

/// Tasks as `halfmoon import` takes them back with their annotations.
pub(super) fn label_studio(
    chosen: &[Chosen],
    rule: &str,
    asked: &Asked,
    shown: &HashMap<String, (&'static str, Value)>,
) -> Vec<u8> {
    let kind = shown.values().next().map_or("", |(kind, _)| *kind);
    eprintln!("note: the labelling interface for Label Studio: {}", interface(kind, &asked.data.schema.classes));
    let task = |Chosen { id, label, probability, utility, reason }: &Chosen| {
        let result =
            json!([{ "from_name": "label", "to_name": "item", "type": "choices", "value": { "choices": [label] } }]);
        let mut data = Map::from_iter([("halfmoon_id".to_owned(), json!(id))]);
        if let Some((name, value)) = shown.get(*id) {
            data.insert((*name).to_owned(), value.clone());
        }
        json!({
            "data": data,
            "meta": { "rule": rule, "utility": utility, "why": reason },
            "predictions": [{ "model_version": asked.entry.name, "score": probability, "result": result }],
        })
    };
    let tasks: Vec<Value> = chosen.iter().map(task).collect();
    serde_json::to_vec_pretty(&tasks).expect("plain data")
}
