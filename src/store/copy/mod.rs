//! Moves everything that one store holds into another, empty one, and proves that both then hold the same.
//!
//! Nobody serves meanwhile. Each backend tells what it holds and takes what it is given, as [`Item`]s, in its own
//! `copy.rs`; here it is walked through, and counted. Presence is not among it: nobody is in.
//!
//! Invariant: a store that was not copied to its end, or is not the same, says so ([`UNFINISHED`]), and nobody serves from it.

mod item;
mod live;
mod survey;
mod tally;

use std::time::{SystemTime, UNIX_EPOCH};

pub use self::item::What;
pub(in crate::store) use self::item::{Item, RoomRow};
pub(in crate::store) use self::live::copy_live;
pub(in crate::store) use self::survey::survey;
pub use self::survey::{KindHeld, RoomHeld, Survey};
pub use self::tally::Comparison;
use self::tally::Tally;
pub(in crate::store) use self::tally::hex;
use super::sqlite;
use super::{Result, Secret, Store, StoreError};

/// Under what name it is kept that a copy into this store has not come to its end.
pub const UNFINISHED: &str = "copy-unfinished";

/// How long a message id is remembered at least.
pub(in crate::store) const IDS_MS: i64 = 24 * 60 * 60 * 1_000;

/// Items that are written together.
const ITEMS_AT_ONCE: usize = 500;
/// What they cost at most, as with [`Store::read`].
const BYTES_AT_ONCE: usize = 1024 * 1024;
/// What ends sooner than this is not compared: it may end while both are read, and two computers' clocks differ.
const ENDING_MS: i64 = 5 * 60 * 1_000;

/// Why nothing was copied, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// What one of the two stores says.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A server runs on the data folder.
    #[error(transparent)]
    Folder(#[from] sqlite::OpenError),
    /// A node serves from the Redis.
    #[error(
        "a node serves from this Redis, or was stopped less than `presence.lease_seconds` ago; stop all nodes, and wait so long"
    )]
    Served,
    /// There is something in the target.
    #[error("it is not empty: it holds {0}")]
    NotEmpty(String),
    /// A copy into it was interrupted, or was not the same.
    #[error("a copy into it has not come to its end")]
    Unfinished,
    /// There is nothing in the source.
    #[error("there is nothing in it that could be copied")]
    Nothing,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether the copying is done, and both are compared.
    pub compares: bool,
    /// Rooms that are through.
    pub rooms: usize,
    /// All of them.
    pub rooms_in_all: usize,
    /// Entries of them.
    pub entries: u64,
}

/// What was copied.
#[derive(Debug)]
pub struct Report {
    /// One for each kind of thing.
    pub comparisons: Vec<Comparison>,
    /// Entries of the source that cannot be read, and so were not copied.
    pub unread: u64,
}

impl Report {
    /// Whether the target holds all that the source holds.
    pub fn is_same(&self) -> bool {
        self.unread == 0 && self.comparisons.iter().all(Comparison::is_same)
    }
}

/// Copies everything from one store to the other, which is empty. Then both are read and compared. Where they are not the
/// same, nobody serves from the target.
///
/// # Errors
/// [`CopyError::Folder`] and [`CopyError::Served`] where somebody serves from one of them; [`CopyError::NotEmpty`] and
/// [`CopyError::Unfinished`] of the target; [`CopyError::Nothing`] of the source; what one of the stores says.
pub async fn copy(from: &Store, to: &Store, mut told: impl FnMut(Progress)) -> std::result::Result<Report, CopyError> {
    // Until the end: nobody starts a server on a folder meanwhile.
    let _alone = (alone(from).await?, alone(to).await?);
    let (now, since) = (now(), now() - IDS_MS);
    if from.kept(UNFINISHED).await?.is_some() || content(from, now).await?.is_none() {
        return Err(CopyError::Nothing);
    }
    if to.kept(UNFINISHED).await?.is_some() {
        return Err(CopyError::Unfinished);
    }
    if let Some(content) = content(to, now).await? {
        return Err(CopyError::NotEmpty(content));
    }
    to.keep(UNFINISHED, Secret::new(*b"1")).await?;
    let unread = walk(from, now, since, async |items| put(to, items).await, &mut told).await?;
    let report = Report { comparisons: compare(from, to, since, &mut told).await?, unread };
    alone_still(from).await?;
    alone_still(to).await?;
    if report.is_same() {
        to.forget(UNFINISHED).await?;
    }
    Ok(report)
}

