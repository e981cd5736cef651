//! When to ask the authority, and by which way a name is proven. Pure: the time is a parameter.
//!
//! Invariants: an attempt is counted as failed before it is made, so that a process that dies in it has to wait like
//! one that was refused; an order whose address is known is taken up again before another is made; no wait is longer
//! than it was when it began, whatever the clock does.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::failure::Fate;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// The wait after the first failure in a row, the second, and so on; the last one from then on.
///
/// Let's Encrypt allows five failed validations an hour for each name and account. Where both ways are tried, the
/// failures of a row are at 0:00 (two: one each way), 0:01, 0:06, 0:36 and 2:36: five in the first hour. Where one is,
/// four. It allows 300 orders in three hours, of which these are six, and five certificates a week for the same
/// names, which no failure counts towards.
const WAITS_MS: [i64; 5] = [MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 120 * MINUTE_MS, 360 * MINUTE_MS];
/// What an authority may ask for at most: its longest limits count by the week.
const ASKED_WAIT_MAX_MS: i64 = 7 * DAY_MS;
/// So often an operator who has mended something may have the next attempt made at once: one more failure an hour.
const HURRY_MS: i64 = 60 * MINUTE_MS;
/// So often an order is taken up again that the authority does not come to an end with.
const TAKEN_UP_MAX: u32 = 5;

/// The way of proving that a name is this host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Way {
    /// A text at a path, asked for on port 80 (RFC 8555, section 8.3).
    #[serde(rename = "http-01")]
    Http,
    /// A certificate in a handshake, asked for on port 443 (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn,
}

/// What is remembered about getting the next certificate. Kept in the store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Plan {
    /// The authority that it is about.
    directory: String,
    /// The names that it is about.
    names: Vec<String>,
    /// Attempts in a row that came to nothing, the one that is being made included.
    failures: u32,
    /// Nothing is asked before.
    not_before_ms: i64,
    /// How far ahead that was when it was decided.
    wait_ms: i64,
    /// Whether it was the authority that asked for that wait.
    is_asked: bool,
    /// When an operator last had an attempt made at once.
    hurried_ms: Option<i64>,
    /// What happened last.
    last_failure: String,
    /// Whether the other way was tried already without a wait.
    fell_over: bool,
    /// The way that worked last.
    worked: Option<Way>,
    /// The way to begin with at the next attempt.
    next: Option<Way>,
    /// The order that is on its way.
    order: Option<OrderRecord>,
    /// Whether an attempt was begun and has not come to an end: a process that finds this was broken off.
    is_underway: bool,
    /// How often it was written down: the same plan at another time is another one.
    turn: u64,
}

/// An order at the authority. `Debug` does not show the key.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct OrderRecord {
    /// Its address.
    pub(super) url: String,
    /// The key of the certificate to come, as PEM.
    pub(super) key_pem: String,
    /// The way that its names are proven by.
    pub(super) way: Way,
    /// How often it was taken up again, after a wait or by a process that found the attempt broken off.
    pub(super) taken_up: u32,
}

impl Plan {
    /// The same plan where it is about this; a new one where it is about something else. What worked stays known.
    pub(super) fn about(self, directory: &str, names: &[String]) -> Self {
        // Limits do not ask for their order.
        let mut names = names.to_owned();
        names.sort();
        if self.directory == directory && self.names == names {
            return self;
        }
        Self { directory: directory.to_owned(), names, worked: self.worked, turn: self.turn, ..Self::default() }
    }

