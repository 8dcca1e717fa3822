//! Reads a data set and prepares it for training: how long each step takes, and the most memory so far.
//!
//!     cargo run --release -p halfmoon-pool --example prepare -- embeddings.npy labels.csv
//!
//! The second argument, which may be left out, is the file of the labels.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use halfmoon_pool::encode::{Encoding, Pixels};
use halfmoon_pool::read::{CHUNK, Options, read, stream};
use halfmoon_pool::split::{copies, groups};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(path) = args.next() else {
        eprintln!("usage: prepare DATA [LABELS]");
        return ExitCode::from(2);
    };
    let path = Path::new(&path);
    let options = Options { labels_from: args.next().map(PathBuf::from), ..Options::default() };
    let mut started = Instant::now();
    let mut say = |what: String| {
        println!("{:>6.2} s {:>6}  {what}", started.elapsed().as_secs_f64(), peak().unwrap_or_default());
        started = Instant::now();
    };
    let train = match read(path, &options) {
        Ok(source) => source.train,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    say(format!("read {} items, {} labelled", train.len(), train.labelled().len()));
    let groups = groups(&train.inputs);
    say(format!("{} of them differ", groups.iter().max().map_or(0, |last| last + 1)));
    say(format!("{} are copies of themselves", copies(&train.inputs, &train.inputs)));
    let mut bytes = 0;
    train.inputs.bytes(&mut |some| bytes += some.len());
    say(format!("{bytes} bytes for the fingerprint"));
    let encoding = Encoding::fit(&train, Pixels::default());
    say(format!("encoding of {} columns fitted", encoding.layout().width()));
    let rows: Vec<usize> = (0..train.len()).collect();
    let mut largest = 0.0_f32;
    for rows in rows.chunks(CHUNK) {
        largest = encoding.encode(&train.inputs, rows).iter().fold(largest, |largest, x| largest.max(x.abs()));
    }
    say(format!("every row encoded, up to {largest}"));
    let schema = serde_json::to_vec_pretty(&train.schema).map_or(0, |text| text.len());
    let fitted = serde_json::to_vec_pretty(&encoding).map_or(0, |text| text.len());
    say(format!("schema of {schema} bytes, encoding of {fitted} bytes"));
    let kept = train.schema.clone();
    drop(train);
    let mut streamed = 0;
    let end = stream(path, &kept, &Options::default(), &mut |chunk| {
        streamed += chunk.ids.len();
        Ok(())
    });
    say(format!("{streamed} items streamed{}", end.err().map_or(String::new(), |error| format!(", then {error}"))));
    ExitCode::SUCCESS
}

/// The most memory that this process ever held, as Linux counts it.
fn peak() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(format!("{:.0} MB", kibibytes * 1024.0 / 1e6))
}
