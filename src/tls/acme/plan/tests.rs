//! What the plan promises, with a clock of its own.

use proptest::prelude::*;

use super::*;

const BOTH: &[Way] = &[Way::Http, Way::TlsAlpn];
const HOUR_MS: i64 = 60 * MINUTE_MS;
const MILLENNIUM_MS: i64 = 1_000 * 366 * DAY_MS;

fn plan() -> Plan {
    Plan::default().about("https://ca.example/dir", &["chat.example".into()])
}

fn record(way: Way) -> OrderRecord {
    OrderRecord { url: "https://ca.example/order/1".into(), key_pem: "KEY".into(), way, taken_up: 0 }
}

#[test]
fn waits_grow_from_a_minute_to_six_hours_and_no_further() {
    let (mut plan, mut now, mut waits) = (plan(), 0, Vec::new());
    for _ in 0..7 {
        plan.begin(now);
        plan.fail(now, "no", Fate::Dead, None, BOTH);
        waits.push((plan.due(now) - now) / MINUTE_MS);
        now = plan.due(now);
    }
    assert_eq!(waits, [1, 5, 30, 120, 360, 360, 360]);
}

#[test]
fn a_process_that_dies_in_an_attempt_has_to_wait() {
    let mut plan = plan();
    plan.begin(0);
    let kept = serde_json::to_string(&plan).unwrap();
    let mut plan: Plan = serde_json::from_str(&kept).unwrap();
    assert_eq!(plan.due(1_000), MINUTE_MS);
    assert_eq!(plan.last_failure(), "the last attempt was broken off");
}

#[test]
fn an_authority_that_asks_for_more_time_gets_it_within_reason() {
    let mut plan = plan();
    plan.begin(0);
    plan.fail(0, "no", Fate::Open, Some(3 * HOUR_MS), BOTH);
    assert_eq!(plan.due(0), 3 * HOUR_MS);
    plan.fail(0, "no", Fate::Open, Some(1_000), BOTH);
    assert_eq!(plan.due(0), MINUTE_MS, "less time than ours is no reason to hurry");
    plan.fail(0, "no", Fate::Open, Some(400 * DAY_MS), BOTH);
    assert_eq!(plan.due(0), 7 * DAY_MS);
}

#[test]
fn a_clock_that_is_set_back_does_not_make_the_wait_longer() {
    let mut plan = plan();
    plan.begin(1_000 * DAY_MS);
    assert_eq!(plan.due(5 * MINUTE_MS), 6 * MINUTE_MS);
    assert_eq!(plan.due(6 * MINUTE_MS), 6 * MINUTE_MS, "and it ends");
}

#[test]
fn who_has_mended_something_waits_no_longer_but_once_an_hour() {
    let mut plan = plan();
    for _ in 0..5 {
        plan.begin(0);
    }
    let later = plan.due(1_000);
    assert!(plan.hurry(1_000) && plan.due(1_000) == 1_000);
    plan.begin(1_000);
    assert!(!plan.hurry(2_000) && plan.due(2_000) > later, "that one failed, too");
    assert!(plan.hurry(1_000 + HURRY_MS));
    plan.begin(10 * HURRY_MS);
    plan.fail(10 * HURRY_MS, "too many", Fate::Dead, Some(100 * HURRY_MS), &[Way::Http]);
    assert!(!plan.hurry(20 * HURRY_MS), "the authority itself asked for the wait");
}

#[test]
fn the_other_way_is_tried_at_once_and_only_once() {
    let mut plan = plan();
    plan.begin(0);
    assert_eq!(plan.way(BOTH), Way::Http);
    plan.ordered(record(Way::Http));
    plan.fail(0, "no", Fate::Unproven, None, BOTH);
    assert!(plan.order().is_none());
    assert!(plan.fall_over(0, Fate::Unproven, BOTH));
    assert_eq!(plan.way(BOTH), Way::TlsAlpn);
    plan.ordered(record(Way::TlsAlpn));
    plan.fail(0, "no", Fate::Unproven, None, BOTH);
    assert!(!plan.fall_over(0, Fate::Unproven, BOTH));
    assert_eq!((plan.way(BOTH), plan.due(0)), (Way::Http, MINUTE_MS), "and then by turns");
}

#[test]
fn where_there_is_one_way_it_is_gone_and_nothing_falls_over() {
    let one = &[Way::TlsAlpn];
    let mut plan = plan();
    plan.begin(0);
    plan.ordered(record(Way::TlsAlpn));
    plan.fail(0, "no", Fate::Unproven, None, one);
    assert!(!plan.fall_over(0, Fate::Unproven, one));
    assert_eq!(plan.way(one), Way::TlsAlpn);
}

