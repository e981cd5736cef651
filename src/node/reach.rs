//! Whether the store can be reached, as its news said last, and that everybody hears of it.
//!
//! The news come by the pump, which waits for no socket: it notes what they say, and a loop of its own has each connection
//! look for itself. So a store that comes and goes piles nothing up: who looks finds what holds then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::outbox::{Closing, Outbox};
use super::{Node, Topic};

/// Connections that are called at a time.
const STRIDE: usize = 64;
/// What is waited between two strides: ten thousand connections hear of it within a sixth of a second or so, and what is
/// said meanwhile goes on its way in between.
const REST: Duration = Duration::from_millis(1);

/// What the news said last.
#[derive(Default)]
pub(super) struct Reach {
    is_away: AtomicBool,
    /// The store is another one than it was, which is still to be told.
    is_anew: AtomicBool,
    turned: Notify,
}

impl Reach {
    /// The store went away, or is back.
    pub(super) fn turn(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Release);
        self.turned.notify_one();
    }
}

/// Tells every connection what becomes of the store, for as long as it is polled.
pub async fn tell_reach(node: Arc<Node>) {
    loop {
        node.reach.turned.notified().await;
        if node.reach.is_anew.swap(false, Ordering::AcqRel) {
            node.call(|outbox| outbox.end(Closing::Anew)).await;
        }
        node.call(Outbox::look).await;
    }
}

impl Node {
    /// Whether the store cannot be reached, or nothing can be written. Whoever opens a connection looks once it is
    /// registered; from then on it is told by [`Want::Look`](super::Want::Look).
    pub fn is_store_away(&self) -> bool {
        self.reach.is_away.load(Ordering::Acquire)
    }

    /// The store lost everything: no room of before is there, nor anybody's account. What the rings hold belongs to logs
    /// that have ended, and who is connected has to come back as somebody whom the new store knows.
    pub(super) fn begin_anew(&self) {
        tracing::error!(
            "the store has lost everything, or is another one: rooms, accounts and keys are gone, and everybody is \
             disconnected; restore its data (that of Redis, where redis.url is set), or restart all nodes to set up anew"
        );
        self.hub.end_all(|topic| matches!(topic, Topic::Room(_)));
        self.reach.is_anew.store(true, Ordering::Release);
        self.reach.turned.notify_one();
    }

    /// Does something to every connection, a few at a time.
    async fn call(&self, act: impl Fn(&Outbox)) {
        for some in self.connections.all().chunks(STRIDE) {
            some.iter().for_each(|outbox| act(outbox));
            sleep(REST).await;
        }
    }
}
