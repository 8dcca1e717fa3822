//! `halfmoon query`: which unlabelled items to label next, and why.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use halfmoon::predict::join;
use halfmoon::run::{self, Asked};
use halfmoon::set_aside::learned_from;
use halfmoon_pool::dataset::Ids;
use halfmoon_pool::labels::grouped;
use halfmoon_pool::metric::predicted;
use halfmoon_pool::read;
use halfmoon_pool::scores::{Predictor, Scores, probs};
use halfmoon_pool::{Dataset, Error};
use halfmoon_query::{Ask, Ensemble, Labelled, Need, Pool, Questions, keys_of_ids, keys_of_rows, rule};
use ndarray::{Array2, Axis, concatenate};
use serde_json::{Value, json};

use crate::Failure;
use crate::args::{Query, QueryFormat, Reading};

pub(crate) fn run(args: &Query) -> Result<(), Failure> {
    let rule = rule(&args.rule)?;
    let asked = run::open(&args.run, args.model.as_deref(), &run::device("cpu")?)?;
    let committee = committee(&args.run, args.model.as_deref(), &args.committee, &asked)?;
    let predictor = committee.as_ref().map_or(&*asked.predictor, |committee| committee as &dyn Predictor);
    let labelled = labelled(&args.run, &asked);
    let questions = Questions { needs: rule.needs, draws: args.draws, seed: args.seed };
    let candidates = Candidates::read(&args.pool, &args.reading, &asked, predictor, &questions, labelled.as_ref())?;
    if candidates.ids.is_empty() {
        let hint = "a candidate is an item that can be read and is no copy of a labelled one";
        return Err(Error::data(args.pool.as_path(), "holds no candidate", hint).into());
    }
    let keys = keys_of_ids(&Ids::Names(candidates.ids.clone()));
    let of_labelled = labelled.as_ref().map(|rows| questions.ask(predictor, rows.view()));
    let pool = Pool {
        inputs: candidates.inputs.as_ref().map(|inputs| inputs.view()),
        labelled: of_labelled
            .as_ref()
            .zip(labelled.as_ref())
            .map(|(said, rows)| Labelled { scores: &said.scores, inputs: Some(rows.view()) }),
        labelled_probs: candidates.labelled_probs.as_ref().map(|probs| probs.view()),
        class_names: &asked.data.schema.classes,
        ..Pool::new(&candidates.scores, &keys)
    };
    let ask = Ask { budget: args.number.get(), seed: args.seed, apart: args.apart, ..Ask::default() };
    let query = rule.query(&pool, &ask)?;
    candidates.tell();
    if query.too_near > 0 {
        let passed_over = "candidates were passed over: as good as copies of chosen ones";
        eprintln!("note: {} {passed_over}", grouped(query.too_near));
    }
    eprintln!("{} of {} candidates", grouped(query.picks.len()), grouped(candidates.ids.len()));
    let probs = probs(&candidates.scores.log_probs);
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
        QueryFormat::LabelStudio => label_studio(&chosen, rule.name, asked.entry.name),
    };
    write(&text, args.output.as_deref(), &args.pool)
}

/// To a file, which must not be the pool, or to standard output.
pub(super) fn write(text: &[u8], output: Option<&Path>, pool: &Path) -> Result<(), Failure> {
    match output {
        None => std::io::stdout().lock().write_all(text)?,
        Some(output) if super::same_file(output, pool) => {
            return Err(Error::usage("the output would overwrite the pool", "choose another file with --output").into());
        }
        Some(output) => {
            run::write_aside(output, text)?;
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
    for folder in others {
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

/// What may be asked about.
pub(super) struct Candidates {
    pub(super) ids: Vec<String>,
    pub(super) scores: Scores,
    /// What a sampler says of them, where one is asked.
    labelled_probs: Option<Array2<f32>>,
    /// Encoded, where places are needed and the model has no codes.
    pub(super) inputs: Option<Array2<f32>>,
    unreadable: usize,
    copies: usize,
}

impl Candidates {
    /// Every item at `from` that can be read and is no copy of a labelled one, scored as far as needed.
    pub(super) fn read(
        from: &Path,
        reading: &Reading,
        asked: &Asked,
        predictor: &dyn Predictor,
        questions: &Questions,
        labelled: Option<&Array2<f32>>,
    ) -> Result<Candidates, Error> {
        let known: HashSet<u64> = labelled.into_iter().flat_map(|rows| keys_of_rows(rows.view())).collect();
        let wants_places = questions.needs.iter().any(|need| matches!(need, Need::Places | Need::Codes));
        let mut found = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0, 0);
        let (ids, parts, sampled, inputs, unreadable, copies) = &mut found;
        let mut options = super::options(asked, reading)?;
        // A project is given labels by id: the ids are those that `init` takes from the same file.
        if let Some(why) = read::why_counted(from, &asked.data.schema, &options)? {
            eprintln!("note: {why}");
            options.count_rows = true;
        }
        read::stream(from, &asked.data.schema, &options, &mut |chunk| {
            let is_readable = |row: &usize| chunk.status[*row].is_readable();
            let rows: Vec<usize> = (0..chunk.ids.len()).filter(is_readable).collect();
            *unreadable += chunk.ids.len() - rows.len();
            let encoded = asked.data.encoding.encode(&chunk.inputs, &rows);
            let keys = keys_of_rows(encoded.view());
            let kept: Vec<usize> = (0..rows.len()).filter(|&row| !known.contains(&keys[row])).collect();
            *copies += rows.len() - kept.len();
            if kept.is_empty() {
                return Ok(());
            }
            let encoded = encoded.select(Axis(0), &kept);
            ids.extend(kept.iter().map(|&row| chunk.ids[rows[row]].clone()));
            let said = questions.ask(predictor, encoded.view());
            if wants_places && said.scores.codes.is_none() {
                inputs.push(encoded);
            }
            parts.push(said.scores);
            sampled.extend(said.labelled_probs);
            Ok(())
        })?;
        let (ids, parts, sampled, inputs, unreadable, copies) = found;
        let scores = if parts.is_empty() {
            predictor.scores(Array2::zeros((0, asked.data.encoding.layout().width())).view())
        } else {
            join(&parts)
        };
        let stacked = |parts: &[Array2<f32>]| {
            let views: Vec<_> = parts.iter().map(|rows| rows.view()).collect();
            (!views.is_empty()).then(|| concatenate(Axis(0), &views).expect("rows of one width"))
        };
        let (labelled_probs, inputs) = (stacked(&sampled), stacked(&inputs));
        Ok(Candidates { ids, scores, labelled_probs, inputs, unreadable, copies })
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

/// Tasks as `halfmoon import` takes them back with their annotations.
pub(super) fn label_studio(chosen: &[Chosen], rule: &str, model: &str) -> Vec<u8> {
    let task = |Chosen { id, label, probability, utility, reason }: &Chosen| {
        let result =
            json!([{ "from_name": "label", "to_name": "item", "type": "choices", "value": { "choices": [label] } }]);
        json!({
            "data": { "halfmoon_id": id },
            "meta": { "rule": rule, "utility": utility, "why": reason },
            "predictions": [{ "model_version": model, "score": probability, "result": result }],
        })
    };
    let tasks: Vec<Value> = chosen.iter().map(task).collect();
    serde_json::to_vec_pretty(&tasks).expect("plain data")
}
