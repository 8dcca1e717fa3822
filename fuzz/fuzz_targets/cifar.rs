//! Any bytes as a binary file of CIFAR, of either kind, with others as the names of its classes.
#![no_main]

use halfmoon_pool::read::{Options, read};
use libfuzzer_sys::fuzz_target;

#[path = "scratch.rs"]
mod scratch;

fuzz_target!(|bytes: &[u8]| {
    let (name, names) = match bytes.first() {
        Some(first) if first % 2 == 0 => ("train.bin", "fine_label_names.txt"),
        _ => ("data_batch_1.bin", "batches.meta.txt"),
    };
    let (texts, records) = bytes.split_at(bytes.len().min(100));
    scratch::file(names, texts);
    let _ = read(&scratch::file(name, records), &Options { format: Some("cifar".into()), ..Options::default() });
});
