//! What several nodes make of a Redis that has lost what it acknowledged last, and of replicas that are waited for.

use std::time::Instant;

use super::nodes::{Node, durable_house, told_to};
use super::server::RedisServer;
use super::*;
use crate::store::redis;

/// A master that has everything on disk before it answers, and its replica.
fn pair() -> (RedisServer, RedisServer) {
    let durable = ["--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"];
    let master = RedisServer::start_on_port(&durable);
    let of = format!("127.0.0.1 {}", master.port());
    (master, RedisServer::start_on_port(&[&durable[..], &["--replicaof", &of]].concat()))
}

/// A house on a master, and its replica, once that follows.
async fn house_with_replica() -> (House, RedisServer) {
    let (master, replica) = pair();
    until("the replica follows", async || master.ask(&["INFO", "replication"]).contains("state=online")).await;
    let settings = Settings { wait: Duration::from_secs(1), ..Settings::default() };
    (House::on_server(master, settings).await, replica)
}

fn waiting_for(replicas_min: u32, house: &House) -> redis::Settings {
    redis::Settings { replicas_min, ..house.redis_settings() }
}

#[tokio::test]
async fn an_offset_that_somebody_saw_before_redis_lost_it_is_given_out_by_no_node_again() {
    let house = durable_house().await;
    let (one, two) = (Node::of(&house).await, Node::of(&house).await);
    let room = house.room().await;
    let mut tail = two.store.tail().unwrap();
    let mut last = two.enter(room, "b", 1).await.last;
    told_to(&mut tail, room, last).await;
    for round in 0..3 {
        house.server().lock().remember();
        for _ in 0..5 {
            last = two.say(room, "lost", None).await.unwrap().offset;
        }
        told_to(&mut tail, room, last).await;
        house.server().lock().kill();
        house.server().lock().set_back();
        house.server().lock().restart();
        // The other node has nobody there, and knows nothing of what was lost.
        let (id, mut said) = (round.to_string(), Err(StoreError::Busy));
        until("it is taken", async || {
            said = one.say(room, "kept", Some(&id)).await;
            said.is_ok()
        })
        .await;
        let offset = said.unwrap().offset;
        assert!(offset > last, "{offset} after {last}");
        assert_eq!(told_to(&mut tail, room, offset).await, [offset], "it is heard where they were seen");
        last = offset;
    }
    assert_eq!(house.store.members(room).await.unwrap(), [name("b")]);
}

#[tokio::test]
async fn a_message_that_no_replica_has_is_not_acknowledged_where_one_is_waited_for() {
    let (house, mut replica) = house_with_replica().await;
    let (waits, other) = (Node::with(waiting_for(1, &house)).await, Node::of(&house).await);
    let room = house.room().await;
    assert_eq!(waits.say(room, "x", None).await.unwrap().offset, 1);
    replica.stop();
    let refused = waits.say(room, "late", Some("1")).await;
    let Err(StoreError::Unavailable(cause)) = refused else { panic!("{refused:?}") };
    assert!(cause.contains("not by enough replicas"), "{cause}");
    assert!(other.say(room, "x", None).await.is_ok(), "who does not wait for it goes on");
    replica.go_on();
    let mut said = Err(StoreError::Busy);
    until("the same message is taken", async || {
        said = waits.say(room, "late", Some("1")).await;
        said.is_ok()
    })
    .await;
    assert_eq!(said.unwrap(), Appended { offset: 2, duplicate: true });
    assert_eq!(house.all(room).await.last, 3);
}

/// One after the other for latency, and many at the same time for what goes through. Answers the middle and the 99th of a
/// hundred latencies in microseconds, and messages a second.
async fn measured(node: &Node, rooms: &[RoomId]) -> (u128, u128, f64) {
    let mut took = Vec::new();
    for _ in 0..300 {
        let began = Instant::now();
        node.say(rooms[0], "a message of some forty characters or so", None).await.unwrap();
        took.push(began.elapsed().as_micros());
    }
    took.sort_unstable();
    let (began, mut said) = (Instant::now(), 0_u32);
    while began.elapsed() < Duration::from_secs(2) {
        let some: Vec<_> = (0..256)
            .map(|n| {
                node.store.append(draft(rooms[n % rooms.len()], "a", "a message of some forty characters or so", None))
            })
            .collect();
        for answer in some {
            settled(answer).await.unwrap();
            said += 1;
        }
    }
    (took[150], took[297], f64::from(said) / began.elapsed().as_secs_f64())
}

/// `cargo test --release --lib -- --ignored --nocapture what_waiting_for_a_replica_costs`: the figures of docs/OPERATIONS.md.
#[tokio::test]
#[ignore = "it measures"]
#[expect(clippy::print_stdout, reason = "the figures")]
async fn what_waiting_for_a_replica_costs() {
    let (house, _replica) = house_with_replica().await;
    let nodes = [Node::with(waiting_for(0, &house)).await, Node::with(waiting_for(1, &house)).await];
    let mut rooms = Vec::new();
    for _ in 0..8 {
        rooms.push(house.room().await);
    }
    for round in 0..6 {
        for turn in 0..2 {
            // Each begins as often as the other.
            let replicas_min = (round + turn) % 2;
            let (p50, p99, rate) = measured(&nodes[replicas_min], &rooms).await;
            println!("round {round}, replicas_min {replicas_min}: p50 {p50} µs, p99 {p99} µs, {rate:.0} messages/s");
        }
    }
}
