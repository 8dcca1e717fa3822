//! `halfmoon eval`.

use std::io::Write;
use std::path::PathBuf;

use halfmoon::experiment::{Progress, predictions};
use halfmoon::model::Makes;
use halfmoon::run::{self, Asked};
use halfmoon_pool::calibration::Temperature;
use halfmoon_pool::metric::{Estimate, METRICS, Measured, confusion, measure, per_class};
use halfmoon_pool::outlier::{OUTLIER_FIGURES, OUTLIER_SCORES, outlier_scores};
use halfmoon_pool::read;
use halfmoon_pool::scores::Predictions;
use halfmoon_pool::{Dataset, Error};
use serde_json::json;

use super::making::able;
use crate::Failure;
use crate::args::Eval;
use crate::progress::Terminal;
use crate::table::{Table, figure, number};

/// Classes up to which the confusion matrix is printed.
const CONFUSION_CLASSES: usize = 20;

pub(crate) fn run(args: &Eval) -> Result<(), Failure> {
    let asked = run::open(&args.run, args.model.as_deref(), &run::device("cpu")?)?;
    let mut progress = Terminal::new();
    let source = read::read(&args.data, &super::options(&asked, &args.reading)?)?;
    for note in &source.notes {
        progress.note(note);
    }
    for problem in &source.problems {
        progress.note(&format!("left out: {}: {}", problem.place, problem.reason));
    }
    let items = source.test.unwrap_or(source.train);
    let predictions = predictions(&*asked.predictor, &asked.data.encoding, &items);
    let Some(measured) = measure(&predictions) else {
        return Err(
            Error::data(args.data.as_path(), "holds no labelled item", "`eval` compares answers with labels").into()
        );
    };
    let bound = args.importance.map(|samples| bound(&asked, &items, samples.get())).transpose()?;
    let temperature = asked.trust.as_ref().and_then(|trust| trust.temperature);
    let tempered = temperature.and_then(|temperature| {
        let probs = temperature.apply(&predictions.probs);
        measure(&Predictions { probs, classes: predictions.classes.clone() })
    });
    let outliers = Outliers::of(&asked, args, &items, &mut progress)?;
    let classes = &asked.data.schema.classes;
    let (per_class, confusion) = (per_class(&predictions), confusion(&predictions));
    let mut out = std::io::stdout().lock();
    if args.json {
        let per_class: Vec<_> = per_class
            .iter()
            .map(|of| {
                let name = &classes[of.class.index()];
                json!({ "class": name, "n": of.n, "precision": of.precision, "recall": of.recall, "f1": of.f1 })
            })
            .collect();
        let rows: Vec<Vec<u32>> = confusion.rows().into_iter().map(|row| row.to_vec()).collect();
        let result = json!({
            "run": args.run.to_string_lossy(),
            "model": asked.entry.name,
            "data": args.data.to_string_lossy(),
            "test": measured.to_json(),
            "temperature": temperature,
            "test_at_temperature": tempered.as_ref().map(Measured::to_json),
            "ood": outliers.iter().map(Outliers::to_json).collect::<Vec<_>>(),
            "log_p_x_bound": bound.as_ref().map(Bound::to_json),
            "per_class": per_class,
            "confusion": { "classes": classes, "rows_true_columns_predicted": rows },
        });
        writeln!(out, "{result}")?;
        return Ok(());
    }
    writeln!(out, "{} on {} labelled items\n", asked.entry.name, measured.n)?;
    let at = temperature.map(|Temperature(t)| format!("at temperature {t:.3}"));
    let mut table = Table::new(["figure", "value [95 % interval]"].into_iter().chain(at.as_deref()));
    for metric in METRICS {
        let row = [metric.name.to_owned(), figure(measured.get(metric.name))];
        table.row(row.into_iter().chain(tempered.as_ref().map(|tempered| figure(tempered.get(metric.name)))));
    }
    writeln!(out, "{table}")?;
    if let Some(Bound { samples, n, mean, half }) = &bound {
        writeln!(
            out,
            "log p(x) ≥ {mean:.3} ± {half:.3} nats, mean of {n} items with {samples} importance samples each\n"
        )?;
    }
    for of_other in &outliers {
        let Outliers { name, inliers, others, .. } = of_other;
        writeln!(out, "{inliers} items against {others} of {name}, by each outlier score\n")?;
        writeln!(out, "{}", of_other.table())?;
    }
    let mut table = Table::new(["class", "items", "precision", "recall", "f1"]);
    for of in &per_class {
        let name = classes[of.class.index()].clone();
        table.row([name, of.n.to_string(), number(of.precision), number(of.recall), number(of.f1)]);
    }
    writeln!(out, "{table}")?;
    if classes.len() > CONFUSION_CLASSES {
        writeln!(out, "the confusion matrix of {} classes is in the output of --json", classes.len())?;
        return Ok(());
    }
    let mut table = Table::new(std::iter::once("true \\ predicted").chain(classes.iter().map(String::as_str)));
    for (class, row) in classes.iter().zip(confusion.rows()) {
        table.row(std::iter::once(class.clone()).chain(row.iter().map(u32::to_string)));
    }
    write!(out, "{table}")?;
    Ok(())
}

