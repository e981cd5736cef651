//! Columns as the domain's values.

use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::Type;

use super::place;
use super::skipped::readable;
use crate::chat::{Entry, History, Invalid, Kind, Name, Room, RoomId};
use crate::store::{Account, Secret};

/// A text that has to be valid, such as a name.
pub(super) fn parsed<T: FromStr<Err = Invalid>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    row.get_ref(column)?
        .as_str()?
        .parse()
        .map_err(|cause| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(cause)))
}

pub(super) fn room_id(row: &Row<'_>, column: usize) -> rusqlite::Result<RoomId> {
    Ok(RoomId::from_bytes(row.get(column)?))
}

/// An offset or a number of entries. SQLite's integers are signed; these are never negative.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}

pub(super) fn history(row: &Row<'_>, column: usize) -> rusqlite::Result<History> {
    Ok(if row.get(column)? { History::On } else { History::Off })
}

pub(super) const ENTRY_COLUMNS: &str = "place, kind, sender, message, user_count, id, sent_at";

/// An entry of `room` out of [`ENTRY_COLUMNS`].
pub(super) fn entry(row: &Row<'_>, room_id: RoomId) -> rusqlite::Result<Entry> {
    let offset = place::offset(row.get(0)?);
    Ok(Entry {
        kind: kind(row.get(1)?),
        room_id,
        sender: row.get_ref(2)?.as_str()?.into(),
        message: row.get_ref(3)?.as_str()?.into(),
        user_count: row.get(4)?,
        offset,
        id: match row.get::<_, Option<Box<str>>>(5)? {
            Some(id) => id,
            None => Entry::default_id(room_id, offset).into(),
        },
        sent_at: row.get(6)?,
    })
}

pub(super) const fn kind_number(kind: Kind) -> i64 {
    match kind {
        Kind::Talk => 0,
        Kind::Enter => 1,
        Kind::Quit => 2,
    }
}

const fn kind(number: i64) -> Kind {
    match number {
        1 => Kind::Enter,
        2 => Kind::Quit,
        _ => Kind::Talk,
    }
}

/// Of `room_now`.
pub(super) const ROOM_COLUMNS: &str = "id, name, last_offset, last_at, created_at, history,
    (SELECT count(DISTINCT presence.name) FROM presence WHERE presence.room = room_now.key)";

/// A room out of [`ROOM_COLUMNS`], if it can be read; nobody is in it where the people of the file are not `alive`.
pub(super) fn room(row: &Row<'_>, alive: bool) -> rusqlite::Result<Option<Room>> {
    room_of(row, || if alive { row.get(6) } else { Ok(0) })
}

/// A room out of the first six of [`ROOM_COLUMNS`], if it can be read.
pub(super) fn room_of(
    row: &Row<'_>,
    user_count: impl FnOnce() -> rusqlite::Result<u32>,
) -> rusqlite::Result<Option<Room>> {
    let read = || {
        Ok(Room {
            id: room_id(row, 0)?,
            name: parsed(row, 1)?,
            user_count: user_count()?,
            last_offset: number(row, 2)?,
            last_at: row.get(3)?,
            created_at: row.get(4)?,
            history: history(row, 5)?,
        })
    };
    readable(read(), "room", || Ok(room_id(row, 0).map_or_else(|_| "of a damaged id".into(), |id| id.to_string())))
}

pub(super) const ACCOUNT_COLUMNS: &str =
    "account.name, account.role, account.password_hash, account.disabled, account.token_epoch, account.created_at";

/// An account out of [`ACCOUNT_COLUMNS`], if it can be read.
pub(super) fn account(row: &Row<'_>) -> rusqlite::Result<Option<Account>> {
    let read = || {
        Ok(Account {
            name: parsed(row, 0)?,
            role: parsed(row, 1)?,
            password_hash: Secret::new(row.get::<_, Vec<u8>>(2)?),
            disabled: row.get(3)?,
            token_epoch: row.get(4)?,
            created_at: row.get(5)?,
        })
    };
    readable(read(), "account", || row.get(0))
}

/// The name of somebody who is in a room, if it can be read.
pub(super) fn person(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Name>> {
    readable(parsed(row, column), "presence of", || row.get(column))
}
