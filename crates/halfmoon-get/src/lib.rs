//! Public data sets, downloaded: from several mirrors, resumed where a download broke off, and checked.
//!
//! A file bears its name only once its content is the published one. Until then it is `NAME.part`, which the next
//! [`get()`] goes on with.

mod content;
mod get;
mod mirror;
mod part;
mod sets;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod web;

pub use get::get;
pub use sets::{File, SETS, Set, find};

/// Who looks on, and may stop it.
pub trait Progress {
    /// One sentence about a file or a mirror.
    fn note(&mut self, sentence: &str);

    /// Bytes of a file begin to come, `done` of about `size` being there from before.
    fn begin(&mut self, file: &str, done: u64, size: u64);

    /// So many bytes of it are there.
    fn bytes(&mut self, done: u64);

    /// No more bytes of it come from this mirror.
    fn end(&mut self);

    /// Whether somebody asked to stop. What came is kept for later.
    fn stop(&self) -> bool;
}
