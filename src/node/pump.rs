//! Pulls the store's news and hands them on: entries to the members of their rooms, endings to whom they concern.
//!
//! It waits for nothing but the news: a store that reads slowly, or a socket that takes nothing, holds nobody up here.
//! Where there are several cores, rooms are spread over as many lanes: what concerns one room stays in one lane, and so
//! in order.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, unconstrained, yield_now};
use tokio::time::sleep;

use super::cursor::Topic;
use super::post::Post;
use super::{Node, RoomId};
use crate::store::{Event, Tail};

/// Rooms whose members are served before other tasks get their turn.
const ROOMS_A_TURN: usize = 16;

/// A round that takes so long means thousands of sockets, or many rooms at once.
const ROUND_LONG: Duration = Duration::from_millis(4);
/// What is waited after it where several entries went round, so that what is said meanwhile goes round together, too: a
/// write to a socket costs for sixteen entries little more than for one. A lone entry is followed by no wait.
const GATHERING: Duration = Duration::from_millis(1);
/// Batches that may wait in a lane; behind them the news wait in the store.
const LANE_BATCHES_MAX: usize = 16;

/// Runs until the store is closed, or something in it has panicked. One per process: its order is the store's, so each
/// room's entries come in the order of their offsets.
pub async fn pump(node: Arc<Node>, mut tail: Tail) {
    let count = lanes();
    if count == 1 {
        return unconstrained(carry(node, tail)).await;
    }
    let (mut lanes, mut carriers) = (Vec::new(), JoinSet::new());
    for _ in 0..count {
        let (lane, news) = mpsc::channel(LANE_BATCHES_MAX);
        lanes.push(lane);
        // Without tokio's cooperative budget: it would answer "not writable" after 128 sockets, and each of them would
        // have to be woken to write for itself. The hub yields by itself.
        carriers.spawn(unconstrained(carry(Arc::clone(&node), Tail::new(news))));
    }
    let hasher = RandomState::new();
    loop {
        let batch = tokio::select! {
            batch = tail.next() => batch,
            // A lane that ends by itself has panicked: half a node would deliver half of the messages.
            _ = carriers.join_next() => return,
        };
        let Some(batch) = batch else { break };
        let mut parts: Vec<Vec<Event>> = vec![Vec::new(); count];
        for event in batch {
            let lane = room_of(&event).map_or(0, |room| hasher.hash_one(room) as usize % count);
            parts[lane].push(event);
        }
        for (lane, part) in lanes.iter().zip(parts) {
            if !part.is_empty() && lane.send(part).await.is_err() {
                return;
            }
        }
    }
    drop(lanes);
    carriers.join_all().await;
}

/// As many tasks as can run at the same time.
pub(super) fn lanes() -> usize {
    Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers())
}

fn room_of(event: &Event) -> Option<RoomId> {
    match event {
        Event::Entry(entry) => Some(entry.room_id),
        Event::Room(room) | Event::RoomDeleted(room) => Some(*room),
        Event::SessionsEnded(_) | Event::Away | Event::Back | Event::Anew => None,
    }
}

/// Hands on what comes, in its order.
async fn carry(node: Arc<Node>, mut news: Tail) {
    while let Some(batch) = news.next().await {
        node.lobby.note(&batch);
        let (began, several) = (Instant::now(), batch.len() > 1);
        node.hand_on(batch).await;
        if several && began.elapsed() >= ROUND_LONG {
            sleep(GATHERING).await;
        } else {
            yield_now().await;
        }
    }
}

impl Node {
    /// Hands one batch on. Entries of one room go together, so that a socket takes them in one write.
    async fn hand_on(&self, batch: Vec<Event>) {
        let mut rooms: Vec<(RoomId, Vec<Arc<Post>>, usize)> = Vec::new();
        for event in batch {
            match event {
                Event::Entry(entry) => {
                    let post = Arc::new(Post::of(&entry));
                    let weight = post.weight();
                    match rooms.iter_mut().rev().find(|(room, ..)| *room == entry.room_id) {
                        // What one socket cannot take stays in memory until it does: no more than a portion.
                        Some((_, posts, bytes)) if *bytes + weight <= self.catch_up_bytes_max => {
                            posts.push(post);
                            *bytes += weight;
                        }
                        _ => rooms.push((entry.room_id, vec![post], weight)),
                    }
                }
                // The list of rooms knows already.
                Event::Room(_) => {}
                Event::Away => self.reach.turn(true),
                Event::Back => self.reach.turn(false),
                Event::Anew => {
                    self.deliver(std::mem::take(&mut rooms)).await;
                    self.begin_anew();
                }
                Event::RoomDeleted(room) => {
                    self.deliver(std::mem::take(&mut rooms)).await;
                    self.hub.end(Topic::Room(room));
                }
                Event::SessionsEnded(name) => self.connections.end_account(&name),
            }
        }
        self.deliver(rooms).await;
    }

    async fn deliver(&self, rooms: Vec<(RoomId, Vec<Arc<Post>>, usize)>) {
        let lanes = lanes();
        for (at, (room, posts, _)) in rooms.into_iter().enumerate() {
            if at > 0 && at.is_multiple_of(ROOMS_A_TURN) {
                yield_now().await;
            }
            self.hub.deliver(Topic::Room(room), posts, lanes).await;
        }
    }
}
