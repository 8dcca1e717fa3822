//! `NAME.part`: a file on its way.

use std::fs::{self, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use halfmoon_pool::{Error, Result};

use crate::sets::File;
use crate::{Progress, content};

/// What came of a file, under another name until all of it came and was checked.
pub(crate) struct Part {
    file: fs::File,
    path: PathBuf,
    length: u64,
}

/// What an attempt to get a file brought.
#[derive(Debug)]
pub(crate) enum Came {
    /// All that there is, right or wrong.
    All,
    /// A beginning, because somebody asked to stop.
    Stopped,
    /// A beginning, because the connection broke.
    Cut(io::Error),
    /// A beginning, and then nothing for too long.
    Silent(String),
    /// An answer that is not the file.
    Refused(String),
    /// No answer.
    Nothing(String),
}

impl Part {
    /// With what an earlier download left. Its writer is alone: a second one is refused.
    pub(crate) fn open(folder: &Path, name: &str) -> Result<Part> {
        let path = folder.join(format!("{name}.part"));
        let open = || {
            let mut file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            let length = file.seek(SeekFrom::End(0))?;
            Ok((file, length))
        };
        let (file, length) = open().map_err(|error| Error::io(&path, error))?;
        // A file system without locks is trusted: the checksum would notice.
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            let problem = format!("{} is being written by another halfmoon", path.display());
            return Err(Error::usage(problem, "wait for it, or end it"));
        }
        Ok(Part { file, path, length })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Appends what can be read.
    pub(crate) fn fill(&mut self, bytes: impl Read, file: &File, progress: &mut dyn Progress) -> Result<Came> {
        progress.begin(&file.name, self.length, file.size);
        let came = self.append_all(bytes, file, progress);
        progress.end();
        came
    }

    fn append_all(&mut self, mut bytes: impl Read, file: &File, progress: &mut dyn Progress) -> Result<Came> {
        // gzip makes nothing longer by more than its headers and 5 bytes a block of 32 KiB.
        let longest = file.size.max(file.size_content + file.size_content / 1000 + 1024);
        let mut buffer = vec![0; 1 << 16];
        loop {
            if progress.stop() {
                return Ok(Came::Stopped);
            }
            match bytes.read(&mut buffer) {
                Ok(0) => return Ok(Came::All),
                Ok(count) if self.length + count as u64 > longest => {
                    self.restart()?;
                    return Ok(Came::Refused(format!("it sends more than the {longest} bytes that the file can have")));
                }
                Ok(count) => self.append(&buffer[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Came::Cut(error)),
            }
            progress.bytes(self.length);
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| Error::io(&self.path, error))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Forgets what came.
    pub(crate) fn restart(&mut self) -> Result<()> {
        if self.length > 0 {
            self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(|error| Error::io(&self.path, error))?;
            self.length = 0;
        }
        Ok(())
    }

    /// What is wrong with what came. Afterwards it is published, left or restarted.
    pub(crate) fn fault(&mut self, wanted: &File) -> Result<Option<String>> {
        let fault = self.file.rewind().and_then(|()| content::fault(&self.file, wanted));
        fault.map_err(|error| Error::io(&self.path, error))
    }

    /// Gives it its name, on the disk and not only in memory: a name outlives a power cut only with its bytes.
    pub(crate) fn publish(self, path: &Path) -> Result<()> {
        self.file.sync_all().map_err(|error| Error::io(&self.path, error))?;
        drop(self.file);
        fs::rename(&self.path, path).map_err(|error| Error::io(path, error))?;
        // Not every system can do this to a folder, and the file is whole in any case.
        if let Some(Ok(folder)) = path.parent().map(fs::File::open) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// For a later download, if anything came.
    pub(crate) fn leave(self) {
        if self.length == 0 {
            drop(self.file);
            let _ = fs::remove_file(&self.path);
        }
    }
}
