//! Rooms: listing, making, renaming, deleting, and who is in one.
//!
//! A room is there while its hash is; the list, in another slot, only says where to look. So a room is put on the list,
//! then made, then told of: nobody hears of a room that cannot be entered yet. And it is deleted, then taken off the
//! list, which tells it. Where that ends halfway, a room without a hash is on the list: it is shown to nobody, and
//! whoever lists rooms takes it off.

use std::cmp::Reverse;
use std::sync::LazyLock;
use std::time::Duration;

use redis::{Pipeline, Script};
use uuid::Uuid;

use super::changes::{run_telling, script, tell};
use super::gather::of_each;
use super::keys::RoomKeys;
use super::skipped::readable;
use super::{Redis, changes};
use crate::chat::{History, Name, Room, RoomId, RoomName};
use crate::store::{Result, StoreError};

/// How long after it was put on the list a room can be made.
const MAKE_MAX: Duration = Duration::from_secs(30);
/// After that a room on the list that is not there will not be made any more. Longer than [`MAKE_MAX`] by more than the
/// clocks of a Cluster's servers differ.
const GONE_AFTER: Duration = Duration::from_secs(60);
/// Rooms that are taken off the list in one step.
const UNLIST_MAX: usize = 1_000;

/// What is read of a room's hash, in the order of [`room_of`].
const FIELDS: [&str; 5] = ["name", "history", "created_at", "last", "last_at"];

static LIST: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/room_list.lua")));
static MAKE: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/room_make.lua")));
static RENAME: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/room_rename.lua")));
static DELETE: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/room_delete.lua")));
static UNLIST: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/room_unlist.lua")));

/// What Redis answers for [`FIELDS`]; nothing but `None` where there is no such room.
type Fields = Vec<Option<Vec<u8>>>;

impl Redis {
    /// See [`crate::store::Store::rooms`].
    pub async fn rooms(&self) -> Result<Vec<Room>> {
        let mut ask = redis::pipe();
        // The newest first, which stays so among rooms of the same last activity.
        ask.cmd("ZREVRANGE").arg(self.link.keys().of_all("rooms")).arg(0).arg(-1);
        let (listed,): (Vec<String>,) = self.link.read(&ask).await?;
        let listed: Vec<RoomId> = listed.iter().filter_map(|id| readable(id.parse(), "listed room", id)).collect();
        let found = of_each(&self.link, &listed, ask_for_room).await?;
        let (mut rooms, mut gone) = (Vec::with_capacity(listed.len()), Vec::new());
        for (id, (fields, people)) in listed.into_iter().zip(found) {
            if is_there(&fields) { rooms.extend(room_of(id, &fields, people)) } else { gone.push(id) }
        }
        for gone in gone.chunks(UNLIST_MAX) {
            self.unlist(gone, GONE_AFTER).await?;
        }
        rooms.sort_by_key(|room| Reverse(room.last_at));
        Ok(rooms)
    }

    /// See [`crate::store::Store::room`].
    pub async fn room(&self, id: RoomId) -> Result<Option<Room>> {
        Ok(self.rooms_of(vec![id]).await?.pop())
    }

    /// See [`crate::store::Store::rooms_of`].
    pub async fn rooms_of(&self, ids: Vec<RoomId>) -> Result<Vec<Room>> {
        let found: Vec<(Fields, u32)> = of_each(&self.link, &ids, ask_for_room).await?;
        let there = ids.into_iter().zip(found).filter(|(_, (fields, _))| is_there(fields));
        Ok(there.filter_map(|(id, (fields, people))| room_of(id, &fields, people)).collect())
    }

