//! A store in a place of its own, with what a test may do to that place.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::server::RedisServer;
use super::*;
use crate::chat::Locale;
use crate::store::redis::{self, Redis};
use crate::store::sqlite::{self, Sqlite};

pub(in crate::store) const MINUTE_MS: i64 = 60 * 1_000;

/// What a house stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum On {
    /// A file.
    Sqlite,
    /// A Redis.
    Redis,
}

/// What the operator decides, as far as tests decide it.
#[derive(Clone, Debug)]
pub(in crate::store) struct Settings {
    pub(in crate::store) keep_entries: Option<u64>,
    pub(in crate::store) keep_days: Option<u32>,
    pub(in crate::store) queue_max: usize,
    pub(in crate::store) rooms_max: u64,
    /// How long a node that was killed counts as there, where nodes share the store.
    pub(in crate::store) lease: Duration,
    /// How long a request waits for a store that is away.
    pub(in crate::store) wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keep_entries: None,
            keep_days: None,
            queue_max: 1_000,
            rooms_max: 100,
            // A test that waits for one to lapse says so; the others must not see one lapse in a pause of the machine.
            lease: Duration::from_secs(6),
            wait: Duration::from_secs(5),
        }
    }
}

/// What clocks show beside what the machine's do, in milliseconds.
#[derive(Default)]
pub(in crate::store) struct Clocks {
    /// On all of them.
    pub(in crate::store) passed: AtomicI64,
    /// On the wall alone.
    pub(in crate::store) wrong: AtomicI64,
}

enum Place {
    File(TempDir),
    /// A server of the house's own, or the one that all tests share; and a prefix of its own.
    Redis(Option<Arc<Mutex<RedisServer>>>, String),
}

/// A place, the store in it, and its clocks.
pub(in crate::store) struct House {
    place: Place,
    pub(in crate::store) settings: Settings,
    pub(in crate::store) clocks: Arc<Clocks>,
    pub(in crate::store) store: Store,
}

/// Keeps the store from working until it is dropped, so that what is asked meanwhile waits together.
pub(in crate::store) enum Held {
    File { _release: std::sync::mpsc::Sender<()> },
    Redis(Arc<Mutex<RedisServer>>),
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Self::Redis(server) = self {
            server.lock().go_on();
        }
    }
}

impl House {
    pub(in crate::store) async fn new(on: On) -> Self {
        Self::with(on, Settings::default()).await
    }

    pub(in crate::store) async fn with(on: On, settings: Settings) -> Self {
        Self::at(Self::place(on, None), settings).await
    }

    /// One whose place is the test's alone: its clock can be turned, and it can be held.
    pub(in crate::store) async fn alone(on: On, settings: Settings) -> Self {
        let server = matches!(on, On::Redis).then(RedisServer::start_with_clock);
        Self::at(Self::place(on, server), settings).await
    }

    /// One on a Redis that the test started as it needs it.
    pub(in crate::store) async fn on_server(server: RedisServer, settings: Settings) -> Self {
        Self::at(Self::place(On::Redis, Some(server)), settings).await
    }

    fn place(on: On, server: Option<RedisServer>) -> Place {
        match on {
            On::Sqlite => Place::File(tempfile::tempdir().unwrap()),
            On::Redis => {
                Place::Redis(server.map(|own| Arc::new(Mutex::new(own))), format!("{}:", Uuid::new_v4().simple()))
            }
        }
    }

    async fn at(place: Place, settings: Settings) -> Self {
        let clocks = Arc::default();
        let store = open(&place, &settings, &clocks, Mode::Serve).await;
        Self { place, settings, clocks, store }
    }

    /// The command line beside this one.
    pub(in crate::store) async fn admin(&self) -> Store {
        open(&self.place, &self.settings, &self.clocks, Mode::Admin).await
    }

    /// What another node opens the same store with.
    pub(in crate::store) fn redis_settings(&self) -> redis::Settings {
        redis_settings(&self.place, &self.settings)
    }

