//! What opens doors: sign-in sessions, invitations, signing keys. Of the first two only digests are kept.

use super::Redis;
use crate::chat::Name;
use crate::store::{Account, Invitation, Result, SigningKey, StoreError};

#[expect(unused_variables, reason = "not built yet")]
impl Redis {
    /// See [`crate::store::Store::add_invitation`].
    pub async fn add_invitation(&self, invitation: Invitation) -> Result<()> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::add_login`].
    pub async fn add_login(&self, key: [u8; 32], name: Name, epoch: u32, expires_at: i64) -> Result<()> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::login`].
    pub async fn login(&self, key: [u8; 32]) -> Result<Option<Account>> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::delete_login`].
    pub async fn delete_login(&self, key: [u8; 32]) -> Result<()> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::signing_keys`].
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::first_signing_key`].
    pub async fn first_signing_key(&self, key: SigningKey) -> Result<Vec<SigningKey>> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::add_signing_key`].
    pub async fn add_signing_key(&self, key: SigningKey) -> Result<()> {
        Err(StoreError::Unavailable("not built yet".into()))
    }
}
