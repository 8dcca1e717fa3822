//! Through folders: which files there are, and how they are called.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Files and folders that systems and tools leave behind, besides those with a dot.
const HIDDEN: [&str; 3] = ["Thumbs.db", "desktop.ini", "__MACOSX"];

/// Goes through folders in sorted order, below a root that the paths are relative to.
pub(super) struct Walk<'a> {
    pub(super) root: &'a Path,
    pub(super) hidden: usize,
    pub(super) loops: usize,
    /// Folders that the system did not let us list.
    pub(super) unlisted: Vec<PathBuf>,
}

pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) is_folder: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(root: &'a Path) -> Walk<'a> {
        Walk { root, hidden: 0, loops: 0, unlisted: Vec::new() }
    }

    pub(super) fn entries(&mut self, folder: &Path) -> Vec<Entry> {
        let Ok(listing) = fs::read_dir(self.root.join(folder)) else {
            self.unlisted.push(folder.to_owned());
            return Vec::new();
        };
        let mut entries = Vec::new();
        for entry in listing.flatten() {
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") || HIDDEN.iter().any(|hidden| name == *hidden) {
                self.hidden += 1;
                continue;
            }
            let is_folder =
                entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink() && entry.path().is_dir());
            entries.push(Entry { path: folder.join(name), is_folder });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries
    }

    /// All files below a folder; a folder that is in `seen` is not gone through again.
    pub(super) fn files(&mut self, folder: &Path, seen: &mut HashSet<PathBuf>, files: &mut Vec<PathBuf>) {
        let real = fs::canonicalize(self.root.join(folder)).unwrap_or_else(|_| folder.to_owned());
        if !seen.insert(real) {
            self.loops += 1;
            return;
        }
        for entry in self.entries(folder) {
            if entry.is_folder {
                self.files(&entry.path, seen, files);
            } else {
                files.push(entry.path);
            }
        }
    }
}

/// A path with `/` between its parts. Where it is not valid Unicode, each invalid byte becomes `%`
/// and two hexadecimal digits, and so does `%` itself; other paths are left as they are.
pub(super) fn id(path: &Path) -> String {
    let parts = path.components().map(|part| {
        let part = part.as_os_str();
        match part.to_str() {
            Some(text) => text.to_owned(),
            None => escape(part),
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

fn escape(name: &OsStr) -> String {
    let mut escaped = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        escaped.push_str(&chunk.valid().replace('%', "%25"));
        escaped.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02X}")));
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::FORMAT;
    use super::super::testing::{load, names, says};
    use super::*;
    use crate::read::testing::{GREY, Scratch, chunks, png};

    #[test]
    fn names_keep_spaces_percent_signs_and_every_script() {
        let folder = Scratch::new("images-names");
        let names_of_files = ["ein wenig/100%.png", "ein wenig/a+b,\"c\".png", "猫/🐈.png", "猫/e\u{301}.png"];
        for name in names_of_files {
            folder.write(name, png(1, 1, GREY));
        }
        let source = load(&folder);
        let mut expected = names_of_files.to_vec();
        expected.sort_unstable();
        assert_eq!(names(&source.train), expected);
        assert_eq!(source.train.schema.classes, ["ein wenig", "猫"]);
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_unicode_are_escaped() {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(b"50% caf\xe9.png");
        assert_eq!(id(&Path::new("a%b").join(name)), "a%b/50%25 caf%E9.png");
        let folder = Scratch::new("images-bytes");
        fs::write(folder.0.join(name), png(1, 1, GREY)).expect("writable");
        assert_eq!(names(&load(&folder).train), ["50%25 caf%E9.png"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        use std::os::unix::fs::symlink;
        let folder = Scratch::new("images-links");
        folder.write("cat/a.png", png(1, 1, GREY));
        symlink("..", folder.0.join("cat/up")).expect("writable");
        symlink(".", folder.0.join("cat/self")).expect("writable");
        symlink("cat", folder.0.join("feline")).expect("writable");
        symlink("nowhere", folder.0.join("cat/broken.png")).expect("writable");
        let source = load(&folder);
        assert_eq!(names(&source.train), ["cat/a.png", "feline/a.png"]);
        assert!(says(&source.notes, "4 folders that were met before"), "{:?}", source.notes);
        assert_eq!(source.problems.len(), 2);
        assert_eq!(chunks(&FORMAT, &folder.0, &source.train.schema).expect("readable")[0].ids.len(), 2);
    }

    #[test]
    fn hidden_and_other_files_are_skipped_and_counted() {
        let folder = Scratch::new("images-hidden");
        folder.write("cat/a.png", png(1, 1, GREY));
        for name in [".git/x.png", "cat/.DS_Store", "cat/Thumbs.db", "__MACOSX/a.png", "cat/read me.txt"] {
            folder.write(name, &png(1, 1, GREY)[..4]);
        }
        let source = load(&folder);
        assert_eq!((source.train.len(), source.problems.len()), (1, 0));
        assert!(says(&source.notes, "4 hidden files"), "{:?}", source.notes);
        assert!(says(&source.notes, "1 files that are no pictures"), "{:?}", source.notes);
    }
}
