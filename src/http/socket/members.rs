//! The subscriptions of a connection that have entered.

use std::sync::Arc;

use crate::node::{Leaving, Membership, Node, Outbox, Slot};
use crate::session::SubscriptionKey;

/// Each leaves exactly once: when it is taken out, or all that are left when this is dropped, be it at the end of
/// the connection's loop, by a panic in it, or because its task was thrown away.
pub(super) struct Members {
    node: Arc<Node>,
    outbox: Arc<Outbox>,
    inside: Vec<(SubscriptionKey, Membership)>,
    /// How those leave that are left at the end.
    pub(super) at_end: Leaving,
}

impl Members {
    pub(super) const fn new(node: Arc<Node>, outbox: Arc<Outbox>) -> Self {
        Self { node, outbox, inside: Vec::new(), at_end: Leaving::Lost }
    }

    /// One is in.
    pub(super) fn add(&mut self, key: SubscriptionKey, membership: Membership) {
        self.inside.push((key, membership));
    }

    /// The membership of a subscription, unless it has left.
    pub(super) fn get(&self, key: SubscriptionKey) -> Option<&Membership> {
        self.inside.iter().find(|(held, _)| *held == key).map(|(_, membership)| membership)
    }

    /// The subscription whose cursor stands in this slot.
    pub(super) fn at(&self, slot: Slot) -> Option<(SubscriptionKey, &Membership)> {
        let found = self.inside.iter().find(|(_, membership)| membership.slot() == slot);
        found.map(|(key, membership)| (*key, membership))
    }

    /// One leaves, if it is in.
    pub(super) fn leave(&mut self, key: SubscriptionKey) {
        if let Some(at) = self.inside.iter().position(|(held, _)| *held == key) {
            let (_, membership) = self.inside.swap_remove(at);
            self.node.leave(membership, &self.outbox, Leaving::Said);
        }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for (_, membership) in self.inside.drain(..) {
            self.node.leave(membership, &self.outbox, self.at_end);
        }
    }
}
