//! How many appends may wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::meters::Meters;

/// Counts the appends that wait for their commit, and bounds them.
pub(in crate::store) struct Queue {
    waiting: Arc<AtomicUsize>,
    max: usize,
    meters: Arc<Meters>,
}

/// The places of one command in the queue; given back when it is settled, or dropped.
pub(in crate::store) struct Ticket {
    waiting: Arc<AtomicUsize>,
    places: usize,
    since: Instant,
    meters: Arc<Meters>,
}

impl Queue {
    pub(in crate::store) fn new(max: usize, meters: Arc<Meters>) -> Self {
        Self { waiting: Arc::default(), max, meters }
    }

    /// How many wait, for whoever looks from elsewhere.
    pub(in crate::store) fn counter(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.waiting)
    }

    /// So many places, if they are free: all of them, or none is taken.
    pub(in crate::store) fn ticket(&self, places: usize) -> Option<Ticket> {
        let room = |waiting: usize| waiting.checked_add(places).filter(|full| *full <= self.max);
        let taken = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        if taken.is_err() {
            self.meters.refused.inc_by(places as u64);
            return None;
        }
        let (waiting, meters) = (Arc::clone(&self.waiting), Arc::clone(&self.meters));
        Some(Ticket { waiting, places, since: Instant::now(), meters })
    }
}

impl Ticket {
    /// What it was for is answered; where it was committed, at this time.
    pub(in crate::store) fn answered(self, committed: Option<Instant>) {
        if let Some(committed) = committed {
            let time = committed.saturating_duration_since(self.since);
            (0..self.places).for_each(|_| self.meters.appends.add(time));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.places, Ordering::Relaxed);
    }
}
