//! The newest offsets of the rooms that keep their logs, as the writer knows them.
//!
//! An append writes its entry and leaves its room's row alone, which would be a page more for each room of a commit.
//! The first append marks the row as `behind`; from there on the newest entry tells how far the room has come, until
//! a sweep, or an end in order, brings the row up to date. Whoever reads the file asks the view `room_now`, which looks
//! for that entry where the mark says so, so that a row is never misread: not after a kill, not by another process.
//!
//! Invariant: what is here is a copy of what the present transaction sees in the file. So it can be forgotten at any
//! time, and is, where something was taken back or changed elsewhere.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{Connection, OptionalExtension, params};

use super::log::{Log, not_before};
use super::row;
use crate::chat::{History, RoomId};
use crate::store::Event;

/// The rooms in which something happened lately: the sweep forgets them.
#[derive(Default)]
pub(super) struct Heads(HashMap<RoomId, Head>);

/// From where to where a room's log reaches.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) key: i64,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Offsets in between that have no entry.
    pub(super) missing: u64,
    /// The time of the newest entry; of a room without any, its own.
    pub(super) last_at: i64,
    /// Whether the row is marked.
    behind: bool,
}

impl Heads {
    /// From where to where the log reaches now.
    pub(super) fn log(&mut self, file: &Connection, room: RoomId) -> rusqlite::Result<Option<Log>> {
        let head = self.head(file, room)?;
        Ok(head.map(|head| Log {
            key: head.key,
            first: head.first,
            last: head.last,
            missing: head.missing,
            history: History::On,
        }))
    }

    /// Takes the room's next offset, for an entry that has to be written in the same transaction. The time of an entry
    /// never lies before that of the entry before it, unless a wrong clock has dated that one.
    pub(super) fn advance(&mut self, file: &Connection, room: RoomId, now: i64) -> rusqlite::Result<Option<Head>> {
        let Some(head) = self.head(file, room)? else { return Ok(None) };
        if !head.behind {
            file.prepare_cached("UPDATE room SET behind = 1 WHERE key = ?1")?.execute([head.key])?;
            head.behind = true;
        }
        head.last += 1;
        head.last_at = not_before(head.last_at, now);
        Ok(Some(*head))
    }

    /// What is older is no longer in the log.
    pub(super) fn begin_at(&mut self, room: RoomId, first: u64, missing: u64) {
        if let Some(head) = self.0.get_mut(&room) {
            (head.first, head.missing) = (first, missing);
        }
    }

    /// Forgets the rooms that were deleted, as these news say.
    pub(super) fn heed(&mut self, news: &[Event]) {
        for event in news {
            if let Event::RoomDeleted(room) = event {
                self.0.remove(room);
            }
        }
    }

    /// Something was taken back, or the rows were changed otherwise than here.
    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }

    fn head(&mut self, file: &Connection, room: RoomId) -> rusqlite::Result<Option<&mut Head>> {
        match self.0.entry(room) {
            Entry::Occupied(known) => Ok(Some(known.into_mut())),
            Entry::Vacant(place) => Ok(read(file, room)?.map(|head| place.insert(head))),
        }
    }
}

fn read(file: &Connection, room: RoomId) -> rusqlite::Result<Option<Head>> {
    file.prepare_cached("SELECT key, first_offset, last_offset, last_at, behind, missing FROM room_now WHERE id = ?1")?
        .query_row([room.as_bytes()], |r| {
            Ok(Head {
                key: r.get(0)?,
                first: row::number(r, 1)?,
                last: row::number(r, 2)?,
                last_at: r.get(3)?,
                behind: r.get(4)?,
                missing: row::number(r, 5)?,
            })
        })
        .optional()
}

/// Brings rows that are behind up to date, at most so many, of rooms whose key is greater than `after`; answers the
/// greatest key of these, or `None` when there were no more.
pub(super) fn catch_up(file: &Connection, after: i64, rooms_max: u64) -> rusqlite::Result<Option<i64>> {
    let mut update = file.prepare_cached(
        "UPDATE room SET behind = 0, (last_offset, last_at) =
             (SELECT last_offset, last_at FROM room_now WHERE room_now.key = room.key)
         WHERE key IN (SELECT key FROM room WHERE behind AND key > ?1 ORDER BY key LIMIT ?2) RETURNING key",
    )?;
    let keys = update.query_map(params![after, rooms_max.cast_signed()], |r| r.get(0))?;
    keys.collect::<rusqlite::Result<Vec<i64>>>().map(|keys| keys.into_iter().max())
}

