//! What keys and channels are called. The table of them all stands in [the module's own words](super).

use std::sync::Arc;

use crate::chat::RoomId;

/// Makes names with the operator's prefix.
#[derive(Clone)]
pub(super) struct Keys {
    prefix: Arc<str>,
}

/// What is kept about one room, and the channel of its news.
pub(super) struct RoomKeys {
    pub(super) room: String,
    pub(super) log: String,
    pub(super) people: String,
    pub(super) ids: String,
    pub(super) ids_before: String,
    pub(super) news: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    /// What they all begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn of_room(&self, room: RoomId) -> RoomKeys {
        let key = |what: &str| format!("{}{{{room}}}:{what}", self.prefix);
        RoomKeys {
            room: key("room"),
            log: key("log"),
            people: key("people"),
            ids: key("ids"),
            ids_before: key("ids:before"),
            news: key("news"),
        }
    }

    /// Where the last turn of a process in a room is noted.
    pub(super) fn done(&self, room: RoomId, process: &str) -> String {
        format!("{}{{{room}}}:done:{process}", self.prefix)
    }

    /// What concerns no single room.
    pub(super) fn of_all(&self, what: &str) -> String {
        format!("{}{{all}}:{what}", self.prefix)
    }

    /// Who holds a name, by its digest.
    pub(super) fn of_digest(&self, digest: &[u8]) -> String {
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}{{{digest}}}:holder", self.prefix)
    }

    /// The channel that a process listens on.
    pub(super) fn of_process(&self, process: &str) -> String {
        format!("{}{{{process}}}:letters", self.prefix)
    }

    /// The room whose news come by a channel, if it is such a channel.
    pub(super) fn room_of_news(&self, channel: &[u8]) -> Option<RoomId> {
        let room = channel.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b"{")?.strip_suffix(b"}:news")?;
        std::str::from_utf8(room).ok()?.parse().ok()
    }
}
