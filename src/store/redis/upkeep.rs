//! What is done now and then, by one node for all: old entries go.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use redis::Script;
use tokio::time::sleep;

use super::hall::Hall;
use super::link::Link;
use crate::chat::RoomId;
use crate::store::doubt::{Doubt, Moment};
use crate::store::{Examined, Result};

static TRIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/trim.lua")));

/// Between two sweeps.
const SWEEP: Duration = Duration::from_secs(60);
/// Entries that one step looks at: Redis does nothing else meanwhile.
const ENTRIES_AT_ONCE: u32 = 200;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Rooms that one look for damage visits.
const EXAMINED_MAX: usize = 1_000;

/// Sweeps for as long as it is polled. Several nodes that do it at the same time do it once: what is gone is gone.
pub(super) async fn keep_house(hall: Arc<Hall>) {
    let Some(days) = hall.settings.keep_days else { return };
    let started = Instant::now();
    let mut doubt: Option<Doubt> = None;
    loop {
        if let Ok(wall) = time(&hall.link).await {
            let steady = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
            let now = Moment { steady, wall };
            let doubt = doubt.get_or_insert_with(|| Doubt::new(now));
            if doubt.allows(now)
                && let Err(cause) = sweep(&hall.link, wall - i64::from(days) * DAY_MS).await
            {
                tracing::warn!(%cause, "cannot remove what is old");
            }
        }
        sleep(SWEEP).await;
    }
}

/// What time it is for Redis, in milliseconds since the Unix epoch.
pub(super) async fn time(link: &Link) -> Result<i64> {
    let ((seconds, micros),): ((i64, i64),) = link.read(redis::pipe().cmd("TIME")).await?;
    Ok(seconds * 1_000 + micros / 1_000)
}

/// The rooms on the list, be they there or not.
pub(super) async fn rooms(link: &Link) -> Result<Vec<RoomId>> {
    let all = link.keys().of_all("rooms");
    let (ids,): (Vec<String>,) = link.read(redis::pipe().cmd("ZRANGE").arg(all).arg(0).arg(-1)).await?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

async fn sweep(link: &Link, before: i64) -> Result<()> {
    for room in rooms(link).await? {
        let keys = link.keys().of_room(room);
        let keys = [keys.room, keys.log];
        let args = [before.to_string(), ENTRIES_AT_ONCE.to_string()];
        loop {
            let gone: u32 = link.run(&TRIM, &keys, &[args[0].as_bytes(), args[1].as_bytes()]).await?;
            if gone < ENTRIES_AT_ONCE {
                break;
            }
        }
    }
    Ok(())
}

/// Looks whether the logs end where their rooms say.
pub(super) async fn examine(link: &Link) -> Result<Examined> {
    let rooms = rooms(link).await?;
    let mut damaged = Vec::new();
    for room in rooms.iter().take(EXAMINED_MAX) {
        let keys = link.keys().of_room(*room);
        let mut pipe = redis::pipe();
        pipe.cmd("HMGET").arg(&keys.room).arg(&["first", "last"]);
        pipe.cmd("XREVRANGE").arg(&keys.log).arg("+").arg("-").arg("COUNT").arg(1);
        let ((first, last), newest): ((Option<u64>, Option<u64>), redis::Value) = link.read(&pipe).await?;
        let newest = super::entries::offset_of(&newest);
        match (first, last, newest) {
            (Some(_), Some(last), Some(newest)) if newest > last => {
                damaged.push(format!("room {room}: the log goes on to {newest}, and the room says {last}"));
            }
            (Some(first), Some(last), None) if first <= last => {
                damaged.push(format!("room {room}: offsets {first} to {last} are not in the log"));
            }
            _ => {}
        }
    }
    Ok(match (damaged.is_empty(), rooms.len() > EXAMINED_MAX) {
        (false, _) => Examined::Damaged(damaged),
        (true, true) => Examined::Unfinished,
        (true, false) => Examined::Sound,
    })
}
