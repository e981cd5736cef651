//! What can go wrong inside the store, by whose it is: the asker's, one command's own, or the disk's.

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// Why a piece of work did not happen.
pub(super) enum Fault {
    /// The asker is told; nothing is wrong with the store.
    Refused(StoreError),
    /// SQLite could not do it.
    Broken(rusqlite::Error),
}

/// The outcome of a piece of work on a connection.
pub(super) type Attempt<T> = Result<T, Fault>;

impl From<StoreError> for Fault {
    fn from(refusal: StoreError) -> Self {
        Self::Refused(refusal)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(cause: rusqlite::Error) -> Self {
        Self::Broken(cause)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(refusal) => refusal,
            Fault::Broken(cause) => unavailable(&cause),
        }
    }
}

/// Parts a refusal, which is an answer, from what is wrong with the store.
pub(super) fn answered<T>(attempt: Attempt<T>) -> rusqlite::Result<Result<T, StoreError>> {
    match attempt {
        Ok(value) => Ok(Ok(value)),
        Err(Fault::Refused(refusal)) => Ok(Err(refusal)),
        Err(Fault::Broken(cause)) => Err(cause),
    }
}

pub(super) fn unavailable(cause: &rusqlite::Error) -> StoreError {
    StoreError::Unavailable(cause.to_string())
}

pub(super) fn stopped() -> StoreError {
    StoreError::Unavailable("the store has stopped".into())
}

/// Whether the cause lies in the one command that met it, so that the others of its batch can do without it.
pub(super) fn is_its_own(cause: &rusqlite::Error) -> bool {
    match cause.sqlite_error_code() {
        Some(code) => matches!(code, ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig),
        None => true,
    }
}
