//! What cannot be read and is passed over: each value is logged once.

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// Values that are remembered as logged; who has more of them has read enough.
const LOGGED_MAX: usize = 100;

/// What has been logged, in this process.
static LOGGED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Whether to log that this value cannot be read: not a second time, and not for ever.
pub(in crate::store) fn is_to_be_logged(value: &str) -> bool {
    is_new(value, &mut LOGGED.lock())
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
