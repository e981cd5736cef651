//! Whether the wall clock may decide what is old.
//!
//! A clock that jumps years ahead makes everything old at once, and what a sweep has deleted does not come back with
//! the right time. So the wall clock is held against the monotonic one, which nobody sets. A machine that slept, whose
//! monotonic clock may have slept as well, is doubted for the same while, which costs nothing but an hour.
//!
//! What it cannot see: a clock that was wrong already when the process started.

const HOUR_MS: i64 = 60 * 60 * 1_000;
/// How far the wall clock may jump ahead and still be followed at once: a clock that is set right, a time zone
/// mistaken for the time.
const JUMP_MAX_MS: i64 = 24 * HOUR_MS;
/// How long a clock that jumped further has to stay so: long enough for time synchronisation to take it back.
const DOUBT_MS: i64 = HOUR_MS;

/// What a clock showed and when, by the other clock. Both in milliseconds.
#[derive(Clone, Copy)]
pub(in crate::store) struct Moment {
    /// Since some fixed point, and never set.
    pub(in crate::store) steady: i64,
    /// Since the Unix epoch.
    pub(in crate::store) wall: i64,
}

/// The last moment that was believed, and since when none is.
pub(in crate::store) struct Doubt {
    believed: Moment,
    since: Option<i64>,
}

impl Doubt {
    pub(in crate::store) const fn new(now: Moment) -> Self {
        Self { believed: now, since: None }
    }

    /// Whether the wall clock may be followed.
    pub(in crate::store) fn allows(&mut self, now: Moment) -> bool {
        let passed = now.steady.saturating_sub(self.believed.steady);
        let jump = now.wall.saturating_sub(self.believed.wall).saturating_sub(passed);
        if jump > JUMP_MAX_MS {
            let since = *self.since.get_or_insert_with(|| {
                tracing::warn!(hours = jump / HOUR_MS, "the clock has jumped ahead; nothing is removed as old for now");
                now.steady
            });
            if now.steady.saturating_sub(since) < DOUBT_MS {
                return false;
            }
        }
        *self = Self::new(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(steady_hours: i64, wall_hours: i64) -> Moment {
        Moment { steady: steady_hours * HOUR_MS, wall: wall_hours * HOUR_MS }
    }

    #[test]
    fn time_that_passes_on_both_clocks_is_no_jump_however_long_it_is() {
        let mut doubt = Doubt::new(at(0, 500));
        assert!(doubt.allows(at(1_000, 1_500)));
        assert!(doubt.allows(at(1_000, 1_524)), "a day ahead is followed");
        assert!(doubt.allows(at(1_000, 500)), "and so is going back");
    }

    #[test]
    fn a_clock_that_jumped_ahead_is_doubted_for_an_hour_and_believed_then() {
        let mut doubt = Doubt::new(at(0, 500));
        assert!(!doubt.allows(at(0, 525)));
        assert!(!doubt.allows(at(0, 530)));
        assert!(doubt.allows(at(1, 526)));
        assert!(doubt.allows(at(2, 527)));
    }

    #[test]
    fn a_clock_that_comes_back_is_believed_at_once_and_the_next_jump_is_doubted_anew() {
        let mut doubt = Doubt::new(at(0, 500));
        assert!(!doubt.allows(at(0, 9_000)));
        assert!(doubt.allows(at(0, 500)));
        assert!(!doubt.allows(at(5, 9_000)), "the hour begins again");
    }
}
