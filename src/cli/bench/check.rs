//! The checker: every delivery to every subscriber, against what was said and what the others were given.
//!
//! The first copy of an entry is taken apart and compared with the message that was sent, word for word; every
//! further one has to be equal to it to the last byte, which costs a comparison and no parsing. Invariant: a
//! subscriber's offsets rise by one, and a message is finished when each subscriber of its room has it exactly once.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Instant;

use serde::Deserialize;

use super::latency::Latency;
use super::wire;

/// Entries of a room whose frames are kept for comparison, at least.
const KNOWN_MIN: usize = 64;

/// The book of a run.
pub(super) struct Checker {
    rooms: Vec<Room>,
    seats: Vec<Seat>,
    /// Messages that are under way, by the number of the message; those before `first` are finished.
    sent: VecDeque<Sent>,
    first: u64,
    /// Tells this run's messages from others'.
    nonce: u64,
    /// Deliveries of messages (not of notices) so far, and bytes of all frames.
    pub(super) deliveries: u64,
    pub(super) bytes: u64,
    /// Deliveries of old entries too, for who reads history.
    pub(super) entries: u64,
    /// From the time at which a message was due to each of its deliveries.
    pub(super) latency: Latency,
    /// Messages that everybody has.
    pub(super) finished: u64,
    /// The first thing that was wrong.
    pub(super) fault: Option<String>,
}

struct Room {
    id: String,
    /// Subscribers, connected or coming back.
    members: u32,
    known: Vec<Known>,
}

#[derive(Default)]
struct Known {
    offset: u64,
    frame: Vec<u8>,
    /// `None` for a notice.
    message: Option<u64>,
}

/// What one subscriber is at.
#[derive(Clone, Copy)]
struct Seat {
    room: usize,
    /// The offset that has to come next; `None` before the first.
    next: Option<u64>,
    /// Whether its latencies count.
    timed: bool,
}

struct Sent {
    room: usize,
    due: Instant,
    text: String,
    left: u32,
    offset: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    room_id: &'a str,
    message: std::borrow::Cow<'a, str>,
    offset: u64,
}

impl Checker {
    /// With rooms, each of which keeps this many entries for comparison.
    pub(super) fn new(rooms: &[String], known: usize) -> Self {
        let room = |id: &String| {
            let mut places = Vec::new();
            places.resize_with(known.max(KNOWN_MIN), Known::default);
            Room { id: id.clone(), members: 0, known: places }
        };
        Self {
            rooms: rooms.iter().map(room).collect(),
            seats: Vec::new(),
            sent: VecDeque::new(),
            first: 0,
            nonce: u64::from_le_bytes(crate::auth::random_bytes()),
            deliveries: 0,
            bytes: 0,
            entries: 0,
            latency: Latency::new(),
            finished: 0,
            fault: None,
        }
    }

    /// A subscriber of a room; its number is the place of its connection.
    pub(super) fn seat(&mut self, who: usize, room: usize) {
        let nobody = Seat { room: usize::MAX, next: None, timed: true };
        if self.seats.len() <= who {
            self.seats.resize(who + 1, nobody);
        }
        self.seats[who] = Seat { room, ..nobody };
        self.rooms[room].members += 1;
    }

    /// This subscriber's latencies do not count.
    pub(super) fn untimed(&mut self, who: usize) {
        self.seats[who].timed = false;
    }

    /// The offset that a subscriber had last: where it resumes. `None` when it had none yet.
    pub(super) fn last(&self, who: usize) -> Option<u64> {
        self.seats.get(who)?.next.map(|next| next - 1)
    }

    /// The subscriber begins anew with this offset.
    pub(super) fn restart(&mut self, who: usize, next: Option<u64>) {
        self.seats[who].next = next;
    }

    /// The text of the next message to a room, which counts from `due` on as said.
    pub(super) fn say(&mut self, room: usize, size: usize, due: Instant) -> &str {
        let number = self.first + self.sent.len() as u64;
        let mut text = format!("bench-{:016x}-{number} ", self.nonce);
        while text.len() + 17 < size {
            // Bytes that no two messages share.
            let _ = write!(text, "{:016x}", scramble(self.nonce ^ number ^ ((text.len() as u64) << 40)));
        }
        text.truncate(size.saturating_sub(17).max(40));
        let sum = text.bytes().fold(0, |sum, byte| scramble(sum ^ u64::from(byte)));
        let _ = write!(text, " {sum:016x}");
        let left = self.rooms[room].members;
        self.sent.push_back(Sent { room, due, text, left, offset: None });
        self.sent.back().map_or("", |sent| &sent.text)
    }

