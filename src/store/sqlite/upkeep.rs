//! What is old goes: entries beyond retention, the logs of deleted rooms, message ids, sign-in sessions, invitations,
//! told changes. Before that, the rows that are behind their rooms' logs are brought up to date.
//!
//! Invariant: one step touches a bounded number of rows, so nobody who appends waits long; `first_offset` changes in
//! the transaction that deletes.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::heads;
use super::log::AHEAD_MAX_MS;
use super::place::{OFFSET_MAX, offset, place};
use super::row;

/// Rows that one step deletes at most.
const ROWS_MAX: u64 = 512;
/// Rooms that one step looks at.
const ROOMS_A_STEP: i64 = 64;
/// Entries above the limit at which an append trims its room, at most: one delete for so many appends.
const SLACK_ENTRIES_MAX: u64 = 64;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long a message id is remembered.
const DEDUP_MS: i64 = DAY_MS;
/// How long a change can be told; a server looks every fraction of a second.
const CHANGE_MS: i64 = DAY_MS;

/// A sweep over everything that grows old, step by step.
pub(super) struct Upkeep {
    keep_entries: Option<u64>,
    keep_days: Option<u32>,
    at: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The rows that are behind, of rooms whose key is greater.
    Behind(i64),
    /// The rooms whose key is greater.
    Rooms(i64),
    DeletedRooms,
    Dedup,
    Logins,
    Invitations,
    Changes,
}

impl Stage {
    const START: Self = Self::Behind(0);
}

impl Upkeep {
    pub(super) const fn new(keep_entries: Option<u64>, keep_days: Option<u32>) -> Self {
        Self { keep_entries, keep_days, at: Stage::START }
    }

    /// Makes one step in a transaction of its own. True while the sweep is not through. Without a time, which is when
    /// the clock is in doubt, nothing is too old; what is too many goes all the same.
    pub(super) fn step(&mut self, file: &mut Connection, now: Option<i64>) -> rusqlite::Result<bool> {
        let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let next = self.after(&transaction, now)?;
        transaction.commit()?;
        self.at = next.unwrap_or(Stage::START);
        Ok(next.is_some())
    }

    /// Does a piece of the present stage; answers the stage to go on with.
    fn after(&self, file: &Connection, now: Option<i64>) -> rusqlite::Result<Option<Stage>> {
        let before = |age: i64| now.map(|now| now.saturating_sub(age));
        let (deleted, next) = match self.at {
            Stage::Behind(after) => {
                let to = heads::catch_up(file, after, ROWS_MAX)?;
                return Ok(Some(to.map_or(Stage::Rooms(0), Stage::Behind)));
            }
            Stage::Rooms(after) => return Ok(Some(self.rooms(file, after, now)?)),
            Stage::DeletedRooms => (deleted_room(file)?, Some(Stage::Dedup)),
            Stage::Dedup => {
                let sql = "DELETE FROM dedup WHERE (room, sender, id) IN
                    (SELECT room, sender, id FROM dedup WHERE appended_at < ?1 ORDER BY appended_at LIMIT ?2)";
                (older(file, sql, before(DEDUP_MS))?, Some(Stage::Logins))
            }
            Stage::Logins => {
                let sql = "DELETE FROM login WHERE key IN (SELECT key FROM login WHERE expires_at < ?1 LIMIT ?2)";
                (older(file, sql, now)?, Some(Stage::Invitations))
            }
            Stage::Invitations => {
                let sql = "DELETE FROM invitation WHERE key IN
                    (SELECT key FROM invitation WHERE expires_at < ?1 LIMIT ?2)";
                (older(file, sql, now)?, Some(Stage::Changes))
            }
            Stage::Changes => {
                let sql = "DELETE FROM change WHERE seq IN
                    (SELECT seq FROM (SELECT seq, made_at FROM change ORDER BY seq LIMIT ?2) WHERE made_at < ?1)";
                (older(file, sql, before(CHANGE_MS))?, None)
            }
        };
        Ok(if deleted >= ROWS_MAX { Some(self.at) } else { next })
    }

    /// Trims some rooms by number and by age.
    fn rooms(&self, file: &Connection, mut after: i64, now: Option<i64>) -> rusqlite::Result<Stage> {
        if self.keep_entries.is_none() && self.keep_days.is_none() {
            return Ok(Stage::DeletedRooms);
        }
        let rooms: Vec<Span> = file
            .prepare_cached(
                "SELECT key, first_offset, last_offset, missing FROM room_now WHERE key > ?1 ORDER BY key LIMIT ?2",
            )?
            .query_map([after, ROOMS_A_STEP], |r| {
                let (first, last, missing) = (row::number(r, 1)?, row::number(r, 2)?, row::number(r, 3)?);
                Ok(Span { key: r.get(0)?, first, last, missing })
            })?
            .collect::<Result<_, _>>()?;
        let was_last = (rooms.len() as i64) < ROOMS_A_STEP;
        let mut budget = ROWS_MAX;
        for span in rooms {
            let goal = self.goal(file, &span, now)?;
            let (_, gone) = trim(file, &span, goal.min(span.nth(file, budget)?))?;
            budget -= gone;
            if budget == 0 {
                return Ok(Stage::Rooms(after));
            }
            after = span.key;
        }
        Ok(if was_last { Stage::DeletedRooms } else { Stage::Rooms(after) })
    }

