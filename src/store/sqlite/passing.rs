//! Rooms without a history: what is said there is put in order, told to whoever is there, and never written.
//!
//! Their offsets are given out here, in the writer's memory, in the order of its inbox like everybody's. The file holds
//! only how far they may have gone: a block of offsets is reserved in the room's row (`last_offset`, with
//! `first_offset` behind it, as nothing is kept) before the first of it is given out. A process that is killed takes
//! the rest of its block with it, so no offset is ever given twice; one that ends in order gives the rest back.
//!
//! Invariants: `last <= reserved`, and `reserved` is in the file. What is done for a transaction is in the journal until
//! that is settled, so a roll-back leaves no hole. Readers see what is settled and nothing else.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::RwLock;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::log::{Log, not_before};
use super::row;
use crate::chat::{Draft, Entry, History, Kind, MessageId, NOTICE_SENDER, Name, Room, RoomId};
use crate::store::{Appended, Event, PASSING_IDS_MAX, Slice};

/// Offsets that are reserved at once: one write for so many messages.
const BLOCK: u64 = 1 << 16;

const HEAD_COLUMNS: &str = "id, key, last_offset, last_at";

/// The rooms without a history, as the writer knows them.
#[derive(Default)]
pub(super) struct Passing {
    /// `None` beside the server, where nobody enters or speaks, and the rows are all there is to know.
    told: Option<Ends>,
    heads: HashMap<RoomId, Head>,
    ids: Ids,
    journal: Vec<Undo>,
}

/// Where a room's log ends.
#[derive(Clone, Copy)]
struct Head {
    key: i64,
    last: u64,
    reserved: u64,
    last_at: i64,
}

enum Undo {
    Moved(RoomId, Head),
    Learned(RoomId),
    Forgotten(RoomId, Head),
    Remembered,
}

impl Passing {
    /// Those in the file, for the server's own process.
    pub(super) fn of(file: &Connection, told: Ends) -> rusqlite::Result<Self> {
        let mut look = file.prepare(&format!("SELECT {HEAD_COLUMNS} FROM room WHERE history = 0"))?;
        let heads: HashMap<RoomId, Head> = look.query_map([], head)?.collect::<Result<_, _>>()?;
        told.0.write().extend(heads.iter().map(|(room, head)| (*room, head.stand())));
        Ok(Self { told: Some(told), heads, ..Self::default() })
    }

    /// Whether this is such a room.
    pub(super) fn has(&self, room: RoomId) -> bool {
        self.heads.contains_key(&room)
    }

    /// A room was made, or has another name.
    pub(super) fn learn(&mut self, file: &Connection, room: RoomId) -> rusqlite::Result<()> {
        if self.told.is_none() || self.has(room) {
            return Ok(());
        }
        let found = file
            .prepare_cached(&format!("SELECT {HEAD_COLUMNS} FROM room WHERE id = ?1 AND history = 0"))?
            .query_row([room.as_bytes()], head)
            .optional()?;
        if let Some((room, head)) = found {
            self.heads.insert(room, head);
            self.journal.push(Undo::Learned(room));
        }
        Ok(())
    }

    /// A room was deleted.
    pub(super) fn forget(&mut self, room: RoomId) {
        if let Some(head) = self.heads.remove(&room) {
            self.journal.push(Undo::Forgotten(room, head));
        }
    }

    /// A room's log, of which nothing is kept.
    pub(super) fn log(&self, room: RoomId) -> Option<Log> {
        let Head { key, last, .. } = *self.heads.get(&room)?;
        Some(Log { key, first: last + 1, last, missing: 0, history: History::Off })
    }

    /// Sees to it that there is an offset to give. For whoever writes anyway: so early that who writes nothing
    /// mostly finds enough.
    pub(super) fn reserve(&mut self, file: &Connection, room: RoomId) -> rusqlite::Result<()> {
        match self.heads.get_mut(&room) {
            Some(head) if head.reserved - head.last <= BLOCK / 2 => {
                self.journal.push(Undo::Moved(room, *head));
                head.reserved = head.last + BLOCK;
                head.write(file)
            }
            _ => Ok(()),
        }
    }

