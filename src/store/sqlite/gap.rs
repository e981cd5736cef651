//! How a restored file goes on: behind every offset that may have been given out since the backup.
//!
//! Clients keep the offset that they have seen last, and come back with it. Were the offsets behind a backup given out a
//! second time, whoever has seen the first ones would miss, without a word, what is said under the second: so they are left
//! out, like those that a Redis has lost, and who resumes is told the gap.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};

use super::place::OFFSET_MAX;
use super::{OpenError, connection};

/// Offsets that one room may have given out in a second, over the whole time since the backup; many times what people
/// write. The time from the backup to the restoration counts, so that restoring the same backup once more leaves out what
/// was given out after the first time.
const OFFSETS_A_SECOND: u64 = 1_000;
/// What is left out at least, for a burst, and for clocks that differ.
const OFFSETS_MIN: u64 = 1_000_000;

/// How many offsets to leave out of each room's log when so many seconds have passed since the backup.
pub(in crate::store) fn offsets_after(seconds: u64) -> u64 {
    OFFSETS_MIN.saturating_add(seconds.saturating_mul(OFFSETS_A_SECOND))
}

/// Leaves out so many offsets behind the end of each room's log; never more than half of those that are left, so that a room
/// can be restored again and again. Nobody has the file open.
pub(in crate::store) fn leave(database: &Path, offsets: u64) -> Result<(), OpenError> {
    let broken = |cause| OpenError::broken(database, cause);
    let mut file = connection::writer(database, true).map_err(broken)?;
    leave_in(&mut file, offsets).map_err(broken)?;
    // One file that stands for itself: whoever serves from it makes a write-ahead log anew.
    file.pragma_update(None, "journal_mode", "DELETE").map_err(broken)
}

fn leave_in(file: &mut Connection, offsets: u64) -> rusqlite::Result<()> {
    let offsets = i64::try_from(offsets).unwrap_or(i64::MAX);
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "UPDATE room SET behind = 0, (last_offset, last_at) =
            (SELECT last_offset, last_at FROM room_now WHERE room_now.key = room.key)",
    )?;
    transaction.execute(
        "UPDATE room SET last_offset = last_offset + min(?1, (?2 - last_offset) / 2)",
        params![offsets, OFFSET_MAX.cast_signed()],
    )?;
    count_missing(&transaction)?;
    transaction.commit()
}

/// Counts which offsets have no entry, and where each log begins, of a file that was filled while its source lived on.
pub(in crate::store) fn settle(database: &Path) -> Result<(), OpenError> {
    let broken = |cause| OpenError::broken(database, cause);
    let mut file = connection::writer(database, true).map_err(broken)?;
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate).map_err(broken)?;
    count_missing(&transaction).map_err(broken)?;
    transaction.commit().map_err(broken)?;
    file.pragma_update(None, "journal_mode", "DELETE").map_err(broken)
}

/// A log without an entry begins behind its end; of the others what lies between and has no entry is missing.
fn count_missing(file: &Connection) -> rusqlite::Result<()> {
    let mut entries = file.prepare(
        "SELECT key, (SELECT min(place) & ?1 FROM entry WHERE place BETWEEN room.key << 36 AND room.key << 36 | ?1),
            (SELECT count(*) FROM entry WHERE place BETWEEN room.key << 36 AND room.key << 36 | ?1), last_offset
         FROM room",
    )?;
    let mut settle = file.prepare("UPDATE room SET first_offset = ?2, missing = ?3 WHERE key = ?1")?;
    let mut rows = entries.query([OFFSET_MAX.cast_signed()])?;
    let mut found: Vec<(i64, i64, i64)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (key, oldest, count, last): (i64, Option<i64>, i64, i64) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let first = oldest.unwrap_or(last + 1);
        found.push((key, first, (last + 1 - first - count).max(0)));
    }
    for (key, first, missing) in found {
        settle.execute([key, first, missing])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::place::place;
    use crate::store::sqlite::schema;

    fn file() -> Connection {
        let mut file = Connection::open_in_memory().unwrap();
        schema::migrate(&mut file, Path::new("x")).unwrap();
        let room = "INSERT INTO room (key, id, name, created_at, first_offset, last_offset, last_at, history, behind)
            VALUES (?1, ?2, 'x', 1, ?3, ?4, 1, ?5, ?6)";
        // One that is behind, one of which nothing is left, one that is new, one without a history.
        for (key, first, last, history, behind) in
            [(1, 3, 0, 1, 1), (2, 8, 7, 1, 0), (3, 1, 0, 1, 0), (4, 65_537, 65_536, 0, 0)]
        {
            file.execute(room, params![key, [key as u8; 16], first, last, history, behind]).unwrap();
        }
        let entry =
            "INSERT INTO entry (place, kind, sender, message, user_count, sent_at) VALUES (?1, 0, 'a', 'x', 1, 9)";
        for offset in 3..=5 {
            file.execute(entry, [place(1, offset)]).unwrap();
        }
        file
    }

    /// First and last offset, and how many are missing in between, room by room.
    fn rooms(file: &Connection) -> Vec<(i64, i64, i64)> {
        let mut rooms = file.prepare("SELECT first_offset, last_offset, missing FROM room_now ORDER BY key").unwrap();
        rooms
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .map(|row| row.unwrap())
            .collect()
    }

    #[test]
    fn every_room_goes_on_behind_a_gap_and_keeps_what_it_has() {
        let mut file = file();
        leave_in(&mut file, 1_000).unwrap();
        assert_eq!(rooms(&file), [(3, 1_005, 1_000), (1_008, 1_007, 0), (1_001, 1_000, 0), (66_537, 66_536, 0)]);
        leave_in(&mut file, 10).unwrap();
        assert_eq!(rooms(&file)[0], (3, 1_015, 1_010), "a backup of what was restored is restored");
    }

    #[test]
    fn a_room_never_runs_out_of_offsets() {
        let mut file = file();
        for _ in 0..20 {
            leave_in(&mut file, u64::MAX).unwrap();
        }
        assert!(rooms(&file).iter().all(|(_, last, _)| *last < OFFSET_MAX.cast_signed() - 10_000));
    }

    #[test]
    fn the_longer_ago_the_backup_was_made_the_more_offsets_are_left_out() {
        assert_eq!(offsets_after(0), 1_000_000);
        assert!(offsets_after(86_400) > 86_400_000 && offsets_after(u64::MAX) == u64::MAX);
    }
}
