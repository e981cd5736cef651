//! Which connections are open, in all and by address, and which of them are still on their way in.
//!
//! On its way in is a connection from its accept to its first whole request: until then it has only cost something.
//! It knows numbers, addresses and gates, no sockets. Invariants: nobody who came in is ever closed to make room for
//! another; of those on their way in it is the oldest who goes; what is kept here is bounded by what is open.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::chat::Limits;
use crate::http::limit::network;

/// Connections beyond `limits.connections_max` sockets: for the page, health checks, and the answer that says no.
const SPARE: usize = 1_024;
/// Most files that are kept free of connections: the store's, the certificate's, and of those accepted in one go.
const FILES_MAX: usize = 256;
/// The same for one address beyond `limits.connections_per_address_max`: some browsers that load a page.
const SPARE_PER_ADDRESS: usize = 64;

/// Counts connections; each holds a [`Seat`] for as long as it lives.
pub(super) struct Arrivals {
    state: Mutex<State>,
    max: usize,
    /// What `max` is made of.
    max_is: Full,
    per_address_max: usize,
    coming_max: usize,
    tickets: AtomicU64,
}

#[derive(Default)]
struct State {
    open: usize,
    /// Of those addresses alone that count.
    by_address: HashMap<IpAddr, OfAddress>,
    /// Who is on its way in, the oldest first.
    coming: BTreeMap<u64, Coming>,
}

#[derive(Default)]
struct OfAddress {
    open: usize,
    coming: BTreeSet<u64>,
}

struct Coming {
    gate: Arc<Gate>,
    address: Option<IpAddr>,
}

/// Whether one connection may go on. It is shared by its stream and its service.
pub(super) struct Gate {
    number: u64,
    state: AtomicU8,
    waker: AtomicWaker,
}

const COMING: u8 = 0;
const IN: u8 = 1;
const CLOSED: u8 = 2;

impl Gate {
    /// Whether the first request has come: nothing closes it any more, and nothing needs to be looked at.
    pub(super) fn is_in(&self) -> bool {
        self.state.load(Ordering::Relaxed) == IN
    }

    /// Whether it had to make room. Whoever asks while it is on its way in is woken when it has to.
    pub(super) fn is_closed(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.state.load(Ordering::Acquire) == CLOSED
    }
}

/// A limit that is reached, with nobody on the way in who could make room: its key or its name.
pub(super) type Full = &'static str;

/// A connection's place; given back when dropped.
pub(super) struct Seat {
    arrivals: Arc<Arrivals>,
    gate: Arc<Gate>,
    address: Option<IpAddr>,
}

impl Arrivals {
    /// With the configured limits, and no more connections than there can be open files.
    pub(super) fn new(limits: &Limits, files: usize) -> Self {
        let wanted = (limits.connections_max.saturating_add(SPARE), "limits.connections_max");
        let possible = (files - FILES_MAX.min(files / 4), "the limit of open files");
        let (max, max_is) = if possible.0 < wanted.0 { possible } else { wanted };
        Self {
            state: Mutex::default(),
            max,
            max_is,
            per_address_max: limits.connections_per_address_max.saturating_add(SPARE_PER_ADDRESS),
            coming_max: limits.handshakes_max.max(1),
            tickets: AtomicU64::new(0),
        }
    }

    /// The number of the connection that is accepted now: its age. No two have the same.
    pub(super) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// A new connection with its ticket, of an address or of one that does not count. Answers its place, and whether
    /// another one had to make room.
    pub(super) fn arrive(self: &Arc<Self>, number: u64, address: Option<IpAddr>) -> Result<(Seat, bool), Full> {
        let address = address.map(network);
        let mut state = self.state.lock();
        let closed = self.make_room(&mut state, address)?;
        let gate = Arc::new(Gate { number, state: AtomicU8::new(COMING), waker: AtomicWaker::new() });
        state.open += 1;
        state.coming.insert(number, Coming { gate: Arc::clone(&gate), address });
        state.count(number, address);
        drop(state);
        let made_room = closed.inspect(|gate| gate.waker.wake()).is_some();
        Ok((Seat { arrivals: Arc::clone(self), gate, address }, made_room))
    }

