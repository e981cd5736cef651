//! A room as everybody sees it.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::{Invalid, RoomId, RoomName};

/// Whether what is said in a room is kept. Decided when the room is made, once and for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum History {
    /// It is on disk before it is acknowledged, and there until retention takes it.
    #[default]
    On,
    /// It goes to whoever is there and is never written: gone once it has left the memory of the process.
    Off,
}

impl History {
    /// As requests, answers and the command line write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

impl FromStr for History {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(Invalid::rule("history", "history is on or off")),
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A room and what a list of rooms shows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its id, in every destination.
    pub id: RoomId,
    /// Its name, which may change.
    pub name: RoomName,
    /// How many people are in it now. Derived from leases, never stored.
    pub user_count: u32,
    /// The offset of its newest entry; 0 while there is none. In a room without a history, and for another process
    /// than the server's own: the greatest that may have been given out.
    pub last_offset: u64,
    /// When that entry was appended, in milliseconds since the Unix epoch; the time of its making while there is none.
    pub last_at: i64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Whether what is said in it is kept.
    pub history: History,
}

/// The room's JSON: `roomId`, `name`, `userCount` as the tutorial's front-end knows them, then what was added.
/// `history` is there only where it is off.
impl Serialize for Room {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let is_off = self.history == History::Off;
        let mut json = serializer.serialize_struct("Room", 6 + usize::from(is_off))?;
        json.serialize_field("roomId", &self.id)?;
        json.serialize_field("name", self.name.as_str())?;
        json.serialize_field("userCount", &self.user_count)?;
        json.serialize_field("lastOffset", &self.last_offset)?;
        json.serialize_field("lastAt", &self.last_at)?;
        json.serialize_field("createdAt", &self.created_at)?;
        if is_off {
            json.serialize_field("history", &self.history)?;
        } else {
            json.skip_field("history")?;
        }
        json.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_begins_with_the_members_that_old_front_ends_read() {
        let room = |history| Room {
            id: RoomId::from_bytes([1; 16]),
            name: "사랑방".parse().unwrap(),
            user_count: 2,
            last_offset: 7,
            last_at: 5,
            created_at: 4,
            history,
        };
        let members = concat!(
            r#"{"roomId":"01010101-0101-0101-0101-010101010101","name":"사랑방","userCount":2,"#,
            r#""lastOffset":7,"lastAt":5,"createdAt":4"#
        );
        assert_eq!(serde_json::to_string(&room(History::On)).unwrap(), format!("{members}}}"));
        assert_eq!(serde_json::to_string(&room(History::Off)).unwrap(), format!(r#"{members},"history":"off"}}"#));
    }

    #[test]
    fn history_is_on_or_off_and_nothing_else() {
        assert_eq!("on".parse(), Ok(History::On));
        assert_eq!("off".parse(), Ok(History::Off));
        for wrong in ["", "Off", "false", "0"] {
            assert_eq!(wrong.parse::<History>().unwrap_err().field, "history");
        }
    }
}
