//! `halfmoon report`: one page that tells how far a classifier can be trusted.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use halfmoon::cite;
use halfmoon::noise::Noise;
use halfmoon::predict::array;
use halfmoon::robust::{AtRadius, Robustness};
use halfmoon::run::{self, Asked, Folder, Versions};
use halfmoon::set_aside::{SetAside, with_baseline};
use halfmoon_pool::calibration::Temperature;
use halfmoon_pool::dataset::{Features, ImageShape};
use halfmoon_pool::metric::predicted;
use halfmoon_pool::outlier::{OUTLIER_SCORES, outlier_scores};
use halfmoon_pool::read::{self, Problem};
use halfmoon_pool::scores::{self, ChainGenerator, Scores};
use halfmoon_pool::trust::Trust;
use halfmoon_pool::{Class, Dataset, Error, Schema};
use halfmoon_report::{Answers, Attacks, Baseline, Codes, Found, Others, OutlierScore, Samples, Term, html};
use ndarray::Array2;

use super::temper::Temper;
use crate::Failure;
use crate::args::Report;
use crate::probs;

/// Items of other data that are asked about: enough for a figure.
const OTHERS: usize = 10_000;

/// Items whose codes are drawn.
const CODES: usize = 2000;

/// Made-up pictures of each class, or ten times as many where the model knows none.
const SAMPLES: usize = 10;

/// Classes of which pictures are made up.
const SHOWN_CLASSES: usize = 21;

pub(crate) fn run(args: &Report) -> Result<(), Failure> {
    let beside = match (&args.run, &args.probs) {
        (Some(folder), _) => folder.join("report.html"),
        (None, Some(table)) => table.with_extension("html"),
        (None, None) => PathBuf::from("report.html"),
    };
    let output = args.output.clone().unwrap_or(beside);
    if args.probs.as_deref().is_some_and(|table| table == output) {
        return Err(Error::usage("the page would overwrite the table", "choose another file with -o").into());
    }
    let report = match (&args.run, &args.probs) {
        (Some(folder), _) => of_run(args, folder)?,
        (None, Some(table)) => of_probs(args, table)?,
        (None, None) => {
            return Err(Error::usage("nothing to report on", "name a run folder, or a table with --probs").into());
        }
    };
    let page = html(&report);
    super::write(&output, page.as_bytes())?;
    writeln!(std::io::stdout().lock(), "{}", output.display())?;
    Ok(())
}

/// The page's commands, with the one that was typed now.
fn commands(before: Vec<String>) -> Vec<String> {
    let typed: Vec<String> = std::env::args_os().skip(1).map(|argument| quoted(&argument)).collect();
    before.into_iter().chain([format!("halfmoon {}", typed.join(" "))]).collect()
}

