//! What a store answers about rooms' logs.

use std::sync::Arc;

use crate::chat::{Entry, History};

/// What [`Store::append`](super::Store::append) acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The entry's place in the log.
    pub offset: u64,
    /// Whether this message id stood there already; nothing was appended then.
    pub duplicate: bool,
}

/// What [`Store::enter`](super::Store::enter) acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// The newest offset of the log, this person's own ENTER included.
    pub last: u64,
    /// The oldest offset that is still kept; `last + 1` while there is none.
    pub first: u64,
    /// Offsets in between that have no entry, as they were lost behind a backup that was restored.
    pub missing: u64,
    /// Whether an ENTER was appended (at `last`): false when the person was in the room already.
    pub announced: bool,
    /// How many people are in the room now.
    pub user_count: u32,
    /// Whether the room keeps what is said.
    pub history: History,
}

/// A run of a room's log, in offset order and without holes.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The entries.
    pub entries: Vec<Arc<Entry>>,
    /// The oldest offset that is still kept; `last + 1` while there is none. An entry asked for that lies
    /// before it is gone for ever: a gap to be told.
    pub first: u64,
    /// The newest offset of the log; 0 while it never had an entry.
    pub last: u64,
    /// Whether the room keeps what is said. Where it does not, there is never anything to read here.
    pub history: History,
}

/// What a look for damage came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Examined {
    /// Everything was looked at, and nothing was found.
    Sound,
    /// Nothing was found until the time was over.
    Unfinished,
    /// What was found, in the backend's words; a few of them.
    Damaged(Vec<String>),
}
