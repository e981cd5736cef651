//! A subscription's place in a log, and how its MESSAGEs are written.

use std::sync::Arc;

use super::Wish;
use crate::chat::RoomId;
use crate::session::AckMode;
use crate::stomp::Version;

/// What can be subscribed to: a room's log, or the list of rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    /// A room.
    Room(RoomId),
    /// The list of rooms, as it changes; a log in memory alone.
    Lobby,
}

/// A cursor's place among the cursors of its connection. A place is used again, a slot never: a broadcaster that
/// comes late with the slot of a subscription that has ended meets nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub(super) at: usize,
    pub(super) generation: u32,
}

/// What differs between the MESSAGE frames of one entry: subscribers with an equal flavour get the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flavour {
    /// The `subscription` header.
    pub(super) id: Option<Box<str>>,
    /// Whether there is an `ack` header.
    pub(super) ack: bool,
    /// Whose escapes are used.
    pub(super) version: Version,
}

impl Flavour {
    /// As the subscriber wishes. An `ack` header is STOMP 1.2's.
    pub(super) fn new(wish: &Wish) -> Self {
        let ack = wish.ack == AckMode::Client && wish.version == Version::V1_2;
        Self { id: wish.id.clone(), ack, version: wish.version }
    }
}

/// A place in a log. It is *live* while it stands at the tail, where the broadcaster moves it on; else it lags, and
/// its own connection serves it.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) slot: Slot,
    pub(super) topic: Topic,
    pub(super) flavour: Arc<Flavour>,
    /// The offset of the entry to be written next.
    pub(super) next: u64,
    pub(super) state: State,
    /// Set by a broadcaster that passed by while the cursor lagged: there is more to read.
    pub(super) missed: bool,
}

/// Whose turn it is to move a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody's: it is not known yet where it starts.
    Held,
    /// The connection's.
    Lagging,
    /// Nobody's for a while: its room's log could not be read.
    Stalled,
    /// The broadcaster's.
    Live,
    /// Nobody's any more: its room was deleted, which is still to be told.
    Gone,
}

impl Cursor {
    /// One that stands still.
    pub(super) const fn held(slot: Slot, topic: Topic, flavour: Arc<Flavour>) -> Self {
        Self { slot, topic, flavour, next: 0, state: State::Held, missed: false }
    }
}
