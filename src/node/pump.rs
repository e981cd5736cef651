//! Pulls the store's news and hands them on: entries to the members of their rooms, endings to whom they concern.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::cursor::Topic;
use super::lobby::{GATHER, Lobby};
use super::post::Post;
use super::{Node, RoomId};
use crate::store::{Event, Tail};

/// Runs until the store is closed. One loop per process: its order is the store's, so each room's entries come in
/// the order of their offsets.
pub async fn pump(node: Arc<Node>, mut tail: Tail) {
    // Without tokio's cooperative budget: it would answer "not writable" after 128 sockets, and each of them would
    // have to be woken to write for itself. The hub yields by itself.
    tokio::task::unconstrained(async {
        let mut lobby = Lobby::default();
        let mut tell_at: Option<Instant> = None;
        loop {
            let due = async {
                match tell_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                batch = tail.next() => match batch {
                    Some(batch) => {
                        batch.iter().for_each(|event| lobby.note(event));
                        if lobby.is_stale() {
                            tell_at.get_or_insert_with(|| Instant::now() + GATHER);
                        }
                        node.hand_on(batch).await;
                    }
                    None => return,
                },
                () = due => {
                    tell_at = None;
                    node.tell_rooms(&mut lobby).await;
                }
            }
        }
    })
    .await;
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
                Event::Room(_) => {}
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
        for (room, posts, _) in rooms {
            self.hub.deliver(Topic::Room(room), &posts).await;
        }
    }

    /// Tells the followers of the list what changed in it.
    async fn tell_rooms(&self, lobby: &mut Lobby) {
        if !self.hub.has_members(Topic::Lobby) {
            lobby.forget();
            return;
        }
        let body = lobby.tell(&self.store).await;
        let post = Post::of_rooms(self.hub.next_offset(Topic::Lobby), body);
        self.hub.deliver(Topic::Lobby, &[Arc::new(post)]).await;
    }
}
