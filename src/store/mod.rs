//! What outlives the process: rooms and their logs, presence leases, accounts, sign-in sessions, signing keys.
//!
//! This file is the contract; [`sqlite`] keeps it on one host, [`redis`] for several nodes. It knows the domain (`chat`) and nothing of sockets,
//! sessions or nodes. The store is *pulled*: whoever wants news asks [`Store::tail`]; it never calls back.
//!
//! Invariants: a room's offsets are 1, 2, 3, ... without a hole, given out in the order of the commits. What an
//! answer acknowledges is on disk. In a room without a history it has its place in the order, and nothing of it is ever
//! written; a process that was killed leaves a hole in such a room's offsets, and none of them is given twice. An entry's `userCount` is the roster's at that very entry. A room's `sentAt` never
//! goes back, but for one case: an entry that a wrong clock dated more than five minutes ahead is not followed. Nothing
//! is removed as old by a clock that has jumped more than a day ahead, until it has been so for an hour.

mod account;
mod answer;
mod asked;
pub mod backup;
pub mod copy;
mod doubt;
mod error;
mod logged;
mod meters;
mod queue;
pub mod redis;
pub mod sqlite;
mod tail;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::oneshot::error::RecvError;

pub use account::{Account, Invitation, NewAccount, Secret, SigningKey};
pub use answer::{Appended, Entered, Examined, Slice};
pub use error::StoreError;
pub use redis::{Errand, Hold, Holder, Peer, Relay, RelayError, Reply};
pub use tail::{Event, Tail};

use crate::chat::{Draft, History, LeaseId, Name, Role, Room, RoomId, RoomName};
use crate::meter::Registry;

/// The answer of a store, in short.
pub type Result<T> = std::result::Result<T, StoreError>;

/// What an entry costs beside its words, in bytes: the [`Entry`](crate::chat::Entry) itself, and around the words its JSON and the head of
/// its MESSAGE frame. Without it a portion of one-character messages would be sixty thousand entries.
pub const ENTRY_BYTES: usize = 512;

/// What a page of history costs at most, in bytes. Two hundred of the longest messages that the default limits allow
/// are below it; with greater limits a page may be shorter than asked for.
pub const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Sign-in sessions of one account: more than anybody has browsers. Whoever signs in and in again would fill the file
/// otherwise; a further one ends the oldest.
pub const LOGINS_MAX: usize = 20;
/// The name by which [`Store::kept_news`] tells that there is another signing key.
pub const SIGNING_KEYS: &str = "signing keys";

/// Message ids of clients' own that are remembered of all rooms without a history together, in memory: some 15 MB at
/// most, and at a thousand messages a second more than a minute. In other rooms an id is remembered for a day.
pub const PASSING_IDS_MAX: usize = 65_536;

/// An acknowledgement that has been asked for and is not there yet. The order of the calls that made two of these
/// is the order in which they take effect; waiting for them is another matter.
pub type Pending<T> = tokio::sync::oneshot::Receiver<Result<T>>;

/// Waits for an acknowledgement; a store that is gone answers [`StoreError::Unavailable`].
pub async fn settled<T>(pending: impl Future<Output = std::result::Result<Result<T>, RecvError>>) -> Result<T> {
    pending.await.unwrap_or(Err(StoreError::Unavailable("the store has stopped".into())))
}

/// Who opens the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The server: people enter by it, and it keeps house. On one host it holds the folder's lock, and ends the presence of
    /// whoever held it before.
    Serve,
    /// The server, in the place of one that has let go of the store a moment ago ([`Store::let_go`]) and still holds its
    /// people's connections. On one host they count as there for so long, so that who comes back is not seen to leave.
    Succeed(Duration),
    /// The command line, beside a running server or without one: it reads and administers, and nobody enters.
    Admin,
    /// Whoever examines what is there: reads, makes nothing, and leaves an older file as it is.
    Look,
}

impl Mode {
    /// Whether people enter by it.
    pub const fn serves(self) -> bool {
        matches!(self, Self::Serve | Self::Succeed(_))
    }
}

/// The store. An enum of the backends, not a trait object: the set is closed, and every call says what it costs.
#[derive(Clone)]
pub enum Store {
    /// One SQLite file in the data folder.
    Sqlite(sqlite::Sqlite),
    /// A Redis that several nodes share.
    Redis(redis::Redis),
}

macro_rules! each_backend {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Store::Sqlite($store) => $call,
            Store::Redis($store) => $call,
        }
    };
}

impl Store {
    /// The news of this store, from now on, in commit order. One reader per process: `None` from the second call on.
    pub fn tail(&self) -> Option<Tail> {
        each_backend!(self, s => s.tail())
    }

