//! The tables, and how an older file becomes a newer one.
//!
//! Invariant: a step that has been released is never changed; a change is one more step. Each step is one
//! transaction, so a file is always at a whole version.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{OpenError, snapshot};

/// `SRNG`: how the file says whose it is.
const APPLICATION_ID: i64 = 0x5352_4e47;

/// Step n leads from version n to n + 1.
const STEPS: &[&str] = &[FIRST, KEPT, PASSING, EXPIRING, BEHIND, MISSING];

const FIRST: &str = "
-- A room. `key` is never used again, so what is left of a deleted room cannot become another's.
CREATE TABLE room (
    key          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           BLOB    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    first_offset INTEGER NOT NULL DEFAULT 1,
    last_offset  INTEGER NOT NULL DEFAULT 0,
    last_at      INTEGER NOT NULL
) STRICT;

-- The logs. `place` is room.key << 36 | offset. `id` is the client's own, if it gave one.
CREATE TABLE entry (
    place      INTEGER PRIMARY KEY,
    kind       INTEGER NOT NULL,
    sender     TEXT    NOT NULL,
    message    TEXT    NOT NULL,
    user_count INTEGER NOT NULL,
    id         TEXT,
    sent_at    INTEGER NOT NULL
) STRICT;

-- Rooms whose row is gone and whose entries are being removed, a few at a time.
CREATE TABLE deleted_room (
    key INTEGER PRIMARY KEY
) STRICT;

