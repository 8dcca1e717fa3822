//! What can be typed about choosing what to label.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::Settings;

/// `halfmoon simulate`.
#[derive(ClapArgs)]
#[command(mut_arg("model", |arg| arg.help("What contenders ask that name no model [default: supervised]")))]
pub(crate) struct Simulate {
    /// Labelled data: anything that `train` reads
    pub(crate) data: PathBuf,
    /// What is compared: RULE, RULE@MODEL or RULE@MODEL:PRESET, such as bald@m2 or random@aral:no_active_learning. `random` is added where nothing asks at random; each is
    /// held against its own model asked at random, where that is among them
    #[arg(long, value_name = "RULE,…", value_delimiter = ',', default_value = "random,margin,entropy")]
    pub(crate) rules: Vec<String>,
    /// Train this model, too, on what each contender asked for, and measure it in place of the model that asked; also what contenders ask that name no model
    #[arg(long, value_name = "MODEL[:PRESET]")]
    pub(crate) successor: Option<String>,
    /// Labels at first, equally many a class
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) start: usize,
    /// The first labels are of these classes alone: do the rules find the others?
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub(crate) start_classes: Vec<String>,
    /// Choose the first items by a rule that needs no model, such as cold_start [default: equally many a class at random]
    #[arg(long, value_name = "RULE")]
    pub(crate) start_by: Option<String>,
    /// Items asked about in a round
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) add: usize,
    /// Rounds of questions
    #[arg(long, value_name = "N", default_value_t = 18)]
    pub(crate) rounds: usize,
    /// How often it is played, each time with other initial labels; with fewer than 5 chance may decide who seems to win
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) seeds: usize,
    /// Let a rule look at so many of the unlabelled items in a round, drawn anew [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) candidates: Option<usize>,
    /// Draws of the network for rules such as bald, from a model with dropout
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) draws: usize,
    /// Train so many models in place of one, with other seeds: draws from any model
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) committee: usize,
    /// Go on from the model of the round before [default: train anew in each round]
    #[arg(long)]
    pub(crate) warm: bool,
    /// Two items of a query are at least this far apart, in units of the candidates' spread; 0 keeps only exact copies apart
    #[arg(long, value_name = "DISTANCE", default_value = "0", value_parser = super::distance)]
    pub(crate) apart: f64,
    /// Accuracies of which it is told how many labels they took
    #[arg(long, value_name = "A,…", value_delimiter = ',', default_value = "0.9,0.95")]
    pub(crate) targets: Vec<f64>,
    /// Trainings at once [default: one a core]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Write everything into this folder; the same command goes on where it was stopped
    #[arg(long, value_name = "FOLDER", default_value = "simulation")]
    pub(crate) out: PathBuf,
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) settings: Settings,
}
