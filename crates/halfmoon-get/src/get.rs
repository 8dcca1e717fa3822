//! From a set's name to its files.

use std::fs;
use std::path::{Path, PathBuf};

use halfmoon_pool::{Error, Result};
use ureq::Proxy;

use crate::mirror::{Failure, Mirror};
use crate::part::{Came, Part};
use crate::sets::{File, Set};
use crate::web::{PATIENCE, Web};
use crate::{Progress, content};

/// Brings the files of a set into a folder and returns their paths, in the order of the set. `None` if it was stopped.
///
/// Files that are there and right are kept. Each other one is asked of the set's mirrors in turn, or of `from` alone,
/// which is the address of a folder on the web, or a folder.
pub fn get(set: &Set, into: &Path, from: Option<&str>, progress: &mut dyn Progress) -> Result<Option<Vec<PathBuf>>> {
    get_by(&Web::new(PATIENCE, Proxy::try_from_env()), set, into, from, progress)
}

pub(crate) fn get_by(
    web: &Web,
    set: &Set,
    into: &Path,
    from: Option<&str>,
    progress: &mut dyn Progress,
) -> Result<Option<Vec<PathBuf>>> {
    if set.is_built_in() {
        progress.note(&format!("{} is built in: there is nothing to download", set.name));
        return Ok(Some(Vec::new()));
    }
    let mirrors = match from {
        Some(from) => vec![Mirror::parse(from, set)?],
        None => set.mirrors.iter().map(|address| Mirror::web(address)).collect(),
    };
    fs::create_dir_all(into).map_err(|error| Error::io(into, error))?;
    let mut paths = Vec::new();
    for file in &set.files {
        let path = into.join(&file.name);
        if is_there(&path, file, progress)? {
            progress.note(&format!("{} is there already", path.display()));
        } else {
            match fetch(web, file, &mirrors, into, progress)? {
                Fetched::Whole(part) => part.publish(&path)?,
                Fetched::Stopped => return Ok(None),
                Fetched::Failed(failures) => return Err(nobody_has(&failures, &path, set, into)),
            }
        }
        paths.push(path);
    }
    Ok(Some(paths))
}

/// Whether a file has its name and its content. Anything else of that name is somebody's, and is set aside.
fn is_there(path: &Path, file: &File, progress: &mut dyn Progress) -> Result<bool> {
    let fault = match fs::File::open(path) {
        Ok(found) => content::fault(found, file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => Err(error),
    };
    let Some(fault) = fault.map_err(|error| Error::io(path, error))? else { return Ok(true) };
    let aside = path.with_file_name(format!("{}.wrong", file.name));
    fs::rename(path, &aside).map_err(|error| Error::io(path, error))?;
    progress.note(&format!("{} is not the published file: {fault}; it is now {}", path.display(), aside.display()));
    Ok(false)
}

enum Fetched {
    Whole(Part),
    Stopped,
    Failed(Vec<Failure>),
}

/// Asks one mirror after the other. What one of them began, the next goes on with.
fn fetch(web: &Web, file: &File, mirrors: &[Mirror], into: &Path, progress: &mut dyn Progress) -> Result<Fetched> {
    let mut part = Part::open(into, &file.name)?;
    let mut failures: Vec<Failure> = Vec::new();
    for mirror in mirrors {
        // Without a network all would be said twice.
        if let Some(failure) = failures.last().filter(|failure| failure.answered) {
            progress.note(&format!("{failure}; trying the next mirror"));
        }
        match ask(web, mirror, file, &mut part, progress) {
            Ok(Answer::Right) => return Ok(Fetched::Whole(part)),
            Ok(Answer::Stopped) => {
                part.leave();
                return Ok(Fetched::Stopped);
            }
            Ok(Answer::Failed { reason, answered }) => {
                failures.push(Failure { place: mirror.place(&file.name), reason, answered });
            }
            Err(error) => {
                part.leave();
                return Err(error);
            }
        }
    }
    part.leave();
    Ok(Fetched::Failed(failures))
}

enum Answer {
    Right,
    Stopped,
    Failed { reason: String, answered: bool },
}

/// A connection may break this often, if each one brought something.
const BREAKS: usize = 20;

/// Asks a mirror until the file is whole, or it can't be had there.
fn ask(web: &Web, mirror: &Mirror, file: &File, part: &mut Part, progress: &mut dyn Progress) -> Result<Answer> {
    // A beginning that was there before may be of another mirror's file, packed otherwise.
    let mut inherited = part.length() > 0;
    let mut breaks = 0;
    loop {
        if progress.stop() {
            return Ok(Answer::Stopped);
        }
        let before = part.length();
        let came = match mirror {
            Mirror::Web(_) => web.download(&mirror.place(&file.name), file, part, progress)?,
            Mirror::Folder(folder) => {
                part.restart()?;
                match fs::File::open(folder.join(&file.name)) {
                    Ok(bytes) => part.fill(bytes, file, progress)?,
                    Err(error) => Came::Refused(error.to_string()),
                }
            }
        };
        let failed = |reason, answered| Ok(Answer::Failed { reason, answered });
        match came {
            Came::All => match part.fault(file)? {
                None => return Ok(Answer::Right),
                Some(fault) => {
                    part.restart()?;
                    if !inherited {
                        return failed(fault, true);
                    }
                    progress.note(&format!("{}: with what was there before, {fault}; starting over", file.name));
                    inherited = false;
                }
            },
            Came::Stopped => return Ok(Answer::Stopped),
            Came::Cut(_) if part.length() > before && breaks < BREAKS => breaks += 1,
            Came::Cut(error) => return failed(error.to_string(), true),
            Came::Silent(reason) | Came::Refused(reason) => return failed(reason, true),
            Came::Nothing(reason) => return failed(reason, false),
        }
    }
}

fn nobody_has(failures: &[Failure], path: &Path, set: &Set, into: &Path) -> Error {
    let silence =
        if failures.iter().any(|failure| failure.answered) { "" } else { ": nobody answers, is there a network?" };
    let reasons: Vec<String> = failures.iter().map(|failure| format!("\n  {failure}")).collect();
    let problem = format!("could not be downloaded{silence}{}", reasons.concat());
    let hint = format!(
        "try again later, name another mirror with --from URL, or put {} into {} and run this again: right files stay",
        set.file_names(),
        into.display()
    );
    Error::data(path, problem, hint)
}
