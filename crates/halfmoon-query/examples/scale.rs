//! How long the rules take, and how much memory, on as many candidates as people have:
//!
//! ```text
//! cargo run --release -p halfmoon-query --example scale
//! ```
//!
//! With names of rules behind `--`, those alone: `k_center badge`. Each is a line: seconds, and the most memory of the process so far.

#![allow(clippy::print_stdout, reason = "an example talks")]

use std::time::Instant;

use halfmoon_pool::scores::Scores;
use halfmoon_query::{Ask, Labelled, Pool, Rule, keys_of_ids, rule};
use ndarray::{Array2, Array3};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    // A name, candidates, draws, classes, size of a code, budget.
    let cases = [
        ("margin", 1_000_000, 1, 10, 0, 100),
        ("entropy", 1_000_000, 1, 10, 0, 100),
        ("bald", 100_000, 20, 10, 0, 100),
        ("batch_bald", 10_000, 20, 10, 0, 50),
        ("gradient_length", 100_000, 1, 10, 128, 1_000),
        ("density_weighted", 100_000, 1, 10, 128, 1_000),
        ("error_reduction", 100_000, 1, 10, 128, 100),
        ("bait", 20_000, 1, 10, 64, 100),
        ("cold_start", 100_000, 1, 10, 128, 1_000),
        ("k_center", 100_000, 1, 10, 128, 1_000),
        ("badge", 100_000, 1, 10, 128, 1_000),
    ];
    for (name, n, draws, classes, h, budget) in cases {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            time(rule(name).expect("each is a rule"), [n, draws, classes, h], budget);
        }
    }
}

fn time(rule: &Rule, [n, draws, classes, h]: [usize; 4], budget: usize) {
    let scores = scores([n, draws, classes, h], 1);
    let labelled = self::scores([1_000, draws, classes, h], 2);
    let keys = keys_of_ids(&halfmoon_pool::dataset::Ids::first(n));
    let pool = Pool { labelled: Some(Labelled { scores: &labelled, inputs: None }), ..Pool::new(&scores, &keys) };
    let start = Instant::now();
    let query = rule.query(&pool, &Ask { budget, ..Ask::default() }).expect("all that is needed");
    let seconds = start.elapsed().as_secs_f64();
    let [found, memory] = [query.picks.len(), most_memory()];
    println!(
        "{:<18}{found:>6} of {n:>9} × {draws} × {classes}, codes of {h:>3}: {seconds:>7.2} s, {memory} MB",
        rule.name
    );
}

/// Random probabilities and codes.
fn scores([n, draws, classes, h]: [usize; 4], seed: u64) -> Scores {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut log_probs = Array3::from_shape_fn((n, draws, classes), |_| rng.random_range(-3.0_f32..3.0));
    for mut row in log_probs.lanes_mut(ndarray::Axis(2)) {
        let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
        row -= sum.ln();
    }
    let codes = (h > 0).then(|| Array2::from_shape_fn((n, h), |_| rng.random_range(-1.0..1.0)));
    Scores { log_probs, log_density: None, energy: None, codes }
}

/// In MB; 0 where the system does not say.
fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok()).unwrap_or(0) / 1024
}
