//! A backup becomes a data folder.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::success::NAMES;
use super::verify::proved;
use super::workplace::Workplace;
use super::{BackupError, Progress, archive, now_seconds, survey_of};
use crate::store::copy::Survey;
use crate::store::sqlite::folder::{DATABASE, Folder, LOCK};
use crate::store::sqlite::{gap, snapshot};

/// Where it is on its way, in the data folder itself: that may be a volume of its own.
const ON_ITS_WAY: &str = "restore.partial";

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// When the backup was made, in milliseconds since the Unix epoch; `None` of a copy that was kept before the schema
    /// changed, which says nothing of itself.
    pub made_at: Option<i64>,
    /// What the store holds now.
    pub holds: Survey,
    /// Offsets that every room leaves out, so that none is given twice.
    pub offsets_left_out: u64,
}

/// Makes a data folder of a backup, or of a copy that was kept before the schema changed. A backup is proved before it is
/// put in place. The folder is empty, or not there yet, and nobody serves from it.
///
/// The rooms go on behind a gap in their offsets, so that a client that has seen more than the backup holds is told so, and
/// misses nothing that is said from now on.
///
/// # Errors
/// [`BackupError`]; the folder is as it was then.
pub async fn restore(file: &Path, folder: &Path, mut told: impl FnMut(Progress)) -> Result<Restored, BackupError> {
    let held = Folder::existing(folder);
    empty(folder, &held)?;
    // What is wrong with the file itself is told before a folder is made for it.
    let looked = if archive::is_database(file) { None } else { Some(archive::look(file)?) };
    crate::store::sqlite::folder::make(folder).map_err(BackupError::file(folder))?;
    // Nobody starts a server here meanwhile.
    let _lock = held.lock()?;
    let place = Workplace::at(folder.join(ON_ITS_WAY))?;
    let (made_at, unpacked, holds) = match &looked {
        Some((manifest, packed)) => {
            let unpacked = proved(file, manifest, packed, &place, &mut told).await?;
            (Some(manifest.made_at), unpacked, manifest.holds.clone())
        }
        None => copied(file, &place, &mut told).await?,
    };
    let database = unpacked.join(DATABASE);
    let offsets_left_out = gap::offsets_after(now_seconds().saturating_sub(seconds(made_at, &holds, file)));
    gap::leave(&database, offsets_left_out)?;
    let failed = BackupError::file(&database);
    let owners = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&database, owners).and_then(|()| snapshot::sync(&database)).map_err(failed)?;
    let target = folder.join(DATABASE);
    put(&database, &target)?;
    drop(place);
    snapshot::sync(folder).map_err(BackupError::file(folder))?;
    Ok(Restored { made_at, holds, offsets_left_out })
}

/// When the state was left that is restored, in seconds since the Unix epoch. What says nothing of itself was left when its
/// newest entry was written, or before.
fn seconds(made_at: Option<i64>, holds: &Survey, file: &Path) -> u64 {
    let written = std::fs::metadata(file).and_then(|file| file.modified()).ok();
    let written = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(u64::MAX, |at| at.as_secs());
    let newest = made_at.or(holds.newest_at()).and_then(|ms| u64::try_from(ms / 1_000).ok());
    newest.unwrap_or(written)
}

/// A copy that was kept before the schema changed: it has no manifest, and is looked at for damage by being read.
async fn copied(
    file: &Path,
    place: &Workplace,
    told: impl FnMut(Progress),
) -> Result<(Option<i64>, PathBuf, Survey), BackupError> {
    place.needs(std::fs::metadata(file).map_err(BackupError::file(file))?.len())?;
    let folder = place.folder("copied")?;
    let database = folder.join(DATABASE);
    snapshot::copy_of(file, &database)?;
    snapshot::migrate_copy(&database)?;
    let holds = survey_of(&folder, told).await?;
    Ok((None, folder, holds))
}

/// Puts it in place, unless somebody was there first.
fn put(database: &Path, target: &Path) -> Result<(), BackupError> {
    match std::fs::hard_link(database, target) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(not_empty(target.parent().unwrap_or(target), DATABASE)),
        // Not every file system has links.
        Err(_) => std::fs::rename(database, target).map_err(BackupError::file(target)),
    }
}

/// Looks whether there is nothing in a folder that would be lost, or would be mixed with what is restored.
fn empty(folder: &Path, held: &Folder) -> Result<(), BackupError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(BackupError::file(folder)(e)),
    };
    let harmless = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name == LOCK
            || name == ON_ITS_WAY
            || name == "lost+found"
            || NAMES.contains(&name)
            || snapshot::is_kept_copy(path)
    };
    let Some(found) = entries.flatten().map(|entry| entry.path()).find(|path| !harmless(path)) else { return Ok(()) };
    if held.is_served() {
        // Taken by somebody, so this says who.
        held.lock()?;
    }
    Err(not_empty(folder, &found.file_name().unwrap_or_default().to_string_lossy()))
}

fn not_empty(folder: &Path, what: &str) -> BackupError {
    BackupError::NotEmpty { folder: folder.to_owned(), what: what.to_owned() }
}
