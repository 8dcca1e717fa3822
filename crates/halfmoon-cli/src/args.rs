//! What can be typed. How it is meant is in `commands/`.

mod active;
mod project;
mod web;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, value_parser};
use halfmoon::synthesis::DOUBT;
use halfmoon_pool::outlier::OUTLIER_SCORES;
use halfmoon_query::RULES;
use halfmoon_query::stream::MANAGERS;

pub(crate) use active::Simulate;
pub(crate) use project::{Export, Import, Init, Status};
pub(crate) use web::{Label, Listening, Serve};

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
    /// Write what a model makes its answers from, its codes, as NumPy arrays that `train` reads
    Codes(Codes),
    /// Write one HTML page that tells how far a run, or any classifier, can be trusted
    ///
    /// The page needs no network and no program but a browser: figures, sentences, the worst mistakes, labels in doubt.
    Report(Box<Report>),
    /// List what a person should look at again: labels that may be wrong, copies, disagreements; most doubtful first
    ///
    /// Of a run: labels of held-out items that its model speaks against, exact and near copies among its data. Of a project:
    /// what annotators disagree about, weighed by their skill, and exact copies whose labels contradict each other.
    Review(Box<Review>),
    /// Draw pictures that the model makes up, of every class or of one; with -o x.npy as an array, y.npy beside it
    Sample(Sample),
    /// Fill in what of an input is missing, several times over: pictures of which a part is hidden, tables with empty cells
    Complete(Complete),
    /// Tell how accuracy falls as inputs are changed against a run, and whether the attacks can be believed
    Robust(Robust),
    /// Draw items in every class, their style held
    Analogy(FromItems),
    /// Draw what the codes look like
    Manifold(Manifold),
    /// Draw items beside what the model makes of their codes
    Reconstruct(FromItems),
    /// Begin a project: items of DATA that people are to label, kept with all that is said of them in one file
    Init(Box<Init>),
    /// Label DATA in a browser, key by key, while a model learns and chooses what to ask next
    Label(Box<Label>),
    /// Tell what a project holds: labels by class and annotator, agreement, copies, rounds
    Status(Status),
    /// Take labels into a project from tables, JSON lines or Label Studio
    Import(Import),
    /// Write a project's labels for other programs
    Export(Export),
    /// Choose which unlabelled items to label next, and say why
    Query(Query),
    /// Play active learning through on labelled DATA: what each rule would have been worth, beside asking at random
    ///
    /// The labels are hidden and given one by one to whatever a rule asks about. Rules share their initial labels and the held-out items.
    Simulate(Box<Simulate>),
    /// Make up inputs that the model cannot tell the class of, as plausible as real ones; or find the real items nearest to them
    #[command(alias = "synthesize")]
    Synthesise(Box<Synthesise>),
    /// Answer items that arrive line by line: ask for a label or skip, within a budget
    /// Each line of standard input is answered with a line of standard output before the next is waited for. Lines are those
    /// of a table, or JSON objects such as {"id": 7, "size": 24.5, "food": null}, {"id": 7, "x": [0, 12.5]} or {"path": "a.png"}.
    /// A line that cannot be read is skipped, and `problem` says why. The item that came last is not counted twice if it comes
    /// again under the same id.
    Stream(Stream),
    /// Answer requests over HTTP: rows, tables and pictures; stock clients of the Open Inference Protocol
    Serve(Serve),
    /// Download a public data set, checked; without SET, list them
    Get(Get),
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
    /// Make a published table anew
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(ClapArgs)]
pub(crate) struct Train {
    /// A folder of pictures, a CSV or Parquet file, IDX or NumPy files, or `digits` (built in). See `halfmoon formats`
    #[arg(required_unless_present_any = ["resume", "config"])]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Write the run into this folder [default: runs/DATA-MODEL-SEED]
    #[arg(long, value_name = "RUN")]
    pub(crate) out: Option<PathBuf>,
    /// Go on with a run that was stopped or killed; the numbers come out as if it had not been.
    /// Its settings stay as they are; only a new --time may be given, to a run that was not ended by the old one
    #[arg(long, value_name = "RUN", conflicts_with_all = ["data", "out", "model", "labels", "label", "labels_from", "test", "seed", "config"])]
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
    /// The labels of the --test data, where they are in a second file
    #[arg(long, value_name = "FILE")]
    pub(crate) test_labels_from: Option<PathBuf>,
    /// Decides the split, the kept labels, the parameters and the noise [default: 1]
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// How frequent the classes are, for the models gc_vae and gc_head: all alike, as among the labelled items, or as the model
    /// finds them among all
    #[arg(long, value_name = "FROM")]
    pub(crate) prior: Option<PriorFrom>,
    /// Training steps of each model
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u64>,
    /// Stop training after this long, such as 90s, 10m or 2h, shared by everything that is trained
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse)]
    pub(crate) time: Option<std::time::Duration>,
    /// Where the numbers are crunched: cpu, or cuda, vulkan, metal in a build with that feature [default: cpu]
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
    /// The label column of a table (or of the file of --labels-from), by name or by number from 1
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// A second file that holds the labels of arrays or Parquet files: .csv with a row an item or a column `id`, or .npy
    #[arg(long, value_name = "FILE")]
    pub(crate) labels_from: Option<PathBuf>,
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
    /// How often the column `set`, classes that may be the true one with `|` between them, is to hold the true one
    #[arg(long, value_name = "SHARE", default_value = "0.9", value_parser = share)]
    pub(crate) coverage: f64,
    /// Flag inputs that look as strange as this share of normal ones does; adds the columns `outlier_p` and `flag`
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) flag_outliers: Option<f64>,
    /// What strangeness is [default: the first that the model has of mahalanobis, log_density, energy, max_prob]
    #[arg(
        long,
        value_name = "NAME",
        requires = "flag_outliers",
        value_parser = PossibleValuesParser::new(OUTLIER_SCORES.iter().map(|score| score.name))
    )]
    pub(crate) outlier_score: Option<String>,
    /// Give probabilities as the model does, not as its held-out items calibrate them
    #[arg(long)]
    pub(crate) no_temperature: bool,
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
    /// Also bound log p(x) from below, with N importance samples an item: the more, the tighter and the slower
    #[arg(long, value_name = "N")]
    pub(crate) importance: Option<std::num::NonZeroUsize>,
    /// Also tell how well outlier scores tell DATA from these data, of which no label is read; may be repeated
    #[arg(long, value_name = "OTHER_DATA")]
    pub(crate) ood: Vec<PathBuf>,
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(ClapArgs)]
pub(crate) struct Codes {
    /// A run folder that `halfmoon train` wrote
    pub(crate) run: PathBuf,
    /// Anything that `train` reads
    pub(crate) data: PathBuf,
    /// Write x_train.npy, y_train.npy and those of the data's other splits into this folder
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// Ask this model of the run [default: its first]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(ClapArgs)]
pub(crate) struct Report {
    /// A run folder that `halfmoon train` wrote
    #[arg(required_unless_present = "probs", conflicts_with = "probs")]
    pub(crate) run: Option<PathBuf>,
    /// Labelled data to judge it on; their own test split where they have one [default: what the run held out]
    #[arg(long, value_name = "HOLDOUT", conflicts_with = "probs")]
    pub(crate) data: Option<PathBuf>,
    /// Data of another kind, which the run should find strange; may be repeated
    #[arg(long, value_name = "DATA", conflicts_with = "probs")]
    pub(crate) ood: Vec<PathBuf>,
    /// Judge anybody's classifier by its answers: a table with a row an item, the true class in the column `label` (or
    /// --label) and the probability of each class in a column `p_CLASS` or `p(CLASS)`
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) probs: Option<PathBuf>,
    /// Ask this model of the run [default: its first]
    #[arg(long, value_name = "NAME", conflicts_with = "probs")]
    pub(crate) model: Option<String>,
    /// Write the page here [default: report.html in the run folder, or beside the table of --probs]
    #[arg(short, long, value_name = "FILE.html")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(ClapArgs)]
pub(crate) struct Review {
    /// A run folder that `halfmoon train` wrote, or a project that `halfmoon init` wrote
    #[arg(value_name = "RUN|PROJECT")]
    pub(crate) of: PathBuf,
    /// Other data to review with the run; labels that it has learned from are not judged [default: the run's own, of which it
    /// judges what it held out]
    pub(crate) data: Option<PathBuf>,
    /// At most so many items, or groups of copies, of each kind [default: 20 in the tables, all with -o and --json]
    #[arg(short, value_name = "N")]
    pub(crate) number: Option<NonZeroUsize>,
    /// Also write a table with a line an item and the columns kind, id, label, proposed, probability and why
    #[arg(short, long, value_name = "FILE.csv")]
    pub(crate) output: Option<PathBuf>,
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Items that are nearer than this are near copies, in units of the items' spread; 0 leaves them out
    /// [default: 0.1, unless more than a tenth of the items are]
    #[arg(long, value_name = "DISTANCE", value_parser = distance)]
    pub(crate) near: Option<f64>,
    /// Ask this model of the run [default: its first]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(ClapArgs)]
pub(crate) struct Get {
    /// The name of a data set, such as `mnist` [default: list them all]
    pub(crate) set: Option<String>,
    /// Put the files into this folder; those that are there and right are kept [default: data/SET]
    #[arg(long, value_name = "DIR", requires = "set")]
    pub(crate) into: Option<PathBuf>,
    /// Take the files from here: the address of a folder on the web, or a folder [default: public mirrors]
    #[arg(long, value_name = "URL", requires = "set")]
    pub(crate) from: Option<String>,
}

/// A run whose model makes pictures.
#[derive(ClapArgs)]
pub(crate) struct Making {
    /// A run folder that `halfmoon train` wrote
    pub(crate) run: PathBuf,
    /// Ask this model of the run [default: its first]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Write the picture here, and its codes beside it as .json [default: into the run folder]
    #[arg(short, long, value_name = "FILE.png")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(ClapArgs)]
pub(crate) struct Sample {
    #[command(flatten)]
    pub(crate) making: Making,
    /// Pictures of this class alone [default: of every class in turn]
    #[arg(long, value_name = "C")]
    pub(crate) class: Option<String>,
    /// How many pictures
    #[arg(short, value_name = "N", default_value = "100")]
    pub(crate) number: std::num::NonZeroUsize,
    /// Steps of the chains of jem, gc_jem and lsd, or of --distal
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub(crate) steps: usize,
    /// Also tell how like these real pictures the made ones are: precision, recall, density, coverage, Fréchet distance, and
    /// how near they are to training pictures. Their test split is held against the made ones, their training split is what may have been copied
    #[arg(long, value_name = "DATA")]
    pub(crate) compare: Option<PathBuf>,
    /// Another run, whose model says which class each made picture is of
    #[arg(long, value_name = "RUN")]
    pub(crate) judge: Option<PathBuf>,
    /// Pictures that are given a class with p > 0.9, from noise: what the classifier takes the class to be. For any network
    #[arg(long)]
    pub(crate) distal: bool,
    /// Decides the codes, or where chains begin
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(ClapArgs)]
pub(crate) struct Complete {
    /// A run folder that `halfmoon train` wrote
    pub(crate) run: PathBuf,
    /// Where the items are: anything that `predict` reads
    pub(crate) input: PathBuf,
    /// What is missing: of pictures `lower`, `upper`, `left` or `right` half, or `y0:y1,x0:x1` in pixels; of tables the columns, separated by commas
    /// [default: the empty cells of a table]
    #[arg(long, value_name = "WHAT")]
    pub(crate) missing: Option<String>,
    /// How often each item is filled in
    #[arg(long, value_name = "N", default_value = "8")]
    pub(crate) draws: NonZeroUsize,
    /// Steps of each draw
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) steps: usize,
    /// The items with these ids, as `predict` shows them [default: the first ones]
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pub(crate) ids: Vec<String>,
    /// How many items
    #[arg(short, value_name = "N", default_value = "10")]
    pub(crate) number: NonZeroUsize,
    /// Ask this model of the run [default: its first]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Write the pictures or the table here, figures beside the pictures as .json [default: complete.png or complete.csv in the run folder]
    #[arg(short, long, value_name = "FILE.png|.csv")]
    pub(crate) output: Option<PathBuf>,
    /// Decides the draws
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(ClapArgs)]
pub(crate) struct Query {
    /// A run folder that `halfmoon train` wrote
    pub(crate) run: PathBuf,
    /// The candidates: anything that `predict` reads, or what nobody has labelled of a project. No label of theirs is read
    pub(crate) pool: PathBuf,
    /// How many to ask about
    #[arg(short, value_name = "N", default_value = "10")]
    pub(crate) number: NonZeroUsize,
    /// How they are chosen; `random` is what any other must beat
    #[arg(long, value_name = "NAME", default_value = "margin", value_parser = rules())]
    pub(crate) rule: String,
    /// Further runs on the same data, such as with other seeds: the draws that `bald` and its like need
    #[arg(long, value_name = "RUN,…", value_delimiter = ',')]
    pub(crate) committee: Vec<PathBuf>,
    /// Draws of the network itself that such rules get, from a run whose model has dropout and without a committee
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) draws: usize,
    /// Also say why, in a column `reason`
    #[arg(long)]
    pub(crate) explain: bool,
    /// A table, or tasks for Label Studio
    #[arg(long = "as", value_name = "FORMAT", default_value = "csv")]
    pub(crate) written: QueryFormat,
    /// Two of the chosen ones are at least this far apart, in units of the candidates' spread; 0 keeps only exact copies apart
    #[arg(long, value_name = "DISTANCE", default_value = "0.05", value_parser = distance)]
    pub(crate) apart: f64,
    /// Decides ties and whatever is drawn
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write here [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Ask this model of the run [default: its first]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(ClapArgs)]
pub(crate) struct Synthesise {
    /// A run folder that `halfmoon train` wrote, whose model makes inputs
    pub(crate) run: PathBuf,
    /// How many examples
    #[arg(short, value_name = "N", default_value = "20")]
    pub(crate) number: NonZeroUsize,
    /// Write here: pictures as one picture, what it shows beside it as .json, or into a new folder, a file each; rows of a table as CSV
    /// [default: synthetic.png or synthetic.csv in the run folder]
    #[arg(short, long, value_name = "FILE.png|FOLDER|FILE.csv")]
    pub(crate) output: Option<PathBuf>,
    /// List, in place of the examples, the item of POOL nearest to each, none twice: real items to label, as `query` lists them
    #[arg(long, value_name = "POOL")]
    pub(crate) nearest: Option<PathBuf>,
    /// With --nearest: a table, or tasks for Label Studio
    #[arg(long = "as", value_name = "FORMAT", default_value = "csv", requires = "nearest")]
    pub(crate) written: QueryFormat,
    /// With --nearest: also say why, in a column `reason`
    #[arg(long, requires = "nearest")]
    pub(crate) explain: bool,
    /// The most that the probabilities of the two likeliest classes differ by
    #[arg(long, value_name = "DIFFERENCE", default_value = "0.2", value_parser = share)]
    pub(crate) margin: f64,
    /// Refuse what is less plausible than this share of the items that the run learned from
    #[arg(long, value_name = "SHARE", default_value = "0.05", value_parser = share)]
    pub(crate) plausible: f64,
    /// Two examples are at least this far apart, in units of their spread; 0 keeps only exact copies apart
    #[arg(long, value_name = "DISTANCE", default_value = "0.05", value_parser = distance)]
    pub(crate) apart: f64,
    /// Steps of each candidate [default: 50 where inputs are made from codes, 300 of chains]
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<usize>,
    /// For jem, gc_jem and lsd: how much being in doubt counts beside being likely
    #[arg(long, value_name = "WEIGHT", default_value_t = DOUBT, value_parser = weight)]
    pub(crate) doubt: f64,
    /// Make no more candidates than this [default: 50 for each example]
    #[arg(long, value_name = "N")]
    pub(crate) candidates: Option<NonZeroUsize>,
    /// Ask this model of the run [default: its first]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Decides where candidates begin
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum QueryFormat {
    /// A line a candidate, the one to ask first at the top
    Csv,
    /// Tasks with what the model says
    LabelStudio,
}

#[derive(ClapArgs)]
pub(crate) struct Stream {
    /// A run folder that `halfmoon train` wrote
    pub(crate) run: PathBuf,
    /// The items: `-` for standard input, a pipe or anything else that `predict` reads. No label of theirs is read
    #[arg(default_value = "-")]
    pub(crate) input: PathBuf,
    /// The share of the items that may be asked about
    #[arg(long, value_name = "SHARE", default_value_t = halfmoon_query::stream::Settings::default().budget)]
    pub(crate) budget: f64,
    #[arg(long, value_name = "NAME", default_value = "margin", help = stream_rules())]
    pub(crate) rule: String,
    /// How the budget is kept
    #[arg(long, value_name = "NAME", default_value = MANAGERS[0].name, value_parser = managers())]
    pub(crate) manager: String,
    /// Items that an item is held against: the last W
    #[arg(long, value_name = "W", default_value_t = halfmoon_query::stream::Settings::default().window)]
    pub(crate) window: usize,
    /// Of the manager `fixed`: ask above this utility [default: what the budget's share of the first W items reaches]
    #[arg(long, value_name = "UTILITY", allow_hyphen_values = true)]
    pub(crate) threshold: Option<f64>,
    /// Keep here how far the stream has come. It is written before each answer, and a stream that ended or was killed goes
    /// on from it with the items that follow [default: stream.jsonl in the run folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Forget what the state says and begin anew
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Decides whatever is drawn
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How answers are written
    #[arg(long = "as", value_name = "FORMAT", default_value = "csv")]
    pub(crate) written: StreamFormat,
    /// Also say why an item is worth what it is, in a column `reason`
    #[arg(long)]
    pub(crate) explain: bool,
    /// Further runs on the same data, such as with other seeds: the draws that `bald` and its like need
    #[arg(long, value_name = "RUN,…", value_delimiter = ',')]
    pub(crate) committee: Vec<PathBuf>,
    /// Draws of the network itself that such rules get, from a run whose model has dropout and without a committee
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) draws: usize,
    /// Ask this model of the run [default: its first]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum StreamFormat {
    /// A table
    Csv,
    /// A JSON object a line
    Jsonl,
}

/// Every rule with its line of help.
fn rules() -> PossibleValuesParser {
    PossibleValuesParser::new(RULES.iter().map(|rule| PossibleValue::new(rule.name).help(rule.about)))
}

fn managers() -> PossibleValuesParser {
    PossibleValuesParser::new(MANAGERS.iter().map(|manager| PossibleValue::new(manager.name).help(manager.about)))
}

fn stream_rules() -> String {
    let names: Vec<&str> = RULES.iter().filter(|rule| rule.is_for_streams()).map(|rule| rule.name).collect();
    format!(
        "What an item's utility is, as `query --help` says; `random` is what any other must beat. One of {}",
        names.join(", ")
    )
}

#[derive(ClapArgs)]
pub(crate) struct Robust {
    /// A run folder that `halfmoon train` wrote
    pub(crate) run: PathBuf,
    /// Labelled data; their own test split where they have one
    pub(crate) data: PathBuf,
    /// What a radius is: the largest change of a number, or the root of the sum of all squared changes [default: both in turn]
    #[arg(long, value_name = "NORM")]
    pub(crate) norm: Option<NormOf>,
    /// Radii, in shares of white for pictures (8/255 is understood) and in standard deviations for columns of numbers
    /// [default: 0.02,0.05,0.1,0.2,0.3 for linf; 0.25,0.5,1,2,3 for l2]
    #[arg(long, value_name = "R,…", value_delimiter = ',', value_parser = radius)]
    pub(crate) radii: Option<Vec<f64>>,
    /// How many items, evenly taken
    #[arg(short, value_name = "N", default_value = "200")]
    pub(crate) number: NonZeroUsize,
    /// Steps of an attack
    #[arg(long, value_name = "N", default_value = "40")]
    pub(crate) steps: NonZeroUsize,
    /// Random starts of projected gradient ascent
    #[arg(long, value_name = "N", default_value = "2")]
    pub(crate) starts: NonZeroUsize,
    /// A second run whose model shows whether changes found against it do more harm [default: this run's supervised baseline]
    #[arg(long, value_name = "RUN")]
    pub(crate) transfer_from: Option<PathBuf>,
    /// Ask this model of the run [default: its first]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Decides the starts
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum NormOf {
    /// The largest change of a number
    Linf,
    /// The root of the sum of all squared changes
    L2,
}

/// Items to draw.
#[derive(ClapArgs)]
pub(crate) struct FromItems {
    #[command(flatten)]
    pub(crate) making: Making,
    /// Where the items are: anything that `predict` reads
    #[arg(long, value_name = "ITEMS")]
    pub(crate) from: PathBuf,
    /// The items with these ids, as `predict` shows them [default: the first ones]
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pub(crate) ids: Vec<String>,
    /// How many items
    #[arg(short, value_name = "N", default_value = "10")]
    pub(crate) number: std::num::NonZeroUsize,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(ClapArgs)]
pub(crate) struct Manifold {
    #[command(flatten)]
    pub(crate) making: Making,
    /// This class alone [default: all]
    #[arg(long, value_name = "C")]
    pub(crate) class: Option<String>,
    /// Plot the codes of these items [default: of the run's own data, where a code has more than two numbers]
    #[arg(long, value_name = "ITEMS")]
    pub(crate) from: Option<PathBuf>,
    /// How many items to plot
    #[arg(short, value_name = "N", default_value = "5000")]
    pub(crate) number: std::num::NonZeroUsize,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// The few-label table of Kingma et al. (2014): every method with 100 to 3000 labels, several draws each
    ///
    /// The table is written whenever a run finishes. Stop it at any time: the same command goes on.
    SslMnist(SslMnist),
    /// How the test error falls with training time: models on the same labels, as a picture
    ///
    /// A model is tried on the held-out items as it learns; the time that this takes is not counted. Stop it at any
    /// time: the same command goes on.
    Curve(Curve),
    /// Whether `jem` is what it should be, on the built-in digits: calibrated, aware of outliers, robust, generating
    ///
    /// Prints what is expected of it beside a plain classifier, line by line, in a few minutes, and ends with 1 where a line is not met.
    HybridDigits(HybridDigits),
}

#[derive(ClapArgs)]
pub(crate) struct HybridDigits {
    /// Draws of split, labels, parameters and noise; figures are their means
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u64).range(1..=1000))]
    pub(crate) draws: u64,
    /// Seed of the first draw; the next draw has the next seed
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = value_parser!(u64).range(..1 << 62))]
    pub(crate) seed: u64,
}

