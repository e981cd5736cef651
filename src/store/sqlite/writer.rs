//! The one thread that writes.
//!
//! It commits what is there; while the disk is busy with that, the next batch gathers by itself, and under a steady
//! stream it rests a little between two commits ([`Pace`]). So a lone append is committed at once and a crowd shares a
//! commit. Answers go out after the commit, then the news.
//!
//! Invariant: the order of the inbox is the order of the log.

mod retired;

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::mpsc;

use self::retired::Retired;
use super::Settings;
use super::batch::{Books, Done};
use super::command::{Claim, Command, Message, Turn};
use super::fault::unavailable;
use super::folder::Lock;
use super::handover::Inheritance;
use super::heads::Heads;
use super::health::{Health, Report};
use super::known::Known;
use super::news::News;
use super::pace::Pace;
use super::passing::{Ends, Passing};
use super::rhythm::Rhythm;
use super::rosters::Rosters;
use super::upkeep::Upkeep;
use crate::store::Event;
use crate::store::doubt::Doubt;

/// Commands that one transaction takes.
const BATCH_MAX: usize = 512;
/// Pause between two steps of a sweep, so that the file is free in between.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);

/// The writer, before and while it runs. The lock is last: fields are dropped in order, and the file has to be
/// closed before another server may have it.
pub(super) struct Writer {
    books: Books,
    inbox: Receiver<Message>,
    tail: Option<mpsc::Sender<Vec<Event>>>,
    /// Leaves that could not be written yet.
    owed: VecDeque<Claim>,
    upkeep: Upkeep,
    doubt: Doubt,
    pace: Pace,
    due: Due,
    rhythm: Rhythm,
    report: Report,
    known: Known,
    passing: Ends,
    /// Those who were here by the process before, until they are not waited for any more.
    inherited: Option<Inheritance>,
    /// Once another process serves: how far its rooms have been followed.
    retired: Option<Retired>,
    lock: Option<Lock>,
}

/// When the writer looks up from its inbox though nothing came.
struct Due {
    news: Instant,
    retry: Instant,
    sweep: Instant,
}

/// Commands that are committed together, and when the newest of them came.
struct Batch {
    commands: Vec<Command>,
    newest: Instant,
}

enum Stop {
    Tail(mpsc::Sender<Vec<Event>>),
    Turn(Turn),
    Close,
}

impl Writer {
    pub(super) fn new(
        file: Connection,
        held: Option<(Lock, Option<Inheritance>)>,
        inbox: Receiver<Message>,
        settings: &Settings,
        rhythm: Rhythm,
        health: Health,
        (known, passing): (Known, Ends),
    ) -> rusqlite::Result<Self> {
        let now = Instant::now();
        let (lock, inherited) = held.unzip();
        let inherited = inherited.flatten();
        let mut rosters = Rosters::default();
        inherited.iter().for_each(|inherited| inherited.take_up(&mut rosters));
        Ok(Self {
            books: Books {
                news: News::from_now(&file)?,
                // Behind the news: a room made in between is found by both.
                passing: if lock.is_some() { Passing::of(&file, passing.clone())? } else { Passing::default() },
                file,
                rosters,
                heads: Heads::default(),
                clock: rhythm.clock.clone(),
                locale: settings.locale,
                keep_entries: settings.keep_entries,
            },
            inbox,
            tail: None,
            owed: VecDeque::new(),
            upkeep: Upkeep::new(settings.keep_entries, settings.keep_days),
            doubt: Doubt::new(rhythm.moment()),
            pace: Pace::new(now),
            due: Due { news: now + rhythm.news, retry: now + rhythm.retry, sweep: now + SWEEP_PAUSE },
            rhythm,
            report: Report::new(health),
            known,
            passing,
            inherited,
            retired: None,
            lock,
        })
    }

