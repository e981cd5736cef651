//! The store that several nodes share: one Redis (or Valkey), a Cluster of them, or what a Sentinel names.
//!
//! Whatever concerns one room is in one hash slot and changes by one script, [`turn`](turns): so a room's order is the
//! order in which Redis runs the turns, on whichever node they were asked for. Live entries come by publish and
//! subscribe to the nodes that have somebody in the room ([`ear`]); a subscription loses messages when its connection
//! breaks, so the offsets decide: a gap is read again from the log, a double is dropped.
//!
//! | key | what it is |
//! |---|---|
//! | `{room}:room` | a hash: name, history (`on` or `off`), created_at, first, last, last_at, ids_since (times in ms) |
//! | `{room}:log` | a stream: entry n has the id `n-0` and one field, the entry as [`record`] writes it |
//! | `{room}:people` | a hash: each name with its leases, `owner:lease` separated by spaces; its length is the count |
//! | `{room}:ids`, `{room}:ids:before` | hashes: message ids of clients' own with their offsets; two of a day each |
//! | `{room}:done:PROCESS` | the last turn of this process with its answer, for two minutes: a turn that is asked for twice happens once |
//! | `{room}:news` | a channel: entries as they are appended |
//! | `{DIGEST}:holder` | the process that holds the name of this SHA-256; it expires |
//! | `{PROCESS}:letters` | a channel: what other nodes ask of this process, and answer |
//! | `{all}:epoch` | which store this is: made with it, gone with it |
//! | `{all}:rooms` | a sorted set: room ids by the time of their making |
//! | `{all}:owners` | a sorted set: who holds leases, by the time until which they are held unless renewed |
//! | `{all}:assured:RUN` | a set: owners who have said which offsets their people saw before this run of Redis; for an hour |
//! | `{all}:lapsed` | a set: owners whose leases are being ended |
//! | `{all}:owned:OWNER` | a set: rooms in which this owner may hold leases |
//! | `{all}:accounts` | a hash: accounts as JSON by their folded names |
//! | `{all}:admins` | a set: the folded names of administrators who are not disabled |
//! | `{all}:login:DIGEST` | a sign-in session: the account's folded name; it expires |
//! | `{all}:logins:NAME` | a sorted set: the sign-in sessions of an account by their end |
//! | `{all}:invitation:DIGEST` | the role of the account that it makes; it expires |
//! | `{all}:keys` | a list: signing keys as JSON, newest first |
//! | `{all}:kept:NAME` | what a part of the server keeps under a name; it may expire |
//! | `{all}:claim:WHAT` | the process that may do this alone; it expires |
//! | `{all}:changes` | a stream: what was administered, fields `k` (kind) and `s` (subject), the newest ten thousand |
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
mod address;
mod changes;
mod check;
mod claims;
mod command;
mod copies;
mod copy;
mod dial;
mod ear;
mod entries;
mod gather;
mod hall;
mod kept;
mod keys;
mod leases;
mod link;
mod logins;
mod meters;
mod owner;
mod record;
mod refusal;
mod relay;
mod request;
mod rooms;
mod skipped;
#[cfg(test)]
mod tests;
mod turns;
mod upkeep;
mod wire;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use self::command::{Claim, Command};
use self::ear::{Ear, Order};
use self::hall::Hall;
use self::link::Link;
use self::owner::Owner;
use self::turns::{Message, Turns};
use super::asked::Asked;
use super::meters::Meters;
use super::queue::Queue;
use super::{Appended, Entered, Event, Examined, Mode, Pending, Result, StoreError, Tail};
use crate::chat::{Draft, LeaseId, Locale, Name, RoomId};
use crate::meter::Registry;

pub use self::address::{Address, AddressError};
pub use self::check::{About, Concern, Server, Survey};
pub use self::refusal::OpenError;
pub use self::relay::{Errand, Hold, Holder, Peer, Relay, RelayError, Reply};

/// Batches of news that may wait for their reader before nothing more is heard.
const TAIL_BATCHES_MAX: usize = 64;
/// Names of what others keep that may wait for whoever wants to know.
const KEPT_NEWS_MAX: usize = 256;
/// How long a look whether Redis answers may take.
const READY_MAX: Duration = Duration::from_secs(1);

/// What the operator decides about the store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is, and who we are there.
    pub url: Address,
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
    /// Replicas that must have an entry before it is acknowledged; 0 waits for none.
    pub replicas_min: u32,
    /// How long the people of a node that was killed count as there, at most.
    pub lease: Duration,
}