    /// Appends what somebody says; acknowledged once it is durable, or has its place where no history is kept.
    ///
    /// # Errors
    /// [`StoreError::RoomUnknown`]; [`StoreError::Busy`] above `limits.store_queue_max`; [`StoreError::Unavailable`]
    /// when the disk refuses.
    pub fn append(&self, draft: Draft) -> Pending<Appended> {
        each_backend!(self, s => s.append(draft))
    }

    /// Appends several messages: all of them, next to each other, or none.
    ///
    /// # Errors
    /// As [`Store::append`], for the first that cannot be appended. In the queue each message counts.
    pub fn append_all(&self, drafts: Vec<Draft>) -> Pending<Vec<Appended>> {
        each_backend!(self, s => s.append_all(drafts))
    }

    /// Takes a presence lease, and appends ENTER when it is the person's first in this room. `after` is the offset
    /// that the subscriber has seen last, if it resumes.
    ///
    /// # Errors
    /// [`StoreError::RoomUnknown`]; [`StoreError::AfterPastEnd`] when `after` lies behind the log's end: nothing is
    /// entered then.
    pub fn enter(&self, room: RoomId, name: Name, lease: LeaseId, after: Option<u64>) -> Pending<Entered> {
        each_backend!(self, s => s.enter(room, name, lease, after))
    }

    /// Gives a presence lease back, and appends QUIT when it was the person's last one in this room. Never lost: a
    /// store that cannot write now does it when it can. Unknown leases and rooms are ignored.
    pub fn leave(&self, room: RoomId, name: Name, lease: LeaseId) {
        each_backend!(self, s => s.leave(room, name, lease));
    }

    /// The oldest entries with an offset greater than `after`: at most `entries_max`, and no more once what they cost
    /// reaches `bytes_max` (one at least). An entry costs the bytes of its text, its sender and its id, and
    /// [`ENTRY_BYTES`].
    ///
    /// For cursors that catch up: it never waits for what HTTP callers read.
    ///
    /// # Errors
    /// [`StoreError::RoomUnknown`].
    pub async fn read(&self, room: RoomId, after: u64, entries_max: usize, bytes_max: usize) -> Result<Slice> {
        each_backend!(self, s => s.read(room, after, entries_max, bytes_max).await)
    }

    /// A page of the oldest `entries_max` entries with an offset greater than `after`; fewer once what they cost, as
    /// with [`Store::read`], reaches [`PAGE_BYTES_MAX`].
    ///
    /// # Errors
    /// [`StoreError::RoomUnknown`].
    pub async fn oldest(&self, room: RoomId, after: u64, entries_max: usize) -> Result<Slice> {
        each_backend!(self, s => s.oldest(room, after, entries_max).await)
    }

    /// A page of the newest `entries_max` entries with an offset less than `before` (all, where `None`), in offset
    /// order; fewer, the newest of them, once what they cost reaches [`PAGE_BYTES_MAX`].
    ///
    /// # Errors
    /// [`StoreError::RoomUnknown`].
    pub async fn newest(&self, room: RoomId, before: Option<u64>, entries_max: usize) -> Result<Slice> {
        each_backend!(self, s => s.newest(room, before, entries_max).await)
    }

    /// Every room, newest activity first.
    pub async fn rooms(&self) -> Result<Vec<Room>> {
        each_backend!(self, s => s.rooms().await)
    }

    /// One room, if it is there.
    pub async fn room(&self, id: RoomId) -> Result<Option<Room>> {
        each_backend!(self, s => s.room(id).await)
    }

    /// The present state of several rooms, of those that are there, in any order. It is one read, so that who has a
    /// list to tell does not wait once for each room; meant for a few hundred ids at most. Like [`Store::read`] it
    /// never waits for what HTTP callers read.
    pub async fn rooms_of(&self, ids: &[RoomId]) -> Result<Vec<Room>> {
        each_backend!(self, s => s.rooms_of(ids.to_vec()).await)
    }

    /// The people in a room, by name.
    ///
    /// # Errors
    /// [`StoreError::RoomUnknown`].
    pub async fn members(&self, id: RoomId) -> Result<Vec<Name>> {
        each_backend!(self, s => s.members(id).await)
    }

    /// Makes a room that keeps its history. Two rooms may have the same name.
    ///
    /// # Errors
    /// [`StoreError::TooManyRooms`] at `limits.rooms_max`.
    pub async fn create_room(&self, name: RoomName) -> Result<Room> {
        each_backend!(self, s => s.create_room(name).await)
    }

    /// The same, with a history or without one, which stays so.
    ///
    /// # Errors
    /// As above.
    pub async fn create_room_with(&self, name: RoomName, history: History) -> Result<Room> {
        each_backend!(self, s => s.create_room_with(name, history).await)
    }

