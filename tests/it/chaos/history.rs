//! What the clients of a chaos run said, heard and were told, as plain data. The checker needs nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use serde_json::Value;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Talk,
    Enter,
    Quit,
}

/// An entry as a client sees it, all of its members.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// Who said it; of a notice, whom it is about.
    pub(crate) person: String,
    pub(crate) text: String,
    pub(crate) count: u64,
    pub(crate) offset: u64,
    pub(crate) id: String,
    pub(crate) sent_at: i64,
}

impl Entry {
    /// Reads an entry; every member has to be there.
    pub(crate) fn of(json: &Value) -> Option<Self> {
        let text = json["message"].as_str()?;
        let (kind, person) = match json["type"].as_str()? {
            "TALK" => (Kind::Talk, json["sender"].as_str()?),
            "ENTER" => (Kind::Enter, text.strip_suffix(" entered the room.")?),
            "QUIT" => (Kind::Quit, text.strip_suffix(" left the room.")?),
            _ => return None,
        };
        Some(Self {
            kind,
            person: person.to_owned(),
            text: text.to_owned(),
            count: json["userCount"].as_u64()?,
            offset: json["offset"].as_u64()?,
            id: json["id"].as_str()?.to_owned(),
            sent_at: json["sentAt"].as_i64()?,
        })
    }

    /// A number that stands for all of its members.
    pub(crate) fn print(&self) -> u64 {
        print(self)
    }
}

/// A number that stands for a thing.
pub(crate) fn print(thing: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    hasher.finish()
}

/// Where somebody wanted to begin to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// `after:0`.
    Beginning,
    /// `history:20`.
    Newest,
    /// No header: what comes from now on.
    Now,
}

/// Something that was said, in the room of who said it.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) id: String,
    pub(crate) text: u64,
    /// When it was acknowledged.
    pub(crate) acknowledged: Option<Instant>,
}

/// Something that was heard: its offset, and what stands for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) offset: u64,
    pub(crate) print: u64,
}

/// Whether a client is in its room, as far as it can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Out,
    /// It has asked, and not been answered yet.
    Unsure,
    In,
}

/// What one client lived through. It has one room, and one order in which it heard: over all its connections.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) number: usize,
    pub(crate) person: String,
    pub(crate) room: String,
    pub(crate) start: Start,
    pub(crate) presence: Presence,
    pub(crate) said: Vec<Said>,
    pub(crate) heard: Vec<Heard>,
    /// First and last offset of each gap that it was told.
    pub(crate) gaps: Vec<(u64, u64)>,
    /// The offset that it has to reach, where it was there at the end.
    pub(crate) until: Option<u64>,
    /// What nobody should ever be told, word for word.
    pub(crate) odd: Vec<String>,
    /// How often each code of a refusal came that faults may bring about.
    pub(crate) refusals: BTreeMap<String, u64>,
    pub(crate) connections: u64,
}

impl Story {
    pub(crate) fn new(number: usize, person: &str, room: &str, start: Start) -> Self {
        Self {
            number,
            person: person.to_owned(),
            room: room.to_owned(),
            start,
            presence: Presence::Out,
            said: Vec::new(),
            heard: Vec::new(),
            gaps: Vec::new(),
            until: None,
            odd: Vec::new(),
            refusals: BTreeMap::new(),
            connections: 0,
        }
    }

    /// The offset that it heard last.
    pub(crate) fn last(&self) -> Option<u64> {
        self.heard.last().map(|heard| heard.offset)
    }

    /// How many of its messages have not been acknowledged.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.said.iter().filter(|said| said.acknowledged.is_none()).count()
    }
}

/// Who is in which room.
pub(crate) type People = BTreeMap<String, BTreeSet<String>>;

/// Who is in which room by what the clients know; `None` while one of them cannot know.
pub(crate) fn truth<'a>(rooms: &[String], stories: impl IntoIterator<Item = &'a Story>) -> Option<People> {
    let mut people: People = rooms.iter().map(|room| (room.clone(), BTreeSet::new())).collect();
    for story in stories {
        match story.presence {
            Presence::Unsure => return None,
            Presence::In => drop(people.entry(story.room.clone()).or_default().insert(story.person.clone())),
            Presence::Out => {}
        }
    }
    Some(people)
}

/// What a node says about a room.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) node: usize,
    pub(crate) room: String,
    /// `userCount` of the room.
    pub(crate) count: u64,
    /// `userCount` of the newest entry of its log.
    pub(crate) newest: u64,
    pub(crate) members: BTreeSet<String>,
}

/// All that there is to judge once it is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// The log of each room, whole, as each node reads it.
    pub(crate) logs: BTreeMap<String, Vec<Vec<Entry>>>,
    pub(crate) stories: Vec<Story>,
    /// Who was in each room at the end.
    pub(crate) truth: People,
    /// What each node said then.
    pub(crate) told: Vec<Told>,
    /// The keys in Redis once everybody had left: the name without the prefix, and whether it expires.
    pub(crate) keys: Vec<(String, bool)>,
    /// Whether what it stands on may lose what was acknowledged last: then that is counted and is no flaw, and a log may
    /// have holes where something was heard and lost. Nothing else may be wrong.
    pub(crate) may_lose: bool,
}
