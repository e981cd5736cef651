//! How a connection to the file is opened, and the settings it works under.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// How long a write waits for another process that writes; the command line's transactions last milliseconds.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Statements that a connection keeps prepared: all of them.
const STATEMENTS_KEPT: usize = 64;
/// Memory for pages of the writer, in KiB.
const WRITER_CACHE_KIB: i64 = 8 * 1024;
/// Pages in the write-ahead log that start a checkpoint (4 MiB). Some commit pays for it: with four times as many the
/// slowest commits took twice as long, and no more were done in a second.
const CHECKPOINT_PAGES: i64 = 1_000;
/// Bytes that the write-ahead log may keep on the disk after a burst.
const LOG_BYTES_KEPT: i64 = 64 * 1024 * 1024;

/// The connection of the writer.
pub(super) fn writer(path: &Path, durable: bool) -> rusqlite::Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    Ok(connection)
}

/// A connection that only reads, with so much memory for pages.
pub(super) fn reader(path: &Path, cache_kib: i64) -> rusqlite::Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, cache_kib)
}

fn open(path: &Path, access: OpenFlags, cache_kib: i64) -> rusqlite::Result<Connection> {
    // Each connection is used by one thread at a time, so SQLite's own mutexes would only cost.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}
