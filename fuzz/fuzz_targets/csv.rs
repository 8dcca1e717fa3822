//! Any bytes as a table: read for training, and streamed for prediction where that worked.
#![no_main]

use halfmoon_pool::read::{Options, read, stream};
use libfuzzer_sys::fuzz_target;

#[path = "scratch.rs"]
mod scratch;

fuzz_target!(|bytes: &[u8]| {
    let path = scratch::file("input.csv", bytes);
    // The first column is there whenever anything is.
    let options = Options { label: Some("1".into()), ..Options::default() };
    if let Ok(source) = read(&path, &options) {
        let rows = source.train.len();
        let mut streamed = 0;
        let _ = stream(&path, &source.train.schema, &Options::default(), &mut |chunk| {
            assert_eq!(chunk.ids.len(), chunk.status.len());
            assert_eq!(chunk.ids.len(), chunk.inputs.rows());
            streamed += chunk.ids.len();
            Ok(())
        });
        assert!(rows > 0);
    }
});
