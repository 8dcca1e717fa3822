//! The folder of a run: everything that is needed to ask a trained model, to go on, and to do the same
//! again.
//!
//! ```text
//! RUN/config.toml               every setting, defaults included
//! RUN/data.json                 schema, encoding, fingerprint of the data, versions
//! RUN/result.json               what `halfmoon train --json` prints
//! RUN/MODEL/weights.safetensors a finished model's parameters
//! RUN/MODEL/checkpoint.safetensors  an unfinished one's, with the optimiser's state
//! RUN/MODEL/trust.json         what held-out items say of the model; absent where none were held out
//! RUN/MODEL/robust.json        what `halfmoon robust` found, where it was asked
//! RUN/MODEL/log.jsonl           the loss terms, a line every few steps
//! RUN/MODEL/events.out.tfevents.*   the same for TensorBoard
//! RUN/stream.jsonl             how far `halfmoon stream` has come, where nothing else was said
//! RUN/folds/N/MODEL/            the same for each held-out fold, where there were no test data
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use halfmoon_journal::Journal;
use halfmoon_pool::encode::Encoding;
use halfmoon_pool::read::is_built_in;
use halfmoon_pool::scores::Predictor;
use halfmoon_pool::trust::Trust;
use halfmoon_pool::{Error, Result, Schema};
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::config::{self, Config};
use crate::fit::{Entry, Logits};

/// What a run keeps of its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// Features and class names.
    pub schema: Schema,
    /// How rows become numbers; fitted on the training rows.
    pub encoding: Encoding,
    /// BLAKE3 of inputs and labels, before anything was hidden.
    pub fingerprint: String,
    /// Items that were learned from.
    pub items: usize,
    /// Labels that were learned from.
    pub labels: usize,
    /// Where the data are a project: the last event that its labels are made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<i64>,
    /// The folder that relative paths of the configuration began in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// Versions of what wrote this.
    pub versions: Versions,
}

/// Versions of what wrote a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// This program.
    pub halfmoon: String,
    /// The tensor engine.
    pub burn: String,
}

impl Versions {
    /// Of this build.
    pub fn current() -> Versions {
        Versions { halfmoon: env!("CARGO_PKG_VERSION").into(), burn: "0.22.1".into() }
    }
}

/// The paths of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// `config.toml`.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// `data.json`.
    pub fn data(&self) -> PathBuf {
        self.0.join("data.json")
    }

    /// `result.json`.
    pub fn result(&self) -> PathBuf {
        self.0.join("result.json")
    }

    /// Where a model's files are.
    pub fn model(&self, entry: &Entry) -> PathBuf {
        self.0.join(entry.name)
    }

    /// Where a model's files for a held-out fold are; folds count from 1.
    pub fn fold(&self, number: usize, entry: &Entry) -> PathBuf {
        self.0.join("folds").join(number.to_string()).join(entry.name)
    }

    /// The resolved configuration. What its relative paths name is looked for from here and, where it is not here, from where the run was trained and then
    /// from the folders that the run lies in.
    pub fn read_config(&self) -> Result<Config> {
        let mut config = Config::resolve(config::read(&self.config())?)?;
        let from = self.read_data().ok().and_then(|record| record.from);
        let here = self.0.canonicalize().unwrap_or_else(|_| self.0.clone());
        let data = &mut config.data;
        let others = [&mut data.test, &mut data.test_labels_from, &mut data.labels_from];
        let is_lost = |path: &Path| !path.exists() && !is_built_in(path);
        for path in others.into_iter().flatten().chain([&mut data.path]).filter(|path| is_lost(Path::new(path))) {
            let folders = from.as_deref().into_iter().chain(here.ancestors().skip(1));
            let there = folders.map(|folder| folder.join(&*path)).find(|there| there.exists());
            if let Some(there) = there.as_deref().and_then(Path::to_str) {
                there.clone_into(path);
            }
        }
        Ok(config)
    }

    /// What the run keeps of its data.
    pub fn read_data(&self) -> Result<DataRecord> {
        let path = self.data();
        let bytes = fs::read(&path).map_err(|source| Error::io(&path, source))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::data(path.as_path(), error.to_string(), "the file is damaged: train again"))
    }
}