    /// Gives a message its place, unless it has one. `None` when an offset has to be reserved first.
    pub(super) fn append(
        &mut self,
        draft: &Draft,
        now: i64,
        user_count: u32,
        events: &mut Vec<Event>,
    ) -> Option<Appended> {
        let key = draft.id.clone().map(|id| (draft.room, draft.sender.clone(), id));
        if let Some(offset) = key.as_ref().and_then(|key| self.ids.offsets.get(key)) {
            return Some(Appended { offset: *offset, duplicate: true });
        }
        let (offset, sent_at) = self.advance(draft.room, now)?;
        let id = match &draft.id {
            Some(id) => id.as_str().into(),
            None => Entry::default_id(draft.room, offset).into(),
        };
        if let Some(key) = key {
            self.ids.remember(key, offset);
            self.journal.push(Undo::Remembered);
        }
        let (sender, message) = (draft.sender.as_str().into(), draft.text.clone());
        let entry = Entry { kind: Kind::Talk, room_id: draft.room, sender, message, user_count, offset, id, sent_at };
        events.push(Event::Entry(Arc::new(entry)));
        Some(Appended { offset, duplicate: false })
    }

    /// Tells what the server has to say of somebody; answers its offset. `None` as above.
    pub(super) fn notify(
        &mut self,
        room_id: RoomId,
        (kind, text): (Kind, String),
        now: i64,
        user_count: u32,
        events: &mut Vec<Event>,
    ) -> Option<u64> {
        let (offset, sent_at) = self.advance(room_id, now)?;
        let (sender, message) = (NOTICE_SENDER.into(), text.into());
        let id = Entry::default_id(room_id, offset).into();
        let entry = Entry { kind, room_id, sender, message, user_count, offset, id, sent_at };
        events.push(Event::Entry(Arc::new(entry)));
        Some(offset)
    }

    /// A point to go back to.
    pub(super) const fn mark(&self) -> usize {
        self.journal.len()
    }

    /// Takes back what was done since the mark.
    pub(super) fn undo_to(&mut self, mark: usize) {
        while self.journal.len() > mark {
            match self.journal.pop() {
                Some(Undo::Moved(room, head) | Undo::Forgotten(room, head)) => drop(self.heads.insert(room, head)),
                Some(Undo::Learned(room)) => drop(self.heads.remove(&room)),
                Some(Undo::Remembered) => self.ids.forget_newest(),
                None => {}
            }
        }
    }

    /// What was done stands, and is shown to readers.
    pub(super) fn settle(&mut self) {
        if let Some(told) = self.told.as_ref().filter(|_| !self.journal.is_empty()) {
            let mut told = told.0.write();
            for undo in &self.journal {
                let (Undo::Moved(room, _) | Undo::Learned(room) | Undo::Forgotten(room, _)) = undo else { continue };
                match self.heads.get(room) {
                    Some(head) => drop(told.insert(*room, head.stand())),
                    None => drop(told.remove(room)),
                }
            }
        }
        self.journal.clear();
        self.ids.trim();
    }

    /// Gives back what was reserved and not given out. Nobody speaks from here on.
    pub(super) fn park(&self, file: &mut Connection) -> rusqlite::Result<()> {
        let parked = |head: &&Head| head.last < head.reserved;
        if self.heads.values().any(|head| parked(&head)) {
            let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for head in self.heads.values().filter(parked) {
                Head { reserved: head.last, ..*head }.write(&transaction)?;
            }
            transaction.commit()?;
        }
        Ok(())
    }

    /// Takes the room's next offset; `None` when none is left of its block.
    fn advance(&mut self, room: RoomId, now: i64) -> Option<(u64, i64)> {
        let head = self.heads.get_mut(&room).filter(|head| head.last < head.reserved)?;
        self.journal.push(Undo::Moved(room, *head));
        head.last += 1;
        head.last_at = not_before(head.last_at, now);
        Some((head.last, head.last_at))
    }
}

impl Head {
    const fn stand(&self) -> Stand {
        Stand { last: self.last, last_at: self.last_at }
    }

    fn write(&self, file: &Connection) -> rusqlite::Result<()> {
        file.prepare_cached("UPDATE room SET last_offset = ?2, first_offset = ?2 + 1, last_at = ?3 WHERE key = ?1")?
            .execute(params![self.key, self.reserved.cast_signed(), self.last_at])
            .map(drop)
    }
}

fn head(row: &Row<'_>) -> rusqlite::Result<(RoomId, Head)> {
    let last = row::number(row, 2)?;
    Ok((row::room_id(row, 0)?, Head { key: row.get(1)?, last, reserved: last, last_at: row.get(3)? }))
}