    /// Gives a room another name.
    ///
    /// # Errors
    /// [`StoreError::RoomUnknown`].
    pub async fn rename_room(&self, id: RoomId, name: RoomName) -> Result<Room> {
        each_backend!(self, s => s.rename_room(id, name).await)
    }

    /// Deletes a room with its log and leases.
    ///
    /// # Errors
    /// [`StoreError::RoomUnknown`].
    pub async fn delete_room(&self, id: RoomId) -> Result<()> {
        each_backend!(self, s => s.delete_room(id).await)
    }

    /// Adds an account. With an invitation, that is used up in the same step and its role counts.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] (names differ by more than letter case); [`StoreError::InvitationInvalid`].
    pub async fn add_account(&self, account: NewAccount) -> Result<Account> {
        each_backend!(self, s => s.add_account(account).await)
    }

    /// One account, if it is there. The name is compared without regard to letter case. It and [`Store::login`] wait
    /// for each other alone, not for lists and pages: nobody who reads much keeps others out.
    pub async fn account(&self, name: &Name) -> Result<Option<Account>> {
        each_backend!(self, s => s.account(name.clone()).await)
    }

    /// Every account, by name.
    pub async fn accounts(&self) -> Result<Vec<Account>> {
        each_backend!(self, s => s.accounts().await)
    }

    /// Whether an administrator who is not disabled exists.
    pub async fn has_admin(&self) -> Result<bool> {
        each_backend!(self, s => s.has_admin().await)
    }

    /// Replaces a password hash and ends every session of the account.
    ///
    /// # Errors
    /// [`StoreError::AccountUnknown`].
    pub async fn set_password(&self, name: &Name, hash: Secret) -> Result<()> {
        each_backend!(self, s => s.set_password(name.clone(), hash).await)
    }

    /// Disables an account, which ends every session of it, or enables it again.
    ///
    /// # Errors
    /// [`StoreError::AccountUnknown`].
    pub async fn set_disabled(&self, name: &Name, disabled: bool) -> Result<()> {
        each_backend!(self, s => s.set_disabled(name.clone(), disabled).await)
    }

    /// Gives an account another role and ends every session of it, so that no old right lives on.
    ///
    /// # Errors
    /// [`StoreError::AccountUnknown`].
    pub async fn set_role(&self, name: &Name, role: Role) -> Result<()> {
        each_backend!(self, s => s.set_role(name.clone(), role).await)
    }

    /// Keeps an invitation until it is used or expires.
    pub async fn add_invitation(&self, invitation: Invitation) -> Result<()> {
        each_backend!(self, s => s.add_invitation(invitation).await)
    }

    /// Keeps a sign-in session of the account, as it was when its holder proved who they are, under the SHA-256 of its
    /// cookie until `expires_at` (milliseconds since the epoch). An
    /// account keeps [`LOGINS_MAX`] of them: this one, and the others that last longest.
    ///
    /// # Errors
    /// [`StoreError::AccountUnknown`] when it is not there, is disabled, or its sessions were ended meanwhile.
    pub async fn add_login(&self, key: [u8; 32], account: &Account, expires_at: i64) -> Result<()> {
        each_backend!(self, s => s.add_login(key, account.name.clone(), account.token_epoch, expires_at).await)
    }

    /// The account that an unexpired sign-in session belongs to, if there is one.
    pub async fn login(&self, key: [u8; 32]) -> Result<Option<Account>> {
        each_backend!(self, s => s.login(key).await)
    }

    /// Ends a sign-in session; an unknown one is no error.
    pub async fn delete_login(&self, key: [u8; 32]) -> Result<()> {
        each_backend!(self, s => s.delete_login(key).await)
    }