/// A run's model, ready to be asked.
pub struct Asked {
    /// Its name.
    pub entry: &'static Entry,
    /// Features and class names.
    pub data: DataRecord,
    /// The configuration it was trained with.
    pub config: Config,
    /// The model.
    pub predictor: Box<dyn Predictor>,
    /// `false` when training was stopped before its last step.
    pub finished: bool,
    /// What held-out items say of it. `None` where none were held out, or where an older version trained it.
    pub trust: Option<Trust>,
}

/// Opens a run's first model, or the one of this name.
pub fn open(folder: &Path, model: Option<&str>, device: &Device) -> Result<Asked> {
    let Opened { run, entry, data, config, finished, stored } = find(folder, model)?;
    let layout = data.encoding.layout();
    let predictor = (entry.load)(config.settings(entry), &layout, data.schema.classes.len(), &stored, device)?;
    let trust = if finished { read_trust(&trust(&run.model(entry)))? } else { None };
    Ok(Asked { entry, data, config, predictor, finished, trust })
}

/// The same model's logits as a function that gradients of the input flow through, on a device that tracks them. `None` for a model that is no such function.
pub fn open_logits(folder: &Path, model: Option<&str>, device: &Device) -> Result<Option<Logits>> {
    let Opened { entry, data, config, stored, .. } = find(folder, model)?;
    let layout = data.encoding.layout();
    (entry.logits)(config.settings(entry), &layout, data.schema.classes.len(), &stored, device)
}

/// Where the parameters of a run's first model are, or of the one of this name.
pub fn parameters(folder: &Path, model: Option<&str>) -> Result<PathBuf> {
    let Found { run, entry, finished, .. } = locate(folder, model)?;
    let of = run.model(entry);
    Ok(if finished { weights(&of) } else { checkpoint(&of) })
}

