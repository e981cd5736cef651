//! What cannot be read: a name that an earlier version took and this one refuses, a damaged value.
//!
//! It is passed over, so that one of them takes nothing from anybody else; each is logged once.

use std::collections::BTreeSet;
use std::fmt::Display;

use parking_lot::Mutex;

/// Values that are remembered as logged; who has more of them has read enough.
const LOGGED_MAX: usize = 100;

/// What has been logged, in this process.
static LOGGED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// What was read, or nothing where it cannot be. `what` it is, and the key to find it by.
pub(super) fn readable<T, E: Display>(found: Result<T, E>, what: &'static str, key: impl Display) -> Option<T> {
    found
        .inspect_err(|cause| {
            let value = format!("{what} {key}");
            if is_new(&value, &mut LOGGED.lock()) {
                tracing::error!(%value, %cause, "a value in Redis cannot be read; everything goes on without it");
            }
        })
        .ok()
}

fn is_new(value: &str, logged: &mut BTreeSet<String>) -> bool {
    logged.len() < LOGGED_MAX && logged.insert(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_logged_once_and_many_values_not_for_ever() {
        let mut logged = BTreeSet::new();
        assert!(is_new("room 1", &mut logged));
        assert!(!is_new("room 1", &mut logged));
        for n in 2..=LOGGED_MAX {
            assert!(is_new(&format!("room {n}"), &mut logged));
        }
        assert!(!is_new("one more", &mut logged));
    }
}
