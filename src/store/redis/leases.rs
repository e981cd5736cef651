//! What becomes of leases: those of owners that lapsed are ended, and those of this process are compared with what Redis
//! has after it may have lost some.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _};
use redis::Script;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::hall::{Hall, ROOMS_AT_ONCE};
use super::owner::Rhythm;
use super::request::{Act, Request};
use super::turns::Message;
use crate::chat::{LeaseId, Name, RoomId};
use crate::store::{Result, StoreError};

static CONDEMN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/condemn.lua")));

/// How long an owner's leases may take to be ended in one room, until it is tried again later.
const ENDING_MAX: Duration = Duration::from_secs(5);
/// Between two tries to compare.
const AGAIN: Duration = Duration::from_millis(500);

/// Brings the leases in Redis to what they are here: those that are missing are taken again, and nobody hears of those
/// that were not; those that were given back are ended. It is tried until it is done, or there is another connection, after
/// which it is done anew.
pub(super) async fn agree(hall: Arc<Hall>, turns: mpsc::UnboundedSender<Message>) {
    let standing = hall.link.standing();
    let generation = standing.borrow().generation;
    while let Err(cause) = compare(&hall, &turns).await {
        tracing::debug!(%cause, "this node's leases cannot be compared with what Redis has now");
        sleep(AGAIN).await;
        if standing.borrow().generation != generation {
            return;
        }
    }
}

async fn compare(hall: &Hall, turns: &mpsc::UnboundedSender<Message>) -> Result<()> {
    // Where leases may be is lost like these.
    let here: Vec<RoomId> = hall.rooms();
    let notes = futures_util::stream::iter(here.into_iter().map(Ok));
    notes
        .try_for_each_concurrent(ROOMS_AT_ONCE, async |room| hall.owner.note(&hall.link, room).await.map(drop))
        .await?;
    let _ = turns.send(Message::Again);
    let name = hall.owner.name();
    let owned = hall.link.keys().of_all(&format!("owned:{name}"));
    let (rooms,): (Vec<String>,) = hall.link.read(redis::pipe().cmd("SMEMBERS").arg(&owned)).await?;
    for room in rooms.iter().filter_map(|room| room.parse().ok()) {
        end_in_room(hall, room, &name, &|lease| !hall.holds(room, LeaseId(lease))).await?;
        if !hall.is_here(room) {
            hall.owner.unnote(room);
        }
    }
    Ok(())
}

/// Ends the leases of owners that lapsed, for as long as it is polled.
pub(super) async fn end_others(hall: Arc<Hall>) {
    let rhythm = Rhythm::of(hall.settings.lease);
    let standing = hall.link.standing();
    loop {
        sleep(rhythm.look).await;
        let connected = { standing.borrow().clone() };
        if !connected.is_up || connected.since.elapsed() < rhythm.held + rhythm.spare {
            continue;
        }
        if let Err(cause) = end_lapsed(&hall, rhythm).await {
            tracing::debug!(%cause, "the leases of nodes that are gone cannot be ended now");
        }
    }
}

async fn end_lapsed(hall: &Hall, rhythm: Rhythm) -> Result<()> {
    let keys = [hall.link.keys().of_all("owners"), hall.link.keys().of_all("lapsed")];
    let spare = rhythm.spare.as_millis().to_string();
    let lapsed: Vec<String> = hall.link.run(&CONDEMN, &keys, &[spare.as_bytes()]).await?;
    for owner in lapsed {
        let owned = hall.link.keys().of_all(&format!("owned:{owner}"));
        let (rooms,): (Vec<String>,) = hall.link.read(redis::pipe().cmd("SMEMBERS").arg(&owned)).await?;
        let rooms: Vec<RoomId> = rooms.iter().filter_map(|room| room.parse().ok()).collect();
        let ends: Vec<_> = rooms.into_iter().map(|room| end_in_room(hall, room, &owner, &|_| true)).collect();
        let ended: Vec<Result<usize>> =
            futures_util::stream::iter(ends).buffer_unordered(ROOMS_AT_ONCE).collect().await;
        let leases = ended.into_iter().sum::<Result<usize>>()?;
        let lapsed = hall.link.keys().of_all("lapsed");
        let () = hall.link.read(redis::pipe().atomic().srem(lapsed, &owner).ignore().del(owned).ignore()).await?;
        if leases > 0 {
            hall.heard.leases_ended.inc_by(leases as u64);
            tracing::info!(leases, "ended the presence that a node left behind");
        }
    }
    Ok(())
}

/// Ends those of an owner's leases in one room that are over, and answers how many.
async fn end_in_room(hall: &Hall, room: RoomId, owner: &str, is_over: &(dyn Fn(u64) -> bool + Sync)) -> Result<usize> {
    let people = hall.link.keys().of_room(room).people;
    let (people,): (HashMap<String, String>,) = hall.link.read(redis::pipe().cmd("HGETALL").arg(people)).await?;
    let theirs = |lease: &&str| {
        lease.split_once(':').is_some_and(|(of, number)| of == owner && number.parse().is_ok_and(is_over))
    };
    let leases: Vec<(Name, String)> = people
        .iter()
        .filter_map(|(name, leases)| Some((name.parse::<Name>().ok()?, leases)))
        .flat_map(|(name, leases)| leases.split(' ').filter(theirs).map(move |lease| (name.clone(), lease.to_owned())))
        .collect();
    if leases.is_empty() {
        return Ok(0);
    }
    let acts = |_: RoomId, _: &str| {
        leases.iter().map(|(name, lease)| Act::leave(name, lease, hall.locale())).collect::<Vec<_>>()
    };
    let request =
        Request { rooms: &[room], acts: &acts, enters: false, is_kept: false, is_joint: false, is_aside: true };
    let ended = hall.ask(&request, Instant::now() + ENDING_MAX).await;
    ended.map(|_| leases.len()).map_err(StoreError::Unavailable)
}

/// Says in which rooms nobody is any more, a few at a time, for as long as it is polled.
pub(super) async fn forget_rooms(hall: Arc<Hall>, mut rooms: mpsc::UnboundedReceiver<RoomId>) {
    let mut left = Vec::new();
    while rooms.recv_many(&mut left, 256).await > 0 {
        let name = hall.owner.name();
        let owned = hall.link.keys().of_all(&format!("owned:{name}"));
        left.retain(|room| !hall.is_here(*room));
        if !left.is_empty() {
            let gone: Vec<String> = left.iter().map(RoomId::to_string).collect();
            // One that stays noted costs a look, should this process be killed.
            let _: Result<()> = hall.link.read(redis::pipe().srem(owned, gone).ignore()).await;
        }
        for room in left.drain(..) {
            // Somebody may have come in meanwhile, and was noted before this was taken away.
            if hall.is_here(room) {
                let _ = hall.owner.note(&hall.link, room).await;
            }
        }
    }
}