    /// Messages that not everybody has yet.
    pub(super) fn under_way(&self) -> usize {
        self.sent.iter().filter(|sent| sent.left > 0).count()
    }

    /// Numbers of messages that were said so far.
    pub(super) fn said(&self) -> u64 {
        self.first + self.sent.len() as u64
    }

    /// The number of the first message that not everybody has.
    pub(super) const fn finished_up_to(&self) -> u64 {
        self.first
    }

    /// Deliveries that have not come.
    pub(super) fn missing(&self) -> u64 {
        self.sent.iter().map(|sent| u64::from(sent.left)).sum()
    }

    /// Latencies and finishing times count from here.
    pub(super) fn begin(&mut self) {
        self.latency = Latency::new();
        (self.deliveries, self.bytes, self.entries, self.finished) = (0, 0, 0, 0);
    }

    /// A MESSAGE has come, with its WebSocket head in `whole`.
    #[inline]
    pub(super) fn delivered(&mut self, who: usize, whole: &[u8], payload: &[u8], now: Instant) {
        self.bytes += whole.len() as u64;
        self.entries += 1;
        if let Some(seat) = self.seats.get_mut(who)
            && let Some(next) = seat.next
            && let Some(room) = self.rooms.get(seat.room)
            && let known = &room.known[next as usize % room.known.len()]
            && known.offset == next
            && known.frame == whole
        {
            seat.next = Some(next + 1);
            let (message, timed) = (known.message, seat.timed);
            return self.credit(message, timed, now);
        }
        if let Err(fault) = self.examine(who, whole, payload, now) {
            self.fault(fault);
        }
    }

