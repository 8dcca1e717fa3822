//! What SQLite says, as what a user can do.

use std::io;
use std::path::Path;

use halfmoon_pool::Error;
use rusqlite::ErrorCode;

/// An error of the library, about the file at `path`.
pub(crate) fn fault(path: &Path, error: rusqlite::Error) -> Error {
    let rusqlite::Error::SqliteFailure(code, message) = error else {
        return damaged(path, &error.to_string());
    };
    let said = message.unwrap_or_else(|| code.to_string());
    match code.code {
        ErrorCode::DiskFull => Error::data(
            path,
            "there is no room for more: nothing of this was written",
            "make room on the disk and try again; what was acknowledged before is safe",
        ),
        ErrorCode::SystemIoFailure => Error::data(
            path,
            format!("cannot be written or read ({said}): nothing of this was written"),
            "look for a full disk, a limit on the size of files or a lost network drive; what was acknowledged before is safe",
        ),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::data(
            path,
            "another process has been writing for longer than this one waits: nothing of this was written",
            "try again when it is done",
        ),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            Error::io(path, io::Error::new(io::ErrorKind::PermissionDenied, format!("may not be written ({said})")))
        }
        ErrorCode::CannotOpen => Error::io(path, io::Error::other(said)),
        ErrorCode::NotADatabase => foreign(path),
        _ => damaged(path, &said),
    }
}

/// The file is something else.
pub(crate) fn foreign(path: &Path) -> Error {
    Error::data(path, "is not a halfmoon project", "name the project.db that `halfmoon init` wrote")
}

/// The file holds what halfmoon does not write.
pub(crate) fn damaged(path: &Path, what: &str) -> Error {
    Error::data(
        path,
        format!("is damaged: {what}"),
        "go back to a copy, or save what can be read: sqlite3 project.db .recover | sqlite3 saved.db",
    )
}
