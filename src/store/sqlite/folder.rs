//! The data folder: its files, their modes, and the lock that says whether a server lives in it.
//!
//! Invariant: nobody but the owner can read what is made here.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::OpenError;

/// The database file.
pub(in crate::store) const DATABASE: &str = "sarangbang.db";
/// The file that a server locks.
pub(in crate::store) const LOCK: &str = "serve.lock";

/// The command line holds the lock for microseconds while it looks whether a server lives, and a server that is
/// just stopping gives it back soon; neither should make a start fail.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// A data folder that can be used.
pub(in crate::store) struct Folder {
    path: PathBuf,
}

/// The folder's lock; given back when dropped, and by the operating system when the process dies.
pub(in crate::store) struct Lock {
    _held: File,
}

impl Folder {
    /// Makes the folder and an empty database where they are missing.
    pub(super) fn prepare(path: &Path) -> Result<Self, OpenError> {
        make(path).map_err(OpenError::folder(path))?;
        let folder = Self { path: path.to_owned() };
        // SQLite gives the files beside it (-wal, -shm) the mode of the database.
        open(&folder.database()).map_err(OpenError::folder(&folder.database()))?;
        Ok(folder)
    }

    /// The folder as it is.
    pub(in crate::store) fn existing(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The database file.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// Takes the lock for a server.
    pub(in crate::store) fn lock(&self) -> Result<Lock, OpenError> {
        let path = self.path.join(LOCK);
        let failed = || OpenError::folder(&path);
        let mut file = open(&path).map_err(failed())?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => {
                    file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed())?;
                    return Ok(Lock { _held: file });
                }
                Err(TryLockError::WouldBlock) => std::thread::park_timeout(LOCK_PAUSE),
                Err(TryLockError::Error(cause)) => return Err(failed()(cause)),
            }
        }
        let mut pid = String::new();
        file.rewind().and_then(|()| file.read_to_string(&mut pid)).map_err(failed())?;
        let pid = if pid.is_empty() { "unknown".into() } else { pid };
        Err(OpenError::Held { folder: self.path.clone(), pid })
    }

    /// Whether a server holds the lock now.
    pub(in crate::store) fn is_served(&self) -> bool {
        File::open(self.path.join(LOCK))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

/// Makes a folder, and those it stands in, for nobody but the owner.
pub(in crate::store) fn make(path: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file that is made for nobody but the owner where it is missing.
pub(in crate::store) fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_folder_and_its_files_are_the_owners_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::prepare(&parent.path().join("data")).unwrap();
        let _lock = folder.lock().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.path), 0o700);
        assert_eq!(mode(&folder.database()), 0o600);
        assert_eq!(mode(&folder.path.join(LOCK)), 0o600);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named_with_what_to_do() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        let refusal = Folder::prepare(&file.join("data")).err().unwrap().to_string();
        assert!(refusal.contains("file/data") && refusal.contains("choose another data folder"), "{refusal}");
    }

    #[test]
    fn a_folder_is_served_while_the_lock_is_held() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::prepare(parent.path()).unwrap();
        assert!(!folder.is_served());
        let lock = folder.lock().unwrap();
        assert!(folder.is_served());
        drop(lock);
        assert!(!folder.is_served());
    }
}
