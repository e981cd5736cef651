//! Rooms: listing, making, renaming, deleting, and who is in one.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::fault::Attempt;
use super::news::{Told, tell};
use super::reader::Lane;
use super::{Sqlite, row};
use crate::chat::{History, Name, Room, RoomId, RoomName};
use crate::store::{Result, StoreError};

impl Sqlite {
    /// See [`crate::store::Store::rooms`].
    pub async fn rooms(&self) -> Result<Vec<Room>> {
        let (alive, passing) = (self.people_are_alive(), self.shared.passing.clone());
        self.read_with(Lane::Page, move |file| {
            let sql = format!("SELECT {} FROM room_now ORDER BY last_at DESC, key DESC", row::ROOM_COLUMNS);
            let mut rooms = file.prepare_cached(&sql)?;
            let rooms = rooms.query_map([], |r| row::room(r, alive))?;
            let mut rooms: Vec<Room> =
                rooms.filter_map(rusqlite::Result::transpose).collect::<rusqlite::Result<_>>()?;
            if passing.complete(&mut rooms) {
                rooms.sort_by_key(|room| std::cmp::Reverse(room.last_at));
            }
            Ok(rooms)
        })
        .await
    }

    /// See [`crate::store::Store::room`].
    pub async fn room(&self, id: RoomId) -> Result<Option<Room>> {
        let alive = self.people_are_alive();
        let mut room = self.read_with(Lane::Page, move |file| Ok(room(file, id, alive)?)).await?;
        self.shared.passing.complete(&mut room);
        Ok(room)
    }

    /// See [`crate::store::Store::rooms_of`].
    pub async fn rooms_of(&self, ids: Vec<RoomId>) -> Result<Vec<Room>> {
        let alive = self.people_are_alive();
        let rooms = self.read_with(Lane::Node, move |file| {
            let found = ids.into_iter().map(|id| room(file, id, alive)).filter_map(rusqlite::Result::transpose);
            Ok(found.collect::<rusqlite::Result<Vec<Room>>>()?)
        });
        let mut rooms = rooms.await?;
        self.shared.passing.complete(&mut rooms);
        Ok(rooms)
    }

    /// See [`crate::store::Store::members`].
    pub async fn members(&self, id: RoomId) -> Result<Vec<Name>> {
        let alive = self.people_are_alive();
        self.read_with(Lane::Page, move |file| {
            let key = Some(key(file, id)?).filter(|_| alive);
            let mut names = file.prepare_cached("SELECT DISTINCT name FROM presence WHERE room = ?1 ORDER BY name")?;
            let names = names.query_map([key], |r| row::person(r, 0))?;
            Ok(names.filter_map(rusqlite::Result::transpose).collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// See [`crate::store::Store::create_room`].
    pub async fn create_room(&self, name: RoomName) -> Result<Room> {
        self.create_room_with(name, History::On).await
    }

    /// See [`crate::store::Store::create_room_with`].
    pub async fn create_room_with(&self, name: RoomName, history: History) -> Result<Room> {
        let (id, limit) = (RoomId::new(Uuid::new_v4()), self.shared.rooms_max);
        self.change(move |file, now| {
            let rooms = file.query_row("SELECT count(*) FROM room", [], |r| row::number(r, 0))?;
            if rooms >= limit {
                return Err(StoreError::TooManyRooms { limit }.into());
            }
            file.execute(
                "INSERT INTO room (id, name, created_at, last_at, history) VALUES (?1, ?2, ?3, ?3, ?4)",
                params![id.as_bytes(), name.as_str(), now, history == History::On],
            )?;
            tell(file, Told::Room(id), now)?;
            Ok(Room { id, name: name.clone(), user_count: 0, last_offset: 0, last_at: now, created_at: now, history })
        })
        .await
    }

    /// See [`crate::store::Store::rename_room`].
    pub async fn rename_room(&self, id: RoomId, name: RoomName) -> Result<Room> {
        let alive = self.people_are_alive();
        let room = self.change(move |file, now| {
            file.execute("UPDATE room SET name = ?2 WHERE id = ?1", params![id.as_bytes(), name.as_str()])?;
            let room = room(file, id, alive)?.ok_or(StoreError::RoomUnknown)?;
            tell(file, Told::Room(id), now)?;
            Ok(room)
        });
        let mut room = room.await?;
        self.shared.passing.complete([&mut room]);
        Ok(room)
    }

    /// See [`crate::store::Store::delete_room`]. The entries, which may be many, are removed a few at a time later;
    /// nobody can reach them from here on.
    pub async fn delete_room(&self, id: RoomId) -> Result<()> {
        self.change(move |file, now| {
            let key = key(file, id)?;
            file.execute("INSERT INTO deleted_room (key) VALUES (?1)", [key])?;
            file.execute("DELETE FROM room WHERE key = ?1", [key])?;
            tell(file, Told::RoomDeleted(id), now)?;
            Ok(())
        })
        .await
    }
}

fn room(file: &Connection, id: RoomId, alive: bool) -> rusqlite::Result<Option<Room>> {
    file.prepare_cached(&format!("SELECT {} FROM room_now WHERE id = ?1", row::ROOM_COLUMNS))?
        .query_row([id.as_bytes()], |r| row::room(r, alive))
        .optional()
        .map(Option::flatten)
}

/// The key of a room that is there.
fn key(file: &Connection, id: RoomId) -> Attempt<i64> {
    let key = file
        .prepare_cached("SELECT key FROM room WHERE id = ?1")?
        .query_row([id.as_bytes()], |r| r.get(0))
        .optional()?;
    Ok(key.ok_or(StoreError::RoomUnknown)?)
}
