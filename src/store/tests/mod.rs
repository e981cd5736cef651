//! What every store has to do, tested once for all of them: on a real file, and on a real Redis.
//!
//! Each test is written against [`Store`] and a [`House`], which knows what it stands on. What a backend does in a way
//! of its own is tested beside it; what several nodes make of one Redis is in [`nodes`].

mod accounts;
mod backup;
mod copy;
mod house;
mod kept;
mod log;
mod model;
mod nodes;
mod passing;
mod presence;
mod queue;
mod retention;
mod rooms;
#[path = "../../../tests/it/support/redis.rs"]
mod server;

use std::sync::Arc;
use std::time::Duration;

use super::{Appended, Entered, Event, Mode, NewAccount, Pending, Result, Secret, Slice, Store, StoreError, Tail};
use crate::chat::{Draft, Entry, History, Kind, LeaseId, Name, Role, Room, RoomId};
use crate::store::settled;

pub(in crate::store) use self::house::{Clocks, House, MINUTE_MS, On, Settings, file_settings};

/// Makes of each test that is named one for each store, so that a failure says which. A test that is not named is code
/// that nobody uses, which the lints refuse.
macro_rules! on_each_store {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::store::tests::On::Sqlite).await;
            })+
        }
        mod redis {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::store::tests::On::Redis).await;
            })+
        }
    };
}
use on_each_store;

/// How long anything may take. Generous: machines are shared, and nothing waits it out when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

pub(in crate::store) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(in crate::store) fn draft(room: RoomId, who: &str, text: &str, id: Option<&str>) -> Draft {
    Draft::new(room, name(who), text, id.map(|id| id.parse().unwrap()), 100_000).unwrap()
}

pub(in crate::store) fn account(who: &str, role: Role) -> NewAccount {
    NewAccount { name: name(who), role, password_hash: Secret::new(*b"hash"), invitation: None }
}

pub(in crate::store) fn offsets(entries: &[Arc<Entry>]) -> Vec<u64> {
    entries.iter().map(|entry| entry.offset).collect()
}

pub(in crate::store) fn counts(entries: &[Arc<Entry>]) -> Vec<u32> {
    entries.iter().map(|entry| entry.user_count).collect()
}

pub(in crate::store) const fn new(offset: u64) -> Result<Appended> {
    Ok(Appended { offset, duplicate: false })
}

const fn again(offset: u64) -> Result<Appended> {
    Ok(Appended { offset, duplicate: true })
}

/// Waits until something is so; `what` says it where it never comes.
pub(in crate::store) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asked = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, asked).await.is_ok(), "waited in vain until {what}");
}

/// The news that come next.
async fn next(tail: &mut Tail) -> Vec<Event> {
    tokio::time::timeout(PATIENCE, tail.next()).await.expect("nothing is told").unwrap()
}

/// The next entries of a room that are told, so many and no more.
pub(in crate::store) async fn told(tail: &mut Tail, room: RoomId, count: usize) -> Vec<Arc<Entry>> {
    let mut told = Vec::new();
    while told.len() < count {
        told.extend(next(tail).await.into_iter().filter_map(|event| match event {
            Event::Entry(entry) if entry.room_id == room => Some(entry),
            _ => None,
        }));
    }
    assert_eq!(told.len(), count, "{told:?}");
    told
}
