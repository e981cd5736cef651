//! The embedded store: one SQLite file in the data folder, for one host.
//!
//! One thread writes and commits in groups ([`writer`]), a few connections read ([`reader`]). It knows the domain and
//! SQL; it must not know sockets, sessions or nodes.
//!
//! Presence: the lock on `serve.lock` *is* the lease of every presence row in the file. The operating system gives
//! the lock back when its process dies, however it dies, so whoever holds it knows that every row that was there
//! before belongs to a dead process, and ends it while opening. No clock, no expiry, no counter that could be left
//! behind.
//!
//! Invariants: what was answered is committed, or in the order of a room that keeps nothing; a transaction that fails leaves nothing behind, neither in the file
//! nor in memory; a presence row is in the file exactly when its lease is in a roster of the server's writer.

mod accounts;
mod batch;
mod boot;
mod command;
mod connection;
mod copy;
mod entries;
mod error;
mod examine;
mod fault;
pub(in crate::store) mod folder;
pub(in crate::store) mod gap;
mod handover;
mod heads;
mod health;
mod inquiries;
mod kept;
mod known;
mod log;
mod logins;
mod news;
mod pace;
mod passing;
mod place;
mod reader;
mod rhythm;
mod rooms;
mod rosters;
mod row;
mod schema;
mod skipped;
pub(in crate::store) mod snapshot;
#[cfg(test)]
pub(in crate::store) mod tests;
mod upkeep;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{broadcast, mpsc};

use self::command::{Altering, Claim, Command, Message};
use self::fault::Attempt;
use self::folder::Folder;
use self::handover::Inheritance;
use self::health::Health;
use self::inquiries::Inquiries;
use self::known::Known;
use self::passing::Ends;
use self::reader::{Lane, Readers};
use self::rhythm::{Clock, Rhythm};
use self::writer::Writer;
use super::asked::Asked;
use super::meters::Meters;
use super::queue::Queue;
use super::{Appended, Entered, Mode, Pending, Result, StoreError, Tail, settled};
use crate::chat::{Draft, LeaseId, Locale, Name, RoomId};
use crate::meter::Registry;

pub(in crate::store) use self::copy::Alone;
pub use self::error::OpenError;

/// Batches of news that may wait for their reader before the writer waits for it.
const TAIL_BATCHES_MAX: usize = 16;

/// What the operator decides about the store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The language of notices.
    pub locale: Locale,
    /// Whether an acknowledged message survives the loss of power, not only of the process.
    pub durable: bool,
    /// Entries that a room keeps; `None` keeps all. Up to 64 more stay until trimming them is worth a write.
    pub keep_entries: Option<u64>,
    /// Days that an entry is kept; `None` keeps it for ever.
    pub keep_days: Option<u32>,
    /// Appends that may wait for the disk; above it they are refused with [`StoreError::Busy`].
    pub queue_max: usize,
    /// Rooms in all.
    pub rooms_max: u64,
}

/// The store on one host. Cheap to clone; the clones are one store.
#[derive(Clone)]
pub struct Sqlite {
    shared: Arc<Shared>,
}

struct Shared {
    mode: Mode,
    first_lease: LeaseId,
    rooms_max: u64,
    folder: Folder,
    clock: Clock,
    inbox: Sender<Message>,
    queue: Queue,
    tail_taken: AtomicBool,
    readers: Readers,
    inquiries: Inquiries,
    known: Known,
    passing: Ends,
    health: Health,
    meters: Arc<Meters>,
    /// Never told anything: see [`Sqlite::kept_news`].
    kept_news: broadcast::Sender<String>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Sqlite {
    /// Opens the store in `folder`, and makes both where they are not there yet. Blocks while it reads the disk.
    ///
    /// # Errors
    /// [`OpenError`], which tells the operator what to do.
    pub fn open(folder: &Path, mode: Mode, settings: Settings) -> std::result::Result<Self, OpenError> {
        Self::open_at(folder, mode, &settings, Rhythm::default())
    }

    fn open_at(folder: &Path, mode: Mode, settings: &Settings, rhythm: Rhythm) -> std::result::Result<Self, OpenError> {
        let folder = if mode == Mode::Look { Folder::existing(folder) } else { Folder::prepare(folder)? };
        let lock = match mode {
            Mode::Serve | Mode::Succeed(_) => Some(folder.lock()?),
            Mode::Admin | Mode::Look => None,
        };
        let database = folder.database();
        let broken = |cause| OpenError::broken(&database, cause);
        let mut connection = connection::writer(&database, settings.durable).map_err(broken)?;
        match mode {
            Mode::Serve | Mode::Succeed(_) | Mode::Admin => {
                snapshot::before_migration(&connection, &folder)?;
                schema::migrate(&mut connection, &database)?;
            }
            Mode::Look => schema::newest(&mut connection, &database)?,
        }
        let inherited = match mode {
            Mode::Serve => {
                boot::end_leases(&mut connection, (rhythm.clock)(), settings.locale).map_err(broken)?;
                None
            }
            Mode::Succeed(hold) => Some(Inheritance::of(&connection, Instant::now() + hold).map_err(broken)?),
            Mode::Admin | Mode::Look => None,
        };
        let first_lease = inherited.as_ref().map_or(LeaseId(1), Inheritance::first_lease);
        let clock = Arc::clone(&rhythm.clock);
        let (inbox, messages) = std::sync::mpsc::channel();
        let meters = Arc::<Meters>::default();
        let (health, known, passing) = (Health::new(Arc::clone(&meters)), Known::default(), Ends::default());
        let told = (known.clone(), passing.clone());
        let held = lock.map(|lock| (lock, inherited));
        let writer = Writer::new(connection, held, messages, settings, rhythm, health.clone(), told);
        let writer = writer.map_err(broken)?;
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run())
            .map_err(|cause| OpenError::Thread { cause })?;
        Ok(Self {
            shared: Arc::new(Shared {
                mode,
                first_lease,
                rooms_max: settings.rooms_max,
                folder,
                clock,
                inbox,
                queue: Queue::new(settings.queue_max, Arc::clone(&meters)),
                tail_taken: AtomicBool::new(false),
                readers: Readers::new(database),
                inquiries: Inquiries::default(),
                known,
                passing,
                health,
                meters,
                kept_news: broadcast::Sender::new(1),
                thread: Mutex::new(Some(thread)),
            }),
        })
    }

