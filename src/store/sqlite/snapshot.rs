//! Whole copies of the file: made beside whoever writes to it, and before it is changed for good.
//!
//! Invariant: a copy is one state of the file, and nobody but the owner can read it. One that goes by its final name is
//! whole and on the disk.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rustix::fs::statvfs;

use super::folder::{self, Folder};
use super::{OpenError, connection, schema};

/// Memory for pages while a copy is made, in KiB.
const CACHE_KIB: i64 = 8 * 1024;
/// What has to stay free beside a copy, in bytes, for whoever writes meanwhile.
pub(in crate::store) const SPARE_BYTES: u64 = 16 * 1024 * 1024;

const BEFORE: &str = "before-schema-";
const ENDING: &str = ".db";

/// Bytes that the pages of a database take, those in its write-ahead log included: no copy is larger.
pub(in crate::store) fn bytes_of(database: &Path) -> Result<u64, OpenError> {
    let broken = |cause| OpenError::broken(database, cause);
    let file = connection::reader(database, CACHE_KIB).map_err(broken)?;
    let number = |pragma| file.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(broken);
    Ok((number("page_count")? * number("page_size")?).unsigned_abs())
}

/// Bytes that are free for this user where a folder is; as many as there can be where the system does not tell.
pub(in crate::store) fn free_bytes(folder: &Path) -> u64 {
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    statvfs(there).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Copies a database as it is at one moment, beside whoever writes to it: a reader holds nobody up, but the write-ahead log
/// grows until it has ended. What was deleted is not in the copy. Answers the copy's schema version.
pub(in crate::store) fn copy_of(database: &Path, to: &Path) -> Result<i64, OpenError> {
    folder::open(to).map_err(OpenError::folder(to))?;
    let file = connection::reader(database, CACHE_KIB).map_err(|cause| OpenError::broken(database, cause))?;
    schema::version_of(&file, database)?;
    let name = to.to_str().ok_or_else(|| OpenError::folder(to)(std::io::ErrorKind::InvalidFilename.into()))?;
    file.execute("VACUUM INTO ?1", [name]).map_err(|cause| match cause.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => OpenError::folder(to)(std::io::ErrorKind::StorageFull.into()),
        _ => OpenError::broken(database, cause),
    })?;
    schema_of(to)
}

/// Brings a copy to the newest version, for which nothing has to be kept.
pub(in crate::store) fn migrate_copy(database: &Path) -> Result<(), OpenError> {
    let mut file = connection::writer(database, false).map_err(|cause| OpenError::broken(database, cause))?;
    schema::migrate(&mut file, database)
}

/// The schema version of a database that nobody has open.
pub(in crate::store) fn schema_of(database: &Path) -> Result<i64, OpenError> {
    let file = connection::reader(database, CACHE_KIB).map_err(|cause| OpenError::broken(database, cause))?;
    schema::version_of(&file, database)
}

/// The newest schema version.
pub(in crate::store) const fn schema_known() -> i64 {
    schema::known()
}

/// Keeps a copy of a file of an older version that holds something, beside it, until the operator removes it: what the
/// next step makes of it cannot be taken back. An earlier copy of that name is replaced once this one is whole.
pub(super) fn before_migration(file: &Connection, folder: &Folder) -> Result<(), OpenError> {
    let (database, known) = (folder.database(), schema::known());
    let found = schema::version_of(file, &database)?;
    let broken = |cause| OpenError::broken(&database, cause);
    if found == 0 || found >= known {
        return Ok(());
    }
    let something = "SELECT EXISTS (SELECT 1 FROM room) OR EXISTS (SELECT 1 FROM account)";
    if !file.query_row(something, [], |row| row.get::<_, bool>(0)).map_err(broken)? {
        return Ok(());
    }
    let path = folder.path().join(format!("{BEFORE}{known}{ENDING}"));
    let (needed, free) = (bytes_of(&database)?.saturating_add(SPARE_BYTES), free_bytes(folder.path()));
    if free < needed {
        return Err(OpenError::NoRoom { path, needed_mib: mib(needed), free_mib: mib(free) });
    }
    // Two processes may do this at the same time.
    let partial = path.with_extension(format!("db.{}.partial", std::process::id()));
    let kept = copy_of(&database, &partial).and_then(|copied| {
        // Somebody else was faster, and kept a copy before.
        if copied != found {
            return Ok(());
        }
        sync(&partial).and_then(|()| std::fs::rename(&partial, &path)).map_err(OpenError::folder(&path))?;
        sync(folder.path()).map_err(OpenError::folder(folder.path()))?;
        tracing::info!(copy = %path.display(), from = found, to = known, "kept a copy of the store before its schema changes");
        Ok(())
    });
    // Gone already where all went well.
    let _ = std::fs::remove_file(&partial);
    kept
}

