//! How often something may be done by one key: a quota, and its state for all keys.
//!
//! It knows numbers and keys, not what they stand for. Invariant: keys that a stranger can choose are hashed into a
//! fixed number of buckets, so that the memory is bounded whatever is thrown at it.

use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{DashMapStateStore, ShrinkableKeyedStateStore};
use governor::{NotUntil, Quota, RateLimiter};

/// Buckets for keys that strangers choose, 2^18: at most 8 MiB a limit. The hash is seeded at random, so nobody can
/// aim at somebody else's bucket.
pub(super) const STRANGERS: u64 = (1 << 18) - 1;
/// People have accounts, so their number is bounded already: no two share a bucket.
pub(super) const PEOPLE: u64 = u64::MAX;

/// How long to wait before the same thing is allowed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter(pub Duration);

impl RetryAfter {
    /// In a second: it is a matter of moments.
    pub const fn soon() -> Self {
        Self(Duration::from_secs(1))
    }

    /// Whole seconds, rounded up and at least one: the value of a `Retry-After` header (RFC 9110, section 10.2.3).
    pub fn seconds(self) -> u64 {
        (self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0)).max(1)
    }
}

/// A limit where every try counts.
pub(super) struct Keyed {
    limiter: RateLimiter<u64, DashMapStateStore<u64>, DefaultClock>,
    buckets: Buckets,
}

impl Keyed {
    pub(super) fn new(quota: Quota, mask: u64) -> Self {
        Self { limiter: RateLimiter::dashmap(quota), buckets: Buckets::new(mask) }
    }

    pub(super) fn spend(&self, key: &impl Hash) -> Result<(), RetryAfter> {
        self.limiter.check_key(&self.buckets.of(key)).map_err(|not| wait(&not, self.limiter.clock()))
    }

    /// Forgets the keys that have everything again.
    pub(super) fn sweep(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    /// How many keys are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.limiter.len()
    }
}

/// A limit where looking is free and only what comes of it counts: two views of the same state.
pub(super) struct Results {
    spends: RateLimiter<u64, Spend, DefaultClock>,
    looks: RateLimiter<u64, Look, DefaultClock>,
    buckets: Buckets,
}

impl Results {
    pub(super) fn new(quota: Quota) -> Self {
        let state = Arc::new(DashMapStateStore::default());
        // The view that looks is made first: its clock is a moment ahead, never behind what was spent.
        let looks = RateLimiter::new(quota, Look(Arc::clone(&state)), DefaultClock::default());
        let spends = RateLimiter::new(quota, Spend(state), DefaultClock::default());
        Self { spends, looks, buckets: Buckets::new(STRANGERS) }
    }

    pub(super) fn look(&self, key: &impl Hash) -> Result<(), RetryAfter> {
        self.looks.check_key(&self.buckets.of(key)).map_err(|not| wait(&not, self.looks.clock()))
    }

    pub(super) fn count(&self, key: &impl Hash) {
        // Refused means used up already, which is all that counting can do.
        let _used_up = self.spends.check_key(&self.buckets.of(key));
    }

    /// Forgets the keys that have everything again.
    pub(super) fn sweep(&self) {
        self.spends.retain_recent();
        self.spends.shrink_to_fit();
    }

    /// How many keys are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.spends.len()
    }
}

/// The state, written on every check.
struct Spend(Arc<DashMapStateStore<u64>>);

impl StateStore for Spend {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(key, f)
    }
}

impl ShrinkableKeyedStateStore<u64> for Spend {
    fn retain_recent(&self, drop_below: Nanos) {
        ShrinkableKeyedStateStore::retain_recent(&*self.0, drop_below);
    }

    fn shrink_to_fit(&self) {
        ShrinkableKeyedStateStore::shrink_to_fit(&*self.0);
    }

    fn len(&self) -> usize {
        ShrinkableKeyedStateStore::len(&*self.0)
    }

    fn is_empty(&self) -> bool {
        ShrinkableKeyedStateStore::is_empty(&*self.0)
    }
}

/// The same state, only read: the verdict leaves as an "error", upon which nothing is replaced.
struct Look(Arc<DashMapStateStore<u64>>);

impl StateStore for Look {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let verdict = if self.0.contains_key(key) {
            match self.0.measure_and_replace(key, |state| Err::<(T, Nanos), _>(f(state))) {
                Ok(allowed) => return Ok(allowed),
                Err(verdict) => verdict,
            }
        } else {
            f(None)
        };
        verdict.map(|(allowed, _)| allowed)
    }
}

struct Buckets {
    seed: RandomState,
    mask: u64,
}

impl Buckets {
    pub(super) fn new(mask: u64) -> Self {
        Self { seed: RandomState::new(), mask }
    }

    pub(super) fn of(&self, key: &impl Hash) -> u64 {
        self.seed.hash_one(key) & self.mask
    }
}

/// So many in that time on average, and so many at once.
pub(super) fn per(time: Duration, count: u32, burst: u32) -> Quota {
    let one = NonZeroU32::MIN;
    let period = time / count.max(1);
    // A period of zero would take a count above a thousand million: then nothing is limited in effect.
    Quota::with_period(period)
        .unwrap_or(Quota::per_second(NonZeroU32::MAX))
        .allow_burst(NonZeroU32::new(burst).unwrap_or(one))
}

fn wait(not: &NotUntil<<DefaultClock as Clock>::Instant>, clock: &DefaultClock) -> RetryAfter {
    RetryAfter(not.wait_time_from(clock.now()))
}
