//! Names that come from outside, as types that only hold valid ones.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::limits::{MESSAGE_ID_BYTES_MAX, NAME_CHARS_MAX, ROOM_NAME_CHARS_MAX};
use super::script;

/// Why a value from outside was refused: the field, the rule, and the limit where one was passed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field as the caller knows it, for example `name`.
    pub field: &'static str,
    /// A sentence that says what would be accepted.
    pub reason: String,
    /// The limit that was passed, in the unit that `reason` names.
    pub limit: Option<usize>,
}

impl Invalid {
    /// A refusal without a number.
    pub fn rule(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into(), limit: None }
    }

    /// A refusal because a limit was passed.
    pub fn limit(field: &'static str, limit: usize, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into(), limit: Some(limit) }
    }
}

/// The name of a person: 1 to [`NAME_CHARS_MAX`] letters, digits, `.`, `_` or `-`, in any script.
///
/// Brackets and spaces are not among them, so that nobody can be called like a notice's sender,
/// and no name needs escaping in a STOMP header. However it was typed, it is kept in one spelling (see
/// [`script::normalised`]), and alphabets whose letters look alike do not mix in it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // Counted as it is kept: a system that decomposes types three characters for one syllable.
        let text: String = script::normalised(text).collect();
        let count = text.chars().count();
        if count == 0 {
            return Err(Invalid::rule("username", "a name has at least one character"));
        }
        if count > NAME_CHARS_MAX {
            return Err(Invalid::limit(
                "username",
                NAME_CHARS_MAX,
                format!("a name has at most {NAME_CHARS_MAX} characters; this one has {count}"),
            ));
        }
        if let Some(c) = text.chars().find(|c| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-')) {
            let reason = format!("a name is made of letters, digits, '.', '_' and '-'; {c:?} is none of them");
            return Err(Invalid::rule("username", reason));
        }
        if let Some(c) = text.chars().find(|c| script::is_loose_jamo(*c)) {
            let reason = format!("a name has whole syllables and letters of Hangul; {c:?} is only a piece of one");
            return Err(Invalid::rule("username", reason));
        }
        if script::mixes_look_alikes(&text) {
            let reason = "a name does not mix Latin, Greek and Cyrillic letters: some look alike and could pass for \
                          somebody else's; write it in one of these alphabets";
            return Err(Invalid::rule("username", reason));
        }
        Ok(Self(text.into()))
    }
}

/// The id of a room: a UUID, as the tutorial's server makes them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoomId(Uuid);

impl RoomId {
    /// The id of the given UUID.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The sixteen bytes that the store keeps.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id of sixteen stored bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl FromStr for RoomId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // The hyphenated form alone: one room has one spelling, so one destination.
        match Uuid::try_parse(text) {
            Ok(uuid) if text.len() == 36 => Ok(Self(uuid)),
            _ => Err(Invalid::rule("roomId", "a room id is a UUID such as 123e4567-e89b-42d3-a456-426614174000")),
        }
    }
}

/// The name of a room: 1 to [`ROOM_NAME_CHARS_MAX`] characters after trimming, none of them a control
/// character; kept in Unicode's form NFC, so that what was typed decomposed can be searched and compared.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoomName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text: String = text.trim().nfc().collect();
        let count = text.chars().count();
        if count == 0 {
            return Err(Invalid::rule("name", "a room needs a name of at least one character"));
        }
        if count > ROOM_NAME_CHARS_MAX {
            return Err(Invalid::limit(
                "name",
                ROOM_NAME_CHARS_MAX,
                format!("a room's name has at most {ROOM_NAME_CHARS_MAX} characters; this one has {count}"),
            ));
        }
        if text.chars().any(char::is_control) {
            return Err(Invalid::rule("name", "a room's name has no control characters"));
        }
        Ok(Self(text.into()))
    }
}

/// A client's own id of a message, for sending it again without doubling it:
/// 1 to [`MESSAGE_ID_BYTES_MAX`] visible ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessageId(Arc<str>);

impl MessageId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MessageId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.len() > MESSAGE_ID_BYTES_MAX {
            return Err(Invalid::limit(
                "id",
                MESSAGE_ID_BYTES_MAX,
                format!("a message id has 1 to {MESSAGE_ID_BYTES_MAX} characters; this one has {}", text.len()),
            ));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Invalid::rule("id", "a message id is made of visible ASCII characters without spaces"));
        }
        Ok(Self(text.into()))
    }
}

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, accounts and rooms included.
    Admin,
    /// Chat.
    User,
    /// Sign in, but not chat.
    Guest,
}

