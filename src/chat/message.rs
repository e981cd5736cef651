//! What is said in a room: a draft on its way in, an entry once it has its place in the log.

use serde::{Deserialize, Serialize};

use super::{Invalid, MessageId, Name, RoomId};

/// The sender of every notice. No person can be called so: a [`Name`] has no brackets.
pub const NOTICE_SENDER: &str = "[알림]";

/// The language of notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// Korean, word for word what the tutorial's server says.
    #[default]
    Ko,
    /// English.
    En,
}

impl Locale {
    /// The locale as configuration and the page write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ko => "ko",
            Self::En => "en",
        }
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// Somebody said something.
    Talk,
    /// Somebody came: made by the server alone.
    Enter,
    /// Somebody left: made by the server alone.
    Quit,
}

impl Kind {
    /// The text of a notice of this kind; `None` for [`Kind::Talk`], which has its own.
    pub fn notice(self, name: &Name, locale: Locale) -> Option<String> {
        match (self, locale) {
            (Self::Talk, _) => None,
            (Self::Enter, Locale::Ko) => Some(format!("{name}님이 방에 입장했습니다.")),
            (Self::Quit, Locale::Ko) => Some(format!("{name}님이 방에서 나갔습니다.")),
            (Self::Enter, Locale::En) => Some(format!("{name} entered the room.")),
            (Self::Quit, Locale::En) => Some(format!("{name} left the room.")),
        }
    }
}

/// A message before it has a place: checked, and signed by the session's identity, not by its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The room it is for.
    pub room: RoomId,
    /// Who says it.
    pub sender: Name,
    /// What is said.
    pub text: Box<str>,
    /// The client's own id; the same id of the same sender in the same room is appended once.
    pub id: Option<MessageId>,
}

impl Draft {
    /// Checks what a client wants to say. At most `chars_max` characters, and not only white space.
    pub fn new(
        room: RoomId,
        sender: Name,
        text: &str,
        id: Option<MessageId>,
        chars_max: usize,
    ) -> Result<Self, Invalid> {
        let count = text.chars().count();
        if count > chars_max {
            return Err(Invalid::limit(
                "message",
                chars_max,
                format!("a message has at most {chars_max} characters; this one has {count}"),
            ));
        }
        if text.trim().is_empty() {
            return Err(Invalid::rule("message", "a message has at least one character that is not a space"));
        }
        Ok(Self { room, sender, text: text.into(), id })
    }
}

/// One element of a room's log. Its JSON members stand in the order that the tutorial's clients have always seen,
/// with the new ones behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The room whose log it stands in.
    pub room_id: RoomId,
    /// A person's name, or [`NOTICE_SENDER`].
    pub sender: Box<str>,
    /// What was said, or the notice's text.
    pub message: Box<str>,
    /// How many people were in the room once this entry stood in the log.
    pub user_count: u32,
    /// Its place: 1, 2, 3, ...
    pub offset: u64,
    /// The client's own id, or `{roomId}-{offset}`.
    pub id: Box<str>,
    /// When it was appended, in milliseconds since the Unix epoch. For people to read; the order is the offset's.
    pub sent_at: i64,
}

impl Entry {
    /// The id of an entry that has none of a client's making; also the `message-id` of its MESSAGE frames.
    pub fn default_id(room: RoomId, offset: u64) -> String {
        format!("{room}-{offset}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_begins_with_the_members_of_the_tutorials_server_in_its_order() {
        let room_id = RoomId::from_bytes([0; 16]);
        let entry = Entry {
            kind: Kind::Talk,
            room_id,
            sender: "happydaddy".into(),
            message: "안녕\"".into(),
            user_count: 1,
            offset: 3,
            id: Entry::default_id(room_id, 3).into(),
            sent_at: 9,
        };
        assert_eq!(
            serde_json::to_string(&entry).unwrap(),
            concat!(
                r#"{"type":"TALK","roomId":"00000000-0000-0000-0000-000000000000","sender":"happydaddy","#,
                r#""message":"안녕\"","userCount":1,"offset":3,"id":"00000000-0000-0000-0000-000000000000-3","sentAt":9}"#
            )
        );
    }

    #[test]
    fn notices_read_as_the_tutorials_server_writes_them() {
        let name: Name = "happydaddy".parse().unwrap();
        let say = |kind: Kind, locale| kind.notice(&name, locale);
        assert_eq!(say(Kind::Enter, Locale::Ko).unwrap(), "happydaddy님이 방에 입장했습니다.");
        assert_eq!(say(Kind::Quit, Locale::Ko).unwrap(), "happydaddy님이 방에서 나갔습니다.");
        assert_eq!(say(Kind::Enter, Locale::En).unwrap(), "happydaddy entered the room.");
        assert_eq!(say(Kind::Talk, Locale::Ko), None);
    }

    #[test]
    fn a_draft_counts_characters_not_bytes_and_is_never_blank() {
        let draft = |text: &str| Draft::new(RoomId::from_bytes([0; 16]), "a".parse().unwrap(), text, None, 3);
        assert!(draft("가나다").is_ok());
        assert_eq!(draft("가나다라").unwrap_err().limit, Some(3));
        assert!(draft(" \n ").is_err());
    }
}