/// Reads both stores and holds what they hold against each other; message ids those since then.
pub(in crate::store) async fn compare(
    from: &Store,
    to: &Store,
    since: i64,
    mut told: impl FnMut(Progress),
) -> Result<Vec<Comparison>> {
    let (mut here, mut there) = (Tally::default(), Tally::default());
    let ending = now() + ENDING_MS;
    let mut told = |progress| told(Progress { compares: true, ..progress });
    for (store, tally) in [(from, &mut here), (to, &mut there)] {
        let add = async |items: Vec<Item>| {
            items.iter().for_each(|item| tally.add(item));
            Ok(())
        };
        walk(store, ending, since, add, &mut told).await?;
    }
    Ok(here.against(there))
}

/// Walks over everything in the one order that both kinds of store have: what ends behind `ending`, message ids since
/// then. What ends comes first, so that little of it ends meanwhile. Answers how many entries cannot be read.
async fn walk(
    store: &Store,
    ending: i64,
    since: i64,
    mut each: impl AsyncFnMut(Vec<Item>) -> Result<()>,
    told: &mut impl FnMut(Progress),
) -> Result<u64> {
    let house = house(store, ending).await?;
    for some in house.chunks(ITEMS_AT_ONCE) {
        each(some.to_vec()).await?;
    }
    let mut rooms = match store {
        Store::Sqlite(file) => file.rooms_to_copy().await?,
        Store::Redis(redis) => redis.rooms_to_copy().await?,
    };
    rooms.sort_by_key(|room| (room.created_at, room.id));
    for some in rooms.chunks(ITEMS_AT_ONCE) {
        each(some.iter().cloned().map(Item::Room).collect()).await?;
    }
    let mut progress = Progress { rooms_in_all: rooms.len(), ..Progress::default() };
    let mut unread = 0;
    for room in rooms {
        let (mut after, mut read) = (0, 0);
        loop {
            let slice = match store.read(room.id, after, ITEMS_AT_ONCE, BYTES_AT_ONCE).await {
                // Deleted since the rooms were listed.
                Err(StoreError::RoomUnknown) => break,
                read => read?,
            };
            let Some(newest) = slice.entries.last() else { break };
            after = newest.offset;
            read += slice.entries.len() as u64;
            progress.entries += slice.entries.len() as u64;
            told(progress);
            each(slice.entries.into_iter().map(Item::Entry).collect()).await?;
        }
        unread += room.entries.saturating_sub(read);
        let ids = match store {
            Store::Sqlite(file) => file.ids_to_copy(room.id, since).await?,
            Store::Redis(redis) => redis.ids_to_copy(room.id, since).await?,
        };
        if !ids.is_empty() {
            each(ids).await?;
        }
        progress.rooms += 1;
        told(progress);
    }
    Ok(unread)
}

/// Everything that belongs to no room and ends behind then, or never.
async fn house(store: &Store, ending: i64) -> Result<Vec<Item>> {
    let mut house = match store {
        Store::Sqlite(file) => file.house_to_copy().await?,
        Store::Redis(redis) => redis.house_to_copy().await?,
    };
    let is_note = |item: &Item| matches!(item, Item::Kept { name, .. } if name == UNFINISHED);
    house.retain(|item| item.ends_at().is_none_or(|end| end > ending) && !is_note(item));
    Ok(house)
}

/// What there is in a store, for people; `None` where there is nothing.
async fn content(store: &Store, now: i64) -> Result<Option<String>> {
    let rooms = match store {
        Store::Sqlite(file) => file.rooms_to_copy().await?.len(),
        Store::Redis(redis) => redis.rooms_to_copy().await?.len(),
    };
    let house = house(store, now).await?;
    let count =
        |what| if what == What::Rooms { rooms } else { house.iter().filter(|item| item.what() == what).count() };
    let some = |what: What| Some((what, count(what))).filter(|(_, count)| *count > 0);
    let found: Vec<String> =
        What::ALL.into_iter().filter_map(some).map(|(what, count)| format!("{count} {what}")).collect();
    Ok(Some(found.join(", ")).filter(|found| !found.is_empty()))
}

async fn put(store: &Store, items: Vec<Item>) -> Result<()> {
    match store {
        Store::Sqlite(file) => file.put_copied(items).await,
        Store::Redis(redis) => redis.put_copied(items).await,
    }
}

/// Sees to it that nobody serves from it: from a folder for as long as what is answered lives.
async fn alone(store: &Store) -> std::result::Result<Option<sqlite::Alone>, CopyError> {
    match store {
        Store::Sqlite(file) => Ok(Some(file.alone()?)),
        Store::Redis(_) => alone_still(store).await.map(|()| None),
    }
}

async fn alone_still(store: &Store) -> std::result::Result<(), CopyError> {
    match store {
        Store::Redis(redis) if redis.is_served().await? => Err(CopyError::Served),
        _ => Ok(()),
    }
}

/// Milliseconds since the Unix epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
