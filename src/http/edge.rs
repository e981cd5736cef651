//! What every handler shares, and the one-time key of the first administrator.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use parking_lot::Mutex;

use super::limit::Limiter;
use super::meters::Meters;
use super::socket::Places;
use super::sockjs::Sessions;
use super::turns::Turns;
use crate::auth::{Passwords, Tokens, sha256};
use crate::config::Config;
use crate::node::Node;
use crate::store::{Relay, Store};
use crate::tls::{Certificates, Standing};

/// Everything that the HTTP edge stands on. One per process, shared by all requests.
pub struct Edge {
    /// The configuration that the process runs with.
    pub config: Arc<Config>,
    /// What outlives the process.
    pub store: Store,
    /// Issues and verifies tokens.
    pub tokens: Tokens,
    /// Hashes and verifies passwords.
    pub passwords: Passwords,
    /// Every rate limit.
    pub limiter: Limiter,
    /// The key of the first administrator.
    pub setup: SetupKey,
    /// Whether the process is on its way out: `/readyz` says so.
    pub draining: AtomicBool,
    /// Whether another process serves already: whoever still comes in here is sent there.
    pub succeeded: AtomicBool,
    /// How many handovers to another process did not come about, and why the last did not, unless one is under way.
    pub handovers_failed: Mutex<(u64, Option<String>)>,
    /// The queue in front of the password hashing.
    pub(super) turns: Turns,
    /// This process's rooms and connections.
    pub node: Arc<Node>,
    /// Open sockets, counted.
    pub places: Places,
    /// Sessions over HTTP requests, for who cannot have a WebSocket.
    pub sessions: Sessions,
    /// The way to other nodes' sessions of that kind, where there are other nodes.
    pub relay: Option<Relay>,
    /// The certificate in force, where this process speaks TLS itself.
    pub certificates: Option<Arc<Certificates>>,
    /// What is counted here.
    pub meters: Meters,
}

impl Edge {
    /// Puts the parts together.
    pub fn new(
        config: Arc<Config>,
        store: Store,
        tokens: Tokens,
        passwords: Passwords,
        setup: SetupKey,
        node: Arc<Node>,
        certificates: Option<Arc<Certificates>>,
    ) -> Self {
        Self {
            limiter: Limiter::new(&config.limits),
            turns: Turns::new(config.limits.password_hashes_max),
            draining: AtomicBool::new(false),
            succeeded: AtomicBool::new(false),
            handovers_failed: Mutex::default(),
            places: Places::new(&config.limits),
            sessions: Sessions::default(),
            relay: store.relay().filter(|_| config.sockjs.enabled),
            meters: Meters::new(),
            node,
            config,
            store,
            tokens,
            passwords,
            setup,
            certificates,
        }
    }
}

impl Edge {
    /// Whether the process is on its way out.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// How it stands with the certificate, where this process speaks TLS itself.
    pub(super) fn standing(&self) -> Option<Standing> {
        self.certificates.as_ref().map(|certificates| certificates.standing(now_ms()))
    }
}

/// The key that makes the first administrator. Made by the composition root when there is none, told to the operator
/// alone, kept as its SHA-256. Usable once, by one request at a time.
pub struct SetupKey {
    hash: Option<[u8; 32]>,
    state: AtomicU8,
}

const OPEN: u8 = 0;
const CLAIMED: u8 = 1;
const SPENT: u8 = 2;

impl SetupKey {
    /// With the key that was told to the operator.
    pub fn new(key: &str) -> Self {
        Self { hash: Some(sha256(key)), state: AtomicU8::new(OPEN) }
    }

    /// There is an administrator already: no key opens anything.
    pub const fn none() -> Self {
        Self { hash: None, state: AtomicU8::new(SPENT) }
    }

    /// Whether this is the key. Takes the same time for every wrong one.
    pub(super) fn is(&self, key: &str) -> bool {
        self.hash.is_some_and(|hash| verify_slices_are_equal(&hash, &sha256(key)).is_ok())
    }

    /// Claims the one use there is; `None` while somebody else has it, and for ever once it was spent.
    pub(super) fn claim(&self) -> Option<Claim<'_>> {
        let claimed = self.state.compare_exchange(OPEN, CLAIMED, Ordering::AcqRel, Ordering::Acquire);
        claimed.is_ok().then_some(Claim(self))
    }
}

impl fmt::Debug for SetupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<setup key>")
    }
}

/// The right to use the setup key now; given back when dropped unspent.
pub(super) struct Claim<'a>(&'a SetupKey);

impl Claim<'_> {
    /// The administrator stands: nobody can claim it again.
    pub(super) fn spend(self) {
        self.0.state.store(SPENT, Ordering::Release);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let _spent = self.0.state.compare_exchange(CLAIMED, OPEN, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// Now, in milliseconds since the Unix epoch.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setup_key_is_used_once_and_by_one_at_a_time() {
        let key = SetupKey::new("right");
        assert!(key.is("right") && !key.is("wrong") && !key.is(""));
        let first = key.claim().unwrap();
        assert!(key.claim().is_none(), "somebody else is at it");
        drop(first);
        key.claim().unwrap().spend();
        assert!(key.claim().is_none(), "it was spent");
    }

    #[test]
    fn without_a_key_nothing_opens() {
        assert!(!SetupKey::none().is(""));
        assert!(SetupKey::none().claim().is_none());
    }

    #[test]
    fn the_setup_key_is_not_shown() {
        assert_eq!(format!("{:?}", SetupKey::new("right")), "<setup key>");
    }
}