    /// See [`super::Store::tail`].
    pub fn tail(&self) -> Option<Tail> {
        if self.shared.tail_taken.swap(true, Ordering::SeqCst) {
            return None;
        }
        let (sender, receiver) = mpsc::channel(TAIL_BATCHES_MAX);
        self.send(Message::Tail(sender));
        Some(Tail::new(receiver))
    }

    /// See [`super::Store::append`].
    pub fn append(&self, draft: Draft) -> Pending<Appended> {
        let (asked, pending) = Asked::new();
        if let Some(refusal) = self.not_a_server() {
            asked.refuse(refusal);
            return pending;
        }
        match self.shared.queue.ticket(1) {
            Some(ticket) => self.command(Command::Append { draft, asked, ticket }),
            None => asked.refuse(StoreError::Busy),
        }
        pending
    }

    /// See [`super::Store::append_all`].
    pub fn append_all(&self, drafts: Vec<Draft>) -> Pending<Vec<Appended>> {
        let (asked, pending) = Asked::new();
        if let Some(refusal) = self.not_a_server() {
            asked.refuse(refusal);
            return pending;
        }
        match self.shared.queue.ticket(drafts.len()) {
            Some(ticket) => self.command(Command::AppendAll { drafts, asked, ticket }),
            None => asked.refuse(StoreError::Busy),
        }
        pending
    }

    /// See [`super::Store::enter`].
    pub fn enter(&self, room: RoomId, name: Name, lease: LeaseId, after: Option<u64>) -> Pending<Entered> {
        let (asked, pending) = Asked::new();
        match self.not_a_server() {
            Some(refusal) => asked.refuse(refusal),
            None => self.command(Command::Enter { claim: Claim { room, name, lease }, after, asked }),
        }
        pending
    }

    /// See [`super::Store::leave`].
    pub fn leave(&self, room: RoomId, name: Name, lease: LeaseId) {
        if self.shared.mode.serves() {
            self.command(Command::Leave(Claim { room, name, lease }));
        }
    }

    /// See [`super::Store::follow_activity`]. Everything that happens in the file's rooms is told anyway.
    pub const fn follow_activity(&self, _follow: bool) {}

    /// See [`super::Store::register`].
    pub fn register(&self, registry: &mut Registry) {
        self.shared.meters.register(registry, &self.shared.queue);
    }

    /// See [`super::Store::ready`].
    pub async fn ready(&self) -> Result<()> {
        match self.shared.health.trouble() {
            Some(cause) => Err(cause),
            None => self.shared.readers.answer().await,
        }
    }

    /// See [`super::Store::close`].
    pub async fn close(&self) {
        // The readers go first: a reader in the file would keep the last checkpoint from emptying the log.
        self.shared.readers.close().await;
        self.send(Message::Close);
        let shared = Arc::clone(&self.shared);
        // Whoever closes second waits for the lock, so for the same end.
        let joined = tokio::task::spawn_blocking(move || shared.thread.lock().take().map(JoinHandle::join));
        if !matches!(joined.await, Ok(None | Some(Ok(())))) {
            tracing::error!("the store's writer did not end in order");
        }
    }

    /// Reads from one state of the file.
    async fn read_with<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&Connection) -> Attempt<T> + Send + 'static,
    ) -> Result<T> {
        self.shared.readers.read(lane, work).await
    }

    /// Changes something by the writer; `work` is given the time. All of it happens, or nothing.
    async fn change<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection, i64) -> Attempt<T> + Send + 'static,
    ) -> Result<T> {
        let (asked, pending) = Asked::new();
        self.command(Command::Change(Box::new(Altering::new(work, asked))));
        settled(pending).await
    }

    fn command(&self, command: Command) {
        self.send(Message::Command { command, at: Instant::now() });
    }

    /// A message to a writer that has ended is dropped with its reply, which tells the one who waits.
    fn send(&self, message: Message) {
        let _ = self.shared.inbox.send(message);
    }

    fn not_a_server(&self) -> Option<StoreError> {
        (!self.shared.mode.serves())
            .then(|| StoreError::Unavailable("only the server's own process enters rooms and speaks in them".into()))
    }

    /// Whether presence rows mean living people: see the module's own words.
    fn people_are_alive(&self) -> bool {
        self.shared.mode.serves() || self.shared.folder.is_served()
    }
}
