//! One page that tells a person how far a classifier can be trusted: what it says of held-out items, judged, drawn and
//! put into words. The page is a single HTML file that asks nothing of a network and needs no script.
//!
//! ```text
//!  answers ─► Trust (figures, bins, curves) ─┬─► sentences
//!                                            ├─► figures as SVG
//!  items ───► the worst mistakes, pictures ──┴─► sections ─► page
//! ```
//!
//! All parts but the title are optional: what is not there is not shown, and what cannot be estimated says so.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests: a panic says where"))]

mod citation;
mod figures;
mod items;
mod markup;
mod mistakes;
mod page;
mod pictures;
mod sections;
mod trust;
mod words;

pub use markup::escaped;

use halfmoon_pool::dataset::ImageShape;
use halfmoon_pool::scores::Predictions;
use halfmoon_pool::{Class, Dataset};
use ndarray::Array2;

/// What is told.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Of the page, and its head line.
    pub title: String,
    /// What stands below it: a name and a text each, such as the model, the data and the version.
    pub about: Vec<(String, String)>,
    /// What the classifier says of held-out items.
    pub answers: Option<Answers>,
    /// What another one says of the same items.
    pub baseline: Option<Baseline>,
    /// Data of another kind, each with what the scores for outliers say.
    pub others: Vec<Others>,
    /// How accuracy falls under attack, a norm each.
    pub attacks: Vec<Attacks>,
    /// The terms of the loss.
    pub learning: Vec<Term>,
    /// What the model makes up.
    pub samples: Option<Samples>,
    /// Where the chains of its training stood when it ended.
    pub chains: Option<Samples>,
    /// What came up when the data were read.
    pub data: Option<Found>,
    /// What was typed to get here, in order.
    pub commands: Vec<String>,
    /// BibTeX entries.
    pub citations: Vec<String>,
}

/// What a classifier says of labelled items that it has not learned from.
#[derive(Debug, Clone)]
pub struct Answers {
    /// Its name.
    pub name: String,
    /// Probabilities and true classes.
    pub predictions: Predictions,
    /// The items, in the order of the predictions. They may have no features: then mistakes are named and not shown.
    pub items: Dataset,
    /// Items that have no label and so are not among these.
    pub unlabelled: usize,
    /// How these items came to be held out, as a sentence without its stop.
    pub protocol: String,
    /// What some of the items are to the model.
    pub codes: Option<Codes>,
}

/// What a model answers from: the last hidden layer, or a code.
#[derive(Debug, Clone, PartialEq)]
pub struct Codes {
    /// Positions in [`Answers::items`].
    pub items: Vec<usize>,
    /// A row each: `[item, h]`.
    pub codes: Array2<f32>,
}

/// What another classifier says of the items of [`Answers`].
#[derive(Debug, Clone)]
pub struct Baseline {
    /// Its name.
    pub name: String,
    /// In the same order.
    pub predictions: Predictions,
}

/// Data of another kind, which a classifier should find strange.
#[derive(Debug, Clone, PartialEq)]
pub struct Others {
    /// Where they are from.
    pub data: String,
    /// Each score; the first one is drawn.
    pub scores: Vec<OutlierScore>,
}

/// A score that is the higher, the stranger an item is.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlierScore {
    /// Its name.
    pub name: String,
    /// What it is, in a line.
    pub about: String,
    /// Of the held-out items.
    pub usual: Vec<f64>,
    /// Of the others.
    pub others: Vec<f64>,
}

/// Accuracy as inputs are changed against a classifier, by the radius of the change.
#[derive(Debug, Clone, PartialEq)]
pub struct Attacks {
    /// What the radius is, such as `largest change of a number`.
    pub radius: String,
    /// Items that were tried.
    pub items: usize,
    /// Share of right answers to what nobody changed.
    pub clean: f64,
    /// Each attack and control: its name, and radius and share of right answers by rising radius. The first is the worst of all attacks.
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
    /// Why the attacks may not be believed.
    pub doubts: Vec<String>,
}

/// A term of the loss, or an error, over the steps of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// Its name.
    pub name: String,
    /// Step and value, by rising step.
    pub points: Vec<(f64, f64)>,
}

/// Pictures that a model makes up.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// Size of each.
    pub shape: ImageShape,
    /// A row a picture, as shares of white: `[picture, pixel]`.
    pub pixels: Array2<f32>,
    /// The class that each was asked for; `None` where the model knows none.
    pub classes: Option<Vec<Class>>,
    /// Names of the classes.
    pub names: Vec<String>,
}

/// What came up when data were read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Sentences.
    pub notes: Vec<String>,
    /// What was left out, and why.
    pub left_out: Vec<(String, String)>,
}

/// The page.
pub fn html(report: &Report) -> String {
    page::page(&report.title, &sections::sections(report))
}
