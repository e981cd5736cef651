//! The writer beside another process that serves: it follows what that one appends, and administers.
//!
//! Invariant: from the moment in which the lock is given back nothing of a room is written here.

use std::time::Duration;

use super::super::batch::Books;
use super::super::boot;
use super::super::command::{Command, Turn};
use super::super::entries::behind;
use super::super::fault::{Attempt, Fault, unavailable};
use super::super::folder::Lock;
use super::super::passing::Passing;
use super::super::{news, schema};
use super::Writer;
use crate::chat::RoomId;
use crate::store::{Event, Result, StoreError};

/// Between two looks at the file: so much later than others do those hear who are still connected here.
pub(super) const GLANCE: Duration = Duration::from_millis(20);
/// What is read of a room at a look, in entries and in bytes; what is left comes with the next.
const ENTRIES_MAX: usize = 256;
const BYTES_MAX: usize = 1 << 20;

/// How far another process has been followed.
pub(super) struct Retired {
    /// The rooms that somebody here is in and that keep a log, with the newest offset that was told.
    rooms: Vec<(RoomId, u64)>,
    /// Of the file, when everything in it was told.
    version: Option<i64>,
}

impl Retired {
    fn of(books: &mut Books) -> rusqlite::Result<Self> {
        let mut rooms = Vec::new();
        for room in books.rosters.rooms().filter(|room| !books.passing.has(*room)) {
            if let Some(log) = books.heads.log(&books.file, room)? {
                rooms.push((room, log.last));
            }
        }
        Ok(Self { rooms, version: None })
    }

    /// What was appended since the last look, as far as it is read at once.
    fn read(&mut self, books: &Books) -> Attempt<Vec<Event>> {
        let mut events = Vec::new();
        let mut is_all = true;
        let version = news::version(&books.file)?;
        for (room, last) in &mut self.rooms {
            let slice = match behind(&books.file, *room, *last, ENTRIES_MAX, BYTES_MAX) {
                Err(Fault::Refused(_)) => continue,
                read => read?,
            };
            *last = slice.entries.last().map_or(*last, |newest| newest.offset);
            is_all &= *last >= slice.last;
            events.extend(slice.entries.into_iter().map(Event::Entry));
        }
        self.version = is_all.then_some(version);
        Ok(events)
    }
}

impl Writer {
    pub(super) fn take_turn(&mut self, turn: Turn) {
        match turn {
            Turn::Pulse(done) => drop(done.send(())),
            Turn::LetGo(done) => {
                self.let_go();
                let _ = done.send(());
            }
            Turn::TakeBack(lock, done) => drop(done.send(self.take_back(lock))),
        }
    }

    /// Another process may have the folder. What cannot be written now is left to it: the leases are in the file, and end
    /// where they were taken up.
    fn let_go(&mut self) {
        if self.lock.is_none() {
            return;
        }
        self.pay();
        if let Err(cause) = self.books.passing.park(&mut self.books.file) {
            tracing::debug!(%cause, "rooms without a history go on behind what was reserved for them");
        }
        let retired = Retired::of(&mut self.books).unwrap_or_else(|cause| {
            tracing::debug!(%cause, "who is still connected here hears nothing more");
            Retired { rooms: Vec::new(), version: None }
        });
        self.inherited = None;
        self.retired = Some(retired);
        self.books.heads.forget_all();
        self.lock = None;
    }

    /// The other process has ended, and this one serves again. Whoever came in there leaves.
    fn take_back(&mut self, lock: Lock) -> Result<()> {
        let broken = |cause| unavailable(&cause);
        if !schema::is_known(&self.books.file).map_err(broken)? {
            return Err(StoreError::Unavailable("the file was brought to a newer version".into()));
        }
        self.follow();
        self.books.passing = Passing::of(&self.books.file, self.passing.clone()).map_err(broken)?;
        for claim in boot::claims(&self.books.file, "").map_err(broken)? {
            if !self.books.rosters.has(&claim) {
                self.books.rosters.enter(&claim);
                self.owed.push_back(claim);
            }
        }
        self.books.rosters.settle();
        self.books.heads.forget_all();
        self.known.forget_all();
        self.retired = None;
        self.lock = Some(lock);
        self.pay();
        Ok(())
    }

    /// Refuses what only the process that serves may do; answers what is left to do, as a command line does it.
    pub(super) fn turn_away(&mut self, batch: Vec<Command>) -> Vec<Command> {
        let is_foreign = !batch.is_empty() && !schema::is_known(&self.books.file).unwrap_or(false);
        let mut left = Vec::new();
        for command in batch {
            match command {
                Command::Append { asked, .. } => asked.refuse(StoreError::Elsewhere),
                Command::AppendAll { asked, .. } => asked.refuse(StoreError::Elsewhere),
                Command::Enter { asked, .. } => asked.refuse(StoreError::Elsewhere),
                // Paid if this process should serve again.
                Command::Leave(claim) => self.owed.push_back(claim),
                Command::Change(change) if is_foreign => change.settle(Some(&StoreError::Elsewhere)),
                Command::Change(_) => left.push(command),
            }
        }
        left
    }

    /// Tells what the other process has written since the last look.
    pub(super) fn follow(&mut self) {
        let Some(mut retired) = self.retired.take() else { return };
        let told = self.look_at(&mut retired);
        self.retired = Some(retired);
        match told {
            Ok(events) => self.tell(events),
            Err(Fault::Broken(cause)) => tracing::debug!(%cause, "what another process wrote cannot be read now"),
            Err(Fault::Refused(_)) => {}
        }
    }

    fn look_at(&mut self, retired: &mut Retired) -> Attempt<Vec<Event>> {
        let is_told = retired.version == Some(news::version(&self.books.file)?);
        // What a newer version has written is for others to read.
        if is_told || !schema::is_known(&self.books.file)? {
            return Ok(Vec::new());
        }
        let mut events = self.books.news()?;
        self.forget(&events);
        events.extend(retired.read(&self.books)?);
        Ok(events)
    }
}
