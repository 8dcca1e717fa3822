//! The binary `halfmoon`: arguments in, messages out. What happens in between is in the libraries.

#![allow(clippy::print_stdout, reason = "printing is what a command line is for")]

mod args;
mod commands;
mod curve;
mod duration;
mod npy;
mod probs;
mod progress;
mod ssl;
mod table;

use std::process::ExitCode;

use clap::Parser;
use halfmoon::ops::{in_pool, keep_freed_memory};
use halfmoon_pool::Error;

fn main() -> ExitCode {
    keep_freed_memory();
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // `--help` and `--version` come this way too, and are no failure.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match in_pool(|| commands::run(args.command)) {
        Ok(()) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(Failure::Message(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
        Err(Failure::User(error)) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(match error {
                Error::Usage { .. } => USAGE,
                Error::Data { .. } | Error::Io { .. } => DATA,
            })
        }
    }
}

/// Exit code for a request that is at fault.
const USAGE: u8 = 2;

/// Exit code for data that are at fault.
const DATA: u8 = 3;

/// Why a command ended early.
pub(crate) enum Failure {
    /// Something that the user can mend.
    User(Error),
    /// Something else, in words.
    Message(String),
    /// Whoever read the output has seen enough, as `head` does.
    ClosedPipe,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::User(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Message(error.to_string()),
        }
    }
}
