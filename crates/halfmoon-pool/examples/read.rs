//! Reads a data set as `halfmoon train` does, and says how long it took and how much memory.
//!
//!     cargo run --release -p halfmoon-pool --example read -- ../shared/data/mnist
//!
//! prints such as `70000 items, 0.22 s, 61 MB`. A second argument names the label column of a table.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use halfmoon_pool::Dataset;
use halfmoon_pool::read::{Options, read};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(path) = args.next() else {
        eprintln!("usage: read DATA [LABEL]");
        return ExitCode::from(2);
    };
    let options = Options { label: args.next(), ..Options::default() };
    let started = Instant::now();
    match read(Path::new(&path), &options) {
        Ok(source) => {
            let seconds = started.elapsed().as_secs_f64();
            let splits = [Some(&source.train), source.validation.as_ref(), source.test.as_ref()];
            let items: usize = splits.into_iter().flatten().map(Dataset::len).sum();
            println!("{items} items, {seconds:.2} s, {}", peak().unwrap_or_else(|| "memory unknown".into()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The most memory that this process ever held, as Linux counts it.
fn peak() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(format!("{:.0} MB", kibibytes * 1024.0 / 1e6))
}
