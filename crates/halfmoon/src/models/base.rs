//! A model that another one is built around, by name.

use halfmoon_pool::error::did_you_mean;
use toml::Table;

use super::MODELS;
use crate::config::merge;
use crate::fit::Entry;

/// The model called `base`, which is not `own`, and its settings: its defaults, and over them those that differ.
pub(super) fn base(base: &str, differing: &Table, own: &str) -> Result<(&'static Entry, Table), String> {
    let others = || MODELS.iter().filter(|entry| entry.name != own);
    let Some(entry) = others().find(|entry| entry.name == base) else {
        return Err(format!("`base`: {}", did_you_mean(base, others().map(|entry| entry.name))));
    };
    let mut settings = (entry.defaults)();
    merge(&mut settings, differing.clone());
    Ok((entry, settings))
}
