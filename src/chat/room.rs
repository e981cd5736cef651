//! A room as everybody sees it.

use serde::Serialize;

use super::{RoomId, RoomName};

/// A room and what a list of rooms shows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its id, in every destination.
    pub id: RoomId,
    /// Its name, which may change.
    pub name: RoomName,
    /// How many people are in it now. Derived from leases, never stored.
    pub user_count: u32,
    /// The offset of its newest entry; 0 while there is none.
    pub last_offset: u64,
    /// When that entry was appended, in milliseconds since the Unix epoch; the time of its making while there is none.
    pub last_at: i64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: i64,
}

/// The room's JSON: `roomId`, `name`, `userCount` as the tutorial's front-end knows them, then what was added.
impl Serialize for Room {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut json = serializer.serialize_struct("Room", 6)?;
        json.serialize_field("roomId", &self.id)?;
        json.serialize_field("name", self.name.as_str())?;
        json.serialize_field("userCount", &self.user_count)?;
        json.serialize_field("lastOffset", &self.last_offset)?;
        json.serialize_field("lastAt", &self.last_at)?;
        json.serialize_field("createdAt", &self.created_at)?;
        json.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_begins_with_the_members_that_old_front_ends_read() {
        let room = Room {
            id: RoomId::from_bytes([1; 16]),
            name: "사랑방".parse().unwrap(),
            user_count: 2,
            last_offset: 7,
            last_at: 5,
            created_at: 4,
        };
        assert_eq!(
            serde_json::to_string(&room).unwrap(),
            r#"{"roomId":"01010101-0101-0101-0101-010101010101","name":"사랑방","userCount":2,"lastOffset":7,"lastAt":5,"createdAt":4}"#
        );
    }
}