impl Role {
    /// The role as it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
            Self::Guest => "guest",
        }
    }

    /// Whether this role may enter rooms.
    pub const fn may_chat(self) -> bool {
        !matches!(self, Self::Guest)
    }
}

impl FromStr for Role {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "admin" => Ok(Self::Admin),
            "user" => Ok(Self::User),
            "guest" => Ok(Self::Guest),
            _ => Err(Invalid::rule("role", "a role is one of admin, user, guest")),
        }
    }
}

macro_rules! shows_as_text {
    ($($name:ident => $text:expr;)+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let show: fn(&$name, &mut fmt::Formatter<'_>) -> fmt::Result = $text;
                show(self, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )+};
}

shows_as_text! {
    Name => |name, f| f.write_str(&name.0);
    RoomId => |id, f| fmt::Display::fmt(&id.0.as_hyphenated(), f);
    RoomName => |name, f| f.write_str(&name.0);
    MessageId => |id, f| f.write_str(&id.0);
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_hangul_but_not_a_notice_sender() {
        assert!("행복아빠".parse::<Name>().is_ok());
        assert!("happy.daddy-2_x".parse::<Name>().is_ok());
        assert!(super::super::NOTICE_SENDER.parse::<Name>().is_err());
        assert!("a b".parse::<Name>().is_err());
        assert!("a\nb".parse::<Name>().is_err());
        assert!("".parse::<Name>().is_err());
    }

    #[test]
    fn a_name_one_character_too_long_names_the_field_and_the_limit() {
        assert!("가".repeat(NAME_CHARS_MAX).parse::<Name>().is_ok());
        let refused = "가".repeat(NAME_CHARS_MAX + 1).parse::<Name>().unwrap_err();
        assert_eq!((refused.field, refused.limit), ("username", Some(NAME_CHARS_MAX)));
    }

    #[test]
    fn a_name_is_the_same_however_it_was_typed() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        assert_eq!(name("\u{1106}\u{1175}\u{11AB}\u{110C}\u{1175}"), name("민지"));
        assert_eq!(name("ａｄｍｉｎ"), name("admin"));
        assert_eq!(name("ㅋㅋ").as_str(), "ㅋㅋ");
        let decomposed = "\u{1106}\u{1175}\u{11AB}".repeat(NAME_CHARS_MAX);
        assert_eq!(name(&decomposed).as_str(), "민".repeat(NAME_CHARS_MAX), "counted as it is kept");
    }

    #[test]
    fn a_name_that_looks_like_another_or_like_nothing_is_refused() {
        let refused = "\u{430}dmin".parse::<Name>().unwrap_err();
        assert!(refused.field == "username" && refused.reason.contains("Cyrillic"), "{refused}");
        for bad in ["admi\u{3BD}", "\u{3164}", "민지\u{FFA0}", "\u{1100}", "［알림］", "㈜민지", "a\u{200B}b"]
        {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
        for good in ["민지kim", "Иван", "Ελένη", "민지Иван", "カナabc", "日本"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
    }

    #[test]
    fn a_room_id_has_one_spelling() {
        let id = "123e4567-e89b-42d3-a456-426614174000";
        assert_eq!(id.parse::<RoomId>().unwrap().to_string(), id);
        assert!("123e4567e89b42d3a456426614174000".parse::<RoomId>().is_err());
        assert!("bad".parse::<RoomId>().is_err());
    }

    #[test]
    fn a_room_name_is_trimmed_and_never_empty() {
        assert_eq!(" 사랑방 ".parse::<RoomName>().unwrap().as_str(), "사랑방");
        assert_eq!("\u{1107}\u{1161}\u{11BC}".parse::<RoomName>().unwrap().as_str(), "방");
        assert_eq!("Ａ①".parse::<RoomName>().unwrap().as_str(), "Ａ①", "a room may be written as one likes");
        assert!("   ".parse::<RoomName>().is_err());
        assert!("a\u{0}b".parse::<RoomName>().is_err());
        assert!("x".repeat(ROOM_NAME_CHARS_MAX + 1).parse::<RoomName>().is_err());
    }

    #[test]
    fn a_message_id_is_short_visible_ascii() {
        assert!("a-1".parse::<MessageId>().is_ok());
        assert!("".parse::<MessageId>().is_err());
        assert!("a b".parse::<MessageId>().is_err());
        assert!("x".repeat(MESSAGE_ID_BYTES_MAX + 1).parse::<MessageId>().is_err());
    }
}
