//! `halfmoon simulate`: what each rule for queries would have been worth.

use std::fmt::Write as _;
use std::io::Write as _;
use std::num::NonZeroUsize;

use halfmoon::models::BASELINE;
use halfmoon::run::write_aside;
use halfmoon::simulate::summary::{Row, summary};
use halfmoon::simulate::{Outcome, Simulation};
use halfmoon_draw::{Contender, Learning, learning};
use halfmoon_pool::Error;
use halfmoon_query::curve::Paired;
use serde_json::{Value, json};

use crate::Failure;
use crate::args::Simulate;
use crate::progress::Terminal;
use crate::table::Table;

/// Fewer seeds than that are told to be few.
const FEW_SEEDS: usize = 5;

/// And fewer held-out items: with a hundred, an accuracy's 95 % interval is about ten points to either side.
const FEW_ITEMS: usize = 100;

pub(crate) fn run(args: &Simulate) -> Result<(), Failure> {
    if args.settings.labels.is_some() {
        return Err(
            Error::usage("--labels hides labels, and a simulation does that itself", "see --start and --add").into()
        );
    }
    if let Some(target) = args.targets.iter().find(|target| !(**target > 0.0 && **target <= 1.0)) {
        return Err(Error::usage(
            format!("--targets: {target} is no accuracy"),
            "accuracies are above 0 and at most 1",
        )
        .into());
    }
    let model = args.settings.model.as_ref().or(args.successor.as_ref()).map_or(BASELINE.name, String::as_str);
    let simulation = Simulation {
        overlay: super::overlay(Some(&args.data), &args.settings)?,
        contenders: args.rules.clone(),
        model: model.to_owned(),
        successor: args.successor.clone(),
        start: args.start,
        start_classes: args.start_classes.clone(),
        start_rule: args.start_by.clone(),
        add: args.add,
        rounds: args.rounds,
        seeds: args.seeds,
        candidates: args.candidates.unwrap_or(0),
        draws: args.draws,
        committee: args.committee,
        warm: args.warm,
        apart: args.apart,
        jobs: args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get)),
    };
    let outcome = simulation.run(&args.out, &mut Terminal::new())?;
    let rows = summary(&outcome, &args.targets);
    let text = told(args, &outcome, &rows);
    let figure = figure(args, &rows);
    if let Some(svg) = &figure {
        write_aside(&args.out.join("curves.svg"), svg.as_bytes())?;
    }
    let object = as_json(args, &outcome, &rows);
    write_aside(&args.out.join("summary.json"), &serde_json::to_vec_pretty(&object).expect("plain data"))?;
    write_aside(&args.out.join("summary.txt"), text.as_bytes())?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{object}")?;
    } else {
        write!(out, "{text}")?;
        if figure.is_some() {
            writeln!(out, "\ncurves: {}", args.out.join("curves.svg").display())?;
        }
    }
    if !outcome.finished {
        eprintln!("stopped; the same command goes on where this one ended");
    }
    Ok(())
}

/// `90 %`.
fn percent(share: f64) -> String {
    format!("{} %", (share * 1000.0).round() / 10.0)
}

fn told(args: &Simulate, outcome: &Outcome, rows: &[Row]) -> String {
    let targets: Vec<String> = args.targets.iter().map(|&target| format!("labels to {}", percent(target))).collect();
    let header = ["contender", "area", "beside random", "p", "last"];
    let mut table = Table::new(header.into_iter().chain(targets.iter().map(String::as_str)));
    for row in rows {
        let (beside, p) =
            row.beside_random.map_or(("–".into(), "–".into()), |paired| (difference(&paired), p_value(paired.p)));
        let cells = [
            row.name.clone(),
            mean_and_deviation(row.aubc.values().copied()),
            beside,
            p,
            mean_and_deviation(row.last.iter().copied()),
        ];
        table.row(cells.into_iter().chain(row.labels_to.iter().map(|labels| needed(labels))));
    }
    let mut text = format!("{}; {} items to ask about\n\n{table}\n", outcome.protocol, outcome.pool);
    let seeds = rows.iter().map(|row| row.curves.len()).max().unwrap_or(0);
    let _ = writeln!(
        text,
        "area: mean accuracy over the labels, ± standard deviation of {seeds} seeds; beside random: its difference, seed by seed, \
         with the 95 % interval; last: accuracy with the most labels that all have; labels to: median (of each seed)"
    );
    let of = |name: &str| outcome.contenders.iter().find(|contender| contender.name == name);
    for row in rows.iter().filter(|row| !outcome.one_model && of(&row.name).is_some_and(|of| !of.is_random())) {
        let Some(baseline) = &row.baseline else { continue };
        let is_of_it = of(&row.name).zip(of(baseline)).is_some_and(|(own, baseline)| own.asks_as(baseline));
        if !is_of_it {
            let _ =
                writeln!(text, "{} is held against {baseline}, of another model, as no other asks at random", row.name);
        } else if baseline != rows_baseline(rows) {
            let _ = writeln!(text, "{} is held against {baseline}, of its own model", row.name);
        }
    }
    if seeds < FEW_SEEDS {
        let _ = writeln!(text, "with fewer than {FEW_SEEDS} seeds chance may decide who seems to win: see --seeds");
    }
    if outcome.held_out < FEW_ITEMS {
        let of_chance = 100.0 / (outcome.held_out as f64).sqrt();
        let _ = writeln!(
            text,
            "an accuracy on {} items is known to about ± {of_chance:.0} points: hold out more with --test",
            outcome.held_out
        );
    }
    for row in rows {
        if let Some(hint) = &row.hint {
            let _ = writeln!(text, "{}: {}", row.name, hint.words());
        }
    }
    text
}

