//! The folder in which a backup, or what comes out of one, is on its way.
//!
//! Invariant: who has one has the lock in it. What a process that was killed left behind is cleared by the next that comes
//! there; what a living one has is left alone.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::BackupError;
use crate::store::sqlite::folder;
use crate::store::sqlite::snapshot::{SPARE_BYTES, free_bytes, mib};

const LOCK: &str = "lock";
/// How such a folder's name ends.
pub(super) const PARTIAL: &str = ".partial";

/// A folder of this process alone; gone when dropped.
pub(super) struct Workplace {
    path: PathBuf,
    _lock: File,
}

impl Workplace {
    /// The one that belongs to a file, beside it.
    pub(super) fn of(file: &Path) -> Result<Self, BackupError> {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(PARTIAL);
        Self::at(file.with_file_name(name))
    }

    /// One beside a file, or where temporary files go if nobody may write there.
    pub(super) fn near(file: &Path) -> Result<Self, BackupError> {
        let name = format!("sarangbang-{}{PARTIAL}", std::process::id());
        let beside = Self::at(file.with_file_name(&name));
        beside.or_else(|_| Self::at(std::env::temp_dir().join(&name)))
    }

    /// At this path; what was left there is cleared.
    pub(super) fn at(path: PathBuf) -> Result<Self, BackupError> {
        folder::make(&path).map_err(BackupError::file(&path))?;
        let lock = folder::open(&path.join(LOCK)).map_err(BackupError::file(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::Busy(path)),
            Err(TryLockError::Error(cause)) => return Err(BackupError::file(&path)(cause)),
        }
        let place = Self { path, _lock: lock };
        place.clear(Some(LOCK))?;
        Ok(place)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A path in it.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A folder in it.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, BackupError> {
        let path = self.path.join(name);
        folder::make(&path).map_err(BackupError::file(&path))?;
        Ok(path)
    }

    /// Looks whether so many bytes fit in here.
    pub(super) fn needs(&self, bytes: u64) -> Result<(), BackupError> {
        let (needed, free) = (bytes.saturating_add(SPARE_BYTES), free_bytes(&self.path));
        if free < needed {
            let folder = self.path.parent().unwrap_or(&self.path).to_owned();
            return Err(BackupError::NoRoom { folder, needed_mib: mib(needed), free_mib: mib(free) });
        }
        Ok(())
    }

    fn clear(&self, but: Option<&str>) -> Result<(), BackupError> {
        for entry in std::fs::read_dir(&self.path).map_err(BackupError::file(&self.path))?.flatten() {
            let path = entry.path();
            if but.is_some_and(|but| entry.file_name() == but) {
                continue;
            }
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.map_err(BackupError::file(&path))?;
        }
        Ok(())
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // What cannot be removed now is cleared by the next who comes here.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Removes such folders in here whose processes have died.
pub(super) fn clear_dead(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        if name.starts_with("sarangbang-") && name.ends_with(PARTIAL) && entry.path().join(LOCK).exists() {
            drop(Workplace::at(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_cleared_and_what_a_living_one_has_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("sarangbang-1.backup");
        let left = parent.path().join("sarangbang-1.backup.partial");
        std::fs::create_dir_all(left.join("data")).unwrap();
        std::fs::write(left.join("data/half"), "x").unwrap();
        std::fs::write(left.join(LOCK), "").unwrap();
        let place = Workplace::of(&file).unwrap();
        assert!(!place.join("data").exists());
        assert!(matches!(Workplace::of(&file), Err(BackupError::Busy(_))));
        clear_dead(parent.path());
        assert!(left.exists(), "somebody works there");
        drop(place);
        assert!(!left.exists());
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join(LOCK), "").unwrap();
        clear_dead(parent.path());
        assert!(!left.exists());
    }

    #[test]
    fn what_does_not_fit_is_refused_before_anything_is_written() {
        let parent = tempfile::tempdir().unwrap();
        let place = Workplace::at(parent.path().join("x.partial")).unwrap();
        place.needs(1).unwrap();
        let refusal = place.needs(1 << 60).unwrap_err().to_string();
        assert!(refusal.contains("MiB are needed") && refusal.contains("make room"), "{refusal}");
    }
}
