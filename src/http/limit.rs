//! How often somebody may do something: sockets and failed sign-ins by address, failed sign-ins by account,
//! messages and subscriptions by person.
//!
//! It knows numbers and keys, no requests. Invariant: its memory is bounded whatever is thrown at it, because the
//! keys that a stranger can choose are hashed into a fixed number of buckets, and [`Limiter::sweep`] drops those
//! that are full again.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{DashMapStateStore, ShrinkableKeyedStateStore};
use governor::{NotUntil, Quota, RateLimiter};

use crate::chat::{Limits, Name};

/// Buckets for keys that strangers choose, 2^18: at most 8 MiB a limit. The hash is seeded at random, so nobody can
/// aim at somebody else's bucket.
const STRANGERS: u64 = (1 << 18) - 1;
/// People have accounts, so their number is bounded already: no two share a bucket.
const PEOPLE: u64 = u64::MAX;

/// How long to wait before the same thing is allowed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter(pub Duration);

impl RetryAfter {
    /// Whole seconds, rounded up and at least one: the value of a `Retry-After` header (RFC 9110, section 10.2.3).
    pub fn seconds(self) -> u64 {
        (self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0)).max(1)
    }
}

/// Every rate limit of the edge.
pub struct Limiter {
    connects: Keyed,
    messages: Keyed,
    subscribes: Keyed,
    failures_by_address: Failures,
    failures_by_account: Failures,
}

impl Limiter {
    /// With the operator's numbers. A zero counts as one: nothing is switched off by accident.
    pub fn new(limits: &Limits) -> Self {
        let sign_ins = per(Duration::from_secs(60), limits.sign_ins_per_minute, limits.sign_ins_burst);
        let second = Duration::from_secs(1);
        Self {
            connects: Keyed::new(per(second, limits.connects_per_second, limits.connects_burst), STRANGERS),
            messages: Keyed::new(per(second, limits.messages_per_second, limits.messages_burst), PEOPLE),
            subscribes: Keyed::new(per(second, limits.subscriptions_per_second, limits.subscriptions_burst), PEOPLE),
            failures_by_address: Failures::new(sign_ins),
            failures_by_account: Failures::new(sign_ins),
        }
    }

    /// One more socket of this address.
    ///
    /// # Errors
    /// When it opened too many lately.
    pub fn connect(&self, address: IpAddr) -> Result<(), RetryAfter> {
        self.connects.spend(&network(address))
    }

    /// One more message of this person.
    ///
    /// # Errors
    /// When there were too many lately.
    pub fn message(&self, name: &Name) -> Result<(), RetryAfter> {
        self.messages.spend(name)
    }

    /// One more SUBSCRIBE of this person.
    ///
    /// # Errors
    /// When there were too many lately.
    pub fn subscribe(&self, name: &Name) -> Result<(), RetryAfter> {
        self.subscribes.spend(name)
    }

    /// Whether this address may try to sign in, as this account where the name can be one. Nothing is used up:
    /// only failures count, so that an office behind one address can come back all at once.
    ///
    /// # Errors
    /// When too many tries of the address, or on the account, failed lately.
    pub fn sign_in(&self, address: IpAddr, name: Option<&Name>) -> Result<(), RetryAfter> {
        self.failures_by_address.look(&network(address))?;
        name.map_or(Ok(()), |name| self.failures_by_account.look(&folded(name)))
    }

    /// A try to sign in has failed.
    pub fn sign_in_failed(&self, address: IpAddr, name: Option<&Name>) {
        self.failures_by_address.spend(&network(address));
        if let Some(name) = name {
            self.failures_by_account.spend(&folded(name));
        }
    }

    /// Forgets who has not been heard of long enough to have everything again. To be called every few seconds.
    pub fn sweep(&self) {
        for keyed in [&self.connects, &self.messages, &self.subscribes] {
            keyed.limiter.retain_recent();
            keyed.limiter.shrink_to_fit();
        }
        for failures in [&self.failures_by_address, &self.failures_by_account] {
            failures.spends.retain_recent();
            failures.spends.shrink_to_fit();
        }
    }
}

/// A limit where every try counts.
struct Keyed {
    limiter: RateLimiter<u64, DashMapStateStore<u64>, DefaultClock>,
    buckets: Buckets,
}

impl Keyed {
    fn new(quota: Quota, mask: u64) -> Self {
        Self { limiter: RateLimiter::dashmap(quota), buckets: Buckets::new(mask) }
    }

    fn spend(&self, key: &impl Hash) -> Result<(), RetryAfter> {
        self.limiter.check_key(&self.buckets.of(key)).map_err(|not| wait(&not, self.limiter.clock()))
    }
}

/// A limit where looking is free and only failures count: two views of the same state.
struct Failures {
    spends: RateLimiter<u64, Spend, DefaultClock>,
    looks: RateLimiter<u64, Look, DefaultClock>,
    buckets: Buckets,
}

impl Failures {
    fn new(quota: Quota) -> Self {
        let state = Arc::new(DashMapStateStore::default());
        // The view that looks is made first: its clock is a moment ahead, never behind what was spent.
        let looks = RateLimiter::new(quota, Look(Arc::clone(&state)), DefaultClock::default());
        let spends = RateLimiter::new(quota, Spend(state), DefaultClock::default());
        Self { spends, looks, buckets: Buckets::new(STRANGERS) }
    }

