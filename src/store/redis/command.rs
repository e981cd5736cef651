//! What is asked of a room, as the script takes it and as whoever asked is answered.

use std::time::Instant;

use super::hall::Hall;
use super::request::Act;
use crate::chat::{Draft, History, LeaseId, Name, RoomId};
use crate::store::asked::Asked;
use crate::store::queue::Ticket;
use crate::store::{Appended, Entered, StoreError};

/// Something to be done in a room.
pub(super) enum Command {
    Say {
        draft: Draft,
        asked: Asked<Appended>,
        ticket: Ticket,
    },
    /// All or none, in one room or in several.
    SayAll {
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
}

impl Command {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Say { draft, .. } => draft.text.len(),
            Self::SayAll { drafts, .. } => drafts.iter().map(|draft| draft.text.len()).sum(),
            Self::Enter { .. } | Self::Leave(_) => 0,
        }
    }
}

/// Somebody's lease in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) room: RoomId,
    pub(super) name: Name,
    pub(super) lease: LeaseId,
}

pub(super) fn acts_of(command: &Command, owner: &str, hall: &Hall) -> Vec<Act> {
    match command {
        Command::Say { draft, .. } => vec![Act::say(draft)],
        Command::SayAll { drafts, .. } => drafts.iter().map(Act::say).collect(),
        Command::Enter { claim, after, .. } => {
            vec![Act::enter(&claim.name, &lease(owner, claim.lease), *after, hall.locale())]
        }
        Command::Leave(claim) => vec![Act::leave(&claim.name, &lease(owner, claim.lease), hall.locale())],
    }
}

/// A lease as Redis knows it.
fn lease(owner: &str, lease: LeaseId) -> String {
    format!("{owner}:{}", lease.0)
}

/// Answers everybody with what Redis said; `None` is that there is no such room.
pub(super) fn settle(hall: &Hall, room: RoomId, commands: Vec<(Command, Instant)>, answer: Option<Vec<Vec<i64>>>) {
    let known = answer.is_some();
    let mut answers = answer.unwrap_or_default().into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let now = Instant::now();
    for (command, _) in commands {
        match command {
            Command::Say { mut asked, ticket, .. } => {
                let said = if known { appended(hall, room, &next()) } else { None };
                ticket.answered(said.map(|_| now));
                asked.found(said.ok_or(StoreError::RoomUnknown));
                asked.settle(None);
            }
            Command::SayAll { drafts, mut asked, ticket } => {
                let said: Option<Vec<Appended>> =
                    drafts.iter().map(|_| if known { appended(hall, room, &next()) } else { None }).collect();
                ticket.answered(said.is_some().then_some(now));
                asked.found(said.ok_or(StoreError::RoomUnknown));
                asked.settle(None);
            }
            Command::Enter { mut asked, .. } => {
                asked.found(if known { entered(hall, room, &next()) } else { Err(StoreError::RoomUnknown) });
                asked.settle(None);
            }
            Command::Leave(_) => {
                next();
            }
        }
    }
    hall.after(room);
}

pub(super) fn appended(hall: &Hall, room: RoomId, answer: &[i64]) -> Option<Appended> {
    let [offset, known] = *answer else { return None };
    let offset = offset.cast_unsigned();
    hall.saw(room, offset);
    Some(Appended { offset, duplicate: known == 1 })
}

fn entered(hall: &Hall, room: RoomId, answer: &[i64]) -> Result<Entered, StoreError> {
    match *answer {
        [1, last, first, missing, announced, people, keeps] => {
            let entered = Entered {
                last: last.cast_unsigned(),
                first: first.cast_unsigned(),
                missing: u64::try_from(missing).unwrap_or_default(),
                announced: announced == 1,
                user_count: u32::try_from(people).unwrap_or(u32::MAX),
                history: if keeps == 1 { History::On } else { History::Off },
            };
            hall.entered(room, &entered);
            Ok(entered)
        }
        [0, last] => Err(StoreError::AfterPastEnd { last: last.cast_unsigned() }),
        _ => Err(StoreError::Unavailable("Redis answered something else than was asked".into())),
    }
}

/// Tells everybody that it cannot be done; answers the leases that are still to be given back.
pub(super) fn refuse(commands: Vec<(Command, Instant)>, cause: Option<&str>) -> Vec<Claim> {
    let refusal = StoreError::Unavailable(cause.unwrap_or("nothing was asked for").to_owned());
    let mut owed = Vec::new();
    for (command, _) in commands {
        match command {
            Command::Say { asked, ticket, .. } => {
                ticket.answered(None);
                asked.refuse(refusal.clone());
            }
            Command::SayAll { drafts, mut asked, ticket } => {
                ticket.answered(None);
                if drafts.is_empty() {
                    asked.found(Ok(Vec::new()));
                    asked.settle(None);
                } else {
                    asked.refuse(refusal.clone());
                }
            }
            Command::Enter { asked, .. } => asked.refuse(refusal.clone()),
            Command::Leave(claim) => owed.push(claim),
        }
    }
    owed
}
