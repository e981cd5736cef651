//! The store as its callers see it, on real files.

mod accounts;
mod administration;
mod clocks;
mod crash;
mod lanes;
mod log;
mod model;
mod passing;
mod presence;
mod retention;
mod trouble;
mod unreadable;

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tempfile::TempDir;

use super::reader::Lane;
use super::rhythm::{Rhythm, steady_clock, wall_clock};
use super::{OpenError, Settings, Sqlite};
use crate::chat::{Draft, Entry, History, LeaseId, Locale, Name, Room, RoomId};
use crate::store::Mode;
use crate::store::{Appended, Entered, Pending, Result, Slice, settled};

/// A folder, the store in it, and its clocks.
struct House {
    folder: TempDir,
    settings: Settings,
    clocks: Arc<Clocks>,
    store: Sqlite,
}

/// What the clocks show beside what the machine's do, in milliseconds.
#[derive(Default)]
struct Clocks {
    /// On both of them.
    passed: AtomicI64,
    /// On the wall alone.
    wrong: AtomicI64,
}

impl House {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: Settings) -> Self {
        let (folder, clocks) = (tempfile::tempdir().unwrap(), Arc::default());
        let store = open(folder.path(), Mode::Serve, &settings, &clocks).unwrap();
        Self { folder, settings, clocks, store }
    }

    /// Another process beside this one.
    fn admin(&self) -> Sqlite {
        open(self.folder.path(), Mode::Admin, &self.settings, &self.clocks).unwrap()
    }

    /// The server ends, and the next one starts.
    async fn restart(&mut self) {
        self.store.close().await;
        self.store = open(self.folder.path(), Mode::Serve, &self.settings, &self.clocks).unwrap();
    }

    /// Time passes, or goes back.
    fn pass(&self, hours: i64) {
        self.clocks.passed.fetch_add(hours * 60 * MINUTE, Ordering::SeqCst);
    }

    /// Somebody sets the clock.
    fn set_clock(&self, ahead_minutes: i64) {
        self.clocks.wrong.store(ahead_minutes * MINUTE, Ordering::SeqCst);
    }

    async fn room(&self) -> RoomId {
        self.store.create_room("사랑방".parse().unwrap()).await.unwrap().id
    }

    /// A room without a history.
    async fn passing_room(&self) -> RoomId {
        self.store.create_room_with("사랑방".parse().unwrap(), History::Off).await.unwrap().id
    }

    async fn say(&self, room: RoomId, who: &str, text: &str) -> Result<u64> {
        settled(self.store.append(draft(room, who, text, None))).await.map(|appended| appended.offset)
    }

    async fn enter(&self, room: RoomId, who: &str, lease: u64) -> Result<Entered> {
        settled(self.entering(room, who, lease)).await
    }

    fn entering(&self, room: RoomId, who: &str, lease: u64) -> Pending<Entered> {
        self.store.enter(room, name(who), LeaseId(lease), None)
    }

    fn leave(&self, room: RoomId, who: &str, lease: u64) {
        self.store.leave(room, name(who), LeaseId(lease));
    }

    async fn all(&self, room: RoomId) -> Slice {
        self.store.read(room, 0, usize::MAX, usize::MAX).await.unwrap()
    }

    /// The room once `holds` is true of it.
    async fn room_when(&self, room: RoomId, holds: impl Fn(&Room) -> bool) -> Room {
        for _ in 0..1_000 {
            let now = self.store.room(room).await.unwrap().unwrap();
            if holds(&now) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the room never came to be so");
    }

    /// Keeps the writer busy until the returned end is dropped, so that what is asked meanwhile is one batch.
    fn hold(&self) -> mpsc::Sender<()> {
        let (release, held) = mpsc::channel::<()>();
        let (began, begins) = mpsc::channel();
        let held = Mutex::new(held);
        let store = self.store.clone();
        tokio::spawn(async move {
            let wait = move |_: &rusqlite::Connection, _: i64| {
                let _ = began.send(());
                let _ = held.lock().unwrap().recv();
                Ok(())
            };
            store.change(wait).await
        });
        tokio::task::block_in_place(|| begins.recv()).unwrap();
        release
    }
}

const MINUTE: i64 = 60 * 1_000;

fn settings() -> Settings {
    Settings {
        locale: Locale::Ko,
        durable: false,
        keep_entries: None,
        keep_days: None,
        queue_max: 1_000,
        rooms_max: 100,
    }
}

fn open(
    folder: &Path,
    mode: Mode,
    settings: &Settings,
    clocks: &Arc<Clocks>,
) -> std::result::Result<Sqlite, OpenError> {
    let (wall, steady, machine) = (Arc::clone(clocks), Arc::clone(clocks), steady_clock());
    let rhythm = Rhythm {
        clock: Arc::new(move || wall_clock() + wall.passed.load(Ordering::SeqCst) + wall.wrong.load(Ordering::SeqCst)),
        steady: Arc::new(move || machine() + steady.passed.load(Ordering::SeqCst)),
        news: Duration::from_millis(10),
        retry: Duration::from_millis(20),
        sweep: Duration::from_millis(20),
    };
    Sqlite::open_at(folder, mode, settings, rhythm)
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn draft(room: RoomId, who: &str, text: &str, id: Option<&str>) -> Draft {
    Draft::new(room, name(who), text, id.map(|id| id.parse().unwrap()), 100_000).unwrap()
}

fn offsets(entries: &[Arc<Entry>]) -> Vec<u64> {
    entries.iter().map(|entry| entry.offset).collect()
}

fn counts(entries: &[Arc<Entry>]) -> Vec<u32> {
    entries.iter().map(|entry| entry.user_count).collect()
}

const fn new(offset: u64) -> Result<Appended> {
    Ok(Appended { offset, duplicate: false })
}
