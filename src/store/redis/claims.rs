//! What only one node at a time may do.

use super::Redis;
use crate::store::{Result, StoreError};

#[expect(unused_variables, reason = "not built yet")]
impl Redis {
    /// See [`crate::store::Store::claim`].
    pub async fn claim(&self, what: String, seconds: u32) -> Result<bool> {
        Err(StoreError::Unavailable("not built yet".into()))
    }
}
