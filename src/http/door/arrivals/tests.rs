use std::sync::atomic::AtomicUsize;
use std::task::{Wake, Waker};

use proptest::prelude::*;

use super::*;

fn arrivals(max: usize, per_address_max: usize, coming_max: usize) -> Arc<Arrivals> {
    Arc::new(Arrivals {
        state: Mutex::default(),
        max,
        max_is: "limits.connections_max",
        per_address_max,
        coming_max,
        tickets: AtomicU64::new(0),
    })
}

fn host(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, last]))
}

fn arrive(arrivals: &Arc<Arrivals>, address: Option<IpAddr>) -> Seat {
    arrivals.arrive(arrivals.ticket(), address).map(|(seat, _)| seat).unwrap()
}

fn enter(seat: &Seat) {
    seat.arrivals.enter(&seat.gate);
}

fn is_closed(seat: &Seat) -> bool {
    seat.gate.is_closed(&Context::from_waker(Waker::noop()))
}

/// Which of them had to make room.
fn closed<const N: usize>(seats: [&Seat; N]) -> [bool; N] {
    seats.map(is_closed)
}

#[test]
fn the_oldest_on_its_way_in_makes_room() {
    let arrivals = arrivals(100, 100, 2);
    let (first, second) = (arrive(&arrivals, host(1)), arrive(&arrivals, host(2)));
    let third = arrive(&arrivals, host(3));
    assert_eq!(closed([&first, &second, &third]), [true, false, false]);
    let fourth = arrive(&arrivals, host(4));
    assert_eq!(closed([&first, &second, &third, &fourth]), [true, true, false, false]);
}

#[test]
fn who_was_accepted_first_is_the_oldest_whenever_it_is_looked_at() {
    let arrivals = arrivals(100, 2, 100);
    let (old, next) = (arrivals.ticket(), arrivals.ticket());
    let young = arrive(&arrivals, host(1));
    let (second, _) = arrivals.arrive(next, host(1)).unwrap();
    let (first, _) = arrivals.arrive(old, host(1)).unwrap();
    assert_eq!(closed([&young, &second, &first]), [false, true, false]);
}

#[test]
fn who_is_in_never_makes_room() {
    let arrivals = arrivals(2, 100, 100);
    let (first, second) = (arrive(&arrivals, host(1)), arrive(&arrivals, host(2)));
    enter(&first);
    let third = arrive(&arrivals, host(3));
    assert_eq!(closed([&first, &second, &third]), [false, true, false]);
    enter(&third);
    assert_eq!(arrivals.arrive(arrivals.ticket(), host(4)).err(), Some("limits.connections_max"));
    drop(first);
    assert!(arrivals.arrive(arrivals.ticket(), host(4)).is_ok());
}

#[test]
fn of_a_full_address_one_of_its_own_makes_room() {
    let arrivals = arrivals(100, 2, 100);
    let neighbour = arrive(&arrivals, host(9));
    let (first, second) = (arrive(&arrivals, host(1)), arrive(&arrivals, host(1)));
    enter(&first);
    let third = arrive(&arrivals, host(1));
    assert_eq!(closed([&neighbour, &first, &second, &third]), [false, false, true, false]);
    enter(&third);
    assert_eq!(arrivals.arrive(arrivals.ticket(), host(1)).err(), Some("limits.connections_per_address_max"));
    assert!(!is_closed(&neighbour), "others are none of its business");
    let _another = arrive(&arrivals, host(2));
}

#[test]
fn who_does_not_count_for_an_address_counts_in_all() {
    let arrivals = arrivals(3, 1, 100);
    let all: Vec<Seat> = (0..3).map(|_| arrive(&arrivals, None)).collect();
    assert!(all.iter().all(|seat| !is_closed(seat)));
    let _fourth = arrive(&arrivals, None);
    assert!(is_closed(&all[0]) && !is_closed(&all[1]));
}

