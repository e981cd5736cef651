//! Accounts. A name is unique without regard to letter case.

use super::Redis;
use crate::chat::{Name, Role};
use crate::store::{Account, NewAccount, Result, Secret, StoreError};

#[expect(unused_variables, reason = "not built yet")]
impl Redis {
    /// See [`crate::store::Store::add_account`].
    pub async fn add_account(&self, account: NewAccount) -> Result<Account> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::account`].
    pub async fn account(&self, name: Name) -> Result<Option<Account>> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::accounts`].
    pub async fn accounts(&self) -> Result<Vec<Account>> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::has_admin`].
    pub async fn has_admin(&self) -> Result<bool> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::set_password`].
    pub async fn set_password(&self, name: Name, hash: Secret) -> Result<()> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::set_disabled`].
    pub async fn set_disabled(&self, name: Name, disabled: bool) -> Result<()> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::set_role`].
    pub async fn set_role(&self, name: Name, role: Role) -> Result<()> {
        Err(StoreError::Unavailable("not built yet".into()))
    }
}
