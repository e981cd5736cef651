//! The list of rooms as it changes: what changed lately, told at most a few times a second.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

use super::Node;
use super::cursor::Topic;
use super::post::Post;
use super::pump::lanes;
use crate::chat::{Room, RoomId};
use crate::store::{Event, Store};

/// How long changes are gathered before they are told: a busy room changes with every message.
const GATHER: Duration = Duration::from_millis(250);
/// Changes that one MESSAGE tells; with more it is cheaper for everybody to fetch the list anew.
const ROOMS_MAX: usize = 200;
/// The body that says so.
pub(super) const RESYNC: Bytes = Bytes::from_static(br#"{"type":"RESYNC"}"#);

/// What changed since the list was told last. Absolute states are told, so one who misses some is right again with
/// the next.
#[derive(Default)]
pub(super) struct Lobby {
    stale: Mutex<Stale>,
    noted: Notify,
    /// Subscriptions that follow the list. The store is told under this lock, so that it hears of the first and the last
    /// in their order; it calls nobody back.
    followers: Mutex<usize>,
}

#[derive(Default)]
struct Stale {
    changed: HashSet<RoomId>,
    gone: HashSet<RoomId>,
    /// Anything may have changed unheard.
    all: bool,
}

#[derive(Serialize)]
struct Change<'a> {
    r#type: &'static str,
    rooms: &'a [Room],
    gone: &'a [RoomId],
}

/// Tells the followers of the list what changed in it, for as long as it is polled. In a loop of its own: it reads
/// the store, and nobody's messages wait for that.
pub async fn tell_rooms(node: Arc<Node>) {
    loop {
        node.lobby.noted.notified().await;
        tokio::time::sleep(GATHER).await;
        let stale = std::mem::take(&mut *node.lobby.stale.lock());
        if node.hub.has_members(Topic::Lobby)
            && let Some(body) = stale.tell(&node.store).await
        {
            let post = Post::of_rooms(node.hub.next_offset(Topic::Lobby), body);
            node.hub.deliver(Topic::Lobby, vec![Arc::new(post)], lanes()).await;
        }
    }
}

impl Lobby {
    /// How many follow the list.
    #[cfg(test)]
    pub(super) fn followers(&self) -> usize {
        *self.followers.lock()
    }

    /// One more follows the list; with the first this node wants to hear of every room.
    pub(super) fn followed(&self, store: &Store) {
        let mut followers = self.followers.lock();
        *followers += 1;
        if *followers == 1 {
            store.follow_activity(true);
        }
    }

    /// One follows it no more; with the last this node hears of rooms in which it has somebody, as before.
    pub(super) fn unfollowed(&self, store: &Store) {
        let mut followers = self.followers.lock();
        *followers -= 1;
        if *followers == 0 {
            store.follow_activity(false);
        }
    }

    /// Notes what events change in the list. Each room once, so that it holds no more than there are rooms.
    pub(super) fn note(&self, events: &[Event]) {
        let mut stale = self.stale.lock();
        for event in events {
            match event {
                Event::Entry(entry) => {
                    stale.changed.insert(entry.room_id);
                }
                Event::Room(room) => {
                    stale.changed.insert(*room);
                }
                Event::RoomDeleted(id) => {
                    stale.changed.remove(id);
                    stale.gone.insert(*id);
                }
                Event::Back => stale.all = true,
                Event::SessionsEnded(_) | Event::Away | Event::Anew => {}
            }
        }
        let is_stale = stale.all || !stale.changed.is_empty() || !stale.gone.is_empty();
        drop(stale);
        if is_stale {
            self.noted.notify_one();
        }
    }
}

impl Stale {
    /// The body of the next MESSAGE, with the rooms as they are now; none where nothing can have changed.
    async fn tell(self, store: &Store) -> Option<Bytes> {
        // While a store was away that other nodes have reached, things happened that nobody told here.
        let all = self.all && store.is_shared();
        if self.changed.len() + self.gone.len() > ROOMS_MAX {
            return Some(RESYNC);
        }
        let changed: Vec<RoomId> = self.changed.into_iter().collect();
        let gone: Vec<RoomId> = self.gone.into_iter().collect();
        if !all && changed.is_empty() && gone.is_empty() {
            return None;
        }
        let rooms = if all { store.rooms().await } else { store.rooms_of(&changed).await };
        Some(match rooms {
            Ok(rooms) if rooms.len() <= ROOMS_MAX => {
                serde_json::to_vec(&Change { r#type: "ROOMS", rooms: &rooms, gone: &gone }).unwrap_or_default().into()
            }
            // More than is told, or a store that cannot be read now: one that the client asks again later.
            _ => RESYNC,
        })
    }
}
