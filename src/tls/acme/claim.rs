//! Who may ask the authority: of all nodes on one store, one at a time.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::store::{Result, Store};

/// What is claimed.
const WHAT: &str = "acme";
/// So long after the death of a node that asks the authority another one goes on, in seconds.
pub(super) const SECONDS: u32 = 15;
const LENGTH: Duration = Duration::from_secs(SECONDS as u64);

/// The right to ask the authority, as long as it is prolonged. It is never given back: it lapses, so that who comes
/// next is not faster than the news of what this node did last.
pub(super) struct Claim {
    store: Store,
    /// When it ends unless it is prolonged, by this node's own reckoning, which is before the store's.
    until: Instant,
}

impl Claim {
    /// Takes it, if no other node has it.
    pub(super) async fn take(store: &Store) -> Result<Option<Self>> {
        let until = Instant::now() + LENGTH;
        let is_ours = store.claim(WHAT, SECONDS).await?;
        Ok(is_ours.then(|| Self { store: store.clone(), until }))
    }

    /// Prolongs it for as long as that can be done. Returns when another node may have it, or may have had it: this
    /// process was stopped, or the store was away. On one host it never returns.
    pub(super) async fn lost(mut self) {
        if !self.store.is_shared() {
            return pending().await;
        }
        loop {
            sleep(LENGTH / 4).await;
            let next = Instant::now() + LENGTH;
            let answer = timeout_at(self.until, self.store.claim(WHAT, SECONDS)).await;
            // Whoever wakes up after the end may be given the claim, and still is not the one who had it.
            if Instant::now() >= self.until {
                return;
            }
            match answer {
                Ok(Ok(true)) => self.until = next,
                Ok(Ok(false)) | Err(_) => return,
                Ok(Err(cause)) => tracing::debug!(%cause, "the claim to the certificate was not prolonged"),
            }
        }
    }
}
