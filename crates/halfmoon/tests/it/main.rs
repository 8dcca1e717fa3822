//! Tests of the whole crate, in one binary.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test that panics says where")]

mod conformance;
mod digits;
mod exact;
mod golden;
mod gradients;
mod support;
