//! A backup is made.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::manifest::FORM;
use super::workplace::{self, Workplace};
use super::{BackupError, Manifest, Progress, archive, now_ms, open_copy, survey_of, verify};
use crate::store::copy::copy_live;
use crate::store::sqlite::folder::DATABASE;
use crate::store::sqlite::{OpenError, gap, snapshot};
use crate::store::{Mode, Store};

/// How often it is told how far a copy has come.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// What is backed up.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// The store in this data folder, whether or not somebody serves from it.
    Folder(&'a Path),
    /// A Redis, whether or not nodes serve from it.
    Redis(&'a Store),
}

/// Makes a backup, proves it, and gives it its name. One of that name is replaced with `force` alone.
///
/// # Errors
/// [`BackupError`]; nothing goes by that name then which did not before.
pub async fn take(
    source: Source<'_>,
    to: &Path,
    force: bool,
    mut told: impl FnMut(Progress),
) -> Result<Manifest, BackupError> {
    let is_there = || !force && to.symlink_metadata().is_ok();
    if is_there() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let place = Workplace::of(to)?;
    let parent = folder_of(to);
    workplace::clear_dead(parent);
    let made_at = now_ms();
    let copied = place.folder("copied")?;
    let database = copied.join(DATABASE);
    let schema = match source {
        Source::Folder(data) => copy_folder(data, &database, &place, &mut told)?,
        Source::Redis(redis) => copy_redis(redis, &copied, &mut told).await?,
    };
    let holds = survey_of(&copied, &mut told).await?;
    let database_bytes = std::fs::metadata(&database).map_err(BackupError::file(&database))?.len();
    let sarangbang = env!("CARGO_PKG_VERSION").to_owned();
    let manifest = Manifest { form: FORM, sarangbang, schema, made_at, database_bytes, holds };
    place.needs(database_bytes)?;
    let packed = place.join("packed");
    archive::write(&packed, &manifest, &database, &mut told)?;
    std::fs::remove_dir_all(&copied).map_err(BackupError::file(&copied))?;
    // As it stands on the disk, not as it was meant.
    let (read, within) = archive::look(&packed)?;
    verify::proved(&packed, &read, &within, &place, &mut told).await?;
    put(&packed, to, force)?;
    snapshot::sync(parent).map_err(BackupError::file(parent))?;
    Ok(manifest)
}

/// The folder in which a file stands.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives it its name. Somebody else may have made a file of that name meanwhile.
fn put(packed: &Path, to: &Path, force: bool) -> Result<(), BackupError> {
    if force {
        return std::fs::rename(packed, to).map_err(BackupError::file(to));
    }
    match std::fs::hard_link(packed, to) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(BackupError::Exists(to.to_owned())),
        // Not every file system has links.
        Err(_) => std::fs::rename(packed, to).map_err(BackupError::file(to)),
    }
}

/// Copies the store of a folder as it is at one moment.
fn copy_folder(data: &Path, to: &Path, place: &Workplace, mut told: impl FnMut(Progress)) -> Result<i64, BackupError> {
    let database = data.join(DATABASE);
    if std::fs::metadata(&database).map_or(0, |file| file.len()) == 0 {
        return Err(BackupError::Nothing(data.to_owned()));
    }
    let (found, known) = (snapshot::schema_of(&database)?, snapshot::schema_known());
    if found < known {
        return Err(BackupError::Older { found, known });
    }
    let bytes = snapshot::bytes_of(&database)?;
    // The copy and, at the worst, as much again for what is packed and for what proves it.
    place.needs(bytes.saturating_mul(2))?;
    let (done, wait) = channel::<()>();
    let written = to.to_path_buf();
    let (source, target): (PathBuf, PathBuf) = (database.clone(), to.to_owned());
    let copying = std::thread::Builder::new().name("backup".into()).spawn(move || {
        let copied = snapshot::copy_of(&source, &target);
        drop(done);
        copied
    });
    let copying = copying.map_err(|cause| OpenError::Thread { cause })?;
    while wait.recv_timeout(TOLD_EVERY) == Err(RecvTimeoutError::Timeout) {
        told(Progress::Copying(std::fs::metadata(&written).map_or(0, |file| file.len()), bytes));
    }
    let ended = || BackupError::file(&database)(std::io::Error::other("the copy ended by itself"));
    Ok(copying.join().map_err(|_| ended())??)
}

/// Fills a file with what a Redis holds.
async fn copy_redis(redis: &Store, to: &Path, mut told: impl FnMut(Progress)) -> Result<i64, BackupError> {
    if redis.kept(crate::store::copy::UNFINISHED).await?.is_some() {
        return Err(BackupError::Unfinished);
    }
    let file = open_copy(to, Mode::Admin)?;
    let copied = copy_live(redis, &file, |progress| told(Progress::Reading(progress))).await;
    file.close().await;
    copied?;
    let database = to.join(DATABASE);
    gap::settle(&database)?;
    Ok(snapshot::schema_of(&database)?)
}
