//! What is this store's own: the file, its lanes and its clocks. What every store has to do is in `store/tests`.

mod accounts;
mod administration;
mod clocks;
mod crash;
mod handover;
mod heads;
mod lanes;
mod passing;
mod presence;
mod retention;
mod trouble;
mod unreadable;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::reader::Lane;
use super::rhythm::{Rhythm, steady_clock, wall_clock};
use super::{OpenError, Sqlite};
use crate::chat::{Entry, History, LeaseId, Name, Role, Room, RoomId};
use crate::store::tests::{
    Clocks, House, MINUTE_MS, On, Settings, account, counts, draft, file_settings, name, new, offsets, until,
};
use crate::store::{Appended, Mode, Result, settled};

async fn house() -> House {
    House::alone(On::Sqlite, Settings::default()).await
}

pub(in crate::store) fn open(
    folder: &Path,
    mode: Mode,
    settings: &super::Settings,
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

/// Keeps the writer busy for as long as `work` lasts.
pub(in crate::store) async fn busy(store: Sqlite, work: impl Fn() + Send + 'static) {
    let held = move |_: &rusqlite::Connection, _: i64| {
        work();
        Ok(())
    };
    store.change(held).await.unwrap();
}