    /// The signing keys, newest first. The first signs; the others verify what they signed.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        each_backend!(self, s => s.signing_keys().await)
    }

    /// Adds a signing key where there is none yet; answers all that are there then, newest first. Of several nodes that
    /// start at the same time one makes the key.
    pub async fn first_signing_key(&self, key: SigningKey) -> Result<Vec<SigningKey>> {
        each_backend!(self, s => s.first_signing_key(key).await)
    }

    /// Adds a signing key, which signs from now on.
    pub async fn add_signing_key(&self, key: SigningKey) -> Result<()> {
        each_backend!(self, s => s.add_signing_key(key).await)
    }

    /// What is kept under a name, if something is.
    pub async fn kept(&self, name: &str) -> Result<Option<Secret>> {
        each_backend!(self, s => s.kept(name.to_owned()).await)
    }

    /// Keeps something under a name, in the place of what was there; durable once it is answered. For what a part of
    /// the server has to remember: certificates, accounts at authorities, how long to wait.
    pub async fn keep(&self, name: &str, value: Secret) -> Result<()> {
        each_backend!(self, s => s.keep(name.to_owned(), value).await)
    }

    /// Keeps something in the place of `before` alone (`None`: where there is nothing yet). False, and nothing is
    /// changed, where something else is there: whoever was stopped for a while overwrites nothing newer.
    pub async fn keep_over(&self, name: &str, before: Option<&Secret>, value: Secret) -> Result<bool> {
        each_backend!(self, s => s.keep_over(name.to_owned(), before.cloned(), value).await)
    }

    /// The same as [`Store::keep`], for a while: it is forgotten by itself once so many seconds have passed. For what a process that was
    /// killed must not leave behind.
    pub async fn keep_for(&self, name: &str, value: Secret, seconds: u32) -> Result<()> {
        each_backend!(self, s => s.keep_for(name.to_owned(), value, seconds).await)
    }

    /// The names under which other nodes keep or forget something, from now on; what is kept there is to be read anew.
    /// Whoever falls behind reads all that it needs anew. A store of one host has nothing to tell.
    pub fn kept_news(&self) -> broadcast::Receiver<String> {
        each_backend!(self, s => s.kept_news())
    }

    /// Claims something that only one node at a time may do, for so many seconds; claimed again before they are over it
    /// stays claimed. True where this process has it now. On one host it always has.
    pub async fn claim(&self, what: &str, seconds: u32) -> Result<bool> {
        each_backend!(self, s => s.claim(what.to_owned(), seconds).await)
    }

    /// The way to the other nodes that serve from this store, which is kept open from the first call on. A store of one host
    /// has no others, and a command line none to speak with: `None`.
    pub fn relay(&self) -> Option<Relay> {
        match self {
            Self::Sqlite(_) => None,
            Self::Redis(store) => store.relay(),
        }
    }

    /// Whether this node wants to hear of rooms in which it has nobody: as long as somebody here follows the list of rooms.
    /// What is told of them is [`Event::Room`]. A store of one host hears everything anyway.
    pub fn follow_activity(&self, follow: bool) {
        each_backend!(self, s => s.follow_activity(follow));
    }

    /// The first lease that nobody holds yet: with a store that was handed over, the people of the process before are
    /// still there by theirs.
    pub fn first_lease(&self) -> LeaseId {
        match self {
            Self::Sqlite(store) => store.first_lease(),
            // Each process has an owner's name of its own there.
            Self::Redis(_) => LeaseId(1),
        }
    }

    /// Lets go of the store, so that another process may serve from it; everything asked for before is settled when this
    /// returns. From then on nobody enters, leaves or speaks by this process ([`StoreError::Elsewhere`]); it reads and
    /// administers as a command line does, and tells what the other one appends to the rooms in which it has somebody. Of
    /// a store that several nodes share there is nothing to let go.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the writer has ended.
    pub async fn let_go(&self) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.let_go().await,
            Self::Redis(_) => Ok(()),
        }
    }

    /// Takes it back from a process that could not serve from it and has ended. Whoever entered there leaves.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the cause: somebody else serves from it, or it is of a newer version now.
    pub async fn take_back(&self) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.take_back().await,
            Self::Redis(_) => Ok(()),
        }
    }

    /// Waits until the store's own thread has come round: proof that it lives, whether or not the disk takes anything.
    pub async fn pulse(&self) {
        if let Self::Sqlite(store) = self {
            store.pulse().await;
        }
    }

    /// Whether other nodes may serve from the same store.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// Forgets what is kept under a name; nothing there is no error.
    pub async fn forget(&self, name: &str) -> Result<()> {
        each_backend!(self, s => s.forget(name.to_owned()).await)
    }

    /// Looks whether the store can be read and written; for `/readyz`. Answers within a second or so, however many
    /// read, and never blocks a thread of the runtime. Once writing failed, the store tries again by itself.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the cause: nothing can be read, the last write failed, the writer has ended.
    pub async fn ready(&self) -> Result<()> {
        each_backend!(self, s => s.ready().await)
    }

    /// Looks for damage in all that is there, for a few seconds at most: whoever cannot look at everything in that time
    /// says so. In the lane of pages, so that nobody who talks waits for it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when nothing can be read.
    pub async fn examine(&self) -> Result<Examined> {
        each_backend!(self, s => s.examine().await)
    }

    /// Names what is counted here.
    pub fn register(&self, registry: &mut Registry) {
        each_backend!(self, s => s.register(registry));
    }

    /// Ends the store: everything asked for before is settled when this returns.
    pub async fn close(&self) {
        each_backend!(self, s => s.close().await);
    }
}
