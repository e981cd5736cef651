//! What opens doors: sign-in sessions, invitations, signing keys. Of the first two only digests are kept.

use rusqlite::{Connection, OptionalExtension, params};

use super::accounts::account;
use super::reader::Lane;
use super::{Sqlite, row};
use crate::chat::Name;
use crate::store::account::name_key;
use crate::store::{Account, Invitation, LOGINS_MAX, Result, Secret, SigningKey, StoreError};

impl Sqlite {
    /// See [`crate::store::Store::add_invitation`].
    pub async fn add_invitation(&self, invitation: Invitation) -> Result<()> {
        self.change(move |file, _| {
            file.execute(
                "INSERT OR REPLACE INTO invitation (key, role, expires_at) VALUES (?1, ?2, ?3)",
                params![invitation.key, invitation.role.as_str(), invitation.expires_at],
            )?;
            Ok(())
        })
        .await
    }

    /// See [`crate::store::Store::add_login`].
    pub async fn add_login(&self, key: [u8; 32], name: Name, epoch: u32, expires_at: i64) -> Result<()> {
        self.change(move |file, _| {
            let account = account(file, &name)?.filter(|account| !account.disabled && account.token_epoch == epoch);
            account.ok_or(StoreError::AccountUnknown)?;
            file.prepare_cached("INSERT OR REPLACE INTO login (key, name_key, expires_at) VALUES (?1, ?2, ?3)")?
                .execute(params![key, name_key(&name), expires_at])?;
            // All last equally long, so the one that ends first is the oldest.
            file.prepare_cached(
                "DELETE FROM login WHERE key IN
                 (SELECT key FROM login WHERE name_key = ?1 AND key <> ?2 ORDER BY expires_at DESC LIMIT -1 OFFSET ?3)",
            )?
            .execute(params![name_key(&name), key, (LOGINS_MAX - 1) as i64])?;
            Ok(())
        })
        .await
    }

    /// See [`crate::store::Store::login`].
    pub async fn login(&self, key: [u8; 32]) -> Result<Option<Account>> {
        let now = (self.shared.clock)();
        self.read_with(Lane::Door, move |file| {
            let sql = format!(
                "SELECT {} FROM login JOIN account USING (name_key) WHERE login.key = ?1 AND login.expires_at > ?2",
                row::ACCOUNT_COLUMNS
            );
            Ok(file.prepare_cached(&sql)?.query_row(params![key, now], row::account).optional()?.flatten())
        })
        .await
    }

    /// See [`crate::store::Store::delete_login`].
    pub async fn delete_login(&self, key: [u8; 32]) -> Result<()> {
        self.change(move |file, _| {
            file.prepare_cached("DELETE FROM login WHERE key = ?1")?.execute([key])?;
            Ok(())
        })
        .await
    }

    /// See [`crate::store::Store::signing_keys`].
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        self.read_with(Lane::Page, |file| Ok(signing_keys(file)?)).await
    }

    /// See [`crate::store::Store::first_signing_key`].
    pub async fn first_signing_key(&self, key: SigningKey) -> Result<Vec<SigningKey>> {
        self.change(move |file, _| {
            if signing_keys(file)?.is_empty() {
                add_signing_key(file, &key)?;
            }
            Ok(signing_keys(file)?)
        })
        .await
    }

    /// See [`crate::store::Store::add_signing_key`].
    pub async fn add_signing_key(&self, key: SigningKey) -> Result<()> {
        self.change(move |file, _| Ok(add_signing_key(file, &key)?)).await
    }
}

fn signing_keys(file: &Connection) -> rusqlite::Result<Vec<SigningKey>> {
    file.prepare_cached("SELECT id, secret, created_at FROM signing_key ORDER BY number DESC")?
        .query_map([], |r| {
            Ok(SigningKey { id: r.get(0)?, secret: Secret::new(r.get::<_, Vec<u8>>(1)?), created_at: r.get(2)? })
        })?
        .collect()
}

fn add_signing_key(file: &Connection, key: &SigningKey) -> rusqlite::Result<()> {
    file.execute(
        "INSERT INTO signing_key (id, secret, created_at) VALUES (?1, ?2, ?3)",
        params![key.id, key.secret.expose(), key.created_at],
    )
    .map(drop)
}
