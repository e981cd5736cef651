//! Many subscribers over sockets that take a little, or nothing, or break: whatever happens, each subscription sees
//! offsets that rise by one, from where it asked to begin to where it left; in a room without a history, entries and gaps
//! that are told make that row together.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use proptest::prelude::*;

use super::super::*;
use super::bench::Bench;
use super::socket::{Dice, Took, Whimsical, offsets_until};
use crate::store::settled;

fn run(seed: u64, history: History) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut dice = Dice(seed);
        // Rings of a few entries and portions of a few hundred bytes: everybody falls behind all the time.
        let limits = Limits {
            ring_entries_max: usize::try_from(dice.roll(8)).unwrap() + 1,
            catch_up_bytes_max: usize::try_from(dice.roll(2_000)).unwrap() + 1,
            ..Limits::default()
        };
        let bench = Arc::new(Bench::with(&limits, history).await);
        let (end, until) = tokio::sync::watch::channel(0);
        let mut people = Vec::new();
        let mut last = 0;
        for n in 0..12 {
            let subscriber =
                Arc::clone(&bench).subscriber(format!("p{}", n % 8), Dice(dice.roll(1 << 31)), until.clone());
            people.push(tokio::spawn(subscriber));
            for _ in 0..dice.roll(30) {
                last = bench.say("speaker", "hello").await;
            }
        }
        while bench.crowd.lock().len() < people.len() {
            tokio::task::yield_now().await;
        }
        for _ in 0..50 {
            for _ in 0..dice.roll(4) {
                bench.say("speaker", "hello").await;
            }
            last = last.max(bench.say("speaker", "anybody missing?").await);
            bench.all_have_seen(last).await;
        }
        end.send(last).unwrap();
        for person in people {
            person.await.unwrap();
        }
        bench.store.close().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn each_subscription_sees_offsets_rise_by_one_whatever_its_socket_takes(seed in any::<u64>()) {
        run(seed, History::On);
    }

    #[test]
    fn in_a_room_without_a_history_each_subscription_sees_or_is_told_of_every_offset_once(seed in any::<u64>()) {
        run(seed, History::Off);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_large_room_is_served_by_several_tasks_and_nobody_misses_anything() {
    let bench = Arc::new(Bench::new(&Limits::default()).await);
    let (end, until) = tokio::sync::watch::channel(0);
    let people: Vec<_> = (0..600)
        .map(|n| tokio::spawn(Arc::clone(&bench).subscriber(format!("p{}", n % 5), Dice(n), until.clone())))
        .collect();
    while bench.crowd.lock().len() < people.len() {
        bench.say("speaker", "while they come in").await;
        tokio::task::yield_now().await;
    }
    let mut last = 0;
    for _ in 0..20 {
        last = bench.say("speaker", "hello").await;
    }
    end.send(last).unwrap();
    for person in people {
        person.await.unwrap();
    }
}

#[tokio::test]
async fn in_a_room_without_a_history_an_own_enter_that_is_still_on_its_way_is_no_gap() {
    let (bench, tail) = Bench::unheard(&Limits::default(), History::Off).await;
    let (took, dice) = (Took::default(), Dice(1));
    let sink = Whimsical { held: Vec::new(), took: Arc::clone(&took), dice };
    let outbox = Outbox::new(Box::new(sink), true, 1 << 20, Instant::now());
    let wish = Wish { id: Some("s".into()), ack: AckMode::Auto, version: Version::V1_2 };
    let (member, pending) = bench.node.enter(bench.room, &"a".parse().unwrap(), &outbox, &wish, Start::Live);
    let entered = settled(pending).await.unwrap();
    assert_eq!(bench.node.entered(&member, &outbox, &entered, Start::Live), None);
    assert_eq!(bench.node.catch_up(&outbox, member.slot()).await.unwrap(), None, "nobody has told of it yet");
    tokio::spawn(pump(Arc::clone(&bench.node), tail));
    let comes = async {
        while !offsets_until(&took.lock(), entered.last) {
            if let Poll::Ready(Want::CatchUp(slot)) = poll_fn(|cx| Poll::Ready(outbox.poll_want(cx))).await {
                assert_eq!(bench.node.catch_up(&outbox, slot).await.unwrap(), None);
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), comes).await.expect("the own ENTER comes");
    bench.node.leave(member, &outbox, Leaving::Said);
}
