//! How often somebody may do something: sockets, sign-ins, sign-ups and requests by address; sign-ins by account;
//! messages, subscriptions, requests and new rooms by person.
//!
//! It knows numbers and keys, no requests. Invariants: its memory is bounded whatever is thrown at it, because the
//! keys that a stranger can choose are hashed into a fixed number of buckets, and [`Limiter::sweep`] drops those
//! that are full again; and nothing that one address does keeps a person out at another.

use std::net::IpAddr;
use std::time::Duration;

pub use super::quota::RetryAfter;
use super::quota::{Keyed, PEOPLE, Results, STRANGERS, per};
use crate::chat::{Limits, Name};

/// Every rate limit of the edge.
pub struct Limiter {
    connects: Keyed,
    messages: Keyed,
    subscribes: Keyed,
    rooms: Keyed,
    requests: Keyed,
    requests_by_address: Keyed,
    sign_ins_by_address: Keyed,
    sign_ins_by_account: Results,
    failures: Results,
    failures_by_address: Results,
    failures_by_account: Results,
    accounts_by_address: Results,
}

/// A limit that is reached: its name, and when there is room again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The key of the configuration that sets it.
    pub limit: &'static str,
    /// When to come back.
    pub after: RetryAfter,
}

impl Limiter {
    /// With the operator's numbers. A zero counts as one: nothing is switched off by accident.
    pub fn new(limits: &Limits) -> Self {
        let second = |count, burst| per(Duration::from_secs(1), count, burst);
        let minute = |count, burst| per(Duration::from_secs(60), count, burst);
        let hour = |count, burst| per(Duration::from_secs(60 * 60), count, burst);
        let l = limits;
        let requests_there = second(l.address_requests_per_second, l.address_requests_burst);
        let sign_ins_there = minute(l.address_sign_ins_per_minute, l.address_sign_ins_burst);
        let failed_there = minute(l.address_failed_sign_ins_per_minute, l.address_failed_sign_ins_burst);
        let failed_anywhere = minute(l.account_failed_sign_ins_per_minute, l.account_failed_sign_ins_burst);
        Self {
            connects: Keyed::new(second(l.connects_per_second, l.connects_burst), STRANGERS),
            messages: Keyed::new(second(l.messages_per_second, l.messages_burst), PEOPLE),
            subscribes: Keyed::new(second(l.subscriptions_per_second, l.subscriptions_burst), PEOPLE),
            rooms: Keyed::new(hour(l.rooms_per_hour, l.rooms_burst), PEOPLE),
            requests: Keyed::new(second(l.requests_per_second, l.requests_burst), PEOPLE),
            requests_by_address: Keyed::new(requests_there, STRANGERS),
            sign_ins_by_address: Keyed::new(sign_ins_there, STRANGERS),
            sign_ins_by_account: Results::new(minute(l.account_sign_ins_per_minute, l.account_sign_ins_burst)),
            failures: Results::new(minute(l.failed_sign_ins_per_minute, l.failed_sign_ins_burst)),
            failures_by_address: Results::new(failed_there),
            failures_by_account: Results::new(failed_anywhere),
            accounts_by_address: Results::new(hour(l.accounts_per_hour, l.accounts_burst)),
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

    /// One more room that this person makes.
    ///
    /// # Errors
    /// When there were too many lately.
    pub fn room(&self, name: &Name) -> Result<(), Reached> {
        self.rooms.spend(name).map_err(reached("limits.rooms_per_hour"))
    }

    /// One more request of this address with something to look up.
    ///
    /// # Errors
    /// When there were too many lately.
    pub fn request_from(&self, address: IpAddr) -> Result<(), Reached> {
        let spent = self.requests_by_address.spend(&network(address));
        spent.map_err(reached("limits.address_requests_per_second"))
    }

    /// One more request of this person.
    ///
    /// # Errors
    /// When there were too many lately.
    pub fn request(&self, name: &Name) -> Result<(), Reached> {
        self.requests.spend(name).map_err(reached("limits.requests_per_second"))
    }

    /// One more password of this address to look at, right or wrong.
    ///
    /// # Errors
    /// When there were too many lately.
    pub fn sign_in_from(&self, address: IpAddr) -> Result<(), Reached> {
        let spent = self.sign_ins_by_address.spend(&network(address));
        spent.map_err(reached("limits.address_sign_ins_per_minute"))
    }

    /// Whether this address may try to sign in, as this account where the name can be one. Nothing is used up: what
    /// counts is what comes of it.
    ///
    /// # Errors
    /// When too many tries of the address, or on the account, failed lately, or the account signed in too often.
    pub fn sign_in(&self, address: IpAddr, name: Option<&Name>) -> Result<(), Reached> {
        let there = network(address);
        let by_address = self.failures_by_address.look(&there);
        by_address.map_err(reached("limits.address_failed_sign_ins_per_minute"))?;
        let Some(name) = name.map(folded) else { return Ok(()) };
        self.failures.look(&(&name, there)).map_err(reached("limits.failed_sign_ins_per_minute"))?;
        let by_account = self.failures_by_account.look(&name);
        by_account.map_err(reached("limits.account_failed_sign_ins_per_minute"))?;
        self.sign_ins_by_account.look(&name).map_err(reached("limits.account_sign_ins_per_minute"))
    }

    /// A try to sign in has failed.
    pub fn sign_in_failed(&self, address: IpAddr, name: Option<&Name>) {
        let there = network(address);
        self.failures_by_address.count(&there);
        if let Some(name) = name.map(folded) {
            self.failures.count(&(&name, there));
            self.failures_by_account.count(&name);
        }
    }

    /// A try to sign in had the right password.
    pub fn signed_in(&self, name: &Name) {
        self.sign_ins_by_account.count(&folded(name));
    }

    /// Whether this address may make one more account by open sign-up. Nothing is used up: a name that is taken, or
    /// a password that is too short, makes none.
    ///
    /// # Errors
    /// When it made too many lately.
    pub fn sign_up(&self, address: IpAddr) -> Result<(), Reached> {
        self.accounts_by_address.look(&network(address)).map_err(reached("limits.accounts_per_hour"))
    }

    /// An account was made by open sign-up.
    pub fn signed_up(&self, address: IpAddr) {
        self.accounts_by_address.count(&network(address));
    }

    /// Forgets who has not been heard of long enough to have everything again. To be called every few seconds.
    pub fn sweep(&self) {
        for keyed in [
            &self.connects,
            &self.messages,
            &self.subscribes,
            &self.rooms,
            &self.requests,
            &self.requests_by_address,
            &self.sign_ins_by_address,
        ] {
            keyed.sweep();
        }
        for results in [
            &self.sign_ins_by_account,
            &self.failures,
            &self.failures_by_address,
            &self.failures_by_account,
            &self.accounts_by_address,
        ] {
            results.sweep();
        }
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

fn reached(limit: &'static str) -> impl Fn(RetryAfter) -> Reached {
    move |after| Reached { limit, after }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter {
        Limiter::new(&Limits {
            failed_sign_ins_burst: 3,
            failed_sign_ins_per_minute: 10,
            address_failed_sign_ins_burst: 5,
            address_failed_sign_ins_per_minute: 10,
            account_failed_sign_ins_burst: 12,
            account_failed_sign_ins_per_minute: 10,
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

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    /// The limit that keeps from signing in.
    fn kept(limiter: &Limiter, from: &str, as_whom: Option<&str>) -> Option<&'static str> {
        limiter.sign_in(address(from), as_whom.map(name).as_ref()).err().map(|reached| reached.limit)
    }

    #[test]
    fn asking_is_free_and_a_burst_of_wrong_passwords_is_not() {
        let (limiter, here) = (limiter(), address("192.0.2.1"));
        for _ in 0..100 {
            assert_eq!(kept(&limiter, "192.0.2.1", Some("a")), None);
        }
        for _ in 0..3 {
            assert_eq!(kept(&limiter, "192.0.2.1", Some("a")), None);
            limiter.sign_in_failed(here, Some(&name("a")));
        }
        let reached = limiter.sign_in(here, Some(&name("A"))).unwrap_err();
        assert_eq!(reached.limit, "limits.failed_sign_ins_per_minute");
        assert!((1..=6).contains(&reached.after.seconds()), "{reached:?}");
        assert_eq!(kept(&limiter, "192.0.2.1", Some("b")), None, "others of the office may");
        for _ in 0..2 {
            limiter.sign_in_failed(here, None);
        }
        for whoever in [Some("b"), None] {
            assert_eq!(kept(&limiter, "192.0.2.1", whoever), Some("limits.address_failed_sign_ins_per_minute"));
        }
    }

    #[test]
    fn one_address_cannot_keep_a_person_out_anywhere_else() {
        let limiter = limiter();
        for _ in 0..100 {
            if kept(&limiter, "192.0.2.1", Some("Happy")).is_none() {
                limiter.sign_in_failed(address("192.0.2.1"), Some(&name("Happy")));
            }
        }
        assert!(kept(&limiter, "192.0.2.1", Some("happy")).is_some());
        assert_eq!(kept(&limiter, "192.0.2.2", Some("happy")), None);
    }

    #[test]
    fn an_account_is_guarded_against_many_addresses_in_any_letter_case() {
        let limiter = limiter();
        for n in 1..=12 {
            assert_eq!(kept(&limiter, "192.0.2.99", Some("hAPPY")), None, "{n}");
            limiter.sign_in_failed(address(&format!("192.0.2.{n}")), Some(&name("Happy")));
        }
        let limit = Some("limits.account_failed_sign_ins_per_minute");
        assert_eq!(kept(&limiter, "192.0.2.99", Some("hAPPY")), limit);
        assert_eq!(kept(&limiter, "192.0.2.99", Some("other")), None);
    }

    #[test]
    fn right_passwords_count_for_their_account_and_all_for_the_address() {
        let limiter = Limiter::new(&Limits {
            account_sign_ins_burst: 2,
            address_sign_ins_per_minute: 1,
            address_sign_ins_burst: 3,
            ..Limits::default()
        });
        for _ in 0..2 {
            assert_eq!(kept(&limiter, "192.0.2.1", Some("a")), None);
            limiter.signed_in(&name("a"));
        }
        assert_eq!(kept(&limiter, "192.0.2.2", Some("A")), Some("limits.account_sign_ins_per_minute"));
        assert_eq!(kept(&limiter, "192.0.2.2", Some("b")), None);
        for _ in 0..3 {
            assert!(limiter.sign_in_from(address("192.0.2.1")).is_ok());
        }
        let reached = limiter.sign_in_from(address("192.0.2.1")).unwrap_err();
        assert_eq!(reached.limit, "limits.address_sign_ins_per_minute");
        assert!(limiter.sign_in_from(address("192.0.2.2")).is_ok());
    }

    #[test]
    fn rooms_requests_and_accounts_each_have_a_limit_of_their_own() {
        let limiter = Limiter::new(&Limits {
            rooms_burst: 2,
            requests_per_second: 1,
            requests_burst: 2,
            address_requests_per_second: 1,
            address_requests_burst: 2,
            accounts_burst: 2,
            ..Limits::default()
        });
        let (here, a) = (address("2001:db8::1"), name("a"));
        for _ in 0..2 {
            assert!(limiter.room(&a).is_ok() && limiter.request(&a).is_ok());
            assert!(limiter.request_from(here).is_ok() && limiter.sign_up(here).is_ok());
            limiter.signed_up(here);
        }
        let neighbour = address("2001:db8::2");
        let told = [limiter.room(&a), limiter.request(&a), limiter.request_from(neighbour), limiter.sign_up(neighbour)];
        assert_eq!(
            told.map(|told| told.unwrap_err().limit),
            [
                "limits.rooms_per_hour",
                "limits.requests_per_second",
                "limits.address_requests_per_second",
                "limits.accounts_per_hour"
            ]
        );
        let seconds = limiter.room(&a).unwrap_err().after.seconds();
        assert!((350..=360).contains(&seconds), "ten an hour is one in six minutes, not {seconds} s");
        let (elsewhere, b) = (address("2001:db8:0:1::1"), name("b"));
        assert!(limiter.room(&b).is_ok() && limiter.request(&b).is_ok());
        assert!(limiter.request_from(elsewhere).is_ok() && limiter.sign_up(elsewhere).is_ok());
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
        let limiter = Limiter::new(&Limits { address_failed_sign_ins_per_minute: 60_000, ..Limits::default() });
        limiter.sign_in(address("192.0.2.1"), None).unwrap();
        assert!(limiter.failures_by_address.len() == 0);
        limiter.sign_in_failed(address("192.0.2.1"), None);
        assert_eq!(limiter.failures_by_address.len(), 1);
        tokio::time::sleep(Duration::from_millis(20)).await;
        limiter.sweep();
        assert!(limiter.failures_by_address.len() == 0);
    }

    #[test]
    fn the_buckets_of_strangers_are_bounded() {
        let limiter = limiter();
        for n in 0..u32::try_from(STRANGERS).unwrap() + 50_000 {
            let _ = limiter.connect(IpAddr::V4(n.into()));
        }
        assert!(limiter.connects.len() <= usize::try_from(STRANGERS).unwrap() + 1);
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
