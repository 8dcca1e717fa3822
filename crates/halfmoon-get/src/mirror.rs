//! Where the files of a set come from.

use std::path::PathBuf;
use std::{fmt, fs};

use halfmoon_pool::{Error, Result};
use percent_encoding::percent_decode_str;

use crate::sets::Set;

/// A folder that holds the files of a set under their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mirror {
    /// An address that ends with `/`.
    Web(String),
    Folder(PathBuf),
}

impl Mirror {
    /// What somebody gave as a mirror of their own: an address or a folder.
    pub(crate) fn parse(from: &str, set: &Set) -> Result<Mirror> {
        let folder = match from.split_once("://") {
            Some(("http" | "https", _)) => return Ok(Mirror::web(from)),
            Some(("file", path)) => {
                let path = path.strip_prefix("localhost").unwrap_or(path);
                PathBuf::from(percent_decode_str(path).decode_utf8_lossy().into_owned())
            }
            Some((scheme, _)) => {
                let problem = format!("cannot get anything from `{from}`: `{scheme}` is not a way to get files");
                return Err(Error::usage(problem, "give an address with http, https or file, or a folder"));
            }
            None => PathBuf::from(from),
        };
        // A missing folder is told at once and in the system's words.
        let is_folder = fs::metadata(&folder).map_err(|error| Error::io(&folder, error))?.is_dir();
        if !is_folder {
            return Err(Error::data(
                folder.as_path(),
                "is not a folder",
                format!("name the folder that holds {}", set.file_names()),
            ));
        }
        Ok(Mirror::Folder(folder))
    }

    pub(crate) fn web(address: &str) -> Mirror {
        Mirror::Web(format!("{}/", address.trim_end_matches('/')))
    }

    /// The file of this name, as a person would write its place.
    pub(crate) fn place(&self, name: &str) -> String {
        match self {
            Mirror::Web(address) => format!("{address}{name}"),
            Mirror::Folder(folder) => folder.join(name).display().to_string(),
        }
    }
}

/// Why a mirror did not give a file.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Where the file was looked for.
    pub(crate) place: String,
    pub(crate) reason: String,
    /// Whether anybody was there: without a network nobody is.
    pub(crate) answered: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}