-- Message ids of the last day. Apart from the log, because it outlives what retention takes from there.
CREATE TABLE dedup (
    room        INTEGER NOT NULL,
    sender      TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    log_offset  INTEGER NOT NULL,
    appended_at INTEGER NOT NULL,
    PRIMARY KEY (room, sender, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX dedup_by_age ON dedup (appended_at);

-- One row a lease. Counts are derived from it, never stored.
CREATE TABLE presence (
    room  INTEGER NOT NULL REFERENCES room (key) ON DELETE CASCADE,
    name  TEXT    NOT NULL,
    lease INTEGER NOT NULL,
    PRIMARY KEY (room, name, lease)
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    name_key      TEXT    PRIMARY KEY,
    name          TEXT    NOT NULL,
    role          TEXT    NOT NULL,
    password_hash BLOB    NOT NULL,
    disabled      INTEGER NOT NULL DEFAULT 0,
    token_epoch   INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE login (
    key        BLOB    PRIMARY KEY,
    name_key   TEXT    NOT NULL REFERENCES account (name_key) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX login_by_name ON login (name_key);
CREATE INDEX login_by_end ON login (expires_at);

CREATE TABLE invitation (
    key        BLOB    PRIMARY KEY,
    role       TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_key (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT    NOT NULL UNIQUE,
    secret     BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- What was administered, for the server that did not do it itself. `subject` is a room's id or a person's name.
CREATE TABLE change (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT    NOT NULL,
    subject ANY     NOT NULL,
    made_at INTEGER NOT NULL
) STRICT;

PRAGMA application_id = 0x53524e47;
";

const KEPT: &str = "
-- What a part of the server keeps for itself under a name: certificates, accounts at authorities.
CREATE TABLE kept (
    name       TEXT    PRIMARY KEY,
    value      BLOB    NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

const PASSING: &str = "
-- Whether what is said in the room is kept. Where it is not, `last_offset` is how far offsets may have been given out,
-- and `first_offset` is the one behind it.
ALTER TABLE room ADD COLUMN history INTEGER NOT NULL DEFAULT 1;
CREATE INDEX room_without_history ON room (id) WHERE history = 0;
";

const EXPIRING: &str = "
-- When what is kept is forgotten by itself; the default is never.
ALTER TABLE kept ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 9223372036854775807;
";

const BEHIND: &str = "
-- Whether entries were written that `last_offset` and `last_at` do not know of: then it is the newest entry that tells.
ALTER TABLE room ADD COLUMN behind INTEGER NOT NULL DEFAULT 0;

-- The rooms as they are. Where no entry is left, the row was brought up to date before the last one went.
CREATE VIEW room_now AS SELECT key, id, name, created_at, first_offset, history, behind,
    iif(behind, max(last_offset, coalesce(68719476735 &
        (SELECT max(place) FROM entry WHERE place BETWEEN room.key << 36 AND room.key << 36 | 68719476735), 0)),
        last_offset) AS last_offset,
    iif(behind, coalesce(
        (SELECT sent_at FROM entry WHERE place BETWEEN room.key << 36 AND room.key << 36 | 68719476735
         ORDER BY place DESC LIMIT 1), last_at),
        last_at) AS last_at
    FROM room;
";

const MISSING: &str = "
-- Offsets from `first_offset` to `last_offset` that have no entry: what was lost behind a backup that was restored, or
-- by a Redis. Retention counts entries, not offsets.
ALTER TABLE room ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;
DROP VIEW room_now;
CREATE VIEW room_now AS SELECT key, id, name, created_at, first_offset, history, behind, missing,
    iif(behind, max(last_offset, coalesce(68719476735 &
        (SELECT max(place) FROM entry WHERE place BETWEEN room.key << 36 AND room.key << 36 | 68719476735), 0)),
        last_offset) AS last_offset,
    iif(behind, coalesce(
        (SELECT sent_at FROM entry WHERE place BETWEEN room.key << 36 AND room.key << 36 | 68719476735
         ORDER BY place DESC LIMIT 1), last_at),
        last_at) AS last_at
    FROM room;
";

/// The newest version.
pub(super) const fn known() -> i64 {
    STEPS.len() as i64
}

/// Brings the file to the newest version.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    for version in version(connection, path)?..STEPS.len() as i64 {
        step(connection, version).map_err(|cause| OpenError::broken(path, cause))?;
    }
    Ok(())
}

/// Refuses a file that is not of the newest version, and leaves it as it is.
pub(super) fn newest(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let (found, known) = (version(connection, path)?, STEPS.len() as i64);
    if found < known { Err(OpenError::Older { path: path.to_owned(), found, known }) } else { Ok(()) }
}

/// Whether the file is still of the version that this binary knows; another process may have made it newer.
pub(super) fn is_known(file: &Connection) -> rusqlite::Result<bool> {
    let found: i64 = file.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(found == STEPS.len() as i64)
}

/// The version of the file, which is ours and no newer than what is known.
fn version(connection: &mut Connection, path: &Path) -> Result<i64, OpenError> {
    let broken = |cause| OpenError::broken(path, cause);
    // Looked at under the write lock: two processes may meet on a new file.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(broken)?;
    let found = version_of(&transaction, path)?;
    transaction.commit().map_err(broken)?;
    Ok(found)
}

/// The version of the file as it is now, which is ours and no newer than what is known.
pub(super) fn version_of(file: &Connection, path: &Path) -> Result<i64, OpenError> {
    let (known, broken) = (known(), |cause| OpenError::broken(path, cause));
    let number = |pragma| file.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(broken);
    let found = number("user_version")?;
    let is_empty = number("schema_version")? == 0;
    if number("application_id")? != APPLICATION_ID && !is_empty {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known, way_back: snapshot::way_back(path) });
    }
    Ok(found)
}

fn step(connection: &mut Connection, version: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let sql = usize::try_from(version).ok().and_then(|at| STEPS.get(at));
    if let (true, Some(sql)) = (now == version, sql) {
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
    }
    transaction.commit()
}

/// Makes a file of an earlier version.
#[cfg(test)]
pub(super) fn migrate_to(connection: &mut Connection, version: i64) {
    for version in 0..version {
        assert!(step(connection, version).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_version(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_empty_file_becomes_the_newest_version_and_stays_it() {
        let mut file = Connection::open_in_memory().unwrap();
        migrate(&mut file, Path::new("x")).unwrap();
        assert_eq!(user_version(&file), STEPS.len() as i64);
        migrate(&mut file, Path::new("x")).unwrap();
        assert_eq!(user_version(&file), STEPS.len() as i64);
    }

    #[test]
    fn who_only_looks_leaves_an_older_file_as_it_is() {
        let mut file = Connection::open_in_memory().unwrap();
        step(&mut file, 0).unwrap();
        assert!(matches!(newest(&mut file, Path::new("x")), Err(OpenError::Older { found: 1, .. })));
        assert_eq!(user_version(&file), 1);
        migrate(&mut file, Path::new("x")).unwrap();
        newest(&mut file, Path::new("x")).unwrap();
    }

    #[test]
    fn rooms_of_an_older_file_keep_their_history() {
        let mut file = Connection::open_in_memory().unwrap();
        step(&mut file, 0).unwrap();
        step(&mut file, 1).unwrap();
        let made = "INSERT INTO room (id, name, created_at, last_offset, last_at) VALUES (x'01', 'old', 5, 7, 6)";
        file.execute(made, []).unwrap();
        migrate(&mut file, Path::new("x")).unwrap();
        let room = file.query_row("SELECT name, first_offset, last_offset, history FROM room_now", [], |r| {
            Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?, r.get::<_, i64>(2)?, r.get::<_, bool>(3)?))
        });
        assert_eq!(room.unwrap(), ("old".to_owned(), 1, 7, true));
    }

    #[test]
    fn a_newer_file_is_refused_and_left_as_it_is() {
        let mut file = Connection::open_in_memory().unwrap();
        migrate(&mut file, Path::new("x")).unwrap();
        file.pragma_update(None, "user_version", 99).unwrap();
        let refusal = migrate(&mut file, Path::new("x")).unwrap_err();
        assert!(matches!(refusal, OpenError::Newer { found: 99, .. }));
        assert_eq!(user_version(&file), 99);
    }

    #[test]
    fn a_database_of_another_program_is_refused() {
        let mut file = Connection::open_in_memory().unwrap();
        file.execute_batch("CREATE TABLE bookmark (url TEXT)").unwrap();
        assert!(matches!(migrate(&mut file, Path::new("x")), Err(OpenError::Foreign { .. })));
    }
}
