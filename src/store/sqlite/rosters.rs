//! Who is in which room, as the writer knows it.
//!
//! The presence table mirrors this in the same transaction. What a transaction did here is in the journal until it is
//! settled, so that a roll-back puts the rosters back exactly.

use std::collections::HashMap;

use super::command::Claim;
use crate::chat::{RoomId, Roster};

/// The rosters of every room in which somebody is.
#[derive(Default)]
pub(super) struct Rosters {
    rooms: HashMap<RoomId, Roster>,
    journal: Vec<Undo>,
}

enum Undo {
    Entered(Claim),
    Left(Claim),
    Dropped(RoomId, Roster),
}

impl Rosters {
    /// Adds a lease that is not there yet. True when it is the person's first in this room.
    pub(super) fn enter(&mut self, claim: &Claim) -> bool {
        self.journal.push(Undo::Entered(claim.clone()));
        self.add(claim)
    }

    /// Takes a lease away that is there. True when it was the person's last one in this room.
    pub(super) fn leave(&mut self, claim: &Claim) -> bool {
        self.journal.push(Undo::Left(claim.clone()));
        self.take(claim)
    }

    /// Forgets a room that was deleted.
    pub(super) fn forget(&mut self, room: RoomId) {
        if let Some(roster) = self.rooms.remove(&room) {
            self.journal.push(Undo::Dropped(room, roster));
        }
    }

    /// Whether this lease is there.
    pub(super) fn has(&self, claim: &Claim) -> bool {
        self.rooms.get(&claim.room).is_some_and(|roster| roster.has(&claim.name, claim.lease))
    }

    /// The rooms in which somebody is.
    pub(super) fn rooms(&self) -> impl Iterator<Item = RoomId> {
        self.rooms.keys().copied()
    }

    /// How many people are in a room.
    pub(super) fn count(&self, room: RoomId) -> u32 {
        self.rooms.get(&room).map_or(0, Roster::count)
    }

    /// A point to go back to.
    pub(super) const fn mark(&self) -> usize {
        self.journal.len()
    }

    /// Takes back what was done since the mark.
    pub(super) fn undo_to(&mut self, mark: usize) {
        while self.journal.len() > mark {
            match self.journal.pop() {
                Some(Undo::Entered(claim)) => drop(self.take(&claim)),
                Some(Undo::Left(claim)) => drop(self.add(&claim)),
                Some(Undo::Dropped(room, roster)) => drop(self.rooms.insert(room, roster)),
                None => {}
            }
        }
    }

    /// What was done is committed.
    pub(super) fn settle(&mut self) {
        self.journal.clear();
    }

    fn add(&mut self, claim: &Claim) -> bool {
        self.rooms.entry(claim.room).or_default().enter(&claim.name, claim.lease)
    }

    fn take(&mut self, claim: &Claim) -> bool {
        let Some(roster) = self.rooms.get_mut(&claim.room) else { return false };
        let was_last = roster.leave(&claim.name, claim.lease);
        if roster.is_empty() {
            self.rooms.remove(&claim.room);
        }
        was_last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::LeaseId;

    fn claim(name: &str, lease: u64) -> Claim {
        Claim { room: RoomId::from_bytes([1; 16]), name: name.parse().unwrap(), lease: LeaseId(lease) }
    }

    #[test]
    fn what_is_undone_never_happened() {
        let (mut rosters, room) = (Rosters::default(), RoomId::from_bytes([1; 16]));
        assert!(rosters.enter(&claim("a", 1)));
        rosters.settle();
        let mark = rosters.mark();
        assert!(!rosters.enter(&claim("a", 2)));
        assert!(rosters.enter(&claim("b", 3)));
        assert!(!rosters.leave(&claim("a", 1)));
        rosters.forget(room);
        assert_eq!(rosters.count(room), 0);
        rosters.undo_to(mark);
        assert_eq!(rosters.count(room), 1);
        assert!(rosters.leave(&claim("a", 1)), "the first lease is the only one again");
    }
}
