//! Why the store cannot be opened: always the operator's to mend, so each text says how.

use std::io;
use std::path::{Path, PathBuf};

/// A refusal to open the data folder.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or a file in it cannot be made, read or written.
    #[error("{} cannot be used: {cause}; let the user that runs sarangbang write there, or choose another data folder", .path.display())]
    Folder {
        /// What could not be used.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    /// Another server holds the folder.
    #[error("another server (process {pid}) runs on the data folder {}; stop it, or give this one a folder of its own", .folder.display())]
    Held {
        /// The folder.
        folder: PathBuf,
        /// The other server's process id, or `unknown` while it is just starting.
        pid: String,
    },
    /// The file was written by a later version.
    #[error("{} has schema version {found}, and this sarangbang knows up to {known}; run the newer one again, or {way_back}", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that this binary knows.
        known: i64,
        /// How an operator gets to a file that this one knows.
        way_back: String,
    },
    /// Its schema is to change, and there is no room for the copy that is kept before.
    #[error("the store has to change its schema, and {} is kept before that: it takes up to {needed_mib} MiB, and {free_mib} MiB are free; make room there, and start again (nothing was changed)", .path.display())]
    NoRoom {
        /// The copy.
        path: PathBuf,
        /// What it may take.
        needed_mib: u64,
        /// What there is.
        free_mib: u64,
    },
    /// The file was written by an earlier version, and whoever opens it only looks.
    #[error("{} has schema version {found}, and this sarangbang makes {known} of it; the next start does, and keeps a copy of it before", .path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that this binary knows.
        known: i64,
    },
    /// The file is not a database, or one of another program.
    #[error("{} is not a Sarangbang database; move it away, or choose another data folder", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// SQLite cannot work with the file.
    #[error("{} cannot be opened: {cause}; look at the disk, and restore a backup if the file is damaged", .path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        cause: rusqlite::Error,
    },
    /// The writer's thread cannot be started.
    #[error("the store's thread cannot be started: {cause}; raise the limit of processes for this user")]
    Thread {
        /// What the operating system says.
        cause: io::Error,
    },
}

impl OpenError {
    pub(super) fn folder(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Folder { path, cause }
    }

    pub(super) fn broken(path: &Path, cause: rusqlite::Error) -> Self {
        match cause.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Self::Foreign { path: path.to_owned() },
            _ => Self::Broken { path: path.to_owned(), cause },
        }
    }
}