/// The log of a room begins at `first` from now on, with so many offsets behind it that have no entry. What its newest
/// entry tells is written down, as that may be among those that go.
pub(super) fn begin_at(file: &Connection, key: i64, first: u64, missing: u64) -> rusqlite::Result<()> {
    file.prepare_cached(
        "UPDATE room SET first_offset = ?2, missing = ?3, (last_offset, last_at) =
             (SELECT last_offset, last_at FROM room_now WHERE room_now.key = room.key)
         WHERE key = ?1",
    )?
    .execute([key, first.cast_signed(), missing.cast_signed()])
    .map(drop)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::sqlite::place::place;
    use crate::store::sqlite::schema;

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);

    fn file() -> Connection {
        let mut file = Connection::open_in_memory().unwrap();
        schema::migrate(&mut file, Path::new("x")).unwrap();
        file.execute("INSERT INTO room (id, name, created_at, last_at) VALUES (?1, 'x', 1, 1)", [ROOM.as_bytes()])
            .unwrap();
        file
    }

    fn append(file: &Connection, heads: &mut Heads, now: i64) -> u64 {
        let head = heads.advance(file, ROOM, now).unwrap().unwrap();
        file.execute(
            "INSERT INTO entry (place, kind, sender, message, user_count, sent_at) VALUES (?1, 0, 'a', 'x', 1, ?2)",
            [place(head.key, head.last), head.last_at],
        )
        .unwrap();
        head.last
    }

    /// First and newest offset, newest time and mark.
    fn of(file: &Connection, table: &str) -> (i64, i64, i64, bool) {
        let sql = format!("SELECT first_offset, last_offset, last_at, behind FROM {table}");
        file.query_row(&sql, [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))).unwrap()
    }

    #[test]
    fn an_append_marks_the_row_once_and_the_newest_entry_tells_until_the_row_catches_up() {
        let (file, mut heads) = (file(), Heads::default());
        assert_eq!(of(&file, "room_now"), (1, 0, 1, false));
        assert_eq!([append(&file, &mut heads, 5), append(&file, &mut heads, 6)], [1, 2]);
        assert_eq!((of(&file, "room"), of(&file, "room_now")), ((1, 0, 1, true), (1, 2, 6, true)));
        assert_eq!(catch_up(&file, 0, 10).unwrap(), Some(1));
        assert_eq!(catch_up(&file, 0, 10).unwrap(), None);
        assert_eq!((of(&file, "room"), of(&file, "room_now")), ((1, 2, 6, false), (1, 2, 6, false)));
        heads.forget_all();
        assert_eq!(append(&file, &mut heads, 4), 3);
        assert_eq!(of(&file, "room_now"), (1, 3, 6, true), "marked again, and no time goes back");
    }

    #[test]
    fn what_is_forgotten_is_found_again_in_the_entries() {
        let (file, mut heads) = (file(), Heads::default());
        file.execute_batch("SAVEPOINT command").unwrap();
        assert_eq!([append(&file, &mut heads, 5), append(&file, &mut heads, 6)], [1, 2]);
        file.execute_batch("ROLLBACK TO command").unwrap();
        heads.forget_all();
        assert_eq!(append(&file, &mut heads, 7), 1);
        assert_eq!(of(&file, "room_now"), (1, 1, 7, true), "the mark was taken back as well");
        heads.forget_all();
        assert_eq!(append(&file, &mut heads, 8), 2);
    }

    #[test]
    fn a_room_of_which_nothing_is_left_goes_on_behind_its_newest_offset() {
        let (file, mut heads) = (file(), Heads::default());
        assert_eq!([append(&file, &mut heads, 5), append(&file, &mut heads, 6)], [1, 2]);
        begin_at(&file, 1, 3, 0).unwrap();
        file.execute("DELETE FROM entry", []).unwrap();
        assert_eq!(of(&file, "room_now"), (3, 2, 6, true));
        heads.forget_all();
        assert_eq!(append(&file, &mut heads, 7), 3);
        assert_eq!(of(&file, "room_now"), (3, 3, 7, true));
    }

    #[test]
    fn a_room_is_not_misread_by_the_entries_of_its_neighbours() {
        let (file, mut heads) = (file(), Heads::default());
        file.execute("UPDATE room SET behind = 1", []).unwrap();
        for neighbour in [place(0, 9), place(2, 0), place(2, 9)] {
            file.execute(
                "INSERT INTO entry (place, kind, sender, message, user_count, sent_at) VALUES (?1, 0, 'a', 'x', 1, 9)",
                [neighbour],
            )
            .unwrap();
        }
        assert_eq!(of(&file, "room_now"), (1, 0, 1, true));
        assert_eq!(append(&file, &mut heads, 5), 1);
    }
}