/// The store of several nodes. Cheap to clone; the clones are one store.
#[derive(Clone)]
pub struct Redis {
    link: Link,
    settings: Arc<Settings>,
    /// By what name this process claims something.
    claimant: Arc<str>,
    shared: Arc<Shared>,
}

struct Shared {
    /// What a server has, and a command line has not.
    serving: Option<Serving>,
    queue: Queue,
    meters: Arc<Meters>,
    kept_news: broadcast::Sender<String>,
    relay: OnceLock<Relay>,
    is_closed: AtomicBool,
}

struct Serving {
    hall: Arc<Hall>,
    inbox: mpsc::UnboundedSender<Message>,
    tail: Mutex<Option<mpsc::Receiver<Vec<Event>>>>,
    tail_taken: AtomicBool,
    tasks: Mutex<JoinSet<()>>,
    turns: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Redis {
    /// Connects, looks whether this Redis will do, and takes part in what it holds.
    ///
    /// # Errors
    /// [`OpenError`], which tells the operator what to do.
    pub async fn open(settings: Settings, mode: Mode) -> std::result::Result<Self, OpenError> {
        let (link, settings) = (Link::open(&settings).await?, Arc::new(settings));
        let kept_news = broadcast::Sender::new(KEPT_NEWS_MAX);
        let meters = Arc::<Meters>::default();
        let serving = match mode {
            Mode::Serve | Mode::Succeed(_) => Some(Serving::begin(&link, &settings, &meters, kept_news.clone()).await?),
            Mode::Admin | Mode::Look => None,
        };
        let queue = Queue::new(settings.queue_max, Arc::clone(&meters));
        let claimant = Uuid::new_v4().simple().to_string().into();
        Ok(Self {
            link,
            settings,
            claimant,
            shared: Arc::new(Shared {
                serving,
                queue,
                meters,
                kept_news,
                relay: OnceLock::new(),
                is_closed: AtomicBool::new(false),
            }),
        })
    }

    /// See [`crate::store::Store::tail`].
    pub fn tail(&self) -> Option<Tail> {
        let serving = self.shared.serving.as_ref()?;
        if serving.tail_taken.swap(true, Ordering::SeqCst) {
            return None;
        }
        serving.tail.lock().take().map(Tail::new)
    }

    /// See [`crate::store::Store::append`].
    pub fn append(&self, draft: Draft) -> Pending<Appended> {
        let (asked, pending) = Asked::new();
        match (&self.shared.serving, self.shared.queue.ticket(1)) {
            (None, _) => asked.refuse(not_a_server()),
            (_, None) => asked.refuse(StoreError::Busy),
            (Some(serving), Some(ticket)) => serving.command(Command::Say { draft, asked, ticket }),
        }
        pending
    }

    /// See [`crate::store::Store::append_all`].
    pub fn append_all(&self, drafts: Vec<Draft>) -> Pending<Vec<Appended>> {
        let (asked, pending) = Asked::new();
        match (&self.shared.serving, self.shared.queue.ticket(drafts.len())) {
            (None, _) => asked.refuse(not_a_server()),
            (_, None) => asked.refuse(StoreError::Busy),
            (Some(serving), Some(ticket)) => serving.command(Command::SayAll { drafts, asked, ticket }),
        }
        pending
    }

    /// See [`crate::store::Store::enter`].
    pub fn enter(&self, room: RoomId, name: Name, lease: LeaseId, after: Option<u64>) -> Pending<Entered> {
        let (asked, pending) = Asked::new();
        match &self.shared.serving {
            None => asked.refuse(not_a_server()),
            Some(serving) => serving.command(Command::Enter { claim: Claim { room, name, lease }, after, asked }),
        }
        pending
    }

    /// See [`crate::store::Store::leave`].
    pub fn leave(&self, room: RoomId, name: Name, lease: LeaseId) {
        if let Some(serving) = &self.shared.serving {
            serving.command(Command::Leave(Claim { room, name, lease }));
        }
    }

    /// See [`crate::store::Store::follow_activity`].
    pub fn follow_activity(&self, follow: bool) {
        if let Some(serving) = &self.shared.serving {
            serving.hall.order(Order::Follow(follow));
        }
    }

    /// See [`crate::store::Store::kept_news`].
    pub fn kept_news(&self) -> broadcast::Receiver<String> {
        self.shared.kept_news.subscribe()
    }

    /// See [`crate::store::Store::relay`].
    pub fn relay(&self) -> Option<Relay> {
        let serving = self.shared.serving.as_ref()?;
        let begin = || Relay::begin(self.link.clone(), Arc::clone(&self.claimant), &mut serving.tasks.lock());
        Some(self.shared.relay.get_or_init(begin).clone())
    }

    /// See [`crate::store::Store::ready`].
    pub async fn ready(&self) -> Result<()> {
        let away = |cause: &str| StoreError::Unavailable(cause.to_owned());
        if self.shared.is_closed.load(Ordering::Acquire) {
            return Err(away("the store has stopped"));
        }
        if let Some(cause) = self.shared.serving.as_ref().and_then(|serving| serving.hall.trouble()) {
            return Err(StoreError::Unavailable(cause));
        }
        let answer = timeout(READY_MAX, self.link.read(redis::pipe().cmd("PING").ignore())).await;
        answer.unwrap_or_else(|_| Err(away("Redis does not answer")))
    }

    /// See [`crate::store::Store::examine`].
    pub async fn examine(&self) -> Result<Examined> {
        upkeep::examine(&self.link).await
    }

    /// See [`crate::store::Store::register`].
    pub fn register(&self, registry: &mut Registry) {
        self.shared.meters.register(registry, &self.shared.queue);
        if let Some(serving) = &self.shared.serving {
            meters::register(&serving.hall, registry);
        }
    }

    /// See [`crate::store::Store::close`]. Who is here stays in the rooms until the leases lapse: by then most are back by
    /// another node, and nobody has seen them go.
    pub async fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Release);
        let Some(serving) = &self.shared.serving else { return };
        if let Some(relay) = self.shared.relay.get() {
            relay.close(READY_MAX).await;
        }
        let (told, done) = oneshot::channel();
        let _ = serving.inbox.send(Message::Close(told));
        let _ = timeout(self.link.wait_max() + READY_MAX, done).await;
        let turns = serving.turns.lock().take();
        if let Some(turns) = turns {
            turns.abort();
        }
        let mut tasks = std::mem::take(&mut *serving.tasks.lock());
        tasks.shutdown().await;
    }

    fn link(&self) -> &Link {
        &self.link
    }
}

