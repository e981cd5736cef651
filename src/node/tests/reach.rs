//! A store that is away, back, or another one.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use tokio::sync::mpsc;

use super::super::*;
use super::bench::Bench;
use super::socket::{Dice, Took, Whimsical, offsets_until};
use crate::store::{Event, Tail, settled};

/// A connection in the register; its socket takes everything.
fn connection(node: &Node) -> (Arc<Outbox>, Ticket, Took) {
    let took = Took::default();
    let sink = Whimsical { held: Vec::new(), took: Arc::clone(&took), dice: Dice(1) };
    let outbox = Outbox::new(Box::new(sink), true, 1 << 20, Instant::now());
    let ticket = node.connections.open(&outbox);
    (outbox, ticket, took)
}

fn wish() -> Wish {
    Wish { id: Some("s".into()), ack: AckMode::Auto, version: Version::V1_2 }
}

/// What the connection has to do now, if anything.
async fn want_now(outbox: &Outbox) -> Option<Want> {
    poll_fn(|cx| outbox.poll_drained(cx)).await;
    poll_fn(|cx| match outbox.poll_want(cx) {
        Poll::Ready(want) => Poll::Ready(Some(want)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn want(outbox: &Outbox) -> Want {
    let want = poll_fn(|cx| outbox.poll_want(cx));
    tokio::time::timeout(Duration::from_secs(20), want).await.expect("something is to be done")
}

/// News that a test makes up, and the node that hears them.
async fn told_by_hand() -> (Bench, mpsc::Sender<Vec<Event>>) {
    let (bench, _) = Bench::unheard(&Limits { ring_entries_max: 1, ..Limits::default() }, History::On).await;
    let (news, tail) = mpsc::channel(1);
    tokio::spawn(pump(Arc::clone(&bench.node), Tail::new(tail)));
    tokio::spawn(tell_reach(Arc::clone(&bench.node)));
    (bench, news)
}

#[tokio::test]
async fn every_connection_is_called_when_the_store_goes_and_when_it_is_back() {
    let (bench, news) = told_by_hand().await;
    let crowd: Vec<_> = (0..300).map(|_| connection(&bench.node)).collect();
    for (event, is_away) in [(Event::Away, true), (Event::Back, false)] {
        news.send(vec![event]).await.unwrap();
        for (outbox, ..) in &crowd {
            assert_eq!(want(outbox).await, Want::Look);
        }
        assert_eq!(bench.node.is_store_away(), is_away);
    }
}

#[tokio::test]
async fn a_store_that_comes_and_goes_is_one_thing_to_look_at() {
    let (bench, _) = Bench::unheard(&Limits::default(), History::On).await;
    let (outbox, ..) = connection(&bench.node);
    for _ in 0..1_000 {
        outbox.look();
    }
    assert_eq!(want_now(&outbox).await, Some(Want::Look));
    assert_eq!(want_now(&outbox).await, None);
}

#[tokio::test]
async fn a_cursor_whose_log_cannot_be_read_stands_still_and_goes_on_where_it_stood() {
    let (bench, _news) = told_by_hand().await;
    for _ in 0..20 {
        bench.say("speaker", "hello").await;
    }
    let (outbox, _ticket, took) = connection(&bench.node);
    let name = "a".parse().unwrap();
    let (member, pending) = bench.node.enter(bench.room, &name, &outbox, &wish(), Start::After(0));
    let entered = settled(pending).await.unwrap();
    bench.node.entered(&member, &outbox, &entered, Start::After(0));
    let list = bench.node.watch(&outbox, &wish());
    let file = rusqlite::Connection::open(bench.folder().join("sarangbang.db")).unwrap();
    file.execute_batch("ALTER TABLE entry RENAME TO entry_away").unwrap();

    let error = bench.node.catch_up(&outbox, member.slot()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    outbox.stall();
    assert_eq!(want_now(&outbox).await, Some(Want::CatchUp(list.slot())), "the list of rooms is in no store");
    assert_eq!(bench.node.catch_up(&outbox, list.slot()).await, Ok(None));
    assert_eq!(want_now(&outbox).await, None, "nothing spins");

    file.execute_batch("ALTER TABLE entry_away RENAME TO entry").unwrap();
    outbox.revive();
    while !offsets_until(&took.lock(), entered.last) {
        assert_eq!(want(&outbox).await, Want::CatchUp(member.slot()));
        assert_eq!(bench.node.catch_up(&outbox, member.slot()).await, Ok(None));
        poll_fn(|cx| outbox.poll_drained(cx)).await;
    }
    let seen: Vec<u64> = super::socket::offsets(&took.lock()).into_iter().map(|(_, offset)| offset).collect();
    assert!(seen.iter().copied().eq(1..=entered.last), "{seen:?}");
    bench.node.leave(member, &outbox, Leaving::Said);
    bench.node.leave(list, &outbox, Leaving::Said);
}

#[tokio::test]
async fn a_store_that_lost_everything_ends_every_connection_and_what_its_rings_held() {
    let (bench, news) = told_by_hand().await;
    let (outbox, _ticket, _) = connection(&bench.node);
    let name = "a".parse().unwrap();
    let (member, pending) = bench.node.enter(bench.room, &name, &outbox, &wish(), Start::Live);
    let entered = settled(pending).await.unwrap();
    bench.node.entered(&member, &outbox, &entered, Start::Live);
    news.send(vec![Event::Anew]).await.unwrap();
    let mut wants = Vec::new();
    while !wants.contains(&Want::End(Closing::Anew)) {
        let next = want(&outbox).await;
        wants.push(next);
        // That the room is gone is to be told until the subscription has left.
        tokio::task::yield_now().await;
    }

    // Who comes back into a room of the same id, as with data that was restored, shares nothing with who was there.
    let (later, _later_ticket, _) = connection(&bench.node);
    let (again, pending) = bench.node.enter(bench.room, &name, &later, &wish(), Start::Live);
    settled(pending).await.unwrap();
    assert_eq!(bench.node.hub.next_offset(Topic::Room(bench.room)), 1, "a ring that knows nothing");
    bench.node.leave(member, &outbox, Leaving::Said);
    assert_eq!(bench.node.hub.rooms(), 1, "the late leaver takes nobody's seat away");
    bench.node.leave(again, &later, Leaving::Said);
    assert_eq!(bench.node.hub.rooms(), 0);
}

#[tokio::test]
async fn who_follows_the_list_of_rooms_counts_until_the_subscription_ends() {
    let (bench, _) = Bench::unheard(&Limits::default(), History::On).await;
    let (outbox, _ticket, _) = connection(&bench.node);
    let (first, second) = (bench.node.watch(&outbox, &wish()), bench.node.watch(&outbox, &wish()));
    assert_eq!(bench.node.lobby.followers(), 2);
    bench.node.leave(first, &outbox, Leaving::Said);
    bench.node.leave(second, &outbox, Leaving::Lost);
    assert_eq!(bench.node.lobby.followers(), 0);
}
