//! What several nodes make of one Redis, and of one that stops, dies or comes back empty.

use tokio::runtime::Runtime;

use super::server::RedisServer;
use super::*;
use crate::store::redis::{self, Redis};

/// A node of the house's store, in a runtime of its own.
pub(super) struct Node {
    pub(super) store: Store,
    runtime: Option<Runtime>,
}

impl Node {
    pub(super) async fn of(house: &House) -> Self {
        Self::with(house.redis_settings()).await
    }

    pub(super) async fn with(settings: redis::Settings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let store = runtime.spawn(Redis::open(settings, Mode::Serve)).await.unwrap().unwrap();
        Self { store: Store::Redis(store), runtime: Some(runtime) }
    }

    /// Ends all that the node does, in the middle of whatever it is: nobody is told.
    fn vanish(mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }

    pub(super) async fn enter(&self, room: RoomId, who: &str, lease: u64) -> Entered {
        settled(self.store.enter(room, name(who), LeaseId(lease), None)).await.unwrap()
    }

    pub(super) async fn say(&self, room: RoomId, text: &str, id: Option<&str>) -> Result<Appended> {
        settled(self.store.append(draft(room, "a", text, id))).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A runtime must not be waited for within another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn house() -> House {
    House::new(On::Redis).await
}

/// A house on a durable Redis of its own; requests wait for it for a second.
pub(super) async fn durable_house() -> House {
    let settings = Settings { wait: Duration::from_secs(1), ..Settings::default() };
    House::on_server(RedisServer::start_durable(), settings).await
}

fn kinds(entries: &[Arc<Entry>], kind: Kind) -> usize {
    entries.iter().filter(|entry| entry.kind == kind).count()
}

/// Everything of a room that is told until `last`.
pub(super) async fn told_to(tail: &mut Tail, room: RoomId, last: u64) -> Vec<u64> {
    let mut told = Vec::new();
    while told.last().is_none_or(|offset| *offset < last) {
        told.extend(next(tail).await.into_iter().filter_map(|event| match event {
            Event::Entry(entry) if entry.room_id == room => Some(entry.offset),
            _ => None,
        }));
    }
    told
}

#[tokio::test]
async fn both_nodes_hear_one_order_of_what_is_said_by_either() {
    let house = house().await;
    let (one, two) = (Node::of(&house).await, Node::of(&house).await);
    let room = house.room().await;
    let (mut first, mut second) = (one.store.tail().unwrap(), two.store.tail().unwrap());
    one.enter(room, "a", 1).await;
    two.enter(room, "b", 1).await;
    let both = [&one, &two];
    let asked: Vec<_> = (0..200).map(|n| both[n % 2].store.append(draft(room, "a", &format!("{n}"), None))).collect();
    for answer in asked {
        settled(answer).await.unwrap();
    }
    let (first, second) = (told(&mut first, room, 202).await, told(&mut second, room, 201).await);
    assert_eq!(offsets(&first), (1..=202).collect::<Vec<_>>());
    assert_eq!(first[1..], second, "from the own ENTER on");
    assert_eq!(first, house.all(room).await.entries);
}

#[tokio::test]
async fn a_node_hears_no_entry_of_a_room_that_it_has_nobody_in() {
    let house = house().await;
    let (one, two) = (Node::of(&house).await, Node::of(&house).await);
    let (room, other) = (house.room().await, house.room().await);
    let mut tail = two.store.tail().unwrap();
    one.enter(room, "a", 1).await;
    one.say(room, "x", None).await.unwrap();
    two.enter(other, "b", 1).await;
    one.say(room, "x", None).await.unwrap();
    two.say(other, "x", None).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.extend(next(&mut tail).await.into_iter().filter_map(|event| match event {
            Event::Entry(entry) => Some(entry.room_id),
            _ => None,
        }));
    }
    assert_eq!(heard, [other, other]);
}

#[tokio::test]
async fn a_person_on_two_nodes_is_one_and_comes_and_goes_once() {
    let house = house().await;
    let (one, two) = (Node::of(&house).await, Node::of(&house).await);
    let room = house.room().await;
    // The same number on both: a lease belongs to its node.
    assert!(one.enter(room, "a", 1).await.announced);
    let second = two.enter(room, "a", 1).await;
    assert_eq!((second.announced, second.user_count), (false, 1));
    one.store.leave(room, name("a"), LeaseId(1));
    assert_eq!(one.say(room, "x", None).await, new(2), "nobody has gone");
    two.store.leave(room, name("a"), LeaseId(1));
    house.room_when(room, |room| room.user_count == 0).await;
    assert_eq!(counts(&house.all(room).await.entries), [1, 1, 0]);
}

#[tokio::test]
async fn who_was_on_a_node_that_vanished_leaves_once_within_the_lease_though_two_watch() {
    let house = house().await;
    let (one, two, gone) = (Node::of(&house).await, Node::of(&house).await, Node::of(&house).await);
    let room = house.room().await;
    let mut tail = one.store.tail().unwrap();
    one.enter(room, "a", 1).await;
    two.enter(room, "b", 1).await;
    for (lease, who) in ["c", "d", "a"].into_iter().enumerate() {
        gone.enter(room, who, lease as u64).await;
    }
    gone.vanish();
    let began = std::time::Instant::now();
    house.room_when(room, |room| room.user_count == 2).await;
    // A second more than the lease, as the machine is shared.
    assert!(began.elapsed() < house.settings.lease + Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(house.store.members(room).await.unwrap(), [name("a"), name("b")]);
    one.say(room, "x", None).await.unwrap();
    let entries = house.all(room).await.entries;
    assert_eq!(counts(&entries), [1, 2, 3, 4, 3, 2, 2]);
    assert_eq!(kinds(&entries, Kind::Quit), 2);
    assert_eq!(told(&mut tail, room, 7).await, entries);
}

#[tokio::test]
async fn nothing_is_left_behind_of_a_room_that_everybody_has_left_and_that_is_deleted() {
    let house = house().await;
    let (one, gone) = (Node::of(&house).await, Node::of(&house).await);
    let room = house.room().await;
    one.enter(room, "a", 1).await;
    gone.enter(room, "b", 1).await;
    gone.vanish();
    one.store.leave(room, name("a"), LeaseId(1));
    house.room_when(room, |room| room.user_count == 0).await;
    let of_people = |key: &String| key.contains(":people") || key.contains(":owned") || key.ends_with(":lapsed");
    until("no lease is left", async || !house.keys().iter().any(of_people)).await;
    one.store.delete_room(room).await.unwrap();
    // What answers a turn that is asked again goes by itself, in two minutes.
    let left = |key: &String| key.contains(&room.to_string()) && !key.contains(":done:");
    assert_eq!(house.keys().into_iter().filter(left).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn a_message_sent_to_two_nodes_at_once_stands_there_once() {
    let house = house().await;
    let (one, two) = (Node::of(&house).await, Node::of(&house).await);
    let room = house.room().await;
    for n in 1..=50 {
        let id = n.to_string();
        let (first, second) = tokio::join!(one.say(room, "x", Some(&id)), two.say(room, "x", Some(&id)));
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!((first.offset, second.offset), (n, n));
        assert!(first.duplicate != second.duplicate, "{first:?} {second:?}");
    }
    assert_eq!(house.all(room).await.last, 50);
}

#[tokio::test]
async fn what_one_node_administers_the_other_hears_within_a_second() {
    let house = house().await;
    let (one, two) = (Node::of(&house).await, Node::of(&house).await);
    let mut tail = two.store.tail().unwrap();
    let mut times = Vec::new();
    // A machine that has other things to do may take longer, but not each time.
    for who in ["a", "b", "c", "d"] {
        let room = house.room().await;
        one.store.add_account(account(who, Role::User)).await.unwrap();
        two.enter(room, who, 1).await;
        let began = std::time::Instant::now();
        one.store.set_disabled(&name(who), true).await.unwrap();
        one.store.delete_room(room).await.unwrap();
        let mut heard = Vec::new();
        while heard.len() < 2 {
            heard.extend(next(&mut tail).await.into_iter().filter_map(|event| match event {
                Event::SessionsEnded(who) => Some(who.to_string()),
                Event::RoomDeleted(id) => Some(id.to_string()),
                _ => None,
            }));
        }
        times.push(began.elapsed());
        assert_eq!(heard, [who.to_owned(), room.to_string()]);
        assert_eq!(two.say(room, "x", None).await, Err(StoreError::RoomUnknown));
        assert!(two.store.account(&name(who)).await.unwrap().unwrap().disabled);
        if times.last() < Some(&Duration::from_secs(1)) {
            return;
        }
    }
    panic!("{times:?}");
}

#[tokio::test]
async fn one_node_at_a_time_claims_something_and_the_others_hear_what_it_keeps() {
    let house = house().await;
    let (one, two) = (Node::of(&house).await, Node::of(&house).await);
    let mut news = two.store.kept_news();
    assert_eq!(one.store.claim("c", 5).await, Ok(true));
    assert_eq!(two.store.claim("c", 5).await, Ok(false));
    one.store.keep("k", Secret::new(*b"x")).await.unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, news.recv()).await.unwrap().unwrap(), "k");
    until("the claim lapses", async || two.store.claim("c", 5).await == Ok(true)).await;
    assert_eq!(one.store.claim("c", 5).await, Ok(false));
}

#[tokio::test]
async fn while_redis_stands_still_appends_are_refused_and_what_was_said_is_all_there_when_it_goes_on() {
    let house = durable_house().await;
    let (one, two) = (Node::of(&house).await, Node::of(&house).await);
    let room = house.room().await;
    let mut tail = two.store.tail().unwrap();
    one.enter(room, "a", 1).await;
    let entered = two.enter(room, "b", 1).await.last;
    house.server().lock().stop();
    let refused = one.say(room, "late", Some("1")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(matches!(two.store.ready().await, Err(StoreError::Unavailable(_))));
    house.server().lock().go_on();
    until("it is ready again", async || one.store.ready().await.is_ok() && two.store.ready().await.is_ok()).await;
    let mut said = Err(StoreError::Busy);
    until("the same message is taken", async || {
        said = one.say(room, "late", Some("1")).await;
        said.is_ok()
    })
    .await;
    let said = said.unwrap();
    let entries = house.all(room).await.entries;
    assert_eq!(
        entries.iter().filter(|entry| &*entry.id == "1").map(|entry| entry.offset).collect::<Vec<_>>(),
        [said.offset]
    );
    let last = one.say(room, "last", None).await.unwrap().offset;
    assert_eq!(told_to(&mut tail, room, last).await, (entered..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_redis_was_killed_and_nobody_hears_a_gap_or_a_double() {
    let house = durable_house().await;
    let (one, two) = (Node::of(&house).await, Node::of(&house).await);
    let room = house.room().await;
    let mut tail = two.store.tail().unwrap();
    one.enter(room, "a", 1).await;
    let entered = two.enter(room, "b", 1).await.last;
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let asked: Vec<_> = (0..100)
            .map(|n| {
                let id = format!("{round}-{n}");
                (id.clone(), one.store.append(draft(room, "a", "x", Some(&id))))
            })
            .collect();
        house.server().lock().kill();
        let (mut refused, mut is_back) = (Vec::new(), false);
        for (id, answer) in asked {
            match settled(answer).await {
                Ok(said) => acknowledged.push((id, said.offset)),
                Err(StoreError::Unavailable(_)) => refused.push(id),
                Err(cause) => panic!("{cause}"),
            }
            // Those that wait are refused in their time; the first of them is enough to see it.
            if !refused.is_empty() && !std::mem::replace(&mut is_back, true) {
                house.server().lock().restart();
            }
        }
        if !is_back {
            house.server().lock().restart();
        }
        for id in refused {
            until("it is taken", async || one.say(room, "x", Some(&id)).await.is_ok()).await;
            acknowledged.push((id.clone(), one.say(room, "x", Some(&id)).await.unwrap().offset));
        }
    }
    let entries = house.all(room).await.entries;
    let said = |id: &str| entries.iter().filter(|entry| &*entry.id == id).map(|entry| entry.offset).collect::<Vec<_>>();
    assert_eq!(acknowledged.len(), 300);
    for (id, offset) in acknowledged {
        assert_eq!(said(&id), [offset], "{id}");
    }
    let last = one.say(room, "last", None).await.unwrap().offset;
    assert_eq!(told_to(&mut tail, room, last).await, (entered..=last).collect::<Vec<_>>());
    house.room_when(room, |room| room.user_count == 2).await;
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_is_told_as_another_store() {
    let settings = Settings { wait: Duration::from_secs(1), ..Settings::default() };
    let house = House::on_server(RedisServer::start(), settings).await;
    let one = Node::of(&house).await;
    let room = house.room().await;
    let mut tail = one.store.tail().unwrap();
    one.enter(room, "a", 1).await;
    one.say(room, "x", None).await.unwrap();
    house.server().lock().kill();
    house.server().lock().restart();
    while !next(&mut tail).await.iter().any(|event| matches!(event, Event::Anew)) {}
    until("the room is unknown", async || one.say(room, "x", None).await == Err(StoreError::RoomUnknown)).await;
    let room = one.store.create_room("x".parse().unwrap()).await.unwrap().id;
    assert_eq!(one.enter(room, "a", 1).await.user_count, 1, "and it goes on with what there is now");
}

#[tokio::test]
async fn leases_that_redis_has_lost_are_taken_again_and_those_that_it_has_of_old_are_ended() {
    let house = durable_house().await;
    let node = Node::of(&house).await;
    let room = house.room().await;
    node.enter(room, "here", 1).await;
    node.enter(room, "gone", 2).await;
    let people = house.keys().into_iter().find(|key| key.ends_with(":people")).unwrap();
    let (server, key) = (Arc::clone(house.server()), house.key(&people));
    // As if Redis were set back to before the one came and before the other left.
    let of_gone = server.lock().ask(&["HGET", &key, "gone"]);
    node.store.leave(room, name("gone"), LeaseId(2));
    house.room_when(room, |room| room.user_count == 1).await;
    server.lock().ask(&["HDEL", &key, "here"]);
    server.lock().ask(&["HSET", &key, "gone", of_gone.trim()]);
    server.lock().ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    until("who is here is in the room, and nobody else", async || {
        house.store.members(room).await.unwrap_or_default() == [name("here")]
    })
    .await;
}
