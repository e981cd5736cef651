//! Whose turn it is to have a password looked at.
//!
//! As many are looked at together as passwords are hashed, so that the count of failures is up to date when it is
//! one's turn: a thousand guesses sent at once are not a thousand guesses. Invariant: the queue is bounded; above
//! its bound people are told to come back rather than left waiting.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::Problem;
use super::limit::RetryAfter;
use crate::store::StoreError;

/// Sign-ins that may wait for one hashing slot: some 20 seconds of work, about as long as people wait.
const WAITING_MAX: usize = 1_000;

/// The queue in front of the password hashing.
pub(super) struct Turns {
    places: Semaphore,
    slots: Semaphore,
}

/// A turn, for as long as it is held.
pub(super) struct Turn<'a> {
    _place: SemaphorePermit<'a>,
    _slot: SemaphorePermit<'a>,
}

impl Turns {
    /// For so many passwords at the same time.
    pub(super) fn new(hashes_max: usize) -> Self {
        let slots = hashes_max.clamp(1, Semaphore::MAX_PERMITS / WAITING_MAX);
        Self { places: Semaphore::new(slots * WAITING_MAX), slots: Semaphore::new(slots) }
    }

    /// Waits for one's turn.
    ///
    /// # Errors
    /// When too many are waiting already.
    pub(super) async fn take(&self) -> Result<Turn<'_>, Problem> {
        let place = self.places.try_acquire().map_err(|_| {
            let busy = Problem::from(StoreError::Busy);
            busy.retry_after(RetryAfter(Duration::from_secs(5)))
        })?;
        let slot = self.slots.acquire().await.map_err(|e| Problem::internal(&e))?;
        Ok(Turn { _place: place, _slot: slot })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_comes_when_the_queue_is_full_is_told_to_come_back() {
        let turns = Turns::new(1);
        let turn = turns.take().await.unwrap();
        let mut waiting: Vec<_> = (1..WAITING_MAX).map(|_| Box::pin(turns.take())).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        assert_eq!(turns.take().await.err().unwrap().status(), 503);
        drop((turn, waiting));
        assert!(turns.take().await.is_ok());
    }
}
