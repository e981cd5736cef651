//! The store's clocks, and how often its writer looks at them.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::store::doubt::Moment;

/// What time it is, in milliseconds. A parameter, so that a test can turn it back.
pub(super) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How often the writer looks up from its queue.
pub(super) struct Rhythm {
    /// Since the Unix epoch.
    pub(super) clock: Clock,
    /// Since some fixed point, and never set.
    pub(super) steady: Clock,
    /// Between two looks for what another process wrote.
    pub(super) news: Duration,
    /// Between two tries to write what could not be written.
    pub(super) retry: Duration,
    /// Between two sweeps of old rows.
    pub(super) sweep: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            clock: Arc::new(wall_clock),
            steady: steady_clock(),
            news: Duration::from_millis(250),
            retry: Duration::from_secs(1),
            sweep: Duration::from_secs(60),
        }
    }
}

impl Rhythm {
    /// The steady clock is read first. Were it the other way round, a pause in between would be believed as time that
    /// the wall clock has to catch up with, and would look like a jump at the next look.
    pub(super) fn moment(&self) -> Moment {
        Moment { steady: (self.steady)(), wall: (self.clock)() }
    }
}

pub(super) fn steady_clock() -> Clock {
    let start = Instant::now();
    Arc::new(move || i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX))
}

pub(super) fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
