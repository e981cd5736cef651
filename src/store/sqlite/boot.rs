//! What a server does with the presence that dead processes left in the file.

use rusqlite::{Connection, TransactionBehavior};

use super::command::Claim;
use super::heads::Heads;
use super::log::Round;
use super::passing::Passing;
use super::rosters::Rosters;
use super::row;
use crate::chat::{LeaseId, Locale};

/// Everybody who was in a room when the last server died leaves it now, one after the other, so that the counts in
/// the log go down one by one to 0. From rooms without a history they are gone without a word, as nobody is there to
/// hear it. Only whoever holds the folder's lock may call this.
pub(super) fn end_leases(file: &mut Connection, now: i64, locale: Locale) -> rusqlite::Result<()> {
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let claims = claims(&transaction, "WHERE room.history")?;
    let (mut rosters, mut passing, mut heads) = (Rosters::default(), Passing::default(), Heads::default());
    for claim in &claims {
        rosters.enter(claim);
    }
    let mut round = Round {
        file: &transaction,
        rosters: &mut rosters,
        passing: &mut passing,
        heads: &mut heads,
        events: Vec::new(),
        now,
        locale,
        keep_entries: None,
    };
    for claim in &claims {
        round.leave(claim)?;
    }
    let quits = round.events.len();
    // Also those of people whose names cannot be read: nobody could give them back.
    transaction.execute("DELETE FROM presence", [])?;
    transaction.commit()?;
    if quits > 0 {
        tracing::info!(quits, "ended the presence that an earlier process left behind");
    }
    Ok(())
}

/// The leases in the file whose names can be read; `of` says in which rooms, `""` in all.
pub(super) fn claims(file: &Connection, of: &str) -> rusqlite::Result<Vec<Claim>> {
    file.prepare(&format!(
        "SELECT room.id, presence.name, presence.lease FROM presence JOIN room ON room.key = presence.room
         {of} ORDER BY presence.room, presence.name, presence.lease",
    ))?
    .query_map([], |r| {
        let lease = LeaseId(r.get::<_, i64>(2)?.cast_unsigned());
        let Some(name) = row::person(r, 1)? else { return Ok(None) };
        Ok(Some(Claim { room: row::room_id(r, 0)?, name, lease }))
    })?
    .filter_map(rusqlite::Result::transpose)
    .collect()
}
