//! The store as its callers see it, on real files.

mod accounts;
mod administration;
mod crash;
mod lanes;
mod log;
mod model;
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
use super::{Mode, OpenError, Rhythm, Settings, Sqlite, wall_clock};
use crate::chat::{Draft, Entry, LeaseId, Locale, Name, Room, RoomId};
use crate::store::{Appended, Entered, Pending, Result, Slice, settled};

/// A folder, the store in it, and the hours by which its clock is wrong.
struct House {
    folder: TempDir,
    settings: Settings,
    clock_shift: Arc<AtomicI64>,
    store: Sqlite,
}

impl House {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: Settings) -> Self {
        let (folder, clock_shift) = (tempfile::tempdir().unwrap(), Arc::default());
        let store = open(folder.path(), Mode::Serve, &settings, &clock_shift).unwrap();
        Self { folder, settings, clock_shift, store }
    }

    /// Another process beside this one.
    fn admin(&self) -> Sqlite {
        open(self.folder.path(), Mode::Admin, &self.settings, &self.clock_shift).unwrap()
    }

    /// The server ends, and the next one starts.
    async fn restart(&mut self) {
        self.store.close().await;
        self.store = open(self.folder.path(), Mode::Serve, &self.settings, &self.clock_shift).unwrap();
    }

    fn shift_clock(&self, hours: i64) {
        self.clock_shift.fetch_add(hours * 60 * 60 * 1_000, Ordering::SeqCst);
    }

    async fn room(&self) -> RoomId {
        self.store.create_room("사랑방".parse().unwrap()).await.unwrap().id
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
    clock_shift: &Arc<AtomicI64>,
) -> std::result::Result<Sqlite, OpenError> {
    let shift = Arc::clone(clock_shift);
    let rhythm = Rhythm {
        clock: Arc::new(move || wall_clock() + shift.load(Ordering::SeqCst)),
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
