//! What can be typed about projects.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap::builder::PossibleValuesParser;
use halfmoon_journal::exchange::FORMATS;

use super::Reading;

/// The name that a project has where none is given.
pub(crate) const PROJECT: &str = "project.db";

/// `halfmoon init`.
#[derive(ClapArgs)]
pub(crate) struct Init {
    /// Anything that `train` reads; the classes, where some have no label yet, with --classes
    pub(crate) data: PathBuf,
    /// Write the project into this file, which must not be there yet
    #[arg(long, value_name = "FILE", default_value = PROJECT)]
    pub(crate) out: PathBuf,
    /// What the project is called [default: the name of DATA]
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// `halfmoon status`.
#[derive(ClapArgs)]
pub(crate) struct Status {
    /// A file that `halfmoon init` wrote
    #[arg(default_value = PROJECT)]
    pub(crate) project: PathBuf,
    /// Also read the whole file, fold all events anew and compare
    #[arg(long)]
    pub(crate) check: bool,
    /// Make what is kept of the fold anew from the events
    #[arg(long)]
    pub(crate) rebuild: bool,
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// `halfmoon import`.
#[derive(ClapArgs)]
pub(crate) struct Import {
    /// Labels: a table (.csv, .tsv), JSON lines (.jsonl), an export of Label Studio (.json), or standard input (-) with --format
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The project that takes them
    #[arg(long, value_name = "FILE", default_value = PROJECT)]
    pub(crate) project: PathBuf,
    /// The format, where the name does not tell
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(FORMATS.iter().map(|format| format.name)))]
    pub(crate) format: Option<String>,
    /// The column or field that holds the label; in Label Studio's files, the question (`from_name`) that is meant [default: label]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// Whose labels these are, where the file does not say
    #[arg(long, value_name = "NAME", default_value = "import")]
    pub(crate) annotator: String,
    /// Make classes of labels that are none yet
    #[arg(long)]
    pub(crate) new_classes: bool,
    /// Exit with code 3 when a record was left out
    #[arg(long)]
    pub(crate) strict: bool,
}

/// `halfmoon export`.
#[derive(ClapArgs)]
pub(crate) struct Export {
    /// A file that `halfmoon init` wrote
    #[arg(default_value = PROJECT)]
    pub(crate) project: PathBuf,
    /// Write here, in the format that the name's ending tells [default: CSV to standard output]
    #[arg(short, long, value_name = "FILE.csv|.jsonl|.json")]
    pub(crate) output: Option<PathBuf>,
    /// The format: `csv` holds the labels that stand, `label-studio` skips too, `jsonl` everything but the items themselves
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(FORMATS.iter().map(|format| format.name)))]
    pub(crate) format: Option<String>,
}