    /// The server ends, and the next one starts.
    pub(in crate::store) async fn restart(&mut self) {
        self.store.close().await;
        self.store = open(&self.place, &self.settings, &self.clocks, Mode::Serve).await;
    }

    /// All who are here go: by the end of the server where that ends their presence, else one by one in this order.
    pub(in crate::store) async fn end(&mut self, here: Vec<(RoomId, &str, u64)>) {
        if matches!(self.place, Place::Redis(..)) {
            for (room, who, lease) in &here {
                self.leave(*room, who, *lease);
            }
            for (room, ..) in here {
                self.room_when(room, |room| room.user_count == 0).await;
            }
        }
        self.restart().await;
    }

    /// After a restart: whoever was in a room before has left it. At once on a file; where nodes share the store, once
    /// the leases have lapsed.
    pub(in crate::store) async fn everybody_has_left(&self, room: RoomId) {
        match self.place {
            Place::File(_) => assert_eq!(self.store.room(room).await.unwrap().unwrap().user_count, 0),
            Place::Redis(..) => drop(self.room_when(room, |room| room.user_count == 0).await),
        }
    }

    /// The store looks for what is old. On a file it does so all the time, in these tests; on Redis at a start, and
    /// then once a minute.
    pub(in crate::store) async fn sweep(&mut self) {
        if matches!(self.place, Place::Redis(..)) {
            self.restart().await;
        }
    }

    /// Time passes, or goes back.
    pub(in crate::store) fn pass(&self, hours: i64) {
        self.clocks.passed.fetch_add(hours * 60 * MINUTE_MS, Ordering::SeqCst);
        self.turn_server();
    }

    /// Somebody sets the clock.
    pub(in crate::store) fn set_clock(&self, ahead_minutes: i64) {
        self.clocks.wrong.store(ahead_minutes * MINUTE_MS, Ordering::SeqCst);
        self.turn_server();
    }

    fn turned(&self) -> i64 {
        self.clocks.passed.load(Ordering::SeqCst) + self.clocks.wrong.load(Ordering::SeqCst)
    }

    fn turn_server(&self) {
        if matches!(self.place, Place::Redis(..)) {
            self.server().lock().set_clock(self.turned());
        }
    }

    /// What time it is in this house, in milliseconds since the Unix epoch.
    pub(in crate::store) fn now(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(since.as_millis()).unwrap() + self.turned()
    }

    /// The file's own store.
    pub(in crate::store) fn file(&self) -> &Sqlite {
        match &self.store {
            Store::Sqlite(file) => file,
            Store::Redis(_) => panic!("this house stands on no file"),
        }
    }

    pub(in crate::store) fn folder(&self) -> &Path {
        match &self.place {
            Place::File(folder) => folder.path(),
            Place::Redis(..) => panic!("this house stands on no file"),
        }
    }

    /// The house's own Redis.
    pub(in crate::store) fn server(&self) -> &Arc<Mutex<RedisServer>> {
        match &self.place {
            Place::Redis(Some(server), _) => server,
            Place::Redis(None, _) | Place::File(_) => panic!("this house has no Redis of its own"),
        }
    }

    /// A key of this house as Redis knows it.
    pub(in crate::store) fn key(&self, key: &str) -> String {
        let Place::Redis(_, prefix) = &self.place else { panic!("this house stands on a file") };
        format!("{prefix}{key}")
    }

    /// Every key of this house that Redis holds, without the prefix.
    pub(in crate::store) fn keys(&self) -> Vec<String> {
        let Place::Redis(server, prefix) = &self.place else { panic!("this house stands on a file") };
        let command = ["--scan", "--pattern", &format!("{prefix}*")];
        let found = server.as_ref().map_or_else(|| RedisServer::shared().ask(&command), |own| own.lock().ask(&command));
        found.lines().filter_map(|key| key.strip_prefix(prefix.as_str())).map(str::to_owned).collect()
    }

