//! Append, enter and leave, inside a transaction.
//!
//! Invariant: an offset is taken in the transaction that writes its entry, behind the news of what other processes did,
//! so a room that was deleted is seen, and a roll-back leaves no hole. Where a room's log ends is known by
//! [`heads`](super::heads). Rooms without a history are [`passing`](super::passing)'s; only who is in them is written here.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::command::Claim;
use super::fault::Attempt;
use super::heads::{Head, Heads};
use super::passing::Passing;
use super::place::place;
use super::rosters::Rosters;
use super::row;
use super::upkeep::{self, Span};
use crate::chat::{Draft, Entry, History, Kind, Locale, MessageId, NOTICE_SENDER, RoomId};
use crate::store::{Appended, Entered, Event, StoreError};

/// How far a room's newest entry may lie in the future and still be followed. A clock that is set back a little makes
/// the room's time stand still for so long; one that was wrong by more must not date everything said from then on.
pub(super) const AHEAD_MAX_MS: i64 = 5 * 60 * 1_000;

/// One transaction on the rooms' logs, and what it is going to tell.
pub(super) struct Round<'a> {
    pub(super) file: &'a Connection,
    pub(super) rosters: &'a mut Rosters,
    pub(super) passing: &'a mut Passing,
    pub(super) heads: &'a mut Heads,
    pub(super) events: Vec<Event>,
    pub(super) now: i64,
    pub(super) locale: Locale,
    pub(super) keep_entries: Option<u64>,
}

/// From where to where a room's log reaches.
pub(super) struct Log {
    pub(super) key: i64,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Offsets in between that have no entry.
    pub(super) missing: u64,
    pub(super) history: History,
}

