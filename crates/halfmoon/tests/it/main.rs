//! Tests of the whole crate, in one binary.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "tests: a panic says where")]

mod conformance;
mod digits;
mod exact;
mod golden;
mod gradients;
mod support;
