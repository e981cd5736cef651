//! When a connection whose cursors could not be served reads again by itself, whether or not anybody says that the store
//! is back.

use std::time::{Duration, Instant};

/// The first pause; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Reads that failed, and the next attempt.
#[derive(Default)]
pub(super) struct Reading {
    failures: u32,
    again_at: Option<Instant>,
}

impl Reading {
    /// A read failed. True where the one before it had not.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        let pause = PAUSE.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX);
        self.again_at = Some(now + pause);
        self.failures = self.failures.saturating_add(1);
        self.failures == 1
    }

    /// A read succeeded, or there is reason to think that the next one does. What stands still is tried again all the
    /// same: it may be another cursor that was served.
    pub(super) const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// When to read again.
    pub(super) const fn again_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// Whether to read again now; said once for each failure.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        self.again_at.take_if(|at| *at <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_tried_again_after_growing_pauses_up_to_half_a_minute() {
        let (mut reading, mut now) = (Reading::default(), Instant::now());
        for (number, seconds) in [1, 2, 4, 8, 16, 30, 30].into_iter().enumerate() {
            assert_eq!(reading.failed(now), number == 0);
            now += Duration::from_secs(seconds);
            assert_eq!(reading.again_at(), Some(now));
            assert!(!reading.is_due(now.checked_sub(Duration::from_millis(1)).unwrap()));
            assert!(reading.is_due(now) && !reading.is_due(now), "once");
        }
        reading.succeeded();
        assert!(reading.failed(now) && reading.again_at() == Some(now + Duration::from_secs(1)));
    }
}
