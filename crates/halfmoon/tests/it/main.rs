//! Tests of the whole crate, in one binary.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "tests: a panic says where")]
#![allow(clippy::cast_possible_truncation, reason = "small numbers made up for a test")]
#![allow(clippy::print_stdout, reason = "shown where a test fails")]
#![allow(clippy::match_same_arms, clippy::approx_constant, reason = "numbers as the reference lists them")]

mod aral;
mod attack;
mod auxiliary;
mod branches;
mod conformance;
mod coupled;
mod digits;
mod exact;
mod golden;
mod gradients;
mod jem;
mod ladder;
mod lsd;
mod ops;
mod savings;
mod support;
mod synthesis;
mod vae;
mod vat;