/// What most are held against.
fn rows_baseline(rows: &[Row]) -> &str {
    rows.iter().find(|row| row.baseline.is_none()).map_or("", |row| &row.name)
}

/// `0.9218 ± 0.0101`.
fn mean_and_deviation(values: impl Iterator<Item = f64>) -> String {
    let values: Vec<f64> = values.collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    match values.len() {
        0 => "–".into(),
        1 => format!("{mean:.4}"),
        _ => {
            let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
            format!("{mean:.4} ± {:.4}", (squares / (n - 1.0)).sqrt())
        }
    }
}

fn difference(paired: &Paired) -> String {
    let (low, high) = paired.interval;
    format!("{:+.4} [{low:+.4}, {high:+.4}]", paired.mean)
}

fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}

/// `70 (60 100 70 70 90)`; what was never reached is `–` and counts as more than any number.
fn needed(labels: &[Option<usize>]) -> String {
    let mut sorted: Vec<usize> = labels.iter().map(|labels| labels.unwrap_or(usize::MAX)).collect();
    sorted.sort_unstable();
    let one = |labels: &usize| if *labels == usize::MAX { "–".to_owned() } else { labels.to_string() };
    // Of an even number the higher one of the two in the middle: a number of labels that was seen.
    let Some(median) = sorted.get(sorted.len() / 2) else { return "–".into() };
    let each: Vec<String> = labels.iter().map(|labels| one(&labels.unwrap_or(usize::MAX))).collect();
    format!("{} ({})", one(median), each.join(" "))
}

fn figure(args: &Simulate, rows: &[Row]) -> Option<String> {
    let line = |row: &Row| Contender {
        name: row.name.clone(),
        is_baseline: row.baseline.is_none(),
        runs: (row.curves.values())
            .map(|curve| curve.iter().map(|point| (point.labels as f64, 100.0 * point.value)).collect())
            .collect(),
    };
    let figure = Learning {
        title: format!("{}: accuracy by labels", args.data.display()),
        y: "accuracy in %".into(),
        x: "labels".into(),
        lines: rows.iter().map(line).collect(),
        targets: args.targets.iter().map(|target| 100.0 * target).collect(),
        references: Vec::new(),
    };
    learning(&figure).ok()
}

fn as_json(args: &Simulate, outcome: &Outcome, rows: &[Row]) -> Value {
    let paired = |paired: &Paired| json!({ "mean": paired.mean, "interval": [paired.interval.0, paired.interval.1], "p": paired.p, "seeds": paired.n });
    let row = |row: &Row| {
        let curves = row.curves.iter().map(|(seed, curve)| {
            let points: Vec<Value> = curve.iter().map(|point| json!([point.labels, point.value])).collect();
            json!({ "seed": seed, "points": points })
        });
        let targets = args.targets.iter().zip(&row.labels_to);
        json!({
            "contender": row.name,
            "aubc": row.aubc.values().collect::<Vec<_>>(),
            "baseline": row.baseline,
            "beside_random": row.beside_random.as_ref().map(paired),
            "last": row.last,
            "labels_to": targets.map(|(target, labels)| json!({ "accuracy": target, "labels": labels })).collect::<Vec<_>>(),
            "hint": row.hint.as_ref().map(halfmoon_query::curve::Hint::words),
            "curves": curves.collect::<Vec<_>>(),
        })
    };
    json!({
        "finished": outcome.finished,
        "protocol": outcome.protocol,
        "candidates": outcome.pool,
        "held_out": outcome.held_out,
        "contenders": rows.iter().map(row).collect::<Vec<_>>(),
    })
}
