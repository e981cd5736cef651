//! This process: who is subscribed here, and how what is appended reaches them.
//!
//! A subscription is a cursor into a room's log. [`Node::enter`] puts one there, [`Node::say`] appends,
//! [`pump`] pulls the store's news and moves every cursor on; a cursor that lags is served by its own
//! connection ([`Node::catch_up`]). It knows the store, the wire format and the domain, and nothing of HTTP,
//! tokens or configuration files.

mod connections;
mod cursor;
mod frames;
mod hub;
mod lobby;
mod meters;
mod outbox;
mod post;
mod presence;
mod pump;
mod reach;
mod ring;
mod wire;

use std::sync::Arc;
use std::time::Duration;

pub use connections::{Connections, Ticket};
pub use cursor::Slot;
pub use lobby::tell_rooms;
pub use outbox::{Closing, Outbox, Want};
pub(crate) use post::web_socket_frame;
pub use presence::Presence;
pub use pump::pump;
pub use reach::tell_reach;
pub use wire::{Duplex, Socket};

use crate::chat::{Draft, History, Limits, Name, RoomId};
use crate::session::{AckMode, Start};
use crate::stomp::Version;
use crate::store::{Appended, Entered, Pending, Store, StoreError};
use cursor::{Flavour, Topic};
use hub::Hub;

/// A subscription that has entered: what is needed to leave again. Not `Clone`: it leaves once.
#[derive(Debug)]
pub struct Membership {
    topic: Topic,
    slot: Slot,
    seat: hub::Seat,
    presence: Option<Presence>,
}

impl Membership {
    /// The place of its cursor.
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// The room it is in; none for the list of rooms.
    pub const fn room(&self) -> Option<RoomId> {
        match self.topic {
            Topic::Room(room) => Some(room),
            Topic::Lobby => None,
        }
    }
}

/// How a subscription ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// The client said so: UNSUBSCRIBE, DISCONNECT. It leaves at once.
    Said,
    /// The socket is gone. `presence.grace_seconds` may pass for it to come back.
    Lost,
    /// The node ends. The leases lapse with it; the store makes the notices when it opens next.
    Draining,
}

/// Offsets that a subscription wants and the log no longer has: retention was faster, or the room has no history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The room.
    pub room: RoomId,
    /// The first offset that is gone.
    pub from: u64,
    /// The last one.
    pub to: u64,
}

impl Gap {
    fn between(topic: Topic, wanted: u64, first: u64) -> Option<Self> {
        let Topic::Room(room) = topic else { return None };
        (wanted < first).then(|| Self { room, from: wanted, to: first - 1 })
    }
}

/// What is asked of a new subscription, beside the room.
#[derive(Debug)]
pub struct Wish {
    /// The subscription's id, if it has one.
    pub id: Option<Box<str>>,
    /// Whether its MESSAGEs carry an `ack` header.
    pub ack: AckMode,
    /// The version whose escapes the frames use.
    pub version: Version,
}

/// The node.
pub struct Node {
    store: Store,
    hub: Hub,
    meters: Arc<meters::Meters>,
    lobby: lobby::Lobby,
    presences: presence::Presences,
    reach: reach::Reach,
    /// Every open connection, to be found when an account or the node ends.
    pub connections: Connections,
    catch_up_bytes_max: usize,
}

impl Node {
    /// With a store, and the limits of rings, outboxes and catching up.
    pub fn new(store: Store, limits: &Limits, grace: Duration) -> Arc<Self> {
        let meters = meters::Meters::new();
        Arc::new(Self {
            presences: presence::Presences::new(store.clone(), grace),
            store,
            lobby: lobby::Lobby::default(),
            reach: reach::Reach::default(),
            hub: Hub::new(limits.ring_entries_max, limits.ring_bytes_max, Arc::clone(&meters)),
            meters,
            connections: Connections::default(),
            catch_up_bytes_max: limits.catch_up_bytes_max,
        })
    }

    /// A new subscription takes its place in a room, and asks the store to let the person in. The cursor stands
    /// still until [`Node::entered`] says where it starts, so nothing can pass it by.
    ///
    /// # Errors
    /// The [`Pending`] answers what [`Store::enter`] answers; then [`Node::leave`] is called all the same.
    pub fn enter(
        &self,
        room: RoomId,
        name: &Name,
        outbox: &Arc<Outbox>,
        wish: &Wish,
        start: Start,
    ) -> (Membership, Pending<Entered>) {
        let topic = Topic::Room(room);
        let flavour = self.hub.flavour(Flavour::new(wish));
        let slot = outbox.hold(topic, Arc::clone(&flavour));
        let seat = self.hub.join(topic, outbox, slot, flavour);
        self.meters.subscriptions.inc();
        let after = if let Start::After(offset) = start { Some(offset) } else { None };
        let (presence, pending) = self.presences.enter(room, name, after);
        (Membership { topic, slot, seat, presence: Some(presence) }, pending)
    }

