//! How those who are connected are sent away, one after the other.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum_server::Handle;
use tokio::time::{sleep, sleep_until, timeout};

use super::listeners::Caller;
use crate::http::Edge;
use crate::node::Closing;

/// How long a stop spreads the goodbyes at most: nobody else serves meanwhile.
const STOP_SPREAD_MAX: Duration = Duration::from_secs(5);
/// How long the last of them are waited for.
pub(super) const DRAIN_MAX: Duration = Duration::from_secs(5);
/// A timer has a millisecond's grain: connections that are nearer to each other share one pause.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// How long who was accepted just before a handover has to come in: it is sent on from inside.
const LINGER: Duration = Duration::from_secs(2);

/// Ends every connection with 1012, spread over `drain_seconds` in the order of their numbers' hashes (so not room by room),
/// and waits until they are gone, the last ones' answers to that included: a socket that ends with the process before its peer
/// has answered may be reset, and the peer then never reads why. Whoever is in a `hurry` has the rest of them ended at once.
pub(super) async fn drain(edge: &Edge, handle: &Handle<Caller>, has_heir: bool, hurry: impl Future<Output = ()>) {
    let began = Instant::now();
    let spread = Duration::from_secs(edge.config.drain_seconds.into());
    let spread = if has_heir { spread } else { spread.min(STOP_SPREAD_MAX) };
    edge.succeeded.store(has_heir, Ordering::Release);
    edge.draining.store(true, Ordering::Release);
    if has_heir {
        tracing::info!(seconds = spread.as_secs(), "another process serves now; clients are sent there");
    } else {
        tracing::info!("draining: no new connections, clients are told to come back");
        handle.graceful_shutdown(Some(spread + DRAIN_MAX));
    }
    let open = edge.node.connections.all();
    let (pause, mut left) = (spread / u32::try_from(open.len().max(1)).unwrap_or(u32::MAX), open.len());
    let (mut owed, mut is_hurried) = (Duration::ZERO, false);
    tokio::pin!(hurry);
    for connection in open {
        connection.end(Closing::Draining);
        left -= 1;
        owed += pause;
        // Nobody waits behind the last.
        if owed >= PAUSE_MIN && left > 0 && !is_hurried {
            tokio::select! {
                () = sleep(owed) => {}
                () = &mut hurry => is_hurried = true,
            }
            owed = Duration::ZERO;
        }
    }
    if has_heir {
        if !is_hurried {
            tokio::select! {
                () = sleep_until((began + LINGER).into()) => {}
                () = &mut hurry => is_hurried = true,
            }
        }
        handle.graceful_shutdown(Some(DRAIN_MAX));
    }
    if timeout(DRAIN_MAX, until(|| edge.node.connections.is_empty())).await.is_err() {
        tracing::warn!(left = edge.node.connections.len(), "some connections did not end in time");
    }
    if !is_hurried {
        tokio::select! {
            // Each is waited for by itself, and not for long: `http::socket` has the times.
            () = until(|| edge.unanswered.get() <= 0) => {}
            () = &mut hurry => {}
        }
    }
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        sleep(Duration::from_millis(10)).await;
    }
}
