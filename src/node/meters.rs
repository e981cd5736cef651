//! What the node counts: messages in, deliveries out, cursors that lag.

use std::sync::Arc;

use super::Node;
use crate::meter::{self, Causes, Counter, Gauge, Registry, Sizes};

/// Counters of one node.
pub(super) struct Meters {
    /// Messages that were handed to the store.
    pub(super) received: Counter,
    /// Subscriptions that hold a seat.
    pub(super) subscriptions: Gauge,
    /// MESSAGE frames by how many of them were handed to a socket at once.
    flushes: Sizes,
    bytes: Counter,
    lagged: Counter,
    catch_ups: Causes,
}

/// What one cursor was handed, or that it was not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Handed {
    /// MESSAGE frames; none where it was not its turn.
    pub(super) entries: usize,
    /// Their bytes, as they stand in the stream.
    pub(super) bytes: usize,
    /// Whether it was live and lags from now on.
    pub(super) lagged: bool,
}

/// A round's deliveries, added up without touching what everybody shares: most sockets get the same number of frames.
pub(super) struct Tally<'a> {
    meters: &'a Meters,
    /// The number of frames of the last flush, and of how many flushes in a row.
    entries: usize,
    flushes: u64,
    bytes: u64,
    lagged: u64,
}

impl Meters {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            received: Counter::default(),
            subscriptions: Gauge::default(),
            flushes: Sizes::default(),
            bytes: Counter::default(),
            lagged: Counter::default(),
            catch_ups: Causes::new("source", ["ring", "store"]),
        })
    }

    /// A round begins; it is counted when the tally is dropped.
    pub(super) const fn round(&self) -> Tally<'_> {
        Tally { meters: self, entries: 0, flushes: 0, bytes: 0, lagged: 0 }
    }

    /// A lagging cursor was served out of the ring or the store. A look into the ring that finds nothing is no read.
    pub(super) fn caught_up(&self, source: &str, handed: Handed) {
        if handed.entries > 0 || source == "store" {
            self.catch_ups.add(source);
        }
        self.round().add(handed);
    }
}

impl Tally<'_> {
    /// One member was served, or not.
    pub(super) fn add(&mut self, handed: Handed) {
        if handed.entries > 0 {
            if handed.entries != self.entries {
                self.settle();
                self.entries = handed.entries;
            }
            self.flushes += 1;
            self.bytes += handed.bytes as u64;
        }
        self.lagged += u64::from(handed.lagged);
    }

    fn settle(&mut self) {
        if self.flushes > 0 {
            self.meters.flushes.add(self.entries, std::mem::take(&mut self.flushes));
        }
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        self.settle();
        if self.bytes > 0 {
            self.meters.bytes.inc_by(self.bytes);
        }
        if self.lagged > 0 {
            self.meters.lagged.inc_by(self.lagged);
        }
    }
}

impl Node {
    /// Names what is counted here.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        let (meters, node) = (&self.meters, || Arc::clone(self));
        let flushes = meters.flushes.clone();
        meter::counter(
            registry,
            "sarangbang_deliveries",
            "MESSAGE frames handed to sockets, catching up included",
            move || flushes.sum() as f64,
        );
        registry.register(
            "sarangbang_flush_messages",
            "MESSAGE frames that one write to a socket held",
            meters.flushes.clone(),
        );
        registry.register("sarangbang_delivered_bytes", "Bytes of those frames", meters.bytes.clone());
        registry.register("sarangbang_messages_received", "Messages handed to the store", meters.received.clone());
        registry.register(
            "sarangbang_cursors_lagged",
            "Times that a live cursor fell behind, as its socket took nothing",
            meters.lagged.clone(),
        );
        registry.register(
            "sarangbang_catch_up_reads",
            "Reads for lagging cursors, by where they were served from",
            meters.catch_ups.clone(),
        );
        registry.register("sarangbang_subscriptions", "Subscriptions to rooms and the list of rooms", {
            meters.subscriptions.clone()
        });
        let of = node();
        meter::gauge(registry, "sarangbang_rooms_active", "Rooms with subscribers on this node", move || {
            of.hub.rooms() as f64
        });
        let of = node();
        meter::gauge(registry, "sarangbang_websockets_open", "WebSockets that are open", move || {
            of.connections.len() as f64
        });
        self.connections.register(registry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_counted_whole_however_its_flushes_differ() {
        let meters = Meters::new();
        let mut round = meters.round();
        for (entries, bytes, lagged) in [(2, 20, false), (2, 20, false), (0, 0, true), (1, 10, false), (2, 20, false)] {
            round.add(Handed { entries, bytes, lagged });
        }
        assert_eq!(meters.flushes.sum(), 5, "the last flushes are still to be counted");
        drop(round);
        assert_eq!((meters.flushes.sum(), meters.bytes.get(), meters.lagged.get()), (7, 70, 1));
    }
}
