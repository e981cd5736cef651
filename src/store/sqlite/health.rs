//! How the writer is, for whoever asks while it is busy.

use std::sync::Arc;

use parking_lot::Mutex;

use super::fault::stopped;
use crate::store::meters::Meters;
use crate::store::{Event, StoreError};

/// What stands against writing; nothing, at best. The lock is held to look and to note, never while anything waits.
#[derive(Clone)]
pub(super) struct Health {
    trouble: Arc<Mutex<Option<StoreError>>>,
    meters: Arc<Meters>,
}

impl Health {
    /// At best, until something is noted.
    pub(super) fn new(meters: Arc<Meters>) -> Self {
        Self { trouble: Arc::default(), meters }
    }

    /// Why nothing can be written now.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        self.trouble.lock().clone()
    }
}

/// The writer's own side. When it is dropped, by a panic as well, the writer is known to have ended.
pub(super) struct Report {
    health: Health,
    is_failing: bool,
    /// Whether the news have said that nothing can be written, and not yet that it can again.
    is_away: bool,
}

impl Report {
    pub(super) const fn new(health: Health) -> Self {
        Self { health, is_failing: false, is_away: false }
    }

    /// Notes how a commit went; a change for better or worse is logged once.
    pub(super) fn note(&mut self, failure: Option<&StoreError>) {
        match failure {
            Some(cause) if !self.is_failing => tracing::error!(%cause, "cannot write; everything new is refused"),
            None if self.is_failing => tracing::info!("can write again"),
            _ => {}
        }
        if failure.is_some() {
            self.health.meters.failures.inc();
        }
        if self.is_failing || failure.is_some() {
            *self.health.trouble.lock() = failure.cloned();
        }
        self.is_failing = failure.is_some();
    }

    /// What the news have to say about it by now. That nothing can be written they say at once; that it can again, only
    /// once a probe was `tried` and has come through: on a disk that is all but full small things get through and larger
    /// ones do not, and nobody wants to hear of each.
    pub(super) fn news(&mut self, tried: bool) -> Option<Event> {
        if self.is_failing == self.is_away || (self.is_away && !tried) {
            return None;
        }
        self.is_away = self.is_failing;
        Some(if self.is_away { Event::Away } else { Event::Back })
    }

    /// Where a commit is counted.
    pub(super) fn meters(&self) -> &Meters {
        &self.health.meters
    }

    /// Whether it is still to be found out that everything can be written again.
    pub(super) const fn is_in_doubt(&self) -> bool {
        self.is_failing || self.is_away
    }

    /// Whether the news have said last that nothing can be written.
    pub(super) const fn is_away(&self) -> bool {
        self.is_away
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        *self.health.trouble.lock() = Some(stopped());
    }
}
