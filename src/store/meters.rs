//! What the store counts: how long an append takes, and how commits go.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::queue::Queue;
use crate::meter::{self, Counter, Registry, Sizes, Times};

/// Counters of one store.
#[derive(Default)]
pub(in crate::store) struct Meters {
    /// From the asking to the commit that an append is in.
    pub(in crate::store) appends: Times,
    /// Appends that were refused as overload.
    pub(in crate::store) refused: Counter,
    /// Writes that failed: commits, and tries whether one would succeed again.
    pub(in crate::store) failures: Counter,
    commits: Times,
    commands: Sizes,
}

impl Meters {
    /// So many commands were committed in this time.
    pub(in crate::store) fn committed(&self, commands: usize, time: Duration) {
        self.commits.add(time);
        self.commands.add(commands, 1);
    }
}

impl Meters {
    /// Names what is counted here.
    pub(in crate::store) fn register(&self, registry: &mut Registry, queue: &Queue) {
        registry.register(
            "sarangbang_store_append_seconds",
            "From asking for an append to its commit, which is what a RECEIPT waits for",
            self.appends.clone(),
        );
        registry.register("sarangbang_store_commit_seconds", "Commits, the flush included", self.commits.clone());
        registry.register("sarangbang_store_commit_commands", "Commands in one commit", self.commands.clone());
        registry.register("sarangbang_store_failures", "Writes that failed", self.failures.clone());
        registry.register(
            "sarangbang_store_appends_refused",
            "Appends refused as limits.store_queue_max was reached",
            self.refused.clone(),
        );
        let waiting = queue.counter();
        meter::gauge(registry, "sarangbang_store_appends_waiting", "Appends that wait for their commit", move || {
            waiting.load(Ordering::Relaxed) as f64
        });
    }
}