/// BLAKE3 of these parameters: what tells one training from another.
pub fn fingerprint(folder: &Path, model: Option<&str>) -> Result<String> {
    let path = parameters(folder, model)?;
    let bytes = fs::read(&path).map_err(|source| Error::io(&path, source))?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// A run's model, and whether it is whole.
struct Found {
    run: Folder,
    entry: &'static Entry,
    config: Config,
    finished: bool,
}

/// The same with what it takes to load it.
struct Opened {
    run: Folder,
    entry: &'static Entry,
    data: DataRecord,
    config: Config,
    finished: bool,
    stored: Checkpoint,
}

fn find(folder: &Path, model: Option<&str>) -> Result<Opened> {
    let Found { run, entry, config, finished } = locate(folder, model)?;
    let (data, of) = (run.read_data()?, run.model(entry));
    let stored = Checkpoint::read(&if finished { weights(&of) } else { checkpoint(&of) })?;
    Ok(Opened { run, entry, data, config, finished, stored })
}

fn locate(folder: &Path, model: Option<&str>) -> Result<Found> {
    let run = Folder(folder.to_owned());
    if !run.config().is_file() {
        let problem = if folder.exists() { "is not a run: it holds no config.toml" } else { "does not exist" };
        return Err(Error::data(folder, problem, "a run is the folder that `halfmoon train` wrote"));
    }
    let config = run.read_config()?;
    let entries = config.entries()?;
    let entry = match model {
        // A model that needs labels is left out of a run without any.
        None => *entries
            .iter()
            .find(|entry| weights(&run.model(entry)).is_file() || checkpoint(&run.model(entry)).is_file())
            .unwrap_or(&entries[0]),
        Some(name) => {
            let entry = config::model(name)?;
            if !entries.iter().any(|trained| trained.name == entry.name) {
                let problem = format!("holds no model `{name}`");
                return Err(Error::data(folder, problem, format!("it holds {}", config.run.models.join(", "))));
            }
            entry
        }
    };
    let of = run.model(entry);
    let finished = weights(&of).is_file();
    if !finished && !checkpoint(&of).is_file() {
        let hint = format!("go on with: halfmoon train --resume {}", folder.display());
        return Err(Error::data(folder, format!("`{}` has not been trained yet", entry.name), hint));
    }
    Ok(Found { run, entry, config, finished })
}

fn read_trust(path: &Path) -> Result<Option<Trust>> {
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(|source| Error::io(path, source))?;
    let damaged = |error: serde_json::Error| {
        let hint = "the file is damaged: remove it to go without, or make it anew with `halfmoon train --resume`";
        Error::data(path, error.to_string(), hint)
    };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// A finished model's parameters, in its folder.
pub fn weights(model: &Path) -> PathBuf {
    model.join("weights.safetensors")
}

/// An unfinished model's state, in its folder.
pub fn checkpoint(model: &Path) -> PathBuf {
    model.join("checkpoint.safetensors")
}

/// What held-out items say of a model, in its folder.
pub fn trust(model: &Path) -> PathBuf {
    model.join("trust.json")
}

/// What `halfmoon robust` found, in a model's folder.
pub fn robust(model: &Path) -> PathBuf {
    model.join("robust.json")
}

/// The loss terms, in a model's folder.
pub fn log(model: &Path) -> PathBuf {
    model.join("log.jsonl")
}

/// The loss terms that a model's log holds, each with its steps and values: `total` first, then by name. Empty without a
/// log; a line that is cut off ends it.
pub fn read_log(model: &Path) -> Vec<(String, Vec<(f64, f64)>)> {
    let mut terms: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for line in fs::read_to_string(log(model)).unwrap_or_default().lines() {
        let Ok(serde_json::Value::Object(line)) = serde_json::from_str(line) else { break };
        let Some(step) = line.get("step").and_then(serde_json::Value::as_f64) else { break };
        for (name, value) in line.iter().filter(|(name, _)| !matches!(name.as_str(), "step" | "seconds")) {
            if let Some(value) = value.as_f64() {
                terms.entry(name.clone()).or_default().push((step, value));
            }
        }
    }
    let mut terms: Vec<_> = terms.into_iter().collect();
    terms.sort_by_key(|(name, _)| name != "total");
    terms
}

/// Every device that a build may have; but for the first, each is a feature of Cargo's.
pub const DEVICES: [&str; 4] = ["cpu", "cuda", "vulkan", "metal"];

/// The device of this name.
pub fn device(name: &str) -> Result<Device> {
    match name {
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "cuda")]
        "cuda" => tried(Device::cuda(burn::tensor::DeviceIndex::Default), "cuda"),
        #[cfg(feature = "vulkan")]
        "vulkan" => tried(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice), "vulkan"),
        #[cfg(feature = "metal")]
        "metal" => tried(Device::metal(burn::tensor::DeviceKind::DefaultDevice), "metal"),
        feature if DEVICES.contains(&feature) => Err(Error::usage(
            format!("this build is without `{feature}`"),
            format!("build one with it: cargo install --path crates/halfmoon-cli --features {feature}"),
        )),
        _ => Err(Error::usage(format!("`{name}` is not a device"), format!("known: {}", DEVICES.join(", ")))),
    }
}

/// The device, once it has computed something: the engine panics, on a thread of its own, where the machine has none of this kind.
#[cfg(any(feature = "cuda", feature = "vulkan", feature = "metal"))]
fn tried(device: Device, name: &str) -> Result<Device> {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let one = || burn::tensor::Tensor::<1>::ones([1], &device).into_scalar::<f32>();
    let works = std::panic::catch_unwind(std::panic::AssertUnwindSafe(one)).is_ok_and(|one| one > 0.0);
    std::panic::set_hook(loud);
    if works {
        return Ok(device);
    }
    let hint = "see whether the system's driver knows one (vulkaninfo, nvidia-smi), or go on with --device cpu";
    Err(Error::usage(format!("this machine has no device that `{name}` can use"), hint))
}

/// Refuses to write where labels would be lost.
pub fn refuse_project(path: &Path) -> Result<()> {
    if Journal::is_at(path) {
        return Err(Error::data(path, "is a project, and its labels would be lost", "write to another file"));
    }
    Ok(())
}

/// Writes a file so that at every moment the old one or the new one is there, whole. A project is not overwritten.
pub fn write_aside(path: &Path, bytes: &[u8]) -> Result<()> {
    refuse_project(path)?;
    let aside = path.with_extension("aside");
    let write = || {
        let mut file = fs::File::create(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&aside, path)
    };
    write().map_err(|source| Error::io(path, source))
}

/// Makes a folder and those above it.
pub fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|source| Error::io(path, source))
}
