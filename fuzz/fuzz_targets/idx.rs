//! Any bytes as an IDX file of pictures, alone and with themselves as labels.
#![no_main]

use halfmoon_pool::read::{Options, read};
use libfuzzer_sys::fuzz_target;

#[path = "scratch.rs"]
mod scratch;

fuzz_target!(|bytes: &[u8]| {
    let split = bytes.len() / 2;
    scratch::file("train-images-idx3-ubyte", &bytes[..split]);
    let path = scratch::file("train-labels-idx1-ubyte", &bytes[split..]);
    let folder = path.parent().expect("a file lies in a folder");
    let _ = read(folder, &Options { format: Some("idx".into()), ..Options::default() });
});