    /// Where a subscription of somebody who was let in begins. In a log that lacks offsets, as after a restored backup, the
    /// newest so many entries are not where their number would say. Where the store cannot tell, only what is left
    /// behind the missing ones is asked for.
    pub async fn beginning(&self, room: RoomId, start: Start, entered: &Entered) -> Start {
        let Start::History(entries @ 1..) = start else { return start };
        if entered.missing == 0 {
            return start;
        }
        let live = if entered.announced { entered.last } else { entered.last + 1 };
        let entries = usize::try_from(entries).unwrap_or(usize::MAX);
        let page = self.store.newest(room, Some(live), entries).await;
        let oldest = page.ok().and_then(|page| page.entries.first().map(|entry| entry.offset));
        oldest.map_or(start, |oldest| Start::After(oldest.saturating_sub(1)))
    }

    /// The store has let the person in: the cursor starts. Answers what the subscriber asked for and the log no
    /// longer has, if there is such: a gap to be told.
    pub fn entered(&self, membership: &Membership, outbox: &Outbox, entered: &Entered, start: Start) -> Option<Gap> {
        // The own ENTER is the first thing that a live subscription sees.
        let live = if entered.announced { entered.last } else { entered.last + 1 };
        self.hub.expect(&membership.seat, live);
        let wanted = match start {
            Start::Live => live,
            Start::After(offset) => offset + 1,
            Start::History(entries) => live.saturating_sub(entries).max(entered.first),
        };
        if entered.history == History::Off {
            // What is left is in the ring: of what was said before, a resuming cursor finds there what it finds.
            outbox.start(membership.slot, if let Start::History(_) = start { live } else { wanted });
            return None;
        }
        outbox.start(membership.slot, wanted.max(entered.first));
        Gap::between(membership.topic, wanted, entered.first)
    }

    /// A subscription follows the list of rooms, from now on.
    pub fn watch(&self, outbox: &Arc<Outbox>, wish: &Wish) -> Membership {
        let flavour = self.hub.flavour(Flavour::new(wish));
        let slot = outbox.hold(Topic::Lobby, Arc::clone(&flavour));
        let seat = self.hub.join(Topic::Lobby, outbox, slot, flavour);
        self.meters.subscriptions.inc();
        self.lobby.followed(&self.store);
        outbox.start(slot, self.hub.next_offset(Topic::Lobby));
        Membership { topic: Topic::Lobby, slot, seat, presence: None }
    }

    /// A subscription ends.
    pub fn leave(&self, membership: Membership, outbox: &Outbox, leaving: Leaving) {
        self.hub.part(membership.topic, &membership.seat);
        self.meters.subscriptions.dec();
        outbox.release(membership.slot);
        if membership.topic == Topic::Lobby {
            self.lobby.unfollowed(&self.store);
        }
        if let Some(presence) = membership.presence {
            self.presences.leave(presence, leaving);
        }
    }

    /// Appends a message to its room's log; it comes back to everybody there by way of the store's news.
    pub fn say(&self, draft: Draft) -> Pending<Appended> {
        self.meters.received.inc();
        self.store.append(draft)
    }

    /// Appends several messages: all of them, next to each other, or none.
    pub fn say_all(&self, drafts: Vec<Draft>) -> Pending<Vec<Appended>> {
        self.meters.received.inc_by(drafts.len() as u64);
        self.store.append_all(drafts)
    }

    /// Serves a lagging cursor its next portion, from the ring if it is there, else from the store; or answers what the
    /// log no longer has: a gap to be told before anything else.
    ///
    /// # Errors
    /// What [`Store::read`] answers.
    pub async fn catch_up(&self, outbox: &Outbox, slot: Slot) -> Result<Option<Gap>, StoreError> {
        let Some((topic, next, flavour)) = outbox.lagging(slot) else { return Ok(None) };
        let (bytes_max, mut source) = (self.catch_up_bytes_max, "ring");
        let posts = match (self.hub.read(topic, next, bytes_max), topic) {
            (ring::Read::Posts(posts), _) => posts,
            (ring::Read::Behind, Topic::Lobby) => self.resync(outbox, slot),
            (ring::Read::Behind, Topic::Room(room)) => {
                source = "store";
                let slice = self.store.read(room, next.saturating_sub(1), usize::MAX >> 1, bytes_max).await?;
                let first = match slice.history {
                    History::On => slice.first,
                    // The ring has all that there is. One that holds nothing yet says nothing: what the cursor waits for
                    // may be on its way, and if it is not, the next entry tells.
                    History::Off => self.hub.first_offset(topic).unwrap_or(next),
                };
                if let Some(gap) = Gap::between(topic, next, first) {
                    // Told first; what is behind it is read with the next portion.
                    outbox.skip(slot, first);
                    return Ok(Some(gap));
                }
                slice.entries.iter().map(|entry| Arc::new(post::Post::of(entry))).collect()
            }
        };
        let handed = outbox.serve(slot, &flavour, &posts);
        self.meters.caught_up(source, handed);
        Ok(None)
    }

    /// The list of rooms is in no store: who fell behind its ring fetches it anew.
    fn resync(&self, outbox: &Outbox, slot: Slot) -> Vec<Arc<post::Post>> {
        let next = self.hub.next_offset(Topic::Lobby);
        match outbox.lagging(slot) {
            Some((_, stands, _)) if stands < next => {
                outbox.skip(slot, next);
                vec![Arc::new(post::Post::of_rooms(next - 1, lobby::RESYNC))]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
