//! Rooms: listing, making, renaming, deleting, and who is in one.

use super::Redis;
use crate::chat::{History, Name, Room, RoomId, RoomName};
use crate::store::{Result, StoreError};

#[expect(unused_variables, reason = "not built yet")]
impl Redis {
    /// See [`crate::store::Store::rooms`].
    pub async fn rooms(&self) -> Result<Vec<Room>> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::room`].
    pub async fn room(&self, id: RoomId) -> Result<Option<Room>> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::rooms_of`].
    pub async fn rooms_of(&self, ids: Vec<RoomId>) -> Result<Vec<Room>> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::members`].
    pub async fn members(&self, id: RoomId) -> Result<Vec<Name>> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::create_room`].
    pub async fn create_room(&self, name: RoomName) -> Result<Room> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::create_room_with`].
    pub async fn create_room_with(&self, name: RoomName, history: History) -> Result<Room> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::rename_room`].
    pub async fn rename_room(&self, id: RoomId, name: RoomName) -> Result<Room> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// See [`crate::store::Store::delete_room`].
    pub async fn delete_room(&self, id: RoomId) -> Result<()> {
        Err(StoreError::Unavailable("not built yet".into()))
    }
}
