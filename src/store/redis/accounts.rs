//! Accounts. A name is unique without regard to letter case.
//!
//! Invariant: whatever takes a right away ends every session of the account in the same script: the token epoch rises,
//! the sign-in sessions go, and every node is told.

use std::sync::LazyLock;

use redis::Script;
use serde::{Deserialize, Serialize};

use super::Redis;
use super::changes::{run_telling, script};
use super::link::Link;
use super::skipped::readable;
use crate::chat::{Name, Role};
use crate::store::account::name_key;
use crate::store::{Account, NewAccount, Result, Secret, StoreError};

static ADD: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/account_add.lua")));
static SET: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/account_set.lua")));

/// An account as its JSON has it. Scripts write it, and whoever copies accounts.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) role: String,
    pub(super) password_hash: String,
    pub(super) disabled: bool,
    pub(super) token_epoch: u32,
    pub(super) created_at: i64,
}

impl Redis {
    /// See [`crate::store::Store::add_account`].
    pub async fn add_account(&self, account: NewAccount) -> Result<Account> {
        let keys = self.link.keys();
        let invitation = account.invitation.map(|key| self.invitation_key(&key));
        let keys: Vec<String> =
            [keys.of_all("accounts"), keys.of_all("admins")].into_iter().chain(invitation).collect();
        let folded = name_key(&account.name);
        let args = [
            folded.as_bytes(),
            account.name.as_str().as_bytes(),
            account.role.as_str().as_bytes(),
            text(&account.password_hash)?.as_bytes(),
        ];
        let answer: Vec<u8> = self.link.run(&ADD, &keys, &args).await?;
        match &answer[..] {
            b"invitation" => Err(StoreError::InvitationInvalid),
            b"taken" => Err(StoreError::NameTaken),
            json => account_of(&folded, json).ok_or(StoreError::AccountUnknown),
        }
    }

    /// See [`crate::store::Store::account`].
    pub async fn account(&self, name: Name) -> Result<Option<Account>> {
        let folded = name_key(&name);
        let mut ask = redis::pipe();
        ask.cmd("HGET").arg(self.link.keys().of_all("accounts")).arg(&folded);
        let (json,): (Option<Vec<u8>>,) = self.link.read(&ask).await?;
        Ok(json.and_then(|json| account_of(&folded, &json)))
    }

    /// See [`crate::store::Store::accounts`].
    pub async fn accounts(&self) -> Result<Vec<Account>> {
        let mut ask = redis::pipe();
        ask.cmd("HGETALL").arg(self.link.keys().of_all("accounts"));
        let (mut found,): (Vec<(String, Vec<u8>)>,) = self.link.read(&ask).await?;
        found.sort_unstable();
        Ok(found.iter().filter_map(|(folded, json)| account_of(folded, json)).collect())
    }

    /// See [`crate::store::Store::has_admin`].
    pub async fn has_admin(&self) -> Result<bool> {
        let mut ask = redis::pipe();
        ask.cmd("EXISTS").arg(self.link.keys().of_all("admins"));
        self.link.read(&ask).await.map(|(is_there,)| is_there)
    }

    /// See [`crate::store::Store::set_password`].
    pub async fn set_password(&self, name: Name, hash: Secret) -> Result<()> {
        self.set(&name, "password_hash", text(&hash)?.into(), true).await
    }

    /// See [`crate::store::Store::set_disabled`].
    pub async fn set_disabled(&self, name: Name, disabled: bool) -> Result<()> {
        self.set(&name, "disabled", disabled.into(), disabled).await
    }

    /// See [`crate::store::Store::set_role`].
    pub async fn set_role(&self, name: Name, role: Role) -> Result<()> {
        self.set(&name, "role", role.as_str().into(), true).await
    }

    async fn set(&self, name: &Name, what: &'static str, value: serde_json::Value, ends_sessions: bool) -> Result<()> {
        let (folded, keys) = (name_key(name), self.link.keys());
        let logins = keys.of_all(&format!("logins:{folded}"));
        let args = [
            folded.as_bytes(),
            what.as_bytes(),
            &value.to_string().into_bytes(),
            if ends_sessions { b"1" } else { b"0" },
            &keys.of_all("login:").into_bytes(),
        ];
        let keys = [keys.of_all("accounts"), keys.of_all("admins"), logins];
        let is_known: bool = run_telling(&self.link, &SET, keys, &args).await?;
        if is_known { Ok(()) } else { Err(StoreError::AccountUnknown) }
    }
}

/// An account out of its JSON, if it can be read.
pub(super) fn account_of(folded: &str, json: &[u8]) -> Option<Account> {
    let read = || {
        // In own words: serde's show the value, and that may be the hash.
        let record: Record =
            serde_json::from_slice(json).map_err(|_| "its JSON is not that of an account".to_owned())?;
        Ok::<_, String>(Account {
            name: record.name.parse().map_err(|cause| format!("{cause}"))?,
            role: record.role.parse().map_err(|cause| format!("{cause}"))?,
            password_hash: Secret::new(record.password_hash.into_bytes()),
            disabled: record.disabled,
            token_epoch: record.token_epoch,
            created_at: record.created_at,
        })
    };
    readable(read(), "account", folded)
}

/// A PHC string is text.
fn text(hash: &Secret) -> Result<&str> {
    std::str::from_utf8(hash.expose()).map_err(|_| StoreError::Unavailable("the password's hash is no text".into()))
}

/// The names of all accounts that can be read.
pub(super) async fn names(link: &Link) -> Result<Vec<Name>> {
    let mut ask = redis::pipe();
    ask.cmd("HGETALL").arg(link.keys().of_all("accounts"));
    let (found,): (Vec<(String, Vec<u8>)>,) = link.read(&ask).await?;
    Ok(found.iter().filter_map(|(folded, json)| account_of(folded, json)).map(|account| account.name).collect())
}
