//! Rows that cannot be read: a name that an earlier version took and this one refuses, a damaged value.
//!
//! They are passed over, so that one of them takes nothing from anybody else; each is logged once.

use rusqlite::Error;

use crate::store::logged::is_to_be_logged;

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
            if is_to_be_logged(&row) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_disk_is_no_row_to_pass_over() {
        let full = Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        assert!(readable(Err::<(), _>(full), "room", || Ok(String::new())).is_err());
        let bad = Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, "a rule".into());
        assert!(matches!(readable(Err::<(), _>(bad), "room", || Ok("of a test".into())), Ok(None)));
    }
}