impl Round<'_> {
    pub(super) fn append(&mut self, draft: &Draft) -> Attempt<Appended> {
        if self.passing.has(draft.room) {
            self.passing.reserve(self.file, draft.room)?;
            let user_count = self.rosters.count(draft.room);
            let passed = self.passing.append(draft, self.now, user_count, &mut self.events);
            return Ok(passed.ok_or(StoreError::RoomUnknown)?);
        }
        if let Some(id) = &draft.id
            && let Some(offset) = self.seen(draft, id)?
        {
            return Ok(Appended { offset, duplicate: true });
        }
        let head = self.heads.advance(self.file, draft.room, self.now)?.ok_or(StoreError::RoomUnknown)?;
        if let Some(id) = &draft.id {
            self.remember(&head, draft, id)?;
        }
        self.write(&head, draft.room, Kind::Talk, draft.sender.as_str(), draft.text.clone(), draft.id.as_ref())?;
        Ok(Appended { offset: head.last, duplicate: false })
    }

    pub(super) fn enter(&mut self, claim: &Claim, after: Option<u64>) -> Attempt<Entered> {
        let log = match self.passing.log(claim.room) {
            Some(log) => log,
            None => self.heads.log(self.file, claim.room)?.ok_or(StoreError::RoomUnknown)?,
        };
        let Log { key, first, last, missing, history } = log;
        if after.is_some_and(|after| after > last) {
            return Err(StoreError::AfterPastEnd { last }.into());
        }
        let added = self
            .file
            .prepare_cached("INSERT OR IGNORE INTO presence (room, name, lease) VALUES (?1, ?2, ?3)")?
            .execute(params![key, claim.name.as_str(), claim.lease.0.cast_signed()])?;
        let announced = added == 1 && self.rosters.enter(claim);
        let (first, last) =
            if announced { self.notify(claim, Kind::Enter)?.unwrap_or((first, last)) } else { (first, last) };
        Ok(Entered { last, first, missing, announced, user_count: self.rosters.count(claim.room), history })
    }

    /// Unknown leases and rooms are ignored.
    pub(super) fn leave(&mut self, claim: &Claim) -> rusqlite::Result<()> {
        let taken = self
            .file
            .prepare_cached(
                "DELETE FROM presence
                 WHERE room = (SELECT key FROM room WHERE id = ?1) AND name = ?2 AND lease = ?3",
            )?
            .execute(params![claim.room.as_bytes(), claim.name.as_str(), claim.lease.0.cast_signed()])?;
        if taken == 1 && self.rosters.leave(claim) {
            self.notify(claim, Kind::Quit)?;
        }
        Ok(())
    }

    /// Appends what the server has to say of somebody; answers the oldest and the newest offset.
    fn notify(&mut self, claim: &Claim, kind: Kind) -> rusqlite::Result<Option<(u64, u64)>> {
        let Some(text) = kind.notice(&claim.name, self.locale) else { return Ok(None) };
        if self.passing.has(claim.room) {
            self.passing.reserve(self.file, claim.room)?;
            let user_count = self.rosters.count(claim.room);
            let offset = self.passing.notify(claim.room, (kind, text), self.now, user_count, &mut self.events);
            return Ok(offset.map(|offset| (offset + 1, offset)));
        }
        let Some(head) = self.heads.advance(self.file, claim.room, self.now)? else { return Ok(None) };
        let first = self.write(&head, claim.room, kind, NOTICE_SENDER, text.into(), None)?;
        Ok(Some((first, head.last)))
    }

    /// The offset under which this message stands in the log already.
    fn seen(&self, draft: &Draft, id: &MessageId) -> rusqlite::Result<Option<u64>> {
        self.file
            .prepare_cached(
                "SELECT log_offset FROM dedup
                 WHERE room = (SELECT key FROM room WHERE id = ?1) AND sender = ?2 AND id = ?3",
            )?
            .query_row(params![draft.room.as_bytes(), draft.sender.as_str(), id.as_str()], |r| row::number(r, 0))
            .optional()
    }

    fn remember(&self, head: &Head, draft: &Draft, id: &MessageId) -> rusqlite::Result<()> {
        self.file
            .prepare_cached(
                "INSERT INTO dedup (room, sender, id, log_offset, appended_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![head.key, draft.sender.as_str(), id.as_str(), head.last.cast_signed(), self.now])
            .map(drop)
    }

    /// Writes the entry at its place; answers the oldest offset that is kept.
    fn write(
        &mut self,
        head: &Head,
        room_id: RoomId,
        kind: Kind,
        sender: &str,
        message: Box<str>,
        id: Option<&MessageId>,
    ) -> rusqlite::Result<u64> {
        let (offset, user_count) = (head.last, self.rosters.count(room_id));
        self.file
            .prepare_cached(
                "INSERT INTO entry (place, kind, sender, message, user_count, id, sent_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                place(head.key, offset),
                row::kind_number(kind),
                sender,
                message,
                user_count,
                id.map(MessageId::as_str),
                head.last_at
            ])?;
        let id = id.map_or_else(|| Entry::default_id(room_id, offset), |id| id.as_str().to_owned()).into();
        let sender = Box::from(sender);
        let entry = Entry { kind, room_id, sender, message, user_count, offset, id, sent_at: head.last_at };
        self.events.push(Event::Entry(Arc::new(entry)));
        let span = Span { key: head.key, first: head.first, last: offset, missing: head.missing };
        let kept = upkeep::after_append(self.file, span, self.keep_entries)?;
        if kept.first != head.first {
            self.heads.begin_at(room_id, kept.first, kept.missing);
        }
        Ok(kept.first)
    }
}

/// From where to where a room's log reaches by the file.
pub(super) fn log(file: &Connection, room: RoomId) -> rusqlite::Result<Option<Log>> {
    file.prepare_cached("SELECT key, first_offset, last_offset, history, missing FROM room_now WHERE id = ?1")?
        .query_row([room.as_bytes()], |r| {
            Ok(Log {
                key: r.get(0)?,
                first: row::number(r, 1)?,
                last: row::number(r, 2)?,
                history: row::history(r, 3)?,
                missing: row::number(r, 4)?,
            })
        })
        .optional()
}

/// The time of an entry behind one of that time. It is not before it, unless a wrong clock has dated that one.
pub(super) fn not_before(last_at: i64, now: i64) -> i64 {
    if last_at > now.saturating_add(AHEAD_MAX_MS) { now } else { last_at.max(now) }
}