/// As a shell takes it.
fn quoted(argument: &OsString) -> String {
    let text = argument.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn citations(keys: impl IntoIterator<Item = &'static str>) -> Vec<String> {
    let mut seen = Vec::new();
    for key in keys {
        if !seen.contains(&key) {
            seen.push(key);
        }
    }
    seen.into_iter().filter_map(cite::entry).map(str::to_owned).collect()
}

/// Behind what every page shows.
const OF_TRUST: [&str; 4] = ["naeini2015ece", "guo2017calibration", "geifman2017selective", "northcutt2021confident"];

fn of_probs(args: &Report, path: &Path) -> Result<halfmoon_report::Report, Error> {
    let options = read::Options {
        missing_labels: args.reading.missing_label.clone(),
        minus_one: match args.reading.minus_one {
            Some(crate::args::MinusOne::Unlabelled) => read::MinusOne::Unlabelled,
            Some(crate::args::MinusOne::Class) => read::MinusOne::Class,
            None => read::MinusOne::Ask,
        },
        delimiter: args.reading.delimiter.and_then(|character| u8::try_from(character).ok()),
        ..read::Options::default()
    };
    let probs::Answered { predictions, items, unlabelled, notes } =
        probs::read(path, args.reading.label.as_deref(), &options)?;
    let file = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let about = [
        ("answers".to_owned(), path.display().to_string()),
        ("items".to_owned(), format!("{}, of which {} have a label", items.len() + unlabelled, items.len())),
        ("classes".to_owned(), items.schema.classes.len().to_string()),
        made_by(),
    ];
    let answers = Answers {
        name: "The classifier".into(),
        predictions,
        items,
        unlabelled,
        protocol: "whether it has learned from them, the table does not tell".into(),
        codes: None,
    };
    Ok(halfmoon_report::Report {
        title: format!("How far can the answers in {file} be trusted?"),
        about: about.into(),
        answers: Some(answers),
        data: Some(Found { notes, left_out: vec![] }),
        commands: commands(vec![]),
        citations: citations(OF_TRUST),
        ..halfmoon_report::Report::default()
    })
}

fn made_by() -> (String, String) {
    ("made by".into(), format!("halfmoon {}", Versions::current().halfmoon))
}

fn of_run(args: &Report, folder: &Path) -> Result<halfmoon_report::Report, Error> {
    let device = run::device("cpu")?;
    let asked = run::open(folder, args.model.as_deref(), &device)?;
    let entries = with_baseline(folder, &asked.config, asked.entry)?;
    let mut aside = match &args.data {
        None => SetAside::of_run(folder, &entries, &device)?,
        Some(path) => {
            let source = read::read(path, &super::options(&asked, &args.reading)?)?;
            SetAside::of_data(folder, path, source, &entries, &device)?
        }
    };
    if !asked.finished {
        aside.notes.insert(0, "the training of this model was stopped before its last step".into());
    }
    eprintln!("judging {} items", aside.items.len());
    let temper = match &args.data {
        None => Temper::of_held_out(&aside.items, asked.config.run.seed),
        Some(_) => Temper::of_others(),
    };
    let predictions = temper.apply(aside.predictions(0), asked.trust.as_ref());
    let baseline = match entries.get(1) {
        None => None,
        Some(entry) => {
            let trust = run::open(folder, Some(entry.name), &device)?.trust;
            Some(Baseline { name: entry.name.into(), predictions: temper.apply(aside.predictions(1), trust.as_ref()) })
        }
    };
    let mut others = Vec::new();
    if !args.ood.is_empty() {
        let usual = aside.scores(0);
        for path in &args.ood {
            others.push(strange(&asked, args, &usual, path, &mut aside.notes)?);
        }
    }
    let model = Folder(folder.to_owned()).model(asked.entry);
    let learning = run::read_log(&model).into_iter().map(|(name, points)| Term { name, points }).collect();
    let papers = entries.iter().map(|entry| entry.paper);
    let keys = papers.chain(cite::of_data(&asked.config.data.path)).chain(["kingma2015adam"]).chain(OF_TRUST);
    let config = Folder(folder.to_owned()).config();
    let train = format!("halfmoon train --config {} --out NEW-RUN", quoted(&config.into_os_string()));
    let (samples, chains) = match (asked.predictor.chains(), &asked.data.schema.features) {
        (Some(chains), Features::Image(shape)) => by_chains(&asked, &*chains, *shape),
        _ => (samples(&asked)?, None),
    };
    let attacks = attacks(&asked, folder)?;
    let codes = codes(&asked, &aside.items);
    let SetAside { items, unlabelled, protocol, notes, problems, .. } = aside;
    let left_out = problems.into_iter().map(|Problem { place, reason }| (place, reason)).collect();
    Ok(halfmoon_report::Report {
        title: format!("How far can {} on {} be trusted?", asked.entry.name, stem(&asked.config.data.path)),
        about: about(&asked, folder),
        answers: Some(Answers { name: asked.entry.name.into(), predictions, items, unlabelled, protocol, codes }),
        baseline,
        others,
        learning,
        samples,
        chains,
        attacks,
        data: Some(Found { notes, left_out }),
        commands: commands(vec![train]),
        citations: citations(keys),
    })
}

/// `mnist` of `/data/mnist`.
fn stem(path: &str) -> String {
    Path::new(path).file_stem().map_or_else(|| "data".into(), |stem| stem.to_string_lossy().into_owned())
}

fn about(asked: &Asked, folder: &Path) -> Vec<(String, String)> {
    let Schema { classes, features } = &asked.data.schema;
    let input = match features {
        Features::Image(shape) => format!("pictures of {} × {} × {}", shape.height, shape.width, shape.channels),
        Features::Columns(columns) => format!("{} columns", columns.len()),
    };
    let temperature = asked.trust.as_ref().and_then(|trust| trust.temperature);
    let probabilities = match temperature {
        Some(Temperature(t)) => format!("as `predict` gives them, at a temperature of {t:.3}"),
        None => "the model's own, without a temperature".into(),
    };
    vec![
        ("model".into(), format!("{}: {}", asked.entry.name, asked.entry.about)),
        ("data".into(), asked.config.data.path.clone()),
        ("learned from".into(), format!("{} items, {} of them labelled", asked.data.items, asked.data.labels)),
        ("inputs".into(), input),
        ("classes".into(), classes.len().to_string()),
        ("probabilities".into(), probabilities),
        ("run".into(), folder.display().to_string()),
        ("seed".into(), asked.config.run.seed.to_string()),
        made_by(),
    ]
}

/// What each score says of data of another kind, beside what it says of the held-out items.
fn strange(
    asked: &Asked,
    args: &Report,
    usual: &Scores,
    path: &Path,
    notes: &mut Vec<String>,
) -> Result<Others, Error> {
    let fitted = asked.trust.as_ref().map(|trust| &trust.fitted);
    let mut scores: Vec<OutlierScore> = OUTLIER_SCORES
        .iter()
        .filter_map(|score| {
            let usual = (score.of)(usual, fitted)?.to_vec();
            Some(OutlierScore { name: score.name.into(), about: score.about.into(), usual, others: Vec::new() })
        })
        .collect();
    // The one that `predict --flag-outliers` takes comes first.
    let first = asked.trust.as_ref().and_then(Trust::preferred_score).map_or("log_density", |score| score.name);
    scores.sort_by_key(|score| score.name != first);
    let (mut n, mut unreadable) = (0, 0);
    // A reader is told that it may stop by an error, which is not one.
    let mut enough = false;
    let options = super::options(asked, &args.reading)?;
    let end = read::stream(path, &asked.data.schema, &options, &mut |chunk| {
        let is_readable = |row: &usize| chunk.status[*row].is_readable();
        let rows: Vec<usize> = (0..chunk.ids.len()).filter(is_readable).collect();
        unreadable += chunk.ids.len() - rows.len();
        n += rows.len();
        let said = asked.predictor.scores(asked.data.encoding.encode(&chunk.inputs, &rows).view());
        for (name, values) in outlier_scores(&said, fitted) {
            if let Some(of) = scores.iter_mut().find(|of| of.name == name) {
                of.others.extend(values);
            }
        }
        enough = n >= OTHERS;
        if enough { Err(Error::usage("", "")) } else { Ok(()) }
    });
    if enough {
        notes.push(format!("{}: the first {n} items were asked about", path.display()));
    } else {
        end?;
    }
    if unreadable > 0 {
        notes.push(format!("{}: {unreadable} items could not be read", path.display()));
    }
    if n == 0 {
        return Err(Error::data(path, "holds no readable item", "`halfmoon predict` says why, item by item"));
    }
    Ok(Others { data: path.display().to_string(), scores })
}

/// What the kept model answers from, of as many items as are drawn, evenly taken.
fn codes(asked: &Asked, items: &Dataset) -> Option<Codes> {
    let rows: Vec<usize> = (0..items.len()).step_by(items.len().div_ceil(CODES).max(1)).collect();
    let codes = asked.predictor.scores(asked.data.encoding.encode(&items.inputs, &rows).view()).codes?;
    Some(Codes { items: rows, codes })
}

/// What `halfmoon robust` found and kept.
fn attacks(asked: &Asked, folder: &Path) -> Result<Vec<Attacks>, Error> {
    let path = run::robust(&Folder(folder.to_owned()).model(asked.entry));
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let bytes = std::fs::read(&path).map_err(|source| Error::io(&path, source))?;
    let found: Vec<Robustness> = serde_json::from_slice(&bytes).map_err(|error| {
        Error::data(path.as_path(), error.to_string(), "the file is damaged: ask `halfmoon robust` again")
    })?;
    let of = |Robustness { norm, items, clean, at, doubts }: Robustness| {
        let curve = |name: &str, of: &dyn Fn(&AtRadius) -> Option<f64>| {
            let points: Option<Vec<_>> = at.iter().map(|at| Some((at.radius, of(at)?))).collect();
            points.map(|points| (name.to_owned(), points))
        };
        let curves = [
            curve("worst of all attacks", &|at| Some(at.worst)),
            curve("one step (FGSM)", &|at| Some(at.fgsm)),
            curve("projected gradient ascent", &|at| Some(at.pgd)),
            curve("changes found against another classifier", &|at| at.transferred),
            curve("noise", &|at| Some(at.noise)),
        ];
        let radius = match norm.as_str() {
            "linf" => "largest change of a number",
            _ => "length of the change",
        };
        Attacks { radius: radius.into(), items, clean, curves: curves.into_iter().flatten().collect(), doubts }
    };
    Ok(found.into_iter().map(of).collect())
}

/// Steps of the chains that make pictures for the page.
const CHAIN_STEPS: usize = 300;

/// Pictures by chains, and where the chains of the training stood, under the class that each is given.
fn by_chains(asked: &Asked, chains: &dyn ChainGenerator, shape: ImageShape) -> (Option<Samples>, Option<Samples>) {
    let names = &asked.data.schema.classes;
    let classes: Vec<Class> =
        (0..=u16::MAX).take(names.len().min(SHOWN_CLASSES)).flat_map(|class| [Class(class); SAMPLES]).collect();
    let show = |made: Array2<f32>, classes: Vec<Class>| {
        let pixels = asked.data.encoding.pixels(made)?;
        Some(Samples { shape, pixels, classes: Some(classes), names: names.clone() })
    };
    let samples = show(chains.examples(&classes, CHAIN_STEPS, 1), classes);
    let waiting = chains.waiting().and_then(|waiting| {
        let probs = scores::probs(&asked.predictor.log_probs(waiting.view()));
        let given = probs.rows().into_iter().map(|row| predicted(row)).collect();
        show(waiting, given)
    });
    (samples, waiting)
}

/// Pictures from random codes. `None` for a model that makes none.
fn samples(asked: &Asked) -> Result<Option<Samples>, Error> {
    let Features::Image(shape) = asked.data.schema.features else { return Ok(None) };
    let Some(generator) = asked.predictor.generator() else { return Ok(None) };
    let names = &asked.data.schema.classes;
    let knows_classes = generator.knows_classes();
    let n = SAMPLES * if knows_classes { names.len().min(SHOWN_CLASSES) } else { SAMPLES };
    let classes: Vec<Class> = (0..=u16::MAX)
        .flat_map(|class| [Class(class); SAMPLES])
        .take(n)
        .map(|class| if knows_classes { class } else { Class(0) })
        .collect();
    let codes = array(Noise::new(1, 0, &run::device("cpu")?).normal([n, generator.latent()]));
    let made = generator.decode(codes.view(), &classes);
    let pixels = asked.data.encoding.pixels(made);
    let classes = knows_classes.then_some(classes);
    Ok(pixels.map(|pixels| Samples { shape, pixels, classes, names: names.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_again_as_it_is_shown() {
        let shown = ["report", "my run", "it's", "", "a=b", "$HOME"].map(|text| quoted(&OsString::from(text)));
        assert_eq!(shown, ["report", "'my run'", "'it'\\''s'", "''", "a=b", "'$HOME'"]);
    }

    #[test]
    fn every_page_cites_entries_that_are_there() {
        assert_eq!(citations(OF_TRUST).len(), OF_TRUST.len());
        assert_eq!(citations(["naeini2015ece", "naeini2015ece"]).len(), 1);
    }
}
