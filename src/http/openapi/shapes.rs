//! The shapes of bodies that have no type of their own here: what is sent in, and what the domain serializes.
//!
//! They are described and never built; tests hold those of the domain against the real thing.
#![expect(dead_code, reason = "described, never built")]

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use uuid::Uuid;

use crate::chat::Role;

/// Every other answer: a problem document, described once.
pub(in crate::http) struct Refusal;

impl IntoResponses for Refusal {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new()
            .description("why not, and what to do about it")
            .content("application/problem+json", content)
            .build();
        BTreeMap::from([("default".to_owned(), response.into())])
    }
}

/// A name and a password.
#[derive(utoipa::ToSchema)]
pub(in crate::http) struct LoginForm {
    /// The account's name; letter case does not count.
    username: String,
    /// Its password.
    password: String,
    /// Where to go afterwards (forms): a path of the chat.
    next: Option<String>,
}

/// The first administrator.
#[derive(utoipa::ToSchema)]
pub(in crate::http) struct SetupForm {
    /// The one-time key that the server printed.
    key: String,
    /// 1 to 32 letters, digits, `.`, `_`, `-`.
    username: String,
    /// At least 8 characters.
    password: String,
}

/// A new account.
#[derive(utoipa::ToSchema)]
pub(in crate::http) struct SignUpForm {
    /// 1 to 32 letters, digits, `.`, `_`, `-`.
    username: String,
    /// At least 8 characters.
    password: String,
    /// The key of an invitation.
    invite: Option<String>,
}

/// What an invitation is for.
#[derive(utoipa::ToSchema)]
pub(in crate::http) struct InviteForm {
    /// `user` (if left out) or `guest`.
    role: Option<Role>,
    /// Hours until it ends; 72 if left out.
    #[schema(minimum = 1, maximum = 720)]
    hours: Option<u32>,
}

/// A room's name.
#[derive(utoipa::ToSchema)]
pub(in crate::http) struct RoomForm {
    /// 1 to 60 characters.
    name: String,
}

/// A new room.
#[derive(utoipa::ToSchema)]
pub(in crate::http) struct NewRoomForm {
    /// 1 to 60 characters.
    name: String,
    /// `on` (if left out), or `off`: what is said in the room is never written.
    history: Option<String>,
}

/// A room.
#[derive(utoipa::ToSchema)]
#[schema(as = Room, rename_all = "camelCase")]
pub(in crate::http) struct RoomShape {
    /// Its id.
    room_id: Uuid,
    /// Its name.
    name: String,
    /// How many people are in it now, over all nodes.
    user_count: u32,
    /// The offset of its newest entry; 0 while there is none.
    last_offset: u64,
    /// When that entry was appended, or when the room was made.
    last_at: i64,
    /// When the room was made.
    created_at: i64,
    /// `off` where what is said is never written; not there in other rooms.
    history: Option<String>,
}

/// One element of a room's log.
#[derive(utoipa::ToSchema)]
#[schema(as = Entry, rename_all = "camelCase")]
pub(in crate::http) struct EntryShape {
    /// `TALK`, `ENTER` or `QUIT`.
    r#type: String,
    /// The room.
    room_id: Uuid,
    /// A person's name, or `[알림]` for what the server says.
    sender: String,
    /// What was said.
    message: String,
    /// How many people were in the room then.
    user_count: u32,
    /// Its place: 1, 2, 3, ...
    offset: u64,
    /// The client's own id, or `{roomId}-{offset}`.
    id: String,
    /// When it was appended.
    sent_at: i64,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use utoipa::PartialSchema;

    use super::*;
    use crate::chat::{Entry, History, Kind, Room, RoomId};

    fn members(json: &serde_json::Value) -> BTreeSet<String> {
        json.as_object().unwrap().keys().cloned().collect()
    }

    fn described<T: PartialSchema>() -> BTreeSet<String> {
        members(&serde_json::to_value(T::schema()).unwrap()["properties"])
    }

    #[test]
    fn rooms_and_entries_are_described_as_they_are_written() {
        let id = RoomId::from_bytes([0; 16]);
        let name = "a".parse().unwrap();
        let room = Room { id, name, user_count: 0, last_offset: 0, last_at: 0, created_at: 0, history: History::Off };
        assert_eq!(described::<RoomShape>(), members(&serde_json::to_value(room).unwrap()));
        let entry = Entry {
            kind: Kind::Talk,
            room_id: id,
            sender: "a".into(),
            message: "a".into(),
            user_count: 0,
            offset: 1,
            id: "a".into(),
            sent_at: 0,
        };
        assert_eq!(described::<EntryShape>(), members(&serde_json::to_value(entry).unwrap()));
    }
}