/// What readers know of these rooms. The lock is held to look and to note, never while anything waits.
#[derive(Clone, Default)]
pub(super) struct Ends(Arc<RwLock<HashMap<RoomId, Stand>>>);

#[derive(Clone, Copy)]
struct Stand {
    last: u64,
    last_at: i64,
}

impl Ends {
    /// All there is to read of such a room: nothing.
    pub(super) fn slice(&self, room: RoomId) -> Option<Slice> {
        let last = self.0.read().get(&room)?.last;
        Some(Slice { entries: Vec::new(), first: last + 1, last, history: History::Off })
    }

    /// The rooms with what their rows do not tell. True when there was such a room.
    pub(super) fn complete<'a>(&self, rooms: impl IntoIterator<Item = &'a mut Room>) -> bool {
        let stands = self.0.read();
        let mut any = false;
        for room in rooms {
            if let Some(stand) = stands.get(&room.id) {
                stand.complete(room);
                any = true;
            }
        }
        any
    }
}

impl Stand {
    const fn complete(self, room: &mut Room) {
        (room.last_offset, room.last_at) = (self.last, self.last_at);
    }
}

/// The newest ids of clients' own, over all of these rooms.
#[derive(Default)]
struct Ids {
    offsets: HashMap<Key, u64>,
    order: VecDeque<Key>,
}

type Key = (RoomId, Name, MessageId);

impl Ids {
    fn remember(&mut self, key: Key, offset: u64) {
        self.offsets.insert(key.clone(), offset);
        self.order.push_back(key);
    }

    fn forget_newest(&mut self) {
        if let Some(key) = self.order.pop_back() {
            self.offsets.remove(&key);
        }
    }

    /// Only once a batch is settled: what it pushed out cannot be taken back.
    fn trim(&mut self) {
        while self.order.len() > PASSING_IDS_MAX {
            if let Some(key) = self.order.pop_front() {
                self.offsets.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);

    fn passing(reserved: u64) -> Passing {
        let head = Head { key: 1, last: 0, reserved, last_at: 0 };
        Passing { told: Some(Ends::default()), heads: HashMap::from([(ROOM, head)]), ..Passing::default() }
    }

    fn say(passing: &mut Passing, id: &str) -> Option<Appended> {
        let draft = Draft::new(ROOM, "a".parse().unwrap(), "x", Some(id.parse().unwrap()), 10).unwrap();
        passing.append(&draft, 5, 0, &mut Vec::new())
    }

    #[test]
    fn what_is_undone_leaves_no_hole_and_is_not_remembered() {
        let mut passing = passing(10);
        assert_eq!(say(&mut passing, "1").unwrap().offset, 1);
        passing.settle();
        let mark = passing.mark();
        assert_eq!(say(&mut passing, "2").unwrap().offset, 2);
        passing.forget(ROOM);
        assert_eq!(say(&mut passing, "3"), None);
        passing.undo_to(mark);
        assert_eq!(say(&mut passing, "2"), Some(Appended { offset: 2, duplicate: false }));
        assert_eq!(say(&mut passing, "1"), Some(Appended { offset: 1, duplicate: true }));
        assert_eq!(passing.told.as_ref().unwrap().slice(ROOM).unwrap().last, 1, "readers see what is settled");
        passing.settle();
        assert_eq!(passing.told.as_ref().unwrap().slice(ROOM).unwrap().last, 2);
    }

    #[test]
    fn an_offset_that_is_not_reserved_is_not_given() {
        let mut passing = passing(1);
        assert!(say(&mut passing, "1").is_some());
        assert_eq!(say(&mut passing, "2"), None);
    }

    #[test]
    fn of_many_ids_the_newest_are_remembered() {
        let mut passing = passing(u64::MAX);
        for n in 0..=PASSING_IDS_MAX {
            assert!(!say(&mut passing, &n.to_string()).unwrap().duplicate);
            passing.settle();
        }
        assert_eq!(passing.ids.offsets.len(), PASSING_IDS_MAX);
        assert!(say(&mut passing, &PASSING_IDS_MAX.to_string()).unwrap().duplicate);
        assert!(!say(&mut passing, "0").unwrap().duplicate, "the oldest is pushed out");
    }
}