    fn look(&self, key: &impl Hash) -> Result<(), RetryAfter> {
        self.looks.check_key(&self.buckets.of(key)).map_err(|not| wait(&not, self.looks.clock()))
    }

    fn spend(&self, key: &impl Hash) {
        // Refused means used up already, which is all that a failure can do.
        let _used_up = self.spends.check_key(&self.buckets.of(key));
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
    fn new(mask: u64) -> Self {
        Self { seed: RandomState::new(), mask }
    }

    fn of(&self, key: &impl Hash) -> u64 {
        self.seed.hash_one(key) & self.mask
    }
}

/// What counts as one address, for every limit by address: an IPv4 address, or the /64 that one IPv6 customer has.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << 64)).into()),
        v4 => v4,
    }
}

/// Accounts are told apart without regard to letter case, so their failures are too.
fn folded(name: &Name) -> String {
    name.as_str().to_lowercase()
}

fn per(time: Duration, count: u32, burst: u32) -> Quota {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter {
        Limiter::new(&Limits {
            sign_ins_burst: 3,
            sign_ins_per_minute: 10,
            connects_burst: 2,
            connects_per_second: 1,
            messages_burst: 2,
            messages_per_second: 1,
            ..Limits::default()
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn right_passwords_are_free_and_a_burst_of_wrong_ones_is_not() {
        let (limiter, here, name) = (limiter(), address("192.0.2.1"), "a".parse::<Name>().unwrap());
        for _ in 0..100 {
            assert!(limiter.sign_in(here, Some(&name)).is_ok());
        }
        for _ in 0..3 {
            assert!(limiter.sign_in(here, Some(&name)).is_ok());
            limiter.sign_in_failed(here, Some(&name));
        }
        let retry = limiter.sign_in(here, Some(&name)).unwrap_err();
        assert!((1..=6).contains(&retry.seconds()), "{retry:?}");
        assert!(limiter.sign_in(here, None).is_err(), "the address is out of tries whatever the name");
    }

    #[test]
    fn an_account_is_guarded_against_many_addresses_in_any_letter_case() {
        let limiter = limiter();
        for n in 1..=3 {
            limiter.sign_in_failed(address(&format!("192.0.2.{n}")), Some(&"Happy".parse().unwrap()));
        }
        assert!(limiter.sign_in(address("192.0.2.9"), Some(&"hAPPY".parse().unwrap())).is_err());
        assert!(limiter.sign_in(address("192.0.2.9"), Some(&"other".parse().unwrap())).is_ok());
    }

    #[test]
    fn ipv6_counts_by_the_network_of_a_customer() {
        let limiter = limiter();
        assert!(limiter.connect(address("2001:db8::1")).is_ok());
        assert!(limiter.connect(address("2001:db8::2")).is_ok());
        assert!(limiter.connect(address("2001:db8::3")).is_err());
        assert!(limiter.connect(address("2001:db8:0:1::1")).is_ok());
        assert!(limiter.connect(address("::ffff:192.0.2.1")).is_ok());
        assert!(limiter.connect(address("192.0.2.1")).is_ok());
        assert!(limiter.connect(address("::ffff:192.0.2.1")).is_err());
    }

    #[test]
    fn the_messages_of_one_person_do_not_count_for_another() {
        let (limiter, a, b) = (limiter(), "a".parse().unwrap(), "b".parse().unwrap());
        assert!(limiter.message(&a).is_ok());
        assert!(limiter.message(&a).is_ok());
        assert!(limiter.message(&a).is_err());
        assert!(limiter.message(&b).is_ok());
        assert!(limiter.subscribe(&a).is_ok());
    }

    #[tokio::test]
    async fn a_sweep_forgets_who_is_owed_nothing_and_looking_leaves_no_trace() {
        let limiter = Limiter::new(&Limits { sign_ins_per_minute: 60_000, ..Limits::default() });
        limiter.sign_in(address("192.0.2.1"), None).unwrap();
        assert!(limiter.failures_by_address.spends.is_empty());
        limiter.sign_in_failed(address("192.0.2.1"), None);
        assert_eq!(limiter.failures_by_address.spends.len(), 1);
        tokio::time::sleep(Duration::from_millis(20)).await;
        limiter.sweep();
        assert!(limiter.failures_by_address.spends.is_empty());
    }

    #[test]
    fn the_buckets_of_strangers_are_bounded() {
        let limiter = limiter();
        for n in 0..u32::try_from(STRANGERS).unwrap() + 50_000 {
            let _ = limiter.connect(IpAddr::V4(n.into()));
        }
        assert!(limiter.connects.limiter.len() <= usize::try_from(STRANGERS).unwrap() + 1);
    }

    #[test]
    fn zero_limits_allow_one_at_a_time_rather_than_panic() {
        let limits = Limits { messages_per_second: 0, messages_burst: 0, ..Limits::default() };
        assert!(Limiter::new(&limits).message(&"a".parse().unwrap()).is_ok());
    }

    #[test]
    fn retry_after_is_rounded_up() {
        assert_eq!(RetryAfter(Duration::ZERO).seconds(), 1);
        assert_eq!(RetryAfter(Duration::from_millis(1_200)).seconds(), 2);
    }
}
