//! Any bytes as a NumPy file or an archive of them.
#![no_main]

use halfmoon_pool::read::{Options, read};
use libfuzzer_sys::fuzz_target;

#[path = "scratch.rs"]
mod scratch;

fuzz_target!(|bytes: &[u8]| {
    let name = if bytes.first().is_some_and(|first| first % 2 == 0) { "input.npz" } else { "input.npy" };
    let bytes = bytes.get(1..).unwrap_or_default();
    let _ = read(&scratch::file(name, bytes), &Options { format: Some("npy".into()), ..Options::default() });
});
