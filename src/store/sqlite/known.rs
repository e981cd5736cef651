//! Accounts that were read lately, so that who comes back does not read the file again.
//!
//! After a restart, or when a train leaves a tunnel, the same people connect within seconds, and each CONNECT asks who
//! somebody is. Invariant: an account is forgotten before anybody hears that its sessions have ended, so whoever asks
//! after that is answered from the file. Whatever changes an account that can sign in ends its sessions, be it here or
//! in another process; one that cannot is never kept. What another process changed is heard of within a fraction of a
//! second; should the writer stand still meanwhile, what is known ends by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::chat::Name;
use crate::store::Account;
use crate::store::account::name_key;

/// Accounts that are kept, some 300 bytes each. When there are more, all are forgotten.
const ACCOUNTS_MAX: usize = 16_384;

/// How long an account is known at most.
const KNOWN_MAX: Duration = Duration::from_secs(5);

/// What is known. Cheap to clone; the clones are one.
#[derive(Clone, Default)]
pub(super) struct Known {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    accounts: HashMap<String, (Account, Instant)>,
    /// Rises whenever something is forgotten.
    age: Age,
}

/// The point in time at which the file was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Age(u64);

impl Known {
    /// The account, if it is known.
    pub(super) fn account(&self, name: &Name) -> Option<Account> {
        let state = self.state.lock();
        let (account, learned) = state.accounts.get(&name_key(name))?;
        (learned.elapsed() < KNOWN_MAX).then(|| account.clone())
    }

    /// To be asked for before the file is read.
    pub(super) fn age(&self) -> Age {
        self.state.lock().age
    }

    /// Keeps what was read, unless something was forgotten meanwhile: it may have been this.
    pub(super) fn learn(&self, account: &Account, read_at: Age) {
        let mut state = self.state.lock();
        if account.disabled || state.age != read_at {
            return;
        }
        if state.accounts.len() >= ACCOUNTS_MAX {
            state.accounts = HashMap::new();
        }
        state.accounts.insert(name_key(&account.name), (account.clone(), Instant::now()));
    }

    /// Any account may have changed.
    pub(super) fn forget_all(&self) {
        let mut state = self.state.lock();
        state.age.0 += 1;
        state.accounts = HashMap::new();
    }

    /// The account has changed.
    pub(super) fn forget(&self, name: &Name) {
        let mut state = self.state.lock();
        state.age.0 += 1;
        state.accounts.remove(&name_key(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Role;
    use crate::store::Secret;

    fn account(name: &str) -> Account {
        Account {
            name: name.parse().unwrap(),
            role: Role::User,
            password_hash: Secret::new(*b"hash"),
            disabled: false,
            token_epoch: 0,
            created_at: 0,
        }
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let (known, anna) = (Known::default(), account("Anna"));
        let before = known.age();
        known.forget(&anna.name);
        known.learn(&anna, before);
        assert_eq!(known.account(&anna.name), None);
        known.learn(&anna, known.age());
        assert_eq!(known.account(&"ANNA".parse().unwrap()), Some(anna));
    }

    #[test]
    fn nobody_is_known_for_long() {
        let (known, anna) = (Known::default(), account("Anna"));
        known.learn(&anna, known.age());
        for (_, learned) in known.state.lock().accounts.values_mut() {
            *learned = learned.checked_sub(KNOWN_MAX).unwrap();
        }
        assert_eq!(known.account(&anna.name), None);
        known.learn(&anna, known.age());
        known.forget_all();
        assert_eq!(known.account(&anna.name), None);
    }

    #[test]
    fn who_is_disabled_is_not_kept() {
        let (known, anna) = (Known::default(), Account { disabled: true, ..account("Anna") });
        known.learn(&anna, known.age());
        assert_eq!(known.account(&anna.name), None, "nobody tells when an account is enabled again");
    }

    #[test]
    fn more_accounts_than_are_kept_begin_anew() {
        let known = Known::default();
        for number in 0..=ACCOUNTS_MAX {
            known.learn(&account(&format!("user{number}")), known.age());
        }
        assert_eq!(known.state.lock().accounts.len(), 1);
    }
}
