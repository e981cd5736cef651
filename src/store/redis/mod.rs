//! The store that several nodes share: one Redis (or Valkey), a Cluster of them, or what a Sentinel names.
//!
//! Whatever concerns one room is in one hash slot and changes by one script, [`turn`](turns): so a room's order is the
//! order in which Redis runs the turns, on whichever node they were asked for. Live entries come by publish and
//! subscribe to the nodes that have somebody in the room ([`ear`]); a subscription loses messages when its connection
//! breaks, so the offsets decide: a gap is read again from the log, a double is dropped.
//!
//! | key | what it is |
//! |---|---|
//! | `{room}:room` | a hash: name, history, created_at, first, last, last_at |
//! | `{room}:log` | a stream: entry n has the id `n-0` and one field, the entry as [`record`] writes it |
//! | `{room}:people` | a hash: each name with its leases, `owner:lease` separated by spaces; its length is the count |
//! | `{room}:ids`, `{room}:ids:before` | hashes: message ids of clients' own with their offsets; two of a day each |
//! | `{room}:done:OWNER` | the last turn of this owner with its answer, for two minutes: a turn that is asked for twice happens once |
//! | `{room}:news` | a channel: entries as they are appended |
//! | `{all}:epoch` | which store this is: made with it, gone with it |
//! | `{all}:rooms` | a sorted set: room ids by the time of their making |
//! | `{all}:owners` | a sorted set: who holds leases, by the time until which they are held unless renewed |
//! | `{all}:lapsed` | a set: owners whose leases are being ended |
//! | `{all}:owned:OWNER` | a set: rooms in which this owner may hold leases |
//! | `{all}:accounts` | a hash: accounts as JSON by their folded names |
//! | `{all}:login:DIGEST` | a sign-in session: the account's folded name; it expires |
//! | `{all}:logins:NAME` | a sorted set: the sign-in sessions of an account by their end |
//! | `{all}:invitation:DIGEST` | the role of the account that it makes; it expires |
//! | `{all}:keys` | a list: signing keys as JSON, newest first |
//! | `{all}:kept:NAME` | what a part of the server keeps under a name; it may expire |
//! | `{all}:claim:WHAT` | the owner that may do this alone; it expires |
//! | `{all}:changes` | a stream: what was administered, the newest ten thousand |
//! | `{all}:changed` | a channel: there is something new in `changes` |
//! | `{all}:activity` | a channel: ids of rooms in which something happened, four times a second at most |
//!
//! Before each stands `redis.prefix`; `{room}` is the room's id in braces and `{all}` is so written, so that a Cluster
//! keeps together what a script changes together.
//!
//! Presence: an owner is one process while it holds leases. It renews its time in `owners`; who does not is condemned by
//! whichever node notices, its leases are ended room by room, each by a turn like any other, so each QUIT is told once.
//! An owner that wakes up condemned takes another name and enters anew. Time is Redis's own: no node's clock counts.

mod accounts;
mod changes;
mod claims;
mod kept;
mod keys;
mod link;
mod logins;
mod rooms;

use std::time::Duration;

use crate::chat::{Draft, LeaseId, Locale, Name, RoomId};
use crate::meter::Registry;
use crate::store::{Appended, Entered, Examined, Mode, Pending, Result, Slice, StoreError, Tail};

use self::link::Link;

pub use self::link::OpenError;

/// What the operator decides about the store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is.
    pub url: String,
    /// What all keys and channels begin with.
    pub prefix: String,
    /// The language of notices.
    pub locale: Locale,
    /// Entries that a room keeps; `None` keeps all. Up to 64 more stay until trimming them is worth it.
    pub keep_entries: Option<u64>,
    /// Days that an entry is kept; `None` keeps it for ever.
    pub keep_days: Option<u32>,
    /// Appends that may wait; above it they are refused with [`StoreError::Busy`].
    pub queue_max: usize,
    /// Rooms in all.
    pub rooms_max: u64,
    /// How long a request waits for a Redis that is away.
    pub wait: Duration,
    /// How long the people of a node that was killed count as there, at most.
    pub lease: Duration,
}

/// The store of several nodes. Cheap to clone; the clones are one store.
#[derive(Clone)]
pub struct Redis {
    link: Link,
    settings: std::sync::Arc<Settings>,
}

impl Redis {
    /// Connects, looks whether this Redis will do, and takes part in what it holds.
    ///
    /// # Errors
    /// [`OpenError`], which tells the operator what to do.
    pub async fn open(settings: Settings, _mode: Mode) -> std::result::Result<Self, OpenError> {
        Ok(Self { link: Link::open(&settings).await?, settings: std::sync::Arc::new(settings) })
    }

    /// See [`crate::store::Store::tail`].
    pub fn tail(&self) -> Option<Tail> {
        None
    }

    /// See [`crate::store::Store::append`].
    pub fn append(&self, _draft: Draft) -> Pending<Appended> {
        tokio::sync::oneshot::channel().1
    }

    /// See [`crate::store::Store::append_all`].
    pub fn append_all(&self, _drafts: Vec<Draft>) -> Pending<Vec<Appended>> {
        tokio::sync::oneshot::channel().1
    }

    /// See [`crate::store::Store::enter`].
    pub fn enter(&self, _room: RoomId, _name: Name, _lease: LeaseId, _after: Option<u64>) -> Pending<Entered> {
        tokio::sync::oneshot::channel().1
    }

    /// See [`crate::store::Store::leave`].
    pub fn leave(&self, _room: RoomId, _name: Name, _lease: LeaseId) {}

    /// See [`crate::store::Store::read`].
    pub async fn read(&self, _room: RoomId, _after: u64, _entries_max: usize, _bytes_max: usize) -> Result<Slice> {
        Err(StoreError::RoomUnknown)
    }

    /// See [`crate::store::Store::oldest`].
    pub async fn oldest(&self, _room: RoomId, _after: u64, _entries_max: usize) -> Result<Slice> {
        Err(StoreError::RoomUnknown)
    }

    /// See [`crate::store::Store::newest`].
    pub async fn newest(&self, _room: RoomId, _before: Option<u64>, _entries_max: usize) -> Result<Slice> {
        Err(StoreError::RoomUnknown)
    }

    /// See [`crate::store::Store::kept_news`].
    pub fn kept_news(&self) -> tokio::sync::broadcast::Receiver<String> {
        tokio::sync::broadcast::channel(1).1
    }

    /// See [`crate::store::Store::follow_activity`]. The ear does it.
    pub fn follow_activity(&self, _follow: bool) {}

    /// See [`crate::store::Store::ready`].
    pub async fn ready(&self) -> Result<()> {
        self.link.read(redis::pipe().cmd("PING")).await
    }

    /// See [`crate::store::Store::examine`].
    pub async fn examine(&self) -> Result<Examined> {
        Ok(Examined::Unfinished)
    }

    /// See [`crate::store::Store::register`].
    pub fn register(&self, _registry: &mut Registry) {}

    /// See [`crate::store::Store::close`].
    pub async fn close(&self) {}
}
