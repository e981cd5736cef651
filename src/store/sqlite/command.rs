//! What is asked of the writer, and how it is answered.
//!
//! Invariant: whoever asked is answered once, after the commit; a command that is dropped unanswered tells its asker
//! so by the broken channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::fault::{Attempt, answered, stopped};
use super::meters::Meters;
use crate::chat::{Draft, LeaseId, Name, RoomId};
use crate::store::{Appended, Entered, Event, Pending, Result, StoreError};

/// What comes through the writer's inbox, in the order in which it takes effect.
pub(super) enum Message {
    /// With the time at which it was sent.
    Command {
        command: Command,
        at: Instant,
    },
    Tail(mpsc::Sender<Vec<Event>>),
    Close,
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

/// The answer that somebody waits for, from its finding to the commit that makes it true.
pub(super) struct Asked<T> {
    reply: oneshot::Sender<Result<T>>,
    answer: Option<Result<T>>,
    /// Whether the answer is true whatever becomes of a commit.
    stands: bool,
}

impl<T> Asked<T> {
    pub(super) fn new() -> (Self, Pending<T>) {
        let (reply, pending) = oneshot::channel();
        (Self { reply, answer: None, stands: false }, pending)
    }

    /// Remembers the answer; an earlier one was rolled back.
    pub(super) fn found(&mut self, answer: Result<T>) {
        self.answer = Some(answer);
    }

    /// Remembers an answer that needs no commit to be true.
    pub(super) fn found_for_good(&mut self, answer: T) {
        (self.answer, self.stands) = (Some(Ok(answer)), true);
    }

    /// Says no at once.
    pub(super) fn refuse(self, refusal: StoreError) {
        let _ = self.reply.send(Err(refusal));
    }

    /// Answers: with what was found, or with why it could not be committed. Who asked may have gone.
    pub(super) fn settle(self, failure: Option<&StoreError>) {
        let answer = match failure {
            Some(cause) if !self.stands => Err(cause.clone()),
            _ => self.answer.unwrap_or_else(|| Err(stopped())),
        };
        let _ = self.reply.send(answer);
    }
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

/// Counts the appends that wait for the disk, and bounds them.
pub(super) struct Queue {
    waiting: Arc<AtomicUsize>,
    max: usize,
    meters: Arc<Meters>,
}

/// The places of one command in the queue; given back when it is settled, or dropped.
pub(super) struct Ticket {
    waiting: Arc<AtomicUsize>,
    places: usize,
    since: Instant,
    meters: Arc<Meters>,
}

impl Queue {
    pub(super) fn new(max: usize, meters: Arc<Meters>) -> Self {
        Self { waiting: Arc::default(), max, meters }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// So many places, if they are free: all of them, or none is taken.
    pub(super) fn ticket(&self, places: usize) -> Option<Ticket> {
        let room = |waiting: usize| waiting.checked_add(places).filter(|full| *full <= self.max);
        let taken = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        if taken.is_err() {
            self.meters.refused.inc_by(places as u64);
            return None;
        }
        let (waiting, meters) = (Arc::clone(&self.waiting), Arc::clone(&self.meters));
        Some(Ticket { waiting, places, since: Instant::now(), meters })
    }
}

impl Ticket {
    /// What it was for is answered; where it was committed, at this time.
    pub(super) fn answered(self, committed: Option<Instant>) {
        if let Some(committed) = committed {
            let time = committed.saturating_duration_since(self.since);
            (0..self.places).for_each(|_| self.meters.appends.add(time));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.places, Ordering::Relaxed);
    }
}
