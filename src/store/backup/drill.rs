//! A backup is restored for trial.

use std::path::{Path, PathBuf};

use super::workplace::Workplace;
use super::{BackupError, Progress, Restored, newest, open_copy, restore};
use crate::chat::{Draft, History};
use crate::store::sqlite::folder::DATABASE;
use crate::store::sqlite::snapshot::bytes_of;
use crate::store::{Mode, Store, settled};

/// What was tried.
#[derive(Clone, Debug)]
pub struct Drilled {
    /// The backup.
    pub file: PathBuf,
    /// What came out of it.
    pub restored: Restored,
    /// Bytes of the store that came out of it.
    pub database_bytes: u64,
}

/// Restores a backup, or the newest of a folder, beside it; opens what came out as a server does, reads every room's newest
/// page, and says something. Nothing of it stays.
///
/// # Errors
/// [`BackupError`].
pub async fn drill(file: &Path, told: impl FnMut(Progress)) -> Result<Drilled, BackupError> {
    let file = if file.is_dir() { newest(file)? } else { file.to_owned() };
    let place = Workplace::near(&file)?;
    let data = place.path().join("data");
    let restored = restore(&file, &data, told).await?;
    let database_bytes = bytes_of(&data.join(DATABASE))?;
    let store = open_copy(&data, Mode::Serve)?;
    let tried = tried(&store, &restored).await;
    store.close().await;
    tried?;
    Ok(Drilled { file, restored, database_bytes })
}

/// Uses a store as a server would.
async fn tried(store: &Store, restored: &Restored) -> Result<(), BackupError> {
    let failed = |what: String| Err(BackupError::Drill(what));
    let rooms = store.rooms().await?;
    // A name that an earlier version took and this one refuses is in the file, and is not listed.
    let readable = restored.holds.rooms.len();
    if rooms.len() > readable {
        return failed(format!("{} rooms are listed of {readable}", rooms.len()));
    }
    for room in &rooms {
        let id = room.id.to_string();
        let Some(held) = restored.holds.rooms.iter().find(|held| held.id == id) else {
            return failed(format!("room {id} came out of nothing"));
        };
        let page = store.newest(room.id, None, 50).await?;
        if held.history && page.entries.is_empty() && held.entries > 0 {
            return failed(format!("nothing can be read in room {id}, which holds {} entries", held.entries));
        }
    }
    let Some(room) = rooms.iter().find(|room| room.history == History::On) else { return Ok(()) };
    let speaker = "drill".parse().map_err(|_| BackupError::Drill("no name".into()))?;
    let draft =
        Draft::new(room.id, speaker, "drill", None, 10).map_err(|cause| BackupError::Drill(cause.to_string()))?;
    let said = settled(store.append(draft)).await?;
    let read = store.read(room.id, said.offset - 1, 1, usize::MAX).await?;
    if read.entries.first().is_none_or(|entry| &*entry.message != "drill") {
        return failed(format!("what was said in room {} cannot be read", room.id));
    }
    Ok(())
}
