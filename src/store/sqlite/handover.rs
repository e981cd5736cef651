//! One process lets go of the folder, and another takes it up, while both live.
//!
//! The lock on the folder says who serves; it changes hands between two transactions. Who let go stays beside the server
//! as a command line is beside it ([`writer`](super::writer)). Presence rows of its people stay in the file: whoever
//! succeeds it takes them up as they are, so that nobody is seen to leave who comes back, and ends those that are left
//! when nobody is waited for any more.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Sqlite;
use super::boot;
use super::command::{Claim, Message, Turn};
use super::fault::stopped;
use super::rosters::Rosters;
use crate::chat::LeaseId;
use crate::store::{Result, StoreError};

/// The leases of the process before.
pub(super) struct Inheritance {
    pub(super) claims: Vec<Claim>,
    /// Until when their holders may come back.
    pub(super) until: Instant,
}

impl Inheritance {
    /// All that are in the file.
    pub(super) fn of(file: &Connection, until: Instant) -> rusqlite::Result<Self> {
        Ok(Self { claims: boot::claims(file, "")?, until })
    }

    /// The first lease behind all of them.
    pub(super) fn first_lease(&self) -> LeaseId {
        LeaseId(self.claims.iter().map(|claim| claim.lease.0 + 1).max().unwrap_or(1))
    }

    /// Their holders are there.
    pub(super) fn take_up(&self, rosters: &mut Rosters) {
        for claim in &self.claims {
            rosters.enter(claim);
        }
        rosters.settle();
    }
}

impl Sqlite {
    /// See [`crate::store::Store::first_lease`].
    pub fn first_lease(&self) -> LeaseId {
        self.shared.first_lease
    }

    /// See [`crate::store::Store::let_go`].
    pub async fn let_go(&self) -> Result<()> {
        let (done, gone) = oneshot::channel();
        self.send(Message::Turn(Turn::LetGo(done)));
        gone.await.map_err(|_| stopped())
    }

    /// See [`crate::store::Store::take_back`].
    pub async fn take_back(&self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        // It waits a little for whoever is just ending.
        let locked = tokio::task::spawn_blocking(move || shared.folder.lock()).await.map_err(|_| stopped())?;
        let lock = locked.map_err(|cause| StoreError::Unavailable(cause.to_string()))?;
        let (done, back) = oneshot::channel();
        self.send(Message::Turn(Turn::TakeBack(lock, done)));
        back.await.map_err(|_| stopped())?
    }

    /// See [`crate::store::Store::pulse`]. A writer that has ended never answers.
    pub async fn pulse(&self) {
        let (done, beat) = oneshot::channel();
        self.send(Message::Turn(Turn::Pulse(done)));
        if beat.await.is_err() {
            std::future::pending().await
        }
    }
}
