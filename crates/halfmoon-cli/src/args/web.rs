//! What can be typed about servers.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{Reading, share};

/// Who can reach a server.
#[derive(ClapArgs)]
#[command(next_help_heading = "Who can reach it")]
pub(crate) struct Listening {
    /// The address to listen on: any but this machine's own takes a token
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) host: IpAddr,
    /// Let in only who knows this text of 16 characters or more; better set as HALFMOON_TOKEN, since other users of a machine see arguments
    #[arg(long, value_name = "TEXT")]
    pub(crate) token: Option<String>,
    /// Another name that this server goes by, such as that of a proxy before it; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_host: Vec<String>,
}

/// `halfmoon label`.
#[derive(ClapArgs)]
pub(crate) struct Label {
    /// A folder of pictures or anything else that `train` reads; or a project that was begun before
    #[arg(value_name = "DATA|PROJECT")]
    pub(crate) data: PathBuf,
    /// Keep the labels in this file; it is made where it is not there yet
    #[arg(long, value_name = "FILE", default_value = super::project::PROJECT)]
    pub(crate) project: PathBuf,
    /// The model that learns meanwhile; see `halfmoon models` [default: vat for a folder of pictures, supervised for other data]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// How items are chosen; the page can change it
    #[arg(long, value_name = "RULE", default_value = "margin", value_parser = super::rules())]
    pub(crate) rule: String,
    /// The share of items that are drawn at random and whose labels are never learned from, so that the accuracy shown is honest
    #[arg(long, value_name = "SHARE", default_value = "0.2", value_parser = part)]
    pub(crate) judge: f64,
    /// The share of items that a second person is asked about, too
    #[arg(long, value_name = "SHARE", default_value = "0.1", value_parser = part)]
    pub(crate) twice: f64,
    /// Labels before the first training
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) first: NonZeroUsize,
    /// New labels between two trainings
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) every: NonZeroUsize,
    /// Let the rule look at so many of the unlabelled items, drawn anew each time
    #[arg(long, value_name = "N", default_value = "20000")]
    pub(crate) candidates: NonZeroUsize,
    /// Decides which items judge, parameters and noise
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// A setting of a model, such as `m2.latent=20` or `m2.train.steps=2000`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Listen on this port; 0 takes any that is free
    #[arg(long, value_name = "N", default_value_t = 8017)]
    pub(crate) port: u16,
    /// Do not open a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    #[command(flatten)]
    pub(crate) listening: Listening,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// `halfmoon serve`.
#[derive(ClapArgs)]
pub(crate) struct Serve {
    /// A run folder that `halfmoon train` wrote; a newer run in its place is taken up by itself
    pub(crate) run: PathBuf,
    /// Ask this model of the run [default: its first]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// How often the set of classes in an answer is to hold the true one
    #[arg(long, value_name = "SHARE", default_value = "0.9", value_parser = share)]
    pub(crate) coverage: f64,
    /// Flag inputs that look as strange as this share of normal ones does
    #[arg(long, value_name = "SHARE", default_value = "0.01", value_parser = share)]
    pub(crate) flag_outliers: f64,
    /// Answer at most so many rows of waiting requests at once
    #[arg(long, value_name = "N", default_value = "256")]
    pub(crate) batch: NonZeroUsize,
    /// Refuse requests of more than so many MiB
    #[arg(long, value_name = "MIB", default_value = "16")]
    pub(crate) max_body: NonZeroUsize,
    /// Listen on this port; 0 takes any that is free
    #[arg(long, value_name = "N", default_value_t = 8080)]
    pub(crate) port: u16,
    #[command(flatten)]
    pub(crate) listening: Listening,
}

/// A share that may be nothing at all.
fn part(text: &str) -> Result<f64, String> {
    let part = text.parse().ok().filter(|part| (0.0..1.0).contains(part));
    part.ok_or_else(|| "write a share below 1, such as 0.2; 0 is none".into())
}
