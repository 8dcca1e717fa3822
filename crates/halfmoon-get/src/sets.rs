//! The sets of `data/sets.toml`.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use halfmoon_pool::error::did_you_mean;
use halfmoon_pool::{Error, Result};

/// Every set that can be got by name, in the order of `sets.toml`.
pub static SETS: LazyLock<Vec<Set>> = LazyLock::new(|| {
    #[derive(serde::Deserialize)]
    struct Sets {
        set: Vec<Set>,
    }
    toml::from_str::<Sets>(include_str!("../data/sets.toml")).expect("a test reads sets.toml").set
});

/// A data set that somebody publishes.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// What a user types.
    pub name: String,
    /// What is in it, in one line.
    pub about: String,
    /// Key in `references.bib`.
    pub paper: String,
    /// The licence's usual name.
    pub licence: String,
    /// Folders on the web that hold all the files, the best first.
    #[serde(default)]
    pub mirrors: Vec<String>,
    /// None of a set that is built in.
    #[serde(default, rename = "file")]
    pub files: Vec<File>,
    /// The file to train on, where that is not the folder.
    pub data: Option<String>,
    /// What `halfmoon train` needs besides the data.
    pub flags: String,
}

/// A file of a set.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// On every mirror and here.
    pub name: String,
    /// Bytes of the publisher's file. A mirror that compressed it anew may have some more or fewer.
    pub size: u64,
    /// Bytes after unpacking.
    pub size_content: u64,
    /// Of what a `.gz` unpacks to, or of the file itself: 64 hexadecimal digits.
    pub sha256_content: String,
}

impl Set {
    /// Whether halfmoon carries it, so that nothing is downloaded.
    pub fn is_built_in(&self) -> bool {
        self.files.is_empty()
    }

    /// Bytes to download.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// What to give to `halfmoon train`, if the files lie in `folder`.
    pub fn path(&self, folder: &Path) -> PathBuf {
        match &self.data {
            _ if self.is_built_in() => PathBuf::from(&self.name),
            Some(file) => folder.join(file),
            None => folder.to_owned(),
        }
    }

    /// `a, b, c`.
    pub(crate) fn file_names(&self) -> String {
        self.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl File {
    pub(crate) fn is_packed(&self) -> bool {
        Path::new(&self.name).extension().is_some_and(|extension| extension == "gz")
    }
}

/// The set of this name.
pub fn find(name: &str) -> Result<&'static Set> {
    SETS.iter().find(|set| set.name == name).ok_or_else(|| {
        let hint = did_you_mean(name, SETS.iter().map(|set| set.name.as_str()));
        Error::usage(format!("there is no data set `{name}` to get"), hint)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_set_says_where_it_comes_from_and_under_which_licence() {
        let references = concat!(env!("CARGO_MANIFEST_DIR"), "/../halfmoon/src/references.bib");
        let references = std::fs::read_to_string(references).expect("a file of this workspace");
        let names: HashSet<_> = SETS.iter().map(|set| &set.name).collect();
        assert_eq!(names.len(), SETS.len());
        for set in SETS.iter() {
            assert!(!set.about.is_empty() && !set.licence.is_empty(), "{}", set.name);
            assert!(references.contains(&format!("{{{},", set.paper)), "{}: no entry `{}`", set.name, set.paper);
            assert_eq!(set.mirrors.is_empty(), set.is_built_in(), "{}", set.name);
            for mirror in &set.mirrors {
                assert!(mirror.starts_with("http") && mirror.ends_with('/'), "{mirror} is a folder on the web");
            }
            let known = |data: &String| set.files.iter().any(|file| file.name == *data);
            assert!(set.data.as_ref().is_none_or(known), "{} is trained on one of its files", set.name);
        }
    }

    #[test]
    fn every_file_has_a_checksum_and_only_a_packed_one_changes_its_size() {
        for file in SETS.iter().flat_map(|set| &set.files) {
            let digits = file.sha256_content.bytes().filter(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
            assert_eq!((digits, file.sha256_content.len()), (64, 64), "{}", file.name);
            assert_eq!(file.size < file.size_content, file.is_packed(), "{}", file.name);
            assert!(!file.name.contains(['/', '\\']), "{}", file.name);
        }
    }

    #[test]
    fn an_idx_file_is_as_long_as_its_items_and_header() {
        let images = |items: u64| 16 + items * 28 * 28;
        let labels = |items: u64| 8 + items;
        for set in SETS.iter().filter(|set| set.name.ends_with("mnist")) {
            let sizes: Vec<_> = set.files.iter().map(|file| file.size_content).collect();
            assert_eq!(sizes, [images(60_000), labels(60_000), images(10_000), labels(10_000)], "{}", set.name);
        }
    }

    #[test]
    fn a_name_with_a_typing_mistake_is_guessed() {
        assert_eq!(find("mnist").expect("it is listed").name, "mnist");
        let error = find("minst").expect_err("no such set");
        assert_eq!(error.hint(), Some("did you mean `mnist`?"));
    }

    #[test]
    fn what_to_train_on_is_the_folder_the_file_or_the_name() {
        let path = |name| find(name).expect("it is listed").path(Path::new("somewhere"));
        assert_eq!(path("mnist"), Path::new("somewhere"));
        assert_eq!(path("adult"), Path::new("somewhere/adult.data"));
        assert_eq!(path("digits"), Path::new("digits"));
    }
}