#[test]
fn who_a_proxy_speaks_for_counts_from_then_on() {
    let arrivals = arrivals(100, 1, 100);
    let (mut first, mut second, mut third) =
        (arrive(&arrivals, None), arrive(&arrivals, None), arrive(&arrivals, None));
    assert_eq!(first.belong_to(host(1).unwrap()), Ok(false));
    assert_eq!(second.belong_to(host(1).unwrap()), Ok(true));
    assert_eq!(closed([&first, &second, &third]), [true, false, false]);
    enter(&second);
    assert_eq!(third.belong_to(host(1).unwrap()), Err("limits.connections_per_address_max"));
    assert_eq!(third.belong_to(host(2).unwrap()), Ok(false));
    drop((first, second, third));
    let state = arrivals.state.lock();
    assert!(state.open == 0 && state.by_address.is_empty() && state.coming.is_empty());
}

#[test]
fn who_is_not_wanted_is_closed_unless_it_came_in() {
    let arrivals = arrivals(100, 100, 100);
    let (first, second) = (arrive(&arrivals, host(1)), arrive(&arrivals, host(1)));
    enter(&first);
    arrivals.turn_away(&first.gate);
    arrivals.turn_away(&second.gate);
    assert_eq!(closed([&first, &second]), [false, true]);
    drop((first, second));
    assert_eq!(arrivals.state.lock().open, 0);
}

#[test]
fn there_are_never_more_connections_than_files() {
    let limits = Limits { connections_max: 1_000, ..Limits::default() };
    let max = |files| {
        let arrivals = Arrivals::new(&limits, files);
        (arrivals.max, arrivals.max_is)
    };
    assert_eq!(max(100_000), (2_024, "limits.connections_max"));
    assert_eq!(max(2_280), (2_024, "limits.connections_max"));
    assert_eq!(max(2_000), (1_744, "the limit of open files"));
    assert_eq!(max(256).0, 192, "few files are still some connections");
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let arrivals = arrivals(100, 1, 100);
    let first = arrive(&arrivals, Some("2001:db8::1".parse().unwrap()));
    let _second = arrive(&arrivals, Some("2001:db8::2".parse().unwrap()));
    let _neighbour = arrive(&arrivals, Some("2001:db8:0:1::1".parse().unwrap()));
    assert!(is_closed(&first));
}

#[test]
fn who_waits_is_woken_to_make_room_and_who_is_in_holds_no_waker() {
    struct Bell(AtomicUsize);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let arrivals = arrivals(100, 100, 1);
    let bell = Arc::new(Bell(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&bell));
    let first = arrive(&arrivals, None);
    assert!(!first.gate.is_closed(&Context::from_waker(&waker)));
    let second = arrive(&arrivals, None);
    assert_eq!(bell.0.load(Ordering::Relaxed), 1);
    assert!(first.gate.is_closed(&Context::from_waker(&waker)));

    assert!(!second.gate.is_closed(&Context::from_waker(&waker)));
    drop((first, waker));
    assert_eq!(Arc::strong_count(&bell), 2, "the second one waits");
    enter(&second);
    assert!(second.gate.is_in());
    assert_eq!(Arc::strong_count(&bell), 1, "the memory of the task that waited is free");
}

/// One thing that happens; the number picks one of the connections that are there.
#[derive(Clone, Debug)]
enum Step {
    Arrive(Option<u8>),
    BelongTo(usize, u8),
    Enter(usize),
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::option::weighted(0.8, 0..3_u8).prop_map(Step::Arrive),
        1 => (any::<usize>(), 0..3_u8).prop_map(|(at, host)| Step::BelongTo(at, host)),
        2 => any::<usize>().prop_map(Step::Enter),
        2 => any::<usize>().prop_map(Step::Leave),
    ]
}

/// What one connection should be: the model is a list of them in order of age.
struct Held {
    seat: Seat,
    host: Option<IpAddr>,
    state: u8,
}