/// Copies that were kept in this folder before its schema changed, with the version that each has; newest first.
pub(in crate::store) fn kept_copies(folder: &Path) -> Vec<(PathBuf, i64)> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut copies: Vec<(PathBuf, i64)> = names
        .filter(|path| is_kept_copy(path))
        .filter_map(|path| Some((schema_of(&path).ok()?, path)))
        .map(|(version, path)| (path, version))
        .collect();
    copies.sort_by_key(|(_, version)| std::cmp::Reverse(*version));
    copies
}

/// Whether a file is such a copy, by its name.
pub(in crate::store) fn is_kept_copy(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_prefix(BEFORE)
        .and_then(|rest| rest.strip_suffix(ENDING))
        .is_some_and(|number| number.parse::<u32>().is_ok())
}

/// What an operator can do whose program is older than the file.
pub(super) fn way_back(database: &Path) -> String {
    let folder = database.parent().unwrap_or(Path::new("."));
    match kept_copies(folder).first() {
        Some((copy, _)) => {
            let copy = copy.display();
            format!(
                "go back to {copy}, which lacks what came since: stop the server, move {}* to another folder, and run \
                 `sarangbang restore {copy}` with this version",
                database.display()
            )
        }
        None => {
            "restore a backup that an older one made with `sarangbang restore FILE`, into another folder".to_owned()
        }
    }
}

/// Waits until a file, or the names in a folder, are on the disk.
pub(in crate::store) fn sync(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// In MiB, rounded up.
pub(in crate::store) const fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1024 * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Mode;
    use crate::store::sqlite::Sqlite;
    use crate::store::tests::{Settings, file_settings};

    /// A folder with a file of an older version.
    fn older(with_room: bool) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Connection::open(folder.path().join("sarangbang.db")).unwrap();
        schema::migrate_to(&mut file, 5);
        if with_room {
            let room = "INSERT INTO room (id, name, created_at, last_at) VALUES (zeroblob(16), 'old', 5, 6)";
            file.execute(room, []).unwrap();
        }
        folder
    }

    fn open(folder: &Path) -> Result<Sqlite, OpenError> {
        Sqlite::open(folder, Mode::Admin, file_settings(&Settings::default()))
    }

    #[tokio::test]
    async fn a_store_is_kept_as_it_was_before_its_schema_changes() {
        let folder = older(true);
        open(folder.path()).unwrap().close().await;
        let copy = folder.path().join("before-schema-6.db");
        assert_eq!(kept_copies(folder.path()), [(copy.clone(), 5)]);
        assert_eq!(schema_of(&folder.path().join("sarangbang.db")).unwrap(), schema::known());
        let names =
            Connection::open(&copy).unwrap().query_row("SELECT name FROM room", [], |row| row.get::<_, String>(0));
        assert_eq!(names.unwrap(), "old");
        // Once is enough.
        let made = std::fs::metadata(&copy).unwrap().modified().unwrap();
        open(folder.path()).unwrap().close().await;
        assert_eq!(std::fs::metadata(&copy).unwrap().modified().unwrap(), made);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "the database and the copy");
    }

    #[tokio::test]
    async fn of_a_store_that_holds_nothing_no_copy_is_kept() {
        for folder in [older(false), tempfile::tempdir().unwrap()] {
            open(folder.path()).unwrap().close().await;
            assert_eq!(kept_copies(folder.path()), []);
        }
    }

    #[tokio::test]
    async fn whoever_is_too_old_is_told_the_way_back_and_it_leads_there() {
        let folder = older(true);
        open(folder.path()).unwrap().close().await;
        let database = folder.path().join("sarangbang.db");
        Connection::open(&database).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let refusal = open(folder.path()).err().unwrap().to_string();
        let copy = folder.path().join("before-schema-6.db");
        assert!(refusal.contains(&format!("`sarangbang restore {}`", copy.display())), "{refusal}");
        std::fs::remove_file(&database).unwrap();
        for beside in ["sarangbang.db-wal", "sarangbang.db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(beside));
        }
        let restored = crate::store::backup::restore(&copy, folder.path(), |_| ()).await.unwrap();
        assert_eq!((restored.made_at, restored.holds.rooms[0].name.as_str()), (None, "old"));
        assert!(copy.exists());
        open(folder.path()).unwrap().close().await;
        std::fs::remove_file(&copy).unwrap();
        Connection::open(&database).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let refusal = open(folder.path()).err().unwrap().to_string();
        assert!(refusal.contains("`sarangbang restore FILE`"), "{refusal}");
    }

    #[test]
    fn a_copy_is_one_state_and_lacks_what_was_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        let mut file = Connection::open(&from).unwrap();
        schema::migrate(&mut file, &from).unwrap();
        file.execute("INSERT INTO kept (name, value, changed_at) VALUES ('x', zeroblob(500000), 1)", []).unwrap();
        file.execute("DELETE FROM kept", []).unwrap();
        assert!(bytes_of(&from).unwrap() > 500_000);
        assert_eq!(copy_of(&from, &to).unwrap(), schema::known());
        assert!(std::fs::metadata(&to).unwrap().len() < 200_000);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&to).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}
