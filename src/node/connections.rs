//! Every open connection of this node, to be found again when its account or the node ends.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::outbox::{Closing, Outbox};
use crate::chat::Name;
use crate::meter::{Counter, Gauge, Held, Registry};

/// The register. It holds no connection open.
#[derive(Clone, Default)]
pub struct Connections {
    open: Arc<Mutex<Register>>,
    /// Those that CONNECTED was said to.
    sessions: Gauge,
    accepted: Counter,
}

#[derive(Default)]
struct Register {
    next: u64,
    by_id: HashMap<u64, (Weak<Outbox>, Option<Name>)>,
}

/// A place in the register, given up when dropped.
pub struct Ticket {
    id: u64,
    connections: Connections,
    session: Option<Held>,
}

impl Connections {
    /// A connection was opened.
    pub fn open(&self, outbox: &Arc<Outbox>) -> Ticket {
        let mut register = self.open.lock();
        register.next += 1;
        let id = register.next;
        register.by_id.insert(id, (Arc::downgrade(outbox), None));
        Ticket { id, connections: self.clone(), session: None }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.lock().by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends every connection of an account.
    pub fn end_account(&self, name: &Name) {
        let theirs = self.select(|of| of == Some(name));
        theirs.iter().for_each(|outbox| outbox.end(Closing::Account));
    }

    /// Every connection, to be ended one after the other by a node that drains.
    pub fn all(&self) -> Vec<Arc<Outbox>> {
        self.select(|_| true)
    }

    /// Names what is counted here.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("sarangbang_sessions_connected", "STOMP sessions that are connected", self.sessions.clone());
        registry.register(
            "sarangbang_sessions_accepted",
            "CONNECTs that were answered CONNECTED",
            self.accepted.clone(),
        );
    }

    fn select(&self, which: impl Fn(Option<&Name>) -> bool) -> Vec<Arc<Outbox>> {
        let register = self.open.lock();
        let theirs = register.by_id.values().filter(|(_, name)| which(name.as_ref()));
        theirs.filter_map(|(outbox, _)| outbox.upgrade()).collect()
    }
}

impl Ticket {
    /// The connection's number on this node.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The connection turned out to be this person's. To be said *before* the account is looked at: then whatever
    /// ends the account afterwards finds the connection here.
    pub fn identify(&self, name: &Name) {
        if let Some((_, held)) = self.connections.open.lock().by_id.get_mut(&self.id) {
            *held = Some(name.clone());
        }
    }

    /// The connection has a session from now on.
    pub fn connected(&mut self) {
        self.connections.accepted.inc();
        self.session = Some(Held::of(&self.connections.sessions));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.connections.open.lock().by_id.remove(&self.id);
    }
}
