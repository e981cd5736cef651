//! Backups: one file that holds everything that is kept, proves itself, and becomes a data folder again.
//!
//! A backup is made beside whoever serves ([`take`]), proved against its own manifest ([`verify`]), put in place
//! ([`restore`]), and tried out without touching what is in use ([`drill`]). It is a copy of the store's file, so what a
//! restore needs is in it: rooms with their logs, accounts, sign-in sessions, signing keys, certificates. The configuration
//! is not. Of a Redis a file is filled first, by way of [`copy`](super::copy).
//!
//! Invariants: a file that goes by its final name was proved after it was written; whatever is on its way stands in a folder
//! `NAME.partial`, which nobody takes for a backup and the next run clears. Nothing is put in place that was not proved.

mod archive;
mod drill;
mod error;
mod manifest;
mod restore;
mod series;
mod success;
mod take;
mod verify;
mod workplace;

pub use self::drill::{Drilled, drill};
pub use self::error::BackupError;
pub use self::manifest::Manifest;
pub use self::restore::{Restored, restore};
pub use self::series::{name_at, newest, prune};
pub use self::success::{Deed, record, register};
pub use self::take::{Source, take};
pub use self::verify::verify;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::copy;
use super::sqlite::{OpenError, Settings, Sqlite};
use super::{Mode, Store};
use crate::chat::Locale;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The store is being copied: bytes so far, and how many it can become.
    Copying(u64, u64),
    /// Everything is being read from a Redis, or counted.
    Reading(copy::Progress),
    /// It is being packed: bytes so far, of how many.
    Packing(u64, u64),
    /// It is being unpacked: bytes so far, of how many.
    Unpacking(u64, u64),
}

/// Seconds since the Unix epoch.
fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Milliseconds since the Unix epoch.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Opens a copy that nobody else has: nothing is trimmed, and nothing has to survive a loss of power.
fn open_copy(folder: &Path, mode: Mode) -> Result<Store, OpenError> {
    let settings = Settings {
        locale: Locale::default(),
        durable: false,
        keep_entries: None,
        keep_days: None,
        queue_max: 1_000,
        rooms_max: u64::MAX,
    };
    Sqlite::open(folder, mode, settings).map(Store::Sqlite)
}

/// Counts what a copy holds.
async fn survey_of(folder: &Path, mut told: impl FnMut(Progress)) -> Result<copy::Survey, BackupError> {
    let store = open_copy(folder, Mode::Look)?;
    let survey = async {
        if store.kept(copy::UNFINISHED).await?.is_some() {
            return Err(BackupError::Unfinished);
        }
        Ok(copy::survey(&store, |progress| told(Progress::Reading(progress))).await?)
    };
    let survey = survey.await;
    store.close().await;
    survey
}

#[cfg(test)]
pub(in crate::store) mod tests {
    use super::*;

    /// Writes a backup anew with one entry more in its manifest than there is.
    pub(in crate::store) fn with_a_false_manifest(from: &Path, to: &Path) {
        let (mut manifest, packed) = archive::look(from).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("db");
        archive::unpack(from, &manifest, &packed, &database, |_| ()).unwrap();
        manifest.holds.rooms[0].entries += 1;
        archive::write(to, &manifest, &database, |_| ()).unwrap();
    }
}