    /// The first request of a connection has come.
    pub(super) fn enter(&self, gate: &Gate) {
        if gate.state.load(Ordering::Relaxed) != COMING {
            return;
        }
        let mut state = self.state.lock();
        let entered = state.no_longer_coming(gate.number);
        if entered.is_some() {
            gate.state.store(IN, Ordering::Release);
        }
        drop(state);
        // It would hold the memory of the connection's first task for as long as the connection lives.
        drop((entered, gate.waker.take()));
    }

    /// A connection that is still on its way in is not wanted.
    pub(super) fn turn_away(&self, gate: &Gate) {
        let closed = self.state.lock().close(Some(gate.number));
        if let Some(gate) = closed {
            gate.waker.wake();
        }
    }

    /// Takes out who must go for one more connection of this address, if anybody has to; at most one ever has to,
    /// as whoever goes frees a place of every kind.
    fn make_room(&self, state: &mut State, address: Option<IpAddr>) -> Result<Option<Arc<Gate>>, Full> {
        let of_address = address.and_then(|address| state.by_address.get(&address));
        let (goes, limit) = if let Some(of_address) = of_address.filter(|of| of.open >= self.per_address_max) {
            (of_address.coming.first().copied(), "limits.connections_per_address_max")
        } else if state.open >= self.max {
            (state.coming.keys().next().copied(), self.max_is)
        } else if state.coming.len() >= self.coming_max {
            (state.coming.keys().next().copied(), "limits.handshakes_max")
        } else {
            return Ok(None);
        };
        state.close(goes).ok_or(limit).map(Some)
    }
}

impl State {
    fn count(&mut self, number: u64, address: Option<IpAddr>) {
        if let Some(address) = address {
            let of_address = self.by_address.entry(address).or_default();
            of_address.open += 1;
            of_address.coming.insert(number);
        }
    }

    fn no_longer_coming(&mut self, number: u64) -> Option<Coming> {
        let coming = self.coming.remove(&number)?;
        if let Some(of_address) = coming.address.and_then(|address| self.by_address.get_mut(&address)) {
            of_address.coming.remove(&number);
        }
        Some(coming)
    }

    /// Closes one that is on its way in. It has given everything back then; its gate is to be woken without the lock.
    fn close(&mut self, number: Option<u64>) -> Option<Arc<Gate>> {
        let Coming { gate, address } = self.no_longer_coming(number?)?;
        gate.state.store(CLOSED, Ordering::Release);
        self.give_back(address);
        Some(gate)
    }

    fn give_back(&mut self, address: Option<IpAddr>) {
        self.open -= 1;
        let Some(address) = address else { return };
        if let Entry::Occupied(mut of_address) = self.by_address.entry(address) {
            of_address.get_mut().open -= 1;
            if of_address.get().open == 0 {
                of_address.remove();
            }
        }
    }
}

impl Seat {
    /// The gate that this connection stands at.
    pub(super) const fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Counts the connection, which did not count for any address so far, for this one: a proxy has said who it is.
    /// Where that address has as many as it may, the oldest of its own on their way in makes room, as always.
    pub(super) fn belong_to(&mut self, address: IpAddr) -> Result<bool, Full> {
        let (address, number) = (network(address), self.gate.number);
        let mut state = self.arrivals.state.lock();
        if self.address.is_some() || !state.coming.contains_key(&number) {
            return Ok(false);
        }
        let full = state.by_address.get(&address).filter(|of| of.open >= self.arrivals.per_address_max);
        let closed = match full.map(|of_address| of_address.coming.first().copied()) {
            None => None,
            Some(goes) => Some(state.close(goes).ok_or("limits.connections_per_address_max")?),
        };
        state.count(number, Some(address));
        if let Some(own) = state.coming.get_mut(&number) {
            own.address = Some(address);
        }
        drop(state);
        self.address = Some(address);
        Ok(closed.inspect(|gate| gate.waker.wake()).is_some())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.arrivals.state.lock();
        // Who had to make room has given everything back then.
        let gone = if self.gate.state.load(Ordering::Relaxed) == CLOSED {
            None
        } else {
            let coming = state.no_longer_coming(self.gate.number);
            state.give_back(self.address);
            coming
        };
        drop(state);
        drop(gone);
    }
}

#[cfg(test)]
mod tests;
