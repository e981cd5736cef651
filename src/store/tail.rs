//! The news of a store, to be pulled.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::chat::{Entry, Name, RoomId};

/// Events that are handed on together, about: a batch that reaches it is the last of them.
const EVENTS_MAX: usize = 512;

/// Something that was committed, by this process or by the command line beside it.
#[derive(Clone, Debug)]
pub enum Event {
    /// An entry was appended.
    Entry(Arc<Entry>),
    /// A room was made, has another name, or something has happened in it that this node does not hear.
    Room(RoomId),
    /// A room was deleted.
    RoomDeleted(RoomId),
    /// Every session of this account has to end now: it was disabled, or its password or role changed.
    SessionsEnded(Name),
    /// The store cannot be reached, or nothing can be written: what is said now is refused.
    Away,
    /// It can again.
    Back,
    /// The store lost everything, or is another one: no room, offset or account of before is there any more.
    Anew,
}

/// The reading end: batches in commit order. The channel behind it is bounded; a reader who is slow slows the
/// writer down, and nothing is dropped.
pub struct Tail {
    batches: mpsc::Receiver<Vec<Event>>,
}

impl Tail {
    /// Wraps the reading end of a channel: a backend's, that of a part of its news, or one whose news are made up.
    pub const fn new(batches: mpsc::Receiver<Vec<Event>>) -> Self {
        Self { batches }
    }

    /// The next batch, with those that are there already; `None` once the store is closed and everything was read.
    /// Several commits that are handed round together reach a socket in one write.
    pub async fn next(&mut self) -> Option<Vec<Event>> {
        let mut batch = self.batches.recv().await?;
        while batch.len() < EVENTS_MAX
            && let Ok(more) = self.batches.try_recv()
        {
            batch.extend(more);
        }
        Some(batch)
    }
}
