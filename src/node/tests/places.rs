//! What can happen to a cursor or a connection at the same time as something else.

use std::future::poll_fn;
use std::time::Instant;

use parking_lot::Mutex;

use super::super::*;
use super::bench::Bench;
use super::socket::{Dice, Took, Whimsical};
use crate::store::settled;

#[tokio::test]
async fn a_full_outbox_closes_only_its_own_connection() {
    let (took, dice) = (Arc::new(Mutex::new(Vec::new())), Dice(1));
    let outbox = Outbox::new(Box::new(Whimsical { held: Vec::new(), took, dice }), true, 100, Instant::now());
    outbox.send(&[b'x'; 90]);
    assert!(outbox.is_full(), "half of the limit stops the reading of requests");
    outbox.send(&[b'x'; 90]);
    assert_eq!(poll_fn(|cx| outbox.poll_want(cx)).await, Want::Dead);
}

#[tokio::test]
async fn a_broadcaster_that_comes_late_meets_nobody_in_a_place_that_is_used_again() {
    let bench = Bench::new(&Limits::default()).await;
    let (took, dice) = (Arc::new(Mutex::new(Vec::new())), Dice(1));
    let outbox = Outbox::new(
        Box::new(Whimsical { held: Vec::new(), took: Arc::clone(&took), dice }),
        true,
        1 << 20,
        Instant::now(),
    );
    let wish = Wish { id: None, ack: AckMode::Auto, version: Version::V1_2 };
    let first = bench.node.watch(&outbox, &wish);
    let slot = first.slot();
    bench.node.leave(first, &outbox, Leaving::Said);
    let second = bench.node.watch(&outbox, &wish);
    assert_ne!(slot, second.slot());
    let posts = [Arc::new(post::Post::of_rooms(1, lobby::RESYNC))];
    let flavour = bench.node.hub.flavour(Flavour::new(&wish));
    outbox.deliver(slot, &flavour, &mut frames::Round::new(&posts), Instant::now());
    assert!(outbox.is_idle() && took.lock().is_empty(), "nobody is there");
    assert!(outbox.lagging(slot).is_none() && outbox.lagging(second.slot()).is_some());
    bench.node.leave(second, &outbox, Leaving::Said);
}

#[tokio::test]
async fn what_passes_by_while_a_cursor_looks_at_the_tail_is_not_missed() {
    let bench = Bench::new(&Limits::default()).await;
    let (took, dice) = (Arc::new(Mutex::new(Vec::new())), Dice(1));
    let outbox = Outbox::new(
        Box::new(Whimsical { held: Vec::new(), took: Arc::clone(&took), dice }),
        true,
        1 << 20,
        Instant::now(),
    );
    let member = bench.node.watch(&outbox, &Wish { id: None, ack: AckMode::Auto, version: Version::V1_2 });
    let slot = member.slot();
    let (_, _, flavour) = outbox.lagging(slot).unwrap();
    // It has looked and found nothing; before it can say so, a broadcaster comes by and sees that it lags.
    let posts = [Arc::new(post::Post::of_rooms(1, lobby::RESYNC))];
    outbox.deliver(slot, &flavour, &mut frames::Round::new(&posts), Instant::now());
    assert!(outbox.is_idle() && took.lock().is_empty(), "a lagging cursor takes nothing");
    outbox.serve(slot, &flavour, &[]);
    assert!(outbox.lagging(slot).is_some(), "it has to look again");
    outbox.serve(slot, &flavour, &[]);
    assert!(outbox.lagging(slot).is_none(), "now it is live");
    bench.node.leave(member, &outbox, Leaving::Said);
}

#[tokio::test]
async fn that_a_room_is_gone_is_told_whatever_happens_at_the_same_time() {
    let bench = Bench::new(&Limits::default()).await;
    let (took, dice) = (Took::default(), Dice(1));
    let outbox = Outbox::new(Box::new(Whimsical { held: Vec::new(), took, dice }), true, 1 << 20, Instant::now());
    let wish = || Wish { id: None, ack: AckMode::Auto, version: Version::V1_2 };
    // Gone before the store's answer to the enter has come.
    let (early, pending) = bench.node.enter(bench.room, &"a".parse().unwrap(), &outbox, &wish(), Start::Live);
    let entered = settled(pending).await.unwrap();
    outbox.gone(early.slot());
    bench.node.entered(&early, &outbox, &entered, Start::Live);
    assert_eq!(poll_fn(|cx| outbox.poll_want(cx)).await, Want::Gone(early.slot()));
    bench.node.leave(early, &outbox, Leaving::Said);
    // Gone while it looks at the tail.
    let late = bench.node.watch(&outbox, &wish());
    let (_, _, flavour) = outbox.lagging(late.slot()).unwrap();
    outbox.gone(late.slot());
    outbox.serve(late.slot(), &flavour, &[]);
    assert_eq!(poll_fn(|cx| outbox.poll_want(cx)).await, Want::Gone(late.slot()));
    bench.node.leave(late, &outbox, Leaving::Said);
}
