//! `halfmoon models`, `formats` and `metrics`: the registries, as they are.

use halfmoon::models::MODELS;
use halfmoon_pool::metric::METRICS;
use halfmoon_pool::outlier::OUTLIER_FIGURES;
use halfmoon_pool::read::FORMATS;

use crate::Failure;
use crate::table::two_columns;

pub(crate) fn models() -> Result<(), Failure> {
    two_columns(MODELS.iter().map(|model| (model.name, model.about)))
}

pub(crate) fn formats() -> Result<(), Failure> {
    two_columns(FORMATS.iter().map(|format| (format.name, format.about)))
}

pub(crate) fn metrics() -> Result<(), Failure> {
    let of_outliers = OUTLIER_FIGURES.iter().map(|figure| (figure.name, figure.about));
    two_columns(METRICS.iter().map(|metric| (metric.name, metric.about)).chain(of_outliers))
}
