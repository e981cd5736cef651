//! What the store counts: how long an append takes, and how commits go.

use std::sync::Arc;
use std::time::Duration;

use super::Sqlite;
use crate::meter::{self, Counter, Registry, Sizes, Times};

/// Counters of one store.
#[derive(Default)]
pub(super) struct Meters {
    /// From the asking to the commit that an append is in.
    pub(super) appends: Times,
    /// Appends that were refused as overload.
    pub(super) refused: Counter,
    /// Writes that failed: commits, and tries whether one would succeed again.
    pub(super) failures: Counter,
    commits: Times,
    commands: Sizes,
}

impl Meters {
    /// So many commands were committed in this time.
    pub(super) fn committed(&self, commands: usize, time: Duration) {
        self.commits.add(time);
        self.commands.add(commands, 1);
    }
}

impl Sqlite {
    /// Names what is counted here.
    pub fn register(&self, registry: &mut Registry) {
        let meters = &self.shared.meters;
        registry.register(
            "sarangbang_store_append_seconds",
            "From asking for an append to its commit, which is what a RECEIPT waits for",
            meters.appends.clone(),
        );
        registry.register("sarangbang_store_commit_seconds", "Commits, the flush included", meters.commits.clone());
        registry.register("sarangbang_store_commit_commands", "Commands in one commit", meters.commands.clone());
        registry.register("sarangbang_store_failures", "Writes that failed", meters.failures.clone());
        registry.register(
            "sarangbang_store_appends_refused",
            "Appends refused as limits.store_queue_max was reached",
            meters.refused.clone(),
        );
        let shared = Arc::clone(&self.shared);
        meter::gauge(registry, "sarangbang_store_appends_waiting", "Appends that wait for the disk", move || {
            shared.queue.waiting() as f64
        });
    }
}
