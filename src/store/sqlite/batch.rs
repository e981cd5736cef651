//! A batch of commands as one transaction, in the file and in the rosters.
//!
//! Invariant: all of a batch happens or nothing does, except that a command whose failure is its own is taken out, and
//! that what is said in rooms without a history needs no transaction and waits for none to succeed.

use rusqlite::{Connection, TransactionBehavior};

use super::command::Command;
use super::fault::{answered, is_its_own, unavailable};
use super::heads::{self, Heads};
use super::log::Round;
use super::news::News;
use super::passing::Passing;
use super::rhythm::Clock;
use super::rosters::Rosters;
use crate::chat::{Draft, Locale};
use crate::store::Event;

/// Several pages of the file, so that a file which may not grow refuses it.
const PROBE_BYTES: i64 = 16 * 1024;

/// Everything that a transaction changes.
pub(super) struct Books {
    pub(super) file: Connection,
    pub(super) rosters: Rosters,
    pub(super) passing: Passing,
    pub(super) heads: Heads,
    pub(super) news: News,
    pub(super) clock: Clock,
    pub(super) locale: Locale,
    pub(super) keep_entries: Option<u64>,
}

/// What became of a batch.
pub(super) struct Done {
    /// What is to be told.
    pub(super) events: Vec<Event>,
    /// How the commit went; `None` where nothing had to be written.
    pub(super) written: Option<rusqlite::Result<()>>,
}

impl Books {
    /// Applies and commits. After an error the file and what mirrors it are as before, and the commands can be applied
    /// again, but for those that needed no file: these happened, and know it.
    pub(super) fn commit(&mut self, batch: &mut [Command]) -> Done {
        let mut events = Vec::with_capacity(batch.len());
        let first = batch.iter_mut().position(|command| !self.pass(command, &mut events));
        let Some(first) = first else { return Done { events, written: None } };
        let (_, rest) = batch.split_at_mut(first);
        let written = self.write(rest).map(|told| events.extend(told));
        if written.is_err() {
            // Leaves are tried again, and their notices come then.
            for command in rest {
                self.pass(command, &mut events);
            }
        }
        Done { events, written: Some(written) }
    }

    fn write(&mut self, batch: &mut [Command]) -> rusqlite::Result<Vec<Event>> {
        match self.attempt(batch, false) {
            Err(cause) if is_its_own(&cause) => {
                tracing::error!(%cause, "a command cannot be stored; its batch goes on without it");
                self.attempt(batch, true)
            }
            outcome => outcome,
        }
    }

    /// Does a command that needs no file: something is said in a room without a history. False when it is another one,
    /// or has to wait for offsets to be reserved.
    fn pass(&mut self, command: &mut Command, events: &mut Vec<Event>) -> bool {
        let (told, now) = (events.len(), (self.clock)());
        let (passing, rosters) = (&mut self.passing, &self.rosters);
        let mut append = |draft: &Draft| {
            let is_known = passing.has(draft.room);
            is_known.then(|| passing.append(draft, now, rosters.count(draft.room), events)).flatten()
        };
        let done = match command {
            Command::Append { draft, asked, .. } => append(draft).map(|appended| asked.found_for_good(appended)),
            Command::AppendAll { drafts, asked, .. } => {
                let appended: Option<Vec<_>> = drafts.iter().map(append).collect();
                appended.map(|appended| asked.found_for_good(appended))
            }
            Command::Enter { .. } | Command::Leave(_) | Command::Change(_) => None,
        };
        if done.is_some() {
            self.passing.settle();
        } else {
            self.passing.undo_to(0);
            events.truncate(told);
        }
        done.is_some()
    }

    /// What other processes have committed meanwhile.
    pub(super) fn news(&mut self) -> rusqlite::Result<Vec<Event>> {
        let (before, mut events) = (self.news, Vec::new());
        let outcome = self.news.elsewhere(&self.file, &mut self.rosters, &mut self.passing, &mut events);
        let outcome = outcome.map(|()| events).inspect(|events| self.heads.heed(events));
        self.settle(before, outcome)
    }

    /// Writes down in the rooms' rows how far the rooms have come. Nobody speaks from here on.
    pub(super) fn park(&mut self) -> rusqlite::Result<()> {
        self.passing.park(&mut self.file)?;
        self.heads.forget_all();
        heads::catch_up(&self.file, 0, u64::MAX >> 1).map(drop)
    }

