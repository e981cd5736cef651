//! The list of rooms as it changes: what changed lately, told at most a few times a second.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::chat::{Room, RoomId};
use crate::store::{Event, Store};

/// How long changes are gathered before they are told: a busy room changes with every message.
pub(super) const GATHER: Duration = Duration::from_millis(250);
/// Changes that one MESSAGE tells; with more it is cheaper for everybody to fetch the list anew.
const ROOMS_MAX: usize = 200;
/// The body that says so.
pub(super) const RESYNC: Bytes = Bytes::from_static(br#"{"type":"RESYNC"}"#);

/// Rooms that changed since the list was told last. Absolute states are told, so one who misses some is right again
/// with the next.
#[derive(Default)]
pub(super) struct Lobby {
    changed: HashSet<RoomId>,
    gone: HashSet<RoomId>,
}

#[derive(Serialize)]
struct Change<'a> {
    r#type: &'static str,
    rooms: &'a [Room],
    gone: &'a [RoomId],
}

impl Lobby {
    /// Notes what an event changes in the list.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Entry(entry) => {
                self.changed.insert(entry.room_id);
            }
            Event::Room(room) => {
                self.changed.insert(room.id);
            }
            Event::RoomDeleted(id) => {
                self.changed.remove(id);
                self.gone.insert(*id);
            }
            Event::SessionsEnded(_) => {}
        }
    }

    /// Whether there is something to tell.
    pub(super) fn is_stale(&self) -> bool {
        !self.changed.is_empty() || !self.gone.is_empty()
    }

    /// Forgets what nobody wants to know.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The body of the next MESSAGE, with the rooms as they are now.
    pub(super) async fn tell(&mut self, store: &Store) -> Bytes {
        let told = std::mem::take(self);
        if told.changed.len() + told.gone.len() > ROOMS_MAX {
            return RESYNC;
        }
        let mut rooms = Vec::with_capacity(told.changed.len());
        for id in told.changed {
            match store.room(id).await {
                Ok(room) => rooms.extend(room),
                // A store that cannot be read now is one that the client asks again later.
                Err(_) => return RESYNC,
            }
        }
        let gone: Vec<RoomId> = told.gone.into_iter().collect();
        serde_json::to_vec(&Change { r#type: "ROOMS", rooms: &rooms, gone: &gone }).unwrap_or_default().into()
    }
}
