//! `halfmoon config`: every setting, resolved.

use std::io::Write;

use halfmoon::config::Config;

use crate::Failure;
use crate::args::Settings;

pub(crate) fn run(settings: &Settings) -> Result<(), Failure> {
    let config = Config::resolve(super::overlay(None, settings)?)?;
    write!(std::io::stdout().lock(), "{}", config.to_table())?;
    Ok(())
}
