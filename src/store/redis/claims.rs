//! What only one node at a time may do.

use std::sync::LazyLock;

use redis::Script;

use super::Redis;
use super::changes::script;
use crate::store::Result;

static CLAIM: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/claim.lua")));

impl Redis {
    /// See [`crate::store::Store::claim`]. For no seconds at all it gives back what this process had claimed.
    pub async fn claim(&self, what: String, seconds: u32) -> Result<bool> {
        let key = self.link.keys().of_all(&format!("claim:{what}"));
        let millis = (u64::from(seconds) * 1_000).to_string();
        self.link.run(&CLAIM, &[key], &[self.claimant.as_bytes(), millis.as_bytes()]).await
    }
}