/// Closes the oldest that is on its way in and that `of` picks, in the model. Answers whether there was one.
fn close_oldest(held: &mut [Held], of: impl Fn(&Held) -> bool) -> bool {
    let oldest = held.iter_mut().find(|one| one.state == COMING && of(one));
    oldest.is_some_and(|one| {
        one.state = CLOSED;
        true
    })
}

fn count(held: &[Held], of: impl Fn(&Held) -> bool) -> usize {
    held.iter().filter(|one| one.state != CLOSED && of(one)).count()
}

proptest! {
    #[test]
    fn whatever_happens_the_books_are_those_of_a_simple_list(
        steps in prop::collection::vec(step(), 1..200),
        max in 1..8_usize,
        per_address_max in 1..5_usize,
        coming_max in 1..6_usize,
    ) {
        let arrivals = arrivals(max, per_address_max, coming_max);
        let mut held: Vec<Held> = Vec::new();
        for step in steps {
            match step {
                Step::Arrive(host_number) => {
                    let host = host_number.and_then(host);
                    let of_host = |one: &Held| host.is_some() && one.host == host;
                    let fits = if host.is_some() && count(&held, of_host) >= per_address_max {
                        close_oldest(&mut held, of_host)
                    } else if count(&held, |_| true) >= max || count(&held, |one| one.state == COMING) >= coming_max {
                        close_oldest(&mut held, |_| true)
                    } else {
                        true
                    };
                    match arrivals.arrive(arrivals.ticket(), host) {
                        Ok((seat, _)) => {
                            prop_assert!(fits);
                            held.push(Held { seat, host, state: COMING });
                        }
                        Err(_) => prop_assert!(!fits),
                    }
                }
                Step::BelongTo(at, host_number) if !held.is_empty() => {
                    let at = at % held.len();
                    let address = host(host_number);
                    if held[at].state == COMING && held[at].host.is_none() {
                        let of_host = |one: &Held| one.host == address;
                        let fits = count(&held, of_host) < per_address_max || close_oldest(&mut held, of_host);
                        prop_assert_eq!(held[at].seat.belong_to(address.unwrap()).is_ok(), fits);
                        if fits {
                            held[at].host = address;
                        }
                    } else {
                        prop_assert_eq!(held[at].seat.belong_to(address.unwrap()), Ok(false));
                    }
                }
                Step::Enter(at) if !held.is_empty() => {
                    let at = at % held.len();
                    enter(&held[at].seat);
                    if held[at].state == COMING {
                        held[at].state = IN;
                    }
                }
                Step::Leave(at) if !held.is_empty() => {
                    let at = at % held.len();
                    held.remove(at);
                }
                _ => {}
            }
            for one in &held {
                prop_assert_eq!(one.seat.gate.state.load(Ordering::Relaxed), one.state);
            }
            let state = arrivals.state.lock();
            prop_assert_eq!(state.open, count(&held, |_| true));
            prop_assert_eq!(state.coming.len(), count(&held, |one| one.state == COMING));
            prop_assert!(state.open <= max && state.coming.len() <= coming_max);
            let hosts: BTreeSet<_> = held.iter().filter(|one| one.state != CLOSED).filter_map(|one| one.host).collect();
            prop_assert_eq!(state.by_address.keys().copied().collect::<BTreeSet<_>>(), hosts);
            for (address, of_address) in &state.by_address {
                prop_assert_eq!(of_address.open, count(&held, |one| one.host == Some(*address)));
                prop_assert!(of_address.open <= per_address_max);
                let coming = count(&held, |one| one.host == Some(*address) && one.state == COMING);
                prop_assert_eq!(of_address.coming.len(), coming);
            }
        }
        held.clear();
        let state = arrivals.state.lock();
        prop_assert!(state.open == 0 && state.by_address.is_empty() && state.coming.is_empty());
    }
}
