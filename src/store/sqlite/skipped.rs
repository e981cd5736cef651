//! Rows that cannot be read: a name that an earlier version took and this one refuses, a damaged value.
//!
//! They are passed over, so that one of them takes nothing from anybody else; each is logged once.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use rusqlite::Error;

/// Rows that are remembered as logged; who has more of them has read enough.
const LOGGED_MAX: usize = 100;

/// What has been logged, in this process.
static LOGGED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// What was read, or nothing when it is the row that cannot be. `what` it is, and the key to find it by.
pub(super) fn readable<T>(
    found: rusqlite::Result<T>,
    what: &'static str,
    key: impl FnOnce() -> rusqlite::Result<String>,
) -> rusqlite::Result<Option<T>> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(cause) if is_the_rows(&cause) => {
            let row = format!("{what} {}", key()?);
            if is_new(&row, &mut LOGGED.lock()) {
                tracing::error!(%row, %cause, "a row of the store cannot be read; everything goes on without it");
            }
            Ok(None)
        }
        Err(cause) => Err(cause),
    }
}

/// Whether the fault lies in a value, not in the file or the disk.
const fn is_the_rows(cause: &Error) -> bool {
    matches!(
        cause,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
    )
}

fn is_new(row: &str, logged: &mut BTreeSet<String>) -> bool {
    logged.len() < LOGGED_MAX && logged.insert(row.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_logged_once_and_many_rows_not_for_ever() {
        let mut logged = BTreeSet::new();
        assert!(is_new("room 1", &mut logged));
        assert!(!is_new("room 1", &mut logged));
        for n in 2..=LOGGED_MAX {
            assert!(is_new(&format!("room {n}"), &mut logged));
        }
        assert!(!is_new("one more", &mut logged));
    }

    #[test]
    fn what_is_wrong_with_the_disk_is_no_row_to_pass_over() {
        let full = Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        assert!(readable(Err::<(), _>(full), "room", || Ok(String::new())).is_err());
        let bad = Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, "a rule".into());
        assert!(matches!(readable(Err::<(), _>(bad), "room", || Ok("of a test".into())), Ok(None)));
    }
}
