//! What can be typed. How it is meant is in `commands/`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// Train a classifier from a few labelled examples and a pile of unlabelled ones.
///
/// You have much data and few labels: a folder of pictures of which a hundred are sorted, a table in
/// which one column is mostly empty. halfmoon learns from the labelled and the unlabelled rows
/// together, tells you on held-out rows how good the result is beside a plain classifier, and answers
/// new inputs with a label, how sure it is, and how usual the input looks.
///
/// Try it without any data of your own:
///
///     halfmoon train digits --labels 50
#[derive(Parser)]
#[command(name = "halfmoon", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Results go to standard output, everything else to standard error.
Exit codes: 0 done, 1 failed, 2 a mistake in the command, 3 a problem with the data.")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Learn from DATA and write a run folder
    Train(Box<Train>),
    /// Label new inputs with a trained run, one line an input
    Predict(Predict),
    /// Judge a trained run on labelled data
    Eval(Eval),
    /// List the models
    Models,
    /// List the forms in which data may come
    Formats,
    /// List the figures that `train` and `eval` give
    Metrics,
    /// Print BibTeX of what a run used, or of everything
    Cite {
        /// A run folder
        run: Option<PathBuf>,
    },
    /// Print every setting as TOML, resolved as `train` would
    Config(Box<Settings>),
}

#[derive(ClapArgs)]
pub(crate) struct Train {
    /// A folder of pictures, a CSV file, IDX or NumPy files, or `digits` (built in). See `halfmoon formats`
    #[arg(required_unless_present_any = ["resume", "config"])]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Write the run into this folder [default: runs/DATA-MODEL-SEED]
    #[arg(long, value_name = "RUN")]
    pub(crate) out: Option<PathBuf>,
    /// Go on with a run that was stopped or killed; the numbers come out as if it had not been.
    /// Its settings stay as they are; only a new --time may be given, to a run that was not ended by the old one
    #[arg(long, value_name = "RUN", conflicts_with_all = ["data", "out", "model", "labels", "label", "test", "seed", "config"])]
    pub(crate) resume: Option<PathBuf>,
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// Everything that ends up in the resolved configuration.
#[derive(ClapArgs, Default)]
pub(crate) struct Settings {
    /// Train this model alone [default: m2 and, beside it, the supervised baseline]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Keep N labels, equally many a class, and hide the others: to see what N labels can do
    #[arg(long, value_name = "N")]
    pub(crate) labels: Option<usize>,
    /// Held-out data for the figures [default: the data's own test split; else a fifth or folds]
    #[arg(long, value_name = "DATA")]
    pub(crate) test: Option<PathBuf>,
    /// Decides the split, the kept labels, the parameters and the noise [default: 1]
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Training steps of each model
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u64>,
    /// Stop training after this long, such as 90s, 10m or 2h, shared by everything that is trained
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse)]
    pub(crate) time: Option<std::time::Duration>,
    /// Where the numbers are crunched [default: cpu]
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// A TOML file with any part of the settings
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, such as `m2.latent=20` or `m2.train.rate=3e-4`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// How data are read.
#[derive(ClapArgs, Default)]
#[command(next_help_heading = "Reading data")]
pub(crate) struct Reading {
    /// The label column of a table, by name or by number from 1
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// The classes, separated by commas: one may have no label yet
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub(crate) classes: Option<Vec<String>>,
    /// Texts that mean "no label", besides the empty cell, NaN, NA, null and None
    #[arg(long, value_name = "TEXT,…", value_delimiter = ',')]
    pub(crate) missing_label: Vec<String>,
    /// What the label -1 means, where that is not clear
    #[arg(
        long,
        value_name = "MEANING",
        visible_alias = "unlabelled",
        visible_alias = "unlabeled",
        allow_hyphen_values = true
    )]
    pub(crate) minus_one: Option<MinusOne>,
    /// How a column is meant: NAME=numeric, yes_no, category or ignore; may be repeated
    #[arg(long, value_name = "NAME=KIND")]
    pub(crate) column: Vec<String>,
    /// What stands between the fields of a table, where guessing is wrong
    #[arg(long, value_name = "CHARACTER")]
    pub(crate) delimiter: Option<char>,
    /// Whether the first line of a table names the columns, where guessing is wrong
    #[arg(long, value_name = "YES|NO")]
    pub(crate) header: Option<YesNo>,
    /// Bring pictures of a folder to HEIGHTxWIDTH pixels
    #[arg(long, value_name = "HxW", value_parser = image_size)]
    pub(crate) image_size: Option<(u32, u32)>,
    /// The format, where the path does not tell; see `halfmoon formats`
    #[arg(long, value_name = "NAME")]
    pub(crate) format: Option<String>,
}

#[derive(ClapArgs)]
pub(crate) struct Predict {
    /// A run folder that `halfmoon train` wrote
    pub(crate) run: PathBuf,
    /// What to label: anything that `train` reads, a single picture, or `-` for a table on standard input
    pub(crate) input: PathBuf,
    /// Write here, as CSV or as JSON lines by the name's ending [default: CSV to standard output]
    #[arg(short, long, value_name = "FILE.csv|.jsonl")]
    pub(crate) output: Option<PathBuf>,
    /// Ask this model of the run [default: its first]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Exit with code 3 when an input could not be read
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(ClapArgs)]
pub(crate) struct Eval {
    /// A run folder that `halfmoon train` wrote
    pub(crate) run: PathBuf,
    /// Labelled data; their own test split where they have one
    pub(crate) data: PathBuf,
    /// Ask this model of the run [default: its first]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum MinusOne {
    /// -1 marks a row without a label
    #[value(name = "unlabelled", alias = "unlabeled", alias = "-1")]
    Unlabelled,
    /// -1 is a class like any other
    #[value(name = "class", alias = "none")]
    Class,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum YesNo {
    Yes,
    No,
}

fn image_size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x').and_then(|(height, width)| Some((height.parse().ok()?, width.parse().ok()?)));
    sides
        .filter(|&(height, width)| height > 0 && width > 0)
        .ok_or_else(|| "write height and width in pixels, such as 32x32".into())
}
