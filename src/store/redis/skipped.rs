//! What cannot be read: a name that an earlier version took and this one refuses, a damaged value.
//!
//! It is passed over, so that one of them takes nothing from anybody else; each is logged once.

use std::fmt::Display;

use crate::store::logged::is_to_be_logged;

/// What was read, or nothing where it cannot be. `what` it is, and the key to find it by.
pub(super) fn readable<T, E: Display>(found: Result<T, E>, what: &'static str, key: impl Display) -> Option<T> {
    found
        .inspect_err(|cause| {
            let value = format!("{what} {key}");
            if is_to_be_logged(&value) {
                tracing::error!(%value, %cause, "a value in Redis cannot be read; everything goes on without it");
            }
        })
        .ok()
}
