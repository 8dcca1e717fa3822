//! The binary as its users meet it: what they type, what they get, what a hard day does to it.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "tests: a panic says where")]

mod basics;
mod curve;
mod embeddings;
mod energy;
mod labels;
mod making;
mod pictures;
mod predict;
mod project;
mod query;
mod report;
mod resume;
mod review;
mod simulate;
mod ssl;
mod stream;
mod support;
mod synthesise;
mod tables;
mod train;
mod trust;
mod web;
