//! Turns: what is asked of a room, in the order in which it was asked.
//!
//! Each room has a lane. What waits in it is one turn, one call of a script that does all of it or nothing; while it is
//! on its way the next turn gathers by itself, so a lone message goes at once and a crowd shares a call. Lanes do not
//! wait for one another.
//!
//! Invariants: within a room the order of the calls is the order of their effects. A turn whose answer was lost is asked
//! again under its number, and happens once. Whoever waits is answered within the time that the operator allows, and is
//! told the truth: refused, or perhaps stored. A lease that is given back is kept in mind until Redis knows it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout_at};

use super::command::{Command, acts_of, appended, refuse, settle};
use super::hall::{Hall, Turned};
use super::request::{Act, Request};
use crate::chat::RoomId;
use crate::store::{Appended, StoreError};

/// Commands that one turn takes: Redis does nothing else meanwhile.
const TURN_MAX: usize = 128;
/// Bytes of text from which on a turn takes no more: its news are one message, and Redis closes a connection on which too
/// much waits (`client-output-buffer-limit pubsub`, 8 to 32 MB).
const TURN_BYTES_MAX: usize = 1024 * 1024;
/// Between two tries to give back what could not be given back.
const OWED_AGAIN: std::time::Duration = std::time::Duration::from_millis(500);

/// What comes through the inbox.
pub(super) enum Message {
    Command(Command),
    /// Everybody who is here enters again: under the owner's new name, or as Redis may have lost it.
    Again,
    /// Everything that waits is done, and this is answered then.
    Close(oneshot::Sender<()>),
}

/// Commands of one room that wait for their turn.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<Waiting>,
    is_busy: bool,
}

enum Waiting {
    Command(Command, Instant),
    /// The lane waits here until all lanes of something joint do.
    Gate(u64),
}

/// Something that is done in several rooms at once.
struct Joint {
    command: Option<(Command, Instant)>,
    rooms: Vec<RoomId>,
    missing: usize,
}

/// What became of a turn.
struct Done {
    rooms: Vec<RoomId>,
    owed: Vec<Command>,
}

/// The task that gives everybody their turn.
pub(super) struct Turns {
    hall: Arc<Hall>,
    inbox: mpsc::UnboundedReceiver<Message>,
    lanes: HashMap<RoomId, Lane>,
    joints: HashMap<u64, Joint>,
    joints_made: u64,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    owed: Vec<Command>,
    closing: Vec<oneshot::Sender<()>>,
}

impl Turns {
    pub(super) fn new(hall: Arc<Hall>, inbox: mpsc::UnboundedReceiver<Message>) -> Self {
        Self {
            hall,
            inbox,
            lanes: HashMap::new(),
            joints: HashMap::new(),
            joints_made: 0,
            running: FuturesUnordered::new(),
            owed: Vec::new(),
            closing: Vec::new(),
        }
    }

    /// Runs until it is told to close, or nobody is left who could tell it anything.
    pub(super) async fn run(mut self) {
        let mut ticks = interval(OWED_AGAIN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = self.inbox.recv() => match message {
                    Some(Message::Command(command)) => self.take_in(command, Instant::now()),
                    Some(Message::Again) => self.again(),
                    Some(Message::Close(told)) => self.closing.push(told),
                    None => return,
                },
                Some(done) = self.running.next() => self.done(done),
                _ = ticks.tick(), if !self.owed.is_empty() && self.hall.link.is_up() => {
                    for command in std::mem::take(&mut self.owed) {
                        self.owe_again(command);
                    }
                }
            }
            if !self.closing.is_empty() && self.lanes.is_empty() {
                if !self.owed.is_empty() {
                    tracing::warn!(leases = self.owed.len(), "some presence could not be ended; it lapses by itself");
                }
                return;
            }
        }
    }

    fn take_in(&mut self, command: Command, at: Instant) {
        let room = match &command {
            Command::Say { draft, .. } => draft.room,
            Command::SayAll { drafts, .. } => {
                let mut rooms: Vec<RoomId> = drafts.iter().map(|draft| draft.room).collect();
                rooms.sort_unstable_by_key(|room| *room.as_bytes());
                rooms.dedup();
                match rooms[..] {
                    [] => return refuse(vec![(command, at)], None).clear(),
                    [room] => room,
                    _ => return self.join(command, at, rooms),
                }
            }
            Command::Enter { claim, .. } => {
                self.hall.hold(claim);
                claim.room
            }
            Command::Again(claim) => claim.room,
            Command::Leave(claim) => {
                self.hall.let_go(claim);
                claim.room
            }
        };
        self.line_up(room, Waiting::Command(command, at));
    }

    fn join(&mut self, command: Command, at: Instant, rooms: Vec<RoomId>) {
        self.joints_made += 1;
        let number = self.joints_made;
        let joint = Joint { command: Some((command, at)), rooms: rooms.clone(), missing: rooms.len() };
        self.joints.insert(number, joint);
        for room in rooms {
            self.line_up(room, Waiting::Gate(number));
        }
    }

    fn line_up(&mut self, room: RoomId, waiting: Waiting) {
        let lane = self.lanes.entry(room).or_default();
        lane.waiting.push_back(waiting);
        if !lane.is_busy {
            self.begin(room);
        }
    }

    /// Begins the next turn of a lane that does nothing.
    fn begin(&mut self, room: RoomId) {
        let Some(lane) = self.lanes.get_mut(&room) else { return };
        if let Some(Waiting::Gate(number)) = lane.waiting.front() {
            let number = *number;
            lane.waiting.pop_front();
            lane.is_busy = true;
            return self.arrive(number);
        }
        let (mut commands, mut bytes) = (Vec::new(), 0);
        while commands.len() < TURN_MAX
            && bytes < TURN_BYTES_MAX
            && let Some(Waiting::Command(..)) = lane.waiting.front()
            && let Some(Waiting::Command(command, at)) = lane.waiting.pop_front()
        {
            bytes += command.bytes();
            commands.push((command, at));
        }
        if commands.is_empty() {
            self.lanes.remove(&room);
            return;
        }
        lane.is_busy = true;
        let hall = Arc::clone(&self.hall);
        self.running.push(Box::pin(async move {
            let owed = in_one_room(&hall, room, commands).await;
            Done { rooms: vec![room], owed }
        }));
    }

    /// One more lane of something joint stands at its gate.
    fn arrive(&mut self, number: u64) {
        let Some(joint) = self.joints.get_mut(&number) else { return };
        joint.missing -= 1;
        if joint.missing > 0 {
            return;
        }
        let Some(Joint { command: Some(command), rooms, .. }) = self.joints.remove(&number) else { return };
        let hall = Arc::clone(&self.hall);
        self.running.push(Box::pin(async move {
            in_several_rooms(&hall, &rooms, command).await;
            Done { rooms, owed: Vec::new() }
        }));
    }

    fn done(&mut self, done: Done) {
        self.owed.extend(done.owed);
        for room in done.rooms {
            if let Some(lane) = self.lanes.get_mut(&room) {
                lane.is_busy = false;
            }
            self.begin(room);
        }
    }

    fn again(&mut self) {
        for claim in self.hall.held() {
            self.take_in(Command::Again(claim), Instant::now());
        }
    }

    /// What could not be done is tried again. Who has left meanwhile does not come in again.
    fn owe_again(&mut self, command: Command) {
        match &command {
            Command::Again(claim) if !self.hall.holds(claim.room, claim.lease) => {}
            Command::Again(claim) | Command::Leave(claim) => {
                self.line_up(claim.room, Waiting::Command(command, Instant::now()));
            }
            Command::Say { .. } | Command::SayAll { .. } | Command::Enter { .. } => {}
        }
    }
}

