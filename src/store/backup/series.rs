//! A folder of backups, named by their times.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::{BackupError, now_seconds};

const BEGINNING: &str = "sarangbang-";
const ENDING: &str = ".backup";

/// The name of a backup that is made now, by UTC: their order is the order of their times.
pub fn name_at() -> String {
    name_of(now_seconds())
}

fn name_of(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    format!("{BEGINNING}{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z{ENDING}")
}

/// The newest backup in a folder.
///
/// # Errors
/// [`BackupError::NoneIn`], or when the folder cannot be read.
pub fn newest(folder: &Path) -> Result<PathBuf, BackupError> {
    all(folder)?.pop().ok_or_else(|| BackupError::NoneIn(folder.to_owned()))
}

/// Removes the oldest, so that so many are left; answers those that went. Files of other names are left alone.
///
/// # Errors
/// When one cannot be removed.
pub fn prune(folder: &Path, keep: usize) -> Result<Vec<PathBuf>, BackupError> {
    let mut all = all(folder)?;
    all.truncate(all.len().saturating_sub(keep));
    for path in &all {
        std::fs::remove_file(path).map_err(BackupError::file(path))?;
    }
    Ok(all)
}

/// The backups in a folder, oldest first.
fn all(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let entries = std::fs::read_dir(folder).map_err(BackupError::file(folder))?;
    let mut all: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| is_one(path)).collect();
    all.sort();
    Ok(all)
}

/// Whether it is a file of such a name.
fn is_one(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let time = name.strip_prefix(BEGINNING).and_then(|rest| rest.strip_suffix(ENDING)).unwrap_or_default();
    let fits = |(at, c): (usize, char)| match at {
        8 => c == 'T',
        15 => c == 'Z',
        _ => c.is_ascii_digit(),
    };
    time.len() == 16 && time.chars().enumerate().all(fits) && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_times_and_only_such_are_counted_and_removed() {
        assert_eq!(name_of(1_763_880_340), "sarangbang-20251123T064540Z.backup");
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(matches!(newest(folder.path()), Err(BackupError::NoneIn(_))));
        let names: Vec<String> = (0..5).map(|day| name_of(1_700_000_000 + day * 86_400)).collect();
        let others = ["sarangbang-2025.backup", "notes.txt", "sarangbang-20251123T064540Z.backup.old"];
        for name in names.iter().map(String::as_str).chain(others) {
            std::fs::write(path(name), "x").unwrap();
        }
        std::fs::create_dir(path("sarangbang-20991123T064540Z.backup")).unwrap();
        assert_eq!(newest(folder.path()).unwrap(), path(&names[4]));
        assert_eq!(prune(folder.path(), 2).unwrap(), [path(&names[0]), path(&names[1]), path(&names[2])]);
        assert_eq!(prune(folder.path(), 2).unwrap(), Vec::<PathBuf>::new());
        assert!(others.iter().all(|name| path(name).exists()) && path(&names[3]).exists());
    }
}