    /// Notes what is wrong; the first thing counts.
    pub(super) fn fault(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    fn credit(&mut self, message: Option<u64>, timed: bool, now: Instant) {
        let Some(number) = message else { return };
        self.deliveries += 1;
        let sent = number.checked_sub(self.first).and_then(|at| self.sent.get_mut(usize::try_from(at).ok()?));
        let Some(sent) = sent else { return };
        if timed {
            self.latency.record(now.saturating_duration_since(sent.due));
        }
        sent.left = sent.left.saturating_sub(1);
        if sent.left == 0 {
            self.finished += 1;
            while self.sent.front().is_some_and(|sent| sent.left == 0) {
                self.sent.pop_front();
                self.first += 1;
            }
        }
    }

    /// Takes a delivery apart that is not a known copy of what has to come.
    fn examine(&mut self, who: usize, whole: &[u8], payload: &[u8], now: Instant) -> Result<(), String> {
        let Some(seat) = self.seats.get(who).copied().filter(|seat| seat.room < self.rooms.len()) else {
            return Err(format!("connection {who} was given a message and has no subscription"));
        };
        let (room, members) = (&self.rooms[seat.room], self.rooms[seat.room].known.len());
        let at = || format!("subscriber {who} of room {}", room.id);
        if wire::header(payload, "subscription:") != Some(wire::SUBSCRIPTION.as_bytes()) {
            return Err(format!("{} was given a message of another subscription", at()));
        }
        let body = wire::body(payload).and_then(|body| serde_json::from_slice::<Body<'_>>(body).ok());
        let Some(body) = body else { return Err(format!("{} was given what is no entry", at())) };
        if body.room_id != room.id {
            return Err(format!("{} was given a message of room {}", at(), body.room_id));
        }
        match seat.next {
            Some(next) if body.offset < next => {
                return Err(format!("{}: offset {} came again where {next} was due (doubled)", at(), body.offset));
            }
            Some(next) if body.offset > next => {
                return Err(format!("{}: offset {} came where {next} was due (lost or swapped)", at(), body.offset));
            }
            _ => {}
        }
        let place = body.offset as usize % members;
        if room.known[place].offset == body.offset {
            if room.known[place].frame != whole {
                return Err(format!("{}: offset {} is not what the others were given", at(), body.offset));
            }
        } else {
            let message = self.message(seat.room, &body)?;
            if let Some(number) = message
                && let Some(sent) = self.sent.get_mut((number - self.first) as usize)
            {
                sent.offset = Some(body.offset);
            }
            let known = &mut self.rooms[seat.room].known[place];
            known.offset = body.offset;
            known.frame.clear();
            known.frame.extend_from_slice(whole);
            known.message = message;
        }
        let message = self.rooms[seat.room].known[place].message;
        self.seats[who].next = Some(body.offset + 1);
        self.credit(message, seat.timed, now);
        Ok(())
    }

    /// The number of the message that an entry is; `None` for a notice.
    fn message(&self, room: usize, body: &Body<'_>) -> Result<Option<u64>, String> {
        let told = |what: &str| format!("offset {} of room {}: {what}: {:?}", body.offset, body.room_id, body.message);
        if body.kind != "TALK" {
            return Ok(None);
        }
        let prefix = format!("bench-{:016x}-", self.nonce);
        let number = body.message.strip_prefix(&prefix).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        let Some(number) = number else { return Err(told("nobody here said that")) };
        let sent = number.checked_sub(self.first).and_then(|at| self.sent.get(usize::try_from(at).ok()?));
        let Some(sent) = sent else {
            return Err(told("said at another time: finished already, or never said"));
        };
        if sent.room != room || sent.text != body.message {
            return Err(told("not what was said (corrupted)"));
        }
        if let Some(offset) = sent.offset {
            return Err(told(&format!("stands at offset {offset} too (doubled)")));
        }
        Ok(Some(number))
    }
}

/// splitmix64: spreads a number over all bits.
const fn scramble(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ROOM: &str = "123e4567-e89b-42d3-a456-426614174000";

    /// A room with two subscribers.
    fn two() -> Checker {
        let mut checker = Checker::new(&[ROOM.to_owned()], 0);
        checker.seat(0, 0);
        checker.seat(1, 0);
        checker
    }

    fn message(kind: &str, offset: u64, text: &str) -> Vec<u8> {
        let body =
            format!(r#"{{"type":"{kind}","roomId":"{ROOM}","sender":"a","message":"{text}","offset":{offset}}}"#);
        format!("MESSAGE\nsubscription:bench\n\n{body}\0").into_bytes()
    }

    fn give(checker: &mut Checker, who: usize, frame: &[u8]) {
        checker.delivered(who, frame, frame, Instant::now());
    }

    #[test]
    fn a_message_is_finished_when_everybody_has_it_once() {
        let mut checker = two();
        let text = checker.say(0, 200, Instant::now()).to_owned();
        assert_eq!((text.len(), checker.under_way(), checker.missing()), (200, 1, 2));
        let frame = message("TALK", 7, &text);
        give(&mut checker, 0, &frame);
        assert_eq!((checker.under_way(), checker.missing()), (1, 1));
        give(&mut checker, 1, &frame);
        assert_eq!((checker.under_way(), checker.deliveries, checker.finished), (0, 2, 1));
        // A notice takes its place in the order and is nobody's message.
        give(&mut checker, 0, &message("ENTER", 8, "somebody came"));
        assert_eq!((checker.last(0), checker.last(1), checker.fault), (Some(8), Some(7), None));
    }

    #[test]
    fn latency_counts_from_the_due_time_and_not_from_the_sending() {
        let mut checker = two();
        let due = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
        let frame = message("TALK", 1, checker.say(0, 200, due));
        give(&mut checker, 0, &frame);
        assert!(checker.latency.percentile_ms(0.5) >= 2_000.0);
    }

    #[test]
    fn each_way_of_being_wrong_is_told() {
        type Given = Vec<(usize, Vec<u8>)>;
        let wrong = |frames: &dyn Fn(&[String]) -> Given| {
            let mut checker = two();
            let texts = [(); 3].map(|()| checker.say(0, 200, Instant::now()).to_owned());
            for (who, frame) in frames(&texts) {
                give(&mut checker, who, &frame);
            }
            checker.fault.unwrap_or_default()
        };
        let talk = |offset: u64, text: &str| message("TALK", offset, text);
        let told = wrong(&|t| vec![(0, talk(1, &t[0])), (0, talk(3, &t[2]))]);
        assert!(told.contains("lost or swapped"), "{told}");
        let told = wrong(&|t| vec![(0, talk(1, &t[0])), (0, talk(1, &t[0]))]);
        assert!(told.contains("doubled"), "{told}");
        let told = wrong(&|t| vec![(0, talk(1, &t[0])), (0, talk(2, &t[0]))]);
        assert!(told.contains("stands at offset 1 too"), "{told}");
        let told = wrong(&|t| vec![(0, talk(1, &t[0])), (1, talk(1, &t[1]))]);
        assert!(told.contains("not what the others were given"), "{told}");
        let told = wrong(&|t| vec![(0, talk(1, &t[0].replace(' ', "  ")))]);
        assert!(told.contains("corrupted"), "{told}");
        let told = wrong(&|_| vec![(0, talk(1, "hello"))]);
        assert!(told.contains("nobody here said that"), "{told}");
        let told = wrong(&|t| vec![(5, talk(1, &t[0]))]);
        assert!(told.contains("has no subscription"), "{told}");
        assert_eq!(wrong(&|t| vec![(0, talk(1, &t[0])), (1, talk(1, &t[0])), (0, talk(2, &t[1]))]), "");
    }
}
