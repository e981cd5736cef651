//! Deadlines of a session: CONNECT in time, heart-beats both ways, pings, the token's end.

use std::time::{Duration, Instant};

use super::effect::Error;
use crate::chat::Limits;
use crate::stomp::heartbeat;

/// How much later than promised a heart-beat may come, as a multiple of the promise: networks and timers are late.
const GRACE: u32 = 2;
/// Pings that may stay unanswered. A peer that says nothing in three intervals is gone.
const SILENT_INTERVALS: u32 = 3;

/// What is due.
pub(super) enum Due {
    Nothing,
    HeartBeat,
    Ping,
    End(Error),
}

/// The clockwork of a session; time comes from outside.
pub(super) struct Pulse {
    heard_at: Instant,
    pinged_at: Instant,
    beaten_at: Instant,
    ping_every: Duration,
    sends_every: Option<Duration>,
    wants_every: Option<Duration>,
    connect_until: Option<Instant>,
    expires: Option<Instant>,
}

impl Pulse {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            heard_at: now,
            pinged_at: now,
            beaten_at: now,
            ping_every: Duration::from_secs(limits.ping_seconds.max(1)),
            sends_every: None,
            wants_every: None,
            connect_until: Some(now + Duration::from_secs(limits.connect_seconds_max)),
            expires: None,
        }
    }

    /// Takes over what both sides agreed on (STOMP 1.2, Heart-beating).
    pub(super) fn negotiate(&mut self, server: (u32, u32), client: (u32, u32)) {
        let agreed = heartbeat::negotiate(server, client);
        self.sends_every = agreed.sends_every;
        self.wants_every = agreed.wants_every;
    }

    /// CONNECTED was sent; the token is good until `expires`.
    pub(super) const fn connected(&mut self, expires: Instant, now: Instant) {
        self.connect_until = None;
        self.expires = Some(expires);
        self.heard_at = now;
    }

    /// A newer token reaches further.
    pub(super) fn prolong(&mut self, expires: Instant) {
        self.expires = self.expires.map(|held| held.max(expires));
    }

    /// Something came from the client.
    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// What is due `now`; call again until nothing is.
    pub(super) fn due(&mut self, now: Instant, sent_at: Instant) -> Due {
        if self.connect_until.is_some_and(|until| until <= now) {
            return Due::End(Error::new("connect_timeout", "no CONNECT came in time (limits.connect_seconds_max)"));
        }
        if self.expires.is_some_and(|until| until <= now) {
            return Due::End(Error::new(
                "token_expired",
                "the token has expired: fetch a fresh one from /chat/user and connect again",
            ));
        }
        if self.silent_until() <= now {
            return Due::End(Error::new("heartbeat_lost", "no heart-beat and no other sign of life came in time"));
        }
        if self.beat_at(sent_at).is_some_and(|at| at <= now) {
            self.beaten_at = now;
            return Due::HeartBeat;
        }
        if self.ping_at().is_some_and(|at| at <= now) {
            self.pinged_at = now;
            return Due::Ping;
        }
        Due::Nothing
    }

    /// When something is due next.
    pub(super) fn deadline(&self, sent_at: Instant) -> Instant {
        [self.connect_until, self.expires, self.beat_at(sent_at), self.ping_at()]
            .into_iter()
            .flatten()
            .fold(self.silent_until(), Ord::min)
    }

    /// When the next beat goes out. A tenth early: the promise is that the peer sees one at least that often, however
    /// the timers fall. A socket that takes nothing has not sent the last one yet: it counts as beaten all the same.
    fn beat_at(&self, sent_at: Instant) -> Option<Instant> {
        self.sends_every.map(|every| sent_at.max(self.beaten_at) + every * 9 / 10)
    }

    /// From when on silence means that the peer is gone. A peer may promise a beat in a month; it is pinged before,
    /// and has to answer like everybody.
    fn silent_until(&self) -> Instant {
        let longest = self.ping_every * SILENT_INTERVALS;
        self.heard_at + self.wants_every.map_or(longest, |every| every.saturating_mul(GRACE).min(longest))
    }

    /// When to ping a connected peer: one interval after its last sign of life.
    fn ping_at(&self) -> Option<Instant> {
        self.connect_until.is_none().then(|| self.heard_at.max(self.pinged_at) + self.ping_every)
    }
}
