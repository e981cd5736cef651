//! Administrative changes, told from the file to the tail.
//!
//! Whoever administers, in this process or beside it, writes a `change` row in the same transaction. The server reads
//! the rows it has not seen: so each change is told once, in commit order, whoever made it.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::passing::Passing;
use super::rosters::Rosters;
use super::row;
use super::skipped::readable;
use crate::chat::RoomId;
use crate::store::Event;

/// How far the news have been read.
#[derive(Clone, Copy)]
pub(super) struct News {
    seen: i64,
    /// SQLite's number that changes when another connection commits.
    version: i64,
}

/// A change to be told.
#[derive(Clone, Copy)]
pub(super) enum Told<'a> {
    Room(RoomId),
    RoomDeleted(RoomId),
    /// The name as it stands in its account.
    SessionsEnded(&'a str),
}

impl News {
    /// From now on.
    pub(super) fn from_now(file: &Connection) -> rusqlite::Result<Self> {
        let seen = file.query_row("SELECT coalesce(max(seq), 0) FROM change", [], |r| r.get(0))?;
        Ok(Self { seen, version: version(file)? })
    }

    /// What other connections have changed since the last look.
    pub(super) fn elsewhere(
        &mut self,
        file: &Connection,
        rosters: &mut Rosters,
        passing: &mut Passing,
        events: &mut Vec<Event>,
    ) -> rusqlite::Result<()> {
        let version = version(file)?;
        if version != self.version {
            self.read(file, rosters, passing, events)?;
            self.version = version;
        }
        Ok(())
    }

    /// What has been changed since the last look.
    pub(super) fn read(
        &mut self,
        file: &Connection,
        rosters: &mut Rosters,
        passing: &mut Passing,
        events: &mut Vec<Event>,
    ) -> rusqlite::Result<()> {
        let mut changes = file.prepare_cached("SELECT seq, kind, subject FROM change WHERE seq > ?1 ORDER BY seq")?;
        let mut changes = changes.query([self.seen])?;
        while let Some(change) = changes.next()? {
            self.seen = change.get(0)?;
            let event = event(file, rosters, passing, change);
            events.extend(readable(event, "change", || Ok(self.seen.to_string()))?.flatten());
        }
        Ok(())
    }
}

/// Notes a change down, in the transaction that makes it.
pub(super) fn tell(file: &Connection, told: Told<'_>, now: i64) -> rusqlite::Result<()> {
    let (kind, subject) = match &told {
        Told::Room(room) => ("room", ValueRef::Blob(room.as_bytes())),
        Told::RoomDeleted(room) => ("room-deleted", ValueRef::Blob(room.as_bytes())),
        Told::SessionsEnded(name) => ("sessions-ended", ValueRef::Text(name.as_bytes())),
    };
    file.prepare_cached("INSERT INTO change (kind, subject, made_at) VALUES (?1, ?2, ?3)")?
        .execute(params![kind, rusqlite::types::ToSqlOutput::Borrowed(subject), now])
        .map(drop)
}

fn event(
    file: &Connection,
    rosters: &mut Rosters,
    passing: &mut Passing,
    change: &Row<'_>,
) -> rusqlite::Result<Option<Event>> {
    match change.get_ref(1)?.as_str()? {
        // A room that is gone meanwhile has a later row of its own.
        "room" => {
            let id = row::room_id(change, 2)?;
            passing.learn(file, id)?;
            Ok(exists(file, id)?.then_some(Event::Room(id)))
        }
        "room-deleted" => {
            let room = row::room_id(change, 2)?;
            rosters.forget(room);
            passing.forget(room);
            Ok(Some(Event::RoomDeleted(room)))
        }
        "sessions-ended" => Ok(Some(Event::SessionsEnded(row::parsed(change, 2)?))),
        _ => Ok(None),
    }
}

fn exists(file: &Connection, room: RoomId) -> rusqlite::Result<bool> {
    file.prepare_cached("SELECT EXISTS (SELECT 1 FROM room WHERE id = ?1)")?.query_row([room.as_bytes()], |r| r.get(0))
}

/// SQLite's number that changes when another connection commits.
pub(super) fn version(file: &Connection) -> rusqlite::Result<i64> {
    file.prepare_cached("PRAGMA data_version")?.query_row([], |r| r.get(0))
}