#[derive(ClapArgs)]
pub(crate) struct Curve {
    /// Anything that `train` reads; beside MNIST with 100 labels published errors are drawn
    #[arg(long, value_name = "DATA", required_unless_present = "from")]
    pub(crate) data: Option<PathBuf>,
    /// Keep N labels, equally many a class, and hide the others
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) labels: NonZeroUsize,
    /// Models; see `halfmoon models`. One that is fitted at once has one point
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "m2,m1m2,supervised")]
    pub(crate) models: Vec<String>,
    /// One setting, such as `m2.hidden=[500]`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Decides the split, the kept labels, the parameters and the noise
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = value_parser!(u64).range(..1 << 62))]
    pub(crate) seed: u64,
    /// End the training of a model after this long, such as 90s, 10m or 2h
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = crate::duration::parse)]
    pub(crate) time_per_run: Duration,
    /// The longest time from one point to the next; the first ones are nearer [default: 1 % of --time-per-run]
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse)]
    pub(crate) every: Option<Duration>,
    /// Write points, picture and runs into this folder [default: bench-curve-DATA]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Train nothing: draw the points of a curve.csv that is there; may be repeated, for one picture of them all
    #[arg(
        long,
        value_name = "curve.csv",
        conflicts_with_all = ["data", "labels", "models", "set", "seed", "time_per_run", "every"],
        requires = "out"
    )]
    pub(crate) from: Vec<PathBuf>,
}