    /// Keeps the store from working until what is returned is dropped; for a house that stands alone.
    pub(in crate::store) async fn hold(&self) -> Held {
        if let Place::Redis(..) = self.place {
            self.server().lock().stop();
            return Held::Redis(Arc::clone(self.server()));
        }
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (began, begins) = oneshot::channel();
        let (held, began) = (Mutex::new(held), Mutex::new(Some(began)));
        tokio::spawn(sqlite::tests::busy(self.file().clone(), move || {
            let _ = began.lock().take().map(|began| began.send(()));
            let _ = held.lock().recv();
        }));
        begins.await.unwrap();
        Held::File { _release: release }
    }

    pub(in crate::store) async fn room(&self) -> RoomId {
        self.store.create_room("사랑방".parse().unwrap()).await.unwrap().id
    }

    /// A room without a history.
    pub(in crate::store) async fn passing_room(&self) -> RoomId {
        self.store.create_room_with("사랑방".parse().unwrap(), History::Off).await.unwrap().id
    }

    pub(in crate::store) async fn say(&self, room: RoomId, who: &str, text: &str) -> Result<u64> {
        settled(self.store.append(draft(room, who, text, None))).await.map(|appended| appended.offset)
    }

    /// The same with a message id of the client's own.
    pub(in crate::store) async fn say_as(&self, room: RoomId, who: &str, id: &str) -> Result<Appended> {
        settled(self.store.append(draft(room, who, "x", Some(id)))).await
    }

    pub(in crate::store) async fn enter(&self, room: RoomId, who: &str, lease: u64) -> Result<Entered> {
        settled(self.entering(room, who, lease)).await
    }

    pub(in crate::store) fn entering(&self, room: RoomId, who: &str, lease: u64) -> Pending<Entered> {
        self.store.enter(room, name(who), LeaseId(lease), None)
    }

    pub(in crate::store) fn leave(&self, room: RoomId, who: &str, lease: u64) {
        self.store.leave(room, name(who), LeaseId(lease));
    }

    pub(in crate::store) async fn all(&self, room: RoomId) -> Slice {
        self.store.read(room, 0, usize::MAX, usize::MAX).await.unwrap()
    }

    /// The room once `holds` is true of it.
    pub(in crate::store) async fn room_when(&self, room: RoomId, holds: impl Fn(&Room) -> bool) -> Room {
        for _ in 0..2_000 {
            let now = self.store.room(room).await.unwrap().unwrap();
            if holds(&now) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the room never came to be so: {:?}", self.store.room(room).await);
    }
}

async fn open(place: &Place, settings: &Settings, clocks: &Arc<Clocks>, mode: Mode) -> Store {
    match place {
        Place::File(folder) => {
            Store::Sqlite(sqlite::tests::open(folder.path(), mode, &file_settings(settings), clocks).unwrap())
        }
        Place::Redis(..) => Store::Redis(Redis::open(redis_settings(place, settings), mode).await.unwrap()),
    }
}

pub(in crate::store) fn file_settings(settings: &Settings) -> sqlite::Settings {
    sqlite::Settings {
        locale: Locale::Ko,
        durable: false,
        keep_entries: settings.keep_entries,
        keep_days: settings.keep_days,
        queue_max: settings.queue_max,
        rooms_max: settings.rooms_max,
    }
}

fn redis_settings(place: &Place, settings: &Settings) -> redis::Settings {
    let Place::Redis(server, prefix) = place else { panic!("this house stands on a file") };
    redis::Settings {
        url: server.as_ref().map_or_else(|| RedisServer::shared().url(), |own| own.lock().url()).parse().unwrap(),
        prefix: prefix.clone(),
        locale: Locale::Ko,
        keep_entries: settings.keep_entries,
        keep_days: settings.keep_days,
        queue_max: settings.queue_max,
        rooms_max: settings.rooms_max,
        wait: settings.wait,
        replicas_min: 0,
        lease: settings.lease,
    }
}
