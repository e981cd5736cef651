//! Everything in the file, told piece by piece and taken piece by piece.

use rusqlite::{Connection, Row, params};

use super::error::OpenError;
use super::fault::Attempt;
use super::folder::Lock;
use super::place::{OFFSET_MAX, place};
use super::reader::Lane;
use super::{Sqlite, row};
use crate::chat::{Entry, History, RoomId};
use crate::store::copy::{Item, RoomRow};
use crate::store::{Result, Secret, SigningKey, StoreError};

/// No server can be started on the folder while this lives.
pub(in crate::store) struct Alone {
    _lock: Lock,
}

impl Sqlite {
    /// Takes the folder's lock.
    pub(in crate::store) fn alone(&self) -> std::result::Result<Alone, OpenError> {
        self.shared.folder.lock().map(|_lock| Alone { _lock })
    }

    /// Every room, in any order.
    pub(in crate::store) async fn rooms_to_copy(&self) -> Result<Vec<RoomRow>> {
        self.read_with(Lane::Page, |file| Ok(rooms(file)?)).await
    }

    /// The message ids of a room since then, by sender and id.
    pub(in crate::store) async fn ids_to_copy(&self, room: RoomId, since: i64) -> Result<Vec<Item>> {
        self.read_with(Lane::Page, move |file| {
            let sql = "SELECT sender, dedup.id, log_offset, appended_at FROM dedup JOIN room ON room.key = dedup.room
                WHERE room.id = ?1 AND appended_at >= ?2 ORDER BY sender, dedup.id";
            let mut ids = file.prepare_cached(sql)?;
            let ids = ids.query_map(params![room.as_bytes(), since], |r| {
                let (sender, id, offset, said_at) = (r.get(0)?, r.get(1)?, row::number(r, 2)?, r.get(3)?);
                Ok(Item::MessageId { room, sender, id, offset, said_at })
            })?;
            Ok(ids.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Everything that belongs to no room.
    pub(in crate::store) async fn house_to_copy(&self) -> Result<Vec<Item>> {
        self.read_with(Lane::Page, |file| Ok(house(file)?)).await
    }

    /// Writes it in one transaction.
    pub(in crate::store) async fn put_copied(&self, items: Vec<Item>) -> Result<()> {
        self.change(move |file, now| items.iter().try_for_each(|item| put(file, item, now))).await
    }
}

fn rooms(file: &Connection) -> rusqlite::Result<Vec<RoomRow>> {
    let mut rooms =
        file.prepare("SELECT id, name, history, created_at, first_offset, last_offset, last_at, key FROM room_now")?;
    let mut entries = file.prepare("SELECT count(*) FROM entry WHERE place BETWEEN ?1 AND ?2")?;
    let rooms = rooms.query_map([], |r| {
        let key = r.get(7)?;
        Ok(RoomRow {
            id: row::room_id(r, 0)?,
            name: r.get(1)?,
            history: row::history(r, 2)?,
            created_at: r.get(3)?,
            first: row::number(r, 4)?,
            last: row::number(r, 5)?,
            last_at: r.get(6)?,
            entries: entries.query_row([place(key, 0), place(key, OFFSET_MAX)], |r| row::number(r, 0))?,
        })
    })?;
    rooms.collect()
}

fn house(file: &Connection) -> rusqlite::Result<Vec<Item>> {
    let mut house = Vec::new();
    let mut read = |sql: &str, item: fn(&Row<'_>) -> rusqlite::Result<Item>| -> rusqlite::Result<()> {
        for found in file.prepare(sql)?.query_map([], item)? {
            house.push(found?);
        }
        Ok(())
    };
    let accounts = "SELECT name_key, name, role, password_hash, disabled, token_epoch, created_at FROM account
        ORDER BY name_key";
    read(accounts, |r| {
        Ok(Item::Account {
            folded: r.get(0)?,
            name: r.get(1)?,
            role: r.get(2)?,
            password_hash: Secret::new(r.get::<_, Vec<u8>>(3)?),
            disabled: r.get(4)?,
            token_epoch: r.get(5)?,
            created_at: r.get(6)?,
        })
    })?;
    read("SELECT key, name_key, expires_at FROM login ORDER BY key", |r| {
        Ok(Item::Login { key: r.get(0)?, folded: r.get(1)?, expires_at: r.get(2)? })
    })?;
    read("SELECT key, role, expires_at FROM invitation ORDER BY key", |r| {
        Ok(Item::Invitation { key: r.get(0)?, role: r.get(1)?, expires_at: r.get(2)? })
    })?;
    read("SELECT id, secret, created_at FROM signing_key ORDER BY number", |r| {
        let secret = Secret::new(r.get::<_, Vec<u8>>(1)?);
        Ok(Item::SigningKey(SigningKey { id: r.get(0)?, secret, created_at: r.get(2)? }))
    })?;
    read("SELECT name, value, expires_at FROM kept ORDER BY name", |r| {
        let (value, end) = (Secret::new(r.get::<_, Vec<u8>>(1)?), r.get(2)?);
        Ok(Item::Kept { name: r.get(0)?, value, expires_at: Some(end).filter(|end| *end < i64::MAX) })
    })?;
    Ok(house)
}

fn put(file: &Connection, item: &Item, now: i64) -> Attempt<()> {
    match item {
        Item::Room(room) => file
            .prepare_cached(
                "INSERT INTO room (id, name, created_at, first_offset, last_offset, last_at, history, missing)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                room.id.as_bytes(),
                room.name,
                room.created_at,
                room.first.cast_signed(),
                room.last.cast_signed(),
                room.last_at,
                room.history == History::On,
                room.missing().cast_signed()
            ])?,
        Item::Entry(entry) => {
            let key = key(file, entry.room_id)?;
            let own_id = Some(&*entry.id).filter(|id| **id != Entry::default_id(entry.room_id, entry.offset));
            file.prepare_cached(
                "INSERT INTO entry (place, kind, sender, message, user_count, id, sent_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                place(key, entry.offset),
                row::kind_number(entry.kind),
                entry.sender,
                entry.message,
                entry.user_count,
                own_id,
                entry.sent_at
            ])?
        }
        Item::Account { folded, name, role, password_hash, disabled, token_epoch, created_at } => file
            .prepare_cached(
                "INSERT INTO account (name_key, name, role, password_hash, disabled, token_epoch, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![folded, name, role, password_hash.expose(), disabled, token_epoch, created_at])?,
        Item::Login { key, folded, expires_at } => file
            .prepare_cached("INSERT INTO login (key, name_key, expires_at) VALUES (?1, ?2, ?3)")?
            .execute(params![key, folded, expires_at])?,
        Item::Invitation { key, role, expires_at } => file
            .prepare_cached("INSERT INTO invitation (key, role, expires_at) VALUES (?1, ?2, ?3)")?
            .execute(params![key, role, expires_at])?,
        Item::SigningKey(key) => file
            .prepare_cached("INSERT INTO signing_key (id, secret, created_at) VALUES (?1, ?2, ?3)")?
            .execute(params![key.id, key.secret.expose(), key.created_at])?,
        Item::Kept { name, value, expires_at } => file
            .prepare_cached("INSERT INTO kept (name, value, changed_at, expires_at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![name, value.expose(), now, expires_at.unwrap_or(i64::MAX)])?,
        Item::MessageId { room, sender, id, offset, said_at } => file
            .prepare_cached(
                "INSERT INTO dedup (room, sender, id, log_offset, appended_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![key(file, *room)?, sender, id, offset.cast_signed(), said_at])?,
    };
    Ok(())
}

/// The key of a room that was copied before.
fn key(file: &Connection, room: RoomId) -> Attempt<i64> {
    let mut look = file.prepare_cached("SELECT key FROM room WHERE id = ?1")?;
    match look.query_row([room.as_bytes()], |r| r.get(0)) {
        Err(rusqlite::Error::QueryReturnedNoRows) => Err(StoreError::RoomUnknown.into()),
        found => Ok(found?),
    }
}