#[derive(ClapArgs)]
pub(crate) struct SslMnist {
    /// MNIST as `train` reads it; on other data the published figures are left out
    #[arg(long, value_name = "DATA")]
    pub(crate) data: PathBuf,
    /// Rows of the table [default: all but m1_logistic, m1_knn and m1_svm]
    #[arg(long, value_name = "ROW,…", value_delimiter = ',')]
    pub(crate) models: Option<Vec<String>>,
    /// Numbers of labels
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "100,600,1000,3000")]
    pub(crate) labels: Vec<NonZeroUsize>,
    /// Draws of the labels for each number
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u64).range(1..=1000))]
    pub(crate) draws: u64,
    /// A sanity check of a few minutes: a cut of the data, few steps, some rows, one draw of 100 labels
    #[arg(long, conflicts_with_all = ["labels", "draws"])]
    pub(crate) quick: bool,
    /// End the training of a run after this long, such as 90s, 10m or 2h; such figures are marked
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = crate::duration::parse)]
    pub(crate) time_per_run: Duration,
    /// Write runs and table into this folder [default: bench-ssl-DATA]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Seed of the first draw; the next draw has the next seed
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = value_parser!(u64).range(..1 << 62))]
    pub(crate) seed: u64,
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum PriorFrom {
    /// All alike
    Uniform,
    /// As among the labelled items
    Labelled,
    /// As found among all items
    Estimate,
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

fn radius(text: &str) -> Result<f64, String> {
    let (above, below) = text.split_once('/').unwrap_or((text, "1"));
    let radius =
        above.trim().parse::<f64>().ok().zip(below.trim().parse::<f64>().ok()).map(|(above, below)| above / below);
    radius
        .filter(|radius| radius.is_finite() && *radius > 0.0)
        .ok_or_else(|| "write a length above 0, such as 0.1 or 8/255".into())
}

fn distance(text: &str) -> Result<f64, String> {
    let distance = text.parse().ok().filter(|distance: &f64| distance.is_finite() && *distance >= 0.0);
    distance.ok_or_else(|| "write a distance from 0 up, such as 0.1".into())
}

fn weight(text: &str) -> Result<f64, String> {
    let weight = text.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight >= 0.0);
    weight.ok_or_else(|| "write a number of 0 or more, such as 5".into())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| 0.0 < *share && *share < 1.0);
    share.ok_or_else(|| "write a share above 0 and below 1, such as 0.05".into())
}
