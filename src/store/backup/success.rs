//! When a backup, and a drill, last succeeded: for the metrics of a server that is another process.

use std::path::{Path, PathBuf};

use super::{BackupError, now_seconds};
use crate::meter::{self, Registry};
use crate::store::sqlite::{folder, snapshot};

/// What succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A backup was made, proved, and handed on.
    Backup,
    /// A backup was restored and read for trial.
    Drill,
}

/// The files that say so, in the data folder: seconds since the Unix epoch.
pub(super) const NAMES: [&str; 2] = ["last-backup", "last-drill"];

impl Deed {
    fn file(self, data: &Path) -> PathBuf {
        let [backup, drill] = NAMES;
        data.join(match self {
            Self::Backup => backup,
            Self::Drill => drill,
        })
    }
}

/// Notes that it has succeeded now. The folder is made where it is missing.
///
/// # Errors
/// When the folder cannot be written.
pub fn record(data: &Path, deed: Deed) -> Result<(), BackupError> {
    let path = deed.file(data);
    let write = || {
        folder::make(data)?;
        let partial = path.with_extension(std::process::id().to_string());
        folder::open(&partial)?;
        std::fs::write(&partial, format!("{}\n", now_seconds()))?;
        snapshot::sync(&partial)?;
        std::fs::rename(&partial, &path)
    };
    write().map_err(BackupError::file(&path))
}

/// Names when a backup and a drill of this data folder last succeeded; 0 where none ever has.
pub fn register(registry: &mut Registry, data: &Path) {
    let read = |deed: Deed| {
        let path = deed.file(data);
        move || std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0.0)
    };
    meter::gauge(
        registry,
        "sarangbang_backup_last_success_timestamp_seconds",
        "When a backup was last made and proved, in seconds since the Unix epoch; 0 where none ever was",
        read(Deed::Backup),
    );
    meter::gauge(
        registry,
        "sarangbang_backup_drill_last_success_timestamp_seconds",
        "When a backup was last restored for trial, in seconds since the Unix epoch; 0 where none ever was",
        read(Deed::Drill),
    );
}