impl Serving {
    /// Takes part: from here on this process is an owner of leases, and hears what others do.
    async fn begin(
        link: &Link,
        settings: &Arc<Settings>,
        meters: &Arc<Meters>,
        kept_news: broadcast::Sender<String>,
    ) -> std::result::Result<Self, OpenError> {
        let unreachable = |cause: StoreError| OpenError::Unreachable { cause: cause.to_string() };
        let changes_read = changes::newest(link).await.map_err(unreachable)?;
        let (owner, unnoted) = Owner::new();
        let (orders, ordered) = mpsc::unbounded_channel();
        let (inbox, messages) = mpsc::unbounded_channel();
        let (news, tail) = mpsc::channel(TAIL_BATCHES_MAX);
        let hall = Arc::new(Hall::new(link.clone(), Arc::clone(settings), Arc::clone(meters), owner, orders));
        let ear = Ear::new(Arc::clone(&hall), ordered, news, kept_news, changes_read);
        let mut tasks = JoinSet::new();
        tasks.spawn(ear.listen());
        tasks.spawn(ear::stir(Arc::clone(&hall)));
        tasks.spawn(owner::keep(Arc::clone(&hall), inbox.clone()));
        tasks.spawn(leases::end_others(Arc::clone(&hall)));
        tasks.spawn(leases::forget_rooms(Arc::clone(&hall), unnoted));
        tasks.spawn(upkeep::keep_house(Arc::clone(&hall)));
        let turns = tokio::spawn(Turns::new(Arc::clone(&hall), messages).run());
        Ok(Self {
            hall,
            inbox,
            tail: Mutex::new(Some(tail)),
            tail_taken: AtomicBool::new(false),
            tasks: Mutex::new(tasks),
            turns: Mutex::new(Some(turns)),
        })
    }

    /// One that comes after the end is dropped with its asker's channel, which tells the one who waits.
    fn command(&self, command: Command) {
        let _ = self.inbox.send(Message::Command(command));
    }
}

fn not_a_server() -> StoreError {
    StoreError::Unavailable("only the server's own process enters rooms and speaks in them".into())
}