    /// See [`crate::store::Store::members`].
    pub async fn members(&self, id: RoomId) -> Result<Vec<Name>> {
        let keys = self.link.keys().of_room(id);
        let mut ask = redis::pipe();
        ask.cmd("EXISTS").arg(keys.room).cmd("HKEYS").arg(keys.people);
        let (is_there, names): (bool, Vec<String>) = self.link.read(&ask).await?;
        if !is_there {
            return Err(StoreError::RoomUnknown);
        }
        let mut names: Vec<Name> =
            names.iter().filter_map(|name| readable(name.parse(), "presence of", name)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// See [`crate::store::Store::create_room`].
    pub async fn create_room(&self, name: RoomName) -> Result<Room> {
        self.create_room_with(name, History::On).await
    }

    /// See [`crate::store::Store::create_room_with`].
    pub async fn create_room_with(&self, name: RoomName, history: History) -> Result<Room> {
        let (id, limit) = (RoomId::new(Uuid::new_v4()), self.settings.rooms_max);
        let (text, keys) = (id.to_string(), self.link.keys());
        let args = [text.as_bytes(), &text_of(limit)];
        let now: i64 = self.link.run(&LIST, &[keys.of_all("rooms")], &args).await?;
        if now == 0 {
            return Err(StoreError::TooManyRooms { limit });
        }
        let (made_at, make_max) = (text_of(now), text_of(MAKE_MAX.as_millis()));
        let args = [name.as_str().as_bytes(), history.as_str().as_bytes(), &made_at, &make_max];
        let is_made: bool = self.link.run(&MAKE, &[keys.of_room(id).room], &args).await?;
        if !is_made {
            return Err(StoreError::Unavailable("Redis took too long to make the room; try again".into()));
        }
        tell(&self.link, "room", &text).await?;
        Ok(Room { id, name, user_count: 0, last_offset: 0, last_at: now, created_at: now, history })
    }

    /// See [`crate::store::Store::rename_room`].
    pub async fn rename_room(&self, id: RoomId, name: RoomName) -> Result<Room> {
        let key = self.link.keys().of_room(id).room;
        let is_there: bool = self.link.run(&RENAME, &[key], &[name.as_str().as_bytes()]).await?;
        if is_there {
            changes::tell(&self.link, "room", &id.to_string()).await?;
        }
        self.room(id).await?.ok_or(StoreError::RoomUnknown)
    }

    /// See [`crate::store::Store::delete_room`]. Asked again where it ended halfway, it does the rest.
    pub async fn delete_room(&self, id: RoomId) -> Result<()> {
        let RoomKeys { room, log, people, ids, ids_before, news: _ } = self.link.keys().of_room(id);
        let was_there: bool = self.link.run(&DELETE, &[room, log, people, ids, ids_before], &[]).await?;
        match (self.unlist(&[id], Duration::ZERO).await?, was_there) {
            (0, false) => Err(StoreError::RoomUnknown),
            (0, true) => tell(&self.link, "room-deleted", &id.to_string()).await,
            _ => Ok(()),
        }
    }

    /// Takes rooms that are not there off the list, those of them that were put on it so long ago; answers how many.
    async fn unlist(&self, rooms: &[RoomId], age: Duration) -> Result<usize> {
        let age = text_of(age.as_millis());
        let rooms: Vec<String> = rooms.iter().map(RoomId::to_string).collect();
        let args: Vec<&[u8]> = std::iter::once(&age[..]).chain(rooms.iter().map(String::as_bytes)).collect();
        run_telling(&self.link, &UNLIST, [self.link.keys().of_all("rooms")], &args).await
    }
}

fn ask_for_room(piece: &mut Pipeline, keys: &RoomKeys) {
    piece.cmd("HMGET").arg(&keys.room).arg(&FIELDS).cmd("HLEN").arg(&keys.people);
}

fn is_there(fields: &Fields) -> bool {
    fields.iter().any(Option::is_some)
}

/// A room that is there, if it can be read.
fn room_of(id: RoomId, fields: &Fields, user_count: u32) -> Option<Room> {
    let read = || {
        let [name, history, created_at, last, last_at] = &fields[..] else {
            return Err("fields are missing".to_owned());
        };
        Ok(Room {
            id,
            name: parsed(name)?,
            user_count,
            last_offset: parsed(last)?,
            last_at: parsed(last_at)?,
            created_at: parsed(created_at)?,
            history: parsed(history)?,
        })
    };
    readable(read(), "room", id)
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(field: &Option<Vec<u8>>) -> std::result::Result<T, String> {
    let text = field.as_deref().ok_or("a field is missing")?;
    std::str::from_utf8(text).map_err(|cause| cause.to_string())?.parse().map_err(|cause: T::Err| cause.to_string())
}

fn text_of(number: impl std::fmt::Display) -> Vec<u8> {
    number.to_string().into_bytes()
}
