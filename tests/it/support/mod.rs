//! What the tests stand on: a server of their own, and clients that take nothing for granted.

pub(crate) mod authority;
pub(crate) mod ca;
mod client;
pub(crate) mod fake;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod scrape;
pub(crate) mod secure;
mod server;
pub(crate) mod sockjs;
pub(crate) mod speaker;

pub(crate) use client::{Client, Event, Frame};
pub(crate) use server::{Server, ServerBuilder};

use std::future::Future;
use std::time::Duration;

/// How long anything may take before a test gives up. Generous: machines are shared, and nothing waits it out when
/// all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until the answer is yes, for as long as [`PATIENCE`] lasts.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let asked = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, asked).await.is_ok(), "waited in vain until {what}");
}