/// One turn in one room. Answers what is to be tried again.
async fn in_one_room(hall: &Hall, room: RoomId, mut commands: Vec<(Command, Instant)>) -> Vec<Command> {
    let mut owed = Vec::new();
    let oldest = commands.iter().map(|(_, at)| *at).min().unwrap_or_else(Instant::now);
    let end = hall.end_of_patience(oldest);
    if commands.iter().any(|(command, _)| command.enters()) {
        // Before anything is appended, or it would pass by.
        if !matches!(timeout_at(end.into(), hall.listen(room)).await, Ok(Ok(()))) {
            let (enters, others): (Vec<_>, Vec<_>) = commands.into_iter().partition(|(command, _)| command.enters());
            owed = refuse(enters, Some("Redis cannot be reached"));
            commands = others;
        }
    }
    if commands.is_empty() {
        return owed;
    }
    let enters = commands.iter().any(|(command, _)| command.enters());
    let is_kept = commands.iter().any(|(command, _)| matches!(command, Command::Say { .. } | Command::SayAll { .. }));
    let acts = |owner: &str| commands.iter().flat_map(|(command, _)| acts_of(command, owner, hall)).collect::<Vec<_>>();
    let request =
        Request { rooms: &[room], acts: &|_, owner| acts(owner), enters, is_kept, is_joint: false, is_aside: false };
    match hall.ask(&request, end).await {
        Ok(Turned { mut rooms, is_kept }) => {
            settle(hall, room, commands, rooms.pop().flatten(), is_kept);
        }
        Err(cause) => owed.extend(refuse(commands, Some(&cause))),
    }
    owed
}

/// A turn in several rooms at once, of which all happens or nothing.
async fn in_several_rooms(hall: &Hall, rooms: &[RoomId], command: (Command, Instant)) {
    let end = hall.end_of_patience(command.1);
    let Command::SayAll { drafts, .. } = &command.0 else { return };
    let acts = |room: RoomId| drafts.iter().filter(|draft| draft.room == room).map(Act::say).collect::<Vec<_>>();
    let request =
        Request { rooms, acts: &|room, _| acts(room), enters: false, is_kept: true, is_joint: true, is_aside: false };
    let answers = hall.ask(&request, end).await;
    let Command::SayAll { drafts, mut asked, ticket } = command.0 else { return };
    match answers {
        Ok(Turned { is_kept: false, .. }) => drop(refuse(
            vec![(Command::SayAll { drafts, asked, ticket }, command.1)],
            Some("it was stored, but not by enough replicas yet"),
        )),
        Ok(Turned { rooms: answers, .. }) => {
            let mut by_room: HashMap<RoomId, VecDeque<Vec<i64>>> = rooms
                .iter()
                .copied()
                .zip(answers.into_iter().map(|answer| answer.unwrap_or_default().into()))
                .collect();
            let said: Option<Vec<Appended>> = drafts
                .iter()
                .map(|draft| appended(hall, draft.room, &by_room.get_mut(&draft.room)?.pop_front()?))
                .collect();
            ticket.answered(said.is_some().then(Instant::now));
            asked.found(said.ok_or(StoreError::RoomUnknown));
            asked.settle(None);
        }
        Err(cause) => drop(refuse(vec![(Command::SayAll { drafts, asked, ticket }, command.1)], Some(&cause))),
    }
}