    /// Counts that it is written down.
    pub(super) fn turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
    }

    /// From when on an attempt may be made, as seen at `now`.
    pub(super) fn due(&mut self, now: i64) -> i64 {
        // Further ahead than when it was decided: the clock was set back since. The wait begins anew, and only once.
        self.not_before_ms = self.not_before_ms.min(now + self.wait_ms.clamp(0, ASKED_WAIT_MAX_MS));
        self.not_before_ms
    }

    /// Lets the next attempt be made at once, because somebody has mended what was wrong. False where the authority
    /// asked for the wait, or where that was done within the last hour.
    pub(super) fn hurry(&mut self, now: i64) -> bool {
        let is_early = self.hurried_ms.is_some_and(|hurried| (0..HURRY_MS).contains(&(now - hurried)));
        if self.is_asked || is_early {
            return false;
        }
        self.hurried_ms = Some(now);
        self.not_before_ms = self.not_before_ms.min(now);
        true
    }

    /// Takes up an order whose attempt was broken off, at once and so often at most. An attempt that came to an end
    /// has its wait, however often the process is started.
    pub(super) fn resume(&mut self) -> bool {
        let Some(order) = self.order.as_mut().filter(|_| self.is_underway) else { return false };
        if order.taken_up >= TAKEN_UP_MAX {
            self.order = None;
            return false;
        }
        order.taken_up += 1;
        true
    }

    /// Counts an attempt that is about to be made as failed.
    pub(super) fn begin(&mut self, now: i64) {
        self.is_underway = true;
        self.failures = self.failures.saturating_add(1);
        self.wait(now);
        if let Some(order) = &mut self.order {
            order.taken_up += 1;
        }
    }

    /// Remembers the order that is being made, so that a restart takes it up.
    pub(super) fn ordered(&mut self, order: OrderRecord) {
        self.order = Some(order);
    }

    /// Notes how the attempt ended that was begun.
    pub(super) fn fail(&mut self, now: i64, words: &str, fate: Fate, asked: Option<i64>, ways: &[Way]) {
        self.is_underway = false;
        words.clone_into(&mut self.last_failure);
        self.wait(now);
        if let Some(asked) = asked.filter(|asked| *asked > self.not_before_ms) {
            self.is_asked = true;
            self.wait_ms = (asked - now).min(ASKED_WAIT_MAX_MS);
            self.not_before_ms = now + self.wait_ms;
        }
        if fate == Fate::Unproven {
            let tried = self.order.as_ref().map_or_else(|| self.way(ways), |order| order.way);
            self.next = ways.iter().copied().find(|way| *way != tried);
        }
        let is_open = fate == Fate::Open && self.order.as_ref().is_some_and(|order| order.taken_up < TAKEN_UP_MAX);
        if !is_open {
            self.order = None;
        }
    }

    /// Whether the other way may be tried now, without a wait: once in a row of failures, at its beginning. Counts it.
    pub(super) fn fall_over(&mut self, now: i64, fate: Fate, ways: &[Way]) -> bool {
        let may = fate == Fate::Unproven && ways.len() > 1 && self.failures == 1 && !self.fell_over;
        if may {
            self.fell_over = true;
            self.is_underway = true;
            self.wait(now);
        }
        may
    }

    /// Forgets the row of failures: there is a certificate.
    pub(super) fn succeed(&mut self) {
        let worked = self.order.take().map(|order| order.way).or(self.worked);
        *self = Self {
            directory: std::mem::take(&mut self.directory),
            names: std::mem::take(&mut self.names),
            worked,
            hurried_ms: self.hurried_ms,
            turn: self.turn,
            ..Self::default()
        };
    }

    /// Whether nothing is being waited for.
    pub(super) fn is_clear(&self) -> bool {
        self.failures == 0 && self.order.is_none()
    }

    /// Whether somebody is making an attempt, or was broken off in it.
    pub(super) fn is_underway(&self) -> bool {
        self.is_underway
    }

    /// The way to prove names by, of those that can be gone.
    pub(super) fn way(&self, ways: &[Way]) -> Way {
        let open = |way: &Way| ways.contains(way);
        let first = ways.first().copied().unwrap_or(Way::TlsAlpn);
        self.next.filter(open).or_else(|| self.worked.filter(open)).unwrap_or(first)
    }

    /// The order that is on its way.
    pub(super) fn order(&self) -> Option<&OrderRecord> {
        self.order.as_ref()
    }

    /// What happened last, if an attempt came to an end.
    pub(super) fn last_failure(&self) -> &str {
        if self.last_failure.is_empty() { "the last attempt was broken off" } else { &self.last_failure }
    }

    fn wait(&mut self, now: i64) {
        let at = usize::try_from(self.failures.saturating_sub(1)).unwrap_or(usize::MAX).min(WAITS_MS.len() - 1);
        self.is_asked = false;
        self.wait_ms = WAITS_MS[at];
        self.not_before_ms = now + self.wait_ms;
    }
}

/// When a certificate is to be renewed: at two thirds of its lifetime, and up to a thirtieth later. How much later
/// follows from its fingerprint, so that many servers do not come at the same time, and a restart does not draw anew.
pub(super) fn renewal(not_before: i64, not_after: i64, fingerprint: [u8; 32]) -> i64 {
    let lifetime = not_after.saturating_sub(not_before).max(0);
    let drawn = i64::from(u16::from_be_bytes([fingerprint[0], fingerprint[1]]));
    let jitter = (lifetime / 30).saturating_mul(drawn) / i64::from(u16::MAX);
    not_before.saturating_add(lifetime / 3 * 2).saturating_add(jitter)
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http-01",
            Self::TlsAlpn => "tls-alpn-01",
        })
    }
}

impl fmt::Debug for OrderRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderRecord").field("url", &self.url).field("way", &self.way).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
