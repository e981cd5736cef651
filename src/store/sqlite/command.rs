//! What is asked of the writer.

use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::fault::{Attempt, answered};
use super::folder::Lock;
use crate::chat::{Draft, LeaseId, Name, RoomId};
use crate::store::asked::Asked;
use crate::store::queue::Ticket;
use crate::store::{Appended, Entered, Event, Result, StoreError};

/// What comes through the writer's inbox, in the order in which it takes effect.
pub(super) enum Message {
    /// With the time at which it was sent.
    Command {
        command: Command,
        at: Instant,
    },
    Tail(mpsc::Sender<Vec<Event>>),
    Turn(Turn),
    Close,
}

/// Something that the writer does itself, behind everything that was asked before it.
pub(super) enum Turn {
    /// Says that it has come round.
    Pulse(oneshot::Sender<()>),
    /// Lets go of the folder.
    LetGo(oneshot::Sender<()>),
    /// Serves again, now that it has the folder's lock.
    TakeBack(Lock, oneshot::Sender<Result<()>>),
}

/// Something to be committed. It can be applied again as long as it is not settled: a batch may have to be.
pub(super) enum Command {
    Append {
        draft: Draft,
        asked: Asked<Appended>,
        ticket: Ticket,
    },
    /// All or none.
    AppendAll {
        drafts: Vec<Draft>,
        asked: Asked<Vec<Appended>>,
        ticket: Ticket,
    },
    Enter {
        claim: Claim,
        after: Option<u64>,
        asked: Asked<Entered>,
    },
    Leave(Claim),
    Change(Box<dyn Change>),
}

/// Somebody's lease in a room.
#[derive(Clone)]
pub(super) struct Claim {
    pub(super) room: RoomId,
    pub(super) name: Name,
    pub(super) lease: LeaseId,
}

/// An administrative change: whatever a function does with the connection.
pub(super) trait Change: Send {
    /// False when it was refused: what it wrote so far has to be taken back.
    fn apply(&mut self, file: &Connection, now: i64) -> rusqlite::Result<bool>;
    fn refuse(&mut self, refusal: StoreError);
    fn settle(self: Box<Self>, failure: Option<&StoreError>);
}

pub(super) struct Altering<F, T> {
    work: F,
    asked: Asked<T>,
}

impl<F: Fn(&Connection, i64) -> Attempt<T>, T> Altering<F, T> {
    pub(super) const fn new(work: F, asked: Asked<T>) -> Self {
        Self { work, asked }
    }
}

impl<F, T> Change for Altering<F, T>
where
    F: Fn(&Connection, i64) -> Attempt<T> + Send,
    T: Send,
{
    fn apply(&mut self, file: &Connection, now: i64) -> rusqlite::Result<bool> {
        let answer = answered((self.work)(file, now))?;
        let done = answer.is_ok();
        self.asked.found(answer);
        Ok(done)
    }

    fn refuse(&mut self, refusal: StoreError) {
        self.asked.found(Err(refusal));
    }

    fn settle(self: Box<Self>, failure: Option<&StoreError>) {
        self.asked.settle(failure);
    }
}
