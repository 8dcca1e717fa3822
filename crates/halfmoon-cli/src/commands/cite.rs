//! `halfmoon cite`: BibTeX of what a run used.

use std::io::Write;
use std::path::Path;

use halfmoon::cite;
use halfmoon::run::Folder;

use crate::Failure;

pub(crate) fn run(run: Option<&Path>) -> Result<(), Failure> {
    let keys = match run {
        None => cite::keys(),
        Some(folder) => {
            let config = Folder(folder.to_owned()).read_config()?;
            let models = config.entries()?.into_iter().map(|entry| entry.paper);
            let data = cite::of_data(&config.data.path);
            // Every run is trained by Adam and judged by the calibration error.
            models.chain(data).chain(["kingma2015adam", "naeini2015ece"]).collect()
        }
    };
    let mut out = std::io::stdout().lock();
    for key in keys {
        let entry = cite::entry(key).expect("the registries name entries of references.bib");
        writeln!(out, "{entry}\n")?;
    }
    Ok(())
}