    /// Writes what takes more room than a message mostly does, and takes it away again in the same transaction.
    pub(super) fn probe(&mut self) -> rusqlite::Result<()> {
        let transaction = self.file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction
            .execute("INSERT INTO change (kind, subject, made_at) VALUES ('probe', zeroblob(?1), 0)", [PROBE_BYTES])?;
        transaction.execute("DELETE FROM change WHERE seq = ?1", [transaction.last_insert_rowid()])?;
        transaction.commit()
    }

    fn attempt(&mut self, batch: &mut [Command], careful: bool) -> rusqlite::Result<Vec<Event>> {
        let before = self.news;
        let outcome = self.transact(batch, careful);
        self.settle(before, outcome)
    }

    /// What is only in memory follows the file: it is kept, or put back.
    fn settle<T>(&mut self, before: News, outcome: rusqlite::Result<T>) -> rusqlite::Result<T> {
        match outcome {
            Ok(_) => {
                self.rosters.settle();
                self.passing.settle();
            }
            Err(_) => {
                self.rosters.undo_to(0);
                self.passing.undo_to(0);
                self.heads.forget_all();
                self.news = before;
            }
        }
        outcome
    }

    fn transact(&mut self, batch: &mut [Command], careful: bool) -> rusqlite::Result<Vec<Event>> {
        let transaction = self.file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut events = Vec::with_capacity(batch.len());
        // What was committed elsewhere comes before what this batch will find.
        self.news.elsewhere(&transaction, &mut self.rosters, &mut self.passing, &mut events)?;
        self.heads.heed(&events);
        let mut round = Round {
            file: &transaction,
            rosters: &mut self.rosters,
            passing: &mut self.passing,
            heads: &mut self.heads,
            events,
            now: (self.clock)(),
            locale: self.locale,
            keep_entries: self.keep_entries,
        };
        for command in batch {
            let alters = matches!(command, Command::Change(_));
            if alters || careful || matches!(command, Command::AppendAll { .. }) {
                guarded(&mut round, command, careful)?;
            } else {
                plain(&mut round, command)?;
            }
            if alters {
                let told = round.events.len();
                self.news.read(&transaction, round.rosters, round.passing, &mut round.events)?;
                round.heads.heed(round.events.get(told..).unwrap_or_default());
            }
        }
        let events = round.events;
        transaction.commit()?;
        Ok(events)
    }
}

/// Applies a command that checks before it writes. False when what it wrote has to be taken back.
fn plain(round: &mut Round<'_>, command: &mut Command) -> rusqlite::Result<bool> {
    match command {
        Command::Append { draft, asked, .. } => asked.found(answered(round.append(draft))?),
        Command::AppendAll { drafts, asked, .. } => {
            let answer = answered(drafts.iter().map(|draft| round.append(draft)).collect())?;
            let done = answer.is_ok();
            asked.found(answer);
            return Ok(done);
        }
        Command::Enter { claim, after, asked } => asked.found(answered(round.enter(claim, *after))?),
        Command::Leave(claim) => round.leave(claim)?,
        Command::Change(change) => return change.apply(round.file, round.now),
    }
    Ok(true)
}

/// Applies a command so that it can be taken back alone.
fn guarded(round: &mut Round<'_>, command: &mut Command, careful: bool) -> rusqlite::Result<()> {
    let (people, passed, told) = (round.rosters.mark(), round.passing.mark(), round.events.len());
    round.file.execute_batch("SAVEPOINT command")?;
    let done = match plain(round, command) {
        Ok(done) => done,
        Err(cause) if careful && is_its_own(&cause) => {
            refuse(command, &cause);
            false
        }
        Err(cause) => return Err(cause),
    };
    if !done {
        round.file.execute_batch("ROLLBACK TO command")?;
        round.rosters.undo_to(people);
        round.passing.undo_to(passed);
        round.heads.forget_all();
        round.events.truncate(told);
    }
    round.file.execute_batch("RELEASE command")
}

fn refuse(command: &mut Command, cause: &rusqlite::Error) {
    match command {
        Command::Append { asked, .. } => asked.found(Err(unavailable(cause))),
        Command::AppendAll { asked, .. } => asked.found(Err(unavailable(cause))),
        Command::Enter { asked, .. } => asked.found(Err(unavailable(cause))),
        Command::Change(change) => change.refuse(unavailable(cause)),
        // Nobody waits for it. The lease ends with this process at the latest.
        Command::Leave(_) => tracing::error!(%cause, "a presence lease could not be given back"),
    }
}
