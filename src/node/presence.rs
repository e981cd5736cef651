//! Presence leases of this node: one a subscription that has entered a room.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Leaving;
use crate::chat::{LeaseId, Name, RoomId};
use crate::store::{Entered, Pending, Store};

/// A lease that is held. Not `Clone`: it is given back once.
#[derive(Debug)]
pub struct Presence {
    room: RoomId,
    name: Name,
    lease: LeaseId,
}

/// Takes leases from the store and gives them back.
pub(super) struct Presences {
    store: Store,
    grace: Duration,
    next: AtomicU64,
}

impl Presences {
    /// `grace` is how long somebody whose socket was lost is still there.
    pub(super) fn new(store: Store, grace: Duration) -> Self {
        Self { next: AtomicU64::new(store.first_lease().0), store, grace }
    }

    /// Asks for a lease; it is held from now on, and given back even if the answer is no.
    pub(super) fn enter(&self, room: RoomId, name: &Name, after: Option<u64>) -> (Presence, Pending<Entered>) {
        let lease = LeaseId(self.next.fetch_add(1, Ordering::Relaxed));
        let pending = self.store.enter(room, name.clone(), lease, after);
        (Presence { room, name: name.clone(), lease }, pending)
    }

    /// Gives a lease back: now, after the grace, or with the process. Who comes back within the grace holds a second
    /// lease by then, so that nobody is seen to leave.
    pub(super) fn leave(&self, presence: Presence, leaving: Leaving) {
        let Presence { room, name, lease } = presence;
        match leaving {
            Leaving::Draining => {}
            Leaving::Lost if !self.grace.is_zero() => {
                let (store, grace) = (self.store.clone(), self.grace);
                tokio::spawn(async move {
                    tokio::time::sleep(grace).await;
                    store.leave(room, name, lease);
                });
            }
            Leaving::Said | Leaving::Lost => self.store.leave(room, name, lease),
        }
    }
}