/// A lower bound on the mean of log p(x), in nats.
struct Bound {
    samples: usize,
    n: usize,
    mean: f64,
    /// Half the 95 % interval over items.
    half: f64,
}

impl Bound {
    fn to_json(&self) -> serde_json::Value {
        json!({ "samples": self.samples, "n": self.n, "mean": self.mean, "interval": [self.mean - self.half, self.mean + self.half] })
    }
}

/// Over all items, labelled or not.
fn bound(asked: &Asked, items: &Dataset, samples: usize) -> Result<Bound, Error> {
    let rows: Vec<usize> = (0..items.len()).collect();
    let inputs = asked.data.encoding.encode(&items.inputs, &rows);
    let each = asked.predictor.importance_bound(inputs.view(), samples).ok_or_else(|| {
        Error::usage(
            format!("`{}` has no density to bound", asked.entry.name),
            format!("--importance is for {}", able(Makes::is_from_codes)),
        )
    })?;
    let n = each.len();
    let mean = each.iter().map(|&value| f64::from(value)).sum::<f64>() / n as f64;
    let variance = each.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / (n.max(2) - 1) as f64;
    Ok(Bound { samples, n, mean, half: 1.96 * (variance / n as f64).sqrt() })
}

/// How well each outlier score tells the data from other ones.
struct Outliers {
    name: String,
    inliers: usize,
    others: usize,
    /// The figures of each score that the model has, in the order of [`OUTLIER_FIGURES`].
    scores: Vec<(&'static str, Vec<Option<Estimate>>)>,
}

impl Outliers {
    /// One for each of `--ood`.
    fn of(asked: &Asked, args: &Eval, items: &Dataset, progress: &mut Terminal) -> Result<Vec<Outliers>, Error> {
        if args.ood.is_empty() {
            return Ok(Vec::new());
        }
        if asked.trust.is_none() {
            progress.note("this run keeps no held-out items, so scores that are fitted on them are left out");
        }
        let normal = asked.answers(&items.inputs).outliers;
        let options = super::options(asked, &args.reading)?;
        let fitted = asked.trust.as_ref().map(|trust| &trust.fitted);
        let against = |other: &PathBuf| {
            let mut scores: Vec<(&str, Vec<f64>)> = normal.iter().map(|(name, _)| (*name, Vec::new())).collect();
            let (mut others, mut unreadable) = (0, 0);
            read::stream(other, &asked.data.schema, &options, &mut |chunk| {
                let readable = |row: &usize| chunk.status[*row].is_readable();
                let rows: Vec<usize> = (0..chunk.ids.len()).filter(readable).collect();
                unreadable += chunk.ids.len() - rows.len();
                others += rows.len();
                let said = asked.predictor.scores(asked.data.encoding.encode(&chunk.inputs, &rows).view());
                for ((_, all), (_, values)) in scores.iter_mut().zip(outlier_scores(&said, fitted)) {
                    all.extend(values);
                }
                Ok(())
            })?;
            if unreadable > 0 {
                progress.note(&format!("{}: {unreadable} items could not be read", other.display()));
            }
            let judged = normal.iter().zip(&scores).map(|((name, normal), (_, others))| {
                (*name, OUTLIER_FIGURES.iter().map(|figure| (figure.of)(normal, others)).collect())
            });
            Ok(Outliers { name: other.display().to_string(), inliers: items.len(), others, scores: judged.collect() })
        };
        args.ood.iter().map(against).collect()
    }

    fn table(&self) -> Table {
        let mut table = Table::new(std::iter::once("score").chain(OUTLIER_FIGURES.iter().map(|figure| figure.name)));
        for (name, figures) in &self.scores {
            table.row(std::iter::once((*name).to_owned()).chain(figures.iter().map(|value| figure(value.as_ref()))));
        }
        table
    }

    /// `{"data", "inliers", "outliers", "scores": {"energy": {"auroc": …, "intervals": {"auroc": [low, high], …}}, …}}`; a
    /// score that the model does not have is `null`.
    fn to_json(&self) -> serde_json::Value {
        let of_score = |name: &str| {
            let (_, figures) = self.scores.iter().find(|(of, _)| *of == name)?;
            let named = || OUTLIER_FIGURES.iter().map(|figure| figure.name.to_owned()).zip(figures);
            let mut object: serde_json::Map<_, _> =
                named().map(|(name, estimate)| (name, json!(estimate.map(|estimate| estimate.value)))).collect();
            let interval = |estimate: &Estimate| estimate.interval.map(|(low, high)| [low, high]);
            let intervals: serde_json::Map<_, _> =
                named().map(|(name, estimate)| (name, json!(estimate.as_ref().and_then(interval)))).collect();
            object.insert("intervals".to_owned(), intervals.into());
            Some(object)
        };
        let scores: serde_json::Map<_, _> =
            OUTLIER_SCORES.iter().map(|score| (score.name.to_owned(), json!(of_score(score.name)))).collect();
        json!({ "data": self.name, "inliers": self.inliers, "outliers": self.others, "scores": scores })
    }
}
