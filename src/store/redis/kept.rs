//! What a part of the server keeps under a name.

use super::Redis;
use crate::store::{Result, Secret, StoreError};

#[expect(unused_variables, reason = "not built yet")]
impl Redis {
    /// See [`crate::store::Store::kept`].
    pub async fn kept(&self, name: String) -> Result<Option<Secret>> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::keep`].
    pub async fn keep(&self, name: String, value: Secret) -> Result<()> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::keep_over`].
    pub async fn keep_over(&self, name: String, before: Option<Secret>, value: Secret) -> Result<bool> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::keep_for`].
    pub async fn keep_for(&self, name: String, value: Secret, seconds: u32) -> Result<()> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::forget`].
    pub async fn forget(&self, name: String) -> Result<()> {
        Err(StoreError::Unavailable("not built yet".into()))
    }
}