    /// Runs until it is told to close, or nobody is left who could tell it anything.
    pub(super) fn run(mut self) {
        loop {
            let (mut batch, stop) = self.gather();
            if self.retired.is_some() {
                batch.commands = self.turn_away(batch.commands);
            }
            if !batch.commands.is_empty() {
                let done = self.commit(batch.commands);
                self.pace.rest_after(batch.newest, Instant::now());
                if done {
                    self.pay();
                }
            }
            match stop {
                Some(Stop::Tail(tail)) => {
                    self.tail = Some(tail);
                    self.tell(self.report.is_away().then_some(Event::Away).into_iter().collect());
                }
                Some(Stop::Turn(turn)) => self.take_turn(turn),
                Some(Stop::Close) => break,
                None => self.look_up(),
            }
        }
        self.pay();
        if !self.owed.is_empty() && self.retired.is_none() {
            tracing::warn!(leases = self.owed.len(), "some presence could not be ended; the next start will do it");
        }
        if self.lock.is_some() {
            if let Err(cause) = self.books.park() {
                tracing::debug!(%cause, "the next start finds the rooms' rows as after a kill");
            }
            // Only for one whole file, which is easier to copy; a command line that reads just now may prevent it.
            let _ = self.books.file.busy_timeout(Duration::ZERO);
            let _ = self.books.file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
    }

    /// Rests, takes what is there, and waits for it if nothing is.
    #[expect(clippy::disallowed_methods, reason = "the writer's thread is its own, not the runtime's")]
    fn gather(&self) -> (Batch, Option<Stop>) {
        let rest = self.pace.rest();
        if !rest.is_zero() {
            // Asleep, not waiting at the inbox: each command would wake the thread up.
            std::thread::sleep(rest);
        }
        let woke = Instant::now();
        let mut batch = Batch { commands: Vec::new(), newest: woke };
        let (mut wait, mut linger_end) = (self.until_due(), None);
        while batch.commands.len() < BATCH_MAX {
            match receive(&self.inbox, wait) {
                Ok(Message::Command { command, at }) => {
                    batch.commands.push(command);
                    batch.newest = at;
                }
                Ok(Message::Tail(tail)) => return (batch, Some(Stop::Tail(tail))),
                Ok(Message::Turn(turn)) => return (batch, Some(Stop::Turn(turn))),
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => return (batch, Some(Stop::Close)),
                Err(RecvTimeoutError::Timeout) => break,
            }
            let gathered = !rest.is_zero() && batch.newest < woke;
            wait = Some(if gathered || batch.commands.len() >= self.pace.commands() {
                Duration::ZERO
            } else {
                let now = Instant::now();
                linger_end.get_or_insert_with(|| now + self.pace.linger()).saturating_duration_since(now)
            });
        }
        (batch, None)
    }

    /// Commits a batch and answers it. True when the file was written.
    fn commit(&mut self, mut batch: Vec<Command>) -> bool {
        let (began, commands) = (Instant::now(), batch.len());
        let Done { events, written } = self.books.commit(&mut batch);
        let took = began.elapsed();
        self.forget(&events);
        self.pace.committed(commands, took);
        let failure = written.as_ref().and_then(|written| written.as_ref().err()).map(unavailable);
        let committed = failure.is_none().then(Instant::now);
        if written.is_some() {
            self.report.note(failure.as_ref());
            if committed.is_some() {
                self.report.meters().committed(commands, took);
            }
        }
        let mut again = Vec::new();
        for command in batch {
            match command {
                Command::Append { asked, ticket, .. } => {
                    // First the place, so that who is answered can append again.
                    ticket.answered(committed);
                    asked.settle(failure.as_ref());
                }
                Command::AppendAll { asked, ticket, .. } => {
                    ticket.answered(committed);
                    asked.settle(failure.as_ref());
                }
                Command::Enter { asked, .. } => asked.settle(failure.as_ref()),
                // It may be the very thing that helps, as when a room is deleted on a full disk.
                Command::Change(_) if failure.is_some() && commands > 1 => again.push(command),
                Command::Change(change) => change.settle(failure.as_ref()),
                Command::Leave(claim) if failure.is_some() => self.owed.push_back(claim),
                Command::Leave(_) => {}
            }
        }
        self.tell(events);
        self.tell_health(false);
        for change in again {
            self.commit(vec![change]);
        }
        matches!(written, Some(Ok(())))
    }

    /// Tries the leaves that could not be written, apart from other commands: these must not fail with them.
    fn pay(&mut self) {
        while !self.owed.is_empty() && self.retired.is_none() {
            let some = self.owed.drain(..self.owed.len().min(BATCH_MAX)).map(Command::Leave).collect();
            if !self.commit(some) {
                break;
            }
        }
    }

    /// Finds out whether the file can be written again, though nobody asks: who looks whether this server is ready
    /// sends nobody until it is.
    fn probe(&mut self) {
        if self.report.is_in_doubt() {
            let failure = self.books.probe().err().as_ref().map(unavailable);
            self.report.note(failure.as_ref());
            self.tell_health(true);
        }
    }

    /// Does what is due besides the inbox. A command line has nothing of the kind.
    fn look_up(&mut self) {
        if self.lock.is_none() {
            return self.follow();
        }
        let now = Instant::now();
        if self.inherited.as_ref().is_some_and(|inherited| inherited.until <= now) {
            self.owed.extend(self.inherited.take().into_iter().flat_map(|inherited| inherited.claims));
            self.pay();
        }
        if now >= self.due.news {
            self.due.news = now + self.rhythm.news;
            match self.books.news() {
                Ok(events) => {
                    self.forget(&events);
                    self.tell(events);
                }
                Err(cause) => {
                    self.known.forget_all();
                    tracing::warn!(%cause, "cannot look for changes by other processes");
                }
            }
        }
        if now >= self.due.retry {
            self.due.retry = now + self.rhythm.retry;
            self.pay();
            self.probe();
        }
        if now >= self.due.sweep {
            let moment = self.rhythm.moment();
            let clock = self.doubt.allows(moment).then_some(moment.wall);
            let step = self.upkeep.step(&mut self.books.file, clock);
            self.books.heads.forget_all();
            self.due.sweep = match step {
                Ok(true) => now + SWEEP_PAUSE,
                Ok(false) => now + self.rhythm.sweep,
                Err(cause) => {
                    tracing::warn!(%cause, "cannot remove what is old");
                    now + self.rhythm.sweep
                }
            };
        }
    }

    /// How long the inbox may be waited for; `None` for ever.
    fn until_due(&self) -> Option<Duration> {
        if self.retired.is_some() {
            return Some(retired::GLANCE);
        }
        self.lock.as_ref()?;
        let retry = if self.owed.is_empty() && !self.report.is_in_doubt() { self.due.news } else { self.due.retry };
        let next = self.due.news.min(self.due.sweep).min(retry);
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Forgets accounts that have changed, before anybody hears of it.
    fn forget(&self, events: &[Event]) {
        for event in events {
            if let Event::SessionsEnded(name) = event {
                self.known.forget(name);
            }
        }
    }

    /// Tells that nothing can be written, or that it can again.
    fn tell_health(&mut self, tried: bool) {
        let turned = self.report.news(tried);
        self.tell(turned.into_iter().collect());
    }

    /// Hands the news over. A reader who is slow is waited for; one who has gone is forgotten.
    fn tell(&mut self, events: Vec<Event>) {
        if !events.is_empty() && self.tail.as_ref().is_some_and(|tail| tail.blocking_send(events).is_err()) {
            self.tail = None;
        }
    }
}

fn receive(inbox: &Receiver<Message>, wait: Option<Duration>) -> Result<Message, RecvTimeoutError> {
    match wait {
        Some(wait) => inbox.recv_timeout(wait),
        None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
    }
}
