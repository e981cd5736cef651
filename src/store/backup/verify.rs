//! A backup is held against its manifest.

use std::path::{Path, PathBuf};

use super::workplace::Workplace;
use super::{BackupError, Manifest, Progress, archive, survey_of};
use crate::store::sqlite::folder::DATABASE;
use crate::store::sqlite::snapshot;

/// Proves a backup: every byte of it, and everything in it against what the manifest says. It needs neither a server nor a
/// data folder, but room for the unpacked store beside the file, or where temporary files go.
///
/// # Errors
/// [`BackupError`], which names what does not fit.
pub async fn verify(file: &Path, told: impl FnMut(Progress)) -> Result<Manifest, BackupError> {
    // Whatever is wrong with the file itself is told before anything is written.
    let (manifest, packed) = archive::look(file)?;
    let place = Workplace::near(file)?;
    proved(file, &manifest, &packed, &place, told).await?;
    Ok(manifest)
}

/// Unpacks a backup that has been looked at, and proves what came out. Answers the folder with the store.
pub(super) async fn proved(
    file: &Path,
    manifest: &Manifest,
    packed: &archive::Packed,
    place: &Workplace,
    mut told: impl FnMut(Progress),
) -> Result<PathBuf, BackupError> {
    place.needs(manifest.database_bytes)?;
    let folder = place.folder("proved")?;
    let database = folder.join(DATABASE);
    archive::unpack(file, manifest, packed, &database, &mut told)?;
    if let Err(crate::store::sqlite::OpenError::Newer { found, known, .. }) = snapshot::schema_of(&database) {
        return Err(BackupError::Newer { path: file.to_owned(), by: manifest.sarangbang.clone(), found, known });
    }
    let found = snapshot::schema_of(&database)?;
    let mut what = Vec::new();
    if found != manifest.schema {
        what.push(format!("the store has schema version {found}, and the manifest says {}", manifest.schema));
    }
    snapshot::migrate_copy(&database)?;
    what.extend(manifest.holds.differences(&survey_of(&folder, told).await?));
    if what.is_empty() { Ok(folder) } else { Err(BackupError::Differs { path: file.to_owned(), what }) }
}
