//! What is counted of Redis beside what every store counts.

use std::sync::Arc;

use super::hall::Hall;
use crate::meter::{self, Counter, Registry};

/// Counters of what is heard, and of who is ended.
#[derive(Default)]
pub(super) struct Heard {
    /// Connections to hear by, the first included.
    pub(super) connections: Counter,
    /// Entries that had been heard already.
    pub(super) doubles: Counter,
    /// Reads from a room's log, as something was not heard.
    pub(super) read_again: Counter,
    /// Leases of other nodes that lapsed and were ended here.
    pub(super) leases_ended: Counter,
}

/// Names what is counted here.
pub(super) fn register(hall: &Arc<Hall>, registry: &mut Registry) {
    let heard = &hall.heard;
    let looked = Arc::clone(hall);
    meter::gauge(
        registry,
        "sarangbang_redis_up",
        "Whether Redis can be reached and takes in what is said",
        move || f64::from(u8::from(looked.trouble().is_none())),
    );
    registry.register(
        "sarangbang_redis_connections",
        "Connections by which news were heard, the first included",
        heard.connections.clone(),
    );
    registry.register("sarangbang_redis_doubles", "Entries that were heard twice and told once", heard.doubles.clone());
    registry.register(
        "sarangbang_redis_read_again",
        "Reads from the logs, as something was not heard",
        heard.read_again.clone(),
    );
    registry.register(
        "sarangbang_redis_leases_ended",
        "Leases of nodes that were gone, ended by this one",
        heard.leases_ended.clone(),
    );
}
