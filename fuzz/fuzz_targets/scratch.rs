//! The readers take paths, so the fuzzer's bytes become a file in memory where the system has that.

use std::path::{Path, PathBuf};

/// Writes a file into this process's scratch folder.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = base.join(format!("halfmoon-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the scratch folder can be made");
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("the scratch folder can be written to");
    path
}
