//! Any text as a configuration file; what resolves must resolve to itself again.
#![no_main]

use halfmoon::config::{Config, read, set};
use libfuzzer_sys::fuzz_target;

#[path = "scratch.rs"]
mod scratch;

fuzz_target!(|text: &str| {
    let mut table = toml::Table::new();
    let _ = set(&mut table, text);
    let path = scratch::file("input.toml", text.as_bytes());
    for table in [Some(table), read(&path).ok()].into_iter().flatten() {
        if let Ok(config) = Config::resolve(table) {
            assert_eq!(Config::resolve(config.to_table()).expect("it resolved before"), config);
        }
    }
});
