//! Accounts. A name is unique without regard to letter case.
//!
//! Invariant: whatever takes a right away ends every session of the account in the same transaction: the token epoch
//! rises, the sign-in sessions go, and the tail tells it.

use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::fault::Attempt;
use super::news::{Told, tell};
use super::reader::Lane;
use super::{Sqlite, row};
use crate::chat::{Name, Role};
use crate::store::account::name_key;
use crate::store::{Account, NewAccount, Result, Secret, StoreError};

impl Sqlite {
    /// See [`crate::store::Store::add_account`].
    pub async fn add_account(&self, new: NewAccount) -> Result<Account> {
        self.change(move |file, now| {
            let role = match &new.invitation {
                Some(key) => use_invitation(file, key, now)?,
                None => new.role,
            };
            // Also by an account that cannot be read.
            let taken = "SELECT EXISTS (SELECT 1 FROM account WHERE name_key = ?1)";
            if file.prepare_cached(taken)?.query_row([name_key(&new.name)], |r| r.get(0))? {
                return Err(StoreError::NameTaken.into());
            }
            file.execute(
                "INSERT INTO account (name_key, name, role, password_hash, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![name_key(&new.name), new.name.as_str(), role.as_str(), new.password_hash.expose(), now],
            )?;
            Ok(account(file, &new.name)?.ok_or(StoreError::AccountUnknown)?)
        })
        .await
    }

    /// See [`crate::store::Store::accounts`].
    pub async fn accounts(&self) -> Result<Vec<Account>> {
        self.read_with(Lane::Page, |file| {
            let sql = format!("SELECT {} FROM account ORDER BY name_key", row::ACCOUNT_COLUMNS);
            let mut accounts = file.prepare_cached(&sql)?;
            let accounts = accounts.query_map([], row::account)?;
            Ok(accounts.filter_map(rusqlite::Result::transpose).collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// See [`crate::store::Store::has_admin`].
    pub async fn has_admin(&self) -> Result<bool> {
        self.read_with(Lane::Page, |file| {
            let sql = "SELECT EXISTS (SELECT 1 FROM account WHERE role = ?1 AND NOT disabled)";
            Ok(file.prepare_cached(sql)?.query_row([Role::Admin.as_str()], |r| r.get(0))?)
        })
        .await
    }

    /// See [`crate::store::Store::set_password`].
    pub async fn set_password(&self, name: Name, hash: Secret) -> Result<()> {
        self.change(move |file, now| {
            set(file, "password_hash", &name, &hash.expose())?;
            end_sessions(file, &name, now)
        })
        .await
    }

    /// See [`crate::store::Store::set_disabled`].
    pub async fn set_disabled(&self, name: Name, disabled: bool) -> Result<()> {
        self.change(move |file, now| {
            set(file, "disabled", &name, &disabled)?;
            if disabled { end_sessions(file, &name, now) } else { Ok(()) }
        })
        .await
    }

    /// See [`crate::store::Store::set_role`].
    pub async fn set_role(&self, name: Name, role: Role) -> Result<()> {
        self.change(move |file, now| {
            set(file, "role", &name, &role.as_str())?;
            end_sessions(file, &name, now)
        })
        .await
    }
}

pub(super) fn account(file: &Connection, name: &Name) -> rusqlite::Result<Option<Account>> {
    file.prepare_cached(&format!("SELECT {} FROM account WHERE name_key = ?1", row::ACCOUNT_COLUMNS))?
        .query_row([name_key(name)], row::account)
        .optional()
        .map(Option::flatten)
}

fn use_invitation(file: &Connection, key: &[u8; 32], now: i64) -> Attempt<Role> {
    let role = file
        .prepare_cached("DELETE FROM invitation WHERE key = ?1 AND expires_at > ?2 RETURNING role")?
        .query_row(params![key, now], |r| row::parsed(r, 0))
        .optional()?;
    Ok(role.ok_or(StoreError::InvitationInvalid)?)
}

/// `column` is one of this file's own words, never a caller's.
fn set(file: &Connection, column: &'static str, name: &Name, value: &dyn ToSql) -> Attempt<()> {
    let sql = format!("UPDATE account SET {column} = ?2 WHERE name_key = ?1");
    match file.execute(&sql, params![name_key(name), value])? {
        0 => Err(StoreError::AccountUnknown.into()),
        _ => Ok(()),
    }
}

fn end_sessions(file: &Connection, name: &Name, now: i64) -> Attempt<()> {
    let key = name_key(name);
    let sql = "UPDATE account SET token_epoch = token_epoch + 1 WHERE name_key = ?1 RETURNING name";
    let name: String = file.query_row(sql, [&key], |r| r.get(0))?;
    file.execute("DELETE FROM login WHERE name_key = ?1", [key])?;
    Ok(tell(file, Told::SessionsEnded(&name), now)?)
}
