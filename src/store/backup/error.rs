//! Why there is no backup, or nothing was restored: each text says what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::StoreError;
use crate::store::sqlite::OpenError;

/// A refusal or a failure.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store, or a copy of it, cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or folder cannot be used.
    #[error("{}: {cause}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    /// The disk has no room.
    #[error("{} has {free_mib} MiB free, and up to {needed_mib} MiB are needed; make room there, or name another place (nothing was written)", .folder.display())]
    NoRoom {
        /// Where.
        folder: PathBuf,
        /// What it may take.
        needed_mib: u64,
        /// What there is.
        free_mib: u64,
    },
    /// There is a file of that name.
    #[error("{} is there already; name another file, or replace it with --force", .0.display())]
    Exists(PathBuf),
    /// There is no store to back up.
    #[error("there is no data in {}; name the folder with --data", .0.display())]
    Nothing(PathBuf),
    /// The store was written by an earlier version.
    #[error(
        "the store has schema version {found}, and this sarangbang makes {known} of it; let the version that serves it make the backup, or start this one first"
    )]
    Older {
        /// Its version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// A copy into the store has not come to its end.
    #[error("`sarangbang store copy` into this store has not come to its end: it is not whole")]
    Unfinished,
    /// Another process works on the same name.
    #[error("another process works in {}; wait for it to end", .0.display())]
    Busy(PathBuf),
    /// It is something else.
    #[error("{} is not a backup: it does not begin like one", .0.display())]
    NotABackup(PathBuf),
    /// Its form is a later one.
    #[error("{} is a backup of form {found}, and this sarangbang knows up to {known}; use the version that made it", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What this program reads.
        known: u32,
    },
    /// The store in it was written by a later version.
    #[error("{} was made by sarangbang {by}, with schema version {found}, and this one knows up to {known}; use that version", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Who made it.
        by: String,
        /// Its schema version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// It is not as it was written.
    #[error("{} is damaged: {what}; use another backup", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// What is in it is not what its manifest says.
    #[error("{} does not hold what its manifest says: {}; use another backup", .path.display(), .what.join("; "))]
    Differs {
        /// The file.
        path: PathBuf,
        /// Everything that does not fit.
        what: Vec<String>,
    },
    /// There is something where it was to be restored to.
    #[error("{} is not empty: there is {what}; move what is there to another folder, or name another one with --data (nothing was changed)", .folder.display())]
    NotEmpty {
        /// The data folder.
        folder: PathBuf,
        /// A name in it.
        what: String,
    },
    /// A folder has no backup in it.
    #[error("there is no backup in {}: none is called sarangbang-TIME.backup", .0.display())]
    NoneIn(PathBuf),
    /// A restored store does not work as it should.
    #[error("the drill failed: {0}")]
    Drill(String),
}

impl BackupError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File { path, cause }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}
