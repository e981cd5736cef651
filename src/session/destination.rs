//! Destinations: the paths of the contract, parsed.

use super::effect::Error;
use crate::chat::RoomId;

/// What a SUBSCRIBE may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// `/sub/chat/room/{roomId}`: a room's log.
    Room(RoomId),
    /// `/sub/chat/rooms`: the list of rooms, as it changes.
    Rooms,
    /// `/user/queue/errors`: requests of this session that could not be done.
    Errors,
}

impl Destination {
    /// The destination of a SUBSCRIBE.
    ///
    /// # Errors
    /// `unknown_destination` with what there is; `room_unknown` for a room id that is no id.
    pub fn parse(path: &str) -> Result<Self, Error> {
        match path {
            "/sub/chat/rooms" => return Ok(Self::Rooms),
            "/user/queue/errors" => return Ok(Self::Errors),
            _ => {}
        }
        let Some(room) = path.strip_prefix("/sub/chat/room/") else {
            return Err(Error::new("unknown_destination", "there is nothing to subscribe to at this destination")
                .detail("Destinations are /sub/chat/room/{roomId}, /sub/chat/rooms and /user/queue/errors."));
        };
        room.parse().map(Self::Room).map_err(|e| Error::new("room_unknown", format!("there is no such room: {e}")))
    }
}

/// What a SEND may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `/pub/chat/message`: say something.
    Message,
    /// `/pub/chat/token`: nothing but a newer token, for a client that listens and says nothing.
    Token,
}

impl Target {
    /// The destination of a SEND.
    pub(super) fn parse(path: &str) -> Result<Self, Error> {
        match path {
            "/pub/chat/message" => Ok(Self::Message),
            "/pub/chat/token" => Ok(Self::Token),
            _ => Err(Error::new("unknown_destination", "nothing can be sent to this destination")
                .detail("SEND goes to /pub/chat/message, or with a newer token alone to /pub/chat/token.")),
        }
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Room(id) => write!(f, "/sub/chat/room/{id}"),
            Self::Rooms => f.write_str("/sub/chat/rooms"),
            Self::Errors => f.write_str("/user/queue/errors"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_reads_as_it_was_written() {
        for path in ["/sub/chat/room/123e4567-e89b-42d3-a456-426614174000", "/sub/chat/rooms", "/user/queue/errors"] {
            assert_eq!(Destination::parse(path).unwrap().to_string(), path);
        }
        for path in ["", "/sub/chat/room/", "/sub/chat/room/x", "/sub/chat", "/pub/chat/message", "/topic/a"] {
            assert!(Destination::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn nobody_sends_to_a_subscription_destination() {
        assert!(Target::parse("/pub/chat/message").is_ok());
        assert!(Target::parse("/sub/chat/room/123e4567-e89b-42d3-a456-426614174000").is_err());
    }
}
