//! `halfmoon bench`.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use halfmoon::experiment::Progress;
use halfmoon::hybrid;

use crate::Failure;
use crate::args::{Bench, Curve, HybridDigits, SslMnist};
use crate::curve;
use crate::progress::Terminal;
use crate::ssl::{self, Options};

pub(crate) fn run(bench: &Bench) -> Result<(), Failure> {
    match bench {
        Bench::SslMnist(args) => ssl_mnist(args),
        Bench::Curve(args) => draw_curve(args),
        Bench::HybridDigits(args) => hybrid_digits(args),
    }
}

/// Training time of a run of --quick: ten of them are five minutes.
const QUICK_TIME: Duration = Duration::from_secs(30);

/// Labels of --quick.
const QUICK_LABELS: usize = 100;

fn ssl_mnist(args: &SslMnist) -> Result<(), Failure> {
    let mut labels: Vec<usize> = args.labels.iter().copied().map(NonZeroUsize::get).collect();
    labels.sort_unstable();
    labels.dedup();
    let most = if args.quick { QUICK_TIME } else { Duration::MAX };
    let options = Options {
        data: super::text(&args.data)?,
        quick: args.quick,
        seed: args.seed,
        time_per_run: args.time_per_run.min(most).as_secs_f64(),
        models: ssl::choose(args.models.as_deref(), args.quick)?,
        labels: if args.quick { vec![QUICK_LABELS] } else { labels },
        draws: if args.quick { 1 } else { args.draws },
    };
    let quick = if args.quick { "-quick" } else { "" };
    let default = || PathBuf::from(format!("bench-ssl-{}{quick}", ssl::name(&options.data)));
    let out = args.out.clone().unwrap_or_else(default);
    let table = ssl::run(&options, &out, &mut Terminal::new())?;
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", table.to_json())?;
    } else {
        writeln!(stdout, "{}\nhow it was made, intervals and commands: {}", table.columns(), table.path().display())?;
    }
    if !table.is_finished() {
        eprintln!("stopped; the same command goes on");
    }
    match table.failures() {
        0 => Ok(()),
        1 => Err(Failure::Message(format!("a run failed; {} says which, and why", table.path().display()))),
        failed => {
            Err(Failure::Message(format!("{failed} runs failed; {} says which, and why", table.path().display())))
        }
    }
}

fn draw_curve(args: &Curve) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    if let Some(out) = args.out.as_deref().filter(|_| !args.from.is_empty()) {
        write!(stdout, "{}", curve::redraw(&args.from, out)?)?;
        return Ok(());
    }
    let data = super::text(args.data.as_deref().expect("required unless --from is given"))?;
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("bench-curve-{}", ssl::name(&data))));
    let time = args.time_per_run.as_secs_f64();
    let options = curve::Options {
        data,
        labels: args.labels.get(),
        models: args.models.clone(),
        set: args.set.clone(),
        seed: args.seed,
        time_per_run: time,
        every: args.every.map_or(time / 100.0, |every| every.as_secs_f64()),
    };
    let drawn = curve::run(&options, &out, &mut Terminal::new())?;
    write!(stdout, "{}", drawn.shown)?;
    if !drawn.finished {
        eprintln!("stopped; the same command goes on");
    }
    match drawn.failed.as_slice() {
        [] => Ok(()),
        failed => Err(Failure::Message(format!("{} could not be trained to the end", failed.join(", ")))),
    }
}

fn hybrid_digits(args: &HybridDigits) -> Result<(), Failure> {
    let mut progress = Terminal::new();
    let compared = hybrid::compare(args.seed..=args.seed + args.draws - 1, &mut |what| progress.note(what))?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "100 labels, means of {} draws", args.draws)?;
    writeln!(
        stdout,
        "{:<7}{:>9}{:>7}{:>7}{:>18}{:>18}{:>13}{:>15}",
        "model", "accuracy", "nll", "ece", "nll at its temp.", "ece at its temp.", "auroc turned", "under attack"
    )?;
    for (name, came) in [("plain", compared.plain), ("tuned", compared.tuned), ("jem", compared.jem)] {
        let at =
            |of: fn((f64, f64)) -> f64| came.at_temperature.map_or("–".to_owned(), |at| format!("{:.3}", of(at)));
        writeln!(
            stdout,
            "{name:<7}{:>9.3}{:>7.3}{:>7.3}{:>18}{:>18}{:>13.3}{:>15.3}",
            came.accuracy,
            came.nll,
            came.ece,
            at(|(nll, _)| nll),
            at(|(_, ece)| ece),
            came.turned,
            came.attacked
        )?;
    }
    writeln!(stdout)?;
    let expected = compared.expected();
    for line in &expected {
        writeln!(stdout, "{}  {}", if line.is_met { "met   " } else { "missed" }, line.what)?;
    }
    match expected.iter().filter(|line| !line.is_met).count() {
        0 => Ok(()),
        missed => Err(Failure::Message(format!("{missed} of {} lines were missed", expected.len()))),
    }
}