    /// The oldest offset that may stay; of what may go it looks no further than one step's rows.
    fn goal(&self, file: &Connection, span: &Span, now: Option<i64>) -> rusqlite::Result<u64> {
        let Span { key, first, last, .. } = *span;
        let surplus = self.keep_entries.map_or(0, |keep| span.entries().saturating_sub(keep));
        let by_number = span.nth(file, surplus.min(ROWS_MAX))?;
        let (Some(days), Some(now)) = (self.keep_days, now) else { return Ok(by_number) };
        let cutoff = now.saturating_sub(i64::from(days) * DAY_MS);
        let Some(known) = oldest_known(file, key, first, last, now, cutoff)? else { return Ok(by_number) };
        let end = span.nth(file, ROWS_MAX)?;
        let young = file
            .prepare_cached(
                "SELECT place FROM entry WHERE place >= ?1 AND place < ?2 AND sent_at >= ?3 ORDER BY place LIMIT 1",
            )?
            .query_row([place(key, known), place(key, end), cutoff], |r| r.get(0))
            .optional()?;
        Ok(by_number.max(young.map_or(end, offset)))
    }
}

/// The offset of the oldest entry whose time can be true, if that is before the cutoff. What a wrong clock has dated
/// into the future is as old as the next entry behind it: else it would keep itself, and all that follows, for years.
fn oldest_known(
    file: &Connection,
    key: i64,
    first: u64,
    last: u64,
    now: i64,
    cutoff: i64,
) -> rusqlite::Result<Option<u64>> {
    let known: Option<(i64, i64)> = file
        .prepare_cached(
            "SELECT place, sent_at FROM entry WHERE place >= ?1 AND place <= ?2 AND sent_at <= ?3
             ORDER BY place LIMIT 1",
        )?
        .query_row([place(key, first), place(key, last), now.saturating_add(AHEAD_MAX_MS)], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .optional()?;
    Ok(known.filter(|(_, sent_at)| *sent_at < cutoff).map(|(place, _)| offset(place)))
}

/// From where to where the log of a room reaches.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) key: i64,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Offsets in between that have no entry.
    pub(super) missing: u64,
}

impl Span {
    const fn entries(&self) -> u64 {
        (self.last + 1).saturating_sub(self.first).saturating_sub(self.missing)
    }

    /// The offset that is the oldest one when so many entries have gone. Where offsets are missing they are looked for,
    /// so that nothing ever begins with such a one.
    fn nth(&self, file: &Connection, entries: u64) -> rusqlite::Result<u64> {
        let end = self.last + 1;
        if self.missing == 0 {
            return Ok(end.min(self.first + entries));
        }
        let found = file
            .prepare_cached(
                "SELECT place FROM entry WHERE place >= ?1 AND place <= ?2 ORDER BY place LIMIT 1 OFFSET ?3",
            )?
            .query_row([place(self.key, self.first), place(self.key, self.last), entries.cast_signed()], |r| r.get(0))
            .optional()?;
        Ok(found.map_or(end, offset))
    }
}

/// Trims a room that has just grown, once that is worth a write. Answers what is left.
pub(super) fn after_append(file: &Connection, span: Span, keep_entries: Option<u64>) -> rusqlite::Result<Span> {
    let Some(keep) = keep_entries else { return Ok(span) };
    let surplus = span.entries().saturating_sub(keep);
    if surplus <= SLACK_ENTRIES_MAX.min(keep / 8) {
        return Ok(span);
    }
    Ok(trim(file, &span, span.nth(file, surplus.min(ROWS_MAX))?)?.0)
}

/// Deletes the entries of a room before `to`. Answers what is left, and how many have gone.
fn trim(file: &Connection, span: &Span, to: u64) -> rusqlite::Result<(Span, u64)> {
    if to <= span.first {
        return Ok((*span, 0));
    }
    let range = [place(span.key, span.first), place(span.key, to)];
    let passed = to - span.first;
    let gone = if span.missing == 0 {
        passed
    } else {
        let mut count = file.prepare_cached("SELECT count(*) FROM entry WHERE place >= ?1 AND place < ?2")?;
        count.query_row(range, |r| row::number(r, 0))?
    };
    let left = Span { first: to, missing: span.missing.saturating_sub(passed.saturating_sub(gone)), ..*span };
    heads::begin_at(file, span.key, left.first, left.missing)?;
    file.prepare_cached("DELETE FROM entry WHERE place >= ?1 AND place < ?2")?.execute(range)?;
    Ok((left, gone))
}

/// Deletes some entries of a deleted room; the room itself is forgotten with the last of them.
fn deleted_room(file: &Connection) -> rusqlite::Result<u64> {
    let key: Option<i64> = file
        .prepare_cached("SELECT key FROM deleted_room ORDER BY key LIMIT 1")?
        .query_row([], |r| r.get(0))
        .optional()?;
    let Some(key) = key else { return Ok(0) };
    let gone = file
        .prepare_cached(
            "DELETE FROM entry WHERE place IN
             (SELECT place FROM entry WHERE place BETWEEN ?1 AND ?2 ORDER BY place LIMIT ?3)",
        )?
        .execute(params![place(key, 0), place(key, OFFSET_MAX), ROWS_MAX.cast_signed()])?;
    if (gone as u64) < ROWS_MAX {
        file.prepare_cached("DELETE FROM deleted_room WHERE key = ?1")?.execute([key])?;
    }
    // There may be another one, so this stage is not through.
    Ok(ROWS_MAX)
}

/// Deletes what is older; nothing, where it is not known what that is.
fn older(file: &Connection, sql: &str, than: Option<i64>) -> rusqlite::Result<u64> {
    let Some(than) = than else { return Ok(0) };
    Ok(file.prepare_cached(sql)?.execute([than, ROWS_MAX.cast_signed()])? as u64)
}
