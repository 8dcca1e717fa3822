//! `halfmoon get`.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use halfmoon_get::{Progress, SETS};
use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};

use crate::Failure;
use crate::args::Get;
use crate::progress::{SAY_EVERY, interrupt};
use crate::table::two_columns;

pub(crate) fn run(args: &Get) -> Result<(), Failure> {
    let Some(name) = &args.set else { return list() };
    let set = halfmoon_get::find(name)?;
    let into = args.into.clone().unwrap_or_else(|| Path::new("data").join(&set.name));
    let Some(_) = halfmoon_get::get(set, &into, args.from.as_deref(), &mut Terminal::new())? else {
        eprintln!("stopped; go on with the same command");
        return Ok(());
    };
    eprintln!("licence: {}", set.licence);
    writeln!(std::io::stdout(), "train on it with: halfmoon train {} {}", set.path(&into).display(), set.flags)?;
    Ok(())
}

fn list() -> Result<(), Failure> {
    let about: Vec<String> = SETS
        .iter()
        .map(|set| {
            let size = if set.is_built_in() { "built in".to_owned() } else { DecimalBytes(set.size()).to_string() };
            format!("{}; {size}, {}", set.about, set.licence)
        })
        .collect();
    two_columns(SETS.iter().zip(&about).map(|(set, about)| (set.name.as_str(), about.as_str())))
}

/// Standard error, and Ctrl-C.
struct Terminal {
    bar: Option<ProgressBar>,
    file: String,
    size: u64,
    said: Instant,
    stopped: Arc<AtomicBool>,
}

impl Terminal {
    fn new() -> Terminal {
        Terminal { bar: None, file: String::new(), size: 0, said: Instant::now(), stopped: interrupt() }
    }
}

impl Progress for Terminal {
    fn note(&mut self, sentence: &str) {
        eprintln!("{sentence}");
    }

    fn begin(&mut self, file: &str, done: u64, size: u64) {
        file.clone_into(&mut self.file);
        self.size = size;
        self.said = Instant::now();
        if std::io::stderr().is_terminal() {
            let template =
                "{prefix} {wide_bar:.cyan} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left";
            let style = ProgressStyle::with_template(template).expect("a template that was tried");
            let bar = ProgressBar::new(size).with_style(style).with_prefix(self.file.clone()).with_position(done);
            bar.reset_eta();
            self.bar = Some(bar);
        } else {
            let before = if done > 0 { format!(", {} are there", DecimalBytes(done)) } else { String::new() };
            eprintln!("{file}: {}{before}", DecimalBytes(size));
        }
    }

    fn bytes(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if self.said.elapsed() >= SAY_EVERY {
            self.said = Instant::now();
            eprintln!("{}: {} of {}", self.file, DecimalBytes(done), DecimalBytes(self.size));
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn stop(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
