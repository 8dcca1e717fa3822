//! Any bytes as a Parquet file: read for training, and streamed for prediction where that worked.
#![no_main]

use halfmoon_pool::read::{Options, read, stream};
use libfuzzer_sys::fuzz_target;

#[path = "scratch.rs"]
mod scratch;

fuzz_target!(|bytes: &[u8]| {
    let path = scratch::file("input.parquet", bytes);
    if let Ok(source) = read(&path, &Options::default()) {
        let _ = stream(&path, &source.train.schema, &Options::default(), &mut |chunk| {
            assert_eq!(chunk.ids.len(), chunk.status.len());
            assert_eq!(chunk.ids.len(), chunk.inputs.rows());
            Ok(())
        });
    }
});