#[test]
fn what_worked_is_what_a_renewal_begins_with() {
    let mut plan = plan();
    plan.begin(0);
    plan.ordered(record(Way::TlsAlpn));
    plan.succeed();
    assert!(plan.is_clear() && plan.due(0) <= 0);
    assert_eq!(plan.way(BOTH), Way::TlsAlpn);
    let plan = plan.about("https://ca.example/dir", &["other.example".into()]);
    assert_eq!(plan.way(BOTH), Way::TlsAlpn);
}

#[test]
fn an_order_that_never_ends_is_given_up() {
    let mut plan = plan();
    plan.begin(0);
    plan.ordered(record(Way::Http));
    let mut times = 0;
    while plan.order().is_some() {
        plan.fail(0, "slow", Fate::Open, None, BOTH);
        plan.begin(0);
        times += 1;
    }
    assert_eq!(times, 6);
}

#[test]
fn only_an_attempt_that_was_broken_off_is_taken_up_without_a_wait() {
    let mut plan = plan();
    plan.begin(0);
    plan.ordered(record(Way::Http));
    assert!(plan.resume(), "the process died in it");
    plan.fail(0, "come back in two hours", Fate::Open, Some(7_200_000), BOTH);
    assert!(plan.order().is_some() && !plan.resume() && plan.due(1) == 7_200_000, "it has its wait");
    plan.begin(7_200_000);
    let resumed = std::iter::repeat_with(|| plan.resume()).take_while(|resumes| *resumes).count();
    assert!(resumed < 5 && plan.order().is_none(), "a process that dies of it does not do so for ever");
}

#[test]
fn other_names_are_another_plan() {
    let mut plan = plan();
    plan.begin(0);
    assert!(!plan.clone().about("https://ca.example/dir", &["chat.example".into()]).is_clear());
    assert!(plan.clone().about("https://ca.example/dir", &["b.example".into()]).is_clear());
    let (two, turned) = (["a.example".to_owned(), "b.example".into()], ["b.example".to_owned(), "a.example".into()]);
    assert_eq!(Plan::default().about("x", &two), Plan::default().about("x", &turned));
    assert!(plan.about("https://other.example/dir", &["chat.example".into()]).is_clear());
}

#[test]
fn the_key_of_an_order_is_not_shown() {
    let mut plan = plan();
    plan.ordered(record(Way::Http));
    assert!(!format!("{plan:?}").contains("KEY"));
}

#[test]
fn a_renewal_is_at_two_thirds_whatever_the_lifetime() {
    for lifetime in [90 * DAY_MS, 45 * DAY_MS, 6 * DAY_MS, MINUTE_MS] {
        assert_eq!(renewal(0, lifetime, [0; 32]), lifetime / 3 * 2);
        assert_eq!(renewal(0, lifetime, [255; 32]), lifetime / 3 * 2 + lifetime / 30);
    }
}

proptest! {
    #[test]
    fn a_renewal_is_always_within_its_third(begin in 0..MILLENNIUM_MS, lifetime in 1_000..MILLENNIUM_MS, print: [u8; 32]) {
        let at = renewal(begin, begin + lifetime, print);
        prop_assert!(at >= begin + lifetime / 3 * 2 && at <= begin + lifetime * 7 / 10 + 1_000, "{at}");
        prop_assert_eq!(at, renewal(begin, begin + lifetime, print));
    }

    /// A process that is killed at any step, and a clock that jumps as it likes within a day's work: never more than
    /// one order for each wait that has passed, and one for falling over.
    #[test]
    fn restarts_cannot_spend_the_limits(steps in proptest::collection::vec((0..120_000_i64, any::<bool>(), 0..3_usize), 1..300)) {
        let (mut plan, mut now, mut orders, mut talks, mut waited) = (plan(), 0, 0, 0, 1);
        for (passed, killed, fate) in steps {
            now += passed;
            // Each step is a restart: what is known is what was kept.
            plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
            if !plan.resume() {
                if plan.due(now) > now {
                    continue;
                }
                waited += i32::from(!plan.is_clear());
                plan.begin(now);
                if plan.order().is_none() {
                    orders += 1;
                    plan.ordered(record(plan.way(BOTH)));
                }
            }
            talks += 1;
            if killed {
                continue;
            }
            let fate = [Fate::Open, Fate::Dead, Fate::Unproven][fate];
            plan.fail(now, "no", fate, None, BOTH);
            if plan.fall_over(now, fate, BOTH) {
                orders += 1;
                plan.ordered(record(plan.way(BOTH)));
            }
        }
        prop_assert!(orders <= waited + 1, "{orders} orders in {waited} waits");
        let talks_max = (orders + waited) * (i32::try_from(TAKEN_UP_MAX).unwrap() + 1);
        prop_assert!(talks <= talks_max, "{talks} attempts with {orders} orders in {waited} waits");
    }
}
