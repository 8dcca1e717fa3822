//! `halfmoon eval`.

use std::io::Write;

use halfmoon::experiment::{Progress, predictions};
use halfmoon::model::Makes;
use halfmoon::run::{self, Asked};
use halfmoon_pool::metric::{METRICS, confusion, measure, per_class};
use halfmoon_pool::read;
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
            "log_p_x_bound": bound.as_ref().map(Bound::to_json),
            "per_class": per_class,
            "confusion": { "classes": classes, "rows_true_columns_predicted": rows },
        });
        writeln!(out, "{result}")?;
        return Ok(());
    }
    writeln!(out, "{} on {} labelled items\n", asked.entry.name, measured.n)?;
    let mut table = Table::new(["figure", "value [95 % interval]"]);
    for metric in METRICS {
        table.row([metric.name.to_owned(), figure(measured.get(metric.name))]);
    }
    writeln!(out, "{table}")?;
    if let Some(Bound { samples, n, mean, half }) = &bound {
        writeln!(
            out,
            "log p(x) ≥ {mean:.3} ± {half:.3} nats, mean of {n} items with {samples} importance samples each\n"
        )?;
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
            format!("--importance is for {}", able(|makes| makes != Makes::Nothing)),
        )
    })?;
    let n = each.len();
    let mean = each.iter().map(|&value| f64::from(value)).sum::<f64>() / n as f64;
    let variance = each.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / (n.max(2) - 1) as f64;
    Ok(Bound { samples, n, mean, half: 1.96 * (variance / n as f64).sqrt() })
}
